package mptcpctl

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/netip"
	"os"
	"os/exec"
	"reflect"
	"strings"
	"syscall"
	"testing"

	"framescope/capture/netns/netnstest"
)

func TestEndpoints(t *testing.T) {
	c := open(t, netnstest.New(t))
	feat, err := c.Features()
	if err != nil {
		t.Fatal(err)
	}
	if feat.FlagsErr != nil {
		t.Fatal(feat.FlagsErr)
	}
	t.Logf("%+v", feat)
	want := []Endpoint{
		{ID: 1, Addr: addr("10.0.0.1"), Flags: Signal},
		{ID: 2, Addr: addr("10.0.0.2"), Flags: Subflow, Dev: "lo", IfIndex: 1},
		{ID: 7, Addr: addr("10.0.0.3"), Flags: Subflow | Backup},
		{ID: 8, Addr: addr("fd00::1"), Flags: Subflow | Fullmesh},
		{ID: 9, Addr: addr("127.0.0.1"), Port: 5000, Flags: Signal},
		{ID: 10, Addr: addr("10.0.0.4"), Flags: Signal | Subflow | Backup},
		{ID: 255, Addr: addr("10.0.0.5")},
	}
	if feat.Flags&Laminar != 0 {
		want = append(want, Endpoint{ID: 100, Addr: addr("10.0.0.6"), Flags: Laminar})
	}
	for _, e := range want {
		asked := e
		asked.IfIndex = 0
		if e.ID != 255 && e.ID != 7 && e.ID != 100 {
			asked.ID = 0 // the kernel counts on from the greatest
		}
		got, err := c.Add(asked)
		if err != nil || got != e {
			t.Fatalf("Add(%v): %v, %v", asked, got, err)
		}
		if got, err := c.Get(e.ID); err != nil || got != e {
			t.Errorf("Get(%d): %v, %v, want %v", e.ID, got, err, e)
		}
	}
	list, err := c.List()
	if err != nil || len(list) != len(want) {
		t.Fatalf("List: %v, %v", list, err)
	}
	for i := range list {
		if i > 0 && list[i].ID <= list[i-1].ID {
			t.Errorf("not in order: %v", list)
		}
	}
	for _, tt := range []struct {
		ask  Endpoint
		want Flags
	}{
		{Endpoint{ID: 2, Flags: Backup}, Subflow | Backup},
		{Endpoint{ID: 2, Flags: Backup | Fullmesh}, Subflow | Backup | Fullmesh},
		{Endpoint{ID: 2}, Subflow},
		{Endpoint{Addr: addr("10.0.0.3"), Flags: Fullmesh}, Subflow | Fullmesh},
		{Endpoint{Addr: addr("127.0.0.1"), Port: 5000, Flags: Backup}, Signal | Backup},
	} {
		got, err := c.SetFlags(tt.ask)
		if err != nil || got.Flags != tt.want {
			t.Errorf("SetFlags(%v): %v, %v, want %v", tt.ask, got, err, tt.want)
		}
	}
	// Other flags cannot be changed, and the kernel does not say so.
	var dropped *FlagsError
	if got, err := c.SetFlags(Endpoint{ID: 2, Flags: Signal | Backup}); !errors.As(err, &dropped) || dropped.Dropped != Signal || got.Flags != Subflow|Backup {
		t.Errorf("SetFlags(signal): %v, %v", got, err)
	}
	if err := c.Delete(255, netip.Addr{}); err != nil {
		t.Error(err)
	}
	if _, err := c.Get(255); !errors.Is(err, syscall.EINVAL) {
		t.Errorf("a deleted one: %v", err)
	}
	if err := c.Flush(); err != nil {
		t.Error(err)
	}
	if list, err := c.List(); err != nil || len(list) != 0 {
		t.Errorf("after Flush: %v, %v", list, err)
	}
	got, err := c.Add(Endpoint{Addr: addr("10.0.0.1"), Flags: Subflow | 1<<7})
	if !errors.As(err, &dropped) || dropped.Dropped != 1<<7 || got.Flags != Subflow || got.ID == 0 {
		t.Errorf("an unknown flag: %v, %v", got, err)
	}
	if err == nil || !strings.Contains(err.Error(), "left out without an error: rawflags 80") {
		t.Errorf("%v", err)
	}
	// An IPv4 address in the form of IPv6 is the same.
	if got, err := c.Add(Endpoint{Addr: addr("::ffff:10.0.0.9"), Flags: Signal}); err != nil || got.Addr != addr("10.0.0.9") {
		t.Errorf("%v, %v", got, err)
	}
}

// The kernel's own words reach the user.
func TestErrors(t *testing.T) {
	c := open(t, netnstest.New(t))
	lim := func(a, s uint32) error { return c.SetLimits(LimitsChange{&a, &s}) }
	add := func(e Endpoint) error { _, err := c.Add(e); return err }
	change := func(e Endpoint) error { _, err := c.SetFlags(e); return err }
	get := func(id uint8) error { _, err := c.Get(id); return err }
	fill := func(f func() error) error {
		for i := range 8 {
			if err := add(Endpoint{Addr: netip.AddrFrom4([4]byte{10, 1, 0, byte(i)}), Flags: Subflow}); err != nil {
				t.Fatal(err)
			}
		}
		return f()
	}
	peer := netip.MustParseAddrPort("10.0.0.2:80")
	for _, tt := range []struct {
		name  string
		err   func() error
		errno syscall.Errno
		want  string
	}{
		{"both", func() error { return add(Endpoint{Addr: addr("10.0.0.1"), Flags: Signal | Fullmesh}) }, syscall.EINVAL,
			"mptcp endpoint add 10.0.0.1 signal fullmesh: flags mustn't have both signal and fullmesh (invalid argument)"},
		{"port", func() error { return add(Endpoint{Addr: addr("127.0.0.1"), Port: 1, Flags: Signal | Subflow}) }, syscall.EINVAL,
			"mptcp endpoint add 127.0.0.1 port 1 signal subflow: flags must have signal and not subflow when using port (invalid argument)"},
		{"same address", func() error {
			return errors.Join(add(Endpoint{Addr: addr("10.0.0.1")}), add(Endpoint{Addr: addr("10.0.0.1")}))
		}, syscall.EEXIST,
			"mptcp endpoint add 10.0.0.1: too many addresses or duplicate one: -17 (the address is an endpoint already)"},
		{"same id", func() error {
			return errors.Join(add(Endpoint{ID: 5, Addr: addr("10.0.0.1")}), add(Endpoint{ID: 5, Addr: addr("10.0.0.2")}))
		}, syscall.EBUSY,
			"mptcp endpoint add 10.0.0.2 id 5: too many addresses or duplicate one: -16 (the id is taken)"},
		{"ninth", func() error { return fill(func() error { return add(Endpoint{Addr: addr("10.0.0.9")}) }) }, syscall.ERANGE,
			"mptcp endpoint add 10.0.0.9: too many addresses or duplicate one: -34 (there are 8 endpoints, and the kernel keeps no more)"},
		{"limit", func() error { return lim(9, 2) }, syscall.EINVAL,
			"mptcp limits set add_addr_accepted 9 subflows 2: limit greater than maximum (8) (invalid argument)"},
		{"get", func() error { return get(77) }, syscall.EINVAL, "mptcp endpoint show id 77: address not found (invalid argument)"},
		{"delete", func() error { return c.Delete(77, netip.Addr{}) }, syscall.EINVAL, "mptcp endpoint delete id 77: address not found (invalid argument)"},
		{"delete 0", func() error { return c.Delete(0, netip.Addr{}) }, 0, "mptcp endpoint delete id 0: an address is needed with id 0"},
		{"fullmesh", func() error {
			return errors.Join(add(Endpoint{ID: 3, Addr: addr("10.0.0.1"), Flags: Signal}), change(Endpoint{ID: 3, Flags: Fullmesh}))
		}, syscall.EINVAL, "mptcp endpoint change id 3 fullmesh: invalid addr flags (invalid argument)"},
		{"listen", func() error { return add(Endpoint{Addr: addr("10.9.9.9"), Port: 5000, Flags: Signal}) }, syscall.EADDRNOTAVAIL,
			"mptcp endpoint add 10.9.9.9 port 5000 signal: create listen socket error: -99 (an endpoint with a port listens on its address, and no interface has it)"},
		{"dev", func() error { return add(Endpoint{Addr: addr("10.0.0.1"), Dev: "nothere"}) }, syscall.ENODEV,
			"mptcp endpoint add 10.0.0.1 dev nothere: there is no interface \"nothere\": no such device"},
		{"zone", func() error { return add(Endpoint{Addr: addr("fe80::1%lo")}) }, 0,
			"mptcp endpoint add fe80::1%lo: an address with a zone cannot be an endpoint: name the interface with dev"},
		{"announce", func() error { return c.Announce(1, Endpoint{ID: 1, Addr: addr("10.0.0.1"), Flags: Signal}) }, syscall.EINVAL,
			"mptcp announce token 00000001 10.0.0.1 id 1 signal: invalid token (invalid argument)"},
		{"remove", func() error { return c.Remove(1, 1) }, syscall.EINVAL, "mptcp remove token 00000001 id 1: invalid token (invalid argument)"},
		{"create", func() error {
			return c.CreateSubflow(1, Endpoint{ID: 1, Addr: addr("10.0.0.1"), Flags: Subflow}, peer)
		}, syscall.EINVAL, "mptcp subflow create token 00000001 10.0.0.1 id 1 subflow to 10.0.0.2:80: invalid token (invalid argument)"},
		{"list", func() error { _, err := c.ListLocal(1); return err }, syscall.EINVAL, "mptcp endpoint show token 00000001: invalid token (invalid argument)"},
		{"sysctl", func() error { return c.SetSysctl("enabled", "2") }, syscall.EINVAL, "mptcp sysctl net.mptcp.enabled=2: invalid argument"},
		{"scheduler", func() error { return c.SetSysctl("scheduler", "nonsense") }, syscall.ENOENT, "mptcp sysctl net.mptcp.scheduler=nonsense: no such file or directory"},
		{"no sysctl", func() error { return c.SetSysctl("../../kernel/x", "1") }, 0, "mptcp sysctl net.mptcp.../../kernel/x=1: that is no name of a sysctl"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if err := c.Flush(); err != nil {
				t.Fatal(err)
			}
			err := tt.err()
			if err == nil || err.Error() != tt.want {
				t.Fatalf("%v\nwant %s", err, tt.want)
			}
			var op *OpError
			if !errors.As(err, &op) || tt.errno != 0 && !errors.Is(err, tt.errno) {
				t.Errorf("%#v", err)
			}
		})
	}
}

// Without rights everything can be looked at, and nothing changed.
func TestPermission(t *testing.T) {
	ns := netnstest.New(t)
	if os.Getenv("MPTCPCTL_AS_NOBODY") != "" {
		return
	}
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	// A copy where everybody may run it.
	dir, err := os.MkdirTemp("/tmp", "mptcpctl")
	if err != nil {
		t.Fatal(err)
	}
	defer os.RemoveAll(dir)
	b, err := os.ReadFile(self)
	if err == nil {
		err = errors.Join(os.Chmod(dir, 0o755), os.WriteFile(dir+"/test", b, 0o755))
	}
	if err != nil {
		t.Fatal(err)
	}
	netnstest.Do(t, ns, func() error {
		cmd := exec.Command(dir+"/test", "-test.run", "^TestAsNobody$", "-test.v")
		cmd.Dir = dir
		cmd.Env = append(os.Environ(), "MPTCPCTL_AS_NOBODY=1")
		cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: 65534, Gid: 65534, NoSetGroups: true}}
		if mapped, _ := os.ReadFile("/proc/self/uid_map"); !strings.Contains(string(mapped), "4294967295") {
			// In a user namespace of one user: rights are dropped instead.
			cmd = exec.Command("setpriv", "--bounding-set=-all", "--inh-caps=-all", dir+"/test", "-test.run", "^TestAsNobody$", "-test.v")
			cmd.Env = append(os.Environ(), "MPTCPCTL_AS_NOBODY=1")
			cmd.Dir = dir
		}
		out, err := cmd.CombinedOutput()
		if err != nil || !strings.Contains(string(out), "--- PASS: TestAsNobody") {
			t.Errorf("%v\n%s", err, out)
		}
		return nil
	})
}

func TestAsNobody(t *testing.T) {
	if os.Getenv("MPTCPCTL_AS_NOBODY") == "" {
		return // TestPermission runs it
	}
	c := open(t, nil)
	for name, err := range map[string]error{
		"add":     func() error { _, err := c.Add(Endpoint{Addr: addr("10.0.0.1")}); return err }(),
		"flush":   c.Flush(),
		"monitor": func() error { _, err := c.Monitor(); return err }(),
		"sysctl":  c.SetSysctl("enabled", "0"),
	} {
		// The user who owns a namespace owns its sysctls.
		if owner := name == "sysctl" && os.Getuid() == 0; !owner && !errors.Is(err, os.ErrPermission) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if _, err := c.State(); err != nil {
		t.Error(err)
	}
	if _, err := c.Counters(); err != nil {
		t.Error(err)
	}
	if f, err := c.Features(); err != nil || !errors.Is(f.FlagsErr, os.ErrPermission) || !f.Events {
		t.Errorf("%+v, %v", f, err)
	}
	if _, err := c.Check(Endpoint{Addr: addr("10.0.0.1"), Flags: Subflow}); err != nil {
		t.Error(err)
	}
}

func TestLimits(t *testing.T) {
	c := open(t, netnstest.New(t))
	if l, err := c.Limits(); err != nil || l != (Limits{0, 2}) {
		t.Errorf("at first: %v, %v", l, err)
	}
	limits(t, c, 8, 8)
	one := uint32(1)
	for _, ch := range []LimitsChange{{AddAddrAccepted: &one}, {}} {
		if err := c.SetLimits(ch); err != nil {
			t.Error(err)
		}
		if l, err := c.Limits(); err != nil || l != (Limits{1, 8}) {
			t.Errorf("%v: %v, %v", ch, l, err)
		}
	}
	if err := c.SetLimits(LimitsChange{Subflows: &one}); err != nil {
		t.Error(err)
	}
	if l, err := c.Limits(); err != nil || l != (Limits{1, 1}) {
		t.Errorf("%v, %v", l, err)
	}
}

// What we set, ip-mptcp(8) shows, and the other way round.
func TestIPProgram(t *testing.T) {
	ns := netnstest.New(t)
	c := open(t, ns)
	rows := [][]string{
		{"10.0.0.1", "signal"},
		{"10.0.0.2", "subflow", "dev", "lo", "id", "77"},
		{"10.0.0.3", "subflow", "backup", "fullmesh"},
		{"fd00::1", "id", "9", "subflow", "signal"},
		{"127.0.0.1", "port", "4711", "signal", "backup"},
		{"10.0.0.4"},
	}
	both := func(who string) (texts, jsons string) {
		t.Helper()
		list, err := c.List()
		if err != nil || len(list) != len(rows) {
			t.Fatalf("%s: %v, %v", who, list, err)
		}
		var text []byte
		for _, e := range list {
			text = e.AppendIP(text)
		}
		theirs := netnstest.Run(t, ns, "ip", "mptcp", "endpoint", "show")
		if theirs != string(text) {
			t.Errorf("set by %s: ip shows\n%swe show\n%s", who, theirs, text)
		}
		var a, b any
		ours, err := json.Marshal(list)
		if err != nil {
			t.Fatal(err)
		}
		out := netnstest.Run(t, ns, "ip", "-j", "mptcp", "endpoint", "show")
		if err := errors.Join(json.Unmarshal(ours, &a), json.Unmarshal([]byte(out), &b)); err != nil || !reflect.DeepEqual(a, b) {
			t.Errorf("set by %s: ip shows\n%s\nwe show\n%s\n%v", who, out, ours, err)
		}
		var back []Endpoint
		if err := json.Unmarshal([]byte(out), &back); err != nil {
			t.Error(err)
		}
		for i := range back {
			back[i].IfIndex = list[i].IfIndex
		}
		if !reflect.DeepEqual(back, list) {
			t.Errorf("set by %s: its JSON reads as %v", who, back)
		}
		return theirs, out
	}
	for _, row := range rows {
		cmd, err := ParseIP(append([]string{"endpoint", "add"}, row...))
		if err != nil {
			t.Fatal(err)
		}
		if _, err := cmd.Run(c); err != nil {
			t.Fatal(err)
		}
	}
	text, _ := both("us")
	if err := c.Flush(); err != nil {
		t.Fatal(err)
	}
	for _, row := range rows {
		netnstest.Run(t, ns, "ip", append([]string{"mptcp", "endpoint", "add"}, row...)...)
	}
	if again, _ := both("ip"); again != text {
		t.Errorf("set by ip:\n%sset by us:\n%s", again, text)
	}
	netnstest.Run(t, ns, "ip", "mptcp", "endpoint", "change", "id", "77", "backup")
	if e, err := c.Get(77); err != nil || e.Flags != Subflow|Backup {
		t.Errorf("%v, %v", e, err)
	}
	netnstest.Run(t, ns, "ip", "mptcp", "limits", "set", "subflows", "3", "add_addr_accepted", "5")
	l, err := c.Limits()
	if err != nil || l != (Limits{5, 3}) {
		t.Errorf("%v, %v", l, err)
	}
	if out := netnstest.Run(t, ns, "ip", "mptcp", "limits", "show"); out != string(l.AppendIP(nil)) {
		t.Errorf("ip shows %q, we show %q", out, l.AppendIP(nil))
	}
}

// A dump that does not fit into one message, and the same socket for several.
func TestManyRequests(t *testing.T) {
	c := open(t, netnstest.New(t))
	done := make(chan error)
	for g := range 4 {
		go func() {
			for i := range 50 {
				if _, err := c.List(); err != nil {
					done <- err
					return
				}
				if _, err := c.Get(uint8(200 + g)); err == nil {
					done <- fmt.Errorf("round %d: an endpoint that is not there", i)
					return
				}
			}
			done <- nil
		}()
	}
	for range 4 {
		if err := <-done; err != nil {
			t.Error(err)
		}
	}
}
