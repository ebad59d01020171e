package mptcpctl

import (
	"context"
	"errors"
	"io"
	"iter"
	"net"
	"net/netip"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/vishvananda/netlink"

	"framescope/capture/netns/netnstest"
)

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

// A pair is two hosts with two links: 10.77.i.1 and fd77:i::1 at the client,
// .2 and ::2 at the server.
type pair struct {
	clientNS, serverNS *os.File
	client, server     *Conn
}

func newPair(t testing.TB) *pair {
	t.Helper()
	p := &pair{clientNS: netnstest.New(t), serverNS: netnstest.New(t)}
	for _, i := range []string{"1", "2"} {
		netnstest.Veth(t,
			netnstest.End{Netns: p.clientNS, Name: "c" + i, Addrs: []string{"10.77." + i + ".1/24", "fd77:" + i + "::1/64"}},
			netnstest.End{Netns: p.serverNS, Name: "s" + i, Addrs: []string{"10.77." + i + ".2/24", "fd77:" + i + "::2/64"}})
	}
	p.client, p.server = open(t, p.clientNS), open(t, p.serverNS)
	// As a host with two links has to be set up: what is sent from an address
	// leaves by its link.
	netnstest.Do(t, p.clientNS, func() error {
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

// allow lets either host have all the subflows and addresses that there may be.
func (p *pair) allow(t testing.TB) {
	t.Helper()
	limits(t, p.client, 8, 8)
	limits(t, p.server, 8, 8)
}

// join has the client join by its second link, as endpoint 5.
func (p *pair) join(t testing.TB, flags Flags) {
	t.Helper()
	p.allow(t)
	if _, err := p.client.Add(Endpoint{ID: 5, Addr: addr("10.77.2.1"), Flags: flags, Dev: "c2"}); err != nil {
		t.Fatal(err)
	}
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
	netnstest.Do(t, ns, func() (err error) {
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
	netnstest.Do(t, ns, func() (err error) {
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

// newWatch watches what the path manager tells.
func newWatch(t testing.TB, c *Conn) *watch {
	t.Helper()
	m, err := c.Monitor()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { m.Close() })
	return collect(t, m.Events)
}

// follow watches what Follow tells.
func follow(t testing.TB, c *Conn) *watch {
	t.Helper()
	return collect(t, c.Follow)
}

// collect collects events until the test ends.
func collect(t testing.TB, from func(context.Context) iter.Seq2[Event, error]) *watch {
	t.Helper()
	w := &watch{t: t, events: make(chan Event, 10000)}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() {
		defer close(done)
		for e, err := range from(ctx) {
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
