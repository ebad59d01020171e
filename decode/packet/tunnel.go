package packet

// tunnel reads an IP protocol that carries packets of its own.
func (ps *Parser) tunnel(proto uint8, b []byte, wire int, p *Packet) Cause {
	switch proto {
	case protoIPIP, protoIPv6, protoGRE, protoEtherIP, protoMPLS, protoMinimal, protoEthernet, protoNSH:
	case protoPIM: // RFC 7761 section 4.9.3: a register message carries a packet
		if len(b) < 8 || b[0] != 0x21 || !plausibleIP(b[8:], wire-8) {
			return other(proto, b, wire, p)
		}
	default:
		return other(proto, b, wire, p)
	}
	if !ps.nest(p) {
		return TooDeep
	}
	switch proto {
	case protoIPIP:
		return ps.ip4(b, wire, p)
	case protoIPv6:
		return ps.ip6(b, wire, p)
	case protoGRE:
		return ps.gre(b, wire, p)
	case protoMPLS:
		return ps.mpls(b, wire, p)
	case protoMinimal:
		return ps.minimal(b, wire, p)
	case protoNSH:
		return ps.nsh(b, wire, p)
	case protoPIM:
		return ps.ip(b[8:], wire-8, p)
	case protoEtherIP: // RFC 3378
		return ps.tunneledEthernet(2, b, wire, p)
	}
	return ps.tunneledEthernet(0, b, wire, p)
}

// gre reads generic routing encapsulation (RFC 2784, RFC 2890, RFC 1701; RFC
// 2637 section 4.1 for version 1).
func (ps *Parser) gre(b []byte, wire int, p *Packet) Cause {
	const checksum, route, key, seq, version, ack = 0x8000, 0x4000, 0x2000, 0x1000, 7, 0x80
	const (
		erspan3 = 0x22eb
		wccp    = 0x883e
		erspan  = 0x88be // types I and II
	)
	if len(b) < 4 {
		return short(wire, 4, TruncatedTunnel, BadTunnel)
	}
	flags, t := be.Uint16(b), be.Uint16(b[2:])
	n := 4
	if flags&(checksum|route) != 0 {
		n += 4
	}
	if flags&key != 0 {
		n += 4
	}
	if flags&seq != 0 {
		n += 4
	}
	switch flags & version {
	case 0:
		for routed := flags&route != 0; routed; {
			if len(b) < n+4 {
				return short(wire, n+4, TruncatedTunnel, BadTunnel)
			}
			routed = be.Uint16(b[n:]) != 0 || b[n+3] != 0
			n += 4 + int(b[n+3])
		}
	case 1:
		if flags&ack != 0 {
			n += 4
		}
		if flags&seq == 0 {
			return PPPControl // an acknowledgement without payload
		}
	default:
		return BadTunnel
	}
	if len(b) < n {
		return short(wire, n, TruncatedTunnel, BadTunnel)
	}
	b, wire = b[n:], wire-n
	switch {
	case t == typePPP:
		return ps.ppp(b, wire, p)
	case t == erspan && flags&seq != 0:
		return ps.tunneledEthernet(8, b, wire, p)
	case t == erspan, t == typeTEB:
		return ps.tunneledEthernet(0, b, wire, p)
	case t == erspan3:
		return ps.erspan3(b, wire, p)
	case t == wccp:
		if len(b) > 4 && b[0]>>4 != 4 {
			b, wire = b[4:], wire-4 // the redirect header of version 2
		}
		return ps.ip(b, wire, p)
	case t < minType: // a keepalive, OSI
		return NotIP
	}
	return ps.etherType(t, b, wire, p)
}

// erspan3 reads the header of ERSPAN type III (draft-foschiano-erspan section
// 4.3).
func (ps *Parser) erspan3(b []byte, wire int, p *Packet) Cause {
	const isIP, subheader = 2, 1
	n := 12
	if len(b) < n {
		return short(wire, n, TruncatedTunnel, BadTunnel)
	}
	frame := b[10] >> 2 & 31
	if b[11]&subheader != 0 {
		n += 8
	}
	if frame != isIP {
		return ps.tunneledEthernet(n, b, wire, p)
	}
	if len(b) < n {
		return short(wire, n, TruncatedTunnel, BadTunnel)
	}
	return ps.ip(b[n:], wire-n, p)
}

// minimal reads minimal encapsulation (RFC 2004): the addresses and the
// protocol of the inner packet, without a header of its own.
func (ps *Parser) minimal(b []byte, wire int, p *Packet) Cause {
	n := 8
	if len(b) > 1 && b[1]&0x80 != 0 {
		n = 12
	}
	if len(b) < n {
		return short(wire, n, TruncatedTunnel, BadTunnel)
	}
	proto := b[0]
	p.Dst = addr4(b[4:])
	if n == 12 {
		p.Src = addr4(b[8:])
	}
	return ps.upper(proto, b[n:], wire-n, p)
}

// mpls reads a stack of labels (RFC 3032) and guesses what is below it.
func (ps *Parser) mpls(b []byte, wire int, p *Packet) Cause {
	for bottom := false; !bottom; {
		if len(b) < 4 {
			return short(wire, 4, TruncatedLink, BadLink)
		}
		bottom = b[2]&1 != 0
		b, wire = b[4:], wire-4
	}
	// RFC 4928: IP starts with its version, the control word of a pseudowire
	// with zero. But there may be no control word, and a MAC address may start
	// like anything.
	switch {
	case len(b) >= ethernetLen && isIP(be.Uint16(b[12:])) && plausibleEthernet(b, wire):
		return ps.innerEthernet(0, b, wire, p)
	case plausibleIP(b, wire):
		return ps.ip(b, wire, p)
	case len(b) > 4 && b[0]>>4 == 0 && plausibleEthernet(b[4:], wire-4):
		return ps.innerEthernet(4, b, wire, p)
	case plausibleEthernet(b, wire):
		return ps.innerEthernet(0, b, wire, p)
	case len(b) < ip6HeaderLen && len(b) < wire:
		return TruncatedIP
	case len(b) > 0 && (b[0]>>4 == 4 || b[0]>>4 == 6):
		return ps.ip(b, wire, p)
	}
	return UnknownTunnel
}

// plausibleIP reports whether an IP packet of at most wire bytes may start
// here.
func plausibleIP(b []byte, wire int) bool {
	switch {
	case len(b) >= ip4HeaderLen && b[0]>>4 == 4:
		hlen, total := int(b[0]&15)*4, int(be.Uint16(b[2:]))
		return hlen >= ip4HeaderLen && (total == 0 || total >= hlen && total <= wire)
	case len(b) >= ip6HeaderLen && b[0]>>4 == 6:
		return ip6HeaderLen+int(be.Uint16(b[4:])) <= wire
	}
	return false
}

func isIP(t uint16) bool { return t == typeIPv4 || t == typeIPv6 }

// plausibleEthernet reports whether an Ethernet frame may start here.
func plausibleEthernet(b []byte, wire int) bool {
	if len(b) < ethernetLen+2 {
		return false
	}
	switch t := be.Uint16(b[12:]); t {
	case typeIPv4, typeIPv6:
		return plausibleIP(b[ethernetLen:], wire-ethernetLen)
	case typeVLAN, typeQinQ, typeOldQinQ, typeARP, typeMPLS, typePPPoE, typeDiscovery:
		return true
	default:
		return t <= 1500 && int(t) <= wire-ethernetLen && (b[14] == 0xaa && b[15] == 0xaa || b[14] == 0x42)
	}
}
