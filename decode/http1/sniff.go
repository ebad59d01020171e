package http1

import "bytes"

// A Kind is what a stream of bytes begins like.
type Kind uint8

// The kinds that Sniff tells apart.
const (
	// Short: too few bytes to tell.
	Short Kind = iota
	// Other: none of the kinds below.
	Other
	// RequestHead and ResponseHead: an HTTP/1.0 or HTTP/1.1 head.
	RequestHead
	ResponseHead
	// HTTP2: the client's preface or a first SETTINGS frame (RFC 9113 section
	// 3.4).
	HTTP2
	// TLS: a TLS record, such as a ClientHello or an alert (RFC 8446 section
	// 5.1).
	TLS
)

// String returns a word such as "request", or "" for Short.
func (k Kind) String() string {
	return [...]string{"", "other", "request", "response", "http2", "tls"}[k]
}

const (
	maxMethod = 32      // bytes; the longest registered one has 17
	maxLine   = 2 << 10 // of a request line that Sniff waits for
	preface   = "PRI * HTTP/2.0\r\n"
)

// Sniff tells what b, the beginning of a stream, begins like. It returns Short
// while more bytes could make it an HTTP head, and never for more than 2 KiB.
func Sniff(b []byte) Kind {
	if len(b) == 0 {
		return Short
	}
	switch {
	case b[0] >= 20 && b[0] <= 23: // change cipher spec, alert, handshake, data
		return sniffTLS(b)
	case b[0] == 0:
		return sniffSettings(b)
	case b[0] == '\r' || b[0] == '\n':
		if b = b[skipEmpty(b):]; len(b) == 0 {
			return Short
		}
		return sniffRequest(b)
	case b[0] == 'H' && hasPrefix(b, "HTTP/1."):
		return sniffStatus(b)
	case b[0] == 'P' && hasPrefix(b, preface):
		if len(b) < len(preface) {
			return Short
		}
		return HTTP2
	}
	return sniffRequest(b)
}

// hasPrefix reports whether b begins with s, or s with b.
func hasPrefix(b []byte, s string) bool {
	n := min(len(b), len(s))
	return string(b[:n]) == s[:n]
}

func sniffTLS(b []byte) Kind {
	switch {
	case len(b) > 1 && b[1] != 3, len(b) > 2 && b[2] > 4:
		return Other
	case len(b) < 3:
		return Short
	}
	return TLS
}

// sniffSettings looks for a SETTINGS frame on stream 0: the length is a
// multiple of 6, and a first one acknowledges nothing.
func sniffSettings(b []byte) Kind {
	const frame = "\x00\x00\x00\x04\x00\x00\x00\x00\x00"
	n := min(len(b), len(frame))
	if b[0] != 0 || n > 1 && b[1] != 0 || n > 2 && b[2]%6 != 0 || n > 3 && string(b[3:n]) != frame[3:n] {
		return Other
	}
	if n < len(frame) {
		return Short
	}
	return HTTP2
}

func sniffStatus(b []byte) Kind {
	const need = len("HTTP/1.1 101")
	for i, c := range b[:min(len(b), need)] {
		if i == 8 && c != ' ' || (i == 7 || i > 8) && !digit(c) {
			return Other
		}
	}
	if len(b) < need {
		return Short
	}
	return ResponseHead
}

// sniffRequest looks for a method, a target and a version.
func sniffRequest(b []byte) Kind {
	i := 0
	for i < len(b) && i <= maxMethod && tchar(b[i]) {
		i++
	}
	switch {
	case i == len(b) && i <= maxMethod:
		return Short
	case i == 0 || i > maxMethod || b[i] != ' ':
		return Other
	}
	line := b[:min(len(b), maxLine)]
	end := bytes.IndexByte(line, '\n')
	if end >= 0 {
		line = line[:end]
	}
	for _, c := range line[i:] {
		if c < ' ' && c != '\r' && c != '\t' || c == 127 {
			return Other
		}
	}
	if end < 0 {
		// Enough for a head that the capture cut off.
		rest := b[i+1:]
		if len(rest) > 0 && (rest[0] == '/' || string(rest[:min(len(rest), 7)]) == "http://") && wellKnown(b[:i]) {
			return RequestHead
		}
		if len(b) >= maxLine {
			return Other
		}
		return Short
	}
	line = bytes.TrimSuffix(line, []byte{'\r'})
	if n := len(line) - 8; n > i {
		if _, ok := version(line[n:]); ok && line[n-1] == ' ' {
			return RequestHead
		}
	}
	return Other
}

// wellKnown reports whether method is one of RFC 9110 section 9.3 or RFC 5789.
func wellKnown(method []byte) bool {
	switch string(method) {
	case "GET", "HEAD", "POST", "PUT", "DELETE", "OPTIONS", "TRACE", "PATCH":
		return true
	}
	return false
}
