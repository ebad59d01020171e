package mptcpctl

import (
	"fmt"
	"net/netip"
	"strconv"

	"framescope/probes/nlmsg"
)

// A Token names a connection on this host (RFC 8684 section 3.2). The two ends
// of a connection have different ones.
type Token uint32

// String returns eight hexadecimal digits, as "ip mptcp monitor" prints them.
func (t Token) String() string { return fmt.Sprintf("%08x", uint32(t)) }

// MarshalText returns what String returns.
func (t Token) MarshalText() ([]byte, error) { return []byte(t.String()), nil }

// UnmarshalText reads what MarshalText wrote.
func (t *Token) UnmarshalText(b []byte) error {
	n, err := strconv.ParseUint(string(b), 16, 32)
	if err != nil {
		return fmt.Errorf("token %q: expected up to eight hexadecimal digits", b)
	}
	*t = Token(n)
	return nil
}

func (t Token) append(b []byte) []byte { return nlmsg.AppendUint32(b, attrToken, uint32(t)) }

// Announce tells the peer of a connection about the endpoint, which needs an id
// and Signal. The connection has to be under the userspace path manager, as in
// the other methods of this file (sysctl net.mptcp.path_manager=userspace before
// it was opened).
func (c *Conn) Announce(t Token, e Endpoint) error {
	nest, err := c.nest(&e)
	if err == nil {
		_, err = c.ask(cmdAnnounce, ack, t.append(nest))
	}
	return fail("announce", "token "+t.String()+" "+e.String(), err)
}

// Remove takes an address back from the peer of a connection and closes the
// subflows from it.
func (c *Conn) Remove(t Token, id uint8) error {
	_, err := c.ask(cmdRemove, ack, nlmsg.AppendAttr(t.append(nil), attrLocID, id))
	return fail("remove", fmt.Sprintf("token %v id %d", t, id), err)
}

// CreateSubflow opens a subflow of a connection from the endpoint to the address
// of the peer; with remote port 0 to the port of the first subflow.
func (c *Conn) CreateSubflow(t Token, local Endpoint, remote netip.AddrPort) error {
	return c.subflow("subflow create", cmdSubflowCreate, t, local, remote)
}

// DestroySubflow closes the subflow between the two addresses. Both ports are
// needed.
func (c *Conn) DestroySubflow(t Token, local, remote netip.AddrPort) error {
	return c.subflow("subflow destroy", cmdSubflowDestroy, t, Endpoint{Addr: local.Addr(), Port: local.Port()}, remote)
}

// SetSubflowFlags asks the peer to use a subflow as a backup, or not to, as
// e.Flags say (MP_PRIO). The subflow is named by its two addresses and ports.
func (c *Conn) SetSubflowFlags(t Token, e Endpoint, remote netip.AddrPort) error {
	return c.subflow("subflow change", cmdSetFlags, t, e, remote)
}

func (c *Conn) subflow(op string, cmd uint8, t Token, local Endpoint, remote netip.AddrPort) error {
	nest, err := c.nest(&local)
	if err == nil {
		nest = t.append(nest)
		if remote.Addr().IsValid() {
			nest = nlmsg.AppendNest(nest, attrAddrRemote, endpointAttrs(Endpoint{Addr: remote.Addr().Unmap(), Port: remote.Port()}))
		}
		_, err = c.ask(cmd, ack, nest)
	}
	return fail(op, fmt.Sprintf("token %v %v to %v", t, local, remote), err)
}

// GetLocal returns the address with the id that a userspace path manager
// announced or used on a connection.
func (c *Conn) GetLocal(t Token, id uint8) (Endpoint, error) { return c.get(id, t.append(nil)) }

// ListLocal returns the addresses that a userspace path manager announced or
// used on a connection, in ascending order of their ids.
func (c *Conn) ListLocal(t Token) ([]Endpoint, error) {
	return c.list("endpoint show", "token "+t.String(), t.append(nil))
}
