package flow

import (
	"cmp"
	"slices"
)

// What the parts of a connection cost besides what they hold, in bytes.
const (
	waitSize = 320
	sideSize = 384
	lookSize = 128
	tlsSize  = 128
)

// weigh counts what a connection holds, and makes room when it is too much.
func (s *shard) weigh(c *conn) {
	if c.over {
		return
	}
	mem := int64(0)
	for i := range c.half {
		h := &c.half[i]
		if w := h.wait; w != nil {
			mem += waitSize + w.kept.size() + int64(cap(w.body.Kept))
			for j := range w.early {
				mem += int64(len(w.early[j].seg)) + 128
			}
		}
		if h.units != nil {
			mem += h.units.memory()
		}
		if h.tape != nil {
			mem += h.tape.memory()
		}
		if h.side != nil {
			mem += sideSize + h.side.Memory()
		}
	}
	if c.look != nil {
		mem += lookSize + int64(cap(c.look.data[0])+cap(c.look.data[1]))
	}
	if t := c.tls; t != nil {
		mem += tlsSize + int64(len(t.ServerName))
		for _, p := range t.ALPN {
			mem += 16 + int64(len(p))
		}
	}
	if c.http != nil {
		mem += c.http.memory()
	}
	s.mem += mem - c.mem
	c.mem = mem
	if mem > 0 && c.place == 0 {
		s.heavy = append(s.heavy, c)
		c.place = len(s.heavy)
	}
	if s.mem > s.limit {
		s.makeRoom(c)
	}
}

func (s *shard) unweigh(c *conn) {
	s.mem -= c.mem
	c.mem = 0
	if i := c.place; i != 0 {
		last := len(s.heavy) - 1
		s.heavy[i-1] = s.heavy[last]
		s.heavy[i-1].place = i
		s.heavy[last] = nil
		s.heavy = s.heavy[:last]
		c.place = 0
	}
}

// makeRoom ends the connections that have been quiet for longest, all but the
// one at work unless nothing else is left.
func (s *shard) makeRoom(at *conn) {
	old := slices.Clone(s.heavy)
	slices.SortFunc(old, func(a, b *conn) int {
		if a.last != b.last {
			if a.last < b.last {
				return -1
			}
			return 1
		}
		return cmp.Compare(a.id, b.id)
	})
	for _, c := range old {
		if s.mem <= s.limit/8*7 {
			return
		}
		if c != at {
			s.end(c, endEvicted)
		}
	}
	if s.mem > s.limit {
		s.end(at, endEvicted)
	}
}
