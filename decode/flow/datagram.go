package flow

import (
	"cmp"
	"math"
	"slices"

	"framescope/decode/packet"
	"framescope/decode/protocol"
	"framescope/decode/record"
)

// A loose flow has no stream: the datagrams between two UDP ports, or what a host
// says of its membership in a multicast group. It belongs to the engine's goroutine
// until it is over.
type loose struct {
	older, newer      *loose // by when they were used last
	en                *entry
	id                int64
	start, last       int64
	first, lastPacket int64
	packets, bytes    [2]int64
	client            uint8
	looking           bool // it has no name yet, but may get one
	names             protocol.Datagrams
	group             *membership  // nil for UDP
	rec               *record.Conn // nil until the first record
	src, dst          packet.Addr  // of the client, of the other side
	sport, dport      uint16
}

// A looseTable holds the loose flows of a kind. It is bounded: the one that was
// quiet for longest makes room.
type looseTable struct {
	*table
	newest, oldest *loose
}

const (
	// idle is how long a UDP flow may be quiet: what NATs allow, too (RFC 4787
	// section 4.3).
	idle = 300 * second
	// maxLoose is how many loose flows end in one job at most.
	maxLoose = 4096
	// looseSize and memberSize are what they cost, with their entries.
	looseSize  = 512
	memberSize = 768
)

// find returns the flow between two ends, or nil, and which way p goes.
func (t *looseTable) find(k *key, p *packet.Packet) (f *loose, h uint32, dir uint8) {
	dir = k.set(p)
	h = t.hash(k)
	if en := t.table.find(k, h); en != nil {
		f = en.loose
	}
	return f, h, dir
}

// use makes f the one that was used last.
func (t *looseTable) use(f *loose) {
	if t.newest == f {
		return
	}
	t.unlink(f)
	if f.older = t.newest; f.older != nil {
		f.older.newer = f
	} else {
		t.oldest = f
	}
	t.newest = f
}

func (t *looseTable) unlink(f *loose) {
	switch {
	case f.newer != nil:
		f.newer.older = f.older
	case t.newest == f:
		t.newest = f.older
	}
	switch {
	case f.older != nil:
		f.older.newer = f.newer
	case t.oldest == f:
		t.oldest = f.newer
	}
	f.older, f.newer = nil, nil
}

// forget takes f out of the table.
func (t *looseTable) forget(f *loose) {
	t.unlink(f)
	t.remove(f.en)
	f.en = nil
}

// looseFlow makes a flow whose first packet is p.
func (e *Engine) looseFlow(t *looseTable, p *Packet, pk *packet.Packet, h uint32, dir uint8) *loose {
	if t.full() {
		v := t.oldest
		e.sum.Evicted++
		e.looseEnd(v, p.Number)
		t.forget(v)
	}
	f := &loose{en: t.insert(&e.key, h), start: p.Time, first: p.Number, client: dir, src: pk.Src, dst: pk.Dst, sport: pk.SrcPort, dport: pk.DstPort}
	f.en.loose = f
	return f
}

// datagram takes a UDP datagram.
func (e *Engine) datagram(p *Packet, pk *packet.Packet) (*loose, uint8) {
	if e.udp.table == nil {
		e.udp.table = newTable(int(max((e.cfg.MaxMemory-program)/16/looseSize, 64)))
	}
	if old := e.udp.oldest; old != nil && e.steady-old.last >= idle {
		e.quiet()
	}
	f, h, dir := e.udp.find(&e.key, pk)
	if f != nil && p.Time-f.last >= idle {
		e.looseEnd(f, 0)
		e.udp.forget(f)
		f, h, dir = e.udp.find(&e.key, pk)
	}
	fresh := f == nil
	if fresh {
		f = e.looseFlow(&e.udp, p, pk, h, dir)
		f.id = record.FirstUDP + e.nextFlow
		e.nextFlow++
		f.looking = true
		e.sum.Flows++
		e.wake = min(e.wake, e.now+idle)
	}
	e.udp.use(f)
	f.packets[dir]++
	f.bytes[dir] += int64(max(pk.Wire, 0))
	f.last, f.lastPacket = max(f.last, p.Time), p.Number
	if f.looking {
		e.sent = protocol.Datagram{Data: pk.Payload(), Wire: pk.Wire, Src: pk.SrcPort, Dst: pk.DstPort, Back: dir != f.client}
		f.looking = f.names.Add(&e.sent)
		e.sent.Data = nil
		if fresh && !pk.Dst.IsMulticast() && (f.names.Answered() || f.names.Name() == "" && pk.SrcPort < 1024 && pk.DstPort >= 1024) {
			// The capture began between a question and its answer.
			f.client = 1 - dir
			f.src, f.dst, f.sport, f.dport = f.dst, f.src, f.dport, f.sport
		}
	}
	return f, dir
}

// other takes a packet that is no TCP segment.
func (e *Engine) other(p *Packet, pk *packet.Packet, cause packet.Cause) {
	var f *loose
	var dir uint8
	switch {
	case cause == packet.OK && pk.Proto == packet.ProtoUDP:
		f, dir = e.datagram(p, pk)
	case (cause == packet.IGMP || cause == packet.OK && pk.Proto == packet.ProtoICMPv6) && e.memberships(p, pk):
	case cause != packet.Fragment && !cause.Unreadable():
		e.leave(p, pk, cause)
	}
	if !e.cfg.Want.Has(record.TypePacket) {
		return
	}
	e.packet(p, pk, cause, nil, 0)
	if f != nil {
		r := &e.job.packets[len(e.job.packets)-1]
		r.Conn, r.Direction = f.identify(e.cfg.File), record.Server
		if dir == f.client {
			r.Direction = record.Client
		}
	}
}

// quiet ends the UDP flows that have been quiet for long, and returns when to look
// again.
func (e *Engine) quiet() int64 {
	for f := e.udp.oldest; f != nil; f = e.udp.oldest {
		if e.steady-f.last < idle {
			return f.last + idle + e.now - e.steady
		}
		e.looseEnd(f, 0)
		e.udp.forget(f)
	}
	return math.MaxInt64
}

// looseEnd tells a shard that a loose flow is over.
func (e *Engine) looseEnd(f *loose, num int64) {
	if f.group != nil && f.group.told || !e.cfg.Want.Has(record.TypeConn) {
		return
	}
	if num == 0 {
		num = e.last
	}
	j := e.job
	it := j.add(e.worker(nil), num, e.now)
	it.c, it.kind, it.seq = nil, itemLoose, uint32(len(j.loose))
	if j.loose = append(j.loose, f); len(j.loose) >= maxLoose {
		// One packet can end many: what has ended is not to pile up.
		e.Flush(nil)
	}
}

// looseRest ends all loose flows, in the order of their numbers.
func (e *Engine) looseRest() {
	var left []*loose
	for _, t := range []*looseTable{&e.udp, &e.members} {
		for f := t.oldest; f != nil; f = f.newer {
			left = append(left, f)
		}
	}
	slices.SortFunc(left, func(a, b *loose) int { return cmp.Compare(a.id, b.id) })
	for _, f := range left {
		e.looseEnd(f, 0)
	}
}

// identify returns what records say of the flow.
func (f *loose) identify(file string) *record.Conn {
	if f.rec == nil {
		f.rec = &record.Conn{ID: f.id, File: file, Start: f.start, Transport: record.UDP,
			Source: endpoint(f.src, f.sport), Destination: endpoint(f.dst, f.dport)}
		if f.group != nil {
			f.rec.Transport = f.group.transport
		}
		f.rec.Prepare()
	}
	return f.rec
}

// loose gives out the record of a loose flow that is over.
func (s *shard) loose(f *loose) {
	e := &s.flow
	*e = record.ConnEnd{Head: record.Head{Time: f.start, File: s.cfg.File, Conn: f.identify(s.cfg.File), First: f.first, Last: f.lastPacket},
		Protocol: f.names.Name(), Duration: max(f.last-f.start, 0)}
	e.Client = record.Traffic{Packets: f.packets[f.client], Bytes: f.bytes[f.client]}
	e.Server = record.Traffic{Packets: f.packets[1-f.client], Bytes: f.bytes[1-f.client]}
	if f.group != nil {
		f.group.describe(e)
	}
	s.emit(e)
}
