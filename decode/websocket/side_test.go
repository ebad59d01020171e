package websocket

import (
	"bytes"
	"compress/flate"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"unsafe"

	"framescope/decode"
	"framescope/decode/finding"
)

// A writer makes the stream of one side.
type writer struct {
	bytes.Buffer
	masked bool
	rnd    *rand.Rand
	deflate
}

// deflate compresses messages as RFC 7692 section 7.2.1 says.
type deflate struct {
	w      *flate.Writer
	out    bytes.Buffer
	forget bool // no context takeover
}

func (d *deflate) compress(p []byte) []byte {
	if d.w == nil {
		d.w, _ = flate.NewWriter(&d.out, 6)
	}
	if d.forget {
		d.w.Reset(&d.out)
	}
	d.out.Reset()
	_, _ = d.w.Write(p)
	_ = d.w.Flush()
	return bytes.Clone(bytes.TrimSuffix(d.out.Bytes(), []byte{0, 0, 0xff, 0xff}))
}

func (w *writer) frame(h Header, payload []byte) {
	h.Length = int64(len(payload))
	h.Masked = w.masked
	if h.Masked {
		for i := range h.Mask {
			h.Mask[i] = byte(w.rnd.Uint32())
		}
		payload = xor(payload, h.Mask, 0)
	}
	w.Write(AppendHeader(nil, &h))
	w.Write(payload)
}

// message writes a message in fragments of the given sizes and a last one.
func (w *writer) message(op Opcode, rsv uint8, payload []byte, sizes ...int) {
	for _, n := range sizes {
		n = min(n, len(payload))
		w.frame(Header{Opcode: op, RSV: rsv}, payload[:n])
		payload = payload[n:]
		op, rsv = Continuation, 0
	}
	w.frame(Header{Opcode: op, RSV: rsv, Fin: true}, payload)
}

// run feeds a stream to a Side in pieces of n bytes.
func run(s *Side, stream []byte, n int) *recorder {
	r := &recorder{}
	for i := 0; i < len(stream); i += n {
		s.Data(stream[i:min(i+n, len(stream))], true, decode.Origin{Packet: 1}, r)
	}
	s.End(true, r)
	return r
}

// RFC 6455 section 5.7 and RFC 7692 section 7.2.3.
func TestSideVectors(t *testing.T) {
	var vectors struct {
		RFC []struct {
			Name, Hex, Message, Text string
			Sequence                 []string `json:"hex_sequence"`
			Messages                 []string
			PMD                      bool
			Opcode                   string
		}
		Receiver []struct {
			Name, Receiver, Error string
			Chunks                []string
			PMD                   bool `json:"permessage_deflate"`
		} `json:"ws_receiver"`
	}
	if err := json.Unmarshal(corpus(t, "vectors/frames.json"), &vectors); err != nil {
		t.Fatal(err)
	}
	for _, v := range vectors.RFC {
		if v.Hex == "" && v.Sequence == nil {
			continue // a header or a key alone
		}
		want := v.Messages
		if v.Message != "" {
			want = []string{v.Message}
		} else if v.Opcode == "text" {
			want = []string{v.Text}
		}
		s := &Side{Config: &Config{Full: true}}
		if v.PMD {
			s.Compression = Deflated
		}
		r := run(s, unhex(t, v.Hex+strings.Join(v.Sequence, "")), 3)
		var got []string
		for _, m := range r.messages {
			if m.Complete && m.Text {
				got = append(got, string(m.Payload))
			}
		}
		if !slices.Equal(got, want) || len(r.skipped) > 0 {
			t.Errorf("%s: %q, want %q\n%s", v.Name, got, want, strings.Join(r.log, "\n"))
		}
		if v.Opcode == "ping" || v.Opcode == "pong" {
			if len(r.frames) != 1 || string(r.frames[0].Payload) != v.Text {
				t.Errorf("%s: %v", v.Name, r.log)
			}
		}
		for _, f := range r.frames {
			if !f.Issues.Empty() {
				t.Errorf("%s: %s", v.Name, describeFrame(&f))
			}
		}
	}
	ids := map[string][]finding.ID{
		"WS_ERR_UNEXPECTED_RSV_1":               {finding.RSVWithoutExtension},
		"WS_ERR_UNEXPECTED_RSV_2_3":             {finding.RSVWithoutExtension},
		"WS_ERR_INVALID_OPCODE":                 {finding.UnexpectedContinuation, finding.MessageInterleaved, finding.ReservedOpcode},
		"WS_ERR_EXPECTED_FIN":                   {finding.FragmentedControl},
		"WS_ERR_EXPECTED_MASK":                  {finding.MaskMissing},
		"WS_ERR_UNEXPECTED_MASK":                {finding.MaskUnexpected},
		"WS_ERR_INVALID_CONTROL_PAYLOAD_LENGTH": {finding.ControlTooLong, finding.ClosePayload1, finding.TruncatedFrame},
		"WS_ERR_INVALID_UTF8":                   {finding.InvalidUTF8, finding.CloseReasonUTF8},
		"WS_ERR_INVALID_CLOSE_CODE":             {finding.CloseCodeInvalid},
	}
	checked := 0
	for _, v := range vectors.Receiver {
		want := ids[v.Error]
		if want == nil {
			continue // limits of that receiver
		}
		s := &Side{Role: Server}
		if v.Receiver == "server" {
			s.Role = Client
		}
		if v.PMD {
			s.Compression = Deflated
		}
		r := &recorder{}
		stream := unhex(t, strings.Join(v.Chunks, ""))
		if strings.HasSuffix(v.Name, "bigger than 125 B") {
			stream = append(stream, 0, 126) // the length that follows
		}
		s.Data(stream, true, decode.Origin{}, r)
		s.End(true, r)
		found := slices.ContainsFunc(r.frames, func(f Frame) bool {
			return slices.ContainsFunc(want, f.Issues.Has)
		})
		if !found && v.Error != "WS_ERR_UNEXPECTED_RSV_1" {
			t.Errorf("%s: %v", v.Name, r.log)
		}
		checked++
	}
	if checked < 15 {
		t.Errorf("only %d vectors of node ws were checked", checked)
	}
}

// One stream for each rule: what the first frame that breaks it is called, and
// what is said of it.
func TestIssues(t *testing.T) {
	for _, row := range []struct {
		name, hex string
		role      Role
		c         Compression
		want      string
	}{
		{"client unmasked", "8100", Client, Plain, "mask-missing"},
		{"server masked", "818000000000", Server, Plain, "mask-unexpected"},
		{"unknown role", "818000000000 8100", UnknownRole, Plain, ""},
		{"RSV1", "c100", Server, Plain, "rsv-without-extension"},
		{"RSV1 with deflate", "c10100", Server, Deflated, ""},
		{"RSV1 perhaps", "c10100", Server, Perhaps, ""},
		{"RSV1 on ping", "c900", Server, Deflated, "rsv-without-extension"},
		{"RSV1 on continuation", "410100 c000", Server, Deflated, "rsv-without-extension"},
		{"RSV2", "a100", Server, Deflated, "rsv-without-extension"},
		{"RSV3 and RSV1", "d10100", Server, Deflated, "rsv-without-extension"},
		{"another extension", "f101ff f900", Server, Foreign, ""},
		{"opcode 3", "8300", Server, Plain, "reserved-opcode"},
		{"opcode 11", "8b00", Server, Plain, "reserved-opcode"},
		{"ping without FIN", "0900", Server, Plain, "fragmented-control"},
		{"long ping", "897e007e" + strings.Repeat("61", 126), Server, Plain, "control-too-long"},
		{"continuation", "8000", Server, Plain, "unexpected-continuation"},
		{"continuation after FIN", "8100 8000", Server, Plain, "unexpected-continuation"},
		{"interleaved", "0100 8100", Server, Plain, "message-interleaved"},
		{"ping inside a message", "0100 8900 8000", Server, Plain, ""},
		{"16 bits for 5", "817e00056161616161", Server, Plain, "length-not-minimal"},
		{"64 bits for 5", "827f00000000000000056161616161", Server, Plain, "length-not-minimal"},
		{"bad text", "8101ff", Server, Plain, "invalid-utf8"},
		{"bad binary", "8201ff", Server, Plain, ""},
		{"text cut in a character", "8102c3", Server, Plain, "truncated-frame"},
		{"character over two frames", "0101c3 8001a9", Server, Plain, ""},
		{"character left open", "0101c3 8000", Server, Plain, "invalid-utf8"},
		{"compressed bad text", "c107 00 0100 feff ff 00", Server, Deflated, "invalid-utf8"},
		{"close", "8800", Server, Plain, ""},
		{"close 1000", "880203e8", Server, Plain, ""},
		{"close of 1 byte", "880103", Server, Plain, "close-payload-1"},
		{"close 1005", "880203ed", Server, Plain, "close-code-reserved"},
		{"close 1006", "880203ee", Server, Plain, "close-code-reserved"},
		{"close 1015", "880203f7", Server, Plain, "close-code-reserved"},
		{"close 0", "88020000", Server, Plain, "close-code-invalid"},
		{"close 999", "880203e7", Server, Plain, "close-code-invalid"},
		{"close 1016", "880203f8", Server, Plain, "close-code-invalid"},
		{"close 2999", "88020bb7", Server, Plain, "close-code-invalid"},
		{"close 5000", "88021388", Server, Plain, "close-code-invalid"},
		{"close 1002", "880203ea", Server, Plain, "close-1002"},
		{"close 1009", "880203f1", Server, Plain, "message-too-big"},
		{"close 1011", "880203f3", Server, Plain, "internal-error"},
		{"close 1011 with reason", "880403f36161", Server, Plain, "close-1011"},
		{"close 4401", "88021131", Server, Plain, "close-4401"},
		{"bad reason", "880303e8ff", Server, Plain, "close-reason-utf8"},
		{"data after close", "880203e8 8100", Server, Plain, "data-after-close"},
		{"close after close", "880203e8 880203e8", Server, Plain, "data-after-close"},
		{"truncated", "810561", Server, Plain, "truncated-frame"},
		{"HTTP", hex.EncodeToString([]byte("HTTP/1.1 500 Internal Server Error\r\n\r\n")), Server, Plain, "http-after-101"},
		{"HTTP and more", hex.EncodeToString([]byte("HTTP/1.1 500 Internal Server Error\r\n" + strings.Repeat("x", 100))), Server, Plain, "http-after-101"},
		{"no HTTP", hex.EncodeToString([]byte("HTTX/1.1 500")), Server, Plain, "rsv-without-extension fragmented-control truncated-frame"},
		{"no DEFLATE", "c103ffffff", Server, Deflated, "inflate-failed"},
		{"DEFLATE cut", "c102f248", Server, Deflated, "inflate-failed"},
	} {
		want := strings.Fields(row.want)
		slices.Sort(want)
		stream := unhex(t, strings.ReplaceAll(row.hex, " ", ""))
		for _, n := range []int{1, 2, 1000} {
			r := run(&Side{Role: row.role, Compression: row.c}, stream, n)
			var got []string
			for _, f := range r.frames {
				for id := range f.Issues.All() {
					got = append(got, id.String())
					if e := f.Evidence(id); e == "" || strings.Contains(e, "%!") || strings.Contains(e, "<nil>") {
						t.Errorf("%s: evidence of %v: %q", row.name, id, e)
					}
				}
			}
			slices.Sort(got)
			if !slices.Equal(got, want) {
				t.Errorf("%s, cut at %d: %v, want %v\n%s", row.name, n, got, want, strings.Join(r.log, "\n"))
			}
		}
	}
}

func TestPeerClosed(t *testing.T) {
	s := &Side{Role: Client}
	r := &recorder{}
	stream := unhex(t, "888000000000"+"888000000000"+"898000000000")
	s.PeerClosed()
	s.Data(stream, true, decode.Origin{}, r)
	if !r.frames[1].Issues.Empty() || !r.frames[2].Issues.Has(finding.DataAfterClose) {
		t.Error(r.log)
	}
}

// HTTP behind the 101: one frame, and the rest is skipped by that name.
func TestHTTPAfter101(t *testing.T) {
	stream := []byte("HTTP/1.1 500 Internal Server Error\r\nContent-Length: 100\r\n\r\n" + strings.Repeat("x", 100))
	r := run(&Side{Role: Server, Start: 129}, stream, 7)
	if len(r.frames) != 1 || r.frames[0].Header.Opcode != Close || r.frames[0].Captured != 84 || !r.frames[0].Close.Malformed {
		t.Fatal(r.log)
	}
	if len(r.skipped) != 1 || r.skipped[0].Cause != CauseHTTP || r.skipped[0].Off != 129+86 || r.skipped[0].Bytes != int64(len(stream)-86) {
		t.Fatal(r.log)
	}
}

// What messages come to in every negotiated shape, cut anywhere.
func TestMessages(t *testing.T) {
	text := []byte(strings.Repeat(`{"type":"tick","sym":"ABC","px":101.25,"é":"日本"}`, 30))
	random := make([]byte, 3000)
	rnd := rand.New(rand.NewPCG(3, 4))
	for i := range random {
		random[i] = byte(rnd.Uint32())
	}
	type want struct {
		op      Opcode
		payload []byte
		wire    int64
	}
	for _, masked := range []bool{false, true} {
		for _, forget := range []bool{false, true} {
			w := &writer{masked: masked, rnd: rnd}
			w.forget = forget
			var wants []want
			add := func(op Opcode, compressed bool, payload []byte, sizes ...int) {
				wire, rsv := payload, uint8(0)
				if compressed {
					wire, rsv = w.compress(payload), RSV1
				}
				w.message(op, rsv, wire, sizes...)
				wants = append(wants, want{op, payload, int64(len(wire))})
			}
			for range 3 {
				add(Text, true, text)
				add(Text, false, text)
				add(Text, true, text, 1, 1, 0, 5)
				w.frame(Header{Opcode: Ping, Fin: true}, []byte("ping"))
				add(Binary, true, random, 1000, 1000)
				add(Binary, false, random, 126, 0, 65)
				add(Text, true, nil)
				add(Text, false, nil)
				add(Text, true, text[:40], 30)
				add(Binary, true, bytes.Repeat([]byte("0123456789abcdef"), 5000))
			}
			for _, n := range []int{1, 3, 17, 1460, 1 << 20} {
				for _, cfg := range []Config{{Full: true, Digest: true}, {Preview: 16, Digest: true}, {Digest: true}, {}, {Preview: 5}, {Full: true, MaxMessage: 100}} {
					s := &Side{Config: &Config{Preview: cfg.Preview, Full: cfg.Full, Digest: cfg.Digest, MaxMessage: cfg.MaxMessage}, Role: Server, Compression: Deflated, Deflate: Deflate{NoContextTakeover: forget}}
					if masked {
						s.Role = Client
					}
					r := run(s, w.Bytes(), n)
					if len(r.messages) != len(wants) || len(r.skipped) > 0 {
						t.Fatalf("%d messages, want %d", len(r.messages), len(wants))
					}
					for i, m := range r.messages {
						x := wants[i]
						shown := int64(cfg.Preview)
						if cfg.Full {
							shown = 16 << 20
							if cfg.MaxMessage > 0 {
								shown = cfg.MaxMessage
							}
						}
						shown = min(shown, int64(len(x.payload)))
						sum := sha256.Sum256(x.payload)
						switch {
						case !m.Complete || m.Opcode != x.op || m.Bytes != int64(len(x.payload)) || m.Wire != x.wire || !m.Issues.Empty():
							t.Fatalf("cut at %d: message %d: %s", n, i, describeMessage(&m))
						case cfg.Digest != (m.SHA256 != nil) || cfg.Digest && !bytes.Equal(m.SHA256, sum[:]):
							t.Fatalf("cut at %d: message %d: digest %x", n, i, m.SHA256)
						case m.More != (shown < int64(len(x.payload))) || !bytes.HasPrefix(x.payload[:shown], m.Payload) || int64(len(m.Payload)) < shown-3:
							t.Fatalf("cut at %d: message %d: payload %q, more %v", n, i, m.Payload, m.More)
						case m.Text != (x.op == Text):
							t.Fatalf("cut at %d: message %d: text %v", n, i, m.Text)
						}
					}
				}
			}
		}
	}
}

// Frames of a message show what they say, whatever the message keeps.
func TestFramePayload(t *testing.T) {
	w := &writer{masked: true, rnd: rand.New(rand.NewPCG(1, 1))}
	w.message(Text, 0, []byte("The quick brown fox jumps over the lazy dog"), 2, 20, 5)
	for _, row := range []struct {
		cfg  Config
		want string
	}{
		{Config{}, "||||"},
		{Config{Preview: 4}, "Th|e qu|mps |ver |The "},
		{Config{Preview: 10}, "Th|e quick br|mps o|ver the la|The quick "},
		{Config{Full: true}, "Th|e quick brown fox ju|mps o|ver the lazy dog|The quick brown fox jumps over the lazy dog"},
		{Config{Full: true, MaxMessage: 10}, "Th|e quick |||The quick "},
	} {
		for n := range 20 {
			r := run(&Side{Config: &Config{Preview: row.cfg.Preview, Full: row.cfg.Full, MaxMessage: row.cfg.MaxMessage}, Role: Client}, w.Bytes(), n+1)
			var got []string
			for _, f := range r.frames {
				got = append(got, string(f.Payload))
				if f.More != (int64(len(f.Payload)) < f.Header.Length) || !f.Text {
					t.Fatalf("preview %d: %s", row.cfg.Preview, describeFrame(&f))
				}
			}
			for _, m := range r.messages {
				got = append(got, string(m.Payload))
			}
			if s := strings.Join(got, "|"); s != row.want {
				t.Fatalf("preview %d: %q, want %q", row.cfg.Preview, s, row.want)
			}
		}
	}
}

// A message that inflates to more than the limit is given up, and only it.
func TestMaxInflate(t *testing.T) {
	for _, forget := range []bool{false, true} {
		w := &writer{}
		w.forget = forget
		big := bytes.Repeat([]byte("a"), 100_000)
		w.message(Binary, RSV1, w.compress([]byte("before")))
		w.message(Binary, RSV1, w.compress(big), 10)
		w.message(Binary, RSV1, w.compress(big[:50_000]))
		w.message(Text, 0, []byte("plain"))
		for _, n := range []int{1, 7, 4096} {
			s := &Side{Config: &Config{Preview: 4, Digest: true, MaxInflate: 50_000}, Compression: Deflated, Deflate: Deflate{NoContextTakeover: forget}}
			r := run(s, w.Bytes(), n)
			m := r.messages
			if len(m) != 4 || !m[0].Complete || !m[3].Complete {
				t.Fatal(r.log)
			}
			if m[1].Complete || m[1].Cause != CauseLimit || m[1].Bytes != -1 || m[1].SHA256 != nil || !m[1].Issues.Has(finding.InflateBomb) || string(m[1].Payload) != "aaaa" {
				t.Errorf("forget %v: %s", forget, describeMessage(&m[1]))
			}
			if forget && (!m[2].Complete || m[2].Bytes != 50_000) || !forget && m[2].Cause != CauseHistory && !m[2].Complete {
				t.Errorf("forget %v: %s", forget, describeMessage(&m[2]))
			}
		}
	}
}

func TestBomb(t *testing.T) {
	w := &writer{}
	w.message(Binary, RSV1, w.compress(make([]byte, 9<<20)))
	r := run(&Side{Compression: Deflated}, w.Bytes(), 1460)
	if len(r.messages) != 1 || !r.messages[0].Complete || !r.messages[0].Issues.Has(finding.InflateBomb) {
		t.Error(r.log)
	}
}

// A gap inside a payload costs that message, and the history only if it was
// compressed.
func TestGapInPayload(t *testing.T) {
	for _, compressed := range []bool{false, true} {
		w := &writer{}
		a := bytes.Repeat([]byte("some text that is repeated "), 20)
		w.message(Text, RSV1, w.compress(a))
		at := w.Len()
		if compressed {
			w.message(Text, RSV1, w.compress([]byte("random 8124jb1h2g4j1h24v1jh24v1jh24vj1hv24hj1v24jh1v4")))
		} else {
			w.message(Text, 0, bytes.Repeat([]byte("x"), 50))
		}
		w.message(Text, RSV1, w.compress(a))
		w.message(Text, 0, []byte("end"))
		s := &Side{Config: &Config{Preview: 8}, Compression: Deflated}
		r := &recorder{}
		s.Data(w.Bytes()[:at+10], true, decode.Origin{Packet: 1}, r)
		s.Gap(5, decode.Origin{Packet: 2}, r)
		s.Data(w.Bytes()[at+15:], false, decode.Origin{Packet: 2}, r)
		s.End(true, r)
		if len(r.frames) != 4 || len(r.messages) != 4 || len(r.skipped) != 0 {
			t.Fatal(r.log)
		}
		f, m := r.frames[1], r.messages
		if f.Lost != 5 || f.Captured != f.Header.Length-5 || f.First.Packet != 1 || f.Last.Packet != 2 {
			t.Error(describeFrame(&f))
		}
		if !m[0].Complete || m[1].Complete || m[1].Cause != CauseMissing || !m[3].Complete {
			t.Error(r.log)
		}
		if m[2].Complete == compressed || compressed && (m[2].Cause != CauseHistory || !r.frames[2].Issues.Has(finding.InflateHistoryLost) || m[2].Payload != nil || m[2].Bytes != -1) {
			t.Error(describeMessage(&m[2]))
		}
	}
}

// Steady traffic costs no allocation when neither payloads nor digests are
// wanted.
func TestSideAllocs(t *testing.T) {
	text := []byte(strings.Repeat(`{"type":"tick","sym":"ABC"}`, 40))
	for name, make := range map[string]func(w *writer) Compression{
		"masked text":     func(w *writer) Compression { w.masked = true; w.message(Text, 0, text); return Plain },
		"unmasked binary": func(w *writer) Compression { w.message(Binary, 0, text); return Plain },
		"fragments":       func(w *writer) Compression { w.message(Text, 0, text, 100, 100); return Plain },
		"control":         func(w *writer) Compression { w.frame(Header{Opcode: Ping, Fin: true}, []byte("hi")); return Plain },
		"compressed": func(w *writer) Compression {
			w.masked = true
			w.message(Text, RSV1, w.compress(text), 10)
			return Deflated
		},
	} {
		w := &writer{rnd: rand.New(rand.NewPCG(1, 2))}
		c := make(w)
		stream := w.Bytes()
		s := &Side{Compression: c}
		h := &counter{}
		feed := func() {
			for i := 0; i < len(stream); i += 37 {
				s.Data(stream[i:min(i+37, len(stream))], true, decode.Origin{Packet: 1}, h)
			}
		}
		for range 200 { // until the window of the inflater has grown
			feed()
		}
		if n := testing.AllocsPerRun(500, feed); n != 0 {
			t.Errorf("%s: %v allocations", name, n)
		}
		if h.frames == 0 || h.skipped != 0 || name != "control" && h.messages == 0 {
			t.Errorf("%s: %+v", name, *h)
		}
	}
}

type counter struct{ frames, messages, skipped int }

func (c *counter) Frame(*Frame)     { c.frames++ }
func (c *counter) Message(*Message) { c.messages++ }
func (c *counter) Skipped(*Skipped) { c.skipped++ }

// Hundreds of thousands of connections have two Sides each.
func TestSideSize(t *testing.T) {
	if n := unsafe.Sizeof(Side{}); n > 320 {
		t.Errorf("an idle Side has %d bytes", n)
	}
}

// The result does not depend on where the stream was cut.
func FuzzSide(f *testing.F) {
	for _, s := range []string{
		"810548656c6c6f 818537fa213d7f9f4d5158 010348656c 80026c6f 890548656c6c6f",
		"c107f248cdc9c90700 c105f200110000 4103f248cd 8004c9c90700 c10b000500faff48656c6c6f00",
		"0101c3 8900 8001a9 880203e8 8100", "827f8000000000000000", "c103ffffff 8101ff",
	} {
		f.Add(unhex(f, strings.ReplaceAll(s, " ", "")), uint8(1), uint8(0x10))
	}
	f.Add([]byte("HTTP/1.1 500 Internal Server Error\r\n\r\n"), uint8(3), uint8(2))
	f.Fuzz(func(t *testing.T, stream []byte, cut, mode uint8) {
		side := func() *Side {
			return &Side{
				Config: &Config{Preview: int(mode >> 6 * 5), Full: mode&32 != 0, Digest: mode&32 != 0, MaxInflate: 1 << 16},
				Role:   Role(mode & 3 % 3), Compression: Compression(mode >> 2 & 3),
				Deflate: Deflate{NoContextTakeover: mode&16 != 0}, Start: 100,
			}
		}
		whole := run(side(), stream, len(stream)+1)
		parts := run(side(), stream, int(cut)%32+1)
		if len(whole.skipped) == 0 && len(parts.skipped) == 0 && !slices.Equal(whole.log, parts.log) {
			t.Fatalf("cut at %d:\n%s\nwhole:\n%s", int(cut)%32+1, strings.Join(parts.log, "\n"), strings.Join(whole.log, "\n"))
		}
		for _, r := range []*recorder{whole, parts} {
			var at int64 = 100
			for _, f := range r.frames {
				if f.Off < at || f.Captured+f.Lost > f.Header.Length {
					t.Fatalf("%s", describeFrame(&f))
				}
				at = f.Off + int64(f.Header.Size) + f.Captured
			}
			total := int64(0)
			for _, f := range r.frames {
				total += int64(f.Header.Size) + f.Captured
			}
			for _, k := range r.skipped {
				total += k.Bytes
			}
			if total != int64(len(stream)) {
				t.Fatalf("%d bytes of %d are accounted for:\n%s", total, len(stream), strings.Join(r.log, "\n"))
			}
		}
	})
}

// Whatever is missing and wherever a capture begins: nothing panics, frames do
// not overlap, and every byte is accounted for.
func FuzzSideGaps(f *testing.F) {
	w := &writer{rnd: rand.New(rand.NewPCG(4, 4))}
	conversationOf(w, Deflated, 6)
	f.Add(w.Bytes(), uint8(0x11), uint16(60), uint8(5), uint8(40))
	f.Add(append(w.Bytes(), 0x82, 0x7f, 0x80, 0, 0, 0, 0, 0, 0, 0, 0x81, 1, 'x'), uint8(0x31), uint16(0), uint8(1), uint8(9))
	w = &writer{masked: true, rnd: w.rnd}
	conversationOf(w, Plain, 6)
	f.Add(w.Bytes()[10:], uint8(0x70), uint16(200), uint8(30), uint8(100))
	f.Fuzz(func(t *testing.T, stream []byte, mode uint8, every uint16, gap, cut uint8) {
		s := &Side{
			Config: &Config{Preview: 8}, Role: Role(mode & 3 % 3), Compression: Compression(mode >> 2 & 3),
			Search: mode&16 != 0, Unknown: mode&32 != 0, Start: 1000,
		}
		r := &recorder{}
		captured, missing := int64(0), int64(0)
		for i := 0; i < len(stream); {
			n := min(int(cut)+1, len(stream)-i)
			if every > 0 && i/int(every) != (i+n)/int(every) && gap > 0 {
				n = min(int(gap), len(stream)-i)
				s.Gap(int64(n), decode.Origin{Packet: int64(i)}, r)
				missing += int64(n)
			} else {
				s.Data(stream[i:i+n], i%2 == 0, decode.Origin{Packet: int64(i)}, r)
				captured += int64(n)
			}
			i += n
			if mode&64 != 0 && i > len(stream)/2 {
				s.Convince(r)
			}
		}
		s.End(mode&128 != 0, r)
		at := int64(1000)
		for _, f := range r.frames {
			if f.Off < at || f.Captured+f.Lost > f.Header.Length || f.Ended != (f.Captured+f.Lost < f.Header.Length) {
				t.Fatal(strings.Join(r.log, "\n"))
			}
			at = f.Off + int64(f.Header.Size) + f.Captured + f.Lost
			captured -= int64(f.Header.Size) + f.Captured
			missing -= f.Lost
		}
		for _, k := range r.skipped {
			captured -= k.Bytes
			missing -= k.Missing
		}
		if captured != 0 || missing != 0 {
			t.Fatalf("%d bytes and a gap of %d are not accounted for:\n%s", captured, missing, strings.Join(r.log, "\n"))
		}
	})
}

func BenchmarkSide(b *testing.B) {
	text := []byte(strings.Repeat(`{"type":"tick","sym":"ABC","px":101.25}`, 16))
	for _, row := range []struct {
		name string
		c    Compression
		size int
		cfg  Config
		mask bool
	}{
		{"masked text", Plain, 128, Config{}, true},
		{"masked text", Plain, 600, Config{}, true},
		{"masked text preview", Plain, 600, Config{Preview: 80}, true},
		{"masked text full", Plain, 600, Config{Full: true}, true},
		{"masked text digest", Plain, 600, Config{Digest: true}, true},
		{"unmasked text", Plain, 600, Config{}, false},
		{"compressed", Deflated, 600, Config{}, true},
	} {
		b.Run(fmt.Sprint(row.name, "/", row.size), func(b *testing.B) {
			w := &writer{masked: row.mask, rnd: rand.New(rand.NewPCG(1, 2))}
			n := 0
			for w.Len() < 1<<20 {
				if row.c == Deflated {
					w.message(Text, RSV1, w.compress(text[:row.size]))
				} else {
					w.message(Text, 0, text[:row.size])
				}
				n++
			}
			s := &Side{Config: &row.cfg, Compression: row.c}
			h := &counter{}
			b.SetBytes(int64(row.size))
			b.ReportAllocs()
			for range b.N/n + 1 {
				for i := 0; i < w.Len(); i += 1448 {
					s.Data(w.Bytes()[i:min(i+1448, w.Len())], true, decode.Origin{Packet: 1}, h)
				}
			}
		})
	}
}

// What a Side holds: nothing between messages, but the window of the inflater.
func TestMemory(t *testing.T) {
	w := &writer{}
	w.message(Text, 0, []byte("plain"))
	plain := w.Len()
	w.message(Text, RSV1, w.compress([]byte("compressed")))
	small := w.Len()
	w.message(Text, RSV1, w.compress(bytes.Repeat([]byte("compressed"), 10_000)))
	s, r := &Side{Compression: Deflated}, &recorder{}
	for _, x := range []struct {
		from, to int
		most     int64
	}{{0, plain, 0}, {plain, small, 10 << 10}, {small, w.Len(), 80 << 10}} {
		s.Data(w.Bytes()[x.from:x.to], true, decode.Origin{}, r)
		if n := s.Memory(); n > x.most {
			t.Errorf("after %d bytes: %d bytes, want at most %d", x.to, n, x.most)
		}
	}
	s.End(true, r)
	if n := s.Memory(); n != 0 {
		t.Errorf("after the end: %d bytes", n)
	}
}
