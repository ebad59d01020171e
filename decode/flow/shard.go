package flow

import (
	"bytes"
	"encoding/binary"

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
	unit    record.Declared
	flow    record.ConnEnd
	problem record.Finding
	proof   [1]record.Evidence
}

func newShard(cfg *Config, memory int64) *shard {
	s := &shard{cfg: cfg, limit: memory / 2, skips: map[string]int64{}}
	if cfg.Want&record.Of(record.TypeFrame, record.TypeMessage, record.TypeDeclared) == 0 {
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
	if h.wait != nil || s.grown || c.look != nil || h.units != nil && (c.packets[0]+c.packets[1])&7 == 0 || h.side != nil && ((c.packets[0]+c.packets[1])&7 == 0 || c.ws == nil || s.cfg.Full) {
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

// ripe settles the directions of c whose first segments have waited enough.
func (s *shard) ripe(c *conn, now int64) {
	for dir := range c.half {
		if h := &c.half[dir]; !c.over && !h.settled && h.wait != nil && len(h.wait.early) > 0 && now-h.wait.early[0].time >= earlyTime {
			s.settle(c, uint8(dir))
			s.weigh(c)
		}
	}
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
			if c.looking {
				s.identify(c, dir, p.Data, p.Off)
			}
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
			if s.cfg.Raw > 0 {
				if h.tape == nil {
					h.tape = new(tape)
				}
				h.tape.add(b, h.off, o.Packet, s.cfg.Raw)
			}
			s.h.at(c, dir)
			h.side.Data(b, start, o, &s.h)
			return
		case modeIgnore:
			if c.ws != nil && c.ws.opened {
				s.ignored(c, dir, int64(len(b)), h.off, o)
			}
			return
		case modeUnits:
			s.units(c, dir, b, o)
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
	case modeUnits:
		s.unitGap(c, dir, p)
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
