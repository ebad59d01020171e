package sockets

import (
	"fmt"
	"math"
	"os"
	"os/exec"
	"runtime"
	"slices"
	"strings"
	"testing"
	"unsafe"

	"golang.org/x/sys/unix"

	"framescope/capture/capability"
)

// A child of TestLeaderGone opens a socket and ends the thread that it began with,
// on which init runs.
func init() {
	if os.Getenv("SOCKETS_LEADER") == "" {
		return
	}
	runtime.LockOSThread()
	fd, err := unix.Socket(unix.AF_UNIX, unix.SOCK_DGRAM, 0)
	if err != nil {
		os.Exit(1)
	}
	go func() {
		for {
			if b, err := os.ReadFile("/proc/self/stat"); err == nil && strings.Contains(string(b), ") Z ") {
				break
			}
			runtime.Gosched()
		}
		var st unix.Stat_t
		_ = unix.Fstat(fd, &st)
		inodes := make(chan uint64)
		for _, flags := range []int{0, unix.CLONE_FILES} {
			go func() { // a name of its own, and files of its own
				runtime.LockOSThread()
				_ = unix.Prctl(unix.PR_SET_NAME, uintptr(unsafe.Pointer(&[]byte("thread\x00")[0])), 0, 0, 0)
				_ = unix.Unshare(flags)
				if fd, err := unix.Socket(unix.AF_UNIX, unix.SOCK_DGRAM, 0); err == nil {
					_ = unix.Fstat(fd, &st)
				}
				inodes <- st.Ino
				select {}
			}()
			fmt.Println(st.Ino, <-inodes)
		}
		_, _ = os.Stdin.Read(make([]byte, 1))
		os.Exit(0)
	}()
	_, _, _ = unix.Syscall(unix.SYS_EXIT, 0, 0, 0)
}

// A process whose first thread has ended holds what it held: /proc shows that of
// its other threads only.
func TestLeaderGone(t *testing.T) {
	if filesOf("/proc/self/fd") == 0 {
		t.Skip("/proc does not tell how many files a process has: that is since Linux 6.2")
	}
	child := exec.Command("/proc/self/exe")
	child.Env = append(os.Environ(), "SOCKETS_LEADER=1")
	in, err := child.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	out, err := child.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := child.Start(); err != nil {
		t.Fatal(err)
	}
	defer func() { in.Close(); _ = child.Wait() }()
	var inodes [4]uint32
	if _, err := fmt.Fscan(out, &inodes[0], &inodes[1], &inodes[2], &inodes[3]); err != nil {
		t.Fatal(err)
	}
	name := processName(int32(child.Process.Pid))
	w := &Wanted{All: true}
	list, _ := fileDirs(processes(), math.MaxInt64)
	walked, iterated := &Owners{}, &Owners{}
	walked.look(list, w)
	sources := []*Owners{walked}
	if capability.Effective(capability.SysAdmin) {
		if err := iterated.iterate(w); err != nil {
			t.Fatal(err)
		}
		sources = append(sources, iterated)
	}
	for _, o := range sources {
		for _, inode := range inodes {
			if got := o.Append(nil, inode); len(got) == 0 || got[0].PID != child.Process.Pid || got[0].Name != name {
				t.Errorf("%v, %d: %+v, want process %d, %s", o.From, inode, got, child.Process.Pid, name)
			}
		}
	}
	// Tables that threads share are read once.
	if dirs := slices.DeleteFunc(list, func(d fileDir) bool { return d.pid != int32(child.Process.Pid) }); len(dirs) > 3 {
		t.Errorf("%d directories of two tables", len(dirs))
	}
}

// A child of TestPartial says whether all processes are to be seen.
func init() {
	switch os.Getenv("SOCKETS_PARTIAL") {
	case "":
		return
	case "own": // a /proc of the namespace; Go has made the mounts private
		if err := unix.Mount("proc", "/proc", "proc", 0, ""); err != nil {
			fmt.Println(err)
			os.Exit(1)
		}
	}
	fmt.Print(FindOwners(&Wanted{All: true}).Partial)
	os.Exit(0)
}

// In a container /proc shows a first process, and not those outside.
func TestPartial(t *testing.T) {
	if !capability.Effective(capability.SysAdmin) {
		t.Skip("a pid namespace needs CAP_SYS_ADMIN")
	}
	for proc, want := range map[string]string{"own": "true", "as it is": "false"} {
		if proc != "own" && inContainer() {
			continue
		}
		child := exec.Command("/proc/self/exe")
		child.Env = append(os.Environ(), "SOCKETS_PARTIAL="+proc)
		child.SysProcAttr = &unix.SysProcAttr{Cloneflags: unix.CLONE_NEWPID, Unshareflags: unix.CLONE_NEWNS}
		if out, err := child.Output(); err != nil || string(out) != want {
			t.Errorf("/proc %s: %s, want %s: %v", proc, out, want, err)
		}
	}
}

// inodeOfFile returns the inode of an open file.
func inodeOfFile(t *testing.T, fd int) uint32 {
	t.Helper()
	var st unix.Stat_t
	if err := unix.Fstat(fd, &st); err != nil {
		t.Fatal(err)
	}
	return uint32(st.Ino)
}

// The iterator and /proc name the same owners, of what is held once, several times
// by one process, and by others that were given it.
func TestOwnerSources(t *testing.T) {
	if !capability.Effective(capability.SysAdmin) && !capability.Effective(capability.BPF) {
		t.Skip("programs in the kernel need CAP_BPF and CAP_PERFMON")
	}
	s := newStage(t)
	l := s.listen(8765, 16, 0)
	c := s.dial(8765, 0, 0)
	srv := s.Accept(l)
	twice, err := unix.FcntlInt(uintptr(c), unix.F_DUPFD_CLOEXEC, 0)
	s.Must(err)
	s.Own(twice)
	given, err := unix.FcntlInt(uintptr(l), unix.F_DUPFD_CLOEXEC, 0)
	s.Must(err)
	f := os.NewFile(uintptr(given), "listener")
	defer f.Close()
	var children []int
	for range 3 {
		child := exec.Command("cat")
		child.ExtraFiles = []*os.File{f, f}
		in, err := child.StdinPipe()
		s.Must(err)
		s.Must(child.Start())
		defer func() { in.Close(); _ = child.Wait() }()
		children = append(children, child.Process.Pid)
	}
	name, err := os.ReadFile("/proc/self/comm")
	s.Must(err)
	self := strings.TrimSuffix(string(name), "\n")
	pid := os.Getpid()
	want := map[uint32][]Owner{
		inodeOfFile(t, c):   {{pid, c, self}, {pid, twice, self}},
		inodeOfFile(t, srv): {{pid, srv, self}},
		inodeOfFile(t, l):   {{pid, l, self}, {pid, given, self}},
	}
	for _, pid := range children {
		want[inodeOfFile(t, l)] = append(want[inodeOfFile(t, l)], Owner{pid, 3, "cat"}, Owner{pid, 4, "cat"})
	}
	for _, w := range want {
		slices.SortFunc(w, func(a, b Owner) int { return (a.PID-b.PID)<<20 + a.FD - b.FD })
	}
	for _, all := range []bool{false, true} {
		w := &Wanted{All: all, inodes: map[uint32]struct{}{}}
		for inode := range want {
			w.inodes[inode] = struct{}{}
		}
		list, _ := fileDirs(processes(), math.MaxInt64)
		walked, iterated := &Owners{}, &Owners{}
		walked.look(list, w)
		s.Must(iterated.iterate(w))
		for _, o := range []*Owners{walked, iterated} {
			for inode, want := range want {
				if got := o.Append(nil, inode); !slices.Equal(got, want) {
					t.Errorf("%v, all %v: %+v, want %+v", o.From, all, got, want)
				}
			}
			sockets := 0
			for _, e := range o.table {
				if e.inode != 0 {
					sockets++
				}
			}
			if sockets < len(want) || !all && sockets > len(want) {
				t.Errorf("%v: %d sockets, want %d", o.From, sockets, len(want))
			}
		}
		if walked.From != FromProc || iterated.From != FromIterator {
			t.Errorf("they are from %v and %v", walked.From, iterated.From)
		}
	}
}

// Where there are many files the iterator is asked, if it may be.
func TestManyFiles(t *testing.T) {
	s := newStage(t)
	w := &Wanted{All: true}
	var fds []int
	for range costIterator / costFile {
		fds = append(fds, s.Socket(unix.AF_UNIX, unix.SOCK_DGRAM, 0))
	}
	o := FindOwners(w)
	if want := capability.Effective(capability.SysAdmin); (o.From == FromIterator) != want {
		t.Errorf("%d files: they are from %v", len(fds), o.From)
	}
	for _, fd := range fds {
		if got := o.Append(nil, inodeOfFile(t, fd)); len(got) != 1 || got[0].PID != os.Getpid() || got[0].FD != fd {
			t.Fatalf("file %d: %+v", fd, got)
		}
	}
	if list, rest := fileDirs([]int32{int32(os.Getpid())}, costIterator); len(list) != 0 || len(rest) != 1 {
		t.Errorf("%d files are few", len(fds))
	}
	for _, fd := range fds {
		s.Close(fd)
	}
	if list, rest := fileDirs([]int32{int32(os.Getpid()), 2}, costIterator); len(list) != 1 || len(rest) != 0 {
		t.Errorf("%d directories, %d processes left; want this process, and no thread of the kernel", len(list), len(rest))
	}
}

// A socket that a hostile process has a hundred thousand times costs no more than
// one that is had a few thousand times.
func TestManyOwners(t *testing.T) {
	o := &Owners{}
	const all = 100_000
	for fd := range uint32(all) {
		o.add(7, fd, o.process(int32(1+fd/1000), func() string { return "dup" }))
	}
	o.add(8, 3, 0)
	o.index()
	got := o.Append(nil, 7)
	for i := 1; i < len(got); i++ {
		if got[i-1].FD >= got[i].FD {
			t.Fatalf("%+v before %+v", got[i-1], got[i])
		}
	}
	if len(got) != maxOwners {
		t.Errorf("%d owners of %d, want %d", len(got), all, maxOwners)
	}
	if got := o.Append(nil, 8); len(got) != 1 {
		t.Errorf("%+v", got)
	}
}

// Of a process that is gone the user is not known.
func TestProcessUser(t *testing.T) {
	if uid, ok := ProcessUser(os.Getpid()); !ok || int(uid) != os.Getuid() {
		t.Errorf("this process runs as %d, %v", uid, ok)
	}
	if uid, ok := ProcessUser(math.MaxInt32); ok {
		t.Errorf("no process runs as %d", uid)
	}
}

// What Owners says does not depend on the order in which it was told.
func TestOwnersTable(t *testing.T) {
	o := &Owners{}
	const sockets, holders = 5000, 7
	for h := range int32(holders) {
		p := o.process(1000-h, func() string { return fmt.Sprint("p", h) })
		for i := range uint32(sockets) {
			o.add(1+i*i, 3+i, p)
		}
		// as of the threads of a process whose first one has ended
		o.add(1, 3, o.process(1000-h, func() string { t.Error("it is known"); return "" }))
	}
	o.add(0, 3, 0)
	o.index()
	var buf []Owner
	for i := range uint32(sockets) {
		buf = o.Append(buf[:0], 1+i*i)
		if len(buf) != holders {
			t.Fatalf("socket %d: %+v", i, buf)
		}
		for h, got := range buf {
			if want := (Owner{1000 - holders + 1 + h, int(3 + i), fmt.Sprint("p", holders-1-h)}); got != want {
				t.Fatalf("socket %d: %+v, want %+v", i, got, want)
			}
		}
	}
	for _, inode := range []uint32{0, 3, math.MaxUint32} {
		if got := o.Append(nil, inode); got != nil {
			t.Errorf("inode %d: %+v", inode, got)
		}
	}
	empty := &Owners{}
	empty.index()
	for _, o := range []*Owners{nil, {}, empty} {
		if got := o.Append(nil, 1); got != nil {
			t.Errorf("%+v", got)
		}
	}
}
