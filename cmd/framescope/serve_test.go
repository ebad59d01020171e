package main

import (
	"bufio"
	"bytes"
	"encoding/json"
	"net"
	"os"
	"os/exec"
	"regexp"
	"runtime"
	"strings"
	"testing"
	"time"

	"framescope/decode/websocket"
	"framescope/probes/peer"
)

// serving runs `framescope serve echo` while f uses it, ends it by Ctrl-C, and
// returns what it wrote.
func serving(t *testing.T, f func(addr, greeting string), args ...string) (out string) {
	t.Helper()
	if runtime.GOOS == "windows" {
		t.Skip("a test cannot send Ctrl-C on windows")
	}
	cmd := exec.Command("framescope", append([]string{"serve", "echo"}, args...)...)
	var stdout bytes.Buffer
	cmd.Stdout = &stdout
	pipe, err := cmd.StderrPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	hang := time.AfterFunc(20*time.Second, func() { cmd.Process.Kill() })
	defer hang.Stop()
	words := bufio.NewReader(pipe)
	greeting, err := words.ReadString('\n')
	addr := regexp.MustCompile(`ws://([^/]+)/`).FindStringSubmatch(greeting)
	if err != nil || addr == nil {
		cmd.Process.Kill()
		t.Fatalf("it says %q, %v", greeting, err)
	}
	f(addr[1], greeting)
	cmd.Process.Signal(os.Interrupt)
	if err := cmd.Wait(); err != nil {
		t.Errorf("Ctrl-C: %v", err)
	}
	return stdout.String()
}

func TestServeEcho(t *testing.T) {
	use := func(addr, _ string) {
		c, err := peer.Dial(t.Context(), "ws://"+addr+"/a?b\u202e", &peer.ClientConfig{Deflate: true, Subprotocols: []string{"x", "chat"}})
		if err != nil {
			t.Fatal(err)
		}
		if err := c.Write(t.Context(), websocket.Text, []byte("hello")); err != nil {
			t.Fatal(err)
		}
		if m, err := c.Read(t.Context()); err != nil || string(m.Data) != "hello" {
			t.Errorf("%q, %v", m.Data, err)
		}
		if err := c.Close(t.Context(), 4000, "tea\x1b[31m\u202e"); err != nil {
			t.Error(err)
		}
		conn, err := net.Dial("tcp", addr)
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close()
		conn.Write([]byte("GET /\x1b[1m HTTP/1.1\r\nHost: x\r\n\r\n"))
		conn.Read(make([]byte, 1))
		if _, err = peer.Dial(t.Context(), "ws://"+addr+"/open", nil); err != nil {
			t.Fatal(err)
		}
	}
	args := []string{"--listen", "127.0.0.1:0", "--subprotocol", "chat", "--max-message", "1K"}
	var got []string
	for line := range strings.Lines(serving(t, use, args...)) {
		line = regexp.MustCompile(`^\d\d:\d\d:\d\d\.\d{3}`).ReplaceAllString(line, "TIME")
		line = regexp.MustCompile(`127\.0\.0\.1:\d+`).ReplaceAllString(line, "ADDR")
		got = append(got, regexp.MustCompile(`after [0-9.]+m?s`).ReplaceAllString(line, "after D"))
	}
	want := []string{
		"TIME  C1  ADDR  opened   /a?b\\u202e   subprotocol chat   permessage-deflate\n",
		"TIME  C1  ADDR  closed   after D   by client, 4000 \"tea\\x1b[31m\\u202e\"   1 message, 5 B\n",
		"TIME  C2  ADDR  refused  400: this is not HTTP\n",
		"TIME  C3  ADDR  opened   /open\n",
		"TIME  C3  ADDR  closed   after D   by server, 1001 \"the server is being stopped\"   0 messages, 0 B\n",
	}
	if strings.Join(got, "") != strings.Join(want, "") {
		t.Errorf("got\n%swant\n%s", strings.Join(got, ""), strings.Join(want, ""))
	}

	for i, line := range strings.Split(strings.TrimSpace(serving(t, use, append(args, "-o", "jsonl", "--no-deflate")...)), "\n") {
		var o struct {
			Type, TS, Conn string
			Source         struct{ IP string }
			WebSocket      struct {
				Subprotocol, Reason string
				Extensions          []string
				Code                int
				EndedBy             string `json:"ended_by"`
				Bytes               int
			}
		}
		if err := json.Unmarshal([]byte(line), &o); err != nil {
			t.Fatalf("%q: %v", line, err)
		}
		if strings.ContainsAny(line, "\x1b\u202e") {
			t.Errorf("%q: hidden characters", line)
		}
		if _, err := time.Parse(time.RFC3339Nano, o.TS); err != nil || o.Source.IP != "127.0.0.1" {
			t.Errorf("%q: %v", line, err)
		}
		w := o.WebSocket
		switch {
		case i == 0 && (o.Type != "opened" || o.Conn != "C1" || w.Subprotocol != "chat" || len(w.Extensions) != 0),
			i == 1 && (o.Type != "closed" || w.Code != 4000 || w.EndedBy != "client" || w.Reason != "tea\x1b[31m\u202e" || w.Bytes != 5),
			i == 2 && o.Type != "refused", i == 4 && (w.Code != 1001 || w.EndedBy != "server"), i > 4:
			t.Errorf("line %d: %s", i+1, line)
		}
	}
}

func TestServeListen(t *testing.T) {
	serving(t, func(addr, greeting string) {
		if greeting != "listening on ws://"+addr+"/\n" || !strings.HasPrefix(addr, "127.0.0.1:") {
			t.Errorf("greeting %q", greeting)
		}
		out, err := exec.Command("framescope", "serve", "echo", "--listen", addr).CombinedOutput()
		if code := err.(*exec.ExitError).ExitCode(); code != exitUsage || !strings.Contains(string(out), "something else listens there") ||
			!strings.Contains(string(out), "framescope serve echo --listen 127.0.0.1:0\n") {
			t.Errorf("address in use: %d %s", code, out)
		}
	}, "--listen", "0")
	serving(t, func(addr, greeting string) {
		if greeting != "listening on ws://"+addr+"/ and all other addresses of this machine\n" {
			t.Errorf("greeting %q", greeting)
		}
	}, "--listen", ":0")
	serving(t, func(addr, greeting string) {
		c, err := peer.Dial(t.Context(), "ws://"+addr, &peer.ClientConfig{MPTCP: true})
		if err != nil {
			t.Fatal(err)
		}
		if c.Multipath() != strings.Contains(greeting, "(MPTCP)") {
			t.Errorf("greeting %q, but MPTCP is %v", greeting, c.Multipath())
		}
		c.Close(t.Context(), 1000, "")
	}, "--listen", "127.0.0.1:0", "--mptcp")
}
