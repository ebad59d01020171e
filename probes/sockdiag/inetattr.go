package sockdiag

import "framescope/probes/nlmsg"

// An Attr is an INET_DIAG_ number: an attribute of a Socket.
type Attr uint8

// The attributes. Methods of Socket decode the ones that most need.
const (
	AttrMemInfo       Attr = 1 + iota // struct inet_diag_meminfo
	AttrInfo                          // struct tcp_info, mptcp_info or sctp_info
	AttrVegasInfo                     // struct tcpvegas_info
	AttrCong                          // name of the congestion control
	AttrTOS                           // u8
	AttrTClass                        // u8
	AttrSKMemInfo                     // u32 each
	AttrShutdown                      // u8
	AttrDCTCPInfo                     // struct tcp_dctcp_info
	AttrProtocol                      // u8, of raw sockets
	AttrSKV6Only                      // u8
	AttrLocals                        // SCTP: struct sockaddr_storage each
	AttrPeers                         // SCTP: struct sockaddr_storage each
	AttrPad                           // nothing
	AttrMark                          // u32
	AttrBBRInfo                       // struct tcp_bbr_info
	AttrClassID                       // u32
	AttrMD5Sig                        // struct tcp_diag_md5sig each
	AttrULPInfo                       // attributes
	AttrSKBPFStorages                 // attributes
	AttrCgroupID                      // u64
	AttrSockOpt                       // struct inet_diag_sockopt
)

var inetSpec = spec{
	AttrMemInfo:       {"INET_DIAG_MEMINFO", 16},
	AttrInfo:          {"INET_DIAG_INFO", 8},
	AttrVegasInfo:     {"INET_DIAG_VEGASINFO", 16},
	AttrCong:          {"INET_DIAG_CONG", 1},
	AttrTOS:           {"INET_DIAG_TOS", 1},
	AttrTClass:        {"INET_DIAG_TCLASS", 1},
	AttrSKMemInfo:     {"INET_DIAG_SKMEMINFO", 32},
	AttrShutdown:      {"INET_DIAG_SHUTDOWN", 1},
	AttrDCTCPInfo:     {"INET_DIAG_DCTCPINFO", 16},
	AttrProtocol:      {"INET_DIAG_PROTOCOL", 1},
	AttrSKV6Only:      {"INET_DIAG_SKV6ONLY", 1},
	AttrLocals:        {"INET_DIAG_LOCALS", 0},
	AttrPeers:         {"INET_DIAG_PEERS", 0},
	AttrPad:           {"INET_DIAG_PAD", 0},
	AttrMark:          {"INET_DIAG_MARK", 4},
	AttrBBRInfo:       {"INET_DIAG_BBRINFO", 20},
	AttrClassID:       {"INET_DIAG_CLASS_ID", 4},
	AttrMD5Sig:        {"INET_DIAG_MD5SIG", 0},
	AttrULPInfo:       {"INET_DIAG_ULP_INFO", 0},
	AttrSKBPFStorages: {"INET_DIAG_SK_BPF_STORAGES", 0},
	AttrCgroupID:      {"INET_DIAG_CGROUP_ID", 8},
	AttrSockOpt:       {"INET_DIAG_SOCKOPT", 2},
}

// Attr returns an attribute as the kernel sent it, in host byte order, or nil.
func (s *Socket) Attr(a Attr) []byte {
	if a > maxAttr {
		return nil
	}
	return s.attrs.get(int(a))
}

// Full reports whether s is a whole socket. TIME_WAIT, SYN_RECV and a FIN_WAIT2
// that no process holds are mini-sockets: they have addresses and a timer,
// nothing else.
func (s *Socket) Full() bool { return s.attrs.has(int(AttrShutdown)) }

// Shutdown returns which directions are shut down.
func (s *Socket) Shutdown() (d Shutdown, ok bool) {
	v, ok := s.attrs.u8(int(AttrShutdown))
	return Shutdown(v), ok
}

// MemInfo returns the socket's memory, asked for with ExtSKMemInfo.
func (s *Socket) MemInfo() (m MemInfo, ok bool) { return s.attrs.memInfo(int(AttrSKMemInfo)) }

// Congestion returns the name of the congestion control, asked for with ExtCong,
// or "".
func (s *Socket) Congestion() string {
	b := nlmsg.String(s.attrs.get(int(AttrCong)))
	switch string(b) { // the ones that most have take no memory
	case "cubic":
		return "cubic"
	case "bbr":
		return "bbr"
	case "reno":
		return "reno"
	case "dctcp":
		return "dctcp"
	}
	return string(b)
}

// TOS returns the type-of-service byte of IPv4, asked for with ExtTOS.
func (s *Socket) TOS() (v uint8, ok bool) { return s.attrs.u8(int(AttrTOS)) }

// TClass returns the traffic class of IPv6, asked for with ExtTClass.
func (s *Socket) TClass() (v uint8, ok bool) { return s.attrs.u8(int(AttrTClass)) }

// V6Only reports whether an IPv6 socket takes no IPv4. The kernel says so of
// sockets that listen or are not connected.
func (s *Socket) V6Only() (only, ok bool) {
	v, ok := s.attrs.u8(int(AttrSKV6Only))
	return v != 0, ok
}

// Mark returns the mark (SO_MARK). It needs CAP_NET_ADMIN.
func (s *Socket) Mark() (v uint32, ok bool) { return s.attrs.u32(int(AttrMark)) }

// ClassID returns the class of the net_cls cgroup, or else the priority, asked
// for with ExtTClass.
func (s *Socket) ClassID() (v uint32, ok bool) { return s.attrs.u32(int(AttrClassID)) }

// CgroupID returns the id of the socket's cgroup of version 2: the inode number
// of its directory. Linux 5.8.
func (s *Socket) CgroupID() (v uint64, ok bool) {
	b := s.attrs.get(int(AttrCgroupID))
	if b == nil {
		return 0, false
	}
	return ne.Uint64(b), true
}

// RawProtocol returns the protocol of a raw socket, as in the IP header.
func (s *Socket) RawProtocol() (v uint8, ok bool) { return s.attrs.u8(int(AttrProtocol)) }

// A SockOpt is a set of socket options.
type SockOpt uint16

// The options, by the names of struct inet_diag_sockopt.
const (
	OptRecvErr SockOpt = 1 << iota
	OptIsICSK
	OptFreeBind
	OptHdrIncl
	OptMCLoop
	OptTransparent
	OptMCAll
	OptNoDefrag
	OptBindAddressNoPort
	OptRecvErrRFC4884
	OptDeferConnect
)

// SockOpt returns the options that are set. Linux 5.10.
func (s *Socket) SockOpt() (o SockOpt, ok bool) {
	b := s.attrs.get(int(AttrSockOpt))
	if b == nil {
		return 0, false
	}
	return SockOpt(bits(b[0])) | SockOpt(bits(b[1]))<<8, true
}

// littleEndian says how compilers lay out bit fields here.
var littleEndian = ne.Uint16([]byte{1, 0}) == 1

// bits returns a byte of one-bit fields with the first of them in bit 0.
func bits(b byte) byte {
	if littleEndian {
		return b
	}
	var r byte
	for range 8 {
		r = r<<1 | b&1
		b >>= 1
	}
	return r
}

// The attributes of INET_DIAG_ULP_INFO.
const (
	ulpName  = 1
	ulpTLS   = 2
	ulpMPTCP = 3
)

func (s *Socket) ulp(typ uint16) []byte {
	return nlmsg.Find(s.attrs.get(int(AttrULPInfo)), typ)
}

// ULP returns the name of the upper-layer protocol, "mptcp" or "tls" for
// instance, asked for with ExtInfo, or "".
func (s *Socket) ULP() string {
	b := nlmsg.String(s.ulp(ulpName))
	switch string(b) {
	case "mptcp":
		return "mptcp"
	case "tls":
		return "tls"
	}
	return string(b)
}

// TLSInfo is what the kernel knows of TLS that it speaks itself (kTLS).
type TLSInfo struct {
	Version uint16 // of the protocol: 0x0303 is TLS 1.2, 0x0304 TLS 1.3
	Cipher  uint16 // a TLS_CIPHER_ number of linux/tls.h
	// TxConf and RxConf say who works in each direction: 1 nobody, 2 software,
	// 3 the device, 4 the device with a TCP of its own.
	TxConf, RxConf uint16
	// ZeroCopy: sendfile does not copy. NoPad: records are expected unpadded.
	ZeroCopy, NoPad bool
}

// TLSInfo reads what is known of kTLS, asked for with ExtInfo, into t.
func (s *Socket) TLSInfo(t *TLSInfo) bool {
	b := s.ulp(ulpTLS)
	if b == nil {
		return false
	}
	*t = TLSInfo{}
	for typ, v := range nlmsg.Attrs(b) {
		switch {
		case typ == 5:
			t.ZeroCopy = true
		case typ == 6:
			t.NoPad = true
		case len(v) < 2:
		case typ == 1:
			t.Version = ne.Uint16(v)
		case typ == 2:
			t.Cipher = ne.Uint16(v)
		case typ == 3:
			t.TxConf = ne.Uint16(v)
		case typ == 4:
			t.RxConf = ne.Uint16(v)
		}
	}
	return true
}

// BBRInfo is struct tcp_bbr_info.
type BBRInfo struct {
	BW         uint64 // estimated bandwidth, bytes a second
	MinRTT     uint32 // microseconds
	PacingGain uint32 // in 1/256
	CwndGain   uint32 // in 1/256
}

// BBRInfo returns the state of the congestion control bbr, asked for with
// ExtVegasInfo.
func (s *Socket) BBRInfo() (i BBRInfo, ok bool) {
	b := s.attrs.get(int(AttrBBRInfo))
	if b == nil {
		return i, false
	}
	return BBRInfo{
		BW:     uint64(ne.Uint32(b)) | uint64(ne.Uint32(b[4:]))<<32,
		MinRTT: ne.Uint32(b[8:]), PacingGain: ne.Uint32(b[12:]), CwndGain: ne.Uint32(b[16:]),
	}, true
}
