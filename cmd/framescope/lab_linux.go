package main

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/spf13/cobra"
	"golang.org/x/sys/unix"

	"framescope/capture/capability"
	"framescope/cmd/framescope/internal/output"
	"framescope/probes/lab"
)

// labFlags are what `framescope lab` was told.
type labFlags struct {
	std            stdio
	format         string
	scenario, host string
	links          int
	rate           bitRate
	delay          time.Duration
	routed, bare   bool
	inside         bool // in namespaces of its own already
}

// labInside is the hidden command under which `lab up` and `lab run` run once
// more, in namespaces of their own.
const labInside = "inside"

func newLab(std stdio) *cobra.Command {
	c := &cobra.Command{
		Use:   "lab",
		Short: "Be a network: hosts and links in private namespaces, with MPTCP and things that go wrong",
		Long: `Lab makes a small network that nobody else can see: a client, a server and links
between them, or a router too, with MPTCP set up and peers that echo on port 8000.
A scenario is such a network in which one thing goes wrong, or right, while a
connection is open.

Link 2 has the networks 10.77.2.0/24 and fd77:2::/64; the client's address there is
10.77.2.1 on the interface c2, the server's 10.77.2.2 on s2. All of it vanishes with
the command, however that ends.

It works as root, and without where user namespaces are allowed: then programs in
the lab see themselves as root, but have no more rights outside than before.`,
		Example: `  framescope lab list
  framescope lab run -- framescope mptcp endpoint
  framescope lab run --scenario b_drop_join -- framescope mptcp counters
  framescope lab run --rate 10mbit -- iperf3 -c 10.77.1.2
  framescope lab up f_stale`,
		Args: func(_ *cobra.Command, args []string) error {
			if len(args) == 0 {
				return nil
			}
			return hinted{fmt.Errorf("lab: there is no command %q", args[0]), "see: framescope lab --help"}
		},
		RunE: func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	inside := &cobra.Command{Use: labInside, Hidden: true}
	inside.AddCommand(newLabUp(&labFlags{std: std, inside: true}), newLabRun(&labFlags{std: std, inside: true}))
	c.AddCommand(newLabList(&labFlags{std: std}), newLabUp(&labFlags{std: std}), newLabRun(&labFlags{std: std}), inside)
	return c
}

// labFormats are the ways to print.
var labFormats = []string{"table", "json"}

func (f *labFlags) registerOutput(c *cobra.Command) {
	c.Flags().StringVarP(&f.format, "output", "o", "table", "`format`: table or json")
	_ = c.RegisterFlagCompletionFunc("output", cobra.FixedCompletions(labFormats, cobra.ShellCompDirectiveNoFileComp))
}

func (f *labFlags) checkOutput() error {
	if !slices.Contains(labFormats, f.format) {
		return fmt.Errorf("--output %q: expected %s", f.format, strings.Join(labFormats, " or "))
	}
	return nil
}

// registerNetwork declares what there is besides scenarios.
func (f *labFlags) registerNetwork(c *cobra.Command) {
	f.links = 2
	fl := c.Flags()
	fl.IntVar(&f.links, "links", 2, "`number` of links of the client, 1 to 8")
	fl.Var(&f.rate, "rate", "rate of each link, such as 10mbit; as fast as goes without it")
	fl.DurationVar(&f.delay, "delay", 0, "`time` a packet takes over a link (needs netem)")
	fl.BoolVar(&f.routed, "routed", false, "a router between the client's links and the server")
	fl.BoolVar(&f.bare, "bare", false, "no endpoints of MPTCP, the kernel's limits, and no peers")
	for _, name := range []string{"links", "rate", "delay"} {
		_ = c.RegisterFlagCompletionFunc(name, cobra.NoFileCompletions)
	}
}

// completeScenario offers the names of scenarios.
func completeScenario(*cobra.Command, []string, string) (names []string, _ cobra.ShellCompDirective) {
	for _, s := range lab.Scenarios() {
		names = append(names, s.Name+"\t"+s.Shows)
	}
	return names, cobra.ShellCompDirectiveNoFileComp
}

func newLabList(f *labFlags) *cobra.Command {
	c := &cobra.Command{
		Use:   "list [SCENARIO]",
		Short: "List the scenarios, or tell all of one",
		Args:  cobra.MaximumNArgs(1), ValidArgsFunction: completeScenario,
		RunE: func(_ *cobra.Command, args []string) error {
			if err := f.checkOutput(); err != nil {
				return err
			}
			if len(args) == 0 {
				return f.list()
			}
			s, err := findScenario(args[0])
			if err != nil {
				return err
			}
			return f.describe(s)
		},
	}
	f.registerOutput(c)
	return c
}

func findScenario(name string) (*lab.Scenario, error) {
	s := lab.FindScenario(name)
	if s == nil {
		return nil, hinted{fmt.Errorf("lab: there is no scenario %q", name), "see: framescope lab list"}
	}
	return s, nil
}

func (f *labFlags) list() error {
	if f.format == "json" {
		return f.json(lab.Scenarios())
	}
	var rows [][]string
	for _, s := range lab.Scenarios() {
		rows = append(rows, []string{s.Name, s.Shows})
	}
	_, err := f.std.out.Write(output.Short([]string{"scenario", "what is done"}, rows, 1, columns(f.std.out)))
	return err
}

func (f *labFlags) json(v any) error {
	return writeJSON(f.std.out, v)
}

func (f *labFlags) describe(s *lab.Scenario) error {
	if f.format == "json" {
		return f.json(s)
	}
	b := fmt.Appendf(nil, "%s: %s\n", s.Name, s.Shows)
	for _, e := range s.Evidence {
		b = fmt.Appendf(b, "  counted   %v\n", e)
	}
	if len(s.Expect) == 0 {
		b = append(b, "  to find   nothing\n"...)
	}
	for _, e := range s.Expect {
		what := strings.Join(e.Causes, ", ")
		switch {
		case what == "":
			what = "cannot be known here; ask " + e.Ask
		case e.Ask != "":
			what += "; more on " + e.Ask
		}
		b = fmt.Appendf(b, "  to find   %s: %s\n", e.Host, what)
	}
	_, err := f.std.out.Write(b)
	return err
}

func newLabUp(f *labFlags) *cobra.Command {
	c := &cobra.Command{
		Use:   "up [SCENARIO]",
		Short: "Bring a lab up and keep it until Ctrl-C",
		Long: `Up brings a scenario up or, without a name, a network where all is well, says how
to enter its hosts, and keeps it until Ctrl-C.

Exit status: 0 ended; 2 wrong usage, or a lab that cannot be made here; 3 not permitted.`,
		Example: `  framescope lab up
  framescope lab up b_drop_join
  framescope lab up --links 3 --rate 10mbit -o json`,
		Args: cobra.MaximumNArgs(1), ValidArgsFunction: completeScenario,
		RunE: func(cmd *cobra.Command, args []string) error {
			if len(args) > 0 {
				f.scenario = args[0]
			}
			if err := f.check(cmd); err != nil {
				return err
			}
			if !f.inside {
				return f.again(0)
			}
			return f.up()
		},
	}
	c.Flags().SortFlags = false
	f.registerNetwork(c)
	f.registerOutput(c)
	return c
}

func newLabRun(f *labFlags) *cobra.Command {
	c := &cobra.Command{
		Use:   "run [flags] -- COMMAND [ARGUMENTS...]",
		Short: "Run a command inside a lab",
		Long: `Run brings a lab up, runs a command on one of its hosts, and takes the lab down
when the command ends, together with all that it started.

The command finds the lab in its environment:
  FRAMESCOPE_LAB_HOST            the host that it runs on
  FRAMESCOPE_LAB_PORT            the port that peers echo on: 8000
  FRAMESCOPE_LAB_SERVER_ADDR_1   the server's address on link 1; ADDR6_1 by IPv6
  FRAMESCOPE_LAB_SERVER_DEV_1    its interface
  FRAMESCOPE_LAB_SERVER_NETNS    for --netns of framescope, and nsenter -n -t
and so on for every host and link.

Exit status: that of the command, 128 and the number of the signal that ended it;
2 wrong usage, or a lab that cannot be made here; 3 not permitted.`,
		Example: `  framescope lab run -- ping -c 3 10.77.2.2
  framescope lab run --scenario c_limit_server --host server -- framescope mptcp counters
  framescope lab run --links 3 --rate 10mbit -- sh -c 'curl http://$FRAMESCOPE_LAB_SERVER_ADDR_1:8080/'
  framescope lab run -- bash`,
		Args: func(_ *cobra.Command, args []string) error {
			if len(args) == 0 {
				return hinted{errors.New("lab run: no command is named"), "try: framescope lab run -- COMMAND"}
			}
			return nil
		},
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := f.check(cmd); err != nil {
				return err
			}
			if !f.inside {
				return f.again(unix.CLONE_NEWNS)
			}
			return f.run(args)
		},
	}
	fl := c.Flags()
	fl.SortFlags = false
	// What follows the command belongs to it.
	fl.SetInterspersed(false)
	fl.StringVar(&f.scenario, "scenario", "", "the `name` of a scenario to bring up")
	fl.StringVar(&f.host, "host", "client", "the `host` to run on: client, server, router")
	f.registerNetwork(c)
	_ = c.RegisterFlagCompletionFunc("scenario", completeScenario)
	_ = c.RegisterFlagCompletionFunc("host", cobra.FixedCompletions([]string{"client", "server", "router"}, cobra.ShellCompDirectiveNoFileComp))
	f.format = "table"
	return c
}

// check refuses what does not make sense, before anything is made.
func (f *labFlags) check(cmd *cobra.Command) error {
	if err := f.checkOutput(); err != nil {
		return err
	}
	if f.links < 1 || f.links > 8 {
		return fmt.Errorf("--links %d: expected 1 to 8", f.links)
	}
	if f.delay < 0 {
		return fmt.Errorf("--delay %v: expected a time", f.delay)
	}
	if f.scenario == "" {
		return nil
	}
	for _, name := range []string{"links", "rate", "delay", "routed", "bare"} {
		if cmd.Flags().Changed(name) {
			return fmt.Errorf("--%s: a scenario has its own network", name)
		}
	}
	_, err := findScenario(f.scenario)
	return err
}

// again runs the command line once more in a namespace of processes: what is
// inside ends when that does, even if it is killed. Without CAP_SYS_ADMIN it is in
// namespaces of users and networks, too; more are those that are wanted besides.
func (f *labFlags) again(more uintptr) error {
	c := inNamespace(append([]string{"lab", labInside}, os.Args[2:]...)...)
	if capability.Effective(capability.SysAdmin) {
		c.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	}
	c.SysProcAttr.Cloneflags |= unix.CLONE_NEWPID | more
	c.Stdin, c.Stdout, c.Stderr = f.std.in, f.std.out, f.std.err
	// The child ends with this thread.
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	if err := c.Start(); err != nil {
		if errors.Is(err, os.ErrPermission) || errors.Is(err, syscall.ENOSPC) || errors.Is(err, syscall.EUSERS) {
			complain(f.std.err, hinted{fmt.Errorf("lab: making namespaces: %w", bareError(err)),
				"that needs CAP_SYS_ADMIN, or user namespaces that are allowed (sysctl user.max_user_namespaces kernel.unprivileged_userns_clone); try: sudo framescope lab ..."})
			return status(exitRefused)
		}
		return fmt.Errorf("lab: %w", err)
	}
	return ended(c)
}

// bareError takes the path of the program off an error of starting it.
func bareError(err error) error {
	var pe *os.PathError
	if errors.As(err, &pe) {
		return pe.Err
	}
	return err
}

// ended waits for a command that was started, hands signals on to it, and returns
// its exit status as an error.
func ended(c *exec.Cmd) error {
	signals := make(chan os.Signal, 4)
	signal.Notify(signals, syscall.SIGINT, syscall.SIGTERM, syscall.SIGHUP)
	defer signal.Stop(signals)
	done := make(chan error, 1)
	go func() { done <- c.Wait() }()
	for {
		select {
		case s := <-signals:
			if s != os.Interrupt || !together(c.Process.Pid) {
				_ = c.Process.Signal(s)
			}
		case err := <-done:
			var exit *exec.ExitError
			if !errors.As(err, &exit) {
				return err
			}
			if w, ok := exit.Sys().(syscall.WaitStatus); ok && w.Signaled() {
				return status(128 + int(w.Signal()))
			}
			return status(exit.ExitCode())
		}
	}
}

// together reports whether Ctrl-C goes to the process pid, too: to all of the
// group that is in the foreground of the terminal, wherever standard input is.
func together(pid int) bool {
	tty, err := unix.Open("/dev/tty", unix.O_RDONLY|unix.O_CLOEXEC|unix.O_NOCTTY, 0)
	if err != nil {
		return false
	}
	defer unix.Close(tty)
	front, err := unix.IoctlGetInt(tty, unix.TIOCGPGRP)
	group, err2 := unix.Getpgid(pid)
	return err == nil && err2 == nil && group == front && group == unix.Getpgrp()
}

// A bitRate is a flag for bits a second, such as 10mbit.
type bitRate uint64

func (r *bitRate) String() string {
	if *r == 0 {
		return ""
	}
	n, units := uint64(*r), []string{"bit", "kbit", "mbit", "gbit"}
	for n%1000 == 0 && len(units) > 1 {
		n, units = n/1000, units[1:]
	}
	return strconv.FormatUint(n, 10) + units[0]
}

func (r *bitRate) Type() string { return "rate" }

func (r *bitRate) Set(v string) error {
	low := strings.TrimSuffix(strings.ToLower(v), "/s")
	digits, factor := strings.TrimSuffix(low, "bit"), 1.0
	if n := len(digits); n > 0 {
		if i := strings.IndexByte("kmg", digits[n-1]); i >= 0 {
			digits, factor = digits[:n-1], []float64{1e3, 1e6, 1e9}[i]
		}
	}
	n, err := strconv.ParseFloat(digits, 64)
	if err != nil || !(n*factor >= 8000 && n*factor <= 100e9) {
		return errors.New("expected bits a second such as 500kbit, 10mbit or 1gbit, 8kbit or more")
	}
	*r = bitRate(n * factor)
	return nil
}
