package dump

import (
	"encoding/binary"
	"fmt"
	"io"
)

// An Edit is a stretch in which two inputs differ: ALen bytes at offset A of one
// stand for BLen bytes at offset B of the other. Between edits they are equal.
type Edit struct {
	A, ALen, B, BLen int
}

const (
	// anchor is how many equal bytes bring the two inputs into step again.
	anchor = 8
	// reach is how far they may be apart.
	reach = 4096
	// maxEdits bounds the work on inputs that have nothing in common.
	maxEdits = 1 << 16
)

// Compare returns where a and b differ. Bytes that were put in or taken out are
// found where they are fewer than 4096.
func Compare(a, b []byte) (edits []Edit) {
	i, j := 0, 0
	seen := map[uint64]int{}
	for len(edits) < maxEdits {
		for i < len(a) && j < len(b) && a[i] == b[j] {
			i++
			j++
		}
		if i == len(a) && j == len(b) {
			return edits
		}
		di, dj := step(a[i:], b[j:], seen)
		if n := len(edits); n > 0 && edits[n-1].A+edits[n-1].ALen == i && edits[n-1].B+edits[n-1].BLen == j {
			edits[n-1].ALen += di
			edits[n-1].BLen += dj
		} else {
			edits = append(edits, Edit{i, di, j, dj})
		}
		i, j = i+di, j+dj
	}
	return append(edits, Edit{i, len(a) - i, j, len(b) - j})
}

// step returns how many bytes of a and b, which begin with a difference, to pass
// over until they are equal again.
func step(a, b []byte, seen map[uint64]int) (di, dj int) {
	for window := 64; ; window *= 8 {
		wa, wb := a[:min(len(a), window)], b[:min(len(b), window)]
		clear(seen)
		for i := len(wa) - anchor; i >= 0; i-- {
			seen[binary.LittleEndian.Uint64(wa[i:])] = i
		}
		best := -1
		for j := 0; j+anchor <= len(wb) && (best < 0 || j < best); j++ {
			if i, ok := seen[binary.LittleEndian.Uint64(wb[j:])]; ok {
				if k := i + j; best < 0 || k < best {
					best, di, dj = k, i, j
				}
			}
		}
		// The same place of both is the likeliest, even for few equal bytes.
		for k := 1; k < min(len(wa), len(wb)) && (best < 0 || k < best); k++ {
			if run := equalRun(wa[k:], wb[k:]); run >= anchor || run >= 2 && best < 0 && k+run == len(a) && k+run == len(b) {
				return k, k
			}
		}
		if best >= 0 {
			return di, dj
		}
		if window >= reach || window >= len(a) && window >= len(b) {
			if window >= len(a) && window >= len(b) {
				return tail(a, b)
			}
			return min(len(wa), reach), min(len(wb), reach)
		}
	}
}

// tail is step where nothing equal follows but, perhaps, the end.
func tail(a, b []byte) (di, dj int) {
	n := 0
	for n < min(len(a), len(b)) && a[len(a)-1-n] == b[len(b)-1-n] {
		n++
	}
	return len(a) - n, len(b) - n
}

func equalRun(a, b []byte) (n int) {
	for n < len(a) && n < len(b) && n < anchor && a[n] == b[n] {
		n++
	}
	return n
}

// A Diff writes where two inputs differ.
type Diff struct {
	// W takes the text.
	W io.Writer
	// Rows is how many rows of one difference are shown; 0 stands for 8.
	Rows int
	// Color paints what differs.
	Color bool
	// Base is the offset of the first bytes.
	Base int64
}

// Write writes the rows of a and b that differ, and reports whether any do.
func (d *Diff) Write(a, b []byte) (bool, error) {
	const cols = 16
	rows := d.Rows
	if rows <= 0 {
		rows = 8
	}
	edits := Compare(a, b)
	var out []byte
	for n := 0; n < len(edits); {
		e := edits[n]
		group := []Edit{e}
		for n++; n < len(edits) && edits[n].A/cols <= (e.A+e.ALen)/cols+1 && e.A-e.B == edits[n].A-edits[n].B; n++ {
			e = edits[n]
			group = append(group, e)
		}
		first, last := group[0], group[len(group)-1]
		out = fmt.Appendf(out, "@ %08x %s  >  %08x %s\n", d.Base+int64(first.A), count(last.A+last.ALen-first.A), d.Base+int64(first.B), count(last.B+last.BLen-first.B))
		var ma, mb [][2]int
		for _, g := range group {
			ma = append(ma, [2]int{g.A, g.A + g.ALen})
			mb = append(mb, [2]int{g.B, g.B + g.BLen})
		}
		out = d.side(out, '-', a, ma, rows)
		out = d.side(out, '+', b, mb, rows)
		if len(out) >= flushAt {
			if _, err := d.W.Write(out); err != nil {
				return true, err
			}
			out = out[:0]
		}
	}
	_, err := d.W.Write(out)
	return len(edits) > 0, err
}

func count(n int) string {
	if n == 1 {
		return "1 byte"
	}
	return fmt.Sprintf("%d bytes", n)
}

// side appends the rows of one input, with marks below the bytes that differ.
func (d *Diff) side(dst []byte, sign byte, b []byte, marks [][2]int, rows int) []byte {
	const cols = 16
	from := marks[0][0] - marks[0][0]%cols
	end := max(marks[len(marks)-1][1], marks[0][0]+1)
	m := 0
	for at := from; at < end && at < max(len(b), 1); at += cols {
		if (at-from)/cols >= rows {
			return fmt.Appendf(dst, "%c         ... %s\n", sign, count(end-at))
		}
		colour := "31"
		if sign == '+' {
			colour = "32"
		}
		if d.Color {
			dst = append(append(append(dst, "\x1b["...), colour...), 'm')
		}
		dst = append(dst, sign)
		dst = appendPart(dst, b, d.Base, d.Base+int64(at), cols)
		if d.Color {
			dst = append(dst[:len(dst)-1], "\x1b[0m\n"...)
		}
		for m < len(marks) && marks[m][1] <= at {
			m++
		}
		var under [cols]bool
		any := false
		for k := m; k < len(marks) && marks[k][0] < at+cols; k++ {
			for c := max(marks[k][0]-at, 0); c < min(marks[k][1]-at, cols); c++ {
				under[c], any = true, true
			}
		}
		if any {
			line := spaces(nil, 9)
			for c, u := range under {
				line = append(line, ' ')
				if c%8 == 0 {
					line = append(line, ' ')
				}
				if u {
					line = append(line, "^^"...)
				} else {
					line = append(line, "  "...)
				}
			}
			n := len(line)
			for n > 0 && line[n-1] == ' ' {
				n--
			}
			dst = append(append(dst, line[:n]...), '\n')
		}
	}
	return dst
}
