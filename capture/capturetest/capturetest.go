// Package capturetest helps tests that read captures: it finds them, reads
// them whole, and writes captures that a test derives from others.
//
// It is for tests only, like net/http/httptest.
package capturetest

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"testing"

	"framescope/capture/pcapfile"
)

// root returns the folder of the module that the test belongs to.
func root(t testing.TB) string {
	t.Helper()
	dir, err := os.Getwd()
	if err != nil {
		t.Fatal(err)
	}
	for d := dir; ; {
		if _, err := os.Stat(filepath.Join(d, "go.mod")); err == nil {
			return d
		}
		up := filepath.Dir(d)
		if up == d {
			t.Fatalf("no go.mod in %s or above", dir)
		}
		d = up
	}
}

// Corpus returns the path of a file or folder of the shared captures, which
// lie beside the repository in ../shared/corpora. Where they are absent it
// skips the test.
func Corpus(t testing.TB, elem ...string) string {
	t.Helper()
	dir := filepath.Join(filepath.Dir(root(t)), "shared", "corpora")
	if _, err := os.Stat(dir); errors.Is(err, fs.ErrNotExist) {
		t.Skipf("the shared captures are not here: no folder %s", dir)
	}
	return existing(t, filepath.Join(append([]string{dir}, elem...)...))
}

// Testdata returns the path of a file or folder in the repository's testdata.
func Testdata(t testing.TB, elem ...string) string {
	t.Helper()
	return existing(t, filepath.Join(append([]string{root(t), "testdata"}, elem...)...))
}

func existing(t testing.TB, path string) string {
	t.Helper()
	if _, err := os.Stat(path); err != nil {
		t.Fatal(err)
	}
	return path
}

// Read returns all packets of the capture path. It ends the test when the
// capture cannot be read to its end.
func Read(t testing.TB, path string) []pcapfile.Packet {
	t.Helper()
	ps, err := ReadAll(path)
	if err != nil {
		t.Fatal(err)
	}
	return ps
}

// ReadAll returns the packets of the capture path up to its end, or to where it
// is damaged; then the error says how. The packets' data belong to the caller.
func ReadAll(path string) ([]pcapfile.Packet, error) {
	r, err := pcapfile.Open(path, nil)
	if err != nil {
		return nil, err
	}
	defer r.Close()
	return drain(r)
}

// Decode returns the packets of the capture b, like ReadAll.
func Decode(b []byte) ([]pcapfile.Packet, error) {
	r, err := pcapfile.NewReader(bytes.NewReader(b), "capture", nil)
	if err != nil {
		return nil, err
	}
	return drain(r)
}

func drain(r *pcapfile.Reader) (ps []pcapfile.Packet, err error) {
	var b pcapfile.Batch
	for {
		if err := r.Read(&b); err == io.EOF {
			return ps, nil
		} else if err != nil {
			return ps, err
		}
		n := 0
		for _, p := range b.Packets {
			n += len(p.Data)
		}
		data := make([]byte, 0, n)
		for _, p := range b.Packets {
			data = append(data, p.Data...)
			p.Data = data[len(data)-len(p.Data) : len(data) : len(data)]
			ps = append(ps, p)
		}
	}
}

// File writes packets to a new capture in the test's temporary folder, and
// returns its path.
func File(t testing.TB, ps []pcapfile.Packet) string {
	t.Helper()
	f, err := os.CreateTemp(t.TempDir(), "*.pcap")
	if err == nil {
		_, err = f.Write(Encode(ps))
	}
	if err == nil {
		err = f.Close()
	}
	if err != nil {
		t.Fatal(err)
	}
	return f.Name()
}

// Encode returns a capture of the packets in the given order, with their Data,
// Time, Wire and Link: a pcap file with nanoseconds where all have the same
// link type and a time that it can hold, or else a pcapng file with one
// interface for each link type. Numbers and offsets are those of the new file.
func Encode(ps []pcapfile.Packet) []byte {
	for _, p := range ps {
		if p.Link != ps[0].Link || p.Time < 0 || p.Time >= 1<<32*1e9 {
			return encodeNG(ps)
		}
	}
	var link uint16 = 1
	if len(ps) > 0 {
		link = ps[0].Link
	}
	b := append(le32(nil, 0xa1b23c4d), 2, 0, 4, 0)
	b = le32(b, 0, 0, 1<<18, uint32(link))
	for _, p := range ps {
		b = le32(b, uint32(p.Time/1e9), uint32(p.Time%1e9), uint32(len(p.Data)), p.Wire)
		b = append(b, p.Data...)
	}
	return b
}

func encodeNG(ps []pcapfile.Packet) []byte {
	b := le32(nil, 0x0a0d0d0a, 28, 0x1a2b3c4d, 1, 0xffffffff, 0xffffffff, 28)
	ids := make(map[uint16]uint32)
	for _, p := range ps {
		if p.Time < 0 {
			panic(fmt.Sprintf("capturetest: packet %d is from before 1970", p.Number))
		}
		id, ok := ids[p.Link]
		if !ok {
			id = uint32(len(ids))
			ids[p.Link] = id
			b = le32(b, 1, 32, uint32(p.Link), 0, 9|1<<16, 9, 0, 32) // if_tsresol: nanoseconds
		}
		pad := -len(p.Data) & 3
		n := uint32(32 + len(p.Data) + pad)
		b = le32(b, 6, n, id, uint32(p.Time>>32), uint32(p.Time), uint32(len(p.Data)), p.Wire)
		b = append(b, p.Data...)
		b = append(b, make([]byte, pad)...)
		b = le32(b, n)
	}
	return b
}

func le32(b []byte, vs ...uint32) []byte {
	for _, v := range vs {
		b = append(b, byte(v), byte(v>>8), byte(v>>16), byte(v>>24))
	}
	return b
}
