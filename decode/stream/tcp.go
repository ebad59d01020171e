package stream

import "framescope/decode"

// Flags are the control bits of a TCP segment, as in byte 13 of its header
// (RFC 9293 section 3.1).
type Flags uint8

// The flags that matter here.
const (
	FIN Flags = 1 << iota
	SYN
	RST
	PSH
	ACK
	URG
)

// A Segment is one TCP segment as it was captured.
type Segment struct {
	Seq   uint32
	Flags Flags
	// Urgent is the urgent pointer; it counts if Flags has URG.
	Urgent uint16
	// Payload is what was captured of the payload, and Wire its length on the
	// wire in bytes. Where Wire is smaller than len(Payload), it is len(Payload);
	// the fast path wants it exact.
	Payload []byte
	Wire    int
	Origin  decode.Origin
	// Lasts says that Payload stays as it is, and may be referred to, for as
	// long as the stream lives. Otherwise it is copied where it has to be kept.
	Lasts bool
}

// A TCP puts one direction of a TCP connection in order.
//
// Offset 0 is the byte after the SYN. Without a SYN it is the first byte seen:
// nothing is held back to wait for earlier ones, and what comes from before is
// counted as late; if the SYN itself comes later, what is missing between it and
// offset 0 is counted as missing, but no piece tells of it. Sequence numbers may
// wrap any number of times.
//
// Payload of a RST is not part of the stream, nor are bytes after a FIN; data
// that goes on after a RST is, since the peer may not have believed it.
//
// The byte before the urgent pointer comes as a piece of its own, of kind
// Urgent: applications on Linux and BSD do not find it among the others
// (RFC 6093 section 3.1). A pointer of zero names the segment's first byte, as
// in Linux.
//
// As with Assembler, Next must be called until it returns false after every
// call of Expire and Finish, and of Segment and Acked where they return true.
// Instead of the Assembler's Insert, Confirm and Sent, use Segment and Acked.
type TCP struct {
	Assembler

	base   uint32 // sequence number of offset 0, modulo 2^32
	flags  tcpFlags
	fin    int64
	before int64 // bytes between the SYN and offset 0
	urgent *urgent
}

type tcpFlags uint8

const (
	based   tcpFlags = 1 << iota // base is valid,
	soft                         // but no data says so yet,
	acked                        // and only an acknowledgement does
	synSeen                      // base-before-1 is the ISN
	finSeen
	rstSeen
	special // the fast path does not know enough
)

// Segment takes a segment of this direction. It reports whether Next is to be
// called.
func (t *TCP) Segment(s *Segment) bool {
	if t.flags&(based|soft|acked|special) != based || s.Flags&(FIN|SYN|RST|URG) != 0 ||
		t.state&^plain != open || s.Seq != t.base+uint32(t.next) || s.Wire != len(s.Payload) {
		t.segment(s)
		return true
	}
	if len(s.Payload) == 0 {
		return false
	}
	t.packets++
	t.bytes += int64(len(s.Payload))
	t.in.off = t.next
	t.in.data = s.Payload
	t.in.origin.Packet, t.in.origin.Time, t.in.origin.Subflow = s.Origin.Packet, s.Origin.Time, s.Origin.Subflow
	t.in.start, t.in.lasts = true, s.Lasts
	t.state |= pending
	return true
}

func (t *TCP) segment(s *Segment) {
	t.begin()
	t.in.lasts = s.Lasts
	wire := max(int64(s.Wire), int64(len(s.Payload)))
	if wire > 0 {
		t.packets++
		t.bytes += wire
	}
	seq := s.Seq
	switch {
	case s.Flags&RST != 0:
		t.flags |= rstSeen
		if wire > 0 {
			t.held().stats.Reset += wire
		}
		return
	case s.Flags&SYN != 0:
		if t.NewISN(seq) {
			t.held().stats.OutOfWindow++
			return
		}
		seq++
		t.synAt(seq)
	case t.movable():
		// A keep-alive is one byte behind, and may have been the first segment.
		if off := t.Unwrap(seq); t.flags&soft == 0 || off < 0 || off == 1 || off > leap {
			t.rebase(seq)
			t.flags |= soft
		}
	}
	t.flags &^= acked
	off := t.Unwrap(seq)
	if wire > 0 {
		t.flags &^= soft
	}
	if s.Flags&URG != 0 && s.Flags&SYN == 0 && !(t.Config != nil && t.Config.InlineUrgent) {
		t.urge(off + max(int64(s.Urgent), 1) - 1)
	}
	top := t.top()
	if s.Flags&FIN != 0 {
		if !t.finAt(off+wire, top, s.Origin) && wire == 0 {
			return
		}
	} else if wire <= 1 && s.Flags&SYN == 0 && (off+1 == top || wire == 1 && t.flags&finSeen != 0 && off == t.fin) {
		// RFC 9293 section 3.8.4: a keep-alive may carry a byte of garbage.
		t.held().stats.KeepAlives++
		return
	}
	data := s.Payload
	if t.flags&finSeen != 0 && off+wire > t.fin {
		if wire > 0 {
			t.held().stats.BeyondFIN += min(wire, off+wire-t.fin)
		}
		if wire = t.fin - off; wire <= 0 {
			return
		}
		data = data[:min(wire, int64(len(data)))]
	}
	if wire == 0 {
		t.Sent(off, s.Origin)
		return
	}
	if t.flags&synSeen != 0 && off+wire <= -t.before {
		t.held().stats.OutOfWindow++
		return
	}
	t.insert(off, data, wire, s.Origin)
}

// movable reports whether nothing fixes offset 0 yet.
func (t *TCP) movable() bool {
	return t.flags&based == 0 || t.flags&(soft|acked) != 0 && t.next == 0
}

// synAt takes a SYN after which the stream begins at seq.
func (t *TCP) synAt(seq uint32) {
	switch {
	case t.flags&synSeen != 0:
	case t.movable():
		t.rebase(seq)
	default:
		t.before = int64(int32(t.base - seq))
	}
	t.flags |= synSeen
	t.flags &^= soft
}

// rebase makes seq the sequence number of offset 0. No data was seen so far.
func (t *TCP) rebase(seq uint32) {
	if h := t.hold; h != nil && t.flags&based != 0 {
		by := int64(int32(t.base - seq))
		for _, off := range []*int64{&h.confirmed, &h.settled, &h.mark, &h.sent} {
			if *off > 0 {
				*off = max(*off+by, 0)
			}
		}
	}
	if t.flags&finSeen != 0 {
		t.fin += int64(int32(t.base - seq))
	}
	t.base = seq
	t.flags = t.flags&^(soft|acked) | based
}

// finAt takes a FIN that says that the stream ends at off, and reports whether
// it is believed.
func (t *TCP) finAt(off, top int64, o decode.Origin) bool {
	switch {
	case t.flags&finSeen != 0:
		return true
	case off < top:
		// Bytes after it were seen: it is not of this stream.
		t.held().stats.OutOfWindow++
		return false
	case off > t.next && !t.believe(off):
		return false
	}
	t.fin = off
	t.flags |= finSeen | special
	t.endAt(off)
	t.Sent(off, o)
	return true
}

// endAt takes back what was said about bytes from off: the FIN has a number,
// but is no byte.
func (t *TCP) endAt(off int64) {
	if h := t.hold; h != nil {
		h.confirmed, h.sent = min(h.confirmed, off), min(h.sent, off)
		h.settled, h.mark = min(h.settled, off), min(h.mark, off)
	}
}

// Acked takes an acknowledgement number that the other direction sent, in a
// segment with the flag ACK. It reports whether Next is to be called.
func (t *TCP) Acked(ack uint32, o decode.Origin) bool {
	if t.flags&based != 0 && int32(ack-(t.base+uint32(t.next))) <= 0 {
		return false
	}
	t.ackedSlow(ack, o)
	return true
}

func (t *TCP) ackedSlow(ack uint32, o decode.Origin) {
	if t.flags&based == 0 {
		t.base = ack
		t.flags |= based | acked
		return
	}
	off := t.Unwrap(ack)
	if t.flags&finSeen != 0 {
		off = min(off, t.fin) // the FIN has a number too
	}
	t.Confirm(off, o)
}

// Next fills p with the next piece of the stream and reports whether there is
// one. What p held before is overwritten.
func (t *TCP) Next(p *Piece) bool {
	return (t.state&(pending|busy) != 0 || t.urgent != nil) && t.step(p)
}

func (t *TCP) step(p *Piece) bool {
	if t.urgent != nil {
		return t.nextUrgent(p)
	}
	return t.Assembler.step(p)
}

// Finish says that the connection is over, or the capture: all that is missing
// is given up, in order.
func (t *TCP) Finish() {
	if h := t.hold; h != nil && t.flags&finSeen == 0 {
		// One more number than bytes: the FIN was not captured.
		if top := t.top(); max(h.confirmed, h.sent) == top+1 {
			t.endAt(top)
		}
	}
	t.Assembler.Finish()
}

// Unwrap returns the stream offset that the sequence number seq stands for: the
// one nearest to Offset. It is meaningless before the first segment.
func (t *TCP) Unwrap(seq uint32) int64 {
	return t.next + int64(int32(seq-(t.base+uint32(t.next))))
}

// NewISN reports whether a SYN with the sequence number isn belongs to another
// connection than what was seen so far: one that took the ports again. Segment
// ignores such a SYN.
func (t *TCP) NewISN(isn uint32) bool {
	switch {
	case t.flags&synSeen != 0:
		return isn != t.base-uint32(t.before)-1
	case t.movable():
		return false
	}
	// A SYN that comes late is a little before the first data.
	d := int32(t.base - (isn + 1))
	return d < 0 || d > leap
}

// ISN returns the initial sequence number, if the SYN was seen.
func (t *TCP) ISN() (isn uint32, ok bool) {
	return t.base - uint32(t.before) - 1, t.flags&synSeen != 0
}

// Midstream reports whether data came without a SYN so far.
func (t *TCP) Midstream() bool { return t.flags&(based|soft|acked|synSeen) == based }

// FIN returns the offset at which the stream ends, if a FIN was seen.
func (t *TCP) FIN() (off int64, ok bool) { return t.fin, t.flags&finSeen != 0 }

// Ended reports whether a FIN was seen and all before it came out of Next.
func (t *TCP) Ended() bool {
	return t.flags&finSeen != 0 && t.next >= t.fin && t.state&pending == 0 &&
		(t.urgent == nil || t.urgent.rest.Len == 0)
}

// RST reports whether a RST was seen.
func (t *TCP) RST() bool { return t.flags&rstSeen != 0 }

// Stats returns the counts so far.
func (t *TCP) Stats() Stats {
	s := t.Assembler.Stats()
	s.Missing += max(t.before, 0)
	return s
}
