package sockets

import (
	"net/netip"
	"path"
	"slices"
	"strings"

	"framescope/probes/sockdiag"
)

// An Expr selects sockets. A nil Expr selects all. It does not change.
type Expr struct {
	op    exprOp
	sub   []*Expr
	cmp   compare // of ports
	host  host
	set   sockdiag.States
	kinds kindSet
	num   uint64 // of an interface, a cgroup, a mark
	mask  uint64
	name  string // of an interface, which every namespace has others of
	has   bool   // the interface exists; the range of ports does not matter to autobound
}

type exprOp uint8

const (
	opAnd exprOp = iota
	opOr
	opNot
	opState
	opSrc
	opDst
	opSport
	opDport
	opDev
	opMark
	opCgroup
	opAuto
	opFamily // of an address without a host or port: inet:, unix:
	opKind
)

// A compare says how a port compares with another.
type compare uint8

const (
	cmpEQ compare = iota
	cmpNE
	cmpGE
	cmpLE
	cmpGT
	cmpLT
)

// A host is what dst, src, dport and sport compare with.
type host struct {
	family   sockdiag.Family
	prefixes []netip.Prefix // any of them; none is every address
	ports    [][2]uint16    // any of them; none is every port
	glob     string         // of unix sockets
	proto    int            // of packet and netlink sockets, -1: any
	id       int            // interface or port id, -1: any
	dev      string         // the interface, by its name
}

type kindSet uint16

func (s kindSet) has(k Kind) bool { return s>>k&1 != 0 }

func kindsOf(kinds ...Kind) (s kindSet) {
	for _, k := range kinds {
		s |= 1 << k
	}
	return s
}

// And returns what all of the exprs select; nil ones select everything.
func And(all ...*Expr) *Expr {
	e := &Expr{op: opAnd}
	for _, x := range all {
		if x != nil {
			e.sub = append(e.sub, x)
		}
	}
	switch len(e.sub) {
	case 0:
		return nil
	case 1:
		return e.sub[0]
	}
	return e
}

// Match reports whether e selects r.
func (e *Expr) Match(r *Row) bool {
	if e == nil {
		return true
	}
	switch e.op {
	case opAnd:
		for _, s := range e.sub {
			if !s.Match(r) {
				return false
			}
		}
		return true
	case opOr:
		for _, s := range e.sub {
			if s.Match(r) {
				return true
			}
		}
		return false
	case opNot:
		return !e.sub[0].Match(r)
	case opState:
		return e.set.Has(stateOf(r))
	case opSrc:
		return e.host.match(r, r.Src, r.Name, r.PortID)
	case opDst:
		return e.host.match(r, r.Dst, "", r.PeerPortID)
	case opSport:
		return r.Kind.Inet() && e.port(r.Src.Port())
	case opDport:
		return r.Kind.Inet() && e.port(r.Dst.Port())
	case opDev:
		return (r.Kind.Inet() || r.Kind == Packet) && (e.has && uint64(r.Interface) == e.num) == (e.cmp == cmpEQ)
	case opMark:
		var m uint32
		if r.inet != nil {
			m, _ = r.inet.Mark()
		}
		return (uint64(m)&e.mask == e.num) == (e.cmp == cmpEQ)
	case opCgroup:
		id, ok := r.CgroupID()
		return ok && (id == e.num) == (e.cmp == cmpEQ)
	case opKind:
		return e.kinds.has(r.Kind)
	}
	// Whether the port was asked for, the kernel alone knows, and has answered. That
	// it is one of those that are given out is what ss wants besides.
	port := uint64(r.Src.Port())
	return e.op == opAuto && (e.mask == 0 || r.Kind.Inet() && port >= e.num && port <= e.mask)
}

// stateOf returns the state by which expressions know r.
func stateOf(r *Row) sockdiag.State {
	switch {
	case r.State == sockdiag.NewSynRecv:
		return sockdiag.SynRecv
	case r.Bound:
		return sockdiag.BoundInactive
	}
	return r.State
}

func (e *Expr) port(p uint16) bool {
	for _, r := range e.host.ports {
		switch {
		case e.cmp == cmpEQ && p >= r[0] && p <= r[1], e.cmp == cmpNE && (p < r[0] || p > r[1]),
			e.cmp == cmpGE && p >= r[0], e.cmp == cmpLE && p <= r[1], e.cmp == cmpGT && p > r[0], e.cmp == cmpLT && p < r[1]:
			return true
		}
	}
	return false
}

func (h *host) match(r *Row, end netip.AddrPort, name string, id uint32) bool {
	switch h.family {
	case sockdiag.Unix:
		if r.Kind != Unix {
			return false
		}
		if h.glob == "" || h.glob == "*" {
			return true
		}
		if strings.HasPrefix(name, "\x00") {
			name = "@" + name[1:]
		}
		// an asterisk stands for slashes, too
		ok, _ := path.Match(strings.ReplaceAll(h.glob, "/", "\x01"), strings.ReplaceAll(name, "/", "\x01"))
		return ok
	case sockdiag.Packet, sockdiag.Netlink:
		if r.Family != h.family {
			return false
		}
		if h.family == sockdiag.Packet {
			id = r.Interface
		}
		return (h.proto < 0 || int(r.Protocol) == h.proto) && (h.id < 0 || int64(id) == int64(h.id))
	}
	if !r.Kind.Inet() || h.family != sockdiag.Unspec && h.family != r.Family {
		return false
	}
	if len(h.ports) > 0 {
		ok := false
		for _, p := range h.ports {
			ok = ok || end.Port() >= p[0] && end.Port() <= p[1]
		}
		if !ok {
			return false
		}
	}
	if len(h.prefixes) == 0 {
		return true
	}
	for _, p := range h.prefixes {
		if p.Contains(end.Addr()) || end.Addr().Is4In6() && p.Contains(end.Addr().Unmap()) {
			return true
		}
	}
	return false
}

// Or returns what any of the exprs selects, or nil, which selects everything, if
// there is none.
func Or(all ...*Expr) *Expr {
	switch len(all) {
	case 0:
		return nil
	case 1:
		return all[0]
	}
	return &Expr{op: opOr, sub: all}
}

// InStates returns an Expr that selects sockets in the states.
func InStates(s sockdiag.States) *Expr { return &Expr{op: opState, set: s} }

// NamesBound reports whether e asks for the state BoundInactive, and does not only
// fail to exclude it.
func (e *Expr) NamesBound() bool {
	return e.any(func(e *Expr) bool {
		return e.op == opState && e.set.Has(sockdiag.BoundInactive) && e.set>>(sockdiag.BoundInactive+1) == 0
	})
}

// NamesState reports whether e speaks of states.
func (e *Expr) NamesState() bool { return e.any(func(e *Expr) bool { return e.op == opState }) }

// any reports whether e or an expression in it is such.
func (e *Expr) any(is func(*Expr) bool) bool {
	return e != nil && (is(e) || slices.ContainsFunc(e.sub, func(s *Expr) bool { return s.any(is) }))
}
