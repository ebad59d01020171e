package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"os"
	"slices"
	"strconv"
	"strings"
	"syscall"

	"github.com/spf13/cobra"

	"framescope/decode/http1"
	"framescope/probes/peer"
)

// serveFlags are what `framescope serve echo` was told.
type serveFlags struct {
	listen, format   string
	mptcp, noDeflate bool
	protocols        []string
	maxMessage       size
}

// serveFormats are the formats of its log.
var serveFormats = []string{"text", "jsonl"}

func newServe(std stdio) *cobra.Command {
	c := &cobra.Command{
		Use:   "serve",
		Short: "Be a server to test clients with",
		Args: func(cmd *cobra.Command, args []string) error {
			if len(args) == 0 {
				return nil
			}
			return hinted{fmt.Errorf("serve: there is no server %q", args[0]), "there is: framescope serve echo"}
		},
		RunE: func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	c.AddCommand(newServeEcho(std))
	return c
}

func newServeEcho(std stdio) *cobra.Command {
	f := serveFlags{maxMessage: 16 << 20}
	c := &cobra.Command{
		Use:   "echo",
		Short: "Be a WebSocket server that sends back what it gets",
		Long: `Echo is a WebSocket server that sends every message back. It is strict: a
handshake that breaks a rule is refused with a text that says what was found and
what was expected, and a session that breaks one is closed with a reason.

What happens is written to standard output, one line for each connection that was
opened, refused or closed. Times of day are UTC. Ctrl-C ends all sessions with 1001.

Exit status: 0 ended by Ctrl-C; 2 wrong usage, or an address that cannot be
listened on; 3 an address that you may not listen on.`,
		Example: `  framescope serve echo
  framescope serve echo --listen 127.0.0.1:0 --mptcp
  framescope serve echo -o jsonl | jq 'select(.type == "refused")'`,
		Args: cobra.NoArgs,
		RunE: func(*cobra.Command, []string) error { return serveEcho(std, &f) },
	}
	fl := c.Flags()
	fl.SortFlags = false
	fl.StringVar(&f.listen, "listen", "127.0.0.1:8765", "`address` to listen on; port 0 picks a free one")
	fl.BoolVar(&f.mptcp, "mptcp", false, "accept MPTCP besides TCP")
	fl.StringSliceVar(&f.protocols, "subprotocol", nil, "a subprotocol `name` to choose where it is offered; without any, the first offer is chosen")
	fl.BoolVar(&f.noDeflate, "no-deflate", false, "do not accept permessage-deflate")
	fl.Var(&f.maxMessage, "max-message", "the largest message; a larger one is answered with close code 1009")
	fl.StringVarP(&f.format, "output", "o", "text", "`format` of the log: text or jsonl")
	_ = c.RegisterFlagCompletionFunc("output", cobra.FixedCompletions(serveFormats, cobra.ShellCompDirectiveNoFileComp))
	for _, name := range []string{"listen", "subprotocol", "max-message"} {
		_ = c.RegisterFlagCompletionFunc(name, cobra.NoFileCompletions)
	}
	return c
}

// serveMemory is about how much memory serve echo uses: 256 MiB for messages that
// arrive, and what it takes to answer them.
const serveMemory = 512 << 20

// serveEcho runs `framescope serve echo`.
func serveEcho(std stdio, f *serveFlags) error {
	if !slices.Contains(serveFormats, f.format) {
		return fmt.Errorf("--output %q: expected %s", f.format, strings.Join(serveFormats, " or "))
	}
	for _, p := range f.protocols {
		if !http1.Token([]byte(p)) {
			return fmt.Errorf("--subprotocol %q: expected a name without white space and commas (RFC 6455 section 4.1)", p)
		}
	}
	address := f.listen
	if _, err := strconv.ParseUint(address, 10, 16); err == nil {
		address = "127.0.0.1:" + address
	}
	ctx, stop := interruptible()
	defer stop()
	l, err := peer.Listen(ctx, address, f.mptcp)
	if err != nil {
		return explainListen(std, address, err)
	}
	greet(std.err, l, f.mptcp)
	limitHeap(serveMemory)
	ctx, end := context.WithCancel(ctx)
	defer end()
	log := serveLog{w: std.out, json: f.format == "jsonl", broken: end}
	s := peer.Server{Subprotocols: f.protocols, Deflate: !f.noDeflate, MaxMessage: int64(f.maxMessage), Notify: log.event}
	if err := s.Serve(ctx, l); err != nil {
		return err
	}
	if log.err != nil {
		return fmt.Errorf("standard output: %w", log.err)
	}
	return nil
}

// wsaInUse is WSAEADDRINUSE, which Windows says for EADDRINUSE.
const wsaInUse = syscall.Errno(10048)

// explainListen says what to do about an address that cannot be listened on.
func explainListen(std stdio, address string, err error) error {
	err = fmt.Errorf("--listen: %w", err)
	var errno syscall.Errno
	switch {
	case !errors.As(err, &errno):
		return hinted{err, "an address looks like 127.0.0.1:8765, [::1]:8765 or :8765"}
	case errno == syscall.EADDRINUSE || errno == wsaInUse:
		host, _, _ := net.SplitHostPort(address)
		return hinted{err, "something else listens there; for a free port: framescope serve echo --listen " + shellQuote(net.JoinHostPort(host, "0"))}
	case errors.Is(err, os.ErrPermission):
		complain(std.err, hinted{err, "ports below 1024 need CAP_NET_BIND_SERVICE; try: framescope serve echo --listen 127.0.0.1:8765"})
		return status(exitRefused)
	case errno == syscall.EADDRNOTAVAIL:
		return hinted{err, "this machine does not have that address; ip address shows those that it has"}
	}
	return err
}

// greet says where the server listens.
func greet(w io.Writer, l net.Listener, mptcp bool) {
	addr, _ := netip.ParseAddrPort(l.Addr().String())
	where, all := addr.String(), addr.Addr().IsUnspecified()
	if all {
		where = "127.0.0.1:" + strconv.Itoa(int(addr.Port()))
	}
	line := "listening on ws://" + where + "/"
	if all {
		line += " and all other addresses of this machine"
	}
	multipath := peer.ListensMultipath(l)
	if multipath {
		line += " (MPTCP)"
	}
	fmt.Fprintln(w, line)
	if mptcp && !multipath {
		fmt.Fprintln(w, "framescope: MPTCP is not there, this is plain TCP; try: sysctl net.mptcp.enabled=1")
	}
	if all {
		fmt.Fprintf(w, "framescope: whoever reaches this machine can connect; for this machine only: --listen %s\n", where)
	}
}
