package mptcpctl

import (
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strconv"
	"strings"
)

// A Verb is what a Command does.
type Verb uint8

// The verbs.
const (
	VerbAdd Verb = 1 + iota
	VerbDelete
	VerbChange
	VerbShow // the endpoint with the id, or all without one
	VerbFlush
	VerbSetLimits
	VerbShowLimits
	VerbMonitor
	VerbAnnounce
	VerbRemove
	VerbCreateSubflow
	VerbDestroySubflow
	VerbListen
)

// A Command is a command line of ip-mptcp(8) or of the kernel's pm_nl_ctl, read.
type Command struct {
	Verb Verb
	// Endpoint is what it is about: what is added or changed, or with Verb
	// VerbDelete and VerbShow its id and address.
	Endpoint Endpoint
	// Token is the connection; with HasToken false there is none.
	Token    Token
	HasToken bool
	// Remote is the peer's address, if there is one.
	Remote netip.AddrPort
	Limits LimitsChange
}

// ChangesState reports whether running the command changes anything.
func (c *Command) ChangesState() bool {
	switch c.Verb {
	case VerbShow, VerbShowLimits, VerbMonitor, VerbListen:
		return false
	}
	return true
}

// A Result is what a Command returned: the endpoints or limits it asked for, or
// the endpoint as it is after it was added or changed.
type Result struct {
	Endpoints []Endpoint
	Limits    Limits
}

// Run runs a command other than VerbMonitor and VerbListen. With a *FlagsError
// the command was done, and the Result is good.
func (c *Command) Run(to *Conn) (r Result, err error) {
	one := func(e Endpoint, err error) (Result, error) {
		var dropped *FlagsError
		if err != nil && !errors.As(err, &dropped) {
			return Result{}, err
		}
		return Result{Endpoints: []Endpoint{e}}, err
	}
	switch c.Verb {
	case VerbAdd:
		return one(to.Add(c.Endpoint))
	case VerbChange:
		if c.HasToken {
			return r, to.SetSubflowFlags(c.Token, c.Endpoint, c.Remote)
		}
		return one(to.SetFlags(c.Endpoint))
	case VerbDelete:
		return r, to.Delete(c.Endpoint.ID, c.Endpoint.Addr)
	case VerbShow:
		switch {
		case c.Endpoint.ID == 0 && c.HasToken:
			r.Endpoints, err = to.ListLocal(c.Token)
		case c.Endpoint.ID == 0:
			r.Endpoints, err = to.List()
		case c.HasToken:
			return one(to.GetLocal(c.Token, c.Endpoint.ID))
		default:
			return one(to.Get(c.Endpoint.ID))
		}
		return r, err
	case VerbFlush:
		return r, to.Flush()
	case VerbSetLimits:
		return r, to.SetLimits(c.Limits)
	case VerbShowLimits:
		r.Limits, err = to.Limits()
		return r, err
	case VerbAnnounce:
		return r, to.Announce(c.Token, c.Endpoint)
	case VerbRemove:
		return r, to.Remove(c.Token, c.Endpoint.ID)
	case VerbCreateSubflow:
		return r, to.CreateSubflow(c.Token, c.Endpoint, c.Remote)
	case VerbDestroySubflow:
		return r, to.DestroySubflow(c.Token, netip.AddrPortFrom(c.Endpoint.Addr, c.Endpoint.Port), c.Remote)
	}
	return r, fmt.Errorf("mptcp: command %d cannot be run", c.Verb)
}

// Plan says what Run would change, without rights and without changing anything.
// What the kernel is known to refuse is an error.
func (c *Command) Plan(to *Conn) ([]Change, error) {
	have, err := to.List()
	if err != nil {
		return nil, err
	}
	find := func(match func(Endpoint) bool) (Endpoint, error) {
		for _, e := range have {
			if match(e) {
				return e, nil
			}
		}
		return Endpoint{}, fail("endpoint", c.Endpoint.String(), errors.New("there is no such endpoint"))
	}
	e := c.Endpoint
	switch c.Verb {
	case VerbAdd:
		if err := to.resolve(&e); err != nil {
			return nil, fail(string(ActAdd), c.Endpoint.String(), err)
		}
		err := e.valid()
		if others := slices.DeleteFunc(have, func(h Endpoint) bool { return h.Flags&Implicit != 0 && h.Addr == e.Addr }); err == nil {
			switch {
			case slices.ContainsFunc(others, e.clashes):
				err = errors.New("the address is an endpoint already")
			case e.ID != 0 && slices.ContainsFunc(others, func(h Endpoint) bool { return h.ID == e.ID }):
				err = errors.New("the id is taken")
			case len(others) >= MaxEndpoints:
				err = fmt.Errorf("there are %d endpoints, and the kernel keeps no more", len(others))
			}
		}
		if err != nil {
			return nil, fail(string(ActAdd), c.Endpoint.String(), err)
		}
		return []Change{{Action: ActAdd, Endpoint: &e}}, nil
	case VerbDelete:
		if e.ID != 0 {
			if e, err = find(func(h Endpoint) bool { return h.ID == e.ID }); err != nil {
				return nil, err
			}
		}
		return []Change{{Action: ActDelete, Endpoint: &e}}, nil
	case VerbFlush:
		var all []Change
		for i := range have {
			all = append(all, Change{Action: ActDelete, Endpoint: &have[i]})
		}
		return all, nil
	case VerbChange:
		was, err := find(func(h Endpoint) bool {
			return h.ID == e.ID || e.ID == 0 && h.Addr == e.Addr && (e.Port == 0 || h.Port == e.Port)
		})
		if err != nil {
			return nil, err
		}
		now := was
		if now.Flags = was.Flags&^changeable | e.Flags&changeable; now.Flags == was.Flags {
			return nil, nil
		}
		return []Change{{Action: ActChange, Endpoint: &now, Was: was.Flags.String()}}, nil
	case VerbSetLimits:
		l, err := to.Limits()
		if err != nil {
			return nil, err
		}
		return Diff(State{Limits: &LimitsChange{&l.AddAddrAccepted, &l.Subflows}}, State{Limits: &c.Limits})
	}
	return nil, fmt.Errorf("mptcp: command %d cannot be planned", c.Verb)
}

// A SyntaxError says where a command line is wrong.
type SyntaxError struct {
	// Arg is the place of the argument, from 1; one behind the last where
	// something is missing.
	Arg int
	// Found is the argument, and empty where something is missing.
	Found string
	// Expected is what could stand there.
	Expected string
}

func (e *SyntaxError) Error() string {
	if e.Found == "" {
		return fmt.Sprintf("argument %d is missing: expected %s", e.Arg, e.Expected)
	}
	return fmt.Sprintf("argument %d, %q: expected %s", e.Arg, e.Found, e.Expected)
}

// words are the arguments of a command line, read from left to right.
type words struct {
	args []string
	at   int // of the next
}

func (w *words) more() bool { return w.at < len(w.args) }

// next returns the next argument.
func (w *words) next(expected string) (string, error) {
	if !w.more() {
		return "", &SyntaxError{Arg: len(w.args) + 1, Expected: expected}
	}
	w.at++
	return w.args[w.at-1], nil
}

// wrong is an error about the argument that was read last.
func (w *words) wrong(expected string) error {
	return &SyntaxError{Arg: w.at, Found: w.args[w.at-1], Expected: expected}
}

// end is an error if there are more arguments.
func (w *words) end() error {
	if !w.more() {
		return nil
	}
	w.at++
	return w.wrong("nothing more")
}

func (w *words) number(what string, limit uint64) (uint64, error) {
	expected := fmt.Sprintf("%s from 0 to %d", what, limit)
	s, err := w.next(expected)
	if err != nil {
		return 0, err
	}
	n, err := strconv.ParseUint(s, 0, 64)
	if err != nil || n > limit {
		return 0, w.wrong(expected)
	}
	return n, nil
}

func (w *words) id(to *uint8) error {
	n, err := w.number("an id", 255)
	*to = uint8(n)
	return err
}

func (w *words) port(to *uint16) error {
	n, err := w.number("a port", 65535)
	*to = uint16(n)
	return err
}

func (w *words) dev(to *string) (err error) {
	const expected = "the name of an interface"
	*to, err = w.next(expected)
	// As the kernel has it: IFNAMSIZ, no slash, no blank.
	if err == nil && (*to == "" || len(*to) > 15 || strings.ContainsAny(*to, "/: \t\n")) {
		return w.wrong(expected)
	}
	return err
}

func (w *words) addr(to *netip.Addr) error {
	const expected = "an IPv4 or IPv6 address"
	s, err := w.next(expected)
	if err != nil {
		return err
	}
	a, err := netip.ParseAddr(s)
	if err != nil || a.Zone() != "" {
		return w.wrong(expected)
	}
	*to = a.Unmap()
	return nil
}
