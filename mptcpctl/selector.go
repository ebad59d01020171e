package mptcpctl

import (
	"fmt"
	"net/netip"
	"strconv"
	"strings"

	"framescope/probes/sockdiag"
)

// A Selector chooses connections. What is zero in it counts as any.
type Selector struct {
	// Token is that of this host, or of the peer where it is known.
	Token Token
	// Local and Remote are addresses of the connection or of one of its
	// subflows, both of the same one.
	Local, Remote AddrMatch
}

// An AddrMatch is a set of addresses with ports.
type AddrMatch struct {
	// Prefix is invalid for any address.
	Prefix netip.Prefix
	// Port is 0 for any port.
	Port uint16
}

// ParseAddrMatch reads ":443", "10.0.0.1", "10.0.0.0/8", "10.0.0.1:443",
// "fd00::/8" or "[fd00::1]:443". The empty text is any address.
func ParseAddrMatch(s string) (m AddrMatch, err error) {
	bad := func() error {
		return fmt.Errorf("%q: expected ADDRESS, ADDRESS/BITS, ADDRESS:PORT, [ADDRESS]:PORT or :PORT", s)
	}
	if s == "" {
		return m, nil
	}
	host, port, err := sockdiag.SplitPort(s)
	if err != nil || host+":" == s {
		return m, bad()
	}
	if port != "" {
		n, err := strconv.ParseUint(port, 10, 16)
		if err != nil || n == 0 {
			return m, bad()
		}
		m.Port = uint16(n)
	}
	switch {
	case host == "" || host == "*":
		if m.Port == 0 {
			return m, bad()
		}
	case strings.Contains(host, "/"):
		if m.Prefix, err = netip.ParsePrefix(host); err != nil {
			return m, bad()
		}
		m.Prefix = m.Prefix.Masked()
	default:
		a, err := netip.ParseAddr(host)
		if err != nil || a.Zone() != "" {
			return m, bad()
		}
		a = a.Unmap()
		m.Prefix = netip.PrefixFrom(a, a.BitLen())
	}
	return m, nil
}

// Any reports whether m holds all addresses.
func (m AddrMatch) Any() bool { return m == AddrMatch{} }

// Match reports whether a is in m.
func (m AddrMatch) Match(a netip.AddrPort) bool {
	return (m.Port == 0 || m.Port == a.Port()) && (!m.Prefix.IsValid() || m.Prefix.Contains(a.Addr().Unmap()))
}

// String returns the text that ParseAddrMatch reads.
func (m AddrMatch) String() string {
	host := ""
	if m.Prefix.IsValid() {
		if host = m.Prefix.String(); m.Prefix.IsSingleIP() {
			host = m.Prefix.Addr().String()
		}
	}
	if m.Port == 0 {
		return host
	}
	if strings.Contains(host, ":") {
		host = "[" + host + "]"
	}
	return host + ":" + strconv.Itoa(int(m.Port))
}

// addresses reports whether the selector says something about addresses.
func (s *Selector) addresses() bool { return !s.Local.Any() || !s.Remote.Any() }

func (s *Selector) fits(local, remote netip.AddrPort) bool {
	return s.Local.Match(local) && s.Remote.Match(remote)
}

// Match reports whether the selector chooses c.
func (s *Selector) Match(c *Connection) bool {
	if s.Token != 0 && c.Token != s.Token {
		peer := false
		for i := range c.Subflows {
			peer = peer || c.Subflows[i].PeerToken == s.Token
		}
		if !peer {
			return false
		}
	}
	if !s.addresses() || s.fits(c.Local, c.Remote) {
		return true
	}
	for i := range c.Subflows {
		if s.fits(c.Subflows[i].Local, c.Subflows[i].Remote) {
			return true
		}
	}
	return false
}

// String returns the selector as flags of a command: "--dst :443".
func (s *Selector) String() string {
	var words []string
	if s.Token != 0 {
		words = append(words, "--token "+s.Token.String())
	}
	if !s.Remote.Any() {
		words = append(words, "--dst "+s.Remote.String())
	}
	if !s.Local.Any() {
		words = append(words, "--src "+s.Local.String())
	}
	return strings.Join(words, " ")
}
