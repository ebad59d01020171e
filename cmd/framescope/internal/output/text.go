package output

// chunk is how large the pieces are that long texts are held in, in bytes.
const chunk = 4 << 10

// A text is what a group holds back. Short ones are one slice; what is longer is
// kept in pieces of one size, which are used again by others: slices that grow
// would need two or three times as much.
type text struct {
	full [][]byte
	last []byte
}

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
func (t *text) add(p *pool, b []byte) int {
	before := cap(t.last)
	if len(t.last)+len(b) > chunk && len(t.last) > 0 {
		t.full = append(t.full, t.last)
		t.last, before = p.get(), 0
	}
	t.last = append(t.last, b...)
	return cap(t.last) - before
}

func (t *text) empty() bool { return len(t.last) == 0 }

// writeTo writes the text out and forgets it. It returns how much memory it
// held.
func (t *text) writeTo(w sink, p *pool) (held int) {
	for _, b := range append(t.full, t.last) {
		w.bytes(b)
		held += cap(b)
		p.put(b)
	}
	*t = text{}
	return held
}
