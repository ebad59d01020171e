package flow

import (
	"bytes"

	"framescope/decode/protocol"
)

// A look is what is kept of a connection until its protocol has a name.
type look struct {
	data [2][]byte // by end
	over [2]bool
}

// maxLooks is how many runs of bytes are looked at: what comes byte by byte is
// not looked at each time.
const maxLooks = 48

// identify looks at the next bytes of a direction, which begin at stream offset
// off.
func (s *shard) identify(c *conn, dir uint8, b []byte, off int64) {
	if c.seen++; c.seen >= maxLooks {
		s.named(c, true)
		return
	}
	l := c.look
	if l == nil {
		// Most connections tell with their first bytes: these are not copied yet.
		n := min(len(b), protocol.Limit)
		l = new(look)
		l.data[dir], l.over[dir] = b[:n:n], n == protocol.Limit
		c.look = l
		if s.named(c, false); c.looking {
			l.data[dir] = bytes.Clone(l.data[dir])
			l.over[dir] = l.over[dir] || off != 0 // bytes are missing before them
		}
		return
	}
	if l.over[dir] {
		return
	}
	d := &l.data[dir]
	if off != int64(len(*d)) {
		l.over[dir] = true // bytes are missing in between
	} else {
		*d = append(*d, b[:min(len(b), protocol.Limit-len(*d))]...)
		l.over[dir] = len(*d) >= protocol.Limit
	}
	s.named(c, false)
}

// named names the protocol of a connection, if its first bytes tell. At the end
// nothing more is waited for.
func (s *shard) named(c *conn, end bool) {
	l := c.look
	if l == nil {
		c.looking = !end
		return
	}
	cl := c.client
	client := protocol.Start{Data: l.data[cl], Over: end || l.over[cl]}
	server := protocol.Start{Data: l.data[1-cl], Over: end || l.over[1-cl]}
	name, again := protocol.Identify(client, server, s.cfg.magics)
	if name == "" && c.midstream && (!again || end) {
		// Which side is the client was guessed.
		var more bool
		name, more = protocol.Identify(server, client, s.cfg.magics)
		client, server, again = server, client, again || more
	}
	if again && !end && !(l.over[0] && l.over[1]) {
		return
	}
	c.name, c.looking, c.look = name, false, nil
	if name == protocol.TLS {
		n, _ := protocol.Preface(client)
		t := protocol.ReadTLS(client.Data[n:], server.Data)
		c.tls = &t
		s.weigh(c)
	}
}
