package packet_test

import (
	"bufio"
	"flag"
	"fmt"
	"hash/fnv"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"framescope/capture/capturetest"
	"framescope/decode/packet"
)

var update = flag.Bool("update", false, "write testdata/corpora.tsv anew")

// captures returns the paths of all captures, relative to the folder that holds
// them.
func captures(t *testing.T) (root string, names []string) {
	root = capturetest.Corpus(t)
	err := filepath.WalkDir(root, func(path string, e fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		switch filepath.Ext(strings.TrimSuffix(path, ".gz")) {
		case ".pcap", ".pcapng", ".cap":
			name, err := filepath.Rel(root, path)
			names = append(names, filepath.ToSlash(name))
			return err
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return root, names
}

// summary says what the packets of a capture gave: how many of each cause, and
// a digest of their addresses, ports, sequence numbers and lengths.
func summary(path string) string {
	packets, _ := capturetest.ReadAll(path) // some are damaged on purpose
	var counts [packet.Causes]int
	sum := fnv.New64a()
	var ps packet.Parser
	var p packet.Packet
	for _, in := range packets {
		c := ps.Parse(in.Link, in.Data, in.Wire, in.Time, &p)
		counts[c]++
		fmt.Fprintln(sum, c, p.Src, p.Dst, p.Proto, p.SrcPort, p.DstPort, p.Seq, p.Ack, p.Flags, p.Wire, len(p.Segment), p.Tunnels)
	}
	var s []string
	for c, n := range counts {
		if n > 0 {
			s = append(s, fmt.Sprintf("%d %s", n, packet.Cause(c)))
		}
	}
	return fmt.Sprintf("%d\t%s\t%x", len(packets), strings.Join(s, "; "), sum.Sum64())
}

// TestCorpora compares what all shared captures give with what they gave when
// it was last compared with another analyser (TestTshark).
func TestCorpora(t *testing.T) {
	const golden = "testdata/corpora.tsv"
	root, names := captures(t)
	if *update {
		var b strings.Builder
		b.WriteString("# capture, packets, causes, digest: go test -run TestCorpora -update\n")
		for _, name := range names {
			fmt.Fprintf(&b, "%s\t%s\n", name, summary(filepath.Join(root, name)))
		}
		if err := os.WriteFile(golden, []byte(b.String()), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	f, err := os.Open(golden)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	want := make(map[string]string)
	for s := bufio.NewScanner(f); s.Scan(); {
		name, rest, _ := strings.Cut(s.Text(), "\t")
		want[name] = rest
	}
	n := 0
	for _, name := range names {
		if w, ok := want[name]; ok {
			n++
			if got := summary(filepath.Join(root, name)); got != w {
				t.Errorf("%s:\n got %s\nwant %s", name, got, w)
			}
		}
	}
	if n == 0 {
		t.Error("no capture is in " + golden)
	}
}
