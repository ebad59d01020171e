package frame

import (
	"iter"

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
	// Limit is how many bytes are kept at most; zero means 64 KiB, and less
	// than 256 means 256. Fewer are kept when packets are very small: those of
	// Limit/64 packets. All memory together is less than three times Limit, and
	// 16 KiB.
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
	flags   [256]uint8
	ready   bool // flags are set
	hdr     H
	one     tip[H]
	landed  []*tip[H]
	ends    []tip[H]
}

// A piece is bytes that came with one packet.
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
	minLimit     = 256
	pieceSize    = 64

	mayBegin  = 1 // what Finder.flags says of a byte
	printable = 2
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
	if !f.ready {
		f.ready = true
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
	if f.Limit != 0 {
		limit = max(f.Limit, minLimit)
	}
	f.demand = f.Judge.Demand()
	for len(b) > 0 && f.state == Searching {
		n := min(len(b), limit/4)
		if len(f.buf)+n > limit {
			f.drop(len(f.buf) + n - limit + limit/4)
		}
		f.grow(n, start, o, limit/pieceSize)
		f.buf = append(f.buf, b[:n]...)
		f.end += int64(n)
		b = b[n:]
		start = false
		f.scan(false)
	}
}

// grow makes the next n bytes a piece, or a part of the last one.
func (f *Finder[H, J]) grow(n int, start bool, o decode.Origin, most int) {
	if k := len(f.pieces); k > 0 && !start {
		if p := &f.pieces[k-1]; p.origin == o && p.off+int64(p.n) == f.end {
			p.n += n
			return
		}
	}
	if len(f.pieces) >= most {
		m := 0
		for _, p := range f.pieces[:most/4] {
			m += p.n
		}
		f.drop(m)
	}
	f.pieces = append(f.pieces, piece{f.end, n, start, o})
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
	if f.pos < f.base {
		f.pos = f.base
		f.tips.miss(f.pos)
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
	if end {
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
