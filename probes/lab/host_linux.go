package lab

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"slices"
	"strings"
	"sync"
	"syscall"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"

	"framescope/mptcpctl"
)

// A Host is a host of a Lab: a network namespace. Its methods may be called by
// several goroutines.
type Host struct {
	Name string

	lab   *Lab
	held  *held
	rt    *netlink.Handle
	mptcp *mptcpctl.Conn

	ifaces map[int]*Interface // by link

	mu     sync.Mutex
	filter *filter
	boxes  []*Box
}

// An Interface is a host's end of a link.
type Interface struct {
	// Link counts from 1.
	Link int
	// Dev is its name: c2.
	Dev string
	// Addr and Addr6 are its addresses, with the lengths of their networks.
	Addr, Addr6 netip.Prefix
	// Peer and Peer6 are those of the other end, PeerHost is whose it is.
	Peer, Peer6 netip.Addr
	PeerHost    string

	index int
}

// Netns returns the file of the host's namespace. It belongs to the lab, and is
// closed with it.
func (h *Host) Netns() *os.File { return h.held.file }

// TID returns the id of a thread that is in the namespace as long as the lab is
// up: for nsenter -t TID -n, and for framescope's --netns.
func (h *Host) TID() int { return h.held.tid }

// MPTCP returns the host's path manager. It belongs to the lab, and is closed
// with it.
func (h *Host) MPTCP() *mptcpctl.Conn { return h.mptcp }

// Do runs f on a thread in the host's namespace: what f opens stays in it, and
// /proc/thread-self/net and /proc/sys/net are the host's. Goroutines that f starts
// are not in it.
func (h *Host) Do(f func() error) error { return h.in(f) }

// Interfaces returns the host's ends of links, in the order of the links.
func (h *Host) Interfaces() (all []Interface) {
	for _, i := range h.ifaces {
		all = append(all, *i)
	}
	slices.SortFunc(all, func(a, b Interface) int { return a.Link - b.Link })
	return all
}

// Interface returns the host's end of a link; the zero Interface if it has none.
func (h *Host) Interface(link int) Interface {
	if i := h.ifaces[link]; i != nil {
		return *i
	}
	return Interface{}
}

// Addr returns the host's IPv4 address on a link; the zero Addr if it is not on
// it.
func (h *Host) Addr(link int) netip.Addr { return h.Interface(link).Addr.Addr() }

// Addr6 returns the host's IPv6 address on a link.
func (h *Host) Addr6(link int) netip.Addr { return h.Interface(link).Addr6.Addr() }

// Dev returns the name of the host's interface on a link; empty if it is not on
// it.
func (h *Host) Dev(link int) string { return h.Interface(link).Dev }

// Sent returns how many bytes the host's interface on a link has sent, with their
// headers.
func (h *Host) Sent(link int) (uint64, error) {
	i := h.ifaces[link]
	if i == nil {
		return 0, fmt.Errorf("host %s: link %d: it is not there", h.Name, link)
	}
	dev, err := h.rt.LinkByIndex(i.index)
	if err != nil {
		return 0, named(i.Dev, err)
	}
	return dev.Attrs().Statistics.TxBytes, nil
}

// A Cmd is a command that runs on a host. It is an exec.Cmd in all but the
// methods that start it.
type Cmd struct {
	*exec.Cmd
	host *Host
}

// Command returns the command to run a program on the host. It is killed when ctx
// or the lab ends.
func (h *Host) Command(ctx context.Context, name string, args ...string) *Cmd {
	return &Cmd{exec.CommandContext(ctx, name, args...), h}
}

// Start starts the command; Wait must follow. It is killed when this process is,
// unless its SysProcAttr is set.
func (c *Cmd) Start() error {
	if c.SysProcAttr == nil {
		c.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	}
	if err := c.host.in(c.Cmd.Start); err != nil {
		return err
	}
	context.AfterFunc(c.host.lab.ctx, func() { _ = c.Process.Kill() })
	return nil
}

// Run runs the command to its end.
func (c *Cmd) Run() error {
	if err := c.Start(); err != nil {
		return err
	}
	return c.Wait()
}

// Output runs the command and returns what it wrote to standard output.
func (c *Cmd) Output() ([]byte, error) {
	var b strings.Builder
	c.Stdout = &b
	err := c.Run()
	return []byte(b.String()), err
}

// CombinedOutput runs the command and returns all that it wrote.
func (c *Cmd) CombinedOutput() ([]byte, error) {
	var b strings.Builder
	c.Stdout, c.Stderr = &b, &b
	err := c.Run()
	return []byte(b.String()), err
}

// SetSysctl sets a sysctl of the host's network: "net.ipv4.ip_forward".
func (h *Host) SetSysctl(name, value string) error {
	p, ok := strings.CutPrefix(name, "net.")
	if !ok || strings.ContainsAny(p, "/\x00") || strings.Contains(p, "..") {
		return fmt.Errorf("sysctl %q: expected net.*, with interfaces that have no dot", name)
	}
	err := h.in(func() error {
		return os.WriteFile("/proc/sys/net/"+strings.ReplaceAll(p, ".", "/"), []byte(value), 0)
	})
	if err != nil {
		var pe *os.PathError
		if errors.As(err, &pe) {
			err = pe.Err
		}
		return fmt.Errorf("sysctl %s=%s: %w", name, value, err)
	}
	return nil
}

// Endpoint runs a command of the path manager in the words of ip-mptcp(8), such
// as "endpoint add 10.77.2.1 dev c2 subflow".
func (h *Host) Endpoint(words string) error {
	cmd, err := mptcpctl.ParseIP(strings.Fields(words))
	if err != nil {
		return fmt.Errorf("host %s: %s: %w", h.Name, words, err)
	}
	if _, err := cmd.Run(h.mptcp); err != nil {
		return fmt.Errorf("host %s: %w", h.Name, err)
	}
	return nil
}

// Counter returns a counter of the host by its full name, "MPTcpExtMPJoinSynTx".
// It counts from the lab's beginning, and is 0 where the kernel does not have it.
func (h *Host) Counter(fullName string) (int64, error) {
	all, err := h.mptcp.Counters()
	if err != nil {
		return 0, err
	}
	v, _ := all.Get(fullName)
	return v, nil
}

// SetLink sets the host's end of a link up or down. Routes by it are gone
// afterwards.
func (h *Host) SetLink(link int, up bool) error {
	i := h.ifaces[link]
	if i == nil {
		return fmt.Errorf("host %s: link %d: it is not there", h.Name, link)
	}
	dev, err := h.rt.LinkByIndex(i.index)
	if err != nil {
		return err
	}
	if up {
		return h.rt.LinkSetUp(dev)
	}
	return h.rt.LinkSetDown(dev)
}

// AddAddr gives the host's end of a link one more address; link 0 is the loopback
// interface. See AddSourceRule, too.
func (h *Host) AddAddr(link int, p netip.Prefix) error {
	index := 1 // the loopback interface is the first of its namespace
	if i := h.ifaces[link]; i != nil {
		index = i.index
	} else if link != 0 {
		return fmt.Errorf("host %s: link %d: it is not there", h.Name, link)
	}
	return h.address(index, p)
}

// address gives an interface an address, which can be used at once.
func (h *Host) address(index int, p netip.Prefix) error {
	a := &netlink.Addr{IPNet: ipNet(p)}
	if p.Addr().Is6() {
		a.Flags = unix.IFA_F_NODAD
	}
	return named("address "+p.String(), h.rt.AddrAdd(&netlink.Dummy{LinkAttrs: netlink.LinkAttrs{Index: index}}, a))
}

// DeleteSourceRoutes takes the rules of SourceRoutes away.
func (h *Host) DeleteSourceRoutes() error {
	for _, family := range []int{netlink.FAMILY_V4, netlink.FAMILY_V6} {
		rules, err := h.rt.RuleList(family)
		if err != nil {
			return err
		}
		for _, r := range rules {
			if r.Src == nil || r.Table < sourceTable || r.Table > sourceTable+MaxLinks {
				continue
			}
			r.Family = family
			if err := h.rt.RuleDel(&r); err != nil {
				return named("rule "+r.String(), err)
			}
		}
	}
	return nil
}

// Route adds a route by the gateway, to the table or, with 0, to the main one.
func (h *Host) Route(to netip.Prefix, gateway netip.Addr, link, table int) error {
	r := &netlink.Route{Dst: ipNet(to), Table: table}
	if i := h.ifaces[link]; i != nil {
		r.LinkIndex = i.index
	}
	if gateway.IsValid() {
		r.Gw = gateway.AsSlice()
		r.Flags = int(netlink.FLAG_ONLINK)
	} else {
		r.Scope = netlink.SCOPE_LINK
	}
	return named("route "+to.String(), h.rt.RouteReplace(r))
}

// SourceTable is the routing table of a link's source routes.
func SourceTable(link int) int { return sourceTable + link }

const sourceTable = 100

// AddSourceRule has what is sent from the address leave by the link: it has the
// link's source routes looked up first.
func (h *Host) AddSourceRule(from netip.Addr, link int) error {
	return named("rule from "+from.String(), h.rt.RuleAdd(sourceRule(from, link)))
}

func sourceRule(from netip.Addr, link int) *netlink.Rule {
	r := netlink.NewRule()
	r.Src, r.Table, r.Family = ipNet(netip.PrefixFrom(from, from.BitLen())), sourceTable+link, netlink.FAMILY_V4
	if from.Is6() {
		r.Family = netlink.FAMILY_V6
	}
	return r
}

func ipNet(p netip.Prefix) *net.IPNet {
	return &net.IPNet{IP: p.Addr().AsSlice(), Mask: net.CIDRMask(p.Bits(), p.Addr().BitLen())}
}

// named puts what was tried before an error.
func named(what string, err error) error {
	if err == nil {
		return nil
	}
	return fmt.Errorf("%s: %w", what, err)
}

// close takes the host down.
func (h *Host) close() {
	if h.filter != nil {
		h.filter.close()
	}
	if h.mptcp != nil {
		h.mptcp.Close()
	}
	if h.rt != nil {
		// Interfaces go at once, not when the kernel finds the time to take the
		// namespace apart.
		for _, i := range h.ifaces {
			_ = h.rt.LinkDel(&netlink.Dummy{LinkAttrs: netlink.LinkAttrs{Index: i.index}})
		}
		h.rt.Close()
	}
	h.held.close()
}
