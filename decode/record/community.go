package record

import (
	"crypto/sha1"
	"encoding/base64"
	"net/netip"
)

// IP protocol numbers for CommunityID, and for Conn.Transport.
const (
	IGMP = 2
	TCP  = 6
	UDP  = 17
	MLD  = 58 // that of ICMPv6
)

// CommunityID returns the flow hash of version 1 of the Community ID
// specification, with seed 0, for a flow of an IP protocol with ports. It is
// the same for both directions. It is "" when an address is missing or the two
// are of different families.
func CommunityID(protocol uint8, a, b netip.AddrPort) string {
	ipA, ipB := a.Addr().Unmap(), b.Addr().Unmap()
	if !ipA.IsValid() || ipA.BitLen() != ipB.BitLen() {
		return ""
	}
	portA, portB := a.Port(), b.Port()
	// Zones are no part of an address on the wire.
	ipA, ipB = ipA.WithZone(""), ipB.WithZone("")
	if c := ipA.Compare(ipB); c > 0 || c == 0 && portA > portB {
		ipA, ipB, portA, portB = ipB, ipA, portB, portA
	}
	var buf [2 + 2*16 + 2 + 2*2]byte // seed, addresses, protocol, padding, ports
	in := appendAddr(buf[:2], ipA)
	in = appendAddr(in, ipB)
	in = append(in, protocol, 0, byte(portA>>8), byte(portA), byte(portB>>8), byte(portB))
	sum := sha1.Sum(in)

	var out [2 + 28]byte // 28: base64 of 20 bytes
	copy(out[:], "1:")
	base64.StdEncoding.Encode(out[2:], sum[:])
	return string(out[:])
}

func appendAddr(dst []byte, a netip.Addr) []byte {
	if a.Is4() {
		b := a.As4()
		return append(dst, b[:]...)
	}
	b := a.As16()
	return append(dst, b[:]...)
}
