package main

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"net/netip"
	"strconv"
	"sync"
	"time"

	"framescope/cmd/framescope/internal/output"
	"framescope/decode/record"
	"framescope/probes/peer"
)

// A serveLog writes a line for each event.
type serveLog struct {
	w      io.Writer
	json   bool
	broken func() // called when nothing can be written any more

	mu  sync.Mutex
	err error
	buf bytes.Buffer
}

func (l *serveLog) event(e peer.Event) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.err != nil {
		return
	}
	l.buf.Reset()
	if l.json {
		l.object(&e)
	} else {
		l.line(&e)
	}
	if _, l.err = l.w.Write(l.buf.Bytes()); l.err != nil {
		l.broken()
	}
}

// line writes an event as a person reads it.
func (l *serveLog) line(e *peer.Event) {
	fmt.Fprintf(&l.buf, "%s  C%d  %v  %-7v", e.Time.UTC().Format("15:04:05.000"), e.Conn, e.Remote, e.Happening)
	say := func(format string, args ...any) {
		l.buf.WriteString("  " + output.Visible(fmt.Sprintf(format, args...)))
	}
	if e.Target != "" && e.Happening != peer.Closed {
		say("%s ", e.Target)
	}
	switch e.Happening {
	case peer.Opened:
		if e.Subprotocol != "" {
			say("subprotocol %s ", e.Subprotocol)
		}
		if e.Deflate {
			say("permessage-deflate ")
		}
		if e.Multipath {
			say("MPTCP ")
		}
	case peer.Refused:
		switch {
		case e.Rule != 0:
			say("%d %v: %s", e.Status, e.Rule, e.Text)
		case e.Status != 0:
			say("%d: %s", e.Status, e.Text)
		default:
			say("%s", e.Text)
		}
	case peer.Closed:
		say("after %v   %s   %s, %s", e.After.Round(time.Millisecond), ending(&e.End),
			output.Count(e.Messages, "message", "messages"), output.Bytes(e.Bytes))
	}
	l.buf.Truncate(len(bytes.TrimRight(l.buf.Bytes(), " ")))
	l.buf.WriteByte('\n')
}

// ending says how a session ended.
func ending(end *peer.CloseError) string {
	who := "server"
	if end.Peer {
		who = "client"
	}
	switch {
	case end.Code == 1006 && errors.Is(end.Err, io.EOF):
		return "without a close frame"
	case end.Code == 1006:
		return fmt.Sprintf("without a close frame: %v", end.Err)
	case end.Rule != 0:
		return fmt.Sprintf("by %s, %d %v: %s", who, end.Code, end.Rule, end.Reason)
	case end.Reason != "":
		return fmt.Sprintf("by %s, %d %q", who, end.Code, end.Reason)
	case end.Code == 1005:
		return fmt.Sprintf("by %s, without a code", who)
	}
	return fmt.Sprintf("by %s, %d", who, end.Code)
}

// The JSON of an event: names as in records where there are such.
type (
	serveEvent struct {
		Type        string          `json:"type"`
		TS          string          `json:"ts"`
		Conn        string          `json:"conn"`
		Source      serveEnd        `json:"source"`
		Destination serveEnd        `json:"destination"`
		Multipath   bool            `json:"multipath"`
		HTTP        serveHTTP       `json:"http"`
		WebSocket   *serveWebSocket `json:"websocket,omitempty"`
		Finding     *serveFinding   `json:"finding,omitempty"`
		Error       string          `json:"error,omitempty"`
	}
	serveEnd struct {
		IP   netip.Addr `json:"ip"`
		Port uint16     `json:"port"`
	}
	serveHTTP struct {
		Target string `json:"target,omitempty"`
		Status int    `json:"status_code,omitempty"`
	}
	serveWebSocket struct {
		Subprotocol string   `json:"subprotocol,omitempty"`
		Extensions  []string `json:"extensions"`
		Code        uint16   `json:"code,omitempty"`
		Reason      string   `json:"reason,omitempty"`
		EndedBy     string   `json:"ended_by,omitempty"`
		Messages    *int64   `json:"messages,omitempty"`
		Bytes       *int64   `json:"bytes,omitempty"`
		Duration    float64  `json:"duration_ms,omitempty"`
	}
	serveFinding struct {
		ID   string `json:"id"`
		Text string `json:"text"`
	}
)

// object writes an event for programs.
func (l *serveLog) object(e *peer.Event) {
	o := serveEvent{
		Type: e.Happening.String(), TS: string(record.AppendTime(nil, e.Time.UnixNano())), Conn: "C" + strconv.FormatInt(e.Conn, 10),
		Source: serveEnd{e.Remote.Addr(), e.Remote.Port()}, Destination: serveEnd{e.Local.Addr(), e.Local.Port()},
		Multipath: e.Multipath, HTTP: serveHTTP{e.Target, e.Status},
	}
	if e.Happening != peer.Refused {
		o.HTTP.Status = 101
		o.WebSocket = &serveWebSocket{Subprotocol: e.Subprotocol, Extensions: []string{}}
		if e.Deflate {
			o.WebSocket.Extensions = append(o.WebSocket.Extensions, "permessage-deflate")
		}
	}
	if e.Rule != 0 {
		o.Finding = &serveFinding{e.Rule.String(), e.Text}
	} else {
		o.Error = e.Text
	}
	if w := o.WebSocket; e.Happening == peer.Closed {
		w.Code, w.Reason, w.EndedBy = e.End.Code, e.End.Reason, "server"
		w.Messages, w.Bytes, w.Duration = &e.Messages, &e.Bytes, float64(e.After.Microseconds())/1000
		switch {
		case e.End.Code == 1006:
			w.EndedBy = ""
		case e.End.Peer:
			w.EndedBy = "client"
		}
		if e.End.Rule != 0 {
			o.Finding = &serveFinding{e.End.Rule.String(), e.End.Reason}
		}
		if e.End.Err != nil {
			o.Error = e.End.Err.Error()
		}
	}
	_ = writeJSON(&l.buf, o) // strings and numbers, into memory: cannot fail
}
