package mptcpctl

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/netip"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"framescope/capture/netns/netnstest"
)

// A connection with a second subflow, from the first event to the last, on both
// hosts.
func TestEvents(t *testing.T) {
	p := newPair(t)
	p.join(t, Subflow|Backup)
	client, server := newWatch(t, p.client), newWatch(t, p.server)
	at := serve(t, p.serverNS, "0.0.0.0:0")
	e := server.of(EventListenerCreated)
	if e.Local != at || e.Has(AttrToken) {
		t.Errorf("listener: %s", e.AppendIP(nil))
	}
	to := netip.AddrPortFrom(addr("10.77.1.2"), at.Port())
	conn := dial(t, p.clientNS, to)
	from := netip.MustParseAddrPort(conn.LocalAddr().String())

	created := client.of(EventCreated)
	if created.Local != from || created.Remote != to || created.Token == 0 || created.IsServerSide() || !created.Has(AttrFamily|AttrLocalID|AttrRemoteID) || created.Family != 2 {
		t.Errorf("created: %s", created.AppendIP(nil))
	}
	if e := client.of(EventEstablished); e.Token != created.Token || e.Local != from {
		t.Errorf("established: %s", e.AppendIP(nil))
	}
	sub := client.of(EventSubEstablished)
	if sub.Token != created.Token || sub.LocalID != 5 || sub.RemoteID != 0 || sub.Local.Addr() != addr("10.77.2.1") || sub.Remote != to || !sub.Has(AttrBackup|AttrIfIndex) || sub.IfIndex == 0 {
		t.Errorf("sub_established: %s", sub.AppendIP(nil))
	}
	there := server.of(EventCreated)
	// The listener's socket is one of IPv6.
	unmapped := func(a netip.AddrPort) netip.AddrPort { return netip.AddrPortFrom(a.Addr().Unmap(), a.Port()) }
	if !there.IsServerSide() || there.Token == created.Token || unmapped(there.Local) != to || unmapped(there.Remote) != from {
		t.Errorf("server: %s", there.AppendIP(nil))
	}
	if e := server.of(EventSubEstablished); e.Backup == 0 || e.RemoteID != 5 || e.Remote.Addr().Unmap() != addr("10.77.2.1") || e.Token != there.Token {
		t.Errorf("server: %s", e.AppendIP(nil))
	}

	// The priority of a subflow changes: MP_PRIO.
	if _, err := p.client.SetFlags(Endpoint{ID: 5}); err != nil {
		t.Fatal(err)
	}
	if e := server.of(EventSubPriority); e.Token != there.Token || e.Backup != 0 || e.RemoteID != 5 {
		t.Errorf("sub_priority: %s", e.AppendIP(nil))
	}

	// The server signals an address, and takes it back.
	if _, err := p.server.Add(Endpoint{ID: 9, Addr: addr("10.77.2.2"), Flags: Signal}); err != nil {
		t.Fatal(err)
	}
	if e := client.of(EventAnnounced); e.Token != created.Token || e.RemoteID != 9 || e.Remote.Addr() != addr("10.77.2.2") || e.Has(AttrLocalAddr) {
		t.Errorf("announced: %s", e.AppendIP(nil))
	}
	joined := client.of(EventSubEstablished)
	if joined.RemoteID != 9 || joined.Remote.Addr() != addr("10.77.2.2") || joined.Remote.Port() != to.Port() {
		t.Errorf("joined: %s", joined.AppendIP(nil))
	}
	if err := p.server.Delete(9, netip.Addr{}); err != nil {
		t.Fatal(err)
	}
	if e := client.of(EventRemoved); e.Token != created.Token || e.RemoteID != 9 {
		t.Errorf("removed: %s", e.AppendIP(nil))
	}
	if e := client.wait("sub_closed of 9", func(e *Event) bool { return e.Type == EventSubClosed && e.RemoteID == 9 }); e.Local.Addr() != joined.Local.Addr() {
		t.Errorf("sub_closed: %s", e.AppendIP(nil))
	}
	conn.Close()
	if e := client.of(EventClosed); e.Token != created.Token || e.Attrs != AttrToken {
		t.Errorf("closed: %s", e.AppendIP(nil))
	}
	l := listen(t, p.serverNS, "[fd77:1::2]:0")
	if e := server.of(EventListenerCreated); e.Local.String() != l.Addr().String() || e.Family != 10 {
		t.Errorf("listener: %s", e.AppendIP(nil))
	}
	l.Close()
	if e := server.of(EventListenerClosed); e.Local.String() != l.Addr().String() {
		t.Errorf("listener: %s", e.AppendIP(nil))
	}
	// All of them have JSON with the attributes in it.
	for _, e := range client.seen {
		b, err := json.Marshal(e)
		if err != nil || !strings.Contains(string(b), `"event":"`+e.Type.String()+`"`) || !strings.Contains(string(b), e.Token.String()) {
			t.Errorf("%s, %v", b, err)
		}
	}
}

// A refused join says why.
func TestEventError(t *testing.T) {
	p := newPair(t)
	p.allow(t)
	w := newWatch(t, p.client)
	to := serve(t, p.serverNS, "10.77.1.2:0")
	dial(t, p.clientNS, to)
	w.of(EventEstablished)
	// Nobody listens there.
	if _, err := p.server.Add(Endpoint{ID: 3, Addr: addr("10.77.2.2"), Flags: Signal}); err != nil {
		t.Fatal(err)
	}
	e := w.of(EventSubClosed)
	if !e.Has(AttrError) || syscall.Errno(e.Error) != syscall.ECONNREFUSED || e.RemoteID != 3 {
		t.Errorf("%s", e.AppendIP(nil))
	}
	if b, _ := json.Marshal(e); !strings.Contains(string(b), `"error":{"code":111,"text":"connection refused"}`) {
		t.Errorf("%s", b)
	}
}

// What the kernel cannot keep is said to be lost, and later events come.
func TestEventsLost(t *testing.T) {
	ns := netnstest.New(t)
	c := open(t, ns)
	m, err := c.Monitor()
	if err != nil {
		t.Fatal(err)
	}
	defer m.Close()
	conn, _ := m.file.SyscallConn()
	_ = conn.Control(func(fd uintptr) {
		err = unix.SetsockoptInt(int(fd), unix.SOL_SOCKET, unix.SO_RCVBUF, 1) // the least there is
	})
	if err != nil {
		t.Fatal(err)
	}
	for range 50 {
		listen(t, ns, "127.0.0.1:0").Close()
	}
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	lost, after, before := 0, 0, 0
	for e, err := range m.Events(ctx) {
		if err != nil {
			t.Fatal(err)
		}
		switch {
		case e.Type == EventLost:
			lost++
			if e.Type.String() != "lost" {
				t.Error(e.Type)
			}
			if lost > 10 {
				t.Fatal("no event after those that were lost")
			}
			listen(t, ns, "127.0.0.1:0").Close()
		case lost == 0:
			before++
		case lost > 0 && e.Type == EventListenerClosed:
			after++
		}
		if after > 0 {
			break
		}
	}
	if lost == 0 || after == 0 {
		t.Errorf("%d lost, %d before, %d after", lost, before, after)
	}
}

// Events end with their context, and with the monitor, without an error.
func TestMonitorEnds(t *testing.T) {
	c := open(t, netnstest.New(t))
	for name, end := range map[string]func(*Monitor, func()){
		"context": func(_ *Monitor, cancel func()) { cancel() },
		"close":   func(m *Monitor, _ func()) { m.Close() },
	} {
		m, err := c.Monitor()
		if err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithCancel(context.Background())
		done := make(chan error, 1)
		go func() {
			for _, err := range m.Events(ctx) {
				done <- fmt.Errorf("an event, or %w", err)
				return
			}
			done <- nil
		}()
		end(m, cancel)
		select {
		case err := <-done:
			if err != nil {
				t.Errorf("%s: %v", name, err)
			}
		case <-time.After(10 * time.Second):
			t.Errorf("%s: no end", name)
		}
		cancel()
		m.Close()
	}
}

// A connection whose paths a process manages.
func TestUserspace(t *testing.T) {
	p := newPair(t)
	client, server := newWatch(t, p.client), newWatch(t, p.server)
	to := serve(t, p.serverNS, "10.77.1.2:0")

	// A connection of the kernel's path manager is none of ours.
	dial(t, p.clientNS, to)
	created := client.of(EventCreated)
	client.of(EventEstablished)
	local := Endpoint{ID: 4, Addr: addr("10.77.2.1"), Flags: Subflow}
	if err := p.client.CreateSubflow(created.Token, local, to); err == nil || !strings.Contains(err.Error(), "userspace PM not selected") {
		t.Errorf("%v", err)
	}

	for _, c := range []*Conn{p.client, p.server} {
		if err := c.SetSysctl("path_manager", "userspace"); err != nil {
			t.Fatal(err)
		}
	}
	server.of(EventCreated) // of the first
	dial(t, p.clientNS, to)
	created = client.of(EventCreated)
	client.of(EventEstablished)
	there := server.of(EventCreated)

	if err := p.client.CreateSubflow(created.Token, local, to); err != nil {
		t.Fatal(err)
	}
	sub := client.of(EventSubEstablished)
	if sub.LocalID != 4 || sub.Local.Addr() != local.Addr || sub.Remote != to || sub.Token != created.Token {
		t.Errorf("created: %s", sub.AppendIP(nil))
	}
	server.of(EventSubEstablished)
	list, err := p.client.ListLocal(created.Token)
	if err != nil || len(list) != 1 || list[0].ID != 4 || list[0].Addr != local.Addr {
		t.Errorf("ListLocal: %v, %v", list, err)
	}
	if e, err := p.client.GetLocal(created.Token, 4); err != nil || e.Addr != local.Addr {
		t.Errorf("GetLocal: %v, %v", e, err)
	}
	if err := p.client.SetSubflowFlags(created.Token, Endpoint{Addr: local.Addr, Port: sub.Local.Port(), Flags: Backup}, to); err != nil {
		t.Error(err)
	}
	if e := server.of(EventSubPriority); e.Backup == 0 || e.Token != there.Token {
		t.Errorf("priority: %s", e.AppendIP(nil))
	}
	if err := p.server.Announce(there.Token, Endpoint{ID: 7, Addr: addr("10.77.2.2"), Flags: Signal}); err != nil {
		t.Fatal(err)
	}
	if e := client.of(EventAnnounced); e.RemoteID != 7 || e.Remote.Addr() != addr("10.77.2.2") {
		t.Errorf("announced: %s", e.AppendIP(nil))
	}
	if err := p.server.Remove(there.Token, 7); err != nil {
		t.Error(err)
	}
	if e := client.of(EventRemoved); e.RemoteID != 7 {
		t.Errorf("removed: %s", e.AppendIP(nil))
	}

	for want, err := range map[string]error{
		"missing local port": p.client.DestroySubflow(created.Token, netip.AddrPortFrom(local.Addr, 0), to),
		"subflow not found":  p.client.DestroySubflow(created.Token, netip.AddrPortFrom(local.Addr, 1), to),
		"connect error: -99": p.client.CreateSubflow(created.Token, Endpoint{ID: 6, Addr: addr("10.77.9.9"), Flags: Subflow}, to),
		"families mismatch":  p.client.CreateSubflow(created.Token, local, netip.MustParseAddrPort("[fd77:2::2]:1")),
	} {
		var op *OpError
		if !errors.As(err, &op) || !strings.Contains(op.Msg, want) {
			t.Errorf("%s: %v", want, err)
		}
	}
	if err := p.client.DestroySubflow(created.Token, sub.Local, to); err != nil {
		t.Error(err)
	}
	if e := client.of(EventSubClosed); e.Local != sub.Local {
		t.Errorf("closed: %s", e.AppendIP(nil))
	}
}

// The counters of a namespace count what happens in it.
func TestCounters(t *testing.T) {
	p := newPair(t)
	p.allow(t)
	if _, err := p.client.Add(Endpoint{Addr: addr("10.77.2.1"), Flags: Subflow}); err != nil {
		t.Fatal(err)
	}
	before, err := p.client.Counters()
	if err != nil {
		t.Fatal(err)
	}
	there, err := p.server.Counters()
	if err != nil {
		t.Fatal(err)
	}
	w := newWatch(t, p.server)
	dial(t, p.clientNS, serve(t, p.serverNS, "10.77.1.2:0"))
	w.of(EventSubEstablished)
	for _, side := range []struct {
		c      *Conn
		before Counters
		want   map[string]int64
	}{
		{p.client, before, map[string]int64{"MPTcpExtMPCapableSYNTX": 1, "MPTcpExtMPCapableSYNACKRX": 1, "MPTcpExtMPJoinSynTx": 1, "MPTcpExtMPJoinSynAckRx": 1, "MPTcpExtMPCapableSYNRX": 0, "MPTcpExtMPCurrEstab": 1}},
		{p.server, there, map[string]int64{"MPTcpExtMPCapableSYNRX": 1, "MPTcpExtMPCapableACKRX": 1, "MPTcpExtMPJoinSynRx": 1, "MPTcpExtMPJoinAckRx": 1, "TcpOutRsts": 0, "IpOutNoRoutes": 0}},
	} {
		now, err := side.c.Counters()
		if err != nil {
			t.Fatal(err)
		}
		diff := now.Since(side.before)
		for name, want := range side.want {
			if got, ok := diff.Get(name); !ok || got != want {
				t.Errorf("%s: %d, %v, want %d", name, got, ok, want)
			}
		}
	}
	// Those of this kernel all have a meaning.
	for _, c := range before {
		if Meaning(c.FullName()) == "" {
			t.Errorf("%s has no meaning", c.FullName())
		}
	}
	if _, ok := before.Get("TcpExtIPReversePathFilter"); !ok || len(before) < 50 {
		t.Errorf("%d counters", len(before))
	}
}

func TestSysctls(t *testing.T) {
	ns := netnstest.New(t)
	c, here := open(t, ns), open(t, nil)
	was, err := here.State()
	if err != nil {
		t.Fatal(err)
	}
	all, err := c.Sysctls()
	if err != nil || len(all) < 10 {
		t.Fatalf("%v, %v", all, err)
	}
	if all[0].Name != "enabled" {
		t.Errorf("first: %v", all[0])
	}
	for _, s := range all {
		if s.Meaning == "" {
			t.Errorf("%s has no meaning", s.Name)
		}
		if !s.ReadOnly && s.Value != s.Default {
			t.Errorf("%s is %q in a new namespace, default %q", s.Name, s.Value, s.Default)
		}
	}
	for name, value := range map[string]string{"enabled": "0", "stale_loss_cnt": "7", "blackhole_timeout": "0"} {
		if err := c.SetSysctl(name, value); err != nil {
			t.Error(err)
		}
		if out := netnstest.Run(t, ns, "cat", "/proc/sys/net/mptcp/"+name); out != value+"\n" {
			t.Errorf("%s: %q, want %s", name, out, value)
		}
	}
	if s, err := c.State(); err != nil || s.Sysctls["enabled"] != "0" || s.Sysctls["available_schedulers"] != "" {
		t.Errorf("%v, %v", s, err)
	}
	// The namespace that the process is in is another.
	if now, err := here.State(); err != nil || fmt.Sprint(now.Sysctls) != fmt.Sprint(was.Sysctls) {
		t.Errorf("here: %v, before %v, %v", now, was, err)
	}
}

// The address that a connection began with has the id 0, and can be taken back.
func TestDeleteFirst(t *testing.T) {
	p := newPair(t)
	p.allow(t)
	w := newWatch(t, p.server)
	if _, err := p.client.Add(Endpoint{ID: 5, Addr: addr("10.77.2.1"), Flags: Subflow}); err != nil {
		t.Fatal(err)
	}
	c := dial(t, p.clientNS, serve(t, p.serverNS, "10.77.1.2:0"))
	w.of(EventSubEstablished)
	// In the words of pm_nl_ctl.
	cmd, err := ParsePMNLCtl([]string{"del", "0", "10.77.1.1"})
	if err == nil {
		_, err = cmd.Run(p.client)
	}
	if err != nil {
		t.Fatal(err)
	}
	if e := w.of(EventRemoved); e.RemoteID != 0 || !e.Has(AttrRemoteID) {
		t.Errorf("removed: %s", e.AppendIP(nil))
	}
	echo(t, c) // on the other subflow
}
