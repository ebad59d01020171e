package pcapfilter

import (
	"encoding/binary"
	"os/exec"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// liveExpressions are what live programs are compared with.
var liveExpressions = []string{
	"ip", "ip6", "arp", "rarp", "tcp", "udp", "icmp6", "not ip", "port 80", "tcp port 80 or 443", "host 10.0.0.1",
	"src host 10.0.0.1 and not port 22", "host ::1", "net 2001:db8::/32", "tcp[tcpflags] & tcp-syn != 0", "ip[8] < 65", "ip6[6] = 6",
	"icmp6[0] = 128", "portrange 22-443", "ip multicast", "ip6 multicast", "ether proto 0x88cc", "ether proto 4", "ether proto 1",
	"inbound", "outbound", "ifindex 3", "not inbound and tcp", "pppoes and ip", "pppoes 5 and tcp", "pppoed", "decnet host 10.123",
	"iso", "stp", "ipx", "netbeui", "ip broadcast", "ip proto 17", "proto 44", "tcp or not tcp", "geneve and ip", "geneve 5 and tcp port 80",
	"geneve and ether host 02:00:00:00:00:01", "tcp[((tcp[12]&0xf0)>>2):2] > 1000", "1 << ip[1] > 5", "len > 60 and tcp", "less 80", "greater 90 or arp",
}

// etherExpressions are for Ethernet too.
var etherExpressions = []string{
	"vlan", "vlan 5", "not vlan", "not vlan 5", "vlan and ip", "vlan 5 and tcp port 80", "vlan and vlan", "vlan 5 and vlan 6 and ip6",
	"vlan or ip", "ip or vlan", "ip and vlan", "tcp port 80 or (vlan and tcp port 80)", "not vlan and ip", "vlan and not tcp", "vlan 5 or vlan 6",
	"(vlan 5 and ip) or ip6", "vlan and host 10.0.0.1", "vlan and ip[0] = 69", "vlan and mpls and ip", "vlan and pppoes and ip6", "vlan 5 and ether host 02:00:00:00:00:01",
	"ether[12:2] = 0x8100", "ether[0] & 1 = 1 and vlan", "vlan and inbound", "mpls", "mpls 3 and ip", "llc", "llc ui", "broadcast", "multicast",
	"ether host 02:00:00:00:00:01", "ether src or dst ff:ff:ff:ff:ff:ff", "vlan 4095", "vlan and llc", "vlan and iso",
}

// stripped is an Ethernet frame as the kernel has it: without its outermost tag.
func stripped(frame []byte) ([]byte, *outside) {
	o := &outside{hardware: 1, index: 3}
	data := frame
	if len(frame) >= 18 {
		if typ := binary.BigEndian.Uint16(frame[12:]); typ == typeVLAN || typ == typeQinQ {
			o.tagged, o.tag = 1, uint32(binary.BigEndian.Uint16(frame[14:]))
			data = slices.Concat(frame[:12], frame[16:])
		}
	}
	if len(data) >= 16 {
		switch typ := uint32(binary.BigEndian.Uint16(data[12:])); {
		case typ >= 0x600:
			o.protocol = typ
		case data[14] == 0xff && data[15] == 0xff:
			o.protocol = 1
		default:
			o.protocol = 4
		}
	}
	return data, o
}

// A program of tcpdump's for what it captures on lo is run beside ours, on
// packets as the kernel would show them.
func TestLiveRaw(t *testing.T) {
	if out, err := exec.Command("tcpdump", "-i", "lo", "-ddd", "ip").CombinedOutput(); err != nil {
		t.Skipf("tcpdump -i needs CAP_NET_RAW: %s", out)
	}
	s := generated(1, 21, 3000)
	exprs := slices.Concat(etherExpressions, liveExpressions)
	if testing.Short() {
		exprs = exprs[:40]
	}
	m := newMaker(21)
	for range 60 {
		exprs = append(exprs, closed(m.expression(2)))
	}
	for _, expr := range exprs {
		p, err := Compile(expr, Config{Link: 1, Live: LiveRaw})
		out, refused := exec.Command("tcpdump", "-i", "lo", "-ddd", "--", expr).CombinedOutput()
		if refused != nil || err != nil {
			if slices.Contains(liveExpressions, expr) || slices.Contains(etherExpressions, expr) {
				t.Errorf("%q: %v, tcpdump: %s", expr, err, out)
			}
			continue
		}
		if err := check(p.code); err != nil {
			t.Errorf("%q: %v", expr, err)
		}
		steps, _ := decode(parseDump(t, string(out)))
		plain, err := build(expr, Config{Link: 1, Live: LiveRaw}, false)
		if err != nil {
			t.Fatal(err)
		}
		for i, pk := range s.packets {
			data, known := stripped(pk.data)
			known.kind = uint32(i % 5)
			wire := pk.wire - uint32(len(pk.data)-len(data))
			got := p.run(data, wire, known)
			want := run(&steps[0], data, wire, new([memory]uint32), known)
			if (got == accepted) != (want == accepted) && plain.run(data, wire, known) != failed {
				t.Errorf("%q: packet %d: tcpdump's program says %v, ours %v: %+v %x", expr, i, want, got, *known, data)
				break
			}
		}
	}
}

// parseDump reads what tcpdump -ddd prints.
func parseDump(t *testing.T, text string) []Instruction {
	var code []Instruction
	for i, line := range strings.Split(strings.TrimSpace(text), "\n") {
		if i == 0 {
			continue
		}
		var n [4]uint64
		for j, f := range strings.Fields(line) {
			var err error
			if n[j], err = strconv.ParseUint(f, 10, 32); err != nil {
				t.Fatal(err)
			}
		}
		code = append(code, Instruction{uint16(n[0]), uint8(n[1]), uint8(n[2]), uint32(n[3])})
	}
	return code
}

// A program for a socket that sees no link layer selects what the program for
// files selects of the same packets with the header that the file has.
func TestLiveCooked(t *testing.T) {
	s := generated(1, 22, 3000)
	for _, expr := range liveExpressions {
		live, err := Compile(expr, Config{Link: 276, Live: LiveCooked})
		if err != nil {
			t.Errorf("%q: %v", expr, err)
			continue
		}
		if err := check(live.code); err != nil {
			t.Errorf("%q: %v", expr, err)
		}
		file, err := Compile(expr, Config{Link: 276})
		if err != nil {
			t.Errorf("%q: %v", expr, err)
			continue
		}
		some := false
		for i, pk := range s.packets {
			data, known := stripped(pk.data)
			known.kind = uint32(i % 5)
			payload := data[min(len(data), 14):]
			wire := pk.wire - uint32(len(pk.data)-len(payload))
			cooked := slices.Concat(be16(uint16(known.protocol)), []byte{0, 0, 0, 0, 0, byte(known.index)}, be16(1), []byte{byte(known.kind), 6}, make([]byte, 8), payload)
			got, want := live.run(payload, wire, known), file.Match(cooked, wire+20)
			if (got == accepted) != want {
				t.Errorf("%q: packet %d: file %v, live %v: %+v %x", expr, i, want, got, *known, payload)
				break
			}
			some = some || want
		}
		if !some {
			t.Logf("%q selects nothing", expr)
		}
	}
	for _, expr := range []string{"vlan", "mpls", "ether[0] = 1", "ether host 02:00:00:00:00:01", "broadcast", "llc", "link[12:2] = 5"} {
		if _, err := Compile(expr, Config{Link: 276, Live: LiveCooked}); err == nil {
			t.Errorf("%q is compiled", expr)
		}
	}
	if _, err := Compile("ip", Config{Link: 1, Live: LiveCooked}); err == nil {
		t.Error("cooked packets of Ethernet are compiled for")
	}
}

func itoa(n int) string { return strconv.Itoa(n) }
