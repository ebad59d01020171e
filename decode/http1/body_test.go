package http1

import (
	"bytes"
	"errors"
	"fmt"
	"strings"
	"testing"

	"framescope/decode"
)

// frame prepares a body for the message that head begins.
func frame(t testing.TB, b *Body, head, method string) error {
	t.Helper()
	if bytes.HasPrefix([]byte(head), []byte("HTTP/")) {
		var r Response
		if _, err := ParseResponse([]byte(head), &r); err != nil {
			t.Fatal(err)
		}
		return b.Response(&r, []byte(method))
	}
	var r Request
	if _, err := ParseRequest([]byte(head), &r); err != nil {
		t.Fatal(err)
	}
	return b.Request(&r)
}

// RFC 9112 section 6.3, and the shapes of request smuggling of section 11.2.
func TestFraming(t *testing.T) {
	const get, post, ok = "GET / HTTP/1.1\r\n", "POST / HTTP/1.1\r\n", "HTTP/1.1 200 OK\r\n"
	for _, row := range []struct {
		head, method string
		want         Framing
		ambiguous    bool
		failed       string // field of the error
	}{
		{get, "", None, false, ""},
		{post + "Content-Length: 5\r\n", "", Length, false, ""},
		{post + "Content-Length: 0\r\n", "", Length, false, ""},
		{post + "Content-Length: 5, 5\r\n", "", Length, false, ""},
		{post + "Content-Length: 5\r\nContent-Length: 5\r\n", "", Length, false, ""},
		{post + "Content-Length: 5\r\nContent-Length: 6\r\n", "", UntilClose, true, "content-length"},
		{post + "Content-Length: 5, 6\r\n", "", UntilClose, true, "content-length"},
		{post + "Content-Length: +5\r\n", "", UntilClose, true, "content-length"},
		{post + "Content-Length: 0x5\r\n", "", UntilClose, true, "content-length"},
		{post + "Content-Length: 9223372036854775808\r\n", "", UntilClose, true, "content-length"},
		{post + "Transfer-Encoding: chunked\r\n", "", Chunked, false, ""},
		{post + "Transfer-Encoding: Chunked\r\nContent-Length: 5\r\n", "", Chunked, true, ""},
		{post + "Transfer-Encoding: gzip, chunked\r\n", "", Chunked, false, ""},
		{post + "Transfer-Encoding: chunked, chunked\r\n", "", Chunked, true, ""},
		{post + "Transfer-Encoding: chunked\r\nTransfer-Encoding: x\r\n", "", UntilClose, true, "transfer-encoding"},
		{post + "Transfer-Encoding: xchunked\r\n", "", UntilClose, true, "transfer-encoding"},
		{post + "Transfer-Encoding: gzip\r\n", "", UntilClose, true, "transfer-encoding"},
		{post + "Transfer-Encoding : chunked\r\nContent-Length: 5\r\n", "", Chunked, true, ""},
		{post + "Transfer-Encoding: identity\r\nContent-Length: 5\r\n", "", Length, true, ""},
		{"POST / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n", "", Chunked, true, ""},
		{ok, "GET", UntilClose, false, ""},
		{ok, "", UntilClose, false, ""},
		{ok + "Content-Length: 5\r\n", "GET", Length, false, ""},
		{ok + "Content-Length: 5\r\n", "HEAD", None, false, ""},
		{ok + "Transfer-Encoding: chunked\r\n", "HEAD", None, false, ""},
		{ok + "Transfer-Encoding: gzip\r\n", "GET", UntilClose, false, ""},
		{ok + "Content-Length: 5\r\n", "CONNECT", Tunnel, false, ""},
		{"HTTP/1.1 407 No\r\nContent-Length: 5\r\n", "CONNECT", Length, false, ""},
		{"HTTP/1.1 100 Continue\r\n", "GET", None, false, ""},
		{"HTTP/1.1 103 Early Hints\r\nContent-Length: 5\r\n", "GET", None, false, ""},
		{"HTTP/1.1 101 Switching Protocols\r\nContent-Length: 5\r\n", "GET", Tunnel, false, ""},
		{"HTTP/1.1 204 No Content\r\nContent-Length: 5\r\n", "GET", None, false, ""},
		{"HTTP/1.1 304 Not Modified\r\nContent-Length: 5\r\n", "GET", None, false, ""},
	} {
		var b Body
		err := frame(t, &b, row.head+"\r\n", row.method)
		var e *decode.Error
		field := ""
		if errors.As(err, &e) {
			field = e.Field
		}
		if b.Framing != row.want || b.Ambiguous != row.ambiguous || field != row.failed {
			t.Errorf("%q after %q: framing %d, ambiguous %v, error %v", row.head, row.method, b.Framing, b.Ambiguous, err)
		}
	}
}

const (
	lengthHead  = "HTTP/1.1 200 OK\r\nContent-Length: 11\r\n\r\n"
	chunkedHead = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
	closeHead   = "HTTP/1.1 200 OK\r\n\r\n"
)

func TestBody(t *testing.T) {
	for _, row := range []struct {
		head, in, content string
		left              int // bytes of in behind the body
		done              bool
		failed            bool
	}{
		{lengthHead, "hello worldHTTP", "hello world", 4, true, false},
		{lengthHead, "hello", "hello", 0, false, false},
		{closeHead, "hello world", "hello world", 0, false, false},
		{chunkedHead, "5\r\nhello\r\n6\r\n world\r\n0\r\n\r\nHTTP", "hello world", 4, true, false},
		{chunkedHead, "5;a=\"b;c\"\r\nhello\r\n0;x\r\nTrailer: a\r\nB: c\r\n\r\n", "hello", 0, true, false},
		{chunkedHead, "5 \nhello\n0\n\nHTTP", "hello", 4, true, false},
		{chunkedHead, "00005\r\nhello\r\n0000\r\n\r\n", "hello", 0, true, false},
		{chunkedHead, "B\r\nhello world\r\n", "hello world", 0, false, false},
		{chunkedHead, "0\r\n\r\n", "", 0, true, false},
		{chunkedHead, "\r\n", "", 1, false, true},
		{chunkedHead, "x\r\n", "", 2, false, true},
		{chunkedHead, "5x\r\n", "", 2, false, true},
		{chunkedHead, "-5\r\n", "", 3, false, true},
		{chunkedHead, "fffffffffffffffff\r\n", "", 4, false, true},
		{chunkedHead, "5\r\nhelloX\r\n", "hello", 2, false, true},
		{chunkedHead, "0\r\nA: " + strings.Repeat("x", 20<<10), "", 20<<10 - (16<<10 + 1 - 3), false, true},
	} {
		for step := 1; step <= len(row.in); step++ {
			b := Body{Keep: 1024}
			if err := frame(t, &b, row.head, "GET"); err != nil {
				t.Fatal(err)
			}
			taken := 0
			var err error
			for i := 0; i < len(row.in) && !b.Done() && err == nil; i += step {
				var n int
				n, err = b.Data([]byte(row.in[i:min(i+step, len(row.in))]))
				taken += n
			}
			if string(b.Kept) != row.content || len(row.in)-taken != row.left || b.Done() != row.done ||
				(err != nil) != row.failed || b.Bytes != int64(len(row.content)) {
				t.Fatalf("%.40q, cut at %d: kept %q, %d bytes, %d left, done %v, %v", row.in, step, b.Kept, b.Bytes, len(row.in)-taken, b.Done(), err)
			}
			if step > 40 {
				break
			}
		}
	}
}

func TestBodyKeep(t *testing.T) {
	b := Body{Keep: 4}
	_ = frame(t, &b, closeHead, "GET")
	for range 3 {
		if _, err := b.Data([]byte("abc")); err != nil {
			t.Fatal(err)
		}
	}
	if string(b.Kept) != "abca" || b.Bytes != 9 {
		t.Errorf("kept %q of %d", b.Kept, b.Bytes)
	}
}

func TestBodyGap(t *testing.T) {
	for _, row := range []struct {
		head, before string
		gap          int64
		taken        int64
		after        string
		done, failed bool
		bytes, lost  int64
	}{
		{lengthHead, "hel", 3, 3, "world", true, false, 11, 3},
		{lengthHead, "hel", 8, 8, "", true, false, 11, 8},
		{lengthHead, "hel", 100, 8, "", true, false, 11, 8},
		{closeHead, "hel", 100, 100, "x", false, false, 104, 100},
		{chunkedHead, "5\r\nhe", 3, 3, "\r\n0\r\n\r\n", true, false, 5, 3},
		{chunkedHead, "5\r\nhe", 2, 2, "o\r\n0\r\n\r\n", true, false, 5, 2},
		{chunkedHead, "5\r\nhe", 4, 0, "", false, true, 5, 3},
		{chunkedHead, "5", 1, 0, "", false, true, 0, 0},
	} {
		b := Body{Keep: 1024}
		if err := frame(t, &b, row.head, "GET"); err != nil {
			t.Fatal(err)
		}
		if _, err := b.Data([]byte(row.before)); err != nil {
			t.Fatal(err)
		}
		taken, err := b.Gap(row.gap)
		if err == nil {
			_, err = b.Data([]byte(row.after))
		}
		if taken != row.taken || b.Done() != row.done || (err != nil) != row.failed || b.Bytes != row.bytes || b.Lost != row.lost {
			t.Errorf("%q, gap %d: taken %d, done %v, %d bytes, %d lost, %v", row.before, row.gap, taken, b.Done(), b.Bytes, b.Lost, err)
		}
		if n, again := b.Data([]byte("x")); row.failed && (n != 0 || again != err) {
			t.Errorf("after %v: %d, %v", err, n, again)
		}
	}
}

func TestBodyAllocs(t *testing.T) {
	var r Response
	if _, err := ParseResponse([]byte(chunkedHead), &r); err != nil {
		t.Fatal(err)
	}
	b := Body{Keep: 1024}
	in := []byte("5\r\nhello\r\n0\r\n\r\n")
	method := []byte("GET")
	if n := testing.AllocsPerRun(100, func() {
		if b.Response(&r, method) != nil {
			t.Fatal("framing")
		}
		if n, err := b.Data(in); n != len(in) || err != nil || !b.Done() {
			t.Fatal(n, err)
		}
	}); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

// The result does not depend on where the body was cut.
func FuzzBody(f *testing.F) {
	f.Add([]byte("5\r\nhello\r\n0\r\n\r\nnext"), uint8(1), uint8(1), uint16(0))
	f.Add([]byte("hello world"), uint8(0), uint8(3), uint16(4))
	f.Add([]byte("a;b=c\r\n0123456789\r\n0\r\nT: r\r\n\r\n"), uint8(1), uint8(2), uint16(9))
	f.Fuzz(func(t *testing.T, in []byte, kind, cut uint8, gapAt uint16) {
		head := []string{lengthHead, chunkedHead, closeHead}[kind%3]
		step := int(cut)%20 + 1
		run := func(step int) string {
			b := Body{Keep: 64}
			if err := frame(t, &b, head, "GET"); err != nil {
				t.Fatal(err)
			}
			taken, err := 0, error(nil)
			gap := int(gapAt) % (len(in) + 1)
			feed := func(p []byte) {
				for i := 0; i < len(p) && !b.Done() && err == nil; i += step {
					var n int
					part := p[i:min(i+step, len(p))]
					if n, err = b.Data(part); n > len(part) || n < len(part) && !b.Done() && err == nil {
						t.Fatalf("took %d of %d", n, len(part))
					}
					taken += n
				}
			}
			feed(in[:gap])
			if err == nil && gapAt%3 == 0 {
				var n int64
				if n, err = b.Gap(int64(gapAt % 7)); n > int64(gapAt%7) {
					t.Fatalf("took %d of a gap of %d", n, gapAt%7)
				}
			}
			feed(in[gap:])
			return fmt.Sprint(taken, b.Done(), err, b.Bytes, b.Lost, string(b.Kept))
		}
		if whole, parts := run(len(in)+1), run(step); whole != parts {
			t.Fatalf("%q: cut at %d:\n%s\nwhole:\n%s", in, step, parts, whole)
		}
	})
}
