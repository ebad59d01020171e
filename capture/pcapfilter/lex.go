package pcapfilter

import (
	"net/netip"
	"strings"
)

type tokenKind uint8

const (
	tokEnd     tokenKind = iota
	tokMark              // an operator or parenthesis
	tokKeyword           // a word of the language; text is what it is an alias of
	tokName
	tokNumber
	tokDotted // an IPv4 address or the first parts of one
	tokIPv6
	tokMAC
	tokARCnet
)

// A token is a piece of an expression.
type token struct {
	kind     tokenKind
	off, end int
	text     string
	number   uint32
}

func (t token) is(text string) bool {
	return t.text == text && (t.kind == tokMark || t.kind == tokKeyword)
}

// maxExpr and maxDepth bound what is compiled.
const (
	maxExpr  = 64 << 10
	maxDepth = 200
)

// lex cuts an expression into tokens. At each place the longest token wins; a
// keyword wins over a name, an address over a number.
func lex(expr string) ([]token, error) {
	var list []token
	for i := 0; ; {
		for i < len(expr) && strings.IndexByte(" \t\r\n", expr[i]) >= 0 {
			i++
		}
		if i == len(expr) {
			return append(list, token{kind: tokEnd, off: i, end: i}), nil
		}
		t, err := next(expr, i)
		if err != nil {
			return nil, err
		}
		list = append(list, t)
		i = t.end
	}
}

var marks = []string{">=", "<=", "!=", "==", "<<", ">>", "&&", "||"}

func next(expr string, i int) (token, error) {
	t := token{off: i}
	s := expr[i:]
	fail := func(size int, msg string) (token, error) {
		return t, &Error{Expr: expr, Off: i, Len: size, Msg: msg}
	}
	// A word, and whatever addresses begin here.
	size := wordSize(s)
	if n := ipv6Size(s); n > size {
		t.kind, t.text, t.end = tokIPv6, s[:n], i+n
		if _, err := netip.ParseAddr(t.text); err != nil {
			return fail(n, "this is no IPv6 address")
		}
		return t, nil
	}
	if n := macSize(s); n > 0 && n >= size {
		t.kind, t.text, t.end = tokMAC, s[:n], i+n
		return t, nil
	}
	if n := brokenMAC(s); n > size {
		return fail(n, "this is no hardware address")
	}
	if size > 0 {
		t.text, t.end = s[:size], i+size
		switch n, parts := dottedSize(s); {
		case n == size && parts == 1:
			var why string
			if t.number, why = number(t.text); why != "" {
				return fail(size, why)
			}
			t.kind = tokNumber
		case n == size && parts <= 4:
			t.kind = tokDotted
		default:
			if k, ok := keywords[t.text]; ok {
				t.kind, t.text = tokKeyword, k
			} else if n, ok := constants[t.text]; ok {
				t.kind, t.number = tokNumber, n
			} else {
				t.kind = tokName
			}
		}
		return t, nil
	}
	switch c := s[0]; {
	case c == '\\':
		n := strings.IndexAny(s[1:], " !()\n\t")
		if n < 0 {
			n = len(s) - 1
		}
		if n == 0 {
			return fail(1, "expected a name behind the backslash")
		}
		t.kind, t.text, t.end = tokName, s[1:1+n], i+1+n
		return t, nil
	case c == '$' && len(s) > 1 && hexRun(s[1:], 2) > 0:
		n := 1 + hexRun(s[1:], 2)
		t.kind, t.text, t.end = tokARCnet, s[1:n], i+n
		return t, nil
	}
	t.kind = tokMark
	for _, m := range marks {
		if strings.HasPrefix(s, m) {
			t.text, t.end = m, i+2
			switch m {
			case "==":
				t.text = "="
			case "&&":
				t.kind, t.text = tokKeyword, "and"
			case "||":
				t.kind, t.text = tokKeyword, "or"
			}
			return t, nil
		}
	}
	if strings.IndexByte("+-*/%:[]!<>()&|^=", s[0]) >= 0 {
		t.text, t.end = s[:1], i+1
		return t, nil
	}
	return fail(1, "this character has no meaning here")
}

func letterOrDigit(c byte) bool {
	return c >= '0' && c <= '9' || c|0x20 >= 'a' && c|0x20 <= 'z'
}

func hexDigit(c byte) bool { return c >= '0' && c <= '9' || c|0x20 >= 'a' && c|0x20 <= 'f' }

// wordSize is the length of the word that s begins with: letters and digits,
// dots, and hyphens and underscores in between.
func wordSize(s string) int {
	if s == "" || !letterOrDigit(s[0]) {
		return 0
	}
	end := 1
	for i := 1; i < len(s); i++ {
		switch c := s[i]; {
		case letterOrDigit(c) || c == '.':
			end = i + 1
		case c != '-' && c != '_':
			return end
		}
	}
	return end
}

// hexRun is how many hex digits s begins with, most at most.
func hexRun(s string, most int) int {
	n := 0
	for n < len(s) && n < most && hexDigit(s[n]) {
		n++
	}
	return n
}

// numberSize is the length of the decimal or hexadecimal number that s begins
// with.
func numberSize(s string) int {
	if len(s) > 2 && s[0] == '0' && s[1]|0x20 == 'x' && hexDigit(s[2]) {
		return 2 + hexRun(s[2:], len(s))
	}
	n := 0
	for n < len(s) && s[n] >= '0' && s[n] <= '9' {
		n++
	}
	return n
}

// dottedSize is the length of the numbers with dots between them that s begins
// with, four at most, and how many there are.
func dottedSize(s string) (size, parts int) {
	size = numberSize(s)
	if size == 0 {
		return 0, 0
	}
	for parts = 1; parts < 4 && size < len(s) && s[size] == '.'; parts++ {
		n := numberSize(s[size+1:])
		if n == 0 {
			break
		}
		size += 1 + n
	}
	return size, parts
}

// macSize is the length of the hardware address that s begins with: six
// numbers of one or two digits with the same mark between them, three of four
// digits with dots, or twelve digits.
func macSize(s string) int {
	best := 0
	for _, mark := range []byte(":-.") {
		n := 0
		for part := 0; part < 6; part++ {
			if part > 0 {
				if n >= len(s) || s[n] != mark {
					n = 0
					break
				}
				n++
			}
			digits := hexRun(s[n:], 2)
			if digits == 0 {
				n = 0
				break
			}
			n += digits
		}
		best = max(best, n)
	}
	if best == 0 && hexRun(s, 13) >= 12 {
		return 12
	}
	if best == 0 && len(s) >= 14 && s[4] == '.' && s[9] == '.' &&
		hexRun(s, 4) == 4 && hexRun(s[5:], 4) == 4 && hexRun(s[10:], 4) == 4 {
		return 14
	}
	return best
}

// brokenMAC is the length of something with colons that is not an address.
func brokenMAC(s string) int {
	end, groups := 0, 0
	for i := 0; ; groups++ {
		n := hexRun(s[i:], 2)
		if n == 0 || i+n >= len(s) || s[i+n] != ':' {
			break
		}
		for i += n; i < len(s) && s[i] == ':'; i++ {
		}
		end = i
	}
	if groups < 2 {
		return 0
	}
	return end
}

// ipv6Size is the length of the longest IPv6 address that s begins with.
func ipv6Size(s string) int {
	best := 0
	groups, gap := 0, false
	i := 0
	// whole notes that s[:end] would be an address.
	whole := func(end int) {
		if !gap && groups == 8 || gap && groups <= 7 {
			best = end
		}
	}
	if strings.HasPrefix(s, "::") {
		gap, i = true, 2
		whole(i)
	}
	for groups < 8 {
		n := hexRun(s[i:], 4)
		if size, parts := dottedSize(s[i:]); parts == 4 && (!gap && groups == 6 || gap && groups <= 5) && (i > 0) {
			return max(best, i+size)
		}
		if n == 0 {
			break
		}
		groups++
		i += n
		whole(i)
		if i >= len(s) || s[i] != ':' {
			break
		}
		i++
		if !gap && i < len(s) && s[i] == ':' {
			gap = true
			i++
			whole(i)
		}
	}
	return best
}

// number reads a decimal, octal (with a leading 0) or hexadecimal number of 32
// bits. The second result says what is wrong with it.
func number(s string) (uint32, string) {
	base := uint64(10)
	digits := s
	switch {
	case len(s) > 2 && s[1]|0x20 == 'x':
		base, digits = 16, s[2:]
	case len(s) > 1 && s[0] == '0':
		base, digits = 8, s[1:]
	}
	var n uint64
	for _, c := range []byte(digits) {
		d := uint64(c - '0')
		if c > '9' {
			d = uint64(c|0x20-'a') + 10
		}
		if d >= base {
			return 0, "a number that begins with 0 is octal and has no 8 or 9"
		}
		if n = n*base + d; n > 1<<32-1 {
			return 0, "the number does not fit into 32 bits"
		}
	}
	return uint32(n), ""
}
