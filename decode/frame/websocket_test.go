package frame_test

import (
	"encoding/binary"
	"errors"

	"framescope/decode"
	"framescope/decode/frame"
	"framescope/decode/websocket"
)

// wsFormat reads WebSocket headers for the tests (RFC 6455 section 5.2).
type wsFormat struct{}

func (wsFormat) MaxHeader() int { return 14 }

func (wsFormat) Header(b []byte, h *websocket.Header) (int, int64, error) {
	if len(b) < 2 {
		return 0, 0, frame.ErrShort
	}
	n := 2
	l := int64(b[1] & 127)
	form := uint8(0)
	switch l {
	case 126:
		if len(b) < 4 {
			return 0, 0, frame.ErrShort
		}
		l, n, form = int64(binary.BigEndian.Uint16(b[2:])), 4, 2
	case 127:
		if len(b) < 10 {
			return 0, 0, frame.ErrShort
		}
		l, n, form = int64(binary.BigEndian.Uint64(b[2:])), 10, 8
		if l < 0 {
			return 0, 0, &decode.Error{Layer: "websocket", Off: 2, Field: "extended payload length", Err: errors.New("most significant bit is set")}
		}
	}
	h.Mask = [4]byte{}
	h.Masked = b[1]&128 != 0
	if h.Masked {
		if len(b) < n+4 {
			return 0, 0, frame.ErrShort
		}
		h.Mask = [4]byte(b[n : n+4])
		n += 4
	}
	h.Length, h.LengthForm, h.Size = l, form, uint8(n)
	h.Fin = b[0]&128 != 0
	h.RSV = b[0] >> 4 & 7
	h.Opcode = websocket.Opcode(b[0] & 15)
	return n, l, nil
}
