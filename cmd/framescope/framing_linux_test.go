package main

import (
	"bufio"
	"bytes"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"framescope/capture/capturetest"
)

// Servers of three declared framings, in both byte orders, captured live: the
// frames are those of decoding the written file, and the bytes that are wrong are
// named.
func TestLiveFramings(t *testing.T) {
	asRoot(t, "CAP_SYS_ADMIN")
	need(t, "unshare", "setpriv", "ip", "/usr/bin/python3")
	servers, err := os.ReadFile(capturetest.Testdata(t, "framings", "servers.py"))
	if err != nil {
		t.Fatal(err)
	}
	framings := []string{"--framing", "proto.yaml:7001/client", "--framing", "chunks.yaml:7002/client",
		"--framing", "search.yaml:7003", "--framing", "search.yaml,order=little:7004"}
	for who, as := range users {
		t.Run(who, func(t *testing.T) {
			t.Parallel()
			dir := openFolder(t)
			work, out := filepath.Join(dir, "framing"), filepath.Join(dir, "out")
			if err := os.CopyFS(work, os.DirFS("testdata/framing")); err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(filepath.Join(work, "servers.py"), servers, 0o644); err != nil {
				t.Fatal(err)
			}
			if err := os.Mkdir(out, 0o777); err != nil {
				t.Fatal(err)
			}
			for name, mode := range map[string]os.FileMode{work: 0o755, out: 0o777} {
				if err := os.Chmod(name, mode); err != nil {
					t.Fatal(err)
				}
			}
			cmd := exec.Command(as[0], slices.Concat(as[1:], []string{"sh", "session.sh"}, framings)...)
			cmd.Dir = work
			exe := filepath.Join(dir, "framescope")
			cmd.Env = append(os.Environ(), "FS="+exe, "OUT="+out, "SERVERS="+filepath.Join(work, "servers.py"), "HOME="+dir)
			if text, err := cmd.CombinedOutput(); err != nil {
				words, _ := os.ReadFile(filepath.Join(out, "live.err"))
				t.Fatalf("%v: %s\n%s", err, text, words)
			}
			decode := exec.Command(exe, slices.Concat([]string{"decode", "-o", "jsonl", "--select", "all"}, framings, []string{filepath.Join(out, "live.pcapng")})...)
			decode.Dir = work
			live, _ := sameLive(t, filepath.Join(out, "live.jsonl"), decode)
			checkFramings(t, live)
		})
	}
}

// checkFramings: what the sessions of servers.py are made of, and nothing else.
func checkFramings(t *testing.T, lines []byte) {
	t.Helper()
	frames, findings := map[string]string{}, []string{}
	texts := 0
	for line := range strings.Lines(string(lines)) {
		var r struct {
			Type      string
			Direction string
			Frame     struct {
				Framing  string
				Offset   int64
				Bytes    int64 `json:"payload_bytes"`
				Payload  string
				Checksum *struct{ OK bool }
			}
			Finding struct {
				ID       string
				Evidence []struct {
					Offset int64
					Text   string
				}
			}
			Summary struct {
				Frames    int64 `json:"declared_frames"`
				Undecoded int64 `json:"undecoded_bytes"`
			}
		}
		if err := json.Unmarshal([]byte(line), &r); err != nil {
			t.Fatalf("%v: %s", err, line)
		}
		switch r.Type {
		case "frame":
			f := r.Frame
			frames[f.Framing] += fmt.Sprintf("%c%d ", r.Direction[0], f.Bytes)
			if f.Checksum != nil && !f.Checksum.OK {
				frames[f.Framing] += "wrong "
			}
			if f.Framing == "search" && strings.Contains(f.Payload, "Follow the white rabbit") {
				texts++
			}
		case "finding":
			e := r.Finding.Evidence[0]
			findings = append(findings, fmt.Sprintf("%s at %d: %s", r.Finding.ID, e.Offset, e.Text))
		case "summary":
			if r.Summary.Undecoded != 0 {
				t.Errorf("%d bytes not decoded", r.Summary.Undecoded)
			}
		}
	}
	if got := frames["proto"]; got != "c11 c3000 c900 wrong c5000 " {
		t.Errorf("files: %s", got)
	}
	if got := frames["chunks"]; got != "c4096 c4096 c4096 c4096 c3616 c0 " {
		t.Errorf("chunks: %s", got)
	}
	if got := strings.Count(frames["search"], "c"); got != 6 || strings.Count(frames["search"], "s") != 6 || texts != 2 {
		t.Errorf("searches: %s, %d texts", frames["search"], texts)
	}
	slices.Sort(findings)
	// The third file ends 8+11+4 + 8+3000+4 + 8+900 bytes behind the beginning, its
	// checksum follows; of the fourth 1234 bytes came.
	if len(findings) != 2 || !strings.HasPrefix(findings[0], "framing-checksum at 3943: ") ||
		!strings.HasPrefix(findings[1], "framing-truncated at 5189: ") || !strings.Contains(findings[1], "3770 bytes missing") {
		t.Errorf("findings %q", findings)
	}
}

// A file of 100 MB in chunks is dumped in memory that does not grow with it.
func TestHexdumpLarge(t *testing.T) {
	total := 100 << 20
	if testing.Short() {
		total /= 10
	}
	exe := buildCommand(t)
	path := filepath.Join(t.TempDir(), "chunks.bin")
	f, err := os.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	w := bufio.NewWriter(f)
	rnd, filler := rand.New(rand.NewPCG(1, 2)), rand.NewChaCha8([32]byte{1})
	chunk := make([]byte, 64<<10)
	frames, size := 0, 0
	for ; size < total; frames++ {
		n := rnd.IntN(len(chunk))
		filler.Read(chunk[:n])
		w.Write(binary.BigEndian.AppendUint32(nil, uint32(n)))
		w.Write(chunk[:n])
		size += 4 + n
	}
	if err := w.Flush(); err != nil {
		t.Fatal(err)
	}
	f.Close()
	for _, row := range []struct {
		want string
		args []string
	}{
		{fmt.Sprintf("%d frames, ", frames), nil},
		{fmt.Sprintf("%d frames, ", frames), []string{"--payload", "full"}},
		{fmt.Sprintf(`"type":"summary","frames":%d,"bytes":%d,"errors":0`, frames, size), []string{"--format", "json", "--payload", "full"}},
	} {
		r := process(t, exe, append([]string{"hexdump", "--framing", "length32", path}, row.args...)...)
		if r.status != exitDone || !bytes.Contains(r.out, []byte(row.want)) {
			t.Errorf("%q: exit status %d, %.200s %s, want %s", row.args, r.status, r.out, r.err, row.want)
		}
		if r.peak > 64<<20 {
			t.Errorf("%q: peak %d MiB", row.args, r.peak>>20)
		}
		t.Logf("%q: peak %d MiB", row.args, r.peak>>20)
	}
}
