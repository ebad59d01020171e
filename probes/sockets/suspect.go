package sockets

import (
	"time"

	"framescope/probes/sockdiag"
)

// maxSuspects bounds how many sockets of one kind of finding are looked at twice.
const maxSuspects = 4096

// A suspect is a socket that may be a finding.
type suspect struct {
	id     string
	row    *Row
	info   sockdiag.TCPInfo
	mem    sockdiag.MemInfo
	listen *Row // that it waits at
	to     *Row // a listener of this host that it goes to
	drops  uint32
	age    Age
	grown  bool // drops has, between the looks
	unread bool // drops of UDP came for want of room
	slight bool // what waits is no burden yet
}

func (d *diagnosis) suspect(s *suspect) {
	d.counts[s.id]++
	if d.counts[s.id] > maxSuspects {
		return
	}
	s.row = s.row.Clone()
	d.suspects = append(d.suspects, s)
}

func (d *diagnosis) listener(r *Row) {
	m, _ := r.MemInfo()
	if r.RQueue > r.WQueue {
		d.suspect(&suspect{id: AcceptQueueFull, row: r, mem: m, drops: m.Drops})
		return
	}
	if m.Drops > 0 {
		d.suspect(&suspect{id: AcceptQueueDrops, row: r, mem: m, drops: m.Drops})
	}
}

// Data that is no burden and is not read is a note, until it has waited for
// longUnread and is more than fewUnread bytes.
const (
	longUnread = time.Minute
	fewUnread  = 4096
)

func (d *diagnosis) connection(r *Row) {
	s := suspect{row: r}
	t := &s.info
	has := r.TCPInfo(t)
	s.mem, _ = r.MemInfo()
	s.age, _ = r.Age()
	switch r.State {
	case sockdiag.SynSent:
		if r.Retrans >= 1 && s.age.For+max(time.Second-r.Expires, 0) >= d.MinAge {
			s.id, s.to = SynSentStuck, d.listenerAt(r)
		}
	case sockdiag.CloseWait:
		switch {
		case s.age.For < d.MinAge:
		case r.RQueue == 0:
			s.id = CloseWaitLeak
		case r.RQueue == 1:
			s.id = CloseWaitNotRead
		default:
			s.id = CloseWaitUnread
		}
	case sockdiag.Established:
		if !has {
			return
		}
		if r.Inode == 0 {
			if l := d.listenerOf(r); l != nil && t.LastAckRecv >= d.MinAge {
				s.id, s.listen = NotAccepted, l
				d.waiting[l.Cookie]++
				d.suspect(&s)
			}
			return
		}
		large := s.mem.RcvBuf > 0 && uint64(s.mem.RmemAlloc)*2 >= uint64(s.mem.RcvBuf) || r.RQueue >= 64<<10 ||
			t.Has(sockdiag.TCPInfoRcvWnd) && t.RcvWnd < t.RcvMSS
		if r.RQueue > 0 && t.LastDataRecv >= d.MinAge {
			stuck := s
			stuck.id, stuck.slight = ReaderStuck, !large && (t.LastDataRecv < longUnread || r.RQueue < fewUnread)
			d.suspect(&stuck)
		}
		d.sender(&s)
		return
	case sockdiag.FinWait1, sockdiag.LastAck, sockdiag.Closing:
		if r.Inode == 0 && (t.LastAckRecv >= d.MinAge || r.Retrans > 1) {
			s.id = Orphan
		}
	case sockdiag.FinWait2:
		switch {
		case r.Inode != 0 && s.age.For >= d.MinAge:
			s.id = HalfClosed
		case r.Inode == 0:
			left := d.l.finTimeout() - r.Expires
			if s.age = (Age{max(left, 0), true}); s.age.For >= d.MinAge {
				s.id = Orphan
			}
		}
	}
	if s.id != "" {
		d.suspect(&s)
	}
}

// minRTO is the least time before a window is probed (TCP_RTO_MIN).
const minRTO = 200 * time.Millisecond

// sender looks at what was written and is not taken.
func (d *diagnosis) sender(s *suspect) {
	t, r := &s.info, s.row
	if r.WQueue == 0 {
		return
	}
	// A window that is smaller than a segment holds everything up, too.
	closed := r.Timer == sockdiag.TimerProbe || t.Has(sockdiag.TCPInfoSndWnd) && t.NotsentBytes > 0 && t.SndWnd < max(t.SndMSS, 1)
	// A reader that is slow opens the window again and again: then something is sent,
	// and the probes of a closed window begin anew. Each comes after twice the time.
	held := t.LastDataSent
	if r.Timer == sockdiag.TimerProbe {
		held = max(held, (1<<min(t.Backoff, 16)-1)*minRTO)
	}
	s.age = Age{held, true}
	switch {
	case closed && held >= d.MinAge:
		s.id = PeerNotReading
	case r.Timer == sockdiag.TimerOn && t.Retransmits >= 2 && t.LastAckRecv >= d.MinAge:
		s.id = Unacknowledged
		s.age.For = t.LastAckRecv
	default:
		return
	}
	d.suspect(s)
}

// listenerOf returns the listener that a connection came to, or nil.
func (d *diagnosis) listenerOf(r *Row) *Row {
	for _, l := range d.listeners[r.Src.Port()] {
		if l.Src.Addr().IsUnspecified() || l.Src.Addr().Unmap() == r.Src.Addr().Unmap() {
			return l
		}
	}
	return nil
}

// listenerAt returns the listener of this host that a connection goes to, or nil.
func (d *diagnosis) listenerAt(r *Row) *Row {
	dst := r.Dst.Addr().Unmap()
	for _, l := range d.listeners[r.Dst.Port()] {
		switch at := l.Src.Addr(); {
		case at.Unmap() == dst:
			return l
		case !at.IsUnspecified() || at.Is4() && dst.Is6() || !dst.IsLoopback() && dst != r.Src.Addr().Unmap():
		case at.Is6() && dst.Is4() && l.inet != nil:
			if only, _ := l.inet.V6Only(); !only {
				return l
			}
		default:
			return l
		}
	}
	return nil
}

func (d *diagnosis) stays(s *suspect, now *Row) bool {
	var t sockdiag.TCPInfo
	now.TCPInfo(&t)
	m, _ := now.MemInfo()
	switch s.id {
	case ReaderStuck:
		if s.row.Kind == MPTCP {
			return now.RQueue == s.row.RQueue
		}
		// what was read: what came, without what is still there
		return now.State == s.row.State && t.BytesReceived-uint64(now.RQueue) == s.info.BytesReceived-uint64(s.row.RQueue)
	case PeerNotReading, Unacknowledged:
		return now.WQueue > 0 && t.BytesAcked == s.info.BytesAcked
	case AcceptQueueFull:
		s.grown = m.Drops > s.drops
		s.drops = m.Drops
		return now.RQueue > now.WQueue
	case AcceptQueueDrops:
		// Whatever a listener does not take is counted, what a filter or a firewall of
		// the socket refuses, too: it is the queue if that was counted as well.
		s.grown = m.Drops > s.drops
		s.drops = m.Drops
		return s.grown && d.after.listen > d.before.listen || d.Over && d.after.listen > 0
	case UDPDrops:
		// the reader is behind now, or more was dropped meanwhile
		full := uint64(m.RmemAlloc)*2 >= uint64(m.RcvBuf) && m.RmemAlloc > 0
		s.grown = m.Drops > s.drops
		s.unread = full || d.after.udp > d.before.udp || !s.grown && d.after.udp > 0
		s.drops, s.mem = m.Drops, m
		return s.grown || full || d.Over
	case NotAccepted, Orphan:
		return now.Inode == 0 && now.State == s.row.State
	case CloseWaitLeak, CloseWaitNotRead, CloseWaitUnread:
		return now.State == s.row.State && now.RQueue == s.row.RQueue
	}
	return now.State == s.row.State
}
