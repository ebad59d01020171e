package main

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"framescope/cmd/framescope/internal/output"
	"framescope/decode/finding"
	"framescope/probes/sockets"
)

// diagnoseFlags are what `framescope sockets diagnose` was told.
type diagnoseFlags struct {
	std           stdio
	format, netns string
	failOn        string
	minAge, wait  time.Duration
	over, noOwner bool
	cgroups       sockets.Cgroups
}

func newSocketsDiagnose(std stdio) *cobra.Command {
	f := &diagnoseFlags{std: std}
	c := &cobra.Command{
		Use:   "diagnose [EXPR]",
		Short: "Say what is wrong with the sockets of this host, whose they are, and what to do",
		Long: `Diagnose looks at all sockets, and at those that do not look right once more half a
second later: who reads, is accepted or acknowledged meanwhile is left alone. What
it says has evidence, the process that holds the socket, the other end if that is
on this host, and what mends it.

  reader stuck, peer that does not read, data that is not acknowledged
  CLOSE_WAIT that stays, with its cause; half closed; orphans
  connection attempts without an answer
  accept queues that are full or have overflowed; connections not accepted
  ports and memory that TIME_WAIT takes; ephemeral ports nearly used up
  UDP datagrams that were dropped; MPTCP that fell back to TCP

Unread data is a warning where it holds the peer up or is much, and after a minute
where it is 4 KiB or more; otherwise a note.

EXPR selects the sockets, as of framescope sockets.

Exit status: 0 done; 1 there is a finding of the severity of --fail-on or worse;
2 wrong usage; 3 not permitted.`,
		Example: `  framescope sockets diagnose
  framescope sockets diagnose sport = :8765
  framescope sockets diagnose --fail-on warning -o json`,
		ValidArgsFunction: cobra.NoFileCompletions,
		PreRunE:           func(cmd *cobra.Command, _ []string) error { return checkNetns(cmd) },
		RunE:              func(_ *cobra.Command, args []string) error { return f.run(strings.Join(args, " ")) },
	}
	c.SetFlagErrorFunc(func(cmd *cobra.Command, err error) error {
		if s := err.Error(); strings.Contains(s, "flag: 'Y'") || strings.Contains(s, "flag: --filter") {
			return hinted{err, "diagnose takes EXPR, such as: framescope sockets diagnose sport = :8765; by fields, list: framescope sockets -Y EXPRESSION"}
		}
		return cmd.Root().FlagErrorFunc()(cmd, err)
	})
	fl := c.Flags()
	fl.SortFlags = false
	fl.StringVar(&f.failOn, "fail-on", "", "exit status 1 from this `severity` on: note, warning or error")
	fl.StringVarP(&f.format, "output", "o", "table", "`format`: table, json or jsonl")
	fl.StringVar(&f.netns, "netns", "", "network namespace: a `name`, a process id, a path, or all")
	fl.DurationVar(&f.minAge, "min-age", 2*time.Second, "how long something has to be so")
	fl.DurationVar(&f.wait, "between", 500*time.Millisecond, "time between the two looks")
	fl.BoolVarP(&f.over, "all", "a", false, "what is over, too: packets and connections that were dropped before")
	fl.BoolVar(&f.noOwner, "no-owner", false, "do not find out which processes hold the sockets")
	_ = c.RegisterFlagCompletionFunc("output", cobra.FixedCompletions([]string{"table", "json", "jsonl"}, cobra.ShellCompDirectiveNoFileComp))
	_ = c.RegisterFlagCompletionFunc("fail-on", cobra.FixedCompletions([]string{"note", "warning", "error"}, cobra.ShellCompDirectiveNoFileComp))
	return c
}

func parseSeverity(s string) (finding.Severity, bool) {
	for v := finding.Note; v <= finding.Error; v++ {
		if v.String() == s {
			return v, true
		}
	}
	return 0, false
}

func (f *diagnoseFlags) run(expr string) error {
	var failFrom finding.Severity
	if f.failOn != "" {
		var ok bool
		if failFrom, ok = parseSeverity(f.failOn); !ok {
			return fmt.Errorf("--fail-on %q: expected note, warning or error", f.failOn)
		}
	}
	if f.format != "table" && f.format != "json" && f.format != "jsonl" {
		return fmt.Errorf("--output %q: expected table, json or jsonl", f.format)
	}
	if f.minAge <= 0 || f.wait <= 0 {
		return errors.New("--min-age and --between: expected more than nothing")
	}
	e, err := sockets.Parse(expr)
	if err != nil {
		return hinted{marked("sockets diagnose", err), "see: framescope sockets --help"}
	}
	var all []sockets.Finding
	var notes []string
	var hidden *sockets.Owners
	d := sockets.Diagnose{MinAge: f.minAge, Between: f.wait, Over: f.over, Filter: e, NoOwners: f.noOwner}
	listers, done, err := openNamespaces(f.netns, &notes)
	defer done()
	for _, l := range listers {
		if err != nil {
			break
		}
		d.Elsewhere = slices.DeleteFunc(slices.Clone(listers), func(o *sockets.Lister) bool { return o == l })
		var found []sockets.Finding
		found, err = d.Run(l, func(o *sockets.Owners) { hidden = o })
		all = append(all, found...)
		notes = append(notes, l.Notes()...)
	}
	if err != nil {
		return explainSockets(f.netns, err)
	}
	if hidden != nil && missesOwner(all) {
		notes = append(notes, "a process is unknown: "+noOwner(hidden))
	}
	if f.format == "table" {
		if _, err := f.std.out.Write(f.report(all)); err != nil {
			return fmt.Errorf("standard output: %w", err)
		}
	} else if err := f.json(all); err != nil {
		return fmt.Errorf("standard output: %w", err)
	}
	sf := socketsFlags{std: f.std, notes: notes}
	sf.say()
	if f.failOn != "" {
		for _, x := range all {
			if x.Severity >= failFrom {
				return status(exitFailed)
			}
		}
	}
	return nil
}

func missesOwner(all []sockets.Finding) bool {
	for _, x := range all {
		if x.Socket != nil && x.Socket.Inode != 0 && len(x.Socket.Owners) == 0 {
			return true
		}
	}
	return false
}

// report is what a person reads: the verdict, the evidence, what to do.
func (f *diagnoseFlags) report(all []sockets.Finding) []byte {
	if len(all) == 0 {
		return []byte("nothing is wrong with the sockets here\n")
	}
	b := append(verdict(all), '\n')
	for i := range all {
		x := &all[i]
		b = fmt.Appendf(append(b, '\n'), "%-7s  %s  %s\n", x.Severity, x.ID, x.Title)
		if x.Socket != nil {
			b = append(b, "  socket   "...)
			b = f.appendSocket(b, x.Socket)
			b = append(b, '\n')
			if o := x.Socket.Other; o != nil {
				b = wrapped(b, "  other    ", fmt.Sprintf("%s, Recv-Q %d, Send-Q %d", f.appendSocket(nil, o), o.RQueue, o.WQueue), f.width())
			}
		}
		for _, e := range x.Evidence {
			b = wrapped(b, "  seen     ", output.Visible(e), f.width())
		}
		if see := seeAbove(all[:i], x); see != "" {
			b = wrapped(b, "  cause    ", see, min(f.width(), 80))
			continue
		}
		b = wrapped(b, "  cause    ", x.Cause, min(f.width(), 80))
		for _, line := range strings.Split(fixFor(x), "\n") {
			b = wrapped(b, "  fix      ", line, min(f.width(), 80))
		}
	}
	return b
}

// seeAbove says which finding has told of the same fault before: of the other end
// of the connections, or of the same listener.
func seeAbove(before []sockets.Finding, x *sockets.Finding) string {
	if x.Socket == nil {
		return ""
	}
	for i := range before {
		b := &before[i]
		switch other := x.Socket.Other; {
		case b.Socket == nil || b.Socket.Cookie == 0 || b.Socket.Netns != x.Socket.Netns:
		case b.Socket.Cookie == x.Socket.Cookie && x.ID == sockets.NotAccepted:
			return "the same listener: see " + b.ID + " above"
		case other != nil && other.Cookie == b.Socket.Cookie && b.Count == x.Count && x.ID != sockets.NotAccepted:
			return "the other end is on this host: see " + b.ID + " above"
		}
	}
	return ""
}

// verdict is how many findings there are of each severity.
func verdict(all []sockets.Finding) []byte {
	count := [finding.Error + 1]int{}
	for i := range all {
		count[all[i].Severity]++
	}
	var sum []string
	for s := finding.Error; ; s-- {
		if count[s] > 0 {
			name := s.String()
			sum = append(sum, output.Count(count[s], name, name+"s"))
		}
		if s == finding.Note {
			break
		}
	}
	return []byte(strings.Join(sum, ", "))
}

// width is how long lines may be: what is no terminal takes any.
func (f *diagnoseFlags) width() int {
	if w := columns(f.std.out); w > 0 {
		return max(w, 40)
	}
	return 1 << 20
}

// fixFor is what to do, with the process that is concerned.
func fixFor(x *sockets.Finding) string {
	if x.Socket == nil || len(x.Socket.Owners) == 0 {
		return x.Fix
	}
	return strings.ReplaceAll(x.Fix, "/PID/", fmt.Sprintf("/%d/", x.Socket.Owners[0].PID))
}

// wrapped appends a text behind a label, in lines of so many columns.
func wrapped(b []byte, label, text string, width int) []byte {
	return append(output.Wrap(append(b, label...), text, len(label), len(label), width), '\n')
}

// appendSocket appends a socket in a line: its ends, its state, who holds it.
func (f *diagnoseFlags) appendSocket(b []byte, r *sockets.Row) []byte {
	if r.Netns != "" {
		b = append(append(append(b, '['), output.Visible(r.Netns)...), "] "...)
	}
	b = fmt.Appendf(b, "%s ", r.Kind)
	b = appendLocal(b, r)
	if r.Dst.Port() != 0 {
		b = appendAddr(append(b, " > "...), r.Dst, "")
	}
	b = append(append(append(b, ' '), stateName(r)...), "  "...)
	switch {
	case len(r.Owners) > 0:
		b = appendOwners(b, r)
	case r.Inode == 0:
		b = append(b, "no process"...)
	default:
		b = append(b, "process unknown"...)
	}
	if id, ok := r.CgroupID(); ok {
		if name := f.cgroups.Name(id); name != "" {
			b = append(append(append(b, " ("...), output.Visible(name)...), ')')
		}
	}
	return b
}

// json prints findings as records do: docs/output.md describes them.
func (f *diagnoseFlags) json(all []sockets.Finding) error {
	type body struct {
		ID       string   `json:"id"`
		Severity string   `json:"severity"`
		Layer    string   `json:"layer"`
		Title    string   `json:"title"`
		Cause    string   `json:"cause"`
		Fix      string   `json:"fix"`
		Count    int      `json:"count"`
		Age      *float64 `json:"age_ms,omitempty"`
		Evidence []text   `json:"evidence"`
	}
	type rec struct {
		Schema  string        `json:"schema"`
		Type    string        `json:"type"`
		Time    string        `json:"ts"`
		Finding body          `json:"finding"`
		Socket  *socketRecord `json:"socket,omitempty"`
	}
	recs := []rec{}
	now := stamp(time.Now())
	sf := &socketsFlags{}
	for i := range all {
		x := &all[i]
		r := rec{"1.0", "finding", now, body{x.ID, x.Severity.String(), "socket", x.Title, x.Cause, fixFor(x), x.Count, nil, []text{}}, nil}
		for _, e := range x.Evidence {
			r.Finding.Evidence = append(r.Finding.Evidence, text{e})
		}
		if x.Age.For > 0 {
			v := ms(x.Age.For)
			r.Finding.Age = &v
		}
		if x.Socket != nil {
			s := sf.record(x.Socket)
			r.Socket = &s
		}
		recs = append(recs, r)
	}
	if f.format == "json" {
		return writeJSON(f.std.out, recs)
	}
	for _, r := range recs {
		if err := writeJSON(f.std.out, r); err != nil {
			return err
		}
	}
	return nil
}

// text is a piece of evidence as records have it.
type text struct {
	Text string `json:"text"`
}
