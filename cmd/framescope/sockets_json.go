package main

import (
	"bufio"
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"unicode/utf8"

	"framescope/decode/record"
	"framescope/probes/sockets"
)

// encodeJSON returns v as JSON in one line without an end, which a terminal may
// show: what names of processes and paths have of invisible characters is escaped.
func encodeJSON(v any) ([]byte, error) {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	if err := e.Encode(v); err != nil {
		return nil, err
	}
	line := bytes.TrimSuffix(b.Bytes(), []byte("\n"))
	plain := true
	for _, c := range line {
		plain = plain && c >= ' ' && c < 0x7f
	}
	if plain {
		return line, nil
	}
	safe := make([]byte, 0, len(line)+16)
	for _, r := range string(line) { // it is valid UTF-8
		if record.Hidden(r) {
			safe = record.AppendEscape(safe, r)
		} else {
			safe = utf8.AppendRune(safe, r)
		}
	}
	return safe, nil
}

// writeJSON writes v as a line of JSON.
func writeJSON(w io.Writer, v any) error {
	b, err := encodeJSON(v)
	if err == nil {
		_, err = w.Write(append(b, '\n'))
	}
	return err
}

// jsonRows prints sockets as JSON: an array, or one a line.
type jsonRows struct {
	f     *socketsFlags
	w     *bufio.Writer
	array bool
	n     int
}

func newJSONRows(f *socketsFlags) *jsonRows {
	return &jsonRows{f: f, w: bufio.NewWriterSize(f.out, 64<<10), array: f.format == "json"}
}

func (p *jsonRows) print(r *sockets.Row) error {
	rec := p.f.record(r)
	rec.Schema, rec.Type = "1.0", "socket"
	b, err := encodeJSON(rec)
	if err != nil {
		return err
	}
	switch {
	case p.array && p.n == 0:
		_, err = p.w.WriteString("[\n")
	case p.array:
		_, err = p.w.WriteString(",\n")
	}
	p.n++
	if err == nil {
		_, err = p.w.Write(b)
	}
	if err == nil && !p.array {
		err = p.w.WriteByte('\n')
	}
	return err
}

func (p *jsonRows) close() error {
	if p.array {
		end := "\n]\n"
		if p.n == 0 {
			end = "[]\n"
		}
		_, _ = p.w.WriteString(end)
	}
	if err := p.w.Flush(); err != nil {
		return fmt.Errorf("standard output: %w", err)
	}
	return nil
}
