package pcapfilter

import (
	"os"
	"testing"
)

func TestWriteSamples(t *testing.T) {
	d := os.Getenv("OUT")
	if d == "" {
		t.Skip()
	}
	for _, l := range []uint16{0, 50, 228, 108, 109, 1, 105, 119, 127, 163, 113, 192} {
		s := generated(l, 7, 3000)
		s.write(t, d)
	}
}
