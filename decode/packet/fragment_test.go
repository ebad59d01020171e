package packet

import (
	"bytes"
	"encoding/hex"
	"math/rand/v2"
	"runtime"
	"strings"
	"testing"
	"time"
)

// A piece is a fragment of a datagram, in bytes.
type piece struct{ from, to int }

// cut4 returns the fragment of an IPv4 datagram with this payload.
func cut4(payload []byte, id int, f piece) []byte {
	frag := f.from / 8
	if f.to < len(payload) {
		frag |= 0x2000
	}
	h := "4500" + hex16(20+f.to-f.from) + hex16(id) + hex16(frag) + "4006 0000 0a000001 0a000002"
	b, _ := hex.DecodeString(strings.ReplaceAll(h, " ", ""))
	return append(b, payload[f.from:f.to]...)
}

// cut6 returns the fragment of an IPv6 datagram.
func cut6(payload []byte, id int, f piece) []byte {
	frag := f.from
	if f.to < len(payload) {
		frag |= 1
	}
	h := "60000000" + hex16(8+f.to-f.from) + "2c40" + "20010db800000000000000000000000120010db8000000000000000000000002" +
		"0600" + hex16(frag) + "0000" + hex16(id)
	b, _ := hex.DecodeString(h)
	return append(b, payload[f.from:f.to]...)
}

// segment is a TCP segment with n bytes of payload.
func segment(t testing.TB, n int) []byte {
	b := unhex(t, tcpData[:len(tcpData)-8])
	for i := range n {
		b = append(b, byte(i*7))
	}
	return b
}

func TestFragments(t *testing.T) {
	whole := segment(t, 1005) // 1025 bytes
	tests := []struct {
		name   string
		pieces []piece
		last   int // the piece that completes the datagram, -1 for none
	}{
		{"in order", []piece{{0, 512}, {512, 1024}, {1024, 1025}}, 2},
		{"in reverse", []piece{{1024, 1025}, {512, 1024}, {0, 512}}, 2},
		{"header in two fragments", []piece{{0, 8}, {8, 1025}}, 1},
		{"twice", []piece{{0, 512}, {0, 512}, {512, 1025}}, 2},
		{"overlapping", []piece{{0, 512}, {256, 768}, {760, 1025}}, 2},
		{"one inside another", []piece{{256, 512}, {0, 1024}, {1016, 1025}}, 2},
		{"end only", []piece{{8, 1025}}, -1},
		{"hole", []piece{{0, 512}, {520, 1025}}, -1},
		{"no end", []piece{{0, 512}, {512, 1024}}, -1},
	}
	for _, tt := range tests {
		for name, cut := range map[string]func([]byte, int, piece) []byte{"IPv4": cut4, "IPv6": cut6} {
			var ps Parser
			var p Packet
			last := -1
			for i, f := range tt.pieces {
				b := cut(whole, 1, f)
				// Link padding is not part of a fragment.
				c := ps.Parse(linkRaw, append(b, 1, 2, 3), uint32(len(b)+3), 0, &p)
				checkSound(t, &p, c)
				if c == OK {
					last = i
					if p.SrcPort != 50000 || p.Wire != 1005 || !bytes.Equal(p.Segment, whole) || int(p.Fragments) != i+1 {
						t.Errorf("%s, %s: got port %d, %d bytes of %d, %d fragments", name, tt.name, p.SrcPort, len(p.Payload()), p.Wire, p.Fragments)
					}
				} else if c != Fragment || !p.Src.Is4() && p.Version != 6 {
					t.Errorf("%s, %s, fragment %d: got %v", name, tt.name, i, c)
				}
			}
			if last != tt.last {
				t.Errorf("%s, %s: completed by fragment %d, want %d", name, tt.name, last, tt.last)
			}
			want := int64(0)
			if tt.last < 0 {
				want = int64(len(tt.pieces))
			}
			if got := ps.Unfinished(); got != want {
				t.Errorf("%s, %s: %d packets unfinished, want %d", name, tt.name, got, want)
			}
		}
	}
}

// What came first stays.
func TestFragmentsOverlap(t *testing.T) {
	whole, other := segment(t, 1004), segment(t, 1004)
	for i := 20; i < len(other); i++ {
		other[i] ^= 0xff
	}
	var ps Parser
	var p Packet
	ps.Parse(linkRaw, cut4(whole, 1, piece{0, 512}), 0, 0, &p)
	ps.Parse(linkRaw, cut4(other, 1, piece{256, 768}), 0, 0, &p)
	if c := ps.Parse(linkRaw, cut4(whole, 1, piece{512, 1024}), 0, 0, &p); c != OK {
		t.Fatal(c)
	}
	want := append(append(append([]byte(nil), whole[:512]...), other[512:768]...), whole[768:]...)
	if !bytes.Equal(p.Segment, want) {
		t.Error("later bytes have replaced earlier ones")
	}
}

// A snaplen cuts the fragments too: what stands before the first cut is there.
func TestFragmentsSnaplen(t *testing.T) {
	whole := segment(t, 1004)
	var ps Parser
	var p Packet
	for i, f := range []piece{{512, 1024}, {0, 512}} {
		b := cut4(whole, 1, f)
		c := ps.Parse(linkRaw, b[:100], uint32(len(b)), 0, &p)
		if want := []Cause{Fragment, OK}[i]; c != want {
			t.Fatalf("fragment %d: got %v, want %v", i, c, want)
		}
	}
	if len(p.Segment) != 80 || p.Wire != 1004 || !bytes.Equal(p.Segment, whole[:80]) {
		t.Errorf("got %d bytes of %d, want 80 of 1004", len(p.Segment), p.Wire)
	}
	// Another fragment may bring what was cut off.
	var q Parser
	b := cut4(whole, 1, piece{0, 512})
	q.Parse(linkRaw, b[:28], uint32(len(b)), 0, &p)
	q.Parse(linkRaw, b, uint32(len(b)), 0, &p)
	if c := q.Parse(linkRaw, cut4(whole, 1, piece{512, 1024}), 0, 0, &p); c != TruncatedTCP || p.DstPort != 80 {
		t.Errorf("got %v, port %d", c, p.DstPort)
	}
}

// The packet keeps its bytes while the parser goes on.
func TestFragmentsOwned(t *testing.T) {
	a, b := segment(t, 1004), segment(t, 1004)
	for i := 20; i < len(b); i++ {
		b[i] = 'b'
	}
	var ps Parser
	var first, p Packet
	for i, whole := range [][]byte{a, b, b, b} {
		ps.Parse(linkRaw, cut4(whole, i, piece{0, 512}), 0, 0, &p)
		if c := ps.Parse(linkRaw, cut4(whole, i, piece{512, 1024}), 0, 0, &p); c != OK {
			t.Fatal(c)
		}
		if i == 0 {
			first = p
		}
	}
	if !bytes.Equal(first.Segment, a) {
		t.Error("a later datagram has overwritten an earlier one")
	}
}

func TestFragmentsMalformed(t *testing.T) {
	for name, s := range map[string]string{
		"length no multiple of 8": "4500 001d 0001 2000 4006 0000 0a000001 0a000002 010203040506070809",
		"empty":                   "4500 0014 0001 2000 4006 0000 0a000001 0a000002",
		"past 65535":              "4500 001c 0001 1fff 4006 0000 0a000001 0a000002 0102030405060708",
		"IPv6, empty":             v6(protoFragment, "0600 0001 00000001"),
		"IPv6, past 65535":        v6(protoFragment, "0600 fff8 00000001 0102030405060708"),
	} {
		var ps Parser
		var p Packet
		b := unhex(t, s)
		if c := ps.Parse(linkRaw, b, uint32(len(b)), 0, &p); c != BadFragment || ps.Unfinished() != 0 {
			t.Errorf("%s: got %v, %d unfinished", name, c, ps.Unfinished())
		}
	}
	// RFC 6946: a fragment header on a packet that is not split.
	var ps Parser
	var p Packet
	b := unhex(t, v6(protoFragment, "3c00 0000 00000001 0600 010400000000"+tcpData))
	if c := ps.Parse(linkRaw, b, uint32(len(b)), 0, &p); c != OK || flow(&p) != inner6 || p.Fragments != 0 {
		t.Errorf("atomic fragment: got %v, %s", c, flow(&p))
	}
}

// The extension headers behind the fragment header belong to the datagram, and
// so does a tunnel.
func TestFragmentsInside(t *testing.T) {
	inside := unhex(t, "0600 010400000000"+tcpData)
	part := func(off, to int) []byte {
		more := 1
		if to == len(inside) {
			more = 0
		}
		return unhex(t, v6(protoFragment, "3c00"+hex16(off|more)+"00000001"+hex.EncodeToString(inside[off:to])))
	}
	var ps Parser
	var p Packet
	if c := ps.Parse(linkRaw, part(16, len(inside)), 0, 0, &p); c != Fragment {
		t.Fatal(c)
	}
	if c := ps.Parse(linkRaw, part(0, 16), 0, 0, &p); c != OK || flow(&p) != inner6 || string(p.Payload()) != "paye" {
		t.Errorf("got %v, %s", c, flow(&p))
	}

	tunnel := unhex(t, "0000 0800"+v4(ProtoTCP, tcpData))
	for i, f := range []piece{{0, 32}, {32, 48}} {
		b := cut4(tunnel, 9, f)
		b[9] = protoGRE
		frame := append(unhex(t, macs+"0800"), b...)
		c := ps.Parse(linkEthernet, frame, uint32(len(frame)), 0, &p)
		if want := []Cause{Fragment, OK}[i]; c != want {
			t.Fatalf("got %v, want %v", c, want)
		}
	}
	if flow(&p) != inner4 || p.Tunnels != 1 || p.Fragments != 2 {
		t.Errorf("got %s, %d tunnels, %d fragments", flow(&p), p.Tunnels, p.Fragments)
	}
}

func TestFragmentsTimeout(t *testing.T) {
	whole := segment(t, 1004)
	first, second := cut4(whole, 1, piece{0, 512}), cut4(whole, 1, piece{512, 1024})
	for _, tt := range []struct {
		timeout, wait time.Duration
		want          Cause
		unfinished    int64
	}{
		{0, 30 * time.Second, OK, 0},
		{0, 31 * time.Second, Fragment, 2},
		{time.Second, 2 * time.Second, Fragment, 2},
		{time.Second, -2 * time.Second, OK, 0}, // the clock was set
	} {
		ps := Parser{FragmentTimeout: tt.timeout}
		var p Packet
		start := int64(1e18)
		ps.Parse(linkRaw, first, 0, start, &p)
		if c := ps.Parse(linkRaw, second, 0, start+int64(tt.wait), &p); c != tt.want || ps.Unfinished() != tt.unfinished {
			t.Errorf("timeout %v, after %v: got %v, %d unfinished; want %v, %d", tt.timeout, tt.wait, c, ps.Unfinished(), tt.want, tt.unfinished)
		}
	}
}

// However many datagrams are opened, memory stays bounded, every packet is
// counted, and the newest datagrams are still put together.
func TestFragmentsBounded(t *testing.T) {
	for _, ps := range []*Parser{{}, {MaxDatagrams: 10}, {MaxFragmentBytes: 200_000}, {MaxFragmentBytes: 1}} {
		maxBytes, maxDatagrams := orDefault(ps.MaxFragmentBytes, 4<<20), orDefault(ps.MaxDatagrams, 1024)
		payload := make([]byte, 65000)
		rnd := rand.New(rand.NewPCG(1, 2))
		var p Packet
		const n = 20_000
		fragments, completed := int64(0), int64(0)
		for i := range n {
			from := rnd.IntN(8000) * 8
			f := piece{from, min(from+8+rnd.IntN(3)*8, len(payload))}
			switch c := ps.Parse(linkRaw, cut4(payload, i/2&0xffff, f), 0, int64(i), &p); c {
			case Fragment:
				fragments++
			default:
				t.Fatal(c)
			}
			if ps.frags.bytes > maxBytes || len(ps.frags.table) > maxDatagrams || len(ps.frags.spare) > maxSpare {
				t.Fatalf("%d bytes, %d datagrams, %d spare", ps.frags.bytes, len(ps.frags.table), len(ps.frags.spare))
			}
		}
		if maxBytes > 1 {
			whole := segment(t, 1004)
			ps.Parse(linkRaw, cut4(whole, 1, piece{0, 512}), 0, n, &p)
			if c := ps.Parse(linkRaw, cut4(whole, 1, piece{512, 1024}), 0, n, &p); c == OK {
				completed++
			}
		}
		if want := min(int64(maxBytes-1), 1); completed != want {
			t.Errorf("%d bytes, %d datagrams: %d completed, want %d", maxBytes, maxDatagrams, completed, want)
		}
		if got := ps.Unfinished(); got != fragments {
			t.Errorf("%d bytes, %d datagrams: %d unfinished, want %d", maxBytes, maxDatagrams, got, fragments)
		}
		sum, count := 0, 0
		for d := ps.frags.oldest; d != nil; d = d.next {
			sum += cap(d.buf)
			count++
		}
		if sum != ps.frags.bytes || count != len(ps.frags.table) {
			t.Errorf("%d bytes in %d datagrams, but %d and %d are noted", sum, count, ps.frags.bytes, len(ps.frags.table))
		}
	}
}

// A flood of fragments does not take new memory for each.
func TestFragmentsFlood(t *testing.T) {
	payload := make([]byte, 65000)
	var packets [][]byte
	for id := range 10_000 {
		packets = append(packets, cut4(payload, id, piece{64000, 64008}))
	}
	var ps Parser
	var p Packet
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	for _, b := range packets {
		ps.Parse(linkRaw, b, 0, 0, &p)
	}
	runtime.ReadMemStats(&after)
	if n := after.TotalAlloc - before.TotalAlloc; n > 32<<20 {
		t.Errorf("%d bytes allocated for %d fragments", n, len(packets))
	}
}

// Any cutting and any order give the datagram back.
func FuzzFragments(f *testing.F) {
	f.Add(uint64(1), uint16(1000))
	f.Add(uint64(7), uint16(8))
	f.Fuzz(func(t *testing.T, seed uint64, size uint16) {
		rnd := rand.New(rand.NewPCG(seed, 1))
		whole := segment(t, int(size)%3000+8)
		var pieces []piece
		for at := 0; at < len(whole); {
			n := min((1+rnd.IntN(40))*8, len(whole)-at)
			pieces = append(pieces, piece{at, at + n})
			at += n
		}
		for range rnd.IntN(3) { // some come twice
			pieces = append(pieces, pieces[rnd.IntN(len(pieces))])
		}
		rnd.Shuffle(len(pieces), func(i, j int) { pieces[i], pieces[j] = pieces[j], pieces[i] })
		if len(pieces) == 1 {
			return
		}
		for _, cut := range []func([]byte, int, piece) []byte{cut4, cut6} {
			var ps Parser
			var p Packet
			done := 0
			for _, f := range pieces {
				if c := ps.Parse(linkRaw, cut(whole, 1, f), 0, 0, &p); c == OK {
					done++
					if !bytes.Equal(p.Segment, whole) {
						t.Fatal("the datagram came out differently")
					}
				} else if c != Fragment {
					t.Fatal(c)
				}
			}
			if done == 0 {
				t.Fatalf("not put together from %v", pieces)
			}
		}
	})
}
