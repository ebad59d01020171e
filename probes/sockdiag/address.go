package sockdiag

import "net/netip"

// Unmap returns an address with its port without the IPv6 around an IPv4 one:
// sockets of the family IPv6 that speak IPv4 have such addresses.
func Unmap(a netip.AddrPort) netip.AddrPort { return netip.AddrPortFrom(a.Addr().Unmap(), a.Port()) }
