package packet_test

import (
	"encoding/hex"
	"fmt"

	"framescope/decode/packet"
)

func ExampleParser_Parse() {
	// An Ethernet frame with a SYN, as it stands in a capture.
	data, _ := hex.DecodeString("020000000002020000000001" + "0800" +
		"4500002c1234400040060000" + "0a0000010a000002" +
		"c350005000000001000000006002faf000000000" + "020405b4")
	var parser packet.Parser
	var p packet.Packet
	if cause := parser.Parse(1, data, uint32(len(data)), 0, &p); cause != packet.OK {
		fmt.Println(cause)
		return
	}
	fmt.Printf("%s %s:%d > %s:%d %s\n", p.Protocol(), p.Src, p.SrcPort, p.Dst, p.DstPort, packet.AppendFlags(nil, p.Flags))
	for o := p.Options(); o.Next(); {
		if mss, ok := o.MSS(); ok {
			fmt.Println("mss", mss)
		}
	}
	// Output:
	// tcp 10.0.0.1:50000 > 10.0.0.2:80 SYN
	// mss 1460
}
