package lab

import (
	"encoding/binary"
	"iter"

	"golang.org/x/sys/unix"
)

// expressions are what nf_tables runs for a rule, each an attribute
// NFTA_LIST_ELEM. Values go through the register 1.
type expressions [][]byte

func (e *expressions) add(name string, attributes ...[]byte) {
	*e = append(*e, nest(unix.NFTA_LIST_ELEM, attr(unix.NFTA_EXPR_NAME, zero(name)), nest(unix.NFTA_EXPR_DATA, attributes...)))
}

func (e *expressions) meta(key uint32) {
	e.add("meta", be32(unix.NFTA_META_DREG, unix.NFT_REG_1), be32(unix.NFTA_META_KEY, key))
}

func (e *expressions) equal(value ...byte) { e.compare(cmpEqual, value...) }

func (e *expressions) compare(op uint32, value ...byte) {
	e.add("cmp", be32(unix.NFTA_CMP_SREG, unix.NFT_REG_1), be32(unix.NFTA_CMP_OP, op),
		nest(unix.NFTA_CMP_DATA, attr(unix.NFTA_DATA_VALUE, value)))
}

// mask keeps bits of the one byte that was loaded.
func (e *expressions) mask(m byte) {
	e.add("bitwise", be32(unix.NFTA_BITWISE_SREG, unix.NFT_REG_1), be32(unix.NFTA_BITWISE_DREG, unix.NFT_REG_1),
		be32(unix.NFTA_BITWISE_LEN, 1),
		nest(unix.NFTA_BITWISE_MASK, attr(unix.NFTA_DATA_VALUE, []byte{m})),
		nest(unix.NFTA_BITWISE_XOR, attr(unix.NFTA_DATA_VALUE, []byte{0})))
}

// load takes bytes of a header.
func (e *expressions) load(base, offset, size uint32) {
	e.add("payload", be32(unix.NFTA_PAYLOAD_DREG, unix.NFT_REG_1), be32(unix.NFTA_PAYLOAD_BASE, base),
		be32(unix.NFTA_PAYLOAD_OFFSET, offset), be32(unix.NFTA_PAYLOAD_LEN, size))
}

// store overwrites bytes, and mends the checksum of TCP.
func (e *expressions) store(base, offset, size uint32) {
	e.add("payload", be32(unix.NFTA_PAYLOAD_SREG, unix.NFT_REG_1), be32(unix.NFTA_PAYLOAD_BASE, base),
		be32(unix.NFTA_PAYLOAD_OFFSET, offset), be32(unix.NFTA_PAYLOAD_LEN, size),
		be32(unix.NFTA_PAYLOAD_CSUM_TYPE, unix.NFT_PAYLOAD_CSUM_NONE), be32(unix.NFTA_PAYLOAD_CSUM_OFFSET, 0),
		be32(unix.NFTA_PAYLOAD_CSUM_FLAGS, unix.NFT_PAYLOAD_L4CSUM_PSEUDOHDR))
}

// option takes one byte of the MPTCP option; without it the rule does not match.
func (e *expressions) option(offset uint32) {
	e.add("exthdr", be32(unix.NFTA_EXTHDR_DREG, unix.NFT_REG_1), attr(unix.NFTA_EXTHDR_TYPE, []byte{optionKind}),
		be32(unix.NFTA_EXTHDR_OFFSET, offset), be32(unix.NFTA_EXTHDR_LEN, 1), be32(unix.NFTA_EXTHDR_OP, unix.NFT_EXTHDR_OP_TCPOPT))
}

// optionPresent takes 1 if there is an MPTCP option, and 0 otherwise.
func (e *expressions) optionPresent() {
	e.add("exthdr", be32(unix.NFTA_EXTHDR_DREG, unix.NFT_REG_1), attr(unix.NFTA_EXTHDR_TYPE, []byte{optionKind}),
		be32(unix.NFTA_EXTHDR_OFFSET, 0), be32(unix.NFTA_EXTHDR_LEN, 1),
		be32(unix.NFTA_EXTHDR_FLAGS, unix.NFT_EXTHDR_F_PRESENT), be32(unix.NFTA_EXTHDR_OP, unix.NFT_EXTHDR_OP_TCPOPT))
}

// strip makes the first MPTCP option NOPs; if there is none, the rule ends.
func (e *expressions) strip() {
	e.add("exthdr", attr(unix.NFTA_EXTHDR_TYPE, []byte{optionKind}), be32(unix.NFTA_EXTHDR_OP, unix.NFT_EXTHDR_OP_TCPOPT))
}

func (e *expressions) counter() { e.add("counter") }

func (e *expressions) immediate(value ...byte) {
	e.add("immediate", be32(unix.NFTA_IMMEDIATE_DREG, unix.NFT_REG_1),
		nest(unix.NFTA_IMMEDIATE_DATA, attr(unix.NFTA_DATA_VALUE, value)))
}

func (e *expressions) verdict(code uint32) {
	e.add("immediate", be32(unix.NFTA_IMMEDIATE_DREG, unix.NFT_REG_VERDICT),
		nest(unix.NFTA_IMMEDIATE_DATA, nest(unix.NFTA_DATA_VERDICT, be32(unix.NFTA_VERDICT_CODE, code))))
}

func (e *expressions) reset() {
	e.add("reject", be32(unix.NFTA_REJECT_TYPE, unix.NFT_REJECT_TCP_RST), attr(unix.NFTA_REJECT_ICMP_CODE, []byte{0}))
}

func (e *expressions) masquerade() { e.add("masq") }

// attr is a netlink attribute, padded.
func attr(typ uint16, data []byte) []byte {
	b := binary.NativeEndian.AppendUint16(nil, uint16(unix.NLA_HDRLEN+len(data)))
	b = binary.NativeEndian.AppendUint16(b, typ)
	b = append(b, data...)
	return append(b, make([]byte, -len(data)&3)...)
}

// nest is an attribute that holds others.
func nest(typ uint16, attributes ...[]byte) []byte {
	var b []byte
	for _, a := range attributes {
		b = append(b, a...)
	}
	return attr(typ|unix.NLA_F_NESTED, b)
}

func be32(typ uint16, v uint32) []byte { return attr(typ, binary.BigEndian.AppendUint32(nil, v)) }

func zero(s string) []byte { return append([]byte(s), 0) }

type attribute struct {
	typ  uint16
	data []byte
}

// attrs yields the attributes in b, up to the first that is cut off.
func attrs(b []byte) iter.Seq[attribute] {
	return func(yield func(attribute) bool) {
		for len(b) >= unix.NLA_HDRLEN {
			size := int(binary.NativeEndian.Uint16(b))
			if size < unix.NLA_HDRLEN || size > len(b) {
				return
			}
			typ := binary.NativeEndian.Uint16(b[2:]) &^ (unix.NLA_F_NESTED | unix.NLA_F_NET_BYTEORDER)
			if !yield(attribute{typ, b[unix.NLA_HDRLEN:size]}) {
				return
			}
			b = b[min((size+3)&^3, len(b)):]
		}
	}
}

// find returns the data of the first attribute of the type, nil if there is none.
func find(b []byte, typ uint16) []byte {
	for a := range attrs(b) {
		if a.typ == typ {
			return a.data
		}
	}
	return nil
}
