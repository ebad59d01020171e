package peer

import (
	"context"
	"errors"
	"net"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"framescope/decode/http1"
	"framescope/decode/websocket"
)

func TestRefusals(t *testing.T) {
	var mu sync.Mutex
	var events []Event
	addr := serve(t, &Server{Notify: func(e Event) { mu.Lock(); events = append(events, e); mu.Unlock() }})
	without := func(name string) string {
		var kept []string
		for _, line := range strings.SplitAfter(upgrade, "\r\n") {
			if !strings.HasPrefix(line, name+":") {
				kept = append(kept, line)
			}
		}
		return strings.Join(kept, "") + "\r\n"
	}
	with := func(line string) string { return upgrade + line + "\r\n\r\n" }
	swap := func(from, to string) string { return strings.Replace(upgrade, from, to, 1) + "\r\n" }
	const key = "dGhlIHNhbXBsZSBub25jZQ=="
	for _, tt := range []struct {
		name, request, status string
		say                   []string
	}{
		{"a browser", "GET / HTTP/1.1\r\nHost: x\r\n\r\n", "426 Upgrade Required", []string{"WebSocket echo server", "Upgrade: websocket\r\n", "Sec-WebSocket-Version: 13\r\n"}},
		{"nginx without Upgrade", without("Upgrade"), "426 Upgrade Required", []string{"a hop removed it", "no Upgrade field"}},
		{"no Connection", without("Connection"), "400 Bad Request", []string{"no Connection field, expected Upgrade"}},
		{"Connection: close", swap("Connection: Upgrade", "Connection: close"), "400 Bad Request", []string{"Connection: close, expected Upgrade"}},
		{"another upgrade", swap("Upgrade: websocket", "Upgrade: h2c"), "426 Upgrade Required", []string{"Upgrade: h2c"}},
		{"no key", without("Sec-WebSocket-Key"), "400 Bad Request", []string{"no Sec-WebSocket-Key"}},
		{"short key", swap(key, "Zm9v"), "400 Bad Request", []string{"3 bytes, expected 16 bytes in base64"}},
		{"key that is no base64", swap(key, "not/base64!"), "400 Bad Request", []string{"no base64"}},
		{"two keys", with("Sec-WebSocket-Key: " + key), "400 Bad Request", []string{"2 Sec-WebSocket-Key fields, expected one"}},
		{"version 8", swap("Version: 13", "Version: 8"), "426 Upgrade Required", []string{"Sec-WebSocket-Version: 8, expected 13", "Sec-WebSocket-Version: 13\r\n"}},
		{"no version", without("Sec-WebSocket-Version"), "426 Upgrade Required", []string{"no Sec-WebSocket-Version field, expected 13"}},
		{"no host", without("Host"), "400 Bad Request", []string{"found 0 Host fields"}},
		{"two hosts", with("Host: y"), "400 Bad Request", []string{"found 2 Host fields"}},
		{"POST", swap("GET", "POST"), "405 Method Not Allowed", []string{"found POST, expected GET", "Allow: GET\r\n"}},
		{"POST without upgrade", "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\n\r\nhi", "405 Method Not Allowed", []string{"Allow: GET\r\n"}},
		{"HTTP/1.0", swap("HTTP/1.1", "HTTP/1.0"), "505 HTTP Version Not Supported", []string{"found HTTP/1.0, expected HTTP/1.1"}},
		{"a body", with("Content-Length: 5") + "hello", "400 Bad Request", []string{"the request has a body"}},
		{"a subprotocol twice", with("Sec-WebSocket-Protocol: chat, chat"), "400 Bad Request", []string{`"chat" is there twice`}},
		{"no subprotocol", with("Sec-WebSocket-Protocol: a b"), "400 Bad Request", []string{`"a b" is no token`}},
		{"extensions that break the grammar", with("Sec-WebSocket-Extensions: permessage-deflate; =1"), "400 Bad Request", []string{"Sec-WebSocket-Extensions"}},
		{"bare line feeds", strings.ReplaceAll(upgrade+"\r\n", "\r\n", "\n"), "400 Bad Request", []string{"bare line feed"}},
		{"a folded field", with("X-A: b\r\n c"), "400 Bad Request", []string{"next line"}},
		{"white space", with("X-A : b"), "400 Bad Request", []string{"white space before the colon"}},
		{"no field", with("nothing"), "400 Bad Request", []string{"no header field"}},
		{"a large head", with("Cookie: " + strings.Repeat("x", 17<<10)), "431 Request Header Fields Too Large", []string{"16384 bytes"}},
		{"HTTP/2", "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\x00\x00\x00\x04\x00\x00\x00\x00\x00", "400 Bad Request", []string{"this is HTTP/2"}},
		{"TLS", "\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + strings.Repeat("\x00", 64), "400 Bad Request", []string{"use ws:// instead of wss://"}},
		{"something else", "SSH-2.0-OpenSSH_9.2\r\n", "400 Bad Request", []string{"this is not HTTP"}},
		{"an escape", swap("13", "\x1b[31m\xff"), "426 Upgrade Required", []string{"Sec-WebSocket-Version: ?[31m?"}},
	} {
		got := raw(t, addr, tt.request)
		if !strings.HasPrefix(got, "HTTP/1.1 "+tt.status+"\r\n") {
			t.Errorf("%s: %q, want %s", tt.name, got, tt.status)
		}
		for _, s := range tt.say {
			if !strings.Contains(got, s) {
				t.Errorf("%s: nothing of %q in %q", tt.name, s, got)
			}
		}
		var r http1.Response
		n, err := http1.ParseResponse([]byte(got), &r)
		var body http1.Body
		if err != nil || body.Response(&r, []byte("GET")) != nil {
			t.Errorf("%s: the response cannot be read: %v", tt.name, err)
			continue
		}
		if m, err := body.Data([]byte(got[n:])); err != nil || !body.Done() || n+m != len(got) {
			t.Errorf("%s: the length of the body is wrong", tt.name)
		}
		mu.Lock()
		if e := events[len(events)-1]; e.Happening != Refused || !strings.HasPrefix(tt.status, strconv.Itoa(e.Status)) || e.Text == "" {
			t.Errorf("%s: event %+v", tt.name, e)
		}
		mu.Unlock()
	}
	if got := raw(t, addr, "HEAD / HTTP/1.1\r\nHost: x\r\n\r\n"); !strings.HasSuffix(got, "\r\n\r\n") {
		t.Errorf("HEAD is answered with a body: %q", got)
	}
}

// What the server answers is what the observer's checks allow.
func TestAccepted(t *testing.T) {
	for _, tt := range []struct {
		name, fields, want string // want: subprotocol, extension
	}{
		{"nothing offered", "", " "},
		{"subprotocols", "Sec-WebSocket-Protocol: v3, v2, v1\r\n", "v2 "},
		{"subprotocols in two fields", "Sec-WebSocket-Protocol: v3\r\nSec-WebSocket-Protocol: v1\r\n", "v1 "},
		{"unknown subprotocols", "Sec-WebSocket-Protocol: v3\r\n", " "},
		{"deflate", "Sec-WebSocket-Extensions: permessage-deflate\r\n", " permessage-deflate"},
		{"chromium", "Sec-WebSocket-Extensions: permessage-deflate; client_max_window_bits\r\n", " permessage-deflate"},
		{"python", "Sec-WebSocket-Extensions: permessage-deflate; server_max_window_bits=12; client_max_window_bits=12\r\n", " permessage-deflate; server_max_window_bits=12"},
		{"no takeover", "Sec-WebSocket-Extensions: permessage-deflate; server_no_context_takeover; client_no_context_takeover\r\n", " permessage-deflate; server_no_context_takeover; client_no_context_takeover"},
		{"quoted", "Sec-WebSocket-Extensions: permessage-deflate; server_max_window_bits=\"10\"\r\n", " permessage-deflate; server_max_window_bits=10"},
		{"second offer", "Sec-WebSocket-Extensions: x-other, permessage-deflate; server_max_window_bits=16, permessage-deflate\r\n", " permessage-deflate"},
		{"bad offers", "Sec-WebSocket-Extensions: permessage-deflate; a=1, permessage-deflate; server_max_window_bits=08, permessage-deflate; server_no_context_takeover=1\r\n", " "},
		{"a parameter twice", "Sec-WebSocket-Extensions: permessage-deflate; client_max_window_bits; client_max_window_bits\r\n", " "},
	} {
		addr := serve(t, &Server{Deflate: true, Subprotocols: []string{"v1", "v2"}})
		request := upgrade + tt.fields + "\r\n"
		got := raw(t, addr, request, mask(closeFrame(1000, "")))
		var x websocket.Exchange
		x.Request, x.Response = new(http1.Request), new(http1.Response)
		if _, err := http1.ParseRequest([]byte(request), x.Request); err != nil {
			t.Fatal(err)
		}
		if _, err := http1.ParseResponse([]byte(got), x.Response); err != nil {
			t.Fatal(err)
		}
		h := websocket.CheckHandshake(x)
		if answer := string(h.Subprotocol) + " " + string(x.Response.Header.Get("sec-websocket-extensions")); h.OK != websocket.Yes || answer != tt.want {
			t.Errorf("%s: %v, %q, want %q; issues %v", tt.name, h.OK, answer, tt.want, h.Issues)
		}
	}
	if got := raw(t, serve(t, &Server{}), upgrade+"Sec-WebSocket-Protocol: any, other\r\nSec-WebSocket-Extensions: permessage-deflate\r\n\r\n", mask(closeFrame(1000, ""))); !strings.Contains(got, "Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\nSec-WebSocket-Protocol: any\r\n\r\n") {
		t.Errorf("the zero server: %q", got)
	}
}

// A close frame is answered with its code (RFC 6455 section 5.5.1).
func TestCloseCodes(t *testing.T) {
	var mu sync.Mutex
	var last Event
	addr := serve(t, &Server{Notify: func(e Event) { mu.Lock(); last = e; mu.Unlock() }})
	for _, code := range []int{1000, 1001, 1002, 1003, 1007, 1008, 1009, 1010, 1011, 1012, 1013, 1014, 3000, 3999, 4000, 4999} {
		got := frames(t, raw(t, addr, upgrade+"\r\n", mask(closeFrame(code, "why"))))
		if want := "close " + strconv.Itoa(code) + " why"; got != want {
			t.Errorf("%d: %q", code, got)
		}
		mu.Lock()
		if last.Happening != Closed || last.End.Code != uint16(code) || last.End.Reason != "why" || !last.End.Peer {
			t.Errorf("%d: event %+v", code, last)
		}
		mu.Unlock()
	}
	if got := frames(t, raw(t, addr, upgrade+"\r\n", mask("88 00"))); got != "close 1005" {
		t.Errorf("without code: %q", got)
	}
	// What comes behind a close frame is not read.
	if got := frames(t, raw(t, addr, upgrade+"\r\n", mask(closeFrame(1000, "")+"81 01 61"))); got != "close 1000" {
		t.Errorf("with data behind it: %q", got)
	}
}

// The end of a server ends its sessions with 1001, those that answer and those
// that do not.
func TestShutdown(t *testing.T) {
	addr, stop := start(t, &Server{Grace: 100 * time.Millisecond})
	good := dial(t, addr, nil)
	silent, err := net.Dial("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	defer silent.Close()
	silent.Write([]byte(upgrade + "\r\n"))
	half, err := net.Dial("tcp", addr) // inside its request
	if err != nil {
		t.Fatal(err)
	}
	defer half.Close()
	half.Write([]byte(upgrade))
	buf := make([]byte, 4096)
	if _, err := silent.Read(buf); err != nil {
		t.Fatal(err)
	}
	stop()
	_, err = good.Read(ctx10(t))
	var end *CloseError
	if !errors.As(err, &end) || end.Code != 1001 || !end.Peer {
		t.Errorf("a session ended with %v", err)
	}
	if err := good.Close(ctx10(t), 1000, ""); err != nil {
		t.Errorf("Close of a session that the server closed: %v", err)
	}
	silent.SetReadDeadline(time.Now().Add(5 * time.Second))
	if n, err := silent.Read(buf); err != nil || n < 4 || buf[0] != 0x88 {
		t.Errorf("a silent client got % x, %v", buf[:n], err)
	}
}

// A server that is stopped in the moment in which a session opens ends it as it
// ends the others.
func TestShutdownOpening(t *testing.T) {
	ended := make(chan CloseError, 1)
	stopping := make(chan func(), 1)
	addr, stop := start(t, &Server{Notify: func(e Event) {
		switch e.Happening {
		case Opened:
			go (<-stopping)()
			for err := error(nil); err == nil; { // until nobody listens
				var c net.Conn
				if c, err = net.Dial("tcp", e.Local.String()); err == nil {
					c.Close()
				}
			}
		case Closed:
			ended <- e.End
		}
	}})
	stopping <- stop
	c := dial(t, addr, nil)
	_, err := c.Read(ctx10(t))
	var end *CloseError
	if !errors.As(err, &end) || end.Code != 1001 || !end.Peer {
		t.Errorf("the client: %v", err)
	}
	if end := <-ended; end.Code != 1001 || end.Peer {
		t.Errorf("the server: %v", &end)
	}
}

func TestTimeouts(t *testing.T) {
	addr := serve(t, &Server{Handshake: 50 * time.Millisecond, Idle: 50 * time.Millisecond})
	if got := raw(t, addr, "GET / HT"); !strings.HasPrefix(got, "HTTP/1.1 408 ") {
		t.Errorf("a slow request: %q", got)
	}
	if got := raw(t, addr); got != "" {
		t.Errorf("a silent client: %q", got)
	}
	if got := frames(t, raw(t, addr, upgrade+"\r\n")); got != "close 1001 nothing was sent for 50ms" {
		t.Errorf("an idle session: %q", got)
	}
}

func TestConnectionLimit(t *testing.T) {
	addr := serve(t, &Server{MaxConns: 1})
	c := dial(t, addr, nil)
	_, err := Dial(ctx10(t), "ws://"+addr, nil)
	var no *HandshakeError
	if !errors.As(err, &no) || no.Status != 503 || !strings.Contains(string(no.Body), "1 connections are open, which is the limit") {
		t.Errorf("the second connection: %v", err)
	}
	if err := c.Close(ctx10(t), 1000, ""); err != nil {
		t.Error(err)
	}
	for ctx := ctx10(t); ; {
		c, err := Dial(ctx, "ws://"+addr, nil)
		if err == nil {
			c.Close(ctx, 1000, "")
			return
		}
		if ctx.Err() != nil {
			t.Fatalf("after the first has ended: %v", err)
		}
	}
}

// A listener that fails ends the server with its error.
func TestServeError(t *testing.T) {
	l, err := Listen(t.Context(), "127.0.0.1:0", false)
	if err != nil {
		t.Fatal(err)
	}
	l.Close()
	if err := new(Server).Serve(context.Background(), l); !errors.Is(err, net.ErrClosed) {
		t.Errorf("Serve: %v", err)
	}
}
