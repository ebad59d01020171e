package flow

import (
	"cmp"
	"maps"
	"slices"
	"strings"

	"framescope/decode/packet"
	"framescope/decode/record"
)

// A skip is a reason why packets could not be read. link is zero unless it is
// the reason.
type skip struct {
	cause packet.Cause
	link  uint16
}

type skipped struct{ packets, bytes int64 }

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

// A leftover is a protocol whose packets are read and not looked into. The zero
// value is all those beyond maxLeft.
type leftover struct {
	ether          uint16
	cause          packet.Cause
	proto, version uint8
	known          bool
}

// leave counts a packet of a protocol that is not looked into.
func (e *Engine) leave(p *Packet, pk *packet.Packet, cause packet.Cause) {
	k := leftover{cause: cause, known: true}
	if pk.Version != 0 {
		k.version, k.proto = 1, pk.Proto
	} else {
		k.ether = pk.EtherType
	}
	c := e.left[k]
	if c == nil && len(e.left) >= maxLeft {
		k = leftover{}
		c = e.left[k]
	}
	if c == nil {
		if e.left == nil {
			e.left = map[leftover]*skipped{}
		}
		c = new(skipped)
		e.left[k] = c
	}
	c.packets++
	c.bytes += int64(p.Wire)
}

// name returns what packets call the protocol. What is told by its link layer
// only has the name of its cause.
func (k leftover) name() string {
	if !k.known {
		return "others"
	}
	pk := packet.Packet{Version: k.version, Proto: k.proto, EtherType: k.ether}
	if name := pk.Protocol(); name != "" {
		return name
	}
	_, name, some := strings.Cut(k.cause.String(), ": ")
	if !some {
		return "unknown"
	}
	return name
}

// summarize adds up what the engine and its shards counted.
func (e *Engine) summarize(truncated bool) {
	s := &e.sum
	s.File = e.cfg.File
	s.Time = s.First
	s.Truncated = truncated
	for _, sh := range e.shards {
		t := &sh.sum
		s.Sessions += t.Sessions
		s.Failed += t.Failed
		s.Frames += t.Frames
		s.Messages += t.Messages
		s.Declared += t.Declared
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
	protocols := map[string]record.Left{}
	for k, c := range e.left {
		name := k.name()
		l := protocols[name]
		protocols[name] = record.Left{Protocol: name, Packets: l.Packets + c.packets, Bytes: l.Bytes + c.bytes}
	}
	s.Left = slices.SortedFunc(maps.Values(protocols), func(a, b record.Left) int {
		return cmp.Or(cmp.Compare(b.Packets, a.Packets), cmp.Compare(b.Bytes, a.Bytes), cmp.Compare(a.Protocol, b.Protocol))
	})
	if len(s.Left) > maxSkips {
		rest := record.Left{Protocol: leftover{}.name()}
		for _, l := range s.Left[maxSkips-1:] {
			rest.Packets, rest.Bytes = rest.Packets+l.Packets, rest.Bytes+l.Bytes
		}
		s.Left = append(s.Left[:maxSkips-1], rest)
	}
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
