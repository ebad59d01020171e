package flow

import (
	"fmt"
	"math"
	"runtime/debug"
	"slices"
	"sync"

	"framescope/decode/record"
)

// An itemKind is what an item asks a shard to do.
type itemKind uint8

const (
	itemSegment itemKind = iota // a TCP segment of c
	itemCopy                    // the same; its bytes are not those of the capture
	itemEnd                     // c is over
	itemPacket                  // nothing but a packet record
	itemSettle                  // no earlier segments of c are to be expected
	itemLoose                   // a loose flow is over
)

// An item is one step of work for a worker. Hundreds of thousands cross from
// one core to another each second: it fits a cache line.
type item struct {
	c        *conn
	seg      []byte // TCP header and the captured payload
	time     int64
	seq, ack uint32 // itemPacket, itemLoose: seq is the index in job.packets, job.loose
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
	loose   []*loose
	base    int64 // number of the first packet
	oldest  int64 // packet whose bytes may be looked at again
	items   uint32
	release func()

	// Where the workers are, so that one of them can give records out before
	// the job is done.
	mu      sync.Mutex
	moved   *sync.Cond // a worker has finished, or waits for its turn
	state   [Shards]progress
	pending int // workers that have not finished
}

// A progress is how far a worker has come with a job.
type progress struct {
	finished bool
	waits    bool
	index    uint32 // of the item that it has done, if it waits
}

// A part is one worker's share of a job: its work and what came of it.
type part struct {
	items []item
	out   []byte
	spans []span
	given int // spans that were given out
	off   int // where the next one begins
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
		p.empty()
	}
	j.state = [Shards]progress{}
	clear(j.packets)
	j.packets = j.packets[:0]
	clear(j.loose)
	j.loose = j.loose[:0]
	j.items = 0
}

// empty forgets the records of a part.
func (p *part) empty() {
	if cap(p.out) > 2*maxOut {
		p.out = nil
	}
	p.out, p.spans = p.out[:0], p.spans[:0]
	p.given, p.off = 0, 0
}

// maxOut is how many bytes of records a worker holds before it gives them out:
// a small message can inflate to a large record.
const maxOut = 1 << 20

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
		if w.e.finish(j, w.num) {
			w.e.merge(j, math.MaxUint32)
			j.reset()
			w.e.jobs <- j
		}
	}
}

// finish notes that a worker has done its part, and reports whether all have.
func (e *Engine) finish(j *job, worker int) bool {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.state[worker].finished = true
	j.pending--
	j.moved.Broadcast()
	return j.pending == 0
}

// spill gives out what a worker has, up to the item that it is at. It waits
// until no other worker can still have something to say before that; until
// the worker goes on to its next item, the others wait for it in turn.
func (e *Engine) spill(j *job, worker int, index uint32) {
	if e.workers == 1 {
		e.merge(j, math.MaxUint32)
		j.part[0].empty()
		return
	}
	j.mu.Lock()
	defer j.mu.Unlock()
	st := &j.state[worker]
	st.waits, st.index = true, index
	j.moved.Broadcast()
	for !j.turn(e.workers, worker) {
		j.moved.Wait()
	}
	e.merge(j, index+1)
	j.part[worker].empty()
	st.waits = false
}

// turn reports whether every other worker has finished, or waits further on.
func (j *job) turn(workers, worker int) bool {
	for i := range workers {
		st := &j.state[i]
		if i != worker && !st.finished && !(st.waits && st.index > j.state[worker].index) {
			return false
		}
	}
	return true
}

// run does one worker's part of a job.
func (e *Engine) run(j *job, worker int) {
	p := &j.part[worker]
	for i, s := range e.shards {
		if i%e.workers == worker {
			s.part, s.budget.Oldest = p, j.oldest
			s.engine, s.job, s.worker = e, j, worker
		}
	}
	e.guard(func() { e.items(j, p) })
}

// stepItems is how many packets are taken, or items done, from one call of
// Config.Step to the next.
const stepItems = 32

func (e *Engine) items(j *job, p *part) {
	shards, halt, step := e.shards, e.halt, e.shards[0].cfg.Step
	for i := range p.items {
		if halt.stop.Load() {
			return
		}
		if i%stepItems == 0 && step != nil {
			step()
		}
		it := &p.items[i]
		s := shards[0]
		if it.c != nil {
			s = shards[it.c.shard]
		}
		s.order, s.index, s.now = j.base+int64(it.num), it.index, it.time
		switch it.kind {
		case itemSegment, itemCopy:
			s.segment(it)
		case itemEnd:
			s.end(it.c, ending(it.flags))
		case itemPacket:
			s.packet(&j.packets[it.seq], it.c, it.dir)
		case itemSettle:
			s.ripe(it.c, it.time)
		case itemLoose:
			s.loose(j.loose[it.seq])
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
// them about, which is that of the packets, up to those of item below.
func (e *Engine) merge(j *job, below uint32) {
	if e.cfg.Output == nil {
		return
	}
	for e.Err() == nil {
		var best *part
		index, limit := below, below
		for i := range e.workers {
			p := &j.part[i]
			if p.given == len(p.spans) {
				continue
			}
			if n := p.spans[p.given].index; n < index {
				best, index, limit = p, n, index
			} else {
				limit = min(limit, n)
			}
		}
		if best == nil {
			return
		}
		if e.cfg.Join {
			best.join(limit, &e.item)
			e.output()
			continue
		}
		// All records of one item lie together.
		for best.given < len(best.spans) && best.spans[best.given].index == index && e.Err() == nil {
			sp := &best.spans[best.given]
			e.item = Item{Conn: sp.conn, Type: sp.typ, Data: best.out[best.off:sp.end:sp.end]}
			best.given++
			best.off = sp.end
			e.output()
		}
	}
}

func (e *Engine) output() {
	if err := e.cfg.Output(&e.item); err != nil {
		e.fail(err)
	}
}

// join makes one item of the records of all items below limit.
func (p *part) join(limit uint32, it *Item) {
	from := p.off
	for ; p.given < len(p.spans) && p.spans[p.given].index < limit; p.given++ {
		p.off = p.spans[p.given].end
	}
	*it = Item{Data: p.out[from:p.off:p.off]}
}
