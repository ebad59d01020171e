package framing

import (
	"fmt"

	"framescope/decode/frame"
)

// An op is a step on the way to the end of a header: a field that matters for
// that, or bytes that do not.
type op struct {
	skip int // bytes to pass over; then f is nil
	f    *field
	// set, if not nil, is what a field of one byte may be.
	set *byteSet
	// bits says that others refer to bits of the field.
	bits bool
}

// compileOps makes the steps of a list of fields.
func compileOps(fields []field) (ops []op) {
	for i := range fields {
		f := &fields[i]
		if f.fixed() && !f.matters() {
			if n := len(ops); n > 0 && ops[n-1].f == nil {
				ops[n-1].skip += f.size
			} else {
				ops = append(ops, op{skip: f.size})
			}
			continue
		}
		o := op{f: f}
		if f.kind == kindUint && f.size == 1 {
			o.set = newByteSet(f)
		}
		for j := range f.bits {
			o.bits = o.bits || f.bits[j].slot >= 0
		}
		ops = append(ops, o)
	}
	return ops
}

// matters reports whether the end of the frame, or whether it is one, depends on
// the value of f.
func (f *field) matters() bool {
	strict := f.strict
	used := f.slot >= 0 || f.equals != nil || f.min > 0 || f.max > 0 || f.counts != countNothing || f.when != nil
	for _, b := range f.bits {
		strict = strict || b.strict
		used = used || b.slot >= 0
	}
	return used || strict
}

// measure finds the end of the header at the start of b, and of its payload.
func (fr *Framing) measure(b []byte, h *Header, from Direction) (size int, payload int64, err error) {
	var other error
	start := 0
	if fr.starts != nil && len(b) > 0 {
		start = int(fr.starts[b[0]])
	}
	for i := start; i < len(fr.variants); i++ {
		v := &fr.variants[i]
		if v.from != Either && !v.sent(from, h) {
			continue
		}
		if n := len(v.lead); n <= len(b) && string(b[:n]) != string(v.lead) {
			other = errOther
			continue
		}
		if v.fast != nil {
			if size, payload, ok := v.fast.measure(b, h); ok {
				h.variant = uint8(i)
				return size, payload, nil
			}
		}
		size, payload, err = v.measure(fr, b, h)
		if err == errOther {
			other = err
			continue
		}
		h.variant = uint8(i)
		if err == frame.ErrShort && len(b) >= fr.maxHeader {
			return 0, 0, fr.fault(0, len(b), "header", "is longer than %d bytes", fr.maxHeader)
		}
		return size, payload, err
	}
	for i := range start { // the first byte is of none of these
		if fr.variants[i].sent(from, h) {
			other = errOther
		}
	}
	if other == nil {
		return 0, 0, fr.fault(0, 1, "header", "%s sends no frames", from)
	}
	// The last one that the direction allows was not the last of all.
	return 0, 0, fr.fault(0, min(len(b), 1), "header", "found %s, expected one of: %s", hexText(b, 1), fr.expected())
}

// sent reports whether v can be where h is, in a stream of that side.
func (v *variant) sent(from Direction, h *Header) bool {
	if v.from != from && v.from != Either && (from != Either || v.sided) {
		return false
	}
	return v.before == 0 || h.progress != nil && h.progress.at < v.before
}

// errOther says that bytes are not of a variant.
var errOther = fmt.Errorf("another variant")

func (fr *Framing) expected() string {
	var s []byte
	for i := range fr.variants {
		if i > 0 {
			s = append(s, ", "...)
		}
		s = append(s, fr.variants[i].name...)
	}
	return string(s)
}

// measure is the measure of one variant. A constant that differs in the first
// v.commit bytes is no error but errOther, also when b ends inside it.
func (v *variant) measure(fr *Framing, b []byte, h *Header) (size int, total int64, err error) {
	vals := &h.vals
	clear(vals[:v.slots])
	var (
		body    int64
		counted *field
		cOff    int
		what    count
		after   int // the place behind the length
	)
	pos := 0
	for i := range v.ops {
		o := &v.ops[i]
		f := o.f
		if f == nil {
			pos += o.skip
			continue
		}
		if f.when != nil && !f.when.holds(vals) {
			continue
		}
		var val uint64
		start, sure := pos, false // sure says that val is allowed
		if f.kind == kindUint {
			end := pos + f.size
			if f.equals != nil {
				if ok, differs := f.constant(b, pos); !ok {
					switch {
					case differs < v.commit:
						return 0, 0, errOther
					case len(b) < end:
						return 0, 0, frame.ErrShort
					}
					return 0, 0, f.mismatch(fr, b, pos)
				}
			}
			if len(b) < end {
				return 0, 0, frame.ErrShort
			}
			if f.size == 1 {
				val = uint64(b[pos])
			} else {
				val = load(b[pos:end], f.little)
			}
			sure = o.set != nil && o.set[byte(val)]
			for j := range f.bits {
				if sure && !o.bits {
					break
				}
				bf := &f.bits[j]
				if bf.slot >= 0 {
					vals[bf.slot] = bf.value(val, f.size)
				}
				if bf.strict && !sure {
					if _, ok := bf.names[bf.value(val, f.size)]; !ok {
						return 0, 0, fr.fault(pos, f.size, bf.name, "found %s, expected %s", numberText(bf.value(val, f.size), nil, bf.show, 1), known(bf.names, bf.show, 1))
					}
				}
			}
			pos = end
		} else if val, pos, err = v.read(fr, f, b, pos, vals, h.progress, false); err != nil {
			return 0, 0, err
		}
		if f.slot >= 0 {
			vals[f.slot] = val
		}
		if val == absent && f.optional {
			continue
		}
		if !sure {
			if f.max > 0 && val > f.max {
				return 0, 0, fr.fault(start, pos-start, f.name, "%d exceeds max %d", val, f.max)
			}
			if val < f.min {
				return 0, 0, fr.fault(start, pos-start, f.name, "%d is less than min %d", val, f.min)
			}
			if f.strict {
				if _, ok := f.names[val]; !ok {
					return 0, 0, fr.fault(start, pos-start, f.name, "found %s, expected %s", numberText(val, nil, f.show, f.size), known(f.names, f.show, f.size))
				}
			}
		}
		if f.counts != countNothing {
			if val > limitPayload {
				return 0, 0, fr.fault(start, pos-start, f.name, "%d exceeds max %d", val, v.maxPayload)
			}
			body = int64(val)
			if f.times > 1 {
				body *= f.times
			}
			body += f.plus
			counted, cOff, what, after = f, start, f.counts, pos
		}
	}
	if len(b) < pos {
		return 0, 0, frame.ErrShort
	}
	h.Size, h.Trailer, h.pad = pos, v.trailerSize, 0
	h.Masked = false
	if v.payload.close && counted == nil {
		h.Length = -1
		return pos, endless, nil
	}
	if counted != nil {
		if what != countPayload {
			behind := pos + v.trailerSize
			if what == countRest {
				behind -= after
			}
			if body < int64(behind) {
				err := fr.fault(cOff, max(after-cOff, 1), counted.name, "%d is less than the %d bytes of header and trailer that it counts", body, behind)
				return 0, 0, examined(err, pos)
			}
			body -= int64(behind)
		} else if body < 0 {
			return 0, 0, examined(fr.fault(cOff, max(after-cOff, 1), counted.name, "a payload of %d bytes", body), pos)
		}
		if body > v.maxPayload {
			return 0, 0, examined(fr.fault(cOff, max(after-cOff, 1), counted.name, "%d exceeds max %d", body, v.maxPayload), pos)
		}
	}
	h.Length = body
	total = body + int64(v.trailerSize)
	if v.align > 1 {
		if r := int((int64(pos) + total) % int64(v.align)); r != 0 {
			h.pad = uint8(v.align - r)
			h.Trailer += v.align - r
			total += int64(v.align - r)
		}
	}
	return pos, total, nil
}

// endless is the length of a payload that the end of the stream ends.
const endless = 1<<63 - 1

// absent is the value of a path that is not there.
const absent = 1<<64 - 1

// constant reports whether the constant of f is at b[pos]. differs is the place
// of the first byte that is another, which may be there before all of it is; it
// is beyond b where there is none.
func (f *field) constant(b []byte, pos int) (ok bool, differs int) {
	const none = 1 << 30
	if pos >= len(b) {
		return false, none
	}
	have := b[pos:min(pos+len(f.equals), len(b))]
	if f.mask == nil && string(have) == string(f.equals[:len(have)]) {
		return len(have) == len(f.equals), none
	}
	for i, c := range have {
		if f.mask != nil {
			c &= f.mask[i]
		}
		if c != f.equals[i] {
			return false, pos + i
		}
	}
	return len(have) == len(f.equals), none
}
