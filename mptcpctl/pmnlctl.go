package mptcpctl

import (
	"fmt"
	"net/netip"
	"slices"
	"strconv"
	"strings"
)

// ParsePMNLCtl reads a command line as pm_nl_ctl does, the program by which the
// kernel's own tests drive its path manager: "add 10.0.1.1 flags subflow id 2".
// Errors are *SyntaxError.
func ParsePMNLCtl(args []string) (Command, error) {
	w := &words{args: args}
	const verbs = "add, del, get, dump, flush, limits, set, ann, rem, csf, dsf, events or listen"
	s, err := w.next(verbs)
	if err != nil {
		return Command{}, err
	}
	c := Command{}
	e := &c.Endpoint
	switch s {
	case "add":
		c.Verb = VerbAdd
		if err := w.addr(&e.Addr); err != nil {
			return c, err
		}
		return c, pmOptions(w, &c, "flags", "id", "dev", "port")
	case "del":
		c.Verb = VerbDelete
		if err := w.id(&e.ID); err != nil {
			return c, err
		}
		if e.ID == 0 || w.more() {
			if err := w.addr(&e.Addr); err != nil {
				return c, err
			}
		}
		return c, w.end()
	case "get":
		c.Verb = VerbShow
		if err := w.id(&e.ID); err != nil {
			return c, err
		}
		if e.ID == 0 {
			return c, w.wrong("an id from 1 to 255")
		}
		return c, pmOptions(w, &c, "token")
	case "dump":
		c.Verb = VerbShow
		return c, pmOptions(w, &c, "token")
	case "flush":
		c.Verb = VerbFlush
		return c, w.end()
	case "limits":
		return pmLimits(w)
	case "set":
		c.Verb = VerbChange
		if w.more() && w.args[w.at] != "id" {
			if err := w.addr(&e.Addr); err != nil {
				return c, err
			}
		}
		err := pmOptions(w, &c, "id", "flags", "port", "token", "rip", "rport")
		if err == nil && e.ID != 0 && e.Port != 0 {
			err = &SyntaxError{Arg: slices.Index(args, "port") + 1, Found: "port", Expected: "nothing more: a port goes with an address, not with an id"}
		}
		return c, err
	case "ann":
		c.Verb = VerbAnnounce
		e.Flags = Signal
		if err := w.addr(&e.Addr); err != nil {
			return c, err
		}
		return c, pmOptions(w, &c, "!token", "!id", "port", "dev")
	case "rem":
		c.Verb = VerbRemove
		return c, pmOptions(w, &c, "!token", "!id")
	case "csf":
		c.Verb = VerbCreateSubflow
		e.Flags = Subflow
		return c, pmOptions(w, &c, "!lip", "!lid", "!rip", "rport", "!token")
	case "dsf":
		c.Verb = VerbDestroySubflow
		return c, pmOptions(w, &c, "!lip", "!lport", "!rip", "!rport", "!token")
	case "events":
		c.Verb = VerbMonitor
		return c, w.end()
	case "listen":
		c.Verb = VerbListen
		if err := w.addr(&e.Addr); err != nil {
			return c, err
		}
		if err := w.port(&e.Port); err != nil {
			return c, err
		}
		return c, w.end()
	}
	return c, w.wrong(verbs)
}

// pmOptions reads pairs of a word and its value; words with "!" must be there.
func pmOptions(w *words, c *Command, allowed ...string) error {
	names := strings.ReplaceAll(strings.Join(allowed, ", "), "!", "")
	seen := map[string]bool{}
	remote, rport := c.Remote.Addr(), c.Remote.Port()
	for w.more() {
		s, _ := w.next("")
		ok := false
		for _, a := range allowed {
			ok = ok || strings.TrimPrefix(a, "!") == s
		}
		if !ok {
			return w.wrong(names)
		}
		seen[s] = true
		var err error
		switch s {
		case "flags":
			err = pmFlags(w, c)
		case "id", "lid":
			err = w.id(&c.Endpoint.ID)
		case "dev":
			err = w.dev(&c.Endpoint.Dev)
		case "port", "lport":
			err = w.port(&c.Endpoint.Port)
		case "lip":
			err = w.addr(&c.Endpoint.Addr)
		case "rip":
			err = w.addr(&remote)
		case "rport":
			err = w.port(&rport)
		case "token":
			var n uint64
			n, err = w.number("a token", 1<<32-1)
			c.Token, c.HasToken = Token(n), true
		}
		if err != nil {
			return err
		}
	}
	for _, a := range allowed {
		if name, must := strings.CutPrefix(a, "!"); must && !seen[name] {
			return &SyntaxError{Arg: len(w.args) + 1, Expected: name}
		}
	}
	c.Remote = netip.AddrPortFrom(remote, rport)
	return nil
}

// pmFlags reads a list separated by commas. "unknown" is a bit that no kernel
// knows, to see what it does with it.
func pmFlags(w *words, c *Command) error {
	expected := "flags separated by commas: signal, subflow, backup, fullmesh, laminar"
	if c.Verb == VerbChange {
		expected = "flags separated by commas: backup, nobackup, fullmesh, nofullmesh"
	}
	s, err := w.next(expected)
	if err != nil {
		return err
	}
	for name := range strings.SplitSeq(s, ",") {
		f, ok := ParseFlag(name)
		switch {
		case c.Verb == VerbChange && (name == "nobackup" || name == "nofullmesh"):
			f, ok = 0, true
		case c.Verb == VerbChange:
			ok = ok && f&changeable != 0
		case name == "unknown":
			f, ok = 1<<7, true
		}
		if !ok || f == Implicit {
			return w.wrong(expected)
		}
		c.Endpoint.Flags |= f
	}
	return nil
}

func pmLimits(w *words) (c Command, err error) {
	if !w.more() {
		return Command{Verb: VerbShowLimits}, nil
	}
	c.Verb = VerbSetLimits
	for _, to := range []**uint32{&c.Limits.AddAddrAccepted, &c.Limits.Subflows} {
		n, err := w.number("a limit", 1<<32-1)
		if err != nil {
			return c, err
		}
		v := uint32(n)
		*to = &v
	}
	return c, w.end()
}

// pmFlagOrder is the order in which pm_nl_ctl prints flags.
var pmFlagOrder = [...]Flags{Signal, Subflow, Laminar, Backup, Fullmesh, Implicit}

// AppendPMNLCtl appends the endpoint as pm_nl_ctl prints it, with the end of the
// line.
func (e Endpoint) AppendPMNLCtl(dst []byte) []byte {
	var names []string
	for _, f := range pmFlagOrder {
		if e.Flags&f != 0 {
			names = append(names, f.String())
		}
	}
	if _, rest := e.Flags.Names(); rest != 0 {
		names = append(names, fmt.Sprintf("0x%x", uint32(rest)))
	}
	dst = fmt.Appendf(dst, "id %d flags %s ", e.ID, strings.Join(names, ","))
	switch {
	case e.Dev != "":
		dst = fmt.Appendf(dst, "dev %s ", e.Dev)
	case e.IfIndex != 0:
		dst = fmt.Appendf(dst, "dev unknown/%d", e.IfIndex)
	}
	dst = e.Addr.AppendTo(dst)
	if e.Port != 0 {
		dst = strconv.AppendUint(append(dst, ' '), uint64(e.Port), 10)
	}
	return append(dst, '\n')
}

// AppendPMNLCtl appends the limits as pm_nl_ctl prints them.
func (l Limits) AppendPMNLCtl(dst []byte) []byte {
	return fmt.Appendf(dst, "accept %d\nsubflows %d\n", l.AddAddrAccepted, l.Subflows)
}

// AppendPMNLCtl appends the event as pm_nl_ctl prints it, with the end of the
// line.
func (e *Event) AppendPMNLCtl(dst []byte) []byte {
	dst = fmt.Appendf(dst, "type:%d", e.Type)
	put := func(a EventAttrs, name string, v any) {
		if e.Has(a) {
			dst = fmt.Appendf(dst, ",%s:%v", name, v)
		}
	}
	put(AttrToken, "token", uint32(e.Token))
	put(AttrFamily, "family", e.Family)
	put(AttrLocalID, "loc_id", e.LocalID)
	put(AttrRemoteID, "rem_id", e.RemoteID)
	name := func(addr string, v4 bool) string {
		if v4 {
			return addr + "4"
		}
		return addr + "6"
	}
	put(AttrLocalAddr, name("saddr", e.Local.Addr().Is4()), e.Local.Addr())
	put(AttrRemoteAddr, name("daddr", e.Remote.Addr().Is4()), e.Remote.Addr())
	put(AttrLocalPort, "sport", e.Local.Port())
	put(AttrRemotePort, "dport", e.Remote.Port())
	put(AttrBackup, "backup", e.Backup)
	put(AttrError, "error", e.Error)
	if e.Flags&DenyJoinID0 != 0 {
		dst = append(dst, ",deny_join_id0:1"...)
	}
	if e.IsServerSide() {
		dst = append(dst, ",server_side:1"...)
	}
	return append(dst, '\n')
}
