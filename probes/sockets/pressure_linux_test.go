package sockets

import (
	"testing"

	"golang.org/x/sys/unix"
)

// What the kernel drops for want of room is counted in the namespace: datagrams of
// both families, and connections that a listener has no room for.
func TestLosses(t *testing.T) {
	s := newStage(t)
	l := s.lister()
	if n := l.losses(); n != (losses{}) {
		t.Fatalf("in a new namespace: %+v", n)
	}
	drop := func(family int, to unix.Sockaddr) {
		fd := s.Socket(family, unix.SOCK_DGRAM, 0)
		s.Must(unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_RCVBUF, 4096))
		s.Must(unix.Bind(fd, to))
		c := s.Socket(family, unix.SOCK_DGRAM, 0)
		for range 50 {
			s.Must(unix.Sendto(c, make([]byte, 1500), 0, to))
		}
	}
	drop(unix.AF_INET, at4(5353))
	four := l.losses()
	if four.udp == 0 || four.udp > 50 || four.listen != 0 {
		t.Errorf("after datagrams: %+v", four)
	}
	drop(unix.AF_INET6, &unix.SockaddrInet6{Port: 5354, Addr: [16]byte{15: 1}})
	if six := l.losses(); six.udp <= four.udp || six.udp > 100 || six.listen != 0 {
		t.Errorf("after datagrams of IPv6: %+v, before %+v", six, four)
	}
	s.listen(8765, 1, 0)
	for range 4 {
		unix.Connect(s.Socket(unix.AF_INET, unix.SOCK_STREAM|unix.SOCK_NONBLOCK, 0), at4(8765))
	}
	if n := l.losses(); n.listen == 0 {
		t.Errorf("after connections: %+v", n)
	}
}
