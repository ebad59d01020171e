package mptcp

import (
	"fmt"
	"slices"
	"strings"

	"framescope/decode/finding"
	"framescope/mptcpctl"
	"framescope/probes/sockdiag"
)

// connection looks at one connection that is MPTCP.
func (d *diagnosis) connection(c *conn) {
	if c.State != sockdiag.Established || c.Remote.Addr().IsLoopback() {
		return
	}
	pending := d.pending(c)
	d.established(c)
	d.missing(c, pending)
	d.signalled(c, pending)
	d.announced(c)
}

// settled reports whether the connection was there at the first look already:
// what is missing is then not just on its way.
func (d *diagnosis) settled(c *conn) bool {
	return d.o.Before == nil || d.o.Before.Find(c.Cookie) != nil
}

// missing looks for endpoints that the connection has no subflow from.
func (d *diagnosis) missing(c *conn, pending int) {
	o, info := d.o, &c.Info
	if info.Len == 0 || !d.settled(c) || d.daemon {
		return
	}
	var unused []mptcpctl.Endpoint
	for _, e := range o.Facts.Endpoints {
		if e.Flags&(mptcpctl.Subflow|mptcpctl.Fullmesh) == 0 || e.Flags&mptcpctl.Implicit != 0 ||
			e.Addr == c.Local.Addr() || e.Addr.Is4() != c.Local.Addr().Is4() || e.Addr.IsLoopback() {
			continue
		}
		if !slices.ContainsFunc(c.Subflows, func(s subflow) bool { return s.Local.Addr() == e.Addr }) {
			unused = append(unused, e)
		}
	}
	if len(unused) == 0 {
		return
	}
	seen := []string{"connection " + name(c), fmt.Sprintf("further subflows: %d of %d; endpoints used up: %d of %d", info.Subflows, info.SubflowsMax, info.LocalAddrUsed, info.LocalAddrMax)}
	for _, e := range unused {
		seen = append(seen, "no subflow from endpoint "+e.String())
	}
	if info.SubflowsMax == 0 && info.LocalAddrMax == 0 && o.Facts.Limits.Subflows > 0 {
		if len(c.Subflows) > 1 {
			return // somebody does manage its paths
		}
		d.addAs(finding.Warning, Finding{
			ID: IDUserspacePM, Token: c.Token, Detail: "the connection was made while another path manager was set, and endpoints are not looked at for it",
			Evidence: append(seen, "limits "+o.Facts.Limits.String()+", and the connection has 0 of both", "net.mptcp.path_manager = "+o.Facts.Sysctls["path_manager"]),
			Fix:      []string{"reconnect: a path manager is for new connections"},
		})
		return
	}
	if info.Subflows >= info.SubflowsMax {
		f := Finding{
			ID: IDLimitLocal, Token: c.Token, Detail: fmt.Sprintf("the limit of %s leaves no room for %v", plural(int64(info.SubflowsMax), "further subflow"), addrs(unused)),
			Evidence: append(seen, "limits "+o.Facts.Limits.String()),
			Fix:      d.moreSubflows(int(info.Subflows) + len(unused)),
		}
		if pending > 0 {
			f.ID = IDLimitExhausted
			f.Detail = fmt.Sprintf("%s that nobody answers: there is no place left for %v", plural(int64(pending), "attempt"), addrs(unused))
			f.Fix = append(f.Fix, "ip mptcp endpoint delete id ID   # or so: the endpoint that nobody answers")
		}
		d.add(f)
		return
	}
	for _, e := range unused {
		d.failed(c, e, seen)
	}
}

// moreSubflows says how to make room for so many further subflows.
func (d *diagnosis) moreSubflows(n int) []string {
	have := int(d.o.Facts.Limits.Subflows)
	if have >= mptcpctl.MaxLimit {
		return []string{fmt.Sprintf("the limit is %d, and the kernel takes no greater one: delete endpoints that are not needed", have)}
	}
	return []string{d.command("ip mptcp limits set subflows %d", min(max(n, have+1), mptcpctl.MaxLimit)), mptcpctl.Reconnect}
}

func addrs(all []mptcpctl.Endpoint) string {
	var words []string
	for _, e := range all {
		words = append(words, e.Addr.String())
	}
	return strings.Join(words, ", ")
}

// failed says what became of the subflow of an endpoint that is used up: the
// counters are those of the namespace, and the most special one decides.
func (d *diagnosis) failed(c *conn, e mptcpctl.Endpoint, seen []string) {
	o := d.o
	for _, id := range d.warned[e.Addr] {
		switch id {
		case IDEndpointAbsent, IDEndpointLinkDown, IDEndpointWrongDev:
			for i := range d.all {
				if d.all[i].ID == id && slices.Contains(d.all[i].Evidence, "endpoint "+e.String()) {
					d.all[i].Evidence = append(d.all[i].Evidence, "connection "+name(c)+": no subflow from it")
				}
			}
			return
		}
	}
	if c.Info.LocalAddrUsed == 0 {
		return // it was not tried: the endpoint may be younger
	}
	tx, synack := o.total("MPJoinSynTx"), o.total("MPJoinSynAckRx")
	switch {
	case c.Accepted && (o.total("MPJoinSynTxCreatSkErr") > 0 || tx > synack):
		d.useless = append(d.useless, e.Addr)
		d.add(Finding{
			ID: IDEndpointUnused, Token: c.Token, Detail: fmt.Sprintf("this host accepted the connection and tried to open a subflow from %v to the client", e.Addr),
			Evidence: append(seen, d.counted("MPJoinSynTx", "MPJoinSynTxCreatSkErr")...),
			Fix:      []string{d.command("ip mptcp endpoint delete id %d", e.ID), d.command("ip mptcp endpoint add %v signal", e.Addr) + "   # so that clients come to it"},
		})
	case o.total("MPJoinSynTxBindErr") > 0 && d.owning(e.Addr) == nil:
		d.add(Finding{ID: IDEndpointAbsent, Detail: fmt.Sprintf("no interface had %v when a subflow was to be opened", e.Addr), Evidence: append(seen, d.counted("MPJoinSynTxBindErr")...)})
	case o.total("DataCsumErr")+o.total("MPFailTx")+o.total("MPFailRx") > 0:
		// The subflow was there: see data.
	case tx == 0 && o.total("MPJoinSynTxBindErr")+o.total("MPJoinSynTxConnectErr")+o.total("MPJoinSynTxCreatSkErr") == 0:
		d.add(Finding{
			ID: IDDenyJoin, Token: c.Token, Detail: fmt.Sprintf("no subflow from %v was even tried, although limits and endpoints allow it: the peer forbids joins to %v", e.Addr, c.Remote),
			Evidence:  append(seen, d.counted("MPJoinSynTx")...),
			Fix:       []string{"ip mptcp endpoint add ADDRESS signal   # at the server: an address that leads to this very server", "sysctl -w net.mptcp.allow_join_initial_addr_port=1   # or so, at the server, without a balancer in front"},
			Elsewhere: "the C flag itself: framescope mptcp monitor shows it when a connection is created; framescope mptcp doctor at the server",
		})
	case tx == 0:
		d.add(Finding{
			ID: IDAddrUnused, Token: c.Token, Detail: fmt.Sprintf("the subflow from %v could not even be begun", e.Addr),
			Evidence: append(seen, d.counted("MPJoinSynTxConnectErr", "IpOutNoRoutes")...),
			Fix:      []string{d.command("ip route get %v from %v", c.Remote.Addr(), e.Addr) + "   # shows the way that is missing"},
		})
	case tx > synack && o.total("MPRstTx") > 0:
		d.add(Finding{
			ID: IDJoinStripped, Token: c.Token, Detail: fmt.Sprintf("the subflow from %v was answered without MP_JOIN, and reset here", e.Addr),
			Evidence:  append(seen, d.counted("MPJoinSynTx", "MPJoinSynAckRx", "MPRstTx", "TcpEstabResets")...),
			Fix:       []string{"let the middlebox on that path pass TCP option 30, or go round it (a tunnel)"},
			Elsewhere: "which hop it is: capture at both ends: " + d.captureOf(c),
		})
	case tx > synack:
		d.add(Finding{
			ID: IDJoinRefused, Token: c.Token, Detail: fmt.Sprintf("the subflow from %v to %v was refused", e.Addr, c.Remote),
			Evidence:  append(seen, d.counted("MPJoinSynTx", "MPJoinSynAckRx", "TcpAttemptFails", "IcmpInDestUnreachs")...),
			Fix:       []string{"a firewall: let SYNs with TCP option 30 pass", "a balancer: send a client's connections to one server, or signal each server's own address"},
			Elsewhere: "who refused it: " + d.captureOf(c) + "; a bare RST is a firewall's, one with MP_TCPRST reason 1 another server's",
		})
	case synack > 0 && o.total("MPRstTx")+o.total("MPRstRx")+o.total("TcpEstabResets") > 0:
		d.add(Finding{
			ID: IDLimitPeer, Token: c.Token, Detail: fmt.Sprintf("the subflow from %v was established for a moment, and reset by the peer", e.Addr),
			Evidence:  append(seen, d.counted("MPJoinSynAckRx", "MPRstRx", "MPRstTx", "TcpEstabResets")...),
			Fix:       []string{"ip mptcp limits show   # at the peer: subflows, 2 by default, has to be more than a connection has already", mptcpctl.Reconnect},
			Elsewhere: "the reason: framescope mptcp doctor at the peer (MPTcpExtMPJoinRejected), or capture: " + d.captureOf(c) + ", MP_TCPRST with reason 3 is the limit",
		})
	}
}

// signalled looks at addresses that the peer signalled.
func (d *diagnosis) signalled(c *conn, pending int) {
	o, info := d.o, &c.Info
	if info.Len == 0 || c.Accepted || o.total("AddAddr") == 0 || d.daemon || !d.settled(c) {
		return
	}
	joined := slices.ContainsFunc(c.Subflows, func(s subflow) bool { return s.Join() && s.RemoteID != 0 })
	switch {
	case joined || pending > 0:
	case info.AddAddrAcceptedMax == 0:
		d.add(Finding{
			ID: IDLimitAddr, Token: c.Token, Detail: "peers signalled addresses, and this host uses none of them",
			Evidence: append([]string{"connection " + name(c), "limits " + o.Facts.Limits.String()}, d.counted("AddAddr", "EchoAddTx")...),
			Fix:      []string{d.command("ip mptcp limits set add_addr_accepted %d", min(max(o.Facts.Limits.Subflows, 1), mptcpctl.MaxLimit)), "open connections stay as they are, since what they were told is forgotten: reconnect"},
		})
	case o.total("MPJoinSynTxConnectErr") > 0 || o.total("MPJoinSynTx") > o.total("MPJoinSynAckRx"):
		text := "an address that the peer signalled cannot be reached from here"
		seen := append([]string{"connection " + name(c), fmt.Sprintf("addresses accepted: %d, no subflow to any", info.AddAddrAccepted)},
			d.counted("AddAddr", "MPJoinSynTx", "MPJoinSynTxConnectErr", "IpOutNoRoutes", "IcmpInDestUnreachs", "TcpAttemptFails")...)
		if o.total("MPJoinSynTxConnectErr") == 0 && o.total("IcmpInDestUnreachs")+o.total("TcpAttemptFails") == 0 {
			return
		}
		d.add(Finding{
			ID: IDAddrUnused, Token: c.Token, Detail: text, Evidence: seen,
			Fix:       []string{"ip mptcp endpoint delete id ID   # at the peer: an address that clients do not reach is not to be signalled", d.command("ip route add ADDRESS via GATEWAY") + "   # or so: a route to it here"},
			Elsewhere: "which address it is: framescope mptcp monitor shows it when it is announced",
		})
	}
}

// announced looks at addresses that this host signals.
func (d *diagnosis) announced(c *conn) {
	o, info := d.o, &c.Info
	if info.AddAddrSignal == 0 || !d.settled(c) || o.total("MPJoinRejected") > 0 || o.total("MPJoinPortSynRx") > 0 {
		return
	}
	var unused []mptcpctl.Endpoint
	for _, e := range o.Facts.Endpoints {
		if e.Flags&mptcpctl.Signal == 0 || e.Addr == c.Local.Addr() || len(d.warned[e.Addr]) > 0 {
			continue
		}
		if !slices.ContainsFunc(c.Subflows, func(s subflow) bool { return s.Local.Addr() == e.Addr }) {
			unused = append(unused, e)
		}
	}
	if len(unused) == 0 {
		return
	}
	tx, echo := o.total("AddAddrTx"), o.total("EchoAdd")
	seen := append([]string{"connection " + name(c)}, d.counted("AddAddrTx", "EchoAdd", "MPJoinSynRx")...)
	for _, e := range unused {
		seen = append(seen, "no subflow to endpoint "+e.String())
	}
	switch {
	case echo == 0 && tx > int64(info.AddAddrSignal):
		d.add(Finding{
			ID: IDAddrUnused, Token: c.Token, Detail: fmt.Sprintf("%s was signalled, again and again, and is never confirmed", addrs(unused)), Evidence: seen,
			Fix:       []string{"let the middlebox on the way pass packets with TCP option 30 (ADD_ADDR)"},
			Elsewhere: "where they are lost: capture at the peer: " + d.captureOf(c),
		})
	case echo > 0:
		d.addAs(finding.Note, Finding{
			ID: IDAddrUnused, Token: c.Token, Detail: fmt.Sprintf("the peer knows %s and has no subflow to it", addrs(unused)), Evidence: seen,
			Fix:       []string{"ip mptcp limits show   # at the peer: add_addr_accepted 0, the default, means that no address is used"},
			Elsewhere: "why: framescope mptcp doctor at the peer (its limits, its routes, its firewall), or capture here: " + d.captureOf(c),
		})
	}
}
