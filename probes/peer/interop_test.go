package peer

import (
	"bufio"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"testing"
	"time"

	"framescope/decode/websocket"
)

// A language is a WebSocket library that others have written.
type language struct {
	name, suffix, debian string
	command              []string
	probe                []string // shows that the library is there
}

var languages = []language{
	{"node ws", ".js", "node-ws", []string{"node"}, []string{"-e", "require('ws')"}},
	{"python websockets", ".py", "python3-websockets", []string{"/usr/bin/python3", "-u"}, []string{"-c", "import websockets"}},
}

func (l language) run(ctx context.Context, args ...string) *exec.Cmd {
	args = append(l.command[1:len(l.command):len(l.command)], args...)
	cmd := exec.CommandContext(ctx, l.command[0], args...)
	cmd.Env = append(os.Environ(), "NODE_PATH=/usr/share/nodejs", "PYTHONIOENCODING=utf-8")
	return cmd
}

func (l language) need(t *testing.T) {
	t.Helper()
	if out, err := l.run(ctx10(t), l.probe...).CombinedOutput(); err != nil {
		t.Skipf("%s is not here (Debian package %s): %v %s", l.name, l.debian, err, out)
	}
}

// Clients of others with our server.
func TestTheirClients(t *testing.T) {
	big := make([]byte, 1<<20)
	for i := range big {
		big[i] = byte(i * i >> 7)
	}
	line := func(kind string, data []byte) string {
		h := sha256.Sum256(data)
		return fmt.Sprintf("%s %d %x", kind, len(data), h[:4])
	}
	for _, l := range languages {
		for _, deflate := range []bool{false, true} {
			t.Run(fmt.Sprintf("%s deflate=%v", l.name, deflate), func(t *testing.T) {
				l.need(t)
				addr := serve(t, &Server{Deflate: true, Subprotocols: []string{"chat"}})
				out, err := l.run(ctx10(t), "testdata/client"+l.suffix, "ws://"+addr+"/test", strconv.FormatBool(deflate)).CombinedOutput()
				if err != nil {
					t.Fatalf("%v: %s", err, out)
				}
				extension := "-"
				if deflate {
					extension = "permessage-deflate"
					if l.suffix == ".py" {
						extension += "; server_max_window_bits=10"
					}
				}
				want := []string{"open chat " + extension, line("text", []byte("Grüße")), line("text", nil), line("binary", big),
					line("text", []byte(hex.EncodeToString(big))), line("text", []byte("in two"))}
				if l.suffix == ".js" { // which sends the ping inside the last message, and bad UTF-8 in the end
					want = append(want[:5:5], "pong now", want[5], "close 4001 bye",
						"close 1007 what is at offset 1 of the message is no UTF-8")
				} else {
					want = append(want, "pong now", "close 4001 bye")
				}
				got := strings.Split(strings.TrimRight(string(out), "\n"), "\n")
				for i := range max(len(got), len(want)) {
					if i >= len(got) || i >= len(want) || !strings.HasPrefix(got[i], want[i]) {
						t.Fatalf("line %d of\n%s\nwant\n%s", i+1, out, strings.Join(want, "\n"))
					}
				}
			})
		}
	}
}

// Our client with servers of others.
func TestTheirServers(t *testing.T) {
	for _, l := range languages {
		for _, deflate := range []bool{false, true} {
			t.Run(fmt.Sprintf("%s deflate=%v", l.name, deflate), func(t *testing.T) {
				l.need(t)
				addr := listening(t, l, deflate)
				config := &ClientConfig{Deflate: true, Subprotocols: []string{"chat"}}
				c := dial(t, addr, config)
				if c.Deflate() != deflate || c.Subprotocol() != "chat" {
					t.Errorf("agreed to deflate %v, subprotocol %q", c.Deflate(), c.Subprotocol())
				}
				echoAll(t, c)
				if err := c.Close(ctx10(t), 4001, "bye"); err != nil {
					t.Errorf("Close: %v", err)
				}
				theyEnd(t, addr, config)
			})
		}
	}
}

// listening starts a server in another language and returns its address.
func listening(t *testing.T, l language, deflate bool) string {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
	cmd := l.run(ctx, "testdata/server"+l.suffix, strconv.FormatBool(deflate))
	cmd.Stderr = os.Stderr
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		cancel()
		cmd.Wait()
	})
	line, err := bufio.NewReader(out).ReadString('\n')
	if err != nil {
		t.Fatalf("%s: no port: %v", l.name, err)
	}
	return "127.0.0.1:" + strings.TrimSpace(line)
}

// theyEnd has the server end sessions in several ways.
func theyEnd(t *testing.T, addr string, config *ClientConfig) {
	t.Helper()
	for _, tt := range []struct {
		name, path string
		send       []byte
		kind       websocket.Opcode
		code, or   uint16
	}{
		{"a server that closes", "/close", nil, 0, 4002, 0},
		{"bad UTF-8", "/", []byte("a\xff"), websocket.Text, 1007, 0},
		// node ws 8.11 resets its inflater while that is at work: the rest of the
		// message may then make no sense to it.
		{"a message that is too big", "/", make([]byte, 3<<20), websocket.Binary, 1009, 1007},
	} {
		c, err := Dial(ctx10(t), "ws://"+addr+tt.path, config)
		if err != nil {
			t.Fatal(err)
		}
		if tt.kind != 0 {
			_ = c.Write(ctx10(t), tt.kind, tt.send) // the server may close before it has read all
		}
		_, err = c.Read(ctx10(t))
		var end *CloseError
		if !errors.As(err, &end) || end.Code != tt.code && end.Code != tt.or || !end.Peer {
			t.Errorf("%s: %v, want %d", tt.name, err, tt.code)
		}
		_ = c.Close(ctx10(t), 1000, "")
	}
	c, err := Dial(ctx10(t), "ws://"+addr+"/ping", config)
	if err != nil {
		t.Fatal(err)
	}
	// The pong to their ping goes before the echo comes back.
	if err := c.Write(ctx10(t), websocket.Text, []byte("x")); err != nil {
		t.Fatal(err)
	}
	if m, err := c.Read(ctx10(t)); err != nil || string(m.Data) != "x" {
		t.Errorf("behind a ping: %q, %v", m.Data, err)
	}
	if err := c.Close(ctx10(t), 1000, ""); err != nil {
		t.Errorf("behind a ping: Close: %v", err)
	}
}

func TestCurl(t *testing.T) {
	if _, err := exec.LookPath("curl"); err != nil {
		t.Skip("curl is not here (Debian package curl)")
	}
	addr := serve(t, &Server{})
	run := func(args ...string) string {
		out, _ := exec.CommandContext(ctx10(t), "curl", append([]string{"--silent", "--include", "--no-buffer", "--max-time", "0.3", "http://" + addr + "/"}, args...)...).Output()
		return string(out)
	}
	if got := run(); !strings.HasPrefix(got, "HTTP/1.1 426 Upgrade Required\r\n") || !strings.Contains(got, "This is a WebSocket echo server") {
		t.Errorf("a plain GET: %q", got)
	}
	fields := []string{"-H", "Connection: Upgrade", "-H", "Upgrade: websocket", "-H", "Sec-WebSocket-Version: 13"}
	if got := run(append(fields, "-H", "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==")...); !strings.HasPrefix(got, "HTTP/1.1 101 Switching Protocols\r\n") || !strings.Contains(got, "Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n") {
		t.Errorf("an upgrade: %q", got)
	}
	if got := run(fields...); !strings.HasPrefix(got, "HTTP/1.1 400 Bad Request\r\n") || !strings.Contains(got, "no Sec-WebSocket-Key field") {
		t.Errorf("without a key: %q", got)
	}
	if got := run("-d", "hi"); !strings.HasPrefix(got, "HTTP/1.1 405 Method Not Allowed\r\n") {
		t.Errorf("a POST: %q", got)
	}
}
