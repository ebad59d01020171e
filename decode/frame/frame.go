// Package frame cuts one direction of a connection into the frames of a
// protocol: a header that says how long its payload is, the payload, and the
// next header right behind it.
//
// A Format knows one header. The Decoder does the rest once for all formats:
// headers cut by packets, payload handed through in chunks, lost bytes,
// offsets. The Finder finds the next header after bytes were lost.
package frame

import "errors"

// ErrShort is what a Format returns for bytes that end inside a header.
var ErrShort = errors.New("header is not complete")

// ErrLost is inside the error of a Decoder that does not know where the next
// frame begins, because bytes of the stream are missing.
var ErrLost = errors.New("the place in the stream is lost: bytes are missing")

// A Format reads the frame headers of one protocol. Its zero value must be
// ready to use.
type Format[H any] interface {
	// Header reads the header at the start of b into h, and returns the length
	// of the header, at least 1, and of the payload behind it, at least 0. It
	// sets all of h, which may hold another header, keeps no reference to b,
	// and never looks further than MaxHeader bytes.
	//
	// The error is ErrShort when b ends inside the header, even an empty one.
	// Any other error means that the place of the next header cannot be known;
	// in a *decode.Error, Off counts from the start of the header. What is
	// wrong with a header whose length is clear belongs into h.
	Header(b []byte, h *H) (size int, payload int64, err error)
	// MaxHeader is the length of the longest header in bytes.
	MaxHeader() int
}

// A Chunk is a run of payload bytes of one frame. The first chunk of a frame
// comes as soon as its header is whole: it is empty when the frame is, or when
// the input ends right behind the header.
//
// A chunk and its header are valid until the next step of the iteration, or
// the next call of the Decoder.
type Chunk[H any] struct {
	Header *H
	// Data holds the bytes as they were on the wire; it aliases the input.
	Data []byte
	// HeaderOff is the stream offset of the frame's header in bytes from 0,
	// Off that of Data or, without data, of the place where it would be.
	HeaderOff, Off int64
	// Pos is the payload offset of Data.
	Pos int64
	// Lost counts the payload bytes that are missing in place of Data.
	Lost int64
	// First is set in the first chunk of a frame, Last in the one that reaches
	// the frame's end.
	First, Last bool
}
