package pcapfile_test

import (
	"bytes"
	"compress/gzip"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"framescope/capture/pcapfile"
)

// A live capture is not held up: packets are handed out when they are there.
func TestSlowPipe(t *testing.T) {
	for _, c := range []struct {
		name string
		wrap func(io.Writer) (io.Writer, func() error)
	}{
		{"plain", func(w io.Writer) (io.Writer, func() error) { return w, func() error { return nil } }},
		{"gzip", func(w io.Writer) (io.Writer, func() error) { z := gzip.NewWriter(w); return z, z.Flush }},
		{"gzip members", func(w io.Writer) (io.Writer, func() error) {
			z := gzip.NewWriter(w)
			return z, func() error {
				err := z.Close()
				z.Reset(w)
				return err
			}
		}},
	} {
		t.Run(c.name, func(t *testing.T) {
			pr, pw := io.Pipe()
			w, flush := c.wrap(pw)
			asked := make(chan int)
			go func() {
				send := func(b []byte) {
					w.Write(b)
					flush()
				}
				send(little.pcap(nano, 0, 1))
				for n := range asked {
					b := little.record(0, uint32(n), fmt.Sprint("packet ", n))
					send(b)
					send(b[:7])
					send(b[7:])
				}
				pw.CloseWithError(io.ErrClosedPipe)
			}()
			r, err := pcapfile.NewReader(pr, "pipe", nil)
			if err != nil {
				t.Fatal(err)
			}
			var b pcapfile.Batch
			for n := range 5 {
				asked <- n
				for got := 0; got < 2; got += len(b.Packets) {
					if err := r.Read(&b); err != nil {
						t.Fatal(err)
					}
					for _, p := range b.Packets {
						if string(p.Data) != fmt.Sprint("packet ", n) {
							t.Errorf("packet %d is %q", p.Number, p.Data)
						}
					}
				}
			}
			close(asked)
			if err := r.Read(&b); err == nil || err == io.EOF {
				t.Errorf("at the end: %v", err)
			}
		})
	}
}

// Records of any size, from empty to larger than a batch, arrive in any pieces.
func TestSizes(t *testing.T) {
	rnd := rand.New(rand.NewPCG(1, 2))
	data := strings.Repeat("0123456789abcdef", 1<<16)
	var sizes []int
	var pcap, ng []byte
	for i := range 400 {
		n := rnd.IntN(100)
		switch i % 40 {
		case 7:
			n = rnd.IntN(10_000)
		case 21:
			n = rnd.IntN(len(data))
		}
		sizes = append(sizes, n)
		pcap = append(pcap, little.record(uint32(i), 0, data[:n])...)
		ng = append(ng, big.packet(0, uint64(i), data[:n])...)
		if i%30 == 3 {
			ng = append(ng, big.block(77, []byte(data[:n*3%len(data)]))...)
		}
	}
	for _, b := range [][]byte{cat(little.pcap(micro, 0, 1), pcap), cat(big.section(), big.iface(1, 0), ng)} {
		for _, w := range ways(0) {
			r, err := w.open(t, b, pcapfile.Config{})
			got := drain(t, r, err)
			if got.err != nil || len(got.packets) != len(sizes) {
				t.Fatalf("%s: %d packets, %v", w.name, len(got.packets), got.err)
			}
			for i, p := range got.packets {
				if len(p.Data) != sizes[i] || string(p.Data) != data[:sizes[i]] {
					t.Fatalf("%s: packet %d of %d bytes is wrong", w.name, i+1, sizes[i])
				}
			}
		}
	}
}

// A buffer grows as bytes arrive, not as a length field says.
func TestLengthsAllocateNothing(t *testing.T) {
	for _, b := range [][]byte{
		cat(little.pcap(micro, 0, 1), little.u32(0, 0, 16<<20, 0)),
		cat(little.section(), little.iface(1, 0), little.u32(6, 16<<20)),
		cat(little.section(), little.iface(1, 0), little.u32(10, 1<<31)),
		cat(little.section(), little.iface(1, 0), little.u32(77, 1<<31)),
		cat(little.section(), little.iface(1, 0), little.block(10, little.u32(pcapfile.SecretTLS, 1<<31)), little.u32(6, 16<<20)),
		cat(little.section(), little.u32(1, 16<<20)),
	} {
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		b = append(b, make([]byte, 20_000)...)
		r, err := pcapfile.NewReader(bytes.NewReader(b), "x", &pcapfile.Config{BatchBytes: 1})
		if err != nil {
			t.Fatal(err)
		}
		var batch pcapfile.Batch
		for err == nil {
			err = r.Read(&batch)
		}
		runtime.ReadMemStats(&after)
		if n := after.TotalAlloc - before.TotalAlloc; n > 1<<20 {
			t.Errorf("% x: %d bytes allocated (%v)", b[:60], n, err)
		}
	}
}

// A buffer that one large packet made grow is given up again.
func TestLargeBufferIsGivenUp(t *testing.T) {
	r, err := pcapfile.NewReader(io.MultiReader(
		bytes.NewReader(cat(little.pcap(micro, 0, 1), little.u32(0, 0, 15<<20, 15<<20))), io.LimitReader(zeros{}, 15<<20),
		bytes.NewReader(bytes.Repeat(little.record(0, 0, strings.Repeat("y", 1000)), 3000))), "x", nil)
	if err != nil {
		t.Fatal(err)
	}
	var bs [4]pcapfile.Batch
	for i := 0; err == nil; i++ {
		err = r.Read(&bs[i%4])
	}
	var m runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&m)
	if m.HeapAlloc > 12<<20 {
		t.Errorf("%d MiB are held", m.HeapAlloc>>20)
	}
	runtime.KeepAlive(&bs)
	runtime.KeepAlive(r)
}

// A file that becomes shorter while it is mapped is an error, not a crash.
func TestFileBecomesShorter(t *testing.T) {
	path := filepath.Join(t.TempDir(), "x")
	record := little.record(1, 2, strings.Repeat("x", 1000))
	for _, c := range []struct {
		size    int64
		packets int64
		off     int64
		text    string
	}{
		{24 + 1016*6000, 6000, 24 + 1016*6000, "file became shorter while it was read"},
		{24 + 1016*6000 + 5000, 6004, 24 + 1016*6004, "file became shorter while it was read"},
		{0, 0, 0, "file became shorter while it was read"},
	} {
		if err := os.WriteFile(path, cat(little.pcap(micro, 0, 1), bytes.Repeat(record, 10000)), 0o600); err != nil {
			t.Fatal(err)
		}
		r, err := pcapfile.Open(path, nil)
		if err != nil {
			t.Fatal(err)
		}
		defer r.Close()
		if !r.Mapped() {
			t.Skip("files are not mapped here")
		}
		var b pcapfile.Batch
		if err := r.Read(&b); err != nil {
			t.Fatal(err)
		}
		n := int64(len(b.Packets))
		if err := os.Truncate(path, c.size); err != nil {
			t.Fatal(err)
		}
		for {
			if err = r.Read(&b); err != nil {
				break
			}
			for _, p := range b.Packets {
				if p.Off+1016 > c.size {
					t.Fatalf("packet %d lies behind the end", p.Number)
				}
			}
			n += int64(len(b.Packets))
		}
		packets, off := max(n, c.packets), max(24+1016*n, c.off)
		want := fmt.Sprintf("x: packet %d: offset %d: %s", packets+1, off, c.text)
		if n != packets || text(err) != want {
			t.Errorf("shortened to %d bytes: %d packets, %v, want %s", c.size, n, err, want)
		}
	}
}

// zeros delivers zeros.
type zeros struct{}

func (zeros) Read(b []byte) (int, error) {
	clear(b)
	return len(b), nil
}
