package framing

import (
	"strings"
)

// Options change a framing when it is compiled: what a user says in place of
// the declaration.
type Options struct {
	// Order is the byte order, "big" or "little"; empty for that of the
	// declaration. It replaces only the order of the framing as a whole.
	Order string
	// Max bounds the payload in bytes; 0 for what the declaration says.
	Max int64
	// Magic replaces the number that frames begin with, where the declaration has
	// one; HasMagic says that it is set.
	Magic    uint64
	HasMagic bool
}

// Parse compiles a framing declared in YAML. The error is a *SpecError.
func Parse(src []byte, o Options) (*Framing, error) {
	root, err := parseYAML(src)
	if err != nil {
		return nil, err
	}
	c := compiler{f: &Framing{source: string(src)}, options: o}
	if err := c.framing(&root); err != nil {
		return nil, err
	}
	return c.f, nil
}

// A compiler turns a declaration into a Framing.
type compiler struct {
	f         *Framing
	options   Options
	little    bool
	maxHeader int
	fields    int
	v         *variant
	scope     []*field // of the variant so far
	kind      *node
}

func (c *compiler) framing(n *node) error {
	if err := n.only("a framing", "name", "title", "about", "order", "kind", "limits", "align", "fields", "payload", "trailer", "variants"); err != nil {
		return err
	}
	f := c.f
	name := n.get("name")
	if name == nil {
		return n.fault("there is no name")
	}
	var err error
	if f.name, err = name.str("the framing's name"); err != nil {
		return err
	}
	if !validName(f.name) || len(f.name) > 40 {
		return name.fault("found %q, expected a name of small letters, digits and hyphens", f.name)
	}
	for key, dst := range map[string]*string{"title": &f.title, "about": &f.about} {
		if v := n.get(key); v != nil {
			if *dst, err = v.str("text"); err != nil {
				return err
			}
			*dst = strings.TrimSpace(*dst)
		}
	}
	order := "big"
	if v := n.get("order"); v != nil {
		if order, err = v.choice("the byte order", "big", "little"); err != nil {
			return err
		}
	}
	if c.options.Order != "" {
		order = c.options.Order
	}
	c.little = order == "little"
	if err := c.limits(n.get("limits")); err != nil {
		return err
	}
	if c.options.Max > 0 {
		f.maxPayload = c.options.Max
	}
	c.kind = n.get("kind")
	if vs := n.get("variants"); vs != nil {
		for _, key := range []string{"fields", "payload", "trailer"} {
			if other := n.get(key); other != nil {
				return other.fault("%s stands beside variants, expected it in one of them", key)
			}
		}
		if vs.kind != 'l' || len(vs.values) == 0 || len(vs.values) > maxVariants {
			return vs.fault("expected a list of 1 to %d variants", maxVariants)
		}
		f.variants = make([]variant, len(vs.values))
		for i := range vs.values {
			if err := c.variant(&f.variants[i], &vs.values[i], n, true); err != nil {
				return err
			}
		}
	} else {
		f.variants = make([]variant, 1)
		if err := c.variant(&f.variants[0], n, n, false); err != nil {
			return err
		}
	}
	// What the first bytes of a header chose stays chosen: a decoder has no way
	// back behind the end of a shorter header.
	for i, shortest := len(f.variants)-1, 0; i >= 0; i-- {
		v := &f.variants[i]
		v.commit = shortest
		if shortest == 0 || v.minHeader < shortest {
			shortest = v.minHeader
		}
		// A variant that no constant chooses is chosen by who sends it.
		v.sided = v.before > 0 || v.from != Either && i < len(f.variants)-1 && !v.chosen()
	}
	for i := range f.variants {
		v := &f.variants[i]
		f.maxHeader = max(f.maxHeader, v.maxHeader)
		if len(v.fields) > 0 && v.fields[0].magic {
			f.magics = append(f.magics, v.fields[0].equals)
		}
	}
	f.compileStarts()
	for i := range f.variants {
		v := &f.variants[i]
		if first := &v.fields[0]; first.equals != nil && first.when == nil && first.from < 0 && first.mask == nil {
			v.lead = first.equals[:min(len(first.equals), v.commit)]
		}
		v.compileFast()
	}
	f.silence()
	return nil
}

// chosen reports whether a constant chooses v.
func (v *variant) chosen() bool {
	at := 0
	for i := range v.fields {
		f := &v.fields[i]
		if at >= v.commit || f.when != nil || f.from >= 0 || f.size == 0 {
			return false
		}
		if f.equals != nil {
			return true
		}
		at += f.size
	}
	return false
}

func validName(s string) bool {
	return s != "" && strings.Trim(s, "abcdefghijklmnopqrstuvwxyz0123456789-") == "" && s[0] != '-'
}

func (c *compiler) limits(n *node) error {
	c.maxHeader, c.f.maxPayload = usualHeader, usualPayload
	if n == nil {
		return nil
	}
	if err := n.only("limits", "header", "payload"); err != nil {
		return err
	}
	if v := n.get("header"); v != nil {
		m, err := v.number("the longest header in bytes", 1, limitHeader)
		if err != nil {
			return err
		}
		c.maxHeader = int(m)
	}
	if v := n.get("payload"); v != nil {
		m, err := v.number("the longest payload in bytes", 0, limitPayload)
		if err != nil {
			return err
		}
		c.f.maxPayload = int64(m)
	}
	return nil
}

// variant compiles one form of frame.
func (c *compiler) variant(v *variant, n, root *node, listed bool) error {
	c.v, c.scope = v, nil
	v.kind, v.kindBit, v.kindOff = -1, -1, -1
	v.maxPayload = c.f.maxPayload
	if listed {
		if err := n.only("a variant", "name", "from", "before", "kind", "fields", "payload", "trailer"); err != nil {
			return err
		}
		name := n.get("name")
		if name == nil {
			return n.fault("a variant has no name")
		}
		var err error
		if v.name, err = name.str("the variant's name"); err != nil {
			return err
		}
		if from := n.get("from"); from != nil {
			side, err := from.choice("who sends it", "client", "server")
			if err != nil {
				return err
			}
			v.from = map[string]Direction{"client": Client, "server": Server}[side]
		}
		if before := n.get("before"); before != nil {
			if v.from == Either {
				return before.fault("found before without from: client or server")
			}
			m, err := before.number("the stream offset before which it begins", 1, maxBefore)
			if err != nil {
				return err
			}
			v.before = int64(m)
		}
	}
	if a := root.get("align"); a != nil {
		m, err := a.number("the alignment in bytes", 1, maxAlign)
		if err != nil {
			return err
		}
		v.align = int(m)
	}
	list := n.get("fields")
	if list == nil {
		return n.fault("there are no fields")
	}
	var err error
	if v.fields, err = c.list(list, inHeader); err != nil {
		return err
	}
	v.payload.name = "payload"
	trailer := n.get("trailer")
	if p := n.get("payload"); p != nil {
		if err := c.payload(p, v); err != nil {
			return err
		}
		if v.payload.close && (trailer != nil || v.align > 1) {
			return p.fault("the end of the stream ends the payload, so nothing can follow it")
		}
	}
	if trailer != nil {
		if v.trailer, err = c.list(trailer, inTrailer); err != nil {
			return err
		}
	}
	for i := range v.trailer {
		v.trailerSize += v.trailer[i].size
	}
	if v.trailerSize > maxTrailer {
		return trailer.fault("the trailer has %d bytes, expected at most %d", v.trailerSize, maxTrailer)
	}
	v.ops = compileOps(v.fields)
	if err := c.measure(v, n); err != nil {
		return err
	}
	if err := c.checks(v); err != nil {
		return err
	}
	kind := n.get("kind")
	if kind == nil {
		kind = c.kind
	}
	if kind != nil {
		found := false
		for i := range v.fields {
			f := &v.fields[i]
			if f.name == kind.text {
				v.kind, found = i, true
			}
			for j := range f.bits {
				if f.bits[j].name == kind.text {
					v.kind, v.kindBit, found = i, j, true
				}
			}
		}
		if !found && n.get("kind") != nil {
			return kind.fault("there is no field %q", kind.text)
		}
		at := 0
		for i := range v.fields {
			f := &v.fields[i]
			if !f.fixed() {
				break
			}
			if i == v.kind && f.kind == kindUint {
				v.kindOff = at
			}
			at += f.size
		}
	}
	return nil
}

// measure finds the length of the longest header.
func (c *compiler) measure(v *variant, n *node) error {
	size := 0
	variable := false
	for i := range v.fields {
		f := &v.fields[i]
		if f.when == nil {
			v.minHeader += f.shortest()
		}
		switch {
		case f.kind == kindUntil:
			size += f.limit + len(f.until)
			variable = true
		case f.kind == kindDecimal:
			size += maxDigits + len(f.until)
		case f.kind == kindPrefix:
			size += f.limit + max(f.size, 5)
			variable = true
		case f.from >= 0 || f.kind == kindHeaders:
			size += f.limit
			variable = true
		case f.kind == kindQUIC:
			size += 8
		default:
			size += f.size
		}
	}
	v.maxHeader = size
	if size > c.maxHeader {
		if !variable {
			return n.fault("the header has %d bytes, limits say at most %d", size, c.maxHeader)
		}
		v.maxHeader = c.maxHeader
	}
	if size == 0 {
		return n.fault("the header has no bytes")
	}
	v.minHeader = max(v.minHeader, 1)
	return nil
}

// shortest returns the least number of bytes that f takes.
func (f *field) shortest() int {
	switch f.kind {
	case kindUint:
		return f.size
	case kindUntil:
		return len(f.until)
	case kindDecimal:
		return 1 + len(f.until)
	case kindPrefix:
		return max(f.size, 1)
	case kindLEB128, kindQUIC, kindHeaders:
		return 1
	}
	return f.size // 0 where another field says it
}

func (c *compiler) payload(n *node, v *variant) error {
	if err := n.only("the payload", "name", "until", "max", "fields"); err != nil {
		return err
	}
	var err error
	if p := n.get("name"); p != nil {
		if v.payload.name, err = p.str("the payload's name"); err != nil {
			return err
		}
	}
	if p := n.get("until"); p != nil {
		if _, err := p.choice("what ends the payload", "close"); err != nil {
			return err
		}
		v.payload.close = true
	}
	if p := n.get("max"); p != nil {
		m, err := p.number("the longest payload in bytes", 0, limitPayload)
		if err != nil {
			return err
		}
		if c.options.Max == 0 {
			v.maxPayload = int64(m)
			c.f.maxPayload = max(c.f.maxPayload, v.maxPayload)
		}
	}
	if p := n.get("fields"); p != nil {
		v.payload.fields, err = c.list(p, inPayload)
	}
	return err
}
