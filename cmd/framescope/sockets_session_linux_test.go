package main

import (
	"bytes"
	"cmp"
	"encoding/csv"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"
	"unicode/utf8"

	"golang.org/x/sys/unix"

	"framescope/capture/netns"
	"framescope/capture/netns/netnstest"
)

// want fails the test if a command did not end well, or said something.
func (s *stage) want(status int, args ...string) string {
	s.TB.Helper()
	out, errs, code := s.framescope(args...)
	if code != status || status == 0 && errs != "" {
		s.TB.Fatalf("%q: exit %d, want %d: %s%s", args, code, status, out, errs)
	}
	return out
}

// What a beginner's guide to sockets shows: the server that listens, and a client
// that sends to a server that never reads.
func TestSocketsSession(t *testing.T) {
	s := newStage(t)
	me := fmt.Sprint(os.Getpid())
	l := s.listen(v4(65432), 0)
	got := lines(s.want(0, "sockets"), nil)
	if len(got) != 2 || !strings.HasPrefix(got[1], "tcp LISTEN 0 16 127.0.0.1:65432 0.0.0.0:* framescope.test "+me+"/") {
		t.Fatalf("%q", got)
	}
	if out := s.want(0, "sockets", "diagnose", "--fail-on", "note"); out != "nothing is wrong with the sockets here\n" {
		t.Errorf("%s", out)
	}
	c, srv := s.pair(l, v4(65432), 0)
	s.Must(unix.SetNonblock(c, true))
	sent := 0
	for {
		n, err := unix.Write(c, make([]byte, 100_000))
		if err == unix.EAGAIN {
			break
		}
		s.Must(err)
		sent += n
	}
	time.Sleep(1200 * time.Millisecond)
	var rows []socketRecord
	s.Must(json.Unmarshal([]byte(s.want(0, "sockets", "state", "established", "-o", "json", "-i")), &rows))
	if len(rows) != 2 {
		t.Fatalf("%+v", rows)
	}
	queued := uint32(0)
	for _, r := range rows {
		queued += r.Socket.RecvQ + r.Socket.SendQ
		if len(r.Process) != 1 || r.Process[0].PID != os.Getpid() || r.TCP == nil || r.Network.Transport != "tcp" || r.Type != "socket" {
			t.Errorf("%+v", r)
		}
	}
	if int(queued) != sent || sent < 400_000 {
		t.Errorf("%d bytes in queues, %d sent", queued, sent)
	}
	out := s.want(1, "sockets", "diagnose", "--fail-on", "warning", "--min-age", "300ms", "--between", "100ms")
	for _, w := range []string{
		"warning  socket-reader-stuck  ", "warning  socket-peer-not-reading  ", "2 warnings\n\nwarning  socket-reader-stuck", "framescope.test " + me + "/" + fmt.Sprint(srv), "nothing was read in 0.1 s",
		"  other    tcp 127.0.0.1:65432 > ", "  cause    the other end is on this host: see socket-reader-stuck above\n",
	} {
		if !strings.Contains(out, w) {
			t.Errorf("diagnose does not say %q:\n%s", w, out)
		}
	}
	s.want(0, "sockets", "diagnose", "--fail-on", "error", "--min-age", "300ms", "--between", "100ms")
	var found []struct {
		Type    string
		Finding struct {
			ID       string
			Severity string
			Evidence []struct{ Text string }
		}
		Socket socketRecord
	}
	s.Must(json.Unmarshal([]byte(s.want(0, "sockets", "diagnose", "-o", "json", "--min-age", "300ms", "--between", "100ms")), &found))
	if len(found) != 2 || found[0].Finding.ID != "socket-reader-stuck" || found[0].Socket.Other == nil || len(found[0].Finding.Evidence) == 0 {
		t.Errorf("%+v", found)
	}

	out = s.want(0, "sockets", "port", "65432", "--address", "127.0.0.1")
	for _, w := range []string{"cannot be bound: another socket has it", "tcp LISTEN 127.0.0.1:65432  framescope.test " + me, "\n  bind       plain   SO_REUSEADDR  SO_REUSEPORT\n  127.0.0.1  in use  in use        in use\n", "\n  fix    Stop that process"} {
		if !strings.Contains(out, w) {
			t.Errorf("port does not say %q:\n%s", w, out)
		}
	}
	s.want(1, "sockets", "port", "65432", "--require-free")
	if out = s.want(0, "sockets", "port", "65433", "--require-free"); out != "port 65433 of tcp is free: 0.0.0.0, [::] (IPv6 only), [::] (dual stack)\n" {
		t.Errorf("%q", out)
	}
	if out = s.want(0, "sockets", "port", "http", "--address", "127.0.0.1"); out != "port 80 of tcp is free: 127.0.0.1\n" {
		t.Errorf("%q", out)
	}
	var port struct {
		Free  bool
		Binds []struct{ Cause, Address string }
	}
	s.Must(json.Unmarshal([]byte(s.want(0, "sockets", "port", "65432", "-o", "json")), &port))
	if port.Free || len(port.Binds) != 3 || port.Binds[0].Cause != "listener" || port.Binds[1].Cause != "" || port.Binds[2].Cause != "listener" {
		t.Errorf("%+v", port)
	}
}

// Every format holds every socket.
func TestSocketsFormats(t *testing.T) {
	s := newStage(t)
	s.crowd()
	s.mptcp()
	var array []socketRecord
	s.Must(json.Unmarshal([]byte(s.want(0, "sockets", "-tuxwM0", "-o", "json")), &array))
	kinds := map[string]int{}
	for _, r := range array {
		kinds[r.Network.Transport]++
		for _, f := range r.Subflow {
			if f.Network.Transport != "tcp" {
				t.Errorf("a subflow of %q", f.Network.Transport)
			}
			kinds["subflow"]++
		}
	}
	for _, k := range []string{"tcp", "mptcp", "subflow", "udp", "raw", "unix", "packet"} {
		if kinds[k] == 0 {
			t.Errorf("no socket of the kind %s: %v", k, kinds)
		}
	}
	var n int
	for l := range strings.Lines(s.want(0, "sockets", "-tuxwM0", "-o", "jsonl", "-e")) {
		var r socketRecord
		s.Must(json.Unmarshal([]byte(l), &r))
		n++
	}
	if n != len(array) {
		t.Errorf("%d lines, %d in the array", n, len(array))
	}
	table, err := csv.NewReader(strings.NewReader(s.want(0, "sockets", "-tuxwM0", "-o", "csv"))).ReadAll()
	s.Must(err)
	if len(table) != 1+len(array)+kinds["subflow"] {
		t.Errorf("%d lines of CSV", len(table))
	}
	for _, format := range []string{"table", "wide"} {
		rows := strings.Split(strings.TrimSuffix(s.want(0, "sockets", "-tuxwM0", "-o", format), "\n"), "\n")
		if len(rows) != len(table) {
			t.Errorf("%s: %d lines, want %d", format, len(rows), len(table))
		}
		for _, r := range rows {
			if strings.HasSuffix(r, " ") {
				t.Errorf("%s: %q ends with a blank", format, r)
			}
		}
	}
	if out := s.want(0, "sockets", "-a"); !strings.Contains(out, "netlink  UNCONN") {
		t.Errorf("-a without netlink sockets:\n%s", out)
	}
	if out := s.want(0, "sockets", "-o", "json", "sport = :9"); out != "[]\n" {
		t.Errorf("%q", out)
	}
	info := s.want(0, "sockets", "--view", "ss", "-tin", "state", "established", "dport", "=", ":8766")
	for _, w := range []string{"wscale:", "rto:", "rtt:", "cwnd:10", "mss:"} {
		if !strings.Contains(info, w) {
			t.Errorf("ss -i does not say %s: %s", w, info)
		}
	}
}

func TestSocketsWaitFor(t *testing.T) {
	s := newStage(t)
	fd := s.Socket(unix.AF_INET, unix.SOCK_STREAM, 0)
	s.Must(unix.Bind(fd, v4(8765)))
	go func() {
		time.Sleep(200 * time.Millisecond)
		unix.Listen(fd, 1)
	}()
	if out := s.want(0, "sockets", "--wait-for", "state listening sport = :8765", "--timeout", "5s"); !strings.Contains(out, "LISTEN") {
		t.Errorf("%s", out)
	}
	_, errs, code := s.framescope("sockets", "--wait-for", "state listening sport = :8766", "--timeout", "100ms")
	if code != 1 || !strings.Contains(errs, "no socket matched in 100ms") {
		t.Errorf("exit %d: %s", code, errs)
	}
}

func TestSocketsSaveDiff(t *testing.T) {
	s := newStage(t)
	l := s.listen(v4(8765), 0)
	c, _ := s.pair(l, v4(8765), 0)
	gone := s.listen(v4(8766), 0)
	file := filepath.Join(t.TempDir(), "saved")
	if _, errs, code := s.framescope("sockets", "-t", "--save", file); code != 0 || !strings.Contains(errs, "4 sockets saved") {
		t.Fatalf("exit %d: %s", code, errs)
	}
	s.want(0, "sockets", "-t", "--diff", file)
	s.Close(gone)
	s.listen(v4(8767), 0)
	unix.Shutdown(c, unix.SHUT_WR)
	netnstest.Quiet(t, s.Netns)
	out := s.want(1, "sockets", "-t", "--diff", file)
	for _, w := range []string{"opened  tcp 127.0.0.1:8767 LISTEN", "closed  tcp 127.0.0.1:8766 LISTEN", "CLOSE_WAIT, was ESTABLISHED", "FIN_WAIT2, was ESTABLISHED"} {
		if !strings.Contains(out, w) {
			t.Errorf("it does not say %q:\n%s", w, out)
		}
	}
	if n := strings.Count(out, "\n"); n != 4 {
		t.Errorf("%d lines:\n%s", n, out)
	}
	// what was saved is what can be compared
	if _, errs, code := s.framescope("sockets", "-t", "--diff", file, "state", "listening"); code != 2 || !strings.Contains(errs, "sockets --tcp --diff ") {
		t.Errorf("exit %d: %s", code, errs)
	}
	var events []socketEvent
	s.Must(json.Unmarshal([]byte(s.want(1, "sockets", "-t", "--diff", file, "-o", "json")), &events))
	if len(events) != 4 {
		t.Errorf("%+v", events)
	}
	// a link stays one, what it shows keeps its mode; a FIFO is written to
	s.Must(os.Chmod(file, 0o644))
	link, fifo := file+".link", file+".fifo"
	s.Must(os.Symlink(file, link))
	s.Must(unix.Mkfifo(fifo, 0o600))
	if _, errs, code := s.framescope("sockets", "-t", "--save", link); code != 0 {
		t.Errorf("exit %d: %s", code, errs)
	}
	s.want(0, "sockets", "-t", "--diff", file)
	if i, err := os.Lstat(link); err != nil || i.Mode()&os.ModeSymlink == 0 {
		t.Errorf("%v %v", i, err)
	}
	if i, err := os.Lstat(file); err != nil || i.Mode() != 0o644 {
		t.Errorf("%v %v", i, err)
	}
	read := make(chan []byte)
	go func() {
		b, _ := os.ReadFile(fifo)
		read <- b
	}()
	if _, errs, code := s.framescope("sockets", "-t", "--save", fifo); code != 0 {
		t.Errorf("exit %d: %s", code, errs)
	}
	if b := <-read; !bytes.Contains(b, []byte("LISTEN")) {
		t.Errorf("%q", b)
	}
	if i, err := os.Lstat(fifo); err != nil || i.Mode()&os.ModeNamedPipe == 0 {
		t.Errorf("%v %v", i, err)
	}
	if left, _ := filepath.Glob(filepath.Join(filepath.Dir(file), ".framescope*")); len(left) != 0 {
		t.Errorf("%q", left)
	}
	for _, args := range []string{"--save x --diff y", "--wait-for autobound --watch", "--timeout 1s", "--watch -o csv", "--watch -o json", "--diff x -o csv", "--save="} {
		if out, _, code := s.framescope(append([]string{"sockets"}, strings.Fields(args)...)...); code != 2 {
			t.Errorf("%s: exit %d: %s", args, code, out)
		}
	}
	if _, errs, code := s.framescope("sockets", "--wait-for", ""); code != 2 || !strings.Contains(errs, "an expression is missing") {
		t.Errorf("exit %d: %s", code, errs)
	}
	s.Must(os.WriteFile(file, []byte("{}\n"), 0o600))
	if _, errs, code := s.framescope("sockets", "--diff", file); code != 2 || !strings.Contains(errs, "not a file of --save") {
		t.Errorf("exit %d: %s", code, errs)
	}
}

// A watchedStage is a stage whose sockets another process watches.
type watchedStage struct {
	*stage
	command *exec.Cmd
	events  chan socketEvent
	seen    []socketEvent
}

// watch starts a watch, and waits until it has looked once.
func (s *stage) watch(port int, args ...string) *watchedStage {
	s.TB.Helper()
	c := exec.Command("/proc/self/exe")
	c.Args = append([]string{"framescope", "sockets", "--watch"}, args...)
	c.Stderr = os.Stderr
	out, err := c.StdoutPipe()
	s.Must(err)
	s.Do(c.Start)
	w := &watchedStage{s, c, make(chan socketEvent), nil}
	s.TB.Cleanup(func() {
		_ = c.Process.Kill()
		for range w.events {
		}
		_ = c.Wait()
	})
	go func() {
		defer close(w.events)
		for d := json.NewDecoder(out); ; {
			var e socketEvent
			if err := d.Decode(&e); err != nil {
				if err != io.EOF {
					s.TB.Error(err)
				}
				return
			}
			w.events <- e
		}
	}()
	// What was there before the first look is not told.
	for end := time.Now().Add(time.Minute); time.Now().Before(end); port++ {
		s.listen(v4(port), 0)
		select {
		case e, ok := <-w.events:
			if !ok {
				s.TB.Fatal("the watch has ended")
			}
			w.seen = append(w.seen, e)
			return w
		case <-time.After(100 * time.Millisecond):
		}
	}
	s.TB.Fatal("the watch tells nothing")
	return nil
}

// until reads events until of both ends of the connection of a client the last
// one is such.
func (w *watchedStage) until(port uint16, client, server string) {
	w.TB.Helper()
	late := time.After(time.Minute)
	for {
		var is [2]string
		for _, e := range w.seen {
			is[0] = cmp.Or(e.of(e.Local, port), is[0])
			is[1] = cmp.Or(e.of(e.Peer, port), is[1])
		}
		if is == [2]string{client, server} {
			return
		}
		select {
		case e, ok := <-w.events:
			if !ok {
				w.TB.Fatalf("the watch has ended; the client was %q, the server %q", is[0], is[1])
			}
			w.seen = append(w.seen, e)
		case <-late:
			w.TB.Fatalf("the client is %q, the server %q; want %q and %q", is[0], is[1], client, server)
		}
	}
}

// of returns the state that e tells of, or "closed", if it is of the socket with
// that end.
func (e *socketEvent) of(end *socketEnd, port uint16) string {
	switch {
	case end == nil || end.Port != port:
		return ""
	case e.Event == "closed":
		return e.Event
	}
	return e.Socket.State
}

func TestSocketsWatch(t *testing.T) {
	s := newStage(t)
	l := s.listen(v4(8765), 0)
	port := func(fd int) uint16 {
		a, err := unix.Getsockname(fd)
		s.Must(err)
		return uint16(a.(*unix.SockaddrInet4).Port)
	}
	// The kernel tells of an end before the next look but one.
	w := s.watch(9000, "-t", "--interval", "250ms")
	c, srv := s.pair(l, v4(8765), 0)
	reset, rs := s.pair(l, v4(8765), 0)
	of, ofReset := port(c), port(reset)
	w.until(of, "ESTABLISHED", "ESTABLISHED")
	w.until(ofReset, "ESTABLISHED", "ESTABLISHED")
	unix.Write(c, []byte("hello"))
	unix.Shutdown(c, unix.SHUT_WR)
	w.until(of, "FIN_WAIT2", "CLOSE_WAIT")
	// one that is reset ends once, though its process closes it later
	s.Must(unix.SetsockoptLinger(reset, unix.SOL_SOCKET, unix.SO_LINGER, &unix.Linger{Onoff: 1}))
	s.Close(reset)
	w.until(ofReset, "closed", "closed")
	s.Close(rs)
	s.Close(srv)
	s.Close(c)
	w.until(of, "closed", "closed")
	s.Close(l)
	listener := func(e socketEvent) bool { return e.Event == "closed" && e.Peer == nil }
	for late := time.After(time.Minute); !slices.ContainsFunc(w.seen, listener); {
		select {
		case e, ok := <-w.events:
			if !ok {
				s.TB.Fatal("the watch has ended")
			}
			w.seen = append(w.seen, e)
		case <-late:
			s.TB.Fatal("the listener was not closed")
		}
	}
	s.Must(w.command.Process.Signal(os.Interrupt))
	for e := range w.events {
		w.seen = append(w.seen, e)
	}
	ends, opened, half := 0, 0, 0
	var last socketEvent
	for _, e := range w.seen {
		if e.Event == "closed" && e.of(e.Peer, ofReset) != "" {
			ends++
		}
		if e.Event == "opened" && e.Peer != nil && (e.Peer.Port == 8765 || e.Local.Port == 8765) {
			opened++
		}
		if e.Event == "changed" && e.From == "ESTABLISHED" && e.Socket.State == "CLOSE_WAIT" {
			half++
		}
		if listener(e) && e.TCP != nil {
			t.Errorf("TCP of a listener: %+v", e.TCP)
		}
		if e.Event == "closed" && e.TCP != nil && e.TCP.BytesRecv == 6 {
			last = e
		}
	}
	if ends != 1 {
		t.Errorf("a connection that was reset ended %d times", ends)
	}
	if opened != 4 || half != 1 {
		t.Errorf("%d were opened, %d half closed: %+v", opened, half, w.seen)
	}
	// the end comes with what was counted, and whose it was is known from before
	if len(last.Process) != 1 || last.Process[0].PID != os.Getpid() {
		t.Errorf("the end of the server's side: %+v, of %+v", last, w.seen)
	}
}

// A screen has lines that fit, and what one look has to say is not said again by
// the next.
func TestSocketsWatchScreen(t *testing.T) {
	s := newStage(t)
	x := s.Socket(unix.AF_UNIX, unix.SOCK_STREAM, 0)
	s.Must(unix.Bind(x, &unix.SockaddrUnix{Name: "@" + strings.Repeat("名前", 15)}))
	s.Must(unix.Listen(x, 4))
	out, err := os.Create(filepath.Join(t.TempDir(), "out"))
	s.Must(err)
	defer out.Close()
	t.Setenv("COLUMNS", "60")
	f := &socketsFlags{std: stdio{os.Stdin, out, out}, unix: true, format: "table", view: "framescope", netns: fmt.Sprintf("/proc/self/fd/%d", s.Netns.Fd())}
	f.noOwner = true
	w := &watch{f: f, known: map[socketKey]*watched{}, told: map[socketKey]struct{}{}, live: true}
	f.notes = []string{"of the look before"}
	s.Must(w.look())
	if len(f.notes) != 0 {
		t.Errorf("%q", f.notes)
	}
	b, err := os.ReadFile(out.Name())
	s.Must(err)
	if !utf8.Valid(b) || !bytes.Contains(b, []byte("名前")) {
		t.Errorf("%q", b)
	}
	for l := range strings.Lines(string(b)) {
		if strings.Contains(l, "名") && (len([]rune(l)) >= 60 || !strings.HasSuffix(l, "...\n")) {
			t.Errorf("%q", l)
		}
	}
}

// --netns all finds a namespace that no process is in, by its name, with the
// interfaces that are there.
func TestSocketsNamespaces(t *testing.T) {
	if os.Getuid() != 0 {
		t.Skip("a network namespace needs CAP_SYS_ADMIN")
	}
	name := fmt.Sprintf("fs-sockets-%d", os.Getpid())
	if out, err := exec.Command("ip", "netns", "add", name).CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	defer exec.Command("ip", "netns", "delete", name).Run()
	ns, err := netns.Open(name)
	if err != nil {
		t.Fatal(err)
	}
	defer ns.Close()
	s := &stage{netnstest.NewStage(t, ns)}
	netnstest.Up(t, ns, "lo")
	fd := s.listen(v4(8765), 0)
	defer s.Close(fd)
	s.Must(unix.BindToDevice(fd, "lo"))
	file := filepath.Join(t.TempDir(), "out")
	out, err := os.Create(file)
	s.Must(err)
	defer out.Close()
	if code := run([]string{"sockets", "-t", "--netns", "all", "sport = :8765"}, stdio{os.Stdin, out, out}); code != 0 {
		t.Errorf("exit %d", code)
	}
	b, err := os.ReadFile(file)
	s.Must(err)
	want := fmt.Sprintf("%s tcp LISTEN 0 16 127.0.0.1%%lo:8765 0.0.0.0:* framescope.test %d/%d", name, os.Getpid(), fd)
	if got := lines(string(b), nil); !slices.Contains(got, want) {
		t.Errorf("%q, want %q", got, want)
	}
}

// Few rows are in order: listeners first, by port.
func TestSocketsOrder(t *testing.T) {
	s := newStage(t)
	l := s.listen(v4(9000), 0)
	s.pair(l, v4(9000), 0)
	s.listen(v4(8000), 0)
	s.listen(v4(8500), 0)
	for _, flags := range []string{"--owner", "--no-owner"} {
		var ports []string
		for l := range strings.Lines(s.want(0, "sockets", "-t", flags)) {
			_, port, _ := strings.Cut(strings.Fields(l)[4], ":")
			ports = append(ports, port)
		}
		if got := strings.Join(ports[:5], " "); got != " 8000 8500 9000 9000" {
			t.Errorf("%s: %s", flags, got)
		}
	}
}

func TestSocketsKill(t *testing.T) {
	s := newStage(t)
	l := s.listen(v4(8765), 0)
	c, _ := s.pair(l, v4(8765), 0)
	_, errs, code := s.framescope("sockets", "--kill", "--yes")
	if code != 2 || !strings.Contains(errs, "say which sockets") {
		t.Errorf("exit %d: %s", code, errs)
	}
	if _, errs, code = s.framescope("sockets", "--kill", "dport = :8765"); code != 2 || !strings.Contains(errs, "with --yes nothing is asked") {
		t.Errorf("exit %d: %s", code, errs)
	}
	out, errs, code := s.framescope("sockets", "--kill", "--yes", "dport = :8765")
	if code != 0 || !strings.Contains(out, "ESTABLISHED") || !strings.Contains(errs, "1 socket was ended") {
		t.Errorf("exit %d: %s%s", code, out, errs)
	}
	if _, err := unix.Read(c, make([]byte, 1)); err != unix.ECONNABORTED {
		t.Errorf("the owner reads: %v", err)
	}
	bound := s.Socket(unix.AF_INET, unix.SOCK_STREAM, 0)
	s.Must(unix.Bind(bound, v4(8766)))
	if _, errs, code = s.framescope("sockets", "--kill", "--yes", "state bound-inactive sport = :8766"); code != 1 || !strings.Contains(errs, "1 socket cannot be ended: they are bound only") {
		t.Errorf("exit %d: %s", code, errs)
	}
	udp := s.Socket(unix.AF_INET, unix.SOCK_DGRAM, 0)
	s.Must(unix.Bind(udp, v4(8767)))
	if _, errs, code = s.framescope("sockets", "--kill", "--yes", "-u", "sport = :8767"); code != 0 || !strings.Contains(errs, "0 sockets were ended, 1 of UDP got ECONNABORTED") {
		t.Errorf("exit %d: %s", code, errs)
	}
	wait := s.listen(v4(8768), 0)
	s.Must(unix.Connect(s.Socket(unix.AF_INET, unix.SOCK_STREAM, 0), v4(8768)))
	if _, errs, code = s.framescope("sockets", "--kill", "--yes", "state listening sport = :8768"); code != 0 || !strings.Contains(errs, "1 connection waits at the listeners") {
		t.Errorf("exit %d: %s", code, errs)
	}
	s.Close(wait)
	if _, errs, code = s.framescope("sockets", "--kill", "--yes", "dport = :8765"); code != 1 || !strings.Contains(errs, "no socket matches") {
		t.Errorf("exit %d: %s", code, errs)
	}
}

// What a process calls itself cannot do anything to a terminal.
func TestSocketsHostileName(t *testing.T) {
	s := newStage(t)
	path := filepath.Join(t.TempDir(), "a\x1b[31m\u202e\u009bb")
	x := s.Socket(unix.AF_UNIX, unix.SOCK_STREAM, 0)
	s.Must(unix.Bind(x, &unix.SockaddrUnix{Name: path}))
	s.Must(unix.Listen(x, 4))
	comm, err := os.ReadFile("/proc/self/comm")
	s.Must(err)
	s.Must(os.WriteFile("/proc/self/comm", []byte("e\x1b[31m\xff\n\u009bvil"), 0))
	defer os.WriteFile("/proc/self/comm", bytes.TrimSpace(comm), 0)
	s.listen(v4(8765), 0)
	for _, args := range []string{
		"-a", "-a -o wide", "-a -o json", "-a -o jsonl", "-a -o csv", "--view ss -anp", "--view netstat -anp", "--view lsof -tux", "port 8765", "port 8765 -o json",
	} {
		out := s.want(0, append([]string{"sockets"}, strings.Fields(args)...)...)
		if i := strings.IndexFunc(out, func(r rune) bool { return r != '\n' && r < ' ' || r == 0x7f || r == 0xfffd || r == 0x202e || r == 0x9b }); i >= 0 && !strings.Contains(args, "json") {
			t.Errorf("%s: %q", args, out[max(0, i-20):min(len(out), i+20)])
		}
		if strings.ContainsAny(out, "\x1b\u202e\u009b") {
			t.Errorf("%s: %q", args, out)
		}
	}
}

// A plain user sees every socket, and is told once what is missing.
func TestSocketsPlainUser(t *testing.T) {
	s := newStage(t)
	s.listen(v4(8765), 0)
	plain := func(args ...string) (string, string, int) {
		c := exec.Command("/proc/self/exe")
		c.Args = append([]string{"framescope", "sockets"}, args...)
		c.Dir = "/"
		c.Env = append(os.Environ(), "GOCOVERDIR=/tmp")
		c.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: 65534, Gid: 65534}}
		var out, errs bytes.Buffer
		c.Stdout, c.Stderr = &out, &errs
		s.Do(c.Start)
		_ = c.Wait()
		return out.String(), errs.String(), c.ProcessState.ExitCode()
	}
	out, errs, code := plain()
	if code != 0 || !strings.Contains(out, "tcp    LISTEN       0      16  127.0.0.1:8765") || strings.Contains(out, "framescope.test") {
		t.Errorf("exit %d:\n%s%s", code, out, errs)
	}
	if strings.Count(errs, "\n") != 1 || !strings.Contains(errs, "1 socket without a process") || !strings.Contains(errs, "sudo shows them") {
		t.Errorf("%q", errs)
	}
	if out, errs, code = plain("--no-owner"); code != 0 || errs != "" || !strings.Contains(out, "LISTEN") {
		t.Errorf("exit %d:\n%s%s", code, out, errs)
	}
	if out, errs, code = plain("diagnose"); code != 0 || errs != "" || out != "nothing is wrong with the sockets here\n" {
		t.Errorf("exit %d:\n%s%s", code, out, errs)
	}
	if out, _, code = plain("port", "8765"); code != 0 || !strings.Contains(out, "a process of another user: sudo shows it, user root") {
		t.Errorf("exit %d:\n%s", code, out)
	}
	if _, errs, code = plain("--netns", "1"); code != 3 || !strings.Contains(errs, "try: sudo framescope sockets --netns 1") {
		t.Errorf("exit %d: %s", code, errs)
	}
	s.Do(func() error { return os.WriteFile("/proc/sys/net/ipv4/ip_unprivileged_port_start", []byte("1024"), 0) })
	s.listen(v4(80), 0)
	if out, _, code = plain("port", "80"); code != 0 || !strings.Contains(out, "ip_unprivileged_port_start, and another socket has it\n") || !strings.Contains(out, "not permitted") {
		t.Errorf("exit %d:\n%s", code, out)
	}
	if out, _, code = plain("port", "80", "-o", "json"); code != 0 || !strings.Contains(out, `"cause":"privileged"`) {
		t.Errorf("exit %d:\n%s", code, out)
	}
}

// lsof's -i is taken out of the flags, whatever it is glued to.
func TestInternetFlags(t *testing.T) {
	for _, tt := range []struct{ args, internet, rest string }{
		{"-i :80", ":80", ""}, {"-i:80", ":80", ""}, {"-iTCP", "TCP", ""}, {"-iTCP:80 -n", "TCP:80", "-n"}, {"-ni:80", ":80", "-n"}, {"-i 4tcp@127.0.0.1:80", "4tcp@127.0.0.1:80", ""},
		{"-ti", "", "-ti"}, {"-i", "", "-i"}, {"-tin state established", "", "-tin state established"}, {"-i state established", "", "-i state established"},
		{"-i -n", "", "-i -n"}, {"-i udp -i6", "udp 6", ""}, {"-o wide -i", "", "-o wide -i"}, {"--info", "", "--info"},
		{"--save -i:80", "", "--save -i:80"}, {"--diff -i", "", "--diff -i"}, {"-to -i:80", "", "-to -i:80"}, {"--save=-i:80 -i:81", ":81", "--save=-i:80"}, {"-sTCP:LISTEN -iTCP", "TCP", "-sTCP:LISTEN"}, {"-- -i:80", "", "-- -i:80"}, {"-owide", "", "-owide"},
	} {
		var f socketsFlags
		rest := internetFlags(strings.Fields(tt.args), &f)
		if !slices.Equal(f.internet, strings.Fields(tt.internet)) || !slices.Equal(rest, strings.Fields(tt.rest)) {
			t.Errorf("%s: %q and %q, want %q and %q", tt.args, f.internet, rest, tt.internet, tt.rest)
		}
	}
}

// Rows of a table cost no memory.
func TestSocketsTableAllocs(t *testing.T) {
	s := newStage(t)
	l := s.listen(v4(8765), 0)
	count := func() float64 {
		return testing.AllocsPerRun(3, func() { s.want(0, "sockets", "-t", "--no-owner") })
	}
	for range 300 { // more than are put in order
		s.pair(l, v4(8765), 0)
	}
	few := count()
	for range 300 {
		s.pair(l, v4(8765), 0)
	}
	if many := count(); many > few+100 {
		t.Errorf("%v allocations for 601 sockets, %v for 1201", few, many)
	}
}
