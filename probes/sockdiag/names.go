package sockdiag

import "strconv"

// A Protocol is an IPPROTO_ number.
type Protocol uint16

// The protocols that the kernel can list, each by a module of its own.
const (
	TCP     Protocol = 6
	UDP     Protocol = 17
	DCCP    Protocol = 33
	SCTP    Protocol = 132
	UDPLite Protocol = 136
	Raw     Protocol = 255
	MPTCP   Protocol = 262 // Linux 5.9
)

// String returns "tcp", "udp", ..., or the number.
func (p Protocol) String() string {
	switch p {
	case TCP:
		return "tcp"
	case UDP:
		return "udp"
	case DCCP:
		return "dccp"
	case SCTP:
		return "sctp"
	case UDPLite:
		return "udplite"
	case Raw:
		return "raw"
	case MPTCP:
		return "mptcp"
	}
	return strconv.Itoa(int(p))
}

func (p Protocol) module() string {
	switch p {
	case UDPLite:
		return "udp_diag"
	case TCP, UDP, DCCP, SCTP, Raw, MPTCP:
		return p.String() + "_diag"
	}
	return "inet_diag"
}

// A Family is an AF_ number of Linux.
type Family uint8

// The families of the sockets that are listed.
const (
	Unspec  Family = 0
	Unix    Family = 1
	IPv4    Family = 2
	IPv6    Family = 10
	Netlink Family = 16
	Packet  Family = 17
)

// String returns "inet", "inet6", ..., or the number.
func (f Family) String() string {
	switch f {
	case Unspec:
		return "unspec"
	case Unix:
		return "unix"
	case IPv4:
		return "inet"
	case IPv6:
		return "inet6"
	case Netlink:
		return "netlink"
	case Packet:
		return "packet"
	}
	return strconv.Itoa(int(f))
}

// A State is a TCP_ state of linux/tcp_states.h, for all kinds of sockets: UDP,
// raw and unix sockets are ESTABLISHED when they are connected and else CLOSE.
type State uint8

// The states.
const (
	Established State = 1 + iota
	SynSent
	SynRecv
	FinWait1
	FinWait2
	TimeWait
	CloseState
	CloseWait
	LastAck
	Listen
	Closing
	NewSynRecv // listed as SynRecv
	// BoundInactive is a TCP socket that is bound and neither listens nor is
	// connected, Linux 6.8. It is asked for under this name and listed as
	// CloseState.
	BoundInactive
)

// String returns the kernel's name: "ESTABLISHED", "SYN_SENT", ...
func (s State) String() string {
	if s >= 1 && int(s) <= len(stateNames) {
		return stateNames[s-1]
	}
	return "state " + strconv.Itoa(int(s))
}

var stateNames = [...]string{
	"ESTABLISHED", "SYN_SENT", "SYN_RECV", "FIN_WAIT1", "FIN_WAIT2", "TIME_WAIT", "CLOSE",
	"CLOSE_WAIT", "LAST_ACK", "LISTEN", "CLOSING", "NEW_SYN_RECV", "BOUND_INACTIVE",
}

// States is a set of states: the bit 1<<s for each state s.
type States uint32

// AllStates is every state but BoundInactive, which costs the kernel a walk
// over a second table.
const AllStates States = 1<<NewSynRecv - 1

// StateSet returns the set of the states s.
func StateSet(s ...State) (set States) {
	for _, s := range s {
		set |= 1 << s
	}
	return set
}

// Has reports whether s is in the set.
func (set States) Has(s State) bool { return set>>s&1 != 0 }

// A Timer says what a socket waits for.
type Timer uint8

// The timers.
const (
	TimerOff Timer = iota
	// TimerOn is the retransmission timer, or that of a tail loss probe.
	TimerOn
	// TimerKeepalive is the keepalive timer; in FIN_WAIT2 the end of it.
	TimerKeepalive
	TimerTimeWait
	// TimerProbe probes a closed window.
	TimerProbe
)

// String returns "off", "on", "keepalive", "timewait", "persist" or the number.
func (t Timer) String() string {
	switch t {
	case TimerOff:
		return "off"
	case TimerOn:
		return "on"
	case TimerKeepalive:
		return "keepalive"
	case TimerTimeWait:
		return "timewait"
	case TimerProbe:
		return "persist"
	}
	return strconv.Itoa(int(t))
}

// A Shutdown says which directions of a socket are shut down.
type Shutdown uint8

// The directions.
const (
	ShutdownRead  Shutdown = 1 // of TCP: the peer's FIN has come
	ShutdownWrite Shutdown = 2
)

// A SocketType is a SOCK_ number of Linux.
type SocketType uint8

// The types.
const (
	Stream    SocketType = 1
	Dgram     SocketType = 2
	RawType   SocketType = 3
	SeqPacket SocketType = 5
)

// String returns "stream", "dgram", "raw", "seqpacket" or the number.
func (t SocketType) String() string {
	switch t {
	case Stream:
		return "stream"
	case Dgram:
		return "dgram"
	case RawType:
		return "raw"
	case SeqPacket:
		return "seqpacket"
	}
	return strconv.Itoa(int(t))
}
