package main

import (
	"bytes"
	"encoding/json"
	"io"
	"time"
	"unicode/utf8"

	"framescope/decode/record"
)

// A plainJSON is where JSON is written that a terminal may show: what strings hold
// of control and invisible characters, of which encoding/json leaves most as they
// are, is escaped. What is written at once is whole characters.
type plainJSON struct{ w io.Writer }

func (p plainJSON) Write(b []byte) (int, error) {
	if _, err := p.w.Write(plain(b)); err != nil {
		return 0, err
	}
	return len(b), nil
}

// plain returns JSON with nothing hidden in it but line breaks. It may be b itself.
func plain(b []byte) []byte {
	if !bytes.ContainsFunc(b, hidden) {
		return b
	}
	safe := make([]byte, 0, len(b)+16)
	for _, r := range string(b) { // it is valid UTF-8
		if hidden(r) {
			safe = record.AppendEscape(safe, r)
		} else {
			safe = utf8.AppendRune(safe, r)
		}
	}
	return safe
}

func hidden(r rune) bool { return r != '\n' && record.Hidden(r) }

// newEncoder returns an encoder of JSON that a terminal may show.
func newEncoder(w io.Writer) *json.Encoder {
	e := json.NewEncoder(plainJSON{w})
	e.SetEscapeHTML(false)
	return e
}

// encodeJSON returns v as JSON that a terminal may show, in one line without an end.
func encodeJSON(v any) ([]byte, error) {
	var b bytes.Buffer
	err := newEncoder(&b).Encode(v)
	return bytes.TrimSuffix(b.Bytes(), []byte("\n")), err
}

// writeJSON writes v as a line of JSON.
func writeJSON(w io.Writer, v any) error { return newEncoder(w).Encode(v) }

// stamp is a time as records have it.
func stamp(t time.Time) string { return string(record.AppendTime(nil, t.UnixNano())) }
