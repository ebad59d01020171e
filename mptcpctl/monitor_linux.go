package mptcpctl

import (
	"context"
	"errors"
	"iter"
	"os"
	"sync/atomic"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"framescope/capture/netns"
)

// A Monitor receives the events of a namespace. It is for one goroutine.
type Monitor struct {
	file   *os.File
	family uint16
	buf    []byte
	closed atomic.Bool
}

// eventBuffer is how many bytes of events the kernel is asked to keep until they
// are read: about 10 000.
const eventBuffer = 8 << 20

// Monitor joins the group of events, which needs CAP_NET_ADMIN. Events are kept
// from then on: what is listed afterwards and what Events yields leave nothing
// out between them.
func (c *Conn) Monitor() (*Monitor, error) {
	m, err := c.monitor()
	return m, fail("monitor", "", err)
}

func (c *Conn) monitor() (*Monitor, error) {
	group := 0
	for _, g := range c.sock.family.Groups {
		if g.Name == eventGroup {
			group = int(g.ID)
		}
	}
	if group == 0 {
		return nil, errors.New("the kernel has no MPTCP events")
	}
	m := &Monitor{family: c.sock.family.ID, buf: make([]byte, 64<<10)}
	// A socket of its own: nl.Subscribe has groups up to 32 only, and
	// NetlinkSocket.Receive takes 128 KiB a call, cannot be cancelled and does
	// not notice a truncated message.
	err := netns.Do(c.ns, func() error {
		fd, err := unix.Socket(unix.AF_NETLINK, unix.SOCK_RAW|unix.SOCK_CLOEXEC|unix.SOCK_NONBLOCK, unix.NETLINK_GENERIC)
		if err != nil {
			return err
		}
		m.file = os.NewFile(uintptr(fd), "mptcp events")
		if unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_RCVBUFFORCE, eventBuffer) != nil {
			// Without rights in the first namespace: as much as is allowed.
			_ = unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_RCVBUF, eventBuffer)
		}
		if err := unix.Bind(fd, &unix.SockaddrNetlink{Family: unix.AF_NETLINK}); err != nil {
			return err
		}
		return unix.SetsockoptInt(fd, unix.SOL_NETLINK, unix.NETLINK_ADD_MEMBERSHIP, group)
	})
	if err != nil {
		if m.file != nil {
			m.file.Close()
		}
		return nil, err
	}
	return m, nil
}

// Close ends the subscription, and Events with it.
func (m *Monitor) Close() error {
	m.closed.Store(true)
	return m.file.Close()
}

// Events yields events as they come, until the context is done or the Monitor is
// closed, which is no error. Where the kernel could not keep all, an event of
// the type EventLost stands at the place of those that are missing: what was
// known of connections has then to be read again.
func (m *Monitor) Events(ctx context.Context) iter.Seq2[Event, error] {
	return func(yield func(Event, error) bool) {
		conn, err := m.file.SyscallConn()
		if err != nil {
			if !m.closed.Load() {
				yield(Event{}, fail("monitor", "", err))
			}
			return
		}
		_ = m.file.SetReadDeadline(time.Time{})
		stop := context.AfterFunc(ctx, func() { _ = m.file.SetReadDeadline(time.Unix(1, 0)) })
		defer stop()
		for ctx.Err() == nil {
			var (
				n, flags int
				from     unix.Sockaddr
				errno    error
			)
			err := conn.Read(func(fd uintptr) bool {
				n, _, flags, from, errno = unix.Recvmsg(int(fd), m.buf, nil, 0)
				return errno != unix.EAGAIN && errno != unix.EINTR
			})
			now := time.Now()
			switch {
			case m.closed.Load(), errors.Is(err, os.ErrDeadlineExceeded):
				return
			case err != nil:
				yield(Event{}, fail("monitor", "", err))
				return
			case errno == unix.ENOBUFS, errno == nil && flags&unix.MSG_TRUNC != 0:
				// What is queued is older than what was lost.
				if !m.drain(conn, yield) || !yield(Event{Time: now, Type: EventLost}, nil) {
					return
				}
				continue
			case errno != nil:
				yield(Event{}, fail("monitor", "", errno))
				return
			}
			if !m.events(n, from, now, yield) {
				return
			}
		}
	}
}

// maxDrain bounds the messages that are read before a loss is told: somewhat
// more than eventBuffer holds, since others come meanwhile.
const maxDrain = 1 << 15

// drain yields what the socket holds, without waiting for more. It reports
// whether to go on.
func (m *Monitor) drain(conn syscall.RawConn, yield func(Event, error) bool) bool {
	for range maxDrain {
		var (
			n, flags int
			from     unix.Sockaddr
			errno    error
		)
		err := conn.Read(func(fd uintptr) bool {
			n, _, flags, from, errno = unix.Recvmsg(int(fd), m.buf, nil, unix.MSG_DONTWAIT)
			return true
		})
		switch {
		case errno == unix.ENOBUFS, errno == unix.EINTR, errno == nil && flags&unix.MSG_TRUNC != 0:
			continue
		case err != nil || errno != nil:
			return true // empty; another error comes again
		}
		if !m.events(n, from, time.Now(), yield) {
			return false
		}
	}
	return true
}

// events yields the events of a message, and reports whether to go on.
func (m *Monitor) events(n int, from unix.Sockaddr, now time.Time, yield func(Event, error) bool) bool {
	// Other processes can send to the socket, too.
	if sa, ok := from.(*unix.SockaddrNetlink); !ok || sa.Pid != 0 {
		return true
	}
	more := true
	err := decodeEvents(m.buf[:n], m.family, func(e Event) bool {
		e.Time = now
		more = yield(e, nil)
		return more
	})
	return more && (err == nil || yield(Event{Time: now}, fail("monitor", "", err)))
}
