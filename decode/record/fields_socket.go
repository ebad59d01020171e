package record

import (
	"encoding/binary"
	"net/netip"
	"slices"
	"strings"
)

func socketText(name, doc string, get func(s *Socket) string) Field {
	return text(name, doc, func(r Record, _ int) (string, bool) { return ifSome(get(r.(*Socket))) })
}

func socketNum(kind Kind, name, doc string, get func(s *Socket) (int64, bool)) Field {
	return num(kind, name, doc, func(r Record, _ int) (int64, bool) { return get(r.(*Socket)) })
}

func socketCount(name, doc string, get func(s *Socket) uint32) Field {
	return socketNum(KindInt, name, doc, func(s *Socket) (int64, bool) { return int64(get(s)), true })
}

func socketEnd(name, whose string, get func(s *Socket) netip.AddrPort) []Field {
	return []Field{
		addr(name+".ip", "Address of "+whose+".", func(r Record) (netip.Addr, bool) { return ipOf(get(r.(*Socket))) }),
		socketNum(KindInt, name+".port", "Its port.", func(s *Socket) (int64, bool) { return portOf(get(s)) }),
	}
}

// measured returns a field of what TCP measured.
func measured(kind Kind, name, doc string, get func(t *SocketTCP) int64) Field {
	return socketNum(kind, "tcp."+name, doc, func(s *Socket) (int64, bool) {
		if s.TCP == nil {
			return 0, false
		}
		return get(s.TCP), true
	})
}

func processes(r Record) int { return len(r.(*Socket).Processes) }

func processField(kind Kind, name, doc string, get func(p *Process) int64) Field {
	return Field{Name: "process." + name, Kind: kind, Many: true, Doc: doc, len: processes,
		num: func(r Record, i int) (int64, bool) { return get(&r.(*Socket).Processes[i]), true }}
}

var (
	socketTransports = []string{"tcp", "mptcp", "udp", "udplite", "raw", "unix", "packet", "netlink"}
	socketStates     = []string{
		"LISTEN", "SYN_SENT", "SYN_RECV", "ESTABLISHED", "FIN_WAIT1", "FIN_WAIT2", "CLOSE_WAIT", "CLOSING", "LAST_ACK", "TIME_WAIT", "CLOSE", "BOUND", "UNCONN",
	}
)

func socketFields() []Field {
	return slices.Concat([]Field{
		socketText("netns", "The network namespace, where more than one is listed.", func(s *Socket) string { return s.Netns }),
		words(socketTransports, socketText("network.transport", strings.Join(socketTransports, ", ")+".", func(s *Socket) string { return s.Transport })),
		words([]string{"ipv4", "ipv6"}, socketText("network.type", "ipv4 or ipv6, of internet sockets.", func(s *Socket) string { return s.Network })),
	}, socketEnd("local", "this end of an internet socket", func(s *Socket) netip.AddrPort { return s.Local }), []Field{
		socketText("local.path", "What a unix socket is bound to; an abstract name begins with @.", func(s *Socket) string { return s.Path }),
	}, socketEnd("peer", "the other end", func(s *Socket) netip.AddrPort { return s.Peer }), []Field{
		words(socketStates, socketText("socket.state", strings.Join(socketStates, ", ")+": UNCONN of what has no connections; BOUND where a port is taken and nothing more.", func(s *Socket) string { return s.State })),
		socketText("socket.type", "stream, dgram, raw or seqpacket.", func(s *Socket) string { return s.Kind }),
		socketCount("socket.recv_q", "What waits to be read: bytes of TCP, connections of a listener, memory of others.", func(s *Socket) uint32 { return s.RecvQ }),
		socketCount("socket.send_q", "What waits to be sent or acknowledged: bytes of TCP, the bound of a listener, memory of others.", func(s *Socket) uint32 { return s.SendQ }),
		socketNum(KindInt, "socket.inode", "Its inode; absent where no process holds it.", func(s *Socket) (int64, bool) { return unlessZero(int64(s.Inode)) }),
		socketText("socket.timer", "The timer that runs: on, keepalive, timewait, persist.", func(s *Socket) string { return s.Timer }),
		socketNum(KindDuration, "socket.expires_ms", "When it ends.", func(s *Socket) (int64, bool) { return s.Expires, s.Timer != "" }),
		socketNum(KindInt, "socket.retrans", "How often it was sent again without an answer.", func(s *Socket) (int64, bool) { return unlessZero(int64(s.Retrans)) }),
		socketNum(KindDuration, "socket.age_ms", "How long the state is what it is, as far as can be known.", func(s *Socket) (int64, bool) { return ifCounted(s.Age) }),
		socketNum(KindInt, "socket.drops", "Datagrams or connections that were lost for want of room.", func(s *Socket) (int64, bool) { return ifCounted(s.Drops) }),
		socketText("socket.cgroup", "Path of its control group.", func(s *Socket) string { return s.Cgroup }),
		socketNum(KindInt, "user.id", "Number of the user who opened it.", func(s *Socket) (int64, bool) { return ifCounted(s.UserID) }),
		socketText("user.name", "Name of the user.", func(s *Socket) string { return s.User }),
		{
			Name: "process", Kind: KindObjects, Many: true, Doc: "Who holds it.", len: processes,
			has: func(r Record) bool { return processes(r) > 0 },
			Sub: []Field{
				processField(KindInt, "pid", "Number of the process.", func(p *Process) int64 { return int64(p.PID) }),
				processField(KindInt, "fd", "Number of its file.", func(p *Process) int64 { return int64(p.FD) }),
				{
					Name: "process.name", Kind: KindString, Many: true, Doc: "Its name.", len: processes,
					str: func(r Record, i int) (string, bool) { return r.(*Socket).Processes[i].Name, true },
				},
			},
		},
		socketText("service", "The unit of systemd or the container that its control group belongs to.", func(s *Socket) string { return s.Service }),
		text("tcp.congestion", "The congestion control.", func(r Record, _ int) (string, bool) {
			t := r.(*Socket).TCP
			if t == nil {
				return "", false
			}
			return ifSome(t.Congestion)
		}),
		measured(KindDuration, "rtt_ms", "Smoothed round-trip time.", func(t *SocketTCP) int64 { return t.RTT }),
		measured(KindDuration, "rttvar_ms", "How much that varies.", func(t *SocketTCP) int64 { return t.RTTVar }),
		measured(KindDuration, "min_rtt_ms", "The least round-trip time.", func(t *SocketTCP) int64 { return t.MinRTT }),
		measured(KindDuration, "rto_ms", "Retransmission timeout.", func(t *SocketTCP) int64 { return t.RTO }),
		measured(KindInt, "cwnd", "Congestion window in segments.", func(t *SocketTCP) int64 { return int64(t.Cwnd) }),
		measured(KindInt, "mss", "Bytes of the largest segment that is sent.", func(t *SocketTCP) int64 { return int64(t.MSS) }),
		measured(KindInt, "pmtu", "Bytes of the largest packet of the path.", func(t *SocketTCP) int64 { return int64(t.PMTU) }),
		measured(KindInt, "bytes_sent", "Payload bytes sent, those sent again included.", func(t *SocketTCP) int64 { return int64(t.BytesSent) }),
		measured(KindInt, "bytes_acked", "Payload bytes that were acknowledged.", func(t *SocketTCP) int64 { return int64(t.BytesAcked) }),
		measured(KindInt, "bytes_received", "Payload bytes received.", func(t *SocketTCP) int64 { return int64(t.BytesRecv) }),
		measured(KindInt, "bytes_retrans", "Payload bytes sent again.", func(t *SocketTCP) int64 { return int64(t.BytesLost) }),
		measured(KindInt, "bytes_not_sent", "Bytes that wait for the window.", func(t *SocketTCP) int64 { return int64(t.NotSent) }),
		measured(KindInt, "segs_out", "Segments sent.", func(t *SocketTCP) int64 { return int64(t.SegsOut) }),
		measured(KindInt, "segs_in", "Segments received.", func(t *SocketTCP) int64 { return int64(t.SegsIn) }),
		measured(KindInt, "retrans_total", "Segments sent again.", func(t *SocketTCP) int64 { return int64(t.Retrans) }),
		measured(KindInt, "send_window", "Window that the peer offers, in bytes.", func(t *SocketTCP) int64 { return int64(t.SendWindow) }),
		measured(KindInt, "recv_window", "Window that is offered to the peer.", func(t *SocketTCP) int64 { return int64(t.RecvWindow) }),
		measured(KindInt, "delivery_rate_bytes", "Bytes a second that got through, as last measured.", func(t *SocketTCP) int64 { return int64(t.DeliveryRate) }),
		measured(KindDuration, "last_sent_ms", "Since data was last sent.", func(t *SocketTCP) int64 { return t.LastSent }),
		measured(KindDuration, "last_received_ms", "Since data was last received.", func(t *SocketTCP) int64 { return t.LastRecv }),
		measured(KindDuration, "last_ack_ms", "Since an acknowledgement was last received.", func(t *SocketTCP) int64 { return t.LastAck }),
		measured(KindDuration, "busy_ms", "How long there was something to send.", func(t *SocketTCP) int64 { return t.Busy }),
		measured(KindDuration, "rwnd_limited_ms", "How much of that the peer's window was too small.", func(t *SocketTCP) int64 { return t.RwndLimited }),
		{Name: "mptcp.token", Kind: KindHex, Doc: "Token of an MPTCP connection.", raw: func(r Record) ([]byte, bool) {
			s := r.(*Socket)
			return binary.BigEndian.AppendUint32(s.token[:0], s.Token), s.Token != 0
		}},
		socketNum(KindInt, "mptcp.subflows", "Its subflows, the first included.", func(s *Socket) (int64, bool) { return int64(s.Subflows), s.Token != 0 }),
		socketNum(KindBool, "mptcp.fallback", "Whether it has fallen back to TCP.", func(s *Socket) (int64, bool) {
			v, _ := flag(s.Fallback)
			return v, s.Token != 0
		}),
	})
}
