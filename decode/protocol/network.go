package protocol

// isBGP looks for a marker and a message behind it (RFC 4271 section 4.1).
func isBGP(client, server Start) (string, verdict) {
	return either(client, server, BGP, func(d Start) verdict {
		b := d.Data
		for i, c := range b[:min(len(b), 19)] {
			if i < 16 && c != 0xff || i == 17 && (be16(b[16:]) < 19 || be16(b[16:]) > 4096) || i == 18 && (c == 0 || c > 5) {
				return no
			}
		}
		switch {
		case len(b) == 0:
			return no
		case len(b) < 19:
			return d.short()
		}
		return yes
	})
}

// isVNC looks for a version of the remote framebuffer protocol (RFC 6143 section
// 7.1.1).
func isVNC(client, server Start) (string, verdict) {
	return either(client, server, VNC, func(d Start) verdict {
		if len(d.Data) == 0 {
			return no
		}
		v := begins(d, "RFB 00")
		if v == yes && len(d.Data) < 12 {
			return d.short()
		}
		if v == yes && (d.Data[7] != '.' || d.Data[11] != '\n') {
			return no
		}
		return v
	})
}

// isBitTorrent looks for a handshake (BEP 3).
func isBitTorrent(client, server Start) (string, verdict) {
	return either(client, server, BitTorrent, func(d Start) verdict {
		if len(d.Data) == 0 {
			return no
		}
		return begins(d, "\x13BitTorrent protocol")
	})
}

// isSOCKS looks for a request of SOCKS and its answer (RFC 1928 section 3).
func isSOCKS(client, server Start) (string, verdict) {
	b, s := client.Data, server.Data
	if len(b) == 0 {
		return SOCKS, no
	}
	switch b[0] {
	case 5:
		switch {
		case len(b) < 2:
			return SOCKS, client.short()
		case b[1] == 0 || b[1] > 16:
			return SOCKS, no
		case len(b) < 2+int(b[1]):
			return SOCKS, client.short()
		}
		for _, m := range b[2 : 2+int(b[1])] {
			if m > 9 && m < 0x80 {
				return SOCKS, no
			}
		}
		if len(s) < 2 {
			if len(s) == 1 && s[0] != 5 {
				return SOCKS, no
			}
			return SOCKS, server.short()
		}
		if rest := b[2+int(b[1]):]; len(rest) > 0 && rest[0] != 5 && rest[0] != 1 {
			return SOCKS, no
		}
		for _, m := range b[2 : 2+int(b[1])] {
			if s[0] == 5 && (s[1] == m || s[1] == 0xff) {
				return SOCKS, yes
			}
		}
	case 4:
		switch {
		case len(b) < 9:
			if len(b) > 1 && b[1] != 1 && b[1] != 2 {
				return SOCKS, no
			}
			return SOCKS, client.short()
		case b[1] != 1 && b[1] != 2:
			return SOCKS, no
		case len(s) < 8:
			if len(s) > 1 && (s[0] != 0 || s[1] < 90 || s[1] > 93) {
				return SOCKS, no
			}
			return SOCKS, server.short()
		case s[0] == 0 && s[1] >= 90 && s[1] <= 93:
			return SOCKS, yes
		}
	}
	return SOCKS, no
}

// isDNSStream looks for messages with their length in front (RFC 1035 section
// 4.2.2).
func isDNSStream(client, server Start) (string, verdict) {
	return either(client, server, DNS, func(d Start) verdict {
		b := d.Data
		if len(b) == 0 {
			return no
		}
		if len(b) < 14 {
			if len(b) >= 2 && be16(b) < 12 || len(b) >= 7 && b[6] > 0 {
				return no
			}
			return d.short()
		}
		size := be16(b)
		w, _ := message(b[2:min(len(b), 2+size)], size)
		switch {
		case w == alien:
			return no
		case len(b) < 2+size && !d.Over:
			return maybe
		case w == sure:
			return yes
		}
		return no
	})
}

// isRPC looks for a call with its record mark (RFC 5531 section 11).
func isRPC(client, server Start) (string, verdict) {
	b := client.Data
	if len(b) == 0 || b[0]&0x7f != 0 {
		return RPC, no
	}
	if len(b) < 28 {
		if len(b) >= 12 && be32(b[8:]) != 0 || len(b) >= 16 && be32(b[12:]) != 2 {
			return RPC, no
		}
		return RPC, client.short()
	}
	if w, answer := call32(b[4:]); w == sure && !answer {
		return RPC, yes
	}
	return RPC, no
}

// isOpenFlow looks for rows of messages: the first is a hello, or there are two.
func isOpenFlow(client, server Start) (string, verdict) {
	a, b := openFlow(client), openFlow(server)
	if a < 0 || b < 0 {
		return OpenFlow, no
	}
	switch {
	case a > 0 && b > 0 && client.Data[0] > 0 && client.Data[1]|server.Data[1] == 0, a > 0 && b > 0 && a+b >= 6 && client.Data[0] == server.Data[0], a > 4 && server.Over || b > 4 && client.Over:
		return OpenFlow, yes
	case len(client.Data)+len(server.Data) > 0 && !(client.Over && server.Over):
		return OpenFlow, maybe
	}
	return OpenFlow, no
}

// openFlow counts messages; -1 says that there are others.
func openFlow(d Start) (n int) {
	b := d.Data
	for version := byte(0); len(b) >= 8 && n < 8; n++ {
		size := be16(b[2:])
		if b[0] == 0 || b[0] > 6 || version != 0 && b[0] != version && n > 1 || b[1] > 35 || size < 8 || b[1] == 0 && size > 64 {
			return -1
		}
		version = b[0]
		b = b[min(size, len(b)):]
	}
	if n == 0 && len(b) > 0 && (b[0] == 0 || b[0] > 6 || len(b) > 1 && b[1] > 35 || d.Over) {
		return -1
	}
	return n
}

// isDiameter looks for a command with its first attribute (RFC 6733 section 3).
func isDiameter(client, server Start) (string, verdict) {
	return either(client, server, Diameter, func(d Start) verdict {
		b := d.Data
		for i, c := range b[:min(len(b), 8)] {
			if i == 0 && c != 1 || i == 3 && (be24(b[1:]) < 20 || be24(b[1:])%4 != 0) || i == 4 && c&0x0f != 0 || i == 7 && (be24(b[5:]) < 257 || be24(b[5:]) > 330 && be24(b[5:]) < 1<<23) {
				return no
			}
		}
		switch {
		case len(b) == 0:
			return no
		case len(b) < 28:
			return d.short()
		}
		// Its flags and its length have to be those of an attribute.
		first := be32(b[20:])
		if size := be24(b[25:]); (first == 263 || first == 264 || first == 268 || first == 283 || first == 293) && b[24]&0x1f == 0 && size >= 8 && size <= be24(b[1:])-20 {
			return yes
		}
		return no
	})
}

// isThrift looks for a message in the strict binary protocol, with or without a
// frame around it.
func isThrift(client, server Start) (string, verdict) {
	return either(client, server, Thrift, func(d Start) verdict {
		b := d.Data
		if len(b) > 0 && b[0] == 0 { // the length of a frame
			if len(b) < 5 {
				return d.short()
			}
			b = b[4:]
		}
		for i, c := range b[:min(len(b), 4)] {
			if c != "\x80\x01\x00\x00"[i] && (i != 3 || c == 0 || c > 4) {
				return no
			}
		}
		switch {
		case len(b) == 0:
			return no
		case len(b) < 9:
			return d.short()
		}
		n := be32(b[4:])
		if b[3] == 0 || n == 0 || n > 256 || !printable(b[8:min(int64(len(b)), 8+n)]) {
			return no
		}
		return yes
	})
}

// Preface returns the length of what a proxy says first of the connection that it
// passes on (PROXY protocol, versions 1 and 2), and whether more bytes are needed
// to tell.
func Preface(d Start) (n int, more bool) {
	b := d.Data
	const v2 = "\r\n\r\n\x00\r\nQUIT\n"
	switch {
	case len(b) == 0:
		return 0, false
	case begins(d, "PROXY ") == yes:
		for i := range min(len(b), 107) {
			if b[i] == '\n' {
				return i + 1, false
			}
		}
		return 0, len(b) < 107 && !d.Over
	case begins(d, v2) == yes:
		if len(b) < 16 || len(b) < 16+be16(b[14:]) {
			return 0, !d.Over
		}
		if b[12]>>4 == 2 {
			return 16 + be16(b[14:]), false
		}
		return 0, false
	}
	return 0, begins(d, "PROXY ") == maybe || begins(d, v2) == maybe
}
