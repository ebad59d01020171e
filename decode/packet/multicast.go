package packet

// A Membership is what a message of IGMP (RFC 1112, RFC 2236, RFC 3376) or MLD (RFC
// 2710, RFC 3810) says of one group.
type Membership struct {
	// Change is what happened.
	Change Change
	// Version is the version of the protocol: 1 to 3 for IGMP, 1 or 2 for MLD.
	Version uint8
	// Group is the group; the zero Addr in a query for all of them.
	Group Addr
	// Sources are the addresses that Change is about, 4 bytes each for IGMP and
	// 16 for MLD; what was captured of them. They alias the packet.
	Sources []byte
}

// A Change is what a host says of its membership.
type Change uint8

// The changes.
const (
	Query   Change = iota // a router asks who is a member
	Join                  // all sources are wanted but Sources
	Include               // only Sources are wanted; none: it leaves
	Allow                 // Sources are wanted, too
	Block                 // Sources are not wanted any more
	Leave                 // it leaves
)

// Memberships steps over what a message says, one group after the other. It is
// for packets of IGMP and ICMPv6; of other messages it says nothing.
type Memberships struct {
	rest    []byte // group records
	wire    int
	left    int // of them
	one     Membership
	single  bool
	version uint8
	long    bool // MLD
}

// Message types.
const (
	igmpQuery, igmpReport1, igmpReport2, igmpLeave, igmpReport3 = 0x11, 0x12, 0x16, 0x17, 0x22
	mldQuery, mldReport1, mldDone, mldReport2                   = 130, 131, 132, 143
)

// Memberships reads the message of p, for which Parse returned IGMP or, for
// ICMPv6, OK. It returns OK, or what is wrong with the message.
func (p *Packet) Memberships(m *Memberships) Cause {
	*m = Memberships{}
	b := p.Segment
	switch {
	case p.Proto == protoIGMP:
		return m.igmp(b, p.Wire)
	case p.Proto == ProtoICMPv6:
		return m.mld(b, p.Wire+int(p.HeaderLen))
	}
	return OK
}

func (m *Memberships) igmp(b []byte, wire int) Cause {
	if len(b) < 8 {
		return short(wire, 8, TruncatedIGMP, BadIGMP)
	}
	group := Addr{}
	if be.Uint32(b[4:]) != 0 {
		group = addr4(b[4:])
	}
	typ := b[0]
	switch typ {
	case igmpQuery:
		v := uint8(2)
		switch {
		case wire >= 12:
			v = 3
		case b[1] == 0:
			v = 1
		}
		m.one = Membership{Change: Query, Version: v, Group: group}
		if v == 3 && len(b) >= 12 {
			return m.asked(b[12:], wire-12, int(be.Uint16(b[10:])), 4)
		}
	case igmpReport1:
		m.one = Membership{Change: Join, Version: 1, Group: group}
	case igmpReport2:
		m.one = Membership{Change: Join, Version: 2, Group: group}
	case igmpLeave:
		m.one = Membership{Change: Leave, Version: 2, Group: group}
	case igmpReport3:
		m.rest, m.wire, m.left, m.version = b[8:], wire-8, int(be.Uint16(b[6:])), 3
		return OK
	default:
		return OK
	}
	m.single = true
	if typ != igmpQuery && !group.IsMulticast() || typ == igmpQuery && group != (Addr{}) && !group.IsMulticast() {
		return BadIGMP
	}
	return OK
}

func (m *Memberships) mld(b []byte, wire int) Cause {
	m.long = true
	if len(b) == 0 {
		return OK
	}
	typ := b[0]
	switch typ {
	case mldQuery, mldReport1, mldDone:
		if len(b) < 24 {
			return short(wire, 24, TruncatedMLD, BadMLD)
		}
		group := addr16(b[8:])
		m.one = Membership{Change: Join, Version: 1, Group: group}
		switch typ {
		case mldDone:
			m.one.Change = Leave
		case mldQuery:
			m.one.Change = Query
			if wire >= 28 {
				m.one.Version = 2
				if len(b) >= 28 {
					return m.asked(b[28:], wire-28, int(be.Uint16(b[26:])), 16)
				}
			}
		}
		m.single = true
		if (typ != mldQuery || group != Addr{}) && !group.IsMulticast() {
			return BadMLD
		}
	case mldReport2:
		if len(b) < 8 {
			return short(wire, 8, TruncatedMLD, BadMLD)
		}
		m.rest, m.wire, m.left, m.version = b[8:], wire-8, int(be.Uint16(b[6:])), 2
	}
	return OK
}

// asked reads the sources that a query asks for.
func (m *Memberships) asked(b []byte, wire, n, size int) Cause {
	m.single = true
	if n*size > wire {
		return m.bad()
	}
	m.one.Sources = b[:min(len(b), n*size)/size*size]
	if m.one.Group != (Addr{}) && !m.one.Group.IsMulticast() {
		return m.bad()
	}
	return OK
}

func (m *Memberships) bad() Cause {
	if m.long {
		return BadMLD
	}
	return BadIGMP
}

func (m *Memberships) cut() Cause {
	if m.long {
		return TruncatedMLD
	}
	return TruncatedIGMP
}

// Next reads what the message says of the next group into r. It returns false when
// there is no more; then the cause says whether all could be read.
func (m *Memberships) Next(r *Membership) (bool, Cause) {
	if m.single {
		*r, m.single = m.one, false
		return true, OK
	}
	size, head := 4, 8
	if m.long {
		size, head = 16, 20
	}
	for ; m.left > 0; m.left-- {
		if len(m.rest) < head {
			m.left = 0
			return false, short(m.wire, head, m.cut(), m.bad())
		}
		b := m.rest
		n := head + int(be.Uint16(b[2:]))*size
		whole := n + int(b[1])*4
		*r = Membership{Version: m.version, Sources: b[head:min(len(b), n)]}
		r.Sources = r.Sources[:len(r.Sources)/size*size]
		r.Group = addr4(b[4:])
		if m.long {
			r.Group = addr16(b[4:])
		}
		if whole > m.wire || !r.Group.IsMulticast() {
			m.left = 0
			return false, m.bad()
		}
		m.rest, m.wire = b[min(whole, len(b)):], m.wire-whole
		switch b[0] {
		case 1, 3: // MODE_IS_INCLUDE, CHANGE_TO_INCLUDE_MODE
			r.Change = Include
		case 2, 4: // MODE_IS_EXCLUDE, CHANGE_TO_EXCLUDE_MODE
			r.Change = Join
		case 5:
			r.Change = Allow
		case 6:
			r.Change = Block
		default: // RFC 3376 section 4.2.12: what is not known is passed over
			continue
		}
		m.left--
		return true, OK
	}
	return false, OK
}

// Source returns source number i, from 0, and false when there are no more.
func (r *Membership) Source(i int) (Addr, bool) {
	size := 16
	if r.Group.Is4() {
		size = 4
	}
	if (i+1)*size > len(r.Sources) {
		return Addr{}, false
	}
	if size == 4 {
		return addr4(r.Sources[4*i:]), true
	}
	return addr16(r.Sources[16*i:]), true
}

// IsMulticast reports whether a is the address of a multicast group.
func (a Addr) IsMulticast() bool {
	if a.Is4() {
		return a.Lo>>28&15 == 14
	}
	return a.Hi>>56 == 0xff
}
