package pcapfilter

import "strings"

// dataFrame is true for data frames of 802.11.
func (c *compiler) dataFrame() *cond {
	v := c.at(c.hdr, 0, 1)
	return and(not(anyBits(v, 0x04)), anyBits(v, 0x08))
}

// prelude computes how long what stands before the 802.11 header is, and where
// that ends, if the program looks behind them.
func (c *compiler) prelude() *cond {
	if c.link.kind != kindWLAN {
		return nil
	}
	s := &c.values
	k := s.constant
	var out *cond
	if c.link.prefix == ppiPrefix {
		out = eq(s.load(nil, 4, 4), 0x69000000) // 802.11, little-endian
	}
	prefix := k(0)
	if c.link.prefix != noPrefix && (c.usesPrefix || c.usesPayload) {
		prefix = s.register(prefixRegister)
		switch c.link.prefix {
		case avsPrefix:
			out = set(prefixRegister, s.load(nil, 4, 4))
		case prismPrefix: // which some drivers put an AVS header in place of
			out = or(and(eq(c.masked(s.load(nil, 0, 4), 0xfffff000), 0x80211000), set(prefixRegister, s.load(nil, 4, 4))),
				set(prefixRegister, k(144)))
		default:
			length := s.alu(aluOr, s.load(nil, 2, 1), s.alu(aluLsh, s.load(nil, 3, 1), k(8)))
			out = and(out, set(prefixRegister, length))
		}
	}
	if !c.usesPayload {
		return out
	}
	ends := func(n uint32, padded bool) *cond {
		end := s.alu(aluAdd, prefix, k(n))
		if padded {
			end = s.alu(aluAnd, s.alu(aluAdd, end, k(3)), k(^uint32(3)))
		}
		return set(payloadRegister, end)
	}
	tail := func(n uint32) *cond { return ends(n, false) }
	if c.link.prefix == radiotapPrefix {
		// Atheros hardware pads the header, and a flag says so. It is the first
		// field, or behind the 8 bytes of a timer, as long as there is only one
		// word that says which fields there are.
		present := s.load(nil, 4, 4)
		tail = func(n uint32) *cond {
			padded := and(anyBits(present, 0x02000000), not(anyBits(present, 0x80)), or(
				and(anyBits(present, 0x01000000), anyBits(s.load(nil, 16, 1), 0x20)),
				and(not(anyBits(present, 0x01000000)), anyBits(s.load(nil, 8, 1), 0x20)),
			))
			return or(and(padded, ends(n, true)), ends(n, false))
		}
	}
	control := s.load(prefix, 0, 1)
	data := and(anyBits(control, 0x08), not(anyBits(control, 0x04)))
	qos := anyBits(control, 0x80) // two bytes more
	return and(out, or(and(data, qos, tail(26)), and(data, tail(24)), ends(24, false)))
}

// wlanHost is true if the frame has the hardware address. Where it stands, and
// whether it stands there at all, depends on the type and direction of the
// frame (IEEE 802.11, 9.3).
func (c *compiler) wlanHost(addr []byte, dir string) *cond {
	control, flags := c.at(c.hdr, 0, 1), c.at(c.hdr, 1, 1)
	has := func(off int64) *cond { return c.bytesAt(c.hdr, off, addr) }
	toDS, fromDS := anyBits(flags, 0x01), anyBits(flags, 0x02)
	data := anyBits(control, 0x08)
	notControl := not(anyBits(control, 0x04))
	// Control frames of type CTS and ACK have no second address.
	second := or(not(eq(c.masked(control, 0x0c), 0x04)),
		and(not(eq(c.masked(control, 0xf0), 0xc0)), not(eq(c.masked(control, 0xf0), 0xd0))))
	switch dir {
	case "src":
		return and(notControl, or(and(not(data), has(10)), and(data, or(
			and(not(fromDS), has(10)),
			and(fromDS, or(and(not(toDS), has(16)), and(toDS, has(24)))),
		))))
	case "dst":
		return and(notControl, or(and(not(data), has(4)), and(data, or(and(not(toDS), has(4)), and(toDS, has(16))))))
	case "ra": // not in management frames
		return and(data, has(4))
	case "ta":
		return and(data, second, has(10))
	case "addr1":
		return has(4)
	case "addr2":
		return and(second, has(10))
	case "addr3":
		return and(not(eq(c.masked(control, 0x0c), 0x04)), has(16))
	case "addr4":
		return and(eq(c.masked(flags, 3), 3), has(24))
	}
	return nil
}

// wlan is "type", "subtype" or "dir".
func (c *compiler) wlan(t token) *cond {
	if c.kind != kindWLAN || c.link.prefix == ppiPrefix {
		c.failAt(t, t.text+" is supported only for 802.11")
	}
	named := func(names map[string]uint32, mask uint32, what string) uint32 {
		id := c.tok()
		n, ok := names[strings.ToLower(id.text)]
		switch {
		case id.kind == tokNumber && mask != 0:
			n, ok = id.number, id.number&^mask == 0
		case id.kind != tokName:
			c.unexpected("the name of " + what)
		}
		if !ok {
			c.failAt(id, "this is no "+what)
		}
		c.advance()
		return n
	}
	control := c.at(c.hdr, 0, 1)
	switch t.text {
	case "dir":
		return eq(c.masked(c.at(c.hdr, 1, 1), 3), named(wlanDirections, ^uint32(0), "802.11 direction"))
	case "subtype":
		for typ, names := range wlanSubtypes {
			if n, ok := names[strings.ToLower(c.tok().text)]; ok && c.tok().kind == tokName {
				c.advance()
				return eq(c.masked(control, 0xfc), typ|n)
			}
		}
		if c.tok().kind != tokName {
			c.unexpected("the name of an 802.11 subtype")
		}
		c.failAt(c.tok(), "this is no 802.11 subtype")
	}
	typ := named(wlanTypes, 0x0c, "802.11 type")
	if !c.accept("subtype") {
		return eq(c.masked(control, 0x0c), typ)
	}
	return eq(c.masked(control, 0xfc), typ|named(wlanSubtypes[typ], 0xf0, "802.11 subtype of this type"))
}
