package dump

import (
	"bytes"
	"fmt"
	"io"
	"strings"

	"framescope/decode"
)

// maxText bounds a line of hex text.
const maxText = 1 << 20

// maxRepeated bounds the bytes that the "*" of a text stand for: a short text
// must not become one that fills a disk.
const maxRepeated = 1 << 30

// A TextError says where hex text cannot be read.
type TextError struct {
	// Line and Column count from 1, Column in bytes.
	Line, Column int
	// Text says what was found and what was expected.
	Text string
}

func (e *TextError) Error() string {
	return fmt.Sprintf("line %d, column %d: %s", e.Line, e.Column, e.Text)
}

// A Text turns hex text into bytes, line by line. It reads rows of hexdump, xxd, od,
// tcpdump -x and -X, Wireshark; plain hex digits with or without separators
// and 0x or \x before them, also behind words and a colon; literals of Python, C
// and Go strings such as b'\x81\x05Hello'; and lists of numbers such as
// []byte{0x81, 0x05}. What a row is follows from the row itself; lines that are
// none are passed over where the first row has an offset. A ">" before a line, as
// quoted mail has it, does not count.
//
// A "*" repeats the row before up to the offset of the next one; all of them
// together stand for 1 GiB at most.
type Text struct {
	// W takes the bytes.
	W io.Writer

	line  int
	rows  bool   // the rows have offsets
	begun bool   // a row was seen
	base  int64  // the first offset of this dump
	off   int64  // of the row that waits
	wait  []byte // a row whose length the next offset may correct
	star  bool
	again int64 // bytes that were repeated
	quote *literal
	od    *octalDump
	list  list
	words int // the first line that was taken for words
	out   []byte
	err   error
}

// Line reads one line, without its line feed.
func (t *Text) Line(s []byte) error {
	if t.err != nil {
		return t.err
	}
	t.line++
	if len(s) > maxText {
		t.err = t.fault(maxText, "the line is longer than %d bytes", maxText)
		return t.err
	}
	t.err = t.read(bytes.TrimSuffix(s, []byte{'\r'}))
	return t.err
}

func (t *Text) read(s []byte) error {
	if t.quote != nil {
		return t.literal(s, 0)
	}
	body := bytes.TrimLeft(s, " \t>")
	at := len(s) - len(body)
	if len(body) == 0 {
		return nil
	}
	if t.list != noList {
		return t.numbers(s, at)
	}
	if !t.rows {
		if i := literalStart(body); i >= 0 {
			t.begun = true
			return t.literal(s, at+i)
		}
	}
	if t.rows || !t.begun {
		if t.od == nil && !t.begun {
			t.od = startOctal(body)
		}
		if t.od != nil {
			return t.octalRow(body)
		}
		off, rest, colon, ok := rowOffset(body)
		if ok && (t.rows || rowLike(body, rest, colon)) {
			t.rows, t.begun = true, true
			return t.row(off, rowBytes(rest, colon))
		}
		if t.rows {
			t.star = t.star || string(bytes.TrimRight(body, " ")) == "*"
			return nil // a heading, or words between packets
		}
		if i := listStart(body); i >= 0 {
			t.begun, t.list = true, inList
			return t.numbers(s, at+i)
		}
		if i := labelled(body); i >= 0 {
			t.begun = true
			return t.plain(s, at+i)
		}
		if prose(body) {
			if t.words == 0 {
				t.words = t.line
			}
			return nil
		}
	}
	t.begun = true
	return t.plain(s, at)
}

func (t *Text) fault(column int, format string, args ...any) error {
	return &TextError{t.line, column + 1, fmt.Sprintf(format, args...)}
}

// rowOffset reads the offset that a row begins with.
func rowOffset(b []byte) (off int64, rest []byte, colon, ok bool) {
	if len(b) > 2 && b[0] == '0' && b[1] == 'x' {
		b = b[2:]
	}
	i := 0
	for ; i < len(b) && decode.HexDigit(b[i]) < 16; i++ {
		if i == 15 {
			return 0, nil, false, false
		}
		off = off<<4 | int64(decode.HexDigit(b[i]))
	}
	rest = b[i:]
	if len(rest) > 0 && rest[0] == ':' {
		colon, rest = true, rest[1:]
	}
	ok = i >= 3 && (len(rest) == 0 || rest[0] == ' ' || rest[0] == '\t')
	return off, rest, colon, ok
}

// rowLike reports whether a first row that may have an offset has one: plain
// hex digits may come in groups of four, too.
func rowLike(body, rest []byte, colon bool) bool {
	if colon {
		return true
	}
	n := len(body) - len(rest)
	zero := bytes.Trim(body[:n], "0x") // the first row of a dump is at 0
	two := bytes.HasPrefix(rest, []byte("  ")) || bytes.HasPrefix(rest, []byte("\t"))
	return two && (n >= 6 || len(zero) == 0)
}

// rowBytes reads the bytes behind an offset and stops where the text column
// begins: behind two spaces, unless they are the gap in the middle of a row of
// single bytes. What it cannot tell from bytes the next offset cuts.
func rowBytes(rest []byte, colon bool) (row []byte) {
	i, n := 0, 0 // n bytes so far
	single := true
	for n < MaxColumns {
		gap := 0
		for i < len(rest) && (rest[i] == ' ' || rest[i] == '\t') {
			i++
			gap++
		}
		if n > 0 && gap > 1 && (gap > 2 || colon || !single || n%8 != 0) {
			break
		}
		j := i
		for j < len(rest) && decode.HexDigit(rest[j]) < 16 {
			j++
		}
		if j == i || (j-i)%2 != 0 || j-i > 32 || j < len(rest) && rest[j] != ' ' && rest[j] != '\t' {
			break
		}
		single = single && j-i == 2
		for ; i < j; i += 2 {
			row = append(row, decode.HexDigit(rest[i])<<4|decode.HexDigit(rest[i+1]))
			n++
		}
	}
	return row
}

// row takes the next row of a dump with offsets.
func (t *Text) row(off int64, row []byte) error {
	if len(t.wait) > 0 {
		next := t.off + int64(len(t.wait))
		switch {
		case off > t.off && off < next:
			t.wait = t.wait[:off-t.off] // the rest was text that looked like bytes
		case off == t.base && t.base == 0 && !t.star, off == next:
			// another dump begins, or this one goes on
		case off > next && t.star:
		default:
			return t.fault(0, "offset %x, expected %x", off, next)
		}
		if err := t.emit(t.wait); err != nil {
			return err
		}
		if t.star && off > next {
			if err := t.repeat(t.wait, off-next); err != nil {
				return err
			}
		}
	} else if t.off == 0 {
		t.base = off
	}
	t.star = false
	t.off = off
	t.wait = row // empty behind the last row: the offset of the end
	return nil
}

// repeat writes row again and again, n bytes in all.
func (t *Text) repeat(row []byte, n int64) error {
	if n > maxRepeated-t.again {
		return t.fault(0, "offset %x, which makes * more than %d bytes", t.off+int64(len(row))+n, maxRepeated)
	}
	t.again += n
	rows := min(n, flushAt)/int64(len(row)) + 1
	for block := bytes.Repeat(row, int(rows)); n > 0; {
		k := min(n, int64(len(block)))
		if err := t.emit(block[:k]); err != nil {
			return err
		}
		n -= k
	}
	return nil
}

// plain reads hex digits with anything that is no letter between them.
func (t *Text) plain(s []byte, i int) error {
	for i < len(s) {
		c := s[i]
		switch {
		case c == '#', c == '/' && i+1 < len(s) && s[i+1] == '/':
			return nil // a comment
		case (c == '0' || c == '\\') && i+1 < len(s) && (s[i+1] == 'x' || s[i+1] == 'X'):
			i += 2
			if i+1 < len(s) && decode.HexDigit(s[i]) < 16 && (i+1 == len(s) || decode.HexDigit(s[i+1]) > 15) {
				t.out = append(t.out, decode.HexDigit(s[i])) // 0x5
				i++
			}
			continue
		case decode.HexDigit(c) < 16:
			if i+1 == len(s) || decode.HexDigit(s[i+1]) > 15 {
				return t.fault(i, "a single hex digit %q, expected two to a byte", c)
			}
			t.out = append(t.out, decode.HexDigit(c)<<4|decode.HexDigit(s[i+1]))
			i += 2
			continue
		case strings.IndexByte(" \t,;:-._|{}[]()\"'\\", c) < 0:
			return t.fault(i, "found %q, expected hex digits", c)
		}
		i++
	}
	return t.emit(nil)
}

// prose reports whether a line before the first row is words, such as the line
// that tcpdump writes above the bytes of a packet.
func prose(b []byte) bool {
	letters := 0
	if i := bytes.IndexByte(b, '#'); i >= 0 {
		b = b[:i]
	}
	if i := bytes.Index(b, []byte("//")); i >= 0 {
		b = b[:i]
	}
	for _, c := range b {
		if lower := c | 0x20; 'g' <= lower && lower <= 'z' && lower != 'x' {
			letters++
		}
	}
	return letters >= 2
}

// emit hands bytes on.
func (t *Text) emit(b []byte) error {
	t.out = append(t.out, b...)
	if len(t.out) >= flushAt {
		return t.flush()
	}
	return nil
}

func (t *Text) flush() error {
	if len(t.out) == 0 {
		return nil
	}
	_, err := t.W.Write(t.out)
	t.out = t.out[:0]
	return err
}

// Close hands on what is left.
func (t *Text) Close() error {
	if t.err != nil {
		t.flush()
		return t.err
	}
	if t.err = t.settle(nil); t.err == nil {
		t.err = t.emit(t.wait)
	}
	if t.err == nil {
		t.err = t.flush()
	}
	t.wait = nil
	if t.err == nil && t.quote != nil {
		t.err = t.fault(0, "the string has no end")
	}
	if t.err == nil && !t.begun {
		t.err = t.fault(0, "no hex digits were found")
		if t.words > 0 {
			t.err = &TextError{t.words, 1, "this was taken for words, and no hex digits follow"}
		}
	}
	return t.err
}

// ReadFrom reads all of r, line by line, and closes t. It returns how many
// bytes of text there were.
func (t *Text) ReadFrom(r io.Reader) (n int64, err error) {
	buf := make([]byte, 0, 64<<10)
	for {
		if len(buf) == cap(buf) {
			if cap(buf) > maxText {
				return n, t.Line(buf)
			}
			buf = append(make([]byte, 0, 2*cap(buf)), buf...)
		}
		k, err := r.Read(buf[len(buf):cap(buf)])
		n += int64(k)
		buf = buf[:len(buf)+k]
		at := 0
		for {
			i := bytes.IndexByte(buf[at:], '\n')
			if i < 0 {
				break
			}
			if e := t.Line(buf[at : at+i]); e != nil {
				t.flush()
				return n, e
			}
			at += i + 1
		}
		buf = buf[:copy(buf, buf[at:])]
		if err == io.EOF {
			if len(buf) > 0 {
				if e := t.Line(buf); e != nil {
					t.flush()
					return n, e
				}
			}
			return n, t.Close()
		}
		if err != nil {
			t.flush()
			return n, err
		}
	}
}
