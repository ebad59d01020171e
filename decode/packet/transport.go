package packet

// The flags of TCP (RFC 9293 section 3.1), the last three for congestion
// notification (RFC 3168, RFC 9768).
const (
	FIN = 1 << iota
	SYN
	RST
	PSH
	ACK
	URG
	ECE
	CWR
	AE
)

var flagNames = [12]string{"FIN", "SYN", "RST", "PSH", "ACK", "URG", "ECE", "CWR", "AE", "R9", "R10", "R11"}

// AppendFlags appends the names of TCP flags to dst, such as "SYN,ACK".
func AppendFlags(dst []byte, flags uint16) []byte {
	first := true
	for i, name := range flagNames {
		if flags>>i&1 == 0 {
			continue
		}
		if !first {
			dst = append(dst, ',')
		}
		dst, first = append(dst, name...), false
	}
	return dst
}

const tcpHeaderLen = 20

// tcp reads a TCP header (RFC 9293 section 3.1).
func tcp(b []byte, wire int, p *Packet) Cause {
	if len(b) < tcpHeaderLen {
		ports(b, p)
		p.Segment, p.HeaderLen, p.Wire = b[:len(b):len(b)], uint8(len(b)), wire-len(b)
		return short(wire, tcpHeaderLen, TruncatedTCP, BadTCP)
	}
	h := (*[tcpHeaderLen]byte)(b)
	p.SrcPort, p.DstPort = be.Uint16(h[0:2]), be.Uint16(h[2:4])
	p.Seq, p.Ack = be.Uint32(h[4:8]), be.Uint32(h[8:12])
	p.Flags = be.Uint16(h[12:14]) & 0xfff
	p.Window, p.Urgent = be.Uint16(h[14:16]), be.Uint16(h[18:20])
	p.Segment = b[:len(b):len(b)]
	n := int(h[12]>>4) * 4
	if n < tcpHeaderLen || n > wire {
		p.HeaderLen, p.Wire = tcpHeaderLen, wire-tcpHeaderLen
		return BadTCP
	}
	// What ends inside the options still tells where the payload would be.
	p.HeaderLen, p.Wire = uint8(min(n, len(b))), wire-n
	return OK
}

func ports(b []byte, p *Packet) {
	if len(b) >= 4 {
		p.SrcPort, p.DstPort = be.Uint16(b), be.Uint16(b[2:])
	}
}

const udpHeaderLen = 8

// udp reads a UDP header (RFC 768), and looks for a tunnel behind it.
func (ps *Parser) udp(b []byte, wire int, p *Packet) Cause {
	if len(b) < udpHeaderLen {
		ports(b, p)
		p.Segment, p.HeaderLen, p.Wire = b[:len(b):len(b)], uint8(len(b)), wire-len(b)
		return short(wire, udpHeaderLen, TruncatedUDP, BadUDP)
	}
	p.SrcPort, p.DstPort = be.Uint16(b), be.Uint16(b[2:])
	n := int(be.Uint16(b[4:]))
	switch {
	case n == 0: // RFC 2675 section 4, or not yet segmented
	case n < udpHeaderLen || n > wire:
		p.Segment, p.HeaderLen, p.Wire = b[:len(b):len(b)], udpHeaderLen, wire-udpHeaderLen
		return BadUDP
	default:
		b, wire = cut(b, wire, n)
	}
	p.Segment, p.HeaderLen, p.Wire = b[:len(b):len(b)], udpHeaderLen, wire-udpHeaderLen
	if k := udpTunnel(p.SrcPort, p.DstPort); k != noTunnel {
		return ps.udpTunnel(k, b[udpHeaderLen:], wire-udpHeaderLen, p)
	}
	return OK
}

const icmpHeaderLen = 8

// icmp reads an ICMP header (RFC 792, RFC 4443). Payload starts with what the
// message carries: the echo data, or the packet that an error is about.
func icmp(b []byte, wire int, p *Packet) Cause {
	if len(b) >= 2 {
		p.Type, p.Code = b[0], b[1]
	}
	n := min(len(b), icmpHeaderLen)
	p.Segment, p.HeaderLen, p.Wire = b[:len(b):len(b)], uint8(n), wire-n
	if len(b) < 4 {
		return short(wire, 4, TruncatedICMP, BadICMP)
	}
	return OK
}
