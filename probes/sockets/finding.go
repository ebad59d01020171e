package sockets

import (
	"slices"

	"framescope/decode/finding"
)

// An Info is what the catalogue says of a kind of finding.
type Info struct {
	// ID is a short word that never changes.
	ID       string
	Severity finding.Severity
	// Title says in one line what was found, Cause why that happens, Fix what mends
	// it; a line break separates alternatives.
	Title, Cause, Fix string
}

// The findings about sockets.
const (
	ReaderStuck       = "socket-reader-stuck"
	PeerNotReading    = "socket-peer-not-reading"
	Unacknowledged    = "socket-unacknowledged"
	CloseWaitUnread   = "socket-close-wait-unread"
	CloseWaitNotRead  = "socket-close-wait-eof-unread"
	CloseWaitLeak     = "socket-close-wait-leak"
	SynSentStuck      = "socket-syn-unanswered"
	AcceptQueueFull   = "socket-accept-queue-full"
	AcceptQueueDrops  = "socket-accept-queue-overflow"
	NotAccepted       = "socket-not-accepted"
	HalfClosed        = "socket-half-closed"
	Orphan            = "socket-orphan"
	OrphanPressure    = "socket-orphan-pressure"
	TimeWaitPressure  = "socket-time-wait"
	EphemeralPorts    = "socket-ephemeral-ports"
	UDPDrops          = "socket-udp-drops"
	MPTCPFallenBack   = "socket-mptcp-fallback"
	numberOfSocketIDs = 17
)

var catalogue = [numberOfSocketIDs]Info{
	{ReaderStuck, finding.Warning, "data has come and the process does not read it",
		"The process that holds the socket has not read for a while; once its receive buffer is full, the peer has to stop. It is busy with something else, waits for another peer or a lock, or has forgotten the socket.",
		"Look at what the process does: cat /proc/PID/stack, or a stack dump of its runtime.\nRead in a loop of its own, or close connections that are not wanted any more."},
	{PeerNotReading, finding.Warning, "the peer does not take what was sent",
		"The peer has closed its receive window: the process there does not read. Whatever is written here waits in the send queue, and write blocks when that is full.",
		"Look at the process at the other end.\nSet a write timeout, or TCP_USER_TIMEOUT, so that one peer that does not read cannot hold this one up."},
	{Unacknowledged, finding.Warning, "data is sent again and again and not acknowledged",
		"The peer or the path to it is gone: no acknowledgement has come for several retransmissions, and no RST.",
		"Check the peer, the route and firewalls between (ip route get ADDRESS; framescope capture).\nTCP_USER_TIMEOUT has the kernel give up earlier than after a quarter of an hour."},
	{CloseWaitUnread, finding.Warning, "the peer has closed, and data that came before is not read",
		"The process has not read what the peer sent before it closed, so that it does not know of the end either: it does not read from this connection at all.",
		"Read until the end of the stream (0 bytes), then close.\nUntil it is mended, restart the process."},
	{CloseWaitNotRead, finding.Warning, "the peer has closed, and the process has not noticed",
		"All data was read, but not the end of the stream: the process does not read from this connection any more, such as a pooled one that is idle.",
		"Read, or poll, idle connections so that their end is seen; limit how long a pool keeps them.\nUntil it is mended, restart the process."},
	{CloseWaitLeak, finding.Warning, "the peer has closed, the process knows and has not closed its side",
		"The process has read the end of the stream and kept the socket: close is missing on some way through the code, or another process that was forked holds a copy. Each one keeps a file descriptor until there are none left.",
		"Close the connection when read returns 0, on error paths too (defer, with, try-with-resources).\nOpen sockets with SOCK_CLOEXEC so that children do not keep them."},
	{SynSentStuck, finding.Warning, "a connection is being tried, and nobody answers",
		"The SYN was sent several times and neither a SYN/ACK nor a RST came: the host is down or a firewall drops the packets.",
		"Check address and port, the route (ip route get ADDRESS) and firewalls on the way.\nSet a connect timeout: the kernel goes on for two minutes."},
	{AcceptQueueFull, finding.Error, "the accept queue of a listener is full",
		"The process does not accept connections as fast as they come, and the kernel drops new ones: clients wait seconds for a retry, or time out.",
		"Find out why the process does not accept (blocked, out of file descriptors, too few workers).\nRaise the backlog given to listen, and net.core.somaxconn, which bounds it."},
	{AcceptQueueDrops, finding.Warning, "a listener has dropped connections",
		"Connections came faster than the process accepted them, and did not fit into its queue, or memory was short.",
		"Raise the backlog given to listen, and net.core.somaxconn, which bounds it.\nAccept in a loop of its own, with more workers."},
	{NotAccepted, finding.Warning, "connections wait to be accepted",
		"The handshake is complete, clients believe that they are connected and may have sent data, but the process that listens has not called accept.",
		"Look at what the process that listens does: it is busy, blocked, or at its limit of files or connections."},
	{HalfClosed, finding.Note, "this side has closed its direction and waits for the peer",
		"The process has called shutdown for writing and holds the socket; the peer has not closed. That is right as long as an answer is still to come.",
		"If no answer is expected, close the socket instead; set a read timeout for the rest of it."},
	{Orphan, finding.Note, "a connection was closed here, and the peer does not finish it",
		"The process is done with the connection and the kernel alone holds it: it waits for the peer to acknowledge what was left, or to close.",
		"Nothing, as long as there are few. The kernel ends them by net.ipv4.tcp_fin_timeout and tcp_orphan_retries.\nMany of one peer: the application there does not close."},
	{OrphanPressure, finding.Warning, "there are nearly as many orphaned connections as allowed",
		"Connections that no process holds any more wait for their peers. At net.ipv4.tcp_max_orphans the kernel resets them.",
		"Find the peers that do not close; lower net.ipv4.tcp_orphan_retries and net.ipv4.tcp_fin_timeout."},
	{TimeWaitPressure, finding.Warning, "connections in TIME_WAIT take up ports or memory",
		"Many short connections were closed from this side; each keeps its pair of addresses for 60 s.",
		"Keep connections alive and use them again.\nHave the other side close first.\nnet.ipv4.tcp_tw_reuse=1 lets outgoing connections take over such ports."},
	{EphemeralPorts, finding.Warning, "the ports for outgoing connections to one destination are nearly used up",
		"A connection needs a port of its own for each destination; when net.ipv4.ip_local_port_range has none left, connect fails with EADDRNOTAVAIL.",
		"Keep connections alive and use them again.\nWiden net.ipv4.ip_local_port_range.\nUse more source or destination addresses."},
	{UDPDrops, finding.Warning, "datagrams are dropped at a socket",
		"The process does not read as fast as datagrams come, and its receive buffer is full.",
		"Read in a loop of its own, several at once (recvmmsg).\nRaise SO_RCVBUF, and net.core.rmem_max, which bounds it."},
	{MPTCPFallenBack, finding.Warning, "an MPTCP connection has fallen back to plain TCP",
		"The peer does not speak MPTCP, or something on the path removes its options: the connection has one path only.",
		"Check the peer (sysctl net.mptcp.enabled, its socket made with IPPROTO_MPTCP).\nframescope capture shows on which side the option is missing."},
}

// Catalogue returns what is known of every finding about sockets.
func Catalogue() []Info { return append([]Info(nil), catalogue[:]...) }

// info returns what the catalogue says of an id.
func info(id string) Info {
	for _, i := range catalogue {
		if i.ID == id {
			return i
		}
	}
	return Info{ID: id}
}

// place returns where an id stands in the catalogue: what explains others first.
func place(id string) int {
	return slices.IndexFunc(catalogue[:], func(i Info) bool { return i.ID == id })
}

// A Finding says what is wrong with a socket, or with several in the same way.
type Finding struct {
	Info
	// Evidence is what was seen, a sentence each.
	Evidence []string
	// Socket is the one that shows it best, with its owners and, if that is a socket
	// of the same namespace, its other end. It is nil if none is concerned in
	// particular.
	Socket *Row
	// Count is how many sockets are concerned.
	Count int
	// Age says for how long, at least.
	Age Age
}

// refusedHere has the cause of connections that are not answered be the listener
// of this host that they go to.
func (f *Finding) refusedHere(l *Row) {
	if l.RQueue <= l.WQueue {
		f.Cause = "The SYN was sent several times to a listener of this host, which has room: a firewall of this host drops the packets, or its queue was full a moment ago."
		f.Fix = "Look at the rules of this host's firewall: nft list ruleset, iptables-save.\nSet a connect timeout: the kernel goes on for two minutes."
		return
	}
	f.Cause = "The listener is on this host and its accept queue is full, so that the kernel drops the SYN: see " + AcceptQueueFull + "."
	f.Fix = "Mend what " + AcceptQueueFull + " says of the listener.\nSet a connect timeout: the kernel goes on for two minutes."
}
