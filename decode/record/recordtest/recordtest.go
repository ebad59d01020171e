// Package recordtest makes records for the tests of what prints, filters and
// checks them.
package recordtest

import (
	"crypto/sha256"
	"net/netip"
	"time"

	"framescope/decode/finding"
	"framescope/decode/framing"
	"framescope/decode/record"
	"framescope/decode/websocket"
)

// Start is when the connection of Full began: 2026-11-20T16:04:11Z.
var Start = time.Date(2026, 11, 20, 16, 4, 11, 0, time.UTC).UnixNano()

// Conn returns a connection between two IPv4 hosts that began at Start.
func Conn(id int64) *record.Conn {
	c := &record.Conn{
		ID: id, File: "x.pcap", Start: Start,
		Source:      netip.AddrPortFrom(netip.MustParseAddr("10.0.0.7"), uint16(51880+2*id)),
		Destination: netip.MustParseAddrPort("10.0.0.2:8765"),
	}
	c.Prepare()
	return c
}

// Head returns the head of a record of c whose first and last packets are
// given, sent ms milliseconds after c began.
func Head(c *record.Conn, from record.Direction, ms float64, first, last int64) record.Head {
	return record.Head{Time: c.Start + int64(ms*1e6), File: c.File, Conn: c, Direction: from, First: first, Last: last}
}

// Issues returns a set of findings.
func Issues(ids ...finding.ID) (s finding.Set) {
	for _, id := range ids {
		s.Add(id)
	}
	return s
}

// declared returns a frame of a declared framing whose checksum is wrong.
func declared(c *record.Conn) *record.Declared {
	f, err := framing.Builtin("magic-length-crc32", framing.Options{})
	if err != nil {
		panic(err)
	}
	d := framing.Decoder{Framing: f}
	for ch, err := range d.Decode([]byte("\xca\xfe\xba\xbe\x00\x00\x00\x05hello\x00\x00\x00\x01")) {
		if err != nil {
			panic(err)
		}
		if ch.Last {
			return &record.Declared{
				Head: Head(c, record.Client, 230, 31, 32), Framing: f.Name(), FrameKind: "file", Off: 512,
				Size: ch.Header.Size, Length: ch.Header.Length, Trailer: ch.Header.Trailer, Captured: 4, Ended: true, Checks: ch.Checks,
				Header: ch.Header, Begin: ch.Data, Trail: ch.Trailer,
				Payload: ch.Data, Text: true, More: true, Issues: Issues(finding.FramingChecksum),
			}
		}
	}
	panic("no frame")
}

// Full returns a record of each type, in the order of the types, with a value in
// every field that can have one beside the others.
func Full() []record.Record {
	c := Conn(1)
	sum := sha256.Sum256([]byte("{\"hello\":1}"))
	request := record.Request{
		Method: "GET", Target: "/room?id=7", Version: "1.1",
		Headers: []record.Pair{
			{Name: "Host", Value: "chat.example"}, {Name: "Upgrade", Value: "websocket"}, {Name: "Connection", Value: "Upgrade"},
			{Name: "Sec-WebSocket-Key", Value: "dGhlIHNhbXBsZSBub25jZQ=="}, {Name: "Sec-WebSocket-Version", Value: "13"},
			{Name: "Sec-WebSocket-Protocol", Value: "chat, superchat"}, {Name: "Origin", Value: "https://chat.example"},
		},
	}
	return []record.Record{
		&record.ConnEnd{
			Head: Head(c, record.None, 0, 1, 142), Protocol: "websocket", Duration: 3_212_345_678,
			End: "fin", EndedBy: record.Client, Midstream: false,
			ServerName: "chat.example", ALPN: []string{"h2", "http/1.1"}, NextProtocol: "http/1.1", TLSVersion: "1.2",
			Client:   record.Traffic{Packets: 70, Bytes: 2200, Stream: 2100, Missing: 0, Retransmitted: 100, OutOfOrder: 1},
			Server:   record.Traffic{Packets: 72, Bytes: 12400, Stream: 12400, Missing: 1448, Conflicts: 3},
			Messages: 60, Undecoded: 12, Framing: "magic-length-crc32", Frames: 7, Lost: 4,
		},
		&record.HTTP{
			Head:     Head(c, record.None, 1, 4, 6),
			Request:  record.Request{Method: "GET", Target: "/health", Version: "1.1", Headers: []record.Pair{{Name: "Host", Value: "chat.example"}}},
			Response: record.Response{Status: 200, Reason: "OK", Version: "1.1", Headers: []record.Pair{{Name: "Content-Length", Value: "2"}}, Body: "ok"},
			Duration: 800_000,
		},
		&record.Handshake{
			Head: Head(c, record.None, 204, 4, 6), Request: request,
			Response: record.Response{
				Status: 101, Reason: "Switching Protocols", Version: "1.1", Body: "unexpected",
				Headers: []record.Pair{
					{Name: "Upgrade", Value: "websocket"}, {Name: "Connection", Value: "Upgrade"},
					{Name: "Sec-WebSocket-Accept", Value: "s3pPLMBiTxaQ9kYGzzhZRbK+xOo="}, {Name: "Sec-WebSocket-Protocol", Value: "chat"},
				},
			},
			OK: record.Yes, AcceptOK: record.Yes, URL: "ws://chat.example/room?id=7", Subprotocol: "chat",
			Extensions: []string{"permessage-deflate"}, ExtensionParams: "permessage-deflate; server_no_context_takeover",
			Duration: 1_200_000, Issues: Issues(finding.InformationalResponse),
		},
		&record.Frame{
			Head:     Head(c, record.Client, 207, 8, 9),
			Header:   websocket.Header{Length: 11, Masked: true, Mask: [4]byte{0x7e, 0x3a, 0xc7, 0xe3}, Fin: true, RSV: websocket.RSV1, Opcode: websocket.Pong, Size: 6},
			Captured: 10, Ended: true, Off: 512, Inflated: 40, Subflow: 2, RTT: 310_000,
			Payload: []byte("{\"hello\":1}"), Text: true, More: true, Issues: Issues(finding.TruncatedFrame),
		},
		&record.Message{
			Head: Head(c, record.Server, 208, 9, 12), Opcode: websocket.Binary, Bytes: 70000, Wire: 812, Frames: 2, Compressed: true,
			Complete: false, Cause: "1448 bytes are not in the capture", SHA256: sum[:], Payload: []byte{0, 1, 0xfe, 0xff}, More: true,
			Issues: Issues(finding.InflateHistoryLost, finding.Close(4401)),
		},
		&record.Close{
			Head: Head(c, record.Client, 3212, 140, 140), Code: 1001, Reason: "going away", Clean: true, EndedBy: record.Client,
			Issues: Issues(finding.CloseTimeout),
		},
		declared(c),
		&record.Packet{
			Head: Head(c, record.Client, 0, 1, 1), Length: 74, Captured: 68, Link: "ethernet", Protocol: "tcp",
			Source: c.Source, Destination: c.Destination, Flags: "SYN", Seq: 4294967295, Ack: 0, Payload: 0, Problem: "cut short",
		},
		&record.Finding{
			Head: Head(c, record.Server, 205, 6, 6), ID: finding.AcceptMismatch,
			Evidence: []record.Evidence{{Packet: 6, Off: 97, Text: "expected s3pPLMBiTxaQ9kYGzzhZRbK+xOo=, found AAAA"}, {Off: -1, Text: "no cache header"}},
		},
		&record.Summary{
			Head: record.Head{File: "x.pcap"}, Packets: 118, Bytes: 96_000, Connections: 2, Flows: 4, Memberships: 1, Sessions: 1, Failed: 1, Frames: 120, Messages: 60, Declared: 7,
			Missing: 1448, Undecoded: 12, Evicted: 1, Truncated: true, First: Start, Last: Start + 3_900_000_000,
			Errors: 1, Warnings: 2, Notes: 3,
			Skipped: []record.Skip{{Cause: "link type 147 cannot be read", Packets: 12, Bytes: 900}, {Cause: "cut short", Packets: 1}},
			Left:    []record.Left{{Protocol: "arp", Packets: 12, Bytes: 720}, {Protocol: "lldp", Packets: 1, Bytes: 263}},
		},
		&record.Socket{
			Head: record.Head{Time: Start}, Netns: "blue", Transport: "mptcp", Network: "ipv4", Kind: "stream", Local: c.Source, Peer: c.Destination, Path: "@x",
			State: "ESTABLISHED", RecvQ: 400_000, SendQ: 12, Inode: 4711, Timer: "persist", Expires: 204_000_000, Retrans: 2, Age: 4_224_000_000, Drops: 0,
			UserID: 1000, User: "ada", Processes: []record.Process{{PID: 812, FD: 7, Name: "python3"}, {PID: 813, FD: 7, Name: "python3"}},
			Cgroup: "/system.slice/echo.service", Service: "echo.service",
			TCP: &record.SocketTCP{
				Congestion: "cubic", RTT: 310_000, RTTVar: 20_000, MinRTT: 100_000, RTO: 201_000_000, Cwnd: 10, MSS: 1448, PMTU: 1500,
				BytesSent: 1 << 40, BytesAcked: 1 << 39, BytesRecv: 512, BytesLost: 1448, NotSent: 9, SegsOut: 3, SegsIn: 4, Retrans: 1, SendWindow: 65536,
				DeliveryRate: 1_000_000, LastSent: 5_000_000, LastRecv: 6_000_000, LastAck: 7_000_000, Busy: 8_000_000, RwndLimited: 1_000_000,
			},
			Token: 0xdecafbad, Subflows: 2, Fallback: true,
		},
	}
}

// Loose returns the records of a UDP flow and of a membership in a multicast group,
// with a value in every field that can have one.
func Loose() []record.Record {
	udp, member := Conn(1), Conn(1)
	*udp = record.Conn{ID: record.FirstUDP + 1, Transport: record.UDP, File: udp.File, Start: Start, Source: udp.Source, Destination: netip.MustParseAddrPort("10.0.0.2:53")}
	*member = record.Conn{
		ID: record.FirstGroup + 1, Transport: record.IGMP, File: udp.File, Start: Start,
		Source: netip.MustParseAddrPort("10.0.0.7:0"), Destination: netip.MustParseAddrPort("224.0.0.251:0"),
	}
	udp.Prepare()
	member.Prepare()
	return []record.Record{
		&record.ConnEnd{
			Head: Head(udp, record.None, 0, 3, 4), Protocol: "dns", Duration: 1_200_000,
			Client: record.Traffic{Packets: 1, Bytes: 33}, Server: record.Traffic{Packets: 1, Bytes: 49},
		},
		&record.ConnEnd{
			Head: Head(member, record.None, 0, 5, 9), Protocol: "igmp", Duration: 2_000_000_000, Client: record.Traffic{Packets: 3, Bytes: 56},
			Membership: &record.Membership{
				Version: 3, Joined: Start, Left: Start + 2_000_000_000, Reports: 2, Queries: 1, Mode: "include", Sources: []netip.Addr{netip.MustParseAddr("10.0.0.9")},
			},
		},
	}
}
