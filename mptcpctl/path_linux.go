package mptcpctl

import (
	"errors"
	"fmt"
	"net/netip"
	"os"
	"strings"
	"time"

	"github.com/vishvananda/netlink"
	"github.com/vishvananda/netlink/nl"
	"golang.org/x/sys/unix"

	"framescope/capture/netns"
	"framescope/probes/nlmsg"
)

// A question is what the routing tables are asked about a subflow. Ports and
// the user are asked about only where routes go by them: most subflows then
// share their question.
type question struct {
	from, to     netip.Addr
	bound, mark  uint32
	sport, dport uint16
	uid          uint32
	byUID        bool
}

// routeKeys are what routes of a namespace go by, beside addresses, interfaces
// and marks.
type routeKeys struct{ ports, users bool }

// keys asks for the rules in the namespace of the thread.
func keys() (k routeKeys, err error) {
	req := nl.NewNetlinkRequest(unix.RTM_GETRULE, unix.NLM_F_DUMP)
	req.AddRawData(make([]byte, rtMsgLen))
	rules, err := req.Execute(unix.NETLINK_ROUTE, unix.RTM_NEWRULE)
	if errors.Is(err, unix.EOPNOTSUPP) {
		err = nil // a kernel without policy routing
	}
	if err != nil {
		return k, fmt.Errorf("rules: %w", err)
	}
	for _, b := range rules {
		if len(b) < rtMsgLen {
			continue
		}
		err := attributes(b[rtMsgLen:], func(typ uint16, _ value) error {
			switch typ {
			case unix.FRA_SPORT_RANGE, unix.FRA_DPORT_RANGE:
				k.ports = true
			case unix.FRA_UID_RANGE:
				k.users = true
			}
			return nil
		})
		if err != nil {
			return k, err
		}
	}
	// Any policy but 0 may hash ports. Without /proc or IPv6 it is not known.
	for _, family := range []string{"ipv4", "ipv6"} {
		b, err := os.ReadFile("/proc/sys/net/" + family + "/fib_multipath_hash_policy")
		if s := strings.TrimSpace(string(b)); err == nil && s != "0" {
			k.ports = true
		}
	}
	return k, nil
}

func (k routeKeys) question(c *Connection, s *SubflowInfo) question {
	q := question{from: s.Local.Addr(), to: s.Remote.Addr(), bound: s.Bound, mark: s.Mark}
	if k.ports {
		q.sport, q.dport = s.Local.Port(), s.Remote.Port()
	}
	// The kernel opens joins by itself: to the tables they are root's.
	if q.byUID = k.users; k.users && !s.Opened() {
		q.uid = c.UID
	}
	return q
}

// paths finds out by which interface each subflow leaves, each question once.
func (c *Conn) paths(s *Snapshot) error {
	if len(s.Connections) == 0 {
		return nil
	}
	var by routeKeys
	err := netns.Do(c.ns, func() (err error) {
		by, err = keys()
		return err
	})
	if err != nil {
		return fmt.Errorf("routes: %w", err)
	}
	asked := make(map[question]int)
	var all []question
	last := question{}
	lastAt := -1
	each := func(f func(sub *SubflowInfo, at int)) {
		for i := range s.Connections {
			subs := s.Connections[i].Subflows
			for j := range subs {
				q := by.question(&s.Connections[i], &subs[j])
				if q != last || lastAt < 0 {
					at, ok := asked[q]
					if !ok {
						at = len(all)
						asked[q] = at
						all = append(all, q)
					}
					last, lastAt = q, at
				}
				f(&subs[j], lastAt)
			}
		}
	}
	each(func(*SubflowInfo, int) {})
	if len(all) == 0 {
		return nil
	}
	var answers []Path
	err = netns.Do(c.ns, func() (err error) {
		answers, err = routes(all)
		return err
	})
	if err != nil {
		return fmt.Errorf("routes: %w", err)
	}
	each(func(sub *SubflowInfo, at int) { sub.Path = &answers[at] })
	return nil
}

// routeBatch is how many questions are sent at once: their answers have to fit
// into the socket's buffer.
const routeBatch = 64

const rtMsgLen = 12

// routes asks about each question in the namespace of the thread. netlink's
// RouteGet takes a socket, several kilobytes and an interface lookup a question.
func routes(all []question) ([]Path, error) {
	fd, err := unix.Socket(unix.AF_NETLINK, unix.SOCK_RAW|unix.SOCK_CLOEXEC, unix.NETLINK_ROUTE)
	if err != nil {
		return nil, err
	}
	defer unix.Close(fd)
	tv := unix.NsecToTimeval((5 * time.Second).Nanoseconds())
	if err := unix.SetsockoptTimeval(fd, unix.SOL_SOCKET, unix.SO_RCVTIMEO, &tv); err != nil {
		return nil, err
	}
	if err := unix.Bind(fd, &unix.SockaddrNetlink{Family: unix.AF_NETLINK}); err != nil {
		return nil, err
	}
	type way struct {
		oif     uint32
		gateway netip.Addr
		err     string
	}
	ways := make([]way, len(all))
	buf := make([]byte, 32<<10)
	var req []byte
	for begin := 0; begin < len(all); begin += routeBatch {
		end := min(begin+routeBatch, len(all))
		req = req[:0]
		for i, q := range all[begin:end] {
			req = appendRouteRequest(req, uint32(begin+i+1), q)
		}
		if _, err := unix.Write(fd, req); err != nil {
			return nil, err
		}
		for left := end - begin; left > 0; {
			n, err := unix.Read(fd, buf)
			if errors.Is(err, unix.EINTR) {
				continue
			} else if err != nil {
				return nil, err
			}
			err = routeMessages(buf[:n], func(seq uint32, oif uint32, gw netip.Addr, errno unix.Errno) {
				if i := int(seq) - 1; i >= begin && i < end {
					left--
					w := &ways[i]
					if w.oif, w.gateway = oif, gw; errno != 0 {
						w.err = errno.Error()
					}
				}
			})
			if err != nil {
				return nil, err
			}
		}
	}
	names := make(map[uint32]Path)
	answers := make([]Path, len(all))
	var h *netlink.Handle
	for i, w := range ways {
		if w.err != "" || w.oif == 0 {
			if answers[i].Err = w.err; w.err == "" {
				answers[i].Err = "the route names no interface"
			}
			continue
		}
		p, ok := names[w.oif]
		if !ok {
			if h == nil {
				if h, err = netlink.NewHandle(unix.NETLINK_ROUTE); err != nil {
					return nil, err
				}
				defer h.Close()
			}
			p = device(h, int(w.oif))
			names[w.oif] = p
		}
		p.Gateway = w.gateway
		answers[i] = p
	}
	return answers, nil
}

// maxStack bounds how many interfaces can lie on one another.
const maxStack = 8

// device names an interface, and what is below it.
func device(h *netlink.Handle, index int) (p Path) {
	link, err := h.LinkByIndex(index)
	if err != nil {
		p.Err = fmt.Sprintf("interface %d: %v", index, err)
		return p
	}
	p.Dev = link.Attrs().Name
	var came int // the port by which a bridge was reached
	for range maxStack {
		switch link.Type() {
		case "vlan", "macvlan", "macvtap", "ipvlan", "ipvtap":
			came = 0
			if link, err = below(h, link); link == nil || err != nil {
				return p // in another namespace
			}
		case "veth":
			// Its other end leads further only as a port of a bridge.
			peer, err := below(h, link)
			if peer == nil || err != nil || peer.Type() != "veth" || peer.Attrs().ParentIndex != link.Attrs().Index || peer.Attrs().MasterIndex == 0 {
				return p
			}
			master, err := h.LinkByIndex(peer.Attrs().MasterIndex)
			if err != nil || master.Type() != "bridge" {
				return p
			}
			came, link = peer.Attrs().Index, master
		case "bridge", "bond", "team":
			ports, err := portsOf(h, link.Attrs().Index, came)
			if err != nil || len(ports) != 1 {
				return p // by which one is decided for each packet
			}
			came, link = 0, ports[0]
		default:
			return p
		}
		p.Lower = link.Attrs().Name
	}
	return p
}

// below returns the parent of an interface, or nil if that is in another
// namespace: its number is one of there, and may be anybody's here.
func below(h *netlink.Handle, link netlink.Link) (netlink.Link, error) {
	if a := link.Attrs(); a.NetNsID < 0 && a.ParentIndex != 0 {
		return h.LinkByIndex(a.ParentIndex)
	}
	return nil, nil
}

// portsOf returns the ports of a bridge or bond, but the one it was reached by.
func portsOf(h *netlink.Handle, master, but int) (ports []netlink.Link, err error) {
	all, err := h.LinkList()
	for _, l := range all {
		if a := l.Attrs(); a.MasterIndex == master && a.Index != but {
			ports = append(ports, l)
		}
	}
	return ports, err
}

func appendRouteRequest(b []byte, seq uint32, q question) []byte {
	at := len(b)
	family, bits := byte(unix.AF_INET), byte(32)
	if !q.to.Is4() {
		family, bits = unix.AF_INET6, 128
	}
	b = nlmsg.AppendHeader(b, unix.RTM_GETROUTE, nlmsg.FlagRequest, seq)
	src := byte(0)
	if q.from.Is4() == q.to.Is4() && !q.from.IsUnspecified() {
		src = bits
	}
	b = append(b, family, bits, src, 0, 0, 0, 0, 0, 0, 0, 0, 0)
	b = nlmsg.AppendAttr(b, unix.RTA_DST, q.to.AsSlice()...)
	if src != 0 {
		b = nlmsg.AppendAttr(b, unix.RTA_SRC, q.from.AsSlice()...)
	}
	// Rules may go by the protocol alone.
	b = nlmsg.AppendAttr(b, unix.RTA_IP_PROTO, unix.IPPROTO_TCP)
	if q.sport != 0 {
		b = nlmsg.AppendAttr(b, unix.RTA_SPORT, byte(q.sport>>8), byte(q.sport))
	}
	if q.dport != 0 {
		b = nlmsg.AppendAttr(b, unix.RTA_DPORT, byte(q.dport>>8), byte(q.dport))
	}
	if q.byUID {
		b = nlmsg.AppendUint32(b, unix.RTA_UID, q.uid)
	}
	if q.bound != 0 {
		b = nlmsg.AppendUint32(b, unix.RTA_OIF, q.bound)
	}
	if q.mark != 0 {
		b = nlmsg.AppendUint32(b, unix.RTA_MARK, q.mark)
	}
	nlmsg.End(b, at)
	return b
}

// routeMessages calls f for each answer in a datagram.
func routeMessages(b []byte, f func(seq, oif uint32, gw netip.Addr, errno unix.Errno)) error {
	var m nlmsg.Message
	for len(b) >= nlmsg.HeaderLen {
		rest, ok := m.Cut(b)
		if !ok {
			return fmt.Errorf("netlink message of %d bytes in %d", m.Len, len(b))
		}
		b = rest
		switch {
		case m.Type == nlmsg.TypeError:
			if errno, _, ok := m.Errno(); ok {
				f(m.Seq, 0, netip.Addr{}, errno)
			}
		case m.Type == unix.RTM_NEWROUTE && len(m.Body) >= rtMsgLen:
			var oif uint32
			var gw netip.Addr
			err := attributes(m.Body[rtMsgLen:], func(typ uint16, v value) error {
				switch typ {
				case unix.RTA_OIF:
					return v.uint32(&oif)
				case unix.RTA_GATEWAY:
					return v.ip(len(v.b), &gw)
				case unix.RTA_VIA: // family, then an address of it
					if len(v.b) > 2 {
						gw, _ = netip.AddrFromSlice(v.b[2:])
					}
				}
				return nil
			})
			if err != nil {
				return err
			}
			f(m.Seq, oif, gw, 0)
		}
	}
	return nil
}
