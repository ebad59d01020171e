package websocket

import (
	"encoding/hex"
	"encoding/json"
	"fmt"
	"maps"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"framescope/decode/finding"
)

// manifestSide is one direction of a connection in manifest.json.
type manifestSide struct {
	Frames   map[string]int
	Messages []struct {
		Op         string
		Len        int64
		Wire       int64 `json:"wire_len"`
		Fragments  int64
		Compressed bool
		SHA256     string
	}
	Close *struct {
		Code   *uint16
		Reason string
	}
}

type scenario struct {
	File, Name  string
	Class       *string `json:"failure_class"`
	Connections []struct {
		Client, Server string
		Request        map[string]string
		Status         *string `json:"status_line"`
		AcceptOK       *bool   `json:"accept_ok"`
		C2S, S2C       *manifestSide
	}
	Expected struct {
		C2S map[string]int `json:"c2s_frames"`
		S2C map[string]int `json:"s2c_frames"`
	}
}

// word is how the manifest calls an opcode.
func word(o Opcode) string {
	if o == Continuation {
		return "cont"
	}
	return o.String()
}

func count(fs []Frame) map[string]int {
	n := map[string]int{}
	for _, f := range fs {
		n[word(f.Header.Opcode)]++
	}
	return n
}

func scenarios(t *testing.T) []scenario {
	var m struct{ Scenarios []scenario }
	if err := json.Unmarshal(corpus(t, "recorded/ws/manifest.json"), &m); err != nil {
		t.Fatal(err)
	}
	return m.Scenarios
}

// Every recording of recorded/ws that reaches frames, against what the
// manifest says of it.
func TestRecorded(t *testing.T) {
	compared := 0
	for _, sc := range scenarios(t) {
		t.Run(sc.Name, func(t *testing.T) {
			list := readCapture(t, corpus(t, "recorded/ws/"+sc.File))
			cfg := &Config{Preview: 80, Digest: true}
			if sc.Name == "x04_capture_gap" {
				s := list[0].decode(t, cfg)
				if got := count(s.side[Client].frames); !maps.Equal(got, sc.Expected.C2S) {
					t.Errorf("client frames %v, want %v", got, sc.Expected.C2S)
				}
				if got := count(s.side[Server].frames); !maps.Equal(got, sc.Expected.S2C) {
					t.Errorf("server frames %v, want %v", got, sc.Expected.S2C)
				}
				return
			}
			for i, want := range sc.Connections {
				if want.C2S == nil || want.S2C == nil {
					continue
				}
				s := find(t, list, want.Client, want.Server).decode(t, cfg)
				if want.AcceptOK != nil && (s.hs.Accept == Yes) != *want.AcceptOK {
					t.Errorf("connection %d: accept %v, want %v", i, s.hs.Accept, *want.AcceptOK)
				}
				compareSide(t, fmt.Sprintf("connection %d client", i), s.side[Client], want.C2S)
				compareSide(t, fmt.Sprintf("connection %d server", i), s.side[Server], want.S2C)
				compared++
			}
			if sc.Class == nil {
				for _, c := range list {
					ordinary(t, c.decode(t, cfg))
				}
				return
			}
			checkClass(t, *sc.Class, list, cfg)
		})
	}
	if compared < 90 {
		t.Errorf("only %d connections were compared", compared)
	}
}

func find(t *testing.T, list []*conversation, client, server string) *conversation {
	t.Helper()
	for _, c := range list {
		if c.addr[0].String() == client && c.addr[1].String() == server || c.addr[1].String() == client && c.addr[0].String() == server {
			return c
		}
	}
	t.Fatalf("no connection %s > %s", client, server)
	return nil
}

func compareSide(t *testing.T, name string, r *recorder, want *manifestSide) {
	t.Helper()
	if r == nil {
		r = &recorder{}
	}
	if got := count(r.frames); !maps.Equal(got, want.Frames) {
		t.Errorf("%s: frames %v, want %v", name, got, want.Frames)
	}
	if len(r.messages) != len(want.Messages) {
		t.Errorf("%s: %d messages, want %d", name, len(r.messages), len(want.Messages))
		return
	}
	for i, w := range want.Messages {
		m := r.messages[i]
		if !m.Complete || m.Opcode.String() != w.Op || m.Bytes != w.Len || m.Wire != w.Wire || m.Frames != w.Fragments ||
			m.Compressed != w.Compressed || !strings.HasPrefix(hex.EncodeToString(m.SHA256), w.SHA256) || len(w.SHA256) != 16 {
			t.Errorf("%s: message %d: %s, want %+v", name, i, describeMessage(&m), w)
		}
	}
	var closed *Frame
	for i := range r.frames {
		if f := &r.frames[i]; f.Header.Opcode == Close && !f.Ended && closed == nil {
			closed = f
		}
	}
	switch {
	case want.Close == nil && closed == nil:
	case want.Close == nil || closed == nil:
		t.Errorf("%s: close %v, want %v", name, closed, want.Close)
	case want.Close.Code == nil:
		if !closed.Close.Malformed && closed.Close.Code != 1005 {
			t.Errorf("%s: close %+v, want no code", name, closed.Close)
		}
	case closed.Close.Code != *want.Close.Code || string(closed.Close.Reason) != want.Close.Reason && !strings.Contains(want.Close.Reason, "\ufffd"):
		t.Errorf("%s: close %+v, want %d %q", name, closed.Close, *want.Close.Code, want.Close.Reason)
	}
}

// ordinary fails for a finding above a note.
func ordinary(t *testing.T, s *session) {
	t.Helper()
	for _, i := range s.hs.Issues {
		if i.ID.Severity() > finding.Note {
			t.Errorf("handshake: %v: %s", i.ID, i.Text)
		}
	}
	for _, r := range s.side {
		if r == nil {
			continue
		}
		for i := range r.frames {
			for id := range r.frames[i].Issues.All() {
				if id.Severity() > finding.Note {
					t.Errorf("%v: %s", id, describeFrame(&r.frames[i]))
				}
			}
		}
	}
}

// elsewhere are the classes that two heads and the frames behind them do not
// show: connections that end early or never begin, and other protocols.
var elsewhere = map[string]bool{
	"many": true, "tcp-refused": true, "tcp-syn-timeout": true, "tls-to-plain-port": true, "tls-certificate-name": true,
	"http2-only-server": true, "dns-nxdomain": true, "not-http": true, "proxy-idle-timeout": true,
	"abnormal-fin": true, "abnormal-rst": true,
}

// checkClass looks for the finding that a recording is named after.
func checkClass(t *testing.T, class string, list []*conversation, cfg *Config) {
	t.Helper()
	if elsewhere[class] {
		return
	}
	var found []string
	for _, c := range list {
		s := c.decode(t, cfg)
		for _, i := range s.hs.Issues {
			found = append(found, i.ID.String())
		}
		for _, r := range s.side {
			if r != nil {
				for _, f := range r.frames {
					for id := range f.Issues.All() {
						found = append(found, id.String())
					}
				}
			}
		}
	}
	if class == "plain-to-tls-port" && len(found) == 0 {
		return // node says nothing at all
	}
	if !slices.Contains(found, class) {
		t.Errorf("found %v, want %s", found, class)
	}
}

// The 246 cases of Autobahn's sections 1 to 7: the opcodes of each, and the
// violation that it is named for.
func TestAutobahn(t *testing.T) {
	var cases []struct {
		Path, Violation string
		ClientFrames    int   `json:"client_frames"`
		ClientOpcodes   []int `json:"client_opcodes"`
		Reaction        struct {
			Opcodes []int
			Close   *uint16 `json:"close_code"`
		} `json:"server_reaction"`
	}
	if err := json.Unmarshal(corpus(t, "recorded/ws/a01_autobahn_1_7.expect.json"), &cases); err != nil {
		t.Fatal(err)
	}
	sessions := map[string]*session{}
	for _, c := range readCapture(t, corpus(t, "recorded/ws/a01_autobahn_1_7.pcap")) {
		s := c.decode(t, &Config{Preview: 80, Digest: true})
		sessions[s.path] = s
	}
	same := map[string][]string{
		"rsv":                     {"rsv-without-extension"},
		"close-code-invalid":      {"close-code-invalid", "close-code-reserved"},
		"close-code-out-of-range": {"close-code-invalid"},
	}
	for _, c := range cases {
		s := sessions[c.Path]
		if s == nil {
			t.Errorf("%s: no connection", c.Path)
			continue
		}
		var ops []int
		violations := map[string]bool{}
		for _, f := range s.side[Client].frames {
			ops = append(ops, int(f.Header.Opcode))
			for id := range f.Issues.All() {
				if id != CloseFinding(f.Close.Code, f.Close.Reason) {
					violations[id.String()] = true
				}
			}
		}
		if len(ops) < len(c.ClientOpcodes) || !startsLike(ops, c.ClientOpcodes) {
			t.Errorf("%s: client opcodes %v, want %v", c.Path, ops, c.ClientOpcodes)
		}
		var reaction []int
		var code uint16
		for _, f := range s.side[Server].frames {
			reaction = append(reaction, int(f.Header.Opcode))
			if f.Header.Opcode == Close {
				code = f.Close.Code
			}
			if f.Issues.Has(finding.InvalidUTF8) || f.Issues.Has(finding.MaskUnexpected) {
				t.Errorf("%s: %s", c.Path, describeFrame(&f))
			}
		}
		if !slices.Equal(reaction, c.Reaction.Opcodes) {
			t.Errorf("%s: server opcodes %v, want %v", c.Path, reaction, c.Reaction.Opcodes)
		}
		if c.Reaction.Close != nil && code != *c.Reaction.Close {
			t.Errorf("%s: server closes with %d, want %d", c.Path, code, *c.Reaction.Close)
		}
		if c.Violation == "" {
			if len(violations) > 0 {
				t.Errorf("%s: %v, want no violation", c.Path, slices.Collect(maps.Keys(violations)))
			}
			continue
		}
		names := same[c.Violation]
		if names == nil {
			names = []string{c.Violation}
		}
		if !slices.ContainsFunc(names, func(n string) bool { return violations[n] }) {
			t.Errorf("%s: %v, want %s", c.Path, slices.Collect(maps.Keys(violations)), c.Violation)
		}
	}
	if len(cases) != 246 {
		t.Errorf("%d cases", len(cases))
	}
}

// startsLike compares opcodes; the expectation leaves out the close frame that
// ends each case, and repeated opcodes of the same kind.
func startsLike(got, want []int) bool {
	i := 0
	for _, op := range got {
		if i < len(want) && op == want[i] {
			i++
		}
	}
	return i == len(want)
}

// The captures of other projects, against an independent decoder.
func TestExpected(t *testing.T) {
	var files map[string][]struct {
		Client, Server string // ports
		Handshakes     []struct {
			AcceptOK *bool `json:"accept_ok"`
		}
		Frames []struct {
			Dir         string
			Fin, Opcode int
			RSV         uint8
			Masked      bool
			Mask        *string `json:"mask_key"`
			Length      int64
			Close       *uint16 `json:"close_code"`
			Reason      string
		}
		Messages []struct {
			Dir        string
			Opcode     int
			Frames     int64
			Compressed bool
			Wire       int64 `json:"wire_len"`
			Length     int64
			SHA256     string
			Unfinished bool
		}
	}
	if err := json.Unmarshal(corpus(t, "expected/websocket.json"), &files); err != nil {
		t.Fatal(err)
	}
	for name, conns := range files {
		t.Run(filepath.Base(name), func(t *testing.T) {
			list := readCapture(t, corpus(t, name))
			for _, want := range conns {
				var s *session
				for _, c := range list {
					ports := fmt.Sprint(c.addr[0].Port(), c.addr[1].Port())
					if ports == want.Client+" "+want.Server || ports == want.Server+" "+want.Client {
						s = c.decode(t, &Config{Digest: true})
					}
				}
				if s == nil {
					t.Fatalf("no connection %s > %s", want.Client, want.Server)
				}
				if len(s.all) != len(want.Handshakes) {
					t.Fatalf("%d handshakes, want %d", len(s.all), len(want.Handshakes))
				}
				for i, h := range want.Handshakes {
					if h.AcceptOK != nil && *h.AcceptOK != (s.all[i].Accept == Yes) {
						t.Errorf("handshake %d: accept %v, want %v", i, s.all[i].Accept, *h.AcceptOK)
					}
				}
				for role, dir := range map[Role]string{Client: "c2s", Server: "s2c"} {
					var frames, wantFrames, messages, wantMessages []string
					if r := s.side[role]; r != nil {
						for _, f := range r.frames {
							key := ""
							if f.Header.Masked {
								key = hex.EncodeToString(f.Header.Mask[:])
							}
							s := fmt.Sprint(f.Header.Fin, f.Header.Opcode, f.Header.RSV, key, f.Header.Length)
							if f.Close.Code != 0 && f.Close.Code != 1005 {
								s += fmt.Sprint(" ", f.Close.Code, string(f.Close.Reason))
							}
							frames = append(frames, s)
						}
						for _, m := range r.messages {
							sum := hex.EncodeToString(m.SHA256)
							if m.Cause == CauseUnfinished {
								sum = "unfinished"
							}
							messages = append(messages, fmt.Sprintf("%v %d %v %d %d %.16s", m.Opcode, m.Frames, m.Compressed, m.Wire, m.Bytes, sum))
						}
						if len(r.skipped) > 0 {
							t.Errorf("%s: %s", dir, describeSkipped(&r.skipped[0]))
						}
					}
					for _, f := range want.Frames {
						if f.Dir != dir {
							continue
						}
						key := ""
						if f.Mask != nil {
							key = *f.Mask
						}
						s := fmt.Sprint(f.Fin == 1, Opcode(f.Opcode), f.RSV, key, f.Length)
						if f.Close != nil {
							s += fmt.Sprint(" ", *f.Close, f.Reason)
						}
						wantFrames = append(wantFrames, s)
					}
					for _, m := range want.Messages {
						if m.Unfinished {
							m.Length, m.SHA256 = m.Wire, "unfinished"
						}
						if m.Dir == dir {
							wantMessages = append(wantMessages, fmt.Sprintf("%v %d %v %d %d %s", Opcode(m.Opcode), m.Frames, m.Compressed, m.Wire, m.Length, m.SHA256))
						}
					}
					if !slices.Equal(frames, wantFrames) {
						t.Errorf("%s frames\n got %v\nwant %v", dir, frames, wantFrames)
					}
					if !slices.Equal(messages, wantMessages) {
						t.Errorf("%s messages\n got %v\nwant %v", dir, messages, wantMessages)
					}
				}
			}
		})
	}
}

// summary writes down what a session came to: frames by opcode, whole
// messages, bytes that are missing or were not decoded, and what was found.
func (s *session) summary() string {
	var parts []string
	for _, i := range s.hs.Issues {
		parts = append(parts, i.ID.String())
	}
	for role, r := range s.side {
		if r == nil {
			continue
		}
		n, whole, lost, skipped := count(r.frames), 0, int64(0), int64(0)
		var issues finding.Set
		for _, f := range r.frames {
			issues.Union(f.Issues)
			lost += f.Lost
		}
		for _, m := range r.messages {
			if m.Complete {
				whole++
			}
		}
		for _, k := range r.skipped {
			skipped += k.Bytes
			lost += k.Missing
		}
		part := []string{[]string{"?", "client", "server"}[role]}
		for _, op := range slices.Sorted(maps.Keys(n)) {
			part = append(part, fmt.Sprintf("%s %d", op, n[op]))
		}
		part = append(part, fmt.Sprintf("whole %d", whole))
		if lost > 0 {
			part = append(part, fmt.Sprintf("lost %d", lost))
		}
		if skipped > 0 {
			part = append(part, fmt.Sprintf("undecoded %d", skipped))
		}
		for id := range issues.All() {
			part = append(part, id.String())
		}
		parts = append(parts, strings.Join(part, ", "))
	}
	return strings.Join(parts, "; ")
}

// One oddity each: what the name of the capture says must be what comes out.
func TestOddities(t *testing.T) {
	for name, want := range map[string]string{
		"01_plain":                   "client, text 1, whole 1; server, text 1, whole 1",
		"02_wrong_accept":            "accept-mismatch; client, text 1, whole 1",
		"03_missing_accept":          "accept-missing; client, text 1, whole 1",
		"10_deflate_takeover":        "client, text 5, whole 5; server, text 5, whole 5",
		"12_deflate_mixed":           "client, text 3, whole 3",
		"16_server_bits9_client15":   "client, text 3, whole 3",
		"17_deflate_fragmented":      "client, cont 3, text 3, whole 3",
		"20_frag_text_then_binary":   "client, binary 1, cont 2, text 1, whole 2",
		"22_frag_both_dirs":          "client, cont 1, text 1, whole 1; server, cont 1, text 1, whole 1",
		"22_frag_both_dirs_loopback": "client, cont 1, text 1, whole 1; server, cont 1, text 1, whole 1",
		"30_span_segments":           "client, text 30, whole 30",
		"31_split_header_1byte":      "client, text 1, whole 1",
		"36_lost_segment":            "client, text 10, whole 9, lost 150, undecoded 183",
		"37_lost_aligned":            "client, text 7, whole 7, lost 211",
		"40_midstream":               "client, text 4, whole 4; server, text 4, whole 4",
		"41_midstream_8080":          "client, text 4, whole 4; server, text 4, whole 4",
		"51_bad_utf8":                "client, text 1, whole 1, invalid-utf8",
		"52_close_1005":              "client, close 1, whole 0, close-code-reserved",
		"52b_close_1006":             "client, close 1, whole 0, close-code-reserved",
		"53_close_1byte":             "client, close 1, whole 0, close-payload-1",
		"56_ping_200":                "client, ping 1, whole 0, control-too-long",
		"57_ping_nofin":              "client, ping 1, whole 0, fragmented-control",
		"59_continuation_first":      "client, cont 1, whole 0, unexpected-continuation",
		"60_text_inside_fragmented":  "client, text 2, whole 1, message-interleaved",
		"61_data_after_close":        "client, close 1, text 1, whole 1, data-after-close",
		"62_nonminimal_len":          "client, text 1, whole 1, length-not-minimal",
		"63_len_msb_set":             "client, whole 0, undecoded 19",
		"80_status_301":              "http-redirect",
		"80_status_400":              "http-400",
		"80_status_401":              "http-401",
		"80_status_404":              "http-404",
		"80_status_426":              "proxy-strips-upgrade",
		"80_status_500":              "http-500",
		"80_status_502":              "proxy-502",
		"80_status_503":              "http-503",
		"81_resp_no_upgrade":         "response-upgrade-missing; client, text 1, whole 1",
		"83_proxy_stripped_upgrade":  "proxy-strips-upgrade",
		"85_ext_not_offered":         "extension-unrequested",
		"86_rst_after_request":       "",
		"87_syn_refused":             "",
		"88_syn_unanswered":          "",
		"90_masked_320k":             "client, text 1, whole 1",
		"91_masked_deflate_399k":     "client, text 2, whole 2",
		"92_bomb_100MB":              "server, binary 1, whole 1, inflate-bomb",
		"97_bfinal_then_more":        "client, text 2, whole 2",
		"a1_h2_websocket_deflate":    "client, whole 0, undecoded 361; server, whole 0, undecoded 113",
	} {
		var got []string
		for _, c := range readCapture(t, corpus(t, "recorded/oddities/"+name+".pcap")) {
			got = append(got, c.decode(t, &Config{Preview: 20, Digest: true}).summary())
		}
		if s := strings.Join(got, " | "); s != want {
			t.Errorf("%s:\n got %q\nwant %q", name, s, want)
		}
	}
}
