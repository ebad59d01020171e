package mptcpctl

import (
	"fmt"
	"os"
	"strconv"
	"strings"

	"framescope/capture/netns"
)

// A Counter is one of the kernel's counters of a network namespace.
type Counter struct {
	// Group is "MPTcpExt", "TcpExt", "Tcp", "Udp", "Ip6", "Udp6" and the like.
	Group string `json:"group"`
	// Name is its name in the group: "MPJoinSynTx".
	Name string `json:"name"`
	// Value counts since the namespace was made; of a gauge it is what is now.
	// In a difference it may be negative.
	Value int64 `json:"value"`
}

// FullName returns the name as nstat(8) has it: "MPTcpExtMPJoinSynTx".
func (c Counter) FullName() string { return c.Group + c.Name }

// Counters are counters in the kernel's order.
type Counters []Counter

// Get returns the value of a counter by its full name, and whether there is one.
// Which counters there are depends on the kernel.
func (c Counters) Get(fullName string) (int64, bool) {
	for i := range c {
		if strings.HasPrefix(fullName, c[i].Group) && fullName[len(c[i].Group):] == c[i].Name {
			return c[i].Value, true
		}
	}
	return 0, false
}

// Since returns by how much each counter differs from what it was before.
// Gauges keep their value.
func (c Counters) Since(before Counters) Counters {
	was := make(map[Counter]int64, len(before))
	for _, b := range before {
		was[Counter{Group: b.Group, Name: b.Name}] = b.Value
	}
	diff := make(Counters, len(c))
	for i, now := range c {
		if diff[i] = now; !IsGauge(now.FullName()) {
			diff[i].Value -= was[Counter{Group: now.Group, Name: now.Name}]
		}
	}
	return diff
}

// IsGauge reports whether a counter says how many there are now.
func IsGauge(fullName string) bool { return fullName == "MPTcpExtMPCurrEstab" }

// Counters returns all counters of MPTCP, and those of TCP and IP that decide
// cases (see Meaning).
func (c *Conn) Counters() (Counters, error) {
	all, err := ReadCounters(c.ns, meant)
	return all, fail("counters", "", err)
}

// ReadCounters returns those counters of the network namespace ns, or with nil of
// the one that the caller's thread is in, for which wanted is true: they are in
// netstat, snmp and snmp6 of /proc/net. Those of IPv6 are missing where there is
// no IPv6.
func ReadCounters(ns *os.File, wanted func(group, name string) bool) (all Counters, err error) {
	// /proc/net is that of the process: its first thread may be elsewhere.
	const proc = "/proc/thread-self/net/"
	err = netns.Do(ns, func() error {
		for _, name := range []string{"netstat", "snmp"} {
			b, err := os.ReadFile(proc + name)
			if err != nil {
				return err
			}
			if all, err = parseCounters(all, string(b), wanted); err != nil {
				return fmt.Errorf("%s%s: %w", proc, name, err)
			}
		}
		// Without IPv6 there is no such file.
		if b, err := os.ReadFile(proc + "snmp6"); err == nil {
			all = parseCounters6(all, string(b), wanted)
		}
		return nil
	})
	return all, err
}

// meant reports whether a counter is one of MPTCP, or has a meaning for it.
func meant(group, name string) bool {
	if group == "MPTcpExt" {
		return true
	}
	_, ok := meanings[group+name]
	return ok
}

// parseCounters reads pairs of lines: "Group: name name", "Group: 1 2". Which
// names there are, and in which order, differs between kernels.
func parseCounters(all Counters, text string, wanted func(group, name string) bool) (Counters, error) {
	lines := strings.Split(strings.TrimRight(text, "\n"), "\n")
	for i := 0; i+1 < len(lines); i += 2 {
		group, names, ok := strings.Cut(lines[i], ":")
		if !ok {
			return nil, fmt.Errorf("line %d: no group", i+1)
		}
		same, values, ok := strings.Cut(lines[i+1], ":")
		if !ok || same != group {
			return nil, fmt.Errorf("line %d: expected the values of %s", i+2, group)
		}
		n, v := strings.Fields(names), strings.Fields(values)
		if len(n) != len(v) {
			return nil, fmt.Errorf("line %d: %d values for %d names", i+2, len(v), len(n))
		}
		for j := range n {
			if !wanted(group, n[j]) {
				continue
			}
			value, err := strconv.ParseInt(v[j], 10, 64)
			if err != nil {
				return nil, fmt.Errorf("line %d: %s: %q is no number", i+2, n[j], v[j])
			}
			all = append(all, Counter{group, n[j], value})
		}
	}
	return all, nil
}

// parseCounters6 reads lines of a name and a value: "Ip6OutNoRoutes 1".
func parseCounters6(all Counters, text string, wanted func(group, name string) bool) Counters {
	for line := range strings.Lines(text) {
		f := strings.Fields(line)
		if len(f) != 2 {
			continue
		}
		at := strings.IndexByte(f[0], '6') + 1 // Ip6, Icmp6, Udp6, UdpLite6
		group, name := f[0][:at], f[0][at:]
		value, err := strconv.ParseInt(f[1], 10, 64)
		if at > 0 && err == nil && wanted(group, name) {
			all = append(all, Counter{group, name, value})
		}
	}
	return all
}

// Meaning says what a counter counts, by its full name; it is empty for one that
// is not known here.
func Meaning(fullName string) string { return meanings[fullName] }
