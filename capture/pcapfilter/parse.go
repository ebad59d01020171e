package pcapfilter

// The grammar is that of libpcap. "and" and "or" bind equally and from left to
// right. What follows them may be a bare id, which takes the qualifiers of what
// stands before: "tcp port 80 or 443". Behind a parenthesis it takes those of
// what stands before the parenthesis.

// quals are the qualifiers of an id.
type quals struct {
	proto, dir, typ string // keywords, "" for none
	ok              bool   // there are any, if only defaults
	at              token  // where they begin
}

// A compiler turns one expression into one program.
type compiler struct {
	expr   string
	list   []token
	pos    int
	depth  int
	prims  int
	cfg    Config
	values values
	layers

	geneveAt token // the first one
}

// An operand is what stands between "and" and "or".
type operand struct {
	kind  operandKind
	n     uint32 // isNumber
	arith arith  // isArith
	cond  *cond
	q     quals
	at    token // where it begins
}

type operandKind uint8

const (
	isCond   operandKind = iota
	isID                 // ids that were given their qualifiers
	isNumber             // either an id or the beginning of arithmetic
	isArith
)

func (c *compiler) tok() token { return c.list[c.pos] }

func (c *compiler) advance() token {
	t := c.list[c.pos]
	if t.kind != tokEnd {
		c.pos++
	}
	return t
}

// accept takes the current token if it is the mark or keyword text.
func (c *compiler) accept(text string) bool {
	if c.tok().is(text) {
		c.pos++
		return true
	}
	return false
}

// fail ends compilation; translate recovers it.
func (c *compiler) fail(from, to token, msg, hint string) {
	panic(&Error{Expr: c.expr, Off: from.off, Len: max(to.end-from.off, 0), Msg: msg, Hint: hint})
}

func (c *compiler) failAt(t token, msg string) { c.fail(t, t, msg, "") }

// last is the token before the current one.
func (c *compiler) last() token { return c.list[max(c.pos-1, 0)] }

func (c *compiler) unexpected(want string) {
	t := c.tok()
	if t.kind == tokEnd {
		c.failAt(t, "the expression ends too early: expected "+want)
	}
	c.fail(t, t, "expected "+want, hintFor(t))
}

func hintFor(t token) string {
	switch {
	case t.kind == tokKeyword && (ipProtos[t.text] != 0 || etherProtos[t.text] != 0):
		return "the name of a protocol that is a word of the language needs a backslash: \\" + t.text
	case t.kind == tokName && similar(t.text) != "":
		return "did you mean " + similar(t.text) + "?"
	}
	return ""
}

func (c *compiler) expect(mark string) {
	if !c.accept(mark) {
		c.unexpected(mark)
	}
}

// program parses the whole expression.
func (c *compiler) program() *cond {
	if c.tok().kind == tokEnd {
		return always
	}
	o := c.sequence(quals{}, false, true)
	if c.tok().kind != tokEnd {
		c.unexpected("and, or, or the end of the expression")
	}
	return o.cond
}

// sequence parses operands with "and" and "or" between them. q is what a bare
// id inherits, if ids tells that one may stand here; conds tells whether
// anything else may.
func (c *compiler) sequence(q quals, ids, conds bool) operand {
	if c.depth++; c.depth > maxDepth {
		c.tooLong(c.tok(), "parentheses are nested too deeply")
	}
	defer func() { c.depth-- }()
	left := c.operand(q, ids, conds)
	for c.tok().is("and") || c.tok().is("or") {
		join := c.advance().text
		left = c.settle(left, q, ids)
		right := c.operand(left.q, true, left.kind == isCond)
		right = c.settle(right, left.q, true)
		if join == "and" {
			right.cond = and(left.cond, right.cond)
		} else {
			right.cond = or(left.cond, right.cond)
		}
		right.at, right.kind = left.at, left.kind
		left = right
	}
	if c.depth == 1 {
		left = c.settle(left, q, ids)
	}
	return left
}

// settle makes a condition of an operand that could still be something else.
func (c *compiler) settle(o operand, q quals, ids bool) operand {
	switch {
	case o.kind == isArith, o.kind == isNumber && !ids:
		c.fail(o.at, c.last(), "a number is no condition", "compare it with something: = != < <= > >=")
	case o.kind == isNumber:
		o.kind, o.q = isID, q
		o.cond = c.numberID(o.n, o.at, q)
	}
	return o
}

// operand parses what may stand beside "and" and "or".
func (c *compiler) operand(q quals, ids, conds bool) operand {
	t := c.tok()
	o := operand{at: t}
	if c.prims++; c.prims > maxInstructions {
		c.tooLong(t, "the expression has too many parts")
	}
	switch {
	case t.is("!") || t.is("not"):
		c.advance()
		if c.depth++; c.depth > maxDepth {
			c.tooLong(t, "negations are nested too deeply")
		}
		o = c.settle(c.operand(q, ids, conds), q, ids)
		c.depth--
		o.cond, o.at = not(o.cond), t
		return o
	case t.is("("):
		c.advance()
		o = c.sequence(q, ids, conds)
		c.expect(")")
		o.at = t
		if o.kind == isCond {
			o.q = q
		}
		if o.kind == isNumber {
			o.arith.v = c.values.constant(o.n)
		}
	case t.kind == tokNumber:
		c.advance()
		o.kind, o.n, o.arith.v = isNumber, t.number, c.values.constant(t.number)
	case t.kind == tokKeyword || t.is("-"):
		if !conds {
			c.unexpected("a name, number or address")
		}
		return c.term()
	case t.kind != tokMark && t.kind != tokEnd:
		if !ids {
			c.fail(t, t, "there is nothing that says what this is", hintID(t))
		}
		c.advance()
		o.kind, o.q, o.cond = isID, q, c.id(t, q)
		return o
	case conds:
		c.unexpected("a condition")
	default:
		c.unexpected("a name, number or address")
	}
	if conds && (o.kind == isNumber || o.kind == isArith) && c.inArith() {
		return c.relation(o.arith, t)
	}
	return o
}

func hintID(t token) string {
	switch t.kind {
	case tokName:
		if word := similar(t.text); word != "" {
			return "did you mean " + word + "?"
		}
		return "for a host: host " + t.text
	case tokMAC:
		return "for a hardware address: ether host " + t.text
	}
	return "for an address: host " + t.text
}

func (c *compiler) tooLong(t token, msg string) {
	panic(&Error{Expr: c.expr, Off: t.off, Len: t.end - t.off, Msg: msg, cause: ErrTooLong})
}
