package packet

// Link types (the LINKTYPE_ values of pcap and pcapng files).
const (
	linkNull              = 0
	linkEthernet          = 1
	linkTokenRing         = 6
	linkARCnetBSD         = 7
	linkSLIP              = 8
	linkPPP               = 9
	linkFDDI              = 10
	linkRaw12             = 12 // DLT_RAW, except on OpenBSD
	linkRaw14             = 14 // DLT_RAW on OpenBSD
	linkPPPHDLC           = 50
	linkPPPoE             = 51
	linkATM               = 100
	linkRaw               = 101
	linkCHDLC             = 104
	link80211             = 105
	linkATMCLIP           = 106
	linkFrameRelay        = 107
	linkLoop              = 108
	linkEnc               = 109
	linkSLL               = 113
	linkPFLog             = 117
	linkPrism             = 119
	linkIPoverFC          = 122
	linkSunATM            = 123
	linkRadiotap          = 127
	linkARCnetLinux       = 129
	linkJuniperMLPPP      = 130
	linkJuniperMLFR       = 131
	linkJuniperES         = 132
	linkJuniperGGSN       = 133
	linkJuniperMFR        = 134
	linkJuniperATM2       = 135
	linkJuniperServices   = 136
	linkJuniperATM1       = 137
	linkApple1394         = 138
	linkUser2             = 149
	linkAVS               = 163
	linkJuniperMonitor    = 164
	linkPPPPPPD           = 166
	linkJuniperPPPoE      = 167
	linkJuniperPPPoEATM   = 168
	linkJuniperEther      = 178
	linkJuniperPPP        = 179
	linkJuniperFrameRelay = 180
	linkJuniperCHDLC      = 181
	linkMFR               = 182
	linkJuniperVP         = 183
	linkPPI               = 192
	linkJuniperISM        = 194
	linkERF               = 197
	linkJuniperST         = 200
	linkPPPDir            = 204
	linkCHDLCDir          = 205
	linkFrameRelayDir     = 206
	linkIPNet             = 226
	linkIPv4              = 228
	linkIPv6              = 229
	linkNFLog             = 239
	linkNetAnalyzer       = 240
	linkNetAnalyzerFull   = 241
	linkIPoIB             = 242
	linkPktap             = 258
	linkEPON              = 259
	linkSLL2              = 276
	linkDSABroadcom       = 281
	linkDSAPrepend        = 282
	linkDSAMarvell        = 284
	linkDSAMarvellType    = 285
)

// link reads a packet of any link type.
func (ps *Parser) link(link uint16, b []byte, wire int, p *Packet) Cause {
	if len(b) == 0 {
		return Empty
	}
	switch link {
	case linkEthernet:
		return ps.ethernet(b, wire, p)
	case linkSLL2:
		return ps.sll2(b, wire, p)
	case linkSLL:
		return ps.sll(b, wire, p)
	case linkRaw, linkRaw12, linkRaw14:
		return ps.ip(b, wire, p)
	case linkIPv4:
		return ps.ip4(b, wire, p)
	case linkIPv6:
		return ps.ip6(b, wire, p)
	case linkNull, linkLoop:
		return ps.loopback(b, wire, p)
	case linkPPP, linkPPPHDLC:
		if b[0] == 0x0f || b[0] == 0x8f {
			return ps.hdlc(b, wire, p)
		}
		return ps.ppp(b, wire, p)
	case linkPPPPPPD:
		if len(b) >= 2 && b[1] == 0x03 {
			p.Outgoing = b[0] == 1
			return ps.ppp(b[2:], wire-2, p)
		}
		return ps.ppp(b, wire, p)
	case linkPPPoE:
		return ps.pppoe(b, wire, p)
	case linkCHDLC:
		return ps.hdlc(b, wire, p)
	case linkFrameRelay:
		return ps.frameRelay(b, wire, p)
	case linkMFR:
		return ps.multilinkFR(b, wire, p)
	case linkPPPDir, linkCHDLCDir, linkFrameRelayDir:
		p.Outgoing = b[0] != 0
		without := [...]uint16{linkPPP, linkCHDLC, linkFrameRelay}[link-linkPPPDir]
		return ps.link(without, b[1:], wire-1, p)
	case link80211:
		return ps.wireless(b, wire, p)
	case linkRadiotap:
		return ps.radiotap(b, wire, p)
	case linkPrism:
		return ps.prism(b, wire, p)
	case linkAVS:
		return ps.avs(b, wire, p)
	case linkPPI:
		return ps.ppi(b, wire, p)
	case linkATM, linkATMCLIP:
		return ps.atm(b, wire, p)
	case linkJuniperMLPPP, linkJuniperMLFR, linkJuniperES, linkJuniperGGSN, linkJuniperMFR, linkJuniperATM2,
		linkJuniperServices, linkJuniperATM1, linkJuniperMonitor, linkJuniperPPPoE, linkJuniperPPPoEATM,
		linkJuniperEther, linkJuniperPPP, linkJuniperFrameRelay, linkJuniperCHDLC, linkJuniperVP, linkJuniperISM,
		linkJuniperST:
		return ps.juniper(link, b, wire, p)
	}
	return ps.rareLink(link, b, wire, p)
}
