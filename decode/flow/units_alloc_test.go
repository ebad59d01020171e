package flow

import (
	"bytes"
	"testing"

	"framescope/decode"
	"framescope/decode/framing"
	"framescope/decode/record"
)

// units returns a function that hands on a hundred frames with a checksum.
func hundred(t testing.TB) (run func(), size int) {
	f, err := framing.Builtin("magic-length-crc32", framing.Options{})
	if err != nil {
		t.Fatal(err)
	}
	b := bytes.Repeat([]byte("\xca\xfe\xba\xbe\x00\x00\x00\x0bhello world\x0d\x4a\x11\x85"), 100)
	s := newShard(&Config{Want: record.Of(record.TypeDeclared), Preview: 80, MaxMessage: 1 << 20}, 64<<20)
	s.halt = new(halt)
	c := &conn{id: 1, framing: f}
	h := &c.half[0]
	h.mode = modeUnits
	var frames int64
	return func() {
		s.data(c, 0, b, true, decode.Origin{Packet: 1, Time: 1})
		h.off += int64(len(b))
		if frames += 100; h.units.frames != frames || h.units.undecoded != 0 {
			t.Fatalf("%d frames, want %d", h.units.frames, frames)
		}
	}, len(b)
}

// Frames of a declared framing cost no memory, unless somebody asks for their
// fields.
func TestUnitsAllocateNothing(t *testing.T) {
	run, _ := hundred(t)
	if n := testing.AllocsPerRun(100, run); n != 0 {
		t.Errorf("%v allocations for a hundred frames", n)
	}
}

func BenchmarkUnits(b *testing.B) {
	run, size := hundred(b)
	b.SetBytes(int64(size))
	b.ReportAllocs()
	for b.Loop() {
		run()
	}
}
