package record

import (
	"net/netip"
	"slices"
)

var packetFields = slices.Concat([]Field{
	addr("source.ip", "Address of the packet's sender.", func(r Record) (netip.Addr, bool) { return ipOf(source(r)) }),
	num(KindInt, "source.port", "Its port.", func(r Record, _ int) (int64, bool) { return portOf(source(r)) }),
	addr("destination.ip", "Address of the packet's receiver.", func(r Record) (netip.Addr, bool) { return ipOf(destination(r)) }),
	num(KindInt, "destination.port", "Its port.", func(r Record, _ int) (int64, bool) { return portOf(destination(r)) }),
}, packets, []Field{
	num(KindInt, "packet.bytes", "Length of the packet on the wire.", func(r Record, _ int) (int64, bool) { return always(r.(*Packet).Length) }),
	num(KindInt, "packet.captured_bytes", "What the file holds of it, where that is less.", func(r Record, _ int) (int64, bool) {
		p := r.(*Packet)
		return p.Captured, p.Captured != p.Length
	}),
	text("packet.link", "The name of its link type, such as ethernet.", func(r Record, _ int) (string, bool) { return ifSome(r.(*Packet).Link) }),
	text("packet.protocol", "The innermost protocol that was read: tcp, udp, arp, ...", func(r Record, _ int) (string, bool) { return ifSome(r.(*Packet).Protocol) }),
	num(KindInt, "packet.payload_bytes", "Payload bytes of the transport protocol on the wire.", func(r Record, _ int) (int64, bool) { return always(r.(*Packet).Payload) }),
	text("packet.problem", "Why the packet could not be read.", func(r Record, _ int) (string, bool) { return ifSome(r.(*Packet).Problem) }),
	text("tcp.flags", "The TCP flags, such as SYN,ACK.", func(r Record, _ int) (string, bool) { return ifSome(r.(*Packet).Flags) }),
	num(KindInt, "tcp.seq", "The TCP sequence number as it is on the wire.", func(r Record, _ int) (int64, bool) {
		p := r.(*Packet)
		return int64(p.Seq), p.Protocol == "tcp"
	}),
	num(KindInt, "tcp.ack", "The TCP acknowledgement number as it is on the wire.", func(r Record, _ int) (int64, bool) {
		p := r.(*Packet)
		return int64(p.Ack), p.Protocol == "tcp"
	}),
}, sides)
