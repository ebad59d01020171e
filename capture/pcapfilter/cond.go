package pcapfilter

// A cond is a condition on packets. Conditions are evaluated from left to
// right, and only as far as their outcome is open; that order can be seen from
// outside, since reading behind the end of a packet rejects it.
type cond struct {
	kind condKind
	a, b *cond  // of condAnd, condOr; a of condNot
	op   testOp // of condTest: v op k, or v op w if w is not nil
	v, w *value
	k    uint32 // of condSet: the register that becomes v
}

type condKind uint8

const (
	condTrue condKind = iota
	condFalse
	condTest
	condAnd
	condOr
	condNot
	condSet // always true
)

type testOp uint16

// Comparisons, as in the instruction set.
const (
	testEq   testOp = 0x10
	testGt   testOp = 0x20
	testGe   testOp = 0x30
	testBits testOp = 0x40 // have bits in common
)

func (op testOp) holds(a, b uint32) bool {
	switch op {
	case testEq:
		return a == b
	case testGt:
		return a > b
	case testGe:
		return a >= b
	default:
		return a&b != 0
	}
}

var (
	always = &cond{kind: condTrue}
	never  = &cond{kind: condFalse}
)

func and(conds ...*cond) *cond { return fold(condAnd, conds) }
func or(conds ...*cond) *cond  { return fold(condOr, conds) }

// fold joins conditions from left to right; nil is left out.
func fold(kind condKind, conds []*cond) *cond {
	var out *cond
	for _, c := range conds {
		switch {
		case c == nil:
		case out == nil:
			out = c
		default:
			out = &cond{kind: kind, a: out, b: c}
		}
	}
	return out
}

func not(c *cond) *cond { return &cond{kind: condNot, a: c} }

func eq(v *value, k uint32) *cond { return compare(testEq, v, k) }

func compare(op testOp, v *value, k uint32) *cond {
	return &cond{kind: condTest, op: op, v: v, k: k}
}

// set makes v the value of register n; it is true.
func set(n int, v *value) *cond { return &cond{kind: condSet, k: uint32(n), v: v} }

// A block is a node of a program: a test with two ways on, an assignment with
// one, or an end.
type block struct {
	kind    blockKind
	test    *test
	reg     uint32 // blockSet: reg becomes val
	val     *value
	yes, no *block // blockSet has only yes
	id      int

	preds int // while a program is laid out
	place int
}

type blockKind uint8

const (
	blockAccept blockKind = iota
	blockReject
	blockTest
	blockSet
)

// A test is a comparison. Tests are interned.
type test struct {
	op   testOp
	v, w *value // w is nil if v is compared with k
	k    uint32
	id   int
}

// A graph holds the blocks of one program, each only once.
type graph struct {
	accept, reject *block
	blocks         map[blockKey]*block
	tests          map[testKey]*test
	list           []*test
	full           bool // there are too many blocks
	strict         bool // what is read stays, even if nothing depends on it
	changed        bool // by the optimizer
}

type blockKey struct {
	test, reg, val, yes, no int
}

type testKey struct {
	op   testOp
	v, w int
	k    uint32
}

// maxBlocks bounds the blocks of one expression, and with it the time that one
// takes.
const maxBlocks = 16384

func newGraph() *graph {
	return &graph{
		accept: &block{kind: blockAccept, id: 0}, reject: &block{kind: blockReject, id: 1},
		blocks: make(map[blockKey]*block), tests: make(map[testKey]*test),
	}
}

// build returns the block that goes to yes if c holds and to no otherwise.
func (g *graph) build(c *cond, yes, no *block) *block {
	switch c.kind {
	case condTrue:
		return yes
	case condFalse:
		return no
	case condNot:
		return g.build(c.a, no, yes)
	case condAnd:
		return g.build(c.a, g.build(c.b, yes, no), no)
	case condOr:
		return g.build(c.a, yes, g.build(c.b, yes, no))
	case condSet:
		return g.assign(c.k, c.v, yes)
	default:
		return g.branch(c.op, c.v, c.w, c.k, yes, no)
	}
}

func (g *graph) branch(op testOp, v, w *value, k uint32, yes, no *block) *block {
	if v.kind == kindConst && w == nil {
		if op.holds(v.k, k) {
			return yes
		}
		return no
	}
	// What shares bits with a mask is the mask's business.
	if op == testEq && w == nil && k == 0 && v.kind == kindALU && v.op == aluAnd && v.b.kind == kindConst {
		op, v, k, yes, no = testBits, v.a, v.b.k, no, yes
	}
	if yes == no && !g.strict {
		return yes
	}
	return g.keep(op, v, w, k, yes, no)
}

// keep is branch for a test that stays even if nothing depends on its outcome.
func (g *graph) keep(op testOp, v, w *value, k uint32, yes, no *block) *block {
	key := testKey{op, v.id, -1, k}
	if w != nil {
		key.w = w.id
	}
	t := g.tests[key]
	if t == nil {
		t = &test{op, v, w, k, len(g.list)}
		g.tests[key] = t
		g.list = append(g.list, t)
	}
	return g.intern(blockKey{t.id, -1, -1, yes.id, no.id}, block{kind: blockTest, test: t, yes: yes, no: no})
}

func (g *graph) assign(reg uint32, v *value, next *block) *block {
	return g.intern(blockKey{-1, int(reg), v.id, next.id, -1}, block{kind: blockSet, reg: reg, val: v, yes: next})
}

func (g *graph) intern(key blockKey, b block) *block {
	if p := g.blocks[key]; p != nil {
		return p
	}
	if len(g.blocks) >= maxBlocks {
		g.full = true
		return g.reject
	}
	p := new(block)
	*p = b
	p.id = len(g.blocks) + 2
	g.blocks[key] = p
	return p
}
