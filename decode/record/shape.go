package record

import "strings"

// A shape is how a kind of secret begins, and how long it is at least.
type shape struct {
	prefix string
	min    int  // bytes behind the prefix
	jwt    bool // two more dots must follow
	// common is set when names of people's choice begin like that, too.
	common bool
}

// shapes are the secrets that can be told wherever they stand: JSON Web Tokens
// and the prefixes that issuers give to their tokens.
var shapes = []shape{
	{prefix: "eyJ", min: 16, jwt: true},
	{prefix: "ghp_", min: 16}, {prefix: "gho_", min: 16}, {prefix: "ghu_", min: 16}, {prefix: "ghs_", min: 16}, {prefix: "ghr_", min: 16},
	{prefix: "github_pat_", min: 16}, {prefix: "glpat-", min: 16},
	{prefix: "xoxa-", min: 8}, {prefix: "xoxb-", min: 8}, {prefix: "xoxe-", min: 8}, {prefix: "xoxp-", min: 8}, {prefix: "xoxr-", min: 8}, {prefix: "xoxs-", min: 8},
	{prefix: "xapp-", min: 8}, {prefix: "AKIA", min: 16}, {prefix: "ASIA", min: 16}, {prefix: "AIza", min: 30},
	{prefix: "sk-", min: 16, common: true}, {prefix: "sk_live_", min: 8}, {prefix: "sk_test_", min: 8}, {prefix: "rk_live_", min: 8},
	{prefix: "npm_", min: 30, common: true}, {prefix: "hvs.", min: 20}, {prefix: "ya29.", min: 20}, {prefix: "dop_v1_", min: 30},
}

// firsts marks the bytes that a shape begins with.
var firsts = func() (t [256]bool) {
	for _, s := range shapes {
		t[s.prefix[0]] = true
	}
	return t
}()

// shapes replaces what is a secret by its shape, and what stands behind "Bearer"
// and "Basic".
func (d *Redactor) shapes(s string) string {
	e := edit{d: d, old: s}
	for i := 0; i < len(s); {
		end := i + tokenLen(s[i:])
		if end == i {
			i++
			continue
		}
		word := s[i:end]
		if at := secretAt(word); at >= 0 {
			if !e.replace(i+at, end) {
				break
			}
		} else if isScheme(word) && end < len(s) && s[end] == ' ' {
			next := end + 1 + tokenLen(s[end+1:])
			if next-end > 12 && !ordinary(s[end+1:next]) {
				if !e.replace(end+1, next) {
					break
				}
				end = next
			}
		}
		i = end
	}
	return e.String()
}

// tokenLen counts the bytes at the start of s that a token may be made of.
func tokenLen(s string) int {
	for i := range len(s) {
		if c := s[i]; !letterOrDigit(c) && strings.IndexByte("-_.~+=", c) < 0 {
			return i
		}
	}
	return len(s)
}

func isScheme(word string) bool {
	return strings.EqualFold(word, "bearer") || strings.EqualFold(word, "basic")
}

// secretAt returns where in a word a secret begins, or -1. It begins the word
// or follows one of its separators.
func secretAt(word string) int {
	dots := strings.Count(word, ".")
	for i := range len(word) {
		if word[i] == '.' {
			dots--
		}
		if !firsts[word[i]] || i > 0 && letterOrDigit(word[i-1]) {
			continue
		}
		for _, s := range shapes {
			rest, ok := strings.CutPrefix(word[i:], s.prefix)
			if !ok || len(rest) < s.min {
				continue
			}
			// The beginning is enough to judge by, and a word may be long.
			if (!s.jwt || dots >= 2) && (!s.common || !ordinary(rest[:min(len(rest), 64)])) {
				return i
			}
		}
	}
	return -1
}

func letterOrDigit(c byte) bool {
	return c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9'
}

// ordinary reports whether s reads like a name that a person chose: words and
// version numbers between separators.
func ordinary(s string) bool {
	word := 0
	digits := 0
	for i := 0; i <= len(s); i++ {
		if i < len(s) && letterOrDigit(s[i]) {
			word++
			if s[i] <= '9' {
				digits++
			}
			continue
		}
		if word > 20 && digits > 0 || digits > 4 || digits > 2 && digits < word-2 {
			return false
		}
		word, digits = 0, 0
	}
	return !looksRandom(s)
}

// looksRandom reports whether s is longer than 20 bytes and looks as if a
// machine had made it: hex digits, or letters and digits that change their kind
// more often than in names.
func looksRandom(s string) bool {
	s = strings.TrimRight(s, "=")
	if len(s) <= 20 {
		return false
	}
	hexDigits, digits, changes := 0, 0, 0
	last := -1
	for i := range len(s) {
		c := s[i]
		class := 3
		switch {
		case c >= '0' && c <= '9':
			class = 0
			digits++
			hexDigits++
		case c >= 'a' && c <= 'z':
			class = 1
			if c <= 'f' {
				hexDigits++
			}
		case c >= 'A' && c <= 'Z':
			class = 2
			if c <= 'F' {
				hexDigits++
			}
		case c == '+' || c == '/' || c == '-' || c == '_' || c == '%':
		default:
			return false
		}
		if last >= 0 && class != last {
			changes++
		}
		last = class
	}
	// A random base64 text changes at two of three bytes, camel case at one of
	// three or four.
	return hexDigits == len(s) && digits > 0 || changes*5 >= len(s)*2 || digits*4 >= len(s)
}
