package pcapfilter

import (
	"encoding/hex"
	"math"
	"net/netip"
	"strconv"
	"strings"
)

// id is what the id at t with the qualifiers q stands for.
func (c *compiler) id(t token, q quals) *cond {
	if !q.ok {
		c.fail(t, t, "nothing before it says what this is", hintID(t))
	}
	switch t.kind {
	case tokDotted:
		return c.dotted(t, q)
	case tokIPv6:
		return c.ipv6(t, q)
	case tokMAC:
		return c.etherHost(t, q, macBytes(t.text))
	case tokARCnet:
		c.failAt(t, "ARCnet addresses are not supported")
	}
	switch q.typ {
	case "port":
		low, proto := c.service(t, q, t.text)
		return c.ports(t, q, proto, low, low)
	case "portrange":
		return c.portRange(t, q)
	case "proto":
		return c.proto(q.at, q.proto, c.protoNumber(t, q))
	case "net":
		c.fail(t, t, "names of networks are not looked up", "write the address: net 192.0.2.0/24")
	}
	return c.hostName(t, q)
}

// numberID is what a number with the qualifiers q stands for.
func (c *compiler) numberID(n uint32, t token, q quals) *cond {
	switch {
	case !q.ok:
		c.fail(t, c.last(), "nothing before it says what this number is", "")
	case q.typ == "port" || q.typ == "portrange":
		if n > math.MaxUint16 {
			c.fail(t, c.last(), "ports go up to 65535", "")
		}
		return c.ports(t, q, c.portProto(q), n, n)
	case q.typ == "proto":
		return c.proto(q.at, q.proto, n)
	case q.proto == "decnet":
		if n > math.MaxUint16 {
			c.fail(t, c.last(), "DECnet addresses go up to 65535", "")
		}
		return c.decnetHost(t, q, n)
	}
	mask := uint32(math.MaxUint32)
	if q.typ == "net" {
		for n != 0 && n>>24 == 0 {
			n, mask = n<<8, mask<<8
		}
	}
	if next := c.tok(); next.is("/") {
		c.fail(t, next, "a network with a mask is written with dots", "write net "+strconv.Itoa(int(n>>24))+".0.0.0/8")
	}
	return c.host4(t, q, n, mask)
}

// dotted is about an IPv4 address, or the first parts of one.
func (c *compiler) dotted(t token, q quals) *cond {
	if q.typ == "port" || q.typ == "portrange" || q.typ == "proto" {
		c.failAt(t, "an address is no "+strings.TrimSuffix(q.typ, "range"))
	}
	if q.proto == "decnet" {
		area, node, ok := strings.Cut(t.text, ".")
		a, err1 := strconv.ParseUint(area, 10, 6)
		n, err2 := strconv.ParseUint(node, 10, 10)
		if !ok || err1 != nil || err2 != nil || c.tok().is("/") || c.tok().is("mask") {
			c.failAt(t, "a DECnet address is an area up to 63, a dot, and a node up to 1023")
		}
		return c.decnetHost(t, q, uint32(a<<10|n))
	}
	addr, size := c.dottedNumber(t)
	mask := uint32(math.MaxUint32) << (32 - size)
	end, given := t, true
	switch {
	case c.accept("/"):
		end = c.tok()
		if end.kind != tokNumber || end.number > 32 {
			c.unexpected("the length of the mask, 0 to 32")
		}
		c.advance()
		mask = uint32(uint64(math.MaxUint32) << (32 - end.number))
	case c.accept("mask"):
		end = c.tok()
		if end.kind != tokDotted {
			c.unexpected("a mask like 255.255.255.0")
		}
		c.advance()
		mask, _ = c.dottedNumber(end)
	default:
		given = false
	}
	if given {
		if q.typ != "net" {
			c.fail(t, end, "a mask belongs to a network", "net "+c.expr[t.off:end.end])
		}
		if addr&^mask != 0 {
			c.fail(t, end, "the address has bits outside of its mask", "")
		}
	}
	return c.host4(t, q, addr, mask)
}

// dottedNumber reads up to four numbers up to 255. It returns the bits that
// they are, left-justified, and how many.
func (c *compiler) dottedNumber(t token) (addr uint32, size int) {
	for part := range strings.SplitSeq(t.text, ".") {
		n, err := strconv.ParseUint(part, 10, 8)
		if err != nil {
			c.failAt(t, "this is no IPv4 address")
		}
		addr = addr<<8 | uint32(n)
		size += 8
	}
	return addr << (32 - size), size
}

func (c *compiler) ipv6(t token, q quals) *cond {
	if q.typ == "port" || q.typ == "portrange" || q.typ == "proto" {
		c.failAt(t, "an address is no "+strings.TrimSuffix(q.typ, "range"))
	}
	addr := netip.MustParseAddr(t.text).As16()
	length, end := 128, t
	if c.accept("/") {
		end = c.tok()
		if end.kind != tokNumber || end.number > 128 {
			c.unexpected("the length of the mask, 0 to 128")
		}
		c.advance()
		length = int(end.number)
	}
	mask := prefixMask(length)
	for i := range addr {
		if addr[i]&^mask[i] != 0 {
			c.fail(t, end, "the address has bits outside of its mask", "net "+netip.PrefixFrom(netip.AddrFrom16(addr), length).Masked().String())
		}
	}
	if length < 128 && q.typ != "net" {
		c.fail(t, end, "a mask belongs to a network", "net "+c.expr[t.off:end.end])
	}
	return c.host6(t, q, addr, mask)
}

func prefixMask(length int) (mask [16]byte) {
	for i := range mask {
		mask[i] = ^byte(0xff >> min(max(length-8*i, 0), 8))
	}
	return mask
}

// macBytes reads a hardware address that lex has found.
func macBytes(s string) []byte {
	parts := strings.FieldsFunc(s, func(r rune) bool { return strings.ContainsRune(":-.", r) })
	if len(parts) == 6 {
		for i, p := range parts {
			parts[i] = strings.Repeat("0", 2-len(p)) + p
		}
	}
	b, _ := hex.DecodeString(strings.Join(parts, ""))
	return b
}
