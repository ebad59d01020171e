package pcapfile_test

import (
	"io"
	"path/filepath"
	"testing"
	"time"

	"framescope/capture/pcapfile"
)

// batchOf returns n packets of size bytes, which lie behind each other in
// memory that is larger than the processor's caches, as those of a ring do.
func batchOf(n, size int) []pcapfile.Packet {
	data := make([]byte, n*(size+112))
	for i := range data {
		data[i] = byte(i)
	}
	ps := make([]pcapfile.Packet, n)
	for i := range ps {
		b := data[i*(size+112):]
		ps[i] = pcapfile.Packet{Data: b[:size:size], Time: int64(i), Wire: uint32(size), Link: 1}
	}
	return ps
}

// The time for a packet besides that for the write call.
func BenchmarkWriter(b *testing.B) {
	for _, c := range []struct {
		name       string
		size, many int
	}{{"154", 154, 200_000}, {"154 in cache", 154, 1000}, {"1514", 1514, 30_000}, {"65549", 65549, 1000}} {
		b.Run(c.name, func(b *testing.B) {
			ps := batchOf(c.many, c.size)
			w := pcapfile.NewWriter(io.Discard, nil)
			if _, err := w.AddInterface(&pcapfile.Interface{Link: 1}); err != nil {
				b.Fatal(err)
			}
			b.SetBytes(int64(len(ps) * c.size))
			b.ReportAllocs()
			n := 0
			for b.Loop() {
				if err := w.Packets(ps); err != nil {
					b.Fatal(err)
				}
				n += len(ps)
			}
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(n), "ns/packet")
		})
	}
}

// With the write calls, into files that do not grow beyond 64 MB.
func BenchmarkRecorder(b *testing.B) {
	ps := batchOf(1000, 154)
	now := time.Unix(1_800_000_000, 0)
	r, err := pcapfile.Create(filepath.Join(b.TempDir(), "x.pcapng"), now, &pcapfile.RecorderConfig{RotateSize: 64 << 20, Keep: 1})
	if err != nil {
		b.Fatal(err)
	}
	defer r.Close()
	if _, err := r.AddInterface(&pcapfile.Interface{Link: 1}); err != nil {
		b.Fatal(err)
	}
	b.ReportAllocs()
	n := 0
	for b.Loop() {
		if err := r.Packets(ps); err != nil {
			b.Fatal(err)
		}
		if err := r.FlushDue(now); err != nil {
			b.Fatal(err)
		}
		n += len(ps)
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(n), "ns/packet")
}
