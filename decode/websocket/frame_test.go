package websocket

import (
	"bytes"
	"encoding/hex"
	"errors"
	"math/rand/v2"
	"testing"

	"framescope/decode"
	"framescope/decode/frame"
)

func unhex(t testing.TB, s string) []byte {
	t.Helper()
	b, err := hex.DecodeString(s)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// RFC 6455 section 5.7, and the edges of the three forms of length.
func TestHeader(t *testing.T) {
	key := [4]byte{0x37, 0xfa, 0x21, 0x3d}
	for _, row := range []struct {
		hex  string
		want Header
	}{
		{"8105", Header{Length: 5, Fin: true, Opcode: Text, Size: 2}},
		{"818537fa213d", Header{Length: 5, Fin: true, Opcode: Text, Size: 6, Masked: true, Mask: key}},
		{"0103", Header{Length: 3, Opcode: Text, Size: 2}},
		{"8002", Header{Length: 2, Fin: true, Size: 2}},
		{"8905", Header{Length: 5, Fin: true, Opcode: Ping, Size: 2}},
		{"8a8537fa213d", Header{Length: 5, Fin: true, Opcode: Pong, Size: 6, Masked: true, Mask: key}},
		{"827e0100", Header{Length: 256, Fin: true, Opcode: Binary, Size: 4, LengthForm: 2}},
		{"827f0000000000010000", Header{Length: 65536, Fin: true, Opcode: Binary, Size: 10, LengthForm: 8}},
		{"0000", Header{Size: 2}},
		{"ff00", Header{Fin: true, RSV: 7, Opcode: 15, Size: 2}},
		{"c17d", Header{Length: 125, Fin: true, RSV: RSV1, Opcode: Text, Size: 2}},
		{"827e007e", Header{Length: 126, Fin: true, Opcode: Binary, Size: 4, LengthForm: 2}},
		{"827effff", Header{Length: 65535, Fin: true, Opcode: Binary, Size: 4, LengthForm: 2}},
		{"82fe000537fa213d", Header{Length: 5, Fin: true, Opcode: Binary, Size: 8, LengthForm: 2, Masked: true, Mask: key}},
		{"82ff7fffffffffffffff37fa213d", Header{Length: 1<<63 - 1, Fin: true, Opcode: Binary, Size: 14, LengthForm: 8, Masked: true, Mask: key}},
	} {
		wire := unhex(t, row.hex)
		for _, tail := range [][]byte{nil, bytes.Repeat([]byte{0xaa}, 20)} {
			h := Header{Length: 99, Mask: [4]byte{9, 9, 9, 9}, Masked: true, Fin: true, RSV: 7, Opcode: 9, Size: 9, LengthForm: 9}
			size, payload, err := Format{}.Header(append(bytes.Clone(wire), tail...), &h)
			if err != nil || size != len(wire) || payload != row.want.Length || h != row.want {
				t.Errorf("%s: %d, %d, %v\n got %+v\nwant %+v", row.hex, size, payload, err, h, row.want)
			}
		}
		for i := range wire {
			if _, _, err := (Format{}).Header(wire[:i], new(Header)); !errors.Is(err, frame.ErrShort) {
				t.Errorf("%s: %d bytes: %v", row.hex, i, err)
			}
		}
		if got := AppendHeader(nil, &row.want); !bytes.Equal(got, wire) {
			t.Errorf("%s: written as %x", row.hex, got)
		}
	}
	for _, s := range []string{"827f8000000000000000", "82ffffffffffffffffff00000000", "827f800000000000000000000000"} {
		_, _, err := Format{}.Header(unhex(t, s), new(Header))
		var e *decode.Error
		if !errors.As(err, &e) || e.Layer != "websocket" || e.Off != 2 || e.Field != "extended payload length" {
			t.Errorf("%s: %v", s, err)
		}
	}
}

func TestAppendHeader(t *testing.T) {
	for _, n := range []int64{0, 124, 125, 126, 127, 65534, 65535, 65536, 65537, 1<<63 - 1} {
		in := Header{Length: n, Fin: true, Opcode: Binary}
		wire := AppendHeader([]byte("x"), &in)
		var h Header
		if size, payload, err := (Format{}).Header(wire[1:], &h); err != nil || size != len(wire)-1 || payload != n || h.LengthForm != lengthForm(n) {
			t.Errorf("%d: %x: %d, %d, %v", n, wire, size, payload, err)
		}
	}
}

// The fields cover each bit of a header once.
func TestAppendFields(t *testing.T) {
	rnd := rand.New(rand.NewPCG(1, 1))
	for range 500 {
		b := make([]byte, maxHeader)
		for i := range b {
			b[i] = byte(rnd.Uint32())
		}
		b[2] &= 0x7f
		var h Header
		size, _, err := Format{}.Header(b, &h)
		if err != nil {
			t.Fatal(err)
		}
		covered := make([]int, size*8)
		for _, f := range AppendFields(nil, &h) {
			if f.Value == "" || f.Name == "" {
				t.Fatalf("%+v", f)
			}
			from, n := f.Off*8+f.Bit, f.Bits
			if n == 0 {
				n = f.Len * 8
			}
			for i := from; i < from+n; i++ {
				covered[i]++
			}
		}
		for i, n := range covered {
			if n != 1 {
				t.Fatalf("%x: bit %d is in %d fields", b[:size], i, n)
			}
		}
	}
	h := Header{Length: 300, LengthForm: 2, Fin: true, RSV: RSV1, Opcode: Text, Masked: true, Mask: [4]byte{1, 2, 3, 4}}
	got := AppendFields(nil, &h)
	want := map[string]string{"fin": "1", "rsv1": "1", "rsv2": "0", "rsv3": "0", "opcode": "1 text", "mask": "1",
		"payload length": "126: 16 bits follow", "extended payload length": "300", "masking-key": "01020304"}
	for _, f := range got {
		if want[f.Name] != f.Value {
			t.Errorf("%s is %q, want %q", f.Name, f.Value, want[f.Name])
		}
	}
	if len(got) != len(want) {
		t.Errorf("%d fields, want %d", len(got), len(want))
	}
}

// A header that can be read and is written again gives the same bytes.
func FuzzHeader(f *testing.F) {
	f.Add([]byte{0x81, 0x85, 1, 2, 3, 4})
	f.Add([]byte{0x82, 0x7f, 0x80, 0, 0, 0, 0, 0, 0, 0})
	f.Add([]byte{0x82, 0xff, 0, 0, 0, 0, 0, 0, 0, 5, 1, 2, 3, 4, 5})
	f.Fuzz(func(t *testing.T, b []byte) {
		var h Header
		size, payload, err := Format{}.Header(b, &h)
		if err != nil {
			return
		}
		if size > len(b) || size != int(h.Size) || payload != h.Length || payload < 0 {
			t.Fatalf("%x: size %d, %+v", b, size, h)
		}
		if again := AppendHeader(nil, &h); !bytes.Equal(again, b[:size]) {
			t.Fatalf("%x: written as %x", b[:size], again)
		}
	})
}

func BenchmarkHeader(b *testing.B) {
	wire := AppendHeader(nil, &Header{Length: 100, Fin: true, Opcode: Text, Masked: true, Mask: [4]byte{1, 2, 3, 4}})
	wire = append(wire, make([]byte, 100)...)
	stream := bytes.Repeat(wire, 1000)
	b.ReportAllocs()
	b.SetBytes(int64(len(wire)))
	var h Header
	for off := 0; b.Loop(); {
		size, payload, err := Format{}.Header(stream[off:], &h)
		if err != nil {
			b.Fatal(err)
		}
		if off += size + int(payload); off == len(stream) {
			off = 0
		}
	}
}

func BenchmarkDecoder(b *testing.B) {
	wire := AppendHeader(nil, &Header{Length: 100, Fin: true, Opcode: Text, Masked: true, Mask: [4]byte{1, 2, 3, 4}})
	wire = append(wire, make([]byte, 100)...)
	stream := bytes.Repeat(wire, 1000)
	b.ReportAllocs()
	var d frame.Decoder[Header, Format]
	for range b.N/1000 + 1 {
		for _, err := range d.Decode(stream) {
			if err != nil {
				b.Fatal(err)
			}
		}
	}
}
