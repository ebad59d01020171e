package pcapfile

import (
	"math"
	"math/bits"
)

// A clock turns the timestamps of a pcapng interface into nanoseconds since
// 1970: if_tsresol and if_tsoffset of draft-ietf-opsawg-pcapng section 4.2.
type clock struct {
	// A timestamp t <= most is t*unit + offset; others need nanos.
	most, unit uint64
	offset     int64 // in nanoseconds
	resolution uint8 // as in if_tsresol
}

const (
	second      = 1_000_000_000
	mostSeconds = math.MaxInt64 / second
)

var tens = [20]uint64{1, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9,
	1e10, 1e11, 1e12, 1e13, 1e14, 1e15, 1e16, 1e17, 1e18, 1e19}

// newClock returns the clock of an interface. The offset is in seconds.
func newClock(resolution uint8, offset int64) clock {
	c := clock{resolution: resolution, offset: min(max(offset, -mostSeconds), mostSeconds) * second}
	if resolution <= 9 {
		c.unit = tens[9-resolution]
		c.most = uint64(math.MaxInt64-max(c.offset, 0)) / c.unit
	}
	return c
}

// nanos returns the time that the timestamp t means. ok is false when it is
// beyond what an int64 holds, the years 1677 to 2262: then it is the last one
// that is not.
func (c *clock) nanos(t uint64) (ns int64, ok bool) {
	var high, low uint64
	switch e := uint(c.resolution & 0x7f); {
	case c.resolution&0x80 != 0:
		high, low = bits.Mul64(t, 1e9)
		if e >= 64 {
			high, low = 0, high
			e -= 64
		}
		low = low>>e | high<<(64-e)
		high >>= e
	case e <= 9:
		high, low = bits.Mul64(t, tens[9-e])
	case e-9 < uint(len(tens)):
		low = t / tens[e-9]
	}
	if c.offset < 0 {
		back := uint64(-c.offset)
		if high == 0 && low < back {
			return -int64(back - low), true
		}
		var borrow uint64
		low, borrow = bits.Sub64(low, back, 0)
		high -= borrow
	} else {
		var carry uint64
		low, carry = bits.Add64(low, uint64(c.offset), 0)
		high += carry
	}
	if high != 0 || low > math.MaxInt64 {
		return math.MaxInt64, false
	}
	return int64(low), true
}
