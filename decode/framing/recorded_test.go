package framing_test

import (
	"bytes"
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"

	"framescope/capture/capturetest"
	"framescope/capture/pcapfile"
	"framescope/decode/framing"
	"framescope/decode/packet"
)

// A stream is one direction of a recorded connection.
type stream struct {
	src, dst uint16
	segments []segment
}

type segment struct {
	seq  uint32
	data []byte
}

// bytes puts the segments in order. Nothing is lost in the recordings.
func (s *stream) bytes(t testing.TB) (b []byte) {
	slices.SortStableFunc(s.segments, func(a, b segment) int { return int(int32(a.seq - b.seq)) })
	next := s.segments[0].seq
	for _, g := range s.segments {
		if int32(g.seq-next) > 0 {
			t.Fatalf("%d bytes are missing", g.seq-next)
		}
		if old := int(next - g.seq); old < len(g.data) {
			b = append(b, g.data[old:]...)
			next = g.seq + uint32(len(g.data))
		}
	}
	return b
}

// record returns the streams of a recording in the order in which they begin.
func record(t testing.TB, name string) (all []*stream) {
	t.Helper()
	r, err := pcapfile.Open(capturetest.Testdata(t, "framings", name+".pcap"), nil)
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	var ps packet.Parser
	var b pcapfile.Batch
	for r.Read(&b) == nil {
		for i := range b.Packets {
			in := &b.Packets[i]
			var p packet.Packet
			ps.Parse(in.Link, in.Data, in.Wire, in.Time, &p)
			if len(p.Payload()) == 0 {
				continue
			}
			k := slices.IndexFunc(all, func(s *stream) bool { return s.src == p.SrcPort && s.dst == p.DstPort })
			if k < 0 {
				k = len(all)
				all = append(all, &stream{src: p.SrcPort, dst: p.DstPort})
			}
			all[k].segments = append(all[k].segments, segment{p.Seq, bytes.Clone(p.Payload())})
		}
	}
	if len(all) == 0 {
		t.Fatalf("%s: no data", name)
	}
	return all
}

// A reading is what a framing says about a stream.
type reading struct {
	kinds  []string
	bodies []string
	fields []string
	faults []string
}

func read(t testing.TB, f *framing.Framing, from framing.Direction, b []byte) (r reading) {
	t.Helper()
	d := framing.Decoder{Framing: f, From: from, Resync: true}
	for i := 0; i < len(b); i += 1000 {
		for c, err := range d.Decode(b[i:min(i+1000, len(b))]) {
			if err != nil {
				r.faults = append(r.faults, err.Error())
				continue
			}
			if c.First {
				r.kinds = append(r.kinds, c.Header.Kind())
				r.bodies = append(r.bodies, "")
				r.fields = append(r.fields, "")
			}
			n := len(r.bodies) - 1
			r.bodies[n] = string(c.AppendPayload([]byte(r.bodies[n])))
			if c.Last {
				for _, f := range c.Header.AppendPayloadFields(c.Header.AppendFields(nil), []byte(r.bodies[n])) {
					r.fields[n] += f.Name + "=" + f.Value + " "
				}
			}
			for i := range c.Checks {
				if err := c.Checks[i].Err(f); err != nil {
					r.faults = append(r.faults, err.Error())
				}
			}
		}
	}
	if err := d.Close(); err != nil && (len(r.faults) == 0 || r.faults[len(r.faults)-1] != err.Error()) {
		r.faults = append(r.faults, err.Error())
	}
	return r
}

func mustBuiltin(t testing.TB, name string, o framing.Options) *framing.Framing {
	t.Helper()
	f, err := framing.Builtin(name, o)
	if err != nil {
		t.Fatal(err)
	}
	return f
}

// What real servers and clients of the three declared framings sent.
func TestRecordedDeclared(t *testing.T) {
	s := record(t, "transfer")
	got := read(t, mustBuiltin(t, "magic-length-crc32", framing.Options{}), framing.Client, s[0].bytes(t))
	if len(got.bodies) != 4 || got.bodies[0] != "hello world" || len(got.bodies[1]) != 3000 || len(got.bodies[2]) != 900 || len(got.bodies[3]) != 1234 {
		t.Errorf("%d files", len(got.bodies))
	}
	// 12 bytes around each file: the third one ends at 23+3012+908.
	if len(got.faults) != 2 || !strings.HasPrefix(got.faults[0], "magic-length-crc32: offset 3943: crc32: found 0x") ||
		got.faults[1] != "magic-length-crc32: offset 5189: payload: the stream ends here, 3770 bytes missing" {
		t.Errorf("%q", got.faults)
	}

	s = record(t, "chunks")
	got = read(t, mustBuiltin(t, "length32", framing.Options{}), framing.Client, s[0].bytes(t))
	lengths := []int{}
	for _, b := range got.bodies {
		lengths = append(lengths, len(b))
	}
	if fmt.Sprint(lengths) != "[4096 4096 4096 4096 3616 0]" || got.faults != nil {
		t.Errorf("%d, %q", lengths, got.faults)
	}

	for name, order := range map[string]string{"search-big": "big", "search-little": "little"} {
		s = record(t, name)
		for i, want := range []string{`{"action": "search", "value": "morpheus"}`, `{"result": "Follow the white rabbit. 🐰"}`} {
			got = read(t, mustBuiltin(t, "length16-json", framing.Options{Order: order}), framing.Either, s[i].bytes(t))
			if len(got.bodies) != 3 || got.bodies[0] != want || got.faults != nil {
				t.Errorf("%s: %q, %q", name, got.bodies, got.faults)
			}
		}
		// In the other byte order nothing fits.
		other := map[string]string{"big": "little", "little": "big"}[order]
		if got = read(t, mustBuiltin(t, "length16-json", framing.Options{Order: other}), framing.Either, s[0].bytes(t)); len(got.bodies) != 0 || len(got.faults) == 0 {
			t.Errorf("%s as %s: %q", name, other, got.bodies)
		}
	}
}

// What real implementations of the framings that are built in sent is decoded
// without an error, and is what they were asked to send.
func TestRecordedBuiltin(t *testing.T) {
	for _, row := range []struct {
		file, framing string
		kinds         []string // of the first streams
		fields        []string // that some frame has
		bodies        []string
	}{
		{"mqtt", "mqtt", []string{"CONNECT SUBSCRIBE", "CONNACK SUBACK"}, []string{"protocol level=4 3.1.1 ", "protocol level=5 5 ", `client identifier="pub5" `, `topic="sensors/a" packet identifier=1 `}, nil},
		{"zmtp", "zmtp", []string{"greeting command message message", "greeting command message message"}, []string{`mechanism="NULL`, `command name="READY" `}, []string{"hello", "echo", strings.Repeat("x", 700)}},
		{"http1", "http1", []string{"request request request", "response response chunk chunk end"}, []string{"Content-Length=1800 "}, []string{"/a 1800 bytes", "part 0 of " + strings.Repeat("x", 50)}},
		{"http2", "http2", []string{"PREFACE SETTINGS WINDOW_UPDATE", "SETTINGS"}, []string{"stream identifier=3 "}, []string{"/a 1800 bytes"}},
		{"grpc", "http2", []string{"SETTINGS", "PREFACE SETTINGS"}, nil, []string{"\x00\x00\x00\x00\x02\x08\x01", "\x00\x00\x00\x00\x06\x0a\x04chat"}},
		{"tls", "tls", []string{"handshake", "handshake"}, []string{"handshake type=1 client_hello ", "handshake type=2 server_hello ", "minor version=3 TLS 1.2 "}, nil},
		{"dns-tcp", "dns-tcp", nil, []string{"rcode=0 NOERROR ", "qr=1 response "}, nil},
		{"amqp", "amqp", []string{"protocol-header method", "method method"}, []string{"class-id=10 connection method-id=10 start ", "class-id=60 basic method-id=40 publish ", "body size=3000 "}, []string{"hello"}},
	} {
		t.Run(row.file, func(t *testing.T) {
			f := mustBuiltin(t, row.framing, framing.Options{})
			var fields, bodies []string
			for i, s := range record(t, row.file) {
				got := read(t, f, framing.Either, s.bytes(t))
				if got.faults != nil {
					t.Errorf("stream %d: %q", i, got.faults)
				}
				if i < len(row.kinds) && !strings.HasPrefix(strings.Join(got.kinds, " "), row.kinds[i]) {
					t.Errorf("stream %d: %q, want %q", i, got.kinds, row.kinds[i])
				}
				fields = append(fields, got.fields...)
				bodies = append(bodies, got.bodies...)
			}
			for _, want := range row.fields {
				if !slices.ContainsFunc(fields, func(s string) bool { return strings.Contains(s, want) }) {
					t.Errorf("no %q in %q", want, fields)
				}
			}
			for _, want := range row.bodies {
				if !slices.Contains(bodies, want) {
					t.Errorf("no %q in %.2000q", want, bodies)
				}
			}
		})
	}
}

// What the kernel answers on a netlink socket.
func TestRecordedNetlink(t *testing.T) {
	b, err := os.ReadFile(capturetest.Testdata(t, "framings", "netlink.bin"))
	if err != nil {
		t.Fatal(err)
	}
	got := read(t, mustBuiltin(t, "netlink", framing.Options{}), framing.Either, b)
	if want := "RTM_GETLINK RTM_NEWLINK"; got.faults != nil || !strings.HasPrefix(strings.Join(got.kinds, " "), want) {
		t.Errorf("%q, %q", got.kinds, got.faults)
	}
	for _, want := range []string{"NLMSG_DONE", "RTM_NEWADDR", "NLMSG_ERROR"} {
		if !slices.Contains(got.kinds, want) {
			t.Errorf("no %s in %q", want, got.kinds)
		}
	}
}

// The messages of gRPC are in the DATA frames of a stream.
func TestRecordedGRPC(t *testing.T) {
	var data []byte
	d := framing.Decoder{Framing: mustBuiltin(t, "http2", framing.Options{}), From: framing.Client}
	all := record(t, "grpc")
	client := all[slices.IndexFunc(all, func(s *stream) bool { return s.dst == 50051 })]
	for c, err := range d.Decode(client.bytes(t)) {
		if err != nil {
			t.Fatal(err)
		}
		if c.Header.Kind() == "DATA" {
			data = append(data, c.Data...)
		}
	}
	got := read(t, mustBuiltin(t, "grpc", framing.Options{}), framing.Client, data)
	if len(got.bodies) != 3 || got.bodies[1] != "\x0a\x04chat" || got.faults != nil {
		t.Errorf("%q %q", got.bodies, got.faults)
	}
}
