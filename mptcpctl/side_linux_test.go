package mptcpctl

import (
	"context"
	"net"
	"net/netip"
	"testing"

	"framescope/capture/netns/netnstest"
)

// Who opened a connection is known without its listener, too, and one that no
// data went over yet is no broken one.
func TestSide(t *testing.T) {
	p := newPair(t)
	l := listen(t, p.serverNS, "0.0.0.0:0")
	accepted := make(chan net.Conn, 1)
	go func() {
		if c, err := l.Accept(); err == nil {
			accepted <- c
		}
		close(accepted)
	}()
	to := netip.AddrPortFrom(addr("10.77.1.2"), uint16(l.Addr().(*net.TCPAddr).Port))
	netnstest.Do(t, p.clientNS, func() error {
		var d net.Dialer
		d.SetMultipathTCP(true)
		k, err := d.DialContext(context.Background(), "tcp", to.String())
		if err == nil {
			t.Cleanup(func() { k.Close() })
		}
		return err
	})
	k := <-accepted
	if k == nil {
		t.Fatal("nothing was accepted")
	}
	t.Cleanup(func() { k.Close() })
	l.Close()
	for _, tt := range []struct {
		name     string
		c        *Conn
		accepted bool
	}{{"client", p.client, false}, {"server", p.server, true}} {
		s := snapshot(t, tt.c, Query{})
		if len(s.Connections) != 1 || len(s.Connections[0].Subflows) != 1 {
			t.Fatalf("%s: %+v", tt.name, s.Connections)
		}
		c := &s.Connections[0]
		if c.Accepted != tt.accepted || c.Verdict() != "single-path" || c.Established() != 1 {
			t.Errorf("%s: accepted %v, %s, flags %v", tt.name, c.Accepted, c.Verdict(), c.Subflows[0].Flags)
		}
	}
}
