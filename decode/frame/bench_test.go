package frame_test

import (
	"fmt"
	"testing"

	"framescope/decode/frame"
	"framescope/decode/websocket"
)

// segments returns n-byte pieces of frames with the given payload length.
func segments(masked bool, payload, total, segment int) ([][]byte, int) {
	var b []byte
	frames := 0
	for len(b) < total {
		b = appendFrame(b, 0x81, masked, make([]byte, payload))
		frames++
	}
	var out [][]byte
	for len(b) > 0 {
		n := min(segment, len(b))
		out = append(out, b[:n])
		b = b[n:]
	}
	return out, frames
}

func BenchmarkDecode(b *testing.B) {
	for _, payload := range []int{16, 128, 1024} {
		in, frames := segments(true, payload, 1<<20, 1<<20)
		b.Run(fmt.Sprintf("Decode/%d", payload), func(b *testing.B) {
			b.ReportAllocs()
			var d frame.Decoder[websocket.Header, websocket.Format]
			var sum int64
			for b.Loop() {
				for _, s := range in {
					for c, err := range d.Decode(s) {
						if err != nil {
							b.Fatal(err)
						}
						sum += c.Header.Length
					}
				}
			}
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N*frames), "ns/frame")
		})
		b.Run(fmt.Sprintf("Next/%d", payload), func(b *testing.B) {
			b.ReportAllocs()
			var d frame.Decoder[websocket.Header, websocket.Format]
			var sum int64
			for b.Loop() {
				for _, s := range in {
					for {
						c, n, err := d.Next(s)
						if err != nil {
							b.Fatal(err)
						}
						if c == nil {
							break
						}
						sum += c.Header.Length
						s = s[n:]
					}
				}
			}
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N*frames), "ns/frame")
		})
	}
}

// BenchmarkSegments is Decode when the stream comes in TCP segments of 1448
// bytes, so that frames and headers are cut.
func BenchmarkSegments(b *testing.B) {
	in, frames := segments(true, 128, 1<<20, 1448)
	b.ReportAllocs()
	var d frame.Decoder[websocket.Header, websocket.Format]
	for b.Loop() {
		for _, s := range in {
			for _, err := range d.Decode(s) {
				if err != nil {
					b.Fatal(err)
				}
			}
		}
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N*frames), "ns/frame")
}
