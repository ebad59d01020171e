package sockdiag

import (
	"bufio"
	"encoding/hex"
	"fmt"
	"net"
	"net/netip"
	"os"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"framescope/capture/netns/netnstest"
)

// A sock is a socket of the test, with its address.
type sock struct {
	fd   int
	addr netip.AddrPort
}

// tcpSocket makes a socket, bound to address.
func tcpSocket(tb testing.TB, ns *os.File, address string, opts ...[3]int) sock {
	tb.Helper()
	a := netip.MustParseAddrPort(address)
	var s sock
	netnstest.Do(tb, ns, func() (err error) {
		domain := unix.AF_INET
		if a.Addr().Is6() {
			domain = unix.AF_INET6
		}
		if s.fd, err = unix.Socket(domain, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, unix.IPPROTO_TCP); err != nil {
			return err
		}
		for _, o := range opts {
			if err = unix.SetsockoptInt(s.fd, o[0], o[1], o[2]); err != nil {
				return err
			}
		}
		return unix.Bind(s.fd, sockaddr(a))
	})
	tb.Cleanup(func() { s.close() })
	s.addr = boundTo(tb, s.fd)
	return s
}

func (s *sock) close() {
	if s.fd >= 0 {
		unix.Close(s.fd)
		s.fd = -1
	}
}

func sockaddr(a netip.AddrPort) unix.Sockaddr {
	if a.Addr().Is4() {
		return &unix.SockaddrInet4{Port: int(a.Port()), Addr: a.Addr().As4()}
	}
	return &unix.SockaddrInet6{Port: int(a.Port()), Addr: a.Addr().As16()}
}

func boundTo(tb testing.TB, fd int) netip.AddrPort {
	tb.Helper()
	a, err := unix.Getsockname(fd)
	if err != nil {
		tb.Fatal(err)
	}
	switch a := a.(type) {
	case *unix.SockaddrInet4:
		return netip.AddrPortFrom(netip.AddrFrom4(a.Addr), uint16(a.Port))
	case *unix.SockaddrInet6:
		return netip.AddrPortFrom(netip.AddrFrom16(a.Addr), uint16(a.Port))
	}
	tb.Fatalf("address %T", a)
	return netip.AddrPort{}
}

// connected returns both ends of a connection that a socket of its own listened
// for, the side that opened it first.
func connected(tb testing.TB, ns *os.File, address string) (a, b sock) {
	tb.Helper()
	l := tcpSocket(tb, ns, address)
	must(tb, unix.Listen(l.fd, 8))
	a = tcpSocket(tb, ns, netip.AddrPortFrom(l.addr.Addr(), 0).String())
	must(tb, unix.Connect(a.fd, sockaddr(l.addr)))
	fd, _, err := unix.Accept4(l.fd, unix.SOCK_CLOEXEC)
	must(tb, err)
	b = sock{fd, l.addr}
	l.close()
	tb.Cleanup(func() { b.close() })
	return a, b
}

func must(tb testing.TB, err error) {
	tb.Helper()
	if err != nil {
		tb.Fatal(err)
	}
}

// fill writes until the peer takes no more.
func fill(tb testing.TB, fd int) {
	tb.Helper()
	must(tb, unix.SetNonblock(fd, true))
	b := make([]byte, 64<<10)
	for idle := 0; idle < 5; {
		if _, err := unix.Write(fd, b); err == unix.EAGAIN {
			idle++
			time.Sleep(10 * time.Millisecond)
		} else if err != nil {
			tb.Fatal(err)
		}
	}
}

// A want is what a test knows of a socket that it made.
type want struct {
	state  State
	queues [2]int64 // -1: any
	timer  int      // -1: any
	inode  bool
	full   bool
}

// everyState brings about a socket in every state, and returns what is known of
// each by its ends.
func everyState(t *testing.T, ns *os.File) map[[2]netip.AddrPort]want {
	t.Helper()
	all := map[[2]netip.AddrPort]want{}
	nobody4 := netip.MustParseAddrPort("0.0.0.0:0")
	nobody6 := netip.MustParseAddrPort("[::]:0")
	put := func(a, b netip.AddrPort, w want) { all[[2]netip.AddrPort{a, b}] = w }

	// A link to nowhere: what is sent to 10.9.0.2 is never answered.
	netnstest.Nowhere(t, ns, "fs0", "10.9.0.1/24", "10.9.0.2")
	s := tcpSocket(t, ns, "10.9.0.1:0")
	must(t, unix.SetNonblock(s.fd, true))
	nowhere := netip.MustParseAddrPort("10.9.0.2:9")
	if err := unix.Connect(s.fd, sockaddr(nowhere)); err != unix.EINPROGRESS {
		t.Fatal(err)
	}
	put(s.addr, nowhere, want{SynSent, [2]int64{0, 1}, int(TimerOn), true, true})

	// Three sockets on the same port, of different addresses and families; one
	// connection waits to be accepted.
	l := tcpSocket(t, ns, "127.0.0.1:8765")
	must(t, unix.Listen(l.fd, 5))
	put(l.addr, nobody4, want{Listen, [2]int64{1, 5}, int(TimerOff), true, true})
	waits := tcpSocket(t, ns, "127.0.0.1:0")
	must(t, unix.Connect(waits.fd, sockaddr(l.addr)))
	put(waits.addr, l.addr, want{Established, [2]int64{0, 0}, -1, true, true})
	put(l.addr, waits.addr, want{Established, [2]int64{0, 0}, -1, false, true})
	l = tcpSocket(t, ns, "127.0.0.2:8765")
	must(t, unix.Listen(l.fd, 6))
	put(l.addr, nobody4, want{Listen, [2]int64{0, 6}, int(TimerOff), true, true})
	l = tcpSocket(t, ns, "[::1]:8765", [3]int{unix.IPPROTO_IPV6, unix.IPV6_V6ONLY, 1})
	must(t, unix.Listen(l.fd, 7))
	put(l.addr, nobody6, want{Listen, [2]int64{0, 7}, int(TimerOff), true, true})

	// IPv4 to an IPv6 socket.
	l = tcpSocket(t, ns, "[::]:0")
	must(t, unix.Listen(l.fd, 7))
	put(l.addr, nobody6, want{Listen, [2]int64{0, 7}, int(TimerOff), true, true})
	to := netip.AddrPortFrom(netip.MustParseAddr("127.0.0.1"), l.addr.Port())
	s = tcpSocket(t, ns, "127.0.0.1:0")
	must(t, unix.Connect(s.fd, sockaddr(to)))
	fd, _, err := unix.Accept4(l.fd, unix.SOCK_CLOEXEC)
	must(t, err)
	t.Cleanup(func() { unix.Close(fd) })
	mapped := func(a netip.AddrPort) netip.AddrPort {
		return netip.AddrPortFrom(netip.AddrFrom16(a.Addr().As16()), a.Port())
	}
	put(s.addr, to, want{Established, [2]int64{0, 0}, -1, true, true})
	put(mapped(to), mapped(s.addr), want{Established, [2]int64{0, 0}, -1, true, true})

	// SYN_RECV: the listener waits for data, so that the last ACK of the
	// handshake does not count.
	l = tcpSocket(t, ns, "127.0.0.1:0", [3]int{unix.IPPROTO_TCP, unix.TCP_DEFER_ACCEPT, 30})
	must(t, unix.Listen(l.fd, 9))
	put(l.addr, nobody4, want{Listen, [2]int64{-1, 9}, int(TimerOff), true, true})
	s = tcpSocket(t, ns, "127.0.0.1:0")
	must(t, unix.Connect(s.fd, sockaddr(l.addr)))
	put(s.addr, l.addr, want{Established, [2]int64{0, 0}, -1, true, true})
	put(l.addr, s.addr, want{SynRecv, [2]int64{0, 0}, int(TimerOn), false, false})

	// Half closed: the FIN counts as one byte to read, unless it was read.
	a, b := connected(t, ns, "127.0.0.1:0")
	must(t, unix.Shutdown(a.fd, unix.SHUT_WR))
	put(a.addr, b.addr, want{FinWait2, [2]int64{0, 0}, int(TimerOff), true, true})
	put(b.addr, a.addr, want{CloseWait, [2]int64{1, 0}, int(TimerOff), true, true})
	a, b = connected(t, ns, "[::1]:0")
	must(t, unix.Shutdown(a.fd, unix.SHUT_WR))
	eventually(t, "end of file", func() bool { n, err := unix.Read(b.fd, make([]byte, 1)); return n == 0 && err == nil })
	put(a.addr, b.addr, want{FinWait2, [2]int64{0, 0}, int(TimerOff), true, true})
	put(b.addr, a.addr, want{CloseWait, [2]int64{0, 0}, int(TimerOff), true, true})
	a, b = connected(t, ns, "127.0.0.1:0")
	_, err = unix.Write(a.fd, make([]byte, 1234))
	must(t, err)
	must(t, unix.Shutdown(a.fd, unix.SHUT_WR))
	put(a.addr, b.addr, want{FinWait2, [2]int64{0, 0}, int(TimerOff), true, true})
	put(b.addr, a.addr, want{CloseWait, [2]int64{1235, 0}, int(TimerOff), true, true})

	// An orphan: closed, and the other side does not.
	a, b = connected(t, ns, "127.0.0.1:0")
	a.close()
	put(a.addr, b.addr, want{FinWait2, [2]int64{0, 0}, int(TimerTimeWait), false, false})
	put(b.addr, a.addr, want{CloseWait, [2]int64{1, 0}, int(TimerOff), true, true})

	// FIN_WAIT1: the FIN waits behind data that the peer does not read.
	a, b = connected(t, ns, "127.0.0.1:0")
	fill(t, a.fd)
	must(t, unix.Shutdown(a.fd, unix.SHUT_WR))
	put(a.addr, b.addr, want{FinWait1, [2]int64{0, -1}, -1, true, true})
	put(b.addr, a.addr, want{Established, [2]int64{-1, 0}, -1, true, true})

	// LAST_ACK: the same at the side that was closed first.
	a, b = connected(t, ns, "127.0.0.1:0")
	must(t, unix.Shutdown(a.fd, unix.SHUT_WR))
	fill(t, b.fd)
	must(t, unix.Shutdown(b.fd, unix.SHUT_WR))
	put(a.addr, b.addr, want{FinWait2, [2]int64{-1, 0}, -1, true, true})
	put(b.addr, a.addr, want{LastAck, [2]int64{1, -1}, -1, true, true})

	// CLOSING: the same at the side that closed first, and then the peer does.
	a, b = connected(t, ns, "127.0.0.1:0")
	fill(t, a.fd)
	must(t, unix.Shutdown(a.fd, unix.SHUT_WR))
	must(t, unix.Shutdown(b.fd, unix.SHUT_WR))
	put(a.addr, b.addr, want{Closing, [2]int64{1, -1}, -1, true, true})
	put(b.addr, a.addr, want{FinWait2, [2]int64{-1, 0}, -1, true, true})

	// TIME_WAIT
	for _, address := range []string{"127.0.0.1:0", "[::1]:0"} {
		a, b = connected(t, ns, address)
		a.close()
		b.close()
		put(a.addr, b.addr, want{TimeWait, [2]int64{0, 0}, int(TimerTimeWait), false, false})
	}
	return all
}

func TestStates(t *testing.T) {
	ns := netnstest.New(t)
	all := everyState(t, ns)
	c := open(t, ns)
	var got map[[2]netip.AddrPort]*Socket
	var ss string
	var files map[string][][]string
	take := func() {
		got = map[[2]netip.AddrPort]*Socket{}
		for _, s := range sockets(t, c, Query{Protocol: TCP}) {
			got[[2]netip.AddrPort{s.Src, s.Dst}] = s
		}
	}
	eventually(t, "states that stay", func() bool {
		take()
		before := got
		ss = netnstest.Run(t, ns, "ss", "-HOtane")
		files = map[string][][]string{"tcp": proc(t, ns, "tcp"), "tcp6": proc(t, ns, "tcp6")}
		take()
		for k, b := range before {
			// window probes still move data
			if s := got[k]; s == nil || s.State != b.State || s.Timer != b.Timer || s.RQueue != b.RQueue || s.WQueue != b.WQueue {
				return false
			}
		}
		for k, w := range all {
			if s := got[k]; s == nil || s.State != w.state || w.timer >= 0 && int(s.Timer) != w.timer {
				return false
			}
		}
		return true
	})
	if len(got) != len(all) {
		t.Errorf("%d sockets, want %d", len(got), len(all))
	}
	seen := States(0)
	for k, s := range got {
		w, ok := all[k]
		if !ok {
			t.Errorf("unknown socket %v %v %v", s.Src, s.Dst, s.State)
			continue
		}
		seen |= StateSet(s.State)
		if q := [2]int64{int64(s.RQueue), int64(s.WQueue)}; w.queues[0] >= 0 && q[0] != w.queues[0] || w.queues[1] >= 0 && q[1] != w.queues[1] {
			t.Errorf("%v %v %v: queues %v, want %v", s.Src, s.Dst, s.State, q, w.queues)
		}
		if w.timer >= 0 && int(s.Timer) != w.timer {
			t.Errorf("%v %v %v: timer %v, want %v", s.Src, s.Dst, s.State, s.Timer, Timer(w.timer))
		}
		if s.Timer == TimerOff && s.Expires != 0 || s.Timer == TimerTimeWait && s.Expires == 0 {
			t.Errorf("%v %v %v: timer %v expires in %v", s.Src, s.Dst, s.State, s.Timer, s.Expires)
		}
		if s.Full() != w.full || (s.Inode != 0) != w.inode {
			t.Errorf("%v %v %v: full %t inode %d, want %t %t", s.Src, s.Dst, s.State, s.Full(), s.Inode, w.full, w.inode)
		}
		if s.Cookie == 0 {
			t.Errorf("%v %v %v: no cookie", s.Src, s.Dst, s.State)
		}
		if d, ok := s.Shutdown(); ok {
			want := Shutdown(0)
			switch s.State {
			case FinWait1, FinWait2:
				want = ShutdownWrite
			case CloseWait:
				want = ShutdownRead
			case Closing, LastAck:
				want = ShutdownRead | ShutdownWrite
			}
			if d != want {
				t.Errorf("%v %v %v: shutdown %d, want %d", s.Src, s.Dst, s.State, d, want)
			}
		}
	}
	if want := AllStates &^ StateSet(NewSynRecv, CloseState) &^ 1; seen != want {
		t.Errorf("states %b, want %b", seen, want)
	}

	compareSS(t, got, ss)
	compareProc(t, got, files)

	// By family, by state, and both.
	for _, f := range []Family{IPv4, IPv6} {
		for _, states := range []States{0, StateSet(Listen), StateSet(TimeWait, FinWait2)} {
			n := 0
			for _, s := range got {
				if s.Family == f && (states == 0 || states.Has(s.State)) {
					n++
				}
			}
			if some := sockets(t, c, Query{Protocol: TCP, Family: f, States: states}); len(some) != n {
				t.Errorf("family %v states %b: %d sockets, want %d", f, states, len(some), n)
			}
		}
	}
	// In two walks where the kernel has no walk for both.
	c.bothTCP = 0
	if two := sockets(t, c, Query{Protocol: TCP}); len(two) != len(got) {
		t.Errorf("two walks: %d sockets, one: %d", len(two), len(got))
	}
}

// compareSS compares with what ss -tane prints.
func compareSS(t *testing.T, got map[[2]netip.AddrPort]*Socket, text string) {
	t.Helper()
	names := map[string]State{"ESTAB": Established, "SYN-SENT": SynSent, "SYN-RECV": SynRecv, "FIN-WAIT-1": FinWait1,
		"FIN-WAIT-2": FinWait2, "TIME-WAIT": TimeWait, "UNCONN": CloseState, "CLOSE-WAIT": CloseWait, "LAST-ACK": LastAck,
		"LISTEN": Listen, "CLOSING": Closing}
	extra := regexp.MustCompile(`(timer|ino|sk|uid):(\S+)`)
	lines := strings.Split(strings.TrimSpace(text), "\n")
	if len(lines) != len(got) {
		t.Errorf("ss has %d sockets, this has %d", len(lines), len(got))
	}
	for _, line := range lines {
		f := strings.Fields(line)
		var s *Socket
		for _, g := range got {
			only, _ := g.V6Only()
			if ssAddr(g.Src, only) == f[3] && ssAddr(g.Dst, only) == f[4] {
				s = g
			}
		}
		if s == nil {
			t.Errorf("only ss has: %s", line)
			continue
		}
		if s.State != names[f[0]] || strconv.Itoa(int(s.RQueue)) != f[1] || strconv.Itoa(int(s.WQueue)) != f[2] {
			t.Errorf("%v %d %d, ss has: %s", s.State, s.RQueue, s.WQueue, line)
		}
		x := map[string]string{}
		for _, m := range extra.FindAllStringSubmatch(line, -1) {
			x[m[1]] = m[2]
		}
		if ino := x["ino"]; ino != "" && ino != strconv.Itoa(int(s.Inode)) {
			t.Errorf("inode %d, ss has: %s", s.Inode, line)
		}
		if sk := x["sk"]; sk != strconv.FormatUint(s.Cookie, 16) {
			t.Errorf("cookie %x, ss has: %s", s.Cookie, line)
		}
		if uid := x["uid"]; uid != "" && uid != strconv.Itoa(int(s.UID)) {
			t.Errorf("uid %d, ss has: %s", s.UID, line)
		}
		timer, _, _ := strings.Cut(strings.TrimPrefix(x["timer"], "("), ",")
		if timer == "" {
			timer = "off"
		}
		if timer != s.Timer.String() && s.State != Established {
			t.Errorf("timer %v, ss has: %s", s.Timer, line)
		}
	}
}

// ssAddr writes an address as ss does.
func ssAddr(a netip.AddrPort, only bool) string {
	port := "*"
	if a.Port() != 0 {
		port = strconv.Itoa(int(a.Port()))
	}
	switch ip := a.Addr(); {
	case ip == netip.IPv6Unspecified() && !only:
		return "*:" + port // of a socket that takes IPv4, too
	case ip.Is6():
		return "[" + ip.String() + "]:" + port
	default:
		return ip.String() + ":" + port
	}
}

// compareProc compares with /proc/net/tcp and tcp6.
func compareProc(t *testing.T, got map[[2]netip.AddrPort]*Socket, files map[string][][]string) {
	t.Helper()
	rows := 0
	for name, file := range files {
		for _, f := range file {
			rows++
			s := got[[2]netip.AddrPort{procAddr(t, f[1]), procAddr(t, f[2])}]
			if s == nil {
				t.Errorf("only /proc/net/%s has: %v", name, f)
				continue
			}
			queues := fmt.Sprintf("%08X:%08X", s.WQueue, s.RQueue)
			switch {
			case s.State == Listen:
				queues = fmt.Sprintf("%08X:%08X", 0, s.RQueue)
			case s.State == SynSent || s.State == CloseWait || s.State == LastAck || s.State == Closing:
				queues = f[4] // there the FIN counts otherwise
			}
			if fmt.Sprintf("%02X", uint8(s.State)) != f[3] || queues != f[4] || strconv.Itoa(int(s.Inode)) != f[9] {
				t.Errorf("%v %s inode %d, /proc/net/%s has %v", s.State, queues, s.Inode, name, f)
			}
			if uid, _ := strconv.Atoi(f[7]); s.Full() && uid != int(s.UID) {
				t.Errorf("uid %d, /proc/net/%s has %v", s.UID, name, f)
			}
		}
	}
	if rows != len(got) {
		t.Errorf("/proc/net has %d sockets, this has %d", rows, len(got))
	}
}

// proc returns the fields of each row of a file under /proc/net of ns.
func proc(t *testing.T, ns *os.File, name string) (rows [][]string) {
	t.Helper()
	var b []byte
	netnstest.Do(t, ns, func() (err error) {
		b, err = os.ReadFile("/proc/thread-self/net/" + name)
		return err
	})
	lines := bufio.NewScanner(strings.NewReader(string(b)))
	lines.Scan() // names of columns
	for lines.Scan() {
		rows = append(rows, strings.Fields(lines.Text()))
	}
	return rows
}

// procAddr reads an address as in /proc/net/tcp: words in host byte order.
func procAddr(t *testing.T, text string) netip.AddrPort {
	t.Helper()
	host, port, _ := strings.Cut(text, ":")
	b, err := hex.DecodeString(host)
	if err != nil {
		t.Fatal(err)
	}
	for w := b; len(w) > 0; w = w[4:] {
		if littleEndian {
			w[0], w[1], w[2], w[3] = w[3], w[2], w[1], w[0]
		}
	}
	a, _ := netip.AddrFromSlice(b)
	p, err := strconv.ParseUint(port, 16, 16)
	if err != nil {
		t.Fatal(err)
	}
	return netip.AddrPortFrom(a, uint16(p))
}

func TestBoundInactive(t *testing.T) {
	ns := netnstest.New(t)
	s := tcpSocket(t, ns, "127.0.0.1:0")
	c := open(t, ns)
	if all := sockets(t, c, Query{Protocol: TCP}); len(all) != 0 {
		t.Errorf("%d sockets without asking for it", len(all))
	}
	all := sockets(t, c, Query{Protocol: TCP, States: AllStates | StateSet(BoundInactive)})
	if len(all) != 1 || all[0].Src != s.addr || all[0].State != CloseState || all[0].Inode == 0 {
		t.Errorf("%v", all)
	}
}

func TestInterface(t *testing.T) {
	ns := netnstest.New(t)
	netnstest.Veth(t, netnstest.End{Netns: ns, Name: "fs0", Addrs: []string{"fe80::77/64"}}, netnstest.End{Netns: ns, Name: "fs1"})
	var index int
	var l net.Listener
	netnstest.Do(t, ns, func() error {
		i, err := net.InterfaceByName("fs0")
		if err == nil {
			index = i.Index
			var lc net.ListenConfig
			lc.SetMultipathTCP(false)
			l, err = lc.Listen(t.Context(), "tcp", "[fe80::77%fs0]:0")
		}
		return err
	})
	defer l.Close()
	bound := tcpSocket(t, ns, "127.0.0.1:0")
	must(t, unix.SetsockoptString(bound.fd, unix.SOL_SOCKET, unix.SO_BINDTODEVICE, "lo"))
	must(t, unix.Listen(bound.fd, 1))

	c := open(t, ns)
	all := sockets(t, c, Query{Protocol: TCP})
	if len(all) != 2 {
		t.Fatalf("%d sockets", len(all))
	}
	for _, s := range all {
		want := 1
		if s.Family == IPv6 {
			want = index
		}
		if int(s.Interface) != want || s.Src.Addr().Zone() != "" {
			t.Errorf("%v: interface %d, want %d", s.Src, s.Interface, want)
		}
		// with its scope it is found again
		var found Socket
		if err := c.Lookup(&found, Query{Protocol: TCP}, s.ID); err != nil || found.Cookie != s.Cookie {
			t.Errorf("%v: %v", s.Src, err)
		}
	}
	for _, index := range []uint32{1, uint32(index)} {
		if some := sockets(t, c, Query{Protocol: TCP, Filter: Dev(index)}); len(some) != 1 || some[0].Interface != index {
			t.Errorf("Dev(%d): %v", index, some)
		}
	}
}

// A namespace without a process in it, reached by the file that holds it.
func TestEmptyNamespace(t *testing.T) {
	ns := netnstest.New(t)
	c := open(t, ns)
	for _, q := range []Query{{Protocol: TCP}, {Protocol: UDP}, {Protocol: MPTCP}, {Protocol: TCP, Filter: SrcPort(1, 2)}} {
		if all := sockets(t, c, q); len(all) != 0 {
			t.Errorf("%v: %d sockets", q.Protocol, len(all))
		}
	}
	// The Conn stays there, whatever becomes of the file and of the thread.
	l := tcpSocket(t, ns, "127.0.0.1:0")
	must(t, unix.Listen(l.fd, 1))
	if all := sockets(t, c, Query{Protocol: TCP}); len(all) != 1 {
		t.Errorf("%d sockets", len(all))
	}
}
