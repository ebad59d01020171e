package pcapfilter

import (
	"encoding/hex"
	"math"
	"net/netip"
	"slices"
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

// hostName is about a host that is given by name.
func (c *compiler) hostName(t token, q quals) *cond {
	switch {
	case q.proto == "link":
		c.fail(t, t, "names of hardware addresses are not looked up", "write the address: ether host 02:00:00:00:00:01")
	case q.proto == "decnet":
		c.fail(t, t, "names of DECnet hosts are not looked up", "write the address: decnet host 1.23")
	case c.cfg.Host == nil && wordLike(t.text):
		c.fail(t, t, "names of hosts are not looked up", "words of the language are written in lower case: "+strings.ToLower(t.text))
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

// translate compiles an expression.
func translate(expr string, cfg Config, optimize bool) (code []Instruction, err error) {
	defer func() {
		switch r := recover().(type) {
		case nil:
		case *Error:
			code, err = nil, r
		default:
			panic(r)
		}
	}()
	whole := func(msg string, cause error) *Error {
		return &Error{Expr: expr, Len: len(expr), Msg: msg, cause: cause}
	}
	if len(expr) > maxExpr {
		return nil, whole("the expression is longer than 64 KiB", ErrTooLong)
	}
	switch cfg.Live {
	case File, LiveRaw:
	case LiveCooked:
		if cfg.Link != 113 && cfg.Link != 276 {
			return nil, whole("a socket for all interfaces has packets of link type 113 or 276", nil)
		}
	default:
		return nil, whole("there is no such kind of capture", nil)
	}
	list, err := lex(expr)
	if err != nil {
		return nil, err
	}
	c := &compiler{expr: expr, list: list, cfg: cfg}
	c.begin()
	g := newGraph()
	// libpcap does not optimize what computes where Geneve headers end.
	strict := !optimize || slices.ContainsFunc(list, func(t token) bool { return t.is("geneve") })
	c.values.strict, g.strict = strict, strict
	program := func(untagged bool) *block {
		c.pos, c.depth, c.prims = 0, 0, 0
		c.begin()
		c.untagged = untagged
		main := c.program()
		g.strict = g.strict || c.usesPayload || c.usesPrefix && c.link.prefix == prismPrefix
		return g.build(and(c.prelude(), main), g.accept, g.reject)
	}
	root := program(false)
	if cfg.Live == LiveRaw && c.vlans > 0 {
		root = g.build(eq(c.values.aux(adTagged), 1), program(true), root)
	}
	if g.full {
		return nil, whole("the expression has too many parts", ErrTooLong)
	}
	if optimize {
		root = g.optimize(root)
	}
	code, ok := emit(&c.values, root, c.registers, cfg.Snaplen)
	switch {
	case !ok:
		return nil, whole("the arithmetic is too complex", ErrTooLong)
	case len(code) > maxInstructions:
		return nil, whole("the program would have "+strconv.Itoa(len(code))+" instructions; the kernel takes "+strconv.Itoa(maxInstructions), ErrTooLong)
	}
	if err := check(code); err != nil {
		// What Geneve headers are found to say is not known on every way.
		return nil, whole("geneve must be joined to what looks behind it with and", nil)
	}
	return code, nil
}
