package sockets

import (
	"fmt"
	"slices"
	"strconv"
	"time"

	"framescope/decode/finding"
	"framescope/probes/sockdiag"
)

// group makes findings: one for all sockets that are wrong in the same way, of the
// same process.
func (d *diagnosis) group() {
	at := map[string]int{}
	for _, s := range d.suspects {
		subject := s.row
		if s.listen != nil {
			subject = s.listen
		}
		key := s.id
		switch s.id {
		case NotAccepted, AcceptQueueFull, AcceptQueueDrops, UDPDrops:
			key += fmt.Sprint(" ", subject.Cookie)
		default:
			key += fmt.Sprint(" ", ownersKey(subject), " ", d.service(s.row))
			if s.to != nil {
				key += fmt.Sprint(" ", s.to.Cookie)
			}
		}
		i, ok := at[key]
		if !ok {
			i = len(d.found)
			at[key] = i
			d.found = append(d.found, Finding{Info: info(s.id)})
		}
		f := &d.found[i]
		f.Count++
		shown := f.Socket == nil || s.age.For > f.Age.For
		if s.id == ReaderStuck && f.Socket != nil && s.slight != (f.Severity == finding.Note) {
			shown = !s.slight
		}
		if shown {
			f.Age, f.Evidence, f.Socket = s.age, s.evidence(d.Between), s.row
			if s.listen != nil {
				f.Socket = s.listen
				f.Socket.Other = s.row.Other
			}
		}
		if s.id == CloseWaitLeak || s.id == CloseWaitNotRead || s.id == CloseWaitUnread {
			f.Age.AtLeast = true
		}
		if s.id == ReaderStuck && !s.slight {
			f.Severity = finding.Warning
		} else if s.id == ReaderStuck && f.Count == 1 {
			f.Severity = finding.Note
		}
		if s.to != nil {
			f.refusedHere(s.to)
		}
		// A queue that is full for a moment is a burst.
		if s.id == AcceptQueueFull && !s.grown && d.waiting[s.row.Cookie] < s.row.RQueue {
			f.Severity = finding.Note
		}
		if s.id == UDPDrops && !s.unread {
			f.Title = "datagrams are refused at a socket that has room"
			f.Cause = "A filter of the socket (SO_ATTACH_FILTER, BPF), a security module or a wrong checksum has refused them: the receive buffer was not full."
			f.Fix = "If a filter is meant to, nothing.\nOtherwise look at checksum errors: nstat -az UdpInCsumErrors"
		}
	}
	d.found = slices.DeleteFunc(d.found, func(f Finding) bool {
		// A server that closes what is idle waits for clients that do not: that is
		// ordinary.
		return f.ID == Orphan && f.Count < fewOrphans && f.Socket.State == sockdiag.FinWait2 && d.listeners[f.Socket.Src.Port()] != nil
	})
	for i := range d.found {
		f := &d.found[i]
		if f.Count > 1 && f.ID != NotAccepted {
			f.Evidence = append(f.Evidence, fmt.Sprintf("%d sockets are like this; shown is the worst", f.Count))
		}
		if f.ID == NotAccepted {
			f.Evidence = append(f.Evidence, fmt.Sprintf("%d connections wait to be accepted, the backlog is %d", f.Socket.RQueue, f.Socket.WQueue))
		}
		if n := d.counts[f.ID]; n > maxSuspects {
			f.Evidence = append(f.Evidence, fmt.Sprintf("there are %d such sockets; %d were looked at", n, maxSuspects))
		}
	}
}

func ownersKey(r *Row) string {
	if len(r.Owners) == 0 {
		return "user " + strconv.Itoa(int(r.UID))
	}
	return strconv.Itoa(r.Owners[0].PID)
}

// fewOrphans is how many connections of a server may wait for clients to close.
const fewOrphans = 10

// service returns what connections that belong together have in common: the port
// of the listener that they came to, or the address that they go to.
func (d *diagnosis) service(r *Row) any {
	if port := r.Src.Port(); d.listeners[port] != nil || r.Kind != TCP && r.Kind != MPTCP {
		return port
	}
	return r.Dst.Addr().Unmap()
}

// halfClosed has connections that are half closed with intent not called leaks: a
// process holds the other end, and reads from it still.
func (d *diagnosis) halfClosed() {
	known := map[uint64]bool{}
	for _, s := range d.suspects {
		if s.id == HalfClosed {
			known[s.row.Cookie] = true
		}
	}
	kept := d.suspects[:0]
	for _, s := range d.suspects {
		if o := s.row.Other; s.id == CloseWaitLeak && o != nil && o.State == sockdiag.FinWait2 && o.Inode != 0 {
			if known[o.Cookie] {
				continue
			}
			known[o.Cookie] = true
			other := s.row
			other.Other = nil
			s.id, s.row = HalfClosed, o
			o.Other = other
		}
		kept = append(kept, s)
	}
	d.suspects = kept
}

func secs(d time.Duration) string { return fmt.Sprintf("%.1f s", d.Seconds()) }

// dropped says how much a listener did not take.
func (s *suspect) dropped() string {
	return fmt.Sprintf("%d SYNs, or last ACKs of handshakes, were dropped at this listener so far, retries included", s.drops)
}

// evidence says what was seen of a socket.
func (s *suspect) evidence(between time.Duration) []string {
	r, t := s.row, &s.info
	say := fmt.Sprintf
	switch s.id {
	case ReaderStuck:
		if r.Kind == MPTCP {
			return []string{
				say("the last data came %s ago and nothing was read in %s", secs(s.age.For), secs(between)),
				say("the receive buffer holds %d of %d bytes of memory", s.mem.RmemAlloc, s.mem.RcvBuf),
			}
		}
		e := []string{
			say("Recv-Q %d bytes; the last data came %s ago and nothing was read in %s", r.RQueue, secs(t.LastDataRecv), secs(between)),
		}
		if t.Has(sockdiag.TCPInfoRcvWnd) && t.RcvWnd < t.RcvMSS {
			e = append(e, say("the receive window is down to %d bytes: the peer cannot send more", t.RcvWnd))
		} else if s.mem.RcvBuf > 0 {
			e = append(e, say("the receive buffer holds %d of %d bytes of memory", s.mem.RmemAlloc, s.mem.RcvBuf))
		}
		return e
	case PeerNotReading:
		e := []string{say("Send-Q %d bytes, %d of them never sent; nothing was acknowledged in %s", r.WQueue, t.NotsentBytes, secs(between))}
		if t.Has(sockdiag.TCPInfoSndWnd) {
			e = append(e, say("the peer's window is %d bytes; it has held this side up for at least %s", t.SndWnd, secs(s.age.For)))
		}
		if t.Probes > 0 || t.Backoff > 0 {
			e = append(e, say("the closed window was probed %d times, next in %s", max(t.Probes, t.Backoff), secs(r.Expires)))
		}
		return e
	case Unacknowledged:
		return []string{say("Send-Q %d bytes; %d retransmissions in a row, the last acknowledgement %s ago, next try in %s",
			r.WQueue, t.Retransmits, secs(t.LastAckRecv), secs(r.Expires))}
	case CloseWaitLeak:
		return []string{say("CLOSE_WAIT for at least %s, Recv-Q 0: the end of the stream was read, close was not called", secs(s.age.For))}
	case CloseWaitNotRead:
		return []string{say("CLOSE_WAIT for at least %s, Recv-Q 1: that is the peer's FIN, which was not read", secs(s.age.For))}
	case CloseWaitUnread:
		return []string{say("CLOSE_WAIT for at least %s, Recv-Q %d: %d bytes and the peer's FIN were not read", secs(s.age.For), r.RQueue, r.RQueue-1)}
	case SynSentStuck:
		e := []string{say("SYN_SENT, the SYN was sent %d times, the next try is in %s", int(r.Retrans)+1, secs(r.Expires))}
		if s.to != nil {
			e = append(e, say("%v is a listener of this host: %d connections wait to be accepted, its backlog is %d", sockdiag.Unmap(r.Dst), s.to.RQueue, s.to.WQueue))
		}
		return e
	case AcceptQueueFull:
		e := []string{say("%d connections wait to be accepted, the backlog is %d", r.RQueue, r.WQueue)}
		if s.drops > 0 {
			e = append(e, s.dropped())
		}
		return e
	case AcceptQueueDrops:
		e := []string{s.dropped(), say("%d wait to be accepted now, the backlog is %d", r.RQueue, r.WQueue)}
		if s.drops > s.mem.Drops {
			e = append(e, say("%d of them in the last %s", s.drops-s.mem.Drops, secs(between)))
		}
		return e
	case NotAccepted:
		e := []string{say("%v is connected, has waited for at least %s, and no process holds the connection", sockdiag.Unmap(r.Dst), secs(t.LastAckRecv))}
		if r.RQueue > 0 {
			e = append(e, say("it has sent %d bytes, which nobody reads", r.RQueue))
		}
		return e
	case HalfClosed:
		return []string{say("FIN_WAIT2 for at least %s, held by a process, closed for writing", secs(s.age.For))}
	case Orphan:
		e := []string{say("%v, no process holds it", r.State)}
		if r.WQueue > 0 {
			e[0] += say(", %d bytes are not acknowledged", r.WQueue)
		}
		if r.Expires > 0 {
			e = append(e, say("timer %v ends in %s", r.Timer, secs(r.Expires)))
		}
		return e
	case UDPDrops:
		e := []string{say("%d datagrams were dropped at this socket so far", s.drops)}
		if s.grown {
			e = append(e, say("more were in the last %s", secs(between)))
		}
		if s.mem.RcvBuf > 0 {
			e = append(e, say("its receive buffer holds %d of %d bytes of memory", s.mem.RmemAlloc, s.mem.RcvBuf))
		}
		return e
	case MPTCPFallenBack:
		return []string{say("the kernel has marked the connection to %v as fallen back", sockdiag.Unmap(r.Dst))}
	}
	return nil
}
