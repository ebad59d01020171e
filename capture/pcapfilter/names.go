package pcapfilter

import (
	"math"
	"net/netip"
	"slices"
	"strconv"
	"strings"
)

// hostName is about a host that is given by name.
func (c *compiler) hostName(t token, q quals) *cond {
	switch {
	case q.proto == "link":
		c.fail(t, t, "names of hardware addresses are not looked up", "write the address: ether host 02:00:00:00:00:01")
	case q.proto == "decnet":
		c.fail(t, t, "names of DECnet hosts are not looked up", "write the address: decnet host 1.23")
	case c.cfg.Host == nil && similar(t.text) != "":
		c.fail(t, t, "names of hosts are not looked up", "did you mean "+similar(t.text)+"?")
	case c.cfg.Host == nil:
		c.fail(t, t, "names of hosts are not looked up", "write the address")
	}
	addrs, err := c.cfg.Host(t.text)
	if err != nil {
		c.failAt(t, err.Error())
	}
	// The same order whatever order they came in.
	addrs = slices.Clone(addrs)
	slices.SortFunc(addrs, netip.Addr.Compare)
	var out *cond
	for _, a := range slices.Compact(addrs) {
		switch a = a.Unmap(); {
		case a.Is4() && q.proto != "ip6":
			four := a.As4()
			out = or(out, c.host4(t, q, uint32(four[0])<<24|uint32(four[1])<<16|uint32(four[2])<<8|uint32(four[3]), math.MaxUint32))
		case a.Is6() && (q.proto == "" || q.proto == "ip6"):
			out = or(out, c.host6(t, q, a.As16(), prefixMask(128)))
		}
	}
	if out == nil {
		c.failAt(t, "the host has no address of this kind")
	}
	return out
}

// protoNumber finds the protocol of a name.
func (c *compiler) protoNumber(t token, q quals) uint32 {
	names, name := ipProtos, strings.ToLower(t.text)
	switch q.proto {
	case "link":
		names, name = etherProtos, t.text
	case "iso":
		names, name = isoProtos, t.text
	case "isis":
		names = nil
	}
	n, ok := names[name]
	if !ok {
		c.fail(t, t, "there is no protocol of this name", "write its number")
	}
	return n
}

// portProto is the transport protocol that a port is qualified with, "" for
// none.
func (c *compiler) portProto(q quals) string {
	switch q.proto {
	case "", "tcp", "udp", "sctp":
		return q.proto
	}
	c.fail(q.at, c.last(), q.proto+" has no ports", "ports are those of tcp, udp and sctp")
	return ""
}

// service finds the port of a name, and the transport protocol that it has
// then: that of the qualifiers, or if there is none the only one that the
// service is known for, "" for several.
func (c *compiler) service(t token, q quals, name string) (port uint32, proto string) {
	want := c.portProto(q)
	ports := lookupService(c.cfg.Services, name)
	tcp, udp := ports["tcp"], ports["udp"]
	switch {
	case tcp == 0 && udp == 0 && similar(name) != "":
		c.fail(t, t, "there is no service of this name", "did you mean "+similar(name)+"?")
	case tcp == 0 && udp == 0:
		c.fail(t, t, "there is no service of this name", "write the number of the port")
	case tcp != 0 && udp != 0 && tcp != udp && want == "":
		c.fail(t, t, "the service has two ports", "tcp port "+strconv.Itoa(int(tcp))+" or udp port "+strconv.Itoa(int(udp)))
	case want == "tcp" && tcp == 0, want == "udp" && udp == 0:
		c.failAt(t, "the service is not known for "+want)
	case want == "udp":
		return udp, want
	case want == "tcp", tcp != 0 && udp == 0:
		return tcp, "tcp"
	case want == "sctp" && (tcp == 0 || udp == 0):
		c.failAt(t, "the service is not known for sctp")
	case tcp == 0:
		return udp, "udp"
	}
	return tcp, want
}

// portRange is about "1-2", of numbers or names.
func (c *compiler) portRange(t token, q quals) *cond {
	first, second, ok := strings.Cut(t.text, "-")
	if !ok {
		c.fail(t, t, "expected a range of ports", "portrange 8000-8100")
	}
	one := func(s string) (uint32, string) {
		n, err := strconv.ParseUint(s, 10, 32)
		switch {
		case err != nil:
			return c.service(t, q, s)
		case n > math.MaxUint16:
			c.failAt(t, "ports go up to 65535")
		}
		return uint32(n), c.portProto(q)
	}
	low, proto1 := one(first)
	high, proto2 := one(second)
	if proto1 != proto2 {
		proto1 = c.portProto(q)
	}
	return c.ports(t, q, proto1, min(low, high), max(low, high))
}
