package protocol

import "bytes"

// isSMB looks for a message of SMB behind the header of NetBIOS (RFC 1002 section
// 4.3), or for a request for a session.
func isSMB(client, server Start) (string, verdict) {
	return either(client, server, SMB, func(d Start) verdict {
		b := d.Data
		switch {
		case len(b) == 0:
			return no
		case b[0] == 0x81:
			if len(b) < 37 {
				if len(b) > 4 && (be24(b[1:]) != 68 || b[4] != 32) {
					return no
				}
				return d.short()
			}
			if be24(b[1:]) == 68 && encoded(b[4:]) {
				return yes
			}
			return no
		case b[0] != 0:
			return no
		}
		for i := 4; i < min(len(b), 8); i++ {
			if i == 4 && b[i] < 0xfc || i > 4 && b[i] != "SMB"[i-5] {
				return no
			}
		}
		switch {
		case len(b) < 8:
			return d.short()
		case be24(b[1:]) < 32:
			return no
		}
		return yes
	})
}

// isRDP looks for a connection request of X.224 that asks for RDP (MS-RDPBCGR
// section 2.2.1.1), or its confirmation.
func isRDP(client, server Start) (string, verdict) {
	return either(client, server, RDP, func(d Start) verdict {
		b := d.Data
		for i, c := range b[:min(len(b), 6)] {
			ok := true
			switch i {
			case 0:
				ok = c == 3
			case 1:
				ok = c == 0
			case 3:
				ok = be16(b[2:]) >= 11 && be16(b[2:]) <= 512
			case 4:
				ok = int(c) == be16(b[2:])-5
			case 5:
				ok = c == 0xe0 || c == 0xd0
			}
			if !ok {
				return no
			}
		}
		switch {
		case len(b) == 0:
			return no
		case len(b) < 6 || len(b) < be16(b[2:]):
			return d.short()
		}
		p := b[11:be16(b[2:])]
		switch {
		case bytes.HasPrefix(p, []byte("Cookie: m")):
			return yes
		case len(p) >= 8 && string(p[len(p)-6:len(p)-4]) == "\x08\x00" && (p[len(p)-8] == 1 || p[len(p)-8] == 2 && b[5] == 0xd0 || p[len(p)-8] == 3):
			return yes
		}
		return no
	})
}

// isDCERPC looks for a bind, or for the calls behind it (C706 chapter 12).
func isDCERPC(client, server Start) (string, verdict) {
	return either(client, server, DCERPC, func(d Start) verdict {
		b := d.Data
		// Byte 4 says in which order numbers are.
		const head = "\x05\x00\x00\x00\x10\x00\x00\x00"
		for i, c := range b[:min(len(b), 8)] {
			switch {
			case i == 2 && c != 0 && c != 2 && (c < 11 || c > 16), i != 2 && i != 3 && i != 4 && c != head[i], i == 3 && c&0x03 == 0, i == 4 && c != 0x10 && c != 0:
				return no
			}
		}
		switch {
		case len(b) == 0:
			return no
		case len(b) < 16:
			return d.short()
		}
		size, auth := int(b[8])|int(b[9])<<8, int(b[10])|int(b[11])<<8
		if b[4] == 0 {
			if size, auth = be16(b[8:]), be16(b[10:]); b[2] < 11 || b[3] != 3 || be16(b[8:]) > len(b) && len(b) < Limit {
				return no
			}
		}
		if size < 24 || auth >= size {
			return no
		}
		return yes
	})
}
