package protocol

import "bytes"

// firstLine looks for a request line that ends in version, or a status line that
// begins with it, as RTSP and SIP have them.
func firstLine(d Start, version string) verdict {
	b := d.Data
	if len(b) == 0 {
		return no
	}
	if v := begins(d, version); v != no {
		return v
	}
	if b[0] < 'A' || b[0] > 'Z' {
		return no
	}
	for i, c := range b[:min(len(b), 1024)] {
		switch {
		case c == '\n':
			line := bytes.TrimSuffix(b[:i], []byte("\r"))
			if len(line) > len(version)+4 && string(line[len(line)-len(version):]) == version && bytes.Count(line, []byte(" ")) == 2 {
				return yes
			}
			return no
		case c < ' ' && c != '\r' || c > '~':
			return no
		}
	}
	if len(b) >= 1024 {
		return no
	}
	return d.short()
}

func isRTSP(client, server Start) (string, verdict) {
	return either(client, server, RTSP, func(d Start) verdict {
		if v := firstLine(d, "RTSP/1.0"); v != no {
			return v
		}
		return firstLine(d, "RTSP/2.0")
	})
}

func isSIP(client, server Start) (string, verdict) {
	return either(client, server, SIP, func(d Start) verdict { return firstLine(d, "SIP/2.0") })
}

// isIRC looks for a registration (RFC 2812 section 3.1), or what a server says to
// one.
func isIRC(client, server Start) (string, verdict) {
	var v verdict
	b := client.Data
	switch w, whole := word(client); {
	case len(b) == 0:
		v = client.short()
	case whole && (w == "NICK" || w == "USER" || w == "PASS"):
		v = maybe
		if bytes.Contains(b, []byte("\nUSER ")) && (w == "NICK" || w == "PASS") || bytes.Contains(b, []byte("\nNICK ")) {
			return IRC, yes
		}
	case whole && w == "CAP":
		if _, rest, found := bytes.Cut(b, []byte(" ")); found && says(Start{rest, client.Over}, "LS", "REQ", "END", "LIST") == yes {
			return IRC, yes
		}
		v = client.short()
	default:
		v = says(client, "NICK", "USER", "PASS", "CAP")
	}
	if len(server.Data) == 0 {
		if client.Over && server.Over {
			return IRC, no
		}
		return IRC, v
	}
	s := server.Data
	line, _, found := bytes.Cut(s[:min(len(s), 512)], []byte("\n"))
	if !found {
		if s[0] == ':' || s[0] == 'N' || s[0] == 'P' {
			return IRC, server.short()
		}
		return IRC, no
	}
	switch {
	case bytes.HasPrefix(line, []byte("NOTICE AUTH :")), bytes.HasPrefix(line, []byte("NOTICE * :")):
		return IRC, yes
	case s[0] == ':':
		f := bytes.Fields(line)
		if len(f) >= 3 && (string(f[1]) == "NOTICE" || string(f[1]) == "CAP" || v != no && len(f[1]) == 3 && digits(f[1]) == 3) {
			return IRC, yes
		}
	case v != no && bytes.HasPrefix(line, []byte("PING :")):
		return IRC, yes
	}
	return IRC, no
}

// isNATS looks for the INFO that a server begins with.
func isNATS(client, server Start) (string, verdict) {
	if len(server.Data) > 0 {
		v := begins(server, `INFO {"`)
		if v == yes && !bytes.Contains(server.Data, []byte(`"server_id"`)) {
			v = server.short()
		}
		return NATS, v
	}
	if len(client.Data) == 0 {
		return NATS, no
	}
	v := begins(client, `CONNECT {"`)
	if v == yes && !bytes.Contains(client.Data, []byte(`"verbose"`)) {
		v = client.short()
	}
	return NATS, v
}

// isSTOMP looks for the frame that a client begins with.
func isSTOMP(client, _ Start) (string, verdict) {
	if len(client.Data) == 0 {
		return STOMP, no
	}
	return STOMP, max(begins(client, "CONNECT\n"), begins(client, "STOMP\n"), begins(client, "CONNECT\r\naccept-version"), begins(client, "STOMP\r\n"))
}

// isXMPP looks for the beginning of a stream (RFC 6120 section 4.2).
func isXMPP(client, server Start) (string, verdict) {
	return either(client, server, XMPP, func(d Start) verdict {
		if len(d.Data) == 0 || d.Data[0] != '<' {
			return no
		}
		b := d.Data[:min(len(d.Data), 512)]
		if !bytes.HasPrefix(b, []byte("<?xml")) {
			return max(begins(d, "<stream:stream"), begins(d, "<?xml"))
		}
		_, rest, found := bytes.Cut(b, []byte("?>"))
		if rest = bytes.TrimLeft(rest, " \r\n\t"); found && len(rest) > 0 {
			return begins(Start{rest, d.Over}, "<stream:stream")
		}
		return d.short()
	})
}

// isMemcached looks for a command and what answers it, in the text protocol or the
// binary one.
func isMemcached(client, server Start) (string, verdict) {
	b, s := client.Data, server.Data
	if len(b) == 0 {
		return Memcached, no
	}
	if b[0] == 0x80 {
		if len(b) < 24 {
			return Memcached, client.short()
		}
		if b[5] != 0 || b[1] > 0x24 || be32(b[8:]) < int64(be16(b[2:]))+int64(b[4]) || be32(b[8:]) > 1<<21 {
			return Memcached, no
		}
		if len(s) < 2 {
			return Memcached, server.short()
		}
		if s[0] == 0x81 && s[1] == b[1] {
			return Memcached, yes
		}
		return Memcached, no
	}
	v := says(client, "GET", "GETS", "SET", "ADD", "REPLACE", "DELETE", "INCR", "DECR", "STATS", "VERSION", "TOUCH", "GAT", "CAS", "APPEND", "PREPEND", "MG", "MS", "FLUSH_ALL")
	if v != yes {
		return Memcached, v
	}
	if len(s) == 0 {
		return Memcached, server.short()
	}
	for _, w := range []string{"VALUE ", "STORED\r\n", "END\r\n", "NOT_STORED\r\n", "EXISTS\r\n", "DELETED\r\n", "NOT_FOUND\r\n", "STAT ", "VERSION ", "TOUCHED\r\n", "EN\r\n", "HD\r\n"} {
		if x := begins(server, w); x > v || x != no {
			return Memcached, x
		}
	}
	return Memcached, no
}

// isRsync looks for the greeting of rsync's daemon.
func isRsync(client, server Start) (string, verdict) {
	return either(client, server, Rsync, func(d Start) verdict {
		if len(d.Data) == 0 {
			return no
		}
		return begins(d, "@RSYNCD: ")
	})
}
