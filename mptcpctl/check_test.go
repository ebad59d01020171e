package mptcpctl

import (
	"slices"
	"testing"
)

func TestInNamespace(t *testing.T) {
	for file, want := range map[string]string{
		"":                  "ip link",
		"/run/netns/blue":   "ip netns exec blue ip link",
		"/proc/4711/ns/net": "nsenter -t 4711 -n ip link",
		"/var/run/docker/x": "nsenter --net=/var/run/docker/x ip link",
	} {
		if got := inNamespace(file, "ip link"); got != want {
			t.Errorf("%q: %s, want %s", file, got, want)
		}
	}
}

func TestShellWord(t *testing.T) {
	for in, want := range map[string]string{
		"": "''", "eth0": "eth0", "a/b-1.pcap": "a/b-1.pcap", "net.ipv4.conf.e0.rp_filter=2": "net.ipv4.conf.e0.rp_filter=2", "fd00::1%e0": "fd00::1%e0",
		"a b": "'a b'", "it's;rm": `'it'\''s;rm'`, "$HOME": "'$HOME'", "a\nb": "'a\nb'", "*": "'*'", "~": "'~'", "(x)": "'(x)'",
	} {
		if got := ShellWord(in); got != want {
			t.Errorf("%q: %s, want %s", in, got, want)
		}
	}
	var f Facts
	e := Endpoint{Addr: addr("10.0.0.1"), Flags: Subflow}
	if got, want := f.command("ip mptcp endpoint add %s # %d", withDev(e, "e$1"), 7), "ip mptcp endpoint add 10.0.0.1 subflow dev 'e$1' # 7"; got != want {
		t.Errorf("%s, want %s", got, want)
	}
	if got, want := f.command("%s route", "ip -6"), "ip -6 route"; got != want {
		t.Errorf("%s, want %s", got, want)
	}
}

// The commands for a source route take a table that is there, and none that
// means something else.
func TestSourceRoute(t *testing.T) {
	links := []Link{{Index: 1, Name: "lo", Loopback: true}, {Index: 153, Name: "e0"}, {Index: 154, Name: "e1", Gateway: addr("10.0.1.254")}}
	var full []Table
	for n := firstFreeTable; n < tableDefault; n++ {
		full = append(full, Table{ID: n})
	}
	a, six := addr("10.0.1.1"), addr("fd00::1")
	for _, tt := range []struct {
		name   string
		tables []Table
		addr   string
		want   []string
	}{
		{"none", nil, "10.0.1.1", []string{"ip rule add from 10.0.1.1 lookup 101", "ip route add default via 10.0.1.254 dev e1 table 101"}},
		{"IPv6", nil, "fd00::1", []string{"ip -6 rule add from fd00::1 lookup 101", "ip -6 route add default via GATEWAY dev e1 table 101"}},
		{"taken", []Table{{ID: 101}, {ID: 102, From: six}}, "10.0.1.1", []string{"ip rule add from 10.0.1.1 lookup 103", "ip route add default via 10.0.1.254 dev e1 table 103"}},
		{"all taken", full, "10.0.1.1", []string{"ip rule add from 10.0.1.1 lookup 257", "ip route add default via 10.0.1.254 dev e1 table 257"}},
		{"there", []Table{{ID: 7, Dev: "e1", Gateway: addr("10.0.1.9")}}, "10.0.1.1", []string{"ip rule add from 10.0.1.1 lookup 7"}},
		{"of IPv4", []Table{{ID: 7, Dev: "e1", Gateway: addr("10.0.1.9")}}, "fd00::1", []string{"ip -6 rule add from fd00::1 lookup 101", "ip -6 route add default via GATEWAY dev e1 table 101"}},
		{"of another link", []Table{{ID: 100, Dev: "e0"}}, "10.0.1.1", []string{"ip rule add from 10.0.1.1 lookup 102", "ip route add default via 10.0.1.254 dev e1 table 102"}},
		{"main", []Table{{ID: tableMain, Dev: "e1"}}, "10.0.1.1", []string{"ip rule add from 10.0.1.1 lookup 101", "ip route add default via 10.0.1.254 dev e1 table 101"}},
		{"a rule", []Table{{ID: 42, From: a}}, "10.0.1.1", []string{"ip route replace default via 10.0.1.254 dev e1 table 42"}},
	} {
		f := Facts{Links: links, Tables: tt.tables}
		if got := f.SourceRoute(addr(tt.addr), &f.Links[2]); !slices.Equal(got, tt.want) {
			t.Errorf("%s: %q, want %q", tt.name, got, tt.want)
		}
	}
}

func TestDelivered(t *testing.T) {
	for _, s := range []SubflowInfo{
		{BytesAcked: 1}, {BytesAcked: 11, BytesSent: 10}, {BytesAcked: 10, BytesSent: 10}, {BytesAcked: 11, BytesSent: 30, BytesRetrans: 20}, {BytesAcked: 10, BytesSent: 40},
	} {
		want := uint64(10)
		if s.BytesSent == 0 {
			want = 0
		}
		if got := s.Delivered(); got != want {
			t.Errorf("%+v: %d, want %d", s, got, want)
		}
	}
}
