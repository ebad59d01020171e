package lab

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"framescope/mptcpctl"
	"framescope/probes/sockdiag"
)

// A seen is what a host saw of a scenario.
type seen struct {
	mu     sync.Mutex
	events []string // without times and tokens
}

// watch collects the events of a host until its lab is closed.
func watch(h *Host) (*seen, error) {
	m, err := h.MPTCP().Monitor()
	if err != nil {
		return nil, err
	}
	s := &seen{}
	h.lab.busy.Go(func() {
		defer m.Close()
		for e, err := range m.Events(h.lab.ctx) {
			if err != nil {
				return
			}
			w := e.Type.String()
			if e.Type == mptcpctl.EventListenerCreated || e.Type == mptcpctl.EventListenerClosed {
				continue
			}
			if e.Error != 0 {
				w += fmt.Sprintf(" error=%d", e.Error)
			}
			if e.ResetReason != 0 {
				w += fmt.Sprintf(" reason=%d", e.ResetReason)
			}
			if e.Flags&mptcpctl.DenyJoinID0 != 0 {
				w += " deny"
			}
			s.mu.Lock()
			s.events = append(s.events, w)
			s.mu.Unlock()
		}
	})
	return s, nil
}

func (s *seen) String() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return strings.Join(s.events, ", ")
}

// sockets says in a few words what MPTCP sockets and subflows a host has: 2 ok
// are two established subflows; half is established but not fully; syn is one
// that is not answered.
func sockets(t testing.TB, h *Host) string {
	t.Helper()
	c, err := sockdiag.Open(h.Netns())
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	var conns, fallen, ok, half, syn, backup, tcp int
	var info sockdiag.MPTCPInfo
	for s, err := range c.Inet(nil, sockdiag.Query{Protocol: sockdiag.MPTCP, Ext: sockdiag.ExtInfo}) {
		if err != nil {
			t.Fatal(err)
		}
		if s.State != sockdiag.Established {
			continue
		}
		conns++
		if s.MPTCPInfo(&info) && info.Flags&sockdiag.MPTCPFallback != 0 {
			fallen++
		}
	}
	var f sockdiag.Subflow
	for s, err := range c.Inet(nil, sockdiag.Query{Protocol: sockdiag.TCP, Ext: sockdiag.ExtInfo}) {
		if err != nil {
			t.Fatal(err)
		}
		sub := s.Subflow(&f)
		switch {
		case s.State == sockdiag.SynSent:
			syn++
		case s.State != sockdiag.Established:
		case !sub || f.TokenLoc == 0:
			tcp++
		case f.Flags&sockdiag.SubflowFullyEstablished != 0:
			ok++
		default:
			half++
		}
		if sub && f.Flags&(sockdiag.SubflowBackupLoc|sockdiag.SubflowBackupRem) != 0 {
			backup++
		}
	}
	var all []string
	for _, x := range []struct {
		n    int
		what string
	}{{conns, "conn"}, {fallen, "fallen"}, {ok, "ok"}, {half, "half"}, {syn, "syn"}, {backup, "backup"}, {tcp, "tcp"}} {
		if x.n > 0 {
			all = append(all, fmt.Sprint(x.n, " ", x.what))
		}
	}
	return strings.Join(all, ", ")
}

// started are the runs of all scenarios, which mostly wait: many at a time.
func started(ctx context.Context, all []*Scenario, each func(*Scenario, *Run, *seen, time.Duration, error)) {
	slots := make(chan bool, 10)
	var wg sync.WaitGroup
	for _, s := range all {
		wg.Go(func() {
			slots <- true
			defer func() { <-slots }()
			begin := time.Now()
			ctx, stop := context.WithCancel(ctx)
			defer stop()
			var events *seen
			watched := *s
			watched.setup = func(l *Lab) (err error) {
				if events, err = watch(l.Host("client")); err != nil || s.setup == nil {
					return err
				}
				return s.setup(l)
			}
			r, err := watched.Start(ctx)
			each(s, r, events, time.Since(begin), err)
			if r != nil {
				stop()
				r.Close()
			}
		})
	}
	wg.Wait()
}

// Without the events of every connection: created and established.
const joinless, joined = "created, established", "created, established, sub_established"

// What each scenario leaves behind: the sockets at the client and at the server,
// and the events at the client. This is the failure catalogue that was measured
// with ip-mptcp(8), ss(8) and tcpdump(8).
var left = map[string]struct{ client, server, events string }{
	"ok_subflow":             {"1 conn, 2 ok", "1 conn, 2 ok", joined},
	"ok_signal":              {"1 conn, 2 ok", "1 conn, 2 ok", "created, established, announced, sub_established"},
	"ok_fullmesh":            {"1 conn, 4 ok", "1 conn, 4 ok", "created, established, announced, sub_established, sub_established, sub_established"},
	"ok_v6":                  {"1 conn, 2 ok", "1 conn, 2 ok", joined},
	"ok_laminar":             {"1 conn, 2 ok", "1 conn, 2 ok", "created, established, announced, sub_established"},
	"ok_backup":              {"1 conn, 2 ok, 1 backup", "1 conn, 2 ok, 1 backup", joined},
	"ok_rate":                {"1 conn, 2 ok", "1 conn, 2 ok", joined},
	"ok_nat":                 {"1 conn, 2 ok", "1 conn, 2 ok", joined},
	"a_server_tcp":           {"1 conn, 1 fallen, 1 half", "1 tcp", ""},
	"a_server_disabled":      {"1 conn, 1 fallen, 1 half", "1 tcp", ""},
	"a_client_tcp":           {"1 tcp", "1 tcp", ""},
	"b_strip_all":            {"1 conn, 1 fallen, 1 half", "1 tcp", ""},
	"b_strip_router":         {"1 conn, 1 fallen, 1 half", "1 tcp", ""},
	"b_strip_synack":         {"1 conn, 1 fallen, 1 half", "1 tcp", ""},
	"b_strip_data":           {"1 conn, 1 fallen, 1 half", "1 tcp", "created"},
	"b_drop_capable":         {"1 conn, 1 fallen, 1 half, 1 tcp", "2 tcp", ""},
	"b_drop_join":            {"1 conn, 1 ok, 1 syn", "1 conn, 1 ok", joinless},
	"b_strip_join":           {"1 conn, 1 ok", "1 conn, 1 ok", "created, established, sub_closed"},
	"b_reject_join":          {"1 conn, 1 ok", "1 conn, 1 ok", "created, established, sub_closed error=111"},
	"b_drop_joinack":         {"1 conn, 1 ok, 1 half", "1 conn, 1 ok", joined},
	"c_limit_client":         {"1 conn, 1 ok", "1 conn, 1 ok", joinless},
	"c_limit_server":         {"1 conn, 1 ok", "1 conn, 1 ok", "created, established, sub_established, sub_closed"},
	"c_limit_addaddr":        {"1 conn, 1 ok", "1 conn, 1 ok", "created, established, announced"},
	"c_default_limits":       {"1 conn, 3 ok", "1 conn, 3 ok", "created, established, sub_established, sub_established"},
	"c_limit_exhausted":      {"1 conn, 1 ok, 1 syn", "1 conn, 1 ok", joinless},
	"d_signal_noroute":       {"1 conn, 1 ok", "1 conn, 1 ok", "created, established, announced"},
	"d_signal_noarp":         {"1 conn, 1 ok", "1 conn, 1 ok", "created, established, announced, sub_closed error=113"},
	"d_signal_blackhole":     {"1 conn, 1 ok, 1 syn", "1 conn, 1 ok", "created, established, announced"},
	"d_signal_private":       {"1 conn, 1 ok, 1 syn", "1 conn, 1 ok", "created, established, announced"},
	"d_addaddr_dropped":      {"1 conn, 1 ok", "1 conn, 1 ok", joinless},
	"e_wrong_dev":            {"1 conn, 1 ok, 1 syn", "1 conn, 1 ok", joinless},
	"e_no_srcroute":          {"1 conn, 1 ok, 1 syn", "1 conn, 1 ok", joinless},
	"e_no_srcroute_norpf":    {"1 conn, 2 ok", "1 conn, 2 ok", joined},
	"e_asym_return":          {"1 conn, 1 ok, 1 syn", "1 conn, 1 ok", joinless},
	"e_addr_absent":          {"1 conn, 1 ok", "1 conn, 1 ok", joinless},
	"e_link_down":            {"1 conn, 1 ok", "1 conn, 1 ok", joinless},
	"f_stale":                {"1 conn, 2 ok", "1 conn, 2 ok", joined},
	"f_link_removed":         {"1 conn, 2 ok", "1 conn, 2 ok", joined},
	"f_endpoint_removed":     {"1 conn, 1 ok", "1 conn, 1 ok", "created, established, sub_established, sub_closed"},
	"f_deny_join_id0":        {"1 conn, 1 ok", "1 conn, 1 ok", "created deny, established deny"},
	"f_wrong_backend":        {"1 conn, 1 ok", "1 conn, 1 ok", "created, established, sub_closed error=111"},
	"f_backup_failover":      {"1 conn, 2 ok, 1 backup", "1 conn, 2 ok, 1 backup", joined},
	"f_payload_corrupt":      {"1 conn, 1 ok", "1 conn, 1 ok", "created, established, sub_established, sub_closed error=104 reason=6"},
	"f_userspace_nopm":       {"1 conn, 1 ok", "1 conn, 1 ok", joinless},
	"f_server_endpoint_both": {"1 conn, 1 ok", "1 conn, 1 ok", joinless},
}

// Which links carry data, by the bytes that the client's interfaces have sent:
// the lower bound where it is more than 0, and otherwise the upper one of 2000,
// which joining and looking for neighbours stay below.
var carried = map[string][2]uint64{
	"ok_rate":             {200_000, 200_000},
	"ok_backup":           {2000, 0},
	"e_no_srcroute_norpf": {2000, 0},
	"e_no_srcroute":       {2000, 0},
	"f_backup_failover":   {2000, 8000},
	"f_stale":             {20_000, 20_000},
}

// The kernel's timers take longer where others need the processors: a scenario
// that is not as expected is run once more, with less beside it.
func TestScenarios(t *testing.T) {
	up(t, nil) // or skip
	began := time.Now()
	var mu sync.Mutex
	var again []*Scenario
	scenarios(t, Scenarios(), func(s *Scenario, format string, args ...any) {
		mu.Lock()
		defer mu.Unlock()
		t.Logf("%s: %s: once more", s.Name, fmt.Sprintf(format, args...))
		if !slices.Contains(again, s) {
			again = append(again, s)
		}
	})
	scenarios(t, again, func(s *Scenario, format string, args ...any) {
		t.Errorf("%s: %s", s.Name, fmt.Sprintf(format, args...))
	})
	t.Logf("all: %v", time.Since(began))
}

// scenarios runs scenarios, and reports what is not as expected.
func scenarios(t *testing.T, all []*Scenario, report func(*Scenario, string, ...any)) {
	started(t.Context(), all, func(s *Scenario, r *Run, e *seen, took time.Duration, err error) {
		if err != nil {
			report(s, "%v", err)
			return
		}
		want, ok := left[s.Name]
		if !ok {
			report(s, "nobody says what it leaves behind")
		}
		// Time for what must not happen.
		time.Sleep(200 * time.Millisecond)
		var client, server, events string
		for range 100 {
			client, server, events = sockets(t, r.Host("client")), sockets(t, r.Host("server")), e.String()
			if client == want.client && server == want.server && events == want.events {
				break
			}
			time.Sleep(20 * time.Millisecond)
		}
		if client != want.client || server != want.server || events != want.events {
			report(s, "client %q, want %q; server %q, want %q; events %q, want %q", client, want.client, server, want.server, events, want.events)
		}
		if bad, err := r.Check(); bad != "" || err != nil {
			report(s, "%s %v", bad, err)
		}
		if bounds, ok := carried[s.Name]; ok {
			for i, least := range bounds {
				n, err := r.Host("client").Sent(i + 1)
				if err != nil || n < least || least == 0 && n > 2000 {
					report(s, "link %d has carried %d bytes, want %d (%v)", i+1, n, least, err)
				}
			}
		}
		// That one mostly fails before it sends anything.
		if n, err := r.boxes(); (n == 0 || err != nil) && s.Name != "f_server_endpoint_both" {
			report(s, "a middlebox had nothing to do (%v)", err)
		}
		t.Logf("%-22s %4d ms", s.Name, took.Milliseconds())
	})
}

// boxes returns how much the least busy middlebox has seen, 1 if there is none.
func (r *Run) boxes() (least uint64, err error) {
	least = 1
	for _, h := range r.Hosts() {
		for _, b := range h.Middleboxes() {
			if b.Rule.Action == Masquerade {
				continue
			}
			n, err := b.Packets()
			if err != nil {
				return 0, err
			}
			least = min(least, n)
		}
	}
	return least, nil
}

// What is said of scenarios holds together.
func TestScenarioTable(t *testing.T) {
	names := map[string]bool{}
	for _, s := range Scenarios() {
		if names[s.Name] || FindScenario(s.Name) == nil || s.Shows == "" {
			t.Errorf("%s: twice, or says nothing", s.Name)
		}
		names[s.Name] = true
		if strings.HasPrefix(s.Name, "ok_") != (len(s.Expect) == 0) && s.Name != "f_endpoint_removed" {
			t.Errorf("%s: expects %v", s.Name, s.Expect)
		}
		for _, e := range s.Expect {
			if len(e.Causes) == 0 && e.Ask == "" {
				t.Errorf("%s: %s: neither a cause nor who knows it", s.Name, e.Host)
			}
		}
		for _, e := range s.Evidence {
			if mptcpctl.Meaning(e.Counter) == "" {
				t.Errorf("%s: no counter is called %s", s.Name, e.Counter)
			}
		}
	}
	if FindScenario("nonsense") != nil {
		t.Error("there is a scenario nonsense")
	}
}
