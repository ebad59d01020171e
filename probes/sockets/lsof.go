package sockets

import (
	"fmt"
	"net"
	"strings"

	"framescope/probes/sockdiag"
)

// ParseInternet reads what lsof(8) has behind -i:
//
//	[46][tcp|udp|mptcp|udplite][@HOST|ADDRESS][:PORT[,PORT|-PORT]...]
//
// The empty text is every internet socket. A host or port may be at either end.
func ParseInternet(s string) (*Expr, error) { return parseInternet(s, lookupHost) }

func parseInternet(s string, lookup func(string) ([]net.IP, error)) (*Expr, error) {
	src := s
	e := &Expr{op: opKind, kinds: kindsOf(TCP, MPTCP, UDP, UDPLite, Raw)}
	var family sockdiag.Family
	switch {
	case strings.HasPrefix(s, "4"):
		family, s = sockdiag.IPv4, s[1:]
	case strings.HasPrefix(s, "6"):
		family, s = sockdiag.IPv6, s[1:]
	}
	end := strings.IndexAny(s, "@:")
	if end < 0 {
		end = len(s)
	}
	switch proto := strings.ToLower(s[:end]); proto {
	case "":
	case "tcp":
		e.kinds = kindsOf(TCP)
	case "udp":
		e.kinds = kindsOf(UDP)
	case "udplite":
		e.kinds = kindsOf(UDPLite)
	case "mptcp":
		e.kinds = kindsOf(MPTCP)
	default:
		return nil, &SyntaxError{src, 0, fmt.Sprintf("-i: %q is no protocol; expected [46][tcp|udp|mptcp][@HOST][:PORT]", proto)}
	}
	s = s[end:]
	h := host{proto: -1, id: -1, family: family}
	var err error
	if rest, ok := strings.CutPrefix(s, "@"); ok {
		addr, tail := rest, ""
		if strings.HasPrefix(rest, "[") {
			i := strings.IndexByte(rest, ']')
			if i < 0 {
				return nil, &SyntaxError{src, len(src), "-i: ] is missing"}
			}
			addr, tail = rest[1:i], rest[i+1:]
		} else if i := strings.IndexByte(rest, ':'); i >= 0 {
			addr, tail = rest[:i], rest[i:]
		}
		if h.prefixes, err = parsePrefixes(addr, lookup); err != nil {
			return nil, &SyntaxError{src, len(src) - len(rest), "-i: " + err.Error()}
		}
		s = tail
	}
	if rest, ok := strings.CutPrefix(s, ":"); ok {
		if h.ports, err = parsePorts(rest); err != nil {
			return nil, &SyntaxError{src, len(src) - len(rest), "-i: " + err.Error()}
		}
	} else if s != "" {
		return nil, &SyntaxError{src, len(src) - len(s), "-i: expected a colon and a port"}
	}
	if len(h.prefixes) == 0 && len(h.ports) == 0 && family == 0 {
		return e, nil
	}
	return And(e, &Expr{op: opOr, sub: []*Expr{{op: opSrc, host: h}, {op: opDst, host: h}}}), nil
}

// ParseStates reads what lsof(8) has behind -s:
//
//	[tcp|udp:][^]STATE[,[^]STATE]...
//
// It selects sockets of the protocol in one of the states, or in none of those with
// a ^, and all of other protocols.
func ParseStates(s string) (*Expr, error) {
	kinds := kindsOf(TCP, MPTCP)
	list := s
	if proto, rest, ok := strings.Cut(s, ":"); ok {
		list = rest
		switch strings.ToLower(proto) {
		case "tcp":
		case "udp":
			kinds = kindsOf(UDP, UDPLite)
		default:
			return nil, &SyntaxError{s, 0, fmt.Sprintf("-s: %q is no protocol that has states", proto)}
		}
	}
	var in, out sockdiag.States
	off := len(s) - len(list)
	for name := range strings.SplitSeq(list, ",") {
		bare, not := strings.CutPrefix(name, "^")
		set, ok := stateNames[strings.ToLower(strings.ReplaceAll(bare, "_", "-"))]
		if !ok {
			return nil, &SyntaxError{s, off, fmt.Sprintf("-s: there is no state %q", bare)}
		}
		off += len(name) + 1
		if not {
			out |= set
		} else {
			in |= set
		}
	}
	if in == 0 {
		in = ^sockdiag.States(0)
	}
	others := &Expr{op: opNot, sub: []*Expr{{op: opKind, kinds: kinds}}}
	return Or(others, InStates(in&^out)), nil
}
