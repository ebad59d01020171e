package inflate

import (
	"encoding/binary"
	"errors"
)

var errDistance = errors.New("it reaches back beyond the beginning of the data")

// symbols decodes literals and matches from src[i:] to the window. It returns
// where it stopped, and false if it needs more input, there is an error, or
// the window is full up to stop.
func (z *Inflater) symbols(src []byte, i, stop int) (int, bool) {
	bits, n := z.bits, z.n
	buf, w := z.buf, z.w
	far := z.far
	lit, dist := &z.codes.lit, &z.codes.dist
	more := false
	for w < stop {
		// A literal or length with its distance has at most 48 bits. Near the
		// end of src fewer may be there: then nothing of it is taken.
		if n < 48 {
			i, bits, n = refill(src, i, bits, n)
		}
		e := lit[bits&(1<<litBits-1)]
		if int32(e) < 0 {
			l := uint(e & 63)
			if l > n {
				break
			}
			bits >>= l
			n -= l
			buf[w] = byte(e >> 16)
			w++
			continue
		}
		held, heldN := bits, n
		if e&special != 0 {
			if e&table != 0 {
				bits >>= litBits
				k := e>>16 + uint32(bits)&(1<<(e>>8&15)-1)
				if k >= litSize || n < litBits {
					bits = held
					break
				}
				n -= litBits
				e = lit[k]
			}
			l := uint(e & 63)
			if l > n {
				bits, n = held, heldN
				break
			}
			if int32(e) < 0 {
				bits >>= l
				n -= l
				buf[w] = byte(e >> 16)
				w++
				continue
			}
			if e&end != 0 {
				bits >>= l
				n -= l
				more = true
				break
			}
			if e&special != 0 {
				z.fail(z.at(i, heldN), "literal or length", errNoCode)
				break
			}
		}
		l := uint(e & 63)
		if l > n {
			bits, n = held, heldN
			break
		}
		length := int(e>>16) + int(bits&(1<<l-1)>>(e>>8&15))
		bits >>= l
		n -= l

		e = dist[bits&(1<<distBits-1)]
		if e&special != 0 {
			if e&table != 0 {
				k := e>>16 + uint32(bits>>distBits)&(1<<(e>>8&15)-1)
				if k >= distSize || n < distBits {
					bits, n = held, heldN
					break
				}
				bits >>= distBits
				n -= distBits
				e = dist[k]
			}
			if e&special != 0 {
				if uint(e&63) <= n {
					z.fail(z.at(i, n), "distance", errNoCode)
				}
				bits, n = held, heldN
				break
			}
		}
		l = uint(e & 63)
		if l > n {
			bits, n = held, heldN
			break
		}
		d := int(e>>16) + int(bits&(1<<l-1)>>(e>>8&15))
		if d > w {
			err := errDistance
			if z.lost {
				err = ErrHistory
			}
			z.fail(z.at(i, n), "distance", err)
			bits, n = held, heldN
			break
		}
		bits >>= l
		n -= l
		if d > far {
			far = d
		}
		match(buf, w, d, length)
		w += length
	}
	z.w = w
	z.far = far
	z.keep(bits, n)
	if more {
		z.endBlock()
	}
	return i, more
}

// match copies n bytes from d before buf[w] to buf[w], where each byte may be
// one that was just copied. It may write up to 31 bytes more.
func match(buf []byte, w, d, n int) {
	from := w - d
	if d >= 8 {
		if n <= 16 {
			binary.LittleEndian.PutUint64(buf[w:], binary.LittleEndian.Uint64(buf[from:]))
			binary.LittleEndian.PutUint64(buf[w+8:], binary.LittleEndian.Uint64(buf[from+8:]))
			return
		}
		if d >= n {
			copy(buf[w:w+n], buf[from:from+n])
			return
		}
		words(buf, w, from, n)
		return
	}
	if d == 1 {
		v := uint64(buf[from]) * 0x0101010101010101
		for end := w + n; w < end; w += 32 {
			b := buf[w : w+32 : w+32]
			binary.LittleEndian.PutUint64(b, v)
			binary.LittleEndian.PutUint64(b[8:], v)
			binary.LittleEndian.PutUint64(b[16:], v)
			binary.LittleEndian.PutUint64(b[24:], v)
		}
		return
	}
	for range 8 {
		buf[w] = buf[from]
		w++
		from++
	}
	if n > 8 {
		// What comes next is also a multiple of d before.
		words(buf, w, w-(7+d)/d*d, n-8)
	}
}

// words copies n bytes, 8 at a time, from at least 8 before.
func words(buf []byte, w, from, n int) {
	for end := w + n; w < end; w += 8 {
		binary.LittleEndian.PutUint64(buf[w:], binary.LittleEndian.Uint64(buf[from:]))
		from += 8
	}
}
