package sockdiag

import "framescope/probes/nlmsg"

// An attrSet says where the attributes of one message are. It refers to the
// message.
type attrSet struct {
	msg []byte
	at  [maxAttr + 1]uint32 // offset of the value in msg; zero: not there
}

const maxAttr = 22 // INET_DIAG_SOCKOPT, the largest of all families

// A spec names the attributes of a family, and says how long each is at least.
type spec [maxAttr + 1]struct {
	name string
	min  uint8
}

// find locates the attributes of m, which begin at from, and returns the name of
// the first that is cut, or "". One that is cut counts as absent.
func (a *attrSet) find(m []byte, from int, spec *spec) (cut string) {
	a.msg = m
	clear(a.at[:])
	for off := nlmsg.Align(from); off < len(m); {
		typ, n := nlmsg.AttrAt(m, off)
		if n <= 0 {
			switch {
			case len(m)-off < nlmsg.AttrLen:
				return first(cut, "attribute header")
			case typ <= maxAttr && spec[typ].name != "":
				return first(cut, spec[typ].name)
			}
			return first(cut, "unknown attribute")
		}
		switch {
		case typ > maxAttr:
		case n-nlmsg.AttrLen < int(spec[typ].min):
			cut = first(cut, spec[typ].name)
		default:
			a.at[typ] = uint32(off + nlmsg.AttrLen)
		}
		off += nlmsg.Align(n)
	}
	return cut
}

func first(a, b string) string {
	if a != "" {
		return a
	}
	return b
}

func (a *attrSet) has(typ int) bool { return a.at[typ] != 0 }

// get returns the value of an attribute, or nil. An attribute that is there but
// empty is an empty slice.
func (a *attrSet) get(typ int) []byte {
	o := a.at[typ]
	if o == 0 {
		return nil
	}
	n := uint32(ne.Uint16(a.msg[o-nlmsg.AttrLen:])) - nlmsg.AttrLen
	return a.msg[o : o+n : o+n]
}

func (a *attrSet) u8(typ int) (uint8, bool) {
	if o := a.at[typ]; o != 0 {
		return a.msg[o], true
	}
	return 0, false
}

func (a *attrSet) u32(typ int) (uint32, bool) {
	if o := a.at[typ]; o != 0 {
		return ne.Uint32(a.msg[o:]), true
	}
	return 0, false
}

// clone returns a with a message of its own.
func (a *attrSet) clone() attrSet {
	b := *a
	b.msg = append([]byte(nil), a.msg...)
	return b
}

// MemInfo is the memory of a socket: the SK_MEMINFO_ values, in bytes but for
// Drops. They are memory (skb truesize), not payload.
type MemInfo struct {
	RmemAlloc  uint32 // what is queued to be read
	RcvBuf     uint32 // and its bound
	WmemAlloc  uint32 // what is handed to the device or waits for an acknowledgement
	SndBuf     uint32 // and its bound
	FwdAlloc   uint32 // reserved and not used
	WmemQueued uint32 // what is queued to be sent
	OptMem     uint32 // options, filters, multicast memberships
	Backlog    uint32 // what arrived while the socket was in use
	// Drops counts packets that were dropped at this socket; of a listener, all
	// connections that it dropped. Zero on kernels before 4.7.
	Drops uint32
}

// memInfo reads SK_MEMINFO_ values by length: the last was added later.
func (a *attrSet) memInfo(typ int) (m MemInfo, ok bool) {
	b := a.get(typ)
	if b == nil {
		return m, false
	}
	at := [...]*uint32{&m.RmemAlloc, &m.RcvBuf, &m.WmemAlloc, &m.SndBuf, &m.FwdAlloc, &m.WmemQueued, &m.OptMem, &m.Backlog, &m.Drops}
	for i, p := range at {
		if len(b) >= 4*i+4 {
			*p = ne.Uint32(b[4*i:])
		}
	}
	return m, true
}
