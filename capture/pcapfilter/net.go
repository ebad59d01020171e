package pcapfilter

import (
	"encoding/binary"
	"math"
	"strings"
)

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
		if v.a == nil && v.k > math.MaxInt32 {
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

// bytesAt is true if the packet has the bytes want at p + off.
func (c *compiler) bytesAt(p place, off int64, want []byte) *cond {
	var out *cond
	for n := len(want); n > 0; {
		switch {
		case n >= 4:
			n -= 4
			out = and(out, eq(c.at(p, off+int64(n), 4), binary.BigEndian.Uint32(want[n:])))
		case n >= 2:
			n -= 2
			out = and(out, eq(c.at(p, off+int64(n), 2), uint32(binary.BigEndian.Uint16(want[n:]))))
		default:
			n--
			out = and(out, eq(c.at(p, off+int64(n), 1), uint32(want[n])))
		}
	}
	return out
}

// directed joins what f makes of src and of dst as dir says.
func directed(dir string, f func(dir string) *cond) *cond {
	switch dir {
	case "src", "dst":
		return f(dir)
	case "and":
		return and(f("src"), f("dst"))
	}
	return or(f("src"), f("dst"))
}

// checkDirection refuses directions that only 802.11 has.
func (c *compiler) checkDirection(q quals) {
	switch q.dir {
	case "", "src", "dst", "and", "or":
	default:
		c.fail(q.at, c.last(), q.dir+" is only for hardware addresses of 802.11", "")
	}
}

// host4 is about IPv4 addresses: in IPv4 itself, in ARP and in RARP.
func (c *compiler) host4(t token, q quals, addr, mask uint32) *cond {
	c.checkDirection(q)
	in := func(typ uint32, src, dst int64) *cond {
		return directed(q.dir, func(dir string) *cond {
			off := src
			if dir == "dst" {
				off = dst
			}
			v := c.at(c.network(), off, 4)
			if mask != math.MaxUint32 {
				v = c.masked(v, mask)
			}
			return and(c.linkType(t, typ), eq(v, addr))
		})
	}
	switch q.proto {
	case "":
		if c.labels > 0 {
			return in(typeIP4, 12, 16)
		}
		return or(in(typeIP4, 12, 16), in(typeARP, 14, 24), in(typeRARP, 14, 24))
	case "ip":
		return in(typeIP4, 12, 16)
	case "arp":
		return in(typeARP, 14, 24)
	case "rarp":
		return in(typeRARP, 14, 24)
	case "link":
		c.fail(t, t, "expected a hardware address", "leave out "+c.written(q.at)+" for an IPv4 address")
	}
	c.fail(q.at, t, q.proto+" has no IPv4 addresses", "write "+q.proto+" and "+q.kind()+" "+c.written(t))
	return nil
}

// written is a token as it was written.
func (c *compiler) written(t token) string { return c.expr[t.off:t.end] }

func (q quals) kind() string {
	if q.typ == "" {
		return "host"
	}
	return q.typ
}

// host6 is about IPv6 addresses.
func (c *compiler) host6(t token, q quals, addr, mask [16]byte) *cond {
	c.checkDirection(q)
	switch q.proto {
	case "", "ip6":
	case "link":
		c.fail(t, t, "expected a hardware address", "leave out "+c.written(q.at)+" for an IPv6 address")
	default:
		c.fail(q.at, t, q.proto+" has no IPv6 addresses", "write "+q.proto+" and "+q.kind()+" "+c.written(t))
	}
	return directed(q.dir, func(dir string) *cond {
		off := int64(8)
		if dir == "dst" {
			off = 24
		}
		out := c.linkType(t, typeIP6)
		for i := 0; i < 16; i += 4 {
			v := c.at(c.network(), off+int64(i), 4)
			if m := binary.BigEndian.Uint32(mask[i:]); m != math.MaxUint32 {
				v = c.masked(v, m)
			}
			out = and(out, eq(v, binary.BigEndian.Uint32(addr[i:])))
		}
		return out
	})
}

// ports is true if a port is from low to high. proto is "" for all three
// transport protocols that have ports.
func (c *compiler) ports(t token, q quals, proto string, low, high uint32) *cond {
	c.checkDirection(q)
	protos := []string{"sctp", "tcp", "udp"}
	if proto != "" {
		protos = []string{proto}
	}
	over := func(field int64, extra *cond, get func(off uint32, size uint8) *value) *cond {
		var out *cond
		for _, p := range protos {
			ports := directed(q.dir, func(dir string) *cond {
				v := get(0, 2)
				if dir == "dst" {
					v = get(2, 2)
				}
				if q.typ == "port" {
					return eq(v, low)
				}
				return and(compare(testGe, v, low), not(compare(testGt, v, high)))
			})
			out = or(out, and(eq(c.at(c.network(), field, 1), ipProtos[p]), extra, ports))
		}
		return out
	}
	return or(
		and(c.linkType(t, typeIP6), over(6, nil, c.transport6)),
		and(c.linkType(t, typeIP4), over(9, c.firstFragment(), c.transport4)),
	)
}

// etherHost is about hardware addresses.
func (c *compiler) etherHost(t token, q quals, addr []byte) *cond {
	switch {
	case q.proto != "link" || q.typ != "" && q.typ != "host":
		c.fail(q.at, t, "a hardware address belongs behind ether", "ether host "+c.written(t))
	case !c.mac:
		c.failAt(t, "hardware addresses are not supported for "+c.name)
	case c.kind == kindWLAN:
		if out := c.wlanHost(t, addr, q.dir); out != nil {
			return out
		}
		return directed(q.dir, func(dir string) *cond { return c.wlanHost(t, addr, dir) })
	}
	c.checkDirection(q)
	dst, src := c.link.dst, c.link.src
	if c.layers.tunnel.hdr != nil {
		dst, src = 0, 6
	}
	return and(c.behindTunnel(), directed(q.dir, func(dir string) *cond {
		off := src
		if dir == "dst" {
			off = dst
		}
		return c.bytesAt(c.hdr, int64(off), addr)
	}))
}

// broadcast is "[proto] broadcast".
func (c *compiler) broadcast(t token, proto string) *cond {
	switch {
	case proto == "ip":
		v := c.at(c.network(), 16, 4)
		host := ^c.cfg.Netmask
		if host != math.MaxUint32 {
			v = c.masked(v, host)
		}
		return and(c.linkType(t, typeIP4), or(eq(v, 0), eq(v, host)))
	case proto != "" && proto != "link":
		c.fail(t, c.last(), "broadcast is supported for ether and ip", "")
	case c.kind == kindARCnet:
		return eq(c.at(c.hdr, 1, 1), 0)
	case !c.mac:
		c.fail(t, c.last(), "broadcast is not supported for "+c.name, "")
	}
	return c.etherHost(t, quals{proto: "link", dir: "dst"}, []byte{255, 255, 255, 255, 255, 255})
}

// multicast is "[proto] multicast".
func (c *compiler) multicast(t token, proto string) *cond {
	switch {
	case proto == "ip":
		return and(c.linkType(t, typeIP4), compare(testGe, c.at(c.network(), 16, 1), 224))
	case proto == "ip6":
		return and(c.linkType(t, typeIP6), eq(c.at(c.network(), 24, 1), 255))
	case proto != "" && proto != "link":
		c.fail(t, c.last(), "multicast is supported for ether, ip and ip6", "")
	case c.kind == kindARCnet:
		return eq(c.at(c.hdr, 1, 1), 0)
	case !c.mac:
		c.fail(t, c.last(), "multicast is not supported for "+c.name, "")
	case c.kind == kindWLAN:
		group := func(off int64) *cond { return anyBits(c.at(c.hdr, off, 1), 1) }
		control, toDS := c.at(c.hdr, 0, 1), anyBits(c.at(c.hdr, 1, 1), 1)
		data := anyBits(control, 0x08)
		return and(not(anyBits(control, 0x04)), or(and(not(data), group(4)),
			and(data, or(and(not(toDS), group(4)), and(toDS, group(16))))))
	}
	dst := c.link.dst
	if c.layers.tunnel.hdr != nil {
		dst = 0
	}
	return and(c.behindTunnel(), anyBits(c.at(c.hdr, int64(dst), 1), 1))
}

// direction is "inbound" or "outbound".
func (c *compiler) direction(t token) *cond {
	out := t.text == "outbound"
	whether := func(sent *cond) *cond {
		if out {
			return sent
		}
		return not(sent)
	}
	start := place{}
	switch {
	case c.cfg.Live != File:
		return whether(eq(c.values.aux(adKind), 4)) // PACKET_OUTGOING
	case c.cfg.Link == 8:
		return whether(not(eq(c.at(start, 0, 1), 0)))
	case c.cfg.Link == 113:
		return whether(eq(c.at(start, 0, 2), 4))
	case c.cfg.Link == 276:
		return whether(eq(c.at(start, 10, 1), 4))
	case c.cfg.Link == 166 && out:
		return eq(c.at(start, 0, 1), 1)
	case c.cfg.Link == 166:
		return eq(c.at(start, 0, 1), 0)
	case c.cfg.Link == 226 && out:
		return eq(c.at(start, 2, 2), 1)
	case c.cfg.Link == 226:
		return eq(c.at(start, 2, 2), 2)
	}
	c.fail(t, t, "packets of "+c.link.name+" in a file do not say their direction", "it is known when capturing, and in Linux cooked captures")
	return nil
}

// interfaceIndex is "ifindex n".
func (c *compiler) interfaceIndex(t token, n uint32) *cond {
	switch {
	case c.cfg.Live != File:
		return eq(c.values.aux(adIndex), n)
	case c.cfg.Link == 276:
		return eq(c.at(place{}, 4, 4), n)
	}
	c.fail(t, t, "packets of "+c.link.name+" in a file do not say their interface's index", "it is known when capturing, and in Linux cooked v2 captures")
	return nil
}

// llc is "llc", with or without the type of frame.
func (c *compiler) llc(t token) *cond {
	if !c.llcOK {
		c.failAt(t, "llc is not supported for "+c.name)
	}
	var out *cond
	switch c.kind {
	case kindEther:
		out = and(not(compare(testGt, c.at(c.typ, 0, 2), lastLength)), not(eq(c.at(c.pay, 0, 2), 0xffff)))
	case kindWLAN:
		out = c.dataFrame()
	}
	id := c.tok()
	if id.kind != tokName && !id.is("rnr") {
		if out == nil {
			return always
		}
		return out
	}
	c.advance()
	control := c.at(c.pay, 2, 1)
	name := strings.ToLower(id.text)
	s, isS := llcS[name]
	u, isU := llcU[name]
	switch {
	case name == "i":
		return and(out, not(anyBits(control, 1)))
	case name == "s":
		return and(out, eq(c.masked(control, 3), 1))
	case name == "u":
		return and(out, eq(c.masked(control, 3), 3))
	case isS:
		return and(out, eq(c.masked(control, 0x0f), s))
	case isU:
		return and(out, eq(c.masked(control, 0xef), u))
	}
	c.fail(id, id, "this is no type of 802.2 frame", "they are i, s, u, rr, rnr, rej, ui, ua, disc, dm, sabme, test, xid, frmr")
	return nil
}

// decnetHost is about DECnet addresses, in data packets with a long or a short
// header, with or without a byte of padding.
func (c *compiler) decnetHost(t token, q quals, addr uint32) *cond {
	c.checkDirection(q)
	addr = addr<<8&0xff00 | addr>>8&0xff // little-endian
	return directed(q.dir, func(dir string) *cond {
		long, short := int64(15), int64(3)
		if dir == "dst" {
			long, short = 7, 1
		}
		p := c.network()
		one, two := c.at(p, 2, 1), c.at(p, 2, 2)
		return and(c.linkType(t, typeDN), or(
			and(eq(c.masked(one, 0x07), 0x02), eq(c.at(p, 2+short, 2), addr)),
			and(eq(c.masked(two, 0xff07), 0x8102), eq(c.at(p, 3+short, 2), addr)),
			and(eq(c.masked(one, 0x07), 0x06), eq(c.at(p, 2+long, 2), addr)),
			and(eq(c.masked(two, 0xff07), 0x8106), eq(c.at(p, 3+long, 2), addr)),
		))
	})
}
