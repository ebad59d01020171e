package main

import (
	"runtime"
	"runtime/debug"
	"runtime/metrics"
)

// Most captures leave little alive: then the garbage collector need not run
// before calmHeap bytes are in use. Others are kept below the bound that the
// user has set.
const (
	calmHeap = 40 << 20
	calmLive = 16 << 20
)

// limitHeap makes the garbage collector keep to a limit in bytes.
func limitHeap(limit int64) {
	limit = limit / 10 * 9
	if limit <= calmHeap {
		debug.SetMemoryLimit(limit)
		return
	}
	debug.SetGCPercent(-1)
	debug.SetMemoryLimit(calmHeap)
	watchHeap(limit)
}

// watchHeap looks after each collection how much is alive, and goes over to the
// ordinary pace once that is much.
func watchHeap(limit int64) {
	runtime.AddCleanup(new([16]byte), func(limit int64) {
		live := []metrics.Sample{{Name: "/gc/heap/live:bytes"}}
		if metrics.Read(live); live[0].Value.Uint64() < calmLive {
			watchHeap(limit)
			return
		}
		debug.SetGCPercent(100)
		debug.SetMemoryLimit(limit)
	}, limit)
}
