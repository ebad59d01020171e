package lab

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"os"
	"slices"
	"strings"
	"sync"
	"syscall"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"

	"framescope/capture/netns"
	"framescope/mptcpctl"
)

// A Lab is a network that is up. Its methods may be called by several
// goroutines.
type Lab struct {
	hosts  []*Host
	ctx    context.Context // peers and commands end with it
	cancel context.CancelFunc

	mu      sync.Mutex
	closers []func() // of peers
	busy    sync.WaitGroup
	closed  bool
}

// Up builds a lab. Peers and commands in it end when ctx does; the lab itself is
// there until Close. Its errors are os.ErrPermission where namespaces cannot be
// made, ErrNoTBF and the like where the kernel lacks something.
func Up(ctx context.Context, c *Config) (*Lab, error) {
	config, err := c.complete()
	if err != nil {
		return nil, fmt.Errorf("lab: %w", err)
	}
	l := &Lab{}
	l.ctx, l.cancel = context.WithCancel(ctx)
	if err := l.build(config); err != nil {
		l.Close()
		return nil, fmt.Errorf("lab: %w", err)
	}
	return l, nil
}

// complete returns the Config with what it leaves out.
func (c *Config) complete() (*Config, error) {
	var full Config
	if c != nil {
		full = *c
	}
	if len(full.Hosts) == 0 {
		full.Hosts = Two(0, 0).Hosts
	}
	if len(full.Links) == 0 && len(full.Hosts) > 1 {
		full.Links = []LinkConfig{{A: full.Hosts[0].Name, B: full.Hosts[len(full.Hosts)-1].Name}}
		full.Links = append(full.Links, full.Links[0])
	}
	if len(full.Hosts) > MaxHosts || len(full.Links) > MaxLinks {
		return nil, fmt.Errorf("%d hosts and %d links: at most %d and %d", len(full.Hosts), len(full.Links), MaxHosts, MaxLinks)
	}
	names := map[string]bool{}
	for _, h := range full.Hosts {
		if h.Name == "" || len(h.Name) > 32 || strings.Trim(h.Name, "abcdefghijklmnopqrstuvwxyz0123456789") != "" || h.Name[0] <= '9' {
			return nil, fmt.Errorf("host %q: expected lower-case letters and digits", h.Name)
		}
		if names[h.Name] {
			return nil, fmt.Errorf("host %s: there are two of them", h.Name)
		}
		names[h.Name] = true
	}
	for i, k := range full.Links {
		switch {
		case !names[k.A] || !names[k.B]:
			return nil, fmt.Errorf("link %d: %q to %q: there is no such host", i+1, k.A, k.B)
		case k.A == k.B:
			return nil, fmt.Errorf("link %d: both ends are at %s", i+1, k.A)
		case k.Rate != 0 && k.Rate < 8000:
			return nil, fmt.Errorf("link %d: rate of %d bit/s: expected 8000 or more", i+1, k.Rate)
		case k.Delay < 0 || k.Loss < 0 || k.Loss > 100:
			return nil, fmt.Errorf("link %d: delay %v, loss %v%%: out of range", i+1, k.Delay, k.Loss)
		}
	}
	return &full, nil
}

func (l *Lab) build(c *Config) error {
	for _, hc := range c.Hosts {
		h, err := l.newHost(hc)
		if err != nil {
			return fmt.Errorf("host %s: %w", hc.Name, err)
		}
		l.hosts = append(l.hosts, h)
	}
	for i, k := range c.Links {
		if err := l.connect(i+1, k); err != nil {
			return fmt.Errorf("link %d: %w", i+1, err)
		}
	}
	for i, hc := range c.Hosts {
		h := l.hosts[i]
		if err := h.route(c, hc); err != nil {
			return fmt.Errorf("host %s: %w", h.Name, err)
		}
		if err := h.ready(l.ctx); err != nil {
			return fmt.Errorf("host %s: %w", h.Name, err)
		}
		// Endpoints come last: they name interfaces.
		if err := h.configure(hc.MPTCP); err != nil {
			return fmt.Errorf("host %s: %w", h.Name, err)
		}
	}
	return nil
}

// newHost makes the namespace of a host.
func (l *Lab) newHost(c HostConfig) (*Host, error) {
	held, err := hold()
	if errors.Is(err, syscall.EPERM) || errors.Is(err, syscall.EACCES) {
		return nil, fmt.Errorf("making a network namespace needs CAP_SYS_ADMIN: %w", os.ErrPermission)
	} else if err != nil {
		return nil, err
	}
	h := &Host{Name: c.Name, lab: l, held: held, ifaces: map[int]*Interface{}}
	if err := h.open(c); err != nil {
		h.close()
		return nil, err
	}
	return h, nil
}

// open opens what a host is worked with, and sets up what comes before links.
func (h *Host) open(c HostConfig) error {
	// Not NewHandleAt: that looks processes up in /proc, where their numbers may
	// be others.
	err := h.in(func() (err error) {
		h.rt, err = netlink.NewHandle(unix.NETLINK_ROUTE)
		return err
	})
	if err != nil {
		return err
	}
	if h.mptcp, err = mptcpctl.Open(h.held.file); errors.Is(err, mptcpctl.ErrNotSupported) {
		return ErrNoMPTCP
	} else if err != nil {
		return err
	}
	sysctls := map[string]string{
		"net.ipv4.conf.all.rp_filter": "0", "net.ipv4.conf.default.rp_filter": "0",
		"net.ipv6.conf.all.accept_dad": "0", "net.ipv6.conf.default.accept_dad": "0",
		// What a killed process leaves behind shall not keep the namespace.
		"net.ipv4.tcp_orphan_retries": "1", "net.ipv4.tcp_fin_timeout": "2",
	}
	if c.Forward {
		sysctls["net.ipv4.ip_forward"], sysctls["net.ipv6.conf.all.forwarding"] = "1", "1"
	}
	maps.Copy(sysctls, c.Sysctls)
	for _, k := range slices.Sorted(maps.Keys(sysctls)) {
		if err := h.SetSysctl(k, sysctls[k]); err != nil {
			return err
		}
	}
	lo, err := h.rt.LinkByName("lo")
	if err != nil {
		return named("lo", err)
	}
	return named("lo", h.rt.LinkSetUp(lo))
}

// configure sets the path manager up.
func (h *Host) configure(want mptcpctl.State) error {
	if want.Limits == nil {
		four := uint32(4)
		want.Limits = &mptcpctl.LimitsChange{AddAddrAccepted: &four, Subflows: &four}
	}
	have, err := h.mptcp.State()
	if err != nil {
		return err
	}
	steps, err := mptcpctl.Diff(have, want)
	if err != nil {
		return err
	}
	return h.mptcp.Apply(steps, nil)
}

// Host returns the host of the name, nil if there is none.
func (l *Lab) Host(name string) *Host {
	for _, h := range l.hosts {
		if h.Name == name {
			return h
		}
	}
	return nil
}

// Hosts returns the hosts in the order of the Config.
func (l *Lab) Hosts() []*Host { return slices.Clone(l.hosts) }

// Close ends peers and commands, and takes the network down. It waits for them
// to end. A second Close does nothing.
func (l *Lab) Close() error {
	l.mu.Lock()
	closers := l.closers
	l.closers, l.closed = nil, true
	l.mu.Unlock()
	l.cancel()
	for _, c := range slices.Backward(closers) {
		c()
	}
	l.busy.Wait()
	for _, h := range l.hosts {
		h.close()
	}
	l.hosts = nil
	return nil
}

// atEnd has f called by Close; it reports false, and does not take f, after
// Close was called.
func (l *Lab) atEnd(f func()) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.closed {
		return false
	}
	l.closers = append(l.closers, f)
	return true
}

// in runs f on a thread in the namespace of the host.
func (h *Host) in(f func() error) error { return netns.Do(h.held.file, f) }
