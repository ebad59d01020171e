package main

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"framescope/capture/netns/netnstest"
)

// A stage is a network namespace in which a test opens sockets.
type stage struct{ *netnstest.Stage }

func newStage(t *testing.T) *stage {
	t.Helper()
	return &stage{netnstest.NewStage(t, nil)}
}

// framescope runs a command line in the namespace and returns what it printed.
func (s *stage) framescope(args ...string) (stdout, stderr string, code int) {
	s.TB.Helper()
	dir := s.TB.TempDir()
	out, err := os.Create(filepath.Join(dir, "out"))
	s.Must(err)
	errs, err := os.Create(filepath.Join(dir, "err"))
	s.Must(err)
	defer out.Close()
	defer errs.Close()
	args = append(slices.Clone(args), fmt.Sprintf("--netns=/proc/%d/fd/%d", os.Getpid(), s.Netns.Fd()))
	code = run(args, stdio{os.Stdin, out, errs})
	a, err := os.ReadFile(out.Name())
	s.Must(err)
	b, err := os.ReadFile(errs.Name())
	s.Must(err)
	return string(a), string(b), code
}

// peer runs another program in the namespace.
func (s *stage) peer(name string, args ...string) string {
	s.TB.Helper()
	if _, err := exec.LookPath(name); err != nil {
		s.TB.Skipf("%s is not in PATH", name)
	}
	c := exec.Command(name, args...)
	var out bytes.Buffer
	c.Stdout = &out
	s.Do(c.Start)
	err := c.Wait()
	if err != nil && out.Len() == 0 {
		s.TB.Fatalf("%s %q: %v", name, args, err)
	}
	return out.String()
}

func v4(port int) unix.Sockaddr { return &unix.SockaddrInet4{Port: port, Addr: [4]byte{127, 0, 0, 1}} }
func v6(port int) unix.Sockaddr {
	return &unix.SockaddrInet6{Port: port, Addr: [16]byte{15: 1}}
}

// listen opens a listener.
func (s *stage) listen(addr unix.Sockaddr, proto int) int {
	s.TB.Helper()
	return s.Listen(addr, 16, proto)
}

// pair connects to a listener and accepts.
func (s *stage) pair(l int, addr unix.Sockaddr, proto int) (client, server int) {
	s.TB.Helper()
	client = s.Connect(nil, addr, proto)
	return client, s.Accept(l)
}

// crowd opens sockets of every kind, in many states.
func (s *stage) crowd() {
	s.TB.Helper()
	l := s.listen(v4(8765), 0)
	s.pair(l, v4(8765), 0)
	c, _ := s.pair(l, v4(8765), 0)
	unix.Write(c, []byte("unread"))
	c, _ = s.pair(l, v4(8765), 0)
	unix.Shutdown(c, unix.SHUT_WR) // FIN_WAIT2, CLOSE_WAIT
	c, srv := s.pair(l, v4(8765), 0)
	s.Close(srv) // TIME_WAIT
	unix.Read(c, make([]byte, 1))
	s.Close(c)
	c, _ = s.pair(l, v4(8765), 0)
	s.Must(unix.SetsockoptInt(c, unix.SOL_SOCKET, unix.SO_KEEPALIVE, 1))
	// waits to be accepted
	s.Must(unix.Connect(s.Socket(unix.AF_INET, unix.SOCK_STREAM, 0), v4(8765)))

	l6 := s.listen(v6(8766), 0)
	s.pair(l6, v6(8766), 0)
	// IPv4 at a socket of IPv6
	dual := s.listen(&unix.SockaddrInet6{Port: 8767}, 0)
	s.pair(dual, v4(8767), 0)

	u := s.Socket(unix.AF_INET, unix.SOCK_DGRAM, 0)
	s.Must(unix.Bind(u, &unix.SockaddrInet4{Port: 5353}))
	s.Must(unix.Bind(s.Socket(unix.AF_INET6, unix.SOCK_DGRAM, 0), &unix.SockaddrInet6{Port: 5354}))
	uc := s.Socket(unix.AF_INET, unix.SOCK_DGRAM, 0)
	s.Must(unix.Connect(uc, v4(5353)))
	unix.Write(uc, make([]byte, 100))

	s.Socket(unix.AF_INET, unix.SOCK_RAW, unix.IPPROTO_ICMP)
	s.Socket(unix.AF_INET6, unix.SOCK_RAW, unix.IPPROTO_ICMPV6)
	s.Socket(unix.AF_PACKET, unix.SOCK_RAW, int(0x0300)) // ETH_P_ALL in network order

	path := filepath.Join(s.TB.TempDir(), "path")
	x := s.Socket(unix.AF_UNIX, unix.SOCK_STREAM, 0)
	s.Must(unix.Bind(x, &unix.SockaddrUnix{Name: path}))
	s.Must(unix.Listen(x, 4))
	s.Must(unix.Connect(s.Socket(unix.AF_UNIX, unix.SOCK_STREAM, 0), &unix.SockaddrUnix{Name: path}))
	s.Must(unix.Bind(s.Socket(unix.AF_UNIX, unix.SOCK_DGRAM, 0), &unix.SockaddrUnix{Name: "@abstract"}))
	s.Must(unix.Bind(s.Socket(unix.AF_UNIX, unix.SOCK_SEQPACKET, 0), &unix.SockaddrUnix{Name: "@seq"}))

	// a child that has inherited a listener: two owners
	shared := s.listen(v4(8770), 0)
	f := os.NewFile(uintptr(must(unix.Dup(shared))), "shared")
	defer f.Close()
	child := exec.Command("sleep", "60")
	child.ExtraFiles = []*os.File{f}
	s.Must(child.Start())
	s.TB.Cleanup(func() { child.Process.Kill(); child.Wait() })
	netnstest.Quiet(s.TB, s.Netns)
}

func must(fd int, err error) int {
	if err != nil {
		panic(err)
	}
	return fd
}

// mptcp opens an MPTCP connection.
func (s *stage) mptcp() {
	s.TB.Helper()
	l := s.listen(v4(8780), unix.IPPROTO_MPTCP)
	s.pair(l, v4(8780), unix.IPPROTO_MPTCP)
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
	s.TB.Helper()
	if len(want) < 2 {
		s.TB.Errorf("%s: the peer lists only %q", what, want)
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
			s.TB.Errorf("%s: only here: %s", what, l)
		} else if n < 0 {
			s.TB.Errorf("%s: only there: %s", what, l)
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
