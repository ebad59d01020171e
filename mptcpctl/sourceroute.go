package mptcpctl

import (
	"fmt"
	"net/netip"
	"slices"
)

// A Table is a routing table that leads everywhere over a link, or a rule that
// leads to a table.
type Table struct {
	// ID is the number of the table.
	ID int
	// IPv6: its routes are those of IPv6, else of IPv4.
	IPv6 bool
	// Dev is the interface of its default route, empty if it has none.
	Dev string
	// Gateway is the next hop of the default route; invalid if there is none.
	Gateway netip.Addr
	// From is the source address of a rule that looks the table up, if it is not
	// the default route that is told of.
	From netip.Addr
}

// Tables with a meaning of their own (RT_TABLE_*).
const (
	firstFreeTable = 100
	tableDefault   = 253
	tableMain      = 254
	tableLocal     = 255
)

// SourceRoute returns the commands that have packets from an address leave by a
// link: a rule and, if no table leads over the link yet, a default route for it.
// Words in capitals are to be filled in.
func (f *Facts) SourceRoute(addr netip.Addr, l *Link) []string {
	addr = addr.Unmap()
	six := addr.Is6()
	ip, via := "ip", "GATEWAY"
	if six {
		ip = "ip -6"
	}
	if l.Gateway.IsValid() && l.Gateway.Is6() == six {
		via = l.Gateway.String()
	}
	ruled, ready := 0, 0
	for _, t := range f.Tables {
		switch {
		case t.IPv6 != six || t.ID >= tableDefault && t.ID <= tableLocal:
		case t.From == addr && ruled == 0:
			ruled = t.ID
		case t.Dev == l.Name && !t.From.IsValid():
			if ready == 0 {
				ready = t.ID
			}
			if via == "GATEWAY" && t.Gateway.IsValid() {
				via = t.Gateway.String()
			}
		}
	}
	rule := func(table int) string { return f.command("%s rule add from %v lookup %d", ip, addr, table) }
	route := func(verb string, table int) string {
		return f.command("%s route %s default via %s dev %s table %d", ip, verb, via, l.Name, table)
	}
	switch {
	case ruled != 0 && ruled != ready:
		return []string{route("replace", ruled)}
	case ready != 0:
		return []string{rule(ready)}
	}
	table := f.freeTable(l)
	return []string{rule(table), route("add", table)}
}

// freeTable is a table for a link that nothing uses; each link has one of its
// own, so that commands for several can be typed one after the other.
func (f *Facts) freeTable(of *Link) int {
	taken := func(n int) bool {
		return n >= tableDefault && n <= tableLocal || slices.ContainsFunc(f.Tables, func(t Table) bool { return t.ID == n })
	}
	n := firstFreeTable - 1
	for i := range f.Links {
		if f.Links[i].Loopback {
			continue
		}
		for n++; taken(n); n++ {
		}
		if f.Links[i].Name == of.Name {
			break
		}
	}
	return n
}

// Reconnect is what to do after a limit, a link or a path manager was mended: the
// kernel looks at endpoints when a connection is established or an endpoint is
// added.
const Reconnect = "open connections stay as they are: reconnect, or delete and add the endpoint"

// deletion is the command that deletes an endpoint; none for one that has not
// been added.
func (f *Facts) deletion(e Endpoint, why string) []string {
	if e.ID == 0 {
		return nil
	}
	return []string{f.command("ip mptcp endpoint delete id %d", e.ID) + fmt.Sprintf("   # %s", why)}
}
