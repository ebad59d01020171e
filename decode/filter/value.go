package filter

import (
	"math"
	"net/netip"
	"strconv"
	"strings"
	"time"

	"framescope/decode/record"
)

// test builds the test of a comparison from its values.
func (p *parser) test(n *node, at token) (t test, err error) {
	kind := n.slots[0].fields.Kind()
	switch kind {
	case record.KindInt, record.KindDuration, record.KindTime, record.KindConn:
		t.num, err = p.numTest(n, kind, at)
	case record.KindBool:
		t.num, err = p.boolTest(n, at)
	case record.KindIP:
		t.ip, err = p.ipTest(n, at)
	case record.KindEither:
		t, err = p.eitherTest(n, at)
	case record.KindString, record.KindPairs:
		t.str, err = p.strTest(n, at)
	default:
		t.raw, err = p.rawTest(n, kind, at)
	}
	return t, err
}

func (p *parser) noSuch(n *node, at token, what, use string) error {
	return p.hint(at, n.name+" is "+what+": "+opNames[n.op]+" does not apply", "use "+use)
}

// numTest compares numbers.
func (p *parser) numTest(n *node, kind record.Kind, at token) (func(int64) bool, error) {
	parse := map[record.Kind]func(token) (int64, error){
		record.KindInt: p.number, record.KindDuration: p.duration, record.KindTime: p.time, record.KindConn: p.conn,
	}[kind]
	if n.op == opContains || n.op == opMatches {
		return nil, p.noSuch(n, at, "a number", "==, !=, <, <=, >, >= or in")
	}
	ranges, err := readRanges(p, n.value, parse, func(a, b int64) int {
		switch {
		case a < b:
			return -1
		case a > b:
			return 1
		}
		return 0
	})
	if err != nil {
		return nil, err
	}
	c := ranges[0].from
	switch n.op {
	case opLt:
		return func(v int64) bool { return v < c }, nil
	case opLe:
		return func(v int64) bool { return v <= c }, nil
	case opGt:
		return func(v int64) bool { return v > c }, nil
	case opGe:
		return func(v int64) bool { return v >= c }, nil
	case opIn:
		return func(v int64) bool {
			for i := range ranges {
				if v >= ranges[i].from && v <= ranges[i].to {
					return true
				}
			}
			return false
		}, nil
	}
	return func(v int64) bool { return v == c }, nil
}

// eitherTest compares what may be a number, a text, or a number that has a text:
// numbers with the number, all else with the text.
func (p *parser) eitherTest(n *node, at token) (t test, err error) {
	switch n.op {
	case opLt, opLe, opGt, opGe:
		t.num, err = p.numTest(n, record.KindInt, at)
		return t, err
	case opContains, opMatches:
		t.str, err = p.strTest(n, at)
		return t, err
	}
	numbers, texts := *n, *n
	numbers.op, numbers.value = opIn, nil
	texts.op, texts.value = opIn, nil
	for _, v := range n.value {
		_, notNumber := p.number(v.from)
		if v.isRange() || v.from.kind == tokWord && notNumber == nil {
			numbers.value = append(numbers.value, v)
		}
		if !v.isRange() {
			texts.value = append(texts.value, v)
		}
	}
	if len(numbers.value) > 0 {
		if t.num, err = p.numTest(&numbers, record.KindInt, at); err != nil {
			return t, err
		}
	}
	if len(texts.value) > 0 {
		t.str, err = p.strTest(&texts, at)
	}
	return t, err
}

type span[T any] struct{ from, to T }

// readRanges reads the values of a comparison or a set.
func readRanges[T any](p *parser, values []value, parse func(token) (T, error), compare func(a, b T) int) ([]span[T], error) {
	spans := make([]span[T], len(values))
	for i, v := range values {
		s := &spans[i]
		var err error
		if s.from, err = parse(v.from); err != nil {
			return nil, err
		}
		s.to = s.from
		if v.isRange() {
			if s.to, err = parse(v.to); err != nil {
				return nil, err
			}
			if compare(s.from, s.to) > 0 {
				return nil, p.fail(token{off: v.from.off, end: v.to.end}, "the range ends before it begins")
			}
		}
	}
	return spans, nil
}

// multiples are what may stand behind a number: powers of 1000, and of 1024
// with an i.
var multiples = map[string]int64{
	"": 1, "k": 1e3, "m": 1e6, "g": 1e9, "t": 1e12, "ki": 1 << 10, "mi": 1 << 20, "gi": 1 << 30, "ti": 1 << 40,
}

// number reads 443, 0x1bb, 1.5k, 4KiB.
func (p *parser) number(t token) (int64, error) {
	s := strings.ToLower(t.text)
	if v, err := strconv.ParseInt(s, 10, 64); err == nil {
		return v, nil
	}
	if digits, ok := strings.CutPrefix(s, "0x"); ok {
		if v, err := strconv.ParseInt(digits, 16, 64); err == nil && digits[0] != '-' && digits[0] != '+' {
			return v, nil
		}
	}
	digits := strings.TrimRight(s, "kmgtib")
	unit, ok := multiples[strings.TrimSuffix(s[len(digits):], "b")]
	f, err := strconv.ParseFloat(digits, 64)
	if v := f * float64(unit); ok && err == nil && !strings.ContainsAny(digits, "xpn_") && v == math.Trunc(v) && math.Abs(v) < 1<<62 {
		return int64(v), nil
	}
	return 0, p.fail(t, "expected a whole number such as 443, 0x1bb, 4k (4000) or 4Ki (4096)")
}

// units are those of durations, in nanoseconds.
var units = []struct {
	name string
	ns   float64
}{{"ns", 1}, {"us", 1e3}, {"µs", 1e3}, {"ms", 1e6}, {"s", 1e9}, {"min", 60e9}, {"m", 60e9}, {"h", 3600e9}}

// duration reads 5 (milliseconds), 1.5s, 200us.
func (p *parser) duration(t token) (int64, error) {
	digits, scale := t.text, 1e6
	for _, u := range units {
		if d, ok := strings.CutSuffix(t.text, u.name); ok {
			digits, scale = d, u.ns
			break
		}
	}
	f, err := strconv.ParseFloat(digits, 64)
	if v := math.Round(f * scale); err == nil && !strings.ContainsAny(digits, "xXpPnN_") && math.Abs(v) < 1<<62 {
		return int64(v), nil
	}
	return 0, p.fail(t, "expected milliseconds or a time with its unit, such as 5, 1.5s, 200us")
}

// layouts are the forms of a time, in UTC where they name no zone.
var layouts = []string{time.RFC3339Nano, "2006-01-02T15:04:05", "2006-01-02 15:04:05", "2006-01-02T15:04", "2006-01-02 15:04", "2006-01-02"}

// time reads RFC 3339 or seconds since 1970.
func (p *parser) time(t token) (int64, error) {
	for _, l := range layouts {
		if v, err := time.Parse(l, t.text); err == nil && v.Year() > 1677 && v.Year() < 2262 {
			return v.UnixNano(), nil
		}
	}
	sec, frac, _ := strings.Cut(t.text, ".")
	s, err := strconv.ParseInt(sec, 10, 64)
	if err == nil && s > -9e9 && s < 9e9 && len(frac) <= 9 && strings.Trim(frac, "0123456789") == "" {
		ns, _ := strconv.ParseInt((frac + "000000000")[:9], 10, 64)
		if sec[0] == '-' {
			ns = -ns
		}
		return s*1e9 + ns, nil
	}
	return 0, p.fail(t, "expected a time such as 2026-11-20T16:04:11Z or seconds since 1970")
}

// conn reads C12, 12, U3 or G1.
func (p *parser) conn(t token) (int64, error) {
	v, ok := record.ParseID(t.text)
	if !ok {
		return 0, p.fail(t, "expected a connection such as C12")
	}
	return v, nil
}

func (p *parser) boolTest(n *node, at token) (func(int64) bool, error) {
	if n.op != opEq && n.op != opNe {
		return nil, p.noSuch(n, at, "true or false", "== or !=")
	}
	t := n.value[0].from
	switch strings.ToLower(t.text) {
	case "true", "1":
		return func(v int64) bool { return v != 0 }, nil
	case "false", "0":
		return func(v int64) bool { return v == 0 }, nil
	}
	return nil, p.fail(t, "expected true or false")
}

// ipTest compares addresses with addresses and prefixes.
func (p *parser) ipTest(n *node, at token) (func(netip.Addr) bool, error) {
	if n.op != opEq && n.op != opNe && n.op != opIn {
		return nil, p.noSuch(n, at, "an address", "==, != or in, with addresses or prefixes such as 10.0.0.0/8")
	}
	var spans []span[netip.Addr]
	var prefixes []netip.Prefix
	for _, v := range n.value {
		if strings.Contains(v.from.text, "/") && !v.isRange() {
			f, err := netip.ParsePrefix(v.from.text)
			if err != nil {
				return nil, p.fail(v.from, "expected a prefix such as 10.0.0.0/8 or 2001:db8::/32")
			}
			if f.Addr().Is4In6() {
				f = netip.PrefixFrom(f.Addr().Unmap(), max(f.Bits()-96, 0))
			}
			prefixes = append(prefixes, f)
			continue
		}
		s, err := readRanges(p, []value{v}, p.addr, netip.Addr.Compare)
		if err != nil {
			return nil, err
		}
		spans = append(spans, s...)
	}
	return func(a netip.Addr) bool {
		for i := range spans {
			if a.Compare(spans[i].from) >= 0 && a.Compare(spans[i].to) <= 0 {
				return true
			}
		}
		for i := range prefixes {
			if prefixes[i].Contains(a) {
				return true
			}
		}
		return false
	}, nil
}

func (p *parser) addr(t token) (netip.Addr, error) {
	a, err := netip.ParseAddr(t.text)
	if err != nil {
		return a, p.fail(t, "expected an address such as 10.0.0.7 or 2001:db8::1, or a prefix such as 10.0.0.0/8")
	}
	return a.Unmap().WithZone(""), nil
}
