package mptcpctl

import (
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/netip"
	"os"
	"strings"
	"testing"
	"time"

	"framescope/probes/sockdiag"

	"framescope/capture/netns/netnstest"
)

func snapshot(t testing.TB, c *Conn, q Query) *Snapshot {
	t.Helper()
	s := new(Snapshot)
	if err := c.Snapshot(s, q); err != nil {
		t.Fatal(err)
	}
	return s
}

// ours finds that this process holds every socket.
type ours struct{}

func (ours) FindOwners(inodes map[uint32]Owner) {
	for inode := range inodes {
		inodes[inode] = Owner{PID: os.Getpid(), Command: "test"}
	}
}

// joined waits until each connection has n established subflows.
func joined(t testing.TB, c *Conn, n int) *Snapshot {
	t.Helper()
	s := new(Snapshot)
	for end := time.Now().Add(10 * time.Second); ; time.Sleep(10 * time.Millisecond) {
		if err := c.Snapshot(s, Query{Owners: ours{}}); err != nil {
			t.Fatal(err)
		}
		ok := len(s.Connections) > 0
		for i := range s.Connections {
			ok = ok && s.Connections[i].Established() >= n
		}
		if ok {
			return s
		}
		if time.Now().After(end) {
			t.Fatalf("no %d subflows: %+v", n, s.Connections)
		}
	}
}

// A connection with two subflows, as both hosts have it.
func TestSnapshot(t *testing.T) {
	p := newPair(t)
	p.join(t, Subflow)
	at := serve(t, p.serverNS, "0.0.0.0:0")
	to := netip.AddrPortFrom(addr("10.77.1.2"), at.Port())
	conn := dial(t, p.clientNS, to)

	s := joined(t, p.client, 2)
	c := &s.Connections[0]
	if c.Local.String() != conn.LocalAddr().String() || c.Remote != to || c.Token == 0 || c.Accepted || c.Fallback != NoFallback ||
		c.State != sockdiag.Established || c.Verdict() != "multipath" || c.Links() != 2 || c.Info.SubflowsMax != 8 {
		t.Errorf("%+v", c)
	}
	if c.Owner.PID != os.Getpid() || c.Owner.Command != "test" || c.UID != uint32(os.Getuid()) {
		t.Errorf("owner %+v, uid %d", c.Owner, c.UID)
	}
	first, second := &c.Subflows[0], &c.Subflows[1]
	if first.Join() || first.Path.Dev != "c1" || first.Local != c.Local || first.Backup() || first.RTT == 0 || first.BytesReceived == 0 {
		t.Errorf("first %+v", first)
	}
	if !second.Join() || !second.Opened() || second.Path.Dev != "c2" || second.LocalID != 5 || second.Local.Addr() != addr("10.77.2.1") || second.Bound == 0 ||
		second.Path.Gateway != addr("10.77.2.2") {
		t.Errorf("second %+v, path %+v", second, second.Path)
	}

	there := joined(t, p.server, 2)
	o := &there.Connections[0]
	if !o.Accepted || o.Token == c.Token || second.PeerToken != o.Token || o.Remote != c.Local || len(there.Listeners) != 1 || there.Listeners[0].Port() != at.Port() {
		t.Errorf("server %+v, listeners %v", o, there.Listeners)
	}
	if o.Subflows[0].Path.Dev != "s1" || o.Subflows[1].Path.Dev != "s2" || o.Subflows[1].Opened() {
		t.Errorf("server's subflows %+v", o.Subflows)
	}

	// What a Selector chooses.
	for _, tt := range []struct {
		sel  Selector
		want int
	}{
		{Selector{}, 1}, {Selector{Token: c.Token}, 1}, {Selector{Token: o.Token}, 1}, {Selector{Token: c.Token ^ 1}, 0},
		{Selector{Remote: AddrMatch{Port: at.Port()}}, 1}, {Selector{Remote: AddrMatch{Port: 1}}, 0},
		{Selector{Local: AddrMatch{Prefix: netip.MustParsePrefix("10.77.2.0/24")}}, 1},
		{Selector{Local: AddrMatch{Prefix: netip.MustParsePrefix("10.77.3.0/24")}}, 0},
	} {
		if got := snapshot(t, p.client, Query{Selector: tt.sel}); len(got.Connections) != tt.want {
			t.Errorf("%v: %d connections, want %d", tt.sel.String(), len(got.Connections), tt.want)
		}
	}

	// The same memory again, and what was moved meanwhile.
	before := snapshot(t, p.client, Query{})
	echo(t, conn)
	echo(t, conn)
	now := snapshot(t, p.client, Query{})
	now.Since(before)
	moved := uint64(0)
	for i := range now.Connections[0].Subflows {
		moved += now.Connections[0].Subflows[i].Moved()
	}
	if moved != 4 {
		t.Errorf("%d bytes moved, expected 4", moved)
	}
	if f := now.Find(c.Cookie); f == nil || f.Token != c.Token || now.Find(0) != nil {
		t.Errorf("%v", f)
	}

	// JSON that others can read.
	b, err := json.Marshal(c)
	var got struct {
		Token, Verdict string
		Fallback       *string
		Links          int
		Owner          Owner
		Subflow        []struct {
			Kind  string
			Local struct {
				IP string
				ID int
			}
			Path struct{ Dev, Gateway string }
		}
	}
	if err == nil {
		err = json.Unmarshal(b, &got)
	}
	if err != nil || got.Token != c.Token.String() || got.Verdict != "multipath" || got.Fallback != nil || got.Links != 2 || got.Owner != c.Owner ||
		len(got.Subflow) != 2 || got.Subflow[1].Kind != "join" || got.Subflow[1].Local.ID != 5 || got.Subflow[1].Path.Gateway != "10.77.2.2" {
		t.Errorf("%v\n%s\n%+v", err, b, got)
	}
	// What ss(8) says of the same sockets.
	out := netnstest.Run(t, p.clientNS, "ss", "-Mian")
	for _, want := range []string{c.Local.String(), "token:" + fmt.Sprintf("%x", uint32(c.Token)), fmt.Sprintf("write_seq:%x", now.Connections[0].Info.WriteSeq)} {
		if !strings.Contains(out, want) {
			t.Errorf("ss has no %s: %s", want, out)
		}
	}
}

// Connections that are no MPTCP any more, or never were.
func TestSnapshotFallback(t *testing.T) {
	ns := netnstest.New(t)
	c := open(t, ns)
	var plain net.Listener
	netnstest.Do(t, ns, func() (err error) {
		lc := net.ListenConfig{}
		lc.SetMultipathTCP(false)
		plain, err = lc.Listen(t.Context(), "tcp", "127.0.0.1:0")
		return err
	})
	t.Cleanup(func() { plain.Close() })
	go func() {
		for {
			c, err := plain.Accept()
			if err != nil {
				return
			}
			go func() { _, _ = io.Copy(c, c); c.Close() }()
		}
	}()
	to := plain.Addr().(*net.TCPAddr).AddrPort()
	dial(t, ns, to)
	s := snapshot(t, c, Query{})
	if len(s.Connections) != 1 || s.Connections[0].Fallback != FallbackHandshake || s.Connections[0].Verdict() != "fallback" ||
		len(s.Connections[0].Subflows) != 1 || s.Accepted.Count != 0 || s.Plain.Count != 0 {
		t.Fatalf("%+v", s)
	}
	if b, err := json.Marshal(&s.Connections[0]); err != nil || !strings.Contains(string(b), `"fallback":"handshake"`) {
		t.Errorf("%s, %v", b, err)
	}
	// The other end is plain TCP: it is seen by who asks for its address.
	s = snapshot(t, c, Query{Selector: Selector{Local: AddrMatch{Port: to.Port()}}})
	if len(s.Connections) != 0 || s.Plain.Count != 1 || s.Plain.Sample[0].Local != to {
		t.Errorf("%+v", s)
	}

	// A TCP client of an MPTCP listener.
	at := serve(t, ns, "127.0.0.1:0")
	netnstest.Do(t, ns, func() error {
		d := net.Dialer{}
		d.SetMultipathTCP(false)
		k, err := d.Dial("tcp", at.String())
		if err == nil {
			t.Cleanup(func() { k.Close() })
			echo(t, k)
		}
		return err
	})
	if s = snapshot(t, c, Query{}); s.Accepted.Count != 1 || s.Accepted.Sample[0].Local != at {
		t.Errorf("%+v", s.Accepted)
	}
}

// TCP sockets that do not belong to MPTCP take no memory, and a Snapshot that is
// filled again takes next to none.
func TestSnapshotAllocs(t *testing.T) {
	ns := netnstest.New(t)
	c := open(t, ns)
	count := func() float64 {
		var s Snapshot
		if err := c.Snapshot(&s, Query{}); err != nil {
			t.Fatal(err)
		}
		return testing.AllocsPerRun(5, func() {
			if err := c.Snapshot(&s, Query{}); err != nil {
				t.Fatal(err)
			}
		})
	}
	tcp := func(n int) {
		var l net.Listener
		netnstest.Do(t, ns, func() (err error) {
			lc := net.ListenConfig{}
			lc.SetMultipathTCP(false)
			l, err = lc.Listen(t.Context(), "tcp", "127.0.0.1:0")
			for range n {
				var k net.Conn
				d := net.Dialer{}
				d.SetMultipathTCP(false)
				if err == nil {
					k, err = d.Dial("tcp", l.Addr().String())
				}
				if err == nil {
					t.Cleanup(func() { k.Close() })
				}
			}
			return err
		})
		t.Cleanup(func() { l.Close() })
	}
	few := count()
	tcp(100)
	if many := count(); many > few+2 {
		t.Errorf("%v allocations with TCP sockets, %v without", many, few)
	}
	at := serve(t, ns, "127.0.0.1:0")
	dial(t, ns, at)
	few = count()
	for range 50 {
		dial(t, ns, at)
	}
	if many := count(); many > few+10 {
		t.Errorf("%v allocations with 51 MPTCP connections, %v with one", many, few)
	}
}

func BenchmarkSnapshot(b *testing.B) {
	ns := netnstest.New(b)
	c := open(b, ns)
	at := serve(b, ns, "127.0.0.1:0")
	for range 1000 {
		dial(b, ns, at)
	}
	var s Snapshot
	b.ReportAllocs()
	for b.Loop() {
		if err := c.Snapshot(&s, Query{}); err != nil {
			b.Fatal(err)
		}
	}
	if len(s.Connections) != 2000 {
		b.Fatal(len(s.Connections))
	}
}
