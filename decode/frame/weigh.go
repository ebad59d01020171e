package frame

import "math"

const (
	// rarely is the probability that an arbitrary byte is a boundary, often
	// that the first byte of a packet is.
	rarely = 1.0 / 200
	often  = 0.3
	// tiles is the probability that a frame ends with a packet.
	tiles = 0.4
	// prior is how many bytes what is known of bytes in general counts for.
	prior = 512
	// ownMost is what a header can tell against a pattern.
	ownMost = 8
	// sample is how many bytes of two payloads are compared.
	sample = 16
)

var bitsRarely = math.Log2(rarely)

// log2 returns the logarithm of x > 0 to the base 2, within 0.01.
func log2(x float64) float64 {
	b := math.Float64bits(x)
	m := math.Float64frombits(b&(1<<52-1) | 1023<<52)
	return float64(int(b>>52)-1024) + m*(2-m*0.33582878) - 0.65871022
}

// weigh returns the bits of a header in a chain that has n others.
func (f *Finder[H, J]) weigh(w *Weight, n int32) float64 {
	if w.Real == 0 {
		return 0
	}
	// How often the class is seen among these bytes tells how likely it is to
	// be seen by chance; the headers of the chain itself are no chance.
	seen := max(float64(f.classes[w.Class&63])-float64(n), 0)
	chance := (seen + prior*w.Chance) / (float64(f.traits.Bytes) + prior)
	return log2(w.Real / max(chance, w.Chance/4))
}

// begins returns the bits of a place that no header points to.
func (f *Finder[H, J]) begins(start bool) float64 {
	if !start {
		return bitsRarely
	}
	// Where packets are as short as headers, their beginning says nothing.
	x := min(0.1*float64(f.traits.Bytes+16)/float64(f.starts+1), 1)
	return log2(often * max(x*x, rarely))
}

// complete adds to t what its last frame tells as a whole. It ends at t.next,
// where a packet begins or not.
func (f *Finder[H, J]) complete(t *tip[H], start bool) {
	var packet, bits, pattern float64
	total := t.next - t.last
	if start && t.reach > 0 {
		// The end is one of the first k packets, of all lengths that could be
		// told; and it is one of those that begin that often.
		k := float64(f.starts + 1 - t.starts)
		packet = max(log2(tiles/max(k/t.reach, (k-1)/float64(total))), 0)
	}
	known := false
	b := f.from(t.last)
	if known = b != nil && int64(len(b)) >= total; known {
		b = b[t.size:total]
		bits, pattern = f.Judge.Payload(t.state, &t.hdr, b, &f.traits)
		if t.reach == 0 {
			bits, pattern = min(bits, 0), min(pattern, 0)
		}
	}
	t.bits += packet + bits
	switch {
	case total != t.lens[0] && total != t.lens[1]:
		t.pattern += packet + pattern + min(t.own, ownMost)
	case known && !f.alike(t, b):
		// Records of one length are everywhere: that the next one is again as
		// long tells nothing.
		t.pattern += packet + pattern
	case packet > 0:
		t.pattern += min(packet, f.demand.Packet) + min(pattern, 0)
	case pattern <= 0:
		t.pattern += pattern - 3
	}
	t.lens[1], t.lens[0] = t.lens[0], total
	t.before = t.last + int64(t.size)
}

// alike reports whether payload b of t is like that of the frame before, as far
// as that is there.
func (f *Finder[H, J]) alike(t *tip[H], b []byte) bool {
	a := f.from(t.before)
	if a == nil || t.n < 2 {
		return true
	}
	a = a[:t.last-t.before]
	n := min(len(a), len(b))
	if n < 4 {
		return true
	}
	m := min(n, sample)
	same := 0
	for i := range m {
		if k := i * n / m; a[k] == b[k] {
			same++
		}
	}
	return same*8 >= m
}
