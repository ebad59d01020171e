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

// limitHeap makes the garbage collector keep the process below a limit in
// bytes. The program itself and the part of the file that is mapped take some.
func limitHeap(limit int64) {
	limit -= 26 << 20
	if limit <= calmHeap {
		debug.SetGCPercent(50)
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
		debug.SetGCPercent(50)
		debug.SetMemoryLimit(limit)
	}, limit)
}
