package peer

import (
	"crypto/rand"
	"encoding/binary"
	"errors"
	"net"
	"sync"
	"time"

	"framescope/decode/websocket"
)

// maxControl is the most that a control frame holds (RFC 6455 section 5.5).
const maxControl = 125

// errClosing is the error of what is sent behind a close frame.
var errClosing = errors.New("the session is being closed")

// A sender writes frames. Any goroutine may use it.
type sender struct {
	conn net.Conn
	// masked says that this is the client (RFC 6455 section 5.3).
	masked bool
	// deflate compresses messages; nil: it was not negotiated.
	deflate *deflater

	mu     sync.Mutex
	closed *CloseError // what was said in the close frame
	buf    []byte
	key    [4]byte // of the last frame
}

// piece is how much of a payload is written at once.
const piece = 32 << 10

// frame writes one frame. payload is not changed.
func (s *sender) frame(op websocket.Opcode, fin bool, rsv uint8, payload []byte) error {
	h := websocket.Header{Opcode: op, Fin: fin, RSV: rsv, Masked: s.masked, Length: int64(len(payload))}
	if s.masked {
		_, _ = rand.Read(s.key[:]) // never fails
		h.Mask = s.key
	}
	s.buf = websocket.AppendHeader(s.buf[:0], &h)
	for pos := 0; ; {
		p := payload[pos:min(len(payload), pos+piece)]
		from := len(s.buf)
		s.buf = append(s.buf, p...)
		if s.masked {
			websocket.Unmask(s.buf[from:], s.buf[from:], h.Mask, int64(pos))
		}
		if err := s.conn.SetWriteDeadline(time.Now().Add(writeTimeout)); err != nil {
			return err
		}
		if _, err := s.conn.Write(s.buf); err != nil {
			s.conn.Close() // nobody knows where the next frame would begin
			return err
		}
		s.buf = s.buf[:0]
		if pos += len(p); pos == len(payload) {
			return nil
		}
	}
}

// maxPiece is how much is compressed into one frame.
const maxPiece = 1 << 20

// message writes a message, one frame for each part; what is compressed and
// longer than maxPiece has several.
func (s *sender) message(op websocket.Opcode, parts ...[]byte) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed != nil {
		return errClosing
	}
	if len(parts) == 0 {
		parts = [][]byte{nil}
	}
	rsv := uint8(0)
	if s.deflate != nil {
		rsv = websocket.RSV1
	}
	first := true
	for i, p := range parts {
		for more := true; more; {
			piece := p
			if s.deflate != nil {
				// Compressing much at once takes long, and much memory.
				piece = p[:min(len(p), maxPiece)]
			}
			p = p[len(piece):]
			more = len(p) > 0
			last := i == len(parts)-1 && !more
			if s.deflate != nil {
				piece = s.deflate.compress(piece, first, last)
			}
			if err := s.frame(op, last, rsv, piece); err != nil {
				return err
			}
			op, rsv, first = websocket.Continuation, 0, false
		}
	}
	if s.deflate != nil && cap(s.deflate.out) > keep {
		s.deflate.out = nil
	}
	return nil
}

// control writes a ping or a pong.
func (s *sender) control(op websocket.Opcode, payload []byte) error {
	if len(payload) > maxControl {
		return errors.New("a control frame holds 125 bytes at most")
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed != nil {
		return errClosing
	}
	return s.frame(op, true, 0, payload)
}

// close writes a close frame, unless one was sent before. A reason that is too
// long is cut at a character.
func (s *sender) close(code uint16, reason string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed != nil {
		return nil
	}
	s.closed = &CloseError{Code: code, Reason: reason}
	var payload []byte
	if code != noStatus {
		payload = binary.BigEndian.AppendUint16(nil, code)
		payload = append(payload, reason...)
		if len(payload) > maxControl {
			payload = websocket.WholeRunes(payload[:maxControl])
		}
	}
	return s.frame(websocket.Close, true, 0, payload)
}

// said returns what was said in the close frame, nil if none was sent.
func (s *sender) said() *CloseError {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.closed
}
