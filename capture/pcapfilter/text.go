package pcapfilter

import (
	"fmt"
	"strings"
)

// String returns the program as tcpdump -d prints programs.
func (p *Program) String() string {
	var out strings.Builder
	for i, ins := range p.code {
		fmt.Fprintf(&out, "(%03d) %-8s ", i, ins.name())
		switch {
		case ins.Op&7 == opJmp && ins.Op != opJa:
			fmt.Fprintf(&out, "%-16s jt %d\tjf %d", ins.operand(), i+1+int(ins.Jt), i+1+int(ins.Jf))
		case ins.Op == opJa:
			fmt.Fprintf(&out, "%d", i+1+int(ins.K))
		default:
			out.WriteString(ins.operand())
		}
		out.WriteByte('\n')
	}
	return out.String()
}

var aluNames = map[uint16]string{
	aluAdd: "add", aluSub: "sub", aluMul: "mul", aluDiv: "div", aluOr: "or", aluAnd: "and", aluLsh: "lsh", aluRsh: "rsh",
	aluMod: "mod", aluXor: "xor", opNeg & 0xf0: "neg",
}

var auxNames = map[uint32]string{
	adProtocol: "proto", adKind: "type", adIndex: "ifidx", adHardware: "hatype", adTag: "vlan_tci", adTagged: "vlanp",
}

func (i Instruction) name() string {
	size := map[uint16]string{0x00: "", 0x08: "h", 0x10: "b"}[i.Op&0x18]
	switch i.Op & 7 {
	case 0:
		if i.Op == opLdLen || i.Op == opLdImm || i.Op == opLdMem {
			size = ""
		}
		return "ld" + size
	case 1:
		if i.Op == opLdxMsh {
			return "ldxb"
		}
		return "ldx"
	case opSt:
		return "st"
	case opStx:
		return "stx"
	case opAlu:
		return aluNames[i.Op&0xf0]
	case opJmp:
		return map[uint16]string{0: "ja", uint16(testEq): "jeq", uint16(testGt): "jgt", uint16(testGe): "jge", uint16(testBits): "jset"}[i.Op&0xf0]
	case opRet:
		return "ret"
	}
	return map[uint16]string{opTax: "tax", opTxa: "txa"}[i.Op]
}

func (i Instruction) operand() string {
	switch i.Op & 7 {
	case opAlu:
		if i.Op == opNeg {
			return ""
		}
		fallthrough
	case opJmp:
		if i.Op&srcX != 0 {
			return "x"
		}
		return fmt.Sprintf("#%#x", i.K)
	case opRet:
		return fmt.Sprintf("#%d", i.K)
	case opSt, opStx:
		return fmt.Sprintf("M[%d]", i.K)
	case 0, 1:
	default:
		return ""
	}
	switch i.Op & 0xe0 {
	case opLdAbs:
		if name, ok := auxNames[i.K-auxBase]; ok && i.K >= auxBase {
			return "[" + name + "]"
		}
		return fmt.Sprintf("[%d]", i.K)
	case opLdInd:
		return fmt.Sprintf("[x + %d]", i.K)
	case opLdMem:
		return fmt.Sprintf("M[%d]", i.K)
	case opLdLen:
		return "#pktlen"
	case opLdxMsh & 0xe0:
		return fmt.Sprintf("4*([%d]&0xf)", i.K)
	}
	return fmt.Sprintf("#%#x", i.K)
}
