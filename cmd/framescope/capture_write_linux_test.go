package main

import (
	"bufio"
	"bytes"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"

	"framescope/capture/netns/netnstest"
)

// flood sends n TCP segments of 154 bytes, of 64 connections, on fs0 as fast as
// it goes.
func flood(n int) error {
	i, err := net.InterfaceByName("fs0")
	if err != nil {
		return err
	}
	fd, err := unix.Socket(unix.AF_PACKET, unix.SOCK_RAW|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return err
	}
	defer unix.Close(fd)
	if err := unix.SetsockoptInt(fd, unix.SOL_PACKET, unix.PACKET_QDISC_BYPASS, 1); err != nil {
		return err
	}
	if err := unix.Bind(fd, &unix.SockaddrLinklayer{Ifindex: i.Index}); err != nil {
		return err
	}
	const size, batch = 154, 256
	type message struct { // struct mmsghdr
		unix.Msghdr
		sent uint32
		_    [4]byte
	}
	frames, iov, msgs := make([][size]byte, batch), make([]unix.Iovec, batch), make([]message, batch)
	for k := range frames {
		f := &frames[k]
		copy(f[:], []byte{2, 0, 0, 0, 0, 2, 2, 0, 0, 0, 0, 1, 8, 0, 0x45, 0, 0, size - 14})
		f[22], f[23] = 64, 6
		copy(f[26:], []byte{10, 0, 0, 1, 10, 0, 0, 2})
		binary.BigEndian.PutUint16(f[34:], uint16(40000+k%64))
		binary.BigEndian.PutUint16(f[36:], 8765)
		f[46], f[47] = 0x50, 0x10
		iov[k].Base = &f[0]
		iov[k].SetLen(size)
		msgs[k].Iov, msgs[k].Iovlen = &iov[k], 1
	}
	for sent := 0; sent < n; {
		for k := range frames {
			binary.BigEndian.PutUint32(frames[k][38:], uint32((sent+k)/64*(size-54)))
		}
		got, _, e := unix.Syscall6(unix.SYS_SENDMMSG, uintptr(fd), uintptr(unsafe.Pointer(&msgs[0])), uintptr(min(batch, n-sent)), 0, 0, 0)
		if e != 0 && e != unix.EINTR && e != unix.ENOBUFS {
			return e
		}
		if e == 0 {
			sent += int(got)
		}
	}
	return nil
}

// A recorder is a program that writes a capture of fs1.
type recorder struct {
	name           string
	args           []string
	begins         string         // what it says when it has begun
	packets, drops *regexp.Regexp // what it says at its end
}

// record runs r while fill sends packets, and returns what it counted and its
// CPU time.
func (r *recorder) record(fill func() error) (packets, drops int64, cpu time.Duration, err error) {
	cmd := exec.Command(r.args[0], r.args[1:]...)
	words, err := cmd.StderrPipe()
	if err != nil {
		return 0, 0, 0, err
	}
	if err := cmd.Start(); err != nil {
		return 0, 0, 0, err
	}
	lines := bufio.NewReader(words)
	var said strings.Builder
	for !strings.Contains(said.String(), r.begins) {
		l, err := lines.ReadString('\n')
		said.WriteString(l)
		if err != nil {
			cmd.Wait()
			return 0, 0, 0, fmt.Errorf("%s: %w: %s", r.name, err, said.String())
		}
	}
	if err = fill(); err == nil {
		time.Sleep(200 * time.Millisecond)
	}
	cmd.Process.Signal(os.Interrupt)
	io.Copy(&said, lines)
	if e := cmd.Wait(); e != nil || err != nil {
		return 0, 0, 0, fmt.Errorf("%s: %v, %v: %s", r.name, e, err, said.String())
	}
	number := func(re *regexp.Regexp) int64 {
		m := re.FindStringSubmatch(said.String())
		if m == nil {
			err = fmt.Errorf("%s says %s", r.name, said.String())
			return 0
		}
		n, _ := strconv.ParseInt(m[1], 10, 64)
		return n
	}
	packets, drops = number(r.packets), number(r.drops)
	return packets, drops, cmd.ProcessState.SystemTime() + cmd.ProcessState.UserTime(), err
}

// Two million packets in a second or two: nothing is dropped that tcpdump does
// not drop, and every packet is in the file. With -v it says what CPU time the
// two took: docs/performance.md.
func TestDropsNothing(t *testing.T) {
	need(t, "tcpdump")
	dir := openFolder(t)
	fs := filepath.Join(dir, "framescope")
	mine, theirs := filepath.Join(dir, "x.pcapng"), filepath.Join(dir, "x.pcap")
	all := []*recorder{
		{
			"framescope", []string{fs, "capture", "-i", "fs1", "-w", mine}, "capturing on",
			regexp.MustCompile(`(\d+) packets?, .*written to`), regexp.MustCompile(`(\d+) dropped, written`),
		},
		{
			"tcpdump", []string{"tcpdump", "-Z", "root", "-i", "fs1", "-w", theirs}, "listening on",
			regexp.MustCompile(`(\d+) packets? captured`), regexp.MustCompile(`(\d+) packets? dropped by kernel`),
		},
	}
	total, rounds := 2_000_000, 1
	if s := os.Getenv("FRAMESCOPE_ROUNDS"); s != "" {
		rounds, _ = strconv.Atoi(s)
	}
	if testing.Short() {
		total = 200_000
	}
	netnstest.InVeth(t, func() {
		dropped := map[string]int64{}
		cpu := map[string][]time.Duration{}
		for range rounds {
			for _, r := range all {
				packets, drops, took, err := r.record(func() error { return flood(total) })
				if err != nil {
					t.Error(err)
					return
				}
				dropped[r.name] += drops
				cpu[r.name] = append(cpu[r.name], took)
				if r.name == "framescope" && packets+drops != int64(total) {
					t.Errorf("%d packets, %d dropped, of %d", packets, drops, total)
				}
				if got := countPackets(t, fs, mine); r.name == "framescope" && got != packets {
					t.Errorf("%d packets in the file, %d were said to be", got, packets)
				}
			}
		}
		for _, r := range all {
			slices.Sort(cpu[r.name])
			t.Logf("%-10s CPU %v (median), %v to %v; %d of %d packets dropped", r.name, cpu[r.name][len(cpu[r.name])/2],
				cpu[r.name][0], cpu[r.name][len(cpu[r.name])-1], dropped[r.name], total*rounds)
		}
		if mine, theirs := dropped["framescope"], dropped["tcpdump"]; mine > theirs {
			t.Errorf("%d packets dropped, tcpdump dropped %d", mine, theirs)
		}
	})
}

// countPackets returns how many packets decode finds in files that it reads
// without complaint.
func countPackets(t *testing.T, fs string, files ...string) (n int64) {
	t.Helper()
	out, err := exec.Command(fs, append([]string{"decode", "-o", "jsonl", "--select", "summary"}, files...)...).Output()
	if err != nil {
		t.Errorf("%q: %v: %s", files, err, out)
	}
	for line := range bytes.Lines(out) {
		var r struct{ Summary struct{ Packets int64 } }
		if err := json.Unmarshal(line, &r); err != nil {
			t.Errorf("%v: %s", err, line)
		}
		n += r.Summary.Packets
	}
	return n
}

// trickle sends n small packets with their number in them, one each pause.
func trickle(t *testing.T, n int, pause time.Duration) {
	t.Helper()
	i, err := net.InterfaceByName("fs0")
	if err != nil {
		t.Error(err)
		return
	}
	fd, err := unix.Socket(unix.AF_PACKET, unix.SOCK_RAW|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		t.Error(err)
		return
	}
	defer unix.Close(fd)
	frame := make([]byte, 60)
	copy(frame, []byte{2, 0, 0, 0, 0, 2, 2, 0, 0, 0, 0, 1, 0x88, 0xb5})
	for k := range n {
		binary.BigEndian.PutUint32(frame[14:], uint32(k))
		if err := unix.Sendto(fd, frame, 0, &unix.SockaddrLinklayer{Ifindex: i.Index}); err != nil {
			t.Error(err)
			return
		}
		time.Sleep(pause)
	}
}

// begin starts a capture on fs1 in the background and waits until it has begun.
func beginCapture(t *testing.T, fs string, args ...string) (cmd *exec.Cmd, words func() string) {
	t.Helper()
	cmd = exec.Command(fs, append([]string{"capture", "-i", "fs1"}, args...)...)
	var said bytes.Buffer
	pipe, err := cmd.StderrPipe()
	if err == nil {
		err = cmd.Start()
	}
	if err != nil {
		t.Fatal(err)
	}
	lines := bufio.NewReader(pipe)
	for !strings.Contains(said.String(), "capturing on") {
		line, err := lines.ReadString('\n')
		said.WriteString(line)
		if err != nil {
			cmd.Wait()
			t.Fatalf("%v: %s", err, &said)
		}
	}
	rest := make(chan struct{})
	go func() { io.Copy(&said, lines); close(rest) }()
	return cmd, func() string { <-rest; return said.String() }
}

// A capture that is killed leaves a file that can be read, up to the last
// second.
func TestKill(t *testing.T) {
	dir := openFolder(t)
	fs, file := filepath.Join(dir, "framescope"), filepath.Join(dir, "x.pcapng")
	netnstest.InVeth(t, func() {
		for range 3 {
			cmd, words := beginCapture(t, fs, "-w", file)
			const pause = 10 * time.Millisecond
			trickle(t, 250, pause)
			cmd.Process.Kill()
			words()
			cmd.Wait()
			// A second is a hundred packets at most.
			if n := countPackets(t, fs, file); n < 150 || n > 250 {
				t.Errorf("%d packets of 250 are in the file", n)
			} else {
				tshark(t, file, int(n))
			}
		}
	})
}

// When the disk is full the capture ends with an error that says so, and what
// was written can be read.
func TestDiskFull(t *testing.T) {
	dir := openFolder(t)
	fs, small := filepath.Join(dir, "framescope"), filepath.Join(dir, "small")
	if err := os.Mkdir(small, 0o755); err != nil {
		t.Fatal(err)
	}
	asRoot(t, "CAP_SYS_ADMIN")
	if err := unix.Mount("tmpfs", small, "tmpfs", 0, "size=2m"); err != nil {
		t.Fatal(err)
	}
	defer unix.Unmount(small, 0)
	file := filepath.Join(small, "x.pcapng")
	netnstest.InVeth(t, func() {
		cmd, words := beginCapture(t, fs, "-w", file)
		if err := flood(40_000); err != nil {
			t.Error(err)
		}
		said := words()
		err := cmd.Wait()
		if cmd.ProcessState.ExitCode() != exitUsage || !strings.Contains(said, "x.pcapng: write: no space left on device; ") {
			t.Errorf("%v: %s", err, said)
		}
		if n := countPackets(t, fs, file); n < 8000 {
			t.Errorf("%d packets are in the file", n)
		} else {
			tshark(t, file, int(n))
		}
	})
}

// Files that are rotated hold all packets, each once; --keep leaves the last.
func TestRotation(t *testing.T) {
	dir := openFolder(t)
	fs := filepath.Join(dir, "framescope")
	for _, tt := range []struct {
		name        string
		args        []string
		least, most int
		all         bool
	}{
		{"size", []string{"--rotate-size", "64K"}, 50, 200, true},
		{"keep", []string{"--rotate-size", "64K", "--keep", "5"}, 5, 5, false},
		{"every", []string{"--rotate-every", "1s"}, 2, 0, true}, // at most one more than it takes seconds
	} {
		t.Run(tt.name, func(t *testing.T) {
			sub := filepath.Join(dir, tt.name)
			if err := os.Mkdir(sub, 0o755); err != nil {
				t.Fatal(err)
			}
			netnstest.InVeth(t, func() {
				start := time.Now()
				cmd, words := beginCapture(t, fs, append(tt.args, "-w", filepath.Join(sub, "x.pcapng"))...)
				const total = 60_000
				for range 3 {
					if err := flood(total / 3); err != nil {
						t.Error(err)
					}
					if tt.name == "every" {
						time.Sleep(700 * time.Millisecond)
					}
				}
				time.Sleep(50 * time.Millisecond)
				cmd.Process.Signal(syscall.SIGINT)
				said := words()
				if err := cmd.Wait(); err != nil {
					t.Errorf("%v: %s", err, said)
				}
				names, _ := filepath.Glob(filepath.Join(sub, "x_*.pcapng"))
				most := tt.most
				if most == 0 {
					most = 1 + int(time.Since(start)/time.Second)
				}
				if len(names) < tt.least || len(names) > most {
					t.Errorf("%d files: %q", len(names), names)
				}
				n := countPackets(t, fs, names...)
				if tt.all && n != total {
					t.Errorf("%d packets in %d files, want %d", n, len(names), total)
				}
			})
		})
	}
}
