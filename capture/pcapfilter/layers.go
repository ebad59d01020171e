package pcapfilter

import (
	"math"
	"strconv"
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
