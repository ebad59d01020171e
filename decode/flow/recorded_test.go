package flow_test

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"framescope/capture/capturetest"
	"framescope/decode/flow"
)

// A manifest is what an independent decoder said of the recordings.
type manifest struct {
	Scenarios []scenario `json:"scenarios"`
}

type scenario struct {
	File         string          `json:"file"`
	Name         string          `json:"name"`
	Class        string          `json:"failure_class"`
	Expected     json.RawMessage `json:"expected"`
	Connections  []connection    `json:"connections"`
	TsharkFrames map[string]map[string]int64
}

type connection struct {
	Client   string            `json:"client"`
	Server   string            `json:"server"`
	Line     string            `json:"request_line"`
	Status   string            `json:"status_line"`
	Response map[string]string `json:"response"`
	Accept   *bool             `json:"accept_ok"`
	C2S      *side             `json:"c2s"`
	S2C      *side             `json:"s2c"`
	End      []string          `json:"tcp_end"`
	Bytes    []int64           `json:"bytes"`
}

type side struct {
	Frames   map[string]int64 `json:"frames"`
	Messages []struct {
		Op         string `json:"op"`
		Len        int64  `json:"len"`
		Wire       int64  `json:"wire_len"`
		Fragments  int64  `json:"fragments"`
		Compressed bool   `json:"compressed"`
		SHA256     string `json:"sha256"`
	} `json:"messages"`
	Close *struct {
		Code   *int64 `json:"code"`
		Reason string `json:"reason"`
		Len    int64  `json:"payload_len"`
	} `json:"close"`
}

func readManifest(t *testing.T) manifest {
	t.Helper()
	b, err := os.ReadFile(capturetest.Testdata(t, "ws", "manifest.json"))
	if err != nil {
		t.Fatal(err)
	}
	var m manifest
	if err := json.Unmarshal(b, &m); err != nil {
		t.Fatal(err)
	}
	return m
}

// manifestName is what the manifest calls an opcode.
func manifestName(op string) string {
	if op == "continuation" {
		return "cont"
	}
	return op
}

// frames counts frames by opcode.
func (r *result) frames(conn, direction string) map[string]int64 {
	n := map[string]int64{}
	for _, f := range r.of("ws_frame", conn) {
		if f["direction"] == direction {
			n[manifestName(text(get(f, "websocket", "opcode")))]++
		}
	}
	return n
}

// check compares one direction of a connection with the manifest.
func (w *side) check(t *testing.T, r *result, conn, direction string) {
	t.Helper()
	if got := r.frames(conn, direction); fmt.Sprint(got) != fmt.Sprint(w.Frames) {
		t.Errorf("%s %s frames: got %v, want %v", conn, direction, got, w.Frames)
	}
	var messages []map[string]any
	for _, m := range r.of("ws_message", conn) {
		if m["direction"] == direction && get(m, "websocket", "complete") != false {
			messages = append(messages, m)
		}
	}
	if len(messages) != len(w.Messages) {
		t.Errorf("%s %s: got %d messages, want %d", conn, direction, len(messages), len(w.Messages))
		return
	}
	for i, want := range w.Messages {
		m := messages[i]["websocket"].(map[string]any)
		compressed, _ := m["compressed"].(bool)
		if text(m["opcode"]) != want.Op || number(m["bytes"]) != want.Len || number(m["wire_bytes"]) != want.Wire ||
			number(m["frames"]) != want.Fragments || compressed != want.Compressed || !strings.HasPrefix(text(m["sha256"]), want.SHA256) {
			t.Errorf("%s %s message %d: got %v, want %+v", conn, direction, i, m, want)
		}
	}
	var closes []map[string]any
	for _, m := range r.of("ws_close", conn) {
		if m["direction"] == direction {
			closes = append(closes, m)
		}
	}
	switch {
	case w.Close == nil:
		for _, c := range closes {
			if get(c, "websocket", "code") != nil {
				t.Errorf("%s %s: close %v, want none with a code", conn, direction, c)
			}
		}
	case len(closes) == 0:
		t.Errorf("%s %s: no close, want %+v", conn, direction, *w.Close)
	default:
		code, has := get(closes[0], "websocket", "code").(float64)
		want := int64(1005)
		if w.Close.Code != nil {
			want = *w.Close.Code
		}
		if w.Close.Len == 1 {
			if has {
				t.Errorf("%s %s: close code %v, want none", conn, direction, code)
			}
		} else if int64(code) != want || text(get(closes[0], "websocket", "reason")) != w.Close.Reason {
			t.Errorf("%s %s: close %v, want %d %q", conn, direction, closes[0], want, w.Close.Reason)
		}
	}
}

// checkOffsets checks that the frames of a direction follow each other without a
// hole, up to the end of the stream.
func (r *result) checkOffsets(t *testing.T, conn, direction string, size int64) {
	t.Helper()
	at := int64(-1)
	for _, f := range r.of("ws_frame", conn) {
		w := f["websocket"].(map[string]any)
		if f["direction"] != direction {
			continue
		}
		off, n := number(w["offset"]), number(w["bytes"])
		if at >= 0 && off != at {
			t.Errorf("%s %s: a frame at offset %d, want %d", conn, direction, off, at)
		}
		if w["ended"] == true {
			n = number(w["captured_bytes"])
		}
		head := int64(2)
		switch {
		case number(w["bytes"]) > 65535:
			head = 10
		case number(w["bytes"]) > 125:
			head = 4
		}
		if w["masked"] == true {
			head += 4
		}
		at = off + head + n
	}
	if at >= 0 && at != size {
		t.Errorf("%s %s: the last frame ends at offset %d, want %d", conn, direction, at, size)
	}
}

// Every recording agrees with its manifest: frames by opcode and direction,
// messages by their digest, close codes, the verdict on Sec-WebSocket-Accept.
func TestRecorded(t *testing.T) {
	for _, sc := range readManifest(t).Scenarios {
		t.Run(sc.Name, func(t *testing.T) {
			r := decode(t, load(t, capturetest.Testdata(t, "ws", sc.File)), nil)
			switch sc.Name {
			case "a01_autobahn_1_7", "x05_snaplen96", "x12_one_direction":
				return // tested below
			case "x04_capture_gap":
				var want struct {
					S2C map[string]int64 `json:"s2c_frames"`
					C2S map[string]int64 `json:"c2s_frames"`
				}
				if err := json.Unmarshal(sc.Expected, &want); err != nil {
					t.Fatal(err)
				}
				if c, s := r.frames("C1", "client"), r.frames("C1", "server"); fmt.Sprint(c) != fmt.Sprint(want.C2S) || fmt.Sprint(s) != fmt.Sprint(want.S2C) {
					t.Errorf("frames: got %v and %v, want %v and %v", c, s, want.C2S, want.S2C)
				}
				if r.summary.Missing != 42 || r.summary.Undecoded != 0 {
					t.Errorf("missing %d, undecoded %d bytes, want 42 and 0", r.summary.Missing, r.summary.Undecoded)
				}
				return
			}
			if got := int(r.summary.Connections); got != len(sc.Connections) {
				t.Fatalf("got %d connections, want %d", got, len(sc.Connections))
			}
			for i, want := range sc.Connections {
				conn := fmt.Sprintf("C%d", i+1)
				for dir, side := range map[string]*side{"client": want.C2S, "server": want.S2C} {
					if side != nil {
						side.check(t, r, conn, dir)
					} else if n := r.frames(conn, dir); len(n) != 0 {
						t.Errorf("%s %s: frames %v, want none", conn, dir, n)
					}
				}
				r.checkOffsets(t, conn, "client", want.Bytes[0])
				r.checkOffsets(t, conn, "server", want.Bytes[1])
				if want.Accept != nil {
					hs := r.of("ws_handshake", conn)
					if len(hs) != 1 {
						t.Fatalf("%s: %d handshakes, want one", conn, len(hs))
					}
					if got := get(hs[0], "websocket", "accept_ok"); got != *want.Accept {
						t.Errorf("%s: accept_ok %v, want %v", conn, got, *want.Accept)
					}
				}
			}
		})
	}
}

// The 246 cases of Autobahn's sections 1 to 7, each on a connection of its own.
func TestAutobahn(t *testing.T) {
	b, err := os.ReadFile(capturetest.Testdata(t, "ws", "a01_autobahn_1_7.expect.json"))
	if err != nil {
		t.Fatal(err)
	}
	var cases []struct {
		Case      string  `json:"case"`
		Path      string  `json:"path"`
		Violation *string `json:"violation"`
		Client    []int   `json:"client_opcodes"` // without the close frame at the end
		Frames    int     `json:"client_frames"`
		Server    struct {
			Opcodes []int  `json:"opcodes"`
			Code    *int64 `json:"close_code"`
		} `json:"server_reaction"`
	}
	if err := json.Unmarshal(b, &cases); err != nil {
		t.Fatal(err)
	}
	r := decode(t, load(t, capturetest.Testdata(t, "ws", "a01_autobahn_1_7.pcap")), nil)
	conns := map[string]string{}
	for _, h := range r.of("ws_handshake", "") {
		conns[text(get(h, "http", "request", "target"))] = text(h["conn"])
		if get(h, "websocket", "accept_ok") != true {
			t.Errorf("%v: accept_ok is not true", h["conn"])
		}
	}
	numbers := map[string]int{"continuation": 0, "text": 1, "binary": 2, "close": 8, "ping": 9, "pong": 10}
	opcodes := func(conn, dir string) (ops []int, issues map[string]bool) {
		issues = map[string]bool{}
		for _, f := range r.of("ws_frame", conn) {
			if f["direction"] != dir {
				continue
			}
			name := text(get(f, "websocket", "opcode"))
			n, ok := numbers[name]
			if !ok {
				fmt.Sscanf(name, "op%d", &n)
			}
			ops = append(ops, n)
			for _, id := range get(f, "websocket", "issues").([]any) {
				issues[text(id)] = true
			}
		}
		return ops, issues
	}
	ids := map[string]string{"rsv": "rsv-without-extension", "close-code-out-of-range": "close-code-invalid"}
	for _, c := range cases {
		conn := conns[c.Path]
		if conn == "" {
			t.Errorf("%s: no handshake for %s", c.Case, c.Path)
			continue
		}
		got, issues := opcodes(conn, "client")
		if len(got) != c.Frames || fmt.Sprint(got[:min(len(got), len(c.Client))]) != fmt.Sprint(c.Client) {
			t.Errorf("%s client: got opcodes %v, want %v", c.Case, got, c.Client)
		}
		if c.Violation != nil {
			want := *c.Violation
			if id := ids[want]; id != "" {
				want = id
			}
			if !issues[want] && !(want == "close-code-invalid" && issues["close-code-reserved"]) {
				t.Errorf("%s: got issues %v, want %s", c.Case, issues, want)
			}
		}
		if got, _ := opcodes(conn, "server"); fmt.Sprint(got) != fmt.Sprint(c.Server.Opcodes) {
			t.Errorf("%s server: got opcodes %v, want %v", c.Case, got, c.Server.Opcodes)
		}
		if c.Server.Code != nil {
			found := false
			for _, m := range r.of("ws_close", conn) {
				found = found || m["direction"] == "server" && number(get(m, "websocket", "code")) == *c.Server.Code
			}
			if !found {
				t.Errorf("%s: no close frame of the server with %d", c.Case, *c.Server.Code)
			}
		}
	}
	if len(conns) != len(cases) {
		t.Errorf("got %d handshakes, want %d", len(conns), len(cases))
	}
}

// expected/websocket.json: what two independent decoders agreed on for captures
// of other projects.
func TestForeignCaptures(t *testing.T) {
	b, err := os.ReadFile(capturetest.Corpus(t, "expected", "websocket.json"))
	if err != nil {
		t.Fatal(err)
	}
	type foreign struct {
		Client, Server string
		Handshakes     []struct {
			Request  string `json:"request"`
			Response string `json:"response"`
			Accept   *bool  `json:"accept_ok"`
		} `json:"handshakes"`
		Frames []struct {
			Dir    string  `json:"dir"`
			Fin    int     `json:"fin"`
			RSV    int     `json:"rsv"`
			Opcode int     `json:"opcode"`
			Masked bool    `json:"masked"`
			Mask   *string `json:"mask_key"`
			Length int64   `json:"length"`
			Code   *int64  `json:"close_code"`
			Reason *string `json:"reason"`
			SHA256 string  `json:"sha256"`
		} `json:"frames"`
		Messages []map[string]any `json:"messages"`
	}
	var all map[string][]foreign
	if err := json.Unmarshal(b, &all); err != nil {
		t.Fatal(err)
	}
	names := map[int64]string{0: "continuation", 1: "text", 2: "binary", 8: "close", 9: "ping", 10: "pong"}
	for file, conns := range all {
		t.Run(strings.ReplaceAll(file, "/", "_"), func(t *testing.T) {
			r := decode(t, load(t, capturetest.Corpus(t, filepath.FromSlash(file))), func(c *flow.Config) {})
			for _, want := range conns {
				conn := ""
				for _, c := range r.of("conn", "") {
					if fmt.Sprint(number(get(c, "source", "port"))) == want.Client && fmt.Sprint(number(get(c, "destination", "port"))) == want.Server {
						conn = text(c["conn"])
					}
				}
				if conn == "" {
					t.Fatalf("no connection from port %s to %s", want.Client, want.Server)
				}
				hs := r.of("ws_handshake", conn)
				if len(hs) != len(want.Handshakes) {
					t.Errorf("%s: got %d handshakes, want %d", conn, len(hs), len(want.Handshakes))
				} else {
					for i, w := range want.Handshakes {
						if got := get(hs[i], "websocket", "accept_ok"); w.Accept != nil && got != *w.Accept {
							t.Errorf("%s handshake %d: accept_ok %v, want %v", conn, i, got, *w.Accept)
						}
					}
				}
				for _, dir := range []string{"client", "server"} {
					var got []map[string]any
					for _, f := range r.of("ws_frame", conn) {
						if f["direction"] == dir {
							got = append(got, f["websocket"].(map[string]any))
						}
					}
					i := 0
					for _, w := range want.Frames {
						if (w.Dir == "c2s") != (dir == "client") {
							continue
						}
						if i >= len(got) {
							t.Fatalf("%s %s: %d frames, want more", conn, dir, len(got))
						}
						f := got[i]
						if text(f["opcode"]) != names[int64(w.Opcode)] || f["fin"] != (w.Fin == 1) || number(f["rsv"]) != int64(w.RSV) ||
							f["masked"] != w.Masked || number(f["bytes"]) != w.Length || w.Mask != nil && text(f["mask"]) != *w.Mask {
							t.Errorf("%s %s frame %d: got %v, want %+v", conn, dir, i, f, w)
						}
						i++
					}
					if i != len(got) {
						t.Errorf("%s %s: got %d frames, want %d", conn, dir, len(got), i)
					}
				}
				if got := len(r.of("ws_message", conn)); got != len(want.Messages) {
					t.Errorf("%s: got %d messages, want %d", conn, got, len(want.Messages))
				}
			}
		})
	}
}

// A proxy that takes Upgrade away is named on both of its legs.
func TestProxyLegs(t *testing.T) {
	for _, name := range []string{"p01_nginx_no_upgrade.pcap", "p02_nginx_http11_no_upgrade.pcap"} {
		r := decode(t, load(t, capturetest.Testdata(t, "ws", name)), nil)
		for _, conn := range []string{"C1", "C2"} {
			if f := r.of("finding", conn); len(f) != 1 || text(get(f[0], "finding", "id")) != "proxy-strips-upgrade" {
				t.Errorf("%s %s: %v", name, conn, f)
			}
		}
	}
}

// What a capture lacks, or what it was taken with, is said of the session.
func TestCaptureFindings(t *testing.T) {
	for path, want := range map[string]string{
		"ws/x04_capture_gap.pcap":               "capture-gap",
		"ws/x05_snaplen96.pcap":                 "snaplen-cut",
		"ws/x12_one_direction.pcap":             "one-direction",
		"oddities/40_midstream.pcap":            "mid-stream",
		"ws/h30b_tls_to_plain_py.pcap":          "tls-to-plain-port",
		"ws/h31_plain_to_tls_go.pcap":           "plain-to-tls-port",
		"ws/h47_extra_bytes_before_status.pcap": "not-http",
		"ws/v_http_after_101.pcap":              "http-after-101",
	} {
		r := decode(t, load(t, capturetest.Testdata(t, path)), nil)
		n := 0
		for _, f := range r.of("finding", "") {
			if text(get(f, "finding", "id")) == want {
				n++
			}
		}
		if n != 1 {
			t.Errorf("%s: %d times %s, want once", path, n, want)
		}
	}
}
