// Package stream puts the bytes of a sequence space in order: what comes in as
// segments, reordered, repeated, overlapping or lost, goes out as pieces, each
// either bytes in their order or a gap of known size and cause.
//
// Assembler works on 64-bit offsets and knows nothing of TCP; TCP is one
// direction of a connection on top of it. Bytes that come in order pass through
// without a copy. All else is bounded: per stream by Limits, together by a
// Budget.
package stream

import (
	"time"

	"framescope/decode"
)

// A Kind says what a Piece is.
type Kind uint8

// The kinds of pieces. Data, Gap and Urgent pieces follow each other without a
// hole and without overlap, in the order of their offsets. A Conflict stands
// outside of that order: it tells of bytes before or after it.
const (
	// Data is a run of stream bytes.
	Data Kind = iota
	// Gap is a run of stream bytes that will not come.
	Gap
	// Urgent is a byte that was sent out of band: it takes a place in the
	// sequence space, and the application does not find it in the stream.
	Urgent
	// Conflict says that bytes came twice, and differed.
	Conflict
)

// String returns the kind's name.
func (k Kind) String() string { return name(k, "data", "gap", "urgent", "conflict") }

// A Cause says why a gap was given up.
type Cause uint8

// The causes of gaps.
const (
	// NoCause is the cause of pieces that are no gaps.
	NoCause Cause = iota
	// Acknowledged: the peer has the bytes, the capture does not.
	Acknowledged
	// Limited: a limit or the Budget left no room to wait for the bytes.
	Limited
	// Ended: the stream ended, or the capture did, before the bytes came.
	Ended
	// Cut: the packet was captured, but not to its end (snaplen).
	Cut
	// Expired: the bytes did not come within Config.Patience.
	Expired
)

// String returns the cause in a few words, such as "cut by the snapshot length".
func (c Cause) String() string {
	return name(c, "none", "acknowledged but not captured", "over the limit", "stream ended",
		"cut by the snapshot length", "not seen in time")
}

func name[T ~uint8](v T, names ...string) string {
	if int(v) < len(names) {
		return names[v]
	}
	return "unknown"
}

// A Piece is what Next returns.
type Piece struct {
	Kind Kind
	// Why is the cause of a Gap.
	Why Cause
	// Start says that Data begins where the payload of a segment began on the
	// wire.
	Start bool
	// Off is the stream offset of the piece's first byte, Len its length in
	// bytes. A Conflict reaches from the first byte that differs to the last;
	// bytes between them may agree.
	Off, Len int64
	// Data holds the bytes of a Data or Urgent piece. It aliases the input when
	// that came in order, memory of the assembler otherwise, and is valid until
	// the next call of a method of the stream.
	Data []byte
	// Origin is the packet that brought the bytes. For a Gap it is the packet
	// that was cut, or the one that shows that bytes are missing; for a
	// Conflict the later of the two.
	Origin decode.Origin
	// Earlier is the number of the packet that brought the bytes of a Conflict
	// first, or zero when it is not known any more.
	Earlier int64
}

// Limits bound what one stream keeps.
type Limits struct {
	// Bytes bounds the memory for data that came before its turn, overhead
	// included; zero means 4 MiB. Pieces bounds the number of its pieces; zero
	// means 4096, what 4 MiB of Ethernet segments need.
	//
	// Where a limit is met, the oldest hole is given up.
	Bytes, Pieces int
	// History is how many of the bytes that were last handed out are kept, to
	// notice when they come again and differ: rounded up to a power of two from
	// 512 bytes to 32 KiB. Zero means 16 KiB, a negative number none. It grows
	// with the stream, ends at a gap, and is the first thing to be given up when
	// the Budget is short. Older disagreement is not noticed.
	History int
}

// An Overlap says which bytes count where segments disagree.
type Overlap uint8

const (
	// First keeps the bytes that came first: what most systems do, and what lets
	// bytes be handed out as soon as they come.
	First Overlap = iota
	// Last keeps the bytes that came last. Bytes are copied, and handed out only
	// when the peer has acknowledged them, a limit is met, Config.Patience is
	// over, or the stream ends. A piece that was replaced in part keeps the
	// Origin of the earlier packet.
	Last
)

// A Config says how streams are put together. It is shared by many and must
// not be changed while they use it. The zero Config holds the defaults.
type Config struct {
	Limits  Limits
	Overlap Overlap
	// InlineUrgent leaves urgent bytes in the stream. By default they are taken
	// out of it, as Linux and BSD do: see TCP.
	InlineUrgent bool
	// A hole is given up when the peer has acknowledged the bytes in it, and
	// after that either GraceSegments further segments of the connection were
	// seen, or half as many and Grace has passed in capture time; it may take up
	// to twice as long where several holes follow each other. A capture may have
	// its packets in the wrong order, and then their times mislead too. Zero
	// means 200 ms and 64 segments.
	Grace         time.Duration
	GraceSegments int
	// Patience is how long data waits for a hole that nobody acknowledged, in
	// capture time; zero means 60 s.
	Patience time.Duration
}

// Distances in the sequence space, in bytes.
const (
	// A TCP window is at most 1 GiB (RFC 7323 section 2.3): what is further
	// away from all that is known belongs to something else.
	reach = 1 << 30
	// A single packet that claims to be further ahead than this is not believed
	// without a second one: one damaged or forged packet must not turn into a
	// giant gap.
	leap = 16 << 20
)

func or[T int | int64 | time.Duration](v, def T) int64 {
	if v == 0 {
		return int64(def)
	}
	return int64(v)
}

func (c *Config) maxBytes() int64 {
	if c == nil {
		return 4 << 20
	}
	return or(c.Limits.Bytes, 4<<20)
}

func (c *Config) maxPieces() int {
	if c == nil {
		return 4096
	}
	return int(or(c.Limits.Pieces, 4096))
}

func (c *Config) maxHistory() int {
	if c == nil {
		return 16 << 10
	}
	return int(or(c.Limits.History, 16<<10))
}

func (c *Config) grace() (nanoseconds int64, segments int) {
	if c == nil {
		return int64(200 * time.Millisecond), 64
	}
	return or(c.Grace, 200*time.Millisecond), int(or(c.GraceSegments, 64))
}

func (c *Config) patience() int64 {
	if c == nil {
		return int64(time.Minute)
	}
	return or(c.Patience, time.Minute)
}

// Stats count what a stream was made of.
type Stats struct {
	// Packets counts packets with payload, Bytes their payload on the wire.
	Packets, Bytes int64
	// Delivered counts the stream bytes that were handed out, Missing those that
	// are not in the capture.
	Delivered, Missing int64
	// Retransmitted counts payload bytes that had come before, Late those whose
	// place had been given up as a gap.
	Retransmitted, Late int64
	// OutOfOrder counts packets that brought bytes after later ones had come.
	OutOfOrder int64
	// Conflicts counts bytes that came again with another value.
	Conflicts int64
	// OutOfWindow counts packets too far from everything known to belong to
	// the stream.
	OutOfWindow int64
	// KeepAlives counts keep-alive probes, Urgent the bytes sent out of band,
	// BeyondFIN payload bytes after the end that a FIN declared, Reset those in
	// RST segments, which are no stream bytes (RFC 9293 section 3.5.3).
	KeepAlives, Urgent, BeyondFIN, Reset int64
}
