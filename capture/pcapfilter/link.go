package pcapfilter

import (
	"math"
	"strconv"
)

// A linkKind is how a link layer says what it carries.
type linkKind uint8

const (
	kindOpaque linkKind = iota // not at all, as far as is known here
	kindEther                  // type or length, then perhaps 802.2
	kindLLC                    // 802.2
	kindWLAN                   // 802.2 in data frames of 802.11
	kindIP                     // by the version of IP
	kindIP4                    // it is always IPv4
	kindIP6                    // it is always IPv6
	kindPPP                    // PPP's own numbers
	kindFamily                 // an address family of the capturing system
	kindARCnet
	kindLocalTalk
	kindFrameRelay
	kindIPNet
	kindSLL  // an Ethernet type, or Linux' numbers for 802.2 and 802.3
	kindType // an Ethernet type
	kindHDLC // an Ethernet type, with one exception
	kindNone // a socket that sees no link layer; the kernel knows the type
)

// A linkLayer describes the packets of one LINKTYPE_.
type linkLayer struct {
	name   string
	kind   linkKind
	header uint32 // where the header begins
	typ    uint32 // where the type stands
	pay    uint32 // where the header ends
	// Where the network layer begins behind the header, with a SNAP header
	// before it if the link layer has any, and without one.
	net, plain uint32
	dst, src   uint32 // hardware addresses, if address
	address    bool
	prefix     prefix // before an 802.11 header
	mpls       uint32 // the type of MPLS, 0 if that is not supported
	vlan       bool
	llc        bool
}

// A prefix is what stands before an 802.11 header.
type prefix uint8

const (
	noPrefix prefix = iota
	radiotapPrefix
	prismPrefix
	avsPrefix
	ppiPrefix
)

var linkLayers = map[uint16]linkLayer{
	0:  {name: "BSD loopback", kind: kindFamily, pay: 4},
	1:  {name: "Ethernet", kind: kindEther, typ: 12, pay: 14, plain: 3, dst: 0, src: 6, address: true, mpls: typeMPLS, vlan: true, llc: true},
	6:  {name: "Token Ring", kind: kindLLC, typ: 14, pay: 14, net: 8, plain: 3, dst: 2, src: 8, address: true, llc: true},
	7:  {name: "ARCnet", kind: kindARCnet, typ: 2, pay: 6},
	8:  {name: "SLIP", kind: kindIP, pay: 16},
	9:  {name: "PPP", kind: kindPPP, typ: 2, pay: 4, mpls: pppMPLS},
	10: {name: "FDDI", kind: kindLLC, typ: 13, pay: 13, net: 8, plain: 3, dst: 1, src: 7, address: true, llc: true},
	12: {name: "raw IP", kind: kindIP}, 14: {name: "raw IP", kind: kindIP}, 101: {name: "raw IP", kind: kindIP},
	50:  {name: "PPP in HDLC", kind: kindPPP, typ: 2, pay: 4},
	51:  {name: "PPPoE", kind: kindPPP, typ: 6, pay: 8},
	100: {name: "ATM with 802.2", kind: kindLLC, net: 8, plain: 3, llc: true},
	104: {name: "Cisco HDLC", kind: kindHDLC, typ: 2, pay: 4, mpls: typeMPLS},
	105: {name: "802.11", kind: kindWLAN, net: 8, plain: 3, address: true, vlan: true, llc: true},
	106: {name: "Linux classical IP over ATM", kind: kindLLC, net: 8, plain: 3},
	107: {name: "Frame Relay", kind: kindFrameRelay},
	108: {name: "OpenBSD loopback", kind: kindFamily, pay: 4},
	109: {name: "OpenBSD encapsulated IP", kind: kindFamily, pay: 12},
	113: {name: "Linux cooked v1", kind: kindSLL, typ: 14, pay: 16},
	114: {name: "LocalTalk", kind: kindLocalTalk},
	119: {name: "802.11 with a Prism header", kind: kindWLAN, net: 8, plain: 3, address: true, prefix: prismPrefix, vlan: true, llc: true},
	122: {name: "IP over Fibre Channel", kind: kindLLC, typ: 16, pay: 16, net: 8, plain: 3, dst: 2, src: 10, address: true},
	127: {name: "802.11 with a radiotap header", kind: kindWLAN, net: 8, plain: 3, address: true, prefix: radiotapPrefix, vlan: true, llc: true},
	129: {name: "Linux ARCnet", kind: kindARCnet, typ: 4, pay: 8},
	138: {name: "Apple IP over IEEE 1394", kind: kindType, typ: 16, pay: 18},
	163: {name: "802.11 with an AVS header", kind: kindWLAN, net: 8, plain: 3, address: true, prefix: avsPrefix, vlan: true, llc: true},
	166: {name: "PPP of pppd", kind: kindPPP, typ: 2, pay: 4},
	192: {name: "802.11 with a PPI header", kind: kindWLAN, net: 8, plain: 3, address: true, prefix: ppiPrefix, llc: true},
	226: {name: "Solaris ipnet", kind: kindIPNet, typ: 1, pay: 24},
	228: {name: "raw IPv4", kind: kindIP4}, 229: {name: "raw IPv6", kind: kindIP6},
	240: {name: "Ethernet behind a netANALYZER header", kind: kindEther, header: 4, typ: 16, pay: 18, plain: 3, dst: 0, src: 6, address: true, mpls: typeMPLS, vlan: true},
	276: {name: "Linux cooked v2", kind: kindType, typ: 0, pay: 20},
}

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

// A place is a position in packets: k, behind what base is if it is not nil.
type place struct {
	base *value
	k    uint32
}

func (p place) plus(n uint32) place { return place{p.base, p.k + n} }

// layers are what the link layer and the encapsulations that the expression
// has named so far say about where to look for what.
type layers struct {
	link   linkLayer
	kind   linkKind
	name   string // of the layer that kind is about
	hdr    place
	typ    place
	pay    place
	net    uint32 // from pay
	plain  uint32
	labels int // of MPLS
	mpls   uint32
	vlan   bool
	llcOK  bool
	mac    bool
	tunnel layerTunnel

	// untagged is about a LiveRaw program for packets whose tag the kernel has
	// taken off; vlans counts.
	untagged bool
	vlans    int

	registers   int
	usesPrefix  bool // register 0 is the length of what stands before 802.11
	usesPayload bool // register 1 is where the 802.11 header ends
}

// layerTunnel is what the last Geneve header said: where its payload's header
// would begin, and where that ends, which is the same if there is none.
type layerTunnel struct{ hdr, pay *value }

const (
	prefixRegister  = 0
	payloadRegister = 1
)

// begin sets the layers up for the link type.
func (c *compiler) begin() {
	l, ok := linkLayers[c.cfg.Link]
	if !ok {
		l = linkLayer{name: "link type " + strconv.Itoa(int(c.cfg.Link))}
	}
	if c.cfg.Live == LiveCooked {
		l.kind, l.typ, l.pay = kindNone, 0, 0
	}
	c.layers = layers{
		link: l, kind: l.kind, name: l.name, hdr: place{nil, l.header}, typ: place{nil, l.typ}, pay: place{nil, l.pay},
		net: l.net, plain: l.plain, mpls: l.mpls, vlan: l.vlan, llcOK: l.llc, mac: l.address,
	}
	// libpcap does not optimize what computes where a header ends.
	c.values.strict = c.values.strict || l.kind == kindWLAN
	if l.kind == kindWLAN {
		c.registers = 2
		c.pay.base = c.values.register(payloadRegister)
		if l.prefix != noPrefix {
			c.hdr.base = c.values.register(prefixRegister)
		}
	}
}

// header is where the link-layer header begins.
func (c *compiler) header(at token) place {
	if c.kind == kindNone {
		c.failAt(at, "a socket for all interfaces does not see link-layer headers")
	}
	return c.hdr
}

// at is size bytes of the packet at p + off.
func (c *compiler) at(p place, off int64, size uint8) *value {
	k := int64(p.k) + off
	if k < 0 || k > math.MaxInt32 {
		c.fail(c.last(), c.last(), "this is outside of any packet", "")
	}
	c.use(p.base)
	return c.values.load(p.base, uint32(k), size)
}

func (c *compiler) use(base *value) {
	if base == nil || c.link.kind != kindWLAN || base.kind != kindReg {
		return
	}
	c.usesPrefix = c.usesPrefix || base.k == prefixRegister
	c.usesPayload = c.usesPayload || base.k == payloadRegister
}

func (c *compiler) masked(v *value, mask uint32) *value {
	return c.values.alu(aluAnd, v, c.values.constant(mask))
}

// anyBits is true if v and mask have bits in common.
func anyBits(v *value, mask uint32) *cond { return compare(testBits, v, mask) }

// network is where the network layer begins.
func (c *compiler) network() place { return c.pay.plus(c.net) }

// length is the length of the packet on the wire.
func (c *compiler) length() *value {
	if c.cfg.Live != LiveCooked {
		return c.values.length()
	}
	// The socket does not count the header that the file will have.
	header := c.values.constant(linkLayers[c.cfg.Link].pay)
	return c.values.alu(aluAdd, c.values.length(), header)
}

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
