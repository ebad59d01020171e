// Package http1 reads the heads of HTTP/1 requests and responses and tells how
// long the bodies behind them are (RFC 9112), without allocation.
//
// It reads what real peers send: bare line feeds, folded lines, a missing
// reason. What is wrong but readable is noted (Quirks), so that a caller can
// tell.
package http1

import (
	"errors"
	"iter"
)

// ErrShort says that the bytes end before the head does: call again when there
// are more.
var ErrShort = errors.New("http1: the head is not complete")

// A Field is one header field line. Name and Value alias the bytes that were
// parsed; Value is without surrounding white space. A folded value (RFC 9112
// section 5.2) keeps its line breaks.
type Field struct{ Name, Value []byte }

// A Header is the field lines of a head in their order on the wire, names as
// they were written.
type Header []Field

// Limits bound what a head may cost.
type Limits struct {
	// Bytes bounds the length of a head, empty line included; zero stands for
	// 128 KiB.
	Bytes int
	// Fields bounds the number of field lines; zero stands for 512.
	Fields int
}

func (l Limits) orDefault() Limits {
	if l.Bytes <= 0 {
		l.Bytes = 128 << 10
	}
	if l.Fields <= 0 {
		l.Fields = 512
	}
	return l
}

// Quirks are the ways in which a head could be read and yet breaks RFC 9112.
type Quirks struct {
	// LFOnly: a line ended in a line feed without a carriage return
	// (section 2.2).
	LFOnly bool
	// Folded: a value went on in the next line (section 5.2).
	Folded bool
	// SpaceBeforeColon: white space stood between a name and its colon
	// (section 5.1).
	SpaceBeforeColon bool
	// BadLine: a field line without a colon, a name that is no token, or a
	// carriage return inside a line.
	BadLine bool
}

// A Request is the head of a request. Its slices alias the parsed bytes. A
// Request may be used again for the next head; its Header then keeps its
// memory.
type Request struct {
	// Method and Target are as they were written. Version is what stands behind
	// "HTTP/", such as "1.1".
	Method, Target, Version []byte
	Header                  Header
	// Size is the length of the head in bytes, empty line included.
	Size   int
	Limits Limits
	Quirks
}

// A Response is the head of a response. Its slices alias the parsed bytes, and
// it may be used again, as a Request.
type Response struct {
	// Version is what stands behind "HTTP/", such as "1.1".
	Version []byte
	// Status is the status code, 100 to 999.
	Status int
	// Reason may be empty.
	Reason []byte
	Header Header
	// Size is the length of the head in bytes, empty line included.
	Size   int
	Limits Limits
	Quirks
}

// Get returns the value of the first field called name, in any case, or nil.
func (h Header) Get(name string) []byte {
	for i := range h {
		if EqualFold(h[i].Name, name) {
			return h[i].Value
		}
	}
	return nil
}

// Count returns how many fields are called name, in any case.
func (h Header) Count(name string) (n int) {
	for i := range h {
		if EqualFold(h[i].Name, name) {
			n++
		}
	}
	return n
}

// Values ranges over the values of the fields called name, in any case.
func (h Header) Values(name string) iter.Seq[[]byte] {
	return func(yield func([]byte) bool) {
		for i := range h {
			if EqualFold(h[i].Name, name) && !yield(h[i].Value) {
				return
			}
		}
	}
}

// List ranges over the elements of all fields called name as one list (RFC
// 9110 section 5.6.1): split at commas outside quoted strings, without
// surrounding white space, empty elements left out.
func (h Header) List(name string) iter.Seq[[]byte] {
	return func(yield func([]byte) bool) {
		for i := range h {
			if !EqualFold(h[i].Name, name) {
				continue
			}
			for rest := h[i].Value; len(rest) > 0; {
				var e []byte
				if e, rest = Cut(rest, ','); len(e) > 0 && !yield(e) {
					return
				}
			}
		}
	}
}

// HasToken reports whether the list in the fields called name has the element
// token. Both are compared in any case.
func (h Header) HasToken(name, token string) bool {
	for e := range h.List(name) {
		if EqualFold(e, token) {
			return true
		}
	}
	return false
}

// Cut returns what stands before the first sep outside a quoted string (RFC
// 9110 section 5.6.4), without surrounding white space, and what follows sep.
func Cut(b []byte, sep byte) (before, after []byte) {
	quoted := false
	for i := 0; i < len(b); i++ {
		switch c := b[i]; {
		case c == '"':
			quoted = !quoted
		case c == '\\' && quoted:
			i++
		case c == sep && !quoted:
			return trim(b[:i]), b[i+1:]
		}
	}
	return trim(b), nil
}

// EqualFold reports whether a and s are equal but for the case of ASCII
// letters.
func EqualFold(a []byte, s string) bool {
	if len(a) != len(s) {
		return false
	}
	for i, c := range a {
		if c != s[i] && lower(c) != lower(s[i]) {
			return false
		}
	}
	return true
}

func lower(c byte) byte {
	if 'A' <= c && c <= 'Z' {
		c += 'a' - 'A'
	}
	return c
}

// space reports white space as it occurs in a value, line breaks of a folded
// one included.
func space(c byte) bool { return c == ' ' || c == '\t' || c == '\r' || c == '\n' }

func trim(b []byte) []byte {
	for len(b) > 0 && space(b[0]) {
		b = b[1:]
	}
	for len(b) > 0 && space(b[len(b)-1]) {
		b = b[:len(b)-1]
	}
	return b
}
