package stream

import (
	"math/rand/v2"
	"runtime"
	"testing"

	"framescope/decode"
)

// hostile sends one-byte segments, all but the first byte of the stream, in the
// order of offs, and then the first. It returns the memory held before that.
func hostile(t *testing.T, a *Assembler, offs func(yield func(int64) bool)) (held int64, pieces int) {
	t.Helper()
	var p Piece
	b := []byte{0}
	n := int64(0)
	for off := range offs {
		b[0] = byte(off * 7)
		a.Insert(off, b, 1, decode.Origin{Packet: off, Time: n})
		for a.Next(&p) {
			t.Fatalf("%+v before its turn", p)
		}
		n++
	}
	held, pieces = a.Held()
	b[0] = 0
	a.Insert(0, b, 1, decode.Origin{Packet: n})
	for a.Next(&p) {
		if p.Kind == Data && p.Data[0] != byte(p.Off*7) {
			t.Fatalf("wrong byte at %d", p.Off)
		}
	}
	return held, pieces
}

// TestHostileOrder holds a million one-byte segments, or as many as the test may
// take time for: a quadratic assembler does not come to the end. Each must cost
// less than 100 bytes, or the memory that an attacker takes is not worth its
// packets.
func TestHostileOrder(t *testing.T) {
	n := int64(1_000_000)
	if testing.Short() {
		n = 50_000
	}
	orders := map[string]func(yield func(int64) bool){
		"reverse": func(yield func(int64) bool) {
			for off := n; off > 0 && yield(off); off-- {
			}
		},
		"forward": func(yield func(int64) bool) {
			for off := int64(1); off <= n && yield(off); off++ {
			}
		},
		"odd, then even": func(yield func(int64) bool) {
			for _, first := range []int64{1, 2} {
				for off := first; off <= n && yield(off); off += 2 {
				}
			}
		},
		"odd, then even backwards": func(yield func(int64) bool) {
			for off := int64(1); off <= n && yield(off); off += 2 {
			}
			for off := n / 2 * 2; off > 0 && yield(off); off -= 2 {
			}
		},
		"random": func(yield func(int64) bool) {
			for _, off := range rand.New(rand.NewPCG(1, 1)).Perm(int(n)) {
				if !yield(int64(off + 1)) {
					return
				}
			}
		},
	}
	for name, order := range orders {
		t.Run(name, func(t *testing.T) {
			a := Assembler{
				Config: &Config{Limits: Limits{Bytes: 1 << 30, Pieces: 1 << 30}},
				Budget: &Budget{Max: 2 << 30},
			}
			held, pieces := hostile(t, &a, order)
			most := 100 * n
			if name == "reverse" || name == "forward" {
				most = 60 * n
			}
			if int64(pieces) != n || held > most || held < 48*n {
				t.Errorf("%d pieces in %d bytes, %d each", pieces, held, held/n)
			}
			if a.Offset() != n+1 || a.missing > 0 {
				t.Errorf("came to %d of %d, %d missing", a.Offset(), n+1, a.missing)
			}
			if held, _ := a.Held(); held != 0 {
				t.Errorf("%d bytes held at the end", held)
			}
			a.Release()
			if b := a.Budget; b.held != 0 || b.history != 0 || len(a.hold.leaves) > 0 || cap(a.hold.leaves) > 64 {
				t.Errorf("budget %d %d, index of %d", b.held, b.history, cap(a.hold.leaves))
			}
		})
	}
}

// TestSliding keeps a hole open at the front and the stream moving: what it
// holds stays the same for ever.
func TestSliding(t *testing.T) {
	var a Assembler
	var p Piece
	size := 0
	for off := int64(1); off < 801; off += 2 {
		a.Insert(off, []byte{1}, 1, decode.Origin{Packet: 1})
	}
	for i := range int64(300_000) {
		for _, off := range [2]int64{2*i + 801, 2 * i} {
			a.Insert(off, []byte{1}, 1, decode.Origin{Packet: 1})
			for a.Next(&p) {
				if p.Kind != Data {
					t.Fatalf("%+v", p)
				}
			}
		}
		if i > 1000 {
			size = max(size, cap(a.hold.leaves))
		}
	}
	if held, n := a.Held(); n != 400 || held > 60_000 || size > 256 {
		t.Errorf("%d pieces, %d bytes, index of %d", n, held, size)
	}
}

// TestHostileLimits sends what can never be put in order, within the default
// limits: every second byte.
func TestHostileLimits(t *testing.T) {
	var a Assembler
	var p Piece
	var data, gaps int64
	const n = 300_000
	for i := range int64(n) {
		a.Insert(2*i+1, []byte{1}, 1, decode.Origin{Packet: i, Time: i})
		for a.Next(&p) {
			switch {
			case p.Kind == Data:
				data++
			case p.Why == Limited && p.Len == 1:
				gaps++
			default:
				t.Fatalf("%+v", p)
			}
		}
		if held, pieces := a.Held(); held > 4<<20 || pieces > 4096 {
			t.Fatalf("%d pieces, %d bytes", pieces, held)
		}
	}
	if data != n-4096 || gaps != data {
		t.Errorf("%d bytes, %d gaps", data, gaps)
	}
}

// TestBudget shares a Budget among streams that hold as much as they can, and
// checks the bound at every step; one more still finds room to wait for a
// packet.
func TestBudget(t *testing.T) {
	for _, size := range []int{1, 100, 1448, 40000} {
		b := &Budget{Max: 1 << 20}
		r := rand.New(rand.NewPCG(uint64(size), 1))
		streams := make([]Assembler, 60)
		var p Piece
		data := make([]byte, size)
		for i := range 40_000_000 / (size + 1000) {
			a := &streams[r.IntN(len(streams))]
			a.Budget = b
			if i%5 == 0 {
				a.Insert(a.next, data, int64(size), decode.Origin{Packet: 1})
			} else {
				a.Insert(a.top()+1, data, int64(size), decode.Origin{Packet: 1})
			}
			for a.Next(&p) {
				if b.Used() > b.Max {
					t.Fatalf("%d bytes used", b.Used())
				}
			}
			if b.Used() > b.Max {
				t.Fatalf("%d bytes used", b.Used())
			}
			if r.IntN(500) == 0 {
				a.Release()
				*a = Assembler{}
			}
		}
		if b.held < b.Max/2 && size < 40000 {
			t.Errorf("size %d: only %d bytes held", size, b.held)
		}
		late := Assembler{Budget: b}
		late.Insert(500, make([]byte, 500), 500, decode.Origin{Packet: 1})
		late.Insert(0, make([]byte, 500), 500, decode.Origin{Packet: 2})
		for late.Next(&p) {
			if p.Kind != Data {
				t.Errorf("size %d: %+v with %d bytes held by others", size, p, b.held)
			}
		}
		late.Release()
		for i := range streams {
			streams[i].Release()
		}
		if b.held != 0 || b.history != 0 || b.oldest != nil || b.newest != nil || b.free > b.Max {
			t.Errorf("after Release %+v", b)
		}
		var free int64
		for b.drop() {
			free++
		}
		if b.free != 0 || free == 0 {
			t.Errorf("%d bytes free that are not there", b.free)
		}
	}
}

// TestSmall: a stream with one byte out of order takes little, and the byte
// comes with all that is known of it.
func TestSmall(t *testing.T) {
	var a Assembler
	o := decode.Origin{Packet: 7, Time: 8, Subflow: 9}
	a.Insert(1000, []byte{42}, 1, o)
	if held, n := a.Held(); held > 2048 || n != 1 {
		t.Errorf("%d bytes in %d pieces", held, n)
	}
	a.Finish()
	var p Piece
	for a.Next(&p) {
	}
	if p.Kind != Data || p.Data[0] != 42 || p.Origin != o {
		t.Errorf("%+v", p)
	}
}

// TestFair: however much others hold, a stream finds its share.
func TestFair(t *testing.T) {
	b := &Budget{Max: 1 << 20}
	var p Piece
	data := make([]byte, 1000)
	for n := range 6 {
		a := Assembler{Budget: b}
		for i := range int64(2000) {
			a.Insert(1+i*1001, data, 1000, decode.Origin{Packet: i})
			for a.Next(&p) {
			}
		}
		if held, _ := a.Held(); held < b.Max>>(n+1)*3/4 {
			t.Errorf("stream %d holds %d bytes, %d in all", n, held, b.held)
		}
	}
}

// TestHistoryBudget: histories have a quarter of the Budget and give way to
// data that waits.
func TestHistoryBudget(t *testing.T) {
	b := &Budget{Max: 256 << 10}
	streams := make([]Assembler, 200)
	var p Piece
	data := make([]byte, 700)
	for range 30 {
		for i := range streams {
			a := &streams[i]
			a.Budget = b
			a.Insert(a.next, data, 700, decode.Origin{Packet: 1})
			for a.Next(&p) {
			}
			if b.history > b.Max/4 || b.Used() > b.Max {
				t.Fatalf("%d bytes of history, %d in all", b.history, b.Used())
			}
		}
	}
	if b.history < b.Max/8 {
		t.Errorf("only %d bytes of history", b.history)
	}
	for i := range streams {
		a := &streams[i]
		for k := range int64(4) {
			a.Insert(a.next+1+k*700, data, 700, decode.Origin{Packet: 2})
			for a.Next(&p) {
			}
		}
		if b.Used() > b.Max {
			t.Fatalf("%d in all", b.Used())
		}
	}
	if b.held < b.Max*9/10 || b.history > b.Max/10 {
		t.Errorf("%d bytes wait, %d are history", b.held, b.history)
	}
}

// TestHonest compares what a Budget counts with what the runtime says.
func TestHonest(t *testing.T) {
	heap := func() int64 {
		var m runtime.MemStats
		runtime.GC()
		runtime.ReadMemStats(&m)
		return int64(m.HeapAlloc)
	}
	for _, size := range []int64{1, 60, 1448} {
		before := heap()
		b := &Budget{Max: 1 << 30}
		c := &Config{Limits: Limits{Bytes: 1 << 30, Pieces: 1 << 30}}
		streams := make([]Assembler, 10)
		data := make([]byte, size)
		var p Piece
		for i := range int64(100_000) {
			a := &streams[i%10]
			a.Config, a.Budget = c, b
			a.Insert(1+(1_000_000-i)*(size+1), data, size, decode.Origin{Packet: i})
			for a.Next(&p) {
			}
		}
		if got, used := heap()-before, b.Used(); got > used+used/10+100_000 || got < used/2 {
			t.Errorf("size %d: heap grew by %d, the budget counts %d", size, got, used)
		}
		runtime.KeepAlive(streams)
	}
}

// TestLate forgets which gaps were given up before it forgets to be right.
func TestLate(t *testing.T) {
	r := newRig(t, &Config{Limits: Limits{Bytes: 1}})
	r.seg(999, SYN, "")
	for i := range uint32(20) {
		r.seg(1010+20*i, 0, "0123456789")
	}
	for i := range uint32(20) {
		r.seg(1000+20*i, 0, "late......")
	}
	r.give(Segment{Seq: 1400, Wire: 5})
	r.give(Segment{Seq: 1405, Wire: 5}) // a gap right behind the other
	r.seg(1402, 0, "late.")
	s := r.Stats()
	if s.Late != 85 || s.Missing != 210 || s.Retransmitted != 120 || s.Delivered != 200 {
		t.Errorf("%+v", s)
	}
}

// TestUndrained calls Insert again without Next: nothing is handed out wrong.
func TestUndrained(t *testing.T) {
	r := newRig(t, nil)
	a := &r.Assembler
	buf := []byte("aaaa")
	a.Insert(0, buf, 4, r.origin())
	a.Insert(4, []byte("bb"), 4, r.origin())
	copy(buf, "xxxx")
	a.Insert(8, []byte("cccc"), 4, r.origin())
	a.Insert(0, []byte("aaaa"), 4, r.origin())
	a.Confirm(12, r.origin())
	r.drain(a.Next)
	r.check("aaaabb[2 cut]cccc", Stats{})
	if len(r.conflicts) > 0 {
		t.Error(r.conflicts)
	}
	b := Assembler{}
	b.Insert(0, []byte("a"), 1, r.origin())
	b.Release()
	if b.Next(new(Piece)) {
		t.Error("a piece after Release")
	}
}

func TestAllocs(t *testing.T) {
	c := TCP{}
	var p Piece
	payload := make([]byte, 1000)
	s := Segment{Payload: payload, Wire: 1000}
	give := func(seq uint32, wire int) {
		s.Seq, s.Wire = seq, wire
		c.Segment(&s)
		for c.Next(&p) {
		}
	}
	seq := uint32(0)
	for name, f := range map[string]func(){
		"in order":      func() { give(seq, 1000); seq += 1000 },
		"swapped":       func() { give(seq+1000, 1000); give(seq, 1000); seq += 2000 },
		"retransmitted": func() { give(seq, 1000); give(seq, 1000); seq += 1000 },
		"cut":           func() { give(seq, 1400); seq += 1400 },
		"acknowledged":  func() { give(seq, 1000); c.Acked(seq+1000, s.Origin); seq += 1000 },
		"finished":      func() { c.Finish(); c.Next(&p); give(seq, 1000); seq += 1000; c.state &^= finished },
		"lost":          func() { give(seq+100, 1000); c.Acked(seq+1100, s.Origin); seq += 1100 },
	} {
		for range 1000 {
			f()
		}
		if n := testing.AllocsPerRun(1000, f); n > 0 {
			t.Errorf("%s: %v allocations", name, n)
		}
	}
	// A connection in order, from its SYN to the end, takes nothing but its
	// history.
	budget := new(Budget)
	life := func() {
		c := TCP{Assembler: Assembler{Budget: budget}}
		s.Flags, s.Seq, s.Payload, s.Wire = SYN, 99, nil, 0
		c.Segment(&s)
		s.Flags, s.Seq, s.Payload, s.Wire = ACK, 100, payload, 1000
		c.Segment(&s)
		for c.Next(&p) {
		}
		s.Flags, s.Seq, s.Payload, s.Wire = FIN, 1100, nil, 0
		c.Segment(&s)
		c.Acked(1101, s.Origin)
		c.Finish()
		for c.Next(&p) {
		}
		if c.hold != nil || !c.Ended() {
			t.Fatal("not in order")
		}
		c.Release()
	}
	life()
	if n := testing.AllocsPerRun(100, life); n > 2 {
		t.Errorf("%v allocations in the life of a connection", n)
	}
}
