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
