package mptcpctl

import (
	"encoding/json"
	"fmt"
	"net/netip"
	"strconv"
	"syscall"
	"time"

	"framescope/probes/nlmsg"
)

// An EventType says what happened (enum mptcp_event_type).
type EventType uint16

// The events. What a host sees of a connection is not always all of them: one
// that fell back to TCP before it was accepted has only EventClosed, and the
// kernel keeps quiet about stale subflows.
const (
	// EventCreated: the first subflow is connected.
	EventCreated EventType = 1
	// EventEstablished: the peer has confirmed MPTCP with its first data.
	EventEstablished EventType = 2
	// EventClosed: the connection is over. It may be the first event of a token.
	EventClosed EventType = 3
	// EventAnnounced: the peer signalled an address.
	EventAnnounced EventType = 6
	// EventRemoved: the peer took an address back.
	EventRemoved EventType = 7
	// EventSubEstablished: a further subflow is connected, as this side sees it;
	// the peer may still refuse.
	EventSubEstablished EventType = 10
	// EventSubClosed: a further subflow is closed.
	EventSubClosed EventType = 11
	// EventSubPriority: the peer asked for another priority of a subflow.
	EventSubPriority EventType = 13
	// EventListenerCreated: a socket listens for MPTCP.
	EventListenerCreated EventType = 15
	// EventListenerClosed: one does so no longer.
	EventListenerClosed EventType = 16

	// EventLost is none of the kernel's: events were lost here, because they
	// were not read fast enough. What was known has to be read again.
	EventLost EventType = 1 << 8

	// The following are none of the kernel's either, see Conn.Follow.

	// EventFound: the connection existed already.
	EventFound EventType = 1<<8 + 1
	// EventSubFound: the subflow existed already.
	EventSubFound EventType = 1<<8 + 2
	// EventGone: the connection ended while events were lost.
	EventGone EventType = 1<<8 + 3
	// EventSubGone: the subflow ended while events were lost.
	EventSubGone EventType = 1<<8 + 4
)

var eventNames = map[EventType]string{
	EventCreated: "created", EventEstablished: "established", EventClosed: "closed",
	EventAnnounced: "announced", EventRemoved: "removed",
	EventSubEstablished: "sub_established", EventSubClosed: "sub_closed", EventSubPriority: "sub_priority",
	EventListenerCreated: "listener_created", EventListenerClosed: "listener_closed",
	EventLost:  "lost",
	EventFound: "found", EventSubFound: "sub_found", EventGone: "gone", EventSubGone: "sub_gone",
}

// String returns the kernel's name, such as "sub_established", or a number.
func (t EventType) String() string {
	if s, ok := eventNames[t]; ok {
		return s
	}
	return "event_" + strconv.Itoa(int(t))
}

// EventAttrs is a set of attributes.
type EventAttrs uint32

// The attributes of events: each is one field of Event.
const (
	AttrToken EventAttrs = 1 << iota
	AttrFamily
	AttrLocalID
	AttrRemoteID
	AttrLocalAddr
	AttrRemoteAddr
	AttrLocalPort
	AttrRemotePort
	AttrBackup
	AttrError
	AttrFlags
	AttrTimeout
	AttrIfIndex
	AttrResetReason
	AttrResetFlags
	AttrServerSide
)

// Attributes of events on the wire (MPTCP_ATTR_*).
const (
	eventToken       = 1
	eventFamily      = 2
	eventLocID       = 3
	eventRemID       = 4
	eventSaddr4      = 5
	eventSaddr6      = 6
	eventDaddr4      = 7
	eventDaddr6      = 8
	eventSport       = 9
	eventDport       = 10
	eventBackup      = 11
	eventError       = 12
	eventFlags       = 13
	eventTimeout     = 14
	eventIfIdx       = 15
	eventResetReason = 16
	eventResetFlags  = 17
	eventServerSide  = 18
)

// Flags of an event (MPTCP_PM_EV_FLAG_*).
const (
	// DenyJoinID0: the peer takes no further subflows at its first address.
	DenyJoinID0 = 1
	// ServerSide: the peer opened the connection.
	ServerSide = 2
)

// An Event is one event of the path manager. Has says which fields it came with.
type Event struct {
	Time  time.Time // when it was read
	Type  EventType
	Attrs EventAttrs

	Token         Token
	Family        uint16         // AF_INET 2, AF_INET6 10
	LocalID       uint8          // address id of the local address
	RemoteID      uint8          // address id of the peer's address
	Local, Remote netip.AddrPort // either part may be missing; IPv4 on a socket of IPv6 is mapped
	Backup        uint8          // not 0: the peer asked for the subflow to be a backup
	Error         uint8          // errno that ended the subflow
	Flags         uint16         // DenyJoinID0, ServerSide
	Timeout       uint32         // not used by the kernel
	IfIndex       int32          // interface that the subflow is bound to
	ResetReason   uint32         // of MP_TCPRST, RFC 8684 section 3.6
	ResetFlags    uint32         // of MP_TCPRST: 1 transient
	ServerSide    uint8          // older kernels' way to say Flags&ServerSide
}

// Has reports whether the event came with all of the attributes.
func (e *Event) Has(a EventAttrs) bool { return e.Attrs&a == a }

// IsServerSide reports whether the event says that the peer opened the
// connection.
func (e *Event) IsServerSide() bool { return e.Flags&ServerSide != 0 || e.ServerSide != 0 }

// genlLen is the length of a generic netlink header (struct genlmsghdr).
const genlLen = 4

// decodeEvents calls f for each event in a datagram of netlink messages until f
// returns false. An event that cannot be decoded is an error, after which the
// others are lost.
func decodeEvents(b []byte, family uint16, f func(Event) bool) error {
	var m nlmsg.Message
	for all := b; len(b) >= nlmsg.HeaderLen; {
		rest, ok := m.Cut(b)
		if !ok {
			return fmt.Errorf("netlink message at offset %d: length %d, and there are %d bytes", len(all)-len(b), m.Len, len(b))
		}
		switch {
		case m.Type == nlmsg.TypeOverrun:
			if !f(Event{Type: EventLost}) {
				return nil
			}
		case m.Type == family && len(m.Body) >= genlLen:
			e, err := decodeEvent(m.Body)
			if err != nil {
				return err
			}
			if !f(e) {
				return nil
			}
		}
		b = rest
	}
	return nil
}

// decodeEvent reads one event, which begins with its generic netlink header.
func decodeEvent(b []byte) (e Event, err error) {
	e.Type = EventType(b[0])
	var local, remote netip.Addr
	var sport, dport uint16
	err = attributes(b[genlLen:], func(typ uint16, v value) error {
		get := func(a EventAttrs, err error) error {
			if err == nil {
				e.Attrs |= a
			}
			return err
		}
		switch typ {
		case eventToken:
			return get(AttrToken, v.uint32((*uint32)(&e.Token)))
		case eventFamily:
			return get(AttrFamily, v.uint16(&e.Family))
		case eventLocID:
			return get(AttrLocalID, v.uint8(&e.LocalID))
		case eventRemID:
			return get(AttrRemoteID, v.uint8(&e.RemoteID))
		case eventSaddr4:
			return get(AttrLocalAddr, v.ip(4, &local))
		case eventSaddr6:
			return get(AttrLocalAddr, v.ip(16, &local))
		case eventDaddr4:
			return get(AttrRemoteAddr, v.ip(4, &remote))
		case eventDaddr6:
			return get(AttrRemoteAddr, v.ip(16, &remote))
		case eventSport:
			return get(AttrLocalPort, v.port(&sport))
		case eventDport:
			return get(AttrRemotePort, v.port(&dport))
		case eventBackup:
			return get(AttrBackup, v.uint8(&e.Backup))
		case eventError:
			return get(AttrError, v.uint8(&e.Error))
		case eventFlags:
			return get(AttrFlags, v.uint16(&e.Flags))
		case eventTimeout:
			return get(AttrTimeout, v.uint32(&e.Timeout))
		case eventIfIdx:
			var i uint32
			err := v.uint32(&i)
			e.IfIndex = int32(i)
			return get(AttrIfIndex, err)
		case eventResetReason:
			return get(AttrResetReason, v.uint32(&e.ResetReason))
		case eventResetFlags:
			return get(AttrResetFlags, v.uint32(&e.ResetFlags))
		case eventServerSide:
			return get(AttrServerSide, v.uint8(&e.ServerSide))
		}
		return nil
	})
	e.Local, e.Remote = netip.AddrPortFrom(local, sport), netip.AddrPortFrom(remote, dport)
	if err != nil {
		err = fmt.Errorf("event %v: %w", e.Type, err)
	}
	return e, err
}

var resetReasons = [...]string{
	"unspecified", "MPTCP-specific", "no resources", "administratively prohibited",
	"too much outstanding data", "unacceptable performance", "middlebox interference",
}

// ResetReasonText says what a reason of MP_TCPRST means (RFC 8684 section 3.6).
func ResetReasonText(reason uint32) string {
	if reason < uint32(len(resetReasons)) {
		return resetReasons[reason]
	}
	return "reason " + strconv.FormatUint(uint64(reason), 10)
}

type jsonPeer struct {
	IP   string `json:"ip,omitempty"`
	Port uint16 `json:"port,omitempty"`
	ID   *uint8 `json:"id,omitempty"`
}

type jsonCode struct {
	Code uint32 `json:"code"`
	Text string `json:"text"`
}

// MarshalJSON writes the attributes that the event came with. Its keys are
// stable.
func (e Event) MarshalJSON() ([]byte, error) {
	out := struct {
		Time        string    `json:"ts"`
		Event       string    `json:"event"`
		Token       *Token    `json:"token,omitempty"`
		Local       *jsonPeer `json:"local,omitempty"`
		Remote      *jsonPeer `json:"remote,omitempty"`
		Backup      *bool     `json:"backup,omitempty"`
		Error       *jsonCode `json:"error,omitempty"`
		ResetReason *jsonCode `json:"reset_reason,omitempty"`
		Transient   *bool     `json:"reset_transient,omitempty"`
		IfIndex     *int32    `json:"if_index,omitempty"`
		DenyJoinID0 bool      `json:"deny_join_id0,omitempty"`
		ServerSide  bool      `json:"server_side,omitempty"`
		Timeout     *uint32   `json:"timeout,omitempty"`
	}{
		Time: e.Time.UTC().Format("2006-01-02T15:04:05.000000000Z"), Event: e.Type.String(),
		DenyJoinID0: e.Flags&DenyJoinID0 != 0, ServerSide: e.IsServerSide(),
	}
	if e.Has(AttrToken) {
		out.Token = &e.Token
	}
	peer := func(a netip.AddrPort, attrs, idAttr EventAttrs, id *uint8) *jsonPeer {
		if e.Attrs&(attrs|idAttr) == 0 {
			return nil
		}
		p := &jsonPeer{Port: a.Port()}
		if a.Addr().IsValid() {
			p.IP = a.Addr().Unmap().String()
		}
		if e.Has(idAttr) {
			p.ID = id
		}
		return p
	}
	out.Local = peer(e.Local, AttrLocalAddr|AttrLocalPort, AttrLocalID, &e.LocalID)
	out.Remote = peer(e.Remote, AttrRemoteAddr|AttrRemotePort, AttrRemoteID, &e.RemoteID)
	if e.Has(AttrBackup) {
		b := e.Backup != 0
		out.Backup = &b
	}
	if e.Has(AttrError) {
		out.Error = &jsonCode{uint32(e.Error), errnoText(e.Error)}
	}
	if e.Has(AttrResetReason) {
		out.ResetReason = &jsonCode{e.ResetReason, ResetReasonText(e.ResetReason)}
	}
	if e.Has(AttrResetFlags) {
		b := e.ResetFlags&1 != 0
		out.Transient = &b
	}
	if e.Has(AttrIfIndex) {
		out.IfIndex = &e.IfIndex
	}
	if e.Has(AttrTimeout) {
		out.Timeout = &e.Timeout
	}
	return json.Marshal(out)
}

func errnoText(n uint8) string {
	if n == 0 {
		return "none"
	}
	return syscall.Errno(n).Error()
}
