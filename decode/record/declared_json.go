package record

import "encoding/hex"

// appendDeclared appends d, whose head appendHead takes. As frames of WebSocket
// these are written out by hand; TestDeclaredJSON holds it to what the registry
// says.
func (o *Options) appendDeclared(dst []byte, d *Declared) []byte {
	dst = append(o.appendHead(dst, TypeDeclared, &d.Head), `},"frame":{`...)
	if d.Framing != "" {
		dst = appendText(dst, `"framing"`, d.Framing)
	}
	if d.FrameKind != "" {
		dst = appendText(dst, `"kind"`, d.FrameKind)
	}
	dst = appendInt(append(dst, `"offset":`...), d.Off)
	dst = appendInt(append(dst, `,"header_bytes":`...), int64(d.Size))
	if d.Length >= 0 {
		dst = appendInt(append(dst, `,"payload_bytes":`...), d.Length)
	}
	if d.Trailer != 0 {
		dst = appendInt(append(dst, `,"trailer_bytes":`...), int64(d.Trailer))
	}
	if d.Captured != d.Length {
		dst = appendInt(append(dst, `,"captured_bytes":`...), d.Captured)
	}
	if d.Ended {
		dst = append(dst, `,"ended":true`...)
	}
	dst = append(dst, `,"fields":[`...)
	fields := d.Fields()
	for i := range fields {
		dst = appendNamed(dst, &fields[i])
	}
	dst = closeList(dst)
	if k := d.check(); k != nil {
		switch {
		case k.Unknown:
			dst = append(dst, `"checksum":{"found":"`...)
		case k.OK():
			dst = append(dst, `"checksum":{"ok":true,"found":"`...)
		default:
			dst = append(dst, `"checksum":{"ok":false,"found":"`...)
		}
		dst = hex.AppendEncode(dst, appendSum(d.sums[:0], k.Found, k.Len))
		if !k.Unknown {
			dst = append(dst, `","expected":"`...)
			dst = hex.AppendEncode(dst, appendSum(d.sums[:0], k.Computed, k.Len))
		}
		dst = append(dst, `"},`...)
	}
	if o.Payload >= 0 {
		dst = o.appendShown(dst, d.Payload, d.Text, d.More)
	}
	return appendIssues(dst, &d.Issues)
}

// appendNamed appends a field of a frame, and a comma.
func appendNamed(dst []byte, f *Named) []byte {
	dst = appendText(append(dst, '{'), `"name"`, f.Name)
	dst = appendText(dst, `"value"`, f.Value)
	if f.Numeric && f.Number < 1<<63 {
		dst = append(appendInt(append(dst, `"number":`...), int64(f.Number)), ',')
	}
	dst = appendInt(append(dst, `"offset":`...), int64(f.Off))
	dst = appendInt(append(dst, `,"length":`...), int64(f.Len))
	if f.Bits > 0 {
		dst = appendInt(append(dst, `,"bit":`...), int64(f.Bit))
		dst = appendInt(append(dst, `,"bits":`...), int64(f.Bits))
	}
	if f.Bad != "" {
		dst = appendText(append(dst, ','), `"bad"`, f.Bad)
		dst = dst[:len(dst)-1]
	}
	return append(dst, `},`...)
}
