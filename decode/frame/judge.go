package frame

// A Judge weighs whether bytes are frames of its format. Bits are logarithms to
// the base 2 of how much more likely something is among frames than among other
// bytes.
type Judge[H any] interface {
	Format[H]
	// First reports whether a header may begin with byte b.
	First(b byte) bool
	// Follow weighs a header behind others. State 0 stands for none; the state
	// that is returned, which is never 0, is given for the next header. It
	// reports false if the header cannot be there.
	Follow(s State, h *H) (State, Weight, bool)
	// Payload weighs b, the payload of a header that Follow brought to state s.
	// pattern is what remains of the bits if the payload may be a repeating
	// pattern.
	Payload(s State, h *H, b []byte, t *Traits) (bits, pattern float64)
	// Demand says what is asked for. The answer may change during a search.
	Demand() Demand
}

// A State is what a Judge remembers of the headers of a chain.
type State uint64

// A Weight says how likely a header is.
type Weight struct {
	// Real is the probability of such a header among headers in this place,
	// Chance that among random bytes. If Real is zero, the header is possible
	// but speaks for nothing, nor does its frame.
	Real, Chance float64
	// Reach is how many different lengths such a header can tell.
	Reach float64
	// Class is the kind of header, below 64. How often it is seen in the bytes
	// counts besides Chance.
	Class uint8
	// Hidden says that frames inside the payload would not look like frames.
	// Telling says that the header does not look like the tag and the length
	// of another format. Last says that such a frame is the last of a stream.
	// Alike says that the header and the one before it have in common what
	// chance does not repeat, and the one before that has not: that one is in
	// doubt.
	Hidden, Telling, Last, Alike bool
}

// Traits describe the bytes that were seen.
type Traits struct {
	// Bytes counts them, Printable those that are printable ASCII.
	Bytes, Printable int64
}

// A Demand says when a Finder is convinced.
type Demand struct {
	// Bits and Pattern are what a chain needs against chance, and against a
	// repeating pattern.
	Bits, Pattern float64
	// Head and HeadPattern are what the boundary needs against the chain having
	// begun at a later one.
	Head, HeadPattern float64
	// First and HeadFirst take the place of Bits and Head where each header
	// begins a packet, and the first one the bytes behind the loss.
	First, HeadFirst float64
	// Lead is how much better than any other chain it must be.
	Lead float64
	// Packet is what a frame that fills packets tells against a pattern if it
	// is like the one before: nothing where other protocols may have messages.
	Packet float64
	// Aligned is how many headers must begin a packet, Telling how many must be
	// Hidden or Telling; if that is not zero, most must be.
	Aligned, Telling int32
	// Span is how many bytes a chain must go over whose frames neither begin
	// packets nor are Hidden: it may be frames inside the payload of another.
	// PlainSpan is the same for chains without a Telling header.
	Span, PlainSpan int64
	// GiveUp is the number of bytes after which no more is expected from a
	// stream without a promising chain; zero means never.
	GiveUp int64
}
