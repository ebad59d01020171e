package mptcpctl

import (
	"context"
	"iter"
	"net/netip"
	"time"

	"framescope/probes/sockdiag"
)

// Follow yields what there is and then what happens: for each connection that
// exists already an EventFound, for each further subflow of it an EventSubFound,
// and then events as they come. Nothing is left out in between, and what was
// found is not told twice.
//
// Where events were lost, EventLost is followed by what is new since and was
// not told, as EventFound and EventSubFound, and by what is gone, as EventGone
// and EventSubGone. It needs CAP_NET_ADMIN, as Monitor does.
func (c *Conn) Follow(ctx context.Context) iter.Seq2[Event, error] {
	return func(yield func(Event, error) bool) {
		m, err := c.Monitor()
		if err != nil {
			yield(Event{}, err)
			return
		}
		defer m.Close()
		c.follow(ctx, m)(yield)
	}
}

func (c *Conn) follow(ctx context.Context, m *Monitor) iter.Seq2[Event, error] {
	return func(yield func(Event, error) bool) {
		f := follower{known: make(map[Token]*followed), yield: yield}
		if !f.read(c, true) {
			return
		}
		for e, err := range m.Events(ctx) {
			switch {
			case err != nil:
				if !yield(e, err) {
					return
				}
			case e.Type == EventLost:
				if !yield(e, nil) || !f.read(c, false) {
					return
				}
			case f.news(&e) && !yield(e, nil):
				return
			}
		}
	}
}

// A follower knows what was told.
type follower struct {
	known map[Token]*followed
	snap  Snapshot
	yield func(Event, error) bool
}

// A followed connection is one that was told of, or that a Snapshot showed.
type followed struct {
	// found: it was in a Snapshot, so that its EventCreated may still come.
	found bool
	// established: so may its EventEstablished.
	established bool
	subs        map[subKey]subNews
	seen        bool // in the last Snapshot
}

type subKey struct{ local, remote netip.AddrPort }

type subNews struct {
	found, seen bool
	id          [2]uint8
}

// read tells what a Snapshot shows and was not told.
func (f *follower) read(c *Conn, first bool) bool {
	if err := c.Snapshot(&f.snap, Query{}); err != nil {
		return f.yield(Event{}, err)
	}
	now := time.Now()
	for _, k := range f.known {
		k.seen = false
	}
	for i := range f.snap.Connections {
		if !f.connection(&f.snap.Connections[i], now) {
			return false
		}
	}
	if first {
		return true
	}
	// The walk may miss what comes and goes meanwhile: then it is told again.
	for token, k := range f.known {
		if !k.seen {
			delete(f.known, token)
			if !f.yield(Event{Time: now, Type: EventGone, Attrs: AttrToken, Token: token}, nil) {
				return false
			}
			continue
		}
		for key, s := range k.subs {
			if s.seen {
				continue
			}
			delete(k.subs, key)
			e := Event{
				Time: now, Type: EventSubGone, Token: token, Local: key.local, Remote: key.remote, LocalID: s.id[0], RemoteID: s.id[1],
				Attrs: AttrToken | AttrLocalAddr | AttrLocalPort | AttrRemoteAddr | AttrRemotePort | AttrLocalID | AttrRemoteID,
			}
			if !f.yield(e, nil) {
				return false
			}
		}
	}
	return true
}

const addrAttrs = AttrToken | AttrFamily | AttrLocalAddr | AttrLocalPort | AttrRemoteAddr | AttrRemotePort | AttrLocalID | AttrRemoteID

// connection tells of one connection of a Snapshot.
func (f *follower) connection(c *Connection, now time.Time) bool {
	if c.Token == 0 {
		return true // events know it by its token only
	}
	k := f.known[c.Token]
	if k == nil {
		k = &followed{found: true, subs: make(map[subKey]subNews)}
		f.known[c.Token] = k
		e := Event{Time: now, Type: EventFound, Token: c.Token, Attrs: addrAttrs, Local: c.Local, Remote: c.Remote, Family: afInet}
		if !c.Local.Addr().Is4() {
			e.Family = afInet6
		}
		if c.Accepted {
			e.Attrs |= AttrFlags
			e.Flags = ServerSide
		}
		if !f.yield(e, nil) {
			return false
		}
	}
	k.seen = true
	for key, s := range k.subs {
		s.seen = false
		k.subs[key] = s
	}
	for i := range c.Subflows {
		s := &c.Subflows[i]
		if !s.Join() {
			k.established = k.established || s.Flags&sockdiag.SubflowFullyEstablished != 0
			continue
		}
		if !s.Established() {
			continue
		}
		key := subKey{s.Local, s.Remote}
		n, told := k.subs[key]
		n.seen, n.id = true, [2]uint8{s.LocalID, s.RemoteID}
		if !told {
			n.found = true
		}
		k.subs[key] = n
		if told {
			continue
		}
		e := Event{
			Time: now, Type: EventSubFound, Token: c.Token, Attrs: addrAttrs | AttrBackup, Local: s.Local, Remote: s.Remote,
			LocalID: s.LocalID, RemoteID: s.RemoteID, Family: afInet,
		}
		if !s.Local.Addr().Is4() {
			e.Family = afInet6
		}
		if s.Backup() {
			e.Backup = 1
		}
		if s.Bound != 0 {
			e.Attrs |= AttrIfIndex
			e.IfIndex = int32(s.Bound)
		}
		if !f.yield(e, nil) {
			return false
		}
	}
	return true
}

// news notes an event, and reports whether it says something that was not told.
func (f *follower) news(e *Event) bool {
	if !e.Has(AttrToken) {
		return true
	}
	k := f.known[e.Token]
	key := subKey{unmapPort(e.Local), unmapPort(e.Remote)}
	switch e.Type {
	case EventCreated:
		if k != nil && k.found {
			k.found = false
			return false
		}
		f.known[e.Token] = &followed{subs: make(map[subKey]subNews)}
	case EventEstablished:
		if k != nil && k.established {
			k.established = false
			return false
		}
	case EventClosed, EventGone:
		delete(f.known, e.Token)
	case EventSubEstablished:
		if k == nil {
			return true
		}
		s, told := k.subs[key]
		k.subs[key] = subNews{id: [2]uint8{e.LocalID, e.RemoteID}}
		return !told || !s.found
	case EventSubClosed:
		if k != nil {
			delete(k.subs, key)
		}
	}
	return true
}
