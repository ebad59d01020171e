package pcapfilter

import "encoding/binary"

// A step is an instruction as it is executed. Where a test stands right behind
// the load of what it tests, the step of the load does the work of both.
type step struct {
	do   action
	op   testOp8 // the test, none for a load alone
	yes  uint16  // where to go on; without a test, always
	no   uint16
	k    uint32
	with uint32 // what is compared with; the instruction's code for doOther
}

type action uint8

const (
	doReturn action = iota
	doByte          // loads
	doHalf
	doWord
	doIndexByte
	doIndexHalf
	doIndexWord
	doHeader // X = 4 * (P[k] & 15)
	doTest   // A with a constant
	doByteEq // a load and the commonest test
	doHalfEq
	doWordEq
	doIndexHalfEq
	doHalfBits
	doAux
	doOther
)

type testOp8 uint8

const (
	noTest testOp8 = iota
	isEq
	isGt
	isGe
	isBits
)

// outside is what the kernel knows of a packet besides its bytes.
type outside struct {
	protocol, kind, index, hardware, tag, tagged uint32
}

// Ancillary loads, SKF_AD_ of linux/filter.h.
const (
	adProtocol = 0
	adKind     = 4
	adIndex    = 8
	adHardware = 28
	adTag      = 44
	adTagged   = 48
)

func (o *outside) get(ad uint32) (uint32, bool) {
	if o == nil {
		return 0, false
	}
	switch ad {
	case adProtocol:
		return o.protocol, true
	case adKind:
		return o.kind, true
	case adIndex:
		return o.index, true
	case adHardware:
		return o.hardware, true
	case adTag:
		return o.tag, true
	case adTagged:
		return o.tagged, true
	}
	return 0, false
}

// decode prepares a program that check has accepted.
func decode(code []Instruction) (steps []step, usesMemory bool) {
	steps = make([]step, len(code))
	for i, ins := range code {
		s := &steps[i]
		s.yes, s.k = uint16(i+1), ins.K
		switch ins.Op {
		case opRet:
			s.do = doReturn
			continue
		case opLdAbs | 0x10:
			s.do = doByte
		case opLdAbs | 0x08:
			s.do = doHalf
		case opLdAbs:
			s.do = doWord
		case opLdInd | 0x10:
			s.do = doIndexByte
		case opLdInd | 0x08:
			s.do = doIndexHalf
		case opLdInd:
			s.do = doIndexWord
		case opLdxMsh:
			s.do = doHeader
			continue
		default:
			if s.test(ins, i) {
				s.do = doTest
				continue
			}
			s.do, s.with = doOther, uint32(ins.Op)
			usesMemory = usesMemory || ins.Op == opSt || ins.Op == opStx
			if ins.Op&7 == opJmp {
				s.yes, s.no = uint16(i+1+int(ins.Jt)), uint16(i+1+int(ins.Jf))
				if ins.Op == opJa {
					s.yes = uint16(i + 1 + int(ins.K))
				}
			}
			continue
		}
		if s.k >= auxBase && s.do <= doWord {
			s.do, s.k = doAux, s.k-auxBase
			continue
		}
		if i+1 < len(code) && s.test(code[i+1], i+1) {
			switch {
			case s.op == isEq && s.do <= doWord:
				s.do += doByteEq - doByte
			case s.op == isEq && s.do == doIndexHalf:
				s.do = doIndexHalfEq
			case s.op == isBits && s.do == doHalf:
				s.do = doHalfBits
			}
		}
	}
	return steps, usesMemory
}

// test makes s go on as the test ins at i says, if it is one of A with a
// constant.
func (s *step) test(ins Instruction, i int) bool {
	switch ins.Op {
	case opJmp | uint16(testEq):
		s.op = isEq
	case opJmp | uint16(testGt):
		s.op = isGt
	case opJmp | uint16(testGe):
		s.op = isGe
	case opJmp | uint16(testBits):
		s.op = isBits
	default:
		return false
	}
	s.with, s.yes, s.no = ins.K, uint16(i+1+int(ins.Jt)), uint16(i+1+int(ins.Jf))
	return true
}

// An outcome is what a program says of a packet.
type outcome uint8

const (
	rejected outcome = iota
	accepted
	// failed: something was read that is not there, or divided by 0. It is
	// another way to be rejected.
	failed
)

// run executes a program.
func run(steps []step, data []byte, wire uint32, mem *[memory]uint32, known *outside) outcome {
	var a, x uint32
	size := uint64(len(data))
	for pc := uint16(0); int(pc) < len(steps); {
		s := &steps[pc]
		k := uint64(s.k)
		switch s.do {
		case doReturn:
			if s.k == 0 {
				return rejected
			}
			return accepted
		case doHalfEq:
			if k+2 > size {
				return failed
			}
			a = uint32(binary.BigEndian.Uint16(data[k:]))
			if pc = s.no; a == s.with {
				pc = s.yes
			}
			continue
		case doByteEq:
			if k >= size {
				return failed
			}
			a = uint32(data[k])
			if pc = s.no; a == s.with {
				pc = s.yes
			}
			continue
		case doWordEq:
			if k+4 > size {
				return failed
			}
			a = binary.BigEndian.Uint32(data[k:])
			if pc = s.no; a == s.with {
				pc = s.yes
			}
			continue
		case doHalfBits:
			if k+2 > size {
				return failed
			}
			a = uint32(binary.BigEndian.Uint16(data[k:]))
			if pc = s.no; a&s.with != 0 {
				pc = s.yes
			}
			continue
		case doIndexHalfEq:
			k += uint64(x)
			if k+2 > size {
				return failed
			}
			a = uint32(binary.BigEndian.Uint16(data[k:]))
			if pc = s.no; a == s.with {
				pc = s.yes
			}
			continue
		case doHeader:
			if k >= size {
				return failed
			}
			x = uint32(data[k]&15) << 2
			pc = s.yes
			continue
		case doIndexByte:
			k += uint64(x)
			fallthrough
		case doByte:
			if k >= size {
				return failed
			}
			a = uint32(data[k])
		case doIndexHalf:
			k += uint64(x)
			fallthrough
		case doHalf:
			if k+2 > size {
				return failed
			}
			a = uint32(binary.BigEndian.Uint16(data[k:]))
		case doIndexWord:
			k += uint64(x)
			fallthrough
		case doWord:
			if k+4 > size {
				return failed
			}
			a = binary.BigEndian.Uint32(data[k:])
		case doTest:
		case doAux:
			v, ok := known.get(s.k)
			if !ok {
				return failed
			}
			a = v
		default:
			var ok bool
			if pc, ok = other(s, &a, &x, wire, mem); !ok {
				return failed
			}
			continue
		}
		pc = s.no
		switch s.op {
		case noTest:
			pc = s.yes
		case isEq:
			if a == s.with {
				pc = s.yes
			}
		case isGt:
			if a > s.with {
				pc = s.yes
			}
		case isGe:
			if a >= s.with {
				pc = s.yes
			}
		case isBits:
			if a&s.with != 0 {
				pc = s.yes
			}
		}
	}
	return failed
}

// other executes an instruction that few programs have. It returns where to go
// on, and false if the packet is to be rejected.
func other(s *step, a, x *uint32, wire uint32, mem *[memory]uint32) (uint16, bool) {
	op := uint16(s.with)
	switch op & 7 {
	case opAlu:
		if op == opNeg {
			*a = -*a
			break
		}
		b := s.k
		if op&srcX != 0 {
			b = *x
		}
		n, ok := compute(op&0xf0, *a, b)
		if !ok && (op&0xf0 == aluDiv || op&0xf0 == aluMod) {
			return 0, false
		}
		*a = n
	case opJmp:
		if op == opJa {
			break
		}
		if !testOp(op&0xf0).holds(*a, *x) {
			return s.no, true
		}
	case opSt:
		mem[s.k&(memory-1)] = *a
	case opStx:
		mem[s.k&(memory-1)] = *x
	default:
		switch op {
		case opLdImm:
			*a = s.k
		case opLdMem:
			*a = mem[s.k&(memory-1)]
		case opLdLen:
			*a = wire
		case opLdxImm:
			*x = s.k
		case opLdxMem:
			*x = mem[s.k&(memory-1)]
		case opLdxLen:
			*x = wire
		case opTax:
			*x = *a
		case opTxa:
			*a = *x
		}
	}
	return s.yes, true
}
