package packet

// radiotap reads the header of radiotap.org, and from its flags whether a
// checksum or padding is in the frame.
func (ps *Parser) radiotap(b []byte, wire int, p *Packet) Cause {
	const hasTSFT, hasFlags, more = 1, 2, 1 << 31
	if len(b) < 8 {
		return short(wire, 8, TruncatedLink, BadLink)
	}
	size, present := int(le.Uint16(b[2:])), le.Uint32(b[4:])
	if b[0] != 0 || size < 8 {
		return BadLink
	}
	if len(b) < size {
		return short(wire, size, TruncatedLink, BadLink)
	}
	n := 8
	for word := present; word&more != 0; n += 4 {
		if n+4 > size {
			return BadLink
		}
		word = le.Uint32(b[n:])
	}
	if present&hasTSFT != 0 {
		n = (n+7)&^7 + 8
	}
	var f wirelessFlags
	if present&hasFlags != 0 && n < size {
		f = wirelessFlags(b[n])
	}
	return ps.wirelessFrame(b[size:], wire-size, f, p)
}

// prism reads the header of the Prism cards and of those that imitate it; some
// write AVS under the same link type.
func (ps *Parser) prism(b []byte, wire int, p *Packet) Cause {
	if len(b) < 8 {
		return short(wire, 8, TruncatedLink, BadLink)
	}
	if be.Uint32(b)>>12 == 0x80211 {
		return ps.avs(b, wire, p)
	}
	return ps.afterHeader(le.Uint32(b[4:]), b, wire, p)
}

// avs reads the header of the AVS drivers.
func (ps *Parser) avs(b []byte, wire int, p *Packet) Cause {
	if len(b) < 8 {
		return short(wire, 8, TruncatedLink, BadLink)
	}
	return ps.afterHeader(be.Uint32(b[4:]), b, wire, p)
}

func (ps *Parser) afterHeader(size uint32, b []byte, wire int, p *Packet) Cause {
	if size < 8 || size > 1<<16 {
		return BadLink
	}
	if len(b) < int(size) {
		return short(wire, int(size), TruncatedLink, BadLink)
	}
	return ps.wireless(b[size:], wire-int(size), p)
}

// ppi reads the per-packet information of CACE, which names the link type of
// the packet itself.
func (ps *Parser) ppi(b []byte, wire int, p *Packet) Cause {
	const common, fcs, badFCS = 2, 1, 4
	if len(b) < 8 {
		return short(wire, 8, TruncatedLink, BadLink)
	}
	size, link := int(le.Uint16(b[2:])), le.Uint32(b[4:])
	if size < 8 || link > 0xffff {
		return BadLink
	}
	if len(b) < size {
		return short(wire, size, TruncatedLink, BadLink)
	}
	if !ps.nest(p) {
		return TooDeep
	}
	if link != link80211 {
		return ps.link(uint16(link), b[size:], wire-size, p)
	}
	var f wirelessFlags
	for n := 8; n+4 <= size; n += 4 + int(le.Uint16(b[n+2:])) {
		if le.Uint16(b[n:]) == common && n+14 <= size {
			flags := le.Uint16(b[n+12:])
			if flags&fcs != 0 {
				f |= frameHasFCS
			}
			if flags&badFCS != 0 {
				f |= frameBadFCS
			}
		}
	}
	return ps.wirelessFrame(b[size:], wire-size, f, p)
}

// wirelessFlags are those of radiotap's flags field that matter here.
type wirelessFlags uint8

const (
	frameHasFCS wirelessFlags = 0x10
	framePadded wirelessFlags = 0x20
	frameBadFCS wirelessFlags = 0x40
)

// wireless reads an 802.11 frame of which nothing more is known.
func (ps *Parser) wireless(b []byte, wire int, p *Packet) Cause {
	return ps.wirelessFrame(b, wire, 0, p)
}

// wirelessFrame reads an 802.11 frame (IEEE 802.11-2020 section 9.2).
func (ps *Parser) wirelessFrame(b []byte, wire int, f wirelessFlags, p *Packet) Cause {
	const version, kind, data, noData = 3, 0x0c, 0x08, 0x40
	const minLen = 10
	if len(b) < minLen {
		return short(wire, minLen, TruncatedLink, BadLink)
	}
	if f&frameBadFCS != 0 {
		return BadFCS
	}
	if b[0]&version != 0 {
		return BadLink
	}
	if b[0]&kind != data || b[0]&noData != 0 {
		return WirelessOther
	}
	if f&frameHasFCS != 0 {
		b, wire = cut(b, wire, wire-4)
	}
	mac, ok := parseDot11(b)
	n := mac.size
	if !ok {
		return short(wire, n, TruncatedLink, BadLink)
	}
	if mac.fragment {
		return WirelessFragment
	}
	if mac.aggregate {
		return ps.aggregate(b, wire, n, p)
	}
	if f&framePadded != 0 {
		n = (n + 3) &^ 3
	}
	if mac.protected {
		// Some drivers decrypt, and leave the flag and perhaps the 8 bytes of
		// the initialization vector.
		switch {
		case startsWithSNAP(b, n):
		case startsWithSNAP(b, n+8):
			n += 8
		default:
			return EncryptedWireless
		}
	}
	if len(b) < n {
		return short(wire, n, TruncatedLink, BadLink)
	}
	return ps.llc(b[n:], wire-n, 0, p)
}

// A dot11 is what matters of the MAC header of an 802.11 data frame (IEEE
// 802.11-2020 sections 9.2.4 and 9.3.2.1).
type dot11 struct {
	size      int  // bytes
	fragment  bool // of a longer frame
	protected bool // encrypted, or it was
	aggregate bool // an A-MSDU
}

// parseDot11 reads the MAC header of a data frame. It returns false when b is too
// short for it.
func parseDot11(b []byte) (h dot11, ok bool) {
	const (
		control  = 2 // bytes
		sequence = 22
		address4 = 24

		qos                                             = 0x80 // in byte 0
		toDS, fromDS, moreFragments, protected, plusHTC = 0x01, 0x02, 0x04, 0x40, 0x80
		fragmentNumber                                  = 0x0f
		aMSDU                                           = 0x80
	)
	h.size = address4
	if len(b) < control {
		return h, false
	}
	flags := b[1]
	if flags&(toDS|fromDS) == toDS|fromDS {
		h.size += 6
	}
	qosAt := h.size
	if b[0]&qos != 0 {
		h.size += 2
		// Of other frames the bit once meant that order matters.
		if flags&plusHTC != 0 {
			h.size += 4
		}
	}
	if len(b) < h.size {
		return h, false
	}
	h.fragment = flags&moreFragments != 0 || b[sequence]&fragmentNumber != 0
	h.protected = flags&protected != 0
	h.aggregate = b[0]&qos != 0 && b[qosAt]&aMSDU != 0
	return h, true
}

func startsWithSNAP(b []byte, n int) bool {
	return len(b) >= n+6 && be.Uint32(b[n:]) == 0xaaaa0300 && b[n+4] == 0 && (b[n+5] == 0 || b[n+5] == 0xf8)
}

// aggregate reads an A-MSDU (IEEE 802.11-2020 section 9.3.2.2) that holds one
// frame. One packet cannot stand for several.
func (ps *Parser) aggregate(b []byte, wire, n int, p *Packet) Cause {
	const size, protected = 14, 0x40
	if b[1]&protected != 0 && !startsWithSNAP(b, n+size) {
		return EncryptedWireless
	}
	if len(b) < n+size {
		return short(wire, n+size, TruncatedLink, BadLink)
	}
	length := int(be.Uint16(b[n+12:]))
	if n+size+(length+3)&^3 < wire {
		return AggregatedWireless
	}
	b, wire = cut(b[n+size:], wire-n-size, length)
	return ps.llc(b, wire, 0, p)
}
