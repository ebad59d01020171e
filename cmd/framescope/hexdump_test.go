package main

import (
	"bytes"
	"os"
	"path/filepath"
	"testing"
)

// printed runs the command and returns what it wrote.
func printed(t *testing.T, want int, args ...string) []byte {
	t.Helper()
	t.Setenv("COLUMNS", "80")
	dir := t.TempDir()
	out, err := os.Create(filepath.Join(dir, "out"))
	if err != nil {
		t.Fatal(err)
	}
	defer out.Close()
	errs, err := os.Create(filepath.Join(dir, "err"))
	if err != nil {
		t.Fatal(err)
	}
	defer errs.Close()
	code := run(args, stdio{os.Stdin, out, errs})
	text, _ := os.ReadFile(errs.Name())
	if code != want {
		t.Fatalf("%q: exit status %d, want %d: %s", args, code, want, text)
	}
	if want == exitDone && len(text) > 0 {
		t.Errorf("%q: %s", args, text)
	}
	b, err := os.ReadFile(out.Name())
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// Every example of RFC 6455 section 5.7 in a session, each byte of it with the
// packet that brought it: one frame a packet, one in three, two in one.
func TestHexdumpExamples(t *testing.T) {
	path := filepath.Join(t.TempDir(), "rfc6455.pcap")
	p := newPcap(t, path)
	var seq [2]uint32
	seq[0], seq[1] = p.open(1)
	send := func(side int, b []byte) {
		p.send(1, side, fPSH|fACK, seq[side], seq[1-side], b)
		seq[side] += uint32(len(b))
	}
	masked := []byte("\x37\xfa\x21\x3d\x7f\x9f\x4d\x51\x58")
	send(1, []byte("\x81\x05Hello"))
	send(0, append([]byte("\x81\x85"), masked...))
	send(1, []byte("\x01\x03Hel\x80\x02lo")) // both fragments
	send(1, []byte("\x89\x05Hello"))
	send(0, append([]byte("\x8a\x85"), masked...))
	send(1, append([]byte("\x82\x7e\x01\x00"), bytes.Repeat([]byte{'*'}, 256)...))
	big := append([]byte("\x82\x7f\x00\x00\x00\x00\x00\x01\x00\x00"), bytes.Repeat([]byte{'*'}, 65536)...)
	send(1, big[:4])
	send(1, big[4:40000])
	send(1, big[40000:])
	if err := p.w.Flush(); err != nil {
		t.Fatal(err)
	}
	got := printed(t, exitDone, "decode", "--hexdump", "all", "--payload", "full", path)
	if n := bytes.Count(got, []byte(" 2a")); n != 256+65536 {
		t.Errorf("%d bytes of payloads, want %d", n, 256+65536)
	}
	got = printed(t, exitDone, "decode", "--hexdump", "all", path)
	golden := filepath.Join("testdata", "framing", "rfc6455.golden")
	if os.Getenv("UPDATE") != "" {
		if err := os.WriteFile(golden, got, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(golden)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(got, want) {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
	if got := printed(t, exitDone, "decode", "--hexdump", "websocket.opcode == pong", path); bytes.Count(got, []byte("websocket")) != 1 {
		t.Errorf("pongs:\n%s", got)
	}
}
