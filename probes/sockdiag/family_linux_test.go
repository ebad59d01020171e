package sockdiag

import (
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"framescope/capture/netns/netnstest"
)

func TestUnix(t *testing.T) {
	ns := netnstest.New(t)
	c := open(t, ns)
	dir := t.TempDir()
	path := filepath.Join(dir, "stream")
	abstract := "\x00fs\x00\xff" + strconv.Itoa(os.Getpid()) // any bytes
	stage := netnstest.NewStage(t, ns)
	make1 := func(typ int) int { return stage.Socket(unix.AF_UNIX, typ, 0) }
	ino := func(fd int) uint32 {
		var st unix.Stat_t
		must(t, unix.Fstat(fd, &st))
		return uint32(st.Ino)
	}
	type row struct {
		typ    SocketType
		state  State
		name   string
		peer   uint32
		queues [2]uint32
		icons  int
	}
	want := map[uint32]row{}

	l := make1(unix.SOCK_STREAM)
	must(t, unix.Bind(l, &unix.SockaddrUnix{Name: path}))
	must(t, unix.Listen(l, 7))
	client := make1(unix.SOCK_STREAM)
	must(t, unix.Connect(client, &unix.SockaddrUnix{Name: path}))
	server, _, err := unix.Accept4(l, unix.SOCK_CLOEXEC)
	must(t, err)
	stage.Own(server)
	_, err = unix.Write(client, make([]byte, 123))
	must(t, err)
	waits := make1(unix.SOCK_STREAM)
	must(t, unix.Connect(waits, &unix.SockaddrUnix{Name: path}))
	want[ino(l)] = row{Stream, Listen, path, 0, [2]uint32{1, 7}, 1}
	want[ino(client)] = row{Stream, Established, "", ino(server), [2]uint32{0, ^uint32(0)}, 0}
	want[ino(server)] = row{Stream, Established, path, ino(client), [2]uint32{123, 0}, 0}
	want[ino(waits)] = row{Stream, Established, "", 0, [2]uint32{}, 0}

	seq := make1(unix.SOCK_SEQPACKET)
	must(t, unix.Bind(seq, &unix.SockaddrUnix{Name: "@" + abstract[1:]}))
	must(t, unix.Listen(seq, 3))
	want[ino(seq)] = row{SeqPacket, Listen, abstract, 0, [2]uint32{0, 3}, 0}

	dgram := make1(unix.SOCK_DGRAM)
	must(t, unix.Bind(dgram, &unix.SockaddrUnix{Name: filepath.Join(dir, "dgram")}))
	want[ino(dgram)] = row{Dgram, Established, filepath.Join(dir, "dgram"), 0, [2]uint32{55, 0}, 0}
	to := make1(unix.SOCK_DGRAM)
	must(t, unix.Connect(to, &unix.SockaddrUnix{Name: filepath.Join(dir, "dgram")}))
	_, err = unix.Write(to, make([]byte, 55))
	must(t, err)
	want[ino(to)] = row{Dgram, Established, "", ino(dgram), [2]uint32{0, ^uint32(0)}, 0}

	text := netnstest.Run(t, ns, "ss", "-HOxae")
	procRows := proc(t, ns, "unix")
	got := 0
	var u UnixSocket
	for s, err := range c.Unix(&u, UnixQuery{Show: ^UnixShow(0)}) {
		must(t, err)
		if s != &u || s.Cut != "" {
			t.Fatalf("%p %p, %s is cut", s, &u, s.Cut)
		}
		w, ok := want[s.Inode]
		if !ok {
			continue // the one that waits to be accepted has no inode
		}
		got++
		peer, _ := s.Peer()
		rq, wq, ok := s.Queues()
		if w.queues[1] == ^uint32(0) && wq > 0 {
			wq = ^uint32(0) // memory
		}
		uid, okUID := s.UID()
		_, okMem := s.MemInfo()
		if s.Inode == ino(waits) {
			w.peer = peer // the socket that waits
		}
		if r := (row{s.Type, s.State, string(s.Name()), peer, [2]uint32{rq, wq}, len(s.Icons(nil))}); r != w || !ok {
			t.Errorf("%d: %+v, want %+v", s.Inode, r, w)
		}
		if uid != uint32(os.Getuid()) || !okUID || !okMem {
			t.Errorf("%d: uid %d %t, MemInfo %t", s.Inode, uid, okUID, okMem)
		}
		inode, dev, ok := s.File()
		if ok != strings.HasPrefix(w.name, "/") {
			t.Errorf("%q: file %t", w.name, ok)
		}
		var st unix.Stat_t
		if ok {
			must(t, unix.Stat(w.name, &st))
			if inode != uint32(st.Ino) || dev != unix.Major(st.Dev)<<20|unix.Minor(st.Dev) {
				t.Errorf("%s: inode %d dev %#x, want %d %#x", w.name, inode, dev, st.Ino, st.Dev)
			}
		}
		if !strings.Contains(text, " "+strconv.Itoa(int(s.Inode))+" ") {
			t.Errorf("ss does not have %d:\n%s", s.Inode, text)
		}
		if !slices.ContainsFunc(procRows, func(f []string) bool {
			return f[6] == strconv.Itoa(int(s.Inode)) && f[4] == fmt.Sprintf("%04X", uint8(s.Type))
		}) {
			t.Errorf("/proc/net/unix does not have %d", s.Inode)
		}
		var one UnixSocket
		defer func(s UnixSocket, name string) {
			if err := c.LookupUnix(&one, s.Inode, ShowUnixName); err != nil || one.Cookie != s.Cookie || string(one.Name()) != name {
				t.Errorf("LookupUnix(%d): %v %q", s.Inode, err, one.Name())
			}
		}(*s, w.name)
	}
	if got != len(want) {
		t.Errorf("%d sockets, want %d", got, len(want))
	}
	if err := c.LookupUnix(&u, 1, 0); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("LookupUnix(1): %v", err)
	}
	n := 0
	for s, err := range c.Unix(nil, UnixQuery{States: StateSet(Listen)}) {
		must(t, err)
		if s.State != Listen || s.Name() != nil {
			t.Errorf("%v %q: not asked for", s.State, s.Name())
		}
		n++
	}
	if n != 2 {
		t.Errorf("%d listeners", n)
	}
}

func TestPacket(t *testing.T) {
	ns := netnstest.New(t)
	c := open(t, ns)
	fd := netnstest.NewStage(t, ns).Socket(unix.AF_PACKET, unix.SOCK_RAW, 0)
	must(t, unix.SetsockoptInt(fd, unix.SOL_PACKET, unix.PACKET_VERSION, unix.TPACKET_V3))
	must(t, unix.SetsockoptTpacketReq3(fd, unix.SOL_PACKET, unix.PACKET_RX_RING, &unix.TpacketReq3{
		Block_size: 1 << 16, Block_nr: 4, Frame_size: 2048, Frame_nr: 128, Retire_blk_tov: 60}))
	filter := []unix.SockFilter{{Code: 0x6, K: 0xffff}}
	must(t, unix.SetsockoptSockFprog(fd, unix.SOL_SOCKET, unix.SO_ATTACH_FILTER, &unix.SockFprog{Len: 1, Filter: &filter[0]}))
	must(t, unix.SetsockoptPacketMreq(fd, unix.SOL_PACKET, unix.PACKET_ADD_MEMBERSHIP, &unix.PacketMreq{Ifindex: 1, Type: unix.PACKET_MR_PROMISC}))
	must(t, unix.Bind(fd, &unix.SockaddrLinklayer{Protocol: 0x0300, Ifindex: 1})) // ETH_P_ALL
	must(t, unix.SetsockoptInt(fd, unix.SOL_PACKET, unix.PACKET_FANOUT, 42))

	var p *PacketSocket
	for s, err := range c.Packet(nil, ^PacketShow(0)) {
		must(t, err)
		if p != nil || s.Cut != "" {
			t.Fatalf("another, or %q is cut", s.Cut)
		}
		p = s.Clone()
	}
	if p == nil {
		t.Fatal("no packet socket")
	}
	var st unix.Stat_t
	must(t, unix.Fstat(fd, &st))
	info, _ := p.Info()
	if p.Type != RawType || p.EtherType != unix.ETH_P_ALL || p.Inode != uint32(st.Ino) || info.Interface != 1 || info.Version != unix.TPACKET_V3 || info.Flags&PacketRunning == 0 {
		t.Errorf("%+v %+v", p, info)
	}
	ring, ok := p.RxRing()
	if want := (PacketRing{BlockSize: 1 << 16, Blocks: 4, FrameSize: 2048, Frames: 128, RetireTimeout: 60}); !ok || ring != want {
		t.Errorf("ring %+v", ring)
	}
	if _, ok := p.TxRing(); ok {
		t.Error("a ring to send from")
	}
	if id, typ, ok := p.Fanout(); !ok || id != 42 || typ != unix.PACKET_FANOUT_HASH {
		t.Errorf("fanout %d %d %t", id, typ, ok)
	}
	if uid, ok := p.UID(); !ok || int(uid) != os.Getuid() {
		t.Errorf("uid %d %t", uid, ok)
	}
	if m, ok := p.MemInfo(); !ok || m.RcvBuf == 0 {
		t.Errorf("%+v %t", m, ok)
	}
	if f := p.Filter(); len(f) != 8 || ne.Uint16(f) != 6 || ne.Uint32(f[4:]) != 0xffff {
		t.Errorf("filter % x", f)
	}
	if m := p.MCList(); len(m) < 12 || ne.Uint32(m) != 1 || ne.Uint16(m[8:]) != unix.PACKET_MR_PROMISC {
		t.Errorf("memberships % x", m)
	}
	rows := proc(t, ns, "packet")
	if len(rows) != 1 || rows[0][8] != strconv.Itoa(int(p.Inode)) || rows[0][4] != "1" {
		t.Errorf("/proc/net/packet: %v", rows)
	}
}

func TestNetlink(t *testing.T) {
	ns := netnstest.New(t)
	c := open(t, ns)
	fd := netnstest.NewStage(t, ns).Socket(unix.AF_NETLINK, unix.SOCK_RAW, unix.NETLINK_ROUTE)
	must(t, unix.Bind(fd, &unix.SockaddrNetlink{Family: unix.AF_NETLINK, Pid: 4711}))
	for _, g := range []int{1, 33} {
		must(t, unix.SetsockoptInt(fd, unix.SOL_NETLINK, unix.NETLINK_ADD_MEMBERSHIP, g))
	}
	var st unix.Stat_t
	must(t, unix.Fstat(fd, &st))
	inodes := map[string]bool{}
	own, found := false, false
	for n, err := range c.Netlink(nil, ShowNetlinkMemInfo|ShowNetlinkGroups|ShowNetlinkFlags) {
		must(t, err)
		if n.Cut != "" {
			t.Errorf("%s is cut", n.Cut)
		}
		inodes[strconv.Itoa(int(n.Inode))] = true
		flags, ok := n.Flags()
		if _, okMem := n.MemInfo(); !ok || !okMem {
			t.Errorf("flags %t, MemInfo %t", ok, okMem)
		}
		switch {
		case n.Protocol == unix.NETLINK_ROUTE && n.PortID == 4711:
			found = true
			if g := n.Groups(nil); n.Inode != uint32(st.Ino) || !slices.Equal(g, []uint32{1, 33}) || n.Type != RawType || n.Connected {
				t.Errorf("%+v groups %v", n, g)
			}
		case n.Protocol == unix.NETLINK_SOCK_DIAG && n.PortID != 0:
			own = true
			if !n.Connected || flags&NetlinkDumping == 0 {
				t.Errorf("this socket: %+v flags %b", n, flags)
			}
		}
	}
	if !own || !found {
		t.Errorf("own %t, the test's %t", own, found)
	}
	rows := proc(t, ns, "netlink")
	for _, f := range rows {
		if !inodes[f[9]] {
			t.Errorf("only /proc/net/netlink has %v", f)
		}
	}
	if len(rows) == 0 {
		t.Error("/proc/net/netlink is empty")
	}
}

// mptcp returns both ends of a connection that was opened with the protocol
// client to a listener of the protocol server.
func mptcpPair(t *testing.T, ns *os.File, client, server bool, address string) (a, b *net.TCPConn) {
	t.Helper()
	var lc net.ListenConfig
	lc.SetMultipathTCP(server)
	var d net.Dialer
	d.SetMultipathTCP(client)
	var l net.Listener
	netnstest.Do(t, ns, func() (err error) { l, err = lc.Listen(t.Context(), "tcp", address); return err })
	t.Cleanup(func() { l.Close() }) // what joins is sent to it
	netnstest.Do(t, ns, func() error {
		c, err := d.DialContext(t.Context(), "tcp", l.Addr().String())
		if err == nil {
			a = c.(*net.TCPConn)
		}
		return err
	})
	s, err := l.Accept()
	must(t, err)
	b = s.(*net.TCPConn)
	t.Cleanup(func() { a.Close(); b.Close() })
	return a, b
}

func exchange(t *testing.T, a, b net.Conn, n int) {
	t.Helper()
	_, err := a.Write(make([]byte, n))
	must(t, err)
	buf := make([]byte, 1<<16)
	for n > 0 {
		m, err := b.Read(buf)
		must(t, err)
		n -= m
	}
}

func TestMPTCP(t *testing.T) {
	ns := netnstest.New(t)
	c := open(t, ns)
	netnstest.Run(t, ns, "ip", "addr", "add", "10.1.0.2/32", "dev", "lo")
	netnstest.Run(t, ns, "ip", "mptcp", "limits", "set", "subflow", "2", "add_addr_accepted", "2")
	netnstest.Run(t, ns, "ip", "mptcp", "endpoint", "add", "10.1.0.2", "subflow", "backup")
	a, b := mptcpPair(t, ns, true, true, "127.0.0.1:0")
	for range 3 {
		exchange(t, a, b, 1000)
		exchange(t, b, a, 10)
	}

	q := Query{Protocol: TCP, States: StateSet(Established), Ext: ExtInfo}
	established := func() (n int) {
		for s, err := range c.Inet(nil, q) {
			must(t, err)
			var f Subflow
			if s.Subflow(&f) && f.Flags&SubflowFullyEstablished != 0 {
				n++
			}
		}
		return n
	}
	eventually(t, "both subflows at both ends", func() bool { return established() == 4 })
	eventually(t, "acknowledgements", func() bool {
		for s, err := range c.Inet(nil, Query{Protocol: MPTCP, States: StateSet(Established), Ext: ExtInfo}) {
			must(t, err)
			var i MPTCPInfo
			if !s.MPTCPInfo(&i) || i.SndUna != i.WriteSeq {
				return false
			}
		}
		return true
	})

	conns := sockets(t, c, Query{Protocol: MPTCP, States: StateSet(Established), Ext: ExtInfo})
	subflows := sockets(t, c, q)
	if len(conns) != 2 || len(subflows) != 4 {
		t.Fatalf("%d connections, %d subflows", len(conns), len(subflows))
	}
	ssM, ssT := netnstest.Run(t, ns, "ss", "-HOMine"), netnstest.Run(t, ns, "ss", "-HOtine")
	tokens := map[uint32]*Socket{}
	for _, s := range conns {
		var i MPTCPInfo
		if !s.MPTCPInfo(&i) || i.Len < 40 || s.Protocol != MPTCP || s.State != Established || i.Token == 0 {
			t.Fatalf("%+v", i)
		}
		tokens[i.Token] = s
		sent, received := uint64(3000), uint64(30)
		of := a
		if s.Src.String() == b.LocalAddr().String() {
			sent, received, of = received, sent, b
		}
		if i.SubflowsMax != 2 || i.AddAddrAcceptedMax != 2 || i.Flags != MPTCPRemoteKeyReceived || i.LocalAddrMax != 1 || i.CsumEnabled || s.Inode != inode(t, of) {
			t.Errorf("%+v inode %d", i, s.Inode)
		}
		if i.Subflows != 1 && s.Src.String() == a.LocalAddr().String() {
			t.Errorf("subflows %d", i.Subflows)
		}
		if i.Len >= 96 && (i.BytesSent != sent || i.BytesReceived != received || i.SubflowsTotal != 2) {
			t.Errorf("%+v, want %d sent, %d received, 2 subflows", i, sent, received)
		}
		if want := fmt.Sprintf("token:%x write_seq:%x snd_una:%x rcv_nxt:%x", i.Token, i.WriteSeq, i.SndUna, i.RcvNxt); !strings.Contains(ssM, want) {
			t.Errorf("%s; ss:\n%s", want, ssM)
		}
		if s.TCPInfo(new(TCPInfo)) {
			t.Error("TCPInfo of MPTCP")
		}
		var one Socket
		var again MPTCPInfo
		if err := c.LookupToken(&one, i.Token, ExtInfo); err != nil || one.Cookie != s.Cookie || !one.MPTCPInfo(&again) || again.Token != i.Token {
			t.Errorf("LookupToken: %v", err)
		}
	}
	if err := c.LookupToken(new(Socket), 1, 0); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("LookupToken(1): %v", err)
	}
	joined := map[uint32]int{}
	for _, s := range subflows {
		var f Subflow
		if !s.Subflow(&f) || s.ULP() != "mptcp" {
			t.Fatalf("%v %v: no subflow", s.Src, s.Dst)
		}
		conn := tokens[f.TokenLoc]
		if conn == nil || conn.Inode != s.Inode {
			t.Errorf("%v %v: token %x, inode %d", s.Src, s.Dst, f.TokenLoc, s.Inode)
			continue
		}
		joined[f.TokenLoc]++
		if !f.Sequence {
			t.Error("no sequence numbers")
		}
		join := f.Flags&(SubflowJoinLoc|SubflowJoinRem) != 0
		if join != (s.Src.Addr().String() == "10.1.0.2" || s.Dst.Addr().String() == "10.1.0.2") {
			t.Errorf("%v %v: flags %v", s.Src, s.Dst, f.Flags)
		}
		if opened := s.Src.Addr().String() == "10.1.0.2"; opened {
			if tokens[f.TokenRem] == nil || f.TokenRem == f.TokenLoc || f.IDLoc == 0 {
				t.Errorf("%v: %+v", s.Src, f)
			}
		} else if f.TokenRem != 0 {
			t.Errorf("%v: %+v", s.Src, f)
		}
		want := fmt.Sprintf("flags:%v token:%04x(id:%d)/%04x(id:%d) seq:%x sfseq:%x ssnoff:%x maplen:%x", f.Flags, f.TokenRem, f.IDRem,
			f.TokenLoc, f.IDLoc, f.MapSeq, f.MapSubSeq, f.SSNOffset, f.MapDataLen)
		if !strings.Contains(ssT, want) {
			t.Errorf("%s; ss:\n%s", want, ssT)
		}
		if join && f.Flags&(SubflowBackupLoc|SubflowBackupRem) == 0 {
			t.Errorf("%v: flags %v without backup", s.Src, f.Flags)
		}
	}
	for token, n := range joined {
		if n != 2 {
			t.Errorf("token %x: %d subflows", token, n)
		}
	}

	// As a plain user: tokens, and no sequence numbers.
	plain(t, func() {
		n := 0
		for s, err := range c.Inet(nil, q) {
			var f Subflow
			if err != nil {
				t.Error(err)
			} else if s.Subflow(&f) {
				n++
				if tokens[f.TokenLoc] == nil || f.Sequence {
					t.Errorf("token %x, sequence numbers %t", f.TokenLoc, f.Sequence)
				}
			}
		}
		if n != 4 {
			t.Errorf("%d subflows", n)
		}
	})
}

func TestMPTCPFallback(t *testing.T) {
	ns := netnstest.New(t)
	c := open(t, ns)
	a, b := mptcpPair(t, ns, true, false, "127.0.0.1:0")
	exchange(t, a, b, 1000)
	all := sockets(t, c, Query{Protocol: MPTCP, States: StateSet(Established), Ext: ExtInfo})
	if len(all) != 1 || all[0].Inode != inode(t, a) {
		t.Fatalf("%v", all)
	}
	var i MPTCPInfo
	if !all[0].MPTCPInfo(&i) || i.Flags&MPTCPFallback == 0 || i.Flags&MPTCPRemoteKeyReceived != 0 {
		t.Errorf("%+v", i)
	}
	for _, s := range sockets(t, c, Query{Protocol: TCP, States: StateSet(Established), Ext: ExtInfo}) {
		var f Subflow
		is := s.Subflow(&f)
		if client := s.Inode == inode(t, a); is != client || client && (f.Flags.String() != "mc" || f.TokenLoc != i.Token) {
			t.Errorf("%v: %t %+v", s.Src, is, f)
		}
	}
	// listed by family, and both
	a6, b6 := mptcpPair(t, ns, true, true, "[::1]:0")
	exchange(t, a6, b6, 10)
	for f, want := range map[Family]int{Unspec: 4, IPv4: 1, IPv6: 3} {
		if n := len(sockets(t, c, Query{Protocol: MPTCP, Family: f})); n != want {
			t.Errorf("family %v: %d connections, want %d", f, n, want)
		}
	}
	// in one walk, and in two where the kernel has no walk for both
	if c.bothMPTCP == 0 {
		t.Error("two walks")
	}
	c.bothMPTCP = 0
	if n := len(sockets(t, c, Query{Protocol: MPTCP})); n != 4 {
		t.Errorf("in two walks: %d connections, want 4", n)
	}
	port := uint16(a.LocalAddr().(*net.TCPAddr).Port)
	if n := len(sockets(t, c, Query{Protocol: MPTCP, Filter: SrcPort(port, port)})); n != 1 {
		t.Errorf("by port: %d connections", n)
	}
}
