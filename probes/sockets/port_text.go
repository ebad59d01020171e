package sockets

import (
	"fmt"
	"time"

	"framescope/probes/sockdiag"
)

// Text says what the cause is in this case, and what to do: Cause.Text with what
// the tries to bind and the socket in the way have shown.
func (b *Bind) Text() (text, fix string) {
	text, fix = b.Cause.Text()
	const noOption = "The socket before had no SO_REUSEADDR, so that setting it helps from the next run on only."
	switch b.Cause {
	case CauseTimeWait:
		if b.Holder == nil {
			break
		}
		left := seconds(b.Left)
		wait := "wait " + left + "."
		if b.Holder.State == sockdiag.FinWait2 {
			text = "connections that were closed here are in FIN_WAIT2: their peers have not closed"
			wait = "wait " + left + ", or 60 s more if a peer closes until then."
		}
		if b.ReuseAddr == nil {
			return text, "Set SO_REUSEADDR before bind, as servers do; or " + wait
		}
		return text, "W" + wait[1:] + "\n" + noOption
	case CauseLeftover:
		if b.ReuseAddr != nil {
			fix = "End the connections, or wait for their end.\n" + noOption
		}
	case CauseConnection:
		if b.ReuseAddr == nil {
			fix = "Set SO_REUSEADDR before bind; or close the connection, or wait for its end."
		} else {
			fix = "Close the connection, or wait for its end: SO_REUSEADDR does not help."
		}
	case CauseOutgoing:
		if b.ReuseAddr == nil {
			fix = "Set SO_REUSEADDR before bind; or close the connection, or wait for its end.\nKeep the port from being given out: sysctl -w net.ipv4.ip_local_reserved_ports=PORT"
		}
	case CausePrivileged:
		if b.Holder != nil {
			text += ", and another socket has it"
			fix = "Stop that process first, or take another port: from 1024 on no right is needed.\nThen the right is still missing: sudo setcap cap_net_bind_service+ep PROGRAM"
		}
	}
	return text, fix
}

// seconds is a time to wait, in whole seconds.
func seconds(d time.Duration) string {
	return fmt.Sprintf("%d s", max((d+time.Second-1)/time.Second, 1))
}
