package sockets

import (
	"net"
	"os"
	"testing"

	"golang.org/x/sys/unix"

	"framescope/mptcpctl"
)

// The processes of connections are those that hold their sockets.
func TestHolders(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	f, err := l.(*net.TCPListener).File()
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	var st unix.Stat_t
	if err := unix.Fstat(int(f.Fd()), &st); err != nil {
		t.Fatal(err)
	}
	const nobodys = 1
	inodes := map[uint32]mptcpctl.Owner{uint32(st.Ino): {}, nobodys: {}}
	var finder mptcpctl.OwnerFinder = Holders{}
	finder.FindOwners(inodes)
	if o := inodes[uint32(st.Ino)]; o.PID != os.Getpid() || o.Command == "" {
		t.Errorf("%+v, want process %d", o, os.Getpid())
	}
	if o := inodes[nobodys]; o != (mptcpctl.Owner{}) || len(inodes) != 2 {
		t.Errorf("%+v", inodes)
	}
}
