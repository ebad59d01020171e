package framing

import "strings"

// A part is where a field stands.
type part byte

const (
	inHeader part = iota
	inTrailer
	inPayload
)

// list compiles a list of fields.
func (c *compiler) list(n *node, where part) (fields []field, err error) {
	if n.kind != 'l' || len(n.values) == 0 {
		return nil, n.fault("found %s, expected a list of fields", n.what())
	}
	fields = make([]field, len(n.values))
	for i := range fields {
		if c.fields++; c.fields > maxFields {
			return nil, n.values[i].fault("more than %d fields", maxFields)
		}
		if err := c.field(&fields[i], &n.values[i], where, i == 0); err != nil {
			return nil, err
		}
		c.scope = append(c.scope, &fields[i])
	}
	return fields, nil
}

var fieldKeys = []string{"name", "type", "size", "order", "prefix", "until", "magic", "equals", "names", "strict", "bits",
	"counts", "plus", "times", "min", "max", "path", "optional", "when", "show", "checksum", "over"}

func (c *compiler) field(f *field, n *node, where part, first bool) error {
	if err := n.only("a field", fieldKeys...); err != nil {
		return err
	}
	f.line, f.column = n.line, n.column
	f.from, f.slot, f.times = -1, -1, 1
	name := n.get("name")
	if name == nil {
		return n.fault("a field has no name")
	}
	var err error
	if f.name, err = name.str("the field's name"); err != nil {
		return err
	}
	if len(f.name) > 60 {
		return name.fault("the name has %d bytes, expected at most 60", len(f.name))
	}
	for _, other := range c.scope {
		if other.name == f.name && other.when == nil && n.get("when") == nil {
			return name.fault("there is a field %q in line %d already", f.name, other.line)
		}
	}
	f.little = c.little
	if v := n.get("order"); v != nil {
		order, err := v.choice("the byte order", "big", "little")
		if err != nil {
			return err
		}
		f.little = order == "little"
	}
	if err := c.form(f, n, where); err != nil {
		return err
	}
	if err := c.constant(f, n, where, first); err != nil {
		return err
	}
	if f.names, f.strict, err = c.names(n, f.numeric()); err != nil {
		return err
	}
	if v := n.get("bits"); v != nil {
		if err := c.bits(f, v); err != nil {
			return err
		}
	}
	if err := c.length(f, n, where); err != nil {
		return err
	}
	if v := n.get("when"); v != nil {
		if where == inTrailer {
			return v.fault("fields of a trailer are always there")
		}
		if f.when, err = c.conditions(v); err != nil {
			return err
		}
	}
	if v := n.get("show"); v != nil {
		s, err := v.choice("how it is shown", "dec", "hex", "text", "ip")
		if err != nil {
			return err
		}
		f.show = map[string]show{"dec": showDec, "hex": showHex, "text": showText, "ip": showIP}[s]
	} else if f.equals != nil && f.kind == kindUint && len(f.names) == 0 && !inDigits(constantOf(n)) || n.get("checksum") != nil {
		f.show = showHex
	}
	size := f.size
	if f.kind != kindUint {
		size = 8
	}
	f.texts = textsOf(f.names, f.show, size)
	if f.equals != nil && f.mask == nil && f.bits == nil {
		var val uint64
		if f.kind == kindUint {
			val = load(f.equals, f.little)
		}
		f.said = f.append(nil, f.equals, 0, val)[0].Value
	}
	return c.checksum(f, n, where)
}

// inDigits reports whether a constant was written in decimal digits: then it is
// shown so.
func inDigits(n *node) bool {
	return n != nil && !n.quoted && strings.Trim(n.text, "0123456789_KMG") == ""
}

// numeric reports whether the field has a value that is a number.
func (f *field) numeric() bool {
	switch f.kind {
	case kindUint, kindDecimal, kindLEB128, kindQUIC:
		return true
	case kindJSON, kindHeaders:
		return len(f.path) > 0
	}
	return false
}

// constant reads magic and equals.
func (c *compiler) constant(f *field, n *node, where part, first bool) error {
	v := constantOf(n)
	if v == nil {
		return nil
	}
	if n.get("magic") != nil {
		if other := n.get("equals"); other != nil {
			return other.fault("found equals beside magic, expected one of them")
		}
		if where != inHeader || !first {
			return v.fault("a magic is the first field of a header; expected equals here")
		}
		f.magic = true
	}
	switch {
	case f.kind == kindUint && !v.quoted:
		most := uint64(1)<<(8*f.size-1)<<1 - 1
		value, err := v.number("the constant", 0, most)
		if err != nil {
			return err
		}
		if f.magic && c.options.HasMagic {
			if value = c.options.Magic; value > most {
				return v.fault("the magic 0x%x has more than %d bytes", value, f.size)
			}
		}
		f.equals = store(value, f.size, f.little)
	case f.kind == kindUint || f.kind == kindBytes || f.kind == kindString:
		b, err := v.bytes("the constant in quotes")
		if err != nil {
			return err
		}
		if f.size == 0 && f.from < 0 {
			f.size = len(b)
		}
		if len(b) != f.size || len(b) == 0 {
			return v.fault("the constant has %d bytes, the field %d", len(b), f.size)
		}
		f.equals = b
	default:
		return v.fault("only fields of fixed size have constants")
	}
	return nil
}

func store(v uint64, size int, little bool) []byte {
	b := make([]byte, size)
	for i := range b {
		shift := 8 * i
		if !little {
			shift = 8 * (size - 1 - i)
		}
		b[i] = byte(v >> shift)
	}
	return b
}

// names reads the names of values.
func (c *compiler) names(n *node, numeric bool) (names map[uint64]string, strict bool, err error) {
	v := n.get("names")
	if s := n.get("strict"); s != nil {
		if strict, err = s.boolean("strict"); err != nil {
			return nil, false, err
		}
		if v == nil && strict {
			return nil, false, s.fault("strict without names")
		}
	}
	if v == nil {
		return nil, strict, nil
	}
	if !numeric {
		return nil, false, v.fault("only numbers have names")
	}
	if v.kind != 'm' || len(v.keys) == 0 {
		return nil, false, v.fault("found %s, expected a map from numbers to names", v.what())
	}
	names = make(map[uint64]string, len(v.keys))
	for i := range v.keys {
		num, err := v.keys[i].number("a value", 0, 1<<64-1)
		if err != nil {
			return nil, false, err
		}
		if names[num], err = v.values[i].str("a name"); err != nil {
			return nil, false, err
		}
	}
	return names, strict, nil
}

// bits reads the parts of a number.
func (c *compiler) bits(f *field, n *node) error {
	if f.kind != kindUint {
		return n.fault("only fields of 1 to 8 bytes have bits")
	}
	if n.kind != 'l' || len(n.values) == 0 {
		return n.fault("found %s, expected a list of bit fields", n.what())
	}
	at := 0
	var mask, want uint64
	f.bits = make([]bitField, len(n.values))
	for i := range n.values {
		e, b := &n.values[i], &f.bits[i]
		if err := e.only("a bit field", "name", "bits", "names", "strict", "equals", "show"); err != nil {
			return err
		}
		name, size := e.get("name"), e.get("bits")
		if name == nil || size == nil {
			return e.fault("expected a name and a number of bits")
		}
		var err error
		if b.name, err = name.str("the bit field's name"); err != nil {
			return err
		}
		v, err := size.number("the number of bits", 1, 64)
		if err != nil {
			return err
		}
		b.first, b.bits, b.slot = at, int(v), -1
		if at += b.bits; at > 8*f.size {
			return size.fault("the bit fields have %d bits or more, the field has %d", at, 8*f.size)
		}
		if b.names, b.strict, err = c.names(e, true); err != nil {
			return err
		}
		if s := e.get("show"); s != nil {
			how, err := s.choice("how it is shown", "dec", "hex")
			if err != nil {
				return err
			}
			if how == "hex" {
				b.show = showHex
			}
		}
		b.texts = textsOf(b.names, b.show, (b.bits+7)/8)
		if k := e.get("equals"); k != nil {
			most := uint64(1)<<(b.bits-1)<<1 - 1
			v, err := k.number("the constant", 0, most)
			if err != nil {
				return err
			}
			mask |= most << (8*f.size - at)
			want |= v << (8*f.size - at)
		}
	}
	if at != 8*f.size {
		return n.fault("the bit fields have %d bits, the field has %d", at, 8*f.size)
	}
	if mask != 0 {
		if f.equals != nil {
			return n.fault("the field has a constant already")
		}
		f.mask, f.equals = store(mask, f.size, f.little), store(want, f.size, f.little)
	}
	return nil
}

// length reads counts, plus, times, min and max.
func (c *compiler) length(f *field, n *node, where part) error {
	counts := n.get("counts")
	for _, key := range []string{"counts", "plus", "times", "min"} {
		if v := n.get(key); v != nil && (!f.numeric() || where != inHeader) {
			return v.fault("only numbers in a header have %s", key)
		}
	}
	for _, key := range []string{"plus", "times"} {
		if v := n.get(key); v != nil && counts == nil {
			return v.fault("found %s without counts", key)
		}
	}
	if len(f.path) > 0 && counts == nil {
		return n.get("path").fault("found path without counts")
	}
	if counts != nil {
		what, err := counts.choice("what the length counts", "payload", "rest", "whole")
		if err != nil {
			return err
		}
		f.counts = map[string]count{"payload": countPayload, "rest": countRest, "whole": countWhole}[what]
		if (f.kind == kindJSON || f.kind == kindHeaders) && f.counts != countPayload {
			return counts.fault("found %q, expected payload: the length in a header of text", what)
		}
	}
	var err error
	if v := n.get("plus"); v != nil {
		if f.plus, err = v.signed("what is added to the length", 1<<32); err != nil {
			return err
		}
	}
	if v := n.get("times"); v != nil {
		m, err := v.number("the unit of the length in bytes", 1, 1<<14)
		if err != nil {
			return err
		}
		f.times = int64(m)
	}
	if v := n.get("min"); v != nil {
		if f.min, err = v.number("the smallest value", 0, 1<<63); err != nil {
			return err
		}
	}
	if v := n.get("max"); v != nil && f.numeric() {
		if f.max, err = v.number("the largest value", 1, 1<<63); err != nil {
			return err
		}
		if f.counts != countNothing && c.options.Max > 0 {
			f.max = 0
		}
	}
	return nil
}
