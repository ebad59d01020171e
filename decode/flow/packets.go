package flow

import (
	"net/netip"
	"strings"

	"framescope/decode/packet"
	"framescope/decode/record"
)

// packetRecord describes one packet.
func packetRecord(file string, p *Packet, pk *packet.Packet, cause packet.Cause) record.Packet {
	r := record.Packet{
		Head:   record.Head{Time: p.Time, File: file, First: p.Number, Last: p.Number},
		Length: int64(p.Wire), Captured: int64(len(p.Data)),
		Link: packet.LinkName(p.Link), Protocol: pk.Protocol(),
	}
	if cause != packet.OK && cause.Unreadable() {
		r.Problem = cause.String()
	}
	if pk.Version != 0 {
		r.Source = netip.AddrPortFrom(pk.Src.Netip(), pk.SrcPort)
		r.Destination = netip.AddrPortFrom(pk.Dst.Netip(), pk.DstPort)
	}
	if cause == packet.OK {
		r.Payload = int64(pk.Wire)
		if pk.Proto == packet.ProtoTCP {
			r.Flags, r.Seq, r.Ack = flagNames(pk.Flags), pk.Seq, pk.Ack
		}
	}
	return r
}

// flagNames writes TCP flags as "SYN,ACK".
func flagNames(f uint16) string {
	var names []string
	for i, n := range [...]string{"FIN", "SYN", "RST", "PSH", "ACK", "URG", "ECE", "CWR", "AE"} {
		if f&(1<<i) != 0 {
			names = append(names, n)
		}
	}
	return strings.Join(names, ",")
}

// packet gives out a packet record.
func (s *shard) packet(r *record.Packet, c *conn, dir uint8) {
	switch {
	case c == nil:
	case c.rec != nil || !c.midstream:
		r.Conn, r.Direction = c.identify(s.cfg.File), c.direction(dir)
	default:
		// Which side is the client may still turn out.
		r.Conn = &record.Conn{ID: c.id, File: s.cfg.File, Start: c.start}
	}
	s.emit(r)
}
