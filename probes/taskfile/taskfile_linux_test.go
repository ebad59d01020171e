//go:build amd64 || arm64 || loong64 || ppc64le || riscv64

package taskfile

import (
	"bufio"
	"errors"
	"fmt"
	"maps"
	"net"
	"os"
	"os/exec"
	"runtime"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"

	"framescope/capture/capability"
)

func init() {
	if os.Getenv("TASKFILE_CHILD") != "" {
		runtime.LockOSThread() // to the thread that the process begins with
	}
}

// TestMain is a child of the tests, too: it does as it is told, says that it is
// ready, and waits for the end of its input.
func TestMain(m *testing.M) {
	switch os.Getenv("TASKFILE_CHILD") {
	case "open": // sockets of its own
		l, err := net.Listen("tcp", "127.0.0.1:0")
		check(err)
		defer l.Close()
		ready()
	case "iterate":
		_, err := Open()
		fmt.Println(err)
	case "leader": // ends the thread that it began with
		go func() {
			l, err := net.Listen("tcp", "127.0.0.1:0")
			check(err)
			defer l.Close()
			for {
				if b, err := os.ReadFile("/proc/self/stat"); err == nil && strings.Contains(string(b), ") Z ") {
					break
				}
				runtime.Gosched()
			}
			ready()
			os.Exit(0)
		}()
		unix.Syscall(unix.SYS_EXIT, 0, 0, 0)
	case "":
		os.Exit(m.Run())
	default:
		check(errors.New("no such child"))
	}
}

func check(err error) {
	if err != nil {
		fmt.Println(err)
		os.Exit(1)
	}
}

func ready() {
	fmt.Println("ready")
	_, _ = os.Stdin.Read(make([]byte, 1))
}

// child starts a process. It ends with the test.
func child(t *testing.T, what string, set func(*exec.Cmd)) (pid int, said string) {
	t.Helper()
	cmd := exec.Command("/proc/self/exe")
	cmd.Env = append(os.Environ(), "TASKFILE_CHILD="+what)
	in, err := cmd.StdinPipe()
	must(t, err)
	out, err := cmd.StdoutPipe()
	must(t, err)
	if set != nil {
		set(cmd)
	}
	must(t, cmd.Start())
	t.Cleanup(func() { in.Close(); _ = cmd.Wait() })
	line, err := bufio.NewReader(out).ReadString('\n')
	must(t, err)
	return cmd.Process.Pid, strings.TrimSpace(line)
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func open(t *testing.T) *Iterator {
	t.Helper()
	if !capability.Effective(capability.SysAdmin) && !capability.Effective(capability.BPF) {
		t.Skip("programs in the kernel need CAP_BPF and CAP_PERFMON")
	}
	it, err := Open()
	must(t, err)
	t.Cleanup(func() { it.Close() })
	return it
}

// holder is what the iterator says, less the name.
type holder struct {
	pid, fd int
	inode   uint64
}

// iterate returns what the iterator says of some processes, and their names.
func iterate(t *testing.T, it *Iterator, pids ...int) (all map[holder]int, names map[int]string) {
	t.Helper()
	all, names = map[holder]int{}, map[int]string{}
	for s, err := range it.Sockets() {
		must(t, err)
		for _, pid := range pids {
			if int(s.PID) == pid {
				all[holder{pid, int(s.FD), uint64(s.Inode)}]++
				names[pid] = string(s.Comm())
			}
		}
	}
	return all, names
}

// links returns what the links under /proc say of the files of a process or a
// thread.
func links(t *testing.T, pid int, dir string) map[holder]int {
	t.Helper()
	all := map[holder]int{}
	files, err := os.ReadDir(dir)
	must(t, err)
	for _, f := range files {
		link, err := os.Readlink(dir + "/" + f.Name())
		if errors.Is(err, os.ErrNotExist) {
			continue // that of the directory itself
		}
		must(t, err)
		if inode, ok := strings.CutPrefix(link, "socket:["); ok {
			fd, err := strconv.Atoi(f.Name())
			must(t, err)
			n, err := strconv.ParseUint(strings.TrimSuffix(inode, "]"), 10, 64)
			must(t, err)
			all[holder{pid, fd, n}] = 1
		}
	}
	return all
}

// The iterator says what /proc says: of sockets of every kind, of one that a
// process has several times, of one that a child was given.
func TestSockets(t *testing.T) {
	it := open(t)
	own := func(fd int, err error) int {
		t.Helper()
		must(t, err)
		t.Cleanup(func() { unix.Close(fd) })
		return fd
	}
	var shared *os.File
	for _, s := range [][3]int{{unix.AF_INET, unix.SOCK_STREAM, 0}, {unix.AF_INET6, unix.SOCK_DGRAM, 0}, {unix.AF_UNIX, unix.SOCK_SEQPACKET, 0},
		{unix.AF_NETLINK, unix.SOCK_RAW, 0}, {unix.AF_INET, unix.SOCK_STREAM, unix.IPPROTO_MPTCP}} {
		fd, err := unix.Socket(s[0], s[1]|unix.SOCK_CLOEXEC, s[2])
		if s[2] == unix.IPPROTO_MPTCP && err != nil {
			continue // a kernel without it
		}
		own(fd, err)
		twice := own(unix.Dup(fd))
		if shared == nil {
			shared = os.NewFile(uintptr(own(unix.Dup(twice))), "shared")
		}
	}
	var pipe [2]int
	must(t, unix.Pipe2(pipe[:], unix.O_CLOEXEC)) // no socket
	own(pipe[0], nil)
	own(pipe[1], nil)
	pid, said := child(t, "open", func(c *exec.Cmd) { c.ExtraFiles = []*os.File{shared} })
	if said != "ready" {
		t.Fatal(said)
	}
	want := links(t, os.Getpid(), "/proc/self/fd")
	if len(want) < 9 {
		t.Fatalf("/proc shows %d sockets of this process", len(want))
	}
	theirs := links(t, pid, fmt.Sprintf("/proc/%d/fd", pid))
	maps.Copy(want, theirs)
	got, names := iterate(t, it, os.Getpid(), pid)
	if !maps.Equal(got, want) {
		t.Errorf("got  %v\nwant %v", got, want)
	}
	if len(theirs) < 2 {
		t.Errorf("/proc shows %d sockets of the child, want one that it was given and its own", len(theirs))
	}
	for _, p := range []int{os.Getpid(), pid} {
		comm, err := os.ReadFile(fmt.Sprintf("/proc/%d/comm", p))
		must(t, err)
		if want := strings.TrimSuffix(string(comm), "\n"); names[p] != want {
			t.Errorf("%d is called %q, want %q", p, names[p], want)
		}
	}
}

// More sockets than one read holds are all there.
func TestManySockets(t *testing.T) {
	it := open(t)
	want := map[holder]int{}
	for range 3 * len(it.buf) / 32 {
		fd, err := unix.Socket(unix.AF_UNIX, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0)
		must(t, err)
		defer unix.Close(fd)
		var st unix.Stat_t
		must(t, unix.Fstat(fd, &st))
		want[holder{os.Getpid(), fd, st.Ino}] = 1
	}
	got, _ := iterate(t, it, os.Getpid())
	for h := range want {
		if got[h] != 1 {
			t.Fatalf("%v is there %d times, among %d", h, got[h], len(got))
		}
	}
	// Again, and ended early: the iterator begins anew.
	for range it.Sockets() {
		break
	}
	if again, _ := iterate(t, it, os.Getpid()); !maps.Equal(got, again) {
		t.Errorf("the second time there are %d, the first time %d", len(again), len(got))
	}
}

// Processes in other namespaces are there under their number here.
func TestNamespaces(t *testing.T) {
	it := open(t)
	pid, said := child(t, "open", func(c *exec.Cmd) {
		c.SysProcAttr = &syscall.SysProcAttr{Cloneflags: syscall.CLONE_NEWPID | syscall.CLONE_NEWNET | syscall.CLONE_NEWIPC}
	})
	// Its loopback interface is down: an address of it may be bound all the same.
	if said != "ready" {
		t.Fatal(said)
	}
	want := links(t, pid, fmt.Sprintf("/proc/%d/fd", pid))
	if got, _ := iterate(t, it, pid); !maps.Equal(got, want) || len(want) == 0 {
		t.Errorf("got  %v\nwant %v", got, want)
	}
}

// In another pid namespace processes have other numbers there: it is not used.
func TestOtherPIDNamespace(t *testing.T) {
	open(t)
	_, said := child(t, "iterate", func(c *exec.Cmd) { c.SysProcAttr = &syscall.SysProcAttr{Cloneflags: syscall.CLONE_NEWPID} })
	if said != ErrNotSupported.Error()+": this is not the first pid namespace" {
		t.Error(said)
	}
}

// Without rights it is refused.
func TestRefused(t *testing.T) {
	_, said := child(t, "iterate", func(c *exec.Cmd) {
		if os.Getuid() == 0 {
			c.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: 65534, Gid: 65534}}
		}
	})
	if said != "permission denied: CAP_BPF and CAP_PERFMON are needed" {
		t.Error(said)
	}
}

// A process whose first thread has ended still has its sockets, which /proc shows
// of its other threads only.
func TestLeaderGone(t *testing.T) {
	it := open(t)
	pid, said := child(t, "leader", nil)
	if said != "ready" {
		t.Fatal(said)
	}
	want := map[holder]int{}
	threads, err := os.ReadDir(fmt.Sprintf("/proc/%d/task", pid))
	must(t, err)
	for _, thread := range threads {
		if thread.Name() != strconv.Itoa(pid) {
			maps.Copy(want, links(t, pid, fmt.Sprintf("/proc/%d/task/%s/fd", pid, thread.Name())))
		}
	}
	got, _ := iterate(t, it, pid)
	for h := range got {
		got[h] = 1
	}
	if !maps.Equal(got, want) || len(want) == 0 {
		t.Errorf("got  %v\nwant %v", got, want)
	}
}

// A step costs no memory.
func TestAllocs(t *testing.T) {
	it := open(t)
	n := 0
	walk := func() {
		for _, err := range it.Sockets() {
			must(t, err)
			n++
		}
	}
	few := testing.AllocsPerRun(5, walk)
	for range 1000 {
		fd, err := unix.Socket(unix.AF_UNIX, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0)
		must(t, err)
		defer unix.Close(fd)
	}
	if many := testing.AllocsPerRun(5, walk); many > few {
		t.Errorf("%v allocations with a thousand sockets more, %v without", many, few)
	}
}

func BenchmarkOpen(b *testing.B) {
	for b.Loop() {
		it, err := Open()
		if err != nil {
			b.Fatal(err)
		}
		it.Close()
	}
}
