package mptcpctl

import "testing"

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
