package record

import (
	"sync"

	"framescope/decode/finding"
	"framescope/decode/websocket"
)

// Frames are by far the most frequent records: their JSON is written out here
// by hand. TestFrameJSON holds it to what the registry says.

// frameHeads hold how the JSON of a frame begins behind its packets, by the
// first byte of its header and the MASK bit: everything up to the mask, or to
// the length where there is none.
var frameHeads = sync.OnceValue(func() *[2][256]string {
	var all [2][256]string
	word := [...]string{"false", "true"}
	for b := range 256 {
		s := `},"websocket":{"opcode":"` + websocket.Opcode(b&15).String() + `","fin":` + word[b>>7] +
			`,"rsv":` + string(rune('0'+b>>4&7)) + `,"masked":`
		all[0][b] = s + `false,"bytes":`
		all[1][b] = s + `true,"mask":"`
	}
	return &all
})

// appendHead appends what frames begin with, up to the number of the last packet.
// The packets have numbers, and the connection is prepared.
func (o *Options) appendHead(dst []byte, t Type, f *Head) []byte {
	dst = append(o.appendStart(dst, t, f.Time), f.Conn.prefix...)
	switch f.Direction {
	case Client:
		dst = append(dst, `"direction":"client","packet":{"first":`...)
	case Server:
		dst = append(dst, `"direction":"server","packet":{"first":`...)
	default:
		dst = append(dst, `"packet":{"first":`...)
	}
	first := len(dst)
	dst = appendInt(dst, f.First)
	same := dst[first:]
	dst = append(dst, `,"last":`...)
	if f.Last == f.First {
		return append(dst, same...)
	}
	return appendInt(dst, f.Last)
}

// appendFrame appends f, whose head appendHead takes.
func (o *Options) appendFrame(dst []byte, f *Frame) []byte {
	dst = o.appendHead(dst, TypeFrame, &f.Head)
	h := &f.Header
	b := uint8(h.Opcode&15) | h.RSV<<4&0x70
	if h.Fin {
		b |= 0x80
	}
	if h.Masked {
		dst = append(dst, frameHeads()[1][b]...)
		m := &h.Mask
		dst = append(dst, digits[m[0]>>4], digits[m[0]&15], digits[m[1]>>4], digits[m[1]&15],
			digits[m[2]>>4], digits[m[2]&15], digits[m[3]>>4], digits[m[3]&15])
		dst = append(dst, `","bytes":`...)
	} else {
		dst = append(dst, frameHeads()[0][b]...)
	}
	dst = appendInt(dst, h.Length)
	if f.Inflated != 0 {
		dst = appendInt(append(dst, `,"inflated_bytes":`...), f.Inflated)
	}
	dst = appendInt(append(dst, `,"offset":`...), f.Off)
	if f.Subflow != 0 {
		dst = appendInt(append(dst, `,"subflow":`...), int64(f.Subflow))
	}
	if f.Captured != h.Length {
		dst = appendInt(append(dst, `,"captured_bytes":`...), f.Captured)
	}
	if f.Ended {
		dst = append(dst, `,"ended":true`...)
	}
	if h.Opcode == websocket.Pong && f.RTT >= 0 {
		dst = AppendMillis(append(dst, `,"rtt_ms":`...), f.RTT)
	}
	show := o.Payload >= 0 && (f.Payload != nil || f.More)
	if !show && f.Issues.Empty() {
		return append(dst, `,"issues":[]}}`...)
	}
	dst = append(dst, ',')
	if show {
		dst = o.appendShown(dst, f.Payload, f.Text, f.More)
	}
	return appendIssues(dst, &f.Issues)
}

// appendShown appends what is shown of a payload, and whether there is more.
func (o *Options) appendShown(dst, payload []byte, text, more bool) []byte {
	o.cut = false
	if payload != nil {
		dst = o.appendPayload(dst, `"payload"`, payload, text)
	}
	if more || o.cut {
		dst = append(dst, `"payload_more":true,`...)
	}
	return dst
}

// appendIssues appends the issues of a frame, and ends it.
func appendIssues(dst []byte, all *finding.Set) []byte {
	if all.Empty() {
		return append(dst, `"issues":[]}}`...)
	}
	dst = append(dst, `"issues":[`...)
	for id := range all.All() {
		dst = append(append(append(dst, '"'), id.String()...), `",`...)
	}
	dst[len(dst)-1] = ']'
	return append(dst, `}}`...)
}
