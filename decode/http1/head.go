package http1

import (
	"bytes"
	"fmt"

	"framescope/decode"
)

// leading is how many bytes of empty lines before a request are passed over
// (RFC 9112 section 2.2 asks for at least one line).
const leading = 8

// FindEnd returns the length of the head at the start of b, its empty line
// included, or -1 when b does not hold all of it. The first from bytes of b
// have been searched before, so that a head in many pieces is searched once.
func FindEnd(b []byte, from int) int {
	i := max(skipEmpty(b), from-2, 0)
	for {
		j := bytes.IndexByte(b[i:], '\n')
		if j < 0 {
			return -1
		}
		i += j + 1
		switch rest := b[i:]; {
		case len(rest) > 0 && rest[0] == '\n':
			return i + 1
		case len(rest) > 1 && rest[0] == '\r' && rest[1] == '\n':
			return i + 2
		}
	}
}

func skipEmpty(b []byte) int {
	i := 0
	for i < len(b) && i < leading && (b[i] == '\r' || b[i] == '\n') {
		i++
	}
	return i
}

// ParseRequest reads the head at the start of b into r and returns its length,
// the empty line included. It returns ErrShort when the head is not complete,
// and a *decode.Error when it is none; r then holds what could be read.
func ParseRequest(b []byte, r *Request) (int, error) {
	p := parser{b: b, off: skipEmpty(b), limits: r.Limits.orDefault()}
	*r = Request{Header: r.Header[:0], Limits: r.Limits}
	start := p.off
	line, err := p.line("request line")
	if err != nil {
		return 0, err
	}
	method, rest, ok := bytes.Cut(line, []byte{' '})
	if !ok || !token(method) {
		return 0, fail(start, "method", "%.20q is no method", line)
	}
	rest = trim(rest)
	i := bytes.LastIndexByte(rest, ' ')
	version, ok := version(rest[i+1:])
	if !ok {
		return 0, fail(start+len(method)+1, "version", "the line does not end in HTTP/1.0 or HTTP/1.1")
	}
	if i < 0 {
		return 0, fail(start+len(method)+1, "target", "no target")
	}
	r.Method, r.Target, r.Version = method, trim(rest[:i]), version
	r.Header, err = p.fields(r.Header)
	r.Quirks = p.Quirks
	if err != nil {
		return 0, err
	}
	r.Size = p.off
	return p.off, nil
}

// ParseResponse reads the head at the start of b into r, as ParseRequest does.
func ParseResponse(b []byte, r *Response) (int, error) {
	p := parser{b: b, limits: r.Limits.orDefault()}
	*r = Response{Header: r.Header[:0], Limits: r.Limits}
	line, err := p.line("status line")
	if err != nil {
		return 0, err
	}
	version, ok := version(line[:min(len(line), 8)])
	if !ok {
		return 0, fail(0, "version", "found %.20q, expected HTTP/1.0 or HTTP/1.1", line)
	}
	rest := trim(line[8:])
	if len(rest) < 3 || !digit(rest[0]) || !digit(rest[1]) || !digit(rest[2]) || rest[0] == '0' ||
		len(rest) > 3 && rest[3] != ' ' || line[8] != ' ' {
		return 0, fail(8, "status code", "found %.20q, expected three digits", line[8:])
	}
	r.Version = version
	r.Status = int(rest[0]-'0')*100 + int(rest[1]-'0')*10 + int(rest[2]-'0')
	r.Reason = trim(rest[3:])
	r.Header, err = p.fields(r.Header)
	r.Quirks = p.Quirks
	if err != nil {
		return 0, err
	}
	r.Size = p.off
	return p.off, nil
}

// A parser walks over the lines of a head.
type parser struct {
	b      []byte
	off    int // of the next line
	limits Limits
	Quirks
}

// line returns the next line without its end.
func (p *parser) line(field string) ([]byte, error) {
	rest := p.b[p.off:]
	i := bytes.IndexByte(rest, '\n')
	if p.off+i >= p.limits.Bytes || i < 0 && len(p.b) >= p.limits.Bytes {
		return nil, fail(p.off, field, "the head is longer than %d bytes", p.limits.Bytes)
	}
	if i < 0 {
		return nil, ErrShort
	}
	p.off += i + 1
	line := rest[:i]
	if i > 0 && line[i-1] == '\r' {
		line = line[:i-1]
	} else {
		p.LFOnly = true
	}
	if bytes.IndexByte(line, '\r') >= 0 {
		p.BadLine = true
	}
	return line, nil
}

// fields reads field lines up to the empty line and appends them to h.
func (p *parser) fields(h Header) (Header, error) {
	var value int // offset of the value that a folded line continues
	for {
		start := p.off
		line, err := p.line("field")
		if err != nil || len(line) == 0 {
			return h, err
		}
		if line[0] == ' ' || line[0] == '\t' {
			p.Folded = true
			if len(h) == 0 || len(trim(line)) == 0 {
				continue
			}
			if f := &h[len(h)-1]; len(f.Value) == 0 {
				f.Value = trim(line)
				value = start + bytes.IndexByte(line, f.Value[0])
			} else {
				f.Value = trim(p.b[value : start+len(line)])
			}
			continue
		}
		if len(h) >= p.limits.Fields {
			return h, fail(start, "field", "more than %d fields", p.limits.Fields)
		}
		name, rest, ok := bytes.Cut(line, []byte{':'})
		if n := len(name); n > 0 && (name[n-1] == ' ' || name[n-1] == '\t') {
			p.SpaceBeforeColon = true
			name = trim(name)
		}
		if !ok || !token(name) {
			p.BadLine = true
		}
		f := Field{name, trim(rest)}
		if len(f.Value) > 0 {
			value = start + len(line) - len(rest) + bytes.IndexByte(rest, f.Value[0])
		}
		h = append(h, f)
	}
}

// version returns the number in "HTTP/1.x".
func version(b []byte) ([]byte, bool) {
	if len(b) != 8 || string(b[:7]) != "HTTP/1." || !digit(b[7]) {
		return nil, false
	}
	return b[5:8], true
}

func fail(off int, field, format string, args ...any) error {
	return &decode.Error{Layer: "http1", Off: int64(off), Field: field, Err: fmt.Errorf(format, args...)}
}

func digit(c byte) bool { return '0' <= c && c <= '9' }

// tchars has the bit of each byte below 128 that RFC 9110 section 5.6.2 allows
// in a token.
var tchars = [2]uint64{
	0x03ff6cfa00000000,
	0x57ffffffc7fffffe,
}

func tchar(c byte) bool { return c < 128 && tchars[c/64]&(1<<(c%64)) != 0 }

// Token reports whether b is a token (RFC 9110 section 5.6.2).
func Token(b []byte) bool { return token(b) }

func token(b []byte) bool {
	for _, c := range b {
		if !tchar(c) {
			return false
		}
	}
	return len(b) > 0
}
