package dump

import (
	"io"
	"strconv"

	"framescope/decode"
)

// An Annotator writes bytes beside the fields they belong to: offset, bytes,
// the bits of a field that is part of a byte, the field's name, its value.
//
// Names and values may come from the network: they are escaped. Errors are
// those of W, and sticky.
type Annotator struct {
	// W takes the text.
	W io.Writer
	// Columns is the number of bytes in a row, up to 64; 0 stands for 8.
	Columns int
	// Width is the number of characters that a line has room for; 0 stands for
	// 80. Values that are longer go on in the next lines.
	Width int
	// Rows is how many rows of a long field are shown before its middle is left
	// out; 0 stands for 4, a negative number for all.
	Rows int
	// Color paints each field in a colour of its own.
	Color bool

	out    []byte
	colour int
	last   int64 // offset behind the byte that was shown last, if it stood alone
	run    run
	err    error
}

// palette are the colours of fields: none that stands for an error elsewhere.
var palette = [...]string{"36", "33", "32", "35", "34", "96", "93", "92", "95", "94"}

const dim, bold, alarm = "2", "1", "31"

func (a *Annotator) columns() int {
	if a.Columns <= 0 {
		return 8
	}
	return min(a.Columns, 64)
}

// names is the column where field names begin.
func (a *Annotator) names() int { return 8 + 2 + 3*a.columns() - 1 + 2 + 8 + 2 }

// nameWidth is how wide the column of names is.
func (a *Annotator) nameWidth() int {
	if w := a.width() - a.names(); w > 60 {
		return 30
	} else if w > 44 {
		return 24
	}
	return 18
}

func (a *Annotator) width() int {
	if a.Width <= 0 {
		return 80
	}
	return a.Width
}

func (a *Annotator) paint(colour, text string) {
	if a.Color && colour != "" && text != "" {
		a.out = append(append(append(a.out, "\x1b["...), colour...), 'm')
		a.out = append(a.out, text...)
		a.out = append(a.out, "\x1b[0m"...)
		return
	}
	a.out = append(a.out, text...)
}

// Title writes a heading: what begins at off. Deeper layers are indented.
func (a *Annotator) Title(off int64, depth int, text string) {
	a.out = appendOffset(a.out, off)
	a.out = spaces(a.out, 2+2*depth)
	a.paint(bold, Safe(text))
	a.end()
	a.colour = 0
}

// Note writes a line of words in place of a field's name.
func (a *Annotator) Note(depth int, text string) {
	a.wrap(a.names()+2*depth, a.names()+2*depth, Safe(text), dim)
}

// Alarm writes a line that says what is wrong.
func (a *Annotator) Alarm(text string) {
	a.out = spaces(a.out, 10)
	a.wrap(10, 10, Safe(text), alarm)
}

// Gap writes an empty line.
func (a *Annotator) Gap() { a.end() }

// Line writes a line of words.
func (a *Annotator) Line(text string) {
	a.out = append(a.out, Safe(text)...)
	a.end()
}

// Break says what is wrong with bytes from to to, and shows them with marks. b
// are bytes around them, which begin at off.
func (a *Annotator) Break(text string, b []byte, off, from, to int64) {
	a.paint(alarm, Safe(text))
	a.end()
	a.out = AppendMark(a.out, b, off, from, to)
	a.colour = 0
}

// Field writes one field: b are its bytes, which begin at off; f.Off is not
// used. For a field of bits, b are all bytes that it has bits in.
func (a *Annotator) Field(off int64, depth int, b []byte, f decode.Field) {
	colour := palette[a.colour%len(palette)]
	a.colour++
	cols := a.columns()
	row := b[:min(len(b), cols)]
	if f.Bits > 0 && len(b) == 2 {
		row = b[:1]
	}
	pattern := ""
	if f.Bits > 0 && len(b) > 0 {
		pattern = bits(b[0], f.Bit, f.Bits)
	}
	if f.Bits > 0 && len(b) == 1 && off+1 == a.last {
		a.out = spaces(a.out, a.names()-10) // the byte stands in the line above
		a.paint(colour, pattern)
		a.out = spaces(a.out, 2)
	} else {
		a.head(off, row, pattern, colour)
	}
	if a.last = 0; len(b) == 1 {
		a.last = off + 1
	}
	name := Safe(f.Name)
	used := a.names() + 2*depth + width(name)
	a.out = spaces(a.out, 2*depth)
	a.paint(colour, name)
	at := a.names() + a.nameWidth()
	if used+1 > at && f.Value != "" {
		at = used + 2
	}
	if f.Value == "" {
		a.end()
	} else {
		a.out = spaces(a.out, at-used)
		a.wrap(at, min(at, a.names()+a.nameWidth()), Safe(f.Value), "")
	}
	for i, rows := len(row), 1; i < len(b); rows++ {
		n := min(len(b)-i, cols)
		pattern := ""
		if f.Bits > 0 && len(b) == 2 {
			n, pattern = 1, bits(b[1], f.Bit-8, f.Bits)
		}
		if limit := a.limit(); limit > 0 && rows >= limit && len(b)-i > cols {
			last := len(b) - (len(b)-1)%cols - 1
			a.leftOut(int64(last - i))
			i, n = last, len(b)-last
		}
		a.head(off+int64(i), b[i:i+n], pattern, colour)
		a.trim()
		i += n
	}
}

// limit is how many rows of a long field are shown, 0 for all.
func (a *Annotator) limit() int {
	switch {
	case a.Rows == 0:
		return 4
	case a.Rows < 0:
		return 0
	}
	return a.Rows
}

func (a *Annotator) leftOut(n int64) {
	if n <= 0 {
		return
	}
	a.out = spaces(a.out, 10)
	a.paint(dim, "... "+strconv.FormatInt(n, 10)+" bytes")
	a.end()
}

// bits returns the pattern of a byte of which n bits from first on belong to a
// field; the others are dots.
func bits(c byte, first, n int) string {
	var p [8]byte
	for i := range p {
		switch {
		case i < first || i >= first+n:
			p[i] = '.'
		case c&(0x80>>i) != 0:
			p[i] = '1'
		default:
			p[i] = '0'
		}
	}
	return string(p[:])
}

// head writes offset, bytes and bits, up to the column of names.
func (a *Annotator) head(off int64, row []byte, pattern, colour string) {
	start := len(a.out)
	a.out = appendOffset(a.out, off)
	a.out = spaces(a.out, max(10-(len(a.out)-start), 1))
	hex := make([]byte, 0, 3*64)
	for i, c := range row {
		if i > 0 {
			hex = append(hex, ' ')
		}
		hex = appendByte(hex, c)
	}
	a.paint(colour, string(hex))
	a.out = spaces(a.out, 3*a.columns()-1-len(hex)+2)
	a.paint(colour, pattern)
	a.out = spaces(a.out, 8-len(pattern)+2)
}

// trim ends a line and takes its trailing spaces away.
func (a *Annotator) trim() {
	for n := len(a.out); n > 0 && a.out[n-1] == ' '; n-- {
		a.out = a.out[:n-1]
	}
	a.end()
}

func (a *Annotator) end() {
	for n := len(a.out); n > 0 && a.out[n-1] == ' '; n-- {
		a.out = a.out[:n-1]
	}
	a.out = append(a.out, '\n')
	if len(a.out) >= flushAt {
		a.flush()
	}
}

func (a *Annotator) flush() {
	if a.err == nil && len(a.out) > 0 {
		_, a.err = a.W.Write(a.out)
	}
	a.out = a.out[:0]
}

// Flush hands on what was written, and returns the first error of W.
func (a *Annotator) Flush() error {
	a.flush()
	return a.err
}

// maxLines is how many lines a value may take.
const maxLines = 8

// wrap writes a text that begins in column at; what has no room goes on in the
// next lines from column indent on. A line of notes begins at at itself.
func (a *Annotator) wrap(at, indent int, s, colour string) {
	room := max(a.width()-at, 12)
	if colour == dim {
		a.out = spaces(a.out, at)
	}
	for line := 1; ; line++ {
		n := cut(s, room)
		if n < len(s) && line == maxLines {
			n = cut(s, room-3)
			a.paint(colour, s[:n]+"...")
			break
		}
		if n < len(s) { // at a space, unless that is near the beginning
			for i := n; i > n/3; i-- {
				if s[i] == ' ' {
					n = i
					break
				}
			}
		}
		a.paint(colour, s[:n])
		s = s[n:]
		if s == "" {
			break
		}
		for s != "" && s[0] == ' ' {
			s = s[1:]
		}
		a.end()
		a.out = spaces(a.out, indent)
		room = max(a.width()-indent, 12)
	}
	a.end()
}
