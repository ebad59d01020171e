package protocol

import "bytes"

// isAMQP looks for a protocol header (AMQP 0-9-1 section 4.2.2; AMQP 1.0 section
// 2.2).
func isAMQP(client, server Start) (string, verdict) {
	return either(client, server, AMQP, func(d Start) verdict {
		if len(d.Data) == 0 {
			return no
		}
		v := begins(d, "AMQP")
		switch {
		case v != yes:
			return v
		case len(d.Data) < 8:
			return d.short()
		case d.Data[4] > 3 || d.Data[5] > 1 || d.Data[6] > 10 || d.Data[7] > 10:
			return no
		}
		return yes
	})
}

// isZMTP looks for a greeting: the signature, then the version.
func isZMTP(client, server Start) (string, verdict) {
	return either(client, server, ZMTP, func(d Start) verdict {
		b := d.Data
		for i, c := range b[:min(len(b), 11)] {
			ok := c == 0
			switch i {
			case 0:
				ok = c == 0xff
			case 8:
				ok = c <= 1
			case 9:
				ok = c == 0x7f
			case 10:
				ok = c >= 1 && c <= 3
			}
			if !ok {
				return no
			}
		}
		switch {
		case len(b) == 0:
			return no
		case len(b) < 11:
			return d.short()
		}
		return yes
	})
}

// isMQTT looks for CONNECT with the protocol's name.
func isMQTT(client, _ Start) (string, verdict) {
	b := client.Data
	if len(b) == 0 || b[0] != 0x10 {
		return MQTT, no
	}
	size, n := 0, 1
	for ; ; n++ {
		if n > 4 {
			return MQTT, no
		}
		if n >= len(b) {
			return MQTT, client.short()
		}
		size |= int(b[n]&0x7f) << (7 * (n - 1))
		if b[n]&0x80 == 0 {
			n++
			break
		}
	}
	if size < 10 {
		return MQTT, no
	}
	rest := Start{b[n:], client.Over}
	for _, name := range []string{"\x00\x04MQTT", "\x00\x06MQIsdp"} {
		switch begins(rest, name) {
		case maybe:
			return MQTT, maybe
		case yes:
			if len(rest.Data) == len(name) {
				return MQTT, client.short()
			}
			if level := rest.Data[len(name)] & 0x7f; level < 3 || level > 5 {
				return MQTT, no
			}
			return MQTT, yes
		}
	}
	return MQTT, no
}

// isPostgreSQL looks for a startup message, or a request to encrypt, to cancel.
func isPostgreSQL(client, server Start) (string, verdict) {
	b := client.Data
	if len(b) == 0 {
		return PostgreSQL, backend(server)
	}
	if b[0] != 0 || len(b) > 1 && b[1] != 0 {
		return PostgreSQL, no
	}
	if len(b) < 8 {
		return PostgreSQL, client.short()
	}
	size, code := be32(b), be32(b[4:])
	switch {
	case size == 8 && (code == 80877103 || code == 80877104), size == 16 && code == 80877102:
		return PostgreSQL, yes
	case code>>16 != 3 || code&0xffff > 9 || size < 9 || size > 10000:
		return PostgreSQL, no
	}
	// Names and values, each with a zero byte behind it.
	names := b[8:min(int64(len(b)), size)]
	switch {
	case bytes.HasPrefix(names, []byte("user\x00")), bytes.Contains(names, []byte("\x00user\x00")):
		return PostgreSQL, yes
	case int64(len(b)) < size:
		return PostgreSQL, client.short()
	}
	return PostgreSQL, no
}

// backend reports whether a server asks for authentication and says how it is
// set up, as PostgreSQL's does when the client's side was not captured.
func backend(d Start) verdict {
	b := d.Data
	if len(b) < 9 || b[0] != 'R' {
		return no
	}
	size := be32(b[1:])
	if size < 8 || size > 2000 || be32(b[5:]) > 12 || int64(len(b)) < 1+size+5 {
		return no
	}
	next := b[1+size:]
	if be32(b[5:]) == 0 && size == 8 && next[0] == 'S' && be32(next[1:]) > 4 && be32(next[1:]) < 1000 {
		return yes
	}
	return no
}

// isMySQL looks for the server's greeting, or its refusal of one.
func isMySQL(_, server Start) (string, verdict) {
	b := server.Data
	if len(b) < 5 {
		if len(b) >= 4 && b[3] != 0 || len(b) >= 3 && b[2] != 0 || len(b) == 0 {
			return MySQL, no
		}
		return MySQL, server.short()
	}
	size := int(b[0]) | int(b[1])<<8 | int(b[2])<<16
	if b[3] != 0 || size > 1000 || size < 10 || len(b) > 4+size && len(b) < 4+size+4 {
		return MySQL, no
	}
	if len(b) < 4+size && (b[4] == 10 || b[4] == 0xff) {
		return MySQL, server.short()
	}
	p := b[4 : 4+min(size, len(b)-4)]
	switch p[0] {
	case 10:
		end := bytes.IndexByte(p[:min(len(p), 80)], 0)
		if end < 4 || p[1] < '0' || p[1] > '9' || !printable(p[1:end]) || bytes.IndexByte(p[1:end], '.') < 0 {
			return MySQL, no
		}
		// connection id, 8 bytes of the challenge, a zero, capabilities
		if rest := p[end+1:]; len(rest) < 15 || rest[12] != 0 {
			return MySQL, no
		}
		return MySQL, yes
	case 0xff:
		code := int(p[1]) | int(p[2])<<8
		if code < 1000 || code > 4999 || len(b) != 4+size || !printable(p[3:]) || len(p) < 12 {
			return MySQL, no
		}
		return MySQL, yes
	}
	return MySQL, no
}

func printable(b []byte) bool {
	for _, c := range b {
		if c < ' ' || c > '~' {
			return false
		}
	}
	return true
}
