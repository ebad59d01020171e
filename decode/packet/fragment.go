package packet

import "time"

const (
	// maxDatagram is the largest payload of a fragmented packet.
	maxDatagram = 1<<16 - 1
	blockLen    = 8 // fragments start at multiples of it
	maxSpare    = 8 // closed datagrams whose memory is kept
)

// A fragmentKey is what the fragments of one datagram share (RFC 791 section
// 3.2, RFC 8200 section 4.5).
type fragmentKey struct {
	src, dst Addr
	id       uint32
	proto    uint8 // zero for IPv6
	version  uint8
}

// A datagram is an IP packet of which some fragments came.
type datagram struct {
	key        fragmentKey
	prev, next *datagram // by age
	start      int64     // time of the first fragment
	packets    int
	proto      uint8 // what the first fragment announces
	total      int   // length, -1 while the last fragment is missing
	whole      int   // up to here nothing was cut off by the capture
	buf        []byte
	have       [(maxDatagram + 1) / blockLen / 64]uint64 // blocks that came
}

// fragments holds the datagrams that are not whole yet, in a list from the
// oldest to the newest. Its zero value is empty.
type fragments struct {
	table          map[fragmentKey]*datagram
	oldest, newest *datagram
	bytes          int // capacity of all buffers in the table
	spare          []*datagram
	lost           int64 // packets of datagrams that were given up
}

// Unfinished returns how many packets gave Fragment for a datagram that was
// never whole: it waited too long, or others needed its memory, or it waits
// still. At the end of a capture that many of the packets counted as Fragment
// are UnfinishedFragment.
func (ps *Parser) Unfinished() int64 {
	n := ps.frags.lost
	for d := ps.frags.oldest; d != nil; d = d.next {
		n += int64(d.packets)
	}
	return n
}

// fragment takes in a fragment that starts at off and continues with the
// datagram when it is whole. proto is what the first fragment's header
// announces; b is what was captured of its wire bytes.
func (ps *Parser) fragment(k fragmentKey, off int, more bool, proto uint8, b []byte, wire int, p *Packet) Cause {
	end := off + wire
	if wire == 0 || end > maxDatagram || more && wire%blockLen != 0 {
		return BadFragment
	}
	p.Segment, p.Wire = b[:len(b):len(b)], wire
	f := &ps.frags
	f.expire(ps.now - int64(orDefault(ps.FragmentTimeout, 30*time.Second)))
	d := f.table[k]
	if d == nil {
		for len(f.table) >= orDefault(ps.MaxDatagrams, 1024) {
			f.giveUp(f.oldest)
		}
		d = f.open(k, ps.now)
	}
	if d.packets++; !f.reserve(d, off+len(b), orDefault(ps.MaxFragmentBytes, 4<<20)) {
		f.giveUp(d)
		return Fragment
	}
	if off == 0 {
		d.proto = proto
	}
	d.add(off, b, wire)
	if !more && d.total < 0 {
		d.total = end
	}
	if !d.complete() {
		return Fragment
	}
	// The packet owns its bytes: they stay when the next datagram comes.
	whole := append([]byte(nil), d.buf[:min(d.total, d.whole)]...)
	wire, proto = d.total, d.proto
	p.Fragments = uint16(min(d.packets, 1<<16-1))
	p.Segment, p.Wire = nil, 0
	f.close(d)
	return ps.upper(proto, whole, wire, p)
}

func orDefault[T int | time.Duration](v, def T) T {
	if v > 0 {
		return v
	}
	return def
}

// add puts the bytes of a fragment into their place. What came first stays
// where fragments overlap.
func (d *datagram) add(off int, b []byte, wire int) {
	for pos := 0; pos < wire; pos += blockLen {
		i := (off + pos) / blockLen
		if d.have[i/64]>>(i%64)&1 != 0 {
			continue
		}
		d.have[i/64] |= 1 << (i % 64)
		n := min(blockLen, wire-pos)
		if got := copy(d.buf[min(off+pos, len(d.buf)):], b[min(pos, len(b)):min(pos+n, len(b))]); got < n {
			d.whole = min(d.whole, off+pos+got)
		}
	}
}

// complete reports whether all blocks up to the end came.
func (d *datagram) complete() bool {
	if d.total < 0 {
		return false
	}
	blocks := (d.total + blockLen - 1) / blockLen
	for i := range blocks / 64 {
		if d.have[i] != 1<<64-1 {
			return false
		}
	}
	rest := uint64(1)<<(blocks%64) - 1
	return d.have[blocks/64]&rest == rest
}

// open starts a datagram.
func (f *fragments) open(k fragmentKey, now int64) *datagram {
	var d *datagram
	if n := len(f.spare); n > 0 {
		d, f.spare = f.spare[n-1], f.spare[:n-1]
		f.bytes += cap(d.buf)
	} else {
		d = new(datagram)
	}
	*d = datagram{key: k, buf: d.buf[:0], start: now, total: -1, whole: maxDatagram, prev: f.newest}
	if f.newest != nil {
		f.newest.next = d
	} else {
		f.oldest = d
	}
	f.newest = d
	if f.table == nil {
		f.table = make(map[fragmentKey]*datagram)
	}
	f.table[k] = d
	return d
}

// close forgets a datagram; its memory may serve another.
func (f *fragments) close(d *datagram) {
	delete(f.table, d.key)
	f.bytes -= cap(d.buf)
	if d.prev != nil {
		d.prev.next = d.next
	} else {
		f.oldest = d.next
	}
	if d.next != nil {
		d.next.prev = d.prev
	} else {
		f.newest = d.prev
	}
	d.prev, d.next = nil, nil
	if len(f.spare) < maxSpare {
		f.spare = append(f.spare, d)
	}
}

func (f *fragments) giveUp(d *datagram) {
	f.lost += int64(d.packets)
	f.close(d)
}

func (f *fragments) expire(before int64) {
	for f.oldest != nil && f.oldest.start < before {
		f.giveUp(f.oldest)
	}
}

// reserve makes room for n bytes in d. It gives up older datagrams to stay
// below limit, and reports false if d alone would pass it.
func (f *fragments) reserve(d *datagram, n, limit int) bool {
	size := cap(d.buf)
	if n > size {
		size = min(max(n, 2*size, 2048), maxDatagram)
	}
	for f.bytes-cap(d.buf)+size > limit {
		old := f.oldest
		if old == d {
			old = d.next
		}
		if old == nil {
			return false
		}
		f.giveUp(old)
	}
	if n > cap(d.buf) {
		var buf []byte
		if i := len(f.spare) - 1; i >= 0 && cap(f.spare[i].buf) >= n && cap(f.spare[i].buf) <= size {
			buf, f.spare[i].buf = f.spare[i].buf, nil
		} else {
			buf = make([]byte, size)
		}
		buf = buf[:len(d.buf)]
		copy(buf, d.buf)
		f.bytes += cap(buf) - cap(d.buf)
		d.buf = buf
	}
	d.buf = d.buf[:max(n, len(d.buf))]
	return true
}
