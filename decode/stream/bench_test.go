package stream

import (
	"fmt"
	"testing"

	"framescope/decode"
)

// BenchmarkSegment is a segment in order, from Segment to its Piece, with the
// call of Next that returns false.
func BenchmarkSegment(b *testing.B) {
	for _, history := range []int{-1, 0} {
		for _, size := range []int{1, 400, 1448, 65000} {
			b.Run(fmt.Sprintf("history=%t/bytes=%d", history == 0, size), func(b *testing.B) {
				b.ReportAllocs()
				t := TCP{Assembler: Assembler{Config: &Config{Limits: Limits{History: history}}}}
				s := Segment{Payload: make([]byte, size), Wire: size}
				var p Piece
				for b.Loop() {
					s.Origin.Packet++
					t.Segment(&s)
					for t.Next(&p) {
					}
					s.Seq += uint32(size)
				}
			})
		}
	}
}

// BenchmarkStreams is the same over many connections in turn, so that little of
// their state is in the cache.
func BenchmarkStreams(b *testing.B) {
	for _, history := range []int{-1, 0} {
		b.Run(fmt.Sprintf("history=%t/streams=2000/bytes=425", history == 0), func(b *testing.B) {
			b.ReportAllocs()
			const n, size = 2000, 425
			budget := new(Budget)
			ts := make([]TCP, n)
			for i := range ts {
				ts[i].Config, ts[i].Budget = &Config{Limits: Limits{History: history}}, budget
			}
			s := Segment{Payload: make([]byte, size), Wire: size}
			var p Piece
			i := 0
			for b.Loop() {
				t := &ts[i%n]
				s.Seq = uint32(i / n * size)
				i++
				t.Segment(&s)
				for t.Next(&p) {
				}
			}
		})
	}
}

// BenchmarkAcked is an acknowledgement when nothing is missing.
func BenchmarkAcked(b *testing.B) {
	b.ReportAllocs()
	var t TCP
	t.Segment(&Segment{Flags: SYN})
	o := decode.Origin{Packet: 1, Time: 2}
	for b.Loop() {
		t.Acked(1, o)
	}
}

// BenchmarkSwapped is a segment where each two come in the wrong order.
func BenchmarkSwapped(b *testing.B) {
	b.ReportAllocs()
	var t TCP
	t.Segment(&Segment{Flags: SYN})
	const size = 1448
	s := Segment{Payload: make([]byte, size), Wire: size}
	var p Piece
	seq := uint32(1)
	for b.Loop() {
		for _, s.Seq = range [2]uint32{seq + size, seq} {
			t.Segment(&s)
			for t.Next(&p) {
			}
		}
		seq += 2 * size
	}
}

// BenchmarkRepeated is a segment that came before.
func BenchmarkRepeated(b *testing.B) {
	b.ReportAllocs()
	var t TCP
	const size = 1448
	s := Segment{Payload: make([]byte, size), Wire: size}
	var p Piece
	for b.Loop() {
		t.Segment(&s)
		for t.Next(&p) {
		}
	}
}
