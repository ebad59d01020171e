package pcapfile_test

import (
	"bytes"
	"compress/gzip"
	"encoding/binary"
	"errors"
	"io"
	"os"
	"path/filepath"
	"testing"
	"testing/iotest"

	"framescope/capture/pcapfile"
)

// An order writes captures of one byte order.
type order struct {
	binary.ByteOrder
	a binary.AppendByteOrder
}

var (
	little = order{binary.LittleEndian, binary.LittleEndian}
	big    = order{binary.BigEndian, binary.BigEndian}
)

func (o order) u16(v ...uint16) (b []byte) {
	for _, v := range v {
		b = o.a.AppendUint16(b, v)
	}
	return b
}

func (o order) u32(v ...uint32) (b []byte) {
	for _, v := range v {
		b = o.a.AppendUint32(b, v)
	}
	return b
}

func (o order) u64(v uint64) []byte { return o.a.AppendUint64(nil, v) }

func cat(parts ...[]byte) []byte { return bytes.Join(parts, nil) }

func pad(b []byte) []byte { return append(b[:len(b):len(b)], make([]byte, -len(b)&3)...) }

// pcap returns a file of version 2.4.
func (o order) pcap(magic, snap, link uint32, records ...[]byte) []byte {
	return cat(o.u32(magic), o.u16(2, 4), o.u32(0, 0, snap, link), cat(records...))
}

// record returns a record whose lengths are those of data.
func (o order) record(sec, frac uint32, data string) []byte {
	n := uint32(len(data))
	return cat(o.u32(sec, frac, n, n), []byte(data))
}

func (o order) block(typ uint32, body ...[]byte) []byte {
	b := pad(cat(body...))
	n := uint32(len(b) + 12)
	return cat(o.u32(typ, n), b, o.u32(n))
}

func (o order) section(options ...[]byte) []byte {
	return o.block(0x0a0d0d0a, o.u32(0x1a2b3c4d), o.u16(1, 0), o.u64(1<<64-1), cat(options...))
}

func (o order) iface(link uint16, snap uint32, options ...[]byte) []byte {
	return o.block(1, o.u16(link, 0), o.u32(snap), cat(options...))
}

// packet returns an enhanced packet block.
func (o order) packet(id uint32, t uint64, data string, options ...[]byte) []byte {
	n := uint32(len(data))
	return o.block(6, o.u32(id, uint32(t>>32), uint32(t), n, n), pad([]byte(data)), cat(options...))
}

func (o order) simple(wire uint32, data string) []byte {
	return o.block(3, o.u32(wire), []byte(data))
}

func (o order) obsolete(id, drops uint16, t uint64, data string, options ...[]byte) []byte {
	n := uint32(len(data))
	return o.block(2, o.u16(id, drops), o.u32(uint32(t>>32), uint32(t), n, n), pad([]byte(data)), cat(options...))
}

func (o order) option(code uint16, value string) []byte {
	return cat(o.u16(code, uint16(len(value))), pad([]byte(value)))
}

func gz(t testing.TB, b []byte) []byte {
	t.Helper()
	var buf bytes.Buffer
	w := gzip.NewWriter(&buf)
	if _, err := w.Write(b); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return buf.Bytes()
}

// A result is all that a Reader says about a capture.
type result struct {
	packets []pcapfile.Packet
	err     error // nil for io.EOF

	interfaces []pcapfile.Interface
	sections   []pcapfile.Section
	secrets    []pcapfile.Secret
	names      []pcapfile.Name
	comments   []pcapfile.Comment
	blocks     []pcapfile.BlockCount
	stats      pcapfile.Stats
}

// drain reads r to its end, with several batches in use at once, and closes
// it.
func drain(t testing.TB, r *pcapfile.Reader, err error) (s result) {
	t.Helper()
	if err != nil {
		s.err = err
		return s
	}
	defer r.Close()
	var bs [3]pcapfile.Batch
	for i := 0; ; i++ {
		// copied only when the batch is given back: its bytes must stay
		b := &bs[i%len(bs)]
		s.keep(b)
		if err = r.Read(b); err != nil {
			if len(b.Packets) != 0 {
				t.Errorf("Read returns %d packets and %v", len(b.Packets), err)
			}
			for j := range bs {
				s.keep(&bs[(i+1+j)%len(bs)])
			}
			break
		}
		if len(b.Packets) == 0 {
			t.Fatal("Read returns neither packets nor an error")
		}
	}
	if again := r.Read(&bs[0]); again != err {
		t.Errorf("the error %v does not stick: then %v", err, again)
	}
	if err != io.EOF {
		s.err = err
	}
	s.interfaces, s.sections, s.secrets = r.Interfaces(), r.Sections(), r.Secrets()
	s.names, s.comments, s.blocks, s.stats = r.Names(), r.Comments(), r.Blocks(), r.Stats()
	return s
}

func (s *result) keep(b *pcapfile.Batch) {
	for _, p := range b.Packets {
		p.Data = bytes.Clone(p.Data)
		s.packets = append(s.packets, p)
	}
	b.Packets = nil
}

// A way is one of the ways in which the bytes of a capture reach a Reader.
type way struct {
	name string
	open func(t testing.TB, b []byte, c pcapfile.Config) (*pcapfile.Reader, error)
}

func ways(limit int) []way {
	file := func(noMap bool, batch int) func(testing.TB, []byte, pcapfile.Config) (*pcapfile.Reader, error) {
		return func(t testing.TB, b []byte, c pcapfile.Config) (*pcapfile.Reader, error) {
			path := filepath.Join(t.TempDir(), "capture")
			if err := os.WriteFile(path, b, 0o600); err != nil {
				t.Fatal(err)
			}
			c.NoMap, c.BatchBytes = noMap, batch
			return pcapfile.Open(path, &c)
		}
	}
	stream := func(f func(io.Reader) io.Reader, batch int) func(testing.TB, []byte, pcapfile.Config) (*pcapfile.Reader, error) {
		return func(_ testing.TB, b []byte, c pcapfile.Config) (*pcapfile.Reader, error) {
			c.BatchBytes = batch
			return pcapfile.NewReader(f(bytes.NewReader(b)), "capture", &c)
		}
	}
	same := func(rd io.Reader) io.Reader { return rd }
	ws := []way{
		{"mapped", file(false, 0)},
		{"mapped, small batches", file(false, 1)},
		{"file", file(true, 0)},
		{"file, small batches", file(true, 1)},
		{"stream", stream(same, 0)},
		{"halves", stream(iotest.HalfReader, 1)},
		{"end with data", stream(iotest.DataErrReader, 0)},
		{"of 61", stream(func(rd io.Reader) io.Reader { return &pieces{rd, 61} }, 0)},
		{"of 1000", stream(func(rd io.Reader) io.Reader { return &pieces{rd, 1000} }, 1)},
		{"gzip", func(t testing.TB, b []byte, c pcapfile.Config) (*pcapfile.Reader, error) {
			return file(false, 0)(t, gz(t, b), c)
		}},
		{"gzip in two", func(t testing.TB, b []byte, c pcapfile.Config) (*pcapfile.Reader, error) {
			m := cat(gz(t, b[:len(b)/3]), gz(t, b[len(b)/3:]), make([]byte, 100))
			return pcapfile.NewReader(bytes.NewReader(m), "capture", &c)
		}},
	}
	if limit > 0 {
		ws = append(ws, way{"bytes", stream(iotest.OneByteReader, 0)})
	}
	return ws
}

// pieces delivers at most n bytes at a time.
type pieces struct {
	rd io.Reader
	n  int
}

func (p *pieces) Read(b []byte) (int, error) { return p.rd.Read(b[:min(len(b), p.n)]) }

// text returns an error without the name of the file.
func text(err error) string {
	var e *pcapfile.Error
	if errors.As(err, &e) {
		c := *e
		c.File = "x"
		return c.Error()
	}
	if err != nil {
		return err.Error()
	}
	return ""
}
