package peer

import (
	"encoding/json"
	"os"
	"slices"
	"strings"
	"testing"

	"framescope/capture/capturetest"
	"framescope/decode/http1"
	"framescope/decode/packet"
	"framescope/decode/websocket"
)

// The 246 cases of sections 1 to 7 of the Autobahn test suite: what its client
// sends, taken from a recording with node ws as the server. Ours must answer
// with the same frames and the same close code.
func TestAutobahn(t *testing.T) {
	var cases []struct {
		Case   string `json:"case"`
		Path   string `json:"path"`
		Server struct {
			Opcodes []websocket.Opcode `json:"opcodes"`
			Code    *uint16            `json:"close_code"`
		} `json:"server_reaction"`
	}
	b, err := os.ReadFile(capturetest.Testdata(t, "ws", "a01_autobahn_1_7.expect.json"))
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(b, &cases); err != nil {
		t.Fatal(err)
	}
	streams := map[string]string{} // what the client sends, by its target
	for _, s := range clientStreams(t, capturetest.Testdata(t, "ws", "a01_autobahn_1_7.pcap")) {
		var r http1.Request
		if _, err := http1.ParseRequest([]byte(s), &r); err != nil {
			t.Fatal(err)
		}
		streams[string(r.Target)] = s
	}
	addr := serve(t, &Server{})
	for _, c := range cases {
		head, frames, ok := strings.Cut(streams[c.Path], "\r\n\r\n")
		if !ok {
			t.Fatalf("%s: nothing was recorded", c.Case)
		}
		var got []websocket.Opcode
		var code uint16
		answer := raw(t, addr, head+"\r\n\r\n", frames)
		_, rest, _ := strings.Cut(answer, "\r\n\r\n")
		r := receiver{from: websocket.Server, max: 1 << 20}
		for p := []byte(rest); len(p) > 0; {
			a, n, err := r.receive(p)
			if err != nil {
				t.Fatalf("%s: %v", c.Case, err)
			}
			if p = p[n:]; a.whole {
				got = append(got, a.op)
				if a.op == websocket.Close {
					code, _ = closeStatus(a.data)
				}
			}
		}
		want := uint16(noStatus)
		if c.Server.Code != nil {
			want = *c.Server.Code
		}
		if !slices.Equal(got, c.Server.Opcodes) || code != want {
			t.Errorf("%s: %v, close %d; want %v, close %d", c.Case, got, code, c.Server.Opcodes, want)
		}
	}
	if len(cases) != 246 {
		t.Errorf("%d cases, want 246", len(cases))
	}
}

// The recording of the Demo is of the Demo as it is: its clients' bytes get the
// answers that they got then.
func TestRecordedDemo(t *testing.T) {
	addr := serve(t, &Server{Subprotocols: []string{"prices.v1"}, Deflate: true, MaxMessage: demoLimit})
	streams := clientStreams(t, capturetest.Testdata(t, "demo", "session.pcapng"))
	if len(streams) != 3 {
		t.Fatalf("%d connections, want 3", len(streams))
	}
	head, rest, _ := strings.Cut(streams[0], "\r\n\r\n")
	got := frames(t, raw(t, addr, head+"\r\n\r\n", rest))
	want := ""
	for _, text := range []string{
		`{"type":"subscribe","symbols":["ABC","DEF"]}`,
		`{"type":"price","symbol":"ABC","value":101.25}`,
		`{"type":"price","symbol":"DEF","value":17.5}`,
		`{"type":"news","text":"a message in three fragments"}`,
	} {
		want += "text " + short([]byte(text)) + ", "
	}
	want += "binary " + short(samples(demoBinary)) + ", pong are you there?, close 1000 bye"
	if got != want {
		t.Errorf("the first session: %s, want %s", got, want)
	}
	if got, want := frames(t, raw(t, addr, streams[1])), "close 1009 a message of more than 80000 bytes"; !strings.HasSuffix(got, want) {
		t.Errorf("the second session: %s, want %s", got, want)
	}
	if got := raw(t, addr, streams[2]); !strings.HasPrefix(got, "HTTP/1.1 426 ") || !strings.Contains(got, "a hop removed it") {
		t.Errorf("the request without Upgrade: %q", got)
	}
}

// clientStreams returns what the clients of a recording without loss sent, one
// string for each connection.
func clientStreams(t *testing.T, path string) (streams []string) {
	type client struct {
		port, server uint16
	}
	type stream struct {
		next uint32
		data []byte
	}
	open := map[client]*stream{}
	var order []*stream
	var parser packet.Parser
	for _, captured := range capturetest.Read(t, path) {
		var p packet.Packet
		if why := parser.Parse(captured.Link, captured.Data, captured.Wire, captured.Time, &p); why != packet.OK {
			t.Fatalf("packet %d: %v", captured.Number, why)
		}
		at := client{p.SrcPort, p.DstPort}
		if p.Flags&packet.SYN != 0 {
			if p.Flags&packet.ACK == 0 {
				open[at] = &stream{next: p.Seq + 1}
				order = append(order, open[at])
			}
			continue
		}
		if s := open[at]; s != nil && p.Seq == s.next {
			s.data = append(s.data, p.Payload()...)
			s.next += uint32(len(p.Payload()))
		}
	}
	for _, s := range order {
		streams = append(streams, string(s.data))
	}
	return streams
}
