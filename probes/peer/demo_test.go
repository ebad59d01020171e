package peer

import (
	"context"
	"net/netip"
	"testing"
	"time"
)

func TestDemo(t *testing.T) {
	for _, mptcp := range []bool{false, true} {
		called := false
		d := Demo{MPTCP: mptcp, Listening: func(addr netip.AddrPort, _ bool) error {
			called = true
			if !addr.Addr().IsLoopback() || addr.Port() == 0 {
				t.Errorf("it listens on %v", addr)
			}
			return nil
		}}
		start := time.Now()
		ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
		if err := d.Run(ctx); err != nil {
			t.Errorf("MPTCP %v: %v", mptcp, err)
		}
		cancel()
		if !called {
			t.Error("Listening was not called")
		}
		t.Logf("MPTCP %v: %v", mptcp, time.Since(start).Round(time.Millisecond))
	}
}
