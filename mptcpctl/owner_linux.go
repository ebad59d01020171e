package mptcpctl

import (
	"bytes"
	"encoding/binary"
	"os"
	"strconv"
	"strings"
	"unsafe"

	"golang.org/x/sys/unix"
)

// FindOwners looks through /proc until all owners are found.
func (ProcOwners) FindOwners(inodes map[uint32]Owner) {
	left := len(inodes)
	if left == 0 {
		return
	}
	proc, err := os.Open("/proc")
	if err != nil {
		return
	}
	defer proc.Close()
	names, _ := proc.Readdirnames(-1)
	w := fdWalk{buf: make([]byte, 32<<10), inodes: inodes, left: left}
	// New processes are at the end, and more often the ones that are looked for.
	for i := len(names) - 1; i >= 0 && w.left > 0; i-- {
		if pid, err := strconv.Atoi(names[i]); err == nil {
			w.process(pid, names[i])
		}
	}
}

// An fdWalk goes through the open files of processes.
type fdWalk struct {
	buf    []byte
	inodes map[uint32]Owner
	left   int
}

func (w *fdWalk) process(pid int, name string) {
	dir, err := unix.Open("/proc/"+name+"/fd", unix.O_RDONLY|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
	if err != nil {
		return
	}
	defer unix.Close(dir)
	owner := Owner{PID: pid}
	for w.left > 0 {
		n, err := unix.Getdents(dir, w.buf)
		if err != nil || n <= 0 {
			return
		}
		// struct linux_dirent64: inode, offset, length, type, name.
		for b := w.buf[:n]; len(b) >= 20; {
			size := int(binary.NativeEndian.Uint16(b[16:]))
			if size < 20 || size > len(b) {
				return
			}
			entry := b[19:size]
			b = b[size:]
			end := bytes.IndexByte(entry, 0)
			if end < 0 || entry[0] == '.' {
				continue
			}
			inode, ok := socketInode(dir, entry[:end+1])
			if !ok {
				continue
			}
			if have, wanted := w.inodes[inode]; wanted && have.PID == 0 {
				if owner.Command == "" {
					comm, _ := os.ReadFile("/proc/" + name + "/comm")
					owner.Command = strings.TrimSuffix(string(comm), "\n")
				}
				w.inodes[inode] = owner
				w.left--
			}
		}
	}
}

// socketInode reads a link that is named by a zero-terminated name: only that to
// a socket has an inode to return.
func socketInode(dir int, name []byte) (uint32, bool) {
	var b [32]byte
	n, _, errno := unix.Syscall6(unix.SYS_READLINKAT, uintptr(dir), uintptr(unsafe.Pointer(&name[0])), uintptr(unsafe.Pointer(&b)), uintptr(len(b)), 0, 0)
	const prefix = "socket:["
	if errno != 0 || int(n) <= len(prefix) || int(n) > len(b) || string(b[:len(prefix)]) != prefix {
		return 0, false
	}
	var v uint64
	for _, c := range b[len(prefix) : n-1] {
		if c < '0' || c > '9' {
			return 0, false
		}
		if v = v*10 + uint64(c-'0'); v > 1<<32-1 {
			return 0, false
		}
	}
	return uint32(v), true
}
