package netnstest

import (
	"encoding/binary"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"runtime"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// interfaces returns the names of the interfaces of ns, and how many addresses
// each has.
func interfaces(tb testing.TB, ns *os.File) map[string]int {
	tb.Helper()
	all := map[string]int{}
	Do(tb, ns, func() error {
		list, err := net.Interfaces()
		for _, i := range list {
			a, err := i.Addrs()
			if err != nil {
				return err
			}
			if i.Flags&net.FlagRunning == 0 {
				return fmt.Errorf("%s is not running", i.Name)
			}
			all[i.Name] = len(a)
		}
		return err
	})
	return all
}

func TestNew(t *testing.T) {
	a, b := New(t), New(t)
	for _, ns := range []*os.File{a, b} {
		if got := interfaces(t, ns); len(got) != 1 || got["lo"] != 2 { // 127.0.0.1 and ::1
			t.Errorf("%v", got)
		}
	}
	sa, sb := NewStage(t, a), NewStage(t, b)
	at := &unix.SockaddrInet4{Port: 8765, Addr: [4]byte{127, 0, 0, 1}}
	for _, s := range []*Stage{sa, sb} { // the same port in each
		l := s.Listen(at, 1, 0)
		c := s.Connect(&unix.SockaddrInet4{Port: 9000, Addr: [4]byte{127, 0, 0, 2}}, at, 0)
		from, err := unix.Getpeername(s.Accept(l))
		s.Must(err)
		if f, ok := from.(*unix.SockaddrInet4); !ok || f.Port != 9000 || f.Addr[3] != 2 {
			t.Errorf("from %+v", from)
		}
		s.Close(c)
	}
	six := sa.Listen(&unix.SockaddrInet6{Port: 8765, Addr: [16]byte{15: 1}}, 1, 0)
	sa.Connect(nil, &unix.SockaddrInet6{Port: 8765, Addr: [16]byte{15: 1}}, 0)
	sa.Accept(six)
}

// What is sent first arrives, in both directions, and nothing else does on a
// quiet link.
func TestVeth(t *testing.T) {
	for range 20 {
		a := End{Netns: New(t), Name: "a0", Addrs: []string{"10.77.1.1/24", "fd77:1::1/64"}}
		b := End{Netns: New(t), Name: "b0", Addrs: []string{"10.77.1.2/24", "fd77:1::2/64"}}
		Veth(t, a, b)
		if here, there := interfaces(t, a.Netns), interfaces(t, b.Netns); here["a0"] < 2 || there["b0"] < 2 || len(here) != 2 || len(there) != 2 {
			t.Fatalf("%v and %v", here, there)
		}
		for _, network := range []struct{ from, to string }{{"10.77.1.1:0", "10.77.1.2:0"}, {"[fd77:1::1]:0", "[fd77:1::2]:0"}} {
			var here, there net.PacketConn
			Do(t, b.Netns, func() (err error) { there, err = net.ListenPacket("udp", network.to); return err })
			Do(t, a.Netns, func() (err error) { here, err = net.ListenPacket("udp", network.from); return err })
			for _, c := range [][2]net.PacketConn{{here, there}, {there, here}} {
				if _, err := c[0].WriteTo([]byte("first"), c[1].LocalAddr()); err != nil {
					t.Fatal(err)
				}
				_ = c[1].SetReadDeadline(time.Now().Add(5 * time.Second))
				buf := make([]byte, 10)
				if n, from, err := c[1].ReadFrom(buf); err != nil || string(buf[:n]) != "first" || from.String() != c[0].LocalAddr().String() {
					t.Fatalf("%q from %v: %v", buf[:n], from, err)
				}
			}
			here.Close()
			there.Close()
		}
	}
	InVeth(t, func() {
		const all = 0x0300 // ETH_P_ALL in network order
		fd, err := unix.Socket(unix.AF_PACKET, unix.SOCK_RAW|unix.SOCK_NONBLOCK|unix.SOCK_CLOEXEC, all)
		if err != nil {
			t.Fatal(err)
		}
		defer unix.Close(fd)
		i, err := net.InterfaceByName("fs0")
		if err != nil {
			t.Fatal(err)
		}
		frame := make([]byte, 60)
		binary.BigEndian.PutUint16(frame[12:], 0x88b5)
		if err := unix.Sendto(fd, frame, 0, &unix.SockaddrLinklayer{Ifindex: i.Index}); err != nil {
			t.Fatal(err)
		}
		time.Sleep(50 * time.Millisecond)
		var seen int
		for buf := make([]byte, 2000); ; seen++ {
			n, _, err := unix.Recvfrom(fd, buf, 0)
			if err != nil {
				break
			}
			if buf[12] != 0x88 || buf[13] != 0xb5 {
				t.Errorf("the kernel sends %x", buf[:n])
			}
		}
		if seen != 1 { // at fs1: a socket does not see what it sends
			t.Errorf("seen %d times", seen)
		}
	})
}

// A fake is a test that something in this package ends.
type fake struct {
	testing.TB
	words string
}

func (f *fake) Helper()                         {}
func (f *fake) Fatal(args ...any)               { f.words = fmt.Sprint(args...); runtime.Goexit() }
func (f *fake) Fatalf(form string, args ...any) { f.Fatal(fmt.Sprintf(form, args...)) }
func (f *fake) Skip(args ...any)                { f.Fatal("SKIP ", fmt.Sprint(args...)) }
func (f *fake) Skipf(form string, args ...any)  { f.Skip(fmt.Sprintf(form, args...)) }

func TestEnds(t *testing.T) {
	ns := New(t)
	for want, do := range map[string]func(tb testing.TB){
		"wrong":                               func(tb testing.TB) { Do(tb, ns, func() error { return errors.New("wrong") }) },
		"inside":                              func(tb testing.TB) { Do(tb, ns, func() error { tb.Fatal("inside"); return nil }) },
		"SKIP no-such-command is not in PATH": func(tb testing.TB) { Run(tb, ns, "no-such-command") },
		"sh -c echo out; echo err >&2; exit 3: exit status 3\nout\nerr\n": func(tb testing.TB) { Run(tb, ns, "sh", "-c", "echo out; echo err >&2; exit 3") },
		"nope: Link not found":                    func(tb testing.TB) { Up(tb, ns, "nope") },
		"route ip+net: no such network interface": func(tb testing.TB) { Carrier(tb, ns, "nope") },
		"lo: file exists":                         func(tb testing.TB) { Do(tb, ns, End{Name: "lo", Addrs: []string{"127.0.0.1/8"}}.configure) },
		"connection refused": func(tb testing.TB) {
			NewStage(tb, ns).Connect(nil, &unix.SockaddrInet4{Port: 1, Addr: [4]byte{127, 0, 0, 1}}, 0)
		},
	} {
		f, ended, returned := &fake{TB: t}, make(chan struct{}), false
		go func() {
			defer close(ended)
			do(f)
			returned = true
		}()
		if <-ended; returned || f.words != want {
			t.Errorf("%q, returned: %t, want %q", f.words, returned, want)
		}
	}
	if got := Run(t, ns, "sh", "-c", "echo out; echo err >&2"); got != "out\n" {
		t.Errorf("%q", got)
	}
}

// A namespace is gone when its test is, and all that was in it.
func TestWatcher(t *testing.T) {
	w := NewWatcher(t)
	var made [2]*os.File
	t.Run("namespaces", func(t *testing.T) {
		for i := range made {
			made[i] = New(t)
			w.Watch(made[i])
		}
		Veth(t, End{Netns: made[0], Name: "a0"}, End{Netns: made[1], Name: "b0"})
		NewStage(t, made[1]).Socket(unix.AF_INET, unix.SOCK_DGRAM, 0)
		if left := w.Left(); !slices.Equal(left, []int{0, 1}) {
			t.Errorf("%v", left)
		}
	})
	for end := time.Now().Add(10 * time.Second); len(w.Left()) > 0; time.Sleep(10 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("%v are still there", w.Left())
		}
	}
}

// A plain user is told what is missing.
func TestPlainUser(t *testing.T) {
	c := exec.Command("/proc/self/exe", "-test.run=^TestVeth$", "-test.v")
	c.Dir = "/"
	c.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: 65534, Gid: 65534}}
	out, err := c.CombinedOutput()
	if errors.Is(err, unix.EPERM) || errors.Is(err, unix.EINVAL) {
		t.Skip("being another user needs CAP_SETUID")
	}
	if err != nil || !strings.Contains(string(out), "SKIP: TestVeth") || !strings.Contains(string(out), "a network namespace needs CAP_SYS_ADMIN") {
		t.Errorf("%v: %s", err, out)
	}
}

// Quiet waits for what a reader that comes late holds up.
func TestQuiet(t *testing.T) {
	s := NewStage(t, nil)
	at := &unix.SockaddrInet4{Port: 8765, Addr: [4]byte{127, 0, 0, 1}}
	l := s.Listen(at, 1, 0)
	c := s.Connect(nil, at, 0)
	srv := s.Accept(l)
	Quiet(t, s.Netns)
	s.Must(unix.SetNonblock(c, true))
	sent := 0
	for {
		n, err := unix.Write(c, make([]byte, 1<<16))
		if err == unix.EAGAIN {
			break
		}
		s.Must(err)
		sent += n
	}
	Do(t, s.Netns, func() error {
		if busy, err := unacknowledged(); busy == "" || err != nil {
			t.Errorf("%d bytes are written, and nothing is left to be acknowledged: %v", sent, err)
		}
		return nil
	})
	done := make(chan struct{})
	go func() {
		defer close(done)
		b := make([]byte, 1<<16)
		for got := 0; got < sent; {
			n, err := unix.Read(srv, b)
			if err != nil || n == 0 {
				t.Errorf("%d bytes, %v", n, err)
				return
			}
			got += n
		}
	}()
	Quiet(t, s.Netns)
	<-done
}
