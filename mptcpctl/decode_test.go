package mptcpctl

import (
	"encoding/binary"
	"net/netip"
	"syscall"
	"testing"
)

const testFamily = 28

// message is a netlink message of the family.
func message(cmd uint8, attrs []byte) []byte {
	b := make([]byte, nlHeader, nlHeader+genlLen+len(attrs))
	b = append(append(b, cmd, 1, 0, 0), attrs...)
	binary.NativeEndian.PutUint32(b, uint32(len(b)))
	binary.NativeEndian.PutUint16(b[4:], testFamily)
	return b
}

// An event with all attributes there are.
func allAttrs() []byte {
	port := func(b []byte, typ, p uint16) []byte { return appendAttr(b, typ, byte(p>>8), byte(p)) }
	b := appendUint32(nil, eventToken, 0xdeadbeef)
	b = appendUint16(b, eventFamily, afInet)
	b = appendAttr(b, eventLocID, 1)
	b = appendAttr(b, eventRemID, 2)
	b = appendAttr(b, eventSaddr4, 10, 0, 0, 1)
	b = appendAttr(b, eventDaddr6, netip.MustParseAddr("fd00::2").AsSlice()...)
	b = port(b, eventSport, 1234)
	b = port(b, eventDport, 80)
	b = appendAttr(b, eventBackup, 1)
	b = appendAttr(b, eventError, 111)
	b = appendUint16(b, eventFlags, 3)
	b = appendUint32(b, eventTimeout, 5)
	b = appendUint32(b, eventIfIdx, 1<<32-1)
	b = appendUint32(b, eventResetReason, 6)
	b = appendUint32(b, eventResetFlags, 1)
	b = appendAttr(b, eventServerSide, 1)
	return appendUint32(b, 99, 1) // of a later kernel
}

func TestDecodeEvents(t *testing.T) {
	other := message(9, nil)
	binary.NativeEndian.PutUint16(other[4:], 77)
	overrun := message(0, nil)
	binary.NativeEndian.PutUint16(overrun[4:], nlOverrun)
	b := append(append(append(other, message(11, allAttrs())...), overrun...), message(3, nil)...)
	var got []Event
	if err := decodeEvents(b, testFamily, func(e Event) bool { got = append(got, e); return true }); err != nil {
		t.Fatal(err)
	}
	want := []Event{{
		Type: EventSubClosed, Attrs: 1<<16 - 1, Token: 0xdeadbeef, Family: 2, LocalID: 1, RemoteID: 2,
		Local: netip.MustParseAddrPort("10.0.0.1:1234"), Remote: netip.MustParseAddrPort("[fd00::2]:80"), Backup: 1, Error: 111, Flags: 3,
		Timeout: 5, IfIndex: -1, ResetReason: 6, ResetFlags: 1, ServerSide: 1,
	}, {Type: EventLost}, {Type: EventClosed}}
	if len(got) != len(want) {
		t.Fatalf("%+v", got)
	}
	for i := range want {
		if got[i] != want[i] {
			t.Errorf("%+v\nwant %+v", got[i], want[i])
		}
	}
	n := 0
	if err := decodeEvents(b, testFamily, func(Event) bool { n++; return false }); err != nil || n != 1 {
		t.Errorf("%d, %v", n, err)
	}
	for name, tt := range map[string]struct {
		b    []byte
		want string
	}{
		"short value":    {message(1, appendAttr(nil, eventToken, 1)), "event created: netlink attribute 1: 1 bytes, expected 4"},
		"long attribute": {message(1, []byte{9, 0, 1, 0, 1, 2, 3, 4}), "event created: netlink attribute 1 at offset 0: length 9, and there are 8 bytes"},
		"no header":      {message(1, []byte{3, 0, 1, 0}), "event created: netlink attribute 1 at offset 0: length 3, and there are 4 bytes"},
		"long message":   {message(1, nil)[:18], "netlink message at offset 0: length 20, and there are 18 bytes"},
	} {
		if err := decodeEvents(tt.b, testFamily, func(Event) bool { return true }); err == nil || err.Error() != tt.want {
			t.Errorf("%s: %v, want %s", name, err, tt.want)
		}
	}
}

func TestDecodeEnd(t *testing.T) {
	errno := func(n int32, rest ...byte) []byte {
		return append(binary.NativeEndian.AppendUint32(nil, uint32(-n)), rest...)
	}
	request := message(1, []byte{1, 2, 3, 4, 5}) // not a multiple of four
	text := appendAttr(appendUint32(nil, 2, 7), errorMsg, []byte("no\x00")...)
	padded := append(append([]byte{}, request...), 0, 0, 0)
	for name, tt := range map[string]struct {
		isError bool
		flags   uint16
		b       []byte
		want    string
	}{
		"empty done":       {false, 0, nil, ""},
		"success":          {true, 0, errno(0, request...), ""},
		"plain":            {true, 0, errno(22, request...), "invalid argument"},
		"message":          {true, flagAckTLVs, errno(22, append(padded, text...)...), "no: invalid argument"},
		"capped":           {true, flagAckTLVs | flagCapped, errno(22, append(request[:nlHeader:nlHeader], text...)...), "no: invalid argument"},
		"done":             {false, flagAckTLVs, errno(22, text...), "no: invalid argument"},
		"no message":       {false, flagAckTLVs, errno(22, appendUint32(nil, 2, 7)...), "invalid argument"},
		"broken":           {true, flagAckTLVs, errno(22, 1, 2, 3), "invalid argument"},
		"request too long": {true, flagAckTLVs, errno(22, append([]byte{255, 255, 255, 255}, request[4:]...)...), "invalid argument"},
	} {
		err := decodeEnd(tt.isError, tt.flags, tt.b)
		if got := ""; err != nil {
			if got = err.Error(); got != tt.want {
				t.Errorf("%s: %s, want %s", name, got, tt.want)
			}
		} else if tt.want != "" {
			t.Errorf("%s: no error", name)
		}
	}
	if e := fail("x", "y", decodeEnd(false, flagAckTLVs, errno(22, text...))).(*OpError); e.Err != syscall.EINVAL || e.Msg != "no" {
		t.Errorf("%#v", e)
	}
}

// Any bytes are decoded or refused, and an endpoint that was decoded is encoded
// as itself.
func FuzzDecode(f *testing.F) {
	f.Add(message(11, allAttrs()), uint16(0))
	f.Add(append(message(1, allAttrs()), message(3, nil)...), uint16(flagAckTLVs))
	f.Add(appendNest(nil, attrAddr, endpointAttrs(Endpoint{ID: 3, Addr: netip.MustParseAddr("fd00::1"), Port: 80, Flags: 255, IfIndex: 2})), uint16(flagCapped))
	f.Add(appendUint32(appendUint32(nil, attrRcvAddAddrs, 3), attrSubflows, 8), uint16(0))
	f.Fuzz(func(t *testing.T, b []byte, flags uint16) {
		_ = decodeEvents(b, testFamily, func(e Event) bool {
			e.AppendIP(nil)
			e.AppendPMNLCtl(nil)
			if _, err := e.MarshalJSON(); err != nil {
				t.Error(err)
			}
			return true
		})
		_, _ = decodeLimits(b)
		_ = decodeEnd(flags&1 == 0, flags, b)
		e, err := decodeEndpoint(b)
		if err != nil {
			return
		}
		e.AppendPMNLCtl(nil)
		again, err := decodeEndpoint(appendNest(nil, attrAddr, endpointAttrs(e)))
		if err != nil || again != e {
			t.Errorf("%+v: %+v, %v", e, again, err)
		}
	})
}

// A burst of events costs no memory but its buffer.
func TestDecodeAllocatesNothing(t *testing.T) {
	b := append(message(11, allAttrs()), message(3, nil)...)
	n := 0
	f := func(Event) bool { n++; return true }
	if allocs := testing.AllocsPerRun(100, func() {
		if err := decodeEvents(b, testFamily, f); err != nil {
			t.Fatal(err)
		}
	}); allocs != 0 || n == 0 {
		t.Errorf("%v allocations, %d events", allocs, n)
	}
}
