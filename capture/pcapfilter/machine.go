package pcapfilter

import "encoding/binary"

// A step is an instruction as it is executed. Where a test stands right behind
// the load of what it tests, the step of the load does the work of both.
type step struct {
	do   action
	op   testOp8 // the test, none for a load alone
	k    uint32
	with uint32 // what is compared with; the instruction's code for doOther
	yes  *step  // where to go on; without a test, always
	no   *step
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
	doLength
	doTest   // A with a constant
	doByteEq // a load and the commonest test
	doHalfEq
	doWordEq
	doIndexHalfEq
	doHalfBits
	doTestEq
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
		s.k = ins.K
		if i+1 < len(code) {
			s.yes = &steps[i+1]
		}
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
		case opLdLen:
			s.do = doLength
		case opLdxMsh:
			s.do = doHeader
			continue
		default:
			if s.test(ins, steps[i+1:]) {
				if s.do = doTest; s.op == isEq {
					s.do = doTestEq
				}
				continue
			}
			s.do, s.with = doOther, uint32(ins.Op)
			usesMemory = usesMemory || ins.Op == opSt || ins.Op == opStx
			if ins.Op&7 == opJmp {
				if s.yes, s.no = &steps[i+1+int(ins.Jt)], &steps[i+1+int(ins.Jf)]; ins.Op == opJa {
					s.yes = &steps[i+1+int(ins.K)]
				}
			}
			continue
		}
		if s.k >= auxBase && s.do <= doWord {
			s.do, s.k = doAux, s.k-auxBase
			continue
		}
		if s.test(code[i+1], steps[i+2:]) {
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

// test makes s go on as the test ins says, if it is one of A with a constant.
// What stands behind it is rest.
func (s *step) test(ins Instruction, rest []step) bool {
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
	s.with, s.yes, s.no = ins.K, &rest[ins.Jt], &rest[ins.Jf]
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

// run executes a program from s on.
func run(s *step, data []byte, wire uint32, mem *[memory]uint32, known *outside) outcome {
	var a, x uint32
	size := uint64(len(data))
	for {
		k := uint64(s.k)
		switch s.do {
		case doReturn:
			if k == 0 {
				return rejected
			}
			return accepted
		case doHalfEq:
			if k+2 > size {
				return failed
			}
			a = uint32(binary.BigEndian.Uint16(data[k:]))
			s = s.equal(a)
			continue
		case doTestEq:
			s = s.equal(a)
			continue
		case doByteEq:
			if k >= size {
				return failed
			}
			a = uint32(data[k])
			s = s.equal(a)
			continue
		case doWordEq:
			if k+4 > size {
				return failed
			}
			a = binary.BigEndian.Uint32(data[k:])
			s = s.equal(a)
			continue
		case doIndexHalfEq:
			k += uint64(x)
			if k+2 > size {
				return failed
			}
			a = uint32(binary.BigEndian.Uint16(data[k:]))
			s = s.equal(a)
			continue
		case doHalfBits:
			if k+2 > size {
				return failed
			}
			a = uint32(binary.BigEndian.Uint16(data[k:]))
			next := s.no
			if a&s.with != 0 {
				next = s.yes
			}
			s = next
			continue
		case doHeader:
			if k >= size {
				return failed
			}
			x = uint32(data[k]&15) << 2
			s = s.yes
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
		case doLength:
			a = wire
		case doTest:
		case doAux:
			v, ok := known.get(s.k)
			if !ok {
				return failed
			}
			a = v
		default:
			var ok bool
			if s, ok = other(s, &a, &x, wire, mem); !ok {
				return failed
			}
			continue
		}
		next := s.no
		switch s.op {
		case noTest:
			next = s.yes
		case isEq:
			if a == s.with {
				next = s.yes
			}
		case isGt:
			if a > s.with {
				next = s.yes
			}
		case isGe:
			if a >= s.with {
				next = s.yes
			}
		case isBits:
			if a&s.with != 0 {
				next = s.yes
			}
		}
		s = next
	}
}

// equal is where s goes on if it compares a.
func (s *step) equal(a uint32) *step {
	if a == s.with {
		return s.yes
	}
	return s.no
}

// other executes an instruction that few programs have. It returns where to go
// on, and false if the packet is to be rejected.
func other(s *step, a, x *uint32, wire uint32, mem *[memory]uint32) (*step, bool) {
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
		switch op & 0xf0 {
		case aluDiv, aluMod:
			if !ok {
				return nil, false
			}
		case aluLsh, aluRsh:
			if !ok {
				n = 0 // no program of this package shifts that far
			}
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
