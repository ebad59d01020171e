package websocket

import (
	"framescope/decode"
	"framescope/decode/finding"
	"framescope/decode/frame"
	"framescope/decode/inflate"
)

// A Role is the side of a session that sends.
type Role uint8

// The roles. With UnknownRole the masks are not checked.
const (
	UnknownRole Role = iota
	Client
	Server
)

// A Compression says what RSV1 means in a direction.
type Compression uint8

// The kinds of Compression.
const (
	// Plain: permessage-deflate was not negotiated.
	Plain Compression = iota
	// Deflated: it was (RFC 7692).
	Deflated
	// Perhaps: no handshake was captured; RSV1 is taken to mean it.
	Perhaps
	// Foreign: another extension may use all reserved bits. The payload of a
	// message with such bits cannot be understood.
	Foreign
)

// Compression returns what the handshake says about both directions: Perhaps
// when the answer was not captured.
func (h *Handshake) Compression() Compression {
	switch {
	case h.Deflate:
		return Deflated
	case h.Other:
		return Foreign
	case h.unseen:
		return Perhaps
	}
	return Plain
}

// A Side follows one direction of a session: bytes go in as they arrive, in
// pieces of any size, and frames and messages come out. The result does not
// depend on where the bytes were cut.
//
// Its exported fields are set before the first call. An idle Side has about
// 300 bytes, and what permessage-deflate must remember for the next message.
type Side struct {
	// Config is shared with other Sides; nil stands for a new one.
	Config *Config
	// Role is the side that sends.
	Role Role
	// Compression and Deflate are what the handshake came to for this
	// direction.
	Compression Compression
	Deflate     Deflate
	// Start is the stream offset of the first byte that comes.
	Start int64
	// Search says that the first byte may be anywhere in a frame: a session
	// that was captured from its middle. Unknown says that it may be no
	// WebSocket at all, so that more is asked of what looks like a frame.
	Search, Unknown bool

	mode   mode
	closed bool // a close frame was sent
	answer bool // the other side had sent one before
	inHead bool // bytes of a header were taken, and none of its payload
	orphan bool // a continuation may belong to a message whose start is lost
	stale  bool // the history for inflating is not known

	convinced bool // see Convince
	gaveUp    bool // modeSkip is for want of a boundary
	replaying bool // queue is being decoded
	sender    Role // by the last mask

	seen, longest int64 // frames, and the longest payload
	grown         int64 // what inflate has put out

	dec     frame.Decoder[Header, Format]
	head    decode.Origin // of the current header
	frame   *frameState   // in flight
	message *messageState // open
	inflate *inflate.Inflater
	skipped *Skipped // the run that is being skipped
	at      int64    // where it ends so far
	finder  *Finder  // that looks for its end
	queue   []queued // what comes behind it, the next at the end
}

type mode uint8

const (
	modeNew mode = iota
	modeFrames
	modeSearch
	modeSkip // to the end of the stream
	modeEnd
)

// Data takes the next bytes of the stream. They came with o, and start says
// that they are the first of its payload: a sender often begins a segment with
// a frame. b is neither kept nor changed.
func (s *Side) Data(b []byte, start bool, o decode.Origin, h Handler) {
	if s.mode == modeNew {
		s.begin(o)
	}
	for len(b) > 0 {
		switch s.mode {
		case modeFrames:
			b = s.frames(b, o, h)
		case modeSearch:
			b = s.find(b, start, o, h)
		case modeSkip:
			s.skip(int64(len(b)), o)
			return
		default:
			return
		}
		start = false
	}
}

// Memory returns how many bytes the Side holds beyond itself, about: what an
// idle one holds is for the messages to come.
func (s *Side) Memory() int64 {
	const (
		state  = 512     // a frame or a message in flight
		tables = 8 << 10 // of an Inflater, and of a Finder
		window = 64 << 10
	)
	var n int64
	if f := s.frame; f != nil {
		n += state + int64(cap(f.shown)+cap(f.control))
	}
	if m := s.message; m != nil {
		n += state + int64(cap(m.kept))
	}
	if s.inflate != nil {
		n += tables + min(1<<10+4*s.grown, window)
	}
	if s.finder != nil {
		n += tables + min(s.at-s.skipped.Off, window)
	}
	return n
}

// PeerClosed says that the other side has sent a close frame. A second close
// frame of this side is then no finding: it is that of an application whose
// library had answered by itself.
func (s *Side) PeerClosed() { s.answer = true }

// Convince says that the other side of an Unknown session has turned out to be
// WebSocket, so that less is asked of this one.
func (s *Side) Convince(h Handler) {
	if s.convinced || !s.Unknown {
		return
	}
	s.convinced = true
	switch {
	case s.gaveUp && s.mode == modeSkip:
		s.mode, s.gaveUp = modeSearch, false
	case s.finder != nil && !s.replaying:
		s.searchAgain(h)
	}
}

// Sender returns Role or, when that is not known, the side that masks its
// frames like this one.
func (s *Side) Sender() Role {
	if s.Role != UnknownRole {
		return s.Role
	}
	return s.sender
}

func (s *Side) begin(o decode.Origin) {
	if s.Config == nil {
		s.Config = new(Config)
	}
	s.dec.Resume(s.Start)
	s.mode = modeFrames
	if s.Search {
		s.lose(s.Start, o, CauseMidstream, nil)
	}
}

// frames decodes b up to its end, or to where decoding ends.
func (s *Side) frames(b []byte, o decode.Origin, h Handler) []byte {
	for len(b) > 0 {
		if s.frame == nil && !s.inHead {
			s.head, s.inHead = o, true
		}
		c, n, err := s.dec.Next(b)
		if err != nil {
			s.unreadable(err, o)
			return b
		}
		b = b[n:]
		if c == nil {
			return b
		}
		s.chunk(c, o)
		if c.Last {
			s.endFrame(h)
			if s.mode != modeFrames {
				return b
			}
		}
	}
	return b
}

// chunk takes a run of payload, captured or lost.
func (s *Side) chunk(c *frame.Chunk[Header], o decode.Origin) {
	if c.First {
		s.beginFrame(c)
	}
	f := s.frame
	if len(c.Data) > 0 || c.First {
		f.Last = o
	}
	f.Captured += int64(len(c.Data))
	f.Lost += c.Lost
	m := s.message
	switch {
	case f.part == partControl:
		f.takeControl(c)
	case f.part == partNone:
		s.takeStray(f, c)
	case c.Lost > 0:
		s.loseMessage(m, c.Lost)
	case m.stopped:
		if !m.Compressed {
			m.Bytes += int64(len(c.Data))
			f.said += int64(len(c.Data))
		}
	case m.Compressed:
		s.inflateChunk(f, m, c)
	default:
		s.plainChunk(f, m, c)
	}
}

// unreadable deals with a header after which no boundary is known.
func (s *Side) unreadable(err error, o decode.Origin) {
	off, part := s.dec.Offset(), int64(len(s.dec.Partial()))
	s.lose(off, s.head, CauseHeader, err)
	s.skip(part, s.head)
	s.skipped.Last = o
}

// Gap says that the next n bytes of the stream are missing; o is where that
// shows.
func (s *Side) Gap(n int64, o decode.Origin, h Handler) {
	if n <= 0 {
		return
	}
	if s.mode == modeNew {
		s.begin(o)
	}
	switch s.mode {
	case modeFrames:
		part := int64(len(s.dec.Partial()))
		at := s.dec.Offset()
		c, err := s.dec.Gap(n)
		if c != nil {
			s.chunk(c, o)
			n -= c.Lost
			at += c.Lost
			if c.Last {
				s.endFrame(h)
			}
		}
		if err == nil {
			return
		}
		if s.mode == modeFrames {
			first := o
			if part > 0 {
				first = s.head
			}
			s.lose(at, first, CauseGap, nil)
			s.skip(part, first)
		}
		s.missing(n, o)
	case modeSearch, modeSkip:
		s.missing(n, o)
	}
}

// End says that the stream is over: closed if its sender has closed it, so that
// a frame without an end is one that was never sent. What comes later is
// ignored.
func (s *Side) End(closed bool, h Handler) {
	if s.mode == modeSearch {
		s.endSearch(h)
	}
	if s.mode == modeFrames {
		if f := s.frame; f != nil {
			f.Ended = true
			if closed {
				f.Issues.Add(finding.TruncatedFrame)
			}
			s.endFrame(h)
		} else if part := int64(len(s.dec.Partial())); part > 0 {
			s.lose(s.dec.Offset(), s.head, CauseCut, nil)
			s.skip(part, s.head)
		}
	}
	s.flush(h)
	s.unfinished(h)
	s.dropMessage()
	if s.inflate != nil {
		s.Config.giveInflater(s.inflate)
		s.inflate = nil
	}
	s.mode = modeEnd
}
