package sockdiag

import (
	"net/netip"
	"testing"
)

func TestSplitPort(t *testing.T) {
	for in, want := range map[string][2]string{
		"": {}, ":": {}, ":443": {"", "443"}, "10.0.0.1": {"10.0.0.1", ""}, "10.0.0.1:": {"10.0.0.1", ""}, "10.0.0.0/8:https": {"10.0.0.0/8", "https"},
		"a.example:80,90-99": {"a.example", "80,90-99"}, "*:*": {"*", "*"},
		"[fd00::1]": {"fd00::1", ""}, "[fd00::1]:": {"fd00::1", ""}, "[fd00::1]:443": {"fd00::1", "443"}, "[]:443": {"", "443"},
		"[fd00::/8]:443": {"fd00::/8", "443"}, "[fd00::]/8:443": {"fd00::/8", "443"}, "[fd00::]/8": {"fd00::/8", ""},
		"fd00::1": {"fd00::1", ""}, "fe80::1%eth0": {"fe80::1%eth0", ""}, "fd00::/8": {"fd00::/8", ""}, "fd00::1:443": {"fd00::1:443", ""},
		"fd00::/8:443": {"fd00::/8", "443"}, "::*": {":", "*"}, "fd00::1:*": {"fd00::1", "*"}, "1:2:3:4:5:6:7:8:443": {"1:2:3:4:5:6:7:8", "443"},
		"::ffff:10.0.0.1:443": {"::ffff:10.0.0.1", "443"}, "a:b:c": {"a:b", "c"},
	} {
		addr, port, err := SplitPort(in)
		if err != nil || addr != want[0] || port != want[1] {
			t.Errorf("%q: %q, %q, %v, want %q", in, addr, port, err, want)
		}
	}
	for in, want := range map[string]string{
		"[": `"[": ] is missing`, "[fd00::1:443": `"[fd00::1:443": ] is missing`,
		"[fd00::1]443": `"[fd00::1]443": expected a port behind ]`, "[fd00::1]]:443": `"[fd00::1]]:443": expected a port behind ]`,
	} {
		if addr, port, err := SplitPort(in); err == nil || err.Error() != want {
			t.Errorf("%q: %q, %q, %v, want %s", in, addr, port, err, want)
		}
	}
}

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
