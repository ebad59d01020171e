package websocket

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"

	"framescope/decode"
	"framescope/decode/finding"
)

// conversationOf makes a session's side of the kinds of messages that peers
// send, and returns where each write began.
func conversationOf(w *writer, c Compression, n int) (starts []int) {
	words := strings.Fields(`the quick brown fox jumps over lazy dogs while seven wizards make toxic brew for king`)
	rnd := w.rnd
	for i := range n {
		starts = append(starts, w.Len())
		var text []byte
		for range 5 + rnd.IntN(60) {
			text = fmt.Appendf(text, "%s %d ", words[rnd.IntN(len(words))], rnd.IntN(1000))
		}
		if i%7 == 5 {
			w.frame(Header{Opcode: Ping, Fin: true}, fmt.Appendf(nil, "ping %d", i))
			continue
		}
		rsv, payload := uint8(0), text
		if c == Deflated && rnd.IntN(5) > 0 {
			rsv, payload = RSV1, w.compress(text)
		}
		if i%7 == 3 {
			w.message(Text, rsv, payload, 7, 20)
		} else {
			w.message(Text, rsv, payload)
		}
	}
	starts = append(starts, w.Len())
	w.frame(Header{Opcode: Close, Fin: true}, []byte("\x03\xe8bye"))
	return starts
}

// deliver feeds a stream in the segments that its sender wrote, without the
// bytes from gap to end.
func deliver(s *Side, stream []byte, starts []int, gap, end int) *recorder {
	r := &recorder{}
	starts = append(starts, len(stream))
	for i := range len(starts) - 1 {
		from, to := starts[i], starts[i+1]
		o := decode.Origin{Packet: int64(i + 1)}
		if from < gap {
			s.Data(stream[from:min(to, gap)], true, o, r)
		}
		if from <= gap && gap < to {
			s.Gap(int64(end-gap), o, r)
		}
		if to > end && max(from, end) < to {
			s.Data(stream[max(from, end):to], from >= end, o, r)
		}
	}
	s.End(true, r)
	return r
}

// Wherever bytes are missing, no frame comes out that was not sent, no message
// that is not whole counts as whole, and every byte is accounted for.
func TestGapAnywhere(t *testing.T) {
	for _, c := range []Compression{Plain, Deflated} {
		for _, masked := range []bool{false, true} {
			w := &writer{masked: masked, rnd: rand.New(rand.NewPCG(5, uint64(c)))}
			starts := conversationOf(w, c, 14)
			stream := w.Bytes()
			role := Server
			if masked {
				role = Client
			}
			side := func() *Side {
				return &Side{Config: &Config{Preview: 32, Digest: true}, Role: role, Compression: c}
			}
			whole := deliver(side(), stream, starts, len(stream), len(stream))
			if len(whole.skipped) > 0 || len(whole.messages) != 12 {
				t.Fatal(strings.Join(whole.log, "\n"))
			}
			for _, m := range whole.messages {
				if !m.Complete || !m.Text {
					t.Fatal(describeMessage(&m))
				}
			}
			sent := map[int64]Frame{}
			for _, f := range whole.frames {
				sent[f.Off] = f
			}
			said := map[int64]Message{}
			for _, m := range whole.messages {
				said[m.Off] = m
			}
			found, lost := 0, 0
			for gap := range stream {
				end := min(gap+[]int{1, 40, 3, 700}[gap%4], len(stream))
				r := deliver(side(), stream, starts, gap, end)
				name := fmt.Sprintf("compression %d, masked %v, gap %d-%d", c, masked, gap, end)
				check(t, name, r, sent, said, len(stream)-(end-gap), end-gap)
				found += len(r.frames)
				lost += len(whole.frames) - len(r.frames)
			}
			t.Logf("compression %d, masked %v: %d frames found, %d not", c, masked, found, lost)
			if lost*2 > found {
				t.Errorf("compression %d, masked %v: of %d frames, %d were not found", c, masked, found+lost, lost)
			}
		}
	}
}

// check compares what a stream with missing bytes gave with what was sent.
func check(t *testing.T, name string, r *recorder, sent map[int64]Frame, said map[int64]Message, captured, missing int) {
	t.Helper()
	at, total, gaps := int64(0), 0, 0
	for _, f := range r.frames {
		w, ok := sent[f.Off]
		// Without its key, a masked frame's preview may be empty, but never other bytes.
		if !ok || f.Header != w.Header || f.Off < at || f.Captured+f.Lost > f.Header.Length {
			t.Fatalf("%s: a frame that was not sent: %s\n%s", name, describeFrame(&f), strings.Join(r.log, "\n"))
		}
		if n := min(len(f.Payload), len(w.Payload)); !bytes.Equal(f.Payload[:n], w.Payload[:n]) {
			t.Fatalf("%s: %q, was sent as %q", name, f.Payload, w.Payload)
		}
		for id := range f.Issues.All() {
			if id != finding.InflateHistoryLost && id != finding.TruncatedFrame && !w.Issues.Has(id) {
				t.Fatalf("%s: %v: %s", name, id, describeFrame(&f))
			}
		}
		at = f.Off + int64(f.Header.Size) + f.Captured + f.Lost
		total += int(f.Header.Size) + int(f.Captured)
		gaps += int(f.Lost)
	}
	for _, k := range r.skipped {
		total += int(k.Bytes)
		gaps += int(k.Missing)
	}
	if total != captured || gaps != missing {
		t.Fatalf("%s: %d bytes and a gap of %d are accounted for, want %d and %d\n%s", name, total, gaps, captured, missing, strings.Join(r.log, "\n"))
	}
	for _, m := range r.messages {
		w, ok := said[m.Off]
		switch {
		case !ok && !m.Complete:
		case !ok || m.Complete && (!bytes.Equal(m.SHA256, w.SHA256) || m.Bytes != w.Bytes || m.Frames != w.Frames):
			t.Fatalf("%s: a message that was not sent: %s", name, describeMessage(&m))
		case !m.Complete && m.SHA256 != nil:
			t.Fatalf("%s: %s", name, describeMessage(&m))
		case !bytes.HasPrefix(w.Payload, m.Payload):
			t.Fatalf("%s: %q, was sent as %q\n%s", name, m.Payload, w.Payload, strings.Join(r.log, "\n"))
		}
	}
}

// Many gaps in longer sessions, segments of any size, capture from the middle.
func TestGapsRandom(t *testing.T) {
	rnd := rand.New(rand.NewPCG(8, 8))
	for round := range 60 {
		c := Compression(rnd.IntN(2))
		w := &writer{masked: rnd.IntN(2) == 0, rnd: rnd}
		w.forget = rnd.IntN(2) == 0
		starts := conversationOf(w, c, 100)
		stream := w.Bytes()
		cfg := &Config{Preview: 32, Digest: true}
		side := func() *Side {
			s := &Side{Config: cfg, Role: Server, Compression: c, Deflate: Deflate{NoContextTakeover: w.forget}}
			if w.masked {
				s.Role = Client
			}
			return s
		}
		whole := deliver(side(), stream, starts, len(stream), len(stream))
		sent, said := map[int64]Frame{}, map[int64]Message{}
		for _, f := range whole.frames {
			sent[f.Off] = f
		}
		for _, m := range whole.messages {
			said[m.Off] = m
		}
		s, r := side(), &recorder{}
		from := 0
		if round%3 == 0 { // from the middle
			from = rnd.IntN(len(stream) / 2)
			s.Search, s.Start = true, int64(from)
			s.Compression = Perhaps
			if w.forget || c == Plain {
				s.Compression = c // its windows cannot be known
			}
			if round%2 == 0 {
				s.Role = UnknownRole
			}
		}
		captured, missing := 0, 0
		for i := from; i < len(stream); {
			n := min(1+rnd.IntN(1460), len(stream)-i)
			o := decode.Origin{Packet: int64(i)}
			if rnd.IntN(20) == 0 {
				s.Gap(int64(n), o, r)
				missing += n
			} else {
				s.Data(stream[i:i+n], rnd.IntN(2) == 0, o, r)
				captured += n
			}
			i += n
		}
		s.End(true, r)
		check(t, fmt.Sprint("round ", round), r, sent, said, captured, missing)
	}
}

// Behind a loss, messages that refer to nothing before it are whole again.
func TestHistoryReturns(t *testing.T) {
	w := &writer{}
	w.message(Text, RSV1, w.compress([]byte("the beginning of everything")))
	lost := w.Len()
	w.message(Text, RSV1, w.compress([]byte("this one will be lost")))
	w.deflate = deflate{} // the sender starts afresh
	next := w.Len()
	texts := []string{"a text of its own, 1234567890", "a text of its own, 1234567891"}
	for _, text := range texts {
		w.message(Text, RSV1, w.compress([]byte(text)))
	}
	s, r := &Side{Config: &Config{Full: true}, Compression: Deflated}, &recorder{}
	s.Data(w.Bytes()[:lost+5], true, decode.Origin{}, r)
	s.Gap(int64(next-lost-5), decode.Origin{}, r)
	s.Data(w.Bytes()[next:], true, decode.Origin{}, r)
	s.End(true, r)
	if len(r.messages) != 4 {
		t.Fatal(strings.Join(r.log, "\n"))
	}
	for i, m := range r.messages[2:] {
		if !m.Complete || string(m.Payload) != texts[i] || !m.Issues.Empty() {
			t.Error(describeMessage(&m))
		}
	}
}
