package packet

import (
	"strings"
	"testing"
)

// What most rows of the tables below hold inside.
const (
	inner4 = "10.0.0.1:50000 > 10.0.0.2:80"
	inner6 = "2001:db8::1:50000 > 2001:db8::2:80"
)

// flow is how the tables write addresses and ports.
func flow(p *Packet) string {
	if p.Version == 0 {
		return ""
	}
	s := p.Src.String()
	d := p.Dst.String()
	if p.SrcPort != 0 || p.DstPort != 0 {
		return s + ":" + itoa(p.SrcPort) + " > " + d + ":" + itoa(p.DstPort)
	}
	return s + " > " + d
}

func itoa(n uint16) string {
	if n >= 10 {
		return itoa(n/10) + itoa(n%10)
	}
	return string(rune('0' + n))
}

func TestParse(t *testing.T) {
	tcp4, tcp6 := v4(ProtoTCP, tcpData), v6(ProtoTCP, tcpData)
	frame4 := ether(typeIPv4, tcp4)
	const qosData = "8801 0000 020000000003 020000000001 020000000002 0000 0000 " // to the access point
	const data = "0801 0000 020000000003 020000000001 020000000002 0000 "
	erfHeader := func(kind int) string {
		return "0000000000000000" + hexByte(kind) + "04 0000 0000 0000"
	}
	tests := []struct {
		name    string
		link    uint16
		packet  string
		cause   Cause
		flow    string
		tunnels uint8
	}{
		{"ethernet", 1, frame4, OK, inner4, 0},
		{"ethernet with padding", 1, frame4 + strings.Repeat("00", 20), OK, inner4, 0},
		{"ethernet, IPv6", 1, ether(typeIPv6, tcp6), OK, inner6, 0},
		{"802.3, LLC, SNAP", 1, macs + hex16(8+hexLen(tcp4)) + snap + "0800" + tcp4, OK, inner4, 0},
		{"802.3, LLC, IP", 1, macs + hex16(3+hexLen(tcp4)) + "060603" + tcp4, OK, inner4, 0},
		{"802.3, padding", 1, macs + "0003 424203" + strings.Repeat("00", 43), STP, "", 0},
		{"802.3, IPX", 1, macs + "0022 ffff" + strings.Repeat("00", 40), LLC, "", 0},
		{"802.3, NetBIOS", 1, macs + "0004 f0f00300", LLC, "", 0},
		{"CDP", 1, macs + "0008 aaaa03 00000c 2000", LLDP, "", 0},
		{"PVST", 1, macs + "0008 aaaa03 00000c 010b", STP, "", 0},
		{"between length and type", 1, macs + "05dd 0000", NotIP, "", 0},
		{"ARP", 1, ether(typeARP, "0001"), ARP, "", 0},
		{"LLDP", 1, ether(typeLLDP, "0001"), LLDP, "", 0},
		{"LACP", 1, ether(typeLACP, "0101"), LACP, "", 0},
		{"EAPOL", 1, ether(typeEAPOL, "0101"), EAPOL, "", 0},
		{"experimental type", 1, ether(0x88b5, "0101"), NotIP, "", 0},
		{"VLAN", 1, ether(typeVLAN, "2064 0800"+tcp4), OK, inner4, 0},
		{"VLAN, 802.3", 1, ether(typeVLAN, "2064"+hex16(8+hexLen(tcp4))+snap+"0800"+tcp4), OK, inner4, 0},
		{"QinQ", 1, ether(typeQinQ, "0064 8100 0065 86dd"+tcp6), OK, inner6, 0},
		{"QinQ, old types", 1, ether(0x9100, "0064 9200 0065 8100 0066 0800"+tcp4), OK, inner4, 0},
		{"VN-tag", 1, ether(typeVNTag, "00000000 0800"+tcp4), OK, inner4, 0},
		{"E-tag", 1, ether(typeETag, "000000000000 0800"+tcp4), OK, inner4, 0},
		{"HSR", 1, ether(typeHSR, "0000 0001 0800"+tcp4), OK, inner4, 0},
		{"Cisco metadata", 1, ether(typeMetadata, "01 01 0001 0007 0800"+tcp4), OK, inner4, 0},
		{"Arista timestamp", 1, ether(typeTimestamp, "0001 0110 0011223344556677 0800"+tcp4), OK, inner4, 0},
		{"Arista timestamp, short", 1, ether(typeTimestamp, "0001 0021 001122334455 0800"+tcp4), OK, inner4, 0},
		{"Arista, something else", 1, ether(typeTimestamp, "0003 0021 001122334455 0800"), NotIP, "", 0},
		{"MACsec, not encrypted", 1, ether(typeMACsec, "20 00 00000001 0200000000010001 0800"+tcp4), OK, inner4, 0},
		{"MACsec", 1, ether(typeMACsec, "2c 00 00000001 0200000000010001 5555"), MACsec, "", 0},
		{"PBB", 1, ether(typePBB, "00000001"+frame4), OK, inner4, 1},
		{"FabricPath", 1, ether(typeFabricPath, "0001"+frame4), OK, inner4, 1},
		{"TRILL", 1, ether(typeTRILL, "0040 0001 0002 aabbccdd"+frame4), OK, inner4, 1},
		{"ISL", 1, "01000c000002 020000000001" + hex16(100) + "aaaa03 00000c 00c8 0000 0000" + frame4, OK, inner4, 1},

		{"PPPoE", 1, ether(typePPPoE, "1100 0001"+hex16(2+hexLen(tcp4))+"0021"+tcp4), OK, inner4, 0},
		{"PPPoE, padding", 1, ether(typePPPoE, "1100 0001"+hex16(1+hexLen(tcp6))+"57"+tcp6+"0000"), OK, inner6, 0},
		{"PPPoE, LCP", 1, ether(typePPPoE, "1100 0001 0006 c021 01010004"), PPPControl, "", 0},
		{"PPPoE discovery", 1, ether(typeDiscovery, "1109 0000 0000"), PPPControl, "", 0},
		{"MPLS", 1, ether(typeMPLS, "00064040 00065140"+tcp4), OK, inner4, 0},
		{"MPLS, IPv6", 1, ether(typeMPLSMulti, "00002140"+tcp6), OK, inner6, 0},
		{"pseudowire, control word", 1, ether(typeMPLS, "00065140 00000000"+frame4), OK, inner4, 1},
		{"pseudowire", 1, ether(typeMPLS, "00065140"+frame4), OK, inner4, 1},
		{"pseudowire, address like IPv4", 1, ether(typeMPLS, "00065140 46"+frame4[2:]), OK, inner4, 1},
		{"pseudowire, ARP", 1, ether(typeMPLS, "00065140"+ether(typeARP, "0001 0800")), ARP, "", 1},
		{"MPLS, IP longer than the frame", 1, ether(typeMPLS, "00065140"+strings.Replace(tcp4, "002c", "0100", 1)), OK, inner4, 0},
		{"MPLS, unknown", 1, ether(typeMPLS, "00065140"+strings.Repeat("77", 60)), UnknownTunnel, "", 0},

		{"SLL", 113, "0004 0304 0006 0000000000000000 0800" + tcp4, OK, inner4, 0},
		{"SLL, no address", 113, "0000 fffe 0000 0000000000000000 86dd" + tcp6, OK, inner6, 0},
		{"SLL, LLC", 113, "0000 0001 0006 0000000000000000 0004" + snap + "0800" + tcp4, OK, inner4, 0},
		{"SLL, IPX", 113, "0000 0001 0006 0000000000000000 0001 ffff", LLC, "", 0},
		{"SLL, CAN", 113, "0000 0118 0000 0000000000000000 000c 00000000", NotIP, "", 0},
		{"SLL, netlink", 113, "0000 0338 0000 0000000000000000 0000 00000000", NotIP, "", 0},
		{"SLL, frame relay", 113, "0000 0302 0000 0000000000000000 0000 1841 03cc" + tcp4, OK, inner4, 0},
		{"SLL, radiotap", 113, "0000 0323 0000 0000000000000000 0000 0000 0800 00000000" + data + snap + "0800" + tcp4, OK, inner4, 0},
		{"SLL2", 276, "0800 0000 00000003 0001 04 06 0200000000010000" + tcp4, OK, inner4, 0},
		{"SLL2, VLAN", 276, "8100 0000 00000003 0001 04 06 0200000000010000 0064 86dd" + tcp6, OK, inner6, 0},
		{"null, little-endian", 0, "02000000" + tcp4, OK, inner4, 0},
		{"null, big-endian", 0, "00000002" + tcp4, OK, inner4, 0},
		{"null, Windows", 0, "17000000" + tcp6, OK, inner6, 0},
		{"null, NetBSD", 0, "18000000" + tcp6, OK, inner6, 0},
		{"null, FreeBSD", 0, "1c000000" + tcp6, OK, inner6, 0},
		{"null, macOS", 0, "0000001e" + tcp6, OK, inner6, 0},
		{"null, Linux", 0, "0a000000" + tcp6, OK, inner6, 0},
		{"null, Ethernet type", 0, "00000800" + tcp4, OK, inner4, 0},
		{"null, PPP", 0, "ff030021" + tcp4, OK, inner4, 0},
		{"null, OSI", 0, "07000000 83", NotIP, "", 0},
		{"loop", 108, "00000018" + tcp6, OK, inner6, 0},
		{"raw", 101, tcp4, OK, inner4, 0},
		{"raw, 12", 12, tcp6, OK, inner6, 0},
		{"raw, 14", 14, tcp4, OK, inner4, 0},
		{"raw IPv4", 228, tcp4, OK, inner4, 0},
		{"raw IPv6", 229, tcp6, OK, inner6, 0},
		{"raw IPv4, but IPv6", 228, tcp6, BadIPVersion, "", 0},
		{"raw, no IP", 101, "00", BadIPVersion, "", 0},

		{"PPP", 9, "0021" + tcp4, OK, inner4, 0},
		{"PPP, HDLC framing", 9, "ff03 0057" + tcp6, OK, inner6, 0},
		{"PPP, compressed fields", 9, "21" + tcp4, OK, inner4, 0},
		{"PPP, half compressed", 50, "ff03 57" + tcp6, OK, inner6, 0},
		{"PPP, Cisco framing", 50, "0f00 0800" + tcp4, OK, inner4, 0},
		{"PPP, pppd", 166, "0103 0021" + tcp4, OK, inner4, 0},
		{"PPP, direction", 204, "01 ff03 0021" + tcp4, OK, inner4, 0},
		{"PPP, MPLS", 9, "0281 00065140" + tcp4, OK, inner4, 0},
		{"PPP, bridged", 9, "0031 0001" + frame4, OK, inner4, 1},
		{"PPP, VJ", 9, "002d 0000", CompressedPPP, "", 0},
		{"PPP, CCP", 9, "00fd 0000", CompressedPPP, "", 0},
		{"PPP, LCP", 9, "c021 01010004", PPPControl, "", 0},
		{"PPP, OSI", 9, "0023 0000", NotIP, "", 0},
		{"PPP, even protocol", 9, "0020 0000", BadLink, "", 0},
		{"multilink PPP, whole", 9, "003d c0000001 0021" + tcp4, OK, inner4, 0},
		{"multilink PPP, short numbers", 9, "003d c001 21" + tcp4, OK, inner4, 0},
		{"multilink PPP, first", 9, "003d 80000001 0021" + tcp4, PPPFragment, "", 0},
		{"PPPoE link", 51, "1100 0001" + hex16(2+hexLen(tcp4)) + "0021" + tcp4, OK, inner4, 0},

		{"Cisco HDLC", 104, "0f00 0800" + tcp4, OK, inner4, 0},
		{"Cisco HDLC, direction", 205, "00 8f00 86dd" + tcp6, OK, inner6, 0},
		{"Cisco HDLC, SLARP", 104, "8f00 8035 00000002", NotIP, "", 0},
		{"Cisco HDLC, CDP", 104, "8f00 2000 02b4", LLDP, "", 0},
		{"frame relay", 107, "1841 03 cc" + tcp4, OK, inner4, 0},
		{"frame relay, IPv6, padding", 107, "1841 03 00 8e" + tcp6, OK, inner6, 0},
		{"frame relay, SNAP", 107, "1841 03 00 80 000000 0800" + tcp4, OK, inner4, 0},
		{"frame relay, bridged", 107, "1841 03 00 80 0080c2 0007" + frame4, OK, inner4, 1},
		{"frame relay, Cisco", 107, "1841 0800" + tcp4, OK, inner4, 0},
		{"frame relay, long address", 107, "18406001 03 cc" + tcp4, OK, inner4, 0},
		{"frame relay, PPP", 107, "1841 03 cf 0021" + tcp4, OK, inner4, 0},
		{"frame relay, LMI", 107, "0001 03 08 0075", NotIP, "", 0},
		{"frame relay, FRF.12", 107, "1841 03 b1 c000 00", PPPFragment, "", 0},
		{"frame relay, direction", 206, "01 1841 03 cc" + tcp4, OK, inner4, 0},
		{"multilink frame relay", 182, "c001 1841 03 cc" + tcp4, OK, inner4, 0},
		{"multilink frame relay, first", 182, "8001 1841 03 cc" + tcp4, PPPFragment, "", 0},
		{"ATM, LLC", 100, snap + "0800" + tcp4, OK, inner4, 0},
		{"ATM, bridged", 100, "aaaa03 0080c2 0007 0000" + frame4, OK, inner4, 1},
		{"ATM, NLPID", 100, "fefe03 cc" + tcp4, OK, inner4, 0},
		{"ATM, PPP", 106, "0021" + tcp4, OK, inner4, 0},
		{"ATM, PPP, LLC", 100, "fefe03 cf 0021" + tcp4, OK, inner4, 0},
		{"ATM, IP alone", 106, tcp6, OK, inner6, 0},
		{"ATM, bridged, no LLC", 106, "0000" + frame4, OK, inner4, 1},
		{"SunATM", 123, "02 00 0064" + snap + "0800" + tcp4, OK, inner4, 0},
		{"SunATM, signalling", 123, "06 00 0005 0903", NotIP, "", 0},

		{"SLIP", 8, "01 40 0000000000000000000000000000" + tcp4, OK, inner4, 0},
		{"token ring", 6, "10 40 020000000002 020000000001" + snap + "0800" + tcp4, OK, inner4, 0},
		{"token ring, routed", 6, "10 40 020000000002 820000000001 0630 0011 0020" + snap + "0800" + tcp4, OK, inner4, 0},
		{"token ring, MAC frame", 6, "10 00 020000000002 020000000001 0000", NotIP, "", 0},
		{"FDDI", 10, "50 020000000002 020000000001" + snap + "0800" + tcp4, OK, inner4, 0},
		{"FDDI, SMT", 10, "41 020000000002 020000000001 0000", NotIP, "", 0},
		{"ARCnet", 7, "01 02 d4 00 0001" + tcp4, OK, inner4, 0},
		{"ARCnet, exception", 7, "01 02 d4 ff ffff d4 00 0001" + tcp4, OK, inner4, 0},
		{"ARCnet, split", 7, "01 02 d4 01 0001" + tcp4, UnreadableLink, "", 0},
		{"ARCnet, Linux", 129, "01 02 0000 d4 00 0001" + tcp4, OK, inner4, 0},
		{"ARCnet, IPv6", 129, "01 02 0000 c4 00 0001" + tcp6, OK, inner6, 0},
		{"ARCnet, RFC 1051", 129, "01 02 0000 f0" + tcp4, OK, inner4, 0},
		{"ARCnet, ARP", 129, "01 02 0000 d5 00 0001 0007", ARP, "", 0},
		{"IP over fibre channel", 122, "1000020000000002 1000020000000001" + snap + "0800" + tcp4, OK, inner4, 0},
		{"IP over 1394", 138, "0000000000000002 0000000000000001 86dd" + tcp6, OK, inner6, 0},
		{"IPsec enc", 109, "02000000 00001234 00000001" + tcp4, OK, inner4, 0},
		{"pflog", 117, "3d 02 00 00" + strings.Repeat("00", 60) + tcp4, OK, inner4, 0},
		{"ipnet", 226, "02 02 0000 00000028 00000001 00000000 ffffffff 00000000" + tcp4, OK, inner4, 0},
		{"IPoIB", 242, "0800 0000" + tcp4, OK, inner4, 0},
		{"IPoIB, route header", 242, strings.Repeat("00", 20) + strings.Repeat("fe", 20) + "86dd 0000" + tcp6, OK, inner6, 0},
		{"nflog", 239, "02 00 0000 0800 0100 08000000 0500 0a00 78000000 3000 0900" + tcp4, OK, inner4, 0},
		{"nflog, big-endian", 239, "02 00 0000 0008 0001 08000000" + hex16(4+hexLen(tcp4)) + "0009" + tcp4, OK, inner4, 0},
		{"nflog, no payload", 239, "02 00 0000 0800 0100 08000000", NotIP, "", 0},
		{"netANALYZER", 240, "00000000" + frame4 + "55555555", OK, inner4, 0},
		{"netANALYZER, preamble", 241, "00000000 55555555555555d5" + frame4 + "55555555", OK, inner4, 0},
		{"EPON", 259, "d55555000100" + frame4, OK, inner4, 0},
		{"DSA, Broadcom", 281, macs + "2c000080 0800" + tcp4, OK, inner4, 0},
		{"DSA, Broadcom, before", 282, "2c000080" + frame4, OK, inner4, 0},
		{"DSA, Marvell", 284, macs + "c00a0000 0800" + tcp4, OK, inner4, 0},
		{"EDSA, Marvell", 285, macs + "dada0000 c0100539 0800" + tcp4, OK, inner4, 0},
		{"ERF, Ethernet", 197, erfHeader(2) + "0000" + frame4, OK, inner4, 1},
		{"ERF, extension", 197, erfHeader(0x82) + "0000000000000000 0000" + frame4, OK, inner4, 1},
		{"ERF, IPv6", 197, erfHeader(23) + tcp6, OK, inner6, 0},
		{"ERF, infiniband", 197, erfHeader(21) + "00", UnreadableLink, "", 0},
		{"pktap", 258, "6c000000 01000000 01000000" + strings.Repeat("00", 96) + frame4, OK, inner4, 1},
		{"pktap, version 2", 258, "3c 00 00 00 00 00 0c00" + strings.Repeat("00", 28) + "00000800" + strings.Repeat("00", 20) + tcp4, OK, inner4, 1},
		{"pktap, private number", 149, "6c000000 01000000 00000000" + strings.Repeat("00", 96) + "1e000000" + tcp6, OK, inner6, 1},
		{"private number", 149, frame4, UnknownLink, "", 0},
		{"juniper ethernet", 178, "4d4743 81 0005 0301010203" + frame4, OK, inner4, 0},
		{"juniper, no layer 2", 178, "4d4743 02 00000000" + tcp4, OK, inner4, 0},
		{"juniper PPP", 179, "4d4743 00 0021" + tcp4, OK, inner4, 0},
		{"juniper frame relay", 180, "4d4743 00 1841 03 cc" + tcp4, OK, inner4, 0},
		{"juniper HDLC", 181, "4d4743 00 0f00 0800" + tcp4, OK, inner4, 0},
		{"juniper ATM1", 137, "4d4743 00 01020304" + snap + "0800" + tcp4, OK, inner4, 0},
		{"juniper ATM2", 135, "4d4743 00 0102030405060708 03cc" + tcp4, OK, inner4, 0},
		{"juniper MLPPP", 130, "4d4743 00 0102 0021" + tcp4, OK, inner4, 0},
		{"juniper services", 136, "4d4743 00 01020304" + tcp4, OK, inner4, 0},
		{"juniper PPPoE over ATM", 168, "4d4743 00 8864 1100 0001" + hex16(2+hexLen(tcp4)) + "0021" + tcp4, OK, inner4, 0},
		{"juniper, unknown", 137, "4d4743 00 ffffffffffffffffffffffffffffffff", UnreadableLink, "", 0},
		{"juniper, no magic", 178, "4d4744 00" + frame4, BadLink, "", 0},
		{"USB", 220, "00", UnreadableLink, "", 0},
		{"bluetooth", 201, "00", UnreadableLink, "", 0},
		{"unknown link", 5000, "00", UnknownLink, "", 0},
		{"nothing", 1, "", Empty, "", 0},
		{"nothing, raw", 101, "", Empty, "", 0},

		{"802.11", 105, data + snap + "0800" + tcp4, OK, inner4, 0},
		{"802.11, QoS", 105, qosData + snap + "86dd" + tcp6, OK, inner6, 0},
		{"802.11, four addresses", 105, "8803 0000 020000000003 020000000001 020000000002 0000 020000000004 0000" + snap + "0800" + tcp4, OK, inner4, 0},
		{"802.11, HT control", 105, "8881 0000 020000000003 020000000001 020000000002 0000 0000 00000000" + snap + "0800" + tcp4, OK, inner4, 0},
		{"802.11, encrypted", 105, "0841" + data[4:] + "11223320 00000000 5f5f5f5f5f5f5f5f", EncryptedWireless, "", 0},
		{"802.11, decrypted by the driver", 105, "0841" + data[4:] + snap + "0800" + tcp4, OK, inner4, 0},
		{"802.11, decrypted, vector kept", 105, "0841" + data[4:] + "11223320 00000000" + snap + "0800" + tcp4, OK, inner4, 0},
		{"802.11, fragment", 105, "0805" + data[4:] + snap + "0800" + tcp4, WirelessFragment, "", 0},
		{"802.11, beacon", 105, "8000" + data[4:], WirelessOther, "", 0},
		{"802.11, ACK", 105, "d400 0000 020000000003", WirelessOther, "", 0},
		{"802.11, null", 105, "4801" + data[4:], WirelessOther, "", 0},
		{"802.11, version", 105, "0901" + data[4:], BadLink, "", 0},
		{"802.11, no LLC", 105, data, BadLink, "", 0},
		{"802.11, aggregate of one", 105, "8801" + qosData[4:len(qosData)-5] + "8000" + macs + hex16(8+hexLen(tcp4)) + snap + "0800" + tcp4, OK, inner4, 0},
		{"802.11, aggregate", 105, "8801" + qosData[4:len(qosData)-5] + "8000" + macs + hex16(8+hexLen(tcp4)) + snap + "0800" + tcp4 + frame4, AggregatedWireless, "", 0},
		{"radiotap", 127, "0000 0800 00000000" + data + snap + "0800" + tcp4, OK, inner4, 0},
		{"radiotap, checksum", 127, "0000 0900 02000000 10" + data + snap + "0800" + tcp4 + "55555555", OK, inner4, 0},
		{"radiotap, time, padding", 127, "0000 1900 03000080 00000000 00000000 0000000000000000 30 " + qosData[:len(qosData)-1] + "0000" + snap + "0800" + tcp4 + "55555555", OK, inner4, 0},
		{"radiotap, damaged", 127, "0000 0900 02000000 50" + data + snap + "0800" + tcp4 + "55555555", BadFCS, "", 0},
		{"radiotap, version", 127, "0100 0800 00000000" + data, BadLink, "", 0},
		{"prism", 119, "44000000 90000000" + strings.Repeat("00", 136) + data + snap + "0800" + tcp4, OK, inner4, 0},
		{"prism, AVS", 119, "80211001 00000040" + strings.Repeat("00", 56) + data + snap + "0800" + tcp4, OK, inner4, 0},
		{"AVS", 163, "80211001 00000040" + strings.Repeat("00", 56) + data + snap + "0800" + tcp4, OK, inner4, 0},
		{"PPI", 192, "00 00 2000 69000000 0200 1400 0000000000000000 0100 0000 0000 0000 0000 0000" + data + snap + "0800" + tcp4 + "55555555", OK, inner4, 1},
		{"PPI, ethernet", 192, "00 00 0800 01000000" + frame4, OK, inner4, 1},

		{"IP in IP", 1, over4(protoIPIP, tcp4), OK, inner4, 1},
		{"6in4", 1, over4(protoIPv6, tcp6), OK, inner6, 1},
		{"4in6", 1, ether(typeIPv6, v6(protoIPIP, tcp4)), OK, inner4, 1},
		{"EtherIP", 1, over4(protoEtherIP, "3000"+frame4), OK, inner4, 1},
		{"Ethernet in IPv6", 1, ether(typeIPv6, v6(protoEthernet, frame4)), OK, inner4, 1},
		{"MPLS in IP", 1, over4(protoMPLS, "00065140"+tcp4), OK, inner4, 1},
		{"minimal encapsulation", 1, over4(protoMinimal, "06 80 0000 0a000002 0a000001"+tcpData), OK, inner4, 1},
		{"PIM register", 1, over4(protoPIM, "21000000 00000000"+tcp4), OK, inner4, 1},
		{"PIM hello", 1, over4(protoPIM, "20000000 00010002"), OtherIP, "192.0.2.1 > 192.0.2.2", 0},
		{"GRE", 1, over4(protoGRE, "0000 0800"+tcp4), OK, inner4, 1},
		{"GRE, all fields", 1, over4(protoGRE, "b000 86dd 11110000 22222222 33333333"+tcp6), OK, inner6, 1},
		{"GRE, routing", 1, over4(protoGRE, "5000 0800 00000000 33333333 0800 0004 c0000203 0000 0000"+tcp4), OK, inner4, 1},
		{"GRE, Ethernet", 1, over4(protoGRE, "2000 6558 00000a00"+frame4), OK, inner4, 1},
		{"GRE, MPLS", 1, over4(protoGRE, "0000 8847 00065140"+tcp4), OK, inner4, 1},
		{"GRE, frame relay", 1, over4(protoGRE, "0000 6559 1841 03 cc"+tcp4), OK, inner4, 2},
		{"GRE, VLAN", 1, over4(protoGRE, "0000 8100 0064 0800"+tcp4), OK, inner4, 1},
		{"GRE, Cisco metadata", 1, over4(protoGRE, "2000 8909 00000028 0800 0101 0001 0000"+tcp4), OK, inner4, 1},
		{"GRE, keepalive", 1, over4(protoGRE, "0000 0000"), NotIP, "192.0.2.1 > 192.0.2.2", 1},
		{"GRE, version 2", 1, over4(protoGRE, "0002 0800"), BadTunnel, "192.0.2.1 > 192.0.2.2", 1},
		{"PPTP", 1, over4(protoGRE, "3081 880b"+hex16(2+hexLen(tcp4))+"0001 00000001 00000002 0021"+tcp4), OK, inner4, 1},
		{"PPTP, framing", 1, over4(protoGRE, "3001 880b"+hex16(3+hexLen(tcp4))+"0001 00000001 ff03 21"+tcp4), OK, inner4, 1},
		{"PPTP, encrypted", 1, over4(protoGRE, "3001 880b 0004 0001 00000001 00fd 9000"), CompressedPPP, "192.0.2.1 > 192.0.2.2", 1},
		{"PPTP, acknowledgement", 1, over4(protoGRE, "2081 880b 0000 0001 00000002"), PPPControl, "192.0.2.1 > 192.0.2.2", 1},
		{"ERSPAN I", 1, over4(protoGRE, "0000 88be"+frame4), OK, inner4, 1},
		{"ERSPAN II", 1, over4(protoGRE, "1000 88be 00000001 10640000 00000000"+frame4), OK, inner4, 1},
		{"ERSPAN III", 1, over4(protoGRE, "1000 22eb 00000001 20640000 00000000 00000000"+frame4), OK, inner4, 1},
		{"ERSPAN III, subheader", 1, over4(protoGRE, "1000 22eb 00000001 20640000 00000000 00000001 0000000000000000"+frame4), OK, inner4, 1},
		{"ERSPAN III, IP", 1, over4(protoGRE, "1000 22eb 00000001 20640000 00000000 00000800"+tcp4), OK, inner4, 1},
		{"WCCP", 1, over4(protoGRE, "0000 883e 00000000"+tcp4), OK, inner4, 1},
		{"WCCP, version 1", 1, over4(protoGRE, "0000 883e"+tcp4), OK, inner4, 1},
		{"NSH", 1, ether(typeNSH, "0fc2 0203 00000100"+frame4), OK, inner4, 1},
		{"NSH, context", 1, ether(typeNSH, "0fc6 0101 00000100"+strings.Repeat("00", 16)+tcp4), OK, inner4, 1},
		{"VXLAN", 1, overUDP(4789, "08000000 00000100"+frame4), OK, inner4, 1},
		{"VXLAN, Linux port", 1, overUDP(8472, "08000000 00000100"+ether(typeIPv6, tcp6)), OK, inner6, 1},
		{"VXLAN in IPv6", 1, ether(typeIPv6, v6(ProtoUDP, udpTo(4789, "08000000 00000100"+frame4))), OK, inner4, 1},
		{"VXLAN, ARP", 1, overUDP(4789, "08000000 00000100"+ether(typeARP, "0001")), OK, "192.0.2.1:50001 > 192.0.2.2:4789", 0},
		{"VXLAN, OSPF", 1, overUDP(4789, "08000000 00000100"+ether(typeIPv4, v4(protoOSPF, "0201"))), OSPF, "10.0.0.1 > 10.0.0.2", 1},
		{"VXLAN-GPE", 1, overUDP(4790, "0c000001 00000100"+tcp4), OK, inner4, 1},
		{"VXLAN-GPE, NSH", 1, overUDP(4790, "0c000004 00000100 0fc2 0202 00000100"+tcp6), OK, inner6, 2},
		{"Geneve", 1, overUDP(6081, "0000 6558 00000100"+frame4), OK, inner4, 1},
		{"Geneve, options, IP", 1, overUDP(6081, "0300 0800 00000100 0108 0002 0001020304050607"+tcp4), OK, inner4, 1},
		{"GTP", 1, overUDP(2152, "30ff"+hex16(hexLen(tcp4))+"00000001"+tcp4), OK, inner4, 1},
		{"GTP, extension", 1, overUDP(2152, "34ff"+hex16(8+hexLen(tcp4))+"00000001 0000 00 85 01 1001 00"+tcp4), OK, inner4, 1},
		{"GTP, sequence", 1, overUDP(2152, "32ff"+hex16(4+hexLen(tcp6))+"00000001 0007 0000"+tcp6), OK, inner6, 1},
		{"GTP, Ethernet", 1, overUDP(2152, "30ff"+hex16(hexLen(frame4))+"00000001"+frame4), OK, inner4, 1},
		{"GTP, version 0", 1, overUDP(3386, "1eff"+hex16(hexLen(tcp4))+"0000 0000 00 ffffff 0000000000000000"+tcp4), OK, inner4, 1},
		{"GTP, echo", 1, overUDP(2152, "3201 0004 00000000 0000 0000"), OK, "192.0.2.1:50001 > 192.0.2.2:2152", 0},
		{"Teredo", 1, overUDP(3544, tcp6), OK, inner6, 1},
		{"Teredo, origin", 1, overUDP(3544, "0001 0000 0000000000000000 00 0000 8000 5ffffffe"+tcp6), OK, inner6, 1},
		{"Teredo, nonsense", 1, overUDP(3544, "61"+strings.Repeat("11", 60)), OK, "192.0.2.1:50001 > 192.0.2.2:3544", 0},
		{"L2TP", 1, overUDP(1701, "0002 0001 0002 ff03 0021"+tcp4), OK, inner4, 1},
		{"L2TP, all fields", 1, overUDP(1701, "4a02"+hex16(16+hexLen(tcp4))+"0001 0002 0003 0004 0001 00 21"+tcp4+"00"), OK, inner4, 1},
		{"L2TP, control", 1, overUDP(1701, "c802 000c 0001 0000 0000 0000"), OK, "192.0.2.1:50001 > 192.0.2.2:1701", 0},
		{"LISP", 1, overUDP(4341, "c0000000 00000001"+tcp4), OK, inner4, 1},
		{"TZSP", 1, overUDP(37008, "01 00 0001 01"+frame4), OK, inner4, 1},
		{"TZSP, 802.11, tags", 1, overUDP(37008, "01 00 0012 00 0a01c0 01"+data+snap+"0800"+tcp4), OK, inner4, 1},
		{"MPLS in UDP", 1, overUDP(6635, "00065140"+tcp4), OK, inner4, 1},
		{"GRE in UDP", 1, overUDP(4754, "0000 0800"+tcp4), OK, inner4, 1},
		{"tunnel in tunnel", 1, overUDP(4789, "08000000 00000100"+over4(protoGRE, "0000 86dd"+v6(protoIPIP, tcp4))), OK, inner4, 3},
		{"tunnel port, other payload", 1, overUDP(4789, "474554202f20485454502f312e310d0a0d0a474554202f"), OK, "192.0.2.1:50001 > 192.0.2.2:4789", 0},
		{"tunnel port, inner packet too long", 1, overUDP(4789, "08000000 00000100"+ether(typeIPv4, "4500 7fff"+tcp4[8:])), OK, "192.0.2.1:50001 > 192.0.2.2:4789", 0},

		{"ICMP", 101, v4(ProtoICMP, "0800 0000 00010001 61626364"), OK, "10.0.0.1 > 10.0.0.2", 0},
		{"ICMPv6", 101, v6(ProtoICMPv6, "8000 0000 00010001"), OK, "2001:db8::1 > 2001:db8::2", 0},
		{"UDP", 101, v4(ProtoUDP, udpTo(53, "0000")), OK, "10.0.0.1:50001 > 10.0.0.2:53", 0},
		{"SCTP", 101, v4(protoSCTP, "0007 0008 00000000 00000000"), SCTP, "10.0.0.1:7 > 10.0.0.2:8", 0},
		{"IGMP", 101, v4(protoIGMP, "11000000 00000000"), IGMP, "10.0.0.1 > 10.0.0.2", 0},
		{"OSPF", 101, v4(protoOSPF, "0201"), OSPF, "10.0.0.1 > 10.0.0.2", 0},
		{"ESP", 101, v6(protoESP, "00000001 00000001"), ESP, "2001:db8::1 > 2001:db8::2", 0},
		{"IPComp", 101, v4(protoIPComp, "06000001"), IPComp, "10.0.0.1 > 10.0.0.2", 0},
		{"EIGRP", 101, v4(88, "0201"), OtherIP, "10.0.0.1 > 10.0.0.2", 0},
		{"no next header", 101, v6(protoNoNext, ""), NoNextHeader, "2001:db8::1 > 2001:db8::2", 0},
		{"AH", 101, v4(protoAH, "0604 0000 00000001 00000001 000000000000000000000000"+tcpData), OK, inner4, 0},
		{"hop-by-hop in IPv4", 101, v4(protoHopByHop, "0600 0000 00000000"+tcpData), OtherIP, "10.0.0.1 > 10.0.0.2", 0},
		{"extension headers", 101, v6(protoHopByHop, "3c00 050200000100 2b00 010400000000 3300 0000 00000000"+"0604 0000 00000001 00000001 000000000000000000000000"+tcpData), OK, inner6, 0},
		{"mobility header", 101, v6(protoMobility, "3b00 0000 00000000"), NoNextHeader, "2001:db8::1 > 2001:db8::2", 0},
		{"too many extension headers", 101, v6(protoDestOpts, strings.Repeat("3c00 010400000000", 40)+tcpData), BadExtension, "2001:db8::1 > 2001:db8::2", 0},
		{"routing header", 101, v6(protoRouting, "0602 0001 00000000 20010db8000000000000000000000009"+tcpData), OK, "2001:db8::1:50000 > 2001:db8::9:80", 0},
		{"routing header, arrived", 101, v6(protoRouting, "0602 0000 00000000 20010db8000000000000000000000009"+tcpData), OK, inner6, 0},
		{"segment routing", 101, v6(protoRouting, "0604 0401 01000000 20010db8000000000000000000000009 20010db8000000000000000000000008"+tcpData), OK, "2001:db8::1:50000 > 2001:db8::9:80", 0},
		{"home address", 101, v6(protoDestOpts, "0602 0100 c910 20010db8000000000000000000000009 0100"+tcpData), OK, "2001:db8::9:50000 > 2001:db8::2:80", 0},
		{"source route", 101, "4700 0034 1234 4000 4006 0000 0a000001 0a000009 8307 04 0a000002 00" + tcpData, OK, inner4, 0},
		{"source route, arrived", 101, "4700 0034 1234 4000 4006 0000 0a000001 0a000002 8307 08 0a000009 00" + tcpData, OK, inner4, 0},
		{"IPv4 options", 101, "4600 0030 1234 4000 4006 0000 0a000001 0a000002 01010100" + tcpData, OK, inner4, 0},
		{"IPv4, length zero", 101, "4500 0000 1234 4000 4006 0000 0a000001 0a000002" + tcpData, OK, inner4, 0},
		{"IPv4, length below header", 101, "4500 0013 1234 4000 4006 0000 0a000001 0a000002" + tcpData, BadIPv4, "", 0},
		{"IPv4, header below 20", 101, "4400 002c 1234 4000 4006 0000 0a000001 0a000002" + tcpData, BadIPv4, "", 0},
		{"IPv6, length zero", 101, "60000000 0000 06 40 20010db8000000000000000000000001 20010db8000000000000000000000002" + tcpData, OK, inner6, 0},
		{"IPv6, jumbo", 101, "60000000 0000 00 40 20010db8000000000000000000000001 20010db8000000000000000000000002 0600 c204 00012008" + tcpData + strings.Repeat("61", 73700), OK, inner6, 0},
		{"TCP, offset below 20", 101, v4(ProtoTCP, "c350 0050 00000001 00000002 4018 01f6 0000 0000"), BadTCP, inner4, 0},
		{"TCP, offset past the end", 101, v4(ProtoTCP, "c350 0050 00000001 00000002 6018 01f6 0000 0000"), BadTCP, inner4, 0},
		{"TCP, IP packet too short", 101, v4(ProtoTCP, "c350 0050 00000001 00000002"), BadTCP, inner4, 0},
		{"UDP, too long", 101, v4(ProtoUDP, "c351 0035 0020 0000"), BadUDP, "10.0.0.1:50001 > 10.0.0.2:53", 0},
		{"UDP, length below header", 101, v4(ProtoUDP, "c351 0035 0007 0000"), BadUDP, "10.0.0.1:50001 > 10.0.0.2:53", 0},
		{"UDP, length zero", 101, v4(ProtoUDP, "c351 0035 0000 0000 0001"), OK, "10.0.0.1:50001 > 10.0.0.2:53", 0},
		{"UDP, too short", 101, v4(ProtoUDP, "c351 0035"), BadUDP, "10.0.0.1:50001 > 10.0.0.2:53", 0},
		{"ICMP, too short", 101, v4(ProtoICMP, "0800"), BadICMP, "10.0.0.1 > 10.0.0.2", 0},
	}
	for _, tt := range tests {
		b := unhex(t, tt.packet)
		var ps Parser
		// What an earlier packet said must be gone.
		p := Packet{VLAN: 7, Seq: 7, Fragments: 7, EtherType: 7, Tunnels: 7, Outgoing: true, Interface: 7}
		cause := ps.Parse(tt.link, b, uint32(len(b)), 0, &p)
		if cause != tt.cause || flow(&p) != tt.flow || p.Tunnels != tt.tunnels {
			t.Errorf("%s: got %q, %q, %d tunnels; want %q, %q, %d", tt.name, cause, flow(&p), p.Tunnels, tt.cause, tt.flow, tt.tunnels)
			continue
		}
		if cause == OK && p.Proto == ProtoTCP {
			if p.Seq != 1 || p.Ack != 2 || p.Flags != PSH|ACK || p.Window != 0x1f6 {
				t.Errorf("%s: wrong TCP fields: %+v", tt.name, p)
			}
			if got := string(p.Payload()); !strings.HasPrefix(got, "paye") || p.Wire != len(got) && !p.clipped || len(got) > 4 && tt.name != "IPv6, jumbo" {
				t.Errorf("%s: got payload %q of %d, want \"paye\"", tt.name, got, p.Wire)
			}
		}
		// No prefix of the packet, captured or sent, may do harm, and none gives
		// another flow than the whole.
		for n := range min(len(b), 300) {
			var q Packet
			c := ps.Parse(tt.link, b[:n:n], uint32(len(b)), 0, &q)
			checkSound(t, &q, c)
			if c == OK && q.Version != 0 && p.Version != 0 && tt.cause == OK && q.Tunnels == p.Tunnels && flow(&q) != tt.flow {
				t.Errorf("%s: cut to %d bytes: got %q, want %q", tt.name, n, flow(&q), tt.flow)
			}
			c = ps.Parse(tt.link, b[:n:n], uint32(n), 0, &q)
			checkSound(t, &q, c)
		}
	}
}

// checkSound checks what holds for every packet.
func checkSound(t *testing.T, p *Packet, c Cause) {
	t.Helper()
	if int(p.HeaderLen) > len(p.Segment) {
		t.Fatalf("%v: header of %d bytes in a segment of %d", c, p.HeaderLen, len(p.Segment))
	}
	if p.Wire < len(p.Payload()) {
		t.Fatalf("%v: %d bytes on the wire, but %d captured", c, p.Wire, len(p.Payload()))
	}
	if cap(p.Segment) != len(p.Segment) {
		t.Fatalf("%v: the segment can grow into what follows", c)
	}
	if c == OK && p.Version == 0 {
		t.Fatal("ok without IP")
	}
	if int(c) >= Causes {
		t.Fatalf("cause %d", c)
	}
}

func TestParseFields(t *testing.T) {
	var ps Parser
	parse := func(link uint16, s string) (p Packet) {
		b := unhex(t, s)
		ps.Parse(link, b, uint32(len(b)), 0, &p)
		return p
	}
	p := parse(1, ether(typeQinQ, "6064 8100 0065 0800 45b8 0028 1234 4000 3f06 0000 0a000001 0a000002 c350 0050 00000001 00000002 5ff9 01f6 0000 0007"))
	if p.VLAN != 100 || p.EtherType != typeIPv4 || p.TOS != 0xb8 || p.TTL != 63 {
		t.Errorf("wrong link or IP fields: %+v", p)
	}
	if p.Flags != 0xff9 || p.Urgent != 7 || p.HeaderLen != 20 || p.Wire != 0 {
		t.Errorf("wrong TCP fields: %+v", p)
	}
	p = parse(276, "86dd 0000 00000003 0001 04 06 0200000000010000 6b812345 0014 06 40"+
		"20010db8000000000000000000000001 20010db8000000000000000000000002 c350 0050 00000001 00000002 5002 01f6 0000 0000")
	if p.Interface != 3 || !p.Outgoing || p.TOS != 0xb8 || p.Version != 6 || p.Flags != SYN {
		t.Errorf("wrong fields: %+v", p)
	}
	p = parse(101, v4(ProtoICMP, "0301 0000 00000000"+v4(ProtoTCP, tcpData)))
	if p.Type != 3 || p.Code != 1 || len(p.Payload()) != 44 || p.Src != addr4([]byte{10, 0, 0, 1}) || p.SrcPort != 0 {
		t.Errorf("wrong ICMP fields: %+v", p)
	}
}

// The header may be captured and the payload not.
func TestParseSnaplen(t *testing.T) {
	packet := unhex(t, ether(typeIPv4, v4(ProtoTCP, tcpOptions+strings.Repeat("61", 100))))
	tests := []struct {
		snaplen          int
		cause            Cause
		flow             string
		header, captured int
		wire             int
		options          int
	}{
		{178, OK, inner4, 44, 100, 100, 2},
		{177, OK, inner4, 44, 99, 100, 2},
		{78, OK, inner4, 44, 0, 100, 2},
		{77, OK, inner4, 43, 0, 100, 1},
		{54, OK, inner4, 20, 0, 100, 0},
		{53, TruncatedTCP, inner4, 19, 0, 125, 0},
		{38, TruncatedTCP, inner4, 4, 0, 140, 0},
		{36, TruncatedTCP, "10.0.0.1 > 10.0.0.2", 2, 0, 142, 0},
		{34, TruncatedTCP, "10.0.0.1 > 10.0.0.2", 0, 0, 144, 0},
		{33, TruncatedIP, "", 0, 0, 0, 0},
		{14, TruncatedIP, "", 0, 0, 0, 0},
		{13, TruncatedLink, "", 0, 0, 0, 0},
	}
	for _, tt := range tests {
		var ps Parser
		var p Packet
		c := ps.Parse(linkEthernet, packet[:tt.snaplen:tt.snaplen], uint32(len(packet)), 0, &p)
		n := 0
		o := p.Options()
		for o.Next() {
			n++
		}
		if c != tt.cause || flow(&p) != tt.flow || int(p.HeaderLen) != tt.header || len(p.Payload()) != tt.captured || p.Wire != tt.wire || n != tt.options {
			t.Errorf("snaplen %d: got %v, %s, header %d, captured %d, wire %d, %d options", tt.snaplen, c, flow(&p), p.HeaderLen, len(p.Payload()), p.Wire, n)
		}
		if cut := p.HeaderLen == 43; o.Malformed != cut {
			t.Errorf("snaplen %d: options malformed: got %v, want %v", tt.snaplen, o.Malformed, cut)
		}
	}
	// The IP header says more than the file admits: believe it.
	var ps Parser
	var p Packet
	if c := ps.Parse(linkEthernet, packet[:100], 100, 0, &p); c != OK || len(p.Payload()) != 22 || p.Wire != 100 {
		t.Errorf("got %v, %d of %d bytes", c, len(p.Payload()), p.Wire)
	}
}

func TestParseDepth(t *testing.T) {
	s := v4(ProtoTCP, tcpData)
	for range 9 {
		s = outer4(protoIPIP, s)
	}
	b := unhex(t, s)
	for _, tt := range []struct {
		max  int
		want Cause
	}{{0, TooDeep}, {8, TooDeep}, {9, OK}, {1 << 20, OK}, {-1, TooDeep}} {
		ps := Parser{MaxTunnels: tt.max}
		var p Packet
		if c := ps.Parse(linkRaw, b, uint32(len(b)), 0, &p); c != tt.want {
			t.Errorf("limit %d: got %v, want %v", tt.max, c, tt.want)
		} else if c == TooDeep && flow(&p) != "192.0.2.1 > 192.0.2.2" {
			t.Errorf("limit %d: got %s", tt.max, flow(&p))
		}
	}
}

func TestAddr(t *testing.T) {
	for _, s := range []string{"192.0.2.1", "2001:db8::1", "::", "::1", "0.0.0.0", "255.255.255.255"} {
		var a Addr
		switch s {
		case "192.0.2.1":
			a = addr4([]byte{192, 0, 2, 1})
		case "0.0.0.0":
			a = addr4(make([]byte, 4))
		case "255.255.255.255":
			a = addr4([]byte{255, 255, 255, 255})
		case "2001:db8::1":
			a = Addr{0x20010db800000000, 1}
		case "::1":
			a = Addr{0, 1}
		}
		if a.String() != s || a.Is4() != a.Netip().Is4() || AddrFrom(a.Netip()) != a {
			t.Errorf("%s: got %s, %v", s, a, a.Is4())
		}
	}
}

func TestCause(t *testing.T) {
	seen := make(map[string]bool)
	for c := range Cause(Causes) {
		if s := c.String(); s == "" || seen[s] {
			t.Errorf("cause %d: name %q is empty or twice", c, s)
		} else {
			seen[s] = true
		}
		if c.Malformed() && !c.Unreadable() {
			t.Errorf("%v: malformed, but readable", c)
		}
	}
	for c, want := range map[Cause][2]bool{OK: {}, ARP: {}, Fragment: {}, UnknownLink: {true, false}, UnknownTunnel: {true, false}, BadLink: {true, true}, BadTunnel: {true, true}, 255: {}} {
		if c.Unreadable() != want[0] || c.Malformed() != want[1] {
			t.Errorf("%v: unreadable %v, malformed %v", c, c.Unreadable(), c.Malformed())
		}
	}
}

func TestNames(t *testing.T) {
	for link, want := range map[uint16]string{0: "null", 1: "ethernet", 127: "802.11 radiotap", 147: "link type 147", 276: "linux-sll2", 65535: "link type 65535"} {
		if got := LinkName(link); got != want {
			t.Errorf("link type %d: got %q, want %q", link, got, want)
		}
	}
	for flags, want := range map[uint16]string{0: "", SYN: "SYN", SYN | ACK: "SYN,ACK", 0xfff: "FIN,SYN,RST,PSH,ACK,URG,ECE,CWR,AE,R9,R10,R11"} {
		if got := string(AppendFlags(nil, flags)); got != want {
			t.Errorf("flags %#x: got %q, want %q", flags, got, want)
		}
	}
	for want, p := range map[string]Packet{"": {}, "tcp": {Version: 4, Proto: 6}, "ip protocol 99": {Version: 6, Proto: 99}, "arp": {EtherType: 0x806}, "type 0x88b5": {EtherType: 0x88b5}} {
		if got := p.Protocol(); got != want {
			t.Errorf("got %q, want %q", got, want)
		}
	}
}
