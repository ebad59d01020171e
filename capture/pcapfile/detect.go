package pcapfile

import (
	"bytes"
	"encoding/binary"
	"io"
	"unicode/utf8"
)

// headSize is how many bytes are looked at to name what is not a capture.
const headSize = 512

// What sniff knows.
const (
	isOther = iota
	isPcap
	isPcapng
	isGzip
)

// sniff returns what b is the beginning of.
func sniff(b []byte) int {
	if len(b) < 4 {
		return isOther
	}
	if b[0] == 0x1f && b[1] == 0x8b && b[2] == 8 {
		return isGzip
	}
	for _, m := range []uint32{binary.LittleEndian.Uint32(b), binary.BigEndian.Uint32(b)} {
		switch m {
		case magicMicro, magicNano, magicModified:
			return isPcap
		case blockSection:
			return isPcapng
		}
	}
	return isOther
}

// readHead reads as many bytes from rd as it takes to know what they are. It
// does not wait for more than that, since rd may be a live capture.
func readHead(rd io.Reader) ([]byte, error) {
	buf := make([]byte, headSize)
	n, idle := 0, 0
	for want := 4; n < want; {
		m, err := rd.Read(buf[n:])
		n += m
		if err == io.EOF {
			return buf[:n], nil
		}
		if err != nil {
			return buf[:n], err
		}
		if m > 0 {
			idle = 0
		} else if idle++; idle == 100 {
			return buf[:n], io.ErrNoProgress
		}
		switch sniff(buf[:n]) {
		case isPcap:
			want = pcapHeader
		case isOther:
			want = headSize
		default:
			want = 4
		}
	}
	return buf[:n], nil
}

const (
	unpack  = "; decompress it first"
	convert = "; convert it first: editcap -F pcapng IN OUT"
	variant = "; this variant of pcap is not read" + convert
)

// others are files that people have, and have taken for captures.
var others = []struct{ magic, what, todo string }{
	{"\x28\xb5\x2f\xfd", "zstd-compressed", unpack + " (zstd -d)"},
	{"\xfd7zXZ\x00", "xz-compressed", unpack + " (xz -d)"},
	{"BZh", "bzip2-compressed", unpack + " (bzip2 -d)"},
	{"\x04\x22\x4d\x18", "lz4-compressed", unpack + " (lz4 -d)"},
	{"\x1f\x9d", "compressed by compress(1)", unpack + " (gzip -d)"},
	{"LZIP", "lzip-compressed", unpack + " (lzip -d)"},
	{"PK\x03\x04", "a zip archive", "; unpack it first (unzip)"},
	{"PK\x05\x06", "an empty zip archive", ""},
	{"7z\xbc\xaf\x27\x1c", "a 7-Zip archive", "; unpack it first (7z x)"},
	{"Rar!\x1a\x07", "a RAR archive", "; unpack it first"},
	{"snoop\x00\x00\x00", "a snoop capture", convert},
	{"btsnoop\x00", "a btsnoop capture of Bluetooth", ""},
	{"RTSS", "a Microsoft Network Monitor 1 (netmon) capture", convert},
	{"GMBU", "a Microsoft Network Monitor 2 (netmon) capture", convert},
	{"XCP\x00", "a NetXray or Sniffer capture", convert},
	{"TRSNIFF data    \x1a", "a Sniffer capture", convert},
	{"iptrace 1.0", "an AIX iptrace capture", convert},
	{"iptrace 2.0", "an AIX iptrace capture", convert},
	{"\x05VNF", "a Visual Networks capture", convert},
	{"ObserverPktBuffe", "a Network Instruments Observer capture", convert},
	{"\x7fver", "an EtherPeek or OmniPeek capture", convert},
	{"\x00\x00\x02\x00\x12\x05\x00\x10", "a Tektronix K12 capture", convert},
	{"LOGG", "a Vector BLF log", convert},
	{"\x1c\x00\x01\xab", "pcap of Ixia software", variant},
	{"\x1c\x00\x01\xac", "pcap of Ixia hardware", variant},
	{"\xab\x01\x00\x1c", "pcap of Ixia software", variant},
	{"\xac\x01\x00\x1c", "pcap of Ixia hardware", variant},
	{"\xa1\xe2\xcb\x12", "pcap with a modified magic number", variant},
	{"\x12\xcb\xe2\xa1", "pcap with a modified magic number", variant},
	{"\xa1\x2b\x3c\x4d", "pcap of Navtel", variant},
	{"\x4d\x3c\x2b\xa1", "pcap of Navtel", variant},
	{"\xa1\xb2\x34\xcd", "pcap with a modified magic number", variant},
	{"\xcd\x34\xb2\xa1", "pcap with a modified magic number", variant},
	{"\x0a\x0d\x0a", "pcapng damaged by a transfer as text", "; transfer it again as binary"},
	{"\x0d\x0a\x0d\x0d\x0d\x0a", "pcapng damaged by a transfer as text", "; transfer it again as binary"},
	{"\x7fELF", "a program", ""},
	{"MZ", "a Windows program", ""},
	{"%PDF", "a PDF document", ""},
	{"\x89PNG", "a picture", ""},
	{"SQLite format 3\x00", "an SQLite database", ""},
	{"\xff\xfe", "text in UTF-16", ""},
	{"\xfe\xff", "text in UTF-16", ""},
}

// describe returns the error for a file that begins with b and is no capture.
func describe(b []byte, gzip bool) error {
	what, todo := identify(b)
	if what == "" {
		return causef(ErrTruncated, "file ends inside the magic number, %d of 4 bytes are there", len(b))
	}
	if gzip {
		what = "gzip of " + what
	}
	return causef(ErrFormat, "%s, not a pcap or pcapng file%s", what, todo)
}

// identify names what b, all of the file or its beginning, is, and what to do
// with it. It returns nothing when b is too short to tell.
func identify(b []byte) (what, todo string) {
	switch {
	case len(b) == 0:
		return "an empty file", ""
	case len(bytes.Trim(b, "\x00")) == 0:
		return "a file of zeros", ""
	case isText(b):
		return identifyText(b)
	}
	for _, o := range others {
		if bytes.HasPrefix(b, []byte(o.magic)) {
			return o.what, o.todo
		}
	}
	switch {
	case len(b) < 4:
		return "", ""
	case sniff(b) == isGzip:
		return "gzip", "; decompress it once (gzip -d)"
	case len(b) >= 262 && string(b[257:262]) == "ustar":
		return "a tar archive", "; unpack it first (tar -x)"
	case isERF(b):
		return "what looks like an ERF capture", convert
	}
	return "an unknown kind of file", ""
}

// isERF reports whether b begins with a record of the Extensible Record Format
// of Endace cards, which has no magic number: a time from 1990 to 2100, a known
// type, and lengths that fit each other.
func isERF(b []byte) bool {
	if len(b) < 16 {
		return false
	}
	sec := binary.LittleEndian.Uint32(b[4:])
	typ, length, wire := b[8]&0x7f, binary.BigEndian.Uint16(b[10:]), binary.BigEndian.Uint16(b[14:])
	return sec >= 631152000 && sec < 4102444800 && typ >= 1 && typ <= 48 &&
		length >= 16 && length < 1<<14 && length%8 == 0 && wire > 0 && wire < 1<<14
}

// isText reports whether b is text: UTF-8, and no control characters but white
// space and escape.
func isText(b []byte) bool {
	for _, c := range b {
		if c < ' ' && !(c >= '\t' && c <= '\r') && c != 0x1b || c == 0x7f {
			return false
		}
	}
	if len(b) == headSize {
		// the last character may have been cut
		for i := 1; i < utf8.UTFMax; i++ {
			if utf8.RuneStart(b[len(b)-i]) {
				b = b[:len(b)-i]
				break
			}
		}
	}
	return utf8.Valid(b)
}

// keyLogs are how the key logs of TLS libraries begin (the NSS key log format).
var keyLogs = []string{"CLIENT_RANDOM ", "CLIENT_HANDSHAKE_TRAFFIC_SECRET ", "SERVER_HANDSHAKE_TRAFFIC_SECRET ",
	"CLIENT_EARLY_TRAFFIC_SECRET ", "RSA ", "# TLS secrets log file", "# SSL/TLS secrets log file"}

// identifyText is identify for text.
func identifyText(b []byte) (what, todo string) {
	t := bytes.TrimSpace(bytes.TrimPrefix(b, []byte("\xef\xbb\xbf")))
	for _, k := range keyLogs {
		if bytes.HasPrefix(t, []byte(k)) {
			return "a TLS key log", ""
		}
	}
	switch {
	case len(t) == 0:
		return "white space", ""
	case t[0] == '{' || t[0] == '[':
		return "JSON text", ""
	case t[0] == '<':
		return "XML or HTML text", ""
	case bytes.HasPrefix(t, []byte("0000")):
		return "a hex dump", "; convert it first: text2pcap IN OUT"
	case len(t) > 8 && t[2] == ':' && t[5] == ':' && t[8] == '.':
		return "what tcpdump prints", "; give the file that tcpdump -w writes"
	}
	return "text", ""
}
