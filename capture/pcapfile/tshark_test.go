package pcapfile_test

import (
	"bytes"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"framescope/capture/capturetest"
	"framescope/capture/pcapfile"
)

// wireshark runs a program of Wireshark without the user's settings, and
// returns what it prints, and what it complains about.
func wireshark(t testing.TB, name string, args ...string) (out, complaints string, err error) {
	t.Helper()
	if _, err := exec.LookPath(name); err != nil {
		t.Skip(name + " is not installed")
	}
	var b, c bytes.Buffer
	cmd := exec.Command(name, args...)
	cmd.Stdout, cmd.Stderr = &b, &c
	home := t.TempDir()
	cmd.Env = append(os.Environ(), "HOME="+home, "XDG_CONFIG_HOME="+home)
	err = cmd.Run()
	said := strings.ReplaceAll(c.String(), `Running as user "root" and group "root". This could be dangerous.`, "")
	return b.String(), strings.TrimSpace(said), err
}

// run is wireshark for what must not complain.
func run(t testing.TB, name string, args ...string) string {
	t.Helper()
	out, said, err := wireshark(t, name, args...)
	if err != nil || said != "" {
		t.Errorf("%s %s: %v: %s", name, strings.Join(args, " "), err, said)
	}
	return out
}

// theirs returns what tshark says of the packets in the capture path.
func theirs(t testing.TB, path string, fields ...string) [][]string {
	t.Helper()
	args := []string{"-n", "-r", path, "-T", "fields"}
	for _, p := range []string{"eth", "sll", "ip", "ipv6", "radiotap", "wlan", "ppp", "null"} {
		args = append(args, "--disable-protocol", p) // to save time
	}
	for _, f := range fields {
		args = append(args, "-e", f)
	}
	var rows [][]string
	for line := range strings.Lines(run(t, "tshark", args...)) {
		rows = append(rows, strings.Split(strings.TrimSuffix(line, "\n"), "\t"))
	}
	return rows
}

// capturePaths returns the paths of all captures that the project recorded, and of
// some with other link types.
func capturePaths(t *testing.T) (paths []string) {
	for _, dir := range []string{"recorded", "scapy", "gopacket", "tcpdump", "nDPI"} {
		err := filepath.WalkDir(capturetest.Corpus(t, dir), func(path string, d fs.DirEntry, err error) error {
			if err == nil && !d.IsDir() && strings.Contains(path, ".pcap") {
				paths = append(paths, path)
			}
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	if len(paths) < 200 {
		t.Fatalf("only %d captures", len(paths))
	}
	return paths
}

// Link types that capinfos 4.0 does not know. It says so for each packet.
var unknownLinks = []uint16{132, 164, 182, 281, 284, 285}

// All packets of many captures with several link types, written to one file,
// come back; and tshark and capinfos say the same of them.
func TestRecordedCaptures(t *testing.T) {
	var want []pcapfile.Packet
	var interfaces []pcapfile.Interface
	links := map[uint16]int{}
	path := filepath.Join(t.TempDir(), "all.pcapng")
	now := time.Unix(1_800_000_000, 0)
	rec, err := pcapfile.Create(path, now, &pcapfile.RecorderConfig{WriterConfig: pcapfile.WriterConfig{Application: "a test", Comment: "not redacted"}})
	if err != nil {
		t.Fatal(err)
	}
	for k, from := range capturePaths(t) {
		r, err := pcapfile.Open(from, nil)
		got := drain(t, r, err) // some are damaged on purpose
		ids := make([]uint16, len(got.interfaces))
		for i, in := range got.interfaces {
			in.Name, in.Resolution, in.Offset = fmt.Sprintf("if%d-%d", k, i), 9, 0
			in.Received, in.Dropped, in.SystemDropped = int64(k), int64(i), -1
			if ids[i], err = rec.AddInterface(&in); err != nil {
				t.Fatal(err)
			}
			if err := rec.Statistics(ids[i], int64(k), int64(i), now, now); err != nil {
				t.Fatal(err)
			}
			interfaces = append(interfaces, in)
		}
		for _, p := range got.packets {
			if slices.Contains(unknownLinks, p.Link) {
				continue
			}
			if len(p.Data) > 262144 {
				t.Errorf("%s: a packet of %d bytes", from, len(p.Data))
			}
			p.Interface = ids[p.Interface]
			links[p.Link]++
			want = append(want, p)
		}
	}
	for batch := range slices.Chunk(want, 100) {
		if err := rec.Packets(batch); err != nil {
			t.Fatal(err)
		}
		now = now.Add(time.Millisecond)
		if err := rec.FlushDue(now); err != nil {
			t.Fatal(err)
		}
	}
	if err := rec.Close(); err != nil {
		t.Fatal(err)
	}
	r, err := pcapfile.Open(path, nil)
	got := drain(t, r, err)
	if got.err != nil || got.stats != (pcapfile.Stats{}) {
		t.Fatal(got.err, got.stats)
	}
	samePackets(t, got.packets, want)
	if !slices.Equal(got.interfaces, interfaces) {
		t.Error("interfaces differ")
	}
	if len(want) < 10_000 || len(links) < 3 {
		t.Fatalf("only %d packets, link types %v", len(want), links)
	}
	t.Logf("%d packets of %d interfaces, by link type %v", len(want), len(interfaces), links)

	rows := theirs(t, path, "frame.number", "frame.time_epoch", "frame.len", "frame.cap_len", "frame.interface_id", "frame.interface_name")
	if len(rows) != len(want) {
		t.Fatalf("tshark reads %d packets of %d", len(rows), len(want))
	}
	for i, p := range want {
		row := []string{strconv.Itoa(i + 1), fmt.Sprintf("%d.%09d", p.Time/1e9, p.Time%1e9), strconv.Itoa(int(p.Wire)),
			strconv.Itoa(len(p.Data)), strconv.Itoa(int(p.Interface)), interfaces[p.Interface].Name}
		switch p.Link {
		case 0, 1, 113, 276:
		default:
			// Wireshark takes what is in front of the headers of some link types
			// for no part of the packet
			row[2], row[3] = rows[i][2], rows[i][3]
		}
		if !slices.Equal(rows[i], row) {
			t.Fatalf("packet %d: tshark says %q, want %q", i+1, rows[i], row)
		}
	}
	info := run(t, "capinfos", "-M", path)
	for _, want := range []string{
		fmt.Sprintf("Number of packets:   %d\n", len(want)),
		fmt.Sprintf("Number of interfaces in file: %d\n", len(interfaces)),
		"Capture application: a test\n", "Capture comment:     not redacted\n", "File timestamp precision:  nanoseconds (9)\n",
	} {
		if !strings.Contains(info, want) {
			t.Errorf("capinfos does not say %q", want)
		}
	}
	if n := strings.Count(info, "Number of stat entries = 1\n"); n != len(interfaces) {
		t.Errorf("capinfos finds statistics of %d interfaces, want %d", n, len(interfaces))
	}
}

// What is unusual in a file is no trouble for tshark, capinfos and tcpdump.
func TestWireshark(t *testing.T) {
	dir := t.TempDir()
	now := time.Unix(1_800_000_000, 0)
	packet := func(n int, wire uint32) pcapfile.Packet {
		return pcapfile.Packet{Data: filled(n), Wire: wire, Time: now.UnixNano(), Link: 1}
	}
	note := pcapfile.Annotation{Flags: pcapfile.FlagInbound | pcapfile.FlagMulticast, Comment: "about it"}
	for _, c := range []struct {
		name  string
		write func(r *pcapfile.Recorder) error
		want  [][]string // captured length, length, flags, comment
	}{
		{"nothing", func(*pcapfile.Recorder) error { return nil }, nil},
		{"empty", func(r *pcapfile.Recorder) error { p := packet(0, 0); return r.Packet(&p) }, [][]string{{"0", "0", "", ""}}},
		{"cut", func(r *pcapfile.Recorder) error { p := packet(96, 1514); return r.Packet(&p) }, [][]string{{"96", "1514", "", ""}}},
		{"most", func(r *pcapfile.Recorder) error { p := packet(262144, 262144); return r.Packet(&p) }, [][]string{{"262144", "262144", "", ""}}},
		{"more", func(r *pcapfile.Recorder) error { p := packet(500_000, 500_000); return r.Packet(&p) }, [][]string{{"262144", "500000", "", ""}}},
		{"annotated", func(r *pcapfile.Recorder) error { p := packet(61, 61); return r.Annotated(&p, &note) }, [][]string{{"61", "61", "0x00000009", "about it"}}},
		{"flags", func(r *pcapfile.Recorder) error {
			p := packet(61, 61)
			return r.Annotated(&p, &pcapfile.Annotation{Flags: pcapfile.FlagOutbound})
		}, [][]string{{"61", "61", "0x00000002", ""}}},
		{"secrets", func(r *pcapfile.Recorder) error {
			p := packet(60, 60)
			if err := r.Secrets(pcapfile.SecretTLS, []byte("CLIENT_RANDOM 00 00\n")); err != nil {
				return err
			}
			return r.Packet(&p)
		}, [][]string{{"60", "60", "", ""}}},
		{"padded by one word", func(r *pcapfile.Recorder) error {
			// up to 4 bytes before the end of the buffer, and one that does not fit
			a, b := packet(4096-148-4-32, 4000), packet(60, 60)
			if err := r.Packet(&a); err != nil {
				return err
			}
			return r.Packet(&b)
		}, [][]string{{"3912", "4000", "", ""}, {"60", "60", "", ""}}},
		{"padded", func(r *pcapfile.Recorder) error {
			a, b := packet(4096-148-200-32, 4000), packet(600, 600)
			if err := r.Packet(&a); err != nil {
				return err
			}
			return r.Packet(&b)
		}, [][]string{{"3716", "4000", "", ""}, {"600", "600", "", ""}}},
	} {
		path := filepath.Join(dir, strings.ReplaceAll(c.name, " ", "-")+".pcapng")
		r, err := pcapfile.Create(path, now, &pcapfile.RecorderConfig{WriterConfig: pcapfile.WriterConfig{BufferBytes: 4096}})
		if err != nil {
			t.Fatal(err)
		}
		if _, err := r.AddInterface(&pcapfile.Interface{Name: "eth0", Link: 1, SnapLen: 262144, FCS: -1, Filter: "tcp port 80"}); err != nil {
			t.Fatal(err)
		}
		if err := c.write(r); err != nil {
			t.Fatal(c.name, err)
		}
		if err := r.Statistics(0, 5, 2, now, now.Add(time.Second)); err != nil {
			t.Fatal(err)
		}
		if err := r.Close(); err != nil {
			t.Fatal(err)
		}
		rows := theirs(t, path, "frame.cap_len", "frame.len", "frame.packet_flags", "frame.comment")
		if !slices.EqualFunc(rows, c.want, slices.Equal) {
			t.Errorf("%s: tshark says %q, want %q", c.name, rows, c.want)
		}
		if info := run(t, "capinfos", "-M", path); !strings.Contains(info, fmt.Sprintf("Number of packets:   %d\n", len(c.want))) || !strings.Contains(info, "Name = eth0\n") {
			t.Errorf("%s: capinfos says %s", c.name, info)
		}
		if _, err := exec.LookPath("tcpdump"); err == nil {
			out, err := exec.Command("tcpdump", "-n", "-q", "-t", "-r", path).Output()
			if n := bytes.Count(out, []byte("\n")); err != nil || n < len(c.want) {
				t.Errorf("%s: tcpdump reads %d packets, %v", c.name, n, err)
			}
		}
	}
}
