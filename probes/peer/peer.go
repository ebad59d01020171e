// Package peer speaks WebSocket: a server that echoes, and a client.
//
// Both are strict, and say what they dislike: the server refuses a handshake
// with a text that names the header, what was found and what was expected; both
// end a session with the close code that RFC 6455 asks for, and a reason that
// names the rule. What comes in is read by the decoders of framescope; heads,
// frames and compressed messages that go out are written here.
package peer

import (
	"fmt"
	"io"
	"net"
	"time"

	"framescope/decode/finding"
	"framescope/decode/websocket"
)

// A Message is one text or binary message.
type Message struct {
	// Opcode is websocket.Text or websocket.Binary.
	Opcode websocket.Opcode
	// Data is the whole message. It belongs to the receiver.
	Data []byte
}

// A CloseError says how a session ended.
type CloseError struct {
	// Code is that of the first close frame: 1005 for one without a code, 1006
	// if the connection ended without a close frame (RFC 6455 section 7.1.5).
	Code uint16
	// Reason is the text behind the code. It may hold anything that is UTF-8.
	Reason string
	// Peer says that the other side closed first.
	Peer bool
	// Rule is the rule that the other side broke, None if it broke none.
	Rule finding.ID
	// Err is the error of the network, nil if there was none.
	Err error
}

// Error returns a text such as "closed by the peer: 1009 message too big".
func (e *CloseError) Error() string {
	who := "closed by this side"
	if e.Peer {
		who = "closed by the peer"
	}
	switch {
	case e.Code == abnormal && e.Err != nil:
		return fmt.Sprintf("ended without a close frame: %v", e.Err)
	case e.Reason != "":
		return fmt.Sprintf("%s: %d %q", who, e.Code, e.Reason)
	}
	return fmt.Sprintf("%s: %d", who, e.Code)
}

// Unwrap returns e.Err.
func (e *CloseError) Unwrap() error { return e.Err }

// The status codes that are used here (RFC 6455 section 7.4.1).
const (
	normal        = 1000
	goingAway     = 1001
	protocolError = 1002
	noStatus      = 1005 // never sent
	abnormal      = 1006 // never sent
	badData       = 1007
	tooBig        = 1009
	tryLater      = 1013
)

// validCode reports whether a close frame may have the code (section 7.4).
func validCode(code uint16) bool {
	switch {
	case code >= 1000 && code <= 1003, code >= 1007 && code <= 1014, code >= 3000 && code <= 4999:
		return true
	}
	return false
}

// How long the other side may take for what it owes.
const (
	writeTimeout  = 30 * time.Second // to take what is sent
	closeTimeout  = 5 * time.Second  // to answer a close frame
	lingerTimeout = time.Second      // to close the connection behind it
)

// A source reads what the other side sends.
type source struct {
	receiver
	conn net.Conn
	// idle bounds the time without a byte; zero means no bound.
	idle time.Duration
	buf  []byte
	rest []byte // of buf, not yet read
}

// next returns the next message or control frame, whose data is valid until
// the next call. The error is a *CloseError, or that of the connection.
func (s *source) next() (arrival, error) {
	for {
		a, n, err := s.receive(s.rest)
		s.rest = s.rest[n:]
		if err != nil || a.whole {
			return a, err
		}
		if s.buf == nil {
			s.buf = make([]byte, 16<<10)
		}
		if s.idle > 0 {
			if err := s.conn.SetReadDeadline(time.Now().Add(s.idle)); err != nil {
				return a, err
			}
		}
		n, err = s.conn.Read(s.buf)
		s.rest = s.buf[:n]
		if n == 0 && err != nil {
			return a, err
		}
	}
}

// linger waits until the other side has closed the connection. Closing it with
// bytes unread would send a RST, which may overtake the close frame.
func linger(conn net.Conn, closeWrite bool) {
	if c, ok := conn.(interface{ CloseWrite() error }); ok && closeWrite {
		if c.CloseWrite() != nil {
			return
		}
	}
	if conn.SetReadDeadline(time.Now().Add(lingerTimeout)) == nil {
		_, _ = io.Copy(io.Discard, conn) // how it ends makes no difference
	}
}
