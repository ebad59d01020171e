package mptcp

import (
	"context"
	"time"

	"framescope/mptcpctl"
)

// An Expectation is what shall be true of connections. What is zero is not
// asked, but there has to be a connection.
type Expectation struct {
	// Subflows is how many subflows shall be established, at both ends.
	Subflows int
	// Carrying is how many subflows that are no backups shall carry data: each at
	// least MinShare of what the connection moves while it is observed.
	Carrying int
	// MinShare is from 0 to 1; zero stands for DefaultMinShare.
	MinShare float64
	// MinBytes is what the connection has to move before shares count; zero stands
	// for DefaultMinBytes.
	MinBytes uint64
	// DistinctLinks: as many links as Carrying or Subflows say, at least two, are
	// used by established subflows.
	DistinctLinks bool
	// NoFallback: the connection is MPTCP still.
	NoFallback bool
	// Checksum: data has checksums (DSS).
	Checksum bool
	// MaxRTT bounds the smoothed round-trip time of all established subflows.
	MaxRTT time.Duration
	// AnyOf: one connection is enough. Without it, all that are open at the end
	// have to be as expected, and one at least; those that ended were so once.
	AnyOf bool
	// Within is how long to wait for it; zero stands for DefaultWithin.
	Within time.Duration
}

// The defaults of an Expectation.
const (
	DefaultMinShare = 0.1
	DefaultMinBytes = 32 << 10
	DefaultWithin   = 10 * time.Second
)

// lookEvery is the time between two looks.
const lookEvery = 200 * time.Millisecond

// A Verdict says whether an expectation was met, and why not.
type Verdict struct {
	OK bool
	// Reason says in a sentence why not; it is empty if OK.
	Reason string
	// Begin is when the observation began, Took how long it was.
	Begin time.Time
	Took  time.Duration
	// Checked are the connections that were looked at.
	Checked []Checked
	// Findings are the causes that were recognised. If OK, there are none.
	Findings []Finding
}

// Checked is a connection and what was found of it.
type Checked struct {
	Connection mptcpctl.Connection
	OK         bool
	// Ended: it was closed before the end.
	Ended  bool
	Checks []Check
}

// A Check is one part of an expectation.
type Check struct {
	// Name is that of the flag: "subflows", "carrying", "distinct-links",
	// "no-fallback", "checksum" or "max-rtt".
	Name string `json:"name"`
	OK   bool   `json:"ok"`
	Want string `json:"want"`
	Have string `json:"have"`
	// Evidence is what Have was made of.
	Evidence []string `json:"evidence"`
}

// Verify observes connections until they are as expected, or until the time is
// over. The Config's For does not count.
func Verify(ctx context.Context, c *mptcpctl.Conn, cfg Config, e Expectation) (*Verdict, error) {
	e.defaults()
	ctx, cancel := context.WithTimeout(ctx, e.Within)
	defer cancel()
	w, err := newWatch(c, cfg)
	if err != nil {
		return nil, err
	}
	v := &Verdict{Begin: w.begin}
	j := judge{e: &e, seen: make(map[uint64]*tracked)}
	tick := time.NewTicker(lookEvery)
	defer tick.Stop()
	for done := false; !done; {
		j.look(w.now)
		if v.OK, v.Reason = j.verdict(); v.OK {
			break
		}
		select {
		case <-ctx.Done():
			done = true
		case <-tick.C:
		}
		if err := w.look(nil); err != nil {
			return nil, err
		}
		if done {
			j.look(w.now)
			v.OK, v.Reason = j.verdict()
		}
	}
	v.Took = time.Since(w.begin)
	v.Checked = j.checked()
	v.owners(cfg.Owners)
	if v.OK {
		return v, nil
	}
	o, err := w.finish()
	if err != nil {
		return nil, err
	}
	v.Findings = j.explain(o)
	if len(v.Findings) > 0 && v.Findings[0].ID != IDNoConnection {
		v.Reason += ": " + v.Findings[0].Detail
	}
	return v, nil
}

// owners finds out who holds the connections.
func (v *Verdict) owners(f mptcpctl.OwnerFinder) {
	if f == nil || len(v.Checked) > mptcpctl.DefaultMaxOwned {
		return
	}
	inodes := make(map[uint32]mptcpctl.Owner, len(v.Checked))
	for i := range v.Checked {
		if n := v.Checked[i].Connection.Inode; n != 0 && !v.Checked[i].Ended {
			inodes[n] = mptcpctl.Owner{}
		}
	}
	f.FindOwners(inodes)
	for i := range v.Checked {
		v.Checked[i].Connection.Owner = inodes[v.Checked[i].Connection.Inode]
	}
}

func (e *Expectation) defaults() {
	if e.MinShare == 0 {
		e.MinShare = DefaultMinShare
	}
	if e.MinBytes == 0 {
		e.MinBytes = DefaultMinBytes
	}
	if e.Within == 0 {
		e.Within = DefaultWithin
	}
}

// links is how many links DistinctLinks asks for.
func (e *Expectation) links() int { return max(2, min(max(e.Carrying, e.Subflows), 16)) }
