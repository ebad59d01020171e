package flow_test

import (
	"encoding/binary"
	"fmt"
	"hash/crc32"
	"testing"

	"framescope/decode/flow"
	"framescope/decode/framing"
	"framescope/decode/record"
	"framescope/decode/websocket"
)

// declaredFrame appends a frame of a framing.
func declaredFrame(b []byte, name string, payload []byte) []byte {
	n := len(payload)
	switch name {
	case "length32":
		return append(binary.BigEndian.AppendUint32(b, uint32(n)), payload...)
	case "magic-length-crc32":
		b = binary.BigEndian.AppendUint32(binary.BigEndian.AppendUint32(b, 0xcafebabe), uint32(n))
		return binary.BigEndian.AppendUint32(append(b, payload...), crc32.ChecksumIEEE(payload))
	case "length16-json":
		head := fmt.Sprintf(`{"byteorder": "little", "content-type": "text/json", "content-encoding": "utf-8", "content-length": %d}`, n)
		return append(append(binary.BigEndian.AppendUint16(b, uint16(len(head))), head...), payload...)
	case "postgresql":
		return append(binary.BigEndian.AppendUint32(append(b, 'd'), uint32(4+n)), payload...)
	case "redis":
		return append(append(fmt.Appendf(b, "$%d\r\n", n), payload...), "\r\n"...)
	case "amqp":
		return append(append(binary.BigEndian.AppendUint32(append(b, 3, 0, 1), uint32(n)), payload...), 0xce)
	case "http2":
		return append(append(b, byte(n>>16), byte(n>>8), byte(n), 0, 0, 0, 0, 0, 1), payload...)
	}
	h := websocket.Header{Fin: true, Opcode: websocket.Binary, Length: int64(n)}
	return append(websocket.AppendHeader(b, &h), payload...)
}

// BenchmarkDeclared decodes what one side sends in segments of 1448 bytes, and
// WebSocket in the same way to compare with. "mixed" are payloads of 100 bytes to
// 64 KiB, each order of magnitude as often.
func BenchmarkDeclared(b *testing.B) {
	for _, size := range []string{"23", "mixed"} {
		for _, name := range []string{"WebSocket", "length32", "magic-length-crc32", "length16-json", "postgresql", "redis", "amqp", "http2"} {
			k := newTalk()
			if name == "WebSocket" {
				k.open(0)
			} else {
				k.send(0, 0, syn, nil)
				k.send(0, 1, syn|ack, nil)
				k.send(0, 0, ack, nil)
			}
			payload := make([]byte, 64<<10)
			for i := range payload {
				payload[i] = byte(k.rnd.Uint32())
			}
			var stream []byte
			frames := 0
			for ; len(stream) < 4<<20; frames++ {
				n := 23
				if size == "mixed" {
					n = 100 + k.rnd.IntN(100<<k.rnd.IntN(10))
				}
				stream = declaredFrame(stream, name, payload[:min(n, len(payload))])
			}
			for len(stream) > 0 {
				n := min(1448, len(stream))
				k.send(0, 1, psh|ack, stream[:n])
				stream = stream[n:]
			}
			total := int64(0)
			for i := range k.packets {
				total += int64(len(k.packets[i].Data))
			}
			port := func(*flow.Config) {}
			if name != "WebSocket" {
				port = declare(b, 80, name, framing.Options{}, framing.Server)
			}
			for _, want := range []string{"summary", "frames"} {
				b.Run(size+"/"+name+"/"+want, func(b *testing.B) {
					b.SetBytes(total)
					b.ReportAllocs()
					for b.Loop() {
						sum := run(b, k.packets, func(c *flow.Config) {
							if want == "frames" {
								c.Want = record.Of(record.TypeFrame, record.TypeDeclared)
							}
							port(c)
						})
						if name != "WebSocket" && sum.Declared != int64(frames) {
							b.Fatalf("%d of %d frames", sum.Declared, frames)
						}
					}
					b.ReportMetric(float64(frames*b.N)/b.Elapsed().Seconds()/1e6, "Mframes/s")
				})
			}
		}
	}
}
