package main

import (
	"bytes"
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// need skips a test where a program is not there.
func need(t *testing.T, programs ...string) {
	t.Helper()
	for _, p := range programs {
		if _, err := exec.LookPath(p); err != nil {
			t.Skipf("%s is not in PATH", p)
		}
	}
}

// asRoot skips a test that needs a right of root.
func asRoot(t *testing.T, capability string) {
	t.Helper()
	if os.Geteuid() != 0 {
		t.Skipf("needs %s", capability)
	}
}

// openFolder makes a folder that every user may use, with the command and what belongs
// to it.
func openFolder(t *testing.T) string {
	t.Helper()
	dir, err := os.MkdirTemp("", "framescope")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	exe, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(dir, 0o777); err != nil {
		t.Fatal(err)
	}
	// The test binary is the command when it is called by its name. A copy that
	// is written here could be busy when it is run: a child that another test
	// starts meanwhile has it open, too.
	if out, err := exec.Command("cp", exe, filepath.Join(dir, "framescope")).CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	if err := os.Chmod(filepath.Join(dir, "framescope"), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.CopyFS(filepath.Join(dir, "live"), os.DirFS("testdata/live")); err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(filepath.Join(dir, "live"), 0o755); err != nil {
		t.Fatal(err)
	}
	return dir
}

// Who runs a command: root in a namespace that it made, or somebody without any
// rights in user and network namespaces of their own.
var users = map[string][]string{
	"root":  {"unshare", "-n"},
	"plain": {"setpriv", "--reuid=65534", "--regid=65534", "--clear-groups", "unshare", "-rn"},
}

// records reads JSON lines, each as a string without what says where it comes
// from, in an order that does not depend on who came first.
func records(t *testing.T, b []byte) (all []string) {
	t.Helper()
	for line := range bytes.Lines(b) {
		var r map[string]any
		if err := json.Unmarshal(line, &r); err != nil {
			t.Fatalf("%v: %s", err, line)
		}
		delete(r, "file")
		out, _ := json.Marshal(r)
		all = append(all, string(out))
	}
	slices.Sort(all)
	return all
}

// What is captured live is what decoding the written file gives, and all of it.
func TestLive(t *testing.T) {
	asRoot(t, "CAP_SYS_ADMIN")
	need(t, "unshare", "setpriv", "ip", "node", "curl", "/usr/bin/python3")
	for _, lib := range []string{"/usr/share/nodejs/ws", "/usr/lib/python3/dist-packages/websockets"} {
		if _, err := os.Stat(lib); err != nil {
			t.Skip(err)
		}
	}
	for who, as := range users {
		t.Run(who, func(t *testing.T) {
			t.Parallel()
			dir := openFolder(t)
			cmd := exec.Command(as[0], append(as[1:], "sh", "session.sh", "--select", "all")...)
			cmd.Dir = filepath.Join(dir, "live")
			out := filepath.Join(dir, "out")
			if err := os.Mkdir(out, 0o777); err != nil {
				t.Fatal(err)
			}
			if err := os.Chmod(out, 0o777); err != nil {
				t.Fatal(err)
			}
			cmd.Env = append(os.Environ(), "FS="+filepath.Join(dir, "framescope"), "OUT="+out, "HOME="+dir)
			text, err := cmd.CombinedOutput()
			words, _ := os.ReadFile(filepath.Join(out, "live.err"))
			if err != nil {
				t.Fatalf("%v: %s\n%s", err, text, words)
			}
			file := filepath.Join(out, "live.pcapng")
			live, got := sameLive(t, filepath.Join(out, "live.jsonl"),
				exec.Command(filepath.Join(dir, "framescope"), "decode", "-o", "jsonl", "--payload", "sha256", "--select", "all", file))
			sum := summaryOf(t, live)
			for name, want := range map[string]float64{
				"connections": 6, "ws_sessions": 5, "ws_failed": 1, "missing_bytes": 0, "undecoded_bytes": 0, "dropped_packets": 0,
				// 2 clients of ws, 6 and 3 messages with their echoes; websockets: 3 and 3
				"ws_messages": 24,
			} {
				if sum[name] != want {
					t.Errorf("summary: %s is %v, want %v", name, sum[name], want)
				}
			}
			// Each packet once: nothing looks like a retransmission.
			for _, r := range got {
				if strings.Contains(r, `"type":"conn"`) && !strings.Contains(r, `"retransmitted_bytes":0`) {
					t.Errorf("packets came twice: %s", r)
				}
			}
			tshark(t, file, int(sum["packets"].(float64)))
		})
	}
}

// sameLive compares what was printed live, which a file has, with what a command
// prints of the packets that were written.
func sameLive(t *testing.T, printed string, decode *exec.Cmd) (live []byte, got []string) {
	t.Helper()
	decoded, err := decode.Output()
	if err != nil {
		t.Fatal(err)
	}
	if live, err = os.ReadFile(printed); err != nil {
		t.Fatal(err)
	}
	got = records(t, live)
	want := records(t, decoded)
	if !slices.Equal(got, want) {
		for i := range min(len(got), len(want)) {
			if got[i] != want[i] {
				t.Errorf("live: %s\nfile: %s", got[i], want[i])
				break
			}
		}
		t.Errorf("%d records live, %d of the file", len(got), len(want))
	}
	return live, got
}

// summaryOf returns the summary among JSON lines.
func summaryOf(t *testing.T, b []byte) map[string]any {
	t.Helper()
	for line := range bytes.Lines(b) {
		var r struct {
			Type    string
			Summary map[string]any
		}
		if json.Unmarshal(line, &r) == nil && r.Type == "summary" {
			return r.Summary
		}
	}
	t.Fatalf("no summary in %s", b)
	return nil
}

// tshark checks that others read a file that was written.
func tshark(t *testing.T, file string, packets int) {
	t.Helper()
	need(t, "tshark", "capinfos")
	out, err := exec.Command("tshark", "-n", "-r", file, "-T", "fields", "-e", "frame.number").Output()
	if n := bytes.Count(out, []byte("\n")); err != nil || n != packets {
		t.Errorf("tshark: %v, %d packets, want %d", err, n, packets)
	}
	if out, err := exec.Command("capinfos", file).CombinedOutput(); err != nil {
		t.Errorf("capinfos: %v: %s", err, out)
	}
}

// shell runs a script as one of users: see shellAs.
func shell(t *testing.T, who, script string) (stdout, stderr string, code int) {
	t.Helper()
	return shellAs(t, users[who], script)
}

// shellAs runs a script in a namespace of its own, which the command as makes,
// with framescope as $FS, and returns what it printed and its exit status.
func shellAs(t *testing.T, as []string, script string) (stdout, stderr string, code int) {
	t.Helper()
	dir := openFolder(t)
	args := append([]string{"--kill-after=5", "40"}, as...)
	cmd := exec.Command("timeout", append(args, "bash", "-c", "ip link set lo up\n"+script)...)
	cmd.Dir = filepath.Join(dir, "live")
	cmd.Env = append(os.Environ(), "FS="+filepath.Join(dir, "framescope"), "OUT="+dir, "HOME="+dir, "COLUMNS=80")
	var out, words bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &words
	err := cmd.Run()
	if err != nil && cmd.ProcessState == nil {
		t.Fatal(err)
	}
	return out.String(), words.String(), cmd.ProcessState.ExitCode()
}

// capturing begins a capture in the background and waits until it has begun;
// udp sends packets.
const capturing = `
capture() {
  $FS capture -i lo "$@" 2>$OUT/err &
  pid=$!
  for _ in $(seq 200); do grep -q 'capturing on' $OUT/err && break; sleep 0.02; done
}
udp() { for i in $(seq $1); do echo "number $i" >/dev/udp/127.0.0.1/9999; done; }
`

// What ends a capture, and its exit status.
func TestCaptureEnds(t *testing.T) {
	asRoot(t, "CAP_SYS_ADMIN")
	need(t, "unshare", "setpriv", "ip", "bash", "curl")
	for _, tt := range []struct {
		name, script, out, err string
		code                   int
	}{
		{"count", "capture --count 3 -o jsonl --select summary udp port 9999; udp 10; wait $pid", `"packets":3,`, "", 0},
		{"for", "capture --for 300ms -o jsonl --select summary udp port 9999; udp 10; wait $pid", `"packets":10,`, "", 0},
		{"interrupt", "capture -o jsonl --select summary udp port 9999; udp 10; kill -INT $pid; wait $pid", `"packets":10,`, "", 0},
		{"term", "capture -o jsonl --select summary udp port 9999; udp 10; kill -TERM $pid; wait $pid", `"packets":10,`, "", 0},
		{"until", "capture --until 'packet.length == 9' --for 20s -o jsonl --select summary; wait $pid; s=$?; cat $OUT/err >&2; exit $s", "", "there is no field", 2},
		{"until matches", "capture --until 'type == packet && packet.protocol == udp' --for 20s -o jsonl --select summary; udp 10; wait $pid", `"type":"summary"`, "", 0},
		{"until does not match", "capture --until 'type == packet && packet.protocol == tcp' --for 300ms -o jsonl --select summary udp port 9999; udp 10; wait $pid; s=$?; cat $OUT/err >&2; exit $s",
			`"packets":10,`, "no record matched --until", 1},
		{"fail-on", "capture --fail-on 'type == packet && packet.protocol == udp' --for 20s -o jsonl --select summary; udp 10; wait $pid; s=$?; cat $OUT/err >&2; exit $s",
			`"type":"summary"`, "packet 1, U1, packet matched --fail-on", 1},
		{"fail-on does not match", "capture --fail-on 'websocket.bytes > 1' --for 300ms -o jsonl --select summary udp port 9999; udp 10; wait $pid", `"packets":10,`, "", 0},
		{"twice the same interface", "capture -i lo -o jsonl --select summary udp port 9999; udp 10; kill -INT $pid; wait $pid", `"packets":10,`, "", 0},
		{"write", "capture -w $OUT/x.pcapng udp port 9999; udp 10; kill -INT $pid; wait $pid; s=$?; cat $OUT/err >&2; $FS decode -o jsonl --select summary $OUT/x.pcapng; exit $s",
			`"packets":10,`, "10 packets, ", 0},
		{"standard output", "$FS capture -q -i lo -w - --for 700ms udp port 9999 | $FS decode -o jsonl --select summary - & sleep 0.3; udp 10; wait", `"packets":10,`, "", 0},
		{"standard output and records", "$FS capture -i lo -w - -o jsonl", "", "records cannot go there, too", 2},
		{"no such interface", "$FS capture -i nope0", "", "nope0: there is no such interface; there are: lo, any", 2},
		{"no such namespace", "$FS capture --netns nope0", "", "network namespace nope0: open: /run/netns/nope0: no such file", 2},
		{"hangup", "capture -w $OUT/x.pcapng udp port 9999; udp 10; kill -HUP $pid; wait $pid; s=$?; $FS decode -o jsonl --select summary $OUT/x.pcapng; exit $s", `"packets":10,`, "", 0},
		{"behind", "capture -o jsonl --select summary udp port 9999; kill -STOP $pid; udp 300; kill -INT $pid; sleep 0.2; kill -CONT $pid; wait $pid", `"packets":300,`, "", 0},
		{"reader goes", "$FS capture -i lo -w $OUT/x.pcapng --print -o jsonl --select packet --for 1s udp port 9999 2>$OUT/err | head -n 1 >/dev/null & sleep 0.4; udp 5; sleep 0.2; udp 10; sleep 0.1; udp 5; wait; cat $OUT/err >&2; $FS decode -o jsonl --select summary $OUT/x.pcapng",
			`"truncated":false`, "broken pipe", 0},
		{"fifo for a namespace", "mkfifo $OUT/f; $FS capture --netns $OUT/f", "", "it is not a namespace", 2},
		{"bad filter", "$FS capture -i lo tcp prt 80", "", "prt", 2},
		{"filter of records", "$FS capture -i lo 'websocket.opcode == close'", "", "give it with -Y 'websocket.opcode == close'", 2},
		{"filter that matches nothing", "$FS capture -i lo 'ip6 and tcp[tcpflags] & tcp-syn != 0'", "", "no packet can match it", 2},
	} {
		for who := range users {
			t.Run(tt.name+"/"+who, func(t *testing.T) {
				t.Parallel()
				stdout, stderr, code := shell(t, who, capturing+tt.script)
				if code != tt.code || !strings.Contains(stdout, tt.out) || !strings.Contains(stderr, tt.err) {
					t.Errorf("exit status %d, want %d\n%s\n%s", code, tt.code, stdout, stderr)
				}
			})
		}
	}
}

// Without any right there is a hint for each way to get it, and status 3.
func TestCaptureRefused(t *testing.T) {
	asRoot(t, "CAP_SETUID")
	need(t, "setpriv")
	dir := openFolder(t)
	plain := func(args ...string) (string, int) {
		cmd := exec.Command("setpriv", append([]string{"--reuid=65534", "--regid=65534", "--clear-groups", filepath.Join(dir, "framescope")}, args...)...)
		cmd.Dir = dir
		out, _ := cmd.CombinedOutput()
		return string(out), cmd.ProcessState.ExitCode()
	}
	for _, tt := range []struct {
		args []string
		want []string
	}{
		{[]string{"capture", "-i", "lo"}, []string{"lo: socket: operation not permitted", "sudo " + filepath.Join(dir, "framescope") + " capture -i lo", "setcap cap_net_raw+ep framescope", "--cap-add NET_RAW", "framescope demo"}},
		{[]string{"capture", "--netns", "/proc/1/ns/net"}, []string{"network namespace /proc/1/ns/net: ", "permi", "sudo framescope capture --netns /proc/1/ns/net"}},
		{[]string{"capture", "-i", "lo", "-w", "/root/x.pcapng"}, []string{"not permitted"}},
	} {
		out, code := plain(tt.args...)
		for _, want := range tt.want {
			if !strings.Contains(out, want) {
				t.Errorf("%q: %s\nwant %s", tt.args, out, want)
			}
		}
		if code != exitRefused {
			t.Errorf("%q: exit status %d: %s", tt.args, code, out)
		}
	}
}

// Where interfaces are in another namespace, --netns captures there.
func TestCaptureNetns(t *testing.T) {
	asRoot(t, "CAP_SYS_ADMIN")
	need(t, "unshare", "ip", "bash")
	stdout, stderr, code := shell(t, "root", capturing+`
unshare -n bash -c 'ip link set lo up; echo $$ >$OUT/there; for i in $(seq 100); do echo "there $i" >/dev/udp/127.0.0.1/9999; sleep 0.02; done' &
for _ in $(seq 100); do [ -s $OUT/there ] && break; sleep 0.02; done
udp 5
capture --netns $(cat $OUT/there) --count 5 -o jsonl --select summary udp port 9999
udp 5
wait $pid`)
	if code != 0 || !strings.Contains(stdout, `"packets":5,"bytes":`) || strings.Contains(stderr, "error") {
		t.Errorf("exit status %d\n%s\n%s", code, stdout, stderr)
	}
}

// demo shows its sessions wherever it runs.
func TestDemo(t *testing.T) {
	asRoot(t, "CAP_SETUID")
	need(t, "setpriv", "unshare")
	dir := openFolder(t)
	fs := filepath.Join(dir, "framescope")
	plain := []string{"setpriv", "--reuid=65534", "--regid=65534", "--clear-groups"}
	for _, tt := range []struct {
		name string
		cmd  []string
		says string
	}{
		{"root", []string{fs}, "capturing on lo"},
		{"plain", append(slices.Clone(plain), fs), "capturing on lo"},
		{"nothing", append(slices.Clone(plain), "bash", "-c", `unshare -r bash -c 'echo 0 >/proc/sys/user/max_user_namespaces; exec setpriv --bounding-set=-all --inh-caps=-all --ambient-caps=-all "$0" "$@"' "$0" "$@"`, fs), "this is a recording"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			cmd := exec.Command(tt.cmd[0], append(tt.cmd[1:], "demo", "-o", "jsonl")...)
			cmd.Dir = dir
			var out, words bytes.Buffer
			cmd.Stdout, cmd.Stderr = &out, &words
			if err := cmd.Run(); err != nil || !strings.Contains(words.String(), tt.says) {
				t.Fatalf("%v: %s", err, words.String())
			}
			sum := summaryOf(t, out.Bytes())
			for name, want := range map[string]float64{
				"connections": 3, "ws_sessions": 2, "ws_failed": 1, "ws_messages": 13, "missing_bytes": 0, "undecoded_bytes": 0, "dropped_packets": 0,
			} {
				if sum[name] != want {
					t.Errorf("summary: %s is %v, want %v", name, sum[name], want)
				}
			}
			for _, id := range []string{"message-too-big", "proxy-strips-upgrade"} {
				if !strings.Contains(out.String(), `"id":"`+id+`"`) {
					t.Errorf("no finding %s", id)
				}
			}
		})
	}
}

// doctor finds what is there and what is not.
func TestDoctor(t *testing.T) {
	asRoot(t, "CAP_SETUID")
	need(t, "setpriv")
	dir := openFolder(t)
	fs := filepath.Join(dir, "framescope")
	for _, tt := range []struct {
		name string
		as   []string
		want map[string]string
		fail string
	}{
		{"root", nil, map[string]string{"decode": "yes", "capture": "yes", "netns": "yes", "endpoints": "yes", "owners": "yes"}, ""},
		{
			"plain", []string{"setpriv", "--reuid=65534", "--regid=65534", "--clear-groups"},
			map[string]string{"decode": "yes", "capture": "no", "netns": "no", "endpoints": "limited", "owners": "limited"}, "capture",
		},
	} {
		t.Run(tt.name, func(t *testing.T) {
			args := append(slices.Clone(tt.as), fs, "doctor", "-o", "json")
			cmd := exec.Command(args[0], args[1:]...)
			cmd.Dir = dir
			out, err := cmd.Output()
			if err != nil {
				t.Fatal(err)
			}
			var got struct{ Checks []diagnosis }
			if err := json.Unmarshal(out, &got); err != nil {
				t.Fatal(err)
			}
			seen := map[string]string{}
			for _, d := range got.Checks {
				seen[d.Name] = d.State
				if d.State != "yes" && len(d.Fix) == 0 {
					t.Errorf("%s is %s, and there is no fix", d.Name, d.State)
				}
			}
			for name, want := range tt.want {
				if seen[name] != want {
					t.Errorf("%s: %s, want %s", name, seen[name], want)
				}
			}
			args = append(slices.Clone(tt.as), fs, "doctor", "--require", "decode,capture")
			cmd = exec.Command(args[0], args[1:]...)
			cmd.Dir = dir
			text, err := cmd.CombinedOutput()
			if code := cmd.ProcessState.ExitCode(); (code == exitFailed) != (tt.fail != "") || tt.fail != "" && !strings.Contains(string(text), tt.fail+" does not work here") {
				t.Errorf("--require: %v: %s", err, text)
			}
		})
	}
}
