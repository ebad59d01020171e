package stream

import (
	"slices"
	"sort"

	"framescope/decode"
)

// A span is a run of bytes that came before its turn.
type span struct {
	off          int64
	chunk        *chunk // nil for a span without bytes
	packet, time int64
	subflow      int32
	// cut is the number of bytes after the span that the capture cut off.
	cut uint32
	// The bytes are chunk.buf[pos:][:n].
	pos, n uint16
	start  bool
}

func (s *span) end() int64   { return s.off + int64(s.n) }
func (s *span) data() []byte { return s.chunk.buf[s.pos:][:s.n:s.n] }

func (s *span) origin() decode.Origin {
	return decode.Origin{Packet: s.packet, Time: s.time, Subflow: s.subflow}
}

const leafSize = 21

// A leaf holds neighbouring spans in p[lo:hi]. It is 1 KiB.
type leaf struct {
	next   *leaf // in the Budget
	lo, hi int32
	p      [leafSize]span
}

func (l *leaf) full() bool { return l.hi-l.lo == leafSize }

// A list holds spans that do not overlap, in the order of their offsets. Spans
// are inserted anywhere and leave at the front. Insertion at either end takes
// constant time, elsewhere the index of leaves moves, 8 bytes for some ten
// spans: hostile order costs no more than the limits allow.
type list struct {
	leaves []*leaf // leaves[:head] is room to grow at the front
	head   int
	n      int // spans
}

// A cursor is a place in a list: before span at of leaf.
type cursor struct{ leaf, at int }

func (l *list) first() *span {
	if l.n == 0 {
		return nil
	}
	f := l.leaves[l.head]
	return &f.p[f.lo]
}

func (l *list) last() *span {
	if l.n == 0 {
		return nil
	}
	f := l.leaves[len(l.leaves)-1]
	return &f.p[f.hi-1]
}

// find returns the place of the first span that ends after off.
func (l *list) find(off int64) cursor {
	if l.n == 0 {
		return cursor{l.head, 0}
	}
	i, end := l.head, len(l.leaves)
	if f := l.leaves[end-1]; f.p[f.hi-1].end() <= off {
		return cursor{end - 1, int(f.hi)}
	}
	if f := l.leaves[i]; f.p[f.hi-1].end() <= off {
		i += sort.Search(end-i, func(k int) bool {
			f := l.leaves[i+k]
			return f.p[f.hi-1].end() > off
		})
	}
	f := l.leaves[i]
	lo := int(f.lo)
	return cursor{i, lo + sort.Search(int(f.hi)-lo, func(k int) bool { return f.p[lo+k].end() > off })}
}

// get returns the span after c, or nil at the end.
func (l *list) get(c cursor) *span {
	if l.n == 0 {
		return nil
	}
	f := l.leaves[c.leaf]
	if c.at < int(f.hi) {
		return &f.p[c.at]
	}
	if c.leaf+1 < len(l.leaves) {
		f = l.leaves[c.leaf+1]
		return &f.p[f.lo]
	}
	return nil
}

// after returns the place behind the span that get returns for c.
func (l *list) after(c cursor) cursor {
	if c.at >= int(l.leaves[c.leaf].hi) {
		c.leaf++
		c.at = int(l.leaves[c.leaf].lo)
	}
	c.at++
	return c
}

// before returns the span before c, or nil at the front.
func (l *list) before(c cursor) *span {
	if l.n == 0 {
		return nil
	}
	f := l.leaves[c.leaf]
	if c.at > int(f.lo) {
		return &f.p[c.at-1]
	}
	if c.leaf == l.head {
		return nil
	}
	f = l.leaves[c.leaf-1]
	return &f.p[f.hi-1]
}

// seat returns the place equal to c where an insertion needs no new leaf, if
// there is one; full says that there is not.
func (l *list) seat(c cursor) (seat cursor, full bool) {
	if len(l.leaves) == l.head {
		return c, true
	}
	f := l.leaves[c.leaf]
	if !f.full() {
		return c, false
	}
	if c.at == int(f.lo) && c.leaf > l.head && !l.leaves[c.leaf-1].full() {
		return cursor{c.leaf - 1, int(l.leaves[c.leaf-1].hi)}, false
	}
	if c.at == int(f.hi) && c.leaf+1 < len(l.leaves) && !l.leaves[c.leaf+1].full() {
		return cursor{c.leaf + 1, int(l.leaves[c.leaf+1].lo)}, false
	}
	return c, true
}

// insert puts s at c, a place that seat returned, and returns where s is now.
// A new leaf is needed where seat said full.
func (l *list) insert(c cursor, s span, spare *leaf) cursor {
	l.n++
	if spare != nil {
		c = l.split(c, spare)
	}
	f := l.leaves[c.leaf]
	at, lo, hi := c.at, int(f.lo), int(f.hi)
	if hi == leafSize || lo > 0 && at-lo < hi-at {
		copy(f.p[lo-1:], f.p[lo:at])
		f.lo--
		at--
	} else {
		copy(f.p[at+1:hi+1], f.p[at:hi])
		f.hi++
	}
	f.p[at] = s
	return cursor{c.leaf, at}
}

// split makes room at c, in a full leaf or an empty list, with a new leaf. At
// the ends of a full leaf nothing moves, so that leaves fill up when spans come
// in ascending or descending order.
func (l *list) split(c cursor, spare *leaf) cursor {
	if len(l.leaves) == l.head {
		l.leaves = append(l.leaves, spare)
		spare.lo, spare.hi = leafSize/2, leafSize/2
		return cursor{l.head, leafSize / 2}
	}
	f := l.leaves[c.leaf]
	switch c.at {
	case int(f.lo):
		spare.lo, spare.hi = leafSize, leafSize
		return cursor{l.place(c.leaf, spare), leafSize}
	case int(f.hi):
		return cursor{l.place(c.leaf+1, spare), 0}
	}
	const half = leafSize / 2
	spare.hi = int32(copy(spare.p[:], f.p[half:]))
	clear(f.p[half:])
	f.hi = half
	i := l.place(c.leaf+1, spare)
	if c.at <= half {
		return cursor{i - 1, c.at}
	}
	return cursor{i, c.at - half}
}

// place puts a leaf at index i and returns the index that it has then.
func (l *list) place(i int, f *leaf) int {
	if i == l.head {
		if l.head == 0 {
			live := len(l.leaves)
			room := live + 8
			l.leaves = append(make([]*leaf, room, 2*room+live), l.leaves...)
			l.head = room
		}
		l.head--
		l.leaves[l.head] = f
		return l.head
	}
	if live := len(l.leaves) - l.head; len(l.leaves) == cap(l.leaves) && l.head > live {
		i -= l.head
		copy(l.leaves, l.leaves[l.head:])
		clear(l.leaves[live:])
		l.leaves = l.leaves[:live]
		l.head = 0
	}
	l.leaves = slices.Insert(l.leaves, i, f)
	return i
}

// shift removes the first span. It returns the leaf that held it if that is
// empty now.
func (l *list) shift() *leaf {
	l.n--
	f := l.leaves[l.head]
	f.lo++
	if f.lo < f.hi {
		return nil
	}
	l.leaves[l.head] = nil
	l.head++
	if l.head == len(l.leaves) {
		l.head = 0
		l.leaves = l.leaves[:0]
		if cap(l.leaves) > 64 {
			l.leaves = nil
		}
	}
	return f
}
