package mptcpctl

import (
	"errors"
	"net/netip"
	"os"
	"testing"
)

// A kernel that does not tell of subflows is told from connections that have
// none, and from plain TCP beside them.
func TestHidden(t *testing.T) {
	client, server, other := netip.MustParseAddrPort("10.0.0.1:40000"), netip.MustParseAddrPort("10.0.0.2:443"), netip.MustParseAddrPort("10.0.0.3:40000")
	for _, tt := range []struct {
		name        string
		connections int
		local       netip.AddrPort // of a TCP socket that says nothing
		shown       bool           // another one told
		hidden      bool
	}{
		{"its first subflow says nothing", 1, client, false, true},
		{"as another one", 1, client, true, false},
		{"plain TCP", 1, other, false, false},
		{"no MPTCP at all", 0, client, false, false},
	} {
		w := walker{s: new(Snapshot)}
		if tt.connections > 0 {
			w.s.Connections = []Connection{{Local: client, Remote: server}}
		}
		w.untold(tt.local, server)
		w.shown = tt.shown
		if err := w.told(); errors.Is(err, os.ErrPermission) != tt.hidden || !tt.hidden && err != nil {
			t.Errorf("%s: %v", tt.name, err)
		}
	}
}
