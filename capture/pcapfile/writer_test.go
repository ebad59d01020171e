package pcapfile_test

import (
	"bytes"
	"encoding/binary"
	"errors"
	"io"
	"math"
	"reflect"
	"strings"
	"testing"
	"time"

	"framescope/capture/pcapfile"
)

// writes keeps what it is given, and where each write ends. It fails when it
// has got most bytes, unless that is less than zero.
type writes struct {
	bytes.Buffer
	ends []int
	most int
	err  error
}

func (w *writes) Write(b []byte) (int, error) {
	if w.most >= 0 && w.Len()+len(b) > w.most {
		n, _ := w.Buffer.Write(b[:w.most-w.Len()])
		w.ends = append(w.ends, w.Len())
		return n, w.err
	}
	n, _ := w.Buffer.Write(b)
	w.ends = append(w.ends, w.Len())
	return n, nil
}

// decode reads b, which must be whole.
func decode(t testing.TB, b []byte) result {
	t.Helper()
	r, err := pcapfile.NewReader(bytes.NewReader(b), "written", &pcapfile.Config{MaxPacket: 1 << 30, MaxText: 1 << 30, MaxSecrets: 1 << 30})
	got := drain(t, r, err)
	if got.err != nil {
		t.Fatal(got.err)
	}
	return got
}

// samePackets reports how got differs from want but for Number and Off.
func samePackets(t testing.TB, got, want []pcapfile.Packet) {
	t.Helper()
	if len(got) != len(want) {
		t.Errorf("%d packets, want %d", len(got), len(want))
		return
	}
	for i, g := range got {
		w := want[i]
		if !bytes.Equal(g.Data, w.Data) || g.Time != w.Time || g.Wire != w.Wire || g.Link != w.Link || g.Interface != w.Interface || g.Number != int64(i+1) {
			t.Errorf("packet %d:\n%+v, want\n%+v", i+1, g, w)
			return
		}
	}
}

// filled returns n bytes.
func filled(n int) []byte {
	b := make([]byte, n)
	for i := range b {
		b[i] = byte(i*7 + n)
	}
	return b
}

// Every byte of a small file is as the format wants it.
func TestWriterBytes(t *testing.T) {
	var out bytes.Buffer
	w := pcapfile.NewWriter(&out, &pcapfile.WriterConfig{Application: "a program", Hardware: "a machine", OS: "an OS", Comment: "about it"})
	at := time.Unix(0, 0x1_2345_6789_0000)
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Error(err)
		}
	}
	n, err := w.AddInterface(&pcapfile.Interface{Name: "eth0", Description: "the wire", Hardware: "a card", OS: "Linux", Filter: "tcp",
		Link: 1, SnapLen: 96, Speed: 1e9, FCS: 4, Resolution: 6, Offset: 99})
	if n != 0 {
		t.Errorf("interface %d", n)
	}
	must(err)
	n, err = w.AddInterface(&pcapfile.Interface{Link: 276, FCS: -1})
	if n != 1 {
		t.Errorf("interface %d", n)
	}
	must(err)
	must(w.Packet(&pcapfile.Packet{Data: []byte("hello"), Time: 0x1_0000_0002, Wire: 100, Interface: 1}))
	must(w.Annotated(&pcapfile.Packet{Data: []byte("four"), Time: 3, Wire: 4}, &pcapfile.Annotation{Flags: pcapfile.FlagOutbound, Comment: "what"}))
	must(w.Annotated(&pcapfile.Packet{}, &pcapfile.Annotation{}))
	must(w.Secrets(pcapfile.SecretTLS, []byte("KEY")))
	must(w.Statistics(0, 7, 2, at, at.Add(1)))
	must(w.Statistics(1, -1, -1, time.Time{}, time.Time{}))
	if out.Len() != 0 || w.Offset() != 0 {
		t.Errorf("%d bytes were written before Flush", out.Len())
	}
	buffered := w.Buffered()
	must(w.Flush())
	o := little
	want := cat(
		o.section(o.option(2, "a machine"), o.option(3, "an OS"), o.option(4, "a program"), o.option(1, "about it"), o.option(0, "")),
		o.iface(1, 96, o.option(2, "eth0"), o.option(3, "the wire"), o.option(8, string(o.u64(1e9))), o.option(9, "\x09"),
			o.option(11, "\x00tcp"), o.option(12, "Linux"), o.option(13, "\x04"), o.option(15, "a card"), o.option(0, "")),
		o.iface(276, 0, o.option(9, "\x09"), o.option(0, "")),
		o.block(6, o.u32(1, 1, 2, 5, 100), []byte("hello")),
		o.packet(0, 3, "four", o.option(2, "\x02\x00\x00\x00"), o.option(1, "what"), o.option(0, "")),
		o.packet(0, 0, ""),
		o.block(10, o.u32(pcapfile.SecretTLS, 3), []byte("KEY")),
		o.block(5, o.u32(0, 0x12345, 0x67890001), o.option(2, string(o.u32(0x12345, 0x67890000))), o.option(3, string(o.u32(0x12345, 0x67890001))),
			o.option(4, string(o.u64(7))), o.option(5, string(o.u64(2))), o.option(0, "")),
		o.block(5, o.u32(1, 0, 0)),
	)
	if !bytes.Equal(out.Bytes(), want) {
		t.Errorf("%q\nwant\n%q", out.Bytes(), want)
	}
	if w.Offset() != int64(len(want)) || w.Buffered() != 0 || buffered != len(want) {
		t.Errorf("offset %d, buffered %d, before that %d, want %d, 0, %[4]d", w.Offset(), w.Buffered(), buffered, len(want))
	}
}

// What is said of sections and interfaces comes back, cut where an option ends.
func TestWriterMetadata(t *testing.T) {
	long := strings.Repeat("x", math.MaxUint16-1) + "\u00e9 and more"
	for _, buffer := range []int{4096, 0} {
		var out bytes.Buffer
		w := pcapfile.NewWriter(&out, &pcapfile.WriterConfig{Comment: long, OS: "an OS", BufferBytes: buffer})
		if _, err := w.AddInterface(&pcapfile.Interface{Name: "any", Filter: strings.Repeat("or ", 30000), FCS: 0, Link: 113}); err != nil {
			t.Fatal(err)
		}
		p := pcapfile.Packet{Data: []byte("x"), Wire: 1, Link: 113}
		if err := w.Annotated(&p, &pcapfile.Annotation{Comment: long}); err != nil {
			t.Fatal(err)
		}
		if err := w.Secrets(1, filled(1<<20)); err != nil {
			t.Fatal(err)
		}
		if err := w.Secrets(1, make([]byte, 1<<20+1)); err == nil {
			t.Error("secrets that nobody reads are written")
		}
		if err := w.Statistics(0, 1<<40, 0, time.Time{}, time.Unix(1, 0)); err != nil {
			t.Fatal(err)
		}
		if err := w.Flush(); err != nil {
			t.Fatal(err)
		}
		got := decode(t, out.Bytes())
		samePackets(t, got.packets, []pcapfile.Packet{p})
		cut := long[:math.MaxUint16-1]
		want := result{
			packets:    got.packets,
			sections:   []pcapfile.Section{{OS: "an OS"}},
			interfaces: []pcapfile.Interface{{Name: "any", Filter: strings.Repeat("or ", 30000)[:math.MaxUint16-1], Link: 113, Resolution: 9, Received: 1 << 40, SystemDropped: -1}},
			comments:   []pcapfile.Comment{{Text: cut}, {Packet: 1, Text: cut}},
			secrets:    []pcapfile.Secret{{Type: 1, Data: filled(1 << 20)}},
		}
		if !reflect.DeepEqual(got, want) {
			t.Errorf("buffer %d: what comes back differs", buffer)
		}
	}
}

// Writes are whole blocks. They end at multiples of the size of the buffer,
// but for packets for which that would be a waste.
func TestWriterBlocks(t *testing.T) {
	const buffer = 64 << 10
	for _, c := range []struct {
		size    int
		aligned bool
	}{{0, true}, {1, true}, {60, true}, {1514, true}, {9000, true}, {65549, false}, {400_000, false}} {
		w := writes{most: -1}
		nw := pcapfile.NewWriter(&w, &pcapfile.WriterConfig{BufferBytes: buffer, MaxPacket: 1 << 20})
		if _, err := nw.AddInterface(&pcapfile.Interface{Link: 1}); err != nil {
			t.Fatal(err)
		}
		p := pcapfile.Packet{Data: filled(c.size), Wire: uint32(c.size), Link: 1}
		want := make([]pcapfile.Packet, 0, 20000)
		for len(want) < cap(want) && w.Len() < 8<<20 {
			want = append(want, p)
			if err := nw.Packet(&p); err != nil {
				t.Fatal(err)
			}
			if len(want) == 777 {
				if err := nw.Flush(); err != nil { // alignment must recover
					t.Fatal(err)
				}
			}
		}
		if nw.Buffered() > 4*buffer {
			t.Errorf("packets of %d: %d bytes in the buffer", c.size, nw.Buffered())
		}
		if err := nw.Flush(); err != nil {
			t.Fatal(err)
		}
		samePackets(t, decode(t, w.Bytes()).packets, want)
		blocks := map[int]bool{}
		for pos := 0; pos < w.Len(); {
			pos += int(binary.LittleEndian.Uint32(w.Bytes()[pos+4:]))
			blocks[pos] = true
		}
		odd, split := 0, 0
		for _, end := range w.ends {
			if end%buffer != 0 {
				odd++
			}
			if !blocks[end] {
				split++
			}
		}
		if c.aligned && odd > 2 {
			t.Errorf("packets of %d: %d of %d writes end somewhere", c.size, odd, len(w.ends))
		}
		if split > 0 && c.size < 4*buffer {
			t.Errorf("packets of %d: %d of %d writes end in the midst of a block", c.size, split, len(w.ends))
		}
		net := len(want) * (32 + (c.size+3)&^3)
		if waste := float64(w.Len()-net) / float64(w.Len()); waste > 0.07 {
			t.Errorf("packets of %d: %.1f %% of the file is padding", c.size, 100*waste)
		}
	}
}

// Packets that cannot be written are refused, and those before them are
// written; longer ones than tools read are cut.
func TestWriterRefuses(t *testing.T) {
	var out bytes.Buffer
	w := pcapfile.NewWriter(&out, nil)
	p := pcapfile.Packet{Data: []byte("x"), Wire: 1, Time: 1, Link: 1}
	if err := w.Packet(&p); err == nil || err.Error() != "packet of interface 0, of 0 that were added" {
		t.Error(err)
	}
	if err := w.Statistics(0, 1, 1, time.Time{}, time.Time{}); err == nil {
		t.Error("statistics of no interface")
	}
	if _, err := w.AddInterface(&pcapfile.Interface{Link: 1}); err != nil {
		t.Fatal(err)
	}
	early, other, large, jumbo := p, p, p, p
	early.Time, other.Interface = -1, 1
	large.Data, large.Wire = filled(262144), 262144
	jumbo.Data, jumbo.Wire = filled(300_000), 400_000
	if err := w.Packets([]pcapfile.Packet{p, early, p}); err == nil || err.Error() != "packet with a time before 1970, -1 ns" {
		t.Error(err)
	}
	if err := w.Packets([]pcapfile.Packet{p, other, p}); err == nil || err.Error() != "packet of interface 1, of 1 that were added" {
		t.Error(err)
	}
	if err := w.Annotated(&early, &pcapfile.Annotation{Comment: "early"}); err == nil {
		t.Error("an early packet with a comment")
	}
	if err := w.Packets([]pcapfile.Packet{p, large, jumbo, p}); err != nil {
		t.Error(err)
	}
	if err := w.Annotated(&jumbo, &pcapfile.Annotation{}); err != nil {
		t.Error(err)
	}
	if err := w.Flush(); err != nil {
		t.Error(err)
	}
	short := jumbo
	short.Data = jumbo.Data[:262144]
	samePackets(t, decode(t, out.Bytes()).packets, []pcapfile.Packet{p, p, p, large, short, p, short})
}

// Wherever the output fails, what was whole by then is counted, and can be
// read; and the error sticks.
func TestWriterError(t *testing.T) {
	broken := errors.New("the disk is broken")
	write := func(out io.Writer) (*pcapfile.Writer, error) {
		w := pcapfile.NewWriter(out, &pcapfile.WriterConfig{BufferBytes: 4096, Comment: strings.Repeat("long ", 5000)})
		w.AddInterface(&pcapfile.Interface{Link: 1})
		for i := range 40 {
			p := pcapfile.Packet{Data: filled(i * i), Wire: 2000, Link: 1}
			w.Packets([]pcapfile.Packet{p, p})
			w.Annotated(&p, &pcapfile.Annotation{Flags: 1, Comment: "a comment"})
			if i == 20 {
				p.Data = filled(30_000)
				w.Packet(&p)
			}
		}
		w.Statistics(0, 1, 2, time.Time{}, time.Time{})
		return w, w.Flush()
	}
	all := writes{most: -1}
	if _, err := write(&all); err != nil {
		t.Fatal(err)
	}
	for n := 0; n < all.Len(); n += 37 {
		out := writes{most: n, err: broken}
		w, err := write(&out)
		var e *pcapfile.WriteError
		if !errors.As(err, &e) || !errors.Is(err, broken) || errors.Is(err, pcapfile.ErrFull) || e.Op != "write" {
			t.Fatalf("after %d bytes: %v", n, err)
		}
		if w.Flush() != err || w.Packet(&pcapfile.Packet{}) != err || w.Secrets(1, nil) != err || w.Buffered() != 0 || w.Offset() != int64(n) {
			t.Fatalf("after %d bytes: the error does not stick", n)
		}
		if len(out.ends) > 0 && !bytes.Equal(out.Bytes(), all.Bytes()[:n]) {
			t.Fatalf("after %d bytes: something was written behind the error", n)
		}
		if e.Off == 0 {
			continue
		}
		// all blocks up to there, and not one less
		got := decode(t, out.Bytes()[:e.Off])
		if int64(len(got.packets)) != e.Packets {
			t.Fatalf("after %d bytes: %d packets in %d bytes, want %d", n, len(got.packets), e.Off, e.Packets)
		}
		if next := int(binary.LittleEndian.Uint32(all.Bytes()[e.Off+4:])); int(e.Off)+next <= n {
			t.Fatalf("after %d bytes: only %d are said to be whole", n, e.Off)
		}
	}
	// one that says nothing of what it left out
	if _, err := write(&writes{most: 100}); !errors.Is(err, io.ErrShortWrite) {
		t.Error(err)
	}
}

// Writing allocates nothing.
func TestWriterAllocations(t *testing.T) {
	w := pcapfile.NewWriter(io.Discard, nil)
	if _, err := w.AddInterface(&pcapfile.Interface{Link: 1}); err != nil {
		t.Fatal(err)
	}
	ps := batchOf(1000, 154)
	ps[500].Data = filled(200_000)
	long := pcapfile.NewWriter(io.Discard, &pcapfile.WriterConfig{BufferBytes: 4096})
	if _, err := long.AddInterface(&pcapfile.Interface{Link: 1}); err != nil {
		t.Fatal(err)
	}
	note := pcapfile.Annotation{Flags: pcapfile.FlagInbound, Comment: "a comment"}
	var err error
	n := testing.AllocsPerRun(100, func() {
		err = errors.Join(err, w.Packets(ps), w.Packet(&ps[0]), w.Annotated(&ps[1], &note), w.Flush(),
			long.Packets(ps), long.Annotated(&ps[500], &note))
	})
	if n != 0 || err != nil {
		t.Errorf("%v allocations, %v", n, err)
	}
}

// Any packets that are written come back, however they are buffered.
func FuzzWriter(f *testing.F) {
	f.Add([]byte("\x00\x01\x02\x03\x04\x05\x06\x07\x08"), uint16(0))
	f.Add(bytes.Repeat([]byte("\x01\x00\x02\x03\x05\x07\x80\xff\x09\x04"), 40), uint16(9000))
	f.Add(bytes.Repeat([]byte("\x07\xff\xff"), 300), uint16(40000))
	data := filled(1 << 16)
	f.Fuzz(func(t *testing.T, ops []byte, buffer uint16) {
		if len(ops) > 4096 {
			return
		}
		out := writes{most: -1}
		w := pcapfile.NewWriter(&out, &pcapfile.WriterConfig{BufferBytes: int(buffer)})
		var links []uint16
		var want, batch []pcapfile.Packet
		var comments []pcapfile.Comment
		next := func() (v int) {
			if len(ops) > 0 {
				v, ops = int(ops[0]), ops[1:]
			}
			return v
		}
		packet := func(k int) pcapfile.Packet {
			i := next() % len(links)
			n := next() << (k % 9)
			at := int64(next()) << (next() % 56)
			return pcapfile.Packet{Data: data[:n], Time: at, Wire: uint32(next()) << (k % 25), Interface: uint16(i), Link: links[i]}
		}
		flush := func() (err error) {
			want = append(want, batch...)
			err = w.Packets(batch)
			batch = batch[:0]
			return err
		}
		for len(ops) > 0 {
			var err error
			switch k := next(); {
			case len(links) == 0 || k%16 == 0:
				links = append(links, uint16(k)<<4|uint16(next()))
				err = errors.Join(flush(), func() error { _, err := w.AddInterface(&pcapfile.Interface{Link: links[len(links)-1]}); return err }())
			case k%16 == 1:
				err = errors.Join(flush(), w.Flush())
			case k%16 == 2:
				err = flush()
				p := packet(k)
				a := pcapfile.Annotation{Flags: uint32(next()), Comment: strings.Repeat("c", next()<<(k%8))}
				want = append(want, p)
				if a.Comment != "" {
					comments = append(comments, pcapfile.Comment{Packet: int64(len(want)), Text: a.Comment})
				}
				err = errors.Join(err, w.Annotated(&p, &a))
			case k%16 == 3:
				err = errors.Join(flush(), w.Statistics(uint16(next()%len(links)), int64(k), int64(next()), time.Time{}, time.Unix(1, 0)))
			case k%16 == 4:
				err = errors.Join(flush(), w.Secrets(uint32(next()), data[:next()<<(k%9)]))
			default:
				batch = append(batch, packet(k))
			}
			if err != nil {
				t.Fatal(err)
			}
		}
		if err := errors.Join(flush(), w.Flush()); err != nil {
			t.Fatal(err)
		}
		got := decode(t, out.Bytes())
		samePackets(t, got.packets, want)
		if len(got.interfaces) != len(links) || !reflect.DeepEqual(got.comments, comments) || got.stats != (pcapfile.Stats{}) {
			t.Errorf("%d interfaces of %d, %d comments of %d, %+v", len(got.interfaces), len(links), len(got.comments), len(comments), got.stats)
		}
	})
}
