package packet

const (
	ip4HeaderLen = 20
	ip6HeaderLen = 40
	// maxExtensions bounds the extension headers of one packet. Linux accepts
	// no more than 8 for its own sockets.
	maxExtensions = 32
)

// ip reads an IPv4 or IPv6 packet, as its version field says.
func (ps *Parser) ip(b []byte, wire int, p *Packet) Cause {
	if len(b) == 0 {
		return short(wire, 1, TruncatedIP, BadIPVersion)
	}
	switch b[0] >> 4 {
	case 4:
		return ps.ip4(b, wire, p)
	case 6:
		return ps.ip6(b, wire, p)
	}
	return BadIPVersion
}

// ip4 reads an IPv4 packet (RFC 791 section 3.1).
func (ps *Parser) ip4(b []byte, wire int, p *Packet) Cause {
	if len(b) < ip4HeaderLen {
		return short(wire, ip4HeaderLen, TruncatedIP, BadIPv4)
	}
	h := (*[ip4HeaderLen]byte)(b)
	if h[0]>>4 != 4 {
		return BadIPVersion
	}
	hlen, total := int(h[0]&15)*4, int(be.Uint16(h[2:4]))
	if total == 0 {
		// The kernel segments the packet only after the capture (TSO), or it
		// is longer than the field can say (BIG TCP).
		total = wire
	}
	if hlen < ip4HeaderLen || total < hlen {
		return BadIPv4
	}
	p.Version = 4
	p.TOS, p.TTL, p.Proto = h[1], h[8], h[9]
	p.Src.Lo = mapped | uint64(be.Uint32(h[12:16]))
	p.Src.Hi, p.Dst.Hi = 0, 0
	p.Dst.Lo = mapped | uint64(be.Uint32(h[16:20]))
	p.clipped = total > wire
	if total < len(b) {
		b = b[:total]
	}
	frag := be.Uint16(h[6:8])
	if hlen > ip4HeaderLen {
		if hlen > len(b) {
			return short(wire, hlen, TruncatedIP, BadIPv4)
		}
		sourceRoute(b[ip4HeaderLen:hlen], &p.Dst)
	}
	b, wire = b[hlen:], total-hlen
	if frag&0x3fff != 0 {
		k := fragmentKey{src: p.Src, dst: p.Dst, id: uint32(be.Uint16(h[4:6])), proto: h[9], version: 4}
		return ps.fragment(k, int(frag&0x1fff)*8, frag&0x2000 != 0, h[9], b, wire, p)
	}
	if h[9] == ProtoTCP {
		return tcp(b, wire, p)
	}
	return ps.upper(h[9], b, wire, p)
}

// sourceRoute finds the final destination in IPv4 options, if a source route
// has addresses left to visit (RFC 791 section 3.1).
func sourceRoute(o []byte, dst *Addr) {
	const end, nop, loose, strict = 0, 1, 131, 137
	for len(o) >= 2 && o[0] != end {
		if o[0] == nop {
			o = o[1:]
			continue
		}
		n := int(o[1])
		if n < 2 || n > len(o) {
			return
		}
		if (o[0] == loose || o[0] == strict) && n >= 7 && int(o[2]) <= n-3 {
			*dst = addr4(o[n-4:])
		}
		o = o[n:]
	}
}

// ip6 reads an IPv6 packet (RFC 8200 section 3).
func (ps *Parser) ip6(b []byte, wire int, p *Packet) Cause {
	if len(b) < ip6HeaderLen {
		return short(wire, ip6HeaderLen, TruncatedIP, BadIPv6)
	}
	if b[0]>>4 != 6 {
		return BadIPVersion
	}
	p.Version = 6
	p.TOS, p.TTL, p.Proto = uint8(be.Uint16(b)>>4), b[7], b[6]
	p.Src, p.Dst = addr16(b[8:]), addr16(b[24:])
	n := int(be.Uint16(b[4:]))
	b, wire = b[ip6HeaderLen:], wire-ip6HeaderLen
	if n == 0 && wire > 0 {
		// Longer than the field can say (RFC 2675), or not yet segmented.
		n = wire
		if p.Proto == protoHopByHop {
			if j, ok := jumbo(b); ok && j < wire {
				n = j
			}
		}
	}
	p.clipped = n > wire
	if n < len(b) {
		b = b[:n]
	}
	return ps.upper(p.Proto, b, n, p)
}

// jumbo returns the payload length of a jumbo payload option (RFC 2675 section
// 2) in a hop-by-hop header.
func jumbo(b []byte) (int, bool) {
	if len(b) < 8 {
		return 0, false
	}
	for o := b[2:min(len(b), int(b[1])*8+8)]; len(o) >= 2; {
		if o[0] == 0 { // Pad1
			o = o[1:]
			continue
		}
		n := int(o[1]) + 2
		if o[0] == 0xc2 && n == 6 && len(o) >= 6 {
			j := be.Uint32(o[2:])
			return int(j), j > 0xffff && j <= 1<<31-1
		}
		if n > len(o) {
			break
		}
		o = o[n:]
	}
	return 0, false
}

// IP protocols (IANA).
const (
	protoHopByHop = 0
	ProtoICMP     = 1
	protoIGMP     = 2
	protoIPIP     = 4
	ProtoTCP      = 6
	ProtoUDP      = 17
	protoDCCP     = 33
	protoIPv6     = 41
	protoRouting  = 43
	protoFragment = 44
	protoGRE      = 47
	protoESP      = 50
	protoAH       = 51
	protoMinimal  = 55 // RFC 2004
	ProtoICMPv6   = 58
	protoNoNext   = 59
	protoDestOpts = 60
	protoOSPF     = 89
	protoEtherIP  = 97
	protoPIM      = 103
	protoIPComp   = 108
	protoSCTP     = 132
	protoMobility = 135
	ProtoUDPLite  = 136
	protoMPLS     = 137
	protoHIP      = 139
	protoShim6    = 140
	protoEthernet = 143 // RFC 8986
	protoNSH      = 145
)

// upper reads what an IP header announces. b is cut to the length of the IP
// packet; wire is the length that the IP header gives, and may be more.
func (ps *Parser) upper(proto uint8, b []byte, wire int, p *Packet) Cause {
	switch proto {
	case ProtoTCP:
		p.Proto = proto
		return tcp(b, wire, p)
	case ProtoUDP:
		p.Proto = proto
		return ps.udp(b, wire, p)
	}
	for range maxExtensions {
		p.Proto = proto
		var n int // length of an extension header
		switch proto {
		case ProtoTCP:
			return tcp(b, wire, p)
		case ProtoUDP:
			return ps.udp(b, wire, p)
		case ProtoICMP, ProtoICMPv6:
			return icmp(b, wire, p)
		case protoHopByHop, protoRouting, protoDestOpts, protoMobility, protoHIP, protoShim6:
			if p.Version != 6 {
				return other(proto, b, wire, p)
			}
			n = 8
			if len(b) >= 2 {
				n = int(b[1])*8 + 8
			}
		case protoAH:
			n = 8
			if len(b) >= 2 {
				n = int(b[1])*4 + 8
			}
		case protoFragment:
			if p.Version != 6 {
				return other(proto, b, wire, p)
			}
			// RFC 6946: a fragment that is the whole datagram stands alone.
			if n = 8; len(b) >= n && be.Uint16(b[2:])&^6 != 0 {
				return ps.fragment6(b, wire, p)
			}
		default:
			return ps.tunnel(proto, b, wire, p)
		}
		if n > len(b) {
			return short(wire, n, TruncatedIP, BadExtension)
		}
		switch proto {
		case protoRouting:
			finalDestination(b[:n], &p.Dst)
		case protoDestOpts:
			homeAddress(b[:n], &p.Src)
		}
		proto, b, wire = b[0], b[n:], wire-n
	}
	return BadExtension
}

// finalDestination finds the last address of a routing header with segments
// left: types 0 (RFC 2460 section 4.4), 2 (RFC 6275 section 6.4) and 4 (RFC
// 8754 section 2).
func finalDestination(h []byte, dst *Addr) {
	if h[3] == 0 || len(h) < 24 {
		return
	}
	switch h[2] {
	case 0:
		*dst = addr16(h[len(h)-16:])
	case 2, 4: // a segment routing header lists the last segment first
		*dst = addr16(h[8:])
	}
}

// homeAddress finds the home address option (RFC 6275 section 6.3), which
// stands in for the source address.
func homeAddress(h []byte, src *Addr) {
	for o := h[2:]; len(o) >= 2; {
		if o[0] == 0 { // Pad1
			o = o[1:]
			continue
		}
		n := int(o[1]) + 2
		if n > len(o) {
			return
		}
		if o[0] == 201 && n == 18 {
			*src = addr16(o[2:])
		}
		o = o[n:]
	}
}

// fragment6 reads a whole fragment header (RFC 8200 section 4.5).
func (ps *Parser) fragment6(b []byte, wire int, p *Packet) Cause {
	k := fragmentKey{src: p.Src, dst: p.Dst, id: be.Uint32(b[4:]), version: 6}
	frag := be.Uint16(b[2:])
	return ps.fragment(k, int(frag&^7), frag&1 != 0, b[0], b[8:], wire-8, p)
}

// other ends at a protocol that is not TCP, UDP or ICMP.
func other(proto uint8, b []byte, wire int, p *Packet) Cause {
	p.Segment, p.Wire = b[:len(b):len(b)], wire
	switch proto {
	case protoSCTP, protoDCCP, ProtoUDPLite:
		if len(b) >= 4 {
			p.SrcPort, p.DstPort = be.Uint16(b), be.Uint16(b[2:])
		}
		if proto == protoSCTP {
			return SCTP
		}
	case protoIGMP:
		return IGMP
	case protoOSPF:
		return OSPF
	case protoNoNext:
		return NoNextHeader
	case protoESP:
		return ESP
	case protoIPComp:
		return IPComp
	}
	return OtherIP
}
