package mptcp

import (
	"math"
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

func TestDoubled(t *testing.T) {
	const longest = (1<<31 - 1) * time.Second // that the sysctl can be
	for _, tt := range []struct {
		d    time.Duration
		n    int64
		want time.Duration
	}{
		{time.Hour, 0, time.Hour}, {time.Hour, 6, 64 * time.Hour}, {time.Hour, 100, 64 * time.Hour}, {0, 6, 0},
		{longest, 2, 4 * longest}, {longest, 3, math.MaxInt64}, {longest, 6, math.MaxInt64},
	} {
		if got := doubled(tt.d, tt.n); got != tt.want {
			t.Errorf("%v doubled %d times: %v, want %v", tt.d, tt.n, got, tt.want)
		}
	}
}
