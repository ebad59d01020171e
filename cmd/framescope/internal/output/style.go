package output

import (
	"bytes"
	"strconv"
	"strings"
	"time"
)

// Colours. They only repeat what the words say.
const (
	bold   = "1"
	dim    = "2"
	red    = "31"
	green  = "32"
	yellow = "33"
)

// A painter puts colours around texts, or does nothing.
type painter bool

func (p painter) append(dst []byte, colour, text string) []byte {
	if !p || text == "" || colour == "" {
		return append(dst, text...)
	}
	dst = append(append(append(dst, "\x1b["...), colour...), 'm')
	dst = append(dst, text...)
	return append(dst, "\x1b[0m"...)
}

func spaces(dst []byte, n int) []byte {
	const blanks = "                                                                "
	for ; n > len(blanks); n -= len(blanks) {
		dst = append(dst, blanks...)
	}
	return append(dst, blanks[:max(n, 0)]...)
}

// right appends a number that ends n columns from here; one that is too long
// takes what it needs.
func right(dst []byte, v int64, n int) []byte {
	var buf [20]byte
	b := strconv.AppendInt(buf[:0], v, 10)
	return append(spaces(dst, n-len(b)), b...)
}

// left appends a word and spaces up to n columns.
func left(dst []byte, s string, n int) []byte { return spaces(append(dst, s...), n-len(s)) }

// fixed appends a number with at most so many decimals.
func fixed(dst []byte, f float64, decimals int) []byte {
	dst = strconv.AppendFloat(dst, f, 'f', decimals, 64)
	if decimals > 0 {
		dst = bytes.TrimSuffix(bytes.TrimRight(dst, "0"), []byte("."))
	}
	return dst
}

// appendDuration appends a duration as a person says it: 0.31 ms, 12.4 ms, 3.2 s,
// 4m12s, 3.5 d.
func appendDuration(dst []byte, ns int64) []byte {
	if ns < 0 {
		dst, ns = append(dst, '-'), -ns
	}
	switch {
	case ns < 9_995_000:
		return append(fixed(dst, float64(ns)/1e6, 2), " ms"...)
	case ns < 99_950_000:
		return append(fixed(dst, float64(ns)/1e6, 1), " ms"...)
	case ns < 999_500_000:
		return append(fixed(dst, float64(ns)/1e6, 0), " ms"...)
	case ns < 99_950_000_000:
		return append(fixed(dst, float64(ns)/1e9, 1), " s"...)
	}
	if days := float64(ns) / 86_400e9; days >= 99.95 {
		return append(fixed(dst, days, 0), " d"...)
	} else if days >= 2 {
		return append(fixed(dst, days, 1), " d"...)
	}
	return append(dst, time.Duration(ns).Round(time.Second).String()...)
}

// appendBytes appends a size as a person says it: 812 B, 12.4 kB, 3 MB.
func appendBytes(dst []byte, n int64) []byte {
	if n < 1000 {
		return append(strconv.AppendInt(dst, n, 10), " B"...)
	}
	f := float64(n)
	for _, unit := range []string{" kB", " MB", " GB", " TB", " PB", " EB"} {
		f /= 1000
		if f < 99.95 {
			return append(fixed(dst, f, 1), unit...)
		}
		if f < 999.5 || unit == " EB" {
			return append(fixed(dst, f, 0), unit...)
		}
	}
	return dst
}

// appendCount appends a number and its noun.
func appendCount(dst []byte, n int64, one, many string) []byte {
	dst = append(strconv.AppendInt(dst, n, 10), ' ')
	if n == 1 {
		return append(dst, one...)
	}
	return append(dst, many...)
}

// maxLines is how many lines wrap makes of a text.
const maxLines = 6

// wrap appends a text, made safe, that may take several lines of the given
// width. The first begins where the line stands now, at column at; the others
// are indented. A word that is too long for a line is cut.
func wrap(dst []byte, s string, at, indent, room int) []byte {
	b, _ := fit(nil, s, maxLines*(room-indent), false)
	return appendWords(dst, string(b), at, indent, room, true)
}

// Wrap appends a text, made safe for a terminal, in as many lines of the given
// width as it takes. The first begins where the line stands now, at column at;
// the others are indented. A word that is too long for a line stands alone: what
// can be copied, such as a command, is not cut.
func Wrap(dst []byte, s string, at, indent, room int) []byte {
	return appendWords(dst, safe(s), at, indent, room, false)
}

// appendWords appends the words of s, with the blanks between them where they
// stand in one line. If tight, with one blank, and words are cut.
func appendWords(dst []byte, s string, at, indent, room int, tight bool) []byte {
	column, gap := at, 0
	for first := true; s != ""; first = false {
		word, rest, _ := strings.Cut(s, " ")
		cells := width(word)
		switch {
		case first:
		case column+gap+cells > room:
			dst = spaces(append(dst, '\n'), indent)
			column = indent
		default:
			dst = spaces(dst, gap)
			column += gap
		}
		if tight {
			var used int
			dst, used = fit(dst, word, room-column, false)
			column += used
		} else {
			dst = append(dst, word...)
			column += cells
		}
		s = strings.TrimLeft(rest, " ")
		gap = 1
		if !tight {
			gap += len(rest) - len(s)
		}
	}
	return dst
}

// AppendParts appends parts one behind the other, three columns apart, to a line
// that stands at column at, and goes on in the next line where a part has no
// room. Parts have to be safe for a terminal.
func AppendParts(dst []byte, parts []string, at, indent, room int) []byte {
	l := line{dst: dst, column: at, indent: indent, room: room, started: true}
	for _, p := range parts {
		l.add([]byte(p), width(p))
	}
	return l.dst
}

// AppendPadded appends a cell of a column of so many columns of the terminal: at
// its right end if right says so. A cell that is too long takes what it needs.
func AppendPadded[T string | []byte](dst []byte, cell T, columns int, right bool) []byte {
	lack := columns - width(cell)
	if right {
		return append(spaces(dst, lack), cell...)
	}
	return spaces(append(dst, cell...), lack)
}

// A line puts parts one behind the other, three columns apart, and goes on in
// the next line where a part has no room.
type line struct {
	dst          []byte
	column       int
	indent, room int
	started      bool
}

// add appends a part of so many columns.
func (l *line) add(part []byte, cells int) {
	if l.started {
		if l.column+3+cells > l.room {
			l.dst = spaces(append(l.dst, '\n'), l.indent)
			l.column = l.indent
		} else {
			l.dst = append(l.dst, "   "...)
			l.column += 3
		}
	}
	l.started = true
	l.dst = append(l.dst, part...)
	l.column += cells
}

// list appends a text whose parts end in "; " and begins new lines between them
// where it is too long for one.
func (l *line) list(s string) {
	for room := l.room - l.indent; len(s) > room; {
		n := strings.LastIndex(s[:room], "; ")
		if n < 0 {
			break
		}
		l.text(s[:n+1])
		s = s[n+2:]
	}
	l.text(s)
}

// text appends a part that is made safe, cut to what a line holds.
func (l *line) text(s string) {
	part, cells := fit(nil, s, l.room-l.indent, false)
	l.add(part, cells)
}

// Bytes returns n bytes as a person reads it: "12.3 kB".
func Bytes(n int64) string { return string(appendBytes(nil, n)) }

// Count returns a number of things: "1 packet", "12 packets".
func Count[N int | int64](n N, one, many string) string {
	return string(appendCount(nil, int64(n), one, many))
}
