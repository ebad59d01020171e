package sockets

import "framescope/probes/sockdiag"

func (w *walk) unix(states sockdiag.States) error {
	show := sockdiag.ShowUnixName | sockdiag.ShowUnixPeer | sockdiag.ShowUnixQueues | sockdiag.ShowUnixUID
	if w.q.Ext&sockdiag.ExtSKMemInfo != 0 {
		show |= sockdiag.ShowUnixMemInfo
	}
	for u, err := range w.l.conn.Unix(nil, sockdiag.UnixQuery{States: states, Show: show}) {
		if err != nil {
			return err
		}
		r := w.local(Unix, u.Type, u.State, u.Inode, u.Cookie)
		r.unix = u
		r.Name = string(u.Name())
		r.PeerInode, _ = u.Peer()
		r.RQueue, r.WQueue, _ = u.Queues()
		r.UID, r.HasUID = u.UID()
		if w.q.Filter.Match(r) && !w.send(r) {
			return nil
		}
	}
	return nil
}

func (w *walk) packet() error {
	for p, err := range w.l.conn.Packet(nil, sockdiag.ShowPacketInfo|sockdiag.ShowPacketMemInfo) {
		if err != nil {
			return err
		}
		r := w.local(Packet, p.Type, sockdiag.CloseState, p.Inode, p.Cookie)
		r.packet = p
		r.Protocol = p.EtherType
		if i, ok := p.Info(); ok {
			r.Interface = i.Interface
		}
		if m, ok := p.MemInfo(); ok {
			r.RQueue, r.WQueue = m.RmemAlloc, m.WmemAlloc
		}
		r.UID, r.HasUID = p.UID()
		if w.q.Filter.Match(r) && w.wants(r) && !w.send(r) {
			return nil
		}
	}
	return nil
}

func (w *walk) netlink() error {
	for n, err := range w.l.conn.Netlink(nil, sockdiag.ShowNetlinkMemInfo|sockdiag.ShowNetlinkGroups) {
		if err != nil {
			return err
		}
		state := sockdiag.CloseState
		if n.Connected {
			state = sockdiag.Established
		}
		r := w.local(Netlink, n.Type, state, n.Inode, n.Cookie)
		r.netlink = n
		r.Protocol, r.PortID, r.PeerPortID = uint16(n.Protocol), n.PortID, n.DstPortID
		if m, ok := n.MemInfo(); ok {
			r.RQueue, r.WQueue = m.RmemAlloc, m.WmemAlloc
		}
		if w.q.Filter.Match(r) && w.wants(r) && !w.send(r) {
			return nil
		}
	}
	return nil
}

// wants reports whether the state of r is wanted, where the kernel does not look.
func (w *walk) wants(r *Row) bool { return w.states(r.Kind).Has(r.State) }

func (w *walk) local(k Kind, t sockdiag.SocketType, s sockdiag.State, inode uint32, cookie uint64) *Row {
	r := &w.l.row
	*r = Row{Kind: k, Type: t, State: s, Inode: inode, Netns: w.l.Netns, Full: true, interfaces: &w.l.interfaces}
	r.Cookie = cookie
	switch k {
	case Unix:
		r.Family = sockdiag.Unix
	case Packet:
		r.Family = sockdiag.Packet
	case Netlink:
		r.Family = sockdiag.Netlink
	}
	return r
}
