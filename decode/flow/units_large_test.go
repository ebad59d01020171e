package flow_test

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"hash"
	"math/rand/v2"
	"runtime"
	"testing"

	"framescope/decode/flow"
	"framescope/decode/framing"
	"framescope/decode/record"
)

// A hasher is an Encoder that hashes the payloads of frames.
type hasher struct {
	t      *testing.T
	sum    hash.Hash
	frames int64
	bytes  int64
}

func (h *hasher) Encode(dst []byte, r record.Record) []byte {
	d, ok := r.(*record.Declared)
	if !ok {
		return dst
	}
	h.frames++
	h.bytes += d.Length
	if d.More || int64(len(d.Payload)) != d.Length {
		h.t.Fatalf("frame %d: %d bytes of %d", h.frames, len(d.Payload), d.Length)
	}
	h.sum.Write(d.Payload)
	return dst
}

// 100 MB in chunks behind 4-byte lengths: every byte arrives, in memory that does
// not grow with them.
func TestDeclaredLarge(t *testing.T) {
	size := 100 << 20
	if testing.Short() {
		size = 10 << 20
	}
	source, got := sha256.New(), &hasher{t: t, sum: sha256.New()}
	cfg := flow.Config{
		File: "large", Want: record.Of(record.TypeDeclared), Workers: -1, Full: true,
		Encoder: func() flow.Encoder { return got }, Output: func(*flow.Item) error { return nil },
	}
	declare(t, 80, "length32", framing.Options{}, framing.Client)(&cfg)
	e := flow.New(cfg)
	k := newTalk()
	flush := func() {
		for i := range k.packets {
			e.Packet((*flow.Packet)(&k.packets[i]))
		}
		e.Flush(nil)
		k.packets = k.packets[:0]
	}
	k.send(0, 0, syn, nil)
	k.send(0, 1, syn|ack, nil)
	k.send(0, 0, ack, nil)
	rnd, filler := rand.New(rand.NewPCG(1, 2)), rand.NewChaCha8([32]byte{1})
	data := make([]byte, 64<<10)
	var pending []byte
	var memory runtime.MemStats
	var least, most uint64
	frames, last := int64(0), 0
	for sent := 0; sent < size; {
		n := min(rnd.IntN(len(data)), size-sent)
		sent += n
		filler.Read(data[:n])
		source.Write(data[:n])
		pending = append(binary.BigEndian.AppendUint32(pending, uint32(n)), data[:n]...)
		frames++
		for len(pending) >= 1448 || sent == size && len(pending) > 0 {
			m := min(len(pending), 1448)
			k.send(0, 0, psh|ack, pending[:m])
			pending = pending[:copy(pending, pending[m:])]
		}
		flush()
		if sent/(4<<20) > last {
			last = sent / (4 << 20)
			runtime.GC()
			runtime.ReadMemStats(&memory)
			if least == 0 {
				least = memory.HeapAlloc
			}
			most = max(most, memory.HeapAlloc)
		}
	}
	k.send(0, 0, fin|ack, nil)
	flush()
	sum, err := e.Close(false)
	if err != nil {
		t.Fatal(err)
	}
	if got.frames != frames || sum.Declared != frames || got.bytes != int64(size) || sum.Undecoded != 0 || !bytes.Equal(got.sum.Sum(nil), source.Sum(nil)) {
		t.Errorf("%d of %d frames, %d of %d bytes, hash %x, want %x", got.frames, frames, got.bytes, size, got.sum.Sum(nil), source.Sum(nil))
	}
	if most > least+4<<20 {
		t.Errorf("%d bytes in use after 4 MB, %d later", least, most)
	}
}
