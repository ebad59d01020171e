package protocol

import "bytes"

// isDHCP looks for the cookie of DHCP (RFC 2131 section 3), or for BOOTP.
func isDHCP(d *Datagram) (weight, bool) {
	b := d.Data
	if len(b) < 44 || b[0] != 1 && b[0] != 2 || b[1] == 0 || b[1] > 40 || b[2] > 16 || b[3] > 16 || d.Wire < 236 {
		return alien, false
	}
	switch {
	case len(b) >= 240 && be32(b[236:]) == 0x63825363:
		return sure, b[0] == 2
	case b[1] == 1 && b[2] == 6:
		return likely, b[0] == 2
	}
	return alien, false
}

// isDHCPv6 looks for a message that is a row of options (RFC 8415 section 8).
func isDHCPv6(d *Datagram) (weight, bool) {
	b, head := d.Data, 4
	if len(b) < 8 || b[0] == 0 || b[0] > 36 {
		return alien, false
	}
	answer := b[0] == 2 || b[0] == 7 || b[0] == 10
	if b[0] == 12 || b[0] == 13 { // between relays: two addresses
		head = 34
	}
	rest := d.Wire - head
	if rest < 4 || len(b) < head {
		return alien, false
	}
	for b = b[head:]; rest > 0; {
		if len(b) < 4 {
			if d.whole() {
				return alien, false
			}
			break
		}
		typ, size := be16(b), 4+be16(b[2:])
		if typ == 0 || typ > 160 || size > rest {
			return alien, false
		}
		rest -= size
		b = b[min(size, len(b)):]
	}
	return likely, answer
}

// isNTP looks for a packet of versions 1 to 4 (RFC 5905 section 7.3), or a control
// message (RFC 9327).
func isNTP(d *Datagram) (weight, bool) {
	b := d.Data
	if len(b) < 4 {
		return alien, false
	}
	version, mode := b[0]>>3&7, b[0]&7
	switch {
	case version == 0 || version > 4:
		return alien, false
	case mode == 6 && len(b) >= 12:
		// What is said to follow does, with padding and an authenticator.
		if n := 12 + be16(b[10:]); b[0]>>6 == 0 && n <= d.Wire && d.Wire <= n+3+28 && d.on(123) {
			return likely, b[1]&0x80 != 0
		}
		return alien, false
	case mode == 7 && d.Wire >= 8 && len(b) >= 8:
		if (b[2] == 0 || b[2] == 2 || b[2] == 3) && d.on(123) {
			return likely, b[0]&0x80 != 0
		}
		return alien, false
	case mode == 0 && version != 1 || mode > 5 || d.Wire < 48 || d.Wire > 48 && (d.Wire-48)%4 != 0 || len(b) < 48:
		return alien, false
	}
	// The clock: stratum, poll interval and precision as powers of two.
	if b[1] > 16 || int8(b[2]) > 17 || int8(b[2]) < -6 && b[2] != 0 || int8(b[3]) > 0 && mode != 3 && mode != 1 {
		return alien, false
	}
	return likely, mode == 4
}

// isSSDP looks for the first line of a search, of an announcement, or of an answer
// to a search.
func isSSDP(d *Datagram) (weight, bool) {
	b := d.Data
	switch {
	case bytes.HasPrefix(b, []byte("M-SEARCH * HTTP/1.")), bytes.HasPrefix(b, []byte("NOTIFY * HTTP/1.")):
		return sure, false
	case bytes.HasPrefix(b, []byte("HTTP/1.1 200 ")):
		head := bytes.ToUpper(b[:min(len(b), 512)])
		if bytes.Contains(head, []byte("\nST:")) || bytes.Contains(head, []byte("\nUSN:")) {
			return sure, true
		}
	}
	return alien, false
}

// isSIPDatagram looks for a first line (RFC 3261 section 7).
func isSIPDatagram(d *Datagram) (weight, bool) {
	b := d.Data
	line, _, found := bytes.Cut(b[:min(len(b), 512)], []byte("\n"))
	line = bytes.TrimSuffix(line, []byte("\r"))
	switch {
	case bytes.HasPrefix(line, []byte("SIP/2.0 ")):
		return sure, true
	case !found || len(line) < 12 || line[0] < 'A' || line[0] > 'Z':
		return alien, false
	case bytes.HasSuffix(line, []byte(" SIP/2.0")):
		return sure, false
	}
	return alien, false
}

// isSyslog looks for a priority, then for what RFC 5424 or RFC 3164 has behind it.
func isSyslog(d *Datagram) (weight, bool) {
	b := d.Data
	n, ok := priority(b)
	if !ok {
		return alien, false
	}
	b = b[n:]
	switch {
	case len(b) >= 3 && b[0] == '1' && b[1] == ' ' && (b[2] == '-' || b[2] >= '0' && b[2] <= '9'):
		return sure, false
	case len(b) >= 4 && month(b):
		return sure, false
	case len(b) > 0 && printable(b[:min(len(b), 16)]):
		return likely, false
	}
	return alien, false
}

// priority reads "<34>".
func priority(b []byte) (n int, ok bool) {
	if len(b) < 3 || b[0] != '<' {
		return 0, false
	}
	v := 0
	for n = 1; n < len(b) && n <= 3 && b[n] >= '0' && b[n] <= '9'; n++ {
		v = v*10 + int(b[n]-'0')
	}
	return n + 1, n > 1 && n < len(b) && b[n] == '>' && v < 192
}

func month(b []byte) bool {
	const months = "Jan Feb Mar Apr May Jun Jul Aug Sep Oct Nov Dec "
	at := bytes.Index([]byte(months), b[:4])
	return at >= 0 && at%4 == 0
}

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

// isTFTP looks for a request (RFC 1350 section 5), or for data and their
// acknowledgement, which together tell.
func isTFTP(d *Datagram) (weight, bool) {
	b := d.Data
	if len(b) < 4 || b[0] != 0 {
		return alien, false
	}
	switch b[1] {
	case 1, 2:
		name, rest, ok := bytes.Cut(b[2:], []byte{0})
		if !ok || len(name) == 0 || !printable(name) {
			return alien, false
		}
		mode, _, ok := bytes.Cut(rest, []byte{0})
		if !ok {
			return alien, false
		}
		switch string(bytes.ToLower(mode)) {
		case "octet", "netascii", "mail":
			return sure, false
		}
	case 3:
		if n := be16(b[2:]); n > 0 && n <= 2 && d.Wire <= 516 {
			return likely, true
		}
	case 4:
		if d.Wire == 4 && be16(b[2:]) <= 2 {
			return likely, false
		}
	case 5:
		if be16(b[2:]) <= 8 && len(b) >= 5 && d.whole() && b[len(b)-1] == 0 && printable(b[4:len(b)-1]) {
			return likely, true
		}
	case 6: // RFC 2347
		option, _, ok := bytes.Cut(b[2:min(len(b), 32)], []byte{0})
		if ok && d.whole() && b[len(b)-1] == 0 && isOption(option) {
			return sure, true
		}
	}
	return alien, false
}

// isOption reports whether b is an option of TFTP (RFC 2347 to RFC 2349, RFC 7440).
func isOption(b []byte) bool {
	for _, s := range [...]string{"blksize", "tsize", "timeout", "windowsize", "multicast", "rollover"} {
		if len(b) == len(s) && bytes.EqualFold(b, []byte(s)) {
			return true
		}
	}
	return false
}

// isCoAP looks for a header, a token and options (RFC 7252 section 3).
func isCoAP(d *Datagram) (weight, bool) {
	b := d.Data
	if len(b) < 4 || b[0]>>6 != 1 || b[0]&15 > 8 || !d.whole() {
		return alien, false
	}
	code, n := b[1], int(b[0]&15)
	if code>>5 != 0 && code>>5 != 2 && code>>5 != 4 && code>>5 != 5 || code>>5 == 0 && code > 7 || code&31 > 31 {
		return alien, false
	}
	if code == 0 && (n != 0 || len(b) != 4) || len(b) < 4+n {
		return alien, false
	}
	for b = b[4+n:]; len(b) > 0; {
		if b[0] == 0xff {
			if len(b) == 1 {
				return alien, false
			}
			break
		}
		delta, size, at := int(b[0]>>4), int(b[0]&15), 1
		if delta == 15 || size == 15 {
			return alien, false
		}
		for i, v := range [2]int{delta, size} {
			switch v {
			case 13:
				if len(b) <= at {
					return alien, false
				}
				v, at = int(b[at])+13, at+1
			case 14:
				if len(b) <= at+1 {
					return alien, false
				}
				v, at = be16(b[at:])+269, at+2
			}
			if i == 1 {
				at += v
			}
		}
		if at > len(b) {
			return alien, false
		}
		b = b[at:]
	}
	return likely, code>>5 != 0
}

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

// isBitTorrentDatagram looks for a message of the distributed hash table (BEP 5),
// a request to a tracker (BEP 15), or the opening of uTP (BEP 29).
func isBitTorrentDatagram(d *Datagram) (weight, bool) {
	b := d.Data
	for _, s := range []string{"d1:ad2:id20:", "d1:rd2:id20:", "d1:eli20", "d2:ip6:", "d1:y1:"} {
		if bytes.HasPrefix(b, []byte(s)) {
			return sure, s == "d1:rd2:id20:"
		}
	}
	if len(b) == 16 && string(b[:12]) == "\x00\x00\x04\x17\x27\x10\x19\x80\x00\x00\x00\x00" {
		return sure, false
	}
	return alien, false
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

// isStatsD looks for metrics: "name:1|c".
func isStatsD(d *Datagram) (weight, bool) {
	line, _, _ := bytes.Cut(d.Data[:min(len(d.Data), 512)], []byte("\n"))
	at := bytes.IndexByte(line, '|')
	colon := bytes.IndexByte(line[:max(at, 0)], ':')
	if colon < 1 || at < colon+2 || at+1 >= len(line) || !printable(line) {
		return alien, false
	}
	for _, c := range line[colon+1 : at] {
		if (c < '0' || c > '9') && c != '.' && c != '-' && c != '+' && c != ':' && c != 'e' {
			return alien, false
		}
	}
	switch line[at+1] {
	case 'c', 'g', 'm', 'h', 's', 'd':
		return likely, false
	}
	return alien, false
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

// isRTPS looks for the beginning of a message of DDS.
func isRTPS(d *Datagram) (weight, bool) {
	if b := d.Data; len(b) >= 20 && string(b[:4]) == "RTPS" && b[4] == 2 && b[5] < 10 {
		return sure, false
	}
	return alien, false
}

// isWSDiscovery looks for SOAP that speaks of discovery.
func isWSDiscovery(d *Datagram) (weight, bool) {
	b := d.Data
	if !bytes.HasPrefix(b, []byte("<?xml")) && !bytes.HasPrefix(b, []byte("<soap")) && !bytes.HasPrefix(b, []byte("<s:")) {
		return alien, false
	}
	if bytes.Contains(b[:min(len(b), 2048)], []byte("/discovery")) {
		return sure, bytes.Contains(b[:min(len(b), 2048)], []byte("Matches"))
	}
	return alien, false
}
