package framing

import (
	"fmt"

	"framescope/decode"
)

// A Check is a checksum of a frame.
type Check struct {
	// Name is the field that holds it, Algorithm how it is computed.
	Name, Algorithm string
	// Off is the stream offset of the field, Len its length in bytes.
	Off int64
	Len int
	// Found is what the field says, Computed what the bytes say.
	Found, Computed uint64
	// Unknown says that bytes are missing, so that nothing can be said.
	Unknown bool
}

// OK reports whether nothing speaks against the frame.
func (c *Check) OK() bool { return c.Unknown || c.Found == c.Computed }

// String returns what the check came to: "ok", "wrong, expected 0x0123", or that
// it could not be made.
func (c *Check) String() string {
	switch {
	case c.Unknown:
		return "not checked: bytes are missing"
	case c.OK():
		return "ok"
	}
	return fmt.Sprintf("wrong, expected 0x%0*x", 2*c.Len, c.Computed)
}

// Err returns what is wrong as a *decode.Error of the framing, or nil.
func (c *Check) Err(f *Framing) error {
	if c.OK() {
		return nil
	}
	return f.fault64(c.Off, c.Len, c.Name, "found 0x%0*x, expected 0x%0*x", 2*c.Len, c.Found, 2*c.Len, c.Computed)
}

func (fr *Framing) fault64(off int64, width int, field, format string, args ...any) error {
	return &decode.Error{Layer: fr.name, Off: off, Field: field, Err: &fault{text: fmt.Sprintf(format, args...), width: width}}
}

// beginChecks computes the checksums over the header.
func (d *Decoder) beginChecks(v *variant, h *Header) {
	d.sums = d.sums[:0]
	for i := range v.checks {
		k := &v.checks[i]
		s := k.start
		switch {
		case k.header:
			from, to := 0, len(h.raw)
			if !k.inTrailer {
				from, to = v.span(k.index, h.raw)
			}
			if k.inTrailer {
				s = k.update(s, h.raw)
			} else {
				s = k.update(s, h.raw[:from])
				var zero [8]byte
				s = k.update(s, zero[:to-from])
				s = k.update(s, h.raw[to:])
			}
		default:
			for _, p := range k.parts {
				from, to := v.span(p, h.raw)
				s = k.update(s, h.raw[from:to])
			}
		}
		d.sums = append(d.sums, s)
	}
}

// span returns where the field number i lies in a header.
func (v *variant) span(i int, raw []byte) (from, to int) {
	at := 0
	for j := range v.fields {
		f := &v.fields[j]
		if f.when != nil || f.from >= 0 || f.kind != kindUint && f.kind != kindBytes && f.kind != kindString {
			break
		}
		if j == i {
			return at, at + f.size
		}
		at += f.size
	}
	var vals values
	v.walk(v.fields, raw, &vals, func(f *field, start, end int, _ uint64) bool {
		if f == &v.fields[i] {
			from, to = start, end
			return false
		}
		return true
	})
	return from, to
}

func (d *Decoder) endChecks(v *variant, c *Chunk) {
	d.checks = d.checks[:0]
	for i := range v.checks {
		k := &v.checks[i]
		s := d.sums[i]
		if k.tail > 0 {
			s = k.update(s, d.trailer[k.tailOff:k.tailOff+k.tail])
		}
		out := Check{Name: k.field.name, Algorithm: k.name, Len: k.field.size, Computed: k.end(s), Unknown: d.lost}
		if k.inTrailer {
			out.Off = c.TrailerOff + int64(k.off)
			out.Found = load(d.trailer[k.off:k.off+k.field.size], k.field.little)
		} else {
			from, to := v.span(k.index, c.Header.raw)
			if from == to {
				continue // a field that is not in this frame
			}
			out.Off = c.HeaderOff + int64(from)
			out.Found = load(c.Header.raw[from:to], k.field.little)
		}
		d.checks = append(d.checks, out)
	}
	c.Checks = d.checks
}
