package frame_test

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"testing"

	"framescope/decode"
	"framescope/decode/frame"
)

// noteFormat is a framing for these tests: a5, a type of 1 to 5, a length of
// two bytes; the payload is lower-case text or, of type 5, anything.
type noteFormat struct{}

type noteHeader struct {
	Type   byte
	Length int
}

func (noteFormat) MaxHeader() int { return 4 }

func (noteFormat) Header(b []byte, h *noteHeader) (int, int64, error) {
	if len(b) < 4 {
		return 0, 0, frame.ErrShort
	}
	*h = noteHeader{b[1], int(binary.BigEndian.Uint16(b[2:]))}
	return 4, int64(h.Length), nil
}

type noteJudge struct {
	noteFormat
	giveUp, span int64
}

func (noteJudge) First(b byte) bool { return b == 0xa5 }

func (noteJudge) Follow(s frame.State, h *noteHeader) (frame.State, frame.Weight, bool) {
	return 1, frame.Weight{Real: 0.25, Chance: 1.0 / (256 * 256), Reach: 1 << 16, Class: h.Type & 3, Telling: true}, h.Type >= 1 && h.Type <= 5
}

func (noteJudge) Payload(_ frame.State, h *noteHeader, b []byte, t *frame.Traits) (bits, pattern float64) {
	if int64(len(b)) != int64(h.Length) {
		panic("that is not the payload")
	}
	if h.Type == 5 {
		return 0, 0
	}
	for _, c := range b {
		if c < 'a' || c > 'z' {
			return -30, -30
		}
	}
	return min(float64(len(b)), 20), min(float64(len(b)), 10)
}

func (j noteJudge) Demand() frame.Demand {
	return frame.Demand{Bits: 30, First: 20, Pattern: 12, Head: 14, HeadPattern: 10, HeadFirst: 14, Lead: 14, Span: j.span, GiveUp: j.giveUp}
}

type noteFinder = frame.Finder[noteHeader, noteJudge]

func note(b []byte, kind byte, n int) []byte {
	b = binary.BigEndian.AppendUint16(append(b, 0xa5, kind), uint16(n))
	for i := range n {
		b = append(b, 'a'+byte(i*7+n)%26)
	}
	return b
}

// notes returns n frames, and where they begin.
func notes(rnd *rand.Rand, n int) (b []byte, at []int64) {
	for range n {
		at = append(at, int64(len(b)))
		b = note(b, byte(1+rnd.IntN(4)), rnd.IntN(200))
	}
	return b, at
}

func TestFinder(t *testing.T) {
	rnd := rand.New(rand.NewPCG(1, 2))
	b, at := notes(rnd, 50)
	for from := range at[20] {
		var f noteFinder
		f.Reset(1000 + from)
		v := frame.Searching
		for i := from; v == frame.Searching && i < int64(len(b)); i += 100 {
			f.Add(b[i:min(i+100, int64(len(b)))], false, decode.Origin{Packet: i})
			v = f.Find(false)
		}
		if v != frame.Found || f.Find(true) != frame.Found {
			t.Fatalf("from %d: verdict %d", from, v)
		}
		k := 0
		for at[k] != f.Offset()-1000 {
			if k++; k == len(at) {
				t.Fatalf("from %d: found %d", from, f.Offset()-1000)
			}
		}
		if at[k] < from || k > 1 && at[k-2] > from {
			t.Fatalf("from %d: found frame %d at %d", from, k, at[k])
		}
		if f.Skipped() != at[k]-from {
			t.Fatalf("from %d: %d skipped before %d", from, f.Skipped(), at[k])
		}
		// What was kept is what was added, with where it came from.
		next := at[k]
		for p := range f.Kept() {
			if p.Off != 1000+next || p.Lost != 0 || !bytes.HasPrefix(b[next:], p.Data) || p.Origin.Packet > next || p.Origin.Packet+100 <= next {
				t.Fatalf("from %d: kept %+v, want %d", from, p, next)
			}
			next += int64(len(p.Data))
		}
		if next < at[k]+1 {
			t.Fatalf("from %d: nothing is kept", from)
		}
		f.Add([]byte("more"), true, decode.Origin{})
		if f.Offset() != 1000+at[k] {
			t.Fatal("Add changed what was found")
		}
	}
}

// TestFinderGap loses bytes again while the boundary is searched for.
func TestFinderGap(t *testing.T) {
	rnd := rand.New(rand.NewPCG(3, 4))
	b, at := notes(rnd, 40)
	for gap := range int64(300) {
		const from, size = 55, 30
		var f noteFinder
		f.Reset(from)
		f.Add(b[from:from+gap], true, decode.Origin{Packet: 1})
		f.Gap(size)
		f.Gap(0)
		f.Add(b[from+gap+size:], true, decode.Origin{Packet: 2})
		if f.Find(true) != frame.Found {
			t.Fatalf("gap at %d: not found", gap)
		}
		ok := false
		for _, a := range at {
			ok = ok || a == f.Offset()
		}
		if !ok {
			t.Fatalf("gap at %d: found %d", gap, f.Offset())
		}
		next, lost := f.Offset(), int64(0)
		for p := range f.Kept() {
			if p.Off != next {
				t.Fatalf("gap at %d: kept %+v, want %d", gap, p, next)
			}
			if p.Lost > 0 {
				if p.Off != max(from+gap, f.Offset()) {
					t.Fatalf("gap at %d: kept a gap at %d", gap, p.Off)
				}
				lost += p.Lost
			}
			next += int64(len(p.Data)) + p.Lost
		}
		if next != int64(len(b)) {
			t.Fatalf("gap at %d: kept up to %d of %d", gap, next, len(b))
		}
		if f.Skipped()+size-lost != f.Offset()-from {
			t.Fatalf("gap at %d: %d skipped, %d lost, found %d", gap, f.Skipped(), lost, f.Offset())
		}
	}
}

// TestFinderPayloadOverGap has a chain whose frame lies over a gap.
func TestFinderPayloadOverGap(t *testing.T) {
	b := []byte("xyz")
	first := int64(len(b))
	b = note(b, 1, 100)
	b = note(b, 2, 50)
	over := len(b)
	b = note(b, 3, 1000)
	for i := range 5 {
		b = note(b, 1, 60+i)
	}
	var f noteFinder
	f.Add(b[:over+50], false, decode.Origin{})
	f.Gap(500)
	f.Add(b[over+550:], false, decode.Origin{})
	if f.Find(true) != frame.Found || f.Offset() != first {
		t.Fatal(f.Find(true), f.Offset(), first)
	}
}

func TestFinderNothing(t *testing.T) {
	rnd := rand.New(rand.NewPCG(5, 6))
	for name, next := range map[string]func() byte{
		"random": func() byte { return byte(rnd.Uint32()) },
		"zeros":  func() byte { return 0 },
		"a5":     func() byte { return 0xa5 },
		"a5, 1":  func() byte { return []byte{0xa5, 1}[rnd.IntN(2)] },
		"text":   func() byte { return 'a' },
	} {
		for _, giveUp := range []int64{0, 10000} {
			f := noteFinder{Judge: noteJudge{giveUp: giveUp}, Limit: 4096}
			total := int64(0)
			v := frame.Searching
			for range 100 {
				b := make([]byte, 1+rnd.IntN(3000))
				for i := range b {
					b[i] = next()
				}
				if f.Find(false) == frame.Searching {
					total += int64(len(b))
				}
				f.Add(b, true, decode.Origin{})
				v = f.Find(false)
				kept := 0
				for p := range f.Kept() {
					kept += len(p.Data)
				}
				if kept > f.Limit {
					t.Fatalf("%s: %d bytes are kept", name, kept)
				}
			}
			if v == frame.Found || giveUp > 0 && v != frame.Hopeless || f.Find(true) != frame.Hopeless {
				t.Errorf("%s: verdict %d, at the end %d", name, v, f.Find(true))
			}
			if f.Skipped() != total {
				t.Errorf("%s: %d of %d skipped", name, f.Skipped(), total)
			}
			f.Reset(7)
			if f.Find(false) != frame.Searching || f.Skipped() != 0 {
				t.Errorf("%s: Reset does not forget", name)
			}
		}
	}
	var f noteFinder
	if f.Find(false) != frame.Searching || f.Find(true) != frame.Hopeless {
		t.Error("without bytes")
	}
}

// TestFinderNested has frames inside the payload of frames: the outer ones are
// meant.
func TestFinderNested(t *testing.T) {
	rnd := rand.New(rand.NewPCG(7, 8))
	var b []byte
	var at []int64
	for range 60 {
		at = append(at, int64(len(b)))
		in, _ := notes(rnd, rnd.IntN(6))
		b = binary.BigEndian.AppendUint16(append(b, 0xa5, 5), uint16(len(in)))
		b = append(b, in...)
	}
	found := 0
	for from := range at[50] {
		f := noteFinder{Judge: noteJudge{span: 2000}}
		f.Reset(from)
		f.Add(b[from:], false, decode.Origin{})
		if f.Find(true) != frame.Found {
			continue
		}
		found++
		ok := false
		for _, a := range at {
			ok = ok || a == f.Offset()
		}
		if !ok {
			t.Errorf("from %d: found %d", from, f.Offset())
		}
	}
	if found < int(at[50])/2 {
		t.Errorf("found %d times of %d", found, at[50])
	}
}

// TestFinderPieces adds a byte at a time: what is kept is bounded by pieces, too.
func TestFinderPieces(t *testing.T) {
	f := noteFinder{Limit: 1024}
	for i := range 10000 {
		f.Add([]byte{0xa5}, true, decode.Origin{Packet: int64(i)})
		n := 0
		next := int64(0)
		for p := range f.Kept() {
			if n > 0 && p.Off != next || p.Origin.Packet != p.Off || p.Lost != 0 {
				t.Fatalf("kept %+v", p)
			}
			next = p.Off + 1
			n++
		}
		if n > 1024/64 || n == 0 || next != int64(i+1) {
			t.Fatalf("%d pieces are kept, up to %d", n, next)
		}
	}
	if f.Find(false) != frame.Searching || f.Skipped() != 10000 {
		t.Error(f.Find(false), f.Skipped())
	}
	g := noteFinder{Limit: 1024}
	for i := range 1000 {
		g.Add([]byte{0xa5, 0}, true, decode.Origin{})
		g.Gap(1 << 20)
		kept := 0
		for p := range g.Kept() {
			kept += len(p.Data)
		}
		if min(i+1, 12) > kept/2 {
			t.Fatalf("%d bytes are kept of %d pieces", kept, i+1)
		}
	}
	b := note(nil, 1, 30)
	b = note(b, 2, 40)
	b = note(b, 3, 20)
	f.Add(b, true, decode.Origin{})
	if f.Find(true) != frame.Found || f.Offset() != 10000 || f.Skipped() != 10000 {
		t.Error(f.Find(true), f.Offset(), f.Skipped())
	}
	// A limit that is shorter than a header.
	for limit := range 12 {
		f := noteFinder{Limit: limit}
		f.Reset(0)
		f.Add(append(bytes.Repeat([]byte{'x'}, 1000), b...), false, decode.Origin{})
		if f.Find(true) != frame.Found || f.Offset() != 1000 {
			t.Error(limit, f.Find(true), f.Offset())
		}
	}
}

func TestFinderAllocs(t *testing.T) {
	b, _ := notes(rand.New(rand.NewPCG(9, 10)), 500)
	for i := range b {
		if i%50 < 10 {
			b[i] ^= 0x40 // nothing to find
		}
	}
	var f noteFinder
	f.Limit = 8 << 10
	step := func() {
		f.Reset(0)
		for i := 0; i < len(b); i += 1000 {
			f.Add(b[i:min(i+1000, len(b))], true, decode.Origin{})
			if f.Find(false) == frame.Found {
				t.Fatal("found ", f.Offset())
			}
		}
	}
	step()
	if n := testing.AllocsPerRun(10, step); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

// FuzzFinder: the boundary does not depend on where the bytes of a packet were
// cut, and what is kept is what was added.
func FuzzFinder(f *testing.F) {
	rnd := rand.New(rand.NewPCG(11, 12))
	b, _ := notes(rnd, 20)
	f.Add(b[30:], []byte{1, 100, 3}, uint16(300), uint16(20))
	f.Add(b[:500], []byte{200}, uint16(0), uint16(0))
	f.Add(bytes.Repeat([]byte{0xa5, 1, 0, 2}, 100), []byte{7}, uint16(9), uint16(0))
	f.Fuzz(func(t *testing.T, b, cuts []byte, gapAt, gap uint16) {
		b = b[:min(len(b), 60000)]
		at := min(int(gapAt), len(b))
		find := func(cuts []byte) string {
			var f noteFinder
			f.Reset(5)
			add := func(b []byte, o decode.Origin) {
				start := true
				for i := 0; len(b) > 0; i++ {
					n := len(b)
					if len(cuts) > 0 {
						n = min(n, 1+int(cuts[i%len(cuts)]))
					}
					f.Add(b[:n], start, o)
					b = b[n:]
					start = false
				}
			}
			add(b[:at], decode.Origin{Packet: 1})
			f.Gap(int64(gap))
			add(b[at:], decode.Origin{Packet: 2})
			v := f.Find(true)
			kept := 0
			for p := range f.Kept() {
				kept += len(p.Data)
			}
			if int64(kept)+f.Skipped() != int64(len(b)) && v == frame.Found {
				t.Fatalf("%d kept and %d skipped of %d", kept, f.Skipped(), len(b))
			}
			return fmt.Sprint(v, f.Offset(), f.Skipped())
		}
		if whole, cut := find(nil), find(cuts); whole != cut {
			t.Errorf("whole: %s, cut by %d: %s", whole, cuts, cut)
		}
	})
}
