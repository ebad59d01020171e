package peer

import (
	"net"
	"syscall"

	"golang.org/x/sys/unix"
)

// ListensMultipath reports whether l accepts MPTCP.
func ListensMultipath(l net.Listener) bool {
	c, ok := l.(syscall.Conn)
	if !ok {
		return false
	}
	raw, err := c.SyscallConn()
	if err != nil {
		return false
	}
	protocol := 0
	err = raw.Control(func(fd uintptr) {
		protocol, _ = unix.GetsockoptInt(int(fd), unix.SOL_SOCKET, unix.SO_PROTOCOL)
	})
	return err == nil && protocol == unix.IPPROTO_MPTCP
}
