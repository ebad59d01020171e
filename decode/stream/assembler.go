package stream

import "framescope/decode"

// An Assembler puts the bytes of one stream in order. Offsets are in bytes from
// 0 and do not wrap.
//
// After every call of another method, call Next until it returns false: only
// then may the memory behind Insert's data be used again.
//
// The zero Assembler is ready for use. It must not be copied once it is used.
type Assembler struct {
	// Config is how the stream is put together; nil means the defaults.
	Config *Config
	// Budget bounds this stream together with others; nil means a Budget of
	// its own. Both are set before the first call and not changed.
	Budget *Budget

	next           int64 // offset of the first byte not handed out
	missing        int64
	packets, bytes int64
	in             input
	history        *history
	hold           *hold
	state          state
}

// An input is what is left of the data of the last Insert.
type input struct {
	off    int64
	data   []byte
	cut    int64 // bytes behind data that were cut off
	origin decode.Origin
	start  bool
	lasts  bool // data may be referred to for as long as the stream lives
}

func (in *input) advance(n int) {
	in.off += int64(n)
	in.data = in.data[n:]
	in.start = in.start && n == 0
}

type state uint8

const (
	open     state = 1 << iota // set with the first call
	pending                    // in holds data
	busy                       // hold needs the attention of Next
	finished                   // Finish was called
	careful                    // Config.Overlap is Last
	plain                      // no history
)

// Insert takes the bytes at off that a packet brought. wire is their number on
// the wire: where it is larger than len(data) the rest was cut from the capture
// and is a gap, unless another packet has brought those bytes before their turn.
// Insert neither changes nor keeps data, but see Assembler.
func (a *Assembler) Insert(off int64, data []byte, wire int64, o decode.Origin) {
	wire = max(wire, int64(len(data)))
	a.packets++
	a.bytes += wire
	a.in.lasts = false
	a.insert(off, data, wire, o)
}

func (a *Assembler) insert(off int64, data []byte, wire int64, o decode.Origin) {
	if a.state&^plain == open && off == a.next && wire == int64(len(data)) && wire > 0 {
		a.in.off = off
		a.in.data = data
		a.in.origin = o
		a.in.start = true
		a.state |= pending
		return
	}
	a.insertSlow(off, data, wire, o)
}

func (a *Assembler) insertSlow(off int64, data []byte, wire int64, o decode.Origin) {
	a.begin()
	if wire == 0 {
		return
	}
	if known := a.known(); off < a.next-reach || off > known+reach {
		a.held().stats.OutOfWindow++
		return
	}
	if wire > leap {
		// No packet is that long: a forged length must not become a giant gap.
		a.held().stats.OutOfWindow++
		if wire = int64(len(data)); wire == 0 {
			return
		}
	}
	start := true
	if off < a.next {
		n := min(wire, a.next-off)
		a.repeated(off, data[:min(n, int64(len(data)))], n, o)
		if n == wire {
			a.tick(o.Time)
			return
		}
		off += n
		wire -= n
		data = data[min(n, int64(len(data))):]
		start = false
	}
	a.in = input{off: off, data: data, cut: wire - int64(len(data)), origin: o, start: start, lasts: a.in.lasts}
	a.state |= pending
	if off > a.next || a.in.cut > 0 || a.state&(busy|careful|finished) != 0 {
		h := a.held()
		a.state |= busy
		if h.n == 0 {
			h.since = o.Time
		}
		a.overlaps()
		filled := h.filled
		switch {
		case off != a.next || a.state&careful != 0:
			a.store()
		case h.n > 0:
			h.filled += int64(len(data))
		}
		if h.filled > filled {
			h.stats.OutOfOrder++
		}
		a.tick(o.Time)
	}
}

// begin does what the first call has to do, and what the last one left to be
// done.
func (a *Assembler) begin() {
	if a.state == 0 {
		a.state = open
		if a.Config != nil && a.Config.Overlap == Last {
			a.state |= careful
		}
		if a.Config.maxHistory() < 0 {
			a.state |= plain
		}
		if a.Budget == nil {
			a.Budget = new(Budget)
		}
	}
	if a.hold != nil {
		a.settle()
	}
	if a.state&pending != 0 {
		// Next was not called to the end. What finds no room now is lost, and
		// will be reported as a gap.
		a.state |= busy
		a.store()
		a.in = input{}
		a.state &^= pending
	}
}

// held returns what the stream needs once it is not in order.
func (a *Assembler) held() *hold {
	if a.hold == nil {
		a.hold = new(hold)
	}
	return a.hold
}

// top returns the end of the furthest byte that was captured, or cut.
func (a *Assembler) top() int64 {
	if h := a.hold; h != nil {
		if s := h.last(); s != nil {
			return max(a.next, s.end()+int64(s.cut))
		}
		return max(a.next, h.cut)
	}
	return a.next
}

// known returns the furthest offset that is known to be part of the stream.
func (a *Assembler) known() int64 {
	if h := a.hold; h != nil {
		return max(a.top(), h.confirmed, h.sent)
	}
	return a.next
}

// Confirm says that the peer has acknowledged all bytes before off, in the
// packet o.
func (a *Assembler) Confirm(off int64, o decode.Origin) {
	if off > a.next {
		a.confirm(off, o)
	}
}

func (a *Assembler) confirm(off int64, o decode.Origin) {
	a.begin()
	h := a.held()
	if off > h.confirmed && a.believe(off) {
		h.confirmed = off
		h.evidence = o
		if h.mark <= max(a.next, h.settled) {
			h.mark, h.marked, h.ticks = off, max(h.clock, o.Time), 0
		}
	}
	a.state |= busy
	a.tick(o.Time)
}

// Sent says that the stream reaches at least to off: the packet o shows that
// bytes up to there were sent. What is missing of them when the stream ends is
// a gap.
func (a *Assembler) Sent(off int64, o decode.Origin) {
	if off <= a.next {
		return
	}
	a.begin()
	h := a.held()
	if off > h.sent && a.believe(off) {
		h.sent = off
		if off > h.confirmed {
			h.evidence = o
		}
	}
}

// believe reports whether the stream can reach to off.
func (a *Assembler) believe(off int64) bool {
	h := a.held()
	known := a.known()
	switch {
	case off <= known+leap:
		return true
	case off > known+reach:
	case h.far > 0 && off >= h.far-leap && off <= h.far+leap:
		return true
	default:
		h.far = off
	}
	h.stats.OutOfWindow++
	return false
}

// Expire tells the stream what time it is, in nanoseconds since 1970 UTC, so
// that holes are given up without another packet.
func (a *Assembler) Expire(now int64) {
	if h := a.hold; h != nil {
		a.begin()
		h.clock = max(h.clock, now)
		a.state |= busy
	}
}

// Finish ends the stream: all that is missing is given up, in order, up to the
// furthest byte that is known to have been sent or acknowledged.
func (a *Assembler) Finish() {
	a.begin()
	a.state |= finished
	if a.hold != nil {
		a.state |= busy
	}
}

// Release gives the memory of the stream back to the Budget. The stream must
// not be used any more, but for Stats, Offset and Release.
func (a *Assembler) Release() {
	if a.Budget == nil {
		return
	}
	if h := a.history; h != nil {
		a.Budget.endHistory(h)
		a.history = nil
	}
	if a.hold != nil {
		a.empty()
	}
	a.in = input{}
	a.state &^= pending
}

// Offset returns the offset of the first byte that was not handed out yet,
// neither as data nor as a gap.
func (a *Assembler) Offset() int64 { return a.next }

// Held returns how much memory the stream holds for data that came before its
// turn, in bytes, and for how many pieces.
func (a *Assembler) Held() (bytes int64, pieces int) {
	if a.hold == nil {
		return 0, 0
	}
	return a.hold.mem, a.hold.n
}

// Stats returns the counts so far.
func (a *Assembler) Stats() Stats {
	var s Stats
	if a.hold != nil {
		s = a.hold.stats
	}
	s.Packets, s.Bytes = a.packets, a.bytes
	s.Delivered = a.next - a.missing - s.Urgent
	s.Missing += a.missing
	return s
}
