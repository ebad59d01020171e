package sockdiag

import (
	"io"
	"iter"
	"syscall"

	"framescope/probes/nlmsg"
)

// A UnixQuery says which unix sockets are wanted, and what of them.
type UnixQuery struct {
	// States are the states wanted; zero means all.
	States States
	// Show says which attributes the kernel is to add.
	Show UnixShow
}

// A UnixShow is a set of UDIAG_SHOW_ bits.
type UnixShow uint32

// What to add.
const (
	ShowUnixName    UnixShow = 1 << iota
	ShowUnixVFS              // inode and device of the file
	ShowUnixPeer             // inode of the other end
	ShowUnixIcons            // connections that wait to be accepted
	ShowUnixQueues           // RQLEN
	ShowUnixMemInfo          //
	ShowUnixUID              // Linux 5.3
)

// A UnixSocket is a unix socket.
//
// Its methods, but not its fields, refer to memory of the Conn: they are valid
// until the next step of the walk. Clone makes a copy that stays.
type UnixSocket struct {
	Type SocketType
	// State is Established, Listen, or CloseState: not connected. A SOCK_DGRAM is
	// also Established when another is connected to it.
	State State
	Inode uint32 // as in socket:[N] under /proc/PID/fd
	// Cookie is the kernel's number of the socket.
	Cookie uint64
	// Cut is the name of the first attribute that was too short, or "": see
	// Socket.Cut.
	Cut string

	attrs attrSet
}

// The attributes UNIX_DIAG_.
const (
	unixName = iota
	unixVFS
	unixPeer
	unixIcons
	unixRQLen
	unixMemInfo
	unixShutdown
	unixUID
)

var unixSpec = spec{
	unixName:     {"UNIX_DIAG_NAME", 0},
	unixVFS:      {"UNIX_DIAG_VFS", 8},
	unixPeer:     {"UNIX_DIAG_PEER", 4},
	unixIcons:    {"UNIX_DIAG_ICONS", 0},
	unixRQLen:    {"UNIX_DIAG_RQLEN", 8},
	unixMemInfo:  {"UNIX_DIAG_MEMINFO", 32},
	unixShutdown: {"UNIX_DIAG_SHUTDOWN", 1},
	unixUID:      {"UNIX_DIAG_UID", 4},
}

// struct unix_diag_msg
const unixMsgLen = 16

func (u *UnixSocket) parse(m []byte) error {
	if len(m) < unixMsgLen {
		return malformed(nlmsg.HeaderLen+len(m), "unix_diag_msg", "%w: %d of %d bytes", errShort, len(m), unixMsgLen)
	}
	u.Type = SocketType(m[1])
	u.State = State(m[2])
	u.Inode = ne.Uint32(m[4:])
	u.Cookie = uint64(ne.Uint32(m[8:])) | uint64(ne.Uint32(m[12:]))<<32
	u.Cut = u.attrs.find(m, unixMsgLen, &unixSpec)
	return nil
}

// Clone returns a copy of u whose methods stay valid.
func (u *UnixSocket) Clone() *UnixSocket {
	t := *u
	t.attrs = u.attrs.clone()
	return &t
}

// Name returns what the socket is bound to: a path, or a name of the abstract
// namespace, which begins with a zero byte and may hold any bytes. It is nil if
// the socket is bound to nothing. It aliases the Conn's memory.
func (u *UnixSocket) Name() []byte {
	b := u.attrs.get(unixName)
	if len(b) > 0 && b[0] != 0 {
		// of a path, the zero at its end is in some kernels' length
		b = nlmsg.String(b)
	}
	return b
}

// Peer returns the inode of the other end. It is zero if that is in another
// network namespace or, of a SOCK_DGRAM, gone.
func (u *UnixSocket) Peer() (inode uint32, ok bool) { return u.attrs.u32(unixPeer) }

// File returns the inode and the device (as in struct stat: major<<20 | minor)
// of the file that the socket is bound to.
func (u *UnixSocket) File() (inode, dev uint32, ok bool) {
	b := u.attrs.get(unixVFS)
	if b == nil {
		return 0, 0, false
	}
	return ne.Uint32(b), ne.Uint32(b[4:]), true
}

// Icons appends the inodes of the sockets that wait to be accepted to dst. Zero
// stands for one whose client is gone.
func (u *UnixSocket) Icons(dst []uint32) []uint32 {
	b := u.attrs.get(unixIcons)
	for ; len(b) >= 4; b = b[4:] {
		dst = append(dst, ne.Uint32(b))
	}
	return dst
}

// Queues returns the queues. Of a listener, rqueue is the number of connections
// that wait to be accepted and wqueue the bound of it; else they are bytes:
// rqueue of payload that waits to be read (of a SOCK_DGRAM the first datagram's),
// wqueue of memory that the receiver has not freed yet.
func (u *UnixSocket) Queues() (rqueue, wqueue uint32, ok bool) {
	b := u.attrs.get(unixRQLen)
	if b == nil {
		return 0, 0, false
	}
	return ne.Uint32(b), ne.Uint32(b[4:]), true
}

// MemInfo returns the socket's memory.
func (u *UnixSocket) MemInfo() (m MemInfo, ok bool) { return u.attrs.memInfo(unixMemInfo) }

// Shutdown returns which directions are shut down.
func (u *UnixSocket) Shutdown() (d Shutdown, ok bool) {
	v, ok := u.attrs.u8(unixShutdown)
	return Shutdown(v), ok
}

// UID returns the user that owns the socket.
func (u *UnixSocket) UID() (uid uint32, ok bool) { return u.attrs.u32(unixUID) }

// Unix walks over the unix sockets that q asks for. For u and errors see Inet.
func (c *Conn) Unix(u *UnixSocket, q UnixQuery) iter.Seq2[*UnixSocket, error] {
	if u == nil {
		u = new(UnixSocket)
	}
	return walkFamily(c, u, "unix sockets", "unix_diag", func() { c.requestUnix(nlmsg.FlagDump, &q, 0) })
}

// LookupUnix finds the unix socket with the inode and decodes it into u. The
// error is os.ErrNotExist if there is none in the namespace.
func (c *Conn) LookupUnix(u *UnixSocket, inode uint32, show UnixShow) error {
	const op = "unix socket"
	if err := c.ready(); err != nil {
		return &OpError{Op: op, Err: err}
	}
	c.requestUnix(0, &UnixQuery{Show: show}, inode)
	m, text, err := c.single()
	if err == nil {
		err = u.parse(m)
	}
	if err != nil {
		return &OpError{Op: op, Err: err, Message: text}
	}
	return nil
}

// requestUnix makes a request with a struct unix_diag_req.
func (c *Conn) requestUnix(flags uint16, q *UnixQuery, inode uint32) {
	states := uint32(q.States)
	if states == 0 {
		states = ^uint32(0)
	}
	c.begin(getByFamily, flags)
	c.req = append(c.req, uint8(Unix), 0, 0, 0)
	c.req = ne.AppendUint32(c.req, states)
	c.req = ne.AppendUint32(c.req, inode)
	c.req = ne.AppendUint32(c.req, uint32(q.Show))
	c.req = ne.AppendUint64(c.req, noCookie)
}

// walkFamily walks over what the request that ask makes is answered with. Each
// row is decoded into row.
func walkFamily[R any, P interface {
	*R
	parse([]byte) error
}](c *Conn, row P, op, module string, ask func()) iter.Seq2[*R, error] {
	return func(yield func(*R, error) bool) {
		a := answer{c: c}
		fail := func(err error) { yield(nil, &OpError{Op: op, Err: err, Message: a.text}) }
		if err := c.ready(); err != nil {
			fail(err)
			return
		}
		ask()
		if err := c.ask(); err != nil {
			fail(err)
			return
		}
		c.walking = true
		defer func() { c.walking = false }()
		for {
			m, err := a.next()
			if err == nil {
				err = row.parse(m)
			}
			switch {
			case err == io.EOF && a.interrupted:
				fail(ErrInterrupted)
				return
			case err == io.EOF:
				return
			case err == syscall.ENOENT:
				err = noHandler(module, syscall.ENOENT)
			}
			if err != nil {
				fail(err)
				return
			}
			if !yield(row, nil) {
				return
			}
		}
	}
}
