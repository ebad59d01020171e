package sockets

import (
	"fmt"
	"math"
	"net"
	"net/netip"
	"os"
	"strconv"

	"framescope/capture/netns"
)

// interfaces are the network interfaces of a namespace, once they are asked for.
type interfaces struct {
	ns    *os.File
	names map[uint32]string
}

func (i *interfaces) load() {
	if i.names != nil {
		return
	}
	i.names = map[uint32]string{}
	_ = netns.Do(i.ns, func() error {
		all, err := net.Interfaces()
		for _, n := range all {
			i.names[uint32(n.Index)] = n.Name
		}
		return err
	})
}

// index returns the index of an interface.
func (i *interfaces) index(name string) (uint32, bool) {
	i.load()
	for n, have := range i.names {
		if have == name {
			return n, true
		}
	}
	return 0, false
}

// zone returns the index of the interface that a link-local address's zone names,
// or zero if it has none: of others the kernel takes none. Of an interface that is not there it is a number that none has.
func (i *interfaces) zone(a netip.Addr) uint32 {
	if a.Zone() == "" || !a.IsLinkLocalUnicast() {
		return 0
	}
	if n, ok := i.index(a.Zone()); ok {
		return n
	}
	if n, err := strconv.ParseUint(a.Zone(), 10, 31); err == nil && n > 0 {
		return uint32(n)
	}
	return math.MaxInt32
}

// InterfaceName returns the name of the interface that the socket is bound to, or
// "if" and its number if it is gone. It is "" if it is bound to none.
func (r *Row) InterfaceName() string {
	if r.Interface == 0 {
		return ""
	}
	if r.interfaces != nil {
		r.interfaces.load()
		if n, ok := r.interfaces.names[r.Interface]; ok {
			return n
		}
	}
	return "if" + strconv.FormatUint(uint64(r.Interface), 10)
}

// resolve returns e with the interfaces that it names, as the namespace has them.
// What names an interface that is not there selects nothing.
func (e *Expr) resolve(l *Lister) (*Expr, error) {
	if e == nil || !e.needsLister() {
		return e, nil
	}
	c := *e
	if e.op == opAuto && !e.has {
		lo, hi := l.localPorts()
		c.num, c.mask = uint64(lo), uint64(hi)
	}
	var err error
	for n, s := range e.sub {
		if n == 0 {
			c.sub = append([]*Expr(nil), e.sub...)
		}
		if c.sub[n], err = s.resolve(l); err != nil {
			return nil, err
		}
	}
	if e.name == "" {
		return &c, nil
	}
	index, ok := l.interfaces.index(e.name)
	if !ok && l.Netns == "" {
		return nil, fmt.Errorf("there is no interface %q", e.name)
	}
	c.num, c.has = uint64(index), ok
	if c.host.id = int(index); !ok {
		c.host.id = -2 // none has that
	}
	return &c, nil
}

// needsLister reports whether e speaks of what every namespace has of its own.
func (e *Expr) needsLister() bool {
	for _, s := range e.sub {
		if s.needsLister() {
			return true
		}
	}
	return e.name != "" || e.op == opAuto
}
