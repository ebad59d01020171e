// Package flow is the engine: it takes packets, finds the connections they
// belong to, puts their bytes in order, decodes them and gives out records.
//
// One goroutine, the caller's, reads headers and finds connections. Each
// connection belongs to a shard, a goroutine that does the rest for it and
// encodes its records. Another goroutine hands the encoded records out in the
// order of the packets, so that the output does not depend on how many cores
// worked on it.
package flow

import (
	"cmp"
	"errors"
	"math"
	"runtime"
	"slices"
	"sync"
	"sync/atomic"

	"framescope/decode/packet"
	"framescope/decode/record"
)

// A Packet is one captured packet.
type Packet struct {
	// Data is what was captured of it. It must stay unchanged until the engine
	// has released it (Engine.Flush).
	Data []byte
	// Time is when it was captured, in nanoseconds since 1970 UTC.
	Time int64
	// Number counts the packets of the capture, from 1.
	Number int64
	// Off is where the packet is in its file, in bytes.
	Off int64
	// Wire is its length on the wire, at least len(Data).
	Wire uint32
	// Link is its link type, a LINKTYPE_ number.
	Link uint16
	// Interface is the number of the interface that captured it.
	Interface uint16
}

// An Encoder turns records into bytes. It is used by one goroutine.
type Encoder interface {
	// Encode appends r to dst and returns the result. It keeps neither.
	Encode(dst []byte, r record.Record) []byte
}

// An Item is a record as its Encoder wrote it. Data is valid during the call of
// Config.Output.
type Item struct {
	// Conn is the number of the record's connection, 0 for none.
	Conn int64
	Type record.Type
	Data []byte
}

// Shards is into how many parts the connections are divided. It is fixed, so
// that what fits into memory does not depend on the machine.
const Shards = 4

// Ahead is how many runs of packets, from one Flush to the next, are on their
// way through an engine at most.
const Ahead = 3

// ErrMemory says that the memory in which packets were could not be read any
// more: a mapped file became shorter.
var ErrMemory = errors.New("packets cannot be read any more: the file changed while it was read")

// A Config says what an Engine is to do. The zero values of its limits stand
// for the defaults that are named beside them.
type Config struct {
	// File is the capture's name as records give it.
	File string
	// FirstConn is the number of the first connection, from 1; zero means 1.
	FirstConn int64
	// Want is the set of records to give out.
	Want record.Set
	// Match, if not nil, says whether a record is to be given out. It is
	// called by several goroutines.
	Match func(record.Record) bool
	// Encoder makes the Encoder of a shard; Output receives what the Encoders
	// wrote, in the order of the packets, in one goroutine. The first error it
	// returns stops the output and is returned by Close.
	Encoder func() Encoder
	Output  func(*Item) error
	// Redact replaces secrets; nil means that they are shown.
	Redact *record.Redactor

	// Preview is how many bytes of a payload frames and messages show; zero
	// means none. Full shows messages whole, up to MaxMessage. Digest asks for
	// the SHA-256 of messages.
	Preview int
	Full    bool
	Digest  bool

	// DecodeAs names TCP ports whose connections are WebSocket even where no
	// handshake says so.
	DecodeAs []uint16
	// Lasting says that the bytes of all packets stay as they are, and can be
	// read, until Close returns, as those of a mapped file: then they are
	// referred to where they would have to be copied.
	Lasting bool
	// KeepLast keeps the last of overlapping bytes that disagree, instead of
	// the first.
	KeepLast bool

	// MaxMemory bounds the memory of the process in bytes (384 MiB), 22 MiB of
	// which are for the program itself; at least 64 MiB make sense.
	MaxMemory int64
	// MaxMessage is how many bytes of a message are kept (16 MiB), MaxInflate
	// how many one may inflate to (256 MiB).
	MaxMessage, MaxInflate int64
	// MaxStream is how many bytes of one direction of a connection are kept
	// while earlier ones are missing (16 MiB).
	MaxStream int

	// Join allows Output to get many records in one Item, whose Conn and Type
	// then mean nothing.
	Join bool

	// Workers is how many goroutines decode, besides the caller's, up to
	// Shards; zero means one for each further core. With none, as on a single
	// core or when it is negative, Flush does all work before it returns.
	Workers int
}

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

	nextConn int64
	now      int64 // capture clock: the highest time seen
	closing  queue
	dead     queue
	wake     int64 // when the first of them has to be looked at

	sum   record.Summary
	skips map[skip]*skipped
}

// A halt says that there is nothing more to do. Workers look at it for every
// packet: it is apart from what the caller's goroutine changes as often.
type halt struct {
	_    [64]byte
	stop atomic.Bool // or an error
	err  atomic.Pointer[error]
	_    [64]byte
}

// A skip is a reason why packets could not be read. link is zero unless it is
// the reason.
type skip struct {
	cause packet.Cause
	link  uint16
}

type skipped struct{ packets, bytes int64 }

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

const (
	second = int64(1e9)
	// linger is how long a closed connection waits for packets that the
	// capture put behind its end.
	linger = 2 * second
	// deadTime is how long stragglers of a closed connection are still known.
	deadTime = 60 * second
	// connSize is what a connection without payload costs, with its entry and
	// its names.
	connSize = 1400
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
)

// New returns an engine for one capture.
func New(cfg Config) *Engine {
	cfg.FirstConn = cmp.Or(cfg.FirstConn, 1)
	cfg.MaxMemory = cmp.Or(cfg.MaxMemory, 384<<20)
	cfg.MaxMessage = cmp.Or(cfg.MaxMessage, 16<<20)
	cfg.MaxInflate = cmp.Or(cfg.MaxInflate, 256<<20)
	cfg.MaxStream = cmp.Or(cfg.MaxStream, 16<<20)
	e := &Engine{cfg: cfg, nextConn: cfg.FirstConn, skips: map[skip]*skipped{}, halt: new(halt)}
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
	e.sum.Packets++
	e.sum.Bytes += int64(p.Wire)
	if p.Time > e.now {
		e.now = p.Time
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
	} else if e.cfg.Want.Has(record.TypePacket) {
		e.packet(p, pk, cause, nil, 0)
	}
	if e.now >= e.wake {
		e.expire()
	}
}

// skip counts a packet that could not be read.
func (e *Engine) skip(cause packet.Cause, p *Packet) {
	k := skip{cause: cause}
	if cause == packet.UnknownLink || cause == packet.UnreadableLink {
		k.link = p.Link
	}
	c := e.skips[k]
	if c == nil {
		c = new(skipped)
		e.skips[k] = c
	}
	c.packets++
	c.bytes += int64(p.Wire)
}

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
		e.closing.push(en, e.now+linger)
		e.wake = min(e.wake, e.now+linger)
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

// resets reports whether a RST counts: one that is nowhere near what its side
// has sent is dropped by its receiver (RFC 9293 section 3.5.3).
func (en *entry) resets(seq uint32, dir uint8) bool {
	diff := int32(seq - en.next[dir])
	return en.seen>>dir&1 == 0 || diff >= -window && diff <= window
}

// newConn makes the connection that p is the first packet of.
func (e *Engine) newConn(p *Packet, pk *packet.Packet, dir uint8) *conn {
	c := &conn{id: e.nextConn, start: p.Time, client: dir}
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
	for _, port := range e.cfg.DecodeAs {
		c.decodeAs = c.decodeAs || port == pk.SrcPort || port == pk.DstPort
	}
	return c
}

// owns reports whether a segment belongs to the connection of en rather than
// to a new one with the same addresses and ports.
func (en *entry) owns(pk *packet.Packet, dir uint8) bool {
	d, o := uint8(1)<<dir, uint8(2)>>dir
	if pk.Flags&flagSYN != 0 && pk.Flags&flagRST == 0 {
		switch {
		case en.synced&d != 0 && en.isn[dir] == pk.Seq:
			return true // sent again
		case pk.Flags&flagACK != 0 && en.synced&o != 0:
			// An answer to the SYN that is known, even if it is another one.
			// It may acknowledge data that came with the SYN (RFC 7413).
			first := en.isn[1-dir] + 1
			return pk.Ack-first <= en.next[1-dir]-first && en.state != stateDead
		case en.synced&d != 0, en.state != stateOpen:
			return false
		case en.seen&d != 0:
			// A SYN that the capture put behind its data.
			return uint32(en.next[dir]-pk.Seq) < near
		default:
			return pk.Flags&flagACK != 0 || en.synced&o != 0 || en.seen&o == 0
		}
	}
	if en.state == stateDead && pk.Wire > 0 && pk.Flags&flagRST == 0 {
		// Bytes that the old connection did not have: another one, whose SYN was
		// not captured, or its peers did not believe the RST.
		end := int32(pk.Seq + uint32(pk.Wire) - en.next[dir])
		return en.seen&d != 0 && end <= 0 && end > -near
	}
	return true
}

// note remembers what a segment tells of its connection.
func (en *entry) note(pk *packet.Packet, dir uint8, now int64) {
	en.recent = true
	en.last = now
	d := uint8(1) << dir
	end := pk.Seq + uint32(pk.Wire)
	if pk.Flags&(flagSYN|flagFIN|flagRST) != 0 {
		if pk.Flags&flagRST != 0 {
			return // its sequence number need not mean anything
		}
		if pk.Flags&flagSYN != 0 {
			end++
			if en.synced&d == 0 {
				en.synced |= d
				en.isn[dir] = pk.Seq
			}
		}
		if pk.Flags&flagFIN != 0 {
			end++
			en.fins |= d
		}
	}
	if en.seen&d == 0 || int32(end-en.next[dir]) > 0 {
		en.seen |= d
		en.next[dir] = end
	}
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
		if en.last+linger > e.now {
			e.closing.push(en, en.last+linger)
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
	e.wake = min(e.closing.first(), e.dead.first())
}

// end tells the shard that a connection is over.
func (e *Engine) end(en *entry, why ending, num, now int64) {
	if num == 0 {
		num = e.job.last
	}
	it := e.job.add(e.worker(en.conn), num, now)
	it.c, it.kind, it.flags = en.conn, itemEnd, uint8(why)
	en.conn = nil
	en.state = stateDead
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

// summarize adds up what the engine and its shards counted.
func (e *Engine) summarize(truncated bool) {
	s := &e.sum
	s.File = e.cfg.File
	s.Time = s.First
	s.Last = e.now
	s.Truncated = truncated
	for _, sh := range e.shards {
		t := &sh.sum
		s.Sessions += t.Sessions
		s.Failed += t.Failed
		s.Frames += t.Frames
		s.Messages += t.Messages
		s.Missing += t.Missing
		s.Undecoded += t.Undecoded
		s.Evicted += t.Evicted
		s.Errors += t.Errors
		s.Warnings += t.Warnings
		s.Notes += t.Notes
	}
	if n := e.parser.Unfinished(); n > 0 {
		s.Skipped = append(s.Skipped, record.Skip{Cause: packet.UnfinishedFragment.String(), Packets: n})
	}
	for k, c := range e.skips {
		name := k.cause.String()
		if k.link != 0 {
			name += ": " + packet.LinkName(k.link)
		}
		s.Skipped = append(s.Skipped, record.Skip{Cause: name, Packets: c.packets, Bytes: c.bytes})
	}
	undecoded := map[string]int64{}
	for _, sh := range e.shards {
		for cause, n := range sh.skips {
			undecoded[cause] += n
		}
	}
	for cause, n := range undecoded {
		s.Skipped = append(s.Skipped, record.Skip{Cause: cause, Bytes: n})
	}
	slices.SortFunc(s.Skipped, func(a, b record.Skip) int {
		return cmp.Or(cmp.Compare(b.Packets, a.Packets), cmp.Compare(b.Bytes, a.Bytes), cmp.Compare(a.Cause, b.Cause))
	})
	s.Skipped = s.Skipped[:min(len(s.Skipped), maxSkips)]
}

// give gives out a record that belongs to no shard.
func (e *Engine) give(r record.Record) {
	if !e.cfg.Want.Has(r.Type()) || e.cfg.Output == nil || e.Err() != nil {
		return
	}
	if e.cfg.Match != nil && !e.cfg.Match(r) {
		return
	}
	data := e.cfg.Encoder().Encode(nil, r)
	if err := e.cfg.Output(&Item{Type: r.Type(), Data: data}); err != nil {
		e.fail(err)
	}
}
