package pcapfilter

import "testing"

func benchPackets() (tcp4, tcp6, other []byte) {
	m := newMaker(9)
	tcp4 = concat(make([]byte, 12), be16(0x0800), []byte{0x45, 0, 0, 60, 0, 0, 0x40, 0, 64, 6, 0, 0, 10, 0, 0, 1, 10, 0, 0, 2}, be16(51000), be16(8765), m.bytes(36))
	tcp6 = concat(make([]byte, 12), be16(0x86dd), []byte{0x60, 0, 0, 0, 0, 40, 6, 64}, make([]byte, 32), be16(51000), be16(8765), m.bytes(36))
	other = concat(make([]byte, 12), be16(0x0800), []byte{0x45, 0, 0, 60, 0, 0, 0x40, 0, 64, 6, 0, 0, 10, 0, 0, 1, 10, 0, 0, 2}, be16(51000), be16(443), m.bytes(36))
	return
}

func BenchmarkMatch(b *testing.B) {
	tcp4, tcp6, other := benchPackets()
	for _, expr := range []string{"tcp port 8765", "tcp port 8765 and host 10.0.0.1", "tcp[tcpflags] & (tcp-syn|tcp-fin) != 0", "port 80 or 443 or 8080 or 8765", "greater 100"} {
		p, err := Compile(expr, Config{Link: 1})
		if err != nil {
			b.Fatal(err)
		}
		for _, pk := range []struct {
			name string
			data []byte
		}{{"ip4", tcp4}, {"ip6", tcp6}, {"other", other}} {
			b.Run(expr+"/"+pk.name, func(b *testing.B) {
				b.ReportAllocs()
				for b.Loop() {
					p.Match(pk.data, uint32(len(pk.data)))
				}
			})
		}
	}
}

func BenchmarkCompile(b *testing.B) {
	b.ReportAllocs()
	for b.Loop() {
		if _, err := Compile("tcp port 8765 and host 10.0.0.1", Config{Link: 1}); err != nil {
			b.Fatal(err)
		}
	}
}
