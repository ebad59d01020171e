package stream

import "math/bits"

// A history holds the last bytes that a stream handed out, back to the last
// gap. It copies them into a ring, where the byte at offset n is
// buf[n&(len(buf)-1)]; or, as long as all of them last, it quotes them: then
// each mark holds its bytes.
type history struct {
	buf   []byte // nil while it quotes
	chunk *chunk
	end   int64 // offset after the last byte
	n     int   // bytes
	fixed bool  // may not grow
	marks []mark
	next  int64 // mark, modulo len(marks); nil marks are those of a dead history

	older, newer *history // in the Budget
}

// A mark says which packet brought the bytes before end.
type mark struct {
	end, packet int64
	data        []byte // the bytes themselves, if they are quoted
}

const (
	historyHead = 256
	markCost    = 40
	minMarks    = 8 // of a ring always, of quotes at first
	maxMarks    = 32
)

// remember puts bytes that are handed out, and end at a.next, into the history.
func (a *Assembler) remember(data []byte, packet int64, lasts bool) {
	h := a.history
	if h == nil || h.marks == nil {
		h = a.Budget.newHistory(len(data), a.Config.maxHistory(), lasts)
		if a.history = h; h == nil {
			return
		}
		h.end = a.next - int64(len(data))
	}
	if h.buf == nil {
		if lasts {
			a.quote(h, data, packet)
			return
		}
		if h = a.Budget.copyQuotes(h, len(data), a.Config.maxHistory()); h == nil {
			a.history = nil
			return
		}
		a.history = h
	}
	if h.n+len(data) > len(h.buf) && !h.fixed {
		a.Budget.growHistory(h, len(data), a.Config.maxHistory())
	}
	h.put(data, packet)
}

// put copies bytes behind the others.
func (h *history) put(data []byte, packet int64) {
	h.end += int64(len(data))
	m := &h.marks[h.next&int64(len(h.marks)-1)]
	m.end, m.packet = h.end, packet
	h.next++
	n := min(len(data), len(h.buf))
	h.n = min(h.n+n, len(h.buf))
	data = data[len(data)-n:]
	k := copy(h.buf[int(h.end-int64(n))&(len(h.buf)-1):], data)
	copy(h.buf, data[k:])
}

// quote refers to bytes behind the others.
func (a *Assembler) quote(h *history, data []byte, packet int64) {
	if h.next >= int64(len(h.marks)) {
		if !h.fixed && h.n < a.Config.maxHistory() {
			a.Budget.growMarks(h)
		}
		if h.next >= int64(len(h.marks)) {
			h.n -= len(h.marks[h.next&int64(len(h.marks)-1)].data)
		}
	}
	m := &h.marks[h.next&int64(len(h.marks)-1)]
	h.next++
	h.n += len(data)
	h.end += int64(len(data))
	m.end, m.packet, m.data = h.end, packet, data
}

// gapTo forgets what was handed out before a gap that ends at off.
func (h *history) gapTo(off int64) {
	h.n, h.end, h.next = 0, off, 0
}

// from returns bytes from off on, at most up to end, and the packet that brought
// them, zero when that is not known any more. Both offsets must be in the
// history. The bytes are nil where they should not be looked at any more: then
// n says how many these are.
func (h *history) from(off, end, oldest int64) (data []byte, n, packet int64) {
	if h.buf == nil {
		for i := h.first(); i < h.next; i++ {
			m := &h.marks[i&int64(len(h.marks)-1)]
			if m.end <= off {
				continue
			}
			n = min(m.end, end) - off
			if m.packet < oldest {
				return nil, n, m.packet
			}
			at := int64(len(m.data)) - (m.end - off)
			return m.data[at : at+n], n, m.packet
		}
		return nil, end - off, 0
	}
	data = h.buf[off&int64(len(h.buf)-1):]
	data = data[:min(int64(len(data)), end-off)]
	return data, int64(len(data)), h.packet(off)
}

// first returns the oldest mark.
func (h *history) first() int64 { return max(h.next-int64(len(h.marks)), 0) }

// packet returns the packet that brought the byte at off, or zero.
func (h *history) packet(off int64) int64 {
	first := h.first()
	for i := first; i < h.next; i++ {
		if m := &h.marks[i&int64(len(h.marks)-1)]; m.end > off {
			// Where marks were overwritten, the oldest that is left does not
			// say where its bytes begin.
			if i > 0 && i == first && h.next > int64(len(h.marks)) {
				break
			}
			return m.packet
		}
	}
	return 0
}

// newHistory returns a history for data of n bytes, which quotes if they last, or
// nil when there is no room for one.
func (b *Budget) newHistory(n, limit int, quotes bool) *history {
	c := min(class(n), historyClass(limit))
	cost := int64(historyHead + minMarks*markCost)
	if !quotes {
		cost += chunkCost(c)
	}
	if cost > b.max()/4 {
		return nil
	}
	for b.history+cost > b.max()/4 && b.forget() {
	}
	for b.held+b.history+cost > b.max() {
		if !b.forget() {
			return nil
		}
	}
	b.reclaim(cost)
	h := &history{marks: make([]mark, minMarks)}
	if !quotes {
		h.chunk = b.takeChunk(c)
		h.buf = h.chunk.buf
	}
	b.history += cost
	if h.older = b.newest; h.older != nil {
		h.older.newer = h
	} else {
		b.oldest = h
	}
	b.newest = h
	return h
}

// cost returns what h counts in the Budget.
func (h *history) cost() int64 {
	cost := int64(historyHead + len(h.marks)*markCost)
	if h.chunk != nil {
		cost += chunkCost(h.chunk.class)
	}
	return cost
}

// growMarks makes room in h for more quotes, as far as the Budget allows.
func (b *Budget) growMarks(h *history) {
	more := int64(len(h.marks) * markCost)
	if len(h.marks) >= maxMarks || b.history+more > b.max()/4 || b.held+b.history+more > b.max() {
		h.fixed = true
		return
	}
	b.reclaim(more)
	if h.marks == nil {
		return // the Budget has taken it back
	}
	marks := make([]mark, 2*len(h.marks))
	first := h.first()
	for i := first; i < h.next; i++ {
		marks[i-first] = h.marks[i&int64(len(h.marks)-1)]
	}
	h.next -= first
	h.marks = marks
	b.history += more
}

// copyQuotes returns a history that holds copies of what h quotes, with room
// for n more bytes, or nil when there is no room for it. h must not be used any
// more.
func (b *Budget) copyQuotes(h *history, n, limit int) *history {
	old := *h
	b.endHistory(h)
	h = b.newHistory(min(old.n, limit)+n, limit, false)
	if h == nil {
		return nil
	}
	h.end = old.end
	for i := old.first(); i < old.next; i++ {
		m := &old.marks[i&int64(len(old.marks)-1)]
		h.end = m.end - int64(len(m.data))
		h.put(m.data, m.packet)
	}
	return h
}

func historyClass(limit int) uint8 {
	limit = min(max(limit, minChunk), maxChunk)
	return uint8(bits.Len(uint(limit-1) / minChunk))
}

// growHistory makes room in h for n more bytes, as far as limit and the Budget
// allow. It takes nothing from other streams.
func (b *Budget) growHistory(h *history, n, limit int) {
	top := historyClass(limit)
	c := min(class(h.n+n), top)
	more := chunkCost(c) - chunkCost(h.chunk.class)
	if h.fixed = c == top; c <= h.chunk.class {
		return
	}
	// For a moment both chunks are in use.
	if b.history+more > b.max()/4 || b.held+b.history+chunkCost(c) > b.max() {
		h.fixed = true
		return
	}
	old := *h
	h.chunk = b.takeChunk(c)
	h.buf = h.chunk.buf
	mask := int64(len(h.buf) - 1)
	for off := h.end - int64(h.n); off < h.end; {
		part, _, _ := old.from(off, h.end, 0)
		k := copy(h.buf[off&mask:], part)
		off += int64(k)
	}
	b.history += more
	b.giveChunk(old.chunk)
}

// forget takes back the memory of the oldest history.
func (b *Budget) forget() bool {
	if b.oldest == nil {
		return false
	}
	b.endHistory(b.oldest)
	return true
}

// endHistory takes back the memory of h.
func (b *Budget) endHistory(h *history) {
	if h.marks == nil {
		return
	}
	if h.older != nil {
		h.older.newer = h.newer
	} else {
		b.oldest = h.newer
	}
	if h.newer != nil {
		h.newer.older = h.older
	} else {
		b.newest = h.older
	}
	b.history -= h.cost()
	if h.chunk != nil {
		b.giveChunk(h.chunk)
	}
	*h = history{}
}
