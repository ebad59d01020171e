package main

import (
	"encoding/hex"
	"net/netip"
	"strconv"
	"strings"
	"time"
	"unicode"

	"framescope/cmd/framescope/internal/output"
	"framescope/probes/sockdiag"
	"framescope/probes/sockets"
)

// appendAddr appends an address, the interface that it is bound to, and a port as
// ss writes them: brackets around IPv6, an asterisk for any port.
func appendAddr(dst []byte, a netip.AddrPort, dev string) []byte {
	ip := a.Addr()
	if ip.Is4() {
		dst = appendIPv4(dst, ip.As4())
	} else {
		dst = append(appendIPv6(append(dst, '['), ip), ']')
	}
	if dev != "" {
		dst = append(append(dst, '%'), dev...)
	}
	dst = append(dst, ':')
	if a.Port() == 0 {
		return append(dst, '*')
	}
	return strconv.AppendUint(dst, uint64(a.Port()), 10)
}

// appendIPv6 appends an address; IPv4 within IPv6 as ::ffff:10.0.0.1.
func appendIPv6(dst []byte, ip netip.Addr) []byte { return ip.WithZone("").AppendTo(dst) }

func appendIPv4(dst []byte, b [4]byte) []byte {
	for i, v := range b {
		if i > 0 {
			dst = append(dst, '.')
		}
		if v >= 100 {
			dst = append(dst, '0'+v/100)
		}
		if v >= 10 {
			dst = append(dst, '0'+v/10%10)
		}
		dst = append(dst, '0'+v%10)
	}
	return dst
}

// interfaceName returns the name of the interface that a socket is bound to.
func interfaceName(r *sockets.Row) string { return output.Visible(r.InterfaceName()) }

// appendLocal and appendPeer append the two ends of a socket of any kind.
func appendLocal(dst []byte, r *sockets.Row) []byte {
	switch r.Kind {
	case sockets.Unix:
		return appendUnixName(dst, r.Name)
	case sockets.Packet:
		return appendPacket(dst, r)
	case sockets.Netlink:
		dst = append(append(dst, netlinkProtocol(r.Protocol)...), ':')
		if r.PortID == 0 {
			return append(dst, "kernel"...)
		}
		return strconv.AppendUint(dst, uint64(r.PortID), 10)
	case sockets.Raw:
		return appendRaw(dst, r.Src.Addr(), r.Protocol)
	}
	return appendAddr(dst, r.Src, interfaceName(r))
}

func appendPeer(dst []byte, r *sockets.Row) []byte {
	switch r.Kind {
	case sockets.Unix:
		if r.PeerInode == 0 {
			return append(dst, '*')
		}
		return strconv.AppendUint(append(dst, "inode "...), uint64(r.PeerInode), 10)
	case sockets.Packet:
		return append(dst, '*')
	case sockets.Netlink:
		if r.PeerPortID == 0 {
			return append(dst, '*')
		}
		return strconv.AppendUint(dst, uint64(r.PeerPortID), 10)
	case sockets.Raw:
		return appendRaw(dst, r.Dst.Addr(), 0)
	}
	return appendAddr(dst, r.Dst, "")
}

func appendRaw(dst []byte, ip netip.Addr, proto uint16) []byte {
	if ip.Is4() {
		dst = appendIPv4(dst, ip.As4())
	} else {
		dst = append(appendIPv6(append(dst, '['), ip), ']')
	}
	dst = append(dst, ':')
	if proto == 0 {
		return append(dst, '*')
	}
	return append(dst, ipProtocol(proto)...)
}

// appendUnixName appends what a unix socket is bound to; an abstract name begins
// with @.
func appendUnixName(dst []byte, name string) []byte {
	if name == "" {
		return append(dst, '*')
	}
	if name[0] == 0 {
		dst, name = append(dst, '@'), strings.TrimRight(name[1:], "\x00")
	}
	return append(dst, output.Visible(name)...)
}

func appendPacket(dst []byte, r *sockets.Row) []byte {
	dst = append(append(dst, etherType(r.Protocol)...), ':')
	if r.Interface == 0 {
		return append(dst, '*')
	}
	return append(dst, interfaceName(r)...)
}

func etherType(p uint16) string {
	switch p {
	case 0:
		return "none"
	case 3:
		return "all"
	case 0x0800:
		return "ip"
	case 0x0806:
		return "arp"
	case 0x86dd:
		return "ipv6"
	case 0x888e:
		return "eapol"
	case 0x88cc:
		return "lldp"
	}
	return "0x" + hex.EncodeToString([]byte{byte(p >> 8), byte(p)})
}

func ipProtocol(p uint16) string {
	switch p {
	case 1:
		return "icmp"
	case 2:
		return "igmp"
	case 6:
		return "tcp"
	case 17:
		return "udp"
	case 47:
		return "gre"
	case 50:
		return "esp"
	case 58:
		return "ipv6-icmp"
	case 89:
		return "ospf"
	case 112:
		return "vrrp"
	}
	return strconv.FormatUint(uint64(p), 10)
}

var netlinkProtocols = map[uint16]string{
	0: "rtnl", 2: "userlock", 4: "tcpdiag", 5: "nft", 6: "xfrm", 7: "selinux", 8: "iscsi", 9: "audit", 10: "fiblookup", 11: "connector",
	12: "nft", 15: "uevent", 16: "genl", 18: "scsi-trans", 19: "ecryptfs",
}

func netlinkProtocol(p uint16) string {
	if n, ok := netlinkProtocols[p]; ok {
		return n
	}
	return strconv.FormatUint(uint64(p), 10)
}

// stateName is the kernel's name of a state; of sockets without connections it
// says what they are.
func stateName(r *sockets.Row) string {
	switch {
	case r.Bound:
		return "BOUND"
	case r.State == sockdiag.NewSynRecv:
		return "SYN_RECV"
	case r.State == sockdiag.CloseState && r.Kind != sockets.TCP && r.Kind != sockets.MPTCP:
		return "UNCONN"
	}
	return r.State.String()
}

// shownOwners is how many processes are named of a socket.
const shownOwners = 4

// appendOwners appends who holds a socket: "python3 4711, 4712".
func appendOwners(dst []byte, r *sockets.Row) []byte {
	if len(r.Owners) == 0 {
		return append(dst, '-')
	}
	for i, o := range r.Owners {
		if i == shownOwners {
			return strconv.AppendInt(append(dst, " and "...), int64(len(r.Owners)-shownOwners), 10)
		}
		if i > 0 {
			dst = append(dst, ", "...)
		}
		if i == 0 || o.Name != r.Owners[i-1].Name {
			dst = append(append(dst, processName(o.Name)...), ' ')
		}
		dst = strconv.AppendInt(dst, int64(o.PID), 10)
		dst = strconv.AppendInt(append(dst, '/'), int64(o.FD), 10)
	}
	return dst
}

// processName returns the name of a process as it stands among others. What would
// read as more than a name, or as none, is quoted: processes choose their names.
func processName(name string) string {
	if name != "" && !strings.ContainsAny(name, `,/"`) && strings.IndexFunc(name, unicode.IsSpace) < 0 {
		return output.Visible(name)
	}
	return `"` + quotedName(name) + `"`
}

var quotes = strings.NewReplacer(`\`, `\\`, `"`, `\"`)

// quotedName returns a name as it stands between quotes.
func quotedName(name string) string { return output.Visible(quotes.Replace(name)) }

// appendAge appends a time as people say it: 0.3s, 12s, 4m12s, 3h2m.
func appendAge(dst []byte, d time.Duration) []byte {
	switch {
	case d < 10*time.Second:
		ms := d.Milliseconds()
		return append(strconv.AppendInt(dst, ms/1000, 10), '.', byte('0'+ms/100%10), 's')
	case d < 100*time.Second:
		return append(strconv.AppendInt(dst, int64(d/time.Second), 10), 's')
	case d < time.Hour:
		return append(dst, d.Round(time.Second).String()...)
	}
	return append(dst, strings.TrimSuffix(d.Round(time.Minute).String(), "0s")...)
}

// appendTimer appends "on 0.2s x3": the timer, the time until it ends, retries.
func appendTimer(dst []byte, r *sockets.Row) []byte {
	if r.Timer == sockdiag.TimerOff {
		return append(dst, '-')
	}
	dst = append(append(dst, r.Timer.String()...), ' ')
	dst = appendAge(dst, r.Expires)
	if r.Retrans > 0 {
		dst = strconv.AppendUint(append(dst, " x"...), uint64(r.Retrans), 10)
	}
	return dst
}
