package protocol

// rtp is what is known of the packets of one synchronisation source.
type rtp struct {
	ssrc uint32
	seq  uint16
	kind uint8
	run  uint8
}

// enough is how many packets of one source in a row are RTP: each has 40 bits
// that the one before it foretold.
const enough = 4

// media follows RTP (RFC 3550 section 5.1), and reports whether there were enough
// packets of one source. There is nothing in a single one that tells.
func (s *Datagrams) media(d *Datagram) bool {
	b := d.Data
	if len(b) < 12 || b[0]>>6 != 2 || b[1]&0x7f >= 64 && b[1]&0x7f < 96 {
		return false
	}
	way := 0
	if d.Back {
		way = 1
	}
	r := &s.rtp[way]
	ssrc, seq, kind := uint32(be32(b[8:])), uint16(be16(b[2:])), b[1]&0x7f
	step := seq - r.seq
	switch {
	case ssrc == 0 || r.run == 0 || r.ssrc != ssrc || step > 16 && step < 0xfff0 || step == 0:
		r.run = 1
	case kind == r.kind || kind >= 96 || r.kind >= 96 || kind == 13 || r.kind == 13 || kind == 19:
		r.run++
	default:
		r.run = 1
	}
	r.ssrc, r.seq, r.kind = ssrc, seq, kind
	return r.run >= enough
}

// isRTCP looks for a compound packet (RFC 3550 section 6.1): reports that fill the
// datagram.
func isRTCP(d *Datagram) (weight, bool) {
	b := d.Data
	if len(b) < 8 || !d.whole() || b[0]>>6 != 2 || b[1] != 200 && b[1] != 201 {
		return alien, false
	}
	n, exact := 0, false
	for rest := b; len(rest) > 0; n++ {
		if len(rest) < 4 || rest[0]>>6 != 2 || rest[1] < 200 || rest[1] > 207 {
			if n > 0 && len(rest) <= 20 { // the index and the tag of SRTCP
				break
			}
			return alien, false
		}
		size := 4 + 4*be16(rest[2:])
		if size > len(rest) {
			if n > 0 {
				break // encrypted from here on (RFC 3711 section 3.4)
			}
			return alien, false
		}
		if n == 0 {
			head := 8
			if b[1] == 200 {
				head = 28
			}
			reports := head + 24*int(b[0]&31)
			if size < reports {
				return alien, false
			}
			exact = size == reports && size > 8
		}
		rest = rest[size:]
	}
	if n > 1 || exact {
		return sure, false
	}
	return likely, false
}

// isSTUN looks for the magic cookie (RFC 8489 section 5), or for a message of
// the older RFC 3489.
func isSTUN(d *Datagram) (weight, bool) {
	b := d.Data
	if len(b) < 20 || b[0]>>6 != 0 {
		return alien, false
	}
	answer := b[0]&1 != 0
	size := be16(b[2:])
	if size%4 != 0 || size+20 != d.Wire {
		return alien, false
	}
	if be32(b[4:]) == 0x2112a442 {
		return sure, answer
	}
	if t := be16(b); (t == 1 || t == 0x101 || t == 0x111) && attributes(b[20:], 4, 4, size) {
		return likely, answer
	}
	return alien, false
}

// attributes reports whether b is a row of attributes, each a type, a length
// and a value that is padded: as far as it was captured.
func attributes(b []byte, head, pad, size int) bool {
	for size > 0 {
		if size < head {
			return false
		}
		if len(b) < head {
			return true
		}
		n := head + be16(b[head-2:])
		n = (n + pad - 1) / pad * pad
		if n > size {
			return false
		}
		size -= n
		b = b[min(n, len(b)):]
	}
	return true
}

// isDTLS looks for records (RFC 6347 section 4.1) that fill the datagram.
func isDTLS(d *Datagram) (weight, bool) {
	b := d.Data
	rest := d.Wire
	w, answer := alien, false
	for n := 0; rest > 0 && n < 8; n++ {
		if len(b) < 13 {
			if n == 0 {
				return alien, false
			}
			break
		}
		v := be16(b[1:])
		if b[0] < 20 || b[0] > 26 || v != 0xfeff && v != 0xfefd && v != 0x0100 {
			if n > 0 && b[0]>>5 == 1 { // RFC 9147 section 4
				break
			}
			return alien, false
		}
		size := 13 + be16(b[11:])
		if size == 13 || size > rest {
			return alien, false
		}
		if n == 0 {
			w = likely
			if be16(b[3:]) == 0 && b[0] == handshake && len(b) >= 25 {
				if b[13] > 24 || be24(b[22:]) > be24(b[14:]) {
					return alien, false
				}
				w, answer = sure, b[13] == serverHello || b[13] == 3
			} else if v != 0x0100 {
				w = sure
			}
		}
		rest -= size
		b = b[min(size, len(b)):]
	}
	return w, answer
}

// isQUIC looks for a long header (RFC 9000 section 17.2) of a version that is
// known.
func isQUIC(d *Datagram) (weight, bool) {
	b := d.Data
	if len(b) < 7 || b[0]&0x80 == 0 {
		return alien, false
	}
	n := int(b[5])
	if n > 20 || len(b) > 6+n && int(b[6+n]) > 20 {
		return alien, false
	}
	typ := b[0] >> 4 & 3
	switch v := be32(b[1:]); {
	case v == 0: // a negotiation: a list of versions
		rest := d.Wire - 7 - n
		if len(b) < 7+n {
			return alien, false
		}
		rest -= int(b[6+n])
		if rest < 4 || rest%4 != 0 || len(b) < d.Wire {
			return alien, false
		}
		for l := b[len(b)-rest:]; len(l) > 0; l = l[4:] {
			if w := be32(l); known(w) {
				return sure, true
			}
		}
		return likely, true
	case !known(v):
		return alien, false
	case v == 0x6b3343cf: // RFC 9369 section 3.2
		typ = (typ + 3) & 3
		fallthrough
	default:
		if b[0]&0x40 == 0 && v>>16 == 0 { // the fixed bit, unless it is greased
			return likely, false
		}
		// A client's first datagram has 1200 bytes at least (section 14.1); a
		// Retry, too, is what servers send.
		return sure, typ == 3
	}
}

// known reports whether v is a version of QUIC: 1, 2, a draft, or one of a
// large implementation.
func known(v int64) bool {
	switch {
	case v == 1, v == 0x6b3343cf, v == 0x709a50c4, v>>8 == 0xff0000 && v&0xff <= 34 && v&0xff > 0, v>>8 == 0xff0200 && v&0xff < 4:
		return true
	case v>>4 == 0xfaceb00, v == 0x51303530, v == 0x54303530, v == 0x54303531, v == 0xff020001:
		return true
	}
	return v&0x0f0f0f0f == 0x0a0a0a0a
}

// isGQUIC looks for the public header of Google's QUIC, with its version.
func isGQUIC(d *Datagram) (weight, bool) {
	b := d.Data
	version := func(v []byte) bool {
		return (v[0] == 'Q' || v[0] == 'T') && v[1] == '0' && v[2] >= '0' && v[2] <= '5' && v[3] >= '0' && v[3] <= '9'
	}
	switch {
	case len(b) < 13:
		return alien, false
	case b[0]&0x89 == 0x09 && version(b[9:]) && d.Wire >= 1000: // 8 bytes of connection id, and a version
		return sure, false
	case b[0]&0xc0 == 0xc0 && version(b[1:]) && len(b) > 5: // Q046
		return sure, false
	}
	return alien, false
}
