package mptcpctl

import (
	"errors"
	"net"
	"net/netip"
	"os"
	"slices"
	"strconv"
	"strings"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"

	"framescope/capture/netns"
)

// Facts collects what Check needs to know about endpoints, which need not have
// been added yet. Routes are looked up to the peers' addresses or, without any,
// to samples: an address that only a default route leads to or, where there is
// no default route, one in each network of another interface. No packet is sent.
func (c *Conn) Facts(endpoints []Endpoint, peers []netip.Addr) (*Facts, error) {
	f := &Facts{Sysctls: map[string]string{}, Peers: len(peers) > 0}
	if c.ns != nil {
		f.Namespace = c.ns.Name()
	}
	var err error
	if f.Endpoints, err = c.List(); err != nil {
		return nil, err
	}
	if f.Limits, err = c.Limits(); err != nil {
		return nil, err
	}
	all, err := c.Sysctls()
	if err != nil {
		return nil, err
	}
	for _, s := range all {
		f.Sysctls[s.Name] = s.Value
	}
	err = netns.Do(c.ns, func() error {
		h, err := netlink.NewHandle(unix.NETLINK_ROUTE)
		if err != nil {
			return err
		}
		defer h.Close()
		routes, err := f.links(h)
		if err != nil {
			return err
		}
		for _, e := range endpoints {
			f.lookups(h, e, routes, peers)
			f.reverse(h, e.Addr.Unmap())
		}
		return nil
	})
	return f, fail("endpoint check", "", err)
}

// kept takes the error off that comes with data all the same.
func kept(err error) error {
	if errors.Is(err, netlink.ErrDumpInterrupted) {
		return nil
	}
	return err
}

// maxRoutes bounds what is kept of a full routing table; default routes are
// always kept.
const maxRoutes = 4096

// links lists interfaces with their addresses, and returns the main table.
func (f *Facts) links(h *netlink.Handle) ([]netlink.Route, error) {
	links, err := h.LinkList()
	if kept(err) != nil {
		return nil, err
	}
	addrs, err := h.AddrList(nil, netlink.FAMILY_ALL)
	if kept(err) != nil {
		return nil, err
	}
	var routes []netlink.Route
	// All tables, in one dump.
	table := &netlink.Route{Table: unix.RT_TABLE_UNSPEC}
	err = h.RouteListFilteredIter(netlink.FAMILY_ALL, table, netlink.RT_FILTER_TABLE, func(r netlink.Route) bool {
		if r.Table != unix.RT_TABLE_MAIN {
			f.table(links, &r)
			return true
		}
		if len(routes) < maxRoutes || isDefault(r) {
			routes = append(routes, r)
		}
		return true
	})
	if kept(err) != nil {
		return nil, err
	}
	for _, family := range []int{netlink.FAMILY_V4, netlink.FAMILY_V6} {
		rules, err := h.RuleList(family)
		if err != nil {
			continue // a kernel without policy routing has none
		}
		for _, r := range rules {
			t := Table{ID: r.Table, IPv6: family == netlink.FAMILY_V6}
			if r.Src != nil {
				if p := prefix(r.Src); p.IsSingleIP() {
					t.From = p.Addr()
				}
			}
			f.addTable(t)
		}
	}
	everywhere := rpFilter("all")
	for _, link := range links {
		a := link.Attrs()
		l := Link{
			Index: a.Index, Name: a.Name, Up: a.Flags&net.FlagUp != 0, Loopback: a.Flags&net.FlagLoopback != 0,
			Carrier: a.RawFlags&unix.IFF_LOWER_UP != 0, RPFilter: max(everywhere, rpFilter(a.Name)),
		}
		for _, addr := range addrs {
			if addr.LinkIndex == a.Index && addr.IPNet != nil {
				l.Addrs = append(l.Addrs, prefix(addr.IPNet))
			}
		}
		for _, r := range routes {
			if gw, ok := netip.AddrFromSlice(r.Gw); ok && r.LinkIndex == a.Index && isDefault(r) && !l.Gateway.IsValid() {
				l.Gateway = gw.Unmap()
			}
		}
		f.Links = append(f.Links, l)
	}
	return routes, nil
}

// maxTables bounds the tables that are kept.
const maxTables = 1024

func (f *Facts) addTable(t Table) {
	if len(f.Tables) < maxTables && !slices.Contains(f.Tables, t) {
		f.Tables = append(f.Tables, t)
	}
}

// table notes a route of a table other than main.
func (f *Facts) table(links []netlink.Link, r *netlink.Route) {
	t := Table{ID: r.Table, IPv6: r.Family == netlink.FAMILY_V6}
	if isDefault(*r) && r.Type == unix.RTN_UNICAST {
		for _, l := range links {
			if l.Attrs().Index == r.LinkIndex {
				t.Dev = l.Attrs().Name
			}
		}
		if gw, ok := netip.AddrFromSlice(r.Gw); ok {
			t.Gateway = gw.Unmap()
		}
	}
	f.addTable(t)
}

func prefix(n *net.IPNet) netip.Prefix {
	a, _ := netip.AddrFromSlice(n.IP)
	bits, _ := n.Mask.Size()
	return netip.PrefixFrom(a.Unmap(), bits)
}

func isDefault(r netlink.Route) bool {
	if r.Dst == nil {
		return true
	}
	bits, _ := r.Dst.Mask.Size()
	return bits == 0
}

// rpFilter reads the setting of an interface of the thread's namespace.
func rpFilter(dev string) int {
	// A name of an interface has no slash in it, and is not "..".
	b, err := os.ReadFile("/proc/sys/net/ipv4/conf/" + dev + "/rp_filter")
	if err != nil {
		return 0
	}
	n, _ := strconv.Atoi(strings.TrimSpace(string(b)))
	return n
}

// Addresses that only a default route leads to (RFC 5737, RFC 3849).
var (
	far4 = netip.AddrFrom4([4]byte{192, 0, 2, 1})
	far6 = netip.AddrFrom16([16]byte{0x20, 0x01, 0x0d, 0xb8, 15: 1})
)

// maxSamples bounds the lookups for one endpoint.
const maxSamples = 32

func (f *Facts) lookups(h *netlink.Handle, e Endpoint, routes []netlink.Route, peers []netip.Addr) {
	addr := e.Addr.Unmap()
	own := f.link(func(l *Link) bool {
		return slices.ContainsFunc(l.Addrs, func(p netip.Prefix) bool { return p.Addr() == addr })
	})
	// The kernel looks nothing up from an address that is not here.
	if own == nil || own.Loopback || !own.Up {
		return
	}
	to := slices.DeleteFunc(slices.Clone(peers), func(p netip.Addr) bool { return p.Is4() != addr.Is4() })
	if !f.Peers {
		far := far6
		if addr.Is4() {
			far = far4
		}
		if _, err := h.RouteGet(far.AsSlice()); err == nil {
			to = append(to, far)
		} else {
			to = append(to, f.neighbours(routes, own, addr)...)
		}
	}
	for i, peer := range to {
		if i == maxSamples {
			return
		}
		f.Lookups = append(f.Lookups, f.lookup(h, addr, peer, ""))
		if e.Dev != "" {
			f.Lookups = append(f.Lookups, f.lookup(h, addr, peer, e.Dev))
		}
	}
}

// neighbours are addresses in the networks that the main table has over other
// interfaces.
func (f *Facts) neighbours(routes []netlink.Route, own *Link, addr netip.Addr) (list []netip.Addr) {
	for _, r := range routes {
		if r.Dst == nil || r.LinkIndex == own.Index || r.Type != unix.RTN_UNICAST {
			continue
		}
		l := f.link(func(l *Link) bool { return l.Index == r.LinkIndex })
		p := prefix(r.Dst)
		if l == nil || !l.Up || l.Loopback || p.Addr().Is4() != addr.Is4() || p.Addr().IsLinkLocalUnicast() || p.Addr().IsMulticast() {
			continue
		}
		local := func(a netip.Addr) bool {
			return slices.ContainsFunc(f.Links, func(l Link) bool {
				return slices.ContainsFunc(l.Addrs, func(p netip.Prefix) bool { return p.Addr() == a })
			})
		}
		to := p.Masked().Addr()
		if !p.IsSingleIP() {
			to = to.Next()
		}
		for p.Contains(to) && local(to) {
			to = to.Next()
		}
		if p.Contains(to) && !slices.Contains(list, to) {
			list = append(list, to)
		}
	}
	return list
}

// reverse looks up where answers from an address go, to one address in each
// network that another interface is in.
func (f *Facts) reverse(h *netlink.Handle, from netip.Addr) {
	own := f.link(func(l *Link) bool {
		return slices.ContainsFunc(l.Addrs, func(p netip.Prefix) bool { return p.Addr() == from })
	})
	if own == nil || own.Loopback || !own.Up {
		return
	}
	asked := 0
	for i := range f.Links {
		l := &f.Links[i]
		if l == own || l.Loopback || !l.Up {
			continue
		}
		for _, p := range l.Addrs {
			if p.Addr().Is4() != from.Is4() || p.IsSingleIP() || p.Addr().IsLinkLocalUnicast() || asked == maxSamples {
				continue
			}
			to := p.Masked().Addr().Next()
			if to == p.Addr() {
				to = to.Next()
			}
			if p.Contains(to) {
				asked++
				f.Reverse = append(f.Reverse, f.lookup(h, from, to, ""))
			}
		}
	}
}

func (f *Facts) lookup(h *netlink.Handle, from, to netip.Addr, bound string) Lookup {
	l := Lookup{From: from, To: to, Bound: bound}
	o := &netlink.RouteGetOptions{SrcAddr: from.AsSlice()}
	if bound != "" {
		dev := f.link(func(l *Link) bool { return l.Name == bound })
		if dev == nil {
			l.Err = "there is no interface " + bound
			return l
		}
		o.OifIndex = dev.Index
	}
	routes, err := h.RouteGetWithOptions(to.AsSlice(), o)
	if err == nil && len(routes) == 0 {
		err = errors.New("no answer")
	}
	if err != nil {
		l.Err = err.Error()
		return l
	}
	if dev := f.link(func(l *Link) bool { return l.Index == routes[0].LinkIndex }); dev != nil {
		l.Dev = dev.Name
	}
	if gw, ok := netip.AddrFromSlice(routes[0].Gw); ok {
		l.Gateway = gw.Unmap()
	}
	return l
}
