package main

import (
	"bytes"
	"encoding/xml"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/spf13/cobra"

	"framescope/cmd/framescope/internal/output"
	"framescope/decode/finding"
	"framescope/mptcpctl"
	"framescope/probes/mptcp"
	"framescope/probes/sockets"
)

// observed runs do with the path manager of the namespace, and what is needed to
// observe it.
func (f *mptcpFlags) observed(sel *selectFlags, do func(*mptcpctl.Conn, mptcp.Config) error) error {
	cfg := mptcp.Config{Owners: sockets.Holders{}}
	var err error
	if cfg.Selector, err = sel.selector(); err != nil {
		return err
	}
	return f.with(func(c *mptcpctl.Conn) error {
		ns, err := f.namespace()
		if err != nil {
			return err
		}
		defer ns.Close()
		cfg.Namespace = ns
		return do(c, cfg)
	})
}

func (f *mptcpFlags) newVerify() *cobra.Command {
	var sel selectFlags
	var e mptcp.Expectation
	var noProbe bool
	var width int
	c := &cobra.Command{
		Use:   "verify",
		Short: "Check that connections use MPTCP as expected",
		Long: `Verify observes the chosen connections until all of them are as expected, or
until the time is over. What is not asked for is not checked, but there has to be
a connection. If it is not as expected, the cause is named as far as this host
can know it.

  --subflows N       N subflows are established, at both ends
  --carrying N       N subflows that are no backups each move at least
                     --min-share of the bytes while they are observed
  --distinct-links   they leave by as many links as the two above say, by two
                     at least: the routing tables are asked

--subflows does not say that data flows: add --carrying. A subflow that sends and
gets no answer does not count.

If it fails and a blackhole was ever found, verify opens a connection to itself
over loopback to learn whether MPTCP is off still; --no-probe leaves that out.

Exit status: 0 as expected; 1 not; 2 wrong usage; 3 not permitted;
130 stopped by Ctrl-C.`,
		Example: `  framescope mptcp verify --dst :443 --subflows 2 --carrying 2 --distinct-links --no-fallback
  framescope mptcp verify --token 1a2b3c4d --max-rtt 80ms -o junit > mptcp.xml`,
		Args:        cobra.NoArgs,
		Annotations: map[string]string{formatsOf: "table, json, jsonl, junit"},
		RunE: func(*cobra.Command, []string) error {
			switch {
			case e.Subflows < 0:
				return fmt.Errorf("--subflows %d: expected 0 or more", e.Subflows)
			case e.Carrying < 0:
				return fmt.Errorf("--carrying %d: expected 0 or more", e.Carrying)
			case e.MaxRTT < 0:
				return fmt.Errorf("--max-rtt %v: expected a time that is not negative", e.MaxRTT)
			case !(e.MinShare > 0 && e.MinShare <= 1): // nor NaN
				return fmt.Errorf("--min-share %v: expected more than 0, and 1 at most", e.MinShare)
			case e.Within <= 0 || e.Within > 24*time.Hour:
				return fmt.Errorf("--within %v: expected a time up to 24h", e.Within)
			}
			return f.observed(&sel, func(c *mptcpctl.Conn, cfg mptcp.Config) error {
				ctx, stop := interruptible()
				defer stop()
				cfg.NoProbe = noProbe
				v, err := mptcp.Verify(ctx, c, cfg, e)
				if err != nil {
					return err
				}
				if err := checkWidth(width); err != nil {
					return err
				}
				if width == 0 {
					width = columns(f.std.out)
				}
				if err := f.verdict(v, &cfg.Selector, width); err != nil {
					return err
				}
				switch {
				case v.OK:
					return nil
				case ctx.Err() != nil:
					return status(exitStopped)
				}
				return status(exitFailed)
			})
		},
	}
	sel.register(c)
	fl := c.Flags()
	fl.IntVar(&e.Subflows, "subflows", 0, "`N` subflows or more are established")
	fl.IntVar(&e.Carrying, "carrying", 0, "`N` subflows or more carry data, backups left out")
	fl.Float64Var(&e.MinShare, "min-share", mptcp.DefaultMinShare, "`share` of the bytes that a subflow has to move to be carrying, 0 to 1")
	fl.BoolVar(&e.DistinctLinks, "distinct-links", false, "subflows leave by different links")
	fl.BoolVar(&e.NoFallback, "no-fallback", false, "the connection is not plain TCP")
	fl.BoolVar(&e.Checksum, "checksum", false, "data has checksums")
	fl.DurationVar(&e.MaxRTT, "max-rtt", 0, "round-trip `time` of every established subflow, at most")
	fl.BoolVar(&e.AnyOf, "any", false, "one connection that is as expected is enough")
	fl.DurationVar(&e.Within, "within", mptcp.DefaultWithin, "how much `time` it may take")
	fl.BoolVar(&noProbe, "no-probe", false, "open no connection over loopback")
	fl.IntVar(&width, "width", 0, "`columns` of the text; 0: those of the terminal, or 80")
	return c
}

// exitStopped is the exit status after Ctrl-C, when what was seen till then was
// printed.
const exitStopped = 130

// jsonVerdict is a verdict as JSON has it.
type jsonVerdict struct {
	Schema      string          `json:"schema"`
	Type        string          `json:"type"`
	Time        string          `json:"ts"`
	OK          bool            `json:"ok"`
	Reason      string          `json:"reason,omitempty"`
	Selector    string          `json:"selector,omitempty"`
	TookMS      float64         `json:"took_ms"`
	Connections []jsonChecked   `json:"connections"`
	Findings    []mptcp.Finding `json:"findings"`
}

type jsonChecked struct {
	OK     bool                 `json:"ok"`
	Ended  bool                 `json:"ended,omitempty"`
	Checks []mptcp.Check        `json:"checks"`
	MPTCP  *mptcpctl.Connection `json:"mptcp"`
}

func (f *mptcpFlags) verdict(v *mptcp.Verdict, sel *mptcpctl.Selector, width int) error {
	switch f.format {
	case "json", "jsonl":
		out := jsonVerdict{
			Schema: "1.0", Type: "mptcp_verify", Time: stamp(v.Begin), OK: v.OK, Reason: v.Reason, Selector: sel.String(),
			TookMS: float64(v.Took.Microseconds()) / 1000, Connections: []jsonChecked{}, Findings: v.Findings,
		}
		if out.Findings == nil {
			out.Findings = []mptcp.Finding{}
		}
		for i := range v.Checked {
			k := &v.Checked[i]
			checks := k.Checks
			if checks == nil {
				checks = []mptcp.Check{}
			}
			out.Connections = append(out.Connections, jsonChecked{k.OK, k.Ended, checks, &k.Connection})
		}
		return f.object(out)
	case "junit":
		return f.junit(v)
	}
	_, err := f.std.out.Write(verdictText(v, sel, width))
	return err
}

// object prints one object as JSON: on one line, or to be read.
func (f *mptcpFlags) object(v any) error {
	enc := newEncoder(f.std.out)
	enc.SetEscapeHTML(false)
	if f.format == "json" {
		enc.SetIndent("", "  ")
	}
	return enc.Encode(v)
}

// verdictText is what a person reads: the verdict, what was checked of each
// connection, why.
func verdictText(v *mptcp.Verdict, sel *mptcpctl.Selector, width int) []byte {
	if width == 0 {
		width = 80
	}
	which := sel.String()
	if which != "" {
		which = " with " + which
	}
	var b []byte
	if v.OK {
		b = fmt.Appendf(b, "ok   as expected after %v: %s%s\n", v.Took.Round(100*time.Millisecond), output.Count(len(v.Checked), "connection", "connections"), which)
	} else {
		b = appendWrapped(b, "FAIL ", output.Visible(v.Reason), width)
		b = fmt.Appendf(b, "     %s%s, observed for %v\n", output.Count(len(v.Checked), "connection", "connections"), which, v.Took.Round(100*time.Millisecond))
	}
	for i := range v.Checked {
		k := &v.Checked[i]
		if i == maxShown && len(v.Checked) > maxShown+1 {
			b = fmt.Appendf(b, "\nand %s more\n", output.Count(len(v.Checked)-i, "connection", "connections"))
			break
		}
		b = append(b, '\n')
		b = appendConnection(b, &k.Connection, width)
		for _, c := range k.Checks {
			mark, sep := "ok  ", ""
			if !c.OK {
				mark, sep = "FAIL", ", expected "+c.Want
			}
			b = appendWrapped(b, fmt.Sprintf("  %s %-14s ", mark, c.Name), output.Visible(c.Have+sep), width)
			if !c.OK || c.Name == "carrying" {
				for _, e := range c.Evidence {
					b = appendWrapped(b, "                      ", output.Visible(e), width)
				}
			}
		}
		if k.Ended {
			b = append(b, "  it ended before that\n"...)
		}
	}
	return appendFindings(b, v.Findings, width)
}

// maxShown is how many connections are shown to a person.
const maxShown = 20

// appendFindings appends findings; commands that were given once are referred to.
func appendFindings(b []byte, all []mptcp.Finding, width int) []byte {
	for i := range all {
		b = append(b, '\n')
		f := all[i]
		for j := range i {
			if len(f.Fix) > 0 && slices.Equal(f.Fix, all[j].Fix) {
				f.Fix = []string{"the same as that of " + all[j].ID + " above"}
				break
			}
		}
		b = appendFinding(b, &f, width)
	}
	return b
}

// commands are what lines to be copied begin with.
var commands = regexp.MustCompile(`^(ip|sysctl|framescope|nsenter|ethtool|systemctl|mptcpize) `)

// captures are such lines in the middle of a text.
var captures = regexp.MustCompile(`framescope capture .*? -w \S+\.pcapng(?: --netns [^\s;,)]+)?`)

// appendFix appends a command on a line of its own, which is never broken, with
// what there is to say of it behind it or above; and other texts as they are.
func appendFix(b []byte, head, text string, width int) []byte {
	if !commands.MatchString(text) {
		return appendWrapped(b, head, text, width)
	}
	cmd, note, _ := strings.Cut(text, "   # ")
	if note != "" && len(head)+utf8.RuneCountInString(text) > width {
		above := appendWrapped(nil, head+"# ", note, width)
		// Each line can be copied with the command.
		again := "\n" + strings.Repeat(" ", len(head))
		b = append(b, bytes.ReplaceAll(above, []byte(again+"  "), []byte(again+"# "))...)
		head, note = strings.Repeat(" ", len(head)), ""
	}
	b = append(append(b, head...), cmd...)
	if note != "" {
		b = append(append(b, "   # "...), note...)
	}
	return append(b, '\n')
}

// appendElsewhere appends a text whose commands stand on lines of their own.
func appendElsewhere(b []byte, head, text string, width int) []byte {
	const indent = "          "
	for text != "" {
		at := captures.FindStringIndex(text)
		if at == nil {
			return appendWrapped(b, head, text, width)
		}
		if before := strings.TrimSpace(text[:at[0]]); before != "" {
			b = appendWrapped(b, head, before, width)
		} else {
			b = append(bytes.TrimRight(append(b, head...), " "), '\n')
		}
		b = append(append(append(b, indent...), text[at[0]:at[1]]...), '\n')
		head, text = indent, strings.TrimLeft(text[at[1]:], ";,: ")
	}
	return b
}

// appendFinding appends what was found, by what, and what mends it.
func appendFinding(b []byte, f *mptcp.Finding, width int) []byte {
	b = appendWrapped(b, "", fmt.Sprintf("%v: %s   %s", f.Severity, f.ID, f.Info().Title), width)
	b = appendWrapped(b, "  ", output.Visible(f.Detail), width)
	for _, e := range f.Evidence {
		b = appendWrapped(b, "    seen  ", output.Visible(e), width)
	}
	for i, e := range f.Fix {
		head := "    fix   "
		if i > 0 {
			head = "          "
		}
		b = appendFix(b, head, output.Visible(e), width)
	}
	if f.Elsewhere != "" {
		b = appendElsewhere(b, "    cannot be known here  ", output.Visible(f.Elsewhere), width)
	}
	return b
}

// appendWrapped appends a text that goes on below itself.
func appendWrapped(b []byte, head, text string, width int) []byte {
	b = append(b, head...)
	indent := min(len(head), 26)
	if head == "" {
		indent = 2
	}
	b = output.Wrap(b, text, len(head), indent, width)
	return append(bytes.TrimRight(b, " "), '\n')
}

// JUnit's XML, as continuous integration reads it.
type (
	junitSuites struct {
		XMLName  xml.Name     `xml:"testsuites"`
		Tests    int          `xml:"tests,attr"`
		Failures int          `xml:"failures,attr"`
		Time     string       `xml:"time,attr"`
		Suites   []junitSuite `xml:"testsuite"`
	}
	junitSuite struct {
		Name     string      `xml:"name,attr"`
		Tests    int         `xml:"tests,attr"`
		Failures int         `xml:"failures,attr"`
		Time     string      `xml:"time,attr"`
		Stamp    string      `xml:"timestamp,attr"`
		Cases    []junitCase `xml:"testcase"`
		Out      string      `xml:"system-out,omitempty"`
	}
	junitCase struct {
		Class   string        `xml:"classname,attr"`
		Name    string        `xml:"name,attr"`
		Time    string        `xml:"time,attr"`
		Failure *junitFailure `xml:"failure,omitempty"`
	}
	junitFailure struct {
		Message string `xml:"message,attr"`
		Type    string `xml:"type,attr"`
		Text    string `xml:",chardata"`
	}
)

func (f *mptcpFlags) junit(v *mptcp.Verdict) error {
	took := fmt.Sprintf("%.3f", v.Took.Seconds())
	s := junitSuite{Name: "mptcp verify", Time: took, Stamp: v.Begin.UTC().Format("2006-01-02T15:04:05")}
	add := func(class, name string, fail *junitFailure) {
		s.Tests++
		if fail != nil {
			s.Failures++
		}
		s.Cases = append(s.Cases, junitCase{class, name, took, fail})
	}
	why := ""
	var causes []byte
	for i := range v.Findings {
		if causes = appendFinding(causes, &v.Findings[i], 120); why == "" {
			why = v.Findings[i].ID
		}
	}
	kind := func(check string) string {
		if why == "" {
			return check
		}
		return why
	}
	for i := range v.Checked {
		k := &v.Checked[i]
		class := fmt.Sprintf("%v-%v", k.Connection.Local, k.Connection.Remote)
		for _, c := range k.Checks {
			// With --any, others may be as they are.
			if c.OK || v.OK {
				add(class, c.Name, nil)
				continue
			}
			add(class, c.Name, &junitFailure{
				Message: output.Visible("expected " + c.Want + ", found " + c.Have), Type: kind(c.Name),
				Text: output.Visible(strings.Join(c.Evidence, "; ")) + "\n" + string(causes),
			})
		}
	}
	if len(s.Cases) == 0 || !v.OK && s.Failures == 0 {
		var fail *junitFailure
		if !v.OK {
			fail = &junitFailure{Message: output.Visible(v.Reason), Type: kind("connection"), Text: string(causes)}
		}
		add("mptcp", "connection", fail)
	}
	out, err := xml.MarshalIndent(junitSuites{Tests: s.Tests, Failures: s.Failures, Time: took, Suites: []junitSuite{s}}, "", "  ")
	if err != nil {
		return err
	}
	_, err = fmt.Fprintf(f.std.out, "%s%s\n", xml.Header, out)
	return err
}

func (f *mptcpFlags) newMPTCPDoctor() *cobra.Command {
	var sel selectFlags
	var period time.Duration
	var noProbe bool
	var width int
	var at string
	c := &cobra.Command{
		Use:   "doctor",
		Short: "Say why MPTCP does not use several paths here, and what mends it",
		Long: `Doctor looks at endpoints, limits, sysctls, routes, rp_filter, counters and the
connections that are open, and names causes, each with what it was recognised by
and what mends it. Where this host cannot know, it says where to look.

Counters count since the network namespace was made: what went wrong long ago is
named, too, with what was added while doctor watched. With --dst or --src, TCP
connections that could have been MPTCP are looked for. If a blackhole was ever
found, doctor opens a connection to itself over loopback to learn whether MPTCP
is off still.

Exit status: 0 nothing is wrong; 1 there are findings of --fail or worse; 2 wrong
usage; 3 not permitted; 130 stopped by Ctrl-C, after what was seen till then.`,
		Example: `  framescope mptcp doctor
  framescope mptcp doctor --dst :443 --for 5s -o json`,
		Args:        cobra.NoArgs,
		Annotations: map[string]string{formatsOf: "table, json, jsonl"},
		RunE: func(*cobra.Command, []string) error {
			worst := map[string]finding.Severity{"note": finding.Note, "warning": finding.Warning, "error": finding.Error, "never": finding.Error + 1}
			limit, ok := worst[at]
			if !ok {
				return fmt.Errorf("--fail %q: expected note, warning, error or never", at)
			}
			if period < 0 {
				return errors.New("doctor: --for cannot be negative")
			}
			if err := checkWidth(width); err != nil {
				return err
			}
			if width == 0 {
				width = columns(f.std.out)
			}
			return f.observed(&sel, func(c *mptcpctl.Conn, cfg mptcp.Config) error {
				cfg.For, cfg.NoProbe = period, noProbe
				ctx, stop := interruptible()
				defer stop()
				o, err := mptcp.Observe(ctx, c, cfg)
				if err != nil {
					return err
				}
				all := mptcp.Diagnose(o)
				fine := !slices.ContainsFunc(all, func(f mptcp.Finding) bool { return f.Severity >= limit })
				if err := f.findings(o, all, fine, width); err != nil {
					return err
				}
				switch {
				case ctx.Err() != nil:
					return status(exitStopped)
				case fine:
					return nil
				}
				return status(exitFailed)
			})
		},
	}
	sel.register(c)
	fl := c.Flags()
	fl.DurationVar(&period, "for", time.Second, "watch for this `time`; 0 looks once")
	fl.StringVar(&at, "fail", "warning", "exit status 1 from this `severity` on: note, warning, error or never")
	fl.BoolVar(&noProbe, "no-probe", false, "open no connection over loopback")
	fl.IntVar(&width, "width", 0, "`columns` of the text; 0: those of the terminal, or 80")
	_ = c.RegisterFlagCompletionFunc("fail", cobra.FixedCompletions([]string{"note", "warning", "error", "never"}, cobra.ShellCompDirectiveNoFileComp))
	return c
}

// findings prints what doctor found.
func (f *mptcpFlags) findings(o *mptcp.Observation, all []mptcp.Finding, fine bool, width int) error {
	if width == 0 {
		width = 80
	}
	if f.format == "json" || f.format == "jsonl" {
		type found struct {
			MPTCP *mptcpctl.Connection `json:"mptcp"`
		}
		out := struct {
			Schema      string          `json:"schema"`
			Type        string          `json:"type"`
			Time        string          `json:"ts"`
			OK          bool            `json:"ok"`
			Selector    string          `json:"selector,omitempty"`
			Connections []found         `json:"connections"`
			Findings    []mptcp.Finding `json:"findings"`
		}{"1.0", "mptcp_doctor", stamp(o.Now.Time), fine, o.Selector.String(), []found{}, all}
		if all == nil {
			out.Findings = []mptcp.Finding{}
		}
		for i := range o.Now.Connections {
			out.Connections = append(out.Connections, found{&o.Now.Connections[i]})
		}
		return f.object(out)
	}
	count := map[finding.Severity]int{}
	for i := range all {
		count[all[i].Severity]++
	}
	var words []string
	for _, s := range []finding.Severity{finding.Error, finding.Warning, finding.Note} {
		if n := count[s]; n > 0 {
			words = append(words, output.Count(n, s.String(), s.String()+"s"))
		}
	}
	verdict := "nothing wrong was found"
	if len(words) > 0 {
		verdict = strings.Join(words, ", ")
	}
	kinds, established := map[string]int{}, 0
	for i := range o.Now.Connections {
		kinds[o.Now.Connections[i].Verdict()]++
		established += o.Now.Connections[i].Established()
	}
	n := len(o.Now.Connections)
	state := fmt.Sprintf("%s with %s established", output.Count(n, "MPTCP connection", "MPTCP connections"), output.Count(established, "subflow", "subflows"))
	if k := kinds["multipath"]; k > 0 {
		state += fmt.Sprintf(", %d over several links", k)
	}
	if k := kinds["fallback"]; k > 0 {
		state += fmt.Sprintf(", %d fell back to TCP", k)
	}
	b := appendWrapped(nil, "", verdict+": "+state+"; "+output.Count(len(o.Facts.Endpoints), "endpoint", "endpoints")+", limits "+o.Facts.Limits.String(), width)
	b = appendFindings(b, all, width)
	if n == 0 && len(all) == 0 {
		b = appendWrapped(b, "", "no connection is open: what was looked at is the configuration and the counters", width)
	}
	_, err := f.std.out.Write(b)
	return err
}
