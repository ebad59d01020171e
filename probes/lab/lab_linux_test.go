package lab

import (
	"context"
	"errors"
	"net/netip"
	"os"
	"strings"
	"testing"
	"time"

	"framescope/capture/netns/netnstest"
)

// up brings a lab up that ends with the test.
func up(t testing.TB, c *Config) *Lab {
	t.Helper()
	l, err := Up(t.Context(), c)
	if errors.Is(err, os.ErrPermission) {
		t.Skip("making network namespaces needs CAP_SYS_ADMIN")
	}
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	return l
}

// within polls until ok, and fails with what says is missing.
func within(t testing.TB, d time.Duration, what string, ok func() bool) {
	t.Helper()
	for end := time.Now().Add(d); !ok(); time.Sleep(20 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("not within %v: %s", d, what)
		}
	}
}

func counter(t testing.TB, h *Host, name string) int64 {
	t.Helper()
	v, err := h.Counter(name)
	if err != nil {
		t.Fatal(err)
	}
	return v
}

func TestTwo(t *testing.T) {
	t.Parallel()
	l := up(t, nil)
	client, server := l.Host("client"), l.Host("server")
	if err := client.Endpoint("endpoint add 10.77.2.1 dev c2 subflow"); err != nil {
		t.Fatal(err)
	}
	s, err := server.Serve(t.Context(), ServeConfig{})
	if err != nil {
		t.Fatal(err)
	}
	c, err := client.Connect(t.Context(), ConnectConfig{To: s.Addr(1)})
	if err != nil {
		t.Fatal(err)
	}
	within(t, 3*time.Second, "bytes that come back over two subflows", func() bool {
		return c.Received() > 4000 && counter(t, server, "MPTcpExtMPJoinAckRx") == 1
	})
	if !c.Multipath() || s.Multipath() != 1 || s.Accepted() != 1 {
		t.Errorf("MPTCP %v at the client, %d of %d at the server", c.Multipath(), s.Multipath(), s.Accepted())
	}
	six, err := client.Connect(t.Context(), ConnectConfig{To: s.Addr6(2), TCP: true, Bytes: 1000, Rate: Unlimited})
	if err != nil {
		t.Fatal(err)
	}
	within(t, 3*time.Second, "1000 bytes by IPv6", func() bool { return six.Received() == 1000 })
	if err := six.Wait(); err != nil || six.Multipath() {
		t.Errorf("TCP: %v, MPTCP %v", err, six.Multipath())
	}
	out, err := client.Command(t.Context(), "cat", "/proc/thread-self/net/dev").Output()
	if err != nil || !strings.Contains(string(out), "c2:") || strings.Contains(string(out), "s2:") {
		t.Errorf("%v: %s", err, out)
	}
}

func TestMiddlebox(t *testing.T) {
	t.Parallel()
	l := up(t, nil)
	client, server := l.Host("client"), l.Host("server")
	for _, tt := range []struct {
		rule Rule
		want string // part of the error of connecting
	}{
		{Rule{Hook: Input, DstPort: Port, Segment: SYN, Action: Reset}, "connection refused"},
		{Rule{Hook: Prerouting, In: "s1", Src: netip.MustParseAddr("10.77.1.1"), Option: Capable}, "timeout"},
		{Rule{Hook: Prerouting, In: "s2"}, ""},
		{Rule{Hook: Input, Src: netip.MustParseAddr("fd77:1::1")}, ""},
		{Rule{Hook: Input, MinLen: 100, Segment: SYN}, ""},
	} {
		b, err := server.Middlebox(tt.rule)
		if err != nil {
			t.Fatal(err)
		}
		s, err := server.Serve(t.Context(), ServeConfig{})
		if err != nil {
			t.Fatal(err)
		}
		c, err := client.Connect(t.Context(), ConnectConfig{To: s.Addr(1), Timeout: 300 * time.Millisecond})
		if (tt.want == "") != (err == nil) || err != nil && !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%+v: %v, want %q", tt.rule, err, tt.want)
		}
		n, err := b.Packets()
		if err != nil || (n > 0) != (tt.want != "") {
			t.Errorf("%+v: %d packets, %v", tt.rule, n, err)
		}
		if err := b.Remove(); err != nil {
			t.Error(err)
		}
		if c != nil {
			c.Close()
		}
		s.Close()
	}
}

func TestRouted(t *testing.T) {
	t.Parallel()
	l := up(t, Routed(2, 0))
	s, err := l.Host("server").Serve(t.Context(), ServeConfig{})
	if err != nil {
		t.Fatal(err)
	}
	if err := l.Host("client").Endpoint("endpoint add 10.77.2.1 dev c2 subflow"); err != nil {
		t.Fatal(err)
	}
	if _, err := l.Host("router").Middlebox(Rule{Action: Masquerade, Out: "r3"}); err != nil {
		t.Fatal(err)
	}
	c, err := l.Host("client").Connect(t.Context(), ConnectConfig{To: s.Addr(3)})
	if err != nil {
		t.Fatal(err)
	}
	within(t, 3*time.Second, "a second subflow", func() bool {
		return c.Received() > 4000 && counter(t, l.Host("server"), "MPTcpExtMPJoinAckRx") == 1
	})
}

// What a link lets through is what it was told to.
func TestRate(t *testing.T) {
	t.Parallel()
	l := up(t, Two(1, 8_000_000))
	s, err := l.Host("server").Serve(t.Context(), ServeConfig{Discard: true})
	if err != nil {
		t.Fatal(err)
	}
	begin := time.Now()
	c, err := l.Host("client").Connect(t.Context(), ConnectConfig{To: s.Addr(1), TCP: true, Rate: Unlimited})
	if err != nil {
		t.Fatal(err)
	}
	within(t, 10*time.Second, "1 MB", func() bool { return s.Received() >= 1<<20 })
	if d := time.Since(begin); d < 800*time.Millisecond {
		t.Errorf("1 MiB at 1 MB/s took %v", d)
	}
	c.Close()
}

func TestDelay(t *testing.T) {
	t.Parallel()
	c := Two(1, 1_000_000)
	c.Links[0].Delay = 20 * time.Millisecond
	l, err := Up(t.Context(), c)
	if errors.Is(err, os.ErrPermission) {
		t.Skip("making network namespaces needs CAP_SYS_ADMIN")
	}
	if errors.Is(err, ErrNoNetem) {
		if want := "lab: link 1: c1: needs netem: the kernel has no CONFIG_NET_SCH_NETEM"; err.Error() != want {
			t.Errorf("%v, want %s", err, want)
		}
		return
	}
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	s, err := l.Host("server").Serve(t.Context(), ServeConfig{})
	if err != nil {
		t.Fatal(err)
	}
	k, err := l.Host("client").Connect(t.Context(), ConnectConfig{To: s.Addr(1)})
	if err != nil {
		t.Fatal(err)
	}
	if k.Took() < 40*time.Millisecond {
		t.Errorf("connecting took %v", k.Took())
	}
}

// After Close nothing is left: no thread, no file, and the kernel has no such
// namespace any more.
func TestClose(t *testing.T) {
	up(t, nil) // or skip
	watcher := netnstest.NewWatcher(t)
	watcher.Left() // or skip
	files := func() int {
		all, err := os.ReadDir("/proc/self/fd")
		if err != nil {
			t.Fatal(err)
		}
		return len(all)
	}
	before := files()
	for _, name := range []string{"ok_rate", "b_drop_joinack", "f_wrong_backend"} {
		r, err := FindScenario(name).Start(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		for _, h := range r.Hosts() {
			watcher.Watch(h.Netns())
		}
		if left := watcher.Left(); len(left) != len(r.Hosts()) {
			t.Fatalf("%s: %d", name, left)
		}
		sleeper := r.Host("client").Command(t.Context(), "sleep", "1000")
		if err := sleeper.Start(); err != nil {
			t.Fatal(err)
		}
		if err := r.Close(); err != nil {
			t.Error(err)
		}
		if err := sleeper.Wait(); err == nil || err.Error() != "signal: killed" {
			t.Errorf("a command ended with %v", err)
		}
		if err := r.Close(); err != nil {
			t.Errorf("closed again: %v", err)
		}
		within(t, 10*time.Second, "the namespaces are gone", func() bool { return len(watcher.Left()) == 0 })
	}
	within(t, 2*time.Second, "files are closed", func() bool { return files() <= before })
}

func TestHostErrors(t *testing.T) {
	t.Parallel()
	h := up(t, nil).Host("client")
	for want, do := range map[string]func() error{
		`sysctl "kernel.x": expected net.*, with interfaces that have no dot`: func() error { return h.SetSysctl("kernel.x", "1") },
		`sysctl net.nonsense=1: no such file or directory`:                    func() error { return h.SetSysctl("net.nonsense", "1") },
		`host client: link 3: it is not there`:                                func() error { return h.SetLink(3, true) },
		`host client: endpoint add x: argument 3, "x": expected`:              func() error { return h.Endpoint("endpoint add x") },
		`host client: mptcp endpoint delete id 9: address not found`:          func() error { return h.Endpoint("endpoint delete id 9") },
		`host client: middlebox: hook 9: there is none`:                       func() error { _, err := h.Middlebox(Rule{Hook: 9}); return err },
		`host client: middlebox: interface "aaaaaaaaaaaaaaaa": the name is too long`: func() error {
			_, err := h.Middlebox(Rule{In: "aaaaaaaaaaaaaaaa"})
			return err
		},
	} {
		if err := do(); err == nil || !strings.HasPrefix(err.Error(), want) {
			t.Errorf("%v, want %s", err, want)
		}
	}
}

func TestConfigErrors(t *testing.T) {
	t.Parallel()
	for want, c := range map[string]Config{
		`lab: host "A": expected lower-case letters and digits`: {Hosts: []HostConfig{{Name: "A"}}},
		`lab: host a: there are two of them`:                    {Hosts: []HostConfig{{Name: "a"}, {Name: "a"}}},
		`lab: link 1: "client" to "x": there is no such host`:   {Links: []LinkConfig{{A: "client", B: "x"}}},
		`lab: link 1: both ends are at client`:                  {Links: []LinkConfig{{A: "client", B: "client"}}},
		`lab: link 1: rate of 1 bit/s: expected 8000 or more`:   {Links: []LinkConfig{{A: "client", B: "server", Rate: 1}}},
		`lab: link 1: delay -1ns, loss 0%: out of range`:        {Links: []LinkConfig{{A: "client", B: "server", Delay: -1}}},
		`lab: 2 hosts and 17 links: at most 8 and 16`:           *Two(17, 0),
	} {
		if _, err := Up(context.Background(), &c); err == nil || err.Error() != want {
			t.Errorf("%v, want %s", err, want)
		}
	}
}
