package sockets

import (
	"os"
	"testing"

	"golang.org/x/sys/unix"

	"framescope/capture/netns/netnstest"
)

// A stage is a namespace in which a test opens sockets. They are closed with it.
type stage struct{ *netnstest.Stage }

func newStage(tb testing.TB) *stage {
	tb.Helper()
	return &stage{netnstest.NewStage(tb, nil)}
}

func (s *stage) sysctl(name, value string) {
	s.TB.Helper()
	s.Do(func() error { return os.WriteFile("/proc/sys/"+name, []byte(value), 0) })
}

func (s *stage) lister() *Lister {
	s.TB.Helper()
	l, err := Open(s.Netns)
	s.Must(err)
	s.TB.Cleanup(func() { l.Close() })
	return l
}

// nowhere makes a device, hole, that takes packets to 198.51.100.7 and says
// nothing.
func (s *stage) nowhere() {
	s.TB.Helper()
	netnstest.Nowhere(s.TB, s.Netns, "hole", "198.51.100.1/24", "198.51.100.7")
}

func at4(port int) *unix.SockaddrInet4 {
	return &unix.SockaddrInet4{Port: port, Addr: [4]byte{127, 0, 0, 1}}
}

// listen opens a TCP listener on 127.0.0.1.
func (s *stage) listen(port, backlog int, proto int) int {
	s.TB.Helper()
	return s.Listen(at4(port), backlog, proto)
}

// dial connects to a port, from a port of its own choice or from from.
func (s *stage) dial(port, from int, proto int) int {
	s.TB.Helper()
	if from == 0 {
		return s.Connect(nil, at4(port), proto)
	}
	return s.Connect(at4(from), at4(port), proto)
}

// pair returns both ends of a connection.
func (s *stage) pair(port int) (client, server int) {
	s.TB.Helper()
	l := s.listen(port, 16, 0)
	client = s.dial(port, 0, 0)
	return client, s.Accept(l)
}

// fill writes until nothing more is taken.
func (s *stage) fill(fd int) {
	s.TB.Helper()
	s.Must(unix.SetNonblock(fd, true))
	b := make([]byte, 64<<10)
	for {
		_, err := unix.Write(fd, b)
		if err == unix.EAGAIN {
			return
		}
		s.Must(err)
	}
}
