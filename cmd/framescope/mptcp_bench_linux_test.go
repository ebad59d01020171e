package main

import (
	"net"
	"os/exec"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"framescope/capture/netns/netnstest"
)

// BenchmarkMPTCPShow compares the processor time of `mptcp show -o jsonl` with that
// of the two commands of ss that show as much, all three in turn, on 3000
// connections whose both ends are here: 6000 sockets of MPTCP and as many subflows.
func BenchmarkMPTCPShow(b *testing.B) {
	if _, err := exec.LookPath("ss"); err != nil {
		b.Skip("ss is not in PATH")
	}
	framescope := filepath.Join(b.TempDir(), "framescope")
	if out, err := exec.Command("go", "build", "-o", framescope, ".").CombinedOutput(); err != nil {
		b.Fatalf("%v: %s", err, out)
	}
	ns := netnstest.New(b)
	netnstest.Do(b, ns, func() error {
		var lc net.ListenConfig
		lc.SetMultipathTCP(true)
		l, err := lc.Listen(b.Context(), "tcp", "127.0.0.1:0")
		if err != nil {
			return err
		}
		b.Cleanup(func() { l.Close() })
		var d net.Dialer
		d.SetMultipathTCP(true)
		buf := make([]byte, 1)
		for range 3000 {
			c, err := d.Dial("tcp", l.Addr().String())
			if err != nil {
				return err
			}
			b.Cleanup(func() { c.Close() })
			s, err := l.Accept()
			if err != nil {
				return err
			}
			b.Cleanup(func() { s.Close() })
			for _, step := range []func([]byte) (int, error){c.Write, s.Read, s.Write, c.Read} { // now both ends know of MPTCP
				if _, err := step(buf); err != nil {
					return err
				}
			}
		}
		return nil
	})
	spent := func(args ...string) time.Duration {
		c := exec.Command(args[0], args[1:]...)
		netnstest.Do(b, ns, c.Start)
		if err := c.Wait(); err != nil {
			b.Fatal(err)
		}
		return c.ProcessState.UserTime() + c.ProcessState.SystemTime()
	}
	var ours, ss []time.Duration
	for b.Loop() {
		ours = append(ours, spent(framescope, "mptcp", "show", "-o", "jsonl"))
		ss = append(ss, spent("ss", "-Mian")+spent("ss", "-tian"))
	}
	slices.Sort(ours)
	slices.Sort(ss)
	b.ReportMetric(float64(ours[0])/float64(ss[0]), "ratio(least)")
	b.ReportMetric(float64(ours[len(ours)/2])/float64(ss[len(ss)/2]), "ratio(median)")
	b.ReportMetric(ours[0].Seconds()*1000, "ms(least)")
}
