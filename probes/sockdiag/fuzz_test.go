package sockdiag

import (
	"context"
	"io"
	"os"
	"path/filepath"
	"testing"

	"framescope/probes/nlmsg"
)

// Whatever the kernel sends: no panic, no hang, no more rows than messages, and
// every method is safe to call.
func FuzzMessages(f *testing.F) {
	recorded, err := filepath.Glob("testdata/*.bin")
	if err != nil || len(recorded) == 0 {
		f.Fatal("no recordings", err)
	}
	for kind, name := range recorded {
		b, err := os.ReadFile(name)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(b[:min(len(b), 8000)], uint8(kind))
	}
	f.Add(manyRows(2), uint8(0))
	f.Add(msg(nlmsg.TypeError, nlmsg.FlagAckTLVs, join(num(22), make([]byte, nlmsg.HeaderLen), attr(errAttrMsg, 'x', 0))...), uint8(1))
	f.Fuzz(func(t *testing.T, b []byte, kind uint8) {
		c := replayed(nil)
		c.sock = &replay{datagrams: [][]byte{b}, err: io.ErrUnexpectedEOF}
		rows, failed := 0, false
		count := func(err error) bool {
			if failed {
				t.Fatal("something after an error")
			}
			rows++
			failed = err != nil
			return !failed
		}
		switch kind % 6 {
		case 0, 1:
			p := TCP
			if kind%6 == 1 {
				p = MPTCP
			}
			for s, err := range c.Inet(nil, Query{Protocol: p, Family: IPv4}) {
				if count(err) {
					touch(s)
				}
			}
		case 2:
			for u, err := range c.Unix(nil, UnixQuery{}) {
				if count(err) {
					u.Name()
					u.Peer()
					u.File()
					u.Icons(nil)
					u.Queues()
					u.MemInfo()
					u.Shutdown()
					u.UID()
				}
			}
		case 3:
			for p, err := range c.Packet(nil, 0) {
				if count(err) {
					p.Info()
					p.RxRing()
					p.TxRing()
					p.Fanout()
					p.UID()
					p.MemInfo()
					p.Filter()
					p.MCList()
				}
			}
		case 4:
			for n, err := range c.Netlink(nil, 0) {
				if count(err) {
					n.Groups(nil)
					n.Flags()
					n.MemInfo()
				}
			}
		case 5:
			e := &Events{sock: c.sock, buf: c.buf}
			for s, err := range e.Destroyed(context.Background(), nil) {
				if count(err) {
					touch(s)
				}
			}
		}
		if rows > len(b)/nlmsg.HeaderLen+1 {
			t.Fatalf("%d rows of %d bytes", rows, len(b))
		}
		// and as the one answer to a question
		c.sock, c.seq, c.unread = &replay{datagrams: [][]byte{b}, err: io.ErrUnexpectedEOF}, 0, false
		var s Socket
		if c.LookupToken(&s, 1, 0) == nil {
			touch(&s)
		}
	})
}

func touch(s *Socket) {
	var info TCPInfo
	var mptcp MPTCPInfo
	var flow Subflow
	var tls TLSInfo
	for a := range AttrSockOpt + 2 {
		s.Attr(a)
	}
	s.Full()
	s.Shutdown()
	s.MemInfo()
	s.Congestion()
	s.TOS()
	s.TClass()
	s.V6Only()
	s.Mark()
	s.ClassID()
	s.CgroupID()
	s.RawProtocol()
	s.SockOpt()
	s.ULP()
	s.BBRInfo()
	for _, s.Protocol = range []Protocol{TCP, MPTCP} {
		s.TCPInfo(&info)
		s.MPTCPInfo(&mptcp)
	}
	s.Subflow(&flow)
	s.TLSInfo(&tls)
}
