package netns

import (
	"errors"
	"net"
	"os"
	"os/exec"
	"runtime"
	"strconv"
	"strings"
	"syscall"
	"testing"
)

// inNamespace starts a process in a network namespace of its own, which ends
// with the test.
func inNamespace(t *testing.T) *os.Process {
	t.Helper()
	cmd := exec.Command("cat")
	cmd.SysProcAttr = &syscall.SysProcAttr{Cloneflags: syscall.CLONE_NEWNET}
	if os.Getuid() != 0 {
		t.Skip("entering the namespace of another process needs CAP_SYS_ADMIN")
	}
	in, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { in.Close(); cmd.Wait() })
	return cmd.Process
}

func interfaces(t *testing.T) (names []string) {
	t.Helper()
	all, err := net.Interfaces()
	if err != nil {
		t.Fatal(err)
	}
	for _, i := range all {
		names = append(names, i.Name+" "+i.Flags.String())
	}
	return names
}

func TestDo(t *testing.T) {
	p := inNamespace(t)
	here := interfaces(t)
	pid := strconv.Itoa(p.Pid)
	for _, name := range []string{pid, "/proc/" + pid + "/ns/net"} {
		ns, err := Open(name)
		if err != nil {
			t.Fatal(err)
		}
		defer ns.Close()
		var there []string
		if err := Do(ns, func() error { there = interfaces(t); return nil }); err != nil {
			t.Fatal(err)
		}
		// A new namespace has its loopback interface, which is down.
		if len(there) == 0 || !strings.HasPrefix(there[0], "lo ") || strings.Contains(there[0], "up") {
			t.Errorf("%s: interfaces %q", name, there)
		}
		// What ends its goroutine there ends the caller's.
		returned, ended := false, make(chan struct{})
		go func() {
			defer close(ended)
			_ = Do(ns, func() error { runtime.Goexit(); return nil })
			returned = true
		}()
		if <-ended; returned {
			t.Errorf("%s: Do returned, the function did not", name)
		}
		if back := interfaces(t); strings.Join(back, ",") != strings.Join(here, ",") {
			t.Errorf("%s: afterwards interfaces %q, before %q", name, back, here)
		}
	}
	want := errors.New("x")
	if err := Do(nil, func() error { return want }); err != want {
		t.Errorf("Do(nil): %v", err)
	}
}

func TestOpenErrors(t *testing.T) {
	for _, tt := range []struct{ name, want string }{
		{"no-such-namespace", "network namespace no-such-namespace: open: /run/netns/no-such-namespace: no such file or directory"},
		{"2147483646", "network namespace 2147483646: open: /proc/2147483646/ns/net: no such file or directory"},
		{"/proc/self/ns/uts", "network namespace /proc/self/ns/uts: open: it is a namespace of another kind"},
		{"/dev/null", "network namespace /dev/null: open: /dev/null: it is not a namespace"},
	} {
		if _, err := Open(tt.name); err == nil || err.Error() != tt.want {
			t.Errorf("Open(%q): %v, want %s", tt.name, err, tt.want)
		}
	}
	if _, err := Open("no-such-namespace"); !errors.Is(err, os.ErrNotExist) {
		t.Error("not os.ErrNotExist")
	}
}
