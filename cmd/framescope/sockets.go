package main

import (
	"errors"
	"fmt"
	"io"
	"os"
	"runtime"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"framescope/capture/netns"
	"framescope/cmd/framescope/internal/output"
	"framescope/decode/filter"
	"framescope/probes/sockdiag"
	"framescope/probes/sockets"
)

// socketsFlags are what `framescope sockets` was told, and what one run of it has
// found out besides sockets.
type socketsFlags struct {
	std                 stdio
	out                 io.Writer // where sockets are printed
	format, view, netns string

	tcp, udp, unix, raw, mptcp, packet, netlink bool
	listening, all, numeric, processes          bool
	info, extended, four, six, noHeader         bool
	owner, noOwner                              bool
	internet                                    []string // lsof's -i
	lsofStates                                  string   // and its -s
	words                                       []string // of EXPR
	expr                                        *sockets.Expr
	filter                                      string        // over fields
	match                                       *socketFilter // nil without one

	watch, kill, yes    bool
	interval, timeout   time.Duration
	waitFor, save, diff string

	cgroups sockets.Cgroups
	owners  *sockets.Owners // once they have been looked for
	unowned int             // sockets that were printed without one
	notes   []string        // to be said below the table
}

var (
	socketViews   = []string{"framescope", "ss", "netstat", "lsof"}
	socketFormats = output.Formats
)

func newSockets(std stdio) *cobra.Command {
	f := &socketsFlags{std: std, out: std.out}
	c := &cobra.Command{
		Use:   "sockets [EXPR]",
		Short: "List sockets with their owners, as ss, netstat and lsof do, and say what is wrong with them",
		Long: `Sockets lists the sockets of this network namespace or, with --netns, of another
or of all: addresses, states, queues, and the processes that hold them.

Without flags it shows TCP, MPTCP, UDP and raw sockets, listeners first, an MPTCP
connection with its subflows below it, in every state but bound-inactive, which is
neither listening nor connected; -l shows what listens only, -a without a kind also
what is bound only, and unix, packet and netlink sockets. With --view ss or netstat,
sockets that listen are shown with -a or -l only, as these do.

EXPR is a filter in the grammar of ss(8): state NAME, exclude NAME, src, dst,
sport, dport, dev, fwmark, cgroup, autobound, with and, or, not and parentheses.
-i alone adds what TCP measured (ss -i); with words behind it, it is that of
lsof(8): -i [46][tcp|udp|mptcp][@HOST][:PORT]. The kernel does the filtering where
it can. -Y is asked of what these leave: a filter over fields of the records, as
decode has it.

Recv-Q and Send-Q are bytes of TCP sockets, connections that wait and their bound
of listeners, and memory, which is more than the data, of all others.
Addresses are never looked up; ports have names in the views of others without -n.
--watch is a table on a terminal; elsewhere it prints an object of JSON for each
event, as -o jsonl.
-o is the format here: timers, for which ss and netstat have it, are with -e.

Exit status: 0 done; 1 --wait-for was in vain, --diff found a difference;
2 wrong usage; 3 not permitted.`,
		Example: `  framescope sockets
  framescope sockets -tl
  framescope sockets state established and dport = :443
  framescope sockets -i :8765 -o json
  framescope sockets -Y 'socket.send_q > 64k or tcp.retrans_total > 10'
  framescope sockets --view ss -tanp dst 10.0.0.0/8
  framescope sockets port 8765
  framescope sockets diagnose --fail-on warning
  framescope sockets --wait-for 'state listening sport = :8765' --timeout 10s`,
		Args:              cobra.ArbitraryArgs,
		ValidArgsFunction: cobra.NoFileCompletions,
		RunE: func(cmd *cobra.Command, args []string) error {
			if cmd.DisableFlagParsing {
				cmd.DisableFlagParsing = false
				if err := cmd.ParseFlags(internetFlags(args, f)); err != nil {
					return cmd.FlagErrorFunc()(cmd, err)
				}
				if help, err := cmd.Flags().GetBool("help"); err == nil && help {
					return cmd.Help()
				}
				args = cmd.Flags().Args()
			}
			f.words = args
			return f.run(cmd)
		},
		// -iTCP:443 is not what the flags of pflag look like: they are parsed by
		// RunE. Completion wants to know them.
		DisableFlagParsing: !(len(os.Args) > 1 && strings.HasPrefix(os.Args[1], cobra.ShellCompRequestCmd)),
	}
	fl := c.Flags()
	fl.SortFlags = false
	fl.BoolVarP(&f.tcp, "tcp", "t", false, "TCP sockets")
	fl.BoolVarP(&f.udp, "udp", "u", false, "UDP and UDP-Lite sockets")
	fl.BoolVarP(&f.mptcp, "mptcp", "M", false, "MPTCP connections, with their subflows")
	fl.BoolVarP(&f.raw, "raw", "w", false, "raw sockets")
	fl.BoolVarP(&f.unix, "unix", "x", false, "unix sockets")
	fl.BoolVarP(&f.packet, "packet", "0", false, "packet sockets")
	fl.BoolVar(&f.netlink, "netlink", false, "netlink sockets")
	fl.BoolVarP(&f.four, "ipv4", "4", false, "IPv4 only")
	fl.BoolVarP(&f.six, "ipv6", "6", false, "IPv6 only")
	fl.BoolVarP(&f.listening, "listening", "l", false, "only sockets that listen")
	fl.BoolVarP(&f.all, "all", "a", false, "sockets that listen and others; of every kind if none is named")
	fl.BoolVarP(&f.numeric, "numeric", "n", false, "no names of services")
	fl.BoolVarP(&f.processes, "processes", "p", false, "processes, in the views of ss and netstat")
	fl.BoolVarP(&f.info, "info", "i", false, "what TCP measured; or -i [46][tcp|udp][@HOST][:PORT]: only these")
	fl.BoolVarP(&f.extended, "extended", "e", false, "user, inode, timer, age, drops, service, the other end; as of ss with its view")
	fl.BoolVar(&f.owner, "owner", false, "find out which processes hold the sockets; the default but for ss and netstat")
	fl.BoolVar(&f.noOwner, "no-owner", false, "do not: that takes time where processes have many files")
	fl.StringVar(&f.view, "view", "framescope", "columns as of: framescope, ss, netstat or lsof")
	fl.StringVarP(&f.format, "output", "o", "table", "`format`: table, wide, json, jsonl or csv")
	fl.StringVar(&f.netns, "netns", "", "network namespace: a `name`, a process id, a path, or all")
	fl.BoolVar(&f.watch, "watch", false, "go on and show what is opened, closed and changed: on a terminal as a table, otherwise as lines of JSON")
	fl.DurationVar(&f.interval, "interval", time.Second, "how often --watch looks again")
	fl.StringVar(&f.waitFor, "wait-for", "", "wait until a socket matches this `expression`, and print it")
	fl.DurationVar(&f.timeout, "timeout", 0, "how long --wait-for waits, and --watch goes on; 0: for ever")
	fl.StringVar(&f.save, "save", "", "save the sockets to a `file`, for --diff")
	fl.StringVar(&f.diff, "diff", "", "show what differs from a saved `file`")
	fl.BoolVar(&f.kill, "kill", false, "end the sockets that match EXPR or -i, after asking")
	fl.BoolVar(&f.yes, "yes", false, "--kill does not ask")
	fl.StringVarP(&f.filter, "filter", "Y", "", "only sockets whose fields match the `expression`, such as 'socket.recv_q > 64k and process.name == nginx'")
	fl.StringVarP(&f.lsofStates, "states", "s", "", "")
	_ = fl.MarkHidden("states") // lsof -sTCP:LISTEN
	fl.BoolP("no-ports", "P", false, "")
	_ = fl.MarkHidden("no-ports") // lsof -nP
	fl.BoolVarP(&f.noHeader, "no-header", "H", false, "")
	for _, same := range []struct{ long, short string }{{"oneline", "O"}, {"resolve", "r"}, {"no-truncate", "W"}, {"memory", "m"}, {"verbose", "v"}} {
		fl.BoolP(same.long, same.short, false, "") // of ss, netstat and lsof: nothing changes
		_ = fl.MarkHidden(same.long)
	}
	_ = fl.MarkHidden("no-header")
	c.SetFlagErrorFunc(func(cmd *cobra.Command, err error) error {
		if h := insteadOf(err.Error()); h != "" {
			return hinted{err, h}
		}
		return cmd.Root().FlagErrorFunc()(cmd, err)
	})
	complete := func(name string, values ...string) {
		_ = c.RegisterFlagCompletionFunc(name, cobra.FixedCompletions(values, cobra.ShellCompDirectiveNoFileComp))
	}
	complete("view", socketViews...)
	complete("output", socketFormats...)
	complete("netns", "all")
	for _, name := range []string{"interval", "wait-for", "timeout", "filter"} {
		_ = c.RegisterFlagCompletionFunc(name, cobra.NoFileCompletions)
	}
	c.AddCommand(newSocketsPort(std), newSocketsDiagnose(std))
	return c
}

func (f *socketsFlags) run(cmd *cobra.Command) error {
	if !slices.Contains(socketFormats, f.format) {
		return hinted{fmt.Errorf("--output %q: expected %s", f.format, strings.Join(socketFormats, ", ")), f.insteadOfOptions()}
	}
	if !slices.Contains(socketViews, f.view) {
		return fmt.Errorf("--view %q: expected %s", f.view, strings.Join(socketViews, ", "))
	}
	if f.owner && f.noOwner {
		return errors.New("--owner and --no-owner contradict each other")
	}
	expr, err := sockets.Parse(strings.Join(f.words, " "))
	if err != nil {
		return hinted{marked("sockets", err), f.insteadOfWords()}
	}
	all := []*sockets.Expr{expr}
	var any []*sockets.Expr
	for _, s := range f.internet {
		e, err := sockets.ParseInternet(s)
		if err != nil {
			return hinted{marked("sockets", err), "such as -i :8765, -i 4tcp@10.0.0.1:443"}
		}
		any = append(any, e)
	}
	f.expr = sockets.And(append(all, sockets.Or(any...))...)
	if f.lsofStates != "" {
		e, err := sockets.ParseStates(f.lsofStates)
		if err != nil {
			return marked("sockets", err)
		}
		f.expr = sockets.And(f.expr, e)
	}
	if err := checkNetns(cmd); err != nil {
		return err
	}
	if err := f.compileFilter(); err != nil {
		return err
	}
	fl := cmd.Flags()
	if f.view == "framescope" {
		if fl.Changed("memory") {
			f.notes = append(f.notes, "-m changes nothing: queues are shown always, drops with -e")
		}
		if fl.Changed("resolve") {
			f.notes = append(f.notes, "-r changes nothing: addresses are never looked up")
		}
	}
	var modes []string
	for _, m := range []string{"kill", "wait-for", "watch", "save", "diff"} {
		if fl.Changed(m) {
			modes = append(modes, "--"+m)
		}
	}
	switch {
	case len(modes) > 1:
		return fmt.Errorf("%s do not go together", strings.Join(modes, " and "))
	case fl.Changed("timeout") && !fl.Changed("wait-for") && !f.watch:
		return errors.New("--timeout is for --wait-for and --watch")
	case fl.Changed("interval") && !f.watch:
		return errors.New("--interval is for --watch")
	case f.match != nil && fl.Changed("wait-for"):
		return errors.New("--filter and --wait-for do not go together: say it in the grammar of --wait-for")
	case f.match != nil && f.match.owners && f.noOwner:
		return errors.New("--filter asks for processes, which --no-owner leaves out")
	case f.yes && !f.kill:
		return errors.New("--yes is for --kill")
	case fl.Changed("save") && f.save == "":
		return errors.New("--save: a file is missing")
	case fl.Changed("diff") && f.diff == "":
		return errors.New("--diff: a file is missing")
	}
	switch {
	case f.kill:
		return f.explain(f.runKill())
	case fl.Changed("wait-for"):
		return f.explain(f.runWaitFor())
	case f.watch:
		return f.explain(f.runWatch())
	case f.save != "":
		return f.explain(f.runSave())
	case f.diff != "":
		return f.explain(f.runDiff())
	}
	return f.explain(f.list())
}

// insteadOfWords says what to type in place of an EXPR that is none.
func (f *socketsFlags) insteadOfWords() string {
	see := "see: framescope sockets --help"
	word := f.words[0]
	switch port, ok := sockets.Port(strings.TrimPrefix(word, ":")); {
	case len(f.words) > 1:
	case f.processes && ok:
		return fmt.Sprintf("-p shows processes; the sockets of one, as with lsof: -Y 'process.pid == %d'", port)
	case ok:
		return fmt.Sprintf("try: framescope sockets -i :%d, or framescope sockets port %d", port, port)
	case f.processes && strings.Trim(word, "0123456789") == "":
		return fmt.Sprintf("-p shows processes; the sockets of one, as with lsof: -Y 'process.pid == %s'", word)
	case f.udp && strings.Trim(strings.ToLower(word), "abcdefghijklmnopqrstuvwxyz0123456789-_") == "":
		return fmt.Sprintf("-u shows UDP; the sockets of a user, as with lsof: -Y 'user.name == %s'", word)
	}
	if _, err := filter.Compile(strings.Join(f.words, " ")); err == nil {
		return "fields of records are filtered with -Y " + shellQuote(strings.Join(f.words, " "))
	}
	return see
}

// insteadOfOptions says what to type in place of a format that is none.
func (f *socketsFlags) insteadOfOptions() string {
	timers := "timers, for which ss and netstat have -o, are with -e"
	if f.format != "" && strings.Trim(f.format, "tulnape46") == "" {
		return fmt.Sprintf("-o takes what stands behind it for a format: write -%s for -o%s; %s", f.format, f.format, timers)
	}
	return timers
}

// insteadOf says what does here what a flag of others does that we do not have.
func insteadOf(problem string) string {
	for _, i := range []struct{ flag, say string }{
		{"needs an argument: 'o'", "-o is the format here; timers are with -e"},
		{"needs an argument: 's'", "-s is that of lsof, -sTCP:LISTEN; a summary: framescope sockets diagnose"},
		{"flag: 'K'", "sockets are ended with --kill"},
		{"flag: 'E'", "what is opened and closed is shown with --watch"},
		{"flag: 'c'", "of one program, as with lsof: -Y 'process.name == python3'; as with netstat, go on: --watch"},
		{"flag: 'N'", "another network namespace: --netns NAME"},
		{"flag: 'Z'", "security contexts are not shown; cgroups and services are with -e"},
		{"flag: 'b'", "filters of packet sockets are not shown"},
		{"flag: 'A'", "kinds are flags: -t -u -x -w -M -0"},
		{"flag: 'f'", "families are flags: -4 -6 -x -0 --netlink"},
		{"flag: 'd'", "DCCP is not listed; kinds are -t -u -x -w -M -0"},
		{"flag: 'S'", "SCTP is not listed; kinds are -t -u -x -w -M -0"},
		{"flag: 'U'", "unix sockets are with -x"},
		{"flag: --continuous", "go on with --watch"},
		{"flag: --timers", "timers are with -e"},
		{"flag: --options", "timers are with -e"},
		{"flag: --inet", "internet sockets are what is shown by default; -4 and -6 name a family"},
		{"flag: --events", "what is opened and closed is shown with --watch"},
		{"flag: --net", "another network namespace: --netns NAME"},
		{"flag: --summary", "a summary: framescope sockets diagnose"},
	} {
		if strings.Contains(problem, i.flag) {
			return i.say
		}
	}
	return ""
}

// explain says what to do about an error.
func (f *socketsFlags) explain(err error) error { return explainSockets(f.netns, err) }

func explainSockets(name string, err error) error {
	var ns *netns.Error
	switch {
	case errors.As(err, &ns) && errors.Is(err, os.ErrPermission):
		return hinted{err, "entering a namespace needs CAP_SYS_ADMIN there; try: sudo framescope sockets --netns " + shellQuote(name)}
	case errors.As(err, &ns) && errors.Is(err, os.ErrNotExist):
		return hinted{err, "ip netns shows the names; the id of a process that runs in it does, too"}
	case errors.Is(err, sockdiag.ErrNotSupported) && runtime.GOOS != "linux":
		return hinted{err, "sockets are listed on linux only"}
	}
	return err
}
