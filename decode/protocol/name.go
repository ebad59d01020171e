package protocol

// isDNS looks for a message (RFC 1035 section 4): its counts, names, types and
// classes have to add up to the datagram.
func isDNS(d *Datagram) (weight, bool) {
	return message(d.Data, d.Wire)
}

// dialect returns which of the protocols with this format it is: they differ by
// port, and NetBIOS by its names.
func dialect(d *Datagram) string {
	switch {
	case d.on(5353):
		return MDNS
	case d.on(5355):
		return LLMNR
	case d.on(137), len(d.Data) >= 50 && encoded(d.Data[12:]):
		return NetBIOSName
	}
	return DNS
}

// encoded reports whether b begins with a name as NetBIOS writes it (RFC 1001
// section 14.1).
func encoded(b []byte) bool {
	if len(b) < 33 || b[0] != 32 {
		return false
	}
	for _, c := range b[1:33] {
		if c < 'A' || c > 'P' {
			return false
		}
	}
	return true
}

// message weighs a DNS message of which b was captured.
func message(b []byte, wire int) (weight, bool) {
	if len(b) < 12 {
		return alien, false
	}
	flags, answer := be16(b[2:]), b[2]&0x80 != 0
	opcode := flags >> 11 & 15
	questions, records := be16(b[4:]), be16(b[6:])+be16(b[8:])+be16(b[10:])
	switch {
	case opcode > 6 && opcode != 8 || opcode == 3:
		return alien, false
	case flags&0x40 != 0 && opcode == 0: // must be zero (RFC 1035 section 4.1.1)
		return alien, false
	case (questions+records)*5+12 > wire+5*min(questions, 1) || questions > 64:
		return alien, false
	case !answer && flags&0xf != 0 && opcode != 5 && opcode != 8:
		return alien, false
	}
	if questions+records == 0 {
		if wire == 12 && answer {
			return likely, true // an error without its question
		}
		return alien, false
	}
	at := 12
	for i := range questions {
		var ok bool
		at, ok = domain(b, at)
		if !ok || at+4 > wire {
			return alien, false
		}
		if at+4 > len(b) {
			return weighed(i), answer
		}
		if !class(be16(b[at+2:])) || be16(b[at:]) == 0 {
			return alien, false
		}
		at += 4
	}
	for i := range records {
		var ok bool
		at, ok = domain(b, at)
		if !ok || at+10 > wire {
			return alien, false
		}
		if at+10 > len(b) {
			return weighed(questions + i), answer
		}
		typ, size := be16(b[at:]), be16(b[at+8:])
		if typ == 0 || typ != 41 && !class(be16(b[at+2:])) { // OPT has a size there
			return alien, false
		}
		if at += 10 + size; at > wire {
			return alien, false
		}
		if at > len(b) {
			return weighed(questions + i), answer
		}
	}
	if at != wire && questions+records < 2 && wire-at > 64 {
		return likely, answer // something stands behind it
	}
	return sure, answer
}

// weighed is the weight of a message that was cut behind n of its parts.
func weighed(n int) weight {
	if n > 0 {
		return sure
	}
	return likely
}

// class reports whether c is a class (RFC 6895 section 3.2), with the bit that mDNS
// gives a meaning of its own (RFC 6762 section 5.4).
func class(c int) bool {
	switch c & 0x7fff {
	case 1, 3, 4, 254, 255:
		return true
	}
	return false
}

// domain steps over a name. What was not captured is believed.
func domain(b []byte, at int) (int, bool) {
	for size := 0; ; {
		if at >= len(b) {
			return at, true
		}
		switch n := int(b[at]); {
		case n == 0:
			return at + 1, true
		case n >= 0xc0:
			if at+1 < len(b) && be16(b[at:])&0x3fff >= at {
				return at, false
			}
			return at + 2, true
		case n > 63:
			return at, false
		default:
			if size += n + 1; size > 255 {
				return at, false
			}
			at += n + 1
		}
	}
}

// isNetBIOSData looks for a datagram of NetBIOS (RFC 1002 section 4.4).
func isNetBIOSData(d *Datagram) (weight, bool) {
	b := d.Data
	switch {
	case len(b) < 10 || b[0] < 0x10 || b[0] > 0x16 || b[1] > 0x0f || be16(b[8:]) != int(d.Src) && be16(b[8:]) != 138:
		return alien, false
	case len(b) >= 47 && encoded(b[14:]):
		return sure, false
	}
	return likely, false
}
