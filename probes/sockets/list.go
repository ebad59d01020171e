package sockets

import (
	"errors"
	"fmt"
	"iter"
	"os"
	"time"

	"framescope/capture/netns"
	"framescope/probes/sockdiag"
)

// A Query says which sockets are wanted, and what of them.
type Query struct {
	// Kinds are the kinds wanted, in the order in which they come.
	Kinds []Kind
	// Family is IPv4 or IPv6 to have internet sockets of that family only.
	Family sockdiag.Family
	// States are those wanted; zero means all but BoundInactive.
	States sockdiag.States
	// KindStates replaces States for some kinds.
	KindStates map[Kind]sockdiag.States
	// Ext says what the kernel is to add to internet sockets. Of others, memory is
	// added with ExtSKMemInfo.
	Ext sockdiag.Ext
	// Filter is what sockets have to match; nil is all.
	Filter *Expr
	// Nested puts the subflows of MPTCP connections into their Row, and leaves them
	// out of the TCP sockets.
	Nested bool
	// Join has both ends of a connection within the namespace known to each other:
	// Row.Other. It costs a look into a hash table for every connection.
	Join bool
	// Split has listeners come before connections.
	Split bool
}

// A Lister lists the sockets of one network namespace. It is for one goroutine,
// and one walk at a time.
type Lister struct {
	// Netns is what rows say of where they come from.
	Netns string

	ns    *os.File
	conn  *sockdiag.Conn // nil where there is no sock_diag
	other *sockdiag.Conn // for lookups during a walk
	notes []string

	row  Row
	sock sockdiag.Socket
	end  sockdiag.Socket
	peer Row

	interfaces interfaces
	ports      [2]uint16     // of outgoing connections, once they are known
	fin        time.Duration // net.ipv4.tcp_fin_timeout, once it is known
}

// Open returns a Lister for the network namespace ns, or that of the caller if
// ns is nil. Entering another one needs CAP_SYS_ADMIN. The Lister keeps ns, and
// does not close it. Where the system has no sock_diag, as some containers, sockets
// are those of /proc/net, with less of each.
func Open(ns *os.File) (*Lister, error) {
	c, err := sockdiag.Open(ns)
	return newLister(ns, c, err)
}

// newLister returns a Lister with what came of opening sock_diag.
func newLister(ns *os.File, c *sockdiag.Conn, err error) (*Lister, error) {
	l := &Lister{ns: ns, conn: c}
	l.interfaces.ns = ns
	if err == nil {
		return l, nil
	}
	var refused *netns.Error
	if errors.As(err, &refused) {
		return nil, err // the namespace, and so its /proc/net
	}
	f, perr := openProc(ns, "tcp")
	if perr != nil {
		return nil, err
	}
	l.conn = nil
	f.Close()
	l.note("the kernel has no sock_diag here: sockets are listed from /proc/net, which says less of them")
	return l, nil
}

// Close closes the Lister.
func (l *Lister) Close() error {
	if l.other != nil {
		l.other.Close()
	}
	if l.conn == nil {
		return nil
	}
	return l.conn.Close()
}

// Notes returns what has to be said of the walks so far: that rows may be missing,
// or come from /proc.
func (l *Lister) Notes() []string { return l.notes }

func (l *Lister) note(format string, args ...any) {
	s := fmt.Sprintf(format, args...)
	for _, n := range l.notes {
		if n == s {
			return
		}
	}
	l.notes = append(l.notes, s)
}

// Rows walks over the sockets that q asks for. The Row is overwritten at every
// step. An error ends the walk and comes with a nil Row.
func (l *Lister) Rows(q Query) iter.Seq2[*Row, error] {
	return func(yield func(*Row, error) bool) {
		w := walk{l: l, q: &q, yield: yield}
		var err error
		if q.Filter, err = q.Filter.resolve(l); err != nil {
			yield(nil, err)
			return
		}
		if err := w.run(); err != nil && !w.ended {
			yield(nil, err)
		}
	}
}

// A walk is one walk of a Lister.
type walk struct {
	l     *Lister
	q     *Query
	yield func(*Row, error) bool
	ended bool // whoever asks has had enough

	subflows map[uint32][]*Row // by the token of the connection
	noMPTCP  bool              // there are none, as was seen when subflows were looked for
}

func (w *walk) run() error {
	w.l.row = Row{Netns: w.l.Netns, interfaces: &w.l.interfaces}
	if w.q.Nested {
		if err := w.findSubflows(); err != nil {
			return err
		}
	}
	for _, k := range w.q.Kinds {
		if w.ended {
			break
		}
		if err := w.kind(k); err != nil {
			return err
		}
	}
	return nil
}

// states returns the states that are wanted of a kind.
func (w *walk) states(k Kind) sockdiag.States {
	s := w.q.States
	if own, ok := w.q.KindStates[k]; ok {
		s = own
	}
	if s == 0 {
		s = sockdiag.AllStates
	}
	return s & w.q.Filter.states()
}

func (w *walk) kind(k Kind) error {
	states := w.states(k)
	if states == 0 || !w.q.Filter.mayMatch(k) || k == MPTCP && w.noMPTCP {
		return nil
	}
	if w.l.conn == nil {
		return w.orProc(k, sockdiag.ErrNotSupported)
	}
	if k.Inet() {
		const listen = sockdiag.States(1 << sockdiag.Listen)
		if w.q.Split && k == TCP && states&listen != 0 && states&^listen != 0 {
			if err := w.inet(k, listen); err != nil || w.ended {
				return err
			}
			states &^= listen
		}
		return w.inet(k, states)
	}
	var err error
	switch k {
	case Unix:
		err = w.unix(states)
	case Packet:
		err = w.packet()
	case Netlink:
		err = w.netlink()
	}
	return w.orProc(k, err)
}

// orProc reads /proc/net where the kernel has no handler for a kind.
func (w *walk) orProc(k Kind, err error) error {
	switch {
	case err == nil, w.ended:
		return nil
	case errors.Is(err, sockdiag.ErrInterrupted):
		w.l.note("%s sockets changed while they were listed: some may be missing or be there twice", k)
		return nil
	case !errors.Is(err, sockdiag.ErrNotSupported), k == MPTCP:
		if k == MPTCP && errors.Is(err, sockdiag.ErrNotSupported) {
			return nil // a kernel without MPTCP has no such sockets
		}
		return err
	}
	perr := w.proc(k)
	if errors.Is(perr, os.ErrNotExist) {
		if w.l.conn == nil {
			w.l.note("%s sockets are not in /proc/net here: there may be some", k)
		}
		return nil // the kernel does not have such sockets at all
	}
	return perr
}

var inetProtocols = map[Kind]sockdiag.Protocol{
	TCP: sockdiag.TCP, MPTCP: sockdiag.MPTCP, UDP: sockdiag.UDP, UDPLite: sockdiag.UDPLite, Raw: sockdiag.Raw,
}

var inetTypes = [...]sockdiag.SocketType{
	TCP: sockdiag.Stream, MPTCP: sockdiag.Stream, UDP: sockdiag.Dgram, UDPLite: sockdiag.Dgram, Raw: sockdiag.RawType,
}

func (w *walk) inet(k Kind, states sockdiag.States) error {
	q := sockdiag.Query{Protocol: inetProtocols[k], Family: w.q.Family, States: states, Ext: w.q.Ext, Filter: w.q.Filter.cond()}
	if k == MPTCP || k == TCP && len(w.subflows) > 0 {
		q.Ext |= sockdiag.ExtInfo
	}
	if k == TCP && states.Has(sockdiag.BoundInactive) {
		// Its rows are listed as CLOSE: one walk for them alone tells them apart.
		b := q
		b.States = 1 << sockdiag.BoundInactive
		if err := w.rows(k, b, true); err != nil || w.ended {
			return err
		}
		if q.States &^= 1 << sockdiag.BoundInactive; q.States == 0 {
			return nil
		}
	}
	return w.orProc(k, w.rows(k, q, false))
}

func (w *walk) rows(k Kind, q sockdiag.Query, bound bool) error {
	r := &w.l.row
	var f sockdiag.Subflow
	for s, err := range w.l.conn.Inet(&w.l.sock, q) {
		if err != nil {
			return err
		}
		r.fill(k, s)
		r.Bound = bound
		if k == TCP && len(w.subflows) > 0 {
			if s.Subflow(&f) && w.subflows[f.TokenLoc] != nil || s.State == sockdiag.Listen && s.ULP() == "mptcp" {
				continue
			}
		}
		if !w.q.Filter.Match(r) {
			continue
		}
		r.Other, r.Subflows = nil, nil
		if k == MPTCP && w.subflows != nil {
			var i sockdiag.MPTCPInfo
			if s.MPTCPInfo(&i) && i.Token != 0 {
				r.Subflows = w.subflows[i.Token]
			}
		}
		if w.q.Join {
			w.join(r)
		}
		if !w.send(r) {
			return nil
		}
	}
	return nil
}

func (w *walk) send(r *Row) bool {
	if !w.yield(r, nil) {
		w.ended = true
	}
	return !w.ended
}

// fill makes r the socket s.
func (r *Row) fill(k Kind, s *sockdiag.Socket) {
	r.Kind, r.Family, r.Type, r.State = k, s.Family, inetTypes[k], s.State
	r.Full, r.HasUID, r.FromProc = s.Full(), s.Full(), false
	r.ID = s.ID
	r.Timer, r.Retrans, r.Expires = s.Timer, s.Retrans, s.Expires
	r.RQueue, r.WQueue, r.UID, r.Inode = s.RQueue, s.WQueue, s.UID, s.Inode
	r.Protocol = 0
	if k == Raw {
		// A raw socket has its protocol where others have a port.
		r.Protocol = s.Src.Port()
	}
	r.Name, r.PeerInode = "", 0
	r.inet, r.unix, r.packet, r.netlink = s, nil, nil, nil
}

// findSubflows lists the subflows of all MPTCP connections by their token.
func (w *walk) findSubflows() error {
	if w.l.conn == nil {
		w.noMPTCP = true
		return nil
	}
	any := false
	for s, err := range w.l.conn.Inet(&w.l.sock, sockdiag.Query{Protocol: sockdiag.MPTCP, Family: w.q.Family}) {
		if err != nil {
			if errors.Is(err, sockdiag.ErrNotSupported) || errors.Is(err, sockdiag.ErrInterrupted) {
				break
			}
			return err
		}
		_ = s
		any = true
		break
	}
	if !any {
		w.noMPTCP = true
		return nil
	}
	// Those of connections that fell back have no token.
	w.subflows = map[uint32][]*Row{0: {}}
	var f sockdiag.Subflow
	q := sockdiag.Query{Protocol: sockdiag.TCP, Ext: w.q.Ext | sockdiag.ExtInfo, States: sockdiag.AllStates &^ (1 << sockdiag.Listen)}
	for s, err := range w.l.conn.Inet(&w.l.sock, q) {
		if err != nil {
			if errors.Is(err, sockdiag.ErrInterrupted) {
				break
			}
			return err
		}
		if s.Subflow(&f) && f.TokenLoc != 0 {
			r := Row{Netns: w.l.Netns, interfaces: &w.l.interfaces}
			r.fill(TCP, s)
			w.subflows[f.TokenLoc] = append(w.subflows[f.TokenLoc], r.Clone())
		}
	}
	return nil
}

// join finds the other end of a connection within the namespace.
func (w *walk) join(r *Row) {
	if other := w.l.Peer(r, &w.l.peer, &w.l.end); other != nil {
		r.Other = other
	}
}

// Peer finds the socket at the other end of r, which may be any of its own
// namespace, and decodes it into row and s. It returns row, or nil if there is
// none.
func (l *Lister) Peer(r *Row, row *Row, s *sockdiag.Socket) *Row {
	if !r.Kind.Inet() || r.Kind == Raw || r.Dst.Port() == 0 || !r.Full {
		return nil
	}
	if r.Kind == MPTCP {
		return nil // known by its subflows
	}
	if !l.openOther() {
		return nil
	}
	id := sockdiag.ID{Src: r.Dst, Dst: r.Src}
	if err := l.other.Lookup(s, sockdiag.Query{Protocol: inetProtocols[r.Kind], Ext: l.sockExt()}, id); err != nil {
		return nil
	}
	if s.Cookie == r.Cookie || s.Dst.Port() != r.Src.Port() || s.Src.Port() != r.Dst.Port() {
		return nil
	}
	*row = Row{Netns: l.Netns, interfaces: &l.interfaces}
	row.fill(r.Kind, s)
	return row
}

// openOther makes sure that there is a Conn for lookups.
func (l *Lister) openOther() bool {
	if l.other == nil {
		l.other, _ = sockdiag.Open(l.ns)
	}
	return l.other != nil
}

func (l *Lister) sockExt() sockdiag.Ext { return sockdiag.ExtInfo | sockdiag.ExtSKMemInfo }

// Again looks at the socket of r once more and decodes it into row and s. It
// returns nil if it is gone.
func (l *Lister) Again(r *Row, row *Row, s *sockdiag.Socket) *Row {
	if !l.openOther() {
		return nil
	}
	var err error
	var m sockdiag.MPTCPInfo
	switch {
	case r.Kind != MPTCP:
		err = l.other.Lookup(s, sockdiag.Query{Protocol: inetProtocols[r.Kind], Ext: l.sockExt()}, r.ID)
	case r.MPTCPInfo(&m):
		err = l.other.LookupToken(s, m.Token, l.sockExt())
	default:
		return nil
	}
	if err != nil || s.Cookie != r.Cookie {
		return nil
	}
	*row = Row{Netns: l.Netns, interfaces: &l.interfaces}
	row.fill(r.Kind, s)
	return row
}
