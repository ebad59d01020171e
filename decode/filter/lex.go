package filter

import (
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"
)

type tokenKind uint8

const (
	tokEnd    tokenKind = iota
	tokWord             // a name, a number, an address: anything without quotes
	tokString           // in quotes
	tokAnd
	tokOr
	tokNot
	tokOpen
	tokClose
	tokOpenSet
	tokCloseSet
	tokComma
	tokRange // ..
	tokOp    // a comparison
)

// An op is a comparison.
type op uint8

const (
	opNone op = iota
	opEq
	opNe
	opLt
	opLe
	opGt
	opGe
	opContains
	opMatches
	opIn
)

var opNames = [...]string{"", "==", "!=", "<", "<=", ">", ">=", "contains", "matches", "in"}

var words = map[string]struct {
	kind tokenKind
	op   op
}{
	"and": {tokAnd, 0}, "or": {tokOr, 0}, "not": {tokNot, 0},
	"eq": {tokOp, opEq}, "ne": {tokOp, opNe}, "lt": {tokOp, opLt}, "le": {tokOp, opLe}, "gt": {tokOp, opGt}, "ge": {tokOp, opGe},
	"contains": {tokOp, opContains}, "matches": {tokOp, opMatches}, "in": {tokOp, opIn},
}

var marks = []struct {
	text string
	kind tokenKind
	op   op
}{
	{"&&", tokAnd, 0}, {"||", tokOr, 0}, {"==", tokOp, opEq}, {"!=", tokOp, opNe}, {"<=", tokOp, opLe}, {">=", tokOp, opGe},
	{"<", tokOp, opLt}, {">", tokOp, opGt}, {"~", tokOp, opMatches}, {"!", tokNot, 0}, {"(", tokOpen, 0}, {")", tokClose, 0},
	{"{", tokOpenSet, 0}, {"}", tokCloseSet, 0}, {",", tokComma, 0}, {"..", tokRange, 0},
}

// A token is a piece of the expression.
type token struct {
	kind     tokenKind
	op       op
	off, end int    // where it is
	text     string // of a word or string, without its quotes
	quote    byte   // ", ' or 0
}

func wordByte(c byte) bool {
	return c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9' || strings.IndexByte("_.:/-+@%*$#?", c) >= 0 || c >= utf8.RuneSelf
}

// next reads the next token.
func (p *parser) next() error {
	s := p.src
	i := p.tok.end
	for i < len(s) && (s[i] == ' ' || s[i] == '\t' || s[i] == '\n' || s[i] == '\r') {
		i++
	}
	p.tok = token{off: i, end: i}
	if i == len(s) {
		return nil
	}
	switch c := s[i]; {
	case c == '"' || c == '\'':
		return p.quoted(c)
	case strings.HasPrefix(s[i:], ".."):
	case wordByte(c):
		end := i
		for end < len(s) && wordByte(s[end]) && !strings.HasPrefix(s[end:], "..") {
			end++
		}
		p.tok.kind, p.tok.end, p.tok.text = tokWord, end, s[i:end]
		if w, ok := words[p.tok.text]; ok {
			p.tok.kind, p.tok.op = w.kind, w.op
		}
		if !utf8.ValidString(p.tok.text) || strings.ContainsFunc(p.tok.text, func(r rune) bool { return r > unicode.MaxASCII && !unicode.IsLetter(r) && !unicode.IsMark(r) }) {
			return p.fail(p.tok, "put text with such characters in quotes")
		}
		return nil
	}
	for _, m := range marks {
		if strings.HasPrefix(s[i:], m.text) {
			p.tok.kind, p.tok.op, p.tok.end = m.kind, m.op, i+len(m.text)
			return nil
		}
	}
	p.tok.end = i + 1
	switch s[i] {
	case '=':
		return p.fail(p.tok, "expected a comparison: did you mean ==?")
	case '&':
		return p.fail(p.tok, "expected &&")
	case '|':
		return p.fail(p.tok, "expected ||")
	}
	return p.fail(p.tok, "put text with such characters in quotes")
}

// quoted reads a string. In double quotes a backslash and the byte behind it
// belong together; single quotes take everything as it is.
func (p *parser) quoted(quote byte) error {
	start := p.tok.off + 1
	for i := start; i < len(p.src); i++ {
		switch c := p.src[i]; {
		case c == quote:
			p.tok.kind, p.tok.quote = tokString, quote
			p.tok.text, p.tok.end = p.src[start:i], i+1
			return nil
		case c == '\\' && quote == '"':
			i++
		}
	}
	p.tok.end = len(p.src)
	return p.fail(p.tok, "the quote is not closed")
}

// text returns what a word or string stands for.
func (p *parser) text(t token) (string, error) {
	if t.quote != '"' || !strings.Contains(t.text, `\`) {
		return t.text, nil
	}
	var out strings.Builder
	rest := t.text
	for rest != "" {
		if rest[0] != '\\' {
			n := strings.IndexByte(rest, '\\')
			if n < 0 {
				n = len(rest)
			}
			out.WriteString(rest[:n])
			rest = rest[n:]
			continue
		}
		r, multibyte, tail, err := strconv.UnquoteChar(rest, '"')
		if err != nil {
			off := t.end - 1 - len(rest)
			return "", p.fail(token{off: off, end: min(off+2, t.end-1)}, `unknown escape: use \", \\, \n, \r, \t, \xNN or \uNNNN, or single quotes`)
		}
		if multibyte {
			out.WriteRune(r)
		} else {
			out.WriteByte(byte(r))
		}
		rest = tail
	}
	return out.String(), nil
}

// pattern returns the regular expression that a word or string stands for: in
// double quotes only \" is an escape, so that "\d" means what it says.
func pattern(t token) string {
	if t.quote != '"' {
		return t.text
	}
	var out strings.Builder
	for i := 0; i < len(t.text); i++ {
		if t.text[i] == '\\' && i+1 < len(t.text) {
			i++
			if t.text[i] != '"' {
				out.WriteByte('\\')
			}
		}
		out.WriteByte(t.text[i])
	}
	return out.String()
}

// print writes a word or string as it would be written in an expression.
func (t token) print(out *strings.Builder) {
	if t.quote == 0 {
		out.WriteString(t.text)
		return
	}
	out.WriteByte(t.quote)
	out.WriteString(t.text)
	out.WriteByte(t.quote)
}
