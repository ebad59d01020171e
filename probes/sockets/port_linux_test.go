package sockets

import (
	"net/netip"
	"os"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"framescope/capture/netns/netnstest"
	"framescope/probes/sockdiag"
)

// linkLocal gives an interface the address fe80::1, and listens there if zone is
// its number.
func (s *stage) linkLocal(name string, zone uint32) {
	s.TB.Helper()
	netnstest.Run(s.TB, s.Netns, "ip", "address", "add", "fe80::1/64", "dev", name, "nodad")
	if zone == 0 {
		return
	}
	fd := s.Socket(unix.AF_INET6, unix.SOCK_STREAM, 0)
	s.Must(unix.Bind(fd, &unix.SockaddrInet6{Port: 8765, Addr: [16]byte{0xfe, 0x80, 15: 1}, ZoneId: zone}))
	s.Must(unix.Listen(fd, 1))
}

// Every reason for which a port cannot be bound is made for real.
func TestPort(t *testing.T) {
	v4 := netip.IPv4Unspecified()
	for _, tt := range []struct {
		name  string
		kind  Kind
		addr  netip.Addr
		make  func(s *stage)
		cause Cause
		reuse bool // SO_REUSEADDR mends it
		state sockdiag.State
		text  string // in what is said of it and done about it
		not   string // not in it
	}{
		{name: "free", addr: v4, make: func(*stage) {}},
		{name: "listener", addr: v4, make: func(s *stage) { s.listen(8765, 1, 0) }, cause: CauseListener, state: sockdiag.Listen},
		{name: "listener on another address", addr: netip.MustParseAddr("127.0.0.2"), make: func(s *stage) { s.listen(8765, 1, 0) }},
		{name: "bound", addr: v4, make: func(s *stage) {
			s.Must(unix.Bind(s.Socket(unix.AF_INET, unix.SOCK_STREAM, 0), at4(8765)))
		}, cause: CauseBound, state: sockdiag.CloseState},
		{name: "outgoing", addr: v4, make: func(s *stage) {
			l := s.listen(9000, 1, 0)
			s.dial(9000, 8765, 0)
			s.Accept(l)
		}, cause: CauseOutgoing, state: sockdiag.Established},
		{name: "outgoing with SO_REUSEADDR", addr: v4, make: func(s *stage) {
			l := s.listen(9000, 1, 0)
			c := s.Socket(unix.AF_INET, unix.SOCK_STREAM, 0)
			s.Must(unix.SetsockoptInt(c, unix.SOL_SOCKET, unix.SO_REUSEADDR, 1))
			s.Must(unix.Bind(c, at4(8765)))
			s.Must(unix.Connect(c, at4(9000)))
			s.Accept(l)
		}, cause: CauseOutgoing, reuse: true, state: sockdiag.Established},
		{name: "of a side that cannot be known", addr: v4, make: func(s *stage) {
			s.sysctl("net/ipv4/ip_local_port_range", "8000 9999")
			l := s.listen(8765, 1, 0)
			s.dial(8765, 0, 0)
			s.Accept(l)
			s.Close(l)
		}, cause: CauseConnection, reuse: true, state: sockdiag.Established},
		{name: "[::] of a dual stack", addr: netip.IPv6Unspecified(), make: func(s *stage) { s.listen(8765, 1, 0) }, cause: CauseListener, state: sockdiag.Listen},
		{name: "TIME_WAIT", addr: v4, make: func(s *stage) {
			l := s.listen(8765, 1, 0)
			c := s.dial(8765, 0, 0)
			srv := s.Accept(l)
			s.Close(srv)
			unix.Read(c, make([]byte, 1))
			s.Close(c)
			s.Close(l)
		}, cause: CauseTimeWait, reuse: true, state: sockdiag.TimeWait, text: "Set SO_REUSEADDR before bind, as servers do; or wait 60 s."},
		{name: "TIME_WAIT without SO_REUSEADDR", addr: v4, make: func(s *stage) {
			c, srv := s.pairWithout(8765)
			s.Close(srv)
			unix.Read(c, make([]byte, 1))
			s.Close(c)
		}, cause: CauseTimeWait, state: sockdiag.TimeWait, text: "Wait 60 s.\nThe socket before had no SO_REUSEADDR", not: "as servers do"},
		{name: "FIN_WAIT2", addr: v4, make: func(s *stage) {
			c, srv := s.pairWithout(8765)
			s.Close(srv)
			unix.Read(c, make([]byte, 1))
			time.Sleep(100 * time.Millisecond) // the FIN is acknowledged
		}, cause: CauseTimeWait, state: sockdiag.FinWait2, text: "are in FIN_WAIT2: their peers have not closed\nWait 60 s, or 60 s more", not: "TIME_WAIT"},
		{name: "left connections without SO_REUSEADDR", addr: v4, make: func(s *stage) { s.pairWithout(8765) },
			cause: CauseLeftover, state: sockdiag.Established, text: "End the connections", not: "as servers do"},
		{name: "left connections", addr: v4, make: func(s *stage) {
			l := s.listen(8765, 1, 0)
			s.dial(8765, 0, 0)
			s.Accept(l)
			s.Close(l)
		}, cause: CauseLeftover, reuse: true, state: sockdiag.Established},
		{name: "dual stack", addr: v4, make: func(s *stage) {
			fd := s.Socket(unix.AF_INET6, unix.SOCK_STREAM, 0)
			s.Must(unix.SetsockoptInt(fd, unix.IPPROTO_IPV6, unix.IPV6_V6ONLY, 0))
			s.Must(unix.Bind(fd, &unix.SockaddrInet6{Port: 8765}))
			s.Must(unix.Listen(fd, 1))
		}, cause: CauseDualStack, state: sockdiag.Listen},
		{name: "IPv6 only", addr: v4, make: func(s *stage) {
			fd := s.Socket(unix.AF_INET6, unix.SOCK_STREAM, 0)
			s.Must(unix.SetsockoptInt(fd, unix.IPPROTO_IPV6, unix.IPV6_V6ONLY, 1))
			s.Must(unix.Bind(fd, &unix.SockaddrInet6{Port: 8765}))
			s.Must(unix.Listen(fd, 1))
		}},
		{name: "shared by another user", addr: v4, make: func(s *stage) {
			fd := -1
			s.Do(func() (err error) {
				if err = unix.Setfsuid(65534); err != nil {
					return err
				}
				defer unix.Setfsuid(0)
				fd, err = unix.Socket(unix.AF_INET, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
				return err
			})
			s.Own(fd)
			s.Must(unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_REUSEPORT, 1))
			s.Must(unix.Bind(fd, at4(8765)))
			s.Must(unix.Listen(fd, 1))
		}, cause: CauseReusePort, state: sockdiag.Listen},
		{name: "shared by the same user", addr: v4, make: func(s *stage) {
			fd := s.Socket(unix.AF_INET, unix.SOCK_STREAM, 0)
			s.Must(unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_REUSEPORT, 1))
			s.Must(unix.Bind(fd, at4(8765)))
			s.Must(unix.Listen(fd, 1))
		}, cause: CauseListener, state: sockdiag.Listen},
		{name: "UDP", kind: UDP, addr: v4, make: func(s *stage) {
			s.Must(unix.Bind(s.Socket(unix.AF_INET, unix.SOCK_DGRAM, 0), at4(8765)))
		}, cause: CauseListener, state: sockdiag.CloseState},
		{name: "not local", addr: netip.MustParseAddr("203.0.113.9"), make: func(*stage) {}, cause: CauseNotLocal},
		{name: "link-local", addr: netip.MustParseAddr("fe80::1%lo"), make: func(s *stage) { s.linkLocal("lo", 0) }},
		{name: "link-local, by number", addr: netip.MustParseAddr("fe80::1%1"), make: func(s *stage) { s.linkLocal("lo", 1) }, cause: CauseListener, state: sockdiag.Listen},
		{name: "link-local, taken", addr: netip.MustParseAddr("fe80::1%lo"), make: func(s *stage) { s.linkLocal("lo", 1) }, cause: CauseListener, state: sockdiag.Listen},
		{name: "link-local, taken elsewhere", addr: netip.MustParseAddr("fe80::1%hole"), make: func(s *stage) {
			s.nowhere()
			s.linkLocal("hole", 0)
			s.linkLocal("lo", 1)
		}},
		{name: "link-local, of no interface", addr: netip.MustParseAddr("fe80::1%nosuchif"), make: func(s *stage) { s.linkLocal("lo", 1) }, cause: CauseNotLocal},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			s := newStage(t)
			tt.make(s)
			kind := tt.kind
			if kind == 0 {
				kind = TCP
			}
			var p *PortReport
			var b Bind
			// A process that another test has begun just now has every socket of this
			// one until it runs its program.
			for end := time.Now().Add(5 * time.Second); ; time.Sleep(50 * time.Millisecond) {
				var err error
				if p, _, err = s.lister().Port(kind, 8765, tt.addr); err != nil {
					t.Fatal(err)
				}
				if len(p.Binds) != 1 {
					t.Fatalf("%d tries to bind", len(p.Binds))
				}
				if b = p.Binds[0]; b.Cause == tt.cause || time.Now().After(end) {
					break
				}
			}
			t.Logf("%v: plain %v, reuseaddr %v, reuseport %v", p, b.Plain, b.ReuseAddr, b.ReusePort)
			if b.Cause != tt.cause || p.Free() != (tt.cause == "") {
				t.Fatalf("cause %q, free %v, want %q", b.Cause, p.Free(), tt.cause)
			}
			if tt.cause == "" || tt.cause == CauseNotLocal {
				return
			}
			if (b.ReuseAddr == nil) != tt.reuse {
				t.Errorf("SO_REUSEADDR: %v", b.ReuseAddr)
			}
			if b.Holder == nil || b.Holder.State != tt.state {
				t.Fatalf("holder %+v, want one in %v", b.Holder, tt.state)
			}
			if b.Holder.Full && (len(b.Holder.Owners) != 1 || b.Holder.Owners[0].PID != os.Getpid()) {
				t.Errorf("owners %v", b.Holder.Owners)
			}
			text, fix := b.Text()
			if text == "" || fix == "" {
				t.Error("nothing is said of it")
			}
			if said := text + "\n" + fix; !strings.Contains(said, tt.text) || tt.not != "" && strings.Contains(said, tt.not) {
				t.Errorf("said is %q", said)
			}
		})
	}
}

// pairWithout returns the ends of a connection whose listener had no SO_REUSEADDR
// and is gone.
func (s *stage) pairWithout(port int) (client, server int) {
	l := s.Socket(unix.AF_INET, unix.SOCK_STREAM, 0)
	s.Must(unix.Bind(l, at4(port)))
	s.Must(unix.Listen(l, 1))
	client = s.dial(port, 0, 0)
	server = s.Accept(l)
	s.Close(l)
	return client, server
}

// A port that takes a right, and that somebody has, is said to be both.
func TestPortPrivileged(t *testing.T) {
	s := newStage(t)
	s.listen(80, 1, 0)
	l := s.lister()
	p, _, err := l.Port(TCP, 80, netip.IPv4Unspecified())
	if err != nil {
		t.Fatal(err)
	}
	b := &p.Binds[0]
	b.Plain, b.Cause, b.Holder = unix.EACCES, "", nil // as a plain user has it
	p.explain(l, b)
	text, fix := b.Text()
	if b.Cause != CausePrivileged || b.Holder == nil || !strings.Contains(p.String(), "port_start, and another socket has it") || !strings.Contains(fix, "Stop that process first") {
		t.Errorf("%v: %q, %q", p, text, fix)
	}
	p.Holders, b.Holder = nil, nil
	p.explain(l, b)
	if text, fix = b.Text(); b.Holder != nil || strings.Contains(text, "another") || !strings.HasPrefix(fix, "sudo setcap") {
		t.Errorf("%q, %q", text, fix)
	}
}
