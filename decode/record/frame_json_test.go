package record

import (
	"bytes"
	"math/rand/v2"
	"testing"

	"framescope/decode/finding"
	"framescope/decode/websocket"
)

// What is written by hand for frames is what the registry says.
func TestFrameJSON(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	number := func() int64 { return int64(r.Uint64() >> (1 + r.IntN(63))) }
	payloads := [][]byte{nil, {}, []byte("text"), []byte("caf\xc3\xa9 \x1b[31m"), {0xff, 0xfe, 0}, bytes.Repeat([]byte("long "), 40)}
	for range 20000 {
		f := &Frame{
			Head: Head{Time: number(), File: "x.pcap", Direction: Direction(r.IntN(3)), First: 1 + number()/2},
			Header: websocket.Header{
				Length: number(), Masked: r.IntN(2) == 0, Fin: r.IntN(2) == 0,
				RSV: uint8(r.IntN(8)), Opcode: websocket.Opcode(r.IntN(16)),
			},
			Off: number(), Payload: payloads[r.IntN(len(payloads))], Text: r.IntN(2) == 0, More: r.IntN(2) == 0,
			RTT: number() * int64(1-2*r.IntN(2)), Ended: r.IntN(4) == 0,
		}
		if f.Last = f.First; r.IntN(2) == 0 {
			f.Last = 1 + number()/2
		}
		if r.IntN(4) == 0 {
			f.Time = f.Time / 1000 * 1000
		}
		f.Captured = f.Header.Length
		if f.Header.Masked {
			f.Header.Mask = [4]byte{byte(r.Uint32()), byte(r.Uint32()), byte(r.Uint32()), byte(r.Uint32())}
		}
		if r.IntN(3) == 0 {
			f.Captured, f.Inflated, f.Subflow = number(), number(), int32(r.IntN(4))
		}
		for range r.IntN(3) {
			f.Issues.Add(finding.ID(1 + r.IntN(40)))
		}
		o := Options{Payload: []int{-1, 0, 7, 80}[r.IntN(4)]}
		// The registry writes what belongs to a connection that is not prepared.
		f.Conn = &Conn{ID: 1 + number()/2, File: f.File}
		byRegistry := AppendJSON(nil, f, &Options{Payload: o.Payload})
		f.Conn.Prepare()
		byHand := AppendJSON(nil, f, &o)
		if !bytes.Equal(byHand, byRegistry) {
			t.Fatalf("by hand\n%s\nby the registry\n%s", byHand, byRegistry)
		}
	}
}
