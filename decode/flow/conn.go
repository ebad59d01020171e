package flow

import (
	"net/netip"

	"framescope/decode"
	"framescope/decode/finding"
	"framescope/decode/framing"
	"framescope/decode/http1"
	"framescope/decode/packet"
	"framescope/decode/protocol"
	"framescope/decode/record"
	"framescope/decode/stream"
	"framescope/decode/websocket"
)

// An ending is why a connection is over.
type ending uint8

const (
	endOpen    ending = iota // the capture ended first
	endClosed                // FIN from both sides, or RST, and quiet since
	endReused                // a new connection took its addresses and ports
	endEvicted               // its memory was needed
)

// A conn is one TCP connection. Until it is handed to its shard with its first
// item it belongs to the engine's goroutine, afterwards to the shard's.
type conn struct {
	// What every segment needs comes first, in one cache line.
	last       int64 // time of the last packet
	lastPacket int64
	packets    [2]int64
	ws         *session
	http       *exchanges
	rec        *record.Conn // nil until the first record
	client     uint8        // the end that is the client, 0 or 1
	over       bool
	quiet      bool // both streams have come to their end
	midstream  bool // the first packet was no SYN
	decodeAs   bool // the user says that it is WebSocket
	cut        bool // packets were cut short when they were captured
	reset      bool
	looking    bool  // its protocol has no name yet, but may get one
	seen       uint8 // runs of bytes that were looked at
	closer     int8  // 1 + the end that sent the first FIN or RST

	half [2]half

	id      int64
	start   int64
	proto   string
	name    string // of the protocol, as the first bytes tell; proto is what was decoded
	look    *look
	tls     *protocol.Session
	framing *framing.Framing // that was declared for the port, or nil
	addr    [2]packet.Addr   // of the two ends, in the order of the key
	port    [2]uint16
	shard   uint8
	synced  [2]bool
	syns    int32
	events  int
	closeAt decode.Origin  // the first FIN or RST
	cutAt   decode.Origin  // the first packet that was cut short
	found   [3]finding.Set // given out, by record.Direction
	mem     int64          // counted in the shard
	place   int            // in shard.heavy, 1 + index
}

// A mode is what the bytes of one direction are taken for.
type mode uint8

const (
	modeHead   mode = iota // an HTTP head is expected
	modeBody               // an HTTP body
	modeHold               // bytes behind a request that may change the protocol
	modeFrames             // WebSocket, or the search for it
	modeIgnore             // something that is not decoded
	modeUnits              // frames of a declared framing
)

// A half is one direction of a connection.
type half struct {
	tcp     stream.TCP
	mode    mode
	settled bool  // it is known where the direction begins
	lost    bool  // bytes are missing where a head was expected
	placed  bool  // a head was read: it is known where the next thing begins
	fed     bool  // any stream byte came
	ended   bool  // the end of the stream was passed on
	fresh   bool  // side has seen nothing yet
	off     int64 // stream offset of the byte at work
	tried   int64 // 1 + stream offset of what was taken for another request last
	wait    *wait // nil until something has to wait
	side    *websocket.Side
	units   *units // of a declared framing
	tape    *tape  // of side, where raw bytes are wanted
}

// A wait is what a direction holds until it carries frames.
type wait struct {
	early []early // segments that came before it was known where the direction begins
	kept  kept
	body  http1.Body
	alien *alien // what came instead of HTTP
}

// waits returns what the direction holds, for use where it is going to hold
// something.
func (h *half) waits() *wait {
	if h.wait == nil {
		h.wait = new(wait)
	}
	return h.wait
}

// begins returns the stream offset of the first byte that waits, or of the next
// one.
func (h *half) begins() int64 {
	if h.wait == nil {
		return h.off
	}
	return h.wait.kept.begin(h.off)
}

// keeps reports whether bytes wait.
func (h *half) keeps() bool { return h.wait != nil && len(h.wait.kept.data) > 0 }

// kept are bytes that wait: a head in pieces, or what follows an upgrade
// request.
type kept struct {
	data  []byte
	marks []mark
	off   int64 // stream offset of the first byte or gap
	seen  int   // bytes that were searched for the end of a head
}

// A mark says where a run of kept bytes came from.
type mark struct {
	end    int
	gap    int64 // missing bytes in front of the run
	start  bool
	origin decode.Origin
}

func (k *kept) add(b []byte, start bool, o decode.Origin, off int64) {
	if len(k.marks) == 0 {
		k.off = off
	}
	k.data = append(k.data, b...)
	k.marks = append(k.marks, mark{end: len(k.data), start: start, origin: o})
}

func (k *kept) gap(n int64, o decode.Origin, off int64) {
	if len(k.marks) == 0 {
		k.off = off
	} else if last := &k.marks[len(k.marks)-1]; last.gap > 0 && last.end == len(k.data) {
		last.gap += n
		return
	}
	k.marks = append(k.marks, mark{end: len(k.data), gap: n, origin: o})
}

// begin returns the stream offset of the first byte that is kept, or off.
func (k *kept) begin(off int64) int64 {
	if len(k.marks) > 0 {
		return k.off
	}
	return off
}

// first returns the origin of the first kept byte, or o when none is kept.
func (k *kept) first(o decode.Origin) decode.Origin {
	if len(k.marks) > 0 {
		return k.marks[0].origin
	}
	return o
}

// size returns the memory of k in bytes.
func (k *kept) size() int64 { return int64(cap(k.data)) + int64(cap(k.marks))*56 }

// direction returns the side that end dir is.
func (c *conn) direction(dir uint8) record.Direction {
	if dir == c.client {
		return record.Client
	}
	return record.Server
}

func (c *conn) endpoint(dir uint8) netip.AddrPort {
	return endpoint(c.addr[dir], c.port[dir])
}

func endpoint(a packet.Addr, port uint16) netip.AddrPort { return netip.AddrPortFrom(a.Netip(), port) }

// identify fixes which side is the client, and returns what records say of the
// connection.
func (c *conn) identify(file string) *record.Conn {
	if c.rec == nil {
		c.rec = &record.Conn{
			ID: c.id, File: file, Start: c.start,
			Source: c.endpoint(c.client), Destination: c.endpoint(1 - c.client),
		}
		c.rec.Prepare()
	}
	return c.rec
}

// turn makes end dir the client, if nothing was said of the connection yet and
// no SYN says otherwise.
func (c *conn) turn(dir uint8) bool {
	if c.client == dir {
		return true
	}
	if c.rec != nil || !c.midstream {
		return false
	}
	c.client = dir
	return true
}

// lastSeen is the last packet of the connection.
func (c *conn) lastSeen() decode.Origin { return decode.Origin{Packet: c.lastPacket, Time: c.last} }

// closed reports whether end dir has closed its direction.
func (c *conn) closed(dir uint8) bool {
	return c.half[dir].fin() || c.half[dir].tcp.RST()
}
