package pcapfilter

import (
	"errors"
	"fmt"
	"net/netip"
	"strings"
	"testing"
)

func compile(t testing.TB, expr string, c Config) *Program {
	t.Helper()
	p, err := Compile(expr, c)
	if err != nil {
		t.Fatalf("%q: %v", expr, err)
	}
	return p
}

// What is refused, and which part of it the carets are under.
func TestErrors(t *testing.T) {
	for _, test := range []struct{ expr, place, msg string }{
		{"tcp port", "", "the expression ends too early"},
		{"tcp port 80 and", "", "the expression ends too early"},
		{"tcp port 80 443", "443", "expected and, or, or the end"},
		{"tcp 80", "80", "expected and, or, or the end"},
		{"(tcp port 80", "", "the expression ends too early: expected )"},
		{"tcp)", ")", "expected and, or"},
		{"10.0.0.1", "10.0.0.1", "nothing that says what this is"},
		{"80", "80", "a number is no condition"},
		{"len + 1", "len + 1", "a number is no condition"},
		{"len > 5 and 6", "6", "nothing before it says"},
		{"(tcp port 80) or 443", "443", "nothing before it says"},
		{"TCP port 80", "TCP", "nothing that says what this is"},
		{"tcp AND udp", "AND", "expected and, or"},
		{"host sundown", "sundown", "names of hosts are not looked up"},
		{"net ucb-ether", "ucb-ether", "names of networks"},
		{"ether host sundown", "sundown", "names of hardware addresses"},
		{"port nosuch", "nosuch", "no service of this name"},
		{"udp port http", "http", "not known for udp"},
		{"port 65536", "65536", "ports go up to 65535"},
		{"portrange 1-70000", "1-70000", "ports go up to 65535"},
		{"ip proto nosuch", "nosuch", "no protocol of this name"},
		{"ip proto tcp", "tcp", "expected a name, number or address"},
		{"ip port 80", "ip port 80", "ip has no ports"},
		{"tcp host 10.0.0.1", "tcp host 10.0.0.1", "tcp has no IPv4 addresses"},
		{"ip6 host 10.0.0.1", "ip6 host 10.0.0.1", "ip6 has no IPv4 addresses"},
		{"ip host ::1", "ip host ::1", "ip has no IPv6 addresses"},
		{"host 1.2.3.4.5", "1.2.3.4.5", "names of hosts"},
		{"host 256.1.1.1", "256.1.1.1", "no IPv4 address"},
		{"host 0x10.1", "0x10.1", "no IPv4 address"},
		{"host 1::2::3", "::3", "expected and, or"},
		{"host fe80::1/64", "fe80::1/64", "bits outside of its mask"},
		{"net 10.1.1.1/16", "10.1.1.1/16", "bits outside of its mask"},
		{"net 10/8", "10/", "a network with a mask is written with dots"},
		{"net 10.0.0.0/33", "33", "expected the length of the mask"},
		{"host 10.0.0.0/8", "10.0.0.0/8", "a mask belongs to a network"},
		{"host 02:00:00:00:00:01", "host 02:00:00:00:00:01", "belongs behind ether"},
		{"ether host 10.0.0.1", "10.0.0.1", "expected a hardware address"},
		{"ether host 1:2:3:", "1:2:3:", "no hardware address"},
		{"vlan 4096", "4096", "go up to 4095"},
		{"mpls 1048576", "1048576", "go up to 1048575"},
		{"mpls and arp", "arp", "behind mpls only IPv4 and IPv6"},
		{"mpls and vlan", "vlan", "vlan behind mpls"},
		{"geneve or ip", "geneve", "even where geneve does not hold"},
		{"tcp[0:3] = 1", "3", "1, 2 or 4 bytes"},
		{"esp[0] = 1", "esp", "fields of esp are not supported"},
		{"radio[0] = 1", "radio", "no radio header"},
		{"ip[0] / 0 = 1", "/ 0", "division by 0"},
		{"ip[0] << 32 = 1", "<< 32", "shift by more than 31 bits"},
		{"link[-1] = 0", "link[-1]", "outside of any packet"},
		{"len = 08", "08", "octal"},
		{"len = 4294967296", "4294967296", "32 bits"},
		{"ip protochain 6", "protochain", "protochain is not supported"},
		{"gateway sundown", "gateway", "gateway is not supported"},
		{"inbound", "inbound", "do not say their direction"},
		{"ifindex 1", "ifindex", "interface's index"},
		{"byte 5 & 1", "&", "byte with & is not supported"},
		{"rulenum 5", "rulenum", "pf are not supported"},
		{"vci 5", "vci", "ATM are not supported"},
		{"fisu", "fisu", "SS7 are not supported"},
		{"link host $05", "$05", "ARCnet addresses"},
		{"type mgt", "type", "only for 802.11"},
		{"wlan addr1 02:00:00:00:00:01", "wlan addr1 02:00:00:00:00:01", "addr1 is only for"},
		{"ip @ 5", "@", "no meaning"},
		{"tcp \\", "\\", "expected a name behind the backslash"},
		{"link", "link", "needs something behind it"},
		{"arp broadcast", "arp broadcast", "broadcast is supported for ether and ip"},
		{"tcp multicast", "tcp multicast", "multicast is supported for"},
		{"arp proto 5", "arp", "no field for a protocol"},
		{"llc foo", "foo", "no type of 802.2 frame"},
		{"src or host 10.0.0.1", "host", "expected dst"},
		{"decnet host 70.1", "70.1", "DECnet address"},
	} {
		_, err := Compile(test.expr, Config{Link: 1})
		var e *Error
		if !errors.As(err, &e) {
			t.Errorf("%q: %v", test.expr, err)
			continue
		}
		if place := e.Expr[e.Off : e.Off+e.Len]; place != test.place || !strings.Contains(e.Msg, test.msg) || e.Expr != test.expr {
			t.Errorf("%q: %q is marked:\n%v", test.expr, place, err)
		}
	}
}

func ExampleError() {
	_, err := Compile("tcp port 8765 and hots 10.0.0.1", Config{Link: 1})
	fmt.Println(err)
	_, err = Compile("tcp prot 80", Config{Link: 1})
	fmt.Println(err)
	_, err = Compile("ip proto tcp", Config{Link: 1})
	fmt.Println(err)
	// Output:
	// offset 18: there is no service of this name; did you mean host?
	// offset 4: expected and, or, or the end of the expression; did you mean port?
	// offset 9: expected a name, number or address; the name of a protocol that is a word of the language needs a backslash: \tcp
}

func ExampleProgram_String() {
	p, _ := Compile("tcp port 8765 and host 10.0.0.1", Config{Link: 1})
	fmt.Print(p)
	// Output:
	// (000) ldh      [12]
	// (001) jeq      #0x86dd          jt 17	jf 2
	// (002) jeq      #0x800           jt 3	jf 17
	// (003) ldb      [23]
	// (004) jeq      #0x6             jt 5	jf 17
	// (005) ldh      [20]
	// (006) jset     #0x1fff          jt 17	jf 7
	// (007) ldxb     4*([14]&0xf)
	// (008) ldh      [x + 14]
	// (009) jeq      #0x223d          jt 12	jf 10
	// (010) ldh      [x + 16]
	// (011) jeq      #0x223d          jt 12	jf 17
	// (012) ld       [26]
	// (013) jeq      #0xa000001       jt 16	jf 14
	// (014) ld       [30]
	// (015) jeq      #0xa000001       jt 16	jf 17
	// (016) ret      #262144
	// (017) ret      #0
}

// Too long, too deep, too many: refused by name, not compiled for minutes.
func TestLimits(t *testing.T) {
	addresses := make([]string, 3000)
	for i := range addresses {
		addresses[i] = fmt.Sprintf("10.1.%d.%d", i/256, i%256)
	}
	for name, expr := range map[string]string{
		"long":         strings.Repeat(" ", maxExpr) + "tcp",
		"parentheses":  strings.Repeat("(", 1000) + "tcp" + strings.Repeat(")", 1000),
		"negations":    strings.Repeat("not ", 1000) + "tcp",
		"brackets":     strings.Repeat("ip[", 1000) + "0" + strings.Repeat("]", 1000) + " = 0",
		"minuses":      strings.Repeat("- ", 1000) + "1 = len",
		"numbers":      "vlan " + strings.Repeat("(", 1000) + "1" + strings.Repeat(")", 1000),
		"parts":        strings.Repeat("tcp or ", 5000) + "udp",
		"instructions": "host " + strings.Join(addresses, " or "),
		"fields":       "len = 0" + strings.Repeat(" + ip[5]", 2500),
		"to the right": strings.Repeat("len ^ ", 9000) + "len = 0",
	} {
		_, err := Compile(expr, Config{Link: 1})
		if !errors.Is(err, ErrTooLong) {
			t.Errorf("%s: %.200v", name, err)
		}
	}
}

// Jumps by more than 255 go by way of others.
func TestFarJumps(t *testing.T) {
	var ports []string
	for i := range 700 {
		ports = append(ports, fmt.Sprint(2*i+1))
	}
	expr := "tcp port " + strings.Join(ports, " or ")
	p := compile(t, expr, Config{Link: 1})
	if err := check(p.code); err != nil {
		t.Fatal(err)
	}
	if n := len(p.Instructions()); n < 1400 || n > 3200 {
		t.Errorf("%d instructions", n)
	}
	for port := range uint16(1500) {
		for _, side := range []int{0, 2} {
			pk := concat(make([]byte, 12), be16(0x0800), []byte{0x45, 0, 0, 60, 0, 0, 0x40, 0, 64, 6, 0, 0, 10, 0, 0, 1, 10, 0, 0, 2}, make([]byte, 20))
			copy(pk[34+side:], be16(port))
			if got, want := p.Match(pk, 54), port%2 == 1 && port < 1400; got != want {
				t.Fatalf("port %d: %v", port, got)
			}
		}
	}
	if !p.Match(concat(make([]byte, 12), be16(0x86dd), []byte{0x60, 0, 0, 0, 0, 20, 6, 64}, make([]byte, 32), be16(1399), make([]byte, 18)), 74) {
		t.Error("IPv6 is not found")
	}
}

func TestSnaplen(t *testing.T) {
	code := compile(t, "", Config{Link: 1, Snaplen: 128}).Instructions()
	if len(code) != 1 || code[0] != (Instruction{Op: opRet, K: 128}) {
		t.Errorf("%+v", code)
	}
}

func TestNever(t *testing.T) {
	for expr, want := range map[string]bool{"tcp and not ip": false, "ip and ip6": true, "5 = 6": true, "": false, "arp": false} {
		if got := compile(t, expr, Config{Link: 1}).Never(); got != want {
			t.Errorf("%q: %v", expr, got)
		}
	}
	if !compile(t, "arp", Config{Link: 101}).Never() {
		t.Error("ARP in raw IP")
	}
}

// The same packets are selected by names as by numbers.
func TestNames(t *testing.T) {
	hosts := func(name string) ([]netip.Addr, error) {
		switch name {
		case "sundown":
			return []netip.Addr{netip.MustParseAddr("2001:db8::1"), netip.MustParseAddr("10.0.0.1"), netip.MustParseAddr("::ffff:10.0.0.1")}, nil
		case "four":
			return []netip.Addr{netip.MustParseAddr("10.0.0.2")}, nil
		}
		return nil, errors.New("no such host")
	}
	c := Config{Link: 1, Host: hosts, Services: "# a comment\nours 8765/tcp alias # and another\nours 8765/udp\nonly 99/udp\nsplit 5/tcp\nsplit 6/udp\nhttp 81/tcp\n"}
	for _, test := range []struct{ name, number string }{
		{"port https", "port 443"},
		{"tcp port https", "tcp port 443"},
		{"port ssh", "tcp port 22"},
		{"port ours", "port 8765"},
		{"port alias", "tcp port 8765"},
		{"port only", "udp port 99"},
		{"port http", "tcp port 81"},
		{"udp port split", "udp port 6"},
		{"portrange ssh-domain", "portrange 22-53"},
		{"portrange 80-ours", "portrange 80-8765"},
		{"sctp port https", "sctp port 443"},
		{`ip proto \tcp or UDP`, "ip proto 6 or 17"},
		{`ether proto \ip6`, "ether proto 0x86dd"},
		{"host sundown", "host 10.0.0.1 or host 2001:db8::1"},
		{"ip src sundown", "ip src 10.0.0.1"},
		{"ip6 host sundown", "host 2001:db8::1"},
		{"host four and not sundown", "host 10.0.0.2 and not (host 10.0.0.1 or host 2001:db8::1)"},
	} {
		a, b := compile(t, test.name, c), compile(t, test.number, c)
		if a.String() != b.String() {
			t.Errorf("%q is\n%sand %q\n%s", test.name, a, test.number, b)
		}
	}
	for _, expr := range []string{"port split", "tcp port only", "sctp port only", "host nowhere", "ip6 host four", "udp port http"} {
		if _, err := Compile(expr, c); err == nil {
			t.Errorf("%q is compiled", expr)
		}
	}
	// portrange of two services of different protocols is for all of them
	if got, want := compile(t, "portrange only-https", c).String(), compile(t, "portrange 99-443", c).String(); got != want {
		t.Errorf("got\n%swant\n%s", got, want)
	}
}

func TestAllocs(t *testing.T) {
	tcp4, tcp6, other := benchPackets()
	for _, expr := range []string{"tcp port 8765", "tcp[0:2] - tcp[2:2] > len * ip[8]", "geneve and ip and tcp"} {
		p := compile(t, expr, Config{Link: 1})
		if n := testing.AllocsPerRun(100, func() {
			for _, data := range [][]byte{tcp4, tcp6, other, nil} {
				p.Match(data, uint32(len(data)))
			}
		}); n != 0 {
			t.Errorf("%q: %v allocations", expr, n)
		}
	}
}

// A program of Linux' LINKTYPE_NULL with the byte order of another machine.
func TestBigEndian(t *testing.T) {
	packet := []byte{0, 0, 0, 2, 0x45}
	for big, want := range map[bool]bool{false: false, true: true} {
		if got := compile(t, "ip", Config{Link: 0, BigEndian: big}).Match(packet, 5); got != want {
			t.Errorf("big-endian %v: %v", big, got)
		}
	}
}

// What check refuses is what the kernel refuses.
func TestCheck(t *testing.T) {
	ret := Instruction{Op: opRet}
	for name, code := range map[string][]Instruction{
		"nothing":                {},
		"no end":                 {{Op: opLdImm}},
		"jump out":               {{Op: opJmp | uint16(testEq), Jt: 1}, ret},
		"jump away":              {{Op: opJa, K: 1 << 31}, ret},
		"unknown":                {{Op: 0xff}, ret},
		"division":               {{Op: opAlu | aluDiv}, ret},
		"remainder":              {{Op: opAlu | aluMod}, ret},
		"shift":                  {{Op: opAlu | aluLsh, K: 32}, ret},
		"no such word":           {{Op: opSt, K: 16}, ret},
		"unwritten":              {{Op: opLdMem}, ret},
		"unwritten on one way":   {{Op: opLdImm}, {Op: opJmp | uint16(testEq), Jf: 1}, {Op: opSt, K: 3}, {Op: opLdMem, K: 3}, ret},
		"negative offset":        {{Op: opLdAbs, K: 1 << 31}, ret},
		"unknown ancillary":      {{Op: opLdAbs, K: auxBase + 1}, ret},
		"more than the kernel's": make([]Instruction, maxInstructions+1),
	} {
		if err := check(code); err == nil {
			t.Errorf("%s: accepted", name)
		}
	}
	if err := check([]Instruction{{Op: opSt, K: 3}, {Op: opLdMem, K: 3}, {Op: opJmp | uint16(testBits), K: 1, Jf: 1}, ret, ret}); err != nil {
		t.Error(err)
	}
}
