package framing

import "encoding/binary"

// A fast is the way to the end of a header that has the same length in all
// frames of a variant: a few loads and comparisons. Whatever it does not find in
// order it leaves to measure, which says what is wrong.
type fast struct {
	size   int // of the header
	trail  int // bytes of the trailer
	consts []fixed
	sets   []byteAt
	off    int // of the length
	bytes  int // of the length; 0 for a frame without one
	little bool
	add    int64 // what to add to the length for that of the payload
	times  int64
	min    uint64
	max    uint64
	total  int64 // the longest payload
}

// A fixed is a constant of up to eight bytes, big-endian.
type fixed struct {
	off, size   int
	mask, value uint64
}

// A byteAt is what the byte of a header at off may be.
type byteAt struct {
	off int
	ok  *byteSet
}

// A byteSet is what a field of one byte may be.
type byteSet [256]bool

func newByteSet(f *field) *byteSet {
	s := new(byteSet)
	for c := range s {
		s[c] = f.allows(byte(c))
	}
	return s
}

// compileStarts finds the variants that a first byte leaves.
func (f *Framing) compileStarts() {
	if len(f.variants) == 1 {
		return
	}
	f.starts = new([256]uint8)
	for c := range f.starts {
		for i := range f.variants {
			if first := &f.variants[i].fields[0]; first.equals != nil && first.when == nil && first.from < 0 {
				if ok, differs := first.constant([]byte{byte(c)}, 0); !ok && differs == 0 && i+1 < len(f.variants) {
					continue
				}
			}
			f.starts[c] = uint8(i)
			break
		}
	}
}

// fixed reports whether f is there in every frame, with the same size.
func (f *field) fixed() bool {
	return f.when == nil && f.from < 0 && (f.kind == kindUint || f.kind == kindBytes || f.kind == kindString)
}

// compileFast makes the fast way, if v has one.
func (v *variant) compileFast() {
	w := &fast{times: 1, trail: v.trailerSize}
	if v.align > 1 || v.payload.close {
		return
	}
	var counted *field
	for i := range v.fields {
		p := &v.fields[i]
		if !p.fixed() {
			return
		}
		if p.counts != countNothing {
			if counted != nil {
				return
			}
			counted = p
			w.off, w.bytes, w.little, w.times = w.size, p.size, p.little, p.times
			w.min, w.max = p.min, p.max
		} else if (p.strict || p.min > 0 || p.max > 0 || strictBits(p)) && p.size > 1 {
			return
		}
		if p.kind == kindUint && p.size == 1 && p.matters() && p.counts == countNothing {
			w.sets = append(w.sets, byteAt{w.size, newByteSet(p)})
		} else if p.equals != nil {
			if p.size > 8 || p.counts != countNothing {
				return
			}
			k := fixed{off: w.size, size: p.size, mask: 1<<(8*p.size-1)<<1 - 1, value: load(p.equals, false)}
			if p.mask != nil {
				k.mask = load(p.mask, false)
			}
			w.consts = append(w.consts, k)
		}
		w.size += p.size
	}
	if counted != nil {
		w.add = counted.plus
		switch counted.counts {
		case countRest:
			w.add -= int64(w.size - w.off - w.bytes + v.trailerSize)
		case countWhole:
			w.add -= int64(w.size + v.trailerSize)
		}
	}
	if w.max == 0 || w.max > limitPayload {
		w.max = limitPayload
	}
	w.total = v.maxPayload
	v.fast = w
}

func strictBits(f *field) bool {
	for i := range f.bits {
		if f.bits[i].strict {
			return true
		}
	}
	return false
}

// allows reports whether a field of one byte may be c.
func (f *field) allows(c byte) bool {
	v := uint64(c)
	if f.equals != nil {
		mask := byte(0xff)
		if f.mask != nil {
			mask = f.mask[0]
		}
		if c&mask != f.equals[0] {
			return false
		}
	}
	if f.strict {
		if _, ok := f.names[v]; !ok {
			return false
		}
	}
	for i := range f.bits {
		if b := &f.bits[i]; b.strict {
			if _, ok := b.names[b.value(v, 1)]; !ok {
				return false
			}
		}
	}
	return v >= f.min && (f.max == 0 || v <= f.max)
}

// measure is Framing.measure where nothing is in the way; it reports false
// where something is.
func (w *fast) measure(b []byte, h *Header) (size int, payload int64, ok bool) {
	if len(b) < w.size {
		return 0, 0, false
	}
	b = b[:w.size]
	for i := range w.consts {
		k := &w.consts[i]
		var v uint64
		if k.size == 4 {
			v = uint64(binary.BigEndian.Uint32(b[k.off:]))
		} else {
			v = load(b[k.off:k.off+k.size], false)
		}
		if v&k.mask != k.value {
			return 0, 0, false
		}
	}
	for i := range w.sets {
		if s := &w.sets[i]; !s.ok[b[s.off]] {
			return 0, 0, false
		}
	}
	var body int64
	if w.bytes > 0 {
		v := load(b[w.off:w.off+w.bytes], w.little)
		if v > w.max || v < w.min {
			return 0, 0, false
		}
		body = int64(v)*w.times + w.add
		if body < 0 || body > w.total {
			return 0, 0, false
		}
	}
	h.Size, h.Length, h.Trailer, h.pad, h.Masked = w.size, body, w.trail, 0, false
	return w.size, body + int64(w.trail), true
}
