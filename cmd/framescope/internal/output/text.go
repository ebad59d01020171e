package output

import (
	"cmp"
	"slices"
)

// chunk is how large the pieces are that long texts are held in, in bytes.
const chunk = 4 << 10

// A text is what a group holds back. Short ones are one slice; what is longer is
// kept in pieces of one size, which are used again by others: slices that grow
// would need two or three times as much.
type text struct {
	full  [][]byte
	last  []byte
	marks []mark
	late  bool // a row belongs before the one in front of it
}

// A mark is where a part of a text ends. Rows of a list may change places;
// between them stands what may not.
type mark struct {
	end    int32 // in the piece that holds it
	piece  int32
	packet int64 // that brought the row, 0 for what is no row
}

const markSize = 16

// pool keeps pieces that are not used now.
type pool struct{ free [][]byte }

func (p *pool) get() []byte {
	if n := len(p.free); n > 0 {
		b := p.free[n-1]
		p.free = p.free[:n-1]
		return b
	}
	return make([]byte, 0, chunk)
}

func (p *pool) put(b []byte) {
	if cap(b) == chunk && len(p.free) < 1024 {
		p.free = append(p.free, b[:0])
	}
}

// add appends b and returns by how much the memory that is held grew.
func (t *text) add(p *pool, b []byte, packet int64) int {
	before := cap(t.last)
	if len(t.last)+len(b) > chunk && len(t.last) > 0 {
		t.full = append(t.full, t.last)
		t.last, before = p.get(), 0
	}
	t.last = append(t.last, b...)
	if n := len(t.marks); n > 0 && packet > 0 && t.marks[n-1].packet > packet {
		t.late = true
	}
	t.marks = append(t.marks, mark{int32(len(t.last)), int32(len(t.full)), packet})
	return cap(t.last) - before + markSize
}

func (t *text) empty() bool { return len(t.last) == 0 }

// writeTo writes the text out and forgets it. It returns how much memory it
// held.
func (t *text) writeTo(w sink, p *pool) (held int) {
	pieces := append(t.full, t.last)
	if t.late {
		t.sorted(w, pieces)
	}
	for _, b := range pieces {
		if !t.late {
			w.bytes(b)
		}
		held += cap(b)
		p.put(b)
	}
	held += markSize * len(t.marks)
	*t = text{}
	return held
}

// sorted writes the text out with the rows of each list in the order of their
// packets: what comes behind a gap is known later than its place.
func (t *text) sorted(w sink, pieces [][]byte) {
	type row struct {
		packet int64
		text   []byte
	}
	var list []row
	flush := func() {
		slices.SortStableFunc(list, func(a, b row) int { return cmp.Compare(a.packet, b.packet) })
		for _, r := range list {
			w.bytes(r.text)
		}
		list = list[:0]
	}
	var from, piece int32
	for _, m := range t.marks {
		if m.piece != piece {
			from, piece = 0, m.piece
		}
		b := pieces[piece][from:m.end]
		from = m.end
		if m.packet == 0 {
			flush()
			w.bytes(b)
			continue
		}
		list = append(list, row{m.packet, b})
	}
	flush()
}
