package sockdiag

import (
	"bufio"
	"io"
	"os"
	"os/exec"
	"strconv"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"framescope/capture/netns"
	"framescope/capture/netns/netnstest"
)

// cpu is the time that this process (RUSAGE_SELF) or its children that ended
// have used.
func cpu(who int) time.Duration {
	var u unix.Rusage
	_ = unix.Getrusage(who, &u)
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// BenchmarkSS compares with ss(8) over the same sockets: what counts are the
// ratios of CPU time, the least of several runs each. SOCKDIAG_SOCKETS says how
// many sockets instead of 50 000.
func BenchmarkSS(b *testing.B) {
	n := 50000
	if v, err := strconv.Atoi(os.Getenv("SOCKDIAG_SOCKETS")); err == nil {
		n = v
	}
	ns := netnstest.New(b)
	holders(b, ns, n)
	c := open(b, ns)
	least := map[string]time.Duration{}
	note := func(name string, d time.Duration) {
		if l, ok := least[name]; !ok || d < l {
			least[name] = d
		}
	}
	var s Socket
	var info TCPInfo
	walk := func(name string, q Query, row func()) {
		before := cpu(unix.RUSAGE_SELF)
		rows := 0
		for _, err := range c.Inet(&s, q) {
			if err != nil {
				b.Fatal(err)
			}
			rows++
			row()
		}
		note(name, cpu(unix.RUSAGE_SELF)-before)
		if q.States == 0 && rows < n {
			b.Fatalf("%d rows", rows)
		}
	}
	ss := func(arg string) {
		before := cpu(unix.RUSAGE_CHILDREN)
		cmd := exec.Command("ss", arg) // into /dev/null
		if err := netns.Do(ns, cmd.Start); err != nil {
			b.Fatal(err)
		}
		if err := cmd.Wait(); err != nil {
			b.Fatal(err)
		}
		note("ss "+arg, cpu(unix.RUSAGE_CHILDREN)-before)
	}
	out := bufio.NewWriter(io.Discard)
	line := make([]byte, 0, 200)
	for b.Loop() {
		for range 5 {
			walk("rows", Query{Protocol: TCP}, func() {})
			walk("text", Query{Protocol: TCP}, func() {
				line = append(line[:0], s.State.String()...)
				line = strconv.AppendUint(append(line, ' '), uint64(s.RQueue), 10)
				line = strconv.AppendUint(append(line, ' '), uint64(s.WQueue), 10)
				line = s.Src.AppendTo(append(line, ' '))
				line = s.Dst.AppendTo(append(line, ' '))
				_, _ = out.Write(append(line, '\n'))
			})
			walk("info", Query{Protocol: TCP, Ext: ExtInfo}, func() { s.TCPInfo(&info) })
			walk("listen", Query{Protocol: TCP, States: StateSet(Listen)}, func() {})
			ss("-tan")
			ss("-tani")
		}
	}
	ms := func(name string) float64 { return float64(least[name].Microseconds()) / 1000 }
	for _, name := range []string{"rows", "text", "info", "listen", "ss -tan", "ss -tani"} {
		b.Logf("%-9s %8.2f ms", name, ms(name))
	}
	b.ReportMetric(ms("rows")/ms("ss -tan"), "rows/ss-tan")
	b.ReportMetric(ms("text")/ms("ss -tan"), "text/ss-tan")
	b.ReportMetric(ms("info")/ms("ss -tani"), "info/ss-tani")
}
