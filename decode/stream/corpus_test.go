package stream_test

import (
	"bytes"
	"cmp"
	"fmt"
	"math/rand/v2"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"framescope/capture/capturetest"
	"framescope/decode"
	"framescope/decode/packet"
	"framescope/decode/stream"
)

// A seg is one TCP segment of a capture.
type seg struct {
	conn int
	dir  int // 0 is the side that sent the first packet
	ack  uint32
	stream.Segment
}

// segments returns the segments of a capture, its connections numbered from 0.
func segments(t testing.TB, path string) []seg {
	type end struct {
		addr packet.Addr
		port uint16
	}
	conns := map[[2]end]int{}
	var out []seg
	var parser packet.Parser
	for _, c := range capturetest.Read(t, path) {
		var p packet.Packet
		if parser.Parse(c.Link, c.Data, c.Wire, c.Time, &p) != packet.OK || p.Proto != packet.ProtoTCP {
			continue
		}
		a, b := end{p.Src, p.SrcPort}, end{p.Dst, p.DstPort}
		dir := 0
		n, ok := conns[[2]end{a, b}]
		if !ok {
			if n, ok = conns[[2]end{b, a}]; ok {
				dir = 1
			} else {
				n = len(conns)
				conns[[2]end{a, b}] = n
			}
		}
		out = append(out, seg{n, dir, p.Ack, stream.Segment{
			Seq: p.Seq, Flags: stream.Flags(p.Flags), Urgent: p.Urgent, Payload: bytes.Clone(p.Payload()), Wire: p.Wire,
			Origin: decode.Origin{Packet: c.Number, Time: c.Time},
		}})
	}
	return out
}

// A side is what came out of one direction.
type side struct {
	stream.TCP
	text  strings.Builder // [4] is a gap, <0+4> a conflict, {x} an urgent byte
	bytes []byte          // gaps are zeros
	here  []bool
	gaps  []stream.Piece
}

func (s *side) drain(t testing.TB) {
	var p stream.Piece
	for s.Next(&p) {
		if p.Kind != stream.Conflict && p.Off != int64(len(s.bytes)) {
			t.Fatalf("piece at %d, want it at %d", p.Off, len(s.bytes))
		}
		switch p.Kind {
		case stream.Data, stream.Urgent:
			if p.Kind == stream.Urgent {
				fmt.Fprintf(&s.text, "{%s}", p.Data)
			} else {
				s.text.Write(p.Data)
			}
			s.bytes = append(s.bytes, p.Data...)
			for range p.Data {
				s.here = append(s.here, true)
			}
		case stream.Gap:
			fmt.Fprintf(&s.text, "[%d]", p.Len)
			s.gaps = append(s.gaps, p)
			s.bytes = append(s.bytes, make([]byte, p.Len)...)
			s.here = append(s.here, make([]bool, p.Len)...)
		case stream.Conflict:
			fmt.Fprintf(&s.text, "<%d+%d>", p.Off, p.Len)
		}
	}
}

// assemble puts all connections together as an engine does.
func assemble(t testing.TB, segs []seg, c *stream.Config) [][2]*side {
	var out [][2]*side
	for i := range segs {
		s := &segs[i]
		for s.conn >= len(out) {
			out = append(out, [2]*side{{}, {}})
			out[len(out)-1][0].Config, out[len(out)-1][1].Config = c, c
		}
		this, other := out[s.conn][s.dir], out[s.conn][1-s.dir]
		if s.Flags&stream.ACK != 0 && s.Flags&stream.RST == 0 {
			other.Acked(s.ack, s.Origin)
			other.drain(t)
		}
		this.Segment(&s.Segment)
		this.drain(t)
	}
	for _, c := range out {
		for _, s := range c {
			s.Finish()
			s.drain(t)
			s.Release()
		}
	}
	return out
}

// TestCorpus: what other projects expect of their own captures.
func TestCorpus(t *testing.T) {
	last := &stream.Config{Overlap: stream.Last}
	const verify = "suricata-verify/tests/"
	for _, tt := range []struct {
		file   string
		config *stream.Config
		conn   int
		want   [2]string // a prefix, if it ends in ...
	}{
		{file: verify + "eve-overlap-payload-01/tcp-overlap.pcap", want: [2]string{"GOOD<0+4>"}},
		{file: verify + "eve-overlap-payload-02-policy-oldlinux/tcp-overlap.pcap", config: last, want: [2]string{"<0+4>EVIL"}},
		{file: verify + "eve-overlap-payload-03-ips/tcp-overlap.pcap", want: [2]string{"GOOD<0+4>"}},
		{file: verify + "eve-overlap-payload-04-partial-overlap/tcp-overlap2.pcap", want: [2]string{"GOOD<1+3>"}},
		{file: verify + "eve-overlap-payload-05-gap/tcp-simple-gap2.pcap", want: [2]string{"VERY[4]DATA"}},
		{file: verify + "eve-payload-01-tcp-exact-overlap/tcp-overlap.pcap", want: [2]string{"GOOD<0+4>"}},
		{file: verify + "eve-payload-02-tcp-exact-overlap-policy-oldlinux/tcp-overlap.pcap", config: last, want: [2]string{"<0+4>EVIL"}},
		{file: verify + "eve-payload-03-tcp-exact-overlap-ips/tcp-overlap.pcap", want: [2]string{"GOOD<0+4>"}},
		{file: verify + "eve-payload-04-partial-overlap/tcp-overlap2.pcap", want: [2]string{"GOOD<1+3>"}},
		{file: verify + "eve-payload-05-tcp-data-gap/tcp-simple-gap2.pcap", want: [2]string{"VERY[4]DATA"}},
		{file: verify + "eve-payload-06-tcp-data-leading-gap/tcp-leading-gap.pcap", want: [2]string{"[4]GOODDATA"}},
		{file: verify + "bug-6244-tcp-rst-with-data/tcp-rst-with-data.pcap", want: [2]string{"", "Please Let Me In!"}},
		{file: verify + "bug-6244-tcp-rst-with-data-02/tcp-rst-with-data.pcap", want: [2]string{"", "Please Let Me In!"}},
		{file: verify + "tcp-split-handshake-02-5whs/split-handshake-5whs.pcap", want: [2]string{"EVIL"}},
		{file: verify + "tcp-urgp-04-2byte-XY/tcp-urgent-2byte-XY.pcap", want: [2]string{"GET /malicX{Y}ious HTTP/1.1\r\n...", "HTTP/1.1 200 OK\r\n..."}},
		{file: verify + "http-gap-simple/input.pcap", want: [2]string{"GET /1 HTTP/1.0\r\n...", "HTTP/1.0 200 OK\r\n..."}},
		{file: "arkime/tests/pcap/tcpseq_synthetic.pcap", conn: 1, want: [2]string{"AAAABBBB"}},
		{file: "arkime/tests/pcap/tcpseq_synthetic.pcap", conn: 2, want: [2]string{"XXXXYYYY"}},
		{file: "arkime/tests/pcap/tcpseq_synthetic.pcap", conn: 3, want: [2]string{"ZZZZ"}},
		{file: "arkime/tests/pcap/tcpseq_synthetic.pcap", conn: 4, want: [2]string{"AAAAAAAABBBBBBBBCCCCCCCCccccccccDDDDDDDD"}},
		{file: "arkime/tests/pcap/tcpseq_synthetic.pcap", conn: 5, want: [2]string{"111111112222222233333333"}},
	} {
		t.Run(fmt.Sprintf("%s/%d", filepath.Base(filepath.Dir(tt.file)), tt.conn), func(t *testing.T) {
			out := assemble(t, segments(t, capturetest.Corpus(t, tt.file)), tt.config)
			for dir, want := range tt.want {
				got := out[tt.conn][dir].text.String()
				if prefix, ok := strings.CutSuffix(want, "..."); ok && strings.HasPrefix(got, prefix) {
					continue
				}
				if got != want {
					t.Errorf("direction %d: %.300q, want %q", dir, got, want)
				}
			}
		})
	}
}

// TestCorpusWhole: captures of which nothing, or a known amount, is missing.
func TestCorpusWhole(t *testing.T) {
	const verify = "suricata-verify/tests/"
	for _, tt := range []struct {
		file    string
		missing [2]int64
		part    string // of what the connection's second direction said, or its first
	}{
		{file: verify + "http-gap-simple/input.pcap", missing: [2]int64{0, 14}, part: "[14]"},
		{file: verify + "tcp-async-01/input.pcap", missing: [2]int64{0, 484}, part: "C6 OK ID completed\r\n* 21 EXISTS\r\n* 6 RECENT"},
		{file: verify + "tcp-empty-sack/tcp-opt.pcap", part: "\x16\x03"},
		{file: verify + "bug-7264-tcp-3whs-ack-data-tls-01/input.pcap", part: "raw.githubusercontent.com"},
		{file: verify + "tcp-stream-after-swap/http-start-from-response.pcap", part: "GET /favicon.ico"},
		{file: verify + "alert-testmyids-midstream/input.pcap", part: "uid=0(root)"},
	} {
		t.Run(filepath.Base(filepath.Dir(tt.file)), func(t *testing.T) {
			out := assemble(t, segments(t, capturetest.Corpus(t, tt.file)), nil)
			for dir, s := range out[0] {
				if got := s.Stats(); got.Missing != tt.missing[dir] || got.Conflicts > 0 || got.OutOfWindow > 0 || got.Late > 0 {
					t.Errorf("direction %d: %+v, want %d missing", dir, got, tt.missing[dir])
				}
			}
			if !strings.Contains(out[0][0].text.String()+out[0][1].text.String(), tt.part) {
				t.Errorf("%q is not in %.500q, %.500q", tt.part, &out[0][0].text, &out[0][1].text)
			}
		})
	}
}

// TestRecorded: captures derived from one session give the same bytes, or leave
// out exactly what they must.
func TestRecorded(t *testing.T) {
	const dir = "recorded/ws"
	whole := assemble(t, segments(t, capturetest.Corpus(t, dir, "x07_vlan42.pcap")), nil)[0]
	for _, name := range []string{"x03_retransmissions", "x04_capture_gap", "x05_snaplen96"} {
		got := assemble(t, segments(t, capturetest.Corpus(t, dir, name+".pcap")), nil)[0]
		for d, s := range got {
			same(t, fmt.Sprintf("%s, direction %d", name, d), s, whole[d].bytes)
			var gaps string
			for _, g := range s.gaps {
				gaps += fmt.Sprintf("%d+%d %v;", g.Off, g.Len, g.Why)
			}
			st := s.Stats()
			switch {
			case name == "x03_retransmissions" && (gaps != "" || st.Retransmitted == 0 || st.Conflicts > 0):
			case name == "x04_capture_gap" && d == 0 && gaps != "":
			case name == "x04_capture_gap" && d == 1 && gaps != "316+42 acknowledged but not captured;":
			case name == "x05_snaplen96" && (len(s.gaps) == 0 || strings.Count(gaps, "cut") != len(s.gaps)):
			default:
				continue
			}
			t.Errorf("%s, direction %d: gaps %s %+v", name, d, gaps, st)
		}
	}
}

// same checks that s is want, but for what is missing.
func same(t *testing.T, what string, s *side, want []byte) {
	t.Helper()
	if len(s.bytes) != len(want) {
		t.Errorf("%s: %d bytes, want %d", what, len(s.bytes), len(want))
		return
	}
	for i, b := range want {
		if s.here[i] && s.bytes[i] != b {
			t.Errorf("%s: byte %d differs", what, i)
			return
		}
	}
}

// TestDerived disturbs every recorded session in ways that lose nothing, or a
// known part, and compares with the undisturbed one.
func TestDerived(t *testing.T) {
	files, _ := filepath.Glob(filepath.Join(capturetest.Corpus(t, "recorded/ws"), "*.pcap"))
	if len(files) < 50 {
		t.Fatalf("%d captures", len(files))
	}
	for i, file := range files {
		name := filepath.Base(file)
		if strings.HasPrefix(name, "x") {
			continue
		}
		segs := segments(t, file)
		if len(segs) > 3000 {
			segs = segs[:3000]
		}
		want := assemble(t, copied(segs), nil)
		r := rand.New(rand.NewPCG(uint64(i), 9))
		for _, kind := range []string{"reordered", "repeated", "resegmented", "wrapped", "all of it"} {
			disturbed := copied(segs)
			all := kind == "all of it"
			if all || kind == "repeated" {
				disturbed = repeated(r, disturbed)
			}
			if all || kind == "resegmented" {
				disturbed = resegmented(r, disturbed)
			}
			if all || kind == "wrapped" {
				disturbed = shifted(disturbed, want)
			}
			if all || kind == "reordered" {
				disturbed = reordered(r, disturbed, 24)
			}
			got := assemble(t, disturbed, nil)
			for c := range want {
				for d := range want[c] {
					what := fmt.Sprintf("%s %s, connection %d, direction %d", name, kind, c, d)
					same(t, what, got[c][d], want[c][d].bytes)
					if g, w := got[c][d].Stats(), want[c][d].Stats(); g.Missing != w.Missing || g.Conflicts > w.Conflicts || g.OutOfWindow > w.OutOfWindow {
						t.Errorf("%s: %+v, want %+v", what, g, w)
					}
				}
			}
		}
		lossy := copied(segs)
		kept := lossy[:0]
		for _, s := range lossy {
			if len(s.Payload) > 0 && r.IntN(6) == 0 {
				continue
			}
			kept = append(kept, s)
		}
		got := assemble(t, kept, nil)
		for c := range got {
			for d, s := range got[c] {
				isn, ok := s.ISN()
				if !ok || s.Stats().Late > 0 {
					continue
				}
				// What the segments that are left hold.
				captured := make([]bool, len(s.bytes))
				for _, k := range kept {
					if k.conn == c && k.dir == d && k.Flags&(stream.SYN|stream.RST) == 0 {
						for i := range k.Payload {
							captured[int(int32(k.Seq-isn-1))+i] = true
						}
					}
				}
				w := want[c][d].bytes
				for i, here := range s.here {
					if here != captured[i] || here && s.bytes[i] != w[i] {
						t.Fatalf("%s lossy, connection %d, direction %d: byte %d", name, c, d, i)
					}
				}
			}
		}
		if t.Failed() {
			return
		}
	}
}

func copied(segs []seg) []seg {
	out := make([]seg, len(segs))
	for i, s := range segs {
		s.Payload = bytes.Clone(s.Payload)
		out[i] = s
	}
	return out
}

// reordered moves segments by less than window places, but none before the
// first of its direction.
func reordered(r *rand.Rand, segs []seg, window int) []seg {
	type way struct{ conn, dir int }
	type place struct{ at, was int }
	first := map[way]int{}
	places := make([]place, len(segs))
	for i, s := range segs {
		at := i + r.IntN(window)
		w := way{s.conn, s.dir}
		if f, ok := first[w]; ok {
			at = max(at, f)
		} else {
			first[w] = at
		}
		places[i] = place{at, i}
	}
	slices.SortFunc(places, func(a, b place) int { return cmp.Or(cmp.Compare(a.at, b.at), cmp.Compare(a.was, b.was)) })
	out := make([]seg, len(segs))
	for i, p := range places {
		out[i] = segs[p.was]
	}
	return out
}

func repeated(r *rand.Rand, segs []seg) (out []seg) {
	for i, s := range segs {
		out = append(out, s)
		if r.IntN(3) == 0 {
			out = append(out, segs[r.IntN(i+1)])
		}
	}
	return out
}

// resegmented sends each payload in two overlapping halves instead.
func resegmented(r *rand.Rand, segs []seg) (out []seg) {
	for _, s := range segs {
		if n := len(s.Payload); n > 3 && s.Flags&(stream.SYN|stream.URG|stream.RST) == 0 && s.Wire == n {
			a, b := s, s
			k := r.IntN(n-2) + 1
			b.Seq += uint32(k)
			b.Payload = s.Payload[k:]
			b.Wire = n - k
			k = min(n-1, k+r.IntN(n-k))
			a.Payload = s.Payload[:k]
			a.Wire = k
			a.Flags &^= stream.FIN
			out = append(out, a)
			s = b
		}
		out = append(out, s)
	}
	return out
}

// shifted makes sequence numbers wrap in the middle of each direction.
func shifted(segs []seg, want [][2]*side) []seg {
	type way struct{ conn, dir int }
	by := map[way]uint32{}
	for _, s := range segs {
		w := way{s.conn, s.dir}
		if _, ok := by[w]; !ok {
			by[w] = -s.Seq - uint32(len(want[s.conn][s.dir].bytes)/2)
		}
	}
	for i := range segs {
		s := &segs[i]
		s.Seq += by[way{s.conn, s.dir}]
		if s.Flags&stream.ACK != 0 {
			s.ack += by[way{s.conn, 1 - s.dir}]
		}
	}
	return segs
}
