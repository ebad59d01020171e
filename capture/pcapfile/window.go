package pcapfile

import (
	"errors"
	"io"
	"runtime"
	"runtime/debug"
)

// A window is the part of a capture that is in memory.
//
//	0 <= pos <= len(data), or pos > len(data) when a mapped file became shorter
type window struct {
	data    []byte
	base    int64 // offset of data[0] in the capture
	pos     int   // offset in data of the next record or block
	final   bool  // the capture ends with data
	err     error // and why, unless it is the end of the file
	touched int   // data[:touched] has been fetched from main memory
	sum     byte  // keeps the loads of touch alive
}

// off returns the offset in the capture of the next record or block.
func (w *window) off() int64 { return w.base + int64(w.pos) }

const (
	// A record header is needed to find the next one, so that a plain walk over
	// a mapping waits for main memory once per packet. Loading one byte of
	// every cache line some way ahead of the walk lets these waits overlap.
	ahead     = 8 << 10
	cacheLine = 64
	pageSize  = 4 << 10
)

// touch loads what lies up to ahead bytes behind pos, and returns w.touched.
// It leaves out what a large packet stepped over.
func (w *window) touch(pos int) int {
	t := w.touched
	if t < pos {
		t = pos &^ (pageSize - 1)
	}
	end := min(pos+ahead+pageSize, len(w.data))
	var sum byte
	for ; t+pageSize <= end; t += pageSize {
		// of a fixed size, so that the loads need no bounds checks
		p := (*[pageSize]byte)(w.data[t:])
		for i := 0; i < pageSize; i += 4 * cacheLine {
			sum += p[i] + p[i+cacheLine] + p[i+2*cacheLine] + p[i+3*cacheLine]
		}
	}
	if end == len(w.data) {
		for ; t < end; t += cacheLine {
			sum += w.data[t]
		}
		t = len(w.data) + ahead
	}
	w.sum += sum
	w.touched = t
	return t
}

// walk reads records or blocks from the window into b, up to the one that
// begins at or after limit. It returns how many bytes must follow w.pos before
// it can go on, zero when it stopped at limit. Where the capture ends it
// returns io.EOF, or an *Error.
func (r *Reader) walk(b *Batch, limit int) (want int, err error) {
	if r.isNG {
		return r.walkNG(b, limit)
	}
	return r.walkPcap(b, limit)
}

// readMapped fills b from the mapping.
func (r *Reader) readMapped(b *Batch) error {
	r.m.release(r.w.pos)
	b.owner, b.span = r, r.m.hold(r.w.pos)
	for {
		limit := min(r.w.pos+r.cfg.BatchBytes, len(r.w.data))
		err := r.walkMapped(b, limit)
		if b.n > 0 {
			return err
		}
		if err != nil {
			b.giveUp()
			return err
		}
		// a long way without packets: it must not stay in memory
		r.m.move(b.span, r.w.pos)
		r.m.release(r.w.pos)
	}
}

// walkMapped is walk, with faults turned into errors: the file may become
// shorter while it is mapped.
func (r *Reader) walkMapped(b *Batch, limit int) (err error) {
	defer debug.SetPanicOnFault(debug.SetPanicOnFault(true))
	defer func() {
		e := recover()
		if e == nil {
			return
		}
		f, ok := e.(interface {
			runtime.Error
			Addr() uintptr
		})
		if !ok || !r.m.holds(f.Addr()) {
			panic(e)
		}
		// What had been committed before the fault stays; the rest is
		// walked again, in what is left of the file.
		size, serr := r.fileSize()
		switch {
		case serr != nil || size >= int64(len(r.w.data)):
			err = r.bad("", errors.New("input/output error while reading the mapped file"))
		default:
			r.w.data = r.w.data[:size]
			r.w.err = causef(ErrTruncated, "file became shorter while it was read")
			err = nil
		}
	}()
	_, err = r.walk(b, limit)
	return err
}

// fileSize returns the size that the file has now.
func (r *Reader) fileSize() (int64, error) {
	st, err := r.m.file.Stat()
	if err != nil {
		return 0, err
	}
	return st.Size(), nil
}

// readStream fills b from r.src, into b's own buffer.
func (r *Reader) readStream(b *Batch) error {
	w := &r.w
	buf := b.buffer(r.cfg.BatchBytes, len(r.carry))
	n := copy(buf, r.carry)
	w.pos = 0
	for idle := 0; ; {
		w.data = buf[:n]
		want, err := r.walk(b, n)
		if err != nil {
			r.carry = nil
			return err
		}
		if want == 0 {
			continue // there is more to walk over
		}
		if b.n > 0 && (!r.eager || n > len(buf)/2) {
			break
		}
		if b.n == 0 && w.pos > 0 {
			n = copy(buf, buf[w.pos:n])
			w.base += int64(w.pos)
			w.pos = 0
		}
		if n == len(buf) {
			// a record larger than the buffer: it grows as bytes arrive, not
			// as its length field says
			b.renew(2 * n)
			copy(b.buf, buf)
			buf = b.buf
		}
		m, err := r.src.Read(buf[n:])
		n += m
		switch {
		case err == io.EOF:
			w.final = true
		case err != nil:
			w.final, w.err = true, r.sourceError(err)
		case m > 0:
			idle = 0
		default:
			if idle++; idle == 100 {
				w.final, w.err = true, io.ErrNoProgress
			}
		}
	}
	r.carry = append(r.carry[:0], buf[w.pos:n]...)
	w.base += int64(w.pos)
	w.pos = 0
	return nil
}

// sourceError names an error of r.src.
func (r *Reader) sourceError(err error) error {
	if r.gzip {
		return gzipCause(err)
	}
	return err
}

// buffer returns a buffer of at least size bytes with room behind carried
// ones. One that a large packet made grow is not kept for ever.
func (b *Batch) buffer(size, carried int) []byte {
	for size < 2*carried {
		size *= 2
	}
	if len(b.buf) < size || len(b.buf) > 4*size {
		b.renew(size)
	}
	return b.buf
}

// renew replaces the buffer. No packet of an earlier Read keeps the old one.
func (b *Batch) renew(size int) {
	clear(b.store)
	b.buf = make([]byte, size)
}

// giveUp tells the owner of the bytes of b that they are not used any more.
func (b *Batch) giveUp() {
	if b.owner != nil {
		b.owner.m.give(b.span)
		b.owner = nil
	}
}

// grow makes room for more packets, and returns b.store.
func (b *Batch) grow() []Packet {
	n := max(2*len(b.store), 1024)
	s := make([]Packet, n)
	copy(s, b.store)
	b.store = s
	return s
}
