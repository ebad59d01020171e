//go:build amd64 || arm64 || loong64 || ppc64le || riscv64

package taskfile

import (
	"fmt"
	"io/fs"
	"iter"
	"os"
	"runtime"
	"syscall"
	"unsafe"

	"golang.org/x/sys/unix"

	"framescope/capture/capability"
)

// An Iterator is the program in the kernel. It is for one goroutine.
type Iterator struct {
	link int
	buf  []byte
}

// The inode number of the first pid namespace (PROC_PID_INIT_INO).
const firstPIDNamespace = 0xeffffffc

// Open loads the program. Where the kernel will not have it, the error wraps
// ErrNotSupported or that of the system.
func Open() (*Iterator, error) {
	if !capability.Effective(capability.SysAdmin) && !(capability.Effective(capability.BPF) && capability.Effective(capability.Perfmon)) {
		return nil, fmt.Errorf("%w: %s and %s are needed", os.ErrPermission, capability.BPF, capability.Perfmon)
	}
	// The numbers of processes that the program sees are those of the first
	// namespace.
	st, err := os.Stat("/proc/self/ns/pid")
	if err != nil {
		return nil, err
	}
	if sys, ok := st.Sys().(*syscall.Stat_t); !ok || sys.Ino != firstPIDNamespace {
		return nil, fmt.Errorf("%w: this is not the first pid namespace", ErrNotSupported)
	}
	l, err := kernelLayout()
	if err != nil {
		return nil, err
	}
	prog, err := load(program(l), l.iterator)
	if err != nil {
		return nil, err
	}
	defer unix.Close(prog)
	attr := linkCreate{prog: uint32(prog), attach: unix.BPF_TRACE_ITER}
	link, err := bpf(unix.BPF_LINK_CREATE, unsafe.Pointer(&attr), unsafe.Sizeof(attr))
	if err != nil {
		return nil, os.NewSyscallError("bpf: link", err)
	}
	return &Iterator{link: link, buf: make([]byte, 32<<10)}, nil
}

// Close removes the program from the kernel.
func (it *Iterator) Close() error { return unix.Close(it.link) }

// Sockets walks over the sockets that processes have open, those of a process one
// after the other. Files that threads share are there once; if the thread that a
// process began with has ended, they are there for each of the others. The Socket
// is overwritten at every step. An error ends the walk and comes with a nil Socket.
func (it *Iterator) Sockets() iter.Seq2[*Socket, error] {
	return func(yield func(*Socket, error) bool) {
		if err := it.walk(yield); err != nil {
			yield(nil, err)
		}
	}
}

func (it *Iterator) walk(yield func(*Socket, error) bool) error {
	attr := iterCreate{link: uint32(it.link)}
	fd, err := bpf(unix.BPF_ITER_CREATE, unsafe.Pointer(&attr), unsafe.Sizeof(attr))
	if err != nil {
		return os.NewSyscallError("bpf: iterator", err)
	}
	defer unix.Close(fd)
	const size = int(unsafe.Sizeof(Socket{}))
	held := 0
	for {
		n, err := unix.Read(fd, it.buf[held:])
		if err == unix.EINTR || err == unix.EAGAIN {
			continue
		}
		if err != nil {
			return os.NewSyscallError("read files of tasks", err)
		}
		if n <= 0 {
			return nil
		}
		b := it.buf[:held+n]
		for ; len(b) >= size; b = b[size:] {
			if !yield((*Socket)(unsafe.Pointer(&b[0])), nil) {
				return nil
			}
		}
		held = copy(it.buf, b)
	}
}

// kernelLayout reads the types of the kernel that runs.
func kernelLayout() (layout, error) {
	f, err := os.Open("/sys/kernel/btf/vmlinux")
	if err != nil {
		return layout{}, err
	}
	defer f.Close()
	st, err := f.Stat()
	if err != nil {
		return layout{}, err
	}
	const most = 64 << 20 // they are 4 to 10 MiB
	if st.Size() <= 0 || st.Size() > most {
		return layout{}, &fs.PathError{Op: "read", Path: f.Name(), Err: ErrNotSupported}
	}
	// Linux 6.15 maps its own pages. Before, the file can only be read.
	b, err := unix.Mmap(int(f.Fd()), 0, int(st.Size()), unix.PROT_READ, unix.MAP_PRIVATE)
	if err == nil {
		defer func() { _ = unix.Munmap(b) }()
		return readLayout(b)
	}
	if b, err = unix.Mmap(-1, 0, int(st.Size()), unix.PROT_READ|unix.PROT_WRITE, unix.MAP_PRIVATE|unix.MAP_ANON|unix.MAP_POPULATE); err != nil {
		return layout{}, err
	}
	defer func() { _ = unix.Munmap(b) }() // out of the garbage collector's sight
	for n := 0; n < len(b); {
		k, err := f.Read(b[n:])
		if err != nil {
			return layout{}, err
		}
		n += k
	}
	return readLayout(b)
}

// The beginnings of union bpf_attr for each command.
type progLoad struct {
	kind, count       uint32
	code              unsafe.Pointer
	license           unsafe.Pointer
	logLevel, logSize uint32
	log               unsafe.Pointer
	version, flags    uint32
	name              [16]byte
	_                 uint32
	attach            uint32
	_, _              uint32
	_                 uint64
	_, _              uint32
	_                 uint64
	_                 uint32
	function, _, _    uint32
}

type linkCreate struct{ prog, target, attach, flags uint32 }

type iterCreate struct{ link, flags uint32 }

// license lets the program read the kernel's structures, which is for programs
// that may be had under the GPL only: the instructions of this package may.
var license = [...]byte{'D', 'u', 'a', 'l', ' ', 'M', 'I', 'T', '/', 'G', 'P', 'L', 0}

func load(code []instruction, function uint32) (fd int, err error) {
	attr := progLoad{kind: unix.BPF_PROG_TYPE_TRACING, count: uint32(len(code)), code: unsafe.Pointer(&code[0]), license: unsafe.Pointer(&license),
		attach: unix.BPF_TRACE_ITER, function: function}
	copy(attr.name[:15], "task_sockets")
	for range 5 { // EAGAIN: a signal came while the program was verified
		fd, err = bpf(unix.BPF_PROG_LOAD, unsafe.Pointer(&attr), unsafe.Sizeof(attr))
		if err != unix.EAGAIN {
			break
		}
	}
	if err != nil {
		return -1, os.NewSyscallError("bpf: load", err)
	}
	return fd, nil
}

func bpf(command int, attr unsafe.Pointer, size uintptr) (int, error) {
	fd, _, errno := unix.Syscall(unix.SYS_BPF, uintptr(command), uintptr(attr), size)
	runtime.KeepAlive(attr)
	if errno != 0 {
		return -1, errno
	}
	return int(fd), nil
}
