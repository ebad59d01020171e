package mptcp

import (
	"fmt"
	"slices"

	"framescope/decode/finding"
	"framescope/mptcpctl"
)

// fallen names up to maxConns connections that fell back and match.
func (d *diagnosis) fallen(match func(*conn) bool) (all []string) {
	for i := range d.o.Now.Connections {
		c := &d.o.Now.Connections[i]
		if c.Fallback != mptcpctl.NoFallback && match(c) && len(all) < maxConns {
			all = append(all, name(c))
		}
	}
	return all
}

// fallbacks looks at connections that are or were plain TCP.
func (d *diagnosis) fallbacks() {
	o := d.o
	if n := o.total("MPCapableFallbackSYNACK"); n > 0 {
		live := d.fallen(func(c *conn) bool { return c.Fallback == handshake && !c.Accepted })
		severity := finding.Warning
		f := Finding{
			ID:     IDFallbackSYNACK,
			Detail: fmt.Sprintf("answered without MPTCP: %d of %s that this host opened with it", n, plural(o.total("MPCapableSYNTX"), "connection")),
			Evidence: append(append(d.counted("MPCapableSYNTX", "MPCapableSYNACKRX", "MPCapableFallbackSYNACK"),
				live...), d.owners(live)...),
			Fix: []string{
				"at the server: listen with IPPROTO_MPTCP, or so:",
				"mptcpize run SERVER   # at the server",
				"sysctl -w net.mptcp.enabled=1   # at the server, in its own namespace; then restart it: its sockets stay TCP",
				"a middlebox: let TCP option 30 pass, or go round it (another port, a tunnel)",
			},
			Elsewhere: "which of the three it is: framescope mptcp doctor at the server (MPTcpExtMPCapableSYNRX stays 0 if the SYN came without), or capture at both ends: " + d.capture("tcp[tcpflags] & tcp-syn != 0"),
		}
		// It is over, and servers without MPTCP are what everybody has met.
		if len(live) == 0 && o.recent("MPCapableFallbackSYNACK") == 0 {
			severity = finding.Note
		}
		d.addAs(severity, f)
	}
	if n := o.total("MPCapableSYNTXDrop"); n > 0 {
		live := d.fallen(func(c *conn) bool { return c.Fallback == never || c.Fallback == handshake })
		d.counts(Finding{
			ID: IDSYNDropped, Detail: fmt.Sprintf("%s came about only after the option was left out, some 3 s late", plural(n, "connection")),
			Evidence:  append(d.counted("MPCapableSYNTX", "MPCapableSYNTXDrop", "TcpExtTCPSynRetrans"), live...),
			Fix:       []string{"let the firewall on the way pass TCP option 30"},
			Elsewhere: "which hop drops them: capture at both ends: " + d.capture("tcp[tcpflags] & tcp-syn != 0"),
		}, "MPCapableSYNTXDrop")
	}
	if n := o.total("MPCapableDataFallback"); n > 0 {
		d.counts(Finding{
			ID: IDFallbackData, Detail: "the first data came without a mapping",
			Evidence:  append(d.counted("MPCapableSYNACKRX", "MPCapableACKRX", "MPCapableDataFallback"), d.fallen(func(*conn) bool { return true })...),
			Fix:       []string{"let the middlebox pass TCP option 30 in all packets, not in SYNs only"},
			Elsewhere: "which hop it is: capture at both ends: " + d.capture("tcp port PORT"),
		}, "MPCapableDataFallback")
	}
	if n := o.total("MPCapableFallbackACK"); n > 0 {
		d.counts(Finding{
			ID: IDFallbackData, Detail: fmt.Sprintf("accepted as TCP although the SYN had the option: %s", plural(n, "connection")),
			Evidence:  append(d.counted("MPCapableSYNRX", "MPCapableACKRX", "MPCapableFallbackACK"), d.sample(&o.Now.Accepted)...),
			Fix:       []string{"let the middlebox pass TCP option 30 in both directions, and in all packets"},
			Elsewhere: "whether the SYN/ACK lost the option or what came after it: capture at the client: " + d.capture("tcp port PORT"),
		}, "MPCapableFallbackACK")
	}
	if o.total("DssFallback")+o.total("InfiniteMapTx")+o.total("InfiniteMapRx") > 0 {
		d.counts(Finding{
			ID: IDFallbackInfinite, Detail: "connections went on without mappings",
			Evidence: append(d.counted("DssFallback", "InfiniteMapTx", "InfiniteMapRx"), d.fallen(func(c *conn) bool { return c.Fallback == mptcpctl.FallbackLater })...),
			Fix:      []string{"find the middlebox that changes data or options: capture at both ends: " + d.capture("tcp port PORT")},
		}, "DssFallback", "InfiniteMapTx", "InfiniteMapRx")
	}
	if o.total("MD5SigFallback")+o.total("SimultConnectFallback")+o.total("MPFallbackTokenInit") > 0 {
		d.add(Finding{
			ID: IDFallbackLocal, Detail: "connections of this host are plain TCP for a reason of its own",
			Evidence: d.counted("MD5SigFallback", "SimultConnectFallback", "MPFallbackTokenInit"),
		})
	}
}

// owners names who holds connections that fell back.
func (d *diagnosis) owners(names []string) (all []string) {
	for i := range d.o.Now.Connections {
		c := &d.o.Now.Connections[i]
		if c.Owner.PID == 0 || !slices.Contains(names, name(c)) {
			continue
		}
		if text := fmt.Sprintf("held by %s (%d)", c.Owner.Command, c.Owner.PID); !slices.Contains(all, text) {
			all = append(all, text)
		}
	}
	return all
}

func (d *diagnosis) sample(g *mptcpctl.Group) (all []string) {
	for i, p := range g.Sample {
		if i == maxConns {
			all = append(all, fmt.Sprintf("and %d more", g.Count-i))
			break
		}
		all = append(all, fmt.Sprintf("%v < %v: TCP without MPTCP", p.Local, p.Remote))
	}
	return all
}

// plain looks at TCP connections that could have been MPTCP.
func (d *diagnosis) plain() {
	o := d.o
	if g := &o.Now.Accepted; g.Count > 0 && !d.has(IDFallbackData) {
		f := Finding{
			ID: IDAppPlainTCP, Detail: fmt.Sprintf("plain TCP came to ports that listen for MPTCP: %s", plural(int64(g.Count), "connection")),
			Evidence:  append(d.sample(g), d.counted("MPCapableSYNRX")...),
			Fix:       []string{"at the client: open the socket with IPPROTO_MPTCP (in Go: Dialer.SetMultipathTCP), or so:", "mptcpize run CLIENT   # at the client"},
			Elsewhere: "whether the client did not ask for MPTCP or a middlebox took the option out: framescope mptcp doctor at the client (MPTcpExtMPCapableSYNTX), or capture there: " + d.capture("tcp[tcpflags] & tcp-syn != 0"),
		}
		if o.Facts.Sysctls["enabled"] == "0" {
			f.Elsewhere = ""
			f.Fix = []string{d.command("sysctl -w net.mptcp.enabled=1"), restart}
		}
		d.add(f)
	}
	if g := &o.Now.Plain; g.Count > 0 && len(o.Now.Connections) == 0 {
		var list []string
		for i, p := range g.Sample {
			if i < maxConns {
				list = append(list, fmt.Sprintf("%v > %v: TCP without MPTCP", p.Local, p.Remote))
			}
		}
		d.addAs(finding.Warning, Finding{
			ID: IDAppPlainTCP, Detail: fmt.Sprintf("%s with %s, all plain TCP: the application did not ask for MPTCP, or accepted a client that did not", plural(int64(g.Count), "connection"), o.Selector.String()),
			Evidence: list,
			Fix:      []string{"open the socket with IPPROTO_MPTCP (in Go: Dialer.SetMultipathTCP), or so:", "mptcpize run PROGRAM"},
		})
	}
}
