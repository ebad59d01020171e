// Package sockdiag asks the Linux kernel for its sockets, over sock_diag(7):
// TCP, UDP, MPTCP and other internet sockets, unix, packet and netlink sockets.
//
// A [Conn] asks; what it answers is walked row by row. A row is decoded in
// place into a struct that the caller may own, its attributes are found but
// decoded only when a method asks for them, and nothing is allocated for it:
//
//	c, err := sockdiag.Open(nil)
//	...
//	for s, err := range c.Inet(nil, sockdiag.Query{Protocol: sockdiag.TCP}) {
//		...
//		fmt.Println(s.State, s.Src, s.Dst)
//	}
//
// Names are those of the kernel's headers: Src is a socket's own end, Dst the
// other one, whoever opened the connection.
//
// # Rights
//
// Any user gets every row of a namespace, with addresses, queues, owner, inode,
// timers, memory, TCPInfo, congestion control, cgroup, and on current kernels
// the upper-layer protocol with the tokens of MPTCP. Any user may ask for the
// end of sockets, too (see [Subscribe]).
//
// CAP_NET_ADMIN, in the user namespace that owns the network namespace, is
// needed for the mark of a socket and conditions on it, MD5 keys, the sequence
// numbers of MPTCP subflows, filters of packet sockets, and [Conn.Destroy].
// Entering another namespace needs CAP_SYS_ADMIN.
package sockdiag

import (
	"errors"
	"syscall"
)

// What an *OpError is about, for errors.Is.
var (
	// ErrNotSupported: this system, or this kernel, cannot do that.
	ErrNotSupported = errors.New("not supported")
	// ErrInterrupted: the kernel says that sockets changed during the walk so
	// that rows may be missing or there twice. All rows were handed out.
	ErrInterrupted = errors.New("sockets changed during the walk: rows may be missing or there twice")
	// ErrOverrun: the kernel had more to say than there was room for. Rows or
	// events are lost.
	ErrOverrun = errors.New("the kernel dropped messages: rows are missing")
	// ErrBusy: a walk over this Conn has not ended. Use another Conn.
	ErrBusy = errors.New("a walk over this connection is going on")
)

// An OpError says what could not be asked of the kernel, and why.
type OpError struct {
	// Op is what was asked: "open", "tcp sockets", "destroy tcp socket", ...
	Op string
	// Err is a syscall.Errno (os.ErrPermission and os.ErrNotExist among them),
	// a *decode.Error if what the kernel sent could not be read, or wraps one of
	// the errors above.
	Err error
	// Message is what the kernel said beside the number, or "".
	Message string
}

// Error returns "sockdiag: op: cause: message".
func (e *OpError) Error() string {
	s := "sockdiag: " + e.Op + ": " + e.Err.Error()
	if e.Message != "" {
		s += ": " + e.Message
	}
	return s
}

// Unwrap returns e.Err.
func (e *OpError) Unwrap() error { return e.Err }

// A cause is one of the errors above in other words, and the number of the
// kernel if there was one.
type cause struct {
	kind  error
	text  string
	errno syscall.Errno
}

func (c *cause) Error() string { return c.text }

func (c *cause) Unwrap() []error {
	if c.errno == 0 {
		return []error{c.kind}
	}
	return []error{c.kind, c.errno}
}

// noHandler is the error of a kernel that does not know the kind of socket.
func noHandler(module string, errno syscall.Errno) error {
	return &cause{ErrNotSupported, "not supported: the kernel has no handler for it (module " + module + ")", errno}
}
