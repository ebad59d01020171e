package main

import (
	"errors"
	"fmt"
	"io"

	"framescope/cmd/framescope/internal/output"
	"framescope/decode"
	"framescope/decode/dump"
	"framescope/decode/framing"
	"framescope/decode/websocket"
)

// A framePrinter shows what a framing says about bytes.
type framePrinter interface {
	// begin begins a frame, fields are those of its header.
	begin(n int64, c *framing.Chunk, fields []framing.Field)
	// fields are those at the start of the payload, whose bytes are b.
	payload(c *framing.Chunk, off int64, fields []framing.Field, b []byte)
	// data are payload bytes; plain is what they say.
	data(c *framing.Chunk, raw, plain []byte)
	end(c *framing.Chunk, trailer []framing.Field)
	fault(err *decode.Error, around []byte, off int64, extent int)
	// skipped says that bytes were not decoded; to is -1 where it is not known how
	// many.
	skipped(from, to int64)
	flush() error // before more is waited for
	close(frames, bytes int64, faults int) error
}

// kept is how much of the input before the current place is there for a mark.
const kept = 256

// A frameDump takes the input through a framing to a printer.
type frameDump struct {
	d       framing.Decoder
	p       framePrinter
	base    int64 // offset of the first byte that is decoded
	frames  int64
	end     int64 // of what was decoded, or given up
	lost    bool
	first   []byte        // the beginning of a payload that has fields
	held    bool          // first is not complete
	chunk   framing.Chunk // the first one of the frame
	plain   []byte
	fields  []framing.Field
	faults  int
	err     error
	inside  bool   // a frame was begun and has not ended
	in      int64  // the frame that the first fault is in; 0: it is in none
	before  int64  // frames before the first fault
	resumed int64  // where decoding went on after the first fault; -1: nowhere
	start   []byte // what the input begins with
	window  []byte
	at      int64 // offset of window
}

// dumpFrames shows the frames of the input.
func dumpFrames(std stdio, f *hexdumpFlags, fr *framing.Framing, r io.Reader, name string, width int, color bool) error {
	from := map[string]framing.Direction{"": framing.Either, "client": framing.Client, "server": framing.Server}[f.from]
	fd := frameDump{d: framing.Decoder{Framing: fr, From: from, Resync: true}, base: int64(f.offset), resumed: -1}
	if f.format == "json" {
		fd.p = newFrameJSON(std.out, fr, f.payload, int64(f.offset))
	} else {
		fd.p = newFrameText(std.out, f, width, color)
	}
	buf := make([]byte, kept+64<<10)
	n := 0
	var readErr error
	for readErr == nil {
		keep := min(n, kept)
		copy(buf, buf[n-keep:n])
		if err := fd.p.flush(); err != nil {
			return fmt.Errorf("standard output: %w", err)
		}
		var k int
		k, readErr = r.Read(buf[keep:])
		fd.at += int64(n - keep)
		n = keep + k
		if len(fd.start) < startBytes {
			fd.start = append(fd.start, buf[keep:n][:min(k, startBytes-len(fd.start))]...)
		}
		fd.window = buf[:n]
		fd.feed(buf[keep:n])
		if fd.lost && len(fr.Magics()) == 0 {
			break // nothing says where to go on
		}
	}
	total := fd.at + int64(n)
	switch {
	case !fd.lost:
		fd.flush()
		if err := fd.d.Close(); err != nil {
			fd.fault(err)
		}
	case errors.Is(readErr, io.EOF):
		fd.p.skipped(fd.base+fd.end, fd.base+total)
	default:
		fd.p.skipped(fd.base+fd.end, -1)
	}
	if err := fd.p.close(fd.frames, total, fd.faults); err != nil {
		return fmt.Errorf("standard output: %w", err)
	}
	if readErr != nil && !errors.Is(readErr, io.EOF) {
		return explainBytes(name, readErr)
	}
	if fd.err == nil {
		return nil
	}
	hint := "before it: " + output.Count(fd.before, "frame", "frames")
	if fd.in > 0 {
		hint = fmt.Sprintf("in frame %d of %d", fd.in, fd.frames)
	}
	if fd.resumed >= 0 {
		hint += fmt.Sprintf("; decoding went on at the next magic, offset %d", fd.resumed)
	}
	if fd.faults > 1 {
		hint += "; " + output.Count(int64(fd.faults-1), "more error", "more errors")
	}
	if other := otherInput(fd.start); other != "" {
		hint += "\n  " + other
	}
	if from == framing.Either && fr.Sided() {
		hint += "\n  say who sent the bytes: --dir client or --dir server"
	}
	return hinted{fd.err, hint}
}

// feed decodes bytes.
func (fd *frameDump) feed(b []byte) {
	for c, err := range fd.d.Decode(b) {
		if err != nil {
			fd.flush()
			fd.fault(err)
			fd.lost, fd.inside = true, false
			fd.end = fd.d.Offset()
			continue
		}
		if c.First {
			if fd.lost {
				fd.p.skipped(fd.base+fd.end, fd.base+c.HeaderOff)
				if fd.resumed < 0 {
					fd.resumed = fd.base + c.HeaderOff
				}
			}
			fd.lost, fd.inside = false, true
			fd.frames++
			fd.fields = c.Header.AppendFields(fd.fields[:0])
			fd.p.begin(fd.frames, c, fd.fields)
			fd.first, fd.held = fd.first[:0], true
			fd.chunk = *c
		}
		fd.payload(c)
		if c.Last {
			fd.fields = c.Header.AppendTrailerFields(fd.fields[:0], c.Trailer)
			fd.p.end(c, fd.fields)
			for i := range c.Checks {
				if err := c.Checks[i].Err(fd.d.Framing); err != nil {
					fd.fault(err)
				}
			}
			fd.inside = false
		}
		fd.end = fd.d.Offset()
	}
}

// payload hands payload bytes on. The first are held until the fields at the
// start of the payload can be told.
func (fd *frameDump) payload(c *framing.Chunk) {
	data, pos := c.Data, c.Pos
	if fd.held {
		k := min(len(data), framing.PreviewBytes-len(fd.first))
		fd.first = append(fd.first, data[:k]...)
		if len(fd.first) < framing.PreviewBytes && !c.Last {
			return
		}
		fd.flush()
		data, pos = data[k:], pos+int64(k)
	}
	fd.hand(c, data, pos)
}

// flush hands on what is held of a payload.
func (fd *frameDump) flush() {
	if !fd.held {
		return
	}
	fd.held = false
	c := &fd.chunk
	fd.fields = c.Header.AppendPayloadFields(fd.fields[:0], fd.first)
	fd.p.payload(c, c.HeaderOff+int64(c.Header.Size), fd.fields, fd.first)
	used := 0
	for _, f := range fd.fields {
		used = max(used, f.Off+f.Len)
	}
	used = min(used, len(fd.first))
	fd.hand(c, fd.first[used:], int64(used))
}

func (fd *frameDump) hand(c *framing.Chunk, data []byte, pos int64) {
	if len(data) == 0 {
		return
	}
	plain := data
	if c.Header.Masked {
		fd.plain = append(fd.plain[:0], data...)
		websocket.Unmask(fd.plain, fd.plain, c.Header.Mask, pos)
		plain = fd.plain
	}
	fd.p.data(c, data, plain)
}

// fault shows an error of the framing.
func (fd *frameDump) fault(err error) {
	var e *decode.Error
	if !errors.As(err, &e) {
		e = &decode.Error{Layer: fd.d.Framing.Name(), Off: fd.d.Offset(), Err: err}
	}
	shown := *e
	shown.Off += fd.base
	around := fd.window
	off := fd.at
	if cut := e.Off - fd.at - kept; cut > 0 && cut < int64(len(around)) {
		around, off = around[cut:], off+cut
	}
	fd.p.fault(&shown, around, fd.base+off, framing.Extent(err))
	if fd.faults++; fd.err == nil {
		fd.err = &shown
		if fd.before = fd.frames; fd.inside {
			fd.in = fd.frames
		}
	}
}

// A frameText is the annotated dump.
type frameText struct {
	out   io.Writer
	a     dump.Annotator
	base  int64
	mode  string
	open  bool // a run of payload bytes was begun
	begun bool
	off   int64 // behind the fields of the payload
}

func newFrameText(out io.Writer, f *hexdumpFlags, width int, color bool) *frameText {
	cols := f.columns
	if cols == 0 {
		if cols = 8; width >= 120 {
			cols = 16
		}
	}
	t := &frameText{out: out, base: int64(f.offset), mode: f.payload}
	t.a = dump.Annotator{W: out, Columns: cols, Width: width, Color: color}
	if f.payload == "full" || f.all {
		t.a.Rows = -1
	}
	return t
}

func (t *frameText) begin(n int64, c *framing.Chunk, fields []framing.Field) {
	if t.begun {
		t.a.Gap()
	}
	t.begun, t.open = true, false
	title := fmt.Sprintf("frame %d", n)
	if k := c.Header.Kind(); k != "" {
		title += "  " + k
	}
	title += fmt.Sprintf("  %d + ", c.Header.Size)
	switch {
	case c.Header.Length < 0:
		title += "all that follows"
	case c.Header.Trailer > 0:
		title += fmt.Sprintf("%d + %s", c.Header.Length, output.Count(int64(c.Header.Trailer), "byte", "bytes"))
	default:
		title += output.Count(c.Header.Length, "byte", "bytes")
	}
	t.a.Title(t.base+c.HeaderOff, 0, title)
	t.show(fields, t.base+c.HeaderOff, c.Header.Raw(), nil, 0)
	t.off = c.HeaderOff + int64(c.Header.Size)
}

func (t *frameText) show(fields []framing.Field, off int64, b []byte, checks []framing.Check, depth int) {
	for i := range fields {
		f := &fields[i]
		for j := range checks {
			if k := &checks[j]; k.Name == f.Name {
				f.Value += " " + k.String()
			}
		}
		lo, hi := min(f.Off, len(b)), min(f.Off+f.Len, len(b))
		t.a.Field(off+int64(lo), depth+f.Depth, b[lo:hi], f.Field)
		if f.Bad != "" {
			t.a.Alarm(f.Bad)
		}
	}
}

func (t *frameText) payload(c *framing.Chunk, off int64, fields []framing.Field, b []byte) {
	if t.mode == "none" {
		return
	}
	t.show(fields, t.base+off, b, nil, 1)
	for _, f := range fields {
		t.off = max(t.off, off+int64(min(f.Off+f.Len, len(b))))
	}
}

func (t *frameText) data(c *framing.Chunk, raw, plain []byte) {
	if t.mode == "none" {
		return
	}
	if !t.open {
		t.open = true
		name := c.Header.PayloadName()
		if c.Header.Masked {
			name += " unmasked" // in the text; the bytes are those of the wire
		}
		t.a.Begin(t.base+t.off, 0, name)
	}
	t.a.Data(raw, plain)
}

func (t *frameText) end(c *framing.Chunk, trailer []framing.Field) {
	t.finish()
	t.show(trailer, t.base+c.TrailerOff, c.Trailer, c.Checks, 0)
	for i := range c.Checks {
		if k := &c.Checks[i]; k.Off < c.TrailerOff && k.OK() && !k.Unknown {
			t.a.Note(0, k.Name+" is right")
		}
	}
}

func (t *frameText) finish() {
	if t.open {
		t.a.End("")
		t.open = false
	}
}

func (t *frameText) fault(err *decode.Error, around []byte, off int64, extent int) {
	t.finish()
	t.a.Break(err.Error(), around, off, err.Off, err.Off+int64(extent))
	t.begun = true
}

func (t *frameText) skipped(from, to int64) {
	if to < 0 {
		t.a.Alarm(fmt.Sprintf("not decoded from offset %d on", from))
	}
	if n := to - from; n > 0 {
		t.a.Alarm(output.Count(n, "byte", "bytes") + fmt.Sprintf(" not decoded, offset %d to %d", from, to))
	}
}

func (t *frameText) flush() error { return t.a.Flush() }

func (t *frameText) close(frames, bytes int64, faults int) error {
	t.finish()
	if t.begun {
		t.a.Gap()
	}
	line := output.Count(frames, "frame", "frames") + ", " + output.Bytes(bytes)
	if faults > 0 {
		line += "   " + output.Count(int64(faults), "error", "errors")
	}
	t.a.Line(line)
	return t.a.Flush()
}
