package flow

import (
	"math/bits"
	"math/rand/v2"

	"framescope/decode/packet"
)

// A key names a TCP connection: both ends in a fixed order, so that packets of
// either direction have the same key.
type key struct {
	a, b  packet.Addr
	ports uint32 // a's, then b's
}

// equal is ==, which the compiler makes a call of because of the padding.
func (k *key) equal(o *key) bool {
	return k.a.Lo == o.a.Lo && k.b.Lo == o.b.Lo && k.ports == o.ports && k.a.Hi == o.a.Hi && k.b.Hi == o.b.Hi
}

// set makes k the key of p's connection, and returns which way p goes: 0 from a
// to b, 1 from b to a.
//
// It writes field by field: a struct that is copied while its parts are still
// on their way to the cache costs as much as the look-up.
func (k *key) set(p *packet.Packet) (dir uint8) {
	s, d := &p.Src, &p.Dst
	ports := uint32(p.SrcPort)<<16 | uint32(p.DstPort)
	if s.Hi < d.Hi || s.Hi == d.Hi && (s.Lo < d.Lo || s.Lo == d.Lo && p.SrcPort <= p.DstPort) {
		k.a.Hi, k.a.Lo, k.b.Hi, k.b.Lo, k.ports = s.Hi, s.Lo, d.Hi, d.Lo, ports
		return 0
	}
	k.a.Hi, k.a.Lo, k.b.Hi, k.b.Lo, k.ports = d.Hi, d.Lo, s.Hi, s.Lo, ports<<16|ports>>16
	return 1
}

// An entry is what the table knows of a connection: enough to tell its packets
// from those of the next connection on the same ports.
type entry struct {
	key
	hash   uint32
	index  int32
	used   bool
	recent bool // seen since the eviction hand passed
	synced uint8
	fins   uint8 // bit per direction: a FIN was seen
	state  uint8
	gen    uint32 // tells uses of this slot apart
	isn    [2]uint32
	next   [2]uint32 // one past the highest sequence number seen
	seen   uint8     // bit per direction: next is valid
	last   int64     // time of the last packet
	conn   *conn     // nil once the connection is over: the entry absorbs stragglers
	loose  *loose    // instead of conn, in tables of loose flows
}

const (
	stateOpen    = iota
	stateClosing // RST, or FIN from both: ends after a while
	stateDead    // over: conn is nil
)

// A table finds connections by their addresses. It is bounded: the least
// recently used entry makes room for a new one.
type table struct {
	seed    [4]uint64
	slots   []uint64 // hash<<32 | entry index + 1; linear probing
	mask    uint32
	chunks  []*[chunkSize]entry // entries never move
	entries int                 // how many have ever been used
	free    []int32
	live    int
	max     int
	hand    int
}

const chunkSize = 128

func (t *table) at(i int32) *entry { return &t.chunks[i/chunkSize][i%chunkSize] }

func newTable(limit int) *table {
	t := &table{max: limit}
	for i := range t.seed {
		t.seed[i] = rand.Uint64()
	}
	t.slots = make([]uint64, 256)
	t.mask = 255
	return t
}

// hash mixes with a random seed, so that a capture cannot be made to collide.
func (t *table) hash(k *key) uint32 {
	h1, l1 := bits.Mul64(k.a.Lo^t.seed[0], k.b.Lo^t.seed[1])
	h2, l2 := bits.Mul64(k.a.Hi^t.seed[2], k.b.Hi^t.seed[3]^uint64(k.ports)<<17)
	x := h1 ^ l1 ^ bits.RotateLeft64(h2^l2, 29) ^ uint64(k.ports)
	hi, lo := bits.Mul64(x, 0x9e3779b97f4a7c15)
	return uint32((hi ^ lo) >> 16)
}

// find returns the entry of k, or nil.
func (t *table) find(k *key, h uint32) *entry {
	for i := h & t.mask; ; i = (i + 1) & t.mask {
		s := t.slots[i]
		if s == 0 {
			return nil
		}
		if uint32(s>>32) == h {
			if e := t.at(int32(uint32(s) - 1)); e.equal(k) {
				return e
			}
		}
	}
}

// insert makes an entry for k, which must not be in the table. The caller has
// made room (full).
func (t *table) insert(k *key, h uint32) *entry {
	if (t.live+1)*2 > len(t.slots) {
		t.grow()
	}
	var i int32
	if n := len(t.free); n > 0 {
		i = t.free[n-1]
		t.free = t.free[:n-1]
	} else {
		if i = int32(t.entries); int(i) == len(t.chunks)*chunkSize {
			t.chunks = append(t.chunks, new([chunkSize]entry))
		}
		t.entries++
	}
	e := t.at(i)
	*e = entry{key: *k, hash: h, index: i, used: true, recent: true, gen: e.gen + 1}
	t.place(h, uint32(i)+1)
	t.live++
	return e
}

func (t *table) place(h, ref uint32) {
	i := h & t.mask
	for t.slots[i] != 0 {
		i = (i + 1) & t.mask
	}
	t.slots[i] = uint64(h)<<32 | uint64(ref)
}

func (t *table) grow() {
	old := t.slots
	t.slots = make([]uint64, 2*len(old))
	t.mask = uint32(len(t.slots) - 1)
	for _, s := range old {
		if s != 0 {
			t.place(uint32(s>>32), uint32(s))
		}
	}
}

// remove takes e out of the table.
func (t *table) remove(e *entry) {
	i := e.hash & t.mask
	for uint32(t.slots[i])-1 != uint32(e.index) {
		i = (i + 1) & t.mask
	}
	// Backward shift keeps probe chains whole without tombstones.
	for j := i; ; {
		t.slots[i] = 0
		for {
			j = (j + 1) & t.mask
			s := t.slots[j]
			if s == 0 {
				e.used, e.conn, e.loose = false, nil, nil
				t.free = append(t.free, e.index)
				t.live--
				return
			}
			home := uint32(s>>32) & t.mask
			if (j-home)&t.mask >= (j-i)&t.mask {
				t.slots[i] = s
				i = j
				break
			}
		}
	}
}

// full reports whether a new connection needs another's place.
func (t *table) full() bool { return t.live >= t.max }

// victim returns the entry to give up next: one that is over or, by the clock
// algorithm, has not been used for longest.
func (t *table) victim() *entry {
	for range 2 * t.entries {
		if t.hand >= t.entries {
			t.hand = 0
		}
		e := t.at(int32(t.hand))
		t.hand++
		if !e.used {
			continue
		}
		if e.recent && e.state != stateDead {
			e.recent = false
			continue
		}
		return e
	}
	return nil
}
