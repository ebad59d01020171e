package sockets

import (
	"bytes"
	"maps"
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
)

// FindOwners looks for the processes that hold sockets. It looks into all of them:
// who shares a socket may have been given it by anybody.
func FindOwners(w *Wanted) *Owners {
	o := &Owners{}
	if !w.All && len(w.inodes) == 0 {
		return o
	}
	all := processes()
	o.Partial = !slices.Contains(all, 1)
	o.look(all, w)
	return o
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
func (o *Owners) look(list []int32, w *Wanted) {
	var next atomic.Int64
	var wg sync.WaitGroup
	var mu sync.Mutex
	for range min(runtime.GOMAXPROCS(0), len(list)) {
		wg.Go(func() {
			s := scanner{wanted: w, dents: make([]byte, 32<<10), names: map[int32]string{}}
			for {
				n := int(next.Add(1)) - 1
				if n >= len(list) {
					break
				}
				s.process(list[n])
				if len(s.found) > 1<<12 || n == len(list)-1 {
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
}

func (o *Owners) take(s *scanner) {
	if o.names == nil {
		o.names = map[int32]string{}
	}
	maps.Copy(o.names, s.names)
	clear(s.names)
	for _, e := range s.found {
		o.add(e.inode, e.pid, e.fd)
	}
	s.found = s.found[:0]
}

// A scanner looks into processes.
type scanner struct {
	wanted *Wanted
	dents  []byte
	link   [64]byte
	found  []ownerEntry
	names  map[int32]string // of the processes in found
	hidden int
	denied bool // a file of the process could not be read
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
	s.denied = false
	before := len(s.found)
	defer func() {
		if s.denied {
			s.hidden++
		}
		if len(s.found) > before {
			// by way of the directory: the number may be another process's by now
			s.names[pid] = commIn(dir)
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
	s.denied = s.denied || errno == unix.EACCES || errno == unix.EPERM
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

// commIn reads the name of the process whose directory of files is dir.
func commIn(dir int) string {
	fd, err := unix.Openat(dir, "../comm", unix.O_RDONLY|unix.O_CLOEXEC, 0)
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
