package output

import (
	"bytes"
	"encoding/csv"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"unicode/utf8"

	"framescope/decode/finding"
	"framescope/decode/record"
	"framescope/decode/record/recordtest"
	"framescope/decode/websocket"
)

func TestFit(t *testing.T) {
	for _, tt := range []struct {
		s    string
		room int
		more bool
		want string
	}{
		{"hello", 5, false, "hello"},
		{"hello", 4, false, "h..."},
		{"hello", 3, false, "..."},
		{"hello", 2, false, ".."},
		{"hello", 0, false, ""},
		{"hello", 10, true, "hello..."},
		{"hello", 8, true, "hello..."},
		{"hello", 7, true, "hell..."},
		{"", 5, true, "..."},
		{"漢字漢字", 8, false, "漢字漢字"},
		{"漢字漢字", 7, false, "漢字..."},
		{"漢字漢字", 6, false, "漢..."},
		{"é́x", 2, false, "é́x"}, // two marks on one letter
		{"🙂🙂", 4, false, "🙂🙂"},
		{"각각", 4, false, "각각"}, // Hangul in parts
		{"a\x1bb", 6, false, `a\x1bb`},
		{"a\x1bb", 5, false, `a...`},
		{"\t\r\n\x00\x7f", 99, false, `\t\r\n\x00\x7f`},
		{"\u0085\u009b\u202e\u2066\u200d\u00ad\U000e0041", 99, false, `\u0085\u009b\u202e\u2066\u200d\u00ad\udb40\udc41`},
		{"\xff\xc0\xafé", 99, false, `\xff\xc0\xafé`},
		{"a" + strings.Repeat("\u0301", 6), 99, false, "a" + strings.Repeat("\u0301", 4) + `\u0301\u0301`},
	} {
		b, used := fit(nil, tt.s, tt.room, tt.more)
		if string(b) != tt.want {
			t.Errorf("fit(%q, %d, %v) = %q, want %q", tt.s, tt.room, tt.more, b, tt.want)
		}
		if used != width(string(b)) || used > tt.room {
			t.Errorf("fit(%q, %d, %v): says %d columns, has %d", tt.s, tt.room, tt.more, used, width(string(b)))
		}
	}
}

// Whatever goes in: no control byte comes out, nothing is wider than said, and
// what is safe stays as it is.
func FuzzFit(f *testing.F) {
	f.Add(evil, 20, true)
	f.Add("漢字é\u0301\u0301\u0301\u0301\u0301\u0301", 3, false)
	f.Fuzz(func(t *testing.T, s string, room int, more bool) {
		b, used := fit(nil, s, room, more)
		if i := bytes.IndexFunc(b, record.Hidden); i >= 0 {
			t.Fatalf("fit(%q) lets %q through", s, b[i:])
		}
		if !utf8.Valid(b) {
			t.Fatalf("fit(%q) is not UTF-8: %q", s, b)
		}
		if used != width(string(b)) || used > max(room, 0) {
			t.Fatalf("fit(%q, %d) = %q: says %d columns, has %d", s, room, b, used, width(string(b)))
		}
		if again, n := fit(nil, b, room, false); room > 0 && (string(again) != string(b) || n != used) {
			t.Fatalf("fit(%q, %d) = %q, then %q", s, room, b, again)
		}
		if c, n := fit(nil, []byte(s), room, more); string(c) != string(b) || n != used {
			t.Fatalf("bytes and strings differ: %q, %q", b, c)
		}
	})
}

func TestWords(t *testing.T) {
	for _, tt := range []struct {
		ns   int64
		want string
	}{
		{0, "0 ms"}, {310_000, "0.31 ms"}, {1_200_000, "1.2 ms"}, {9_994_999, "9.99 ms"}, {9_996_000, "10 ms"}, {12_345_678, "12.3 ms"},
		{99_960_000, "100 ms"}, {999_400_000, "999 ms"}, {999_600_000, "1 s"}, {3_212_345_678, "3.2 s"}, {61_500_000_000, "61.5 s"},
		{252_000_000_000, "4m12s"}, {90_061_000_000_000, "25h1m1s"}, {-1_500_000, "-1.5 ms"},
	} {
		if got := string(appendDuration(nil, tt.ns)); got != tt.want {
			t.Errorf("%d ns: %s, want %s", tt.ns, got, tt.want)
		}
	}
	for _, tt := range []struct {
		n    int64
		want string
	}{
		{0, "0 B"}, {999, "999 B"}, {1000, "1 kB"}, {12_400, "12.4 kB"}, {96_000, "96 kB"}, {99_949, "99.9 kB"}, {99_960, "100 kB"}, {999_499, "999 kB"},
		{999_600, "1 MB"}, {200_184_373, "200 MB"}, {1_500_000_000, "1.5 GB"}, {1<<63 - 1, "9.2 EB"},
	} {
		if got := string(appendBytes(nil, tt.n)); got != tt.want {
			t.Errorf("%d: %s, want %s", tt.n, got, tt.want)
		}
	}
}

func TestJSON(t *testing.T) {
	var want []string
	for _, r := range recordtest.Full() {
		want = append(want, string(record.AppendJSON(nil, r, nil)))
	}
	if got := print(t, "jsonl", Options{}, recordtest.Full()...); got != strings.Join(want, "\n")+"\n" {
		t.Errorf("jsonl: %s", got)
	}
	for n := range 3 {
		got := print(t, "json", Options{}, recordtest.Full()[:n]...)
		var v []map[string]any
		if err := json.Unmarshal([]byte(got), &v); err != nil || len(v) != n {
			t.Errorf("%d records: %v in %s", n, err, got)
		}
	}
	if got := print(t, "jsonl", Options{}); got != "" {
		t.Errorf("nothing is %q", got)
	}
	if got := print(t, "jsonl", Options{Payload: -1}, recordtest.Full()...); strings.Contains(got, "payload\"") || strings.Contains(got, "payload_hex") {
		t.Errorf("payloads in %s", got)
	}
	if got := print(t, "jsonl", Options{Payload: 3}, recordtest.Full()[record.TypeFrame]); !strings.Contains(got, `"payload":"{\"h","payload_more":true`) {
		t.Errorf("payload is not cut in %s", got)
	}
}

func TestCSV(t *testing.T) {
	got := print(t, "csv", Options{Types: record.All}, recordtest.Full()...)
	golden(t, "full.csv.golden", got)
	rows, err := csv.NewReader(strings.NewReader(got)).ReadAll()
	if err != nil {
		t.Fatal(err)
	}
	if len(rows) != 1+record.Types {
		t.Fatalf("%d rows", len(rows))
	}
	cell := func(row int, name string) string {
		for i, n := range rows[0] {
			if n == name {
				return rows[row][i]
			}
		}
		t.Errorf("no column %s", name)
		return ""
	}
	for _, tt := range []struct {
		typ        record.Type
		name, want string
	}{
		{record.TypeFrame, "type", "ws_frame"},
		{record.TypeFrame, "ts", "2026-11-20T16:04:11.207000000Z"},
		{record.TypeFrame, "conn", "C1"},
		{record.TypeFrame, "source.ip", "10.0.0.7"},
		{record.TypeFrame, "websocket.mask", "7e3ac7e3"},
		{record.TypeFrame, "websocket.rtt_ms", "0.31"},
		{record.TypeFrame, "websocket.payload", `{"hello":1}`},
		{record.TypeFrame, "websocket.sha256", ""},
		{record.TypeMessage, "websocket.payload", "0x0001feff"},
		{record.TypeMessage, "websocket.issues", "inflate-history-lost; close-4401"},
		{record.TypeHandshake, "websocket.ok", "true"},
		{record.TypeHandshake, "http.response.headers", "Upgrade: websocket; Connection: Upgrade; Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=; Sec-WebSocket-Protocol: chat"},
		{record.TypeFinding, "finding.evidence.packet", "6"},
		{record.TypeSummary, "summary.skipped.packets", "12; 1"},
		{record.TypeSummary, "ts", ""},
		{record.TypeSocket, "process.pid", "812; 813"},
	} {
		if got := cell(1+int(tt.typ), tt.name); got != tt.want {
			t.Errorf("%s of %s: %q, want %q", tt.name, tt.typ, got, tt.want)
		}
	}
	// Only the columns of what was asked for.
	if got := print(t, "csv", Options{Types: record.Of(record.TypeClose)}); strings.Contains(got, "http.") || !strings.HasPrefix(got, "type,ts,file,conn,") || strings.Count(got, "\n") != 1 {
		t.Errorf("header of ws_close: %s", got)
	}
}

// A spreadsheet must not run what a peer sent, and a terminal neither.
func TestCSVIsHarmless(t *testing.T) {
	for _, s := range []string{"=1+1", "+1", "-1", "@SUM(A1)", "=cmd|' /C calc'!A0", "a,b", `say "hi"`, evil, "\n=1", "a\r\nb", "\t=1", " =1"} {
		got := print(t, "csv", Options{Types: record.Of(record.TypeClose)}, &record.Close{Reason: s, Code: 1000})
		rows, err := csv.NewReader(strings.NewReader(got)).ReadAll()
		if err != nil || len(rows) != 2 {
			t.Errorf("%q: %v: %s", s, err, got)
			continue
		}
		for _, c := range rows[1] {
			if c != "" && strings.ContainsAny(c[:1], "=+-@\t\r") {
				t.Errorf("%q: cell %q", s, c)
			}
		}
		if i := strings.IndexFunc(strings.ReplaceAll(got, "\r\n", ""), record.Hidden); i >= 0 {
			t.Errorf("%q: control characters in %q", s, got)
		}
	}
}

func TestFormats(t *testing.T) {
	for _, f := range Formats {
		if _, err := New(io.Discard, f, Options{}); err != nil {
			t.Error(err)
		}
	}
	if _, err := New(io.Discard, "xml", Options{}); err == nil || !strings.Contains(err.Error(), "table, wide, json, jsonl, csv") {
		t.Errorf("xml: %v", err)
	}
}

type broken struct{ n int }

func (b *broken) Write(p []byte) (int, error) {
	if b.n -= len(p); b.n < 0 {
		return 0, errors.New("pipe closed")
	}
	return len(p), nil
}

func TestWriteErrorsAreReported(t *testing.T) {
	for _, f := range Formats {
		p, err := New(&broken{100}, f, Options{Live: true})
		if err != nil {
			t.Fatal(err)
		}
		e := p.Encoder()
		for i := 0; i < 10000 && err == nil; i++ {
			r := frame(recordtest.Conn(1), record.Client, 1, int64(i), websocket.Text, "x")
			if err = p.Write(Item{Conn: 1, Type: r.Type(), Data: e.Encode(nil, r)}); err == nil && i%10 == 9 {
				err = p.Flush()
			}
		}
		if err == nil || err.Error() != "pipe closed" {
			t.Errorf("%s: Write says %v", f, err)
		}
		if err := p.Close(); err == nil {
			t.Errorf("%s: Close says nothing", f)
		}
	}
}

// Two sessions that are too long to be held: both are printed in parts, under
// headings that say so, and no row is lost.
func TestContinued(t *testing.T) {
	var out bytes.Buffer
	p, err := New(&out, "table", Options{MaxHeld: 1 << 15})
	if err != nil {
		t.Fatal(err)
	}
	e := p.Encoder()
	a, b := recordtest.Conn(1), recordtest.Conn(2)
	feed(t, p, e, handshake(a, 1, 101, ""))
	feed(t, p, e, handshake(b, 1, 101, ""))
	for i := range 2000 {
		for j, c := range []*record.Conn{a, b} {
			feed(t, p, e, frame(c, record.Client, float64(i), int64(2*i+j+100), websocket.Text, "some text that takes a bit of room"))
			if p.table.held > 1<<15 {
				t.Fatalf("%d bytes are held", p.table.held)
			}
		}
	}
	feed(t, p, e, end(b, "fin", record.Client, 2, 2000))
	feed(t, p, e, end(a, "fin", record.Client, 2, 2000))
	if err := p.Close(); err != nil {
		t.Fatal(err)
	}
	got := out.String()
	check(t, got, 80, false)
	checkRows(t, got, 4000)
	for _, want := range []string{"C1  10.", "C2  10.", "C1 (continued)  10.", "C2 (continued)  10."} {
		if !strings.Contains(got, want) {
			t.Errorf("no heading %q", want)
		}
	}
	if n := strings.Count(got, "   ok\n"); n != 2 {
		t.Errorf("%d verdicts:\n%s", n, got[len(got)-500:])
	}
	if n := strings.Count(got, "(continued)"); n > 40 {
		t.Errorf("%d parts", n)
	}
	if p.table.held != 0 || len(p.table.groups) != 0 {
		t.Errorf("%d bytes and %d groups are left", p.table.held, len(p.table.groups))
	}
}

// More open sessions than can be remembered: they are printed and forgotten, and
// come back as continued.
func TestManyConnections(t *testing.T) {
	var out bytes.Buffer
	p, err := New(&out, "table", Options{MaxHeld: 1 << 16})
	if err != nil {
		t.Fatal(err)
	}
	e := p.Encoder()
	const n = 2000
	packet := int64(100)
	for range 2 {
		for id := int64(1); id <= n; id++ {
			feed(t, p, e, frame(recordtest.Conn(id), record.Client, 1, packet, websocket.Text, "x"))
			packet++
			if p.table.held > 1<<16+2048 {
				t.Fatalf("%d bytes are held", p.table.held)
			}
		}
	}
	if err := p.Close(); err != nil {
		t.Fatal(err)
	}
	checkRows(t, out.String(), 2*n)
}

var (
	headingLine = regexp.MustCompile(`^C(\d+)( \(continued\))?  `)
	rowLine     = regexp.MustCompile(`^ +(\d+) +[+-]\d+\.\d{3}s  `)
)

// checkRows holds that every packet number has one row, and that rows of one
// connection are in their order.
func checkRows(t *testing.T, got string, want int) {
	t.Helper()
	seen := map[int64]bool{}
	last := map[string]int64{}
	conn := ""
	for l := range strings.SplitSeq(got, "\n") {
		if m := headingLine.FindStringSubmatch(l); m != nil {
			if (m[2] != "") != (last[m[1]] != 0) {
				t.Errorf("heading %q after row %d", l, last[m[1]])
			}
			conn = m[1]
		}
		if m := rowLine.FindStringSubmatch(l); m != nil {
			n, _ := strconv.ParseInt(m[1], 10, 64)
			if seen[n] || n <= last[conn] {
				t.Errorf("C%s: row %d after %d", conn, n, last[conn])
			}
			seen[n], last[conn] = true, n
		}
	}
	if len(seen) != want {
		t.Errorf("%d rows, want %d", len(seen), want)
	}
}

// Somebody who watches sees each row when it comes.
func TestLive(t *testing.T) {
	var out bytes.Buffer
	p, err := New(&out, "table", Options{Live: true})
	if err != nil {
		t.Fatal(err)
	}
	e := p.Encoder()
	sees := func(want string) {
		t.Helper()
		if err := p.Flush(); err != nil {
			t.Fatal(err)
		}
		if !strings.HasSuffix(out.String(), want) {
			t.Errorf("got\n%s\nwant at the end\n%s", out.String(), want)
		}
	}
	a, b := recordtest.Conn(1), recordtest.Conn(2)
	feed(t, p, e, handshake(a, 1, 101, ""))
	sees("    16:04:11.001  GET /room > 101 in 1.2 ms   accept ok\n")
	feed(t, p, e, frame(a, record.Client, 2, 8, websocket.Text, "one"))
	sees("           8    +0.002s  client  text          3  one\n")
	// Another one does not wait for the first to end.
	feed(t, p, e, handshake(b, 1, 101, ""))
	feed(t, p, e, frame(b, record.Client, 2, 9, websocket.Text, "other"))
	sees("\n\nC2  10.0.0.7:51884 > 10.0.0.2:8765   ws://chat.example/room\n" +
		"    16:04:11.001  GET /room > 101 in 1.2 ms   accept ok\n" +
		"      packet       time  from    opcode    bytes  payload\n" +
		"           9    +0.002s  client  text          5  other\n")
	feed(t, p, e, frame(a, record.Client, 3, 10, websocket.Text, "two"))
	feed(t, p, e, frame(b, record.Client, 3, 11, websocket.Text, "more"))
	feed(t, p, e, frame(a, record.Client, 4, 12, websocket.Text, "three"))
	sees("\n\nC1 (continued)  10.0.0.7:51882 > 10.0.0.2:8765\n" +
		"          10    +0.003s  client  text          3  two\n          12    +0.004s  client  text          5  three\n" +
		"\nC2 (continued)  10.0.0.7:51884 > 10.0.0.2:8765\n          11    +0.003s  client  text          4  more\n")
	// A finding is explained when it is found, and not again at the end.
	feed(t, p, e, &record.Finding{Head: recordtest.Head(b, record.Client, 4, 13, 13), ID: finding.InvalidUTF8, Evidence: []record.Evidence{{Packet: 13, Off: 7, Text: "byte ff"}}})
	if err := p.Flush(); err != nil {
		t.Fatal(err)
	}
	if n := strings.Count(out.String(), "error: invalid-utf8"); n != 1 || !strings.Contains(out.String(), "offset 7: byte ff\n      fix") {
		t.Errorf("%d times:\n%s", n, &out)
	}
	feed(t, p, e, end(a, "rst", record.Server, 1, 2))
	sees("\nC1 (continued)  10.0.0.7:51882 > 10.0.0.2:8765\n" +
		"    RST from server, without a close frame, after 1 s   2 messages, 11 B      ok\n")
	feed(t, p, e, end(b, "rst", record.Server, 1, 2))
	sees("\nC2 (continued)  10.0.0.7:51884 > 10.0.0.2:8765                             error\n" +
		"    RST from server, without a close frame, after 1 s   2 messages, 9 B\n")
	if n := strings.Count(out.String(), "error: invalid-utf8"); n != 1 {
		t.Errorf("the finding was explained %d times", n)
	}
}

// What was chosen decides what is listed.
func TestSelection(t *testing.T) {
	c := recordtest.Conn(1)
	m := &record.Message{Head: recordtest.Head(c, record.Server, 13, 9, 14), Opcode: websocket.Text, Bytes: 5616, Wire: 48, Frames: 3, Compressed: true, Complete: true, Payload: []byte("whole"), Text: true}
	lost := &record.Message{Head: recordtest.Head(c, record.Server, 14, 15, 15), Opcode: websocket.Binary, Bytes: -1, Wire: 48, Frames: 1, Cause: "48 bytes could not be inflated"}
	all := append(fragmented(c), m, lost)
	frames := print(t, "table", Options{}, all...)
	if strings.Contains(frames, "whole") {
		t.Errorf("messages without having been asked for:\n%s", frames)
	}
	messages := print(t, "table", Options{Types: record.Of(record.TypeMessage)}, all...)
	golden(t, "messages.golden", messages)
	both := print(t, "wide", Options{Types: record.Of(record.TypeMessage, record.TypeFrame)}, all...)
	golden(t, "messages-and-frames.golden", both)
	closes := print(t, "table", Options{Types: record.Of(record.TypeClose)}, all...)
	golden(t, "closes.golden", closes)
	packets := print(t, "table", Options{Types: record.Of(record.TypePacket)}, recordtest.Full()[record.TypePacket])
	golden(t, "packets.golden", packets)
	conns := print(t, "table", Options{Types: record.Of(record.TypeConn)}, noWebSocket()...)
	golden(t, "connections.golden", conns)
	for _, s := range []string{messages, closes, packets, conns} {
		check(t, s, 80, false)
	}
	check(t, both, 140, false)
}

// A filter picks rows; the connections that they are in get their heading and
// their end all the same, and no others.
func TestFiltered(t *testing.T) {
	all := interleaved()
	ping := func(r record.Record) bool {
		f, ok := r.(*record.Frame)
		return ok && f.Header.Opcode == websocket.Ping && f.Header.Length > 0
	}
	failures := func(r record.Record) bool {
		h, ok := r.(*record.Handshake)
		return ok && h.OK == record.No
	}
	for name, match := range map[string]func(record.Record) bool{"ping": ping, "failures": failures} {
		var given []record.Record
		for _, r := range all {
			if Context.Has(r.Type()) || match(r) {
				given = append(given, r)
			}
		}
		got := print(t, "table", Options{Match: match}, given...)
		golden(t, "filtered-"+name+".golden", got)
		check(t, got, 80, false)
	}
}

func TestFiles(t *testing.T) {
	var all []record.Record
	for i, file := range []string{"a.pcap", "b.pcap", ""} {
		if file != "" {
			c := recordtest.Conn(int64(i + 1))
			c.File = file
			h := handshake(c, 1, 101, "")
			h.File = file
			e := end(c, "fin", record.Client, 1, 1)
			e.File = file
			all = append(all, h, e)
		}
		s := summary(1, 1, 0)
		s.File = file
		all = append(all, s)
	}
	got := print(t, "table", Options{Files: true}, all...)
	golden(t, "files.golden", got)
	check(t, got, 80, false)
}

// Any records in any order, in any room: lines fit, nothing hidden gets through,
// every row is printed once.
func TestRandomTables(t *testing.T) {
	for seed := range uint64(60) {
		rng := rand.New(rand.NewPCG(seed, 1))
		o := Options{Width: 60 + rng.IntN(100), Color: seed%3 == 0, Live: seed%4 == 0, MaxHeld: 1 << (10 + rng.IntN(8)), Files: seed%5 == 0}
		var out bytes.Buffer
		p, err := New(&out, "table", o)
		if err != nil {
			t.Fatal(err)
		}
		e := p.Encoder()
		packet := int64(1)
		ended := map[int64]bool{}
		for range 400 {
			id := 1 + rng.Int64N(6)
			if ended[id] {
				continue
			}
			c := recordtest.Conn(id)
			text := evil[rng.IntN(len(evil)):]
			switch rng.IntN(12) {
			case 0:
				feed(t, p, e, handshake(c, 1, 101, text))
			case 1:
				for _, r := range failed(c)[:2] {
					feed(t, p, e, r)
				}
			case 2:
				feed(t, p, e, gap(c)[3+rng.IntN(2)])
			case 3:
				if rng.IntN(4) == 0 {
					ended[id] = true
					feed(t, p, e, end(c, "fin", record.Client, 1, 1))
				}
			case 4:
				feed(t, p, e, &record.Close{Head: recordtest.Head(c, record.Client, 1, 1, 1), Code: 1000, Reason: text})
			default:
				feed(t, p, e, frame(c, record.Direction(1+rng.IntN(2)), float64(packet), packet, websocket.Opcode(rng.IntN(16)), text))
				packet++
			}
		}
		if err := p.Close(); err != nil {
			t.Fatal(err)
		}
		check(t, out.String(), o.Width, o.Color)
		if !o.Color {
			seen := map[string]bool{}
			for l := range strings.SplitSeq(out.String(), "\n") {
				if m := rowLine.FindStringSubmatch(l); m != nil {
					if seen[m[1]] {
						t.Errorf("seed %d: packet %s twice", seed, m[1])
					}
					seen[m[1]] = true
				}
			}
			if int64(len(seen)) != packet-1 {
				t.Errorf("seed %d: %d rows of %d", seed, len(seen), packet-1)
			}
		}
	}
}

// What the network says cannot move the terminal, whatever record it is in.
func FuzzTable(f *testing.F) {
	f.Add(evil, []byte(evil), int64(3), uint8(10))
	f.Fuzz(func(t *testing.T, s string, payload []byte, n int64, columns uint8) {
		c := recordtest.Conn(1)
		c.File = s
		h := handshake(c, 1, int(n%600), s)
		h.URL, h.Request.Target, h.Response.Body, h.Subprotocol, h.ExtensionParams = s, s, s, s, s
		h.Response.Headers = []record.Pair{{Name: "Server", Value: s}, {Name: s, Value: s}}
		fr := frame(c, record.Client, float64(n%1000), n, websocket.Opcode(n&15), string(payload))
		fr.Text, fr.RTT, fr.Inflated, fr.Captured = n%2 == 0, n, n, n
		e := end(c, s, record.Server, 1, n)
		e.Protocol = s
		sum := summary(n, n, n)
		sum.File, sum.Skipped = s, []record.Skip{{Cause: s, Packets: n, Bytes: n}}
		sum.First, sum.Missing = n, n
		all := []record.Record{
			h, fr, &record.Message{Head: fr.Head, Payload: payload, Text: n%2 == 1, Cause: s, Bytes: n, Frames: n},
			&record.HTTP{Head: fr.Head, Request: record.Request{Method: s, Target: s}, Response: record.Response{Status: 500, Reason: s}, Duration: n},
			&record.Finding{Head: fr.Head, ID: 1, Evidence: []record.Evidence{{Packet: n, Off: n, Text: s}}},
			&record.Finding{Head: record.Head{File: s}, ID: 2, Evidence: []record.Evidence{{Packet: n, Off: n, Text: s}}},
			&record.Packet{Head: fr.Head, Link: s, Protocol: s, Flags: s, Problem: s, Length: n},
			&record.Close{Head: fr.Head, Code: uint16(n), Reason: s}, e, sum,
		}
		columns = max(columns, 1)
		o := Options{Width: int(columns), Types: record.All, Files: n%3 == 0}
		check(t, print(t, "table", o, all...), max(int(columns), 60), false)
		check(t, print(t, "wide", o, all...), max(int(columns), 140), false)
		o.Color = true
		check(t, print(t, "table", o, all...), max(int(columns), 60), true)
		got := print(t, "csv", o, all...)
		if i := strings.IndexFunc(strings.ReplaceAll(got, "\r\n", ""), record.Hidden); i >= 0 {
			t.Errorf("CSV lets %q through", got[i:min(i+8, len(got))])
		}
		if _, err := csv.NewReader(strings.NewReader(got)).ReadAll(); err != nil {
			t.Errorf("CSV: %v", err)
		}
	})
}

func BenchmarkEncode(b *testing.B) {
	c := recordtest.Conn(1)
	r := frame(c, record.Client, 207, 8, websocket.Text, strings.Repeat(`{"hello":1} `, 7))
	for _, format := range []string{"table", "jsonl", "csv"} {
		b.Run(format, func(b *testing.B) {
			p, err := New(io.Discard, format, Options{Width: 120, Payload: 80})
			if err != nil {
				b.Fatal(err)
			}
			e := p.Encoder()
			var buf []byte
			b.ReportAllocs()
			for b.Loop() {
				buf = e.Encode(buf[:0], r)
				if err := p.Write(Item{Conn: 1, Type: r.Type(), Data: buf}); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

func TestEncodeAllocatesNothing(t *testing.T) {
	r := frame(recordtest.Conn(1), record.Client, 207, 8, websocket.Text, "hello")
	for _, format := range Formats {
		p, err := New(io.Discard, format, Options{})
		if err != nil {
			t.Fatal(err)
		}
		e := p.Encoder()
		buf := make([]byte, 0, 4096)
		if n := testing.AllocsPerRun(100, func() { buf = e.Encode(buf[:0], r) }); n != 0 {
			t.Errorf("%s: %v allocations", format, n)
		}
	}
}

// The width table is in order, so that it can be searched.
func TestWidthTable(t *testing.T) {
	for i, r := range wide {
		if r[0] > r[1] || i > 0 && wide[i-1][1] >= r[0] {
			t.Errorf("range %d: %U to %U", i, r[0], r[1])
		}
	}
	for r, want := range map[rune]int{'a': 1, 'é': 1, '\u0301': 0, '漢': 2, 'ｱ': 1, 'Ａ': 2, '한': 2, '🙂': 2, '€': 1, '\u20dd': 0, 'ᅡ': 0, '│': 1} {
		if got := runeWidth(r); got != want {
			t.Errorf("%U: %d columns, want %d", r, got, want)
		}
	}
}

func ExampleNew() {
	p, err := New(os.Stdout, "jsonl", Options{})
	if err != nil {
		fmt.Println(err)
		return
	}
	e := p.Encoder()
	r := &record.Close{Code: 1001, Reason: "going away", Clean: true, EndedBy: record.Client}
	if err := p.Write(Item{Type: r.Type(), Data: e.Encode(nil, r)}); err != nil {
		fmt.Println(err)
	}
	if err := p.Close(); err != nil {
		fmt.Println(err)
	}
	// Output: {"schema":"1.0","type":"ws_close","websocket":{"code":1001,"reason":"going away","clean":true,"ended_by":"client","issues":[]}}
}
