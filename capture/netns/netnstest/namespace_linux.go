package netnstest

import (
	"bytes"
	"errors"
	"os"
	"os/exec"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"framescope/capture/netns"
)

// New returns a new network namespace, with its loopback interface up. The test
// closes it: the namespace lasts as long as that or what is in it still.
func New(tb testing.TB) *os.File {
	tb.Helper()
	ns, err := create()
	if errors.Is(err, unix.EPERM) {
		tb.Skip("a network namespace needs CAP_SYS_ADMIN")
	}
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() { ns.Close() })
	Up(tb, ns, "lo")
	return ns
}

func create() (ns *os.File, err error) {
	here, err := os.Open("/proc/thread-self/ns/net")
	if err != nil {
		return nil, err
	}
	defer here.Close()
	// Do goes back from wherever the function has brought its thread.
	err = netns.Do(here, func() error {
		err := unix.Unshare(unix.CLONE_NEWNET)
		if err == nil {
			ns, err = os.Open("/proc/thread-self/ns/net")
		}
		return err
	})
	return ns, err
}

// Do runs f in ns, as netns.Do does, and ends the test with its error. f may
// call Fatal and Skip itself.
func Do(tb testing.TB, ns *os.File, f func() error) {
	tb.Helper()
	if err := netns.Do(ns, f); err != nil {
		tb.Fatal(err)
	}
}

// Run runs a command in ns and returns what it prints. It ends the test with
// what the command says when that fails, and skips it where the command is not
// installed.
func Run(tb testing.TB, ns *os.File, name string, args ...string) string {
	tb.Helper()
	if _, err := exec.LookPath(name); err != nil {
		tb.Skipf("%s is not in PATH", name)
	}
	c := exec.Command(name, args...)
	var out, words bytes.Buffer
	c.Stdout, c.Stderr = &out, &words
	Do(tb, ns, c.Start)
	if err := c.Wait(); err != nil {
		tb.Fatalf("%s: %v\n%s%s", strings.Join(c.Args, " "), err, &out, &words)
	}
	return out.String()
}
