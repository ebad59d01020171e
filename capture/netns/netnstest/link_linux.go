package netnstest

import (
	"errors"
	"fmt"
	"net"
	"os"
	"testing"
	"time"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"
)

// genModeNone is IN6_ADDR_GEN_MODE_NONE of linux/if_link.h.
const genModeNone = 1

// Up sets interfaces of ns up that are not.
func Up(tb testing.TB, ns *os.File, names ...string) {
	tb.Helper()
	var err error
	Do(tb, ns, func() error { err = up(names); return nil })
	if errors.Is(err, unix.EPERM) {
		tb.Skip("setting an interface up needs CAP_NET_ADMIN")
	}
	if err != nil {
		tb.Fatal(err)
	}
}

func up(names []string) error {
	for _, name := range names {
		l, err := netlink.LinkByName(name)
		if err == nil && l.Attrs().Flags&net.FlagUp == 0 {
			err = netlink.LinkSetUp(l)
		}
		if err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
	}
	return nil
}

// Carrier waits until interfaces of ns have their carrier: what is sent before
// is lost.
func Carrier(tb testing.TB, ns *os.File, names ...string) {
	tb.Helper()
	for _, name := range names {
		Do(tb, ns, func() error {
			for end := time.Now().Add(5 * time.Second); ; time.Sleep(time.Millisecond) {
				i, err := net.InterfaceByName(name)
				if err != nil || i.Flags&net.FlagRunning != 0 {
					return err
				}
				if time.Now().After(end) {
					return fmt.Errorf("%s has no carrier", name)
				}
			}
		})
	}
}

// An End is one end of a link.
type End struct {
	// Netns is where it is. With nil, for where the caller is, both ends are
	// there.
	Netns *os.File
	Name  string
	// Addrs are its addresses with the length of their network: 10.77.1.1/24.
	// They can be used at once.
	Addrs []string
	// Quiet keeps the kernel from giving it an address of its own, and so from
	// sending anything that the test does not.
	Quiet bool
}

func (e End) configure() error {
	l, err := netlink.LinkByName(e.Name)
	if err == nil && e.Quiet {
		err = netlink.LinkSetIP6AddrGenMode(l, genModeNone)
	}
	for _, prefix := range e.Addrs {
		var a *netlink.Addr
		if err == nil {
			a, err = netlink.ParseAddr(prefix)
		}
		if err == nil {
			a.Flags = unix.IFA_F_NODAD
			err = netlink.AddrAdd(l, a)
		}
	}
	if err == nil {
		err = netlink.LinkSetUp(l)
	}
	if err != nil {
		return fmt.Errorf("%s: %w", e.Name, err)
	}
	return nil
}

// Veth makes a link, sets both ends up and waits for their carrier. It ends with
// either of its namespaces.
func Veth(tb testing.TB, a, b End) {
	tb.Helper()
	v := &netlink.Veth{LinkAttrs: netlink.NewLinkAttrs(), PeerName: b.Name}
	v.Name = a.Name
	if b.Netns != a.Netns {
		v.PeerNamespace = netlink.NsFd(b.Netns.Fd())
		// With ends of the same number the kernel takes up to a second for the
		// carrier.
		v.Index = max(lastIndex(tb, a.Netns), lastIndex(tb, b.Netns)) + 100
	}
	Do(tb, a.Netns, func() error { return netlink.LinkAdd(v) })
	for _, e := range []End{a, b} {
		Do(tb, e.Netns, e.configure)
	}
	for _, e := range []End{a, b} {
		Carrier(tb, e.Netns, e.Name)
	}
}

// Nowhere makes a link in ns whose end name has the address prefix. What is sent
// to the address peer leaves by it, and is never answered.
func Nowhere(tb testing.TB, ns *os.File, name, prefix, peer string) {
	tb.Helper()
	Veth(tb, End{Netns: ns, Name: name, Addrs: []string{prefix}}, End{Netns: ns, Name: name + "-end"})
	Do(tb, ns, func() error {
		l, err := netlink.LinkByName(name)
		if err != nil {
			return err
		}
		return netlink.NeighAdd(&netlink.Neigh{
			LinkIndex: l.Attrs().Index, IP: net.ParseIP(peer), State: netlink.NUD_PERMANENT, HardwareAddr: net.HardwareAddr{2, 0, 0, 0, 0, 7},
		})
	})
}

// lastIndex returns the highest number of an interface of ns.
func lastIndex(tb testing.TB, ns *os.File) (index int) {
	tb.Helper()
	Do(tb, ns, func() error {
		all, err := net.Interfaces()
		for _, i := range all {
			index = max(index, i.Index)
		}
		return err
	})
	return index
}

// InVeth runs f on a thread in a new namespace, with the two ends of a quiet
// link there: fs0 and fs1. What f starts is there, too, but for goroutines. f
// may call Fatal and Skip.
func InVeth(tb testing.TB, f func()) {
	tb.Helper()
	ns := New(tb)
	Veth(tb, End{Netns: ns, Name: "fs0", Quiet: true}, End{Netns: ns, Name: "fs1", Quiet: true})
	Do(tb, ns, func() error { f(); return nil })
}
