package pcapfile

import (
	"encoding/binary"
	"math/bits"
)

// Block types of pcapng (draft-ietf-opsawg-pcapng section 4).
const (
	blockSection    = 0x0a0d0d0a
	blockInterface  = 1
	blockPacket     = 2 // obsolete
	blockSimple     = 3
	blockNames      = 4
	blockStatistics = 5
	blockEnhanced   = 6
	blockSecrets    = 10
)

const (
	byteOrderMagic = 0x1a2b3c4d

	blockHeader  = 8  // type and total length
	blockFrame   = 12 // and the total length again, behind the body
	packetFields = 20 // of an enhanced or obsolete packet block, before the data
)

type ngState struct {
	big      bool
	maxBlock int // bytes of a block that is read at once
	ifaces   []ngInterface

	// A block that is not wanted is stepped over, however large it is.
	left  int64 // bytes of it that are still to come
	total uint32
	off   int64 // where it begins
}

// An ngInterface is what packets need to know about their interface.
type ngInterface struct {
	clock clock
	snap  uint32
	link  uint16
	index uint16 // in the file
}

// walkNG is walk for pcapng files.
func (r *Reader) walkNG(b *Batch, limit int) (want int, err error) {
	w, ng := &r.w, &r.ng
	data, pos, touched := w.data, w.pos, w.touched
	store, n := b.store, b.n
	base := r.number - int64(n)
	big, most := ng.big, uint32(ng.maxBlock)
	for pos < limit && want == 0 {
		if pos+ahead > touched {
			touched = w.touch(pos)
		}
		if len(data)-pos < blockHeader && ng.left == 0 {
			want = blockHeader
			break
		}
		var typ, total uint32
		if ng.left == 0 {
			h := data[pos : pos+blockHeader : pos+blockHeader]
			typ, total = binary.LittleEndian.Uint32(h), binary.LittleEndian.Uint32(h[4:])
			if big {
				typ, total = bits.ReverseBytes32(typ), bits.ReverseBytes32(total)
			}
		}
		if typ != blockEnhanced || total%4 != 0 || total < blockFrame+packetFields || total > most {
			w.pos, b.n, r.number = pos, n, base+int64(n)
			if want, err = r.block(b); err != nil {
				return 0, err
			}
			pos, n, store, big = w.pos, b.n, b.store, ng.big
			continue
		}
		next := pos + int(total)
		if next > len(data) || next < pos {
			want = int(total)
			break
		}
		// the length is checked against its copy, everything else against it
		f := data[pos+blockHeader : next : next]
		id, high, low := binary.LittleEndian.Uint32(f), binary.LittleEndian.Uint32(f[4:]), binary.LittleEndian.Uint32(f[8:])
		length, wire := binary.LittleEndian.Uint32(f[12:]), binary.LittleEndian.Uint32(f[16:])
		trailer := binary.LittleEndian.Uint32(f[len(f)-4:])
		if big {
			id, high, low = bits.ReverseBytes32(id), bits.ReverseBytes32(high), bits.ReverseBytes32(low)
			length, wire, trailer = bits.ReverseBytes32(length), bits.ReverseBytes32(wire), bits.ReverseBytes32(trailer)
		}
		room := total - blockFrame - packetFields
		if trailer != total || int64(id) >= int64(len(ng.ifaces)) || length > room || length > uint32(r.cfg.MaxPacket) {
			w.pos, b.n, r.number = pos, n, base+int64(n)
			return 0, r.badPacket(total, trailer, id, length, room)
		}
		i := &ng.ifaces[id]
		t := uint64(high)<<32 | uint64(low)
		var at int64
		if t <= i.clock.most {
			at = int64(t*i.clock.unit) + i.clock.offset
		} else {
			at = r.time(&i.clock, t)
		}
		begin := pos + blockHeader + packetFields
		end := begin + int(length)
		if n == len(store) {
			b.n = n
			store = b.grow()
		}
		store[n] = Packet{
			Data:      data[begin:end:end],
			Time:      at,
			Number:    base + int64(n) + 1,
			Off:       w.base + int64(pos),
			Wire:      wire,
			Link:      i.link,
			Interface: i.index,
		}
		n++
		if room-length >= 4 {
			// what has been kept must not be kept again after a fault
			w.pos, b.n, r.number = next, n, base+int64(n)
			r.comments(data[begin+int(length+3)&^3:next-4], base+int64(n))
		}
		pos = next
	}
	w.pos, b.n, r.number = pos, n, base+int64(n)
	switch {
	case want == 0 && pos < len(data):
		return 0, nil
	case !w.final:
		return max(want, 1), nil
	case ng.left > 0:
		if w.err != nil {
			return 0, r.end("", 0)
		}
		size := (int64(ng.total) + 3) &^ 3
		return 0, r.badSkip(causef(ErrTruncated, "file ends inside the block, %d of %d bytes are there", size-ng.left+int64(len(data)-pos), size))
	case want <= blockFrame:
		return 0, r.end("block header", max(want, blockHeader))
	}
	return 0, r.end("block", want)
}

// badPacket names what is wrong with the packet block at r.w.pos.
func (r *Reader) badPacket(total, trailer, id, length, room uint32) error {
	switch {
	case trailer != total && trailer != (total+3)&^3:
		return r.bad("block total length", causef(ErrCorrupt, "%d in front of the block, but %d behind it", total, trailer))
	case int64(id) >= int64(len(r.ng.ifaces)) && len(r.ng.ifaces) == 0:
		return r.bad("interface", causef(ErrCorrupt, "packet before any interface description of the section"))
	case int64(id) >= int64(len(r.ng.ifaces)):
		return r.bad("interface", causef(ErrCorrupt, "%d is not described, the section describes %d", id, len(r.ng.ifaces)))
	case length > uint32(r.cfg.MaxPacket):
		return r.bad("captured length", causef(ErrCorrupt, "%d exceeds the limit of %d", length, r.cfg.MaxPacket))
	case length > room:
		return r.bad("captured length", causef(ErrCorrupt, "%d exceeds the block, which has room for %d", length, room))
	}
	return nil
}

// block reads the block at r.w.pos, of which at least the header is there. It
// returns how many bytes it needs before it can do that. Most packets take
// the fast path in walkNG instead.
func (r *Reader) block(b *Batch) (want int, err error) {
	w, ng := &r.w, &r.ng
	if ng.left > 0 {
		return r.skip()
	}
	h := w.data[w.pos:]
	typ := r.u32(h)
	if typ == blockSection {
		if len(h) < blockFrame {
			return blockFrame, nil
		}
		switch m := binary.BigEndian.Uint32(h[8:]); m {
		case byteOrderMagic:
			ng.big = true
		case bits.ReverseBytes32(byteOrderMagic):
			ng.big = false
		default:
			return 0, r.bad("byte-order magic", causef(ErrCorrupt, "0x%08x is neither 0x1a2b3c4d nor 0x4d3c2b1a", m))
		}
	}
	total := r.u32(h[4:])
	least, must := leastBlock(typ)
	if total < least {
		return 0, r.bad("block total length", causef(ErrCorrupt, "%d is less than %d, the least for a block of type %s", total, least, blockName(typ)))
	}
	// Some writers leave the padding out of the length, though not out of the
	// file.
	size := (int64(total) + 3) &^ 3
	if must && size > int64(ng.maxBlock) {
		return 0, r.bad("block total length", causef(ErrCorrupt, "%d exceeds the limit of %d", total, ng.maxBlock))
	}
	read := must || typ == blockNames || typ == blockStatistics || typ == blockSecrets
	if !read || size > int64(ng.maxBlock) {
		ng.left, ng.total, ng.off = size, total, w.off()
		r.countBlock(typ, size, read)
		return r.skip()
	}
	if int64(len(h)) < size {
		return int(size), nil
	}
	trailer := r.u32(h[size-4:])
	if trailer != total && trailer != uint32(size) {
		return 0, r.badPacket(total, trailer, 0, 0, 0)
	}
	body := h[blockHeader : size-4 : size-4]
	switch typ {
	case blockSection:
		err = r.section(body)
	case blockInterface:
		err = r.iface(body)
	case blockPacket, blockEnhanced, blockSimple:
		err = r.packet(b, typ, body, total)
	case blockNames:
		r.names(body)
	case blockStatistics:
		r.statistics(body)
	case blockSecrets:
		r.secrets(body)
	}
	if err == nil {
		w.pos += int(size)
	}
	return 0, err
}

// leastBlock returns the least length of a block, and whether packets cannot
// be read when it is left out.
func leastBlock(typ uint32) (least uint32, must bool) {
	switch typ {
	case blockSection:
		return blockFrame + 16, true
	case blockInterface:
		return blockFrame + 8, true
	case blockPacket, blockEnhanced:
		return blockFrame + packetFields, true
	case blockSimple:
		return blockFrame + 4, true
	}
	return blockFrame, false
}

// skip steps over what is there of a block that is not wanted. It returns how
// many bytes it needs before it can go on.
func (r *Reader) skip() (want int, err error) {
	w, ng := &r.w, &r.ng
	n := min(ng.left-4, int64(max(len(w.data)-w.pos, 0)))
	w.pos += int(n)
	ng.left -= n
	if ng.left > 4 || len(w.data)-w.pos < 4 {
		return 4, nil
	}
	if t := r.u32(w.data[w.pos:]); t != ng.total && int64(t) != (int64(ng.total)+3)&^3 {
		return 0, r.badSkip(causef(ErrCorrupt, "%d in front of the block, but %d behind it", ng.total, t))
	}
	w.pos += 4
	ng.left = 0
	return 0, nil
}

// badSkip returns an *Error about the block that is being stepped over.
func (r *Reader) badSkip(err error) error {
	return &Error{File: r.name, Packet: r.number + 1, Off: r.ng.off, Field: "block total length", Err: err}
}

// u32 reads a number of the section.
func (r *Reader) u32(b []byte) uint32 {
	if r.ng.big {
		return binary.BigEndian.Uint32(b)
	}
	return binary.LittleEndian.Uint32(b)
}

func (r *Reader) u16(b []byte) uint16 {
	if r.ng.big {
		return binary.BigEndian.Uint16(b)
	}
	return binary.LittleEndian.Uint16(b)
}

func (r *Reader) u64(b []byte) uint64 {
	if r.ng.big {
		return binary.BigEndian.Uint64(b)
	}
	return binary.LittleEndian.Uint64(b)
}
