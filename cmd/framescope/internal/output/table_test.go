package output

import (
	"bytes"
	"flag"
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"framescope/decode/finding"
	"framescope/decode/record"
	"framescope/decode/record/recordtest"
	"framescope/decode/websocket"
)

var update = flag.Bool("update", false, "rewrite the golden files")

// print runs records through an Encoder and a Printer.
func print(t testing.TB, format string, o Options, records ...record.Record) string {
	t.Helper()
	var out bytes.Buffer
	p, err := New(&out, format, o)
	if err != nil {
		t.Fatal(err)
	}
	e := p.Encoder()
	for _, r := range records {
		feed(t, p, e, r)
	}
	if err := p.Close(); err != nil {
		t.Fatal(err)
	}
	return out.String()
}

func feed(t testing.TB, p *Printer, e Encoder, r record.Record) {
	t.Helper()
	it := Item{Type: r.Type(), Data: e.Encode(nil, r)}
	if c := r.Shared().Conn; c != nil {
		it.Conn = c.ID
	}
	if err := p.Write(it); err != nil {
		t.Fatal(err)
	}
	// Data is only lent.
	for i := range it.Data {
		it.Data[i] = '#'
	}
}

// Pieces that the scenes below are made of.

func handshake(c *record.Conn, ms float64, status int, reason string) *record.Handshake {
	h := &record.Handshake{
		Head: recordtest.Head(c, record.None, ms, 4, 6),
		Request: record.Request{Method: "GET", Target: "/room", Version: "1.1", Headers: []record.Pair{
			{Name: "Host", Value: "chat.example"}, {Name: "Upgrade", Value: "websocket"}, {Name: "Connection", Value: "Upgrade"},
			{Name: "Sec-WebSocket-Key", Value: "dGhlIHNhbXBsZSBub25jZQ=="}, {Name: "Sec-WebSocket-Version", Value: "13"},
			{Name: "Origin", Value: "https://chat.example"},
		}},
		Response: record.Response{Status: status, Reason: reason, Version: "1.1", Headers: []record.Pair{{Name: "Server", Value: "nginx/1.22.1"}}},
		OK:       record.Yes, AcceptOK: record.Yes, URL: "ws://chat.example/room", Duration: 1_200_000,
	}
	if status != 101 {
		h.OK, h.AcceptOK, h.Duration = record.No, record.Unknown, 800_000
	}
	return h
}

func frame(c *record.Conn, from record.Direction, ms float64, packet int64, op websocket.Opcode, payload string) *record.Frame {
	f := &record.Frame{
		Head:     recordtest.Head(c, from, ms, packet, packet),
		Header:   websocket.Header{Length: int64(len(payload)), Fin: true, Opcode: op, Size: 2, Masked: from == record.Client},
		Captured: int64(len(payload)), Off: packet * 100, RTT: -1,
		Payload: []byte(payload), Text: op != websocket.Binary && op != websocket.Close,
	}
	if f.Header.Masked {
		f.Header.Mask = [4]byte{0x7e, 0x3a, 0xc7, byte(packet)}
	}
	return f
}

func bye(c *record.Conn, by record.Direction, ms float64, packet int64, code uint16, reason string) []record.Record {
	p := string([]byte{byte(code >> 8), byte(code)}) + reason
	return []record.Record{
		frame(c, by, ms, packet, websocket.Close, p),
		&record.Close{Head: recordtest.Head(c, by, ms, packet, packet), Code: code, Reason: reason, Clean: true, EndedBy: by},
		frame(c, 3-by, ms+1, packet+1, websocket.Close, p),
		&record.Close{Head: recordtest.Head(c, 3-by, ms+1, packet+1, packet+1), Code: code, Reason: reason, Clean: true, EndedBy: by},
	}
}

func end(c *record.Conn, how string, by record.Direction, seconds float64, messages int64) *record.ConnEnd {
	return &record.ConnEnd{
		Head: recordtest.Head(c, record.None, 0, 1, 142), Protocol: "websocket", End: how, EndedBy: by, Duration: int64(seconds * 1e9),
		Client: record.Traffic{Packets: 30, Bytes: 2100, Stream: 2100}, Server: record.Traffic{Packets: 40, Bytes: 12400, Stream: 12400}, Messages: messages,
	}
}

func summary(connections, sessions, failed int64) *record.Summary {
	return &record.Summary{
		Head: record.Head{File: "x.pcap"}, Packets: 118, Bytes: 96_000, Connections: connections, Sessions: sessions, Failed: failed,
		Frames: 120, Messages: 60, First: recordtest.Start, Last: recordtest.Start + 3_900_000_000,
	}
}

func ordinary(c *record.Conn) []record.Record {
	h := handshake(c, 204, 101, "Switching Protocols")
	h.Extensions, h.ExtensionParams, h.Subprotocol = []string{"permessage-deflate"}, "permessage-deflate", "chat"
	pong := frame(c, record.Server, 230.31, 13, websocket.Pong, "keepalive")
	pong.RTT = 310_000
	return append(append([]record.Record{
		h,
		frame(c, record.Client, 207, 8, websocket.Text, `{"hello":1}`),
		frame(c, record.Server, 208, 12, websocket.Text, `{"items":[{"id":7,"name":"Grüße aus 東京","tags":["a","b"]}],"next":"/room?page=2","total":1234}`),
		frame(c, record.Client, 230, 12, websocket.Ping, "keepalive"),
		pong,
		frame(c, record.Server, 1200, 20, websocket.Binary, "\x00\x01\x02\xfe\xff some bytes that are no text, and more of them"),
	}, bye(c, record.Client, 3212, 40, 1000, "bye")...), end(c, "fin", record.Client, 3.2123, 60))
}

func failed(c *record.Conn) []record.Record {
	h := handshake(c, 20, 400, "Bad Request")
	h.Response.Body = "Failed to open a WebSocket connection: did not receive a valid HTTP request.\n"
	h.Response.Headers = append(h.Response.Headers, record.Pair{Name: "Content-Type", Value: "text/plain"})
	e := end(c, "fin", record.Server, 0.0021, 0)
	return []record.Record{
		h,
		&record.Finding{Head: recordtest.Head(c, record.None, 20, 61, 61), ID: finding.ProxyStripsUpgrade, Evidence: []record.Evidence{
			{Packet: 61, Off: -1, Text: "Sec-WebSocket-Key is there, Upgrade is not, Connection: close"},
		}},
		e,
	}
}

func fragmented(c *record.Conn) []record.Record {
	h := handshake(c, 2, 101, "Switching Protocols")
	h.Extensions, h.ExtensionParams = []string{"permessage-deflate"}, "permessage-deflate; client_max_window_bits=15; server_no_context_takeover"
	one := frame(c, record.Server, 10, 9, websocket.Text, `{"part":1,"of":"a long message that was cut into frames"`)
	one.Header.Fin, one.Header.RSV, one.Header.Length, one.Captured, one.Inflated, one.More = false, websocket.RSV1, 31, 31, 5600, true
	ping := frame(c, record.Server, 11, 10, websocket.Ping, "")
	pong := frame(c, record.Client, 11.4, 11, websocket.Pong, "")
	pong.RTT = 400_000
	two := frame(c, record.Server, 12, 12, websocket.Continuation, `,"more":[1,2,3]`)
	two.Header.Fin, two.Header.Length, two.Captured, two.Inflated = false, 12, 12, 15
	three := frame(c, record.Server, 13, 14, websocket.Continuation, `}`)
	three.Header.Length, three.Captured, three.Inflated, three.Last = 5, 5, 1, 15
	pong2 := frame(c, record.Client, 40, 31, websocket.Pong, "")
	pong2.RTT = 12_345_678
	return append(append([]record.Record{h, one, ping, pong, two, three, pong2}, bye(c, record.Server, 50, 40, 1001, "")...), end(c, "fin", record.Server, 0.051, 1))
}

func gap(c *record.Conn) []record.Record {
	h := handshake(c, 1, 101, "Switching Protocols")
	h.AcceptOK = record.Unknown
	cut := frame(c, record.Server, 30, 57, websocket.Text, `{"a":`)
	cut.Header.Length, cut.Captured, cut.Issues = 4096, 2648, recordtest.Issues(finding.CaptureGap)
	torn := frame(c, record.Server, 90, 71, websocket.Binary, "\x01\x02")
	torn.Header.Length, torn.Captured, torn.Ended, torn.Issues = 100, 2, true, recordtest.Issues(finding.TruncatedFrame)
	e := end(c, "rst", record.Server, 0.1, 7)
	e.Server.Missing, e.Undecoded = 2896, 812
	return []record.Record{
		h,
		frame(c, record.Client, 20, 50, websocket.Text, `{"get":"all"}`),
		cut,
		&record.Finding{Head: recordtest.Head(c, record.Server, 40, 60, 60), ID: finding.CaptureGap, Evidence: []record.Evidence{{Packet: 60, Off: 9000, Text: "1448 bytes missing: not captured"}}},
		&record.Finding{Head: recordtest.Head(c, record.Server, 41, 61, 61), ID: finding.UndecodedBytes, Evidence: []record.Evidence{{Packet: 61, Off: 10448, Text: "812 bytes not decoded: no frame boundary after the gap"}}},
		frame(c, record.Server, 60, 66, websocket.Text, `{"b":2}`),
		torn,
		&record.Finding{Head: recordtest.Head(c, record.Server, 90, 71, 71), ID: finding.TruncatedFrame, Evidence: []record.Evidence{{Packet: 71, Off: 12000, Text: "98 of 100 payload bytes never came"}}},
		&record.Close{Head: recordtest.Head(c, record.None, 100, 72, 72), Code: 1006, EndedBy: record.Server},
		&record.Finding{Head: recordtest.Head(c, record.None, 100, 72, 72), ID: finding.AbnormalRST, Evidence: []record.Evidence{{Packet: 72, Off: -1, Text: "RST from server, no close frame from either side"}}},
		e,
	}
}

const evil = "\x1b[31mred\x07\u202etxt.exe\xff\xfe\u200b\u0085\n\r\té漢字"

func hostile() []record.Record {
	c := recordtest.Conn(1)
	c.File = "x" + evil + ".pcap"
	h := handshake(c, 1, 404, "Not "+evil)
	h.URL, h.Request.Method, h.Request.Target = "ws://"+evil, "G"+evil, "/"+evil
	h.Request.Headers = append(h.Request.Headers, record.Pair{Name: "Via", Value: evil}, record.Pair{Name: evil, Value: evil})
	h.Response.Headers = []record.Pair{{Name: "Server", Value: strings.Repeat(evil, 9)}, {Name: "Location", Value: evil}}
	h.Response.Body, h.Subprotocol, h.ExtensionParams, h.Extensions = evil, evil, evil, []string{evil}
	f := frame(c, record.Client, 3, 9, websocket.Text, evil)
	g := frame(c, record.Client, 3, 9, websocket.Close, "\x03\xe8"+evil)
	z := frame(c, record.Client, 3, 9, websocket.Text, "Z"+strings.Repeat("\u0301", 60)+"algo")
	s := summary(1, 0, 1)
	s.File = evil
	s.Skipped = []record.Skip{{Cause: evil, Packets: 3, Bytes: 4}}
	s.Left = []record.Left{{Protocol: evil, Packets: 3, Bytes: 4}}
	e := end(c, evil, record.Client, 0.1, 1)
	e.Protocol = "websocket"
	return []record.Record{
		h, f, g, z,
		&record.HTTP{Head: recordtest.Head(c, record.None, 4, 5, 6), Request: record.Request{Method: evil, Target: evil}, Response: record.Response{Status: 500, Reason: evil}},
		&record.Finding{Head: recordtest.Head(c, record.Client, 4, 6, 6), ID: finding.NotHTTP, Evidence: []record.Evidence{{Packet: 6, Off: 3, Text: strings.Repeat(evil, 30)}}},
		&record.Finding{Head: recordtest.Head(c, record.Client, 4, 6, 6), ID: finding.CaptureGap, Evidence: []record.Evidence{{Packet: 6, Off: 3, Text: evil}}},
		&record.Close{Head: recordtest.Head(c, record.Client, 5, 7, 7), Code: 1000, Reason: evil, EndedBy: record.Client},
		e, s,
	}
}

func interleaved() (all []record.Record) {
	a, b, c := ordinary(recordtest.Conn(1)), failed(recordtest.Conn(2)), fragmented(recordtest.Conn(3))
	for i := 0; len(a)+len(b)+len(c) > 0; i++ {
		for _, s := range []*[]record.Record{&c, &a, &b} {
			if len(*s) > 0 {
				all = append(all, (*s)[0])
				*s = (*s)[1:]
			}
		}
	}
	return append(all, summary(3, 2, 1))
}

func stillOpen() []record.Record {
	c := recordtest.Conn(1)
	e := end(c, "open", record.None, 61.5, 2)
	s := summary(1, 1, 0)
	s.Notes = 1
	s.Left = []record.Left{{Protocol: "arp", Packets: 1, Bytes: 60}}
	return []record.Record{
		handshake(c, 2, 101, ""), frame(c, record.Client, 10, 9, websocket.Text, "hello"), frame(c, record.Server, 11, 10, websocket.Text, "hello"),
		&record.Finding{Head: recordtest.Head(c, record.None, 0, 1, 1), ID: finding.InformationalResponse},
		e, s,
	}
}

func noWebSocket() (all []record.Record) {
	for i, p := range []string{"tls", "http", "", "http2", "tls"} {
		c := recordtest.Conn(int64(i + 1))
		if i == 3 {
			c = &record.Conn{ID: 4, Start: recordtest.Start, Source: netip.MustParseAddrPort("[2001:470:e5bf:dead:4957:2174:e82c:4887]:63943"), Destination: netip.MustParseAddrPort("[2607:f8b0:400c:c03::1a]:25")}
		}
		e := end(c, []string{"fin", "rst", "refused", "open", "evicted"}[i], record.Client, float64(i)*7.3, 0)
		e.Protocol = p
		if p == "tls" {
			e.ServerName = "chat" + strings.Repeat("-and-more", 2*i) + ".example"
		}
		all = append(all, &record.HTTP{Head: recordtest.Head(c, record.None, 1, 2, 3), Request: record.Request{Method: "GET", Target: "/"}}, e)
	}
	s := summary(5, 0, 0)
	s.Frames, s.Messages, s.Missing, s.Undecoded, s.Evicted, s.Truncated = 0, 0, 1, 2, 3, true
	s.Skipped = []record.Skip{{Cause: "link type 147 cannot be read", Packets: 12, Bytes: 900}, {Cause: "cut short by the snapshot length", Packets: 1}}
	s.Left = []record.Left{{Protocol: "arp", Packets: 40, Bytes: 2400}, {Protocol: "spanning tree", Packets: 3, Bytes: 180}}
	return append(all, s)
}

func nothing() []record.Record {
	s := summary(0, 0, 0)
	s.Packets, s.Bytes, s.Frames, s.Messages = 0, 0, 0, 0
	return []record.Record{s}
}

func midstream() []record.Record {
	c := &record.Conn{ID: 1, Source: netip.MustParseAddrPort("[2001:470:e5bf:dead:4957:2174:e82c:4887]:63943"), Destination: netip.MustParseAddrPort("[2607:f8b0:400c:c03::1a]:8080"), Start: recordtest.Start}
	e := end(c, "fin", record.Server, 12, 2)
	e.Midstream = true
	return []record.Record{
		frame(c, record.Client, 10, 9, websocket.Text, "hello"),
		&record.Finding{Head: recordtest.Head(c, record.None, 0, 1, 1), ID: finding.Midstream, Evidence: []record.Evidence{{Packet: 1, Off: -1, Text: "the first packet is no SYN"}}},
		&record.Close{Head: recordtest.Head(c, record.None, 100, 72, 72), Code: 1006, EndedBy: record.Server},
		e,
	}
}

var scenes = []struct {
	name    string
	records func() []record.Record
}{
	{"ordinary", func() []record.Record { return append(ordinary(recordtest.Conn(1)), summary(1, 1, 0)) }},
	{"failed", func() []record.Record { return append(failed(recordtest.Conn(1)), summary(1, 0, 1)) }},
	{"fragmented", func() []record.Record { return append(fragmented(recordtest.Conn(1)), summary(1, 1, 0)) }},
	{"gap", func() []record.Record {
		s := summary(1, 1, 0)
		s.Missing, s.Undecoded, s.Errors, s.Warnings = 2896, 812, 2, 2
		return append(gap(recordtest.Conn(1)), s)
	}},
	{"hostile", hostile},
	{"interleaved", interleaved},
	{"open", stillOpen},
	{"midstream", midstream},
	{"no-websocket", noWebSocket},
	{"nothing", nothing},
}

func TestTable(t *testing.T) {
	for _, s := range scenes {
		for _, format := range []string{"table", "wide"} {
			for _, columns := range []int{80, 200} {
				for _, color := range []bool{false, true} {
					if format == "wide" && (columns == 80 || color) {
						continue
					}
					name := fmt.Sprintf("%s-%s-%d", s.name, format, columns)
					if color {
						name += "-color"
					}
					t.Run(name, func(t *testing.T) {
						got := print(t, format, Options{Width: columns, Color: color}, s.records()...)
						golden(t, name+".golden", got)
						check(t, got, max(columns, 60), color)
						for l := range strings.Lines(sgr.ReplaceAllString(got, "")) {
							if strings.TrimRight(l, " \n")+"\n" != l {
								t.Errorf("white space at the end of %q", l)
							}
						}
					})
				}
			}
		}
	}
}

func golden(t *testing.T, name, got string) {
	t.Helper()
	path := filepath.Join("testdata", name)
	if *update {
		if err := os.MkdirAll("testdata", 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if string(want) != got {
		t.Errorf("%s differs; run with -update and look at the difference\ngot:\n%s", path, got)
	}
}

var sgr = regexp.MustCompile("\x1b\\[[0-9]+m")

// check holds what is true of every table: no line is too long, and nothing but our own colours moves the terminal.
func check(t testing.TB, got string, columns int, color bool) {
	t.Helper()
	plain := got
	if color {
		plain = sgr.ReplaceAllString(got, "")
	}
	for i, l := range strings.Split(plain, "\n") {
		if n := width(l); n > columns {
			t.Errorf("line %d has %d columns of %d: %q", i+1, n, columns, l)
		}
		if j := strings.IndexFunc(l, record.Hidden); j >= 0 {
			t.Errorf("line %d: %q gets through: %q", i+1, l[j:min(j+4, len(l))], l)
		}
	}
}
