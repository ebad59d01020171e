package netnstest

import (
	"errors"
	"fmt"
	"os"
	"strings"
	"testing"
	"time"
)

// Quiet waits until all that TCP sockets of ns have sent is acknowledged, which
// takes longer where acknowledgements are delayed. What cannot be delivered makes
// it fail.
func Quiet(tb testing.TB, ns *os.File) {
	tb.Helper()
	Do(tb, ns, func() error {
		for end := time.Now().Add(20 * time.Second); ; time.Sleep(5 * time.Millisecond) {
			busy, err := unacknowledged()
			if err != nil || busy == "" {
				return err
			}
			if time.Now().After(end) {
				return fmt.Errorf("not acknowledged: %s", busy)
			}
		}
	})
}

// unacknowledged returns a line of /proc/net of a socket that waits for an
// acknowledgement, or "".
func unacknowledged() (string, error) {
	// SYN_SENT, SYN_RECV, FIN_WAIT1, LAST_ACK, CLOSING
	const waiting = " 02 03 04 09 0B "
	for _, name := range []string{"tcp", "tcp6"} {
		b, err := os.ReadFile("/proc/thread-self/net/" + name)
		if errors.Is(err, os.ErrNotExist) {
			continue // a kernel without IPv6
		}
		if err != nil {
			return "", err
		}
		for l := range strings.Lines(string(b)) {
			f := strings.Fields(l)
			if len(f) < 5 || f[0] == "sl" {
				continue
			}
			if strings.Contains(waiting, " "+f[3]+" ") || !strings.HasPrefix(f[4], "00000000:") {
				return l, nil
			}
		}
	}
	return "", nil
}
