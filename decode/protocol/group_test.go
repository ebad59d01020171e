package protocol

import (
	"net/netip"
	"testing"
)

func TestGroupName(t *testing.T) {
	for a, want := range map[string]string{
		"224.0.0.251": "mdns", "::ffff:224.0.0.251": "mdns", "239.255.255.250": "ssdp", "224.0.0.1": "all hosts", "224.0.0.99": "", "10.0.0.1": "", "255.255.255.255": "",
		"ff02::fb": "mdns", "ff05::fb": "mdns", "ff02::1:3": "llmnr", "ff02::1:ff00:1": "solicited node", "ff12::fb": "", "ff3e::1": "", "fe80::1": "",
	} {
		if got := GroupName(netip.MustParseAddr(a)); got != want {
			t.Errorf("%s: %q, want %q", a, got, want)
		}
	}
}
