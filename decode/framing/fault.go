package framing

import (
	"errors"
	"fmt"

	"framescope/decode"
)

var errNoFraming = errors.New("no framing was named")

// A fault is the cause inside a *decode.Error.
type fault struct {
	text string
	// width is how many bytes the field has that is wrong.
	width int
	// examined is how many bytes from the start of the header were looked at
	// with an effort that grows with their number. The search for the next magic
	// begins behind them, so that hostile bytes are not looked at again and again.
	examined int
}

func (f *fault) Error() string { return f.text }

// Extent returns how many bytes the field has that err, the error of a Decoder,
// is about; at least 1.
func Extent(err error) int {
	if f := (*fault)(nil); errors.As(err, &f) {
		return max(f.width, 1)
	}
	return 1
}

// silence makes the copy of f whose errors have no words.
func (f *Framing) silence() {
	m := *f
	m.mute = true
	switch n := f.native.(type) {
	case webSocket:
		n.f = &m
		m.native = n
	case http1Framing:
		n.f = &m
		m.native = n
	}
	f.muted = &m
}

// cheap is how many bytes may be looked at again after an error.
const cheap = 256

func (f *Framing) fault(off, width int, field, format string, args ...any) error {
	e := &fault{width: width}
	if !f.mute {
		e.text = fmt.Sprintf(format, args...)
	}
	if off+width > cheap {
		e.examined = off + width
	}
	return &decode.Error{Layer: f.name, Off: int64(off), Field: field, Err: e}
}
