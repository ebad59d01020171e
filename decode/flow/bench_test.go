package flow_test

import (
	"encoding/binary"
	"math/rand/v2"
	"testing"

	"framescope/capture/pcapfile"
	"framescope/decode/flow"
	"framescope/decode/record"
	"framescope/decode/websocket"
)

// A talk makes the packets of WebSocket sessions, on Ethernet and IPv4.
type talk struct {
	rnd     *rand.Rand
	packets []pcapfile.Packet
	seq     map[[2]int]uint32 // by connection and side
	late    int64             // see wait
}

func newTalk() *talk { return &talk{rnd: rand.New(rand.NewPCG(5, 6)), seq: map[[2]int]uint32{}} }

// send adds a segment of side 0, the client, or 1 of connection n.
func (k *talk) send(n, side int, flags byte, payload []byte) {
	b := make([]byte, 54, 54+len(payload))
	b[12], b[14], b[23] = 8, 0x45, 6
	binary.BigEndian.PutUint16(b[16:], uint16(40+len(payload)))
	client, server := []byte{10, 1, byte(n >> 8), byte(n)}, []byte{10, 0, 0, 1}
	port := uint16(1024 + n%60000)
	seg := b[34:]
	if side == 0 {
		copy(b[26:], client)
		copy(b[30:], server)
		binary.BigEndian.PutUint16(seg, port)
		binary.BigEndian.PutUint16(seg[2:], 80)
	} else {
		copy(b[26:], server)
		copy(b[30:], client)
		binary.BigEndian.PutUint16(seg, 80)
		binary.BigEndian.PutUint16(seg[2:], port)
	}
	binary.BigEndian.PutUint32(seg[4:], k.seq[[2]int{n, side}])
	binary.BigEndian.PutUint32(seg[8:], k.seq[[2]int{n, 1 - side}])
	seg[12], seg[13] = 0x50, flags
	b = append(b, payload...)
	next := uint32(len(payload))
	if flags&3 != 0 {
		next++
	}
	k.seq[[2]int{n, side}] += next
	i := len(k.packets)
	k.packets = append(k.packets, pcapfile.Packet{Data: b, Wire: uint32(len(b)), Time: int64(i) * 1e4, Number: int64(i + 1), Link: 1})
}

const (
	fin, syn, rst, psh, ack = 1, 2, 4, 8, 16
)

// The heads of a handshake, with the key of RFC 6455 section 1.3.
const (
	upgrade = "GET /chat HTTP/1.1\r\nHost: h\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n" +
		"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n"
	switching = "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n" +
		"Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\n"
)

// open opens a session.
func (k *talk) open(n int) {
	k.send(n, 0, syn, nil)
	k.send(n, 1, syn|ack, nil)
	k.send(n, 0, ack, nil)
	k.send(n, 0, psh|ack, []byte(upgrade))
	k.send(n, 1, psh|ack, []byte(switching))
}

// frame returns a frame, masked as the client does it for side 0.
func (k *talk) frame(side int, op websocket.Opcode, payload []byte) []byte {
	h := websocket.Header{Fin: true, Opcode: op, Length: int64(len(payload)), Masked: side == 0}
	if h.Masked {
		binary.BigEndian.PutUint32(h.Mask[:], k.rnd.Uint32())
	}
	b := websocket.AppendHeader(nil, &h)
	at := len(b)
	b = append(b, payload...)
	if h.Masked {
		websocket.Unmask(b[at:], b[at:], h.Mask, 0)
	}
	return b
}

// message has a client send a text, and the server acknowledge it.
func (k *talk) message(n, size int) {
	text := make([]byte, size)
	for i := range text {
		text[i] = byte('a' + k.rnd.IntN(26))
	}
	k.send(n, 0, psh|ack, k.frame(0, websocket.Text, text))
	if k.rnd.IntN(2) == 0 {
		k.send(n, 1, ack, nil)
	}
}

// close closes a session as it should be.
func (k *talk) close(n int) {
	k.send(n, 0, psh|ack, k.frame(0, websocket.Close, []byte{3, 232}))
	k.send(n, 1, psh|ack, k.frame(1, websocket.Close, []byte{3, 232}))
	k.send(n, 1, fin|ack, nil)
	k.send(n, 0, fin|ack, nil)
	k.send(n, 1, ack, nil)
}

// run feeds the packets to an engine that has no goroutines of its own.
func run(b testing.TB, packets []pcapfile.Packet, change func(*flow.Config)) *record.Summary {
	cfg := flow.Config{
		File: "bench", Want: record.Of(record.TypeSummary), Workers: -1,
		Encoder: func() flow.Encoder { return new(encoder) }, Output: func(*flow.Item) error { return nil },
	}
	if change != nil {
		change(&cfg)
	}
	return feed(b, packets, cfg)
}

// BenchmarkEngine decodes sessions of short texts; an operation is a packet.
func BenchmarkEngine(b *testing.B) {
	k := newTalk()
	const conns = 100
	for n := range conns {
		k.open(n)
	}
	for range 200 {
		for n := range conns {
			k.message(n, 100+k.rnd.IntN(900))
		}
	}
	for n := range conns {
		k.close(n)
	}
	size := int64(0)
	for i := range k.packets {
		size += int64(len(k.packets[i].Data))
	}
	for name, change := range map[string]func(*flow.Config){
		"summary": nil,
		"frames":  func(c *flow.Config) { c.Want = record.Of(record.TypeFrame) },
		"all":     func(c *flow.Config) { c.Want, c.Preview, c.Digest = record.All, 320, true },
	} {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			b.SetBytes(size / int64(len(k.packets)))
			for n := 0; n < b.N; n += len(k.packets) {
				run(b, k.packets, change)
			}
		})
	}
}

// Packets in order cost no allocation: what a longer session costs more is
// nothing.
func TestAllocs(t *testing.T) {
	allocs := func(messages int) float64 {
		k := newTalk()
		k.open(1)
		for range messages {
			k.message(1, 300)
		}
		k.close(1)
		return testing.AllocsPerRun(5, func() {
			run(t, k.packets, func(c *flow.Config) { c.Want = record.Of(record.TypeFrame) })
		})
	}
	// The buffers of a job grow with the packets between two Flushes.
	few, many := allocs(2000), allocs(12000)
	if many-few > 20 {
		t.Errorf("10000 more messages cost %v more allocations, want none", many-few)
	}
}
