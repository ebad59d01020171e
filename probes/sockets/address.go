package sockets

import (
	"fmt"
	"math"
	"net"
	"net/netip"
	"strconv"
	"strings"

	"framescope/probes/sockdiag"
)

// parseHost reads [FAMILY:]HOST[/PREFIX][:PORT].
func parseHost(s string, lookup func(string) ([]net.IP, error)) (h host, err error) {
	h.proto, h.id = -1, -1
	if family, rest, ok := strings.Cut(s, ":"); ok {
		switch family {
		case "inet":
			h.family, s = sockdiag.IPv4, rest
		case "inet6":
			h.family, s = sockdiag.IPv6, rest
		case "unix":
			h.family, h.glob = sockdiag.Unix, rest
			return h, nil
		case "link", "netlink":
			h.family = sockdiag.Netlink
			if family == "link" {
				h.family = sockdiag.Packet
			}
			proto, id, _ := strings.Cut(rest, ":")
			if proto != "" && proto != "*" {
				n, err := strconv.ParseUint(proto, 0, 16)
				if err != nil {
					return h, fmt.Errorf("%q is not the number of a protocol", proto)
				}
				h.proto = int(n)
			}
			if id != "" && id != "*" {
				if n, err := strconv.ParseUint(id, 10, 32); err == nil {
					h.id = int(n)
				} else if family == "link" {
					h.dev, h.id = id, -2 // until it is known
				} else {
					return h, fmt.Errorf("%q is not the number of a port", id)
				}
			}
			return h, nil
		}
	} else if strings.HasPrefix(s, "/") || strings.HasPrefix(s, "@") {
		h.family, h.glob = sockdiag.Unix, s
		return h, nil
	}
	addr, port, err := sockdiag.SplitPort(s)
	if err != nil {
		return h, err
	}
	if port != "" {
		if h.ports, err = parsePorts(port); err != nil {
			return h, err
		}
	}
	if addr == "" || addr == "*" || addr == "any" || addr == "all" || addr == "default" {
		return h, nil
	}
	if a, err := netip.ParseAddr(addr); err == nil {
		if _, err := strconv.ParseUint(a.Zone(), 10, 32); err != nil {
			h.dev = a.Zone() // there has to be one of this name
		}
	}
	h.prefixes, err = parsePrefixes(addr, lookup)
	return h, err
}

// parsePrefixes reads an address, a prefix, or the name of a host.
func parsePrefixes(s string, lookup func(string) ([]net.IP, error)) ([]netip.Prefix, error) {
	if p, err := netip.ParsePrefix(s); err == nil {
		return []netip.Prefix{p.Masked()}, nil
	}
	a, err := netip.ParseAddr(s)
	if err == nil {
		a = a.WithZone("")
		return []netip.Prefix{netip.PrefixFrom(a, a.BitLen())}, nil
	}
	if net, bits, ok := strings.Cut(s, "/"); ok {
		// 10/8, as networks were written of old
		n, err := strconv.ParseUint(bits, 10, 8)
		dots := strings.Count(net, ".")
		if a, aerr := netip.ParseAddr(net + strings.Repeat(".0", max(3-dots, 0))); err == nil && aerr == nil && n <= 32 {
			return []netip.Prefix{netip.PrefixFrom(a, int(n)).Masked()}, nil
		}
		return nil, fmt.Errorf("%q is not a network", s)
	}
	ips, err := lookup(s)
	if err != nil {
		return nil, fmt.Errorf("%q is neither an address nor a host that is known", s)
	}
	var all []netip.Prefix
	for _, ip := range ips {
		if a, ok := netip.AddrFromSlice(ip); ok {
			a = a.Unmap()
			all = append(all, netip.PrefixFrom(a, a.BitLen()))
		}
	}
	return all, nil
}

// parsePorts reads ports, names of services and ranges, separated by commas; * is
// every port.
func parsePorts(s string) (all [][2]uint16, err error) {
	for part := range strings.SplitSeq(s, ",") {
		if part == "*" {
			return [][2]uint16{{0, math.MaxUint16}}, nil
		}
		lo, ok1 := servicePort(part)
		hi, ok2 := lo, ok1
		if !ok1 {
			if a, b, cut := strings.Cut(part, "-"); cut {
				lo, ok1 = servicePort(a)
				hi, ok2 = servicePort(b)
			}
		}
		if !ok1 || !ok2 || lo > hi {
			return nil, fmt.Errorf("%q is neither a port nor a service that is known", part)
		}
		all = append(all, [2]uint16{lo, hi})
	}
	return all, nil
}
