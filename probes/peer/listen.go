package peer

import (
	"context"
	"net"
)

// Listen listens on a TCP address such as "127.0.0.1:8765". With mptcp, MPTCP
// is accepted where the kernel has it, and plain TCP beside it; ListensMultipath
// tells whether it has.
func Listen(ctx context.Context, address string, mptcp bool) (net.Listener, error) {
	var c net.ListenConfig
	c.SetMultipathTCP(mptcp)
	return c.Listen(ctx, "tcp", address)
}

// Multipath reports whether a connection speaks MPTCP: not whether that was
// asked for, but whether both sides do.
func Multipath(conn net.Conn) bool {
	for {
		switch c := conn.(type) {
		case *net.TCPConn:
			ok, err := c.MultipathTCP()
			return ok && err == nil
		case interface{ NetConn() net.Conn }: // TLS
			conn = c.NetConn()
		default:
			return false
		}
	}
}
