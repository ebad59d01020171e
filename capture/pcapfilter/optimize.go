package pcapfilter

import (
	"math/bits"
	"slices"
)

// optimize removes tests whose outcome is known from the tests before them, and
// those that nothing depends on. It goes exactly as far as libpcap does:
// leaving out what would be read behind the end of a packet can be seen from
// outside.
func (g *graph) optimize(root *block) *block {
	for range 16 {
		g.changed = false
		if root = g.thread(root); !g.strict {
			root = g.group(root)
		}
		if !g.changed {
			break
		}
	}
	return root
}

// order returns the blocks that can be reached from root, every block before
// those it goes to.
func (g *graph) order(root *block) []*block {
	var list []*block
	seen := make(map[*block]bool)
	var walk func(b *block)
	walk = func(b *block) {
		if b == nil || seen[b] {
			return
		}
		seen[b] = true
		walk(b.yes)
		walk(b.no)
		list = append(list, b)
	}
	walk(root)
	slices.Reverse(list)
	for i, b := range list {
		b.place = i
	}
	return list
}

// facts are outcomes of tests that are known at some point: two bit sets over
// the tests of a graph, one behind the other. The first holds what is true.
type facts []uint64

func (f facts) set(t *test, holds bool) {
	i := t.id
	if !holds {
		i += len(f) / 2 * 64
	}
	f[i/64] |= 1 << (i % 64)
}

// known returns the outcome of t if it follows from f.
func (f facts) known(g *graph, t *test) (holds, ok bool) {
	half := len(f) / 2
	word, bit := t.id/64, uint64(1)<<(t.id%64)
	if f[word]&bit != 0 {
		return true, true
	}
	if f[half+word]&bit != 0 {
		return false, true
	}
	if t.w != nil {
		return false, false
	}
	if t.op != testEq {
		return false, false
	}
	for i, w := range f[:half] {
		for ; w != 0; w &= w - 1 {
			o := g.list[i*64+bits.TrailingZeros64(w)]
			if o.v == t.v && o.w == nil && o.op == testEq {
				return false, true // it equals something else
			}
		}
	}
	return false, false
}

// thread leads every way past the tests whose outcome is known on it.
func (g *graph) thread(root *block) *block {
	list := g.order(root)
	words := (len(g.list) + 63) / 64
	known := make([]facts, len(list))
	yes, no := make([]*block, len(list)), make([]*block, len(list))
	known[0] = make(facts, 2*words)
	edge := make(facts, 2*words)
	var spare []facts // of blocks that are done
	lead := func(b *block) *block {
		for b.kind == blockTest {
			holds, ok := edge.known(g, b.test)
			if !ok {
				break
			}
			g.changed = true
			if holds {
				b = b.yes
			} else {
				b = b.no
			}
		}
		if f := known[b.place]; f == nil {
			if last := len(spare) - 1; last >= 0 {
				f, spare = spare[last], spare[:last]
			}
			known[b.place] = append(f[:0], edge...)
		} else {
			for i := range f {
				f[i] &= edge[i]
			}
		}
		return b
	}
	for i, b := range list {
		if known[i] == nil || b.kind <= blockReject {
			continue // nothing leads here any more
		}
		copy(edge, known[i])
		if b.kind == blockTest {
			edge.set(b.test, false)
			no[i] = lead(b.no)
			copy(edge, known[i])
			edge.set(b.test, true)
		}
		yes[i] = lead(b.yes)
		spare = append(spare, known[i])
	}
	return g.rebuild(list, yes, no)
}

// rebuild returns list[0] of a program whose blocks go on to yes and no, which
// are nil for blocks that nothing leads to.
func (g *graph) rebuild(list []*block, yes, no []*block) *block {
	g.blocks = make(map[blockKey]*block)
	fresh := make([]*block, len(list))
	read := uint16(0) // scratch words that are read further on
	for i := len(list) - 1; i >= 0; i-- {
		switch b := list[i]; {
		case b.kind <= blockReject:
			fresh[i] = b
		case yes[i] == nil:
		case b.kind == blockSet && read&(1<<b.reg) == 0 && !g.strict:
			fresh[i], g.changed = fresh[yes[i].place], true
		case b.kind == blockSet:
			read |= b.val.regs
			fresh[i] = g.assign(b.reg, b.val, fresh[yes[i].place])
		default:
			if read |= b.test.v.regs; b.test.w != nil {
				read |= b.test.w.regs
			}
			fresh[i] = g.again(b, i == 0, fresh[yes[i].place], fresh[no[i].place])
		}
	}
	return fresh[0]
}

// again is the test of b with other ways on. What the first test of a program
// reads is read in any case, unless nothing follows.
func (g *graph) again(b *block, first bool, yes, no *block) *block {
	t := b.test
	if first && yes == no && yes.kind > blockReject {
		return g.keep(t.op, t.v, t.w, t.k, yes, no)
	}
	return g.branch(t.op, t.v, t.w, t.k, yes, no)
}

// group puts tests of one value behind one another, as in "port 80 or 443":
// where a row of tests ends in the same place as soon as one of them has a
// certain outcome, their order does not matter, except for packets that end
// inside of what they read.
func (g *graph) group(root *block) *block {
	list := g.order(root)
	n := len(list)
	r := rows{list: list, yes: make([]int, n), no: make([]int, n), preds: make([][]int, n)}
	for i, b := range list {
		if b.yes != nil {
			r.yes[i] = b.yes.place
			r.preds[b.yes.place] = append(r.preds[b.yes.place], i)
		}
		if b.no != nil {
			r.no[i] = b.no.place
			r.preds[b.no.place] = append(r.preds[b.no.place], i)
		}
	}
	moved := false
	for i := 1; i < n; i++ {
		for range n {
			if !r.pull(i, r.yes, r.no) && !r.pull(i, r.no, r.yes) {
				break
			}
			moved = true
		}
	}
	if !moved {
		return root
	}
	g.changed = true
	g.blocks = make(map[blockKey]*block)
	fresh := make([]*block, n)
	var build func(i int) *block
	build = func(i int) *block {
		if fresh[i] != nil {
			return fresh[i]
		}
		switch b := list[i]; b.kind {
		case blockTest:
			fresh[i] = g.again(b, i == 0, build(r.yes[i]), build(r.no[i]))
		case blockSet:
			fresh[i] = g.assign(b.reg, b.val, build(r.yes[i]))
		default:
			fresh[i] = b
		}
		return fresh[i]
	}
	return build(0)
}

// rows are the blocks of a program by number, and what comes before each.
type rows struct {
	list    []*block
	yes, no []int
	preds   [][]int
}

// pull looks at the row of tests that begins with b: each ends in the same
// place, and nothing but the one before leads to it. If what leads to the row
// tests the same value as a test further down does, the latter moves up, behind
// the tests of that value at the top.
func (r *rows) pull(b int, ends, goes []int) bool {
	if r.list[b].kind != blockTest || len(r.preds[b]) == 0 {
		return false
	}
	var v *value
	for _, p := range r.preds[b] {
		t := r.list[p].test
		if t == nil || v != nil && t.v != v {
			return false
		}
		v = t.v
	}
	same := func(i int) bool { return r.list[i].test.v == v && r.list[i].test.w == nil }
	inRow := func(i int) bool {
		return r.list[i].kind == blockTest && ends[i] == ends[b] && len(r.preds[i]) == 1
	}
	first := b
	for same(first) {
		first = goes[first]
		if !inRow(first) {
			return false
		}
	}
	last, it := first, goes[first]
	for ; ; last, it = it, goes[it] {
		if !inRow(it) {
			return false
		}
		if same(it) {
			break
		}
	}
	goes[last] = goes[it]
	for i, p := range r.preds[goes[it]] {
		if p == it {
			r.preds[goes[it]][i] = last
			break
		}
	}
	goes[it] = first
	r.preds[it] = r.preds[first]
	for _, p := range r.preds[it] {
		if r.yes[p] == first && p != it {
			r.yes[p] = it
		}
		if r.no[p] == first && p != it {
			r.no[p] = it
		}
	}
	r.preds[first] = []int{it}
	return true
}
