package filter

import (
	"strings"
	"sync"

	"framescope/decode/record"
)

// A parser reads an expression by recursive descent; or binds less than and,
// and that less than not.
type parser struct {
	src string
	tok token // the current one
}

// A node is a part of the expression. kids of and and or are flat, so that a
// long chain is not deep.
type node struct {
	kind nodeKind
	kids []*node
	at   token // of a leaf: its field

	name string // of the field as it is printed
	// slots are the fields that are meant; several for an alias or a group.
	slots []slot
	op    op
	value []value // one; or for in, the set
	test  test
}

type nodeKind uint8

const (
	nodeAnd nodeKind = iota
	nodeOr
	nodeNot
	nodeHas // the field has a value
	nodeCmp // the field's value compares
)

// A slot is a field in every type of record that has it.
type slot struct {
	name   string
	fields record.ByType
}

// A value is what a field is compared with: a token, or a range of two.
type value struct{ from, to token }

func (v value) isRange() bool { return v.to.kind != tokEnd }

func (p *parser) or(depth int) (*node, error)  { return p.chain(nodeOr, tokOr, p.and, depth) }
func (p *parser) and(depth int) (*node, error) { return p.chain(nodeAnd, tokAnd, p.not, depth) }

func (p *parser) chain(kind nodeKind, by tokenKind, sub func(int) (*node, error), depth int) (*node, error) {
	n, err := sub(depth)
	if err != nil || p.tok.kind != by {
		return n, err
	}
	all := &node{kind: kind, kids: []*node{n}, at: n.at}
	for p.tok.kind == by {
		if err := p.next(); err != nil {
			return nil, err
		}
		if n, err = sub(depth); err != nil {
			return nil, err
		}
		all.kids = append(all.kids, n)
	}
	return all, nil
}

func (p *parser) not(depth int) (*node, error) {
	if depth > MaxDepth {
		return nil, p.fail(p.tok, "the expression is nested too deeply")
	}
	switch p.tok.kind {
	case tokNot:
		if err := p.next(); err != nil {
			return nil, err
		}
		n, err := p.not(depth + 1)
		if err != nil {
			return nil, err
		}
		return &node{kind: nodeNot, kids: []*node{n}, at: n.at}, nil
	case tokOpen:
		open := p.tok
		if err := p.next(); err != nil {
			return nil, err
		}
		n, err := p.or(depth + 1)
		if err != nil {
			return nil, err
		}
		if p.tok.kind != tokClose {
			if p.tok.kind == tokEnd {
				return nil, p.fail(open, "this parenthesis is not closed")
			}
			return nil, p.unexpected("and, or, or )")
		}
		return n, p.next()
	}
	return p.leaf()
}

// leaf reads a field and what it is compared with.
func (p *parser) leaf() (*node, error) {
	switch {
	case p.tok.kind == tokString:
		return nil, p.hint(p.tok, "expected a field", "field names stand without quotes, on the left of the comparison")
	case p.tok.kind != tokWord:
		return nil, p.unexpected("a field")
	}
	n := &node{kind: nodeHas, at: p.tok, name: strings.ToLower(p.tok.text)}
	var group bool
	if n.slots, group = resolve(n.name); n.slots == nil {
		return nil, p.unknownField(p.tok)
	}
	if err := p.next(); err != nil {
		return nil, err
	}
	negated := false
	if p.tok.kind == tokNot { // x not in {...}
		not := p.tok
		if err := p.next(); err != nil {
			return nil, err
		}
		if p.tok.op != opIn {
			return nil, p.fail(not, "expected a comparison, and, or, or the end")
		}
		negated = true
	}
	if p.tok.kind != tokOp {
		return n, nil
	}
	if group {
		return nil, p.hint(n.at, n.name+" is a group of fields, not one to compare", "the group has "+p.members(n))
	}
	n.kind, n.op = nodeCmp, p.tok.op
	opAt := p.tok
	if err := p.next(); err != nil {
		return nil, err
	}
	var err error
	if n.op == opIn {
		n.value, err = p.set()
	} else {
		n.value, err = p.single()
	}
	if err != nil {
		return nil, err
	}
	if n.test, err = p.test(n, opAt); err != nil {
		return nil, err
	}
	if negated {
		n = &node{kind: nodeNot, kids: []*node{n}, at: n.at}
	}
	return n, nil
}

func (p *parser) members(n *node) string {
	var names []string
	for _, s := range n.slots[:min(len(n.slots), 4)] {
		names = append(names, s.name)
	}
	if len(n.slots) > 4 {
		names = append(names, "...")
	}
	return strings.Join(names, ", ")
}

// single reads the value behind a comparison.
func (p *parser) single() ([]value, error) {
	if p.tok.kind == tokOpenSet {
		return nil, p.hint(p.tok, "expected one value", "a set needs in: field in {a, b}")
	}
	t, err := p.value()
	if err != nil {
		return nil, err
	}
	return []value{{from: t}}, nil
}

// set reads {a, b..c d}. Commas may be left out, and so may the braces around a
// single network.
func (p *parser) set() (values []value, err error) {
	if p.tok.kind != tokOpenSet {
		if p.tok.kind == tokWord && strings.Contains(p.tok.text, "/") {
			return p.single()
		}
		return nil, p.unexpected("a network such as 10.0.0.0/8, or a set such as {443, 8000..8100}")
	}
	open := p.tok
	if err := p.next(); err != nil {
		return nil, err
	}
	for p.tok.kind != tokCloseSet {
		if p.tok.kind == tokEnd {
			return nil, p.fail(open, "this set is not closed")
		}
		var v value
		if v.from, err = p.value(); err != nil {
			return nil, err
		}
		if p.tok.kind == tokRange {
			if err := p.next(); err != nil {
				return nil, err
			}
			if v.to, err = p.value(); err != nil {
				return nil, err
			}
		}
		values = append(values, v)
		if p.tok.kind == tokComma {
			if err := p.next(); err != nil {
				return nil, err
			}
		}
	}
	if len(values) == 0 {
		return nil, p.fail(token{off: open.off, end: p.tok.end}, "the set is empty")
	}
	return values, p.next()
}

func (p *parser) value() (token, error) {
	t := p.tok
	if t.kind != tokWord && t.kind != tokString {
		if t.kind != tokEnd && t.off < t.end && wordByte(p.src[t.off]) {
			return t, p.fail(t, "expected a value; this word has a meaning of its own: put it in quotes")
		}
		return t, p.unexpected("a value")
	}
	return t, p.next()
}

// resolve finds the fields that a name stands for: a field, an alias, or a
// group such as websocket, of which any field will do.
func resolve(name string) (slots []slot, group bool) {
	names := record.Alias(name)
	if names == nil {
		names = []string{name}
	}
	for _, n := range names {
		if b, ok := record.Lookup(n); ok {
			slots = append(slots, slot{name: n, fields: b})
		}
	}
	if slots != nil {
		return slots, false
	}
	for _, n := range allNames() {
		if strings.HasPrefix(n, name+".") {
			if b, ok := record.Lookup(n); ok {
				slots = append(slots, slot{name: n, fields: b})
			}
		}
	}
	return slots, true
}

var allNames = sync.OnceValue(func() []string { return record.Names(record.All) })

// leaves appends the parts that name a field.
func (n *node) leaves(all *[]*node) {
	if n.slots != nil {
		*all = append(*all, n)
	}
	for _, k := range n.kids {
		k.leaves(all)
	}
}

func (n *node) fields(names *[]string) {
	for _, s := range n.slots {
		*names = append(*names, s.name)
	}
	for _, k := range n.kids {
		k.fields(names)
	}
}

// print writes the expression. inside is set where a chain needs parentheses.
func (n *node) print(out *strings.Builder, inside bool) {
	switch n.kind {
	case nodeAnd, nodeOr:
		if inside {
			out.WriteByte('(')
		}
		for i, k := range n.kids {
			if i > 0 {
				out.WriteString([...]string{" and ", " or "}[n.kind])
			}
			k.print(out, n.kind == nodeAnd || k.kind == nodeOr)
		}
		if inside {
			out.WriteByte(')')
		}
	case nodeNot:
		if k := n.kids[0]; k.op == opIn {
			k.printComparison(out, " not in ")
			return
		}
		out.WriteString("not ")
		n.kids[0].print(out, true)
	case nodeHas:
		out.WriteString(n.name)
	case nodeCmp:
		n.printComparison(out, " "+opNames[n.op]+" ")
	}
}

func (n *node) printComparison(out *strings.Builder, op string) {
	out.WriteString(n.name + op)
	if n.op != opIn {
		n.value[0].from.print(out)
		return
	}
	out.WriteByte('{')
	for i, v := range n.value {
		if i > 0 {
			out.WriteString(", ")
		}
		v.from.print(out)
		if v.isRange() {
			out.WriteString("..")
			v.to.print(out)
		}
	}
	out.WriteByte('}')
}
