package main

import (
	"context"
	"encoding/json"
	"encoding/xml"
	"errors"
	"os"
	"strconv"
	"strings"
	"testing"

	"framescope/probes/lab"
	"framescope/probes/mptcp"
)

// inLab brings a scenario up and returns what runs the command on one of its
// hosts.
func inLab(t *testing.T, name string) (r *lab.Run, run1 func(host string, code int, args ...string) string) {
	t.Helper()
	r, err := lab.FindScenario(name).Start(context.Background())
	if errors.Is(err, os.ErrPermission) {
		t.Skip("making network namespaces needs CAP_SYS_ADMIN")
	}
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { r.Close() })
	return r, func(host string, code int, args ...string) string {
		t.Helper()
		out, err := os.CreateTemp(t.TempDir(), "out")
		if err != nil {
			t.Fatal(err)
		}
		defer out.Close()
		words, err := os.CreateTemp(t.TempDir(), "err")
		if err != nil {
			t.Fatal(err)
		}
		defer words.Close()
		args = append([]string{"mptcp"}, append(args, "--netns", strconv.Itoa(r.Host(host).TID()))...)
		got := run(args, stdio{os.Stdin, out, words})
		said, _ := os.ReadFile(words.Name())
		b, err := os.ReadFile(out.Name())
		if err != nil || got != code || len(said) > 0 {
			t.Errorf("%s: exit status %d, want %d; %v\n%s%s", strings.Join(args, " "), got, code, err, b, said)
		}
		return string(b)
	}
}

// narrow reports lines that are wider than the table was to be.
func narrow(t *testing.T, text string, width int) {
	t.Helper()
	for l := range strings.Lines(text) {
		if command := strings.TrimSpace(strings.TrimPrefix(strings.TrimSpace(l), "fix ")); commands.MatchString(command) {
			continue // it is there to be copied
		}
		if n := len([]rune(strings.TrimSuffix(l, "\n"))); n > width {
			t.Errorf("%d columns, wanted %d: %s", n, width, l)
		}
	}
}

// A connection that uses two links, as each command shows it.
func TestMPTCPShow(t *testing.T) {
	_, run := inLab(t, "ok_rate")
	table := run("client", 0, "show", "--width", "80")
	narrow(t, table, 80)
	for _, want := range []string{"1 MPTCP connection: 1 multipath\n", "multipath    10.77.1.1:", " > 10.77.1.2:8000", "2 subflows   2 links", "\n  c1    10.77.1.1:", "\n  c2    10.77.2.1:"} {
		if !strings.Contains(table, want) {
			t.Errorf("no %q in\n%s", want, table)
		}
	}
	wide := run("server", 0, "show", "--width", "200", "--owner", "--interval", "200ms")
	narrow(t, wide, 200)
	for _, want := range []string{"multipath    10.77.1.2:8000 < 10.77.1.1:", "/s", "again", "cwnd", "gateway"} {
		if !strings.Contains(wide, want) {
			t.Errorf("no %q in\n%s", want, wide)
		}
	}
	var got []struct {
		Schema, Type, TS string
		MPTCP            struct {
			Token, Verdict string
			Subflow        []struct{ Kind string }
		}
	}
	if err := json.Unmarshal([]byte(run("client", 0, "show", "-o", "json", "--dst", "10.77.1.2:8000")), &got); err != nil || len(got) != 1 ||
		got[0].Type != "mptcp_connection" || got[0].MPTCP.Verdict != "multipath" || len(got[0].MPTCP.Subflow) != 2 || got[0].Schema != "1.0" || got[0].TS == "" {
		t.Fatalf("%+v, %v", got, err)
	}
	token := got[0].MPTCP.Token
	if out := run("client", 0, "show", "-o", "jsonl", "--token", token, "--interval", "50ms", "--count", "2"); strings.Count(out, "\n") != 2 || !strings.Contains(out, `"acked_per_second":`) {
		t.Errorf("%s", out)
	}

	// What is there already comes first.
	events := run("client", 0, "monitor", "--for", "300ms", "-o", "jsonl")
	if !strings.Contains(events, `"event":"found","token":"`+token+`"`) || !strings.Contains(events, `"event":"sub_found","token":"`+token+`"`) {
		t.Errorf("%s", events)
	}
	if lines := run("client", 0, "monitor", "--for", "300ms"); !strings.Contains(lines, "found             "+token+"  10.77.1.1:") {
		t.Errorf("%s", lines)
	}

	expect := []string{"verify", "--dst", ":8000", "--subflows", "2", "--carrying", "2", "--distinct-links", "--no-fallback", "--within", "10s"}
	if out := run("client", 0, append(expect, "--width", "80")...); !strings.HasPrefix(out, "ok   as expected after ") || !strings.Contains(out, "  ok   carrying       2\n") {
		t.Errorf("%s", out)
	} else {
		narrow(t, out, 80)
	}
	if out := run("client", 0, "doctor", "--for", "200ms"); !strings.HasPrefix(out, "nothing wrong was found: 1 MPTCP connection with 2 subflows established") {
		t.Errorf("%s", out)
	}
}

// Two subflows over one cable: show says so, verify fails, doctor says what mends
// it.
func TestMPTCPCable(t *testing.T) {
	_, run := inLab(t, "e_no_srcroute_norpf")
	if out := run("client", 0, "show"); !strings.Contains(out, "1 MPTCP connection: 1 one-cable\n") {
		t.Errorf("%s", out)
	}
	expect := []string{"verify", "--subflows", "2", "--distinct-links", "--within", "300ms"}
	text := run("client", 1, append(expect, "--width", "80")...)
	narrow(t, text, 80)
	for _, want := range []string{
		"FAIL distinct-links: expected 2 links or more, found 1: subflows from 10.77.1.1\n     and 10.77.2.1 both leave by c1\n",
		"  ok   subflows       2\n", "  FAIL distinct-links 1, expected 2 links or more\n",
		"\nwarning: mptcp-shared-cable   several subflows leave by the same link\n", "\nerror: mptcp-no-source-route", "ip rule add from 10.77.2.1 lookup 102\n", "fix   the same as that of mptcp-shared-cable above\n",
	} {
		if !strings.Contains(text, want) {
			t.Errorf("no %q in\n%s", want, text)
		}
	}
	var v struct {
		OK          bool
		Reason      string
		Connections []struct {
			Checks []struct {
				Name string
				OK   bool
			}
		}
		Findings []struct {
			ID, Severity, Layer, Cause string
			Evidence, Fix              []string
		}
	}
	if err := json.Unmarshal([]byte(run("client", 1, append(expect, "-o", "json")...)), &v); err != nil || v.OK || len(v.Connections) != 1 || len(v.Connections[0].Checks) != 2 ||
		len(v.Findings) < 2 || v.Findings[0].ID != "mptcp-shared-cable" || v.Findings[0].Layer != "mptcp" || len(v.Findings[0].Fix) == 0 {
		t.Errorf("%+v, %v", v, err)
	}
	var suites junitSuites
	if err := xml.Unmarshal([]byte(run("client", 1, append(expect, "-o", "junit")...)), &suites); err != nil || len(suites.Suites) != 1 ||
		suites.Suites[0].Tests != 2 || suites.Suites[0].Failures != 1 || suites.Suites[0].Cases[1].Failure.Type != "mptcp-shared-cable" {
		t.Errorf("%+v, %v", suites, err)
	}
	doctor := run("client", 1, "doctor", "--for", "200ms", "--width", "80")
	narrow(t, doctor, 80)
	if !strings.Contains(doctor, "1 error, 1 warning: 1 MPTCP connection") {
		t.Errorf("%s", doctor)
	}
	run("client", 0, "doctor", "--for", "0", "--fail", "never")
}

// Commands stand on lines of their own, however narrow these are.
func TestMPTCPCommands(t *testing.T) {
	f := mptcp.Finding{
		ID: mptcp.IDStale, Detail: "d", Evidence: []string{"e"},
		Fix:       []string{"ip mptcp endpoint delete id 1   # or so: gives it up, for as long as nobody adds it again", "ip link set e0 up   # short", "mend the cable or the other end of it, which is a long way"},
		Elsewhere: "where: capture at the peer: framescope capture -i any -f 'tcp port 8000' -w join.pcapng --netns blue; and more words than fit into a line",
	}
	got := string(appendFindings(nil, []mptcp.Finding{f, f}, 50))
	for _, want := range []string{
		"    fix   # or so: gives it up, for as long as\n          # nobody adds it again\n          ip mptcp endpoint delete id 1\n          ip link set e0 up   # short\n",
		"    cannot be known here  where: capture at the\n                          peer:\n          framescope capture -i any -f 'tcp port 8000' -w join.pcapng --netns blue\n          and more words",
		"    fix   the same as that of mptcp-stale above\n",
	} {
		if !strings.Contains(got, want) {
			t.Errorf("no\n%s\nin\n%s", want, got)
		}
	}
}

// The type of a failure is that of the cause, or the check's name.
func TestMPTCPJUnit(t *testing.T) {
	_, run := inLab(t, "ok_subflow")
	out := run("client", 1, "verify", "--checksum", "--subflows", "2", "--within", "300ms", "-o", "junit")
	for _, want := range []string{`<testsuites tests="2" failures="1"`, `type="checksum"`} {
		if !strings.Contains(out, want) {
			t.Errorf("no %s in\n%s", want, out)
		}
	}
}
