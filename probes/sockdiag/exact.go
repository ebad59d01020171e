package sockdiag

import (
	"io"
	"syscall"

	"framescope/probes/nlmsg"
)

// Lookup finds the socket id and decodes it into s: a look into a hash table,
// not a walk. A UDP or listening socket is found by its own address, too. Of q,
// Protocol and Ext count; MPTCP sockets are found by LookupToken.
//
// The error is os.ErrNotExist if there is no such socket, or if the kernel has
// no handler for the protocol.
func (c *Conn) Lookup(s *Socket, q Query, id ID) error {
	op := q.Protocol.String() + " socket"
	if err := c.ready(); err != nil {
		return &OpError{Op: op, Err: err}
	}
	c.requestInet(getByFamily, 0, &q, id.family(), id.wire(q.Protocol))
	if err := c.one(op, s); err != nil {
		return err
	}
	s.Protocol = q.Protocol
	// The kernel looks as for a packet: for a connection that is over, it finds
	// the listener. Of UDP and raw sockets any that would get the packet.
	if s.Dst.Port() != id.Dst.Port() && q.Protocol != UDP && q.Protocol != UDPLite && q.Protocol != Raw {
		return &OpError{Op: op, Err: syscall.ENOENT}
	}
	return nil
}

// LookupToken finds the MPTCP connection with the token token (its own, not the
// peer's) and decodes it into s. The error is os.ErrNotExist if there is none,
// or no MPTCP.
func (c *Conn) LookupToken(s *Socket, token uint32, ext Ext) error {
	const op = "mptcp socket"
	if err := c.ready(); err != nil {
		return &OpError{Op: op, Err: err}
	}
	// The token lies where the first half of the cookie does.
	id := ID{Cookie: uint64(token) | 0xffffffff<<32}
	c.requestInet(getByFamily, 0, &Query{Protocol: MPTCP, Ext: ext}, IPv4, &id)
	if err := c.one(op, s); err != nil {
		return err
	}
	s.Protocol = MPTCP
	return nil
}

// one sends the request, which has one answer, and decodes it into s.
func (c *Conn) one(op string, s *Socket) error {
	m, text, err := c.single()
	if err == nil {
		err = s.parse(m)
	}
	if err != nil {
		return &OpError{Op: op, Err: err, Message: text}
	}
	return nil
}

// single sends the request that is in c.req and returns the one message that
// answers it.
func (c *Conn) single() (m []byte, text string, err error) {
	if err := c.ask(); err != nil {
		return nil, "", err
	}
	a := answer{c: c}
	m, err = a.next()
	c.unread = false
	if err == io.EOF {
		err = malformed(0, "answer", "nothing but an acknowledgement")
	}
	return m, a.text, err
}

// Destroy ends the socket id at once: its owner reads ECONNABORTED, a peer of
// TCP gets a RST. It needs CAP_NET_ADMIN, and a kernel with INET_DIAG_DESTROY:
// the error is ErrNotSupported without, and os.ErrNotExist if there is no such
// socket. Give the cookie as well, so that no other socket with the same
// addresses is meant.
func (c *Conn) Destroy(p Protocol, id ID) error {
	op := "destroy " + p.String() + " socket"
	if err := c.ready(); err != nil {
		return &OpError{Op: op, Err: err}
	}
	c.requestInet(destroySocket, nlmsg.FlagAck, &Query{Protocol: p}, id.family(), &id)
	if err := c.ask(); err != nil {
		return &OpError{Op: op, Err: err}
	}
	a := answer{c: c}
	for {
		_, err := a.next()
		if err == nil {
			continue
		}
		if err == io.EOF {
			return nil
		}
		if err == syscall.EOPNOTSUPP {
			err = &cause{ErrNotSupported, "not supported: the kernel does not destroy such sockets (CONFIG_INET_DIAG_DESTROY)", syscall.EOPNOTSUPP}
		}
		return &OpError{Op: op, Err: err, Message: a.text}
	}
}

func (id *ID) family() Family {
	if id.Src.Addr().Is4() || id.Dst.Addr().Is4() {
		return IPv4
	}
	return IPv6
}

// wire returns id as a lookup wants it: udp_diag takes the ends the other way
// round, "for historical reasons".
func (id ID) wire(p Protocol) *ID {
	if p == UDP || p == UDPLite {
		id.Src, id.Dst = id.Dst, id.Src
	}
	return &id
}
