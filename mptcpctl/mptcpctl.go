// Package mptcpctl configures and observes Multipath TCP in the kernel: the
// endpoints and limits of a network namespace, its connections with their
// subflows, its events, counters and sysctls, and what a userspace path manager
// does.
//
// It speaks to the generic netlink family mptcp_pm:
//
//	c, err := mptcpctl.Open(nil) // or a namespace, see framescope/capture/netns
//	defer c.Close()
//	e, err := c.Add(mptcpctl.Endpoint{Addr: addr, Dev: "eth1", Flags: mptcpctl.Subflow})
//	warnings, err := c.Check(e)
//
//	var s mptcpctl.Snapshot
//	err = c.Snapshot(&s, mptcpctl.Query{})
//
// What a kernel can do is asked of it (see Features), never guessed from its
// version.
package mptcpctl

import (
	"errors"
	"os"
	"strings"
	"sync"
	"syscall"
	"time"

	"framescope/probes/sockdiag"
)

// ErrNotSupported is the cause of errors where there is no MPTCP: on systems
// other than Linux, and on kernels that were built without it.
var ErrNotSupported = errors.New("the kernel has no MPTCP path manager (family mptcp_pm)")

// timeout is how long one request may take. Deleting an endpoint walks all
// connections of the namespace.
const timeout = 30 * time.Second

// A Conn asks the path manager of one network namespace. Its methods may be
// called by several goroutines.
type Conn struct {
	ns   *os.File
	sock socket
	walk walk
}

// A walk is the socket that sockets are listed with.
type walk struct {
	mu sync.Mutex
	d  *sockdiag.Conn
}

// open opens the socket when it is needed first.
func (w *walk) open(ns *os.File) (d *sockdiag.Conn, err error) {
	if w.d == nil {
		w.d, err = sockdiag.Open(ns)
	}
	return w.d, err
}

// Open opens a connection to the path manager of the network namespace ns, or
// with nil of the one that the caller's thread is in. The file stays the
// caller's, and has to stay open as long as the Conn is used.
func Open(ns *os.File) (*Conn, error) {
	c := &Conn{ns: ns}
	if err := c.open(); err != nil {
		return nil, &OpError{Op: "open", Err: err}
	}
	return c, nil
}

// Close gives the socket back. A Conn cannot be used afterwards.
func (c *Conn) Close() error {
	c.walk.mu.Lock()
	defer c.walk.mu.Unlock()
	if c.walk.d != nil {
		return errors.Join(c.walk.d.Close(), c.sock.close())
	}
	return c.sock.close()
}

// An OpError says what was asked of the kernel and how it answered.
type OpError struct {
	// Op is what was asked, as ip-mptcp(8) says it: "endpoint add".
	Op string
	// Args are its arguments, in the same words; may be empty.
	Args string
	// Err is a syscall.Errno where the kernel answered with one.
	Err error
	// Msg is the kernel's own explanation (NLMSGERR_ATTR_MSG), or empty.
	Msg string
}

// Error returns "mptcp op args: kernel's words (errno)".
func (e *OpError) Error() string {
	var b strings.Builder
	b.WriteString("mptcp " + e.Op)
	if e.Args != "" {
		b.WriteString(" " + e.Args)
	}
	b.WriteString(": ")
	switch text := e.Explain(); {
	case e.Msg == "":
		b.WriteString(e.Err.Error())
	case text != "":
		b.WriteString(e.Msg + " (" + text + ")")
	default:
		b.WriteString(e.Msg + " (" + e.Err.Error() + ")")
	}
	return b.String()
}

// Unwrap returns e.Err, so that errors.Is finds os.ErrPermission, os.ErrExist
// and the like.
func (e *OpError) Unwrap() error { return e.Err }

// Explain says in plain words what the kernel's message means where it holds
// only a number, and is empty otherwise.
func (e *OpError) Explain() string {
	switch {
	case strings.HasPrefix(e.Msg, "too many addresses or duplicate one"):
		switch e.Err {
		case syscall.EEXIST:
			return "the address is an endpoint already"
		case syscall.EBUSY:
			return "the id is taken"
		case syscall.ERANGE:
			return "there are 8 endpoints, and the kernel keeps no more"
		}
	case strings.HasPrefix(e.Msg, "create listen socket error"):
		switch e.Err {
		case syscall.EADDRNOTAVAIL:
			return "an endpoint with a port listens on its address, and no interface has it"
		case syscall.EADDRINUSE:
			return "an endpoint with a port listens on it, and the port is taken"
		}
	}
	return ""
}

// fail makes an *OpError of what a request came to.
func fail(op, args string, err error) error {
	if err == nil {
		return nil
	}
	e := &OpError{Op: op, Args: args, Err: err}
	var kernel *kernelError
	if errors.As(err, &kernel) {
		e.Err, e.Msg = kernel.errno, kernel.msg
	}
	return e
}
