package flow

import (
	"errors"
	"time"

	"framescope/decode/framing"
	"framescope/decode/record"
)

// A Packet is one captured packet.
type Packet struct {
	// Data is what was captured of it. It must stay unchanged until the engine
	// has released it (Engine.Flush).
	Data []byte
	// Time is when it was captured, in nanoseconds since 1970 UTC.
	Time int64
	// Number counts the packets of the capture, from 1.
	Number int64
	// Off is where the packet is in its file, in bytes.
	Off int64
	// Wire is its length on the wire, at least len(Data).
	Wire uint32
	// Link is its link type, a LINKTYPE_ number.
	Link uint16
	// Interface is the number of the interface that captured it.
	Interface uint16
}

// A Framing is what the connections of a TCP port carry.
type Framing struct {
	Port    uint16 // of the server
	Framing *framing.Framing
	// From is the side whose bytes it cuts; Either stands for both.
	From framing.Direction
}

// An Encoder turns records into bytes. It is used by one goroutine.
type Encoder interface {
	// Encode appends r to dst and returns the result. It keeps neither.
	Encode(dst []byte, r record.Record) []byte
}

// An Item is a record as its Encoder wrote it. Data is valid during the call of
// Config.Output.
type Item struct {
	// Conn is the number of the record's connection, 0 for none.
	Conn int64
	Type record.Type
	Data []byte
}

// Shards is into how many parts the connections are divided. It is fixed, so
// that what fits into memory does not depend on the machine.
const Shards = 4

// Ahead is how many runs of packets, from one Flush to the next, are on their
// way through an engine at most.
const Ahead = 3

// ErrMemory says that the memory in which packets were could not be read any
// more: a mapped file became shorter.
var ErrMemory = errors.New("packets cannot be read any more: the file changed while it was read")

// A Config says what an Engine is to do. The zero values of its limits stand
// for the defaults that are named beside them.
type Config struct {
	// File is the capture's name as records give it.
	File string
	// FirstConn is the number of the first connection, from 1; zero means 1.
	FirstConn int64
	// FirstFlow and FirstMembership are the same for UDP flows, and for
	// memberships of multicast groups.
	FirstFlow, FirstMembership int64
	// Want is the set of records to give out.
	Want record.Set
	// Match, if not nil, says whether a record is to be given out. It is
	// called by several goroutines.
	Match func(record.Record) bool
	// Encoder makes the Encoder of a shard; Output receives what the Encoders
	// wrote, in the order of the packets, in one goroutine. The first error it
	// returns stops the output and is returned by Close.
	Encoder func() Encoder
	Output  func(*Item) error
	// Redact replaces secrets; nil means that they are shown.
	Redact *record.Redactor

	// Preview is how many bytes of a payload frames and messages show; zero
	// means none. Full shows messages whole, up to MaxMessage. Digest asks for
	// the SHA-256 of messages.
	Preview int
	Full    bool
	Digest  bool

	// DecodeAs names TCP ports whose connections are WebSocket even where no
	// handshake says so.
	DecodeAs []uint16
	// Framings are declared for TCP ports: their connections give frame records,
	// whatever else their bytes look like.
	Framings []Framing
	// Raw is how many bytes of a frame its record has as they were on the wire;
	// zero means none.
	Raw int

	magics []*framing.Framing // what is recognised by a magic
	// Lasting says that the bytes of all packets stay as they are, and can be
	// read, until Close returns, as those of a mapped file: then they are
	// referred to where they would have to be copied.
	Lasting bool
	// Linger is how long a closed connection waits for packets that the capture
	// put behind its end (2 s).
	Linger time.Duration
	// KeepLast keeps the last of overlapping bytes that disagree, instead of
	// the first.
	KeepLast bool

	// MaxMemory bounds the memory of the process in bytes (384 MiB), 22 MiB of
	// which are for the program itself; at least 64 MiB make sense.
	MaxMemory int64
	// Step, if not nil, is called by each goroutine that takes packets or decodes
	// them, before every few of them. It may wait until there is memory again.
	Step func()
	// MaxMessage is how many bytes of a message are kept (16 MiB), MaxInflate
	// how many one may inflate to (256 MiB).
	MaxMessage, MaxInflate int64
	// MaxStream is how many bytes of one direction of a connection are kept
	// while earlier ones are missing (16 MiB).
	MaxStream int

	// Join allows Output to get many records in one Item, whose Conn and Type
	// then mean nothing.
	Join bool

	// Workers is how many goroutines decode, besides the caller's, up to
	// Shards; zero means one for each further core. With none, as on a single
	// core or when it is negative, Flush does all work before it returns.
	Workers int
}
