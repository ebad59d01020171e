package netnstest

import (
	"os"
	"strconv"
	"strings"
	"testing"

	"github.com/vishvananda/netlink"
)

// A Watcher knows which namespaces are there still: each has a number in a
// namespace of its own, and the kernel takes it back when the namespace is gone.
// It holds none of them.
type Watcher struct {
	tb   testing.TB
	ns   *os.File
	next int
}

// NewWatcher returns a watcher that ends with the test. It needs ip(8).
func NewWatcher(tb testing.TB) *Watcher {
	tb.Helper()
	return &Watcher{tb: tb, ns: New(tb)}
}

// Watch watches a namespace.
func (w *Watcher) Watch(ns *os.File) {
	w.tb.Helper()
	Do(w.tb, w.ns, func() error { return netlink.SetNetNsIdByFd(int(ns.Fd()), w.next) })
	w.next++
}

// Left returns the numbers of the namespaces that are not gone, from 0 in the
// order in which they are watched.
func (w *Watcher) Left() (numbers []int) {
	w.tb.Helper()
	for line := range strings.Lines(Run(w.tb, w.ns, "ip", "netns", "list-id")) {
		f := strings.Fields(line)
		if len(f) < 2 || f[0] != "nsid" {
			w.tb.Fatalf("ip netns list-id: %q", line)
		}
		n, err := strconv.Atoi(f[1])
		if err != nil {
			w.tb.Fatal(err)
		}
		numbers = append(numbers, n)
	}
	return numbers
}
