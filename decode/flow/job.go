package flow

import (
	"fmt"
	"runtime/debug"
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

// An item is one step of work for a shard.
type item struct {
	c        *conn
	seg      []byte // TCP header and the captured payload
	num      int64
	time     int64
	seq, ack uint32
	wire     uint32 // payload bytes on the wire
	pkt      int32  // number of the packet record in the job, -1 for none
	urgent   uint16
	kind     itemKind
	dir      uint8
	flags    uint8
	hlen     uint8
	why      ending
}

// A job is a run of packets on its way through the engine.
type job struct {
	part    [Shards]part
	packets []record.Packet
	last    int64 // number of the last packet
	pending atomic.Int32
	release func()
}

// A part is one shard's share of a job: its work and what came of it.
type part struct {
	items []item
	out   []byte
	spans []span
}

// A span is one record in part.out.
type span struct {
	order int64 // number of the packet that brought it about
	conn  int64
	end   int
	typ   record.Type
}

func (j *job) add(shard uint8, it item) *item {
	it.pkt = -1
	j.last = it.num
	p := &j.part[shard]
	p.items = append(p.items, it)
	return &p.items[len(p.items)-1]
}

func (j *job) reset() {
	if j.release != nil {
		j.release()
		j.release = nil
	}
	for i := range j.part {
		p := &j.part[i]
		clear(p.items) // let go of connections that are over
		p.items = p.items[:0]
		p.spans = p.spans[:0]
		if cap(p.out) > 4<<20 {
			p.out = nil
		}
		p.out = p.out[:0]
	}
	clear(j.packets)
	j.packets = j.packets[:0]
}

// work is the goroutine of one shard.
func (e *Engine) work(s *shard, i int) {
	defer e.wg.Done()
	for j := range s.in {
		e.guard(func() { s.run(j, &j.part[i]) })
		if j.pending.Add(-1) == 0 {
			e.done <- j
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

// deliver is the goroutine that gives out records.
func (e *Engine) deliver() {
	defer e.out.Done()
	for j := range e.done {
		e.merge(j)
		j.reset()
		e.jobs <- j
	}
}

// merge gives out the records of a job in the order of the packets that
// brought them about; a packet's own order decides among shards, then the
// shard's number.
func (e *Engine) merge(j *job) {
	var next, off [Shards]int
	var it Item
	for e.cfg.Output != nil {
		best := -1
		for i := range j.part {
			sp := j.part[i].spans
			if next[i] < len(sp) && (best < 0 || sp[next[i]].order < j.part[best].spans[next[best]].order) {
				best = i
			}
		}
		if best < 0 {
			return
		}
		p := &j.part[best]
		sp := &p.spans[next[best]]
		it = Item{Conn: sp.conn, Type: sp.typ, Data: p.out[off[best]:sp.end:sp.end]}
		off[best] = sp.end
		next[best]++
		if e.Err() != nil {
			return
		}
		if err := e.cfg.Output(&it); err != nil {
			e.fail(err)
			return
		}
	}
}
