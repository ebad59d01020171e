// Package taskfile asks the kernel which processes hold which sockets, by the BPF
// iterator over the files of all tasks (Linux 5.11). One pass gives what would take
// three system calls for each process under /proc, and one for each of its files.
//
// It needs CAP_BPF and CAP_PERFMON, or CAP_SYS_ADMIN, types in
// /sys/kernel/btf/vmlinux, and the initial pid namespace.
package taskfile

import (
	"bytes"
	"errors"
)

// ErrNotSupported is the cause of an error where there is no such iterator:
// another system, an older kernel, another pid namespace. Where it is refused the
// cause is the system's.
var ErrNotSupported = errors.New("the kernel has no iterator over files of tasks that can be used here")

// A Socket is a socket that a process has open. The layout is that of the
// program's records.
type Socket struct {
	// PID is the process, FD its number of the file.
	PID   int32
	FD    uint32
	Inode uint32
	// TID is the thread that has the file: PID if it is the one that the process
	// began with.
	TID  int32
	comm [16]byte
}

// Comm is what the thread that has the file calls itself: any bytes, at most 15.
// They are valid until the next step.
func (s *Socket) Comm() []byte {
	name, _, _ := bytes.Cut(s.comm[:], []byte{0})
	return name
}
