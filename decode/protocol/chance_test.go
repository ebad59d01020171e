package protocol

import (
	"math/rand/v2"
	"strings"
	"testing"
)

// Bytes that mean nothing have no name: neither random ones, nor those of few
// values, nor runs of text, on whatever port.
func TestChance(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	fill := []func(b []byte){
		func(b []byte) {
			for i := range b {
				b[i] = byte(r.Uint32())
			}
		},
		func(b []byte) { // small numbers, as in the fields of headers
			for i := range b {
				if r.IntN(3) == 0 {
					b[i] = byte(r.IntN(8))
				}
			}
		},
		func(b []byte) {
			for i := range b {
				b[i] = "etaoin shrdlu\r\nETAOIN 0123456789 {}<>:/*+-"[r.IntN(42)]
			}
		},
		func(b []byte) {
			c := byte(r.Uint32())
			for i := range b {
				b[i] = c
			}
		},
	}
	ports := []uint16{53, 123, 161, 443, 500, 514, 1812, 3478, 5060, 5683, 6343, 8125, 9999, 40000}
	found := map[string]int{}
	for i := range 200_000 {
		b := make([]byte, 1+r.IntN(200))
		fill[i%len(fill)](b)
		var s Datagrams
		g := Datagram{Data: b, Wire: len(b), Src: 50000, Dst: 40000}
		s.Add(&g)
		if s.Name() != "" {
			found["udp "+s.Name()]++
		}
		s = Datagrams{}
		g.Dst = ports[i%len(ports)]
		s.Add(&g)
		if s.Name() != "" {
			found["udp on its port "+s.Name()]++
		}
		a := make([]byte, 1+r.IntN(200))
		fill[i%len(fill)](a)
		if name, _ := Identify(Start{a, true}, Start{b, true}, nil); name != "" {
			found["tcp "+name]++
		}
	}
	for what, n := range found {
		t.Logf("%s: %d", what, n)
		// A usual port allows for weaker evidence.
		if limit := map[bool]int{true: 200, false: 2}[strings.Contains(what, "on its port")]; n > limit {
			t.Errorf("%s: %d by chance, of 200000", what, n)
		}
	}
}
