package flow

import "framescope/decode/record"

// A tape keeps the bytes of a direction as they were on the wire, from the frame
// at work on. Of a frame that is longer than there is room it keeps the beginning
// and what came last.
type tape struct {
	buf  []byte
	runs []taped
	full bool // the last run may give way
}

// A taped run of bytes came in one packet.
type taped struct {
	off, packet int64
	from, to    int // in tape.buf
}

func (t *tape) memory() int64 { return int64(cap(t.buf) + 32*cap(t.runs)) }

func (t *tape) add(b []byte, off, packet int64, room int) {
	if len(b) == 0 {
		return
	}
	if len(t.runs) == 0 {
		t.buf, t.full = t.buf[:0], false
		if cap(t.buf) > 2*room {
			t.buf = nil
		}
	}
	if t.full {
		last := t.runs[len(t.runs)-1]
		t.buf, t.runs = t.buf[:last.from], t.runs[:len(t.runs)-1]
	}
	held := len(b)
	if len(t.runs) > 0 {
		held += len(t.buf) - t.runs[0].from
	}
	t.full = held > room || len(t.runs) >= maxMarks
	t.runs = append(t.runs, taped{off, packet, len(t.buf), len(t.buf) + len(b)})
	t.buf = append(t.buf, b...)
}

// pieces appends what there is of the bytes from offset from up to offset to.
// They alias the tape.
func (t *tape) pieces(dst []record.Piece, from, to int64) []record.Piece {
	for _, r := range t.runs {
		b, off := t.buf[r.from:r.to], r.off
		if skip := from - off; skip > 0 {
			skip = min(skip, int64(len(b)))
			b, off = b[skip:], off+skip
		}
		if rest := to - off; int64(len(b)) > rest {
			b = b[:max(rest, 0)]
		}
		if len(b) > 0 {
			dst = append(dst, record.Piece{Off: off, Packet: r.packet, Data: b})
		}
	}
	return dst
}

// drop forgets the bytes before offset to.
func (t *tape) drop(to int64) {
	n := 0
	for n < len(t.runs) && t.runs[n].off+int64(t.runs[n].to-t.runs[n].from) <= to {
		n++
	}
	t.runs = t.runs[:copy(t.runs, t.runs[n:])]
	t.full = false // what came last is the beginning of the next frame
	if len(t.runs) == 0 {
		t.buf = t.buf[:0]
		return
	}
	r := &t.runs[0]
	if skip := int(to - r.off); skip > 0 {
		r.off += int64(skip)
		r.from += skip
	}
	if r.from > len(t.buf)/2 {
		gone := r.from
		t.buf = t.buf[:copy(t.buf, t.buf[gone:])]
		for i := range t.runs {
			t.runs[i].from -= gone
			t.runs[i].to -= gone
		}
	}
}
