package flow_test

import (
	"fmt"
	"strings"
	"testing"

	"framescope/capture/capturetest"
	"framescope/capture/pcapfile"
	"framescope/decode/flow"
	"framescope/decode/framing"
)

func declare(t testing.TB, port uint16, name string, o framing.Options, from framing.Direction) func(*flow.Config) {
	t.Helper()
	f, err := framing.Builtin(name, o)
	if err != nil {
		t.Fatal(err)
	}
	return func(c *flow.Config) {
		c.Framings = append(c.Framings, flow.Framing{Port: port, Framing: f, From: from})
	}
}

func recording(t testing.TB, name string) []pcapfile.Packet {
	return load(t, capturetest.Testdata(t, "framings", name+".pcap"))
}

// findings returns the ids of findings with packet and offset.
func (r *result) findings() (all []string) {
	for _, m := range r.of("finding", "") {
		e := get(m, "finding", "evidence").([]any)[0].(map[string]any)
		all = append(all, fmt.Sprintf("%s %d %d", get(m, "finding", "id"), number(e["packet"]), number(e["offset"])))
	}
	return all
}

// A real file transfer: the third file has a wrong checksum, the fourth is cut.
func TestDeclaredTransfer(t *testing.T) {
	r := decode(t, recording(t, "transfer"), declare(t, 7001, "magic-length-crc32", framing.Options{}, framing.Client))
	var got []string
	for _, m := range r.of("frame", "C1") {
		f := m["frame"].(map[string]any)
		p := m["packet"].(map[string]any)
		got = append(got, fmt.Sprint(number(p["first"]), number(p["last"]), number(f["offset"]), number(f["payload_bytes"]), f["captured_bytes"], f["ended"], get(f, "checksum", "ok"), f["issues"]))
	}
	want := []string{
		"4 8 0 11 <nil> <nil> true []",
		"12 14 23 3000 <nil> <nil> true []",
		"17 19 3035 900 <nil> <nil> false [framing-checksum]",
		"22 23 3947 5000 1234 true <nil> [framing-truncated]",
	}
	if len(got) != len(want) {
		t.Fatalf("got %q", got)
	}
	for i := range want {
		// Where the last packet is depends on the recording's segments.
		if g, w := strings.Fields(got[i]), strings.Fields(want[i]); g[0] != w[0] || strings.Join(g[2:], " ") != strings.Join(w[2:], " ") {
			t.Errorf("frame %d: got %s, want %s", i, got[i], want[i])
		}
	}
	if f := fmt.Sprint(r.findings()); f != "[framing-checksum 19 3943 framing-truncated 23 5189]" {
		t.Errorf("findings %s", f)
	}
	end := r.of("conn", "C1")[0]
	if get(end, "network", "protocol") != "magic-length-crc32" || number(get(end, "frame", "frames")) != 4 || number(get(end, "frame", "undecoded_bytes")) != 0 {
		t.Errorf("conn %v", end)
	}
	if r.summary.Declared != 4 || r.summary.Undecoded != 0 {
		t.Errorf("summary %+v", r.summary)
	}
}

// Frames do not depend on where the stream was cut into packets, nor on their
// order.
func TestDeclaredCuts(t *testing.T) {
	ps := recording(t, "amqp")
	whole := frames(decode(t, ps, declare(t, 5672, "amqp", framing.Options{}, framing.Either)))
	if len(whole) < 30 {
		t.Fatalf("%d frames", len(whole))
	}
	back := append([]pcapfile.Packet(nil), ps...)
	for i := 4; i+1 < len(back); i += 2 {
		back[i], back[i+1] = back[i+1], back[i]
		back[i].Number, back[i+1].Number = back[i+1].Number, back[i].Number
	}
	if got := frames(decode(t, back, declare(t, 5672, "amqp", framing.Options{}, framing.Either))); fmt.Sprint(got) != fmt.Sprint(whole) {
		t.Errorf("in another order:\n%q\n%q", got, whole)
	}
}

// frames lists frames by side.
func frames(r *result) (all []string) {
	for _, side := range []string{"client", "server"} {
		for _, m := range r.of("frame", "") {
			if m["direction"] == side {
				f := m["frame"].(map[string]any)
				all = append(all, fmt.Sprint(side, f["kind"], number(f["offset"]), number(f["payload_bytes"]), f["payload"], f["fields"], f["issues"]))
			}
		}
	}
	return all
}

// Bytes that are missing in a payload cost that payload; those that are missing
// elsewhere, what comes up to the next magic.
func TestDeclaredGap(t *testing.T) {
	ps := recording(t, "transfer")
	whole := decode(t, ps, declare(t, 7001, "magic-length-crc32", framing.Options{}, framing.Client))
	seen := map[string]int{}
	for i := range ps {
		if i < 4 { // the handshake, the magic
			continue
		}
		cut := append(append([]pcapfile.Packet(nil), ps[:i]...), ps[i+1:]...)
		r := decode(t, cut, declare(t, 7001, "magic-length-crc32", framing.Options{}, framing.Client))
		if n := len(r.of("frame", "")); n > len(whole.of("frame", "")) {
			t.Errorf("without packet %d: %d frames", i+1, n)
		}
		for _, f := range r.findings() {
			seen[strings.Fields(f)[0]]++
		}
		lost := number(get(r.of("conn", "C1")[0], "frame", "undecoded_bytes"))
		if lost != r.summary.Undecoded {
			t.Errorf("without packet %d: %d and %d bytes not decoded", i+1, lost, r.summary.Undecoded)
		}
	}
	if seen["capture-gap"] == 0 || seen["undecoded-bytes"] == 0 {
		t.Errorf("findings %v", seen)
	}
}

// A port that carries something else is said to, and its bytes are counted.
func TestDeclaredWrong(t *testing.T) {
	r := decode(t, recording(t, "mqtt"), declare(t, 1883, "amqp", framing.Options{}, framing.Either))
	if r.summary.Undecoded == 0 || len(r.of("frame", "")) != 0 || !strings.HasPrefix(strings.Join(r.findings(), " "), "framing-error 4 0") {
		t.Errorf("%+v %q", r.summary, r.findings())
	}
	for _, c := range r.of("conn", "") {
		if get(c, "network", "protocol") == "amqp" {
			t.Error("it is called amqp")
		}
		if n := number(get(c, "frame", "undecoded_bytes")); n != number(get(c, "source", "stream_bytes"))+number(get(c, "destination", "stream_bytes")) {
			t.Errorf("%d bytes not decoded of %v", n, c)
		}
	}
}

// PostgreSQL and Redis are called the same whether their framing was declared or
// not, and all that they sent is frames.
func TestDeclaredDatabases(t *testing.T) {
	for name, port := range map[string]uint16{"postgresql": 5432, "redis": 6379} {
		ps := recording(t, name)
		declared := decode(t, ps, declare(t, port, name, framing.Options{}, framing.Either))
		if declared.summary.Declared < 200 || declared.summary.Undecoded != 0 || len(declared.findings()) != 0 {
			t.Errorf("%s: %d frames, %d bytes not decoded, %q", name, declared.summary.Declared, declared.summary.Undecoded, declared.findings())
		}
		for _, r := range []*result{declared, decode(t, ps, nil)} {
			conns := r.of("conn", "")
			for _, c := range conns {
				if get(c, "network", "protocol") != name {
					t.Errorf("%s: %v", name, c)
				}
			}
			if len(conns) != 8 {
				t.Errorf("%s: %d connections, want 8", name, len(conns))
			}
		}
		if feedRaw(t, name, declare(t, port, name, framing.Options{}, framing.Either)) != declared.summary.Declared {
			t.Errorf("%s: frames without their bytes", name)
		}
	}
}
