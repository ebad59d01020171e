package pcapfilter

import "strconv"

// tunnel is a primitive that names an encapsulation. What follows it in the
// expression, however it is joined, looks behind its header.
func (c *compiler) tunnel(t, at token, n uint32, given bool) *cond {
	limit := map[string]uint32{"vlan": 4095, "mpls": 1<<20 - 1, "pppoes": 1<<16 - 1, "geneve": 1<<24 - 1}[t.text]
	if given && n > limit {
		c.failAt(at, t.text+" numbers go up to "+strconv.Itoa(int(limit)))
	}
	if c.link.kind == kindWLAN && (t.text == "pppoes" || t.text == "geneve") {
		// libpcap reads scratch memory that nothing was written to.
		c.failAt(t, t.text+" is not supported for "+c.name)
	}
	switch t.text {
	case "vlan":
		return c.vlanTag(t, n, given)
	case "mpls":
		return c.mplsLabel(t, n, given)
	case "pppoes":
		return c.session(t, n, given)
	}
	return c.geneve(t, n, given)
}

func (c *compiler) vlanTag(t token, n uint32, given bool) *cond {
	switch {
	case c.labels > 0:
		c.failAt(t, "vlan behind mpls is not supported")
	case !c.layers.vlan:
		c.failAt(t, "vlan is not supported for "+c.name)
	}
	c.vlans++
	if c.vlans == 1 && c.untagged && c.tunnel0() {
		if !given {
			return always
		}
		return eq(c.masked(c.values.aux(adTag), 0xfff), n)
	}
	out := or(c.linkType(t, typeVLAN), c.linkType(t, typeQinQ), c.linkType(t, typeQinQ1))
	if given {
		out = and(out, eq(c.masked(c.at(c.network(), 0, 2), 0xfff), n))
	}
	c.typ, c.pay = c.typ.plus(4), c.pay.plus(4)
	return out
}

// tunnel0 tells whether the link layer is still that of the packet itself.
func (c *compiler) tunnel0() bool { return c.hdr == place{nil, c.link.header} }

func (c *compiler) mplsLabel(t token, n uint32, given bool) *cond {
	var out *cond
	switch {
	case c.labels > 0:
		// the label before is not the last of its stack
		out = eq(c.masked(c.at(c.network(), -2, 1), 1), 0)
	case c.layers.mpls == 0:
		c.failAt(t, "mpls is not supported for "+c.name)
	default:
		out = c.linkType(t, c.layers.mpls)
	}
	if given {
		out = and(out, eq(c.masked(c.at(c.network(), 0, 4), 0xfffff000), n<<12))
	}
	c.net += 4
	c.plain += 4
	c.labels++
	return out
}

// mplsType tells what is behind the last label. Nothing says so; what is left
// is to look at the version of IP.
func (c *compiler) mplsType(at token, proto uint32) *cond {
	version := uint32(0)
	switch proto {
	case typeIP4, pppIP4:
		version = 0x40
	case typeIP6, pppIP6:
		version = 0x60
	default:
		c.failAt(at, "behind mpls only IPv4 and IPv6 are supported")
	}
	last := eq(c.masked(c.at(c.network(), -2, 1), 1), 1)
	return and(last, eq(c.masked(c.at(c.network(), 0, 1), 0xf0), version))
}

func (c *compiler) session(t token, n uint32, given bool) *cond {
	out := c.linkType(t, typePPPoE)
	if given {
		out = and(out, eq(c.masked(c.at(c.network(), 0, 4), 0xffff), n))
	}
	// 6 bytes of PPPoE, then 2 of PPP, which are a link layer of their own.
	c.hdr = c.network().plus(6)
	c.typ, c.pay, c.net, c.plain = c.hdr, c.hdr.plus(2), 0, 0
	c.kind, c.name, c.layers.mpls, c.layers.vlan, c.mac = kindPPP, "PPP", pppMPLS, false, false
	c.llcOK = false
	return out
}

// geneve follows RFC 8926. The header is behind UDP over IPv4 or IPv6 and of
// any length, so where it ends is computed and kept.
func (c *compiler) geneve(t token, n uint32, given bool) *cond {
	if c.labels > 0 {
		c.failAt(t, "geneve behind mpls is not supported")
	}
	if c.registers+4 > memory {
		c.failAt(t, "geneve is used too often")
	}
	if c.geneveAt.end == 0 {
		c.geneveAt = t
	}
	s := &c.values
	k := s.constant
	first := c.registers
	c.registers += 4
	begin, typ, hdr, pay := s.register(first), s.register(first+1), s.register(first+2), s.register(first+3)
	// udp is a field of the UDP header and what follows it, at is where that begins.
	over := func(proto *cond, udp func(off uint32, size uint8) *value, at *value) *cond {
		out := and(proto, eq(udp(2, 2), 6081), eq(c.masked(udp(8, 1), 0xc0), 0))
		if given {
			out = and(out, eq(c.masked(udp(12, 4), 0xffffff00), n<<8))
		}
		return and(out, set(first, s.alu(aluAdd, at, k(8))))
	}
	network := c.network()
	absolute := func(v *value) *value {
		if network.base != nil {
			v = s.alu(aluAdd, v, network.base)
		}
		return s.alu(aluAdd, v, k(network.k))
	}
	ip4 := and(c.linkType(t, typeIP4), eq(c.at(network, 9, 1), 17), c.firstFragment())
	ip6 := and(c.linkType(t, typeIP6), eq(c.at(network, 6, 1), 17))
	out := or(
		over(ip4, c.transport4, absolute(c.headerLength4())),
		over(ip6, c.transport6, absolute(k(40))),
	)
	options := s.alu(aluMul, s.alu(aluAnd, s.load(begin, 0, 1), k(0x3f)), k(4))
	end := s.alu(aluAdd, s.alu(aluAdd, options, k(8)), begin)
	inner := s.load(begin, 2, 2)
	out = and(out, set(first+2, end), or(
		and(eq(inner, 0x6558), set(first+1, s.alu(aluAdd, hdr, k(12))), set(first+3, s.alu(aluAdd, hdr, k(14)))),
		and(set(first+1, s.alu(aluAdd, begin, k(2))), set(first+3, hdr)),
	))
	ether := linkLayers[1]
	c.hdr, c.typ, c.pay = place{base: hdr}, place{base: typ}, place{base: pay}
	c.kind, c.name, c.net, c.plain = kindEther, ether.name, 0, ether.plain
	c.layers.mpls, c.layers.vlan, c.llcOK, c.mac = ether.mpls, true, true, true
	c.layers.tunnel = layerTunnel{hdr, pay}
	return out
}

// behindTunnel is true if what c is about has a link-layer header at all.
func (c *compiler) behindTunnel() *cond {
	if t := c.layers.tunnel; t.hdr != nil {
		return not(&cond{kind: condTest, op: testEq, v: t.hdr, w: t.pay})
	}
	return nil
}
