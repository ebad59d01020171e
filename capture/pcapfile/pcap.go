package pcapfile

import (
	"encoding/binary"
	"math/bits"
)

// The layout of a pcap file: a file header of 24 bytes, then records.
//
//	magic u32, major u16, minor u16, zone i32, accuracy u32, snaplen u32, link type u32
//	seconds u32, fraction u32, captured length u32, length on the wire u32, data
//
// See draft-ietf-opsawg-pcap.
const (
	magicMicro    = 0xa1b2c3d4
	magicNano     = 0xa1b23c4d
	magicModified = 0xa1b2cd34 // records with interface, protocol and packet type

	pcapHeader     = 24
	recordHeader   = 16
	modifiedHeader = 24
)

// How a file stores the two lengths of a record. Version 2.3 interchanged
// them, but not every program that wrote 2.3 did.
const (
	lengthsNormal = iota
	lengthsMaybeSwapped
	lengthsSwapped
)

type pcapState struct {
	big     bool
	magic   uint32
	nanos   int64 // in one unit of the fraction
	header  int   // bytes of a record header
	lengths int
	link    uint16
	iface   uint16 // index of the interface that stands for the file
}

// startPcap reads the file header.
func (r *Reader) startPcap(head []byte) error {
	if len(head) < pcapHeader {
		return r.fail("file header", causef(ErrTruncated, "file ends inside it, %d of %d bytes are there", len(head), pcapHeader))
	}
	if field, err := r.pcapHeader(head); err != nil {
		return r.fail(field, err)
	}
	switch r.pcap.magic {
	case magicNano:
		r.format += " ns"
	case magicModified:
		r.format += " modified"
	}
	if r.src == nil {
		r.w.pos = pcapHeader
	} else {
		r.carry, r.w.base = r.carry[pcapHeader:], pcapHeader
	}
	return nil
}

// pcapHeader reads a file header: the first, or a further one where files were
// simply appended to each other. It returns the field that is wrong.
func (r *Reader) pcapHeader(h []byte) (field string, err error) {
	p := &r.pcap
	var o binary.ByteOrder = binary.LittleEndian
	if p.big = h[0] == magicMicro>>24; p.big {
		o = binary.BigEndian
	}
	p.magic = o.Uint32(h)
	p.header, p.nanos, p.lengths = recordHeader, 1000, lengthsNormal
	resolution := uint8(6)
	switch p.magic {
	case magicNano:
		p.nanos, resolution = 1, 9
	case magicModified:
		p.header = modifiedHeader
	}
	switch major, minor := o.Uint16(h[4:]), o.Uint16(h[6:]); {
	case major == 2 && minor < 3, major == 543 && minor == 0: // the latter by DG/UX
		p.lengths = lengthsSwapped
	case major == 2 && minor == 3:
		p.lengths = lengthsMaybeSwapped
	case major != 2 || minor > 4:
		return "version", causef(ErrFormat, "%d.%d is not known, only 2.0 to 2.4 are", major, minor)
	}
	link := o.Uint32(h[20:])
	i := Interface{Link: uint16(link), SnapLen: o.Uint32(h[16:]), Resolution: resolution, FCS: -1, Received: -1, Dropped: -1, SystemDropped: -1}
	if link&(1<<26) != 0 {
		i.FCS = int(link>>28) * 2
	}
	p.link = i.Link
	p.iface, err = r.addInterface(i)
	return "interface", err
}

// pcapFollows reports whether h, the 16 bytes where a record should begin, are
// the beginning of another pcap file: `cat a.pcap b.pcap` makes such files. As
// a record it would be empty and, by its time, from after 2055.
func pcapFollows(h []byte) bool {
	if sniff(h) != isPcap || binary.LittleEndian.Uint64(h[8:]) != 0 {
		return false
	}
	v := binary.LittleEndian.Uint32(h[4:])
	return v == 2|4<<16 || v == bits.ReverseBytes32(2<<16|4)
}

// walkPcap is walk for pcap files.
func (r *Reader) walkPcap(b *Batch, limit int) (want int, err error) {
	w, p := &r.w, &r.pcap
	data, pos, touched := w.data, w.pos, w.touched
	store, n := b.store, b.n
	base := r.number - int64(n)
	big, nanos, header, lengths := p.big, p.nanos, p.header, p.lengths
	link, iface, most := p.link, p.iface, uint32(r.cfg.MaxPacket)
	for pos < limit {
		if pos+ahead > touched {
			touched = w.touch(pos)
		}
		if len(data)-pos < header {
			want = header
			break
		}
		h := data[pos : pos+recordHeader : pos+recordHeader]
		sec, frac := binary.LittleEndian.Uint32(h), binary.LittleEndian.Uint32(h[4:])
		length, wire := binary.LittleEndian.Uint32(h[8:]), binary.LittleEndian.Uint32(h[12:])
		if big {
			sec, frac = bits.ReverseBytes32(sec), bits.ReverseBytes32(frac)
			length, wire = bits.ReverseBytes32(length), bits.ReverseBytes32(wire)
		}
		// zero is off the fast path too
		if length-1 >= most || lengths != lengthsNormal {
			if lengths == lengthsSwapped || lengths == lengthsMaybeSwapped && length > wire {
				length, wire = wire, length
			}
			have := len(data) - pos
			follows := length == 0 && pcapFollows(h)
			if follows && have < pcapHeader && !w.final {
				want = pcapHeader
				break
			}
			if follows && have >= pcapHeader || length > most {
				w.pos, b.n, r.number = pos, n, base+int64(n)
				if length > most {
					return 0, r.bad("captured length", causef(ErrCorrupt, "%d exceeds the limit of %d", length, most))
				}
				if field, err := r.pcapHeader(data[pos:]); err != nil {
					return 0, r.bad(field, err)
				}
				w.pos += pcapHeader
				return 0, nil
			}
		}
		next := pos + header + int(length)
		if next > len(data) {
			want = header + int(length)
			break
		}
		if n == len(store) {
			store = b.grow()
		}
		q := &store[n] // filled in place: a copy would wait for its parts
		q.Data = data[pos+header : next : next]
		q.Time = int64(sec)*1e9 + int64(frac)*nanos
		q.Number = base + int64(n) + 1
		q.Off = w.base + int64(pos)
		q.Wire, q.Link, q.Interface = wire, link, iface
		n++
		pos = next
	}
	w.pos, b.n, r.number = pos, n, base+int64(n)
	switch {
	case want == 0 && pos < len(data):
		return 0, nil
	case !w.final:
		return max(want, 1), nil
	case want <= header:
		return 0, r.end("record header", header)
	}
	return 0, r.end("record", want)
}
