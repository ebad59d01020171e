package pcapfilter

import "math"

// layer is where the fields of a protocol begin.
type layer uint8

const (
	noLayer       layer = iota
	linkFields          // at the link-layer header
	radioFields         // at the beginning of the packet
	networkFields       // at the network layer
	ip4Fields           // behind IPv4, in the first fragment
	icmp6Fields         // behind IPv6
	noFields            // it is a protocol, but has no fields here
)

var layerOf = map[string]layer{
	"link": linkFields, "radio": radioFields,
	"ip": networkFields, "ip6": networkFields, "arp": networkFields, "rarp": networkFields, "atalk": networkFields,
	"decnet": networkFields, "sca": networkFields, "lat": networkFields, "moprc": networkFields, "mopdl": networkFields,
	"tcp": ip4Fields, "udp": ip4Fields, "sctp": ip4Fields, "icmp": ip4Fields, "igmp": ip4Fields, "igrp": ip4Fields,
	"pim": ip4Fields, "vrrp": ip4Fields, "carp": ip4Fields, "icmp6": icmp6Fields,
	"aarp": noFields, "ah": noFields, "esp": noFields, "iso": noFields, "esis": noFields, "isis": noFields,
	"clnp": noFields, "stp": noFields, "ipx": noFields, "netbeui": noFields, "l1": noFields, "l2": noFields,
	"iih": noFields, "lsp": noFields, "snp": noFields, "csnp": noFields, "psnp": noFields,
}

// abbreviation is the name of a protocol that stands alone.
func (c *compiler) abbreviation(t token) *cond {
	isis := func(types ...uint32) *cond {
		var out *cond
		for _, n := range types {
			out = or(out, c.proto(t, "isis", n))
		}
		return out
	}
	switch t.text {
	case "tcp", "udp", "sctp", "pim", "ah", "esp":
		return c.proto(t, "", ipProtos[t.text])
	case "icmp", "igmp":
		return c.proto(t, "ip", ipProtos[t.text])
	case "igrp":
		return c.proto(t, "ip", 9)
	case "vrrp", "carp":
		return c.proto(t, "ip", 112)
	case "icmp6":
		return c.proto(t, "ip6", 58)
	case "esis", "isis", "clnp":
		return c.proto(t, "iso", isoProtos[t.text])
	case "l1":
		return isis(isisL1PSNP, isisL1CSNP, isisL1LSP, isisPPIIH, isisL1IIH)
	case "l2":
		return isis(isisL2PSNP, isisL2CSNP, isisL2LSP, isisPPIIH, isisL2IIH)
	case "iih":
		return isis(isisPPIIH, isisL2IIH, isisL1IIH)
	case "lsp":
		return isis(isisL2LSP, isisL1LSP)
	case "snp":
		return isis(isisL2PSNP, isisL1PSNP, isisL2CSNP, isisL1CSNP)
	case "csnp":
		return isis(isisL2CSNP, isisL1CSNP)
	case "psnp":
		return isis(isisL2PSNP, isisL1PSNP)
	case "link", "radio":
		c.fail(t, t, "this name needs something behind it", t.text+"[OFFSET:SIZE]")
	}
	return c.linkType(t, etherProtos[t.text])
}

// proto is true if the header of outer ("" for IPv4 or IPv6) names n as what
// follows it.
func (c *compiler) proto(t token, outer string, n uint32) *cond {
	switch outer {
	case "":
		return or(c.proto(t, "ip", n), c.proto(t, "ip6", n))
	case "ip":
		return and(c.linkType(t, typeIP4), eq(c.at(c.network(), 9, 1), n))
	case "ip6": // or a fragment header in between names it
		next := c.at(c.network(), 6, 1)
		return and(c.linkType(t, typeIP6), or(eq(next, n), and(eq(next, 44), eq(c.at(c.network(), 40, 1), n))))
	case "link":
		return c.linkType(t, n)
	case "iso":
		switch c.kind {
		case kindFrameRelay:
			return eq(c.at(c.hdr, 2, 2), 0x0300|n)
		case kindHDLC:
			return and(c.linkType(t, sapISO<<8|sapISO), eq(c.at(c.pay.plus(c.plain), 1, 1), n))
		}
		return and(c.linkType(t, sapISO), eq(c.at(c.pay.plus(c.plain), 0, 1), n))
	case "isis":
		return and(c.proto(t, "iso", isoProtos["isis"]), eq(c.at(c.pay.plus(c.plain), 4, 1), n))
	}
	c.failAt(t, outer+" has no field for a protocol")
	return nil
}

// firstFragment is true for IPv4 packets that are not a later fragment.
func (c *compiler) firstFragment() *cond { return not(anyBits(c.at(c.network(), 6, 2), 0x1fff)) }

// headerLength4 is the length of the IPv4 header.
func (c *compiler) headerLength4() *value {
	k := c.values.constant
	return c.values.alu(aluLsh, c.values.alu(aluAnd, c.at(c.network(), 0, 1), k(15)), k(2))
}

// transport4 is a field of the header behind IPv4, transport6 of that behind
// IPv6.
func (c *compiler) transport4(off uint32, size uint8) *value {
	index, p := c.headerLength4(), c.network()
	if p.base != nil {
		index = c.values.alu(aluAdd, index, p.base)
	}
	return c.values.load(index, p.k+off, size)
}

func (c *compiler) transport6(off uint32, size uint8) *value {
	return c.at(c.network(), 40+int64(off), size)
}

// load is proto[index:size].
func (c *compiler) load(t token, index arith, size uint8) arith {
	s := &c.values
	from := func(p place) *value {
		i := index.v
		if p.base != nil {
			c.use(p.base)
			i = s.alu(aluAdd, i, p.base)
		}
		v := s.load(i, p.k, size)
		// A negative offset is good as long as the sum is not negative.
		before := index.v.kind == kindConst && int32(index.v.k) < 0 && int64(p.k)+int64(int32(index.v.k)) < 0
		if before || v.a == nil && v.k > math.MaxInt32 {
			c.fail(t, c.last(), "this is outside of any packet", "")
		}
		return v
	}
	switch layerOf[t.text] {
	case linkFields:
		return arith{from(c.header(t)), index.guard}
	case radioFields:
		if c.link.kind != kindWLAN || c.link.prefix == noPrefix || c.link.prefix == ppiPrefix {
			c.failAt(t, "the packets have no radio header")
		}
		return arith{from(place{}), index.guard}
	case networkFields:
		v := from(c.network())
		return arith{v, and(index.guard, c.linkType(t, etherProtos[t.text]))}
	case icmp6Fields:
		v := from(c.network().plus(40))
		return arith{v, and(index.guard, c.linkType(t, typeIP6), eq(c.at(c.network(), 6, 1), 58))}
	case ip4Fields:
		i, p := c.headerLength4(), c.network()
		if p.base != nil {
			i = s.alu(aluAdd, i, p.base)
		}
		v := from(place{i, p.k})
		return arith{v, and(c.linkType(t, typeIP4), index.guard, c.abbreviation(t), c.firstFragment())}
	}
	c.failAt(t, "fields of "+t.text+" are not supported")
	return arith{}
}
