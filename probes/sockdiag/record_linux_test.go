package sockdiag

import (
	"net"
	"os"
	"testing"

	"golang.org/x/sys/unix"

	"framescope/capture/netns/netnstest"
)

// A recorder keeps what the kernel says.
type recorder struct {
	datagrams
	said []byte
}

func (r *recorder) recv(b []byte) (int, error) {
	n, err := r.datagrams.recv(b)
	if err == nil {
		r.said = append(r.said, b[:n]...)
	}
	return n, err
}

// TestRecord makes the recordings, with -update as root.
func TestRecord(t *testing.T) {
	if !*update {
		return
	}
	ns := netnstest.New(t)
	everyState(t, ns)
	netnstest.Run(t, ns, "ip", "addr", "add", "10.1.0.2/32", "dev", "lo")
	netnstest.Run(t, ns, "ip", "mptcp", "endpoint", "add", "10.1.0.2", "subflow")
	a, b := mptcpPair(t, ns, true, true, "127.0.0.1:0")
	exchange(t, a, b, 1000)
	c := open(t, ns)
	eventually(t, "both subflows at both ends", func() bool {
		n := 0
		for _, s := range sockets(t, c, Query{Protocol: TCP, Ext: ExtInfo}) {
			var f Subflow
			if s.Subflow(&f) && f.Flags&SubflowFullyEstablished != 0 {
				n++
			}
		}
		return n == 4
	})
	a, b = mptcpPair(t, ns, true, false, "127.0.0.1:0")
	exchange(t, a, b, 10)
	netnstest.Do(t, ns, func() error {
		p, err := net.ListenPacket("udp", "127.0.0.1:5353")
		if err != nil {
			return err
		}
		t.Cleanup(func() { p.Close() })
		d, err := net.Dial("udp", "127.0.0.1:5353")
		if err != nil {
			return err
		}
		t.Cleanup(func() { d.Close() })
		_, err = d.Write([]byte("hello"))
		return err
	})
	record := func(name string, walk func(*Conn)) {
		c := open(t, ns)
		r := &recorder{datagrams: c.sock}
		c.sock = r
		walk(c)
		must(t, os.WriteFile("testdata/"+name, r.said, 0o644))
	}
	const all = ^Ext(0)
	record("tcp.bin", func(c *Conn) { sockets(t, c, Query{Protocol: TCP, Ext: all}) })
	record("mptcp.bin", func(c *Conn) { sockets(t, c, Query{Protocol: MPTCP, Family: IPv4, Ext: all}) })
	record("udp.bin", func(c *Conn) { sockets(t, c, Query{Protocol: UDP, Family: IPv4, Ext: all}) })

	unixSocket := func(typ int) (fd int) {
		netnstest.Do(t, ns, func() (err error) { fd, err = unix.Socket(unix.AF_UNIX, typ, 0); return err })
		t.Cleanup(func() { unix.Close(fd) })
		return fd
	}
	l := unixSocket(unix.SOCK_STREAM)
	must(t, unix.Bind(l, &unix.SockaddrUnix{Name: "@framescope"}))
	must(t, unix.Listen(l, 7))
	must(t, unix.Connect(unixSocket(unix.SOCK_STREAM), &unix.SockaddrUnix{Name: "@framescope"}))
	path := os.TempDir() + "/framescope.sock"
	must(t, unix.Bind(unixSocket(unix.SOCK_DGRAM), &unix.SockaddrUnix{Name: path}))
	defer os.Remove(path)
	record("unix.bin", func(c *Conn) {
		for _, err := range c.Unix(nil, UnixQuery{Show: ^UnixShow(0)}) {
			must(t, err)
		}
	})
	var fd int
	netnstest.Do(t, ns, func() (err error) { fd, err = unix.Socket(unix.AF_PACKET, unix.SOCK_RAW, 0x0300); return err })
	defer unix.Close(fd)
	record("packet.bin", func(c *Conn) {
		for _, err := range c.Packet(nil, ^PacketShow(0)) {
			must(t, err)
		}
	})
	record("netlink.bin", func(c *Conn) {
		for _, err := range c.Netlink(nil, ShowNetlinkMemInfo|ShowNetlinkGroups|ShowNetlinkFlags) {
			must(t, err)
		}
	})
}
