package stream

import "framescope/decode"

// Next fills p with the next piece of the stream and reports whether there is
// one. What p held before is overwritten.
func (a *Assembler) Next(p *Piece) bool {
	return a.state&(pending|busy) != 0 && a.step(p)
}

// step is Next where there is something to do. It is apart so that Next can be
// inlined.
func (a *Assembler) step(p *Piece) bool {
	if a.state&(busy|careful) != 0 {
		return a.nextSlow(p)
	}
	a.direct(p, len(a.in.data))
	a.in.data = nil
	a.state &^= pending
	return true
}

// direct hands out the first n bytes of the input, which are in order.
func (a *Assembler) direct(p *Piece, n int) {
	// Field by field: a whole Piece would be built elsewhere and copied.
	in := &a.in
	p.Kind, p.Why, p.Start = Data, NoCause, in.start
	p.Off, p.Len = a.next, int64(n)
	p.Data = in.data[:n:n]
	p.Origin.Packet, p.Origin.Time, p.Origin.Subflow = in.origin.Packet, in.origin.Time, in.origin.Subflow
	p.Earlier = 0
	a.next += int64(n)
	if a.state&plain == 0 {
		a.remember(p.Data, p.Origin.Packet, in.lasts)
	}
}

func (a *Assembler) nextSlow(p *Piece) bool {
	h := a.held()
	a.settle()
	for {
		if h.conflict.Len > 0 {
			*p = h.conflict
			h.conflict.Len = 0
			return true
		}
		s := h.first()
		if s != nil && s.off == a.next && a.releasable(s) {
			if a.release(p) {
				return true
			}
			continue
		}
		if a.state&pending != 0 {
			if a.state&careful == 0 && a.ahead(p) {
				return true
			}
			if a.store() {
				continue
			}
			if a.ahead(p) {
				return true
			}
		}
		if why, end, o := a.lost(); end > a.next {
			if end-a.next > leap && why != Acknowledged && why != Cut && a.disbelieve() {
				continue
			}
			a.gap(p, why, end, o)
			return true
		}
		if h.n == 0 && a.state&finished == 0 {
			a.state &^= busy
		}
		return false
	}
}

// ahead hands out the input if it is in order, up to the first span.
func (a *Assembler) ahead(p *Piece) bool {
	in := &a.in
	n := len(in.data)
	if in.off != a.next || n == 0 {
		return false
	}
	if s := a.hold.first(); s != nil {
		n = int(min(int64(n), s.off-a.next))
	}
	if n == 0 {
		return false
	}
	a.direct(p, n)
	in.advance(n)
	a.store()
	return true
}

// releasable reports whether the first span, which is in order, can be handed
// out. Only an Assembler with the policy Last waits.
func (a *Assembler) releasable(s *span) bool {
	h := a.hold
	return a.state&careful == 0 || a.state&(pending|finished) != 0 || s.end() <= h.confirmed ||
		h.clock-h.since > a.Config.patience()
}

// release hands out the first span. It returns false if that has no bytes.
func (a *Assembler) release(p *Piece) bool {
	h := a.hold
	s := *h.first()
	if cut := s.end() + int64(s.cut); s.cut > 0 && cut > h.cut {
		h.cut, h.cutBy = cut, s.origin()
	}
	a.shift()
	if s.n == 0 {
		return false
	}
	*p = Piece{Off: s.off, Len: int64(s.n), Data: s.data(), Start: s.start, Origin: s.origin()}
	a.next += int64(s.n)
	h.lent, h.lentBytes = s.chunk, int(s.n)
	if a.state&plain == 0 {
		a.remember(p.Data, s.packet, false)
	}
	return true
}

// lost returns the end of the hole at a.next, and why it is given up now. The
// end is 0 if there is no hole, or reason to wait.
func (a *Assembler) lost() (Cause, int64, decode.Origin) {
	h := a.hold
	s := h.first()
	settled := h.settled
	if h.confirmed > a.next+reach {
		settled = h.confirmed // or sequence numbers become ambiguous
	}
	end := int64(1<<63 - 1)
	o := h.evidence
	if s != nil {
		end, o = s.off, s.origin()
	}
	full := a.state&pending != 0
	if full && a.in.off < end {
		end, o = a.in.off, a.in.origin
	}
	if h.cut > a.next && end > a.next {
		return Cut, min(h.cut, end), h.cutBy
	}
	if s == nil && !full {
		switch {
		case a.state&finished != 0 && h.confirmed > a.next:
			return Acknowledged, h.confirmed, o
		case a.state&finished != 0:
			return Ended, h.sent, o
		case settled > a.next+leap:
			// Nobody captures this direction: keep up with it.
			return Acknowledged, settled, o
		}
		return NoCause, 0, o
	}
	switch {
	case settled >= end, a.state&finished != 0 && h.confirmed >= end:
		return Acknowledged, end, o
	case full:
		return Limited, end, o
	case a.state&finished != 0:
		return Ended, end, o
	case h.clock-h.since > a.Config.patience():
		return Expired, end, o
	}
	return NoCause, 0, o
}

// gap gives up the bytes before end.
func (a *Assembler) gap(p *Piece, why Cause, end int64, o decode.Origin) {
	h := a.hold
	*p = Piece{Kind: Gap, Why: why, Off: a.next, Len: end - a.next, Origin: o}
	h.gone(a.next, end)
	a.missing += end - a.next
	a.next = end
	if s := h.first(); s != nil {
		h.since = s.time
	}
	if a.history != nil {
		a.history.gapTo(end)
	}
}

// tick counts a segment of the connection while something is missing, and
// settles acknowledgements: settled is what had been acknowledged one grace ago.
func (a *Assembler) tick(now int64) {
	h := a.hold
	if h == nil {
		return
	}
	h.clock = max(h.clock, now)
	h.ticks++
	grace, segments := a.Config.grace()
	if h.ticks >= segments || h.ticks >= segments/2 && h.clock-h.marked >= grace {
		h.settled, h.mark = h.mark, h.confirmed
		h.marked, h.ticks = h.clock, 0
	}
}
