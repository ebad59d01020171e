package nlmsg

import "bytes"

// AttrAt returns the type of the attribute at b[off:], without the bits beside
// TypeMask (a kernel answers with 0x8001 where it was asked with 1), and its
// length with its header: the value is b[off+AttrLen:off+n], and the next
// attribute is at off+Align(n), which may be beyond the end of b.
//
// If the attribute is cut off, n is not positive: the negative of what its header
// says, or 0 if that is not there.
func AttrAt(b []byte, off int) (typ uint16, n int) {
	if len(b)-off < AttrLen {
		return 0, 0
	}
	n = int(ne.Uint16(b[off:]))
	typ = ne.Uint16(b[off+2:]) & TypeMask
	if n < AttrLen || n > len(b)-off {
		return typ, -n
	}
	return typ, n
}

// Attrs yields types and values up to the end of b, or the first attribute that
// is cut off.
func Attrs(b []byte) func(yield func(typ uint16, value []byte) bool) {
	return func(yield func(uint16, []byte) bool) {
		for off := 0; ; {
			typ, n := AttrAt(b, off)
			if n <= 0 || !yield(typ, b[off+AttrLen:off+n:off+n]) {
				return
			}
			off += Align(n)
		}
	}
}

// Find returns the value of the first attribute of a type, or nil. One that is
// there but empty is an empty slice.
func Find(b []byte, typ uint16) []byte {
	for t, v := range Attrs(b) {
		if t == typ {
			return v
		}
	}
	return nil
}

// String returns the text of a value: it ends at its first zero byte, if there is
// one.
func String(value []byte) []byte {
	if i := bytes.IndexByte(value, 0); i >= 0 {
		return value[:i]
	}
	return value
}
