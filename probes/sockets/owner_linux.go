package sockets

import (
	"bytes"
	"cmp"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"unsafe"

	"golang.org/x/sys/unix"
)

// A process with more files than this is worth not looking into.
const largeProcess = 512

// A candidate is a process that may hold what is looked for.
type candidate struct {
	pid   int32
	size  int64 // number of its files, where the kernel says so (Linux 6.2)
	first bool  // it is in the cgroup of one of the sockets
}

// FindOwners looks for the processes that hold sockets. Those in the cgroups of
// the sockets come first, then those with few files. Once every socket that is
// wanted has been found, processes with many files are left out unless they are
// related to one that holds a socket: who shares a socket has forked.
func FindOwners(w *Wanted) *Owners {
	o := &Owners{}
	if !w.All && len(w.inodes) == 0 {
		return o
	}
	all := candidates(w)
	missing := int64(len(w.inodes))
	var small, large []candidate
	for _, c := range all {
		if !w.All && c.size > largeProcess {
			large = append(large, c)
		} else {
			small = append(small, c)
		}
	}
	missing -= o.look(small, w)
	if len(large) == 0 {
		return o
	}
	slices.SortFunc(large, func(a, b candidate) int {
		if a.first != b.first {
			if a.first {
				return -1
			}
			return 1
		}
		return cmp.Compare(a.size, b.size)
	})
	for len(large) > 0 && missing > 0 {
		n := min(runtime.GOMAXPROCS(0), len(large))
		missing -= o.look(large[:n], w)
		large = large[n:]
	}
	if len(large) > 0 {
		large = o.related(large)
		o.look(large, w)
	}
	return o
}

// candidates lists the processes.
func candidates(w *Wanted) []candidate {
	d, err := os.Open("/proc")
	if err != nil {
		return nil
	}
	defer d.Close()
	names, _ := d.Readdirnames(-1)
	in := map[int32]bool{}
	if !w.All && len(w.cgroups) <= 16 {
		var c Cgroups
		for id := range w.cgroups {
			// the root of all holds everybody: that narrows nothing
			if p := c.Path(id); p != "" && p != "/" {
				b, _ := os.ReadFile(filepath.Join(c.root, p, "cgroup.procs"))
				for pid := range bytes.FieldsSeq(b) {
					in[int32(number(pid))] = true
				}
			}
		}
	}
	all := make([]candidate, 0, len(names))
	for _, n := range names {
		pid, err := strconv.ParseInt(n, 10, 32)
		if err != nil {
			continue
		}
		c := candidate{pid: int32(pid), first: in[int32(pid)]}
		if !w.All {
			var st unix.Stat_t
			if unix.Stat("/proc/"+n+"/fd", &st) == nil {
				c.size = st.Size
			}
		}
		all = append(all, c)
	}
	return all
}

// related returns those of the processes whose parent, child or sibling holds a
// socket, and counts the others.
func (o *Owners) related(list []candidate) (near []candidate) {
	kin := map[int32]bool{}
	for _, e := range o.entries {
		if !kin[e.pid] {
			kin[e.pid] = true
			if p := parent(e.pid); p > 1 {
				kin[p] = true
			}
		}
	}
	for _, c := range list {
		if kin[c.pid] || kin[parent(c.pid)] {
			near = append(near, c)
		} else {
			o.Skipped++
		}
	}
	return near
}

// parent returns the id of a process's parent, or 0.
func parent(pid int32) int32 {
	b, err := os.ReadFile("/proc/" + strconv.Itoa(int(pid)) + "/stat")
	if err != nil {
		return 0
	}
	// the name may hold anything, parentheses as well
	f := bytes.Fields(b[bytes.LastIndexByte(b, ')')+1:])
	if len(f) < 2 {
		return 0
	}
	return int32(number(f[1]))
}

// look looks into processes, on all cores, and returns how many of the sockets
// that are wanted were found for the first time.
func (o *Owners) look(list []candidate, w *Wanted) (found int64) {
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
				s.process(list[n].pid)
				if len(s.found) > 1<<12 || n == len(list)-1 {
					mu.Lock()
					found += o.take(&s)
					mu.Unlock()
				}
			}
			mu.Lock()
			found += o.take(&s)
			o.Hidden += s.hidden
			mu.Unlock()
		})
	}
	wg.Wait()
	return found
}

func (o *Owners) take(s *scanner) (found int64) {
	before := o.used
	for _, e := range s.found {
		o.add(e.inode, e.pid, e.fd)
	}
	s.found = s.found[:0]
	return int64(o.used - before)
}

// A scanner looks into processes.
type scanner struct {
	wanted *Wanted
	dents  []byte
	link   [64]byte
	found  []ownerEntry
	hidden int
}

// process lists the sockets of a process.
func (s *scanner) process(pid int32) {
	dir, err := unix.Open("/proc/"+strconv.Itoa(int(pid))+"/fd", unix.O_RDONLY|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
	if err != nil {
		if err == unix.EACCES || err == unix.EPERM {
			s.hidden++
		}
		return
	}
	defer unix.Close(dir)
	for {
		n, err := unix.Getdents(dir, s.dents)
		if err != nil || n <= 0 {
			if err == unix.EACCES {
				s.hidden++
			}
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
			s.file(dir, pid, name)
		}
	}
}

// d_ino, d_off, d_reclen, d_type: the name follows, and a zero byte.
const direntHead = 19

var socketLink = []byte("socket:[")

func (s *scanner) file(dir int, pid int32, name []byte) {
	n, _, errno := unix.Syscall6(unix.SYS_READLINKAT, uintptr(dir), uintptr(unsafe.Pointer(&name[0])),
		uintptr(unsafe.Pointer(&s.link)), uintptr(len(s.link)), 0, 0)
	if errno != 0 || n <= uintptr(len(socketLink)) || n >= uintptr(len(s.link)) || !bytes.HasPrefix(s.link[:n], socketLink) {
		return
	}
	inode := decimal(s.link[len(socketLink):n])
	if !s.wanted.All {
		if _, ok := s.wanted.inodes[inode]; !ok {
			return
		}
	}
	s.found = append(s.found, ownerEntry{inode: inode, pid: pid, fd: decimal(name)})
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

// ProcessUser returns the user that a process runs as.
func ProcessUser(pid int) uint32 {
	st, err := os.Stat("/proc/" + strconv.Itoa(pid))
	if err != nil {
		return 0
	}
	if sys, ok := st.Sys().(*syscall.Stat_t); ok {
		return sys.Uid
	}
	return 0
}
