package record

import (
	"strconv"
	"time"
)

// pairs holds the decimal numbers 00 to 99.
const pairs = "00010203040506070809" + "10111213141516171819" + "20212223242526272829" + "30313233343536373839" + "40414243444546474849" +
	"50515253545556575859" + "60616263646566676869" + "70717273747576777879" + "80818283848586878889" + "90919293949596979899"

// appendInt does what strconv.AppendInt does, faster for the numbers that most
// records hold: packet numbers, lengths, offsets.
func appendInt(dst []byte, n int64) []byte {
	if n < 0 || n >= 1e8 {
		return strconv.AppendInt(dst, n, 10)
	}
	u := uint32(n)
	switch {
	case u < 10:
		return append(dst, byte('0'+u))
	case u < 100:
		return append(dst, pairs[2*u], pairs[2*u+1])
	case u < 1000:
		q := u % 100 * 2
		return append(dst, byte('0'+u/100), pairs[q], pairs[q+1])
	case u < 10000:
		return appendFour(dst, u)
	}
	high, low := u/10000, u%10000
	switch {
	case high < 10:
		dst = append(dst, byte('0'+high))
	case high < 100:
		dst = append(dst, pairs[2*high], pairs[2*high+1])
	case high < 1000:
		q := high % 100 * 2
		dst = append(dst, byte('0'+high/100), pairs[q], pairs[q+1])
	default:
		dst = appendFour(dst, high)
	}
	return appendFour(dst, low)
}

// appendFour appends the four digits of a number below 10000.
func appendFour(dst []byte, u uint32) []byte {
	p, q := u/100*2, u%100*2
	return append(dst, pairs[p], pairs[p+1], pairs[q], pairs[q+1])
}

// appendNanos appends the nine digits behind the decimal point of a time.
func appendNanos(dst []byte, frac uint32) []byte {
	n := len(dst)
	dst = append(dst, "000000000"...)
	d := dst[n : n+9 : n+9]
	if us := frac / 1000; frac == us*1000 { // as most captures have it
		p, q, r := us/10000*2, us/100%100*2, us%100*2
		d[0], d[1], d[2], d[3], d[4], d[5] = pairs[p], pairs[p+1], pairs[q], pairs[q+1], pairs[r], pairs[r+1]
		return dst
	}
	for i := 7; i > 0 && frac != 0; i -= 2 {
		p := frac % 100 * 2
		d[i], d[i+1] = pairs[p], pairs[p+1]
		frac /= 100
	}
	d[0] = byte('0' + frac)
	return dst
}

// split returns the seconds of a time and the nanoseconds in that second.
func split(ns int64) (sec int64, frac uint32) {
	sec, rest := ns/1e9, ns%1e9
	if rest < 0 {
		sec, rest = sec-1, rest+1e9
	}
	return sec, uint32(rest)
}

// A clock remembers the last second that it wrote.
type clock struct {
	second int64
	text   [20]byte
}

// append appends a second of RFC 3339 in UTC, up to the decimal point.
func (c *clock) append(dst []byte, sec int64) []byte {
	if c.second != sec || c.text[0] == 0 {
		c.second = sec
		time.Unix(sec, 0).UTC().AppendFormat(c.text[:0], "2006-01-02T15:04:05.")
	}
	return append(dst, c.text[:]...)
}

// AppendMillis appends a duration in nanoseconds as milliseconds.
func AppendMillis(dst []byte, ns int64) []byte {
	u := uint64(ns)
	if ns < 0 {
		dst = append(dst, '-')
		u = -u
	}
	dst = strconv.AppendUint(dst, u/1e6, 10)
	frac := u % 1e6
	if frac == 0 {
		return dst
	}
	dst = append(dst, '.')
	for unit := uint64(1e5); frac > 0; unit /= 10 {
		dst = append(dst, byte('0'+frac/unit))
		frac %= unit
	}
	return dst
}

// AppendTime appends a time in nanoseconds since 1970 as RFC 3339 in UTC, in
// quotes or not.
func AppendTime(dst []byte, ns int64) []byte {
	sec, frac := split(ns)
	var c clock
	return append(appendNanos(c.append(dst, sec), frac), 'Z')
}
