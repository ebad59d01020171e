package output

import (
	"strings"
	"unicode/utf8"
)

// markWindow is how much of a long line Mark shows before and behind the place,
// in bytes.
const markWindow = 48

// Mark returns the line s, made safe for a terminal, and a line with carets below
// the n bytes at the offset off, at least one. Both are indented by two blanks;
// nothing stands behind them. What is far from the place is left out.
func Mark(s string, off, n int) string {
	off = min(max(off, 0), len(s))
	n = min(max(n, 0), markWindow)
	from, to := max(off-markWindow, 0), min(off+max(n, 1)+markWindow, len(s))
	for from > 0 && !utf8.RuneStart(s[from]) {
		from--
	}
	lead, place, rest := safe(s[from:off]), safe(s[off:min(off+n, to)]), safe(s[min(off+n, to):to])
	if from > 0 {
		lead = "..." + lead
	}
	if to < len(s) {
		rest += "..."
	}
	return "  " + lead + place + rest + "\n  " + strings.Repeat(" ", width(lead)) + strings.Repeat("^", max(width(place), 1))
}
