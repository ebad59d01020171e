package frame

import "math"

// scan looks for headers from f.pos on, as far as the bytes go. Behind them the
// last headers may be incomplete: those are left for later, unless these are
// the last bytes.
func (f *Finder[H, J]) scan(last bool) {
	b := f.from(f.pos)
	for i := 0; i < len(b); {
		for f.piece < len(f.pieces)-1 && f.pieces[f.piece+1].off <= f.pos {
			f.piece++
		}
		p := &f.pieces[f.piece]
		m := min(i+int(p.off+int64(p.n)-f.pos), len(b))
		next := f.tips.next()
		for ; i < m; i++ {
			flags := f.flags[b[i]]
			start := p.start && f.pos == p.off
			if flags&mayBegin != 0 || f.pos == next {
				if !f.header(b[i:], start, last) {
					return
				}
				next = f.tips.next()
			}
			if start {
				f.starts++
			}
			f.traits.Bytes++
			f.traits.Printable += int64(flags / printable)
			f.pos++
		}
	}
}

// header looks at f.pos, where b begins. It returns false if b ends inside a
// header and is not the last.
func (f *Finder[H, J]) header(b []byte, start, last bool) bool {
	h := &f.hdr
	ok := false
	var size int
	var payload int64
	if f.flags[b[0]]&mayBegin != 0 {
		var err error
		size, payload, err = f.Judge.Header(b, h)
		if err == ErrShort && !last {
			return false
		}
		ok = err == nil && size > 0 && payload >= 0 && payload < never/2
	}
	f.landed = f.landed[:0]
	for f.tips.next() == f.pos {
		f.landed = append(f.landed, f.tips.at(0))
		f.tips.remove(0)
	}
	if !ok {
		return true
	}
	state, w, fresh := f.Judge.Follow(0, h)
	if !fresh && len(f.landed) == 0 {
		return true
	}
	alone := f.begins(start)
	own := 0.0
	var t *tip[H]
	if len(f.landed) > 0 {
		t = f.join(start)
	}
	if t == nil || t.bits < alone {
		if !fresh || f.shadowed(size) {
			return true
		}
		own = f.weigh(&w, 0)
		t = &f.one
		*t = tip[H]{head: f.pos, sure: f.pos, packet: never, bits: alone, pattern: alone}
	} else {
		state, w, _ = f.Judge.Follow(t.state, h)
		own = f.weigh(&w, t.n)
		d := &f.demand
		head := d.Head
		if f.first(t) {
			head = d.HeadFirst
		}
		if t.bits-alone < head || t.pattern-alone < d.HeadPattern || w.Telling && t.telling == 0 && !f.placed(t, false) {
			t.sure = f.pos
		} else if w.Alike {
			t.sure = max(t.sure, t.last)
		}
	}
	f.classes[w.Class&63]++
	t.last, t.size, t.next = f.pos, int32(size), f.pos+int64(size)+payload
	t.state, t.hdr = state, *h
	t.own, t.reach, t.final = own, w.Reach, w.Last
	if w.Real == 0 {
		t.reach = 0
	}
	t.bits += own
	t.n++
	t.starts = f.starts
	if t.packet < t.sure {
		t.packet = never
	}
	if start {
		t.starts++
		t.packet = min(t.packet, f.pos)
		if alone > bitsRarely+3 {
			t.aligned++
		}
	}
	if w.Hidden {
		t.hidden++
	}
	if w.Hidden || w.Telling {
		t.telling++
	}
	f.tips.add(t)
	return true
}

// join completes the chains that lead to f.pos and returns the one to go on
// with, or nil if the header there suits none.
func (f *Finder[H, J]) join(start bool) *tip[H] {
	d := &f.demand
	var t *tip[H]
	for _, l := range f.landed {
		if _, _, ok := f.Judge.Follow(l.state, &f.hdr); !ok {
			l.bits = math.Inf(-1)
			continue
		}
		f.complete(l, start)
		if t == nil || l.bits > t.bits {
			t = l
		}
	}
	if t == nil {
		return nil
	}
	for _, l := range f.landed {
		// What is inside the payload of a frame that is believed is content,
		// however good it looks.
		if t.inside(l) && f.convinces(l) {
			t = l
		}
	}
	for _, l := range f.landed {
		switch {
		case l == t || math.IsInf(l.bits, -1):
		case l.inside(t):
			// The frames before may be content, too, of one whose header was
			// lost. Where a frame and its content end together is a boundary.
			if (l.fills(t) || l.bits > d.Head) && !f.placed(t, false) {
				t.sure = f.pos
			}
		case t.inside(l), t.bits-l.bits < d.Lead:
			t.sure = f.pos
		}
	}
	return t
}

// shadowed reports whether f.pos lies in a header that ends where the one at
// f.pos would. Then the payload speaks for both, and the first is meant.
func (f *Finder[H, J]) shadowed(size int) bool {
	for i := range f.tips.heap {
		if t := f.tips.at(i); t.last+int64(t.size) == f.pos+int64(size) {
			return true
		}
	}
	return false
}

// decide returns the boundary if the Finder is convinced of it.
func (f *Finder[H, J]) decide(end bool) (int64, bool) {
	d := &f.demand
	f.ends = f.ends[:0]
	var best *tip[H]
	for i := range f.tips.heap {
		f.ends = append(f.ends, *f.tips.at(i))
		t := &f.ends[i]
		if t.next == f.end && (t.n > 1 || end && t.aligned > 0) {
			// The frame ends with the bytes, as it does when senders begin
			// packets with frames.
			f.complete(t, true)
		}
	}
	for i := range f.ends {
		if t := &f.ends[i]; f.convinces(t) && (best == nil || t.bits > best.bits) {
			best = t
		}
	}
	if best == nil {
		return 0, false
	}
	for i := range f.ends {
		if t := &f.ends[i]; best.inside(t) && f.convinces(t) {
			best = t
		}
	}
	off := best.sure
	span := d.Span
	if best.telling == 0 {
		span = d.PlainSpan
	}
	if best.hidden < best.n && f.end-best.head < span {
		// What is in front of the first packet may be the end of another frame
		// and its content.
		if off = best.packet; off == never || !f.placed(best, end) {
			return 0, false
		}
	}
	if off < f.base {
		off = best.last
	}
	for i := range f.ends {
		t := &f.ends[i]
		switch {
		case t == best:
		case t.inside(best):
			if (t.fills(best) || t.bits > d.Head) && !f.placed(best, false) {
				off = best.last
			}
		case best.inside(t) && (best.fills(t) || t.n > 1 && t.bits > d.Head), best.bits-t.bits < d.Lead:
			// It may be content of t: where t ends will tell.
			return 0, false
		}
	}
	return off, off >= f.base
}

// first reports whether t begins right behind the loss, and all of its headers
// begin packets.
func (f *Finder[H, J]) first(t *tip[H]) bool { return t.head == f.run && t.aligned == t.n }

// convinces reports whether t can be neither chance nor a repeating pattern.
func (f *Finder[H, J]) convinces(t *tip[H]) bool {
	d := &f.demand
	bits := d.Bits
	if f.first(t) {
		bits = d.First
	}
	if d.Telling > 0 && (t.telling < d.Telling || 2*t.telling < t.n) {
		return false
	}
	return t.bits >= bits && t.pattern >= d.Pattern && t.aligned >= d.Aligned
}

// placed reports whether the frames of t can hardly be the content of another:
// they begin packets more often than parts of a payload would by chance, or
// would not be seen there. end says that no more frames will tell.
func (f *Finder[H, J]) placed(t *tip[H], end bool) bool {
	if t.hidden == t.n {
		return true
	}
	if 4*f.starts > f.traits.Bytes {
		return false // every other place begins a packet
	}
	return t.aligned >= 3 && 2*t.aligned >= t.n || end && f.first(t) && (t.n > 1 || t.final)
}

// hopeless reports whether a stream shows no sign of frames.
func (f *Finder[H, J]) hopeless() bool {
	d := &f.demand
	if d.GiveUp == 0 || f.traits.Bytes < d.GiveUp {
		return false
	}
	for i := range f.tips.heap {
		if f.tips.at(i).bits > d.Bits/2 && f.traits.Bytes < 4*d.GiveUp {
			return false
		}
	}
	return true
}
