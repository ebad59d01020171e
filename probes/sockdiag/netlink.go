package sockdiag

import (
	"iter"

	"framescope/probes/nlmsg"
)

// A NetlinkShow is a set of NDIAG_SHOW_ bits: what the kernel is to add to a
// netlink socket.
type NetlinkShow uint32

// What to add.
const (
	ShowNetlinkMemInfo NetlinkShow = 1
	ShowNetlinkGroups  NetlinkShow = 2
	ShowNetlinkFlags   NetlinkShow = 8
)

// A NetlinkSocket is a netlink socket.
//
// Its methods, but not its fields, refer to memory of the Conn: they are valid
// until the next step of the walk. Clone makes a copy that stays.
type NetlinkSocket struct {
	Type      SocketType
	Protocol  uint8  // a NETLINK_ number: 0 is route, 16 generic
	Connected bool   // to one port
	PortID    uint32 // its address; zero is the kernel's own socket
	DstPortID uint32
	DstGroup  uint32
	Inode     uint32 // as in socket:[N] under /proc/PID/fd
	Cookie    uint64 // the kernel's number of the socket
	// Cut is the name of the first attribute that was too short, or "": see
	// Socket.Cut.
	Cut string

	attrs attrSet
}

// The attributes NETLINK_DIAG_.
const (
	netlinkMemInfo = iota
	netlinkGroups
	netlinkRxRing
	netlinkTxRing
	netlinkFlags
)

var netlinkSpec = spec{
	netlinkMemInfo: {"NETLINK_DIAG_MEMINFO", 32},
	netlinkGroups:  {"NETLINK_DIAG_GROUPS", 0},
	netlinkRxRing:  {"NETLINK_DIAG_RX_RING", 0},
	netlinkTxRing:  {"NETLINK_DIAG_TX_RING", 0},
	netlinkFlags:   {"NETLINK_DIAG_FLAGS", 4},
}

// struct netlink_diag_msg
const netlinkMsgLen = 28

func (n *NetlinkSocket) parse(m []byte) error {
	if len(m) < netlinkMsgLen {
		return malformed(nlmsg.HeaderLen+len(m), "netlink_diag_msg", "%w: %d of %d bytes", errShort, len(m), netlinkMsgLen)
	}
	n.Type = SocketType(m[1])
	n.Protocol = m[2]
	n.Connected = m[3] == 1
	n.PortID = ne.Uint32(m[4:])
	n.DstPortID = ne.Uint32(m[8:])
	n.DstGroup = ne.Uint32(m[12:])
	n.Inode = ne.Uint32(m[16:])
	n.Cookie = uint64(ne.Uint32(m[20:])) | uint64(ne.Uint32(m[24:]))<<32
	n.Cut = n.attrs.find(m, netlinkMsgLen, &netlinkSpec)
	return nil
}

// Clone returns a copy of n whose methods stay valid.
func (n *NetlinkSocket) Clone() *NetlinkSocket {
	t := *n
	t.attrs = n.attrs.clone()
	return &t
}

// Groups appends the numbers of the multicast groups that the socket is in, from
// 1, to dst.
func (n *NetlinkSocket) Groups(dst []uint32) []uint32 {
	b := n.attrs.get(netlinkGroups)
	// a bitmap of C longs: in bytes, the same as one of u32 on little-endian
	for i := range len(b) * 8 {
		at := i / 8
		if !littleEndian {
			at ^= 7
		}
		if at < len(b) && b[at]>>(i%8)&1 != 0 {
			dst = append(dst, uint32(i+1))
		}
	}
	return dst
}

// NetlinkFlags is a set of NDIAG_FLAG_ bits.
type NetlinkFlags uint32

// The flags.
const (
	NetlinkDumping NetlinkFlags = 1 << iota
	NetlinkPktInfo
	NetlinkBroadcastError
	NetlinkNoENOBUFS
	NetlinkListenAllNSID
	NetlinkCapAck
)

// Flags returns the socket's flags.
func (n *NetlinkSocket) Flags() (f NetlinkFlags, ok bool) {
	v, ok := n.attrs.u32(netlinkFlags)
	return NetlinkFlags(v), ok
}

// MemInfo returns the socket's memory.
func (n *NetlinkSocket) MemInfo() (m MemInfo, ok bool) { return n.attrs.memInfo(netlinkMemInfo) }

// Netlink walks over the netlink sockets of all protocols. For n and errors see
// Inet.
func (c *Conn) Netlink(n *NetlinkSocket, show NetlinkShow) iter.Seq2[*NetlinkSocket, error] {
	if n == nil {
		n = new(NetlinkSocket)
	}
	return walkFamily(c, n, "netlink sockets", "netlink_diag", func() {
		c.begin(getByFamily, nlmsg.FlagDump)
		c.req = append(c.req, uint8(Netlink), 0xff, 0, 0) // NDIAG_PROTO_ALL
		c.req = ne.AppendUint32(c.req, 0)                 // inode
		c.req = ne.AppendUint32(c.req, uint32(show))
		c.req = ne.AppendUint64(c.req, noCookie)
	})
}
