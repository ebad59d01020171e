// Package ring captures packets live, on linux: from one network interface,
// several of them, or all, in any network namespace.
//
// Each interface has a socket of family AF_PACKET with a ring of blocks that
// the kernel fills (TPACKET_V3, see packet_mmap in the kernel's documentation).
// Packets are not copied: a Batch refers to the ring, and its blocks go back to
// the kernel when it is released.
package ring

import (
	"errors"
	"os"
	"time"

	"framescope/capture/pcapfile"
	"framescope/capture/pcapfilter"
)

// ErrNotSupported is the cause of every error on systems other than linux.
var ErrNotSupported = errors.New("live capture works on linux only")

// ErrNoInterface: there is no interface of that name.
var ErrNoInterface = errors.New("there is no such interface")

// Any is the name that stands for all interfaces, as they come and go.
const Any = "any"

// Limits of Config.Buffer, for each interface.
const (
	DefaultBuffer = 32 << 20
	MinBuffer     = 2 << 20
	MaxBuffer     = 1 << 30
)

// DefaultSnapLen is the most that is captured of a packet: more than any has.
const DefaultSnapLen = 1 << 18

// A Socket says which of the two views a filter has of the packets of an
// interface.
type Socket uint8

const (
	// Raw: packets begin with their link-layer header.
	Raw Socket = iota
	// Cooked: packets begin with their network-layer header, and what the link
	// layer says comes from the kernel. In the capture they have the header of
	// LINKTYPE_LINUX_SLL2.
	Cooked
)

// A Config says what to capture. Its zero values stand for the defaults that
// are named beside them.
type Config struct {
	// Interfaces are names of interfaces, or Any alone.
	Interfaces []string
	// Filter returns the program of the capture filter for a link type, a
	// LINKTYPE_ number. nil, or a program without instructions, takes
	// everything. A program's results are taken for "yes" and "no" only:
	// SnapLen says how much is captured.
	Filter func(link uint16, s Socket) ([]pcapfilter.Instruction, error)
	// FilterText is the filter as it is written into captures.
	FilterText string
	// SnapLen is how many bytes are captured of a packet (DefaultSnapLen).
	SnapLen uint32
	// Buffer is the size of the ring of each interface in bytes, from MinBuffer
	// to MaxBuffer (DefaultBuffer). Where the kernel has not that much, it is
	// less: see Source.Buffer.
	Buffer int
	// Delay is how long the kernel may hold a packet back for others to come,
	// from 1 ms (4 ms). Twice as long is possible.
	Delay time.Duration
	// Promiscuous captures what is for other hosts, too.
	Promiscuous bool
	// Namespace is the network namespace of the interfaces; nil is that of the
	// caller. It is used by Open only.
	Namespace *os.File
}

// An Error says on which interface something did not work. It wraps
// ErrNoInterface, ErrNotSupported or the error of the system.
type Error struct {
	// Interface is its name, or "".
	Interface string
	// Op is what was tried, in the words of the manual: "socket", "bind".
	Op  string
	Err error
}

// Error returns "interface: op: cause".
func (e *Error) Error() string {
	s := ""
	if e.Interface != "" {
		s = e.Interface + ": "
	}
	if e.Op != "" {
		s += e.Op + ": "
	}
	return s + e.Err.Error()
}

// Unwrap returns e.Err.
func (e *Error) Unwrap() error { return e.Err }

// Stats counts the packets of one interface since it was opened.
type Stats struct {
	// Received is how many packets passed the filter, Dropped how many of them
	// were lost because the ring was full.
	Received, Dropped int64
	// Full is how often the ring became full.
	Full int64
}

// A Batch holds packets of a Source. The zero Batch is ready to use.
type Batch struct {
	// Packets are those of the last Read, in the order of their times. Their
	// data are the ring itself: they are valid until Release, and may be read
	// by any goroutine.
	Packets []pcapfile.Packet

	blocks []*block
}
