package dump

// AppendMark appends the rows around bytes from to to of b, with marks below
// them: where something is wrong. b begins at offset off. Marks that lie behind
// b are put at its end.
func AppendMark(dst, b []byte, off, from, to int64) []byte {
	const cols, around = 16, 2
	end := off + int64(len(b))
	from = min(max(from, off), end)
	to = min(max(to, from+1), from+4*cols)
	// Rows begin at multiples of their length, as in the other dumps.
	first := max(from-from%cols-around*cols, off-off%cols)
	for at := first; at < to || at < min(end, to+cols); at += cols {
		dst = appendPart(dst, b, off, at, cols)
		if at+cols > from && at < to {
			dst = appendMarks(dst, from-at, to-at, cols)
		}
	}
	return dst
}

// appendPart appends the row at offset at of bytes that begin at off; what is
// before or behind them is blank.
func appendPart(dst, b []byte, off, at int64, cols int) []byte {
	dst = appendOffset(dst, at)
	i := at - off
	for c := range cols {
		dst = append(dst, ' ')
		if c%8 == 0 {
			dst = append(dst, ' ')
		}
		if p := i + int64(c); p >= 0 && p < int64(len(b)) {
			dst = appendByte(dst, b[p])
		} else {
			dst = append(dst, "  "...)
		}
	}
	dst = append(dst, "  |"...)
	dst = spaces(dst, int(min(max(-i, 0), int64(cols))))
	lo, hi := min(max(i, 0), int64(len(b))), min(max(i+int64(cols), 0), int64(len(b)))
	dst = appendText(dst, b[lo:max(lo, hi)])
	return append(dst, "|\n"...)
}

// appendMarks appends a line of marks below bytes from to to of a row.
func appendMarks(dst []byte, from, to int64, cols int) []byte {
	dst = spaces(dst, 8)
	for c := range int(min(to, int64(cols))) {
		dst = append(dst, ' ')
		if c%8 == 0 {
			dst = append(dst, ' ')
		}
		if int64(c) >= from {
			dst = append(dst, "^^"...)
		} else {
			dst = append(dst, "  "...)
		}
	}
	return append(dst, '\n')
}
