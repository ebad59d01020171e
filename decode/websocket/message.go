package websocket

import (
	"errors"

	"framescope/decode/finding"
	"framescope/decode/frame"
	"framescope/decode/inflate"
)

// A messageState is an open message.
type messageState struct {
	Message
	text    UTF8
	checked bool // it is text, and every byte so far was checked
	stopped bool // nothing more is read of it
	begun   bool // a frame of it has ended
	kept    []byte
	digest  *digest
	err     error
}

// A message inflates to a bomb when it is at least bombSize long and bombRatio
// times as long as on the wire. DEFLATE reaches 1032, JSON seldom 30.
const (
	bombSize  = 8 << 20
	bombRatio = 100
)

// beginMessage opens the message whose first frame is f.
func (s *Side) beginMessage(f *frameState) {
	m := take(&s.Config.messages)
	*m = messageState{kept: m.kept[:0]}
	m.Opcode = f.Header.Opcode
	m.First = f.First
	m.Off = f.Off
	rsv := f.Header.RSV
	m.Compressed = rsv&RSV1 != 0 && (s.Compression == Deflated || s.Compression == Perhaps)
	// What reserved bits mean without an extension, or by one that is not
	// known, cannot be told: then even a text need not be one.
	m.checked = m.Opcode == Text && (rsv == 0 || rsv == RSV1 && m.Compressed)
	if s.Config.Digest {
		m.digest = s.Config.takeDigest()
	}
	if m.Compressed {
		s.openInflater()
	}
	s.message = m
	f.part = partMessage
}

func (s *Side) openInflater() {
	if s.inflate == nil {
		s.inflate = take(&s.Config.inflaters)
		s.inflate.Reset()
		if s.stale && !s.Deflate.NoContextTakeover {
			s.inflate.Lose()
		}
	}
	s.stale = false
}

// closeInflater goes on behind a compressed message: known says that all of it
// went through the inflater, and that the history is what the sender's is.
func (s *Side) closeInflater(known bool) {
	z := s.inflate
	switch {
	case z == nil:
	case s.Deflate.NoContextTakeover:
		s.Config.giveInflater(z)
		s.inflate, s.grown = nil, 0
	case !known:
		z.Lose()
	}
}

// plainChunk takes payload that is not compressed.
func (s *Side) plainChunk(f *frameState, m *messageState, c *frame.Chunk[Header]) {
	if m.checked {
		var bad int
		if f.Header.Masked {
			bad = m.text.CheckMasked(c.Data, f.Header.Mask, c.Pos)
		} else {
			bad = m.text.Check(c.Data)
		}
		if bad >= 0 {
			m.badText(f, m.Bytes+int64(bad))
		}
	}
	n := len(c.Data)
	m.Bytes += int64(n)
	f.said += int64(n)
	if m.digest == nil {
		n = min(n, s.wanted(f, m))
	}
	for pos := 0; pos < n; {
		p := s.Config.unmask(c.Data[pos:n], &f.Header, c.Pos+int64(pos))
		s.show(f, m, p)
		pos += len(p)
	}
}

// badText notes the first offset in the message that is not UTF-8.
func (m *messageState) badText(f *frameState, off int64) {
	m.checked = false
	f.badText = off
	f.Issues.Add(finding.InvalidUTF8)
}

// wanted returns how many of the next bytes of the message are to be shown.
func (s *Side) wanted(f *frameState, m *messageState) int {
	n := min(s.Config.keep()-int64(len(m.kept)), 1<<30)
	if f.apart {
		n = max(n, int64(s.Config.Preview-len(f.shown)))
	}
	return int(max(n, 0))
}

// show takes bytes of the message as they are to be shown.
func (s *Side) show(f *frameState, m *messageState, p []byte) {
	if m.digest != nil {
		_, _ = m.digest.Write(p)
	}
	if n := s.Config.keep() - int64(len(m.kept)); n > 0 {
		p := p[:min(n, int64(len(p)))]
		if len(m.kept)+len(p) > max(cap(m.kept), maxSpareKeep) {
			m.kept = s.Config.larger(m.kept)
		}
		m.kept = append(m.kept, p...)
	}
	if n := s.Config.Preview - len(f.shown); f.apart && n > 0 {
		f.shown = append(f.shown, p[:min(n, len(p))]...)
	}
}

// inflateChunk takes compressed payload.
func (s *Side) inflateChunk(f *frameState, m *messageState, c *frame.Chunk[Header]) {
	for pos := 0; pos < len(c.Data) && !m.stopped; {
		p := s.Config.unmask(c.Data[pos:], &f.Header, c.Pos+int64(pos))
		pos += len(p)
		s.inflateBytes(f, m, p)
	}
}

func (s *Side) inflateBytes(f *frameState, m *messageState, p []byte) {
	for {
		out, n, err := s.inflate.Next(p)
		if err != nil {
			s.failInflate(f, m, err)
			return
		}
		if len(out) == 0 {
			return
		}
		p = p[n:]
		room := s.Config.maxInflate() - m.Bytes
		over := int64(len(out)) > room
		if over {
			out = out[:room]
		}
		if m.checked {
			if bad := m.text.Check(out); bad >= 0 {
				m.badText(f, m.Bytes+int64(bad))
			}
		}
		m.Bytes += int64(len(out))
		f.said += int64(len(out))
		s.grown += int64(len(out))
		if m.digest != nil || s.wanted(f, m) > 0 {
			s.show(f, m, out)
		}
		if over {
			m.stopped = true
			m.Cause = CauseLimit
			f.bomb = m.Bytes
			f.Issues.Add(finding.InflateBomb)
			return
		}
	}
}

// failInflate ends the inflating of a message.
func (s *Side) failInflate(f *frameState, m *messageState, err error) {
	m.stopped = true
	m.Cause = CauseInflate
	id := finding.InflateFailed
	if errors.Is(err, inflate.ErrHistory) {
		m.Cause = CauseHistory
		id = finding.InflateHistoryLost
	}
	m.err, f.inflate = err, err
	f.Issues.Add(id)
}

// loseMessage says that n payload bytes of the open message are missing.
func (s *Side) loseMessage(m *messageState, n int64) {
	m.Bytes += n
	m.stopped, m.checked = true, false
	if m.Cause == "" {
		m.Cause = CauseMissing
	}
}

// dropMessage gives the open message up: its last frame will not come.
func (s *Side) dropMessage() {
	if s.message != nil {
		if s.message.Compressed {
			s.closeInflater(false)
		}
		s.freeMessage()
	}
}

func (s *Side) freeMessage() {
	m, c := s.message, s.Config
	s.message = nil
	if m.digest != nil {
		give(&c.digests, m.digest)
		m.digest = nil
	}
	if cap(m.kept) > maxSpareKeep {
		if cap(m.kept) > cap(c.large) {
			c.large = m.kept
		}
		m.kept = nil
	}
	give(&c.messages, m)
}

// unfinished gives out the message that is open when the stream ends.
func (s *Side) unfinished(h Handler) {
	m := s.message
	if m == nil || !m.begun {
		return
	}
	if m.Cause == "" {
		m.Cause = CauseUnfinished
	}
	m.Payload = m.kept
	if m.err != nil {
		m.Payload = nil // some of it may be wrong
	}
	m.More = true
	if m.Opcode == Text {
		m.Payload, m.Text = asText(m.Payload, true, m.checked)
	}
	if m.Compressed {
		m.Bytes = -1
	}
	h.Message(&m.Message)
}

// finishMessage completes the open message, whose last frame is f.
func (s *Side) finishMessage(f *frameState, m *messageState) {
	if m.Compressed {
		if !m.stopped {
			if err := s.inflate.EndMessage(); err != nil {
				s.failInflate(f, m, err)
			}
		}
		s.closeInflater(!m.stopped)
	}
	if m.checked && !m.text.Between() && !m.stopped {
		m.badText(f, m.Bytes)
	}
	m.Complete = m.Cause == ""
	if m.Complete && m.Compressed && m.Bytes >= bombSize && m.Bytes/bombRatio >= m.Wire {
		f.bomb = m.Bytes
		f.Issues.Add(finding.InflateBomb)
	}
	m.Payload = m.kept
	if m.err != nil {
		m.Payload = nil // some of it may be wrong
	}
	m.More = !m.Complete || m.Bytes > int64(len(m.Payload))
	if m.Opcode == Text {
		m.Payload, m.Text = asText(m.Payload, m.More, m.checked)
	}
	if m.Compressed && !m.Complete {
		m.Bytes = -1
	}
	if m.digest != nil && m.Complete {
		m.SHA256 = m.digest.Sum(m.digest.sum[:0])
	}
}
