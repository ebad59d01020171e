package sockdiag

import (
	"context"
	"errors"
	"iter"
	"os"
	"syscall"

	"framescope/probes/nlmsg"
)

// A Group is a SKNLGRP_ number: a kind of events.
type Group int

// The groups. IPv4-mapped addresses belong to the sockets of IPv6.
const (
	TCPDestroy  Group = 1 + iota // TCP of IPv4
	UDPDestroy                   // UDP of IPv4
	TCP6Destroy                  // TCP of IPv6
	UDP6Destroy                  // UDP of IPv6
)

// Events tells of sockets that end. It is for one goroutine; Close may be called
// from any.
type Events struct {
	sock datagrams
	buf  []byte
}

// A burst of ends must fit while nobody reads: 4 MiB are about 4 000 events. The
// kernel gives a plain user what net.core.rmem_max allows.
const eventBuffer = 4 << 20

// Subscribe returns the events of the network namespace ns, or that of the
// caller if ns is nil, from now on: of the groups, or of all without any. It
// needs no rights; entering another namespace needs CAP_SYS_ADMIN.
func Subscribe(ns *os.File, groups ...Group) (*Events, error) {
	if len(groups) == 0 {
		groups = []Group{TCPDestroy, UDPDestroy, TCP6Destroy, UDP6Destroy}
	}
	s, err := openSocket(ns, groups, eventBuffer)
	if err != nil {
		return nil, &OpError{Op: "subscribe", Err: err}
	}
	return &Events{sock: s, buf: make([]byte, bufferSize)}, nil
}

// Close ends the subscription, and a walk that waits.
func (e *Events) Close() error { return e.sock.close() }

// Destroyed waits for events until ctx is done, and then ends without an error;
// to ask again after that is an error. Each event is a socket as it was at its
// end, decoded into s: see Conn.Inet. It has addresses, cookie, Protocol, and of
// TCP its last TCPInfo. Inode and UID are zero: who wants to know the owner has
// noted it by the cookie. Nothing is told of the end of a mini-socket (see
// Socket.Full), such as one in TIME_WAIT.
//
// ErrOverrun means that events were lost. It is not the end: go on, and look at
// the sockets again.
func (e *Events) Destroyed(ctx context.Context, s *Socket) iter.Seq2[*Socket, error] {
	if s == nil {
		s = new(Socket)
	}
	return func(yield func(*Socket, error) bool) {
		stop := context.AfterFunc(ctx, e.sock.interrupt)
		defer stop()
		var m nlmsg.Message
		for {
			n, err := e.sock.recv(e.buf)
			switch {
			case ctx.Err() != nil:
				return
			case errors.Is(err, syscall.ENOBUFS):
				if !yield(nil, &OpError{Op: "events", Err: &cause{ErrOverrun, "the kernel dropped events", syscall.ENOBUFS}}) {
					return
				}
				continue
			case err == nil && n > len(e.buf):
				err = malformed(0, "datagram", "%d bytes do not fit into %d", n, len(e.buf))
			}
			for b := e.buf[:min(n, len(e.buf))]; err == nil && len(b) > 0; {
				rest, ok := m.Cut(b)
				if !ok {
					err = uncut(&m, b)
				}
				if b = rest; !ok || m.Type != getByFamily {
					continue
				}
				if err = s.parse(m.Body); err != nil {
					continue
				}
				p, _ := s.attrs.u8(int(AttrProtocol))
				s.Protocol = Protocol(p)
				if !yield(s, nil) {
					return
				}
			}
			if err != nil {
				yield(nil, &OpError{Op: "events", Err: err})
				return
			}
		}
	}
}
