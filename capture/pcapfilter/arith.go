package pcapfilter

// An arith is arithmetic, and which packets it may be done on (nil for all).
type arith struct {
	v     *value
	guard *cond
}

// inArith tells whether arithmetic or a comparison goes on at the current
// token.
func (c *compiler) inArith() bool {
	t := c.tok()
	return t.kind == tokMark && (precedence(t.text) > 0 || comparison(t.text))
}

func comparison(op string) bool {
	switch op {
	case "=", "!=", "<", "<=", ">", ">=":
		return true
	}
	return false
}

// precedence is how strongly an operator binds, 0 if it is none. % and ^ were
// forgotten in libpcap's table: they take all that follows as their right side,
// and bind more strongly than anything on their left.
func precedence(op string) int {
	switch op {
	case "|":
		return 1
	case "&":
		return 2
	case "<<", ">>":
		return 3
	case "+", "-":
		return 4
	case "*", "/":
		return 5
	case "%", "^":
		return 6
	}
	return 0
}

// relation parses the rest of a comparison, or of arithmetic that stands in
// parentheses.
func (c *compiler) relation(left arith, at token) operand {
	left = c.climb(left, 1)
	o := operand{kind: isArith, arith: left, at: at}
	op := c.tok()
	if op.kind != tokMark || !comparison(op.text) {
		return o
	}
	c.advance()
	right := c.climb(c.primary(), 1)
	o.kind = isCond
	o.cond = and(left.guard, right.guard, c.compare(op.text, left.v, right.v))
	return o
}

func (c *compiler) compare(op string, a, b *value) *cond {
	var t testOp
	negated := false
	switch op {
	case "=", "!=":
		t, negated = testEq, op == "!="
	case ">", "<=":
		t, negated = testGt, op == "<="
	case ">=", "<":
		t, negated = testGe, op == "<"
	}
	if a.kind == kindConst && b.kind != kindConst {
		a, b = b, a
		switch t { // k > v is not v >= k, k >= v is not v > k
		case testGt:
			t, negated = testGe, !negated
		case testGe:
			t, negated = testGt, !negated
		}
	}
	out := &cond{kind: condTest, op: t, v: a, w: b}
	if b.kind == kindConst {
		out.w, out.k = nil, b.k
	}
	if negated {
		return not(out)
	}
	return out
}

// climb parses operators that bind as strongly as least, and their right sides.
func (c *compiler) climb(left arith, least int) arith {
	for {
		op := c.tok()
		p := precedence(op.text)
		if op.kind != tokMark || p < least || p == 0 {
			return left
		}
		c.advance()
		next := p + 1
		if p == 6 {
			next = 1
		}
		right := c.climb(c.primary(), next)
		left = c.operate(op, left, right)
	}
}

var aluOps = map[string]uint16{
	"+": aluAdd, "-": aluSub, "*": aluMul, "/": aluDiv, "%": aluMod, "&": aluAnd, "|": aluOr, "^": aluXor,
	"<<": aluLsh, ">>": aluRsh,
}

// operate joins two sides. The packets that it may be done on are those of the
// left side alone, as with libpcap.
func (c *compiler) operate(op token, a, b arith) arith {
	if b.v.kind == kindConst {
		switch {
		case b.v.k == 0 && op.text == "/" || b.v.k == 0 && op.text == "%":
			c.fail(op, c.last(), "division by 0", "")
		case b.v.k > 31 && (op.text == "<<" || op.text == ">>"):
			c.fail(op, c.last(), "shift by more than 31 bits", "")
		}
	}
	code := aluOps[op.text]
	if (code == aluLsh || code == aluRsh) && b.v.kind != kindConst && b.v.max > 31 {
		return arith{c.wideShift(code, a.v, b.v), a.guard}
	}
	return arith{c.values.alu(code, a.v, b.v), a.guard}
}

// wideShift shifts by a number that may be above 31. The result is 0 then;
// kernels disagree about it when they are asked directly.
func (c *compiler) wideShift(op uint16, a, b *value) *value {
	s := &c.values
	k := s.constant
	// 0 if b is above 31, else all ones.
	over := s.alu(aluRsh, b, k(5))
	mask := s.alu(aluSub, s.alu(aluRsh, s.alu(aluOr, over, s.neg(over)), k(31)), k(1))
	return s.alu(aluAnd, s.alu(op, a, s.alu(aluAnd, b, k(31))), mask)
}

// primary parses a number, a field, or arithmetic in parentheses.
func (c *compiler) primary() arith {
	t := c.tok()
	if c.depth++; c.depth > maxDepth {
		c.tooLong(t, "the arithmetic is nested too deeply")
	}
	defer func() { c.depth-- }()
	switch {
	case t.kind == tokNumber:
		c.advance()
		return arith{v: c.values.constant(t.number)}
	case t.is("len"):
		c.advance()
		return arith{v: c.length()}
	case t.is("-"):
		c.advance()
		a := c.climb(c.primary(), 6)
		a.v = c.values.neg(a.v)
		return a
	case t.is("("):
		c.advance()
		a := c.climb(c.primary(), 1)
		c.expect(")")
		return a
	case t.kind == tokKeyword && layerOf[t.text] != noLayer:
		c.advance()
		if !c.tok().is("[") {
			c.unexpected("[ behind the name of a protocol")
		}
		return c.field(t)
	}
	c.unexpected("a number, len, or proto[offset:size]")
	return arith{}
}

// field parses [offset:size] behind the name of a protocol.
func (c *compiler) field(proto token) arith {
	c.expect("[")
	index := c.climb(c.primary(), 1)
	size := uint32(1)
	if c.accept(":") {
		t := c.tok()
		if t.kind != tokNumber {
			c.unexpected("1, 2 or 4")
		}
		if size = t.number; size != 1 && size != 2 && size != 4 {
			c.failAt(t, "a field is 1, 2 or 4 bytes long")
		}
		c.advance()
	}
	c.expect("]")
	return c.load(proto, index, uint8(size))
}

// plainNumber parses a number, with or without parentheses around it.
func (c *compiler) plainNumber() (uint32, token) {
	if c.accept("(") {
		if c.depth++; c.depth > maxDepth {
			c.tooLong(c.tok(), "parentheses are nested too deeply")
		}
		n, t := c.plainNumber()
		c.depth--
		c.expect(")")
		return n, t
	}
	t := c.tok()
	if t.kind != tokNumber {
		c.unexpected("a number")
	}
	c.advance()
	return t.number, t
}

// optionalNumber is plainNumber where there may be none.
func (c *compiler) optionalNumber() (n uint32, t token, ok bool) {
	if t = c.tok(); t.kind != tokNumber && !t.is("(") {
		return 0, t, false
	}
	n, t = c.plainNumber()
	return n, t, true
}
