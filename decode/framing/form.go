package framing

import (
	"strings"
)

// form reads how a field is written: type, size, prefix, until.
func (c *compiler) form(f *field, n *node, where part) error {
	kindName := "uint"
	size, prefix, until, typ := n.get("size"), n.get("prefix"), n.get("until"), n.get("type")
	if typ != nil {
		var err error
		if kindName, err = typ.choice("the field's type", "uint", "bytes", "string", "decimal", "leb128", "quic", "headers", "json"); err != nil {
			return err
		}
	} else if prefix != nil || until != nil {
		kindName = "string"
	}
	f.kind = kindNames[kindName]
	unused := func(v *node, key string) error {
		if v != nil {
			return v.fault("a field of type %s has no %s", kindName, key)
		}
		return nil
	}
	limit := func() (err error) {
		f.limit = c.maxHeader
		if where == inPayload {
			f.limit = PreviewBytes
		}
		if v := n.get("max"); v != nil && !f.numeric() {
			var m uint64
			if m, err = v.number("the longest field in bytes", 0, uint64(f.limit)); err == nil {
				f.limit = int(m)
			}
		}
		return err
	}
	switch f.kind {
	case kindUint:
		if size == nil {
			if s := n.get("magic"); s == nil {
				s = n.get("equals")
				if s == nil || !s.quoted {
					return n.fault("%q has no size: 1 to 8 bytes", f.name)
				}
			}
			f.kind = kindBytes // the constant says how long it is
			return unused(prefix, "prefix")
		}
		if v, err := size.number("the size in bytes", 1, 8); err == nil {
			f.size = int(v)
		} else if m := constantOf(n); m != nil && m.quoted {
			f.kind = kindBytes
			return c.sized(f, size, where, limit)
		} else {
			return err
		}
	case kindBytes, kindString:
		if f.kind == kindString && (prefix != nil || until != nil) {
			if size != nil {
				return size.fault("found size beside prefix or until, expected one of them")
			}
			if where == inTrailer {
				return n.fault("fields of a trailer have a fixed size")
			}
			if err := limit(); err != nil {
				return err
			}
			return c.delimited(f, prefix, until)
		}
		if size == nil && constantOf(n) == nil {
			return n.fault("%q has no size", f.name)
		}
		if size != nil {
			return c.sized(f, size, where, limit)
		}
	case kindDecimal:
		if until == nil {
			return n.fault("%q has no until: the bytes that end it", f.name)
		}
		if err := c.ended(f, until); err != nil {
			return err
		}
		if f.until[0] >= '0' && f.until[0] <= '9' {
			return until.fault("a digit cannot end a number")
		}
		until = nil
		if err := unused(size, "size"); err != nil {
			return err
		}
	case kindJSON:
		if size == nil {
			return n.fault("%q has no size: the name of the field that says how long it is", f.name)
		}
		if err := c.path(f, n, true); err != nil {
			return err
		}
		return c.sized(f, size, where, limit)
	case kindHeaders:
		if err := c.path(f, n, false); err != nil {
			return err
		}
		if err := limit(); err != nil {
			return err
		}
		return unused(size, "size")
	case kindLEB128:
		f.size = 10
		if size != nil {
			v, err := size.number("the most bytes it may take", 1, 10)
			if err != nil {
				return err
			}
			f.size = int(v)
		}
	case kindQUIC:
		f.size = 8
		if size != nil {
			return unused(size, "size")
		}
	}
	if where == inTrailer && f.kind != kindUint && f.kind != kindBytes && f.kind != kindString {
		return n.fault("fields of a trailer have a fixed size")
	}
	if err := unused(prefix, "prefix"); err != nil {
		return err
	}
	return unused(until, "until")
}

func constantOf(n *node) *node {
	if v := n.get("magic"); v != nil {
		return v
	}
	return n.get("equals")
}

// sized reads the size of a field of bytes: a number, or the name of the field
// that says it.
func (c *compiler) sized(f *field, size *node, where part, limit func() error) error {
	if v, err := size.number("the size in bytes", 1, maxBytes); err == nil {
		f.size = int(v)
		return nil
	} else if size.kind != 's' || size.text != "" && size.text[0] >= '0' && size.text[0] <= '9' {
		return err
	}
	if where == inTrailer {
		return size.fault("fields of a trailer have a fixed size")
	}
	if err := limit(); err != nil {
		return err
	}
	slot, _, _, err := c.refer(size, size.text)
	f.from = slot
	return err
}

// delimited reads how the end of a string is found.
func (c *compiler) delimited(f *field, prefix, until *node) error {
	if prefix != nil && until != nil {
		return until.fault("found until beside prefix, expected one of them")
	}
	if prefix != nil {
		f.kind = kindPrefix
		if prefix.kind == 's' && prefix.text == "leb128" {
			return nil
		}
		v, err := prefix.number("the size of the length in bytes, or leb128", 1, 8)
		f.size = int(v)
		return err
	}
	f.kind = kindUntil
	return c.ended(f, until)
}

// ended reads the delimiter of a text.
func (c *compiler) ended(f *field, until *node) error {
	b, err := until.bytes("the bytes that end it")
	if err == nil && (len(b) == 0 || len(b) > 16) {
		err = until.fault("found %d bytes, expected 1 to 16", len(b))
	}
	f.until = b
	return err
}

// bytes returns the bytes that a text stands for: each character the byte with
// its number.
func (n *node) bytes(what string) ([]byte, error) {
	if n.kind != 's' {
		return nil, n.fault("found %s, expected %s", n.what(), what)
	}
	var b []byte
	for _, r := range n.text {
		if r > 255 {
			return nil, n.fault("the character %q is no byte, expected numbers up to 255", r)
		}
		b = append(b, byte(r))
	}
	return b, nil
}

func (c *compiler) path(f *field, n *node, nested bool) error {
	p := n.get("path")
	if p == nil {
		return nil
	}
	if o := n.get("optional"); o != nil {
		var err error
		if f.optional, err = o.boolean("optional"); err != nil {
			return err
		}
	}
	switch p.kind {
	case 's':
		if f.path = []string{p.text}; nested {
			f.path = strings.Split(p.text, ".")
		}
	case 'l':
		for i := range p.values {
			s, err := p.values[i].str("a name")
			if err != nil {
				return err
			}
			f.path = append(f.path, s)
		}
	}
	if len(f.path) == 0 || len(f.path) > 8 || !nested && len(f.path) > 1 {
		return p.fault("found %s, expected the name of the length", p.what())
	}
	return nil
}
