package peer

import (
	"context"
	"errors"
	"net"
	"net/netip"
	"sync"
	"sync/atomic"
	"time"

	"framescope/decode/finding"
)

// A Server accepts WebSocket sessions and sends every message back, as one
// frame of the same kind, when it has arrived whole. It answers pings, and
// refuses what is no handshake with a text that says why.
//
// The zero Server is ready. Its fields are set before Serve is called.
type Server struct {
	// Subprotocols are those that the server knows. It chooses the first of the
	// client's that is among them; without any, it takes the client's first.
	Subprotocols []string
	// Deflate says that permessage-deflate is accepted where it is offered.
	// A session that compresses has 800 KiB.
	Deflate bool
	// MaxMessage bounds a message, in bytes; zero stands for 16 MiB. A larger
	// one ends the session with 1009.
	MaxMessage int64
	// MaxMemory bounds the bytes of all messages that are larger than 64 KiB,
	// while they arrive; zero stands for 256 MiB. A message for which there is
	// no room ends its session with 1013.
	MaxMemory int64
	// MaxConns bounds the connections at one time; zero stands for 256. More are
	// answered with 503.
	MaxConns int
	// Handshake bounds the time until the request is there; zero stands for 10
	// seconds. Idle bounds the time without a byte in an open session; zero
	// stands for an hour. Then the session ends with 1001.
	Handshake, Idle time.Duration
	// Grace is how long sessions have to answer the close frame when the server
	// ends; zero stands for 2 seconds.
	Grace time.Duration
	// Notify is called for what happens, if it is not nil, by several
	// goroutines at a time.
	Notify func(Event)

	budget   budget
	conns    atomic.Int64
	turned   atomic.Int64 // connections that are being turned away
	sessions sync.WaitGroup
}

// A Happening is a kind of Event.
type Happening uint8

// The happenings. A connection is either refused, or opened and later closed.
const (
	Opened Happening = iota
	Refused
	Closed
)

// String returns "opened", "refused" or "closed".
func (h Happening) String() string { return [...]string{"opened", "refused", "closed"}[min(h, Closed)] }

// An Event is something that happened to one connection.
type Event struct {
	Happening Happening
	Time      time.Time
	// Conn counts the connections from 1.
	Conn int64
	// Remote and Local are the ends of the connection, Multipath says that it
	// speaks MPTCP.
	Remote, Local netip.AddrPort
	Multipath     bool

	// Target is the target of the request, as it was sent; empty where no
	// request could be read. Subprotocol and Deflate are what was agreed to.
	Target, Subprotocol string
	Deflate             bool

	// Status is the status of the response to a request that was refused, 0 if
	// there was none; Rule the rule that the request breaks; Text says what was
	// found. It may hold bytes from the network.
	Status int
	Rule   finding.ID
	Text   string

	// End says how a session ended, Messages and Bytes what was sent back, After
	// how long it lasted.
	End             CloseError
	Messages, Bytes int64
	After           time.Duration
}

func orElse[T int | int64 | time.Duration](v, zero T) T {
	if v == 0 {
		return zero
	}
	return v
}

// Serve serves the connections of l until ctx is done. Then it closes l, ends
// all sessions with 1001 and returns nil. It closes l and returns an error when l
// fails.
func (s *Server) Serve(ctx context.Context, l net.Listener) error {
	s.budget.left.Store(orElse(s.MaxMemory, 256<<20))
	ctx, cancel := context.WithCancel(ctx)
	defer s.sessions.Wait()
	defer cancel()
	defer l.Close()
	defer context.AfterFunc(ctx, func() { l.Close() })()
	limit := int64(orElse(s.MaxConns, 256))
	for n, failed := int64(1), 0; ; n++ {
		conn, err := l.Accept()
		switch {
		case ctx.Err() != nil:
			if err == nil {
				conn.Close()
			}
			return nil
		case errors.Is(err, net.ErrClosed):
			return err
		case err != nil:
			// Too many open files, mostly: that may pass.
			if failed++; failed > 50 {
				return err
			}
			n--
			pause(ctx, 100*time.Millisecond)
			continue
		}
		failed = 0
		c := &session{server: s, conn: conn, event: Event{Conn: n, Remote: addrPort(conn.RemoteAddr()), Local: addrPort(conn.LocalAddr()), Multipath: Multipath(conn)}}
		if s.conns.Add(1) > limit {
			s.conns.Add(-1)
			s.turnAway(c, limit)
			continue
		}
		s.sessions.Go(func() {
			defer s.conns.Add(-1)
			c.serve(ctx)
		})
	}
}

// turnAway answers a connection that is one too many. A few of these wait for
// the client at a time.
func (s *Server) turnAway(c *session, limit int64) {
	if s.turned.Add(1) > 64 {
		s.turned.Add(-1)
		c.conn.Close()
		return
	}
	s.sessions.Go(func() {
		defer s.turned.Add(-1)
		defer c.conn.Close()
		c.refuse(tooMany(limit), false)
	})
}

func addrPort(a net.Addr) netip.AddrPort {
	t, ok := a.(*net.TCPAddr)
	if !ok {
		return netip.AddrPort{}
	}
	p := t.AddrPort()
	return netip.AddrPortFrom(p.Addr().Unmap(), p.Port())
}

// pause waits, but not longer than until ctx is done.
func pause(ctx context.Context, d time.Duration) {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
	case <-ctx.Done():
	}
}
