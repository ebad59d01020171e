package packet

import (
	"fmt"
	"strings"
	"testing"
)

// said returns what a message says, in words.
func said(p *Packet) string {
	var m Memberships
	var r Membership
	var out []string
	c := p.Memberships(&m)
	for more := c == OK; more; {
		if more, c = m.Next(&r); !more {
			break
		}
		s := fmt.Sprintf("%s v%d %v", [...]string{"query", "join", "include", "allow", "block", "leave"}[r.Change], r.Version, r.Group)
		for i := 0; ; i++ {
			a, ok := r.Source(i)
			if !ok {
				break
			}
			s += " " + a.String()
		}
		out = append(out, s)
	}
	if c != OK {
		out = append(out, c.String())
	}
	return strings.Join(out, "; ")
}

func TestMemberships(t *testing.T) {
	const mld = "ff020000000000000000000000000016"
	for _, tt := range []struct {
		proto uint8
		msg   string
		more  int // bytes that were not captured
		want  string
	}{
		{protoIGMP, "12 00 0000 e00000fb", 0, "join v1 224.0.0.251"},
		{protoIGMP, "16 00 0000 e00000fb", 0, "join v2 224.0.0.251"},
		{protoIGMP, "17 00 0000 e00000fb", 0, "leave v2 224.0.0.251"},
		{protoIGMP, "11 00 0000 00000000", 0, "query v1 ::"},
		{protoIGMP, "11 64 0000 e00000fb", 0, "query v2 224.0.0.251"},
		{protoIGMP, "11 64 0000 e8010101 02 7d 0001 0a000001", 0, "query v3 232.1.1.1 10.0.0.1"},
		{protoIGMP, "11 64 0000 e8010101 02 7d 0002 0a000001", 0, "malformed IGMP message"},
		{protoIGMP, "22 00 0000 0000 0002 04 00 0000 e00000fb 03 00 0001 e8010101 0a000001", 0, "join v3 224.0.0.251; include v3 232.1.1.1 10.0.0.1"},
		{protoIGMP, "22 00 0000 0000 0001 03 00 0000 e00000fb", 0, "include v3 224.0.0.251"},
		{protoIGMP, "22 00 0000 0000 0002 05 00 0001 e8010101 0a000001 06 01 0001 e8010101 0a000002 ffffffff", 0, "allow v3 232.1.1.1 10.0.0.1; block v3 232.1.1.1 10.0.0.2"},
		{protoIGMP, "22 00 0000 0000 0002 99 00 0000 e8010101 04 00 0000 e00000fb", 0, "join v3 224.0.0.251"},
		{protoIGMP, "22 00 0000 0000 0001 04 00 ffff e00000fb", 0, "malformed IGMP message"},
		{protoIGMP, "22 00 0000 0000 0001 04 00 0000 0a000001", 0, "malformed IGMP message"},
		{protoIGMP, "22 00 0000 0000 ffff 04 00 0000 e00000fb", 0, "join v3 224.0.0.251; malformed IGMP message"},
		{protoIGMP, "22 00 0000 0000 0002 04 00 0000 e00000fb", 8, "join v3 224.0.0.251; truncated IGMP message"},
		{protoIGMP, "16 00 0000", 0, "malformed IGMP message"},
		{protoIGMP, "16 00 0000", 4, "truncated IGMP message"},
		{protoIGMP, "16 00 0000 0a000001", 0, "malformed IGMP message"},
		{protoIGMP, "13 00 0000 00000000", 0, ""},
		{ProtoICMPv6, "82 00 0000 2710 0000 00000000000000000000000000000000", 0, "query v1 ::"},
		{ProtoICMPv6, "82 00 0000 2710 0000 " + mld + " 02 7d 0000", 0, "query v2 ff02::16"},
		{ProtoICMPv6, "83 00 0000 0000 0000 ff0200000000000000000000000000fb", 0, "join v1 ff02::fb"},
		{ProtoICMPv6, "84 00 0000 0000 0000 ff0200000000000000000000000000fb", 0, "leave v1 ff02::fb"},
		{ProtoICMPv6, "8f 00 0000 0000 0001 04 00 0000 ff0200000000000000000000000000fb", 0, "join v2 ff02::fb"},
		{ProtoICMPv6, "8f 00 0000 0000 0001 03 00 0001 ff3e0000000000000000000000000001 20010db8000000000000000000000001", 0, "include v2 ff3e::1 2001:db8::1"},
		{ProtoICMPv6, "8f 00 0000 0000 0001 04 00 0000 20010db8000000000000000000000001", 0, "malformed MLD message"},
		{ProtoICMPv6, "83 00 0000", 0, "malformed MLD message"},
		{ProtoICMPv6, "83 00 0000", 20, "truncated MLD message"},
		{ProtoICMPv6, "80 00 0000 0001 0001", 0, ""},
	} {
		b := unhex(t, tt.msg)
		p := Packet{Proto: tt.proto, Segment: b, Wire: len(b) + tt.more}
		if tt.proto == ProtoICMPv6 {
			p.HeaderLen = uint8(min(len(b), icmpHeaderLen))
			p.Wire -= int(p.HeaderLen)
		}
		if got := said(&p); got != tt.want {
			t.Errorf("%s:\n got %s\nwant %s", tt.msg, got, tt.want)
		}
	}
}

// FuzzMemberships: a message of any bytes says something about multicast groups
// only, as often as it has room for, and ends.
func FuzzMemberships(f *testing.F) {
	f.Add(unhex(f, "2200000000000002 04000000e00000fb 03000001e80101010a000001"), false, uint8(0))
	f.Add(unhex(f, "1164 0000 e8010101 027d 0001 0a000001"), false, uint8(4))
	f.Add(unhex(f, "8f00000000000001 04000000 ff0200000000000000000000000000fb"), true, uint8(0))
	f.Add(unhex(f, "8200 0000 2710 0000 ff020000000000000000000000000016 027d0000"), true, uint8(9))
	f.Fuzz(func(t *testing.T, b []byte, long bool, more uint8) {
		b = b[:len(b):len(b)]
		p := Packet{Proto: protoIGMP, Segment: b, Wire: len(b) + int(more)}
		if long {
			p.Proto, p.HeaderLen = ProtoICMPv6, uint8(min(len(b), icmpHeaderLen))
			p.Wire -= int(p.HeaderLen)
		}
		var m Memberships
		var r Membership
		c := p.Memberships(&m)
		n := 0
		for ok := c == OK; ok; n++ {
			if ok, c = m.Next(&r); !ok {
				break
			}
			if r.Group != (Addr{}) && !r.Group.IsMulticast() || r.Group == (Addr{}) && r.Change != Query {
				t.Fatalf("%v is no group", r.Group)
			}
			if len(r.Sources) > 0 && !inside(r.Sources, b) {
				t.Fatal("the sources lie outside of the message")
			}
		}
		if n > 1+len(b)/8 {
			t.Fatalf("%d groups in %d bytes", n, len(b))
		}
		if c != OK && c != BadIGMP && c != BadMLD && (c != TruncatedIGMP && c != TruncatedMLD || more == 0) {
			t.Fatalf("%v", c)
		}
	})
}
