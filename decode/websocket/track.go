package websocket

import (
	"unicode/utf8"

	"framescope/decode/finding"
	"framescope/decode/frame"
)

// A part is what a frame is for.
type part uint8

const (
	partNone    part = iota // it belongs to no message that is known
	partControl             // all of its payload is kept
	partMessage             // of the open message
)

// maxControl is the longest payload of a control frame (RFC 6455 section 5.5).
const maxControl = 125

// A frameState is a frame in flight.
type frameState struct {
	Frame
	part    part
	said    int64  // bytes of what the frame says, so far
	from    int    // where they begin in what is kept of the message
	apart   bool   // what is kept of the message does not show them
	shown   []byte // the first of them then
	control []byte // payload of a control frame
}

// set copies o, which was written just now, field by field: a copy in larger
// steps would wait until these writes have reached the cache.
func (h *Header) set(o *Header) {
	h.Length, h.Mask = o.Length, o.Mask
	h.Masked, h.Fin, h.RSV, h.Opcode, h.Size, h.LengthForm = o.Masked, o.Fin, o.RSV, o.Opcode, o.Size, o.LengthForm
}

// beginFrame takes the header of a frame.
func (s *Side) beginFrame(c *frame.Chunk[Header]) {
	f := take(&s.Config.frames)
	*f = frameState{shown: f.shown[:0], control: f.control[:0]}
	f.Header.set(c.Header)
	f.Off = c.HeaderOff
	f.First.Packet, f.First.Time, f.First.Subflow = s.head.Packet, s.head.Time, s.head.Subflow
	f.role = s.Role
	f.Message = f.Header.Opcode
	s.frame, s.inHead = f, false
	h := &f.Header
	s.sender = Server
	if h.Masked {
		s.sender = Client
	}
	s.seen++
	s.longest = max(s.longest, h.Length)
	if s.closed && !(s.answer && h.Opcode == Close) {
		f.Issues.Add(finding.DataAfterClose)
	}
	if h.LengthForm != 0 && h.LengthForm > lengthForm(h.Length) {
		f.Issues.Add(finding.LengthNotMinimal)
	}
	if s.Role == Client && !h.Masked {
		f.Issues.Add(finding.MaskMissing)
	} else if s.Role == Server && h.Masked {
		f.Issues.Add(finding.MaskUnexpected)
	}
	switch {
	case h.Opcode.Control():
		f.part = partControl
		if !h.Fin {
			f.Issues.Add(finding.FragmentedControl)
		}
		if h.Length > maxControl {
			f.Issues.Add(finding.ControlTooLong)
		}
		if h.Opcode > Pong {
			f.Issues.Add(finding.ReservedOpcode)
		}
	case h.Opcode == Text || h.Opcode == Binary:
		if s.message != nil {
			f.Issues.Add(finding.MessageInterleaved)
			s.dropMessage()
		}
		s.orphan = false
		s.beginMessage(f)
	case h.Opcode == Continuation:
		switch {
		case s.message != nil:
			f.part = partMessage
		case !s.orphan:
			f.Issues.Add(finding.UnexpectedContinuation)
		case h.Fin:
			s.orphan = false
		}
	default:
		f.Issues.Add(finding.ReservedOpcode)
	}
	if h.RSV != 0 && !s.allowed(h) {
		f.Issues.Add(finding.RSVWithoutExtension)
	}
	if m := s.message; f.part == partMessage {
		f.Message, f.Compressed = m.Opcode, m.Compressed
		f.from = len(m.kept)
		f.apart = m.Frames > 0 && !s.Config.Full
		m.Frames++
		m.Wire += h.Length
	}
}

// allowed reports whether an extension gives the reserved bits of h a meaning
// (RFC 7692 section 6).
func (s *Side) allowed(h *Header) bool {
	switch {
	case s.Compression == Foreign:
		return true
	case s.Compression == Plain || h.RSV != RSV1:
		return false
	}
	return h.Opcode != Continuation && !h.Opcode.Control()
}

func (f *frameState) takeControl(c *frame.Chunk[Header]) {
	if f.Lost > 0 {
		return // what follows a gap is not the beginning
	}
	n := min(maxControl-len(f.control), len(c.Data))
	if n <= 0 {
		return
	}
	at := len(f.control)
	f.control = append(f.control, c.Data[:n]...)
	if f.Header.Masked {
		Unmask(f.control[at:], f.control[at:], f.Header.Mask, c.Pos)
	}
}

// takeStray shows a payload that belongs to no known message. Where it may be
// compressed it cannot be shown.
func (s *Side) takeStray(f *frameState, c *frame.Chunk[Header]) {
	f.said += int64(len(c.Data))
	if f.Lost > 0 || f.Header.Opcode == Continuation && s.Compression != Plain {
		return
	}
	n := min(s.Config.Preview-len(f.shown), len(c.Data), scratchSize)
	if n > 0 {
		f.shown = append(f.shown, s.Config.unmask(c.Data[:n], &f.Header, c.Pos)...)
	}
}

// endFrame gives out the frame in flight, which has ended or will not go on,
// and the message that ends with it.
func (s *Side) endFrame(h Handler) {
	f, m := s.frame, s.message
	if f.part != partMessage {
		m = nil
	}
	ended := m != nil && f.Header.Fin && !f.Ended
	if ended {
		s.finishMessage(f, m)
	}
	whole := f.Captured == f.Header.Length
	switch f.part {
	case partControl:
		f.Payload, f.Text, f.More = f.control, utf8.Valid(f.control), int64(len(f.control)) < f.Header.Length
		if f.Header.Opcode == Close {
			s.endClose(f, whole)
		}
	case partNone:
		f.Payload, f.More = f.shown, f.said > int64(len(f.shown)) || !whole
	case partMessage:
		s.showFrame(f, m, whole)
		if !f.Issues.Empty() {
			m.Issues.Union(f.Issues)
		}
		m.Last.Packet, m.Last.Time, m.Last.Subflow = f.Last.Packet, f.Last.Time, f.Last.Subflow
		m.begun = m.begun || !f.Ended
	}
	h.Frame(&f.Frame)
	if ended {
		h.Message(&m.Message)
		s.freeMessage()
	}
	s.frame = nil
	give(&s.Config.frames, f)
}

// showFrame sets the part of the message that the frame says.
func (s *Side) showFrame(f *frameState, m *messageState, whole bool) {
	f.Payload = m.kept[f.from:]
	if f.apart {
		f.Payload = f.shown
	}
	if f.inflate != nil {
		f.Payload = nil // some of it may be wrong
	}
	f.More = f.said > int64(len(f.Payload)) || !whole || m.Compressed && m.stopped
	if m.Compressed && f.inflate == nil {
		f.Inflated = f.said
	}
	if m.Opcode == Text {
		f.Payload, f.Text = asText(f.Payload, f.More, m.checked && f.from == 0 && !f.apart)
	}
}

// asText reports whether p is UTF-8 text, which may be known. Where more of it
// follows, it is cut between two characters.
func asText(p []byte, more, known bool) ([]byte, bool) {
	if len(p) == 0 {
		return p, true
	}
	if more {
		p = WholeRunes(p)
	}
	return p, known || utf8.Valid(p)
}

// endClose reads a close frame.
func (s *Side) endClose(f *frameState, whole bool) {
	if s.misread(f) {
		return
	}
	s.closed = true
	f.Close = closeStatus(f.control, whole)
	if whole {
		f.Issues.Union(closeIssues(f.Close, f.Header.Length))
	}
}

// misread recognises "HTTP/1." right behind the handshake, which reads as a
// close frame: an application that answered in HTTP after the 101. What
// follows is no WebSocket.
func (s *Side) misread(f *frameState) bool {
	const rest = "TP/1."
	h := &f.Header
	if f.Off != s.Start || s.Search || h.Size != 2 || h.Masked || h.Fin || h.RSV != RSV1 || h.Length != 'T' ||
		len(f.control) < len(rest) || string(f.control[:len(rest)]) != rest {
		return false
	}
	f.Issues = finding.Set{}
	f.Issues.Add(finding.HTTPAfter101)
	f.Close.Malformed = true
	s.lose(s.dec.Offset(), f.Last, CauseHTTP, nil)
	s.mode = modeSkip
	return true
}
