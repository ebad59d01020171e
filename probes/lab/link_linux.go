package lab

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"time"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"
)

// connect makes the link with the number n.
func (l *Lab) connect(n int, k LinkConfig) error {
	a, b := l.Host(k.A), l.Host(k.B)
	ia, ib := newInterface(n, a, 1), newInterface(n, b, 2)
	ia.Peer, ia.Peer6, ia.PeerHost = ib.Addr.Addr(), ib.Addr6.Addr(), b.Name
	ib.Peer, ib.Peer6, ib.PeerHost = ia.Addr.Addr(), ia.Addr6.Addr(), a.Name
	attrs := netlink.NewLinkAttrs()
	attrs.Name = ia.Dev
	// The kernel takes its time with links whose ends have the same number.
	attrs.Index = 100 + n
	if err := a.rt.LinkAdd(&netlink.Veth{LinkAttrs: attrs, PeerName: ib.Dev, PeerNamespace: netlink.NsFd(b.held.file.Fd())}); err != nil {
		return err
	}
	if err := a.take(ia, k); err != nil {
		return fmt.Errorf("%s: %w", ia.Dev, err)
	}
	if err := b.take(ib, k); err != nil {
		return fmt.Errorf("%s: %w", ib.Dev, err)
	}
	return nil
}

func newInterface(n int, h *Host, last byte) *Interface {
	i := &Interface{Link: n, Dev: fmt.Sprintf("%c%d", h.Name[0], n)}
	i.Addr = netip.PrefixFrom(netip.AddrFrom4([4]byte{10, 77, byte(n), last}), 24)
	// fd77:16:: is meant to be read, so the number is written in decimal digits.
	six := netip.MustParseAddr(fmt.Sprintf("fd77:%d::%d", n, last))
	i.Addr6 = netip.PrefixFrom(six, 64)
	return i
}

// take sets up the host's end of a link.
func (h *Host) take(i *Interface, k LinkConfig) error {
	dev, err := h.rt.LinkByName(i.Dev)
	if err != nil {
		return err
	}
	i.index = dev.Attrs().Index
	h.ifaces[i.Link] = i
	for _, p := range []netip.Prefix{i.Addr, i.Addr6} {
		if err := h.address(i.index, p); err != nil {
			return err
		}
	}
	if err := h.shape(i.index, k); err != nil {
		return err
	}
	return h.rt.LinkSetUp(dev)
}

// ready waits until packets pass the host's links.
func (h *Host) ready(ctx context.Context) error {
	for _, i := range h.Interfaces() {
		for {
			dev, err := h.rt.LinkByIndex(i.index)
			if err != nil {
				return named(i.Dev, err)
			}
			if dev.Attrs().OperState == netlink.OperUp {
				break
			}
			select {
			case <-ctx.Done():
				return ctx.Err()
			case <-time.After(time.Millisecond):
			}
		}
	}
	return nil
}

// shape slows an interface down.
func (h *Host) shape(index int, k LinkConfig) error {
	parent := uint32(netlink.HANDLE_ROOT)
	if k.Delay > 0 || k.Loss > 0 {
		n := netlink.NewNetem(netlink.QdiscAttrs{LinkIndex: index, Handle: netlink.MakeHandle(1, 0), Parent: parent},
			netlink.NetemQdiscAttrs{Latency: uint32(k.Delay.Microseconds()), Loss: float32(k.Loss), Limit: 10000})
		if err := h.rt.QdiscAdd(n); errors.Is(err, unix.ENOENT) {
			return ErrNoNetem
		} else if err != nil {
			return named("netem", err)
		}
		parent = netlink.MakeHandle(1, 1)
	}
	if k.Rate > 0 {
		bytes := k.Rate / 8
		// Room for what is sent in 4 ms at once, and a queue of 50 ms.
		burst := uint32(max(bytes/250, 2*1514))
		t := &netlink.Tbf{QdiscAttrs: netlink.QdiscAttrs{LinkIndex: index, Handle: netlink.MakeHandle(2, 0), Parent: parent},
			Rate: bytes, Limit: burst + uint32(max(bytes/20, 16*1514)), Buffer: netlink.Xmittime(bytes, burst)}
		if err := h.rt.QdiscAdd(t); errors.Is(err, unix.ENOENT) {
			return ErrNoTBF
		} else if err != nil {
			return named("tbf", err)
		}
	}
	return nil
}

// route gives a host its way to networks that it is not in, and its source
// routes.
func (h *Host) route(c *Config, hc HostConfig) error {
	routers := map[string]bool{}
	for _, o := range c.Hosts {
		routers[o.Name] = o.Forward
	}
	var v4, v6 = netip.MustParsePrefix("0.0.0.0/0"), netip.MustParsePrefix("::/0")
	hasDefault := hc.Forward
	for _, i := range h.Interfaces() {
		if routers[i.PeerHost] && !hasDefault {
			if err := errors.Join(h.Route(v4, i.Peer, i.Link, 0), h.Route(v6, i.Peer6, i.Link, 0)); err != nil {
				return err
			}
			hasDefault = true
		}
		if !hc.SourceRoutes {
			continue
		}
		err := errors.Join(
			h.AddSourceRule(i.Addr.Addr(), i.Link), h.AddSourceRule(i.Addr6.Addr(), i.Link),
			h.Route(i.Addr.Masked(), netip.Addr{}, i.Link, SourceTable(i.Link)),
			h.Route(v4, i.Peer, i.Link, SourceTable(i.Link)), h.Route(v6, i.Peer6, i.Link, SourceTable(i.Link)))
		if err != nil {
			return err
		}
	}
	return nil
}
