package flow

import (
	"bytes"
	"encoding/binary"
	"slices"

	"framescope/decode"
	"framescope/decode/finding"
	"framescope/decode/http1"
	"framescope/decode/record"
	"framescope/decode/stream"
	"framescope/decode/websocket"
)

// A shard decodes a part of the connections. It is used by one goroutine.
type shard struct {
	cfg    *Config
	enc    Encoder
	tcp    stream.Config
	budget stream.Budget
	sum    record.Summary // what this shard counted

	part   *part // of job, for the worker that runs this shard
	job    *job
	engine *Engine
	halt   *halt
	worker int

	order int64  // number of the packet at work
	index uint32 // of the item at work
	now   int64

	limit int64   // bytes that connections may hold, besides the budget
	mem   int64   // bytes that they hold
	heavy []*conn // those that hold any

	seg   stream.Segment
	piece stream.Piece
	req   http1.Request
	resp  http1.Response
	h     receiver
	sides websocket.Config
	rtt   int64            // of the frame at work
	grown bool             // a Side may hold much more than before
	skips map[string]int64 // bytes not decoded, by cause

	// Records under construction; they are used again and again.
	frame   record.Frame
	message record.Message
	problem record.Finding
	proof   [1]record.Evidence
}

func newShard(cfg *Config, memory int64) *shard {
	s := &shard{cfg: cfg, limit: memory / 2, skips: map[string]int64{}}
	if !cfg.Want.Has(record.TypeFrame) && !cfg.Want.Has(record.TypeMessage) {
		cfg.Preview, cfg.Full = 0, false
	}
	s.sides = websocket.Config{
		Preview: cfg.Preview, Full: cfg.Full, Digest: cfg.Digest,
		// A message that is kept whole must not push out all else.
		MaxMessage: min(cfg.MaxMessage, s.limit/2), MaxInflate: cfg.MaxInflate,
	}
	s.budget.Max = memory / 2
	s.tcp.Limits.Bytes, s.tcp.Limits.Pieces = cfg.MaxStream, max(cfg.MaxStream/512, 4096)
	s.tcp.Limits.History = copied
	if cfg.Lasting {
		s.tcp.Limits.History = quoted
	}
	if cfg.KeepLast {
		s.tcp.Overlap = stream.Last
	}
	if cfg.Encoder != nil {
		s.enc = cfg.Encoder()
	}
	s.h.s = s
	s.frame.File = cfg.File
	return s
}

// segment takes one TCP segment.
func (s *shard) segment(it *item) {
	c, dir := it.c, it.dir
	if c.over {
		return
	}
	h := &c.half[dir]
	c.packets[dir]++
	c.last = max(c.last, it.time)
	c.lastPacket = s.order
	if it.flags&(flagSYN|flagFIN|flagRST) != 0 {
		s.control(c, it)
	}
	switch {
	case h.settled:
		s.take(it, s.order)
	case it.flags&flagSYN != 0:
		h.settled = true
		s.take(it, s.order)
		s.settle(c, dir)
	default:
		w := h.waits()
		w.early = append(w.early, early{*it, s.order})
		last := &w.early[len(w.early)-1]
		last.seg, last.kind = bytes.Clone(it.seg), itemCopy
		if len(w.early) == maxEarly || it.time-w.early[0].time > earlyTime {
			s.settle(c, dir)
		}
	}
	// What Sides hold changes slowly, unless they keep messages or search; what
	// waits can be a lot at once.
	if h.wait != nil || s.grown || h.side != nil && ((c.packets[0]+c.packets[1])&7 == 0 || c.ws == nil || s.cfg.Full) {
		s.grown = false
		s.weigh(c)
	}
}

// Without a SYN it takes a few segments of a direction to tell where it
// begins: the capture may have put the first ones into the wrong order.
const (
	maxEarly  = 12
	earlyTime = second / 10
)

// An early segment waits with bytes of its own.
type early struct {
	item
	num int64
}

// settle takes the segments that came before it was known where their direction
// begins.
func (s *shard) settle(c *conn, dir uint8) {
	h := &c.half[dir]
	if h.wait == nil {
		h.settled = true
		return
	}
	wait := h.wait.early
	h.wait.early = nil
	if !h.settled && len(wait) > 1 {
		// The lowest sequence number comes first; the assembler does the rest.
		first := 0
		for i := range wait {
			d := int32(wait[i].seq - wait[first].seq)
			if wait[i].flags&flagRST == 0 && d < 0 && d > -near {
				first = i
			}
		}
		s.take(&wait[first].item, wait[first].num)
		wait[first].c = nil
	}
	h.settled = true
	for i := range wait {
		if wait[i].c != nil {
			s.take(&wait[i].item, wait[i].num)
		}
	}
}

// take hands a segment to the assembler, and on what comes out of it.
func (s *shard) take(it *item, num int64) {
	c, dir := it.c, it.dir
	h, other := &c.half[dir], &c.half[1-dir]
	if c.quiet {
		return
	}
	o := decode.Origin{Packet: num, Time: it.time}
	if it.flags&flagACK != 0 && it.flags&flagRST == 0 && other.tcp.Acked(it.ack, o) {
		s.drain(c, 1-dir)
	}
	urgent := uint16(0)
	if it.flags&flagURG != 0 && len(it.seg) >= 20 {
		urgent = binary.BigEndian.Uint16(it.seg[18:])
	}
	g := &s.seg // filled in place: see key.set
	g.Seq, g.Flags, g.Urgent, g.Wire = it.seq, stream.Flags(it.flags), urgent, int(it.wire)
	g.Payload = it.seg[it.hlen:]
	g.Origin.Packet, g.Origin.Time = num, it.time
	g.Lasts = s.cfg.Lasting && it.kind == itemSegment
	if !h.tcp.Segment(g) {
		return
	}
	s.drain(c, dir)
	if !h.ended && h.tcp.Ended() {
		s.streamEnd(c, dir)
		if other.ended {
			// All bytes of both sides are through: what comes now are
			// acknowledgements and repetitions.
			c.quiet = true
			h.tcp.Release()
			other.tcp.Release()
		}
	}
}

// How many bytes of a direction are kept to notice that they come again and
// differ, as those of a forged segment do. Where they have to be copied, more
// would take the cache away from everything else.
const (
	copied = 4 << 10
	quoted = 16 << 10
	// recall is for how many jobs bytes that are quoted are still looked at:
	// what the reader has given back to the system would come into memory again.
	recall = 16
)

// control notes what opens and what ends a connection.
func (s *shard) control(c *conn, it *item) {
	dir := it.dir
	if it.flags&flagSYN != 0 {
		c.synced[dir] = true
		client := dir
		if it.flags&flagACK == 0 {
			c.syns++
		} else {
			client = 1 - dir
		}
		if c.midstream && c.rec == nil {
			// The capture put the SYN behind other packets.
			c.client, c.midstream = client, false
		}
	}
	if it.flags&(flagFIN|flagRST) != 0 && c.closer == 0 {
		c.closer = 1 + int8(dir)
		c.closeAt = decode.Origin{Packet: s.order, Time: it.time}
	}
	if it.flags&flagRST != 0 {
		c.reset = true
	}
}

// drain takes what a direction's assembler has to say.
func (s *shard) drain(c *conn, dir uint8) {
	h := &c.half[dir]
	p := &s.piece
	for h.tcp.Next(p) {
		switch p.Kind {
		case stream.Data:
			h.off = p.Off
			s.data(c, dir, p.Data, p.Start, p.Origin)
		case stream.Gap:
			h.off = p.Off
			s.gap(c, dir, p)
		case stream.Conflict:
			s.conflict(c, dir, p)
		}
	}
}

// maxIdle bounds how often layers can hand the same bytes to each other.
const maxIdle = 8

// data takes bytes of the stream in their order.
func (s *shard) data(c *conn, dir uint8, b []byte, start bool, o decode.Origin) {
	h := &c.half[dir]
	h.fed = true
	for idle, left := 0, len(b); len(b) > 0; {
		// What takes the bytes may change a few times before any are taken.
		if idle++; len(b) < left {
			idle, left = 0, len(b)
		} else if idle > maxIdle {
			s.ignore(c, dir)
		}
		switch h.mode {
		case modeFrames:
			if h.fresh && s.again(c, dir, b) {
				continue
			}
			h.fresh = false
			s.h.at(c, dir)
			h.side.Data(b, start, o, &s.h)
			return
		case modeIgnore:
			if c.ws != nil && c.ws.opened {
				s.ignored(c, dir, int64(len(b)), h.off, o)
			}
			return
		case modeHold:
			s.hold(c, dir, b, start, o)
			return
		case modeBody:
			n, err := h.waits().body.Data(b)
			b, start = b[n:], start && n == 0
			h.off += int64(n)
			if err != nil {
				s.ignore(c, dir)
				return
			}
			if h.waits().body.Done() {
				s.bodyEnd(c, dir)
			}
		case modeHead:
			n := s.head(c, dir, b, start, o)
			b, start = b[n:], start && n == 0
		}
	}
}

// gap takes the news that stream bytes are missing.
func (s *shard) gap(c *conn, dir uint8, p *stream.Piece) {
	h := &c.half[dir]
	if p.Why == stream.Cut && !c.cut {
		c.cut, c.cutAt = true, p.Origin
	}
	switch h.mode {
	case modeFrames:
		switch {
		case c.ws == nil:
		case p.Why == stream.Cut:
			// said once, at the end
		default:
			text := itoa(p.Len) + " bytes missing: " + p.Why.String()
			s.event(c, c.direction(dir), finding.CaptureGap, p.Origin, p.Off, text)
		}
		h.fresh = false
		s.h.at(c, dir)
		h.side.Gap(p.Len, p.Origin, &s.h)
	case modeHold:
		h.waits().kept.gap(p.Len, p.Origin, h.off)
	case modeBody:
		n, err := h.waits().body.Gap(p.Len)
		if err != nil || n < p.Len {
			s.headLost(c, dir, p.Origin)
		} else if h.waits().body.Done() {
			s.bodyEnd(c, dir)
		}
	case modeHead:
		s.headLost(c, dir, p.Origin)
	}
}

func (s *shard) conflict(c *conn, dir uint8, p *stream.Piece) {
	if !s.reports(c, c.direction(dir), finding.OverlapConflict) {
		return
	}
	text := "bytes that were sent before came again and differ"
	if p.Earlier != 0 {
		text = "differs from what packet " + itoa(p.Earlier) + " brought"
	}
	s.report(c, c.direction(dir), finding.OverlapConflict, p.Origin, p.Off, text)
}

// ignore gives up a direction: it carries something that is not decoded.
func (s *shard) ignore(c *conn, dir uint8) {
	h := &c.half[dir]
	h.mode = modeIgnore
	if h.wait != nil && h.wait.alien != nil {
		h.wait = &wait{alien: h.wait.alien}
	} else {
		h.wait = nil
	}
}

// streamEnd tells the layers that no more bytes will come in a direction.
func (s *shard) streamEnd(c *conn, dir uint8) {
	h := &c.half[dir]
	if h.ended {
		return
	}
	if h.mode == modeHead && h.keeps() {
		k := h.wait.kept.data
		// More bytes would have told what it is.
		if kind := http1.Sniff(k); kind != http1.RequestHead && kind != http1.ResponseHead {
			s.foreign(c, dir, http1.Other, k)
		}
	}
	h.ended = true
	switch h.mode {
	case modeFrames:
		s.h.at(c, dir)
		h.side.End(c.closed(dir), &s.h)
	case modeBody:
		s.bodyEnd(c, dir)
	case modeHold:
		s.decide(c, dir, true)
		if h.mode == modeFrames {
			s.h.at(c, dir)
			h.side.End(c.closed(dir), &s.h)
		}
	}
}

// end closes the books of a connection.
func (s *shard) end(c *conn, why ending) {
	if c.over {
		return
	}
	for dir := range c.half {
		s.settle(c, uint8(dir))
	}
	for dir := range c.half {
		if !c.quiet {
			c.half[dir].tcp.Finish()
			s.drain(c, uint8(dir))
		}
	}
	// The client first: what it asked explains what the server sent.
	s.streamEnd(c, c.client)
	s.streamEnd(c, 1-c.client)
	s.finishHTTP(c, why)
	s.finishSession(c, why)
	s.connEnd(c, why)
	c.over = true
	for i := range c.half {
		h := &c.half[i]
		h.tcp.Release()
		*h = half{}
	}
	c.http, c.ws = nil, nil
	s.unweigh(c)
}

// captured reports what the capture lacks of a session.
func (s *shard) captured(c *conn) {
	ws := c.ws
	if ws == nil || !ws.opened {
		return
	}
	if c.cut {
		s.report(c, record.None, finding.SnaplenCut, c.cutAt, -1, "the first packet that was cut short")
	}
	if !ws.known && c.midstream {
		s.report(c, record.None, finding.Midstream, decode.Origin{}, -1, "")
	}
	for dir := range c.half {
		if c.packets[dir] == 0 {
			s.report(c, record.None, finding.OneDirection, decode.Origin{}, -1, "no packet of the "+c.direction(uint8(dir)).String())
		}
	}
}

// connEnd gives out the connection's own record, and what only its end shows.
func (s *shard) connEnd(c *conn, why ending) {
	e := record.ConnEnd{Head: s.shared(c, record.None, c.start, 0, 0), Protocol: c.proto,
		Duration: max(c.last-c.start, 0), Midstream: c.midstream}
	cl := c.client
	if c.closer != 0 {
		e.EndedBy = c.direction(uint8(c.closer - 1))
	}
	switch {
	case why == endEvicted:
		e.End = "evicted"
		s.sum.Evicted++
		if c.ws != nil && c.ws.opened {
			s.report(c, record.None, finding.ConnectionEvicted, c.lastSeen(), -1, "its last packet before that")
		}
	case c.synced[cl] && !c.synced[1-cl] && c.reset && e.EndedBy == record.Server:
		e.End = "refused"
	case c.synced[cl] && c.packets[1-cl] == 0 && c.packets[cl] == int64(c.syns):
		e.End = "unanswered"
	case c.reset:
		e.End = "rst"
	case c.half[0].fin() && c.half[1].fin(), why == endClosed:
		e.End = "fin"
	case why == endReused:
		e.End = "reused"
	default:
		e.End = "open"
	}
	s.captured(c)
	switch e.End {
	case "refused":
		s.report(c, record.Server, finding.TCPRefused, c.closeAt, -1, "the SYN was answered with RST")
	case "unanswered":
		if c.syns > 1 {
			s.report(c, record.Client, finding.TCPSYNTimeout, c.lastSeen(), -1, itoa(int64(c.syns))+" SYNs, no answer")
		}
	}
	for dir := range c.half {
		h := &c.half[dir]
		st := h.tcp.Stats()
		s.sum.Missing += st.Missing
		t := record.Traffic{
			Packets: c.packets[dir], Bytes: st.Bytes, Stream: st.Delivered, Missing: st.Missing,
			Retransmitted: st.Retransmitted, OutOfOrder: st.OutOfOrder, Conflicts: st.Conflicts,
		}
		if uint8(dir) == cl {
			e.Client = t
		} else {
			e.Server = t
		}
	}
	if c.ws != nil {
		e.Messages, e.Undecoded = c.ws.messages, c.ws.undecoded
	}
	s.emit(&e)
}

func (h *half) fin() bool {
	_, ok := h.tcp.FIN()
	return ok
}

// What the parts of a connection cost besides what they hold, in bytes.
const (
	waitSize = 320
	sideSize = 384
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
		if h.side != nil {
			mem += sideSize + h.side.Memory()
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
		return int(a.id - b.id)
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

// shared fills what all records of a connection share.
func (s *shard) shared(c *conn, d record.Direction, t, first, last int64) record.Head {
	return record.Head{Time: t, File: s.cfg.File, Conn: c.identify(s.cfg.File), Direction: d, First: first, Last: last}
}

// spill gives out what the worker has so far.
func (s *shard) spill() {
	s.engine.spill(s.job, s.worker, s.index)
}

// emit gives out a record.
func (s *shard) emit(r record.Record) {
	t := r.Type()
	if !s.cfg.Want.Has(t) || s.enc == nil || s.cfg.Match != nil && !s.cfg.Match(r) || s.halt.stop.Load() {
		return
	}
	p := s.part
	payload := 0
	switch r := r.(type) {
	case *record.Message:
		payload = len(r.Payload)
	case *record.Frame:
		payload = len(r.Payload)
	}
	if payload > maxOut/8 {
		// Written out it is up to six times as long. There is one buffer for
		// that, and it belongs to the worker whose turn it is.
		s.spill()
		out := p.out
		p.out = slices.Grow(s.engine.large[:0], 6*payload+maxOut)
		defer func() {
			s.engine.large = p.out
			s.spill()
			p.out = out
		}()
	} else if len(p.out) > maxOut {
		s.spill()
	}
	p.out = s.enc.Encode(p.out, r)
	id := int64(0)
	if c := r.Shared().Conn; c != nil {
		id = c.ID
	}
	p.spans = append(p.spans, span{index: s.index, conn: id, end: len(p.out), typ: t})
}

// reports tells whether a finding would be new: each kind is given out once
// per connection and direction.
func (s *shard) reports(c *conn, d record.Direction, id finding.ID) bool {
	return !c.found[d].Has(id)
}

// report gives out a finding, unless the connection has it already.
func (s *shard) report(c *conn, d record.Direction, id finding.ID, o decode.Origin, off int64, text string) {
	if id == finding.None || !s.reports(c, d, id) {
		return
	}
	c.found[d].Add(id)
	s.give(c, d, id, o, off, text)
}

// maxEvents bounds the gaps of a connection that are given out one by one.
const maxEvents = 1000

// event gives out a finding that may come again and again in a connection.
func (s *shard) event(c *conn, d record.Direction, id finding.ID, o decode.Origin, off int64, text string) {
	if c.events >= maxEvents && !s.reports(c, d, id) {
		return
	}
	c.events++
	c.found[d].Add(id)
	s.give(c, d, id, o, off, text)
}

// give gives out a finding.
func (s *shard) give(c *conn, d record.Direction, id finding.ID, o decode.Origin, off int64, text string) {
	switch id.Severity() {
	case finding.Error:
		s.sum.Errors++
	case finding.Warning:
		s.sum.Warnings++
	default:
		s.sum.Notes++
	}
	s.problem = record.Finding{Head: s.shared(c, d, o.Time, o.Packet, o.Packet), ID: id}
	if o.Packet != 0 || text != "" {
		s.proof[0] = record.Evidence{Packet: o.Packet, Off: off, Text: text}
		s.problem.Evidence = s.proof[:]
	}
	s.emit(&s.problem)
}
