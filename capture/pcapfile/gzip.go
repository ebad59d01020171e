package pcapfile

import (
	"bufio"
	"compress/flate"
	"compress/gzip"
	"errors"
	"io"
)

// A counter counts the bytes that are read through it.
type counter struct {
	rd io.Reader
	n  int64
}

func (c *counter) Read(b []byte) (int, error) {
	n, err := c.rd.Read(b)
	c.n += int64(n)
	return n, err
}

var errTrailing = errors.New("what follows the compressed data is not gzip")

// A gunzip reads gzip members that follow each other (RFC 1952 section 2.2).
// Zeros behind them are padding.
type gunzip struct {
	z     *gzip.Reader
	src   *bufio.Reader
	ended bool  // the member has been read
	err   error // sticky
}

func newGunzip(rd io.Reader) (*gunzip, error) {
	g := &gunzip{src: bufio.NewReaderSize(rd, 64<<10)}
	z, err := gzip.NewReader(g.src)
	if err != nil {
		return nil, err
	}
	z.Multistream(false)
	g.z = z
	return g, nil
}

func (g *gunzip) Read(b []byte) (int, error) {
	for g.err == nil {
		if g.ended {
			if g.err = g.next(); g.err != nil {
				break
			}
			g.ended = false
		}
		n, err := g.z.Read(b)
		if g.ended = err == io.EOF; !g.ended {
			g.err = err
		}
		if n > 0 {
			// before it may have to wait for the next member
			return n, nil
		}
	}
	return 0, g.err
}

// next begins the next member. It returns io.EOF when there is none.
func (g *gunzip) next() error {
	for {
		h, err := g.src.Peek(2)
		switch {
		case len(h) > 0 && h[0] == 0:
			if _, err := g.src.Discard(1); err != nil {
				return err
			}
			continue
		case err == io.EOF && len(h) == 1 && h[0] == 0x1f:
			return io.ErrUnexpectedEOF
		case err != nil && (err != io.EOF || len(h) == 0):
			return err
		case len(h) < 2 || h[0] != 0x1f || h[1] != 0x8b:
			return errTrailing
		}
		if err := g.z.Reset(g.src); err != nil {
			return err
		}
		g.z.Multistream(false)
		return nil
	}
}

// gzipCause returns the cause for an error of the decompression.
func gzipCause(err error) error {
	var corrupt flate.CorruptInputError
	switch {
	case errors.Is(err, io.ErrUnexpectedEOF), errors.Is(err, io.EOF):
		return causef(ErrTruncated, "file ends inside the gzip data")
	case errors.As(err, &corrupt):
		return causef(ErrCorrupt, "gzip: the compressed data are damaged, at byte %d of the member", int64(corrupt))
	case errors.Is(err, gzip.ErrChecksum):
		return causef(ErrCorrupt, "gzip: the checksum does not match: the compressed data are damaged")
	case errors.Is(err, gzip.ErrHeader):
		return causef(ErrCorrupt, "gzip: the header of the compressed data is damaged")
	case errors.Is(err, errTrailing):
		return causef(ErrCorrupt, "gzip: %v", err)
	}
	return err
}
