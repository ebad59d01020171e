package packet

// ppp reads a PPP frame, with or without address and control bytes, and with
// the protocol in one byte or two (RFC 1661 section 2, RFC 1662 section 3.1).
func (ps *Parser) ppp(b []byte, wire int, p *Packet) Cause {
	const (
		ip4        = 0x0021
		compressed = 0x002d // Van Jacobson
		unchanged  = 0x002f
		bridging   = 0x0031
		multilink  = 0x003d
		ip6        = 0x0057
		encrypted  = 0x0053
		ccpSingle  = 0x00fb
		ccp        = 0x00fd
		mpls       = 0x0281
		mplsMulti  = 0x0283
		control    = 0x8000 // and above: NCPs, LCP, authentication
	)
	if len(b) >= 2 && b[0] == 0xff && b[1] == 0x03 {
		b, wire = b[2:], wire-2
	}
	if len(b) < 2 {
		return short(wire, 2, TruncatedLink, BadLink)
	}
	t, n := int(b[0]), 1
	if t&1 == 0 { // RFC 1661: the last byte of a protocol is odd
		t, n = int(be.Uint16(b)), 2
	}
	b, wire = b[n:], wire-n
	switch t {
	case ip4:
		return ps.ip4(b, wire, p)
	case ip6:
		return ps.ip6(b, wire, p)
	case mpls, mplsMulti:
		return ps.mpls(b, wire, p)
	case compressed, unchanged, encrypted, ccpSingle, ccp:
		return CompressedPPP
	case multilink:
		return ps.multilink(b, wire, p)
	case bridging: // RFC 3518 section 4.2
		const hasFCS, isEthernet = 0x80, 1
		if len(b) > 1 && b[1] == isEthernet {
			return ps.innerEthernet(2, b, wire, p)
		}
		return LLC
	}
	switch {
	case t >= control:
		return PPPControl
	case t&1 == 0:
		return BadLink
	}
	return NotIP
}

// multilink reads a multilink PPP header (RFC 1990 section 3), if the packet is
// not split. Its sequence number has 24 or 12 bits, as was negotiated.
func (ps *Parser) multilink(b []byte, wire int, p *Packet) Cause {
	const begin, end = 0x80, 0x40
	if len(b) < 4 {
		return short(wire, 4, TruncatedLink, BadLink)
	}
	if b[0]&(begin|end) == begin|end {
		for _, n := range [...]int{4, 2} {
			if plausiblePPP(b[n:], wire-n) {
				return ps.ppp(b[n:], wire-n, p)
			}
		}
	}
	return PPPFragment
}

// pppoe reads a PPPoE session header (RFC 2516 section 4).
func (ps *Parser) pppoe(b []byte, wire int, p *Packet) Cause {
	const size, session = 6, 0
	if len(b) < size {
		return short(wire, size, TruncatedLink, BadLink)
	}
	if b[0] != 0x11 {
		return BadLink
	}
	if b[1] != session {
		return PPPControl
	}
	n := int(be.Uint16(b[4:]))
	b, wire = cut(b[size:], wire-size, n)
	return ps.ppp(b, wire, p)
}

// hdlc reads Cisco's HDLC framing (RFC 1547 section 4.3.1).
func (ps *Parser) hdlc(b []byte, wire int, p *Packet) Cause {
	const keepalive, iso = 0x8035, 0xfefe
	if len(b) < 4 {
		return short(wire, 4, TruncatedLink, BadLink)
	}
	switch t := be.Uint16(b[2:]); {
	case t == keepalive:
		return NotIP
	case t == iso:
		return ps.nlpid(b[4:], wire-4, p)
	case t < minType:
		return NotIP
	default:
		return ps.etherType(t, b[4:], wire-4, p)
	}
}

// frameRelay reads a frame with an address of two to four bytes, and then RFC
// 2427 or Cisco encapsulation.
func (ps *Parser) frameRelay(b []byte, wire int, p *Packet) Cause {
	const last, unnumbered = 1, 0x03
	n := 2
	for n <= 4 && n <= len(b) && b[n-1]&last == 0 {
		n++
	}
	if len(b) < n+2 {
		return short(wire, n+2, TruncatedLink, BadLink)
	}
	if b[0]&last != 0 || n > 4 {
		return BadLink
	}
	b, wire = b[n:], wire-n
	if b[0] != unnumbered {
		if t := be.Uint16(b); t >= minType {
			return ps.etherType(t, b[2:], wire-2, p)
		}
		return NotIP
	}
	b, wire = b[1:], wire-1
	if b[0] == 0 && len(b) > 1 { // padding
		b, wire = b[1:], wire-1
	}
	return ps.nlpid(b, wire, p)
}

// nlpid reads a network layer protocol id (ISO/IEC TR 9577).
func (ps *Parser) nlpid(b []byte, wire int, p *Packet) Cause {
	const (
		snap      = 0x80
		ip6       = 0x8e
		multilink = 0xb1 // FRF.12
		ip4       = 0xcc
		ppp       = 0xcf
	)
	if len(b) < 1 {
		return short(wire, 1, TruncatedLink, BadLink)
	}
	t := b[0]
	b, wire = b[1:], wire-1
	switch t {
	case snap:
		return ps.snap(b, wire, 0, p)
	case ip4:
		return ps.ip4(b, wire, p)
	case ip6:
		return ps.ip6(b, wire, p)
	case ppp:
		return ps.ppp(b, wire, p)
	case multilink:
		return PPPFragment
	}
	return NotIP
}

// multilinkFR reads FRF.16 multilink frame relay, if the frame is not split.
func (ps *Parser) multilinkFR(b []byte, wire int, p *Packet) Cause {
	const begin, end, control = 0x80, 0x40, 0x20
	if len(b) < 2 {
		return short(wire, 2, TruncatedLink, BadLink)
	}
	switch b[0] & (begin | end | control) {
	case begin | end:
		return ps.frameRelay(b[2:], wire-2, p)
	case begin | end | control:
		return NotIP
	}
	return PPPFragment
}

// atm reads the payload of an AAL5 frame (RFC 2684): LLC, or without a header
// IP, PPP or a bridged Ethernet frame.
func (ps *Parser) atm(b []byte, wire int, p *Packet) Cause {
	switch {
	case len(b) < 3:
		return short(wire, 3, TruncatedLink, BadLink)
	case plausibleIP(b, wire):
		return ps.ip(b, wire, p)
	case plausiblePPP(b, wire):
		return ps.ppp(b, wire, p)
	case len(b) > 2 && b[0] == 0 && b[1] == 0 && plausibleEthernet(b[2:], wire-2):
		return ps.innerEthernet(2, b, wire, p)
	}
	return ps.llc(b, wire, 2, p)
}

// plausiblePPP reports whether a PPP frame with an IP packet may start here.
func plausiblePPP(b []byte, wire int) bool {
	if len(b) >= 2 && b[0] == 0xff && b[1] == 0x03 {
		b, wire = b[2:], wire-2
	}
	if len(b) < 2 {
		return false
	}
	if b[0] == 0x21 || b[0] == 0x57 {
		return plausibleIP(b[1:], wire-1)
	}
	switch be.Uint16(b) {
	case 0x0021, 0x0057:
		return plausibleIP(b[2:], wire-2)
	case 0xc021, 0xc023, 0xc223, 0x8021, 0x8057:
		return true
	}
	return false
}
