package framing

import (
	"bytes"
	"fmt"
	"net/netip"
	"strconv"
	"unicode/utf8"

	"framescope/decode"
)

// appendFields appends what fields say about b. raw is the header of the frame:
// the fields of a payload may depend on it.
func (v *variant) appendFields(dst []Field, fields []field, b, raw []byte) []Field {
	var vals values
	if len(v.fields) > 0 && (len(fields) == 0 || &fields[0] != &v.fields[0]) {
		v.walk(v.fields, raw, &vals, func(*field, int, int, uint64) bool { return true })
	}
	v.walk(fields, b, &vals, func(f *field, start, end int, val uint64) bool {
		dst = f.append(dst, b[start:end], start, val)
		return true
	})
	return dst
}

// anonymous is the framing of errors that nobody sees.
var anonymous = &Framing{name: "framing", mute: true}

// walk visits the fields that are in b, as far as b goes.
func (v *variant) walk(fields []field, b []byte, vals *values, visit func(f *field, start, end int, val uint64) bool) {
	pos := 0
	for i := range fields {
		f := &fields[i]
		if f.when != nil && !f.when.holds(vals) {
			continue
		}
		var val uint64
		end := pos + f.size
		if f.kind == kindUint {
			if end > len(b) {
				return
			}
			val = load(b[pos:end], f.little)
			for j := range f.bits {
				if bf := &f.bits[j]; bf.slot >= 0 {
					vals[bf.slot] = bf.value(val, f.size)
				}
			}
		} else {
			var err error
			if val, end, err = v.read(anonymous, f, b, pos, vals, nil, true); err != nil {
				return
			}
		}
		if f.slot >= 0 {
			vals[f.slot] = val
		}
		if !visit(f, pos, end, val) {
			return
		}
		pos = end
	}
}

const (
	maxValueText  = 400 // bytes of a text that is shown as a value
	maxValueBytes = 32
	maxLines      = 256 // of a text header
)

// append appends f, whose bytes b begin at off.
func (f *field) append(dst []Field, b []byte, off int, val uint64) []Field {
	if len(b) == 0 {
		return dst // as many bytes as another field says: none
	}
	out := Field{Field: decode.Field{Name: f.name, Off: off, Len: len(b)}, Constant: f.equals != nil}
	if f.said != "" && string(b) == string(f.equals) {
		out.Number, out.Numeric, out.Value = val, f.kind == kindUint, f.said
		return append(dst, out)
	}
	switch f.kind {
	case kindUint:
		if len(f.bits) > 0 {
			out.Number, out.Numeric, out.Group = val, true, true
			out.Value = numberText(val, nil, showHex, f.size)
			dst = append(dst, out)
			for i := range f.bits {
				dst = append(dst, f.bits[i].field(f, off, val))
			}
			return dst
		}
		out.Number, out.Numeric = val, true
		out.Value = numberText(val, f.texts, f.show, f.size)
		if f.equals != nil && string(b) != string(f.equals) {
			out.Bad = "found " + hexText(b, len(b)) + ", expected " + hexText(f.equals, len(f.equals))
		}
	case kindDecimal, kindLEB128, kindQUIC:
		out.Number, out.Numeric = val, true
		out.Value = numberText(val, f.texts, f.show, 8)
	case kindBytes:
		out.Value = f.bytesText(b)
	case kindString:
		out.Value = textValue(b)
	case kindJSON:
		out.Value = string(b[:min(len(b), maxValueText)])
	case kindUntil:
		out.Value = textValue(b[:max(len(b)-len(f.until), 0)])
	case kindPrefix:
		n := f.size
		if n == 0 {
			for n = 1; n < len(b) && b[n-1] >= 0x80; n++ {
			}
		}
		length := uint64(len(b) - n)
		dst = append(dst, Field{Field: decode.Field{Name: f.name + " length", Off: off, Len: n, Value: strconv.FormatUint(length, 10)}, Number: length, Numeric: true})
		out.Off, out.Len = off+n, len(b)-n
		if out.Len == 0 {
			return dst
		}
		out.Value = textValue(b[n:])
	case kindHeaders:
		return f.lines(dst, b, off)
	}
	return append(dst, out)
}

// lines appends a field for each line of a text header.
func (f *field) lines(dst []Field, b []byte, off int) []Field {
	return appendLines(dst, b, off, "end of "+f.name, false)
}

// appendLines appends a field for each "Name: value" line of b, which begins at
// off. start says that the first one is none.
func appendLines(dst []Field, b []byte, off int, end string, start bool) []Field {
	for i, n := 0, 0; i < len(b); n++ {
		next := i + bytes.IndexByte(b[i:], '\n') + 1
		if next <= i || n == maxLines {
			next = len(b)
		}
		line := bytes.TrimRight(b[i:next], "\r\n")
		out := Field{Field: decode.Field{Off: off + i, Len: next - i}}
		name, value, ok := bytes.Cut(line, []byte{':'})
		switch {
		case len(line) == 0:
			out.Name = end
		case start && n == 0:
			out.Name, out.Value = "start line", textOf(line)
		case !ok || len(name) == 0 || len(name) > 80 || !utf8.Valid(name):
			out.Name, out.Value = "line", textOf(line)
		default:
			out.Name, out.Value = string(name), textOf(bytes.TrimSpace(value))
		}
		dst = append(dst, out)
		i = next
	}
	return dst
}

func (b *bitField) field(f *field, off int, val uint64) Field {
	v := b.value(val, f.size)
	out := Field{Constant: f.mask != nil && b.value(load(f.mask, f.little), f.size) != 0, Field: decode.Field{Name: b.name, Bit: b.first % 8, Bits: b.bits, Value: numberText(v, b.texts, b.show, (b.bits+7)/8)}, Number: v, Numeric: true}
	lo, hi := b.first/8, (b.first+b.bits-1)/8
	if f.little {
		lo, hi = f.size-1-hi, f.size-1-lo
		if lo != hi { // the bits do not follow each other in the bytes
			out.Bit, out.Bits = 0, 0
		}
	}
	out.Off, out.Len = off+lo, hi-lo+1
	if out.Bits == 8*out.Len {
		out.Bit, out.Bits = 0, 0
	}
	return out
}

// textsOf returns how the values of a number that have names are shown.
func textsOf(names map[uint64]string, s show, size int) map[uint64]string {
	if names == nil {
		return nil
	}
	texts := make(map[uint64]string, len(names))
	for v, name := range names {
		texts[v] = numberText(v, nil, s, size) + " " + name
	}
	return texts
}

// numberText returns how a number of so many bytes is shown. texts are those of
// textsOf.
func numberText(v uint64, texts map[uint64]string, s show, size int) string {
	if texts != nil {
		if text, ok := texts[v]; ok {
			return text
		}
		return numberText(v, nil, s, size) + " (unknown)"
	}
	switch {
	case s == showHex:
		const digits = "0123456789abcdef"
		b := [2 + 16]byte{'0', 'x'}
		n := min(2*size, 16)
		for ; n < 16 && v>>(4*n) != 0; n++ {
		}
		for i := range n {
			b[2+i] = digits[v>>(4*(n-1-i))&15]
		}
		return string(b[:2+n])
	case s == showText && v > ' ' && v < 0x7f:
		return string(rune(v))
	}
	return strconv.FormatUint(v, 10)
}

func (f *field) bytesText(b []byte) string {
	if f.show == showIP {
		if a, ok := netip.AddrFromSlice(b); ok {
			return a.String()
		}
	}
	if f.show == showText {
		return textValue(b)
	}
	if len(b) > maxValueBytes {
		return fmt.Sprintf("%x...", b[:maxValueBytes])
	}
	return fmt.Sprintf("%x", b)
}

// textValue returns text in quotes.
func textValue(b []byte) string {
	if len(b) > maxValueText {
		return `"` + string(b[:maxValueText]) + `..."`
	}
	return `"` + string(b) + `"`
}

func textOf(b []byte) string {
	if len(b) > maxValueText {
		return string(b[:maxValueText]) + "..."
	}
	return string(b)
}

// kindOf returns the kind of the frame with the header raw.
func (v *variant) kindOf(raw []byte) (kind string) {
	if v.kind < 0 {
		return v.name
	}
	if f := &v.fields[v.kind]; v.kindOff >= 0 {
		val, names := load(raw[v.kindOff:v.kindOff+f.size], f.little), f.names
		if v.kindBit >= 0 {
			val, names = f.bits[v.kindBit].value(val, f.size), f.bits[v.kindBit].names
		}
		if name, ok := names[val]; ok {
			return name
		}
		return strconv.FormatUint(val, 10)
	}
	var vals values
	v.walk(v.fields, raw, &vals, func(f *field, start, end int, val uint64) bool {
		if f != &v.fields[v.kind] {
			return true
		}
		names := f.names
		if v.kindBit >= 0 {
			names = f.bits[v.kindBit].names
			val = f.bits[v.kindBit].value(val, f.size)
		}
		if name, ok := names[val]; ok {
			kind = name
		} else if f.kind == kindUint || f.kind == kindDecimal || f.kind == kindLEB128 || f.kind == kindQUIC {
			kind = strconv.FormatUint(val, 10)
		} else {
			text := raw[start:end]
			text = text[:max(len(text)-len(f.until), 0)]
			kind = string(text[:min(len(text), 80)])
		}
		return false
	})
	return kind
}
