package stream

import (
	"bytes"
	"encoding/binary"
	"testing"

	"framescope/decode"
)

// fuzzStream is what the segments of FuzzAssembler are cut from. Its bytes tell
// their place.
func fuzzStream() []byte {
	b := make([]byte, 1<<12)
	for i := range b {
		b[i] = byte(i*31 ^ i>>7)
	}
	return b
}

// FuzzAssembler: the result does not depend on where the input was cut. Each
// three bytes of the input are a segment; it is sent whole, then in two, then
// byte by byte, and with the order of all segments reversed.
func FuzzAssembler(f *testing.F) {
	f.Add([]byte{0, 0, 10, 0, 10, 20, 0, 5, 30})
	f.Add([]byte{1, 0, 255, 0, 0, 10, 3, 0, 7, 0, 200, 100, 0, 100, 200})
	stream := fuzzStream()
	f.Fuzz(func(t *testing.T, in []byte) {
		if len(in) > 300 {
			return
		}
		var segs []extent
		here := make([]bool, len(stream)+255)
		end := 0
		for ; len(in) >= 3; in = in[3:] {
			off := int(binary.BigEndian.Uint16(in)) % len(stream)
			n := min(int(in[2]), len(stream)-off)
			if n == 0 {
				continue
			}
			segs = append(segs, extent{int64(off), int64(off + n)})
			for i := range n {
				here[off+i] = true
			}
			end = max(end, off+n)
		}
		for _, how := range []string{"whole", "halves", "bytes", "reverse"} {
			r := &rig{sink: sink{t: t}}
			a := &r.Assembler
			give := func(off, end int64) {
				b := bytes.Clone(stream[off:end])
				a.Insert(off, b, end-off, r.origin())
				r.drain(a.Next)
				clear(b)
			}
			for i := range segs {
				s := segs[i]
				switch how {
				case "reverse":
					s = segs[len(segs)-1-i]
					give(s.off, s.end)
				case "whole":
					give(s.off, s.end)
				case "halves":
					m := (s.off + s.end) / 2
					if m > s.off {
						give(s.off, m)
					}
					give(m, s.end)
				case "bytes":
					for off := s.off; off < s.end; off++ {
						give(off, off+1)
					}
				}
			}
			a.Finish()
			r.drain(a.Next)
			if r.off != int64(end) || len(r.conflicts) > 0 {
				t.Fatalf("%s: end %d of %d, conflicts %v", how, r.off, end, r.conflicts)
			}
			var missing int64
			for _, p := range r.pieces {
				for k := range p.Len {
					off := p.Off + k
					if here[off] != (p.Kind == Data) || here[off] && p.Data[k] != stream[off] {
						t.Fatalf("%s: offset %d: %+v", how, off, p)
					}
				}
				if p.Kind == Gap {
					missing += p.Len
				}
			}
			if s := a.Stats(); s.Missing != missing || s.Delivered != int64(len(r.data)) || s.Bytes != s.Delivered+s.Retransmitted {
				t.Fatalf("%s: %+v", how, s)
			}
			r.idle()
		}
	})
}

// FuzzTCP sends anything, with little memory to keep it in: pieces tile the
// stream, the bounds hold, and the counts add up.
func FuzzTCP(f *testing.F) {
	f.Add([]byte{0}, []byte("\x00\x02\x00\x00\x05\x00\x10\x00\x01\x07\x00\x10\x00\x09\x07"))
	f.Add([]byte{0x80}, bytes.Repeat([]byte("\x14\x10\x00\x00\x40\x94\x10\xff\xc0\x60"), 40))
	f.Add([]byte{3}, []byte("\x00\x02\xff\xff\x05\x04\x30\x00\x01\x07\x01\x10\x00\x40\x00\x05\x01\x00\x07\x03\x02\x00\x00\x00\x00"))
	f.Fuzz(func(t *testing.T, how, in []byte) {
		if len(how) == 0 || len(in) > 5000 {
			return
		}
		config := &Config{Limits: Limits{Bytes: 3000, Pieces: 5, History: 1}, GraceSegments: 3}
		if how[0]&1 != 0 {
			config.Overlap = Last
		}
		if how[0]&2 != 0 {
			config.Limits = Limits{History: -1}
		}
		config.InlineUrgent = how[0]&4 != 0
		r := newRig(t, config)
		r.Budget = &Budget{Max: 1 << (how[0] >> 3)}
		payload := make([]byte, 3000)
		for ; len(in) >= 5; in = in[5:] {
			op, flags, n := in[0], Flags(in[1]), int(in[4])
			d := binary.BigEndian.Uint16(in[2:])
			seq := uint32(int32(int16(d)))
			switch op >> 2 & 3 {
			case 1:
				seq += uint32(r.next)
			case 2:
				seq = uint32(d) << 16
			}
			o := decode.Origin{Packet: r.packet + 1, Time: int64(d) << 20}
			switch op & 3 {
			case 0, 1:
				for i := range payload {
					payload[i] = byte(int(seq)+i) * 3
				}
				if op&0x40 != 0 {
					n *= 11
				}
				payload[n/2] ^= op & 0x80
				r.packet++
				s := Segment{Seq: seq, Flags: flags, Urgent: uint16(n / 3), Payload: payload[:n], Wire: n, Origin: o}
				if op&0x20 != 0 {
					s.Wire += int(in[1])
				}
				if op&0x10 != 0 {
					s.Payload, s.Lasts = bytes.Clone(s.Payload), true
				}
				r.Segment(&s)
			case 2:
				r.Acked(seq, o)
			case 3:
				if op&0x80 != 0 {
					r.Expire(o.Time)
				} else if op&0x40 != 0 {
					r.Finish()
				}
			}
			r.drain(r.Next)
			r.bounds()
		}
		r.finish()
		r.bounds()
		if _, n := r.Held(); n != 0 {
			t.Fatalf("%d pieces left", n)
		}
		var gap int64
		for _, g := range r.gaps {
			gap += g.Len
		}
		s := r.Stats()
		if s.Missing != gap+max(r.before, 0) || s.Delivered != int64(len(r.data)) || r.Offset() != r.off || s.Late > s.Bytes || s.Retransmitted < 0 {
			t.Fatalf("%+v", s)
		}
		r.idle()
	})
}

func (r *rig) bounds() {
	r.t.Helper()
	b := r.Budget
	held, n := r.Held()
	if b.Used() > b.max() || b.free < 0 || b.held != held || n > r.Config.maxPieces() || held > r.Config.maxBytes() {
		r.t.Fatalf("budget %+v, %d bytes in %d pieces", *b, held, n)
	}
	waiting, spans := 0, 0
	if h := r.hold; h != nil && h.n > 0 {
		end := r.next
		for _, f := range h.leaves[h.head:] {
			for i := f.lo; i < f.hi; i++ {
				s := &f.p[i]
				if s.off < end {
					r.t.Fatalf("span at %d, the one before ends at %d", s.off, end)
				}
				end = s.end()
				waiting += int(s.n)
				spans++
			}
		}
		if spans != h.n || waiting != h.waiting {
			r.t.Fatalf("%d spans of %d bytes, want %d of %d", spans, waiting, h.n, h.waiting)
		}
	}
}
