// Package dump writes bytes as people read them: the canonical hex dumps of
// hexdump(1) and xxd(1), a dump that names the field each byte belongs to, the
// differences of two inputs. It also reads hex text back into bytes.
//
// Nothing of the bytes reaches a terminal raw: what is not printable ASCII is a
// dot or an escape.
package dump

import (
	"io"
	"strconv"
)

// A Layout is how the rows of a plain dump look.
type Layout uint8

const (
	// Canonical is the layout of hexdump -C: rows that repeat the one before
	// become one "*", and the last line is the offset of the end.
	Canonical Layout = iota
	// XXD is the layout of xxd: bytes in pairs, every row, no last line.
	XXD
	// Plain is the layout of xxd -p: hex digits alone, 30 bytes in a row.
	Plain
)

// MaxColumns is how many bytes a row may have.
const MaxColumns = 256

// A Writer writes what is written to it as a plain dump. Close writes the last
// row. Errors are those of W, and sticky.
type Writer struct {
	// W takes the text.
	W io.Writer
	// Layout is Canonical unless it is set.
	Layout Layout
	// Columns is the number of bytes in a row, up to MaxColumns; 0 stands for
	// what is usual: 16, and 30 of Plain.
	Columns int
	// Off is the offset of the first byte.
	Off int64
	// All prints rows that repeat.
	All bool

	n     int64 // bytes in whole rows
	row   []byte
	prev  []byte // the row before, when there is one
	star  bool   // the rows from prev on repeat it
	out   []byte
	begun bool
	err   error
}

// columns returns Columns within its bounds.
func (w *Writer) columns() int {
	switch {
	case w.Columns <= 0 && w.Layout == Plain:
		return 30
	case w.Columns <= 0:
		return 16
	case w.Columns > MaxColumns:
		return MaxColumns
	}
	return w.Columns
}

// flushAt is how much text goes to W at once.
const flushAt = 32 << 10

// Write adds bytes to the dump. It keeps less than a row of them.
func (w *Writer) Write(p []byte) (int, error) {
	cols, taken := w.columns(), len(p)
	if len(w.row) > 0 {
		k := min(cols-len(w.row), len(p))
		w.row = append(w.row, p[:k]...)
		p = p[k:]
		if len(w.row) < cols {
			return taken, w.err
		}
		w.whole(w.row)
		w.row = w.row[:0]
	}
	for len(p) >= cols && w.err == nil {
		w.whole(p[:cols])
		p = p[cols:]
	}
	if w.err != nil {
		return 0, w.err
	}
	w.row = append(w.row, p...)
	return taken, nil
}

// whole adds a row with all its columns.
func (w *Writer) whole(row []byte) {
	off := w.Off + w.n
	w.n += int64(len(row))
	if w.Layout == Canonical && !w.All {
		if w.begun && string(row) == string(w.prev) {
			if !w.star {
				w.out = append(w.out, "*\n"...)
				w.star = true
			}
			return
		}
		w.prev = append(w.prev[:0], row...)
		w.begun, w.star = true, false
	}
	w.line(off, row)
}

func (w *Writer) line(off int64, row []byte) {
	switch w.Layout {
	case XXD:
		w.out = appendXXD(w.out, off, row, w.columns())
	case Plain:
		for _, c := range row {
			w.out = appendByte(w.out, c)
		}
		w.out = append(w.out, '\n')
	default:
		w.out = AppendRow(w.out, off, row, w.columns())
	}
	if len(w.out) >= flushAt {
		w.flush()
	}
}

func (w *Writer) flush() {
	if w.err == nil && len(w.out) > 0 {
		_, w.err = w.W.Write(w.out)
	}
	w.out = w.out[:0]
}

// Flush hands on to W the rows that are whole.
func (w *Writer) Flush() error {
	w.flush()
	return w.err
}

// Close writes what is left. It does not close W.
func (w *Writer) Close() error {
	if len(w.row) > 0 {
		w.line(w.Off+w.n, w.row)
		w.n += int64(len(w.row))
		w.row = w.row[:0]
	}
	if end := w.Off + w.n; w.Layout == Canonical && end > 0 {
		w.out = append(appendOffset(w.out, end), '\n')
	}
	return w.Flush()
}

const digits = "0123456789abcdef"

// appendOffset appends an offset of eight digits or more.
func appendOffset(dst []byte, off int64) []byte {
	for i := 28; i > 0 && off>>i == 0; i -= 4 {
		dst = append(dst, '0')
	}
	return strconv.AppendInt(dst, off, 16)
}

func appendByte(dst []byte, c byte) []byte { return append(dst, digits[c>>4], digits[c&15]) }

func printable(c byte) bool { return c >= ' ' && c < 0x7f }

func appendText(dst, b []byte) []byte {
	for _, c := range b {
		if !printable(c) {
			c = '.'
		}
		dst = append(dst, c)
	}
	return dst
}

func spaces(dst []byte, n int) []byte {
	for ; n > 0; n-- {
		dst = append(dst, ' ')
	}
	return dst
}

// AppendRow appends one row of the canonical layout, as wide as one of cols
// bytes, with its line feed.
func AppendRow(dst []byte, off int64, row []byte, cols int) []byte {
	dst = appendOffset(dst, off)
	for i := range cols {
		dst = append(dst, ' ')
		if i%8 == 0 {
			dst = append(dst, ' ')
		}
		if i < len(row) {
			dst = appendByte(dst, row[i])
		} else {
			dst = append(dst, "  "...)
		}
	}
	dst = append(dst, "  |"...)
	return append(appendText(dst, row), "|\n"...)
}

func appendXXD(dst []byte, off int64, row []byte, cols int) []byte {
	dst = append(appendOffset(dst, off), ':')
	for i := range cols {
		if i%2 == 0 {
			dst = append(dst, ' ')
		}
		if i < len(row) {
			dst = appendByte(dst, row[i])
		} else {
			dst = append(dst, "  "...)
		}
	}
	return append(appendText(append(dst, "  "...), row), '\n')
}

// Fit returns how many columns of the layout, a multiple of 16 and at least
// that, have room in lines of so many characters.
func Fit(l Layout, width int) int {
	const offset = 8
	cols := 16
	for next := 32; next <= MaxColumns; next += 16 {
		need := offset + next*3 + next/8 + 4 + next
		if l == XXD {
			need = offset + 1 + next/2*5 + 2 + next
		}
		if need > width {
			break
		}
		cols = next
	}
	return cols
}
