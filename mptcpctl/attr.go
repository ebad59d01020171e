package mptcpctl

import (
	"encoding/binary"
	"fmt"
	"net/netip"
	"strings"
	"syscall"
)

// Netlink attributes: length and type as 16-bit numbers of the host, then the
// value, padded to four bytes.
const (
	attrHeader = 4
	nested     = 0x8000 // NLA_F_NESTED
	typeMask   = 0x3fff // without NLA_F_NESTED and NLA_F_NET_BYTEORDER
)

// Top attributes of requests and replies (MPTCP_PM_ATTR_*).
const (
	attrAddr        = 1
	attrRcvAddAddrs = 2
	attrSubflows    = 3
	attrToken       = 4
	attrLocID       = 5
	attrAddrRemote  = 6
)

// Attributes of an address (MPTCP_PM_ADDR_ATTR_*).
const (
	addrFamily = 1
	addrID     = 2
	addrAddr4  = 3
	addrAddr6  = 4
	addrPort   = 5
	addrFlags  = 6
	addrIfIdx  = 7
)

// Flags of messages, and attributes of errors (NLMSGERR_ATTR_*).
const (
	flagCapped  = 0x100 // NLM_F_CAPPED: only the header of the request follows
	flagAckTLVs = 0x200 // NLM_F_ACK_TLVS: attributes follow
	errorMsg    = 1
)

// Address families as Linux numbers them, whatever system this runs on.
const (
	afInet  = 2
	afInet6 = 10
)

func align(n int) int { return (n + 3) &^ 3 }

func appendAttr(b []byte, typ uint16, value ...byte) []byte {
	b = binary.NativeEndian.AppendUint16(b, uint16(attrHeader+len(value)))
	b = binary.NativeEndian.AppendUint16(b, typ)
	b = append(b, value...)
	for len(b)%4 != 0 {
		b = append(b, 0)
	}
	return b
}

func appendUint16(b []byte, typ, v uint16) []byte {
	return appendAttr(b, typ, binary.NativeEndian.AppendUint16(nil, v)...)
}

func appendUint32(b []byte, typ uint16, v uint32) []byte {
	return appendAttr(b, typ, binary.NativeEndian.AppendUint32(nil, v)...)
}

// appendIP appends the family and the address.
func appendIP(b []byte, a netip.Addr) []byte {
	if a.Is4() {
		v := a.As4()
		return appendAttr(appendUint16(b, addrFamily, afInet), addrAddr4, v[:]...)
	}
	v := a.As16()
	return appendAttr(appendUint16(b, addrFamily, afInet6), addrAddr6, v[:]...)
}

// attributes calls f for each attribute in b, in order, with the flag bits of
// its type taken off: the kernel answers with 0x8001 where it was asked with 1.
// It ends with f's error, or one that says where b is broken.
func attributes(b []byte, f func(typ uint16, v value) error) error {
	for off := 0; len(b)-off >= attrHeader; {
		n := int(binary.NativeEndian.Uint16(b[off:]))
		typ := binary.NativeEndian.Uint16(b[off+2:]) & typeMask
		if n < attrHeader || n > len(b)-off {
			return fmt.Errorf("netlink attribute %d at offset %d: length %d, and there are %d bytes", typ, off, n, len(b)-off)
		}
		if err := f(typ, value{b: b[off+attrHeader : off+n], typ: typ}); err != nil {
			return err
		}
		off += align(n)
	}
	return nil
}

// A value is what an attribute holds.
type value struct {
	b   []byte
	typ uint16
}

func (v value) size(n int) error {
	if len(v.b) < n {
		return fmt.Errorf("netlink attribute %d: %d bytes, expected %d", v.typ, len(v.b), n)
	}
	return nil
}

func (v value) uint8(to *uint8) error {
	err := v.size(1)
	if err == nil {
		*to = v.b[0]
	}
	return err
}

func (v value) uint16(to *uint16) error {
	err := v.size(2)
	if err == nil {
		*to = binary.NativeEndian.Uint16(v.b)
	}
	return err
}

// port reads a 16-bit number in network byte order.
func (v value) port(to *uint16) error {
	err := v.size(2)
	if err == nil {
		*to = binary.BigEndian.Uint16(v.b)
	}
	return err
}

func (v value) uint32(to *uint32) error {
	err := v.size(4)
	if err == nil {
		*to = binary.NativeEndian.Uint32(v.b)
	}
	return err
}

// ip reads an address of four or sixteen bytes.
func (v value) ip(n int, to *netip.Addr) error {
	if err := v.size(n); err != nil {
		return err
	}
	*to, _ = netip.AddrFromSlice(v.b[:n])
	return nil
}

// A kernelError is an errno and what the kernel says to it.
type kernelError struct {
	errno syscall.Errno
	msg   string
}

func (e *kernelError) Error() string { return e.msg + ": " + e.errno.Error() }
func (e *kernelError) Unwrap() error { return e.errno }

// decodeEnd reads what ends an exchange: NLMSG_ERROR, which repeats the request
// behind the errno, or NLMSG_DONE, which does not. An errno of 0 is a success.
func decodeEnd(isError bool, flags uint16, b []byte) error {
	if len(b) < 4 {
		return nil // NLMSG_DONE may be empty
	}
	errno := syscall.Errno(-int32(binary.NativeEndian.Uint32(b)))
	if errno == 0 {
		return nil
	}
	if flags&flagAckTLVs == 0 {
		return errno
	}
	b = b[4:]
	if isError {
		if len(b) < nlHeader {
			return errno
		}
		n := nlHeader
		if flags&flagCapped == 0 {
			n = align(int(min(binary.NativeEndian.Uint32(b), 1<<24)))
		}
		if n > len(b) {
			return errno
		}
		b = b[n:]
	}
	e := &kernelError{errno: errno}
	// A message that cannot be read is none.
	_ = attributes(b, func(typ uint16, v value) error {
		if typ == errorMsg {
			e.msg = strings.TrimRight(string(v.b), "\x00\n")
		}
		return nil
	})
	if e.msg == "" {
		return errno
	}
	return e
}
