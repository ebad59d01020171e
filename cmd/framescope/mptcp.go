package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"framescope/capture/netns"
	"framescope/cmd/framescope/internal/output"
	"framescope/mptcpctl"
)

// mptcpFlags are what every `framescope mptcp` was told.
type mptcpFlags struct {
	std           stdio
	netns, format string
	dryRun        bool
	changing      bool   // the command can change something
	again         string // the command line, to be typed once more
}

// mptcpFormats are the ways to print; ip is that of ip-mptcp(8).
var mptcpFormats = []string{"table", "ip", "json", "jsonl"}

// formatsOf is the annotation of a command that prints in other ways.
const formatsOf = "formats"

func newMPTCP(std stdio) *cobra.Command {
	f := &mptcpFlags{std: std}
	c := &cobra.Command{
		Use:   "mptcp",
		Short: "Show, verify, configure and watch Multipath TCP",
		Long: `Mptcp speaks to the kernel's path manager, in this network namespace or, with
--netns, in another. Endpoint and limits take the words of ip-mptcp(8).

Exit status: 0 done; 1 the kernel refused, or did not do all of it; 2 wrong
usage; 3 not permitted. Verify and doctor: 1 is what they found.`,
		Example: `  framescope mptcp show
  framescope mptcp verify --dst :443 --subflows 2 --carrying 2 --distinct-links
  framescope mptcp doctor
  framescope mptcp endpoint add 10.0.2.1 dev eth1 subflow
  framescope mptcp limits set subflows 4 add_addr_accepted 4 --dry-run
  framescope mptcp monitor -o jsonl
  framescope mptcp counters --interval 5s`,
		Args: func(_ *cobra.Command, args []string) error {
			if len(args) == 0 {
				return nil
			}
			return hinted{fmt.Errorf("mptcp: there is no command %q", args[0]), "see: framescope mptcp --help"}
		},
		RunE: func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
		PersistentPreRunE: func(cmd *cobra.Command, args []string) error {
			f.again = cmd.CommandPath()
			for _, a := range args {
				f.again += " " + shellQuote(a)
			}
			f.changing = cmd.Flags().Lookup("dry-run") != nil
			if err := checkNetns(cmd); err != nil {
				return err
			}
			formats := mptcpFormats
			if own := cmd.Annotations[formatsOf]; own != "" {
				formats = strings.Split(own, ", ")
			}
			if !slices.Contains(formats, f.format) {
				return fmt.Errorf("--output %q: expected %s", f.format, strings.Join(formats, ", "))
			}
			return nil
		},
	}
	fl := c.PersistentFlags()
	fl.SortFlags = false
	fl.StringVar(&f.netns, "netns", "", "network namespace: a `name`, a process id, or a path")
	fl.StringVarP(&f.format, "output", "o", "table", "`format`: table, ip (as ip-mptcp prints), json, jsonl; of verify junit, too")
	_ = c.RegisterFlagCompletionFunc("output", cobra.FixedCompletions(mptcpFormats, cobra.ShellCompDirectiveNoFileComp))
	_ = c.RegisterFlagCompletionFunc("netns", cobra.NoFileCompletions)
	c.AddCommand(
		f.newIP("endpoint", "Add, change, delete and show endpoints", `  framescope mptcp endpoint
  framescope mptcp endpoint add ADDRESS [dev NAME] [id ID] [port NR] [signal|subflow|backup|fullmesh|laminar]...
  framescope mptcp endpoint change {id ID | ADDRESS [port NR]} [no]backup|[no]fullmesh
  framescope mptcp endpoint delete {id ID | id 0 ADDRESS}
  framescope mptcp endpoint show [id ID]
  framescope mptcp endpoint flush`,
			`An endpoint is an address that subflows begin at, or that peers are told about.
After adding one, framescope reads back what the kernel made of it, and warns if
it will not do what it is there for: its address, interface, route, rp_filter and
the limits are looked at.`),
		f.newIP("limits", "Set and show the limits on subflows", `  framescope mptcp limits
  framescope mptcp limits set [subflows NR] [add_addr_accepted NR]`,
			`Limits are per connection: subflows is how many there may be besides the first,
add_addr_accepted how many addresses that the peer signals are used; 0 to 8 each.`),
		f.newShow(), f.newVerify(), f.newMPTCPDoctor(), f.newMonitor(), f.newCounters(), f.newSysctl(), f.newApply(), f.newPMNLCtl(),
	)
	return c
}

// changes declares --dry-run.
func (f *mptcpFlags) changes(c *cobra.Command) *cobra.Command {
	c.Flags().BoolVar(&f.dryRun, "dry-run", false, "say what would change, and change nothing")
	return c
}

// negative finds a number that was taken for flags.
var negative = regexp.MustCompile(`-[0-9]+$`)

// newIP is a command in the words of ip-mptcp(8).
func (f *mptcpFlags) newIP(object, short, example, long string) *cobra.Command {
	c := f.changes(&cobra.Command{
		Use: object + " [WORDS...]", Short: short, Long: long, Example: example,
		Args: cobra.ArbitraryArgs, ValidArgsFunction: cobra.NoFileCompletions,
		RunE: func(_ *cobra.Command, args []string) error {
			cmd, err := mptcpctl.ParseIP(append([]string{object}, args...))
			var syntax *mptcpctl.SyntaxError
			if errors.As(err, &syntax) {
				syntax.Arg-- // the object is none to count
				return hinted{fmt.Errorf("mptcp %s: %w", object, err), "see: framescope mptcp " + object + " --help"}
			}
			return f.with(func(c *mptcpctl.Conn) error { return f.run(c, &cmd) })
		},
	})
	c.SetFlagErrorFunc(func(cmd *cobra.Command, err error) error {
		see := "see: " + cmd.CommandPath() + " --help"
		if m := negative.FindString(err.Error()); m != "" {
			return hinted{fmt.Errorf("mptcp %s: %s: no number here is negative", object, m), see}
		}
		return hinted{err, see}
	})
	return c
}

// with opens the path manager, and says of its errors what to do.
func (f *mptcpFlags) with(do func(*mptcpctl.Conn) error) error {
	err := f.open(do)
	var op *mptcpctl.OpError
	var ns *netns.Error
	switch {
	case err == nil:
		return nil
	case errors.As(err, &ns) && errors.Is(err, os.ErrPermission):
		return hinted{err, "entering a namespace needs CAP_SYS_ADMIN there; try: sudo " + f.again + " --netns " + shellQuote(f.netns)}
	case errors.As(err, &ns) && errors.Is(err, os.ErrNotExist):
		return hinted{err, "ip netns shows the names; the id of a process that runs in it does, too"}
	case errors.Is(err, os.ErrPermission):
		in := ""
		if f.netns != "" {
			in = " --netns " + shellQuote(f.netns)
		}
		return hinted{err, "that needs CAP_NET_ADMIN in the namespace; try: sudo " + f.again + in}
	case errors.Is(err, mptcpctl.ErrNotSupported):
		return hinted{err, "a kernel with CONFIG_MPTCP=y is needed, 5.6 or later; see: grep MPTCP /boot/config-$(uname -r)"}
	case errors.As(err, &op) && f.changing: // the kernel refused it
		complain(f.std.err, err)
		return status(exitFailed)
	}
	return err
}

// namespace opens that of --netns. Without the flag it is nil, which stands for
// this one and may be closed as well.
func (f *mptcpFlags) namespace() (*os.File, error) {
	if f.netns == "" {
		return nil, nil
	}
	return netns.Open(f.netns)
}

func (f *mptcpFlags) open(do func(*mptcpctl.Conn) error) error {
	ns, err := f.namespace()
	if err != nil {
		return err
	}
	defer ns.Close()
	c, err := mptcpctl.Open(ns)
	if err != nil {
		return err
	}
	defer c.Close()
	return do(c)
}

// run runs a command in the words of ip-mptcp(8).
func (f *mptcpFlags) run(c *mptcpctl.Conn, cmd *mptcpctl.Command) error {
	if f.dryRun && cmd.ChangesState() {
		steps, err := cmd.Plan(c)
		if err != nil {
			return err
		}
		if err := f.steps(steps); err != nil {
			return err
		}
		if cmd.Verb == mptcpctl.VerbAdd {
			return f.warn(c, cmd.Endpoint)
		}
		return nil
	}
	r, err := cmd.Run(c)
	var dropped *mptcpctl.FlagsError
	if err != nil && !errors.As(err, &dropped) {
		return err
	}
	switch cmd.Verb {
	case mptcpctl.VerbShowLimits:
		err = f.limits(r.Limits)
	case mptcpctl.VerbShow:
		err = f.endpoints(r.Endpoints)
	case mptcpctl.VerbAdd, mptcpctl.VerbChange:
		if f.format == "json" || f.format == "jsonl" {
			err = f.endpoints(r.Endpoints)
		} else {
			err = nil
		}
		if err == nil && cmd.Verb == mptcpctl.VerbAdd {
			err = f.warn(c, r.Endpoints[0])
		}
	}
	if dropped != nil {
		complain(f.std.err, hinted{dropped, fmt.Sprintf("it is there without them; to take it away: framescope mptcp endpoint delete id %d", dropped.Endpoint.ID)})
		return status(exitFailed)
	}
	return err
}

// warn says what will keep an endpoint from doing what it is there for.
func (f *mptcpFlags) warn(c *mptcpctl.Conn, e mptcpctl.Endpoint) error {
	all, err := c.Check(e)
	for _, w := range all {
		fmt.Fprintf(f.std.err, "framescope: warning: %s: %s\n", w.ID, visible(w.Text))
		for _, s := range w.Evidence {
			fmt.Fprintf(f.std.err, "  seen  %s\n", visible(s))
		}
		for _, s := range w.Fix {
			fmt.Fprintf(f.std.err, "  fix   %s\n", visible(s))
		}
	}
	return err
}

// emit prints values as JSON: an array, or one a line.
func emit[T any](f *mptcpFlags, values []T) error {
	enc := newEncoder(f.std.out)
	enc.SetEscapeHTML(false)
	if f.format == "json" {
		if values == nil {
			values = []T{}
		}
		return enc.Encode(values)
	}
	for _, v := range values {
		if err := enc.Encode(v); err != nil {
			return err
		}
	}
	return nil
}

// described prints rows whose last cell is a text, which goes on below itself
// where it does not fit.
func (f *mptcpFlags) described(heads []string, rows [][]string) error {
	last := len(heads) - 1
	widths := make([]int, last)
	for _, r := range append([][]string{heads}, rows...) {
		for i := range last {
			r[i] = output.Visible(r[i])
			widths[i] = max(widths[i], len(r[i]))
		}
	}
	indent := 0
	for _, w := range widths {
		indent += w + 2
	}
	room := columns(f.std.out)
	if room == 0 {
		room = 80
	}
	room = max(room, indent+24)
	var b []byte
	for _, r := range append([][]string{heads}, rows...) {
		for i, w := range widths {
			b = append(output.AppendPadded(b, r[i], w, false), "  "...)
		}
		b = append(bytes.TrimRight(output.Wrap(b, r[last], indent, indent, room), " "), '\n')
	}
	_, err := f.std.out.Write(b)
	return err
}

func (f *mptcpFlags) endpoints(all []mptcpctl.Endpoint) error {
	switch f.format {
	case "ip":
		var b []byte
		for _, e := range all {
			b = e.AppendIP(b)
		}
		return f.text(b)
	case "table":
		rows := make([][]string, len(all))
		for i, e := range all {
			port := ""
			if e.Port != 0 {
				port = strconv.Itoa(int(e.Port))
			}
			rows[i] = []string{strconv.Itoa(int(e.ID)), e.Addr.String(), port, e.Dev, e.Flags.String()}
		}
		if len(rows) == 0 {
			return nil
		}
		return f.described([]string{"id", "address", "port", "dev", "flags"}, rows)
	}
	return emit(f, all)
}

// text writes lines in the form of another program: as they are for programs, and
// made safe for a terminal.
func (f *mptcpFlags) text(b []byte) error {
	if terminal(f.std.out) {
		b = []byte(visible(string(b)))
	}
	_, err := f.std.out.Write(b)
	return err
}

func (f *mptcpFlags) limits(l mptcpctl.Limits) error {
	switch f.format {
	case "ip", "table":
		_, err := f.std.out.Write(l.AppendIP(nil))
		return err
	}
	return writeJSON(f.std.out, l)
}

// steps prints what would change.
func (f *mptcpFlags) steps(all []mptcpctl.Change) error {
	if f.format == "json" || f.format == "jsonl" {
		return emit(f, all)
	}
	if len(all) == 0 {
		_, err := fmt.Fprintln(f.std.out, "nothing to change")
		return err
	}
	for _, s := range all {
		if _, err := fmt.Fprintln(f.std.out, visible(s.String())); err != nil {
			return err
		}
	}
	return nil
}

func (f *mptcpFlags) newPMNLCtl() *cobra.Command {
	return &cobra.Command{
		Use:   "pm-nl-ctl WORDS...",
		Short: "Take the place of pm_nl_ctl in the kernel's MPTCP tests",
		Long: `Pm-nl-ctl speaks the language of pm_nl_ctl, the program by which the kernel's own
tests drive its path manager: PM_NL_CTL='framescope mptcp pm-nl-ctl' pm_netlink.sh

Exit status: 0 done, 1 refused.`,
		Args: cobra.ArbitraryArgs, ValidArgsFunction: cobra.NoFileCompletions,
		RunE: func(_ *cobra.Command, args []string) error {
			cmd, err := mptcpctl.ParsePMNLCtl(args)
			if err == nil {
				err = f.open(func(c *mptcpctl.Conn) error { return f.pmNLCtl(c, &cmd) })
			}
			if err == nil {
				return nil
			}
			// Whoever reads it looks for 1, whatever went wrong.
			complain(f.std.err, err)
			return status(exitFailed)
		},
	}
}

func (f *mptcpFlags) pmNLCtl(c *mptcpctl.Conn, cmd *mptcpctl.Command) error {
	switch cmd.Verb {
	case mptcpctl.VerbMonitor:
		m, err := c.Monitor()
		if err != nil {
			return err
		}
		defer m.Close()
		return f.events(0, m.Events, func(e *mptcpctl.Event) error {
			_, err := f.std.err.Write(e.AppendPMNLCtl(nil))
			return err
		})
	case mptcpctl.VerbListen:
		return f.listen(netip.AddrPortFrom(cmd.Endpoint.Addr, cmd.Endpoint.Port))
	}
	r, err := cmd.Run(c)
	var dropped *mptcpctl.FlagsError
	if errors.As(err, &dropped) {
		err = nil // as the kernel does: without a word
	}
	var b []byte
	switch {
	case err != nil:
	case cmd.Verb == mptcpctl.VerbShow:
		for _, e := range r.Endpoints {
			b = e.AppendPMNLCtl(b)
		}
	case cmd.Verb == mptcpctl.VerbShowLimits:
		b = r.Limits.AppendPMNLCtl(b)
	}
	if werr := f.text(b); err == nil && werr != nil && len(b) > 0 {
		err = werr
	}
	return err
}

// listen listens for MPTCP connections until it is stopped, and answers none.
func (f *mptcpFlags) listen(at netip.AddrPort) error {
	var l net.Listener
	open := func() (err error) {
		var lc net.ListenConfig
		lc.SetMultipathTCP(true)
		network := "tcp6"
		if at.Addr().Is4() {
			network = "tcp4"
		}
		l, err = lc.Listen(context.Background(), network, at.String())
		return err
	}
	ns, err := f.namespace()
	if err != nil {
		return err
	}
	defer ns.Close()
	if err := netns.Do(ns, open); err != nil {
		return err
	}
	defer l.Close()
	ctx, stop := interruptible()
	defer stop()
	<-ctx.Done()
	return nil
}
