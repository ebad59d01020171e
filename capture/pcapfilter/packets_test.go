package pcapfilter

import (
	"encoding/binary"
	"math/rand/v2"
)

// A maker makes packets out of few different parts, so that expressions out of
// the same parts find some.
type maker struct{ *rand.Rand }

func newMaker(seed uint64) *maker { return &maker{rand.New(rand.NewPCG(seed, 1))} }

func pick[T any](m *maker, list ...T) T { return list[m.IntN(len(list))] }

func (m *maker) one(in int) bool { return m.IntN(in) == 0 }

func (m *maker) bytes(n int) []byte {
	b := make([]byte, n)
	for i := range b {
		b[i] = byte(m.Uint32())
	}
	return b
}

var (
	testIP4s  = []string{"\x0a\x00\x00\x01", "\x0a\x00\x00\x02", "\xc0\xa8\x01\x05", "\xe0\x00\x00\x05", "\xff\xff\xff\xff", "\x00\x00\x00\x00", "\x0a\x01\x02\x03", "\x7f\x00\x00\x01"}
	testIP6s  = []string{"\x20\x01\x0d\xb8\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x01", "\x20\x01\x0d\xb8\x00\x00\x00\x01\x00\x00\x00\x00\x00\x00\x00\x02", "\xfe\x80\x00\x00\x00\x00\x00\x00\x02\x00\x00\xff\xfe\x00\x00\x01", "\xff\x02\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x01", "\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x01"}
	testMACs  = []string{"\x02\x00\x00\x00\x00\x01", "\x02\x00\x00\x00\x00\x02", "\xff\xff\xff\xff\xff\xff", "\x01\x00\x5e\x00\x00\x05", "\x33\x33\x00\x00\x00\x01"}
	testPorts = []uint16{80, 443, 53, 22, 8765, 6081, 1024, 6000, 0}
)

func (m *maker) port() []byte { return be16(pick(m, testPorts...)) }

func be16(n uint16) []byte { return binary.BigEndian.AppendUint16(nil, n) }

func concat(parts ...[]byte) []byte {
	var out []byte
	for _, p := range parts {
		out = append(out, p...)
	}
	return out
}

// transport makes what follows an IP header that says proto.
func (m *maker) transport(proto byte, depth int) []byte {
	switch proto {
	case 6:
		return concat(m.port(), m.port(), m.bytes(8), []byte{pick[byte](m, 0x50, 0x60, 0x80), pick[byte](m, 2, 0x12, 0x10, 0x18, 0x11, 4, 0xc2)}, m.bytes(6+m.IntN(40)))
	case 17:
		if depth < 2 && m.one(4) {
			return concat(m.port(), be16(6081), m.bytes(4), m.geneve(depth+1))
		}
		return concat(m.port(), m.port(), m.bytes(4+m.IntN(40)))
	case 132:
		return concat(m.port(), m.port(), m.bytes(8+m.IntN(16)))
	case 1:
		return concat([]byte{pick[byte](m, 0, 8, 3, 11), pick[byte](m, 0, 1, 3)}, m.bytes(6+m.IntN(20)))
	case 58:
		return concat([]byte{pick[byte](m, 128, 129, 134, 135, 1), 0}, m.bytes(6+m.IntN(20)))
	}
	return m.bytes(m.IntN(40))
}

func (m *maker) geneve(depth int) []byte {
	options := m.IntN(3)
	head := concat([]byte{byte(options) | pick[byte](m, 0, 0, 0, 0x40), 0})
	rest := concat([]byte{0, 0, pick[byte](m, 5, 6)}, []byte{0}, m.bytes(4*options))
	if m.one(3) {
		typ, payload := m.network(depth)
		return concat(head, be16(typ), rest, payload)
	}
	return concat(head, be16(0x6558), rest, m.ethernet(depth))
}

func (m *maker) ip4(depth int) []byte {
	proto := pick[byte](m, 6, 6, 6, 17, 17, 132, 1, 2, 50, 51, 112, 103, 9, 47)
	options := pick(m, 0, 0, 0, 0, 4, 8, 40)
	frag := pick[uint16](m, 0, 0, 0, 0x4000, 0x2000, 0x2010, 0x0001, 0x1fff)
	payload := m.transport(proto, depth)
	head := concat([]byte{0x40 | byte(5+options/4), pick[byte](m, 0, 0x10)}, be16(uint16(20+options+len(payload))), m.bytes(2), be16(frag),
		[]byte{pick[byte](m, 1, 64, 255), proto}, m.bytes(2), []byte(pick(m, testIP4s...)), []byte(pick(m, testIP4s...)), m.bytes(options))
	return concat(head, payload)
}

func (m *maker) ip6(depth int) []byte {
	proto := pick[byte](m, 6, 6, 17, 17, 58, 132, 50, 51, 103)
	payload := m.transport(proto, depth)
	next := proto
	for m.one(4) {
		kind := pick[byte](m, 0, 44, 60, 43)
		payload = concat([]byte{next, 0, 0, pick[byte](m, 0, 1, 8)}, m.bytes(4), payload)
		next = kind
	}
	return concat([]byte{0x60, 0, 0, 0}, be16(uint16(len(payload))), []byte{next, 64}, []byte(pick(m, testIP6s...)), []byte(pick(m, testIP6s...)), payload)
}

// network makes a packet of the network layer and says its Ethernet type.
func (m *maker) network(depth int) (uint16, []byte) {
	switch m.IntN(14) {
	case 0, 1, 2, 3:
		return 0x0800, m.ip4(depth)
	case 4, 5, 6, 7:
		return 0x86dd, m.ip6(depth)
	case 8:
		body := concat(be16(1), be16(0x0800), []byte{6, 4, 0, pick[byte](m, 1, 2)}, []byte(pick(m, testMACs...)), []byte(pick(m, testIP4s...)), []byte(pick(m, testMACs...)), []byte(pick(m, testIP4s...)))
		return pick[uint16](m, 0x0806, 0x0806, 0x8035), body
	case 9:
		if depth > 2 {
			break
		}
		typ, payload := m.network(depth + 1)
		return pick[uint16](m, 0x8100, 0x8100, 0x88a8, 0x9100), concat(be16(pick[uint16](m, 5, 6, 0x6005, 0x0fff, 0)), be16(typ), payload)
	case 10:
		var payload []byte
		if m.one(2) {
			payload = m.ip4(depth + 1)
		} else {
			payload = m.ip6(depth + 1)
		}
		last := byte(1)
		for range 1 + m.IntN(3) {
			label := pick[uint16](m, 3, 16, 1000)
			payload = concat(be16(label>>4), []byte{byte(label<<4) | last, 64}, payload)
			last = 0
		}
		return 0x8847, payload
	case 11:
		if m.one(4) {
			return 0x8863, concat([]byte{0x11, 9, 0, 0, 0, 4}, m.bytes(8))
		}
		proto, payload := pick[uint16](m, 0x21, 0x57, 0x281, 0xc021), m.bytes(20)
		switch proto {
		case 0x21:
			payload = m.ip4(depth + 1)
		case 0x57:
			payload = m.ip6(depth + 1)
		case 0x281:
			payload = concat([]byte{0, 0x3, byte(0x1), 64}, m.ip4(depth+1))
		}
		return 0x8864, concat([]byte{0x11, 0}, be16(pick[uint16](m, 5, 39)), be16(uint16(len(payload)+2)), be16(proto), payload)
	case 12: // DECnet
		head := pick[byte](m, 0x02, 0x06, 0x26)
		body := concat([]byte{head}, m.addrDN(), m.addrDN(), m.bytes(2), m.addrDN(), m.bytes(6), m.addrDN(), m.bytes(6))
		if m.one(2) {
			body = concat([]byte{0x81}, body)
		}
		return 0x6003, concat([]byte{byte(len(body)), 0}, body)
	}
	return pick[uint16](m, 0x88cc, 0x809b, 0x80f3, 0x8137, 0x6004, 0x6002, 0x6001, 0x6007, 0x9000, 0x1234, 0x0600), m.bytes(m.IntN(50))
}

func (m *maker) addrDN() []byte { return pick(m, []byte{0x7b, 0x28}, []byte{2, 4}, []byte{9, 9}) }

// llc makes an 802.2 frame.
func (m *maker) llc(depth int) []byte {
	switch m.IntN(8) {
	case 0, 1, 2:
		typ, payload := m.network(depth)
		return concat([]byte{0xaa, 0xaa, 3, 0, 0, 0}, be16(typ), payload)
	case 3:
		return concat([]byte{0xaa, 0xaa, 3, 8, 0, 7, 0x80, 0x9b}, m.bytes(20))
	case 4:
		return concat([]byte{0xfe, 0xfe, 3, pick[byte](m, 0x81, 0x82, 0x83, 0x83, 0x83), 0x1b, 1, 0, pick[byte](m, 15, 16, 17, 18, 20, 24, 25, 26, 27)}, m.bytes(20))
	case 5:
		return concat([]byte{0x42, 0x42, 3}, m.bytes(20))
	case 6:
		return concat([]byte{0xff, 0xff}, m.bytes(20))
	}
	sap := pick[byte](m, 0xe0, 0xf0, 0x06, 0x05, 0x98)
	return concat([]byte{sap, sap, pick[byte](m, 0, 1, 5, 9, 3, 0x13, 0x63, 0x43, 0x0f, 0x6f, 0xe3, 0xaf, 0x87)}, m.bytes(m.IntN(20)))
}

func (m *maker) ethernet(depth int) []byte {
	head := concat([]byte(pick(m, testMACs...)), []byte(pick(m, testMACs...)))
	if m.one(8) {
		body := m.llc(depth)
		return concat(head, be16(uint16(len(body))), body)
	}
	typ, payload := m.network(depth)
	return concat(head, be16(typ), payload)
}

func (m *maker) wlan() []byte {
	kind := pick[byte](m, 0x08, 0x08, 0x08, 0x88, 0x88, 0x80, 0x00, 0x40, 0xd4, 0xc4, 0xb4, 0xa4, 0x48, 0xc8, 0x0c)
	flags := byte(m.IntN(4)) | pick[byte](m, 0, 0x40)
	head := []byte{kind, flags, 0, 0}
	for range 3 {
		head = concat(head, []byte(pick(m, testMACs...)))
	}
	head = concat(head, m.bytes(2))
	if flags&3 == 3 && m.one(2) {
		head = concat(head, []byte(pick(m, testMACs...)))
	}
	if kind&0x8c == 0x88 {
		head = concat(head, m.bytes(2))
	}
	return concat(head, m.llc(0))
}

// pppTypes says what PPP calls Ethernet types.
var pppTypes = map[uint16]uint16{0x0800: 0x21, 0x86dd: 0x57, 0x8847: 0x281, 0x6003: 0x27, 0x809b: 0x29, 0x8137: 0x2b}

// packet makes a packet of a link type.
func (m *maker) packet(link uint16) (data []byte, wire uint32) {
	typ, payload := m.network(0)
	ppp := typ
	if n, ok := pppTypes[typ]; ok {
		ppp = n
	}
	family := uint32(7)
	switch typ {
	case 0x0800:
		family = 2
	case 0x86dd:
		family = pick[uint32](m, 30, 24, 28, 10)
	}
	switch link {
	case 0, 109:
		data = binary.LittleEndian.AppendUint32(nil, family)
		if link == 109 {
			data = concat(data, m.bytes(8))
		}
		data = concat(data, payload)
	case 108:
		data = concat(binary.BigEndian.AppendUint32(nil, family), payload)
	case 1:
		data = m.ethernet(0)
	case 240:
		data = concat(m.bytes(4), m.ethernet(0))
	case 6:
		data = concat(m.bytes(2), []byte(pick(m, testMACs...)), []byte(pick(m, testMACs...)), m.llc(0))
	case 7:
		data = concat([]byte{pick[byte](m, 0, 1), pick[byte](m, 0, 2), pick[byte](m, 0xd4, 0xf0, 0xc4, 0xd5, 0xf1, 0xd6, 0xdd, 1)}, m.bytes(3), payload)
	case 129:
		data = concat([]byte{pick[byte](m, 0, 1), pick[byte](m, 0, 2), 0, 0, pick[byte](m, 0xd4, 0xf0, 0xc4, 0xd5, 0xf1, 0xd6, 0xdd, 1)}, m.bytes(3), payload)
	case 8:
		data = concat([]byte{pick[byte](m, 0, 1, 0x40, 0x60)}, m.bytes(15), payload)
	case 9, 50, 166:
		data = concat([]byte{pick[byte](m, 0xff, 0, 1), 3}, be16(ppp), payload)
	case 51:
		data = concat(m.bytes(6), be16(ppp), payload)
	case 10:
		data = concat(m.bytes(1), []byte(pick(m, testMACs...)), []byte(pick(m, testMACs...)), m.llc(0))
	case 101, 12, 14, 228, 229, 114:
		data = payload
		if m.one(3) {
			data = m.ip4(0)
		}
	case 100, 106:
		data = m.llc(0)
	case 104:
		if m.one(6) {
			data = concat([]byte{0x0f, 0, 0xfe, 0xfe, 3, pick[byte](m, 0x81, 0x82, 0x83), 0x1b, 1, 0, pick[byte](m, 15, 18, 20, 26)}, m.bytes(10))
			break
		}
		data = concat([]byte{0x0f, 0}, be16(typ), payload)
	case 107:
		data = concat(m.bytes(2), be16(pick[uint16](m, 0x03cc, 0x038e, 0x0381, 0x0383, 0x0300)), payload)
		if m.one(2) {
			copy(data, m.ip4(0)) // where libpcap looks for IP
			copy(data[2:], be16(pick[uint16](m, 0x03cc, 0x038e)))
		}
	case 105:
		data = m.wlan()
	case 127:
		frame := m.wlan()
		present := pick[uint32](m, 0, 1, 2, 3, 3)
		head := binary.LittleEndian.AppendUint32([]byte{0, 0, 0, 0}, present)
		if present&1 != 0 {
			head = concat(head, m.bytes(8))
		}
		if present&2 != 0 {
			head = append(head, pick[byte](m, 0, 0x20, 0x10))
		}
		head = concat(head, m.bytes(m.IntN(6)))
		head[2] = byte(len(head))
		data = concat(head, frame)
	case 119:
		if m.one(2) {
			data = concat([]byte{0x80, 0x21, 0x10, 0x01, 0, 0, 0, 64}, m.bytes(56), m.wlan())
		} else {
			data = concat([]byte{0, 0, 0, 0x44}, m.bytes(140), m.wlan())
		}
	case 163:
		data = concat([]byte{0x80, 0x21, 0x10, 0x01, 0, 0, 0, 64}, m.bytes(56), m.wlan())
	case 192:
		data = concat([]byte{0, 0, 8, 0, pick[byte](m, 0x69, 0x69, 1), 0, 0, 0}, m.wlan())
	case 113:
		proto := typ
		if m.one(8) {
			proto, payload = 4, m.llc(0)
		} else if m.one(20) {
			proto = 1
		}
		data = concat(be16(uint16(m.IntN(5))), be16(1), be16(6), []byte(pick(m, testMACs...)), m.bytes(2), be16(proto), payload)
	case 276:
		data = concat(be16(typ), m.bytes(2), binary.BigEndian.AppendUint32(nil, uint32(1+m.IntN(3))), be16(1), []byte{byte(m.IntN(5)), 6}, []byte(pick(m, testMACs...)), m.bytes(2), payload)
	case 122:
		data = concat(m.bytes(2), []byte(pick(m, testMACs...)), m.bytes(2), []byte(pick(m, testMACs...)), m.llc(0))
	case 138:
		data = concat(m.bytes(16), be16(typ), payload)
	case 226:
		data = concat([]byte{1, pick[byte](m, 2, 26)}, be16(pick[uint16](m, 1, 2, 3)), m.bytes(20), payload)
	default:
		data = m.bytes(m.IntN(100))
	}
	wire = uint32(len(data))
	switch m.IntN(10) {
	case 0:
		data = data[:m.IntN(len(data)+1)]
	case 1:
		data = data[:min(len(data), 14+m.IntN(60))]
	case 2:
		if len(data) > 0 {
			data[m.IntN(len(data))] ^= byte(1 << m.IntN(8))
		}
	}
	return data, wire
}
