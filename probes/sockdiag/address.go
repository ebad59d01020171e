package sockdiag

import (
	"fmt"
	"net/netip"
	"strings"
)

// Unmap returns an address with its port without the IPv6 around an IPv4 one:
// sockets of the family IPv6 that speak IPv4 have such addresses.
func Unmap(a netip.AddrPort) netip.AddrPort { return netip.AddrPortFrom(a.Addr().Unmap(), a.Port()) }

// SplitPort cuts ADDRESS:PORT, [ADDRESS]:PORT or [ADDRESS]/BITS:PORT into the
// address, with its bits and without brackets, and the port. Either may be
// missing and is then empty, and neither is looked into otherwise. An IPv6 address
// without brackets may be followed by a port if it is no address with it.
func SplitPort(s string) (addr, port string, err error) {
	switch {
	case strings.HasPrefix(s, "["):
		end := strings.IndexByte(s, ']')
		if end < 0 {
			return "", "", fmt.Errorf("%q: ] is missing", s)
		}
		addr = s[1:end]
		rest := s[end+1:]
		if strings.HasPrefix(rest, "/") {
			bits, p, _ := strings.Cut(rest, ":")
			addr += bits
			rest = ":" + p
		}
		if rest != "" && rest[0] != ':' {
			return "", "", fmt.Errorf("%q: expected a port behind ]", s)
		}
		return addr, strings.TrimPrefix(rest, ":"), nil
	case strings.Count(s, ":") > 1:
		if _, err := netip.ParsePrefix(s); err == nil {
			return s, "", nil
		}
		if _, err := netip.ParseAddr(s); err == nil {
			return s, "", nil
		}
	}
	if i := strings.LastIndexByte(s, ':'); i >= 0 {
		return s[:i], s[i+1:], nil
	}
	return s, "", nil
}
