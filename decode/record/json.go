package record

import (
	"encoding/hex"
	"unicode/utf8"
)

// Options say how records are written, and keep what makes writing the next one
// faster. The zero value is ready. An Options is used by one goroutine at a
// time.
type Options struct {
	// Payload is how many characters of a text payload, or bytes of another
	// one, are written. Zero means all that the record holds; negative none.
	Payload int

	cut    bool // the payload just written was longer
	clock  clock
	starts [Types]start
}

// A start is how the records of one type begin that were captured in one
// second: everything up to the decimal point of the time.
type start struct {
	second int64
	json   []byte
}

// AppendJSON appends r as one JSON object, without a line break, and returns
// the result. A nil o stands for the zero Options.
//
// What has no value is left out, except that lists are always there and that
// fields with Null say null. Bytes that are not valid UTF-8 are written as
// U+FFFD, and the string once more in hex under the same name with _hex behind
// it. Control characters and invisible ones are escaped, so that a terminal may
// show the text.
func AppendJSON(dst []byte, r Record, o *Options) []byte {
	var zero Options
	if o == nil {
		o = &zero
	}
	t := r.Type()
	h := r.Shared()
	if (t == TypeFrame || t == TypeDeclared) && h.First > 0 && h.Last > 0 && h.Conn != nil && h.Conn.prefix != nil {
		switch f := r.(type) {
		case *Frame:
			return o.appendFrame(dst, f)
		case *Declared:
			return o.appendDeclared(dst, f)
		}
	}
	if h.Time != 0 || h.First != 0 {
		dst = o.appendStart(dst, t, h.Time)
	} else {
		dst = append(dst, opening[t]...)
	}
	switch {
	case h.Conn == nil:
		dst = appendOrigin(dst, h.File, 0)
	case h.Conn.prefix != nil:
		dst = append(dst, h.Conn.prefix...)
	default:
		dst = appendOrigin(dst, h.File, h.Conn.ID)
	}
	switch h.Direction {
	case Client:
		dst = append(dst, `"direction":"client",`...)
	case Server:
		dst = append(dst, `"direction":"server",`...)
	}
	return o.finish(dst, r)
}

// appendStart appends how a record begins, with its time.
func (o *Options) appendStart(dst []byte, t Type, time int64) []byte {
	sec, frac := split(time)
	st := &o.starts[t]
	if st.second != sec || st.json == nil {
		st.second = sec
		st.json = append(append(st.json[:0], opening[t]...), `"ts":"`...)
		st.json = o.clock.append(st.json, sec)
	}
	dst = append(dst, st.json...)
	return append(appendNanos(dst, frac), `Z",`...)
}

// finish writes the fields of r that are in no other record's head, and closes
// the object.
func (o *Options) finish(dst []byte, r Record) []byte {
	dst = appendNodes(dst, programs()[r.Type()], r, 0, o)
	dst[len(dst)-1] = '}'
	return dst
}

// opening is how the object of each type begins.
var opening = func() (all [Types]string) {
	for t := range all {
		all[t] = `{"schema":"` + Schema + `","type":"` + Type(t).String() + `",`
	}
	return all
}()

// appendOrigin appends file and connection; a connection of 0 is left out.
func appendOrigin(dst []byte, file string, conn int64) []byte {
	if file != "" {
		dst = appendText(dst, `"file"`, file)
	}
	if conn != 0 {
		dst = AppendID(append(dst, `"conn":"`...), conn)
		dst = append(dst, `",`...)
	}
	return dst
}

// appendNodes appends value number i of every node that has one.
func appendNodes(dst []byte, nodes []node, r Record, i int, o *Options) []byte {
	for k := range nodes {
		n := &nodes[k]
		f := n.field
		switch n.op {
		case opGroup:
			before := len(dst)
			dst = n.key.append(dst)
			inside := len(dst)
			if dst = appendNodes(dst, n.kids, r, i, o); len(dst) == inside {
				dst = dst[:before]
			} else {
				dst[len(dst)-1] = '}'
				dst = append(dst, ',')
			}
		case opInt:
			if v, ok := f.num(r, i); ok {
				dst = append(appendInt(n.key.append(dst), v), ',')
			}
		case opBool:
			v, ok := f.num(r, i)
			switch {
			case !ok && f.Null:
				dst = append(n.key.append(dst), "null,"...)
			case !ok:
			case v != 0:
				dst = n.yes.append(dst)
			default:
				dst = n.no.append(dst)
			}
		case opWord:
			if s, ok := f.str(r, i); ok {
				dst = append(n.key.append(dst), '"')
				dst = append(append(dst, s...), `",`...)
			}
		case opString:
			if s, ok := f.str(r, i); ok {
				dst = appendText(dst, n.name, s)
			}
		case opStrings:
			if f.has == nil || f.has(r) {
				dst = appendStrings(n.key.append(dst), f, r)
			}
		case opPairs:
			if f.has(r) {
				dst = appendPairs(n.key.append(dst), f, r)
			}
		case opObjects:
			dst = append(n.key.append(dst), '[')
			for j := range f.len(r) {
				dst = appendNodes(append(dst, '{'), n.kids, r, j, o)
				if dst[len(dst)-1] == '{' {
					dst = append(dst, ',')
				}
				dst[len(dst)-1] = '}'
				dst = append(dst, ',')
			}
			dst = closeList(dst)
		case opDuration:
			if v, ok := f.num(r, i); ok {
				dst = append(AppendMillis(n.key.append(dst), v), ',')
			}
		case opTime:
			if v, ok := f.num(r, i); ok {
				sec, frac := split(v)
				dst = append(n.key.append(dst), '"')
				dst = appendNanos(o.clock.append(dst, sec), frac)
				dst = append(dst, `Z",`...)
			}
		case opIP:
			if a, ok := f.ip(r); ok {
				dst = append(n.key.append(dst), '"')
				dst = append(a.AppendTo(dst), `",`...)
			}
		case opHex:
			if b, ok := f.raw(r); ok {
				dst = append(n.key.append(dst), '"')
				dst = append(hex.AppendEncode(dst, b), `",`...)
			}
		case opPayload:
			o.cut = false
			if b, ok := f.raw(r); ok && o.Payload >= 0 {
				text, _ := f.num(r, 0)
				dst = o.appendPayload(dst, n.name, b, text == 1)
			}
		case opMore:
			if _, ok := f.num(r, i); ok && o.Payload >= 0 || o.cut {
				dst = n.yes.append(dst)
			}
		}
	}
	return dst
}

// closeList ends a list whose elements were written with commas behind them.
func closeList(dst []byte) []byte {
	if dst[len(dst)-1] == ',' {
		dst[len(dst)-1] = ']'
		return append(dst, ',')
	}
	return append(dst, `],`...)
}

func appendStrings(dst []byte, f *Field, r Record) []byte {
	dst = append(dst, '[')
	for i := range f.len(r) {
		s, _ := f.str(r, i)
		dst, _ = appendString(dst, s)
		dst = append(dst, ',')
	}
	return closeList(dst)
}

// appendPairs writes [name, value] pairs. Where one of the two is not valid
// UTF-8, an object with name_hex and value_hex is the third element.
func appendPairs(dst []byte, f *Field, r Record) []byte {
	dst = append(dst, '[')
	for i := 0; i+1 < f.len(r); i += 2 {
		name, _ := f.str(r, i)
		value, _ := f.str(r, i+1)
		var nameOK, valueOK bool
		dst, nameOK = appendString(append(dst, '['), name)
		dst, valueOK = appendString(append(dst, ','), value)
		if !nameOK || !valueOK {
			dst = append(dst, `,{`...)
			if !nameOK {
				dst = appendHex(dst, `"name"`, name)
			}
			if !valueOK {
				dst = appendHex(dst, `"value"`, value)
			}
			dst[len(dst)-1] = '}'
		}
		dst = append(dst, `],`...)
	}
	return closeList(dst)
}

// appendPayload writes as much of a payload as is wanted.
func (o *Options) appendPayload(dst []byte, name string, p []byte, text bool) []byte {
	if o.Payload > 0 {
		whole := len(p)
		p = Cut(p, o.Payload, text)
		o.cut = len(p) < whole
	}
	if text {
		return appendText(dst, name, p)
	}
	return appendHex(dst, name, p)
}

// Cut returns the first n characters of a text, or the first n bytes of what is
// no text.
func Cut(p []byte, n int, text bool) []byte {
	if len(p) <= n {
		return p
	}
	if !text {
		return p[:n]
	}
	end := 0
	for ; n > 0 && end < len(p); n-- {
		_, size := utf8.DecodeRune(p[end:])
		end += size
	}
	return p[:end]
}

// appendText writes a member with a string, and one with its bytes in hex if it
// is not valid UTF-8. The name is in quotes.
func appendText[T string | []byte](dst []byte, name string, s T) []byte {
	dst, ok := appendString(append(append(dst, name...), ':'), s)
	dst = append(dst, ',')
	if !ok {
		dst = appendHex(dst, name, s)
	}
	return dst
}

// appendHex writes a member with the bytes of s in hex; its name gets _hex
// behind it.
func appendHex[T string | []byte](dst []byte, name string, s T) []byte {
	dst = append(dst, name[:len(name)-1]...)
	dst = append(dst, `_hex":"`...)
	for i := range len(s) {
		dst = append(dst, digits[s[i]>>4], digits[s[i]&15])
	}
	return append(dst, `",`...)
}
