package framing

import (
	"bytes"
	"errors"
	"strconv"

	"framescope/decode"
	"framescope/decode/frame"
	"framescope/decode/http1"
)

// http1Framing is RFC 9112: a head and its body of known length are a frame, so
// is each chunk of a chunked body. What a header is follows from its bytes
// alone, so that decoding can begin anywhere between two of them.
type http1Framing struct {
	f *Framing
}

func newHTTP1(most int64) *Framing {
	f := &Framing{name: "http1", title: "HTTP/1 heads with their bodies, and chunks (RFC 9112)",
		about: `A head is a frame whose payload is the body. A chunked body is one frame for each
chunk. The answer to a HEAD request cannot be told from others.`,
		maxHeader: maxHead, maxPayload: limitPayload}
	if most > 0 {
		f.maxPayload = most
	}
	f.native = http1Framing{f}
	f.silence()
	return f
}

func (p http1Framing) header(b []byte, h *Header, from Direction) (int, int64, error) {
	h.Trailer, h.pad, h.Masked = 0, 0, false
	if len(b) == 0 {
		return 0, 0, frame.ErrShort
	}
	if hexDigit(b[0]) >= 0 || b[0] == '\r' || b[0] == '\n' {
		if size, payload, is, err := p.chunk(b, h); is {
			return size, payload, err
		}
	}
	size := http1.FindEnd(b, h.progress.from(0))
	if size < 0 {
		h.progress.note(0, len(b))
		if err := p.plausible(b, from); err != nil {
			return 0, 0, err
		}
		if len(b) >= maxHead {
			return 0, 0, p.f.fault(0, maxHead, "head", "no empty line in %d bytes", maxHead)
		}
		return 0, 0, frame.ErrShort
	}
	if err := p.plausible(b, from); err != nil {
		return 0, 0, err
	}
	h.variant = formHead
	length, err := p.body(b[:size], h)
	if err != nil {
		return 0, 0, p.named(err, size)
	}
	if length > p.f.maxPayload && length != endless {
		return 0, 0, examined(p.f.fault(0, size, "content-length", "%d exceeds max %d", length, p.f.maxPayload), size)
	}
	h.Length = length
	if length == endless {
		h.Length = -1
	}
	return size, length, nil
}

// named makes an error of package http1 one of this framing.
func (p http1Framing) named(err error, size int) error {
	var e *decode.Error
	if errors.As(err, &e) {
		return &decode.Error{Layer: p.f.name, Off: e.Off, Field: e.Field, Err: &fault{text: e.Err.Error(), width: 1, examined: size}}
	}
	return &decode.Error{Layer: p.f.name, Field: "body", Err: &fault{text: err.Error(), width: 1, examined: size}}
}

// plausible reports bytes that begin no head, before all of it is there. What
// it says depends on the first bytes that rule a head out.
func (p http1Framing) plausible(b []byte, from Direction) error {
	const response = "HTTP/1."
	k := 0
	for k < len(b) && k < len(response) && b[k] == response[k] {
		k++
	}
	isResponse := k == len(b) || k == len(response)
	if from != Client && isResponse {
		return nil
	}
	if from == Server {
		return p.f.fault(0, k+1, "start line", "found %s, expected a response", hexText(b, k+1))
	}
	// A method, a space.
	for i := range min(len(b), 33) {
		if b[i] == ' ' && i > 0 {
			return nil
		}
		if i == 32 || !http1.Token(b[i:i+1]) {
			want := "a request or a response"
			if from == Client {
				want = "a request"
			}
			return p.f.fault(0, i+1, "start line", "found %s, expected %s", hexText(b, min(i+1, 8)), want)
		}
	}
	return nil
}

// body returns how long the body behind a head is.
func (p http1Framing) body(head []byte, h *Header) (int64, error) {
	limits := http1.Limits{Bytes: maxHead + 1, Fields: maxHead}
	defer func() { clear(h.lines[:cap(h.lines)]) }() // they refer to head
	var body http1.Body
	if bytes.HasPrefix(head, []byte("HTTP/1.")) {
		r := http1.Response{Limits: limits, Header: h.lines[:0]}
		_, err := http1.ParseResponse(head, &r)
		if h.lines = r.Header; err != nil {
			return 0, err
		}
		if err := body.Response(&r, nil); err != nil {
			return 0, err
		}
		return contentLength(&body, r.Header), nil
	}
	r := http1.Request{Limits: limits, Header: h.lines[:0]}
	_, err := http1.ParseRequest(head, &r)
	if h.lines = r.Header; err != nil {
		return 0, err
	}
	if err := body.Request(&r); err != nil {
		return 0, err
	}
	return contentLength(&body, r.Header), nil
}

// contentLength returns the length of a body, 0 for chunks, which are frames.
func contentLength(b *http1.Body, h http1.Header) int64 {
	switch b.Framing {
	case http1.Length:
		v := int64(0)
		for e := range h.List("content-length") {
			for _, c := range e { // decimal, as Body has found
				v = v*10 + int64(c-'0')
			}
			break
		}
		return v
	case http1.UntilClose, http1.Tunnel:
		return endless
	}
	return 0
}

// maxChunkLine bounds a line of chunk size and extensions.
const maxChunkLine = 4 << 10

// How many digits a chunk size may have, leading zeros included, and how many
// blanks may follow it.
const (
	maxChunkDigits = 16
	maxChunkBlanks = 64
)

// chunk reads a chunk size, or the line end behind a chunk with the next size
// (RFC 9112 section 7.1). is is false for bytes that may be a method.
func (p http1Framing) chunk(b []byte, h *Header) (size int, payload int64, is bool, err error) {
	if b[0] == '\r' || b[0] == '\n' {
		n := 1
		if b[0] == '\r' {
			if len(b) == 1 {
				return 0, 0, true, frame.ErrShort
			}
			if b[1] != '\n' {
				return 0, 0, true, p.f.fault(0, 2, "chunk end", "found % x, expected 0d 0a", b[:2])
			}
			n = 2
		}
		h.variant, h.Length = formChunkEnd, 0
		return n, 0, true, nil
	}
	end, v, is, err := p.chunkLine(b, h.progress)
	if !is || err != nil {
		return 0, 0, is, err
	}
	if v > 0 {
		h.variant, h.Length = formChunk, v
		return end, v, true, nil
	}
	n, seen := headersEnd(b[end:], h.progress.from(end)-end)
	if n < 0 {
		h.progress.note(end, end+seen)
		if len(b) >= maxHead {
			return 0, 0, true, p.f.fault(end, maxHead-end, "trailer section", "no empty line in %d bytes", maxHead)
		}
		return 0, 0, true, frame.ErrShort
	}
	h.variant, h.Length = formLastChunk, 0
	return end + n, 0, true, nil
}

// chunkLine reads the line of a chunk size: where it ends, and the size.
func (p http1Framing) chunkLine(b []byte, seen *progress) (end int, v int64, is bool, err error) {
	if d := seen.ended(nil, 0); d != nil && d.end <= len(b) {
		return d.end, int64(d.val), true, nil
	}
	i := 0
	for ; i < len(b) && hexDigit(b[i]) >= 0; i++ {
		if v > p.f.maxPayload>>4 {
			return 0, 0, true, p.f.fault(0, i+1, "chunk size", "exceeds max %d", p.f.maxPayload)
		}
		if i == maxChunkDigits {
			return 0, 0, true, p.f.fault(0, i+1, "chunk size", "has more than %d digits", maxChunkDigits)
		}
		v = v<<4 | int64(hexDigit(b[i]))
	}
	if i == len(b) {
		return 0, 0, true, frame.ErrShort
	}
	if c := b[i]; c != '\r' && c != '\n' && c != ';' && (c != ' ' && c != '\t' || i > 8) {
		return 0, 0, false, nil
	}
	// "1a ;x" and "1a \r\n" occur; "DAD / HTTP/1.1" is a request.
	j := i
	for ; j < len(b) && (b[j] == ' ' || b[j] == '\t'); j++ {
		if j-i == maxChunkBlanks {
			return 0, 0, true, p.f.fault(i, j-i+1, "chunk size", "more than %d blanks follow it", maxChunkBlanks)
		}
	}
	if j == len(b) {
		return 0, 0, true, frame.ErrShort
	}
	if c := b[j]; c != '\r' && c != '\n' && c != ';' {
		return 0, 0, false, nil
	}
	line := b[:min(len(b), j+maxChunkLine)]
	from := seen.from(j)
	n := bytes.IndexByte(line[from:], '\n')
	if n < 0 {
		seen.note(j, len(line))
		if len(line) == j+maxChunkLine {
			return 0, 0, true, p.f.fault(j, maxChunkLine, "chunk extension", "no line end in %d bytes", maxChunkLine)
		}
		return 0, 0, true, frame.ErrShort
	}
	end = from + n + 1
	seen.end(nil, 0, end, uint64(v))
	return end, v, true, nil
}

func hexDigit(c byte) int {
	switch {
	case '0' <= c && c <= '9':
		return int(c - '0')
	case 'a' <= c|0x20 && c|0x20 <= 'f':
		return int(c|0x20-'a') + 10
	}
	return -1
}

func (p http1Framing) kind(h *Header) string {
	switch h.variant {
	case formChunk:
		return "chunk"
	case formLastChunk:
		return "last chunk"
	case formChunkEnd:
		return "chunk end"
	}
	if bytes.HasPrefix(h.raw, []byte("HTTP/1.")) {
		return "response"
	}
	return "request"
}

func (p http1Framing) payloadName(h *Header) string {
	if h.variant == formChunk {
		return "chunk data"
	}
	return "body"
}

func (p http1Framing) fields(dst []Field, h *Header) []Field {
	switch h.variant {
	case formHead:
		return headFields(dst, h.raw)
	case formChunkEnd:
		return append(dst, Field{Field: decode.Field{Name: "chunk end", Len: len(h.raw)}})
	}
	line := bytes.IndexByte(h.raw, '\n') + 1
	dst = append(dst, Field{Field: decode.Field{Name: "chunk size", Len: line, Value: strconv.FormatInt(h.Length, 10)}, Number: uint64(h.Length), Numeric: true})
	if line < len(h.raw) {
		dst = appendLines(dst, h.raw[line:], line, "end of chunks", false)
	}
	return dst
}

func (p http1Framing) payloadFields(dst []Field, _ *Header, _ []byte) []Field { return dst }
