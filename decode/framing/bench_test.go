package framing

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"testing"

	"framescope/decode/frame"
	"framescope/decode/websocket"
)

// benchStream returns a megabyte of frames with payloads of n bytes.
func benchStream(name string, n int) (b []byte, frames int) {
	payload := bytes.Repeat([]byte{'x'}, n)
	for len(b) < 1<<20 {
		frames++
		switch name {
		case "length32":
			b = append(binary.BigEndian.AppendUint32(b, uint32(n)), payload...)
		case "magic-length-crc32":
			b = crcFrame(b, string(payload), 0)
		case "length16-json":
			head := fmt.Sprintf(`{"byteorder": "little", "content-type": "text/json", "content-encoding": "utf-8", "content-length": %d}`, n)
			b = append(binary.BigEndian.AppendUint16(b, uint16(len(head))), head...)
			b = append(b, payload...)
		case "http2":
			b = append(b, byte(n>>16), byte(n>>8), byte(n), 0, 0, 0, 0, 0, 1)
			b = append(b, payload...)
		case "tls":
			b = append(b, 23, 3, 3, byte(n>>8), byte(n))
			b = append(b, payload...)
		case "amqp":
			b = append(b, 3, 0, 1)
			b = append(append(binary.BigEndian.AppendUint32(b, uint32(n)), payload...), 0xce)
		case "mqtt":
			b = append(b, 0x30)
			b = append(binary.AppendUvarint(b, uint64(n)), payload...)
		case "zmtp":
			b = append(b, 2)
			b = append(binary.BigEndian.AppendUint64(b, uint64(n)), payload...)
		case "grpc":
			b = append(b, 0)
			b = append(binary.BigEndian.AppendUint32(b, uint32(n)), payload...)
		case "netlink":
			b = binary.LittleEndian.AppendUint32(b, uint32(16+n))
			b = append(append(b, make([]byte, 12)...), payload...)
			b = append(b, make([]byte, -n&3)...)
		case "postgresql":
			b = append(b, 'd')
			b = append(binary.BigEndian.AppendUint32(b, uint32(4+n)), payload...)
		case "redis":
			b = append(append(fmt.Appendf(b, "$%d\r\n", n), payload...), "\r\n"...)
		case "dns-tcp":
			b = append(binary.BigEndian.AppendUint16(b, uint16(n)), payload...)
		case "websocket":
			b = websocket.AppendHeader(b, &websocket.Header{Length: int64(n), Fin: true, Opcode: websocket.Binary})
			b = append(b, payload...)
		case "http1":
			b = append(fmt.Appendf(b, "HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: %d\r\n\r\n", n), payload...)
		}
	}
	return b, frames
}

// BenchmarkDecode: framings of all kinds, and WebSocket through frame.Decoder
// alone to compare with.
func BenchmarkDecode(b *testing.B) {
	for _, n := range []int{16, 128, 4096} {
		for _, name := range Names() {
			in, frames := benchStream(name, n)
			b.Run(fmt.Sprintf("%s/%d", name, n), func(b *testing.B) {
				d := Decoder{Framing: builtin(b, name, Options{})}
				b.SetBytes(int64(len(in)))
				b.ReportAllocs()
				for b.Loop() {
					for rest := in; ; {
						c, k, err := d.Next(rest)
						if err != nil {
							b.Fatal(err)
						}
						if c == nil {
							break
						}
						rest = rest[k:]
					}
				}
				b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N*frames), "ns/frame")
			})
		}
		in, frames := benchStream("websocket", n)
		b.Run(fmt.Sprintf("frame.Decoder/%d", n), func(b *testing.B) {
			var d frame.Decoder[websocket.Header, websocket.Format]
			b.SetBytes(int64(len(in)))
			for b.Loop() {
				for rest := in; ; {
					c, k, err := d.Next(rest)
					if err != nil {
						b.Fatal(err)
					}
					if c == nil {
						break
					}
					rest = rest[k:]
				}
			}
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N*frames), "ns/frame")
		})
	}
}
