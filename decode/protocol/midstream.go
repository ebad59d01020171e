package protocol

import "bytes"

// A session that had begun before the capture has no greeting. What is left are
// frames: a row of them that fit is more than chance.

// row counts the frames that d begins with, up to limit, by a function that
// returns the length of the first one: 0 if b is none, -1 if it is too short to
// tell. Whole says that the last one did not go on behind the end.
func row(d Start, limit int, frame func(b []byte) int) (n int, v verdict) {
	b := d.Data
	for n < limit {
		if len(b) == 0 {
			break
		}
		size := frame(b)
		switch {
		case size == 0:
			return n, no
		case size < 0 || size > len(b):
			return n, d.short()
		}
		n++
		b = b[size:]
	}
	if n >= limit {
		return n, yes
	}
	return n, d.short()
}

// amqpFrame reads a frame with its end octet (AMQP 0-9-1 section 4.2.3).
func amqpFrame(b []byte) int {
	switch {
	case b[0] < 1 || b[0] > 8 || b[0] > 3 && b[0] != 8:
		return 0
	case len(b) < 7:
		return -1
	}
	size := be32(b[3:])
	if size > 1<<17 || b[0] == 8 && size != 0 {
		return 0
	}
	if n := 8 + int(size); n > len(b) {
		return -1
	} else if b[n-1] == 0xce {
		return n
	}
	return 0
}

// postgresFrame reads a message: its type, and its length.
func postgresFrame(b []byte) int {
	switch {
	case bytes.IndexByte([]byte("123ACDEGHIKNRSTVWZcdnstQPBFfXpSHdc"), b[0]) < 0:
		return 0
	case len(b) < 5:
		return -1
	}
	size := be32(b[1:])
	if size < 4 || size > 1<<20 || b[0] == 'Z' && size != 5 {
		return 0
	}
	return 1 + int(size)
}

// http2Frame reads a frame (RFC 9113 section 4.1) of a type that is known, with
// what its type demands of its length and its stream.
func http2Frame(b []byte) int {
	if len(b) < 9 {
		if len(b) > 3 && b[3] > 9 || b[0] > 1 {
			return 0
		}
		return -1
	}
	size, typ, flags, stream := be24(b), b[3], b[4], be32(b[5:])
	ok := stream < 1<<31 && size <= 1<<17
	switch typ {
	case 0:
		ok = ok && stream != 0 && flags&^0x09 == 0 && (size > 0 || flags == 1)
	case 1:
		ok = ok && stream != 0 && flags&^0x2d == 0 && size > 0
	case 2:
		ok = ok && stream != 0 && size == 5
	case 3, 8:
		ok = ok && size == 4 && flags == 0 && (len(b) < 13 || typ == 3 || be32(b[9:]) > 0)
	case 4:
		ok = ok && stream == 0 && (size == 0 && flags == 1 || size > 0 && size%6 == 0 && flags == 0) && size <= 96
	case 6:
		ok = ok && stream == 0 && size == 8 && flags&^1 == 0
	case 7:
		ok = ok && stream == 0 && size >= 8
	case 9:
		ok = ok && stream != 0 && flags&^0x04 == 0
	default:
		ok = false
	}
	if !ok {
		return 0
	}
	return 9 + size
}

// mqttFrame reads a control packet (MQTT 3.1.1 section 2): one that says something
// of its form.
func mqttFrame(b []byte) int {
	if len(b) < 2 {
		return -1
	}
	size, n := 0, 1
	for ; n < len(b) && n < 5; n++ {
		size |= int(b[n]&0x7f) << (7 * (n - 1))
		if b[n]&0x80 == 0 {
			break
		}
	}
	if n == 5 {
		return 0
	}
	if n == len(b) {
		return -1
	}
	n++
	switch b[0] >> 4 {
	case 3: // PUBLISH: a topic
		if b[0]&6 == 6 || size < 3 {
			return 0
		}
		if len(b) < n+2 {
			return -1
		}
		topic := be16(b[n:])
		if topic == 0 || topic > size-2 || !printable(b[n+2:min(len(b), n+2+topic)]) {
			return 0
		}
	case 12, 13:
		if b[0]&15 != 0 || size != 0 {
			return 0
		}
	case 4, 5, 7:
		if b[0]&15 != 0 || size != 2 {
			return 0
		}
	default:
		return 0
	}
	return n + size
}

// isMidstream asks for rows of frames.
func isMidstream(client, server Start) (string, verdict) {
	waits, which := no, ""
	for i := range midstream {
		m := &midstream[i]
		for _, d := range [2]Start{client, server} {
			if len(d.Data) == 0 {
				continue
			}
			switch _, v := row(d, m.enough, m.frame); v {
			case yes:
				return m.name, yes
			case maybe:
				waits, which = maybe, m.name
			}
		}
	}
	if string(client.Data) == "\xc0\x00" && string(server.Data) == "\xd0\x00" {
		return MQTT, yes
	}
	return which, waits
}

// midstream are the frames that are recognised in a row, and how long that has to
// be.
var midstream = [...]struct {
	name   string
	frame  func(b []byte) int
	enough int
}{
	{AMQP, amqpFrame, 2}, {HTTP2, http2Frame, 4}, {PostgreSQL, postgresFrame, 4}, {MQTT, mqttFrame, 3},
}
