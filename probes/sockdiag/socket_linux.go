package sockdiag

import (
	"errors"
	"os"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"

	"framescope/capture/netns"
)

// A socket is a netlink socket of the protocol NETLINK_SOCK_DIAG.
type socket struct {
	f *os.File // in the runtime's poller, so that reads can be ended

	// What the functions below work on: they are made once, not for each call.
	raw      unixRaw
	buf      []byte
	n        int
	errno    unix.Errno
	readOne  func(fd uintptr) bool
	writeOne func(fd uintptr) bool
}

type unixRaw interface {
	Read(func(fd uintptr) bool) error
	Write(func(fd uintptr) bool) error
	Control(func(fd uintptr)) error
}

// openSocket opens a socket in the namespace ns. With groups it hears of events
// and has a receive buffer of about that many bytes.
func openSocket(ns *os.File, groups []Group, buffer int) (*socket, error) {
	fd := -1
	err := netns.Do(ns, func() error {
		var err error
		fd, err = unix.Socket(unix.AF_NETLINK, unix.SOCK_RAW|unix.SOCK_CLOEXEC|unix.SOCK_NONBLOCK, unix.NETLINK_SOCK_DIAG)
		return err
	})
	if err != nil {
		return nil, err
	}
	// Connected to the kernel (port 0), the socket hears nobody else.
	kernel := &unix.SockaddrNetlink{Family: unix.AF_NETLINK}
	if err = unix.Bind(fd, kernel); err == nil {
		err = unix.Connect(fd, kernel)
	}
	for _, g := range groups {
		if err == nil {
			err = unix.SetsockoptInt(fd, unix.SOL_NETLINK, unix.NETLINK_ADD_MEMBERSHIP, int(g))
		}
	}
	if err != nil {
		unix.Close(fd)
		return nil, err
	}
	// Words beside error numbers: kernels before 4.12 have none, so what these
	// two return does not matter.
	_ = unix.SetsockoptInt(fd, unix.SOL_NETLINK, unix.NETLINK_EXT_ACK, 1)
	_ = unix.SetsockoptInt(fd, unix.SOL_NETLINK, unix.NETLINK_CAP_ACK, 1)
	if buffer > 0 && unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_RCVBUFFORCE, buffer) != nil {
		_ = unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_RCVBUF, buffer)
	}
	s := &socket{f: os.NewFile(uintptr(fd), "sock_diag")}
	if s.raw, err = s.f.SyscallConn(); err != nil {
		s.f.Close()
		return nil, err
	}
	s.readOne = func(fd uintptr) bool {
		// MSG_TRUNC: the length that the datagram has, not what fits.
		n, _, errno := unix.Syscall6(unix.SYS_RECVFROM, fd, uintptr(unsafe.Pointer(unsafe.SliceData(s.buf))), uintptr(len(s.buf)),
			unix.MSG_TRUNC|unix.MSG_DONTWAIT, 0, 0)
		s.n, s.errno = int(n), errno
		return errno != unix.EAGAIN
	}
	s.writeOne = func(fd uintptr) bool {
		n, err := unix.Write(int(fd), s.buf)
		s.n, s.errno = n, 0
		errors.As(err, &s.errno)
		return err != unix.EAGAIN
	}
	return s, nil
}

func (s *socket) send(b []byte) error {
	s.buf = b
	for {
		err := s.raw.Write(s.writeOne)
		if err == nil && s.errno == unix.EINTR {
			continue
		}
		s.buf = nil
		return s.failure(err)
	}
}

// recv reads one datagram into b and returns its length, which is more than
// len(b) when it did not fit.
func (s *socket) recv(b []byte) (int, error) {
	s.buf = b
	for {
		err := s.raw.Read(s.readOne)
		if err == nil && s.errno == unix.EINTR {
			continue
		}
		s.buf = nil
		return s.n, s.failure(err)
	}
}

func (s *socket) failure(err error) error {
	switch {
	case err == nil && s.errno != 0:
		return s.errno
	case err != nil && !errors.Is(err, os.ErrDeadlineExceeded):
		return os.ErrClosed // what the poller says has no name
	}
	return err
}

// interrupt ends a recv that waits, and those that follow.
func (s *socket) interrupt() { _ = s.f.SetReadDeadline(time.Unix(1, 0)) }

func (s *socket) close() error { return s.f.Close() }
