package mptcpctl

import (
	"strconv"
	"strings"

	"framescope/probes/nlmsg"
)

// MaxLimit is the greatest value of either limit.
const MaxLimit = 8

// Limits bound the subflows of each connection of a namespace. The kernel's
// defaults are 0 and 2.
type Limits struct {
	// AddAddrAccepted is how many addresses that a peer signals are used, 0 to
	// MaxLimit. Further ones are echoed and forgotten.
	AddAddrAccepted uint32 `json:"add_addr_accepted" yaml:"add_addr_accepted"`
	// Subflows is how many subflows there may be besides the first, 0 to
	// MaxLimit. Attempts that go unanswered count, too.
	Subflows uint32 `json:"subflows" yaml:"subflows"`
}

// A LimitsChange sets those limits that are not nil.
type LimitsChange struct {
	AddAddrAccepted *uint32 `json:"add_addr_accepted,omitempty" yaml:"add_addr_accepted,omitempty"`
	Subflows        *uint32 `json:"subflows,omitempty" yaml:"subflows,omitempty"`
}

// String returns the limits as "ip mptcp limits show" prints them.
func (l Limits) String() string {
	return LimitsChange{&l.AddAddrAccepted, &l.Subflows}.String()
}

// String returns the change as it can be typed after "ip mptcp limits set".
func (l LimitsChange) String() string {
	var words []string
	if l.AddAddrAccepted != nil {
		words = append(words, "add_addr_accepted "+strconv.FormatUint(uint64(*l.AddAddrAccepted), 10))
	}
	if l.Subflows != nil {
		words = append(words, "subflows "+strconv.FormatUint(uint64(*l.Subflows), 10))
	}
	return strings.Join(words, " ")
}

// Limits returns the limits.
func (c *Conn) Limits() (l Limits, err error) {
	msgs, err := c.ask(cmdGetLimits, 0, nil)
	for _, m := range msgs {
		l, err = decodeLimits(m)
	}
	return l, fail("limits show", "", err)
}

func decodeLimits(b []byte) (l Limits, err error) {
	err = attributes(b, func(typ uint16, v value) error {
		switch typ {
		case attrRcvAddAddrs:
			return v.uint32(&l.AddAddrAccepted)
		case attrSubflows:
			return v.uint32(&l.Subflows)
		}
		return nil
	})
	return l, err
}

// SetLimits changes limits. They hold for existing connections, too.
func (c *Conn) SetLimits(l LimitsChange) error {
	var b []byte
	if l.AddAddrAccepted != nil {
		b = nlmsg.AppendUint32(b, attrRcvAddAddrs, *l.AddAddrAccepted)
	}
	if l.Subflows != nil {
		b = nlmsg.AppendUint32(b, attrSubflows, *l.Subflows)
	}
	_, err := c.ask(cmdSetLimits, ack, b)
	return fail("limits set", l.String(), err)
}
