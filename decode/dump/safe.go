package dump

import (
	"unicode/utf8"

	"framescope/decode/record"
)

// Safe returns s as a terminal may show it: control and invisible characters,
// and what is not valid UTF-8, as \x1b or \u202e.
func Safe(s string) string {
	clean := true
	for i := 0; i < len(s) && clean; i++ {
		clean = printable(s[i])
	}
	if clean {
		return s
	}
	var dst []byte
	for i := 0; i < len(s); {
		r, n := utf8.DecodeRuneInString(s[i:])
		switch {
		case r == utf8.RuneError && n == 1, r < ' ', r == 0x7f:
			switch s[i] {
			case '\n':
				dst = append(dst, `\n`...)
			case '\r':
				dst = append(dst, `\r`...)
			case '\t':
				dst = append(dst, `\t`...)
			default:
				dst = appendByte(append(dst, '\\', 'x'), s[i])
			}
		case record.Hidden(r):
			dst = record.AppendEscape(dst, r)
		default:
			dst = append(dst, s[i:i+n]...)
		}
		i += n
	}
	return string(dst)
}

func width(s string) int { return utf8.RuneCountInString(s) }

// cut returns how many bytes of s have room in so many columns.
func cut(s string, room int) int {
	for i := range s {
		if room == 0 {
			return i
		}
		room--
	}
	return len(s)
}
