package mptcpctl

import (
	"context"
	"errors"
	"io"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"runtime"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"

	"framescope/capture/netns"
)

// newNS makes a network namespace that lasts until the test ends: only the file
// holds it.
func newNS(t testing.TB) *os.File {
	t.Helper()
	type result struct {
		f   *os.File
		err error
	}
	c := make(chan result, 1)
	go func() {
		runtime.LockOSThread()
		here, err := os.Open("/proc/thread-self/ns/net")
		if err != nil {
			c <- result{nil, err}
			return
		}
		defer here.Close()
		if err := unix.Unshare(unix.CLONE_NEWNET); err != nil {
			runtime.UnlockOSThread()
			c <- result{nil, err}
			return
		}
		f, err := os.Open("/proc/thread-self/ns/net")
		if unix.Setns(int(here.Fd()), unix.CLONE_NEWNET) == nil {
			runtime.UnlockOSThread()
		}
		c <- result{f, err}
	}()
	r := <-c
	if errors.Is(r.err, syscall.EPERM) {
		t.Skip("making a network namespace needs CAP_SYS_ADMIN")
	}
	if r.err != nil {
		t.Fatal(r.err)
	}
	t.Cleanup(func() { r.f.Close() })
	in(t, r.f, func() error {
		lo, err := netlink.LinkByName("lo")
		if err != nil {
			return err
		}
		return netlink.LinkSetUp(lo)
	})
	return r.f
}

func in(t testing.TB, ns *os.File, f func() error) {
	t.Helper()
	if err := netns.Do(ns, f); err != nil {
		t.Fatal(err)
	}
}

// open opens the path manager of a namespace.
func open(t testing.TB, ns *os.File) *Conn {
	t.Helper()
	c, err := Open(ns)
	if errors.Is(err, ErrNotSupported) {
		t.Skip("a kernel with MPTCP: ", err)
	}
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	return c
}

// run runs a program in a namespace and returns what it printed.
func run(t testing.TB, ns *os.File, args ...string) string {
	t.Helper()
	if _, err := exec.LookPath(args[0]); err != nil {
		t.Skipf("%s: not installed", args[0])
	}
	var out []byte
	in(t, ns, func() (err error) {
		out, err = exec.Command(args[0], args[1:]...).CombinedOutput()
		if err != nil {
			t.Errorf("%s: %v\n%s", strings.Join(args, " "), err, out)
		}
		return nil
	})
	return string(out)
}

// A pair is two hosts with two links: 10.77.i.1 and fd77:i::1 at the client,
// .2 and ::2 at the server.
type pair struct {
	clientNS, serverNS *os.File
	client, server     *Conn
}

func newPair(t testing.TB) *pair {
	t.Helper()
	p := &pair{clientNS: newNS(t), serverNS: newNS(t)}
	for _, i := range []string{"1", "2"} {
		in(t, p.clientNS, func() error {
			return netlink.LinkAdd(&netlink.Veth{
				LinkAttrs: netlink.LinkAttrs{Name: "c" + i}, PeerName: "s" + i, PeerNamespace: netlink.NsFd(p.serverNS.Fd()),
			})
		})
		up(t, p.clientNS, "c"+i, "10.77."+i+".1/24", "fd77:"+i+"::1/64")
		up(t, p.serverNS, "s"+i, "10.77."+i+".2/24", "fd77:"+i+"::2/64")
	}
	p.client, p.server = open(t, p.clientNS), open(t, p.serverNS)
	// As a host with two links has to be set up: what is sent from an address
	// leaves by its link.
	in(t, p.clientNS, func() error {
		for i := 1; i <= 2; i++ {
			link, err := netlink.LinkByName("c" + string(rune('0'+i)))
			if err != nil {
				return err
			}
			for _, ip := range []string{"10.77." + string(rune('0'+i)) + ".", "fd77:" + string(rune('0'+i)) + "::"} {
				r := netlink.NewRule()
				bits := 32
				if strings.Contains(ip, ":") {
					bits, r.Family = 128, netlink.FAMILY_V6
				}
				r.Src, r.Table = &net.IPNet{IP: net.ParseIP(ip + "1"), Mask: net.CIDRMask(bits, bits)}, 100+i
				if err := netlink.RuleAdd(r); err != nil {
					return err
				}
				// The connected network is in the main table only.
				all := &net.IPNet{IP: make(net.IP, bits/8), Mask: net.CIDRMask(0, bits)}
				if err := netlink.RouteAdd(&netlink.Route{LinkIndex: link.Attrs().Index, Dst: all, Gw: net.ParseIP(ip + "2"), Table: 100 + i, Flags: int(netlink.FLAG_ONLINK)}); err != nil {
					return err
				}
			}
		}
		return nil
	})
	return p
}

// up gives an interface addresses and sets it up.
func up(t testing.TB, ns *os.File, dev string, prefixes ...string) {
	t.Helper()
	in(t, ns, func() error {
		link, err := netlink.LinkByName(dev)
		if err != nil {
			return err
		}
		for _, p := range prefixes {
			a, err := netlink.ParseAddr(p)
			if err != nil {
				return err
			}
			a.Flags = unix.IFA_F_NODAD
			if err := netlink.AddrAdd(link, a); err != nil {
				return err
			}
		}
		return netlink.LinkSetUp(link)
	})
}

func limits(t testing.TB, c *Conn, addrs, subflows uint32) {
	t.Helper()
	if err := c.SetLimits(LimitsChange{&addrs, &subflows}); err != nil {
		t.Fatal(err)
	}
}

// serve accepts MPTCP connections at the address and echoes, until the test
// ends.
func serve(t testing.TB, ns *os.File, at string) netip.AddrPort {
	t.Helper()
	l := listen(t, ns, at)
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			go func() {
				defer c.Close()
				_, _ = io.Copy(c, c)
			}()
		}
	}()
	return l.Addr().(*net.TCPAddr).AddrPort()
}

func listen(t testing.TB, ns *os.File, at string) net.Listener {
	t.Helper()
	var l net.Listener
	in(t, ns, func() (err error) {
		var lc net.ListenConfig
		lc.SetMultipathTCP(true)
		l, err = lc.Listen(context.Background(), "tcp", at)
		return err
	})
	t.Cleanup(func() { l.Close() })
	return l
}

// dial opens an MPTCP connection and exchanges a byte on it.
func dial(t testing.TB, ns *os.File, to netip.AddrPort) net.Conn {
	t.Helper()
	var c net.Conn
	in(t, ns, func() (err error) {
		d := net.Dialer{Timeout: 5 * time.Second, FallbackDelay: -1}
		d.SetMultipathTCP(true)
		c, err = d.Dial("tcp", to.String())
		return err
	})
	t.Cleanup(func() { c.Close() })
	echo(t, c)
	return c
}

func echo(t testing.TB, c net.Conn) {
	t.Helper()
	_ = c.SetDeadline(time.Now().Add(5 * time.Second))
	if _, err := c.Write([]byte("x")); err != nil {
		t.Fatal(err)
	}
	if _, err := io.ReadFull(c, make([]byte, 1)); err != nil {
		t.Fatal(err)
	}
}

// A watch collects events.
type watch struct {
	t      testing.TB
	events chan Event
	seen   []Event
}

func newWatch(t testing.TB, c *Conn) *watch {
	t.Helper()
	m, err := c.Monitor()
	if err != nil {
		t.Fatal(err)
	}
	w := &watch{t: t, events: make(chan Event, 1000)}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() {
		defer close(done)
		for e, err := range m.Events(ctx) {
			if err != nil {
				t.Error(err)
				return
			}
			w.events <- e
		}
	}()
	t.Cleanup(func() {
		cancel()
		<-done
		m.Close()
	})
	return w
}

// wait returns the next event that matches. The time is only for a failure.
func (w *watch) wait(what string, match func(*Event) bool) Event {
	w.t.Helper()
	timeout := time.After(10 * time.Second)
	for {
		select {
		case e := <-w.events:
			w.seen = append(w.seen, e)
			if match(&e) {
				return e
			}
		case <-timeout:
			for _, e := range w.seen {
				w.t.Logf("%s", e.AppendIP(nil))
			}
			w.t.Fatalf("no event: %s", what)
		}
	}
}

func (w *watch) of(typ EventType) Event {
	w.t.Helper()
	return w.wait(typ.String(), func(e *Event) bool { return e.Type == typ })
}
