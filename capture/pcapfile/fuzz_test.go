package pcapfile_test

import (
	"bytes"
	"errors"
	"io"
	"os"
	"path/filepath"
	"testing"
	"testing/iotest"

	"framescope/capture/pcapfile"
)

// Any bytes give the same packets and the same error, mapped or not, in large
// or small pieces; and what is kept of them stays within its bounds.
func FuzzRead(f *testing.F) {
	for _, c := range captures() {
		if len(c.b) < 1000 {
			f.Add(c.b)
		}
	}
	f.Add(gz(f, little.pcap(micro, 0, 1, little.record(1, 2, "x"))))
	path := filepath.Join(f.TempDir(), "capture")
	f.Fuzz(func(t *testing.T, b []byte) {
		// gzip can make much of little; that is not what this is about
		if len(b) > 1<<16 {
			return
		}
		c := pcapfile.Config{MaxPacket: 1 << 12, BatchBytes: 1, MaxText: 1 << 10, MaxSecrets: 1 << 10}
		if err := os.WriteFile(path, b, 0o600); err != nil {
			t.Fatal(err)
		}
		r, err := pcapfile.Open(path, &c)
		mapped := drain(t, r, err)
		r, err = pcapfile.NewReader(iotest.OneByteReader(bytes.NewReader(b)), "bytes", &c)
		if d := difference(mapped, drain(t, r, err)); d != "" {
			t.Errorf("bytes: %s", d)
		}
		c.BatchBytes = 1 << 16
		r, err = pcapfile.NewReader(&pieces{bytes.NewReader(b), 23}, "pieces", &c)
		if d := difference(mapped, drain(t, r, err)); d != "" {
			t.Errorf("pieces: %s", d)
		}
		var e *pcapfile.Error
		if mapped.err != nil && !errors.As(mapped.err, &e) {
			t.Errorf("an error of another type: %v", mapped.err)
		}
		for i, p := range mapped.packets {
			if p.Number != int64(i+1) || len(p.Data) > c.MaxPacket || int(p.Interface) >= len(mapped.interfaces) ||
				p.Link != mapped.interfaces[p.Interface].Link || i > 0 && p.Off <= mapped.packets[i-1].Off {
				t.Errorf("packet %d: %+v", i+1, p)
			}
		}
		text, secrets := 0, 0
		for _, c := range mapped.comments {
			text += len(c.Text)
		}
		for _, n := range mapped.names {
			text += len(n.Name)
		}
		for _, i := range mapped.interfaces {
			text += len(i.Name) + len(i.Description) + len(i.Hardware) + len(i.OS) + len(i.Filter)
		}
		for _, s := range mapped.secrets {
			secrets += len(s.Data)
		}
		if text > c.MaxText || secrets > c.MaxSecrets {
			t.Errorf("%d bytes of text and %d of secrets are kept", text, secrets)
		}
	})
}

// Reading allocates nothing once the batches have their buffers.
func TestReadAllocations(t *testing.T) {
	pcap := cat(little.pcap(micro, 0, 1), bytes.Repeat(little.record(1, 2, "some packet of a few bytes"), 200_000))
	ng := cat(little.section(), little.iface(1, 0), bytes.Repeat(little.packet(0, 1, "some packet", little.option(2, "\x00\x00\x00\x00")), 150_000))
	for _, b := range [][]byte{pcap, ng} {
		for _, w := range ways(0) {
			switch w.name {
			case "mapped", "file", "stream", "gzip":
			default:
				continue
			}
			r, err := w.open(t, b, pcapfile.Config{BatchBytes: 32 << 10})
			if err != nil {
				t.Fatal(err)
			}
			var bs [4]pcapfile.Batch
			i := 0
			read := func() {
				if err := r.Read(&bs[i%4]); err != nil && err != io.EOF {
					t.Fatal(err)
				}
				i++
			}
			for range 8 {
				read()
			}
			if n := testing.AllocsPerRun(10, read); n != 0 {
				t.Errorf("%s: %v allocations", w.name, n)
			}
			r.Close()
		}
	}
}

func benchmark(b *testing.B, capture []byte, packets int) {
	path := filepath.Join(b.TempDir(), "capture")
	if err := os.WriteFile(path, capture, 0o600); err != nil {
		b.Fatal(err)
	}
	for _, c := range []struct {
		name  string
		noMap bool
	}{{"mapped", false}, {"read", true}} {
		b.Run(c.name, func(b *testing.B) {
			b.SetBytes(int64(len(capture)))
			b.ReportAllocs()
			var bs [4]pcapfile.Batch
			for b.Loop() {
				r, err := pcapfile.Open(path, &pcapfile.Config{NoMap: c.noMap})
				if err != nil {
					b.Fatal(err)
				}
				n := 0
				for i := 0; ; i++ {
					if err := r.Read(&bs[i%4]); err != nil {
						break
					}
					n += len(bs[i%4].Packets)
				}
				if n != packets {
					b.Fatalf("%d packets, want %d", n, packets)
				}
				r.Close()
			}
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/float64(packets), "ns/packet")
		})
	}
}

const benchPackets = 100_000

func BenchmarkPcap(b *testing.B) {
	record := little.record(1, 2, string(make([]byte, 410)))
	benchmark(b, cat(little.pcap(micro, 0, 1), bytes.Repeat(record, benchPackets)), benchPackets)
}

func BenchmarkPcapng(b *testing.B) {
	block := little.packet(0, 1, string(make([]byte, 394)))
	benchmark(b, cat(little.section(), little.iface(1, 0), bytes.Repeat(block, benchPackets)), benchPackets)
}

func BenchmarkPcapngWithOptions(b *testing.B) {
	block := little.packet(0, 1, string(make([]byte, 378)), little.option(2, "\x00\x00\x00\x00"), little.option(0, ""))
	benchmark(b, cat(little.section(), little.iface(1, 0), bytes.Repeat(block, benchPackets)), benchPackets)
}
