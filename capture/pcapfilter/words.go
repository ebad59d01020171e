package pcapfilter

// keywords are the words of the language and what each is an alias of.
var keywords = words(
	"dst", "src", "arp", "rarp", "ip", "sctp", "tcp", "udp", "icmp", "igmp", "igrp", "pim", "vrrp", "carp", "radio",
	"ip6", "icmp6", "ah", "esp", "atalk", "aarp", "decnet", "lat", "sca", "moprc", "mopdl",
	"iso", "esis", "es-is=esis", "isis", "is-is=isis", "l1", "l2", "iih", "lsp", "snp", "csnp", "psnp", "clnp",
	"stp", "ipx", "netbeui", "host", "net", "mask", "port", "portrange", "proto", "protochain", "gateway",
	"link", "ether=link", "ppp=link", "slip=link", "fddi=link", "tr=link", "wlan=link",
	"type", "subtype", "dir", "direction=dir", "addr1", "address1=addr1", "addr2", "address2=addr2",
	"addr3", "address3=addr3", "addr4", "address4=addr4", "ra", "ta",
	"less", "greater", "byte", "broadcast", "multicast", "and", "or", "not", "len", "length=len",
	"inbound", "outbound", "ifindex", "vlan", "mpls", "pppoed", "pppoes", "geneve", "llc",
	// ATM
	"lane", "metac", "bcc", "oam", "oamf4", "oamf4ec", "oamf4sc", "sc", "ilmic", "vpi", "vci", "connectmsg", "metaconnect",
	// pf of the BSDs
	"ifname", "on=ifname", "rset", "ruleset=rset", "rnr", "rulenum=rnr", "srnr", "subrulenum=srnr", "reason", "action",
	// SS7
	"fisu", "lssu", "lsu=lssu", "msu", "hfisu", "hlssu", "hmsu", "sio", "opc", "dpc", "sls", "hsio", "hopc", "hdpc", "hsls",
)

func words(list ...string) map[string]string {
	m := make(map[string]string, len(list))
	for _, w := range list {
		name, of := w, w
		for i := range w {
			if w[i] == '=' {
				name, of = w[:i], w[i+1:]
			}
		}
		m[name] = of
	}
	return m
}

// constants are the names of numbers.
var constants = map[string]uint32{
	"icmptype": 0, "icmpcode": 1, "icmp6type": 0, "icmp6code": 1, "tcpflags": 13,

	"icmp-echoreply": 0, "icmp-unreach": 3, "icmp-sourcequench": 4, "icmp-redirect": 5, "icmp-echo": 8,
	"icmp-routeradvert": 9, "icmp-routersolicit": 10, "icmp-timxceed": 11, "icmp-paramprob": 12, "icmp-tstamp": 13,
	"icmp-tstampreply": 14, "icmp-ireq": 15, "icmp-ireqreply": 16, "icmp-maskreq": 17, "icmp-maskreply": 18,

	"icmp6-destinationunreach": 1, "icmp6-packettoobig": 2, "icmp6-timeexceeded": 3, "icmp6-parameterproblem": 4,
	"icmp6-echo": 128, "icmp6-echoreply": 129, "icmp6-multicastlistenerquery": 130,
	"icmp6-multicastlistenerreportv1": 131, "icmp6-multicastlistenerdone": 132, "icmp6-routersolicit": 133,
	"icmp6-routeradvert": 134, "icmp6-neighborsolicit": 135, "icmp6-neighboradvert": 136, "icmp6-redirect": 137,
	"icmp6-routerrenum": 138, "icmp6-nodeinformationquery": 139, "icmp6-nodeinformationresponse": 140,
	"icmp6-ineighbordiscoverysolicit": 141, "icmp6-ineighbordiscoveryadvert": 142,
	"icmp6-multicastlistenerreportv2": 143, "icmp6-homeagentdiscoveryrequest": 144,
	"icmp6-homeagentdiscoveryreply": 145, "icmp6-mobileprefixsolicit": 146, "icmp6-mobileprefixadvert": 147,
	"icmp6-certpathsolicit": 148, "icmp6-certpathadvert": 149, "icmp6-multicastrouteradvert": 151,
	"icmp6-multicastroutersolicit": 152, "icmp6-multicastrouterterm": 153,

	"tcp-fin": 1, "tcp-syn": 2, "tcp-rst": 4, "tcp-push": 8, "tcp-ack": 16, "tcp-urg": 32, "tcp-ece": 64, "tcp-cwr": 128,
}

// Ethernet types and, below 1501, numbers of 802.2 service access points.
const (
	typeIP4   = 0x0800
	typeARP   = 0x0806
	typeRARP  = 0x8035
	typeVLAN  = 0x8100
	typeQinQ  = 0x88a8
	typeQinQ1 = 0x9100
	typeIPX   = 0x8137
	typeIP6   = 0x86dd
	typeMPLS  = 0x8847
	typePPPoD = 0x8863
	typePPPoE = 0x8864
	typeDN    = 0x6003
	typeAARP  = 0x80f3
	typeATalk = 0x809b

	sapIP      = 0x06
	sapSTP     = 0x42
	sapIPX     = 0xe0
	sapNetBEUI = 0xf0
	sapISO     = 0xfe

	lastLength = 1500 // what is above it in an Ethernet header is a type
)

// etherProtos are what "ether proto" knows by name.
var etherProtos = map[string]uint32{
	"ip": typeIP4, "ip6": typeIP6, "arp": typeARP, "rarp": typeRARP, "aarp": typeAARP, "atalk": typeATalk,
	"decnet": typeDN, "lat": 0x6004, "sca": 0x6007, "moprc": 0x6002, "mopdl": 0x6001, "loopback": 0x9000,
	"iso": sapISO, "stp": sapSTP, "ipx": sapIPX, "netbeui": sapNetBEUI,
}

// ipProtos are what "ip proto", "ip6 proto" and "proto" know by name.
var ipProtos = map[string]uint32{
	"ip": 0, "hopopt": 0, "icmp": 1, "igmp": 2, "ggp": 3, "ipencap": 4, "st": 5, "tcp": 6, "egp": 8, "igp": 9, "pup": 12,
	"udp": 17, "hmp": 20, "xns-idp": 22, "rdp": 27, "iso-tp4": 29, "dccp": 33, "xtp": 36, "ddp": 37, "idpr-cmtp": 38,
	"ipv6": 41, "ipv6-route": 43, "ipv6-frag": 44, "idrp": 45, "rsvp": 46, "gre": 47, "esp": 50, "ah": 51, "skip": 57,
	"ipv6-icmp": 58, "ipv6-nonxt": 59, "ipv6-opts": 60, "rspf": 73, "vmtp": 81, "eigrp": 88, "ospf": 89, "ax.25": 93,
	"ipip": 94, "etherip": 97, "encap": 98, "pim": 103, "ipcomp": 108, "vrrp": 112, "l2tp": 115, "isis": 124,
	"sctp": 132, "fc": 133, "mobility-header": 135, "udplite": 136, "mpls-in-ip": 137, "manet": 138, "hip": 139,
	"shim6": 140, "wesp": 141, "rohc": 142, "ethernet": 143, "mptcp": 262,
	"ip-encap": 4, "cphb": 73, "ospfigp": 89, "ipsec-esp": 50, "ipsec-ah": 51,
}

// isoProtos are what "iso proto" knows by name.
var isoProtos = map[string]uint32{"clnp": 0x81, "esis": 0x82, "isis": 0x83}

// Types of IS-IS packets.
const (
	isisL1IIH  = 15
	isisL2IIH  = 16
	isisPPIIH  = 17
	isisL1LSP  = 18
	isisL2LSP  = 20
	isisL1CSNP = 24
	isisL2CSNP = 25
	isisL1PSNP = 26
	isisL2PSNP = 27
)

// llcS and llcU are control fields of 802.2 supervisory and unnumbered frames.
var (
	llcS = map[string]uint32{"rr": 0x01, "rnr": 0x05, "rej": 0x09}
	llcU = map[string]uint32{"ui": 0x03, "ua": 0x63, "disc": 0x43, "dm": 0x0f, "sabme": 0x6f, "test": 0xe3, "xid": 0xaf, "frmr": 0x87}
)

// Types and subtypes of 802.11 frames, as in the first byte.
var (
	wlanTypes    = map[string]uint32{"data": 0x08, "mgt": 0x00, "management": 0x00, "ctl": 0x04, "control": 0x04}
	wlanSubtypes = map[uint32]map[string]uint32{
		0x00: {"assocreq": 0x00, "assoc-req": 0x00, "assocresp": 0x10, "assoc-resp": 0x10, "reassocreq": 0x20,
			"reassoc-req": 0x20, "reassocresp": 0x30, "reassoc-resp": 0x30, "probereq": 0x40, "probe-req": 0x40,
			"proberesp": 0x50, "probe-resp": 0x50, "beacon": 0x80, "atim": 0x90, "disassoc": 0xa0,
			"disassociation": 0xa0, "auth": 0xb0, "authentication": 0xb0, "deauth": 0xc0, "deauthentication": 0xc0},
		0x04: {"ps-poll": 0xa0, "rts": 0xb0, "cts": 0xc0, "ack": 0xd0, "cf-end": 0xe0, "cf-end-ack": 0xf0},
		0x08: {"data": 0x00, "data-cf-ack": 0x10, "data-cf-poll": 0x20, "data-cf-ack-poll": 0x30, "null": 0x40,
			"cf-ack": 0x50, "cf-poll": 0x60, "cf-ack-poll": 0x70, "qos-data": 0x80, "qos-data-cf-ack": 0x90,
			"qos-data-cf-poll": 0xa0, "qos-data-cf-ack-poll": 0xb0, "qos": 0xc0, "qos-cf-poll": 0xe0,
			"qos-cf-ack-poll": 0xf0},
	}
	wlanDirections = map[string]uint32{"nods": 0, "tods": 1, "fromds": 2, "dstods": 3}
)
