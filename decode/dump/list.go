package dump

import (
	"bytes"

	"framescope/decode"
)

// A list says where a line stands to a list of numbers, as C, Go, Python and
// JavaScript write the bytes of an array.
type list uint8

const (
	noList list = iota
	inList
	behindList
)

// listStart returns the place behind the bracket that begins a list of numbers with
// 0x before them, or whose numbers follow in the next lines; -1 if there is none.
func listStart(b []byte) int {
	for _, open := range []byte("{[(") {
		i := bytes.LastIndexByte(b, open)
		if i < 1 {
			continue
		}
		rest := bytes.TrimLeft(b[i+1:], " \t")
		if len(rest) == 0 && open != '(' || len(rest) > 2 && rest[0] == '0' && rest[1]|0x20 == 'x' {
			return i + 1
		}
	}
	return -1
}

// numbers reads a line of a list from s[i] on.
func (t *Text) numbers(s []byte, i int) error {
	if t.list == behindList {
		n := listStart(s[i:])
		if n < 0 {
			return nil // how long it is, perhaps, as xxd -i says
		}
		t.list, i = inList, i+n
	}
	for _, comment := range []string{"//", "/*", "#"} {
		if n := bytes.Index(s[i:], []byte(comment)); n >= 0 {
			s = s[:i+n]
		}
	}
	if n := bytes.LastIndexAny(s[i:], "}])"); n >= 0 && !bytes.HasPrefix(bytes.TrimLeft(s[i+n+1:], " \t"), []byte{','}) {
		t.list, s = behindList, s[:i+n]
	}
	return t.plain(s, i)
}

// leastLabelled is how many bytes make hex digits behind words and a colon.
const leastLabelled = 4

// labelled returns where the hex digits of a line begin that has words and a colon
// before them, or -1.
func labelled(b []byte) int {
	i := bytes.LastIndexByte(b, ':') + 1
	if i == 0 || !prose(b[:i]) {
		return -1
	}
	n, digits := 0, 0
	for _, c := range b[i:] {
		switch {
		case decode.HexDigit(c) < 16:
			n++
			digits++
		case c == ' ' || c == ',' || c == '\r':
			if digits%2 != 0 {
				return -1
			}
			digits = 0
		default:
			return -1
		}
	}
	if digits%2 != 0 || n < 2*leastLabelled {
		return -1
	}
	return i
}
