package pcapfilter

import (
	"errors"
	"strings"
	"unicode/utf8"
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

// window is how much of a long expression an Error shows before and behind the
// place.
const window = 48

// Error returns the message, the expression with carets below the place, and the
// hint, on lines of their own. It does not say that it is about a filter: who
// took the expression knows what it was called.
func (e *Error) Error() string {
	size := min(e.Len, window)
	from, to := max(e.Off-window, 0), min(e.Off+max(size, 1)+window, len(e.Expr))
	for from > 0 && !utf8.RuneStart(e.Expr[from]) {
		from--
	}
	place := min(e.Off, len(e.Expr))
	lead, rest := flat(e.Expr[from:place]), flat(e.Expr[place:to])
	marked := utf8.RuneCountInString(flat(e.Expr[place:min(place+size, to)]))
	if from > 0 {
		lead = "..." + lead
	}
	if to < len(e.Expr) {
		rest += "..."
	}
	var out strings.Builder
	out.WriteString(flat(e.Msg) + "\n  " + lead + rest + "\n  ")
	out.WriteString(strings.Repeat(" ", utf8.RuneCountInString(lead)) + strings.Repeat("^", max(marked, 1)))
	if e.Hint != "" {
		out.WriteString("\n  " + flat(e.Hint))
	}
	return out.String()
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

// flat makes one visible character of every character, so that carets stand
// where they should and a terminal shows nothing else. Expressions are ASCII.
func flat(s string) string {
	return strings.Map(func(r rune) rune {
		switch {
		case r == '\t' || r == '\n' || r == '\r':
			return ' '
		case r < ' ' || r > '~':
			return '?'
		}
		return r
	}, s)
}
