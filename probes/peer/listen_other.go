//go:build !linux

package peer

import "net"

// ListensMultipath reports whether l accepts MPTCP, which only Linux has here.
func ListensMultipath(net.Listener) bool { return false }
