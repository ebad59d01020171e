package peer

import (
	"encoding/binary"
	"fmt"
	"sync/atomic"
	"unicode/utf8"

	"framescope/decode/finding"
	"framescope/decode/frame"
	"framescope/decode/inflate"
	"framescope/decode/websocket"
)

// A receiver makes messages and control frames of the bytes that one side
// sends, and ends at the first that breaks a rule. The result does not depend
// on where the bytes were cut.
type receiver struct {
	from     websocket.Role // the side that sends
	max      int64          // bytes of a message
	deflated bool           // permessage-deflate was negotiated
	params   websocket.Deflate
	budget   *budget // nil: without bound

	dec     frame.Decoder[websocket.Header, websocket.Format]
	inflate inflate.Inflater
	text    websocket.UTF8

	open       bool             // a message has begun
	op         websocket.Opcode // of the message
	compressed bool
	msg        []byte
	taken      int64 // of the budget
	control    []byte
	plain      []byte // compressed bytes, unmasked
	delivered  bool   // msg was handed out
}

// keep is how large a buffer may be that is kept between messages.
const keep = 64 << 10

// An arrival is a message or a control frame.
type arrival struct {
	whole bool // something arrived
	op    websocket.Opcode
	data  []byte // valid until the next call of receive
}

// receive takes bytes of b up to the end of the first message or control frame
// and returns how many they are. The error is a *CloseError: what is to be
// said to the side that sent.
func (r *receiver) receive(b []byte) (a arrival, n int, err error) {
	if r.delivered {
		r.drop()
	}
	for n < len(b) {
		c, m, err := r.dec.Next(b[n:])
		if err != nil {
			return a, n, &CloseError{Code: protocolError, Reason: err.Error()}
		}
		n += m
		if c == nil {
			break
		}
		if c.First {
			if err := r.begin(c.Header); err != nil {
				return a, n, err
			}
		}
		if err := r.payload(c); err != nil {
			return a, n, err
		}
		if c.Last {
			if a, err := r.end(c.Header); err != nil || a.whole {
				return a, n, err
			}
		}
	}
	return a, n, nil
}

// broken returns the error for a header that breaks a rule.
func broken(h *websocket.Header, rule finding.ID) error {
	f := websocket.Frame{Header: *h}
	return &CloseError{Code: protocolError, Reason: f.Evidence(rule), Rule: rule}
}

// begin judges a header by the rules of RFC 6455 section 5.
func (r *receiver) begin(h *websocket.Header) error {
	data := h.Opcode == websocket.Text || h.Opcode == websocket.Binary
	allowed := uint8(0)
	if r.deflated && data {
		allowed = websocket.RSV1 // RFC 7692 section 6: only the first frame of a message
	}
	switch control := h.Opcode.Control(); {
	case h.RSV&^allowed != 0:
		return broken(h, finding.RSVWithoutExtension)
	case h.Opcode > websocket.Pong || !control && h.Opcode > websocket.Binary:
		return broken(h, finding.ReservedOpcode)
	case r.from == websocket.Client && !h.Masked:
		return broken(h, finding.MaskMissing)
	case r.from == websocket.Server && h.Masked:
		return broken(h, finding.MaskUnexpected)
	case control && !h.Fin:
		return broken(h, finding.FragmentedControl)
	case control && h.Length > maxControl:
		return broken(h, finding.ControlTooLong)
	case h.Opcode == websocket.Continuation && !r.open:
		return broken(h, finding.UnexpectedContinuation)
	case data && r.open:
		return broken(h, finding.MessageInterleaved)
	case h.LengthForm == 2 && h.Length < 126, h.LengthForm == 8 && h.Length < 1<<16:
		return broken(h, finding.LengthNotMinimal)
	case control:
		r.control = r.control[:0]
		return nil
	}
	if data {
		r.open, r.op, r.compressed = true, h.Opcode, h.RSV != 0
		r.text = websocket.UTF8{}
		if r.compressed && r.params.NoContextTakeover {
			r.inflate.Reset()
		}
	}
	if !r.compressed && h.Length > r.max-int64(len(r.msg)) {
		return r.large(h.Length)
	}
	return nil
}

// large returns the error for a message to which n bytes come that are too
// many.
func (r *receiver) large(n int64) error {
	text := fmt.Sprintf("a message of more than %d bytes", r.max)
	if sum := int64(len(r.msg)) + n; !r.compressed && sum > 0 {
		text = fmt.Sprintf("a message of %d bytes or more, %d are accepted", sum, r.max)
	}
	return &CloseError{Code: tooBig, Reason: text, Rule: finding.MessageTooBig}
}

func (r *receiver) payload(c *frame.Chunk[websocket.Header]) error {
	h := c.Header
	switch {
	case h.Opcode.Control():
		r.control = appendPlain(r.control, c)
		return nil
	case !r.compressed:
		from := len(r.msg)
		if err := r.room(len(c.Data)); err != nil {
			return err
		}
		r.msg = appendPlain(r.msg, c)
		return r.check(from)
	}
	r.plain = appendPlain(r.plain[:0], c)
	for src := r.plain; ; {
		out, n, err := r.inflate.Next(src)
		src = src[n:]
		left := r.max - int64(len(r.msg))
		from, more := len(r.msg), int64(len(out)) > left
		if more {
			out = out[:left]
		}
		if err := r.room(len(out)); err != nil {
			return err
		}
		r.msg = append(r.msg, out...)
		if err := r.check(from); err != nil {
			return err
		}
		switch {
		case more:
			return r.large(0)
		case err != nil:
			return &CloseError{Code: badData, Reason: err.Error(), Rule: finding.InflateFailed}
		case len(out) == 0:
			return nil
		}
	}
}

// appendPlain appends the data of c, unmasked.
func appendPlain(dst []byte, c *frame.Chunk[websocket.Header]) []byte {
	from := len(dst)
	dst = append(dst, c.Data...)
	if c.Header.Masked {
		websocket.Unmask(dst[from:], dst[from:], c.Header.Mask, c.Pos)
	}
	return dst
}

// check judges the text that was added to the message.
func (r *receiver) check(from int) error {
	if r.op != websocket.Text {
		return nil
	}
	if i := r.text.Check(r.msg[from:]); i >= 0 {
		return badText(from + i)
	}
	return nil
}

func badText(at int) error {
	return &CloseError{Code: badData, Reason: fmt.Sprintf("what is at offset %d of the message is no UTF-8", at), Rule: finding.InvalidUTF8}
}

// end deals with the end of a frame.
func (r *receiver) end(h *websocket.Header) (a arrival, err error) {
	switch {
	case h.Opcode == websocket.Close:
		return arrival{true, h.Opcode, r.control}, closeRule(r.control)
	case h.Opcode.Control():
		return arrival{true, h.Opcode, r.control}, nil
	case !h.Fin:
		return a, nil
	}
	if r.compressed {
		if err := r.inflate.EndMessage(); err != nil {
			return a, &CloseError{Code: badData, Reason: err.Error(), Rule: finding.InflateFailed}
		}
	}
	if r.op == websocket.Text && !r.text.Between() {
		return a, badText(len(r.msg))
	}
	r.open, r.delivered = false, true
	return arrival{true, r.op, r.msg}, nil
}

// closeRule judges the payload of a close frame (RFC 6455 sections 5.5.1, 7.4).
func closeRule(p []byte) error {
	if len(p) == 0 {
		return nil
	}
	code, reason := closeStatus(p)
	switch {
	case len(p) == 1:
		return &CloseError{Code: protocolError, Reason: "a close frame with one byte, expected none or at least two", Rule: finding.ClosePayload1}
	case !validCode(code):
		rule := finding.CloseCodeInvalid
		if code == 1004 || code == noStatus || code == abnormal || code == 1015 {
			rule = finding.CloseCodeReserved
		}
		return &CloseError{Code: protocolError, Reason: fmt.Sprintf("code %d must not be sent", code), Rule: rule}
	case !utf8.Valid(reason):
		return &CloseError{Code: badData, Reason: "the reason is no UTF-8", Rule: finding.CloseReasonUTF8}
	}
	return nil
}

// closeStatus reads the payload of a close frame that breaks no rule.
func closeStatus(p []byte) (code uint16, reason []byte) {
	if len(p) < 2 {
		return noStatus, nil
	}
	return binary.BigEndian.Uint16(p), p[2:]
}

// A budget bounds the memory of all messages that a server holds.
type budget struct{ left atomic.Int64 }

func (b *budget) take(n int64) bool {
	if b == nil {
		return true
	}
	if b.left.Add(-n) < 0 {
		b.left.Add(n)
		return false
	}
	return true
}

func (b *budget) give(n int64) {
	if b != nil {
		b.left.Add(n)
	}
}

// room makes place for n more bytes of the message.
func (r *receiver) room(n int) error {
	need := len(r.msg) + n
	if need <= cap(r.msg) {
		return nil
	}
	size := max(2*cap(r.msg), need, 512)
	if int64(size) > r.max {
		size = max(int(r.max), need)
	}
	if more := int64(size) - r.taken; size > keep {
		if !r.budget.take(more) {
			return &CloseError{Code: tryLater, Reason: "the memory for messages is used up"}
		}
		r.taken += more
	}
	msg := make([]byte, len(r.msg), size)
	copy(msg, r.msg)
	r.msg = msg
	return nil
}

// drop forgets the message.
func (r *receiver) drop() {
	r.delivered = false
	r.msg = r.msg[:0]
	if cap(r.msg) > keep {
		r.msg = nil
	}
	r.budget.give(r.taken)
	r.taken = 0
}
