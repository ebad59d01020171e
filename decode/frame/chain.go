package frame

import "math"

// A tip is a chain of headers, seen from its last one.
type tip[H any] struct {
	head, last int64 // offsets of the first and the last header
	next       int64 // where the next one must be
	sure       int64 // the boundary: all headers from there on are beyond doubt
	packet     int64 // the first header from there on that begins a packet
	bits       float64
	pattern    float64
	own        float64 // bits of the last header
	reach      float64 // lengths that it can tell
	starts     int64   // packets that had begun at the last header
	before     int64   // the payload of the frame before the last
	lens       [2]int64
	n          int32 // headers
	aligned    int32 // those that begin a packet
	hidden     int32 // those that are Hidden
	telling    int32 // those that are Hidden or Telling
	size       int32 // of the last header
	final      bool  // it is a Last one
	state      State
	hdr        H
}

// inside reports whether t lies in the last frame of o.
func (t *tip[H]) inside(o *tip[H]) bool { return t.head > o.last && t.next <= o.next }

// fills reports whether t begins where the payload of the last frame of o does.
func (t *tip[H]) fills(o *tip[H]) bool { return t.head == o.last+int64(o.size) }

const (
	maxTips = 32
	never   = math.MaxInt64
)

// tips are the chains that a Finder follows: a heap, the smallest next first.
type tips[H any] struct {
	heap []uint8 // indexes of slots
	slot []tip[H]
	free []uint8
	bits [maxTips]float32 // of the slots, to find the worst
}

func (c *tips[H]) reset() {
	c.heap, c.slot, c.free = c.heap[:0], c.slot[:0], c.free[:0]
}

func (c *tips[H]) at(i int) *tip[H] { return &c.slot[c.heap[i]] }

// next returns the first place where a chain must have its next header.
func (c *tips[H]) next() int64 {
	if len(c.heap) == 0 {
		return never
	}
	return c.at(0).next
}

// add adds a chain. If there are too many, the one is lost that the least
// speaks for.
func (c *tips[H]) add(t *tip[H]) {
	if len(c.heap) == maxTips {
		worst := 0
		for i, bits := range &c.bits {
			if bits < c.bits[worst] {
				worst = i
			}
		}
		if float64(c.bits[worst]) >= t.bits {
			return
		}
		for i, k := range c.heap {
			if int(k) == worst {
				c.remove(i)
				break
			}
		}
	}
	k := uint8(len(c.slot))
	if n := len(c.free) - 1; n >= 0 {
		k = c.free[n]
		c.free = c.free[:n]
	} else {
		c.slot = append(c.slot, *t)
	}
	c.slot[k] = *t
	c.bits[k] = float32(t.bits)
	c.heap = append(c.heap, k)
	c.up(len(c.heap) - 1)
}

// remove removes the chain at place i of the heap. What c.at(i) returned stays
// until the next call of add.
func (c *tips[H]) remove(i int) {
	n := len(c.heap) - 1
	c.free = append(c.free, c.heap[i])
	c.heap[i] = c.heap[n]
	c.heap = c.heap[:n]
	if i == n {
		return
	}
	c.up(i)
	for {
		k := 2*i + 1
		if k >= n {
			return
		}
		if k+1 < n && c.at(k+1).next < c.at(k).next {
			k++
		}
		if c.at(i).next <= c.at(k).next {
			return
		}
		c.heap[i], c.heap[k] = c.heap[k], c.heap[i]
		i = k
	}
}

func (c *tips[H]) up(i int) {
	for i > 0 && c.at(i).next < c.at((i-1)/2).next {
		c.heap[i], c.heap[(i-1)/2] = c.heap[(i-1)/2], c.heap[i]
		i = (i - 1) / 2
	}
}

// miss says that the stream goes on at off: what must be before is lost.
func (c *tips[H]) miss(off int64) {
	for c.next() < off {
		c.remove(0)
	}
}
