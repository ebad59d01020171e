package framing

import (
	"bytes"
	"encoding/json"
	"strconv"
)

// maxDepth bounds how deep JSON may be nested.
const maxDepth = 64

// jsonLength checks that b is one JSON object and returns the number at f.path.
// text says what is wrong at b[at].
func jsonLength(b []byte, f *field) (val uint64, at int, text string) {
	s := scanner{b: b, path: f.path, val: absent}
	s.space()
	if s.i == len(b) || b[s.i] != '{' {
		return 0, min(s.i, max(len(b)-1, 0)), "found " + quoted(b[min(s.i, len(b)):]) + ", expected a JSON object"
	}
	s.value(0, 0)
	s.space()
	if s.text == "" && s.i < len(b) {
		s.fail("there is more behind the JSON object")
	}
	if s.text != "" {
		return 0, min(s.at, max(len(b)-1, 0)), s.text
	}
	if len(f.path) > 0 && s.val == absent && !f.optional {
		return 0, 0, "there is no " + strconv.Quote(f.path[len(f.path)-1]) + " in it"
	}
	return s.val, 0, ""
}

// A scanner walks over JSON once. path leads to the number that is wanted.
type scanner struct {
	b    []byte
	i    int
	path []string
	val  uint64
	text string
	at   int
}

func (s *scanner) fail(text string) {
	if s.text == "" {
		s.text, s.at = text, s.i
	}
}

func (s *scanner) space() {
	for s.i < len(s.b) && (s.b[s.i] == ' ' || s.b[s.i] == '\n' || s.b[s.i] == '\r' || s.b[s.i] == '\t') {
		s.i++
	}
}

// value walks over a value. on is how many names of the path led here, or -1.
func (s *scanner) value(on, depth int) {
	s.space()
	if s.i >= len(s.b) {
		s.fail("the JSON has no end")
		return
	}
	wanted := on >= 0 && on == len(s.path) && on > 0
	start := s.i
	switch c := s.b[s.i]; {
	case c == '{' || c == '[':
		if depth == maxDepth {
			s.fail("the JSON is nested deeper than " + strconv.Itoa(maxDepth))
			return
		}
		s.members(c, on, depth+1)
	case c == '"':
		s.string()
	case c == '-' || '0' <= c && c <= '9':
		for s.i < len(s.b) && (s.b[s.i] >= '0' && s.b[s.i] <= '9' || s.b[s.i] == '-' || s.b[s.i] == '+' || s.b[s.i] == '.' || s.b[s.i]|0x20 == 'e') {
			s.i++
		}
	default:
		for s.i < len(s.b) && 'a' <= s.b[s.i]|0x20 && s.b[s.i]|0x20 <= 'z' {
			s.i++
		}
		switch string(s.b[start:s.i]) {
		case "true", "false", "null", "NaN", "Infinity":
		default:
			s.i = start
			s.fail("found " + quoted(s.b[start:min(start+16, len(s.b))]) + ", expected a JSON value")
		}
	}
	if wanted && s.text == "" {
		v, ok := number(s.b[start:s.i])
		if !ok {
			end := s.i
			s.i = start
			s.fail(strconv.Quote(s.path[on-1]) + ": found " + quoted(s.b[start:end]) + ", expected a number of bytes")
			return
		}
		s.val = v
	}
}

func number(b []byte) (v uint64, ok bool) {
	if len(b) == 0 || len(b) > 18 {
		return 0, false
	}
	for _, c := range b {
		if c < '0' || c > '9' {
			return 0, false
		}
		v = v*10 + uint64(c-'0')
	}
	return v, true
}

// members walks over an object or a list.
func (s *scanner) members(open byte, on, depth int) {
	end := byte('}')
	if open == '[' {
		end, on = ']', -1
	}
	s.i++
	s.space()
	if s.i < len(s.b) && s.b[s.i] == end {
		s.i++
		return
	}
	for s.text == "" {
		next := -1
		if open == '{' {
			s.space()
			name, plain := s.string()
			if s.text != "" {
				return
			}
			if on >= 0 && on < len(s.path) && sameName(name, plain, s.path[on]) {
				next = on + 1
			}
			s.space()
			if s.i >= len(s.b) || s.b[s.i] != ':' {
				s.fail("expected a colon")
				return
			}
			s.i++
		}
		s.value(next, depth)
		s.space()
		if s.text != "" {
			return
		}
		if s.i >= len(s.b) {
			s.fail("the JSON has no end")
			return
		}
		c := s.b[s.i]
		if c == end {
			s.i++
			return
		}
		if c != ',' {
			s.fail("found " + quoted(s.b[s.i:s.i+1]) + ", expected a comma or the end")
			return
		}
		s.i++
	}
}

// string walks over a string and returns it with its quotes; plain says that it
// has no escapes.
func (s *scanner) string() (b []byte, plain bool) {
	if s.i >= len(s.b) || s.b[s.i] != '"' {
		s.fail("expected a string")
		return nil, false
	}
	start := s.i
	plain = true
	for i := start + 1; ; {
		j := bytes.IndexByte(s.b[i:], '"')
		if j < 0 {
			s.fail("the string has no end")
			return nil, false
		}
		// A quote behind an odd number of backslashes is escaped.
		k := i + j
		back := 0
		for k-1-back > start && s.b[k-1-back] == '\\' {
			back++
		}
		plain = plain && bytes.IndexByte(s.b[i:k], '\\') < 0
		if back%2 == 0 {
			s.i = k + 1
			return s.b[start : k+1], plain
		}
		i = k + 1
	}
}

func sameName(b []byte, plain bool, name string) bool {
	if plain {
		return string(b[1:len(b)-1]) == name
	}
	var text string
	return json.Unmarshal(b, &text) == nil && text == name
}
