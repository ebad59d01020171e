package frame_test

import (
	"bytes"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"reflect"
	"strings"
	"testing"

	"framescope/decode"
	"framescope/decode/frame"
	"framescope/decode/websocket"
)

// appendFrame appends a WebSocket frame to b. A masked frame has the key
// 37fa213d, that of RFC 6455 section 5.7.
func appendFrame(b []byte, first byte, masked bool, payload []byte) []byte {
	m := byte(0)
	if masked {
		m = 0x80
	}
	b = append(b, first)
	switch n := len(payload); {
	case n < 126:
		b = append(b, m|byte(n))
	case n < 1<<16:
		b = binary.BigEndian.AppendUint16(append(b, m|126), uint16(n))
	default:
		b = binary.BigEndian.AppendUint64(append(b, m|127), uint64(n))
	}
	if !masked {
		return append(b, payload...)
	}
	key := [4]byte{0x37, 0xfa, 0x21, 0x3d}
	b = append(b, key[:]...)
	for i, c := range payload {
		b = append(b, c^key[i&3])
	}
	return b
}

// lengthFormat is a byte that says how long the payload is, behind as many
// zeros as you like up to four: a header of 1 to 5 bytes. 255 is an error.
type lengthFormat struct{}

type lengthHeader struct{ Zeros, Length int }

func (lengthFormat) MaxHeader() int { return 5 }

func (lengthFormat) Header(b []byte, h *lengthHeader) (int, int64, error) {
	for i, c := range b {
		switch {
		case c == 255:
			return 0, 0, errors.New("the length is 255")
		case c != 0 || i == 4:
			*h = lengthHeader{i, int(c)}
			return i + 1, int64(c), nil
		}
	}
	return 0, 0, frame.ErrShort
}

// A got is a frame put together from its chunks.
type got[H any] struct {
	Header       H
	Off, DataOff int64
	Payload      []byte // lost bytes are '?'
	Lost         int64
	Whole        bool
}

// A run collects what a Decoder says about a stream, and checks what must hold
// for every chunk.
type run[H any, F frame.Format[H]] struct {
	t      testing.TB
	d      frame.Decoder[H, F]
	frames []got[H]
	err    error
	inside bool
}

func (r *run[H, F]) chunk(c *frame.Chunk[H]) {
	r.t.Helper()
	if c.First == r.inside {
		r.t.Fatalf("chunk at %d: First is %v, inside a frame: %v", c.Off, c.First, r.inside)
	}
	if c.First {
		r.frames = append(r.frames, got[H]{Header: *c.Header, Off: c.HeaderOff, DataOff: c.Off})
	} else if len(c.Data) == 0 && c.Lost == 0 {
		r.t.Fatalf("chunk at %d is empty and not the first", c.Off)
	}
	g := &r.frames[len(r.frames)-1]
	if c.HeaderOff != g.Off || c.Pos != int64(len(g.Payload)) || c.Off != g.DataOff+c.Pos || len(c.Data) > 0 && c.Lost > 0 {
		r.t.Fatalf("chunk %+v does not continue %+v", c, g)
	}
	g.Payload = append(g.Payload, c.Data...)
	g.Payload = append(g.Payload, strings.Repeat("?", int(c.Lost))...)
	g.Lost += c.Lost
	g.Whole = c.Last
	r.inside = !c.Last
	if want := c.Off + int64(len(c.Data)) + c.Lost; r.d.Offset() != want && r.err == nil {
		r.t.Fatalf("Offset is %d behind a chunk that ends at %d", r.d.Offset(), want)
	}
}

func (r *run[H, F]) feed(b []byte) {
	r.t.Helper()
	before := bytes.Clone(b)
	for c, err := range r.d.Decode(b) {
		if err != nil {
			if c != nil {
				r.t.Fatal("a chunk and an error")
			}
			r.err = err
			continue
		}
		r.chunk(c)
	}
	if !bytes.Equal(before, b) {
		r.t.Fatal("Decode changed its input")
	}
}

func (r *run[H, F]) gap(n int64) {
	r.t.Helper()
	c, err := r.d.Gap(n)
	r.err = err
	if c != nil {
		r.chunk(c)
	}
	if err != nil {
		r.inside = false
	}
}

func (r *run[H, F]) resume(off int64) {
	r.d.Resume(off)
	r.err = nil
	r.inside = false
}

// examples are the frames of RFC 6455 section 5.7.
var examples = []struct {
	name, hex string
	first     byte // of the last frame
	want      []string
}{
	{"unmasked text", "810548656c6c6f", 0x81, []string{"Hello"}},
	{"masked text", "818537fa213d7f9f4d5158", 0x81, []string{"Hello"}},
	{"fragmented unmasked text", "010348656c80026c6f", 0x80, []string{"Hel", "lo"}},
	{"unmasked ping", "890548656c6c6f", 0x89, []string{"Hello"}},
	{"masked pong", "8a8537fa213d7f9f4d5158", 0x8a, []string{"Hello"}},
	{"256 bytes", "827e0100" + strings.Repeat("2a", 256), 0x82, []string{strings.Repeat("*", 256)}},
	{"64 KiB", "827f0000000000010000" + strings.Repeat("2a", 65536), 0x82, []string{strings.Repeat("*", 65536)}},
	{"two empty frames", "89008800", 0x88, []string{"", ""}},
}

func TestExamples(t *testing.T) {
	for _, e := range examples {
		t.Run(e.name, func(t *testing.T) {
			b, err := hex.DecodeString(e.hex)
			if err != nil {
				t.Fatal(err)
			}
			for cut := 0; cut <= min(len(b), 300); cut++ {
				r := run[websocket.Header, websocket.Format]{t: t}
				r.feed(b[:cut])
				if cut < len(b) && cut > 0 && (cut < 2 || len(e.want) == 1) {
					if err := r.d.Close(); !errors.Is(err, io.ErrUnexpectedEOF) {
						t.Fatalf("cut at %d: Close says %v", cut, err)
					}
				}
				r.feed(b[cut:])
				if r.err != nil || r.d.Close() != nil || r.d.Offset() != int64(len(b)) {
					t.Fatalf("cut at %d: %v, %v, offset %d", cut, r.err, r.d.Close(), r.d.Offset())
				}
				var texts []string
				for _, g := range r.frames {
					if !g.Whole || g.DataOff-g.Off != int64(g.Header.Size) {
						t.Fatalf("cut at %d: %+v", cut, g)
					}
					if g.Header.Masked {
						for i := range g.Payload {
							g.Payload[i] ^= g.Header.Mask[i&3]
						}
					}
					texts = append(texts, string(g.Payload))
				}
				if !reflect.DeepEqual(texts, e.want) {
					t.Fatalf("cut at %d: %.40q", cut, texts)
				}
				h := r.frames[len(r.frames)-1].Header
				if h.Fin != (e.first&0x80 != 0) || h.Opcode != websocket.Opcode(e.first&15) {
					t.Fatalf("cut at %d: %+v", cut, h)
				}
			}
		})
	}
}

func TestFormatError(t *testing.T) {
	for cut := 0; cut < 20; cut++ {
		r := run[websocket.Header, websocket.Format]{t: t}
		b := append([]byte{0x81, 1, 'x'}, 0x82, 0x7f, 0x80, 0, 0, 0, 0, 0, 0, 5, 1, 2, 3, 4, 5, 6, 7)
		r.feed(b[:cut])
		r.feed(b[cut:])
		var e *decode.Error
		if !errors.As(r.err, &e) || e.Layer != "websocket" || e.Off != 5 || len(r.frames) != 1 || r.d.Offset() != 3 {
			t.Fatalf("cut at %d: %v, %d frames, offset %d", cut, r.err, len(r.frames), r.d.Offset())
		}
		held := max(cut-3, 0)
		if held >= 10 { // the whole header came in one piece
			held = 0
		}
		if p := r.d.Partial(); !bytes.Equal(p, b[3:3+held]) {
			t.Fatalf("cut at %d: Partial is %x", cut, p)
		}
		if _, err := r.d.Gap(5); err != r.err {
			t.Fatalf("Gap: %v", err)
		}
		if err := r.d.Close(); err != r.err {
			t.Fatalf("Close: %v", err)
		}
		if _, _, err := r.d.Next(nil); err != r.err {
			t.Fatalf("Next: %v", err)
		}
		r.resume(100)
		r.feed([]byte{0x89, 0})
		if r.err != nil || len(r.frames) != 2 || r.frames[1].Off != 100 || r.d.Offset() != 102 {
			t.Fatalf("after Resume: %v, %+v", r.err, r.frames)
		}
	}
}

// badFormat says what its fields say.
type badFormat struct {
	size, max int
	payload   int64
	err       error
}

func (f *badFormat) MaxHeader() int                              { return f.max }
func (f *badFormat) Header(b []byte, h *int) (int, int64, error) { return f.size, f.payload, f.err }

func TestBadFormat(t *testing.T) {
	for _, f := range []badFormat{
		{0, 4, 1, nil}, {-1, 4, 1, nil}, {99, 4, 1, nil}, {1, 4, -1, nil}, {0, 1, 0, frame.ErrShort}, {0, -5, 0, frame.ErrShort},
		{0, 4, 0, errors.New("no")},
	} {
		for cut := range 3 {
			d := frame.Decoder[int, *badFormat]{Format: &f}
			var err error
			for _, b := range []string{"abcdefg"[:cut], "abcdefg"[cut:]} {
				for _, err = range d.Decode([]byte(b)) {
				}
			}
			var e *decode.Error
			if !errors.As(err, &e) || e.Off != 0 || d.Offset() != 0 {
				t.Errorf("%+v cut at %d: %v", f, cut, err)
			}
		}
	}
	// The format needs one byte, then says that two were enough before.
	f := badFormat{0, 4, 0, frame.ErrShort}
	d := frame.Decoder[int, *badFormat]{Format: &f}
	if _, n, err := d.Next([]byte("ab")); n != 2 || err != nil {
		t.Fatal(n, err)
	}
	f.size, f.err = 2, nil
	if _, n, err := d.Next([]byte("c")); n != 0 || err == nil || d.Offset() != 0 || string(d.Partial()) != "ab" {
		t.Fatal(n, err)
	}
}

func TestBreak(t *testing.T) {
	var b []byte
	for i := range 5 {
		b = appendFrame(b, 0x82, true, bytes.Repeat([]byte{byte(i)}, i))
	}
	var d frame.Decoder[websocket.Header, websocket.Format]
	var n int
	for n < 5 {
		at := d.Offset()
		for c, err := range d.Decode(b[at:]) {
			if err != nil || c.Header.Length != int64(n) || !c.First || !c.Last {
				t.Fatalf("frame %d: %v %+v", n, err, c)
			}
			n++
			break
		}
	}
	if d.Offset() != int64(len(b)) || d.Close() != nil {
		t.Fatal(d.Offset(), d.Close())
	}
}

// gapStream is a stream with all header forms, and the offsets of its headers
// and payloads.
func gapStream() (b []byte, headers, payloads []int) {
	for i, n := range []int{5, 0, 1, 130, 0, 3, 300, 20} {
		headers = append(headers, len(b))
		b = appendFrame(b, []byte{0x81, 0x82, 0x89}[i%3], i%2 == 0, bytes.Repeat([]byte{'a' + byte(i)}, n))
		payloads = append(payloads, len(b)-n)
	}
	headers = append(headers, len(b))
	return
}

func TestGap(t *testing.T) {
	b, headers, payloads := gapStream()
	whole := run[websocket.Header, websocket.Format]{t: t}
	whole.feed(b)
	for from := 0; from < len(b); from++ {
		for _, n := range []int{1, 2, 3, 7, 20, 21, 129, 130, 131, 140, 299, 300, 301, 1000} {
			to := from + n
			k := 0 // the frame at from
			for headers[k+1] <= from {
				k++
			}
			end := headers[k+1]
			inside := from >= payloads[k] && from < end
			r := run[websocket.Header, websocket.Format]{t: t}
			for i := range from {
				r.feed(b[i : i+1])
			}
			r.gap(int64(n))
			if inside && to <= end {
				r.feed(b[to:])
				if r.err != nil || len(r.frames) != len(whole.frames) || r.d.Close() != nil {
					t.Fatalf("%d bytes at %d: %v, %d frames", n, from, r.err, len(r.frames))
				}
				if g := r.frames[k]; g.Lost != int64(n) || !g.Whole || len(g.Payload) != end-payloads[k] {
					t.Fatalf("%d bytes at %d: %+v", n, from, g)
				}
				continue
			}
			lost := headers[k] // where the decoder loses its way
			seen := k
			if inside {
				lost = end
				seen = k + 1
				if g := r.frames[k]; g.Lost != int64(end-from) || !g.Whole {
					t.Fatalf("%d bytes at %d: %+v", n, from, g)
				}
			}
			var e *decode.Error
			if !errors.Is(r.err, frame.ErrLost) || !errors.As(r.err, &e) || e.Off != int64(lost) {
				t.Fatalf("%d bytes at %d: %v, want offset %d", n, from, r.err, lost)
			}
			if r.d.Offset() != int64(to) || len(r.d.Partial()) != 0 || len(r.frames) != seen {
				t.Fatalf("%d bytes at %d: offset %d, %d frames", n, from, r.d.Offset(), len(r.frames))
			}
			before := r.err
			if _, _, err := r.d.Next([]byte{0x81}); err != before {
				t.Fatal(err)
			}
			for m, h := range headers {
				if h >= to {
					r.resume(int64(h))
					r.feed(b[h:])
					if !reflect.DeepEqual(r.frames[seen:], whole.frames[m:]) && len(r.frames) > seen {
						t.Fatalf("%d bytes at %d: other frames after Resume", n, from)
					}
					if r.err != nil || len(r.frames)-seen != len(whole.frames)-m {
						t.Fatalf("%d bytes at %d: %v, %d frames", n, from, r.err, len(r.frames))
					}
					break
				}
			}
		}
	}
	var d frame.Decoder[websocket.Header, websocket.Format]
	if c, err := d.Gap(0); c != nil || err != nil || d.Offset() != 0 {
		t.Error("a gap of nothing:", c, err)
	}
}

func TestTwoGapsInPayload(t *testing.T) {
	r := run[websocket.Header, websocket.Format]{t: t}
	r.feed([]byte{0x82, 10, 'a'})
	r.gap(2)
	r.gap(3)
	r.feed([]byte("bc"))
	r.gap(2)
	r.feed([]byte{0x89, 0})
	if r.err != nil || len(r.frames) != 2 || string(r.frames[0].Payload) != "a?????bc??" || !r.frames[0].Whole {
		t.Fatalf("%v %+v", r.err, r.frames)
	}
}

func TestDecodeAllocs(t *testing.T) {
	b, _, _ := gapStream()
	var d frame.Decoder[websocket.Header, websocket.Format]
	var n int
	step := func() {
		for i := 0; i < len(b); i += 3 {
			for c, err := range d.Decode(b[i:min(i+3, len(b))]) {
				if err != nil {
					t.Fatal(err)
				}
				n += len(c.Data)
			}
		}
	}
	step()
	if a := testing.AllocsPerRun(20, step); a != 0 {
		t.Errorf("%v allocations", a)
	}
}

// summary is all that a run says, in a form that compares.
func (r *run[H, F]) summary() string {
	var s strings.Builder
	for _, g := range r.frames {
		fmt.Fprintf(&s, "%+v\n", g)
	}
	fmt.Fprintf(&s, "%v %v %d", r.err, r.d.Close(), r.d.Offset())
	return s.String()
}

func decodeCut[H any, F frame.Format[H]](t *testing.T, b []byte, cuts []byte, gapAt, gap int) string {
	r := run[H, F]{t: t}
	at := 0
	for i := 0; at < len(b); i++ {
		n := len(b)
		if len(cuts) > 0 {
			n = int(cuts[i%len(cuts)]) + i/len(cuts)
		}
		n = min(n, len(b)-at)
		if at <= gapAt && at+n > gapAt {
			r.feed(b[at:gapAt])
			r.gap(int64(gap))
			r.feed(b[gapAt : at+n])
		} else {
			r.feed(b[at : at+n])
		}
		at += n
	}
	return r.summary()
}

// FuzzDecoder: the result does not depend on where the input was cut.
func FuzzDecoder(f *testing.F) {
	for _, e := range examples[:5] {
		b, _ := hex.DecodeString(e.hex)
		f.Add(b, []byte{1, 2}, uint16(3), uint16(2))
	}
	b, _, _ := gapStream()
	f.Add(b, []byte{1}, uint16(100), uint16(3))
	f.Add([]byte{0, 0, 0, 5, 1, 2, 3, 4, 5, 0, 0, 0, 0, 0, 255, 7}, []byte{3}, uint16(0), uint16(0))
	f.Fuzz(func(t *testing.T, b, cuts []byte, gapAt, gap uint16) {
		if whole, cut := decodeCut[websocket.Header, websocket.Format](t, b, nil, int(gapAt), int(gap)), decodeCut[websocket.Header, websocket.Format](t, b, cuts, int(gapAt), int(gap)); whole != cut {
			t.Errorf("websocket, whole:\n%s\ncut by %d:\n%s", whole, cuts, cut)
		}
		if whole, cut := decodeCut[lengthHeader, lengthFormat](t, b, nil, int(gapAt), int(gap)), decodeCut[lengthHeader, lengthFormat](t, b, cuts, int(gapAt), int(gap)); whole != cut {
			t.Errorf("length, whole:\n%s\ncut by %d:\n%s", whole, cuts, cut)
		}
	})
}
