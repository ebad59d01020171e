package dump

import "framescope/decode"

// A literal is a string literal that is being read.
type literal struct {
	quote byte
	long  bool // three quotes
	raw   bool
}

// literalStart returns where a string literal begins at the start of a line,
// or -1: b'..', rb"..", u8"..", '..', also in parentheses or behind "name =".
func literalStart(b []byte) int {
	i := 0
	for i < len(b) && i < 64 && (b[i] == '(' || b[i] == ' ' || b[i] == '_' || b[i] == '=' || b[i] == '.' || b[i] == '[' || b[i] == ']' ||
		'0' <= b[i] && b[i] <= '9' || 'a' <= b[i]|0x20 && b[i]|0x20 <= 'z') {
		i++
	}
	if i == len(b) || b[i] != '"' && b[i] != '\'' {
		return -1
	}
	prefix := i
	for prefix > 0 && 'a' <= b[prefix-1]|0x20 && b[prefix-1]|0x20 <= 'z' {
		prefix--
	}
	bytesLike := prefix < i
	for _, c := range b[i:] {
		bytesLike = bytesLike || c == '\\'
	}
	if !bytesLike && plainHex(b[i+1:]) {
		return -1 // "81 05" in quotes is hex
	}
	return prefix
}

// plainHex reports whether b is hex digits and spaces up to a quote.
func plainHex(b []byte) bool {
	n := 0
	for _, c := range b {
		if c == '"' || c == '\'' {
			break
		}
		if decode.HexDigit(c) < 16 {
			n++
		} else if c != ' ' && c != ':' {
			return false
		}
	}
	return n > 0 && n%2 == 0
}

// literal reads the literals of a line from s[i] on.
func (t *Text) literal(s []byte, i int) error {
	for i < len(s) {
		q := t.quote
		c := s[i]
		switch {
		case q == nil && (c == '"' || c == '\''):
			q = &literal{quote: c, raw: i > 0 && s[i-1]|0x20 == 'r' || i > 1 && s[i-2]|0x20 == 'r' && s[i-1]|0x20 == 'b'}
			if i+2 < len(s) && s[i+1] == c && s[i+2] == c {
				q.long = true
				i += 2
			}
			t.quote = q
			i++
		case q == nil && c == '#':
			return t.emit(nil)
		case q == nil:
			i++ // a prefix, a parenthesis, a comma
		case c == q.quote && !q.long:
			t.quote = nil
			i++
		case c == q.quote && i+2 < len(s) && s[i+1] == c && s[i+2] == c:
			t.quote = nil
			i += 3
		case c == '\\' && !q.raw:
			n, err := t.escape(s, i)
			if err != nil {
				return err
			}
			if n < 0 {
				return t.emit(nil) // the line goes on in the next one
			}
			i = n
		default:
			t.out = append(t.out, c)
			i++
		}
	}
	if t.quote == nil {
		return t.emit(nil)
	}
	if !t.quote.long {
		return t.fault(len(s), "the string has no end, expected %c", t.quote.quote)
	}
	t.out = append(t.out, '\n')
	return t.emit(nil)
}

var escapes = [...]struct{ name, value byte }{
	{'n', '\n'}, {'r', '\r'}, {'t', '\t'}, {'\\', '\\'}, {'\'', '\''}, {'"', '"'}, {'a', 7}, {'b', 8}, {'f', 12}, {'v', 11},
}

// escape reads the escape at s[i], and returns the place behind it; -1 for a
// backslash at the end of the line.
func (t *Text) escape(s []byte, i int) (int, error) {
	if i+1 == len(s) {
		return -1, nil
	}
	c := s[i+1]
	if c == 'x' {
		if i+3 >= len(s) || decode.HexDigit(s[i+2]) > 15 || decode.HexDigit(s[i+3]) > 15 {
			return 0, t.fault(i, `expected two hex digits behind \x`)
		}
		t.out = append(t.out, decode.HexDigit(s[i+2])<<4|decode.HexDigit(s[i+3]))
		return i + 4, nil
	}
	if '0' <= c && c <= '7' {
		v, j := 0, i+1
		for ; j < len(s) && j < i+4 && '0' <= s[j] && s[j] <= '7'; j++ {
			v = v<<3 | int(s[j]-'0')
		}
		t.out = append(t.out, byte(v))
		return j, nil
	}
	for _, e := range escapes {
		if e.name == c {
			t.out = append(t.out, e.value)
			return i + 2, nil
		}
	}
	t.out = append(t.out, '\\', c) // as Python keeps it
	return i + 2, nil
}
