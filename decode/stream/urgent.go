package stream

import "slices"

// An urgent knows the bytes of a stream that were sent out of band.
type urgent struct {
	offs []int64 // ascending, not handed out yet
	rest Piece   // what follows an urgent byte in a piece of the Assembler
}

// maxUrgent bounds how many urgent bytes a stream keeps in mind; further ones
// are left in the stream.
const maxUrgent = 256

// urge notes that the byte at off is urgent, unless it was handed out already.
func (t *TCP) urge(off int64) {
	if off < t.next || off > t.known()+reach {
		return
	}
	if t.urgent == nil {
		t.urgent = new(urgent)
	}
	u := t.urgent
	if i, found := slices.BinarySearch(u.offs, off); !found && len(u.offs) < maxUrgent {
		u.offs = slices.Insert(u.offs, i, off)
	}
}

// nextUrgent is Next for a stream with urgent bytes: it cuts pieces there.
func (t *TCP) nextUrgent(p *Piece) bool {
	u := t.urgent
	if u.rest.Len > 0 {
		*p = u.rest
		u.rest.Len = 0
	} else {
		if len(u.offs) == 0 {
			t.urgent = nil
		}
		if !t.Assembler.Next(p) {
			return false
		}
	}
	if p.Kind == Conflict {
		return true
	}
	for len(u.offs) > 0 && u.offs[0] < p.Off { // it was in a gap
		u.offs = u.offs[1:]
	}
	if p.Kind != Data || len(u.offs) == 0 || u.offs[0] >= p.Off+p.Len {
		return true
	}
	n, kind := u.offs[0]-p.Off, Data
	if n == 0 {
		n, kind = 1, Urgent
		u.offs = u.offs[1:]
		t.held().stats.Urgent++
	}
	u.rest = *p
	u.rest.Off += n
	u.rest.Len -= n
	u.rest.Data = p.Data[n:]
	u.rest.Start = false
	p.Kind = kind
	p.Len = n
	p.Data = p.Data[:n:n]
	return true
}
