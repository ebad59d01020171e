package sockets

import (
	"net/netip"

	"framescope/probes/sockdiag"
)

// states returns the states in which e may select sockets.
func (e *Expr) states() sockdiag.States {
	const all = ^sockdiag.States(0)
	if e == nil {
		return all
	}
	switch e.op {
	case opAnd:
		s := all
		for _, x := range e.sub {
			s &= x.states()
		}
		return s
	case opOr:
		s := sockdiag.States(0)
		for _, x := range e.sub {
			s |= x.states()
		}
		return s
	case opNot:
		if e.sub[0].op == opState {
			return withKernel(^e.sub[0].set & sockdiag.AllStates)
		}
	case opState:
		return withKernel(e.set)
	}
	return all
}

// withKernel adds the states by which the kernel asks for those in s.
func withKernel(s sockdiag.States) sockdiag.States {
	if s.Has(sockdiag.SynRecv) {
		s |= 1 << sockdiag.NewSynRecv
	}
	if s.Has(sockdiag.CloseState) {
		s |= 1 << sockdiag.BoundInactive
	}
	return s
}

// mayMatch reports whether e may select sockets of a kind at all.
func (e *Expr) mayMatch(k Kind) bool {
	if e == nil {
		return true
	}
	switch e.op {
	case opAnd:
		for _, s := range e.sub {
			if !s.mayMatch(k) {
				return false
			}
		}
	case opOr:
		for _, s := range e.sub {
			if s.mayMatch(k) {
				return true
			}
		}
		return false
	case opKind:
		return e.kinds.has(k)
	case opSrc, opDst:
		switch e.host.family {
		case sockdiag.Unix:
			return k == Unix
		case sockdiag.Packet:
			return k == Packet
		case sockdiag.Netlink:
			return k == Netlink
		}
		return k.Inet()
	case opSport, opDport, opAuto:
		return k.Inet()
	}
	return true
}

// cond returns a condition for the kernel that is true of all internet sockets
// that e selects.
func (e *Expr) cond() sockdiag.Cond {
	c, _ := e.compile()
	return c
}

// compile returns the condition, and whether it selects no more than e does.
func (e *Expr) compile() (c sockdiag.Cond, exact bool) {
	if e == nil {
		return c, true
	}
	switch e.op {
	case opAnd, opOr:
		exact = true
		var all []sockdiag.Cond
		for _, s := range e.sub {
			c, ok := s.compile()
			all = append(all, c)
			exact = exact && ok
		}
		if e.op == opOr {
			return sockdiag.Or(all...), exact
		}
		return sockdiag.And(all...), exact
	case opNot:
		if c, ok := e.sub[0].compile(); ok {
			return sockdiag.Not(c), true
		}
	case opSrc:
		return e.host.cond(sockdiag.Src, sockdiag.SrcPort)
	case opDst:
		return e.host.cond(sockdiag.Dst, sockdiag.DstPort)
	case opSport:
		return e.portCond(sockdiag.SrcPort)
	case opDport:
		return e.portCond(sockdiag.DstPort)
	case opAuto:
		return sockdiag.AutoBound(), true
	case opDev:
		if e.has && e.cmp == cmpEQ {
			return sockdiag.Dev(uint32(e.num)), true
		}
	case opMark:
		if e.cmp == cmpEQ {
			return sockdiag.Mark(uint32(e.num), uint32(e.mask)), true
		}
	case opCgroup:
		if e.cmp == cmpEQ {
			return sockdiag.Cgroup(e.num), true
		}
	}
	return sockdiag.Cond{}, false
}

func (h *host) cond(in func(netip.Prefix) sockdiag.Cond, between func(lo, hi uint16) sockdiag.Cond) (sockdiag.Cond, bool) {
	var addrs, ports, all []sockdiag.Cond
	for _, p := range h.prefixes {
		addrs = append(addrs, in(p))
	}
	for _, p := range h.ports {
		ports = append(ports, between(p[0], p[1]))
	}
	if len(addrs) > 0 {
		all = append(all, sockdiag.Or(addrs...))
	}
	if len(ports) > 0 {
		all = append(all, sockdiag.Or(ports...))
	}
	return sockdiag.And(all...), h.family == sockdiag.Unspec
}

func (e *Expr) portCond(between func(lo, hi uint16) sockdiag.Cond) (sockdiag.Cond, bool) {
	var all []sockdiag.Cond
	for _, p := range e.host.ports {
		switch e.cmp {
		case cmpEQ:
			all = append(all, between(p[0], p[1]))
		case cmpNE:
			all = append(all, sockdiag.Not(between(p[0], p[1])))
		case cmpGE:
			all = append(all, between(p[0], 65535))
		case cmpLE:
			all = append(all, between(0, p[1]))
		case cmpGT:
			all = append(all, sockdiag.Not(between(0, p[0])))
		case cmpLT:
			all = append(all, sockdiag.Not(between(p[1], 65535)))
		}
	}
	return sockdiag.Or(all...), true
}

// States returns the states in which e may select sockets.
func (e *Expr) States() sockdiag.States { return e.states() & sockdiag.AllStates }
