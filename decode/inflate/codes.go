package inflate

import (
	"encoding/binary"
	"errors"
	"math/bits"
	"sync"
)

var (
	errBadCode = errors.New("the lengths make no prefix code")
	errNoCode  = errors.New("the bits are no code")
)

const (
	litBits    = 10
	distBits   = 8
	lengthBits = 7
	// The most entries that any prefix code of 288 or 32 symbols of up to 15
	// bits needs with tables of these widths; build checks it.
	litSize  = 1334
	distSize = 402
)

// An entry of a decoding table. The low six bits say how many bits to drop:
// those of the code and, of a length or distance, its extra bits. Bits 8 to 11
// are the length of the code alone. From bit 16 on there is the literal, the
// smallest length or distance, or the place of a table for the rest of a long
// code, whose width is then in bits 8 to 11.
const (
	literal = 1 << 31
	special = 1 << 15 // none of literal, length and distance
	table   = 1 << 14
	end     = 1 << 13 // end of block; special without table and end is no code
)

// codes are the two prefix codes of a block, as tables.
type codes struct {
	lit  [litSize]uint32
	dist [distSize]uint32
	lens [286 + 30]uint8
}

// codeOrder is the order of the code length codes (RFC 1951 section 3.2.7).
var codeOrder = [19]uint8{16, 17, 18, 0, 8, 7, 9, 6, 10, 5, 11, 4, 12, 3, 13, 2, 14, 1, 15}

// The smallest lengths and distances and their extra bits (section 3.2.5).
var (
	lengthBase  = [29]uint16{3, 4, 5, 6, 7, 8, 9, 10, 11, 13, 15, 17, 19, 23, 27, 31, 35, 43, 51, 59, 67, 83, 99, 115, 131, 163, 195, 227, 258}
	lengthExtra = [29]uint8{0, 0, 0, 0, 0, 0, 0, 0, 1, 1, 1, 1, 2, 2, 2, 2, 3, 3, 3, 3, 4, 4, 4, 4, 5, 5, 5, 5, 0}
	distBase    = [30]uint16{1, 2, 3, 4, 5, 7, 9, 13, 17, 25, 33, 49, 65, 97, 129, 193, 257, 385, 513, 769, 1025, 1537, 2049, 3073, 4097, 6145, 8193, 12289, 16385, 24577}
	distExtra   = [30]uint8{0, 0, 0, 0, 1, 1, 2, 2, 3, 3, 4, 4, 5, 5, 6, 6, 7, 7, 8, 8, 9, 9, 10, 10, 11, 11, 12, 12, 13, 13}
)

// litEntry returns the entry for a symbol of the literal and length code,
// without the length of its code.
func litEntry(s int) uint32 {
	switch {
	case s < 256:
		return literal | uint32(s)<<16
	case s == 256:
		return special | end
	case s < 257+len(lengthBase):
		return uint32(lengthBase[s-257])<<16 | uint32(lengthExtra[s-257])
	}
	return special
}

func distEntry(s int) uint32 {
	if s < len(distBase) {
		return uint32(distBase[s])<<16 | uint32(distExtra[s])
	}
	return special
}

func lengthEntry(s int) uint32 { return uint32(s) << 16 }

// fixedCodes returns the codes of section 3.2.6, which are never changed.
var fixedCodes = sync.OnceValue(func() *codes {
	c := new(codes)
	var lens [288]uint8
	for i := range lens {
		switch {
		case i < 144:
			lens[i] = 8
		case i < 256:
			lens[i] = 9
		case i < 280:
			lens[i] = 7
		default:
			lens[i] = 8
		}
	}
	build(c.lit[:], litBits, lens[:], litEntry)
	for i := range 32 {
		lens[i] = 5
	}
	build(c.dist[:], distBits, lens[:32], distEntry)
	return c
})

// buildLengths makes c.dist the code for code lengths from c.lens[:19].
func (c *codes) buildLengths() bool {
	return build(c.dist[:], lengthBits, c.lens[:19], lengthEntry)
}

// build makes the tables from c.lens.
func (c *codes) build(nlit, ndist int) (field string, err error) {
	if c.lens[256] == 0 {
		return "literal and length codes", errors.New("there is none for the end of the block")
	}
	if !build(c.lit[:], litBits, c.lens[:nlit], litEntry) {
		return "literal and length codes", errBadCode
	}
	if !build(c.dist[:], distBits, c.lens[nlit:nlit+ndist], distEntry) {
		return "distance codes", errBadCode
	}
	return "", nil
}

// build makes t the decoding table for codes with the given lengths, of which
// 0 means none (section 3.2.2). Its first 1<<width entries are for the next
// width bits of the input; longer codes go on in a table behind these. It
// reports whether the lengths make a prefix code: one that is complete, or has
// a single code of one bit, or none.
func build(t []uint32, width uint, lens []uint8, entry func(int) uint32) bool {
	// Most symbols have no code: look at those that have one only.
	var used [288]uint16
	n := 0
	var count [16]int
	for i := 0; i < len(lens); {
		if i+8 <= len(lens) && binary.LittleEndian.Uint64(lens[i:]) == 0 {
			i += 8
			continue
		}
		if l := lens[i]; l != 0 && n < len(used) {
			count[l&15]++
			used[n] = uint16(i)
			n++
		}
		i++
	}
	var next [16]int
	left, sum := 1, 0
	for l := 1; l < 16; l++ {
		next[l] = sum
		sum += count[l]
		if left = left<<1 - count[l]; left < 0 {
			return false
		}
	}
	if left > 0 {
		if n > 1 || n == 1 && count[1] == 0 {
			return false
		}
		e := uint32(special)
		if n == 1 {
			e = entry(int(used[0]))
		}
		for i := 0; i < 1<<width; i += 2 {
			t[i] = e + 0x101
			t[i+1] = special + 0x101
		}
		return true
	}
	// The symbols in the order of their codes: by length, then by value.
	var order [288]uint16
	for _, s := range used[:n] {
		l := lens[s] & 15
		order[next[l]] = s
		next[l]++
	}
	// code is the next code, its first bit lowest as in the input: counting up
	// works from the highest bit down, and a longer code just has a zero above.
	var code, sub, subWidth uint
	prefix := ^uint(0)
	free := uint(1) << width
	k := 0
	for l := uint(1); l < 16; l++ {
		if l <= width {
			// What is there is for shorter codes, whose next bit is not theirs.
			copy(t[1<<(l-1):1<<l], t[:1<<(l-1)])
		}
		for j := range count[l] {
			e := entry(int(order[k])) + uint32(l)*0x101
			k++
			if l <= width {
				t[code] = e
			} else {
				if p := code & (1<<width - 1); p != prefix {
					// A table as wide as the codes that begin alike need.
					prefix = p
					sub = free
					subWidth = l - width
					have := count[l] - j
					for m := l; have < 1<<subWidth; {
						m++
						subWidth++
						have = have<<1 + count[m]
					}
					free += 1 << subWidth
					if free > uint(len(t)) {
						return false
					}
					t[p] = special | table | uint32(sub)<<16 | uint32(subWidth)<<8 | uint32(width)
				}
				e -= uint32(width) * 0x101
				for i := code >> width; i < 1<<subWidth; i += 1 << (l - width) {
					t[sub+i] = e
				}
			}
			// Add one to the code, from its highest bit down.
			if ones := code ^ (1<<l - 1); ones != 0 {
				b := uint(1) << (bits.Len(ones) - 1)
				code = code&(b-1) | b
			}
		}
	}
	return true
}
