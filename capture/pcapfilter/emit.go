package pcapfilter

import "slices"

// Instruction codes that are not only operations.
const (
	opLdAbs = 0x20 // with a size: 0x00 four bytes, 0x08 two, 0x10 one
	opLdInd = 0x40
	opLdImm = 0x00
	opLdMem = 0x60
	opLdLen = 0x80

	opLdxImm = 0x01
	opLdxMem = 0x61
	opLdxLen = 0x81
	opLdxMsh = 0xb1

	opSt  = 0x02
	opStx = 0x03
	opAlu = 0x04
	opNeg = 0x84
	opJmp = 0x05
	opJa  = 0x05
	opRet = 0x06
	opTax = 0x07
	opTxa = 0x87

	srcX = 0x08
)

// auxBase is where the kernel's own knowledge begins, SKF_AD_OFF.
const auxBase = 0xfffff000

var sizeBits = [5]uint16{1: 0x10, 2: 0x08, 4: 0x00}

// memory is the number of scratch words.
const memory = 16

// maxInstructions is what the kernel takes, BPF_MAXINSNS.
const maxInstructions = 4096

// A state is what the two registers hold, nil for nobody knows.
type state struct{ a, x *value }

// An emitter turns blocks into instructions.
type emitter struct {
	code []Instruction
	state
	spill int  // the first scratch word that is free
	deep  bool // there were not enough of them
}

func (e *emitter) put(op uint16, k uint32) {
	e.code = append(e.code, Instruction{Op: op, K: k})
}

// loadA makes v what the accumulator holds.
func (e *emitter) loadA(v *value) {
	if e.a == v {
		return
	}
	switch v.kind {
	case kindConst:
		e.put(opLdImm, v.k)
	case kindLen:
		e.put(opLdLen, 0)
	case kindAux:
		e.put(opLdAbs, auxBase+v.k)
	case kindReg:
		e.put(opLdMem, v.k)
	case kindLoad:
		if v.a == nil {
			e.put(opLdAbs|sizeBits[v.size], v.k)
			break
		}
		e.loadX(v.a)
		e.put(opLdInd|sizeBits[v.size], v.k)
	case kindNeg:
		e.loadA(v.a)
		e.put(opNeg, 0)
	default:
		if v.b.kind == kindConst {
			e.loadA(v.a)
			e.put(opAlu|v.op, v.b.k)
			break
		}
		e.pair(v.a, v.b)
		e.put(opAlu|v.op|srcX, 0)
	}
	e.a = v
}

// loadX makes v what the index register holds.
func (e *emitter) loadX(v *value) {
	if e.x == v {
		return
	}
	if e.a == v || !e.direct(v) {
		e.loadA(v)
		e.put(opTax, 0)
	} else if k, ok := v.headerLength(); ok {
		e.put(opLdxMsh, k)
	} else {
		switch v.kind {
		case kindConst:
			e.put(opLdxImm, v.k)
		case kindLen:
			e.put(opLdxLen, 0)
		default:
			e.put(opLdxMem, v.k)
		}
	}
	e.x = v
}

// direct tells whether the index register can be loaded with v while the
// accumulator stays as it is.
func (e *emitter) direct(v *value) bool {
	_, header := v.headerLength()
	return header || v.kind == kindConst || v.kind == kindLen || v.kind == kindReg
}

// pair makes a what the accumulator holds and b what the index register holds.
func (e *emitter) pair(a, b *value) {
	switch {
	case e.direct(b) || a == b || e.x == b && (!a.x || e.a == a):
		e.loadA(a)
		e.loadX(b)
	case !a.x:
		e.loadX(b)
		e.loadA(a)
	default:
		word := uint32(e.spill)
		if e.spill++; e.spill > memory {
			e.deep = true
		}
		e.loadA(b)
		e.put(opSt, word%memory)
		e.loadA(a)
		e.put(opLdxMem, word%memory)
		e.x = b
		e.spill--
	}
}

// emit lays the program out that begins with root. Registers below used are in
// use. It returns false if the machine has not enough memory for it.
func emit(root *block, used int, snaplen uint32) ([]Instruction, bool) {
	e := &emitter{spill: used}
	list := layout(root)
	if len(list) == 0 {
		return []Instruction{ret(root, snaplen)}, true
	}
	entry := make([]state, len(list))
	seen := make([]bool, len(list))
	pieces := make([][]Instruction, len(list))
	reach := func(b *block, s state) {
		switch {
		case b.kind <= blockReject:
		case !seen[b.place]:
			seen[b.place], entry[b.place] = true, s
		default:
			old := &entry[b.place]
			if old.a != s.a {
				old.a = nil
			}
			if old.x != s.x {
				old.x = nil
			}
		}
	}
	for i, b := range list {
		e.code, e.state = nil, entry[i]
		switch {
		case b.kind == blockSet:
			e.loadA(b.val)
			e.put(opSt, b.reg)
			reach(b.yes, e.state)
			pieces[i] = e.code
			continue
		case b.test.w != nil:
			e.pair(b.test.v, b.test.w)
		default:
			e.loadA(b.test.v)
		}
		reach(b.yes, e.state)
		reach(b.no, e.state)
		pieces[i] = e.code
	}
	return join(list, pieces, snaplen), !e.deep
}

func ret(b *block, snaplen uint32) Instruction {
	if b.kind == blockReject {
		snaplen = 0
	}
	return Instruction{Op: opRet, K: snaplen}
}

// layout returns the tests and assignments of a program in the order that they
// are to stand in: before what they go to, and what a test that fails goes to
// behind it where possible.
func layout(root *block) []*block {
	var all []*block
	seen := make(map[*block]bool)
	var count func(b *block)
	count = func(b *block) {
		if b == nil || b.kind <= blockReject {
			return
		}
		if !seen[b] {
			seen[b] = true
			b.preds = 0
			count(b.yes)
			count(b.no)
		}
		b.preds++
	}
	count(root)
	stack := []*block{root}
	for len(stack) > 0 {
		b := stack[len(stack)-1]
		stack = stack[:len(stack)-1]
		if b.kind <= blockReject {
			continue
		}
		b.place = len(all)
		all = append(all, b)
		for _, to := range []*block{b.yes, b.no} {
			if to == nil || to.kind <= blockReject {
				continue
			}
			if to.preds--; to.preds == 0 {
				stack = append(stack, to)
			}
		}
	}
	return all
}

// join puts the pieces of a program behind one another, with the jumps between
// them. It works from the end, so that what a jump goes to has its place. A test
// jumps over 255 instructions at most; further on it goes by way of a stop,
// which stands behind some test, where nothing else comes by.
func join(list []*block, pieces [][]Instruction, snaplen uint32) []Instruction {
	var out []Instruction // the last instruction first
	// behind is how many instructions there are from where a block begins, stops
	// the same for the first stop on the way to it.
	behind, stops := make(map[*block]int), make(map[*block]int)
	ends := make(map[blockKind]*block)
	for _, b := range list {
		for _, to := range []*block{b.yes, b.no} {
			if to != nil && to.kind <= blockReject {
				ends[to.kind] = to
			}
		}
	}
	for _, kind := range []blockKind{blockReject, blockAccept} {
		if b := ends[kind]; b != nil {
			out = append(out, ret(b, snaplen))
			behind[b] = len(out)
		}
	}
	distance := func(to *block) int {
		near := len(out) - behind[to]
		if stop, ok := stops[to]; ok && near > 255 {
			near = len(out) - stop
		}
		return near
	}
	for i := len(list) - 1; i >= 0; i-- {
		b := list[i]
		switch {
		case b.kind == blockTest && b.yes != b.no:
			for _, to := range []*block{b.yes, b.no} {
				if distance(to) > 254 { // the other side may need a stop, too
					stop := Instruction{Op: opJa, K: uint32(len(out) - behind[to])}
					if to.kind <= blockReject {
						stop = ret(to, snaplen)
					}
					out = append(out, stop)
					stops[to] = len(out)
				}
			}
			jump := Instruction{Op: opJmp | uint16(b.test.op), Jt: uint8(distance(b.yes)), Jf: uint8(distance(b.no)), K: b.test.k}
			if b.test.w != nil {
				jump.Op |= srcX
			}
			out = append(out, jump)
		case behind[b.yes] != len(out):
			out = append(out, Instruction{Op: opJa, K: uint32(len(out) - behind[b.yes])})
		}
		for j := len(pieces[i]) - 1; j >= 0; j-- {
			out = append(out, pieces[i][j])
		}
		behind[b] = len(out)
	}
	slices.Reverse(out)
	return out
}
