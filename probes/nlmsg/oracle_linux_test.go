package nlmsg_test

import (
	"bytes"
	"os"
	"path/filepath"
	"syscall"
	"testing"

	"github.com/vishvananda/netlink/nl"
	"golang.org/x/sys/unix"

	"framescope/probes/nlmsg"
)

func TestNumbers(t *testing.T) {
	for name, v := range map[string][2]int{
		"NLMSG_HDRLEN": {nlmsg.HeaderLen, unix.NLMSG_HDRLEN}, "NLA_HDRLEN": {nlmsg.AttrLen, unix.NLA_HDRLEN},
		"NLMSG_NOOP": {nlmsg.TypeNoop, unix.NLMSG_NOOP}, "NLMSG_ERROR": {nlmsg.TypeError, unix.NLMSG_ERROR},
		"NLMSG_DONE": {nlmsg.TypeDone, unix.NLMSG_DONE}, "NLMSG_OVERRUN": {nlmsg.TypeOverrun, unix.NLMSG_OVERRUN},
		"NLM_F_REQUEST": {nlmsg.FlagRequest, unix.NLM_F_REQUEST}, "NLM_F_MULTI": {nlmsg.FlagMulti, unix.NLM_F_MULTI},
		"NLM_F_ACK": {nlmsg.FlagAck, unix.NLM_F_ACK}, "NLM_F_DUMP_INTR": {nlmsg.FlagDumpIntr, unix.NLM_F_DUMP_INTR},
		"NLM_F_DUMP": {nlmsg.FlagDump, unix.NLM_F_DUMP}, "NLM_F_CAPPED": {nlmsg.FlagCapped, unix.NLM_F_CAPPED},
		"NLM_F_ACK_TLVS": {nlmsg.FlagAckTLVs, unix.NLM_F_ACK_TLVS}, "NLA_F_NESTED": {nlmsg.Nested, unix.NLA_F_NESTED},
		"NLA_TYPE_MASK": {nlmsg.TypeMask, 0xffff &^ (unix.NLA_F_NESTED | unix.NLA_F_NET_BYTEORDER)},
	} {
		if v[0] != v[1] {
			t.Errorf("%s: %#x, linux has %#x", name, v[0], v[1])
		}
	}
}

// What a kernel sent is read as the standard library and vishvananda/netlink read
// it.
func TestOracle(t *testing.T) {
	recorded, err := filepath.Glob("../sockdiag/testdata/*.bin")
	if err != nil || len(recorded) == 0 {
		t.Fatal("no recordings", err)
	}
	attributes := 0
	for _, name := range recorded {
		b, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		want, err := syscall.ParseNetlinkMessage(b)
		if err != nil || len(want) == 0 {
			t.Fatalf("%s: %d messages, %v", name, len(want), err)
		}
		var m nlmsg.Message
		for i, w := range want {
			rest, ok := m.Cut(b)
			if h := w.Header; !ok || m.Len != h.Len || m.Type != h.Type || m.Flags != h.Flags || m.Seq != h.Seq || !bytes.Equal(m.Body, w.Data) {
				t.Fatalf("%s: message %d: %+v, want %+v", name, i, m, w)
			}
			b = rest
			for at := 0; at < len(m.Body); at += 4 {
				attributes += compare(t, m.Body[at:])
			}
		}
		if len(b) != 0 {
			t.Errorf("%s: %d bytes are left", name, len(b))
		}
	}
	if attributes == 0 {
		t.Error("no attributes")
	}
}

// compare reads b as attributes, and returns how many there are: none if it is
// not attributes to its end.
func compare(t *testing.T, b []byte) int {
	want, err := nl.ParseRouteAttr(b)
	if err != nil {
		return 0
	}
	n := 0
	for typ, v := range nlmsg.Attrs(b) {
		if n == len(want) || typ != want[n].Attr.Type&nlmsg.TypeMask || !bytes.Equal(v, want[n].Value) {
			t.Fatalf("%x: attribute %d: %d %x", b, n, typ, v)
		}
		n++
	}
	if n != len(want) {
		t.Fatalf("%x: %d attributes, want %d", b, n, len(want))
	}
	return n
}
