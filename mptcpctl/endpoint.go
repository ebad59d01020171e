package mptcpctl

import (
	"cmp"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"slices"
	"syscall"

	"framescope/capture/netns"
	"framescope/probes/nlmsg"
)

// MaxEndpoints is how many endpoints the kernel keeps for a namespace.
const MaxEndpoints = 8

// An Endpoint is an address that the kernel's path manager uses for subflows or
// tells peers about.
type Endpoint struct {
	// ID is 1 to 255; 0 lets the kernel choose one. On the wire it is the
	// address id of RFC 8684 section 3.4.
	ID uint8
	// Addr is the local address.
	Addr netip.Addr
	// Port is told to peers with the address, and the kernel listens on it; 0
	// for none. It needs Signal, without Subflow.
	Port uint16
	// Flags say what the endpoint is for.
	Flags Flags
	// Dev is the interface that subflows from the endpoint are bound to; empty
	// for none.
	Dev string
	// IfIndex is the index of Dev. Where it is 0, Dev is looked up. In an
	// answer it may stand without Dev: the interface is gone.
	IfIndex int
}

// The commands of the family (MPTCP_PM_CMD_*).
const (
	cmdAddAddr        = 1
	cmdDelAddr        = 2
	cmdGetAddr        = 3
	cmdFlushAddrs     = 4
	cmdSetLimits      = 5
	cmdGetLimits      = 6
	cmdSetFlags       = 7
	cmdAnnounce       = 8
	cmdRemove         = 9
	cmdSubflowCreate  = 10
	cmdSubflowDestroy = 11
)

// A FlagsError says that the kernel did what it was asked to, but left flags out
// without a word: it does not know them, or they cannot be changed.
type FlagsError struct {
	// Endpoint is the endpoint as the kernel has it.
	Endpoint Endpoint
	// Dropped are the flags that were asked for and are not there.
	Dropped Flags
}

func (e *FlagsError) Error() string {
	return fmt.Sprintf("mptcp endpoint %s id %d: the kernel left out without an error: %v", e.Endpoint.Addr, e.Endpoint.ID, e.Dropped)
}

// Add adds an endpoint and returns it as the kernel has it, with its id. Existing
// connections use it, too. If flags are missing in what it reads back, the
// error is a *FlagsError, and the endpoint was added all the same.
func (c *Conn) Add(e Endpoint) (Endpoint, error) {
	const op = "endpoint add"
	nest, err := c.nest(&e)
	if err != nil {
		return e, fail(op, e.String(), err)
	}
	if _, err := c.ask(cmdAddAddr, ack, nest); err != nil {
		return e, fail(op, e.String(), err)
	}
	all, err := c.List()
	if err != nil {
		return e, err
	}
	for _, have := range all {
		if have.Addr == e.Addr && have.Port == e.Port && (e.ID == 0 || have.ID == e.ID) {
			return have, dropped(have, e.Flags)
		}
	}
	return e, fail(op, e.String(), errors.New("the kernel said that it was added, and does not list it"))
}

func dropped(have Endpoint, want Flags) error {
	if d := want &^ have.Flags; d != 0 {
		return &FlagsError{have, d}
	}
	return nil
}

// SetFlags changes whether an endpoint is Backup and Fullmesh to what e.Flags
// say; the kernel lets no other flag be changed. The endpoint is named by its id
// or, without one, by address and port. It returns the endpoint as the kernel
// has it, and a *FlagsError if e.Flags hold one that it has not.
func (c *Conn) SetFlags(e Endpoint) (Endpoint, error) {
	const op = "endpoint change"
	asked := e
	if e.ID != 0 {
		e.Addr, e.Port = netip.Addr{}, 0
	}
	e.Dev, e.IfIndex = "", 0
	nest, err := c.nest(&e)
	if err != nil {
		return e, fail(op, asked.String(), err)
	}
	if _, err := c.ask(cmdSetFlags, ack, nest); err != nil {
		return e, fail(op, asked.String(), err)
	}
	all, err := c.List()
	if err != nil {
		return e, err
	}
	for _, have := range all {
		if have.ID == e.ID || e.ID == 0 && have.Addr == e.Addr && (e.Port == 0 || have.Port == e.Port) {
			return have, dropped(have, e.Flags)
		}
	}
	// The id 0 stands for the first address of connections, which need not be an
	// endpoint.
	return e, nil
}

// Delete deletes the endpoint with the id, closes its subflows and takes its
// address back from peers. The id 0 stands for the address that connections
// began with, and needs the address.
func (c *Conn) Delete(id uint8, addr netip.Addr) error {
	e := Endpoint{ID: id}
	if id == 0 {
		e.Addr = addr
		if !addr.IsValid() {
			return fail("endpoint delete", "id 0", errors.New("an address is needed with id 0"))
		}
	}
	nest, err := c.nest(&e)
	if err == nil {
		if id == 0 { // nest leaves it out
			nest = binaryID(nest)
		}
		_, err = c.ask(cmdDelAddr, ack, nest)
	}
	args := fmt.Sprintf("id %d", id)
	if e.Addr.IsValid() {
		args += " " + e.Addr.String()
	}
	return fail("endpoint delete", args, err)
}

// binaryID puts an id 0 into a nest that is an address.
func binaryID(nest []byte) []byte {
	return nlmsg.AppendNest(nil, attrAddr, nlmsg.AppendAttr(slices.Clone(nest[nlmsg.AttrLen:]), addrID, 0))
}

// Flush deletes all endpoints.
func (c *Conn) Flush() error {
	_, err := c.ask(cmdFlushAddrs, ack, nil)
	return fail("endpoint flush", "", err)
}

// Get returns the endpoint with the id.
func (c *Conn) Get(id uint8) (Endpoint, error) { return c.get(id, nil) }

// List returns all endpoints, in ascending order of their ids.
func (c *Conn) List() ([]Endpoint, error) { return c.list("endpoint show", "", nil) }

func (c *Conn) get(id uint8, token []byte) (Endpoint, error) {
	args := fmt.Sprintf("id %d", id)
	msgs, err := c.ask(cmdGetAddr, 0, append(nlmsg.AppendNest(nil, attrAddr, nlmsg.AppendAttr(nil, addrID, id)), token...))
	if err != nil {
		return Endpoint{}, fail("endpoint show", args, err)
	}
	all, err := c.endpoints(msgs)
	if err == nil && len(all) != 1 {
		err = fmt.Errorf("the kernel answered with %d endpoints", len(all))
	}
	if err != nil {
		return Endpoint{}, fail("endpoint show", args, err)
	}
	return all[0], nil
}

func (c *Conn) list(op, args string, payload []byte) ([]Endpoint, error) {
	msgs, err := c.ask(cmdGetAddr, dump, payload)
	if err != nil {
		return nil, fail(op, args, err)
	}
	all, err := c.endpoints(msgs)
	if err != nil {
		return nil, fail(op, args, err)
	}
	slices.SortStableFunc(all, func(a, b Endpoint) int { return cmp.Compare(a.ID, b.ID) })
	return all, nil
}

// endpoints decodes replies and finds the names of interfaces.
func (c *Conn) endpoints(msgs [][]byte) ([]Endpoint, error) {
	all := make([]Endpoint, 0, len(msgs))
	devs := false
	for _, m := range msgs {
		e, err := decodeEndpoint(m)
		if err != nil {
			return nil, err
		}
		devs = devs || e.IfIndex != 0
		all = append(all, e)
	}
	if !devs {
		return all, nil
	}
	var ifs []net.Interface
	if err := netns.Do(c.ns, func() (err error) { ifs, err = net.Interfaces(); return err }); err != nil {
		return nil, err
	}
	for i := range all {
		for _, dev := range ifs {
			if dev.Index == all[i].IfIndex {
				all[i].Dev = dev.Name
			}
		}
	}
	return all, nil
}

// nest encodes an endpoint as a request holds it. What is zero is left out. It
// looks e.Dev up and unmaps e.Addr.
func (c *Conn) nest(e *Endpoint) ([]byte, error) {
	if err := c.resolve(e); err != nil {
		return nil, err
	}
	return nlmsg.AppendNest(nil, attrAddr, endpointAttrs(*e)), nil
}

func (c *Conn) resolve(e *Endpoint) error {
	if e.Addr = e.Addr.Unmap(); e.Addr.Zone() != "" {
		return errors.New("an address with a zone cannot be an endpoint: name the interface with dev")
	}
	if e.Dev == "" || e.IfIndex != 0 {
		return nil
	}
	return netns.Do(c.ns, func() error {
		dev, err := net.InterfaceByName(e.Dev)
		if err != nil {
			return fmt.Errorf("there is no interface %q: %w", e.Dev, syscall.ENODEV)
		}
		e.IfIndex = dev.Index
		return nil
	})
}

func endpointAttrs(e Endpoint) (b []byte) {
	if e.Addr.IsValid() {
		b = appendIP(b, e.Addr)
	}
	if e.ID != 0 {
		b = nlmsg.AppendAttr(b, addrID, e.ID)
	}
	if e.Port != 0 {
		b = nlmsg.AppendUint16(b, addrPort, e.Port)
	}
	if e.Flags != 0 {
		b = nlmsg.AppendUint32(b, addrFlags, uint32(e.Flags))
	}
	if e.IfIndex != 0 {
		b = nlmsg.AppendUint32(b, addrIfIdx, uint32(e.IfIndex))
	}
	return b
}

// decodeEndpoint reads one reply of cmdGetAddr, behind its generic netlink
// header.
func decodeEndpoint(b []byte) (e Endpoint, err error) {
	found := false
	err = attributes(b, func(typ uint16, v value) error {
		if typ != attrAddr {
			return nil
		}
		found = true
		return attributes(v.b, func(typ uint16, v value) error {
			switch typ {
			case addrID:
				return v.uint8(&e.ID)
			case addrAddr4:
				return v.ip(4, &e.Addr)
			case addrAddr6:
				return v.ip(16, &e.Addr)
			case addrPort: // unlike elsewhere in the host's byte order
				return v.uint16(&e.Port)
			case addrFlags:
				return v.uint32((*uint32)(&e.Flags))
			case addrIfIdx:
				var i uint32
				err := v.uint32(&i)
				e.IfIndex = int(int32(i))
				return err
			}
			return nil
		})
	})
	if err == nil && !found {
		err = errors.New("netlink reply without an address")
	}
	return e, err
}
