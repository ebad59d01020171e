package mptcp

import (
	"fmt"
	"net/netip"
	"slices"

	"framescope/decode/finding"
	"framescope/mptcpctl"
)

// incoming looks at joins that came to this host.
func (d *diagnosis) incoming() {
	o := d.o
	if n := o.total("MPJoinRejected"); n > 0 {
		f := Finding{
			ID: IDLimitLocal, Detail: fmt.Sprintf("this host refused %s of peers: its limit of subflows, or the connection's state", plural(n, "join")),
			Evidence: append(d.counted("MPJoinSynRx", "MPJoinAckRx", "MPJoinRejected"), "limits "+o.Facts.Limits.String()),
			Fix:      []string{d.command("ip mptcp limits set subflows %d", mptcpctl.MaxLimit), "open connections stay as they are: the peers have to reconnect, or to delete and add their endpoints"},
		}
		if o.recent("MPJoinRejected") == 0 && d.raised() {
			f.Detail = fmt.Sprintf("this host refused %s of peers before; its limit is %d now", plural(n, "join"), o.Facts.Limits.Subflows)
			f.Fix = []string{fmt.Sprintf("the limit is %d now, and no connection has reached it; counted before", o.Facts.Limits.Subflows), f.Fix[1]}
			d.addAs(finding.Note, f)
		} else {
			d.counts(f, "MPJoinRejected")
		}
	}
	if n := o.total("MPJoinNoTokenFound"); n > 0 {
		d.counts(Finding{
			ID: IDJoinUnknownToken, Detail: fmt.Sprintf("%s to connections that this host does not have", plural(n, "join")),
			Evidence:  d.counted("MPJoinSynRx", "MPJoinNoTokenFound"),
			Fix:       []string{"at the balancer: send all connections of a client to one server, or signal each server's own address and set net.mptcp.allow_join_initial_addr_port=0"},
			Elsewhere: "whether they were for another server: compare tokens in a capture of both: " + d.capture("tcp[tcpflags] & tcp-syn != 0"),
		}, "MPJoinNoTokenFound")
	}
	if o.total("MPJoinAckHMacFailure")+o.total("MPJoinSynAckHMacFailure") > 0 {
		d.counts(Finding{ID: IDJoinHMAC, Detail: "the proof in a join was wrong", Evidence: d.counted("MPJoinAckHMacFailure", "MPJoinSynAckHMacFailure"),
			Elsewhere: "who sent it: " + d.capture("tcp[tcpflags] & tcp-syn != 0")}, "MPJoinAckHMacFailure", "MPJoinSynAckHMacFailure")
	}
	syn, ack := o.total("MPJoinSynRx"), o.total("MPJoinAckRx")
	other := o.total("MPJoinRejected") + o.total("MPJoinNoTokenFound") + o.total("MPJoinAckHMacFailure")
	if syn < ack+other+1 {
		return
	}
	var waiting []string
	for _, p := range o.Now.Pending.Sample {
		if p.Retransmits > 0 && len(waiting) < maxConns {
			waiting = append(waiting, fmt.Sprintf("%v < %v: SYN_RECV, SYN/ACK sent again %s", p.Local, p.Remote, plural(int64(p.Retransmits), "time")))
		}
	}
	seen := append(d.counted("MPJoinSynRx", "MPJoinAckRx"), waiting...)
	if away := d.away(); len(away) > 0 && ack == 0 && syn > 1 {
		d.add(Finding{
			ID: IDJoinIncomplete, Detail: fmt.Sprintf("%s with MP_JOIN came and no join was completed; answers to networks that this host has a link in leave by another one", plural(syn, "SYN")),
			Evidence: append(seen, away...),
			Fix:      []string{"give the table of the source rule the other networks, too: " + d.command("ip route add NETWORK dev DEV table TABLE")},
		})
		return
	}
	if len(waiting) > 0 {
		d.add(Finding{
			ID: IDJoinIncomplete, Detail: "answers to joins go unconfirmed: the last packet of the handshake does not come", Evidence: seen,
			Fix:       []string{"let the firewall pass TCP option 30 in packets without SYN, too"},
			Elsewhere: "whether the SYN/ACK or its answer is lost: capture at the peer: " + d.capture("tcp port PORT"),
		})
	}
}

// raised reports whether the limit of subflows cannot be why joins were refused
// any more: no connection that a peer opened is at it.
func (d *diagnosis) raised() bool {
	limit := d.o.Facts.Limits.Subflows
	accepted := 0
	for i := range d.o.Now.Connections {
		c := &d.o.Now.Connections[i]
		if !c.Accepted || c.Fallback != mptcpctl.NoFallback || c.Info.Len == 0 {
			continue
		}
		if accepted++; uint32(c.Info.Subflows) >= limit {
			return false
		}
	}
	return accepted > 0 || limit >= mptcpctl.MaxLimit
}

// away are lookups from own addresses of accepted connections to networks that
// this host has a link in, and that leave by another link.
func (d *diagnosis) away() (all []string) {
	for i := range d.o.Facts.Reverse {
		l := &d.o.Facts.Reverse[i]
		for j := range d.o.Facts.Links {
			link := &d.o.Facts.Links[j]
			if link.Name == l.Dev || l.Dev == "" || link.Loopback {
				continue
			}
			if slices.ContainsFunc(link.Addrs, func(p netip.Prefix) bool { return !p.IsSingleIP() && p.Contains(l.To) }) {
				all = append(all, fmt.Sprintf("%v, and %s is in the network of %v", l, link.Name, l.To))
			}
		}
	}
	return all
}

// data looks at what happened to the data.
func (d *diagnosis) data() {
	o := d.o
	if o.total("DataCsumErr")+o.total("MPFailTx")+o.total("MPFailRx") > 0 {
		where := "the peer found wrong checksums in what this host sent"
		if o.total("DataCsumErr") > 0 {
			where = "what this host received had wrong checksums"
		}
		d.counts(Finding{
			ID: IDChecksum, Detail: where, Evidence: d.counted("DataCsumErr", "MPFailTx", "MPFailRx", "MPRstTx", "MPRstRx"),
			Fix:       []string{"find the middlebox that rewrites payload (an application gateway of a NAT), and switch that off for these ports"},
			Elsewhere: "which path it is on: capture at both ends and compare: " + d.capture("tcp port PORT"),
		}, "DataCsumErr", "MPFailTx", "MPFailRx")
	}
	if o.total("DSSCorruptionFallback")+o.total("DSSCorruptionReset")+o.total("DSSNoMatchTCP") > 0 {
		d.counts(Finding{
			ID: IDMappingConflict, Detail: "mappings did not fit the data", Evidence: d.counted("DSSCorruptionFallback", "DSSCorruptionReset", "DSSNoMatchTCP"),
			Elsewhere: "what changed: capture at both ends: " + d.capture("tcp port PORT"),
		}, "DSSCorruptionFallback", "DSSCorruptionReset", "DSSNoMatchTCP")
	}
}
