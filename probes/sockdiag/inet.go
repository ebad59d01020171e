package sockdiag

import (
	"encoding/binary"
	"errors"
	"io"
	"iter"
	"net/netip"
	"syscall"
	"time"

	"framescope/probes/nlmsg"
)

// A Query says which internet sockets are wanted, and what of them.
type Query struct {
	Protocol Protocol
	// Family is IPv4 or IPv6; zero means both: of TCP in one walk.
	Family Family
	// States are the states wanted; zero means AllStates. LISTEN alone costs
	// next to nothing, however many connections there are.
	States States
	// Ext says which attributes the kernel is to add.
	Ext Ext
	// Filter is a condition that the kernel tests. The zero Cond is always true.
	Filter Cond
}

// An Ext is a set of attributes that cost the kernel time, and are given only
// when asked for.
type Ext uint8

// The attributes to ask for.
const (
	ExtMemInfo   Ext = 1 << (AttrMemInfo - 1)
	ExtInfo      Ext = 1 << (AttrInfo - 1)      // TCPInfo, MPTCPInfo, ULP
	ExtVegasInfo Ext = 1 << (AttrVegasInfo - 1) // or AttrDCTCPInfo, AttrBBRInfo
	ExtCong      Ext = 1 << (AttrCong - 1)
	ExtTOS       Ext = 1 << (AttrTOS - 1)
	ExtTClass    Ext = 1 << (AttrTClass - 1) // and ClassID
	ExtSKMemInfo Ext = 1 << (AttrSKMemInfo - 1)
)

// An ID tells an internet socket from the others of its protocol and namespace.
type ID struct {
	// Src is its own end, Dst the other end: the zero address and port if it is
	// not connected. Sockets of the family IPv6 have IPv6 addresses, IPv4-mapped
	// ones if they speak IPv4. Addresses have no zone: see Interface.
	Src, Dst netip.AddrPort
	// Interface is the index of the interface that the socket is bound to, or
	// zero. It is the scope of a link-local address.
	Interface uint32
	// Cookie is the kernel's number of the socket, never used twice until the
	// system is started again. In a request, zero means any.
	Cookie uint64
}

// A Socket is an internet socket: TCP, UDP, MPTCP or another.
//
// Its methods, but not its fields, refer to memory of the Conn: they are valid
// until the next step of the walk. Clone makes a copy that stays.
type Socket struct {
	ID
	// Protocol is what was asked for, and MPTCP sockets are listed twice: the
	// connection as MPTCP, each subflow as TCP. Of an event it is what the
	// kernel says.
	Protocol Protocol
	Family   Family
	State    State
	// Timer is the timer that runs, Expires the time until then, and Retrans how
	// often it has been run down since the last sign of the peer: retransmissions
	// (of the SYN+ACK in SYN_RECV) or probes.
	Timer   Timer
	Retrans uint8
	Expires time.Duration
	// RQueue and WQueue are the queues.
	//
	// Of a TCP listener RQueue is the number of connections that wait to be
	// accepted, and WQueue the bound of it, which the kernel exceeds by one. Of
	// other TCP sockets they are bytes: received and not read, where the FIN of
	// the peer counts as one; and written and not acknowledged, where a SYN or a
	// FIN counts as one. Of UDP, raw and MPTCP sockets they are bytes of memory
	// (skb truesize), more than the payload.
	RQueue, WQueue uint32
	// UID is the user that owns the socket, Inode the number of its inode, as in
	// socket:[N] under /proc/PID/fd. Inode is zero when no process holds it:
	// not accepted yet, or closed. Where Full is false, both are zero and mean
	// nothing.
	UID, Inode uint32
	// Cut is the name of the first attribute that was too short, or "". It
	// counts as absent, and so does what follows an attribute that runs past
	// the end of its message.
	Cut string

	attrs attrSet
}

// struct inet_diag_msg
const inetMsgLen = 72

// parse reads m, a struct inet_diag_msg and its attributes.
func (s *Socket) parse(m []byte) error {
	if len(m) < inetMsgLen {
		return malformed(nlmsg.HeaderLen+len(m), "inet_diag_msg", "%w: %d of %d bytes", errShort, len(m), inetMsgLen)
	}
	h := (*[inetMsgLen]byte)(m)
	s.Family = Family(h[0])
	s.State = State(h[1])
	s.Timer = Timer(h[2])
	s.Retrans = h[3]
	sport, dport := binary.BigEndian.Uint16(h[4:]), binary.BigEndian.Uint16(h[6:])
	if s.Family == IPv6 {
		s.Src = netip.AddrPortFrom(netip.AddrFrom16([16]byte(h[8:])), sport)
		s.Dst = netip.AddrPortFrom(netip.AddrFrom16([16]byte(h[24:])), dport)
	} else {
		s.Src = netip.AddrPortFrom(netip.AddrFrom4([4]byte(h[8:])), sport)
		s.Dst = netip.AddrPortFrom(netip.AddrFrom4([4]byte(h[24:])), dport)
	}
	s.Interface = ne.Uint32(h[40:])
	s.Cookie = uint64(ne.Uint32(h[44:])) | uint64(ne.Uint32(h[48:]))<<32
	s.Expires = time.Duration(ne.Uint32(h[52:])) * time.Millisecond
	s.RQueue = ne.Uint32(h[56:])
	s.WQueue = ne.Uint32(h[60:])
	s.UID = ne.Uint32(h[64:])
	s.Inode = ne.Uint32(h[68:])
	s.Cut = s.attrs.find(m, inetMsgLen, &inetSpec)
	return nil
}

// Clone returns a copy of s whose methods stay valid.
func (s *Socket) Clone() *Socket {
	t := *s
	t.attrs = s.attrs.clone()
	return &t
}

// Inet walks over the sockets that q asks for. Each is decoded into s, which is
// overwritten at every step; with a nil s, the walk has a Socket of its own.
//
// An error ends the walk and comes with a nil Socket. ErrInterrupted comes after
// all rows. Sockets that come or go meanwhile may be missed or, seldom, be there
// twice: the kernel takes no snapshot.
func (c *Conn) Inet(s *Socket, q Query) iter.Seq2[*Socket, error] {
	if s == nil {
		s = new(Socket)
	}
	return func(yield func(*Socket, error) bool) {
		if err := c.walkInet(s, &q, yield); err != nil {
			yield(nil, err)
		}
	}
}

func (c *Conn) walkInet(s *Socket, q *Query, yield func(*Socket, error) bool) error {
	op := q.Protocol.String() + " sockets"
	bytecode, err := q.Filter.compile()
	if err == nil {
		err = c.ready()
	}
	if err != nil {
		return &OpError{Op: op, Err: err}
	}
	c.walking = true
	defer func() { c.walking = false }()

	families := []Family{q.Family}
	both := c.both(q)
	oneWalk := both != nil
	if q.Family == Unspec && !oneWalk {
		families = []Family{IPv4, IPv6}
	}
	interrupted := false
	for i := 0; i < len(families); i++ {
		if oneWalk {
			c.requestBoth(*both, q)
		} else {
			c.requestInet(getByFamily, nlmsg.FlagDump, q, families[i], nil)
		}
		if len(bytecode) > 0 {
			c.req = nlmsg.AppendAttr(c.req, reqBytecode, bytecode...)
		}
		if err := c.ask(); err != nil {
			return &OpError{Op: op, Err: err}
		}
		a := answer{c: c}
		rows := 0
		for {
			m, err := a.next()
			if err == io.EOF {
				break
			}
			if err == nil {
				err = s.parse(m)
			}
			if err != nil {
				if oneWalk && rows == 0 && fallBack(both, err) {
					if oneWalk = *both != 0; !oneWalk {
						families = []Family{IPv4, IPv6}
					}
					i = -1
					break
				}
				if err == syscall.ENOENT {
					err = noHandler(q.Protocol.module(), syscall.ENOENT)
				}
				return &OpError{Op: op, Err: err, Message: a.text}
			}
			rows++
			s.Protocol = q.Protocol
			if !yield(s, nil) {
				return nil
			}
		}
		interrupted = interrupted || a.interrupted
	}
	if interrupted {
		return &OpError{Op: op, Err: ErrInterrupted}
	}
	return nil
}

const (
	reqBytecode = 1 // INET_DIAG_REQ_BYTECODE
	reqProtocol = 3 // INET_DIAG_REQ_PROTOCOL

	noCookie = 1<<64 - 1 // INET_DIAG_NOCOOKIE, twice
)

func (q *Query) states() uint32 {
	if q.States == 0 {
		return uint32(AllStates)
	}
	return uint32(q.States)
}

// requestInet makes a request with a struct inet_diag_req_v2.
func (c *Conn) requestInet(typ, flags uint16, q *Query, f Family, id *ID) {
	c.begin(typ, flags)
	protocol := uint8(q.Protocol)
	if q.Protocol > 0xff {
		// Kernels before 5.9 go by this number. They must not take MPTCP, 262,
		// for TCP: no kernel lists 254.
		protocol = 254
	}
	c.req = append(c.req, uint8(f), protocol, uint8(q.Ext), 0)
	c.req = ne.AppendUint32(c.req, q.states())
	c.req = appendID(c.req, id)
	c.nameProtocol(q)
}

// both returns the type of the request for q that walks once for both families, or
// nil if there is none.
func (c *Conn) both(q *Query) *uint16 {
	switch {
	case q.Family != Unspec:
	case q.Protocol == TCP && c.bothTCP != 0:
		return &c.bothTCP
	case q.Protocol == MPTCP && c.bothMPTCP != 0:
		return &c.bothMPTCP
	}
	return nil
}

// fallBack reports whether another request may have an answer, when the one for
// both families had err, and which: zero is one for each.
//
// Since Linux 5.9 an attribute says that MPTCP is meant, whichever of the two old
// requests it is with. Kernels before must not take it for TCP: it is with that for
// DCCP, of which there is nothing to list. Linux 6.16 has no DCCP and refuses.
func fallBack(both *uint16, err error) bool {
	switch {
	case *both == getDCCP && errors.Is(err, syscall.EINVAL):
		*both = getTCP
	case errors.Is(err, syscall.EINVAL), errors.Is(err, syscall.EOPNOTSUPP), *both == getDCCP && errors.Is(err, syscall.ENOENT):
		// a kernel without the old requests, or a bad one, which will show
		*both = 0
	default:
		return false
	}
	return true
}

// requestBoth makes a request of old, with a struct inet_diag_req: it is the one
// that walks over the table once for both families.
func (c *Conn) requestBoth(typ uint16, q *Query) {
	c.begin(typ, nlmsg.FlagDump)
	c.req = append(c.req, 0, 0, 0, uint8(q.Ext))
	c.req = appendID(c.req, nil)
	c.req = ne.AppendUint32(c.req, q.states())
	c.req = ne.AppendUint32(c.req, 0)
	c.nameProtocol(q)
}

// nameProtocol adds a protocol whose number does not fit into a byte.
func (c *Conn) nameProtocol(q *Query) {
	if q.Protocol > 0xff {
		c.req = nlmsg.AppendUint32(c.req, reqProtocol, uint32(q.Protocol))
	}
}

// appendID appends a struct inet_diag_sockid; nil is any socket.
func appendID(b []byte, id *ID) []byte {
	if id == nil {
		id = &ID{}
	}
	cookie := id.Cookie
	if cookie == 0 {
		cookie = noCookie
	}
	b = binary.BigEndian.AppendUint16(b, id.Src.Port())
	b = binary.BigEndian.AppendUint16(b, id.Dst.Port())
	b = appendAddr(b, id.Src.Addr())
	b = appendAddr(b, id.Dst.Addr())
	b = ne.AppendUint32(b, id.Interface)
	b = ne.AppendUint32(b, uint32(cookie))
	return ne.AppendUint32(b, uint32(cookie>>32))
}

func appendAddr(b []byte, a netip.Addr) []byte {
	var v [16]byte
	switch {
	case a.Is4():
		v4 := a.As4()
		copy(v[:], v4[:])
	case a.Is6():
		v = a.As16()
	}
	return append(b, v[:]...)
}
