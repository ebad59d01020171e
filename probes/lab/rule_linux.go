package lab

import (
	"fmt"
	"net/netip"
	"slices"

	"golang.org/x/sys/unix"
)

// A Hook is where a Rule looks at packets.
type Hook uint8

// The hooks, as nf_tables has them.
const (
	Prerouting  Hook = iota // all that arrives
	Input                   // what is for the host itself
	Forward                 // what a router passes on
	Postrouting             // all that leaves
)

// A Segment is a kind of TCP segment.
type Segment uint8

// The kinds of segments.
const (
	AnyPacket Segment = iota // not only of TCP
	AnySegment
	SYN    // without ACK
	SYNACK // both
	ACK    // ACK without SYN
	NotSYN // neither SYN nor SYN/ACK
)

// An Option says which MPTCP option a segment has, by its subtype (RFC 8684
// section 8.2).
type Option int8

// The options.
const (
	AnyOption Option = iota // or none at all
	MPTCP                   // one of MPTCP
	Capable
	Join
	DSS
	AddAddr
	RemoveAddr
	Prio
	Fail
	Fastclose
	TCPRST
)

// An Action is what a Rule does with a packet.
type Action uint8

// The actions.
const (
	Drop       Action = iota
	Reset             // drop it and answer with RST
	Strip             // take all MPTCP options out
	Corrupt           // overwrite the first 4 bytes of the payload, and mend the TCP checksum
	Count             // let it pass
	Masquerade        // give it the address of the interface that it leaves by; with Postrouting
)

// A Rule is what a middlebox does. Everything that it says must be so for a
// packet; the zero Rule drops all that arrives.
type Rule struct {
	Hook     Hook
	In       string // interface it came by
	Out      string // interface it leaves by; with Forward and Postrouting
	Src, Dst netip.Addr
	DstPort  uint16 // implies TCP
	Segment  Segment
	Option   Option // implies TCP
	MinLen   uint16 // IPv4 packets that are longer, in bytes
	Action   Action
}

// A Box is a Rule at work.
type Box struct {
	// Rule is what it does.
	Rule Rule

	f      *filter
	chain  string
	handle uint64
}

// Middlebox puts the rule at work on the host, behind those that are there. With
// an error that is ErrNoNFT the kernel cannot do it.
func (h *Host) Middlebox(r Rule) (*Box, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.filter == nil {
		f, err := openFilter(h.held.file)
		if err != nil {
			return nil, fmt.Errorf("host %s: middlebox: %w", h.Name, err)
		}
		h.filter = f
	}
	b, err := h.filter.add(r)
	if err != nil {
		return nil, fmt.Errorf("host %s: middlebox: %w", h.Name, err)
	}
	h.boxes = append(h.boxes, b)
	return b, nil
}

// Middleboxes returns what Middlebox has returned on this host.
func (h *Host) Middleboxes() []*Box {
	h.mu.Lock()
	defer h.mu.Unlock()
	return slices.Clone(h.boxes)
}

// Packets returns how many packets the rule has matched.
func (b *Box) Packets() (uint64, error) { return b.f.packets(b) }

// Remove ends the rule.
func (b *Box) Remove() error { return b.f.remove(b) }

// expressions are the rule as nf_tables runs it.
func (r *Rule) expressions() (e expressions, err error) {
	for _, i := range []struct {
		name string
		key  uint32
	}{{r.In, unix.NFT_META_IIFNAME}, {r.Out, unix.NFT_META_OIFNAME}} {
		if len(i.name) >= unix.IFNAMSIZ {
			return e, fmt.Errorf("interface %q: the name is too long", i.name)
		}
		if i.name != "" {
			e.meta(i.key)
			e.equal(append(make([]byte, 0, unix.IFNAMSIZ), i.name+string(make([]byte, unix.IFNAMSIZ-len(i.name)))...)...)
		}
	}
	for _, a := range []struct {
		addr   netip.Addr
		v4, v6 uint32 // where it stands in the header
	}{{r.Src, 12, 8}, {r.Dst, 16, 24}} {
		switch {
		case a.addr.Is4():
			e.meta(unix.NFT_META_NFPROTO)
			e.equal(unix.NFPROTO_IPV4)
			e.load(unix.NFT_PAYLOAD_NETWORK_HEADER, a.v4, 4)
			e.equal(a.addr.AsSlice()...)
		case a.addr.Is6():
			e.meta(unix.NFT_META_NFPROTO)
			e.equal(unix.NFPROTO_IPV6)
			e.load(unix.NFT_PAYLOAD_NETWORK_HEADER, a.v6, 16)
			e.equal(a.addr.AsSlice()...)
		}
	}
	if r.MinLen > 0 {
		e.meta(unix.NFT_META_NFPROTO)
		e.equal(unix.NFPROTO_IPV4)
		e.load(unix.NFT_PAYLOAD_NETWORK_HEADER, 2, 2)
		e.compare(cmpGreater, byte(r.MinLen>>8), byte(r.MinLen))
	}
	if r.DstPort != 0 || r.Segment != AnyPacket || r.Option != AnyOption || r.Action != Drop && r.Action != Count && r.Action != Masquerade {
		e.meta(unix.NFT_META_L4PROTO)
		e.equal(unix.IPPROTO_TCP)
	}
	if r.DstPort != 0 {
		e.load(unix.NFT_PAYLOAD_TRANSPORT_HEADER, 2, 2)
		e.equal(byte(r.DstPort>>8), byte(r.DstPort))
	}
	const flags, syn, ack = 13, 0x02, 0x10
	if r.Segment > AnySegment {
		mask := byte(syn | ack)
		if r.Segment == NotSYN {
			mask = syn
		}
		e.load(unix.NFT_PAYLOAD_TRANSPORT_HEADER, flags, 1)
		e.mask(mask)
		e.equal([]byte{SYN: syn, SYNACK: syn | ack, ACK: ack, NotSYN: 0}[r.Segment])
	}
	switch {
	case r.Option > MPTCP:
		e.option(2)
		e.mask(0xf0)
		e.equal(byte(r.Option-Capable) << 4)
	case r.Option == MPTCP || r.Action == Strip:
		e.optionPresent()
		e.equal(1)
	}
	if r.Action == Masquerade {
		e.masquerade()
		return e, nil
	}
	e.counter()
	switch r.Action {
	case Drop:
		e.verdict(nfDrop)
	case Reset:
		e.reset()
	case Strip:
		// A segment may have several: DSS and ADD_ADDR, and there is room for
		// no more than four.
		for range 4 {
			e.strip()
		}
	case Corrupt:
		e.immediate(0x41, 0x42, 0x43, 0x44)
		e.store(unix.NFT_PAYLOAD_INNER_HEADER, 0, 4)
	}
	return e, nil
}
