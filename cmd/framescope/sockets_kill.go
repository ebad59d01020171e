package main

import (
	"bufio"
	"cmp"
	"errors"
	"fmt"
	"maps"
	"os"
	"slices"
	"strings"
	"syscall"

	"framescope/cmd/framescope/internal/output"
	"framescope/probes/sockdiag"
	"framescope/probes/sockets"
)

// runKill ends the sockets that match, after they were shown and the user agreed.
func (f *socketsFlags) runKill() error {
	if f.expr == nil && f.match == nil {
		return hinted{errors.New("--kill: say which sockets"), "such as framescope sockets --kill dst 192.0.2.1 dport = :443"}
	}
	if f.format != "table" && f.format != "wide" {
		return fmt.Errorf("--kill has no format %s", f.format)
	}
	const most = 10_000
	var all []*sockets.Row
	q := f.query()
	q.Nested = slices.Contains(q.Kinds, sockets.MPTCP)
	p := f.printer()
	unable := map[string]int{} // why not
	waiting, datagrams, multi := 0, 0, false
	for r, err := range f.rows(q) {
		if err != nil {
			return err
		}
		switch {
		case !r.Kind.Inet() || r.Cookie == 0:
			continue // the kernel ends internet sockets only
		case r.Kind == sockets.Raw:
			unable["raw sockets are their process's alone"]++
			continue
		case r.Bound, r.Kind == sockets.TCP && r.State == sockdiag.CloseState:
			unable["they are bound only, and neither listen nor are connected"]++
			continue
		case r.Kind == sockets.MPTCP && len(r.Subflows) == 0:
			unable["the kernel ends MPTCP by its subflows, and there are none"]++
			continue
		}
		c := r.Clone()
		targets := []*sockets.Row{c}
		switch {
		case r.Kind == sockets.MPTCP:
			targets, multi = c.Subflows, true
		case r.Kind == sockets.UDP, r.Kind == sockets.UDPLite:
			datagrams++
		case r.State == sockdiag.Listen:
			waiting += int(r.RQueue)
		}
		if all = append(all, targets...); len(all) > most {
			return fmt.Errorf("--kill: more than %d sockets match", most)
		}
		if err := p.print(r); err != nil {
			return err
		}
	}
	for _, why := range slices.Sorted(maps.Keys(unable)) {
		fmt.Fprintf(f.std.err, "framescope: %s cannot be ended: %s\n", output.Count(unable[why], "socket", "sockets"), why)
	}
	if len(all) == 0 {
		if len(unable) > 0 {
			return failure("--kill: nothing that matches can be ended")
		}
		return failure("--kill: no socket matches")
	}
	if err := p.close(); err != nil {
		return err
	}
	if waiting > 0 {
		fmt.Fprintf(f.std.err, "framescope: %s at the listeners, not accepted yet: the end of these is theirs, too\n", output.Count(waiting, "connection waits", "connections wait"))
	}
	if multi {
		fmt.Fprintf(f.std.err, "framescope: of MPTCP the subflows are ended: the connection stays, without a path, until its process or a timeout closes it\n")
	}
	if datagrams > 0 {
		fmt.Fprintf(f.std.err, "framescope: sockets of UDP are disconnected, and stay with their process until it closes them\n")
	}
	if !f.yes {
		if !terminal(f.std.in) {
			return hinted{errors.New("--kill: nobody is there to agree"), "with --yes nothing is asked"}
		}
		fmt.Fprintf(f.std.err, "end %s? their owners get ECONNABORTED, peers a RST [y/N] ", output.Count(len(all), "socket", "sockets"))
		line, _ := bufio.NewReader(f.std.in).ReadString('\n')
		if a := strings.ToLower(strings.TrimSpace(line)); a != "y" && a != "yes" {
			return failure("nothing was ended")
		}
	}
	k := killed{refused: map[string]int{}}
	err := f.eachNamespace(func(l *sockets.Lister) error { return k.kill(l, all) })
	words := output.Count(k.ended, "socket was", "sockets were") + " ended"
	if k.gone > 0 {
		words += fmt.Sprintf(", %d had ended by then", k.gone)
	}
	if k.open > 0 {
		words += fmt.Sprintf(", %d of UDP got ECONNABORTED and stay open", k.open)
	}
	for _, why := range slices.Sorted(maps.Keys(k.refused)) {
		words += fmt.Sprintf(", %d refused: %s", k.refused[why], why)
	}
	fmt.Fprintf(f.std.err, "framescope: %s\n", words)
	if err == nil {
		err = k.first
	}
	switch {
	case errors.Is(err, os.ErrPermission):
		return hinted{err, "that needs CAP_NET_ADMIN in the namespace; sudo has it"}
	case errors.Is(err, sockdiag.ErrNotSupported):
		return hinted{err, "a kernel with CONFIG_INET_DIAG_DESTROY=y is needed"}
	}
	return err
}

// killed counts what came of sockets that were to end.
type killed struct {
	ended, gone, open int
	refused           map[string]int // by the reason
	first             error          // of those
}

// kill ends the sockets of the namespace of l.
func (k *killed) kill(l *sockets.Lister, all []*sockets.Row) error {
	for _, r := range all {
		if r.Netns != l.Netns {
			continue
		}
		switch err := l.Kill(r); {
		case err == nil && (r.Kind == sockets.UDP || r.Kind == sockets.UDPLite):
			k.open++ // that disconnects it, and no more
		case err == nil:
			k.ended++
		case errors.Is(err, os.ErrNotExist):
			k.gone++
		default:
			why := err.Error()
			var no syscall.Errno
			if errors.As(err, &no) {
				why = no.Error()
			}
			k.refused[why]++
			k.first = cmp.Or(k.first, err)
		}
	}
	return nil
}
