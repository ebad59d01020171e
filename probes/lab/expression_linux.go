package lab

import (
	"encoding/binary"

	"golang.org/x/sys/unix"

	"framescope/probes/nlmsg"
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
func attr(typ uint16, data []byte) []byte { return nlmsg.AppendAttr(nil, typ, data...) }

// nest is an attribute that holds others.
func nest(typ uint16, attributes ...[]byte) []byte { return nlmsg.AppendNest(nil, typ, attributes...) }

func be32(typ uint16, v uint32) []byte { return attr(typ, binary.BigEndian.AppendUint32(nil, v)) }

func zero(s string) []byte { return append([]byte(s), 0) }
