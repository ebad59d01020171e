package sockdiag

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"syscall"

	"framescope/decode"
)

// linux/netlink.h
const (
	headerLen = 16
	attrLen   = 4

	typeNoop    = 1 // NLMSG_NOOP
	typeError   = 2
	typeDone    = 3
	typeOverrun = 4

	flagRequest  = 0x1 // NLM_F_REQUEST
	flagAck      = 0x4
	flagDumpIntr = 0x10
	flagDump     = 0x300
	flagCapped   = 0x100 // in an error: the request is not repeated
	flagAckTLVs  = 0x200

	attrTypeMask = 0x3fff // NLA_TYPE_MASK
	errAttrMsg   = 1      // NLMSGERR_ATTR_MSG
)

// linux/sock_diag.h, linux/inet_diag.h
const (
	getTCP        = 18 // TCPDIAG_GETSOCK
	getDCCP       = 19 // DCCPDIAG_GETSOCK
	getByFamily   = 20 // SOCK_DIAG_BY_FAMILY
	destroySocket = 21 // SOCK_DESTROY
)

var ne = binary.NativeEndian

func align(n int) int { return (n + 3) &^ 3 }

// A message is one netlink message; body aliases what it was cut from.
type message struct {
	typ, flags uint16
	seq        uint32
	body       []byte
}

// cut reads the message at the start of b into m and returns what follows it.
// What is wrong with it, it says with offsets from the start of b.
func (m *message) cut(b []byte) ([]byte, error) {
	if len(b) < headerLen {
		return nil, malformed(0, "header", "%d of %d bytes are there", len(b), headerLen)
	}
	n := ne.Uint32(b)
	if n < headerLen || uint64(n) > uint64(len(b)) {
		return nil, malformed(0, "length", "%d, of a message in %d bytes", n, len(b))
	}
	m.typ = ne.Uint16(b[4:])
	m.flags = ne.Uint16(b[6:])
	m.seq = ne.Uint32(b[8:])
	m.body = b[headerLen:n]
	return b[min(align(int(n)), len(b)):], nil
}

// errno reads the number at the start of an NLMSG_ERROR or NLMSG_DONE, and the
// kernel's words behind it (NETLINK_EXT_ACK).
func (m *message) errno() (syscall.Errno, string, error) {
	if len(m.body) < 4 {
		if m.typ == typeDone {
			return 0, "", nil // a kernel may leave the number out
		}
		return 0, "", malformed(headerLen, "error", "%d of 4 bytes are there", len(m.body))
	}
	n := int32(ne.Uint32(m.body))
	if n > 0 || n < -4095 {
		n = 0 // dumps end with the length of the last message on old kernels
	}
	errno := syscall.Errno(-n)
	if m.flags&flagAckTLVs == 0 {
		return errno, "", nil
	}
	b := m.body[4:]
	if m.typ == typeError {
		// the request is repeated: its header, and all of it unless capped
		if len(b) < headerLen {
			return errno, "", nil
		}
		skip := headerLen
		if m.flags&flagCapped == 0 {
			skip = max(int(min(ne.Uint32(b), 1<<20)), headerLen)
		}
		b = b[min(align(skip), len(b)):]
	}
	var text string
	for typ, v := range attributes(b) {
		if typ == errAttrMsg {
			text = string(cString(v))
		}
	}
	return errno, text, nil
}

// attributes yields types and values up to the end of b or the first attribute
// that is cut.
func attributes(b []byte) func(yield func(uint16, []byte) bool) {
	return func(yield func(uint16, []byte) bool) {
		for len(b) >= attrLen {
			n := int(ne.Uint16(b))
			if n < attrLen || n > len(b) || !yield(ne.Uint16(b[2:])&attrTypeMask, b[attrLen:n]) {
				return
			}
			b = b[min(align(n), len(b)):]
		}
	}
}

// cString returns b up to its first zero byte.
func cString(b []byte) []byte {
	if i := bytes.IndexByte(b, 0); i >= 0 {
		return b[:i]
	}
	return b
}

// appendAttr appends an attribute to a request.
func appendAttr(b []byte, typ uint16, v []byte) []byte {
	b = ne.AppendUint16(b, uint16(attrLen+len(v)))
	b = ne.AppendUint16(b, typ)
	b = append(b, v...)
	for len(b)%4 != 0 {
		b = append(b, 0)
	}
	return b
}

func malformed(off int, field, format string, args ...any) error {
	return &decode.Error{Layer: "netlink", Off: int64(off), Field: field, Err: fmt.Errorf(format, args...)}
}

var errShort = errors.New("message ends too early")
