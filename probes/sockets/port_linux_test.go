package sockets

import (
	"net/netip"
	"os"
	"testing"

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
		}, cause: CauseTimeWait, reuse: true, state: sockdiag.TimeWait},
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
			p, _, err := s.lister().Port(kind, 8765, tt.addr)
			if err != nil {
				t.Fatal(err)
			}
			if len(p.Binds) != 1 {
				t.Fatalf("%d tries to bind", len(p.Binds))
			}
			b := p.Binds[0]
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
			if text, fix := b.Cause.Text(); text == "" || fix == "" {
				t.Error("nothing is said of it")
			}
		})
	}
}
