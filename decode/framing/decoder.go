package framing

import (
	"errors"
	"fmt"
	"io"
	"iter"

	"framescope/decode"
	"framescope/decode/frame"
	"framescope/decode/websocket"
)

// A Chunk is a run of payload bytes of one frame, as in frame.Chunk. The last
// one has what follows the payload. It is valid until the next step.
type Chunk struct {
	Header *Header
	// Data holds the bytes as they were on the wire; it aliases the input.
	Data []byte
	// HeaderOff is the stream offset of the frame's header, Off that of Data.
	HeaderOff, Off int64
	// Pos is the payload offset of Data.
	Pos int64
	// Lost counts the payload bytes that are missing in place of Data.
	Lost int64
	// First and Last are set in the first and the last chunk of a frame.
	First, Last bool
	// Trailer are the bytes behind the payload, in the last chunk, and
	// TrailerOff is their stream offset.
	Trailer    []byte
	TrailerOff int64
	// Checks are the frame's checksums, in the last chunk.
	Checks []Check
}

// AppendPayload appends what Data says: unmasked, if the frame is masked.
func (c *Chunk) AppendPayload(dst []byte) []byte {
	n := len(dst)
	dst = append(dst, c.Data...)
	if c.Header.Masked {
		websocket.Unmask(dst[n:], dst[n:], c.Header.Mask, c.Pos)
	}
	return dst
}

// A Decoder splits one direction of a stream into frames, as frame.Decoder does:
// bytes go in as they arrive, and the result does not depend on where they were
// cut. It keeps at most a header and a trailer. Errors are sticky until Skip.
//
// A checksum that is wrong is in Chunk.Checks and no error: the next header is
// where it was expected.
type Decoder struct {
	// Framing says how the stream is cut. It must be set.
	Framing *Framing
	// From is who sent the stream.
	From Direction
	// Resync makes Decode go on behind an error where the next magic is. The
	// error is then one step of the iteration, and others may follow: each has
	// frames before it, so that noise does not bring many about.
	Resync bool

	d     frame.Decoder[Header, format]
	begun bool
	err   error
	// bad is how far behind the inner Decoder's offset the search for the next
	// magic begins.
	bad int
	// pre are bytes that were taken and come before the next input: what is left
	// of them begins at preAt.
	pre   []byte
	preAt int
	keep  []byte // a copy that pre is made from

	progress progress
	quiet    bool  // an error was handed out, and no frame since
	later    error // follows the chunk that was handed out
	chunk    Chunk
	trailer  []byte
	checks   []Check
	sums     []uint64
	lost     bool // bytes of this frame are missing
}

func (d *Decoder) start() {
	if !d.begun {
		d.begun = true
		d.d.Format = format{f: d.Framing, from: d.From, p: &d.progress}
		d.progress.off, d.progress.doneOff = -1, -1
	}
}

// Offset returns the stream offset of the first byte that was not decoded.
func (d *Decoder) Offset() int64 { return d.d.Offset() }

// Decode decodes the next bytes of the stream. A step with an error has no
// chunk; it is the last one, unless Resync is set. A loop must not stop early.
func (d *Decoder) Decode(b []byte) iter.Seq2[*Chunk, error] {
	return func(yield func(*Chunk, error) bool) {
		b := b
		for {
			if d.err != nil && d.Resync {
				n, found := d.Skip(b)
				if !found {
					return
				}
				b = b[n:]
			}
			c, n, err := d.Next(b)
			if c == nil && err == nil {
				return
			}
			b = b[n:]
			if err != nil {
				if d.quiet {
					continue // a magic that was none
				}
				d.quiet = d.Resync
			} else if d.quiet && c.First {
				d.quiet = false
			}
			d.d.Format.mute = d.quiet
			if !yield(c, err) || err != nil && !d.Resync {
				return
			}
		}
	}
}

// Next is one step of Decode: it returns the first chunk in b and how many bytes
// of b it took. A nil chunk without an error means that all of b is taken. With
// an error, n bytes of b were taken, too; those behind are for Skip.
func (d *Decoder) Next(b []byte) (c *Chunk, n int, err error) {
	d.start()
	if d.err != nil {
		return nil, 0, d.err
	}
	if d.later != nil {
		d.err, d.later = d.later, nil
		return nil, 0, d.err
	}
	for d.preAt < len(d.pre) {
		d.progress.at = d.d.Offset()
		in, k, err := d.d.Next(d.pre[d.preAt:])
		d.preAt += k
		if err != nil {
			return nil, 0, d.fail(err)
		}
		if in == nil {
			break
		}
		if c, err := d.take(in); c != nil || err != nil {
			return c, 0, err
		}
	}
	for {
		d.progress.at = d.d.Offset()
		in, k, err := d.d.Next(b[n:])
		n += k
		if err != nil {
			return nil, n, d.fail(err)
		}
		if in == nil {
			return nil, n, nil
		}
		if c, err := d.take(in); c != nil || err != nil {
			return c, n, err
		}
	}
}

// fail takes an error of the inner Decoder.
func (d *Decoder) fail(err error) error {
	d.bad = 1
	if f := (*fault)(nil); errors.As(err, &f) && f.examined > 1 {
		d.bad = f.examined
	}
	if errors.Is(err, frame.ErrLost) {
		d.bad = 0
	}
	if e := (*decode.Error)(nil); errors.As(err, &e) && e.Layer == "frame" {
		e.Layer = d.Framing.name
	}
	d.err = err
	return err
}

// take turns a chunk of the inner Decoder into one of this: what belongs to the
// trailer is kept until it is whole. It returns nil when nothing is left.
func (d *Decoder) take(in *frame.Chunk[Header]) (*Chunk, error) {
	c, h := &d.chunk, in.Header
	c.Header, c.Data, c.HeaderOff, c.Off, c.Pos, c.Lost = h, in.Data, in.HeaderOff, in.Off, in.Pos, in.Lost
	c.First, c.Last = in.First, in.Last
	c.Trailer, c.Checks = nil, nil
	var v *variant
	if h.framing.native == nil {
		v = &h.framing.variants[h.variant]
	}
	if in.First {
		d.lost = false
		d.trailer = d.trailer[:0]
		if v != nil && len(v.checks) > 0 {
			d.beginChecks(v, h)
		}
	}
	if in.Lost > 0 {
		d.lost = true
	}
	if h.Trailer > 0 {
		if over := in.Pos + int64(len(in.Data)) - h.Length; over > 0 {
			n := len(in.Data) - int(min(over, int64(len(in.Data))))
			d.trailer = append(d.trailer, in.Data[n:]...)
			c.Data = in.Data[:n:n]
		}
		if in.Lost > 0 {
			over := min(in.Pos+in.Lost-h.Length, in.Lost)
			c.Lost -= max(over, 0)
			for ; over > 0; over-- {
				d.trailer = append(d.trailer, 0)
			}
		}
		if in.Pos > h.Length {
			c.Pos, c.Off = h.Length, in.Off-(in.Pos-h.Length)
		}
	}
	if v != nil && len(v.checks) > 0 && len(c.Data) > 0 {
		for i := range v.checks {
			if k := &v.checks[i]; k.payload {
				d.sums[i] = k.update(d.sums[i], c.Data)
			}
		}
	}
	if !in.Last {
		if !in.First && len(c.Data) == 0 && c.Lost == 0 {
			return nil, nil
		}
		return c, nil
	}
	c.Trailer = d.trailer
	c.TrailerOff = in.HeaderOff + int64(h.Size) + h.Length
	if v != nil && len(v.trailer) > 0 {
		if err := d.end(v, c); err != nil {
			d.bad = 0
			if !c.First && len(c.Data) == 0 && c.Lost == 0 {
				d.err = err
				return nil, err
			}
			c.Last, c.Trailer, d.later = false, nil, err
			return c, nil
		}
	}
	if v != nil && len(v.checks) > 0 {
		d.endChecks(v, c)
	}
	return c, nil
}

// end looks at the constants behind a payload: when they are not there, the
// length was wrong.
func (d *Decoder) end(v *variant, c *Chunk) error {
	if d.lost {
		return nil
	}
	at := 0
	for i := range v.trailer {
		f := &v.trailer[i]
		if f.equals != nil {
			if ok, _ := f.constant(d.trailer, at); !ok {
				return d.Framing.fault64(c.TrailerOff+int64(at), f.size, f.name, "found %s, expected %s", hexText(d.trailer[at:], f.size), hexText(f.equals, f.size))
			}
		}
		at += f.size
	}
	return nil
}

// Gap says that the next n bytes of the stream are missing. As in frame.Decoder
// the chunk tells how many of them were of a payload; the error has
// frame.ErrLost when the place of the next header is not known.
func (d *Decoder) Gap(n int64) (*Chunk, error) {
	d.start()
	if d.later != nil {
		d.err, d.later = d.later, nil
	}
	if d.err != nil {
		return nil, d.err
	}
	in, err := d.d.Gap(n)
	if err != nil {
		d.fail(err)
		d.pre, d.preAt = d.pre[:0], 0
	}
	if in == nil {
		return nil, d.err
	}
	c, e := d.take(in)
	if d.err == nil {
		d.err = e
	}
	return c, d.err
}

// Close says that the stream is over. The error is nil if it ended between two
// frames, or in a payload that the end of the stream ends.
func (d *Decoder) Close() error {
	d.start()
	if d.later != nil {
		return d.later
	}
	if d.err != nil {
		return d.err
	}
	err := d.d.Close()
	if err == nil {
		return nil
	}
	e := (*decode.Error)(nil)
	if errors.As(err, &e) && errors.Is(err, io.ErrUnexpectedEOF) {
		e.Layer = d.Framing.name
		if e.Field == "payload" {
			h := d.chunk.Header
			if h.Length < 0 {
				return nil
			}
			missing := d.chunk.HeaderOff + int64(h.Size) + h.Length + int64(h.Trailer) - e.Off
			e.Field = h.PayloadName()
			if missing <= int64(h.Trailer) {
				e.Field = "trailer"
			}
			e.Err = &cut{fmt.Sprintf("the stream ends here, %s missing", plural(missing))}
		} else {
			e.Err = &cut{fmt.Sprintf("the stream ends inside a header, behind %s of it", plural(int64(len(d.d.Partial()))))}
		}
	}
	return err
}

// Memory returns how many bytes the Decoder holds, about.
func (d *Decoder) Memory() int64 {
	n := cap(d.d.Partial()) + cap(d.pre) + cap(d.keep) + cap(d.trailer) + 24*cap(d.checks)
	if h := d.chunk.Header; h != nil {
		n += cap(h.raw) + 48*cap(h.lines)
	}
	return int64(n)
}

// Missing returns how many bytes of the current frame are still to come; -1 for
// one that the end of the stream ends.
func (d *Decoder) Missing() int64 {
	h := d.chunk.Header
	if h == nil || d.chunk.Last {
		return 0
	}
	if h.Length < 0 {
		return -1
	}
	return max(d.chunk.HeaderOff+int64(h.Size)+h.Length+int64(h.Trailer)-d.d.Offset(), 0)
}

func plural(n int64) string {
	if n == 1 {
		return "1 byte"
	}
	return fmt.Sprintf("%d bytes", n)
}

// A cut is an io.ErrUnexpectedEOF in other words.
type cut struct{ text string }

func (c *cut) Error() string { return c.text }

func (c *cut) Unwrap() error { return io.ErrUnexpectedEOF }
