package taskfile

import "unsafe"

// An instruction is one of BPF, as the kernel takes it on systems that write the
// lowest byte first (RFC 9669 section 3).
type instruction struct {
	code byte
	regs byte // destination in the lower half, source in the upper
	off  int16
	imm  int32
}

// Opcodes (RFC 9669 sections 4 and 5).
const (
	opLoad32  = 0x61
	opStore32 = 0x63
	opLoad64  = 0x79
	opStore64 = 0x7b
	opJumpEq  = 0x15 // with an immediate
	opMove    = 0xbf
	opMoveImm = 0xb7
	opAddImm  = 0x07
	opCall    = 0x85
	opExit    = 0x95
)

// Functions of the kernel that programs may call (include/uapi/linux/bpf.h).
const (
	callSeqWrite     = 127
	callSockFromFile = 162
)

// program is called by the kernel with each file of each task, and once at the
// end without any. It writes a Socket for each file that is a socket.
func program(l layout) []instruction {
	const r0, r1, r2, r3, r6, r7, r8, r10 = 0, 1, 2, 3, 6, 7, 8, 10
	// struct bpf_iter__task_file
	const meta, task, fd, file = 0, 8, 16, 24
	const record = int16(unsafe.Sizeof(Socket{}))
	field := func(off uintptr) int16 { return int16(off) - record }
	var s Socket
	op := func(code byte, dst, src byte, off int16, imm int32) instruction {
		return instruction{code, dst | src<<4, off, imm}
	}
	p := []instruction{
		op(opMove, r6, r1, 0, 0),
		op(opLoad64, r7, r6, task, 0),
		op(opJumpEq, r7, 0, 0, 0), // to the end; see below
		op(opLoad64, r8, r6, file, 0),
		op(opJumpEq, r8, 0, 0, 0),
		op(opMove, r1, r8, 0, 0),
		op(opCall, 0, 0, 0, callSockFromFile),
		op(opJumpEq, r0, 0, 0, 0),

		op(opLoad32, r1, r7, l.tgid, 0),
		op(opStore32, r10, r1, field(unsafe.Offsetof(s.PID)), 0),
		op(opLoad32, r1, r6, fd, 0),
		op(opStore32, r10, r1, field(unsafe.Offsetof(s.FD)), 0),
		op(opLoad64, r1, r8, l.inode, 0),
		op(opLoad64, r1, r1, l.ino, 0),
		op(opStore32, r10, r1, field(unsafe.Offsetof(s.Inode)), 0),
		op(opLoad32, r1, r7, l.pid, 0),
		op(opStore32, r10, r1, field(unsafe.Offsetof(s.TID)), 0),
		op(opLoad64, r1, r7, l.comm, 0),
		op(opStore64, r10, r1, field(unsafe.Offsetof(s.comm)), 0),
		op(opLoad64, r1, r7, l.comm+8, 0),
		op(opStore64, r10, r1, field(unsafe.Offsetof(s.comm))+8, 0),

		op(opLoad64, r1, r6, meta, 0),
		op(opLoad64, r1, r1, 0, 0), // bpf_iter_meta.seq
		op(opMove, r2, r10, 0, 0),
		op(opAddImm, r2, 0, 0, int32(-record)),
		op(opMoveImm, r3, 0, 0, int32(record)),
		op(opCall, 0, 0, 0, callSeqWrite),

		op(opMoveImm, r0, 0, 0, 0),
		op(opExit, 0, 0, 0, 0),
	}
	for i := range p {
		if p[i].code == opJumpEq {
			p[i].off = int16(len(p) - 2 - i - 1)
		}
	}
	return p
}
