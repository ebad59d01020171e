package flow_test

import (
	"encoding/binary"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"testing"

	"framescope/capture/pcapfile"
	"framescope/decode/flow"
	"framescope/decode/record"
)

// A post makes packets of IPv4 without a link layer.
type post struct{ packets []pcapfile.Packet }

// ip adds a packet; time is in milliseconds.
func (p *post) ip(ms int64, proto byte, src, dst string, payload []byte) {
	a, b := netip.MustParseAddr(src), netip.MustParseAddr(dst)
	h := make([]byte, 20, 20+len(payload))
	h[0], h[8], h[9] = 0x45, 1, proto
	binary.BigEndian.PutUint16(h[2:], uint16(20+len(payload)))
	copy(h[12:], a.AsSlice())
	copy(h[16:], b.AsSlice())
	data := append(h, payload...)
	p.packets = append(p.packets, pcapfile.Packet{Data: data, Wire: uint32(len(data)), Link: 101, Number: int64(len(p.packets) + 1), Time: 1e18 + ms*1e6})
}

// udp adds a datagram.
func (p *post) udp(ms int64, from, to string, payload string) {
	a, b := netip.MustParseAddrPort(from), netip.MustParseAddrPort(to)
	h := binary.BigEndian.AppendUint16(nil, a.Port())
	h = binary.BigEndian.AppendUint16(h, b.Port())
	h = binary.BigEndian.AppendUint16(h, uint16(8+len(payload)))
	p.ip(ms, 17, a.Addr().String(), b.Addr().String(), append(append(h, 0, 0), payload...))
}

const (
	question = "\x12\x34\x01\x00\x00\x01\x00\x00\x00\x00\x00\x00\x07example\x03org\x00\x00\x01\x00\x01"
	response = "\x12\x34\x81\x80\x00\x01\x00\x01\x00\x00\x00\x00\x07example\x03org\x00\x00\x01\x00\x01\xc0\x0c\x00\x01\x00\x01\x00\x00\x00\x10\x00\x04\x0a\x00\x00\x01"
)

// brief describes conn records in words.
func brief(r *result) (out []string) {
	for _, c := range r.of("conn", "") {
		s := fmt.Sprintf("%v %s %s %v:%v>%v:%v %v/%v", c["conn"], text(get(c, "network", "transport")), text(get(c, "network", "protocol")),
			get(c, "source", "ip"), get(c, "source", "port"), get(c, "destination", "ip"), get(c, "destination", "port"),
			get(c, "source", "packets"), get(c, "destination", "packets"))
		if m, ok := c["multicast"].(map[string]any); ok {
			s += fmt.Sprintf(" %v", m["name"])
			for _, k := range []string{"joined", "left", "queries", "mode", "sources"} {
				if v := m[k]; v != nil {
					s += fmt.Sprintf(" %s", k)
					if k == "mode" || k == "sources" || k == "queries" {
						s += fmt.Sprintf(" %v", v)
					}
				}
			}
		}
		out = append(out, strings.ReplaceAll(s, ":<nil>", ""))
	}
	return out
}

func compare(t *testing.T, got, want []string) {
	t.Helper()
	if !slices.Equal(got, want) {
		t.Errorf("\n got %s\nwant %s", strings.Join(got, "\n     "), strings.Join(want, "\n     "))
	}
}

// A packet whose clock is wrong ends nothing; a flow that was quiet for minutes is
// another one afterwards, whatever else is captured.
func TestUDPClock(t *testing.T) {
	const year = 365 * 24 * 3600 * 1000
	var p post
	for i := range int64(20) {
		p.udp(i, "10.0.0.7:40000", "10.0.0.2:53", question)
		if i%2 == 1 {
			p.udp(year+i, "10.0.0.9:40000", "10.0.0.2:53", question)
		}
	}
	compare(t, brief(decode(t, p.packets, nil)), []string{"U1 udp dns 10.0.0.7:40000>10.0.0.2:53 20/0", "U2 udp dns 10.0.0.9:40000>10.0.0.2:53 10/0"})
	p = post{}
	for _, ms := range []int64{0, 1, 299_000, 600_000, 600_001, 950_000} {
		p.udp(ms, "10.0.0.7:40000", "10.0.0.2:53", question)
	}
	compare(t, brief(decode(t, p.packets, nil)), []string{
		"U1 udp dns 10.0.0.7:40000>10.0.0.2:53 3/0", "U2 udp dns 10.0.0.7:40000>10.0.0.2:53 2/0", "U3 udp dns 10.0.0.7:40000>10.0.0.2:53 1/0",
	})
}

func TestUDPFlows(t *testing.T) {
	var p post
	p.udp(0, "10.0.0.7:40000", "10.0.0.2:53", question)
	p.udp(1, "10.0.0.2:53", "10.0.0.7:40000", response)
	p.udp(2, "10.0.0.2:53", "10.0.0.7:40001", response) // its question was not captured
	p.udp(3, "10.0.0.7:5353", "224.0.0.251:5353", question)
	p.udp(4, "10.0.0.2:443", "10.0.0.7:40002", "\x41 short header")
	p.udp(5, "10.0.0.7:40003", "10.0.0.2:9999", "text")
	p.udp(200_000, "10.0.0.7:40003", "10.0.0.2:9999", "text")
	p.udp(700_000, "10.0.0.7:40003", "10.0.0.2:9999", "text") // after more than five minutes
	r := decode(t, p.packets, nil)
	compare(t, brief(r), []string{
		"U5 udp  10.0.0.7:40003>10.0.0.2:9999 2/0", // by its next datagram; the others at the end
		"U1 udp dns 10.0.0.7:40000>10.0.0.2:53 1/1", "U2 udp dns 10.0.0.7:40001>10.0.0.2:53 0/1", "U3 udp mdns 10.0.0.7:5353>224.0.0.251:5353 1/0 mdns",
		"U4 udp  10.0.0.7:40002>10.0.0.2:443 0/1", "U6 udp  10.0.0.7:40003>10.0.0.2:9999 1/0",
	})
	if s := r.summary; s.Flows != 6 || s.Connections != 0 || s.Evicted != 0 {
		t.Errorf("%+v", s)
	}
	c := r.of("conn", "U5")[0]
	if get(c, "tcp") != nil || get(c, "source", "stream_bytes") != nil || number(get(c, "event", "duration_ms")) != 199_995 || number(get(c, "packet", "last")) != 7 {
		t.Errorf("%v", c)
	}
}

func TestMulticastMemberships(t *testing.T) {
	igmp := func(s string) []byte { return []byte(s) }
	const mdns, ssm = "\xe0\x00\x00\xfb", "\xe8\x01\x01\x01"
	var p post
	p.ip(0, 2, "10.0.0.7", "224.0.0.251", igmp("\x16\x00\x00\x00"+mdns))
	p.ip(1, 2, "10.0.0.1", "224.0.0.1", igmp("\x11\x64\x00\x00\x00\x00\x00\x00"))
	p.ip(2, 2, "10.0.0.7", "224.0.0.251", igmp("\x16\x00\x00\x00"+mdns))
	p.ip(3, 2, "10.0.0.8", "224.0.0.22", igmp("\x22\x00\x00\x00\x00\x00\x00\x02\x04\x00\x00\x00"+mdns+"\x03\x00\x00\x01"+ssm+"\x0a\x00\x00\x09"))
	p.ip(4, 2, "10.0.0.7", "224.0.0.2", igmp("\x17\x00\x00\x00"+mdns))
	p.ip(5, 2, "10.0.0.7", "224.0.0.2", igmp("\x17\x00\x00\x00"+mdns)) // said again
	p.ip(6, 2, "10.0.0.8", "224.0.0.22", igmp("\x22\x00\x00\x00\x00\x00\x00\x01\x06\x00\x00\x01"+ssm+"\x0a\x00\x00\x09"))
	p.ip(7, 2, "10.0.0.7", "224.0.0.251", igmp("\x16\x00\x00\x00"+mdns))
	p.ip(8, 2, "10.0.0.9", "224.0.0.22", igmp("\x22\x00\x00\x00\x00\x00\xff\xff"))
	r := decode(t, p.packets, nil)
	compare(t, brief(r), []string{
		"G1 igmp igmp 10.0.0.7>224.0.0.251 3/0 mdns joined left",
		"G4 igmp igmp 10.0.0.8>232.1.1.1 2/0 <nil> joined left mode include",
		"G2 igmp igmp 10.0.0.1>224.0.0.1 1/0 all hosts queries 1",
		"G3 igmp igmp 10.0.0.8>224.0.0.251 1/0 mdns joined mode exclude",
		"G5 igmp igmp 10.0.0.7>224.0.0.251 1/0 mdns joined",
	})
	if s := r.summary.Skipped; len(s) != 1 || s[0].Cause != "malformed IGMP message" || s[0].Packets != 1 {
		t.Errorf("%+v", s)
	}
	if len(r.summary.Left) != 0 {
		t.Errorf("these are looked into: %+v", r.summary.Left)
	}
	if r.summary.Memberships != 5 {
		t.Errorf("%+v", r.summary)
	}
}

// What is read and not looked into is counted by protocol, however many there are.
func TestLeft(t *testing.T) {
	var p post
	p.ip(0, 1, "10.0.0.7", "10.0.0.8", []byte("\x08\x00\x00\x00\x00\x00\x00\x00"))
	p.ip(1, 1, "10.0.0.8", "10.0.0.7", []byte("\x00\x00\x00\x00\x00\x00\x00\x00"))
	p.udp(2, "10.0.0.7:40000", "10.0.0.2:53", question)
	ethernet := func(kind string) {
		b := []byte("\x02\x00\x00\x00\x00\x01\x02\x00\x00\x00\x00\x02" + kind + strings.Repeat("\x00", 46))
		p.packets = append(p.packets, pcapfile.Packet{Number: int64(len(p.packets) + 1), Time: 1e9, Link: 1, Wire: uint32(len(b)), Data: b})
	}
	for range 3 {
		ethernet("\x08\x06") // ARP
	}
	ethernet("\x00\x26\x42\x42\x03") // LLC of the spanning tree
	r := decode(t, p.packets, nil)
	want := []record.Left{{Protocol: "arp", Packets: 3, Bytes: 180}, {Protocol: "icmp", Packets: 2, Bytes: 56}, {Protocol: "spanning tree", Packets: 1, Bytes: 63}}
	if got := r.summary.Left; !slices.Equal(got, want) || len(r.summary.Skipped) != 0 {
		t.Errorf("%+v, %+v", got, r.summary.Skipped)
	}
	for i := range 2000 {
		ethernet(string([]byte{0xa0 + byte(i>>8), byte(i)}))
	}
	r = decode(t, p.packets, nil)
	sum := int64(0)
	for _, l := range r.summary.Left {
		sum += l.Packets
	}
	if len(r.summary.Left) != 64 || sum != 2006 {
		t.Errorf("%d protocols of %d packets", len(r.summary.Left), sum)
	}
}

// MLD comes behind a hop-by-hop header with a router alert.
func TestMLDMembership(t *testing.T) {
	report := func(change byte) []byte {
		b := make([]byte, 40, 80)
		b[0], b[5], b[7] = 0x60, 8+28, 1
		copy(b[8:], netip.MustParseAddr("fe80::7").AsSlice())
		copy(b[24:], netip.MustParseAddr("ff02::16").AsSlice())
		b = append(b, 58, 0, 5, 2, 0, 0, 1, 0)
		b = append(b, 143, 0, 0, 0, 0, 0, 0, 1, change, 0, 0, 0)
		return append(b, netip.MustParseAddr("ff02::fb").AsSlice()...)
	}
	var packets []pcapfile.Packet
	for i, change := range []byte{4, 2, 3} {
		b := report(change)
		packets = append(packets, pcapfile.Packet{Data: b, Wire: uint32(len(b)), Link: 101, Number: int64(i + 1), Time: 1e18 + int64(i)*1e9})
	}
	compare(t, brief(decode(t, packets, nil)), []string{"G1 ipv6-icmp mld fe80::7>ff02::fb 3/0 mdns joined left mode exclude"})
}

// The output with datagrams in it does not depend on the workers either.
func TestUDPWorkers(t *testing.T) {
	var p post
	for i := range int64(3000) {
		a, b := fmt.Sprintf("10.0.%d.7:40000", i%50), fmt.Sprintf("10.1.0.2:%d", 50+i%7)
		p.udp(i*700, a, b, question)
		p.udp(i*700+1, b, a, response)
	}
	want := lines(t, p.packets, -1, 1000, false, false)
	if got := lines(t, p.packets, 3, 17, true, true); !slices.Equal(got, want) {
		t.Errorf("%d records, want %d, or they differ", len(got), len(want))
	}
}

// Very many flows are held within the memory that there is: the ones that were quiet
// for longest make room, and every one of them has its record.
func TestManyUDPFlows(t *testing.T) {
	const flows = 200_000
	var p post
	p.udp(0, "10.0.0.7:40000", "10.0.0.2:9999", question)
	packet := p.packets[0]
	records := 0
	e := flow.New(flow.Config{
		MaxMemory: 64 << 20, Want: record.Of(record.TypeConn), Encoder: func() flow.Encoder { return new(encoder) },
		Output: func(*flow.Item) error { records++; return nil },
	})
	for i := range uint32(flows) {
		data := slices.Clone(packet.Data)
		binary.BigEndian.PutUint32(data[12:], 0x0b000000+i)
		packet.Data, packet.Number, packet.Time = data, int64(i+1), packet.Time+1000
		e.Packet((*flow.Packet)(&packet))
		if i%1000 == 999 {
			e.Flush(nil)
		}
	}
	sum, err := e.Close(false)
	if err != nil || sum.Flows != flows || records != flows || sum.Evicted < flows*9/10 {
		t.Errorf("%v, %d records, %+v", err, records, sum)
	}
}

// A datagram of a flow that is known costs no memory.
func TestDatagramAllocs(t *testing.T) {
	var p post
	p.udp(0, "10.0.0.7:40000", "10.0.0.2:9999", "text")
	e := flow.New(flow.Config{Workers: -1})
	for range 100 {
		e.Packet((*flow.Packet)(&p.packets[0]))
	}
	if n := testing.AllocsPerRun(1000, func() { e.Packet((*flow.Packet)(&p.packets[0])) }); n != 0 {
		t.Errorf("%v allocations", n)
	}
	e.Close(false)
}
