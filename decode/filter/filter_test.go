package filter

import (
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"

	"framescope/decode/finding"
	"framescope/decode/record"
	"framescope/decode/record/recordtest"
)

// names returns the types of the records of recordtest.Full that a filter
// selects.
func names(f *Filter) string {
	var got []string
	for _, r := range recordtest.Full() {
		if f.Match(r) {
			got = append(got, r.Type().String())
		}
	}
	return strings.Join(got, " ")
}

const (
	captured   = "conn http ws_handshake ws_frame ws_message ws_close frame packet finding summary"
	everything = captured + " socket"
)

func TestMatch(t *testing.T) {
	for _, tt := range []struct{ expr, want string }{
		{"", everything},
		{"  ", everything},
		{"type == ws_frame", "ws_frame"},
		{"type != ws_frame", "conn http ws_handshake ws_message ws_close frame packet finding summary socket"},
		{"type in {ws_frame, ws_close}", "ws_frame ws_close"},
		{"type in {ws_frame ws_close}", "ws_frame ws_close"},
		{"type matches '^ws_'", "ws_handshake ws_frame ws_message ws_close"},
		{`type contains "ws_"`, "ws_handshake ws_frame ws_message ws_close"},
		{"websocket", "conn ws_handshake ws_frame ws_message ws_close"},
		{"http", "http ws_handshake"},
		{"http.response", "http ws_handshake"},
		{"finding", "finding"},

		// Numbers.
		{"conn == C1 and type == conn", "conn"},
		{"conn == 1 and type == conn", "conn"},
		{"conn == U1", ""},
		{"conn == G1", ""},
		{"websocket.bytes == 11", "ws_frame"},
		{"websocket.bytes == 0xb", "ws_frame"},
		{"websocket.bytes eq 11", "ws_frame"},
		{"websocket.bytes >= 11", "ws_frame ws_message"},
		{"websocket.bytes > 11", "ws_message"},
		{"websocket.bytes ge 70k", "ws_message"},
		{"websocket.bytes gt 70k", ""},
		{"websocket.bytes < 70kB", "ws_frame"},
		{"websocket.bytes <= 70kB", "ws_frame ws_message"},
		{"websocket.bytes lt 68.359375Ki", "ws_frame"},
		{"websocket.bytes le 1MiB", "ws_frame ws_message"},
		{"websocket.bytes in {1..10, 12..69999}", ""},
		{"websocket.bytes in {1..11 70000}", "ws_frame ws_message"},
		{"websocket.bytes ne 11", "ws_message"},
		{"websocket.bytes > -1", "ws_frame ws_message"},
		{"http.response.status_code in {100..199}", "ws_handshake"},
		{"tcp.seq == 4294967295", "packet"},
		{"frame.checksum.ok == false and frame.kind == file", "frame"},
		{"frame.field.payload_length == 5 and frame.field.magic == 0xcafebabe", "frame"},
		{"frame.field.payload_length == 6 or frame.field.nothing", ""},
		{"frame.fields.length == 4 and frame.payload contains ell", "frame"},

		// Durations.
		{"websocket.handshake_ms == 1.2", "ws_handshake"},
		{"websocket.handshake_ms > 1.2", ""},
		{"websocket.handshake_ms > 1199us", "ws_handshake"},
		{"websocket.handshake_ms < 0.0012001s", "ws_handshake"},
		{"event.duration_ms in {3s..1min}", "conn"},
		{"websocket.rtt_ms < 1h", "ws_frame"},

		// Times.
		{"ts < 2026-11-20T16:04:11.001Z", "conn packet socket"},
		{"ts == 2026-11-20T17:04:11.204+01:00", "ws_handshake"},
		{"ts == 1795190651.204", "ws_handshake"},
		{`ts > "2026-11-20 16:04:12"`, "ws_close"},
		{"ts >= 2026-11-20 and ts < 2026-11-21", "conn http ws_handshake ws_frame ws_message ws_close frame packet finding socket"},
		{"summary.last > 1795190651", "summary"},

		// Truth.
		{"websocket.fin == true", "ws_frame"},
		{"websocket.fin == 1", "ws_frame"},
		{"websocket.fin != false", "ws_frame"},
		{"websocket.fin == false", ""},
		{"websocket.complete == 0", "ws_message"},
		{"websocket.ok == TRUE", "ws_handshake"},
		{"websocket.fin", "ws_frame"},

		// Texts.
		{"websocket.opcode == pong", "ws_frame"},
		{"websocket.opcode == 10", "ws_frame"},
		{"websocket.opcode == 0xA", "ws_frame"},
		{"websocket.opcode == Pong", "ws_frame"},
		{"type == WS-Frame", "ws_frame"},
		{"websocket.opcode != pong", "ws_message"},
		{"websocket.opcode in {2, 10}", "ws_frame ws_message"},
		{"direction == client", "ws_frame ws_close frame packet"},
		{`websocket.reason == "going away"`, "ws_close"},
		{`websocket.reason contains away`, "ws_close"},
		{`websocket.reason contains Away`, ""},
		{`websocket.reason matches "(?i)AWAY$"`, "ws_close"},
		{`websocket.reason ~ "\bgoing\b"`, "ws_close"},
		{`websocket.reason == "\x67oing\u0020away"`, "ws_close"},
		{`websocket.reason in {"going away", bye}`, "ws_close"},
		{`websocket.reason not in {"going away", bye}`, everything[:len("conn http ws_handshake ws_frame ws_message ")] + "frame packet finding summary socket"},
		{`websocket.reason != bye`, "ws_close"},
		{`websocket.reason == 'going away'`, "ws_close"},
		{`http.request.target == "/room?id=7"`, "ws_handshake"},
		{`http.request.target contains /room?id`, "ws_handshake"},
		{`http.version == 1.1`, "http ws_handshake"},
		{`network.community_id == "1:AnDTZbi+5nrDc18qnUPZL9bTZnQ="`, "conn http ws_handshake ws_frame ws_message ws_close frame finding"},
		{"conn == C1", "conn http ws_handshake ws_frame ws_message ws_close frame packet finding"},
		{"conn in {1, 3..c7}", "conn http ws_handshake ws_frame ws_message ws_close frame packet finding"},
		{"conn != C1", ""},
		{"not conn == C1", "summary socket"},
		{"file == x.pcap", captured},

		// Lists: any element; != means none.
		{"websocket.issues == truncated-frame", "ws_frame"},
		{"websocket.issues == close-4401", "ws_message"},
		{"websocket.issues contains close", "ws_message ws_close"},
		{"websocket.issues in {close-timeout, close-4401}", "ws_message ws_close"},
		{"websocket.issues != close-4401", "ws_handshake ws_frame ws_close"},
		{"websocket.extensions == permessage-deflate", "ws_handshake"},
		{"finding.evidence.packet == 6", "finding"},
		{"finding.evidence.offset", "finding"},
		{"finding.evidence.text contains 'no cache'", "finding"},
		{"summary.skipped.packets == 1", "summary"},
		{"summary.skipped.bytes > 900", ""},
		{"http.request.headers.host == chat.example", "http ws_handshake"},
		{"http.request.headers.HOST", "http ws_handshake"},
		{"http.request.headers.origin contains chat", "ws_handshake"},
		{"http.request.headers.origin != https://evil.example", "ws_handshake"},
		{"http.request.headers contains chat.example", "http ws_handshake"},
		{"http.request.headers == Origin", "ws_handshake"},

		// Addresses.
		{"source.ip == 10.0.0.7", "conn http ws_handshake ws_frame ws_message ws_close frame packet finding"},
		{"source.ip == 10.0.0.0/8 and type == ws_close", "ws_close"},
		{"source.ip == 11.0.0.0/8", ""},
		{"source.ip in {::1 127.0.0.0/8}", ""},
		{"ip.addr in 10.0.0.0/30 and type == ws_frame", "ws_frame"},
		{"source.ip in 127.0.0.0/8", ""},
		{"ip.addr in {::1 127.0.0.0/8 10.0.0.2} and type == ws_frame", "ws_frame"},
		{"ip.addr == ::ffff:10.0.0.2 and type == ws_frame", "ws_frame"},
		{"ip.addr == ::ffff:10.0.0.0/104 and type == ws_frame", "ws_frame"},
		{"ip.addr in {10.0.0.3..10.0.0.9} and type == ws_frame", "ws_frame"},
		{"ip.addr != 10.0.0.2", ""},
		{"ip.addr != 10.0.0.3 and type == ws_frame", "ws_frame"},
		{"tcp.port == 8765 and type == packet", "packet"},
		{"tcp.port in {443, 8000..8100}", ""},
		{"tcp.srcport == 8765", "ws_message finding"},
		{"ip.src == 10.0.0.2", "ws_message finding"},
		{"ip.dst == 10.0.0.2 and websocket.opcode", "ws_frame"},

		// Bytes.
		{"websocket.mask == 7e3ac7e3", "ws_frame"},
		{"websocket.masking_key == 7E:3A:C7:E3", "ws_frame"},
		{"websocket.mask contains 3ac7", "ws_frame"},
		{"websocket.mask != 00000000", "ws_frame"},
		{"websocket.sha256", "ws_message"},
		{`websocket.payload contains "hello"`, "ws_frame"},
		{`websocket.payload == "{\"hello\":1}"`, "ws_frame"},
		{`websocket.payload matches "\"hello\":\d"`, "ws_frame"},
		{`websocket.payload contains "\xfe\xff"`, "ws_message"},
		{`websocket.payload in {a, '{"hello":1}'}`, "ws_frame"},

		// Logic.
		{"type == conn or type == http", "conn http"},
		{"type == conn || type == http", "conn http"},
		{"type == conn && tcp.end == fin", "conn"},
		{"type == conn and tcp.end == rst", ""},
		{"type == conn or type == http and http.version == 9", "conn"},
		{"(type == conn or type == http) and http.version == 9", ""},
		{"not type == conn and not (type == http or type == summary)", "ws_handshake ws_frame ws_message ws_close frame packet finding socket"},
		{"!type == conn && !(type == http || websocket)", "frame packet finding summary socket"},
		{"!!websocket.code", "ws_close"},
		{"not not websocket.code", "ws_close"},
		{"frame.number == 8", "ws_frame"},
		{"frame.number == 9", "ws_frame ws_message"},
		{"frame.number != 9 and websocket.opcode", ""},

		// Wireshark's names.
		{"http.response.code == 101 and http.host == chat.example", "ws_handshake"},
		{"websocket.payload_length > 0", "ws_frame ws_message"},
		{"websocket.payload.close.status_code == 1001", "ws_close"},
		{"http.sec_websocket_accept", "ws_handshake"},
		{"http.upgrade == websocket", "ws_handshake"},
	} {
		f, err := Compile(tt.expr)
		if err != nil {
			t.Errorf("%s\n%v", tt.expr, err)
			continue
		}
		got := names(f)
		if got != tt.want {
			t.Errorf("%s\n got %s\nwant %s", tt.expr, got, tt.want)
		}
		// The types must not say less than what matches.
		for _, r := range recordtest.Full() {
			if f.Match(r) && !f.Types().Has(r.Type()) {
				t.Errorf("%s: matches %s, Types says it cannot", tt.expr, r.Type())
			}
		}
		again, err := Compile(f.String())
		if err != nil {
			t.Errorf("%s is printed %s\n%v", tt.expr, f, err)
			continue
		}
		if again.String() != f.String() || names(again) != got {
			t.Errorf("%s is printed %s and then %s; matches %s, then %s", tt.expr, f, again, got, names(again))
		}
	}
}

func TestTypesAndFields(t *testing.T) {
	for _, tt := range []struct {
		expr   string
		types  record.Set
		fields []string
	}{
		{"", record.All, nil},
		{"websocket.code == 1000", record.Of(record.TypeClose), []string{"websocket.code"}},
		{"type == ws_frame", record.Of(record.TypeFrame), []string{"type"}},
		{"not type == ws_frame", record.All &^ record.Of(record.TypeFrame), []string{"type"}},
		{"not websocket.code == 1000", record.All, []string{"websocket.code"}},
		{"websocket.opcode == text", record.Of(record.TypeFrame, record.TypeMessage), []string{"websocket.opcode"}},
		{"websocket.opcode == text and websocket.sha256", record.Of(record.TypeMessage), []string{"websocket.opcode", "websocket.sha256"}},
		{"websocket.payload contains x or type in {conn, http}", record.Of(record.TypeFrame, record.TypeMessage, record.TypeConn, record.TypeHTTP), []string{"type", "websocket.payload"}},
		{"tcp.port == 1 and websocket.code", record.Of(record.TypeClose), []string{"destination.port", "source.port", "websocket.code"}},
		{"http.host == x and type != http", record.Of(record.TypeHandshake), []string{"http.request.headers.host", "type"}},
	} {
		f, err := Compile(tt.expr)
		if err != nil {
			t.Errorf("%s\n%v", tt.expr, err)
			continue
		}
		if f.Types() != tt.types {
			t.Errorf("%s: types %s, want %s", tt.expr, f.Types().String(), tt.types.String())
		}
		if !slices.Equal(f.Fields(), tt.fields) {
			t.Errorf("%s: fields %q, want %q", tt.expr, f.Fields(), tt.fields)
		}
		for _, name := range tt.fields {
			if !f.Uses(name) {
				t.Errorf("%s: does not use %s", tt.expr, name)
			}
		}
	}
	var none *Filter
	if !none.Match(&record.Frame{}) || none.Types() != record.All || none.Fields() != nil || none.String() != "" || none.Uses("type") {
		t.Error("a nil Filter is not the empty one")
	}
}

func TestErrors(t *testing.T) {
	for _, tt := range []struct{ expr, want string }{
		{"websocket.opcod == text", `there is no field "websocket.opcod"
  websocket.opcod == text
  ^^^^^^^^^^^^^^^
  did you mean websocket.opcode? It belongs to ws_frame and ws_message.`},
		{"type == ws_frame and opcode == text", `there is no field "opcode"
  type == ws_frame and opcode == text
                       ^^^^^^
  did you mean websocket.opcode? It belongs to ws_frame and ws_message.`},
		{"ws_frame", `there is no field "ws_frame"
  ws_frame
  ^^^^^^^^
  did you mean type == ws_frame?`},
		{"dns", `there is no field "dns"
  dns
  ^^^
  did you mean network.protocol == dns?`},
		{"quic", `there is no field "quic"
  quic
  ^^^^
  did you mean network.protocol == quic?`},
		{"UDP", `there is no field "UDP"
  UDP
  ^^^
  did you mean network.transport == udp?`},
		{"ip.adr == 10.0.0.1", `there is no field "ip.adr"
  ip.adr == 10.0.0.1
  ^^^^^^
  did you mean ip.addr?`},
		{"xyzzy", `there is no field "xyzzy"
  xyzzy
  ^^^^^
  docs/output.md lists the fields`},
		{"type == ws_frame and websocket.sha256", `no record can match both sides of this and
  type == ws_frame and websocket.sha256
                       ^^^^^^^^^^^^^^^^
  websocket.sha256 belongs to ws_message; what stands before it selects ws_frame`},
		{"websocket.code == 1000 and websocket.opcode == text", `no record can match both sides of this and
  websocket.code == 1000 and websocket.opcode == text
                             ^^^^^^^^^^^^^^^^
  websocket.opcode belongs to ws_frame and ws_message; websocket.code belongs to ws_close`},
		{"websocket.opcode == txt", `websocket.opcode is never "txt"
  websocket.opcode == txt
                      ^^^
  it is one of continuation, text, binary, op3, op4, op5, op6, op7, close, ping, pong, op11, op12, op13, op14, op15`},
		{"finding.id == accept-missmatch", `finding.id is never "accept-missmatch"
  finding.id == accept-missmatch
                ^^^^^^^^^^^^^^^^
  did you mean accept-mismatch?`},
		{"websocket.bytes == many", `expected a whole number such as 443, 0x1bb, 4k (4000) or 4Ki (4096)
  websocket.bytes == many
                     ^^^^`},
		{"websocket.bytes contains 3", `websocket.bytes is a number: contains does not apply
  websocket.bytes contains 3
                  ^^^^^^^^
  use ==, !=, <, <=, >, >= or in`},
		{"websocket.reason > a", `websocket.reason is a text: > does not apply
  websocket.reason > a
                   ^
  use ==, !=, contains, matches or in`},
		{"websocket.mask == 1", `expected bytes in hex such as 7e3ac7e3
  websocket.mask == 1
                    ^
  the MASK bit is websocket.masked`},
		{"source.ip == 10.0.0.0/33", `expected a prefix such as 10.0.0.0/8 or 2001:db8::/32
  source.ip == 10.0.0.0/33
               ^^^^^^^^^^^`},
		{"websocket.fin == maybe", `expected true or false
  websocket.fin == maybe
                   ^^^^^`},
		{"websocket.fin > 0", `websocket.fin is true or false: > does not apply
  websocket.fin > 0
                ^
  use == or !=`},
		{"ts > noon", `expected a time such as 2026-11-20T16:04:11Z or seconds since 1970
  ts > noon
       ^^^^`},
		{"websocket.rtt_ms > soon", `expected milliseconds or a time with its unit, such as 5, 1.5s, 200us
  websocket.rtt_ms > soon
                     ^^^^`},
		{"conn == x", `expected a connection such as C12
  conn == x
          ^`},
		{`websocket.reason matches "("`, `expected a regular expression
  websocket.reason matches "("
                           ^^^
  missing closing ): ` + "`(`"},
		{"websocket.reason matches '(\x05'", "expected a regular expression\n  websocket.reason matches '(\x05'\n                           ^^^^\n  missing closing ): `(?`"},
		{`websocket.reason == "a\qb"`, `unknown escape: use \", \\, \n, \r, \t, \xNN or \uNNNN, or single quotes
  websocket.reason == "a\qb"
                        ^^`},
		{"websocket.code =", "expected a comparison: did you mean ==?\n  websocket.code =\n                 ^"},
		{"websocket.code == ", "the expression ends too early: expected a value\n  websocket.code == \n                    ^"},
		{"websocket.code ==  and type", "expected a value; this word has a meaning of its own: put it in quotes\n  websocket.code ==  and type\n                     ^^^"},
		{"websocket.code 1000", "expected and, or, or the end of the expression\n  websocket.code 1000\n                 ^^^^"},
		{"websocket.code == 1000 websocket.reason", "expected and, or, or the end of the expression\n  websocket.code == 1000 websocket.reason\n                         ^^^^^^^^^^^^^^^^"},
		{"(websocket.code == 1000", "this parenthesis is not closed\n  (websocket.code == 1000\n  ^"},
		{"websocket.code == 1000)", "expected and, or, or the end of the expression\n  websocket.code == 1000)\n                        ^"},
		{"websocket.code in 1000", "expected a network such as 10.0.0.0/8, or a set such as {443, 8000..8100}\n  websocket.code in 1000\n                    ^^^^"},
		{"websocket.code in {1000", "this set is not closed\n  websocket.code in {1000\n                    ^"},
		{"websocket.code in {}", "the set is empty\n  websocket.code in {}\n                    ^^"},
		{"websocket.code in {9..1}", "the range ends before it begins\n  websocket.code in {9..1}\n                     ^^^^"},
		{"websocket.reason in {a..b}", "websocket.reason is a text: it has no ranges\n  websocket.reason in {a..b}\n                       ^^^^"},
		{"websocket.code == {1}", "expected one value\n  websocket.code == {1}\n                    ^\n  a set needs in: field in {a, b}"},
		{"websocket.code not == 1", "expected a comparison, and, or, or the end\n  websocket.code not == 1\n                 ^^^"},
		{`"a" == websocket.reason`, "expected a field\n  \"a\" == websocket.reason\n  ^^^\n  field names stand without quotes, on the left of the comparison"},
		{`websocket.reason == "a`, "the quote is not closed\n  websocket.reason == \"a\n                      ^^"},
		{"websocket & http", "expected &&\n  websocket & http\n            ^"},
		{"== 1", "expected a field\n  == 1\n  ^^"},
		{"not", "the expression ends too early: expected a field\n  not\n     ^"},
		{"type\t==\x1b[31m", "put text with such characters in quotes\n  type\t==\x1b[31m\n         ^"},
		{"http.response == 1", "http.response is a group of fields, not one to compare\n  http.response == 1\n  ^^^^^^^^^^^^^\n  the group has http.response.status_code, http.response.reason, http.response.headers, http.response.body"},
	} {
		_, err := Compile(tt.expr)
		var e *Error
		if !errors.As(err, &e) {
			t.Errorf("%s: %v is no *Error", tt.expr, err)
			continue
		}
		if got := drawn(e); got != tt.want {
			t.Errorf("%s\n got %s\nwant %s", tt.expr, got, tt.want)
		}
		for _, part := range []string{fmt.Sprintf("offset %d: ", e.Off), e.Msg, e.Hint} {
			if !strings.Contains(err.Error(), part) {
				t.Errorf("%s: nothing of %q in %q", tt.expr, part, err)
			}
		}
	}
}

// drawn shows where e is, for a reader of the table above.
func drawn(e *Error) string {
	marks := strings.Repeat(" ", e.Off) + strings.Repeat("^", max(e.Len, 1))
	return strings.TrimSuffix(strings.Join([]string{e.Msg, e.Expr, marks, e.Hint}, "\n  "), "\n  ")
}

// Hostile expressions cost no more than their length.
func TestLimits(t *testing.T) {
	for _, tt := range []struct {
		expr string
		ok   bool
	}{
		{strings.Repeat("(", MaxDepth) + "websocket" + strings.Repeat(")", MaxDepth), true},
		{strings.Repeat("(", MaxDepth+1) + "websocket" + strings.Repeat(")", MaxDepth+1), false},
		{strings.Repeat("(", MaxLen-1), false},
		{strings.Repeat("!", MaxLen-1), false},
		{strings.Repeat("not ", MaxDepth+1) + "websocket", false},
		{strings.TrimSuffix(strings.Repeat("websocket or ", 4000), "or "), true},
		{"tcp.port in {" + strings.Repeat("1..2 ", 10000) + "}", true},
		{strings.Repeat("x", MaxLen), false},
		{strings.Repeat(" ", MaxLen+1), false},
		{`websocket.reason matches "` + strings.Repeat("(a{1000}", 10) + strings.Repeat("){1000}", 10) + `"`, false},
	} {
		if _, err := Compile(tt.expr); (err == nil) != tt.ok {
			t.Errorf("%.40s... (%d bytes): %v", tt.expr, len(tt.expr), err)
		} else if err != nil && len(err.Error()) > 1000 {
			t.Errorf("%.40s...: an error of %d bytes", tt.expr, len(err.Error()))
		}
	}
}

// What aliases stand for must exist, be of one kind, and hide no field of ours.
func TestAliases(t *testing.T) {
	for _, name := range record.Aliases() {
		if _, ok := record.Lookup(name); ok {
			t.Errorf("%s is a field and an alias", name)
		}
		var kinds []record.Kind
		for _, target := range record.Alias(name) {
			b, ok := record.Lookup(target)
			if !ok {
				t.Errorf("%s stands for %s, which is no field", name, target)
				continue
			}
			kinds = append(kinds, b.Kind())
		}
		if len(slices.Compact(kinds)) != 1 {
			t.Errorf("%s: kinds %v", name, kinds)
		}
		if _, err := Compile(name); err != nil {
			t.Errorf("%v", err)
		}
	}
}

// A name has one kind in all types that have it, so that one comparison fits.
func TestKinds(t *testing.T) {
	for _, name := range record.Names(record.All) {
		b, ok := record.Lookup(name)
		if !ok {
			t.Errorf("%s cannot be looked up", name)
			continue
		}
		for _, f := range b {
			if f != nil && f.Kind != b.Kind() {
				t.Errorf("%s is %s and %s", name, f.Kind, b.Kind())
			}
		}
		f, err := Compile(name)
		if err != nil {
			t.Errorf("%v", err)
		} else if f.Types() != b.Types() {
			t.Errorf("%s: types %s, want %s", name, f.Types().String(), b.Types().String())
		}
	}
}

func TestMatchAllocatesNothing(t *testing.T) {
	for _, expr := range []string{
		"websocket.opcode == text and websocket.bytes > 4k",
		"ip.addr in {::1 127.0.0.0/8 10.0.0.0/8} and not tcp.port == 1",
		`websocket.payload matches "hel+o" or websocket.payload contains x`,
		`websocket.reason matches "(?i)away" or http.host contains example`,
		"websocket.issues != mask-missing", "finding.evidence.packet == 6", "finding.id == accept-mismatch",
		"network.community_id == x or ts > 2026-01-01", "type in {conn, http} or direction == server", "http",
	} {
		f, err := Compile(expr)
		if err != nil {
			t.Fatal(err)
		}
		for _, r := range recordtest.Full() {
			if m, ok := r.(*record.Message); ok {
				m.Issues = recordtest.Issues(finding.InvalidUTF8) // the id of a close code of 4000 is put together when it is read
			}
			if n := testing.AllocsPerRun(100, func() { f.Match(r) }); n != 0 {
				t.Errorf("%s on %s: %v allocations", expr, r.Type(), n)
			}
		}
	}
}

func BenchmarkMatch(b *testing.B) {
	frame := recordtest.Full()[record.TypeFrame]
	for _, expr := range []string{
		"type == ws_frame", "websocket.opcode == text and websocket.bytes > 100", "ip.addr == 10.0.0.0/8", `websocket.payload contains "error"`,
	} {
		b.Run(expr, func(b *testing.B) {
			f, err := Compile(expr)
			if err != nil {
				b.Fatal(err)
			}
			b.ReportAllocs()
			for b.Loop() {
				f.Match(frame)
			}
		})
	}
}

func FuzzCompile(f *testing.F) {
	src, err := os.ReadFile("filter_test.go")
	if err != nil {
		f.Fatal(err)
	}
	for line := range strings.Lines(string(src)) {
		line = strings.TrimSpace(line)
		if _, rest, ok := strings.Cut(line, "{\""); ok {
			expr, _, _ := strings.Cut(rest, "\", ")
			f.Add(expr)
		} else if _, rest, ok := strings.Cut(line, "{`"); ok {
			expr, _, _ := strings.Cut(rest, "`, ")
			f.Add(expr)
		}
	}
	records := recordtest.Full()
	f.Fuzz(func(t *testing.T, expr string) {
		one, err := Compile(expr)
		if err != nil {
			var e *Error
			if !errors.As(err, &e) || e.Off < 0 || e.Len < 0 || e.Off+e.Len > len(e.Expr) {
				t.Fatalf("%q: %#v", expr, err)
			}
			if strings.ContainsFunc(strings.ReplaceAll(err.Error(), "\n", ""), record.Hidden) {
				t.Fatalf("%q: control characters in %q", expr, err)
			}
			return
		}
		two, err := Compile(one.String())
		if err != nil {
			t.Fatalf("%q is printed %q: %v", expr, one, err)
		}
		if one.String() != two.String() || one.Types() != two.Types() || !slices.Equal(one.Fields(), two.Fields()) {
			t.Fatalf("%q is printed %q, then %q", expr, one, two)
		}
		for _, r := range records {
			if one.Match(r) != two.Match(r) {
				t.Fatalf("%q and %q differ on %s", expr, one, r.Type())
			}
			if one.Match(r) && !one.Types().Has(r.Type()) {
				t.Fatalf("%q matches %s against its Types", expr, r.Type())
			}
		}
	})
}
