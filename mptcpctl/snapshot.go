package mptcpctl

import (
	"net/netip"
	"time"

	"framescope/probes/sockdiag"
)

// A Snapshot is the MPTCP connections of a network namespace at one moment, and
// what else decides how they are. The zero Snapshot is ready to be filled, and
// to be filled again: its memory is used once more.
type Snapshot struct {
	// Time is when the walk over the sockets began.
	Time time.Time
	// Connections are those that the Selector chose, with their subflows.
	Connections []Connection
	// Listeners are the addresses at which sockets listen for MPTCP.
	Listeners []netip.AddrPort
	// Accepted are TCP connections, without any MPTCP, to ports at which a socket
	// listens for MPTCP: the peer did not ask for it, or was not heard.
	Accepted Group
	// Plain are TCP connections that no MPTCP socket has and that the Selector's
	// addresses fit. Without addresses in the Selector it is empty.
	Plain Group
	// Pending are handshakes on ports at which a socket listens for MPTCP, whose
	// last packet is missing. Joins and first handshakes look alike.
	Pending Group
	// Incomplete: sockets came or went during the walk, so that some may be
	// missing or be there twice. The kernel does not take a snapshot.
	Incomplete bool

	// subflows has room for those of each connection in a row, as many as the
	// kernel says there are; others are in late.
	subflows []SubflowInfo
	late     []SubflowInfo
	byToken  map[Token]int32
}

// A Group counts sockets and keeps a few of them.
type Group struct {
	// Count is how many there are.
	Count int
	// Sample is up to MaxSample of them.
	Sample []Pair
}

// MaxSample is how many sockets a Group keeps.
const MaxSample = 64

// A Pair is the addresses of a socket.
type Pair struct {
	Local, Remote netip.AddrPort
	// Retransmits is how often its last packet was sent again.
	Retransmits uint8
}

func (g *Group) add(s *sockdiag.Socket) {
	if g.Count++; len(g.Sample) < MaxSample {
		g.Sample = append(g.Sample, Pair{unmapPort(s.Src), unmapPort(s.Dst), s.Retrans})
	}
}

func unmapPort(a netip.AddrPort) netip.AddrPort { return sockdiag.Unmap(a) }

// A Query says what a Snapshot shall hold.
type Query struct {
	// Selector chooses connections; the zero Selector all of them.
	Selector Selector
	// Owners finds who holds the connections; nil: that is not asked.
	Owners OwnerFinder
	// MaxOwned: owners are looked for only where there are at most as many
	// connections, since it means a look at every open file; 0: always.
	MaxOwned int
}

// Snapshot fills s with what there is now. It takes one walk over the MPTCP
// sockets and one over the TCP sockets of the namespace, whatever the number of
// connections; TCP sockets that do not belong to MPTCP take no memory. It
// needs no rights since Linux 6.15; before, the kernel tells of subflows with
// CAP_NET_ADMIN only, and the error is os.ErrPermission where there are any.
func (c *Conn) Snapshot(s *Snapshot, q Query) error {
	return fail("show", "", c.snapshot(s, &q))
}

func (s *Snapshot) reset() {
	s.Time = time.Now()
	s.Connections, s.Listeners, s.late = s.Connections[:0], s.Listeners[:0], s.late[:0]
	for _, g := range []*Group{&s.Accepted, &s.Plain, &s.Pending} {
		g.Count, g.Sample = 0, g.Sample[:0]
	}
	s.Incomplete = false
	if s.byToken == nil {
		s.byToken = make(map[Token]int32)
	}
	clear(s.byToken)
}

// Since notes in s by how much the counters of each subflow grew since an
// earlier snapshot. Subflows that are new have grown by all that they have.
func (s *Snapshot) Since(before *Snapshot) {
	was := make(map[uint64]*SubflowInfo)
	for i := range before.Connections {
		subs := before.Connections[i].Subflows
		for j := range subs {
			was[subs[j].Cookie] = &subs[j]
		}
	}
	over := s.Time.Sub(before.Time)
	for i := range s.Connections {
		for j := range s.Connections[i].Subflows {
			n := &s.Connections[i].Subflows[j]
			n.Over, n.Acked, n.Received, n.Retransmitted = over, n.Delivered(), n.BytesReceived, n.BytesRetrans
			if o := was[n.Cookie]; o != nil {
				n.Acked -= min(o.Delivered(), n.Acked)
				n.Received -= min(o.BytesReceived, n.Received)
				n.Retransmitted -= min(o.BytesRetrans, n.Retransmitted)
			}
		}
	}
}

// Find returns the connection with a cookie, or nil.
func (s *Snapshot) Find(cookie uint64) *Connection {
	for i := range s.Connections {
		if s.Connections[i].Cookie == cookie {
			return &s.Connections[i]
		}
	}
	return nil
}
