// Package sockets lists the sockets of a network namespace with all that is
// known of them: who owns them, in which container, what is at the other end, how
// long they have been in their state. It also says what is wrong with them
// ([Diagnose]) and why a port cannot be bound ([Lister.Port]).
//
// A [Lister] walks over the sockets of one namespace. Rows stream: one [Row] is
// filled again at every step.
//
//	l, err := sockets.Open(nil)
//	...
//	expr, err := sockets.Parse("state established and dport = :443")
//	...
//	for r, err := range l.Rows(sockets.Query{Kinds: []sockets.Kind{sockets.TCP}, Filter: expr}) {
//		...
//		fmt.Println(r.State, r.Src, r.Dst)
//	}
//
// # Rights
//
// Any user gets every row with addresses, queues, user, cgroup and TCPInfo. The
// processes that hold the sockets of other users are found with CAP_SYS_PTRACE
// and CAP_DAC_READ_SEARCH only, as root has them; entering another namespace
// needs CAP_SYS_ADMIN.
package sockets

import (
	"strconv"
	"time"

	"framescope/probes/sockdiag"
)

// ErrNotSupported is the cause of every error on systems other than Linux.
var ErrNotSupported = sockdiag.ErrNotSupported

// A Kind is a kind of sockets.
type Kind uint8

// The kinds.
const (
	TCP Kind = 1 + iota
	MPTCP
	UDP
	UDPLite
	Raw
	Unix
	Packet
	Netlink
)

var allKinds = [...]Kind{TCP, MPTCP, UDP, UDPLite, Raw, Unix, Packet, Netlink}

// AllKinds returns every kind, those first that people look for first.
func AllKinds() []Kind { return append([]Kind(nil), allKinds[:]...) }

// String returns "tcp", "mptcp", "udp", ...
func (k Kind) String() string {
	switch k {
	case TCP:
		return "tcp"
	case MPTCP:
		return "mptcp"
	case UDP:
		return "udp"
	case UDPLite:
		return "udplite"
	case Raw:
		return "raw"
	case Unix:
		return "unix"
	case Packet:
		return "packet"
	case Netlink:
		return "netlink"
	}
	return strconv.Itoa(int(k))
}

// Inet reports whether sockets of the kind have internet addresses.
func (k Kind) Inet() bool { return k >= TCP && k <= Raw }

// A Row is one socket.
//
// Its methods refer to memory of the walk: they, and the slices in it, are valid
// until the next step. Clone makes a copy that stays.
type Row struct {
	Kind   Kind
	Family sockdiag.Family
	Type   sockdiag.SocketType
	State  sockdiag.State
	// Bound tells a TCP socket that is bound to a port, and neither listens nor is
	// connected: its State is CloseState.
	Bound bool
	// Full is false of mini-sockets (TIME_WAIT, SYN_RECV, FIN_WAIT2 without a
	// process): they have no UID, Inode and attributes.
	Full bool
	// ID has the two ends of an internet socket, its own first. Cookie tells any
	// socket from all others since the system was started; it is zero if the row
	// comes from /proc.
	sockdiag.ID
	Timer   sockdiag.Timer
	Retrans uint8
	Expires time.Duration
	// RQueue and WQueue are as in sockdiag.Socket: bytes of TCP, connections of a
	// listener, memory of all others.
	RQueue, WQueue uint32
	UID, Inode     uint32
	// HasUID is false where the kernel does not say which user owns the socket.
	HasUID bool
	// Protocol is that in the IP header of raw sockets, the ethertype of packet
	// sockets, a NETLINK_ number of netlink sockets.
	Protocol uint16
	// Name is what a unix socket is bound to; an abstract name begins with a zero
	// byte.
	Name string
	// PeerInode is the inode of the other end of a unix socket, or zero.
	PeerInode uint32
	// PortID and PeerPortID are the addresses of netlink sockets.
	PortID, PeerPortID uint32
	// Refs and Flags are the reference count and the flags of unix sockets that
	// come from /proc.
	Refs, Flags uint32
	// Netns names the namespace if more than one is listed, or is "".
	Netns string
	// FromProc tells that the row was read in /proc/net: it has no attributes.
	FromProc bool

	// Owners are the processes that hold it, if that was asked for: see Owned.
	Owners []Owner
	// Other is the other end if that is a socket of this namespace, and was asked
	// for: see Query.Join.
	Other *Row
	// Subflows are those of an MPTCP connection: see Query.Nested.
	Subflows []*Row

	interfaces *interfaces

	inet    *sockdiag.Socket
	unix    *sockdiag.UnixSocket
	packet  *sockdiag.PacketSocket
	netlink *sockdiag.NetlinkSocket
}

// Clone returns a copy of r that stays.
func (r *Row) Clone() *Row {
	c := *r
	if r.Interface != 0 && r.interfaces != nil {
		r.interfaces.load() // the namespace may be closed by the time it is asked for
	}
	if r.inet != nil {
		c.inet = r.inet.Clone()
	}
	if r.unix != nil {
		c.unix = r.unix.Clone()
	}
	if r.packet != nil {
		c.packet = r.packet.Clone()
	}
	if r.netlink != nil {
		c.netlink = r.netlink.Clone()
	}
	c.Owners = append([]Owner(nil), r.Owners...)
	if r.Other != nil {
		c.Other = r.Other.Clone()
	}
	c.Subflows = nil
	for _, s := range r.Subflows {
		c.Subflows = append(c.Subflows, s.Clone())
	}
	return &c
}

// Listening reports whether r waits for others: a listener, or a socket without
// connections that is bound.
func (r *Row) Listening() bool {
	return r.State == sockdiag.Listen || r.Kind != TCP && r.Kind != MPTCP && r.State == sockdiag.CloseState
}

// TCPInfo reads what the socket measured into t: see sockdiag.Socket.TCPInfo.
func (r *Row) TCPInfo(t *sockdiag.TCPInfo) bool { return r.inet != nil && r.inet.TCPInfo(t) }

// MPTCPInfo reads what is known of an MPTCP connection into i.
func (r *Row) MPTCPInfo(i *sockdiag.MPTCPInfo) bool { return r.inet != nil && r.inet.MPTCPInfo(i) }

// Subflow reads what a TCP socket knows of its MPTCP connection into f.
func (r *Row) Subflow(f *sockdiag.Subflow) bool { return r.inet != nil && r.inet.Subflow(f) }

// Inet returns an internet socket's attributes, or nil.
func (r *Row) Inet() *sockdiag.Socket { return r.inet }

// UnixSocket returns a unix socket's attributes, or nil.
func (r *Row) UnixSocket() *sockdiag.UnixSocket { return r.unix }

// PacketSocket returns a packet socket's attributes, or nil.
func (r *Row) PacketSocket() *sockdiag.PacketSocket { return r.packet }

// NetlinkSocket returns a netlink socket's attributes, or nil.
func (r *Row) NetlinkSocket() *sockdiag.NetlinkSocket { return r.netlink }

// MemInfo returns the memory of the socket, if it was asked for.
func (r *Row) MemInfo() (m sockdiag.MemInfo, ok bool) {
	switch {
	case r.inet != nil:
		return r.inet.MemInfo()
	case r.unix != nil:
		return r.unix.MemInfo()
	case r.packet != nil:
		return r.packet.MemInfo()
	case r.netlink != nil:
		return r.netlink.MemInfo()
	}
	return m, false
}

// CgroupID returns the id of the cgroup that the socket was made in.
func (r *Row) CgroupID() (uint64, bool) {
	if r.inet == nil {
		return 0, false
	}
	return r.inet.CgroupID()
}

// An Age says how long a socket has been in its state.
type Age struct {
	For time.Duration
	// AtLeast tells that it may be longer.
	AtLeast bool
}

const (
	timeWaitLen = 60 * time.Second // TCP_TIMEWAIT_LEN
	maxDuration = 1<<32 - 1        // of milliseconds in tcp_info
)

// Age returns how long the socket has been in its state, where that can be
// known without having watched it: of TIME_WAIT from its timer; of a connection
// that a side has closed from when the last acknowledgement came, and of one with
// unread data from when the last data came, for which ExtInfo must have been
// asked.
func (r *Row) Age() (a Age, ok bool) {
	var t sockdiag.TCPInfo
	switch r.State {
	case sockdiag.TimeWait:
		return Age{For: max(timeWaitLen-r.Expires, 0)}, r.Timer == sockdiag.TimerTimeWait
	case sockdiag.SynSent:
		// The first four retries come a second after each other (Linux 6.5), or
		// each after twice the time.
		if r.Timer == sockdiag.TimerOn && r.Retrans > 0 {
			return Age{time.Duration(r.Retrans) * time.Second, true}, true
		}
	case sockdiag.CloseWait, sockdiag.FinWait2, sockdiag.LastAck, sockdiag.Closing:
		// Later acknowledgements set it back.
		if r.TCPInfo(&t) && t.LastAckRecv < maxDuration*time.Millisecond {
			return Age{t.LastAckRecv, true}, true
		}
	case sockdiag.Established:
		if r.RQueue > 0 && r.TCPInfo(&t) {
			return Age{t.LastDataRecv, true}, true
		}
		if r.Inode == 0 && r.TCPInfo(&t) {
			return Age{t.LastAckRecv, true}, true
		}
	}
	return Age{}, false
}
