package flow

import (
	"framescope/decode"
	"framescope/decode/finding"
	"framescope/decode/http1"
	"framescope/decode/record"
)

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
	case modeUnits:
		s.unitsEnd(c, dir)
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
	c.http, c.ws, c.look, c.tls = nil, nil, nil, nil
	s.unweigh(c)
}

// captured reports what the capture lacks of a session.
func (s *shard) captured(c *conn) {
	ws := c.ws
	if (ws == nil || !ws.opened) && c.framing == nil {
		return
	}
	if c.cut {
		s.report(c, record.None, finding.SnaplenCut, c.cutAt, -1, "the first packet that was cut short")
	}
	if c.midstream && (ws == nil || !ws.known) {
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
	if c.looking {
		s.named(c, true)
	}
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
		if c.ws != nil && c.ws.opened || c.framing != nil {
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
	if c.name != "" && c.proto != "websocket" {
		e.Protocol = c.name
	}
	if c.tls != nil {
		e.ServerName, e.ALPN, e.NextProtocol, e.TLSVersion = c.tls.ServerName, c.tls.ALPN, c.tls.Chosen, c.tls.Version
	}
	if c.ws != nil {
		e.Messages, e.Undecoded = c.ws.messages, c.ws.undecoded
	}
	if c.framing != nil {
		e.Framing = c.framing.Name()
		for i := range c.half {
			if u := c.half[i].units; u != nil {
				e.Frames, e.Lost = e.Frames+u.frames, e.Lost+u.undecoded
			}
		}
		if e.Frames > 0 {
			e.Protocol = e.Framing
		}
	}
	s.emit(&e)
}

func (h *half) fin() bool {
	_, ok := h.tcp.FIN()
	return ok
}
