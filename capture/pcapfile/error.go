package pcapfile

import (
	"errors"
	"fmt"
	"io"
	"strconv"
)

// What an *Error is about, for errors.Is.
var (
	// ErrFormat: the file is no capture, or a kind of capture that is not read.
	ErrFormat = errors.New("not a capture that can be read")
	// ErrTruncated: the file ends too early. Everything up to there is fine.
	ErrTruncated = errors.New("file ends too early")
	// ErrCorrupt: the file holds what no capture can hold.
	ErrCorrupt = errors.New("file is damaged")
)

// An Error says where a capture could not be read, and why. It wraps
// ErrFormat, ErrTruncated or ErrCorrupt, or else the error of the system.
type Error struct {
	// File is the name of the capture.
	File string
	// Packet is the number of the packet that could not be read, from 1: one
	// more than were handed out. Zero means that it is about the file as a whole.
	Packet int64
	// Off is the offset in bytes of the record or block that could not be
	// read; in the uncompressed data when the file is compressed.
	Off int64
	// Field is the part of it that is wrong, or "".
	Field string
	// Err says what was found and what was expected.
	Err error
}

// Error returns "file: packet N: offset N: field: cause".
func (e *Error) Error() string {
	s := e.File + ": "
	if e.Packet > 0 {
		s += "packet " + strconv.FormatInt(e.Packet, 10) + ": "
	}
	if e.Packet > 0 || e.Off > 0 {
		s += "offset " + strconv.FormatInt(e.Off, 10) + ": "
	}
	if e.Field != "" {
		s += e.Field + ": "
	}
	return s + e.Err.Error()
}

// Unwrap returns e.Err.
func (e *Error) Unwrap() error { return e.Err }

// A cause is a text of one of the kinds above.
type cause struct {
	kind error
	text string
}

func (c *cause) Error() string { return c.text }
func (c *cause) Unwrap() error { return c.kind }

func causef(kind error, format string, args ...any) error {
	return &cause{kind, fmt.Sprintf(format, args...)}
}

// fail returns an *Error about the file as a whole.
func (r *Reader) fail(field string, err error) error {
	return &Error{File: r.name, Field: field, Err: err}
}

// bad returns an *Error about the record or block at r.w.pos.
func (r *Reader) bad(field string, err error) error {
	return &Error{File: r.name, Packet: r.number + 1, Off: r.w.off(), Field: field, Err: err}
}

// end returns the error of a capture that ends where field, of bytes long,
// should be: io.EOF when not a byte of it is there.
func (r *Reader) end(field string, of int) error {
	have := len(r.w.data) - r.w.pos
	switch {
	case r.w.err != nil:
		// it is not the file that ends, but what could be read of it
		return r.bad("", r.w.err)
	case have == 0:
		return io.EOF
	}
	return r.bad(field, causef(ErrTruncated, "file ends inside it, %d of %d bytes are there", have, of))
}
