package sockdiag

import (
	"errors"
	"io"
	"os"
	"syscall"

	"framescope/probes/nlmsg"
)

// A Conn asks the kernel about the sockets of one network namespace, one
// question at a time: it is for one goroutine, and while a walk goes on its
// other methods return ErrBusy. A walk may be broken off.
type Conn struct {
	sock datagrams
	buf  []byte // the datagram that is being read
	req  []byte // the request that is being made

	seq     uint32
	unread  bool // the answer to request seq has not ended
	walking bool
	// What walks over both families at once: zero where it takes two requests.
	bothTCP, bothMPTCP uint16
}

// datagrams is what a Conn needs of a netlink socket.
type datagrams interface {
	send([]byte) error
	recv([]byte) (int, error)
	interrupt()
	close() error
}

// The kernel makes datagrams of at most 32 KiB in a dump, and no larger than the
// largest buffer that it was given so far: a larger buffer gains nothing, one of
// 4 KiB costs a quarter more CPU.
const bufferSize = 32 << 10

// Open returns a Conn to the kernel, for the network namespace ns, or that of
// the caller if ns is nil. It needs no rights; entering another namespace needs
// CAP_SYS_ADMIN. The Conn stays in its namespace, and keeps it alive.
func Open(ns *os.File) (*Conn, error) {
	s, err := openSocket(ns, nil, 0)
	if err != nil {
		return nil, &OpError{Op: "open", Err: err}
	}
	return newConn(s), nil
}

func newConn(s datagrams) *Conn {
	return &Conn{sock: s, buf: make([]byte, bufferSize), bothTCP: getTCP, bothMPTCP: getDCCP}
}

// Close closes the Conn. A walk that goes on ends with an error.
func (c *Conn) Close() error { return c.sock.close() }

// begin starts a request; its body is to be appended to c.req.
func (c *Conn) begin(typ, flags uint16) {
	c.seq++
	c.req = nlmsg.AppendHeader(c.req[:0], typ, flags|nlmsg.FlagRequest, c.seq)
}

// ready makes sure that the last answer has been read.
func (c *Conn) ready() error {
	if c.walking {
		return ErrBusy
	}
	if !c.unread {
		return nil
	}
	// A walk was broken off: the kernel answers no other request before it has
	// said all.
	a := answer{c: c}
	for {
		switch _, err := a.next(); {
		case err == io.EOF:
			return nil
		case err != nil && !c.unread:
			return nil
		case err != nil:
			return err
		}
	}
}

// ask sends the request that is in c.req.
func (c *Conn) ask() error {
	nlmsg.End(c.req, 0)
	if err := c.sock.send(c.req); err != nil {
		return err
	}
	c.unread = true
	return nil
}

// An answer is what the kernel says to the last request.
type answer struct {
	c           *Conn
	rest        []byte // of the datagram
	text        string // the kernel's words to an error
	interrupted bool
}

// next returns the body of the next message, which is valid until next is called
// again. At the end of a dump, or when the request is acknowledged, it returns
// io.EOF.
func (a *answer) next() ([]byte, error) {
	c := a.c
	var m nlmsg.Message
	for {
		if len(a.rest) == 0 {
			n, err := c.sock.recv(c.buf)
			switch {
			case errors.Is(err, syscall.ENOBUFS):
				return nil, &cause{ErrOverrun, ErrOverrun.Error(), syscall.ENOBUFS}
			case err != nil:
				return nil, err
			case n > len(c.buf):
				return nil, malformed(0, "datagram", "%d bytes do not fit into %d", n, len(c.buf))
			case n == 0:
				return nil, malformed(0, "datagram", "it is empty")
			}
			a.rest = c.buf[:n]
		}
		rest, ok := m.Cut(a.rest)
		if !ok {
			err := uncut(&m, a.rest)
			a.rest = nil
			return nil, err
		}
		a.rest = rest
		if m.Seq != c.seq || m.Type == nlmsg.TypeNoop {
			continue // of a walk that was broken off
		}
		a.interrupted = a.interrupted || m.Flags&nlmsg.FlagDumpIntr != 0
		switch m.Type {
		case nlmsg.TypeOverrun:
			return nil, ErrOverrun
		case nlmsg.TypeError, nlmsg.TypeDone:
			c.unread = false
			errno, text, ok := m.Errno()
			a.text = text
			switch {
			case !ok:
				return nil, malformed(nlmsg.HeaderLen, "error", "%d of 4 bytes are there", len(m.Body))
			case errno != 0:
				return nil, errno
			}
			return nil, io.EOF
		}
		return m.Body, nil
	}
}
