package mptcpctl

import (
	"cmp"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
)

// A State is what the path manager of a namespace is configured to do, or what
// it shall be: then only what the State mentions counts.
type State struct {
	// Endpoints are all that shall be there; none if it is empty, and whatever is
	// there if it is nil. Implicit ones are the kernel's own matter.
	Endpoints []Endpoint `json:"endpoints" yaml:"endpoints"`
	// Limits are those that shall be set.
	Limits *LimitsChange `json:"limits,omitempty" yaml:"limits,omitempty"`
	// Sysctls are by their names without "net.mptcp.".
	Sysctls map[string]string `json:"sysctls,omitempty" yaml:"sysctls,omitempty"`
}

// State returns the configuration of the namespace, without sysctls that only
// tell something.
func (c *Conn) State() (s State, err error) {
	if s.Endpoints, err = c.List(); err != nil {
		return s, err
	}
	l, err := c.Limits()
	if err != nil {
		return s, err
	}
	s.Limits = &LimitsChange{&l.AddAddrAccepted, &l.Subflows}
	all, err := c.Sysctls()
	if err != nil {
		return s, err
	}
	s.Sysctls = make(map[string]string, len(all))
	for _, v := range all {
		if !v.ReadOnly {
			s.Sysctls[v.Name] = v.Value
		}
	}
	return s, nil
}

// An Action is what a Change does.
type Action string

// The actions.
const (
	ActSysctl Action = "sysctl"
	ActLimits Action = "limits set"
	ActDelete Action = "endpoint delete"
	ActChange Action = "endpoint change"
	ActAdd    Action = "endpoint add"
)

// A Change is one step from one State to another.
type Change struct {
	Action Action `json:"action"`
	// Endpoint is what is added, changed to, or deleted.
	Endpoint *Endpoint `json:"endpoint,omitempty"`
	// Limits are those that change.
	Limits *LimitsChange `json:"limits,omitempty"`
	// Sysctl and Value are set.
	Sysctl string `json:"sysctl,omitempty"`
	Value  string `json:"value,omitempty"`
	// Was is what there is now, in words; empty where there is nothing.
	Was string `json:"was,omitempty"`
}

// String returns the step as a command without what it begins with: "endpoint
// add 10.0.0.1 subflow", "sysctl net.mptcp.enabled=1 (was 0)".
func (c Change) String() string {
	s := string(c.Action) + " "
	switch c.Action {
	case ActSysctl:
		s += "net.mptcp." + c.Sysctl + "=" + c.Value
	case ActLimits:
		s += c.Limits.String()
	case ActDelete:
		return fmt.Sprintf("%sid %d (%v)", s, c.Endpoint.ID, c.Endpoint)
	case ActChange:
		s += fmt.Sprintf("id %d", c.Endpoint.ID)
		for _, f := range []Flags{Backup, Fullmesh} {
			if c.Endpoint.Flags&f != 0 {
				s += " " + f.String()
			} else {
				s += " no" + f.String()
			}
		}
	default:
		s += c.Endpoint.String()
	}
	if c.Was != "" {
		s += " (was " + c.Was + ")"
	}
	return s
}

// changeable are the flags that SetFlags can change.
const changeable = Backup | Fullmesh

// Diff returns the steps that lead from one state to another, in an order in
// which they can be done; none if nothing differs. What the kernel would refuse
// is an error before anything is done.
//
// Sysctls come first and limits next, since endpoints that are added or changed
// get subflows at once. Then endpoints make room, by address and by id, before
// others are added.
func Diff(have, want State) ([]Change, error) {
	if err := want.valid(); err != nil {
		return nil, err
	}
	var all []Change
	for _, name := range slices.Sorted(maps.Keys(want.Sysctls)) {
		was, ok := have.Sysctls[name]
		if !ok {
			return nil, fmt.Errorf("sysctl net.mptcp.%s: this kernel has none of that name that can be set", name)
		}
		v := strings.TrimSpace(want.Sysctls[name])
		if _, err := strconv.ParseInt(was, 10, 64); err == nil {
			if _, err := strconv.ParseInt(v, 0, 64); err != nil {
				return nil, fmt.Errorf("sysctl net.mptcp.%s: %q: expected a number", name, v)
			}
		}
		if v != was {
			all = append(all, Change{Action: ActSysctl, Sysctl: name, Value: v, Was: was})
		}
	}
	if l, was := want.Limits, have.Limits; l != nil {
		var set, old LimitsChange
		if l.AddAddrAccepted != nil && (was == nil || was.AddAddrAccepted == nil || *was.AddAddrAccepted != *l.AddAddrAccepted) {
			set.AddAddrAccepted = l.AddAddrAccepted
			if was != nil {
				old.AddAddrAccepted = was.AddAddrAccepted
			}
		}
		if l.Subflows != nil && (was == nil || was.Subflows == nil || *was.Subflows != *l.Subflows) {
			set.Subflows = l.Subflows
			if was != nil {
				old.Subflows = was.Subflows
			}
		}
		if set != (LimitsChange{}) {
			all = append(all, Change{Action: ActLimits, Limits: &set, Was: old.String()})
		}
	}
	if want.Endpoints == nil {
		return all, nil
	}
	return append(all, diffEndpoints(have.Endpoints, want.Endpoints)...), nil
}

func diffEndpoints(have, want []Endpoint) []Change {
	var remove, change, add []Change
	done := make([]bool, len(want))
	taken := make(map[uint8]bool)
	for _, w := range want {
		taken[w.ID] = w.ID != 0
	}
	for _, h := range have {
		i := slices.IndexFunc(want, func(w Endpoint) bool { return w.Addr.Unmap() == h.Addr && w.Port == h.Port })
		switch {
		case h.Flags&Implicit != 0:
			// The kernel puts an explicit endpoint into its place, unless that has an
			// id of its own.
			if taken[h.ID] || i >= 0 && want[i].ID != 0 {
				remove = append(remove, Change{Action: ActDelete, Endpoint: &h})
			}
			continue
		case i < 0 || done[i]:
			remove = append(remove, Change{Action: ActDelete, Endpoint: &h})
			continue
		}
		w := want[i]
		differs := h.Flags ^ w.Flags
		switch {
		case w.ID != 0 && w.ID != h.ID, w.Dev != h.Dev, h.Dev == "" && h.IfIndex != 0, differs&^changeable != 0,
			w.ID == 0 && taken[h.ID]:
			remove = append(remove, Change{Action: ActDelete, Endpoint: &h})
			continue
		case differs != 0:
			w.ID = h.ID
			change = append(change, Change{Action: ActChange, Endpoint: &w, Was: h.Flags.String()})
		}
		done[i] = true
	}
	// Those with an id first, so that no other gets it.
	order := make([]int, 0, len(want))
	for i := range want {
		if !done[i] {
			order = append(order, i)
		}
	}
	slices.SortStableFunc(order, func(a, b int) int {
		return cmp.Compare(min(want[b].ID, 1), min(want[a].ID, 1))
	})
	for _, i := range order {
		w := want[i]
		add = append(add, Change{Action: ActAdd, Endpoint: &w})
	}
	return slices.Concat(remove, change, add)
}

// valid says what the kernel would refuse.
func (s State) valid() error {
	if len(s.Endpoints) > MaxEndpoints {
		return fmt.Errorf("%d endpoints: the kernel keeps %d", len(s.Endpoints), MaxEndpoints)
	}
	ids := map[uint8]bool{}
	for i, e := range s.Endpoints {
		at := fmt.Sprintf("endpoint %d", i+1)
		if e.Addr.IsValid() {
			at = "endpoint " + e.Addr.String()
		}
		if err := e.valid(); err != nil {
			return fmt.Errorf("%s: %w", at, err)
		}
		if slices.ContainsFunc(s.Endpoints[:i], e.clashes) {
			return fmt.Errorf("%s: it is there twice", at)
		}
		if e.ID != 0 && ids[e.ID] {
			return fmt.Errorf("%s: id %d is there twice", at, e.ID)
		}
		ids[e.ID] = true
	}
	if l := s.Limits; l != nil {
		for name, v := range map[string]*uint32{"subflows": l.Subflows, "add_addr_accepted": l.AddAddrAccepted} {
			if v != nil && *v > MaxLimit {
				return fmt.Errorf("limits: %s %d: expected 0 to %d", name, *v, MaxLimit)
			}
		}
	}
	for name, v := range s.Sysctls {
		if !isSysctl(name) {
			return fmt.Errorf("sysctls: %q: expected a name without the net.mptcp before it", name)
		}
		if strings.TrimSpace(v) == "" || strings.ContainsAny(v, "\n\x00") {
			return fmt.Errorf("sysctls: %s: %q is no value", name, v)
		}
	}
	return nil
}

// clashes reports whether the kernel takes two endpoints for one.
func (e Endpoint) clashes(o Endpoint) bool {
	return e.Addr.Unmap() == o.Addr.Unmap() && e.Port == o.Port
}

func (e Endpoint) valid() error {
	switch {
	case !e.Addr.IsValid():
		return errors.New("an address is missing")
	case e.Addr.Zone() != "":
		return errors.New("an address with a zone cannot be an endpoint: name the interface with dev")
	case e.Flags&Implicit != 0:
		return errors.New("only the kernel makes implicit endpoints")
	case e.Flags&(Signal|Fullmesh) == Signal|Fullmesh:
		return errors.New("the flags signal and fullmesh exclude one another")
	case e.Port != 0 && e.Flags&(Signal|Subflow) != Signal:
		return errors.New("a port needs the flag signal, without subflow")
	}
	return nil
}

// Possible reports what is known to keep steps from being done, before anything
// is: an interface that is not there.
func (c *Conn) Possible(changes []Change) error {
	for _, ch := range changes {
		if ch.Action != ActAdd {
			continue
		}
		e := *ch.Endpoint
		if err := c.resolve(&e); err != nil {
			return fail(string(ActAdd), ch.Endpoint.String(), err)
		}
	}
	return nil
}

// Apply does the steps in order and ends at the first that fails; its error says
// how many were done. After each, done is called unless it is nil.
func (c *Conn) Apply(changes []Change, done func(Change)) error {
	for i, ch := range changes {
		if err := c.apply(ch); err != nil {
			if len(changes) > 1 {
				err = fmt.Errorf("step %d of %d: %w; the %d before it were done", i+1, len(changes), err, i)
			}
			return err
		}
		if done != nil {
			done(ch)
		}
	}
	return nil
}

func (c *Conn) apply(ch Change) (err error) {
	switch ch.Action {
	case ActSysctl:
		return c.SetSysctl(ch.Sysctl, ch.Value)
	case ActLimits:
		return c.SetLimits(*ch.Limits)
	case ActDelete:
		return c.Delete(ch.Endpoint.ID, ch.Endpoint.Addr)
	case ActChange:
		// Fullmesh goes with no Signal, and all others stay as they are.
		_, err = c.SetFlags(Endpoint{ID: ch.Endpoint.ID, Flags: ch.Endpoint.Flags & changeable})
	case ActAdd:
		_, err = c.Add(*ch.Endpoint)
	default:
		err = fmt.Errorf("there is no action %q", ch.Action)
	}
	return err
}
