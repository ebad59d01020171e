package pcapfile_test

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"framescope/capture/pcapfile"
)

// start is when the clock of these tests begins.
var start = time.Date(2026, 11, 20, 16, 30, 0, 0, time.UTC)

// create begins a capture with one interface.
func create(t testing.TB, path string, c *pcapfile.RecorderConfig) *pcapfile.Recorder {
	t.Helper()
	r, err := pcapfile.Create(path, start, c)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { r.Close() })
	if _, err := r.AddInterface(&pcapfile.Interface{Name: "eth0", Link: 1, FCS: -1}); err != nil {
		t.Fatal(err)
	}
	return r
}

// numbered returns packets that begin with their number, from first on.
func numbered(first, n, size int) []pcapfile.Packet {
	ps := make([]pcapfile.Packet, n)
	for i := range ps {
		b := filled(max(size, 4))
		copy(b, little.u32(uint32(first+i)))
		ps[i] = pcapfile.Packet{Data: b, Time: start.UnixNano() + int64(first+i), Wire: uint32(len(b)), Link: 1}
	}
	return ps
}

// names returns the names of the files in dir, sorted.
func names(t testing.TB, dir string) (list []string) {
	t.Helper()
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		list = append(list, e.Name())
	}
	return list
}

// open reads the capture path, which must be whole.
func open(t testing.TB, path string) result {
	t.Helper()
	r, err := pcapfile.Open(path, nil)
	got := drain(t, r, err)
	if got.err != nil {
		t.Fatal(got.err)
	}
	return got
}

func must(t testing.TB, errs ...error) {
	t.Helper()
	if err := errors.Join(errs...); err != nil {
		t.Fatal(err)
	}
}

// A plain file is overwritten, is private, and can be read at any time.
func TestRecorder(t *testing.T) {
	path := filepath.Join(t.TempDir(), "x.pcapng")
	must(t, os.WriteFile(path, bytes.Repeat([]byte("old"), 1000), 0o600))
	r := create(t, path, &pcapfile.RecorderConfig{WriterConfig: pcapfile.WriterConfig{Comment: "not redacted"}})
	if got := open(t, path); len(got.packets) != 0 || len(got.interfaces) != 1 || got.comments[0].Text != "not redacted" {
		t.Errorf("a new file says %+v", got)
	}
	ps := numbered(0, 3, 60)
	must(t, r.Packets(ps[:1]), r.FlushDue(start.Add(499*time.Millisecond)))
	if n := len(open(t, path).packets); n != 0 {
		t.Errorf("%d packets after 499 ms", n)
	}
	must(t, r.FlushDue(start.Add(500*time.Millisecond)))
	if n := len(open(t, path).packets); n != 1 {
		t.Errorf("%d packets after 500 ms", n)
	}
	must(t, r.Packet(&ps[1]), r.FlushDue(start.Add(900*time.Millisecond)))
	if n := len(open(t, path).packets); n != 1 {
		t.Errorf("%d packets 400 ms later", n)
	}
	must(t, r.FlushDue(start.Add(-time.Hour))) // the clock is set back
	if n := len(open(t, path).packets); n != 2 {
		t.Errorf("%d packets after the clock was set back", n)
	}
	must(t, r.Packet(&ps[2]), r.Flush())
	samePackets(t, open(t, path).packets, ps)
	must(t, r.Statistics(0, 9, 1, start, start), r.Statistics(0, 10, 2, start, start))
	if err := r.Statistics(1, 9, 1, start, start); err == nil {
		t.Error("statistics of no interface")
	}
	must(t, r.Close(), r.Close())
	got := open(t, path)
	if i := got.interfaces[0]; i.Received != 10 || i.Dropped != 2 {
		t.Errorf("statistics %+v", i)
	}
	st, err := os.Stat(path)
	must(t, err)
	files, packets, size := r.Written()
	if files != 1 || packets != 3 || size != st.Size() || r.Name() != path {
		t.Errorf("%d files, %d packets, %d bytes in %s, want 1, 3, %d", files, packets, size, r.Name(), st.Size())
	}
	if err := r.Packets(ps); !errors.Is(err, os.ErrClosed) {
		t.Errorf("after Close: %v", err)
	}
	if err := r.FlushDue(start); !errors.Is(err, os.ErrClosed) {
		t.Errorf("after Close: %v", err)
	}
	if runtime.GOOS == "windows" {
		return
	}
	other := filepath.Join(t.TempDir(), "y")
	create(t, other, nil)
	if st, err := os.Stat(other); err != nil || st.Mode() != 0o600 {
		t.Errorf("a new file has mode %v, %v", st.Mode(), err)
	}
}

// A section header that is longer than the buffer goes to the file as others do.
func TestRecorderLongComment(t *testing.T) {
	path := filepath.Join(t.TempDir(), "x.pcapng")
	comment := strings.Repeat("c", 60_000)
	r := create(t, path, &pcapfile.RecorderConfig{WriterConfig: pcapfile.WriterConfig{Comment: comment, BufferBytes: 4 << 10}})
	if err := r.Packets(numbered(0, 3, 60)); err != nil {
		t.Fatal(err)
	}
	if err := r.Close(); err != nil {
		t.Fatal(err)
	}
	b, err := os.ReadFile(path)
	if n := bytes.Count(b, []byte(comment)); err != nil || n != 1 {
		t.Errorf("%v, the comment is there %d times", err, n)
	}
	got, err := pcapfile.Open(path, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer got.Close()
	var batch pcapfile.Batch
	if err := got.Read(&batch); err != nil || len(batch.Packets) != 3 {
		t.Errorf("%v, %d packets", err, len(batch.Packets))
	}
}

// Files are not larger than they may be, whole, and as full as they can be.
func TestRotateSize(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2))
	for _, c := range []struct{ limit, buffer int }{{1, 0}, {5000, 0}, {5000, 4096}, {4200, 4096}, {100_000, 4096}, {300_000, 0}, {200_000, 65536}} {
		dir := t.TempDir()
		r := create(t, filepath.Join(dir, "x.pcapng"), &pcapfile.RecorderConfig{RotateSize: int64(c.limit),
			WriterConfig: pcapfile.WriterConfig{BufferBytes: c.buffer, Comment: "a comment"}})
		must(t, r.Statistics(0, 1, 2, start, start), r.Secrets(pcapfile.SecretTLS, []byte("a key\n")))
		if _, err := r.AddInterface(&pcapfile.Interface{Name: "lo", Link: 113}); err != nil {
			t.Fatal(err)
		}
		must(t, r.Statistics(1, 3, 4, start, start))
		var want []pcapfile.Packet
		for len(want) < 2000 {
			ps := numbered(len(want), random.IntN(40), random.IntN(1<<random.IntN(12)))
			for i := range ps {
				if i%5 == 0 {
					ps[i].Interface, ps[i].Link = 1, 113
				}
			}
			must(t, r.Packets(ps), r.FlushDue(start.Add(time.Duration(len(want))*time.Millisecond)))
			want = append(want, ps...)
			if random.IntN(10) == 0 {
				p := numbered(len(want), 1, 100)[0]
				must(t, r.Annotated(&p, &pcapfile.Annotation{Flags: 1, Comment: strings.Repeat("c", random.IntN(300))}))
				want = append(want, p)
			}
			if c.limit == 1 && len(want) > 100 {
				break
			}
		}
		must(t, r.Close())
		var got []pcapfile.Packet
		list := names(t, dir)
		total := int64(0)
		for i, name := range list {
			if !strings.HasPrefix(name, fmt.Sprintf("x_%05d_20261120163", i+1)) || !strings.HasSuffix(name, ".pcapng") {
				t.Errorf("file %d is called %s", i+1, name)
			}
			f := open(t, filepath.Join(dir, name))
			st, err := os.Stat(filepath.Join(dir, name))
			must(t, err)
			total += st.Size()
			if len(f.packets) == 0 || len(f.packets) > 1 && st.Size() > int64(c.limit) {
				t.Errorf("limit %d: %s has %d packets, %d bytes", c.limit, name, len(f.packets), st.Size())
			}
			if i < len(list)-1 && st.Size() < int64(c.limit)-min(16<<10, int64(c.limit))/2-2500 {
				t.Errorf("limit %d: %s has only %d bytes", c.limit, name, st.Size())
			}
			for _, p := range f.packets {
				p.Number = int64(len(got) + 1)
				got = append(got, p)
			}
			if len(f.interfaces) != 2 || f.interfaces[0].Dropped != 2 || f.interfaces[1].Received != 3 || f.interfaces[1].Name != "lo" ||
				len(f.secrets) != 1 || f.comments[0].Text != "a comment" {
				t.Errorf("limit %d: %s says %+v", c.limit, name, f.interfaces)
			}
		}
		samePackets(t, got, want)
		if files, packets, size := r.Written(); files != len(list) || packets != int64(len(want)) || size != total {
			t.Errorf("limit %d: %d files, %d packets, %d bytes, want %d, %d, %d", c.limit, files, packets, size, len(list), len(want), total)
		}
	}
}

// A new file begins after some time, unless there is nothing in the old one.
func TestRotateEvery(t *testing.T) {
	dir := t.TempDir()
	zone := time.FixedZone("", 2*3600)
	r, err := pcapfile.Create(filepath.Join(dir, "cap"), start.In(zone), &pcapfile.RecorderConfig{RotateEvery: time.Minute})
	must(t, err)
	if _, err := r.AddInterface(&pcapfile.Interface{Link: 1}); err != nil {
		t.Fatal(err)
	}
	at := func(d time.Duration) error { return r.FlushDue(start.Add(d).In(zone)) }
	ps := numbered(0, 10, 60)
	must(t,
		r.Packet(&ps[0]), at(59*time.Second), r.Packet(&ps[1]), at(60*time.Second), // the second file begins
		r.Packet(&ps[2]), at(119*time.Second), at(121*time.Second), // the third
		at(10*time.Minute), r.Packet(&ps[3]), at(10*time.Minute+59*time.Second), r.Packet(&ps[4]),
		at(11*time.Minute),                // the fourth
		r.Packet(&ps[5]), at(time.Minute), // the clock is set back: a minute from there
		r.Packet(&ps[6]), at(119*time.Second), r.Packet(&ps[7]), at(2*time.Minute), // the fifth
		r.Close())
	want := []string{"cap_00001_20261120183000", "cap_00002_20261120183100", "cap_00003_20261120183201", "cap_00004_20261120184100", "cap_00005_20261120183200"}
	if got := names(t, dir); !slices.Equal(got, want) {
		t.Fatalf("files %q, want %q", got, want)
	}
	for i, n := range []int{2, 1, 2, 3, 0} {
		if got := len(open(t, filepath.Join(dir, want[i])).packets); got != n {
			t.Errorf("%s has %d packets, want %d", want[i], got, n)
		}
	}
}

// Only the last files of this rotation are kept, and nobody else's are touched.
func TestKeep(t *testing.T) {
	for keep := 1; keep <= 3; keep++ {
		dir := t.TempDir()
		stamp := start.Format("20060102150405")
		foreign := []string{"x.pcapng", "x_00000_20260101000000.pcapng", "x_00001_20260101000000.pcapng", "x_00002_" + stamp + ".pcapng", "x_00009_" + stamp + ".pcapng", "z"}
		for _, name := range foreign {
			must(t, os.WriteFile(filepath.Join(dir, name), []byte(name), 0o600))
		}
		r := create(t, filepath.Join(dir, "x.pcapng"), &pcapfile.RecorderConfig{RotateSize: 1, Keep: keep})
		replaced := ""
		for i, p := range numbered(0, 10, 60) {
			must(t, r.Packet(&p))
			if n := len(names(t, dir)); n > len(foreign)+keep {
				t.Errorf("keep %d: %d files are left", keep, n-len(foreign))
			}
			if i == 4 {
				// somebody moved a file away, and put another one in its place
				replaced = r.Name()
				if err := os.Rename(replaced, replaced+".moved"); err != nil && runtime.GOOS == "windows" {
					replaced = ""
					continue
				} else if err != nil {
					t.Fatal(err)
				}
				must(t, os.WriteFile(replaced, []byte(filepath.Base(replaced)), 0o600))
				foreign = append(foreign, filepath.Base(replaced), filepath.Base(replaced)+".moved")
			}
		}
		must(t, r.Close())
		// numbers 2 and 9 are taken
		want := slices.Clone(foreign)
		for n := 12; n > 12-keep; n-- {
			want = append(want, fmt.Sprintf("x_%05d_%s.pcapng", n, stamp))
		}
		slices.Sort(want)
		if got := names(t, dir); !slices.Equal(got, want) {
			t.Errorf("keep %d: files %q, want %q", keep, got, want)
		}
		for _, name := range foreign {
			if b, err := os.ReadFile(filepath.Join(dir, name)); !strings.HasSuffix(name, ".moved") && (err != nil || string(b) != name) {
				t.Errorf("%s was changed: %q, %v", name, b, err)
			}
		}
	}
}

// What cannot be is said at the beginning.
func TestCreateRefuses(t *testing.T) {
	dir := t.TempDir()
	for _, c := range []struct {
		path string
		c    pcapfile.RecorderConfig
		want string
	}{
		{"-", pcapfile.RecorderConfig{RotateSize: 1}, "standard output: create: only files can be rotated"},
		{"x", pcapfile.RecorderConfig{Keep: 1}, "x: create: to keep some files, say when a new one begins"},
		{filepath.Join(dir, "none", "x"), pcapfile.RecorderConfig{}, filepath.Join(dir, "none", "x") + ": create: "},
		{dir, pcapfile.RecorderConfig{}, dir + ": create: "},
	} {
		_, err := pcapfile.Create(c.path, start, &c.c)
		var e *pcapfile.WriteError
		if !errors.As(err, &e) || !strings.HasPrefix(err.Error(), c.want) || e.Op != "create" {
			t.Errorf("%v, want %s", err, c.want)
		}
	}
	if got := names(t, dir); len(got) != 0 {
		t.Errorf("files %q", got)
	}
	if _, err := os.Stat("x"); err == nil {
		t.Error("x was created")
	}
}

// A directory that is gone ends a rotation; what was written stays.
func TestRotateIntoNothing(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "a")
	must(t, os.Mkdir(dir, 0o700))
	r := create(t, filepath.Join(dir, "x.pcapng"), &pcapfile.RecorderConfig{RotateSize: 1})
	ps := numbered(0, 2, 60)
	must(t, r.Packet(&ps[0]))
	moved := dir + "-moved"
	if err := os.Rename(dir, moved); err != nil {
		if runtime.GOOS == "windows" {
			return // a directory with an open file stays where it is
		}
		t.Fatal(err)
	}
	err := r.Packet(&ps[1])
	var e *pcapfile.WriteError
	if !errors.As(err, &e) || !errors.Is(err, fs.ErrNotExist) || e.Op != "create" || !strings.Contains(e.File, "x_00002_") {
		t.Fatalf("%v", err)
	}
	if again := r.Packet(&ps[1]); again != err {
		t.Errorf("the error does not stick: %v", again)
	}
	if again := r.FlushDue(start); again != err {
		t.Errorf("the error does not stick: %v", again)
	}
	if again := r.Close(); again != err {
		t.Errorf("Close says %v", again)
	}
	list := names(t, moved)
	if len(list) != 1 || len(open(t, filepath.Join(moved, list[0])).packets) != 1 {
		t.Errorf("files %q", list)
	}
	if files, packets, _ := r.Written(); files != 1 || packets != 1 {
		t.Errorf("%d files, %d packets", files, packets)
	}
}

// Standard output may be a file, which is written where it stands, or a pipe.
func TestRecorderToStandardOutput(t *testing.T) {
	stdout := os.Stdout
	defer func() { os.Stdout = stdout }()
	ps := numbered(0, 5, 60)
	f, err := os.Create(filepath.Join(t.TempDir(), "x"))
	must(t, err)
	defer f.Close()
	_, err = f.WriteString("head")
	must(t, err)
	os.Stdout = f
	r := create(t, "-", nil)
	must(t, r.Packets(ps), r.Close())
	if r.Name() != "standard output" {
		t.Errorf("named %q", r.Name())
	}
	_, err = f.WriteString("tail")
	must(t, err)
	b, err := os.ReadFile(f.Name())
	must(t, err)
	b, ok := bytes.CutPrefix(b, []byte("head"))
	b, ok2 := bytes.CutSuffix(b, []byte("tail"))
	if !ok || !ok2 {
		t.Fatalf("%q", b)
	}
	samePackets(t, decode(t, b).packets, ps)

	pr, pw, err := os.Pipe()
	must(t, err)
	defer pr.Close()
	os.Stdout = pw
	r = create(t, "-", nil)
	os.Stdout = stdout
	pw.Close()
	in, err := pcapfile.NewReader(pr, "pipe", nil)
	must(t, err)
	var batch pcapfile.Batch
	for i := range ps {
		// each packet comes through at once
		must(t, r.Packet(&ps[i]), r.FlushDue(start))
		if err := in.Read(&batch); err != nil || len(batch.Packets) != 1 || batch.Packets[0].Number != int64(i+1) {
			t.Fatalf("packet %d: %v, %v", i+1, batch.Packets, err)
		}
	}
	pr.Close()
	must(t, r.Packet(&ps[0]))
	err = r.FlushDue(start)
	var e *pcapfile.WriteError
	if !errors.As(err, &e) || e.Packets != 5 || !strings.HasPrefix(err.Error(), "standard output: write: ") {
		t.Fatalf("%v", err)
	}
	if again := r.Close(); again != err {
		t.Errorf("Close says %v", again)
	}
}
