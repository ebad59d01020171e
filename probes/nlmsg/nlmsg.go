// Package nlmsg is the form that netlink messages have on the wire (RFC 3549
// section 2.3, linux/netlink.h): headers of messages and attributes, what ends
// an answer, and making requests. It knows no family and opens no socket, and
// builds on every system.
//
// What it reads is cut piece by piece from the start of a datagram, without a
// copy and without memory of its own:
//
//	var m nlmsg.Message
//	for ok := true; ok && len(datagram) > 0; {
//		if datagram, ok = m.Cut(datagram); ok {
//			for typ, value := range nlmsg.Attrs(m.Body[familyHeader:]) {
//				...
//			}
//		}
//	}
//
// Numbers are in the byte order of the host, where a family does not say
// otherwise. Messages and attributes begin at multiples of four bytes.
package nlmsg

import (
	"bytes"
	"encoding/binary"
	"syscall"
)

// Lengths of headers, in bytes.
const (
	HeaderLen = 16 // NLMSG_HDRLEN, struct nlmsghdr
	AttrLen   = 4  // NLA_HDRLEN, struct nlattr
)

// The types of messages that are of no family (NLMSG_).
const (
	TypeNoop    = 1
	TypeError   = 2 // with errno 0 it is an acknowledgement
	TypeDone    = 3 // the end of an answer of several messages
	TypeOverrun = 4 // messages were lost
)

// Flags of messages (NLM_F_).
const (
	FlagRequest  = 0x1
	FlagMulti    = 0x2   // more messages follow, up to TypeDone
	FlagAck      = 0x4   // of a request: TypeError is to answer it in any case
	FlagDumpIntr = 0x10  // what was listed has changed meanwhile
	FlagDump     = 0x300 // of a request: all there are
	FlagCapped   = 0x100 // of TypeError: only the header of the request is repeated
	FlagAckTLVs  = 0x200 // of TypeError and TypeDone: attributes follow
)

// Bits of an attribute's type.
const (
	Nested   = 0x8000 // NLA_F_NESTED: its value is attributes
	TypeMask = 0x3fff // NLA_TYPE_MASK: without this and NLA_F_NET_BYTEORDER
)

const (
	errAttrMsg = 1    // NLMSGERR_ATTR_MSG
	maxErrno   = 4095 // MAX_ERRNO
)

var ne = binary.NativeEndian

// Align returns n, which is not negative, as the next multiple of four.
func Align(n int) int { return (n + 3) &^ 3 }

// A Message is one message.
type Message struct {
	// Len is the length that the header says, the header's own included.
	Len         uint32
	Type, Flags uint16
	Seq         uint32 // that of the request it answers
	Body        []byte // what is behind the header; aliases what it was cut from
}

// Cut reads the message at the start of b into m and returns what follows it. It
// returns nil and false if b is shorter than a header, which leaves m as it was,
// or if Len is not possible, and then there is no Body.
func (m *Message) Cut(b []byte) (rest []byte, ok bool) {
	if len(b) < HeaderLen {
		return nil, false
	}
	n := ne.Uint32(b)
	m.Len = n
	m.Type = ne.Uint16(b[4:])
	m.Flags = ne.Uint16(b[6:])
	m.Seq = ne.Uint32(b[8:])
	if n < HeaderLen || uint64(n) > uint64(len(b)) {
		m.Body = nil
		return nil, false
	}
	m.Body = b[HeaderLen:n]
	return b[min(Align(int(n)), len(b)):], true
}

// Errno reads what a message of TypeError or TypeDone came to: the errno, 0 for
// success, and the kernel's words to it, which are there only if they were asked
// for (NETLINK_EXT_ACK). It returns false if a message of TypeError is too short
// for a number.
func (m *Message) Errno() (errno syscall.Errno, text string, ok bool) {
	if len(m.Body) < 4 {
		// a kernel may leave the number of TypeDone out
		return 0, "", m.Type == TypeDone
	}
	n := int32(ne.Uint32(m.Body))
	if n > 0 || n < -maxErrno {
		n = 0 // dumps end with the length of the last message on old kernels
	}
	errno = syscall.Errno(-n)
	if m.Flags&FlagAckTLVs == 0 {
		return errno, "", true
	}
	b := m.Body[4:]
	if m.Type == TypeError {
		// the request is repeated: its header, and all of it unless capped
		if len(b) < HeaderLen {
			return errno, "", true
		}
		skip := HeaderLen
		if m.Flags&FlagCapped == 0 {
			skip = max(int(min(ne.Uint32(b), 1<<20)), HeaderLen)
		}
		b = b[min(Align(skip), len(b)):]
	}
	return errno, string(bytes.TrimRight(String(Find(b, errAttrMsg)), "\n")), true
}
