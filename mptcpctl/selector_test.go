package mptcpctl

import (
	"net/netip"
	"testing"
)

func TestParseAddrMatch(t *testing.T) {
	for in, want := range map[string]string{
		"": "", ":443": ":443", "10.0.0.1": "10.0.0.1", "10.1.2.3/8": "10.0.0.0/8", "10.0.0.1:443": "10.0.0.1:443",
		"10.0.0.0/8:443": "10.0.0.0/8:443", "fd00::1": "fd00::1", "fd00::1/8": "fd00::/8", "[fd00::1]:443": "[fd00::1]:443",
		"[fd00::1]": "fd00::1", "::ffff:10.0.0.1": "10.0.0.1", "*:443": ":443",
		"[fd00::1]/8:443": "[fd00::/8]:443", "::ffff:10.0.0.1:443": "10.0.0.1:443", "1:2:3:4:5:6:7:8:443": "[1:2:3:4:5:6:7:8]:443",
	} {
		m, err := ParseAddrMatch(in)
		if err != nil || m.String() != want {
			t.Errorf("%q: %q, %v, want %q", in, m.String(), err, want)
		}
		if again, err := ParseAddrMatch(m.String()); err != nil || again != m {
			t.Errorf("%q: %q is read as %v, %v", in, m.String(), again, err)
		}
	}
	for _, in := range []string{":", ":0", ":x", ":65536", "10.0.0.1:", "10.0.0.1:x", "10.0.0", "[fd00::1", "[fd00::1]x", "fe80::1%eth0", "10.0.0.1/33", "*", "host:443", "fd00::1:", "fd00::/8:"} {
		if m, err := ParseAddrMatch(in); err == nil {
			t.Errorf("%q: %v, expected an error", in, m)
		}
	}
}

func TestAddrMatch(t *testing.T) {
	for _, tt := range []struct {
		m, a string
		want bool
	}{
		{"", "10.0.0.1:1", true}, {":1", "10.0.0.1:1", true}, {":2", "10.0.0.1:1", false}, {"10.0.0.0/8", "10.9.9.9:1", true},
		{"10.0.0.0/8", "[::ffff:10.9.9.9]:1", true}, {"10.0.0.1:2", "10.0.0.1:1", false}, {"fd00::/8", "10.0.0.1:1", false},
	} {
		m, err := ParseAddrMatch(tt.m)
		if err != nil {
			t.Fatal(err)
		}
		if got := m.Match(netip.MustParseAddrPort(tt.a)); got != tt.want {
			t.Errorf("%q, %s: %v", tt.m, tt.a, got)
		}
	}
}
