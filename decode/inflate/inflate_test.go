package inflate

import (
	"bytes"
	"compress/flate"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"unsafe"

	"framescope/decode"
)

// message decompresses one message that comes in the given pieces.
func message(z *Inflater, pieces ...[]byte) ([]byte, error) {
	var all []byte
	for _, p := range pieces {
		for {
			out, n, err := z.Next(p)
			p = p[n:]
			all = append(all, out...)
			if len(out) > windowSize {
				panic("a run is longer than the window")
			}
			if len(out) == 0 {
				if err == nil && len(p) > 0 {
					panic("input is left and no output")
				}
				break
			}
		}
	}
	return all, z.EndMessage()
}

// compress returns messages as a permessage-deflate sender writes them.
func compress(t testing.TB, level int, takeover bool, messages ...[]byte) [][]byte {
	t.Helper()
	var b bytes.Buffer
	w, err := flate.NewWriter(&b, level)
	if err != nil {
		t.Fatal(err)
	}
	var out [][]byte
	for _, m := range messages {
		b.Reset()
		if !takeover {
			w.Reset(&b)
		}
		w.Write(m)
		w.Flush()
		p := bytes.Clone(b.Bytes())
		if !bytes.HasSuffix(p, []byte{0, 0, 255, 255}) {
			t.Fatalf("flate's sync flush ends in %x", p[max(0, len(p)-4):])
		}
		out = append(out, p[:len(p)-4])
	}
	return out
}

// TestRFC7692 has the examples of RFC 7692 section 7.2.3, cut everywhere.
func TestRFC7692(t *testing.T) {
	for _, e := range []struct {
		name string
		hex  []string
		want []string
	}{
		{"7.2.3.1 one block", []string{"f248cdc9c90700"}, []string{"Hello"}},
		{"7.2.3.2 sharing the window", []string{"f248cdc9c90700", "f200110000"}, []string{"Hello", "Hello"}},
		{"7.2.3.3 no compression", []string{"000500faff48656c6c6f00"}, []string{"Hello"}},
		{"7.2.3.4 BFINAL", []string{"f348cdc9c9070000"}, []string{"Hello"}},
		{"7.2.3.5 two blocks", []string{"f24805000000ffffcac9c90700"}, []string{"Hello"}},
		{"7.2.3.6 empty", []string{"00"}, []string{""}},
		{"BFINAL and more with the history", []string{"f348cdc9c90700f200110000"}, []string{"HelloHello"}},
		{"BFINAL twice", []string{"f348cdc9c90700" + "f348cdc9c9070000", "f200110000"}, []string{"HelloHello", "Hello"}},
		{"BFINAL without the empty block", []string{"f348cdc9c90700", "f200110000"}, []string{"Hello", "Hello"}},
		{"final empty stored block", []string{"f248cdc9c90704", "f200110000"}, []string{"Hello", "Hello"}},
		{"no bytes at all", []string{"f248cdc9c90700", "", "f200110000"}, []string{"Hello", "", "Hello"}},
		{"several empty blocks", []string{"000000ffff" + "000000ffff" + "f248cdc9c90700", "00"}, []string{"Hello", ""}},
	} {
		t.Run(e.name, func(t *testing.T) {
			for cut := range 30 {
				var z Inflater
				for i, h := range e.hex {
					b, err := hex.DecodeString(h)
					if err != nil {
						t.Fatal(err)
					}
					c := min(cut, len(b))
					got, err := message(&z, b[:c], b[c:])
					if err != nil || string(got) != e.want[i] {
						t.Fatalf("message %d cut at %d: %q, %v", i, c, got, err)
					}
				}
			}
		})
	}
}

// TestVectors decodes the compressed frames of the corpora.
func TestVectors(t *testing.T) {
	name := filepath.Join("..", "..", "..", "shared", "corpora", "vectors", "frames.json")
	b, err := os.ReadFile(name)
	if err != nil {
		t.Skip("no corpora: ", err)
	}
	var v struct {
		RFC []struct {
			Name, Hex, Message string
			HexSequence        []string `json:"hex_sequence"`
			Messages           []string
			PMD                bool
		}
	}
	if err := json.Unmarshal(b, &v); err != nil {
		t.Fatal(err)
	}
	n := 0
	for _, e := range v.RFC {
		if !e.PMD {
			continue
		}
		n++
		if e.HexSequence == nil {
			e.HexSequence, e.Messages = []string{e.Hex}, []string{e.Message}
		}
		var z Inflater
		for i, h := range e.HexSequence {
			f, err := hex.DecodeString(h)
			if err != nil {
				t.Fatal(err)
			}
			// One or two unmasked frames of less than 126 bytes.
			var pieces [][]byte
			for len(f) > 0 {
				pieces = append(pieces, f[2:2+f[1]])
				f = f[2+f[1]:]
			}
			if got, err := message(&z, pieces...); err != nil || string(got) != e.Messages[i] {
				t.Errorf("%s, message %d: %q, %v", e.Name, i, got, err)
			}
		}
	}
	if n < 5 {
		t.Errorf("only %d vectors", n)
	}
}

// corpus returns messages of many kinds: JSON that resembles the one before,
// text, random bytes, zeros, nothing.
func corpus(rnd *rand.Rand, n, size int) [][]byte {
	words := strings.Fields("alpha bravo charlie delta echo foxtrot golf hotel india juliet kilo lima mike november")
	var out [][]byte
	for i := range n {
		l := rnd.IntN(size + 1)
		var b []byte
		switch rnd.IntN(8) {
		case 0:
			b = make([]byte, l)
			for j := range b {
				b[j] = byte(rnd.Uint32())
			}
		case 1:
			b = make([]byte, l*rnd.IntN(20))
		case 2:
			b = bytes.Repeat([]byte(words[rnd.IntN(len(words))][:1+rnd.IntN(4)]), l/3)
		default:
			for len(b) < l {
				b = fmt.Appendf(b, `{"id":%d,"type":"tick","sym":"%s","px":%d.%02d,"note":"%s %s"}`, i, words[rnd.IntN(len(words))],
					rnd.IntN(1000), rnd.IntN(100), words[rnd.IntN(len(words))], words[rnd.IntN(len(words))])
			}
		}
		out = append(out, b)
	}
	return out
}

// cutUp cuts b into pieces of up to most bytes.
func cutUp(rnd *rand.Rand, b []byte, most int) [][]byte {
	var out [][]byte
	for len(b) > 0 {
		n := min(1+rnd.IntN(most), len(b))
		out = append(out, b[:n])
		b = b[n:]
	}
	return out
}

func TestRoundTrip(t *testing.T) {
	for level := -2; level <= 9; level++ {
		for _, takeover := range []bool{true, false} {
			t.Run(fmt.Sprintf("level %d takeover %v", level, takeover), func(t *testing.T) {
				rnd := rand.New(rand.NewPCG(uint64(level+2), 7))
				in := corpus(rnd, 300, 1500)
				var z Inflater
				for i, p := range compress(t, level, takeover, in...) {
					if !takeover {
						z.Reset()
					}
					most := []int{1, 3, 100, 1448, 1 << 20}[i%5]
					got, err := message(&z, cutUp(rnd, p, most)...)
					if err != nil || !bytes.Equal(got, in[i]) {
						t.Fatalf("message %d of %d bytes: %d bytes, %v", i, len(in[i]), len(got), err)
					}
				}
				if f := z.Farthest(); takeover && f < 30000 && level > 0 || f > windowSize {
					t.Errorf("the farthest distance is %d", f)
				}
			})
		}
	}
}

// TestWindowEdges lets messages end exactly where the window and the buffer do.
func TestWindowEdges(t *testing.T) {
	for _, size := range []int{64, 256, 1024, 4096, 32768, 65536} {
		for _, off := range []int{-1, 0, 1} {
			rnd := rand.New(rand.NewPCG(uint64(size), 1))
			text := corpus(rnd, 1, 0)[0]
			for len(text) < 300_000 {
				text = append(text, corpus(rnd, 1, 2000)[0]...)
			}
			var in [][]byte
			for b := text[:len(text)-1+off]; len(b) > 0; {
				n := min(size, len(b))
				in = append(in, b[:n])
				b = b[n:]
			}
			var z Inflater
			for i, p := range compress(t, 6, true, in...) {
				got, err := message(&z, p)
				if err != nil || !bytes.Equal(got, in[i]) {
					t.Fatalf("size %d, message %d: %d bytes, %v", size, i, len(got), err)
				}
			}
		}
	}
}

// TestDistances copies from every distance and with every length, near the
// end of the buffer, too.
func TestDistances(t *testing.T) {
	rnd := rand.New(rand.NewPCG(1, 2))
	random := make([]byte, windowSize)
	for i := range random {
		random[i] = byte(rnd.Uint32())
	}
	for _, d := range []int{1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 24, 31, 32, 33, 100, 257, 258, 259, 4096, 32767, 32768} {
		for n := 3; n <= maxMatch; n++ {
			buf := make([]byte, windowSize+slack)
			copy(buf, random)
			w := windowSize
			match(buf, w, d, n)
			for i := range n {
				if buf[w+i] != buf[w+i-d] {
					t.Fatalf("distance %d, length %d: byte %d", d, n, i)
				}
			}
			if !bytes.Equal(buf[:w], random) {
				t.Fatalf("distance %d, length %d: wrote before the place", d, n)
			}
			for _, c := range buf[w+n+31:] {
				if c != 0 {
					t.Fatalf("distance %d, length %d: wrote too far", d, n)
				}
			}
		}
	}
}

func TestErrors(t *testing.T) {
	for _, e := range []struct {
		hex, field string
		off        int64
		err        error
	}{
		{"07", "block type", 0, nil},
		{"f248cdc9c90718", "block type", 6, nil},
		{"000500faff48656c6c", "message", 9, io.ErrUnexpectedEOF},
		{"000500faff48656c6c6f", "message", 10, io.ErrUnexpectedEOF},
		{"000500faff48656c6c6f000000", "message", 13, io.ErrUnexpectedEOF},
		{"000500fafe48", "stored length", 1, nil},
		{"f248cdc9c9", "message", 5, io.ErrUnexpectedEOF},
		{"f248cdc9", "message", 4, io.ErrUnexpectedEOF},
		{"f248cdc9c907", "message", 6, io.ErrUnexpectedEOF},
		{"f20011", "distance", 2, nil}, // H, then 4 bytes back
		{"f2003e", "distance", 2, errNoCode},
		{"1a03", "literal or length", 0, errNoCode}, // symbol 286
		{"fcffff", "code counts", 0, nil},
		{"04c0", "message", 2, io.ErrUnexpectedEOF},
		{"048081" + strings.Repeat("ff", 10), "code length codes", 2, errBadCode},
	} {
		b, err := hex.DecodeString(e.hex)
		if err != nil {
			t.Fatal(err)
		}
		for cut := range len(b) + 1 {
			var z Inflater
			_, err := message(&z, b[:cut], b[cut:])
			var d *decode.Error
			if !errors.As(err, &d) || d.Layer != "deflate" || d.Field != e.field || d.Off != e.off || e.err != nil && !errors.Is(err, e.err) {
				t.Errorf("%s cut at %d: %v, want %s at %d: %v", e.hex, cut, err, e.field, e.off, e.err)
				break
			}
			// The next message has no history, but works.
			if got, err := message(&z, []byte{0xf2, 0x48, 0xcd, 0xc9, 0xc9, 0x07, 0}); err != nil || string(got) != "Hello" {
				t.Errorf("after %s: %q, %v", e.hex, got, err)
			}
		}
	}
}

func TestLose(t *testing.T) {
	in := [][]byte{[]byte(`{"type":"tick","px":101.25}`), []byte(`{"type":"tick","px":101.26}`), []byte("something else"), bytes.Repeat([]byte("x"), 3000)}
	m := compress(t, 9, true, in...)
	var z Inflater
	if _, err := message(&z, m[0]); err != nil {
		t.Fatal(err)
	}
	z.Lose()
	if _, err := message(&z, m[1]); !errors.Is(err, ErrHistory) {
		t.Fatalf("a reference to lost bytes: %v", err)
	}
	for i := 2; i < 4; i++ {
		if got, err := message(&z, m[i]); err != nil || !bytes.Equal(got, in[i]) {
			t.Fatalf("without a reference: %.40q, %v", got, err)
		}
	}
	// What came since Lose may be referred to, what came before a failed
	// message may not.
	if got, err := message(&z, m[3]); err != nil || !bytes.Equal(got, in[3]) {
		t.Fatalf("%.40q, %v", got, err)
	}
	z.Reset()
	if _, err := message(&z, m[1]); err == nil || errors.Is(err, ErrHistory) {
		t.Fatalf("a reference to nothing: %v", err)
	}
	if _, err := message(&z, m[1]); !errors.Is(err, ErrHistory) {
		t.Fatalf("after a failed message: %v", err)
	}
	// A window later nothing before Lose can be meant.
	z.Lose()
	stored := compress(t, 0, true, make([]byte, 3*windowSize))[0]
	if _, err := message(&z, stored); err != nil {
		t.Fatal(err)
	}
	if got, err := message(&z, m[1]); err != nil || len(got) != len(in[1]) {
		t.Fatalf("%q, %v", got, err)
	}
}

func TestStop(t *testing.T) {
	m := compress(t, 9, false, make([]byte, 10<<20))[0]
	var z Inflater
	out, n, err := z.Next(m)
	if err != nil || len(out) == 0 || len(out) > windowSize || n >= len(m) {
		t.Fatalf("%d bytes from %d of %d, %v", len(out), n, len(m), err)
	}
	z.Lose()
	if got, err := message(&z, []byte{0xf2, 0x48, 0xcd, 0xc9, 0xc9, 0x07, 0}); err != nil || string(got) != "Hello" {
		t.Fatalf("%q, %v", got, err)
	}
	// An error comes behind the output before it, and stays.
	bad := []byte{0xf2, 0x48, 0xcd, 0xc9, 0xc9, 0x07, 0x18}
	out, _, err = z.Next(bad)
	if string(out) != "Hello" || err != nil {
		t.Fatalf("%q, %v", out, err)
	}
	for range 2 {
		if out, n, err := z.Next(bad); len(out) != 0 || n != 0 || err == nil {
			t.Fatalf("%q, %d, %v", out, n, err)
		}
	}
}

func TestMemory(t *testing.T) {
	var z Inflater
	small := trades(1, 50)
	for range 20 {
		z.Reset()
		if _, err := message(&z, compress(t, 6, false, small...)[0]); err != nil {
			t.Fatal(err)
		}
	}
	if len(z.buf) != bufMin {
		t.Errorf("a message of 50 bytes takes a window of %d", len(z.buf))
	}
	if n := unsafe.Sizeof(z); n > 200 {
		t.Errorf("an Inflater takes %d bytes", n)
	}
	if n := unsafe.Sizeof(codes{}); n > 8192 {
		t.Errorf("its tables take %d bytes", n)
	}
	z.Reset()
	if _, err := message(&z, compress(t, 6, true, make([]byte, 1<<20))[0]); err != nil {
		t.Fatal(err)
	}
	if len(z.buf) != bufMax {
		t.Errorf("a large message takes a window of %d", len(z.buf))
	}
	z.Release()
	if z.buf != nil || z.own != nil || z.codes != nil {
		t.Error("Release keeps memory")
	}
}

func TestAllocs(t *testing.T) {
	in := trades(200, 700)
	for _, takeover := range []bool{true, false} {
		msgs := compress(t, 6, takeover, in...)
		var z Inflater
		step := func() {
			z.Reset()
			for _, m := range msgs {
				if !takeover {
					z.Reset()
				}
				for p := m; ; {
					out, n, err := z.Next(p)
					if err != nil {
						t.Fatal(err)
					}
					if len(out) == 0 {
						break
					}
					p = p[n:]
				}
				if err := z.EndMessage(); err != nil {
					t.Fatal(err)
				}
			}
		}
		step()
		if n := testing.AllocsPerRun(10, step); n != 0 {
			t.Errorf("takeover %v: %v allocations", takeover, n)
		}
	}
}
