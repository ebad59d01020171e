package mptcpctl

import (
	"encoding/binary"
	"net/netip"
	"syscall"
	"testing"

	"framescope/probes/nlmsg"
)

const testFamily = 28

// message is a netlink message of the family.
func message(cmd uint8, attrs []byte) []byte {
	return typed(testFamily, cmd, attrs)
}

func typed(typ uint16, cmd uint8, attrs []byte) []byte {
	b := append(append(nlmsg.AppendHeader(nil, typ, 0, 0), cmd, 1, 0, 0), attrs...)
	nlmsg.End(b, 0)
	return b
}

// An event with all attributes there are.
func allAttrs() []byte {
	port := func(b []byte, typ, p uint16) []byte { return nlmsg.AppendAttr(b, typ, byte(p>>8), byte(p)) }
	b := nlmsg.AppendUint32(nil, eventToken, 0xdeadbeef)
	b = nlmsg.AppendUint16(b, eventFamily, afInet)
	b = nlmsg.AppendAttr(b, eventLocID, 1)
	b = nlmsg.AppendAttr(b, eventRemID, 2)
	b = nlmsg.AppendAttr(b, eventSaddr4, 10, 0, 0, 1)
	b = nlmsg.AppendAttr(b, eventDaddr6, netip.MustParseAddr("fd00::2").AsSlice()...)
	b = port(b, eventSport, 1234)
	b = port(b, eventDport, 80)
	b = nlmsg.AppendAttr(b, eventBackup, 1)
	b = nlmsg.AppendAttr(b, eventError, 111)
	b = nlmsg.AppendUint16(b, eventFlags, 3)
	b = nlmsg.AppendUint32(b, eventTimeout, 5)
	b = nlmsg.AppendUint32(b, eventIfIdx, 1<<32-1)
	b = nlmsg.AppendUint32(b, eventResetReason, 6)
	b = nlmsg.AppendUint32(b, eventResetFlags, 1)
	b = nlmsg.AppendAttr(b, eventServerSide, 1)
	return nlmsg.AppendUint32(b, 99, 1) // of a later kernel
}

func TestDecodeEvents(t *testing.T) {
	other, overrun := typed(77, 9, nil), typed(nlmsg.TypeOverrun, 0, nil)
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
		"short value":    {message(1, nlmsg.AppendAttr(nil, eventToken, 1)), "event created: netlink attribute 1: 1 bytes, expected 4"},
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
	text := nlmsg.AppendAttr(nlmsg.AppendUint32(nil, 2, 7), 1, []byte("no\x00")...)
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
		"message":          {true, nlmsg.FlagAckTLVs, errno(22, append(padded, text...)...), "no: invalid argument"},
		"capped":           {true, nlmsg.FlagAckTLVs | nlmsg.FlagCapped, errno(22, append(request[:nlmsg.HeaderLen:nlmsg.HeaderLen], text...)...), "no: invalid argument"},
		"done":             {false, nlmsg.FlagAckTLVs, errno(22, text...), "no: invalid argument"},
		"no message":       {false, nlmsg.FlagAckTLVs, errno(22, nlmsg.AppendUint32(nil, 2, 7)...), "invalid argument"},
		"too short":        {true, 0, []byte{1, 2}, "netlink error of 2 bytes"},
		"broken":           {true, nlmsg.FlagAckTLVs, errno(22, 1, 2, 3), "invalid argument"},
		"request too long": {true, nlmsg.FlagAckTLVs, errno(22, append([]byte{255, 255, 255, 255}, request[4:]...)...), "invalid argument"},
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
	if e := fail("x", "y", decodeEnd(false, nlmsg.FlagAckTLVs, errno(22, text...))).(*OpError); e.Err != syscall.EINVAL || e.Msg != "no" {
		t.Errorf("%#v", e)
	}
}

// Any bytes are decoded or refused, and an endpoint that was decoded is encoded
// as itself.
func FuzzDecode(f *testing.F) {
	f.Add(message(11, allAttrs()), uint16(0))
	f.Add(append(message(1, allAttrs()), message(3, nil)...), uint16(nlmsg.FlagAckTLVs))
	f.Add(nlmsg.AppendNest(nil, attrAddr, endpointAttrs(Endpoint{ID: 3, Addr: netip.MustParseAddr("fd00::1"), Port: 80, Flags: 255, IfIndex: 2})), uint16(nlmsg.FlagCapped))
	f.Add(nlmsg.AppendUint32(nlmsg.AppendUint32(nil, attrRcvAddAddrs, 3), attrSubflows, 8), uint16(0))
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
		again, err := decodeEndpoint(nlmsg.AppendNest(nil, attrAddr, endpointAttrs(e)))
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
