package pcapfilter

import (
	"slices"
	"strconv"
)

// translate compiles an expression.
func translate(expr string, cfg Config, optimize bool) (code []Instruction, err error) {
	defer func() {
		switch r := recover().(type) {
		case nil:
		case *Error:
			code, err = nil, r
		default:
			panic(r)
		}
	}()
	whole := func(msg string, cause error) *Error {
		return &Error{Expr: expr, Len: len(expr), Msg: msg, cause: cause}
	}
	if len(expr) > maxExpr {
		return nil, whole("the expression is longer than 64 KiB", ErrTooLong)
	}
	switch cfg.Live {
	case File, LiveRaw:
	case LiveCooked:
		if cfg.Link != 113 && cfg.Link != 276 {
			return nil, whole("a socket for all interfaces has packets of link type 113 or 276", nil)
		}
	default:
		return nil, whole("there is no such kind of capture", nil)
	}
	list, err := lex(expr)
	if err != nil {
		return nil, err
	}
	c := &compiler{expr: expr, list: list, cfg: cfg}
	c.begin()
	g := newGraph()
	// libpcap does not optimize what computes where Geneve headers end.
	strict := !optimize || slices.ContainsFunc(list, func(t token) bool { return t.is("geneve") })
	c.values.strict, g.strict = strict, strict
	program := func(untagged bool) *block {
		c.pos, c.depth, c.prims = 0, 0, 0
		c.begin()
		c.untagged = untagged
		main := c.program()
		g.strict = g.strict || c.usesPayload || c.usesPrefix && c.link.prefix == prismPrefix
		return g.build(and(c.prelude(), main), g.accept, g.reject)
	}
	root := program(false)
	if cfg.Live == LiveRaw && c.vlans > 0 {
		root = g.build(eq(c.values.aux(adTagged), 1), program(true), root)
	}
	if g.full {
		return nil, whole("the expression has too many parts", ErrTooLong)
	}
	if optimize {
		root = g.optimize(root)
	}
	code, ok := emit(root, c.registers, cfg.Snaplen)
	switch {
	case !ok:
		return nil, whole("the arithmetic is too complex", ErrTooLong)
	case len(code) > maxInstructions:
		return nil, whole("the program would have "+strconv.Itoa(len(code))+" instructions; the kernel takes "+strconv.Itoa(maxInstructions), ErrTooLong)
	}
	if err := check(code); err != nil && c.geneveAt.end == 0 {
		return nil, whole("this cannot be compiled: "+err.Error(), nil)
	} else if err != nil {
		// What Geneve headers are found to say is not known on every way.
		return nil, &Error{Expr: expr, Off: c.geneveAt.off, Len: c.geneveAt.end - c.geneveAt.off,
			Msg: "what stands behind geneve looks into its payload, even where geneve does not hold", Hint: "put geneve last, or join what follows with and"}
	}
	return code, nil
}
