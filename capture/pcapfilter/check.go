package pcapfilter

import "fmt"

// check tells whether the kernel would take a program: known instructions,
// jumps forward and inside, constants that no operation forbids, scratch words
// that exist and are written before they are read, and an end that returns
// (sk_chk_filter and check_load_and_stores in net/core/filter.c).
func check(code []Instruction) error {
	if len(code) == 0 || len(code) > maxInstructions {
		return fmt.Errorf("%d instructions", len(code))
	}
	// written[i] is what every way to i has written.
	written := make([]uint16, len(code)+1)
	for i := range written {
		written[i] = 0xffff
	}
	written[0] = 0
	for i, ins := range code {
		here := written[i]
		bad := func(what string) error { return fmt.Errorf("instruction %d, code %#x: %s", i, ins.Op, what) }
		to := func(distance uint32) bool {
			if uint64(i)+1+uint64(distance) >= uint64(len(code)) {
				return false
			}
			written[i+1+int(distance)] &= here
			return true
		}
		switch ins.Op {
		case opLdAbs, opLdAbs | 0x08, opLdAbs | 0x10:
			if ins.K >= auxBase {
				switch ins.K - auxBase {
				case adProtocol, adKind, adIndex, adHardware, adTag, adTagged:
				default:
					return bad("unknown ancillary load")
				}
			} else if ins.K > 1<<31-1 {
				return bad("negative offset")
			}
		case opLdInd, opLdInd | 0x08, opLdInd | 0x10, opLdImm, opLdLen, opLdxImm, opLdxLen, opLdxMsh, opTax, opTxa, opNeg:
		case opLdMem, opLdxMem, opSt, opStx:
			if ins.K >= memory {
				return bad("no such scratch word")
			}
			if ins.Op == opSt || ins.Op == opStx {
				here |= 1 << ins.K
			} else if here&(1<<ins.K) == 0 {
				return bad("reads a scratch word that was not written")
			}
		case opJa:
			if !to(ins.K) {
				return bad("jumps out of the program")
			}
			continue
		case opRet:
			continue
		default:
			operation, x := ins.Op&0xf0, ins.Op&srcX != 0
			switch {
			case ins.Op > 0xff:
				return bad("unknown")
			case ins.Op&7 == opJmp && operation >= uint16(testEq) && operation <= uint16(testBits):
				if !to(uint32(ins.Jt)) || !to(uint32(ins.Jf)) {
					return bad("jumps out of the program")
				}
				continue
			case ins.Op&7 != opAlu || operation > aluXor || operation == opNeg&0xf0:
				return bad("unknown")
			case !x && ins.K == 0 && (operation == aluDiv || operation == aluMod):
				return bad("divides by 0")
			case !x && ins.K > 31 && (operation == aluLsh || operation == aluRsh):
				return bad("shifts by more than 31")
			}
		}
		if !to(0) {
			return bad("is the last")
		}
		written[i+1] &= here
	}
	return nil
}
