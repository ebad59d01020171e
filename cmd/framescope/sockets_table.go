package main

import (
	"bufio"
	"fmt"
	"io"
)

// sampledRows is how many rows a table looks at before it decides how wide its
// columns are: after that, rows are printed as they come.
const sampledRows = 1000

// An aligner prints rows in columns, without holding more than the first of them.
// A cell that is wider than its column takes what it needs.
type aligner struct {
	w      *bufio.Writer
	heads  []string
	right  []bool
	widths []int
	gap    string

	buf  []byte // cells of the rows that are held, one after the other
	ends []int  // of the cells in buf
	cell int    // of the row that is being made
	rows int    // held
	// lines are what stands below a row, by the row, as long as rows are held.
	lines map[int][]byte
	open  bool // widths are decided
	bare  bool // without heads
}

func newAligner(w io.Writer, heads []string, right []bool) *aligner {
	a := &aligner{w: bufio.NewWriterSize(w, 64<<10), heads: heads, right: right, gap: "  ", widths: make([]int, len(heads)), lines: map[int][]byte{}}
	for i, h := range heads {
		a.widths[i] = len(h)
	}
	return a
}

// next ends a cell, which has been appended to a.buf.
func (a *aligner) next() { a.ends = append(a.ends, len(a.buf)) }

// row ends a row.
func (a *aligner) row() error {
	a.rows++
	if !a.open && a.rows < sampledRows {
		return nil
	}
	return a.print()
}

// below has a line stand below the row that was ended last. It may be called
// while that is held, or else at once.
func (a *aligner) below(line []byte) error {
	if a.open || a.rows == 0 {
		_, err := a.w.Write(append(line, '\n'))
		return err
	}
	a.lines[a.rows-1] = append(append(a.lines[a.rows-1], line...), '\n')
	return nil
}

// print prints what is held.
func (a *aligner) print() error {
	n := len(a.heads)
	if !a.open {
		a.open = true
		from := 0
		for i, end := range a.ends {
			a.widths[i%n] = max(a.widths[i%n], end-from)
			from = end
		}
		var head []byte
		for i, h := range a.heads {
			head = a.pad(head, []byte(h), i)
		}
		if !a.bare {
			if _, err := a.w.Write(append(head, '\n')); err != nil {
				return err
			}
		}
	}
	from := 0
	for i := 0; i+n <= len(a.ends); i += n {
		line := a.w.AvailableBuffer()
		for c := range n {
			end := a.ends[i+c]
			line = a.pad(line, a.buf[from:end], c)
			from = end
		}
		if _, err := a.w.Write(append(line, '\n')); err != nil {
			return err
		}
		if below := a.lines[i/n]; below != nil {
			if _, err := a.w.Write(below); err != nil {
				return err
			}
		}
	}
	a.buf, a.ends, a.rows = a.buf[:0], a.ends[:0], 0
	if len(a.lines) > 0 {
		a.lines = map[int][]byte{}
	}
	return nil
}

const blanks = "                                                                "

// pad appends a cell, the gap before it, and what it lacks of its column.
func (a *aligner) pad(dst, cell []byte, column int) []byte {
	if column > 0 {
		dst = append(dst, a.gap...)
	}
	lack := a.widths[column] - len(cell)
	if a.right[column] {
		return append(blank(dst, lack), cell...)
	}
	dst = append(dst, cell...)
	if column == len(a.heads)-1 {
		// nothing stands behind the last: no blanks at the end of a line
		for len(cell) == 0 && len(dst) > 0 && dst[len(dst)-1] == ' ' {
			dst = dst[:len(dst)-1]
		}
		return dst
	}
	return blank(dst, lack)
}

func blank(dst []byte, n int) []byte {
	for ; n > len(blanks); n -= len(blanks) {
		dst = append(dst, blanks...)
	}
	if n > 0 {
		dst = append(dst, blanks[:n]...)
	}
	return dst
}

// close prints what is still held.
func (a *aligner) close() error {
	err := a.print()
	if ferr := a.w.Flush(); err == nil {
		err = ferr
	}
	if err != nil {
		return fmt.Errorf("standard output: %w", err)
	}
	return nil
}
