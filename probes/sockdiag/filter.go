package sockdiag

import (
	"errors"
	"net/netip"
)

// A Cond is a condition on sockets that the kernel tests (INET_DIAG_BC_), so that
// others need not be sent. The zero Cond is always true. Conds are values, and
// may be used in others any number of times.
//
// Conditions on states are Query.States.
type Cond struct {
	kind condKind
	sub  []Cond
	arg  [28]byte // of the instruction: the bytes behind its header
	n    uint8
	code uint8 // INET_DIAG_BC_
}

type condKind uint8

const (
	condTrue condKind = iota
	condTest
	condAnd
	condOr
	condNot
)

// INET_DIAG_BC_
const (
	bcJmp        = 1
	bcSrcGE      = 2
	bcSrcLE      = 3
	bcDstGE      = 4
	bcDstLE      = 5
	bcAuto       = 6
	bcSrcCond    = 7
	bcDstCond    = 8
	bcDevCond    = 9
	bcMarkCond   = 10
	bcCgroupCond = 13
)

// SrcPort is true of sockets whose own port is from lo to hi.
func SrcPort(lo, hi uint16) Cond { return ports(bcSrcGE, bcSrcLE, lo, hi) }

// DstPort is true of sockets whose peer has a port from lo to hi.
func DstPort(lo, hi uint16) Cond { return ports(bcDstGE, bcDstLE, lo, hi) }

// Src is true of sockets whose own address is in p, a prefix of IPv4 also if the
// socket is an IPv6 socket that speaks IPv4.
func Src(p netip.Prefix) Cond { return host(bcSrcCond, p) }

// Dst is true of sockets whose peer has an address in p: see Src.
func Dst(p netip.Prefix) Cond { return host(bcDstCond, p) }

// Dev is true of sockets that are bound to the interface with that index; zero
// is those that are bound to none. Linux 4.8.
func Dev(index uint32) Cond { return test(bcDevCond, ne.AppendUint32(nil, index)) }

// Mark is true of sockets whose mark is mark in the bits of mask. It needs
// CAP_NET_ADMIN.
func Mark(mark, mask uint32) Cond {
	return test(bcMarkCond, ne.AppendUint32(ne.AppendUint32(nil, mark), mask))
}

// Cgroup is true of sockets of the cgroup with that id: see Socket.CgroupID. It
// says nothing of cgroups below it. Linux 5.8.
func Cgroup(id uint64) Cond { return test(bcCgroupCond, ne.AppendUint64(nil, id)) }

// AutoBound is true of sockets whose port the kernel has chosen.
func AutoBound() Cond { return test(bcAuto, nil) }

// And is true where all of c are.
func And(c ...Cond) Cond { return Cond{kind: condAnd, sub: c} }

// Or is true where one of c is: nowhere, without any.
func Or(c ...Cond) Cond { return Cond{kind: condOr, sub: c} }

// Not is true where c is not.
func Not(c Cond) Cond { return Cond{kind: condNot, sub: []Cond{c}} }

func test(code uint8, arg []byte) Cond {
	c := Cond{kind: condTest, code: code, n: uint8(len(arg))}
	copy(c.arg[:], arg)
	return c
}

func ports(ge, le uint8, lo, hi uint16) Cond {
	// the port stands where the no of another instruction would
	from := test(ge, ne.AppendUint16([]byte{0, 0}, lo))
	to := test(le, ne.AppendUint16([]byte{0, 0}, hi))
	switch {
	case lo == 0:
		return to
	case hi == 0xffff:
		return from
	}
	return And(from, to)
}

// host is a struct inet_diag_hostcond: family, prefix length, port (-1: any),
// address.
func host(code uint8, p netip.Prefix) Cond {
	if !p.IsValid() {
		return Or() // no address is in it
	}
	p = p.Masked()
	family := IPv6
	if p.Addr().Is4() {
		family = IPv4
	}
	b := []byte{uint8(family), uint8(p.Bits()), 0, 0}
	b = ne.AppendUint32(b, ^uint32(0))
	return test(code, append(b, p.Addr().AsSlice()...))
}

var errCondSize = errors.New("the condition is too long for the kernel")

// maxBytecode keeps the offset of every jump in 16 bits.
const maxBytecode = 0xffff - 8

// A compiler makes bytecode. Each instruction has the offset of the next one
// (yes) and, from itself, that of where to go on if it is false (no). Jumps go
// forward. To end exactly behind the last is to be true, 4 bytes further to be
// false.
type compiler struct {
	code []byte
	err  error
}

// compile returns the bytecode of c, none if c is always true.
func (c Cond) compile() ([]byte, error) {
	if c.kind == condTrue {
		return nil, nil
	}
	var k compiler
	no := k.gen(&c, false, nil)
	k.patch(no, len(k.code)+4)
	if k.err == nil && len(k.code) == 0 {
		// true without a test, such as And()
		return nil, nil
	}
	return k.code, k.err
}

// gen appends the code of c, or of its contrary, which falls through where it is
// true. It appends to no where the instructions are that are to jump to the code
// for false, and returns it.
func (k *compiler) gen(c *Cond, not bool, no []int) []int {
	if len(k.code) > maxBytecode {
		k.err = errCondSize
		return no
	}
	switch {
	case c.kind == condNot:
		return k.gen(&c.sub[0], !not, no)
	case c.kind == condTrue && !not, c.kind == condAnd && len(c.sub) == 0 && !not, c.kind == condOr && len(c.sub) == 0 && not:
		return no
	case c.kind == condTrue, len(c.sub) == 0 && c.kind != condTest:
		return append(no, k.emit(bcJmp, nil))
	case c.kind == condTest && !not:
		return append(no, k.emit(c.code, c.arg[:c.n]))
	case c.kind == condTest:
		at := k.emit(c.code, c.arg[:c.n])
		no = append(no, k.emit(bcJmp, nil))
		k.patch([]int{at}, len(k.code))
		return no
	case (c.kind == condAnd) != not:
		for i := range c.sub {
			no = k.gen(&c.sub[i], not, no)
		}
		return no
	}
	// One of them is enough: where the first is false, the second begins.
	var yes []int
	last := len(c.sub) - 1
	for i := range c.sub[:last] {
		next := k.gen(&c.sub[i], not, nil)
		yes = append(yes, k.emit(bcJmp, nil))
		k.patch(next, len(k.code))
	}
	no = k.gen(&c.sub[last], not, no)
	k.patch(yes, len(k.code))
	return no
}

func (k *compiler) emit(code uint8, arg []byte) int {
	at := len(k.code)
	k.code = append(k.code, code, uint8(4+len(arg)), 0, 0)
	k.code = append(k.code, arg...)
	return at
}

// patch has the instructions at jump to the offset to.
func (k *compiler) patch(at []int, to int) {
	for _, a := range at {
		if to-a > 0xffff {
			k.err = errCondSize
			return
		}
		ne.PutUint16(k.code[a+2:], uint16(to-a))
	}
}
