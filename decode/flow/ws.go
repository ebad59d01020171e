package flow

import (
	"strconv"
	"time"

	"framescope/decode"

	"framescope/decode/finding"
	"framescope/decode/http1"
	"framescope/decode/record"
	"framescope/decode/websocket"
)

// A session is the WebSocket part of a connection.
type session struct {
	hs        websocket.Handshake // zero when no handshake was captured
	known     bool                // hs holds an answer
	opened    bool                // counted
	pings     websocket.Pings
	closes    []*record.Close // given out when it is known how they ended
	closed    [2]bool
	code      uint16 // of the last close frame
	truncated bool
	last      int64 // time of the last frame
	messages  int64
	undecoded int64
}

// switched deals with a 101.
func (s *shard) switched(c *conn, dir uint8, x *exchange) {
	hs := s.check(x)
	client := &c.half[1-dir]
	switch {
	case hs.Meant:
	case x.cut || x.answerCut || x.raw == nil:
		// The fields that would tell were not captured; frames would.
		c.exchanges().early = x
		s.search(c, dir)
		if client.mode == modeHold {
			s.search(c, 1-dir)
			s.replay(c, 1-dir)
		}
		return
	default:
		s.finishExchange(c, x)
		s.ignore(c, dir)
		s.ignore(c, 1-dir)
		if c.proto == "http" {
			c.proto = ""
		}
		return
	}
	c.ws = &session{hs: hs, known: true}
	c.proto = "websocket"
	if x.raw == nil && !client.lost && c.packets[1-dir] > 0 && client.mode == modeHead {
		c.exchanges().early = x // the request may be on its way
	} else {
		s.opened(c, x)
	}
	s.begin(c, dir)
	if client.mode == modeHold {
		s.begin(c, 1-dir)
		s.replay(c, 1-dir)
	}
}

// check judges an exchange. The result's bytes alias the exchange.
func (s *shard) check(x *exchange) websocket.Handshake {
	w := websocket.Exchange{Informational: x.informational, RequestCut: x.cut, ResponseCut: x.answerCut}
	var req http1.Request
	var resp http1.Response
	if x.raw != nil {
		if _, err := http1.ParseRequest(x.raw, &req); err == nil {
			w.Request = &req
		}
	}
	if x.answer != nil {
		if _, err := http1.ParseResponse(x.answer, &resp); err == nil {
			w.Response = &resp
		}
	}
	w.Body = x.body
	return websocket.CheckHandshake(w)
}

// opened gives out the handshake that led to frames.
func (s *shard) opened(c *conn, x *exchange) {
	hs := s.check(x)
	if c.ws == nil {
		c.ws = &session{hs: hs}
		c.proto = "websocket"
	}
	c.ws.opened = true
	s.sum.Sessions++
	s.handshake(c, x, &hs)
}

// begin lets a direction carry frames from here on.
func (s *shard) begin(c *conn, dir uint8) {
	h := &c.half[dir]
	ws := c.ws
	side := &websocket.Side{Config: &s.sides, Role: websocket.Server, Deflate: ws.hs.Server, Start: h.begins()}
	if dir == c.client {
		side.Role, side.Deflate = websocket.Client, ws.hs.Client
	}
	side.Compression = websocket.Perhaps
	if ws.known {
		side.Compression = ws.hs.Compression()
	}
	side.Search = h.lost || !h.placed
	h.side, h.mode, h.fresh = side, modeFrames, true
	if !h.keeps() {
		h.wait = nil
	}
	if q := c.http; q != nil {
		q.queue, q.done = nil, nil
	}
}

// again reports whether a client sends another request where its first frame
// should be: it did not like the answer. The connection is HTTP then as before.
func (s *shard) again(c *conn, dir uint8, b []byte) bool {
	h, o := &c.half[dir], &c.half[1-dir]
	// Not twice for the same bytes: they may look like a request and be none.
	if dir != c.client || !c.ws.known || h.tried == h.off+1 || http1.Sniff(b) != http1.RequestHead {
		return false
	}
	h.tried = h.off + 1
	h.mode, h.side = modeHead, nil
	if o.fresh {
		o.mode, o.side = modeHead, nil
	}
	return true
}

// assume takes a connection for WebSocket because the user says so.
func (s *shard) assume(c *conn, dir uint8) {
	if c.ws == nil {
		c.ws = new(session)
		c.proto = "websocket"
	}
	h := &c.half[dir]
	h.placed = h.placed || c.synced[dir]
	s.begin(c, dir)
	if c.midstream && c.rec == nil {
		h.side.Role = websocket.UnknownRole
	}
}

// search looks for frames in bytes that may be anything.
func (s *shard) search(c *conn, dir uint8) {
	h := &c.half[dir]
	h.side = &websocket.Side{Config: &s.sides, Compression: websocket.Perhaps, Start: h.begins(), Search: true, Unknown: true}
	if !c.midstream {
		h.side.Role = websocket.Server
		if dir == c.client {
			h.side.Role = websocket.Client
		}
	}
	h.mode = modeFrames
}

// A receiver takes what a Side finds in one direction of a connection.
type receiver struct {
	s   *shard
	c   *conn
	dir uint8
}

func (r *receiver) at(c *conn, dir uint8) { r.c, r.dir = c, dir }

// Frame implements websocket.Handler.
func (r *receiver) Frame(f *websocket.Frame) {
	s, c, dir := r.s, r.c, r.dir
	ws := c.ws
	if ws == nil || !ws.opened {
		ws = s.recognised(c, dir, f)
	}
	s.grown = s.grown || f.Compressed
	s.sum.Frames++
	ws.last = f.Last.Time
	d := c.direction(dir)
	s.rtt = -1
	if f.Header.Opcode.Control() {
		s.closeOrPing(c, dir, f)
	}
	if !f.Issues.Empty() {
		for id := range f.Issues.All() {
			if s.reports(c, d, id) {
				s.report(c, d, id, f.First, f.Off, f.Evidence(id))
			}
		}
	}
	if f.Ended || f.Captured+f.Lost < f.Header.Length {
		ws.truncated = true
	}
	if !s.cfg.Want.Has(record.TypeFrame) {
		return
	}
	rec := &s.frame // filled in place: see key.set
	rec.Conn = c.identify(s.cfg.File)
	rec.Time, rec.Direction, rec.First, rec.Last = f.First.Time, d, f.First.Packet, f.Last.Packet
	h := &f.Header
	rec.Header.Length, rec.Header.Mask, rec.Header.Masked, rec.Header.Fin = h.Length, h.Mask, h.Masked, h.Fin
	rec.Header.RSV, rec.Header.Opcode, rec.Header.Size, rec.Header.LengthForm = h.RSV, h.Opcode, h.Size, h.LengthForm
	rec.Off, rec.Captured, rec.Inflated, rec.Ended, rec.Subflow, rec.RTT = f.Off, f.Captured, f.Inflated, f.Ended, f.First.Subflow, s.rtt
	rec.Payload, rec.Text, rec.More = f.Payload, f.Text, f.More
	if !rec.Issues.Empty() {
		rec.Issues = finding.Set{}
	}
	if !f.Issues.Empty() {
		rec.Issues = f.Issues
	}
	if t := c.half[dir].tape; t != nil {
		end := f.Off + int64(h.Size) + h.Length
		rec.Raw = t.pieces(rec.Raw[:0], f.Off, end)
		s.emit(rec)
		t.drop(end)
		return
	}
	s.emit(rec)
}

// recognised deals with the first frame of a session whose handshake was not
// captured.
func (s *shard) recognised(c *conn, dir uint8, f *websocket.Frame) *session {
	if c.ws == nil {
		c.ws = new(session)
	}
	c.proto = "websocket"
	if c.half[dir].side.Role == websocket.UnknownRole {
		if f.Header.Masked {
			c.turn(dir)
		} else {
			c.turn(1 - dir)
		}
		c.half[dir].side.Role = websocket.Server
		if dir == c.client {
			c.half[dir].side.Role = websocket.Client
		}
	}
	if q := c.http; q != nil && q.early != nil {
		x := q.early
		q.early = nil
		s.opened(c, x)
	}
	if !c.ws.opened {
		c.ws.opened = true
		s.sum.Sessions++
	}
	o := &c.half[1-dir]
	if o.mode == modeFrames && o.side != nil {
		o.side.Role = websocket.Server
		if 1-dir == c.client {
			o.side.Role = websocket.Client
		}
		at := s.h
		s.h.at(c, 1-dir)
		o.side.Convince(&s.h)
		s.h = at
	}
	return c.ws
}

// closeOrPing notes what a control frame means for the session.
func (s *shard) closeOrPing(c *conn, dir uint8, f *websocket.Frame) {
	ws := c.ws
	role := websocket.Server
	if dir == c.client {
		role = websocket.Client
	}
	if rtt, ok := ws.pings.Frame(role, f); ok {
		s.rtt = rtt
	}
	if f.Header.Opcode != websocket.Close {
		return
	}
	if o := c.half[1-dir].side; o != nil {
		o.PeerClosed()
	}
	if ws.closed[1-dir] && f.Close.Code == ws.code {
		// The answer repeats the code, and says nothing of its own by it.
		f.Issues = without(f.Issues, websocket.CloseFinding(f.Close.Code, f.Close.Reason))
	} else {
		ws.code = f.Close.Code
	}
	if len(ws.closes) < 2 || !ws.closed[dir] {
		d := c.direction(dir)
		rec := &record.Close{
			Head: s.shared(c, d, f.First.Time, f.First.Packet, f.Last.Packet),
			Code: f.Close.Code, Malformed: f.Close.Malformed, Reason: string(f.Close.Reason), Issues: f.Issues,
		}
		rec.EndedBy = d
		if len(ws.closes) > 0 {
			rec.EndedBy = ws.closes[0].EndedBy
		}
		ws.closes = append(ws.closes, rec)
	}
	ws.closed[dir] = true
	if ws.closed[0] && ws.closed[1] {
		s.giveCloses(c)
	}
}

// without returns a set without an id.
func without(s finding.Set, id finding.ID) (t finding.Set) {
	for i := range s.All() {
		if i != id {
			t.Add(i)
		}
	}
	return t
}

// giveCloses gives out the close records: it is known now whether the session
// ended cleanly.
func (s *shard) giveCloses(c *conn) {
	ws := c.ws
	for _, rec := range ws.closes {
		rec.Clean = ws.closed[0] && ws.closed[1]
		s.emit(rec)
	}
	ws.closes = ws.closes[:0]
}

// Message implements websocket.Handler.
func (r *receiver) Message(m *websocket.Message) {
	s, c := r.s, r.c
	s.sum.Messages++
	c.ws.messages++
	if !s.cfg.Want.Has(record.TypeMessage) {
		return
	}
	rec := &s.message
	*rec = record.Message{
		Head:   s.shared(c, c.direction(r.dir), m.First.Time, m.First.Packet, m.Last.Packet),
		Opcode: m.Opcode, Bytes: m.Bytes, Wire: m.Wire, Frames: m.Frames, Compressed: m.Compressed,
		Complete: m.Complete, Cause: m.Cause, SHA256: m.SHA256, Payload: m.Payload, Text: m.Text, More: m.More, Issues: m.Issues,
	}
	s.emit(rec)
}

// Skipped implements websocket.Handler.
func (r *receiver) Skipped(k *websocket.Skipped) {
	s, c := r.s, r.c
	if c.ws == nil || !c.ws.opened && !c.ws.known && !c.decodeAs {
		return // a search that found nothing: not WebSocket
	}
	if k.Bytes == 0 {
		return
	}
	if t := c.half[r.dir].tape; t != nil {
		t.drop(k.Off + k.Bytes)
	}
	c.ws.undecoded += k.Bytes
	s.sum.Undecoded += k.Bytes
	s.skips[k.Cause] += k.Bytes
	text := itoa(k.Bytes) + " bytes not decoded: " + k.Cause
	if k.Err != nil {
		text += ": " + k.Err.Error()
	}
	s.event(c, c.direction(r.dir), finding.UndecodedBytes, k.First, k.Off, text)
}

// ignored counts bytes of a session in a direction that was given up.
func (s *shard) ignored(c *conn, dir uint8, n, off int64, o decode.Origin) {
	const cause = "not WebSocket, in a session"
	c.ws.undecoded += n
	s.sum.Undecoded += n
	s.skips[cause] += n
	s.report(c, c.direction(dir), finding.UndecodedBytes, o, off, "from here on not decoded: "+cause)
}

// finishSession gives out how a session ended.
func (s *shard) finishSession(c *conn, why ending) {
	ws := c.ws
	if ws == nil || !ws.opened {
		return
	}
	over := c.reset || c.closer != 0
	if len(ws.closes) > 0 {
		s.giveCloses(c)
		return
	}
	if ws.closed[0] || ws.closed[1] || !over || why == endEvicted {
		return
	}
	if ws.last == 0 && ws.hs.OK == websocket.No {
		return // the client did not like the handshake; that is said already
	}
	by := c.direction(uint8(c.closer - 1))
	id, text := finding.AbnormalFIN, "FIN from the "+by.String()+" and no close frame"
	if c.reset {
		id, text = finding.AbnormalRST, "RST from the "+by.String()+" and no close frame"
	}
	rec := &record.Close{Head: s.shared(c, record.None, c.closeAt.Time, c.closeAt.Packet, c.closeAt.Packet), Code: 1006, EndedBy: by}
	rec.Issues.Add(id)
	s.emit(rec)
	s.report(c, by, id, c.closeAt, -1, text)
}

// frameLike reports whether b begins like a frame that a client sends first.
func frameLike(b []byte) bool {
	var h websocket.Header
	if _, _, err := (websocket.Format{}).Header(b, &h); err != nil {
		return false
	}
	switch h.Opcode {
	case websocket.Text, websocket.Binary, websocket.Close, websocket.Ping, websocket.Pong:
	default:
		return false
	}
	return h.Masked && h.RSV&^websocket.RSV1 == 0 && (!h.Opcode.Control() || h.Fin && h.Length <= 125)
}

func itoa(n int64) string { return strconv.FormatInt(n, 10) }

// millis formats nanoseconds as a person reads them.
func millis(ns int64) string { return time.Duration(ns).Round(time.Microsecond).String() }
