//go:build unix

package pcapfile_test

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"framescope/capture/pcapfile"
)

// What the test program does when it is started by a test: see children.
const childVariable = "PCAPFILE_CHILD"

var children = map[string]func(args []string) error{
	"record": recordForEver,
	"limit":  fillToLimit,
}

func TestMain(m *testing.M) {
	if name := os.Getenv(childVariable); name != "" {
		if err := children[name](os.Args[1:]); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		os.Exit(0)
	}
	os.Exit(m.Run())
}

func child(name string, args ...string) *exec.Cmd {
	cmd := exec.Command(os.Args[0], args...)
	cmd.Env = append(os.Environ(), childVariable+"="+name)
	cmd.Stderr = os.Stderr
	return cmd
}

// recordForEver writes numbered packets to args[0], and prints how many after
// each batch: as fast as it can into a rotation when args[1] is zero, or else
// so many at a time, 50 times in a second.
func recordForEver(args []string) error {
	batch, err := strconv.Atoi(args[1])
	if err != nil {
		return err
	}
	c := pcapfile.RecorderConfig{}
	fast := batch == 0
	if fast {
		batch = 200
		c.RotateSize, c.Keep = 32<<20, 2
	}
	r, err := pcapfile.Create(args[0], time.Now(), &c)
	if err != nil {
		return err
	}
	if _, err := r.AddInterface(&pcapfile.Interface{Link: 1, FCS: -1}); err != nil {
		return err
	}
	if err := r.Statistics(0, 1, 0, time.Now(), time.Now()); err != nil {
		return err
	}
	data := filled(70_000)
	ps := make([]pcapfile.Packet, batch)
	random := rand.New(rand.NewPCG(1, 2))
	for n := 0; ; {
		for i := range ps {
			size := 60 + random.IntN(1454)
			if batch > 100 && random.IntN(50) == 0 {
				size = 65549
			}
			ps[i] = pcapfile.Packet{Data: data[:size], Time: int64(n), Wire: uint32(n), Link: 1}
			n++
		}
		if err := errors.Join(r.Packets(ps), r.FlushDue(time.Now())); err != nil {
			return err
		}
		fmt.Println(n)
		if !fast {
			time.Sleep(time.Second / 50)
		}
	}
}

// A report says how many packets had been captured at a time.
type report struct {
	at      time.Time
	packets int
}

// kill starts a process that writes to path, and kills it. It returns what the
// process reported, and when it was killed.
func kill(t *testing.T, path string, batch int, after time.Duration) (reports []report, at time.Time) {
	cmd := child("record", path, strconv.Itoa(batch))
	out, err := cmd.StdoutPipe()
	if err == nil {
		err = cmd.Start()
	}
	if err != nil {
		t.Error(err)
		return nil, at
	}
	killed := make(chan time.Time, 1)
	begin := sync.OnceFunc(func() {
		time.AfterFunc(after, func() {
			killed <- time.Now()
			cmd.Process.Kill()
		})
	})
	for lines := bufio.NewScanner(out); lines.Scan(); begin() {
		n, err := strconv.Atoi(lines.Text())
		if err != nil {
			t.Error(err)
		}
		reports = append(reports, report{time.Now(), n})
	}
	if err := cmd.Wait(); err == nil || err.Error() != "signal: killed" {
		t.Errorf("the process ended: %v", err)
		return reports, at
	}
	return reports, <-killed
}

// readNumbered returns the number of the first packet in the capture path and
// that behind the last one, which must follow each other; and whether the file
// ends in the midst of a block.
func readNumbered(t *testing.T, path string) (first, next int, cut bool) {
	r, err := pcapfile.Open(path, nil)
	if err != nil {
		t.Error(err)
		return 0, 0, true
	}
	defer r.Close()
	want := filled(70_000)
	var b pcapfile.Batch
	for {
		if err := r.Read(&b); err == io.EOF {
			return first, next, false
		} else if errors.Is(err, pcapfile.ErrTruncated) {
			return first, next, true
		} else if err != nil {
			t.Error(err)
			return first, next, true
		}
		for _, p := range b.Packets {
			if next == 0 {
				first, next = int(p.Wire), int(p.Wire)
			}
			if int(p.Wire) != next || string(p.Data) != string(want[:len(p.Data)]) {
				t.Errorf("%s: packet %d where %d should be", path, p.Wire, next)
				return first, next, false
			}
			next++
		}
	}
}

// A process that is killed has lost nothing that is older than a second, and
// the file can be read.
func TestKilled(t *testing.T) {
	if testing.Short() {
		t.Skip("takes seconds")
	}
	dir := t.TempDir()
	var all sync.WaitGroup
	var packets [4]int
	var cuts [4]bool
	for k := range packets {
		all.Go(func() {
			path := filepath.Join(dir, strconv.Itoa(k))
			// a few packets would stay in the buffer if nobody flushed it
			batch := []int{1, 3, 150, 300}[k]
			reports, at := kill(t, path, batch, time.Duration(1200+rand.IntN(800))*time.Millisecond)
			want := 0
			for _, r := range reports {
				if at.Sub(r.at) > time.Second {
					want = r.packets
				}
			}
			_, n, cut := readNumbered(t, path)
			if n < want || want == 0 || n > reports[len(reports)-1].packets+batch {
				t.Errorf("%d packets are in the file, %d were captured a second before the kill, %d in all", n, want, reports[len(reports)-1].packets)
			}
			t.Logf("%d packets, %d a second before, %d in all", n, want, reports[len(reports)-1].packets)
			packets[k], cuts[k] = n, cut
		})
	}
	all.Wait()
	for k, n := range packets {
		wiresharkReads(t, filepath.Join(dir, strconv.Itoa(k)), n, cuts[k])
	}
}

// The same for a process that does nothing but write, into a rotation: every
// file is whole, but for the end of the last one.
func TestKilledInRotation(t *testing.T) {
	if testing.Short() {
		t.Skip("takes seconds")
	}
	cuts := 0
	const times = 12
	for k := range times {
		dir := t.TempDir()
		reports, _ := kill(t, filepath.Join(dir, "x"), 0, time.Duration(rand.IntN(200))*time.Millisecond)
		if len(reports) == 0 {
			t.Fatal("nothing was written")
		}
		next := 0
		list := names(t, dir)
		if len(list) == 0 || len(list) > 2 {
			t.Fatalf("files %q", list)
		}
		for i, name := range list {
			path := filepath.Join(dir, name)
			if st, err := os.Stat(path); err == nil && st.Size() == 0 && i == len(list)-1 {
				continue // killed between its creation and the first write
			}
			first, end, cut := readNumbered(t, path)
			if i == 1 && end > 0 && first != next || i == 0 && end == 0 {
				t.Errorf("%s has packets %d to %d, the one before ends at %d", name, first, end, next)
			}
			if cut {
				cuts++
				if i < len(list)-1 {
					t.Errorf("%s is cut", name)
				}
			}
			if k < 2 {
				wiresharkReads(t, path, end-first, cut)
			}
			next = max(next, end)
			must(t, os.Remove(path))
		}
		// what is missing is in the buffer
		if last := reports[len(reports)-1].packets; last-next > 3000 {
			t.Errorf("packets up to %d are there, %d were captured", next, last)
		}
	}
	t.Logf("%d of %d files were cut in the midst of a block", cuts, times)
}

// wiresharkReads has tshark and capinfos read the capture path. They may only
// complain about its end, when that is cut.
func wiresharkReads(t *testing.T, path string, packets int, cut bool) {
	for _, args := range [][]string{
		{"capinfos", "-c", "-M", "-r", path},
		{"tshark", "-n", "-r", path, "-T", "fields", "-e", "frame.number", "-Y", "frame.number >= " + strconv.Itoa(packets)},
	} {
		out, said, err := wireshark(t, args[0], args[1:]...)
		if (err != nil) != cut || cut != strings.Contains(said, "cut short in the middle of a packet") {
			t.Errorf("%s: %v, %s", args[0], err, said)
		}
		if n := strconv.Itoa(packets); packets > 0 && !strings.HasSuffix(strings.TrimSpace(out), n) {
			t.Errorf("%s says %s, want %s packets", args[0], out, n)
		}
	}
}

// fillUp writes packets to path until that fails, and prints the error.
func fillUp(path string, rotate int64) error {
	r, err := pcapfile.Create(path, time.Now(), &pcapfile.RecorderConfig{RotateSize: rotate})
	if err != nil {
		return err
	}
	if _, err := r.AddInterface(&pcapfile.Interface{Link: 1, FCS: -1}); err != nil {
		return err
	}
	data := filled(70_000)
	for n := 0; ; n++ {
		p := pcapfile.Packet{Data: data[:60+n%1454], Time: int64(n), Wire: uint32(n), Link: 1}
		if err = r.Packet(&p); err != nil {
			break
		}
	}
	var e *pcapfile.WriteError
	st, serr := os.Stat(r.Name())
	switch {
	case !errors.As(err, &e) || !errors.Is(err, pcapfile.ErrFull) || e.Op != "write" || e.File != r.Name():
		return fmt.Errorf("not a named error: %w", err)
	case r.Flush() != err || r.Close() != err:
		return fmt.Errorf("the error does not stick: %w", err)
	case serr != nil || st.Size() != e.Off:
		return fmt.Errorf("the file is not cut at %d: %v, %w", e.Off, st.Size(), serr)
	}
	fmt.Printf("%s\n%d\n%v\n", r.Name(), e.Packets, err)
	return nil
}

// fillToLimit makes args[1] bytes the largest size of a file.
func fillToLimit(args []string) error {
	n, err := strconv.ParseUint(args[1], 10, 64)
	if err != nil {
		return err
	}
	var l unix.Rlimit
	assign(&l.Cur, n)
	assign(&l.Max, n)
	if err := unix.Setrlimit(unix.RLIMIT_FSIZE, &l); err != nil {
		return err
	}
	return fillUp(args[0], 0)
}

// assign sets a field that is signed on some systems.
func assign[T int64 | uint64](field *T, n uint64) { *field = T(n) }

// filledUp checks what fillUp printed: first and how many packets are in the
// file, which is left.
func filledUp(t *testing.T, out []byte, err error, path, want string, first int) {
	t.Helper()
	lines := strings.Split(string(out), "\n")
	if err != nil || len(lines) < 3 {
		t.Fatalf("%v: %s", err, out)
	}
	if !strings.HasSuffix(lines[2], want+"; "+lines[1]+" packets are in it") || !strings.HasPrefix(lines[2], lines[0]+": write: ") {
		t.Errorf("%q, want %q", lines[2], want)
	}
	begin, end, cut := readNumbered(t, path)
	if cut || strconv.Itoa(end-begin) != lines[1] || begin != first {
		t.Errorf("packets %d to %d are in the file, cut: %v", begin, end, cut)
	}
	wiresharkReads(t, path, end-begin, cut)
}

// A file that would become too large is cut behind the last whole block.
func TestFileTooLarge(t *testing.T) {
	for _, size := range []int{300, 100_000, 262_144, 1_000_001} {
		path := filepath.Join(t.TempDir(), "x")
		out, err := child("limit", path, strconv.Itoa(size)).Output()
		filledUp(t, out, err, path, "file too large", 0)
		if st, err := os.Stat(path); err != nil || st.Size() > int64(size) || st.Size() < int64(size)-1600 {
			t.Errorf("%d bytes of %d are used, %v", st.Size(), size, err)
		}
	}
}

// A reader that goes away is an error, not the end of the process.
func TestBrokenPipe(t *testing.T) {
	pr, pw, err := os.Pipe()
	must(t, err)
	cmd := child("limit", "-", "1000000")
	cmd.Stdout = pw
	var said strings.Builder
	cmd.Stderr = &said
	must(t, cmd.Start())
	pw.Close()
	var b [1]byte
	_, err = pr.Read(b[:])
	must(t, err)
	pr.Close()
	err = cmd.Wait()
	var e *exec.ExitError
	if !errors.As(err, &e) || e.ExitCode() != 1 || !strings.Contains(said.String(), "standard output: write: broken pipe; ") {
		t.Errorf("%v: %s", err, said.String())
	}
}

func TestErrFull(t *testing.T) {
	for _, c := range []struct {
		err  error
		want bool
	}{
		{syscall.ENOSPC, true}, {syscall.EDQUOT, true}, {syscall.EFBIG, true},
		{&os.PathError{Op: "write", Path: "x", Err: syscall.ENOSPC}, true},
		{syscall.EPIPE, false}, {syscall.EIO, false}, {io.ErrShortWrite, false},
	} {
		if got := errors.Is(&pcapfile.WriteError{Err: c.err}, pcapfile.ErrFull); got != c.want {
			t.Errorf("%v: %v", c.err, got)
		}
	}
}
