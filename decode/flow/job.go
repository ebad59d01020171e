package flow

import (
	"fmt"
	"math"
	"runtime/debug"
	"slices"
	"sync/atomic"

	"framescope/decode/record"
)

// An itemKind is what an item asks a shard to do.
type itemKind uint8

const (
	itemSegment itemKind = iota // a TCP segment of c
	itemEnd                     // c is over
	itemPacket                  // nothing but a packet record
)

// An item is one step of work for a worker. Hundreds of thousands cross from
// one core to another each second: it fits a cache line.
type item struct {
	c        *conn
	seg      []byte // TCP header and the captured payload
	time     int64
	seq, ack uint32 // itemPacket: seq is the index in job.packets
	wire     uint32 // payload bytes on the wire
	num      int32  // packet number, from job.base
	index    uint32 // place among the items of the job
	kind     itemKind
	dir      uint8
	flags    uint8 // itemEnd: why
	hlen     uint8
}

// A job is a run of packets on its way through the engine.
type job struct {
	part    [Shards]part // one for each worker
	packets []record.Packet
	base    int64 // number of the first packet
	last    int64 // number of the last packet
	items   uint32
	pending atomic.Int32
	release func()
}

// A part is one worker's share of a job: its work and what came of it.
type part struct {
	items []item
	out   []byte
	spans []span
}

// A span is one record in part.out.
type span struct {
	index uint32 // of the item that brought it about
	typ   record.Type
	end   int
	conn  int64
}

// add queues an item for a worker. The caller fills in the rest: it holds what
// an earlier item held. Its packet has the number num.
func (j *job) add(worker int, num, time int64) *item {
	if j.items == 0 {
		j.base = num
	}
	p := &j.part[worker]
	n := len(p.items)
	if n == cap(p.items) {
		p.items = slices.Grow(p.items, 1)
	}
	p.items = p.items[:n+1]
	it := &p.items[n]
	it.time, it.num, it.index = time, int32(num-j.base), j.items
	j.items++
	j.last = num
	return it
}

func (j *job) reset() {
	if j.release != nil {
		j.release()
		j.release = nil
	}
	for i := range j.part {
		p := &j.part[i]
		// The items hold connections until they are overwritten; what is over
		// holds next to nothing.
		p.items = p.items[:0]
		p.spans = p.spans[:0]
		if cap(p.out) > 4<<20 {
			p.out = nil
		}
		p.out = p.out[:0]
	}
	clear(j.packets)
	j.packets = j.packets[:0]
	j.items = 0
}

// A worker is a goroutine that decodes the connections of some shards.
type worker struct {
	e   *Engine
	num int
	in  chan *job
}

// work is the goroutine. Whoever is the last to finish a job gives its records
// out; nobody can finish the next one before that is done.
func (w *worker) work() {
	defer w.e.wg.Done()
	for j := range w.in {
		w.e.run(j, w.num)
		if j.pending.Add(-1) == 0 {
			w.e.merge(j)
			j.reset()
			w.e.jobs <- j
		}
	}
}

// run does one worker's part of a job.
func (e *Engine) run(j *job, worker int) {
	p := &j.part[worker]
	for i, s := range e.shards {
		if i%e.workers == worker {
			s.part = p
		}
	}
	e.guard(func() { e.items(j, p) })
}

func (e *Engine) items(j *job, p *part) {
	for i := range p.items {
		it := &p.items[i]
		s := e.shards[0]
		if it.c != nil {
			s = e.shards[it.c.shard]
		}
		s.order, s.index, s.now = j.base+int64(it.num), it.index, it.time
		switch it.kind {
		case itemSegment:
			s.segment(it)
		case itemEnd:
			s.end(it.c, ending(it.flags))
		case itemPacket:
			s.packet(&j.packets[it.seq], it.c, it.dir)
		}
	}
}

// guard runs f. A fault in the memory that packets are in, as when a mapped
// file shrinks while it is read, becomes an error instead of ending the
// program.
func (e *Engine) guard(f func()) {
	old := debug.SetPanicOnFault(true)
	defer debug.SetPanicOnFault(old)
	defer func() {
		if r := recover(); r != nil {
			if _, ok := r.(interface{ Addr() uintptr }); !ok {
				panic(r)
			}
			e.fail(fmt.Errorf("%s: %w", e.cfg.File, ErrMemory))
		}
	}()
	f()
}

// merge gives out the records of a job in the order of the items that brought
// them about, which is that of the packets.
func (e *Engine) merge(j *job) {
	if e.cfg.Output == nil {
		return
	}
	var next, off [Shards]int
	for e.Err() == nil {
		best, index := -1, uint32(0)
		for i := range e.workers {
			if sp := j.part[i].spans; next[i] < len(sp) && (best < 0 || sp[next[i]].index < index) {
				best, index = i, sp[next[i]].index
			}
		}
		if best < 0 {
			return
		}
		p := &j.part[best]
		if e.cfg.Join {
			e.join(p, &next[best], &off[best], e.limit(j, best, &next))
			continue
		}
		// All records of one item lie together.
		for ; next[best] < len(p.spans) && p.spans[next[best]].index == index; next[best]++ {
			sp := &p.spans[next[best]]
			e.item = Item{Conn: sp.conn, Type: sp.typ, Data: p.out[off[best]:sp.end:sp.end]}
			off[best] = sp.end
			if err := e.cfg.Output(&e.item); err != nil {
				e.fail(err)
				return
			}
		}
	}
}

// limit returns the index of the first item whose records are not worker best's
// to give out.
func (e *Engine) limit(j *job, best int, next *[Shards]int) uint32 {
	limit := uint32(math.MaxUint32)
	for i := range e.workers {
		if sp := j.part[i].spans; i != best && next[i] < len(sp) {
			limit = min(limit, sp[next[i]].index)
		}
	}
	return limit
}

// join gives out the records of all items below limit at once.
func (e *Engine) join(p *part, next, off *int, limit uint32) {
	from := *off
	for ; *next < len(p.spans) && p.spans[*next].index < limit; *next++ {
		*off = p.spans[*next].end
	}
	e.item = Item{Data: p.out[from:*off:*off]}
	if err := e.cfg.Output(&e.item); err != nil {
		e.fail(err)
	}
}
