package main

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"net/netip"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/spf13/cobra"

	"framescope/cmd/framescope/internal/output"
	"framescope/mptcpctl"
	"framescope/probes/sockets"
)

// selectFlags choose connections.
type selectFlags struct {
	token, dst, src string
	given           func(name string) bool
}

func (f *selectFlags) register(c *cobra.Command) {
	fl := c.Flags()
	f.given = fl.Changed
	fl.StringVar(&f.token, "token", "", "the connection with this `token`, of this host or of the peer")
	fl.StringVar(&f.dst, "dst", "", "connections to `ADDRESS`, ADDRESS:PORT, PREFIX or :PORT")
	fl.StringVar(&f.src, "src", "", "connections whose own end is `ADDRESS`, ADDRESS:PORT, PREFIX or :PORT")
}

func (f *selectFlags) selector() (s mptcpctl.Selector, err error) {
	for name, value := range map[string]string{"token": f.token, "dst": f.dst, "src": f.src} {
		if value == "" && f.given(name) {
			return s, fmt.Errorf("--%s is empty: leave it out to choose all", name)
		}
	}
	if f.token != "" {
		if err := s.Token.UnmarshalText([]byte(strings.TrimPrefix(f.token, "0x"))); err != nil || s.Token == 0 {
			return s, fmt.Errorf("--token %q: expected eight hexadecimal digits, as framescope mptcp show prints them", f.token)
		}
	}
	if s.Remote, err = mptcpctl.ParseAddrMatch(f.dst); err != nil {
		return s, fmt.Errorf("--dst %w", err)
	}
	if s.Local, err = mptcpctl.ParseAddrMatch(f.src); err != nil {
		return s, fmt.Errorf("--src %w", err)
	}
	return s, nil
}

func (f *mptcpFlags) newShow() *cobra.Command {
	var sel selectFlags
	var watch, owner, noOwner bool
	var interval time.Duration
	var count, width int
	c := &cobra.Command{
		Use:   "show",
		Short: "Show connections with their subflows, and over which links these go",
		Long: `Show lists the MPTCP connections of the network namespace. The verdict stands
first:

  multipath    established subflows over two links or more
  one-cable    several established subflows, all of which leave by the same link
  single-path  one established subflow
  fallback     the application asked for MPTCP, and it is plain TCP
  closed       no subflow is established

A subflow is established when both ends have it: its TCP state alone does not
say so. Its link is what the routing tables say of its addresses. Where there is
no room, "=" stands for the address that the connection goes to. With --interval
or --watch, rates are those of the time between two looks.

  ids     address ids of this end and of the peer
  state   ok: established; silent: it sends, and no answer comes; half-open: the
          peer has not confirmed it; syn-sent: no answer yet; tcp: it fell back;
          backup: it carries data only when no other one works
  rtt ms  smoothed round-trip time in milliseconds
  again   segments that were sent again
  queue   bytes that were written and not acknowledged yet
  cwnd    congestion window in segments
  flags   letters of ss -M, capitals for what the peer sent: "mM" MP_CAPABLE, "jJ"
          MP_JOIN, "bB" backup; "e": established at both ends, "c": connected,
          "v": a mapping is being read`,
		Example: `  framescope mptcp show
  framescope mptcp show --dst :443 --watch
  framescope mptcp show -o jsonl | jq 'select(.mptcp.links < 2)'`,
		Args:        cobra.NoArgs,
		Annotations: map[string]string{formatsOf: "table, json, jsonl"},
		RunE: func(*cobra.Command, []string) error {
			q := mptcpctl.Query{}
			var err error
			if q.Selector, err = sel.selector(); err != nil {
				return err
			}
			switch {
			case owner && noOwner:
				return errors.New("--owner and --no-owner: expected one of them")
			case owner:
				q.Owners = sockets.Holders{}
			case !noOwner:
				q.Owners, q.MaxOwned = sockets.Holders{}, mptcpctl.DefaultMaxOwned
			}
			if interval < 0 || count < 0 {
				return errors.New("show: --interval and --count cannot be negative")
			}
			if err := checkWidth(width); err != nil {
				return err
			}
			if width == 0 {
				width = columns(f.std.out)
			}
			if watch && interval == 0 {
				interval = time.Second
			}
			if interval > 0 && !watch && count == 0 {
				count = 1
			}
			return f.with(func(c *mptcpctl.Conn) error { return f.show(c, q, interval, count, width) })
		},
	}
	sel.register(c)
	fl := c.Flags()
	fl.BoolVar(&watch, "watch", false, "show again and again, until Ctrl-C")
	fl.DurationVar(&interval, "interval", 0, "measure rates for this `time`; with --watch 1s unless given")
	fl.IntVar(&count, "count", 0, "end after `N` intervals")
	fl.BoolVar(&owner, "owner", false, "look for the processes that hold the connections, however many these are")
	fl.BoolVar(&noOwner, "no-owner", false, "do not look for them; otherwise it is done for up to 1000 connections")
	fl.IntVar(&width, "width", 0, "`columns` of the table; 0: those of the terminal, or 80")
	return c
}

// showMemory is enough for some 200 000 connections.
const showMemory = 512 << 20

func (f *mptcpFlags) show(c *mptcpctl.Conn, q mptcpctl.Query, interval time.Duration, count, width int) error {
	limitHeap(showMemory)
	now, before := new(mptcpctl.Snapshot), new(mptcpctl.Snapshot)
	if err := c.Snapshot(now, q); err != nil {
		return err
	}
	if interval == 0 {
		return f.snapshot(now, &q.Selector, width)
	}
	ctx, stop := interruptible()
	defer stop()
	tick := time.NewTicker(interval)
	defer tick.Stop()
	clear := terminal(f.std.out) && count != 1 && (f.format == "table" || f.format == "ip")
	for n := 1; ; n++ {
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		}
		now, before = before, now
		if err := c.Snapshot(now, q); err != nil {
			return err
		}
		now.Since(before)
		switch {
		case clear:
			fmt.Fprint(f.std.out, "\x1b[H\x1b[2J")
		case n > 1 && f.format == "table":
			fmt.Fprintln(f.std.out)
		}
		if err := f.snapshot(now, &q.Selector, width); err != nil {
			return err
		}
		if n == count {
			return nil
		}
	}
}

// snapshot prints connections.
func (f *mptcpFlags) snapshot(s *mptcpctl.Snapshot, sel *mptcpctl.Selector, width int) error {
	w := bufio.NewWriterSize(f.std.out, 64<<10)
	switch f.format {
	case "json", "jsonl":
		var b []byte
		ts := stamp(s.Time)
		if f.format == "json" {
			_ = w.WriteByte('[')
		}
		for i := range s.Connections {
			b = b[:0]
			if f.format == "json" && i > 0 {
				b = append(b, ',')
			}
			b = append(append(append(b, `{"schema":"1.0","type":"mptcp_connection","ts":"`...), ts...), `","mptcp":`...)
			b = append(s.Connections[i].AppendJSON(b), '}')
			if f.format == "jsonl" {
				b = append(b, '\n')
			}
			if _, err := w.Write(b); err != nil {
				return fmt.Errorf("standard output: %w", err)
			}
		}
		if f.format == "json" {
			_, _ = w.WriteString("]\n")
		}
	default:
		_, _ = w.Write(connectionTable(s, sel, width))
	}
	if err := w.Flush(); err != nil {
		return fmt.Errorf("standard output: %w", err)
	}
	if s.Incomplete {
		fmt.Fprintln(f.std.err, "framescope: sockets came and went during the walk: some may be missing or be there twice")
	}
	return nil
}

// connectionTable is what a person reads: how many of which kind, then each
// connection with its subflows.
func connectionTable(s *mptcpctl.Snapshot, sel *mptcpctl.Selector, width int) []byte {
	if width == 0 {
		width = 80
	}
	kinds := map[string]int{}
	for i := range s.Connections {
		kinds[s.Connections[i].Verdict()]++
	}
	var words []string
	for _, k := range []string{"multipath", "one-cable", "single-path", "fallback", "no-path", "closed"} {
		if kinds[k] > 0 {
			words = append(words, fmt.Sprintf("%d %s", kinds[k], k))
		}
	}
	head := output.Count(len(s.Connections), "MPTCP connection", "MPTCP connections")
	if text := sel.String(); text != "" {
		head += " with " + text
	}
	if len(words) > 0 {
		head += ": " + strings.Join(words, ", ")
	}
	b := append([]byte(head), '\n')
	if n := s.Plain.Count; n > 0 {
		b = fmt.Appendf(b, "%s with these addresses without MPTCP\n", output.Count(n, "TCP connection", "TCP connections"))
	} else if n := s.Accepted.Count; n > 0 {
		b = fmt.Appendf(b, "%s accepted as plain TCP at ports that listen for MPTCP\n", output.Count(n, "connection", "connections"))
	}
	for i := range s.Connections {
		b = append(b, '\n')
		b = appendConnection(b, &s.Connections[i], width)
	}
	return b
}

func appendConnection(b []byte, c *mptcpctl.Connection, width int) []byte {
	arrow := " > "
	if c.Accepted {
		arrow = " < "
	}
	b = fmt.Appendf(b, "%-11s  %v%s%v", c.Verdict(), c.Local, arrow, c.Remote)
	var words []string
	if c.Owner.PID != 0 {
		words = append(words, fmt.Sprintf("%s (%d)", output.Visible(c.Owner.Command), c.Owner.PID))
	}
	if c.Token != 0 {
		words = append(words, "token "+c.Token.String())
	}
	if n, all := c.Established(), len(c.Subflows); n != all {
		words = append(words, fmt.Sprintf("%d of %s established", n, output.Count(all, "subflow", "subflows")))
	} else {
		words = append(words, output.Count(n, "subflow", "subflows"))
	}
	words = append(words, output.Count(c.Links(), "link", "links"))
	switch c.Fallback {
	case mptcpctl.FallbackHandshake:
		words = append(words, "the peer never confirmed MPTCP")
	case mptcpctl.FallbackLater:
		words = append(words, "MPTCP was given up after the handshake")
	case mptcpctl.FallbackNever:
		words = append(words, "the kernel did not use MPTCP: SYNs with it had been lost")
	}
	if c.Info.CsumEnabled {
		words = append(words, "checksums")
	}
	if c.State.String() != "ESTABLISHED" {
		words = append(words, strings.ToLower(c.State.String()))
	}
	if n := c.Info.Retransmits; n > 0 {
		words = append(words, fmt.Sprintf("%d sent again on another subflow", n))
	}
	used := utf8.RuneCount(b[bytes.LastIndexByte(b, '\n')+1:])
	b = append(output.AppendParts(b, words, used, 13, width), '\n')
	return appendSubflows(b, c, width)
}

// A column of the table of subflows.
type subflowColumn struct {
	head  string
	right bool
	wide  bool // only where there is room
	cell  func(c *mptcpctl.Connection, s *mptcpctl.SubflowInfo) string
}

var subflowColumns = []subflowColumn{
	{"link", false, false, func(_ *mptcpctl.Connection, s *mptcpctl.SubflowInfo) string {
		switch {
		case s.Path.Dev == "":
			return "no route"
		case s.Path.Lower != "":
			return s.Path.Dev + "@" + s.Path.Lower
		}
		return s.Path.Dev
	}},
	{"from", false, false, func(_ *mptcpctl.Connection, s *mptcpctl.SubflowInfo) string { return s.Local.String() }},
	{"to", false, false, func(_ *mptcpctl.Connection, s *mptcpctl.SubflowInfo) string { return s.Remote.String() }},
	{"ids", false, true, func(_ *mptcpctl.Connection, s *mptcpctl.SubflowInfo) string {
		return fmt.Sprintf("%d/%d", s.LocalID, s.RemoteID)
	}},
	{"state", false, false, subflowState},
	{"sent", true, false, func(_ *mptcpctl.Connection, s *mptcpctl.SubflowInfo) string {
		if s.Over > 0 {
			sent, _ := s.Rate()
			return output.Bytes(int64(sent)) + "/s"
		}
		return output.Bytes(int64(s.Delivered()))
	}},
	{"received", true, false, func(_ *mptcpctl.Connection, s *mptcpctl.SubflowInfo) string {
		if s.Over > 0 {
			_, received := s.Rate()
			return output.Bytes(int64(received)) + "/s"
		}
		return output.Bytes(int64(s.BytesReceived))
	}},
	{"rtt ms", true, false, func(_ *mptcpctl.Connection, s *mptcpctl.SubflowInfo) string {
		if s.RTT == 0 {
			return "-"
		}
		return strconv.FormatFloat(s.RTT.Seconds()*1000, 'f', 1, 64)
	}},
	{"again", true, true, func(_ *mptcpctl.Connection, s *mptcpctl.SubflowInfo) string {
		return strconv.FormatUint(uint64(s.TotalRetrans), 10)
	}},
	{"queue", true, true, func(_ *mptcpctl.Connection, s *mptcpctl.SubflowInfo) string { return output.Bytes(int64(s.WQueue)) }},
	{"cwnd", true, true, func(_ *mptcpctl.Connection, s *mptcpctl.SubflowInfo) string {
		return strconv.FormatUint(uint64(s.Cwnd), 10)
	}},
	{"flags", false, true, func(_ *mptcpctl.Connection, s *mptcpctl.SubflowInfo) string { return s.Flags.String() }},
	{"gateway", false, true, func(_ *mptcpctl.Connection, s *mptcpctl.SubflowInfo) string {
		if s.Path.Gateway == (netip.Addr{}) {
			return "on link"
		}
		return s.Path.Gateway.String()
	}},
}

// subflowState is a state in a word or two.
func subflowState(c *mptcpctl.Connection, s *mptcpctl.SubflowInfo) string {
	state := strings.ToLower(strings.ReplaceAll(s.State.String(), "_", "-"))
	switch {
	case s.Silent():
		state = "silent"
	case s.Established():
		state = "ok"
	case state == "established" && c.Fallback != mptcpctl.NoFallback:
		return "tcp"
	case state == "established":
		state = "half-open"
	}
	if s.Backup() {
		return state + ",backup"
	}
	return state
}

// appendSubflows appends the rows of a connection, as many columns as there is
// room for.
func appendSubflows(b []byte, c *mptcpctl.Connection, width int) []byte {
	var cells [][]string
	var cols []subflowColumn
	var widths []int
	room := width - 2
	for _, wide := range []bool{false, true} {
		for _, col := range subflowColumns {
			if col.wide != wide {
				continue
			}
			list := []string{col.head}
			w := len(col.head)
			for i := range c.Subflows {
				text := output.Visible(col.cell(c, &c.Subflows[i]))
				list = append(list, text)
				w = max(w, len([]rune(text)))
			}
			if wide && w+2 > room {
				continue
			}
			room -= w + 2
			cells, cols, widths = append(cells, list), append(cols, col), append(widths, w)
		}
	}
	// What gives way on a narrow line are addresses: first that of the peer, which
	// as a rule is the connection's.
	for i := range cols {
		if room < 0 && cols[i].head == "to" {
			w := len("to")
			for j := range c.Subflows {
				switch text := &cells[i][j+1]; {
				case c.Subflows[j].Remote == c.Remote:
					*text = "="
				case c.Subflows[j].Remote.Port() == c.Remote.Port():
					*text = c.Subflows[j].Remote.Addr().String()
				}
				w = max(w, len(cells[i][j+1]))
			}
			room += widths[i] - w
			widths[i] = w
		}
	}
	for i := range cols {
		if room < 0 && cols[i].head == "from" {
			cut := max(widths[i]+room, 12)
			for j, text := range cells[i] {
				if r := []rune(text); len(r) > cut {
					cells[i][j] = string(r[:cut-3]) + "..."
				}
			}
			widths[i] = cut
		}
	}
	for row := range len(c.Subflows) + 1 {
		for i := range cols {
			b = output.AppendPadded(append(b, "  "...), cells[i][row], widths[i], cols[i].right)
		}
		b = append(bytes.TrimRight(b, " "), '\n')
	}
	return b
}
