package websocket

import (
	"encoding/binary"
	"encoding/hex"
	"errors"
	"strconv"

	"framescope/decode"
	"framescope/decode/frame"
)

// An Opcode is what a frame is for (RFC 6455 section 5.2), 0 to 15.
type Opcode uint8

// The opcodes of RFC 6455. 3 to 7 and 11 to 15 are reserved.
const (
	Continuation Opcode = 0
	Text         Opcode = 1
	Binary       Opcode = 2
	Close        Opcode = 8
	Ping         Opcode = 9
	Pong         Opcode = 10
)

var opcodeNames = [16]string{
	"continuation", "text", "binary", "op3", "op4", "op5", "op6", "op7",
	"close", "ping", "pong", "op11", "op12", "op13", "op14", "op15",
}

// String returns the opcode's name, such as "text", or "op11" for a reserved
// one.
func (o Opcode) String() string { return opcodeNames[o&15] }

// Control reports whether o is the opcode of a control frame, 8 to 15.
func (o Opcode) Control() bool { return o >= 8 }

// A Header is the header of one frame (RFC 6455 section 5.2). It holds no
// reference and is comparable.
type Header struct {
	// Length is the payload length in bytes, 0 to 1<<63-1.
	Length int64
	// Mask is the masking key, valid if Masked.
	Mask [4]byte
	// Masked is the MASK bit.
	Masked bool
	// Fin is the FIN bit: the last frame of a message.
	Fin bool
	// RSV holds the reserved bits: 4 for RSV1, 2 for RSV2, 1 for RSV3.
	RSV uint8
	// Opcode says what the frame is for.
	Opcode Opcode
	// Size is the length of the header itself in bytes, 2 to 14.
	Size uint8
	// LengthForm is how the length was written: 0 in 7 bits, 2 or 8 for the 16
	// or 64 bit form. A form larger than Length needs breaks section 5.2.
	LengthForm uint8
}

// RSV1 is the bit of Header.RSV that permessage-deflate uses (RFC 7692
// section 6).
const RSV1 = 4

// maxHeader is the length of the longest header: two bytes, eight of length,
// four of masking key.
const maxHeader = 14

// A Format reads frame headers (RFC 6455 section 5.2) for a frame.Decoder.
type Format struct{}

var _ frame.Format[Header] = Format{}

// MaxHeader returns 14.
func (Format) MaxHeader() int { return maxHeader }

// Header reads the header at the start of b into h, as frame.Format says. The
// only header that it refuses is one whose 64-bit length has its most
// significant bit set; everything else that is wrong is in h.
func (Format) Header(b []byte, h *Header) (size int, payload int64, err error) {
	if len(b) < maxHeader {
		return shortHeader(b, h)
	}
	b0, b1 := b[0], b[1]
	h.Fin = b0&0x80 != 0
	h.RSV = b0 >> 4 & 7
	h.Opcode = Opcode(b0 & 15)
	h.Masked = b1&0x80 != 0
	size, payload = 2, int64(b1&0x7f)
	h.LengthForm = 0
	if payload > 125 {
		if payload == 126 {
			size, payload = 4, int64(binary.BigEndian.Uint16(b[2:4]))
			h.LengthForm = 2
		} else {
			size, payload = 10, int64(binary.BigEndian.Uint64(b[2:10]))
			h.LengthForm = 8
			if payload < 0 {
				return 0, 0, errLengthMSB()
			}
		}
	}
	h.Mask = [4]byte{}
	if h.Masked {
		h.Mask = [4]byte(b[size : size+4])
		size += 4
	}
	h.Length = payload
	h.Size = uint8(size)
	return size, payload, nil
}

func errLengthMSB() error {
	return &decode.Error{Layer: "websocket", Off: 2, Field: "extended payload length", Err: errors.New("most significant bit is set")}
}

// shortHeader reads a header from fewer bytes than the longest one has.
func shortHeader(b []byte, h *Header) (size int, payload int64, err error) {
	if len(b) < 2 {
		return 0, 0, frame.ErrShort
	}
	need := 2
	switch b[1] & 0x7f {
	case 126:
		need += 2
	case 127:
		need += 8
	}
	if b[1]&0x80 != 0 {
		need += 4
	}
	if len(b) < need {
		return 0, 0, frame.ErrShort
	}
	var whole [maxHeader]byte
	copy(whole[:], b)
	return Format{}.Header(whole[:], h)
}

// AppendHeader appends h as it is written on the wire. A LengthForm that is too
// small for Length is replaced by the one that Length needs; Size is not used.
func AppendHeader(dst []byte, h *Header) []byte {
	b0 := byte(h.Opcode&15) | h.RSV&7<<4
	if h.Fin {
		b0 |= 0x80
	}
	var b1 byte
	if h.Masked {
		b1 = 0x80
	}
	switch form := max(h.LengthForm, lengthForm(h.Length)); form {
	case 0:
		dst = append(dst, b0, b1|byte(h.Length))
	case 2:
		dst = append(dst, b0, b1|126)
		dst = binary.BigEndian.AppendUint16(dst, uint16(h.Length))
	default:
		dst = append(dst, b0, b1|127)
		dst = binary.BigEndian.AppendUint64(dst, uint64(h.Length))
	}
	if h.Masked {
		dst = append(dst, h.Mask[:]...)
	}
	return dst
}

// lengthForm returns the smallest Header.LengthForm for a length.
func lengthForm(n int64) uint8 {
	switch {
	case n < 126:
		return 0
	case n < 1<<16:
		return 2
	}
	return 8
}

// AppendFields appends the fields of h with their places in the header: what a
// hex dump shows beside its bytes.
func AppendFields(dst []decode.Field, h *Header) []decode.Field {
	bit := func(set bool) string {
		if set {
			return "1"
		}
		return "0"
	}
	short := strconv.FormatInt(h.Length, 10)
	switch h.LengthForm {
	case 2:
		short = "126: 16 bits follow"
	case 8:
		short = "127: 64 bits follow"
	}
	dst = append(dst,
		decode.Field{Name: "fin", Len: 1, Bits: 1, Value: bit(h.Fin)},
		decode.Field{Name: "rsv1", Len: 1, Bit: 1, Bits: 1, Value: bit(h.RSV&4 != 0)},
		decode.Field{Name: "rsv2", Len: 1, Bit: 2, Bits: 1, Value: bit(h.RSV&2 != 0)},
		decode.Field{Name: "rsv3", Len: 1, Bit: 3, Bits: 1, Value: bit(h.RSV&1 != 0)},
		decode.Field{Name: "opcode", Len: 1, Bit: 4, Bits: 4, Value: strconv.Itoa(int(h.Opcode)) + " " + h.Opcode.String()},
		decode.Field{Name: "mask", Off: 1, Len: 1, Bits: 1, Value: bit(h.Masked)},
		decode.Field{Name: "payload length", Off: 1, Len: 1, Bit: 1, Bits: 7, Value: short},
	)
	if n := int(h.LengthForm); n > 0 {
		dst = append(dst, decode.Field{Name: "extended payload length", Off: 2, Len: n, Value: strconv.FormatInt(h.Length, 10)})
	}
	if h.Masked {
		dst = append(dst, decode.Field{Name: "masking-key", Off: 2 + int(h.LengthForm), Len: 4, Value: hex.EncodeToString(h.Mask[:])})
	}
	return dst
}
