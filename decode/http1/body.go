package http1

import (
	"errors"
	"fmt"

	"framescope/decode"
)

// A Framing says what ends a body (RFC 9112 section 6.3).
type Framing uint8

// The framings.
const (
	// None: no body follows the head.
	None Framing = iota
	// Length: Content-Length says how long it is.
	Length
	// Chunked: the last chunk ends it.
	Chunked
	// UntilClose: the end of the connection ends it.
	UntilClose
	// Tunnel: there is no body; what follows is no longer HTTP (a CONNECT that
	// was granted, or 101).
	Tunnel
)

// maxChunkLine bounds a line of chunk size and extensions, or of a trailer.
const maxChunkLine = 16 << 10

// A Body passes over the body of one message, fed with bytes in any cut.
type Body struct {
	// Keep bounds how many of the first bytes of the content Kept holds.
	Keep int

	// Framing says what ends the body.
	Framing Framing
	// Ambiguous says that recipients may disagree on where it ends: the shape
	// of request smuggling (RFC 9112 section 11.2).
	Ambiguous bool
	// Bytes counts the content, without chunk sizes; Lost those of it that were
	// missing.
	Bytes, Lost int64
	// Kept is the beginning of the content, up to a gap.
	Kept []byte

	left  int64 // of the content, or of the chunk
	off   int64 // bytes taken
	state chunkState
	line  int // bytes of the current line of chunk size or trailer
	done  bool
	err   error
}

type chunkState uint8

const (
	chunkSize chunkState = iota // the digits
	chunkExt                    // up to the line feed
	chunkData
	chunkEnd // the line end behind the data
	chunkTrailer
)

var errChunkLost = errors.New("a chunk size is missing from the capture")

// Request prepares b for the body behind r. The error says that the end of the
// body cannot be told (RFC 9112 section 6.3); what follows r is then no HTTP
// that could be read.
func (b *Body) Request(r *Request) error {
	b.reset()
	chunked, coded := b.coding(r.Header, r.Version)
	if coded && !chunked {
		b.Framing, b.Ambiguous = UntilClose, true
		b.fail("transfer-encoding", errors.New("chunked is not the last coding of a request"))
		return b.err
	}
	return b.frame(r.Header, chunked, None)
}

// Response prepares b for the body behind r, the answer to a request with that
// method; nil when no request was seen. The error is as that of Request.
func (b *Body) Response(r *Response, method []byte) error {
	b.reset()
	switch {
	case r.Status == 101, string(method) == "CONNECT" && r.Status/100 == 2:
		b.Framing, b.done = Tunnel, true
		return nil
	case string(method) == "HEAD", r.Status/100 == 1, r.Status == 204, r.Status == 304:
		b.done = true
		return nil
	}
	chunked, coded := b.coding(r.Header, r.Version)
	if coded && !chunked {
		b.Framing = UntilClose
		return nil
	}
	return b.frame(r.Header, chunked, UntilClose)
}

func (b *Body) reset() { *b = Body{Keep: b.Keep, Kept: b.Kept[:0]} }

// coding reads Transfer-Encoding: whether there is one, and whether it ends in
// chunked.
func (b *Body) coding(h Header, version []byte) (chunked, coded bool) {
	for e := range h.List("transfer-encoding") {
		if chunked { // section 6.1: chunked comes last, and once
			b.Ambiguous = true
		}
		coding, _ := Cut(e, ';')
		if EqualFold(coding, "identity") { // of RFC 2616; no coding at all
			b.Ambiguous = true
			continue
		}
		chunked = EqualFold(coding, "chunked")
		coded = true
	}
	if coded && (h.Get("content-length") != nil || string(version) == "1.0") {
		b.Ambiguous = true
	}
	return chunked, coded
}

// frame chooses between chunked, Content-Length and what is without them.
func (b *Body) frame(h Header, chunked bool, otherwise Framing) error {
	if chunked {
		b.Framing = Chunked
		return nil
	}
	n := int64(-1)
	for e := range h.List("content-length") {
		v, ok := decimal(e)
		if !ok || n >= 0 && v != n {
			b.Framing, b.Ambiguous = UntilClose, true
			b.fail("content-length", fmt.Errorf("%.40q is not one length", e))
			return b.err
		}
		n = v
	}
	b.Framing, b.done = otherwise, otherwise == None
	if n >= 0 {
		b.Framing, b.left, b.done = Length, n, n == 0
	}
	return nil
}

// Done reports whether the body has ended. One that is read until the end of
// the connection never has.
func (b *Body) Done() bool { return b.done }

// Data takes the bytes of p that belong to the body and returns how many they
// are: all of them while Done is false. It fails where a chunk cannot be read;
// later calls then return the same error and take nothing.
func (b *Body) Data(p []byte) (n int, err error) {
	for n < len(p) && !b.done && b.err == nil {
		switch b.Framing {
		case Length:
			n += b.take(p[n:])
			b.done = b.left == 0
		case Chunked:
			if b.state == chunkData {
				n += b.take(p[n:])
				if b.left == 0 {
					b.state = chunkEnd
				}
				continue
			}
			b.chunk(p[n])
			n++
			b.off++
		case UntilClose:
			b.left = int64(len(p) - n)
			n += b.take(p[n:])
		default:
			return n, b.err
		}
	}
	return n, b.err
}

// Gap says that n bytes are missing from the stream, and returns how many of
// them belong to the body. It fails where the missing bytes held a chunk size.
func (b *Body) Gap(n int64) (int64, error) {
	if b.done || b.err != nil || n <= 0 {
		return 0, b.err
	}
	switch {
	case b.Framing == UntilClose:
		b.left = n
	case b.Framing == Chunked && (b.state != chunkData || n > b.left):
		if b.state == chunkData {
			b.lose(b.left)
		}
		b.fail("chunk size", errChunkLost)
		return 0, b.err
	}
	n = min(n, b.left)
	b.lose(n)
	if b.left == 0 && b.Framing == Chunked {
		b.state = chunkEnd
	} else if b.left == 0 && b.Framing == Length {
		b.done = true
	}
	return n, nil
}

func (b *Body) lose(n int64) {
	b.left -= n
	b.off += n
	b.Bytes += n
	b.Lost += n
}

// take counts and keeps content bytes from the start of p.
func (b *Body) take(p []byte) int {
	if int64(len(p)) > b.left {
		p = p[:b.left]
	}
	if k := b.Keep - len(b.Kept); k > 0 && b.Lost == 0 {
		b.Kept = append(b.Kept, p[:min(k, len(p))]...)
	}
	b.left -= int64(len(p))
	b.off += int64(len(p))
	b.Bytes += int64(len(p))
	return len(p)
}

// chunk takes one byte that is no chunk data (RFC 9112 section 7.1). Line feeds
// without carriage returns are taken for line ends, as most recipients do.
func (b *Body) chunk(c byte) {
	if b.line++; b.line > maxChunkLine {
		b.fail("chunk size", fmt.Errorf("the line is longer than %d bytes", maxChunkLine))
		return
	}
	switch b.state {
	case chunkSize:
		v := decode.HexDigit(c)
		switch {
		case v < 16 && b.left>>55 == 0:
			b.left = b.left<<4 | int64(v)
		case v < 16 || b.line == 1:
			b.fail("chunk size", fmt.Errorf("found %q", c))
		case c == '\n':
			b.endSize()
		case c == ';' || c == '\r' || c == ' ' || c == '\t':
			b.state = chunkExt
		default:
			b.fail("chunk size", fmt.Errorf("found %q", c))
		}
	case chunkExt:
		if c == '\n' {
			b.endSize()
		}
	case chunkEnd:
		switch {
		case c == '\n':
			b.state, b.line = chunkSize, 0
		case c != '\r' || b.line > 1:
			b.fail("chunk end", fmt.Errorf("found %q behind the data", c))
		}
	case chunkTrailer:
		switch {
		case c == '\n' && b.left == 0: // left counts the bytes of the line
			b.done = true
		case c == '\n':
			b.left, b.line = 0, 0
		case c != '\r':
			b.left = 1
		}
	}
}

func (b *Body) endSize() {
	b.state, b.line = chunkData, 0
	if b.left == 0 {
		b.state = chunkTrailer
	}
}

// fail ends the body where it could no longer be read.
func (b *Body) fail(field string, err error) {
	b.err = &decode.Error{Layer: "http1", Off: b.off, Field: field, Err: err}
}

// decimal reads digits only: no sign, no white space (RFC 9110 section 8.6).
func decimal(b []byte) (n int64, ok bool) {
	if len(b) == 0 || len(b) > 18 {
		return 0, false
	}
	for _, c := range b {
		if !digit(c) {
			return 0, false
		}
		n = n*10 + int64(c-'0')
	}
	return n, true
}
