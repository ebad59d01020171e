package websocket

import (
	"crypto/sha256"
	"hash"

	"framescope/decode/inflate"
)

// A Config says what Sides are to do, and holds the memory that they share
// while frames and messages are on their way. Any number of Sides may share
// one, as long as one goroutine at a time uses them. It must not be copied or
// changed after the first use.
type Config struct {
	// Preview is how many bytes of a payload frames and messages show; zero
	// means none. Control frames always show all.
	Preview int
	// Full shows messages and data frames whole, up to MaxMessage bytes of a
	// message. Digest asks for the SHA-256 of messages.
	Full, Digest bool
	// MaxMessage bounds the bytes that are kept of one message; zero stands for
	// 16 MiB.
	MaxMessage int64
	// MaxInflate bounds the bytes that one message may inflate to; zero stands
	// for 256 MiB. The rest of such a message is not inflated.
	MaxInflate int64

	scratch   []byte // unmasked bytes on their way
	frames    []*frameState
	messages  []*messageState
	inflaters []*inflate.Inflater // of sides without context takeover
	digests   []*digest
	finders   []*Finder
	large     []byte // that held the largest message
}

const (
	scratchSize = 16 << 10

	// maxSpareKeep and maxSpare bound what is kept for later.
	maxSpareKeep = 64 << 10
	maxSpare     = 16
)

// keep returns how many bytes of a message are kept.
func (c *Config) keep() int64 {
	switch {
	case !c.Full:
		return int64(c.Preview)
	case c.MaxMessage > 0:
		return c.MaxMessage
	}
	return 16 << 20
}

func (c *Config) maxInflate() int64 {
	if c.MaxInflate > 0 {
		return c.MaxInflate
	}
	return 256 << 20
}

// unmask returns the beginning of p, at most scratchSize bytes, as it was
// before masking. It is valid until the next call.
func (c *Config) unmask(p []byte, h *Header, pos int64) []byte {
	if !h.Masked {
		return p
	}
	if c.scratch == nil {
		c.scratch = make([]byte, scratchSize)
	}
	n := min(len(p), scratchSize)
	Unmask(c.scratch[:n], p[:n], h.Mask, pos)
	return c.scratch[:n]
}

// A digest is a SHA-256 in the making.
type digest struct {
	hash.Hash
	sum [sha256.Size]byte
}

// take returns a spare value, or a new one.
func take[T any](spare *[]*T) *T {
	if n := len(*spare) - 1; n >= 0 {
		v := (*spare)[n]
		*spare = (*spare)[:n]
		return v
	}
	return new(T)
}

// give keeps a value for later.
func give[T any](spare *[]*T, v *T) {
	if len(*spare) < maxSpare {
		*spare = append(*spare, v)
	}
}

// larger returns a copy of b in the memory of a large message that is over, if
// that has more room, so that large messages do not each leave theirs behind.
func (c *Config) larger(b []byte) []byte {
	if cap(c.large) <= 2*cap(b) {
		return b
	}
	l := append(c.large[:0], b...)
	c.large = nil
	return l
}

// maxInflaters bounds the inflaters that are kept for later: each has up to 72
// KiB.
const maxInflaters = 8

func (c *Config) giveInflater(z *inflate.Inflater) {
	if len(c.inflaters) < maxInflaters {
		z.Reset()
		give(&c.inflaters, z)
	}
}

// maxFinders bounds the finders that are kept for later: each has up to 64 KiB.
const maxFinders = 4

func (c *Config) giveFinder(f *Finder) {
	if len(c.finders) < maxFinders {
		give(&c.finders, f)
	}
}

func (c *Config) takeDigest() *digest {
	d := take(&c.digests)
	if d.Hash == nil {
		d.Hash = sha256.New()
	}
	d.Reset()
	return d
}
