// Package inflate decompresses what permessage-deflate sends: raw DEFLATE
// (RFC 1951), one message after the other, each without its last four bytes
// and with the output of those before it as history (RFC 7692).
//
// Unlike compress/flate it is pushed: input comes in pieces of any size, and
// output goes out as runs of the window itself, without a copy. The window
// stays where it is between messages.
package inflate

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"

	"framescope/decode"
)

// ErrHistory is inside the error for a reference to bytes that came before
// Lose: the data may be right, but what it refers to is not known.
var ErrHistory = errors.New("the history that is referred to was lost")

const (
	windowSize = 32 << 10 // the farthest distance (RFC 1951 section 2)
	bufMin     = 1 << 10
	bufMax     = 2 * windowSize
	maxMatch   = 258
	// slack is the end of the buffer in which no symbol begins: room for a
	// match, and for the last store of a copy that works by words.
	slack  = maxMatch + 32
	maxRun = windowSize - maxMatch
)

type state uint8

const (
	blockHeader state = iota
	storedLength
	storedData
	codeCounts
	codeLengthCodes
	codeLengths
	symbols
)

// An Inflater decompresses the messages of one direction of a connection. The
// zero Inflater is ready for the first one.
//
// An idle one holds the window, which grows with the output up to 64 KiB, and
// 8 KiB of tables once a block had its own Huffman codes. Nothing is allocated
// once both have grown.
type Inflater struct {
	buf []byte // the history, then the run that was returned last
	w   int    // where the next byte goes

	bits uint64 // input bits not yet used, the next one lowest
	n    uint   // how many there are; those above are zero between calls
	in   int64  // input bytes of this message

	state    state
	final    bool // BFINAL of the current block
	finished bool // that was the last block, and nothing came behind it
	lost     bool // the history does not reach back to the last Reset
	far      int
	err      error

	left       int // bytes of a stored block to come
	nlit, ndst int // code lengths of a dynamic block
	nclen, got int
	mark       int64 // where the code lengths begin in the message

	codes *codes // of the current block
	own   *codes // memory for those of dynamic blocks
}

// Reset makes the Inflater forget its history and an error: the next byte is
// the first of a message that refers to nothing before it. It is called before
// each message when the sender does without context takeover.
func (z *Inflater) Reset() {
	z.w = 0
	z.lost = false
	z.begin()
}

// Lose says that bytes of the compressed stream are missing or were not
// decompressed: the next byte is the first of a message, and the history
// before it is unknown. References to what came before are ErrHistory, all
// others work.
func (z *Inflater) Lose() {
	z.Reset()
	z.lost = true
}

// Release gives the memory up. The Inflater is then as new.
func (z *Inflater) Release() { *z = Inflater{} }

// Farthest returns the farthest distance that a reference has reached back
// since the Inflater was new, 0 to 32768. A sender that has agreed to a smaller
// window must not exceed that (RFC 7692 section 7.1.2), but is understood.
func (z *Inflater) Farthest() int { return z.far }

func (z *Inflater) begin() {
	z.bits, z.n, z.in = 0, 0, 0
	z.state, z.final, z.finished, z.err = blockHeader, false, false, nil
}

// Next decompresses the next bytes of a message. It takes n bytes of src and
// returns a run of at most 32 KiB of output, which is valid until the next call
// and must not be changed.
//
// It is called again, with what is left of src, until it returns no output.
// Then all of src is taken, unless there is an error: a *decode.Error that says
// where in the compressed message, and which is returned until the next
// message. A caller that has seen enough may stop at any time, but must then
// call Reset or Lose before the next message.
func (z *Inflater) Next(src []byte) (out []byte, n int, err error) {
	if z.err != nil {
		return nil, 0, z.err
	}
	if len(src) > 0 {
		z.finished = false
	}
	if z.w >= len(z.buf)-slack {
		if len(src) == 0 && z.n == 0 {
			return nil, 0, nil
		}
		z.room(len(src))
	}
	start := z.w
	stop := min(len(z.buf)-slack, start+maxRun)
	for z.w < stop {
		var more bool
		switch z.state {
		case symbols:
			n, more = z.symbols(src, n, stop)
		case storedData:
			n, more = z.stored(src, n, stop)
		default:
			n, more = z.header(src, n)
		}
		if !more {
			break
		}
	}
	z.in += int64(n)
	if z.w == start {
		return nil, n, z.err
	}
	return z.buf[start:z.w:z.w], n, nil
}

// EndMessage says that all bytes of a message were given to Next: it stands
// for the four bytes 00 00 ff ff that the sender has left away (RFC 7692
// section 7.2.1). The error is the one that Next has returned, or says that
// the message ended where it may not: then it has io.ErrUnexpectedEOF.
//
// The next byte is the first of the next message. After an error its history
// is unknown, as after Lose.
//
// A message may end behind the header of a stored block, as the RFC demands,
// but also behind a final block or without a single byte: both happen, and
// nothing is missing then.
func (z *Inflater) EndMessage() error {
	err := z.err
	if err == nil {
		aligned := z.n == 0 && (z.state == storedLength || z.state == blockHeader && (z.finished || z.in == 0))
		if !aligned {
			err = z.fail(z.in, "message", io.ErrUnexpectedEOF)
		}
	}
	if err != nil {
		z.Lose()
		return err
	}
	z.begin()
	return nil
}

// room makes place in the buffer for at least one run.
func (z *Inflater) room(input int) {
	if size := len(z.buf); size < bufMax {
		// Four times the input is what JSON needs; the rest comes by doubling.
		need := z.w + slack + 4*min(input, bufMax)
		size = max(2*size, bufMin)
		for size < need && size < bufMax {
			size *= 2
		}
		buf := make([]byte, size)
		copy(buf, z.buf[:z.w])
		z.buf = buf
		return
	}
	copy(z.buf, z.buf[z.w-windowSize:z.w])
	z.w = windowSize
	z.lost = false
}

// fail ends the message. off counts from its beginning.
func (z *Inflater) fail(off int64, field string, err error) error {
	z.err = &decode.Error{Layer: "deflate", Off: off, Field: field, Err: err}
	return z.err
}

// at returns the offset in the message of the byte that has the next bit, when
// i bytes of the current input are taken and n bits of them are left.
func (z *Inflater) at(i int, n uint) int64 { return (8*(z.in+int64(i)) - int64(n)) >> 3 }

// refill takes bytes from src[i:] until at least 56 bits are there, or src is
// used up. The bits above n may belong to the next bytes of src.
func refill(src []byte, i int, bits uint64, n uint) (int, uint64, uint) {
	if i+8 <= len(src) {
		bits |= binary.LittleEndian.Uint64(src[i:]) << (n & 63)
		i += int((63 - n) >> 3)
		return i, bits, n | 56
	}
	for n < 56 && i < len(src) {
		bits |= uint64(src[i]) << (n & 63)
		i++
		n += 8
	}
	return i, bits, n
}

// header reads what comes before the data of a block, from src[i:]. It returns
// where it stopped, and false if it needs more input or there is an error.
func (z *Inflater) header(src []byte, i int) (int, bool) {
	bits, n := z.bits, z.n
	st := z.state
	more := false
loop:
	for {
		if n < 32 {
			i, bits, n = refill(src, i, bits, n)
		}
		switch st {
		case blockHeader:
			if n < 3 {
				break loop
			}
			z.finished = false
			z.final = bits&1 != 0
			kind := bits >> 1 & 3
			if kind == 3 {
				z.fail(z.at(i, n), "block type", errors.New("3 is reserved"))
				break loop
			}
			bits >>= 3
			n -= 3
			switch kind {
			case 0:
				// RFC 1951 section 3.2.4: the rest of the byte is skipped.
				bits >>= n & 7
				n &^= 7
				st = storedLength
			case 1:
				z.codes = fixedCodes()
				st, more = symbols, true
				break loop
			case 2:
				st = codeCounts
			}
		case storedLength:
			if n < 32 {
				break loop
			}
			if l := uint16(bits); uint16(bits>>16) != ^l {
				z.fail(z.at(i, n), "stored length", fmt.Errorf("%d is not confirmed by its complement", l))
				break loop
			}
			z.left = int(uint16(bits))
			bits >>= 32
			n -= 32
			st, more = storedData, true
			break loop
		case codeCounts:
			if n < 14 {
				break loop
			}
			z.nlit, z.ndst, z.nclen = int(bits&31)+257, int(bits>>5&31)+1, int(bits>>10&15)+4
			if z.nlit > 286 || z.ndst > 30 {
				z.fail(z.at(i, n), "code counts", fmt.Errorf("%d literal and length codes, %d distance codes", z.nlit, z.ndst))
				break loop
			}
			bits >>= 14
			n -= 14
			if z.own == nil {
				z.own = new(codes)
			}
			z.codes = z.own
			z.own.lens = [len(z.own.lens)]uint8{}
			z.got = 0
			z.mark = z.at(i, n)
			st = codeLengthCodes
		case codeLengthCodes:
			for z.got < z.nclen && n >= 3 {
				z.own.lens[codeOrder[z.got]] = uint8(bits & 7)
				bits >>= 3
				n -= 3
				z.got++
			}
			if z.got < z.nclen {
				if i == len(src) {
					break loop
				}
				continue
			}
			if !z.own.buildLengths() {
				z.fail(z.mark, "code length codes", errBadCode)
				break loop
			}
			z.got = 0
			z.mark = z.at(i, n)
			st = codeLengths
		case codeLengths:
			i, bits, n = z.lengths(src, i, bits, n)
			if z.err != nil || z.got < z.nlit+z.ndst {
				break loop
			}
			if field, err := z.own.build(z.nlit, z.ndst); err != nil {
				z.fail(z.mark, field, err)
				break loop
			}
			st, more = symbols, true
			break loop
		}
	}
	z.state = st
	z.keep(bits, n)
	return i, more
}

// keep stores the bits that are left, and only these.
func (z *Inflater) keep(bits uint64, n uint) {
	z.bits = bits & (1<<n - 1)
	z.n = n
}

// lengths reads code lengths (RFC 1951 section 3.2.7) until all are there or
// the input ends.
func (z *Inflater) lengths(src []byte, i int, bits uint64, n uint) (int, uint64, uint) {
	c := z.own
	for total := z.nlit + z.ndst; z.got < total; {
		if n < 14 {
			i, bits, n = refill(src, i, bits, n)
		}
		e := c.dist[bits&(1<<lengthBits-1)]
		l := uint(e & 63)
		if l > n {
			break
		}
		v := uint8(e >> 16)
		if v < 16 && e&special == 0 {
			c.lens[z.got] = v
			z.got++
			bits >>= l
			n -= l
			continue
		}
		if e&special != 0 {
			z.fail(z.at(i, n), "code lengths", errNoCode)
			break
		}
		var rep int
		var extra uint
		prev := uint8(0)
		switch v {
		case 16:
			rep, extra = 3+int(bits>>l&3), 2
			if z.got == 0 {
				z.fail(z.at(i, n), "code lengths", errors.New("the first repeats the one before it"))
				return i, bits, n
			}
			prev = c.lens[z.got-1]
		case 17:
			rep, extra = 3+int(bits>>l&7), 3
		default:
			rep, extra = 11+int(bits>>l&127), 7
		}
		if l += extra; l > n {
			break
		}
		if z.got+rep > total {
			z.fail(z.at(i, n), "code lengths", fmt.Errorf("%d repetitions where %d lengths are to come", rep, total-z.got))
			break
		}
		for range rep {
			c.lens[z.got] = prev
			z.got++
		}
		bits >>= l
		n -= l
	}
	return i, bits, n
}

// stored copies the data of a stored block from src[i:] to the window.
func (z *Inflater) stored(src []byte, i, stop int) (int, bool) {
	for z.left > 0 && z.n > 0 && z.w < stop {
		z.buf[z.w] = byte(z.bits)
		z.w++
		z.left--
		z.bits >>= 8
		z.n -= 8
	}
	if z.n == 0 {
		m := min(z.left, stop-z.w, len(src)-i)
		copy(z.buf[z.w:], src[i:i+m])
		z.w += m
		z.left -= m
		i += m
	}
	if z.left > 0 {
		return i, z.w < stop && i < len(src)
	}
	z.endBlock()
	return i, true
}

// endBlock goes on behind a block.
func (z *Inflater) endBlock() {
	z.state = blockHeader
	if z.final {
		// RFC 7692 section 7.2.3.4: another block may follow a final one, at
		// the next byte, with the same history.
		z.bits >>= z.n & 7
		z.n &^= 7
		z.finished = true
	}
}
