package filter

import (
	"net/netip"

	"framescope/decode/record"
)

// A test decides about one value; which of its functions is set depends on the
// kind of the field. Of a number that has a text, too, either may pass.
type test struct {
	num func(int64) bool
	str func(string) bool
	raw func([]byte) bool
	ip  func(netip.Addr) bool
}

// compile turns a node into a closure that allocates nothing.
func (n *node) compile() predicate {
	switch n.kind {
	case nodeAnd, nodeOr:
		kids := make([]predicate, len(n.kids))
		for i, k := range n.kids {
			kids[i] = k.compile()
		}
		until := n.kind == nodeOr
		return func(r record.Record) bool {
			for _, k := range kids {
				if k(r) == until {
					return until
				}
			}
			return !until
		}
	case nodeNot:
		kid := n.kids[0].compile()
		return func(r record.Record) bool { return !kid(r) }
	case nodeHas:
		slots := n.slots
		return func(r record.Record) bool {
			for i := range slots {
				if f := slots[i].fields[r.Type()]; f != nil && f.Has(r) {
					return true
				}
			}
			return false
		}
	}
	values := n.values()
	if n.op == opNe {
		// Of several values none may be equal, and there must be one.
		return func(r record.Record) bool {
			some, equal := values(r)
			return some && !equal
		}
	}
	return func(r record.Record) bool {
		_, ok := values(r)
		return ok
	}
}

// values returns the function that looks at the values of the field: is there
// one, and does one pass the test?
func (n *node) values() func(r record.Record) (some, pass bool) {
	slots, t := n.slots, n.test
	look := func(f *record.Field, r record.Record) (some, pass bool) {
		for i := range f.Len(r) {
			var ok, good bool
			switch {
			case t.num != nil && t.str != nil:
				n, number := f.Int(r, i)
				s, text := f.Str(r, i)
				ok, good = number || text, number && t.num(n) || text && t.str(s)
			case t.num != nil:
				var v int64
				if v, ok = f.Int(r, i); ok {
					good = t.num(v)
				}
			case t.str != nil:
				var v string
				if v, ok = f.Str(r, i); ok {
					good = t.str(v)
				}
			case t.ip != nil:
				var v netip.Addr
				if v, ok = f.IP(r); ok {
					good = t.ip(v)
				}
			default:
				var v []byte
				if v, ok = f.Bytes(r); ok {
					good = t.raw(v)
				}
			}
			if good {
				return true, true
			}
			some = some || ok
		}
		return some, false
	}
	return func(r record.Record) (some, pass bool) {
		for i := range slots {
			f := slots[i].fields[r.Type()]
			if f == nil {
				continue
			}
			s, p := look(f, r)
			if p {
				return true, true
			}
			some = some || s
		}
		return some, false
	}
}

// reach returns the types of records that the node can match, and those that it
// matches whatever is in them. A conjunction that no type can match is an error:
// whoever wrote it took a field of one type for one of another.
func (p *parser) reach(n *node) (may, must record.Set, err error) {
	switch n.kind {
	case nodeAnd:
		may, must = record.All, record.All
		for i, k := range n.kids {
			kmay, kmust, err := p.reach(k)
			if err != nil {
				return 0, 0, err
			}
			if may&kmay == 0 && may != 0 && kmay != 0 {
				return 0, 0, p.apart(n.kids[:i], k, may, kmay)
			}
			may, must = may&kmay, must&kmust
		}
	case nodeOr:
		for _, k := range n.kids {
			kmay, kmust, err := p.reach(k)
			if err != nil {
				return 0, 0, err
			}
			may, must = may|kmay, must|kmust
		}
	case nodeNot:
		kmay, kmust, err := p.reach(n.kids[0])
		return record.All &^ kmust, record.All &^ kmay, err
	default:
		for _, s := range n.slots {
			types := s.fields.Types()
			may |= types
			if s.name == "type" {
				may, must = p.typeTest(n)
			}
		}
	}
	return may, must, nil
}

// typeTest returns the types whose name passes the test.
func (p *parser) typeTest(n *node) (may, must record.Set) {
	for t := range record.Types {
		if n.kind == nodeHas || n.test.str(record.Type(t).String()) == (n.op != opNe) {
			may |= 1 << t
		}
	}
	return may, may
}

func (p *parser) apart(before []*node, n *node, may, kmay record.Set) error {
	hint := "what stands before it selects " + may.String()
	if len(before) == 1 && before[0].name != "" && before[0].name != "type" {
		hint = before[0].name + " belongs to " + may.String()
	}
	if n.name == "type" || n.name == "" {
		return p.hint(n.at, "no record can match both sides of this and", "this selects "+kmay.String()+"; "+hint)
	}
	return p.hint(n.at, "no record can match both sides of this and", n.name+" belongs to "+kmay.String()+"; "+hint)
}
