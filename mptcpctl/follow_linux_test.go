package mptcpctl

import (
	"context"
	"net/netip"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"framescope/capture/netns/netnstest"
)

// Connections that exist are told first, once, and what happens then follows.
func TestFollow(t *testing.T) {
	p := newPair(t)
	p.join(t, Subflow|Backup)
	at := serve(t, p.serverNS, "0.0.0.0:0")
	to := netip.AddrPortFrom(addr("10.77.1.2"), at.Port())
	before := newWatch(t, p.client)
	there := newWatch(t, p.server)
	conn := dial(t, p.clientNS, to)
	token := before.of(EventCreated).Token
	before.of(EventSubEstablished)
	there.of(EventSubEstablished)

	w := follow(t, p.client)
	e := w.of(EventFound)
	if e.Token != token || e.Local.String() != conn.LocalAddr().String() || e.Remote != to || e.IsServerSide() || e.Family != afInet {
		t.Errorf("found: %s", e.AppendIP(nil))
	}
	sub := w.of(EventSubFound)
	if sub.Token != token || sub.LocalID != 5 || sub.Backup == 0 || sub.Local.Addr() != addr("10.77.2.1") || sub.IfIndex == 0 {
		t.Errorf("sub_found: %s", sub.AppendIP(nil))
	}
	s := follow(t, p.server)
	if e := s.of(EventFound); !e.IsServerSide() || e.Local != to {
		t.Errorf("server: %s", e.AppendIP(nil))
	}
	// What comes then is told by the kernel.
	second := dial(t, p.clientNS, to)
	if e := w.of(EventCreated); e.Token == token || e.Local.String() != second.LocalAddr().String() {
		t.Errorf("created: %s", e.AppendIP(nil))
	}
	conn.Close()
	if e := w.of(EventClosed); e.Token != token {
		t.Errorf("closed: %s", e.AppendIP(nil))
	}
	found := 0
	for _, e := range w.seen {
		if e.Type == EventFound {
			found++
		}
	}
	if found != 1 {
		t.Errorf("%d connections were found, expected 1", found)
	}
}

// Events that the dump has told already are not told again, whichever way round
// they come.
func TestFollowTwice(t *testing.T) {
	var told []Event
	f := follower{known: make(map[Token]*followed), yield: func(e Event, _ error) bool { told = append(told, e); return true }}
	local, remote := netip.MustParseAddrPort("10.0.0.1:1"), netip.MustParseAddrPort("10.0.0.2:2")
	mapped := netip.AddrPortFrom(netip.AddrFrom16(local.Addr().As16()), 1)
	c := Connection{Token: 7, Local: local, Remote: remote, Subflows: []SubflowInfo{
		{Local: local, Remote: remote, State: 1, Flags: 1 | 1<<6},
		{Local: local, Remote: remote, State: 1, Flags: 1<<3 | 1<<6},
		{Local: remote, Remote: local, State: 1, Flags: 1 << 3}, // not confirmed
	}}
	if !f.connection(&c, time.Now()) || len(told) != 2 || told[0].Type != EventFound || told[1].Type != EventSubFound {
		t.Fatalf("%v", told)
	}
	for i, tt := range []struct {
		e    Event
		news bool
	}{
		{Event{Type: EventCreated, Attrs: AttrToken, Token: 7}, false},
		{Event{Type: EventEstablished, Attrs: AttrToken, Token: 7}, false},
		{Event{Type: EventSubEstablished, Attrs: AttrToken, Token: 7, Local: mapped, Remote: remote}, false},
		{Event{Type: EventSubEstablished, Attrs: AttrToken, Token: 7, Local: remote, Remote: local}, true},
		{Event{Type: EventSubClosed, Attrs: AttrToken, Token: 7, Local: local, Remote: remote}, true},
		{Event{Type: EventSubEstablished, Attrs: AttrToken, Token: 7, Local: local, Remote: remote}, true},
		{Event{Type: EventListenerCreated}, true},
		{Event{Type: EventClosed, Attrs: AttrToken, Token: 7}, true},
		{Event{Type: EventCreated, Attrs: AttrToken, Token: 7}, true}, // a token that is used again
		{Event{Type: EventEstablished, Attrs: AttrToken, Token: 7}, true},
		{Event{Type: EventSubEstablished, Attrs: AttrToken, Token: 9}, true}, // not told of
	} {
		if got := f.news(&tt.e); got != tt.news {
			t.Errorf("%d, %v: news %v, want %v", i, tt.e.Type, got, tt.news)
		}
	}
}

// After a loss what is there is read again: what was not told is told, and what
// is gone, too.
func TestFollowLost(t *testing.T) {
	ns := netnstest.New(t)
	c := open(t, ns)
	at := serve(t, ns, "127.0.0.1:0")
	old := dial(t, ns, at)
	var told []Event
	f := follower{known: make(map[Token]*followed), yield: func(e Event, err error) bool {
		if err != nil {
			t.Fatal(err)
		}
		told = append(told, e)
		return true
	}}
	if !f.read(c, true) || len(told) != 2 { // both ends are here
		t.Fatalf("%v", told)
	}
	old.Close()
	dial(t, ns, at)
	told = told[:0]
	// The other end takes a moment to close.
	for try := 0; ; try++ {
		f.read(c, false)
		kinds := map[EventType]int{}
		for _, e := range told {
			kinds[e.Type]++
		}
		if kinds[EventFound] == 2 && kinds[EventGone] == 2 {
			break
		}
		if try == 100 {
			t.Fatalf("found %d, gone %d: %v", kinds[EventFound], kinds[EventGone], told)
		}
		time.Sleep(20 * time.Millisecond)
	}
}

// EventLost comes to who follows with what was read again.
func TestFollowOverrun(t *testing.T) {
	ns := netnstest.New(t)
	c := open(t, ns)
	at := serve(t, ns, "127.0.0.1:0")
	ctx, cancel := context.WithTimeout(context.Background(), 15*time.Second)
	defer cancel()
	m, err := c.Monitor()
	if err != nil {
		t.Fatal(err)
	}
	defer m.Close()
	conn, _ := m.file.SyscallConn()
	_ = conn.Control(func(fd uintptr) { err = unix.SetsockoptInt(int(fd), unix.SOL_SOCKET, unix.SO_RCVBUF, 1) })
	if err != nil {
		t.Fatal(err)
	}
	for range 20 {
		dial(t, ns, at)
	}
	tokens := map[Token]bool{}
	for e, err := range c.follow(ctx, m) {
		if err != nil {
			t.Fatal(err)
		}
		if e.Has(AttrToken) {
			tokens[e.Token] = true
		}
		if e.Type == EventLost {
			break
		}
	}
	if len(tokens) != 40 || ctx.Err() != nil {
		t.Errorf("%d connections were told of, expected 40; %v", len(tokens), ctx.Err())
	}
}
