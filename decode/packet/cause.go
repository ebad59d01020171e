package packet

// A Cause says how far Parse came with a packet, and why no further.
type Cause uint8

// OK: the TCP, UDP or ICMP header was read.
const OK Cause = 0

// These packets hold no TCP, UDP or ICMP: nothing is lost.
const (
	ARP           Cause = iota + 1 // and RARP
	STP                            // spanning tree
	LLDP                           // and CDP
	LACP                           // the slow protocols
	EAPOL                          // 802.1X
	PPPControl                     // LCP, IPCP, PAP, PPPoE discovery, ...
	LLC                            // 802.2 LLC that carries no IP
	WirelessOther                  // 802.11 management and control frames
	NotIP                          // any other Ethernet type or link layer
	SCTP                           // Segment and ports are set
	IGMP
	OSPF
	NoNextHeader // IPv6 protocol 59
	OtherIP      // any other IP protocol
	// Fragment: an IP fragment that is kept until its datagram is whole. The
	// packet that completes it gives the datagram. See Parser.Unfinished.
	Fragment
	lastHarmless = Fragment
)

// These packets may hold TCP, UDP or ICMP that Parse cannot reach.
const (
	UnknownLink        Cause = iota + 1 + lastHarmless // no such link type is known
	UnreadableLink                                     // a known link type that is not decoded
	Empty                                              // no byte was captured
	TruncatedLink                                      // the capture ends inside a link header
	TruncatedIP                                        // ... an IP or extension header
	TruncatedTCP                                       // ... the first 20 bytes of the TCP header
	TruncatedUDP                                       // ... the UDP header
	TruncatedICMP                                      // ... the ICMP header
	TruncatedTunnel                                    // ... a tunnel header
	TruncatedIGMP                                      // ... an IGMP message: see Packet.Memberships
	TruncatedMLD                                       // ... an MLD message: likewise
	UnfinishedFragment                                 // never from Parse: see Parser.Unfinished
	ESP                                                // IPsec
	MACsec                                             // encrypted 802.1AE
	EncryptedWireless                                  // encrypted 802.11 data
	WirelessFragment                                   // an 802.11 fragment
	AggregatedWireless                                 // an A-MSDU of several frames
	CompressedPPP                                      // PPP header compression, CCP, encryption
	PPPFragment                                        // a fragment of multilink PPP or frame relay
	IPComp                                             // compressed IP payload
	TooDeep                                            // more encapsulations than Parser.MaxTunnels
	UnknownTunnel                                      // a tunnel whose content is not known
	lastUnreadable     = UnknownTunnel
)

// These packets break the rules of a protocol.
const (
	BadLink      Cause = iota + 1 + lastUnreadable
	BadFCS             // 802.11 frame marked as damaged
	BadIPVersion       // the version field is not the one announced
	BadIPv4            // header or total length
	BadIPv6            // payload length
	BadExtension       // an IPv6 extension header, or too many
	BadFragment        // offset or length of an IP fragment
	BadTCP             // data offset below 20 bytes or past the end
	BadUDP             // length below 8 bytes or past the end
	BadICMP            // shorter than its header
	BadTunnel          // a tunnel header
	BadIGMP            // never from Parse: see Packet.Memberships
	BadMLD             // likewise
	lastCause    = BadMLD
)

// Causes is the number of causes: each is below it.
const Causes = int(lastCause) + 1

var causeNames = [Causes]string{
	OK:                 "ok",
	ARP:                "not IP: ARP",
	STP:                "not IP: spanning tree",
	LLDP:               "not IP: LLDP or CDP",
	LACP:               "not IP: slow protocols",
	EAPOL:              "not IP: 802.1X",
	PPPControl:         "not IP: PPP control",
	LLC:                "not IP: 802.2 LLC",
	WirelessOther:      "not IP: 802.11 management or control",
	NotIP:              "not IP",
	SCTP:               "not TCP or UDP: SCTP",
	IGMP:               "not TCP or UDP: IGMP",
	OSPF:               "not TCP or UDP: OSPF",
	NoNextHeader:       "not TCP or UDP: no next header",
	OtherIP:            "not TCP or UDP: other IP protocol",
	Fragment:           "IP fragment",
	UnknownLink:        "unknown link type",
	UnreadableLink:     "link type not decoded",
	Empty:              "empty packet",
	TruncatedLink:      "truncated link header",
	TruncatedIP:        "truncated IP header",
	TruncatedTCP:       "truncated TCP header",
	TruncatedUDP:       "truncated UDP header",
	TruncatedICMP:      "truncated ICMP header",
	TruncatedTunnel:    "truncated tunnel header",
	TruncatedIGMP:      "truncated IGMP message",
	TruncatedMLD:       "truncated MLD message",
	UnfinishedFragment: "IP fragment of an incomplete datagram",
	ESP:                "encrypted: ESP",
	MACsec:             "encrypted: MACsec",
	EncryptedWireless:  "encrypted: 802.11",
	WirelessFragment:   "802.11 fragment",
	AggregatedWireless: "802.11 aggregate of several frames",
	CompressedPPP:      "compressed or encrypted PPP",
	PPPFragment:        "multilink fragment",
	IPComp:             "compressed IP payload",
	TooDeep:            "tunnels nested too deep",
	UnknownTunnel:      "unknown tunnel payload",
	BadLink:            "malformed link header",
	BadFCS:             "damaged 802.11 frame",
	BadIPVersion:       "wrong IP version",
	BadIPv4:            "malformed IPv4 header",
	BadIPv6:            "malformed IPv6 header",
	BadExtension:       "malformed IPv6 extension header",
	BadFragment:        "malformed IP fragment",
	BadTCP:             "malformed TCP header",
	BadUDP:             "malformed UDP header",
	BadICMP:            "malformed ICMP header",
	BadTunnel:          "malformed tunnel header",
	BadIGMP:            "malformed IGMP message",
	BadMLD:             "malformed MLD message",
}

// String returns the cause in words, such as "truncated TCP header". The words
// are stable.
func (c Cause) String() string {
	if int(c) < Causes {
		return causeNames[c]
	}
	return "unknown cause"
}

// Malformed reports whether the packet breaks the rules of a protocol.
func (c Cause) Malformed() bool { return c > lastUnreadable && c <= lastCause }

// Unreadable reports whether the packet may hold a transport that was not
// reached, malformed packets included. It is false for OK, for what is not
// TCP, UDP or ICMP, and for a Fragment.
func (c Cause) Unreadable() bool { return c > lastHarmless && c <= lastCause }
