package output

import "encoding/binary"

// Between the Encoder and the table an item is a tag, the connection it belongs
// to, a few numbers, and text that is ready to be printed. Both ends are in this
// process: what is read was written by rows.

type tag byte

const (
	tagRow tag = iota + 1
	tagHandshake
	tagHTTP
	tagFinding
	tagClose
	tagEnd
	tagPacket
	tagSummary
)

func putInt(dst []byte, n int64) []byte { return binary.AppendVarint(dst, n) }

func putText[T string | []byte](dst []byte, s T) []byte {
	return append(binary.AppendUvarint(dst, uint64(len(s))), s...)
}

// parts reads what putInt and putText wrote. Past the end it reads zeros.
type parts struct{ b []byte }

func (p *parts) int() int64 {
	v, n := binary.Varint(p.b)
	p.b = p.b[max(n, 0):]
	return v
}

func (p *parts) text() []byte {
	size, n := binary.Uvarint(p.b)
	p.b = p.b[max(n, 0):]
	s := p.b[:min(size, uint64(len(p.b)))]
	p.b = p.b[len(s):]
	return s
}

func (p *parts) tag() tag {
	if len(p.b) == 0 {
		return 0
	}
	t := tag(p.b[0])
	p.b = p.b[1:]
	return t
}
