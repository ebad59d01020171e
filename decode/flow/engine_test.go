package flow_test

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"reflect"
	"slices"
	"testing"

	"framescope/capture/capturetest"
	"framescope/capture/pcapfile"
	"framescope/decode/flow"
	"framescope/decode/record"
)

// lines returns what an engine writes, record by record.
func lines(t testing.TB, packets []pcapfile.Packet, workers, flush int, join, lasting bool) []string {
	t.Helper()
	var out []byte
	cfg := flow.Config{
		File: "test", Want: record.All, Digest: true, Preview: 100, Workers: workers, Join: join, Lasting: lasting,
		Encoder: func() flow.Encoder { return new(lineEncoder) },
		Output:  func(it *flow.Item) error { out = append(out, it.Data...); return nil },
	}
	e := flow.New(cfg)
	for i := range packets {
		e.Packet((*flow.Packet)(&packets[i]))
		if i%flush == flush-1 {
			e.Flush(nil)
		}
	}
	if _, err := e.Close(false); err != nil {
		t.Fatal(err)
	}
	var all []string
	for l := range slices.Values(splitLines(out)) {
		all = append(all, l)
	}
	return all
}

type lineEncoder struct{ encoder }

func (e *lineEncoder) Encode(dst []byte, r record.Record) []byte {
	return append(e.encoder.Encode(dst, r), '\n')
}

func splitLines(b []byte) (out []string) {
	start := 0
	for i, c := range b {
		if c == '\n' {
			out = append(out, string(b[start:i]))
			start = i + 1
		}
	}
	return out
}

// The output does not depend on how many cores worked on it, nor on how the
// packets were handed over.
func TestWorkers(t *testing.T) {
	var packets []pcapfile.Packet
	for _, name := range []string{"a01_autobahn_1_7.pcap", "d19_many_connections.pcap", "x04_capture_gap.pcap", "p03_nginx_ok.pcap"} {
		packets = append(packets, load(t, capturetest.Testdata(t, "ws", name))...)
	}
	packets = renumber(packets)
	want := lines(t, packets, -1, 1000, false, false)
	if len(want) < len(packets) {
		t.Fatalf("%d records of %d packets", len(want), len(packets))
	}
	for _, c := range []struct {
		workers, flush int
		join, lasting  bool
	}{{1, 1000, false, false}, {2, 100, false, true}, {3, 7, true, false}, {4, 1, false, true}, {9, 5000, true, true}} {
		if got := lines(t, packets, c.workers, c.flush, c.join, c.lasting); !slices.Equal(got, want) {
			for i := range min(len(got), len(want)) {
				if got[i] != want[i] {
					t.Errorf("%+v: record %d:\n got %s\nwant %s", c, i, got[i], want[i])
					break
				}
			}
			t.Errorf("%+v: %d records, want %d", c, len(got), len(want))
		}
	}
}

// The first error of the output ends it, and is what Close returns.
func TestOutputError(t *testing.T) {
	full := fmt.Errorf("disk full")
	for _, workers := range []int{-1, 3} {
		n := 0
		e := flow.New(flow.Config{
			Want: record.All, Workers: workers, Encoder: func() flow.Encoder { return new(encoder) },
			Output: func(*flow.Item) error {
				if n++; n == 3 {
					return full
				}
				return nil
			},
		})
		ps := load(t, capturetest.Testdata(t, "ws", "d19_many_connections.pcap"))
		for i := range ps {
			e.Packet((*flow.Packet)(&ps[i]))
			e.Flush(nil)
		}
		if _, err := e.Close(false); err != full || n != 3 {
			t.Errorf("%d workers: error %v after %d records, want %v after 3", workers, err, n, full)
		}
	}
}

// What is wanted decides what is given out, not what is found: the counts of
// the summary are the same.
func TestWant(t *testing.T) {
	ps := load(t, capturetest.Testdata(t, "ws", "a01_autobahn_1_7.pcap"))
	all := decode(t, ps, nil)
	little := decode(t, ps, func(c *flow.Config) {
		c.Want, c.Digest, c.Full = record.Of(record.TypeSummary), false, false
	})
	if len(little.records) != 1 || !reflect.DeepEqual(little.summary, all.summary) {
		t.Errorf("%d records, summary %+v, want one and %+v", len(little.records), little.summary, all.summary)
	}
	matched := decode(t, ps, func(c *flow.Config) {
		c.Match = func(r record.Record) bool { return r.Type() == record.TypeClose }
	})
	if n := len(matched.of("ws_close", "")); n == 0 || n != len(matched.records) || n != len(all.of("ws_close", "")) {
		t.Errorf("%d closes of %d records match, want %d", n, len(matched.records), len(all.of("ws_close", "")))
	}
}

// The same ports again are another connection, with and without the end of the
// first, and the end of a connection that nobody saw is known by its successor.
func TestPortReuse(t *testing.T) {
	for _, how := range []string{"closed", "reset", "unfinished"} {
		t.Run(how, func(t *testing.T) {
			k := newTalk()
			for range 3 {
				k.open(7)
				k.message(7, 20)
				switch how {
				case "closed":
					k.close(7)
				case "reset":
					k.send(7, 1, rst, nil)
				}
				k.seq[[2]int{7, 0}] += 1 << 24
				k.seq[[2]int{7, 1}] -= 1 << 28
			}
			r := decode(t, k.packets, nil)
			if r.summary.Connections != 3 || r.summary.Sessions != 3 || r.summary.Messages != 3 {
				t.Errorf("%+v, want 3 connections, sessions and messages", r.summary)
			}
			ends := map[string]string{"closed": "fin", "reset": "rst", "unfinished": "reused"}
			if got := text(get(r.of("conn", "C1")[0], "tcp", "end")); got != ends[how] {
				t.Errorf("the first ended by %q, want %q", got, ends[how])
			}
		})
	}
}

// Stragglers behind the end of a connection open no new one.
func TestStragglers(t *testing.T) {
	k := newTalk()
	k.open(1)
	k.message(1, 10)
	k.close(1)
	last := k.packets[len(k.packets)-1]
	again := slices.Clone(k.packets[5:])
	for i := range again {
		again[i].Time = last.Time + 10e9 + int64(i)*1e6
	}
	r := decode(t, renumber(append(k.packets, again...)), nil)
	if r.summary.Connections != 1 || r.summary.Messages != 1 {
		t.Errorf("%+v, want one connection with one message", r.summary)
	}
}

// A port that the user names is WebSocket even where the bytes alone do not
// convince, and only that port.
func TestDecodeAs(t *testing.T) {
	k := newTalk()
	k.send(1, 0, syn, nil)
	k.send(1, 1, syn|ack, nil)
	k.send(1, 0, ack, nil)
	k.send(1, 0, psh|ack, k.frame(0, 1, []byte("hello")))
	k.send(1, 1, psh|ack, k.frame(1, 1, []byte("hello")))
	if r := decode(t, k.packets, nil); r.summary.Frames != 0 {
		t.Errorf("%d frames without --decode-as, want none", r.summary.Frames)
	}
	r := decode(t, k.packets, func(c *flow.Config) { c.DecodeAs = []uint16{80} })
	if r.summary.Frames != 2 || r.summary.Messages != 2 || r.summary.Undecoded != 0 {
		t.Errorf("%+v, want 2 frames", r.summary)
	}
	if r := decode(t, k.packets, func(c *flow.Config) { c.DecodeAs = []uint16{81} }); r.summary.Frames != 0 {
		t.Errorf("%d frames with another port, want none", r.summary.Frames)
	}
}

// Each connection that has to make room is counted and ended; the others go on.
func TestEviction(t *testing.T) {
	k := newTalk()
	const conns = 30000
	for n := range conns {
		k.send(n, 0, syn, nil)
	}
	r := decode(t, k.packets, func(c *flow.Config) { c.MaxMemory = 32 << 20 })
	if r.summary.Connections != conns || r.summary.Evicted == 0 || r.summary.Evicted >= conns {
		t.Errorf("%d connections, %d evicted, want %d and some", r.summary.Connections, r.summary.Evicted, conns)
	}
	ended := map[string]bool{}
	for _, c := range r.of("conn", "") {
		if ended[text(c["conn"])] {
			t.Fatalf("%v ended twice", c["conn"])
		}
		ended[text(c["conn"])] = true
	}
	if len(ended) != conns {
		t.Errorf("%d connections ended, want %d", len(ended), conns)
	}
}

// FuzzEngine feeds arbitrary packets, and recorded ones that were changed: what
// comes out is valid, and the counts agree with the records.
func FuzzEngine(f *testing.F) {
	var seeds [][]pcapfile.Packet
	for _, name := range []string{"d06_pmd_window_bits_10.pcap", "v_new_text_in_fragment.pcap", "h50_100_continue_then_101.pcap", "x04_capture_gap.pcap", "x12_one_direction.pcap"} {
		seeds = append(seeds, load(f, capturetest.Testdata(f, "ws", name)))
	}
	var p post
	for i := range int64(40) {
		p.udp(i*1000, fmt.Sprintf("10.0.0.%d:40000", i%5), "10.0.1.1:53", question)
		p.udp(i*1000+1, "10.0.1.1:53", fmt.Sprintf("10.0.0.%d:40000", i%5), response)
		p.ip(i*1000+2, 2, "10.0.0.7", "224.0.0.22", []byte("\x22\x00\x00\x00\x00\x00\x00\x02\x04\x00\x00\x00\xe0\x00\x00\xfb\x03\x00\x00\x01\xe8\x01\x01\x01\x0a\x00\x00\x09"))
	}
	seeds = append(seeds, p.packets)
	f.Add(uint64(1), []byte{})
	f.Add(uint64(2), []byte{0, 1, 2, 3})
	for i := range uint64(20) { // among them such as take the datagrams
		f.Add(i, []byte("\x22\x00\x00\x00\x00\x00\xff\xff"))
	}
	f.Add(uint64(3), []byte("\x45\x00\x00\x28GET / HTTP/1.1\r\nUpgrade: websocket\r\n\r\n"))
	f.Fuzz(func(t *testing.T, seed uint64, noise []byte) {
		r := rand.New(rand.NewPCG(seed, 1))
		ps := renumber(seeds[r.IntN(len(seeds))])
		for i := range ps {
			switch r.IntN(12) {
			case 0:
				ps[i].Data = slices.Clone(ps[i].Data)
				for range 1 + r.IntN(4) {
					ps[i].Data[r.IntN(len(ps[i].Data))] ^= byte(1 << r.IntN(8))
				}
			case 1:
				j := r.IntN(len(ps))
				ps[i], ps[j] = ps[j], ps[i]
			case 2:
				if seg := tcpOf(&ps[i]); seg != nil && len(noise) > 0 {
					ps[i].Data = slices.Clone(ps[i].Data)
					copy(payloadOf(tcpOf(&ps[i])), noise)
				}
			case 3:
				ps[i].Data = noise
			case 4:
				ps[i].Link = uint16(r.IntN(300))
			case 5:
				ps[i].Data = ps[i].Data[:r.IntN(len(ps[i].Data)+1)]
			case 6:
				ps[i].Time = r.Int64()
			}
		}
		all := lines(t, ps, -1, 1+r.IntN(20), false, r.IntN(2) == 0)
		count := map[string]int64{}
		for _, l := range all {
			var m struct{ Type string }
			if err := json.Unmarshal([]byte(l), &m); err != nil {
				t.Fatalf("%v: %s", err, l)
			}
			count[m.Type]++
		}
		var last struct {
			Summary struct {
				Packets     int64
				Connections int64
				Flows       int64 `json:"udp_flows"`
				Memberships int64
				Frames      int64 `json:"ws_frames"`
				Messages    int64 `json:"ws_messages"`
			}
		}
		if err := json.Unmarshal([]byte(all[len(all)-1]), &last); err != nil {
			t.Fatal(err)
		}
		s := last.Summary
		if s.Packets != int64(len(ps)) || count["packet"] != s.Packets || count["conn"] != s.Connections+s.Flows+s.Memberships ||
			count["ws_frame"] != s.Frames || count["ws_message"] != s.Messages || count["summary"] != 1 {
			t.Errorf("summary %+v, records %v", s, count)
		}
	})
}
