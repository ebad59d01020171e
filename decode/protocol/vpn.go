package protocol

import "bytes"

// isWireGuard looks for the four messages: their lengths are fixed.
func isWireGuard(d *Datagram) (weight, bool) {
	b := d.Data
	if len(b) < 8 || b[1]|b[2]|b[3] != 0 {
		return alien, false
	}
	switch {
	case b[0] == 1 && d.Wire == 148 && len(b) >= 40 && bytes.Count(b[4:40], []byte{0}) < 8:
		return sure, false
	case b[0] == 2 && d.Wire == 92 && len(b) >= 44 && bytes.Count(b[4:44], []byte{0}) < 8:
		return sure, true
	case b[0] == 3 && d.Wire == 64, b[0] == 4 && d.Wire >= 32 && d.Wire%16 == 0:
		return likely, false
	}
	return alien, false
}

// isIKE looks for a header (RFC 7296 section 3.1, RFC 2408 section 3.1), behind the
// marker that tells it from ESP (RFC 3948 section 2.2).
func isIKE(d *Datagram) (weight, bool) {
	b, wire := d.Data, d.Wire
	if d.on(4500) && len(b) >= 4 && be32(b) == 0 {
		b, wire = b[4:], wire-4
	}
	if len(b) < 28 || be32(b[24:]) != int64(wire) || be32(b)|be32(b[4:]) == 0 {
		return alien, false
	}
	switch {
	case b[17] == 0x20 && b[18] >= 34 && b[18] <= 44 && b[19]&0x07 == 0 && be32(b[20:]) < 1<<16:
		return sure, b[19]&0x20 != 0
	case b[17] == 0x10 && (b[18] <= 6 || b[18] == 32 || b[18] == 33) && b[18] != 0 && b[16] < 25:
		return sure, false
	}
	return alien, false
}

// isOpenVPN looks for the reset that opens a session: an opcode with key 0, a
// session id, and a packet id of zero.
func isOpenVPN(d *Datagram) (weight, bool) {
	b := d.Data
	if len(b) < 14 || d.Wire > 200 {
		return alien, false
	}
	switch b[0] {
	case 7 << 3, 8 << 3, 10 << 3:
	default:
		return alien, false
	}
	answer := b[0] == 8<<3
	if d.Wire == 14 && b[9] == 0 && be32(b[10:]) == 0 || answer && d.Wire == 26 && b[9] == 1 {
		return sure, answer
	}
	switch d.Wire {
	case 14, 22, 26, 42, 50, 54, 62: // with what --tls-auth adds, or without
		return likely, answer
	}
	return alien, false
}

// isL2TP looks for a control message of version 2 (RFC 2661 section 3.1).
func isL2TP(d *Datagram) (weight, bool) {
	b := d.Data
	if len(b) < 12 || be16(b)&0xcb0f != 0xc802 || be16(b[2:]) != d.Wire || d.Wire > 12 && len(b) >= 14 && be16(b[12:])&0x3c00 != 0 {
		return alien, false
	}
	return likely, false
}

// isVXLAN looks for a header (RFC 7348 section 5). Where there is IP behind it, that
// is what the packet is.
func isVXLAN(d *Datagram) (weight, bool) {
	b := d.Data
	if len(b) < 22 || b[0] != 8 || be24(b[1:]) != 0 || b[7] != 0 {
		return alien, false
	}
	return likely, false
}

// isGTP looks for a control message of version 1 or 2 (3GPP TS 29.060, 29.274).
func isGTP(d *Datagram) (weight, bool) {
	b := d.Data
	switch {
	case len(b) < 8 || be16(b[2:]) != d.Wire-8 && be16(b[2:]) != d.Wire-4:
	case b[0]>>5 == 1 && b[0]&0x10 != 0 && be16(b[2:]) == d.Wire-8, b[0]>>5 == 2 && be16(b[2:]) == d.Wire-4:
		return likely, b[1] == 2
	}
	return alien, false
}
