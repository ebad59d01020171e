package mptcpctl

import (
	"net/netip"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/vishvananda/netlink"

	"framescope/capture/netns/netnstest"
)

// What is wrong in a namespace is found there, and nothing in a right one.
func TestCheck(t *testing.T) {
	link2 := Endpoint{Addr: addr("10.77.2.1"), Flags: Subflow}
	six := Endpoint{Addr: addr("fd77:2::1"), Flags: Subflow | Fullmesh}
	bound := link2
	bound.Dev = "c2"
	server := []netip.Addr{addr("10.77.1.2"), addr("fd77:1::2")}
	one := uint32(1)
	zero := uint32(0)

	setDown := func(dev string) func(*testing.T, *pair) {
		return func(t *testing.T, p *pair) {
			ns := p.clientNS
			if dev[0] == 's' {
				ns = p.serverNS
			}
			netnstest.Do(t, ns, func() error {
				l, err := netlink.LinkByName(dev)
				if err != nil {
					return err
				}
				return netlink.LinkSetDown(l)
			})
		}
	}
	noRules := func(t *testing.T, p *pair) {
		netnstest.Do(t, p.clientNS, func() error {
			rules, err := netlink.RuleList(netlink.FAMILY_ALL)
			if err != nil {
				return err
			}
			for _, r := range rules {
				if r.Table == 101 || r.Table == 102 {
					if err := netlink.RuleDel(&r); err != nil {
						return err
					}
				}
			}
			return nil
		})
	}
	defaultRoute := func(t *testing.T, p *pair) {
		noRules(t, p)
		netnstest.Run(t, p.clientNS, "ip", "route", "add", "default", "via", "10.77.1.2")
		netnstest.Run(t, p.clientNS, "ip", "-6", "route", "add", "default", "via", "fd77:1::2")
	}
	strict := func(t *testing.T, p *pair) {
		netnstest.Do(t, p.clientNS, func() error {
			return os.WriteFile("/proc/sys/net/ipv4/conf/c2/rp_filter", []byte("1"), 0)
		})
	}
	for _, tt := range []struct {
		name     string
		set      func(*testing.T, *pair)
		e        Endpoint
		peers    []netip.Addr
		want     []string
		evidence string // in the first warning
		fix      string
	}{
		{name: "right", e: link2},
		{name: "right, bound", e: bound},
		{name: "right, IPv6", e: six},
		{name: "right, peers", e: link2, peers: server},
		{name: "right, bound, peers", e: bound, peers: server},
		{name: "right, strict", set: strict, e: bound, peers: server},
		{name: "right, first link", e: Endpoint{Addr: addr("10.77.1.1"), Flags: Signal}, peers: server},
		{name: "right, loopback", e: Endpoint{Addr: addr("127.0.0.1"), Flags: Signal}},
		{name: "absent", e: Endpoint{Addr: addr("10.77.9.1"), Flags: Subflow, Dev: "c2"}, want: []string{WarnAbsent},
			evidence: "c2 has 10.77.2.1/24", fix: "ip address add 10.77.9.1/PREFIX dev c2"},
		{name: "down", set: setDown("c2"), e: link2, want: []string{WarnLinkDown}, evidence: "ip link show c2: DOWN", fix: "ip link set c2 up"},
		{name: "no carrier", set: setDown("s2"), e: link2, want: []string{WarnLinkDown}, evidence: "ip link show c2: NO-CARRIER"},
		{name: "other dev", e: Endpoint{ID: 4, Addr: addr("10.77.2.1"), Flags: Subflow, Dev: "c1"}, want: []string{WarnWrongDev},
			evidence: "c2 has 10.77.2.1", fix: "ip mptcp endpoint add 10.77.2.1 id 4 subflow dev c2"},
		{name: "no rule", set: noRules, e: link2, peers: server, want: []string{WarnNoSourceRoute},
			evidence: "ip route get 10.77.1.2 from 10.77.2.1: dev c1", fix: "ip rule add from 10.77.2.1 lookup 1"},
		{name: "no rule, no peers", set: noRules, e: link2, want: []string{WarnNoSourceRoute},
			evidence: "ip route get 10.77.1.2 from 10.77.2.1: dev c1"},
		{name: "no rule, bound", set: noRules, e: bound, want: []string{WarnNoSourceRoute},
			evidence: "ip route get 10.77.1.2 from 10.77.2.1 oif c2: dev c2", fix: "ip rule add from 10.77.2.1 lookup 102"},
		{name: "default route", set: defaultRoute, e: link2, want: []string{WarnNoSourceRoute},
			evidence: "ip route get 192.0.2.1 from 10.77.2.1: via 10.77.1.2 dev c1"},
		{name: "default route, its link", set: defaultRoute, e: Endpoint{Addr: addr("10.77.1.1"), Flags: Subflow}},
		{name: "default route, IPv6", set: defaultRoute, e: six, want: []string{WarnNoSourceRoute},
			evidence: "ip route get 2001:db8::1 from fd77:2::1: via fd77:1::2 dev c1", fix: "ip -6 rule add from fd77:2::1 lookup"},
		{name: "strict", set: func(t *testing.T, p *pair) { noRules(t, p); strict(t, p) }, e: link2, peers: server,
			want: []string{WarnNoSourceRoute, WarnRPFilter}},
		{name: "no subflows", set: func(t *testing.T, p *pair) {
			if err := p.client.SetLimits(LimitsChange{Subflows: &zero}); err != nil {
				t.Fatal(err)
			}
		}, e: link2, want: []string{WarnLimitLocal}, evidence: "limits add_addr_accepted 0 subflows 0", fix: "ip mptcp limits set subflows 2"},
		{name: "few subflows", set: func(t *testing.T, p *pair) {
			for _, a := range []string{"10.77.1.1", "10.77.3.1"} {
				if _, err := p.client.Add(Endpoint{Addr: addr(a), Flags: Subflow}); err != nil {
					t.Fatal(err)
				}
			}
			if err := p.client.SetLimits(LimitsChange{Subflows: &one}); err != nil {
				t.Fatal(err)
			}
		}, e: link2, want: []string{WarnLimitLocal}, evidence: "limits add_addr_accepted 0 subflows 1", fix: "ip mptcp limits set subflows 3"},
		{name: "laminar", e: Endpoint{Addr: addr("10.77.2.1"), Flags: Laminar}, want: []string{WarnLimitAddr}, fix: "ip mptcp limits set add_addr_accepted 2"},
		{name: "no flags", e: Endpoint{Addr: addr("10.77.2.1")}, want: []string{WarnUnused}},
		{name: "eight", set: func(t *testing.T, p *pair) {
			for i := range 8 {
				if _, err := p.client.Add(Endpoint{Addr: netip.AddrFrom4([4]byte{10, 0, 0, byte(i + 1)}), Flags: Signal}); err != nil {
					t.Fatal(err)
				}
			}
		}, e: link2, want: []string{WarnEndpointLimit}},
		{name: "disabled", set: func(t *testing.T, p *pair) {
			if err := p.client.SetSysctl("enabled", "0"); err != nil {
				t.Fatal(err)
			}
		}, e: link2, want: []string{WarnDisabled}, fix: "sysctl -w net.mptcp.enabled=1"},
		{name: "userspace", set: func(t *testing.T, p *pair) {
			if err := p.client.SetSysctl("path_manager", "userspace"); err != nil {
				t.Fatal(err)
			}
		}, e: link2, want: []string{WarnUserspacePM}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			p := newPair(t)
			if tt.set != nil {
				tt.set(t, p)
			}
			all, err := p.client.Check(tt.e, tt.peers...)
			if err != nil {
				t.Fatal(err)
			}
			var ids []string
			for _, w := range all {
				ids = append(ids, w.ID)
				if w.Text == "" || len(w.Fix) == 0 {
					t.Errorf("%+v", w)
				}
			}
			if !slices.Equal(ids, tt.want) {
				t.Fatalf("%+v, want %v", all, tt.want)
			}
			if len(all) == 0 {
				return
			}
			if e := strings.Join(all[0].Evidence, "\n"); !strings.Contains(e, tt.evidence) {
				t.Errorf("evidence %s, want %s", e, tt.evidence)
			}
			if f := strings.Join(all[0].Fix, "\n"); !strings.Contains(f, tt.fix) {
				t.Errorf("fix %s, want %s", f, tt.fix)
			}
		})
	}
}

// The commands that are given mend what they are given for.
func TestFix(t *testing.T) {
	p := newPair(t)
	netnstest.Run(t, p.clientNS, "ip", "rule", "del", "from", "10.77.2.1")
	netnstest.Run(t, p.clientNS, "ip", "route", "add", "default", "via", "10.77.1.2", "metric", "1")
	netnstest.Run(t, p.clientNS, "ip", "route", "add", "default", "via", "10.77.2.2", "metric", "2")
	netnstest.Run(t, p.clientNS, "ip", "route", "flush", "table", "102")
	for _, flags := range []Flags{Subflow, Signal} {
		e := Endpoint{Addr: addr("10.77.2.1"), Flags: flags}
		all, err := p.client.Check(e)
		if err != nil || len(all) != 1 || all[0].ID != WarnNoSourceRoute {
			t.Fatalf("%+v, %v", all, err)
		}
		if flags == Subflow {
			continue
		}
		for _, cmd := range all[0].Fix {
			words := strings.Fields(cmd)
			netnstest.Run(t, p.clientNS, words[0], words[1:]...)
		}
		if all, err := p.client.Check(e); err != nil || len(all) != 0 {
			t.Errorf("afterwards: %+v, %v", all, err)
		}
	}
}
