package output

import (
	"encoding/binary"
	"strconv"

	"framescope/decode/finding"
)

// A note is what stands at the end of a row: remarks, then a preview.
type note struct {
	e    *rows
	dst  []byte
	room int
}

// say appends a remark that is safe already.
func (n *note) say(colour, s string) {
	b, used := fit(n.e.buf[:0], s, n.room, false)
	n.e.buf = b
	n.dst = n.e.paint.append(n.dst, colour, string(b))
	n.room -= used
	n.gap()
}

func (n *note) gap() {
	if n.room > 2 {
		n.dst = append(n.dst, "  "...)
	}
	n.room -= 2
}

// issues names what is wrong, but for what was said already.
func (n *note) issues(s finding.Set, said finding.ID) {
	if s.Empty() {
		return
	}
	text := ""
	for id := range s.All() {
		switch {
		case id == said:
		case text == "":
			text = "! " + id.String()
		default:
			text += ", " + id.String()
		}
	}
	if text != "" {
		n.say(red, text)
	}
}

func (n *note) payload(p []byte, text, more bool) {
	if text {
		n.dst, _ = fit(n.dst, p, n.room, more)
		return
	}
	if fits := max(n.room+1, 0) / 3; len(p) > fits || more {
		p, more = p[:min(len(p), max(n.room-3, 0)/3)], true
	}
	for i, c := range p {
		if i > 0 {
			n.dst = append(n.dst, ' ')
		}
		n.dst = append(n.dst, hexDigits[c>>4], hexDigits[c&15])
	}
	if more && n.room >= 3 {
		if len(p) > 0 {
			n.dst = append(n.dst, ' ')
		}
		n.dst = append(n.dst, "..."[:min(3, n.room)]...)
	}
}

func (n *note) closePayload(p []byte, more bool) {
	if len(p) < 2 {
		n.payload(p, false, more)
		return
	}
	n.code(int64(binary.BigEndian.Uint16(p)), string(p[2:]), more)
}

func (n *note) code(code int64, reason string, more bool) {
	b := strconv.AppendInt(n.e.buf[:0], code, 10)
	if reason != "" || more {
		b = append(b, " \""...)
		b = append(b, safe(reason)...)
		if more {
			b = append(b, "..."...)
		}
		b = append(b, '"')
	}
	n.e.buf = b
	n.dst, _ = fit(n.dst, b, n.room, false)
}

// end ends the row without white space behind it.
func (n *note) end() []byte {
	for len(n.dst) > 0 && n.dst[len(n.dst)-1] == ' ' {
		n.dst = n.dst[:len(n.dst)-1]
	}
	return append(n.dst, '\n')
}
