package flow

import (
	"slices"

	"framescope/decode/packet"
	"framescope/decode/record"
)

// A membership is what a host said of a multicast group.
type membership struct {
	transport        uint8
	version          uint8
	include          bool // only sources are wanted, else all but sources
	told             bool // its record was given out
	more             bool // there are more sources than are kept
	joined, left     int64
	reports, queries int64
	sources          []packet.Addr
}

// maxSources bounds the sources that are remembered of a membership.
const maxSources = 16

// memberships takes a message of IGMP or MLD, and reports whether p is one.
func (e *Engine) memberships(p *Packet, pk *packet.Packet) (some bool) {
	cause := pk.Memberships(&e.changes)
	m := &e.change
	for more := cause == packet.OK; more; {
		if more, cause = e.changes.Next(m); more {
			e.membership(p, pk, m)
			some = true
		}
	}
	if cause != packet.OK {
		e.skip(cause, p)
		some = true
	}
	return some
}

// membership takes what a host says of one group.
func (e *Engine) membership(p *Packet, pk *packet.Packet, m *packet.Membership) {
	t := &e.members
	if t.table == nil {
		t.table = newTable(int(max((e.cfg.MaxMemory-program)/64/memberSize, 64)))
	}
	ends := packet.Packet{Src: pk.Src, Dst: m.Group}
	if m.Group == (packet.Addr{}) {
		ends.Dst = pk.Dst // a query for all groups
	}
	f, h, dir := t.find(&e.key, &ends)
	joins := m.Change == packet.Join || m.Change == packet.Allow || m.Change == packet.Include && len(m.Sources) > 0
	if f != nil && f.group.told {
		if !joins && m.Change != packet.Query {
			return // said again
		}
		t.forget(f)
		f = nil
	}
	if f == nil {
		f = e.looseFlow(t, p, &ends, h, dir)
		f.id = record.FirstGroup + e.nextMember
		e.nextMember++
		e.sum.Memberships++
		f.group = &membership{transport: pk.Proto}
	}
	t.use(f)
	f.packets[dir]++
	f.bytes[dir] += int64(len(pk.Segment) + max(pk.Wire-len(pk.Payload()), 0))
	f.last, f.lastPacket = max(f.last, p.Time), p.Number
	if f.group.change(m, p.Time) {
		e.looseEnd(f, p.Number)
		f.group.told = true
	}
}

// change notes what a host says, and reports whether it left.
func (g *membership) change(m *packet.Membership, now int64) (left bool) {
	g.version = m.Version
	if m.Change == packet.Query {
		g.queries++
		return false
	}
	g.reports++
	switch m.Change {
	case packet.Join:
		g.include = false
		g.set(m)
	case packet.Include:
		if len(m.Sources) == 0 { // none: it leaves
			g.left = now
			return true
		}
		g.include = true
		g.set(m)
	case packet.Allow, packet.Block:
		if g.joined == 0 {
			g.include = m.Change == packet.Allow
		}
		if g.include == (m.Change == packet.Allow) {
			g.add(m)
		} else {
			g.remove(m)
		}
	case packet.Leave:
		g.left = now
		return true
	}
	if g.include && len(g.sources) == 0 && !g.more {
		g.left = now
		return true
	}
	if g.joined == 0 {
		g.joined = now
	}
	return false
}

func (g *membership) set(m *packet.Membership) {
	g.sources, g.more = g.sources[:0], false
	g.add(m)
}

func (g *membership) add(m *packet.Membership) {
	for i := 0; ; i++ {
		a, ok := m.Source(i)
		if !ok {
			return
		}
		if len(g.sources) == maxSources {
			g.more = true
			return
		}
		if !slices.Contains(g.sources, a) {
			g.sources = append(g.sources, a)
		}
	}
}

func (g *membership) remove(m *packet.Membership) {
	for i := 0; ; i++ {
		a, ok := m.Source(i)
		if !ok {
			return
		}
		if at := slices.Index(g.sources, a); at >= 0 {
			g.sources = slices.Delete(g.sources, at, at+1)
		}
	}
}

// describe fills in what a record says of the membership.
func (g *membership) describe(e *record.ConnEnd) {
	e.Protocol = "igmp"
	if g.transport == packet.ProtoICMPv6 {
		e.Protocol = "mld"
	}
	m := &record.Membership{Version: g.version, Joined: g.joined, Left: g.left, Reports: g.reports, Queries: g.queries}
	if g.joined != 0 && (g.version == 3 || g.transport == packet.ProtoICMPv6 && g.version == 2) {
		m.Mode = "exclude"
		if g.include {
			m.Mode = "include"
		}
	}
	for _, a := range g.sources {
		m.Sources = append(m.Sources, a.Netip())
	}
	e.Membership = m
}
