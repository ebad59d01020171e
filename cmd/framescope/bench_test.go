package main

import (
	"bufio"
	"bytes"
	"compress/flate"
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"testing"

	"framescope/decode/websocket"
)

// A pcapWriter writes packets of TCP on Ethernet and IPv4.
type pcapWriter struct {
	w   *bufio.Writer
	n   int64
	buf []byte
}

func newPcap(t testing.TB, path string) *pcapWriter {
	f, err := os.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	w := bufio.NewWriterSize(f, 1<<20)
	t.Cleanup(func() { f.Close() })
	head := binary.LittleEndian.AppendUint32(nil, 0xa1b2c3d4)
	head = append(head, 2, 0, 4, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 4, 0, 1, 0, 0, 0)
	w.Write(head)
	return &pcapWriter{w: w}
}

const (
	fFIN, fSYN, fRST, fPSH, fACK = 1, 2, 4, 8, 16
)

// send writes a segment of the client (side 0) or the server of connection n.
func (p *pcapWriter) send(n, side int, flags byte, seq, ack uint32, payload []byte) {
	b := p.buf[:0]
	size := uint32(54 + len(payload))
	us := p.n * 10
	p.n++
	b = binary.LittleEndian.AppendUint32(b, uint32(1700000000+us/1e6))
	b = binary.LittleEndian.AppendUint32(b, uint32(us%1e6))
	b = binary.LittleEndian.AppendUint32(b, size)
	b = binary.LittleEndian.AppendUint32(b, size)
	b = append(b, make([]byte, 12)...)
	b = append(b, 8, 0, 0x45, 0)
	b = binary.BigEndian.AppendUint16(b, uint16(40+len(payload)))
	b = append(b, 0, 0, 0, 0, 64, 6, 0, 0)
	client, server := []byte{10, byte(n >> 24), byte(n >> 16), byte(n >> 8)}, []byte{10, 255, 255, 1}
	cp, sp := uint16(10000+n&255), uint16(80)
	if side == 0 {
		b = append(append(b, client...), server...)
		b = binary.BigEndian.AppendUint16(binary.BigEndian.AppendUint16(b, cp), sp)
	} else {
		b = append(append(b, server...), client...)
		b = binary.BigEndian.AppendUint16(binary.BigEndian.AppendUint16(b, sp), cp)
	}
	b = binary.BigEndian.AppendUint32(b, seq)
	b = binary.BigEndian.AppendUint32(b, ack)
	b = append(b, 0x50, flags, 255, 255, 0, 0, 0, 0)
	b = append(b, payload...)
	p.buf = b
	p.w.Write(b)
}

const upgrade = "GET /chat HTTP/1.1\r\nHost: h\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n" +
	"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Extensions: permessage-deflate\r\n\r\n"
const switching = "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n" +
	"Sec-WebSocket-Extensions: permessage-deflate\r\n\r\n"

// open writes a handshake and returns the next sequence numbers of both sides.
func (p *pcapWriter) open(n int) (client, server uint32) {
	p.send(n, 0, fSYN, 99, 0, nil)
	p.send(n, 1, fSYN|fACK, 199, 100, nil)
	p.send(n, 0, fPSH|fACK, 100, 200, []byte(upgrade))
	client = 100 + uint32(len(upgrade))
	p.send(n, 1, fPSH|fACK, 200, client, []byte(switching))
	return client, 200 + uint32(len(switching))
}

// compressed returns a compressed text frame of a server that inflates to size
// bytes.
func compressed(size int, text string) []byte {
	var b bytes.Buffer
	w, _ := flate.NewWriter(&b, 9)
	w.Write(bytes.Repeat([]byte(text), size/len(text)))
	w.Flush()
	p := bytes.TrimSuffix(b.Bytes(), []byte{0, 0, 255, 255})
	h := websocket.Header{Fin: true, RSV: websocket.RSV1, Opcode: websocket.Text, Length: int64(len(p))}
	return append(websocket.AppendHeader(nil, &h), p...)
}

// sessions writes ordinary sessions: JSON from clients, JSON and binary data
// from servers, some of it compressed, acknowledgements in between, a ping now
// and then.
func (p *pcapWriter) sessions(conns, rounds int) {
	rnd := rand.New(rand.NewPCG(1, 2))
	deflated := compressed(2<<10, `{"price":101.25,"size":3},`)
	data := make([]byte, 1400)
	for i := range data {
		data[i] = byte(rnd.Uint32())
	}
	var json []byte
	for len(json) < 1400 {
		json = fmt.Appendf(json, `{"type":"tick","id":%d,"price":%.2f,"text":"hello"},`, rnd.IntN(1e6), rnd.Float64()*100)
	}
	seq := make([][2]uint32, conns)
	frame := func(n, side int, op websocket.Opcode, payload []byte) {
		h := websocket.Header{Fin: true, Opcode: op, Length: int64(len(payload)), Masked: side == 0}
		if h.Masked {
			binary.BigEndian.PutUint32(h.Mask[:], rnd.Uint32())
		}
		b := websocket.AppendHeader(nil, &h)
		at := len(b)
		b = append(b, payload...)
		if h.Masked {
			websocket.Unmask(b[at:], b[at:], h.Mask, 0)
		}
		p.send(n, side, fPSH|fACK, seq[n][side], seq[n][1-side], b)
		seq[n][side] += uint32(len(b))
	}
	for n := range seq {
		seq[n][0], seq[n][1] = p.open(n)
	}
	for i := range rounds {
		for n := range seq {
			switch rnd.IntN(8) {
			case 0, 1, 2:
				frame(n, 0, websocket.Text, json[:20+rnd.IntN(1300)])
			case 3:
				frame(n, 1, websocket.Text, json[:20+rnd.IntN(1300)])
			case 4:
				frame(n, 1, websocket.Binary, data[:20+rnd.IntN(1300)])
			case 5:
				p.send(n, 1, fPSH|fACK, seq[n][1], seq[n][0], deflated)
				seq[n][1] += uint32(len(deflated))
			default:
				p.send(n, i&1, fACK, seq[n][i&1], seq[n][1-i&1], nil)
			}
			if rnd.IntN(50) == 0 {
				frame(n, 0, websocket.Ping, []byte("12345678"))
				frame(n, 1, websocket.Pong, []byte("12345678"))
			}
		}
	}
	for n := range seq {
		frame(n, 0, websocket.Close, []byte{3, 232})
		frame(n, 1, websocket.Close, []byte{3, 232})
		p.send(n, 1, fFIN|fACK, seq[n][1], seq[n][0], nil)
		p.send(n, 0, fFIN|fACK, seq[n][0], seq[n][1]+1, nil)
	}
}

// BenchmarkDecode runs the whole command. make pgo takes its profile from here.
func BenchmarkDecode(b *testing.B) {
	path := filepath.Join(b.TempDir(), "sessions.pcap")
	p := newPcap(b, path)
	p.sessions(1000, 100)
	if err := p.w.Flush(); err != nil {
		b.Fatal(err)
	}
	st, err := os.Stat(path)
	if err != nil {
		b.Fatal(err)
	}
	null, err := os.OpenFile(os.DevNull, os.O_WRONLY, 0)
	if err != nil {
		b.Fatal(err)
	}
	defer null.Close()
	for name, args := range map[string][]string{
		"summary":  {"-o", "jsonl", "--select", "summary"},
		"frames":   {"-o", "jsonl", "--select", "ws_frame", "--payload", "none"},
		"messages": {"-o", "jsonl", "--select", "ws_message", "--payload", "full"},
		"table":    {"-o", "table"},
	} {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			b.SetBytes(st.Size())
			args = append(append([]string{"decode"}, args...), path)
			for b.Loop() {
				if code := run(args, stdio{os.Stdin, null, null}); code != exitDone {
					b.Fatalf("exit status %d", code)
				}
			}
		})
	}
}
