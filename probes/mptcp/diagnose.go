package mptcp

import (
	"cmp"
	"fmt"
	"net/netip"
	"path/filepath"
	"slices"
	"time"

	"framescope/capture/netns"
	"framescope/decode/finding"
	"framescope/mptcpctl"
	"framescope/probes/sockdiag"
)

type (
	conn    = mptcpctl.Connection
	subflow = mptcpctl.SubflowInfo
)

const (
	never     = mptcpctl.FallbackNever
	handshake = mptcpctl.FallbackHandshake
)

// Diagnose names the causes that an observation shows, the worst first.
func Diagnose(o *Observation) []Finding {
	d := &diagnosis{o: o, warned: make(map[netip.Addr][]string)}
	d.configuration()
	d.blackhole()
	d.fallbacks()
	d.plain()
	for i := range o.Now.Connections {
		if c := &o.Now.Connections[i]; c.Fallback == mptcpctl.NoFallback {
			d.connection(c)
		}
	}
	d.incoming()
	d.data()
	d.forget()
	d.forgive()
	d.lonely()
	d.nothing()
	slices.SortStableFunc(d.all, func(a, b Finding) int { return cmp.Compare(b.Severity, a.Severity) })
	return d.all
}

const (
	// halfOpenTime is how long the last packet of a handshake may be on its way.
	halfOpenTime = time.Second
	// patience is how long an answer may take.
	patience  = 500 * time.Millisecond
	timerUnit = 10 * time.Millisecond
)

type diagnosis struct {
	o   *Observation
	all []Finding
	// warned are the ids of what is wrong with the endpoints of an address: it
	// explains what becomes of subflows from there.
	warned map[netip.Addr][]string
	// daemon: endpoints are not looked at, since a daemon is to manage paths.
	daemon bool
	// useless are the addresses of endpoints that are to be deleted anyway.
	useless []netip.Addr
}

// maxEvidence bounds the evidence of one finding, maxConns how many connections
// are named in it.
const (
	maxEvidence = 24
	maxConns    = 3
)

// add adds a finding; of those with the same id and detail there is one, with
// the evidence of all.
func (d *diagnosis) add(f Finding) {
	d.addAs(catalogue[f.ID].Severity, f)
}

// addAs adds a finding that is here less severe than others of its id, or more.
func (d *diagnosis) addAs(severity finding.Severity, f Finding) {
	f.Severity = severity
	for i := range d.all {
		if have := &d.all[i]; have.ID == f.ID && have.Detail == f.Detail {
			for _, e := range f.Evidence {
				if len(have.Evidence) < maxEvidence && !slices.Contains(have.Evidence, e) {
					have.Evidence = append(have.Evidence, e)
				}
			}
			if have.Token != f.Token {
				have.Token = 0 // it is about several
			}
			return
		}
	}
	d.all = append(d.all, f)
}

// counts adds a finding that is known by counters only.
func (d *diagnosis) counts(f Finding, names ...string) {
	f.past = true
	for _, n := range names {
		f.past = f.past && d.o.recent(n) == 0
	}
	d.add(f)
}

// lonely looks for connections with one subflow that nothing explains so far.
func (d *diagnosis) lonely() {
	if slices.ContainsFunc(d.all, func(f Finding) bool { return f.Severity > finding.Note || f.Elsewhere != "" }) {
		return
	}
	for i := range d.o.Now.Connections {
		c := &d.o.Now.Connections[i]
		if c.Fallback != mptcpctl.NoFallback || c.State != sockdiag.Established || len(c.Subflows) != 1 || c.Remote.Addr().IsLoopback() || !d.settled(c) {
			continue
		}
		peer := "the client"
		if !c.Accepted {
			peer = "the server"
		}
		seen := []string{name(c) + ": one subflow, none was tried, refused or asked for here"}
		fix := d.untried(c)
		for _, e := range fix {
			seen = append(seen, fmt.Sprintf("endpoint %v exists, and this connection did not try it", e))
		}
		if len(d.o.Facts.Endpoints) == 0 {
			seen = append(seen, "no endpoint is configured")
		}
		mend := []string{d.command("ip mptcp endpoint add ADDRESS dev DEV subflow") + "   # at a client", d.command("ip mptcp endpoint add ADDRESS signal") + "   # at a server"}
		if len(fix) > 0 {
			mend = []string{"an endpoint is looked at when a connection is made, or when it is added: reconnect, or delete and add it:"}
			for _, e := range fix {
				mend = append(mend, d.command("ip mptcp endpoint delete id %d", e.ID), d.command("ip mptcp endpoint add %v", e))
			}
		}
		d.addAs(finding.Note, Finding{
			ID: IDSinglePath, Token: c.Token, Detail: "a connection has one subflow, and nothing on this host stands against a second one",
			Evidence:  append(seen, d.counted("MPJoinSynTx", "MPJoinSynRx", "AddAddr", "AddAddrTx")...),
			Fix:       mend,
			Elsewhere: "whether " + peer + " tried to open a subflow, or told of an address: framescope mptcp doctor there, or capture on it: " + d.captureOf(c),
		})
	}
}

// untried are endpoints that could give a connection a subflow, and did not.
func (d *diagnosis) untried(c *conn) (all []mptcpctl.Endpoint) {
	wanted := mptcpctl.Subflow | mptcpctl.Fullmesh
	if c.Accepted {
		wanted = mptcpctl.Signal
	}
	for _, e := range d.o.Facts.Endpoints {
		if e.Flags&wanted != 0 && e.Flags&mptcpctl.Implicit == 0 && e.Addr != c.Local.Addr() && e.Addr.Is4() == c.Local.Addr().Is4() && !e.Addr.IsLoopback() {
			all = append(all, e)
		}
	}
	return all
}

// forget takes away what is said of the routes of endpoints that are to be
// deleted.
func (d *diagnosis) forget() {
	d.all = slices.DeleteFunc(d.all, func(f Finding) bool {
		return (f.ID == IDNoSourceRoute || f.ID == IDRPFilter) && f.about.IsValid() && slices.Contains(d.useless, f.about)
	})
}

// nothing says that there is no connection of those that were asked for.
func (d *diagnosis) nothing() {
	asked := d.o.Selector.String()
	if asked == "" || len(d.o.Now.Connections) > 0 || d.o.Now.Plain.Count > 0 {
		return
	}
	others := "no other one is open"
	switch n := d.o.Others; {
	case n == 1:
		others = "1 other is open"
	case n > 1:
		others = fmt.Sprintf("%d others are open", n)
	}
	d.add(Finding{
		ID: IDNoConnection, Detail: "no MPTCP connection is open with " + asked + "; " + others,
		Evidence: []string{"MPTCP connections of the namespace with " + asked + ": 0, " + others},
		Fix:      []string{"framescope mptcp show   # lists what there is, and in a namespace of its own with --netns", "start the program, and give it more time: --for, or --within of verify"},
	})
}

// forgive makes notes of what only counters tell and what did not happen again,
// where every connection uses several paths now: counters never forget.
func (d *diagnosis) forgive() {
	if d.o.Over == 0 || len(d.o.Now.Connections) == 0 {
		return
	}
	for i := range d.o.Now.Connections {
		if v := d.o.Now.Connections[i].Verdict(); v != "multipath" && !d.o.Now.Connections[i].Remote.Addr().IsLoopback() {
			return
		}
	}
	for i := range d.all {
		if d.all[i].past {
			d.all[i].Severity = finding.Note
		}
	}
}

func (d *diagnosis) has(id string) bool {
	return slices.ContainsFunc(d.all, func(f Finding) bool { return f.ID == id })
}

// command puts a command into the namespace.
func (d *diagnosis) command(format string, args ...any) string {
	return d.o.Facts.Command(fmt.Sprintf(format, args...))
}

// capture is the command that records what has to be seen.
func (d *diagnosis) capture(filter string) string {
	cmd := "framescope capture -i any -f '" + filter + "' -w join.pcapng"
	if file := d.o.Facts.Namespace; filepath.Dir(file) == netns.Dir {
		cmd += " --netns " + filepath.Base(file)
	}
	return cmd
}

// captureOf records a connection with all its subflows, which may go to several
// ports.
func (d *diagnosis) captureOf(c *conn) string {
	port := c.Remote.Port()
	if c.Accepted {
		port = c.Local.Port()
	}
	ports := []uint16{port}
	for i := range c.Subflows {
		s := &c.Subflows[i]
		if s.Local.Port() == port || s.Remote.Port() == port {
			continue
		}
		if port := s.Remote.Port(); s.Opened() && !slices.Contains(ports, port) && len(ports) < maxConns {
			ports = append(ports, port)
		} else if port := s.Local.Port(); !s.Opened() && !slices.Contains(ports, port) && len(ports) < maxConns {
			ports = append(ports, port)
		}
	}
	filter := ""
	for i, p := range ports {
		if i > 0 {
			filter += " or "
		}
		filter += fmt.Sprintf("tcp port %d", p)
	}
	return d.capture(filter)
}

// counted is a counter with its value, and by how much it grew.
func (d *diagnosis) counted(names ...string) (all []string) {
	for _, name := range names {
		v := d.o.total(name)
		full := name
		if _, ok := d.o.Total.Get("MPTcpExt" + name); ok {
			full = "MPTcpExt" + name
		}
		text := fmt.Sprintf("%s %d", full, v)
		if n := d.o.recent(name); n != 0 {
			text += fmt.Sprintf(" (%+d while observed)", n)
		}
		all = append(all, text)
	}
	return all
}

// plural returns "1 join", "2 joins".
func plural(n int64, word string) string {
	if n != 1 {
		word += "s"
	}
	return fmt.Sprintf("%d %s", n, word)
}

func name(c *conn) string {
	arrow := " > "
	if c.Accepted {
		arrow = " < "
	}
	s := c.Local.String() + arrow + c.Remote.String()
	if c.Token != 0 {
		s += " token " + c.Token.String()
	}
	return s
}

func pair(s *subflow) string {
	if s.Join() && !s.Opened() {
		return s.Local.String() + " < " + s.Remote.String()
	}
	return s.Local.String() + " > " + s.Remote.String()
}

// inUse reports whether there is any sign of MPTCP in the namespace.
func (d *diagnosis) inUse() bool {
	o := d.o
	return len(o.Now.Connections) > 0 || len(o.Now.Listeners) > 0 || o.total("MPCapableSYNTX") > 0 || o.total("MPCapableSYNRX") > 0
}
