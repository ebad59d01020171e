package sockets

import (
	"fmt"
	"net/netip"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"framescope/capture/netns"
	"framescope/capture/netns/netnstest"
	"framescope/decode/finding"
)

// meanwhile calls f in the namespace again and again, until the test ends.
func (s *stage) meanwhile(f func()) {
	s.TB.Helper()
	stop, done := make(chan struct{}), make(chan error)
	go func() {
		done <- netns.Do(s.Netns, func() error {
			for {
				select {
				case <-stop:
					return nil
				default:
					f()
				}
			}
		})
	}()
	s.TB.Cleanup(func() {
		close(stop)
		if err := <-done; err != nil {
			s.TB.Error(err)
		}
	})
}

// Every fault is made for real, and has to be found under its name: with the
// process that holds the socket, what was seen, and nothing else.
func TestDiagnose(t *testing.T) {
	const age = 300 * time.Millisecond
	for _, tt := range []struct {
		name  string
		make  func(t *testing.T, s *stage)
		want  []string // ids
		seen  string   // in the evidence of one
		note  bool     // the first is no more than a note
		cause string   // in the cause of one
		title string   // of the first
		other bool     // the other end is known
		wait  time.Duration
	}{
		{name: "reader stuck, peer not reading", make: func(_ *testing.T, s *stage) {
			c, _ := s.pair(8765)
			s.fill(c)
		}, want: []string{PeerNotReading, ReaderStuck}, seen: "never sent", other: true, wait: time.Second},
		{name: "little is not read", make: func(_ *testing.T, s *stage) {
			c, _ := s.pair(8765)
			unix.Write(c, make([]byte, 20))
		}, want: []string{ReaderStuck}, seen: "Recv-Q 20 bytes", note: true, other: true},
		{name: "little is not read, and much", make: func(_ *testing.T, s *stage) {
			l := s.listen(8765, 16, 0)
			for _, n := range []int{20, 100000, 30} {
				c := s.dial(8765, 0, 0)
				s.Accept(l)
				unix.Write(c, make([]byte, n))
			}
		}, want: []string{ReaderStuck}, seen: "Recv-Q 100000 bytes", other: true},
		{name: "the end of the stream was read", make: func(_ *testing.T, s *stage) {
			c, srv := s.pair(8765)
			unix.Shutdown(c, unix.SHUT_WR)
			if n, err := unix.Read(srv, make([]byte, 1)); n != 0 || err != nil {
				s.TB.Fatal(n, err)
			}
		}, want: []string{HalfClosed}, seen: "FIN_WAIT2", other: true},
		{name: "the end of the stream was not read", make: func(_ *testing.T, s *stage) {
			c, _ := s.pair(8765)
			unix.Shutdown(c, unix.SHUT_WR)
		}, want: []string{CloseWaitNotRead, HalfClosed}, seen: "Recv-Q 1:", other: true},
		{name: "data and the end were not read", make: func(_ *testing.T, s *stage) {
			c, _ := s.pair(8765)
			unix.Write(c, []byte("hello"))
			unix.Shutdown(c, unix.SHUT_WR)
		}, want: []string{CloseWaitUnread, HalfClosed}, seen: "Recv-Q 6: 5 bytes and the peer's FIN", other: true},
		{name: "nobody answers", make: func(_ *testing.T, s *stage) {
			// A route to a place where nobody is.
			s.nowhere()
			fd := s.Socket(unix.AF_INET, unix.SOCK_STREAM|unix.SOCK_NONBLOCK, 0)
			if err := unix.Connect(fd, &unix.SockaddrInet4{Port: 443, Addr: [4]byte{198, 51, 100, 7}}); err != unix.EINPROGRESS {
				s.TB.Fatal(err)
			}
		}, want: []string{SynSentStuck}, seen: "the SYN was sent ", cause: "the host is down", wait: 1200 * time.Millisecond},
		{name: "accept queue full", make: func(_ *testing.T, s *stage) {
			s.listen(8765, 1, 0)
			for range 4 {
				fd := s.Socket(unix.AF_INET, unix.SOCK_STREAM|unix.SOCK_NONBLOCK, 0)
				unix.Connect(fd, at4(8765))
			}
		}, want: []string{AcceptQueueFull, NotAccepted, SynSentStuck}, seen: "is a listener of this host: 2 connections wait to be accepted, its backlog is 1", cause: "see " + AcceptQueueFull, wait: 1200 * time.Millisecond},
		{name: "not accepted", make: func(_ *testing.T, s *stage) {
			s.listen(8765, 16, 0)
			unix.Write(s.dial(8765, 0, 0), []byte("GET / HTTP/1.1\r\n"))
		}, want: []string{NotAccepted}, seen: "has waited for at least", other: false},
		{name: "half closed", make: func(_ *testing.T, s *stage) {
			c, srv := s.pair(8765)
			unix.Shutdown(c, unix.SHUT_WR)
			unix.Read(srv, make([]byte, 1))
		}, want: []string{HalfClosed}, seen: "FIN_WAIT2", other: true},
		{name: "orphan in FIN_WAIT2", make: func(_ *testing.T, s *stage) {
			c, srv := s.pair(8765)
			s.Close(c)
			unix.Read(srv, make([]byte, 1))
		}, want: []string{CloseWaitLeak, Orphan}, seen: "CLOSE_WAIT"},
		{name: "orphan with data", make: func(_ *testing.T, s *stage) {
			c, _ := s.pair(8765)
			s.fill(c)
			s.Close(c)
		}, want: []string{ReaderStuck, Orphan}, seen: "Recv-Q", wait: time.Second},
		{name: "ephemeral ports", make: func(_ *testing.T, s *stage) {
			s.sysctl("net/ipv4/ip_local_port_range", "40000 40019")
			l := s.listen(8765, 64, 0)
			for range 17 {
				s.dial(8765, 0, 0)
				s.Accept(l)
			}
		}, want: []string{EphemeralPorts}, seen: "17 of 20 ports (40000 to 40019) are taken from 127.0.0.1 to 127.0.0.1:8765, 0 of them in TIME_WAIT"},
		{name: "TIME_WAIT", make: func(_ *testing.T, s *stage) {
			s.sysctl("net/ipv4/ip_local_port_range", "40000 40019")
			l := s.listen(8765, 64, 0)
			for range 12 {
				c := s.dial(8765, 0, 0)
				srv := s.Accept(l)
				s.Close(c)
				unix.Read(srv, make([]byte, 1))
				s.Close(srv)
			}
		}, want: []string{TimeWaitPressure}, seen: "12 of them in TIME_WAIT"},
		{name: "UDP", make: func(_ *testing.T, s *stage) {
			fd := s.Socket(unix.AF_INET, unix.SOCK_DGRAM, 0)
			s.Must(unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_RCVBUF, 4096))
			s.Must(unix.Bind(fd, at4(5353)))
			c := s.Socket(unix.AF_INET, unix.SOCK_DGRAM, 0)
			for range 50 {
				s.Must(unix.Sendto(c, make([]byte, 1500), 0, at4(5353)))
			}
		}, want: []string{UDPDrops}, seen: "datagrams were dropped at this socket so far"},
		{name: "UDP that a filter refuses", make: func(_ *testing.T, s *stage) {
			fd := s.Socket(unix.AF_INET, unix.SOCK_DGRAM, 0)
			s.Must(unix.Bind(fd, at4(5353)))
			none := []unix.SockFilter{{Code: unix.BPF_RET | unix.BPF_K, K: 0}}
			s.Must(unix.SetsockoptSockFprog(fd, unix.SOL_SOCKET, unix.SO_ATTACH_FILTER, &unix.SockFprog{Len: 1, Filter: &none[0]}))
			c := s.Socket(unix.AF_INET, unix.SOCK_DGRAM, 0)
			s.meanwhile(func() {
				unix.Sendto(c, make([]byte, 100), 0, at4(5353))
				time.Sleep(5 * time.Millisecond)
			})
		}, want: []string{UDPDrops}, seen: "more were in the last 0.1 s", title: "datagrams are refused at a socket that has room"},
		{name: "the listener's filter refuses", make: func(t *testing.T, s *stage) {
			fd := s.listen(8765, 16, 0)
			none := []unix.SockFilter{{Code: unix.BPF_RET | unix.BPF_K, K: 0}}
			s.Must(unix.SetsockoptSockFprog(fd, unix.SOL_SOCKET, unix.SO_ATTACH_FILTER, &unix.SockFprog{Len: 1, Filter: &none[0]}))
			s.meanwhile(func() {
				c, err := unix.Socket(unix.AF_INET, unix.SOCK_STREAM|unix.SOCK_NONBLOCK|unix.SOCK_CLOEXEC, 0)
				if err != nil {
					t.Error(err)
				}
				unix.Connect(c, at4(8765))
				time.Sleep(6 * time.Millisecond)
				unix.Close(c)
			})
		}},
		{name: "a server that closes what is idle", make: func(_ *testing.T, s *stage) {
			l := s.listen(8765, 16, 0)
			for range 5 {
				c := s.dial(8765, 0, 0)
				s.Close(s.Accept(l))
				unix.Read(c, make([]byte, 1))
			}
		}, want: []string{CloseWaitLeak}, seen: "5 sockets are like this"},
		{name: "MPTCP", make: func(t *testing.T, s *stage) {
			if _, err := os.Stat("/proc/sys/net/mptcp"); err != nil {
				t.Skip("the kernel has no MPTCP")
			}
			l := s.listen(8765, 16, 0)
			s.dial(8765, 0, unix.IPPROTO_MPTCP)
			s.Accept(l)
		}, want: []string{MPTCPFallenBack}, seen: "fallen back"},
		{name: "reader of MPTCP stuck", make: func(t *testing.T, s *stage) {
			if _, err := os.Stat("/proc/sys/net/mptcp"); err != nil {
				t.Skip("the kernel has no MPTCP")
			}
			l := s.listen(8765, 16, unix.IPPROTO_MPTCP)
			c := s.dial(8765, 0, unix.IPPROTO_MPTCP)
			s.Accept(l)
			s.fill(c)
		}, want: []string{ReaderStuck, PeerNotReading}, seen: "nothing was read in 0.1 s", wait: 1500 * time.Millisecond},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			s := newStage(t)
			tt.make(t, s)
			time.Sleep(max(tt.wait, 2*age))
			slices.Sort(tt.want)
			var found []Finding
			var ids []string
			there := func(id string) bool { return slices.Contains(ids, id) }
			has := func(f Finding) bool { return strings.Contains(strings.Join(f.Evidence, "\n"), tt.seen) }
			// What is to be seen takes its time on a machine that is busy.
			for end := time.Now().Add(20 * time.Second); ; {
				var err error
				if found, err = (Diagnose{MinAge: age, Between: 100 * time.Millisecond}).Run(s.lister(), nil); err != nil {
					t.Fatal(err)
				}
				ids = ids[:0]
				for _, f := range found {
					ids = append(ids, f.ID)
				}
				missing := slices.ContainsFunc(tt.want, func(id string) bool { return !there(id) }) || tt.seen != "" && !slices.ContainsFunc(found, has)
				if !missing || time.Now().After(end) {
					break
				}
			}
			for _, f := range found {
				t.Logf("%s\n  %s", f.ID, strings.Join(f.Evidence, "\n  "))
				if f.Title == "" || f.Cause == "" || f.Fix == "" {
					t.Errorf("%s: the catalogue says nothing of it", f.ID)
				}
				if f.Socket != nil && f.Socket.Inode != 0 && (len(f.Socket.Owners) == 0 || f.Socket.Owners[0].PID != os.Getpid()) {
					t.Errorf("%s: owners %v, want this process", f.ID, f.Socket.Owners)
				}
			}
			slices.Sort(ids)
			if !slices.Equal(ids, tt.want) {
				t.Fatalf("found %q, want %q", ids, tt.want)
			}
			if tt.seen != "" && !slices.ContainsFunc(found, has) {
				t.Errorf("nothing has seen %q", tt.seen)
			}
			if len(found) > 0 && tt.note != (found[0].Severity == finding.Note) && found[0].ID == ReaderStuck {
				t.Errorf("%v", found[0].Severity)
			}
			if tt.cause != "" && !slices.ContainsFunc(found, func(f Finding) bool { return strings.Contains(f.Cause, tt.cause) }) {
				t.Errorf("nothing has the cause %q", tt.cause)
			}
			if tt.title != "" && found[0].Title != tt.title {
				t.Errorf("%q", found[0].Title)
			}
			if tt.other && (found[0].Socket.Other == nil || len(found[0].Socket.Other.Owners) == 0) {
				t.Error("the other end is not known")
			}
		})
	}
}

// The other end is found in another namespace, too.
func TestDiagnoseElsewhere(t *testing.T) {
	a, b := newStage(t), newStage(t)
	netnstest.Veth(t, netnstest.End{Netns: a.Netns, Name: "a", Addrs: []string{"192.0.2.1/24"}}, netnstest.End{Netns: b.Netns, Name: "b", Addrs: []string{"192.0.2.2/24"}})
	l := b.Socket(unix.AF_INET, unix.SOCK_STREAM, 0)
	b.Must(unix.Bind(l, &unix.SockaddrInet4{Port: 8765}))
	b.Must(unix.Listen(l, 1))
	c := a.Socket(unix.AF_INET, unix.SOCK_STREAM, 0)
	a.Must(unix.Connect(c, &unix.SockaddrInet4{Port: 8765, Addr: [4]byte{192, 0, 2, 2}}))
	b.Accept(l)
	a.fill(c)
	time.Sleep(1500 * time.Millisecond)
	here, there := a.lister(), b.lister()
	there.Netns = "b"
	found, err := Diagnose{MinAge: 300 * time.Millisecond, Between: 100 * time.Millisecond, Elsewhere: []*Lister{there}}.Run(here, nil)
	if err != nil {
		t.Fatal(err)
	}
	if len(found) != 1 || found[0].ID != PeerNotReading {
		t.Fatalf("%+v", found)
	}
	o := found[0].Socket.Other
	if o == nil || o.Netns != "b" || o.RQueue == 0 || len(o.Owners) != 1 || o.Owners[0].PID != os.Getpid() {
		t.Errorf("other end: %+v", o)
	}
}

// Findings of the same weight are in the same order at every run.
func TestPressureOrder(t *testing.T) {
	s := newStage(t)
	l := s.lister()
	l.ports = [2]uint16{40000, 40009}
	d := diagnosis{l: l, used: map[route]*usage{}}
	var want []string
	for port := range uint16(50) {
		d.used[route{netip.IPv6Loopback(), netip.IPv6Loopback(), 100 + port}] = &usage{all: 8}
		want = append(want, fmt.Sprintf("8 of 10 ports (40000 to 40009) are taken from ::1 to [::1]:%d, 0 of them in TIME_WAIT", 100+port))
	}
	d.pressure()
	var got []string
	for _, f := range d.found {
		got = append(got, f.Evidence...)
	}
	if !slices.Equal(got, want) {
		t.Errorf("got %q", got)
	}
}

// An ordinary busy host has nothing wrong with it: connections that talk, idle
// ones, short ones that end, a listener with an empty queue.
func TestDiagnoseOrdinary(t *testing.T) {
	s := newStage(t)
	l := s.listen(8765, 128, 0)
	stop := make(chan struct{})
	done := make(chan struct{})
	type both struct{ c, srv int }
	var talking []both
	for range 50 {
		c := s.dial(8765, 0, 0)
		talking = append(talking, both{c, s.Accept(l)})
	}
	if _, err := os.Stat("/proc/sys/net/mptcp"); err == nil {
		m := s.listen(8780, 16, unix.IPPROTO_MPTCP)
		for range 3 {
			c := s.dial(8780, 0, unix.IPPROTO_MPTCP)
			srv := s.Accept(m)
			unix.Write(c, []byte("hello"))
			unix.Read(srv, make([]byte, 100))
		}
	}
	go func() {
		defer close(done)
		b := make([]byte, 4096)
		for {
			select {
			case <-stop:
				return
			default:
			}
			for _, p := range talking[:40] { // the others are idle
				unix.Write(p.c, b)
				unix.Read(p.srv, b)
				unix.Write(p.srv, b)
				unix.Read(p.c, b)
			}
			// a short one
			fd, err := unix.Dup(talking[0].c)
			if err == nil {
				unix.Close(fd)
			}
		}
	}()
	for range 30 {
		c := s.dial(8765, 0, 0)
		srv := s.Accept(l)
		s.Close(srv)
		unix.Read(c, make([]byte, 1))
		s.Close(c)
	}
	time.Sleep(time.Second) // the idle ones are older than MinAge
	var found []Finding
	var err error
	for range 2 { // a machine that stands still makes those that talk stand still, too
		found, err = Diagnose{MinAge: 700 * time.Millisecond, Between: 100 * time.Millisecond}.Run(s.lister(), nil)
		if err != nil || len(found) == 0 {
			break
		}
	}
	close(stop)
	<-done
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range found {
		t.Errorf("%s %s: %q", f.Severity, f.ID, f.Evidence)
	}
}

func TestCatalogue(t *testing.T) {
	seen := map[string]bool{}
	for _, i := range Catalogue() {
		if seen[i.ID] || !strings.HasPrefix(i.ID, "socket-") || i.Title == "" || i.Cause == "" || i.Fix == "" || i.Severity > finding.Error {
			t.Errorf("%+v", i)
		}
		seen[i.ID] = true
	}
}
