package websocket

import (
	"strings"
	"testing"

	"framescope/decode/finding"
	"framescope/decode/http1"
)

const (
	goodRequest = "GET /chat HTTP/1.1\r\n" +
		"Host: server.example.com\r\n" +
		"Upgrade: websocket\r\n" +
		"Connection: keep-alive, Upgrade\r\n" +
		"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n" +
		"Origin: http://example.com\r\n" +
		"Sec-WebSocket-Protocol: chat, superchat\r\n" +
		"Sec-WebSocket-Extensions: permessage-deflate; client_max_window_bits\r\n" +
		"Sec-WebSocket-Version: 13\r\n\r\n"
	goodResponse = "HTTP/1.1 101 Switching Protocols\r\n" +
		"Upgrade: websocket\r\n" +
		"Connection: Upgrade\r\n" +
		"Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n" +
		"Sec-WebSocket-Protocol: chat\r\n" +
		"Sec-WebSocket-Extensions: permessage-deflate; client_no_context_takeover; client_max_window_bits=10\r\n\r\n"
)

func TestAcceptKey(t *testing.T) {
	if got := AcceptKey([]byte("dGhlIHNhbXBsZSBub25jZQ==")); got != "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=" {
		t.Errorf("RFC 6455 section 1.3: %s", got)
	}
}

func TestHandshake(t *testing.T) {
	h := CheckHandshake(Exchange{Request: request(t, goodRequest), Response: response(t, goodResponse)})
	if !h.Meant || h.OK != Yes || h.Accept != Yes || string(h.Subprotocol) != "chat" || len(h.Issues) != 0 {
		t.Errorf("%+v", h)
	}
	if !h.Deflate || h.Other || h.Client != (Deflate{NoContextTakeover: true, WindowBits: 10}) || h.Server != (Deflate{}) {
		t.Errorf("client %+v, server %+v", h.Client, h.Server)
	}
	for _, x := range []struct {
		x               Exchange
		meant, ok, acpt any
	}{
		{Exchange{Request: request(t, goodRequest)}, true, Unknown, Unknown},
		{Exchange{Response: response(t, goodResponse)}, true, Unknown, Unknown},
		{Exchange{}, false, Unknown, Unknown},
	} {
		if h := CheckHandshake(x.x); h.Meant != x.meant || h.OK != x.ok || h.Accept != x.acpt || len(h.Issues) != 0 {
			t.Errorf("one head: %+v", h)
		}
	}
}

// Each row changes one thing in the good handshake and names what comes of it.
func TestHandshakeIssues(t *testing.T) {
	const upgrade = "HTTP/1.1 426 Upgrade Required\r\nUpgrade: websocket\r\n\r\n"
	status := func(line string, fields ...string) string {
		return "HTTP/1.1 " + line + "\r\n" + strings.Join(append(fields, "", ""), "\r\n")
	}
	for _, row := range []struct {
		name          string
		req, resp     []string // pairs: old, new; a single string replaces the head
		body          string
		informational bool
		want          string // ids
		ok, accept    Verdict
	}{
		{name: "accept", resp: []string{"s3pPLMBiTxaQ9kYGzzhZRbK+xOo=", "fmlgVq0VaAnSg2w4lz8c6jxRj1I="}, want: "accept-mismatch", ok: No, accept: No},
		{name: "no accept", resp: []string{"Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n", ""}, want: "accept-missing", ok: No, accept: No},
		{name: "accept twice", resp: []string{"Upgrade: w", "Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\nUpgrade: w"}, want: "accept-duplicate", ok: No, accept: Yes},
		{name: "no upgrade in 101", resp: []string{"Upgrade: websocket\r\n", ""}, want: "response-upgrade-missing", ok: No, accept: Yes},
		{name: "other upgrade in 101", resp: []string{"Upgrade: websocket", "Upgrade: h2c"}, want: "response-upgrade-missing", ok: No, accept: Yes},
		{name: "upgrade in other case", resp: []string{"Upgrade: websocket", "upgrade: WebSocket"}, ok: Yes, accept: Yes},
		{name: "no connection in 101", resp: []string{"Connection: Upgrade\r\n", ""}, want: "response-connection-missing", ok: No, accept: Yes},
		{name: "1.0 101", resp: []string{"HTTP/1.1", "HTTP/1.0"}, want: "response-http10", ok: No, accept: Yes},
		{name: "line feeds", resp: []string{"Protocols\r\n", "Protocols\n"}, want: "response-lf-only", ok: Yes, accept: Yes},
		{name: "103 first", informational: true, want: "informational-response", ok: Yes, accept: Yes},
		{name: "large head", resp: []string{"Upgrade: w", "X: " + strings.Repeat("x", 9000) + "\r\nUpgrade: w"}, want: "response-header-too-large", ok: Yes, accept: Yes},
		{name: "larger head", resp: []string{"Upgrade: w", strings.Repeat("X: "+strings.Repeat("x", 999)+"\r\n", 17) + "Upgrade: w"}, want: "response-header-too-large", ok: Yes, accept: Yes},
		{name: "no subprotocol", resp: []string{"Sec-WebSocket-Protocol: chat\r\n", ""}, want: "subprotocol-not-selected", ok: Yes, accept: Yes},
		{name: "other subprotocol", resp: []string{"Protocol: chat", "Protocol: v9.other"}, want: "subprotocol-unrequested", ok: No, accept: Yes},
		{name: "subprotocol in other case", resp: []string{"Protocol: chat", "Protocol: Chat"}, want: "subprotocol-unrequested", ok: No, accept: Yes},
		{name: "empty subprotocol", resp: []string{"Protocol: chat", "Protocol: "}, want: "subprotocol-unrequested", ok: No, accept: Yes},
		{name: "subprotocol not asked for", req: []string{"Sec-WebSocket-Protocol: chat, superchat\r\n", ""}, want: "subprotocol-unrequested", ok: No, accept: Yes},
		{name: "two subprotocols", resp: []string{"Protocol: chat", "Protocol: chat, superchat"}, want: "subprotocol-multiple", ok: No, accept: Yes},
		{name: "two subprotocol fields", resp: []string{"Upgrade: w", "Sec-WebSocket-Protocol: superchat\r\nUpgrade: w"}, want: "subprotocol-multiple", ok: No, accept: Yes},
		{name: "extension", req: []string{"Sec-WebSocket-Extensions: permessage-deflate; client_max_window_bits\r\n", ""}, want: "extension-unrequested", ok: No, accept: Yes},
		{name: "parameter", resp: []string{"client_max_window_bits=10", "server_max_window_bits=99"}, want: "extension-parameter", ok: No, accept: Yes},
		{name: "offer", req: []string{"client_max_window_bits", "client_max_window_bits=99"}, want: "extension-offer-invalid extension-parameter", ok: No, accept: Yes},
		{name: "no key", req: []string{"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n", ""}, want: "key-missing", ok: No},
		{name: "two keys", req: []string{"Origin", "Sec-WebSocket-Key: AAAA\r\nOrigin"}, want: "key-duplicate", ok: No, accept: Yes},
		{name: "short key", req: []string{"dGhlIHNhbXBsZSBub25jZQ==", "AAAA"}, want: "key-not-16-bytes accept-mismatch", ok: No, accept: No},
		{name: "long key", req: []string{"dGhlIHNhbXBsZSBub25jZQ==", strings.Repeat("AAAA", 30)}, want: "key-not-16-bytes accept-mismatch", ok: No, accept: No},
		{name: "no base64", req: []string{"dGhlIHNhbXBsZSBub25jZQ==", "dGhlIHNhbXBsZSBub25jZQ!!"}, want: "key-not-16-bytes accept-mismatch", ok: No, accept: No},
		{name: "version 8", req: []string{"Version: 13", "Version: 8"}, want: "version-unsupported", ok: No, accept: Yes},
		{name: "no version", req: []string{"Sec-WebSocket-Version: 13\r\n", ""}, want: "version-unsupported", ok: No, accept: Yes},
		{name: "version 99 refused", req: []string{"Version: 13", "Version: 99"}, resp: []string{status("400 Bad Request", "Sec-WebSocket-Version: 13, 8")}, want: "version-unsupported", ok: No},
		{name: "no upgrade", req: []string{"Upgrade: websocket\r\n", ""}, resp: []string{upgrade}, want: "proxy-strips-upgrade", ok: No},
		{name: "nginx", req: []string{"GET / HTTP/1.0\r\nHost: a\r\nConnection: close\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: S5O77dM3raoT0NwLZ+dKiA==\r\n\r\n"},
			resp: []string{status("400 Bad Request")}, want: "proxy-strips-upgrade", ok: No},
		{name: "426 to a good request", resp: []string{upgrade}, want: "proxy-strips-upgrade", ok: No},
		{name: "plain GET", req: []string{"GET / HTTP/1.1\r\nHost: a\r\n\r\n"}, resp: []string{upgrade}, want: "upgrade-missing", ok: No},
		{name: "plain GET, node", req: []string{"GET / HTTP/1.1\r\nHost: a\r\n\r\n"}, resp: []string{status("426 Upgrade Required")}, want: "upgrade-missing", ok: No},
		{name: "connection", req: []string{"keep-alive, Upgrade", "close"}, resp: []string{upgrade}, want: "connection-header", ok: No},
		{name: "HTTP/1.0", req: []string{"HTTP/1.1", "HTTP/1.0"}, want: "request-http10", ok: No, accept: Yes},
		{name: "POST", req: []string{"GET", "POST"}, resp: []string{status("405 Method Not Allowed")}, want: "method-not-get", ok: No},
		{name: "200", resp: []string{status("200 OK", "Content-Type: text/html")}, want: "http-200", ok: No},
		{name: "301", resp: []string{status("301 Moved", "Location: https://a/?token=secret")}, want: "http-redirect", ok: No},
		{name: "308", resp: []string{status("308 Permanent Redirect", "Location: /ws/")}, want: "http-redirect", ok: No},
		{name: "304", resp: []string{status("304 Not Modified")}, want: "http-status", ok: No},
		{name: "400", resp: []string{status("400 Bad Request")}, want: "http-400", ok: No},
		{name: "401", resp: []string{status("401 Unauthorized", "WWW-Authenticate: Bearer")}, want: "http-401", ok: No},
		{name: "403 origin", resp: []string{status("403 Forbidden")}, want: "http-403-origin", ok: No},
		{name: "403 same origin", req: []string{"http://example.com", "http://Server.example.com"}, resp: []string{status("403 Forbidden", "Server: cloudflare")}, want: "http-403-other", ok: No},
		{name: "403 no origin", req: []string{"Origin: http://example.com\r\n", ""}, resp: []string{status("403 Forbidden")}, want: "http-403-other", ok: No},
		{name: "403 origin wanted", req: []string{"Origin: http://example.com\r\n", ""}, resp: []string{status("403 Forbidden")}, body: "missing Origin header", want: "http-403-origin", ok: No},
		{name: "404", resp: []string{status("404 Not Found")}, want: "http-404", ok: No},
		{name: "407", resp: []string{status("407 Proxy Authentication Required")}, want: "proxy-407", ok: No},
		{name: "429", resp: []string{status("429 Too Many Requests", "Retry-After: 5")}, want: "http-429", ok: No},
		{name: "431", resp: []string{status("431 Request Header Fields Too Large")}, want: "request-header-too-large", ok: No},
		{name: "nginx 400", resp: []string{status("400 Bad Request", "Server: nginx")}, body: "<html><title>400 Request Header Or Cookie Too Large</title>", want: "request-header-too-large", ok: No},
		{name: "500", resp: []string{status("500 Internal Server Error")}, want: "http-500", ok: No},
		{name: "501", resp: []string{status("501 Not Implemented")}, want: "http-500", ok: No},
		{name: "502", resp: []string{status("502 Bad Gateway")}, want: "proxy-502", ok: No},
		{name: "503", resp: []string{status("503 Service Unavailable", "Retry-After: 9")}, want: "http-503", ok: No},
		{name: "503 of a proxy", resp: []string{status("503 Service Unavailable")}, body: "<h1>503</h1>No server is available to handle this request.", want: "proxy-503", ok: No},
		{name: "504", resp: []string{status("504 Gateway Time-out")}, want: "proxy-504", ok: No},
		{name: "522", resp: []string{status("522 ")}, want: "proxy-504", ok: No},
		{name: "418", resp: []string{status("418 I'm a teapot")}, want: "http-status", ok: No},
		{name: "sticky", resp: []string{status("400 Bad Request")}, body: `{"code":1,"message":"Session ID unknown"}`, want: "sticky-session-400", ok: No},
		{name: "TLS port", resp: []string{"HTTP/1.0 400 Bad Request\r\n\r\n"}, body: "Client sent an HTTP request to an HTTPS server.\n", want: "plain-to-tls-port", ok: No},
		{name: "TLS port, nginx", resp: []string{status("400 Bad Request")}, body: "<title>400 The plain HTTP request was sent to HTTPS port</title>", want: "plain-to-tls-port", ok: No},
	} {
		x := Exchange{Body: []byte(row.body), Informational: row.informational}
		x.Request = request(t, changed(t, row.name, goodRequest, row.req))
		x.Response = response(t, changed(t, row.name, goodResponse, row.resp))
		x.Response.Size = len(changed(t, row.name, goodResponse, row.resp))
		h := CheckHandshake(x)
		var ids []string
		for _, i := range h.Issues {
			ids = append(ids, i.ID.String())
			if i.Text == "" || strings.Contains(i.Text, "%!") || strings.Contains(i.Text, "secret") || len(i.Text) > 300 {
				t.Errorf("%s: evidence %q", row.name, i.Text)
			}
		}
		if got := strings.Join(ids, " "); got != row.want || !h.Meant || h.OK != row.ok || h.Accept != row.accept {
			t.Errorf("%s: %q, meant %v, ok %v, accept %v; want %q, %v, %v", row.name, got, h.Meant, h.OK, h.Accept, row.want, row.ok, row.accept)
		}
	}
}

func changed(t *testing.T, name, head string, change []string) string {
	switch {
	case len(change) == 0:
		return head
	case len(change) == 1:
		return change[0]
	case !strings.Contains(head, change[0]):
		t.Fatalf("%s: %q is not in the head", name, change[0])
	}
	return strings.Replace(head, change[0], change[1], 1)
}

// A head whose end is missing gives no finding for what may have been there.
func TestHandshakeCut(t *testing.T) {
	lines := func(s string) []string { return strings.SplitAfter(strings.TrimSuffix(s, "\r\n"), "\r\n") }
	req, resp := lines(goodRequest), lines(goodResponse)
	for i := 1; i < len(req); i++ {
		for j := 1; j < len(resp); j++ {
			x := Exchange{
				Request:    request(t, strings.Join(req[:i], "")+"\r\n"),
				Response:   response(t, strings.Join(resp[:j], "")+"\r\n"),
				RequestCut: i < len(req)-1, ResponseCut: j < len(resp)-1,
			}
			h := CheckHandshake(x)
			if len(h.Issues) > 0 || h.OK == No || h.Accept == No || (h.OK == Yes) != (!x.RequestCut && !x.ResponseCut) {
				t.Errorf("request of %d lines, response of %d: %+v", i, j, h)
			}
			if c := h.Compression(); c != Deflated && (c != Perhaps || !x.ResponseCut) {
				t.Errorf("response of %d lines: compression %v", j, c)
			}
		}
	}
}

func TestHandshakeEvidence(t *testing.T) {
	h := CheckHandshake(Exchange{
		Request:  request(t, goodRequest),
		Response: response(t, strings.Replace(goodResponse, "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=", "fmlgVq0VaAnSg2w4lz8c6jxRj1I=", 1)),
	})
	if len(h.Issues) != 1 || h.Issues[0].Text != "expected s3pPLMBiTxaQ9kYGzzhZRbK+xOo=, found fmlgVq0VaAnSg2w4lz8c6jxRj1I=" || !h.Issues[0].Answer {
		t.Errorf("%+v", h.Issues)
	}
}

// What is no attempt to open a WebSocket has no issues.
func TestNotMeant(t *testing.T) {
	for _, row := range []struct{ req, resp, want string }{
		{"GET / HTTP/1.1\r\nHost: a\r\n\r\n", "HTTP/1.1 404 Not Found\r\n\r\n", ""},
		{"GET / HTTP/1.1\r\nHost: a\r\nUpgrade: h2c\r\nConnection: Upgrade\r\n\r\n", "HTTP/1.1 101 Switching\r\nUpgrade: h2c\r\n\r\n", ""},
		{"GET / HTTP/1.1\r\nHost: a\r\n\r\n", "HTTP/1.1 426 Upgrade Required\r\nUpgrade: TLS/1.2\r\n\r\n", ""},
		{"GET / HTTP/1.1\r\n\r\n", "HTTP/1.1 407 Proxy Authentication Required\r\n\r\n", ""},
		{"CONNECT a:80 HTTP/1.1\r\n\r\n", "HTTP/1.1 200 OK\r\n\r\n", ""},
		{"CONNECT a:80 HTTP/1.1\r\n\r\n", "HTTP/1.1 407 Proxy Authentication Required\r\n\r\n", "proxy-407"},
	} {
		h := CheckHandshake(Exchange{Request: request(t, row.req), Response: response(t, row.resp)})
		got := ""
		for _, i := range h.Issues {
			got += i.ID.String()
		}
		if h.Meant || got != row.want || h.OK != Unknown {
			t.Errorf("%q %q: %+v", row.req, row.resp, h)
		}
	}
}

func FuzzHandshake(f *testing.F) {
	f.Add([]byte(goodRequest), []byte(goodResponse), []byte(""))
	f.Add([]byte("GET / HTTP/1.0\nSec-WebSocket-Key:\n\n"), []byte("HTTP/1.1 403\n\n"), []byte("origin"))
	f.Fuzz(func(t *testing.T, req, resp, body []byte) {
		var a http1.Request
		var b http1.Response
		x := Exchange{Body: body}
		if _, err := http1.ParseRequest(req, &a); err == nil {
			x.Request = &a
		}
		if _, err := http1.ParseResponse(resp, &b); err == nil {
			x.Response = &b
		}
		h := CheckHandshake(x)
		var seen finding.Set
		for _, i := range h.Issues {
			if i.ID == finding.None || seen.Has(i.ID) || i.Text == "" {
				t.Fatalf("%+v", h.Issues)
			}
			seen.Add(i.ID)
		}
		if h.OK == Yes && (x.Request == nil || x.Response == nil || x.Response.Status != 101 || h.Accept != Yes) {
			t.Fatalf("ok: %+v", h)
		}
	})
}
