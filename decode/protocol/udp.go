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
