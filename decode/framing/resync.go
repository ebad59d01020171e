package framing

import (
	"bytes"
)

// Skip passes over bytes after an error, until a header may begin: where there
// is a magic of the framing. It returns how many bytes of b it took. If it found
// a place, the next call of Decode goes on with b[n:]; else all of b is taken and
// Skip wants more. Without a magic nothing is found.
func (d *Decoder) Skip(b []byte) (n int, found bool) {
	d.start()
	magics := d.magics()
	if d.err == nil {
		return 0, true
	}
	if len(magics) == 0 {
		return len(b), false
	}
	// What was taken and not decoded comes first.
	off := d.d.Offset()
	d.keep = append(d.keep[:0], d.d.Partial()...)
	d.keep = append(d.keep, d.pre[d.preAt:]...)
	d.pre, d.keep, d.preAt = d.keep, d.pre, 0
	longest := 0
	for _, m := range magics {
		longest = max(longest, len(m))
	}
	from := d.bad
	if from < len(d.pre) {
		own := len(d.pre)
		if at := first(d.pre, from, magics); at >= 0 {
			d.resume(off, at)
			return 0, true
		}
		// A magic may begin in pre and end in b.
		d.pre = append(d.pre, b[:min(len(b), longest-1)]...)
		at := first(d.pre, from, magics)
		if at >= 0 && at < own {
			d.pre = d.pre[:own]
			d.resume(off, at)
			return 0, true
		}
		if at < 0 && len(b) < longest-1 {
			d.wait(off, max(from, len(d.pre)-(longest-1)))
			return len(b), false
		}
		from = own
		d.pre = d.pre[:own]
	}
	// The search goes on in b, which begins own bytes behind off.
	own := len(d.pre)
	from -= own
	if from >= len(b) {
		d.pre, d.preAt = d.pre[:0], 0
		d.d.Resume(off + int64(own+len(b)))
		d.bad = from - len(b)
		return len(b), false
	}
	if at := first(b, from, magics); at >= 0 {
		d.pre = d.pre[:0]
		d.d.Resume(off + int64(own+at))
		d.err, d.bad = nil, 0
		return at, true
	}
	keep := max(from, len(b)-(longest-1))
	d.pre = append(d.pre[:0], b[keep:]...)
	d.d.Resume(off + int64(own+keep))
	d.preAt, d.bad = 0, 0
	return len(b), false
}

// wait keeps what is in pre from at on.
func (d *Decoder) wait(off int64, at int) {
	at = min(at, len(d.pre))
	d.d.Resume(off + int64(at))
	d.pre = d.pre[:copy(d.pre, d.pre[at:])]
	d.bad = 0
}

// resume goes on with the header at pre[at:].
func (d *Decoder) resume(off int64, at int) {
	d.d.Resume(off + int64(at))
	d.preAt, d.bad, d.err = at, 0, nil
}

func (d *Decoder) magics() [][]byte {
	if d.Framing == nil {
		return nil
	}
	return d.Framing.magics
}

// first returns where the first of the magics is in b[from:], or -1. It looks
// ahead by steps, so that a magic that is rare costs no more than the way to one
// that is not.
func first(b []byte, from int, magics [][]byte) int {
	for step := 256; from < len(b); step *= 2 {
		best, to := -1, min(len(b), from+step)
		for _, m := range magics {
			end := min(len(b), to+len(m)-1)
			if best >= 0 {
				end = min(end, best+len(m)-1)
			}
			if from > end {
				continue
			}
			if i := bytes.Index(b[from:end], m); i >= 0 {
				best = from + i
			}
		}
		if best >= 0 {
			return best
		}
		from = to
	}
	return -1
}
