package sockets

import (
	"bytes"
	"math"
	"os"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"unsafe"

	"golang.org/x/sys/unix"

	"framescope/capture/capability"
	"framescope/probes/taskfile"
)

// FindOwners looks for the processes that hold sockets. It looks into all of them:
// who shares a socket may have been given it by anybody.
func FindOwners(w *Wanted) *Owners {
	o := &Owners{}
	if !w.All && len(w.inodes) == 0 {
		return o
	}
	all := processes()
	limit := int64(costIterator)
	if os.Geteuid() == 0 && !capability.Effective(capability.SysPtrace) {
		limit = 0 // /proc hides something that the iterator may see
	}
	list, rest := fileDirs(all, limit)
	if len(rest) > 0 {
		if o.iterate(w) == nil {
			return o
		}
		*o = Owners{}
		more, _ := fileDirs(rest, math.MaxInt64)
		list = append(list, more...)
	}
	o.NoProc = len(all) == 0 // it would show this process
	o.Partial = !slices.Contains(all, 1) || inContainer()
	o.look(list, w)
	return o
}

// inContainer reports whether /proc is that of a pid namespace below another: it
// shows no process of those above.
func inContainer() bool {
	const first = 0xeffffffc // PROC_PID_INIT_INO of linux/proc_ns.h
	st, err := os.Stat("/proc/self/ns/pid")
	if err != nil {
		return true // where this process is not to be seen, others are not either
	}
	if ino, ok := inodeOf(st); ok && ino == first {
		return false
	}
	// A /proc from above calls this process by another number.
	self, err := os.Readlink("/proc/self")
	return err != nil || self == strconv.Itoa(os.Getpid())
}

// iterate asks the kernel's iterator.
func (o *Owners) iterate(w *Wanted) error {
	it, err := taskfile.Open()
	if err != nil {
		return err
	}
	defer it.Close()
	o.From = FromIterator
	last, process, any := int32(-1), int32(0), false
	for s, err := range it.Sockets() {
		if err != nil {
			return err
		}
		any = true
		if !w.has(s.Inode) {
			continue
		}
		if s.PID != last {
			last, process = s.PID, o.process(s.PID, func() string {
				if s.TID != s.PID { // the name is that of a thread
					if name := processName(s.PID); name != "" {
						return name
					}
				}
				return string(s.Comm())
			})
		}
		o.add(s.Inode, s.FD, process)
	}
	o.index()
	if !any {
		return taskfile.ErrNotSupported // no socket on the whole system cannot be
	}
	return nil
}

// What looking into /proc costs, and starting the iterator, in microseconds of
// CPU: only how they compare matters.
const (
	costProcess  = 10
	costFile     = 2
	costIterator = 2500
)

// A fileDir is a process, and the directory of its files.
type fileDir struct {
	pid  int32
	dir  string
	comm string // the process's name, from there
}

// fileDirs returns where the files of processes are. When it would cost more than
// limit to look there, what has not come yet is the rest.
func fileDirs(all []int32, limit int64) (list []fileDir, rest []int32) {
	// The size of the directory is how many files there are since Linux 6.2.
	told := filesOf("/proc/self/fd") > 0
	list = make([]fileDir, 0, len(all))
	cost := int64(0)
	for i, pid := range all {
		dir := "/proc/" + strconv.Itoa(int(pid))
		p := fileDir{pid, dir + "/fd", "../comm"}
		n := int64(16) // a guess
		if told {
			if n = filesOf(p.dir); n == 0 {
				threads, n := ofThreads(pid, dir+"/task/")
				if len(threads) == 0 {
					continue // a thread of the kernel
				}
				if cost += costProcess*int64(len(threads)) + n*costFile; cost > limit {
					return list, all[i:]
				}
				list = append(list, threads...)
				continue
			}
		}
		if cost += costProcess + n*costFile; cost > limit {
			return list, all[i:]
		}
		list = append(list, p)
	}
	return list, nil
}

// filesOf returns how many files are in a directory of /proc, or 0 where that is
// not told.
func filesOf(dir string) int64 {
	var st unix.Stat_t
	if unix.Stat(dir, &st) != nil {
		return 0
	}
	return st.Size
}

// ofThreads returns where the files are of a process whose first thread has ended,
// and how many: threads may have files of their own.
func ofThreads(pid int32, tasks string) (list []fileDir, n int64) {
	var st unix.Stat_t
	if unix.Stat(tasks, &st) != nil || st.Nlink <= 3 {
		return nil, 0 // one thread
	}
	threads, _ := os.ReadDir(tasks)
	before := 0
	for _, t := range threads {
		tid, err := strconv.Atoi(t.Name())
		if err != nil || before != 0 && sameFiles(before, tid) {
			continue
		}
		dir := tasks + t.Name() + "/fd"
		if files := filesOf(dir); files > 0 {
			list = append(list, fileDir{pid, dir, "../../../comm"})
			before, n = tid, n+files
		}
	}
	return list, n
}

// sameFiles reports whether two threads are known to share their open files.
func sameFiles(a, b int) bool {
	const files = 2 // KCMP_FILES of linux/kcmp.h
	order, _, errno := unix.Syscall6(unix.SYS_KCMP, uintptr(a), uintptr(b), files, 0, 0, 0)
	return errno == 0 && order == 0
}

// processes lists the processes that /proc shows.
func processes() (all []int32) {
	d, err := os.Open("/proc")
	if err != nil {
		return nil
	}
	defer d.Close()
	names, _ := d.Readdirnames(-1)
	for _, n := range names {
		if pid, err := strconv.ParseInt(n, 10, 32); err == nil {
			all = append(all, int32(pid))
		}
	}
	return all
}

// look looks into processes, on all cores.
func (o *Owners) look(list []fileDir, w *Wanted) {
	var next atomic.Int64
	var wg sync.WaitGroup
	var mu sync.Mutex
	for range min(runtime.GOMAXPROCS(0), len(list)) {
		wg.Go(func() {
			s := scanner{wanted: w, dents: make([]byte, 32<<10)}
			for {
				n := int(next.Add(1)) - 1
				if n >= len(list) {
					break
				}
				s.process(list[n])
				if len(s.files) > 1<<12 || n == len(list)-1 {
					mu.Lock()
					o.take(&s)
					mu.Unlock()
				}
			}
			mu.Lock()
			o.take(&s)
			o.Hidden += s.hidden
			mu.Unlock()
		})
	}
	wg.Wait()
	o.index()
}

func (o *Owners) take(s *scanner) {
	for _, p := range s.holders {
		process := o.process(p.pid, func() string { return p.name })
		for _, f := range s.files[p.from:p.to] {
			o.add(f.inode, f.fd, process)
		}
	}
	s.files, s.holders = s.files[:0], s.holders[:0]
}

// A scanner looks into processes.
type scanner struct {
	wanted  *Wanted
	dents   []byte
	link    [64]byte
	files   []openSocket
	holders []holder // of files
	hidden  int
	denied  bool // a file of the process could not be read
}

// An openSocket is a socket that a process has open.
type openSocket struct{ inode, fd uint32 }

// A holder is a process, and where its sockets are.
type holder struct {
	process
	from, to int
}

// process lists the sockets of a process.
func (s *scanner) process(p fileDir) {
	pid := p.pid
	dir, err := unix.Open(p.dir, unix.O_RDONLY|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
	if err != nil {
		if err == unix.EACCES || err == unix.EPERM {
			s.hidden++
		}
		return
	}
	defer unix.Close(dir)
	s.denied = false
	before := len(s.files)
	defer func() {
		if s.denied {
			s.hidden++
		}
		if len(s.files) > before {
			// by way of the directory: the number may be another process's by now
			s.holders = append(s.holders, holder{process{pid, commIn(dir, p.comm)}, before, len(s.files)})
		}
	}()
	for {
		n, err := unix.Getdents(dir, s.dents)
		if err != nil || n <= 0 {
			s.denied = s.denied || err == unix.EACCES
			return
		}
		for b := s.dents[:n]; len(b) >= direntHead; {
			size := int(*(*uint16)(unsafe.Pointer(&b[16])))
			if size < direntHead || size > len(b) {
				return
			}
			name := b[direntHead:size]
			b = b[size:]
			if name[0] < '0' || name[0] > '9' {
				continue
			}
			if s.file(dir, name); s.denied {
				return // nor may the others be read
			}
		}
	}
}

// d_ino, d_off, d_reclen, d_type: the name follows, and a zero byte.
const direntHead = 19

var socketLink = []byte("socket:[")

func (s *scanner) file(dir int, name []byte) {
	n, _, errno := unix.Syscall6(unix.SYS_READLINKAT, uintptr(dir), uintptr(unsafe.Pointer(&name[0])),
		uintptr(unsafe.Pointer(&s.link)), uintptr(len(s.link)), 0, 0)
	s.denied = s.denied || errno == unix.EACCES || errno == unix.EPERM
	if errno != 0 || n <= uintptr(len(socketLink)) || n >= uintptr(len(s.link)) || !bytes.HasPrefix(s.link[:n], socketLink) {
		return
	}
	inode := decimal(s.link[len(socketLink):n])
	if !s.wanted.has(inode) {
		return
	}
	s.files = append(s.files, openSocket{inode, decimal(name)})
}

// decimal reads digits up to something else.
func decimal(b []byte) (n uint32) {
	for _, c := range b {
		if c < '0' || c > '9' {
			break
		}
		n = n*10 + uint32(c-'0')
	}
	return n
}

// commIn reads the name of a process, which is at comm from its directory of files.
func commIn(dir int, comm string) string {
	fd, err := unix.Openat(dir, comm, unix.O_RDONLY|unix.O_CLOEXEC, 0)
	if err != nil {
		return ""
	}
	defer unix.Close(fd)
	var b [64]byte
	n, _ := unix.Read(fd, b[:])
	return strings.TrimSuffix(string(b[:max(n, 0)]), "\n")
}

func processName(pid int32) string {
	b, err := os.ReadFile("/proc/" + strconv.Itoa(int(pid)) + "/comm")
	if err != nil {
		return ""
	}
	return strings.TrimSuffix(string(b), "\n")
}

// Command returns the path by which a process was started, or "" if that cannot
// be known.
func Command(pid int) string {
	b, err := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/cmdline")
	if err != nil {
		return ""
	}
	first, _, _ := bytes.Cut(b, []byte{0})
	return string(first)
}

// ProcessUser returns the user that a process runs as, if it is still there.
func ProcessUser(pid int) (uid uint32, ok bool) {
	st, err := os.Stat("/proc/" + strconv.Itoa(pid))
	if err != nil {
		return 0, false
	}
	sys, ok := st.Sys().(*syscall.Stat_t)
	if !ok {
		return 0, false
	}
	return sys.Uid, true
}
