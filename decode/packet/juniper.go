package packet

// juniper reads the header that Juniper routers put before the packets of their
// interface cards: a magic number, extensions, and for some cards a cookie.
func (ps *Parser) juniper(link uint16, b []byte, wire int, p *Packet) Cause {
	const noLayer2, extended = 0x02, 0x80
	if len(b) < 4 {
		return short(wire, 4, TruncatedLink, BadLink)
	}
	if b[0] != 'M' || b[1] != 'G' || b[2] != 'C' {
		return BadLink
	}
	n, flags := 4, b[3]
	if flags&extended != 0 {
		if len(b) < 6 {
			return short(wire, 6, TruncatedLink, BadLink)
		}
		n = 6 + int(be.Uint16(b[4:]))
	}
	if flags&noLayer2 != 0 {
		n += 4
	}
	if len(b) < n {
		return short(wire, n, TruncatedLink, BadLink)
	}
	b, wire = b[n:], wire-n
	if flags&noLayer2 != 0 {
		return ps.ip(b, wire, p)
	}
	switch link {
	case linkJuniperEther, linkJuniperPPPoE:
		return ps.ethernet(b, wire, p)
	case linkJuniperPPP:
		return ps.ppp(b, wire, p)
	case linkJuniperFrameRelay:
		return ps.frameRelay(b, wire, p)
	case linkJuniperCHDLC:
		return ps.hdlc(b, wire, p)
	case linkJuniperPPPoEATM:
		if len(b) < 2 {
			return short(wire, 2, TruncatedLink, BadLink)
		}
		return ps.etherType(be.Uint16(b), b[2:], wire-2, p)
	}
	// The length of the cookie depends on the card and its software.
	for skip := 0; skip <= 12 && skip < len(b); skip += 2 {
		in, left := b[skip:], wire-skip
		switch {
		case plausibleIP(in, left):
			return ps.ip(in, left, p)
		case plausiblePPP(in, left):
			return ps.ppp(in, left, p)
		case len(in) >= 8 && (be.Uint32(in)>>8 == 0xaaaa03 || be.Uint32(in)>>8 == 0xfefe03):
			return ps.llc(in, left, 2, p)
		case len(in) >= 2 && in[0] == 0x03 && in[1] == 0xcc && plausibleIP(in[2:], left-2):
			return ps.ip(in[2:], left-2, p)
		case plausibleEthernet(in, left):
			return ps.innerEthernet(0, in, left, p)
		}
	}
	return UnreadableLink
}
