package main

import (
	"runtime"
	"runtime/debug"
	"runtime/metrics"
	"sync"
	"sync/atomic"
)

// Most captures leave little alive: then the garbage collector need not run
// before calmHeap bytes are in use. Others are kept below the bound that the
// user has set.
const (
	calmHeap = 40 << 20
	calmLive = 16 << 20
)

// limitHeap makes the garbage collector keep the process below a limit in
// bytes. The program itself and the part of the file that is mapped take some.
// The function that it returns is to be called by whoever takes memory, before
// about stepSize bytes of it: it waits where the collector did not keep up.
func limitHeap(limit int64) (step func()) {
	limit -= 26 << 20
	pace(limit)
	b := &brake{limit: limit + overshoot}
	return b.step
}

func pace(limit int64) {
	if limit <= calmHeap {
		debug.SetGCPercent(50)
		debug.SetMemoryLimit(limit)
		return
	}
	calm(calmHeap, calmLive, limit)
}

// calm has the garbage collector wait until heap bytes are in use. Once more than
// live bytes stay alive, it goes over to the ordinary pace, and limit.
func calm(heap, live, limit int64) {
	debug.SetGCPercent(-1)
	debug.SetMemoryLimit(heap)
	watchHeap(live, limit)
}

// watchHeap looks after each collection how much is alive.
func watchHeap(live, limit int64) {
	runtime.AddCleanup(new([16]byte), func(limit int64) {
		alive := []metrics.Sample{{Name: "/gc/heap/live:bytes"}}
		if metrics.Read(alive); alive[0].Value.Uint64() < uint64(live) {
			watchHeap(live, limit)
			return
		}
		debug.SetGCPercent(50)
		debug.SetMemoryLimit(limit)
	}, limit)
}

const (
	// overshoot is by how much the heap may be above its limit.
	overshoot = 4 << 20
	// stepSize is how much a step of the work allocates where it allocates much.
	stepSize = 512 << 10
)

// A brake holds work back while the garbage collector catches up. The runtime's
// limit is a wish: a collector that has had half of the processor's time for a
// while lets the program allocate without doing its share, and gives nothing back
// to the system; time in which the system ran others counts as the collector's.
type brake struct {
	limit int64
	left  atomic.Int64 // steps until the next look
	mu    sync.Mutex   // held during a collection: who comes to it waits
	max   int64        // the limit, or somewhat more than what is alive
}

func (b *brake) step() {
	if b.left.Add(-1) >= 0 {
		return
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.left.Load() >= 0 {
		return // another one has looked meanwhile
	}
	used := heapUsed()
	if used > max(b.limit, b.max) {
		debug.FreeOSMemory() // collects, too
		used = heapUsed()
		// Where that much is alive, another collection would not free more.
		b.max = used + overshoot
	}
	b.left.Store(max((max(b.limit, b.max)-used)/stepSize, 1))
}

// heapUsed returns how much memory the runtime has from the system, in bytes.
func heapUsed() int64 {
	m := [...]metrics.Sample{
		{Name: "/memory/classes/total:bytes"},
		{Name: "/memory/classes/heap/released:bytes"},
	}
	metrics.Read(m[:])
	return int64(m[0].Value.Uint64() - m[1].Value.Uint64())
}
