package sockets

import (
	"errors"
	"os"
	"runtime"
	"testing"

	"golang.org/x/sys/unix"

	"framescope/capture/netns"
)

// namespace returns a network namespace of its own with lo up. It ends with the
// test.
func namespace(tb testing.TB) *os.File {
	tb.Helper()
	type result struct {
		f   *os.File
		err error
	}
	done := make(chan result)
	go func() {
		runtime.LockOSThread() // and never back: the thread ends with the goroutine
		err := unix.Unshare(unix.CLONE_NEWNET)
		if err == nil {
			err = up("lo")
		}
		var f *os.File
		if err == nil {
			f, err = os.Open("/proc/thread-self/ns/net")
		}
		done <- result{f, err}
	}()
	r := <-done
	if errors.Is(r.err, unix.EPERM) {
		tb.Skip("a network namespace needs CAP_SYS_ADMIN")
	}
	if r.err != nil {
		tb.Fatal(r.err)
	}
	tb.Cleanup(func() { r.f.Close() })
	return r.f
}

// up sets an interface of the calling thread's namespace up.
func up(name string) error {
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return err
	}
	defer unix.Close(fd)
	r, err := unix.NewIfreq(name)
	if err != nil {
		return err
	}
	if err := unix.IoctlIfreq(fd, unix.SIOCGIFFLAGS, r); err != nil {
		return err
	}
	r.SetUint16(r.Uint16() | unix.IFF_UP)
	return unix.IoctlIfreq(fd, unix.SIOCSIFFLAGS, r)
}

// A stage is a namespace in which a test opens sockets. They are closed with it.
type stage struct {
	tb   testing.TB
	ns   *os.File
	open map[int]bool
}

func newStage(tb testing.TB) *stage {
	s := &stage{tb, namespace(tb), map[int]bool{}}
	tb.Cleanup(func() {
		for fd := range s.open {
			unix.Close(fd)
		}
	})
	return s
}

// own has a socket closed with the stage, unless close has done so.
func (s *stage) own(fd int) int {
	s.open[fd] = true
	return fd
}

func (s *stage) close(fd int) {
	delete(s.open, fd)
	unix.Close(fd)
}

func (s *stage) do(f func() error) {
	s.tb.Helper()
	if err := netns.Do(s.ns, f); err != nil {
		s.tb.Fatal(err)
	}
}

func (s *stage) sysctl(name, value string) {
	s.tb.Helper()
	s.do(func() error { return os.WriteFile("/proc/sys/"+name, []byte(value), 0) })
}

func (s *stage) lister() *Lister {
	s.tb.Helper()
	l, err := Open(s.ns)
	if err != nil {
		s.tb.Fatal(err)
	}
	s.tb.Cleanup(func() { l.Close() })
	return l
}

// socket opens a socket.
func (s *stage) socket(family, typ, proto int) (fd int) {
	s.tb.Helper()
	s.do(func() (err error) {
		fd, err = unix.Socket(family, typ|unix.SOCK_CLOEXEC, proto)
		return err
	})
	return s.own(fd)
}

func (s *stage) must(err error) {
	s.tb.Helper()
	if err != nil {
		s.tb.Fatal(err)
	}
}

func at4(port int) *unix.SockaddrInet4 {
	return &unix.SockaddrInet4{Port: port, Addr: [4]byte{127, 0, 0, 1}}
}

// listen opens a TCP listener on 127.0.0.1.
func (s *stage) listen(port, backlog int, proto int) int {
	s.tb.Helper()
	fd := s.socket(unix.AF_INET, unix.SOCK_STREAM, proto)
	s.must(unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_REUSEADDR, 1))
	s.must(unix.Bind(fd, at4(port)))
	s.must(unix.Listen(fd, backlog))
	return fd
}

// dial connects to a port, from a port of its own choice or from from.
func (s *stage) dial(port, from int, proto int) int {
	s.tb.Helper()
	fd := s.socket(unix.AF_INET, unix.SOCK_STREAM, proto)
	if from != 0 {
		s.must(unix.Bind(fd, at4(from)))
	}
	s.must(unix.Connect(fd, at4(port)))
	return fd
}

// accept accepts a connection.
func (s *stage) accept(l int) int {
	s.tb.Helper()
	fd, _, err := unix.Accept4(l, unix.SOCK_CLOEXEC)
	s.must(err)
	return s.own(fd)
}

// pair returns both ends of a connection.
func (s *stage) pair(port int) (client, server int) {
	s.tb.Helper()
	l := s.listen(port, 16, 0)
	client = s.dial(port, 0, 0)
	return client, s.accept(l)
}

// fill writes until nothing more is taken.
func (s *stage) fill(fd int) (n int) {
	s.tb.Helper()
	s.must(unix.SetNonblock(fd, true))
	b := make([]byte, 64<<10)
	for {
		k, err := unix.Write(fd, b)
		if err == unix.EAGAIN {
			return n
		}
		s.must(err)
		n += k
	}
}
