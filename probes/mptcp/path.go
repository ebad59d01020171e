package mptcp

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"

	"framescope/mptcpctl"
	"framescope/probes/sockdiag"
)

// pending looks at subflows whose SYN was sent, and returns how many there are.
func (d *diagnosis) pending(c *conn) (n int) {
	for i := range c.Subflows {
		s := &c.Subflows[i]
		switch {
		case s.State == sockdiag.SynSent && s.Join():
			n++
			if s.Retransmits > 0 || d.o.Over > patience && d.sameBefore(c, s) {
				d.unanswered(c, s)
			}
		case s.State == sockdiag.Established && !s.Established() && s.Join() && d.halfOpenBefore(c, s):
			d.add(Finding{
				ID: IDJoinIncomplete, Token: c.Token, Detail: fmt.Sprintf("the subflow %s is established here, and not confirmed by the peer", pair(s)),
				Evidence:  []string{fmt.Sprintf("%s: ESTABLISHED, flags %q without e, sent %d, received %d bytes", pair(s), s.Flags, s.Delivered(), s.BytesReceived)},
				Fix:       []string{"let the firewall pass TCP option 30 in packets without SYN, too"},
				Elsewhere: "whose packet is lost: capture at both ends: " + d.captureOf(c),
			})
		}
	}
	return n
}

// halfOpenBefore reports whether the subflow was half open at the first look, or
// goes unanswered.
func (d *diagnosis) halfOpenBefore(c *conn, s *subflow) bool {
	if d.o.Before == nil {
		return s.Retransmits > 0 || s.LastAckRecv > halfOpenTime
	}
	return d.sameBefore(c, s)
}

// sameBefore reports whether the subflow was at the first look as it is now.
func (d *diagnosis) sameBefore(c *conn, s *subflow) bool {
	if d.o.Before == nil {
		return false
	}
	was := d.o.Before.Find(c.Cookie)
	return was != nil && slices.ContainsFunc(was.Subflows, func(o subflow) bool {
		return o.Cookie == s.Cookie && o.State == s.State && o.Established() == s.Established()
	})
}

// owning is the interface that has an address.
func (d *diagnosis) owning(a netip.Addr) *mptcpctl.Link {
	for i := range d.o.Facts.Links {
		l := &d.o.Facts.Links[i]
		if slices.ContainsFunc(l.Addrs, func(p netip.Prefix) bool { return p.Addr() == a }) {
			return l
		}
	}
	return nil
}

// unanswered looks at a subflow whose SYNs are not answered.
func (d *diagnosis) unanswered(c *conn, s *subflow) {
	seen := fmt.Sprintf("%s: SYN_SENT, sent again %s, leaves by %s", pair(s), plural(int64(s.Retransmits), "time"), s.Path.Dev)
	if own := d.owning(s.Local.Addr()); own != nil && s.Path.Dev != "" && own.Name != s.Path.Dev {
		id := IDNoSourceRoute
		if slices.Contains(d.warned[s.Local.Addr()], IDEndpointWrongDev) {
			id = IDEndpointWrongDev
		}
		if !slices.Contains(d.warned[s.Local.Addr()], id) {
			d.add(Finding{
				ID: id, Token: c.Token, Detail: fmt.Sprintf("packets from %v leave by %s, and %s has the address", s.Local.Addr(), s.Path.Dev, own.Name),
				Evidence: []string{seen},
				Fix:      d.o.Facts.SourceRoute(s.Local.Addr(), own),
			})
			return
		}
		for i := range d.all {
			if d.all[i].ID == id && slices.ContainsFunc(d.all[i].Evidence, func(e string) bool { return strings.Contains(e, s.Local.Addr().String()) }) {
				d.all[i].Evidence = append(d.all[i].Evidence, seen)
			}
		}
		return
	}
	if len(d.warned[s.Local.Addr()]) > 0 && slices.Contains(d.warned[s.Local.Addr()], IDEndpointLinkDown) {
		return
	}
	f := Finding{
		ID: IDJoinUnanswered, Token: c.Token, Detail: fmt.Sprintf("no answer to the SYN with MP_JOIN from %v to %v", s.Local.Addr(), s.Remote),
		Evidence: append([]string{seen, "connection " + name(c)}, d.counted("MPJoinSynTx", "MPJoinSynAckRx", "TcpExtTCPSynRetrans")...),
		Fix: []string{
			"let the firewall pass SYNs with TCP option 30 on that path",
			d.command("ip mptcp endpoint delete id %d", s.LocalID) + "   # to stop trying: an attempt takes a place of the limit",
		},
		Elsewhere: "where the SYN is lost: capture at the peer: " + d.captureOf(c) + "; framescope mptcp doctor there shows whether it came (MPTcpExtMPJoinSynRx) or was dropped (TcpExtIPReversePathFilter)",
	}
	if s.RemoteID != 0 {
		f.Detail = fmt.Sprintf("the peer signalled %v (id %d), and does not answer there", s.Remote, s.RemoteID)
		f.Fix = []string{
			fmt.Sprintf("at the peer: open %v in the firewall, or take the address back:", s.Remote),
			fmt.Sprintf("ip mptcp endpoint delete id %d   # at the peer", s.RemoteID),
		}
	}
	if c.Accepted {
		d.useless = append(d.useless, s.Local.Addr())
		f.ID = IDEndpointUnused
		f.Detail = fmt.Sprintf("this host accepted the connection, opens a subflow from %v to the client, and is not answered", s.Local.Addr())
		f.Fix = []string{d.command("ip mptcp endpoint delete id %d", s.LocalID), d.command("ip mptcp endpoint add %v signal", s.Local.Addr()) + "   # so that clients come to it"}
	}
	if n := d.o.total("TcpOutRsts"); n > 0 && d.o.total("MPJoinSynAckRx") == 0 {
		f.Evidence = append(f.Evidence, d.counted("TcpOutRsts")...)
		if d.inStep() {
			f.Fix = slices.Insert(f.Fix, 0,
				fmt.Sprintf("ip route get %v from %v   # at the peer: its answers have to come by %s here, and this host sent a RST for each SYN", s.Local.Addr(), s.Remote.Addr(), s.Path.Dev),
				fmt.Sprintf("at the peer: give the table for %v a route to %v by that link", s.Remote.Addr(), s.Local.Addr()))
		}
		f.Elsewhere += fmt.Sprintf("; this host sent %s: if answers come in by another interface than %s, the peer's routing is at fault", plural(n, "RST"), s.Path.Dev)
	}
	d.add(f)
}

// inStep reports whether this host sends a RST for each SYN that it sends again:
// answers do come then, and not to where they belong.
func (d *diagnosis) inStep() bool {
	if n := d.o.recent("TcpExtTCPSynRetrans"); n > 0 {
		return d.o.recent("TcpOutRsts") >= n
	}
	syns := d.o.total("MPJoinSynTx") + d.o.total("TcpExtTCPSynRetrans")
	return d.o.total("TcpOutRsts") >= syns-1
}

// established looks at subflows that are there.
func (d *diagnosis) established(c *conn) {
	for i := range c.Subflows {
		s := &c.Subflows[i]
		if s.State == sockdiag.Established && d.cut(c, s) {
			continue
		}
		if d.silent(s) {
			by := "by " + s.Path.Dev
			if s.Path.Err != "" {
				by = "has no way (" + s.Path.Err + ") and"
			}
			d.add(Finding{
				ID: IDStale, Token: c.Token, Detail: fmt.Sprintf("the subflow %s %s gets no answer", pair(s), by),
				Evidence: append([]string{
					fmt.Sprintf("%s: %d bytes wait, sent again %s in vain, next time in %v", pair(s), s.WQueue, plural(int64(s.Retransmits), "time"), s.Expires.Round(timerUnit)),
				}, d.counted("SubflowStale", "SubflowRecover", "MPTCPRetrans")...),
				Fix:       d.giveUp(s),
				Elsewhere: "where packets are lost: capture at the peer: " + d.captureOf(c),
			})
		}
		if !s.Established() || !s.Opened() {
			continue
		}
		own := d.owning(s.Local.Addr())
		for j := range c.Subflows {
			o := &c.Subflows[j]
			if j == i || !o.Established() || s.Path.Cable() == "" || o.Path.Cable() != s.Path.Cable() || o.Local.Addr() == s.Local.Addr() {
				continue
			}
			stacked := s.Path.Dev != o.Path.Dev
			// Several addresses of one interface are meant to share it.
			if own == nil || own.Name == s.Path.Dev && !stacked {
				continue
			}
			f := Finding{
				ID: IDSharedCable, Token: c.Token, Detail: fmt.Sprintf("subflows from %v and %v both leave by %s", o.Local.Addr(), s.Local.Addr(), s.Path.Cable()),
				Evidence: []string{
					fmt.Sprintf("ip route get %v from %v: dev %s", o.Remote.Addr(), o.Local.Addr(), o.Path.Dev),
					fmt.Sprintf("ip route get %v from %v: dev %s", s.Remote.Addr(), s.Local.Addr(), s.Path.Dev),
					fmt.Sprintf("%s has %v", own.Name, s.Local.Addr()),
				},
				Fix: d.o.Facts.SourceRoute(s.Local.Addr(), own),
			}
			if stacked {
				f.Evidence[2] = fmt.Sprintf("%s and %s lie on %s", o.Path.Dev, s.Path.Dev, s.Path.Cable())
				f.Fix = []string{"use an interface with a cable of its own"}
			}
			d.add(f)
			break
		}
	}
}

// silent reports whether a subflow gets no answer. One timeout is enough to say
// so where nothing came for a while.
func (d *diagnosis) silent(s *subflow) bool {
	return s.Silent() || s.Established() && s.Timer == sockdiag.TimerOn && s.WQueue > 0 && s.Retransmits > 0 &&
		s.Over >= patience && s.Moved() == 0 && s.LastAckRecv > patience
}

// giveUp says what to do about a path that died.
func (d *diagnosis) giveUp(s *subflow) []string {
	fix := []string{d.command("ip route get %v from %v", s.Remote.Addr(), s.Local.Addr()) + "   # shows the way to mend; the subflow goes on by itself then"}
	if s.LocalID != 0 {
		fix = append(fix, d.command("ip mptcp endpoint delete id %d", s.LocalID)+"   # or so: gives it up")
	}
	return fix
}

// cut reports whether the interface that a subflow needs is down.
func (d *diagnosis) cut(c *conn, s *subflow) bool {
	own := d.owning(s.Local.Addr())
	if own == nil || own.Loopback || own.Up && own.Carrier || c.Fallback != mptcpctl.NoFallback {
		return false
	}
	state, fix := "DOWN", []string{d.command("ip link set %s up", own.Name), "the subflow goes on by itself if it is there still; else: " + mptcpctl.Reconnect}
	if own.Up {
		state, fix = "NO-CARRIER", []string{"mend the cable or the other end of " + own.Name}
	}
	d.add(Finding{
		ID: IDStale, Token: c.Token, Detail: fmt.Sprintf("the interface %s of the subflow %s is down", own.Name, pair(s)),
		Evidence: append([]string{
			"ip link show " + own.Name + ": " + state,
			fmt.Sprintf("%s: %d bytes wait, sent again %s", pair(s), s.WQueue, plural(int64(s.Retransmits), "time")),
		}, d.counted("SubflowStale", "MPTCPRetrans")...),
		Fix: fix,
	})
	return true
}
