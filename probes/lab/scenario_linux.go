package lab

import (
	"context"
	"fmt"
	"net/netip"
	"time"
)

// A Scenario is a lab with one connection from the client to the server, in which
// one thing is done that MPTCP is known to meet.
type Scenario struct {
	// Name begins with its kind: ok, a for the ends, b for boxes between them, c
	// for limits, d for addresses that are signalled, e for routes, f for what
	// happens in the middle of a connection and the rest.
	Name string `json:"name"`
	// Shows is what is done, in a sentence.
	Shows string `json:"shows"`
	// Evidence is what the kernel's counters say when it has happened.
	Evidence []Evidence `json:"evidence"`
	// Expect is what can be found out on a host. On hosts without one there is
	// nothing to be found: nothing is wrong there, or it cannot be seen.
	Expect []Expect `json:"expect,omitempty"`

	config  *Config                   // nil stands for two links
	setup   func(*Lab) error          // before the connection
	serve   ServeConfig               // without an address: all of IPv4
	connect ConnectConfig             // without To: the server on its first link
	begin   func(*Lab, *Client) error // after the connection is open
	before  []Evidence                // must be so before fault
	ready   func(*Run) (string, bool) // besides before
	fault   func(*Lab) error          // in the middle of the connection
	also    func(*Run) (string, bool) // what is waited for besides Evidence
}

// Evidence is what a counter of a host says.
type Evidence struct {
	Host string `json:"host"`
	// Counter is its full name, as nstat(8) has it.
	Counter string `json:"counter"`
	// Min and Max are the least and the greatest value; Max below Min stands for
	// no bound.
	Min int64 `json:"min"`
	Max int64 `json:"max"`
}

// String returns "client MPTcpExtMPJoinSynTx >= 1" and the like.
func (e Evidence) String() string {
	switch {
	case e.Max < e.Min:
		return fmt.Sprintf("%s %s >= %d", e.Host, e.Counter, e.Min)
	case e.Max == e.Min:
		return fmt.Sprintf("%s %s = %d", e.Host, e.Counter, e.Min)
	}
	return fmt.Sprintf("%s %s = %d to %d", e.Host, e.Counter, e.Min, e.Max)
}

// An Expect says what can be found out on a host.
type Expect struct {
	Host string `json:"host"`
	// Causes are the ids of the findings that name the cause, as far as the
	// kernel of this host knows it. With none, it cannot be known here.
	Causes []string `json:"causes"`
	// Ask is the host that knows it, or knows more; empty if this one knows all.
	// Where it is none of the lab's, it says where to capture packets.
	Ask string `json:"ask,omitempty"`
}

// A Run is a Scenario that has happened, and is still up: the connection is open.
type Run struct {
	*Lab
	Scenario *Scenario
	Server   *Server
	Client   *Client
}

// FindScenario returns the scenario of the name, nil if there is none.
func FindScenario(name string) *Scenario {
	for _, s := range Scenarios() {
		if s.Name == name {
			return s
		}
	}
	return nil
}

// settle bounds the time until a scenario has happened.
const settle = 15 * time.Second

// Start brings the scenario up, and returns when it has happened: the connection
// is open, and Evidence is as it is to be, as far as there are lower bounds. That
// takes 0.2 to 4 seconds. Close of the Run's Lab ends it.
func (s *Scenario) Start(ctx context.Context) (*Run, error) {
	r, err := s.start(ctx)
	if err != nil {
		return nil, fmt.Errorf("scenario %s: %w", s.Name, err)
	}
	return r, nil
}

func (s *Scenario) start(ctx context.Context) (r *Run, err error) {
	l, err := Up(ctx, s.config)
	if err != nil {
		return nil, err
	}
	defer func() {
		if err != nil {
			l.Close()
		}
	}()
	if s.setup != nil {
		if err := s.setup(l); err != nil {
			return nil, err
		}
	}
	r = &Run{Lab: l, Scenario: s}
	sc, cc := s.serve, s.connect
	if !sc.Addr.Addr().IsValid() {
		sc.Addr = netip.AddrPortFrom(netip.IPv4Unspecified(), 0)
	}
	server := l.Host("server")
	if r.Server, err = server.Serve(ctx, sc); err != nil {
		return nil, err
	}
	if !cc.To.IsValid() {
		cc.To = r.Server.Addr(server.Interfaces()[0].Link)
	}
	if r.Client, err = l.Host("client").Connect(ctx, cc); err != nil {
		return nil, err
	}
	if s.begin != nil {
		if err := s.begin(l, r.Client); err != nil {
			return nil, err
		}
	}
	if s.fault != nil {
		if err := r.wait(ctx, s.before, s.ready); err != nil {
			return nil, err
		}
		if err := s.fault(l); err != nil {
			return nil, err
		}
	}
	return r, r.wait(ctx, s.Evidence, s.also)
}

// wait waits until the lower bounds of all evidence are reached, and also says so.
func (r *Run) wait(ctx context.Context, all []Evidence, also func(*Run) (string, bool)) error {
	ctx, stop := context.WithTimeout(ctx, settle)
	defer stop()
	for {
		missing, err := r.missing(all, also)
		if err != nil || missing == "" {
			return err
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("it did not happen in time: %s: %w", missing, ctx.Err())
		case <-time.After(20 * time.Millisecond):
		}
	}
}

// missing says which lower bound is not reached.
func (r *Run) missing(all []Evidence, also func(*Run) (string, bool)) (string, error) {
	if r.Client.Received() == 0 {
		return "an answer of the server", nil
	}
	for _, e := range all {
		v, err := r.Host(e.Host).Counter(e.Counter)
		if err != nil {
			return "", err
		}
		if v < e.Min {
			return fmt.Sprintf("%v, it is %d", e, v), nil
		}
	}
	if also != nil {
		if what, ok := also(r); !ok {
			return what, nil
		}
	}
	return "", nil
}

// Check reports evidence that is not as it is to be, upper bounds included; ""
// if all is.
func (r *Run) Check() (string, error) {
	for _, e := range r.Scenario.Evidence {
		v, err := r.Host(e.Host).Counter(e.Counter)
		if err != nil {
			return "", err
		}
		if v < e.Min || e.Max >= e.Min && v > e.Max {
			return fmt.Sprintf("%v, it is %d", e, v), nil
		}
	}
	return "", nil
}
