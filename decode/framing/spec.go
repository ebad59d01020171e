package framing

// A kind is how a field is written.
type kind uint8

const (
	kindUint    kind = iota // 1 to 8 bytes
	kindBytes               // a fixed number, or as many as another field says
	kindString              // the same, shown as text
	kindPrefix              // a length, then as many bytes
	kindUntil               // up to a delimiter
	kindDecimal             // digits up to a delimiter, a number
	kindLEB128              // 7 bits a byte, least significant first
	kindQUIC                // RFC 9000 section 16
	kindHeaders             // "Name: value" lines up to an empty one
	kindJSON                // as many bytes of JSON as another field says
)

var kindNames = map[string]kind{
	"uint": kindUint, "bytes": kindBytes, "string": kindString, "decimal": kindDecimal, "leb128": kindLEB128,
	"quic": kindQUIC, "headers": kindHeaders, "json": kindJSON,
}

// A count is what a length counts.
type count uint8

const (
	countNothing count = iota
	countPayload       // the payload
	countRest          // all that follows the field
	countWhole         // the whole frame
)

// A show is how a number is shown.
type show uint8

const (
	showDec show = iota
	showHex
	showText
	showIP
)

// A field is a field of a header, a trailer, or the beginning of a payload.
type field struct {
	name   string
	kind   kind
	size   int // in bytes, where it is fixed; of the prefix of kindPrefix, 0 for LEB128
	from   int // slot of the size, or -1
	little bool
	until  []byte
	limit  int // bytes of a field without fixed size

	equals       []byte // a constant, as on the wire
	said         string // how it is shown, if all its bits count
	mask         []byte // which bits of it count; nil for all
	magic        bool
	min, max     uint64
	names        map[uint64]string
	texts        map[uint64]string // how values with names are shown
	strict       bool
	bits         []bitField
	counts       count
	plus, times  int64
	path         []string
	optional     bool
	when         *condition
	show         show
	check        *check
	slot         int // of the value, or -1
	line, column int // in the source
}

// A bitField is a part of a uint field. first counts from the most significant
// bit.
type bitField struct {
	name        string
	first, bits int
	names       map[uint64]string
	texts       map[uint64]string
	strict      bool
	slot        int
	show        show
}

func (b *bitField) value(v uint64, size int) uint64 {
	return v >> (8*size - b.first - b.bits) & (1<<b.bits - 1)
}

// A condition says when a field is there.
type condition struct {
	slot   int
	name   string
	op     string
	values []uint64
	field  *field // whose names the values may use
	bit    *bitField
	and    *condition // must hold, too
}

func (c *condition) holds(vals *values) bool {
	for ; c != nil; c = c.and {
		if !c.one(vals[c.slot]) {
			return false
		}
	}
	return true
}

func (c *condition) one(v uint64) bool {
	switch c.op {
	case "==", "in":
		for _, w := range c.values {
			if v == w {
				return true
			}
		}
		return false
	case "!=":
		return v != c.values[0]
	case "<":
		return v < c.values[0]
	case "<=":
		return v <= c.values[0]
	case ">":
		return v > c.values[0]
	case ">=":
		return v >= c.values[0]
	}
	return v&c.values[0] != 0 // "&"
}

// A payload is what a spec says about the payload.
type payload struct {
	name   string
	close  bool // the end of the stream ends it
	fields []field
}

// A variant is one form of frame.
type variant struct {
	name    string
	from    Direction
	before  int64 // stream offset that its frames begin before; 0 for any
	sided   bool  // taken only for streams of its side
	fields  []field
	payload payload
	trailer []field
	align   int
	kind    int // index of the field that names the kind, or -1
	kindBit int // of the bit field in it, or -1
	kindOff int // of the field in the header, or -1 where that depends on others

	ops         []op
	fast        *fast  // nil where there is none
	lead        []byte // what the header begins with in the bytes that choose
	trailerSize int
	checks      []check
	commit      int // bytes in which a constant chooses the variant
	minHeader   int
	maxHeader   int
	maxPayload  int64
	slots       int
}

// maxSlots bounds how many values of one frame others may refer to.
const maxSlots = 16

type values [maxSlots]uint64

// Bounds of the language.
const (
	maxSpec      = 64 << 10 // bytes of YAML
	maxFields    = 256
	maxVariants  = 32
	maxTrailer   = 64
	maxAlign     = 64
	limitHeader  = 64 << 10
	usualHeader  = 8 << 10
	usualPayload = 1 << 30
	limitPayload = 1 << 48
	maxDigits    = 18 // of a decimal number
	maxBefore    = 1 << 10
	maxBytes     = 4096 // of a fixed field
)
