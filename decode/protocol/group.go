package protocol

import "net/netip"

// groups4 and groups6 are multicast groups that hosts and routers meet, as IANA
// registers them; those of IPv6 without their scope (RFC 4291 section 2.7).
var (
	groups4 = map[[4]byte]string{
		{224, 0, 0, 1}: "all hosts", {224, 0, 0, 2}: "all routers", {224, 0, 0, 4}: "dvmrp", {224, 0, 0, 5}: "ospf", {224, 0, 0, 6}: "ospf designated",
		{224, 0, 0, 9}: "rip", {224, 0, 0, 10}: "eigrp", {224, 0, 0, 13}: "pim", {224, 0, 0, 18}: "vrrp", {224, 0, 0, 22}: "igmp",
		{224, 0, 0, 102}: "hsrp", {224, 0, 0, 106}: "all snoopers", {224, 0, 0, 107}: "ptp peer delay", {224, 0, 0, 251}: "mdns", {224, 0, 0, 252}: "llmnr",
		{224, 0, 0, 253}: "teredo", {224, 0, 1, 1}: "ntp", {224, 0, 1, 22}: "slp", {224, 0, 1, 24}: "wins", {224, 0, 1, 60}: "hp device discovery",
		{224, 0, 1, 75}: "sip", {224, 0, 1, 129}: "ptp", {224, 0, 1, 130}: "ptp", {224, 0, 1, 131}: "ptp", {224, 0, 1, 132}: "ptp", {224, 0, 1, 187}: "coap",
		{224, 2, 127, 254}: "sap", {239, 255, 255, 250}: "ssdp", {239, 255, 255, 253}: "slp",
	}
	groups6 = map[uint64]string{
		1: "all hosts", 2: "all routers", 5: "ospf", 6: "ospf designated", 9: "rip", 0xa: "eigrp", 0xc: "ssdp", 0xd: "pim", 0x12: "vrrp", 0x16: "mld",
		0x6a: "all snoopers", 0x6b: "ptp peer delay", 0xfb: "mdns", 0xfd: "coap", 0x101: "ntp", 0x116: "slp", 0x181: "ptp",
		0x1_0002: "dhcp", 0x1_0003: "llmnr", 0x1_0005: "dhcp servers",
	}
)

// GroupName returns what a multicast group is for, such as "mdns", or "".
func GroupName(a netip.Addr) string {
	a = a.Unmap()
	if !a.IsMulticast() {
		return ""
	}
	if a.Is4() {
		return groups4[a.As4()]
	}
	b := a.As16()
	var high, low uint64
	for i := range 8 {
		high, low = high<<8|uint64(b[i]), low<<8|uint64(b[i+8])
	}
	switch {
	case high&^(0xf<<48) != 0xff<<56: // flags, or a prefix: not one of IANA's
		return ""
	case low>>24 == 0x1_ff: // RFC 4291 section 2.7.1
		return "solicited node"
	}
	return groups6[low]
}
