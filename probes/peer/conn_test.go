package peer

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net"
	"strings"
	"testing"
	"time"

	"framescope/decode/websocket"
)

var sizes = []int{0, 1, 125, 126, 127, 65535, 65536, 65537, 1 << 20}

// Our client with our server: every length form, whole and in fragments,
// compressed or not.
func TestEcho(t *testing.T) {
	addr := serve(t, &Server{Deflate: true})
	for _, deflate := range []bool{false, true} {
		c := dial(t, addr, &ClientConfig{Deflate: deflate, Subprotocols: []string{"chat"}})
		if c.Deflate() != deflate || c.Subprotocol() != "chat" {
			t.Errorf("agreed to deflate %v, subprotocol %q", c.Deflate(), c.Subprotocol())
		}
		echoAll(t, c)
		if err := c.Close(ctx10(t), 4001, "bye"); err != nil {
			t.Errorf("Close: %v", err)
		}
		if _, err := c.Read(ctx10(t)); err == nil || err.Error() != `closed by this side: 4001 "bye"` {
			t.Errorf("Read behind Close: %v", err)
		}
		if err := c.Write(ctx10(t), websocket.Text, nil); err == nil {
			t.Error("Write behind Close: no error")
		}
	}
}

// echoAll sends messages of all sizes and kinds and compares what comes back.
func echoAll(t *testing.T, c *Conn) {
	t.Helper()
	ctx := ctx10(t)
	expect := func(op websocket.Opcode, want []byte) {
		t.Helper()
		m, err := c.Read(ctx)
		if err != nil {
			t.Fatal(err)
		}
		if m.Opcode != op || !bytes.Equal(m.Data, want) {
			t.Fatalf("%v of %d bytes came back as %v of %d", op, len(want), m.Opcode, len(m.Data))
		}
	}
	for i, n := range sizes {
		p := noise(n, uint64(i))
		op := websocket.Text
		if i%2 == 1 {
			op = websocket.Binary
			for j := range p { // what no text may have
				p[j] ^= 0xf0
			}
		}
		if err := c.Write(ctx, op, p); err != nil {
			t.Fatal(err)
		}
		expect(op, p)
		if err := c.WriteFragments(ctx, op, p[:n/3], p[n/3:n/2], nil, p[n/2:]); err != nil {
			t.Fatal(err)
		}
		expect(op, p)
		if rtt, err := c.Ping(ctx, fmt.Appendf(nil, "ping %d", i)); err != nil || rtt <= 0 {
			t.Fatalf("Ping: %v, %v", rtt, err)
		}
	}
	// A character may be cut by fragments.
	if err := c.WriteFragments(ctx, websocket.Text, []byte("\xc3"), []byte("\xa9")); err != nil {
		t.Fatal(err)
	}
	expect(websocket.Text, []byte("é"))
}

// Many messages at once, so that frames share segments, and with reading only
// behind them.
func TestManyMessages(t *testing.T) {
	addr := serve(t, &Server{Deflate: true})
	for _, deflate := range []bool{false, true} {
		c := dial(t, addr, &ClientConfig{Deflate: deflate})
		const n = 2000
		sent := make(chan error, 1)
		ctx := ctx10(t)
		go func() {
			var err error
			for i := 0; i < n && err == nil; i++ {
				err = c.Write(ctx, websocket.Text, fmt.Appendf(nil, `{"number":%d}`, i))
			}
			sent <- err
		}()
		for i := range n {
			m, err := c.Read(ctx)
			if err != nil {
				t.Fatal(err)
			}
			if want := fmt.Sprintf(`{"number":%d}`, i); string(m.Data) != want {
				t.Fatalf("message %d: %q", i, m.Data)
			}
		}
		if err := <-sent; err != nil {
			t.Fatal(err)
		}
	}
}

// Every combination of parameters of permessage-deflate is kept to by both.
func TestDeflateParameters(t *testing.T) {
	for _, p := range []websocket.Deflate{{}, {NoContextTakeover: true}, {WindowBits: 8}, {WindowBits: 12, NoContextTakeover: true}, {WindowBits: 15}} {
		var wire bytes.Buffer
		s := sender{conn: sink{&wire}, deflate: &deflater{params: p}}
		r := receiver{from: websocket.Server, max: 1 << 20, deflated: true, params: p}
		var want []string
		for i := range 20 {
			m := noise(500*i, uint64(i%3))
			if err := s.message(websocket.Text, m[:len(m)/2], m[len(m)/2:]); err != nil {
				t.Fatal(err)
			}
			want = append(want, "text "+short(m))
		}
		b := wire.Bytes()
		var got []string
		for len(b) > 0 {
			a, n, err := r.receive(b)
			if err != nil {
				t.Fatalf("%+v: %v", p, err)
			}
			b = b[n:]
			if a.whole {
				got = append(got, "text "+short(a.data))
			}
		}
		if strings.Join(got, ",") != strings.Join(want, ",") {
			t.Errorf("%+v: messages changed", p)
		}
		if bits := p.WindowBits; bits != 0 && r.inflate.Farthest() > 1<<bits {
			t.Errorf("%+v: a reference goes back %d bytes", p, r.inflate.Farthest())
		}
		if p == (websocket.Deflate{}) && wire.Len() > 60_000 {
			t.Errorf("%d bytes on the wire: nothing was compressed", wire.Len())
		}
	}
}

// answers listens and answers one request with response, then with frames.
func answers(t *testing.T, response string) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	go func() {
		conn, err := l.Accept()
		if err != nil {
			return
		}
		defer conn.Close()
		buf := make([]byte, 4096)
		n, _ := conn.Read(buf)
		_, after, _ := strings.Cut(string(buf[:n]), "Sec-WebSocket-Key: ")
		key, _, _ := strings.Cut(after, "\r\n")
		conn.Write([]byte(strings.ReplaceAll(response, "ACCEPT", websocket.AcceptKey([]byte(key)))))
		linger(conn, true)
	}()
	return l.Addr().String()
}

const switching = "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: ACCEPT\r\n"

func TestDialRefused(t *testing.T) {
	for _, tt := range []struct{ name, response, want string }{
		{"404", "HTTP/1.1 404 Not Found\r\nContent-Length: 5\r\n\r\nnope!", "the server answered 404 Not Found"},
		{"wrong accept", strings.Replace(switching, "ACCEPT", "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=", 1) + "\r\n", "accept-mismatch: expected "},
		{"no upgrade", "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: ACCEPT\r\n\r\n", "response-upgrade-missing"},
		{"extension", switching + "Sec-WebSocket-Extensions: permessage-deflate\r\n\r\n", "extension-unrequested"},
		{"subprotocol", switching + "Sec-WebSocket-Protocol: x\r\n\r\n", "subprotocol-unrequested"},
		{"not HTTP", "SSH-2.0-OpenSSH_9.2\r\n", "this is not HTTP"},
		{"nothing", "", "closed before a byte was sent"},
		{"half", "HTTP/1.1 101 Swi", "closed inside the head, after 16 bytes"},
		{"large", "HTTP/1.1 101 X\r\nX: " + strings.Repeat("x", 20<<10), "more than 16384 bytes"},
		{"only informational", strings.Repeat("HTTP/1.1 103 Early Hints\r\n\r\n", 6), "one informational response after the other"},
	} {
		_, err := Dial(ctx10(t), "ws://"+answers(t, tt.response), nil)
		var no *HandshakeError
		if !errors.As(err, &no) || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%s: %v, want %q", tt.name, err, tt.want)
			continue
		}
		if tt.name == "404" && string(no.Body) != "nope!" {
			t.Errorf("body %q", no.Body)
		}
	}
	for _, tt := range []struct{ url, want string }{
		{"http://127.0.0.1/", "begins with ws://"},
		{"wss://127.0.0.1/", "speaks TLS"},
		{"ws:///x", "no host"},
		{"ws://a@127.0.0.1/", "neither a fragment nor a user"},
		{"ws://127.0.0.1/#a", "neither a fragment nor a user"},
		{"ws://127.0.0.1:1/\r\n", "invalid control character"},
	} {
		if _, err := Dial(ctx10(t), tt.url, nil); err == nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%q: %v, want %q", tt.url, err, tt.want)
		}
	}
	if _, err := Dial(ctx10(t), "ws://127.0.0.1:1/", &ClientConfig{Header: [][2]string{{"A", "b\r\nC: d"}}}); err == nil || !strings.Contains(err.Error(), "no header field") {
		t.Errorf("a header field with a line break: %v", err)
	}
}

// Frames may come with the 101, and after informational responses.
func TestDialEarlyFrames(t *testing.T) {
	addr := answers(t, "HTTP/1.1 103 Early Hints\r\n\r\n"+switching+"\r\n\x81\x02hi\x89\x01p\x88\x04\x03\xe9ok")
	c := dial(t, addr, nil)
	m, err := c.Read(ctx10(t))
	if err != nil || string(m.Data) != "hi" {
		t.Errorf("%q, %v", m.Data, err)
	}
	if _, err = c.Read(ctx10(t)); err == nil || err.Error() != `closed by the peer: 1001 "ok"` {
		t.Errorf("then %v", err)
	}
}

func TestClientFails(t *testing.T) {
	for _, tt := range []struct {
		name, frames string
		code         uint16
	}{
		{"a masked frame", "\x81\x81abcd\x00", 1002},
		{"bad UTF-8", "\x81\x01\xff", 1007},
		{"too big", "\x82\x7e\x20\x00", 1009},
		{"the end", "\x81\x05abc", 1006},
	} {
		c := dial(t, answers(t, switching+"\r\n"+tt.frames), &ClientConfig{MaxMessage: 1000})
		_, err := c.Read(ctx10(t))
		var end *CloseError
		if !errors.As(err, &end) || end.Code != tt.code || end.Peer {
			t.Errorf("%s: %v, want %d", tt.name, err, tt.code)
		}
		if err := c.Close(ctx10(t), 1000, ""); err == nil {
			t.Errorf("%s: Close has no error", tt.name)
		}
	}
}

func TestContexts(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0") // accepts by the kernel, answers nothing
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	short, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	if _, err := Dial(short, "ws://"+l.Addr().String(), nil); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("Dial: %v", err)
	}
	c := dial(t, serve(t, &Server{}), nil)
	if _, err := c.Read(short); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("Read: %v", err)
	}
	if err := c.Write(short, websocket.Text, nil); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("Write: %v", err)
	}
	if err := c.Write(ctx10(t), websocket.Ping, nil); err == nil {
		t.Error("Write took a ping")
	}
	if _, err := c.Ping(ctx10(t), make([]byte, 126)); err == nil {
		t.Error("Ping took 126 bytes")
	}
	if err := c.Close(ctx10(t), 1006, ""); err == nil {
		t.Error("Close took 1006")
	}
	if err := c.Close(ctx10(t), 1000, ""); err != nil {
		t.Error(err)
	}
}
