package pcapfilter

import "math"

// A value is a number that a filter can compute from a packet. Values are
// interned: two values are equal if and only if they are the same pointer. A
// packet does not change while a filter looks at it, so a value is the same
// wherever it is computed.
type value struct {
	kind valueKind
	op   uint16 // aluAdd ... of kindALU
	size uint8  // of kindLoad: 1, 2 or 4 bytes
	k    uint32 // of kindConst, kindAux, kindReg; of kindLoad, what is added to a
	a, b *value // operands; a is the index of kindLoad, nil for none
	id   int
	max  uint32 // no greater number can come out
	regs uint16 // the scratch words that it depends on
	x    bool   // computing it needs the index register
}

type valueKind uint8

const (
	kindConst valueKind = iota
	kindLen             // length on the wire
	kindAux             // what the kernel knows besides the bytes; k is SKF_AD_
	kindReg             // scratch memory
	kindLoad            // bytes of the packet
	kindALU
	kindNeg
)

// Operations, as in the instruction set.
const (
	aluAdd = 0x00
	aluSub = 0x10
	aluMul = 0x20
	aluDiv = 0x30
	aluOr  = 0x40
	aluAnd = 0x50
	aluLsh = 0x60
	aluRsh = 0x70
	aluMod = 0x90
	aluXor = 0xa0
)

type valueKey struct {
	kind valueKind
	op   uint16
	size uint8
	k    uint32
	a, b int
}

// values interns values.
type values struct {
	known map[valueKey]*value
	// strict keeps what is masked out entirely, since reading it may reject a
	// packet.
	strict bool
}

func (s *values) intern(v value) *value {
	key := valueKey{v.kind, v.op, v.size, v.k, -1, -1}
	if v.a != nil {
		key.a = v.a.id
	}
	if v.b != nil {
		key.b = v.b.id
	}
	if p := s.known[key]; p != nil {
		return p
	}
	if s.known == nil {
		s.known = make(map[valueKey]*value)
	}
	p := new(value)
	*p = v
	if v.kind == kindReg {
		p.regs = 1 << v.k
	}
	for _, operand := range []*value{v.a, v.b} {
		if operand != nil {
			p.regs |= operand.regs
		}
	}
	p.id = len(s.known)
	s.known[key] = p
	return p
}

func (s *values) constant(k uint32) *value {
	return s.intern(value{kind: kindConst, k: k, max: k})
}

func (s *values) length() *value { return s.intern(value{kind: kindLen, max: math.MaxUint32}) }

func (s *values) aux(ad uint32) *value {
	return s.intern(value{kind: kindAux, k: ad, max: math.MaxUint32})
}

func (s *values) register(n int) *value {
	return s.intern(value{kind: kindReg, k: uint32(n), max: math.MaxUint32})
}

// load is size bytes of the packet at index + k; index may be nil.
func (s *values) load(index *value, k uint32, size uint8) *value {
	most := uint32(math.MaxUint32)
	if size < 4 {
		most = 1<<(8*size) - 1
	}
	if index != nil && index.kind == kindConst {
		index, k = nil, k+index.k
	}
	// The sum must not wrap: an index far outside rejects the packet.
	for index != nil && index.kind == kindALU && index.op == aluAdd && index.b.kind == kindConst &&
		uint64(index.a.max)+uint64(index.b.k)+uint64(k) <= math.MaxInt32 {
		index, k = index.a, k+index.b.k
	}
	return s.intern(value{kind: kindLoad, size: size, k: k, a: index, max: most, x: index != nil})
}

func (s *values) neg(a *value) *value {
	if a.kind == kindConst {
		return s.constant(-a.k)
	}
	return s.intern(value{kind: kindNeg, a: a, max: math.MaxUint32, x: a.x})
}

// alu is a op b. Division by a constant 0 and shifts by a constant above 31
// are for the caller to refuse.
func (s *values) alu(op uint16, a, b *value) *value {
	if a.kind == kindConst && b.kind == kindConst {
		if n, ok := compute(op, a.k, b.k); ok {
			return s.constant(n)
		}
	}
	if b.kind == kindConst {
		switch {
		case s.strict && b.k == 0 && (op == aluAnd || op == aluMul):
		case b.k == 0 && (op == aluAnd || op == aluMul):
			return s.constant(0)
		case b.k == 0 && op != aluDiv && op != aluMod, b.k == 1 && (op == aluMul || op == aluDiv):
			return a
		case op == aluAnd && a.kind == kindALU && a.op == aluAnd && a.b.kind == kindConst:
			return s.alu(aluAnd, a.a, s.constant(a.b.k&b.k))
		}
	}
	if a.kind == kindConst {
		switch {
		case a.k == 0 && (op == aluAdd || op == aluOr || op == aluXor):
			return b
		case a.k == 0 && op != aluSub && !s.strict:
			return s.constant(0)
		case op == aluAdd || op == aluMul || op == aluAnd || op == aluOr || op == aluXor:
			return s.alu(op, b, a)
		}
	}
	v := value{kind: kindALU, op: op, a: a, b: b, max: bound(op, a, b), x: a.x || b.kind != kindConst}
	return s.intern(v)
}

// compute is a op b as every machine computes it. It is false for division by
// 0 and for shifts by more than 31, where machines differ.
func compute(op uint16, a, b uint32) (uint32, bool) {
	switch op {
	case aluAdd:
		return a + b, true
	case aluSub:
		return a - b, true
	case aluMul:
		return a * b, true
	case aluDiv:
		if b != 0 {
			return a / b, true
		}
	case aluMod:
		if b != 0 {
			return a % b, true
		}
	case aluOr:
		return a | b, true
	case aluAnd:
		return a & b, true
	case aluXor:
		return a ^ b, true
	case aluLsh:
		return a << (b & 31), b < 32
	case aluRsh:
		return a >> (b & 31), b < 32
	}
	return 0, false
}

// bound is the greatest number that a op b can be.
func bound(op uint16, a, b *value) uint32 {
	var most uint64 = math.MaxUint32
	switch op {
	case aluAdd:
		most = uint64(a.max) + uint64(b.max)
	case aluMul:
		most = uint64(a.max) * uint64(b.max)
	case aluAnd:
		most = uint64(min(a.max, b.max))
	case aluLsh:
		if b.max < 32 {
			most = uint64(a.max) << b.max
		}
	case aluRsh, aluDiv, aluMod:
		most = uint64(a.max)
	}
	if most > math.MaxUint32 {
		return math.MaxUint32
	}
	return uint32(most)
}

// headerLength tells whether v is four times the low half of a byte at a fixed
// place, which the instruction set has an instruction for, and which byte.
func (v *value) headerLength() (k uint32, ok bool) {
	if v.kind != kindALU || v.op != aluLsh || v.b.kind != kindConst || v.b.k != 2 {
		return 0, false
	}
	and := v.a
	if and.kind != kindALU || and.op != aluAnd || and.b.kind != kindConst || and.b.k != 15 {
		return 0, false
	}
	load := and.a
	return load.k, load.kind == kindLoad && load.size == 1 && load.a == nil
}
