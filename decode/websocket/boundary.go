package websocket

import (
	"encoding/binary"
	"math"
	"unicode/utf8"

	"framescope/decode/frame"
)

// A Boundary weighs whether bytes are WebSocket frames. It is the frame.Judge
// of a Finder:
//
//	f := Finder{Judge: Boundary{Role: Client, Compression: Deflated}}
type Boundary struct {
	Format
	// Role is the side that sends; with UnknownRole the first MASK bit tells.
	Role Role
	// Compression says whether RSV1 may be set. Perhaps goes with sessions
	// whose handshake was not captured.
	Compression Compression
	// Unknown says that the stream may be anything else than WebSocket, so that
	// much more is needed. Convinced says that the other direction is known to
	// be WebSocket, which makes up for most of that.
	Unknown, Convinced bool
	// Seen is how many frames of this direction were seen before, Longest the
	// longest payload of these. They help to tell frames from the content of
	// another frame, which may be frames, too.
	Seen, Longest int64
}

// A Finder finds WebSocket frames in a stream whose place was lost.
type Finder = frame.Finder[Header, Boundary]

var _ frame.Judge[Header] = Boundary{}

// Demand returns what is asked for: more of a stream that may be anything.
func (j Boundary) Demand() frame.Demand {
	d := frame.Demand{
		Bits: 40, Pattern: 12, Head: 19, HeadPattern: 10,
		First: 20, HeadFirst: 14,
		Lead: 14, Packet: 3,
		Span: 32 << 10,
	}
	if j.Seen > 0 {
		// The fewer frames were seen, the longer the longest may really be.
		d.Span = max(4*j.Longest+64*j.Longest/j.Seen, 4<<10)
	}
	d.PlainSpan = d.Span
	if j.Seen == 0 {
		d.PlainSpan = 1 << 62
	}
	if j.Unknown {
		d.Bits, d.First, d.Pattern = 60, 60, 16
		if j.Convinced {
			d.Bits, d.First, d.Pattern = 40, 40, 10
		} else {
			d.Telling = 3
		}
		d.Aligned, d.Packet = 1, 0
		d.GiveUp = 16 << 10
	}
	return d
}

// First reports whether b may be the first byte of a header: FIN, the reserved
// bits and the opcode.
func (j Boundary) First(b byte) bool {
	if b&0x30 != 0 && j.Compression != Foreign {
		return false
	}
	switch op := Opcode(b & 15); op {
	case Continuation:
		return b&0x40 == 0 || j.Compression == Foreign
	case Text, Binary:
		return b&0x40 == 0 || j.Compression != Plain
	case Close, Ping, Pong:
		// Section 5.5: control frames are not fragmented.
		return b&0x80 != 0 && (b&0x40 == 0 || j.Compression == Foreign)
	}
	return false
}

// What a frame.State holds of the headers of a chain.
const (
	anyHeader   frame.State = 1 << iota // there was one
	maskedChain                         // they are masked
	openMessage                         // a message has begun and not ended
	wholeOpen                           // its beginning was seen
	anyData                             // there was a data frame
	isBinary                            // the last message was binary
	isDeflated                          // it was compressed
	afterClose                          // there was a close frame
	oneKey                              // the last two have the same masking key
	fragment                            // counts fragments of the open message
	fragments   = 3 * fragment
	lastKey     = 32 // shift of the last masking key
)

// Follow weighs a header by the rules of section 5.
func (j Boundary) Follow(s frame.State, h *Header) (frame.State, frame.Weight, bool) {
	var w frame.Weight
	switch {
	case j.Role == Client && !h.Masked, j.Role == Server && h.Masked, s != 0 && (s&maskedChain != 0) != h.Masked:
		return 0, w, false
	case h.LengthForm != lengthForm(h.Length), h.Length >= 1<<40:
		return 0, w, false
	case h.Opcode.Control() && h.Length > 125:
		return 0, w, false
	}
	first := s == 0
	if h.Masked {
		// A client that has one key for all frames: section 5.3 forbids it.
		key := frame.State(binary.BigEndian.Uint32(h.Mask[:]))
		switch {
		case first || key != s>>lastKey:
			s &^= oneKey
		case s&oneKey == 0:
			s |= oneKey
			w.Alike = true
		}
		s = s&(1<<lastKey-1) | key<<lastKey | maskedChain
	}
	s |= anyHeader
	compressed := h.RSV&RSV1 != 0
	real := 0.03
	switch {
	case h.Opcode.Control():
		if h.Opcode == Close && s&afterClose != 0 {
			return 0, w, false
		}
		if h.Opcode == Close {
			s |= afterClose
			real = 0.1
		}
	case s&afterClose != 0:
		// Section 5.5.1: no data behind a close frame.
		return 0, w, false
	case h.Opcode == Continuation:
		if s&(anyData|openMessage) == anyData || first && !h.Fin {
			return 0, w, false
		}
		if s&openMessage == 0 {
			// Without its beginning it is as likely as not a number.
			s |= openMessage | anyData
			s &^= wholeOpen
		}
		switch {
		case h.Fin && s&wholeOpen != 0:
			real = 0.3
		case h.Fin:
			real = 0.04
		case s&wholeOpen == 0 || s&fragments == fragments:
			// A byte 0 in front of a length is what other protocols have, too.
			real = 0
		default:
			real = 0.1
			s += fragment
		}
		if h.Fin {
			s &^= openMessage | fragments
		}
	default:
		if s&openMessage != 0 {
			return 0, w, false
		}
		real = 0.3
		if s&anyData != 0 {
			if s&isBinary != 0 == (h.Opcode == Binary) {
				real = 0.6
			} else {
				real = 0.1
			}
		}
		if compressed != (j.Compression == Deflated) {
			real /= 3
		}
		if !h.Fin {
			real /= 8
		}
		s = s&^(isBinary|isDeflated|openMessage|wholeOpen|fragments) | anyData
		if h.Opcode == Binary {
			s |= isBinary
		}
		if compressed {
			s |= isDeflated
		}
		if !h.Fin {
			s |= openMessage | wholeOpen
		}
	}
	w.Class, w.Chance, w.Reach = class(h)
	switch {
	case h.Length == 0 && !h.Fin:
		real = w.Chance / 1000
	case h.Length == 0 && !h.Opcode.Control():
		real /= 16
	case h.Length == 0:
		real /= 2
	}
	w.Real = real
	w.Last = h.Opcode == Close
	w.Hidden = h.Masked && h.Mask != [4]byte{}
	// A tag and a length of one byte each are everywhere; these are more, or
	// have a payload that tells more.
	w.Telling = h.Opcode == Text && !compressed || h.Opcode == Close || h.LengthForm == 2
	return s, w, true
}

// class returns the kind of a header: its first byte, and how its length is
// written. chance is its probability among random bytes, reach how many lengths
// it can tell.
func class(h *Header) (c uint8, chance, reach float64) {
	c = uint8(h.Opcode)
	if c >= 8 {
		c -= 5
	}
	if h.Fin {
		c += 6
	}
	if h.RSV != 0 {
		c += 12
	}
	switch {
	case h.Length == 0:
		c, chance, reach = c+24, 1.0/(256*256), 1
	case h.LengthForm == 0:
		chance, reach = 125.0/(256*256), 125
	case h.LengthForm == 2:
		// The same number of slots as the short ones have.
		c, chance, reach = c+40, 1.0/(256*256), 1<<16
	default:
		// Zeros are no chance: they are what lengths look like elsewhere, too.
		c, chance, reach = 63, 1.0/(256*256*64), 1<<16
	}
	return min(c, 63), chance, reach
}

const (
	textMost    = 20 // bits that the text of one frame can be worth
	patternMost = 14
	impossible  = -30
)

// Payload weighs what the frame says: text must be UTF-8, and is mostly
// printable; a close frame has a code that may be sent (section 7.4); what
// permessage-deflate compresses ends in a certain way.
func (j Boundary) Payload(s frame.State, h *Header, b []byte, t *frame.Traits) (bits, pattern float64) {
	switch {
	case h.Opcode == Close:
		return closing(h, b, t)
	case h.Opcode.Control(), h.RSV&^RSV1 != 0, j.Compression == Foreign && h.RSV != 0:
		return 0, 0
	case s&isDeflated != 0:
		if !h.Fin || len(b) == 0 {
			return 0, 0
		}
		// RFC 7692 section 7.2.1: the last bits are those of an empty block,
		// and the code for the end of a block before is mostly zeros, too.
		switch c := b[len(b)-1] ^ h.Mask[(len(b)-1)&3]; {
		case c == 0:
			return 5, 4
		case c&0xe0 != 0:
			return -4, -4
		}
		return 0, 0
	case s&isBinary != 0, h.Opcode == Continuation && s&wholeOpen == 0:
		return 0, 0
	}
	return text(h, b, 0, t)
}

// closing weighs the payload of a close frame: a code that may be sent (section
// 7.4), and text.
func closing(h *Header, b []byte, t *frame.Traits) (bits, pattern float64) {
	switch {
	case h.Length == 1:
		return impossible, impossible
	case len(b) < 2:
		return 0, 0
	}
	switch code := uint16(b[0]^h.Mask[0])<<8 | uint16(b[1]^h.Mask[1]); {
	case code >= 1000 && code <= 1003, code >= 1007 && code <= 1011:
		bits, pattern = text(h, b, 2, t)
		return bits + 12, pattern + 12
	case code >= 1012 && code <= 1014, code >= 3000 && code < 5000:
		bits, pattern = text(h, b, 2, t)
		return bits + 1.5, pattern + 1.5
	}
	return impossible, impossible
}

// text weighs a payload from b[pos] on as text.
func text(h *Header, b []byte, pos int, t *frame.Traits) (bits, pattern float64) {
	var buf [64]byte
	n := copy(buf[:], b[pos:])
	p := buf[:n]
	if h.Masked {
		Unmask(p, p, h.Mask, int64(pos))
	}
	// A character may be cut at both ends: by this function, by the fragment.
	rest := p
	if h.Opcode == Continuation {
		for k := 0; k < 3 && len(rest) > 0 && rest[0]&0xc0 == 0x80; k++ {
			rest = rest[1:]
		}
	}
	var plain, wide, fit float64
	var seen [4][4]uint64
	distinct := 0
	for len(rest) > 0 {
		r, l := utf8.DecodeRune(rest)
		if r == utf8.RuneError && l == 1 {
			if !utf8.FullRune(rest) && (pos+n < len(b) || !h.Fin) {
				break
			}
			return impossible, impossible
		}
		if r < utf8.RuneSelf {
			plain++
			fit += letter(r)
		} else {
			wide += float64(l)
		}
		for i := len(p) - len(rest); l > 0; i, l = i+1, l-1 {
			if c := p[i]; seen[i&3][c>>6]&(1<<(c&63)) == 0 {
				seen[i&3][c>>6] |= 1 << (c & 63)
				distinct++
			}
			rest = rest[1:]
		}
	}
	if h.Masked && h.Mask != [4]byte{} {
		// Random bytes have none of the letters that texts have; bytes that a
		// constant key hides have some.
		bits = fit + 1.3*wide
		pattern = min(bits, 1.3*float64(distinct))
	} else {
		// It may just be a part of a text.
		share := max(float64(t.Printable+98)/float64(t.Bytes+256), 98.0/256)
		if bits = min(fit, -math.Log2(min(share, 1))*plain); wide > 0 {
			bits = min(bits, 0)
		}
		pattern = bits
	}
	return min(bits, textMost), min(pattern, patternMost)
}

// letter returns how much more likely a byte of ASCII is in a text than among
// random bytes, in bits.
func letter(r rune) float64 {
	switch {
	case r >= 'a' && r <= 'z', r >= '0' && r <= '9':
		return 2
	case r == ' ':
		return 3
	case r == '"', r == ',', r == ':', r == '.', r == '{', r == '}', r == '[', r == ']', r == '-', r == '_', r == '/', r == '=':
		return 1.5
	case r >= 'A' && r <= 'Z', r == '\n', r == '\r', r == '\t':
		return 0.3
	case r >= 0x20 && r < 0x7f:
		return -1
	}
	return -6
}
