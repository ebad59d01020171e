package peer

import (
	"context"
	"fmt"
	"io"
	"net"
	"slices"
	"strings"
	"testing"
	"time"

	"framescope/decode/websocket"
)

// What comes out of a receiver does not depend on where the bytes were cut, and
// is never larger than was allowed.
func FuzzReceive(f *testing.F) {
	for _, v := range violations {
		f.Add([]byte(mask(v.frames)), byte(1))
		f.Add(unhex(v.frames), byte(6))
	}
	f.Add(unhex("c1 07 f2 48 cd c9 c9 07 00 c1 05 f2 00 11 00 00"), byte(6))
	f.Fuzz(func(t *testing.T, b []byte, how byte) {
		const limit = 2000
		r := receiver{from: websocket.Client, max: limit, deflated: how&2 != 0, params: websocket.Deflate{NoContextTakeover: how&8 != 0}}
		if how&4 != 0 {
			r.from = websocket.Server
		}
		want, wantErr := words(b, r, len(b))
		for _, piece := range []int{1, 2 + int(how>>4)} {
			got, err := words(b, r, piece)
			if !slices.Equal(got, want) || fmt.Sprint(err) != fmt.Sprint(wantErr) {
				t.Fatalf("in pieces of %d:\n%q %v\nwhole:\n%q %v", piece, got, err, want, wantErr)
			}
		}
		for _, w := range want {
			var op string
			var n int
			if _, err := fmt.Sscanf(w, "%s [%d", &op, &n); err == nil && n > limit {
				t.Fatalf("a message of %d bytes", n)
			}
		}
	})
}

// A server that gets any bytes at all answers with HTTP or with frames that
// break no rule, and ends when the client does.
func FuzzServer(f *testing.F) {
	f.Add([]byte("GET / HTTP/1.1\r\n\r\n"), uint16(7))
	for _, v := range violations {
		extension := ""
		if v.deflate {
			extension = "Sec-WebSocket-Extensions: permessage-deflate; server_max_window_bits=9\r\n"
		}
		f.Add([]byte(upgrade+extension+"\r\n"+mask(v.frames)), uint16(len(upgrade)))
	}
	f.Fuzz(func(t *testing.T, b []byte, cut uint16) {
		ours, theirs := net.Pipe()
		s := &Server{Deflate: true, MaxMessage: 2000}
		s.budget.left.Store(1 << 20)
		done := make(chan struct{})
		go func() {
			defer close(done)
			(&session{server: s, conn: halfPipe{theirs, ours}}).serve(context.Background())
		}()
		sent := make(chan struct{})
		go func() {
			defer close(sent)
			n := min(int(cut), len(b))
			if _, err := ours.Write(b[:n]); err == nil {
				_, _ = ours.Write(b[n:])
			}
			// An empty line ends a head, and zeros end a session: a message of
			// 2000 bytes at most, then a frame without a mask.
			_, _ = io.WriteString(ours, "\r\n\r\n")
			_, _ = ours.Write(make([]byte, 5000))
		}()
		ours.SetReadDeadline(time.Now().Add(40 * time.Second))
		start := time.Now()
		out, _ := io.ReadAll(ours)
		ours.Close()
		<-sent
		<-done
		if time.Since(start) > 30*time.Second {
			t.Fatalf("the session does not end; so far %q", out)
		}
		if left := s.budget.left.Load(); left != 1<<20 {
			t.Fatalf("%d bytes of the memory are left", left)
		}
		head, rest, ok := strings.Cut(string(out), "\r\n\r\n")
		if len(out) == 0 {
			return
		}
		if !ok || !strings.HasPrefix(head, "HTTP/1.1 ") {
			t.Fatalf("the server answered %q", out)
		}
		if !strings.HasPrefix(head, "HTTP/1.1 101 ") {
			return
		}
		r := receiver{from: websocket.Server, max: 1 << 20, deflated: strings.Contains(head, "permessage-deflate"),
			params: websocket.Deflate{NoContextTakeover: strings.Contains(head, "server_no_context_takeover")}}
		if list, err := words([]byte(rest), r, len(rest)); err != nil {
			t.Fatalf("the server sent %q, then %v", list, err)
		}
	})
}

// A halfPipe is an end of a pipe that can say it sends no more: the peer then
// reads no more, since all that was sent has been read.
type halfPipe struct {
	net.Conn
	peer net.Conn
}

func (p halfPipe) CloseWrite() error { return p.peer.SetReadDeadline(time.Unix(1, 0)) }
