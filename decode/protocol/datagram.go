package protocol

// A Datagram is what UDP carried once.
type Datagram struct {
	// Data is what was captured of the payload, Wire how long it was.
	Data []byte
	Wire int
	// Src and Dst are the ports. They are no evidence, but of two protocols with
	// one format they tell which it is, and where a datagram alone says little
	// the usual port confirms it.
	Src, Dst uint16
	// Back says that it went the other way than the flow's first datagram.
	Back bool
}

// on reports whether one of the ports is p.
func (d *Datagram) on(p uint16) bool { return d.Src == p || d.Dst == p }

// whole reports whether all of the payload was captured.
func (d *Datagram) whole() bool { return len(d.Data) >= d.Wire }

// The names of what UDP carries.
const (
	DNS         = "dns"
	MDNS        = "mdns"
	LLMNR       = "llmnr"
	NetBIOSName = "netbios-ns"
	NetBIOSData = "netbios-dgm"
	QUIC        = "quic"
	GQUIC       = "gquic"
	RTP         = "rtp"
	RTCP        = "rtcp"
	STUN        = "stun"
	DTLS        = "dtls"
	DHCP        = "dhcp"
	DHCPv6      = "dhcpv6"
	NTP         = "ntp"
	SSDP        = "ssdp"
	Syslog      = "syslog"
	SNMP        = "snmp"
	WireGuard   = "wireguard"
	TFTP        = "tftp"
	CoAP        = "coap"
	RADIUS      = "radius"
	Kerberos    = "kerberos"
	CLDAP       = "cldap"
	SIP         = "sip"
	IKE         = "ike"
	OpenVPN     = "openvpn"
	L2TP        = "l2tp"
	BitTorrent  = "bittorrent"
	RPC         = "rpc"
	RIP         = "rip"
	BFD         = "bfd"
	HSRP        = "hsrp"
	VXLAN       = "vxlan"
	GTP         = "gtp"
	NetFlow     = "netflow"
	SFlow       = "sflow"
	StatsD      = "statsd"
	RTPS        = "rtps"
	WSDiscovery = "ws-discovery"
)

// A weight is what a datagram says about a protocol.
type weight uint8

const (
	alien  weight = iota // it is another protocol
	likely               // it may be: the port, or more datagrams, have to agree
	sure                 // nothing else looks like that
)

// A datagramRule knows one protocol. Port is where it usually is, zero where a
// port says nothing; answer says that this is what a server sends.
var datagramRules = [...]struct {
	name string
	fits func(d *Datagram) (w weight, answer bool)
	port [3]uint16
}{
	{STUN, isSTUN, [3]uint16{3478, 19302}},
	{DTLS, isDTLS, [3]uint16{}},
	{QUIC, isQUIC, [3]uint16{}},
	{GQUIC, isGQUIC, [3]uint16{443}},
	{DNS, isDNS, [3]uint16{53}},
	{DHCP, isDHCP, [3]uint16{67, 68, 4011}},
	{SNMP, isSNMP, [3]uint16{161, 162}},
	{Kerberos, isKerberos, [3]uint16{88}},
	{CLDAP, isCLDAP, [3]uint16{389}},
	{SSDP, isSSDP, [3]uint16{1900}},
	{SIP, isSIPDatagram, [3]uint16{5060}},
	{Syslog, isSyslog, [3]uint16{514}},
	{TFTP, isTFTP, [3]uint16{69}},
	{BitTorrent, isBitTorrentDatagram, [3]uint16{6881}},
	{RTPS, isRTPS, [3]uint16{}},
	{WSDiscovery, isWSDiscovery, [3]uint16{3702}},
	{WireGuard, isWireGuard, [3]uint16{51820}},
	{IKE, isIKE, [3]uint16{500, 4500}},
	{RPC, isRPCDatagram, [3]uint16{111, 2049}},
	{RADIUS, isRADIUS, [3]uint16{1812, 1813, 1645}},
	{NetBIOSData, isNetBIOSData, [3]uint16{138}},
	{NetFlow, isNetFlow, [3]uint16{2055, 4739, 9995}},
	{SFlow, isSFlow, [3]uint16{6343}},
	{NTP, isNTP, [3]uint16{123}},
	{DHCPv6, isDHCPv6, [3]uint16{546, 547}},
	{L2TP, isL2TP, [3]uint16{1701}},
	{OpenVPN, isOpenVPN, [3]uint16{1194}},
	{RIP, isRIP, [3]uint16{520}},
	{HSRP, isHSRP, [3]uint16{1985}},
	{VXLAN, isVXLAN, [3]uint16{4789, 8472}},
	{GTP, isGTP, [3]uint16{2152, 2123}},
	{BFD, isBFD, [3]uint16{3784, 4784}},
	{CoAP, isCoAP, [3]uint16{5683}},
	{StatsD, isStatsD, [3]uint16{8125}},
	{RTCP, isRTCP, [3]uint16{}},
}

// MaxDatagrams is how many datagrams of a flow are worth looking at.
const MaxDatagrams = 48

// A Datagrams names the protocol of a flow of datagrams. The zero Datagrams has
// seen none. It holds no bytes.
type Datagrams struct {
	name      string
	candidate uint8 // 1 + the rule that has found something likely
	seen      uint8
	agreed    [2]uint8 // datagrams each way that fit the candidate
	settled   bool
	answered  bool
	rtp       [2]rtp
}

// Add looks at the next datagram. It reports whether more are worth looking at.
func (s *Datagrams) Add(d *Datagram) (more bool) {
	if s.settled {
		return false
	}
	if len(d.Data) == 0 {
		return true
	}
	s.seen++
	// Media share a flow with what opens it (RFC 7983): what comes last counts.
	if s.media(d) {
		s.name, s.settled = RTP, true
		return false
	}
	name, w, answer, rule := s.ask(d)
	if s.seen == 1 {
		s.answered = answer
	}
	switch {
	case w == sure && (s.name == "" || s.name == STUN || s.name == RTCP && name == RTP):
		s.name = name
	case s.name != "":
	case w == likely:
		if s.candidate != rule {
			s.candidate, s.agreed = rule, [2]uint8{}
		}
		way := 0
		if d.Back {
			way = 1
		}
		s.agreed[way]++
		if s.agreed[0] > 0 && s.agreed[1] > 0 || s.agreed[way] >= 4 {
			s.name = name
		}
	default:
		s.candidate = 0
	}
	// Connectivity checks are answered before anything else is sent.
	s.settled = s.seen >= MaxDatagrams || s.name != "" && s.name != STUN && s.name != DTLS && s.name != RTCP
	return !s.settled
}

// ask asks the rules, the candidate first.
func (s *Datagrams) ask(d *Datagram) (name string, w weight, answer bool, rule uint8) {
	for i := range datagramRules {
		r := &datagramRules[i]
		v, back := r.fits(d)
		if v == alien {
			continue
		}
		if v == likely {
			for _, p := range r.port {
				if p != 0 && d.on(p) {
					v = sure
				}
			}
		}
		if v > w {
			name, w, answer, rule = r.name, v, back, uint8(i+1)
		}
		if w == sure {
			break
		}
	}
	if name == DNS {
		name = dialect(d)
	}
	return name, w, answer, rule
}

// Name returns the protocol of the flow, "" if it is not known.
func (s *Datagrams) Name() string { return s.name }

// Answered reports whether the first datagram was what a server sends: then the
// other side is the client.
func (s *Datagrams) Answered() bool { return s.answered }

// DatagramNames returns all names that Datagrams gives.
func DatagramNames() []string {
	names := make([]string, 0, len(datagramRules)+4)
	for _, r := range datagramRules {
		names = append(names, r.name)
		if r.name == DNS {
			names = append(names, MDNS, LLMNR, NetBIOSName)
		}
	}
	return append(names, RTP)
}
