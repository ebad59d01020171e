package flow_test

import (
	"bytes"
	"fmt"
	"slices"
	"strings"
	"testing"

	"framescope/decode/flow"
	"framescope/decode/record"
)

// wait lets time pass on the capture's clock.
func (k *talk) wait(n int, ns int64) {
	k.send(n, 0, syn, nil)
	k.packets[len(k.packets)-1].Time += ns
	k.late = k.packets[len(k.packets)-1].Time
}

// later moves packets from the given one on behind what wait has let pass.
func (k *talk) later(from int) {
	for i := from; i < len(k.packets); i++ {
		k.packets[i].Time = k.late + int64(i)*1e4
	}
}

// A RST that no peer would believe ends nothing: what comes later belongs to
// the same session.
func TestForgedReset(t *testing.T) {
	k := newTalk()
	k.open(1)
	k.message(1, 20)
	side := [2]int{1, 1}
	k.seq[side] += 1 << 19
	k.send(1, 1, rst, []byte("forged"))
	k.seq[side] -= 1<<19 + 6
	k.wait(2, 10e9)
	n := len(k.packets)
	k.message(1, 30)
	k.close(1)
	k.later(n)
	r := decode(t, k.packets, nil)
	if r.summary.Connections != 2 || r.summary.Messages != 2 || r.summary.Undecoded+r.summary.Missing != 0 {
		t.Errorf("%+v, want 2 connections and 2 messages", r.summary)
	}
	if got := text(get(r.of("conn", "C1")[0], "tcp", "end")); got != "fin" {
		t.Errorf("the session ended by %q, want fin", got)
	}
}

// What goes on long after a RST that looked right is a connection of its own:
// nothing is swallowed.
func TestAfterReset(t *testing.T) {
	k := newTalk()
	k.open(1)
	k.message(1, 20)
	k.send(1, 1, rst, nil)
	k.wait(2, 10e9)
	n := len(k.packets)
	for range 20 {
		k.message(1, 300)
	}
	k.close(1)
	k.later(n)
	r := decode(t, k.packets, nil)
	if r.summary.Connections != 3 || r.summary.Messages != 21 {
		t.Errorf("%+v, want 3 connections and 21 messages", r.summary)
	}
}

// With TCP Fast Open the request comes in the SYN (RFC 7413).
func TestFastOpen(t *testing.T) {
	k := newTalk()
	k.send(1, 0, syn, []byte(upgrade))
	k.send(1, 1, syn|ack, nil)
	k.send(1, 1, psh|ack, []byte(switching))
	k.message(1, 20)
	k.close(1)
	r := decode(t, k.packets, nil)
	hs := r.of("ws_handshake", "")
	if r.summary.Connections != 1 || r.summary.Messages != 1 || len(hs) != 1 || get(hs[0], "websocket", "accept_ok") != true {
		t.Errorf("%+v, %v", r.summary, hs)
	}
}

// Fragments of datagrams that were never whole are counted.
func TestUnfinishedFragments(t *testing.T) {
	k := newTalk()
	for range 5 {
		k.send(1, 0, ack, make([]byte, 80))
		p := k.packets[len(k.packets)-1].Data
		p[20] |= 0x20 // more fragments
		p[19] = byte(len(k.packets))
		p[16], p[17] = 0, 100
	}
	r := decode(t, k.packets, nil)
	if s := r.summary.Skipped; len(s) != 1 || s[0].Packets != 5 || !strings.Contains(s[0].Cause, "fragment") {
		t.Errorf("%+v, want 5 fragments", r.summary)
	}
}

// A head that is too long to be kept still says what it is, and its session is
// decoded.
func TestLongHead(t *testing.T) {
	k := newTalk()
	k.send(1, 0, syn, nil)
	k.send(1, 1, syn|ack, nil)
	k.send(1, 0, ack, nil)
	k.send(1, 0, ack, []byte(upgrade[:len(upgrade)-2]))
	for range 120 {
		k.send(1, 0, ack, append(append([]byte("X-Filler: "), bytes.Repeat([]byte("f"), 1200)...), "\r\n"...))
	}
	k.send(1, 0, psh|ack, []byte("\r\n"))
	k.send(1, 1, psh|ack, []byte(switching))
	for range 10 {
		k.message(1, 300)
	}
	k.close(1)
	r := decode(t, k.packets, nil)
	hs := r.of("ws_handshake", "")
	if len(hs) != 1 || get(hs[0], "websocket", "accept_ok") != true || r.summary.Messages < 9 || r.summary.Undecoded == 0 {
		t.Errorf("%+v, %v", r.summary, hs)
	}
}

// Requests that ask for an upgrade, one behind the other with holes between
// them, and none of them gets it: all are answered, and looked at once or twice
// only.
func TestPipelinedUpgrades(t *testing.T) {
	k := newTalk()
	k.send(1, 0, syn, nil)
	k.send(1, 1, syn|ack, nil)
	const requests = 20000
	for range requests {
		k.send(1, 0, ack, []byte(upgrade))
	}
	for range requests {
		k.send(1, 1, ack, []byte("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"))
	}
	r := decode(t, k.packets, nil)
	if n := len(r.of("http", "")) + len(r.of("ws_handshake", "")); n < requests {
		t.Errorf("%d exchanges, want %d", n, requests)
	}
}

// Stop makes Close return without the rest, and the summary is given out.
func TestStop(t *testing.T) {
	k := newTalk()
	k.open(1)
	for range 1000 {
		k.message(1, 20)
	}
	for _, workers := range []int{-1, 2} {
		frames, summaries := 0, 0
		e := flow.New(flow.Config{
			Want: record.All, Workers: workers, Encoder: func() flow.Encoder { return new(encoder) },
			Output: func(it *flow.Item) error {
				switch it.Type {
				case record.TypeFrame:
					frames++
				case record.TypeSummary:
					summaries++
				}
				return nil
			},
		})
		for i := range k.packets {
			if i == 500 {
				e.Flush(nil)
				e.Stop()
			}
			e.Packet((*flow.Packet)(&k.packets[i]))
		}
		if _, err := e.Close(true); err != nil || frames > 500 || summaries != 1 {
			t.Errorf("%d workers: %d frames, %d summaries, %v", workers, frames, summaries, err)
		}
	}
}

// A segment can bring thousands of records, or one very long one: they are
// given out in their order, whoever decodes them.
func TestLongOutput(t *testing.T) {
	k := newTalk()
	for n := range 3 {
		k.open(n)
	}
	for i := range 4 {
		for n := range 3 {
			empty := bytes.Repeat(k.frame(1, 9, nil), 20000)
			k.send(n, 1, psh|ack, empty[:20000])
			k.send(n, 1, psh|ack, empty[20000:])
			long := k.frame(1, 1, bytes.Repeat([]byte{1, 'a', '\n'}, 80000+1000*i))
			for b := range slices.Chunk(long, 60000) {
				k.send(n, 1, psh|ack, b)
			}
		}
	}
	run := func(workers int) string {
		var all bytes.Buffer
		e := flow.New(flow.Config{
			Want: record.All, Workers: workers, Full: true, Encoder: func() flow.Encoder { return new(lineEncoder) },
			Output: func(it *flow.Item) error {
				fmt.Fprintf(&all, "%d %v %s", it.Conn, it.Type, it.Data)
				return nil
			},
		})
		for i := range k.packets {
			e.Packet((*flow.Packet)(&k.packets[i]))
		}
		if _, err := e.Close(false); err != nil {
			t.Fatal(err)
		}
		return all.String()
	}
	want := run(-1)
	if n := strings.Count(want, `"type":"ws_message"`); n != 12 || len(want) < 12*300000 {
		t.Fatalf("%d messages, %d bytes", n, len(want))
	}
	for _, workers := range []int{1, 2, 4} {
		if run(workers) != want {
			t.Errorf("%d workers: the output differs", workers)
		}
	}
}

// Four megabytes in any order are put in order again.
func TestFarOutOfOrder(t *testing.T) {
	for _, how := range []string{"the first one last", "backwards", "shuffled"} {
		k := newTalk()
		k.open(1)
		begin := len(k.packets)
		const messages = 70
		for range messages {
			for b := range slices.Chunk(k.frame(1, 2, bytes.Repeat([]byte("0123456789"), 6000)), 1400) {
				k.send(1, 1, psh|ack, b)
			}
		}
		switch data := k.packets[begin:]; how {
		case "the first one last":
			first := data[0]
			copy(data, data[1:])
			data[len(data)-1] = first
		case "backwards":
			slices.Reverse(data)
		case "shuffled":
			k.rnd.Shuffle(len(data), func(i, j int) { data[i], data[j] = data[j], data[i] })
		}
		k.close(1)
		for i := range k.packets {
			k.packets[i].Time = int64(i) * 1e4
		}
		r := decode(t, renumber(k.packets), nil)
		if r.summary.Messages != messages || r.summary.Missing+r.summary.Undecoded != 0 {
			t.Errorf("%s: %+v, want %d messages and nothing missing", how, r.summary, messages)
		}
	}
}
