package record

import (
	"slices"
	"unicode"
	"unicode/utf8"
)

const digits = "0123456789abcdef"

// plain marks the bytes that a JSON string holds as they are.
var plain = func() (t [256]bool) {
	for b := ' '; b <= '~'; b++ {
		t[b] = b != '"' && b != '\\'
	}
	return t
}()

// Hidden reports whether r must not reach a terminal as it is: control
// characters, what turns the direction of text, and other characters that
// cannot be seen.
func Hidden(r rune) bool {
	if r < 0x80 {
		return r < ' ' || r == 0x7f
	}
	// The last four are letters by their category, and blank.
	return r < 0xa0 || !unicode.IsGraphic(r) || r == 0x3164 || r == 0xffa0 || r == 0x115f || r == 0x1160
}

// stride is how many bytes of a string are written with one look at the room
// that is left. None becomes more than six bytes.
const stride = 128

// appendString appends s as a JSON string. It returns false when s is not valid
// UTF-8; every wrong byte is written as U+FFFD then.
func appendString[T string | []byte](dst []byte, s T) ([]byte, bool) {
	valid := true
	dst = append(dst, '"')
	for i := 0; i < len(s); {
		dst = slices.Grow(dst, 6*(stride+utf8.UTFMax))
		n, out := len(dst), dst[:cap(dst)]
		for end := min(i+stride, len(s)); i < end; {
			c := s[i]
			if plain[c] {
				out[n] = c
				n++
				i++
				continue
			}
			if c < utf8.RuneSelf {
				if e := short[c]; e != 0 {
					out[n], out[n+1] = '\\', e
					n += 2
				} else {
					n = len(AppendEscape(out[:n], rune(c)))
				}
				i++
				continue
			}
			// Four bytes are copied, so that neither a string nor a slice of
			// bytes has to become the other.
			var buf [utf8.UTFMax]byte
			r, size := utf8.DecodeRune(buf[:copy(buf[:], s[i:min(i+utf8.UTFMax, len(s))])])
			switch {
			case r == utf8.RuneError && size == 1:
				valid = false
				n += copy(out[n:], `\ufffd`)
			case Hidden(r):
				n = len(AppendEscape(out[:n], r))
			default:
				n += copy(out[n:], buf[:size])
			}
			i += size
		}
		dst = out[:n]
	}
	return append(dst, '"'), valid
}

// short holds the second byte of the escapes of two bytes.
var short = [utf8.RuneSelf]byte{'"': '"', '\\': '\\', '\n': 'n', '\r': 'r', '\t': 't'}

// AppendEscape appends r as \u and four hexadecimal digits, as a pair of them beyond U+FFFF.
func AppendEscape(dst []byte, r rune) []byte {
	if r > 0xffff {
		r -= 0x10000
		dst = AppendEscape(dst, 0xd800+r>>10)
		r = 0xdc00 + r&0x3ff
	}
	return append(dst, '\\', 'u', digits[r>>12&15], digits[r>>8&15], digits[r>>4&15], digits[r&15])
}
