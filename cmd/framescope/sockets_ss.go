package main

import (
	"fmt"
	"math/bits"
	"slices"
	"strconv"
	"time"

	"framescope/cmd/framescope/internal/output"
	"framescope/probes/sockdiag"
	"framescope/probes/sockets"
)

// ssRows is the view of ss(8).
type ssRows struct {
	f            *socketsFlags
	a            *output.Aligner
	netid, state bool // whether there are such columns
	users        bool
	info         sockdiag.TCPInfo
}

func newSSRows(f *socketsFlags) *ssRows {
	p := &ssRows{f: f, users: f.wantsOwners()}
	// ss leaves out what is the same in every row.
	kinds := f.kinds()
	several := len(kinds) > 1
	p.netid = several || kinds[0] == sockets.Unix || kinds[0] == sockets.Packet
	p.state = true
	if q := f.query(); !several {
		st := q.States
		if own, ok := q.KindStates[q.Kinds[0]]; ok {
			st = own
		}
		p.state = bits.OnesCount32(uint32(f.expr.States()&st)) != 1 || f.listening
	}
	heads := []string{"Recv-Q", "Send-Q", "Local Address:Port", "Peer Address:Port", "Process"}
	right := []bool{false, false, true, true, false}
	if p.state {
		heads, right = slices.Insert(heads, 0, "State"), slices.Insert(right, 0, false)
	}
	if p.netid {
		heads, right = slices.Insert(heads, 0, "Netid"), slices.Insert(right, 0, false)
	}
	p.a = output.NewAligner(f.out, heads, right)
	p.a.Bare = f.noHeader
	p.a.Gap = " "
	return p
}

// ssNetid is the kind of a socket as ss says it.
func ssNetid(r *sockets.Row) string {
	switch r.Kind {
	case sockets.Unix:
		switch r.Type {
		case sockdiag.Stream:
			return "u_str"
		case sockdiag.Dgram:
			return "u_dgr"
		case sockdiag.SeqPacket:
			return "u_seq"
		}
		return "unix"
	case sockets.Packet:
		if r.Type == sockdiag.Dgram {
			return "p_dgr"
		}
		return "p_raw"
	case sockets.Netlink:
		return "nl"
	}
	return r.Kind.String()
}

var ssStates = [...]string{
	sockdiag.Established: "ESTAB", sockdiag.SynSent: "SYN-SENT", sockdiag.SynRecv: "SYN-RECV", sockdiag.FinWait1: "FIN-WAIT-1",
	sockdiag.FinWait2: "FIN-WAIT-2", sockdiag.TimeWait: "TIME-WAIT", sockdiag.CloseState: "UNCONN", sockdiag.CloseWait: "CLOSE-WAIT",
	sockdiag.LastAck: "LAST-ACK", sockdiag.Listen: "LISTEN", sockdiag.Closing: "CLOSING", sockdiag.NewSynRecv: "SYN-RECV",
}

func ssState(s sockdiag.State) string {
	if int(s) < len(ssStates) && ssStates[s] != "" {
		return ssStates[s]
	}
	return s.String()
}

func (p *ssRows) port(dst []byte, k sockets.Kind, port uint16) []byte {
	if port == 0 {
		return append(dst, '*')
	}
	if !p.f.numeric {
		if name := sockets.Service(k, port); name != "" {
			return append(dst, output.Visible(name)...)
		}
	}
	return strconv.AppendUint(dst, uint64(port), 10)
}

// end appends an address as ss does: "*" for any of both families.
func (p *ssRows) end(dst []byte, r *sockets.Row, peer bool) []byte {
	a := r.Src
	if peer {
		a = r.Dst
	}
	ip := a.Addr()
	switch {
	case ip.Is4():
		dst = appendIPv4(dst, ip.As4())
	case ip.IsUnspecified() && !v6Only(r):
		dst = append(dst, '*')
	default:
		dst = append(appendIPv6(append(dst, '['), ip), ']')
	}
	if r.Interface != 0 && !peer {
		dst = append(append(dst, '%'), interfaceName(r)...)
	}
	dst = append(dst, ':')
	if r.Kind == sockets.Raw {
		if a.Port() == 0 {
			return append(dst, '*')
		}
		if p.f.numeric {
			return strconv.AppendUint(dst, uint64(a.Port()), 10)
		}
		return append(dst, ipProtocol(a.Port())...)
	}
	return p.port(dst, r.Kind, a.Port())
}

func v6Only(r *sockets.Row) bool {
	if r.Inet() == nil {
		return false
	}
	only, ok := r.Inet().V6Only()
	return ok && only
}

func (p *ssRows) print(r *sockets.Row) error {
	a := p.a
	if p.netid {
		a.Buf = append(a.Buf, ssNetid(r)...)
		a.Next()
	}
	if p.state {
		a.Buf = append(a.Buf, ssState(r.State)...)
		a.Next()
	}
	a.Buf = strconv.AppendUint(a.Buf, uint64(r.RQueue), 10)
	a.Next()
	a.Buf = strconv.AppendUint(a.Buf, uint64(r.WQueue), 10)
	a.Next()
	switch r.Kind {
	case sockets.Unix:
		a.Buf = appendUnixName(a.Buf, r.Name)
		a.Buf = strconv.AppendUint(append(a.Buf, ' '), uint64(r.Inode), 10)
		a.Next()
		a.Buf = strconv.AppendUint(append(a.Buf, "* "...), uint64(r.PeerInode), 10)
		a.Next()
	case sockets.Packet:
		dst := etherType(r.Protocol)
		switch r.Protocol {
		case 3:
			dst = "*"
		case 0:
			dst = "[0]"
		}
		a.Buf = append(append(a.Buf, dst...), ':')
		if r.Interface == 0 {
			a.Buf = append(a.Buf, '*')
		} else {
			a.Buf = append(a.Buf, interfaceName(r)...)
		}
		a.Next()
		a.Buf = append(a.Buf, '*')
		a.Next()
	case sockets.Netlink:
		a.Buf = append(append(a.Buf, netlinkProtocol(r.Protocol)...), ':')
		switch {
		case r.PortID == 0:
			a.Buf = append(a.Buf, "kernel"...)
		default:
			a.Buf = strconv.AppendUint(a.Buf, uint64(r.PortID), 10)
		}
		a.Next()
		a.Buf = append(a.Buf, '*')
		a.Next()
	default:
		a.Buf = p.end(a.Buf, r, false)
		a.Next()
		a.Buf = p.end(a.Buf, r, true)
		a.Next()
	}
	p.process(r)
	a.Next()
	if err := a.Row(); err != nil {
		return err
	}
	if p.f.info && r.Inet() != nil {
		if line := p.measured(r); line != nil {
			return a.Below(line)
		}
	}
	return nil
}

// process appends users:(("name",pid=1,fd=3)) and what -e asks for.
func (p *ssRows) process(r *sockets.Row) {
	b := p.a.Buf
	begin := len(b)
	if p.users && len(r.Owners) > 0 {
		b = append(b, "users:("...)
		for i, o := range r.Owners {
			if i > 0 {
				b = append(b, ',')
			}
			b = append(append(append(b, `("`...), quotedName(o.Name)...), `",pid=`...)
			b = strconv.AppendInt(append(strconv.AppendInt(b, int64(o.PID), 10), ",fd="...), int64(o.FD), 10)
			b = append(b, ')')
		}
		b = append(b, ')')
	}
	if p.f.extended && r.Kind.Inet() {
		if r.Timer != sockdiag.TimerOff {
			b = fmt.Appendf(space(b, begin), "timer:(%s,%s,%d)", r.Timer, ssTime(r.Expires), r.Retrans)
		}
		if r.UID != 0 {
			b = fmt.Appendf(space(b, begin), "uid:%d", r.UID)
		}
		b = fmt.Appendf(space(b, begin), "ino:%d sk:%x", r.Inode, r.Cookie)
		if id, ok := r.CgroupID(); ok {
			path := p.f.cgroups.Path(id)
			if path == "" {
				path = "unreachable:" + strconv.FormatUint(id, 16)
			}
			b = append(append(b, " cgroup:"...), output.Visible(path)...)
		}
		if r.Inet() != nil {
			if only, ok := r.Inet().V6Only(); ok && r.Family == sockdiag.IPv6 {
				b = append(b, " v6only:"...)
				b = strconv.AppendInt(b, map[bool]int64{true: 1}[only], 10)
			}
			if d, ok := r.Inet().Shutdown(); ok {
				in, out := byte('<'), byte('>')
				if d&1 != 0 {
					in = '-'
				}
				if d&2 != 0 {
					out = '-'
				}
				b = append(b, ' ', in, '-', out)
			}
		}
	}
	p.a.Buf = b
}

func space(b []byte, begin int) []byte {
	if len(b) > begin {
		b = append(b, ' ')
	}
	return b
}

// ssTime is a time as ss says it: 300ms, 1.200ms, 12sec, 4min12sec.
func ssTime(d time.Duration) string {
	ms := d.Milliseconds()
	secs := ms / 1000
	mins := secs / 60
	ms, secs = ms%1000, secs%60
	s := ""
	if mins > 0 {
		ms = 0
		s = fmt.Sprintf("%dmin", mins)
		if mins > 9 {
			secs = 0
		}
	}
	if secs > 0 {
		if secs > 9 {
			ms = 0
		}
		s += strconv.FormatInt(secs, 10)
		if ms > 0 {
			s += "."
		} else {
			s += "sec"
		}
	}
	if ms > 0 {
		s += fmt.Sprintf("%03dms", ms)
	}
	return s
}

// measured is the line of what TCP measured, as of ss -i.
func (p *ssRows) measured(r *sockets.Row) []byte {
	t := &p.info
	b := []byte{'\t'}
	word := func(format string, args ...any) { b = fmt.Appendf(append(b, ' '), format, args...) }
	if !r.TCPInfo(t) {
		var m sockdiag.MPTCPInfo
		if !r.MPTCPInfo(&m) {
			return nil
		}
		for _, c := range []struct {
			name  string
			value uint64
			base  string
		}{
			{"subflows", uint64(m.Subflows), "%d"}, {"add_addr_signal", uint64(m.AddAddrSignal), "%d"}, {"add_addr_accepted", uint64(m.AddAddrAccepted), "%d"},
			{"subflows_max", uint64(m.SubflowsMax), "%d"}, {"add_addr_signal_max", uint64(m.AddAddrSignalMax), "%d"},
			{"add_addr_accepted_max", uint64(m.AddAddrAcceptedMax), "%d"}, {"fallback", uint64(m.Flags & sockdiag.MPTCPFallback), ""},
			{"remote_key", uint64(m.Flags & sockdiag.MPTCPRemoteKeyReceived), ""}, {"token", uint64(m.Token), "%x"},
			{"write_seq", m.WriteSeq, "%x"}, {"snd_una", m.SndUna, "%x"}, {"rcv_nxt", m.RcvNxt, "%x"},
		} {
			switch {
			case c.value == 0:
			case c.base == "":
				word("%s", c.name)
			default:
				word("%s:"+c.base, c.name, c.value)
			}
		}
		return b
	}
	for _, o := range []struct {
		bit  sockdiag.TCPOptions
		name string
	}{{sockdiag.OptTimestamps, "ts"}, {sockdiag.OptSACK, "sack"}, {sockdiag.OptECN, "ecn"}, {sockdiag.OptECNSeen, "ecnseen"}, {sockdiag.OptSynData, "fastopen"}} {
		if p.f.extended && t.Options&o.bit != 0 {
			word("%s", o.name)
		}
	}
	if c := r.Inet().Congestion(); c != "" {
		word("%s", output.Visible(c))
	}
	if t.Options&sockdiag.OptWscale != 0 {
		word("wscale:%d,%d", t.SndWscale, t.RcvWscale)
	}
	listen := r.State == sockdiag.Listen
	if t.RTO > 0 && t.RTO != 3*time.Second {
		word("rto:%g", ms(t.RTO))
	}
	if t.Backoff > 0 {
		word("backoff:%d", t.Backoff)
	}
	if t.RTT > 0 {
		word("rtt:%g/%g", ms(t.RTT), ms(t.RTTVar))
	}
	if t.ATO > 0 {
		word("ato:%g", ms(t.ATO))
	}
	number := func(name string, v uint64) {
		if v > 0 {
			word("%s:%d", name, v)
		}
	}
	number("mss", uint64(t.SndMSS))
	number("pmtu", uint64(t.PMTU))
	number("rcvmss", uint64(t.RcvMSS))
	number("advmss", uint64(t.AdvMSS))
	number("cwnd", uint64(t.SndCwnd))
	if t.SndSsthresh < 0xffff {
		number("ssthresh", uint64(t.SndSsthresh))
	}
	number("bytes_sent", t.BytesSent)
	number("bytes_retrans", t.BytesRetrans)
	number("bytes_acked", t.BytesAcked)
	number("bytes_received", t.BytesReceived)
	number("segs_out", uint64(t.SegsOut))
	number("segs_in", uint64(t.SegsIn))
	number("data_segs_out", uint64(t.DataSegsOut))
	number("data_segs_in", uint64(t.DataSegsIn))
	if i, ok := r.Inet().BBRInfo(); ok {
		word("bbr:(bw:%sbps,mrtt:%g", p.rate(float64(i.BW)*8), float64(i.MinRTT)/1000)
		if i.PacingGain > 0 {
			b = fmt.Appendf(b, ",pacing_gain:%.6g", float64(i.PacingGain)/256)
		}
		if i.CwndGain > 0 {
			b = fmt.Appendf(b, ",cwnd_gain:%.6g", float64(i.CwndGain)/256)
		}
		b = append(b, ')')
	}
	if t.RTT > 0 && t.SndMSS > 0 && t.SndCwnd > 0 {
		word("send %sbps", p.rate(float64(t.SndCwnd)*float64(t.SndMSS)*8/t.RTT.Seconds()))
	}
	number("lastsnd", uint64(t.LastDataSent.Milliseconds()))
	number("lastrcv", uint64(t.LastDataRecv.Milliseconds()))
	number("lastack", uint64(t.LastAckRecv.Milliseconds()))
	if t.PacingRate > 0 && t.PacingRate != ^uint64(0) {
		word("pacing_rate %sbps", p.rate(float64(t.PacingRate)*8))
	}
	if t.DeliveryRate > 0 {
		word("delivery_rate %sbps", p.rate(float64(t.DeliveryRate)*8))
	}
	number("delivered", uint64(t.Delivered))
	if t.DeliveryRateAppLimited {
		word("app_limited")
	}
	if t.BusyTime > 0 {
		word("busy:%dms", t.BusyTime.Milliseconds())
		if t.RwndLimited > 0 {
			word("rwnd_limited:%dms(%.1f%%)", t.RwndLimited.Milliseconds(), 100*float64(t.RwndLimited)/float64(t.BusyTime))
		}
		if t.SndbufLimited > 0 {
			word("sndbuf_limited:%dms(%.1f%%)", t.SndbufLimited.Milliseconds(), 100*float64(t.SndbufLimited)/float64(t.BusyTime))
		}
	}
	number("unacked", uint64(t.Unacked))
	if t.Retrans > 0 || t.TotalRetrans > 0 {
		word("retrans:%d/%d", t.Retrans, t.TotalRetrans)
	}
	number("lost", uint64(t.Lost))
	if !listen {
		number("sacked", uint64(t.Sacked))
	}
	number("dsack_dups", uint64(t.DSACKDups))
	if t.Reordering != 3 {
		number("reordering", uint64(t.Reordering))
	}
	number("reord_seen", uint64(t.ReordSeen))
	if t.RcvRTT > 0 {
		word("rcv_rtt:%g", ms(t.RcvRTT))
	}
	number("rcv_space", uint64(t.RcvSpace))
	number("rcv_ssthresh", uint64(t.RcvSsthresh))
	number("notsent", uint64(t.NotsentBytes))
	if t.MinRTT > 0 {
		word("minrtt:%g", ms(t.MinRTT))
	}
	number("rcv_ooopack", uint64(t.RcvOOOPack))
	number("snd_wnd", uint64(t.SndWnd))
	if ulp := r.Inet().ULP(); ulp != "" {
		word("tcp-ulp-%s", output.Visible(ulp))
		var m sockdiag.Subflow
		if r.Subflow(&m) {
			word("flags:%v token:%04x(id:%d)/%04x(id:%d)", m.Flags, m.TokenRem, m.IDRem, m.TokenLoc, m.IDLoc)
			if m.Sequence {
				word("seq:%x sfseq:%x ssnoff:%x maplen:%x", m.MapSeq, m.MapSubSeq, m.SSNOffset, m.MapDataLen)
			}
		}
	}
	return b
}

// rate is a rate as ss says it: exact with -n.
func (p *ssRows) rate(bw float64) string {
	switch {
	case p.f.numeric:
		return fmt.Sprintf("%.0f", bw)
	case bw >= 1e15:
		return fmt.Sprintf("%.3gP", bw/1e15)
	case bw >= 1e12:
		return fmt.Sprintf("%.3gT", bw/1e12)
	case bw >= 1e9:
		return fmt.Sprintf("%.3gG", bw/1e9)
	case bw >= 1e6:
		return fmt.Sprintf("%.3gM", bw/1e6)
	case bw >= 1e3:
		return fmt.Sprintf("%.3gk", bw/1e3)
	}
	return fmt.Sprintf("%g", bw)
}

func (p *ssRows) close() error { return p.a.Close() }
