package sockets

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"slices"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"framescope/capture/netns"
	"framescope/capture/netns/netnstest"
	"framescope/probes/sockdiag"
)

// crowd opens sockets in many states.
func (s *stage) crowd() {
	s.TB.Helper()
	l := s.listen(8765, 16, 0)
	for i := range 6 {
		c := s.dial(8765, 0, 0)
		srv := s.Accept(l)
		switch i {
		case 0:
			unix.Write(c, []byte("unread"))
		case 1:
			unix.Shutdown(c, unix.SHUT_WR)
		case 2:
			s.Close(c)
			unix.Read(srv, make([]byte, 1))
			s.Close(srv)
		}
	}
	s.dial(8765, 0, 0) // waits to be accepted
	six := s.Socket(unix.AF_INET6, unix.SOCK_STREAM, 0)
	s.Must(unix.Bind(six, &unix.SockaddrInet6{Port: 8766}))
	s.Must(unix.Listen(six, 4))
	s.dial(8766, 0, 0)
	s.Accept(six)
	u := s.Socket(unix.AF_INET, unix.SOCK_DGRAM, 0)
	s.Must(unix.Bind(u, at4(5353)))
	c := s.Socket(unix.AF_INET, unix.SOCK_DGRAM, 0)
	s.Must(unix.Connect(c, at4(5353)))
	s.Socket(unix.AF_INET, unix.SOCK_RAW, unix.IPPROTO_ICMP)
	s.Socket(unix.AF_INET6, unix.SOCK_RAW, unix.IPPROTO_ICMPV6)
	s.Socket(unix.AF_PACKET, unix.SOCK_RAW, 0x0300)
	x := s.Socket(unix.AF_UNIX, unix.SOCK_STREAM, 0)
	s.Must(unix.Bind(x, &unix.SockaddrUnix{Name: "@listener"}))
	s.Must(unix.Listen(x, 4))
	s.Must(unix.Bind(s.Socket(unix.AF_UNIX, unix.SOCK_DGRAM, 0), &unix.SockaddrUnix{Name: s.TB.TempDir() + "/a path"}))
	netnstest.Quiet(s.TB, s.Netns)
}

// key is what a row is told by, from whatever it was read.
func key(r *Row) string {
	return fmt.Sprint(r.Kind, " ", r.Family, " ", r.Type, " ", r.State, " ", r.Src, " ", r.Dst, " ", r.Inode, " ", r.UID, " ", r.Protocol, " ", r.PortID, " ", strings.TrimRight(r.Name, "\x00"))
}

func collect(t testing.TB, l *Lister, q Query) (keys []string) {
	t.Helper()
	for r, err := range l.Rows(q) {
		if err != nil {
			t.Fatal(err)
		}
		keys = append(keys, key(r))
	}
	slices.Sort(keys)
	return keys
}

// What the kernel selects is what the expression selects.
func TestPushedDown(t *testing.T) {
	s := newStage(t)
	s.crowd()
	l := s.lister()
	for _, expr := range []string{
		"state established", "state listening", "state close-wait or state fin-wait-2", "not state established", "exclude listening", "state bucket",
		"sport = :8765", "dport = :8765", "sport != :8765", "not dport = :8765", "sport > :8765", "sport <= :8765", "sport = :8000-8765,5353",
		"src 127.0.0.1", "not src 127.0.0.1", "dst 127.0.0.0/8", "src [::1]", "src ::/0", "src inet6:*", "dst 127.0.0.1:8765", "src 127.0.0.1 or dport = :8766",
		"( sport = :8765 or dport = :8765 ) and state established", "sport = :8765 and not state established or dport = :8766", "dev lo", "not dev lo", "dev != lo",
		"src unix:*", "src @listener", "src /*path", "src link:3", "src link:*:lo", "not ( sport = :8765 or state established )",
	} {
		e, err := Parse(expr)
		if err != nil {
			// "a path" has a blank; it is matched by its end
			t.Errorf("%s: %v", expr, err)
			continue
		}
		resolved, err := e.resolve(l)
		s.Must(err)
		kinds := AllKinds()[:7] // without netlink: the Conn is among its sockets
		var want []string
		for r, err := range l.Rows(Query{Kinds: kinds}) {
			if err != nil {
				t.Fatal(err)
			}
			if resolved.Match(r) {
				want = append(want, key(r))
			}
		}
		slices.Sort(want)
		if got := collect(t, l, Query{Kinds: kinds, Filter: e}); !slices.Equal(got, want) {
			t.Errorf("%s:\n got %q\nwant %q", expr, got, want)
		}
		if len(want) == 0 && !strings.Contains(expr, "dev") && !strings.Contains(expr, ":lo") && !strings.Contains(expr, "[::1]") {
			t.Errorf("%s selects nothing here: it proves nothing", expr)
		}
	}
}

// Interfaces are those of the namespace that is looked at.
func TestInterface(t *testing.T) {
	s := newStage(t)
	s.nowhere()
	fd := s.Socket(unix.AF_INET, unix.SOCK_DGRAM, 0)
	s.Must(unix.BindToDevice(fd, "hole"))
	s.Must(unix.Bind(fd, at4(5353)))
	l := s.lister()
	e, err := Parse("dev = hole")
	s.Must(err)
	n := 0
	for r, err := range l.Rows(Query{Kinds: []Kind{UDP}, Filter: e}) {
		s.Must(err)
		n++
		if r.InterfaceName() != "hole" {
			t.Errorf("%q", r.InterfaceName())
		}
	}
	if n != 1 {
		t.Errorf("%d sockets", n)
	}
	for _, expr := range []string{"dev = nosuchif", "src [fe80::1%nosuchif]:99", "dst fe80::1%nosuchif"} {
		e, err = Parse(expr)
		s.Must(err)
		n := 0
		for _, err := range l.Rows(Query{Kinds: []Kind{UDP}, Filter: e}) {
			n++
			if err == nil || !strings.Contains(err.Error(), `there is no interface "nosuchif"`) {
				t.Errorf("%s: %v", expr, err)
			}
		}
		if n == 0 {
			t.Errorf("%s: no error", expr)
		}
	}
}

// Sockets bound by themselves are those whose port the kernel chose.
func TestAutobound(t *testing.T) {
	s := newStage(t)
	l := s.listen(8765, 16, 0)
	s.dial(8765, 0, 0)
	s.dial(8765, 9999, 0)
	_ = l
	for expr, want := range map[string]bool{"state established and autobound and dport = :8765": true, "not autobound and dport = :8765": false} {
		e, err := Parse(expr)
		if err != nil {
			t.Fatal(err)
		}
		got := collect(t, s.lister(), Query{Kinds: []Kind{TCP}, Filter: e})
		if len(got) != 1 || strings.Contains(got[0], ":9999") == want {
			t.Errorf("%s: %q", expr, got)
		}
	}
}

// A kernel without a handler has the same sockets in /proc/net.
func TestProcAgrees(t *testing.T) {
	s := newStage(t)
	s.crowd()
	l := s.lister()
	for _, k := range []Kind{TCP, UDP, Unix, Packet} {
		want := collect(t, l, Query{Kinds: []Kind{k}})
		var got []string
		w := walk{l: l, q: &Query{Kinds: []Kind{k}}, yield: func(r *Row, err error) bool {
			if err != nil {
				t.Fatal(err)
			}
			got = append(got, key(r))
			return true
		}}
		s.Must(w.proc(k))
		slices.Sort(got)
		if k == Unix {
			// /proc has the file's owner nowhere
			for i := range want {
				want[i] = strings.Replace(want[i], fmt.Sprint(" ", os.Getuid(), " "), " 0 ", 1)
			}
		}
		if !slices.Equal(got, want) {
			t.Errorf("%v:\n got %q\nwant %q", k, got, want)
		}
		if len(want) == 0 {
			t.Errorf("%v: none", k)
		}
	}
	if _, err := os.Stat("/proc/net/raw"); err == nil {
		if got := collect(t, l, Query{Kinds: []Kind{Raw}}); len(got) != 2 || !strings.Contains(got[0], "0.0.0.0:1 ") || !strings.Contains(got[1], "[::]:58 ") {
			t.Errorf("raw: %q", got)
		}
	}
}

// Where there is no sock_diag at all the sockets are those of /proc/net.
func TestWithoutSockDiag(t *testing.T) {
	s := newStage(t)
	s.crowd()
	none := &sockdiag.OpError{Op: "open", Err: unix.EPROTONOSUPPORT}
	l, err := newLister(s.Netns, nil, none)
	s.Must(err)
	kinds := []Kind{TCP, UDP, Packet}
	want := collect(t, s.lister(), Query{Kinds: kinds})
	if got := collect(t, l, Query{Kinds: kinds, Nested: true, Join: true}); !slices.Equal(got, want) || len(want) == 0 {
		t.Errorf("got %q\nwant %q", got, want)
	}
	if len(l.Notes()) != 1 || !strings.Contains(l.Notes()[0], "no sock_diag") {
		t.Errorf("%q", l.Notes())
	}
	for _, err := range l.Rows(Query{Kinds: AllKinds(), Nested: true}) {
		s.Must(err)
	}
	for r, err := range l.Rows(Query{Kinds: []Kind{TCP}, States: 1 << sockdiag.Established}) {
		s.Must(err)
		if err := l.Kill(r); !errors.Is(err, ErrNotSupported) {
			t.Errorf("%v", err)
		}
	}
	if found, err := (Diagnose{Between: time.Millisecond}).Run(l, nil); err != nil {
		t.Errorf("%v, %v", found, err)
	}
	if p, _, err := l.Port(TCP, 8765); err != nil || p.Free() {
		t.Errorf("%v, %v", p, err)
	}
	s.Must(l.Ends(t.Context(), nil))
	s.Must(l.Close())
	// That a namespace may not be entered is another matter.
	if _, err := newLister(s.Netns, nil, &sockdiag.OpError{Op: "open", Err: &netns.Error{Op: "enter", Err: unix.EPERM}}); !errors.Is(err, os.ErrPermission) {
		t.Errorf("%v", err)
	}
}

// An MPTCP connection has its subflows below it, and they are nowhere else.
func TestNested(t *testing.T) {
	if _, err := os.Stat("/proc/sys/net/mptcp"); err != nil {
		t.Skip("the kernel has no MPTCP")
	}
	s := newStage(t)
	l := s.listen(8780, 16, unix.IPPROTO_MPTCP)
	s.dial(8780, 0, unix.IPPROTO_MPTCP)
	s.Accept(l)
	plain := s.listen(8781, 16, 0)
	s.dial(8781, 0, 0)
	s.Accept(plain)
	var mptcp, tcp, below int
	for r, err := range s.lister().Rows(Query{Kinds: []Kind{TCP, MPTCP}, Nested: true}) {
		switch {
		case err != nil:
			t.Fatal(err)
		case r.Kind == TCP:
			tcp++
			if r.Src.Port() == 8780 || r.Dst.Port() == 8780 {
				t.Errorf("a subflow by itself: %s", key(r))
			}
		default:
			mptcp++
			below += len(r.Subflows)
			for _, f := range r.Subflows {
				if f.Src != r.Src || f.Dst != r.Dst {
					t.Errorf("%v has the subflow %v", key(r), key(f))
				}
			}
		}
	}
	if mptcp != 3 || tcp != 3 || below != 2 {
		t.Errorf("%d of MPTCP with %d subflows, %d of TCP; want 3, 2, 3", mptcp, below, tcp)
	}
}

// The subflow of a connection that fell back is not by itself either, whatever
// other connections there are.
func TestNestedFallback(t *testing.T) {
	if _, err := os.Stat("/proc/sys/net/mptcp"); err != nil {
		t.Skip("the kernel has no MPTCP")
	}
	s := newStage(t)
	plain := s.listen(8781, 16, 0)
	s.dial(8781, 0, unix.IPPROTO_MPTCP)
	s.Accept(plain)
	count := func() (tcp int) {
		for r, err := range s.lister().Rows(Query{Kinds: []Kind{TCP, MPTCP}, Nested: true}) {
			s.Must(err)
			if r.Kind == TCP {
				tcp++
			}
		}
		return tcp
	}
	if n := count(); n != 2 { // the plain listener and what it has accepted
		t.Errorf("%d TCP sockets, want 2", n)
	}
	l := s.listen(8780, 16, unix.IPPROTO_MPTCP)
	s.dial(8780, 0, unix.IPPROTO_MPTCP)
	s.Accept(l)
	if n := count(); n != 2 {
		t.Errorf("%d TCP sockets beside an MPTCP connection, want 2", n)
	}
	// Some kernels have no token for it.
	w := walk{l: s.lister(), q: &Query{}}
	s.Must(w.findSubflows())
	if w.subflows[0] == nil || len(w.subflows) < 4 {
		t.Errorf("subflows of %d connections; of none: %v", len(w.subflows), w.subflows[0])
	}
}

// A process that has forked shares its sockets: all owners are there, however many
// sockets are looked for.
func TestOwners(t *testing.T) {
	s := newStage(t)
	l := s.listen(8765, 16, 0)
	fd, err := unix.Dup(l)
	s.Must(err)
	f := os.NewFile(uintptr(fd), "listener")
	defer f.Close()
	child := exec.Command("cat")
	child.ExtraFiles = []*os.File{f}
	in, err := child.StdinPipe()
	s.Must(err)
	s.Must(child.Start())
	defer func() { in.Close(); _ = child.Wait() }()
	for _, n := range []int{0, heldRows + 10} {
		for range n {
			s.Must(unix.Bind(s.Socket(unix.AF_INET, unix.SOCK_DGRAM, 0), at4(0)))
		}
		seen, with := 0, 0
		for r, err := range Owned(s.lister().Rows(Query{Kinds: []Kind{TCP, UDP}}), nil) {
			s.Must(err)
			seen++
			var pids []int
			for _, o := range r.Owners {
				if !slices.Contains(pids, o.PID) {
					pids = append(pids, o.PID)
				}
				if o.PID == child.Process.Pid && o.Name != "cat" {
					t.Errorf("%+v", o)
				}
			}
			if len(pids) > 0 {
				with++
			}
			if r.State == sockdiag.Listen && (len(pids) != 2 || !slices.Contains(pids, os.Getpid()) || !slices.Contains(pids, child.Process.Pid)) {
				t.Errorf("listener: owners %v, want %d and %d", r.Owners, os.Getpid(), child.Process.Pid)
			}
		}
		if seen != n+1 || with != seen {
			t.Errorf("%d rows, %d with an owner, want %d", seen, with, n+1)
		}
	}
}

// The owners of subflows are those of their connection, and stay so in copies.
func TestOwnersOfSubflows(t *testing.T) {
	if _, err := os.Stat("/proc/sys/net/mptcp"); err != nil {
		t.Skip("the kernel has no MPTCP")
	}
	s := newStage(t)
	l := s.listen(8765, 16, unix.IPPROTO_MPTCP)
	for range 3 {
		s.dial(8765, 0, unix.IPPROTO_MPTCP)
		s.Accept(l)
	}
	var rows []*Row
	for r, err := range Owned(s.lister().Rows(Query{Kinds: []Kind{MPTCP}, Nested: true}), nil) {
		s.Must(err)
		rows = append(rows, r.Clone())
	}
	subflows := 0
	for _, r := range rows {
		for _, f := range r.Subflows {
			subflows++
			if len(r.Owners) != 1 || !slices.Equal(f.Owners, r.Owners) {
				t.Errorf("a subflow of %v has the owners %v", r.Owners, f.Owners)
			}
		}
	}
	if subflows != 6 {
		t.Errorf("%d subflows", subflows)
	}
}

// Both ends of a connection know each other.
func TestJoin(t *testing.T) {
	s := newStage(t)
	c, srv := s.pair(8765)
	inode := func(fd int) uint32 {
		var st unix.Stat_t
		s.Must(unix.Fstat(fd, &st))
		return uint32(st.Ino)
	}
	want := map[uint32]uint32{inode(c): inode(srv), inode(srv): inode(c)}
	for r, err := range Owned(s.lister().Rows(Query{Kinds: []Kind{TCP}, States: 1 << sockdiag.Established, Join: true}), nil) {
		s.Must(err)
		if r.Other == nil || r.Other.Inode != want[r.Inode] || len(r.Other.Owners) != 1 || r.Other.Owners[0].PID != os.Getpid() || len(r.Owners) != 1 {
			t.Errorf("%s: other end %+v", key(r), r.Other)
		}
		delete(want, r.Inode)
	}
	if len(want) > 0 {
		t.Errorf("missing: %v", want)
	}
}

// A row costs no memory.
func TestRowsAllocs(t *testing.T) {
	s := newStage(t)
	l := s.listen(8765, 512, 0)
	lister := s.lister()
	e, err := Parse("dport = :8765 or sport = :8765")
	s.Must(err)
	cost := func() float64 {
		return testing.AllocsPerRun(5, func() {
			for _, err := range lister.Rows(Query{Kinds: []Kind{TCP}, Filter: e}) {
				s.Must(err)
			}
		})
	}
	few := cost()
	for range 200 {
		s.dial(8765, 0, 0)
		s.Accept(l)
	}
	if many := cost(); many > few+5 {
		t.Errorf("%v allocations for 1 socket, %v for 401", few, many)
	}
}

func TestNamespaces(t *testing.T) {
	child := exec.Command("cat")
	child.SysProcAttr = &unix.SysProcAttr{Cloneflags: unix.CLONE_NEWNET}
	in, err := child.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := child.Start(); err != nil {
		t.Skip("a network namespace needs CAP_SYS_ADMIN")
	}
	defer func() { in.Close(); _ = child.Wait() }()
	st, err := os.Stat(fmt.Sprintf("/proc/%d/ns/net", child.Process.Pid))
	if err != nil {
		t.Fatal(err)
	}
	id, _ := inodeOf(st)
	all, _ := Namespaces()
	if len(all) < 2 || all[0].Name != "here" {
		t.Fatalf("%+v", all)
	}
	if i := slices.IndexFunc(all, func(n Namespace) bool { return n.ID == id }); i < 0 || all[i].Name != fmt.Sprintf("cat/%d", child.Process.Pid) {
		t.Errorf("%+v", all)
	}
}
