package packet

// sll2 reads a Linux cooked header of version 2: what the "any" device gives.
func (ps *Parser) sll2(b []byte, wire int, p *Packet) Cause {
	const size = 20
	if len(b) < size {
		return short(wire, size, TruncatedLink, BadLink)
	}
	p.Interface = be.Uint32(b[4:])
	p.Outgoing = b[10] == 4
	return ps.cooked(be.Uint16(b[8:]), be.Uint16(b), b[size:], wire-size, p)
}

// sll reads a Linux cooked header of version 1.
func (ps *Parser) sll(b []byte, wire int, p *Packet) Cause {
	const size = 16
	if len(b) < size {
		return short(wire, size, TruncatedLink, BadLink)
	}
	p.Outgoing = be.Uint16(b) == 4
	return ps.cooked(be.Uint16(b[2:]), be.Uint16(b[14:]), b[size:], wire-size, p)
}

// cooked reads what follows a Linux cooked header. hw is Linux's ARPHRD_ type
// of the device, which may make t meaningless.
func (ps *Parser) cooked(hw, t uint16, b []byte, wire int, p *Packet) Cause {
	const frad, wireless, prism, radiotap, netlink = 770, 801, 802, 803, 824
	switch hw {
	case frad:
		return ps.frameRelay(b, wire, p)
	case wireless:
		return ps.wireless(b, wire, p)
	case prism:
		return ps.prism(b, wire, p)
	case radiotap:
		return ps.radiotap(b, wire, p)
	case netlink:
		return NotIP
	}
	switch {
	case t >= minType:
		return ps.etherType(t, b, wire, p)
	case t == 4:
		return ps.llc(b, wire, 0, p)
	case t == 1:
		return LLC
	}
	return NotIP
}

// loopback reads the address family that BSD systems and Windows put before
// loopback packets, in the byte order of the machine.
func (ps *Parser) loopback(b []byte, wire int, p *Packet) Cause {
	const (
		inet       = 2
		inet6Linux = 10
		inet6Win   = 23
		inet6NBSD  = 24 // and OpenBSD
		inet6FBSD  = 28
		inet6Apple = 30
	)
	if len(b) < 4 {
		return short(wire, 4, TruncatedLink, BadLink)
	}
	if b[0] == 0xff && b[1] == 0x03 { // some systems write PPP this way
		return ps.ppp(b, wire, p)
	}
	family := be.Uint32(b)
	if family > 0xffff {
		family = le.Uint32(b)
	}
	b, wire = b[4:], wire-4
	switch family {
	case inet:
		return ps.ip4(b, wire, p)
	case inet6Linux, inet6Win, inet6NBSD, inet6FBSD, inet6Apple:
		return ps.ip6(b, wire, p)
	}
	if family >= minType && family <= 0xffff {
		return ps.etherType(uint16(family), b, wire, p)
	}
	return NotIP
}

// rareLink reads the link types that are seldom seen.
func (ps *Parser) rareLink(link uint16, b []byte, wire int, p *Packet) Cause {
	// What follows a header of fixed length.
	type kind uint8
	const (
		unknown   kind = iota
		anyIP          // a packet of either version
		etherType      // the header ends with an Ethernet type
		frame          // an Ethernet frame
		withLLC
	)
	var k kind
	var n int
	switch link {
	case linkTokenRing:
		return ps.tokenRing(b, wire, p)
	case linkARCnetBSD, linkARCnetLinux:
		return ps.arcnet(link, b, wire, p)
	case linkNFLog:
		return ps.nflog(b, wire, p)
	case linkPktap, linkUser2: // Apple used the private number first
		return ps.pktap(link, b, wire, p)
	case linkERF:
		return ps.erf(b, wire, p)
	case linkSunATM:
		if b[0]&15 != 2 { // raw cells, LANE, signalling
			return NotIP
		}
		k, n = withLLC, 4
	case linkSLIP:
		k, n = anyIP, 16
	case linkEnc:
		k, n = anyIP, 12
	case linkIPNet:
		k, n = anyIP, 24
	case linkPFLog:
		k, n = anyIP, (int(b[0])+3)&^3
	case linkFDDI:
		if b[0]&0xf0 != 0x50 { // no LLC frame
			return NotIP
		}
		k, n = withLLC, 13
	case linkIPoverFC:
		k, n = withLLC, 16
	case linkApple1394:
		k, n = etherType, 18
	case linkIPoIB:
		// RFC 4391 section 6: a type and two zero bytes. Older captures have
		// the 40 bytes of a global route header before.
		n = 4
		if len(b) >= 44 && (b[2] != 0 || b[3] != 0 || be.Uint16(b) < minType) {
			n = 44
		}
		if len(b) < n {
			return short(wire, n, TruncatedLink, BadLink)
		}
		return ps.etherType(be.Uint16(b[n-4:]), b[n:], wire-n, p)
	case linkDSABroadcom, linkDSAMarvell:
		k, n = etherType, ethernetLen+4
	case linkDSAMarvellType:
		k, n = etherType, ethernetLen+8
	case linkDSAPrepend, linkNetAnalyzer:
		k, n = frame, 4
	case linkNetAnalyzerFull:
		k, n = frame, 12
	case linkEPON:
		k, n = frame, 6
	}
	if k == unknown {
		if int(link) < len(linkNames) && linkNames[link] != "" {
			return UnreadableLink
		}
		return UnknownLink
	}
	if len(b) < n {
		return short(wire, n, TruncatedLink, BadLink)
	}
	head := b[:n]
	b, wire = b[n:], wire-n
	switch k {
	case anyIP:
		return ps.ip(b, wire, p)
	case withLLC:
		return ps.llc(b, wire, 2, p)
	case etherType:
		return ps.etherType(be.Uint16(head[n-2:]), b, wire, p)
	}
	return ps.ethernet(b, wire, p)
}

// tokenRing reads an IEEE 802.5 frame, with source routing.
func (ps *Parser) tokenRing(b []byte, wire int, p *Packet) Cause {
	const size, routed, isLLC = 14, 0x80, 0x40
	n := size
	if len(b) > size && b[8]&routed != 0 {
		n += int(b[size] & 31)
	}
	if len(b) < n {
		return short(wire, n, TruncatedLink, BadLink)
	}
	if b[1]&0xc0 != isLLC {
		return NotIP
	}
	return ps.llc(b[n:], wire-n, 0, p)
}

// arcnet reads an ARCnet frame (RFC 1201, RFC 1051).
func (ps *Parser) arcnet(link uint16, b []byte, wire int, p *Packet) Cause {
	const ip4, arp, rarp, ip6, oldIP4, oldARP, exception = 212, 213, 214, 196, 240, 241, 0xff
	n := 2
	if link == linkARCnetLinux {
		n = 4
	}
	if len(b) <= n {
		return short(wire, n+1, TruncatedLink, BadLink)
	}
	proto := b[n]
	if n++; proto != oldIP4 && proto != oldARP {
		// A split flag and a sequence number of two bytes.
		if len(b) > n && b[n] == exception {
			n += 4
		}
		if len(b) < n+3 {
			return short(wire, n+3, TruncatedLink, BadLink)
		}
		if b[n] != 0 && link == linkARCnetBSD { // Linux puts the pieces together
			return UnreadableLink
		}
		n += 3
	}
	switch proto {
	case ip4, oldIP4:
		return ps.ip4(b[n:], wire-n, p)
	case ip6:
		return ps.ip6(b[n:], wire-n, p)
	case arp, rarp, oldARP:
		return ARP
	}
	return NotIP
}

// nflog reads the attributes of Linux's netfilter log. Their lengths are in the
// byte order of the machine that wrote them.
func (ps *Parser) nflog(b []byte, wire int, p *Packet) Cause {
	const size, payload = 4, 9
	for n := size; n+4 <= len(b); {
		length, t := int(le.Uint16(b[n:])), le.Uint16(b[n+2:])
		if t&0x7fff > 0xff { // no such type: it is big-endian
			length, t = int(be.Uint16(b[n:])), be.Uint16(b[n+2:])
		}
		if length < 4 {
			return BadLink
		}
		if t&0x7fff == payload {
			in, left := cut(b[n+4:], wire-n-4, length-4)
			return ps.ip(in, left, p)
		}
		n += (length + 3) &^ 3
		if n > wire {
			return BadLink
		}
	}
	return short(wire, len(b)+1, TruncatedLink, NotIP)
}

// pktap reads Apple's header, which names the link type of the packet itself.
func (ps *Parser) pktap(link uint16, b []byte, wire int, p *Packet) Cause {
	const size, outgoing, version2 = 40, 2, 0x80000
	if len(b) < size {
		if link == linkUser2 {
			return UnknownLink
		}
		return short(wire, size, TruncatedLink, BadLink)
	}
	flags := le.Uint32(b[36:])
	n, inner := int64(le.Uint32(b)), le.Uint32(b[8:])
	if flags&version2 != 0 {
		n, inner = int64(b[0]), uint32(le.Uint16(b[6:]))
	}
	if n < size || n > 512 || inner > 0xffff {
		if link == linkUser2 {
			return UnknownLink
		}
		return BadLink
	}
	if len(b) < int(n) {
		return short(wire, int(n), TruncatedLink, BadLink)
	}
	if !ps.nest(p) {
		return TooDeep
	}
	p.Outgoing = flags&outgoing != 0
	return ps.link(uint16(inner), b[n:], wire-int(n), p)
}

// erf reads an Endace record header.
func (ps *Parser) erf(b []byte, wire int, p *Packet) Cause {
	const size, extended = 16, 0x80
	if len(b) < size {
		return short(wire, size, TruncatedLink, BadLink)
	}
	t, n := b[8], size
	for more := t&extended != 0; more; n += 8 {
		if len(b) < n+8 {
			return short(wire, n+8, TruncatedLink, BadLink)
		}
		more = b[n]&extended != 0
	}
	b, wire = b[n:], wire-n
	switch t & 0x7f {
	case 2, 11, 16, 20: // Ethernet, plain or coloured: two bytes of padding
		return ps.innerEthernet(2, b, wire, p)
	case 1, 10, 15, 17: // HDLC
		if len(b) > 0 && (b[0] == 0x0f || b[0] == 0x8f) {
			return ps.hdlc(b, wire, p)
		}
		return ps.ppp(b, wire, p)
	case 22, 23:
		return ps.ip(b, wire, p)
	}
	return UnreadableLink
}
