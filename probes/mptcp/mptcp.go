// Package mptcp says whether MPTCP really uses several paths and, if not, who
// stopped it, as far as the kernel of this host can know.
//
//	o, err := mptcp.Observe(ctx, conn, mptcp.Config{For: time.Second})
//	for _, f := range mptcp.Diagnose(o) { ... }
//
//	v, err := mptcp.Verify(ctx, conn, mptcp.Expectation{Subflows: 2, Carrying: 2})
//
// What only the peer's host or a capture can tell is said to be so: see
// Finding.Elsewhere.
package mptcp

import (
	"context"
	"net/netip"
	"os"
	"slices"
	"strconv"
	"strings"
	"time"

	"framescope/mptcpctl"
)

// A Config says how to observe. The zero Config looks at everything, once.
type Config struct {
	// Selector chooses connections; the zero Selector all.
	Selector mptcpctl.Selector
	// For is how long to observe: what grows meanwhile is known then. Zero looks
	// once.
	For time.Duration
	// Owners finds the processes of connections; nil: they are not looked for.
	Owners mptcpctl.OwnerFinder
	// NoProbe: do not open a connection over loopback to find out whether MPTCP
	// is switched off by a blackhole. It is opened only if one was ever found.
	NoProbe bool
	// Namespace is the file of the namespace that the Conn is in, or nil for the
	// caller's.
	Namespace *os.File
}

// An Observation is what Diagnose goes by: the state of a namespace, and what
// happened while it was observed.
type Observation struct {
	// Facts are the configuration: with the routes to the peers of connections.
	Facts *mptcpctl.Facts
	// Now are the connections at the end, with what their subflows moved since
	// Before: the beginning or, of a long observation, a moment ago. It is nil
	// where there was one look.
	Now, Before *mptcpctl.Snapshot
	// Total is what was counted since the namespace was made; Recent during
	// Over, and empty if that is zero.
	Total, Recent mptcpctl.Counters
	Over          time.Duration
	// Blackholed says whether MPTCP is switched off for new connections, as a
	// connection over loopback showed. It is nil where that was not tried.
	Blackholed *bool
	// Uptime is how long the system has been up, zero if that is not known. No
	// counter is older.
	Uptime time.Duration
	// Selector is the Config's.
	Selector mptcpctl.Selector
	// Others is how many MPTCP connections there are that the Selector does not
	// choose; they are counted only where it chooses none.
	Others int
}

// maxPeers bounds the peers that routes are looked up to.
const maxPeers = 16

// Observe looks at the namespace of c.
func Observe(ctx context.Context, c *mptcpctl.Conn, cfg Config) (*Observation, error) {
	w, err := newWatch(c, cfg)
	if err != nil {
		return nil, err
	}
	if cfg.For > 0 {
		t := time.NewTimer(cfg.For)
		defer t.Stop()
		select {
		case <-t.C:
		case <-ctx.Done():
		}
	}
	// Whose they are is asked once.
	if err := w.look(cfg.Owners); err != nil {
		return nil, err
	}
	return w.finish()
}

// A watch is an observation that goes on.
type watch struct {
	c     *mptcpctl.Conn
	cfg   Config
	begin time.Time
	first mptcpctl.Counters
	looks int
	now   *mptcpctl.Snapshot
	// before is the first snapshot, and later one that is older than patience;
	// next takes its place.
	before, next *mptcpctl.Snapshot
}

func newWatch(c *mptcpctl.Conn, cfg Config) (*watch, error) {
	w := &watch{c: c, cfg: cfg, begin: time.Now()}
	var err error
	if w.first, err = c.Counters(); err != nil {
		return nil, err
	}
	return w, w.look(nil)
}

// look takes one more snapshot.
func (w *watch) look(owners mptcpctl.OwnerFinder) error {
	s := new(mptcpctl.Snapshot)
	if err := w.c.Snapshot(s, mptcpctl.Query{Selector: w.cfg.Selector, Owners: owners, MaxOwned: mptcpctl.DefaultMaxOwned}); err != nil {
		return err
	}
	w.looks++
	if w.now = s; w.looks == 1 {
		w.before, w.next = s, s
		return nil
	}
	if s.Time.Sub(w.next.Time) >= patience {
		w.before, w.next = w.next, s
	}
	s.Since(w.before)
	return nil
}

func (w *watch) finish() (*Observation, error) {
	o := &Observation{Now: w.now, Selector: w.cfg.Selector}
	var err error
	if o.Total, err = w.c.Counters(); err != nil {
		return nil, err
	}
	if w.cfg.For > 0 || w.looks > 2 {
		o.Before, o.Over = w.before, w.now.Time.Sub(w.begin)
		o.Recent = o.Total.Since(w.first)
	}
	endpoints, err := w.c.List()
	if err != nil {
		return nil, err
	}
	if o.Facts, err = w.c.Facts(withLocals(endpoints, o.Now), peers(o.Now)); err != nil {
		return nil, err
	}
	if len(o.Now.Connections) == 0 && o.Selector != (mptcpctl.Selector{}) {
		var all mptcpctl.Snapshot
		if err := w.c.Snapshot(&all, mptcpctl.Query{}); err != nil {
			return nil, err
		}
		o.Others = len(all.Connections)
	}
	o.Uptime = uptime()
	if n, _ := o.Total.Get("MPTcpExtBlackhole"); n > 0 && !w.cfg.NoProbe && o.Facts.Sysctls["enabled"] != "0" {
		o.Blackholed = switchedOff(w.cfg.Namespace)
	}
	return o, nil
}

// peers are the addresses at the other end of connections, and of subflows that
// may have taken another way.
func peers(s *mptcpctl.Snapshot) (all []netip.Addr) {
	add := func(a netip.Addr) {
		if len(all) < maxPeers && !a.IsLoopback() && !slices.Contains(all, a) {
			all = append(all, a)
		}
	}
	for i := range s.Connections {
		c := &s.Connections[i]
		add(c.Remote.Addr())
		for j := range c.Subflows {
			add(c.Subflows[j].Remote.Addr())
		}
	}
	return all
}

// withLocals adds the own addresses of connections that are no endpoints, so
// that routes from them are looked up, too.
func withLocals(endpoints []mptcpctl.Endpoint, s *mptcpctl.Snapshot) []mptcpctl.Endpoint {
	all := slices.Clone(endpoints)
	for i := range s.Connections {
		a := s.Connections[i].Local.Addr()
		if len(all) >= 2*mptcpctl.MaxEndpoints {
			break
		}
		if !a.IsLoopback() && !slices.ContainsFunc(all, func(e mptcpctl.Endpoint) bool { return e.Addr == a }) {
			all = append(all, mptcpctl.Endpoint{Addr: a})
		}
	}
	return all
}

func uptime() time.Duration {
	b, err := os.ReadFile("/proc/uptime")
	if err != nil {
		return 0
	}
	first, _, _ := strings.Cut(string(b), " ")
	s, err := strconv.ParseFloat(first, 64)
	if err != nil {
		return 0
	}
	return time.Duration(s * float64(time.Second))
}

// total returns a counter of MPTcpExt, or with a full name another one.
func (o *Observation) total(name string) int64 { return get(o.Total, name) }

// recent returns by how much a counter grew while it was observed.
func (o *Observation) recent(name string) int64 { return get(o.Recent, name) }

func get(c mptcpctl.Counters, name string) int64 {
	if v, ok := c.Get("MPTcpExt" + name); ok {
		return v
	}
	v, _ := c.Get(name)
	return v
}
