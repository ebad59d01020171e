package packet_test

import (
	"bytes"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"framescope/capture/capturetest"
	"framescope/decode/packet"
)

// A view is what a decoder says of one packet.
type view struct {
	src, dst     netip.Addr
	transport    string // tcp, udp, icmp, icmpv6 or nothing
	sport, dport uint16
	seq, ack     uint32
	length       int // of the TCP payload
	flags        uint16
}

var tsharkFields = []string{"frame.number", "frame.protocols", "ip.src", "ip.dst", "ipv6.src", "ipv6.dst",
	"tcp.srcport", "tcp.dstport", "tcp.seq_raw", "tcp.ack_raw", "tcp.len", "tcp.flags", "udp.srcport", "udp.dstport"}

// tshark returns what tshark says of the packets of a capture: the views of the
// innermost packets that are not quoted by ICMP, and the protocols.
func tshark(t *testing.T, path string) (views map[int64]view, protocols map[int64]string) {
	args := []string{"-n", "-r", path, "-o", "tcp.desegment_tcp_streams:FALSE", "-T", "fields",
		"-E", "occurrence=a", "-E", "aggregator=,", "-E", "separator=/t"}
	for _, f := range tsharkFields {
		args = append(args, "-e", f)
	}
	out, err := exec.Command("tshark", args...).Output()
	if err != nil && len(out) == 0 {
		return nil, nil // a link type or a file that it cannot read
	}
	views, protocols = make(map[int64]view), make(map[int64]string)
	for line := range bytes.Lines(out) {
		f := strings.Split(strings.TrimRight(string(line), "\n"), "\t")
		number, err := strconv.ParseInt(f[0], 10, 64)
		if err != nil || len(f) != len(tsharkFields) {
			t.Fatalf("%s: tshark says %q", path, line)
		}
		var v view
		// How often each protocol occurs up to the innermost transport says
		// which of its values to take.
		var seen [4]int
		for p := range strings.SplitSeq(f[1], ":") {
			switch p {
			case "ip":
				seen[0]++
				v.src, v.dst, v.transport = address(f[2], seen[0]), address(f[3], seen[0]), ""
			case "ipv6":
				seen[1]++
				v.src, v.dst, v.transport = address(f[4], seen[1]), address(f[5], seen[1]), ""
			case "tcp":
				seen[2]++
				v.transport = p
			case "udp":
				seen[3]++
				v.transport = p
			case "icmp", "icmpv6":
				v.transport = p
			}
			if v.transport != "" && v.transport != "udp" {
				break // ICMP quotes packets, and OpenFlow carries them
			}
		}
		switch v.transport {
		case "tcp":
			n := seen[2]
			v.sport, v.dport = uint16(number0(f[6], n)), uint16(number0(f[7], n))
			v.seq, v.ack = uint32(number0(f[8], n)), uint32(number0(f[9], n))
			v.length, v.flags = int(number0(f[10], n)), uint16(number0(f[11], n))
		case "udp":
			v.sport, v.dport = uint16(number0(f[12], seen[3])), uint16(number0(f[13], seen[3]))
		}
		views[number], protocols[number] = v, f[1]
	}
	return views, protocols
}

// nth returns value n, from 1, of those that commas separate.
func nth(s string, n int) string {
	if v := strings.Split(s, ","); n <= len(v) {
		return v[n-1]
	}
	return ""
}

func address(s string, n int) netip.Addr {
	a, _ := netip.ParseAddr(nth(s, n))
	return a.Unmap()
}

func number0(s string, n int) uint64 {
	v, _ := strconv.ParseUint(nth(s, n), 0, 64)
	return v
}

func viewOf(p *packet.Packet, c packet.Cause) (v view) {
	if p.Version != 0 {
		v.src, v.dst = p.Src.Netip(), p.Dst.Netip()
	}
	if c != packet.OK {
		return v
	}
	v.transport = p.Protocol()
	if v.transport == "tcp" || v.transport == "udp" {
		v.sport, v.dport = p.SrcPort, p.DstPort
	}
	if v.transport == "tcp" {
		v.seq, v.ack, v.flags, v.length = p.Seq, p.Ack, p.Flags, p.Wire
	}
	return v
}

// differences lists why the two may differ. Each is a decision of this package,
// or something that tshark 4.0 does not do.
var differences = []struct {
	reason  string
	applies func(p *packet.Packet, c packet.Cause, protocols string, ours, theirs view) bool
}{
	{"tshark goes on in malformed packets and with fields of cut headers",
		func(_ *packet.Packet, c packet.Cause, _ string, _, _ view) bool {
			return c.Malformed() || c == packet.TruncatedIP
		}},
	{"tshark does not know this link type, or guesses at another",
		func(_ *packet.Packet, _ packet.Cause, protocols string, _, _ view) bool {
			return protocols == "data" || protocols == ""
		}},
	{"the IP header claims more than the packet holds: its length is believed",
		func(p *packet.Packet, _ packet.Cause, _ string, ours, theirs view) bool {
			ours.length = theirs.length
			return ours == theirs && p.Wire > len(p.Payload())
		}},
	{"a routing header or a home address names another end",
		func(_ *packet.Packet, _ packet.Cause, protocols string, ours, theirs view) bool {
			ours.src, ours.dst = theirs.src, theirs.dst
			return ours == theirs && (strings.Contains(protocols, "ipv6.routing") || strings.Contains(protocols, "ipv6.dstopts"))
		}},
	{"tshark stops at UDP: another VXLAN port, or UDP of length zero",
		func(p *packet.Packet, c packet.Cause, protocols string, _, theirs view) bool {
			return c == packet.OK && p.Tunnels > 0 && theirs.transport == "udp" &&
				(strings.HasSuffix(protocols, "udp") || strings.HasSuffix(protocols, "udp:data"))
		}},
	{"tshark knows fewer Arista timestamps",
		func(_ *packet.Packet, _ packet.Cause, protocols string, _, _ view) bool {
			return strings.HasSuffix(protocols, ":avsp")
		}},
	{"a fragment that cannot become whole: tshark shows what the first one says",
		func(_ *packet.Packet, c packet.Cause, _ string, _, theirs view) bool {
			return c == packet.Fragment && theirs.transport != ""
		}},
}

// TestTshark compares addresses, ports, sequence numbers, lengths and flags
// with what tshark says, for some captures of each kind; for all of them with
// FRAMESCOPE_TSHARK=all, which takes minutes.
func TestTshark(t *testing.T) {
	if _, err := exec.LookPath("tshark"); err != nil {
		t.Skip("tshark is not installed")
	}
	root, names := captures(t)
	if os.Getenv("FRAMESCOPE_TSHARK") != "all" {
		if testing.Short() {
			t.Skip("tshark takes seconds")
		}
		names = slices.DeleteFunc(names, func(name string) bool { return !slices.Contains(tsharkSample, name) })
	}
	reasons := make(map[string]int)
	total, same := 0, 0
	for _, name := range names {
		path := filepath.Join(root, name)
		theirs, protocols := tshark(t, path)
		packets, _ := capturetest.ReadAll(path)
		if theirs == nil {
			reasons["tshark cannot read the capture"] += len(packets)
			continue
		}
		if strings.HasSuffix(name, "/test017.pcapng") || strings.HasSuffix(name, "/test018.pcapng") {
			reasons["tshark counts blocks that are no packets"] += len(packets)
			continue
		}
		if len(theirs) != len(packets) {
			t.Errorf("%s: %d packets, tshark has %d", name, len(packets), len(theirs))
			continue
		}
		var ps packet.Parser
		var p packet.Packet
	packets:
		for _, in := range packets {
			c := ps.Parse(in.Link, in.Data, in.Wire, in.Time, &p)
			total++
			ours, their := viewOf(&p, c), theirs[in.Number]
			if ours == their {
				same++
				continue
			}
			for _, d := range differences {
				if d.applies(&p, c, protocols[in.Number], ours, their) {
					reasons[d.reason]++
					continue packets
				}
			}
			t.Errorf("%s, packet %d (%s, %v):\n got %+v\nwant %+v", name, in.Number, protocols[in.Number], c, ours, their)
		}
	}
	t.Logf("%d captures, %d packets, %d the same", len(names), total, same)
	for r, n := range reasons {
		t.Logf("%5d differ: %s", n, r)
	}
}

var tsharkSample = []string{
	"arkime/tests/pcap/6-4-gre-ppp-udp-4-dns.pcap",
	"arkime/tests/pcap/80211http.pcap",
	"arkime/tests/pcap/dot1ad.pcap",
	"arkime/tests/pcap/gre-erspan-vxlan.pcap",
	"arkime/tests/pcap/gtp-u.pcap",
	"arkime/tests/pcap/nflog.pcap",
	"nDPI/tests/cfgs/default/pcap/fuzz-2006-06-26-2594.pcap",
	"recorded/oddities/22_frag_both_dirs_loopback.pcap",
	"tcpdump/tests/arcnet-rfc1201-arp-icmp-http.pcap",
	"tcpdump/tests/arista_ether.pcap",
	"tcpdump/tests/bigtcp-ipv6-hbh.pcap",
	"tcpdump/tests/pim-packet-assortment.pcap",
	"tcpdump/tests/various_gre.pcap",
	"zeek/testing/btest/Traces/chksums/ip6-hoa-tcp-good-chksum.pcap",
	"zeek/testing/btest/Traces/linux_dlt_sll2.pcap",
	"zeek/testing/btest/Traces/mixed-vlan-mpls.pcap",
	"zeek/testing/btest/Traces/pppoe.pcap",
}
