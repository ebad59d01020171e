package pcapfilter

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
