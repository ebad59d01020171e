package http1

import (
	"bytes"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"framescope/decode"
)

const rfc6455Request = "GET /chat HTTP/1.1\r\n" +
	"Host: server.example.com\r\n" +
	"Upgrade: websocket\r\n" +
	"Connection: keep-alive, Upgrade\r\n" +
	"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n" +
	"Origin: http://example.com\r\n" +
	"Sec-WebSocket-Protocol: chat, superchat\r\n" +
	"Sec-WebSocket-Protocol: \"a, b\",, v2\r\n" +
	"Sec-WebSocket-Version: 13\r\n\r\n"

const rfc6455Response = "HTTP/1.1 101 Switching Protocols\r\n" +
	"Upgrade: websocket\r\n" +
	"Connection: Upgrade\r\n" +
	"Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\n"

// list returns the strings of an iterator.
func list(seq func(func([]byte) bool)) (l []string) {
	for v := range seq {
		l = append(l, string(v))
	}
	return l
}

func TestRequest(t *testing.T) {
	var r Request
	n, err := ParseRequest([]byte(rfc6455Request+"frames"), &r)
	if err != nil || n != len(rfc6455Request) || r.Size != n {
		t.Fatalf("%d, %v; want %d", n, err, len(rfc6455Request))
	}
	if string(r.Method) != "GET" || string(r.Target) != "/chat" || string(r.Version) != "1.1" || len(r.Header) != 8 || r.Quirks != (Quirks{}) {
		t.Fatalf("%s %s %s %d fields, %+v", r.Method, r.Target, r.Version, len(r.Header), r.Quirks)
	}
	if v := r.Header.Get("host"); string(v) != "server.example.com" {
		t.Errorf("Host: %q", v)
	}
	if !r.Header.HasToken("connection", "upgrade") || r.Header.HasToken("connection", "close") {
		t.Error("wrong tokens in Connection")
	}
	if got, want := list(r.Header.List("SEC-websocket-protocol")), []string{"chat", "superchat", `"a, b"`, "v2"}; !slices.Equal(got, want) {
		t.Errorf("list %q, want %q", got, want)
	}
	if got := list(r.Header.Values("sec-websocket-protocol")); len(got) != 2 || r.Header.Count("sec-websocket-protocol") != 2 {
		t.Errorf("values %q", got)
	}
	if r.Header.Get("cookie") != nil {
		t.Error("a field that is not there")
	}
}

func TestResponse(t *testing.T) {
	var r Response
	n, err := ParseResponse([]byte(rfc6455Response), &r)
	if err != nil || n != len(rfc6455Response) || r.Status != 101 || string(r.Reason) != "Switching Protocols" || string(r.Version) != "1.1" {
		t.Fatalf("%d %v %+v", n, err, r)
	}
}

// What real peers send: method, target, version or status, reason, fields and
// quirks that come out.
func TestTolerance(t *testing.T) {
	for _, row := range []struct{ head, want string }{
		{"GET / HTTP/1.1\nHost: a\n\n", "GET|/|1.1|Host=a|lf"},
		{"GET / HTTP/1.0\r\n\r\n", "GET|/|1.0||"},
		{"\r\n\r\nGET / HTTP/1.1\r\nA: b\r\n\r\n", "GET|/|1.1|A=b|"},
		{"GET  /a b  HTTP/1.1\r\n\r\n", "GET|/a b|1.1||"},
		{"OPTIONS * HTTP/1.1\r\nA:\r\nB: \t\r\n\r\n", "OPTIONS|*|1.1|A=;B=|"},
		{"CONNECT h:80 HTTP/1.1\r\nHost: h:80\r\n\r\n", "CONNECT|h:80|1.1|Host=h:80|"},
		{"!#$%&'*+-.^_`|~9 / HTTP/1.1\r\n\r\n", "!#$%&'*+-.^_`|~9|/|1.1||"},
		{"GET / HTTP/1.1\r\nA: b\r\n c\r\n\t d\r\nE: f\r\n\r\n", "GET|/|1.1|A=b\r\n c\r\n\t d;E=f|fold"},
		{"GET / HTTP/1.1\r\nA:\r\n  \r\n c \r\n \r\n\r\n", "GET|/|1.1|A=c|fold"},
		{"GET / HTTP/1.1\r\n folded: nothing\r\nA: b\r\n\r\n", "GET|/|1.1|A=b|fold"},
		{"GET / HTTP/1.1\r\nA : b\r\n\r\n", "GET|/|1.1|A=b|colon"},
		{"GET / HTTP/1.1\r\nno colon\r\nA: b\r\n\r\n", "GET|/|1.1|no colon=;A=b|bad"},
		{"GET / HTTP/1.1\r\nA: b\rc\r\n\r\n", "GET|/|1.1|A=b\rc|bad"},
		{"GET / HTTP/1.1\r\n: b\r\n\r\n", "GET|/|1.1|=b|bad"},
		{"HTTP/1.1 200\r\n\r\n", "200||1.1||"},
		{"HTTP/1.1 200 \r\n\r\n", "200||1.1||"},
		{"HTTP/1.0  404  Not  Found\r\n\r\n", "404|Not  Found|1.0||"},
		{"HTTP/1.1 101 Switching Protocols\nUpgrade: websocket\r\n\r\n", "101|Switching Protocols|1.1|Upgrade=websocket|lf"},
	} {
		got, n, err := parseEither([]byte(row.head + "tail"))
		if err != nil || n != len(row.head) || got != row.want {
			t.Errorf("%q: %d, %v\n got %q\nwant %q", row.head, n, err, got, row.want)
		}
		if end := FindEnd([]byte(row.head+"tail"), 0); end != len(row.head) {
			t.Errorf("%q: FindEnd %d, want %d", row.head, end, len(row.head))
		}
	}
}

// parseEither writes down a head of either kind.
func parseEither(b []byte) (string, int, error) {
	var s string
	var h Header
	var q Quirks
	var n int
	var err error
	if bytes.HasPrefix(b, []byte("HTTP/")) {
		var r Response
		n, err = ParseResponse(b, &r)
		s, h, q = fmt.Sprintf("%d|%s|%s|", r.Status, r.Reason, r.Version), r.Header, r.Quirks
	} else {
		var r Request
		n, err = ParseRequest(b, &r)
		s, h, q = fmt.Sprintf("%s|%s|%s|", r.Method, r.Target, r.Version), r.Header, r.Quirks
	}
	var fields []string
	for _, f := range h {
		fields = append(fields, fmt.Sprintf("%s=%s", f.Name, f.Value))
	}
	s += strings.Join(fields, ";") + "|"
	for _, x := range []struct {
		set  bool
		name string
	}{{q.LFOnly, "lf"}, {q.Folded, "fold"}, {q.SpaceBeforeColon, "colon"}, {q.BadLine, "bad"}} {
		if x.set {
			s += x.name
		}
	}
	return s, n, err
}

func TestNotHTTP(t *testing.T) {
	for _, row := range []struct {
		head, field string
		off         int64
	}{
		{"SSH-2.0-OpenSSH_9.2\r\n", "method", 0},
		{"SSH-2.0-OpenSSH_9.2 Debian\r\n", "version", 20},
		{"GET /\r\n\r\n", "version", 4},
		{"GET HTTP/1.1\r\n\r\n", "target", 4},
		{"G(T / HTTP/1.1\r\n\r\n", "method", 0},
		{" / HTTP/1.1\r\n\r\n", "method", 0},
		{"GET / HTTP/2.0\r\n\r\n", "version", 4},
		{"GET / HTTP/1.11\r\n\r\n", "version", 4},
		{"GET / http/1.1\r\n\r\n", "version", 4},
		{"\r\nGET / FTP\r\n\r\n", "version", 6},
		{"HTTP/2 200\r\n\r\n", "version", 0},
		{"HTTP/1.1\r\n\r\n", "status code", 8},
		{"HTTP/1.1 20\r\n\r\n", "status code", 8},
		{"HTTP/1.1 2000 x\r\n\r\n", "status code", 8},
		{"HTTP/1.1 099 x\r\n\r\n", "status code", 8},
		{"HTTP/1.1x200 x\r\n\r\n", "status code", 8},
	} {
		_, n, err := parseEither([]byte(row.head))
		var e *decode.Error
		if !errors.As(err, &e) || n != 0 || e.Layer != "http1" || e.Field != row.field || e.Off != row.off {
			t.Errorf("%q: %d, %v; want %s at %d", row.head, n, err, row.field, row.off)
		}
	}
}

func TestShort(t *testing.T) {
	for _, head := range []string{rfc6455Request, rfc6455Response} {
		end := 0
		for i := range head {
			if _, n, err := parseEither([]byte(head[:i])); i > 4 && (!errors.Is(err, ErrShort) || n != 0) {
				t.Fatalf("%d bytes: %d, %v", i, n, err)
			}
			if end = FindEnd([]byte(head[:i]), end); end >= 0 {
				t.Fatalf("%d bytes: end at %d", i, end)
			}
			end = i
		}
		if got := FindEnd([]byte(head), end); got != len(head) {
			t.Errorf("end at %d, want %d", got, len(head))
		}
	}
}

func TestLimits(t *testing.T) {
	long := "GET / HTTP/1.1\r\nA: " + strings.Repeat("x", 300) + "\r\n\r\n"
	many := "GET / HTTP/1.1\r\n" + strings.Repeat("A: b\r\n", 11) + "\r\n"
	for _, row := range []struct {
		head   string
		limits Limits
		ok     bool
	}{
		{long, Limits{}, true},
		{long, Limits{Bytes: 300}, false},
		{long[:310], Limits{Bytes: 300}, false},
		{long, Limits{Bytes: len(long)}, true},
		{many, Limits{Fields: 11}, true},
		{many, Limits{Fields: 10}, false},
		{strings.Repeat("x", 128<<10), Limits{}, false},
		{"GET / HTTP/1.1\r\n" + strings.Repeat("A: b\r\n", 513) + "\r\n", Limits{}, false},
	} {
		r := Request{Limits: row.limits}
		_, err := ParseRequest([]byte(row.head), &r)
		var e *decode.Error
		if row.ok && err != nil || !row.ok && !errors.As(err, &e) {
			t.Errorf("%.20q... of %d bytes, %+v: %v", row.head, len(row.head), row.limits, err)
		}
	}
}

func TestSniff(t *testing.T) {
	for _, row := range []struct {
		in   string
		want Kind
	}{
		{"", Short},
		{"GET / HTTP/1.1\r\n", RequestHead},
		{"GET /a", RequestHead},
		{"GET http://h/", RequestHead},
		{"GET key\r\n", Other},
		{"GET key", Short},
		{"G", Short},
		{"\r\nPOST / HTTP/1.0\r\n", RequestHead},
		{"\r\n", Short},
		{"PURGE / HTTP/1.1\n", RequestHead},
		{"PROPFIND /", Short},
		{"m-search * HTTP/1.1\r\n", RequestHead},
		{"PROXY TCP4 10.0.0.1 10.0.0.2 1 2\r\nHTTP/1.1 101", Other},
		{"SSH-2.0-OpenSSH_9.2 Debian-2\r\n", Other},
		{"220 mail.example.com ESMTP\r\n", Other},
		{"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", HTTP2},
		{"PRI * HTTP", Short},
		{"PRINT / HTTP/1.1\r\n", RequestHead},
		{"\x00\x00\x06\x04\x00\x00\x00\x00\x00", HTTP2},
		{"\x00\x00\x06\x04", Short},
		{"\x00\x00\x05\x04", Other},
		{"\x00\x00\x06\x01", Other},
		{"HTTP/1.1 101", ResponseHead},
		{"HTTP/1.", Short},
		{"HTTP/2 200", Other},
		{"HTTP/1.1 ok ", Other},
		{"HTTP / HTTP/1.1\r\n", RequestHead},
		{"\x16\x03\x01\x02\x00\x01", TLS},
		{"\x15\x03\x03\x00\x02\x02\x46", TLS},
		{"\x16", Short},
		{"\x16\x04\x00", Other},
		{"\x81\x05hello", Other},
		{strings.Repeat("A", 40), Other},
		{"ABC " + strings.Repeat("x", 2048), Other},
		{"ABC \x00", Other},
	} {
		if got := Sniff([]byte(row.in)); got != row.want {
			t.Errorf("%.40q: %v, want %v", row.in, got, row.want)
		}
	}
}

func TestAllocs(t *testing.T) {
	var req Request
	var resp Response
	a, b := []byte(rfc6455Request), []byte(rfc6455Response)
	n := testing.AllocsPerRun(100, func() {
		if Sniff(a) != RequestHead || Sniff(b) != ResponseHead {
			t.Fatal("kind")
		}
		if _, err := ParseRequest(a, &req); err != nil {
			t.Fatal(err)
		}
		if _, err := ParseResponse(b, &resp); err != nil {
			t.Fatal(err)
		}
		if _, err := ParseResponse(b[:40], &resp); err == nil {
			t.Fatal("whole")
		}
		if !req.Header.HasToken("connection", "upgrade") {
			t.Fatal("token")
		}
		for range req.Header.List("sec-websocket-protocol") {
		}
	})
	if n != 0 {
		t.Errorf("%v allocations", n)
	}
}

// Calling again with one more byte, or searching the end piece by piece, comes
// to the same as the whole head at once. The first fuzz property is that
// nothing panics, the second that the result does not depend on the cut.
func FuzzHead(f *testing.F) {
	f.Add([]byte(rfc6455Request), uint8(3))
	f.Add([]byte(rfc6455Response+"\x81\x00"), uint8(1))
	f.Add([]byte("\r\n\nGET / HTTP/1.1\nA : b\n c\n\n"), uint8(1))
	f.Add([]byte("GET / HTTP/1.1\r\nA\r\n: \r\r\n\r\n\n"), uint8(1))
	f.Add([]byte("0 \x10 HTTP/1.0\n"), uint8(0))
	f.Add([]byte("0 "+strings.Repeat("\xbd", 2100)+" HTTP/1.0\n\n"), uint8(17))
	f.Fuzz(func(t *testing.T, b []byte, cut uint8) {
		if len(b) > 4096 {
			return
		}
		step := int(cut)%16 + 1
		want, size, err := parseEither(b)
		kind := Sniff(b)
		if err == nil && FindEnd(b, 0) != size {
			t.Fatalf("%q: FindEnd %d, size %d", b, FindEnd(b, 0), size)
		}
		searched := 0
		for i := 0; i < len(b); i += step {
			end := FindEnd(b[:i], searched)
			if end < 0 {
				searched = i
			} else if whole := FindEnd(b[:i], 0); end != whole {
				t.Fatalf("%q: end %d after %d searched bytes, %d without", b[:i], end, searched, whole)
			}
			got, n, partErr := parseEither(b[:i])
			switch {
			case errors.Is(partErr, ErrShort):
				if size > 0 && i >= size {
					t.Fatalf("%q: %d bytes are short", b[:i], i)
				}
			case partErr == nil && (err != nil || got != want || n != size):
				t.Fatalf("%q: parsed %q, whole %q", b[:i], got, want)
			case partErr != nil && err == nil && i > 4:
				t.Fatalf("%q: %v, whole is a head", b[:i], partErr)
			}
			if k := Sniff(b[:i]); k != Short && k != kind {
				// Only the early answer for a well-known method may change.
				if k != RequestHead {
					t.Fatalf("%q: %v, whole %v", b[:i], k, kind)
				}
			}
		}
		var e *decode.Error
		if err != nil && !errors.Is(err, ErrShort) && !errors.As(err, &e) {
			t.Fatalf("%v is no *decode.Error", err)
		}
	})
}

func BenchmarkParseRequest(b *testing.B) {
	var r Request
	in := []byte(rfc6455Request)
	b.SetBytes(int64(len(in)))
	b.ReportAllocs()
	for b.Loop() {
		if _, err := ParseRequest(in, &r); err != nil {
			b.Fatal(err)
		}
	}
}
