package sockdiag

import "time"

// TCPInfo is struct tcp_info: what a TCP socket measured. Counters are since the
// connection began. What this kernel does not know is zero: see Has.
type TCPInfo struct {
	// Len is how many bytes of the structure the kernel sent.
	Len int

	State       State
	CAState     uint8 // congestion avoidance: 0 open, 1 disorder, 2 CWR, 3 recovery, 4 loss
	Retransmits uint8 // of the first segment that is not acknowledged
	Probes      uint8 // zero window or keepalive probes unanswered
	Backoff     uint8 // how often RTO was doubled
	Options     TCPOptions
	// SndWscale and RcvWscale are the window scales: that of the peer, and ours.
	SndWscale, RcvWscale   uint8
	DeliveryRateAppLimited bool  // DeliveryRate was bounded by the application
	FastopenClientFail     uint8 // TFO_STATUS_

	RTO, ATO       time.Duration // retransmission and delayed acknowledgement timeouts
	SndMSS, RcvMSS uint32        // bytes
	// Unacked to Fackets are in segments; of a listener, Unacked is the number of
	// connections that wait to be accepted and Sacked the bound of it.
	Unacked, Sacked, Lost, Retrans, Fackets uint32
	// LastDataSent, LastDataRecv and LastAckRecv are the times since.
	LastDataSent, LastDataRecv, LastAckRecv time.Duration
	PMTU                                    uint32 // bytes
	RcvSsthresh                             uint32 // bytes
	RTT, RTTVar                             time.Duration
	SndSsthresh                             uint32 // segments; 0x7fffffff at first
	SndCwnd                                 uint32 // segments
	AdvMSS                                  uint32 // bytes
	Reordering                              uint32 // segments
	RcvRTT                                  time.Duration
	RcvSpace                                uint32 // bytes
	TotalRetrans                            uint32 // segments

	PacingRate, MaxPacingRate uint64 // bytes a second; all ones: no bound

	BytesAcked, BytesReceived uint64 // the SYN and the FIN count as one each

	SegsOut, SegsIn uint32

	NotsentBytes            uint32
	MinRTT                  time.Duration // zero: not measured
	DataSegsIn, DataSegsOut uint32

	DeliveryRate uint64 // bytes a second

	// BusyTime is the time with data to send; RwndLimited and SndbufLimited the
	// parts of it that the peer's window and the own buffer held it up.
	BusyTime, RwndLimited, SndbufLimited time.Duration

	Delivered, DeliveredCE uint32 // segments

	BytesSent, BytesRetrans uint64
	DSACKDups, ReordSeen    uint32

	RcvOOOPack uint32 // segments that came out of order
	SndWnd     uint32 // the peer's window, bytes, scaled

	RcvWnd uint32 // the own window, bytes, scaled
	Rehash uint32 // how often another path was tried

	TotalRTO, TotalRTORecoveries uint16
	TotalRTOTime                 time.Duration

	// Accurate ECN, RFC 9768.
	ReceivedCE, DeliveredE1Bytes, DeliveredE0Bytes, DeliveredCEBytes uint32
	ReceivedE1Bytes, ReceivedE0Bytes, ReceivedCEBytes                uint32
}

// TCPOptions is a set of TCPI_OPT_ bits: what the connection uses.
type TCPOptions uint8

// The options.
const (
	OptTimestamps TCPOptions = 1 << iota
	OptSACK
	OptWscale
	OptECN     // negotiated
	OptECNSeen // a packet with ECT came
	OptSynData // data in the SYN was acknowledged
	OptUsecTS  // timestamps in microseconds
	OptTFOChild
)

// A TCPInfoPart is the length of struct tcp_info that has certain fields.
type TCPInfoPart int

// The parts, and the version of Linux that added each.
const (
	TCPInfoBase         TCPInfoPart = 104
	TCPInfoPacing       TCPInfoPart = 120 // PacingRate, MaxPacingRate; 3.15
	TCPInfoBytes        TCPInfoPart = 136 // BytesAcked, BytesReceived; 4.1
	TCPInfoSegs         TCPInfoPart = 144 // SegsOut, SegsIn; 4.2
	TCPInfoMinRTT       TCPInfoPart = 160 // NotsentBytes, MinRTT, DataSegs; 4.6
	TCPInfoDeliveryRate TCPInfoPart = 168 // and DeliveryRateAppLimited; 4.9
	TCPInfoLimited      TCPInfoPart = 192 // BusyTime, RwndLimited, SndbufLimited; 4.10
	TCPInfoDelivered    TCPInfoPart = 200 // 4.18
	TCPInfoRetrans      TCPInfoPart = 224 // BytesSent to ReordSeen; 4.19
	TCPInfoSndWnd       TCPInfoPart = 232 // and RcvOOOPack; 5.4
	TCPInfoRcvWnd       TCPInfoPart = 240 // and Rehash; 6.2
	TCPInfoTotalRTO     TCPInfoPart = 248 // 6.7
	TCPInfoAccECN       TCPInfoPart = 280 // 6.18
)

// Has reports whether the kernel sent the fields of the part p.
func (t *TCPInfo) Has(p TCPInfoPart) bool { return t.Len >= int(p) }

const tcpInfoLen = 280

// TCPInfo reads what the socket measured, asked for with ExtInfo, into t. It
// returns false for mini-sockets and sockets that are not TCP.
func (s *Socket) TCPInfo(t *TCPInfo) bool {
	b := s.attrs.get(int(AttrInfo))
	if b == nil || s.Protocol != TCP {
		return false
	}
	t.parse(b)
	return true
}

func (t *TCPInfo) parse(info []byte) {
	// What an older kernel does not send reads as zero, and so does half of a
	// number.
	var b [tcpInfoLen]byte
	copy(b[:], info[:len(info)&^7])
	*t = TCPInfo{
		Len:         len(info),
		State:       State(b[0]),
		CAState:     b[1],
		Retransmits: b[2],
		Probes:      b[3],
		Backoff:     b[4],
		Options:     TCPOptions(b[5]),
		RTO:         usec(b[8:]), ATO: usec(b[12:]),
		SndMSS: ne.Uint32(b[16:]), RcvMSS: ne.Uint32(b[20:]),
		Unacked: ne.Uint32(b[24:]), Sacked: ne.Uint32(b[28:]), Lost: ne.Uint32(b[32:]),
		Retrans: ne.Uint32(b[36:]), Fackets: ne.Uint32(b[40:]),
		LastDataSent: msec(b[44:]), LastDataRecv: msec(b[52:]), LastAckRecv: msec(b[56:]),
		PMTU: ne.Uint32(b[60:]), RcvSsthresh: ne.Uint32(b[64:]),
		RTT: usec(b[68:]), RTTVar: usec(b[72:]),
		SndSsthresh: ne.Uint32(b[76:]), SndCwnd: ne.Uint32(b[80:]),
		AdvMSS: ne.Uint32(b[84:]), Reordering: ne.Uint32(b[88:]),
		RcvRTT: usec(b[92:]), RcvSpace: ne.Uint32(b[96:]), TotalRetrans: ne.Uint32(b[100:]),
		PacingRate: ne.Uint64(b[104:]), MaxPacingRate: ne.Uint64(b[112:]),
		BytesAcked: ne.Uint64(b[120:]), BytesReceived: ne.Uint64(b[128:]),
		SegsOut: ne.Uint32(b[136:]), SegsIn: ne.Uint32(b[140:]),
		NotsentBytes: ne.Uint32(b[144:]),
		DataSegsIn:   ne.Uint32(b[152:]), DataSegsOut: ne.Uint32(b[156:]),
		DeliveryRate: ne.Uint64(b[160:]),
		BusyTime:     usec64(b[168:]), RwndLimited: usec64(b[176:]), SndbufLimited: usec64(b[184:]),
		Delivered: ne.Uint32(b[192:]), DeliveredCE: ne.Uint32(b[196:]),
		BytesSent: ne.Uint64(b[200:]), BytesRetrans: ne.Uint64(b[208:]),
		DSACKDups: ne.Uint32(b[216:]), ReordSeen: ne.Uint32(b[220:]),
		RcvOOOPack: ne.Uint32(b[224:]), SndWnd: ne.Uint32(b[228:]),
		RcvWnd: ne.Uint32(b[232:]), Rehash: ne.Uint32(b[236:]),
		TotalRTO: ne.Uint16(b[240:]), TotalRTORecoveries: ne.Uint16(b[242:]), TotalRTOTime: msec(b[244:]),
		ReceivedCE:       ne.Uint32(b[248:]),
		DeliveredE1Bytes: ne.Uint32(b[252:]), DeliveredE0Bytes: ne.Uint32(b[256:]), DeliveredCEBytes: ne.Uint32(b[260:]),
		ReceivedE1Bytes: ne.Uint32(b[264:]), ReceivedE0Bytes: ne.Uint32(b[268:]), ReceivedCEBytes: ne.Uint32(b[272:]),
	}
	// Bit fields: the first is in the low bits of little-endian machines only.
	if littleEndian {
		t.SndWscale, t.RcvWscale = b[6]&0xf, b[6]>>4
		t.DeliveryRateAppLimited, t.FastopenClientFail = b[7]&1 != 0, b[7]>>1&3
	} else {
		t.SndWscale, t.RcvWscale = b[6]>>4, b[6]&0xf
		t.DeliveryRateAppLimited, t.FastopenClientFail = b[7]>>7 != 0, b[7]>>5&3
	}
	if v := ne.Uint32(b[148:]); v != ^uint32(0) {
		t.MinRTT = usec(b[148:])
	}
}

func usec(b []byte) time.Duration   { return time.Duration(ne.Uint32(b)) * time.Microsecond }
func msec(b []byte) time.Duration   { return time.Duration(ne.Uint32(b)) * time.Millisecond }
func usec64(b []byte) time.Duration { return time.Duration(ne.Uint64(b)) * time.Microsecond }
