package stream

import (
	"bytes"
	"math/rand/v2"
	"testing"
)

// bases are sequence numbers of offset 0 with something to trip over nearby.
var bases = []uint32{0, 1, 1 << 31, 1<<31 - 700, 1<<32 - 1, 1<<32 - 3000, 12345}

// TestWhole sends random streams in random segments, in any order, twice or
// more, cut differently each time: all bytes come out, once.
func TestWhole(t *testing.T) {
	for seed := range uint64(400) {
		r := rand.New(rand.NewPCG(seed, 1))
		stream := random(r, 1+r.IntN(8000))
		c := cuts(r, len(stream), 1+r.IntN(700))
		for range r.IntN(3) {
			c = append(c, cuts(r, len(stream), 1+r.IntN(700))...)
		}
		r.Shuffle(len(c), func(i, j int) { c[i], c[j] = c[j], c[i] })
		rig := newRig(t, nil)
		isn := bases[seed%uint64(len(bases))] - 1
		rig.seg(isn, SYN, "")
		for _, c := range c {
			rig.give(Segment{Seq: isn + 1 + uint32(c.off), Payload: bytes.Clone(stream[c.off:c.end])})
		}
		if !bytes.Equal(rig.data, stream) || len(rig.gaps) > 0 || len(rig.conflicts) > 0 {
			t.Fatalf("seed %d: %d of %d bytes, gaps %v, conflicts %v", seed, len(rig.data), len(stream), rig.gaps, rig.conflicts)
		}
		s := rig.Stats()
		if s.Delivered != int64(len(stream)) || s.Bytes != s.Delivered+s.Retransmitted+s.KeepAlives || s.Missing+s.Late > 0 {
			t.Fatalf("seed %d: %+v", seed, s)
		}
		rig.idle()
		if t.Failed() {
			t.Fatalf("seed %d", seed)
		}
	}
}

// TestHoles leaves bytes out, and cuts some packets: exactly these are missing,
// whoever gives them up.
func TestHoles(t *testing.T) {
	for seed := range uint64(600) {
		r := rand.New(rand.NewPCG(seed, 2))
		stream := random(r, 2+r.IntN(9000))
		here := make([]bool, len(stream))
		c := cuts(r, len(stream), 1+r.IntN(300))
		kept := c[:0]
		snap := 1 + r.IntN(300)
		cutting := r.IntN(2) == 0
		for _, c := range c {
			if r.IntN(5) == 0 {
				continue
			}
			if cutting {
				c.have = min(c.end, c.off+snap)
			}
			for i := c.off; i < c.have; i++ {
				here[i] = true
			}
			kept = append(kept, c)
		}
		known := 0
		for _, c := range kept {
			known = max(known, c.end)
		}
		if seed%3 != 0 {
			jumble(r, kept, 20)
		}
		rig := newRig(t, nil)
		rig.seg(bases[seed%7]-1, SYN, "")
		for _, c := range kept {
			rig.give(Segment{Seq: bases[seed%7] + uint32(c.off), Payload: bytes.Clone(stream[c.off:c.have]), Wire: c.end - c.off})
		}
		end := known
		if r.IntN(2) == 0 {
			end = len(stream)
			rig.ack(bases[seed%7] + uint32(end))
			if end == known+1 {
				end = known // taken for the FIN
			}
		}
		rig.finish()
		i := 0
		for _, p := range rig.pieces {
			for k := range p.Len {
				if p.Kind == Data && (!here[i] || p.Data[k] != stream[i]) || p.Kind == Gap && i < len(here) && here[i] {
					t.Fatalf("seed %d: offset %d: %+v", seed, i, p)
				}
				i++
			}
		}
		if i != end {
			t.Fatalf("seed %d: stream of %d bytes, want %d", seed, i, end)
		}
		if s := rig.Stats(); s.Delivered != int64(len(rig.data)) || s.Missing != int64(end-len(rig.data)) || s.Late > 0 {
			t.Fatalf("seed %d: %+v", seed, s)
		}
		rig.idle()
	}
}

// TestTiny drives streams with hardly any memory: what comes out is right or a
// gap, and the bounds hold at every step.
func TestTiny(t *testing.T) {
	for seed := range uint64(400) {
		r := rand.New(rand.NewPCG(seed, 3))
		stream := random(r, 1+r.IntN(60000))
		c := cuts(r, len(stream), 1+r.IntN(3000))
		jumble(r, c, 1+r.IntN(40))
		b := &Budget{Max: int64(r.IntN(40000))}
		config := &Config{Limits: Limits{Bytes: 1 + r.IntN(20000), Pieces: 1 + r.IntN(50), History: r.IntN(9000) - 1000}}
		if seed%4 == 0 {
			config.Overlap = Last
		}
		rig := newRig(t, config)
		rig.Budget = b
		rig.seg(99, SYN, "")
		for _, c := range c {
			s := Segment{Seq: 100 + uint32(c.off), Payload: bytes.Clone(stream[c.off:c.end]), Wire: c.end - c.off, Origin: rig.origin()}
			rig.Segment(&s)
			var p Piece
			for rig.TCP.Next(&p) {
				held, n := rig.Held()
				if b.Used() > b.max() || n > config.Limits.Pieces || held > int64(config.Limits.Bytes) || b.held != held || b.free < 0 {
					t.Fatalf("seed %d: budget %+v, %d bytes in %d pieces", seed, *b, held, n)
				}
				rig.one(p)
			}
			clear(s.Payload)
		}
		rig.finish()
		for _, p := range rig.pieces {
			if p.Kind == Data && !bytes.Equal(p.Data, stream[p.Off:p.Off+p.Len]) {
				t.Fatalf("seed %d: wrong bytes at %d", seed, p.Off)
			}
		}
		if len(rig.conflicts) > 0 || rig.off != int64(len(stream)) {
			t.Fatalf("seed %d: conflicts %v, end %d of %d", seed, rig.conflicts, rig.off, len(stream))
		}
		rig.idle()
	}
}

// one takes a single piece.
func (s *sink) one(p Piece) {
	s.t.Helper()
	more := true
	s.drain(func(q *Piece) bool {
		*q = p
		defer func() { more = false }()
		return more
	})
}

// TestConflicts compares with a map of bytes: where a later copy differs and the
// earlier is still known, a Conflict covers it, and the first bytes stay.
func TestConflicts(t *testing.T) {
	for seed := range uint64(400) {
		r := rand.New(rand.NewPCG(seed, 4))
		n := 1 + r.IntN(4000)
		type byteOf struct {
			b    byte
			seen bool
		}
		model := make([]byteOf, n)
		c := cuts(r, n, 1+r.IntN(400))
		c = append(c, cuts(r, n, 1+r.IntN(400))...)
		jumble(r, c, 10)
		rig := newRig(t, nil)
		var differ int64
		for i, c := range c {
			if c.end-c.off == 1 {
				continue // may look like a keep-alive
			}
			data := random(r, c.end-c.off)
			for j := range data {
				if r.IntN(2) == 0 {
					data[j] = model[c.off+j].b
				}
			}
			before := len(rig.conflicts)
			first, last := -1, -1
			for j, b := range data {
				m := &model[c.off+j]
				if m.seen && m.b != b {
					if first < 0 {
						first = c.off + j
					}
					last = c.off + j
					differ++
				}
				if !m.seen {
					*m = byteOf{b, true}
				}
			}
			rig.Insert(int64(c.off), data, int64(len(data)), rig.origin())
			rig.drain(rig.Assembler.Next)
			switch got := rig.conflicts[before:]; {
			case first < 0 && len(got) > 0:
				t.Fatalf("seed %d, segment %d: conflict %+v out of nothing", seed, i, got)
			case first >= 0 && (len(got) != 1 || got[0].Off != int64(first) || got[0].Len != int64(last-first+1) || got[0].Origin.Packet != rig.packet):
				t.Fatalf("seed %d, segment %d: conflicts %+v, want %d to %d", seed, i, got, first, last)
			}
		}
		rig.finish()
		for _, p := range rig.pieces {
			for k, b := range p.Data {
				if m := model[p.Off+int64(k)]; !m.seen || m.b != b {
					t.Fatalf("seed %d: offset %d", seed, p.Off+int64(k))
				}
			}
		}
		if s := rig.Stats(); s.Conflicts != differ {
			t.Fatalf("seed %d: %d bytes conflict, want %d", seed, s.Conflicts, differ)
		}
		rig.idle()
	}
}
