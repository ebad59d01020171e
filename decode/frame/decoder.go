package frame

import (
	"errors"
	"fmt"
	"io"
	"iter"

	"framescope/decode"
)

// A Decoder splits one direction of a connection into frames.
//
// Bytes go in as they arrive, in pieces of any size, and the result does not
// depend on where they were cut. It never blocks, keeps at most MaxHeader-1
// bytes, and neither keeps nor changes its input. A header that the Format
// cannot read ends decoding with a *decode.Error, and so does losing the place
// in the stream; every later call returns that error again, until Resume.
//
// The zero Decoder is ready and begins with a header at stream offset 0.
type Decoder[H any, F Format[H]] struct {
	// Format reads the headers.
	Format F

	off   int64  // of the first byte that was not handed out
	left  int64  // payload bytes of the current frame to come; -1 after an error
	part  []byte // the beginning of a header, from off on
	err   error
	hdr   H
	chunk Chunk[H]
}

// Offset returns the stream offset of the first byte that was not decoded: the
// next byte of a payload, or the beginning of a header. After an error in a
// header it is where that header begins, after ErrLost the end of the gap.
func (d *Decoder[H, F]) Offset() int64 { return d.off }

// Partial returns the bytes from Offset on that the Decoder has taken and not
// decoded: the beginning of a header. They are valid until the next call.
func (d *Decoder[H, F]) Partial() []byte { return d.part }

// Resume forgets everything, also an error, and goes on with a header at
// stream offset off.
func (d *Decoder[H, F]) Resume(off int64) {
	d.off, d.left, d.part, d.err = off, 0, d.part[:0], nil
}

// Decode decodes the next bytes of the stream. If decoding ends, the last step
// of the iteration has the error and no chunk.
//
// A loop may stop early: the bytes behind its last chunk are then not decoded,
// Offset says where they begin, and the next call must begin with them.
func (d *Decoder[H, F]) Decode(b []byte) iter.Seq2[*Chunk[H], error] {
	return func(yield func(*Chunk[H], error) bool) {
		for b := b; ; {
			c, n, err := d.Next(b)
			if c == nil {
				if err != nil {
					yield(nil, err)
				}
				return
			}
			if !yield(c, nil) {
				return
			}
			b = b[n:]
		}
	}
}

// Next is one step of Decode: it returns the first chunk in b and how many
// bytes of b it took, those of a header included. A nil chunk without an error
// means that all of b is taken and more is needed. An error takes nothing.
func (d *Decoder[H, F]) Next(b []byte) (c *Chunk[H], n int, err error) {
	c = &d.chunk
	if d.left != 0 {
		if d.left < 0 {
			return nil, 0, d.err
		}
		if len(b) == 0 {
			return nil, 0, nil
		}
		c.Off = d.off
		c.Pos += int64(len(c.Data)) + c.Lost
		c.Lost = 0
		c.First = false
		return c, d.take(b, 0), nil
	}
	if len(b) == 0 {
		return nil, 0, nil
	}
	if len(d.part) > 0 {
		return d.join(b)
	}
	size, payload, err := d.Format.Header(b, &d.hdr)
	if err != nil || uint(size-1) >= uint(len(b)) || payload < 0 {
		n, err = d.fail(b, size, payload, err)
		return nil, n, err
	}
	return c, d.begin(b, size, size, payload), nil
}

// join is Next when the beginning of a header is in d.part.
func (d *Decoder[H, F]) join(b []byte) (*Chunk[H], int, error) {
	held := len(d.part)
	d.part = append(d.part, b[:min(len(b), max(d.Format.MaxHeader()-held, 0))]...)
	size, payload, err := d.Format.Header(d.part, &d.hdr)
	if err != nil || size <= held || size > len(d.part) || payload < 0 {
		if err == nil && size > 0 && size <= held {
			err = fmt.Errorf("the format found a header of %d bytes where it had found none", size)
		}
		whole := d.part
		d.part = d.part[:held]
		n, err := d.fail(whole, size, payload, err)
		return nil, max(n-held, 0), err
	}
	d.part = d.part[:0]
	return &d.chunk, d.begin(b, size-held, size, payload), nil
}

// begin begins a frame whose header of size bytes ends at b[n], and returns
// the end of its payload in b.
func (d *Decoder[H, F]) begin(b []byte, n, size int, payload int64) int {
	c := &d.chunk
	c.Header = &d.hdr
	c.HeaderOff = d.off
	d.off += int64(size)
	c.Off = d.off
	c.Pos, c.Lost = 0, 0
	c.First = true
	d.left = payload
	return d.take(b, n)
}

// take makes b[i:] the chunk's data, as far as the payload goes, and returns
// its end.
func (d *Decoder[H, F]) take(b []byte, i int) int {
	e := len(b)
	if d.left <= int64(e-i) {
		e = i + int(d.left)
	}
	d.chunk.Data = b[i:e:e]
	d.left -= int64(e - i)
	d.off += int64(e - i)
	d.chunk.Last = d.left == 0
	return e
}

// firstPart is how much room the beginning of a header gets first: some formats
// have headers of many kilobytes and hardly any as long.
const firstPart = 64

// fail deals with bytes b from d.off on that are no whole header. It returns
// how many of them are kept.
func (d *Decoder[H, F]) fail(b []byte, size int, payload int64, err error) (int, error) {
	if errors.Is(err, ErrShort) && len(b) < d.Format.MaxHeader() {
		if d.part == nil {
			d.part = make([]byte, 0, min(d.Format.MaxHeader(), firstPart))
		}
		d.part = append(d.part[:0], b...)
		return len(b), nil
	}
	if err == nil || errors.Is(err, ErrShort) {
		err = fmt.Errorf("the format is at fault: header of %d bytes, payload of %d, in %d bytes: %v", size, payload, len(b), err)
	}
	e := &decode.Error{Layer: "frame", Field: "header", Err: err}
	var f *decode.Error
	if errors.As(err, &f) {
		*e = *f
	}
	e.Off += d.off
	d.left, d.err = -1, e
	return 0, e
}

// Gap says that the next n bytes of the stream are missing.
//
// Inside a payload they are skipped: the chunk tells how many of the frame's
// bytes were Lost. If the gap ends in that payload or at its end, the Decoder
// stays in step. In all other cases the place of the next header is unknown
// and the error is a *decode.Error with ErrLost, whose offset is where the
// Decoder got lost: the end of the payload if the gap goes beyond it (then
// there is a chunk, too), the beginning of the header if the gap lies in one,
// the beginning of the gap if it begins between two frames. The bytes of a
// header that was cut by the gap are dropped. A gap without length is none.
func (d *Decoder[H, F]) Gap(n int64) (*Chunk[H], error) {
	if d.left < 0 {
		return nil, d.err
	}
	if n <= 0 {
		return nil, nil
	}
	var c *Chunk[H]
	if d.left > 0 {
		c = &d.chunk
		c.Pos += int64(len(c.Data)) + c.Lost
		c.Off = d.off
		c.Data = nil
		c.First = false
		c.Lost = min(n, d.left)
		d.left -= c.Lost
		d.off += c.Lost
		n -= c.Lost
		c.Last = d.left == 0
		if n == 0 {
			return c, nil
		}
	}
	d.err = &decode.Error{Layer: "frame", Off: d.off, Field: "header", Err: ErrLost}
	d.left = -1
	d.off += int64(len(d.part)) + n
	d.part = d.part[:0]
	return c, d.err
}

// Close says that the stream is over. The error is nil if it ended between two
// frames, the error that ended decoding if there is one, and otherwise a
// *decode.Error with io.ErrUnexpectedEOF.
func (d *Decoder[H, F]) Close() error {
	switch {
	case d.left < 0:
		return d.err
	case d.left > 0:
		return &decode.Error{Layer: "frame", Off: d.off, Field: "payload",
			Err: fmt.Errorf("%w: %d bytes are missing", io.ErrUnexpectedEOF, d.left)}
	case len(d.part) > 0:
		return &decode.Error{Layer: "frame", Off: d.off + int64(len(d.part)), Field: "header", Err: io.ErrUnexpectedEOF}
	}
	return nil
}
