// Package pcapfilter compiles filter expressions in the language of
// pcap-filter(7) and applies them to packets.
//
// A [Program] is a classic BPF program. The kernel runs it for live captures,
// [Program.Match] runs the same instructions for packets of a file. An
// expression selects the packets that libpcap 1.10.3 selects by it, down to
// those that end inside of a header; what this package does not do is refused
// with an [*Error] that shows the place.
package pcapfilter

import (
	"net/netip"
	"slices"
)

// Live says where the packets of a filter come from.
type Live uint8

const (
	// File: packets as they lie in a capture file, link-layer header first.
	File Live = iota
	// LiveRaw: an AF_PACKET socket of type SOCK_RAW on Linux. The kernel takes
	// the outermost VLAN tag off a packet and keeps it aside. The first "vlan"
	// of an expression finds it there. Tests before that see the packet without
	// its tag: "ip" selects tagged packets, too, as with tcpdump -i, while in a
	// file, where the tag is back in its place, it does not.
	LiveRaw
	// LiveCooked: an AF_PACKET socket of type SOCK_DGRAM on Linux, as for all
	// interfaces at once. The filter sees a packet from its network header on.
	// What the link-layer header of the file would say is asked of the kernel.
	LiveCooked
)

// Config says what packets an expression is for. The zero Config is for
// LINKTYPE_NULL in files.
type Config struct {
	// Link is the LINKTYPE_ number of the packets, as in capture files. For
	// LiveCooked it is that of the file that they would be written to,
	// LINKTYPE_LINUX_SLL (113) or LINKTYPE_LINUX_SLL2 (276).
	Link uint16
	Live Live
	// Snaplen is how many bytes of a packet the kernel keeps. Zero means
	// 262144.
	Snaplen uint32
	// Host finds the addresses of a host name. If it is nil, names of hosts are
	// refused.
	Host func(name string) ([]netip.Addr, error)
	// Services is the text of /etc/services. Names that it does not have are
	// looked up in a table of well-known ones.
	Services string
	// Netmask is the mask of the interface's network, for "ip broadcast". Zero
	// means that it is not known; broadcast is 255.255.255.255 and 0.0.0.0 then.
	Netmask uint32
	// BigEndian says that the capturing machine was one. LINKTYPE_NULL and
	// LINKTYPE_ENC have a field in its byte order.
	BigEndian bool
}

// defaultSnaplen is what tcpdump keeps of a packet.
const defaultSnaplen = 262144

// An Instruction is one of struct sock_filter.
type Instruction struct {
	Op     uint16
	Jt, Jf uint8
	K      uint32
}

// A Program is a compiled expression. It may be used by several goroutines at
// the same time.
type Program struct {
	code  []Instruction
	steps []step
	uses  bool // scratch memory
}

// Compile compiles an expression. An empty one matches every packet. The error
// is an *Error; it wraps ErrTooLong if the expression or its program is too
// long.
func Compile(expr string, c Config) (*Program, error) {
	return build(expr, c, true)
}

func build(expr string, c Config, optimize bool) (*Program, error) {
	if c.Snaplen == 0 {
		c.Snaplen = defaultSnaplen
	}
	code, err := translate(expr, c, optimize)
	if err != nil {
		return nil, err
	}
	p := &Program{code: code}
	p.steps, p.uses = decode(code)
	return p, nil
}

// Match tells whether the program accepts a packet: data is what was captured
// of it, wire its length on the wire in bytes. A test that needs bytes behind
// the end of data rejects the packet, whatever the rest of the expression says.
//
// A program for LiveRaw or LiveCooked rejects what it would have to ask the
// kernel about.
func (p *Program) Match(data []byte, wire uint32) bool {
	return p.run(data, wire, nil) == accepted
}

func (p *Program) run(data []byte, wire uint32, known *outside) outcome {
	if p.uses {
		var mem [memory]uint32
		return run(&p.steps[0], data, wire, &mem, known)
	}
	return run(&p.steps[0], data, wire, nil, known)
}

// Never tells whether the program rejects every packet, whatever it is.
func (p *Program) Never() bool {
	return !slices.ContainsFunc(p.code, func(i Instruction) bool { return i.Op == opRet && i.K != 0 })
}

// Instructions returns the program for SO_ATTACH_FILTER, 4096 instructions at
// most. The slice is the caller's.
func (p *Program) Instructions() []Instruction { return slices.Clone(p.code) }
