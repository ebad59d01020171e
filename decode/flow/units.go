package flow

import (
	"errors"
	"io"
	"unicode/utf8"

	"framescope/decode"
	"framescope/decode/finding"
	"framescope/decode/frame"
	"framescope/decode/framing"
	"framescope/decode/record"
	"framescope/decode/stream"
	"framescope/decode/websocket"
)

// units are the frames of a declared framing in one direction.
type units struct {
	d         framing.Decoder
	marks     []place // where the bytes came from, from the frame at work on
	open      bool    // a frame has begun and not ended
	lost      bool    // it is not known where the next frame begins
	lostAt    int64   // stream offset from where on bytes are not decoded
	lostFrom  decode.Origin
	end       int64 // stream offset behind the last byte that came
	frames    int64
	undecoded int64

	// The frame at work.
	header   *framing.Header
	first    decode.Origin
	off      int64
	captured int64
	payload  []byte // the beginning of its payload, on the wire, if it came in pieces
	plain    []byte // the same unmasked
	tape     tape
}

// A place is a stream offset and what brought the bytes from there on.
type place struct {
	off    int64
	origin decode.Origin
}

// maxPlaces bounds the places that are remembered of a frame. Those in the
// middle give way.
const maxPlaces = 64

// unitsSize is what units cost besides what they hold, in bytes.
const unitsSize = 1024

func (u *units) memory() int64 {
	return unitsSize + u.d.Memory() + int64(cap(u.payload)+cap(u.plain)+40*cap(u.marks)) + u.tape.memory()
}

// mark notes what brings the bytes from off on.
func (u *units) mark(off int64, o decode.Origin) {
	if !u.open && u.d.Offset() >= off {
		u.marks = u.marks[:0] // all before is dealt with
	}
	if n := len(u.marks); n == maxPlaces {
		u.marks = append(u.marks[:n/2], u.marks[n/2+1:]...)
	}
	u.marks = append(u.marks, place{off, o})
}

// origin returns what brought the byte at off.
func (u *units) origin(off int64) decode.Origin {
	for i := len(u.marks) - 1; i > 0; i-- {
		if u.marks[i].off <= off {
			return u.marks[i].origin
		}
	}
	if len(u.marks) == 0 {
		return decode.Origin{}
	}
	return u.marks[0].origin
}

// units takes bytes of a direction whose framing was declared.
func (s *shard) units(c *conn, dir uint8, b []byte, o decode.Origin) {
	h := &c.half[dir]
	u := h.units
	if u == nil {
		u = &units{d: framing.Decoder{Framing: c.framing, From: framing.Server, Resync: true}}
		if dir == c.client {
			u.d.From = framing.Client
		}
		h.units = u
		c.identify(s.cfg.File) // the sides do not change any more
	}
	u.mark(h.off, o)
	u.end = h.off + int64(len(b))
	if u.lost && len(c.framing.Magics()) == 0 {
		return
	}
	if s.cfg.Raw > 0 {
		u.tape.add(b, h.off, o.Packet, s.cfg.Raw)
	}
	for ch, err := range u.d.Decode(b) {
		if err != nil {
			s.unitFault(c, dir, err)
			continue
		}
		s.chunk(c, dir, ch, o)
	}
	if u.lost {
		u.tape.drop(u.d.Offset())
	}
}

// unitGap takes the news that bytes of such a direction are missing.
func (s *shard) unitGap(c *conn, dir uint8, p *stream.Piece) {
	h := &c.half[dir]
	if p.Why != stream.Cut { // which is said once, at the end
		s.event(c, c.direction(dir), finding.CaptureGap, p.Origin, p.Off, itoa(p.Len)+" bytes missing: "+p.Why.String())
	}
	u := h.units
	if u == nil { // nothing came before it
		s.units(c, dir, nil, p.Origin)
		u = h.units
	}
	u.mark(p.Off, p.Origin)
	u.end = p.Off + p.Len
	ch, err := u.d.Gap(p.Len)
	if ch != nil {
		s.chunk(c, dir, ch, p.Origin)
	}
	if err != nil && !u.lost {
		s.unitFault(c, dir, err)
	}
}

// unitsEnd takes the news that a direction is over.
func (s *shard) unitsEnd(c *conn, dir uint8) {
	u := c.half[dir].units
	if u == nil {
		return
	}
	if u.lost {
		s.unitsLost(c, dir, u.end)
		return
	}
	err := u.d.Close()
	if errors.Is(err, io.ErrUnexpectedEOF) {
		over := c.closed(dir)
		if u.open {
			s.frameOver(c, dir, nil, true, over, c.lastSeen())
		}
		if e := (*decode.Error)(nil); over && errors.As(err, &e) {
			s.event(c, c.direction(dir), finding.FramingTruncated, u.origin(e.Off), e.Off, unitText(err))
		}
		return
	}
	if u.open {
		// The end of the stream is that of the frame.
		s.frameOver(c, dir, nil, false, false, c.lastSeen())
	}
	if err != nil {
		s.unitFault(c, dir, err)
		s.unitsLost(c, dir, u.end)
	}
}

// unitFault reports bytes that do not fit the framing.
func (s *shard) unitFault(c *conn, dir uint8, err error) {
	u := c.half[dir].units
	off := u.d.Offset()
	if e := (*decode.Error)(nil); errors.As(err, &e) {
		off = e.Off
	}
	if u.open {
		s.frameOver(c, dir, nil, false, false, u.origin(off), finding.FramingError)
	}
	if !errors.Is(err, frame.ErrLost) {
		s.event(c, c.direction(dir), finding.FramingError, u.origin(off), off, unitText(err))
	}
	if !u.lost {
		u.lost, u.lostAt = true, u.d.Offset()
		u.lostFrom = u.origin(u.lostAt)
	}
}

// unitText says what is wrong. The offset stands beside it.
func unitText(err error) string {
	e := (*decode.Error)(nil)
	if !errors.As(err, &e) || e.Err == nil {
		return err.Error()
	}
	if e.Field == "" {
		return e.Layer + ": " + e.Err.Error()
	}
	return e.Layer + ": " + e.Field + ": " + e.Err.Error()
}

// unitsLost counts the bytes that were not decoded up to an offset.
func (s *shard) unitsLost(c *conn, dir uint8, to int64) {
	u := c.half[dir].units
	u.lost = false
	n := to - u.lostAt
	if n <= 0 {
		return
	}
	const cause = "no frames of the declared framing"
	u.undecoded += n
	s.sum.Undecoded += n
	s.skips[cause] += n
	s.event(c, c.direction(dir), finding.UndecodedBytes, u.lostFrom, u.lostAt, itoa(n)+" bytes not decoded: "+cause)
}

// keeps returns how many bytes of a payload are kept.
func (s *shard) keeps() int64 {
	switch {
	case !s.cfg.Want.Has(record.TypeDeclared):
		return 0
	case s.cfg.Full:
		return max(s.sides.MaxMessage, framing.PreviewBytes)
	}
	return int64(max(s.cfg.Preview, framing.PreviewBytes))
}

// chunk takes a part of a frame.
func (s *shard) chunk(c *conn, dir uint8, ch *framing.Chunk, o decode.Origin) {
	u := c.half[dir].units
	if ch.First {
		if u.lost {
			s.unitsLost(c, dir, ch.HeaderOff)
			u.tape.drop(ch.HeaderOff)
		}
		u.open, u.header, u.off, u.captured = true, ch.Header, ch.HeaderOff, 0
		u.first = u.origin(ch.HeaderOff)
		u.payload = u.payload[:0]
		u.frames++
		s.sum.Declared++
	}
	u.captured += int64(len(ch.Data))
	begin := u.payload
	switch {
	case ch.First && ch.Last:
		begin = ch.Data
	case ch.Pos == int64(len(u.payload)): // nothing is missing before it
		if room := s.keeps() - ch.Pos; room > 0 {
			u.payload = append(u.payload, ch.Data[:min(int64(len(ch.Data)), room)]...)
			begin = u.payload
			s.grown = s.grown || len(begin) > maxOut/16
		}
	}
	if !ch.Last {
		return
	}
	s.unitOver(c, dir, ch, begin, false, o)
	u.open = false
	for i := range ch.Checks {
		if err := ch.Checks[i].Err(c.framing); err != nil {
			s.event(c, c.direction(dir), finding.FramingChecksum, u.origin(ch.Checks[i].Off), ch.Checks[i].Off, unitText(err))
		}
	}
	// What is in front of the next frame need not be remembered.
	at := u.d.Offset()
	for len(u.marks) > 1 && u.marks[1].off <= at {
		u.marks = u.marks[:copy(u.marks, u.marks[1:])]
	}
	if cap(u.payload) > 2*framing.PreviewBytes {
		u.payload, u.plain = nil, nil
	}
}

// frameOver gives out a frame that did not come to its end.
func (s *shard) frameOver(c *conn, dir uint8, ch *framing.Chunk, ended, truncated bool, o decode.Origin, ids ...finding.ID) {
	u := c.half[dir].units
	if truncated {
		ids = append(ids, finding.FramingTruncated)
	}
	s.unitOver(c, dir, ch, u.payload, ended, o, ids...)
	u.open = false
}

// unitOver gives out the frame at work.
func (s *shard) unitOver(c *conn, dir uint8, ch *framing.Chunk, begin []byte, ended bool, o decode.Origin, ids ...finding.ID) {
	u := c.half[dir].units
	if !s.cfg.Want.Has(record.TypeDeclared) {
		return
	}
	r := &s.unit
	r.Reset()
	h := u.header
	r.Head = record.Head{Time: u.first.Time, File: s.cfg.File, Conn: c.identify(s.cfg.File), Direction: c.direction(dir), First: u.first.Packet, Last: max(o.Packet, u.first.Packet)}
	r.Framing, r.FrameKind = c.framing.Name(), h.Kind()
	r.Off, r.Size, r.Length, r.Trailer = u.off, h.Size, h.Length, h.Trailer
	r.Captured, r.Ended = u.captured, ended
	r.Header, r.Begin, r.Redact = h, begin[:min(len(begin), framing.PreviewBytes)], s.cfg.Redact
	end := u.off + int64(h.Size) + u.captured
	if ch != nil {
		r.Checks, r.Trail = ch.Checks, ch.Trailer
		end = ch.TrailerOff + int64(len(ch.Trailer))
		for i := range r.Checks {
			if !r.Checks[i].OK() {
				r.Issues.Add(finding.FramingChecksum)
			}
		}
	}
	for _, id := range ids {
		r.Issues.Add(id)
	}
	show := int64(s.cfg.Preview)
	if s.cfg.Full {
		show = s.sides.MaxMessage
	}
	shown := begin[:min(int64(len(begin)), show)]
	if h.Masked {
		u.plain = append(u.plain[:0], shown...)
		websocket.Unmask(u.plain, u.plain, h.Mask, 0)
		shown = u.plain
	}
	r.More = int64(len(shown)) < u.captured
	if len(shown) > 0 {
		r.Payload, r.Text = shown, readable(shown, r.More)
	}
	if s.cfg.Raw > 0 {
		r.Raw = u.tape.pieces(r.Raw[:0], u.off, end)
	}
	s.emit(r)
	if s.cfg.Raw > 0 {
		u.tape.drop(end)
	}
}

// readable reports whether b is text that a person can read. If it goes on, its
// last character may be cut.
func readable(b []byte, more bool) bool {
	if more {
		b = websocket.WholeRunes(b)
	}
	if !utf8.Valid(b) {
		return false
	}
	for _, c := range b {
		if c < ' ' && c != '\n' && c != '\r' && c != '\t' || c == 0x7f {
			return false
		}
	}
	return true
}
