package framing

import (
	"bytes"
	"errors"
	"strconv"
)

// examined says that n bytes were looked at for an error.
func examined(err error, n int) error {
	if f := (*fault)(nil); errors.As(err, &f) && n > cheap {
		f.examined = n
	}
	return err
}

// headerLength reads "Name: value" lines up to an empty one, which is searched
// for from the line at b[from] on. It returns their length with the empty line,
// or -1 when b does not hold them all, and the value of the line that f.path
// names. text says what is wrong at b[at].
func headerLength(b []byte, f *field, from int) (n int, val uint64, at int, text string) {
	b = b[:min(len(b), f.limit)]
	n, at = headersEnd(b, from)
	if n < 0 {
		return -1, 0, at, ""
	}
	if len(f.path) == 0 {
		return n, 0, 0, ""
	}
	val = absent
	for line := 0; line < n; {
		end := line + bytes.IndexByte(b[line:n], '\n')
		name, value, ok := bytes.Cut(b[line:end], []byte{':'})
		if ok && equalFold(bytes.TrimSpace(name), f.path[0]) {
			value = bytes.TrimSpace(value)
			v, err := strconv.ParseUint(string(value), 10, 63)
			if err != nil {
				return n, 0, line + len(name) + 1, "found " + quoted(value) + ", expected a number of bytes"
			}
			val = v
		}
		line = end + 1
	}
	if val == absent && !f.optional {
		return n, 0, 0, "there is no " + strconv.Quote(f.path[0])
	}
	return n, val, 0, ""
}

// headersEnd returns the length of lines up to an empty one, or -1 and where to
// begin the next search. from is where a line begins.
func headersEnd(b []byte, from int) (n, next int) {
	for i := from; ; {
		rest := b[i:]
		switch {
		case len(rest) > 0 && rest[0] == '\n':
			return i + 1, 0
		case len(rest) > 1 && rest[0] == '\r' && rest[1] == '\n':
			return i + 2, 0
		}
		j := bytes.IndexByte(rest, '\n')
		if j < 0 {
			return -1, i
		}
		i += j + 1
	}
}

func quoted(b []byte) string {
	if len(b) > 40 {
		return strconv.Quote(string(b[:40])) + "..."
	}
	return strconv.Quote(string(b))
}

func equalFold(a []byte, s string) bool {
	return len(a) == len(s) && bytes.EqualFold(a, []byte(s))
}
