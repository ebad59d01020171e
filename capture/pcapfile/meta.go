package pcapfile

import (
	"cmp"
	"net/netip"
	"slices"
)

// An Interface is what a capture says about where packets were captured. A
// pcap file has one for the whole file. Text is as in the file: it may hold
// anything.
type Interface struct {
	Name        string
	Description string
	Hardware    string
	OS          string
	// Filter is the capture filter in the language of libpcap.
	Filter string
	// Link is the LINKTYPE_ number of its packets.
	Link uint16
	// SnapLen is how many bytes of a packet were captured at most; zero means
	// no limit. Some captures exceed it.
	SnapLen uint32
	// Resolution is the unit of its timestamps as in if_tsresol: 6 for
	// microseconds, 9 for nanoseconds; with the most significant bit set the
	// exponent of a negative power of two.
	Resolution uint8
	// Offset is what is added to its timestamps, in seconds. It is part of
	// Packet.Time.
	Offset int64
	// FCS is the length in bytes of the frame check sequence at the end of
	// each packet, -1 when the capture does not say.
	FCS int
	// Speed is in bits per second, zero when unknown.
	Speed uint64
	// Received and Dropped count the packets that the interface received, and
	// those that it dropped for want of resources; SystemDropped those that
	// the system dropped. They are -1 when the capture does not say, or does
	// not say yet.
	Received, Dropped, SystemDropped int64
}

// A Section describes the program and the machine that captured the packets of
// a section of a pcapng file.
type Section struct {
	Hardware    string
	OS          string
	Application string
	BigEndian   bool
	// Interface is the index of its first interface.
	Interface int
}

// Types of secrets.
const (
	SecretTLS       = 0x544c534b // the key log of a TLS library
	SecretSSH       = 0x5353484b
	SecretWireGuard = 0x57474b4c
)

// A Secret is what a pcapng file holds for the decryption of its packets.
type Secret struct {
	// Type is one of the constants above, or another one.
	Type uint32
	// Data is the secret, in the form that Type says. It must not be changed.
	Data []byte
	// Cut says that there was more of it than Config.MaxSecrets allowed; a key
	// log is cut behind a line.
	Cut bool
}

// A Name is a name for an address that was known to the capturing program.
type Name struct {
	Addr netip.Addr
	Name string
}

// A Comment is what somebody noted in a pcapng file.
type Comment struct {
	// Packet is the number of the packet that it is about; zero means a
	// section, an interface or another block.
	Packet int64
	Text   string
}

// A BlockCount counts pcapng blocks that were stepped over.
type BlockCount struct {
	// Type is the block type. The types beyond the first 256 are counted as
	// type 0xffffffff.
	Type uint32
	// Name is what is known of the type, such as "custom".
	Name string
	// Blocks and Bytes count the blocks and their total length.
	Blocks, Bytes int64
}

// Stats counts what is unusual in a capture and not worth an error. All are
// zero for an ordinary one.
type Stats struct {
	// BadOptions counts blocks with options that could not be read, BadBlocks
	// such blocks with names, statistics or secrets.
	BadOptions, BadBlocks int64
	// BadTimes counts packets whose time is out of the range of Packet.Time.
	BadTimes int64
	// LostText counts comments, names and descriptions that were not kept
	// because of Config.MaxText, LostSecrets secrets that were not kept, or
	// cut, because of Config.MaxSecrets.
	LostText, LostSecrets int64
}

// Interfaces returns the interfaces known so far, those of all sections. A
// packet's interface is known when Read returns it.
func (r *Reader) Interfaces() []Interface {
	r.mu.Lock()
	defer r.mu.Unlock()
	return slices.Clone(r.meta.interfaces)
}

// Sections returns the sections of a pcapng file that were read so far.
func (r *Reader) Sections() []Section {
	r.mu.Lock()
	defer r.mu.Unlock()
	return slices.Clip(r.meta.sections)
}

// Secrets returns the decryption secrets that were read so far. They may be
// anywhere in a file, but what they decrypt comes behind them.
func (r *Reader) Secrets() []Secret {
	r.mu.Lock()
	defer r.mu.Unlock()
	return slices.Clip(r.meta.secrets)
}

// Names returns the names for addresses that were read so far.
func (r *Reader) Names() []Name {
	r.mu.Lock()
	defer r.mu.Unlock()
	return slices.Clip(r.meta.names)
}

// Comments returns the comments that were read so far.
func (r *Reader) Comments() []Comment {
	r.mu.Lock()
	defer r.mu.Unlock()
	return slices.Clip(r.meta.comments)
}

// Blocks returns counts of the blocks that were stepped over so far, by type.
func (r *Reader) Blocks() []BlockCount {
	r.mu.Lock()
	defer r.mu.Unlock()
	var s []BlockCount
	for _, b := range r.meta.blocks {
		s = append(s, *b)
	}
	slices.SortFunc(s, func(a, b BlockCount) int { return cmp.Compare(a.Type, b.Type) })
	return s
}

// Stats returns counts of what was unusual so far.
func (r *Reader) Stats() Stats {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.meta.stats
}
