package mptcp

import (
	"context"
	"fmt"
	"math"
	"net"
	"os"
	"strconv"
	"strings"
	"time"

	"framescope/capture/netns"
)

// switchedOff connects to itself over loopback and looks whether that is MPTCP.
// It leaves the blackhole as it is: the kernel takes success over loopback for
// no sign. It returns nil if it cannot be tried.
func switchedOff(ns *os.File) *bool {
	var off bool
	err := netns.Do(ns, func() error {
		ctx, cancel := context.WithTimeout(context.Background(), 2*time.Second)
		defer cancel()
		var lc net.ListenConfig
		lc.SetMultipathTCP(true)
		l, err := lc.Listen(ctx, "tcp4", "127.0.0.1:0")
		if err != nil {
			return err
		}
		defer l.Close()
		d := net.Dialer{FallbackDelay: -1}
		d.SetMultipathTCP(true)
		c, err := d.DialContext(ctx, "tcp4", l.Addr().String())
		if err != nil {
			return err
		}
		defer c.Close()
		is, err := c.(*net.TCPConn).MultipathTCP()
		off = !is
		return err
	})
	if err != nil {
		return nil
	}
	return &off
}

// maxDoublings is how often the kernel doubles the time: to 64 times.
const maxDoublings = 6

// doubled returns d doubled n times as the kernel does it, or the longest
// Duration if that is too long for one.
func doubled(d time.Duration, n int64) time.Duration {
	n = min(n, maxDoublings)
	if d > math.MaxInt64>>n {
		return math.MaxInt64
	}
	return d << n
}

// blackhole looks whether MPTCP is switched off for new connections.
func (d *diagnosis) blackhole() {
	o := d.o
	found := o.total("Blackhole")
	if found == 0 {
		return
	}
	timeout := time.Duration(0)
	if s, err := strconv.ParseUint(o.Facts.Sysctls["blackhole_timeout"], 10, 31); err == nil {
		timeout = time.Duration(s) * time.Second
	}
	disabled := o.total("MPCapableSYNTXDisabled")
	seen := []string{
		fmt.Sprintf("MPTcpExtBlackhole %d, MPTcpExtMPCapableSYNTXDrop %d: SYNs with the option were lost, one without was answered", found, o.total("MPCapableSYNTXDrop")),
		fmt.Sprintf("MPTcpExtMPCapableSYNTXDisabled %d: at least so many connections were made without MPTCP since, probes of doctor included", disabled),
		fmt.Sprintf("net.mptcp.blackhole_timeout = %d", int(timeout.Seconds())),
	}
	for _, c := range d.fallen(func(c *conn) bool { return c.Fallback == never }) {
		seen = append(seen, c+": an MPTCP socket that the kernel connected with TCP")
	}
	active := timeout > 0
	if o.Blackholed != nil {
		active = *o.Blackholed
		if active {
			seen = append(seen, "a connection over loopback, made now, is TCP: MPTCP is off for new connections")
		}
	}
	if !active {
		return
	}
	longest := doubled(timeout, found-1)
	left := fmt.Sprintf("at most %s are left", round(longest))
	switch since := o.Uptime; {
	case o.recent("Blackhole") > 0:
		left = fmt.Sprintf("it was found while this was observed: about %s are left", round(longest))
	case since > 0 && since < longest && found == 1:
		left = fmt.Sprintf("%s to %s are left: the system has been up for %s, and the kernel does not say when it was found", round(longest-since), round(longest), round(since))
	case found > 1:
		left += fmt.Sprintf(" (%s, doubled each time that it was found again)", round(timeout))
	}
	d.add(Finding{
		ID: IDBlackhole, Evidence: seen,
		Detail: "MPTCP is off for all new connections of this network namespace; " + left + ", unless a connection succeeds with MPTCP before",
		Fix: []string{
			"let the firewall or middlebox on the way pass TCP option 30",
			d.command("sysctl -w net.mptcp.blackhole_timeout=%d", int(max(timeout, time.Second).Seconds())) + "   # writing it switches MPTCP on again at once",
		},
		Elsewhere: "which hop drops the SYNs: capture at both ends: " + d.capture("tcp[tcpflags] & tcp-syn != 0"),
	})
}

// round returns "1h", "59m", "20s".
func round(d time.Duration) string {
	unit := time.Second
	if d > 2*time.Minute {
		unit = time.Minute
	}
	text := d.Round(unit).String()
	for _, zero := range []string{"m0s", "h0m"} {
		if strings.HasSuffix(text, zero) {
			text = text[:len(text)-2]
		}
	}
	return text
}
