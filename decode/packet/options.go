package packet

// The kinds of TCP options (IANA). MPTCP's are left as bytes.
const (
	OptEnd           = 0
	OptNop           = 1
	OptMSS           = 2
	OptWindowScale   = 3
	OptSACKPermitted = 4
	OptSACK          = 5
	OptTimestamps    = 8
	OptMPTCP         = 30
	OptFastOpen      = 34
)

// Options walks the options of a TCP header. It allocates nothing and may be
// copied; its slices alias the packet.
//
//	for o := p.Options(); o.Next(); {
//		switch o.Kind { ... }
//	}
type Options struct {
	// Kind is the kind of the current option, never OptEnd or OptNop.
	Kind uint8
	// Data is the current option without its kind and length.
	Data []byte
	// Malformed says that an option is longer than the rest of the header or
	// shorter than its own two bytes: what follows cannot be read. A capture
	// that ends inside the options looks the same.
	Malformed bool

	rest []byte
}

// OptionsOf returns the options in b, the bytes of a TCP header from its 21st.
func OptionsOf(b []byte) Options { return Options{rest: b} }

// Next moves to the next option. It returns false at the end, and when the next
// option is malformed.
func (o *Options) Next() bool {
	for len(o.rest) > 0 {
		switch o.rest[0] {
		case OptNop:
			o.rest = o.rest[1:]
			continue
		case OptEnd:
			o.rest = nil
			return false
		}
		if len(o.rest) < 2 || o.rest[1] < 2 || int(o.rest[1]) > len(o.rest) {
			o.Malformed, o.rest = true, nil
			return false
		}
		n := int(o.rest[1])
		o.Kind, o.Data, o.rest = o.rest[0], o.rest[2:n:n], o.rest[n:]
		return true
	}
	return false
}

// MSS returns the maximum segment size of an OptMSS (RFC 9293 section 3.7.1),
// and false when the current option is not one.
func (o *Options) MSS() (uint16, bool) {
	if o.Kind != OptMSS || len(o.Data) != 2 {
		return 0, false
	}
	return be.Uint16(o.Data), true
}

// WindowScale returns by how many bits windows are shifted (RFC 7323 section
// 2), at most 14 as section 2.3 demands, and false when the current option is
// not an OptWindowScale.
func (o *Options) WindowScale() (uint8, bool) {
	if o.Kind != OptWindowScale || len(o.Data) != 1 {
		return 0, false
	}
	return min(o.Data[0], 14), true
}

// Timestamps returns the value and the echo reply of an OptTimestamps (RFC 7323
// section 3), and false when the current option is not one.
func (o *Options) Timestamps() (value, echo uint32, ok bool) {
	if o.Kind != OptTimestamps || len(o.Data) != 8 {
		return 0, 0, false
	}
	return be.Uint32(o.Data), be.Uint32(o.Data[4:]), true
}

// SACK returns block i of an OptSACK, the sequence numbers of its first byte
// and of the byte after its last (RFC 2018 section 3), and false when there is
// no such block.
func (o *Options) SACK(i int) (left, right uint32, ok bool) {
	if o.Kind != OptSACK || i < 0 || len(o.Data)%8 != 0 || i >= len(o.Data)/8 {
		return 0, 0, false
	}
	return be.Uint32(o.Data[i*8:]), be.Uint32(o.Data[i*8+4:]), true
}
