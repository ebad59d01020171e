package filter

import (
	"cmp"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"framescope/decode/protocol"
	"framescope/decode/record"
)

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

func (p *parser) fail(at token, msg string) error {
	return &Error{Expr: p.src, Off: at.off, Len: at.end - at.off, Msg: msg}
}

func (p *parser) hint(at token, msg, hint string) error {
	return &Error{Expr: p.src, Off: at.off, Len: at.end - at.off, Msg: msg, Hint: hint}
}

// unexpected says that the current token is not what belongs here.
func (p *parser) unexpected(want string) error {
	if p.tok.kind == tokEnd {
		return p.fail(p.tok, "the expression ends too early: expected "+want)
	}
	return p.fail(p.tok, "expected "+want)
}

func quote(s string) string {
	if len(s) > 64 {
		s = s[:64] + "..."
	}
	return strconv.Quote(s)
}

// unknownField is the error for a name that is no field.
func (p *parser) unknownField(t token) error {
	name := strings.ToLower(t.text)
	msg := "there is no field " + quote(t.text)
	if typ, ok := record.ParseType(name); ok {
		return p.hint(t, msg, "did you mean type == "+typ.String()+"?")
	}
	switch {
	case slices.Contains(protocol.Names(), name), slices.Contains(protocol.DatagramNames(), name), name == "websocket", name == "igmp", name == "mld":
		return p.hint(t, msg, "did you mean network.protocol == "+name+"?")
	case name == "tcp", name == "udp":
		return p.hint(t, msg, "did you mean network.transport == "+name+"?")
	}
	names := slices.Concat(allNames(), record.Aliases())
	if near := nearest(name, names); near != "" {
		hint := "did you mean " + near + "?"
		if b, ok := record.Lookup(near); ok {
			hint += " It belongs to " + b.Types().String() + "."
		}
		return p.hint(t, msg, hint)
	}
	return p.hint(t, msg, "docs/output.md lists the fields")
}

// Nearest returns the candidate that s may have been meant to be, or "".
func Nearest(s string, candidates []string) string { return nearest(s, candidates) }

// nearest returns the candidate that s may have been meant to be, or "".
func nearest(s string, candidates []string) string {
	if s == "" || len(s) > 64 {
		return ""
	}
	// The end of a name is what people remember of it.
	tails := slices.DeleteFunc(slices.Clone(candidates), func(c string) bool { return !strings.HasSuffix(c, "."+s) })
	if len(tails) > 0 {
		return slices.MinFunc(tails, func(a, b string) int { return cmp.Compare(len(a), len(b)) })
	}
	best, least := "", len(s)/3+2
	for _, c := range candidates {
		if d := distance(s, c); d < least {
			best, least = c, d
		}
		if i := strings.LastIndexByte(c, '.'); i >= 0 && !strings.Contains(s, ".") {
			if d := distance(s, c[i+1:]); d < min(least, 3) {
				best, least = c, d
			}
		}
	}
	return best
}

// distance is the number of insertions, deletions, changes and swaps of
// neighbours that make b of a.
func distance(a, b string) int {
	before, last, row := make([]int, len(b)+1), make([]int, len(b)+1), make([]int, len(b)+1)
	for j := range last {
		last[j] = j
	}
	for i := 1; i <= len(a); i++ {
		row[0] = i
		for j := 1; j <= len(b); j++ {
			change := last[j-1]
			if a[i-1] != b[j-1] {
				change++
			}
			row[j] = min(change, last[j]+1, row[j-1]+1)
			if i > 1 && j > 1 && a[i-1] == b[j-2] && a[i-2] == b[j-1] {
				row[j] = min(row[j], before[j-2]+1)
			}
		}
		before, last, row = last, row, before
	}
	return last[len(b)]
}
