package dump

import (
	"bytes"

	"framescope/decode"
)

// An octalDump is text of od -t x1, od -x, or of hexdump without -C: offsets of
// seven digits, and groups of bytes in the order of a little-endian machine.
type octalDump struct {
	group int   // bytes in a group
	base  int64 // of the offsets: 8, 10 or 16; 0 while nothing tells
	// digits and row are a row behind a "*" while the base is not known.
	digits, row []byte
}

// startOctal returns the dump that b is the first row of, or nil. Its offset is 0.
func startOctal(b []byte) *octalDump {
	n := 0
	for n < len(b) && b[n] == '0' {
		n++
	}
	fields := bytes.Fields(b[min(n, len(b)):])
	if n != 7 && n != 6 || n == len(b) || b[n] != ' ' && b[n] != '\t' || len(fields) == 0 || !hexDigits(fields[0]) {
		return nil
	}
	size := len(fields[0])
	if n == 6 { // plain digits may look like that, too, but not in rows of 16 bytes
		if size != 2 || len(fields) < 16 || b[n+1] == ' ' || !hexDigits(fields[15]) || len(fields[15]) != 2 {
			return nil
		}
		return &octalDump{group: 1, base: 16}
	}
	if size != 2 && size != 4 && size != 8 && size != 16 {
		return nil
	}
	return &octalDump{group: size / 2}
}

func hexDigits(b []byte) bool {
	for _, c := range b {
		if decode.HexDigit(c) > 15 {
			return false
		}
	}
	return len(b) > 0
}

// octalRow reads a row of such a dump.
func (t *Text) octalRow(b []byte) error {
	t.rows, t.begun = true, true
	if string(bytes.TrimRight(b, " ")) == "*" {
		if err := t.settle(nil); err != nil {
			return err
		}
		t.star = true
		return nil
	}
	fields := bytes.Fields(b)
	if len(fields[0]) < 6 || len(fields[0]) > 15 || !hexDigits(fields[0]) {
		return nil // words between dumps
	}
	var row []byte
	for _, f := range fields[1:] {
		if len(f) != 2*t.od.group || !hexDigits(f) || len(row) >= MaxColumns {
			break // the text of od -t x1z
		}
		for i := len(f) - 2; i >= 0; i -= 2 {
			row = append(row, decode.HexDigit(f[i])<<4|decode.HexDigit(f[i+1]))
		}
	}
	if err := t.settle(fields[0]); err != nil {
		return err
	}
	if t.star && t.od.base == 0 {
		t.od.digits, t.od.row = bytes.Clone(fields[0]), row
		return nil
	}
	return t.row(t.offset(fields[0]), row)
}

// settle takes the row that waits for the base of offsets. digits are those of the
// next row, nil where there is none.
func (t *Text) settle(digits []byte) error {
	d := t.od
	if d == nil || d.digits == nil {
		return nil
	}
	first, row := d.digits, d.row
	d.digits, d.row = nil, nil
	next := t.off + int64(len(t.wait))
	for _, base := range d.bases() {
		at, behind := inBase(first, base), inBase(digits, base)
		if at > next && behind > at && behind <= at+int64(len(row)) && (behind == at+int64(len(row)) || d.group > 1) {
			d.base = base
			break
		}
	}
	return t.row(t.offset(first), row)
}

// bases are those that offsets may have, the usual one of the dump first.
func (d *octalDump) bases() []int64 {
	if d.group == 2 {
		return []int64{16, 8, 10} // hexdump's
	}
	return []int64{8, 16, 10} // od's
}

// offset returns the offset that digits are. Their base follows from the second
// row.
func (t *Text) offset(digits []byte) int64 {
	d := t.od
	if d.base > 0 {
		return inBase(digits, d.base)
	}
	next := t.off + int64(len(t.wait))
	bases := d.bases()
	if inBase(digits, 16) < 8 {
		return inBase(digits, 16) // the same in all
	}
	for _, base := range bases {
		if inBase(digits, base) == next {
			d.base = base
			return next
		}
	}
	for _, base := range bases {
		if v := inBase(digits, base); t.star && v > next || !t.star && v > t.off && v < next {
			d.base = base
			return v
		}
	}
	return inBase(digits, 16)
}

// inBase returns what digits are, and -1 where the base has not all of them.
func inBase(digits []byte, base int64) (v int64) {
	for _, c := range digits {
		d := int64(decode.HexDigit(c))
		if d >= base {
			return -1
		}
		v = v*base + d
	}
	return v
}
