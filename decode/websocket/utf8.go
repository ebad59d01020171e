package websocket

import (
	"encoding/binary"
	"math/bits"
	"unicode/utf8"
)

// A UTF8 checks that text is UTF-8 while it arrives in pieces (RFC 6455 section
// 8.1, RFC 3629). The zero value is ready; setting it to the zero value begins
// a new text.
type UTF8 struct{ state uint8 } // a state below, less utf8Between

// The states, each a shift into the words of utf8Next. Between is the state
// between two characters; after E0, ED, F0 and F4 the next byte has a narrower
// range, which excludes overlong forms, surrogates and what lies past U+10FFFF.
const (
	utf8Bad     = 6 * iota
	utf8Between // every other state lies inside a character
	utf8Need1   // one more byte
	utf8Need2
	utf8Need3
	utf8E0
	utf8ED
	utf8F0
	utf8F4
)

// utf8Stuck is UTF8.state after a bad byte.
const utf8Stuck = 256 - utf8Between

// utf8Next holds the automaton by byte: shifted right by a state, the low six
// bits of a word are the next state. That costs one dependent shift a byte.
var utf8Next = func() (next [256]uint64) {
	set := func(state, from, to, then int) {
		for b := from; b <= to; b++ {
			next[b] |= uint64(then) << state
		}
	}
	set(utf8Between, 0x00, 0x7f, utf8Between)
	set(utf8Between, 0xc2, 0xdf, utf8Need1)
	set(utf8Between, 0xe0, 0xe0, utf8E0)
	set(utf8Between, 0xe1, 0xec, utf8Need2)
	set(utf8Between, 0xed, 0xed, utf8ED)
	set(utf8Between, 0xee, 0xef, utf8Need2)
	set(utf8Between, 0xf0, 0xf0, utf8F0)
	set(utf8Between, 0xf1, 0xf3, utf8Need3)
	set(utf8Between, 0xf4, 0xf4, utf8F4)
	set(utf8Need1, 0x80, 0xbf, utf8Between)
	set(utf8Need2, 0x80, 0xbf, utf8Need1)
	set(utf8Need3, 0x80, 0xbf, utf8Need2)
	set(utf8E0, 0xa0, 0xbf, utf8Need1)
	set(utf8ED, 0x80, 0x9f, utf8Need1)
	set(utf8F0, 0x90, 0xbf, utf8Need2)
	set(utf8F4, 0x80, 0x8f, utf8Need2)
	return next
}()

// Check takes the next piece of the text and returns the position in p of the
// first byte that cannot belong to UTF-8, or -1. After such a byte, every later
// piece is bad at once.
func (u *UTF8) Check(p []byte) int { return u.check(p, 0) }

// CheckMasked is Check for a piece that is still masked with key; its first
// byte is byte pos of the payload. The unmasked bytes are stored nowhere.
func (u *UTF8) CheckMasked(p []byte, key [4]byte, pos int64) int {
	return u.check(p, wideKey(key, pos))
}

// Between reports whether the text so far ends between two characters.
func (u *UTF8) Between() bool { return u.state == 0 }

func (u *UTF8) check(p []byte, key uint64) int {
	state := uint64(u.state + utf8Between)
	i, ascii := 0, 4 // words of ASCII just before i
	for i+8 <= len(p) {
		if ascii >= 4 && state&63 == utf8Between {
			i += asciiBlocks(p[i:], key)
			if i+8 > len(p) {
				break
			}
		}
		w := binary.LittleEndian.Uint64(p[i:i+8]) ^ key
		if w&highBits == 0 && state&63 == utf8Between {
			i += 8
			ascii++
			continue
		}
		ascii = 0
		before := state
		state = utf8Next[byte(w)] >> (state & 63)
		state = utf8Next[byte(w>>8)] >> (state & 63)
		state = utf8Next[byte(w>>16)] >> (state & 63)
		state = utf8Next[byte(w>>24)] >> (state & 63)
		state = utf8Next[byte(w>>32)] >> (state & 63)
		state = utf8Next[byte(w>>40)] >> (state & 63)
		state = utf8Next[byte(w>>48)] >> (state & 63)
		state = utf8Next[byte(w>>56)] >> (state & 63)
		if state&63 == utf8Bad {
			state = before // the loop below finds where
			break
		}
		i += 8
	}
	if rest := len(p) - i; rest > 0 && rest < 8 && len(p) >= 8 && state&63 == utf8Between {
		w := binary.LittleEndian.Uint64(p[len(p)-8:]) ^ bits.RotateLeft64(key, -8*(rest&3))
		if w>>(64-8*rest)&highBits == 0 {
			i = len(p)
		}
	}
	for ; i < len(p); i++ {
		state = utf8Next[p[i]^byte(key)] >> (state & 63)
		if state&63 == utf8Bad {
			u.state = utf8Stuck
			return i
		}
		key = bits.RotateLeft64(key, -8)
	}
	u.state = uint8(state&63) - utf8Between
	return -1
}

// WholeRunes returns p without the part of a character that it may end with.
func WholeRunes(p []byte) []byte {
	for i := 1; i < utf8.UTFMax && i <= len(p); i++ {
		if c := p[len(p)-i:]; utf8.RuneStart(c[0]) {
			if !utf8.FullRune(c) {
				return p[:len(p)-i]
			}
			break
		}
	}
	return p
}

// highBits has the bit of each byte of a word that ASCII leaves zero.
const highBits = 0x8080808080808080

// asciiBlocks returns how many bytes at the start of p, in words of 8, are ASCII
// once they are unmasked.
func asciiBlocks(p []byte, key uint64) int {
	i := 0
	for ; i+64 <= len(p); i += 64 {
		s := p[i : i+64 : i+64]
		all := (binary.LittleEndian.Uint64(s[0:8]) ^ key) |
			(binary.LittleEndian.Uint64(s[8:16]) ^ key) |
			(binary.LittleEndian.Uint64(s[16:24]) ^ key) |
			(binary.LittleEndian.Uint64(s[24:32]) ^ key) |
			(binary.LittleEndian.Uint64(s[32:40]) ^ key) |
			(binary.LittleEndian.Uint64(s[40:48]) ^ key) |
			(binary.LittleEndian.Uint64(s[48:56]) ^ key) |
			(binary.LittleEndian.Uint64(s[56:64]) ^ key)
		if all&highBits != 0 {
			break
		}
	}
	for ; i+8 <= len(p); i += 8 {
		if (binary.LittleEndian.Uint64(p[i:i+8])^key)&highBits != 0 {
			break
		}
	}
	return i
}
