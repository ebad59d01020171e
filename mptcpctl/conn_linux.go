package mptcpctl

import (
	"errors"
	"fmt"
	"sync"

	"github.com/vishvananda/netlink"
	"github.com/vishvananda/netlink/nl"
	vnetns "github.com/vishvananda/netns"
	"golang.org/x/sys/unix"

	"framescope/capture/netns"
)

const (
	ack  = unix.NLM_F_ACK
	dump = unix.NLM_F_DUMP

	familyName    = "mptcp_pm"
	familyVersion = 1
	eventGroup    = "mptcp_pm_events"
)

// A socket is the netlink socket of a Conn, and what the kernel said of the
// family.
type socket struct {
	mu     sync.Mutex // one request at a time
	nl     *nl.NetlinkSocket
	port   uint32 // its address
	seq    uint32 // of the last request
	family *netlink.GenlFamily
	once   sync.Once
}

// open opens the socket in the namespace, and asks for the family there.
func (c *Conn) open() error {
	return netns.Do(c.ns, func() error {
		family, err := netlink.GenlFamilyGet(familyName)
		if errors.Is(err, unix.ENOENT) {
			return ErrNotSupported
		} else if err != nil {
			return err
		}
		s, err := nl.GetNetlinkSocketAt(vnetns.None(), vnetns.None(), unix.NETLINK_GENERIC)
		if err != nil {
			return err
		}
		// Per socket: the library's own switch for the kernel's messages is a
		// package variable.
		if err := s.SetExtAck(true); err != nil {
			s.Close()
			return err
		}
		tv := unix.NsecToTimeval(timeout.Nanoseconds())
		if err := errors.Join(s.SetSendTimeout(&tv), s.SetReceiveTimeout(&tv)); err != nil {
			s.Close()
			return err
		}
		port, err := s.GetPid()
		if err != nil {
			s.Close()
			return err
		}
		c.sock.nl, c.sock.family, c.sock.port = s, family, port
		return nil
	})
}

func (s *socket) close() error {
	s.once.Do(func() {
		if s.nl != nil {
			s.nl.Close()
		}
	})
	return nil
}

// genlHeader is a generic netlink header: command, version, two reserved bytes.
// The library's own is two bytes long and serializes the two behind it as well.
type genlHeader [genlLen]byte

func (h genlHeader) Len() int          { return len(h) }
func (h genlHeader) Serialize() []byte { return h[:] }

// dumpTries is how often a list that changed while it was read is read again.
const dumpTries = 3

// ask sends one command and returns the replies behind their generic netlink
// headers.
func (c *Conn) ask(cmd uint8, flags uint16, payload []byte) (replies [][]byte, err error) {
	s := &c.sock
	s.mu.Lock()
	defer s.mu.Unlock()
	for range dumpTries {
		var interrupted bool
		replies, interrupted, err = s.exchange(cmd, flags, payload)
		// What came is good, if it keeps changing.
		if err != nil || !interrupted {
			break
		}
	}
	if errors.Is(err, unix.EAGAIN) {
		err = fmt.Errorf("the kernel did not answer in %v", timeout)
	}
	return replies, err
}

// exchange sends a request and receives until its end. NetlinkRequest.Execute
// is not used: it panics on a list that ends with an error and its message, since
// it looks for the echoed request, which NLMSG_DONE does not have.
func (s *socket) exchange(cmd uint8, flags uint16, payload []byte) (replies [][]byte, interrupted bool, err error) {
	s.seq++
	req := &nl.NetlinkRequest{NlMsghdr: unix.NlMsghdr{
		Len: unix.SizeofNlMsghdr, Type: s.family.ID, Flags: unix.NLM_F_REQUEST | flags, Seq: s.seq,
	}}
	req.AddData(genlHeader{cmd, familyVersion})
	req.AddRawData(payload)
	if err := s.nl.Send(req); err != nil {
		return nil, false, err
	}
	for {
		msgs, from, err := s.nl.Receive()
		if err != nil {
			return nil, false, err
		}
		if from.Pid != nl.PidKernel {
			continue
		}
		for _, m := range msgs {
			// The answer to a request that was given up may still come.
			if m.Header.Seq != s.seq || m.Header.Pid != s.port {
				continue
			}
			interrupted = interrupted || m.Header.Flags&unix.NLM_F_DUMP_INTR != 0
			switch m.Header.Type {
			case unix.NLMSG_DONE, unix.NLMSG_ERROR:
				return replies, interrupted, decodeEnd(m.Header.Type == unix.NLMSG_ERROR, m.Header.Flags, m.Data)
			case s.family.ID:
				if len(m.Data) < genlLen {
					return nil, false, fmt.Errorf("netlink reply of %d bytes", len(m.Data))
				}
				replies = append(replies, m.Data[genlLen:])
				if m.Header.Flags&unix.NLM_F_MULTI == 0 {
					return replies, interrupted, nil
				}
			}
		}
	}
}
