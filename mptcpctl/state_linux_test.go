package mptcpctl

import (
	"math/rand/v2"
	"net/netip"
	"strings"
	"testing"

	"framescope/capture/netns/netnstest"
)

// From any state to any other: what was asked for is there afterwards, and then
// nothing differs.
func TestApply(t *testing.T) {
	ns := netnstest.New(t)
	c := open(t, ns)
	r := rand.New(rand.NewPCG(1, 2))
	for round := range 30 {
		want := State{Endpoints: []Endpoint{}, Limits: &LimitsChange{u32(r.Uint32N(9)), u32(r.Uint32N(9))},
			Sysctls: map[string]string{"stale_loss_cnt": string(rune('1' + r.IntN(5))), "checksum_enabled": string(rune('0' + r.IntN(2)))}}
		ids, addrs := r.Perm(20), r.Perm(12)
		for i := range r.IntN(MaxEndpoints + 1) {
			e := Endpoint{Addr: netip.AddrFrom4([4]byte{127, 0, 0, byte(addrs[i] + 1)}), Flags: []Flags{Signal, Subflow, Subflow | Backup, Subflow | Fullmesh, Signal | Subflow, Signal | Backup, Laminar, 0}[r.IntN(8)]}
			if r.IntN(2) == 0 {
				e.ID = uint8(ids[i] + 1)
			}
			if r.IntN(3) == 0 {
				e.Dev = "lo"
			}
			if e.Flags == Signal && r.IntN(3) == 0 {
				e.Port = 2000 + uint16(r.IntN(3))
			}
			want.Endpoints = append(want.Endpoints, e)
		}
		have, err := c.State()
		if err != nil {
			t.Fatal(err)
		}
		diff, err := Diff(have, want)
		if err != nil {
			t.Fatal(err)
		}
		done := 0
		if err := c.Apply(diff, func(Change) { done++ }); err != nil || done != len(diff) {
			t.Fatalf("round %d: from %v to %v: %v", round, have.Endpoints, want.Endpoints, err)
		}
		now, err := c.State()
		if err != nil {
			t.Fatal(err)
		}
		if diff, err := Diff(now, want); err != nil || len(diff) != 0 {
			t.Fatalf("round %d: afterwards %v, wanted %v: %v, %v", round, now.Endpoints, want.Endpoints, diff, err)
		}
		if len(now.Endpoints) != len(want.Endpoints) {
			t.Fatalf("round %d: %v, wanted %v", round, now.Endpoints, want.Endpoints)
		}
		for i := range want.Endpoints {
			w := want.Endpoints[i]
			found := false
			for _, h := range now.Endpoints {
				found = found || h.Addr == w.Addr && h.Port == w.Port && h.Flags == w.Flags && h.Dev == w.Dev && (w.ID == 0 || w.ID == h.ID)
			}
			if !found {
				t.Fatalf("round %d: %v is missing in %v", round, w, now.Endpoints)
			}
		}
	}
	// The first step that fails ends it, and says how far it came.
	bad := []Change{
		{Action: ActSysctl, Sysctl: "stale_loss_cnt", Value: "9"},
		{Action: ActAdd, Endpoint: &Endpoint{Addr: addr("10.9.9.9"), Port: 1, Flags: Signal}},
		{Action: ActSysctl, Sysctl: "stale_loss_cnt", Value: "3"},
	}
	if err := c.Flush(); err != nil {
		t.Fatal(err)
	}
	err := c.Apply(bad, nil)
	if err == nil || !strings.HasPrefix(err.Error(), "step 2 of 3: mptcp endpoint add 10.9.9.9 port 1 signal: create listen socket error: -99") || !strings.HasSuffix(err.Error(), "; the 1 before it were done") {
		t.Errorf("%v", err)
	}
	if s, err := c.State(); err != nil || s.Sysctls["stale_loss_cnt"] != "9" {
		t.Errorf("%v, %v", s.Sysctls, err)
	}
}

// What State says is not valid, the kernel refuses, and nothing else.
func TestValid(t *testing.T) {
	c := open(t, netnstest.New(t))
	var all []Endpoint
	for _, port := range []uint16{0, 3000, 3001} {
		for _, flags := range []Flags{0, Signal, Subflow, Signal | Subflow, Signal | Fullmesh, Signal | Backup} {
			all = append(all, Endpoint{Addr: addr("127.0.0.1"), Port: port, Flags: flags})
		}
	}
	all = append(all, Endpoint{ID: 1, Addr: addr("127.0.0.2")}, Endpoint{ID: 2, Addr: addr("::ffff:127.0.0.2")})
	for _, a := range all {
		if err := c.Flush(); err != nil {
			t.Fatal(err)
		}
		first, err := c.Add(a)
		if said := (State{Endpoints: []Endpoint{a}}).valid(); (said == nil) != (err == nil) {
			t.Errorf("%v: we say %v, the kernel %v", a, said, err)
		}
		if err != nil {
			continue
		}
		a = first
		for _, b := range all {
			said := State{Endpoints: []Endpoint{a, b}}.valid()
			if _, err := (&Command{Verb: VerbAdd, Endpoint: b}).Plan(c); (err == nil) != (said == nil) {
				t.Errorf("%v, %v: planned %v, said %v", a, b, err, said)
			}
			now, err := c.Add(b)
			if (said == nil) != (err == nil) {
				t.Errorf("%v, %v: we say %v, the kernel %v", a, b, said, err)
			}
			if err == nil {
				if err := c.Delete(now.ID, now.Addr); err != nil {
					t.Fatal(err)
				}
			}
		}
	}
}
