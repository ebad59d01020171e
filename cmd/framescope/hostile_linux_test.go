package main

import (
	"bufio"
	"bytes"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"framescope/capture/capturetest"
)

// buildCommand builds the command once for the tests that look at a whole process.
func buildCommand(t *testing.T) string {
	t.Helper()
	if _, err := exec.LookPath("go"); err != nil {
		t.Skip("the go command is not in PATH: it builds the command")
	}
	exe := filepath.Join(t.TempDir(), "framescope")
	if out, err := exec.Command("go", "build", "-buildvcs=false", "-o", exe, ".").CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	return exe
}

// processed is a process that ended: the end of what it wrote, its lines, and
// its peak memory in bytes.
type processed struct {
	out, err []byte
	lines    int
	status   int
	peak     int64
}

// process runs a command; it fails the test if the command takes too long.
func process(t *testing.T, exe string, args ...string) processed {
	t.Helper()
	cmd := exec.Command(exe, args...)
	var out, errs tail
	cmd.Stdout, cmd.Stderr = &out, &errs
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	hang := time.AfterFunc(2*time.Minute, func() { cmd.Process.Kill() })
	defer hang.Stop()
	// Not the ru_maxrss of wait4: that begins with the memory of this process.
	peak, done := make(chan int64), make(chan struct{})
	go func() {
		var high int64
		for {
			high = max(high, highWater(cmd.Process.Pid))
			select {
			case <-done:
				peak <- high
				return
			case <-time.After(time.Millisecond):
			}
		}
	}()
	err := cmd.Wait()
	close(done)
	high := <-peak
	if cmd.ProcessState.ExitCode() < 0 {
		t.Fatalf("%v: %v: %s", args, err, errs.b)
	}
	return processed{out.b, errs.b, out.lines, cmd.ProcessState.ExitCode(), high}
}

// highWater is the most memory that a process has had in use so far, in bytes.
func highWater(pid int) int64 {
	status, _ := os.ReadFile(filepath.Join("/proc", strconv.Itoa(pid), "status"))
	_, after, _ := bytes.Cut(status, []byte("VmHWM:"))
	line, _, _ := bytes.Cut(after, []byte(" kB"))
	kb, _ := strconv.ParseInt(string(bytes.TrimSpace(line)), 10, 64)
	return kb << 10
}

// A tail keeps the end of what is written.
type tail struct {
	b     []byte
	lines int
}

func (w *tail) Write(p []byte) (int, error) {
	w.lines += bytes.Count(p, []byte("\n"))
	w.b = append(w.b, p[max(len(p)-64<<10, 0):]...)
	if n := len(w.b) - 64<<10; n > 0 {
		w.b = w.b[:copy(w.b, w.b[n:])]
	}
	return len(p), nil
}

// Whatever a capture holds, memory stays below what the user allows, the time
// is bounded, and the counts are right.
func TestHostileMemory(t *testing.T) {
	exe := buildCommand(t)
	const limit = 64 << 20
	big := 150000
	if testing.Short() {
		big /= 5
	}
	deflated := compressed(100<<10, "0123456789abcdef")
	// As JSON each byte takes six, and a segment holds many of these.
	bombs := bytes.Repeat(compressed(2<<20, "\x01"), 4)
	random := make([]byte, 60000)
	rnd := rand.NewChaCha8([32]byte{1})
	rnd.Read(random)
	for name, make := range map[string]func(p *pcapWriter){
		"SYNs": func(p *pcapWriter) {
			for n := range big / 2 {
				p.send(n, 0, fSYN, uint32(n), 0, nil)
			}
		},
		"connections without their beginning": func(p *pcapWriter) {
			for n := range big / 6 {
				p.send(n, n&1, fPSH|fACK, 1, 1, random[:200+n%500])
			}
		},
		"compressed sessions that stay open": func(p *pcapWriter) {
			for n := range big / 50 {
				_, s := p.open(n)
				p.send(n, 1, fPSH|fACK, s, 0, deflated)
			}
		},
		"heads without an end": func(p *pcapWriter) {
			for n := range big / 200 {
				p.send(n, 0, fSYN, 99, 0, nil)
				seq := uint32(100)
				for _, b := range [][]byte{[]byte("GET / HTTP/1.1\r\n"), bytes.Repeat([]byte("A: b\r\n"), 9000)} {
					p.send(n, 0, fPSH|fACK, seq, 1, b)
					seq += uint32(len(b))
				}
			}
		},
		"what follows a request waits for an answer": func(p *pcapWriter) {
			for n := range big / 200 {
				c := uint32(100 + len(upgrade))
				p.send(n, 0, fSYN, 99, 0, nil)
				p.send(n, 1, fSYN|fACK, 199, 100, nil)
				p.send(n, 0, fPSH|fACK, 100, 200, []byte(upgrade))
				p.send(n, 0, fPSH|fACK, c, 200, append([]byte{0x82, 0xff, 0, 0, 0, 0, 0, 1, 0, 0}, random[:50000]...))
			}
		},
		"data behind holes": func(p *pcapWriter) {
			for n := range big / 200 {
				p.send(n, 0, fSYN, 99, 0, nil)
				p.send(n, 0, fPSH|fACK, 101, 1, random)
			}
		},
		"one-byte segments backwards": func(p *pcapWriter) {
			p.send(1, 0, fSYN, 99, 0, nil)
			for i := range big {
				p.send(1, 0, fPSH|fACK, uint32(101+2*(big-i)), 1, random[i%1000:i%1000+1])
			}
		},
		"messages to be kept whole": func(p *pcapWriter) {
			for n := range 40 {
				_, s := p.open(n)
				p.send(n, 1, fPSH|fACK, s, 0, []byte{0x02, 127, 0, 0, 0, 0, 0x40, 0, 0, 0})
				s += 10
				for range big / 6000 {
					p.send(n, 1, fPSH|fACK, s, 0, random)
					s += uint32(len(random))
				}
			}
		},
		"thousands of frames behind a hole that is filled": func(p *pcapWriter) {
			for n := range 4 {
				_, s := p.open(n)
				first := s
				for range big / 3000 {
					s += 20000
					p.send(n, 1, fACK, s, 0, bytes.Repeat([]byte{0x82, 0}, 10000))
				}
				p.send(n, 1, fACK, first, 0, bytes.Repeat([]byte{0x82, 0}, 10000))
			}
		},
		"messages that are long when they are written": func(p *pcapWriter) {
			_, s := p.open(1)
			for range big / 5000 {
				p.send(1, 1, fACK, s, 0, bombs)
				s += uint32(len(bombs))
			}
		},
		"requests that are never answered": func(p *pcapWriter) {
			seq := uint32(100)
			p.send(1, 0, fSYN, 99, 0, nil)
			for range big / 4 {
				p.send(1, 0, fPSH|fACK, seq, 1, []byte("GET / HTTP/1.1\r\nA: "+strconv.Itoa(int(seq))+"\r\n\r\n"))
				seq += uint32(len("GET / HTTP/1.1\r\nA: \r\n\r\n") + len(strconv.Itoa(int(seq))))
			}
		},
	} {
		t.Run(name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "hostile.pcap")
			p := newPcap(t, path)
			make(p)
			if err := p.w.Flush(); err != nil {
				t.Fatal(err)
			}
			for _, format := range []string{"jsonl", "table"} {
				r := process(t, exe, "decode", "-o", format, "--payload", "full", "--select", "summary,ws_message", "--max-memory", "64M", path)
				if r.status != 0 {
					t.Errorf("%s: exit status %d: %s", format, r.status, r.err)
				}
				if r.peak > limit {
					t.Errorf("%s: peak %d MiB, want at most 64", format, r.peak>>20)
				}
				t.Logf("%-6s peak %d MiB", format, r.peak>>20)
				if format == "jsonl" {
					checkSummary(t, r.out, p.n)
				}
			}
		})
	}
}

func checkSummary(t *testing.T, out []byte, packets int64) {
	t.Helper()
	last := bytes.Split(bytes.TrimSpace(out), []byte("\n"))
	var m struct{ Summary struct{ Packets int64 } }
	if err := json.Unmarshal(last[len(last)-1], &m); err != nil || m.Summary.Packets != packets {
		t.Errorf("%v, %d packets in the summary, want %d", err, m.Summary.Packets, packets)
	}
}

// Ctrl-C ends the reading of a pipe that says no more, after what was there was
// printed.
func TestInterrupt(t *testing.T) {
	exe := buildCommand(t)
	b, err := os.ReadFile(capturetest.Testdata(t, "ws", "d15_subprotocol_graphql.pcap"))
	if err != nil {
		t.Fatal(err)
	}
	for _, head := range []int{1, len(b) * 3 / 4} {
		cmd := exec.Command(exe, "decode", "-o", "jsonl", "--select", "ws_frame,summary", "-")
		theirs, in, err := os.Pipe()
		if err != nil {
			t.Fatal(err)
		}
		cmd.Stdin = theirs
		out, _ := cmd.StdoutPipe()
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		theirs.Close()
		hang := time.AfterFunc(time.Minute, func() { cmd.Process.Kill() })
		in.Write(b[:head])
		lines := bufio.NewScanner(out)
		if head > 1 && !lines.Scan() {
			t.Errorf("no frame before the end of the pipe")
		}
		// Who has read a byte is ready for the signal.
		for unread := 1; unread > 0; time.Sleep(time.Millisecond) {
			if unread, err = unix.IoctlGetInt(int(in.Fd()), unix.TIOCINQ); err != nil {
				t.Fatal(err)
			}
		}
		cmd.Process.Signal(os.Interrupt)
		n, last := 0, ""
		for lines.Scan() {
			n, last = n+1, lines.Text()
		}
		cmd.Wait()
		in.Close()
		hang.Stop()
		if code := cmd.ProcessState.ExitCode(); code != 130 {
			t.Errorf("after %d bytes: exit status %d, want 130", head, code)
		}
		if head > 1 && !bytes.Contains([]byte(last), []byte(`"type":"summary"`)) {
			t.Errorf("%d lines, the last %q, want a summary", n, last)
		}
	}
}

// Memory does not grow with the capture.
func TestFlatMemory(t *testing.T) {
	exe := buildCommand(t)
	var peaks [2]int64
	for i, messages := range []int{20, 400} {
		path := filepath.Join(t.TempDir(), "flat.pcap")
		p := newPcap(t, path)
		const active = 200
		var seq [active]uint32
		for n := range active {
			seq[n], _ = p.open(n)
		}
		text := append([]byte{0x81, 0xfe, 1, 0, 0, 0, 0, 0}, bytes.Repeat([]byte("t"), 256)...)
		for range messages {
			for n := range active {
				p.send(n, 0, fPSH|fACK, seq[n], 1, text)
				seq[n] += uint32(len(text))
			}
		}
		if err := p.w.Flush(); err != nil {
			t.Fatal(err)
		}
		r := process(t, exe, "decode", "-o", "jsonl", "--select", "ws_frame", path)
		if got := r.lines; r.status != 0 || got != active*messages {
			t.Fatalf("exit status %d, %d frames, want %d: %s", r.status, got, active*messages, r.err)
		}
		peaks[i] = r.peak
	}
	if peaks[1] > peaks[0]+24<<20 || peaks[1] > 64<<20 {
		t.Errorf("peak %d MiB for a short capture, %d MiB for one 20 times as long", peaks[0]>>20, peaks[1]>>20)
	}
}

// The robustness corpora of other projects: no crash, no hang, exit status 0 or
// a named error, and every packet is counted.
func TestCorpora(t *testing.T) {
	inventory, err := os.ReadFile(capturetest.Corpus(t, "INVENTORY.tsv"))
	if err != nil {
		t.Fatal(err)
	}
	exe := buildCommand(t)
	n := 0
	for i, line := range bytes.Split(inventory, []byte("\n")) {
		f := bytes.Split(line, []byte("\t"))
		if i == 0 || len(f) < 5 {
			continue
		}
		n++
		path := capturetest.Corpus(t, filepath.FromSlash(string(f[0])))
		r := process(t, exe, "decode", "-o", "jsonl", "--select", "summary", path)
		if r.status != 0 && r.status != 2 || r.status == 2 && !bytes.HasPrefix(r.err, []byte("framescope: ")) || bytes.Contains(r.err, []byte("goroutine")) {
			t.Errorf("%s: exit status %d: %.300s", f[0], r.status, r.err)
		}
		if r.peak > 128<<20 {
			t.Errorf("%s: peak %d MiB", f[0], r.peak>>20)
		}
		var m struct{ Summary struct{ Packets int64 } }
		if err := json.Unmarshal(r.out, &m); err != nil {
			t.Errorf("%s: %v: %.100s", f[0], err, r.out)
		}
		// An empty format: not even the inventory's reader could read it.
		if want := string(f[4]); len(bytes.TrimSpace(f[2])) > 0 && fmt.Sprint(m.Summary.Packets) != want {
			t.Errorf("%s: %d packets, want %s", f[0], m.Summary.Packets, want)
		}
	}
	if n < 600 {
		t.Errorf("only %d captures are in the inventory", n)
	}
}

// An error is on lines of its own, whatever the names in it; it says the same of
// standard output everywhere; and what nobody could look at is no failed check.
func TestErrorLines(t *testing.T) {
	full, err := os.OpenFile("/dev/full", os.O_WRONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer full.Close()
	const name = "a\nframescope: all is well"
	saved := filepath.Join(t.TempDir(), "saved")
	if err := os.WriteFile(saved, []byte(`{"schema":"2.0","type":"sockets","query":{}}`), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		want string
		args []string
	}{
		{`open a\nframescope: all is well: no such file`, []string{"decode", name}},
		{`a\nframescope: all is well`, []string{"sockets", "--netns=" + name}},
		{`a\nframescope: all is well`, []string{"hexdump", "--framing", name, "/dev/null"}},
		{"standard output: no space left on device\n", []string{"version"}},
		{"standard output: no space left on device\n", []string{"sockets", "-l", "-o", "csv"}},
		{`records have version "2.0"`, []string{"sockets", "--diff", saved}},
	} {
		cmd := exec.Command("framescope", tt.args...)
		var errs bytes.Buffer
		cmd.Stdout, cmd.Stderr = full, &errs
		_ = cmd.Run()
		if got := errs.String(); cmd.ProcessState.ExitCode() != exitUsage || !strings.Contains(got, tt.want) || strings.Contains(got, "\nframescope: all") {
			t.Errorf("%q: exit %d, %s", tt.args, cmd.ProcessState.ExitCode(), got)
		}
	}
}
