package main

import (
	"errors"
	"slices"
	"strings"

	"framescope/probes/sockdiag"
	"framescope/probes/sockets"
)

// internetFlags takes lsof's -i out of the arguments: an -i with something behind
// it that is not a flag of ours.
func internetFlags(args []string, f *socketsFlags) (rest []string) {
	isAddress := func(s string) bool {
		_, err := sockets.ParseInternet(s)
		var syntax *sockets.SyntaxError
		if err == nil {
			return s != ""
		}
		// something like it that is wrong should be called so
		return errors.As(err, &syntax) && strings.ContainsAny(s, ":@") && syntax.Off > 0
	}
	for i := 0; i < len(args); i++ {
		a := args[i]
		if a == "--" {
			return append(rest, args[i:]...)
		}
		if takesNext(a) && i+1 < len(args) {
			rest = append(rest, a, args[i+1])
			i++
			continue
		}
		at := strings.IndexByte(a, 'i')
		if len(a) < 2 || a[0] != '-' || a[1] == '-' || at < 0 || strings.ContainsAny(a[:at], "osY=") {
			rest = append(rest, a)
			continue
		}
		switch behind := a[at+1:]; {
		case behind == "" && i+1 < len(args) && isAddress(args[i+1]):
			f.internet = append(f.internet, args[i+1])
			i++
		case behind != "" && isAddress(behind):
			f.internet = append(f.internet, behind)
		case behind != "" && strings.ContainsAny(behind, ":@"):
			f.internet = append(f.internet, behind)
		default:
			rest = append(rest, a)
			continue
		}
		if at > 1 {
			rest = append(rest, a[:at]) // the flags before it
		}
	}
	return rest
}

// takesNext reports whether the value of a flag is the next argument.
func takesNext(a string) bool {
	switch {
	case len(a) < 2 || a[0] != '-':
		return false
	case a[1] == '-':
		return slices.Contains([]string{"--view", "--output", "--netns", "--interval", "--wait-for", "--timeout", "--save", "--diff", "--states", "--filter"}, a)
	}
	at := strings.IndexAny(a, "osiY")
	return at == len(a)-1 && a[at] != 'i'
}

// kinds returns the kinds of sockets that are wanted.
func (f *socketsFlags) kinds() (kinds []sockets.Kind) {
	add := func(on bool, k ...sockets.Kind) {
		if on {
			kinds = append(kinds, k...)
		}
	}
	ss := f.view == "ss"
	if ss { // its order
		add(f.netlink, sockets.Netlink)
		add(f.packet, sockets.Packet)
		add(f.unix, sockets.Unix)
		add(f.raw, sockets.Raw)
		add(f.udp, sockets.UDP)
		add(f.tcp, sockets.TCP)
		add(f.mptcp, sockets.MPTCP)
	} else {
		add(f.tcp, sockets.TCP)
		add(f.mptcp, sockets.MPTCP)
		add(f.udp, sockets.UDP, sockets.UDPLite)
		add(f.raw, sockets.Raw)
		add(f.unix, sockets.Unix)
		add(f.packet, sockets.Packet)
		add(f.netlink, sockets.Netlink)
	}
	if kinds != nil {
		return kinds
	}
	switch {
	case f.view == "netstat":
		return []sockets.Kind{sockets.TCP, sockets.UDP, sockets.UDPLite, sockets.Raw, sockets.Unix}
	case f.view == "lsof": // which leaves raw sockets out of -i
		return []sockets.Kind{sockets.TCP, sockets.MPTCP, sockets.UDP, sockets.UDPLite}
	case len(f.internet) > 0 || f.four || f.six:
		return []sockets.Kind{sockets.TCP, sockets.MPTCP, sockets.UDP, sockets.UDPLite, sockets.Raw}
	case ss:
		return []sockets.Kind{sockets.Netlink, sockets.Packet, sockets.Unix, sockets.Raw, sockets.UDP, sockets.TCP, sockets.MPTCP}
	case f.all:
		return sockets.AllKinds()
	}
	return []sockets.Kind{sockets.TCP, sockets.MPTCP, sockets.UDP, sockets.UDPLite, sockets.Raw}
}

// namesKinds reports whether flags say which kinds of sockets are wanted.
func (f *socketsFlags) namesKinds() bool {
	return f.tcp || f.mptcp || f.udp || f.raw || f.unix || f.packet || f.netlink
}

// query turns flags into what is asked for.
func (f *socketsFlags) query() sockets.Query {
	const (
		listen = sockdiag.States(1 << sockdiag.Listen)
		closed = sockdiag.States(1 << sockdiag.CloseState)
		mini   = sockdiag.States(1<<sockdiag.TimeWait | 1<<sockdiag.SynRecv | 1<<sockdiag.NewSynRecv)
	)
	q := sockets.Query{Kinds: f.kinds(), Filter: f.expr}
	switch {
	case f.four && !f.six:
		q.Family = sockdiag.IPv4
	case f.six && !f.four:
		q.Family = sockdiag.IPv6
	}
	named := f.expr.NamesState()
	streams := sockdiag.AllStates
	others := sockdiag.AllStates
	switch {
	case f.listening && !f.all:
		streams, others = listen, listen|closed
	case f.all || named:
	case f.view == "ss":
		streams = sockdiag.AllStates &^ (listen | closed | mini)
		others = streams
	case f.view == "netstat":
		streams = sockdiag.AllStates &^ (listen | closed)
		others = sockdiag.AllStates &^ (listen | closed)
	}
	if f.expr.NamesBound() || f.match.namesBound() || f.view == "framescope" && f.all && !f.namesKinds() {
		streams |= 1 << sockdiag.BoundInactive // which costs a walk of its own
	}
	q.States = others
	q.KindStates = map[sockets.Kind]sockdiag.States{sockets.TCP: streams, sockets.MPTCP: streams}
	if f.view == "netstat" && f.listening && !f.all {
		q.KindStates[sockets.Unix] = listen
	} else if f.view == "netstat" && !f.all && !named {
		q.KindStates[sockets.Unix] = sockdiag.AllStates &^ listen
	}
	if f.info {
		q.Ext |= sockdiag.ExtInfo | sockdiag.ExtCong | sockdiag.ExtVegasInfo
	}
	q.Ext |= f.match.ext()
	wide := f.format == "wide" || f.extended
	if f.view == "framescope" {
		q.Split = true
		q.Nested = slices.Contains(q.Kinds, sockets.MPTCP)
		q.Join = wide
		if wide || f.info {
			q.Ext |= sockdiag.ExtInfo | sockdiag.ExtSKMemInfo
		}
	}
	return q
}

// wantsOwners reports whether processes are to be found.
func (f *socketsFlags) wantsOwners() bool {
	switch {
	case f.noOwner:
		return false
	case f.owner, f.processes, f.view == "lsof", f.match != nil && f.match.owners:
		return true
	}
	return f.view == "framescope"
}
