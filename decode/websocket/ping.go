package websocket

import "framescope/decode/finding"

// maxPings is how many unanswered pings of one side are remembered. A pong may
// answer only the latest (RFC 6455 section 5.5.3).
const maxPings = 16

// Pings pairs the pongs of a session with the pings that they answer. The zero
// value is ready; it holds no memory until the first ping, and 400 bytes for a
// side then.
type Pings struct {
	sent [3]*pings // by the Role that sent them
}

type pings struct {
	n int
	p [maxPings]ping // the oldest first
}

type ping struct {
	payload uint64 // a hash
	time    int64
}

// Frame takes a frame that was sent by the side from. For a pong that answers
// a ping of the other side it returns the time between the packet that ended
// the ping and the one that ended the pong, in nanoseconds. Frames whose
// payload is not complete are left out.
func (p *Pings) Frame(from Role, f *Frame) (rtt int64, ok bool) {
	if f.Header.Opcode != Ping && f.Header.Opcode != Pong || f.Captured != f.Header.Length || f.Issues.Has(finding.ControlTooLong) {
		return 0, false
	}
	key := fnv(f.Payload)
	if f.Header.Opcode == Ping {
		s := p.sent[from%3]
		if s == nil {
			s = new(pings)
			p.sent[from%3] = s
		}
		if s.n == maxPings {
			copy(s.p[:], s.p[1:])
			s.n--
		}
		s.p[s.n] = ping{key, f.Last.Time}
		s.n++
		return 0, false
	}
	var s *pings
	switch from {
	case Client:
		s = p.sent[Server]
	case Server:
		s = p.sent[Client]
	}
	if s == nil {
		return 0, false
	}
	for i := s.n - 1; i >= 0; i-- {
		if s.p[i].payload != key {
			continue
		}
		rtt = f.Last.Time - s.p[i].time
		// A pong answers all pings before the one that it repeats as well.
		s.n = copy(s.p[:], s.p[i+1:s.n])
		return rtt, rtt >= 0
	}
	return 0, false
}

// fnv is the FNV-1a hash; a collision would only misreport a time.
func fnv(b []byte) uint64 {
	h := uint64(14695981039346656037)
	for _, c := range b {
		h = (h ^ uint64(c)) * 1099511628211
	}
	return h
}
