package framing

// checksum reads checksum and over.
func (c *compiler) checksum(f *field, n *node, where part) error {
	sum, over := n.get("checksum"), n.get("over")
	if sum == nil {
		if over != nil {
			return over.fault("found over without checksum")
		}
		return nil
	}
	if f.kind != kindUint || where == inPayload || f.equals != nil || f.bits != nil {
		return sum.fault("only numbers in a header or a trailer are checksums")
	}
	var names []string
	for _, a := range algorithms() {
		names = append(names, a.name)
	}
	name, err := sum.choice("a checksum", names...)
	if err != nil {
		return err
	}
	a, _ := findAlgorithm(name)
	if 8*f.size < a.bits {
		return sum.fault("%s has %d bits, the field has %d", name, a.bits, 8*f.size)
	}
	f.check = &check{algorithm: a}
	k := f.check
	switch {
	case over == nil:
		k.over = []string{"payload"}
	case over.kind == 's':
		k.over = []string{over.text}
	case over.kind == 'l' && len(over.values) > 0:
		for i := range over.values {
			s, err := over.values[i].str("the name of a field")
			if err != nil {
				return err
			}
			k.over = append(k.over, s)
		}
	default:
		return over.fault("found %s, expected what the checksum covers: payload, header, frame, or a list of fields", over.what())
	}
	return nil
}

// checks finds the bytes that checksums cover.
func (c *compiler) checks(v *variant) error {
	at := 0
	add := func(f *field, index int, trailer bool, off int) error {
		k := *f.check
		k.field, k.index, k.inTrailer, k.off = f, index, trailer, off
		place := &node{line: f.line, column: f.column}
		last := -1
		for _, name := range k.over {
			order := -1
			switch name {
			case "header":
				k.header, order = true, 0
			case "frame":
				k.header, k.payload, order = true, true, 0
				if trailer {
					k.tail = off
				}
			case "payload", v.payload.name:
				k.payload, order = true, 1000
			}
			if order < 0 {
				for i := range v.fields {
					if v.fields[i].name == name && &v.fields[i] != f {
						k.parts, order = append(k.parts, i), 1+i
						break
					}
				}
			}
			if tail := 0; order < 0 && trailer {
				for i := range v.trailer {
					if v.trailer[i].name == name && tail < off {
						if k.tail == 0 {
							k.tailOff = tail
						}
						k.tail, order = tail+v.trailer[i].size-k.tailOff, 2000+i
						break
					}
					tail += v.trailer[i].size
				}
			}
			if order < 0 {
				return place.fault("the checksum %q covers %q: there is no such field", f.name, name)
			}
			if order <= last {
				return place.fault("the checksum %q covers %q out of its order in the frame", f.name, name)
			}
			last = order
		}
		if k.header && len(k.parts) > 0 {
			return place.fault("the checksum %q covers the header and fields of it", f.name)
		}
		v.checks = append(v.checks, k)
		return nil
	}
	for i := range v.fields {
		if v.fields[i].check != nil {
			if err := add(&v.fields[i], i, false, 0); err != nil {
				return err
			}
		}
	}
	for i := range v.trailer {
		if v.trailer[i].check != nil {
			if err := add(&v.trailer[i], i, true, at); err != nil {
				return err
			}
		}
		at += v.trailer[i].size
	}
	return nil
}
