package stream

import "framescope/decode"

// A hold is what a stream needs once it is not in order.
type hold struct {
	list
	current   *chunk // takes the next bytes
	lent      *chunk // holds the bytes that Next returned last,
	lentBytes int    // so many
	waiting   int    // bytes in spans
	mem       int64  // memory taken from the Budget
	filled    int64  // bytes that came after later ones

	cut   int64 // bytes before this offset that are not here were cut off
	cutBy decode.Origin

	clock int64 // the latest time seen
	since int64 // data waits behind the first hole since then

	confirmed int64 // acknowledged up to here
	sent      int64 // known to have been sent up to here
	evidence  decode.Origin
	far       int64 // an offset that one packet claimed, not believed yet

	// Acknowledgements settle in two steps: mark becomes settled, confirmed
	// becomes mark, each time a grace has passed since marked.
	settled, mark, marked int64
	ticks                 int

	conflict Piece // Len is 0 when there is none
	gaps     [8]extent
	nextGap  int
	stats    Stats
}

// An extent is the run of bytes from off to end.
type extent struct{ off, end int64 }

// gone notes a gap that was given up.
func (h *hold) gone(off, end int64) {
	last := &h.gaps[(h.nextGap+len(h.gaps)-1)%len(h.gaps)]
	if last.end == off && last.end > 0 {
		last.end = end
		return
	}
	h.gaps[h.nextGap] = extent{off, end}
	h.nextGap = (h.nextGap + 1) % len(h.gaps)
}

// late returns how many bytes from off to end were given up, as far as is
// known: the oldest gaps are forgotten. Bytes before the stream began are late.
func (h *hold) late(off, end int64) int64 {
	n := max(min(end, 0)-off, 0)
	for _, g := range h.gaps {
		n += max(min(end, g.end)-max(off, g.off), 0)
	}
	return n
}

// repeated looks at n bytes at off that are before a.next, of which data was
// captured.
func (a *Assembler) repeated(off int64, data []byte, n int64, o decode.Origin) {
	h := a.held()
	late := h.late(off, off+n)
	h.stats.Late += late
	h.stats.Retransmitted += n - late
	hi := a.history
	if hi == nil || hi.n == 0 {
		return
	}
	kept := int64(min(hi.n, a.Config.maxHistory()))
	from, to := max(off, hi.end-kept), min(off+int64(len(data)), hi.end)
	for at := from; at < to; {
		earlier, k, packet := hi.from(at, to, a.Budget.Oldest)
		if earlier != nil {
			if where, differ := a.compare(at, earlier, data[at-off:], o); differ && h.conflict.Off == where {
				h.conflict.Earlier = packet
				if hi.buf != nil {
					h.conflict.Earlier = hi.packet(where)
				}
			}
		}
		at += k
	}
}

// compare notes where later bytes at off differ from the earlier ones. It
// returns the offset of the first that does.
func (a *Assembler) compare(off int64, earlier, later []byte, o decode.Origin) (at int64, differ bool) {
	later = later[:len(earlier)]
	if string(earlier) == string(later) {
		return 0, false
	}
	first, last, n := -1, 0, 0
	for i, b := range earlier {
		if b != later[i] {
			if first < 0 {
				first = i
			}
			last = i
			n++
		}
	}
	h := a.hold
	h.stats.Conflicts += int64(n)
	at = off + int64(first)
	if c := &h.conflict; c.Len == 0 {
		*c = Piece{Kind: Conflict, Off: at, Origin: o}
	}
	h.conflict.Len = off + int64(last) + 1 - h.conflict.Off
	a.state |= busy
	return at, true
}

// overlaps compares the input with the spans that hold the same bytes.
func (a *Assembler) overlaps() {
	h, in := a.hold, &a.in
	end := in.off + int64(len(in.data))
	for c := h.find(in.off); ; c = h.after(c) {
		s := h.get(c)
		if s == nil || s.off >= end {
			return
		}
		if s.n == 0 {
			continue
		}
		from, to := max(s.off, in.off), min(s.end(), end)
		earlier, later := s.data()[from-s.off:to-s.off], in.data[from-in.off:to-in.off]
		h.stats.Retransmitted += to - from
		if _, differ := a.compare(from, earlier, later, in.origin); !differ {
			continue
		}
		if h.conflict.Earlier == 0 {
			h.conflict.Earlier = s.packet
		}
		if a.state&careful != 0 {
			copy(earlier, later)
			if from == s.off && to == s.end() {
				s.packet, s.time, s.subflow = in.origin.Packet, in.origin.Time, in.origin.Subflow
			}
		}
	}
}

// store copies the input into spans where there are none yet. It returns false
// when there is no room; what is left then stays in a.in.
func (a *Assembler) store() bool {
	h, in := a.held(), &a.in
	c := h.find(in.off)
	for len(in.data) > 0 {
		n := len(in.data)
		s := h.get(c)
		switch {
		case s != nil && s.off <= in.off:
			if int64(n) > s.end()-in.off {
				c = h.after(c)
			}
			n = int(min(int64(n), s.end()-in.off))
		default:
			if s != nil {
				n = int(min(int64(n), s.off-in.off))
			}
			if n, c = a.add(c, n); n == 0 {
				return false
			}
			if s != nil {
				h.filled += int64(n)
			}
		}
		in.advance(n)
	}
	if in.cut > 0 && !a.storeCut() {
		return false
	}
	a.in = input{}
	a.state &^= pending
	return true
}

// add puts up to n bytes of the input at c and returns how many, and the place
// after them.
func (a *Assembler) add(c cursor, n int) (int, cursor) {
	h, b, in := a.hold, a.Budget, &a.in
	n = min(n, maxChunk)
	c, full := h.seat(c)
	need := int64(0)
	if full {
		need = leafCost
	}
	if h.n >= a.Config.maxPieces() {
		return 0, c
	}
	if u := h.current; u == nil || len(u.buf)-u.used < n {
		// As much as waits already; near a limit what fits.
		k := class(max(n, h.waiting))
		for !a.room(need + chunkCost(k)) {
			if k == class(n) {
				return 0, c
			}
			k = class(n)
		}
		h.current = b.takeChunk(k)
		h.mem += chunkCost(k)
		b.held += chunkCost(k)
	} else if !a.room(need) {
		return 0, c
	}
	u := h.current
	copy(u.buf[u.used:], in.data[:n])
	s := span{
		off: in.off, chunk: u, pos: uint16(u.used), n: uint16(n), start: in.start,
		packet: in.origin.Packet, time: in.origin.Time, subflow: in.origin.Subflow,
	}
	u.used += n
	u.live += n
	h.waiting += n
	return n, h.after(a.put(c, full, s))
}

// storeCut notes that bytes behind the input were cut off.
func (a *Assembler) storeCut() bool {
	h, in := a.hold, &a.in
	end := in.off + in.cut
	c := h.find(in.off)
	s := h.get(c)
	if s == nil || s.off > in.off {
		if s = h.before(c); s != nil && s.end() < in.off {
			s = nil
		}
	}
	switch {
	case s != nil:
		s.cut = max(s.cut, uint32(max(end-s.end(), 0)))
	case in.off == a.next:
		if end > h.cut {
			h.cut, h.cutBy = end, in.origin
		}
	default:
		c, full := h.seat(c)
		need := int64(0)
		if full {
			need = leafCost
		}
		if h.n >= a.Config.maxPieces() || !a.room(need) {
			return false
		}
		a.put(c, full, span{
			off: in.off, cut: uint32(in.cut),
			packet: in.origin.Packet, time: in.origin.Time, subflow: in.origin.Subflow,
		})
	}
	return true
}

func (a *Assembler) room(need int64) bool {
	h := a.hold
	return need == 0 || h.mem+need <= a.Config.maxBytes() && a.Budget.room(h.mem, need)
}

func (a *Assembler) put(c cursor, full bool, s span) cursor {
	var spare *leaf
	if full {
		spare = a.Budget.takeLeaf()
		a.hold.mem += leafCost
		a.Budget.held += leafCost
	}
	return a.hold.insert(c, s, spare)
}

// shift removes the first span, but not its bytes.
func (a *Assembler) shift() {
	h := a.hold
	h.waiting -= int(h.first().n)
	if f := h.shift(); f != nil {
		h.mem -= leafCost
		a.Budget.held -= leafCost
		a.Budget.giveLeaf(f)
	}
	if s := h.first(); s != nil {
		h.since = s.time
	}
}

// settle takes back what the last call of Next lent out.
func (a *Assembler) settle() {
	h := a.hold
	if c := h.lent; c != nil {
		h.lent = nil
		a.drop(c, h.lentBytes)
	}
}

// drop says that n bytes in c are not needed any more.
func (a *Assembler) drop(c *chunk, n int) {
	if c.live -= n; c.live > 0 {
		return
	}
	h := a.hold
	if c == h.current {
		h.current = nil
	}
	h.mem -= chunkCost(c.class)
	a.Budget.held -= chunkCost(c.class)
	a.Budget.giveChunk(c)
}

// disbelieve drops what is far ahead if it came in a single packet, and reports
// whether it did.
func (a *Assembler) disbelieve() bool {
	h := a.hold
	s := h.first()
	if s == nil {
		if a.believe(a.in.off) {
			return false
		}
		a.in = input{}
		a.state &^= pending
		return true
	}
	if h.n > 1 && (s.packet == 0 || s.packet != h.last().packet) || s.off <= h.confirmed ||
		a.state&pending != 0 && a.in.off >= s.off-leap && a.in.off <= s.end()+leap {
		return false
	}
	h.stats.OutOfWindow++
	a.empty()
	return true
}

func (a *Assembler) empty() {
	h := a.hold
	a.settle()
	for h.n > 0 {
		s := *h.first()
		a.shift()
		if s.chunk != nil {
			a.drop(s.chunk, int(s.n))
		}
	}
}
