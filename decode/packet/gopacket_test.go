package packet

import (
	"bytes"
	"math/rand/v2"
	"net"
	"testing"

	"github.com/google/gopacket"
	"github.com/google/gopacket/layers"
)

// build makes a random packet with gopacket: VLAN tags, IP, perhaps tunnels,
// and TCP or UDP. It returns the innermost layers too.
func build(t *testing.T, rnd *rand.Rand) (data []byte, ip, transport gopacket.Layer, payload []byte) {
	var stack []gopacket.SerializableLayer
	add := func(l ...gopacket.SerializableLayer) { stack = append(stack, l...) }
	octet := func() byte { return byte(rnd.Uint32()) }
	coin := func() bool { return rnd.IntN(2) == 0 }
	var v6 bool
	addEthernet := func() {
		t := layers.EthernetTypeIPv4
		if v6 = coin(); v6 {
			t = layers.EthernetTypeIPv6
		}
		mac := net.HardwareAddr{2, 0, 0, 0, 0, 1}
		e := &layers.Ethernet{SrcMAC: mac, DstMAC: mac, EthernetType: t}
		add(e)
		for range rnd.IntN(3) {
			// Each tag takes the type of the one before.
			e.EthernetType = layers.EthernetTypeDot1Q
			if q, ok := stack[len(stack)-1].(*layers.Dot1Q); ok {
				q.Type = layers.EthernetTypeDot1Q
			}
			add(&layers.Dot1Q{VLANIdentifier: uint16(1 + rnd.IntN(4000)), Type: t})
		}
	}
	addIP := func(proto layers.IPProtocol) {
		if v6 {
			l := &layers.IPv6{Version: 6, NextHeader: proto, HopLimit: octet(), TrafficClass: octet(),
				SrcIP: net.IP{0: 0x20, 7: octet(), 15: octet()}, DstIP: net.IP{0: 0x20, 8: octet(), 15: octet()}}
			add(l)
			ip = l
			return
		}
		l := &layers.IPv4{Version: 4, Protocol: proto, TTL: octet(), TOS: octet(), Id: uint16(octet()),
			SrcIP: net.IP{10, octet(), 0, 1}, DstIP: net.IP{10, octet(), 0, 2}}
		if coin() {
			l.Options = []layers.IPv4Option{{OptionType: 148, OptionLength: 4, OptionData: []byte{0, 0}}}
		}
		add(l)
		ip = l
	}
	addEthernet()
	for range rnd.IntN(3) {
		switch rnd.IntN(4) {
		case 0:
			addIP(layers.IPProtocolGRE)
			add(&layers.GRE{Protocol: layers.EthernetTypeTransparentEthernetBridging, KeyPresent: coin(), SeqPresent: coin(), Key: 5})
		case 1:
			addIP(layers.IPProtocolUDP)
			add(&layers.UDP{SrcPort: 50000, DstPort: 4789}, &layers.VXLAN{ValidIDFlag: true, VNI: 7})
		case 2:
			addIP(layers.IPProtocolEtherIP)
			add(gopacket.Payload{0x30, 0})
		case 3:
			addIP(layers.IPProtocolUDP)
			add(&layers.UDP{SrcPort: 50000, DstPort: 6081}, gopacket.Payload{0, 0, 0x65, 0x58, 0, 0, 7, 0})
		}
		addEthernet()
	}
	if rnd.IntN(3) > 0 {
		addIP(layers.IPProtocolTCP)
		l := &layers.TCP{SrcPort: layers.TCPPort(rnd.Uint32()), DstPort: layers.TCPPort(rnd.Uint32()), Seq: rnd.Uint32(), Ack: rnd.Uint32(),
			SYN: coin(), ACK: coin(), FIN: coin(), NS: coin(), Window: uint16(rnd.Uint32()), Urgent: uint16(rnd.Uint32())}
		if coin() {
			l.Options = []layers.TCPOption{{OptionType: layers.TCPOptionKindMSS, OptionLength: 4, OptionData: []byte{5, 0xb4}},
				{OptionType: layers.TCPOptionKindNop}, {OptionType: OptMPTCP, OptionLength: 4, OptionData: []byte{1, 2}}}
		}
		add(l)
		transport = l
	} else {
		addIP(layers.IPProtocolUDP)
		l := &layers.UDP{SrcPort: layers.UDPPort(rnd.Uint32() | 0xc000), DstPort: layers.UDPPort(rnd.IntN(1000))}
		add(l)
		transport = l
	}
	payload = make([]byte, rnd.IntN(300))
	for i := range payload {
		payload[i] = octet()
	}
	add(gopacket.Payload(payload))
	buf := gopacket.NewSerializeBuffer()
	if err := gopacket.SerializeLayers(buf, gopacket.SerializeOptions{FixLengths: true}, stack...); err != nil {
		t.Fatal(err)
	}
	return buf.Bytes(), ip, transport, payload
}

// What gopacket writes is read back, field by field.
func TestParseGopacket(t *testing.T) {
	rnd := rand.New(rand.NewPCG(3, 4))
	var ps Parser
	var p Packet
	for i := range 3000 {
		data, ip, transport, payload := build(t, rnd)
		if c := ps.Parse(linkEthernet, data, uint32(len(data)), 0, &p); c != OK {
			t.Fatalf("packet %d: %v\n%x", i, c, data)
		}
		var src, dst net.IP
		var tos, ttl uint8
		switch l := ip.(type) {
		case *layers.IPv4:
			src, dst, tos, ttl = l.SrcIP, l.DstIP, l.TOS, l.TTL
		case *layers.IPv6:
			src, dst, tos, ttl = l.SrcIP, l.DstIP, l.TrafficClass, l.HopLimit
		}
		if !src.Equal(p.Src.Netip().AsSlice()) || !dst.Equal(p.Dst.Netip().AsSlice()) || p.TOS != tos || p.TTL != ttl {
			t.Fatalf("packet %d: got %v > %v, %d, %d; want %v > %v, %d, %d", i, p.Src, p.Dst, p.TOS, p.TTL, src, dst, tos, ttl)
		}
		if !bytes.Equal(p.Payload(), payload) || p.Wire != len(payload) {
			t.Fatalf("packet %d: got %d bytes of payload, want %d", i, len(p.Payload()), len(payload))
		}
		switch l := transport.(type) {
		case *layers.TCP:
			var flags uint16
			for f, set := range map[uint16]bool{SYN: l.SYN, ACK: l.ACK, FIN: l.FIN, AE: l.NS} {
				if set {
					flags |= f
				}
			}
			if p.SrcPort != uint16(l.SrcPort) || p.DstPort != uint16(l.DstPort) || p.Seq != l.Seq || p.Ack != l.Ack || p.Flags != flags || p.Window != l.Window || p.Urgent != l.Urgent {
				t.Fatalf("packet %d: got %+v, want %+v", i, p, l)
			}
			n := 0
			for o := p.Options(); o.Next(); n++ {
				if want := []uint8{OptMSS, OptMPTCP}[n]; o.Kind != want {
					t.Fatalf("packet %d: option %d, want %d", i, o.Kind, want)
				}
			}
			if want := min(2, len(l.Options)); n != want {
				t.Fatalf("packet %d: %d options, want %d", i, n, want)
			}
		case *layers.UDP:
			if p.SrcPort != uint16(l.SrcPort) || p.DstPort != uint16(l.DstPort) {
				t.Fatalf("packet %d: got ports %d and %d, want %v and %v", i, p.SrcPort, p.DstPort, l.SrcPort, l.DstPort)
			}
		}
	}
}

// Headers of 802.11 data frames are what gopacket takes them for, whole or cut
// off anywhere.
func TestDot11Gopacket(t *testing.T) {
	const data, kind, noData = 0x08, 0x0f, 0x40
	rnd := rand.New(rand.NewPCG(5, 6))
	sizes := map[int]int{}
	for i := range 20000 {
		b := make([]byte, rnd.IntN(44))
		for j := range b {
			b[j] = byte(rnd.Uint32())
		}
		if len(b) > 0 {
			b[0] = b[0]&^(kind|noData) | data
		}
		// It takes the last four bytes for a checksum.
		var mac layers.Dot11
		err := mac.DecodeFromBytes(append(bytes.Clone(b), 0, 0, 0, 0), gopacket.NilDecodeFeedback)
		whole := err == nil && len(mac.Contents) <= len(b)
		h, ok := parseDot11(b)
		if ok != whole {
			t.Fatalf("%x: %v, gopacket says %v", b, ok, err)
		}
		if !ok {
			continue
		}
		sizes[h.size]++
		if h.size != len(mac.Contents) || h.fragment != (mac.Flags.MF() || mac.FragmentNumber != 0) || h.protected != mac.Flags.WEP() {
			t.Fatalf("frame %d, %x: %+v, gopacket says %+v", i, b, h, mac)
		}
		// gopacket has no name for the bit; it follows the acknowledgement policy.
		if want := mac.QOS != nil && b[len(mac.Contents)-2-htcLen(&mac)]&0x80 != 0; h.aggregate != want {
			t.Fatalf("frame %d, %x: aggregate %v", i, b, h.aggregate)
		}
	}
	for _, n := range []int{24, 26, 30, 32, 36} {
		if sizes[n] == 0 {
			t.Errorf("no header of %d bytes among %v", n, sizes)
		}
	}
}

func htcLen(m *layers.Dot11) int {
	if m.HTControl == nil {
		return 0
	}
	return 4
}
