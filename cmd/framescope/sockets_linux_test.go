package main

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"framescope/capture/netns"
)

// A stage is a network namespace in which a test opens sockets.
type stage struct {
	t    *testing.T
	ns   *os.File
	open map[int]bool
}

// own has a socket closed with the stage, unless close has done so.
func (s *stage) own(fd int) int {
	s.open[fd] = true
	return fd
}

func (s *stage) close(fd int) {
	delete(s.open, fd)
	unix.Close(fd)
}

func newStage(t *testing.T) *stage {
	t.Helper()
	done := make(chan error, 1)
	var f *os.File
	go func() {
		runtime.LockOSThread() // and never back: the thread ends with the goroutine
		err := unix.Unshare(unix.CLONE_NEWNET)
		if err == nil {
			err = loopbackUp()
		}
		if err == nil {
			f, err = os.Open("/proc/thread-self/ns/net")
		}
		done <- err
	}()
	switch err := <-done; {
	case err == unix.EPERM:
		t.Skip("a network namespace needs CAP_SYS_ADMIN")
	case err != nil:
		t.Fatal(err)
	}
	s := &stage{t, f, map[int]bool{}}
	t.Cleanup(func() {
		for fd := range s.open {
			unix.Close(fd)
		}
		f.Close()
	})
	return s
}

// framescope runs a command line in the namespace and returns what it printed.
func (s *stage) framescope(args ...string) (stdout, stderr string, code int) {
	s.t.Helper()
	dir := s.t.TempDir()
	out, err := os.Create(filepath.Join(dir, "out"))
	s.must(err)
	errs, err := os.Create(filepath.Join(dir, "err"))
	s.must(err)
	defer out.Close()
	defer errs.Close()
	args = append(slices.Clone(args), fmt.Sprintf("--netns=/proc/%d/fd/%d", os.Getpid(), s.ns.Fd()))
	code = run(args, stdio{os.Stdin, out, errs})
	a, err := os.ReadFile(out.Name())
	s.must(err)
	b, err := os.ReadFile(errs.Name())
	s.must(err)
	return string(a), string(b), code
}

// peer runs another program in the namespace.
func (s *stage) peer(name string, args ...string) string {
	s.t.Helper()
	if _, err := exec.LookPath(name); err != nil {
		s.t.Skipf("%s is not in PATH", name)
	}
	c := exec.Command(name, args...)
	var out bytes.Buffer
	c.Stdout = &out
	s.must(netns.Do(s.ns, c.Start))
	err := c.Wait()
	if err != nil && out.Len() == 0 {
		s.t.Fatalf("%s %q: %v", name, args, err)
	}
	return out.String()
}

func (s *stage) must(err error) {
	s.t.Helper()
	if err != nil {
		s.t.Fatal(err)
	}
}

func (s *stage) socket(family, typ, proto int) (fd int) {
	s.t.Helper()
	s.must(netns.Do(s.ns, func() (err error) {
		fd, err = unix.Socket(family, typ|unix.SOCK_CLOEXEC, proto)
		return err
	}))
	return s.own(fd)
}

func v4(port int) unix.Sockaddr { return &unix.SockaddrInet4{Port: port, Addr: [4]byte{127, 0, 0, 1}} }
func v6(port int) unix.Sockaddr {
	return &unix.SockaddrInet6{Port: port, Addr: [16]byte{15: 1}}
}

// listen opens a TCP listener.
func (s *stage) listen(family int, addr unix.Sockaddr, proto int) int {
	s.t.Helper()
	fd := s.socket(family, unix.SOCK_STREAM, proto)
	s.must(unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_REUSEADDR, 1))
	s.must(unix.Bind(fd, addr))
	s.must(unix.Listen(fd, 16))
	return fd
}

// pair connects to a listener and accepts.
func (s *stage) pair(l, family int, addr unix.Sockaddr, proto int) (client, server int) {
	s.t.Helper()
	client = s.socket(family, unix.SOCK_STREAM, proto)
	s.must(unix.Connect(client, addr))
	server, _, err := unix.Accept4(l, unix.SOCK_CLOEXEC)
	s.must(err)
	return client, s.own(server)
}

// crowd opens sockets of every kind, in many states.
func (s *stage) crowd() {
	s.t.Helper()
	l := s.listen(unix.AF_INET, v4(8765), 0)
	s.pair(l, unix.AF_INET, v4(8765), 0)
	c, _ := s.pair(l, unix.AF_INET, v4(8765), 0)
	unix.Write(c, []byte("unread"))
	c, _ = s.pair(l, unix.AF_INET, v4(8765), 0)
	unix.Shutdown(c, unix.SHUT_WR) // FIN_WAIT2, CLOSE_WAIT
	c, srv := s.pair(l, unix.AF_INET, v4(8765), 0)
	s.close(srv) // TIME_WAIT
	unix.Read(c, make([]byte, 1))
	s.close(c)
	c, _ = s.pair(l, unix.AF_INET, v4(8765), 0)
	s.must(unix.SetsockoptInt(c, unix.SOL_SOCKET, unix.SO_KEEPALIVE, 1))
	// waits to be accepted
	s.must(unix.Connect(s.socket(unix.AF_INET, unix.SOCK_STREAM, 0), v4(8765)))

	l6 := s.listen(unix.AF_INET6, v6(8766), 0)
	s.pair(l6, unix.AF_INET6, v6(8766), 0)
	// IPv4 at a socket of IPv6
	dual := s.listen(unix.AF_INET6, &unix.SockaddrInet6{Port: 8767}, 0)
	s.pair(dual, unix.AF_INET, v4(8767), 0)

	u := s.socket(unix.AF_INET, unix.SOCK_DGRAM, 0)
	s.must(unix.Bind(u, &unix.SockaddrInet4{Port: 5353}))
	s.must(unix.Bind(s.socket(unix.AF_INET6, unix.SOCK_DGRAM, 0), &unix.SockaddrInet6{Port: 5354}))
	uc := s.socket(unix.AF_INET, unix.SOCK_DGRAM, 0)
	s.must(unix.Connect(uc, v4(5353)))
	unix.Write(uc, make([]byte, 100))

	s.socket(unix.AF_INET, unix.SOCK_RAW, unix.IPPROTO_ICMP)
	s.socket(unix.AF_INET6, unix.SOCK_RAW, unix.IPPROTO_ICMPV6)
	s.socket(unix.AF_PACKET, unix.SOCK_RAW, int(0x0300)) // ETH_P_ALL in network order

	path := filepath.Join(s.t.TempDir(), "path")
	x := s.socket(unix.AF_UNIX, unix.SOCK_STREAM, 0)
	s.must(unix.Bind(x, &unix.SockaddrUnix{Name: path}))
	s.must(unix.Listen(x, 4))
	s.must(unix.Connect(s.socket(unix.AF_UNIX, unix.SOCK_STREAM, 0), &unix.SockaddrUnix{Name: path}))
	s.must(unix.Bind(s.socket(unix.AF_UNIX, unix.SOCK_DGRAM, 0), &unix.SockaddrUnix{Name: "@abstract"}))
	s.must(unix.Bind(s.socket(unix.AF_UNIX, unix.SOCK_SEQPACKET, 0), &unix.SockaddrUnix{Name: "@seq"}))

	// a child that has inherited a listener: two owners
	shared := s.listen(unix.AF_INET, v4(8770), 0)
	f := os.NewFile(uintptr(must(unix.Dup(shared))), "shared")
	defer f.Close()
	child := exec.Command("sleep", "60")
	child.ExtraFiles = []*os.File{f}
	s.must(child.Start())
	s.t.Cleanup(func() { child.Process.Kill(); child.Wait() })
	time.Sleep(100 * time.Millisecond) // delayed acknowledgements
}

func must(fd int, err error) int {
	if err != nil {
		panic(err)
	}
	return fd
}

// mptcp opens an MPTCP connection.
func (s *stage) mptcp() {
	s.t.Helper()
	l := s.listen(unix.AF_INET, v4(8780), unix.IPPROTO_MPTCP)
	s.pair(l, unix.AF_INET, v4(8780), unix.IPPROTO_MPTCP)
}

var blanksRun = regexp.MustCompile(` +`)

// lines returns the lines of a listing, sorted, each with single blanks.
func lines(text string, drop func(string) bool) (all []string) {
	for l := range strings.Lines(text) {
		l = strings.TrimSpace(blanksRun.ReplaceAllString(l, " "))
		l = strings.ReplaceAll(l, "PortProcess", "Port Process") // some versions of ss
		if before, users, ok := strings.Cut(l, "users:("); ok {
			each := strings.Split(strings.ReplaceAll(strings.TrimSuffix(users, ")"), "),(", ")\n("), "\n")
			slices.Sort(each)
			l = before + strings.Join(each, " ")
		}
		if l != "" && (drop == nil || !drop(l)) {
			all = append(all, l)
		}
	}
	slices.Sort(all)
	return all
}

// compare reports what one listing has and the other has not.
func (s *stage) compare(what string, got, want []string) {
	s.t.Helper()
	if len(want) < 2 {
		s.t.Errorf("%s: the peer lists only %q", what, want)
	}
	count := map[string]int{}
	for _, l := range got {
		count[l]++
	}
	for _, l := range want {
		count[l]--
	}
	for l, n := range count {
		if n > 0 {
			s.t.Errorf("%s: only here: %s", what, l)
		} else if n < 0 {
			s.t.Errorf("%s: only there: %s", what, l)
		}
	}
}

func TestSocketsAsSS(t *testing.T) {
	s := newStage(t)
	s.crowd()
	s.mptcp()
	for _, flags := range []string{"-tan", "-tanp", "-tlnp", "-tn", "-uan", "-uanp", "-lnp -u", "-xa", "-xap", "-x", "-xl", "-wan", "-wanp", "-0anp", "-4tan", "-6tan", "-Man", "-an", "-tuln", "-tulnp", "-ta"} {
		args := strings.Fields(flags)
		ssArgs := slices.Clone(args)
		drop := func(l string) bool {
			return strings.HasPrefix(l, "nl ") || // the sockets of those that ask are among them
				strings.Contains(l, "UNCONN") && strings.HasPrefix(l, "u_str") && strings.Contains(l, "* * 0")
		}
		got, errs, code := s.framescope(append([]string{"sockets", "--view", "ss"}, args...)...)
		if code != 0 || errs != "" {
			t.Fatalf("%s: exit %d: %s", flags, code, errs)
		}
		s.compare(flags, lines(got, drop), lines(s.peer("ss", ssArgs...), drop))
	}
	moving := regexp.MustCompile(`(last(snd|rcv|ack):|timer:\([a-z]+,)[0-9a-z.]+`)
	details := []string{"-tane", "-uane"}
	if strings.Contains(s.peer("ss", "-V"), "iproute2-6.1") {
		details = append(details, "-tani", "-tanie", "-Mani") // others measure more
	}
	for _, flags := range details {
		still := func(text string) []string { return lines(moving.ReplaceAllString(text, "$1"), nil) }
		got, _, code := s.framescope("sockets", "--view", "ss", flags)
		if code != 0 {
			t.Fatalf("%s: exit %d", flags, code)
		}
		s.compare(flags, still(got), still(s.peer("ss", flags)))
	}
	for _, filter := range []string{
		"state established", "state listening", "state time-wait", "exclude established", "state connected", "dport = :8765", "sport = :8765 or sport = :8766",
		"state established ( dport = :8765 or sport = :8765 )", "src 127.0.0.1", "dst 127.0.0.0/8", "src [::1]", "not sport = :8765", "dst [::1]:8766",
		"sport >= :8766 and sport <= :8770", "dport != :8765", "src 127.0.0.1:8765", "sport = :8770 or ( dport = :8765 and state established )",
		"state fin-wait-2", "state close-wait", "state synchronized", "state bucket", "state big", "dport gt :9000", "! dst 127.0.0.1",
	} {
		if strings.Contains(filter, "and state") {
			continue // ss takes states at the beginning only
		}
		words := strings.Fields(filter)
		got, _, code := s.framescope(append([]string{"sockets", "--view", "ss", "-tan"}, words...)...)
		if code != 0 {
			t.Fatalf("%s: exit %d", filter, code)
		}
		there := lines(s.peer("ss", append([]string{"-tan"}, words...)...), nil)
		here := lines(got, nil)
		if len(there) > 1 || len(here) > 1 {
			s.compare(filter, here, there)
		}
	}
}

func TestSocketsAsNetstat(t *testing.T) {
	s := newStage(t)
	s.crowd()
	for _, flags := range []string{"-tan", "-tanp", "-tln", "-tn", "-uan", "-uln", "-un", "-wan", "-tuanpe", "-xan", "-xln"} {
		refs := regexp.MustCompile(`^unix \d+ `)                                 // sock_diag does not tell the references
		drop := func(l string) bool { return strings.Contains(l, "CONNECTING") } // not there for sock_diag
		got, errs, code := s.framescope(append([]string{"sockets", "--view", "netstat"}, flags)...)
		if code != 0 || errs != "" {
			t.Fatalf("%s: exit %d: %s", flags, code, errs)
		}
		normal := func(text string) []string {
			all := lines(text, drop)
			for i := range all {
				all[i] = refs.ReplaceAllString(all[i], "unix ")
			}
			slices.Sort(all)
			return all
		}
		s.compare(flags, normal(got), normal(s.peer("netstat", flags)))
	}
}

func TestSocketsAsLsof(t *testing.T) {
	s := newStage(t)
	s.crowd()
	for _, flags := range []string{"-i", "-iTCP", "-i4", "-i6", "-iUDP", "-i:8765", "-iTCP@127.0.0.1:8765", "-i4tcp:8765-8766", "-iTCP -sTCP:LISTEN", "-iTCP -sTCP:^LISTEN,^ESTABLISHED"} {
		got, errs, code := s.framescope(append([]string{"sockets", "--view", "lsof", "-nP"}, strings.Fields(flags)...)...)
		if code != 0 || errs != "" {
			t.Fatalf("%s: exit %d: %s", flags, code, errs)
		}
		pid := fmt.Sprintf(" %d ", os.Getpid())
		drop := func(l string) bool {
			return !strings.Contains(" "+l, pid) && !strings.Contains(l, ":8770") && !strings.HasPrefix(l, "COMMAND")
		}
		want := s.peer("lsof", append(strings.Fields(flags), "-n", "-P", "-a", "-p", fmt.Sprint(os.Getpid()))...)
		hereOnly := func(l string) bool {
			return drop(l) || strings.HasPrefix(l, "sleep") || strings.Contains(l, "can't identify")
		}
		s.compare(flags, lines(got, hereOnly), lines(want, hereOnly))
	}
}
