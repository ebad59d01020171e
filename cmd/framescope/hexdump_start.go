package main

import (
	"bytes"
	"encoding/binary"
)

// startBytes is how much of the input otherInput looks at.
const startBytes = 64

// otherInput says what to do about input that is no stream of frames: a capture, or
// packets with their headers. b is what it begins with. It returns "" for bytes
// that look like neither.
func otherInput(b []byte) string {
	for _, magic := range []string{"\xd4\xc3\xb2\xa1", "\xa1\xb2\xc3\xd4", "\x4d\x3c\xb2\xa1", "\xa1\xb2\x3c\x4d", "\x0a\x0d\x0d\x0a"} {
		if bytes.HasPrefix(b, []byte(magic)) {
			return "this is a capture, not a stream: framescope decode --framing NAME:PORT FILE"
		}
	}
	if !ipPacket(b) && (len(b) < 14 || !ipPacket(b[14:])) {
		return ""
	}
	return "these look like packets with their IP headers: save them with tcpdump -w, and use framescope decode --framing NAME:PORT FILE"
}

// ipPacket reports whether b begins like an IP packet with TCP or UDP in it.
func ipPacket(b []byte) bool {
	const tcp, udp = 6, 17
	switch {
	case len(b) >= 20 && b[0]>>4 == 4:
		total := int(binary.BigEndian.Uint16(b[2:]))
		return b[0]&15 >= 5 && total >= 4*int(b[0]&15)+8 && (b[9] == tcp || b[9] == udp)
	case len(b) >= 40 && b[0]>>4 == 6:
		return b[6] == tcp || b[6] == udp
	}
	return false
}
