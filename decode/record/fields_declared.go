package record

import (
	"math"
	"slices"
	"strings"

	"framescope/decode/finding"
)

// fieldValues begins the names of fields that pick the value of one field of a
// frame.
const fieldValues = "frame.field."

// checksum returns a field with a checksum of a frame, in the order of its digits.
func checksum(name, doc string, computed bool) Field {
	return Field{Name: name, Kind: KindHex, Doc: doc, raw: func(r Record) ([]byte, bool) {
		d := r.(*Declared)
		k := d.check()
		switch {
		case k == nil:
			return nil, false
		case !computed:
			return appendSum(d.sums[:0], k.Found, k.Len), true
		}
		return appendSum(d.sums[:0], k.Computed, k.Len), !k.Unknown
	}}
}

func appendSum(dst []byte, v uint64, size int) []byte {
	for i := min(size, 8) - 1; i >= 0; i-- {
		dst = append(dst, byte(v>>(8*i)))
	}
	return dst
}

func frameField(name, doc string, get func(f *Named) (string, bool)) Field {
	return Field{Name: "frame.fields." + name, Kind: KindString, Many: true, Doc: doc, len: declaredFields,
		str: func(r Record, i int) (string, bool) { return get(&r.(*Declared).Fields()[i]) }}
}

func frameNumber(name, doc string, get func(f *Named) (int64, bool)) Field {
	return Field{Name: "frame.fields." + name, Kind: KindInt, Many: true, Doc: doc, len: declaredFields,
		num: func(r Record, i int) (int64, bool) { return get(&r.(*Declared).Fields()[i]) }}
}

func declaredFields(r Record) int { return len(r.(*Declared).Fields()) }

var declaredRecordFields = slices.Concat([]Field{
	text("frame.framing", "The framing, as --framing named it.", func(r Record, _ int) (string, bool) { return ifSome(r.(*Declared).Framing) }),
	text("frame.kind", "What kind of frame it is, where the framing tells kinds apart.", func(r Record, _ int) (string, bool) { return ifSome(r.(*Declared).FrameKind) }),
	num(KindInt, "frame.offset", "Offset of the frame's header in the direction's stream, from 0 at the first byte after the SYN.", func(r Record, _ int) (int64, bool) {
		return r.(*Declared).Off, true
	}),
	num(KindInt, "frame.header_bytes", "Length of the header.", func(r Record, _ int) (int64, bool) { return int64(r.(*Declared).Size), true }),
	num(KindInt, "frame.payload_bytes", "Length of the payload, as the header says; absent where the end of the stream ends it.", func(r Record, _ int) (int64, bool) {
		return ifCounted(r.(*Declared).Length)
	}),
	num(KindInt, "frame.trailer_bytes", "Length of what follows the payload, where anything does.", func(r Record, _ int) (int64, bool) {
		return unlessZero(int64(r.(*Declared).Trailer))
	}),
	num(KindInt, "frame.captured_bytes", "Payload bytes that are in the capture, where not all are.", func(r Record, _ int) (int64, bool) {
		d := r.(*Declared)
		return d.Captured, d.Captured != d.Length
	}),
	num(KindBool, "frame.ended", "Set to true where the stream ended inside the frame.", func(r Record, _ int) (int64, bool) { return 1, r.(*Declared).Ended }),
	{
		Name: "frame.fields", Kind: KindObjects, Many: true,
		Doc: "The fields of the header, of the beginning of the payload, and of what follows it. A filter picks one by its name, with _ for spaces: frame.field.payload_length.",
		len: declaredFields,
		Sub: []Field{
			frameField("name", "The field's name.", func(f *Named) (string, bool) { return f.Name, true }),
			frameField("value", "Its value as a person reads it.", func(f *Named) (string, bool) { return f.Value, true }),
			frameNumber("number", "The value of a field that is a number.", func(f *Named) (int64, bool) { return int64(f.Number), f.Numeric && f.Number < 1<<63 }),
			frameNumber("offset", "Its offset from the start of the frame.", func(f *Named) (int64, bool) { return int64(f.Off), true }),
			frameNumber("length", "Its length.", func(f *Named) (int64, bool) { return int64(f.Len), true }),
			frameNumber("bit", "Its first bit, counted from the most significant one, where it is part of a byte.", func(f *Named) (int64, bool) { return int64(f.Bit), f.Bits > 0 }),
			frameNumber("bits", "How many bits it has.", func(f *Named) (int64, bool) { return int64(f.Bits), f.Bits > 0 }),
			frameField("bad", "What is wrong with it.", func(f *Named) (string, bool) { return ifSome(f.Bad) }),
		},
	},
	num(KindBool, "frame.checksum.ok", "Whether the frame's checksum is right, where it has one and all its bytes are there.", func(r Record, _ int) (int64, bool) {
		k := r.(*Declared).check()
		if k == nil || k.Unknown {
			return 0, false
		}
		return flag(k.OK())
	}),
	checksum("frame.checksum.found", "The checksum that the frame has.", false),
	checksum("frame.checksum.expected", "The checksum that its bytes have.", true),
	{
		Name: "frame.payload", Kind: KindPayload, Doc: "The beginning of the payload, unmasked: text, or hex as frame.payload_hex.",
		raw: func(r Record) ([]byte, bool) { d := r.(*Declared); return d.Payload, d.Payload != nil },
		num: func(r Record, _ int) (int64, bool) { return flag(r.(*Declared).Text) },
	},
	num(KindBool, "frame.payload_more", "Set to true where the payload goes on beyond what is shown.", func(r Record, _ int) (int64, bool) {
		return 1, r.(*Declared).More
	}),
	func() Field {
		f := issues(func(r Record) *finding.Set { return &r.(*Declared).Issues })
		f.Name = "frame.issues"
		return f
	}(),
})

// DeclaredField returns the name of the field of a frame that a filter's field
// picks, and false for other fields of filters.
func DeclaredField(name string) (string, bool) {
	field, ok := strings.CutPrefix(name, fieldValues)
	return field, ok && field != ""
}

// SameField reports whether two names are those of one field of a frame: _, - and
// spaces are the same, and so are capital letters.
func SameField(a, b string) bool {
	between := func(c byte) bool { return c == '_' || c == '-' || c == ' ' }
	i, j := 0, 0
	for {
		for i < len(a) && between(a[i]) {
			i++
		}
		for j < len(b) && between(b[j]) {
			j++
		}
		if i == len(a) || j == len(b) {
			return i == len(a) && j == len(b)
		}
		c, d := a[i], b[j]
		if 'A' <= c && c <= 'Z' {
			c |= 0x20
		}
		if 'A' <= d && d <= 'Z' {
			d |= 0x20
		}
		if c != d {
			return false
		}
		i, j = i+1, j+1
	}
}

// frameValue returns the field that picks the values of one field of a frame. A
// field has its value as it is shown, and the name of a number or the text
// without its quotes.
func frameValue(name string) *Field {
	want, _ := DeclaredField(name)
	pick := func(r Record, i int) *Named {
		if f := &r.(*Declared).Fields()[i/2]; SameField(f.Name, want) {
			return f
		}
		return nil
	}
	return &Field{
		Name: name, Kind: KindEither, Many: true, Derived: true,
		Doc: "Values of the field " + want + ".",
		len: func(r Record) int { return 2 * declaredFields(r) },
		num: func(r Record, i int) (int64, bool) {
			if f := pick(r, i); f != nil && i%2 == 0 {
				return f.number()
			}
			return 0, false
		},
		str: func(r Record, i int) (string, bool) {
			f := pick(r, i)
			switch {
			case f == nil:
				return "", false
			case i%2 == 0:
				return f.Value, true
			case f.Numeric:
				_, word, ok := strings.Cut(f.Value, " ")
				return word, ok
			}
			return unquoted(f.Value)
		},
	}
}

// unquoted returns the text between the quotes of a value, and false where it has
// none.
func unquoted(value string) (string, bool) {
	if n := len(value); n > 1 && value[0] == '"' && value[n-1] == '"' {
		return value[1 : n-1], true
	}
	return "", false
}

// number returns the value of a field as a number: of one that is a number, or of
// a text of decimal digits. What is too large is the largest.
func (f *Named) number() (int64, bool) {
	if f.Numeric {
		return int64(min(f.Number, math.MaxInt64)), true
	}
	text := f.Value
	if s, ok := unquoted(text); ok {
		text = s
	}
	if text == "" || len(text) > 18 {
		return 0, false
	}
	var v int64
	for _, c := range []byte(text) {
		if c < '0' || c > '9' {
			return 0, false
		}
		v = 10*v + int64(c-'0')
	}
	return v, true
}
