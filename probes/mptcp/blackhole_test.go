package mptcp

import (
	"testing"
	"time"
)

func TestRound(t *testing.T) {
	for d, want := range map[time.Duration]string{
		0: "0s", time.Second: "1s", 90 * time.Second: "1m30s", time.Minute: "1m", 3 * time.Minute: "3m",
		time.Hour: "1h", time.Hour + 10*time.Minute + 20*time.Second: "1h10m", 64 * time.Hour: "64h",
	} {
		if got := round(d); got != want {
			t.Errorf("%v: %q, want %q", d, got, want)
		}
	}
}
