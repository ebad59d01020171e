package sockets

import (
	"errors"

	"golang.org/x/sys/unix"

	"framescope/capture/netns"
)

// tryBind binds the address in the namespace, in three ways, and reports whether
// the system has such addresses at all.
func (l *Lister) tryBind(k Kind, b *Bind) (supported bool, err error) {
	err = netns.Do(l.ns, func() error {
		for _, t := range []struct {
			option int
			result *error
		}{{0, &b.Plain}, {unix.SO_REUSEADDR, &b.ReuseAddr}, {unix.SO_REUSEPORT, &b.ReusePort}} {
			*t.result = bindOnce(k, b, t.option)
		}
		return nil
	})
	if errors.Is(b.Plain, unix.EAFNOSUPPORT) {
		return false, nil
	}
	if b.Addr.Addr().IsUnspecified() && errors.Is(b.Plain, unix.EADDRNOTAVAIL) {
		return false, nil // IPv6 is disabled here
	}
	return err == nil, err
}

func bindOnce(k Kind, b *Bind, option int) error {
	family, typ := unix.AF_INET, unix.SOCK_STREAM
	var addr unix.Sockaddr
	if ip := b.Addr.Addr(); ip.Is4() {
		addr = &unix.SockaddrInet4{Port: int(b.Addr.Port()), Addr: ip.As4()}
	} else {
		family = unix.AF_INET6
		addr = &unix.SockaddrInet6{Port: int(b.Addr.Port()), Addr: ip.As16(), ZoneId: b.zone}
	}
	if k != TCP {
		typ = unix.SOCK_DGRAM
	}
	fd, err := unix.Socket(family, typ|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return err
	}
	defer unix.Close(fd)
	if b.Stack != DefaultStack {
		only := 0
		if b.Stack == IPv6Only {
			only = 1
		}
		if err := unix.SetsockoptInt(fd, unix.IPPROTO_IPV6, unix.IPV6_V6ONLY, only); err != nil {
			return err
		}
	}
	if option != 0 {
		if err := unix.SetsockoptInt(fd, unix.SOL_SOCKET, option, 1); err != nil {
			return err
		}
	}
	return unix.Bind(fd, addr)
}

func isPermission(err error) bool { return errors.Is(err, unix.EACCES) || errors.Is(err, unix.EPERM) }

// isNotLocal: ENODEV is of a zone that is no interface.
func isNotLocal(err error) bool {
	return errors.Is(err, unix.EADDRNOTAVAIL) || errors.Is(err, unix.ENODEV)
}

// reusePort asks the socket of another process whether it has SO_REUSEPORT. That
// takes the right to trace it.
func reusePort(r *Row) (on, ok bool) {
	for _, o := range r.Owners {
		pid, err := unix.PidfdOpen(o.PID, 0)
		if err != nil {
			continue
		}
		fd, err := unix.PidfdGetfd(pid, o.FD, 0)
		unix.Close(pid)
		if err != nil {
			continue
		}
		v, err := unix.GetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_REUSEPORT)
		unix.Close(fd)
		if err == nil {
			return v != 0, true
		}
	}
	return false, false
}
