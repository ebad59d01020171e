package mptcp

import (
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"framescope/decode/finding"
	"framescope/mptcpctl"
	"framescope/probes/lab"
)

// atOnce is how many labs are up at a time: most of what they do is waiting.
const atOnce = 10

// A trial is what was found in a lab, by host.
type trial[T any] struct {
	err   error
	hosts map[string]T
}

// trials brings scenarios up side by side, whatever the number of processors,
// and looks at all their hosts.
func trials[T any](all []*lab.Scenario, look func(int, *lab.Run, *lab.Host) (T, error)) []trial[T] {
	slots := make(chan struct{}, atOnce)
	out := make([]trial[T], len(all))
	done := make(chan struct{})
	for i, s := range all {
		go func() {
			defer func() { done <- struct{}{} }()
			slots <- struct{}{}
			defer func() { <-slots }()
			r, err := s.Start(context.Background())
			if errors.Is(err, context.DeadlineExceeded) {
				r, err = s.Start(context.Background()) // other tests had the processors
			}
			if err != nil {
				out[i].err = err
				return
			}
			defer r.Close()
			out[i].hosts = make(map[string]T)
			for _, h := range r.Hosts() {
				found, err := look(i, r, h)
				if err != nil {
					out[i].err = fmt.Errorf("%s: %w", h.Name, err)
					return
				}
				out[i].hosts[h.Name] = found
			}
		}()
	}
	for range all {
		<-done
	}
	return out
}

func root(t *testing.T, err error) {
	t.Helper()
	if errors.Is(err, os.ErrPermission) {
		t.Skip("making network namespaces needs CAP_SYS_ADMIN")
	}
	if err != nil {
		t.Fatal(err)
	}
}

func text(all []Finding) string {
	var b strings.Builder
	for _, f := range all {
		fmt.Fprintf(&b, "\n  %v %s: %s\n    seen %s\n    fix  %s\n    elsewhere %s", f.Severity, f.ID, f.Detail,
			strings.Join(f.Evidence, "\n         "), strings.Join(f.Fix, "\n         "), f.Elsewhere)
	}
	return b.String()
}

// Diagnose names the cause of each scenario on the hosts where it can be known,
// says where to look where it is not all known, and finds nothing where nothing
// is wrong.
func TestDiagnose(t *testing.T) {
	all := lab.Scenarios()
	expected := func(s *lab.Scenario, host string) (e lab.Expect) {
		for _, e := range s.Expect {
			if e.Host == host {
				return e
			}
		}
		return e
	}
	found := trials(all, func(_ int, r *lab.Run, h *lab.Host) ([]Finding, error) {
		cfg := Config{For: 700 * time.Millisecond, Namespace: h.Netns()}
		if slices.Contains(expected(r.Scenario, h.Name).Causes, IDAppPlainTCP) {
			// Who does not say which TCP connection should have been MPTCP is told
			// nothing of it.
			if cfg.Selector.Remote.Port = lab.Port; h.Name == "server" {
				cfg.Selector.Local, cfg.Selector.Remote = cfg.Selector.Remote, cfg.Selector.Local
			}
		}
		o, err := Observe(context.Background(), h.MPTCP(), cfg)
		if err != nil {
			return nil, err
		}
		return Diagnose(o), nil
	})
	for i, s := range all {
		t.Run(s.Name, func(t *testing.T) {
			root(t, found[i].err)
			for host, got := range found[i].hosts {
				want := expected(s, host)
				fine := strings.HasPrefix(s.Name, "ok_")
				for _, f := range got {
					// A note is about what is worth knowing here, or to be found elsewhere.
					if fine || len(want.Causes) == 0 && f.Severity != finding.Note {
						t.Errorf("%s: expected no %s", host, f.ID)
					}
					if _, known := Catalogue(f.ID); !known || f.Detail == "" || len(f.Evidence) == 0 {
						t.Errorf("%s: %+v is not complete", host, f)
					}
				}
				for _, id := range want.Causes {
					n := slices.IndexFunc(got, func(f Finding) bool { return f.ID == id })
					if n < 0 {
						t.Errorf("%s: expected %s", host, id)
					} else if len(got[n].Fix) == 0 {
						t.Errorf("%s: %s has no fix", host, id)
					}
				}
				// Where another host knows more, or all of it, it is said so. Two links at
				// the server say nothing of the client's one.
				if want.Ask != "" && (s.Name != "e_no_srcroute_norpf" || len(want.Causes) > 0) && !slices.ContainsFunc(got, func(f Finding) bool { return f.Elsewhere != "" }) {
					t.Errorf("%s: expected to be told where to look: %s", host, want.Ask)
				}
				t.Logf("%s:%s", host, text(got))
			}
		})
	}
}

// A connection that is opened while it is being verified is looked at as one that
// was there before.
func TestVerifyLate(t *testing.T) {
	r, err := lab.FindScenario("e_addr_absent").Start(t.Context())
	root(t, err)
	defer r.Close()
	h := r.Host("client")
	r.Client.Close()
	go func() {
		time.Sleep(300 * time.Millisecond)
		_, _ = h.Connect(context.Background(), lab.ConnectConfig{To: r.Server.Addr(1)})
	}()
	v, err := Verify(t.Context(), h.MPTCP(), Config{Namespace: h.Netns()}, Expectation{Subflows: 2, Within: 2500 * time.Millisecond})
	if err != nil {
		t.Fatal(err)
	}
	if v.OK || len(v.Findings) == 0 || v.Findings[0].ID != IDEndpointAbsent || !slices.ContainsFunc(v.Findings[0].Evidence, func(e string) bool { return strings.HasSuffix(e, "no subflow from it") }) {
		t.Errorf("%v %s%s", v.OK, v.Reason, text(v.Findings))
	}
	// It ends: then there is none that is as expected.
	v, err = Verify(t.Context(), h.MPTCP(), Config{Namespace: h.Netns(), Selector: mptcpctl.Selector{Token: 1}}, Expectation{Within: 300 * time.Millisecond})
	if err != nil || v.OK || v.Findings[0].ID != IDNoConnection || !strings.Contains(v.Findings[0].Detail, "--token 00000001") {
		t.Errorf("%+v, %v", v, err)
	}
}

// What is expected, what the verdict is, and which cause comes first.
func TestVerify(t *testing.T) {
	two := Expectation{Subflows: 2, Carrying: 2, DistinctLinks: true, NoFallback: true, Within: 3 * time.Second}
	tests := []struct {
		scenario string
		expect   Expectation
		host     string
		fails    string // the check that fails first, or nothing
		cause    string // the first finding
	}{
		{"ok_rate", two, "client", "", ""},
		{"ok_rate", two, "server", "", ""},
		{"ok_rate", Expectation{MaxRTT: time.Nanosecond, Within: time.Second}, "client", "max-rtt", ""},
		{"ok_rate", Expectation{Checksum: true, Within: time.Second}, "client", "checksum", ""},
		{"ok_subflow", Expectation{Subflows: 3, Within: time.Second}, "client", "subflows", ""},
		{"ok_subflow", Expectation{Subflows: 2, MaxRTT: time.Second, DistinctLinks: true}, "client", "", ""},
		{"ok_subflow", Expectation{Carrying: 2, Within: 2 * time.Second}, "client", "carrying", IDSinglePath},
		{"ok_fullmesh", Expectation{Subflows: 4, NoFallback: true, Within: 3 * time.Second}, "client", "", ""},
		{"f_payload_corrupt", Expectation{Checksum: true}, "client", "", ""},
		{"e_no_srcroute_norpf", two, "client", "distinct-links", IDSharedCable},
		{"e_no_srcroute_norpf", Expectation{Subflows: 2, DistinctLinks: true, Within: time.Second}, "client", "distinct-links", IDSharedCable},
		{"ok_backup", two, "client", "carrying", IDBackupOnly},
		{"b_drop_join", two, "client", "subflows", IDJoinUnanswered},
		{"b_drop_joinack", two, "client", "subflows", IDJoinIncomplete},
		{"c_limit_server", two, "client", "subflows", IDLimitPeer},
		{"c_limit_addaddr", two, "client", "subflows", IDLimitAddr},
		{"e_addr_absent", two, "client", "subflows", IDEndpointAbsent},
		{"a_server_tcp", two, "client", "no-fallback", IDFallbackSYNACK},
		{"b_strip_data", two, "client", "no-fallback", IDFallbackData},
		{"b_drop_capable", two, "client", "no-fallback", IDBlackhole},
		{"a_client_tcp", two, "client", "", IDAppPlainTCP},
		{"b_strip_all", two, "server", "", IDAppPlainTCP},
	}
	all := make([]*lab.Scenario, len(tests))
	for i, tt := range tests {
		if all[i] = lab.FindScenario(tt.scenario); all[i] == nil {
			t.Fatalf("there is no scenario %s", tt.scenario)
		}
	}
	verdicts := trials(all, func(i int, _ *lab.Run, h *lab.Host) (*Verdict, error) {
		if h.Name != tests[i].host {
			return nil, nil
		}
		cfg := Config{Namespace: h.Netns()}
		if cfg.Selector.Remote.Port = lab.Port; h.Name == "server" {
			cfg.Selector.Local, cfg.Selector.Remote = cfg.Selector.Remote, cfg.Selector.Local
		}
		return Verify(context.Background(), h.MPTCP(), cfg, tests[i].expect)
	})
	for i, tt := range tests {
		t.Run(fmt.Sprintf("%s-%s-%d", tt.scenario, tt.host, i), func(t *testing.T) {
			root(t, verdicts[i].err)
			v := verdicts[i].hosts[tt.host]
			fails, cause := "", ""
			for _, k := range v.Checked {
				for _, c := range k.Checks {
					if !c.OK && fails == "" {
						fails = c.Name
					}
				}
			}
			if len(v.Findings) > 0 {
				cause = v.Findings[0].ID
			}
			if v.OK != (tt.fails == "" && tt.cause == "") || fails != tt.fails || cause != tt.cause || v.OK != (v.Reason == "") {
				t.Errorf("ok %v, %q fails, cause %q, %q; expected %q, %q%s", v.OK, fails, cause, v.Reason, tt.fails, tt.cause, text(v.Findings))
			}
			t.Logf("%v %s%s", v.Took, v.Reason, text(v.Findings))
		})
	}
}
