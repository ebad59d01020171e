package output

import (
	"sort"
	"unicode"
	"unicode/utf8"

	"framescope/decode/record"
)

// maxMarks is how many marks may stand on one character. More are a picture,
// not a text, and would be drawn over other lines.
const maxMarks = 4

// runeWidth returns how many columns of a terminal r takes: 0, 1 or 2.
func runeWidth(r rune) int {
	switch {
	case r < 0x300:
		return 1
	case unicode.In(r, unicode.Mn, unicode.Me),
		r >= 0x1160 && r <= 0x11ff, r >= 0xd7b0 && r <= 0xd7ff: // vowels and finals join a Hangul syllable
		return 0
	}
	i := sort.Search(len(wide), func(i int) bool { return wide[i][1] >= r })
	if i < len(wide) && wide[i][0] <= r {
		return 2
	}
	return 1
}

// width returns how many columns a text takes that fit or safe has made.
func width[T string | []byte](s T) (n int) {
	for i := range len(s) {
		if s[i] >= utf8.RuneSelf {
			for _, r := range string(s[i:]) {
				n += runeWidth(r)
			}
			return i + n
		}
	}
	return len(s)
}

// Visible returns s, such as a file's name, as a terminal may show it: what is
// not valid UTF-8 as \xff, control and invisible characters as \x1b or \u202e.
func Visible(s string) string {
	for i := range len(s) {
		if s[i] < ' ' || s[i] > '~' {
			return safe(s)
		}
	}
	return s
}

// AppendFit appends s as Visible returns it. Of what takes more columns of the
// terminal than room it is the beginning, and "...".
func AppendFit[T string | []byte](dst []byte, s T, room int) []byte {
	dst, _ = fit(dst, s, room, false)
	return dst
}

// safe returns s as a terminal may show it: what is not valid UTF-8 as \xff,
// control and invisible characters as \x1b or \u202e.
func safe[T string | []byte](s T) string {
	b, _ := fit(nil, s, 1<<30, false)
	return string(b)
}

// fit appends as much of s as has room in the given columns, made safe as by
// safe, and returns how many columns that took. Where s was cut, or if more says
// that s is only a beginning, it ends in "...".
func fit[T string | []byte](dst []byte, s T, room int, more bool) ([]byte, int) {
	if room <= 0 {
		return dst, 0
	}
	dots := min(room, 3)
	used, marks := 0, 0
	// Where the text ends if the dots have to come.
	end, endUsed := len(dst), 0
	for i := 0; i < len(s); {
		var r rune
		size, cells := 1, 1
		n := len(dst)
		if c := s[i]; c >= ' ' && c < 0x7f {
			dst = append(dst, c)
			marks = 0
		} else {
			var buf [utf8.UTFMax]byte
			r, size = utf8.DecodeRune(buf[:copy(buf[:], s[i:min(i+utf8.UTFMax, len(s))])])
			cells = runeWidth(r)
			if cells == 0 {
				marks++
			} else {
				marks = 0
			}
			switch {
			case r == utf8.RuneError && size == 1:
				dst = appendByte(dst, s[i])
				cells = len(dst) - n
			case record.Hidden(r) || marks > maxMarks:
				dst = appendHidden(dst, r)
				cells = len(dst) - n
			default:
				dst = append(dst, buf[:size]...)
			}
		}
		if used+cells > room {
			return append(dst[:end], "..."[:dots]...), endUsed + dots
		}
		used += cells
		if used <= room-dots {
			end, endUsed = len(dst), used
		}
		i += size
	}
	if more {
		return append(dst[:end], "..."[:dots]...), endUsed + dots
	}
	return dst, used
}

const hexDigits = "0123456789abcdef"

func appendByte(dst []byte, c byte) []byte {
	return append(dst, '\\', 'x', hexDigits[c>>4], hexDigits[c&15])
}

// appendHidden appends the escape of a character that must not reach a
// terminal.
func appendHidden(dst []byte, r rune) []byte {
	switch {
	case r == '\n':
		return append(dst, `\n`...)
	case r == '\r':
		return append(dst, `\r`...)
	case r == '\t':
		return append(dst, `\t`...)
	case r < 0x80:
		return appendByte(dst, byte(r))
	}
	return record.AppendEscape(dst, r)
}

// wide are the characters that take two columns (Unicode Standard Annex 11,
// classes W and F, and what is shown as emoji), in ascending order.
var wide = [...][2]rune{
	{0x1100, 0x115f}, {0x231a, 0x231b}, {0x2329, 0x232a}, {0x23e9, 0x23ec}, {0x23f0, 0x23f0}, {0x23f3, 0x23f3},
	{0x25fd, 0x25fe}, {0x2614, 0x2615}, {0x2630, 0x2637}, {0x2648, 0x2653}, {0x267f, 0x267f}, {0x268a, 0x268f},
	{0x2693, 0x2693}, {0x26a1, 0x26a1}, {0x26aa, 0x26ab}, {0x26bd, 0x26be}, {0x26c4, 0x26c5}, {0x26ce, 0x26ce},
	{0x26d4, 0x26d4}, {0x26ea, 0x26ea}, {0x26f2, 0x26f3}, {0x26f5, 0x26f5}, {0x26fa, 0x26fa}, {0x26fd, 0x26fd},
	{0x2705, 0x2705}, {0x270a, 0x270b}, {0x2728, 0x2728}, {0x274c, 0x274c}, {0x274e, 0x274e}, {0x2753, 0x2755},
	{0x2757, 0x2757}, {0x2795, 0x2797}, {0x27b0, 0x27b0}, {0x27bf, 0x27bf}, {0x2b1b, 0x2b1c}, {0x2b50, 0x2b50},
	{0x2b55, 0x2b55}, {0x2e80, 0x2e99}, {0x2e9b, 0x2ef3}, {0x2f00, 0x2fd5}, {0x2ff0, 0x3029}, {0x302e, 0x303e},
	{0x3041, 0x3096}, {0x309b, 0x30ff}, {0x3105, 0x312f}, {0x3131, 0x318e}, {0x3190, 0x31e5}, {0x31ef, 0x321e},
	{0x3220, 0x3247}, {0x3250, 0xa48c}, {0xa490, 0xa4c6}, {0xa960, 0xa97c}, {0xac00, 0xd7a3}, {0xf900, 0xfaff},
	{0xfe10, 0xfe19}, {0xfe30, 0xfe52}, {0xfe54, 0xfe66}, {0xfe68, 0xfe6b}, {0xff01, 0xff60}, {0xffe0, 0xffe6},
	{0x16fe0, 0x16fe3}, {0x16ff0, 0x16ff6}, {0x17000, 0x18cd5}, {0x18cff, 0x18d1e}, {0x18d80, 0x18df2},
	{0x1aff0, 0x1aff3}, {0x1aff5, 0x1affb}, {0x1affd, 0x1affe}, {0x1b000, 0x1b122}, {0x1b132, 0x1b132},
	{0x1b150, 0x1b152}, {0x1b155, 0x1b155}, {0x1b164, 0x1b167}, {0x1b170, 0x1b2fb}, {0x1d300, 0x1d356},
	{0x1d360, 0x1d376}, {0x1f004, 0x1f004}, {0x1f0cf, 0x1f0cf}, {0x1f18e, 0x1f18e}, {0x1f191, 0x1f19a},
	{0x1f1e6, 0x1f202}, {0x1f210, 0x1f23b}, {0x1f240, 0x1f248}, {0x1f250, 0x1f251}, {0x1f260, 0x1f265},
	{0x1f300, 0x1f320}, {0x1f32d, 0x1f335}, {0x1f337, 0x1f37c}, {0x1f37e, 0x1f393}, {0x1f3a0, 0x1f3ca},
	{0x1f3cf, 0x1f3d3}, {0x1f3e0, 0x1f3f0}, {0x1f3f4, 0x1f3f4}, {0x1f3f8, 0x1f43e}, {0x1f440, 0x1f440},
	{0x1f442, 0x1f4fc}, {0x1f4ff, 0x1f53d}, {0x1f54b, 0x1f54e}, {0x1f550, 0x1f567}, {0x1f57a, 0x1f57a},
	{0x1f595, 0x1f596}, {0x1f5a4, 0x1f5a4}, {0x1f5fb, 0x1f64f}, {0x1f680, 0x1f6c5}, {0x1f6cc, 0x1f6cc},
	{0x1f6d0, 0x1f6d2}, {0x1f6d5, 0x1f6d8}, {0x1f6dc, 0x1f6df}, {0x1f6eb, 0x1f6ec}, {0x1f6f4, 0x1f6fc},
	{0x1f7e0, 0x1f7eb}, {0x1f7f0, 0x1f7f0}, {0x1f90c, 0x1f93a}, {0x1f93c, 0x1f945}, {0x1f947, 0x1f9ff},
	{0x1fa70, 0x1fa7c}, {0x1fa80, 0x1fa8a}, {0x1fa8e, 0x1fac6}, {0x1fac8, 0x1fac8}, {0x1facd, 0x1fadc},
	{0x1fadf, 0x1faea}, {0x1faef, 0x1faf8}, {0x20000, 0x2fffd}, {0x30000, 0x3fffd},
}
