package main

import (
	"iter"
	"net/netip"
	"slices"
	"strings"

	"framescope/decode/filter"
	"framescope/decode/record"
	"framescope/probes/sockdiag"
	"framescope/probes/sockets"
)

// A socketFilter is a filter over the fields of sockets. The kernel knows nothing
// of it: it is asked of every socket that EXPR leaves.
type socketFilter struct {
	*filter.Filter
	f *socketsFlags
	// What has to be found out for it.
	owners, measured, groups bool

	row record.Socket // filled again for each socket
	tcp record.SocketTCP
}

// compileFilter reads --filter.
func (f *socketsFlags) compileFilter() error {
	if f.filter == "" {
		return nil
	}
	m, err := filter.Compile(f.filter)
	if err != nil {
		return hinted{marked("--filter", err), "docs/output.md lists the fields of sockets"}
	}
	s := &socketFilter{Filter: m, f: f}
	if foreign := m.Foreign(record.TypeSocket); foreign != nil {
		return hinted{marked("--filter", foreign), insteadOfField(foreign.Expr[foreign.Off : foreign.Off+foreign.Len])}
	}
	for _, name := range m.Fields() {
		s.owners = s.owners || strings.HasPrefix(name, "process.")
		s.measured = s.measured || strings.HasPrefix(name, "tcp.") || name == "socket.age_ms" || name == "socket.drops"
		s.groups = s.groups || name == "service" || name == "socket.cgroup"
	}
	f.match = s
	return nil
}

// insteadOfField says what sockets have in place of a field of other records.
func insteadOfField(name string) string {
	name = strings.ToLower(name)
	names := append(record.Alias(name), name)
	switch {
	case strings.HasSuffix(names[0], ".port"):
		return "sockets have local.port, which is this end's, and peer.port"
	case strings.HasSuffix(names[0], ".ip"):
		return "sockets have local.ip, which is this end's, and peer.ip"
	case name == "network.protocol":
		return "what a socket carries is not known; the ports are local.port and peer.port"
	}
	return "docs/output.md lists those of sockets, such as socket.recv_q, process.name, peer.ip"
}

// namesBound reports whether the filter speaks of sockets that are bound only.
func (s *socketFilter) namesBound() bool {
	return s != nil && s.Uses("socket.state") && strings.Contains(strings.ToLower(s.String()), "bound")
}

// ext is what the kernel has to be asked for.
func (s *socketFilter) ext() (e sockdiag.Ext) {
	if s != nil && s.measured {
		e = sockdiag.ExtInfo | sockdiag.ExtCong | sockdiag.ExtSKMemInfo
	}
	return e
}

// rows returns those of the rows that match.
func (s *socketFilter) rows(rows iter.Seq2[*sockets.Row, error]) iter.Seq2[*sockets.Row, error] {
	return func(yield func(*sockets.Row, error) bool) {
		for r, err := range rows {
			if err == nil && !s.matches(r) {
				continue
			}
			if !yield(r, err) {
				return
			}
		}
	}
}

// matches reports whether a socket matches, or one of its subflows.
func (s *socketFilter) matches(r *sockets.Row) bool {
	if s == nil {
		return true
	}
	s.fill(r)
	return s.Match(&s.row) || slices.ContainsFunc(r.Subflows, s.matches)
}

func (s *socketFilter) fill(r *sockets.Row) {
	d := &s.row
	*d = record.Socket{
		Netns: r.Netns, Transport: r.Kind.String(), Kind: r.Type.String(), State: stateName(r), RecvQ: r.RQueue, SendQ: r.WQueue, Inode: r.Inode,
		Retrans: r.Retrans, Age: -1, Drops: -1, UserID: -1, Processes: d.Processes[:0],
	}
	if r.Kind.Inet() {
		d.Network = "ipv4"
		if r.Family == sockdiag.IPv6 {
			d.Network = "ipv6"
		}
		d.Local, d.Peer = r.Src, r.Dst
		if r.Dst.Port() == 0 && r.Dst.Addr().IsUnspecified() {
			d.Peer = netip.AddrPort{}
		}
	}
	d.Path = unixName(r.Name)
	if r.Timer != sockdiag.TimerOff {
		d.Timer, d.Expires = r.Timer.String(), int64(r.Expires)
	}
	if age, ok := r.Age(); ok {
		d.Age = int64(age.For)
	}
	if m, ok := r.MemInfo(); ok {
		d.Drops = int64(m.Drops)
	}
	if r.HasUID {
		d.UserID, d.User = int64(r.UID), sockets.User(r.UID)
	}
	for _, o := range r.Owners {
		d.Processes = append(d.Processes, record.Process{PID: o.PID, FD: o.FD, Name: o.Name})
	}
	if id, ok := r.CgroupID(); ok && s.groups {
		d.Cgroup, d.Service = s.f.cgroups.Path(id), s.f.cgroups.Name(id)
	}
	var t sockdiag.TCPInfo
	if s.measured && tcpInfo(r, &t) {
		s.tcp = record.SocketTCP{
			Congestion: r.Inet().Congestion(), RTT: int64(t.RTT), RTTVar: int64(t.RTTVar), MinRTT: int64(t.MinRTT), RTO: int64(t.RTO),
			Cwnd: t.SndCwnd, MSS: t.SndMSS, PMTU: t.PMTU, BytesSent: t.BytesSent, BytesAcked: t.BytesAcked, BytesRecv: t.BytesReceived,
			BytesLost: t.BytesRetrans, NotSent: t.NotsentBytes, SegsOut: t.SegsOut, SegsIn: t.SegsIn, Retrans: t.TotalRetrans,
			SendWindow: t.SndWnd, RecvWindow: t.RcvWnd, DeliveryRate: t.DeliveryRate,
			LastSent: int64(t.LastDataSent), LastRecv: int64(t.LastDataRecv), LastAck: int64(t.LastAckRecv), Busy: int64(t.BusyTime), RwndLimited: int64(t.RwndLimited),
		}
		d.TCP = &s.tcp
	}
	var m sockdiag.MPTCPInfo
	if r.MPTCPInfo(&m) {
		d.Token, d.Subflows, d.Fallback = m.Token, m.SubflowsTotal, m.Flags&sockdiag.MPTCPFallback != 0
	}
}
