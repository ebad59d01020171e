package sockdiag

import (
	"net/netip"
	"testing"
)

func TestUnmap(t *testing.T) {
	for in, want := range map[string]string{
		"[::ffff:10.0.0.1]:80": "10.0.0.1:80", "10.0.0.1:80": "10.0.0.1:80", "[fd00::1]:80": "[fd00::1]:80", "[fe80::1%eth0]:80": "[fe80::1%eth0]:80",
	} {
		if got := Unmap(netip.MustParseAddrPort(in)); got.String() != want {
			t.Errorf("%s: %v, want %s", in, got, want)
		}
	}
	if got := Unmap(netip.AddrPort{}); got != (netip.AddrPort{}) {
		t.Errorf("the zero address: %v", got)
	}
}
