package flow

import (
	"bytes"
	"strings"

	"framescope/decode/http1"
	"framescope/decode/record"
	"framescope/decode/websocket"
)

// finishExchange gives out a request and its answer, as a failed handshake if
// it was meant as one; then it returns true.
func (s *shard) finishExchange(c *conn, x *exchange) bool {
	hs := s.check(x)
	if hs.Meant {
		s.sum.Failed++
		c.proto = "websocket"
		s.handshake(c, x, &hs)
		return true
	}
	if s.cfg.Want.Has(record.TypeHTTP) {
		rec := &record.HTTP{Head: s.shared(c, record.None, x.time(), x.first.Packet, max(x.last.Packet, x.till.Packet)), Duration: x.duration()}
		rec.Request, rec.Response = s.heads(x)
		s.emit(rec)
	}
	s.issues(c, x, &hs)
	return false
}

// handshake gives out a handshake and its findings.
func (s *shard) handshake(c *conn, x *exchange, hs *websocket.Handshake) {
	if s.cfg.Want.Has(record.TypeHandshake) {
		rec := &record.Handshake{
			Head: s.shared(c, record.None, x.time(), x.first.Packet, max(x.last.Packet, x.till.Packet)),
			OK:   record.Tri(hs.OK), AcceptOK: record.Tri(hs.Accept), Duration: x.duration(),
		}
		if hs.Accept == websocket.Unknown && x.raw != nil && x.answer != nil && !x.cut && !x.answerCut {
			rec.AcceptOK = record.No // there is an answer, and it accepts nothing
		}
		rec.Request, rec.Response = s.heads(x)
		rec.Subprotocol = s.cfg.Redact.Subprotocol(string(hs.Subprotocol))
		rec.URL = s.url(c, &rec.Request)
		var resp http1.Response
		if x.answer != nil {
			if _, err := http1.ParseResponse(x.answer, &resp); err == nil {
				var all []string
				for e := range websocket.Extensions(resp.Header) {
					rec.Extensions = append(rec.Extensions, string(e.Name))
				}
				for v := range resp.Header.Values("sec-websocket-extensions") {
					all = append(all, string(v))
				}
				rec.ExtensionParams = strings.Join(all, ", ")
			}
		}
		for _, i := range hs.Issues {
			rec.Issues.Add(i.ID)
		}
		s.emit(rec)
	}
	s.issues(c, x, hs)
}

// issues gives out the findings of a handshake.
func (s *shard) issues(c *conn, x *exchange, hs *websocket.Handshake) {
	for _, i := range hs.Issues {
		d, o, off := record.Client, x.first, x.off
		if i.Answer {
			d, o, off = record.Server, x.from, x.answerOff
		}
		s.report(c, d, i.ID, o, off, i.Text)
	}
}

func (x *exchange) time() int64 {
	if x.raw != nil {
		return x.first.Time
	}
	return x.from.Time
}

// duration is the time from the request to the end of the answer's head, -1
// when one of them is missing.
func (x *exchange) duration() int64 {
	if x.raw == nil || x.answer == nil {
		return -1
	}
	return x.till.Time - x.first.Time
}

// heads returns the heads of an exchange with secrets replaced.
func (s *shard) heads(x *exchange) (q record.Request, r record.Response) {
	var req http1.Request
	var resp http1.Response
	if x.raw != nil {
		if _, err := http1.ParseRequest(x.raw, &req); err == nil {
			q.Method, q.Version = string(req.Method), string(req.Version)
			q.Target = s.cfg.Redact.URL(string(req.Target))
			q.Headers = s.pairs(req.Header)
		}
	}
	if x.answer != nil {
		if _, err := http1.ParseResponse(x.answer, &resp); err == nil {
			r.Status, r.Reason, r.Version = resp.Status, string(resp.Reason), string(resp.Version)
			r.Headers = s.pairs(resp.Header)
			r.Body = string(bytes.TrimSpace(websocket.WholeRunes(x.body)))
		}
	}
	return q, r
}

func (s *shard) pairs(h http1.Header) []record.Pair {
	out := make([]record.Pair, len(h))
	for i, f := range h {
		name := string(f.Name)
		out[i] = record.Pair{Name: name, Value: s.cfg.Redact.Header(name, string(f.Value))}
	}
	return out
}

// url is what a request asked for, as a WebSocket client writes it.
func (s *shard) url(c *conn, q *record.Request) string {
	if q.Method == "" {
		return ""
	}
	for _, scheme := range []string{"http://", "https://", "ws://", "wss://"} {
		if rest, ok := strings.CutPrefix(q.Target, scheme); ok {
			return strings.Replace(scheme, "http", "ws", 1) + rest
		}
	}
	host := ""
	for _, h := range q.Headers {
		if strings.EqualFold(h.Name, "host") {
			host = h.Value
			break
		}
	}
	if host == "" {
		host = c.endpoint(1 - c.client).String()
	}
	return "ws://" + host + q.Target
}
