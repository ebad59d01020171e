package main

import (
	"bufio"
	"fmt"

	"framescope/probes/sockets"
)

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
