package mptcp

import (
	"strings"
	"testing"

	"framescope/mptcpctl"
	"framescope/probes/sockdiag"
)

// What counts of connections that ended.
func TestJudge(t *testing.T) {
	open := func(cookie uint64, fallback mptcpctl.Fallback) mptcpctl.Connection {
		return mptcpctl.Connection{Cookie: cookie, Fallback: fallback, State: sockdiag.Established}
	}
	const good, bad = mptcpctl.NoFallback, mptcpctl.FallbackHandshake
	many := func(n int) (all []mptcpctl.Connection) {
		for i := range n {
			all = append(all, open(uint64(i+1), good))
		}
		return all
	}
	type look = []mptcpctl.Connection
	for _, tt := range []struct {
		name    string
		looks   []look
		ok, any bool
		reason  string
	}{
		{"none", []look{{}}, false, false, "no MPTCP connection was seen"},
		{"good", []look{{open(1, good)}}, true, true, ""},
		{"good, and gone", []look{{open(1, good)}, {}}, false, true, "none is open"},
		{"good, gone, and another", []look{{open(1, good)}, {open(2, good)}}, true, true, ""},
		{"fallback at its end", []look{{open(1, good), open(2, good)}, {open(1, bad), open(2, good)}, {open(2, good)}}, false, true, "1 connection ended"},
		{"bad", []look{{open(1, good), open(2, bad)}}, false, true, "no-fallback"},
		{"bad, and gone", []look{{open(1, good), open(2, bad)}, {open(1, good)}}, false, true, "1 connection ended"},
		{"too many", []look{append(many(maxTracked), open(maxTracked+1, bad))}, false, true, "1 connection could not be looked at"},
		{"as many again", []look{many(maxTracked), {open(maxTracked+1, good)}}, true, true, ""},
		{"as many bad ones, gone", []look{{open(maxTracked+9, bad)}, many(maxTracked)}, false, true, "1 connection ended"},
	} {
		for _, any := range []bool{false, true} {
			j := judge{e: &Expectation{NoFallback: true, AnyOf: any}, seen: make(map[uint64]*tracked)}
			var ok bool
			var reason string
			for _, l := range tt.looks {
				j.look(&mptcpctl.Snapshot{Connections: l})
				ok, reason = j.verdict()
			}
			want := tt.ok
			if any {
				want = tt.any
			}
			if ok != want || !any && !strings.Contains(reason, tt.reason) {
				t.Errorf("%s, any %v: %v %q, expected %v", tt.name, any, ok, reason, want)
			}
		}
	}
}
