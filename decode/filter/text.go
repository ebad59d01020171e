package filter

import (
	"bytes"
	"encoding/hex"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"framescope/decode/finding"
	"framescope/decode/record"
)

// strTest compares strings. Where a field has only so many values, one that it
// cannot have is an error.
func (p *parser) strTest(n *node, at token) (func(string) bool, error) {
	switch n.op {
	case opLt, opLe, opGt, opGe:
		return nil, p.noSuch(n, at, "a text", "==, !=, contains, matches or in")
	case opMatches:
		re, err := p.regexp(n.value[0].from)
		if err != nil {
			return nil, err
		}
		return re.MatchString, nil
	case opContains:
		s, err := p.text(n.value[0].from)
		return func(v string) bool { return strings.Contains(v, s) }, err
	}
	var set []string
	for _, v := range n.value {
		if v.isRange() {
			return nil, p.fail(token{off: v.from.off, end: v.to.end}, n.name+" is a text: it has no ranges")
		}
		s, err := p.text(v.from)
		if err == nil {
			s, err = p.word(n, v.from, s)
		}
		if err != nil {
			return nil, err
		}
		set = append(set, s)
	}
	if len(set) == 1 {
		s := set[0]
		return func(v string) bool { return v == s }, nil
	}
	slices.Sort(set)
	return func(v string) bool {
		_, ok := slices.BinarySearch(set, v)
		return ok
	}, nil
}

// word returns the one of the field's words that s means.
func (p *parser) word(n *node, at token, s string) (string, error) {
	f := n.slots[0].fields.Any()
	all := n.slots[0].fields.Words()
	if all == nil {
		return s, nil
	}
	for _, w := range all {
		if strings.EqualFold(w, s) {
			return w, nil
		}
	}
	// fin-wait-1 is FIN_WAIT1 to those who know it from elsewhere
	plain := strings.NewReplacer("-", "", "_", "")
	for _, w := range all {
		if strings.EqualFold(plain.Replace(w), plain.Replace(s)) && s != "" {
			return w, nil
		}
	}
	if f.Numbered {
		if i, err := strconv.ParseUint(s, 0, 16); err == nil && i < uint64(len(all)) {
			return all[i], nil
		}
	}
	if _, ok := finding.Parse(s); ok && (n.name == "finding.id" || n.name == "websocket.issues") {
		return s, nil
	}
	hint := "it is one of " + strings.Join(all, ", ")
	if len(all) > 20 {
		hint = "docs/output.md lists them"
		if near := nearest(strings.ToLower(s), all); near != "" {
			hint = "did you mean " + near + "?"
		}
	}
	return "", p.hint(at, n.name+" is never "+quote(s), hint)
}

func (p *parser) regexp(t token) (*regexp.Regexp, error) {
	re, err := regexp.Compile(pattern(t))
	if err != nil {
		why := strings.Map(func(r rune) rune {
			if record.Hidden(r) {
				return '?'
			}
			return r
		}, strings.TrimPrefix(err.Error(), "error parsing regexp: "))
		return nil, p.hint(t, "expected a regular expression", why)
	}
	return re, nil
}

// rawTest compares bytes: payloads with texts, the rest with hex.
func (p *parser) rawTest(n *node, kind record.Kind, at token) (func([]byte) bool, error) {
	read := func(t token) ([]byte, error) {
		s, err := p.text(t)
		return []byte(s), err
	}
	if kind == record.KindHex {
		read = func(t token) ([]byte, error) {
			b, err := hex.DecodeString(strings.NewReplacer(":", "", "-", "").Replace(strings.TrimPrefix(strings.ToLower(t.text), "0x")))
			if err != nil || len(b) == 0 {
				hint := ""
				if n.name == "websocket.mask" {
					hint = "the MASK bit is websocket.masked"
				}
				return nil, p.hint(t, "expected bytes in hex such as 7e3ac7e3", hint)
			}
			return b, nil
		}
	}
	switch n.op {
	case opLt, opLe, opGt, opGe:
		return nil, p.noSuch(n, at, "a run of bytes", "==, !=, contains, matches or in")
	case opMatches:
		if kind == record.KindHex {
			return nil, p.noSuch(n, at, "bytes in hex", "==, !=, contains or in")
		}
		re, err := p.regexp(n.value[0].from)
		if err != nil {
			return nil, err
		}
		return re.Match, nil
	}
	var set [][]byte
	for _, v := range n.value {
		if v.isRange() {
			return nil, p.fail(token{off: v.from.off, end: v.to.end}, n.name+" has no ranges")
		}
		b, err := read(v.from)
		if err != nil {
			return nil, err
		}
		set = append(set, b)
	}
	if n.op == opContains {
		return func(v []byte) bool { return bytes.Contains(v, set[0]) }, nil
	}
	return func(v []byte) bool {
		for _, b := range set {
			if bytes.Equal(v, b) {
				return true
			}
		}
		return false
	}, nil
}
