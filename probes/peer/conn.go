package peer

import (
	"context"
	"errors"
	"net"
	"sync"
	"time"

	"framescope/decode/websocket"
)

// A Conn is an open session of a client. Its methods may be called by several
// goroutines. Pings are answered by themselves. A Conn is closed by Close, or
// by the server; until then it has a goroutine that reads.
type Conn struct {
	conn        net.Conn
	subprotocol string
	deflate     bool

	out      sender
	in       source
	messages chan Message
	done     chan struct{} // closed when nothing more is read
	err      error         // why, then
	clean    bool          // both sides have sent a close frame
	closing  chan struct{} // closed by Close
	once     sync.Once

	mu    sync.Mutex
	pings map[string]chan time.Time // by payload
}

// Subprotocol returns what the server chose, "" for none.
func (c *Conn) Subprotocol() string { return c.subprotocol }

// Deflate reports whether permessage-deflate was agreed to.
func (c *Conn) Deflate() bool { return c.deflate }

// Multipath reports whether the connection speaks MPTCP.
func (c *Conn) Multipath() bool { return Multipath(c.conn) }

// NetConn returns the connection below. Reading from it or writing to it breaks
// the session.
func (c *Conn) NetConn() net.Conn { return c.conn }

// receive reads until the session is over.
func (c *Conn) receive() {
	defer close(c.done)
	defer c.conn.Close()
	for {
		a, err := c.in.next()
		if err != nil {
			c.err = c.fail(err)
			return
		}
		switch a.op {
		case websocket.Ping:
			_ = c.out.control(websocket.Pong, a.data) // an error shows in the next read
		case websocket.Pong:
			c.ponged(string(a.data))
		case websocket.Close:
			c.err = c.closed(a.data)
			linger(c.conn, false) // RFC 6455 section 7.1.1: the server closes first
			return
		default:
			select {
			case c.messages <- Message{a.op, append([]byte(nil), a.data...)}:
			case <-c.closing:
			}
		}
	}
}

// closed answers a close frame.
func (c *Conn) closed(payload []byte) error {
	c.clean = true
	if said := c.out.said(); said != nil {
		return said
	}
	code, reason := closeStatus(payload)
	_ = c.out.close(code, string(reason)) // the session is over in any case
	return &CloseError{Code: code, Reason: string(reason), Peer: true}
}

// fail ends the session for an error of source.next.
func (c *Conn) fail(err error) error {
	var end *CloseError
	if !errors.As(err, &end) {
		return &CloseError{Code: abnormal, Err: err}
	}
	if c.out.close(end.Code, end.Reason) == nil {
		linger(c.conn, false)
	}
	return end
}

func (c *Conn) ponged(payload string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if ch := c.pings[payload]; ch != nil {
		ch <- time.Now() // has room for one
		delete(c.pings, payload)
	}
}

// Read returns the next message. When the session is over, the error is a
// *CloseError.
func (c *Conn) Read(ctx context.Context) (Message, error) {
	select {
	case m := <-c.messages:
		return m, nil
	case <-ctx.Done():
		return Message{}, ctx.Err()
	case <-c.done:
	}
	select {
	case m := <-c.messages:
		return m, nil
	default:
		return Message{}, c.err
	}
}

// Write sends a message: opcode is websocket.Text or websocket.Binary. data is
// not changed. When ctx is done before all is sent, the connection is closed.
func (c *Conn) Write(ctx context.Context, opcode websocket.Opcode, data []byte) error {
	return c.WriteFragments(ctx, opcode, data)
}

// WriteFragments sends a message as Write does, in one frame for each part.
func (c *Conn) WriteFragments(ctx context.Context, opcode websocket.Opcode, parts ...[]byte) error {
	if opcode != websocket.Text && opcode != websocket.Binary {
		return errors.New("a message is text or binary")
	}
	return c.bounded(ctx, func() error { return c.out.message(opcode, parts...) })
}

// bounded runs f, which writes, and closes the connection when ctx is done
// before: the place in the stream is lost then.
func (c *Conn) bounded(ctx context.Context, f func() error) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	stop := context.AfterFunc(ctx, func() { c.conn.Close() })
	err := f()
	if !stop() {
		return ctx.Err()
	}
	return err
}

// Ping sends a ping and returns how long the pong took. payload has at most 125
// bytes; two pings at a time need different ones. Messages must be read
// meanwhile: the pong comes behind them.
func (c *Conn) Ping(ctx context.Context, payload []byte) (time.Duration, error) {
	ch := make(chan time.Time, 1)
	c.mu.Lock()
	if c.pings[string(payload)] != nil {
		c.mu.Unlock()
		return 0, errors.New("a ping with this payload is on its way")
	}
	c.pings[string(payload)] = ch
	c.mu.Unlock()
	defer func() {
		c.mu.Lock()
		defer c.mu.Unlock()
		if c.pings[string(payload)] == ch {
			delete(c.pings, string(payload))
		}
	}()
	start := time.Now()
	if err := c.bounded(ctx, func() error { return c.out.control(websocket.Ping, payload) }); err != nil {
		return 0, err
	}
	select {
	case at := <-ch:
		return at.Sub(start), nil
	case <-ctx.Done():
		return 0, ctx.Err()
	case <-c.done:
		return 0, c.err
	}
}

// Close closes the session with a code and a reason of at most 123 bytes, and
// waits until the server has answered: 5 seconds at most, or until ctx is done.
// Messages that were not read are dropped. The error is nil if both sides said
// that they are closing; it is not nil if the session had ended otherwise
// before. Code 1005 sends a close frame without a code.
func (c *Conn) Close(ctx context.Context, code uint16, reason string) error {
	if !validCode(code) && code != noStatus {
		return errors.New("no close frame may have this code")
	}
	c.once.Do(func() { close(c.closing) })
	defer c.conn.Close()
	if err := c.bounded(ctx, func() error { return c.out.close(code, reason) }); err != nil {
		return err
	}
	t := time.NewTimer(closeTimeout)
	defer t.Stop()
	select {
	case <-c.done:
	case <-t.C:
		return errors.New("the close frame was not answered")
	case <-ctx.Done():
		return ctx.Err()
	}
	if c.clean {
		return nil
	}
	return c.err
}
