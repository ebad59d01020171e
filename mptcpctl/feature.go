package mptcpctl

import (
	"errors"
	"net/netip"
	"slices"
)

// Features are what a kernel was found to be able to do.
type Features struct {
	// SetFlags: flags of an endpoint can be changed.
	SetFlags bool `json:"set_flags"`
	// Events: there is a group of events.
	Events bool `json:"events"`
	// UserspacePM: a process can manage the paths of connections.
	UserspacePM bool `json:"userspace_pm"`
	// Flags are those that an endpoint keeps when it is asked for them.
	Flags Flags `json:"-"`
	// FlagsErr says why Flags could not be found out: making the namespace that
	// they are tried in needs CAP_SYS_ADMIN.
	FlagsErr error `json:"-"`
	// Sysctls are the names of those below net.mptcp.
	Sysctls []string `json:"sysctls"`
}

// HasSysctl reports whether there is a sysctl net.mptcp.name.
func (f *Features) HasSysctl(name string) bool { return slices.Contains(f.Sysctls, name) }

// tryFlags adds endpoints with all flags and returns those that are kept. It is
// for a namespace that nobody uses.
func (c *Conn) tryFlags() (kept Flags, err error) {
	// Signal and Fullmesh exclude one another, and Implicit is refused.
	for i, f := range []Flags{^(Signal | Implicit), ^(Fullmesh | Implicit)} {
		have, err := c.Add(Endpoint{Addr: netip.AddrFrom4([4]byte{192, 0, 2, byte(1 + i)}), Flags: f})
		var dropped *FlagsError
		if err != nil && !errors.As(err, &dropped) {
			return 0, err
		}
		kept |= have.Flags
	}
	return kept, nil
}
