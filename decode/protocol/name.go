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
	case !answer && flags&0xf != 0 && opcode != 5 && opcode != 8:
		return alien, false
	}
	if questions+records == 0 {
		if wire == 12 && answer {
			return likely, true // an error without its question
		}
		return alien, false
	}
	at, n, named := 12, 0, false
	for ; n < questions+records; n++ {
		next, ok := domain(b, at)
		head := 10
		if n < questions {
			head = 4
		}
		named = named || next > at+1 // not the root
		if !ok || next+head > wire {
			return damaged(n, questions), answer
		}
		if next+head > len(b) {
			return weighed(n, named), answer
		}
		typ, of := be16(b[next:]), be16(b[next+2:])
		if typ == 0 || !class(of) && (typ != 41 || n < questions) { // OPT has a size there
			return damaged(n, questions), answer
		}
		at = next + head
		if n >= questions {
			at += be16(b[next+8:])
		}
		if at > wire {
			return damaged(n, questions), answer
		}
		if at > len(b) {
			return weighed(n, named), answer
		}
	}
	if !named || at != wire && questions+records < 2 && wire-at > 64 {
		return likely, answer // it says little, or something stands behind it
	}
	return sure, answer
}

// damaged is the weight of a message of which n parts are as they should be, and
// the next is not.
func damaged(n, questions int) weight {
	if n > 0 && questions == 1 {
		return likely
	}
	return alien
}

// weighed is the weight of a message that was cut behind n of its parts; named says
// that there was a name.
func weighed(n int, named bool) weight {
	if n > 0 && named {
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
			for _, c := range b[at+1 : min(len(b), at+1+n)] {
				if c < ' ' { // nobody has such names
					return at, false
				}
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
