package nlmsg

// MaxValue is the length of the longest value of an attribute, in bytes.
const MaxValue = 1<<16 - 1 - AttrLen

// AppendHeader appends the header of a message to the kernel. End completes it
// when its body stands behind it.
func AppendHeader(b []byte, typ, flags uint16, seq uint32) []byte {
	b = ne.AppendUint32(b, HeaderLen)
	b = ne.AppendUint16(b, typ)
	b = ne.AppendUint16(b, flags)
	b = ne.AppendUint32(b, seq)
	return ne.AppendUint32(b, 0)
}

// End says in the header at b[at:] that the message ends where b does.
func End(b []byte, at int) { ne.PutUint32(b[at:], uint32(len(b)-at)) }

// AppendAttr appends an attribute, and zeros up to the next multiple of four
// bytes. The value has at most MaxValue bytes.
func AppendAttr(b []byte, typ uint16, value ...byte) []byte {
	b = appendAttrHeader(b, typ, len(value))
	b = append(b, value...)
	return pad(b, len(value))
}

// AppendUint16 appends an attribute whose value is a number of the host.
func AppendUint16(b []byte, typ, v uint16) []byte {
	b = appendAttrHeader(b, typ, 2)
	return pad(ne.AppendUint16(b, v), 2)
}

// AppendUint32 appends an attribute whose value is a number of the host.
func AppendUint32(b []byte, typ uint16, v uint32) []byte {
	b = appendAttrHeader(b, typ, 4)
	return ne.AppendUint32(b, v)
}

// AppendNest appends an attribute that holds others: what the Append functions
// made, one or more a slice. Nested is added to the type.
func AppendNest(b []byte, typ uint16, attrs ...[]byte) []byte {
	n := 0
	for _, a := range attrs {
		n += len(a)
	}
	b = appendAttrHeader(b, typ|Nested, n)
	for _, a := range attrs {
		b = append(b, a...)
	}
	return b
}

func appendAttrHeader(b []byte, typ uint16, n int) []byte {
	b = ne.AppendUint16(b, uint16(AttrLen+n))
	return ne.AppendUint16(b, typ)
}

// pad appends what a value of n bytes lacks to a multiple of four.
func pad(b []byte, n int) []byte {
	for ; n%4 != 0; n++ {
		b = append(b, 0)
	}
	return b
}
