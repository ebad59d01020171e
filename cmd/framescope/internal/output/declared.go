package output

import (
	"fmt"
	"strconv"
	"strings"

	"framescope/decode/finding"
	"framescope/decode/record"
)

// kindWidth is how wide the column of the kinds of frames is.
const kindWidth = 13

// declaredHeads are the column headings of the frames of a declared framing.
func declaredHeads(wide bool) string {
	if wide {
		return fmt.Sprintf("%*s%13s  %-15s  %9s  %-6s  %-*s  %10s  %6s  %8s  fields, payload", indent, "",
			"packets", "time (UTC)", "since", "from", kindWidth, "kind", "offset", "header", "bytes")
	}
	return fmt.Sprintf("%*s%8s  %9s  %-6s  %-*s  %7s  fields, payload", indent, "", "packet", "time", "from", kindWidth, "kind", "bytes")
}

// unit is the row of a frame of a declared framing.
func (e *rows) unit(dst []byte, d *record.Declared) []byte {
	begin := len(dst)
	kind := d.FrameKind
	if kind == "" {
		kind = "frame"
	}
	b, used := fit(e.buf[:0], kind, kindWidth, false)
	e.buf = b
	dst = e.start(dst, &d.Head, 0, string(b), false)
	for n := max(used, 7); n < kindWidth; n++ { // start filled up to 7
		dst = append(dst, ' ')
	}
	if e.wide {
		dst = right(append(dst, "  "...), d.Off, 10)
		dst = right(append(dst, "  "...), int64(d.Size), 6)
		dst = right(append(dst, "  "...), max(d.Length, d.Captured), 8)
	} else {
		dst = right(append(dst, "  "...), max(d.Length, d.Captured), 7)
	}
	dst = append(dst, "  "...)
	n := note{e: e, room: e.o.Width - (len(dst) - begin), dst: dst}
	said := finding.None
	switch missing := d.Length - d.Captured; {
	case d.Ended:
		n.say(red, "! cut off")
		said = finding.FramingTruncated
	case d.Length >= 0 && missing > 0:
		n.say(red, "! "+string(appendCount(nil, missing, "byte", "bytes"))+" missing")
	}
	n.issues(d.Issues, said)
	inPayload, narrow := 0, n.room < 2*leastPayload
	for _, f := range d.Fields() {
		if f.Payload {
			inPayload = max(inPayload, f.Off+f.Len-d.Size)
		}
		if f.Value == "" || f.Group || f.Depth > 0 && f.Bits == 0 || says(&f, d) {
			continue
		}
		if f.Bits == 1 && d.Text && !f.Payload && narrow {
			continue
		}
		text := f.Name + " " + f.Value
		if f.Bits == 1 && f.Value == "1" {
			text = f.Name // that it stands here says so
		}
		need := len(text)
		if d.Text && !f.Payload {
			need += 2 + min(len(d.Payload)-inPayload, leastPayload)
		}
		if need > n.room && len(d.Payload) > inPayload {
			break // what it says is worth more
		}
		n.say("", safe(text))
		if n.room < 8 {
			break
		}
	}
	if n.room > 8 && len(d.Payload) > inPayload {
		p := d.Payload[inPayload:]
		n.payload(p, d.Text || inPayload > 0 && plain(p), d.More)
	}
	return n.end()
}

// leastPayload is how much of a text the fields of the header leave room for. Flags
// are left out where there is room for little more.
const leastPayload = 16

// plain reports whether p is text of ASCII.
func plain(p []byte) bool {
	for _, c := range p {
		if c >= 0x7f || c < ' ' && c != '\n' && c != '\r' && c != '\t' {
			return false
		}
	}
	return len(p) > 0
}

// says reports whether a field says what another column has: the kind, a length,
// a constant.
func says(f *record.Named, d *record.Declared) bool {
	switch {
	case d.FrameKind != "" && strings.HasSuffix(f.Value, d.FrameKind):
		return true
	case f.Bits > 0 && f.Number == 0:
		return true // a bit that is not set
	case f.Constant, f.Name == "size", strings.HasSuffix(f.Name, "length"):
		return true
	}
	for i := range d.Checks {
		if d.Checks[i].Name == f.Name {
			return d.Checks[i].OK()
		}
	}
	return f.Value == strconv.FormatInt(d.Length, 10) || !f.Payload && f.Off >= d.Size
}
