package protocol

// isRADIUS looks for a packet (RFC 2865 section 3) that its attributes fill.
func isRADIUS(d *Datagram) (weight, bool) {
	b := d.Data
	if len(b) < 20 || b[0] == 0 || b[0] > 51 || b[0] > 13 && b[0] < 40 || be16(b[2:]) < 20 || be16(b[2:]) > d.Wire || d.Wire > 4096 {
		return alien, false
	}
	answer := b[0] == 2 || b[0] == 3 || b[0] == 5 || b[0] == 11
	rest, n := be16(b[2:])-20, 0
	for b = b[20:]; rest > 0; n++ {
		if len(b) < 2 {
			if d.whole() {
				return alien, false
			}
			break
		}
		size := int(b[1])
		if b[0] == 0 || size < 2 || size > rest {
			return alien, false
		}
		rest -= size
		b = b[min(size, len(b)):]
	}
	if n >= 3 && be16(d.Data[2:]) == d.Wire {
		return sure, answer
	}
	return likely, answer
}

// isRPCDatagram looks for a call of ONC RPC (RFC 5531 section 9), or an answer.
func isRPCDatagram(d *Datagram) (weight, bool) { return call32(d.Data) }

func call32(b []byte) (weight, bool) {
	switch {
	case len(b) < 24:
	case be32(b[4:]) == 0 && be32(b[8:]) == 2 && program(be32(b[12:])) && (len(b) < 32 || be32(b[24:]) <= 6 && be32(b[28:]) <= 400) && be32(b[16:]) < 16 && be32(b[20:]) < 256:
		return sure, false
	case be32(b[4:]) == 1 && be32(b[8:]) <= 1 && be32(b[12:]) <= 6 && be32(b[16:]) <= 400:
		return likely, true
	}
	return alien, false
}

// program reports whether n is in one of the ranges in which programs were given
// numbers.
func program(n int64) bool {
	return n >= 100000 && n < 100500 || n >= 150000 && n < 150010 || n >= 300000 && n < 300700 || n >= 390000 && n < 396000
}

// isRIP looks for a message (RFC 2453 section 4).
func isRIP(d *Datagram) (weight, bool) {
	b := d.Data
	if len(b) < 4 || b[0] == 0 || b[0] > 2 || b[1] == 0 || b[1] > 2 || b[1] == 1 && be16(b[2:]) != 0 || d.Wire < 24 || (d.Wire-4)%20 != 0 || !d.on(520) {
		return alien, false
	}
	return likely, b[0] == 2
}

// isBFD looks for a control packet (RFC 5880 section 4.1).
func isBFD(d *Datagram) (weight, bool) {
	b := d.Data
	if len(b) < 24 || b[0]>>5 != 1 || b[0]&31 > 8 || int(b[3]) != d.Wire || b[2] == 0 || be32(b[4:]) == 0 {
		return alien, false
	}
	return likely, false
}

// recent is a time in seconds since 1970: no flow was exported before 1995.
const recent = 0x2f000000

// isNetFlow looks for versions 5 and 9, and for IPFIX (RFC 3954, RFC 7011).
func isNetFlow(d *Datagram) (weight, bool) {
	b := d.Data
	if len(b) < 24 {
		return alien, false
	}
	n := be16(b[2:])
	switch {
	case be16(b) == 5 && n > 0 && n <= 30 && d.Wire == 24+48*n && be32(b[8:]) > recent:
		return sure, false
	case be16(b) == 9 && n > 0 && n < 200 && be32(b[8:]) > recent && be16(b[20:]) < 1024 && be16(b[22:]) >= 4 && be16(b[22:]) <= d.Wire-20:
		return likely, false
	case be16(b) == 10 && n == d.Wire && be32(b[4:]) > recent && be16(b[18:]) <= d.Wire-16 && (be16(b[16:]) == 2 || be16(b[16:]) == 3 || be16(b[16:]) >= 256):
		return sure, false
	}
	return alien, false
}

// isSFlow looks for a datagram of version 5 or 4.
func isSFlow(d *Datagram) (weight, bool) {
	b := d.Data
	if len(b) < 28 || be32(b) != 5 && be32(b) != 4 || be32(b[4:]) != 1 && be32(b[4:]) != 2 {
		return alien, false
	}
	return likely, false
}

// isHSRP looks for a message (RFC 2281 section 5.1), or one of version 2.
func isHSRP(d *Datagram) (weight, bool) {
	b := d.Data
	switch {
	case len(b) >= 16 && b[0] == 0 && (b[1] <= 2 && d.Wire >= 20 && be32(b[4:])&0xff0000 <= 0xff0000 || b[1] == 3) && b[7] == 0 && d.on(1985):
		return likely, false
	case len(b) >= 4 && (b[0] == 1 && b[1] == 40) && d.on(1985), len(b) >= 4 && b[0] == 4 && d.on(1985):
		return likely, false
	}
	return alien, false
}
