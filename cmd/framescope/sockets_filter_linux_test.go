package main

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

// Every field that a filter may name selects sockets that have it, and those
// only.
func TestSocketsFilter(t *testing.T) {
	s := newStage(t)
	me := os.Getpid()
	l := s.listen(v4(8765), 0)
	c, _ := s.pair(l, v4(8765), 0)
	s.Must(unix.SetsockoptInt(c, unix.SOL_SOCKET, unix.SO_KEEPALIVE, 1))
	_, err := unix.Write(c, make([]byte, 5000))
	s.Must(err)
	u := s.Socket(unix.AF_UNIX, unix.SOCK_DGRAM, 0)
	s.Must(unix.Bind(u, &unix.SockaddrUnix{Name: "\x00framescope"}))
	d := s.Socket(unix.AF_INET6, unix.SOCK_DGRAM, 0)
	s.Must(unix.Bind(d, v6(9000)))
	s.Must(unix.Bind(s.Socket(unix.AF_INET, unix.SOCK_STREAM, 0), v4(9005)))
	states := func(args ...string) string {
		var all []string
		for line := range strings.Lines(s.want(0, append([]string{"sockets", "-a", "-o", "jsonl"}, args...)...)) {
			var r socketRecord
			s.Must(json.Unmarshal([]byte(line), &r))
			where := ""
			if r.Local != nil {
				where = r.Local.Path
				if r.Local.Port != 0 {
					where = fmt.Sprint(r.Local.Port)
				}
			}
			if r.Local != nil && r.Local.Port != 8765 && r.Peer != nil && r.Peer.Port == 8765 {
				where = "client"
			}
			all = append(all, r.Socket.State+" "+where)
		}
		slices.Sort(all)
		return strings.Join(all, ", ")
	}
	const server, client, listener, udp, path = "ESTABLISHED 8765", "ESTABLISHED client", "LISTEN 8765", "UNCONN 9000", "UNCONN @framescope"
	for _, tt := range []struct{ expr, want string }{
		{"socket.recv_q == 5000", server},
		{"socket.recv_q >= 4k and process.name == framescope.test", server},
		{"local.port == 8765", server + ", " + listener},
		{"peer.port == 8765", client},
		{"peer.ip == 127.0.0.1 and local.ip in 127.0.0.0/8", server + ", " + client},
		{"not peer.ip and network.transport == tcp", "BOUND 9005, " + listener},
		{"network.type == ipv6", udp},
		{"local.path == @framescope", path},
		{fmt.Sprintf("process.pid == %d and network.transport in {udp unix}", me), udp + ", " + path},
		{"process.pid == 1", ""},
		{"socket.state == LISTEN or local.port and socket.type == dgram and socket.drops == 0", listener + ", " + udp},
		{"tcp.bytes_sent >= 5000 and tcp.rtt_ms < 1s and tcp.cwnd > 0", client},
		{"tcp.bytes_received > 0 and user.id == " + fmt.Sprint(os.Getuid()), server},
		{"socket.timer == keepalive and socket.expires_ms > 1m", client},
		{"type == socket and local.port == 9000", udp},
		{"socket.state == established and local.port == 8765", server},
		{"socket.state in {fin-wait-1 close-wait time_wait}", ""},
		{"socket.state == bound", "BOUND 9005"},
	} {
		if got := states("-Y", tt.expr); got != tt.want {
			t.Errorf("%s: %q, want %q", tt.expr, got, tt.want)
		}
	}
	for _, args := range [][]string{{"-tY", "socket.state == BOUND"}, {"-a"}, {"state", "bound"}, {"state", "BOUND_INACTIVE"}} {
		if out := s.want(0, append([]string{"sockets"}, args...)...); !strings.Contains(out, "BOUND") || !strings.Contains(out, ":9005 ") {
			t.Errorf("%q: %s", args, out)
		}
	}
	if out, errs, code := s.framescope("sockets", "-i", ":1"); code != 0 || strings.Count(out, "\n") != 1 || errs != "framescope: no socket matches\n" {
		t.Errorf("exit %d, %q, %q", code, out, errs)
	}
	if _, errs, _ := s.framescope("sockets", "-mr"); !strings.Contains(errs, "-m changes nothing") || !strings.Contains(errs, "-r changes nothing") {
		t.Errorf("%q", errs)
	}
	if out := s.want(0, "sockets"); strings.Contains(out, ":9005 ") {
		t.Errorf("%s", out)
	}
	if got := states("-tY", "local.port == 8765", "state", "established"); got != server {
		t.Errorf("with EXPR: %q", got)
	}
	table := lines(s.want(0, "sockets", "-Y", "process.name == framescope.test and local.port == 9000"), nil)
	if len(table) != 2 || !strings.HasPrefix(table[1], "udp UNCONN 0 0 [::1]:9000 ") {
		t.Errorf("%q", table)
	}
	for _, tt := range []struct{ expr, want string }{
		{"websocket.code == 1000", "websocket.code is no field of socket, but of ws_close"},
		{"socket.recv_q > 1 or port == 9003", "port is no field of socket, but of "},
		{"port == 9003", "\n  port == 9003\n  ^^^^\n  sockets have local.port, which is this end's, and peer.port"},
		{"source.ip == 127.0.0.1", "sockets have local.ip"},
		{"dns", "did you mean network.protocol == dns?"},
		{"socket.recvq > 1", "did you mean socket.recv_q?"},
		{"tcp.rtt_ms == often", "often"},
		{"socket.state == listening", "it is one of LISTEN, "},
	} {
		if _, errs, code := s.framescope("sockets", "-Y", tt.expr); code != exitUsage || !strings.Contains(errs, tt.want) {
			t.Errorf("%s: exit %d, %s", tt.expr, code, errs)
		}
	}
	if _, errs, code := s.framescope("sockets", "--no-owner", "-Y", "process.pid == 1"); code != exitUsage || !strings.Contains(errs, "--no-owner") {
		t.Errorf("exit %d, %s", code, errs)
	}

	// What was saved with a filter is compared with the same only.
	saved := filepath.Join(t.TempDir(), "saved")
	if _, errs, code := s.framescope("sockets", "-Y", "local.port == 9000", "--save", saved); code != 0 || !strings.Contains(errs, "1 socket saved") {
		t.Errorf("exit %d, %s", code, errs)
	}
	s.want(0, "sockets", "-Y", "local.port == 9000", "--diff", saved)
	if _, errs, code := s.framescope("sockets", "--diff", saved); code != exitUsage || !strings.Contains(errs, "-Y 'local.port == 9000'") {
		t.Errorf("exit %d, %s", code, errs)
	}

	// A filter is enough for --kill to know which.
	if out, errs, code := s.framescope("sockets", "--kill", "--yes", "-Y", "peer.port == 8765"); code != 0 || !strings.Contains(out+errs, "1 socket") {
		t.Errorf("exit %d, %s%s", code, out, errs)
	}
	if got := states("-Y", "peer.port == 8765"); got != "" {
		t.Errorf("still there: %s", got)
	}
}
