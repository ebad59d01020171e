package sockets

import (
	"fmt"
	"net/netip"
	"os"
	"slices"
	"time"

	"framescope/probes/sockdiag"
)

// A Cause says why a port cannot be bound.
type Cause string

// The causes.
const (
	CauseListener   Cause = "listener"         // another socket listens, or has the port of UDP
	CauseDualStack  Cause = "dual-stack"       // an IPv6 listener takes IPv4, too
	CauseReusePort  Cause = "reuseport-user"   // the port is shared, by sockets of another user only
	CauseBound      Cause = "bound"            // a socket is bound and does not listen
	CauseOutgoing   Cause = "outgoing"         // an outgoing connection has it as its own port
	CauseTimeWait   Cause = "time-wait"        // connections of before are in TIME_WAIT or FIN_WAIT2
	CauseLeftover   Cause = "left-connections" // connections of a listener that is gone
	CauseConnection Cause = "connection"       // a connection has it, of which side cannot be known
	CausePrivileged Cause = "privileged"       // ports below 1024 need a right
	CauseNotLocal   Cause = "not-local"        // the address is not one of this namespace
	CauseUnknown    Cause = "unknown"          // the kernel refuses, and no socket explains it
)

// Text says what the cause is, and Fix what to do. A line break separates
// alternatives.
func (c Cause) Text() (text, fix string) {
	switch c {
	case CauseListener:
		return "another socket has it", "Stop that process, or take another port.\nTo share it, all of them must set SO_REUSEPORT before bind, as the same user."
	case CauseDualStack:
		return "an IPv6 socket bound to [::] takes IPv4 as well", "Set IPV6_V6ONLY on the IPv6 socket before bind (net.ipv6.bindv6only=1 for all), or use that socket for both."
	case CauseReusePort:
		return "it is shared with SO_REUSEPORT, by sockets of another user", "Run as the same user as the sockets that share the port, or take another port."
	case CauseBound:
		return "a socket is bound to it that neither listens nor is connected", "It belongs to a process that has called bind and not listen: stop that process."
	case CauseOutgoing:
		return "an outgoing connection has it as its own port", "Wait for its end, or close it: SO_REUSEADDR does not help.\nKeep the port from being given out: sysctl -w net.ipv4.ip_local_reserved_ports=PORT"
	case CauseTimeWait:
		return "connections that were closed here are in TIME_WAIT", "Set SO_REUSEADDR before bind, as servers do; or wait a minute."
	case CauseLeftover:
		return "connections of a listener that is gone are still there", "Set SO_REUSEADDR before bind, as servers do; or end the connections."
	case CauseConnection:
		return "a connection has it", "Close the connection, or wait for its end.\nIf a listener that is gone has accepted it, SO_REUSEADDR before bind helps where that listener had it, too."
	case CausePrivileged:
		return "it is below net.ipv4.ip_unprivileged_port_start", "sudo setcap cap_net_bind_service+ep PROGRAM\nTake a port from 1024 on."
	case CauseNotLocal:
		return "the address belongs to no interface here", "See the addresses with: ip address; bind to 0.0.0.0 or [::] for all."
	}
	return "the kernel refuses, and no socket that can be seen explains it", "A socket in another network namespace does not matter; one that a security module hides may."
}

// A Bind is one try to bind the port.
type Bind struct {
	Addr netip.AddrPort
	// Stack says what was tried for [::].
	Stack Stack
	// Plain, ReuseAddr and ReusePort are what came of it without an option, with
	// SO_REUSEADDR and with SO_REUSEPORT: nil if it works.
	Plain, ReuseAddr, ReusePort error
	// Cause says why it does not work without an option; "" if it does.
	Cause Cause
	// Holder is the socket that is in the way, if one is.
	Holder *Row
	// Left is after what time the kernel will have given up what is in the way and no
	// process holds, if nothing else happens; zero if that is not known.
	Left time.Duration

	zone uint32 // the interface of Addr's zone
}

// A Stack says whether a socket bound to [::] takes IPv4, too.
type Stack uint8

// The stacks.
const (
	DefaultStack Stack = iota // as net.ipv6.bindv6only says
	IPv6Only                  // IPV6_V6ONLY is set
	DualStack                 // IPV6_V6ONLY is cleared: it takes IPv4 as well
)

// String returns "", "IPv6 only" or "dual stack".
func (s Stack) String() string { return [...]string{"", "IPv6 only", "dual stack"}[s] }

// Free reports whether the port can be bound without an option.
func (b *Bind) Free() bool { return b.Plain == nil }

// A PortReport says who has a port, or whether it is free.
type PortReport struct {
	Kind  Kind
	Port  uint16
	Binds []Bind
	// Holders are the sockets with that port: listeners and what is in the way.
	Holders []*Row
	// More is how many sockets with that port are not in Holders.
	More int

	chosen map[uint64]bool // by cookie: the program did not ask for the port
}

// Free reports whether every bind works.
func (p *PortReport) Free() bool {
	for i := range p.Binds {
		if !p.Binds[i].Free() {
			return false
		}
	}
	return true
}

// maxHolders bounds how many sockets of a port are named.
const maxHolders = 64

// Port says who has a port of TCP or UDP, and if it cannot be bound, why. It tries
// to: a socket is bound to each of the addresses for a moment, and does not listen.
// Without addresses, these are those that stand for all: 0.0.0.0, and [::] both for
// IPv6 only and for IPv4 as well.
func (l *Lister) Port(k Kind, port uint16, addrs ...netip.Addr) (*PortReport, *Owners, error) {
	var binds []Bind
	for _, a := range addrs {
		binds = append(binds, Bind{Addr: netip.AddrPortFrom(a, port), zone: l.interfaces.zone(a)})
	}
	if len(addrs) == 0 {
		all := netip.AddrPortFrom(netip.IPv6Unspecified(), port)
		binds = []Bind{{Addr: netip.AddrPortFrom(netip.IPv4Unspecified(), port)}, {Addr: all, Stack: IPv6Only}, {Addr: all, Stack: DualStack}}
	}
	p := &PortReport{Kind: k, Port: port}
	for _, b := range binds {
		if supported, err := l.tryBind(k, &b); err != nil {
			return nil, nil, err
		} else if supported {
			p.Binds = append(p.Binds, b)
		}
	}
	src := &Expr{op: opSport, host: host{ports: [][2]uint16{{port, port}}}}
	const listen = sockdiag.States(1 << sockdiag.Listen)
	const bound = sockdiag.States(1 << sockdiag.BoundInactive)
	states := listen | bound
	if k != TCP {
		states = sockdiag.AllStates
	}
	if err := p.collect(l, Query{Kinds: []Kind{k}, States: states, Filter: src}); err != nil {
		return nil, nil, err
	}
	o := p.explainAll(l)
	if k == TCP && slices.ContainsFunc(p.Binds, func(b Bind) bool { return b.Cause == CauseUnknown }) {
		// Only now the table of connections, which takes time.
		if err := p.collect(l, Query{Kinds: []Kind{k}, States: sockdiag.AllStates &^ listen, Filter: src}); err != nil {
			return nil, nil, err
		}
		chosen := And(src, &Expr{op: opAuto, has: true})
		p.chosen = map[uint64]bool{}
		for r, err := range l.Rows(Query{Kinds: []Kind{k}, States: sockdiag.AllStates &^ listen, Filter: chosen}) {
			if err != nil {
				return nil, nil, err
			}
			if len(p.chosen) <= maxHolders+p.More {
				p.chosen[r.Cookie] = true
			}
		}
		o = p.explainAll(l)
	}
	return p, o, nil
}

// explainAll finds the processes of the holders, and says why each bind does not
// work.
func (p *PortReport) explainAll(l *Lister) *Owners {
	var w Wanted
	for _, r := range p.Holders {
		w.Add(r)
	}
	o := FindOwners(&w)
	for _, r := range p.Holders {
		r.Owners = o.Append(nil, r.Inode)
	}
	for i := range p.Binds {
		if b := &p.Binds[i]; b.Plain != nil {
			p.explain(l, b)
		}
	}
	return o
}

func (p *PortReport) collect(l *Lister, q Query) error {
	for r, err := range l.Rows(q) {
		if err != nil {
			return err
		}
		if len(p.Holders) >= maxHolders {
			p.More++
			continue
		}
		p.Holders = append(p.Holders, r.Clone())
	}
	return nil
}

// explain says why a bind does not work.
func (p *PortReport) explain(l *Lister, b *Bind) {
	switch {
	case isPermission(b.Plain):
		b.Cause = CausePrivileged
		// The right alone is not enough where somebody has the port already.
		for _, r := range p.Holders {
			if b.conflicts(r) && (r.State == sockdiag.Listen || r.Bound || p.Kind != TCP) {
				b.Holder = r
				break
			}
		}
		return
	case isNotLocal(b.Plain):
		b.Cause = CauseNotLocal
		return
	}
	var inWay []*Row
	for _, r := range p.Holders {
		if b.conflicts(r) {
			inWay = append(inWay, r)
		}
	}
	find := func(is func(*Row) bool) bool {
		for _, r := range inWay {
			if is(r) {
				b.Holder = r
				return true
			}
		}
		return false
	}
	b.Cause = CauseUnknown
	switch {
	case find(func(r *Row) bool { return r.State == sockdiag.Listen || p.Kind != TCP }):
		b.Cause = CauseListener
		switch {
		case b.Addr.Addr().Is4() && b.Holder.Family == sockdiag.IPv6:
			b.Cause = CauseDualStack
		case b.ReusePort != nil && l.sharesPort(b.Holder, p.Holders):
			if uint32(os.Geteuid()) != b.Holder.UID {
				b.Cause = CauseReusePort
			}
		}
	case find(func(r *Row) bool { return r.Bound }):
		b.Cause = CauseBound
	case find(func(r *Row) bool { return !ends(r) && r.State != sockdiag.CloseState }):
		// A port that the program has bound before connect is known to be so. What is
		// accepted is like one that the kernel has chosen, from a range.
		lo, hi := l.localPorts()
		switch {
		case p.chosen == nil:
			b.Cause = CauseUnknown // the connections are looked at first
		case !p.chosen[b.Holder.Cookie]:
			b.Cause = CauseOutgoing
		case p.Port < lo || p.Port > hi:
			b.Cause = CauseLeftover
		default:
			b.Cause = CauseConnection
		}
	case find(ends):
		b.Cause = CauseTimeWait
		for _, r := range inWay {
			if ends(r) && r.Expires > b.Left {
				b.Left, b.Holder = r.Expires, r
			}
		}
	case find(func(*Row) bool { return true }):
		b.Cause = CauseBound
	}
}

// ends reports whether the kernel alone has a connection, and for a known time.
func ends(r *Row) bool { return !r.Full || r.State == sockdiag.FinWait2 && r.Inode == 0 }

// conflicts reports whether a socket may be in the way of the bind.
func (b *Bind) conflicts(r *Row) bool {
	a, own := b.Addr.Addr().WithZone(""), r.Src.Addr().WithZone("")
	v6only := false
	if r.inet != nil {
		v6only, _ = r.inet.V6Only()
	}
	switch {
	case b.Stack == IPv6Only && (own.Is4() || own.Is4In6()):
		return false
	case a.Is4() && own.Is6() && !own.Is4In6():
		return own.IsUnspecified() && !v6only
	case b.zone != 0 && r.Interface != 0 && r.Interface != b.zone:
		return false
	case a.IsUnspecified() || own.IsUnspecified():
		return true
	}
	return a.Unmap() == own.Unmap()
}

// sharesPort reports whether a listener is one of those that share their port.
func (l *Lister) sharesPort(r *Row, all []*Row) bool {
	if on, ok := reusePort(r); ok {
		return on
	}
	// There is no other way to have the same address twice.
	for _, o := range all {
		if o.Cookie != r.Cookie && o.State == r.State && o.Src == r.Src {
			return true
		}
	}
	return false
}

// String says in one line what is the matter, and with which of the binds.
func (p *PortReport) String() string {
	if p.Free() {
		return fmt.Sprintf("port %d of %v is free", p.Port, p.Kind)
	}
	var where []string // by cause
	var causes []Cause
	works := 0
	for i := range p.Binds {
		b := &p.Binds[i]
		if b.Free() {
			works++
			continue
		}
		n := slices.Index(causes, b.Cause)
		if n < 0 {
			n = len(causes)
			causes, where = append(causes, b.Cause), append(where, "")
		} else {
			where[n] += ", "
		}
		where[n] += b.String()
	}
	out := fmt.Sprintf("port %d of %v cannot be bound", p.Port, p.Kind)
	for n, c := range causes {
		text, _ := p.Binds[slices.IndexFunc(p.Binds, func(b Bind) bool { return b.Cause == c })].Text()
		if works == 0 && len(causes) == 1 {
			return out + ": " + text
		}
		if n > 0 {
			out += ";"
		}
		out += fmt.Sprintf(" to %s: %s", where[n], text)
	}
	return out
}

// String returns the address without the port, and what was tried for [::].
func (b *Bind) String() string {
	s := b.Addr.Addr().String()
	if b.Addr.Addr().Is6() {
		s = "[" + s + "]"
	}
	if b.Stack != DefaultStack {
		s += " (" + b.Stack.String() + ")"
	}
	return s
}
