package pcapfile_test

import (
	"bytes"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"framescope/capture/capturetest"
	"framescope/capture/pcapfile"
)

// linkNames are the names in the inventory for LINKTYPE_ numbers.
var linkNames = map[string][]uint16{
	"arcnet_linux": {129}, "atm-pdus": {123}, "atm-rfc1483": {100, 11}, "chdlc": {104}, "dbus": {231}, "ether": {1},
	"frelay": {107}, "ieee-802-11": {105}, "ieee-802-11-radiotap": {127}, "ip-ib": {242}, "ipnet": {226},
	"juniper-atm1": {137}, "juniper-ether": {178}, "linux-sll": {113}, "linux-sll2": {276}, "nflog": {239},
	"null": {0, 108}, "ppp": {9, 50}, "rawip": {12, 14, 101}, "rawip4": {228}, "rawip6": {229}, "slip": {8},
	"user13": {160}, "user2": {149}, "wpan": {195, 215, 230, 283},
}

// Packets of captures whose link type is unknown to the program that made the
// inventory. tcpdump reads them.
var unlisted = map[string]int{
	"brcm-tag.pcap": 23, "dsa-high-vid.pcap": 4, "dsa.pcap": 8, "edsa-high-vid.pcap": 4, "frf16_magic_ie-oobr.pcap": 1,
	"hoobr_juniper3.pcap": 1, "juniper_es_oobr.pcap": 1, "juniper_monitor_invalid_cookie_length.pcap": 1, "kday6.pcap": 1,
	"vtp_asan-2.pcap": 1, "vtp_asan-3.pcap": 1,
}

// Captures that end inside a record.
var cut = map[string]bool{"fuzz-2021-10-13.pcap": true}

// Every capture of other projects has the packets that the inventory says, and
// the link type.
func TestInventory(t *testing.T) {
	list, err := os.ReadFile(capturetest.Corpus(t, "INVENTORY.tsv"))
	if err != nil {
		t.Fatal(err)
	}
	lines := strings.Split(strings.TrimSpace(string(list)), "\n")[1:]
	if len(lines) < 600 {
		t.Fatalf("only %d captures", len(lines))
	}
	for _, line := range lines {
		f := strings.Split(line, "\t")
		path := capturetest.Corpus(t, filepath.FromSlash(f[0]))
		r, err := pcapfile.Open(path, nil)
		got := drain(t, r, err)
		want, err := strconv.Atoi(f[4])
		if err != nil {
			want = unlisted[filepath.Base(path)]
		}
		if len(got.packets) != want {
			t.Errorf("%s: %d packets, want %d", f[0], len(got.packets), want)
		}
		if cut := cut[filepath.Base(path)]; (got.err != nil) != cut || cut && !errors.Is(got.err, pcapfile.ErrTruncated) {
			t.Errorf("%s: %v", f[0], got.err)
		}
		if got.stats != (pcapfile.Stats{}) {
			t.Errorf("%s: %+v", f[0], got.stats)
		}
		if links := linkNames[f[3]]; links != nil {
			for _, p := range got.packets {
				if !slices.Contains(links, p.Link) {
					t.Errorf("%s: link type %d, want %s", f[0], p.Link, f[3])
					break
				}
			}
		}
	}
}

// Every capture there is reads the same way however its bytes arrive.
func TestCorporaInAllWays(t *testing.T) {
	for _, dir := range []string{"recorded/oddities", "recorded/ws", "gopacket", "pcapng-test-generator", "ptcpdump", "scapy"} {
		err := filepath.WalkDir(capturetest.Corpus(t, filepath.FromSlash(dir)), func(path string, d fs.DirEntry, err error) error {
			if err != nil || d.IsDir() {
				return err
			}
			if !slices.Contains([]string{".pcap", ".pcapng", ".gz"}, filepath.Ext(path)) {
				return nil
			}
			b, err := os.ReadFile(path)
			if err != nil || len(b) > 100_000 {
				return err
			}
			r, err := pcapfile.NewReader(bytes.NewReader(b), path, nil)
			first := drain(t, r, err)
			some := ways(0)
			if len(b) < 10_000 {
				some = ways(1)
			}
			for _, w := range some {
				if strings.HasPrefix(w.name, "gzip") && bytes.HasPrefix(b, []byte{0x1f, 0x8b}) {
					continue
				}
				r, err := w.open(t, b, pcapfile.Config{})
				if d := difference(first, drain(t, r, err)); d != "" {
					t.Errorf("%s, %s: %s", path, w.name, d)
				}
			}
			return nil
		})
		if err != nil {
			t.Error(err)
		}
	}
}
