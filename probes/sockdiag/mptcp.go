package sockdiag

import (
	"time"

	"framescope/probes/nlmsg"
)

// MPTCPInfo is struct mptcp_info: what is known of an MPTCP connection. Fields
// that this kernel does not know are zero.
//
// The counters of addresses and subflows are bytes that may wrap.
type MPTCPInfo struct {
	// Len is how many bytes of the structure the kernel sent.
	Len int

	// Subflows counts the subflows beyond the first, those that were tried in
	// vain included: count the TCP sockets with the token to know (Subflow).
	Subflows                   uint8
	AddAddrSignal              uint8 // addresses announced
	AddAddrAccepted            uint8 // addresses of the peer taken up
	SubflowsMax                uint8 // the limit
	AddAddrSignalMax           uint8 // number of endpoints with the flag signal
	AddAddrAcceptedMax         uint8 // the limit
	Flags                      MPTCPFlags
	Token                      uint32 // the connection's own: see Subflow.TokenLoc
	WriteSeq, SndUna, RcvNxt   uint64 // data sequence numbers
	LocalAddrUsed              uint8  // endpoints used up for this connection
	LocalAddrMax               uint8  // number of endpoints with the flag subflow
	CsumEnabled                bool   // DSS checksums are used
	Retransmits                uint32
	BytesRetrans, BytesSent    uint64 // Linux 6.5, as the next three
	BytesReceived, BytesAcked  uint64
	SubflowsTotal              uint8 // Subflows and the first
	EndpLaminarMax             uint8 // number of endpoints with the flag; Linux 6.18
	EndpFullmeshMax            uint8 // number of endpoints with the flag; after Linux 6.18
	LastDataSent, LastDataRecv time.Duration
	LastAckRecv                time.Duration // the times since; Linux 6.10
}

// MPTCPFlags is a set of MPTCP_INFO_FLAG_ bits.
type MPTCPFlags uint32

// The flags.
const (
	MPTCPFallback          MPTCPFlags = 1 << iota // the connection is plain TCP
	MPTCPRemoteKeyReceived                        // the peer speaks MPTCP
)

const mptcpInfoLen = 96

// MPTCPInfo reads what is known of an MPTCP connection, asked for with ExtInfo,
// into i. It returns false for other sockets.
func (s *Socket) MPTCPInfo(i *MPTCPInfo) bool {
	b := s.attrs.get(int(AttrInfo))
	if b == nil || s.Protocol != MPTCP {
		return false
	}
	i.parse(b)
	return true
}

func (i *MPTCPInfo) parse(info []byte) {
	var b [mptcpInfoLen]byte
	copy(b[:], info)
	*i = MPTCPInfo{
		Len:      len(info),
		Subflows: b[0], AddAddrSignal: b[1], AddAddrAccepted: b[2],
		SubflowsMax: b[3], AddAddrSignalMax: b[4], AddAddrAcceptedMax: b[5],
		Flags: MPTCPFlags(ne.Uint32(b[8:])), Token: ne.Uint32(b[12:]),
		WriteSeq: ne.Uint64(b[16:]), SndUna: ne.Uint64(b[24:]), RcvNxt: ne.Uint64(b[32:]),
		LocalAddrUsed: b[40], LocalAddrMax: b[41], CsumEnabled: b[42] != 0,
		Retransmits:  ne.Uint32(b[44:]),
		BytesRetrans: ne.Uint64(b[48:]), BytesSent: ne.Uint64(b[56:]),
		BytesReceived: ne.Uint64(b[64:]), BytesAcked: ne.Uint64(b[72:]),
		SubflowsTotal: b[80], EndpLaminarMax: b[81], EndpFullmeshMax: b[82],
		LastDataSent: msec(b[84:]), LastDataRecv: msec(b[88:]), LastAckRecv: msec(b[92:]),
	}
}

// A Subflow is what a TCP socket knows of the MPTCP connection that it belongs
// to.
type Subflow struct {
	// TokenLoc is the token of the connection on this host: MPTCPInfo.Token. It
	// is zero if the connection was plain TCP from the beginning.
	TokenLoc uint32
	// TokenRem is the token of the peer, on subflows that this host opened with
	// MP_JOIN; else zero.
	TokenRem uint32
	Flags    SubflowFlags
	// IDLoc and IDRem are the address ids.
	IDLoc, IDRem uint8
	// Sequence tells whether the kernel gave the fields below: it needs
	// CAP_NET_ADMIN.
	Sequence    bool
	RelWriteSeq uint32
	MapSeq      uint64 // data sequence number of the mapping that is being read
	MapSubSeq   uint32 // and its sequence number in the subflow, MAP_SFSEQ
	SSNOffset   uint32
	MapDataLen  uint16 // and its length in bytes
}

// SubflowFlags is a set of MPTCP_SUBFLOW_FLAG_ bits.
type SubflowFlags uint32

// The flags, with the letter that ss(8) has for each.
const (
	SubflowMCapRem          SubflowFlags = 1 << iota // M: the peer sent MP_CAPABLE
	SubflowMCapLoc                                   // m: this host sent MP_CAPABLE
	SubflowJoinRem                                   // J: the peer sent MP_JOIN
	SubflowJoinLoc                                   // j: this host sent MP_JOIN
	SubflowBackupRem                                 // B: the peer asked for backup
	SubflowBackupLoc                                 // b: this host asked for backup
	SubflowFullyEstablished                          // e: the handshake is complete at both ends
	SubflowConnected                                 // c
	SubflowMapValid                                  // v: a mapping is being read
)

// String returns the letters that ss(8) shows: "Mmec".
func (f SubflowFlags) String() string {
	var b []byte
	for i, c := range []byte("MmJjBbecv") {
		if f>>i&1 != 0 {
			b = append(b, c)
		}
	}
	return string(b)
}

// The attributes MPTCP_SUBFLOW_ATTR_.
const (
	subTokenRem = 1 + iota
	subTokenLoc
	subRelWriteSeq
	subMapSeq
	subMapSFSeq
	subSSNOffset
	subMapDataLen
	subFlags
	subIDRem
	subIDLoc
)

// Subflow reads what a TCP socket knows of its MPTCP connection, asked for with
// ExtInfo, into f. It returns false if it belongs to none, if it listens, and on
// kernels that tell it to CAP_NET_ADMIN only, those before Linux 6.15.
func (s *Socket) Subflow(f *Subflow) bool {
	b := s.ulp(ulpMPTCP)
	if b == nil {
		return false
	}
	*f = Subflow{}
	for typ, v := range nlmsg.Attrs(b) {
		switch {
		case len(v) < 1:
		case typ == subIDRem:
			f.IDRem = v[0]
		case typ == subIDLoc:
			f.IDLoc = v[0]
		case len(v) < 2:
		case typ == subMapDataLen:
			f.MapDataLen = ne.Uint16(v)
			f.Sequence = true
		case len(v) < 4:
		case typ == subTokenRem:
			f.TokenRem = ne.Uint32(v)
		case typ == subTokenLoc:
			f.TokenLoc = ne.Uint32(v)
		case typ == subFlags:
			f.Flags = SubflowFlags(ne.Uint32(v))
		case typ == subRelWriteSeq:
			f.RelWriteSeq = ne.Uint32(v)
			f.Sequence = true
		case typ == subMapSFSeq:
			f.MapSubSeq = ne.Uint32(v)
		case typ == subSSNOffset:
			f.SSNOffset = ne.Uint32(v)
		case len(v) < 8:
		case typ == subMapSeq:
			f.MapSeq = ne.Uint64(v)
		}
	}
	return true
}
