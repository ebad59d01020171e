package framing

import (
	"strconv"

	"framescope/decode"
	"framescope/decode/frame"
	"framescope/decode/http1"
	"framescope/decode/websocket"
)

// webSocket is RFC 6455. A stream may begin with the head of the handshake: no
// frame begins with the bytes that one begins with.
type webSocket struct {
	f *Framing
}

func newWebSocket(most int64) *Framing {
	f := &Framing{name: "websocket", title: "WebSocket frames (RFC 6455 section 5)",
		about:     "The head of the handshake may come first. Masked payloads are shown unmasked.",
		maxHeader: maxHead, maxPayload: 1<<63 - 1}
	if most > 0 {
		f.maxPayload = most
	}
	f.native = webSocket{f}
	f.silence()
	return f
}

const maxHead = 64 << 10

// Which form of header: the variant of a native framing.
const (
	formFrame uint8 = iota
	formHead
	formChunk
	formLastChunk
	formChunkEnd
)

func (w webSocket) header(b []byte, h *Header, from Direction) (int, int64, error) {
	h.Trailer, h.pad, h.variant, h.Masked = 0, 0, formFrame, false
	if len(b) > 1 && (b[0] == 'G' && b[1] == 'E' || b[0] == 'H' && b[1] == 'T') {
		// As a frame that would have a reserved opcode, or be a control frame
		// without FIN.
		h.variant, h.Length = formHead, 0
		size, err := head(w.f, b, h.progress)
		return size, 0, err
	}
	var wh websocket.Header
	size, payload, err := websocket.Format{}.Header(b, &wh)
	if err != nil {
		return 0, 0, err
	}
	if payload > w.f.maxPayload {
		field := "payload length"
		off := 1
		if wh.LengthForm > 0 {
			field, off = "extended payload length", 2
		}
		return 0, 0, w.f.fault(off, max(int(wh.LengthForm), 1), field, "%d exceeds max %d", payload, w.f.maxPayload)
	}
	h.Length, h.Masked, h.Mask = payload, wh.Masked, wh.Mask
	return size, payload, nil
}

// head returns the length of the HTTP head at the start of b.
func head(f *Framing, b []byte, p *progress) (size int, err error) {
	word := "GET "
	if b[0] == 'H' {
		word = "HTTP/1."
	}
	for i := range min(len(b), len(word)) {
		if b[i] != word[i] {
			return 0, f.fault(0, i+1, "head", "found %s, expected %q", hexText(b, i+1), word)
		}
	}
	if size = http1.FindEnd(b, p.from(0)); size > 0 {
		return size, nil
	}
	p.note(0, len(b))
	if len(b) >= maxHead {
		return 0, f.fault(0, maxHead, "head", "no empty line in %d bytes", maxHead)
	}
	return 0, frame.ErrShort
}

func (w webSocket) parse(h *Header) (wh websocket.Header) {
	_, _, _ = websocket.Format{}.Header(h.raw, &wh) // it was read before
	return wh
}

func (w webSocket) kind(h *Header) string {
	if h.variant == formHead {
		return "head"
	}
	wh := w.parse(h)
	return wh.Opcode.String()
}

func (w webSocket) payloadName(*Header) string { return "payload" }

func (w webSocket) fields(dst []Field, h *Header) []Field {
	if h.variant == formHead {
		return headFields(dst, h.raw)
	}
	wh := w.parse(h)
	for _, f := range websocket.AppendFields(nil, &wh) {
		out := Field{Field: f}
		if n, err := strconv.ParseUint(f.Value, 10, 64); err == nil && f.Name != "masking-key" {
			out.Number, out.Numeric = n, true
		}
		switch f.Name {
		case "opcode":
			out.Number, out.Numeric = uint64(wh.Opcode), true
			if o := wh.Opcode; o > websocket.Binary && o < websocket.Close || o > websocket.Pong {
				out.Bad = "the opcode is reserved (section 5.2)"
			}
		case "fin":
			if wh.Opcode.Control() && !wh.Fin {
				out.Bad = "a control frame is never fragmented (section 5.5)"
			}
		case "payload length":
			if wh.Opcode.Control() && wh.Length > 125 {
				out.Bad = "a control frame has at most 125 bytes (section 5.5)"
			}
		case "extended payload length":
			if wh.LengthForm == 2 && wh.Length < 126 || wh.LengthForm == 8 && wh.Length < 1<<16 {
				out.Bad = "a shorter form has room for it (section 5.2)"
			}
		}
		dst = append(dst, out)
	}
	return dst
}

func (w webSocket) payloadFields(dst []Field, h *Header, b []byte) []Field {
	if h.variant == formHead || w.parse(h).Opcode != websocket.Close || len(b) < 2 {
		return dst
	}
	code := uint64(b[0])<<8 | uint64(b[1])
	if h.Masked {
		code = uint64(b[0]^h.Mask[0])<<8 | uint64(b[1]^h.Mask[1])
	}
	return append(dst, Field{Field: decode.Field{Name: "close code", Len: 2, Value: strconv.FormatUint(code, 10)}, Number: code, Numeric: true})
}

// headFields appends the lines of an HTTP head.
func headFields(dst []Field, raw []byte) []Field {
	return appendLines(dst, raw, 0, "end of head", true)
}
