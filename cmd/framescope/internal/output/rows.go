package output

import (
	"cmp"
	"fmt"
	"strconv"

	"framescope/decode/finding"
	"framescope/decode/protocol"
	"framescope/decode/record"
	"framescope/decode/websocket"
)

// rows is the Encoder of tables: it makes the text that the table only has to
// put in its place.
type rows struct {
	o     *Options
	paint painter
	wide  bool
	// What is listed: the handshake of a session, its frames, messages, close
	// frames where frames are not listed anyway.
	sessions, frames, messages, closes, declared bool

	buf []byte
}

func newRows(o *Options, wide bool) *rows {
	return &rows{
		o: o, paint: painter(o.Color), wide: wide,
		sessions: o.Types&sessionTypes != 0, frames: o.Types.Has(record.TypeFrame), messages: o.Types.Has(record.TypeMessage),
		declared: o.Types.Has(record.TypeDeclared),
		closes:   !o.Types.Has(record.TypeFrame) && (o.Types.Has(record.TypeClose) || o.Types.Has(record.TypeMessage)),
	}
}

// messageRow stands in the place of a subflow in rows of messages, declaredRow in
// those of frames of a declared framing.
const (
	messageRow  = -1
	declaredRow = -2
)

// Columns of the list, by their first column and width.
const (
	indent      = 4
	labelColumn = 6
	textColumn  = 18
)

func (e *rows) Encode(dst []byte, r record.Record) []byte {
	switch r := r.(type) {
	case *record.Frame:
		if !e.frames {
			return dst
		}
		dst = e.open(dst, tagRow, &r.Head)
		rtt := int64(-1)
		if r.Header.Opcode == websocket.Pong {
			rtt = r.RTT
		}
		// what it adds to messages
		size := r.Header.Length
		if r.Inflated != 0 {
			size = r.Inflated
		}
		if r.Header.Opcode.Control() {
			size = 0
		}
		dst = putInt(putInt(putInt(dst, rtt), int64(r.Subflow)), size)
		return e.frame(dst, r)
	case *record.Message:
		if !e.messages {
			return dst
		}
		dst = e.open(dst, tagRow, &r.Head)
		return e.message(putInt(putInt(putInt(dst, -1), messageRow), 0), r)
	case *record.Declared:
		if !e.declared {
			return dst
		}
		dst = e.open(dst, tagRow, &r.Head)
		return e.unit(putInt(putInt(putInt(dst, -1), declaredRow), r.Captured), r)
	case *record.Handshake:
		dst = e.context(e.open(dst, tagHandshake, &r.Head), r)
		dst = putText(putInt(dst, int64(r.OK)), safe(r.URL))
		if e.sessions {
			dst = e.handshake(dst, r)
		}
		return dst
	case *record.HTTP:
		dst = e.open(dst, tagHTTP, &r.Head)
		l := line{dst: dst, indent: textColumn, room: e.o.Width}
		e.exchange(&l, &r.Head, &r.Request, &r.Response, r.Duration)
		return append(l.dst, '\n')
	case *record.Finding:
		dst = e.open(dst, tagFinding, &r.Head)
		return e.finding(dst, r)
	case *record.Close:
		dst = e.context(e.open(dst, tagClose, &r.Head), r)
		selected := dst[len(dst)-1] == 0
		malformed := int64(0)
		if r.Malformed {
			malformed = 1
		}
		reason, _ := fit(nil, r.Reason, max(16, min(48, e.o.Width-56)), false) // with the verdict, the code and how long it took, in one line
		dst = putText(putInt(putInt(putInt(dst, int64(r.EndedBy)), int64(r.Code)), malformed), reason)
		if e.closes && selected && r.Direction != record.None {
			dst = e.closing(dst, r)
		}
		return dst
	case *record.ConnEnd:
		dst = e.context(e.open(dst, tagEnd, &r.Head), r)
		dst = putText(putText(dst, safe(r.Protocol)), safe(outcome(r)))
		midstream := int64(0)
		if r.Midstream {
			midstream = 1
		}
		for _, n := range []int64{
			int64(r.EndedBy), midstream, r.Duration, r.Messages, r.Undecoded, r.Client.Stream + r.Server.Stream,
			r.Client.Missing + r.Server.Missing, r.Client.Packets + r.Server.Packets, r.Client.Bytes + r.Server.Bytes, r.Frames, r.Lost,
			r.Time, r.Client.Bytes,
		} {
			dst = putInt(dst, n)
		}
		return putText(dst, safe(r.ServerName))
	case *record.Packet:
		dst = append(dst, byte(tagPacket))
		return e.packet(dst, r)
	case *record.Summary:
		return e.summary(append(dst, byte(tagSummary)), r)
	}
	return dst
}

// outcome says how a connection ended; of what has no end, what else there is to
// say.
func outcome(r *record.ConnEnd) string {
	name := ""
	if r.Conn != nil && r.Conn.Transport != 0 {
		name = protocol.GroupName(r.Conn.Destination.Addr())
	}
	switch m := r.Membership; {
	case m == nil && name != "":
		return "group " + name
	case m == nil:
		return r.End
	case m.Left != 0:
		return "left"
	case m.Joined != 0:
		return "joined"
	}
	return "queries"
}

// open begins an item: what it is, whose, and its packet.
func (e *rows) open(dst []byte, t tag, h *record.Head) []byte {
	dst = append(dst, byte(t))
	peers := ""
	if h.Conn != nil {
		peers = h.Conn.Peers()
	}
	dst = putText(dst, peers)
	file := ""
	if e.o.Files {
		file = safe(h.File)
	}
	return putInt(putText(dst, file), h.First)
}

// context appends 1 for a record that the filter does not select, else 0.
func (e *rows) context(dst []byte, r record.Record) []byte {
	if e.o.Match != nil && !e.o.Match(r) {
		return append(dst, 1)
	}
	return append(dst, 0)
}

// start appends the columns that all rows of a list begin with.
func (e *rows) start(dst []byte, h *record.Head, subflow int32, opcode string, more bool) []byte {
	dst = spaces(dst, indent)
	if e.wide {
		var buf [44]byte
		b := strconv.AppendInt(buf[:0], h.First, 10)
		if h.Last > h.First {
			b = strconv.AppendInt(append(b, '-'), h.Last, 10)
		}
		dst = append(spaces(dst, 13-len(b)), b...)
		dst = appendClock(append(dst, "  "...), h.Time, 6)
	} else {
		dst = right(dst, h.First, 8)
	}
	dst = e.since(append(dst, "  "...), h)
	dst = append(dst, "  "...)
	from := h.Direction.String()
	if subflow > 0 {
		dst = append(append(dst, from...), '/')
		n := len(dst)
		dst = strconv.AppendInt(dst, int64(subflow), 10)
		dst = spaces(dst, 8-len(from)-1-(len(dst)-n))
	} else {
		dst = left(dst, from, 6)
	}
	dst = append(append(dst, "  "...), opcode...)
	n := 7 - len(opcode)
	if more {
		dst = append(dst, '+')
		n--
	}
	return spaces(dst, n)
}

// since appends the time since the connection began, in 9 columns.
func (e *rows) since(dst []byte, h *record.Head) []byte {
	ns := int64(0)
	if h.Conn != nil {
		ns = h.Time - h.Conn.Start
	}
	var buf [32]byte
	b := append(buf[:0], '+')
	if ns < 0 {
		b[0], ns = '-', -ns
	}
	ms := ns / 1e6
	b = strconv.AppendInt(b, ms/1000, 10)
	b = append(b, '.', byte('0'+ms/100%10), byte('0'+ms/10%10), byte('0'+ms%10), 's')
	return append(spaces(dst, 9-len(b)), b...)
}

// heads are the column headings of the list.
func heads(wide, subflows, declared bool) string {
	if declared {
		return declaredHeads(wide)
	}
	from := 6
	if subflows {
		from = 8
	}
	if wide {
		return fmt.Sprintf("%*s%13s  %-15s  %9s  %-*s  %-7s  %-3s  %-3s  %-8s  %10s  %8s  %8s  payload", indent, "",
			"packets", "time (UTC)", "since", from, "from", "opcode", "fin", "rsv", "mask", "offset", "bytes", "inflated")
	}
	return fmt.Sprintf("%*s%8s  %9s  %-*s  %-7s %7s  payload", indent, "", "packet", "time", from, "from", "opcode", "bytes")
}

func opcodeName(o websocket.Opcode) string {
	if o == websocket.Continuation {
		return "cont"
	}
	return o.String()
}

func (e *rows) frame(dst []byte, f *record.Frame) []byte {
	h := &f.Header
	begin := len(dst)
	dst = e.start(dst, &f.Head, f.Subflow, opcodeName(h.Opcode), !h.Fin && !h.Opcode.Control())
	if e.wide {
		dst = left(append(dst, "  "...), [...]string{"-", "fin"}[b2i(h.Fin)], 3)
		dst = append(dst, "  "...)
		dst = append(dst, bit(h.RSV, 4, '1'), bit(h.RSV, 2, '2'), bit(h.RSV, 1, '3'))
		dst = append(dst, "  "...)
		if h.Masked {
			dst = appendHex(dst, h.Mask[:])
		} else {
			dst = left(dst, "-", 8)
		}
		dst = right(append(dst, "  "...), f.Off, 10)
		dst = right(append(dst, "  "...), h.Length, 8)
		if f.Inflated > 0 {
			dst = right(append(dst, "  "...), f.Inflated, 8)
		} else {
			dst = append(dst, "         -"...)
		}
	} else {
		// What somebody sent, where that is known; wide shows both.
		dst = right(append(dst, ' '), cmp.Or(f.Inflated, h.Length), 7)
	}
	dst = append(dst, "  "...)
	n := note{e: e, room: e.o.Width - (len(dst) - begin), dst: dst}
	if h.Opcode == websocket.Pong && f.RTT >= 0 {
		n.say("", string(appendDuration(nil, f.RTT)))
	}
	switch {
	case f.Ended:
		n.say(red, "! cut off")
		n.issues(f.Issues, finding.TruncatedFrame)
	case f.Captured < h.Length:
		n.say(red, "! "+string(appendCount(nil, h.Length-f.Captured, "byte", "bytes"))+" missing")
		n.issues(f.Issues, finding.CaptureGap)
	default:
		n.issues(f.Issues, finding.None)
	}
	if h.Opcode == websocket.Close {
		n.closePayload(f.Payload, f.More)
	} else {
		n.payload(f.Payload, f.Text, f.More)
	}
	return n.end()
}

func b2i(b bool) int {
	if b {
		return 1
	}
	return 0
}

func bit(v, mask uint8, name byte) byte {
	if v&mask != 0 {
		return name
	}
	return '-'
}

// message is the row of a message. Where frames are listed, too, an = tells them
// apart.
func (e *rows) message(dst []byte, m *record.Message) []byte {
	begin := len(dst)
	name := opcodeName(m.Opcode)
	if e.frames {
		name = "=" + name
	}
	dst = e.start(dst, &m.Head, 0, name, false)
	size := m.Bytes
	if size < 0 {
		size = m.Wire
	}
	if e.wide {
		dst = right(spaces(dst, 34), m.Wire, 8) // no fin, rsv, mask and offset
		dst = right(append(dst, "  "...), size, 8)
	} else {
		dst = right(append(dst, ' '), size, 7)
	}
	dst = append(dst, "  "...)
	n := note{e: e, room: e.o.Width - (len(dst) - begin), dst: dst}
	if m.Frames > 1 {
		n.say("", string(appendCount(nil, m.Frames, "frame", "frames")))
	}
	if !m.Complete && m.Cause != "" {
		n.say(red, "! "+safe(m.Cause))
	}
	n.issues(m.Issues, finding.None)
	n.payload(m.Payload, m.Text, m.More)
	return n.end()
}

// closing is the row of a close frame where frames are not listed.
func (e *rows) closing(dst []byte, c *record.Close) []byte {
	begin := len(dst)
	dst = e.start(dst, &c.Head, 0, "close", false)
	if e.wide {
		dst = spaces(dst, 52)
	} else {
		dst = spaces(dst, 8)
	}
	dst = append(dst, "  "...)
	n := note{e: e, room: e.o.Width - (len(dst) - begin), dst: dst}
	n.issues(c.Issues, finding.None)
	if !c.Malformed {
		n.code(int64(c.Code), c.Reason, false)
	}
	return n.end()
}
