// Package decode holds the words that all decoders share: where bytes came
// from, which field they belong to, and what is wrong with them.
//
// The packages below it turn bytes into values, one layer each, and know
// nothing of sockets, files or operating systems.
package decode

import "strconv"

// An Origin says which packet brought some bytes, and when.
type Origin struct {
	// Packet is the number of the packet in its capture, from 1. Zero means
	// that no packet is known.
	Packet int64
	// Time is when the packet was captured, in nanoseconds since 1970 UTC.
	Time int64
	// Subflow is the MPTCP subflow that carried the bytes, from 1; zero means
	// that the connection has only one.
	Subflow int32
}

// A Field names bytes of a header: what a hex dump shows beside them.
type Field struct {
	// Name is the field's name in its RFC, in lower case.
	Name string
	// Off is the offset of the field's first byte from the start of the
	// header, Len its length, both in bytes.
	Off, Len int
	// Bit is the number of the field's first bit counted from the most
	// significant bit of its first byte, Bits how many there are. Bits is zero
	// for a field of whole bytes.
	Bit, Bits int
	// Value is the field's value as a person reads it.
	Value string
}

// An Error says where bytes could not be decoded, and why. What is wrong but
// readable is data, not an Error.
type Error struct {
	// Layer is the protocol whose decoder gave up, such as "websocket".
	Layer string
	// Off is the offset of Field, in bytes from the start of the stream,
	// packet or file that was decoded.
	Off int64
	// Field is the field that could not be read.
	Field string
	// Err says what was found and what was expected.
	Err error
}

// Error returns "layer: offset N: field: cause".
func (e *Error) Error() string {
	s := e.Layer + ": offset " + strconv.FormatInt(e.Off, 10)
	if e.Field != "" {
		s += ": " + e.Field
	}
	if e.Err != nil {
		s += ": " + e.Err.Error()
	}
	return s
}

// Unwrap returns e.Err.
func (e *Error) Unwrap() error { return e.Err }
