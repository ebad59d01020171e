package main

import (
	"math"
	"runtime/debug"
	"sync"
	"testing"
)

// Who takes memory waits where the garbage collector does not keep up: here it
// does not run at all.
func TestBrake(t *testing.T) {
	defer debug.SetGCPercent(debug.SetGCPercent(-1))
	defer debug.SetMemoryLimit(debug.SetMemoryLimit(math.MaxInt64))
	debug.FreeOSMemory()
	limit := heapUsed() + 16<<20
	b := &brake{limit: limit}
	var highest [2]int64
	var wg sync.WaitGroup
	for i := range highest {
		wg.Go(func() {
			kept := make([][]byte, 16)
			for n := range 500 {
				b.step()
				kept[n%len(kept)] = make([]byte, stepSize/2)
				highest[i] = max(highest[i], heapUsed())
			}
		})
	}
	wg.Wait()
	for _, h := range highest {
		if h > limit+overshoot {
			t.Errorf("%d MiB in use, want at most %d", h>>20, limit>>20)
		}
	}
}

// Where more is alive than there may be, work goes on, and not with a collection
// at each step.
func TestBrakeAlive(t *testing.T) {
	defer debug.SetGCPercent(debug.SetGCPercent(-1))
	defer debug.SetMemoryLimit(debug.SetMemoryLimit(math.MaxInt64))
	var before, after debug.GCStats
	debug.ReadGCStats(&before)
	b := &brake{limit: 1}
	for range 2000 {
		b.step()
	}
	debug.ReadGCStats(&after)
	if n := after.NumGC - before.NumGC; n < 1 || n > 2 {
		t.Errorf("%d collections", n)
	}
}
