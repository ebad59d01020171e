package record_test

import (
	"bytes"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"unicode/utf8"

	"framescope/decode/record"
	"framescope/decode/record/recordtest"
	"framescope/decode/websocket"
)

// The lines are an interface: names, nesting and order stay.
func TestAppendJSON(t *testing.T) {
	want := []string{
		`{"schema":"1.0","type":"conn","ts":"2026-11-20T16:04:11.000000000Z","file":"x.pcap","conn":"C1",` +
			`"network":{"transport":"tcp","protocol":"websocket","community_id":"1:AnDTZbi+5nrDc18qnUPZL9bTZnQ="},` +
			`"source":{"ip":"10.0.0.7","port":51882,"packets":70,"bytes":2200,"stream_bytes":2100,"missing_bytes":0,"retransmitted_bytes":100,"out_of_order":1,"conflict_bytes":0},` +
			`"destination":{"ip":"10.0.0.2","port":8765,"packets":72,"bytes":12400,"stream_bytes":12400,"missing_bytes":1448,"retransmitted_bytes":0,"out_of_order":0,"conflict_bytes":3},` +
			`"packet":{"first":1,"last":142},"event":{"duration_ms":3212.345678},` +
			`"tcp":{"end":"fin","ended_by":"client","midstream":false,"retransmitted_bytes":100,"missing_bytes":1448},` +
			`"tls":{"version":"1.2","client":{"server_name":"chat.example","alpn":["h2","http/1.1"]},"next_protocol":"http/1.1"},"websocket":{"messages":60,"undecoded_bytes":12},"frame":{"framing":"magic-length-crc32","frames":7,"undecoded_bytes":4}}`,
		`{"schema":"1.0","type":"http","ts":"2026-11-20T16:04:11.001000000Z","file":"x.pcap","conn":"C1",` +
			`"network":{"community_id":"1:AnDTZbi+5nrDc18qnUPZL9bTZnQ="},"source":{"ip":"10.0.0.7","port":51882},"destination":{"ip":"10.0.0.2","port":8765},"packet":{"first":4,"last":6},` +
			`"http":{"version":"1.1","request":{"method":"GET","target":"/health","headers":[["Host","chat.example"]]},` +
			`"response":{"status_code":200,"reason":"OK","headers":[["Content-Length","2"]],"body":"ok"},"duration_ms":0.8}}`,
		`{"schema":"1.0","type":"ws_handshake","ts":"2026-11-20T16:04:11.204000000Z","file":"x.pcap","conn":"C1",` +
			`"network":{"community_id":"1:AnDTZbi+5nrDc18qnUPZL9bTZnQ="},"source":{"ip":"10.0.0.7","port":51882},"destination":{"ip":"10.0.0.2","port":8765},"packet":{"first":4,"last":6},` +
			`"http":{"version":"1.1","request":{"method":"GET","target":"/room?id=7","headers":[["Host","chat.example"],["Upgrade","websocket"],["Connection","Upgrade"],` +
			`["Sec-WebSocket-Key","dGhlIHNhbXBsZSBub25jZQ=="],["Sec-WebSocket-Version","13"],["Sec-WebSocket-Protocol","chat, superchat"],["Origin","https://chat.example"]]},` +
			`"response":{"status_code":101,"reason":"Switching Protocols","headers":[["Upgrade","websocket"],["Connection","Upgrade"],` +
			`["Sec-WebSocket-Accept","s3pPLMBiTxaQ9kYGzzhZRbK+xOo="],["Sec-WebSocket-Protocol","chat"]],"body":"unexpected"}},` +
			`"websocket":{"ok":true,"accept_ok":true,"url":"ws://chat.example/room?id=7","subprotocol":"chat","extensions":["permessage-deflate"],` +
			`"extension_params":"permessage-deflate; server_no_context_takeover","handshake_ms":1.2,"issues":["informational-response"]}}`,
		`{"schema":"1.0","type":"ws_frame","ts":"2026-11-20T16:04:11.207000000Z","file":"x.pcap","conn":"C1","direction":"client","packet":{"first":8,"last":9},` +
			`"websocket":{"opcode":"pong","fin":true,"rsv":4,"masked":true,"mask":"7e3ac7e3","bytes":11,"inflated_bytes":40,"offset":512,"subflow":2,"captured_bytes":10,"ended":true,"rtt_ms":0.31,` +
			`"payload":"{\"hello\":1}","payload_more":true,"issues":["truncated-frame"]}}`,
		`{"schema":"1.0","type":"ws_message","ts":"2026-11-20T16:04:11.208000000Z","file":"x.pcap","conn":"C1","direction":"server","packet":{"first":9,"last":12},` +
			`"websocket":{"opcode":"binary","bytes":70000,"wire_bytes":812,"frames":2,"compressed":true,"complete":false,"cause":"1448 bytes are not in the capture",` +
			`"sha256":"0ea09e73d0357bb61ddf17c9e622566c90016909939ebeb446d21c558c9d2c0a","payload_hex":"0001feff","payload_more":true,"issues":["inflate-history-lost","close-4401"]}}`,
		`{"schema":"1.0","type":"ws_close","ts":"2026-11-20T16:04:14.212000000Z","file":"x.pcap","conn":"C1","direction":"client","packet":{"first":140,"last":140},` +
			`"websocket":{"code":1001,"reason":"going away","clean":true,"ended_by":"client","issues":["close-timeout"]}}`,
		`{"schema":"1.0","type":"frame","ts":"2026-11-20T16:04:11.230000000Z","file":"x.pcap","conn":"C1","direction":"client","packet":{"first":31,"last":32},` +
			`"frame":{"framing":"magic-length-crc32","kind":"file","offset":512,"header_bytes":8,"payload_bytes":5,"trailer_bytes":4,"captured_bytes":4,"ended":true,` +
			`"fields":[{"name":"magic","value":"0xcafebabe","number":3405691582,"offset":0,"length":4},{"name":"payload length","value":"5","number":5,"offset":4,"length":4},` +
			`{"name":"crc32","value":"0x00000001","number":1,"offset":13,"length":4}],` +
			`"checksum":{"ok":false,"found":"00000001","expected":"3610a686"},"payload":"hello","payload_more":true,"issues":["framing-checksum"]}}`,
		`{"schema":"1.0","type":"packet","ts":"2026-11-20T16:04:11.000000000Z","file":"x.pcap","conn":"C1","direction":"client",` +
			`"source":{"ip":"10.0.0.7","port":51882},"destination":{"ip":"10.0.0.2","port":8765},` +
			`"packet":{"first":1,"last":1,"bytes":74,"captured_bytes":68,"link":"ethernet","protocol":"tcp","payload_bytes":0,"problem":"cut short"},` +
			`"tcp":{"flags":"SYN","seq":4294967295,"ack":0}}`,
		`{"schema":"1.0","type":"finding","ts":"2026-11-20T16:04:11.205000000Z","file":"x.pcap","conn":"C1","direction":"server","packet":{"first":6,"last":6},` +
			`"finding":{"id":"accept-mismatch","severity":"error","layer":"protocol","title":"Sec-WebSocket-Accept does not answer this request's key",` +
			`"cause":"A cache answered with an older 101, a hop made a key of its own, or the server computes the value wrongly.",` +
			`"fix":"Value: base64(SHA-1(key + \"258EAFA5-E914-47DA-95CA-C5AB0DC85B11\")); take caches out of the path, let proxies tunnel.","rfc":"RFC 6455 section 4.2.2",` +
			`"evidence":[{"packet":6,"offset":97,"text":"expected s3pPLMBiTxaQ9kYGzzhZRbK+xOo=, found AAAA"},{"text":"no cache header"}]}}`,
		`{"schema":"1.0","type":"summary","file":"x.pcap","summary":{"packets":118,"bytes":96000,"connections":2,"udp_flows":4,"memberships":1,"ws_sessions":1,"ws_failed":1,"ws_frames":120,"ws_messages":60,"frames":7,` +
			`"missing_bytes":1448,"undecoded_bytes":12,"evicted":1,"dropped_packets":0,"truncated":true,"first":"2026-11-20T16:04:11.000000000Z","last":"2026-11-20T16:04:14.900000000Z",` +
			`"findings":{"error":1,"warning":2,"note":3},"skipped":[{"cause":"link type 147 cannot be read","packets":12,"bytes":900},{"cause":"cut short","packets":1}],` +
			`"not_looked_into":[{"protocol":"arp","packets":12,"bytes":720},{"protocol":"lldp","packets":1,"bytes":263}]}}`,
		`{"schema":"1.0","type":"socket","ts":"2026-11-20T16:04:11.000000000Z","netns":"blue","network":{"transport":"mptcp","type":"ipv4"},` +
			`"local":{"ip":"10.0.0.7","port":51882,"path":"@x"},"peer":{"ip":"10.0.0.2","port":8765},` +
			`"socket":{"state":"ESTABLISHED","type":"stream","recv_q":400000,"send_q":12,"inode":4711,"timer":"persist","expires_ms":204,"retrans":2,"age_ms":4224,"drops":0,` +
			`"cgroup":"/system.slice/echo.service"},"user":{"id":1000,"name":"ada"},"process":[{"pid":812,"fd":7,"name":"python3"},{"pid":813,"fd":7,"name":"python3"}],` +
			`"service":"echo.service","tcp":{"congestion":"cubic","rtt_ms":0.31,"rttvar_ms":0.02,"min_rtt_ms":0.1,"rto_ms":201,"cwnd":10,"mss":1448,"pmtu":1500,` +
			`"bytes_sent":1099511627776,"bytes_acked":549755813888,"bytes_received":512,"bytes_retrans":1448,"bytes_not_sent":9,"segs_out":3,"segs_in":4,"retrans_total":1,` +
			`"send_window":65536,"recv_window":0,"delivery_rate_bytes":1000000,"last_sent_ms":5,"last_received_ms":6,"last_ack_ms":7,"busy_ms":8,"rwnd_limited_ms":1},` +
			`"mptcp":{"token":"decafbad","subflows":2,"fallback":true}}`,
	}
	want = append(want,
		`{"schema":"1.0","type":"conn","ts":"2026-11-20T16:04:11.000000000Z","file":"x.pcap","conn":"U1","network":{"transport":"udp","protocol":"dns","community_id":"1:ZJ01WI/v+FLsbMNySpQGi7mF+MU="},`+
			`"source":{"ip":"10.0.0.7","port":51882,"packets":1,"bytes":33},"destination":{"ip":"10.0.0.2","port":53,"packets":1,"bytes":49},"packet":{"first":3,"last":4},"event":{"duration_ms":1.2}}`,
		`{"schema":"1.0","type":"conn","ts":"2026-11-20T16:04:11.000000000Z","file":"x.pcap","conn":"G1","network":{"transport":"igmp","protocol":"igmp"},"source":{"ip":"10.0.0.7","packets":3,"bytes":56},`+
			`"destination":{"ip":"224.0.0.251","packets":0,"bytes":0},"packet":{"first":5,"last":9},"event":{"duration_ms":2000},"multicast":{"group":"224.0.0.251","name":"mdns","joined":"2026-11-20T16:04:11.000000000Z",`+
			`"left":"2026-11-20T16:04:13.000000000Z","version":3,"reports":2,"queries":1,"mode":"include","sources":["10.0.0.9"]}}`)
	var o record.Options
	for i, r := range append(recordtest.Full(), recordtest.Loose()...) {
		got := string(record.AppendJSON(nil, r, &o))
		if got != want[i] {
			t.Errorf("%s\n got %s\nwant %s", r.Type(), got, want[i])
		}
		if again := string(record.AppendJSON([]byte("x"), r, nil)); again != "x"+got {
			t.Errorf("%s: differs without Options", r.Type())
		}
	}
}

// Every type with nothing in it: what cannot be known is left out, lists and
// what is null by rule are there.
func TestAppendJSONOfZeroRecords(t *testing.T) {
	for _, tt := range []struct {
		r    record.Record
		want string
	}{
		{&record.ConnEnd{}, `"network":{"transport":"tcp"},"source":{"packets":0,"bytes":0,"stream_bytes":0,"missing_bytes":0,"retransmitted_bytes":0,"out_of_order":0,"conflict_bytes":0},` +
			`"destination":{"packets":0,"bytes":0,"stream_bytes":0,"missing_bytes":0,"retransmitted_bytes":0,"out_of_order":0,"conflict_bytes":0},"event":{"duration_ms":0},` +
			`"tcp":{"midstream":false,"retransmitted_bytes":0,"missing_bytes":0}`},
		{&record.HTTP{Duration: -1}, ""},
		{&record.HTTP{Duration: -1, Response: record.Response{Status: 404}}, `"http":{"response":{"status_code":404,"headers":[]}}`},
		{&record.HTTP{Duration: -1, Request: record.Request{Method: "GET", Target: "/", Version: "HTTP/1.0"}}, `"http":{"version":"1.0","request":{"method":"GET","target":"/","headers":[]}}`},
		{&record.Handshake{Duration: -1}, `"websocket":{"ok":null,"accept_ok":null,"extensions":[],"issues":[]}`},
		{&record.Handshake{OK: record.No, AcceptOK: record.No}, `"websocket":{"ok":false,"accept_ok":false,"extensions":[],"handshake_ms":0,"issues":[]}`},
		{&record.Frame{}, `"websocket":{"opcode":"continuation","fin":false,"rsv":0,"masked":false,"bytes":0,"offset":0,"issues":[]}`},
		{&record.Frame{Payload: []byte{}, Text: true}, `"websocket":{"opcode":"continuation","fin":false,"rsv":0,"masked":false,"bytes":0,"offset":0,"payload":"","issues":[]}`},
		{&record.Message{Bytes: -1}, `"websocket":{"opcode":"continuation","wire_bytes":0,"frames":0,"compressed":false,"complete":false,"issues":[]}`},
		{&record.Close{Malformed: true}, `"websocket":{"malformed":true,"clean":false,"issues":[]}`},
		{&record.Packet{}, `"packet":{"bytes":0,"payload_bytes":0}`},
		{&record.Finding{}, `"finding":{"severity":"note","evidence":[]}`},
		{&record.Finding{Evidence: []record.Evidence{{Off: -1}}}, `"finding":{"severity":"note","evidence":[{}]}`},
		{&record.Summary{}, `"summary":{"packets":0,"bytes":0,"connections":0,"ws_sessions":0,"ws_failed":0,"ws_frames":0,"ws_messages":0,"missing_bytes":0,"undecoded_bytes":0,"evicted":0,"dropped_packets":0,"truncated":false,` +
			`"findings":{"error":0,"warning":0,"note":0},"skipped":[],"not_looked_into":[]}`},
	} {
		want := `{"schema":"1.0","type":"` + tt.r.Type().String() + `"`
		if tt.want != "" {
			want += "," + tt.want
		}
		want += "}"
		if got := string(record.AppendJSON(nil, tt.r, nil)); got != want {
			t.Errorf("\n got %s\nwant %s", got, want)
		}
	}
}

func TestTimes(t *testing.T) {
	var o record.Options
	for _, tt := range []struct {
		ns   int64
		want string
	}{
		{1, "1970-01-01T00:00:00.000000001Z"},
		{-1, "1969-12-31T23:59:59.999999999Z"},
		{-1_000_000_000, "1969-12-31T23:59:59.000000000Z"},
		{1795190651_204000000, "2026-11-20T16:04:11.204000000Z"},
		{1795190651_999999999, "2026-11-20T16:04:11.999999999Z"},
		{1795190652_000000000, "2026-11-20T16:04:12.000000000Z"},
		{1<<63 - 1, "2262-04-11T23:47:16.854775807Z"},
		{-1 << 63, "1677-09-21T00:12:43.145224192Z"},
	} {
		r := &record.Summary{Head: record.Head{Time: tt.ns}}
		if got := string(record.AppendJSON(nil, r, &o)); !strings.Contains(got, `"ts":"`+tt.want+`"`) {
			t.Errorf("%d: %s, want %s", tt.ns, got, tt.want)
		}
		if got := string(record.AppendTime(nil, tt.ns)); got != tt.want {
			t.Errorf("AppendTime(%d) = %s, want %s", tt.ns, got, tt.want)
		}
	}
	// 1970 is a time, too, when a packet says so.
	if got := string(record.AppendJSON(nil, &record.Close{Head: record.Head{First: 1}}, &o)); !strings.Contains(got, `"ts":"1970-01-01T00:00:00.000000000Z"`) {
		t.Error(got)
	}
}

func TestNumbers(t *testing.T) {
	for _, n := range []int64{0, 1, 9, 10, 99, 100, 999, 1000, 65535, 99999, 100000, 999999, 1e6, 12345678, 1e8 - 1, 1e8, 1e9 - 1, 1e9, 1<<63 - 1, -1, -1 << 63} {
		got := string(record.AppendJSON(nil, &record.Frame{Off: n}, nil))
		if want := fmt.Sprintf(`"offset":%d,`, n); !strings.Contains(got, want) {
			t.Errorf("%s in %s", want, got)
		}
	}
	for p := int64(1); p > 0 && p < 1e18; p *= 3 {
		got := string(record.AppendJSON(nil, &record.Frame{Off: p}, nil))
		if want := fmt.Sprintf(`"offset":%d,`, p); !strings.Contains(got, want) {
			t.Errorf("%s in %s", want, got)
		}
	}
	for _, tt := range []struct {
		ns   int64
		want string
	}{{0, "0"}, {1, "0.000001"}, {1_200_000, "1.2"}, {100, "0.0001"}, {-1_500_000, "-1.5"}, {3_212_345_678, "3212.345678"}, {1<<63 - 1, "9223372036854.775807"}, {-1 << 63, "-9223372036854.775808"}} {
		if got := string(record.AppendMillis(nil, tt.ns)); got != tt.want {
			t.Errorf("AppendMillis(%d) = %s, want %s", tt.ns, got, tt.want)
		}
	}
}

func TestStrings(t *testing.T) {
	for _, tt := range []struct{ reason, want string }{
		{"plain", `"reason":"plain",`},
		{"\"\\/\b\f\n\r\t\x00\x1b\x7f", `"reason":"\"\\/\u0008\u000c\n\r\t\u0000\u001b\u007f",`},
		{"grün 漢字 🙂", `"reason":"grün 漢字 🙂",`},
		{"\u2028\u2029\u0085\u202e\u200b\ufeff\u2066", `"reason":"\u2028\u2029\u0085\u202e\u200b\ufeff\u2066",`},
		{"\U000e0041", `"reason":"\udb40\udc41",`},
		{"a\xffb", `"reason":"a\ufffdb","reason_hex":"61ff62",`},
		{"\xe6\xbc", `"reason":"\ufffd\ufffd","reason_hex":"e6bc",`},
		{"\xed\xa0\x80", `"reason":"\ufffd\ufffd\ufffd","reason_hex":"eda080",`},
		{"\ufffd", `"reason":"` + "\ufffd" + `",`},
	} {
		got := string(record.AppendJSON(nil, &record.Close{Reason: tt.reason}, nil))
		if !strings.Contains(got, tt.want) {
			t.Errorf("%q: %s in %s", tt.reason, tt.want, got)
		}
	}
	h := &record.HTTP{Request: record.Request{Method: "GET", Headers: []record.Pair{{Name: "a\xff", Value: "b"}, {Name: "c", Value: "\xfe"}, {Name: "d", Value: "e"}}}}
	if got, want := string(record.AppendJSON(nil, h, nil)), `[["a\ufffd","b",{"name_hex":"61ff"}],["c","\ufffd",{"value_hex":"fe"}],["d","e"]]`; !strings.Contains(got, want) {
		t.Errorf("%s in %s", want, got)
	}
}

func TestPayloadOption(t *testing.T) {
	text := &record.Message{Payload: []byte("äöü 漢字"), Text: true}
	raw := &record.Message{Payload: []byte{1, 2, 3, 4}}
	for _, tt := range []struct {
		n    int
		r    record.Record
		want string
	}{
		{0, text, `"payload":"äöü 漢字"`},
		{3, text, `"payload":"äöü","payload_more":true`},
		{5, text, `"payload":"äöü 漢","payload_more":true`},
		{6, text, `"payload":"äöü 漢字","issues"`},
		{3, raw, `"payload_hex":"010203","payload_more":true`},
		{4, raw, `"payload_hex":"01020304","issues"`},
		{-1, text, `"complete":false,"issues"`},
	} {
		if got := string(record.AppendJSON(nil, tt.r, &record.Options{Payload: tt.n})); !strings.Contains(got, tt.want) {
			t.Errorf("%d: %s in %s", tt.n, tt.want, got)
		}
	}
}

// Names in JSON are the names of the registry and nothing else, in its order.
func TestJSONIsTheRegistry(t *testing.T) {
	seen := map[string]bool{}
	for _, r := range append(recordtest.Full(), recordtest.Loose()...) {
		known := map[string]bool{"schema": true, "type": true}
		for _, f := range record.Fields(r.Type()) {
			known[f.Name] = !f.Derived || f.Name == "type"
			for _, sub := range f.Sub {
				known[sub.Name] = true
			}
		}
		var v map[string]any
		if err := json.Unmarshal(record.AppendJSON(nil, r, nil), &v); err != nil {
			t.Fatal(err)
		}
		walk("", v, func(name string) {
			name = strings.TrimSuffix(name, "_hex")
			if !known[name] {
				t.Errorf("%s: %s is not in the registry", r.Type(), name)
			}
			seen[r.Type().String()+" "+name] = true
		})
	}
	for t0 := range record.Types {
		for _, f := range record.Fields(record.Type(t0)) {
			if name := record.Type(t0).String() + " " + f.Name; !f.Derived && !seen[name] && f.Name != "direction" && f.Name != "ts" && f.Name != "conn" && f.Name != "websocket.malformed" {
				t.Errorf("%s is in no line", name)
			}
		}
	}
}

func walk(prefix string, v map[string]any, visit func(string)) {
	for k, v := range v {
		name := prefix + k
		switch v := v.(type) {
		case map[string]any:
			walk(name+".", v, visit)
		case []any:
			visit(name)
			for _, e := range v {
				if o, ok := e.(map[string]any); ok {
					walk(name+".", o, visit)
				}
			}
		default:
			visit(name)
		}
	}
}

func frame() *record.Frame {
	c := recordtest.Conn(17)
	return &record.Frame{
		Head:   recordtest.Head(c, record.Client, 204, 123456, 123456),
		Header: websocket.Header{Length: 612, Masked: true, Mask: [4]byte{0x7e, 0x3a, 0xc7, 0xe3}, Fin: true, Opcode: websocket.Text, Size: 8},
		Off:    512345, Captured: 612, RTT: -1,
	}
}

func TestAppendJSONAllocatesNothing(t *testing.T) {
	var o record.Options
	f := frame()
	full := recordtest.Full()
	buf := make([]byte, 0, 1<<14)
	if n := testing.AllocsPerRun(100, func() { f.Time += 13000; buf = record.AppendJSON(buf[:0], f, &o) }); n != 0 {
		t.Errorf("a frame: %v allocations", n)
	}
	for _, r := range full {
		// A close code of an application is put together when it is written.
		if r.Type() == record.TypeMessage {
			continue
		}
		if n := testing.AllocsPerRun(100, func() { buf = record.AppendJSON(buf[:0], r, &o) }); n != 0 {
			t.Errorf("%s: %v allocations", r.Type(), n)
		}
	}
}

func BenchmarkAppendJSON(b *testing.B) {
	run := func(name string, r record.Record, step func()) {
		b.Run(name, func(b *testing.B) {
			var o record.Options
			buf := make([]byte, 0, 1<<14)
			b.ReportAllocs()
			for b.Loop() {
				step()
				buf = record.AppendJSON(buf[:0], r, &o)
			}
			b.SetBytes(int64(len(buf)))
		})
	}
	f := frame()
	run("frame", f, func() { f.Time += 13000; f.First++; f.Last++; f.Off = f.Off&0xffffff + 618 })
	p := frame()
	p.Payload, p.Text = []byte(strings.Repeat(`{"a":"b"} `, 8)), true
	run("frame with preview", p, func() { p.Time += 13000; p.First++; p.Last++ })
	for _, r := range recordtest.Full() {
		run("full "+r.Type().String(), r, func() {})
	}
}

// The output is one valid JSON object on one line whatever the network said,
// nothing in it can move a cursor, and no byte of it is lost.
func FuzzAppendJSON(f *testing.F) {
	f.Add("x.pcap", "Host", "value\xff", []byte("\x00\x1b[31m"), int64(0), true)
	f.Add("\"\\\u2028", "\u202e", "\xed\xa0\x80\xf4\x90\x80\x80", []byte("\xe6\xbc"), int64(-1), false)
	f.Fuzz(func(t *testing.T, file, name, value string, payload []byte, n int64, text bool) {
		c := &record.Conn{ID: n, File: file, Source: netip.AddrPortFrom(netip.IPv6Unspecified().WithZone(name), 1)}
		if text {
			c.Prepare()
		}
		head := record.Head{Time: n, File: file, Conn: c, First: n, Last: n}
		headers := []record.Pair{{Name: name, Value: value}, {Name: value, Value: name}}
		for _, r := range []record.Record{
			&record.ConnEnd{Head: head, CommunityID: name, Protocol: value, End: name, Duration: n},
			&record.HTTP{Head: head, Request: record.Request{Method: name, Target: value, Version: name, Headers: headers}, Duration: n},
			&record.Handshake{
				Head: head, Response: record.Response{Status: int(n), Reason: name, Version: value, Headers: headers, Body: string(payload)},
				URL: value, Subprotocol: name, Extensions: []string{name, value}, ExtensionParams: value, Duration: n,
			},
			&record.Frame{Head: head, Payload: payload, Text: text, Off: n, Captured: n, RTT: n},
			&record.Message{Head: head, Cause: value, SHA256: payload, Payload: payload, Text: text, Bytes: n},
			&record.Close{Head: head, Reason: value},
			&record.Packet{Head: head, Link: name, Protocol: value, Flags: name, Problem: value},
			&record.Finding{Head: head, Evidence: []record.Evidence{{Packet: n, Off: n, Text: value}, {Text: name}}},
			&record.Summary{Head: head, Skipped: []record.Skip{{Cause: value, Packets: n}}, First: n},
		} {
			line := record.AppendJSON(nil, r, &record.Options{})
			if !json.Valid(line) {
				t.Fatalf("%s: not JSON: %s", r.Type(), line)
			}
			if !utf8.Valid(line) {
				t.Fatalf("%s: not UTF-8: %q", r.Type(), line)
			}
			if i := bytes.IndexFunc(line, record.Hidden); i >= 0 {
				t.Fatalf("%s: %q at %d of %s", r.Type(), line[i:min(i+4, len(line))], i, line)
			}
			var v struct {
				File      string
				FileHex   string `json:"file_hex"`
				Websocket struct {
					Payload, Reason *string
					PayloadHex      string `json:"payload_hex"`
					ReasonHex       string `json:"reason_hex"`
				}
			}
			if err := json.Unmarshal(line, &v); err != nil {
				t.Fatal(err)
			}
			same(t, "file", file, &v.File, v.FileHex)
			if r.Type() == record.TypeClose {
				same(t, "reason", value, v.Websocket.Reason, v.Websocket.ReasonHex)
			}
			if r.Type() == record.TypeFrame && payload != nil {
				same(t, "payload", string(payload), v.Websocket.Payload, v.Websocket.PayloadHex)
			}
		}
	})
}

func same(t *testing.T, what, want string, got *string, inHex string) {
	switch {
	case inHex != "":
		if b, err := hex.DecodeString(inHex); err != nil || string(b) != want {
			t.Fatalf("%s: %q is not the hex of %q", what, inHex, want)
		}
	case got == nil && want == "":
	case got == nil || *got != want:
		t.Fatalf("%s: %q is lost", what, want)
	}
}

func TestTypes(t *testing.T) {
	for i, r := range recordtest.Full() {
		if int(r.Type()) != i {
			t.Errorf("record %d is a %s", i, r.Type())
		}
		if back, ok := record.ParseType(r.Type().String()); !ok || back != r.Type() {
			t.Errorf("ParseType(%s) = %v, %v", r.Type(), back, ok)
		}
		if !record.All.Has(r.Type()) {
			t.Errorf("All lacks %s", r.Type())
		}
	}
	if s := record.Type(200).String() + record.Direction(9).String(); s != "" {
		t.Errorf("unknown values are written %q", s)
	}
	if _, ok := record.ParseType(""); ok || record.All.Has(record.Type(record.Types)) {
		t.Error("there is a type too many")
	}
	if s := record.Of(record.TypeFrame, record.TypeClose); s != 1<<record.TypeFrame|1<<record.TypeClose || slices.Contains([]bool{s.Has(record.TypeFrame), s.Has(record.TypeClose)}, false) {
		t.Errorf("Of: %b", s)
	}
}
