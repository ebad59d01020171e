package websocket

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"testing"
)

// xor is the definition of masking (RFC 6455 section 5.3).
func xor(src []byte, key [4]byte, pos int64) []byte {
	dst := make([]byte, len(src))
	for i, c := range src {
		dst[i] = c ^ key[(pos+int64(i))%4]
	}
	return dst
}

func TestUnmask(t *testing.T) {
	rnd := rand.New(rand.NewPCG(1, 2))
	key := [4]byte{0x37, 0xfa, 0x21, 0x3d}
	for n := range 300 {
		for pos := range int64(5) {
			src := make([]byte, n)
			for i := range src {
				src[i] = byte(rnd.Uint32())
			}
			want, in := xor(src, key, pos), bytes.Clone(src)
			dst := make([]byte, n+3)
			Unmask(dst, src, key, pos)
			if !bytes.Equal(dst[:n], want) {
				t.Fatalf("length %d, pos %d: wrong bytes", n, pos)
			}
			if !bytes.Equal(src, in) || dst[n] != 0 {
				t.Fatalf("length %d, pos %d: wrote outside of dst", n, pos)
			}
			Unmask(src, src, key, pos)
			if !bytes.Equal(src, want) {
				t.Fatalf("length %d, pos %d: in place: wrong bytes", n, pos)
			}
		}
	}
}

func BenchmarkUnmask(b *testing.B) {
	for _, n := range []int{16, 128, 1 << 10, 64 << 10} {
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			src, dst := make([]byte, n), make([]byte, n)
			b.SetBytes(int64(n))
			b.ReportAllocs()
			for i := 0; b.Loop(); i++ {
				Unmask(dst, src, [4]byte{1, 2, 3, 4}, int64(i))
			}
		})
	}
}
