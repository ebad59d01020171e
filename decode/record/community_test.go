package record

import (
	"encoding/json"
	"net/netip"
	"os"
	"path/filepath"
	"testing"
)

// The published baseline of the specification, with seed 0 and base64.
func TestCommunityID(t *testing.T) {
	for _, tt := range []struct {
		protocol uint8
		a, b     string
		want     string
	}{
		{6, "128.232.110.120:34855", "66.35.250.204:80", "1:LQU9qZlK+B5F3KDmev6m5PMibrg="},
		{6, "[2001:470:e5bf:dead:4957:2174:e82c:4887]:63943", "[2607:f8b0:400c:c03::1a]:25", "1:/qFaeAR+gFe1KYjMzVDsMv+wgU4="},
		{17, "192.168.1.52:54585", "8.8.8.8:53", "1:d/FP5EW3wiY1vCndhwleRRKHowQ="},
		{132, "192.168.170.8:7", "192.168.170.56:7", "1:MP2EtRCAUIZvTw6MxJHLV7N7JDs="},
		// Addresses that differ in their form only.
		{6, "[::ffff:128.232.110.120]:34855", "66.35.250.204:80", "1:LQU9qZlK+B5F3KDmev6m5PMibrg="},
		{6, "[2001:470:e5bf:dead:4957:2174:e82c:4887%eth0]:63943", "[2607:f8b0:400c:c03::1a]:25", "1:/qFaeAR+gFe1KYjMzVDsMv+wgU4="},
		{6, "1.2.3.4:5", "[::1]:5", ""},
	} {
		a, b := netip.MustParseAddrPort(tt.a), netip.MustParseAddrPort(tt.b)
		if got := CommunityID(tt.protocol, a, b); got != tt.want {
			t.Errorf("%d %s %s: %s, want %s", tt.protocol, a, b, got, tt.want)
		}
		if got := CommunityID(tt.protocol, b, a); got != tt.want {
			t.Errorf("%d %s %s: %s, want %s", tt.protocol, b, a, got, tt.want)
		}
	}
	if got := CommunityID(TCP, netip.AddrPort{}, netip.AddrPort{}); got != "" {
		t.Errorf("without addresses: %s", got)
	}
	// One address, two ports: the ports decide.
	a, b := netip.MustParseAddrPort("127.0.0.1:40000"), netip.MustParseAddrPort("127.0.0.1:80")
	if CommunityID(TCP, a, b) != CommunityID(TCP, b, a) {
		t.Error("on one host the directions differ")
	}
}

func TestPrepare(t *testing.T) {
	c := &Conn{ID: 7, File: "a\"b.pcap", Source: netip.MustParseAddrPort("[::ffff:10.0.0.7]:1"), Destination: netip.MustParseAddrPort("[2001:db8::1]:443")}
	want := string(AppendJSON(nil, &Close{Head: Head{Conn: c, File: c.File}}, nil))
	peers := c.Peers()
	c.Prepare()
	if got := string(AppendJSON(nil, &Close{Head: Head{Conn: c, File: c.File}}, nil)); got != want {
		t.Errorf("prepared: %s\nwithout: %s", got, want)
	}
	if got := c.Peers(); got != peers || got != "10.0.0.7:1 > [2001:db8::1]:443" {
		t.Errorf("Peers: %q, before %q", got, peers)
	}
	if got := (&Conn{}).Peers(); got != "? > ?" {
		t.Errorf("Peers of nothing: %q", got)
	}
}

// A literal that is too long for its array would be cut.
func TestLiteralsFit(t *testing.T) {
	var check func([]node)
	check = func(nodes []node) {
		for i := range nodes {
			for _, l := range []literal{nodes[i].key, nodes[i].yes, nodes[i].no} {
				if l.size >= len(l.text) {
					t.Errorf("%s", l.text)
				}
			}
			check(nodes[i].kids)
		}
	}
	for _, p := range programs() {
		check(p)
	}
}

// Another analyser's hashes of its own captures.
func TestCommunityIDAgainstArkime(t *testing.T) {
	dir := filepath.Join("..", "..", "..", "shared", "corpora", "arkime", "tests", "pcap")
	files, _ := filepath.Glob(filepath.Join(dir, "*.test"))
	if len(files) == 0 {
		t.Skip("no captures in " + dir)
	}
	compared := 0
	for _, name := range files {
		b, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		type side struct {
			IP   string
			Port uint16
		}
		var f struct {
			Sessions3 []struct {
				Body struct {
					Source, Destination side
					IPProtocol          uint8
					Network             struct {
						CommunityID string `json:"community_id"`
					}
				}
			}
		}
		if json.Unmarshal(b, &f) != nil {
			continue
		}
		for _, s := range f.Sessions3 {
			p := s.Body.IPProtocol
			a, errA := netip.ParseAddr(s.Body.Source.IP)
			z, errZ := netip.ParseAddr(s.Body.Destination.IP)
			if want := s.Body.Network.CommunityID; want != "" && (p == TCP || p == UDP) && errA == nil && errZ == nil {
				got := CommunityID(p, netip.AddrPortFrom(a, s.Body.Source.Port), netip.AddrPortFrom(z, s.Body.Destination.Port))
				if got != want {
					t.Errorf("%s: %s, want %s", filepath.Base(name), got, want)
				}
				compared++
			}
		}
	}
	if compared < 100 {
		t.Errorf("only %d hashes compared", compared)
	}
}
