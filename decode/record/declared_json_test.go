package record

import (
	"bytes"
	"math/rand/v2"
	"testing"

	"framescope/decode"
	"framescope/decode/finding"
	"framescope/decode/framing"
)

// What is written by hand for frames of declared framings is what the registry
// says.
func TestDeclaredJSON(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	number := func() int64 { return int64(r.Uint64() >> (1 + r.IntN(63))) }
	texts := []string{"", "payload length", "a \"name\"", "caf\xc3\xa9 \x1b[31m", "\xff\xfe", "0xcafebabe"}
	text := func() string { return texts[r.IntN(len(texts))] }
	payloads := [][]byte{nil, {}, []byte("text"), []byte("caf\xc3\xa9 \x1b[31m"), {0xff, 0xfe, 0}, bytes.Repeat([]byte("long "), 40)}
	for range 20000 {
		d := &Declared{
			Head:    Head{Time: number(), File: "x.pcap", Direction: Direction(r.IntN(3)), First: 1 + number()/2},
			Framing: text(), FrameKind: text(), Off: number(), Size: r.IntN(100), Length: number() - int64(r.IntN(2)), Trailer: r.IntN(3),
			Ended: r.IntN(4) == 0, Payload: payloads[r.IntN(len(payloads))], Text: r.IntN(2) == 0, More: r.IntN(2) == 0, read: true,
		}
		if d.Last = d.First; r.IntN(2) == 0 {
			d.Last = 1 + number()/2
		}
		if d.Captured = d.Length; r.IntN(3) == 0 {
			d.Captured, d.Length = number(), -1
		}
		for range r.IntN(4) {
			f := Named{Field: framing.Field{Field: decode.Field{Name: text(), Value: text(), Off: r.IntN(9), Len: r.IntN(9)},
				Numeric: r.IntN(2) == 0, Number: r.Uint64() >> r.IntN(64), Bad: text()}}
			if r.IntN(2) == 0 {
				f.Bit, f.Bits = r.IntN(8), r.IntN(8)
			}
			d.fields = append(d.fields, f)
		}
		for range r.IntN(3) {
			k := framing.Check{Len: 1 + r.IntN(8), Found: r.Uint64(), Unknown: r.IntN(3) == 0}
			if k.Computed = k.Found; r.IntN(2) == 0 {
				k.Computed = r.Uint64()
			}
			d.Checks = append(d.Checks, k)
		}
		for range r.IntN(3) {
			d.Issues.Add(finding.ID(1 + r.IntN(40)))
		}
		o := Options{Payload: []int{-1, 0, 7, 80}[r.IntN(4)]}
		// The registry writes what belongs to a connection that is not prepared.
		d.Conn = &Conn{ID: 1 + number()/2, File: d.File}
		byRegistry := AppendJSON(nil, d, &Options{Payload: o.Payload})
		d.Conn.Prepare()
		byHand := AppendJSON(nil, d, &o)
		if !bytes.Equal(byHand, byRegistry) {
			t.Fatalf("by hand\n%s\nby the registry\n%s", byHand, byRegistry)
		}
	}
}
