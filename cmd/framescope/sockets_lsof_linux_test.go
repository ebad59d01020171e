package main

import (
	"bytes"
	"math"
	"strings"
	"testing"

	"framescope/probes/sockets"
)

// The user of a process that is gone is not root.
func TestLsofGone(t *testing.T) {
	var out bytes.Buffer
	p := newLsofRows(&socketsFlags{out: &out})
	r := &sockets.Row{Kind: sockets.Unix, Inode: 7, Owners: []sockets.Owner{{PID: math.MaxInt32, FD: 3, Name: "gone"}}}
	if err := p.print(r); err != nil {
		t.Fatal(err)
	}
	if err := p.close(); err != nil {
		t.Fatal(err)
	}
	_, row, _ := strings.Cut(out.String(), "\n")
	if f := strings.Fields(row); len(f) < 3 || f[2] != "-" {
		t.Errorf("%s", &out)
	}
}
