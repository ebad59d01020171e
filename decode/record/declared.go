package record

import (
	"framescope/decode/finding"
	"framescope/decode/framing"
)

// A Declared ("frame") is one frame of a declared framing.
type Declared struct {
	Head
	// Framing is the framing's name, FrameKind the kind of frame as the framing
	// names it, such as "PUBLISH"; it may be empty.
	Framing, FrameKind string
	// Off is the offset of the header in the direction's stream, as that of a
	// Frame.
	Off int64
	// Size is the length of the header in bytes, Length that of the payload, -1
	// if the end of the stream ends it, Trailer that of what follows.
	Size    int
	Length  int64
	Trailer int
	// Captured counts the payload bytes that are in the capture. It is less than
	// Length where bytes are missing or the stream ended first.
	Captured int64
	// Ended says that the stream ended inside the frame.
	Ended bool
	// Checks are the frame's checksums.
	Checks []framing.Check
	// Payload is the beginning of the payload, unmasked; Text says that it is
	// text that can be shown. More says that there is more.
	Payload    []byte
	Text, More bool
	Issues     finding.Set

	// Header, Begin and Trail are what Fields reads: the header, up to
	// framing.PreviewBytes of the payload as they were on the wire, and the bytes
	// behind the payload.
	Header       *framing.Header
	Begin, Trail []byte
	// Redact replaces secrets in the values of fields.
	Redact *Redactor
	// Raw are the bytes of the frame, if Config.Raw of the engine asks for them.
	Raw []Piece

	fields []Named
	got    []framing.Field
	read   bool
	sums   [8]byte // for a checksum that is asked for
}

// A Piece is a run of stream bytes that one packet brought.
type Piece struct {
	// Off is the stream offset of Data, Packet the number of the packet.
	Off, Packet int64
	Data        []byte
}

// A Named is a field of a frame. Its Off counts from the start of the frame.
type Named struct {
	framing.Field
	// Payload is set for a field of the payload.
	Payload bool
}

// Reset makes d ready for the next frame. It keeps the memory of its lists.
func (d *Declared) Reset() {
	*d = Declared{fields: d.fields[:0], got: d.got[:0], Raw: d.Raw[:0]}
}

// Fields returns the fields of the header, of the beginning of the payload, and
// of what follows it. They are worked out when they are asked for first.
func (d *Declared) Fields() []Named {
	if d.read || d.Header == nil {
		return d.fields
	}
	d.read = true
	d.add(d.Header.AppendFields(d.got[:0]), 0, false)
	d.add(d.Header.AppendPayloadFields(d.got[:0], d.Begin), d.Size, true)
	if len(d.Trail) > 0 && d.Length >= 0 {
		d.add(d.Header.AppendTrailerFields(d.got[:0], d.Trail), d.Size+int(min(d.Length, 1<<40)), false)
	}
	return d.fields
}

func (d *Declared) add(fields []framing.Field, off int, payload bool) {
	for i := range fields {
		f := fields[i]
		f.Off += off
		if !f.Numeric && !f.Constant {
			f.Value = d.Redact.Header(f.Name, f.Value)
		}
		d.fields = append(d.fields, Named{f, payload})
	}
	d.got = fields
}

// check returns the checksum to speak of: the first that is wrong, or the first.
func (d *Declared) check() *framing.Check {
	for i := range d.Checks {
		if !d.Checks[i].OK() {
			return &d.Checks[i]
		}
	}
	if len(d.Checks) > 0 {
		return &d.Checks[0]
	}
	return nil
}

// Type returns TypeDeclared.
func (*Declared) Type() Type { return TypeDeclared }
