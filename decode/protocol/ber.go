package protocol

// element reads the head of a BER element (X.690 section 8.1): its tag, its
// length and what is there of it.
func element(b []byte) (tag byte, size int, body []byte, ok bool) {
	if len(b) < 2 || b[0]&31 == 31 {
		return 0, 0, nil, false
	}
	n := 2
	size = int(b[1])
	if b[1] >= 0x80 {
		k := int(b[1] & 0x7f)
		if k == 0 || k > 4 || len(b) < 2+k || k == 4 && b[2] > 0x0f {
			return 0, 0, nil, false
		}
		size, n = 0, 2+k
		for _, c := range b[2:n] {
			size = size<<8 | int(c)
		}
	}
	return b[0], size, b[n:], true
}

// inside reads the head of an element with the given tag, and returns its body.
func inside(b []byte, tag byte) (size int, body []byte, ok bool) {
	t, size, body, ok := element(b)
	return size, body, ok && t == tag
}

// integer reads a small INTEGER.
func integer(b []byte) (v int, rest []byte, ok bool) {
	size, body, ok := inside(b, 2)
	if !ok || size < 1 || size > 4 || len(body) < size {
		return 0, nil, false
	}
	for _, c := range body[:size] {
		v = v<<8 | int(c)
	}
	return v, body[size:], true
}

// isSNMP looks for a message (RFC 1157 section 4, RFC 3412 section 6).
func isSNMP(d *Datagram) (weight, bool) {
	size, b, ok := inside(d.Data, 0x30)
	if !ok || size+len(d.Data)-len(b) != d.Wire {
		return alien, false
	}
	v, b, ok := integer(b)
	switch {
	case !ok || v > 3:
		return alien, false
	case v == 3:
		_, b, ok = inside(b, 0x30)
		if !ok {
			return alien, false
		}
		if _, _, ok = integer(b); !ok {
			return alien, false
		}
		return sure, false
	}
	size, b, ok = inside(b, 4)
	if !ok {
		return alien, false
	}
	if len(b) <= size {
		return likely, false
	}
	if tag := b[size]; tag >= 0xa0 && tag <= 0xa8 {
		return sure, tag == 0xa2
	}
	return alien, false
}

// isKerberos looks for a message of version 5 (RFC 4120 section 5).
func isKerberos(d *Datagram) (weight, bool) {
	return ticket(d.Data, d.Wire)
}

func ticket(b []byte, wire int) (weight, bool) {
	tag, size, body, ok := element(b)
	if !ok || size+len(b)-len(body) != wire {
		return alien, false
	}
	version := byte(0xa0) // the context tag of pvno
	switch tag {
	case 0x6a, 0x6c: // AS-REQ, TGS-REQ
		version = 0xa1
	case 0x6b, 0x6d, 0x6e, 0x6f, 0x74, 0x75, 0x76, 0x7e:
	default:
		return alien, false
	}
	_, b, ok = inside(body, 0x30)
	if !ok {
		return alien, false
	}
	_, b, ok = inside(b, version)
	if !ok {
		return alien, false
	}
	if v, _, ok := integer(b); !ok || v != 5 {
		return alien, false
	}
	return sure, tag == 0x6b || tag == 0x6d || tag == 0x7e
}

// isCLDAP looks for LDAP in a datagram (MS-ADTS section 6.3.3).
func isCLDAP(d *Datagram) (weight, bool) {
	size, b, ok := inside(d.Data, 0x30)
	if !ok || size+len(d.Data)-len(b) > d.Wire {
		return alien, false
	}
	op := operation(b)
	switch op {
	case 0x63, 0x64, 0x65, 0x42, 0x50:
		return likely, op == 0x64 || op == 0x65
	}
	return alien, false
}

// operation returns the tag of the operation of an LDAP message (RFC 4511 section
// 4.1.1), 0 if there is none.
func operation(b []byte) byte {
	_, b, ok := integer(b)
	if !ok || len(b) < 2 {
		return 0
	}
	return b[0]
}

// isLDAP looks for a bind, a search or a request for TLS, or their answer (RFC 4511
// section 4).
func isLDAP(client, server Start) (string, verdict) {
	return either(client, server, LDAP, func(d Start) verdict {
		b := d.Data
		if len(b) == 0 || b[0] != 0x30 {
			return no
		}
		size, b, ok := inside(b, 0x30)
		if !ok && len(d.Data) < 5 || ok && len(b) < min(size, 12) {
			return d.short()
		}
		if !ok || size < 5 || size > 1<<20 {
			return no
		}
		_, b, ok = integer(b)
		if !ok {
			return no
		}
		tag, size, b, ok := element(b)
		if !ok {
			return no
		}
		switch tag {
		case 0x60: // BindRequest: version, name, authentication
			if v, rest, ok := integer(b); ok && (v == 2 || v == 3) && len(rest) > 0 && rest[0] == 4 {
				return yes
			}
		case 0x63: // SearchRequest: baseObject, then a scope
			n, rest, ok := inside(b, 4)
			if ok && len(rest) >= n+3 && string(rest[n:n+2]) == "\x0a\x01" && rest[n+2] <= 3 {
				return yes
			}
			if ok && len(rest) < n+3 && n < size {
				return d.short()
			}
		case 0x61, 0x65, 0x78: // an LDAPResult: resultCode, matchedDN, message
			if len(b) >= 5 && string(b[:2]) == "\x0a\x01" && b[2] < 100 && b[3] == 4 {
				return yes
			}
		case 0x77: // ExtendedRequest: a dotted number
			if n, rest, ok := inside(b, 0x80); ok && n > 2 && len(rest) > 2 && rest[0] >= '0' && rest[0] <= '2' && rest[1] == '.' {
				return yes
			}
		case 0x64: // SearchResultEntry: a name, then attributes
			n, rest, ok := inside(b, 4)
			if ok && len(rest) > n && rest[n] == 0x30 {
				return yes
			}
		}
		return no
	})
}
