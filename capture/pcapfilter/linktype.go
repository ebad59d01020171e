package pcapfilter

// Types in PPP headers (RFC 1661 and others).
const (
	pppIP4   = 0x0021
	pppISO   = 0x0023
	pppDN    = 0x0027
	pppATalk = 0x0029
	pppIPX   = 0x002b
	pppSTP   = 0x0031
	pppIP6   = 0x0057
	pppMPLS  = 0x0281
)

// linkType is true if the link layer, or the innermost of the encapsulations
// so far, carries proto: an Ethernet type, or an 802.2 service access point.
func (c *compiler) linkType(at token, proto uint32) *cond {
	if c.labels > 0 {
		return c.mplsType(at, proto)
	}
	typ := func() *value { return c.at(c.typ, 0, 2) }
	switch c.kind {
	case kindEther:
		return c.etherType(proto)
	case kindLLC:
		return c.llcType(proto)
	case kindWLAN:
		return and(c.dataFrame(), c.llcType(proto))
	case kindIP:
		first := c.masked(c.at(c.hdr, 0, 1), 0xf0)
		switch proto {
		case typeIP4:
			return eq(first, 0x40)
		case typeIP6:
			return eq(first, 0x60)
		}
		return never
	case kindIP4, kindIP6:
		if proto == typeIP4 && c.kind == kindIP4 || proto == typeIP6 && c.kind == kindIP6 {
			return always
		}
		return never
	case kindPPP:
		return eq(typ(), pppType(proto))
	case kindFamily:
		return c.family(proto)
	case kindARCnet:
		v := c.at(c.typ, 0, 1)
		switch proto {
		case typeIP6:
			return eq(v, 0xc4)
		case typeIP4:
			return or(eq(v, 0xd4), eq(v, 0xf0))
		case typeARP:
			return or(eq(v, 0xd5), eq(v, 0xf1))
		case typeRARP:
			return eq(v, 0xd6)
		case typeATalk:
			return eq(v, 0xdd)
		}
		return never
	case kindLocalTalk:
		if proto == typeATalk {
			return always
		}
		return never
	case kindFrameRelay:
		v := c.at(c.hdr, 2, 2)
		switch proto {
		case typeIP4:
			return eq(v, 0x03cc)
		case typeIP6:
			return eq(v, 0x038e)
		case sapISO:
			return or(eq(v, 0x0381), or(eq(v, 0x0382), eq(v, 0x0383)))
		}
		return never
	case kindIPNet:
		switch proto {
		case typeIP4:
			return eq(c.at(c.typ, 0, 1), 2)
		case typeIP6:
			return eq(c.at(c.typ, 0, 1), 26)
		}
		return never
	case kindSLL:
		return c.cookedType(proto)
	case kindType:
		return eq(typ(), proto)
	case kindHDLC:
		if proto == sapISO {
			proto = sapISO<<8 | sapISO
		}
		return eq(typ(), proto)
	case kindNone:
		return eq(c.values.aux(adProtocol), proto)
	}
	c.failAt(at, "tests of protocols are not supported for "+c.name)
	return nil
}

// pppType is the PPP type for an Ethernet type or service access point.
func pppType(proto uint32) uint32 {
	switch proto {
	case typeIP4:
		return pppIP4
	case typeIP6:
		return pppIP6
	case typeDN:
		return pppDN
	case typeATalk:
		return pppATalk
	case 0x0600:
		return 0x0025
	case sapISO:
		return pppISO
	case sapSTP:
		return pppSTP
	case sapIPX:
		return pppIPX
	}
	return proto
}

// family is about headers that begin with an address family.
func (c *compiler) family(proto uint32) *cond {
	var numbers []uint32
	switch proto {
	case typeIP4:
		numbers = []uint32{2}
	case typeIP6:
		numbers = []uint32{30, 24, 28} // Darwin, NetBSD and OpenBSD, FreeBSD
	}
	v := c.at(c.hdr, 0, 4)
	var any *cond
	for _, n := range numbers {
		if c.cfg.Link != 108 && !c.cfg.BigEndian {
			n <<= 24
		}
		any = or(any, eq(v, n))
	}
	if any == nil {
		return never
	}
	return any
}

// etherType is about Ethernet, where the type may also be a length that an
// 802.2 header follows.
func (c *compiler) etherType(proto uint32) *cond {
	v := c.at(c.typ, 0, 2)
	short := not(compare(testGt, v, lastLength))
	switch {
	case proto == sapISO || proto == sapIP || proto == sapNetBEUI:
		return and(short, eq(c.at(c.pay, 0, 2), proto<<8|proto))
	case proto == sapIPX:
		return or(eq(v, typeIPX), and(short, or(c.snap(0, typeIPX), or(eq(c.at(c.pay, 0, 1), sapIPX), eq(c.at(c.pay, 0, 2), 0xffff)))))
	case proto == typeATalk:
		return or(eq(v, typeATalk), and(short, c.snap(0x080007, typeATalk)))
	case proto == typeAARP:
		return or(eq(v, typeAARP), and(short, c.snap(0, typeAARP)))
	case proto <= lastLength:
		return and(short, eq(c.at(c.typ, 2, 1), proto))
	}
	return eq(v, proto)
}

// cookedType is about Linux cooked headers, where 4 stands for 802.2 and 1 for
// 802.3.
func (c *compiler) cookedType(proto uint32) *cond {
	v := c.at(c.typ, 0, 2)
	llc := eq(v, 4)
	switch {
	case proto == sapISO || proto == sapIP || proto == sapNetBEUI:
		return and(llc, eq(c.at(c.pay, 0, 2), proto<<8|proto))
	case proto == sapIPX:
		return or(eq(v, typeIPX), or(eq(v, 1), and(llc, or(eq(c.at(c.pay, 0, 1), sapIPX), c.snap(0, typeIPX)))))
	case proto == typeATalk:
		return or(eq(v, typeATalk), and(llc, c.snap(0x080007, typeATalk)))
	case proto == typeAARP:
		return or(eq(v, typeAARP), and(llc, c.snap(0, typeAARP)))
	case proto <= lastLength:
		return and(llc, eq(c.at(c.pay, 0, 1), proto))
	}
	return eq(v, proto)
}

// llcType is about 802.2 headers. Only the type of a SNAP header is looked at.
func (c *compiler) llcType(proto uint32) *cond {
	switch {
	case proto == sapISO || proto == sapIP || proto == sapNetBEUI:
		return eq(c.at(c.pay, 0, 2), proto<<8|proto)
	case proto == typeATalk:
		return c.snap(0x080007, typeATalk)
	case proto <= lastLength:
		return eq(c.at(c.pay, 0, 1), proto)
	}
	return eq(c.at(c.pay, 6, 2), proto)
}

// snap is true if there is a SNAP header of the organization for the type.
func (c *compiler) snap(organization, typ uint32) *cond {
	return and(eq(c.at(c.pay, 4, 4), organization<<16|typ), eq(c.at(c.pay, 0, 4), 0xaaaa0300|organization>>16))
}
