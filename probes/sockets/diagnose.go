package sockets

import (
	"cmp"
	"errors"
	"slices"
	"time"

	"framescope/probes/sockdiag"
)

// Diagnose says what is wrong with the sockets of a namespace. The zero value
// looks with the defaults.
type Diagnose struct {
	// MinAge is how long something has to be so before it is said; zero is two
	// seconds.
	MinAge time.Duration
	// Between is how long after the first look at a socket comes the second, by
	// which it must not have moved; zero is half a second.
	Between time.Duration
	// Over has what is over told, too: drops that were counted before.
	Over bool
	// Filter selects the sockets that are looked at; nil is all.
	Filter *Expr
	// NoOwners leaves out the processes.
	NoOwners bool
	// Elsewhere are Listers of other namespaces, where the other end of a connection
	// may be.
	Elsewhere []*Lister
}

// A diagnosis is one run.
type diagnosis struct {
	Diagnose
	l         *Lister
	suspects  []*suspect
	counts    map[string]int
	listeners map[uint16][]*Row
	waiting   map[uint64]uint32 // connections that have waited for long, by the listener's cookie
	before    losses
	after     losses
	found     []Finding

	timeWait int
	used     map[route]*usage
}

// Run looks at the sockets of l, the worst findings first. owners, if not nil, is
// called with what was found of processes.
func (d Diagnose) Run(l *Lister, owners func(*Owners)) ([]Finding, error) {
	if d.MinAge == 0 {
		d.MinAge = 2 * time.Second
	}
	if d.Between == 0 {
		d.Between = 500 * time.Millisecond
	}
	var err error
	if d.Filter, err = d.Filter.resolve(l); err != nil {
		return nil, err
	}
	r := diagnosis{Diagnose: d, l: l, counts: map[string]int{}, listeners: map[uint16][]*Row{}, used: map[route]*usage{}, waiting: map[uint64]uint32{}}
	r.before = l.losses()
	if err = r.look(); err != nil {
		return nil, err
	}
	if len(r.suspects) > 0 {
		time.Sleep(d.Between)
		r.after = l.losses()
		r.lookAgain()
	}
	r.name(owners)
	r.halfClosed()
	r.group()
	r.pressure()
	slices.SortStableFunc(r.found, func(a, b Finding) int {
		return cmp.Or(-cmp.Compare(a.Severity, b.Severity), cmp.Compare(place(a.ID), place(b.ID)), -cmp.Compare(a.Count, b.Count))
	})
	return r.found, nil
}

func (d *diagnosis) look() error {
	const listen = sockdiag.States(1 << sockdiag.Listen)
	ext := sockdiag.ExtInfo | sockdiag.ExtSKMemInfo
	// Listeners are all looked at: they say what connections belong to.
	for r, err := range d.l.Rows(Query{Kinds: []Kind{TCP}, States: listen, Ext: ext}) {
		if err != nil {
			return err
		}
		c := r.Clone()
		d.listeners[r.Src.Port()] = append(d.listeners[r.Src.Port()], c)
		if d.Filter.Match(r) {
			d.listener(c)
		}
	}
	lo, hi := d.l.localPorts()
	for r, err := range d.l.Rows(Query{Kinds: []Kind{TCP}, States: sockdiag.AllStates &^ listen, Ext: ext, Filter: d.Filter}) {
		if err != nil {
			return err
		}
		d.count(r, lo, hi)
		d.connection(r)
	}
	for r, err := range d.l.Rows(Query{Kinds: []Kind{UDP, UDPLite}, Ext: sockdiag.ExtSKMemInfo, Filter: d.Filter}) {
		if err != nil {
			return err
		}
		if m, ok := r.MemInfo(); ok && m.Drops > 0 {
			d.suspect(&suspect{id: UDPDrops, row: r, mem: m, drops: m.Drops})
		}
	}
	var i sockdiag.MPTCPInfo
	for r, err := range d.l.Rows(Query{Kinds: []Kind{MPTCP}, States: sockdiag.AllStates &^ listen, Ext: ext, Filter: d.Filter}) {
		if err != nil {
			if errors.Is(err, sockdiag.ErrNotSupported) {
				break
			}
			return err
		}
		if r.State != sockdiag.Established || !r.MPTCPInfo(&i) {
			continue
		}
		m, _ := r.MemInfo()
		if i.Flags&sockdiag.MPTCPFallback != 0 {
			d.suspect(&suspect{id: MPTCPFallenBack, row: r, mem: m})
		}
		// What has come moves up from the subflows at once: who does not read is seen
		// here only.
		if i.LastDataRecv >= d.MinAge && r.RQueue > 0 && uint64(m.RmemAlloc)*2 >= uint64(m.RcvBuf) {
			d.suspect(&suspect{id: ReaderStuck, row: r, mem: m, age: Age{i.LastDataRecv, true}})
		}
	}
	return nil
}

// lookAgain drops those that have moved since the first look.
func (d *diagnosis) lookAgain() {
	var row Row
	var sock sockdiag.Socket
	kept := d.suspects[:0]
	for _, s := range d.suspects {
		if s.id == MPTCPFallenBack {
			kept = append(kept, s)
			continue
		}
		now := d.l.Again(s.row, &row, &sock)
		if now != nil && d.stays(s, now) {
			kept = append(kept, s)
		} else {
			d.counts[s.id]--
		}
	}
	d.suspects = kept
}

// name finds the processes and the other ends of the suspects.
func (d *diagnosis) name(owners func(*Owners)) {
	var w Wanted
	var peer Row
	var sock sockdiag.Socket
	for _, s := range d.suspects {
		p := d.l.Peer(s.row, &peer, &sock)
		for i := 0; p == nil && i < len(d.Elsewhere) && !s.row.Dst.Addr().Unmap().IsLoopback(); i++ {
			p = d.Elsewhere[i].Peer(s.row, &peer, &sock)
		}
		if p != nil {
			s.row.Other = p.Clone()
		}
		w.Add(s.row)
		if s.listen != nil {
			w.Add(s.listen)
		}
	}
	if d.NoOwners || len(d.suspects) == 0 {
		return
	}
	o := FindOwners(&w)
	if owners != nil {
		owners(o)
	}
	for _, s := range d.suspects {
		s.row.Owners = o.Append(nil, s.row.Inode)
		if s.row.Other != nil {
			s.row.Other.Owners = o.Append(nil, s.row.Other.Inode)
		}
		if s.listen != nil && s.listen.Owners == nil { // many may wait at it
			s.listen.Owners = o.Append(nil, s.listen.Inode)
		}
	}
}
