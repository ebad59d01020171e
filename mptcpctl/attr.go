package mptcpctl

import (
	"encoding/binary"
	"fmt"
	"net/netip"
	"syscall"

	"framescope/probes/nlmsg"
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

// Address families as Linux numbers them, whatever system this runs on.
const (
	afInet  = 2
	afInet6 = 10
)

// appendIP appends the family and the address.
func appendIP(b []byte, a netip.Addr) []byte {
	if a.Is4() {
		v := a.As4()
		return nlmsg.AppendAttr(nlmsg.AppendUint16(b, addrFamily, afInet), addrAddr4, v[:]...)
	}
	v := a.As16()
	return nlmsg.AppendAttr(nlmsg.AppendUint16(b, addrFamily, afInet6), addrAddr6, v[:]...)
}

// attributes calls f for each attribute in b, in order, until f
// returns an error. Where b is broken, it returns one that says so.
func attributes(b []byte, f func(typ uint16, v value) error) error {
	for off := 0; len(b)-off >= nlmsg.AttrLen; {
		typ, n := nlmsg.AttrAt(b, off)
		if n <= 0 {
			return fmt.Errorf("netlink attribute %d at offset %d: length %d, and there are %d bytes", typ, off, -n, len(b)-off)
		}
		if err := f(typ, value{b: b[off+nlmsg.AttrLen : off+n], typ: typ}); err != nil {
			return err
		}
		off += nlmsg.Align(n)
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

// decodeEnd reads what ends an exchange, NLMSG_ERROR or NLMSG_DONE. An errno of
// 0 is a success.
func decodeEnd(isError bool, flags uint16, b []byte) error {
	m := nlmsg.Message{Type: nlmsg.TypeDone, Flags: flags, Body: b}
	if isError {
		m.Type = nlmsg.TypeError
	}
	errno, msg, ok := m.Errno()
	switch {
	case !ok:
		return fmt.Errorf("netlink error of %d bytes", len(b))
	case errno == 0:
		return nil
	case msg == "":
		return errno
	}
	return &kernelError{errno, msg}
}
