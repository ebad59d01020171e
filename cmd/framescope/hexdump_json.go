package main

import (
	"bufio"
	"bytes"
	"encoding/hex"
	"encoding/json"
	"io"
	"strings"
	"unicode/utf8"

	"framescope/decode"
	"framescope/decode/framing"
	"framescope/decode/websocket"
)

// frameRecord is one frame as JSON.
type frameRecord struct {
	Type    string        `json:"type"`
	Framing string        `json:"framing"`
	Frame   int64         `json:"frame"`
	Kind    string        `json:"kind,omitempty"`
	Offset  int64         `json:"offset"`
	Header  int           `json:"header_bytes"`
	Payload framePayload  `json:"payload"`
	Trailer int           `json:"trailer_bytes,omitempty"`
	Fields  []fieldRecord `json:"fields"`
	Checks  []checkRecord `json:"checks,omitempty"`
}

type framePayload struct {
	Name   string  `json:"name"`
	Offset int64   `json:"offset"`
	Bytes  int64   `json:"bytes"`
	Text   *string `json:"text,omitempty"`
	Hex    *string `json:"hex,omitempty"`
	More   bool    `json:"more,omitempty"` // there is more than is shown
}

type fieldRecord struct {
	Name   string  `json:"name"`
	Offset int64   `json:"offset"`
	Length int     `json:"length"`
	Bit    *int    `json:"bit,omitempty"`
	Bits   int     `json:"bits,omitempty"`
	Value  string  `json:"value,omitempty"`
	Number *uint64 `json:"number,omitempty"`
	Wrong  string  `json:"wrong,omitempty"`
}

type checkRecord struct {
	Name      string `json:"name"`
	Algorithm string `json:"algorithm"`
	Offset    int64  `json:"offset"`
	Found     uint64 `json:"found"`
	Computed  uint64 `json:"computed"`
	OK        bool   `json:"ok"`
}

type faultRecord struct {
	Type    string `json:"type"`
	Framing string `json:"framing"`
	Offset  int64  `json:"offset"`
	Field   string `json:"field"`
	Text    string `json:"text"`
	// Around are the bytes from eight before the offset on.
	Around string `json:"around"`
}

type skipRecord struct {
	Type   string `json:"type"`
	Offset int64  `json:"offset"`
	Bytes  *int64 `json:"bytes"` // null where it is not known
}

type endRecord struct {
	Type   string `json:"type"`
	Frames int64  `json:"frames"`
	Bytes  int64  `json:"bytes"`
	Errors int    `json:"errors"`
}

// maxFramePayload is how much of a payload a record holds with --payload full.
const maxFramePayload = 16 << 20

// A frameJSON writes JSON Lines.
type frameJSON struct {
	w     *bufio.Writer
	enc   *json.Encoder
	fr    *framing.Framing
	base  int64
	limit int
	rec   frameRecord
	shown []byte
	total int64
	err   error
}

func newFrameJSON(out io.Writer, fr *framing.Framing, mode string, base int64) *frameJSON {
	j := &frameJSON{w: bufio.NewWriter(out), fr: fr, base: base}
	j.enc = newEncoder(j.w)
	switch mode {
	case "preview":
		j.limit = previewChars
	case "full":
		j.limit = maxFramePayload
	}
	return j
}

func (j *frameJSON) write(v any) {
	if j.err == nil {
		j.err = j.enc.Encode(v)
	}
}

func (j *frameJSON) begin(n int64, c *framing.Chunk, fields []framing.Field) {
	h := c.Header
	j.rec = frameRecord{Type: "frame", Framing: j.fr.Name(), Frame: n, Kind: strings.ToValidUTF8(h.Kind(), "\ufffd"), Offset: j.base + c.HeaderOff, Header: h.Size, Trailer: h.Trailer, Fields: j.rec.Fields[:0]}
	j.rec.Payload = framePayload{Name: h.PayloadName(), Offset: j.base + c.HeaderOff + int64(h.Size)}
	j.fields(j.rec.Offset, fields)
	j.shown, j.total = j.shown[:0], 0
}

func (j *frameJSON) fields(off int64, fields []framing.Field) {
	for i := range fields {
		f := &fields[i]
		r := fieldRecord{Name: strings.ToValidUTF8(f.Name, "\ufffd"), Offset: off + int64(f.Off), Length: f.Len, Bits: f.Bits, Value: strings.ToValidUTF8(f.Value, "\ufffd"), Wrong: f.Bad}
		if f.Bits > 0 {
			bit := f.Bit
			r.Bit = &bit
		}
		if f.Numeric {
			n := f.Number
			r.Number = &n
		}
		j.rec.Fields = append(j.rec.Fields, r)
	}
}

func (j *frameJSON) payload(c *framing.Chunk, off int64, fields []framing.Field, b []byte) {
	j.fields(j.base+off, fields)
	used := 0
	for _, f := range fields {
		used = max(used, f.Off+f.Len)
	}
	plain := b[:min(used, len(b))]
	if c.Header.Masked {
		plain = bytes.Clone(plain)
		websocket.Unmask(plain, plain, c.Header.Mask, 0)
	}
	j.keep(plain)
}

func (j *frameJSON) keep(b []byte) {
	j.total += int64(len(b))
	j.shown = append(j.shown, b[:min(len(b), max(j.limit+utf8.UTFMax-len(j.shown), 0))]...)
}

func (j *frameJSON) data(_ *framing.Chunk, _, plain []byte) { j.keep(plain) }

func (j *frameJSON) end(c *framing.Chunk, trailer []framing.Field) {
	j.fields(j.base+c.TrailerOff, trailer)
	p := &j.rec.Payload
	p.Bytes = j.total
	if j.limit > 0 && j.total > 0 {
		part := j.shown[:min(len(j.shown), j.limit)]
		p.More = int64(len(part)) < j.total
		if p.More { // not inside a character
			part = websocket.WholeRunes(part)
		}
		if utf8.Valid(part) {
			s := string(part)
			p.Text = &s
		} else {
			s := hex.EncodeToString(part)
			p.Hex = &s
		}
	}
	for i := range c.Checks {
		k := &c.Checks[i]
		j.rec.Checks = append(j.rec.Checks, checkRecord{k.Name, k.Algorithm, j.base + k.Off, k.Found, k.Computed, k.OK()})
	}
	j.write(&j.rec)
}

func (j *frameJSON) fault(err *decode.Error, around []byte, off int64, _ int) {
	at := min(max(err.Off-off-8, 0), int64(len(around)))
	shown := around[at:min(int64(len(around)), at+24)]
	j.write(faultRecord{"error", j.fr.Name(), err.Off, err.Field, strings.ToValidUTF8(err.Err.Error(), "\ufffd"), hex.EncodeToString(shown)})
}

func (j *frameJSON) skipped(from, to int64) {
	switch {
	case to < 0:
		j.write(skipRecord{"skipped", from, nil})
	case to > from:
		n := to - from
		j.write(skipRecord{"skipped", from, &n})
	}
}

func (j *frameJSON) flush() error {
	if j.err == nil {
		j.err = j.w.Flush()
	}
	return j.err
}

func (j *frameJSON) close(frames, bytes int64, faults int) error {
	j.write(endRecord{"summary", frames, bytes, faults})
	return j.flush()
}
