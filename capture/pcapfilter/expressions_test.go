package pcapfilter

import (
	"strconv"
	"strings"
)

// expression makes a random expression. Many are refused, by both.
func (m *maker) expression(depth int) string {
	switch {
	case depth <= 0 || m.one(3):
		return m.primitive()
	case m.one(8):
		return pick(m, "not ", "! ", "not (") + m.expression(depth-1)
	case m.one(4):
		return "(" + m.expression(depth-1) + ")"
	case m.one(6): // a bare id
		return m.expression(depth-1) + m.join() + pick(m, "", "", "not ") + m.id()
	}
	return m.expression(depth-1) + m.join() + m.expression(depth-1)
}

// closed closes what expression has left open.
func closed(s string) string {
	if n := strings.Count(s, "(") - strings.Count(s, ")"); n > 0 {
		s += strings.Repeat(")", n)
	}
	return s
}

func (m *maker) join() string { return pick(m, " and ", " or ", " && ", " || ", " and ", " or ") }

func (m *maker) address4() string {
	return pick(m, "10.0.0.1", "10.0.0.2", "192.168.1.5", "224.0.0.5", "255.255.255.255", "0.0.0.0", "127.0.0.1")
}

func (m *maker) address6() string {
	return pick(m, "2001:db8::1", "2001:db8:0:1::2", "fe80::200:ff:fe00:1", "ff02::1", "::1")
}

func (m *maker) address() string {
	return pick(m, "02:00:00:00:00:01", "02:00:00:00:00:02", "ff:ff:ff:ff:ff:ff", "0100.5e00.0005", "33-33-0-0-0-1")
}

func (m *maker) portName() string {
	return pick(m, "80", "443", "53", "22", "8765", "6081", "1024", "0", "https", "domain")
}

func (m *maker) id() string {
	switch m.IntN(8) {
	case 0:
		return m.address4()
	case 1:
		return m.address6()
	case 2:
		return m.address()
	case 3:
		return "(" + m.id() + m.join() + m.id() + ")"
	case 4:
		return pick(m, "10.0", "192.168.1.0/24", "10", "2001:db8::/32", `\tcp`)
	}
	return m.portName()
}

func (m *maker) dir() string {
	return pick(m, "", "", "", "src ", "dst ", "src or dst ", "src and dst ", "dst and src ")
}

func (m *maker) primitive() string {
	n := func(k int) string { return strconv.Itoa(m.IntN(k)) }
	switch m.IntN(24) {
	case 0, 1:
		return pick(m, "ip", "ip6", "arp", "rarp", "tcp", "udp", "sctp", "icmp", "icmp6", "igmp", "esp", "ah", "pim", "vrrp", "carp", "igrp",
			"iso", "stp", "ipx", "netbeui", "atalk", "aarp", "decnet", "lat", "clnp", "esis", "isis", "l1", "l2", "iih", "lsp", "snp", "csnp", "psnp")
	case 2, 3, 4:
		return pick(m, "", "", "tcp ", "udp ", "sctp ") + m.dir() + "port " + m.portName()
	case 5:
		return pick(m, "", "tcp ", "udp ") + m.dir() + "portrange " + pick(m, "22-80", "80-443", "443-53", "1024-9000", "0-65535", "80")
	case 6, 7:
		return pick(m, "", "", "ip ", "arp ", "rarp ") + m.dir() + "host " + m.address4()
	case 8:
		return pick(m, "", "ip6 ") + m.dir() + "host " + m.address6()
	case 9:
		return pick(m, "", "ip ") + m.dir() + "net " + pick(m, "10", "10.0", "10.0.0.0/8", "192.168.1.0/24", "224.0.0.0/4", "0.0.0.0/0", "10.0.0.0 mask 255.255.255.0", "10.0.0.0/31")
	case 10:
		return m.dir() + "net " + pick(m, "2001:db8::/32", "2001:db8:0:1::/64", "ff00::/8", "::/0", "2001:db8::1", "fe80::/10")
	case 11:
		return "ether " + m.dir() + pick(m, "host ", "") + m.address()
	case 12:
		return pick(m, "broadcast", "multicast", "ether broadcast", "ether multicast", "ip broadcast", "ip multicast", "ip6 multicast")
	case 13:
		return pick(m, "ip proto ", "ip6 proto ", "proto ", "ip proto ", "ether proto ", "iso proto ", "isis proto ") + pick(m, "6", "17", "1", "58", "44", `\tcp`, `\udp`, `\ip`, "0x800", "5", "18", "0xe0")
	case 14:
		return pick(m, "vlan", "vlan "+pick(m, "5", "6", "4095"), "mpls", "mpls "+pick(m, "3", "16"), "pppoes", "pppoes "+pick(m, "5", "39"), "pppoed") + pick(m, "", " and ip", " and ip6", " and tcp", " and port 80")
	case 15:
		return pick(m, "geneve", "geneve 5") + " and " + m.primitive()
	case 16:
		return pick(m, "less ", "greater ") + n(120)
	case 17:
		return pick(m, "llc", "llc i", "llc s", "llc u", "llc rr", "llc ui", "llc xid", "llc rnr")
	case 18:
		return "decnet " + m.dir() + pick(m, "host ", "") + pick(m, "10.123", "1.2")
	}
	return m.arithmetic(2) + pick(m, " = ", " != ", " > ", " < ", " >= ", " <= ", " == ") + m.arithmetic(1)
}

func (m *maker) arithmetic(depth int) string {
	if depth <= 0 || m.one(2) {
		switch m.IntN(4) {
		case 0:
			return pick(m, "len", "0", "1", "5", "17", "0x40", "0xff", "255", "0x0800", "tcp-syn", "icmp-echo", "010")
		case 1:
			return pick(m, "tcp[tcpflags]", "ip[6:2]", "ip6[6]", "icmp[icmptype]", "icmp6[icmp6type]", "arp[6:2]", "ether[12:2]", "tcp[12]", "ip[2:2]", "udp[4:2]", "ip[9]", "ip[0]")
		}
		index := strconv.Itoa(m.IntN(40))
		if m.one(6) {
			index = m.arithmetic(depth - 1)
		}
		return pick(m, "ip", "ip", "ip6", "tcp", "udp", "ether", "link", "icmp", "arp", "sctp", "igmp") + "[" + index + pick(m, "", ":1", ":2", ":4") + "]"
	}
	s := m.arithmetic(depth-1) + pick(m, " + ", " - ", " & ", " | ", " * ", "<<", ">>", " / ", " % ", " ^ ", "&", "+") + m.arithmetic(depth-1)
	switch {
	case m.one(3):
		s = "(" + s + ")"
	case m.one(10):
		s = "-" + s
	}
	return s
}
