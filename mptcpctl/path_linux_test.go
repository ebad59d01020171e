package mptcpctl

import (
	"net"
	"net/netip"
	"testing"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"

	"framescope/capture/netns/netnstest"
	"framescope/probes/nlmsg"
)

// answer is a route as the kernel tells it.
func answer(typ uint16, seq uint32, attrs []byte) []byte {
	b := append(nlmsg.AppendHeader(nil, typ, 0, seq), make([]byte, rtMsgLen)...)
	b = append(b, attrs...)
	nlmsg.End(b, 0)
	return b
}

func TestRouteMessages(t *testing.T) {
	gw := netip.MustParseAddr("10.0.0.254")
	attrs := nlmsg.AppendUint32(nil, unix.RTA_OIF, 3)
	attrs = nlmsg.AppendAttr(attrs, unix.RTA_GATEWAY, gw.AsSlice()...)
	b := append(answer(unix.RTM_NEWROUTE, 7, attrs), answer(unix.RTM_NEWROUTE, 8, nlmsg.AppendAttr(nil, unix.RTA_VIA, append([]byte{10, 0}, netip.MustParseAddr("fd00::1").AsSlice()...)...))...)
	n := 0
	err := routeMessages(b, func(seq, oif uint32, got netip.Addr, errno unix.Errno) {
		n++
		if seq == 7 && (oif != 3 || got != gw || errno != 0) || seq == 8 && got != netip.MustParseAddr("fd00::1") {
			t.Errorf("%d: %d %v %v", seq, oif, got, errno)
		}
	})
	if err != nil || n != 2 {
		t.Errorf("%d, %v", n, err)
	}
	if err := routeMessages(b[:len(b)-1], func(uint32, uint32, netip.Addr, unix.Errno) {}); err == nil {
		t.Error("a message that is cut is no error")
	}
}

// Whatever comes, it ends, and no answer is made up of bytes that are not there.
func FuzzRouteMessages(f *testing.F) {
	f.Add(answer(unix.RTM_NEWROUTE, 1, nlmsg.AppendUint32(nil, unix.RTA_OIF, 3)))
	f.Add(answer(unix.NLMSG_ERROR, 1, nil))
	f.Fuzz(func(t *testing.T, b []byte) {
		n := 0
		_ = routeMessages(b, func(uint32, uint32, netip.Addr, unix.Errno) { n++ })
		if n > len(b)/nlmsg.HeaderLen {
			t.Errorf("%d answers in %d bytes", n, len(b))
		}
	})
}

// A rule that goes by the port puts the first subflow on the second link, where
// the join is already.
func TestPathByPort(t *testing.T) {
	p := newPair(t)
	p.join(t, Subflow)
	at := serve(t, p.serverNS, "0.0.0.0:0")
	dial(t, p.clientNS, netip.AddrPortFrom(addr("10.77.1.2"), at.Port()))
	if n := joined(t, p.client, 2).Connections[0].Links(); n != 2 {
		t.Fatalf("%d links", n)
	}
	netnstest.Do(t, p.clientNS, func() error {
		link, err := netlink.LinkByName("c2")
		if err != nil {
			return err
		}
		_, all, _ := net.ParseCIDR("0.0.0.0/0")
		if err := netlink.RouteAdd(&netlink.Route{LinkIndex: link.Attrs().Index, Dst: all, Gw: net.ParseIP("10.77.2.2"), Table: 55}); err != nil {
			return err
		}
		r := netlink.NewRule()
		r.Table, r.Priority, r.Dport = 55, 10, netlink.NewRulePortRange(at.Port(), at.Port())
		return netlink.RuleAdd(r)
	})
	c := &snapshot(t, p.client, Query{}).Connections[0]
	if c.Subflows[0].Path.Dev != "c2" || c.Links() != 1 || c.Verdict() != "one-cable" {
		t.Errorf("%s, %d links, first %+v", c.Verdict(), c.Links(), c.Subflows[0].Path)
	}
}

// What a question holds follows what the rules go by.
func TestRouteKeys(t *testing.T) {
	ns := netnstest.New(t)
	rule := func(change func(*netlink.Rule)) routeKeys {
		t.Helper()
		var k routeKeys
		netnstest.Do(t, ns, func() (err error) {
			r := netlink.NewRule()
			r.Table, r.Priority, r.Family = 55, 10, unix.AF_INET
			if change(r); r.Mark == 1 {
				k, err = keys()
				return err
			}
			if err = netlink.RuleAdd(r); err == nil {
				if k, err = keys(); err == nil {
					err = netlink.RuleDel(r)
				}
			}
			return err
		})
		return k
	}
	for _, tt := range []struct {
		name   string
		change func(*netlink.Rule)
		want   routeKeys
	}{
		{"none", func(r *netlink.Rule) { r.Mark = 1 }, routeKeys{}},
		{"destination port", func(r *netlink.Rule) { r.Dport = netlink.NewRulePortRange(80, 80) }, routeKeys{ports: true}},
		{"source port", func(r *netlink.Rule) { r.Sport, r.Family = netlink.NewRulePortRange(80, 90), unix.AF_INET6 }, routeKeys{ports: true}},
		{"user", func(r *netlink.Rule) { r.UIDRange = netlink.NewRuleUIDRange(0, 0) }, routeKeys{users: true}},
	} {
		if got := rule(tt.change); got != tt.want {
			t.Errorf("%s: %+v, expected %+v", tt.name, got, tt.want)
		}
	}
	s := SubflowInfo{Local: netip.MustParseAddrPort("10.0.0.1:9"), Remote: netip.MustParseAddrPort("10.0.0.2:80")}
	c := Connection{UID: 1000}
	if q := (routeKeys{}).question(&c, &s); q.sport != 0 || q.dport != 0 || q.byUID {
		t.Errorf("%+v", q)
	}
	if q := (routeKeys{true, true}).question(&c, &s); q.sport != 9 || q.dport != 80 || q.uid != 1000 || !q.byUID {
		t.Errorf("%+v", q)
	}
}

// Two veths that end in one bridge share the cable below it.
func TestDeviceBridge(t *testing.T) {
	ns := netnstest.New(t)
	netnstest.Do(t, ns, func() error {
		h, err := netlink.NewHandle(unix.NETLINK_ROUTE)
		if err != nil {
			return err
		}
		defer h.Close()
		named := func(name string) netlink.LinkAttrs { return netlink.LinkAttrs{Name: name} }
		index := func(name string) int {
			l, err := netlink.LinkByName(name)
			if err != nil {
				t.Error(err)
				return 0
			}
			return l.Attrs().Index
		}
		master := func(name, of string) {
			l, err := netlink.LinkByName(name)
			if err == nil {
				err = netlink.LinkSetMasterByIndex(l, index(of))
			}
			if err != nil {
				t.Error(err)
			}
		}
		for _, l := range []netlink.Link{
			&netlink.Bridge{LinkAttrs: named("br0")},
			&netlink.Veth{LinkAttrs: named("p1"), PeerName: "q1"}, &netlink.Veth{LinkAttrs: named("p2"), PeerName: "q2"},
			&netlink.Veth{LinkAttrs: named("c1"), PeerName: "x1"},
		} {
			if err := netlink.LinkAdd(l); err != nil {
				return err
			}
		}
		if p := device(h, index("p1")); p.Dev != "p1" || p.Lower != "" {
			t.Errorf("alone: %+v", p)
		}
		for _, port := range []string{"q1", "c1"} {
			master(port, "br0")
		}
		if p := device(h, index("p1")); p.Cable() != "c1" {
			t.Errorf("one port: %+v", p)
		}
		master("q2", "br0")
		one, two := device(h, index("p1")), device(h, index("p2"))
		if one.Cable() != two.Cable() {
			t.Errorf("two veths: %+v, %+v", one, two)
		}
		return nil
	})
}
