package framing

import (
	"strconv"
	"strings"
)

// refer finds a value by its name and gives it a slot.
func (c *compiler) refer(n *node, name string) (slot int, f *field, b *bitField, err error) {
	for i := len(c.scope) - 1; i >= 0; i-- {
		f := c.scope[i]
		if f.name == name && f.numeric() && f.kind != kindJSON && f.kind != kindHeaders {
			if f.slot < 0 {
				f.slot, err = c.slot(n)
			}
			return f.slot, f, nil, err
		}
		for j := range f.bits {
			if b := &f.bits[j]; b.name == name {
				if b.slot < 0 {
					b.slot, err = c.slot(n)
				}
				return b.slot, f, b, err
			}
		}
	}
	return -1, nil, nil, n.fault("there is no number %q before this field", name)
}

func (c *compiler) slot(n *node) (int, error) {
	if c.v.slots == maxSlots {
		return -1, n.fault("a frame refers to more than %d of its values", maxSlots)
	}
	c.v.slots++
	return c.v.slots - 1, nil
}

// conditions reads a condition, or a list of which all must hold.
func (c *compiler) conditions(n *node) (*condition, error) {
	if n.kind != 'l' {
		return c.condition(n)
	}
	if len(n.values) == 0 || len(n.values) > 8 {
		return nil, n.fault("expected 1 to 8 conditions")
	}
	var all *condition
	for i := len(n.values) - 1; i >= 0; i-- {
		cond, err := c.condition(&n.values[i])
		if err != nil {
			return nil, err
		}
		cond.and, all = all, cond
	}
	return all, nil
}

// condition reads "NAME OP VALUE".
func (c *compiler) condition(n *node) (*condition, error) {
	text, err := n.str("a condition such as: type == 3")
	if err != nil {
		return nil, err
	}
	cond := &condition{}
	for _, op := range []string{"==", "!=", "<=", ">=", "<", ">", "&", " in "} {
		before, after, ok := strings.Cut(text, op)
		if !ok {
			continue
		}
		cond.name, cond.op = strings.TrimSpace(before), strings.TrimSpace(op)
		if cond.slot, cond.field, cond.bit, err = c.refer(n, cond.name); err != nil {
			return nil, err
		}
		names := cond.field.names
		if cond.bit != nil {
			names = cond.bit.names
		}
		values := []string{after}
		if cond.op == "in" {
			values = strings.Split(after, ",")
		}
		for _, v := range values {
			v = strings.TrimSpace(v)
			num, err := strconv.ParseUint(v, 0, 64)
			if err != nil {
				found := false
				for k, name := range names {
					if name == v {
						num, found = k, true
					}
				}
				if !found {
					return nil, n.fault("found %q, expected a number or a name of %s", v, cond.name)
				}
			}
			cond.values = append(cond.values, num)
		}
		return cond, nil
	}
	return nil, n.fault("found %q, expected NAME ==, !=, <, <=, >, >=, & or in, and a value", text)
}
