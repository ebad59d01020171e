package record

import (
	"net/netip"
	"slices"
	"strings"

	"framescope/decode/protocol"
)

var endNames = []string{"fin", "rst", "open", "refused", "unanswered", "reused", "evicted"}

var connFields = slices.Concat([]Field{
	words(transports, text("network.transport", "The transport protocol: tcp, udp; igmp or ipv6-icmp for a membership in a multicast group.", func(r Record, _ int) (string, bool) {
		return transport(r), true
	})),
	text("network.protocol", "What the connection carried. TCP: websocket, "+strings.Join(protocol.Names(), ", ")+", or the name of a declared framing. UDP: "+strings.Join(protocol.DatagramNames(), ", ")+". Memberships: igmp, mld. Absent when nothing is known.",
		func(r Record, _ int) (string, bool) { return ifSome(r.(*ConnEnd).Protocol) }),
	text("network.community_id", "Community ID of version 1 of the connection.", func(r Record, _ int) (string, bool) {
		if id := r.(*ConnEnd).CommunityID; id != "" {
			return id, true
		}
		return ifSome(communityID(r.Shared().Conn))
	}),
	addr("source.ip", "Address of the side that opened the connection.", func(r Record) (netip.Addr, bool) { return ipOf(source(r)) }),
	num(KindInt, "source.port", "Its port.", func(r Record, _ int) (int64, bool) { return portOf(source(r)) }),
},
	traffic("source", func(r Record) *Traffic { return &r.(*ConnEnd).Client }),
	[]Field{
		addr("destination.ip", "Address of the other side.", func(r Record) (netip.Addr, bool) { return ipOf(destination(r)) }),
		num(KindInt, "destination.port", "Its port.", func(r Record, _ int) (int64, bool) { return portOf(destination(r)) }),
	},
	traffic("destination", func(r Record) *Traffic { return &r.(*ConnEnd).Server }),
	packets, sides,
	[]Field{
		num(KindDuration, "event.duration_ms", "Time from the first to the last packet.", func(r Record, _ int) (int64, bool) {
			return ifCounted(r.(*ConnEnd).Duration)
		}),
		words(endNames, text("tcp.end", "How it ended: fin, rst, open (the capture ended first), refused, unanswered, reused (a new connection took its ports), evicted (its memory was needed).",
			func(r Record, _ int) (string, bool) { return ifSome(r.(*ConnEnd).End) })),
		words(sideNames, text("tcp.ended_by", "The side that sent the first FIN or RST: client or server.", func(r Record, _ int) (string, bool) {
			return ifSome(r.(*ConnEnd).EndedBy.String())
		})),
		num(KindBool, "tcp.midstream", "Whether the connection had begun before the capture.", func(r Record, _ int) (int64, bool) {
			v, _ := flag(r.(*ConnEnd).Midstream)
			return v, isTCP(r)
		}),
		num(KindInt, "tcp.retransmitted_bytes", "Payload bytes of both sides that had been seen before.", func(r Record, _ int) (int64, bool) {
			c := r.(*ConnEnd)
			return c.Client.Retransmitted + c.Server.Retransmitted, isTCP(r)
		}),
		num(KindInt, "tcp.missing_bytes", "Stream bytes of both sides that were sent but are not in the capture.", func(r Record, _ int) (int64, bool) {
			c := r.(*ConnEnd)
			return c.Client.Missing + c.Server.Missing, isTCP(r)
		}),
		text("tls.version", "The version of TLS that the server chose.", func(r Record, _ int) (string, bool) { return ifSome(r.(*ConnEnd).TLSVersion) }),
		text("tls.client.server_name", "The name that a TLS client asks for.", func(r Record, _ int) (string, bool) { return ifSome(r.(*ConnEnd).ServerName) }),
		{
			Name: "tls.client.alpn", Kind: KindString, Many: true, Doc: "The protocols that a TLS client offers.",
			len: func(r Record) int { return len(r.(*ConnEnd).ALPN) },
			str: func(r Record, i int) (string, bool) { return r.(*ConnEnd).ALPN[i], true },
			has: func(r Record) bool { return r.(*ConnEnd).ALPN != nil },
		},
		text("tls.next_protocol", "The one that the server chose, where that is not encrypted.", func(r Record, _ int) (string, bool) { return ifSome(r.(*ConnEnd).NextProtocol) }),
		num(KindInt, "websocket.messages", "WebSocket messages, where there were any frames.", func(r Record, _ int) (int64, bool) {
			c := r.(*ConnEnd)
			return c.Messages, isWebSocket(c)
		}),
		num(KindInt, "websocket.undecoded_bytes", "Stream bytes of the WebSocket session that could not be put into frames.", func(r Record, _ int) (int64, bool) {
			c := r.(*ConnEnd)
			return c.Undecoded, isWebSocket(c)
		}),
		text("frame.framing", "The framing that was declared for its port.", func(r Record, _ int) (string, bool) { return ifSome(r.(*ConnEnd).Framing) }),
		num(KindInt, "frame.frames", "Frames of that framing.", func(r Record, _ int) (int64, bool) {
			c := r.(*ConnEnd)
			return c.Frames, c.Framing != ""
		}),
		num(KindInt, "frame.undecoded_bytes", "Stream bytes that could not be put into such frames.", func(r Record, _ int) (int64, bool) {
			c := r.(*ConnEnd)
			return c.Lost, c.Framing != ""
		}),
	}, multicastFields)

var transports = []string{"tcp", "udp", "igmp", "ipv6-icmp"}

func transport(r Record) string {
	if c := r.Shared().Conn; c != nil {
		switch c.Transport {
		case UDP:
			return "udp"
		case IGMP:
			return "igmp"
		case MLD:
			return "ipv6-icmp"
		}
	}
	return "tcp"
}

// isTCP reports whether a conn record has what only streams have.
func isTCP(r Record) bool {
	c := r.Shared().Conn
	return c == nil || c.Transport == 0 || c.Transport == TCP
}

func isWebSocket(c *ConnEnd) bool {
	return c.Protocol == "websocket" || c.Messages > 0 || c.Undecoded > 0
}

func traffic(side string, of func(r Record) *Traffic) []Field {
	count := func(name, doc string, get func(t *Traffic) int64) Field {
		return num(KindInt, side+"."+name, doc, func(r Record, _ int) (int64, bool) { return get(of(r)), true })
	}
	stream := func(name, doc string, get func(t *Traffic) int64) Field {
		return num(KindInt, side+"."+name, doc, func(r Record, _ int) (int64, bool) { return get(of(r)), isTCP(r) })
	}
	return []Field{
		count("packets", "Packets that it sent.", func(t *Traffic) int64 { return t.Packets }),
		count("bytes", "Payload bytes that it sent, retransmissions included.", func(t *Traffic) int64 { return t.Bytes }),
		stream("stream_bytes", "Distinct stream bytes that were captured.", func(t *Traffic) int64 { return t.Stream }),
		stream("missing_bytes", "Stream bytes that it sent but that are not in the capture.", func(t *Traffic) int64 { return t.Missing }),
		stream("retransmitted_bytes", "Payload bytes that had been seen before.", func(t *Traffic) int64 { return t.Retransmitted }),
		stream("out_of_order", "Segments that came late.", func(t *Traffic) int64 { return t.OutOfOrder }),
		stream("conflict_bytes", "Bytes that were sent twice with different content.", func(t *Traffic) int64 { return t.Conflicts }),
	}
}
