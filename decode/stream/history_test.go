package stream

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"testing"
)

// TestQuotes: a history that quotes notices what one that copies notices, also
// where only some of the segments last.
func TestQuotes(t *testing.T) {
	noticed := 0
	for seed := range uint64(300) {
		var want string
		for _, how := range []string{"copied", "quoted", "mixed"} {
			r := rand.New(rand.NewPCG(seed, 4))
			mix := rand.New(rand.NewPCG(seed, 5))
			stream := random(r, 1+r.IntN(30000))
			rig := newRig(t, &Config{Limits: Limits{History: 4096}})
			give := func(off, end int, spoil bool) {
				s := Segment{Seq: bases[seed%7] + uint32(off), Payload: bytes.Clone(stream[off:end])}
				s.Lasts = how == "quoted" || how == "mixed" && mix.IntN(50) > 0
				if spoil {
					s.Payload[r.IntN(len(s.Payload))] ^= 1
				}
				rig.give(s)
			}
			rig.seg(bases[seed%7]-1, SYN, "")
			c := cuts(r, len(stream), 1500)
			if seed%3 == 0 {
				jumble(r, c, 3)
			}
			for _, c := range c {
				// 32 quotes of 130 bytes or more are what 4096 bytes need.
				for off := c.off; off < c.end; off += 150 {
					end := min(off+150, c.end)
					if end < c.end && c.end-end < 130 {
						end = c.end
					}
					give(off, end, false)
					if end == c.end {
						break
					}
				}
				if r.IntN(4) == 0 {
					off := max(int(rig.off)-r.IntN(6000), 0)
					if end := min(off+1+r.IntN(1400), int(rig.off)); end > off {
						give(off, end, true)
					}
				}
			}
			rig.finish()
			if !bytes.Equal(rig.data, stream) {
				t.Fatalf("seed %d, %s: wrong bytes", seed, how)
			}
			got := ""
			for _, c := range rig.conflicts {
				got += fmt.Sprintf("%d+%d by %d\n", c.Off, c.Len, c.Origin.Packet)
			}
			if noticed += len(rig.conflicts); how == "copied" {
				want = got
			} else if got != want {
				t.Fatalf("seed %d, %s: got\n%swant\n%s", seed, how, got, want)
			}
			rig.idle()
		}
	}
	if noticed < 1000 {
		t.Errorf("only %d conflicts", noticed)
	}
}

// TestQuotesOldest: what a Budget calls too old is not looked at, and does not
// hide what is newer.
func TestQuotesOldest(t *testing.T) {
	r := newRig(t, nil)
	r.Budget = new(Budget)
	give := func(seq uint32, text string) {
		r.give(Segment{Seq: seq, Payload: []byte(text), Lasts: true})
	}
	r.seg(99, SYN, "")  // packet 1
	give(100, "abcd")   // 2
	give(104, "efgh")   // 3
	give(108, "ijkl")   // 4
	r.Budget.Oldest = 3 // not packet 2
	give(102, "QQQQQQ") // 5: packet 2 has two of its bytes, 3 has four
	give(100, "QQQQ")   // 6: only packet 2
	give(107, "hQ")     // 7
	r.check("abcdefghijkl<4+4><8+1>", Stats{})
	for i, earlier := range []int64{3, 4} {
		if c := r.conflicts[i]; c.Earlier != earlier {
			t.Errorf("%+v, want packet %d", c, earlier)
		}
	}
}

// TestQuotesAlloc: quoting costs no allocation once the marks are there.
func TestQuotesAlloc(t *testing.T) {
	var c TCP
	s := Segment{Payload: make([]byte, 400), Wire: 400, Lasts: true}
	var p Piece
	step := func() {
		c.Segment(&s)
		for c.Next(&p) {
		}
		s.Seq += 400
	}
	for range 100 {
		step()
	}
	if n := testing.AllocsPerRun(1000, step); n != 0 {
		t.Errorf("%v allocations", n)
	}
}
