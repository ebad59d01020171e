package main

import (
	"bytes"
	"errors"
	"fmt"
	"net/netip"
	"os"
	"slices"
	"strings"
	"syscall"

	"github.com/spf13/cobra"

	"framescope/cmd/framescope/internal/output"
	"framescope/probes/sockdiag"
	"framescope/probes/sockets"
)

// portFlags are what `framescope sockets port` was told.
type portFlags struct {
	std           stdio
	format, netns string
	addrs         []string
	udp, need     bool
}

func newSocketsPort(std stdio) *cobra.Command {
	f := &portFlags{std: std}
	c := &cobra.Command{
		Use:   "port PORT|SERVICE",
		Short: "Say who has a port, or why it cannot be bound",
		Long: `Port binds the port for a moment, without listening, and says who has it if that
does not work: a listener; an IPv6 listener that takes IPv4 as well; sockets of
another user that share it; a socket that is bound and does not listen; an
outgoing connection; connections in TIME_WAIT, or left by a listener that is gone.
Without --address, that is 0.0.0.0, and [::] both for IPv6 only and for IPv4 as
well (dual stack); --address :: is as net.ipv6.bindv6only has it. With --netns the
port is bound for a moment there, with all in every namespace.

Exit status: 0 done; 1 with --require-free, if it is not free; 2 wrong usage;
3 not permitted.`,
		Example: `  framescope sockets port 8765
  framescope sockets port http
  framescope sockets port 53 --udp --address 127.0.0.1
  framescope sockets port 8080 --require-free && start-server`,
		Args: func(_ *cobra.Command, args []string) error {
			if len(args) != 1 {
				return hinted{errors.New("sockets port: expected one port"), "try: framescope sockets port 8765"}
			}
			return nil
		},
		ValidArgsFunction: cobra.NoFileCompletions,
		RunE:              func(_ *cobra.Command, args []string) error { return f.run(args[0]) },
		PreRunE:           func(cmd *cobra.Command, _ []string) error { return checkNetns(cmd) },
	}
	fl := c.Flags()
	fl.SortFlags = false
	fl.BoolVarP(&f.udp, "udp", "u", false, "the port of UDP")
	fl.StringSliceVar(&f.addrs, "address", nil, "`address` to bind; otherwise 0.0.0.0 and [::], IPv6 only and dual stack")
	fl.BoolVar(&f.need, "require-free", false, "exit status 1 if the port is not free")
	fl.StringVar(&f.netns, "netns", "", "network namespace: a `name`, a process id, a path, or all")
	fl.StringVarP(&f.format, "output", "o", "table", "`format`: table or json")
	_ = c.RegisterFlagCompletionFunc("output", cobra.FixedCompletions([]string{"table", "json"}, cobra.ShellCompDirectiveNoFileComp))
	return c
}

func (f *portFlags) run(arg string) error {
	port, ok := sockets.Port(strings.TrimPrefix(arg, ":"))
	if !ok || port == 0 {
		return fmt.Errorf("sockets port: %q is no port: expected 1 to 65535, or the name of a service in /etc/services", arg)
	}
	var err error
	if f.format != "table" && f.format != "json" {
		return fmt.Errorf("--output %q: expected table or json", f.format)
	}
	var addrs []netip.Addr
	for _, s := range f.addrs {
		a, err := netip.ParseAddr(strings.Trim(s, "[]"))
		if err != nil {
			return fmt.Errorf("--address %q: expected an address, such as 127.0.0.1 or ::1", s)
		}
		addrs = append(addrs, a)
	}
	kind := sockets.TCP
	if f.udp {
		kind = sockets.UDP
	}
	var notes []string
	free := true
	err = eachNamespace(f.netns, &notes, func(l *sockets.Lister) error {
		r, owners, err := l.Port(kind, port, addrs...)
		if err != nil {
			return err
		}
		free = free && r.Free()
		if f.format == "json" {
			return f.json(l.Netns, r)
		}
		if l.Netns != "" {
			if _, err := fmt.Fprintf(f.std.out, "network namespace %s: ", visible(l.Netns)); err != nil {
				return fmt.Errorf("standard output: %w", err)
			}
		}
		if _, err := f.std.out.Write(f.report(r, owners)); err != nil {
			return fmt.Errorf("standard output: %w", err)
		}
		return nil
	})
	if err != nil {
		return explainSockets(f.netns, err)
	}
	if f.need && !free {
		return status(exitFailed)
	}
	return nil
}

func bindText(err error) string {
	if err == nil {
		return "works"
	}
	return err.Error()
}

// report is what a person reads.
func (f *portFlags) report(r *sockets.PortReport, owners *sockets.Owners) []byte {
	b := fmt.Appendf(nil, "%v", r)
	if r.Free() {
		b = append(b, ": "...)
		for i := range r.Binds {
			if i > 0 {
				b = append(b, ", "...)
			}
			b = fmt.Append(b, &r.Binds[i])
		}
	}
	b = append(b, '\n')
	if len(r.Holders) > 0 {
		b = append(b, '\n')
	}
	for _, h := range r.Holders {
		b = fmt.Appendf(b, "  %s %s ", h.Kind, stateName(h))
		b = appendAddr(b, h.Src, interfaceName(h))
		if h.Dst.Port() != 0 {
			b = appendAddr(append(b, " > "...), h.Dst, "")
		}
		b = append(b, "  "...)
		switch {
		case len(h.Owners) > 0:
			b = appendOwners(b, h)
		case !h.Full, h.Inode == 0 && h.State == sockdiag.FinWait2:
			b = append(b, "no process: the kernel holds it for "...)
			b = append(appendAge(b, h.Expires), " more"...)
		case h.Inode == 0:
			b = append(b, "no process"...)
		case owners.Hidden > 0:
			b = append(b, hiddenOwner()...)
		default:
			b = append(append(b, "no process: "...), noOwner(owners)...)
		}
		if h.HasUID {
			b = append(append(b, ", user "...), output.Visible(sockets.User(h.UID))...)
		}
		b = append(b, '\n')
	}
	if r.More > 0 {
		b = fmt.Appendf(b, "  and %d more\n", r.More)
	}
	if r.Free() {
		return b
	}
	b = append(append(b, '\n'), bindTable(r)...)
	var causes []*sockets.Bind
	for i := range r.Binds {
		bind := &r.Binds[i]
		if !bind.Free() && !slices.ContainsFunc(causes, func(c *sockets.Bind) bool { return c.Cause == bind.Cause }) {
			causes = append(causes, bind)
		}
	}
	for _, c := range causes {
		text, fix := c.Text()
		b = append(b, '\n')
		if len(causes) > 1 {
			b = wrapped(b, "  cause  ", text, f.width())
		}
		for i, line := range strings.Split(fix, "\n") {
			b = wrapped(b, map[bool]string{true: "  fix    ", false: "         "}[i == 0], line, f.width())
		}
	}
	return b
}

// width is how long lines may be.
func (f *portFlags) width() int {
	if w := columns(f.std.out); w > 0 {
		return min(max(w, 40), 80)
	}
	return 80
}

// hiddenOwner is what is known of a process that may not be looked into.
func hiddenOwner() string {
	if os.Geteuid() == 0 {
		return "a process that cannot be looked into"
	}
	return "a process of another user: sudo shows it"
}

// bindTable is what came of each try to bind.
func bindTable(r *sockets.PortReport) []byte {
	var out bytes.Buffer
	a := output.NewAligner(&out, []string{"  bind", "plain", "SO_REUSEADDR", "SO_REUSEPORT"}, make([]bool, 4))
	for i := range r.Binds {
		bind := &r.Binds[i]
		a.Buf = fmt.Appendf(a.Buf, "  %v", bind)
		for _, err := range []error{bind.Plain, bind.ReuseAddr, bind.ReusePort} {
			a.Next()
			a.Buf = append(a.Buf, shortBind(err)...)
		}
		a.Next()
		_ = a.Row()
	}
	_ = a.Close() // a buffer has no errors
	return out.Bytes()
}

// shortBind is what came of a try to bind, in a column.
func shortBind(err error) string {
	switch {
	case errors.Is(err, syscall.EADDRINUSE):
		return "in use"
	case errors.Is(err, syscall.EADDRNOTAVAIL):
		return "not local"
	case errors.Is(err, syscall.EACCES), errors.Is(err, syscall.EPERM):
		return "not permitted"
	}
	return bindText(err)
}

// json prints the report as JSON.
func (f *portFlags) json(netns string, r *sockets.PortReport) error {
	type bind struct {
		Address   string        `json:"address"`
		Stack     string        `json:"stack,omitempty"`
		Free      bool          `json:"free"`
		Cause     sockets.Cause `json:"cause,omitempty"`
		Text      string        `json:"text,omitempty"`
		Fix       string        `json:"fix,omitempty"`
		Plain     string        `json:"plain"`
		ReuseAddr string        `json:"reuse_addr"`
		ReusePort string        `json:"reuse_port"`
		Holder    *socketRecord `json:"holder,omitempty"`
	}
	out := struct {
		Schema    string         `json:"schema"`
		Type      string         `json:"type"`
		Netns     string         `json:"netns,omitempty"`
		Transport string         `json:"transport"`
		Port      uint16         `json:"port"`
		Free      bool           `json:"free"`
		Binds     []bind         `json:"binds"`
		Holders   []socketRecord `json:"holders"`
		More      int            `json:"more,omitempty"`
	}{Schema: "1.0", Type: "port", Netns: netns, Transport: r.Kind.String(), Port: r.Port, Free: r.Free(), Holders: []socketRecord{}, More: r.More}
	sf := &socketsFlags{}
	for _, h := range r.Holders {
		out.Holders = append(out.Holders, sf.record(h))
	}
	for i := range r.Binds {
		x := &r.Binds[i]
		j := bind{Address: x.Addr.String(), Stack: x.Stack.String(), Free: x.Free(), Cause: x.Cause, Plain: bindText(x.Plain), ReuseAddr: bindText(x.ReuseAddr), ReusePort: bindText(x.ReusePort)}
		if x.Cause != "" {
			j.Text, j.Fix = x.Text()
		}
		if x.Holder != nil {
			h := sf.record(x.Holder)
			j.Holder = &h
		}
		out.Binds = append(out.Binds, j)
	}
	return writeJSON(f.std.out, out)
}
