package output

import (
	"bufio"
	"fmt"
	"io"
)

// sampledRows is how many rows a table looks at before it decides how wide its
// columns are: after that, rows are printed as they come.
const sampledRows = 1000

// An Aligner prints rows in columns, without holding more than the first of them.
// A cell that is wider than its column takes what it needs. Cells have to be safe
// for a terminal.
type Aligner struct {
	// Buf is where a cell is appended. What stands in it before belongs to the
	// Aligner.
	Buf []byte
	// Gap stands between columns; NewAligner makes it two blanks.
	Gap string
	// Bare leaves the line of heads out.
	Bare bool

	w      *bufio.Writer
	heads  []string
	right  []bool
	widths []int
	ends   []int // of the cells in Buf
	rows   int   // held
	// lines are what stands below a row, by the row, as long as rows are held.
	lines map[int][]byte
	open  bool // widths are decided
}

// NewAligner returns an Aligner of columns with these heads. right says which of
// them end at the same place, instead of beginning there: those of numbers.
func NewAligner(w io.Writer, heads []string, right []bool) *Aligner {
	a := &Aligner{w: bufio.NewWriterSize(w, 64<<10), heads: heads, right: right, Gap: columnGap, widths: make([]int, len(heads)), lines: map[int][]byte{}}
	for i, h := range heads {
		a.widths[i] = width(h)
	}
	return a
}

// Next ends a cell, which has been appended to Buf.
func (a *Aligner) Next() { a.ends = append(a.ends, len(a.Buf)) }

// Empty reports whether no row was ended yet.
func (a *Aligner) Empty() bool { return a.rows == 0 && !a.open }

// Row ends a row.
func (a *Aligner) Row() error {
	a.rows++
	if !a.open && a.rows < sampledRows {
		return nil
	}
	return a.print()
}

// Below has a line stand below the row that was ended last.
func (a *Aligner) Below(line []byte) error {
	if a.open || a.rows == 0 {
		_, err := a.w.Write(append(line, '\n'))
		return err
	}
	a.lines[a.rows-1] = append(append(a.lines[a.rows-1], line...), '\n')
	return nil
}

// print prints what is held.
func (a *Aligner) print() error {
	n := len(a.heads)
	if !a.open {
		a.open = true
		from := 0
		for i, end := range a.ends {
			a.widths[i%n] = max(a.widths[i%n], width(a.Buf[from:end]))
			from = end
		}
		var head []byte
		for i, h := range a.heads {
			head = a.pad(head, []byte(h), i)
		}
		if !a.Bare {
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
			line = a.pad(line, a.Buf[from:end], c)
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
	a.Buf, a.ends, a.rows = a.Buf[:0], a.ends[:0], 0
	if len(a.lines) > 0 {
		a.lines = map[int][]byte{}
	}
	return nil
}

// pad appends a cell, the gap before it, and what it lacks of its column.
func (a *Aligner) pad(dst, cell []byte, column int) []byte {
	if column > 0 {
		dst = append(dst, a.Gap...)
	}
	switch {
	case a.right[column]: // numbers: a column for each byte
		return append(spaces(dst, a.widths[column]-len(cell)), cell...)
	case column < len(a.heads)-1:
		return AppendPadded(dst, cell, a.widths[column], false)
	}
	// Nothing stands behind the last: no blanks at the end of a line.
	dst = append(dst, cell...)
	for len(cell) == 0 && len(dst) > 0 && dst[len(dst)-1] == ' ' {
		dst = dst[:len(dst)-1]
	}
	return dst
}

// Close prints what is still held. It does not close what was given to
// NewAligner.
func (a *Aligner) Close() error {
	err := a.print()
	if ferr := a.w.Flush(); err == nil {
		err = ferr
	}
	if err != nil {
		return fmt.Errorf("standard output: %w", err)
	}
	return nil
}
