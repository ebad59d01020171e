package lab

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// Port is where a Server listens that was not told otherwise.
const Port = 8000

// A ServeConfig says how a Server is. The zero one echoes what comes by MPTCP or
// TCP to Port of any address of the host.
type ServeConfig struct {
	// Addr is where it listens; the zero one and [::] stand for all addresses of
	// both families, 0.0.0.0 for those of IPv4; port 0 for Port.
	Addr netip.AddrPort
	// TCP listens for plain TCP only.
	TCP bool
	// Discard drops what comes instead of sending it back.
	Discard bool
	// Pause is how long it does not accept at first: connections wait for it.
	Pause time.Duration
}

// A Server accepts connections on a host until it or its lab is closed.
type Server struct {
	host     *Host
	port     uint16
	l        *net.TCPListener
	discard  bool
	accepted atomic.Int64
	received atomic.Int64

	mu    sync.Mutex
	conns map[*net.TCPConn]bool
	gone  bool
}

// Serve starts a server on the host. Where net.mptcp.enabled is 0 it listens for
// TCP, as programs do that are written well.
func (h *Host) Serve(ctx context.Context, c ServeConfig) (*Server, error) {
	if c.Addr.Port() == 0 {
		c.Addr = netip.AddrPortFrom(c.Addr.Addr(), Port)
	}
	if !c.Addr.Addr().IsValid() {
		c.Addr = netip.AddrPortFrom(netip.IPv6Unspecified(), c.Addr.Port())
	}
	s := &Server{host: h, port: c.Addr.Port(), discard: c.Discard, conns: map[*net.TCPConn]bool{}}
	lc := net.ListenConfig{Control: abortive}
	lc.SetMultipathTCP(!c.TCP)
	network := "tcp"
	if c.Addr.Addr().Is4() {
		network = "tcp4"
	}
	err := h.in(func() error {
		l, err := lc.Listen(ctx, network, c.Addr.String())
		if err != nil {
			return err
		}
		s.l = l.(*net.TCPListener)
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("host %s: %w", h.Name, err)
	}
	if !h.lab.atEnd(func() { s.Close() }) {
		s.l.Close()
		return nil, net.ErrClosed
	}
	h.lab.busy.Go(func() {
		select {
		case <-time.After(c.Pause):
			s.serve()
		case <-h.lab.ctx.Done():
		}
	})
	context.AfterFunc(h.lab.ctx, func() { s.Close() })
	return s, nil
}

// abortive has a socket send a RST when it is closed: then nothing of it stays in
// the namespace.
func abortive(_, _ string, raw syscall.RawConn) error {
	return raw.Control(func(fd uintptr) {
		_ = unix.SetsockoptInt(int(fd), unix.SOL_SOCKET, unix.SO_REUSEADDR, 1)
		_ = unix.SetsockoptLinger(int(fd), unix.SOL_SOCKET, unix.SO_LINGER, &unix.Linger{Onoff: 1})
	})
}

// Addr returns where it can be reached by IPv4 over a link of its host.
func (s *Server) Addr(link int) netip.AddrPort {
	return netip.AddrPortFrom(s.host.Addr(link), s.port)
}

// Addr6 returns where it can be reached by IPv6 over a link of its host.
func (s *Server) Addr6(link int) netip.AddrPort {
	return netip.AddrPortFrom(s.host.Addr6(link), s.port)
}

// Accepted returns how many connections were accepted, and Received how many
// bytes came on them.
func (s *Server) Accepted() int64 { return s.accepted.Load() }

// Received returns how many bytes came on all connections.
func (s *Server) Received() int64 { return s.received.Load() }

// Multipath returns how many of the open connections speak MPTCP.
func (s *Server) Multipath() (n int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for c := range s.conns {
		if ok, err := c.MultipathTCP(); ok && err == nil {
			n++
		}
	}
	return n
}

// Close ends the server and its connections.
func (s *Server) Close() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.gone = true
	for c := range s.conns {
		c.Close()
	}
	return s.l.Close()
}

func (s *Server) serve() {
	for {
		c, err := s.l.AcceptTCP()
		if err != nil {
			return
		}
		_ = c.SetLinger(0)
		s.mu.Lock()
		if s.gone {
			c.Close()
			s.mu.Unlock()
			return
		}
		s.conns[c] = true
		s.host.lab.busy.Go(func() { s.echo(c) })
		s.mu.Unlock()
		s.accepted.Add(1)
	}
}

func (s *Server) echo(c *net.TCPConn) {
	defer func() {
		s.mu.Lock()
		delete(s.conns, c)
		s.mu.Unlock()
		c.Close()
	}()
	b := make([]byte, 64<<10)
	for {
		n, err := c.Read(b)
		s.received.Add(int64(n))
		if n > 0 && !s.discard {
			if _, err := c.Write(b[:n]); err != nil {
				return
			}
		}
		if err != nil {
			return
		}
	}
}

// A ConnectConfig says how a Client is. To must be there.
type ConnectConfig struct {
	To netip.AddrPort
	// From is the local address; the zero one lets the kernel choose.
	From netip.Addr
	// TCP opens plain TCP.
	TCP bool
	// Rate is how much is sent, in bits a second; 0 stands for 320000, Unlimited
	// for as much as goes.
	Rate uint64
	// Every is how often a burst is sent, with as much as Rate has by then; 0
	// stands for 50 ms.
	Every time.Duration
	// Bytes ends sending after as many; 0 goes on until Close.
	Bytes int64
	// Timeout bounds connecting; 0 stands for 15 seconds.
	Timeout time.Duration
}

// Unlimited is the Rate of a client that sends as much as it can.
const Unlimited = ^uint64(0)

// A Client has a connection on which it sends, and reads what comes back, until it
// or its lab is closed.
type Client struct {
	conn           *net.TCPConn
	took           time.Duration
	sent, received atomic.Int64
	ended          chan struct{} // sending is over
	once           sync.Once
	err            error // why, after ended
}

// Connect opens a connection from the host and begins to send. Where
// net.mptcp.enabled is 0, or MPTCP cannot be had otherwise, the connection is TCP.
func (h *Host) Connect(ctx context.Context, c ConnectConfig) (*Client, error) {
	if c.Timeout == 0 {
		c.Timeout = 15 * time.Second
	}
	d := net.Dialer{Timeout: c.Timeout, FallbackDelay: -1, Control: abortive, KeepAlive: -1}
	if c.From.IsValid() {
		d.LocalAddr = net.TCPAddrFromAddrPort(netip.AddrPortFrom(c.From, 0))
	}
	d.SetMultipathTCP(!c.TCP)
	k := &Client{ended: make(chan struct{})}
	err := h.in(func() error {
		begin := time.Now()
		conn, err := d.DialContext(ctx, "tcp", c.To.String())
		if err != nil {
			return err
		}
		k.conn, k.took = conn.(*net.TCPConn), time.Since(begin)
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("host %s: %w", h.Name, err)
	}
	if !h.lab.atEnd(func() { k.Close() }) {
		k.conn.Close()
		return nil, net.ErrClosed
	}
	h.lab.busy.Go(k.read)
	h.lab.busy.Go(func() { k.send(c) })
	context.AfterFunc(h.lab.ctx, func() { k.Close() })
	return k, nil
}

func (k *Client) send(c ConnectConfig) {
	defer close(k.ended)
	every := c.Every
	if every <= 0 {
		every = 50 * time.Millisecond
	}
	size, pause := int64(64<<10), false
	if c.Rate != Unlimited {
		if c.Rate == 0 {
			c.Rate = 320000
		}
		size, pause = max(int64(c.Rate/8)*int64(every)/int64(time.Second), 1), true
	}
	b := make([]byte, min(size, 64<<10))
	for i := range b {
		b[i] = "0123456789abcdef"[i%16]
	}
	tick := time.NewTicker(every)
	defer tick.Stop()
	for left := c.Bytes; c.Bytes == 0 || left > 0; {
		for n := size; n > 0 && (c.Bytes == 0 || left > 0); {
			m := min(n, int64(len(b)))
			if c.Bytes > 0 {
				m = min(m, left)
			}
			w, err := k.conn.Write(b[:m])
			k.sent.Add(int64(w))
			if err != nil {
				k.err = err
				return
			}
			n, left = n-m, left-m
		}
		if pause {
			<-tick.C
		}
	}
}

func (k *Client) read() {
	b := make([]byte, 64<<10)
	for {
		n, err := k.conn.Read(b)
		k.received.Add(int64(n))
		if err != nil {
			return
		}
	}
}

// Local returns the client's address, Remote the server's.
func (k *Client) Local() netip.AddrPort { return k.conn.LocalAddr().(*net.TCPAddr).AddrPort() }

// Remote returns the address that it is connected to.
func (k *Client) Remote() netip.AddrPort { return k.conn.RemoteAddr().(*net.TCPAddr).AddrPort() }

// Took returns how long connecting took.
func (k *Client) Took() time.Duration { return k.took }

// Sent returns how many bytes were given to the connection.
func (k *Client) Sent() int64 { return k.sent.Load() }

// Received returns how many bytes came back.
func (k *Client) Received() int64 { return k.received.Load() }

// Multipath reports whether the connection speaks MPTCP still.
func (k *Client) Multipath() bool {
	ok, err := k.conn.MultipathTCP()
	return ok && err == nil
}

// Conn returns the connection below. Writing to it mixes with what is sent.
func (k *Client) Conn() *net.TCPConn { return k.conn }

// Wait waits until all bytes are sent and returns why it ended otherwise.
func (k *Client) Wait() error {
	<-k.ended
	if errors.Is(k.err, net.ErrClosed) || errors.Is(k.err, io.EOF) {
		return nil
	}
	return k.err
}

// Close resets the connection. It does not wait.
func (k *Client) Close() error {
	var err error
	k.once.Do(func() { err = k.conn.Close() })
	return err
}
