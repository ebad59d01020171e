package netnstest

import (
	"fmt"
	"os"
	"testing"

	"golang.org/x/sys/unix"
)

// A Stage is a namespace in which a test opens sockets, as file descriptors.
// They are closed with the test.
type Stage struct {
	TB    testing.TB
	Netns *os.File
	open  map[int]bool
}

// NewStage returns a stage in a namespace: nil for a new one.
func NewStage(tb testing.TB, ns *os.File) *Stage {
	tb.Helper()
	if ns == nil {
		ns = New(tb)
	}
	s := &Stage{tb, ns, map[int]bool{}}
	tb.Cleanup(func() {
		for fd := range s.open {
			unix.Close(fd)
		}
	})
	return s
}

// Own has a socket closed with the stage, unless Close has done so, and returns
// it.
func (s *Stage) Own(fd int) int {
	s.open[fd] = true
	return fd
}

// Close closes a socket of the stage.
func (s *Stage) Close(fd int) {
	delete(s.open, fd)
	unix.Close(fd)
}

// Do runs f in the namespace: see Do.
func (s *Stage) Do(f func() error) {
	s.TB.Helper()
	Do(s.TB, s.Netns, f)
}

// Must ends the test with an error that is not nil.
func (s *Stage) Must(err error) {
	s.TB.Helper()
	if err != nil {
		s.TB.Fatal(err)
	}
}

// Socket opens a socket: see socket(2).
func (s *Stage) Socket(family, typ, proto int) (fd int) {
	s.TB.Helper()
	s.Do(func() (err error) {
		fd, err = unix.Socket(family, typ|unix.SOCK_CLOEXEC, proto)
		return err
	})
	return s.Own(fd)
}

// Stream opens a stream socket of the family of addr, of TCP with a proto of 0.
func (s *Stage) Stream(addr unix.Sockaddr, proto int) int {
	s.TB.Helper()
	switch addr.(type) {
	case *unix.SockaddrInet4:
		return s.Socket(unix.AF_INET, unix.SOCK_STREAM, proto)
	case *unix.SockaddrInet6:
		return s.Socket(unix.AF_INET6, unix.SOCK_STREAM, proto)
	}
	s.Must(fmt.Errorf("%T: no address of IPv4 or IPv6", addr))
	return -1
}

// Listen opens a listener whose address may be used again.
func (s *Stage) Listen(addr unix.Sockaddr, backlog, proto int) int {
	s.TB.Helper()
	fd := s.Stream(addr, proto)
	s.Must(unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_REUSEADDR, 1))
	s.Must(unix.Bind(fd, addr))
	s.Must(unix.Listen(fd, backlog))
	return fd
}

// Connect opens a connection, from the address from unless that is nil.
func (s *Stage) Connect(from, to unix.Sockaddr, proto int) int {
	s.TB.Helper()
	fd := s.Stream(to, proto)
	if from != nil {
		s.Must(unix.Bind(fd, from))
	}
	s.Must(unix.Connect(fd, to))
	return fd
}

// Accept accepts a connection of a listener.
func (s *Stage) Accept(listener int) int {
	s.TB.Helper()
	fd, _, err := unix.Accept4(listener, unix.SOCK_CLOEXEC)
	s.Must(err)
	return s.Own(fd)
}
