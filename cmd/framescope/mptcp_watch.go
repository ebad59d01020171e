package main

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"net/netip"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/spf13/cobra"

	"framescope/mptcpctl"
	"framescope/probes/sockdiag"
)

func (f *mptcpFlags) newMonitor() *cobra.Command {
	var period time.Duration
	c := &cobra.Command{
		Use:   "monitor",
		Short: "Print events of connections and subflows as they happen",
		Long: `Monitor prints what the kernel's path manager says: connections that are created,
established and closed, subflows, addresses that peers signal, listeners.
Connections and subflows that exist already come first, as "found" and
"sub_found". If events come faster than they are printed, a line "lost" says so;
what there is is then read again, and what is new or "gone" since is printed.`,
		Args: cobra.NoArgs,
		RunE: func(*cobra.Command, []string) error {
			return f.with(func(c *mptcpctl.Conn) error {
				return f.events(period, c.Follow, func(e *mptcpctl.Event) error {
					_, err := f.std.out.Write(f.event(e))
					return err
				})
			})
		},
	}
	c.Flags().DurationVar(&period, "for", 0, "end after this `time`")
	return c
}

// events hands events to print until the user or the time ends it.
func (f *mptcpFlags) events(period time.Duration, events func(context.Context) iter.Seq2[mptcpctl.Event, error], print func(*mptcpctl.Event) error) error {
	ctx, stop := interruptible()
	defer stop()
	if period > 0 {
		ctx, stop = context.WithTimeout(ctx, period)
		defer stop()
	}
	if terminal(f.std.err) {
		fmt.Fprintln(f.std.err, "framescope: waiting for events; Ctrl-C ends")
	}
	for e, err := range events(ctx) {
		if err != nil {
			return err
		}
		if err := print(&e); err != nil {
			return fmt.Errorf("standard output: %w", err)
		}
	}
	return nil
}

// event is one event as a line.
func (f *mptcpFlags) event(e *mptcpctl.Event) []byte {
	switch f.format {
	case "ip":
		return e.AppendIP(nil)
	case "json", "jsonl":
		b, err := encodeJSON(e)
		if err != nil {
			return nil
		}
		// As other records: what it is stands first.
		return append(append([]byte(`{"schema":"1.0","type":"mptcp_event",`), b[1:]...), '\n')
	}
	b := e.Time.AppendFormat(nil, "15:04:05.000")
	b = fmt.Appendf(b, "  %-16s", e.Type)
	if e.Has(mptcpctl.AttrToken) {
		b = fmt.Appendf(b, "  %v", e.Token)
	} else {
		b = append(b, "          "...)
	}
	local, remote := unmapped(e.Local), unmapped(e.Remote)
	switch {
	case local != "" && remote != "" && e.IsServerSide():
		b = fmt.Appendf(b, "  %s < %s", local, remote)
	case local != "" && remote != "":
		b = fmt.Appendf(b, "  %s > %s", local, remote)
	case local != "":
		b = fmt.Appendf(b, "  %s", local)
	case remote != "":
		b = fmt.Appendf(b, "  peer's %s", remote)
	}
	put := func(a mptcpctl.EventAttrs, format string, v any) {
		if e.Has(a) {
			b = fmt.Appendf(append(b, "  "...), format, v)
		}
	}
	switch {
	case e.Has(mptcpctl.AttrLocalID | mptcpctl.AttrRemoteID):
		b = fmt.Appendf(b, "  id %d/%d", e.LocalID, e.RemoteID)
	default:
		put(mptcpctl.AttrRemoteID, "peer's id %d", e.RemoteID)
	}
	if e.Backup != 0 {
		b = append(b, "  backup"...)
	}
	if e.Has(mptcpctl.AttrError) && e.Error != 0 {
		b = fmt.Appendf(b, "  %v", syscall.Errno(e.Error))
	}
	put(mptcpctl.AttrResetReason, "reset: %s", mptcpctl.ResetReasonText(e.ResetReason))
	put(mptcpctl.AttrIfIndex, "if %d", e.IfIndex)
	if e.Flags&mptcpctl.DenyJoinID0 != 0 {
		b = append(b, "  no joins to the first address"...)
	}
	if e.Type == mptcpctl.EventLost {
		b = append(b, "  events came faster than they were read: some are missing here, what follows was read again"...)
	}
	return append(b, '\n')
}

// unmapped is an address with its port, or nothing.
func unmapped(a netip.AddrPort) string {
	if !a.Addr().IsValid() {
		return ""
	}
	return sockdiag.Unmap(a).String()
}

// jsonCounter is a counter as JSON has it.
type jsonCounter struct {
	Schema string `json:"schema"`
	Type   string `json:"type"`
	Time   string `json:"ts"`
	Name   string `json:"name"`
	Value  int64  `json:"value"`
	// Gauge: the value says how many there are now; it has no Delta.
	Gauge   bool   `json:"gauge,omitempty"`
	Delta   *int64 `json:"delta,omitempty"`
	Meaning string `json:"meaning,omitempty"`
}

func (f *mptcpFlags) newCounters() *cobra.Command {
	var all bool
	var interval time.Duration
	var count int
	c := &cobra.Command{
		Use:   "counters",
		Short: "Show the kernel's counters of MPTCP, and what they mean",
		Long: `Counters shows what the kernel has counted since the network namespace was made:
MPTcpExt, and those of TCP and IP that decide why MPTCP fails. With --interval it
shows by how much they grow. Counters that are 0 are left out unless --all is
given.`,
		Args: cobra.NoArgs,
		RunE: func(*cobra.Command, []string) error {
			if interval < 0 || count < 0 {
				return errors.New("counters: --interval and --count cannot be negative")
			}
			return f.with(func(c *mptcpctl.Conn) error {
				now, err := c.Counters()
				if err != nil {
					return err
				}
				if interval == 0 {
					return f.counters(now, nil, all)
				}
				return f.deltas(c, now, all, interval, count)
			})
		},
	}
	fl := c.Flags()
	fl.BoolVar(&all, "all", false, "those that are 0, too")
	fl.DurationVar(&interval, "interval", 0, "show what is counted in this `time`, again and again")
	fl.IntVar(&count, "count", 0, "end after `N` intervals")
	return c
}

func (f *mptcpFlags) deltas(c *mptcpctl.Conn, before mptcpctl.Counters, all bool, interval time.Duration, count int) error {
	ctx, stop := interruptible()
	defer stop()
	tick := time.NewTicker(interval)
	defer tick.Stop()
	for n := 1; ; n++ {
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		}
		now, err := c.Counters()
		if err != nil {
			return err
		}
		if f.format == "table" || f.format == "ip" {
			if n > 1 {
				fmt.Fprintln(f.std.out)
			}
			fmt.Fprintf(f.std.out, "%s, in %v\n", time.Now().Format("15:04:05"), interval)
		}
		if err := f.counters(now, now.Since(before), all); err != nil {
			return err
		}
		if before = now; n == count {
			return nil
		}
	}
}

// counters prints values or, if there are, differences.
func (f *mptcpFlags) counters(now, diff mptcpctl.Counters, all bool) error {
	var rows [][]string
	var list []jsonCounter
	ts := stamp(time.Now())
	for i, c := range now {
		shown, j := c.Value, jsonCounter{Schema: "1.0", Type: "mptcp_counter", Time: ts, Gauge: mptcpctl.IsGauge(c.FullName()), Name: c.FullName(), Value: c.Value, Meaning: mptcpctl.Meaning(c.FullName())}
		if diff != nil {
			shown = diff[i].Value
			if !j.Gauge {
				j.Delta = &shown
			}
		}
		if shown == 0 && !all {
			continue
		}
		list = append(list, j)
		value := strconv.FormatInt(shown, 10)
		if diff != nil && !j.Gauge {
			value = fmt.Sprintf("%+d", shown)
		}
		rows = append(rows, []string{value, j.Name, j.Meaning})
	}
	switch f.format {
	case "json", "jsonl":
		return emit(f, list)
	}
	if len(rows) == 0 {
		_, err := fmt.Fprintln(f.std.out, "nothing was counted")
		return err
	}
	return f.described([]string{"count", "counter", "what is counted"}, rows)
}

func (f *mptcpFlags) newSysctl() *cobra.Command {
	return f.changes(&cobra.Command{
		Use:   "sysctl [NAME | NAME=VALUE]...",
		Short: "Show and set net.mptcp.*, with what each does and its default",
		Example: `  framescope mptcp sysctl
  framescope mptcp sysctl blackhole_timeout
  framescope mptcp sysctl net.mptcp.stale_loss_cnt=2`,
		Args: cobra.ArbitraryArgs, ValidArgsFunction: cobra.NoFileCompletions,
		RunE: func(_ *cobra.Command, args []string) error {
			return f.with(func(c *mptcpctl.Conn) error { return f.sysctl(c, args) })
		},
	})
}

func (f *mptcpFlags) sysctl(c *mptcpctl.Conn, args []string) error {
	all, err := c.Sysctls()
	if err != nil {
		return err
	}
	want := map[string]string{}
	var asked []mptcpctl.Sysctl
	have := map[string]string{}
	for _, a := range args {
		name, value, set := strings.Cut(strings.TrimPrefix(a, "net.mptcp."), "=")
		i := -1
		for j := range all {
			if all[j].Name == name {
				i = j
			}
		}
		switch {
		case i < 0 && (name == "set" || name == "show" || name == "get" || name == "-w") && !set:
			return hinted{fmt.Errorf("mptcp sysctl: %q is no name: expected NAME or NAME=VALUE", a), "try: framescope mptcp sysctl" + withoutWord(args, a)}
		case i < 0:
			return hinted{fmt.Errorf("mptcp sysctl: this kernel has no net.mptcp.%s", name), "see: framescope mptcp sysctl"}
		case set:
			want[name], have[name] = value, all[i].Value
		default:
			asked = append(asked, all[i])
		}
	}
	if len(want) > 0 {
		steps, err := mptcpctl.Diff(mptcpctl.State{Sysctls: have}, mptcpctl.State{Sysctls: want})
		if err != nil {
			return err
		}
		// Writing it does something, whatever it was.
		const blackhole = "blackhole_timeout"
		if v, ok := want[blackhole]; ok && strings.TrimSpace(v) == have[blackhole] {
			steps = append(steps, mptcpctl.Change{Action: mptcpctl.ActSysctl, Sysctl: blackhole, Value: have[blackhole], Was: have[blackhole]})
		}
		if err := f.apply(c, steps); err != nil || len(asked) == 0 {
			return err
		}
	}
	if len(args) == 0 {
		asked = all
	}
	if f.format == "json" || f.format == "jsonl" {
		type record struct {
			Schema string `json:"schema"`
			Type   string `json:"type"`
			mptcpctl.Sysctl
		}
		records := make([]record, len(asked))
		for i, s := range asked {
			records[i] = record{"1.0", "mptcp_sysctl", s}
		}
		return emit(f, records)
	}
	rows := make([][]string, len(asked))
	for i, s := range asked {
		mark := s.Default
		if s.ReadOnly {
			mark = "read only"
		}
		rows[i] = []string{s.Name, s.Value, mark, s.Meaning}
	}
	return f.described([]string{"net.mptcp.", "value", "default", "what it does"}, rows)
}

// withoutWord is the rest of a command line without a word.
func withoutWord(args []string, word string) (line string) {
	for _, a := range args {
		if a != word {
			line += " " + shellQuote(a)
		}
	}
	return line
}

// apply does steps, or only prints them.
func (f *mptcpFlags) apply(c *mptcpctl.Conn, steps []mptcpctl.Change) error {
	if err := c.Possible(steps); err != nil {
		return err
	}
	if err := f.steps(steps); err != nil || f.dryRun {
		return err
	}
	return c.Apply(steps, nil)
}

func (f *mptcpFlags) newApply() *cobra.Command {
	var file string
	c := f.changes(&cobra.Command{
		Use:   "apply -f FILE",
		Short: "Make the configuration what a file says",
		Long: `Apply reads endpoints, limits and sysctls from a file of YAML or JSON, prints
what differs, and changes that and nothing else; a second time there is nothing
to change. Endpoints that the file does not name are deleted, if it has a list of
endpoints at all; "-" is standard input.`,
		Example: `  framescope mptcp apply -f mptcp.yaml --dry-run

  endpoints:
    - {address: 10.0.2.1, dev: eth1, flags: [subflow]}
  limits: {subflows: 4, add_addr_accepted: 4}
  sysctls: {checksum_enabled: 0}`,
		Args: cobra.NoArgs,
		RunE: func(*cobra.Command, []string) error {
			want, err := f.readState(file)
			if err != nil {
				return err
			}
			return f.with(func(c *mptcpctl.Conn) error {
				have, err := c.State()
				if err != nil {
					return err
				}
				steps, err := mptcpctl.Diff(have, want)
				if err != nil {
					return fmt.Errorf("%s: %w", file, err)
				}
				if err := f.apply(c, steps); err != nil {
					return err
				}
				for _, e := range want.Endpoints {
					if err := f.warn(c, e); err != nil {
						return err
					}
				}
				return nil
			})
		},
	})
	c.Flags().StringVarP(&file, "file", "f", "", "`file` that says what shall be")
	return c
}
