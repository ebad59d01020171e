package stream

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"

	"framescope/decode"
)

// A sink takes the pieces of a stream and checks what holds for every stream:
// they follow each other without a hole and without overlap.
type sink struct {
	t         testing.TB
	off       int64
	data      []byte // all bytes handed out, without gaps and urgent ones
	text      strings.Builder
	gaps      []Piece
	conflicts []Piece
	pieces    []Piece // Data is a copy
}

func (s *sink) drain(next func(*Piece) bool) {
	s.t.Helper()
	p := Piece{Kind: 9, Why: 9, Earlier: 99} // what was there before must not show
	for n := 0; next(&p); n++ {
		if n > 10_000_000 {
			s.t.Fatal("Next does not end")
		}
		if p.Kind == Conflict {
			if p.Len <= 0 || p.Data != nil || p.Why != NoCause || p.Origin.Packet == 0 {
				s.t.Fatalf("conflict %+v", p)
			}
			s.conflicts = append(s.conflicts, p)
			fmt.Fprintf(&s.text, "<%d+%d>", p.Off, p.Len)
			continue
		}
		if p.Off != s.off || p.Len <= 0 {
			s.t.Fatalf("piece at %d of %d bytes, want it at %d", p.Off, p.Len, s.off)
		}
		s.off += p.Len
		switch p.Kind {
		case Data, Urgent:
			if int64(len(p.Data)) != p.Len || p.Why != NoCause || p.Earlier != 0 || p.Origin.Packet == 0 {
				s.t.Fatalf("data %+v", p)
			}
			q := p
			q.Data = bytes.Clone(p.Data)
			s.pieces = append(s.pieces, q)
			if p.Kind == Urgent {
				fmt.Fprintf(&s.text, "{%s}", p.Data)
				continue
			}
			s.data = append(s.data, p.Data...)
			s.text.Write(p.Data)
		case Gap:
			if p.Data != nil || p.Why == NoCause || p.Start {
				s.t.Fatalf("gap %+v", p)
			}
			s.gaps = append(s.gaps, p)
			s.pieces = append(s.pieces, p)
			fmt.Fprintf(&s.text, "[%d %s]", p.Len, cause(p.Why))
		default:
			s.t.Fatalf("kind %d", p.Kind)
		}
	}
}

func cause(c Cause) string {
	return [...]string{"none", "acked", "limit", "end", "cut", "time"}[c]
}

// A rig drives one direction with segments, packet by packet.
type rig struct {
	TCP
	sink
	packet int64
	now    int64
}

func newRig(t testing.TB, c *Config) *rig {
	r := &rig{sink: sink{t: t}, now: 1e18}
	r.Config = c
	return r
}

func (r *rig) origin() decode.Origin {
	r.packet++
	r.now += 1e6
	return decode.Origin{Packet: r.packet, Time: r.now}
}

func (r *rig) seg(seq uint32, f Flags, payload string) {
	r.t.Helper()
	r.give(Segment{Seq: seq, Flags: f, Payload: []byte(payload)})
}

func (r *rig) give(s Segment) {
	r.t.Helper()
	s.Origin = r.origin()
	s.Wire = max(s.Wire, len(s.Payload))
	r.Segment(&s)
	r.drain(r.Next)
	if !s.Lasts {
		clear(s.Payload) // it was only lent
	}
}

func (r *rig) ack(n uint32) {
	r.t.Helper()
	r.Acked(n, r.origin())
	r.drain(r.Next)
}

func (r *rig) finish() {
	r.t.Helper()
	r.Finish()
	r.drain(r.Next)
}

// check compares what came out, and what is left behind.
func (r *rig) check(want string, s Stats) {
	r.t.Helper()
	if got := r.text.String(); got != want {
		r.t.Errorf("got  %q\nwant %q", got, want)
	}
	if got := r.Stats(); s != (Stats{}) && got != s {
		r.t.Errorf("stats\n got %+v\nwant %+v", got, s)
	}
	r.idle()
}

// idle checks that nothing is held when nothing waits, and that all memory
// comes back.
func (r *rig) idle() {
	r.t.Helper()
	if bytes, n := r.Held(); n == 0 && bytes != 0 {
		r.t.Errorf("%d bytes held for nothing", bytes)
	}
	r.Release()
	r.Release()
	if b := r.Budget; b != nil && (b.held != 0 || b.history != 0) {
		r.t.Errorf("after Release %d bytes held, %d of history", b.held, b.history)
	}
}

func random(r *rand.Rand, n int) []byte {
	b := make([]byte, n)
	for i := range b {
		b[i] = byte(r.Uint32())
	}
	return b
}

// A cut is a segment of a stream, from off to end; data is captured up to have.
type cut struct{ off, have, end int }

// cuts returns segments that cover n bytes in order, of 1 to most bytes.
func cuts(r *rand.Rand, n, most int) (out []cut) {
	for off := 0; off < n; {
		end := min(n, off+1+r.IntN(most))
		out = append(out, cut{off, end, end})
		off = end
	}
	return out
}

// jumble moves segments by at most window places.
func jumble(r *rand.Rand, c []cut, window int) {
	for i := range c {
		j := min(len(c)-1, i+r.IntN(window+1))
		c[i], c[j] = c[j], c[i]
	}
}
