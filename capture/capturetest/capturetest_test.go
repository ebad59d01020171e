package capturetest_test

import (
	"bytes"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"framescope/capture/capturetest"
	"framescope/capture/pcapfile"
)

// What is written is read back: packets of one link type as pcap, others as
// pcapng.
func TestEncode(t *testing.T) {
	one := []pcapfile.Packet{
		{Data: []byte("first"), Time: 1600000000_123456789, Wire: 60, Link: 113},
		{Data: []byte{}, Time: 0, Wire: 0, Link: 113},
		{Data: []byte("third, before the first"), Time: 1, Wire: 23, Link: 113},
	}
	two := append(slices.Clone(one), pcapfile.Packet{Data: []byte("other"), Time: 1<<62 + 7, Wire: 5, Link: 276})
	for _, ps := range [][]pcapfile.Packet{nil, one, two} {
		for _, read := range []func() ([]pcapfile.Packet, error){
			func() ([]pcapfile.Packet, error) { return capturetest.Decode(capturetest.Encode(ps)) },
			func() ([]pcapfile.Packet, error) { return capturetest.ReadAll(capturetest.File(t, ps)) },
		} {
			got, err := read()
			if err != nil || len(got) != len(ps) {
				t.Fatalf("%d packets, %v, want %d", len(got), err, len(ps))
			}
			for i, g := range got {
				p := ps[i]
				if !bytes.Equal(g.Data, p.Data) || g.Time != p.Time || g.Wire != p.Wire || g.Link != p.Link || g.Number != int64(i+1) {
					t.Errorf("packet %d: %+v, want %+v", i+1, g, p)
				}
			}
		}
	}
}

// A damaged capture gives what precedes the damage, and the error.
func TestReadAllDamaged(t *testing.T) {
	b := capturetest.Encode([]pcapfile.Packet{{Data: []byte("one"), Link: 1}, {Data: []byte("two"), Link: 1}})
	path := filepath.Join(t.TempDir(), "cut")
	if err := os.WriteFile(path, b[:len(b)-1], 0o600); err != nil {
		t.Fatal(err)
	}
	ps, err := capturetest.ReadAll(path)
	if len(ps) != 1 || string(ps[0].Data) != "one" || err == nil {
		t.Errorf("%d packets, %v", len(ps), err)
	}
}

func TestCorpus(t *testing.T) {
	path := capturetest.Corpus(t, "recorded", "oddities", "01_plain.pcap")
	if ps := capturetest.Read(t, path); len(ps) == 0 {
		t.Errorf("%s: no packets", path)
	}
}
