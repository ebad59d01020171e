package mptcp

import (
	"fmt"
	"slices"
	"time"

	"framescope/mptcpctl"
)

// maxTracked bounds the connections that are followed.
const maxTracked = 4096

// A judge follows connections.
type judge struct {
	e     *Expectation
	seen  map[uint64]*tracked
	order []uint64
	round int
	// unseen is how many connections the last look had no room for, forgotten how
	// many that were not as expected were dropped since they ended.
	unseen, forgotten int
}

// tracked is a connection since it was seen first.
type tracked struct {
	// first is what each subflow had counted when it was seen first, by cookie.
	first map[uint64]counts
	begin time.Time
	last  Checked
	// good is how it was when it was as expected; nil: it never was.
	good  *Checked
	round int
}

type counts struct{ acked, received, retrans uint64 }

// look notes what there is now.
func (j *judge) look(s *mptcpctl.Snapshot) {
	j.round++
	j.unseen = 0
	if len(j.seen)+len(s.Connections) > maxTracked {
		j.forget(s)
	}
	for i := range s.Connections {
		c := s.Connections[i]
		c.Subflows = slices.Clone(c.Subflows)
		t := j.seen[c.Cookie]
		if t == nil {
			if len(j.seen) == maxTracked {
				j.unseen++
				continue
			}
			t = &tracked{first: make(map[uint64]counts), begin: s.Time}
			j.seen[c.Cookie] = t
			j.order = append(j.order, c.Cookie)
			for k := range c.Subflows {
				f := &c.Subflows[k]
				t.first[f.Cookie] = counts{f.Delivered(), f.BytesReceived, f.BytesRetrans}
			}
		}
		t.round = j.round
		for k := range c.Subflows {
			f := &c.Subflows[k]
			// A subflow that came later began at nothing.
			was := t.first[f.Cookie]
			f.Over = s.Time.Sub(t.begin)
			f.Acked, f.Received = f.Delivered()-min(was.acked, f.Delivered()), f.BytesReceived-min(was.received, f.BytesReceived)
			f.Retransmitted = f.BytesRetrans - min(was.retrans, f.BytesRetrans)
		}
		if t.last = j.e.check(&c); t.last.OK {
			good := t.last
			t.good = &good
		}
	}
}

// ended reports whether a connection that is gone was as expected, but for how
// its subflows were closed. Falling back is no way to close.
func (t *tracked) ended() bool { return t.good != nil && !t.last.failing("no-fallback") }

// forget drops connections that ended.
func (j *judge) forget(s *mptcpctl.Snapshot) {
	open := make(map[uint64]bool, len(s.Connections))
	for i := range s.Connections {
		open[s.Connections[i].Cookie] = true
	}
	j.order = slices.DeleteFunc(j.order, func(k uint64) bool {
		if open[k] {
			return false
		}
		if !j.seen[k].ended() {
			j.forgotten++
		}
		delete(j.seen, k)
		return true
	})
}

// verdict says whether it is as expected now, and if not why.
func (j *judge) verdict() (bool, string) {
	// Of those that ended, passed were as expected once, and ended never.
	alive, passed, failed, ended := 0, 0, 0, j.forgotten
	var reason string
	for _, k := range j.order {
		t := j.seen[k]
		gone := t.round != j.round
		if gone && t.ended() {
			t.last = *t.good // what came after was its end
		}
		t.last.Ended = gone
		switch {
		case t.last.OK && !gone:
			alive++
		case t.last.OK:
			passed++
		case gone:
			ended++
		default:
			failed++
		}
		if !t.last.OK && (reason == "" || !gone) {
			for _, c := range t.last.Checks {
				if !c.OK {
					reason = fmt.Sprintf("%s: expected %s, found %s", c.Name, c.Want, c.Have)
					break
				}
			}
		}
	}
	switch {
	case j.e.AnyOf && alive+passed > 0:
		return true, ""
	case alive+passed+failed+ended == 0:
		return false, "no MPTCP connection was seen"
	case failed > 0:
		return false, reason
	case j.unseen > 0:
		return false, plural(int64(j.unseen), "connection") + " could not be looked at, beside " + plural(maxTracked, "other") + ": choose with --dst or --src"
	case ended > 0:
		return false, plural(int64(ended), "connection") + " ended before being as expected; " + reason
	case alive > 0:
		return true, ""
	case passed > 0:
		return false, "all connections ended: none is open that could be as expected"
	}
	return false, reason
}

func (j *judge) checked() (all []Checked) {
	for _, k := range j.order {
		all = append(all, j.seen[k].last)
	}
	return all
}

// check compares one connection with what is expected.
func (e *Expectation) check(c *conn) Checked {
	k := Checked{Connection: *c, OK: true}
	add := func(check Check) {
		if check.Evidence == nil {
			check.Evidence = []string{}
		}
		k.OK = k.OK && check.OK
		k.Checks = append(k.Checks, check)
	}
	if e.NoFallback {
		have := "MPTCP"
		var seen []string
		if c.Fallback != mptcpctl.NoFallback {
			have = "plain TCP (" + c.Fallback.String() + ")"
			seen = []string{name(c)}
		}
		add(Check{"no-fallback", c.Fallback == mptcpctl.NoFallback, "MPTCP", have, seen})
	}
	if e.Subflows > 0 {
		n, silent := c.Established(), 0
		for i := range c.Subflows {
			if s := &c.Subflows[i]; s.Established() && s.Silent() {
				silent++
			}
		}
		n -= silent
		have := fmt.Sprintf("%d", n)
		if silent > 0 {
			have += fmt.Sprintf(", and %d that no answer comes to", silent)
		}
		add(Check{"subflows", n >= e.Subflows, fmt.Sprintf("%d or more established", e.Subflows), have, states(c)})
	}
	if e.DistinctLinks {
		n := c.Links()
		var seen []string
		for i := range c.Subflows {
			if s := &c.Subflows[i]; s.Established() {
				seen = append(seen, fmt.Sprintf("ip route get %v from %v: dev %s%s", s.Remote.Addr(), s.Local.Addr(), s.Path.Dev, s.Path.Err))
			}
		}
		add(Check{"distinct-links", n >= e.links(), fmt.Sprintf("%d links or more", e.links()), fmt.Sprintf("%d", n), seen})
	}
	if e.Carrying > 0 {
		n := 0
		var total uint64
		for i := range c.Subflows {
			total += c.Subflows[i].Moved()
		}
		var seen []string
		for i := range c.Subflows {
			s := &c.Subflows[i]
			share := 0.0
			if total > 0 {
				share = float64(s.Moved()) / float64(total)
			}
			text := fmt.Sprintf("%.1f%%, %d bytes by %s: %s", share*100, s.Moved(), s.Path.Dev, pair(s))
			switch {
			case s.Backup():
				text += ", backup"
			case s.Established() && total >= e.MinBytes && share >= e.MinShare:
				n++
			}
			seen = append(seen, text)
		}
		have := fmt.Sprintf("%d", n)
		if total < e.MinBytes {
			have = fmt.Sprintf("%d bytes moved, which is too little to tell", total)
		}
		add(Check{"carrying", n >= e.Carrying, fmt.Sprintf("%d or more with at least %.0f%% of the bytes each", e.Carrying, e.MinShare*100), have, seen})
	}
	if e.Checksum {
		have := "off"
		if c.Info.CsumEnabled {
			have = "on"
		}
		add(Check{"checksum", c.Info.CsumEnabled, "on", have, nil})
	}
	if e.MaxRTT > 0 {
		var worst time.Duration
		var seen []string
		for i := range c.Subflows {
			if s := &c.Subflows[i]; s.Established() {
				worst = max(worst, s.RTT)
				seen = append(seen, fmt.Sprintf("%s by %s: %v", pair(s), s.Path.Dev, s.RTT))
			}
		}
		add(Check{"max-rtt", worst <= e.MaxRTT && len(seen) > 0, e.MaxRTT.String() + " or less", worst.String(), seen})
	}
	return k
}

// states says how each subflow is.
func states(c *conn) (all []string) {
	for i := range c.Subflows {
		s := &c.Subflows[i]
		text := s.State.String()
		switch {
		case s.Established() && s.Silent():
			text = "established, and silent: no answer comes"
		case s.Established():
			text = "established"
		case text == "ESTABLISHED":
			text = "established here, not confirmed by the peer"
		}
		if s.Backup() {
			text += ", backup"
		}
		if s.Retransmits > 0 {
			text += ", sent again " + plural(int64(s.Retransmits), "time")
		}
		all = append(all, pair(s)+": "+text)
	}
	return all
}

// failing reports whether a check of that name failed for a connection.
func (k *Checked) failing(names ...string) bool {
	return slices.ContainsFunc(k.Checks, func(c Check) bool { return !c.OK && slices.Contains(names, c.Name) })
}
