package pcapfile

import (
	"encoding/binary"
	"fmt"
	"io"
)

// WriterConfig says what is written in front of the packets, and how. A nil
// *WriterConfig and zero fields mean the defaults.
type WriterConfig struct {
	// Application, Hardware, OS and Comment are the options of the section
	// header, "" for none. What does not fit into an option, 65535 bytes, is cut.
	Application, Hardware, OS, Comment string
	// MaxPacket is how many bytes of a packet are written at most, the rest is
	// cut off. Zero means 262144: Wireshark and its tools refuse a file with a
	// longer one. The largest possible value is 1 GiB.
	MaxPacket int
	// BufferBytes is how many bytes are given out at a time. Zero means
	// 256 KiB; it is rounded up to a multiple of 4 KiB, and is 16 MiB at most.
	// The buffer has room for four times as much.
	BufferBytes int
}

const (
	defaultCut    = 256 << 10
	defaultBuffer = 256 << 10
	largestBuffer = 16 << 20
	bufferSteps   = 4
	// The part of a write that may be padding.
	mostPadding = 16
)

// A Writer writes a pcapng file of one section, in little-endian byte order,
// with timestamps in nanoseconds.
//
// Packets are copied into a buffer, which is given out in large writes. These
// consist of whole blocks, and end at multiples of BufferBytes as long as
// nobody calls Flush: the last packet is padded for it. Such writes cost less;
// and where the file system has large folios, as ext4 has in Linux 6.18, most
// of them are done as a whole even when the process is killed meanwhile.
//
// An error of the io.Writer is a *WriteError, and sticks.
type Writer struct {
	w    io.Writer
	name string

	buf   []byte
	n     int // buf[:n] are whole blocks to be given out
	limit int // with how many bytes they are given out; zero after an error
	step  int
	last  int // where the packet begins that may be padded, -1 for none

	ifaces  uint32
	most    int    // bytes of a packet
	options []byte // those of a packet, kept for the next one

	off     int64 // bytes given out
	whole   int64 // those of whole blocks
	packets int64
	err     error
}

// NewWriter returns a Writer of a file to w. The section header is in its
// buffer.
func NewWriter(w io.Writer, c *WriterConfig) *Writer {
	var d WriterConfig
	if c != nil {
		d = *c
	}
	nw := newWriter(&d)
	nw.start(w, "", &d)
	return nw
}

// newWriter makes a Writer without a file: see start.
func newWriter(c *WriterConfig) *Writer {
	d := *c
	if d.MaxPacket <= 0 {
		d.MaxPacket = defaultCut
	}
	if d.BufferBytes <= 0 {
		d.BufferBytes = defaultBuffer
	}
	step := (min(d.BufferBytes, largestBuffer) + pageSize - 1) &^ (pageSize - 1)
	return &Writer{step: step, buf: make([]byte, bufferSteps*step), most: min(d.MaxPacket, largestPacket)}
}

// start begins a new file.
func (w *Writer) start(out io.Writer, name string, c *WriterConfig) {
	w.w, w.name = out, name
	w.n, w.limit, w.last = 0, w.step, -1
	w.ifaces, w.off, w.whole, w.packets, w.err = 0, 0, 0, 0, nil
	_ = w.block(blockSection, sectionBody(c)) // an error sticks
}

// Packet writes one packet. See Packets.
func (w *Writer) Packet(p *Packet) error {
	one := [1]Packet{*p}
	return w.Packets(one[:])
}

// Packets writes packets: their Data, Time, Wire and Interface, which is an
// index that AddInterface returned. Data is copied.
//
// A packet of an interface that was not added or with a time before 1970
// cannot be written; the error says so, and nothing of it and of those behind
// it is written. Such an error does not stick.
func (w *Writer) Packets(ps []Packet) error {
	for {
		ps = ps[w.fill(ps):]
		if len(ps) == 0 {
			return nil
		}
		if err := w.slow(&ps[0]); err != nil {
			return err
		}
		ps = ps[1:]
	}
}

// fill copies packets into the buffer, up to the first that does not fit or is
// unusual, and returns how many.
func (w *Writer) fill(ps []Packet) int {
	buf, pos, last := w.buf[:w.limit], w.n, w.last
	ifaces, most := w.ifaces, w.most
	i := 0
	for ; i < len(ps); i++ {
		p := &ps[i]
		length := len(p.Data)
		size := blockSize(length)
		if length > most || size > len(buf)-pos || uint32(p.Interface) >= ifaces || p.Time < 0 {
			break
		}
		b := buf[pos : pos+size : pos+size]
		// the padding; the copy overwrites what is data of it
		binary.LittleEndian.PutUint32(b[size-8:], 0)
		putPacketHeader(b, p, size)
		copy(b[blockHeader+packetFields:], p.Data)
		binary.LittleEndian.PutUint32(b[size-4:], uint32(size))
		last = pos
		pos += size
	}
	w.n, w.last = pos, last
	w.packets += int64(i)
	return i
}

// blockSize returns the length of the block of a packet of n bytes.
func blockSize(n int) int { return blockFrame + packetFields + (n+3)&^3 }

// putPacketHeader writes what comes before the data of an enhanced packet
// block of size bytes.
func putPacketHeader(b []byte, p *Packet, size int) {
	b = b[:blockHeader+packetFields]
	binary.LittleEndian.PutUint64(b, blockEnhanced|uint64(size)<<32)
	binary.LittleEndian.PutUint32(b[8:], uint32(p.Interface))
	binary.LittleEndian.PutUint32(b[12:], uint32(uint64(p.Time)>>32))
	binary.LittleEndian.PutUint32(b[16:], uint32(p.Time))
	binary.LittleEndian.PutUint32(b[20:], uint32(len(p.Data)))
	binary.LittleEndian.PutUint32(b[24:], p.Wire)
}

// slow writes a packet that fill did not take.
func (w *Writer) slow(p *Packet) error {
	if err := w.check(p); err != nil {
		return err
	}
	q := *p
	q.Data = q.Data[:min(len(q.Data), w.most)]
	size := blockSize(len(q.Data))
	if ok, err := w.room(size); err != nil {
		return err
	} else if ok {
		one := [1]Packet{q}
		w.fill(one[:])
		return nil
	}
	var header [blockHeader + packetFields]byte
	putPacketHeader(header[:], &q, size)
	if err := w.long(size, header[:], q.Data); err != nil {
		return err
	}
	w.packets++
	return nil
}

// check returns why p cannot be written.
func (w *Writer) check(p *Packet) error {
	switch {
	case w.err != nil:
		return w.err
	case uint32(p.Interface) >= w.ifaces:
		return fmt.Errorf("packet of interface %d, of %d that were added", p.Interface, w.ifaces)
	case p.Time < 0:
		return fmt.Errorf("packet with a time before 1970, %d ns", p.Time)
	}
	return nil
}

// room makes room for a block of size bytes below w.limit. It reports whether
// the buffer is large enough for that; if not, the buffer is empty.
func (w *Writer) room(size int) (ok bool, err error) {
	for w.err == nil && size > w.limit-w.n {
		gap := w.limit - w.n
		switch {
		case w.n > 0 && gap <= w.limit/mostPadding && w.pad():
			_ = w.Flush() // w.err keeps what is wrong
		case w.limit+w.step <= len(w.buf):
			// padding would cost too much
			w.limit += w.step
		case w.n > 0:
			_ = w.Flush()
		default:
			return false, nil
		}
	}
	return true, w.err
}

// pad makes the last packet reach to w.limit, with nothing but the end of
// options behind its data. It reports whether there is such a packet.
func (w *Writer) pad() bool {
	if w.n == w.limit {
		return true
	}
	if w.last < 0 {
		return false
	}
	clear(w.buf[w.n-4 : w.limit])
	size := uint32(w.limit - w.last)
	binary.LittleEndian.PutUint32(w.buf[w.last+4:], size)
	binary.LittleEndian.PutUint32(w.buf[w.limit-4:], size)
	w.n = w.limit
	return true
}

// block writes a block that is no packet.
func (w *Writer) block(typ uint32, body []byte) error {
	if w.err != nil {
		return w.err
	}
	size := blockFrame + (len(body)+3)&^3
	var header [blockHeader]byte
	binary.LittleEndian.PutUint32(header[:], typ)
	binary.LittleEndian.PutUint32(header[4:], uint32(size))
	return w.put(size, header[:], body)
}

// put writes a block of size bytes that begins with the parts. It is not
// padded later.
func (w *Writer) put(size int, parts ...[]byte) error {
	ok, err := w.room(size)
	if err != nil {
		return err
	}
	w.last = -1
	if !ok {
		return w.long(size, parts...)
	}
	b := w.buf[w.n : w.n+size]
	n := 0
	for _, p := range parts {
		n += copy(b[n:], p)
	}
	clear(b[n:])
	binary.LittleEndian.PutUint32(b[size-4:], uint32(size))
	w.n += size
	return nil
}

// long writes a block of size bytes that is longer than the buffer, which must
// be empty.
func (w *Writer) long(size int, parts ...[]byte) error {
	left := size
	for _, p := range parts {
		left -= len(p)
		for len(p) > 0 {
			if w.n == len(w.buf) {
				if err := w.give(); err != nil {
					return err
				}
			}
			n := copy(w.buf[w.n:], p)
			w.n += n
			p = p[n:]
		}
	}
	var tail [8]byte // up to 3 bytes of padding, and the length
	binary.LittleEndian.PutUint32(tail[4:], uint32(size))
	if w.n+left > len(w.buf) {
		if err := w.give(); err != nil {
			return err
		}
	}
	w.n += copy(w.buf[w.n:], tail[len(tail)-left:])
	if err := w.give(); err != nil {
		return err
	}
	w.whole = w.off
	return nil
}

// give gives the buffer out. It does not say that whole blocks were given out.
func (w *Writer) give() error {
	n, err := w.w.Write(w.buf[:w.n])
	n = min(max(n, 0), w.n)
	w.off += int64(n)
	if err == nil && n < w.n {
		err = io.ErrShortWrite
	}
	if err != nil {
		w.fail(n, err)
		return w.err
	}
	w.n, w.last = 0, -1
	w.limit = w.step - int(w.off%int64(w.step))
	return nil
}

// Flush gives out what is in the buffer.
func (w *Writer) Flush() error {
	if w.err != nil || w.n == 0 {
		return w.err
	}
	if err := w.give(); err != nil {
		return err
	}
	w.whole = w.off
	return nil
}

// fail notes that only n bytes of the buffer could be given out.
func (w *Writer) fail(n int, err error) {
	b := w.buf[:w.n]
	if w.off-int64(n) > w.whole {
		b = nil // in the midst of a long block, which is not counted yet
	}
	for len(b) > 0 {
		size := int(binary.LittleEndian.Uint32(b[4:]))
		if size > len(b) {
			break // the beginning of a long block
		}
		if size <= n {
			n -= size
			w.whole += int64(size)
		} else {
			n = 0
			if binary.LittleEndian.Uint32(b) == blockEnhanced {
				w.packets--
			}
		}
		b = b[size:]
	}
	w.n, w.limit, w.last = 0, 0, -1
	w.err = &WriteError{File: w.name, Op: "write", Packets: w.packets, Off: w.whole, Err: err}
}

// Buffered returns how many bytes are in the buffer.
func (w *Writer) Buffered() int { return w.n }

// Offset returns how many bytes have been given out.
func (w *Writer) Offset() int64 { return w.off }
