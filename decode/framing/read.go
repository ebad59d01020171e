package framing

import (
	"bytes"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"

	"framescope/decode/frame"
)

// mismatch is the error for a constant that is another.
func (f *field) mismatch(fr *Framing, b []byte, pos int) error {
	n := len(f.equals)
	name := f.name
	if f.mask != nil {
		v, want := load(b[pos:pos+n], f.little), load(f.equals, f.little)
		mask := load(f.mask, f.little)
		for i := range f.bits {
			bf := &f.bits[i]
			if bf.value(mask, n) != 0 && bf.value(v, n) != bf.value(want, n) {
				return fr.fault(pos, n, bf.name, "found %d, expected %d", bf.value(v, n), bf.value(want, n))
			}
		}
	}
	return fr.fault(pos, n, name, "found %s, expected %s", hexText(b[pos:], n), hexText(f.equals, n))
}

// hexText returns up to n bytes as a person reads them.
func hexText(b []byte, n int) string {
	b = b[:min(len(b), n)]
	if len(b) == 0 {
		return "nothing"
	}
	text := len(b) > 1
	for _, c := range b {
		text = text && c >= ' ' && c < 0x7f
	}
	if text {
		return strconv.Quote(string(b))
	}
	dots := ""
	if len(b) > 16 {
		b, dots = b[:16], " ..."
	}
	return fmt.Sprintf("% x", b) + dots
}

// read reads a field that is no uint. It returns its value and the place behind
// it. shown says that the field is only to be shown, whatever its constant is.
func (v *variant) read(fr *Framing, f *field, b []byte, pos int, vals *values, p *progress, shown bool) (val uint64, end int, err error) {
	if pos > len(b) {
		return 0, 0, frame.ErrShort
	}
	if d := p.ended(f, pos); d != nil && d.end <= len(b) {
		return d.val, d.end, nil
	}
	switch f.kind {
	case kindBytes, kindString, kindJSON:
		n := f.size
		if f.from >= 0 {
			if vals[f.from] > uint64(f.limit) {
				return 0, 0, fr.fault(pos, 1, f.name, "%d bytes exceed max %d", vals[f.from], f.limit)
			}
			n = int(vals[f.from])
		}
		if f.equals != nil && !shown {
			if ok, differs := f.constant(b, pos); !ok {
				switch {
				case differs < v.commit:
					return 0, 0, errOther
				case len(b) < pos+n:
					return 0, 0, frame.ErrShort
				}
				return 0, 0, f.mismatch(fr, b, pos)
			}
		}
		if len(b) < pos+n {
			return 0, 0, frame.ErrShort
		}
		if f.kind != kindJSON {
			return 0, pos + n, nil
		}
		val, at, err := jsonLength(b[pos:pos+n], f)
		if err != "" {
			e := fr.fault(pos+at, 1, f.name, "%s", err)
			return 0, 0, examined(e, pos+n)
		}
		p.end(f, pos, pos+n, val)
		return val, pos + n, nil
	case kindPrefix:
		var (
			n  uint64
			at int
		)
		if f.size == 0 {
			if n, at, err = leb128(fr, f, b, pos, 5); err != nil {
				return 0, 0, err
			}
		} else {
			if len(b) < pos+f.size {
				return 0, 0, frame.ErrShort
			}
			at = pos + f.size
			n = load(b[pos:at], f.little)
		}
		if n > uint64(f.limit) {
			return 0, 0, fr.fault(pos, at-pos, f.name, "%d bytes exceed max %d", n, f.limit)
		}
		if len(b)-at < int(n) {
			return 0, 0, frame.ErrShort
		}
		return 0, at + int(n), nil
	case kindUntil:
		room := b[pos:min(len(b), pos+f.limit+len(f.until))]
		from := min(p.from(pos)-pos, len(room))
		i := bytes.Index(room[from:], f.until)
		if i < 0 {
			p.note(pos, max(pos, pos+len(room)-len(f.until)+1))
			if len(room) == f.limit+len(f.until) {
				return 0, 0, fr.fault(pos, len(room), f.name, "no %s in %d bytes", hexText(f.until, 16), len(room))
			}
			return 0, 0, frame.ErrShort
		}
		p.end(f, pos, pos+from+i+len(f.until), 0)
		return 0, pos + from + i + len(f.until), nil
	case kindDecimal:
		return f.decimal(fr, b, pos)
	case kindLEB128:
		return leb128(fr, f, b, pos, f.size)
	case kindQUIC:
		if len(b) == pos {
			return 0, 0, frame.ErrShort
		}
		n := 1 << (b[pos] >> 6)
		if len(b) < pos+n {
			return 0, 0, frame.ErrShort
		}
		val = load(b[pos:pos+n], false)
		return val & (1<<(8*n-2) - 1), pos + n, nil
	}
	n, val, at, text := headerLength(b[pos:], f, p.from(pos)-pos)
	switch {
	case text != "":
		return 0, 0, examined(fr.fault(pos+at, 1, f.name, "%s", text), pos+n)
	case n < 0 && len(b)-pos >= f.limit:
		return 0, 0, fr.fault(pos, f.limit, f.name, "no empty line in %d bytes", f.limit)
	case n < 0:
		p.note(pos, pos+at)
		return 0, 0, frame.ErrShort
	}
	p.end(f, pos, pos+n, val)
	return val, pos + n, nil
}

// decimal reads digits up to the delimiter.
func (f *field) decimal(fr *Framing, b []byte, pos int) (val uint64, end int, err error) {
	i := pos
	for ; i < len(b) && b[i] >= '0' && b[i] <= '9'; i++ {
		if i == pos+maxDigits {
			return 0, 0, fr.fault(pos, i+1-pos, f.name, "has more than %d digits", maxDigits)
		}
		val = val*10 + uint64(b[i]-'0')
	}
	for j, c := range f.until {
		if i+j >= len(b) {
			return 0, 0, frame.ErrShort
		}
		if b[i+j] != c || i == pos {
			return 0, 0, fr.fault(pos, i+j+1-pos, f.name, "found %s, expected a number and %s", quoted(b[pos:i+j+1]), strconv.Quote(string(f.until)))
		}
	}
	return val, i + len(f.until), nil
}

// leb128 reads a varint of at most n bytes.
func leb128(fr *Framing, f *field, b []byte, pos, n int) (val uint64, end int, err error) {
	for i := range n {
		if pos+i >= len(b) {
			return 0, 0, frame.ErrShort
		}
		c := b[pos+i]
		if i == 9 && c > 1 {
			return 0, 0, fr.fault(pos, i+1, f.name, "has more than 64 bits")
		}
		val |= uint64(c&0x7f) << (7 * i)
		if c < 0x80 {
			return val, pos + i + 1, nil
		}
	}
	return 0, 0, fr.fault(pos, n, f.name, "goes on behind %d bytes", n)
}

// known returns the numbers that have names, as an error lists them.
func known(names map[uint64]string, s show, size int) string {
	numbers := slices.Sorted(maps.Keys(names))
	var b strings.Builder
	for i, n := range numbers {
		switch {
		case i == 16:
			return b.String() + " or others"
		case i > 0 && i == len(numbers)-1:
			b.WriteString(" or ")
		case i > 0:
			b.WriteString(", ")
		}
		b.WriteString(numberText(n, nil, s, size))
	}
	return b.String()
}
