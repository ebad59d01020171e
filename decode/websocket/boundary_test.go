package websocket_test

import (
	"bytes"
	"cmp"
	"compress/flate"
	"encoding/binary"
	"encoding/hex"
	"flag"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"sort"
	"strings"
	"testing"

	"framescope/capture/pcapfile"
	"framescope/decode"
	"framescope/decode/frame"
	"framescope/decode/packet"
	"framescope/decode/websocket"
)

// The tests below lose bytes of sessions at random and compare what a Finder
// says with where the frames are. By default that takes seconds. The long run,
// hundreds of thousands of trials and a table by kind of session, is
//
//	go test ./decode/websocket -run Boundary -v -boundary 250 -seed 2 -timeout 2h
//
// Of a million trials a few may be wrong: sessions whose payload consists
// of frames, cut so that frames inside begin where packets do; and masking keys
// that never change, over content that looks like frames to another key.
var (
	times = flag.Int("boundary", 1, "how many times as many trials")
	seed  = flag.Uint64("seed", 1, "of the trials")
)

// A segment is a TCP segment of one direction of a session.
type segment struct {
	off  int64
	data []byte
}

// A session is one direction of a session, from the first frame on.
type session struct {
	kind     string
	judge    websocket.Boundary
	segments []segment
	frames   []int64 // where frames begin, and where the last one ends
	longest  int64
	picked   []string
}

// A writer makes a session.
type writer struct {
	rnd     *rand.Rand
	role    websocket.Role
	key     int // 0 random, 1 constant, 2 zero
	b       []byte
	frames  []int64
	writes  []int64 // where the sender's writes begin
	longest int64
	picked  []string // what the frames hold, where that is drawn
}

func (w *writer) frame(first byte, payload []byte) {
	w.frames = append(w.frames, int64(len(w.b)))
	w.longest = max(w.longest, int64(len(payload)))
	h := websocket.Header{Fin: first&0x80 != 0, RSV: first >> 4 & 7, Opcode: websocket.Opcode(first & 15), Length: int64(len(payload))}
	if w.role == websocket.Client {
		h.Masked = true
		switch w.key {
		case 0:
			binary.LittleEndian.PutUint32(h.Mask[:], w.rnd.Uint32())
		case 1:
			h.Mask = [4]byte{0x11, 0x22, 0x33, 0x44}
		}
	}
	w.b = websocket.AppendHeader(w.b, &h)
	n := len(w.b)
	w.b = append(w.b, payload...)
	if h.Masked {
		websocket.Unmask(w.b[n:], w.b[n:], h.Mask, 0)
	}
}

func (w *writer) write() { w.writes = append(w.writes, int64(len(w.b))) }

var words = strings.Fields("alpha bravo charlie delta echo foxtrot golf hotel india juliet kilo lima mike november")

func (w *writer) json(n int) []byte {
	b := fmt.Appendf(nil, `{"id":%d,"m":"`, w.rnd.IntN(100000))
	for len(b) < n-2 {
		b = fmt.Appendf(b, "%s%d ", words[w.rnd.IntN(len(words))], w.rnd.IntN(1000000))
	}
	b = append(b[:max(n-2, 0)], `"}`...)
	return b[:n]
}

func (w *writer) random(n int) []byte {
	b := make([]byte, n)
	for i := range b {
		b[i] = byte(w.rnd.Uint32())
	}
	return b
}

func (w *writer) pick(kinds ...string) string {
	k := kinds[w.rnd.IntN(len(kinds))]
	w.picked = append(w.picked, k)
	return k
}

// between returns a length, small ones more often than large ones.
func (w *writer) between(lo, hi int) int {
	n := lo + w.rnd.IntN(hi-lo+1)
	if w.rnd.IntN(2) == 0 {
		n = lo + w.rnd.IntN(max((n-lo)/4, 0)+1)
	}
	return n
}

// text returns about n bytes in one of several alphabets.
func (w *writer) text(n int, alphabet string) []byte {
	runes := []rune(alphabet)
	var b []byte
	for len(b) < n {
		b = append(b, string(runes[w.rnd.IntN(len(runes))])...)
	}
	return b
}

const (
	cyrillic = "абвгдежзийклмнопрстуфхцчшщъыьэюяАБВГДЕЖЗ      ,.  "
	chinese  = "的一是不了人我在有他这为之大来以个中上们到说国和地也子时道出而要于就下得可你年生自会那后能对着事其里所去行过家十用发天如然作方成者多日都三小军二无同么经法当起与好看学进种将还分此心前面又定见只主没公从"
)

// content returns payloads of other protocols and formats, of about n bytes.
func (w *writer) content(kind string, n int) []byte {
	rnd := w.rnd
	var b []byte
	switch kind {
	case "random":
		return w.random(n)
	case "zeros":
		return make([]byte, n)
	case "pattern":
		for p := w.random(1 + rnd.IntN(24)); len(b) < n; {
			b = append(b, p...)
		}
	case "ascii":
		return w.json(max(n, 20))
	case "cyrillic":
		return w.text(n, cyrillic)
	case "chinese":
		return w.text(n, chinese)
	case "utf16":
		for _, r := range string(w.text(n/2, cyrillic+words[3]+words[4])) {
			b = binary.BigEndian.AppendUint16(b, uint16(r))
		}
	case "int32":
		for len(b) < n {
			b = binary.LittleEndian.AppendUint32(b, uint32(rnd.IntN(300)))
		}
	case "int16":
		for len(b) < n {
			b = binary.BigEndian.AppendUint16(b, uint16(rnd.NormFloat64()*40))
		}
	case "float":
		for x := 1.0; len(b) < n; x += rnd.NormFloat64() {
			b = binary.LittleEndian.AppendUint64(b, uint64(x*float64(1<<40)))
		}
	case "length8":
		for len(b) < n {
			k := rnd.IntN(120)
			b = append(append(b, byte(k)), w.random(k)...)
		}
	case "length16":
		for len(b) < n {
			k := rnd.IntN(200)
			b = append(binary.BigEndian.AppendUint16(b, uint16(k)), w.json(max(k, 20))[:k]...)
		}
	case "length32":
		for len(b) < n {
			k := rnd.IntN(120)
			b = append(binary.BigEndian.AppendUint32(b, uint32(k)), w.random(k)...)
		}
	case "records":
		// Records of one length whose first bytes are constant.
		size := 4 + rnd.IntN(60)
		fixed := w.random(1 + rnd.IntN(4))
		if rnd.IntN(2) == 0 {
			fixed = append([]byte{[]byte{0x81, 0x82, 0x80, 0x89, 0x88, 0x01, 0xc1}[rnd.IntN(7)], byte(size - 2)}, fixed...)
		}
		for len(b) < n {
			r := w.random(size)
			copy(r, fixed)
			for i := range r {
				if rnd.IntN(3) == 0 {
					r[i] &= 3
				}
			}
			copy(r, fixed)
			b = append(b, r...)
		}
	case "protobuf":
		for len(b) < n {
			k := 5 + rnd.IntN(60)
			b = append(b, 0x0a, byte(k), 0x08, byte(rnd.IntN(128)), 0x12, byte(k-4))
			b = append(b, w.json(60)[:k-4]...)
		}
	case "tlv":
		// Names of a certificate: context tags 1 and 2 and their lengths.
		for len(b) < n {
			name := fmt.Sprintf("%s.%s%d.example.com", words[rnd.IntN(len(words))], words[rnd.IntN(len(words))], rnd.IntN(1000))
			b = append(append(b, 0x82, byte(len(name))), name...)
		}
	case "msgpack":
		for len(b) < n {
			b = append(b, 0x82, 0xa2, 'i', 'd', byte(rnd.IntN(128)), 0xa1, 'v', byte(0xa0+rnd.IntN(30)))
			b = append(b, w.json(40)[:int(b[len(b)-1]-0xa0)]...)
		}
	case "deflate":
		var z bytes.Buffer
		f, _ := flate.NewWriter(&z, 6)
		for z.Len() < n {
			f.Write(w.json(2000))
			f.Flush()
		}
		return z.Bytes()[:n]
	case "program":
		p, err := os.Executable()
		if err != nil {
			panic(err)
		}
		r, err := os.Open(p)
		if err != nil {
			panic(err)
		}
		defer r.Close()
		st, _ := r.Stat()
		b = make([]byte, n)
		r.ReadAt(b, rnd.Int64N(st.Size()-int64(n)))
	case "server frames", "client frames":
		v := writer{rnd: rnd, role: websocket.Server}
		if kind[0] == 'c' {
			v.role = websocket.Client
		}
		for len(v.b) < n {
			v.message(sessionKinds[rnd.IntN(10)])
		}
		return v.b
	default:
		panic(kind)
	}
	return b
}

var contents = []string{
	"random", "zeros", "pattern", "ascii", "cyrillic", "chinese", "utf16", "int32", "int16", "float", "length8", "length16", "length32",
	"records", "protobuf", "tlv", "msgpack", "deflate", "program", "server frames", "client frames",
}

var sessionKinds = []string{
	"json", "short text", "cyrillic", "chinese", "binary", "tiny", "constant size", "control", "structured", "length prefixed",
	"fragments", "mixed", "big", "deflate", "huge", "nested whole", "nested stream", "nested large",
}

// message writes one message, or some, of a kind of session.
func (w *writer) message(kind string) {
	rnd := w.rnd
	w.write()
	switch kind {
	case "json":
		w.frame(0x81, w.json(w.between(20, 1000)))
	case "short text":
		w.frame(0x81, w.json(w.between(2, 40)))
	case "cyrillic":
		w.frame(0x81, w.text(w.between(2, 800), cyrillic))
	case "chinese":
		w.frame(0x81, w.text(w.between(2, 800), chinese))
	case "binary":
		w.frame(0x82, w.random(w.between(1, 600)))
	case "tiny":
		w.frame([]byte{0x81, 0x82, 0x82, 0x89, 0x8a}[rnd.IntN(5)], w.json(20)[:rnd.IntN(5)])
	case "constant size":
		w.frame(0x82, w.random(160))
	case "control":
		switch rnd.IntN(4) {
		case 0:
			w.frame(0x89, w.random(rnd.IntN(10)))
			w.write()
			w.frame(0x8a, nil)
		default:
			w.frame(0x81, w.json(w.between(10, 200)))
		}
	case "structured":
		w.frame(0x82, w.content(w.pick("int32", "int16", "records", "protobuf", "msgpack", "float"), w.between(40, 3000)))
	case "length prefixed":
		w.frame(0x82, w.content(w.pick("length8", "length16", "length32", "zeros"), w.between(40, 3000)))
	case "fragments":
		n := 1 + rnd.IntN(12)
		first := []byte{1, 2}[rnd.IntN(2)]
		for i := range n {
			b := first
			if i > 0 {
				b = 0
			}
			if i == n-1 {
				b |= 0x80
			}
			if first == 1 {
				w.frame(b, w.json(w.between(2, 300)))
			} else {
				w.frame(b, w.random(w.between(1, 300)))
			}
			if rnd.IntN(4) == 0 {
				w.write()
			}
			if i < n-1 && rnd.IntN(10) == 0 {
				w.frame(0x89, nil)
			}
		}
	case "mixed":
		w.message(sessionKinds[rnd.IntN(11)])
	case "big":
		w.frame(0x82, w.content(w.pick(contents[:len(contents)-2]...), w.between(5000, 150000)))
	case "huge":
		w.frame(0x82, w.content(w.pick(contents[:len(contents)-2]...), w.between(100000, 600000)))
	case "nested whole":
		v := writer{rnd: rnd, role: websocket.Server}
		v.message(sessionKinds[rnd.IntN(8)])
		w.frame(0x82, v.b)
	case "nested stream":
		w.frame(0x82, w.content("server frames", w.between(300, 8000)))
	case "nested large":
		w.frame(0x82, w.content("server frames", w.between(5000, 20000)))
	default:
		panic(kind)
	}
}

// newSession returns a session of about size bytes.
func newSession(rnd *rand.Rand, kind string, size int) *session {
	w := &writer{rnd: rnd, role: websocket.Role(1 + rnd.IntN(2)), key: max(0, rnd.IntN(6)-3)}
	s := &session{kind: kind}
	comp := websocket.Plain
	if kind == "deflate" {
		comp = websocket.Deflated
		var z bytes.Buffer
		f, _ := flate.NewWriter(&z, 6)
		for len(w.b) < size {
			z.Reset()
			if rnd.IntN(3) == 0 {
				f.Reset(&z)
			}
			f.Write(w.json(w.between(20, 1500)))
			f.Flush()
			w.write()
			w.frame(0xc1, z.Bytes()[:z.Len()-4])
		}
	} else {
		for len(w.b) < size || len(w.frames) < 20 && kind != "huge" {
			w.message(kind)
		}
	}
	s.judge = websocket.Boundary{Role: w.role, Compression: comp, Longest: w.longest}
	if w.role == websocket.Client {
		s.kind += " (client)"
	}
	if rnd.IntN(2) == 0 {
		w.write()
		w.frame(0x88, []byte{3, 0xe8, 'b', 'y', 'e'})
	}
	// Writes become segments, or the stream is cut where it is full.
	mss := []int{1448, 1448, 1448, 150, 536, 16384, 1}[rnd.IntN(7)]
	if mss < 100 && len(w.b) > 20000 {
		mss = 1448
	}
	cut := func(from, to int) {
		for from < to {
			n := min(mss, to-from)
			s.segments = append(s.segments, segment{int64(from), w.b[from : from+n]})
			from += n
		}
	}
	switch rnd.IntN(3) {
	case 0:
		s.kind += ", in a stream"
		cut(0, len(w.b))
	default:
		// Some writes are sent together.
		from, together := 0, rnd.IntN(4)
		for _, at := range append(w.writes[1:], int64(len(w.b))) {
			if int(at) == len(w.b) || rnd.IntN(4) >= together {
				cut(from, int(at))
				from = int(at)
			}
		}
		s.kind += ", by writes"
	}
	s.frames = append(w.frames, int64(len(w.b)))
	s.longest, s.picked = w.longest, w.picked
	return s
}

// An outcome is what a trial came to.
type outcome struct {
	trials, none, found, first int
	late, fed                  int64 // frames and bytes, in all
	wrong                      int
}

// try loses the bytes of s before segment i and looks for a boundary.
func (s *session) try(t *testing.T, rnd *rand.Rand, judge websocket.Boundary, out *outcome) {
	i := rnd.IntN(len(s.segments))
	first := s.segments[i]
	start := true
	switch rnd.IntN(5) {
	case 0: // the loss ends inside a segment
		n := rnd.IntN(len(first.data))
		first.off += int64(n)
		first.data = first.data[n:]
		start = n == 0
	case 1: // nobody knows where segments begin
		start = false
	}
	// What is known of the session is what came before.
	k := sort.Search(len(s.frames), func(k int) bool { return s.frames[k] >= first.off })
	judge.Seen, judge.Longest = int64(max(k-1, 0)), 0
	for m := 1; m < k; m++ {
		judge.Longest = max(judge.Longest, s.frames[m]-s.frames[m-1])
	}
	var f websocket.Finder
	f.Judge = judge
	f.Reset(first.off)
	var verdict frame.Verdict
	end := first.off
	again := rnd.IntN(8) == 0 // more is lost
	var gaps [][2]int64
	for k, g := range append([]segment{first}, s.segments[i+1:]...) {
		if again && k > 0 && rnd.IntN(20) == 0 {
			f.Gap(int64(len(g.data)))
			gaps = append(gaps, [2]int64{g.off, g.off + int64(len(g.data))})
			end = g.off + int64(len(g.data))
			continue
		}
		f.Add(g.data, start, decode.Origin{Packet: int64(k)})
		start = true
		end = g.off + int64(len(g.data))
		if verdict = f.Find(false); verdict != frame.Searching {
			break
		}
	}
	if verdict == frame.Searching {
		verdict = f.Find(true)
	}
	out.trials++
	if verdict != frame.Found {
		if s.frames[k] == s.frames[len(s.frames)-1] {
			out.none++ // there was nothing to find
		}
		return
	}
	at, ok := slices.BinarySearch(s.frames, f.Offset())
	if !ok {
		out.wrong++
		if out.wrong <= 3 {
			holds := ""
			if len(s.picked) >= len(s.frames)-2 {
				holds = s.picked[min(max(at-1, 0), len(s.picked)-1)]
			}
			t.Errorf("%s %s: lost up to %d (%v), found %d after %d bytes; the next frames are at %d (longest %d, %d gaps)", s.kind, holds, first.off, start, f.Offset(), end-first.off,
				s.frames[k:min(k+5, len(s.frames))], s.longest, len(gaps))
		}
		return
	}
	out.found++
	if at == k {
		out.first++
	}
	out.late += int64(at - k)
	out.fed += end - s.frames[k]
	s.kept(t, &f, first.off)
}

// kept checks what the Finder has kept.
func (s *session) kept(t *testing.T, f *websocket.Finder, from int64) {
	t.Helper()
	next := f.Offset()
	for p := range f.Kept() {
		if p.Off != next || p.Lost > 0 == (len(p.Data) > 0) {
			t.Fatalf("%s: kept %+v, want offset %d", s.kind, p, next)
		}
		next += int64(len(p.Data)) + p.Lost
		k, _ := slices.BinarySearchFunc(s.segments, p.Off, func(g segment, off int64) int { return cmp.Compare(g.off+int64(len(g.data))-1, off) })
		if g := s.segments[k]; p.Lost == 0 && !bytes.HasPrefix(g.data[p.Off-g.off:], p.Data) {
			t.Fatalf("%s: other bytes at %d", s.kind, p.Off)
		}
	}
}

func report(t *testing.T, all map[string]*outcome) {
	var kinds []string
	var sum outcome
	for k, o := range all {
		kinds = append(kinds, k)
		sum.trials += o.trials
		sum.wrong += o.wrong
		sum.found += o.found
		sum.first += o.first
		sum.none += o.none
	}
	slices.Sort(kinds)
	t.Logf("%-38s %7s %6s %7s %7s %7s %9s", "", "trials", "wrong", "found", "first", "late", "bytes")
	for _, k := range kinds {
		o := all[k]
		n := max(o.trials-o.none, 1)
		t.Logf("%-38s %7d %6d %6.1f%% %6.1f%% %7.2f %9.0f", k, o.trials, o.wrong, 100*float64(o.found)/float64(n),
			100*float64(o.first)/float64(max(o.found, 1)), float64(o.late)/float64(max(o.found, 1)), float64(o.fed)/float64(max(o.found, 1)))
	}
	t.Logf("%d trials, %d wrong, %d found, %d of these at once", sum.trials, sum.wrong, sum.found, sum.first)
}

func TestBoundaryGenerated(t *testing.T) {
	rnd := rand.New(rand.NewPCG(*seed, 2))
	all := map[string]*outcome{}
	for range 10 * *times {
		for _, kind := range sessionKinds {
			s := newSession(rnd, kind, 1000<<rnd.IntN(9))
			o := all[s.kind]
			if o == nil {
				o = new(outcome)
				all[s.kind] = o
			}
			for range 10 {
				s.try(t, rnd, s.judge, o)
			}
		}
	}
	report(t, all)
}

// A direction is what one side of a TCP connection sent.
type direction struct {
	file     string
	from, to packet.Addr
	ports    [2]uint16
	segments []segment // in order, nothing twice; there may be gaps
	wire     []int64   // how long the segments were before the capture cut them
	syn      bool
	peer     *direction
}

// captures reads the captures below dir.
func captures(t *testing.T, dir string) (files []string) {
	t.Helper()
	filepath.WalkDir(dir, func(p string, e fs.DirEntry, err error) error {
		if err == nil && !e.IsDir() && (strings.Contains(p, ".pcap") || strings.HasSuffix(p, ".cap") || strings.HasSuffix(p, ".trace")) {
			files = append(files, p)
		}
		return nil
	})
	if len(files) == 0 {
		t.Skip("no captures in ", dir)
	}
	return files
}

// recorded returns the directions of a capture of the corpora.
func recorded(t *testing.T, name string) []*direction {
	t.Helper()
	file := filepath.Join(corpora, "recorded", name)
	if _, err := os.Stat(file); err != nil {
		t.Skip("no corpora: ", err)
	}
	return readDirections(t, file)
}

// readDirections returns nothing for a file that is no capture.
func readDirections(t *testing.T, file string) []*direction {
	t.Helper()
	r, err := pcapfile.Open(file, nil)
	if err != nil {
		return nil
	}
	defer r.Close()
	type key struct {
		from, to packet.Addr
		ports    [2]uint16
	}
	byKey := map[key]*direction{}
	var list []*direction
	next := map[*direction]uint32{}
	var ps packet.Parser
	var batch pcapfile.Batch
	for {
		err := r.Read(&batch)
		for _, c := range batch.Packets {
			var p packet.Packet
			if ps.Parse(c.Link, c.Data, c.Wire, c.Time, &p) != packet.OK || p.Proto != packet.ProtoTCP {
				continue
			}
			k := key{p.Src, p.Dst, [2]uint16{p.SrcPort, p.DstPort}}
			d := byKey[k]
			if d == nil || p.Flags&2 != 0 && len(d.segments) > 0 {
				d = &direction{file: file, from: p.Src, to: p.Dst, ports: k.ports}
				byKey[k] = d
				list = append(list, d)
				next[d] = p.Seq
				if o := byKey[key{p.Dst, p.Src, [2]uint16{p.DstPort, p.SrcPort}}]; o != nil {
					d.peer, o.peer = o, d
				}
			}
			if p.Flags&2 != 0 {
				next[d] = p.Seq + 1
				d.syn = true
				continue
			}
			if p.Wire == 0 {
				continue
			}
			// Offsets are relative to the first byte, or to the SYN.
			off := int64(int32(p.Seq - next[d]))
			if n := len(d.segments); n > 0 {
				last := d.segments[n-1].off
				off = last + int64(int32(p.Seq-next[d]-uint32(last)))
			}
			d.segments = append(d.segments, segment{off, bytes.Clone(p.Payload())})
			d.wire = append(d.wire, int64(p.Wire))
		}
		if err != nil {
			break
		}
	}
	for _, d := range list {
		d.order()
	}
	return list
}

// order sorts the segments and drops what came twice.
func (d *direction) order() {
	idx := make([]int, len(d.segments))
	for i := range idx {
		idx[i] = i
	}
	slices.SortStableFunc(idx, func(a, b int) int { return cmp.Compare(d.segments[a].off, d.segments[b].off) })
	var out []segment
	var wire []int64
	end := int64(-1 << 62)
	for _, i := range idx {
		s := d.segments[i]
		if n := end - s.off; n > 0 {
			if n >= int64(len(s.data)) {
				continue
			}
			s.data = s.data[n:]
			s.off += n
		}
		if len(s.data) == 0 {
			continue
		}
		end = s.off + int64(len(s.data))
		out = append(out, s)
		wire = append(wire, d.wire[i])
	}
	d.segments, d.wire = out, wire
}

// session returns the WebSocket frames behind the handshake of d. It returns nil
// if there is none, or if bytes are missing.
func (d *direction) session() *session {
	if len(d.segments) == 0 || d.peer == nil || len(d.peer.segments) == 0 {
		return nil
	}
	var b []byte
	end := d.segments[0].off
	for _, g := range d.segments {
		if g.off != end {
			return nil
		}
		b = append(b, g.data...)
		end += int64(len(g.data))
	}
	server := bytes.HasPrefix(b, []byte("HTTP/1.1 101"))
	if !server && !(bytes.HasPrefix(b, []byte("GET ")) && bytes.HasPrefix(d.peer.segments[0].data, []byte("HTTP/1.1 101"))) {
		return nil
	}
	head := bytes.Index(b, []byte("\r\n\r\n")) + 4
	if head < 4 || head == len(b) {
		return nil
	}
	answer := b[:head]
	s := &session{kind: filepath.Base(d.file), judge: websocket.Boundary{Role: websocket.Server}}
	if !server {
		s.judge.Role = websocket.Client
		answer = d.peer.segments[0].data
	}
	if bytes.Contains(answer, []byte("permessage-deflate")) {
		s.judge.Compression = websocket.Deflated
	}
	var dec frame.Decoder[websocket.Header, websocket.Format]
	base := d.segments[0].off
	dec.Resume(base + int64(head))
	for c, err := range dec.Decode(b[head:]) {
		if err != nil {
			return nil
		}
		if c.First {
			s.frames = append(s.frames, c.HeaderOff)
		}
	}
	s.frames = append(s.frames, end)
	for _, g := range d.segments {
		if g.off >= base+int64(head) {
			s.segments = append(s.segments, g)
		}
	}
	if len(s.segments) == 0 {
		return nil
	}
	return s
}

const corpora = "../../../shared/corpora"

func TestBoundaryFollow(t *testing.T) {
	client := websocket.Boundary{Role: websocket.Client}
	server := websocket.Boundary{Role: websocket.Server}
	deflate := websocket.Boundary{Role: websocket.Server, Compression: websocket.Deflated}
	unknown := websocket.Boundary{Compression: websocket.Perhaps}
	for _, e := range []struct {
		name   string
		judge  websocket.Boundary
		frames string // pairs of bytes: first byte and length, or the MASK bit and length
		ok     bool   // the last one may be there
	}{
		{"text", server, "81 05", true},
		{"masked text", client, "81 85", true},
		{"masked text of a server", server, "81 85", false},
		{"text of a client", client, "81 05", false},
		{"either, but one", unknown, "81 05 81 85", false},
		{"compressed", deflate, "c1 05", true},
		{"compressed without extension", server, "c1 05", false},
		{"perhaps compressed", unknown, "c2 85 82 85", true},
		{"compressed ping", deflate, "c9 05", false},
		{"reserved bits", deflate, "a1 05", false},
		{"reserved opcode", server, "83 05", false},
		{"reserved control opcode", server, "8b 00", false},
		{"fragmented ping", server, "09 00", false},
		{"fragments", server, "01 05 00 05 89 00 80 05 82 05", true},
		{"text in a message", server, "01 05 81 05", false},
		{"continuation of nothing", server, "81 05 80 05", false},
		{"continuation of what was lost", server, "80 05", true},
		{"ping, continuation of what was lost", server, "89 00 80 05", true},
		{"two ends", server, "80 05 80 05", false},
		{"close, pong", server, "88 02 8a 00", true},
		{"text behind close", server, "88 02 81 05", false},
		{"close behind close", server, "88 02 88 02", false},
	} {
		var s frame.State
		ok := true
		for b := unhex(t, e.frames); len(b) > 0; b = b[2:] {
			if !ok {
				t.Errorf("%s: refused before the last frame", e.name)
			}
			var h websocket.Header
			if _, _, err := e.judge.Header(append(b[:2:2], 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12), &h); err != nil {
				t.Fatal(err)
			}
			var w frame.Weight
			s, w, ok = e.judge.Follow(s, &h)
			ok = ok && e.judge.First(b[0])
			if ok && (s == 0 || w.Chance <= 0 || w.Class > 63) {
				t.Errorf("%s: state %d, %+v", e.name, s, w)
			}
		}
		if ok != e.ok {
			t.Errorf("%s: %v", e.name, ok)
		}
	}
	for _, e := range []struct {
		header string
		ok     bool
	}{
		{"81 7e 00 7e", true}, {"81 7e 00 7d", false}, {"81 7f 00 00 00 00 00 01 00 00", true}, {"81 7f 00 00 00 00 00 00 ff ff", false},
		{"81 7f 00 01 00 00 00 00 00 00", false}, {"89 7d", true}, {"89 7e 00 7e", false},
	} {
		var h websocket.Header
		if _, _, err := server.Header(unhex(t, e.header), &h); err != nil {
			t.Fatal(err)
		}
		if _, _, ok := server.Follow(0, &h); ok != e.ok {
			t.Errorf("%s: %v", e.header, ok)
		}
	}
}

func unhex(t *testing.T, s string) []byte {
	t.Helper()
	b, err := hex.DecodeString(strings.ReplaceAll(s, " ", ""))
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// TestBoundaryRecorded loses bytes of recorded sessions.
func TestBoundaryRecorded(t *testing.T) {
	rnd := rand.New(rand.NewPCG(*seed, 4))
	all := map[string]*outcome{}
	sessions := 0
	for _, dir := range []string{"recorded/ws", "recorded/oddities", "zeek", "arkime", "suricata-verify", "nDPI", "scapy"} {
		for _, file := range captures(t, filepath.Join(corpora, dir)) {
			o := new(outcome)
			for _, d := range readDirections(t, file) {
				s := d.session()
				if s == nil {
					continue
				}
				sessions++
				for range max(1, min(len(s.segments), 10)**times) {
					s.try(t, rnd, s.judge, o)
				}
			}
			if o.trials > 0 {
				all[filepath.Base(file)] = o
			}
		}
	}
	report(t, all)
	if sessions < 100 {
		t.Errorf("only %d sessions", sessions)
	}
}

// find feeds d to a Finder from segment i on, until it is done.
func (d *direction) find(judge websocket.Boundary, i int) (*websocket.Finder, frame.Verdict, int) {
	f := &websocket.Finder{Judge: judge}
	next := d.segments[i].off
	f.Reset(next)
	for k, g := range d.segments[i:] {
		if g.off > next {
			f.Gap(g.off - next)
		}
		f.Add(g.data, true, decode.Origin{Packet: int64(k)})
		next = g.off + int64(len(g.data))
		if v := f.Find(false); v != frame.Searching {
			return f, v, k
		}
	}
	return f, f.Find(true), len(d.segments) - i
}

// TestBoundaryLost has the recordings with lost segments: where decoding goes
// on is known.
func TestBoundaryLost(t *testing.T) {
	for _, e := range []struct {
		file   string
		port   uint16 // of the sender
		judge  websocket.Boundary
		offset int64 // in bytes from the first behind the SYN
	}{
		// Frames of 211 bytes in segments of 150: the next begins within one.
		{"oddities/36_lost_segment.pcap", 50000, websocket.Boundary{Role: websocket.Client}, 790},
		// Segments that begin with a frame: the next one does.
		{"oddities/37_lost_aligned.pcap", 50000, websocket.Boundary{Role: websocket.Client}, 1001},
		{"ws/x04_capture_gap.pcap", 21004, websocket.Boundary{Role: websocket.Server, Compression: websocket.Deflated}, 358},
	} {
		for _, d := range recorded(t, e.file) {
			if d.ports[0] != e.port {
				continue
			}
			i := 0
			for k := 1; k < len(d.segments); k++ {
				if d.segments[k].off > d.segments[k-1].off+int64(len(d.segments[k-1].data)) {
					i = k
				}
			}
			if i == 0 {
				t.Fatalf("%s: nothing is lost", e.file)
			}
			f, v, k := d.find(e.judge, i)
			if v != frame.Found || f.Offset() != e.offset {
				t.Errorf("%s: verdict %d, offset %d, want %d", e.file, v, f.Offset(), e.offset)
			}
			t.Logf("%s: found after %d segments", e.file, k)
		}
	}
}

// TestBoundarySnaplen has a recording whose packets are cut: each long one is
// followed by a gap. Its frames begin segments.
func TestBoundarySnaplen(t *testing.T) {
	found := 0
	for _, d := range recorded(t, "ws/x05_snaplen96.pcap") {
		judge := websocket.Boundary{Role: websocket.Client, Compression: websocket.Deflated}
		if d.ports[0] < d.ports[1] {
			judge.Role = websocket.Server
		}
		for i := 1; i < len(d.segments); i++ {
			f, v, _ := d.find(judge, i)
			if v != frame.Found {
				continue
			}
			found++
			if !slices.ContainsFunc(d.segments, func(g segment) bool { return g.off == f.Offset() }) {
				t.Errorf("from %d: found %d", d.segments[i].off, f.Offset())
			}
		}
	}
	t.Logf("found %d times", found)
	if found < 5 {
		t.Errorf("found only %d times", found)
	}
}

// TestBoundaryMidstream has the recordings that begin in the middle of a
// session.
func TestBoundaryMidstream(t *testing.T) {
	for _, file := range []string{"40_midstream.pcap", "41_midstream_8080.pcap"} {
		ds := recorded(t, "oddities/"+file)
		if len(ds) != 2 {
			t.Fatalf("%s: %d directions", file, len(ds))
		}
		unknown := websocket.Boundary{Compression: websocket.Perhaps, Unknown: true}
		for _, d := range ds {
			judge := unknown
			if d.ports[0] != 50000 {
				// The server says less: it need not mask.
				judge.Convinced = true
				judge.Role = websocket.Server
			}
			f, v, k := d.find(judge, 0)
			if v != frame.Found || f.Offset() != 0 || f.Skipped() != 0 {
				t.Errorf("%s, from port %d: verdict %d, offset %d, %d skipped", file, d.ports[0], v, f.Offset(), f.Skipped())
			}
			t.Logf("%s, from port %d: found after %d segments", file, d.ports[0], k)
		}
	}
}

// A claims counts what became of streams that are not WebSocket.
type claims struct{ streams, bytes, unknown, convinced int }

func (c *claims) try(t *testing.T, name string, d *direction, i int) {
	c.streams++
	for _, convinced := range []bool{false, true} {
		f, v, k := d.find(websocket.Boundary{Compression: websocket.Perhaps, Unknown: true, Convinced: convinced}, i)
		if v != frame.Found {
			continue
		}
		if convinced {
			c.convinced++
		} else {
			c.unknown++
			t.Errorf("%s: claimed at %d of %d after %d segments: % x", name, f.Offset(), d.segments[i].off, k, first(f, 64))
		}
	}
	for _, g := range d.segments[i:] {
		c.bytes += len(g.data)
	}
}

func first(f *websocket.Finder, n int) (b []byte) {
	for p := range f.Kept() {
		b = append(b, p.Data...)
	}
	return b[:min(n, len(b))]
}

// TestBoundaryForeign shows streams of other protocols to a Finder that knows
// nothing about them.
func TestBoundaryForeign(t *testing.T) {
	rnd := rand.New(rand.NewPCG(*seed, 6))
	var c claims
	for _, file := range captures(t, corpora) {
		for _, d := range readDirections(t, file) {
			ws := false
			for _, x := range []*direction{d, d.peer} {
				for k := 0; x != nil && k < len(x.segments); k++ {
					ws = ws || bytes.Contains(bytes.ToLower(x.segments[k].data), []byte("websocket"))
				}
			}
			if ws || len(d.segments) == 0 || strings.Contains(file, "recorded/mptcp") || strings.Contains(file, "midstream") || strings.Contains(file, "x05_") {
				continue
			}
			c.try(t, file, d, 0)
			for range min(len(d.segments)/2, 3**times) {
				c.try(t, file, d, rnd.IntN(len(d.segments)))
			}
		}
	}
	t.Logf("captures: %+v", c)
	if c.streams < 1000 {
		t.Errorf("only %d streams", c.streams)
	}
}

// TestBoundaryContent does the same with bytes of many kinds, cut into segments
// in several ways.
func TestBoundaryContent(t *testing.T) {
	rnd := rand.New(rand.NewPCG(*seed, 8))
	w := writer{rnd: rnd}
	for _, kind := range contents[:len(contents)-2] {
		var c claims
		for range 20 * *times {
			d := new(direction)
			off := int64(0)
			size := 1000 << rnd.IntN(6)
			mss := []int{1448, 1448, 536, 100, 1 << 14, 40, 1}[rnd.IntN(7)]
			for off < int64(size) {
				b := w.content(kind, 20+rnd.IntN(3000))
				for len(b) > 0 {
					n := min(len(b), mss)
					d.segments = append(d.segments, segment{off, b[:n]})
					off += int64(n)
					b = b[n:]
				}
			}
			c.try(t, kind, d, rnd.IntN(len(d.segments)))
		}
		t.Logf("%s: %+v", kind, c)
	}
}

// A protocol makes messages of a protocol with short binary headers.
var protocols = map[string]func(w *writer, i int) []byte{
	"mqtt subscribe": func(w *writer, i int) []byte {
		topic := w.json(10 + w.rnd.IntN(40))
		b := []byte{0x82, byte(5 + len(topic)), byte(i >> 8), byte(i), 0, byte(len(topic))}
		return append(append(b, topic...), 1)
	},
	"dns": func(w *writer, i int) []byte {
		b := w.random(20 + w.rnd.IntN(80))
		copy(b[2:], "\x81\x80\x00\x01\x00\x01\x00\x00\x00\x00")
		return append(binary.BigEndian.AppendUint16(nil, uint16(len(b))), b...)
	},
	"cql": func(w *writer, i int) []byte {
		b := w.json(8 + w.rnd.IntN(100))
		h := []byte{byte(0x81 + i&1), 0, byte(i), 8, 0, 0, 0, byte(len(b))}
		return append(h, b...)
	},
	"thrift": func(w *writer, i int) []byte {
		b := append([]byte("\x80\x01\x00\x01\x00\x00\x00\x04ping\x00\x00"), byte(i>>8), byte(i))
		return append(b, w.random(w.rnd.IntN(60))...)
	},
	"cbor": func(w *writer, i int) []byte {
		return append([]byte{0x82, byte(w.rnd.IntN(24)), 0x78, 30}, w.json(30)...)
	},
	"kafka": func(w *writer, i int) []byte {
		b := w.random(10 + w.rnd.IntN(100))
		copy(b, "\x00\x01\x00\x02\x00\x00")
		return append(binary.BigEndian.AppendUint32(nil, uint32(len(b))), b...)
	},
	"tag and length": func(w *writer, i int) []byte {
		b := w.random(10 + w.rnd.IntN(100))
		return append([]byte{0x82, byte(len(b))}, b...)
	},
	"modbus": func(w *writer, i int) []byte {
		return append([]byte{byte(i >> 8), byte(i), 0, 0, 0, 6, 1, 3}, w.random(4)...)
	},
	"http2": func(w *writer, i int) []byte {
		b := w.random(w.rnd.IntN(300))
		return append([]byte{0, byte(len(b) >> 8), byte(len(b)), byte(w.rnd.IntN(10)), byte(w.rnd.IntN(6)), 0, 0, 0, byte(i | 1)}, b...)
	},
	"tls": func(w *writer, i int) []byte {
		b := w.random(30 + w.rnd.IntN(1000))
		return append([]byte{0x17, 3, 3, byte(len(b) >> 8), byte(len(b))}, b...)
	},
}

// TestBoundaryProtocols sends one message in each segment.
func TestBoundaryProtocols(t *testing.T) {
	rnd := rand.New(rand.NewPCG(*seed, 12))
	w := writer{rnd: rnd}
	for name, message := range protocols {
		var c claims
		for range 10 * *times {
			d := new(direction)
			off := int64(0)
			for i := range 10 + rnd.IntN(400) {
				b := message(&w, i)
				d.segments = append(d.segments, segment{off, b})
				off += int64(len(b))
			}
			c.try(t, name, d, rnd.IntN(len(d.segments)))
		}
		t.Logf("%s: %+v", name, c)
	}
}

// TestBoundaryFiles does the same with what is in files: programs, texts,
// archives, pictures.
func TestBoundaryFiles(t *testing.T) {
	rnd := rand.New(rand.NewPCG(*seed, 10))
	var files []string
	for _, dir := range []string{"/usr/local/go", "/usr/bin", "/usr/lib", "/usr/share"} {
		filepath.WalkDir(dir, func(p string, e fs.DirEntry, err error) error {
			if err == nil && e.Type().IsRegular() {
				files = append(files, p)
			}
			return nil
		})
	}
	if len(files) < 100 {
		t.Skip("too few files")
	}
	var c claims
	buf := make([]byte, 40000)
	for range 500 * *times {
		name := files[rnd.IntN(len(files))]
		f, err := os.Open(name)
		if err != nil {
			continue
		}
		st, err := f.Stat()
		if err != nil {
			t.Fatal(err)
		}
		n, _ := f.ReadAt(buf, rnd.Int64N(st.Size()+1))
		f.Close()
		if n == 0 {
			continue
		}
		d := new(direction)
		mss := []int{1448, 1448, 100, 1 << 14}[rnd.IntN(4)]
		for i := 0; i < n; i += mss {
			d.segments = append(d.segments, segment{int64(i), bytes.Clone(buf[i:min(i+mss, n)])})
		}
		c.try(t, name, d, 0)
	}
	t.Logf("%d files: %+v", len(files), c)
}

// BenchmarkFinder measures what a stream costs in which nothing is found.
func BenchmarkFinder(b *testing.B) {
	w := writer{rnd: rand.New(rand.NewPCG(*seed, 14))}
	const size = 1 << 20
	inputs := map[string][]byte{
		"random": w.random(size), "zeros": make([]byte, size), "ascii": w.content("ascii", size), "program": w.content("program", size),
		"cyrillic": w.content("cyrillic", size), "length32": w.content("length32", size),
		"all empty": bytes.Repeat([]byte{0x89, 0}, size/2), "all 1": bytes.Repeat([]byte{0x81}, size), "masked 7e": bytes.Repeat([]byte{0x81, 0xfe}, size/2),
		"all 2": bytes.Repeat([]byte{0x02}, size), "close": bytes.Repeat([]byte{0x82, 0x7d}, size/2),
	}
	hostile := make([]byte, size)
	for i := range hostile {
		hostile[i] = []byte{0x81, 0x82, 0x01, 0x02, 0x89, 0x8a, 0x88, 0x80}[w.rnd.IntN(8)]
	}
	inputs["hostile"] = hostile
	for name, in := range inputs {
		b.Run(name, func(b *testing.B) {
			b.SetBytes(size)
			b.ReportAllocs()
			f := websocket.Finder{Judge: websocket.Boundary{Compression: websocket.Perhaps}}
			for b.Loop() {
				f.Reset(0)
				for i := 0; i < size; i += 1448 {
					f.Add(in[i:min(i+1448, size)], true, decode.Origin{})
					if f.Find(false) == frame.Found {
						b.Fatal("found ", f.Offset())
					}
				}
			}
		})
	}
}

// FuzzBoundary: no bytes make a Finder fail, and it keeps no more than it may.
func FuzzBoundary(f *testing.F) {
	rnd := rand.New(rand.NewPCG(*seed, 16))
	for _, kind := range []string{"json", "fragments", "tiny", "control", "nested whole"} {
		s := newSession(rnd, kind, 500)
		for _, g := range s.segments[:min(len(s.segments), 3)] {
			f.Add(g.data, uint8(rnd.Uint32()), uint16(100), uint16(5))
		}
	}
	f.Fuzz(func(t *testing.T, b []byte, flags uint8, size, gap uint16) {
		d := websocket.Finder{Limit: 2000, Judge: websocket.Boundary{
			Role: websocket.Role(flags % 3), Compression: websocket.Compression(flags / 3 % 4), Unknown: flags&64 != 0, Convinced: flags&128 != 0}}
		for round := range 3 {
			d.Reset(int64(round))
			for in := b; len(in) > 0; {
				n := min(len(in), 1+int(size%3000))
				d.Add(in[:n], true, decode.Origin{})
				in = in[n:]
				if len(in)%7 == 0 {
					d.Gap(int64(gap))
				}
				if d.Find(false) != frame.Searching {
					break
				}
			}
			kept := 0
			for p := range d.Kept() {
				kept += len(p.Data)
			}
			if kept > d.Limit {
				t.Fatalf("%d bytes are kept", kept)
			}
			if d.Find(true) == frame.Found {
				var dec frame.Decoder[websocket.Header, websocket.Format]
				dec.Resume(d.Offset())
				for p := range d.Kept() {
					if p.Lost == 0 && p.Off == d.Offset() {
						if c, _, err := dec.Next(p.Data); c != nil && c.HeaderOff != d.Offset() || err != nil {
							t.Fatalf("no frame at %d: %v", d.Offset(), err)
						}
					}
				}
			}
		}
	})
}
