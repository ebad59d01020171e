package peer

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"time"

	"framescope/decode/finding"
	"framescope/decode/http1"
	"framescope/decode/websocket"
)

// A session is one connection of a Server.
type session struct {
	server *Server
	conn   net.Conn
	event  Event
	out    sender
	in     source
}

func (c *session) notify(h Happening) {
	if f := c.server.Notify; f != nil {
		c.event.Happening, c.event.Time = h, time.Now()
		f(c.event)
	}
}

// serve serves the connection until it ends, or ctx is done.
func (c *session) serve(ctx context.Context) {
	defer c.conn.Close()
	stop := context.AfterFunc(ctx, func() { c.conn.Close() })
	response, agreed, rest, ok := c.handshake(ctx)
	stop() // what ends behind the 101 ends with a close frame
	if !ok || !c.open(response, agreed) {
		return
	}
	start := time.Now()
	grace := orElse(c.server.Grace, 2*time.Second)
	defer context.AfterFunc(ctx, func() {
		t := time.AfterFunc(grace, func() { c.conn.Close() })
		if c.out.close(goingAway, "the server is being stopped") != nil {
			t.Stop()
			c.conn.Close()
		}
	})()
	c.in.rest = rest
	end := c.echo()
	c.in.drop()
	c.event.After = time.Since(start)
	c.event.End = *end
	c.notify(Closed)
	if end.Code != abnormal {
		linger(c.conn, true)
	}
}

// handshake reads the request. It returns the response that opens the session,
// what that agrees to, and the bytes behind the request; or false, when the
// request has been refused.
func (c *session) handshake(ctx context.Context) (response []byte, agreed opening, rest []byte, ok bool) {
	var req http1.Request
	if c.conn.SetDeadline(time.Now().Add(orElse(c.server.Handshake, 10*time.Second))) != nil {
		return nil, agreed, nil, false
	}
	req.Limits = http1.Limits{Bytes: maxHead, Fields: 256}
	rest, err := readHead(c.conn, func(b []byte) (int, error) { return http1.ParseRequest(b, &req) })
	var cut *headCut
	switch {
	case err != nil && ctx.Err() != nil:
		c.event.Text = "the server is being stopped"
		c.notify(Refused)
		return nil, agreed, nil, false
	case errors.As(err, &cut) && cut.got == 0: // a port scan, a health check
		c.event.Text = err.Error()
		c.notify(Refused)
		return nil, agreed, nil, false
	case err != nil:
		c.refuse(headError(err), false)
		return nil, agreed, nil, false
	}
	c.event.Target = string(req.Target)
	h := websocket.CheckHandshake(websocket.Exchange{Request: &req})
	no := judge(&req, &h)
	if no == nil {
		if response, agreed, err = c.server.accept(&req); err == nil {
			return response, agreed, rest, true
		}
		no = &refusal{400, finding.ExtensionOfferInvalid, "Sec-WebSocket-Extensions: " + err.Error(), nil}
	}
	c.refuse(no, string(req.Method) == "HEAD")
	return nil, agreed, nil, false
}

// open sends the 101.
func (c *session) open(response []byte, p opening) bool {
	if _, err := c.conn.Write(response); err != nil || c.conn.SetDeadline(time.Time{}) != nil {
		c.event.Text = fmt.Sprintf("the response could not be sent: %v", err)
		c.notify(Refused)
		return false
	}
	s := c.server
	c.event.Subprotocol, c.event.Deflate = p.protocol, p.deflate
	c.out = sender{conn: c.conn}
	if p.deflate {
		c.out.deflate = &deflater{params: p.server}
	}
	c.in = source{conn: c.conn, idle: orElse(s.Idle, time.Hour), receiver: receiver{
		from: websocket.Client, max: orElse(s.MaxMessage, 16<<20), deflated: p.deflate, params: p.client, budget: &s.budget,
	}}
	c.notify(Opened)
	return true
}

// refuse answers a request that opens no session.
func (c *session) refuse(no *refusal, head bool) {
	c.event.Status, c.event.Rule, c.event.Text = no.status, no.rule, no.text
	c.notify(Refused)
	if c.conn.SetDeadline(time.Now().Add(lingerTimeout)) != nil {
		return
	}
	if _, err := c.conn.Write(no.append(nil, head)); err == nil {
		linger(c.conn, true)
	}
}

func tooMany(limit int64) *refusal {
	return &refusal{503, finding.HTTP503, fmt.Sprintf("%d connections are open, which is the limit", limit), []string{"Retry-After: 5"}}
}

// echo sends messages back until the session ends, and says how it ended.
func (c *session) echo() *CloseError {
	for {
		a, err := c.in.next()
		if err != nil {
			return c.fail(err)
		}
		switch a.op {
		case websocket.Ping:
			err = c.out.control(websocket.Pong, a.data)
		case websocket.Pong:
		case websocket.Close:
			return c.closed(a.data)
		default:
			if err = c.out.message(a.op, a.data); err == nil {
				c.event.Messages++
				c.event.Bytes += int64(len(a.data))
			}
		}
		// Behind its close frame this side only waits for that of the client.
		if err != nil && !errors.Is(err, errClosing) {
			return &CloseError{Code: abnormal, Err: err}
		}
	}
}

// closed answers a close frame.
func (c *session) closed(payload []byte) *CloseError {
	if said := c.out.said(); said != nil {
		return said
	}
	code, reason := closeStatus(payload)
	end := &CloseError{Code: code, Reason: string(reason), Peer: true}
	_ = c.out.close(code, string(reason)) // the session is over in any case
	return end
}

// fail ends the session for an error of source.next.
func (c *session) fail(err error) *CloseError {
	var end *CloseError
	if !errors.As(err, &end) {
		end = &CloseError{Code: abnormal, Err: err}
		if said := c.out.said(); said != nil {
			return said
		}
		if !errors.Is(err, os.ErrDeadlineExceeded) {
			return end
		}
		end = &CloseError{Code: goingAway, Reason: fmt.Sprintf("nothing was sent for %v", c.in.idle)}
	}
	_ = c.out.close(end.Code, end.Reason) // the session is over in any case
	return end
}
