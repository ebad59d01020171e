// Package packet reads link, IP and transport headers out of captured bytes.
//
// Parse finds the innermost IP packet, through VLAN tags, labels and tunnels,
// and its TCP, UDP or ICMP header. It allocates nothing, except to put IP
// fragments together and to read a few rare link types. What it cannot read it
// names with a Cause, a number, since hostile files hold millions of such
// packets.
package packet

import (
	"encoding/binary"
	"net/netip"
	"time"
)

var be, le = binary.BigEndian, binary.LittleEndian

// An Addr is an IPv6 address, or an IPv4 address mapped into ::ffff:0:0/96 (RFC
// 4291 section 2.5.5.2). It is comparable. The zero Addr is the IPv6 address
// "::", and stands for no address in a Packet without IP.
type Addr struct {
	// Hi and Lo are the halves of the address in big-endian order.
	Hi, Lo uint64
}

const mapped = 0xffff << 32

func addr4(b []byte) Addr  { return Addr{Lo: mapped | uint64(be.Uint32(b))} }
func addr16(b []byte) Addr { return Addr{be.Uint64(b), be.Uint64(b[8:])} }

// AddrFrom returns the Addr of a. The zero netip.Addr gives the zero Addr; a
// zone is lost.
func AddrFrom(a netip.Addr) Addr {
	if !a.IsValid() {
		return Addr{}
	}
	b := a.As16()
	return addr16(b[:])
}

// Is4 reports whether a is an IPv4 address.
func (a Addr) Is4() bool { return a.Hi == 0 && a.Lo>>32 == mapped>>32 }

// Netip returns a as a netip.Addr, IPv4 addresses in their 4-byte form.
func (a Addr) Netip() netip.Addr {
	var b [16]byte
	be.PutUint64(b[:], a.Hi)
	be.PutUint64(b[8:], a.Lo)
	return netip.AddrFrom16(b).Unmap()
}

// String returns a in the usual form, such as "192.0.2.1" or "2001:db8::1".
func (a Addr) String() string { return a.Netip().String() }

// A Packet is what the headers of one captured packet say. Parse fills it in
// place; it is valid as long as the bytes it was parsed from.
type Packet struct {
	// Src and Dst are the addresses of the innermost IP header. Dst is the
	// final destination where a source route or a routing header names one.
	Src, Dst Addr
	// Segment is the transport header and what was captured of its payload,
	// without padding or trailers of lower layers. It aliases the packet, or
	// memory of its own when Fragments is not zero; its length is its capacity.
	// When the innermost protocol is not TCP, UDP or ICMP, it is the payload of
	// the IP packet.
	Segment []byte
	// Wire is the length in bytes that the transport payload had on the wire:
	// more than len(Payload()) where the capture cut the packet short.
	Wire int
	// Interface is the index of the interface that saw the packet, from 1; zero
	// when the link type does not tell.
	Interface uint32
	// Seq and Ack are the sequence numbers of TCP.
	Seq, Ack uint32
	// SrcPort and DstPort are the ports of TCP, UDP, UDP-Lite, DCCP and SCTP.
	SrcPort, DstPort uint16
	// Flags are the flags of TCP: FIN to AE.
	Flags uint16
	// Window and Urgent are fields of the TCP header; Window is not scaled.
	Window, Urgent uint16
	// EtherType is the innermost Ethernet type that was read, zero when there
	// is none.
	EtherType uint16
	// VLAN is the outermost VLAN id, zero when there is none.
	VLAN uint16
	// Fragments is how many IP fragments the packet was put together from; zero
	// when it came whole.
	Fragments uint16
	// Proto is the IP protocol of the innermost header that was read, such as
	// ProtoTCP. It means nothing when Version is zero.
	Proto uint8
	// Version is the version of the innermost IP header, 4 or 6; zero when no
	// IP header was read.
	Version uint8
	// TTL is the time to live, or the hop limit, of the innermost IP header.
	TTL uint8
	// TOS is the traffic class of the innermost IP header: DSCP and ECN.
	TOS uint8
	// HeaderLen is the length of the transport header in Segment, in bytes. It
	// is less than the header says where the capture ends inside TCP options.
	HeaderLen uint8
	// Type and Code are the first two bytes of ICMP and ICMPv6.
	Type, Code uint8
	// Tunnels counts the encapsulations around the innermost header: tunnels
	// and link layers carried in other packets, but no VLAN tags and labels.
	Tunnels uint8
	// Outgoing says that the capturing machine sent the packet, where the link
	// type tells.
	Outgoing bool

	clipped bool // the IP header claims more bytes than its container holds
}

// Payload returns what was captured of the transport payload.
func (p *Packet) Payload() []byte { return p.Segment[p.HeaderLen:] }

// Options returns the TCP options.
func (p *Packet) Options() Options {
	if p.Proto != ProtoTCP || p.HeaderLen < tcpHeaderLen {
		return Options{}
	}
	return Options{rest: p.Segment[tcpHeaderLen:p.HeaderLen]}
}

// A Parser parses packets. It keeps IP fragments until their datagram is whole,
// and nothing else. The zero Parser is ready to use. It is not safe for
// concurrent use.
type Parser struct {
	// MaxTunnels is how many encapsulations are looked into: a packet with more
	// gives TooDeep. Zero means 8; the most is 64.
	MaxTunnels int
	// MaxFragmentBytes and MaxDatagrams bound what is kept of incomplete
	// datagrams; the oldest are given up first. Zero means 4 MiB and 1024.
	MaxFragmentBytes, MaxDatagrams int
	// FragmentTimeout is how long a datagram waits for its fragments, in the
	// time of the capture. Zero means 30 seconds.
	FragmentTimeout time.Duration

	now   int64
	frags fragments
}

// Parse reads the headers of data into p. link is the packet's link type as in
// pcap and pcapng files, wire its length on the wire in bytes, time when it was
// captured in nanoseconds since 1970.
//
// Parse returns OK, or why no TCP, UDP or ICMP header could be reached; p holds
// what was read up to there.
func (ps *Parser) Parse(link uint16, data []byte, wire uint32, time int64, p *Packet) Cause {
	*p = Packet{}
	ps.now = time
	// Some writers store an original length below the captured one.
	n := max(int(wire), len(data))
	if link == linkEthernet {
		return ps.ethernet(data, n, p)
	}
	return ps.link(link, data, n, p)
}

// nest counts one more encapsulation, and reports whether it may be opened.
func (ps *Parser) nest(p *Packet) bool {
	limit := 8
	if ps.MaxTunnels > 0 {
		limit = min(ps.MaxTunnels, 64) // the calls nest as deep as the packet
	}
	p.Tunnels++
	return int(p.Tunnels) <= limit
}

// cut returns the first n bytes of a packet of which b was captured and wire
// bytes were sent.
func cut(b []byte, wire, n int) ([]byte, int) {
	return b[:min(len(b), n)], min(wire, n)
}

// short says why a header of n bytes is not in b: because the capture ends, or
// because there never was more.
func short(wire, n int, truncated, malformed Cause) Cause {
	if wire < n {
		return malformed
	}
	return truncated
}
