package packet

import "strconv"

// Protocol returns the name of the innermost protocol that was read, in lower
// case: "tcp", "sctp", "arp", "ip protocol 99", "type 0x88b5", or "" when not
// even a link header was.
func (p *Packet) Protocol() string {
	if p.Version != 0 {
		switch p.Proto {
		case ProtoTCP:
			return "tcp"
		case ProtoUDP:
			return "udp"
		case ProtoICMP:
			return "icmp"
		case ProtoICMPv6:
			return "icmpv6"
		case protoIGMP:
			return "igmp"
		case protoIPIP, protoIPv6:
			return "ip in ip"
		case protoDCCP:
			return "dccp"
		case protoGRE:
			return "gre"
		case protoESP:
			return "esp"
		case protoAH:
			return "ah"
		case protoOSPF:
			return "ospf"
		case protoPIM:
			return "pim"
		case protoSCTP:
			return "sctp"
		case ProtoUDPLite:
			return "udplite"
		}
		return "ip protocol " + strconv.Itoa(int(p.Proto))
	}
	switch p.EtherType {
	case 0:
		return ""
	case typeIPv4, typeIPv6:
		return "ip"
	case typeARP:
		return "arp"
	case typeRARP:
		return "rarp"
	case typeMPLS, typeMPLSMulti:
		return "mpls"
	case typeDiscovery, typePPPoE:
		return "pppoe"
	case typeEAPOL:
		return "802.1x"
	case typeLACP:
		return "slow"
	case typeLLDP:
		return "lldp"
	case typeMACsec:
		return "macsec"
	}
	const digits = "0123456789abcdef"
	t := p.EtherType
	return "type 0x" + string([]byte{digits[t>>12], digits[t>>8&15], digits[t>>4&15], digits[t&15]})
}
