package sockdiag

import (
	"flag"
	"fmt"
	"os"
	"strings"
	"testing"
)

var update = flag.Bool("update", false, "write testdata: the recordings as root, what is read in them as anybody")

func golden(t *testing.T, name, got string) {
	t.Helper()
	if *update {
		if err := os.WriteFile("testdata/"+name, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile("testdata/" + name)
	if err != nil {
		t.Fatal(err)
	}
	if got != string(want) {
		t.Errorf("%s: got\n%s", name, got)
	}
}

func recording(t *testing.T, name string) *Conn {
	t.Helper()
	if !littleEndian {
		t.Skip("recorded on a little-endian machine")
	}
	b, err := os.ReadFile("testdata/" + name)
	if err != nil {
		t.Fatal(err)
	}
	return replayed(b)
}

// What was recorded of Linux 6.18 reads as it did when it was compared with ss.
func TestRecordings(t *testing.T) {
	for _, p := range []Protocol{TCP, MPTCP, UDP} {
		var b strings.Builder
		for s, err := range recording(t, p.String()+".bin").Inet(nil, Query{Protocol: p, Family: IPv4}) {
			if err != nil {
				t.Fatal(err)
			}
			fmt.Fprintf(&b, "%v %v %v %v %v if %d cookie %x\n\ttimer %v retrans %d expires %v queues %d %d uid %d inode %d full %t cut %q\n",
				s.Protocol, s.Family, s.State, s.Src, s.Dst, s.Interface, s.Cookie, s.Timer, s.Retrans, s.Expires, s.RQueue, s.WQueue, s.UID, s.Inode, s.Full(), s.Cut)
			var info TCPInfo
			if s.TCPInfo(&info) {
				fmt.Fprintf(&b, "\t%+v\n", info)
			}
			var mptcp MPTCPInfo
			if s.MPTCPInfo(&mptcp) {
				fmt.Fprintf(&b, "\t%+v\n", mptcp)
			}
			var flow Subflow
			if s.Subflow(&flow) {
				fmt.Fprintf(&b, "\t%+v\n", flow)
			}
			if m, ok := s.MemInfo(); ok {
				fmt.Fprintf(&b, "\t%+v\n", m)
			}
			if bbr, ok := s.BBRInfo(); ok {
				fmt.Fprintf(&b, "\t%+v\n", bbr)
			}
			one := func(name string, v any, ok bool) {
				if ok {
					fmt.Fprintf(&b, "\t%s %v", name, v)
				}
			}
			shutdown, ok := s.Shutdown()
			one("shutdown", shutdown, ok)
			tos, ok := s.TOS()
			one("tos", tos, ok)
			tclass, ok := s.TClass()
			one("tclass", tclass, ok)
			only, ok := s.V6Only()
			one("v6only", only, ok)
			mark, ok := s.Mark()
			one("mark", mark, ok)
			class, ok := s.ClassID()
			one("class", class, ok)
			cgroup, ok := s.CgroupID()
			one("cgroup", cgroup, ok)
			opt, ok := s.SockOpt()
			one("sockopt", opt, ok)
			fmt.Fprintf(&b, "\tcong %q ulp %q\n", s.Congestion(), s.ULP())
		}
		golden(t, p.String()+".golden", b.String())
	}
	var b strings.Builder
	for u, err := range recording(t, "unix.bin").Unix(nil, UnixQuery{}) {
		if err != nil {
			t.Fatal(err)
		}
		fmt.Fprintf(&b, "%v %v inode %d cookie %x name %q cut %q icons %v", u.Type, u.State, u.Inode, u.Cookie, u.Name(), u.Cut, u.Icons(nil))
		if peer, ok := u.Peer(); ok {
			fmt.Fprintf(&b, " peer %d", peer)
		}
		uid, _ := u.UID()
		rq, wq, _ := u.Queues()
		file, dev, _ := u.File()
		fmt.Fprintf(&b, " uid %d queues %d %d file %d %#x\n", uid, rq, wq, file, dev)
	}
	golden(t, "unix.golden", b.String())

	b.Reset()
	for p, err := range recording(t, "packet.bin").Packet(nil, 0) {
		if err != nil {
			t.Fatal(err)
		}
		info, _ := p.Info()
		ring, _ := p.RxRing()
		uid, _ := p.UID()
		fmt.Fprintf(&b, "%v %#x inode %d cookie %x %+v %+v uid %d filter %x cut %q\n", p.Type, p.EtherType, p.Inode, p.Cookie, info, ring, uid, p.Filter(), p.Cut)
	}
	golden(t, "packet.golden", b.String())

	b.Reset()
	for n, err := range recording(t, "netlink.bin").Netlink(nil, 0) {
		if err != nil {
			t.Fatal(err)
		}
		flags, _ := n.Flags()
		fmt.Fprintf(&b, "%v %d connected %t port %d inode %d cookie %x groups %v flags %#x cut %q\n", n.Type, n.Protocol, n.Connected, n.PortID, n.Inode, n.Cookie, n.Groups(nil), flags, n.Cut)
	}
	golden(t, "netlink.golden", b.String())
}
