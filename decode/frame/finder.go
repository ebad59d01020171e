package frame

import (
	"iter"
	"math"

	"framescope/decode"
)

// A Finder finds the next frame boundary in a stream whose place was lost, or
// whose beginning was not captured.
//
// The bytes behind the loss are added as they come; Find says whether they are
// convincing yet. The Finder follows all chains of headers that the bytes
// allow, where each header says where the next one must be, and adds up for
// each what speaks for it and against it, in bits. A chain is believed when it
// can neither be chance nor a repeating pattern, when no other chain that
// contradicts it is nearly as good, and when it does not lie inside the payload
// of another frame. The boundary is the first header of the chain that stands
// even if the true frames began behind it.
//
// A Finder does a bounded amount of work for each byte and keeps at most Limit
// bytes of the stream; what comes before these is given up. The zero Finder
// with a Judge is ready at stream offset 0.
type Finder[H any, J Judge[H]] struct {
	// Judge knows the headers. Only what its Demand says may change between
	// two Resets.
	Judge J
	// Limit is how many bytes are kept at most; zero means 64 KiB.
	Limit int

	buf    []byte
	pieces []piece
	base   int64 // stream offset of what is kept
	end    int64 // stream offset of the next byte
	given  int64 // bytes that were added and given up
	found  int64
	state  Verdict

	run     int64 // where the last gap ended
	pos     int64 // the next place to look for a header
	piece   int   // the piece that it is in
	starts  int64 // packets that have begun before it
	traits  Traits
	classes [64]uint32
	tips    tips[H]
	demand  Demand
	flags   *[256]uint8
	hdr     H
	one     tip[H]
	landed  []*tip[H]
	ends    []tip[H]
}

// A piece is bytes that came with one call of Add.
type piece struct {
	off    int64
	n      int
	start  bool
	origin decode.Origin
}

// A Verdict is what a Finder thinks of the bytes so far.
type Verdict uint8

const (
	// Searching: not convinced; more bytes may help.
	Searching Verdict = iota
	// Found: a boundary was found.
	Found
	// Hopeless: no boundary will be found in what was added, and more bytes do
	// not help.
	Hopeless
)

const (
	defaultLimit = 64 << 10
	mayBegin     = 1 // flags of Finder.flags
	printable    = 2
)

// Reset forgets everything: the next byte is at stream offset off. Memory is
// kept for the next search.
func (f *Finder[H, J]) Reset(off int64) {
	g := Finder[H, J]{Judge: f.Judge, Limit: f.Limit, base: off, end: off, run: off, pos: off}
	g.buf, g.pieces, g.tips, g.landed, g.ends = f.buf[:0], f.pieces[:0], f.tips, f.landed, f.ends
	g.tips.reset()
	*f = g
}

// Release gives the memory up. The Finder is then as after Reset(0).
func (f *Finder[H, J]) Release() { *f = Finder[H, J]{Judge: f.Judge, Limit: f.Limit} }

// Add adds the next bytes of the stream, which came with o. start says that
// they are the first of a packet's payload: senders often begin a packet with a
// frame. b is not kept. After Found or Hopeless nothing is added.
func (f *Finder[H, J]) Add(b []byte, start bool, o decode.Origin) {
	if f.flags == nil {
		f.flags = new([256]uint8)
		for i := range f.flags {
			if f.Judge.First(byte(i)) {
				f.flags[i] |= mayBegin
			}
			if i >= 0x20 && i < 0x7f || i == '\n' || i == '\r' || i == '\t' {
				f.flags[i] |= printable
			}
		}
	}
	limit := defaultLimit
	if f.Limit > 0 {
		limit = f.Limit
	}
	f.demand = f.Judge.Demand()
	for len(b) > 0 && f.state == Searching {
		n := min(len(b), max(limit/4, 1))
		if len(f.buf)+n > limit {
			f.drop(len(f.buf) + n - limit + limit/4)
		}
		f.pieces = append(f.pieces, piece{f.end, n, start, o})
		f.buf = append(f.buf, b[:n]...)
		f.end += int64(n)
		b = b[n:]
		start = false
		f.scan(false)
	}
}

// Gap says that the next n bytes of the stream are missing.
func (f *Finder[H, J]) Gap(n int64) {
	if n <= 0 || f.state != Searching {
		return
	}
	f.scan(true)
	f.end += n
	f.run, f.pos = f.end, f.end
	// No header is looked for in the gap, but a payload may go over it.
	f.tips.miss(f.end)
}

// drop gives up the oldest n bytes.
func (f *Finder[H, J]) drop(n int) {
	n = min(n, len(f.buf))
	f.buf = f.buf[:copy(f.buf, f.buf[n:])]
	f.given += int64(n)
	k := 0
	for n > 0 {
		p := &f.pieces[k]
		if p.n > n {
			p.off += int64(n)
			p.n -= n
			p.start = false
			break
		}
		n -= p.n
		k++
	}
	f.pieces = f.pieces[:copy(f.pieces, f.pieces[k:])]
	f.piece = max(f.piece-k, 0)
	f.base = f.end
	if len(f.pieces) > 0 {
		f.base = f.pieces[0].off
	}
}

// from returns the kept bytes from stream offset off to the end, or nil if some
// of these were given up or are missing.
func (f *Finder[H, J]) from(off int64) []byte {
	if off < f.run || off < f.base || off > f.end {
		return nil
	}
	return f.buf[len(f.buf)-int(f.end-off):]
}

// Find says what the bytes so far come to. end says that no more will come.
// After Found and Hopeless the answer stays until Reset.
func (f *Finder[H, J]) Find(end bool) Verdict {
	if f.state != Searching {
		return f.state
	}
	f.demand = f.Judge.Demand()
	if end && f.flags != nil {
		f.scan(true)
	}
	off, ok := f.decide(end)
	switch {
	case ok:
		f.found, f.state = off, Found
	case end || f.hopeless():
		f.state = Hopeless
	}
	return f.state
}

// Offset returns where the boundary is, after Found.
func (f *Finder[H, J]) Offset() int64 { return f.found }

// Skipped returns how many of the bytes that were added lie before the
// boundary, or all of them as long as none was found.
func (f *Finder[H, J]) Skipped() int64 {
	n := f.given
	for i := range f.pieces {
		p := &f.pieces[i]
		if f.state == Found && p.off+int64(p.n) > f.found {
			return n + max(f.found-p.off, 0)
		}
		n += int64(p.n)
	}
	return n
}

// A Piece is a part of the stream that a Finder has kept: bytes, or a gap.
type Piece struct {
	// Data aliases the Finder's memory: it is valid until the next call of Add,
	// Reset or Release.
	Data []byte
	// Off is the stream offset of Data, or of the gap.
	Off int64
	// Start and Origin are as they were added. Start is not set where the
	// beginning of what was added is not in Data.
	Start  bool
	Origin decode.Origin
	// Lost is the length of the gap; then there is no Data.
	Lost int64
}

// Kept returns the stream from the boundary on, after Found, and otherwise all
// that is kept.
func (f *Finder[H, J]) Kept() iter.Seq[Piece] {
	return func(yield func(Piece) bool) {
		from := f.base
		if f.state == Found {
			from = f.found
		}
		at, next := 0, from
		for _, p := range f.pieces {
			data := f.buf[at : at+p.n : at+p.n]
			at += p.n
			if p.off+int64(p.n) <= from {
				continue
			}
			if p.off < from {
				data = data[from-p.off:]
				p.off, p.start = from, false
			}
			if p.off > next && !yield(Piece{Off: next, Lost: p.off - next}) {
				return
			}
			next = p.off + int64(len(data))
			if !yield(Piece{Data: data, Off: p.off, Start: p.start, Origin: p.origin}) {
				return
			}
		}
		if next < f.end {
			yield(Piece{Off: next, Lost: f.end - next})
		}
	}
}

// scan looks for headers from f.pos on, as far as the bytes go. Behind them the
// last headers may be incomplete: those are left for later, unless these are
// the last bytes.
func (f *Finder[H, J]) scan(last bool) {
	b := f.from(f.pos)
	for i := 0; i < len(b); {
		for f.piece < len(f.pieces)-1 && f.pieces[f.piece+1].off <= f.pos {
			f.piece++
		}
		p := &f.pieces[f.piece]
		m := min(i+int(p.off+int64(p.n)-f.pos), len(b))
		next := f.tips.next()
		for ; i < m; i++ {
			flags := f.flags[b[i]]
			start := p.start && f.pos == p.off
			if flags&mayBegin != 0 || f.pos == next {
				if !f.header(b[i:], start, last) {
					return
				}
				next = f.tips.next()
			}
			if start {
				f.starts++
			}
			f.traits.Bytes++
			f.traits.Printable += int64(flags / printable)
			f.pos++
		}
	}
}

// header looks at f.pos, where b begins. It returns false if b ends inside a
// header and is not the last.
func (f *Finder[H, J]) header(b []byte, start, last bool) bool {
	h := &f.hdr
	ok := false
	var size int
	var payload int64
	if f.flags[b[0]]&mayBegin != 0 {
		var err error
		size, payload, err = f.Judge.Header(b, h)
		if err == ErrShort && !last {
			return false
		}
		ok = err == nil && size > 0 && payload >= 0 && payload < never/2
	}
	f.landed = f.landed[:0]
	for f.tips.next() == f.pos {
		f.landed = append(f.landed, f.tips.at(0))
		f.tips.remove(0)
	}
	if !ok {
		return true
	}
	state, w, fresh := f.Judge.Follow(0, h)
	if !fresh && len(f.landed) == 0 {
		return true
	}
	alone := f.begins(start)
	own := 0.0
	var t *tip[H]
	if len(f.landed) > 0 {
		t = f.join(start)
	}
	if t == nil || t.bits < alone {
		if !fresh || f.shadowed(size) {
			return true
		}
		own = f.weigh(&w, 0)
		t = &f.one
		*t = tip[H]{head: f.pos, sure: f.pos, packet: never, bits: alone, pattern: alone}
	} else {
		state, w, _ = f.Judge.Follow(t.state, h)
		own = f.weigh(&w, t.n)
		d := &f.demand
		if t.bits-alone < d.Head || t.pattern-alone < d.HeadPattern || w.Telling && t.telling == 0 && !f.placed(t, false) {
			t.sure = f.pos
		}
	}
	f.classes[w.Class&63]++
	t.last, t.size, t.next = f.pos, int32(size), f.pos+int64(size)+payload
	t.state, t.hdr = state, *h
	t.own, t.reach = own, w.Reach
	if w.Real == 0 {
		t.reach = 0
	}
	t.bits += own
	t.n++
	t.starts = f.starts
	if t.packet < t.sure {
		t.packet = never
	}
	if start {
		t.starts++
		t.packet = min(t.packet, f.pos)
		if alone > bitsRarely+3 {
			t.aligned++
		}
	}
	if w.Hidden {
		t.hidden++
	}
	if w.Hidden || w.Telling {
		t.telling++
	}
	f.tips.add(t)
	return true
}

// join completes the chains that lead to f.pos and returns the one to go on
// with, or nil if the header there suits none.
func (f *Finder[H, J]) join(start bool) *tip[H] {
	d := &f.demand
	var t *tip[H]
	for _, l := range f.landed {
		if _, _, ok := f.Judge.Follow(l.state, &f.hdr); !ok {
			l.bits = math.Inf(-1)
			continue
		}
		f.complete(l, start)
		if t == nil || l.bits > t.bits {
			t = l
		}
	}
	if t == nil {
		return nil
	}
	for _, l := range f.landed {
		// What is inside the payload of a frame that is believed is content,
		// however good it looks.
		if t.inside(l) && f.convinces(l) {
			t = l
		}
	}
	for _, l := range f.landed {
		switch {
		case l == t || math.IsInf(l.bits, -1):
		case l.inside(t):
			// The frames before may be content, too, of one whose header was
			// lost. Where a frame and its content end together is a boundary.
			if (l.fills(t) || l.bits > d.Head) && !f.placed(t, false) {
				t.sure = f.pos
			}
		case t.inside(l), t.bits-l.bits < d.Lead:
			t.sure = f.pos
		}
	}
	return t
}

// shadowed reports whether f.pos lies in a header that ends where the one at
// f.pos would. Then the payload speaks for both, and the first is meant.
func (f *Finder[H, J]) shadowed(size int) bool {
	for i := range f.tips.heap {
		if t := f.tips.at(i); t.last+int64(t.size) == f.pos+int64(size) {
			return true
		}
	}
	return false
}

// decide returns the boundary if the Finder is convinced of it.
func (f *Finder[H, J]) decide(end bool) (int64, bool) {
	d := &f.demand
	f.ends = f.ends[:0]
	var best *tip[H]
	for i := range f.tips.heap {
		f.ends = append(f.ends, *f.tips.at(i))
		t := &f.ends[i]
		if t.next == f.end && (t.n > 1 || end && t.aligned > 0) {
			// The frame ends with the bytes, as it does when senders begin
			// packets with frames.
			f.complete(t, true)
		}
	}
	for i := range f.ends {
		if t := &f.ends[i]; f.convinces(t) && (best == nil || t.bits > best.bits) {
			best = t
		}
	}
	if best == nil {
		return 0, false
	}
	for i := range f.ends {
		if t := &f.ends[i]; best.inside(t) && f.convinces(t) {
			best = t
		}
	}
	off := best.sure
	span := d.Span
	if best.telling == 0 {
		span = d.PlainSpan
	}
	if best.hidden < best.n && f.end-best.head < span {
		// What is in front of the first packet may be the end of another frame
		// and its content.
		if off = best.packet; off == never || !f.placed(best, end) {
			return 0, false
		}
	}
	if off < f.base {
		off = best.last
	}
	for i := range f.ends {
		t := &f.ends[i]
		switch {
		case t == best:
		case t.inside(best):
			if (t.fills(best) || t.bits > d.Head) && !f.placed(best, false) {
				off = best.last
			}
		case best.inside(t) && best.fills(t), best.bits-t.bits < d.Lead:
			return 0, false
		}
	}
	return off, off >= f.base
}

// convinces reports whether t can be neither chance nor a repeating pattern.
func (f *Finder[H, J]) convinces(t *tip[H]) bool {
	d := &f.demand
	bits := d.Bits
	if t.aligned == t.n && t.head == f.run {
		bits = d.First
	}
	if d.Telling > 0 && (t.telling < d.Telling || 2*t.telling < t.n) {
		return false
	}
	return t.bits >= bits && t.pattern >= d.Pattern && t.aligned >= d.Aligned
}

// placed reports whether the frames of t can hardly be the content of another:
// they begin packets more often than parts of a payload would by chance, or
// would not be seen there. end says that no more frames will tell.
func (f *Finder[H, J]) placed(t *tip[H], end bool) bool {
	if t.hidden == t.n {
		return true
	}
	if 4*f.starts > f.traits.Bytes {
		return false // every other place begins a packet
	}
	return t.aligned >= 3 && 2*t.aligned >= t.n || end && t.aligned == t.n && t.head == f.run
}

// hopeless reports whether a stream shows no sign of frames.
func (f *Finder[H, J]) hopeless() bool {
	d := &f.demand
	if d.GiveUp == 0 || f.traits.Bytes < d.GiveUp {
		return false
	}
	for i := range f.tips.heap {
		if f.tips.at(i).bits > d.Bits/2 && f.traits.Bytes < 4*d.GiveUp {
			return false
		}
	}
	return true
}
