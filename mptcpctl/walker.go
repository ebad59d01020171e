package mptcpctl

import (
	"errors"
	"fmt"
	"net/netip"
	"os"

	"framescope/probes/sockdiag"
)

// tcpStates are those that a subflow can be in.
const tcpStates = 1<<sockdiag.Established | 1<<sockdiag.SynSent | 1<<sockdiag.SynRecv | 1<<sockdiag.FinWait1 |
	1<<sockdiag.FinWait2 | 1<<sockdiag.CloseWait | 1<<sockdiag.LastAck | 1<<sockdiag.Closing

func (c *Conn) snapshot(s *Snapshot, q *Query) error {
	c.walk.mu.Lock()
	defer c.walk.mu.Unlock()
	d, err := c.walk.open(c.ns)
	if err != nil {
		return err
	}
	s.reset()
	w := walker{s: s, q: q}
	if err := w.connections(d); err != nil {
		return err
	}
	if err := w.subflows(d); err != nil {
		return err
	}
	if err := w.latecomers(d); err != nil {
		return err
	}
	w.join()
	if err := c.paths(s); err != nil {
		return err
	}
	if n := len(s.Connections); q.Owners != nil && n > 0 && (q.MaxOwned == 0 || n <= q.MaxOwned) {
		inodes := make(map[uint32]Owner, len(s.Connections))
		for i := range s.Connections {
			if n := s.Connections[i].Inode; n != 0 {
				inodes[n] = Owner{}
			}
		}
		q.Owners.FindOwners(inodes)
		for i := range s.Connections {
			s.Connections[i].Owner = inodes[s.Connections[i].Inode]
		}
	}
	return nil
}

// A walker fills a Snapshot.
type walker struct {
	s *Snapshot
	q *Query
	// ports are those at which a socket listens for MPTCP.
	ports  [1 << 16 / 64]uint64
	socket sockdiag.Socket
	info   sockdiag.TCPInfo
	sub    sockdiag.Subflow
	// shown: a TCP socket said what connection it belongs to; hidden: one did not
	// that does. firsts are the first subflows, as far as they were asked for.
	shown, hidden bool
	firsts        map[[2]netip.AddrPort]struct{}
}

// errHidden is of kernels before 6.15, for users without the right.
var errHidden = fmt.Errorf("before Linux 6.15 subflows are shown with CAP_NET_ADMIN only: %w", os.ErrPermission)

func (w *walker) listens(port uint16) bool { return w.ports[port>>6]>>(port&63)&1 != 0 }

// walked takes the error off that comes with all rows.
func (w *walker) walked(err error) error {
	if errors.Is(err, sockdiag.ErrInterrupted) {
		w.s.Incomplete = true
		return nil
	}
	return err
}

func (w *walker) connections(d *sockdiag.Conn) error {
	for _, err := range d.Inet(&w.socket, sockdiag.Query{Protocol: sockdiag.MPTCP, Ext: sockdiag.ExtInfo}) {
		if err != nil {
			if errors.Is(err, sockdiag.ErrNotSupported) {
				return fmt.Errorf("the kernel does not list MPTCP sockets: module mptcp_diag: %w", sockdiag.ErrNotSupported)
			}
			return w.walked(err)
		}
		if w.socket.State == sockdiag.Listen {
			p := w.socket.Src.Port()
			w.ports[p>>6] |= 1 << (p & 63)
			w.s.Listeners = append(w.s.Listeners, unmapPort(w.socket.Src))
			continue
		}
		w.connection()
	}
	return nil
}

// connection adds the MPTCP socket that w.socket is.
func (w *walker) connection() {
	s := &w.socket
	var info sockdiag.MPTCPInfo
	if !s.MPTCPInfo(&info) || info.Token == 0 {
		return
	}
	if _, twice := w.s.byToken[Token(info.Token)]; twice {
		return
	}
	w.s.byToken[Token(info.Token)] = int32(len(w.s.Connections))
	w.grow(Connection{
		Token: Token(info.Token), Local: unmapPort(s.Src), Remote: unmapPort(s.Dst), State: s.State,
		UID: s.UID, Inode: s.Inode, Cookie: s.Cookie, Info: info, RQueue: s.RQueue, WQueue: s.WQueue,
	})
}

// grow appends a connection. Doubling takes half the memory of what append does
// with large slices.
func (w *walker) grow(c Connection) {
	if n := len(w.s.Connections); n == cap(w.s.Connections) {
		w.s.Connections = append(make([]Connection, 0, max(2*n, 64)), w.s.Connections...)
	}
	w.s.Connections = append(w.s.Connections, c)
}

// reserve makes room for the subflows of each connection.
func (w *walker) reserve() {
	var at int32
	for i := range w.s.Connections {
		c := &w.s.Connections[i]
		// Attempts count, too, and a counter that wrapped says too little: see late.
		c.room = int32(max(c.Info.SubflowsTotal, 1))
		if c.Info.SubflowsTotal == 0 {
			c.room += int32(c.Info.Subflows)
		}
		c.first = at
		at += c.room
	}
	if cap(w.s.subflows) < int(at) {
		w.s.subflows = make([]SubflowInfo, at)
	}
	w.s.subflows = w.s.subflows[:at]
}

func (w *walker) subflows(d *sockdiag.Conn) error {
	w.reserve()
	for _, err := range d.Inet(&w.socket, sockdiag.Query{Protocol: sockdiag.TCP, States: tcpStates, Ext: sockdiag.ExtInfo}) {
		if err != nil {
			return w.walked(err)
		}
		w.subflow()
	}
	return w.told()
}

// told returns an error if subflows are there and the kernel does not tell of
// them: connections would look as if they had none.
func (w *walker) told() error {
	if w.hidden && !w.shown {
		return errHidden
	}
	return nil
}

// untold takes the addresses of an established TCP socket that says nothing of
// MPTCP.
func (w *walker) untold(local, remote netip.AddrPort) {
	if w.shown || w.hidden || len(w.s.Connections) == 0 {
		return
	}
	if w.firsts == nil {
		w.firsts = make(map[[2]netip.AddrPort]struct{}, len(w.s.Connections))
		for i := range w.s.Connections {
			c := &w.s.Connections[i]
			w.firsts[[2]netip.AddrPort{c.Local, c.Remote}] = struct{}{}
		}
	}
	_, w.hidden = w.firsts[[2]netip.AddrPort{local, remote}]
}

func (w *walker) subflow() {
	s := &w.socket
	accepted := w.listens(s.Src.Port())
	switch {
	case s.State == sockdiag.SynRecv:
		if accepted {
			w.s.Pending.add(s)
		}
		return
	case !s.Full():
		return
	case !s.Subflow(&w.sub):
		if s.State == sockdiag.Established {
			w.untold(unmapPort(s.Src), unmapPort(s.Dst))
		}
		if accepted {
			w.s.Accepted.add(s)
		}
		if sel := &w.q.Selector; sel.addresses() && sel.fits(unmapPort(s.Src), unmapPort(s.Dst)) {
			w.s.Plain.add(s)
		}
		return
	}
	w.shown = true
	at, known := int32(0), true
	if w.sub.TokenLoc == 0 {
		// Plain TCP in an MPTCP socket: no connection is listed for it.
		at = int32(len(w.s.Connections))
		w.grow(Connection{
			Local: unmapPort(s.Src), Remote: unmapPort(s.Dst), State: s.State, UID: s.UID, Inode: s.Inode, Cookie: s.Cookie,
			Fallback: FallbackNever, RQueue: s.RQueue, WQueue: s.WQueue,
		})
	} else {
		at, known = w.s.byToken[Token(w.sub.TokenLoc)]
	}
	var sub *SubflowInfo
	if known && w.s.Connections[at].n < w.s.Connections[at].room {
		c := &w.s.Connections[at]
		sub = &w.s.subflows[c.first+c.n]
		c.n++
	} else {
		w.s.late = append(w.s.late, SubflowInfo{})
		sub = &w.s.late[len(w.s.late)-1]
	}
	*sub = SubflowInfo{
		Local: unmapPort(s.Src), Remote: unmapPort(s.Dst), State: s.State, Flags: w.sub.Flags,
		LocalID: w.sub.IDLoc, RemoteID: w.sub.IDRem, PeerToken: Token(w.sub.TokenRem),
		Bound: s.Interface, Cookie: s.Cookie, Path: &unknownPath,
		Timer: s.Timer, Expires: s.Expires, Retransmits: s.Retrans, RQueue: s.RQueue, WQueue: s.WQueue,
		conn: at,
	}
	if !known {
		sub.conn, sub.token = -1, Token(w.sub.TokenLoc)
	}
	sub.Mark, _ = s.Mark()
	if s.TCPInfo(&w.info) {
		i := &w.info
		sub.RTT, sub.RTTVar, sub.MinRTT, sub.RTO = i.RTT, i.RTTVar, i.MinRTT, i.RTO
		sub.Backoff, sub.Cwnd, sub.PMTU = i.Backoff, i.SndCwnd, i.PMTU
		sub.BytesSent, sub.BytesAcked, sub.BytesReceived, sub.BytesRetrans = i.BytesSent, i.BytesAcked, i.BytesReceived, i.BytesRetrans
		sub.TotalRetrans, sub.DeliveryRate = i.TotalRetrans, i.DeliveryRate
		sub.LastDataSent, sub.LastAckRecv, sub.LastDataRecv = i.LastDataSent, i.LastAckRecv, i.LastDataRecv
	}
}

// unknownPath stands where the routes have not been asked yet.
var unknownPath Path

// maxLate bounds how many connections are asked for one by one.
const maxLate = 256

// latecomers asks for connections that began between the two walks. Others
// ended meanwhile, and their subflows are left out.
func (w *walker) latecomers(d *sockdiag.Conn) error {
	asked := 0
	for i := range w.s.late {
		sub := &w.s.late[i]
		if sub.conn >= 0 {
			continue
		}
		if at, ok := w.s.byToken[sub.token]; ok {
			sub.conn = at
			continue
		}
		if asked++; asked > maxLate {
			w.s.Incomplete = true
			return nil
		}
		err := d.LookupToken(&w.socket, uint32(sub.token), sockdiag.ExtInfo)
		switch {
		case errors.Is(err, os.ErrNotExist):
			continue
		case err != nil:
			return err
		}
		w.connection()
		if at, ok := w.s.byToken[sub.token]; ok {
			sub.conn = at
		}
	}
	return nil
}

// join puts subflows under their connections, and leaves out what was not
// chosen.
func (w *walker) join() {
	s := w.s
	for i := range s.Connections {
		c := &s.Connections[i]
		c.Subflows = s.subflows[c.first : c.first+c.n : c.first+c.n]
	}
	for i := range s.late {
		if at := s.late[i].conn; at >= 0 {
			c := &s.Connections[at]
			c.Subflows = append(c.Subflows, s.late[i])
		}
	}
	kept := s.Connections[:0]
	for i := range s.Connections {
		c := &s.Connections[i]
		c.settle(w)
		if w.q.Selector.Match(c) {
			if len(kept) == i {
				kept = kept[:i+1]
				continue
			}
			kept = append(kept, *c)
		}
	}
	s.Connections = kept
}

// settle puts the first subflow first and says what became of the connection.
func (c *Connection) settle(w *walker) {
	c.Accepted = w.listens(c.Local.Port())
	for i := range c.Subflows {
		if !c.Subflows[i].Join() {
			first := c.Subflows[i]
			copy(c.Subflows[1:], c.Subflows[:i])
			c.Subflows[0] = first
			// Whoever opened it sent MP_CAPABLE; a listener may be closed by now, and
			// a client's port may be one of a listener, too.
			if first.Flags&sockdiag.SubflowMCapLoc != 0 {
				c.Accepted = false
			} else if first.Flags&sockdiag.SubflowMCapRem != 0 {
				c.Accepted = true
			}
			break
		}
	}
	if c.Info.Flags&sockdiag.MPTCPFallback == 0 {
		return
	}
	c.Fallback = FallbackHandshake
	if len(c.Subflows) > 0 && c.Subflows[0].Flags&sockdiag.SubflowMCapRem != 0 {
		c.Fallback = FallbackLater
	}
}
