// Package framing cuts streams into frames by framings that are declared as
// data: a few lines of YAML that say where a header has its length, its magic,
// its checksum. docs/framings.md describes the language. Some framings are
// built in.
//
// A Framing is a format for frame.Decoder; Decoder here adds what comes behind
// the payload: trailers, checksums, padding, and finding the next magic after an
// error. What the fields of a header are is worked out only when it is asked
// for.
package framing

import (
	"encoding/binary"
	"strconv"

	"framescope/decode"
	"framescope/decode/frame"
	"framescope/decode/http1"
)

// A Direction says who sent a stream. Some framings have frames that only one
// side sends.
type Direction uint8

// The directions. Either takes the frames of both sides.
const (
	Either Direction = iota
	Client
	Server
)

// String returns "either", "client" or "server".
func (d Direction) String() string { return [...]string{"either", "client", "server"}[d] }

// A Framing is one protocol's way to cut a stream into frames. It does not
// change, and may be used by several goroutines.
type Framing struct {
	name, title, about string
	source             string // YAML, or empty
	variants           []variant
	magics             [][]byte
	maxHeader          int
	maxPayload         int64
	native             native
	starts             *[256]uint8 // by the first byte of a header: the first variant that it may be; may be nil
	mute               bool        // errors have no words
	muted              *Framing    // a copy that is mute
}

// A native framing is one that the language cannot express.
type native interface {
	header(b []byte, h *Header, from Direction) (size int, payload int64, err error)
	fields(dst []Field, h *Header) []Field
	payloadFields(dst []Field, h *Header, b []byte) []Field
	kind(h *Header) string
	payloadName(h *Header) string
}

// Name returns the framing's name, such as "length32".
func (f *Framing) Name() string { return f.name }

// Title returns one line that says what the framing is.
func (f *Framing) Title() string { return f.title }

// About returns more about the framing, in lines; it may be empty.
func (f *Framing) About() string { return f.about }

// Source returns the YAML that declares the framing; it is empty for one that
// is built in as code.
func (f *Framing) Source() string { return f.source }

// Magics returns the constants one of which each frame begins with, if it does:
// a stream is recognised by them, and found again after an error. They must not
// be changed.
func (f *Framing) Magics() [][]byte { return f.magics }

// MaxHeader is the length of the longest header in bytes.
func (f *Framing) MaxHeader() int { return f.maxHeader }

// MaxPayload is the length of the longest payload in bytes that a header may
// announce.
func (f *Framing) MaxPayload() (most int64) {
	if f.native != nil {
		return f.maxPayload
	}
	for i := range f.variants {
		most = max(most, f.variants[i].longest())
	}
	return most
}

// Sided reports whether the framing tells more where it is known who sent the
// bytes: some frames are then of one side.
func (f *Framing) Sided() bool {
	for i := range f.variants {
		if f.variants[i].sided {
			return true
		}
	}
	return false
}

// A Header is the header of one frame. It belongs to the Decoder that filled
// it.
type Header struct {
	// Size is the length of the header in bytes.
	Size int
	// Length is the length of the payload in bytes, without what follows it;
	// -1 if the end of the stream ends it.
	Length int64
	// Trailer is the length of what follows the payload, padding included.
	Trailer int
	// Mask is the key that the payload is masked with, if Masked (RFC 6455
	// section 5.3).
	Mask   [4]byte
	Masked bool

	variant uint8
	pad     uint8
	framing *Framing
	raw     []byte
	lines   []http1.Field // of an HTTP head, while it is read
	vals    values        // while the header is read
	// progress belongs to the Decoder.
	progress *progress
}

// Raw returns the bytes of the header, valid as long as it is.
func (h *Header) Raw() []byte { return h.raw }

// Kind returns the kind of frame, such as "HEADERS"; it may be empty.
func (h *Header) Kind() string {
	if h.framing == nil {
		return ""
	}
	if n := h.framing.native; n != nil {
		return n.kind(h)
	}
	return h.framing.variants[h.variant].kindOf(h.raw)
}

// PayloadName returns what the payload is called.
func (h *Header) PayloadName() string {
	if h.framing == nil {
		return "payload"
	}
	if n := h.framing.native; n != nil {
		return n.payloadName(h)
	}
	return h.framing.variants[h.variant].payload.name
}

// A Field is one field of a header, a payload or a trailer.
type Field struct {
	decode.Field
	// Depth is how deep the field is nested: 0, or more for fields in fields.
	Depth int
	// Number is the value of a field that is a number.
	Number uint64
	// Numeric says that Number is set.
	Numeric bool
	// Constant says that the framing knows the value beforehand.
	Constant bool
	// Group says that the fields of bits behind it are its parts.
	Group bool
	// Bad says what is wrong with the field.
	Bad string
}

// AppendFields appends the fields of the header; their offsets count from its
// start.
func (h *Header) AppendFields(dst []Field) []Field {
	if h.framing == nil {
		return dst
	}
	if n := h.framing.native; n != nil {
		return n.fields(dst, h)
	}
	v := &h.framing.variants[h.variant]
	dst = v.appendFields(dst, v.fields, h.raw, h.raw)
	return dst
}

// PreviewBytes is how much of a payload AppendPayloadFields looks at.
const PreviewBytes = 4096

// AppendPayloadFields appends the fields that the framing declares for the
// beginning b of the payload, as far as b goes. Their offsets count from its
// start.
func (h *Header) AppendPayloadFields(dst []Field, b []byte) []Field {
	if h.framing == nil {
		return dst
	}
	if n := h.framing.native; n != nil {
		return n.payloadFields(dst, h, b)
	}
	v := &h.framing.variants[h.variant]
	if len(v.payload.fields) == 0 {
		return dst
	}
	dst = v.appendFields(dst, v.payload.fields, b[:min(len(b), PreviewBytes)], h.raw)
	return dst
}

// AppendTrailerFields appends the fields behind the payload, whose bytes are b.
// Their offsets count from the end of the payload. What checks say about them is
// in Chunk.Checks.
func (h *Header) AppendTrailerFields(dst []Field, b []byte) []Field {
	if h.framing == nil || h.framing.native != nil {
		return dst
	}
	v := &h.framing.variants[h.variant]
	body := b[:min(len(b), v.trailerSize)]
	dst = v.appendFields(dst, v.trailer, body, h.raw)
	if len(b) > len(body) {
		dst = append(dst, Field{Field: decode.Field{Name: "padding", Off: len(body), Len: len(b) - len(body), Value: strconv.Itoa(len(b)-len(body)) + " bytes"}})
	}
	return dst
}

// format is a Framing as frame.Decoder wants it.
type format struct {
	f    *Framing
	from Direction
	// mute leaves out the words of errors: nobody will read them.
	mute bool
	p    *progress
}

// A progress remembers how far the header at stream offset off was searched for
// the end of a field, so that one that comes in many pieces is searched once, and
// the ends of fields that took long to read.
type progress struct {
	at   int64 // offset of the header that is read now
	off  int64
	pos  int // where the field begins in the header
	seen int // bytes of the header that need not be searched again

	doneOff int64
	done    [4]ended
	dones   int
}

// An ended field is one of which the end is known.
type ended struct {
	f        *field
	pos, end int
	val      uint64
}

// ended returns the end of f at pos, if that is known.
func (p *progress) ended(f *field, pos int) *ended {
	if p == nil || p.doneOff != p.at {
		return nil
	}
	for i := range p.done[:p.dones] {
		if d := &p.done[i]; d.f == f && d.pos == pos {
			return d
		}
	}
	return nil
}

// end remembers the end of f, if it was far to go there.
func (p *progress) end(f *field, pos, end int, val uint64) {
	if p == nil || end-pos <= cheap {
		return
	}
	if p.doneOff != p.at {
		p.doneOff, p.dones = p.at, 0
	}
	if p.dones < len(p.done) {
		p.done[p.dones] = ended{f, pos, end, val}
		p.dones++
	}
}

// from returns where to go on with the search for the end of the field at pos.
func (p *progress) from(pos int) int {
	if p == nil || p.off != p.at || p.pos != pos {
		return pos
	}
	return max(pos, p.seen)
}

// note remembers that the field at pos does not end in the first seen bytes.
func (p *progress) note(pos, seen int) {
	if p != nil {
		p.off, p.pos, p.seen = p.at, pos, seen
	}
}

var _ frame.Format[Header] = format{}

func (f format) MaxHeader() int {
	if f.f == nil {
		return 1
	}
	return f.f.maxHeader
}

func (f format) Header(b []byte, h *Header) (int, int64, error) {
	fr := f.f
	if fr == nil {
		return 0, 0, errNoFraming
	}
	h.framing, h.progress = fr, f.p
	if f.mute {
		fr = fr.muted
	}
	if len(b) > fr.maxHeader {
		b = b[:fr.maxHeader]
	}
	if fr.native != nil {
		size, payload, err := fr.native.header(b, h, f.from)
		if err == nil {
			h.Size = size
			h.raw = append(h.raw[:0], b[:size]...)
		}
		return size, payload, err
	}
	size, payload, err := fr.measure(b, h, f.from)
	if err == nil {
		h.raw = append(h.raw[:0], b[:size]...)
	}
	return size, payload, err
}

// load reads an unsigned integer of 1 to 8 bytes.
func load(b []byte, little bool) (v uint64) {
	switch len(b) {
	case 1:
		return uint64(b[0])
	case 2:
		if little {
			return uint64(binary.LittleEndian.Uint16(b))
		}
		return uint64(binary.BigEndian.Uint16(b))
	case 4:
		if little {
			return uint64(binary.LittleEndian.Uint32(b))
		}
		return uint64(binary.BigEndian.Uint32(b))
	case 8:
		if little {
			return binary.LittleEndian.Uint64(b)
		}
		return binary.BigEndian.Uint64(b)
	}
	if little {
		for i := len(b) - 1; i >= 0; i-- {
			v = v<<8 | uint64(b[i])
		}
		return v
	}
	for _, c := range b {
		v = v<<8 | uint64(c)
	}
	return v
}
