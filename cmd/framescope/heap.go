package main

import (
	"runtime/debug"
	"runtime/metrics"
)

// A heap decides how the garbage collector works. Most captures leave little
// alive: then it need not run at all before calm bytes are in use. Others are
// kept below the bound that the user has set.
type heap struct {
	limit  int64
	sample []metrics.Sample
	calm   bool
}

const (
	calmHeap = 40 << 20
	calmLive = 16 << 20
)

func newHeap(limit int64) *heap {
	h := &heap{limit: limit / 10 * 9, sample: []metrics.Sample{{Name: "/gc/heap/live:bytes"}}}
	if h.limit > calmHeap {
		h.calm = true
		debug.SetGCPercent(-1)
		debug.SetMemoryLimit(calmHeap)
	} else {
		debug.SetMemoryLimit(h.limit)
	}
	return h
}

// check is called often. It switches to the ordinary way once much is alive.
func (h *heap) check() {
	if !h.calm {
		return
	}
	metrics.Read(h.sample)
	if h.sample[0].Value.Uint64() > calmLive {
		h.calm = false
		debug.SetGCPercent(100)
		debug.SetMemoryLimit(h.limit)
	}
}
