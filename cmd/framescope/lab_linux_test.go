package main

import (
	"bufio"
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"framescope/capture/netns"
	"framescope/capture/netns/netnstest"
)

// labUsers are those who can make a lab: root, root in a user namespace, and
// anybody where user namespaces are allowed.
var labUsers = map[string][]string{
	"root":    {},
	"unshare": {"unshare", "-rn"},
	"plain":   {"setpriv", "--reuid=65534", "--regid=65534", "--clear-groups"},
}

// labCommand is `framescope lab` as one of labUsers runs it.
func labCommand(t *testing.T, dir, user string, args ...string) *exec.Cmd {
	t.Helper()
	line := append(append([]string{}, labUsers[user]...), filepath.Join(dir, "framescope"), "lab")
	line = append(line, args...)
	c := exec.Command(line[0], line[1:]...)
	c.Dir = dir
	c.Env = append(os.Environ(), "COLUMNS=80", "FS="+filepath.Join(dir, "framescope"))
	return c
}

func TestLabRun(t *testing.T) {
	asRoot(t, "CAP_SYS_ADMIN")
	need(t, "unshare", "setpriv", "ip", "sh")
	dir := openFolder(t)
	for _, tt := range []struct {
		name     string
		args     []string
		out, err string
		code     int
	}{
		{"hosts", []string{"run", "--host", "server", "--", "sh", "-c", "echo $FRAMESCOPE_LAB_HOST $FRAMESCOPE_LAB_CLIENT_ADDR_2; ip -o addr show dev s2"}, "server 10.77.2.1\n", "", 0},
		{"endpoints", []string{"run", "--links", "3", "--", "sh", "-c", "exec $FS mptcp endpoint -o ip"}, "10.77.3.1 id 3 subflow dev c3", "", 0},
		{"many links", []string{"run", "--links", "8", "--", "sh", "-c", "$FS mptcp endpoint -o ip | wc -l"}, "8\n", "", 0},
		{"seven links", []string{"run", "--links", "7", "--", "sh", "-c", "$FS mptcp endpoint -o ip | wc -l"}, "8\n", "", 0},
		{"one link", []string{"run", "--links", "1", "--", "sh", "-c", "$FS mptcp endpoint -o ip | wc -l"}, "0\n", "", 0},
		{"bare", []string{"run", "--bare", "--", "sh", "-c", "$FS mptcp endpoint; $FS mptcp limits"}, "add_addr_accepted 0 subflows 2", "", 0},
		{"rate", []string{"run", "--rate", "10mbit", "--routed", "--", "ip", "route"}, "default via 10.77.1.2 dev c1", "", 0},
		{"another namespace", []string{"run", "--", "sh", "-c", "$FS mptcp limits --netns $FRAMESCOPE_LAB_SERVER_NETNS"}, "add_addr_accepted 8 subflows 8", "", 0},
		{"scenario", []string{"run", "--scenario", "c_limit_server", "--host=server", "--", "sh", "-c", "echo $FRAMESCOPE_LAB_SCENARIO; $FS mptcp counters -o jsonl"}, `"name":"MPTcpExtMPJoinRejected","value":1`, "", 0},
		{"status", []string{"run", "--", "sh", "-c", "exit 7"}, "", "", 7},
		{"killed", []string{"run", "--", "sh", "-c", "kill -USR1 $$"}, "", "", 128 + int(syscall.SIGUSR1)},
		{"flags of the command", []string{"run", "sh", "-c", "echo $0 $*", "--links", "x"}, "--links x\n", "", 0},
		{"no such command", []string{"run", "--", "no-such-command"}, "", `framescope: lab run: exec: "no-such-command": executable file not found`, 2},
		{"no such host", []string{"run", "--host", "router", "--", "true"}, "", `framescope: --host "router": expected client, server`, 2},
	} {
		for user := range labUsers {
			t.Run(tt.name+"/"+user, func(t *testing.T) {
				t.Parallel()
				c := labCommand(t, dir, user, tt.args...)
				var out, words bytes.Buffer
				c.Stdout, c.Stderr = &out, &words
				if err := c.Run(); err != nil && c.ProcessState == nil {
					t.Fatal(err)
				}
				code := c.ProcessState.ExitCode()
				if code != tt.code || !strings.Contains(out.String(), tt.out) || !strings.Contains(words.String(), tt.err) || tt.err == "" && words.Len() > 0 {
					t.Errorf("exit status %d, want %d\n%s\nwant %s\n%s\nwant %s", code, tt.code, &out, tt.out, &words, tt.err)
				}
			})
		}
	}
}

// Ctrl-C on the terminal comes to the command once, also if its standard input is
// no terminal; a SIGINT to framescope alone is passed on.
func TestLabInterrupt(t *testing.T) {
	asRoot(t, "CAP_SYS_ADMIN")
	need(t, "node")
	dir := openFolder(t)
	const script = `let n = 0; process.on("SIGINT", () => { if (++n == 1) setTimeout(() => { console.log("interrupted", n); process.exit(0) }, 300) }); setInterval(() => {}, 1000); console.log("ready")`
	for _, key := range []bool{true, false} {
		term, err := os.OpenFile("/dev/ptmx", os.O_RDWR|unix.O_NOCTTY, 0)
		if err != nil {
			t.Fatal(err)
		}
		defer term.Close()
		number, err := unix.IoctlGetInt(int(term.Fd()), unix.TIOCGPTN)
		if err == nil {
			err = unix.IoctlSetPointerInt(int(term.Fd()), unix.TIOCSPTLCK, 0)
		}
		if err != nil {
			t.Fatal(err)
		}
		line, err := os.OpenFile(fmt.Sprintf("/dev/pts/%d", number), os.O_RDWR|unix.O_NOCTTY, 0)
		if err != nil {
			t.Fatal(err)
		}
		c := labCommand(t, dir, "root", "run", "--", "node", "-e", script)
		if key {
			c.SysProcAttr = &syscall.SysProcAttr{Setsid: true, Setctty: true, Ctty: 3}
			c.ExtraFiles = []*os.File{line}
		}
		out, err := c.StdoutPipe()
		if err == nil {
			err = c.Start()
		}
		line.Close()
		if err != nil {
			t.Fatal(err)
		}
		hang := time.AfterFunc(time.Minute, func() { c.Process.Kill() })
		said := bufio.NewScanner(out)
		for said.Scan() && said.Text() != "ready" {
		}
		if key {
			_, err = term.WriteString("\x03")
		} else {
			err = c.Process.Signal(syscall.SIGINT)
		}
		said.Scan()
		if got := said.Text(); err != nil || got != "interrupted 1" {
			t.Errorf("key %v: %v, %q", key, err, got)
		}
		c.Wait()
		hang.Stop()
	}
}

// Without the right to make namespaces, exit status 3 and what would help.
func TestLabRefused(t *testing.T) {
	asRoot(t, "CAP_SYS_ADMIN")
	need(t, "unshare", "sh")
	c := exec.Command("unshare", "-r", "sh", "-c", "echo 0 >/proc/sys/user/max_net_namespaces && exec $FS lab run -- true")
	c.Env = append(os.Environ(), "FS="+filepath.Join(openFolder(t), "framescope"))
	out, _ := c.CombinedOutput()
	if code := c.ProcessState.ExitCode(); code == 0 || code == 1 || !strings.HasPrefix(string(out), "framescope: lab: ") {
		t.Errorf("exit status %d: %s", code, out)
	}
}

// However a lab ends, its processes end, and the kernel forgets its namespaces.
func TestLabLeavesNothing(t *testing.T) {
	asRoot(t, "CAP_SYS_ADMIN")
	need(t, "unshare", "setpriv", "ip", "sleep")
	dir := openFolder(t)
	watcher := netnstest.NewWatcher(t)
	for user := range labUsers {
		for signal, want := range map[syscall.Signal]int{syscall.SIGINT: 0, syscall.SIGTERM: 0, syscall.SIGKILL: -1} {
			name := user + ", " + signal.String()
			c := labCommand(t, dir, user, "up", "ok_rate", "-o", "json")
			out, err := c.StdoutPipe()
			if err == nil {
				err = c.Start()
			}
			if err != nil {
				t.Fatal(err)
			}
			line, err := bufio.NewReader(out).ReadBytes('\n')
			var lab jsonLab
			if err == nil {
				err = json.Unmarshal(line, &lab)
			}
			if err != nil || len(lab.Hosts) != 2 || lab.Hosts[0].Interfaces[1].Addr != "10.77.2.1/24" {
				t.Fatalf("%s: %v: %s", name, err, line)
			}
			for _, h := range lab.Hosts {
				host, err := netns.Open("/proc/" + h.Netns + "/ns/net")
				if err != nil {
					t.Fatal(err)
				}
				watcher.Watch(host)
				host.Close()
			}
			if left := watcher.Left(); len(left) != len(lab.Hosts) {
				t.Fatalf("%s: %d", name, left)
			}
			// What was said of entering is right.
			addrs, err := exec.Command(lab.Hosts[1].Enter[0], append(lab.Hosts[1].Enter[1:], "ip", "-o", "addr")...).Output()
			if err != nil || !strings.Contains(string(addrs), "10.77.1.2/24") {
				t.Errorf("%s: %v: %v: %s", name, lab.Hosts[1].Enter, err, addrs)
			}
			if err := c.Process.Signal(signal); err != nil {
				t.Error(err)
			}
			// Whoever had standard output is gone.
			_, _ = io.Copy(io.Discard, out)
			_ = c.Wait()
			if code := c.ProcessState.ExitCode(); code != want {
				t.Errorf("%s: exit status %d, want %d", name, code, want)
			}
			for end := time.Now().Add(10 * time.Second); len(watcher.Left()) > 0; time.Sleep(20 * time.Millisecond) {
				if time.Now().After(end) {
					t.Fatalf("%s: namespaces are still there: %d", name, watcher.Left())
				}
			}
		}
		// What a command has started ends, too, wherever it hid.
		for _, end := range []syscall.Signal{0, syscall.SIGTERM, syscall.SIGKILL} {
			script := "setsid sleep 1000 & echo; wait"
			if end == 0 {
				script = "setsid sleep 1000 & echo"
			}
			c := labCommand(t, dir, user, "run", "--", "sh", "-c", script)
			out, err := c.StdoutPipe()
			if err == nil {
				err = c.Start()
			}
			if err == nil {
				_, err = io.ReadFull(out, make([]byte, 1))
			}
			if err == nil && end != 0 {
				err = c.Process.Signal(end)
			}
			if err != nil {
				t.Fatal(err)
			}
			gone := make(chan bool)
			go func() { _, _ = io.Copy(io.Discard, out); close(gone) }()
			select {
			case <-gone:
			case <-time.After(10 * time.Second):
				t.Errorf("%s: after %v something has standard output still", user, end)
			}
			_ = c.Wait()
		}
	}
}

func TestBitRate(t *testing.T) {
	for in, want := range map[string]bitRate{"10mbit": 10e6, "1.5gbit": 1.5e9, "500kbit/s": 500e3, "8000": 8000, "64kbps": 0, "20Mbps": 0, "20M": 20e6, "1": 0, "NaNmbit": 0, "-1gbit": 0, "bit": 0, "": 0, "1e300": 0} {
		var r bitRate
		err := r.Set(in)
		if r != want || (err == nil) != (want != 0) {
			t.Errorf("%q: %d, %v, want %d", in, r, err, want)
		}
	}
	r := bitRate(10e6)
	if r.String() != "10mbit" {
		t.Error(r.String())
	}
}
