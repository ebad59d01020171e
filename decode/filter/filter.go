// Package filter selects records by expressions over their fields, in the way of
// display filters:
//
//	websocket.opcode == text and websocket.bytes > 4k
//	type == ws_handshake and not http.response.status_code == 101
//	ip.addr in {10.0.0.0/8 ::1} && websocket.reason matches "(?i)timeout"
//
// The names are those of the registry of package record; the names that
// Wireshark uses are understood as well. docs/output.md describes the language.
package filter

import (
	"slices"
	"strings"

	"framescope/decode/record"
)

// Limits of an expression. Deeper or longer ones are refused.
const (
	MaxLen   = 1 << 16 // bytes
	MaxDepth = 100     // parentheses and negations inside each other
)

// A Filter is a compiled expression. A nil Filter matches every record. A
// Filter does not change and may be used by several goroutines.
type Filter struct {
	src    string // as it was written
	text   string
	match  predicate
	types  record.Set
	fields []string
	leaves []*node
}

type predicate func(r record.Record) bool

// Compile compiles an expression. The empty one matches every record. The error
// is an *Error.
func Compile(expr string) (*Filter, error) {
	if len(expr) > MaxLen {
		return nil, &Error{Expr: expr[:MaxLen], Off: MaxLen, Msg: "the expression is too long"}
	}
	p := parser{src: expr}
	if err := p.next(); err != nil {
		return nil, err
	}
	f := &Filter{types: record.All}
	if p.tok.kind == tokEnd {
		return f, nil
	}
	n, err := p.or(0)
	if err != nil {
		return nil, err
	}
	if p.tok.kind != tokEnd {
		return nil, p.unexpected("and, or, or the end of the expression")
	}
	may, _, err := p.reach(n)
	if err != nil {
		return nil, err
	}
	var text strings.Builder
	n.print(&text, false)
	f.text, f.match, f.types = text.String(), n.compile(), may
	n.fields(&f.fields)
	n.leaves(&f.leaves)
	f.src = expr
	slices.Sort(f.fields)
	f.fields = slices.Compact(f.fields)
	return f, nil
}

// Match reports whether the filter selects r.
func (f *Filter) Match(r record.Record) bool { return f == nil || f.match == nil || f.match(r) }

// Types returns the types of records that the filter can match.
func (f *Filter) Types() record.Set {
	if f == nil {
		return record.All
	}
	return f.types
}

// Fields returns the names of the fields that the filter reads, sorted. The
// slice is shared and not to be changed.
func (f *Filter) Fields() []string {
	if f == nil {
		return nil
	}
	return f.fields
}

// Uses reports whether the filter reads the field of that name: payloads and
// digests need not be made when nobody looks at them.
func (f *Filter) Uses(field string) bool { return slices.Contains(f.Fields(), field) }

// Foreign returns the error for the first field that records of the type never
// have, or nil. Its message has the name as it was written.
func (f *Filter) Foreign(t record.Type) *Error {
	if f == nil {
		return nil
	}
	for _, n := range f.leaves {
		var types record.Set
		has := false
		for _, s := range n.slots {
			types |= s.fields.Types()
			has = has || s.fields[t] != nil
		}
		if !has {
			return &Error{Expr: f.src, Off: n.at.off, Len: n.at.end - n.at.off, Msg: n.name + " is no field of " + t.String() + ", but of " + types.String()}
		}
	}
	return nil
}

// String returns the expression in its plain form. It compiles to the same
// filter.
func (f *Filter) String() string {
	if f == nil {
		return ""
	}
	return f.text
}
