package stream

import "math/bits"

// A history holds the last bytes that a stream handed out, back to the last
// gap, in a ring: the byte at offset n is buf[n&(len(buf)-1)].
type history struct {
	buf   []byte // nil once the Budget has taken the memory back
	chunk *chunk
	end   int64 // offset after the last byte
	n     int   // bytes
	fixed bool  // may not grow
	marks [8]mark
	next  int64 // mark, modulo len(marks)

	older, newer *history // in the Budget
}

// A mark says which packet brought the bytes before end.
type mark struct{ end, packet int64 }

const historyHead = 256

// remember puts bytes that are handed out, and end at a.next, into the history.
func (a *Assembler) remember(data []byte, packet int64) {
	h := a.history
	if h == nil || h.buf == nil {
		h = a.Budget.newHistory(len(data), a.Config.maxHistory())
		if a.history = h; h == nil {
			return
		}
		h.end = a.next - int64(len(data))
	} else if h.n+len(data) > len(h.buf) && !h.fixed {
		a.Budget.growHistory(h, len(data), a.Config.maxHistory())
	}
	h.end += int64(len(data))
	h.marks[h.next%int64(len(h.marks))] = mark{h.end, packet}
	h.next++
	n := min(len(data), len(h.buf))
	h.n = min(h.n+n, len(h.buf))
	data = data[len(data)-n:]
	k := copy(h.buf[int(h.end-int64(n))&(len(h.buf)-1):], data)
	copy(h.buf, data[k:])
}

// gapTo forgets what was handed out before a gap that ends at off.
func (h *history) gapTo(off int64) {
	h.n, h.end, h.next = 0, off, 0
}

// slices returns the bytes from off to end, which must be in the history.
func (h *history) slices(off, end int64) (first, second []byte) {
	mask := int64(len(h.buf) - 1)
	first = h.buf[off&mask:]
	if n := end - off; n <= int64(len(first)) {
		return first[:n], nil
	}
	return first, h.buf[:end-off-int64(len(first))]
}

// packet returns the packet that brought the byte at off, or zero.
func (h *history) packet(off int64) int64 {
	const n = int64(len(h.marks))
	for i := max(h.next-n, 0); i < h.next; i++ {
		if m := h.marks[i%n]; m.end > off {
			// Where marks were overwritten, the oldest that is left does not
			// say where its bytes begin.
			if i > 0 && i == h.next-n {
				break
			}
			return m.packet
		}
	}
	return 0
}

// newHistory returns a history for data of n bytes, or nil when there is no
// room for one.
func (b *Budget) newHistory(n, limit int) *history {
	c := min(class(n), historyClass(limit))
	cost := chunkCost(c) + historyHead
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
	h := &history{chunk: b.takeChunk(c)}
	h.buf = h.chunk.buf
	b.history += cost
	if h.older = b.newest; h.older != nil {
		h.older.newer = h
	} else {
		b.oldest = h
	}
	b.newest = h
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
		part, _ := old.slices(off, h.end)
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
	if h.buf == nil {
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
	b.history -= chunkCost(h.chunk.class) + historyHead
	b.giveChunk(h.chunk)
	*h = history{}
}
