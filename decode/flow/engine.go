// Package flow is the engine: it takes packets, finds the connections they
// belong to, puts their bytes in order, decodes them and gives out records.
//
// One goroutine, the caller's, reads headers and finds connections. Each
// connection belongs to one of four shards, which does the rest for it and
// encodes its records; workers, goroutines as there are cores to spare, run the
// shards. The last of them to finish a job gives its records out in the order
// of the packets, so that the output does not depend on how many cores worked
// on it.
package flow

import (
	"cmp"
	"math"
	"runtime"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"framescope/decode/framing"
	"framescope/decode/packet"
	"framescope/decode/protocol"
	"framescope/decode/record"
)

// An Engine decodes the packets of one capture. Its methods are called by one
// goroutine.
type Engine struct {
	cfg    Config
	parser packet.Parser
	table  *table
	shards [Shards]*shard
	pkt    packet.Packet
	key    key

	job     *job
	jobs    chan *job // free ones
	large   []byte    // for long records, in the hands of one worker at a time
	halt    *halt
	flushed [recall]int64 // packets at the latest calls of Flush, in a ring
	flushes int
	work    []*worker // empty when Flush does the work
	wg      sync.WaitGroup
	item    Item
	// workers is how many parts a job has, at least one.
	workers int

	udp, members looseTable        // empty until there is something to hold
	nextFlow     int64             // numbers of UDP flows
	nextMember   int64             // and of memberships
	sent         protocol.Datagram // the one at work
	change       packet.Membership
	changes      packet.Memberships

	nextConn int64
	now      int64 // capture clock: the highest time seen
	before   int64 // the time of the packet before
	steady   int64 // the highest that two packets in a row have reached: a single one may be wrong
	last     int64 // number of the last packet
	closing  queue
	dead     queue
	young    queue // directions without SYN: see itemSettle
	wake     int64 // when the first of them has to be looked at

	sum   record.Summary
	skips map[skip]*skipped
	left  map[leftover]*skipped // nil until there is one
}

// A halt says that there is nothing more to do. Workers look at it for every
// packet: it is apart from what the caller's goroutine changes as often.
type halt struct {
	_    [64]byte
	stop atomic.Bool // or an error
	err  atomic.Pointer[error]
	_    [64]byte
}

const (
	second = int64(1e9)
	// deadTime is how long stragglers of a closed connection are still known.
	deadTime = 60 * second
	// connSize is what a connection without payload costs, with its entry and
	// its names.
	connSize = 1500
	// program is the part of MaxMemory that is not for the engine.
	program = 22 << 20
	// near is how far a sequence number may be from the last one of a closed
	// connection and still belong to it.
	near = 1 << 20
	// window is how far a RST may be from the last byte of its side: packets
	// may be missing, or in the wrong order.
	window = 64 << 10
	// maxSkips bounds the reasons that a summary lists.
	maxSkips = 64
	// maxLeft bounds the protocols that are told apart among the packets that are
	// not looked into.
	maxLeft = 1024
)

// New returns an engine for one capture.
func New(cfg Config) *Engine {
	cfg.FirstConn = cmp.Or(cfg.FirstConn, 1)
	cfg.FirstFlow = cmp.Or(cfg.FirstFlow, 1)
	cfg.FirstMembership = cmp.Or(cfg.FirstMembership, 1)
	cfg.MaxMemory = cmp.Or(cfg.MaxMemory, 384<<20)
	cfg.MaxMessage = cmp.Or(cfg.MaxMessage, 16<<20)
	cfg.MaxInflate = cmp.Or(cfg.MaxInflate, 256<<20)
	cfg.MaxStream = cmp.Or(cfg.MaxStream, 16<<20)
	cfg.Linger = cmp.Or(cfg.Linger, 2*time.Second)
	e := &Engine{cfg: cfg, nextConn: cfg.FirstConn, nextFlow: cfg.FirstFlow, nextMember: cfg.FirstMembership, skips: map[skip]*skipped{}, halt: new(halt)}
	for _, f := range cfg.Framings {
		cfg.magics = append(cfg.magics, f.Framing)
	}
	shared := &cfg // for the workers: apart from the Engine, as halt is
	// A quarter for connections as such, three eighths for what they hold; the
	// rest is room for packets on their way and for the garbage collector.
	memory := cfg.MaxMemory - program
	e.table = newTable(int(max(memory/4/connSize, 64)))
	for i := range e.shards {
		e.shards[i] = newShard(shared, max(memory/8*3, 1<<20)/Shards)
		e.shards[i].halt = e.halt
	}
	e.jobs = make(chan *job, Ahead)
	for range Ahead {
		j := new(job)
		j.moved = sync.NewCond(&j.mu)
		e.jobs <- j
	}
	e.job = <-e.jobs
	n := cfg.Workers
	if n == 0 {
		n = runtime.GOMAXPROCS(0) - 1
	}
	n = min(n, Shards)
	for i := range n {
		w := &worker{e: e, num: i, in: make(chan *job, Ahead)}
		e.work = append(e.work, w)
		e.wg.Add(1)
		go w.work()
	}
	e.workers = max(n, 1)
	return e
}

// Packet takes in one packet.
func (e *Engine) Packet(p *Packet) {
	if e.sum.Packets%stepItems == 0 && e.cfg.Step != nil {
		e.cfg.Step()
	}
	e.sum.Packets++
	e.sum.Bytes += int64(p.Wire)
	e.last = p.Number
	if p.Time > e.now {
		e.now = p.Time
	}
	e.steady = max(e.steady, min(p.Time, e.before))
	e.before = p.Time
	if p.Time > e.sum.Last {
		e.sum.Last = p.Time
	}
	if p.Time > 0 && (e.sum.First == 0 || p.Time < e.sum.First) {
		e.sum.First = p.Time
	}
	pk := &e.pkt
	cause := e.parser.Parse(p.Link, p.Data, p.Wire, p.Time, pk)
	if cause.Unreadable() {
		e.skip(cause, p)
	}
	if cause == packet.OK && pk.Proto == packet.ProtoTCP {
		e.segment(p, pk)
	} else {
		e.other(p, pk, cause)
	}
	if e.now >= e.wake {
		e.expire()
	}
}

// Tick says what time it is where packets are captured live, in nanoseconds
// since 1970 UTC: all that were captured before it have been taken in. What
// waits for a time to pass does not have to wait for the next packet then.
func (e *Engine) Tick(now int64) {
	if now <= e.now || e.sum.Packets == 0 {
		return
	}
	e.now, e.steady = now, now
	if e.now >= e.wake {
		e.expire()
	}
}

// Dropped adds n packets that were captured and lost before they came here.
func (e *Engine) Dropped(n int64) { e.sum.Dropped += n }

// TCP flags as packet.Packet.Flags has them.
const (
	flagFIN = 1 << iota
	flagSYN
	flagRST
	flagPSH
	flagACK
	flagURG
)

// packet queues a packet record.
func (e *Engine) packet(p *Packet, pk *packet.Packet, cause packet.Cause, c *conn, dir uint8) {
	j := e.job
	it := j.add(e.worker(c), p.Number, p.Time)
	it.c, it.kind, it.dir, it.seq = c, itemPacket, dir, uint32(len(j.packets))
	j.packets = append(j.packets, packetRecord(e.cfg.File, p, pk, cause))
}

// worker returns which one decodes c.
func (e *Engine) worker(c *conn) int {
	if c == nil || e.workers == 1 {
		return 0
	}
	return int(c.shard) % e.workers
}

// segment finds the connection of a TCP segment and queues the segment for its
// shard.
func (e *Engine) segment(p *Packet, pk *packet.Packet) {
	k := &e.key
	dir := k.set(pk)
	h := e.table.hash(k)
	en := e.table.find(k, h)
	if en != nil && !en.owns(pk, dir) {
		if en.conn != nil {
			e.end(en, endReused, p.Number, p.Time)
		}
		e.table.remove(en)
		en = nil
	}
	if en == nil {
		if e.table.full() {
			v := e.table.victim()
			if v.conn != nil {
				e.end(v, endEvicted, p.Number, p.Time)
			}
			e.table.remove(v)
		}
		en = e.table.insert(k, h)
		en.conn = e.newConn(p, pk, dir)
	}
	if en.seen>>dir&1 == 0 && pk.Flags&flagSYN == 0 && en.conn != nil {
		e.young.push(en, e.now+earlyTime)
		e.wake = min(e.wake, e.now+earlyTime)
	}
	en.note(pk, dir, p.Time)
	flags := pk.Flags
	if flags&flagRST != 0 && !en.resets(pk.Seq, dir) {
		flags &^= flagRST
	}
	if e.cfg.Want.Has(record.TypePacket) {
		e.packet(p, pk, packet.OK, en.conn, dir)
	}
	if en.conn == nil {
		return
	}
	if en.state == stateOpen && (flags&flagRST != 0 || en.fins == 3) {
		en.state = stateClosing
		at := e.now + int64(e.cfg.Linger)
		e.closing.push(en, at)
		e.wake = min(e.wake, at)
	}
	it := e.job.add(e.worker(en.conn), p.Number, p.Time)
	it.c, it.kind, it.dir, it.flags = en.conn, itemSegment, dir, uint8(flags)
	if pk.Fragments != 0 {
		it.kind = itemCopy
	}
	it.seg, it.hlen, it.wire = pk.Segment, pk.HeaderLen, uint32(pk.Wire)
	it.seq, it.ack = pk.Seq, pk.Ack
	if flags != pk.Flags { // its payload, if any, is not part of the stream
		it.seg, it.wire = it.seg[:it.hlen], 0
	}
}

// newConn makes the connection that p is the first packet of.
func (e *Engine) newConn(p *Packet, pk *packet.Packet, dir uint8) *conn {
	c := &conn{id: e.nextConn, start: p.Time, client: dir, looking: true}
	c.addr[dir], c.addr[1-dir] = pk.Src, pk.Dst
	c.port[dir], c.port[1-dir] = pk.SrcPort, pk.DstPort
	c.shard = uint8(c.id % Shards)
	s := e.shards[c.shard]
	for i := range c.half {
		c.half[i].tcp.Config, c.half[i].tcp.Budget = &s.tcp, &s.budget
	}
	e.nextConn++
	e.sum.Connections++
	switch {
	case pk.Flags&(flagSYN|flagACK) == flagSYN:
	case pk.Flags&(flagSYN|flagACK) == flagSYN|flagACK:
		c.client = 1 - dir
	default:
		// Servers have the lower port more often than not; what the two say
		// may tell better later.
		c.midstream = true
		if pk.SrcPort < pk.DstPort {
			c.client = 1 - dir
		}
	}
	for _, f := range e.cfg.Framings {
		if f.Port == c.port[1-c.client] || c.midstream && f.Port == c.port[c.client] {
			c.framing = f.Framing
			if f.Port != c.port[1-c.client] {
				c.client = 1 - c.client // it is the server's port
			}
			c.half[0].mode, c.half[1].mode = modeUnits, modeUnits
			switch f.From {
			case framing.Client:
				c.half[1-c.client].mode = modeIgnore
			case framing.Server:
				c.half[c.client].mode = modeIgnore
			}
			break
		}
	}
	for _, port := range e.cfg.DecodeAs {
		c.decodeAs = c.decodeAs || port == pk.SrcPort || port == pk.DstPort
	}
	return c
}

// Flush hands the packets taken in so far to the shards. When all of them are
// decoded and their records have been given out, release is called, by another
// goroutine: the packets' bytes are not used any more, but see Config.Lasting.
func (e *Engine) Flush(release func()) {
	j := e.job
	j.release = release
	j.oldest, e.flushed[e.flushes%recall] = e.flushed[e.flushes%recall]+1, e.sum.Packets
	e.flushes++
	if len(e.work) == 0 {
		e.run(j, 0)
		e.merge(j, math.MaxUint32)
		j.reset()
		return
	}
	j.pending = len(e.work)
	for _, w := range e.work {
		w.in <- j
	}
	e.job = <-e.jobs
}

// Close ends all connections, waits until all records have been given out, the
// summary last, and returns it. truncated says that the capture was damaged or
// cut short.
func (e *Engine) Close(truncated bool) (*record.Summary, error) {
	left := make([]*entry, 0, e.table.live)
	for i := range e.table.entries {
		if en := e.table.at(int32(i)); en.used && en.conn != nil {
			left = append(left, en)
		}
	}
	slices.SortFunc(left, func(a, b *entry) int { return cmp.Compare(a.conn.id, b.conn.id) })
	for _, en := range left {
		e.end(en, endOpen, 0, e.now)
	}
	e.looseRest()
	e.Flush(nil)
	for _, w := range e.work {
		close(w.in)
	}
	e.wg.Wait()
	e.summarize(truncated)
	e.give(&e.sum)
	return &e.sum, e.Err()
}

// Stop makes the engine pass over the packets that it was given and has not
// decoded yet. It may be called by any goroutine; Close has to be called as
// ever.
func (e *Engine) Stop() { e.halt.stop.Store(true) }

// Err returns the first error of the output, or of the memory that packets
// were in.
func (e *Engine) Err() error {
	if err := e.halt.err.Load(); err != nil {
		return *err
	}
	return nil
}

func (e *Engine) fail(err error) {
	e.halt.err.CompareAndSwap(nil, &err)
	e.halt.stop.Store(true)
}
