package protocol

import (
	"bytes"

	"framescope/decode/http1"
)

// isHTTP looks for the head of a request or of a response.
func isHTTP(client, server Start) (string, verdict) {
	if len(client.Data) > 0 {
		switch http1.Sniff(client.Data) {
		case http1.RequestHead:
			if bytes.HasPrefix(client.Data, []byte("POST ")) {
				return isXMLRPC(client, server)
			}
			return HTTP, yes
		case http1.Short:
			return HTTP, client.short()
		}
		return HTTP, no
	}
	switch {
	case len(server.Data) == 0:
		return HTTP, no
	case http1.Sniff(server.Data) == http1.ResponseHead:
		return HTTP, yes
	case http1.Sniff(server.Data) == http1.Short && server.Data[0] == 'H':
		return HTTP, server.short()
	}
	return HTTP, no
}

// isXMLRPC looks at what a POST carries.
func isXMLRPC(client, server Start) (string, verdict) {
	head, body, found := bytes.Cut(client.Data, []byte("\r\n\r\n"))
	if !found {
		if client.Over {
			return HTTP, yes
		}
		return HTTP, more
	}
	var r http1.Request
	if _, err := http1.ParseRequest(client.Data[:len(head)+4], &r); err != nil || !bytes.Contains(bytes.ToLower(r.Header.Get("content-type")), []byte("xml")) {
		return HTTP, yes
	}
	switch call(body) {
	case yes:
		return XMLRPC, yes
	case maybe:
		if !client.Over {
			return HTTP, more
		}
	}
	if _, body, found = bytes.Cut(server.Data, []byte("\r\n\r\n")); found && call(body) == yes {
		return XMLRPC, yes
	}
	return HTTP, yes
}

// call reports whether an XML document is a call, or the answer to one.
func call(b []byte) verdict {
	for {
		b = bytes.TrimLeft(bytes.TrimPrefix(b, []byte("\xef\xbb\xbf")), " \t\r\n")
		end := ""
		switch {
		case bytes.HasPrefix(b, []byte("<?")):
			end = "?>"
		case bytes.HasPrefix(b, []byte("<!--")):
			end = "-->"
		case bytes.HasPrefix(b, []byte("<methodCall")), bytes.HasPrefix(b, []byte("<methodResponse")):
			return yes
		case len(b) < len("<methodResponse"):
			return maybe
		default:
			return no
		}
		_, rest, found := bytes.Cut(b, []byte(end))
		if !found {
			return maybe
		}
		b = rest
	}
}

const preface = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"

// isHTTP2 looks for the client's preface, or for what a server sends first.
func isHTTP2(client, server Start) (string, verdict) {
	v := no
	if len(client.Data) > 0 {
		v = begins(client, preface)
	}
	if v == yes {
		rest := client
		rest.Data = rest.Data[len(preface):]
		switch headers(rest) {
		case yes:
			return GRPC, yes
		case maybe:
			return HTTP2, more
		}
		if headers(server) == yes {
			return GRPC, yes
		}
		return HTTP2, yes
	}
	if v == no && len(client.Data) == 0 && len(server.Data) > 0 {
		if v = settings(server); v == yes && !client.Over {
			v = more
		}
	}
	return HTTP2, v
}

// settings reports whether d begins with a first SETTINGS frame (RFC 9113 section
// 3.4) with settings that are known.
func settings(d Start) verdict {
	b := d.Data
	const frame = "\x00\x00\x00\x04\x00\x00\x00\x00\x00"
	for i := range min(len(b), len(frame)) {
		if i != 2 && b[i] != frame[i] || i == 2 && (b[i] == 0 || b[i]%6 != 0) {
			return no
		}
	}
	if len(b) < len(frame) || len(b) < len(frame)+int(b[2]) {
		return d.short()
	}
	for s := b[len(frame) : len(frame)+int(b[2])]; len(s) > 0; s = s[6:] {
		if id := be16(s); id == 0 || id > 0x10 {
			return no
		}
	}
	return yes
}

// grpc is "application/grpc" as HPACK's Huffman code writes it (RFC 7541 appendix
// B), but for the bits of its last letter.
const grpc = "\x1d\x75\xd0\x62\x0d\x26\x3d\x4c\x4d\x65"

// headers reports whether the first headers in a row of HTTP/2 frames have the
// content type of gRPC.
func headers(d Start) verdict {
	b := d.Data
	for range 64 {
		if len(b) < 9 {
			return d.short()
		}
		size, typ := be24(b), b[3]
		b = b[9:]
		if typ != 1 {
			if size > len(b) {
				return d.short()
			}
			b = b[size:]
			continue
		}
		if size > len(b) && !d.Over {
			return maybe
		}
		b = b[:min(size, len(b))]
		if bytes.Contains(b, []byte(grpc)) || bytes.Contains(b, []byte("application/grpc")) {
			return yes
		}
		return no
	}
	return no
}
