package mptcpctl

import (
	"encoding/binary"
	"net/netip"
	"testing"

	"golang.org/x/sys/unix"
)

// answer is a route as the kernel tells it.
func answer(typ uint16, seq uint32, attrs []byte) []byte {
	ne := binary.NativeEndian
	body := append(make([]byte, rtMsgLen), attrs...)
	b := ne.AppendUint32(nil, uint32(nlHeader+len(body)))
	b = ne.AppendUint16(b, typ)
	b = ne.AppendUint16(b, 0)
	b = ne.AppendUint32(b, seq)
	b = ne.AppendUint32(b, 0)
	return append(b, body...)
}

func TestRouteMessages(t *testing.T) {
	gw := netip.MustParseAddr("10.0.0.254")
	attrs := appendUint32(nil, unix.RTA_OIF, 3)
	attrs = appendAttr(attrs, unix.RTA_GATEWAY, gw.AsSlice()...)
	b := append(answer(unix.RTM_NEWROUTE, 7, attrs), answer(unix.RTM_NEWROUTE, 8, appendAttr(nil, unix.RTA_VIA, append([]byte{10, 0}, netip.MustParseAddr("fd00::1").AsSlice()...)...))...)
	n := 0
	err := routeMessages(b, func(seq, oif uint32, got netip.Addr, errno unix.Errno) {
		n++
		if seq == 7 && (oif != 3 || got != gw || errno != 0) || seq == 8 && got != netip.MustParseAddr("fd00::1") {
			t.Errorf("%d: %d %v %v", seq, oif, got, errno)
		}
	})
	if err != nil || n != 2 {
		t.Errorf("%d, %v", n, err)
	}
	if err := routeMessages(b[:len(b)-1], func(uint32, uint32, netip.Addr, unix.Errno) {}); err == nil {
		t.Error("a message that is cut is no error")
	}
}

// Whatever comes, it ends, and no answer is made up of bytes that are not there.
func FuzzRouteMessages(f *testing.F) {
	f.Add(answer(unix.RTM_NEWROUTE, 1, appendUint32(nil, unix.RTA_OIF, 3)))
	f.Add(answer(unix.NLMSG_ERROR, 1, nil))
	f.Fuzz(func(t *testing.T, b []byte) {
		n := 0
		_ = routeMessages(b, func(uint32, uint32, netip.Addr, unix.Errno) { n++ })
		if n > len(b)/nlHeader {
			t.Errorf("%d answers in %d bytes", n, len(b))
		}
	})
}
