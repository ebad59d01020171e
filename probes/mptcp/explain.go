package mptcp

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"

	"framescope/mptcpctl"
)

// explains are the findings that can be the cause of a failed check.
var explains = map[string][]string{
	"connection":  {IDDisabled, IDAppPlainTCP, IDBlackhole, IDNoConnection},
	"no-fallback": {IDBlackhole, IDFallbackSYNACK, IDFallbackData, IDFallbackInfinite, IDSYNDropped, IDFallbackLocal, IDAppPlainTCP, IDDisabled, IDChecksum, IDMappingConflict},
	"subflows": {IDEndpointAbsent, IDEndpointLinkDown, IDEndpointWrongDev, IDNoSourceRoute, IDUserspacePM, IDJoinUnanswered, IDJoinIncomplete, IDJoinStripped,
		IDJoinRefused, IDDenyJoin, IDLimitExhausted, IDLimitLocal, IDLimitPeer, IDLimitAddr, IDAddrUnused,
		IDJoinUnknownToken, IDJoinHMAC, IDRPFilter, IDChecksum, IDEndpointUnused, IDEndpointLimit, IDStale},
	"carrying":       {IDBackupOnly, IDStale, IDSinglePath},
	"distinct-links": {IDSharedCable, IDNoSourceRoute},
	"max-rtt":        {IDStale},
}

// unrelated is the rank of a finding that explains no failed check.
const unrelated = 1 << 16

// explain chooses the findings that can be why it is not as expected, those that
// fit the first failed check first.
func (j *judge) explain(o *Observation) []Finding {
	d := &diagnosis{o: o, all: Diagnose(o)}
	for _, k := range j.order {
		if t := j.seen[k]; !t.last.OK && t.round == j.round {
			d.unused(&t.last, j.e)
		}
	}
	if len(j.order) == 0 && o.Now.Plain.Count == 0 && !d.has(IDNoConnection) {
		d.add(Finding{ID: IDNoConnection, Detail: "no MPTCP connection was open", Evidence: []string{"the sockets of the namespace were listed"}, Fix: []string{"start the program, and give the test more time: --within", "is MPTCP asked for? framescope mptcp show lists what there is"}})
	}
	failing := make(map[string]bool)
	if len(j.order) == 0 {
		failing["connection"] = true
	}
	for _, k := range j.order {
		t := j.seen[k]
		if t.last.Connection.Fallback != mptcpctl.NoFallback {
			failing["no-fallback"] = true
		}
		for _, c := range t.last.Checks {
			if !c.OK {
				failing[c.Name] = true
			}
		}
	}
	// The first of these is the cause of the others.
	var failed []string
	for _, name := range []string{"connection", "no-fallback", "subflows", "distinct-links", "carrying", "max-rtt"} {
		if failing[name] {
			failed = append(failed, name)
		}
	}
	if !failing["subflows"] && (failing["carrying"] || failing["distinct-links"]) {
		failed = append(failed, "subflows") // one that is not there carries nothing
	}
	rank := func(id string) int {
		for i, name := range failed {
			if at := slices.Index(explains[name], id); at >= 0 {
				return i<<8 + at
			}
		}
		return unrelated
	}
	all := slices.DeleteFunc(d.all, func(f Finding) bool { return rank(f.ID) == unrelated })
	slices.SortStableFunc(all, func(a, b Finding) int { return rank(a.ID) - rank(b.ID) })
	return all
}

// unused says why subflows that are established carry nothing.
func (d *diagnosis) unused(k *Checked, e *Expectation) {
	c := &k.Connection
	if !k.failing("carrying") || c.Fallback != mptcpctl.NoFallback {
		return
	}
	var total, most uint64
	var seen []string
	backups, busy, open := 0, 0, 0
	var from []netip.Addr
	for i := range c.Subflows {
		s := &c.Subflows[i]
		if !s.Established() {
			continue
		}
		total += s.Moved()
		most = max(most, s.Moved())
		if s.Backup() {
			backups++
			from = append(from, s.Local.Addr())
			seen = append(seen, fmt.Sprintf("%s: flags %q, %d bytes moved", pair(s), s.Flags, s.Moved()))
			continue
		}
		open++
		if s.Moved() > 0 {
			busy++
		}
		seen = append(seen, fmt.Sprintf("%s by %s: %d bytes moved, rtt %v, waiting %d bytes", pair(s), s.Path.Dev, s.Moved(), s.RTT, s.WQueue))
	}
	switch {
	case open+backups < 2:
	case open < e.Carrying && backups > 0:
		var fix []string
		for _, p := range d.o.Facts.Endpoints {
			if p.Flags&mptcpctl.Backup != 0 {
				fix = append(fix, d.command("ip mptcp endpoint change id %d nobackup", p.ID))
			}
		}
		if fix == nil {
			fix = []string{"ip mptcp endpoint change id ID nobackup   # at the peer"}
		}
		d.add(Finding{ID: IDBackupOnly, Token: c.Token, Detail: fmt.Sprintf("%d of %d established subflows are backups (%s), which carry nothing while another one works", backups, open+backups, list(from)), Evidence: seen, Fix: fix})
	case open >= 2 && total >= e.MinBytes:
		d.add(Finding{
			ID: IDSinglePath, Token: c.Token, Detail: fmt.Sprintf("%d subflows are established, and one of them carried %.1f%% of %d bytes", open, float64(most)/float64(max(total, 1))*100, total), Evidence: seen,
			Fix: []string{"more data at once: one path is enough for what is sent, and the scheduler takes the fastest first", d.command("sysctl net.mptcp.scheduler") + "   # shows which scheduler it is"},
		})
	case open >= 2:
		d.add(Finding{
			ID: IDSinglePath, Token: c.Token, Detail: fmt.Sprintf("only %d bytes were moved while this was observed", total), Evidence: seen,
			Fix: []string{"let data flow while it is verified, or give it more time: --within"},
		})
	}
}

func list(all []netip.Addr) string {
	var words []string
	for _, a := range all {
		words = append(words, a.String())
	}
	return strings.Join(words, ", ")
}
