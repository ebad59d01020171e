package output

import (
	"bytes"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"framescope/decode/finding"
	"framescope/decode/record"
)

// appendClock appends the time of day in UTC with 3 or 6 decimals.
func appendClock(dst []byte, ns int64, decimals int) []byte {
	layout := "15:04:05.000"
	if decimals == 6 {
		layout = "15:04:05.000000"
	}
	return time.Unix(0, ns).UTC().AppendFormat(dst, layout)
}

// exchange writes the line of a request and its response.
func (e *rows) exchange(l *line, h *record.Head, req *record.Request, resp *record.Response, duration int64) {
	l.dst = appendClock(spaces(l.dst, indent), h.Time, 3)
	l.dst = append(l.dst, "  "...)
	l.column = textColumn
	var tail []byte
	switch {
	case resp.Status == 0:
		tail = append(tail, " > no answer"...)
	default:
		tail = strconv.AppendInt(append(tail, " > "...), int64(resp.Status), 10)
		if resp.Status != 101 && resp.Reason != "" {
			room := l.room - l.indent - len(req.Method) - width(req.Target) - len(" > 426 ") - len(" in 1.23 ms")
			tail, _ = fit(append(tail, ' '), resp.Reason, min(max(room, (l.room-l.indent)/4), 48), false)
		}
		if duration >= 0 {
			tail = appendDuration(append(tail, " in "...), duration)
		}
	}
	asked := "request not seen"
	if req.Method != "" {
		asked = req.Method + " " + req.Target
	}
	part, _ := fit(nil, asked, max(l.room-l.indent-width(string(tail)), 16), false)
	l.text(string(append(part, tail...)))
}

func (e *rows) handshake(dst []byte, h *record.Handshake) []byte {
	l := line{dst: dst, indent: textColumn, room: e.o.Width}
	e.exchange(&l, &h.Head, &h.Request, &h.Response, h.Duration)
	if h.Response.Status == 101 {
		switch h.AcceptOK {
		case record.Yes:
			l.text("accept ok")
		case record.No:
			l.add(e.paint.append(nil, red, "accept wrong"), len("accept wrong"))
		default:
			l.text("accept not checked")
		}
	}
	if h.Subprotocol != "" {
		l.text("subprotocol " + h.Subprotocol)
	}
	switch {
	case h.ExtensionParams != "":
		l.list(h.ExtensionParams)
	case len(h.Extensions) > 0:
		l.text(strings.Join(h.Extensions, ", "))
	}
	dst = append(l.dst, '\n')
	switch {
	case e.wide:
		dst = e.headers(dst, "request", h.Request.Headers, nil)
		dst = e.headers(dst, "response", h.Response.Headers, nil)
	case h.OK == record.No || h.Response.Status != 101:
		dst = e.headers(dst, "request", h.Request.Headers, telling)
		dst = e.headers(dst, "response", h.Response.Headers, telling)
	}
	if h.Response.Body != "" {
		dst = e.body(dst, h.Response.Body)
	}
	return dst
}

// maxBody is how many lines of a body are shown.
const maxBody = 8

// body writes the text of an answer that was not what was asked for.
func (e *rows) body(dst []byte, body string) []byte {
	if isBinary(strings.Join(strings.Fields(body), " ")) {
		return e.labelled(dst, "body", strconv.Itoa(len(body))+" bytes that are no text")
	}
	label, n := "body", 0
	for l := range strings.Lines(body) {
		text := strings.Join(strings.Fields(l), " ")
		if text == "" {
			continue
		}
		if n++; n > maxBody {
			return e.labelled(dst, label, "...")
		}
		dst = e.labelled(dst, label, text)
		label = ""
	}
	return dst
}

// isBinary reports whether a body is compressed or otherwise no text: then more
// than a quarter of it cannot be shown.
func isBinary(s string) bool {
	all, odd := 0, 0
	for _, r := range s {
		all++
		if r == utf8.RuneError || record.Hidden(r) {
			odd++
		}
	}
	return odd > all/4
}

// telling are the headers that help to understand why a handshake failed.
var telling = map[string]bool{
	"host": true, "origin": true, "connection": true, "upgrade": true, "sec-websocket-version": true, "sec-websocket-protocol": true,
	"server": true, "via": true, "location": true, "retry-after": true, "www-authenticate": true, "proxy-authenticate": true,
	"content-type": true, "cf-ray": true, "x-cache": true,
}

// maxHeaders is how many headers of a message are shown.
const maxHeaders = 40

// headers writes the headers that are asked for, or all, as one labelled block.
func (e *rows) headers(dst []byte, label string, headers []record.Pair, only map[string]bool) []byte {
	l := line{indent: textColumn, room: e.o.Width, column: textColumn}
	for i, p := range headers {
		if only != nil && !only[strings.ToLower(p.Name)] {
			continue
		}
		if i >= maxHeaders {
			l.text("and more")
			break
		}
		l.text(p.Name + ": " + p.Value)
	}
	if !l.started {
		return dst
	}
	dst = spaces(dst, labelColumn)
	dst = left(dst, label, textColumn-labelColumn)
	return append(append(dst, l.dst...), '\n')
}

// labelled writes a label and a text, wrapped.
func (e *rows) labelled(dst []byte, label, text string) []byte {
	return labelled(dst, label, text, e.o.Width)
}

func labelled(dst []byte, label, text string, room int) []byte {
	dst = spaces(dst, labelColumn)
	dst = left(dst, label, textColumn-labelColumn-2)
	dst = append(dst, "  "...)
	at := max(textColumn, labelColumn+len(label)+2)
	return append(wrap(dst, text, at, textColumn, room), '\n')
}

// inList are the findings that stand in the list, where it happened.
func inList(id finding.ID) bool { return id == finding.CaptureGap || id == finding.UndecodedBytes }

// maxEvidence is how much evidence is shown of one finding.
const maxEvidence = 5

// finding writes its id and its evidence, ready to be shown; and for what is
// missing, rows for the list.
func (e *rows) finding(dst []byte, f *record.Finding) []byte {
	dst = putInt(putInt(dst, int64(f.ID)), int64(len(f.Evidence)))
	shown := f.Evidence[:min(len(f.Evidence), maxEvidence)]
	if inList(f.ID) && f.Conn != nil {
		shown = nil
	}
	dst = putInt(dst, int64(len(shown)))
	for i, ev := range shown {
		label, text := "", ev.Text
		if ev.Packet > 0 {
			label = "packet " + strconv.FormatInt(ev.Packet, 10)
		}
		if ev.Off > 0 {
			if text != "" {
				text = ": " + text
			}
			text = "offset " + strconv.FormatInt(ev.Off, 10) + text
		}
		if i == 0 && f.Time != 0 && ev.Packet > 0 {
			text = string(appendClock(nil, f.Time, 3)) + "  " + text
		}
		dst = putText(dst, e.labelled(nil, label, text))
	}
	if shown != nil {
		return dst
	}
	for i, ev := range f.Evidence {
		if i == 64 {
			break
		}
		dst = e.gap(dst, f, ev)
	}
	return dst
}

// gap is the row for bytes that are missing or could not be decoded.
func (e *rows) gap(dst []byte, f *record.Finding, ev record.Evidence) []byte {
	begin := len(dst)
	packets := 8
	if e.wide {
		packets = 13
	}
	if ev.Packet > 0 {
		dst = right(spaces(dst, indent), ev.Packet, packets)
	} else {
		dst = spaces(dst, indent+packets)
	}
	dst = spaces(dst, 2)
	text := ev.Text
	if text == "" {
		text = f.ID.Info().Title
	}
	if side := f.Direction.String(); side != "" {
		text = side + ": " + text
	}
	b, _ := fit(nil, "-- "+safe(text)+" --", e.o.Width-(len(dst)-begin), false)
	return append(e.paint.append(dst, yellow, string(b)), '\n')
}

// packet is the line of a packet.
func (e *rows) packet(dst []byte, p *record.Packet) []byte {
	begin := len(dst)
	dst = right(dst, p.First, 8)
	dst = appendClock(append(dst, "  "...), p.Time, 6)
	dst = right(dst, p.Length, 7)
	var text []byte
	add := func(part string, cells int) {
		if part != "" {
			n := len(text)
			text = append(append(text, "  "...), part...)
			if used := len(text) - n - 2; used < cells {
				text = spaces(text, cells-used)
			}
		}
	}
	if p.Problem != "" {
		add("! "+p.Problem, 0)
	}
	if p.Source.IsValid() || p.Destination.IsValid() {
		c := record.Conn{Source: p.Source, Destination: p.Destination}
		add(c.Peers(), 32)
	}
	if p.Flags == "" { // those of TCP say that it is TCP
		add(p.Protocol, 0)
	}
	add(p.Flags, 0)
	if p.Payload > 0 {
		add("+"+strconv.FormatInt(p.Payload, 10), 0)
	}
	if p.Captured < p.Length {
		add("! "+string(appendCount(nil, p.Captured, "byte", "bytes"))+" captured", 0)
	}
	dst, _ = fit(dst, text, e.o.Width-(len(dst)-begin), false)
	return append(bytes.TrimRight(dst, " "), '\n')
}

func (e *rows) summary(dst []byte, s *record.Summary) []byte {
	dst = putText(dst, safe(s.File))
	truncated := int64(b2i(s.Truncated))
	for _, n := range []int64{
		s.Packets, s.Bytes, s.Connections, s.Sessions, s.Failed, s.Frames, s.Messages, s.Missing, s.Undecoded, s.Evicted, s.Dropped, truncated,
		s.First, s.Last, s.Errors, s.Warnings, s.Notes, s.Declared, s.Flows, s.Memberships,
	} {
		dst = putInt(dst, n)
	}
	shown := s.Skipped[:min(len(s.Skipped), 20)]
	dst = putInt(dst, int64(len(shown)))
	for _, k := range shown {
		dst = putInt(putInt(putText(dst, safe(k.Cause)), k.Packets), k.Bytes)
	}
	dst = putInt(dst, int64(len(s.Skipped)-len(shown)))
	dst = putInt(dst, int64(len(s.Left)))
	for _, l := range s.Left {
		dst = putInt(putText(dst, safe(l.Protocol)), l.Packets)
	}
	return dst
}
