package main

import (
	"fmt"
	"net/netip"
	"time"

	"framescope/probes/sockdiag"
	"framescope/probes/sockets"
)

// A socketRecord is a socket as JSON: docs/sockets.md describes it.
type socketRecord struct {
	Schema  string          `json:"schema,omitempty"`
	Type    string          `json:"type,omitempty"`
	Time    string          `json:"ts,omitempty"`
	Netns   string          `json:"netns,omitempty"`
	Network socketNetwork   `json:"network"`
	Local   *socketEnd      `json:"local,omitempty"`
	Peer    *socketEnd      `json:"peer,omitempty"`
	Socket  socketFields    `json:"socket"`
	User    *socketUser     `json:"user,omitempty"`
	Process []socketProcess `json:"process,omitempty"`
	Service string          `json:"service,omitempty"`
	Other   *socketRecord   `json:"other_end,omitempty"`
	TCP     *tcpFields      `json:"tcp,omitempty"`
	MPTCP   *mptcpFields    `json:"mptcp,omitempty"`
	Subflow []socketRecord  `json:"subflows,omitempty"`
}

type socketNetwork struct {
	Transport string `json:"transport"`
	Type      string `json:"type,omitempty"`
}

type socketEnd struct {
	IP     string `json:"ip,omitempty"`
	Port   uint16 `json:"port,omitempty"`
	Path   string `json:"path,omitempty"`
	Inode  uint32 `json:"inode,omitempty"`
	PortID uint32 `json:"port_id,omitempty"`
}

type socketUser struct {
	ID   uint32 `json:"id"`
	Name string `json:"name"`
}

type socketProcess struct {
	PID  int    `json:"pid"`
	FD   int    `json:"fd"`
	Name string `json:"name"`
}

type socketFields struct {
	State      string   `json:"state"`
	Type       string   `json:"type"`
	RecvQ      uint32   `json:"recv_q"`
	SendQ      uint32   `json:"send_q"`
	Inode      uint32   `json:"inode,omitempty"`
	Cookie     string   `json:"cookie,omitempty"` // 64 bits do not fit into a number of JSON
	Interface  uint32   `json:"interface,omitempty"`
	Protocol   *uint16  `json:"protocol,omitempty"`
	Timer      string   `json:"timer,omitempty"`
	Expires    *float64 `json:"expires_ms,omitempty"`
	Retrans    uint8    `json:"retrans,omitempty"`
	Age        *float64 `json:"age_ms,omitempty"`
	AgeAtLeast *bool    `json:"age_at_least,omitempty"`
	Shutdown   *uint8   `json:"shutdown,omitempty"`
	Drops      *uint32  `json:"drops,omitempty"`
	Cgroup     string   `json:"cgroup,omitempty"`
}

type tcpFields struct {
	Congestion   string  `json:"congestion,omitempty"`
	RTT          float64 `json:"rtt_ms"`
	RTTVar       float64 `json:"rttvar_ms"`
	MinRTT       float64 `json:"min_rtt_ms,omitempty"`
	RTO          float64 `json:"rto_ms"`
	Cwnd         uint32  `json:"cwnd"`
	MSS          uint32  `json:"mss"`
	PMTU         uint32  `json:"pmtu"`
	BytesSent    uint64  `json:"bytes_sent"`
	BytesAcked   uint64  `json:"bytes_acked"`
	BytesRecv    uint64  `json:"bytes_received"`
	BytesRetrans uint64  `json:"bytes_retrans"`
	NotSent      uint32  `json:"bytes_not_sent"`
	SegsOut      uint32  `json:"segs_out"`
	SegsIn       uint32  `json:"segs_in"`
	Retrans      uint32  `json:"retrans_total"`
	SendWindow   uint32  `json:"send_window"`
	RecvWindow   uint32  `json:"recv_window"`
	DeliveryRate uint64  `json:"delivery_rate_bytes"`
	LastSent     float64 `json:"last_sent_ms"`
	LastRecv     float64 `json:"last_received_ms"`
	LastAck      float64 `json:"last_ack_ms"`
	Busy         float64 `json:"busy_ms"`
	RwndLimited  float64 `json:"rwnd_limited_ms"`
}

type mptcpFields struct {
	Token       string `json:"token"`
	Subflows    uint8  `json:"subflows"`
	Fallback    bool   `json:"fallback"`
	BytesSent   uint64 `json:"bytes_sent"`
	BytesRecv   uint64 `json:"bytes_received"`
	Retransmits uint32 `json:"retransmits"`
}

func ms(d time.Duration) float64 { return float64(d.Microseconds()) / 1000 }

// record makes a record of a socket.
func (f *socketsFlags) record(r *sockets.Row) socketRecord {
	rec := socketRecord{Netns: r.Netns, Network: socketNetwork{Transport: r.Kind.String()}}
	s := &rec.Socket
	s.State, s.Type, s.RecvQ, s.SendQ, s.Inode = stateName(r), r.Type.String(), r.RQueue, r.WQueue, r.Inode
	s.Interface, s.Retrans = r.Interface, r.Retrans
	if r.Cookie != 0 {
		s.Cookie = fmt.Sprintf("%x", r.Cookie)
	}
	if r.Timer != sockdiag.TimerOff {
		s.Timer = r.Timer.String()
		v := ms(r.Expires)
		s.Expires = &v
	}
	if age, ok := r.Age(); ok {
		v := ms(age.For)
		s.Age = &v
		if age.AtLeast {
			s.AgeAtLeast = &age.AtLeast
		}
	}
	if m, ok := r.MemInfo(); ok {
		s.Drops = &m.Drops
	}
	switch r.Kind {
	case sockets.Unix:
		if name := unixName(r.Name); name != "" {
			rec.Local = &socketEnd{Path: name}
		}
		if r.PeerInode != 0 {
			rec.Peer = &socketEnd{Inode: r.PeerInode}
		}
	case sockets.Netlink:
		rec.Local = &socketEnd{PortID: r.PortID}
		s.Protocol = &r.Protocol
	case sockets.Packet:
		s.Protocol = &r.Protocol
	default:
		rec.Network.Type = "ipv4"
		if r.Family == sockdiag.IPv6 {
			rec.Network.Type = "ipv6"
		}
		rec.Local = inetEnd(r.Src)
		if r.Dst.Port() != 0 || r.Dst.Addr().IsValid() && !r.Dst.Addr().IsUnspecified() {
			rec.Peer = inetEnd(r.Dst)
		}
		if r.Kind == sockets.Raw {
			rec.Local.Port = 0
			s.Protocol = &r.Protocol
		}
	}
	if r.HasUID {
		rec.User = &socketUser{r.UID, sockets.User(r.UID)}
	}
	for _, o := range r.Owners {
		rec.Process = append(rec.Process, socketProcess{o.PID, o.FD, o.Name})
	}
	if r.Inet() != nil {
		f.recordInet(&rec, r)
	}
	if r.Other != nil {
		o := f.record(r.Other)
		rec.Other = &o
	}
	for _, sub := range r.Subflows {
		rec.Subflow = append(rec.Subflow, f.record(sub))
	}
	return rec
}

// unixName is what a unix socket is bound to: a path, or @ and an abstract name.
func unixName(name string) string {
	if name != "" && name[0] == 0 {
		return "@" + name[1:]
	}
	return name
}

func inetEnd(a netip.AddrPort) *socketEnd {
	return &socketEnd{IP: a.Addr().String(), Port: a.Port()}
}

// tcpInfo reads what TCP measured into t: of what is or was connected.
func tcpInfo(r *sockets.Row, t *sockdiag.TCPInfo) bool {
	return r.State != sockdiag.Listen && r.Dst.Port() != 0 && r.TCPInfo(t)
}

func (f *socketsFlags) recordInet(rec *socketRecord, r *sockets.Row) {
	if d, ok := r.Inet().Shutdown(); ok && d != 0 {
		v := uint8(d)
		rec.Socket.Shutdown = &v
	}
	if id, ok := r.CgroupID(); ok {
		rec.Socket.Cgroup = f.cgroups.Path(id)
		rec.Service = f.cgroups.Name(id)
	}
	var t sockdiag.TCPInfo
	if tcpInfo(r, &t) {
		rec.TCP = &tcpFields{
			Congestion: r.Inet().Congestion(), RTT: ms(t.RTT), RTTVar: ms(t.RTTVar), MinRTT: ms(t.MinRTT), RTO: ms(t.RTO),
			Cwnd: t.SndCwnd, MSS: t.SndMSS, PMTU: t.PMTU, BytesSent: t.BytesSent, BytesAcked: t.BytesAcked, BytesRecv: t.BytesReceived,
			BytesRetrans: t.BytesRetrans, NotSent: t.NotsentBytes, SegsOut: t.SegsOut, SegsIn: t.SegsIn, Retrans: t.TotalRetrans,
			SendWindow: t.SndWnd, RecvWindow: t.RcvWnd, DeliveryRate: t.DeliveryRate,
			LastSent: ms(t.LastDataSent), LastRecv: ms(t.LastDataRecv), LastAck: ms(t.LastAckRecv), Busy: ms(t.BusyTime), RwndLimited: ms(t.RwndLimited),
		}
	}
	var m sockdiag.MPTCPInfo
	if r.MPTCPInfo(&m) && m.Token != 0 {
		rec.MPTCP = &mptcpFields{
			Token: fmt.Sprintf("%08x", m.Token), Subflows: m.SubflowsTotal, Fallback: m.Flags&sockdiag.MPTCPFallback != 0,
			BytesSent: m.BytesSent, BytesRecv: m.BytesReceived, Retransmits: m.Retransmits,
		}
	}
}
