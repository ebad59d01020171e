package stream

import "math/bits"

// A Budget bounds the memory of all streams of one engine shard together: data
// that came before its turn, with its overhead, and histories. What a stream
// needs in any case, a few hundred bytes, is not counted.
//
// A stream never holds more out-of-order memory than is left for the others:
// so a few hostile streams cannot starve the rest, and a stream alone has half
// of it. Histories have at most a quarter, and give way to everything else.
//
// A Budget is not safe for concurrent use. It must not be copied.
type Budget struct {
	// Max is the bound in bytes; zero means 64 MiB.
	Max int64
	// Oldest is the number of the first packet whose bytes should still be
	// looked at where a history quotes them: what is far behind in a mapped
	// file is not in memory any more.
	Oldest int64

	held    int64 // out-of-order memory of streams
	history int64
	free    int64 // kept for the next stream

	chunks         [classes]*chunk
	leaves         *leaf
	oldest, newest *history
}

// Used returns the memory in use and kept for reuse, in bytes; never more than
// Max.
func (b *Budget) Used() int64 { return b.held + b.history + b.free }

// A chunk is memory for data. Its size is one of a few classes, so that chunks
// fit the next stream.
type chunk struct {
	buf   []byte
	next  *chunk
	used  int // bytes given to pieces, from the front
	live  int // bytes of these that are still needed
	class uint8
}

const (
	minChunk  = 512
	classes   = 7
	maxChunk  = minChunk << (classes - 1)
	chunkHead = 64
	leafCost  = 1024 + 32 // with its place in the index
)

// class returns the smallest class whose chunks hold n bytes, or the largest.
func class(n int) uint8 {
	if n <= minChunk {
		return 0
	}
	return uint8(min(bits.Len(uint(n-1)/minChunk), classes-1))
}

func chunkCost(class uint8) int64 { return minChunk<<class + chunkHead }

func (b *Budget) max() int64 {
	if b.Max == 0 {
		return 64 << 20
	}
	return b.Max
}

// room reports whether a stream that holds have bytes may take need more.
func (b *Budget) room(have, need int64) bool {
	return have+need <= b.max()-b.held-need
}

// reclaim frees memory until need more bytes fit, at the cost of what is kept
// for reuse and of histories.
func (b *Budget) reclaim(need int64) {
	for b.Used()+need > b.max() && (b.drop() || b.forget()) {
	}
}

// drop gives one free chunk or leaf back to the runtime.
func (b *Budget) drop() bool {
	for i := classes - 1; i >= 0; i-- {
		if c := b.chunks[i]; c != nil {
			b.chunks[i] = c.next
			b.free -= chunkCost(uint8(i))
			return true
		}
	}
	if l := b.leaves; l != nil {
		b.leaves = l.next
		b.free -= leafCost
		return true
	}
	return false
}

func (b *Budget) takeChunk(class uint8) *chunk {
	if c := b.chunks[class]; c != nil {
		b.chunks[class] = c.next
		b.free -= chunkCost(class)
		c.next, c.used, c.live = nil, 0, 0
		return c
	}
	b.reclaim(chunkCost(class))
	return &chunk{buf: make([]byte, minChunk<<class), class: class}
}

func (b *Budget) giveChunk(c *chunk) {
	c.next = b.chunks[c.class]
	b.chunks[c.class] = c
	b.free += chunkCost(c.class)
}

func (b *Budget) takeLeaf() *leaf {
	if l := b.leaves; l != nil {
		b.leaves = l.next
		b.free -= leafCost
		l.next, l.lo, l.hi = nil, 0, 0
		return l
	}
	b.reclaim(leafCost)
	return new(leaf)
}

func (b *Budget) giveLeaf(l *leaf) {
	clear(l.p[:])
	l.next = b.leaves
	b.leaves = l
	b.free += leafCost
}
