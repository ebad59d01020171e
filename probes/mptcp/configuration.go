package mptcp

import (
	"slices"

	"framescope/mptcpctl"
)

// restart is what else to do after MPTCP was switched on.
const restart = "restart programs that listen: their sockets stay TCP"

// configuration looks at endpoints and what they need.
func (d *diagnosis) configuration() {
	f := d.o.Facts
	if f.Sysctls["enabled"] == "0" {
		d.add(Finding{
			ID: IDDisabled, Detail: "no socket of this namespace can use MPTCP: socket() fails with ENOPROTOOPT, and listeners made before take TCP only",
			Evidence: []string{"net.mptcp.enabled = 0"}, Fix: []string{d.command("sysctl -w net.mptcp.enabled=1"), restart},
		})
	}
	d.userspace()
	for _, e := range f.Endpoints {
		if e.Flags&mptcpctl.Implicit != 0 {
			continue
		}
		for _, w := range mptcpctl.Check(e, f) {
			switch w.ID {
			case IDDisabled, IDUserspacePM:
				continue // of the namespace, not of the endpoint
			case IDLimitLocal, IDLimitAddr:
				// Whether they are too few is seen on connections, where there are any.
				if len(d.o.Now.Connections) > 0 {
					continue
				}
			case IDRPFilter, IDNoSourceRoute:
				if !d.goesOut(e) {
					continue
				}
			}
			d.warned[e.Addr] = append(d.warned[e.Addr], w.ID)
			d.add(Finding{ID: w.ID, about: e.Addr, Detail: w.Text, Evidence: append([]string{"endpoint " + e.String()}, w.Evidence...), Fix: w.Fix})
		}
	}
	if n := d.o.total("TcpExtIPReversePathFilter"); n > 0 && d.inUse() {
		var strict []string
		for _, l := range f.Links {
			if l.RPFilter == 1 && !l.Loopback {
				strict = append(strict, "net.ipv4.conf."+l.Name+".rp_filter = 1 (or of all)")
			}
		}
		if len(strict) > 0 {
			d.counts(Finding{
				ID: IDRPFilter, Detail: "packets were dropped since the way back to their source is another interface",
				Evidence:  append(d.counted("TcpExtIPReversePathFilter"), strict...),
				Fix:       []string{"ip rule add from ADDRESS lookup TABLE   # on the sender, so that each address leaves by its own link", d.command("sysctl -w net.ipv4.conf.all.rp_filter=2") + "   # and of the interface: the greater one counts"},
				Elsewhere: "which packets they were: " + d.capture("tcp[tcpflags] & tcp-syn != 0") + " shows them, since it looks before they are dropped",
			}, "TcpExtIPReversePathFilter")
		}
	}
	if f.Sysctls["allow_join_initial_addr_port"] == "0" && !slices.ContainsFunc(f.Endpoints, func(e mptcpctl.Endpoint) bool { return e.Flags&mptcpctl.Signal != 0 }) {
		d.add(Finding{
			ID: IDDenyJoin, Detail: "this host tells its peers not to join at the address that they connected to, and signals them no other one",
			Evidence: []string{"net.mptcp.allow_join_initial_addr_port = 0", "no endpoint has the flag signal"},
			Fix:      []string{d.command("ip mptcp endpoint add ADDRESS signal") + "   # an address that leads to this very server", d.command("sysctl -w net.mptcp.allow_join_initial_addr_port=1") + "   # or so, without a balancer in front"},
		})
	}
}

// goesOut reports whether it matters where packets to arbitrary peers from the
// endpoint's address go. To an address that is signalled peers come, and those
// that came say themselves where they are.
func (d *diagnosis) goesOut(e mptcpctl.Endpoint) bool {
	f := d.o.Facts
	if e.Flags&(mptcpctl.Subflow|mptcpctl.Fullmesh) != 0 {
		return f.Peers || len(d.o.Now.Connections) == 0
	}
	// From far away they come by a default route.
	return !f.Peers && slices.ContainsFunc(f.Links, func(l mptcpctl.Link) bool { return l.Gateway.IsValid() })
}

// userspace looks whether endpoints are without effect.
func (d *diagnosis) userspace() {
	f := d.o.Facts
	seen := ""
	switch {
	case f.Sysctls["path_manager"] == "userspace":
		seen = "net.mptcp.path_manager = userspace"
	case f.Sysctls["path_manager"] == "" && f.Sysctls["pm_type"] == "1":
		seen = "net.mptcp.pm_type = 1"
	default:
		return
	}
	evidence := []string{seen}
	for _, e := range f.Endpoints {
		evidence = append(evidence, "endpoint "+e.String()+": not used")
	}
	for i := range d.o.Now.Connections {
		c := &d.o.Now.Connections[i]
		if c.Fallback == mptcpctl.NoFallback && c.Info.Len > 0 && c.Info.SubflowsMax == 0 && c.Info.LocalAddrMax == 0 {
			if len(c.Subflows) > 1 {
				return // somebody does manage paths
			}
			if len(evidence) < maxEvidence {
				evidence = append(evidence, name(c)+": one subflow, all limits 0")
			}
		}
	}
	if len(evidence) == 1 {
		return
	}
	d.daemon = true
	d.add(Finding{
		ID: IDUserspacePM, Detail: "new connections wait for a daemon to open subflows", Evidence: evidence,
		Fix:       []string{d.command("sysctl -w net.mptcp.path_manager=kernel"), "systemctl start mptcp   # or so: starts the daemon", mptcpctl.Reconnect},
		Elsewhere: "whether a daemon runs and what it is told: mptcpd is not asked",
	})
}
