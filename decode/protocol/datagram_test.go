package protocol

import (
	"slices"
	"strings"
	"testing"
)

// A sent datagram: from where to where, back or not.
type sent struct {
	data     string
	src, dst uint16
	back     bool
}

// nameOf returns the name of a flow of datagrams.
func nameOf(ds []sent) (name string, answered bool) {
	var s Datagrams
	for _, d := range ds {
		g := Datagram{Data: []byte(d.data), Wire: len(d.data), Src: d.src, Dst: d.dst, Back: d.back}
		if !s.Add(&g) {
			break
		}
	}
	return s.Name(), s.Answered()
}

const (
	binding  = "\x00\x01\x00\x00\x21\x12\xa4\x42abcdefghijkl"
	flight   = "\x16\xfe\xfd\x00\x00\x00\x00\x00\x00\x00\x00\x00\x1a\x01\x00\x00\x0e\x00\x00\x00\x00\x00\x00\x00\x0e\xfe\xfdabcdefghijkl"
	initial  = "\xc3\x00\x00\x00\x01\x08abcdefgh\x00\x00\x44\x9e"
	reports  = "\x80\xc8\x00\x06\x00\x00\x00\x01abcdefgh\x00\x00\x00\x02\x00\x00\x00\x03\x00\x00\x00\x04\x81\xca\x00\x02\x00\x00\x00\x01\x01\x01a\x00"
	clock    = "\x23\x00\x06\xec\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00abcdefgh"
	reply    = "\x24\x02\x06\xec\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00abcdefghabcdefghabcdefghabcdefgh"
	get      = "\x30\x26\x02\x01\x01\x04\x06public\xa0\x19\x02\x01\x01\x02\x01\x00\x02\x01\x00\x30\x0e\x30\x0c\x06\x08\x2b\x06\x01\x02\x01\x01\x01\x00\x05\x00"
	access   = "\x01\x05\x00\x25abcdefghijklmnop\x01\x05bob\x02\x06abcd\x04\x06\x0a\x00\x00\x01"
	acceptor = "\x12\x34\x81\x80\x00\x01\x00\x01\x00\x00\x00\x00\x07example\x03org\x00\x00\x01\x00\x01\xc0\x0c\x00\x01\x00\x01\x00\x00\x00\x10\x00\x04\x0a\x00\x00\x01"
	encodedQ = "\x12\x34\x01\x10\x00\x01\x00\x00\x00\x00\x00\x00\x20EGFCEFEECACACACACACACACACACACACA\x00\x00\x20\x00\x01"
)

// voice returns a packet of RTP.
func voice(seq byte, rest string) string {
	return "\x80\x60\x00" + string([]byte{seq}) + "\x00\x00\x00" + string([]byte{seq}) + "\xde\xad\xbe\xef" + rest
}

func TestDatagrams(t *testing.T) {
	one := func(data string, src, dst uint16) []sent { return []sent{{data, src, dst, false}} }
	both := func(a, b string, port uint16) []sent { return []sent{{a, 40000, port, false}, {b, port, 40000, true}} }
	for _, tt := range []struct {
		what string
		ds   []sent
		want string
	}{
		{"a question", one(query, 40000, 53), "dns"},
		{"on another port", one(query, 40000, 9953), "dns"},
		{"multicast", one(query, 5353, 5353), "mdns"},
		{"link-local", one(query, 40000, 5355), "llmnr"},
		{"a name of NetBIOS", one(encodedQ, 137, 137), "netbios-ns"},
		{"a class that does not exist", one(query[:len(query)-1]+"\x07", 40000, 53), ""},
		{"a name that goes on behind the end", one(query[:12]+"\x3f"+query[13:], 40000, 53), ""},
		{"more questions than bytes", one(query[:4]+"\x00\x0f"+query[6:], 40000, 53), ""},
		{"an answer", one(acceptor, 53, 40000), "dns"},
		{"QUIC", one(initial+strings.Repeat("a", 1200), 40000, 8443), "quic"},
		{"QUIC of an unknown version", one("\xc3\x00\x00\x00\x77"+initial[5:]+strings.Repeat("a", 1200), 40000, 443), ""},
		{"a short header alone", one("\x41abcdefghijklmnopqrstuv", 40000, 443), ""},
		{"STUN", one(binding, 40000, 50000), "stun"},
		{"STUN with a wrong length", one(binding+"a", 40000, 3478), ""},
		{"media behind STUN", []sent{{binding, 1, 2, false}, {voice(1, "a"), 1, 2, false}, {voice(2, "a"), 1, 2, false}, {voice(3, "a"), 1, 2, false}, {voice(4, "a"), 1, 2, false}}, "rtp"},
		{"DTLS behind STUN", []sent{{binding, 1, 2, false}, {flight, 1, 2, false}}, "dtls"},
		{"one packet of RTP", one(voice(1, "a"), 40000, 5004), ""},
		{"four sources", []sent{{voice(1, "a"), 1, 2, false}, {strings.Replace(voice(2, "a"), "\xde", "\x01", 1), 1, 2, false}, {voice(3, "a"), 1, 2, false}, {strings.Replace(voice(4, "a"), "\xde", "\x02", 1), 1, 2, false}}, ""},
		{"four times the same packet", []sent{{voice(1, "a"), 1, 2, false}, {voice(1, "a"), 1, 2, false}, {voice(1, "a"), 1, 2, false}, {voice(1, "a"), 1, 2, false}}, ""},
		{"RTCP", one(reports, 40000, 50001), "rtcp"},
		{"DTLS", one(flight, 40000, 50000), "dtls"},
		{"DHCP", one("\x01\x01\x06\x00"+strings.Repeat("\x00", 232)+"\x63\x82\x53\x63\x35\x01\x01\xff", 68, 67), "dhcp"},
		{"NTP", one(clock, 40000, 123), "ntp"},
		{"one like NTP on another port", one(clock, 40000, 9123), ""},
		{"NTP both ways on another port", both(clock, reply, 9123), "ntp"},
		{"a search", one("M-SEARCH * HTTP/1.1\r\nHOST: 239.255.255.250:1900\r\n\r\n", 40000, 1900), "ssdp"},
		{"syslog", one("<34>1 2003-10-11T22:14:15.003Z host su - ID47 - text", 40000, 5514), "syslog"},
		{"syslog of BSD", one("<34>Oct 11 22:14:15 host su: text", 40000, 5514), "syslog"},
		{"a priority alone", one("<34>text", 40000, 5514), ""},
		{"a priority too high", one("<192>Oct 11 22:14:15 host", 40000, 514), ""},
		{"SNMP", one(get, 40000, 9161), "snmp"},
		{"WireGuard", one("\x01\x00\x00\x00"+strings.Repeat("a", 144), 40000, 4444), "wireguard"},
		{"of another length", one("\x01\x00\x00\x00"+strings.Repeat("a", 145), 40000, 51820), ""},
		{"a request of TFTP", one("\x00\x01boot.img\x00octet\x00", 40000, 69), "tftp"},
		{"data of TFTP", []sent{{"\x00\x03\x00\x01" + strings.Repeat("a", 512), 50000, 40000, false}, {"\x00\x04\x00\x01", 40000, 50000, true}}, "tftp"},
		{"RADIUS", one(access, 40000, 9812), "radius"},
		{"SIP", one("INVITE sip:a@b SIP/2.0\r\n", 5060, 5060), "sip"},
		{"BitTorrent", one("d1:ad2:id20:abcdefghijklmnopqrste1:q4:ping1:t2:aa1:y1:qe", 40000, 50000), "bittorrent"},
		{"metrics", one("app.requests:1|c\n", 40000, 8125), "statsd"},
		{"metrics on another port", one("app.requests:1|c\n", 40000, 9999), ""},
		{"four times", []sent{{"a:1|c", 1, 9, false}, {"a:2|c", 1, 9, false}, {"a:3|c", 1, 9, false}, {"a:4|c", 1, 9, false}}, "statsd"},
		{"text", one("number 1\n", 40000, 9999), ""},
		{"nothing", one("", 40000, 53), ""},
		{"noise on the port of DNS", one("\x01\x02\x03\x04\x05\x06\x07\x08\x09\x0a\x0b\x0c\x0d\x0e", 40000, 53), ""},
	} {
		if got, _ := nameOf(tt.ds); got != tt.want {
			t.Errorf("%s: %q, want %q", tt.what, got, tt.want)
		}
	}
	for _, tt := range []struct {
		data string
		want bool
	}{{acceptor, true}, {query, false}, {reply, true}, {"SIP/2.0 200 OK\r\n", true}} {
		if _, got := nameOf(one(tt.data, 123, 40000)); got != tt.want {
			t.Errorf("%.20q: answered %v", tt.data, got)
		}
	}
}

// Looking at datagrams allocates nothing.
func TestDatagramsAllocs(t *testing.T) {
	var all []Datagram
	for _, data := range []string{query, acceptor, binding, flight, initial, reports, clock, get, access, voice(1, ""), "<34>text", "a:1|c", "INVITE sip:a@b SIP/2.0\r\n", "text"} {
		all = append(all, Datagram{Data: []byte(data), Wire: len(data), Src: 40000, Dst: 9999})
	}
	if n := testing.AllocsPerRun(100, func() {
		for i := range all {
			var s Datagrams
			s.Add(&all[i])
		}
	}); n > 0 {
		t.Errorf("%v allocations", n)
	}
}

// FuzzDatagrams: no datagrams bring it down; a name is one of the list, and once it
// stands it goes over to another only where media follow what opened them.
func FuzzDatagrams(f *testing.F) {
	for _, s := range []string{query, acceptor, binding, flight, initial, reports, clock, reply, get, access, encodedQ, voice(1, "a") + voice(2, "a"), "<34>Oct 11", "M-SEARCH * HTTP/1.1\r\n", "\x00\x03\x00\x01a", "a:1|c"} {
		f.Add([]byte(s), uint16(40000), uint16(53), uint8(20), uint8(0))
	}
	known := DatagramNames()
	f.Fuzz(func(t *testing.T, data []byte, src, dst uint16, size, cut uint8) {
		var s Datagrams
		before := ""
		for i := 0; len(data) > 0; i++ {
			n := min(int(size)*8+1, len(data))
			g := Datagram{Data: data[:n:n][:max(n-int(cut), 0)], Wire: n, Src: src, Dst: dst, Back: i%3 == 1}
			data = data[n:]
			more := s.Add(&g)
			name := s.Name()
			if name != "" && !slices.Contains(known, name) {
				t.Fatalf("%q is in no list", name)
			}
			if before != "" && before != name && before != STUN && before != RTCP && before != DTLS {
				t.Fatalf("%q, then %q", before, name)
			}
			if before = name; !more && (s.Add(&g) || s.Name() != name) {
				t.Fatal("it goes on")
			}
		}
	})
}
