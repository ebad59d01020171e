package main

import (
	"bufio"
	"errors"
	"fmt"
	"os"
	"strings"

	"framescope/probes/sockdiag"
	"framescope/probes/sockets"
)

// runKill ends the sockets that match, after they were shown and the user agreed.
func (f *socketsFlags) runKill() error {
	if f.expr == nil {
		return hinted{errors.New("--kill: say which sockets"), "such as framescope sockets --kill dst 192.0.2.1 dport = :443"}
	}
	if f.format != "table" && f.format != "wide" {
		return fmt.Errorf("--kill has no format %s", f.format)
	}
	const most = 10_000
	var all []*sockets.Row
	q := f.query()
	q.Nested = false
	p := f.printer()
	for r, err := range f.rows(q) {
		if err != nil {
			return err
		}
		if !r.Kind.Inet() || r.Cookie == 0 {
			continue // the kernel ends internet sockets only
		}
		if len(all) == most {
			return fmt.Errorf("--kill: more than %d sockets match", most)
		}
		all = append(all, r.Clone())
		if err := p.print(r); err != nil {
			return err
		}
	}
	if len(all) == 0 {
		return failure("--kill: no socket matches")
	}
	if err := p.close(); err != nil {
		return err
	}
	if !f.yes {
		if !terminal(f.std.in) {
			return hinted{errors.New("--kill: nobody is there to agree"), "with --yes nothing is asked"}
		}
		fmt.Fprintf(f.std.err, "end %s? their owners get ECONNABORTED, peers a RST [y/N] ", counted(len(all), "socket", "sockets"))
		line, _ := bufio.NewReader(f.std.in).ReadString('\n')
		if a := strings.ToLower(strings.TrimSpace(line)); a != "y" && a != "yes" {
			return failure("nothing was ended")
		}
	}
	ended, gone := 0, 0
	err := f.eachNamespace(func(l *sockets.Lister) error {
		for _, r := range all {
			if r.Netns != l.Netns {
				continue
			}
			switch err := l.Kill(r); {
			case err == nil:
				ended++
			case errors.Is(err, os.ErrNotExist):
				gone++
			default:
				return err
			}
		}
		return nil
	})
	words := counted(ended, "socket was", "sockets were") + " ended"
	if gone > 0 {
		words += fmt.Sprintf(", %d had ended by then", gone)
	}
	fmt.Fprintf(f.std.err, "framescope: %s\n", words)
	switch {
	case errors.Is(err, os.ErrPermission):
		return hinted{err, "that needs CAP_NET_ADMIN in the namespace; sudo has it"}
	case errors.Is(err, sockdiag.ErrNotSupported):
		return hinted{err, "a kernel with CONFIG_INET_DIAG_DESTROY=y is needed"}
	}
	return err
}
