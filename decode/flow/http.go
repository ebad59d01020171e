package flow

import (
	"bytes"
	"errors"
	"strconv"

	"framescope/decode"
	"framescope/decode/finding"
	"framescope/decode/http1"
	"framescope/decode/record"
	"framescope/decode/stream"
)

const (
	maxHead  = 128 << 10 // bytes of a head
	maxQueue = 64        // requests that wait for an answer
	maxHold  = 64 << 10  // bytes that wait for the answer to an upgrade
	maxMarks = 4096      // pieces of these
	maxAgain = 1 << 20   // bytes, and 64 for each piece, that a connection may look at again
	maxBody  = 1024      // bytes of an answer's body that are shown
)

// An exchange is a request and what came back.
type exchange struct {
	method        string
	raw           []byte // the request's head; nil if it was not captured
	first, last   decode.Origin
	off           int64 // stream offset of the request's head
	cut           bool  // the end of the request's head was not captured
	upgrade       bool  // the request may turn the connection into something else
	informational bool

	answer     []byte // the response's head
	from, till decode.Origin
	answerOff  int64
	answerCut  bool   // the end of the response's head was not captured
	body       []byte // the beginning of the response's body
}

// exchanges are the HTTP messages of a connection that are not dealt with yet.
type exchanges struct {
	queue []*exchange // requests in their order
	done  *exchange   // answered; the body of the answer is being read
	early *exchange   // a 101 that came before its request
	again int64       // bytes that waited for an answer in vain
}

// memory returns how many bytes q holds, about.
func (q *exchanges) memory() (n int64) {
	for _, x := range q.queue {
		n += x.memory()
	}
	return n + q.done.memory() + q.early.memory()
}

func (x *exchange) memory() int64 {
	if x == nil {
		return 0
	}
	return int64(cap(x.raw)+cap(x.answer)+cap(x.body)) + 256
}

func (c *conn) exchanges() *exchanges {
	if c.http == nil {
		c.http = new(exchanges)
	}
	return c.http
}

// head takes bytes where an HTTP head is expected, and returns how many it
// used.
func (s *shard) head(c *conn, dir uint8, b []byte, start bool, o decode.Origin) int {
	h := &c.half[dir]
	work, old := b, 0
	if h.keeps() {
		old = len(h.waits().kept.data)
		h.waits().kept.add(b, start, o, h.off)
		work = h.waits().kept.data
	}
	first := h.waits().kept.first(o)
	// wait keeps b until there is more.
	wait := func() int {
		if old == 0 {
			h.waits().kept.add(b, start, o, h.off)
		}
		h.off += int64(len(b))
		if len(h.waits().kept.data) > maxHead && !s.partialHead(c, dir, o) {
			s.foreign(c, dir, http1.Other, h.waits().kept.data)
		}
		return len(b)
	}
	// other passes b on, with what was kept before it.
	other := func(kind http1.Kind) int {
		s.foreign(c, dir, kind, work)
		if old > 0 {
			return len(b)
		}
		return 0
	}
	var n int
	var err error
	kind := http1.Sniff(work)
	switch kind {
	case http1.Short:
		return wait()
	case http1.RequestHead, http1.ResponseHead:
		client := dir
		if kind == http1.ResponseHead {
			client = 1 - dir
		}
		if !c.turn(client) {
			return other(http1.Other)
		}
		if http1.FindEnd(work, h.waits().kept.seen) < 0 {
			h.waits().kept.seen = len(work)
			return wait()
		}
		if kind == http1.RequestHead {
			n, err = http1.ParseRequest(work, &s.req)
		} else {
			n, err = http1.ParseResponse(work, &s.resp)
		}
	default:
		return other(kind)
	}
	if errors.Is(err, http1.ErrShort) {
		return wait()
	}
	if err != nil {
		return other(http1.Other)
	}
	raw := work[:n]
	off := h.begins()
	h.off = off + int64(n)
	h.waits().kept = kept{} // raw keeps the bytes alive
	h.lost, h.placed = false, true
	if c.proto == "" {
		c.proto = "http"
	}
	if kind == http1.RequestHead {
		s.request(c, dir, raw, off, first, o)
	} else {
		s.response(c, dir, raw, off, first, o)
	}
	return n - old
}

// request takes the head of a request (in s.req).
func (s *shard) request(c *conn, dir uint8, raw []byte, off int64, first, last decode.Origin) {
	h := &c.half[dir]
	x := &exchange{method: string(s.req.Method), raw: bytes.Clone(raw), first: first, last: last, off: off}
	x.upgrade = s.req.Header.Get("upgrade") != nil || s.req.Header.Get("sec-websocket-key") != nil || x.method == "CONNECT"
	q := c.exchanges()
	if e := q.early; e != nil && x.upgrade {
		// The capture put the answer first.
		q.early = nil
		e.raw, e.method, e.first, e.last = x.raw, x.method, x.first, x.last
		s.opened(c, e)
		s.begin(c, dir)
		return
	}
	if len(q.queue) >= maxQueue {
		s.drop(c, q.queue[0])
		q.queue = q.queue[1:]
	}
	q.queue = append(q.queue, x)
	if err := h.waits().body.Request(&s.req); err != nil {
		s.ignore(c, dir)
		return
	}
	switch {
	case !h.waits().body.Done():
		h.waits().body.Keep = 0
		h.mode = modeBody
	case x.upgrade && q.again < maxAgain:
		h.mode = modeHold
	default:
		h.mode = modeHead
	}
}

// response takes the head of a response (in s.resp).
func (s *shard) response(c *conn, dir uint8, raw []byte, off int64, first, last decode.Origin) {
	h := &c.half[dir]
	q := c.exchanges()
	var x *exchange
	if len(q.queue) > 0 {
		x = q.queue[0]
	}
	status := s.resp.Status
	if x == nil && c.proto == http1.TLS.String() && dir != c.client {
		s.report(c, record.Server, finding.TLSToPlainPort, first, off, "the answer to a TLS ClientHello is "+strconv.Itoa(status)+" "+string(s.resp.Reason))
	}
	if status < 200 && status != 101 {
		if x != nil {
			x.informational = true
		}
		return // another head follows
	}
	if x != nil {
		q.queue = q.queue[1:]
	} else {
		x = new(exchange)
	}
	x.answer, x.from, x.till, x.answerOff, x.answerCut = bytes.Clone(raw), first, last, off, h.lost
	switch {
	case status == 101:
		s.switched(c, dir, x)
		return
	case x.method == "CONNECT" && status < 300:
		// The tunnel carries a connection of its own, from its beginning.
		s.finishExchange(c, x)
		s.release(c, 1-dir)
		return
	}
	var method []byte
	if x.raw != nil {
		method = []byte(x.method)
	}
	h.waits().body.Keep = maxBody
	err := h.waits().body.Response(&s.resp, method)
	q.done = x
	if err != nil {
		s.finishExchange(c, x)
		q.done = nil
		s.ignore(c, dir)
		return
	}
	h.mode = modeBody
	if h.waits().body.Done() {
		s.bodyEnd(c, dir)
	}
	if x.upgrade {
		s.release(c, 1-dir)
	}
}

// bodyEnd goes on behind a body.
func (s *shard) bodyEnd(c *conn, dir uint8) {
	h := &c.half[dir]
	h.mode = modeHead
	q := c.exchanges()
	if dir == c.client {
		// The body of a request: an upgrade has to wait for its answer now.
		if n := len(q.queue); n > 0 && q.queue[n-1].upgrade && q.again < maxAgain {
			h.mode = modeHold
		}
		return
	}
	if x := q.done; x != nil {
		q.done = nil
		x.body = h.waits().body.Kept
		s.finishExchange(c, x)
	}
	h.waits().body.Kept = nil
}

// release lets a direction that waited for the answer to an upgrade go on with
// HTTP.
func (s *shard) release(c *conn, dir uint8) {
	h := &c.half[dir]
	if h.mode != modeHold {
		return
	}
	h.mode = modeHead
	if h.wait != nil {
		c.exchanges().again += int64(len(h.wait.kept.data) + 64*len(h.wait.kept.marks))
	}
	s.replay(c, dir)
}

// replay feeds the kept bytes of a direction to what takes them now.
func (s *shard) replay(c *conn, dir uint8) {
	h := &c.half[dir]
	if h.wait == nil {
		return
	}
	k := h.wait.kept
	h.waits().kept = kept{}
	at, off := 0, k.off
	for i := range k.marks {
		m := &k.marks[i]
		h.off = off
		if m.gap > 0 {
			off += m.gap
			s.gap(c, dir, &stream.Piece{Kind: stream.Gap, Why: stream.Acknowledged, Len: m.gap, Origin: m.origin})
		}
		if m.end > at {
			off += int64(m.end - at)
			s.data(c, dir, k.data[at:m.end:m.end], m.start, m.origin)
			at = m.end
		}
	}
	h.off = off
}

// hold keeps bytes that follow an upgrade request until its answer is known.
func (s *shard) hold(c *conn, dir uint8, b []byte, start bool, o decode.Origin) {
	h := &c.half[dir]
	if c.ws != nil { // the answer came first
		s.begin(c, dir)
		s.data(c, dir, b, start, o)
		return
	}
	h.waits().kept.add(b, start, o, h.off)
	if k := &h.waits().kept; len(k.data) >= maxHold || len(k.marks) >= maxMarks || c.packets[1-dir] == 0 {
		s.decide(c, dir, false)
	}
}

// decide tells without the answer what follows an upgrade request: frames, or
// the next request. While that is open and more may come, nothing changes.
func (s *shard) decide(c *conn, dir uint8, final bool) {
	h := &c.half[dir]
	q := c.exchanges()
	if !h.keeps() || len(q.queue) == 0 {
		return
	}
	x := q.queue[len(q.queue)-1]
	switch http1.Sniff(h.waits().kept.data) {
	case http1.Short:
		if !final {
			return
		}
	case http1.RequestHead:
		s.release(c, dir)
		return
	}
	if x.method == "CONNECT" {
		s.release(c, dir)
		return
	}
	if !frameLike(h.waits().kept.data) {
		if k := &h.waits().kept; final || len(k.data) >= maxHold || len(k.marks) >= maxMarks {
			s.ignore(c, dir)
		}
		return
	}
	q.queue = q.queue[:len(q.queue)-1]
	s.opened(c, x)
	s.begin(c, dir)
	s.replay(c, dir)
}

// headLost goes on after bytes are missing where a head was expected.
func (s *shard) headLost(c *conn, dir uint8, o decode.Origin) {
	h := &c.half[dir]
	if s.partialHead(c, dir, o) {
		return
	}
	h.waits().kept = kept{}
	h.mode = modeHead
	h.lost = true
}

// partialHead makes use of a head whose end is missing: a request or an answer
// that is cut off by the snapshot length still says what it is.
func (s *shard) partialHead(c *conn, dir uint8, o decode.Origin) bool {
	h := &c.half[dir]
	if h.mode != modeHead || !h.keeps() {
		return false
	}
	b := h.wait.kept.data
	b = b[:min(len(b), maxHead-4)] // with the end of a head no longer than one may be
	// What is there of the last line cannot be told from the whole line, but a
	// status says enough.
	end := bytes.LastIndexByte(b, '\n') + 1
	raw := append(bytes.Clone(b[:end]), "\r\n"...)
	if end == 0 {
		raw = append(bytes.Clone(b), "\r\n\r\n"...)
		if http1.Sniff(b) != http1.ResponseHead {
			return false
		}
	}
	first := h.waits().kept.first(o)
	off := h.waits().kept.off
	switch http1.Sniff(b) {
	case http1.RequestHead:
		if _, err := http1.ParseRequest(raw, &s.req); err != nil || !c.turn(dir) {
			return false
		}
		h.waits().kept = kept{}
		s.request(c, dir, raw, off, first, o)
		h.mode = modeHead
		if q := c.http; q != nil && len(q.queue) > 0 {
			x := q.queue[len(q.queue)-1]
			x.cut, x.upgrade = true, true // it may well have been
		}
	case http1.ResponseHead:
		if _, err := http1.ParseResponse(raw, &s.resp); err != nil || !c.turn(1-dir) {
			return false
		}
		h.waits().kept, h.lost = kept{}, true
		s.response(c, dir, raw, off, first, o)
	default:
		return false
	}
	h.lost = true
	return true
}

// foreign deals with bytes that are no HTTP head: frames whose beginning was
// not captured, another protocol, or nothing that is known. work is what there
// is of them.
func (s *shard) foreign(c *conn, dir uint8, kind http1.Kind, work []byte) {
	h := &c.half[dir]
	switch {
	case c.decodeAs:
		s.assume(c, dir)
	case c.ws != nil:
		s.begin(c, dir)
	case kind == http1.TLS || kind == http1.HTTP2:
		if c.proto == "" {
			c.proto = kind.String()
		}
		s.notHTTP(c, dir, kind, work)
		s.ignore(c, dir)
	case h.lost || c.midstream:
		s.search(c, dir)
	default:
		s.notHTTP(c, dir, kind, work)
		s.ignore(c, dir)
	}
	s.replay(c, dir)
}

// An alien is what a direction began with instead of HTTP.
type alien struct {
	kind  http1.Kind
	first string
	at    decode.Origin
	off   int64
}

// notHTTP notes that a direction carries no HTTP. For the server that explains
// why an upgrade request has no answer.
func (s *shard) notHTTP(c *conn, dir uint8, kind http1.Kind, work []byte) {
	h := &c.half[dir]
	if dir == c.client || h.wait != nil && h.wait.alien != nil {
		return
	}
	o := h.waits().kept.first(decode.Origin{Packet: s.order, Time: s.now})
	h.waits().alien = &alien{kind, string(work[:min(len(work), 24)]), o, h.waits().kept.begin(h.off)}
	if q := c.http; q != nil && len(q.queue) > 0 {
		x := q.queue[0]
		q.queue = q.queue[1:]
		if s.finishExchange(c, x) {
			s.reportAlien(c, h.waits().alien)
		}
	}
}

func (s *shard) reportAlien(c *conn, a *alien) {
	id, text := finding.NotHTTP, "the answer begins "+strconv.QuoteToASCII(a.first)
	switch a.kind {
	case http1.HTTP2:
		id, text = finding.HTTP2OnlyServer, "the answer is an HTTP/2 SETTINGS frame"
	case http1.TLS:
		id, text = finding.PlainToTLSPort, "the answer is a TLS record"
	}
	s.report(c, record.Server, id, a.at, a.off, text)
}

// finishHTTP gives out what waits for more when the connection is over.
func (s *shard) finishHTTP(c *conn, why ending) {
	q := c.http
	if q == nil {
		return
	}
	if x := q.early; x != nil {
		q.early = nil
		if c.ws != nil {
			s.opened(c, x)
		} else {
			s.finishExchange(c, x)
		}
	}
	if x := q.done; x != nil {
		q.done = nil
		s.finishExchange(c, x)
	}
	for i, x := range q.queue {
		meant := s.finishExchange(c, x)
		if i > 0 || !meant || why == endEvicted || c.packets[1-c.client] == 0 {
			continue
		}
		o := c.lastSeen()
		if c.closer != 0 {
			o = c.closeAt
		}
		server := &c.half[1-c.client]
		switch {
		case server.wait != nil && server.wait.alien != nil:
			s.reportAlien(c, server.wait.alien)
		case server.keeps():
			s.report(c, record.Server, finding.ResponseTruncated, o, -1, "the answer ends inside its head")
		case server.mode == modeIgnore:
		case c.reset && c.closer == 1+int8(1-c.client):
			s.report(c, record.Server, finding.ResetBeforeResponse, o, -1, "RST instead of an answer")
		case c.closer == 1+int8(1-c.client):
			s.report(c, record.Server, finding.ClosedBeforeResponse, o, -1, "FIN instead of an answer")
		case c.closer == 1+int8(c.client):
			s.report(c, record.Client, finding.HandshakeTimeout, o, -1,
				"the client gave up "+millis(c.last-x.first.Time)+" after its request")
		}
	}
	q.queue = nil
}

// drop gives up a request whose answer cannot be matched any more.
func (s *shard) drop(c *conn, x *exchange) { s.finishExchange(c, x) }
