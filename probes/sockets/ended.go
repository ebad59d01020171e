package sockets

import (
	"context"

	"framescope/probes/sockdiag"
)

// Ended is a socket as it was at its end.
type Ended struct {
	Row *Row
	// Lost tells that there were more than could be told: look at the sockets
	// again. There is no Row then.
	Lost bool
}

// Ends has the ends of TCP and UDP sockets sent to ended, until ctx is done. What
// comes faster than it is taken waits, and is lost in the end. Where there is no
// sock_diag nothing is sent.
func (l *Lister) Ends(ctx context.Context, ended chan<- Ended) error {
	if l.conn == nil {
		return nil
	}
	e, err := sockdiag.Subscribe(l.ns)
	if err != nil {
		return err
	}
	name := l.Netns
	go func() {
		defer e.Close()
		for s, err := range e.Destroyed(ctx, nil) {
			out := Ended{Lost: err != nil}
			if err == nil {
				k := TCP
				switch s.Protocol {
				case sockdiag.UDP:
					k = UDP
				case sockdiag.UDPLite:
					k = UDPLite
				}
				r := Row{Netns: name}
				r.fill(k, s)
				out.Row = r.Clone()
			}
			select {
			case ended <- out:
			case <-ctx.Done():
				return
			}
		}
	}()
	return nil
}

// Kill ends the internet socket r at once: see sockdiag.Conn.Destroy. It needs
// CAP_NET_ADMIN. The error is os.ErrNotExist if it has ended already.
func (l *Lister) Kill(r *Row) error {
	if l.conn == nil {
		return ErrNotSupported
	}
	return l.conn.Destroy(inetProtocols[r.Kind], r.ID)
}
