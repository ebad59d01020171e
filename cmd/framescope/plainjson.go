package main

import (
	"bytes"
	"fmt"
	"io"
)

// A plainJSON writes JSON whose strings hold no control characters: those of
// U+0080 to U+009F, which encoding/json leaves as they are, could do something
// to a terminal. What is written at once is whole characters.
type plainJSON struct{ w io.Writer }

func (p plainJSON) Write(b []byte) (int, error) {
	out := b
	for c := byte(0x80); c < 0xa0; c++ {
		if raw := []byte{0xc2, c}; bytes.Contains(out, raw) {
			out = bytes.ReplaceAll(out, raw, fmt.Appendf(nil, "\\u00%02x", c))
		}
	}
	if _, err := p.w.Write(out); err != nil {
		return 0, err
	}
	return len(b), nil
}
