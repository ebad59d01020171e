package packet

// A tunnelKind is a tunnel protocol over UDP.
type tunnelKind uint8

const (
	noTunnel tunnelKind = iota
	vxlan
	vxlanGPE
	geneve
	gtp
	teredo
	l2tp
	lisp
	tzsp
	mplsInUDP
	greInUDP
)

func tunnelPort(port uint16) tunnelKind {
	switch port {
	case 1701:
		return l2tp
	case 2152, 3386:
		return gtp
	case 3544:
		return teredo
	case 4341:
		return lisp
	case 4754:
		return greInUDP
	case 4789, 8472: // 8472 is what Linux used before the port was assigned
		return vxlan
	case 4790:
		return vxlanGPE
	case 6081:
		return geneve
	case 6635:
		return mplsInUDP
	case 37008:
		return tzsp
	}
	return noTunnel
}

func udpTunnel(src, dst uint16) tunnelKind {
	if k := tunnelPort(dst); k != noTunnel {
		return k
	}
	return tunnelPort(src)
}

// udpTunnel looks for a packet in a UDP payload. A port proves nothing: unless
// an IP header stands where it should, the packet stays UDP.
func (ps *Parser) udpTunnel(k tunnelKind, b []byte, wire int, p *Packet) Cause {
	outer := *p
	if !ps.nest(p) {
		return TooDeep
	}
	p.Version, p.clipped = 0, false
	p.SrcPort, p.DstPort, p.Segment, p.HeaderLen, p.Wire = 0, 0, nil, 0, 0
	var c Cause
	switch k {
	case vxlan:
		c = ps.vxlan(b, wire, p)
	case vxlanGPE:
		c = ps.vxlanGPE(b, wire, p)
	case geneve:
		c = ps.geneve(b, wire, p)
	case gtp:
		c = ps.gtp(b, wire, p)
	case teredo:
		c = ps.teredo(b, wire, p)
	case l2tp:
		c = ps.l2tp(b, wire, p)
	case lisp:
		if len(b) > 8 {
			c = ps.ip(b[8:], wire-8, p)
		}
	case tzsp:
		c = ps.tzsp(b, wire, p)
	case mplsInUDP:
		c = ps.mpls(b, wire, p)
	case greInUDP:
		c = ps.gre(b, wire, p)
	}
	if p.Version == 0 || p.clipped || c.Malformed() {
		*p = outer
		return OK
	}
	return c
}

// vxlan reads RFC 7348 section 5.
func (ps *Parser) vxlan(b []byte, wire int, p *Packet) Cause {
	const hasVNI = 0x08
	if len(b) < 8+ethernetLen || b[0]&hasVNI == 0 {
		return BadTunnel
	}
	return ps.ethernet(b[8:], wire-8, p)
}

// vxlanGPE reads draft-ietf-nvo3-vxlan-gpe section 3.
func (ps *Parser) vxlanGPE(b []byte, wire int, p *Packet) Cause {
	const hasProtocol = 0x04
	if len(b) <= 8 {
		return BadTunnel
	}
	if b[0]&hasProtocol == 0 {
		return ps.vxlan(b, wire, p)
	}
	return ps.nextProtocol(b[3], b[8:], wire-8, p)
}

// nextProtocol reads what the numbers of NSH and VXLAN-GPE stand for.
func (ps *Parser) nextProtocol(t uint8, b []byte, wire int, p *Packet) Cause {
	switch t {
	case 1:
		return ps.ip4(b, wire, p)
	case 2:
		return ps.ip6(b, wire, p)
	case 3:
		return ps.tunneledEthernet(0, b, wire, p)
	case 4:
		return ps.nsh(b, wire, p)
	case 5:
		return ps.mpls(b, wire, p)
	}
	return UnknownTunnel
}

// nsh reads a network service header (RFC 8300 section 2).
func (ps *Parser) nsh(b []byte, wire int, p *Packet) Cause {
	if !ps.nest(p) {
		return TooDeep
	}
	if len(b) < 8 {
		return short(wire, 8, TruncatedTunnel, BadTunnel)
	}
	n := int(be.Uint16(b)&63) * 4
	switch {
	case b[0]>>6 != 0 || n < 8:
		return BadTunnel
	case n > len(b):
		return short(wire, n, TruncatedTunnel, BadTunnel)
	}
	return ps.nextProtocol(b[3], b[n:], wire-n, p)
}

// geneve reads RFC 8926 section 3.4.
func (ps *Parser) geneve(b []byte, wire int, p *Packet) Cause {
	if len(b) < 8 || b[0]>>6 != 0 {
		return BadTunnel
	}
	n := 8 + int(b[0]&63)*4
	if n > len(b) {
		return BadTunnel
	}
	t := be.Uint16(b[2:])
	if t == typeTEB {
		return ps.tunneledEthernet(n, b, wire, p)
	}
	if t < minType {
		return NotIP
	}
	return ps.etherType(t, b[n:], wire-n, p)
}

// gtp reads user data of GPRS tunnelling: version 1 (3GPP TS 29.281 section
// 5.1) and version 0 (TS 09.60 section 6).
func (ps *Parser) gtp(b []byte, wire int, p *Packet) Cause {
	const userData, gtpNotPrime = 255, 0x10
	if len(b) < 8 || b[0]&gtpNotPrime == 0 || b[1] != userData {
		return BadTunnel
	}
	var n int
	switch b[0] >> 5 {
	case 0:
		n = 20
	case 1:
		const optional, extension = 7, 4
		if n = 8; b[0]&optional != 0 {
			n = 12
		}
		for more := b[0]&extension != 0; more; {
			// The last byte before is the type of the extension header.
			if n >= len(b) {
				return BadTunnel
			}
			if more = b[n-1] != 0; more {
				if b[n] == 0 {
					return BadTunnel
				}
				n += int(b[n]) * 4
			}
		}
	default:
		return BadTunnel
	}
	if n >= len(b) {
		return BadTunnel
	}
	b, wire = b[n:], wire-n
	if plausibleIP(b, wire) {
		return ps.ip(b, wire, p)
	}
	if plausibleEthernet(b, wire) { // a PDU session of Ethernet
		return ps.ethernet(b, wire, p)
	}
	return ps.ppp(b, wire, p)
}

// teredo reads RFC 4380 section 5.1.1.
func (ps *Parser) teredo(b []byte, wire int, p *Packet) Cause {
	const authentication, origin = 1, 0
	if len(b) >= 4 && be.Uint16(b) == authentication {
		n := 4 + int(b[2]) + int(b[3]) + 9
		if n > len(b) {
			return BadTunnel
		}
		b, wire = b[n:], wire-n
	}
	if len(b) >= 8 && be.Uint16(b) == origin {
		b, wire = b[8:], wire-8
	}
	return ps.ip6(b, wire, p)
}

// l2tp reads a data message of version 2 (RFC 2661 section 3.1). Version 3 does
// not say what it carries.
func (ps *Parser) l2tp(b []byte, wire int, p *Packet) Cause {
	const control, length, sequence, offset, version = 0x8000, 0x4000, 0x0800, 0x0200, 15
	if len(b) < 6 {
		return BadTunnel
	}
	flags, n := be.Uint16(b), 6
	if flags&control != 0 || flags&version != 2 {
		return BadTunnel
	}
	if flags&length != 0 {
		total := int(be.Uint16(b[2:]))
		if total > wire {
			return BadTunnel
		}
		b, wire = cut(b, wire, total)
		n += 2
	}
	if flags&sequence != 0 {
		n += 4
	}
	if flags&offset != 0 {
		if len(b) < n+2 {
			return BadTunnel
		}
		n += 2 + int(be.Uint16(b[n:]))
	}
	if n > len(b) {
		return BadTunnel
	}
	return ps.ppp(b[n:], wire-n, p)
}

// tzsp reads what MikroTik routers and old wireless probes send.
func (ps *Parser) tzsp(b []byte, wire int, p *Packet) Cause {
	const version, padding, end = 1, 0, 1
	if len(b) < 5 || b[0] != version {
		return BadTunnel
	}
	link := be.Uint16(b[2:])
	if link == 18 {
		link = link80211
	}
	n := 4
	for tag := b[n]; tag != end; tag = b[n] {
		if n++; tag != padding {
			if n >= len(b) {
				return BadTunnel
			}
			n += 1 + int(b[n])
		}
		if n >= len(b) {
			return BadTunnel
		}
	}
	n++
	switch link {
	case linkEthernet, link80211, linkPrism, linkAVS:
		return ps.link(link, b[n:], wire-n, p)
	}
	return UnknownTunnel
}
