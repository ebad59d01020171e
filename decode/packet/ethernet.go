package packet

// Ethernet types (IEEE 802 numbers).
const (
	typeIPv4       = 0x0800
	typeARP        = 0x0806
	typeTRILL      = 0x22f3
	typeTEB        = 0x6558 // transparent Ethernet bridging, in GRE and Geneve
	typeFrameRelay = 0x6559
	typeRARP       = 0x8035
	typeVLAN       = 0x8100
	typeIPv6       = 0x86dd
	typeLACP       = 0x8809
	typePPP        = 0x880b
	typeMPLS       = 0x8847
	typeMPLSMulti  = 0x8848
	typeDiscovery  = 0x8863 // PPPoE
	typePPPoE      = 0x8864
	typeEAPOL      = 0x888e
	typeQinQ       = 0x88a8
	typeLLDP       = 0x88cc
	typeMACsec     = 0x88e5
	typePBB        = 0x88e7 // 802.1ah I-TAG
	typeFabricPath = 0x8903
	typeMetadata   = 0x8909 // Cisco
	typeVNTag      = 0x8926 // Cisco
	typeHSR        = 0x892f // IEC 62439-3
	typeETag       = 0x893f // 802.1BR
	typeNSH        = 0x894f // RFC 8300
	typeOldQinQ    = 0x9100
	typeTimestamp  = 0xd28b // Arista
	minType        = 0x0600 // below it, a type field is a length (802.3)
)

const ethernetLen = 14

// ethernet reads an Ethernet or 802.3 frame.
func (ps *Parser) ethernet(b []byte, wire int, p *Packet) Cause {
	if len(b) < ethernetLen {
		if len(b) == 0 {
			return Empty
		}
		return short(wire, ethernetLen, TruncatedLink, BadLink)
	}
	t := be.Uint16(b[12:])
	switch {
	case t == typeIPv4:
		p.EtherType = t
		return ps.ip4(b[ethernetLen:], wire-ethernetLen, p)
	case t < minType && be.Uint32(b) == 0x01000c00 && b[4] == 0:
		return ps.isl(b, wire, p)
	}
	return ps.etherType(t, b[ethernetLen:], wire-ethernetLen, p)
}

// etherType reads what follows an Ethernet type or length.
func (ps *Parser) etherType(t uint16, b []byte, wire int, p *Packet) Cause {
	for {
		if t < minType {
			return ps.length8023(t, b, wire, p)
		}
		p.EtherType = t
		skip := 0 // bytes of a tag that ends with the next type
		switch t {
		case typeIPv4:
			return ps.ip4(b, wire, p)
		case typeIPv6:
			return ps.ip6(b, wire, p)
		case typeVLAN, typeQinQ, typeOldQinQ, 0x9200, 0x9300:
			if p.VLAN == 0 && len(b) >= 2 {
				p.VLAN = be.Uint16(b) & 0xfff
			}
			skip = 4
		case typeMPLS, typeMPLSMulti:
			return ps.mpls(b, wire, p)
		case typePPPoE:
			return ps.pppoe(b, wire, p)
		case typePPP:
			if !ps.nest(p) {
				return TooDeep
			}
			return ps.ppp(b, wire, p)
		case typeTEB:
			return ps.innerEthernet(0, b, wire, p)
		case typeFrameRelay:
			if !ps.nest(p) {
				return TooDeep
			}
			return ps.frameRelay(b, wire, p)
		case typePBB:
			return ps.innerEthernet(4, b, wire, p)
		case typeFabricPath:
			return ps.innerEthernet(2, b, wire, p)
		case typeTRILL: // RFC 6325 section 3
			if len(b) < 2 {
				return short(wire, 2, TruncatedTunnel, BadTunnel)
			}
			return ps.innerEthernet(6+int(be.Uint16(b)>>6&31)*4, b, wire, p)
		case typeNSH:
			return ps.nsh(b, wire, p)
		case typeVNTag, typeHSR:
			skip = 6
		case typeETag:
			skip = 8
		case typeMetadata:
			// In GRE the next type comes first, and version 1 after it.
			if len(b) >= 8 && be.Uint16(b) >= minType && b[2] == 1 {
				t, b, wire = be.Uint16(b), b[8:], wire-8
				continue
			}
			skip = 8
		case typeTimestamp:
			if skip = timestampLen(b); skip == 0 {
				return NotIP
			}
		case typeMACsec:
			n, ok := macsecLen(b)
			if !ok {
				return MACsec
			}
			skip = n
		default:
			return notIP(t)
		}
		if len(b) < skip {
			return short(wire, skip, TruncatedLink, BadLink)
		}
		t = be.Uint16(b[skip-2:])
		b, wire = b[skip:], wire-skip
	}
}

// innerEthernet reads an Ethernet frame that another carries behind n bytes.
func (ps *Parser) innerEthernet(n int, b []byte, wire int, p *Packet) Cause {
	if !ps.nest(p) {
		return TooDeep
	}
	return ps.tunneledEthernet(n, b, wire, p)
}

// tunneledEthernet reads an Ethernet frame behind n bytes of a tunnel header
// that is counted already.
func (ps *Parser) tunneledEthernet(n int, b []byte, wire int, p *Packet) Cause {
	if len(b) < n+ethernetLen {
		return short(wire, n+ethernetLen, TruncatedTunnel, BadTunnel)
	}
	return ps.ethernet(b[n:], wire-n, p)
}

// isl reads Cisco's Inter-Switch Link: 26 bytes before the Ethernet frame.
func (ps *Parser) isl(b []byte, wire int, p *Packet) Cause {
	const size = 26
	if p.VLAN == 0 && len(b) >= size {
		p.VLAN = be.Uint16(b[20:]) >> 1 & 0xfff
	}
	return ps.innerEthernet(size, b, wire, p)
}

// timestampLen returns the length of an Arista timestamp header up to and with
// the next type, zero when its format is not known.
func timestampLen(b []byte) int {
	if len(b) < 4 || be.Uint16(b) != 1 {
		return 0
	}
	switch b[3] >> 4 {
	case 1: // 64 bits
		return 4 + 8 + 2
	case 2: // 48 bits
		return 4 + 6 + 2
	}
	return 0
}

// macsecLen returns the length of an 802.1AE tag up to and with the next type,
// and false when what follows is encrypted.
func macsecLen(b []byte) (int, bool) {
	const explicitSCI, encrypted, changed = 0x20, 0x08, 0x04
	if len(b) > 0 && b[0]&(encrypted|changed) != 0 {
		return 0, false
	}
	if len(b) > 0 && b[0]&explicitSCI != 0 {
		return 6 + 8 + 2, true
	}
	return 6 + 2, true
}

// notIP names what an Ethernet type stands for that carries no IP.
func notIP(t uint16) Cause {
	switch t {
	case typeARP, typeRARP:
		return ARP
	case typeLLDP, 0x2000:
		return LLDP
	case typeLACP:
		return LACP
	case typeEAPOL:
		return EAPOL
	case typeDiscovery:
		return PPPControl
	}
	return NotIP
}

// length8023 reads the rest of an 802.3 frame: n is the length of what follows.
func (ps *Parser) length8023(n uint16, b []byte, wire int, p *Packet) Cause {
	if n > 1500 {
		return NotIP
	}
	b, wire = cut(b, wire, int(n))
	if len(b) >= 2 && b[0] == 0xff && b[1] == 0xff { // IPX without LLC
		return LLC
	}
	return ps.llc(b, wire, 0, p)
}

// llc reads an 802.2 LLC header, with SNAP where there is one. pad is how many
// bytes stand before a bridged frame.
func (ps *Parser) llc(b []byte, wire, pad int, p *Packet) Cause {
	if len(b) < 3 {
		return short(wire, 3, TruncatedLink, BadLink)
	}
	switch uint32(b[0])<<16 | uint32(b[1])<<8 | uint32(b[2]) {
	case 0xaaaa03:
		return ps.snap(b[3:], wire-3, pad, p)
	case 0x060603: // SAP 6 is IP (RFC 1700)
		return ps.ip(b[3:], wire-3, p)
	case 0xfefe03: // NLPID (RFC 2684 section 4)
		return ps.nlpid(b[3:], wire-3, p)
	}
	if b[0] == 0x42 && b[1] == 0x42 {
		return STP
	}
	return LLC
}

// snap reads a SNAP header: an organization and its protocol.
func (ps *Parser) snap(b []byte, wire, pad int, p *Packet) Cause {
	if len(b) < 5 {
		return short(wire, 5, TruncatedLink, BadLink)
	}
	org, t := be.Uint32(b)>>8, be.Uint16(b[3:])
	b, wire = b[5:], wire-5
	switch {
	case (org == 0 || org == 0x0000f8) && t >= minType:
		return ps.etherType(t, b, wire, p)
	case org == 0x0080c2 && (t == 1 || t == 7): // RFC 2684, RFC 2427: bridged Ethernet
		return ps.innerEthernet(pad, b, wire, p)
	case org == 0x00000c && t == 0x2000:
		return LLDP
	case org == 0x00000c && (t == 0x010b || t == 0x010c):
		return STP
	}
	return LLC
}
