package sockdiag

import (
	"bufio"
	"fmt"
	"net"
	"os"
	"os/exec"
	"strconv"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"framescope/capture/netns"
	"framescope/capture/netns/netnstest"
)

// holdEnv has the test binary hold connections instead of testing: see hold.
const holdEnv = "SOCKDIAG_HOLD"

func TestMain(m *testing.M) {
	if v := os.Getenv(holdEnv); v != "" {
		if err := hold(v); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		return
	}
	os.Exit(m.Run())
}

// hold makes connections over loopback, both ends in this process, and keeps
// them until standard input ends. v is "sockets port".
func hold(v string) error {
	var sockets, port int
	if _, err := fmt.Sscan(v, &sockets, &port); err != nil {
		return err
	}
	var limit unix.Rlimit
	if err := unix.Getrlimit(unix.RLIMIT_NOFILE, &limit); err != nil {
		return err
	}
	limit.Cur = limit.Max
	if err := unix.Setrlimit(unix.RLIMIT_NOFILE, &limit); err != nil {
		return err
	}
	l, err := unix.Socket(unix.AF_INET, unix.SOCK_STREAM, unix.IPPROTO_TCP)
	if err == nil {
		err = unix.Bind(l, &unix.SockaddrInet4{Port: port, Addr: [4]byte{127, 0, 0, 1}})
	}
	if err == nil {
		err = unix.Listen(l, 4096)
	}
	for i := 0; err == nil && i < sockets/2; i++ {
		var c int
		if c, err = unix.Socket(unix.AF_INET, unix.SOCK_STREAM, unix.IPPROTO_TCP); err != nil {
			break
		}
		if err = unix.Bind(c, &unix.SockaddrInet4{Addr: [4]byte{127, 0, byte(1 + port%200), 1}}); err != nil {
			break
		}
		if err = unix.Connect(c, &unix.SockaddrInet4{Port: port, Addr: [4]byte{127, 0, 0, 1}}); err != nil {
			break
		}
		_, _, err = unix.Accept(l)
	}
	if err != nil {
		return err
	}
	fmt.Println("ready")
	_, _ = os.Stdin.Read(make([]byte, 1))
	return nil
}

// holders has processes of the test binary in ns hold that many sockets in all,
// until the test ends.
func holders(tb testing.TB, ns *os.File, sockets int) {
	tb.Helper()
	const each = 16000 // a process may have 20 000 files
	var started []*bufio.Reader
	for i := 0; sockets > 0; i++ {
		n := min(sockets, each)
		sockets -= n
		cmd := exec.Command("/proc/self/exe")
		cmd.Env = append(os.Environ(), holdEnv+"="+strconv.Itoa(n)+" "+strconv.Itoa(20000+i))
		cmd.Stderr = os.Stderr
		in, err := cmd.StdinPipe()
		if err != nil {
			tb.Fatal(err)
		}
		out, err := cmd.StdoutPipe()
		if err != nil {
			tb.Fatal(err)
		}
		if err := netns.Do(ns, cmd.Start); err != nil {
			tb.Fatal(err)
		}
		tb.Cleanup(func() { in.Close(); _ = cmd.Wait() })
		started = append(started, bufio.NewReader(out))
	}
	for _, r := range started {
		if line, err := r.ReadString('\n'); err != nil || line != "ready\n" {
			tb.Fatalf("holder: %q %v", line, err)
		}
	}
}

// open returns a Conn that is closed with the test.
func open(tb testing.TB, ns *os.File) *Conn {
	tb.Helper()
	c, err := Open(ns)
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() { c.Close() })
	return c
}

// eventually waits until f is true, for five seconds.
func eventually(tb testing.TB, what string, f func() bool) {
	tb.Helper()
	for range 500 {
		if f() {
			return
		}
		time.Sleep(10 * time.Millisecond)
	}
	tb.Fatalf("waited in vain: %s", what)
}

// sockets returns copies of the sockets that q asks for.
func sockets(tb testing.TB, c *Conn, q Query) (all []*Socket) {
	tb.Helper()
	for s, err := range c.Inet(nil, q) {
		if err != nil {
			tb.Fatal(err)
		}
		if s.Cut != "" {
			tb.Fatalf("%v %v: attribute %s is cut", s.Src, s.Dst, s.Cut)
		}
		all = append(all, s.Clone())
	}
	return all
}

// inode returns the inode of a socket of this process.
func inode(tb testing.TB, c syscall.Conn) uint32 {
	tb.Helper()
	raw, err := c.SyscallConn()
	if err != nil {
		tb.Fatal(err)
	}
	var st unix.Stat_t
	if e := raw.Control(func(fd uintptr) { err = unix.Fstat(int(fd), &st) }); e != nil || err != nil {
		tb.Fatal(e, err)
	}
	return uint32(st.Ino)
}

// pair returns both ends of a TCP connection to the address that listen listens
// on, in ns: the side that opened it first.
func pair(tb testing.TB, ns *os.File, network, address string) (client, server *net.TCPConn) {
	tb.Helper()
	var lc net.ListenConfig
	lc.SetMultipathTCP(false)
	var l net.Listener
	netnstest.Do(tb, ns, func() (err error) {
		l, err = lc.Listen(tb.Context(), network, address)
		return err
	})
	defer l.Close()
	netnstest.Do(tb, ns, func() error {
		c, err := net.Dial(network, l.Addr().String())
		if err == nil {
			client = c.(*net.TCPConn)
		}
		return err
	})
	s, err := l.Accept()
	if err != nil {
		tb.Fatal(err)
	}
	server = s.(*net.TCPConn)
	tb.Cleanup(func() { client.Close(); server.Close() })
	return client, server
}
