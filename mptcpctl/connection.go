package mptcpctl

import (
	"net/netip"
	"time"

	"framescope/probes/sockdiag"
)

// A Connection is an MPTCP connection as one of its ends has it.
type Connection struct {
	// Token is the connection's name on this host, zero if it has none: see
	// FallbackNever.
	Token Token
	// Local and Remote are the addresses that the connection began with.
	Local, Remote netip.AddrPort
	State         sockdiag.State
	// Accepted: the peer opened the connection, as its first subflow tells. Where
	// that is gone, its local port is one at which a socket listens.
	Accepted bool
	Fallback Fallback
	UID      uint32
	// Inode is the number of the socket, zero until it is accepted.
	Inode uint32
	// Cookie is the kernel's number of the socket, which is never used twice.
	Cookie uint64
	// Owner is the process that holds the socket, if it was asked for and found.
	Owner Owner
	// Info is what the kernel counts. All of it is zero with FallbackNever, and
	// Subflows counts attempts.
	Info sockdiag.MPTCPInfo
	// RQueue and WQueue are memory for data that was received and not read, and
	// that was written and not acknowledged.
	RQueue, WQueue uint32
	// Subflows are the TCP sockets of the connection, the first one first.
	Subflows []SubflowInfo

	first, n, room int32
}

// Fallback says whether a connection is MPTCP still.
type Fallback uint8

// The kinds of fallback.
const (
	// NoFallback: it is MPTCP.
	NoFallback Fallback = iota
	// FallbackHandshake: the peer never confirmed MPTCP.
	FallbackHandshake
	// FallbackLater: both had agreed on MPTCP, and it was given up afterwards.
	FallbackLater
	// FallbackNever: the application asked for MPTCP, and the kernel connected
	// with TCP: SYNs with the option had been lost.
	FallbackNever
)

// String returns "none", "handshake", "later" or "never-tried".
func (f Fallback) String() string {
	return [...]string{"none", "handshake", "later", "never-tried"}[min(f, FallbackNever)]
}

// Established returns how many subflows are established: see
// SubflowInfo.Established. It is what there is; Info.Subflows counts what was tried.
func (c *Connection) Established() (n int) {
	for i := range c.Subflows {
		if c.Subflows[i].Established() {
			n++
		}
	}
	return n
}

// Links returns over how many physical links the established subflows leave.
// Those that have no way out, or whose way is not known, do not count.
func (c *Connection) Links() int {
	var seen [16]string
	n := 0
next:
	for i := range c.Subflows {
		s := &c.Subflows[i]
		if !s.Established() {
			continue
		}
		name := s.Path.Cable()
		if name == "" {
			continue
		}
		for _, o := range seen[:n] {
			if o == name {
				continue next
			}
		}
		if n < len(seen) {
			seen[n] = name
			n++
		}
	}
	return n
}

// A SubflowInfo is one TCP socket of an MPTCP connection.
type SubflowInfo struct {
	Local, Remote netip.AddrPort
	State         sockdiag.State
	Flags         sockdiag.SubflowFlags
	// LocalID and RemoteID are the address ids, zero for the addresses that the
	// connection began with.
	LocalID, RemoteID uint8
	// PeerToken is the connection's name on the peer's host. It is known on
	// subflows that this host opened with MP_JOIN, else zero.
	PeerToken Token
	// Path is the way that packets of the subflow take; it is never nil in a
	// Snapshot, and subflows share it.
	Path *Path
	// Bound is the index of the interface that the socket is bound to, or zero.
	Bound uint32
	// Mark is the socket's mark; it is not known without CAP_NET_ADMIN.
	Mark uint32
	// Cookie is the kernel's number of the socket, which is never used twice.
	Cookie uint64

	// Timer is the timer that runs until Expires, Retransmits how often it has
	// run down since the last sign of the peer.
	Timer       sockdiag.Timer
	Expires     time.Duration
	Retransmits uint8
	// RQueue and WQueue are bytes: received and not read, written and not
	// acknowledged.
	RQueue, WQueue uint32

	// What TCP measured, since the subflow began.
	RTT, RTTVar, MinRTT, RTO  time.Duration
	Backoff                   uint8  // how often RTO was doubled
	Cwnd                      uint32 // segments
	PMTU                      uint32 // bytes
	BytesSent, BytesAcked     uint64
	BytesReceived             uint64
	BytesRetrans              uint64
	TotalRetrans              uint32 // segments
	DeliveryRate              uint64 // bytes a second
	LastDataSent, LastAckRecv time.Duration
	LastDataRecv              time.Duration

	// Acked, Received and Retransmitted are by how much the counters grew during
	// Over: see Snapshot.Since. Without a snapshot before, Over is zero.
	Acked, Received, Retransmitted uint64
	Over                           time.Duration

	conn  int32
	token Token // while conn is not known
}

// Established reports whether both ends have the subflow. With a join, that its
// state is ESTABLISHED is not enough: the peer may have refused it, or never
// have seen the last packet of the handshake. The first subflow needs no more
// than that both sent MP_CAPABLE: its client knows it to be confirmed when data
// was, and there may be none yet.
func (s *SubflowInfo) Established() bool {
	const capable = sockdiag.SubflowMCapRem | sockdiag.SubflowMCapLoc
	return s.State == sockdiag.Established && (s.Flags&sockdiag.SubflowFullyEstablished != 0 || !s.Join() && s.Flags&capable == capable)
}

// Join reports whether the subflow was added to a connection that was there.
func (s *SubflowInfo) Join() bool {
	return s.Flags&(sockdiag.SubflowJoinLoc|sockdiag.SubflowJoinRem) != 0
}

// Opened reports whether this host opened the subflow with MP_JOIN.
func (s *SubflowInfo) Opened() bool { return s.Flags&sockdiag.SubflowJoinLoc != 0 }

// Backup reports whether one of the two ends asked for the subflow to be used
// only when there is no other.
func (s *SubflowInfo) Backup() bool {
	return s.Flags&(sockdiag.SubflowBackupLoc|sockdiag.SubflowBackupRem) != 0
}

// Silent reports whether the subflow's data goes unanswered: the timer has run
// down at least twice. A peer that reads nothing does answer.
func (s *SubflowInfo) Silent() bool {
	if s.State != sockdiag.Established {
		return false
	}
	return s.Timer == sockdiag.TimerOn && s.Backoff >= 2 || s.Timer == sockdiag.TimerProbe && s.Retransmits >= 2
}

// Delivered returns how many bytes of what the subflow sent were acknowledged.
// BytesAcked counts the SYN and the FIN, too.
func (s *SubflowInfo) Delivered() uint64 {
	return min(s.BytesAcked, s.BytesSent-min(s.BytesRetrans, s.BytesSent))
}

// Moved returns how many bytes went over the subflow during Over, both ways.
func (s *SubflowInfo) Moved() uint64 { return s.Acked + s.Received }

// Rate returns what was acknowledged and what was received, in bytes a second.
// It is zero without a snapshot before.
func (s *SubflowInfo) Rate() (sent, received uint64) {
	if s.Over <= 0 {
		return 0, 0
	}
	seconds := s.Over.Seconds()
	return uint64(float64(s.Acked) / seconds), uint64(float64(s.Received) / seconds)
}

// A Path is the way that packets take out of this host.
type Path struct {
	// Dev is the interface that they leave by; empty if that is not known.
	Dev string
	// Lower is the interface below a VLAN, macvlan or the like: what has the
	// cable. It is empty if there is none.
	Lower string
	// Gateway is the next hop; invalid if the peer is on the link.
	Gateway netip.Addr
	// Err says why the way is not known.
	Err string
}

// Cable names the physical link: two subflows with the same one share it.
func (p *Path) Cable() string {
	if p.Lower != "" {
		return p.Lower
	}
	return p.Dev
}
