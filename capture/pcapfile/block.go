package pcapfile

import (
	"bytes"
	"encoding/binary"
	"math/bits"
	"net/netip"
)

// Options of pcapng blocks (draft-ietf-opsawg-pcapng section 3.5).
const (
	optEnd     = 0
	optComment = 1

	optHardware    = 2 // of a section
	optOS          = 3
	optApplication = 4

	optName         = 2 // of an interface
	optDescription  = 3
	optSpeed        = 8
	optResolution   = 9
	optFilter       = 11
	optInterfaceOS  = 12
	optFCS          = 13
	optTimeOffset   = 14
	optInterfaceHW  = 15
	optReceived     = 4 // of statistics
	optDropped      = 5
	optSystemDrops  = 7
	filterIsText    = 0
	recordIPv4      = 1 // of a name resolution block
	recordIPv6      = 2
	largestInBytes  = 8 // if_fcslen: the drafts say bits, some writers bytes
	sectionFields   = 16
	interfaceFields = 8
)

// options are the options of a block, which are padded to 4 bytes each.
type options struct {
	b     []byte
	big   bool
	code  uint16
	value []byte
	bad   bool // an option that is longer than the block
}

// next moves on to the next option, and reports whether there is one.
func (o *options) next() bool {
	b := o.b
	if len(b) < 4 {
		o.bad = o.bad || len(b) > 0
		return false
	}
	code, n := binary.LittleEndian.Uint16(b), binary.LittleEndian.Uint16(b[2:])
	if o.big {
		code, n = bits.ReverseBytes16(code), bits.ReverseBytes16(n)
	}
	if code == optEnd {
		return false
	}
	end := 4 + int(n)
	if end > len(b) {
		o.bad = true
		return false
	}
	o.code, o.value = code, b[4:end]
	o.b = b[min((end+3)&^3, len(b)):]
	return true
}

// comments keeps the comments among the options b of the packet number, or of
// another block if that is zero.
func (r *Reader) comments(b []byte, number int64) {
	o := options{b: b, big: r.ng.big}
	for o.next() {
		if o.code == optComment {
			r.addComment(number, o.value)
		}
	}
	if o.bad {
		r.count(&r.meta.stats.BadOptions)
	}
}

// section reads the body of a section header.
func (r *Reader) section(b []byte) error {
	if major, minor := r.u16(b[4:]), r.u16(b[6:]); major != 1 || minor != 0 && minor != 2 {
		return r.bad("section version", causef(ErrFormat, "%d.%d is not known, only 1.0 and 1.2 are", major, minor))
	}
	// The section length in b[8:16] is of no use: many writers leave it at -1,
	// and the blocks lead to the next section anyway.
	var hardware, os, application []byte
	o := options{b: b[sectionFields:], big: r.ng.big}
	for o.next() {
		switch o.code {
		case optComment:
			r.addComment(0, o.value)
		case optHardware:
			hardware = o.value
		case optOS:
			os = o.value
		case optApplication:
			application = o.value
		}
	}
	if o.bad {
		r.count(&r.meta.stats.BadOptions)
	}
	r.addSection(hardware, os, application, r.ng.big)
	r.ng.ifaces = r.ng.ifaces[:0]
	return nil
}

// iface reads the body of an interface description.
func (r *Reader) iface(b []byte) error {
	i := Interface{Link: r.u16(b), SnapLen: r.u32(b[4:]), Resolution: 6, FCS: -1, Received: -1, Dropped: -1, SystemDropped: -1}
	var text [5][]byte
	o := options{b: b[interfaceFields:], big: r.ng.big}
	var resolved, strange bool
	for o.next() {
		v := o.value
		switch {
		case o.code == optComment:
			r.addComment(0, v)
		case o.code == optName:
			text[0] = v
		case o.code == optDescription:
			text[1] = v
		case o.code == optInterfaceHW:
			text[2] = v
		case o.code == optInterfaceOS:
			text[3] = v
		case o.code == optFilter && len(v) > 0 && v[0] == filterIsText:
			text[4] = v[1:]
		case o.code == optSpeed && len(v) == 8:
			i.Speed = r.u64(v)
		case o.code == optResolution && len(v) == 1 && !resolved:
			i.Resolution, resolved = v[0], true
		case o.code == optFCS && len(v) == 1:
			if i.FCS = int(v[0]); i.FCS >= largestInBytes {
				i.FCS /= 8
			}
		case o.code == optTimeOffset && len(v) == 8:
			i.Offset = int64(r.u64(v))
			strange = strange || i.Offset > mostSeconds || i.Offset < -mostSeconds
		case o.code == optSpeed, o.code == optResolution, o.code == optFCS, o.code == optTimeOffset:
			strange = true
		}
	}
	if o.bad {
		// what follows may be the unit of the timestamps
		return r.bad("interface options", causef(ErrCorrupt, "an option is longer than the block"))
	}
	if strange {
		r.count(&r.meta.stats.BadOptions)
	}
	n, err := r.addInterface(i, text[:]...)
	if err != nil {
		return r.bad("interface", err)
	}
	r.ng.ifaces = append(r.ng.ifaces, ngInterface{clock: newClock(i.Resolution, i.Offset), snap: i.SnapLen, link: i.Link, index: n})
	return nil
}

// packet reads the body of a packet block: an obsolete one, a simple one, or
// an enhanced one whose length is odd.
func (r *Reader) packet(b *Batch, typ uint32, body []byte, total uint32) error {
	var id, length, wire uint32
	var stamp uint64
	var data []byte
	if typ == blockSimple {
		wire, data = r.u32(body), body[4:]
		length = wire
		if len(r.ng.ifaces) > 0 {
			if snap := r.ng.ifaces[0].snap; snap != 0 {
				length = min(length, snap)
			}
		}
	} else {
		id = r.u32(body)
		if typ == blockPacket {
			id = uint32(r.u16(body))
		}
		stamp = uint64(r.u32(body[4:]))<<32 | uint64(r.u32(body[8:]))
		length, wire, data = r.u32(body[12:]), r.u32(body[16:]), body[packetFields:]
	}
	if err := r.badPacket(total, total, id, length, uint32(len(data))); err != nil {
		return err
	}
	i := &r.ng.ifaces[id]
	var at int64
	if typ != blockSimple {
		at = r.time(&i.clock, stamp)
	}
	if b.n == len(b.store) {
		b.grow()
	}
	r.number++
	b.store[b.n] = Packet{Data: data[:length:length], Time: at, Number: r.number, Off: r.w.off(), Wire: wire, Link: i.link, Interface: i.index}
	b.n++
	if rest := data[min(int(length+3)&^3, len(data)):]; typ != blockSimple && len(rest) >= 4 {
		r.comments(rest, r.number)
	}
	return nil
}

// time returns the time that a timestamp means.
func (r *Reader) time(c *clock, t uint64) int64 {
	ns, ok := c.nanos(t)
	if !ok {
		r.count(&r.meta.stats.BadTimes)
	}
	return ns
}

// names reads the body of a name resolution block.
func (r *Reader) names(b []byte) {
	for len(b) >= 4 {
		typ, n := r.u16(b), int(r.u16(b[2:]))
		b = b[4:]
		if typ == 0 {
			r.comments(b, 0)
			return
		}
		if n > len(b) {
			break
		}
		v := b[:n]
		b = b[min((n+3)&^3, len(b)):]
		size := 0
		switch typ {
		case recordIPv4:
			size = 4
		case recordIPv6:
			size = 16
		}
		if size == 0 || n < size {
			continue
		}
		a, _ := netip.AddrFromSlice(v[:size])
		for name := range bytes.SplitSeq(v[size:], []byte{0}) {
			if len(name) > 0 {
				r.addName(a, name)
			}
		}
	}
	if len(b) > 0 {
		r.count(&r.meta.stats.BadBlocks)
	}
}

// statistics reads the body of an interface statistics block.
func (r *Reader) statistics(b []byte) {
	if len(b) < 12 || int64(r.u32(b)) >= int64(len(r.ng.ifaces)) {
		r.count(&r.meta.stats.BadBlocks)
		return
	}
	index := r.ng.ifaces[r.u32(b)].index
	o := options{b: b[12:], big: r.ng.big}
	for o.next() {
		if o.code == optComment {
			r.addComment(0, o.value)
		} else if len(o.value) == 8 {
			r.addStatistic(index, o.code, r.u64(o.value))
		}
	}
	if o.bad {
		r.count(&r.meta.stats.BadOptions)
	}
}

// secrets reads the body of a decryption secrets block.
func (r *Reader) secrets(b []byte) {
	if len(b) < 8 || int64(r.u32(b[4:])) > int64(len(b)-8) {
		r.count(&r.meta.stats.BadBlocks)
		return
	}
	n := int(r.u32(b[4:]))
	r.addSecret(r.u32(b), b[8:8+n])
	if rest := b[min(8+(n+3)&^3, len(b)):]; len(rest) >= 4 {
		r.comments(rest, 0)
	}
}
