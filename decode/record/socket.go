package record

import "net/netip"

// A Socket is a socket of the kernel, as `framescope sockets` lists it. It is in
// no capture: only Time of its Head is set, if anything is. Names of processes,
// paths and services are as the kernel has them: bytes that anybody can choose.
type Socket struct {
	Head
	// Netns names the namespace where more than one is listed.
	Netns string
	// Transport is tcp, mptcp, udp, udplite, raw, unix, packet or netlink, Network
	// ipv4, ipv6 or empty, Kind stream, dgram, ...
	Transport, Network, Kind string
	// Local and Peer are the ends of an internet socket; they are not valid where
	// there is none. Path is what a unix socket is bound to, with @ for an abstract
	// name.
	Local, Peer netip.AddrPort
	Path        string
	State       string
	// RecvQ and SendQ are bytes of TCP, connections of a listener, memory of others.
	RecvQ, SendQ uint32
	// Inode is zero where the socket has none: nobody holds it.
	Inode uint32
	// Timer is the timer that runs, Expires its rest in nanoseconds.
	Timer   string
	Expires int64
	Retrans uint8
	// Age is since when the state is what it is, in nanoseconds, at least; -1 where
	// the kernel does not say.
	Age int64
	// Drops counts datagrams or connections that were lost, -1 if unknown.
	Drops int64
	// UserID is who opened it, -1 if unknown.
	UserID int64
	User   string
	// Processes hold it.
	Processes []Process
	// Cgroup is the path of its control group, Service what that says: a unit or a
	// container.
	Cgroup, Service string
	// TCP is what TCP measured; nil where it did not.
	TCP *SocketTCP
	// Token is that of an MPTCP connection, 0 of others; Fallback tells that it has
	// fallen back to TCP.
	Token    uint32
	Subflows uint8
	Fallback bool

	token [4]byte // as bytes, once asked for
}

// A Process holds a socket.
type Process struct {
	PID, FD int
	Name    string
}

// A SocketTCP is what TCP measured on a connection (struct tcp_info of Linux).
// Times are in nanoseconds.
type SocketTCP struct {
	Congestion                                  string
	RTT, RTTVar, MinRTT, RTO                    int64
	Cwnd, MSS, PMTU                             uint32
	BytesSent, BytesAcked, BytesRecv, BytesLost uint64
	NotSent                                     uint32
	SegsOut, SegsIn, Retrans                    uint32
	SendWindow, RecvWindow                      uint32
	DeliveryRate                                uint64
	LastSent, LastRecv, LastAck                 int64
	Busy, RwndLimited                           int64
}

// Type returns TypeSocket.
func (*Socket) Type() Type { return TypeSocket }
