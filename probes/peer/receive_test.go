package peer

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"framescope/decode/websocket"
)

// RFC 6455 section 5.7 and RFC 7692 section 7.2.3.
func TestRFCExamples(t *testing.T) {
	for _, tt := range []struct {
		name, hex string
		from      websocket.Role
		want      string
	}{
		{"unmasked text", "81 05 48 65 6c 6c 6f", websocket.Server, "text Hello"},
		{"masked text", "81 85 37 fa 21 3d 7f 9f 4d 51 58", websocket.Client, "text Hello"},
		{"fragmented", "01 03 48 65 6c 80 02 6c 6f", websocket.Server, "text Hello"},
		{"ping", "89 05 48 65 6c 6c 6f", websocket.Server, "ping Hello"},
		{"masked pong", "8a 85 37 fa 21 3d 7f 9f 4d 51 58", websocket.Client, "pong Hello"},
		{"256 bytes", "82 7e 01 00" + strings.Repeat("61", 256), websocket.Server, "binary [256 " + fmt.Sprintf("%08x", sum(bytes.Repeat([]byte("a"), 256))) + "]"},
		{"64 KiB", "82 7f 00 00 00 00 00 01 00 00" + strings.Repeat("61", 1<<16), websocket.Server, "binary [65536 " + fmt.Sprintf("%08x", sum(bytes.Repeat([]byte("a"), 1<<16))) + "]"},
		{"compressed", "c1 07 f2 48 cd c9 c9 07 00", websocket.Server, "text Hello"},
		{"compressed, fragmented", "41 03 f2 48 cd 80 04 c9 c9 07 00", websocket.Server, "text Hello"},
		{"context takeover", "c1 07 f2 48 cd c9 c9 07 00 c1 05 f2 00 11 00 00", websocket.Server, "text Hello, text Hello"},
		{"stored block", "c1 0b 00 05 00 fa ff 48 65 6c 6c 6f 00", websocket.Server, "text Hello"},
		{"BFINAL", "c1 08 f3 48 cd c9 c9 07 00 00", websocket.Server, "text Hello"},
		{"two blocks", "c1 0d f2 48 05 00 00 00 ff ff ca c9 c9 07 00", websocket.Server, "text Hello"},
		{"plain where compressed is allowed", "81 05 48 65 6c 6c 6f", websocket.Server, "text Hello"},
		{"ping inside a message", "01 03 48 65 6c 89 00 80 02 6c 6f", websocket.Server, "ping , text Hello"},
		{"close without code", "88 00", websocket.Server, "close 1005"},
		{"empty messages", "81 00 82 00 01 00 80 00 c1 01 00", websocket.Server, "text , binary , text , text "},
	} {
		b := unhex(tt.hex)
		for _, piece := range []int{1, 3, len(b)} {
			list, err := words(b, receiver{from: tt.from, max: 1 << 20, deflated: true}, piece)
			if got := strings.Join(list, ", "); got != tt.want || err != nil {
				t.Errorf("%s: %q, %v, want %q", tt.name, got, err, tt.want)
			}
		}
	}
}

// Every rule of RFC 6455 section 5, as a server sees it broken.
var violations = []struct {
	name, frames string // as a client sends them, but without masks
	deflate      bool
	echo         string // before the close frame
	code         uint16
	reason       string // a part of it
}{
	{"RSV1 without extension", "c1 00", false, "", 1002, "reserved bits 100"},
	{"RSV2", "a1 00", true, "", 1002, "reserved bits 010"},
	{"RSV3", "91 00", true, "", 1002, "reserved bits 001"},
	{"RSV1 on a ping", "c9 00", true, "", 1002, "reserved bits"},
	{"RSV1 on a continuation", "01 01 61 c0 01 00", true, "", 1002, "reserved bits"},
	{"opcode 3", "83 00", false, "", 1002, "opcode 3 is reserved"},
	{"opcode 7 after a message", "81 01 61 87 00", false, "text a, ", 1002, "opcode 7"},
	{"opcode 11", "8b 00", false, "", 1002, "opcode 11"},
	{"opcode 15", "8f 00", false, "", 1002, "opcode 15"},
	{"fragmented ping", "09 00", false, "", 1002, "without FIN"},
	{"fragmented close", "08 00", false, "", 1002, "without FIN"},
	{"long ping", "89 7e 00 7e" + strings.Repeat("61", 126), false, "", 1002, "126 bytes"},
	{"continuation first", "80 01 61", false, "", 1002, "no message is open"},
	{"continuation behind a message", "01 01 61 80 01 62 80 01 63", false, "text ab, ", 1002, "no message is open"},
	{"text inside a message", "01 01 61 81 01 62", false, "", 1002, "while another message is open"},
	{"binary inside a message", "01 01 61 82 01 62", false, "", 1002, "while another message is open"},
	{"16 bits for 5 bytes", "81 7e 00 05 48 65 6c 6c 6f", false, "", 1002, "5 bytes in 16 bits"},
	{"64 bits for 5 bytes", "81 7f 00 00 00 00 00 00 00 05 48 65 6c 6c 6f", false, "", 1002, "5 bytes in 64 bits"},
	{"close of one byte", "88 01 03", false, "", 1002, "one byte"},
	{"close 999", closeFrame(999, ""), false, "", 1002, "999"},
	{"close 1005", closeFrame(1005, ""), false, "", 1002, "1005"},
	{"close 1006", closeFrame(1006, ""), false, "", 1002, "1006"},
	{"close 1016", closeFrame(1016, ""), false, "", 1002, "1016"},
	{"close 2999", closeFrame(2999, ""), false, "", 1002, "2999"},
	{"close 5000", closeFrame(5000, ""), false, "", 1002, "5000"},
	{"close with a bad reason", "88 04 03 e8 c3 28", false, "", 1007, "reason"},
	{"bad UTF-8", "81 02 c3 28", false, "", 1007, "offset 1 "},
	{"UTF-8 that ends inside a character", "81 01 c3", false, "", 1007, "offset 1 "},
	{"surrogate", "81 03 ed a0 80", false, "", 1007, "offset 1 "},
	{"bad UTF-8 in the second fragment, not awaited", "01 02 61 62 00 03 63 ff 61", false, "", 1007, "offset 3 "},
	{"bad UTF-8 inside DEFLATE", "c1 05 6a 38 00 00 00", true, "", 1007, ""},
	{"no DEFLATE", "c1 03 07 07 07", true, "", 1007, "deflate"},
	{"too big", "82 7e 04 01" + strings.Repeat("00", 1025), false, "", 1009, "1025 bytes or more, 1024 are accepted"},
	{"announced as too big", "82 7f 7f ff ff ff ff ff ff ff", false, "", 1009, "1024 are accepted"},
	{"too big by fragments", "02 7e 04 00" + strings.Repeat("00", 1024) + "00 01 00", false, "", 1009, "1025 bytes or more"},
	{"inflates to too much", "c2" + bomb(), true, "", 1009, "more than 1024 bytes"},
}

// bomb is the length and the payload of a frame that inflates to 5000 bytes.
func bomb() string {
	d := &deflater{}
	p := d.compress(make([]byte, 5000), true, true)
	return fmt.Sprintf("%02x%x", len(p), p)
}

func TestViolations(t *testing.T) {
	addr := serve(t, &Server{Deflate: true, MaxMessage: 1024})
	for _, tt := range violations {
		request := upgrade
		if tt.deflate {
			request += "Sec-WebSocket-Extensions: permessage-deflate\r\n"
		}
		got := frames(t, raw(t, addr, request+"\r\n"+mask(tt.frames)))
		want := fmt.Sprintf("%sclose %d", tt.echo, tt.code)
		if !strings.HasPrefix(got, want) || !strings.Contains(got, tt.reason) {
			t.Errorf("%s: %q, want %q and %q", tt.name, got, want, tt.reason)
		}
	}
	for name, request := range map[string]string{
		"no mask":       "\x81\x01a",
		"MSB of length": "\x82\xff\x80\x00\x00\x00\x00\x00\x00\x00abcd",
	} {
		if got := frames(t, raw(t, addr, upgrade+"\r\n"+request)); !strings.HasPrefix(got, "close 1002 ") {
			t.Errorf("%s: %q", name, got)
		}
	}
}

// What a server does wrong is answered in the same way.
func TestServerViolations(t *testing.T) {
	for _, tt := range violations {
		b := unhex(tt.frames)
		_, err := words(b, receiver{from: websocket.Server, max: 1024, deflated: tt.deflate}, 1)
		var end *CloseError
		if !errors.As(err, &end) || end.Code != tt.code || !strings.Contains(end.Reason, tt.reason) {
			t.Errorf("%s: %v, want %d", tt.name, err, tt.code)
		}
	}
	_, err := words([]byte(mask("81 01 61")), receiver{from: websocket.Server, max: 1024}, 1)
	var end *CloseError
	if !errors.As(err, &end) || end.Code != 1002 || !strings.Contains(end.Reason, "is masked") {
		t.Errorf("masked: %v", err)
	}
}

// The result does not depend on where the bytes were cut.
func TestCutIndependence(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	for i := range 300 {
		b := []byte(mask(violations[r.IntN(len(violations))].frames))
		if i%2 == 0 { // many valid frames, then one that is not
			var buf bytes.Buffer
			s := sender{conn: sink{&buf}, masked: true, deflate: &deflater{params: websocket.Deflate{NoContextTakeover: i%4 == 0}}}
			for range 1 + r.IntN(5) {
				if err := s.message(websocket.Text, noise(r.IntN(300), uint64(i)), noise(r.IntN(300), 7)); err != nil {
					t.Fatal(err)
				}
				_ = s.control(websocket.Ping, noise(r.IntN(125), 3))
			}
			b = append(buf.Bytes(), b...)
		}
		if r.IntN(3) == 0 {
			b[r.IntN(len(b))] ^= 1 << r.IntN(8)
		}
		whole := receiver{from: websocket.Client, max: 1024, deflated: true, params: websocket.Deflate{NoContextTakeover: i%4 == 0}}
		want, wantErr := words(b, whole, len(b))
		for _, piece := range []int{1, 2, 7, 1 + r.IntN(len(b))} {
			got, err := words(b, whole, piece)
			if !slices.Equal(got, want) || fmt.Sprint(err) != fmt.Sprint(wantErr) {
				t.Fatalf("%x in pieces of %d:\n%q %v\nwhole:\n%q %v", b, piece, got, err, want, wantErr)
			}
		}
	}
}

// A session holds its buffers: nothing is allocated for a message, on the way
// in and on the way out.
func TestAllocs(t *testing.T) {
	b := []byte(mask("81 05 48 65 6c 6c 6f"))
	r := receiver{from: websocket.Client, max: 1 << 20}
	s := sender{conn: sink{io.Discard}}
	c := sender{conn: sink{io.Discard}, masked: true}
	n := testing.AllocsPerRun(100, func() {
		a, _, err := r.receive(b)
		if err != nil {
			t.Fatal(err)
		}
		if s.message(a.op, a.data) != nil || c.message(a.op, a.data) != nil {
			t.Fatal("not sent")
		}
	})
	if n > 0 {
		t.Errorf("%v allocations for a message", n)
	}
}

// One message of 128 bytes, received and sent back.
func BenchmarkEcho(b *testing.B) {
	for _, deflate := range []bool{false, true} {
		b.Run(fmt.Sprintf("deflate=%v", deflate), func(b *testing.B) {
			var wire bytes.Buffer
			c := sender{conn: sink{&wire}, masked: true}
			s := sender{conn: sink{io.Discard}}
			r := receiver{from: websocket.Client, max: 1 << 20, deflated: deflate}
			if deflate {
				r.params.NoContextTakeover = true // so that the same bytes can come again
				c.deflate, s.deflate = &deflater{params: r.params}, &deflater{}
			}
			if err := c.message(websocket.Text, noise(128, 1)); err != nil {
				b.Fatal(err)
			}
			b.SetBytes(128)
			b.ReportAllocs()
			for b.Loop() {
				a, _, err := r.receive(wire.Bytes())
				if err != nil || s.message(a.op, a.data) != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

// What a message that is not finished may take of the memory is bounded, and
// is given back.
func TestBudget(t *testing.T) {
	s := &Server{MaxMemory: 1 << 20}
	addr := serve(t, s)
	c := dial(t, addr, nil)
	err := c.Write(ctx10(t), websocket.Binary, make([]byte, 3<<20))
	if err == nil {
		_, err = c.Read(ctx10(t))
	} else {
		<-c.done
		err = c.err
	}
	var end *CloseError
	if !errors.As(err, &end) || end.Code != 1013 {
		t.Errorf("3 MiB where there is 1: %v", err)
	}
	for range 5 { // would not fit if it were not given back
		c := dial(t, addr, nil)
		if err := c.Write(ctx10(t), websocket.Binary, make([]byte, 300<<10)); err != nil {
			t.Fatal(err)
		}
		if m, err := c.Read(ctx10(t)); err != nil || len(m.Data) != 300<<10 {
			t.Fatalf("%d bytes, %v", len(m.Data), err)
		}
		if err := c.Close(ctx10(t), 1000, ""); err != nil {
			t.Error(err)
		}
	}
	if left := s.budget.left.Load(); left != 1<<20 {
		t.Errorf("%d bytes of the memory are left, want all", left)
	}
}
