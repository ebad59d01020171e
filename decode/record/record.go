// Package record holds what the decoders say to the outside: one record per
// connection, handshake, frame, message, close, finding and run.
//
// One registry of their fields (Fields) serves JSON Lines, tables, filters and
// checks, so that a name means the same everywhere. docs/output.md lists it.
package record

import (
	"bytes"
	"net/netip"
	"strings"

	"framescope/decode/finding"
	"framescope/decode/websocket"
)

// Schema is the version of the records: a minor adds fields, a major breaks.
const Schema = "1.0"

// A Type is a kind of record.
type Type uint8

// The types of records, in the order in which they describe a connection.
const (
	TypeConn Type = iota
	TypeHTTP
	TypeHandshake
	TypeFrame
	TypeMessage
	TypeClose
	TypeDeclared
	TypePacket
	TypeFinding
	TypeSummary
	TypeSocket
	types
)

var typeNames = [types]string{
	"conn", "http", "ws_handshake", "ws_frame", "ws_message", "ws_close", "frame", "packet", "finding", "summary", "socket",
}

// Types is how many types there are: they are numbered from 0 to Types-1.
const Types = int(types)

// String returns the type's name in records, such as "ws_frame".
func (t Type) String() string {
	if t < types {
		return typeNames[t]
	}
	return ""
}

var typeDocs = [types]string{
	"One TCP connection, UDP flow or membership in a multicast group, when it is over.",
	"A request and its response that are no WebSocket handshake.",
	"A request to open a WebSocket, and what came back.",
	"One WebSocket frame.",
	"One data message: a frame with FIN, or fragments up to one. Control frames are no messages.",
	"A close frame, or the end of a session without one: then the code is 1006 and there is no direction.",
	"One frame of a framing that --framing declared for a port.",
	"One captured packet.",
	"Something that is wrong or worth knowing, its cause, and what mends it.",
	"What one file held, or the whole run where there is no file.",
	"One socket of the kernel, as framescope sockets lists it; no capture has such.",
}

// Doc returns what a record of the type stands for, in one or two sentences.
func (t Type) Doc() string {
	if t < types {
		return typeDocs[t]
	}
	return ""
}

// ParseType returns the type that is named s, or false when there is none.
func ParseType(s string) (Type, bool) {
	for t, name := range typeNames {
		if name == s {
			return Type(t), true
		}
	}
	return 0, false
}

// A Set is a set of types. The zero Set is empty.
type Set uint32

// All is the set of all types, Captured that of those that captures give.
const (
	All      Set = 1<<types - 1
	Captured     = All &^ (1 << TypeSocket)
)

// Of returns the set of the given types.
func Of(ts ...Type) (s Set) {
	for _, t := range ts {
		s |= 1 << t
	}
	return s
}

// String names the types of s as a sentence does: "ws_frame and ws_message".
func (s Set) String() string {
	var names []string
	for t := range types {
		if s.Has(t) {
			names = append(names, t.String())
		}
	}
	n := len(names)
	switch {
	case n == 0:
		return "nothing"
	case n == 1:
		return names[0]
	case s&Captured == Captured:
		return "every record"
	}
	return strings.Join(names[:n-1], ", ") + " and " + names[n-1]
}

// Has reports whether t is in s.
func (s Set) Has(t Type) bool { return s&(1<<t) != 0 }

// A Direction is the side that sent something.
type Direction uint8

// The directions. None is for what has no direction, or an unknown one.
const (
	None Direction = iota
	Client
	Server
)

// String returns "client", "server" or "".
func (d Direction) String() string {
	switch d {
	case Client:
		return "client"
	case Server:
		return "server"
	}
	return ""
}

// A Conn is the connection that records belong to. It does not change once a
// record of it has been given out.
type Conn struct {
	// ID counts connections over the run: TCP connections from 1, UDP flows
	// from FirstUDP+1, memberships of multicast groups from FirstGroup+1. They are
	// written C1, U1 and G1: see AppendID.
	ID int64
	// Transport is the IP protocol: UDP, IGMP or MLD; zero stands for TCP.
	Transport uint8
	// File is the capture that the connection was found in.
	File string
	// Source is the side that opened the connection, Destination the other.
	Source, Destination netip.AddrPort
	// Start is when its first packet was captured, in nanoseconds since 1970
	// UTC.
	Start int64
	// CommunityID is the flow hash of version 1 of the Community ID
	// specification, such as "1:LQU9qZlK+B5F3KDmev6m5PMibrg=". Prepare sets it.
	CommunityID string

	prefix []byte // JSON that all records of the connection share
	peers  string // both addresses as a person reads them
}

// Prepare works out once what the records of c share: its CommunityID, the
// beginning of their JSON, its addresses as text. Whoever makes a Conn calls it
// before the first record of c is given out, after all other fields are set.
// Without it everything works, but each record takes longer.
func (c *Conn) Prepare() {
	if c.CommunityID == "" {
		c.CommunityID = communityID(c)
	}
	var buf [1 << 10]byte
	c.prefix = bytes.Clone(appendOrigin(buf[:0], c.File, c.ID))
	c.peers = c.text()
}

// Peers returns the addresses of c as "10.0.0.7:51882 > 10.0.0.2:8765".
func (c *Conn) Peers() string {
	if c.peers != "" {
		return c.peers
	}
	return c.text()
}

func (c *Conn) text() string {
	var buf [128]byte
	b := appendPeer(buf[:0], c.Source, c.Transport)
	b = append(b, " > "...)
	return string(appendPeer(b, c.Destination, c.Transport))
}

func appendPeer(b []byte, a netip.AddrPort, transport uint8) []byte {
	switch {
	case !a.Addr().IsValid():
		return append(b, '?')
	case transport == IGMP || transport == MLD:
		return a.Addr().Unmap().AppendTo(b)
	}
	return netip.AddrPortFrom(a.Addr().Unmap(), a.Port()).AppendTo(b)
}

// Head is what all records share. A record and the bytes it refers to are
// valid until the call that handed it out returns.
type Head struct {
	// Time is when the record's first packet was captured, in nanoseconds
	// since 1970 UTC.
	Time int64
	// File is the capture's name as it was given.
	File string
	// Conn is nil for what belongs to no connection.
	Conn *Conn
	// Direction is the side that sent what the record describes.
	Direction Direction
	// First and Last are the packets that brought its first and its last byte,
	// numbered from 1 in the file; zero when there are none.
	First, Last int64
}

// Shared returns h itself: every record embeds a Head.
func (h *Head) Shared() *Head { return h }

// A Record is one of *ConnEnd, *HTTP, *Handshake, *Frame, *Message, *Close,
// *Declared, *Packet, *Finding, *Summary and *Socket.
type Record interface {
	Type() Type
	Shared() *Head
}

// Traffic counts what one direction of a connection carried.
type Traffic struct {
	// Packets counts packets, Bytes their payload bytes on the wire,
	// retransmissions included.
	Packets, Bytes int64
	// Stream counts the distinct stream bytes that were captured.
	Stream int64
	// Missing counts stream bytes that were sent but are not in the capture.
	Missing int64
	// Retransmitted counts payload bytes that had been seen before, OutOfOrder
	// the segments that came late.
	Retransmitted, OutOfOrder int64
	// Conflicts counts bytes that were sent twice with different content.
	Conflicts int64
}

// A Membership is what a host said of a multicast group, by IGMP or MLD.
type Membership struct {
	// Version is the version of the protocol that it spoke last.
	Version uint8
	// Joined is when it was first heard to be a member, Left when it said that it
	// leaves, in nanoseconds since 1970 UTC; zero when it did not.
	Joined, Left int64
	// Reports counts what it said of the group, Queries how often it asked
	// who else is a member.
	Reports, Queries int64
	// Mode says what Sources are: "include" when it wants them alone, "exclude"
	// when it wants all others; "" where that was not said.
	Mode    string
	Sources []netip.Addr
}

// A ConnEnd ("conn") describes one TCP connection, UDP flow or membership of a
// multicast group when it is over.
type ConnEnd struct {
	Head
	// CommunityID is the flow hash of version 1 of the Community ID
	// specification, such as "1:LQU9qZlK+B5F3KDmev6m5PMibrg=".
	CommunityID string
	// Protocol is what the connection carried: "websocket", one of the names of
	// package protocol, the name of a declared framing, or "" when nothing is
	// known.
	Protocol string
	// ServerName is the name that a TLS client asked for, ALPN the protocols that
	// it offered, NextProtocol the one that the server chose, and TLSVersion the
	// version, such as "1.3": as far as that was sent in the clear.
	ServerName   string
	ALPN         []string
	NextProtocol string
	TLSVersion   string
	// Duration is the time from the first to the last packet in nanoseconds.
	Duration int64
	// End is how it ended: "fin", "rst", "open" when the capture ended first,
	// "refused", "unanswered", "reused" when a new connection took its ports,
	// "evicted" when its memory was needed.
	End string
	// EndedBy is the side that sent the first FIN or RST.
	EndedBy Direction
	// Midstream is set when the connection had begun before the capture.
	Midstream bool
	// Client and Server are what each side sent.
	Client, Server Traffic
	// Messages counts WebSocket messages, Undecoded the bytes of WebSocket
	// directions that could not be put into frames.
	Messages, Undecoded int64
	// Framing is the framing that was declared for its port, "" for none. Frames
	// counts the frames, Lost the bytes that could not be put into any.
	Framing      string
	Frames, Lost int64
	// Membership is nil but for memberships of multicast groups.
	Membership *Membership
}

// A Pair is a header field. Value has secrets replaced.
type Pair struct{ Name, Value string }

// A Request is the head of an HTTP request.
type Request struct {
	// Method is empty when no request was seen. Version is "1.1" or "1.0".
	Method, Target, Version string
	// Headers are in the order on the wire, names as they were written.
	Headers []Pair
}

// A Response is the head of an HTTP response and the beginning of its body.
type Response struct {
	Status  int // 0: no response was seen
	Reason  string
	Version string
	Headers []Pair
	// Body is the first bytes of the body, as text; at most 1024.
	Body string
}

// An HTTP ("http") is a request and its response that are no WebSocket
// handshake. The response may be missing.
type HTTP struct {
	Head
	Request  Request
	Response Response
	// Duration is the time from the request to the response's head in
	// nanoseconds; -1 when one of them was not seen.
	Duration int64
}

// A Tri is a bool that may be unknown.
type Tri uint8

// The values of a Tri.
const (
	Unknown Tri = iota
	Yes
	No
)

// A Handshake ("ws_handshake") is a request to open a WebSocket and what came
// back.
type Handshake struct {
	Head
	Request  Request
	Response Response
	// OK says that frames may follow: the answer is 101 and both sides did what
	// RFC 6455 section 4 demands. AcceptOK is Unknown when the request or the
	// Sec-WebSocket-Accept field was not seen.
	OK, AcceptOK Tri
	// URL is what was asked for, such as "ws://chat.example/room".
	URL string
	// Subprotocol is the one that the server chose.
	Subprotocol string
	// Extensions are the names of the extensions that the server chose, and
	// ExtensionParams their whole text.
	Extensions      []string
	ExtensionParams string
	// Duration is the time from the request to the end of the response's head
	// in nanoseconds; -1 when one of them was not seen.
	Duration int64
	Issues   finding.Set
}

// A Frame ("ws_frame") is one WebSocket frame.
type Frame struct {
	Head
	Header websocket.Header
	// Off is the offset of the header in the direction's stream, in bytes
	// from 0 at the first byte after the SYN, or at the first byte captured.
	Off int64
	// Captured counts the payload bytes that are in the capture. It is less
	// than Header.Length where bytes are missing or the stream ended first.
	Captured int64
	// Ended says that the stream ended inside the frame.
	Ended bool
	// Inflated is how many bytes the payload inflated to, 0 when it is not
	// compressed or could not be inflated.
	Inflated int64
	// Subflow is the MPTCP subflow that carried the frame's header, 0 when the
	// connection has only one.
	Subflow int32
	// Payload is the beginning of what the frame says, unmasked and inflated;
	// Text says that it is valid UTF-8 text. More says that there is more.
	Payload    []byte
	Text, More bool
	// RTT is the time from the ping that a pong answers, in nanoseconds; -1
	// when it answers none. It means nothing in other frames.
	RTT    int64
	Issues finding.Set
	// Raw are the bytes of the frame as they were on the wire, if Config.Raw of
	// the engine asks for them.
	Raw []Piece
}

// A Message ("ws_message") is one data message: a frame with FIN, or fragments
// up to one.
type Message struct {
	Head
	Opcode websocket.Opcode
	// Bytes is the length of the message, inflated; Wire that of its frames'
	// payloads. Bytes is -1 when a compressed message could not be inflated.
	Bytes, Wire int64
	// Frames counts its frames.
	Frames int64
	// Compressed says that permessage-deflate applied to it.
	Compressed bool
	// Complete says that Payload and SHA256 stand for the whole message. It is
	// false when bytes are missing, when inflating failed, or a limit was met;
	// then Cause says which.
	Complete bool
	Cause    string
	// SHA256 is the digest of the message, nil when it was not asked for or
	// the message is not complete.
	SHA256 []byte
	// Payload is the message, or its beginning when More is set. Text says that
	// it is valid UTF-8 text.
	Payload    []byte
	Text, More bool
	Issues     finding.Set
}

// A Close ("ws_close") is a close frame, or the end of a session without one.
type Close struct {
	Head
	// Code is the status code: 1005 for a close frame without one, 1006 when
	// the session ended without a close frame. Malformed is set when the frame
	// holds a single byte, or was cut off: then there is no code.
	Code      uint16
	Malformed bool
	Reason    string
	// Clean says that both sides sent a close frame.
	Clean bool
	// EndedBy is the side that sent the first close frame or, without one, the
	// first FIN or RST.
	EndedBy Direction
	Issues  finding.Set
}

// A Packet ("packet") is one captured packet.
type Packet struct {
	Head
	// Length is its length on the wire, Captured what the file holds of it.
	Length, Captured int64
	// Link is the name of its link type, such as "ethernet".
	Link string
	// Protocol is the innermost that was read: "tcp", "udp", "arp", ...
	Protocol            string
	Source, Destination netip.AddrPort
	// Flags are the TCP flags as letters, such as "SYN,ACK".
	Flags    string
	Seq, Ack uint32
	// Payload counts the transport's payload bytes on the wire.
	Payload int64
	// Problem says why the packet could not be read, "" when it could.
	Problem string
}

// Evidence is what a finding rests on.
type Evidence struct {
	// Packet is the number of a packet, 0 for none; Off a stream offset, -1 for
	// none.
	Packet, Off int64
	// Text says what was found and what was expected there.
	Text string
}

// A Finding ("finding") says what is wrong, why, and what would mend it.
type Finding struct {
	Head
	ID       finding.ID
	Evidence []Evidence
}

// A Skip counts packets or bytes that could not be decoded, by cause.
type Skip struct {
	Cause          string
	Packets, Bytes int64
}

// A Left counts the packets of a protocol that is not looked into. Protocol is
// named as in Packet.
type Left struct {
	Protocol       string
	Packets, Bytes int64
}

// A Summary ("summary") counts what one file held, or a whole run if File is
// empty.
type Summary struct {
	Head
	Packets, Bytes          int64
	Connections             int64
	Sessions                int64 // WebSocket sessions: a handshake with 101, or frames
	Failed                  int64 // handshakes that did not open a session
	Frames, Messages        int64
	Declared                int64 // frames of declared framings
	Flows                   int64 // UDP flows
	Memberships             int64 // of hosts in multicast groups
	Missing, Undecoded      int64
	Evicted                 int64 // connections forgotten for want of memory
	Dropped                 int64 // packets that the capture lost, as it says itself
	Truncated               bool
	First, Last             int64 // time of the first and the last packet
	Errors, Warnings, Notes int64
	// Skipped lists what could not be decoded, the most frequent first.
	Skipped []Skip
	// Left lists what could be read and was not looked into, the most frequent
	// first.
	Left []Left
}

// Type returns TypeConn.
func (*ConnEnd) Type() Type { return TypeConn }

// Type returns TypeHTTP.
func (*HTTP) Type() Type { return TypeHTTP }

// Type returns TypeHandshake.
func (*Handshake) Type() Type { return TypeHandshake }

// Type returns TypeFrame.
func (*Frame) Type() Type { return TypeFrame }

// Type returns TypeMessage.
func (*Message) Type() Type { return TypeMessage }

// Type returns TypeClose.
func (*Close) Type() Type { return TypeClose }

// Type returns TypePacket.
func (*Packet) Type() Type { return TypePacket }

// Type returns TypeFinding.
func (*Finding) Type() Type { return TypeFinding }

// Type returns TypeSummary.
func (*Summary) Type() Type { return TypeSummary }
