package pcapfilter

import (
	"math"
	"strings"
)

// etherHost is about hardware addresses.
func (c *compiler) etherHost(t token, q quals, addr []byte) *cond {
	switch {
	case q.proto != "link" || q.typ != "" && q.typ != "host":
		c.fail(q.at, t, "a hardware address belongs behind ether", "ether host "+c.written(t))
	case !c.mac:
		c.failAt(t, "hardware addresses are not supported for "+c.name)
	case c.kind == kindWLAN:
		if out := c.wlanHost(addr, q.dir); out != nil {
			return out
		}
		return directed(q.dir, func(dir string) *cond { return c.wlanHost(addr, dir) })
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
