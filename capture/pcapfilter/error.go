package pcapfilter

import (
	"errors"
	"fmt"
	"strings"
)

// ErrTooLong is wrapped by the *Error of an expression that is too long, too
// deeply nested, or whose program would be longer than the 4096 instructions
// that the kernel takes.
var ErrTooLong = errors.New("too long for a filter")

// An Error says what is wrong with an expression, and where.
type Error struct {
	// Expr is the expression, Off the offset of the place in it, in bytes, and
	// Len how many bytes of it are meant.
	Expr     string
	Off, Len int
	// Msg says what is wrong or what was expected.
	Msg string
	// Hint says what may have been meant; it may be empty.
	Hint string

	cause error
}

// Error returns one line: the offset, the message, and the hint. It does not say
// that it is about a filter: who took the expression knows what it was called.
func (e *Error) Error() string {
	text := fmt.Sprintf("offset %d: %s", e.Off, e.Msg)
	if e.Hint != "" {
		text += "; " + e.Hint
	}
	return text
}

// Unwrap returns ErrTooLong, or nil.
func (e *Error) Unwrap() error { return e.cause }

// similar returns the word of the language that s may have been meant to be, or
// "": one that differs in case, in one letter, or in the order of two.
func similar(s string) string {
	s = strings.ToLower(s)
	best := ""
	for word := range keywords {
		if (s == word || len(word) > 2 && oneOff(s, word)) && (best == "" || word < best) {
			best = word
		}
	}
	return best
}

// oneOff tells whether b is a with a letter too few, too many or wrong, or with
// two neighbours swapped.
func oneOff(a, b string) bool {
	if len(a) > len(b) {
		a, b = b, a
	}
	i := 0
	for i < len(a) && a[i] == b[i] {
		i++
	}
	if len(a) != len(b) {
		return a[i:] == b[i+1:]
	}
	if i == len(a) || a[i+1:] == b[i+1:] {
		return true
	}
	return i+1 < len(a) && a[i] == b[i+1] && a[i+1] == b[i] && a[i+2:] == b[i+2:]
}
