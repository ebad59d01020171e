package peer

import (
	"bytes"
	"context"
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"strings"
	"testing"
	"time"

	"framescope/decode/websocket"
)

// serve starts s on loopback until the test ends and returns its address.
func serve(t testing.TB, s *Server) string {
	t.Helper()
	addr, stop := start(t, s)
	t.Cleanup(stop)
	return addr
}

// start starts s on loopback. stop ends it and waits for that.
func start(t testing.TB, s *Server) (addr string, stop func()) {
	t.Helper()
	l, err := Listen(t.Context(), "127.0.0.1:0", false)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- s.Serve(ctx, l) }()
	return l.Addr().String(), func() {
		cancel()
		select {
		case err := <-done:
			if err != nil {
				t.Errorf("Serve: %v", err)
			}
		case <-time.After(10 * time.Second):
			t.Error("Serve did not return")
		}
	}
}

// ctx10 is a context that bounds a test.
func ctx10(t testing.TB) context.Context {
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	t.Cleanup(cancel)
	return ctx
}

func dial(t testing.TB, addr string, c *ClientConfig) *Conn {
	t.Helper()
	conn, err := Dial(ctx10(t), "ws://"+addr+"/test", c)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.conn.Close() })
	return conn
}

// upgrade is a request that every server accepts.
const upgrade = "GET /test HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n" +
	"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n"

// raw sends bytes to a server and returns all that it sends until it closes.
func raw(t testing.TB, addr string, parts ...string) string {
	t.Helper()
	conn, err := net.Dial("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	conn.SetDeadline(time.Now().Add(10 * time.Second))
	for _, p := range parts {
		if _, err := io.WriteString(conn, p); err != nil {
			t.Fatal(err)
		}
	}
	b, err := io.ReadAll(conn)
	if err != nil {
		t.Fatalf("the server's bytes: %v, after %q", err, b)
	}
	return string(b)
}

// unhex reads hex with white space in it.
func unhex(s string) []byte {
	b, err := hex.DecodeString(strings.Join(strings.Fields(s), ""))
	if err != nil {
		panic(err)
	}
	return b
}

// mask returns frames in hex as a client sends them: each is written without a
// mask, and its key is a constant.
func mask(frames string) string {
	var out []byte
	b := unhex(frames)
	for len(b) > 0 {
		var h websocket.Header
		n, length, err := websocket.Format{}.Header(b, &h)
		if err != nil {
			panic(err)
		}
		b = b[n:]
		length = min(length, int64(len(b)))
		h.Masked, h.Mask = true, [4]byte{0x37, 0xfa, 0x21, 0x3d}
		out = websocket.AppendHeader(out, &h)
		out = append(out, b[:length]...)
		p := out[len(out)-int(length):]
		websocket.Unmask(p, p, h.Mask, 0)
		b = b[length:]
	}
	return string(out)
}

// frames puts what a server sent behind its head into words: "text Hello,
// close 1000".
func frames(t testing.TB, s string) string {
	t.Helper()
	head, rest, ok := strings.Cut(s, "\r\n\r\n")
	if !ok || !strings.HasPrefix(head, "HTTP/1.1 101 ") {
		t.Fatalf("no 101: %q", s)
	}
	list, err := words([]byte(rest), receiver{from: websocket.Server, max: 1 << 30, deflated: strings.Contains(head, "permessage-deflate")}, len(rest))
	if err != nil {
		t.Fatalf("the server's frames: %v, after %v", err, list)
	}
	return strings.Join(list, ", ")
}

// words gives b to r in pieces and puts what comes out into words.
func words(b []byte, r receiver, piece int) (list []string, err error) {
	for len(b) > 0 {
		p := b[:min(len(b), max(piece, 1))]
		b = b[len(p):]
		for {
			a, n, err := r.receive(p)
			p = p[n:]
			if err != nil {
				return list, err
			}
			if !a.whole {
				break
			}
			word := fmt.Sprintf("%v %s", a.op, short(a.data))
			if a.op == websocket.Close {
				code, reason := closeStatus(a.data)
				word = strings.TrimSpace(fmt.Sprintf("close %d %s", code, reason))
			}
			list = append(list, word)
		}
	}
	return list, nil
}

func short(b []byte) string {
	if len(b) > 40 {
		return fmt.Sprintf("[%d %08x]", len(b), sum(b))
	}
	return string(b)
}

func sum(b []byte) (n uint32) {
	for _, c := range b {
		n = n*31 + uint32(c)
	}
	return n
}

// Random bytes that compress somewhat, always the same for a seed.
func noise(n int, seed uint64) []byte {
	r := rand.New(rand.NewPCG(seed, 1))
	b := make([]byte, n)
	for i := range b {
		b[i] = byte('a' + r.IntN(8))
	}
	return b
}

func closeFrame(code int, reason string) string {
	p := append(binary.BigEndian.AppendUint16(nil, uint16(code)), reason...)
	return hex.EncodeToString(append([]byte{0x88, byte(len(p))}, p...))
}

func TestCloseErrorText(t *testing.T) {
	for _, tt := range []struct {
		err  CloseError
		want string
	}{
		{CloseError{Code: 1000, Peer: true}, "closed by the peer: 1000"},
		{CloseError{Code: 1009, Reason: "too big\x1b"}, `closed by this side: 1009 "too big\x1b"`},
		{CloseError{Code: 1006, Err: io.EOF}, "ended without a close frame: EOF"},
	} {
		if got := tt.err.Error(); got != tt.want {
			t.Errorf("%q, want %q", got, tt.want)
		}
	}
}

func TestMultipath(t *testing.T) {
	a, b := net.Pipe()
	defer a.Close()
	defer b.Close()
	if Multipath(a) {
		t.Error("a pipe speaks MPTCP")
	}
	for _, want := range []bool{false, true} {
		l, err := Listen(t.Context(), "127.0.0.1:0", want)
		if err != nil {
			t.Fatal(err)
		}
		got := ListensMultipath(l)
		if want && !got {
			l.Close()
			t.Skip("this kernel has no MPTCP (net.mptcp.enabled)")
		}
		if got != want {
			t.Errorf("with MPTCP %v the listener has %v", want, got)
		}
		var seen Event
		s := &Server{Notify: func(e Event) {
			if e.Happening == Opened {
				seen = e
			}
		}}
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan error, 1)
		go func() { done <- s.Serve(ctx, l) }()
		c := dial(t, l.Addr().String(), &ClientConfig{MPTCP: true})
		if c.Multipath() != want {
			t.Errorf("listener with MPTCP %v: the client has %v", want, c.Multipath())
		}
		if err := c.Close(ctx10(t), 1000, ""); err != nil {
			t.Error(err)
		}
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
		if seen.Multipath != want {
			t.Errorf("listener with MPTCP %v: the server has %v", want, seen.Multipath)
		}
	}
}

// Text that fits into no frame is cut at a character.
func TestLongReason(t *testing.T) {
	addr := serve(t, &Server{})
	c := dial(t, addr, nil)
	if err := c.Close(ctx10(t), 4000, "a"+strings.Repeat("é", 100)); err != nil {
		t.Error(err)
	}
	var b bytes.Buffer
	s := sender{conn: sink{&b}}
	if err := s.close(4000, "a"+strings.Repeat("é", 100)); err != nil {
		t.Fatal(err)
	}
	if got := b.Len(); got != 2+2+123 {
		t.Errorf("a close frame of %d bytes", got)
	}
	b.Reset()
	s = sender{conn: sink{&b}}
	_ = s.close(4000, strings.Repeat("é", 100))
	if got := b.Len(); got != 2+2+122 {
		t.Errorf("a close frame of %d bytes, cut inside a character", got)
	}
}

// A sink is a connection that takes everything.
type sink struct{ io.Writer }

func (sink) Read([]byte) (int, error)         { return 0, io.EOF }
func (sink) Close() error                     { return nil }
func (sink) LocalAddr() net.Addr              { return nil }
func (sink) RemoteAddr() net.Addr             { return nil }
func (sink) SetDeadline(time.Time) error      { return nil }
func (sink) SetReadDeadline(time.Time) error  { return nil }
func (sink) SetWriteDeadline(time.Time) error { return nil }
