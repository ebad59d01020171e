package protocol

// A Session is what the beginning of a TLS connection says in the clear.
type Session struct {
	// ServerName is the name that the client asks for (RFC 6066 section 3), ""
	// if it names none, or it is encrypted.
	ServerName string
	// ALPN are the protocols that the client offers (RFC 7301), Chosen is the one
	// that the server takes; it is encrypted from TLS 1.3 on.
	ALPN   []string
	Chosen string
	// Version is what the server chose: "1.0" to "1.3", or "".
	Version string
}

const (
	alert     = 21
	handshake = 22
	appData   = 23

	clientHello = 1
	serverHello = 2

	maxRecord = 1<<14 + 2048
	maxNames  = 16 // protocols of a list
)

// isTLS looks for a hello, or for records where the beginning is not there.
func isTLS(client, server Start) (string, verdict) {
	a, b := hello(client, clientHello), hello(server, serverHello)
	switch {
	case a >= more || b >= more:
		if a == maybe || a == more || b == maybe && len(server.Data) < 6 || b == more {
			return TLS, more
		}
		return TLS, yes
	case a == maybe || b == maybe:
		return TLS, maybe
	}
	if x, y := records(client), records(server); x == yes || y == yes {
		return TLS, yes
	} else if x == maybe || y == maybe {
		return TLS, maybe
	}
	return TLS, no
}

// hello reports whether d begins with a record that begins with a hello. It is
// yes when the whole of it is there.
func hello(d Start, typ byte) verdict {
	b := d.Data
	for i, c := range b[:min(len(b), 11)] {
		ok := true
		switch i {
		case 0:
			ok = c == handshake
		case 1, 9:
			ok = c == 3
		case 2, 10:
			ok = c <= 4
		case 4:
			ok = be16(b[3:]) >= 6 && be16(b[3:]) <= maxRecord
		case 5:
			ok = c == typ
		case 6:
			ok = c == 0
		case 8:
			ok = be24(b[6:]) >= 38
		}
		if !ok {
			return no
		}
	}
	switch {
	case len(b) < 11:
		return d.short()
	case len(b) < 5+be16(b[3:]) && !d.Over:
		return more
	}
	return yes
}

// records reports whether d is a row of records: two with nothing wrong, or an
// alert as it is sent in the clear.
func records(d Start) verdict {
	b := d.Data
	if len(b) == 0 {
		return no // the other direction may tell
	}
	for n := 0; ; n++ {
		switch {
		case len(b) < 5:
			if n == 0 && len(b) < 3 && b[0] >= 20 && b[0] <= appData && (len(b) < 2 || b[1] == 3) || n > 0 {
				return d.short()
			}
			return no
		case b[0] < 20 || b[0] > appData || b[1] != 3 || b[2] > 3 || be16(b[3:]) == 0 || be16(b[3:]) > maxRecord:
			return no
		case n == 0 && len(b) == 7 && b[0] == alert && be16(b[3:]) == 2 && (b[5] == 1 || b[5] == 2) && d.Over:
			return yes
		case n == 1 && b[0] == appData && b[2] == 3:
			return yes
		case n == 2:
			return yes
		}
		size := 5 + be16(b[3:])
		if len(b) <= size {
			return d.short()
		}
		b = b[size:]
	}
}

// ReadTLS returns what the beginning of a TLS connection says, as far as it is
// there.
func ReadTLS(client, server []byte) (s Session) {
	b := body(client, clientHello)
	b.skip(2 + 32) // legacy_version, random
	b.vector(1)    // legacy_session_id
	b.vector(2)    // cipher_suites
	b.vector(1)    // legacy_compression_methods
	s.extensions(&b, true)

	b = body(server, serverHello)
	if v := b.skip(2); len(v) == 2 {
		s.Version = version(v)
	}
	b.skip(32)
	b.vector(1)
	b.skip(2 + 1)
	s.extensions(&b, false)
	return s
}

func version(v []byte) string {
	if v[0] == 3 && v[1] >= 1 && v[1] <= 4 {
		return [...]string{"1.0", "1.1", "1.2", "1.3"}[v[1]-1]
	}
	return ""
}

// body returns what is there of a hello, behind its length. A hello in several
// records is read up to the end of the first.
func body(b []byte, typ byte) cursor {
	if len(b) < 9 || b[0] != handshake || b[5] != typ {
		return cursor{}
	}
	b = b[:min(len(b), 5+be16(b[3:]))]
	if len(b) < 9 {
		return cursor{}
	}
	return cursor{b: b[9:min(len(b), 9+be24(b[6:]))]}
}

// extensions reads the extensions of a hello (RFC 8446 section 4.2).
func (s *Session) extensions(b *cursor, client bool) {
	all := cursor{b: b.vector(2)}
	for len(all.b) >= 4 {
		typ := be16(all.skip(2))
		e := cursor{b: all.vector(2)}
		switch typ {
		case 0: // server_name
			if !client {
				break
			}
			list := cursor{b: e.vector(2)}
			if t := list.skip(1); len(t) == 1 && t[0] == 0 {
				if name := list.vector(2); !list.cut && hostName(name) {
					s.ServerName = string(name)
				}
			}
		case 16: // application_layer_protocol_negotiation
			list := cursor{b: e.vector(2)}
			for len(list.b) > 0 && len(s.ALPN) < maxNames {
				p := list.vector(1)
				switch {
				case list.cut || len(p) == 0:
				case client:
					s.ALPN = append(s.ALPN, string(p))
				default:
					s.Chosen = string(p)
				}
			}
		case 43: // supported_versions
			if v := e.b; !client && len(v) == 2 {
				s.Version = version(v)
			}
		}
	}
}

// hostName reports whether b can be the name of a host.
func hostName(b []byte) bool {
	for _, c := range b {
		if c <= ' ' || c >= 0x7f {
			return false
		}
	}
	return len(b) > 0 && len(b) < 256
}

// A cursor reads bytes one after the other. What is cut off is empty.
type cursor struct {
	b   []byte
	cut bool
}

func (c *cursor) skip(n int) []byte {
	if n > len(c.b) {
		c.b, c.cut = nil, true
		return nil
	}
	p := c.b[:n]
	c.b = c.b[n:]
	return p
}

// vector reads a length of the given size and as many bytes; of what is cut off,
// what is there.
func (c *cursor) vector(size int) []byte {
	l := c.skip(size)
	if l == nil {
		return nil
	}
	n := 0
	for _, x := range l {
		n = n<<8 | int(x)
	}
	if n > len(c.b) {
		p := c.b
		c.b, c.cut = nil, true
		return p
	}
	return c.skip(n)
}
