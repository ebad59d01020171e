package websocket

import (
	"bytes"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"unicode/utf8"
)

// corpus returns the contents of a file of the corpora, or skips.
func corpus(t testing.TB, name string) []byte {
	t.Helper()
	b, err := os.ReadFile(filepath.Join("../../../shared/corpora", name))
	if err != nil {
		t.Skipf("no corpora: %v", err)
	}
	return b
}

// firstBad is an oracle made of the standard library: the offset of the first
// byte that no valid text could have there, and whether the text may end.
func firstBad(p []byte) (bad int, between bool) {
	for i := 0; i < len(p); {
		r, n := utf8.DecodeRune(p[i:])
		if r != utf8.RuneError || n > 1 {
			i += n
			continue
		}
		// A prefix is good as long as some continuation makes it valid.
		for j := 1; ; j++ {
			if i+j > len(p) {
				return -1, false
			}
			if !canStart(p[i : i+j]) {
				return i + j - 1, false
			}
		}
	}
	return -1, true
}

// canStart reports whether some rune's encoding begins with p.
func canStart(p []byte) bool {
	tail := []byte{0x80, 0x8f, 0x90, 0x9f, 0xa0, 0xbf}
	for _, a := range tail {
		for _, b := range []byte{0x80, 0xbf} {
			full := append(bytes.Clone(p), a, b, b)
			for n := len(p); n <= len(full); n++ {
				if r, size := utf8.DecodeRune(full[:n]); size == n && (r != utf8.RuneError || n == 3) {
					return true
				}
			}
		}
	}
	return false
}

func TestUTF8Vectors(t *testing.T) {
	var rows []struct {
		ID, Hex string
		Valid   bool
	}
	if err := json.Unmarshal(corpus(t, "vectors/utf8_sequences.json"), &rows); err != nil {
		t.Fatal(err)
	}
	for _, r := range rows {
		p, err := hex.DecodeString(r.Hex)
		if err != nil {
			t.Fatal(err)
		}
		var u UTF8
		if got := u.Check(p) < 0 && u.Between(); got != r.Valid {
			t.Errorf("%s: % x: valid %v, want %v", r.ID, p, got, r.Valid)
		}
	}
	if len(rows) < 100 {
		t.Errorf("%d rows", len(rows))
	}
}

// Every sequence of up to three bytes, and the edges of four, against the
// standard library, alone and behind ASCII that the fast path takes.
func TestUTF8Exhaustive(t *testing.T) {
	ascii := bytes.Repeat([]byte("plain"), 14)
	check := func(p []byte) {
		t.Helper()
		var u UTF8
		bad := u.Check(p)
		if got := bad < 0 && u.Between(); got != utf8.Valid(p) {
			t.Fatalf("% x: valid %v, want %v", p, got, utf8.Valid(p))
		}
	}
	for a := range 256 {
		check([]byte{byte(a)})
		for b := range 256 {
			check([]byte{byte(a), byte(b)})
			if a < 0x80 {
				continue
			}
			for c := 0x70; c < 256; c += 3 {
				check([]byte{byte(a), byte(b), byte(c)})
			}
			for _, c := range []byte{0x7f, 0x80, 0xbf, 0xc0} {
				for _, d := range []byte{0x7f, 0x80, 0xbf, 0xc0} {
					check([]byte{byte(a), byte(b), c, d})
				}
			}
		}
	}
	check(append(ascii, 0xff))
}

// Masked bytes are judged as what they say, wherever the fast path begins.
func TestUTF8Masked(t *testing.T) {
	rnd := rand.New(rand.NewPCG(1, 2))
	for round := range 20_000 {
		p := bytes.Repeat([]byte("plain text "), 30)[:rnd.IntN(300)]
		for range rnd.IntN(4) {
			if i := rnd.IntN(len(p) + 1); i < len(p) {
				p = append(append(bytes.Clone(p[:i]), []string{"\xff", "é", "日本", "\xc3", "\x80"}[rnd.IntN(5)]...), p[i:]...)
			}
		}
		key, pos := [4]byte{byte(rnd.Uint32()), 0x80, byte(rnd.Uint32()), 0xff}, int64(rnd.IntN(9))
		bad, between := firstBad(p)
		var u UTF8
		if got := u.CheckMasked(xor(p, key, pos), key, pos); got != bad || bad < 0 && u.Between() != between {
			t.Fatalf("round %d: %q: first bad byte %d (between %v), want %d (%v)", round, p, got, u.Between(), bad, between)
		}
	}
}

func FuzzUTF8(f *testing.F) {
	f.Add([]byte("κόσμε and plain text that is long enough for the fast path, twice over, at least"), uint32(7), uint8(3), uint8(1))
	f.Add([]byte{0xce, 0xba, 0xe1, 0xbd}, uint32(0), uint8(1), uint8(0))
	f.Add(append(bytes.Repeat([]byte("a"), 130), 0xed, 0xa0, 0x80), uint32(0xdeadbeef), uint8(64), uint8(2))
	f.Add([]byte(strings.Repeat("a", 25)+"\xa0"+strings.Repeat("a", 53)), uint32(0xdeadbeef), uint8('S'), uint8('3'))
	f.Fuzz(func(t *testing.T, p []byte, k uint32, cut, pos uint8) {
		bad, between := firstBad(p)
		key := [4]byte{byte(k >> 24), byte(k >> 16), byte(k >> 8), byte(k)}
		masked := xor(p, key, int64(pos))
		n := int(cut)%(len(p)+1) + 1
		var whole, cutUp, maskedUp UTF8
		if got := whole.Check(p); got != bad || bad < 0 && whole.Between() != between {
			t.Fatalf("% x: first bad byte %d (between %v), want %d (%v)", p, got, whole.Between(), bad, between)
		}
		for i := 0; i < len(p); i += n {
			end := min(i+n, len(p))
			a, b := cutUp.Check(p[i:end]), maskedUp.CheckMasked(masked[i:end], key, int64(pos)+int64(i))
			if a != b {
				t.Fatalf("masked %d, plain %d", b, a)
			}
			if a >= 0 {
				if i+a != bad {
					t.Fatalf("cut at %d: first bad byte %d, want %d", n, i+a, bad)
				}
				if cutUp.Check([]byte("more")) != 0 {
					t.Fatal("good again after a bad byte")
				}
				return
			}
		}
		if bad >= 0 || cutUp.Between() != between {
			t.Fatalf("cut at %d: no bad byte, want %d", n, bad)
		}
	})
}

func BenchmarkUTF8(b *testing.B) {
	texts := map[string]string{
		"ascii":    "the quick brown fox jumps over the lazy dog. ",
		"european": "Der Fluß führt über große Höhen und trägt schöne Boote. ",
		"greek":    "κόσμε και άλλα πολλά ",
		"chinese":  "天地玄黃宇宙洪荒日月盈昃辰宿列張",
	}
	for name, text := range texts {
		for _, n := range []int{128, 64 << 10} {
			p := bytes.Repeat([]byte(text), n/len(text)+1)
			b.Run(fmt.Sprint(name, "/", n), func(b *testing.B) {
				b.SetBytes(int64(len(p)))
				b.ReportAllocs()
				key := [4]byte{1, 2, 3, 4}
				masked := xor(p, key, 0)
				for b.Loop() {
					var u UTF8
					if u.CheckMasked(masked, key, 0) >= 0 {
						b.Fatal("bad")
					}
				}
			})
		}
	}
}

func BenchmarkUTF8Standard(b *testing.B) {
	p := bytes.Repeat([]byte("κόσμε και άλλα πολλά "), 2000)
	b.SetBytes(int64(len(p)))
	for b.Loop() {
		if !utf8.Valid(p) {
			b.Fatal("bad")
		}
	}
}
