package packet

import (
	"testing"
	"unsafe"
)

// FuzzParse: any bytes under any link type give a cause and slices that lie
// inside the packet, and nothing that is remembered from one packet harms the
// next.
func FuzzParse(f *testing.F) {
	for _, tt := range fastPath {
		f.Add(tt.link, unhex(f, tt.packet), uint16(0))
	}
	tcp := v4(ProtoTCP, tcpData)
	for link, s := range map[uint16]string{
		linkRadiotap:     "0000 0900 02000000 10 8801 0000 020000000003 020000000001 020000000002 0000 0000" + snap + "0800" + tcp,
		linkPPI:          "00 00 2000 69000000 0200 1400 0000000000000000 0100 0000 0000 0000 0000 0000" + "0801",
		linkPktap:        "3c 00 00 00 00 00 0c00 00000000",
		linkNFLog:        "02 00 0000 0800 0100 08000000 3000 0900" + tcp,
		linkFrameRelay:   "1841 03 00 80 0080c2 0007" + ether(typeIPv4, tcp),
		linkJuniperATM1:  "4d4743 81 0005 0301010203 01020304" + snap + "0800" + tcp,
		linkERF:          "0000000000000000 82 04 0000 0000 0000 0000000000000000 0000" + ether(typeIPv4, tcp),
		linkTokenRing:    "10 40 020000000002 820000000001 0630 0011 0020" + snap + "0800" + tcp,
		linkMFR:          "c001 1841 03 cc" + tcp,
		linkPPP:          "003d c0000001 0021" + tcp,
		linkARCnetLinux:  "01 02 0000 d4 00 0001" + tcp,
		linkIPv6:         v6(protoHopByHop, "3c00 050200000100 2b00 010400000000 3300 0001 00000000"+tcpData),
		linkIPv4:         "4700 0034 1234 2000 4006 0000 0a000001 0a000009 8307 04 0a000002 00" + tcpData,
		linkEthernet:     ether(typeMPLS, "00064040 00065140 00000000"+ether(typeNSH, "0fc2 0203 00000100"+ether(typeIPv4, tcp))),
		linkSLL:          "0000 0304 0006 0000000000000000 88e7 00000001" + ether(typePPPoE, "1100 0001 0032 0021"+tcp),
		linkRaw:          outer4(protoGRE, "5000 0800 00000000 33333333 0800 0004 c0000203 0000 0000"+tcp),
		linkNull:         "02000000" + outer4(ProtoUDP, udpTo(2152, "34ff 0034 00000001 0000 00 85 01 1001 00"+tcp)),
		linkLoop:         "00000002" + outer4(ProtoUDP, udpTo(1701, "4a02 003c 0001 0002 0003 0004 0001 00 21"+tcp)),
		linkRaw12:        outer4(ProtoUDP, udpTo(37008, "01 00 0001 00 0a01c0 01"+ether(typeIPv4, tcp))),
		linkRaw14:        outer4(ProtoUDP, udpTo(3544, "0001 0000 0000000000000000 00 0000 8000 5ffffffe"+v6(ProtoTCP, tcpData))),
		linkJuniperEther: "4d4743 81 0005 0301010203" + ether(typeMACsec, "20 00 00000001 0200000000010001 0800"+tcp),
		linkCHDLC:        "0f00 22f3 0040 0001 0002 aabbccdd" + ether(typeIPv4, tcp),
	} {
		f.Add(link, unhex(f, s), uint16(100))
	}
	f.Fuzz(func(t *testing.T, link uint16, data []byte, more uint16) {
		data = data[:len(data):len(data)]
		before := string(data)
		ps := Parser{MaxFragmentBytes: 1 << 17, MaxDatagrams: 2}
		parse := func(b []byte, more uint16, p *Packet) Cause {
			c := ps.Parse(link, b, uint32(len(b))+uint32(more), int64(more)*1e9, p)
			checkSound(t, p, c)
			if len(p.Segment) > 0 && p.Fragments == 0 && !inside(p.Segment, data) {
				t.Fatal("the segment lies outside of the packet")
			}
			for o := p.Options(); o.Next(); {
				if len(o.Data) > 0 && p.Fragments == 0 && !inside(o.Data, data) {
					t.Fatal("an option lies outside of the packet")
				}
			}
			_ = p.Protocol()
			if ps.frags.bytes > 1<<17 || len(ps.frags.table) > 2 {
				t.Fatalf("%d bytes and %d datagrams are kept", ps.frags.bytes, len(ps.frags.table))
			}
			return c
		}
		var p, q Packet
		parse(data, more, &p)
		half := len(data) / 2
		parse(data[:half:half], more, &p)
		c1 := parse(data, 0, &p)
		c2 := parse(data, 0, &q)
		if string(data) != before {
			t.Fatal("the packet was changed")
		}
		// The same packet says the same, unless fragments are in it.
		if c1 != Fragment && p.Fragments == 0 && (c1 != c2 || flow(&p) != flow(&q)) {
			t.Fatalf("once %v, then %v", c1, c2)
		}
	})
}

// inside reports whether a is a part of b.
func inside(a, b []byte) bool {
	start, end := uintptr(unsafe.Pointer(unsafe.SliceData(a))), uintptr(unsafe.Pointer(unsafe.SliceData(b)))
	return start >= end && start+uintptr(len(a)) <= end+uintptr(len(b))
}
