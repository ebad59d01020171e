package websocket

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
