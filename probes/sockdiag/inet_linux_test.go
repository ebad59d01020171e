package sockdiag

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"regexp"
	"runtime"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"framescope/capture/netns/netnstest"
)

// plain runs f as a user without rights, on a thread that ends with it.
func plain(t *testing.T, f func()) {
	t.Helper()
	if os.Getuid() != 0 {
		f()
		return
	}
	done := make(chan error)
	go func() {
		runtime.LockOSThread() // and never back
		_, _, e := unix.RawSyscall(unix.SYS_SETRESGID, 65534, 65534, 65534)
		if e == 0 {
			// of this thread only
			_, _, e = unix.RawSyscall(unix.SYS_SETRESUID, 65534, 65534, 65534)
		}
		if e == unix.EINVAL {
			// a user namespace without that user: root without capabilities
			e = 0
			if err := unix.Capset(&unix.CapUserHeader{Version: unix.LINUX_CAPABILITY_VERSION_3}, &make([]unix.CapUserData, 2)[0]); err != nil {
				e = err.(unix.Errno)
			}
		}
		if e != 0 {
			done <- e
			return
		}
		defer close(done)
		f()
	}()
	if err := <-done; err != nil {
		t.Fatal(err)
	}
}

// What any user gets of sockets of others, and what not.
func TestPlainUser(t *testing.T) {
	netnstest.Up(t, nil, "lo") // under unshare -n it is down
	a, b := pair(t, nil, "tcp", "127.0.0.1:0")
	_, err := a.Write(make([]byte, 100))
	must(t, err)
	ino, uid := inode(t, a), uint32(os.Getuid())
	plain(t, func() {
		c, err := Open(nil)
		if err != nil {
			t.Error(err)
			return
		}
		defer c.Close()
		var found *Socket
		for s, err := range c.Inet(nil, Query{Protocol: TCP, Ext: ExtInfo | ExtSKMemInfo | ExtCong}) {
			if err != nil {
				t.Error(err)
				return
			}
			if s.Inode == ino {
				found = s.Clone()
			}
		}
		if found == nil {
			t.Error("not listed")
			return
		}
		var info TCPInfo
		if !found.TCPInfo(&info) || info.BytesSent != 100 {
			t.Errorf("TCPInfo: %+v", info)
		}
		if _, ok := found.MemInfo(); !ok || found.Congestion() == "" {
			t.Error("no MemInfo or Congestion")
		}
		if _, ok := found.CgroupID(); !ok {
			t.Error("no CgroupID")
		}
		if found.UID != uid {
			t.Errorf("uid %d", found.UID)
		}
		if _, ok := found.Mark(); ok {
			t.Error("a mark without CAP_NET_ADMIN")
		}
		if found.Src.String() != a.LocalAddr().String() || found.Dst.String() != b.LocalAddr().String() {
			t.Errorf("%v %v", found.Src, found.Dst)
		}
		for _, err := range c.Inet(nil, Query{Protocol: TCP, Filter: Mark(1, 1)}) {
			if !errors.Is(err, os.ErrPermission) {
				t.Errorf("a condition on marks: %v", err)
			}
		}
		err = c.Destroy(TCP, found.ID)
		if !errors.Is(err, os.ErrPermission) {
			t.Errorf("Destroy: %v", err)
		}
		var oe *OpError
		if !errors.As(err, &oe) || oe.Op != "destroy tcp socket" || err.Error() != "sockdiag: destroy tcp socket: operation not permitted" {
			t.Errorf("Destroy: %v", err)
		}
		var s Socket
		if err := c.Lookup(&s, Query{Protocol: TCP}, found.ID); err != nil || s.Inode != ino {
			t.Errorf("Lookup: %v", err)
		}
		for _, err := range c.Unix(nil, UnixQuery{Show: ^UnixShow(0)}) {
			if err != nil {
				t.Error(err)
			}
		}
		for p, err := range c.Packet(nil, ^PacketShow(0)) {
			if err != nil || p.Filter() != nil {
				t.Errorf("packet socket: %v", err)
			}
		}
		for _, err := range c.Netlink(nil, ^NetlinkShow(0)&^4) {
			if err != nil {
				t.Error(err)
			}
		}
	})
}

// What a socket measured, against what ss prints of it.
func TestTCPInfo(t *testing.T) {
	ns := netnstest.New(t)
	a, b := pair(t, ns, "tcp", "127.0.0.1:0")
	buf := make([]byte, 1<<16)
	for range 50 {
		_, err := a.Write(buf[:30000])
		must(t, err)
		for n := 0; n < 30000; {
			m, err := b.Read(buf)
			must(t, err)
			n += m
		}
		_, err = b.Write(buf[:7])
		must(t, err)
		_, err = a.Read(buf)
		must(t, err)
	}
	netnstest.Quiet(t, ns)
	c := open(t, ns)
	all := sockets(t, c, Query{Protocol: TCP, States: StateSet(Established), Ext: ExtInfo | ExtCong | ExtVegasInfo | ExtSKMemInfo | ExtTOS | ExtTClass | ExtMemInfo})
	text := netnstest.Run(t, ns, "ss", "-HOtinme", "state", "established")
	if len(all) != 2 {
		t.Fatalf("%d sockets", len(all))
	}
	us := func(s string) time.Duration {
		v, err := strconv.ParseFloat(s, 64)
		must(t, err)
		return time.Duration(v*1000+0.5) * time.Microsecond
	}
	for _, s := range all {
		var i TCPInfo
		if !s.TCPInfo(&i) || !i.Has(TCPInfoSndWnd) || i.State != Established {
			t.Fatalf("%v: no TCPInfo: %+v", s.Src, i)
		}
		var line string
		for l := range strings.Lines(text) {
			if f := strings.Fields(l); f[2] == s.Src.String() {
				line = l
			}
		}
		value := func(name string) string {
			m := regexp.MustCompile(`[ :]` + name + `[: ]([^ \n]+)`).FindStringSubmatch(line)
			if m == nil {
				return ""
			}
			return m[1]
		}
		rtt, rttvar, _ := strings.Cut(value("rtt"), "/")
		if us(rtt) != i.RTT || us(rttvar) != i.RTTVar || us(value("minrtt")) != i.MinRTT || us(value("rto")) != i.RTO {
			t.Errorf("rtt %v/%v minrtt %v rto %v; ss: %s", i.RTT, i.RTTVar, i.MinRTT, i.RTO, line)
		}
		for name, v := range map[string]uint64{
			"bytes_acked": i.BytesAcked, "bytes_received": i.BytesReceived, "bytes_sent": i.BytesSent,
			"segs_out": uint64(i.SegsOut), "segs_in": uint64(i.SegsIn),
			"data_segs_out": uint64(i.DataSegsOut), "data_segs_in": uint64(i.DataSegsIn),
			"delivered": uint64(i.Delivered), "mss": uint64(i.SndMSS), "rcvmss": uint64(i.RcvMSS), "advmss": uint64(i.AdvMSS),
			"pmtu": uint64(i.PMTU), "cwnd": uint64(i.SndCwnd), "rcv_space": uint64(i.RcvSpace), "rcv_ssthresh": uint64(i.RcvSsthresh),
			"snd_wnd": uint64(i.SndWnd), "delivery_rate": i.DeliveryRate * 8, "pacing_rate": i.PacingRate * 8,
		} {
			if got := strings.TrimSuffix(value(name), "bps"); got != strconv.FormatUint(v, 10) {
				t.Errorf("%s %d; ss: %s %s", name, v, got, line)
			}
		}
		if busy := value("busy"); busy != "" && busy != fmt.Sprintf("%dms", i.BusyTime.Milliseconds()) {
			t.Errorf("busy %v; ss: %s", i.BusyTime, busy)
		}
		if got := fmt.Sprintf("%d,%d", i.SndWscale, i.RcvWscale); got != value("wscale") {
			t.Errorf("wscale %s; ss: %s", got, value("wscale"))
		}
		if i.DeliveryRateAppLimited != strings.Contains(line, " app_limited") {
			t.Errorf("app_limited %t; ss: %s", i.DeliveryRateAppLimited, line)
		}
		if (i.Options&OptTimestamps != 0) != strings.Contains(line, " ts ") || (i.Options&OptSACK != 0) != strings.Contains(line, " sack ") {
			t.Errorf("options %b; ss: %s", i.Options, line)
		}
		if s.Congestion() == "" || !strings.Contains(line, " "+s.Congestion()+" ") {
			t.Errorf("congestion control %q; ss: %s", s.Congestion(), line)
		}
		m, ok := s.MemInfo()
		if got := fmt.Sprintf("skmem:(r%d,rb%d,t%d,tb%d,f%d,w%d,o%d,bl%d,d%d)", m.RmemAlloc, m.RcvBuf, m.WmemAlloc, m.SndBuf,
			m.FwdAlloc, m.WmemQueued, m.OptMem, m.Backlog, m.Drops); !ok || !strings.Contains(line, got) {
			t.Errorf("%s; ss: %s", got, line)
		}
		if bbr, ok := s.BBRInfo(); ok != (s.Congestion() == "bbr") || ok && !strings.Contains(line, fmt.Sprintf("bbr:(bw:%dbps", bbr.BW*8)) {
			t.Errorf("bbr %+v %t; ss: %s", bbr, ok, line)
		}
		if tos, ok := s.TOS(); !ok || tos != 0 {
			t.Errorf("tos %d %t", tos, ok)
		}
		if o, ok := s.SockOpt(); !ok || o&OptIsICSK == 0 || o&OptTransparent != 0 {
			t.Errorf("sockopt %b %t", o, ok)
		}
		if s.ULP() != "" || len(s.Attr(AttrMemInfo)) != 16 {
			t.Errorf("ulp %q meminfo %d bytes", s.ULP(), len(s.Attr(AttrMemInfo)))
		}
	}
}

// Options that a test sets come back.
func TestOptions(t *testing.T) {
	ns := netnstest.New(t)
	c := open(t, ns)
	s4 := tcpSocket(t, ns, "127.0.0.1:0", [3]int{unix.SOL_IP, unix.IP_TOS, 0x28}, [3]int{unix.SOL_SOCKET, unix.SO_MARK, 77},
		[3]int{unix.SOL_IP, unix.IP_FREEBIND, 1}, [3]int{unix.SOL_SOCKET, unix.SO_PRIORITY, 5})
	must(t, unix.Listen(s4.fd, 1))
	s6 := tcpSocket(t, ns, "[::1]:0", [3]int{unix.SOL_IPV6, unix.IPV6_TCLASS, 0x48}, [3]int{unix.SOL_IPV6, unix.IPV6_V6ONLY, 1})
	must(t, unix.Listen(s6.fd, 1))
	q := Query{Protocol: TCP, Ext: ExtTOS | ExtTClass}
	var s Socket
	must(t, c.Lookup(&s, q, ID{Src: s4.addr, Dst: netip.AddrPortFrom(netip.IPv4Unspecified(), 0)}))
	tos, _ := s.TOS()
	mark, _ := s.Mark()
	opt, _ := s.SockOpt()
	class, _ := s.ClassID()
	if tos != 0x28 || mark != 77 || opt&OptFreeBind == 0 || class != 5 {
		t.Errorf("tos %#x mark %d options %b class %d", tos, mark, opt, class)
	}
	must(t, c.Lookup(&s, q, ID{Src: s6.addr, Dst: netip.AddrPortFrom(netip.IPv6Unspecified(), 0)}))
	tclass, _ := s.TClass()
	only, ok := s.V6Only()
	opt, _ = s.SockOpt()
	if tclass != 0x48 || !only || !ok || opt&OptFreeBind != 0 {
		t.Errorf("tclass %#x v6only %t %t options %b", tclass, only, ok, opt)
	}
	for _, tt := range []struct {
		filter Cond
		want   netip.AddrPort
	}{
		{Mark(77, 0xff), s4.addr}, {Mark(0, 0xff), s6.addr}, {Not(AutoBound()), netip.AddrPort{}},
	} {
		all := sockets(t, c, Query{Protocol: TCP, Filter: tt.filter})
		if tt.want.IsValid() && (len(all) != 1 || all[0].Src != tt.want) || !tt.want.IsValid() && len(all) != 0 {
			t.Errorf("%v: %v", tt.want, all)
		}
	}
	id, ok := s.CgroupID()
	if here := sockets(t, c, Query{Protocol: TCP, Filter: Cgroup(id)}); !ok || len(here) != 2 {
		t.Errorf("cgroup %d: %d sockets", id, len(here))
	}
	if none := sockets(t, c, Query{Protocol: TCP, Filter: Cgroup(id + 1<<40)}); len(none) != 0 {
		t.Errorf("another cgroup: %d sockets", len(none))
	}
}

func TestUDP(t *testing.T) {
	ns := netnstest.New(t)
	c := open(t, ns)
	var l4, l6 *net.UDPConn
	var conn net.Conn
	netnstest.Do(t, ns, func() (err error) {
		if l4, err = net.ListenUDP("udp4", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)}); err != nil {
			return err
		}
		if l6, err = net.ListenUDP("udp6", &net.UDPAddr{IP: net.IPv6loopback}); err != nil {
			return err
		}
		conn, err = net.Dial("udp", l4.LocalAddr().String())
		return err
	})
	defer l4.Close()
	defer l6.Close()
	defer conn.Close()
	must(t, l4.SetReadBuffer(1)) // the least there is
	for range 50 {
		_, err := conn.Write(make([]byte, 1500))
		must(t, err)
	}
	all := sockets(t, c, Query{Protocol: UDP, Ext: ExtSKMemInfo})
	if len(all) != 3 {
		t.Fatalf("%d sockets", len(all))
	}
	text := netnstest.Run(t, ns, "ss", "-HOuane")
	for _, s := range all {
		addr := netip.MustParseAddrPort
		state, dst := CloseState, netip.AddrPortFrom(netip.IPv4Unspecified(), 0)
		var of syscall.Conn
		switch s.Src {
		case addr(l4.LocalAddr().String()):
			of = l4
			m, ok := s.MemInfo()
			if !ok || m.Drops == 0 || s.RQueue < 1500 {
				t.Errorf("of 50 datagrams of 1500 bytes %d are dropped, %d bytes queued", m.Drops, s.RQueue)
			}
		case addr(l6.LocalAddr().String()):
			of, dst = l6, netip.AddrPortFrom(netip.IPv6Unspecified(), 0)
		case addr(conn.LocalAddr().String()):
			of, state, dst = conn.(*net.UDPConn), Established, addr(l4.LocalAddr().String())
		default:
			t.Errorf("unknown: %v", s.Src)
			continue
		}
		if s.State != state || s.Dst != dst || s.Inode != inode(t, of) || s.Protocol != UDP {
			t.Errorf("%v %v %v inode %d", s.State, s.Src, s.Dst, s.Inode)
		}
		if !regexp.MustCompile(fmt.Sprintf(`(UNCONN|ESTAB) +%d +%d +%s .*ino:%d sk:%x `, s.RQueue, s.WQueue,
			regexp.QuoteMeta(s.Src.String()), s.Inode, s.Cookie)).MatchString(text) {
			t.Errorf("%v: ss has\n%s", s.Src, text)
		}
		var found Socket
		if err := c.Lookup(&found, Query{Protocol: UDP}, s.ID); err != nil || found.Cookie != s.Cookie {
			t.Errorf("Lookup %v %v: %v, cookie %x want %x", s.Src, s.Dst, err, found.Cookie, s.Cookie)
		}
	}
	if some := sockets(t, c, Query{Protocol: UDP, Family: IPv6}); len(some) != 1 {
		t.Errorf("IPv6: %d sockets", len(some))
	}
	if some := sockets(t, c, Query{Protocol: UDP, States: StateSet(Established)}); len(some) != 1 {
		t.Errorf("connected: %d sockets", len(some))
	}
	port := netip.MustParseAddrPort(l4.LocalAddr().String()).Port()
	if some := sockets(t, c, Query{Protocol: UDP, Filter: DstPort(port, port)}); len(some) != 1 {
		t.Errorf("by port of the peer: %d sockets", len(some))
	}
}

// Each protocol is listed, or the module that is missing is named.
func TestProtocols(t *testing.T) {
	ns := netnstest.New(t)
	c := open(t, ns)
	var raw net.PacketConn
	netnstest.Do(t, ns, func() (err error) {
		raw, err = net.ListenPacket("ip4:89", "127.0.0.1")
		return err
	})
	defer raw.Close()
	for p, module := range map[Protocol]string{Raw: "raw_diag", SCTP: "sctp_diag", DCCP: "dccp_diag", UDPLite: "udp_diag", 199: "inet_diag"} {
		n := 0
		for s, err := range c.Inet(nil, Query{Protocol: p}) {
			if err == nil {
				n++
				if proto, ok := s.RawProtocol(); p == Raw && (!ok || proto != 89 || s.Src.Addr().String() != "127.0.0.1") {
					t.Errorf("raw: %v protocol %d %t", s.Src, proto, ok)
				}
				continue
			}
			if !errors.Is(err, ErrNotSupported) || !errors.Is(err, syscall.ENOENT) || !strings.HasSuffix(err.Error(), "(module "+module+")") || s != nil {
				t.Errorf("%v: %v", p, err)
			}
			n = -1
		}
		want := 0
		if p == Raw {
			want = 1
		}
		if n != want && n != -1 || p == 199 && n != -1 {
			t.Errorf("%v: %d sockets", p, n)
		}
	}
}

func TestLookup(t *testing.T) {
	ns := netnstest.New(t)
	c := open(t, ns)
	unconnected := netip.AddrPortFrom(netip.IPv4Unspecified(), 0)
	var s Socket
	q := Query{Protocol: TCP, Ext: ExtInfo}
	for _, address := range []string{"127.0.0.1:0", "[::1]:0"} {
		a, b := connected(t, ns, address)
		id := ID{Src: a.addr, Dst: b.addr}
		must(t, c.Lookup(&s, q, id))
		var info TCPInfo
		if s.Src != a.addr || s.Dst != b.addr || s.State != Established || s.Inode == 0 || !s.TCPInfo(&info) || s.Protocol != TCP {
			t.Errorf("%v %v %v inode %d", s.Src, s.Dst, s.State, s.Inode)
		}
		id.Cookie = s.Cookie
		must(t, c.Lookup(&s, q, id))
		id.Cookie++
		if err := c.Lookup(&s, q, id); !errors.Is(err, os.ErrNotExist) {
			t.Errorf("another cookie: %v", err)
		}
		must(t, c.Lookup(&s, q, ID{Src: b.addr, Dst: a.addr}))
		if s.Src != b.addr {
			t.Errorf("%v", s.Src)
		}
	}
	// A connection that never was, though there is a listener for it.
	l := tcpSocket(t, ns, "127.0.0.1:0")
	must(t, unix.Listen(l.fd, 3))
	must(t, c.Lookup(&s, q, ID{Src: l.addr, Dst: unconnected}))
	if s.State != Listen || s.WQueue != 3 {
		t.Errorf("%v %d", s.State, s.WQueue)
	}
	err := c.Lookup(&s, q, ID{Src: l.addr, Dst: netip.MustParseAddrPort("127.0.0.1:4")})
	if !errors.Is(err, os.ErrNotExist) || err.Error() != "sockdiag: tcp socket: no such file or directory" {
		t.Errorf("a connection that never was: %v", err)
	}
	// IPv4 to an IPv6 socket, by its mapped addresses
	l = tcpSocket(t, ns, "[::]:0")
	must(t, unix.Listen(l.fd, 3))
	a := tcpSocket(t, ns, "127.0.0.1:0")
	to := netip.AddrPortFrom(netip.MustParseAddr("127.0.0.1"), l.addr.Port())
	must(t, unix.Connect(a.fd, sockaddr(to)))
	id := ID{Src: netip.AddrPortFrom(netip.AddrFrom16(to.Addr().As16()), to.Port()), Dst: netip.AddrPortFrom(netip.AddrFrom16(a.addr.Addr().As16()), a.addr.Port())}
	must(t, c.Lookup(&s, q, id))
	if s.Src != id.Src || s.Family != IPv6 || s.Inode != 0 {
		t.Errorf("%v %v inode %d", s.Src, s.Family, s.Inode)
	}
}

// A walk that is broken off, one inside another, and what a closed Conn says.
func TestWalks(t *testing.T) {
	ns := netnstest.New(t)
	holders(t, ns, 2000)
	c := open(t, ns)
	for range 3 {
		for s, err := range c.Inet(nil, Query{Protocol: TCP}) {
			must(t, err)
			for _, err := range c.Inet(nil, Query{Protocol: TCP}) {
				if !errors.Is(err, ErrBusy) {
					t.Fatalf("a walk in a walk: %v", err)
				}
			}
			if err := c.Lookup(new(Socket), Query{Protocol: TCP}, s.ID); !errors.Is(err, ErrBusy) {
				t.Fatalf("a lookup in a walk: %v", err)
			}
			break
		}
		for _, err := range c.Unix(nil, UnixQuery{}) {
			must(t, err)
		}
		if n := len(sockets(t, c, Query{Protocol: TCP})); n != 2001 {
			t.Fatalf("%d sockets", n)
		}
	}
	if n := len(sockets(t, c, Query{Protocol: TCP, States: StateSet(Listen)})); n != 1 {
		t.Errorf("%d listeners", n)
	}
	// Nothing is allocated for a socket: a few times for each walk.
	var s Socket
	var mem MemInfo
	var info TCPInfo
	allocs := testing.AllocsPerRun(5, func() {
		for s, err := range c.Inet(&s, Query{Protocol: TCP, Ext: ExtInfo | ExtSKMemInfo | ExtCong}) {
			if err != nil {
				t.Fatal(err)
			}
			s.TCPInfo(&info)
			mem, _ = s.MemInfo()
			if s.State != Listen && (s.Congestion() == "" || mem.RcvBuf == 0 || s.ULP() != "") {
				t.Fatal("attributes are missing")
			}
		}
	})
	if allocs > 10 {
		t.Errorf("%v allocations for a walk over 2001 sockets", allocs)
	}
	c.Close()
	for _, err := range c.Inet(nil, Query{Protocol: TCP}) {
		if !errors.Is(err, os.ErrClosed) {
			t.Errorf("closed: %v", err)
		}
	}
}

func TestDestroy(t *testing.T) {
	ns := netnstest.New(t)
	c := open(t, ns)
	a, b := pair(t, ns, "tcp", "127.0.0.1:0")
	var s Socket
	must(t, c.Lookup(&s, Query{Protocol: TCP}, ID{Src: netip.MustParseAddrPort(a.LocalAddr().String()), Dst: netip.MustParseAddrPort(b.LocalAddr().String())}))
	id := s.ID
	id.Cookie++
	if err := c.Destroy(TCP, id); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("another cookie: %v", err)
	}
	must(t, c.Destroy(TCP, s.ID))
	if _, err := a.Read(make([]byte, 1)); !errors.Is(err, syscall.ECONNABORTED) {
		t.Errorf("owner: %v", err)
	}
	if _, err := b.Read(make([]byte, 1)); !errors.Is(err, syscall.ECONNRESET) {
		t.Errorf("peer: %v", err)
	}
	if err := c.Destroy(TCP, s.ID); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("again: %v", err)
	}
	if err := c.Destroy(MPTCP, s.ID); !errors.Is(err, ErrNotSupported) {
		t.Errorf("mptcp: %v", err)
	}
	// UDP, of both families
	for _, address := range []string{"127.0.0.1:0", "[::1]:0"} {
		var p net.PacketConn
		netnstest.Do(t, ns, func() (err error) {
			p, err = net.ListenPacket("udp", address)
			return err
		})
		defer p.Close()
		all := sockets(t, c, Query{Protocol: UDP})
		if len(all) != 1 {
			t.Fatalf("%d sockets", len(all))
		}
		must(t, c.Destroy(UDP, all[0].ID))
		if _, _, err := p.ReadFrom(make([]byte, 1)); !errors.Is(err, syscall.ECONNABORTED) {
			t.Errorf("udp: %v", err)
		}
		p.Close()
	}
}

func TestEvents(t *testing.T) {
	ns := netnstest.New(t)
	c := open(t, ns)
	e, err := Subscribe(ns)
	must(t, err)
	defer e.Close()
	tcp6, err := Subscribe(ns, TCP6Destroy)
	must(t, err)
	defer tcp6.Close()

	a, b := pair(t, ns, "tcp", "127.0.0.1:0")
	_, err = a.Write(make([]byte, 1000))
	must(t, err)
	_, err = b.Read(make([]byte, 2000))
	must(t, err)
	var s Socket
	id := ID{Src: netip.MustParseAddrPort(a.LocalAddr().String()), Dst: netip.MustParseAddrPort(b.LocalAddr().String())}
	must(t, c.Lookup(&s, Query{Protocol: TCP}, id))
	a.Close()
	b.Close()
	a6, b6 := pair(t, ns, "tcp", "[::1]:0")
	a6.Close()
	b6.Close()
	var u net.PacketConn
	netnstest.Do(t, ns, func() (err error) { u, err = net.ListenPacket("udp4", "127.0.0.1:0"); return err })
	u.Close()

	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	got := map[string]int{}
	for d, err := range e.Destroyed(ctx, nil) {
		must(t, err)
		if d.Cut != "" || d.Inode != 0 {
			t.Errorf("%v: cut %s inode %d", d.Src, d.Cut, d.Inode)
		}
		got[fmt.Sprintf("%v %v", d.Protocol, d.Family)]++
		if d.Cookie == s.Cookie {
			var i TCPInfo
			// the SYN counts as acknowledged; the FIN does too, if the ACK for it came before the end
			if !d.TCPInfo(&i) || i.BytesSent != 1000 || i.BytesAcked < 1001 || d.Src != id.Src || d.Dst != id.Dst {
				t.Errorf("%v %v: %+v", d.Src, d.Dst, i)
			}
			got["it"]++
		}
		if got["tcp inet"] >= 3 && got["tcp inet6"] >= 3 && got["udp inet"] >= 1 {
			break
		}
	}
	if got["it"] != 1 || got["tcp inet"] != 3 || got["tcp inet6"] != 3 || got["udp inet"] != 1 {
		t.Errorf("events: %v", got)
	}
	// The connection is in TIME_WAIT, under another cookie.
	waits := sockets(t, c, Query{Protocol: TCP, Family: IPv4, States: StateSet(TimeWait)})
	if len(waits) != 1 || waits[0].Src != id.Src || waits[0].Dst != id.Dst || waits[0].Full() {
		t.Errorf("TIME_WAIT: %v", waits)
	}

	// Of one group only.
	n := 0
	for d, err := range tcp6.Destroyed(ctx, nil) {
		must(t, err)
		if d.Protocol != TCP || d.Family != IPv6 {
			t.Errorf("of another group: %v %v", d.Protocol, d.Family)
		}
		if n++; n == 3 {
			break
		}
	}
	// There are no more, and the end of the context is the end of the wait.
	short, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	for d, err := range tcp6.Destroyed(short, nil) {
		must(t, err)
		t.Errorf("one too many: %v %v %v", d.Protocol, d.Src, d.Dst)
	}
	if n != 3 || short.Err() == nil {
		t.Errorf("%d events, context: %v", n, short.Err())
	}
}

// Events without a reader: their loss is told, and then they come again.
func TestEventsLost(t *testing.T) {
	ns := netnstest.New(t)
	e, err := Subscribe(ns, UDPDestroy)
	must(t, err)
	defer e.Close()
	must(t, e.sock.(*socket).raw.Control(func(fd uintptr) {
		err = unix.SetsockoptInt(int(fd), unix.SOL_SOCKET, unix.SO_RCVBUF, 1)
	}))
	must(t, err)
	end := func() {
		netnstest.Do(t, ns, func() error {
			u, err := net.ListenPacket("udp4", "127.0.0.1:0")
			if err == nil {
				u.Close()
			}
			return err
		})
	}
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
	defer cancel()
	for range 200 {
		end()
	}
	// The kernel tells of an end some time after it.
	ino := strconv.Itoa(int(inode(t, e.sock.(*socket).f)))
	eventually(t, "loss", func() bool {
		for _, row := range proc(t, ns, "netlink") {
			if row[9] == ino && row[8] != "0" {
				return true
			}
		}
		return false
	})
	lost, after := false, 0
	for _, err := range e.Destroyed(ctx, nil) {
		switch {
		case errors.Is(err, ErrOverrun):
			lost = true
			time.Sleep(50 * time.Millisecond)
			end()
		case err != nil:
			t.Fatal(err)
		case lost:
			after++
		}
		if after > 0 {
			break
		}
	}
	if !lost || after == 0 {
		t.Errorf("lost %t, %d events after", lost, after)
	}
}

// A plain user may listen to events.
func TestEventsPlainUser(t *testing.T) {
	netnstest.Up(t, nil, "lo") // under unshare -n it is down
	plain(t, func() {
		e, err := Subscribe(nil, UDPDestroy)
		if err != nil {
			t.Error(err)
			return
		}
		defer e.Close()
		u, err := net.ListenPacket("udp4", "127.0.0.1:0")
		if err != nil {
			t.Error(err)
			return
		}
		want := netip.MustParseAddrPort(u.LocalAddr().String())
		u.Close()
		ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
		defer cancel()
		for d, err := range e.Destroyed(ctx, nil) {
			if err != nil {
				t.Error(err)
				return
			}
			if d.Src == want {
				return
			}
		}
		t.Error("no event")
	})
}

// Forked processes own one socket: it is one row.
func TestForkedOwners(t *testing.T) {
	ns := netnstest.New(t)
	l := tcpSocket(t, ns, "127.0.0.1:0")
	must(t, unix.Listen(l.fd, 1))
	cmd := exec.Command("sleep", "20")
	f := os.NewFile(uintptr(l.fd), "listener")
	l.fd = -1
	cmd.ExtraFiles = []*os.File{f}
	must(t, cmd.Start())
	defer func() { _ = cmd.Process.Kill(); _ = cmd.Wait() }()
	c := open(t, ns)
	if all := sockets(t, c, Query{Protocol: TCP}); len(all) != 1 || all[0].Inode == 0 {
		t.Errorf("%v", all)
	}
	f.Close()
	if all := sockets(t, c, Query{Protocol: TCP}); len(all) != 1 || all[0].Inode == 0 {
		t.Errorf("held by the child only: %v", all)
	}
}

// Any condition: the kernel finds what this finds by looking at every socket.
func TestFilterKernel(t *testing.T) {
	ns := netnstest.New(t)
	c := open(t, ns)
	everyState(t, ns)
	all := sockets(t, c, Query{Protocol: TCP})
	r := rand.New(rand.NewPCG(1, 2))
	pick := func() netip.Prefix {
		a := all[r.IntN(len(all))]
		ip := a.Src.Addr()
		if r.IntN(2) == 0 {
			ip = a.Dst.Addr()
		}
		if ip.Is4In6() && r.IntN(2) == 0 {
			ip = ip.Unmap()
		}
		return netip.PrefixFrom(ip, r.IntN(ip.BitLen()+1))
	}
	port := func() (uint16, uint16) {
		a := all[r.IntN(len(all))]
		switch r.IntN(4) {
		case 0:
			return a.Src.Port(), a.Src.Port()
		case 1:
			return a.Dst.Port(), 0xffff
		case 2:
			return 0, a.Src.Port()
		}
		return a.Src.Port(), a.Src.Port() + 5000
	}
	var random func(depth int) (Cond, func(*Socket) bool)
	random = func(depth int) (Cond, func(*Socket) bool) {
		kind := r.IntN(9)
		if depth == 0 {
			kind = r.IntN(6)
		}
		switch kind {
		case 0:
			lo, hi := port()
			return SrcPort(lo, hi), func(s *Socket) bool { return s.Src.Port() >= lo && s.Src.Port() <= hi }
		case 1:
			lo, hi := port()
			return DstPort(lo, hi), func(s *Socket) bool { return s.Dst.Port() >= lo && s.Dst.Port() <= hi }
		case 2:
			p := pick()
			return Src(p), func(s *Socket) bool { return within(p, s.Src.Addr()) }
		case 3:
			p := pick()
			return Dst(p), func(s *Socket) bool { return within(p, s.Dst.Addr()) }
		case 4:
			return Dev(0), func(s *Socket) bool { return s.Interface == 0 }
		case 5:
			return Cond{}, func(*Socket) bool { return true }
		case 6:
			a, fa := random(depth - 1)
			return Not(a), func(s *Socket) bool { return !fa(s) }
		}
		n := r.IntN(4)
		sub := make([]Cond, n)
		f := make([]func(*Socket) bool, n)
		for i := range n {
			sub[i], f[i] = random(depth - 1)
		}
		if kind == 7 {
			return And(sub...), func(s *Socket) bool {
				for _, f := range f {
					if !f(s) {
						return false
					}
				}
				return true
			}
		}
		return Or(sub...), func(s *Socket) bool {
			for _, f := range f {
				if f(s) {
					return true
				}
			}
			return false
		}
	}
	some := 0
	for i := range 400 {
		cond, f := random(i % 5)
		want := map[uint64]bool{}
		for _, s := range all {
			if f(s) {
				want[s.Cookie] = true
			}
		}
		if len(want) > 0 && len(want) < len(all) {
			some++
		}
		n := 0
		for s, err := range c.Inet(nil, Query{Protocol: TCP, Filter: cond}) {
			if err != nil {
				t.Fatalf("%+v: %v", cond, err)
			}
			if !want[s.Cookie] {
				t.Errorf("%d: the kernel finds %v %v", i, s.Src, s.Dst)
			}
			n++
		}
		if n != len(want) {
			t.Errorf("%d: the kernel finds %d sockets, want %d", i, n, len(want))
		}
	}
	if some < 100 {
		t.Errorf("only %d conditions tell sockets apart", some)
	}
	var many []Cond
	for range 10000 {
		many = append(many, SrcPort(1, 2))
	}
	for _, err := range c.Inet(nil, Query{Protocol: TCP, Filter: Or(many...)}) {
		if !errors.Is(err, errCondSize) {
			t.Errorf("a condition that is too long: %v", err)
		}
	}
}

// within is what the kernel means by an address in a prefix.
func within(p netip.Prefix, a netip.Addr) bool {
	p = p.Masked()
	if p.Addr().Is4() && a.Is4In6() {
		a = a.Unmap()
	}
	if p.Addr().BitLen() != a.BitLen() {
		return false
	}
	return p.Contains(a)
}
