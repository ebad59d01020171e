package record

import (
	"net/netip"

	"framescope/decode/protocol"
)

// multicastFields are those of conn records whose destination is a group.
var multicastFields = []Field{
	addr("multicast.group", "The multicast group, where the destination is one.", func(r Record) (netip.Addr, bool) {
		a, ok := ipOf(destination(r))
		return a, ok && a.IsMulticast() && !isTCP(r)
	}),
	text("multicast.name", "What the group is for, where that is known, such as mdns or ssdp.", func(r Record, _ int) (string, bool) {
		if isTCP(r) {
			return "", false
		}
		return ifSome(protocol.GroupName(destination(r).Addr()))
	}),
	num(KindTime, "multicast.joined", "When the source was first heard to be a member of the group.", func(r Record, _ int) (int64, bool) {
		return unlessZero(member(r).Joined)
	}),
	num(KindTime, "multicast.left", "When it said that it leaves.", func(r Record, _ int) (int64, bool) { return unlessZero(member(r).Left) }),
	num(KindInt, "multicast.version", "The version of IGMP or MLD that it spoke.", func(r Record, _ int) (int64, bool) {
		return unlessZero(int64(member(r).Version))
	}),
	num(KindInt, "multicast.reports", "How often it said something of its membership, where it did.", func(r Record, _ int) (int64, bool) {
		return unlessZero(member(r).Reports)
	}),
	num(KindInt, "multicast.queries", "How often it asked who is a member, where it did.", func(r Record, _ int) (int64, bool) {
		return unlessZero(member(r).Queries)
	}),
	words(modes, text("multicast.mode", "What multicast.sources are: include (it wants these alone) or exclude (it wants all others).", func(r Record, _ int) (string, bool) {
		return ifSome(member(r).Mode)
	})),
	{
		Name: "multicast.sources", Kind: KindString, Many: true, Doc: "Addresses of senders that it wants or does not want, at most 16.",
		len: func(r Record) int { return len(member(r).Sources) },
		str: func(r Record, i int) (string, bool) { return member(r).Sources[i].String(), true },
		has: func(r Record) bool { return len(member(r).Sources) > 0 },
	},
}

var modes = []string{"include", "exclude"}

// member returns what a conn record says of a membership.
func member(r Record) (m Membership) {
	if e := r.(*ConnEnd); e.Membership != nil {
		m = *e.Membership
	}
	return m
}
