package packet

import "testing"

var fastPath = []struct {
	name   string
	link   uint16
	packet string
}{
	{"EthernetIPv4", linkEthernet, ether(typeIPv4, v4(ProtoTCP, tcpOptions))},
	{"EthernetIPv6", linkEthernet, ether(typeIPv6, v6(ProtoTCP, tcpOptions))},
	{"SLL2IPv6", linkSLL2, "86dd 0000 00000001 0304 00 06 0000000000000000" + v6(ProtoTCP, tcpOptions)},
	{"VLAN", linkEthernet, ether(typeVLAN, "0064 0800"+v4(ProtoTCP, tcpOptions))},
	{"SLL", linkSLL, "0000 0304 0006 0000000000000000 0800" + v4(ProtoTCP, tcpOptions)},
	{"Null", linkNull, "02000000" + v4(ProtoTCP, tcpOptions)},
	{"Raw", linkRaw, v4(ProtoTCP, tcpOptions)},
	{"PPP", linkPPP, "ff03 0021" + v4(ProtoTCP, tcpOptions)},
	{"QinQ", linkEthernet, ether(typeQinQ, "0064 8100 0065 0800"+v4(ProtoTCP, tcpOptions))},
	{"VXLAN", linkEthernet, overUDP(4789, "08000000 00000100"+ether(typeIPv4, v4(ProtoTCP, tcpOptions)))},
	{"GRE", linkEthernet, over4(protoGRE, "0000 0800"+v4(ProtoTCP, tcpOptions))},
	{"IPv6Extensions", linkEthernet, ether(typeIPv6, v6(protoHopByHop, "3c00 050200000100 0600 010400000000"+tcpOptions))},
}

// BenchmarkParse parses packets that lie one behind the other, as in a mapped
// file.
func BenchmarkParse(b *testing.B) {
	for _, bb := range fastPath {
		b.Run(bb.name, func(b *testing.B) {
			one := unhex(b, bb.packet)
			const n = 1 << 10
			stride := len(one) + 16
			file := make([]byte, n*stride)
			for i := range n {
				copy(file[i*stride:], one)
			}
			var ps Parser
			var p Packet
			i := 0
			b.ReportAllocs()
			for b.Loop() {
				data := file[i*stride:][:len(one)]
				if c := ps.Parse(bb.link, data, uint32(len(one)), 0, &p); c != OK || p.DstPort != 80 {
					b.Fatal(c)
				}
				i = (i + 1) % n
			}
		})
	}
}

func TestParseAllocatesNothing(t *testing.T) {
	for _, tt := range fastPath {
		data := unhex(t, tt.packet)
		var ps Parser
		var p Packet
		if n := testing.AllocsPerRun(100, func() {
			if c := ps.Parse(tt.link, data, uint32(len(data)), 0, &p); c != OK || p.DstPort != 80 {
				t.Fatalf("%s: %v", tt.name, c)
			}
			for o := p.Options(); o.Next(); {
				o.Timestamps()
			}
		}); n != 0 {
			t.Errorf("%s: %v allocations per packet, want 0", tt.name, n)
		}
	}
}
