package flow

import (
	"math"
)

// A waiter is an entry that something happens to at a time.
type waiter struct {
	index int32
	gen   uint32
	at    int64
}

// A queue holds waiters in the order in which they came.
type queue struct {
	w    []waiter
	head int
}

func (q *queue) push(e *entry, at int64) { q.w = append(q.w, waiter{e.index, e.gen, at}) }

// first returns when the first waiter's time has come.
func (q *queue) first() int64 {
	if q.head == len(q.w) {
		return math.MaxInt64
	}
	return q.w[q.head].at
}

// pop returns the first waiter whose time has come.
func (q *queue) pop(now int64) (w waiter, ok bool) {
	if q.head == len(q.w) || q.w[q.head].at > now {
		return w, false
	}
	w = q.w[q.head]
	if q.head++; q.head == len(q.w) {
		q.w, q.head = q.w[:0], 0
	} else if q.head >= 1024 && q.head*2 > len(q.w) {
		q.w = q.w[:copy(q.w, q.w[q.head:])]
		q.head = 0
	}
	return w, true
}

// expire ends the connections whose time has come.
func (e *Engine) expire() {
	for {
		w, ok := e.closing.pop(e.now)
		if !ok {
			break
		}
		en := e.table.at(w.index)
		if en.gen != w.gen || !en.used || en.conn == nil {
			continue
		}
		if at := en.last + int64(e.cfg.Linger); at > e.now {
			e.closing.push(en, at)
			continue
		}
		e.end(en, endClosed, 0, e.now)
		e.dead.push(en, e.now+deadTime)
	}
	for {
		w, ok := e.dead.pop(e.now)
		if !ok {
			break
		}
		if en := e.table.at(w.index); en.gen == w.gen && en.used && en.conn == nil {
			e.table.remove(en)
		}
	}
	for {
		w, ok := e.young.pop(e.now)
		if !ok {
			break
		}
		en := e.table.at(w.index)
		if en.gen != w.gen || !en.used || en.conn == nil {
			continue
		}
		it := e.job.add(e.worker(en.conn), e.last, e.now)
		it.c, it.kind = en.conn, itemSettle
	}
	e.wake = min(e.closing.first(), e.dead.first(), e.young.first(), e.quiet())
}

// end tells the shard that a connection is over.
func (e *Engine) end(en *entry, why ending, num, now int64) {
	if num == 0 {
		num = e.last
	}
	it := e.job.add(e.worker(en.conn), num, now)
	it.c, it.kind, it.flags = en.conn, itemEnd, uint8(why)
	en.conn = nil
	en.state = stateDead
}
