package sockdiag

import (
	"iter"

	"framescope/probes/nlmsg"
)

// A PacketShow is a set of PACKET_SHOW_ bits: what the kernel is to add to a
// packet socket.
type PacketShow uint32

// What to add.
const (
	ShowPacketInfo    PacketShow = 1 << iota // and the owner
	ShowPacketMCList                         // memberships
	ShowPacketRings                          // RING_CFG
	ShowPacketFanout                         //
	ShowPacketMemInfo                        //
	ShowPacketFilter                         // needs CAP_NET_ADMIN
)

// A PacketSocket is a packet socket: what captures have open.
//
// Its methods, but not its fields, refer to memory of the Conn: they are valid
// until the next step of the walk. Clone makes a copy that stays.
type PacketSocket struct {
	Type SocketType // RawType or Dgram
	// EtherType is the protocol of the packets it gets, as in the header: 3
	// (ETH_P_ALL) is all, zero none.
	EtherType uint16
	Inode     uint32 // as in socket:[N] under /proc/PID/fd
	Cookie    uint64 // the kernel's number of the socket
	// Cut is the name of the first attribute that was too short, or "": see
	// Socket.Cut.
	Cut string

	attrs attrSet
}

// The attributes PACKET_DIAG_.
const (
	packetInfo = iota
	packetMCList
	packetRxRing
	packetTxRing
	packetFanout
	packetUID
	packetMemInfo
	packetFilter
)

var packetSpec = spec{
	packetInfo:    {"PACKET_DIAG_INFO", 24},
	packetMCList:  {"PACKET_DIAG_MCLIST", 0},
	packetRxRing:  {"PACKET_DIAG_RX_RING", 28},
	packetTxRing:  {"PACKET_DIAG_TX_RING", 28},
	packetFanout:  {"PACKET_DIAG_FANOUT", 4},
	packetUID:     {"PACKET_DIAG_UID", 4},
	packetMemInfo: {"PACKET_DIAG_MEMINFO", 32},
	packetFilter:  {"PACKET_DIAG_FILTER", 0},
}

// struct packet_diag_msg
const packetMsgLen = 16

func (p *PacketSocket) parse(m []byte) error {
	if len(m) < packetMsgLen {
		return malformed(nlmsg.HeaderLen+len(m), "packet_diag_msg", "%w: %d of %d bytes", errShort, len(m), packetMsgLen)
	}
	p.Type = SocketType(m[1])
	p.EtherType = ne.Uint16(m[2:])
	p.Inode = ne.Uint32(m[4:])
	p.Cookie = uint64(ne.Uint32(m[8:])) | uint64(ne.Uint32(m[12:]))<<32
	p.Cut = p.attrs.find(m, packetMsgLen, &packetSpec)
	return nil
}

// Clone returns a copy of p whose methods stay valid.
func (p *PacketSocket) Clone() *PacketSocket {
	t := *p
	t.attrs = p.attrs.clone()
	return &t
}

// PacketInfo is struct packet_diag_info.
type PacketInfo struct {
	Interface  uint32 // index of the interface it is bound to; zero: all
	Version    uint32 // of the ring: TPACKET_V1 is 0
	Reserve    uint32 // bytes before each packet in the ring
	CopyThresh uint32
	Timestamp  uint32 // SOF_TIMESTAMPING_ bits
	Flags      PacketFlags
}

// PacketFlags is a set of PDI_ bits.
type PacketFlags uint32

// The flags.
const (
	PacketRunning PacketFlags = 1 << iota
	PacketAuxData
	PacketOrigDev
	PacketVnetHdr
	PacketLoss
)

// Info returns how the socket is set up.
func (p *PacketSocket) Info() (i PacketInfo, ok bool) {
	b := p.attrs.get(packetInfo)
	if b == nil {
		return i, false
	}
	return PacketInfo{ne.Uint32(b), ne.Uint32(b[4:]), ne.Uint32(b[8:]), ne.Uint32(b[12:]), ne.Uint32(b[16:]), PacketFlags(ne.Uint32(b[20:]))}, true
}

// A PacketRing is struct packet_diag_ring: a ring in mapped memory.
type PacketRing struct {
	BlockSize, Blocks uint32
	FrameSize, Frames uint32
	RetireTimeout     uint32 // ms; of TPACKET_V3, as the rest
	SizeofPriv        uint32 // bytes
	Features          uint32
}

// RxRing returns the ring that packets are read from.
func (p *PacketSocket) RxRing() (r PacketRing, ok bool) { return p.ring(packetRxRing) }

// TxRing returns the ring that packets are sent from.
func (p *PacketSocket) TxRing() (r PacketRing, ok bool) { return p.ring(packetTxRing) }

func (p *PacketSocket) ring(typ int) (r PacketRing, ok bool) {
	b := p.attrs.get(typ)
	if b == nil {
		return r, false
	}
	return PacketRing{ne.Uint32(b), ne.Uint32(b[4:]), ne.Uint32(b[8:]), ne.Uint32(b[12:]), ne.Uint32(b[16:]), ne.Uint32(b[20:]), ne.Uint32(b[24:])}, true
}

// Fanout returns the number of the fanout group and its type (PACKET_FANOUT_)
// with flags.
func (p *PacketSocket) Fanout() (id, typ uint16, ok bool) {
	v, ok := p.attrs.u32(packetFanout)
	return uint16(v), uint16(v >> 16), ok
}

// UID returns the user that owns the socket.
func (p *PacketSocket) UID() (uid uint32, ok bool) { return p.attrs.u32(packetUID) }

// MemInfo returns the socket's memory.
func (p *PacketSocket) MemInfo() (m MemInfo, ok bool) { return p.attrs.memInfo(packetMemInfo) }

// Filter returns the socket's classic BPF program, 8 bytes an instruction
// (struct sock_filter), or nil. It is nil without CAP_NET_ADMIN, and of eBPF.
// It aliases the Conn's memory.
func (p *PacketSocket) Filter() []byte {
	if b := p.attrs.get(packetFilter); len(b) > 0 {
		return b
	}
	return nil
}

// MCList returns the memberships as the kernel sent them (struct
// packet_diag_mclist each), or nil. It aliases the Conn's memory.
func (p *PacketSocket) MCList() []byte { return p.attrs.get(packetMCList) }

// Packet walks over the packet sockets. For p and errors see Inet.
func (c *Conn) Packet(p *PacketSocket, show PacketShow) iter.Seq2[*PacketSocket, error] {
	if p == nil {
		p = new(PacketSocket)
	}
	return walkFamily(c, p, "packet sockets", "af_packet_diag", func() {
		c.begin(getByFamily, nlmsg.FlagDump)
		c.req = append(c.req, uint8(Packet), 0, 0, 0)
		c.req = ne.AppendUint32(c.req, 0) // inode
		c.req = ne.AppendUint32(c.req, uint32(show))
		c.req = ne.AppendUint64(c.req, noCookie)
	})
}
