package output

import (
	"bytes"
	"fmt"
	"strconv"

	"framescope/decode"
	"framescope/decode/dump"
	"framescope/decode/framing"
	"framescope/decode/record"
	"framescope/decode/websocket"
)

// Hexdump is a format that is not among Formats: annotated dumps of frames. It
// needs the bytes as they were on the wire, flow.Config.Raw.
const Hexdump = "hexdump"

// hexdumpTypes are the records that have bytes to dump.
var hexdumpTypes = record.Of(record.TypeFrame, record.TypeDeclared)

// A dumper is the Encoder of Hexdump.
type dumper struct {
	a    dump.Annotator
	buf  bytes.Buffer
	mode int // Options.Payload
	ws   *framing.Framing
	head []byte
	tmp  []framing.Field
	last int64 // packet that was named last
}

func newDumper(o *Options) *dumper {
	d := &dumper{mode: o.Payload}
	width := max(o.Width, 80)
	d.a = dump.Annotator{W: &d.buf, Columns: 8, Width: width, Color: o.Color}
	if width >= 120 {
		d.a.Columns = 16
	}
	if o.Payload == 0 {
		d.a.Rows = -1
	}
	d.ws, _ = framing.Builtin("websocket", framing.Options{}) // it is built in
	return d
}

func (d *dumper) Encode(dst []byte, r record.Record) []byte {
	d.buf.Reset()
	switch r := r.(type) {
	case *record.Frame:
		d.webSocket(r)
	case *record.Declared:
		d.declared(r)
	}
	_ = d.a.Flush() // a buffer does not fail
	return append(dst, d.buf.Bytes()...)
}

// title begins a frame.
func (d *dumper) title(h *record.Head, off int64, what string) {
	peers := ""
	if h.Conn != nil {
		peers = string(record.AppendID(nil, h.Conn.ID)) + "  " + h.Conn.Peers()
	}
	d.a.Line(peers)
	packets := "packet " + strconv.FormatInt(h.First, 10)
	if h.Last > h.First {
		packets = "packets " + strconv.FormatInt(h.First, 10) + " to " + strconv.FormatInt(h.Last, 10)
	}
	d.a.Title(off, 0, fmt.Sprintf("%s  %s  %s", h.Direction, packets, what))
	d.last = 0
}

// from says which packet brought the bytes from off on, if that is another than
// before.
func (d *dumper) from(p record.Piece) {
	if p.Packet != d.last {
		d.last = p.Packet
		d.a.Note(0, "packet "+strconv.FormatInt(p.Packet, 10))
	}
}

// bytes returns the bytes from offset from up to offset to, as far as they are
// there without a hole.
func (d *dumper) bytes(raw []record.Piece, from, to int64) []byte {
	d.head = d.head[:0]
	for _, p := range raw {
		at := from + int64(len(d.head))
		if p.Off <= at && at < p.Off+int64(len(p.Data)) && at < to {
			b := p.Data[at-p.Off:]
			d.head = append(d.head, b[:min(int64(len(b)), to-at)]...)
		}
	}
	return d.head
}

// fields shows fields, whose offsets count from the start of the frame at off.
// It names the packets that their bytes came in.
func (d *dumper) fields(raw []record.Piece, off int64, depth int, f decode.Field) {
	from := off + int64(f.Off)
	to := from + int64(f.Len)
	for _, p := range raw {
		if p.Off < max(to, from+1) && p.Off+int64(len(p.Data)) > from {
			d.from(p)
		}
	}
	d.a.Field(from, depth, d.bytes(raw, from, to), f)
}

// payload shows the payload bytes from offset from up to offset to. pos is where
// they are in the payload.
func (d *dumper) payload(raw []record.Piece, from, to, pos int64, name string, h *framing.Header) {
	if d.mode < 0 {
		return
	}
	at := from
	for _, p := range raw {
		b, off := p.Data, p.Off
		if skip := at - off; skip > 0 {
			b, off = b[min(skip, int64(len(b))):], at
		}
		if rest := to - off; int64(len(b)) > rest {
			b = b[:max(rest, 0)]
		}
		if len(b) == 0 {
			continue
		}
		if off > at {
			d.a.Alarm(Count(off-at, "byte", "bytes") + " not shown, or missing")
		}
		d.from(p)
		d.a.Begin(off, 0, name)
		plain := b
		if h != nil && h.Masked {
			plain = bytes.Clone(b)
			websocket.Unmask(plain, plain, h.Mask, pos+off-from)
		}
		d.a.Data(b, plain)
		d.a.End("")
		at = off + int64(len(b))
	}
	if at < to {
		d.a.Alarm(Count(to-at, "byte", "bytes") + " not shown, or missing")
	}
}

func (d *dumper) webSocket(f *record.Frame) {
	h := &f.Header
	d.title(&f.Head, f.Off, fmt.Sprintf("websocket %s  %d + %s", opcodeName(h.Opcode), h.Size, Count(h.Length, "byte", "bytes")))
	dec := framing.Decoder{Framing: d.ws}
	end := f.Off + int64(h.Size)
	head := bytes.Clone(d.bytes(f.Raw, f.Off, end))
	name, header := "payload", (*framing.Header)(nil)
	if c, _, err := dec.Next(head); err == nil && c != nil {
		header = c.Header
		d.tmp = header.AppendFields(d.tmp[:0])
		for i := range d.tmp {
			d.fields(f.Raw, f.Off, d.tmp[i].Depth, d.tmp[i].Field)
			if bad := d.tmp[i].Bad; bad != "" {
				d.a.Alarm(bad)
			}
		}
		if header.Masked {
			name += " unmasked" // in the text; the bytes are those of the wire
		}
	}
	d.payload(f.Raw, end, end+h.Length, 0, name, header)
	for id := range f.Issues.All() {
		d.a.Alarm(id.String() + ": " + id.Info().Title)
	}
	d.a.Gap()
}

func (d *dumper) declared(r *record.Declared) {
	what := r.Framing
	if r.FrameKind != "" {
		what += "  " + r.FrameKind
	}
	length := max(r.Length, 0)
	if r.Length < 0 {
		length = r.Captured
	}
	what += fmt.Sprintf("  %d + %d", r.Size, length)
	if r.Trailer > 0 {
		what += fmt.Sprintf(" + %d", r.Trailer)
	}
	d.title(&r.Head, r.Off, what+" bytes")
	body := r.Off + int64(r.Size)
	used := 0 // of the payload, by fields
	all := r.Fields()
	shown := false
	rest := func() {
		if !shown {
			shown = true
			name := r.Header.PayloadName()
			if r.Header.Masked {
				name += " unmasked"
			}
			d.payload(r.Raw, body+int64(used), body+length, int64(used), name, r.Header)
		}
	}
	for i := range all {
		f := &all[i]
		depth := f.Depth
		switch {
		case f.Payload:
			if d.mode < 0 {
				continue
			}
			used = max(used, min(f.Off+f.Len-r.Size, int(min(length, framing.PreviewBytes))))
			depth++
		case f.Off >= r.Size:
			rest()
		}
		shownField := f.Field.Field
		for j := range r.Checks {
			if k := &r.Checks[j]; k.Name == f.Name {
				shownField.Value += " " + k.String()
			}
		}
		d.fields(r.Raw, r.Off, depth, shownField)
		if f.Bad != "" {
			d.a.Alarm(f.Bad)
		}
	}
	rest()
	for id := range r.Issues.All() {
		d.a.Alarm(id.String() + ": " + id.Info().Title)
	}
	d.a.Gap()
}
