package pcapfilter

import (
	"encoding/binary"
	"math"
)

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
