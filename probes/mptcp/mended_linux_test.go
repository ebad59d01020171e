package mptcp

import (
	"context"
	"net/netip"
	"strings"
	"testing"
	"time"

	"framescope/decode/finding"
	"framescope/mptcpctl"
	"framescope/probes/lab"
)

// What is said after something was mended, or of what needs more than one look.
func TestAdvice(t *testing.T) {
	limit := func(n uint32) func(*lab.Host) error {
		return func(h *lab.Host) error {
			return h.MPTCP().SetLimits(mptcpctl.LimitsChange{Subflows: &n})
		}
	}
	nobody := mptcpctl.Selector{Remote: mptcpctl.AddrMatch{Prefix: netip.MustParsePrefix("192.0.2.1/32")}}
	tests := []struct {
		scenario, host string
		first          func(*lab.Host) error
		selector       mptcpctl.Selector
		id             string
		severity       finding.Severity
		says, hides    []string // in all that is said
	}{
		{scenario: "f_userspace_nopm", host: "client", first: func(h *lab.Host) error { return h.SetSysctl("net.mptcp.path_manager", "kernel") },
			id: IDUserspacePM, severity: finding.Warning, says: []string{"another path manager", "reconnect"}, hides: []string{"limits set"}},
		{scenario: "c_limit_client", host: "client", id: IDLimitLocal, severity: finding.Warning, says: []string{"limits set subflows 1", mptcpctl.Reconnect}},
		{scenario: "c_limit_client", host: "client", first: limit(4), id: IDSinglePath, severity: finding.Note,
			says: []string{"endpoint 10.77.2.1 id 1 subflow dev c2 exists, and this connection did not try it", "endpoint delete id 1"}, hides: []string{"add ADDRESS"}},
		{scenario: "c_limit_server", host: "server", id: IDLimitLocal, severity: finding.Warning, says: []string{"limits set subflows 8"}},
		{scenario: "c_limit_server", host: "server", first: limit(8), id: IDLimitLocal, severity: finding.Note,
			says: []string{"the limit is 8 now", "counted before"}, hides: []string{"limits set"}},
		{scenario: "c_limit_server", host: "client", id: IDLimitPeer, severity: finding.Warning, hides: []string{"limits set"}},
		{scenario: "f_server_endpoint_both", host: "server", id: IDEndpointUnused, severity: finding.Warning, hides: []string{IDNoSourceRoute}},
		{scenario: "d_signal_private", host: "client", id: IDJoinUnanswered, severity: finding.Error, says: []string{"tcp port 8000 or tcp port 9000"}},
		{scenario: "a_server_disabled", host: "server", id: IDDisabled, severity: finding.Error, says: []string{"restart programs that listen"}},
		{scenario: "e_addr_absent", host: "client", id: IDEndpointAbsent, severity: finding.Error, says: []string{"endpoint delete id 1   # if no"}},
		{scenario: "e_asym_return", host: "client", id: IDJoinUnanswered, severity: finding.Error,
			says: []string{"fix  ip route get 10.77.2.1 from 10.77.1.2   # at the peer"}},
		{scenario: "ok_subflow", host: "client", selector: nobody, id: IDNoConnection, severity: finding.Warning, says: []string{"1 other is open"}},
	}
	all := make([]*lab.Scenario, len(tests))
	for i, tt := range tests {
		if all[i] = lab.FindScenario(tt.scenario); all[i] == nil {
			t.Fatalf("there is no scenario %s", tt.scenario)
		}
	}
	found := trials(all, func(i int, _ *lab.Run, h *lab.Host) ([]Finding, error) {
		tt := &tests[i]
		if h.Name != tt.host {
			return nil, nil
		}
		if tt.first != nil {
			if err := tt.first(h); err != nil {
				return nil, err
			}
		}
		o, err := Observe(context.Background(), h.MPTCP(), Config{For: 700 * time.Millisecond, Namespace: h.Netns(), Selector: tt.selector})
		if err != nil {
			return nil, err
		}
		return Diagnose(o), nil
	})
	for i, tt := range tests {
		t.Run(tt.scenario+"-"+tt.host, func(t *testing.T) {
			root(t, found[i].err)
			got := found[i].hosts[tt.host]
			said := text(got)
			if len(got) == 0 || got[0].ID != tt.id || got[0].Severity != tt.severity {
				t.Errorf("expected %v %s first:%s", tt.severity, tt.id, said)
			}
			for _, s := range tt.says {
				if !strings.Contains(said, s) {
					t.Errorf("no %q in%s", s, said)
				}
			}
			for _, s := range tt.hides {
				if strings.Contains(said, s) {
					t.Errorf("%q in%s", s, said)
				}
			}
		})
	}
}

// A subflow that gets no answer is none that is there.
func TestVerifySilent(t *testing.T) {
	r, err := lab.FindScenario("f_stale").Start(t.Context())
	root(t, err)
	defer r.Close()
	h := r.Host("client")
	for range 20 {
		v, err := Verify(t.Context(), h.MPTCP(), Config{Namespace: h.Netns()}, Expectation{Subflows: 2, Within: 300 * time.Millisecond})
		if err != nil {
			t.Fatal(err)
		}
		if v.OK {
			time.Sleep(250 * time.Millisecond) // its timer has to run down twice
			continue
		}
		if len(v.Findings) == 0 || v.Findings[0].ID != IDStale || !strings.Contains(v.Reason, "1, and 1 that no answer comes to") {
			t.Errorf("%s%s", v.Reason, text(v.Findings))
		}
		return
	}
	t.Error("2 subflows, one of which gets no answer, are as expected")
}
