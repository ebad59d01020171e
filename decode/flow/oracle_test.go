package flow_test

import (
	"bytes"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"framescope/capture/capturetest"
	"framescope/decode/flow"
	"framescope/decode/record"
)

var update = flag.Bool("update", false, "write what tshark says of the protocols into testdata/identified.txt; that takes minutes")

// A verdict is what tshark says of one flow.
type verdict struct {
	transport string // tcp or udp
	names     string // what it found in the flow, with + between; "-" for nothing
	packet    int64  // the first packet with something in it
}

// ours are the names that tshark has for ours, where they are not the same.
var ours = map[string][]string{
	"pop3": {"pop"}, "postgresql": {"pgsql"}, "ike": {"isakmp"}, "netbios-ns": {"nbns"}, "netbios-dgm": {"nbdgm"}, "redis": {"resp"},
	"smb": {"nbss"}, "grpc": {"grpc", "http2"}, "bittorrent": {"bittorrent", "bt-dht", "bt-utp"}, "netflow": {"cflow"}, "rpc": {"rpc", "portmap", "nfs"},
	"zmtp": {"zmtp"}, "xml-rpc": {"http"}, "websocket": {"http", "http2"}, "cldap": {"cldap", "ldap"}, "coap": {"coap"}, "xmpp": {"xmpp", "jabber"},
}

// carries are what tshark calls protocols, and what only carries them.
var carries = map[string]bool{"data": true, "mptcp": true, "tcp.segments": true, "f5ethtrailer": true, "vssmonitoring": true, "_ws.malformed": true, "_ws.short": true, "_ws.unreassembled": true}

// asked returns what tshark says of the flows of a capture.
func asked(path string) (out []verdict) {
	b, _ := exec.Command("tshark", "-n", "-r", path, "-T", "fields", "-E", "occurrence=l", "-e", "frame.number", "-e", "tcp.stream", "-e", "udp.stream", "-e", "frame.protocols").Output()
	index := map[string]int{}
	for line := range bytes.Lines(b) {
		f := strings.Split(strings.TrimRight(string(line), "\n"), "\t")
		if len(f) != 4 {
			continue
		}
		layers := strings.Split(f[3], ":")
		at, transport := -1, ""
		for i, l := range layers {
			if l == "tcp" || l == "udp" {
				at, transport = i, l
			}
			if l == "icmp" || l == "icmpv6" || strings.HasPrefix(l, "openflow") {
				break // they quote packets
			}
		}
		if at < 0 || at+1 == len(layers) {
			continue
		}
		stream := transport + f[1]
		if transport == "udp" {
			stream = transport + f[2]
		}
		i, ok := index[stream]
		if !ok {
			i = len(out)
			index[stream] = i
			n, _ := strconv.ParseInt(f[0], 10, 64)
			out = append(out, verdict{transport, "-", n})
		}
		for _, l := range layers[at+1:] {
			if carries[l] {
				continue
			}
			names := strings.Split(out[i].names, "+")
			if !slices.Contains(names, l) {
				out[i].names = strings.TrimPrefix(out[i].names+"+"+l, "-+")
			}
			break
		}
	}
	return out
}

// accepted are the flows that have another name here, and why.
var accepted = []struct {
	reason             string
	file, ours, tshark string // part of the name, and words; "" for anything, "?" for no name
}{
	{"the bytes were changed at random, or a segment stands alone: tshark goes by the port", "fuzz-2006-06-26-2594", "?", "dns ftp nbns rtp"},
	{"the same: the lengths do not add up", "fuzz-2020-02-16-11740", "?", "radius"},
	{"RADIUS on other ports: tshark goes by the port", "fuzz-2020-02-16-11740", "radius", "-"},
	{"made to break decoders: tshark goes by the port", "tcpdump/tests", "?", "isakmp bgp rip resp nbns dhcpv6"},
	{"the session had begun before the capture: all that is left are encrypted packets, and the port", "tcpdump/tests/kday3", "?", "ssh"},
	{"one subflow of several of MPTCP", "tcpdump/tests/mptcp-v0", "?", "ssh"},
	{"a few packets of a session that had begun before", "of13_ericsson", "?", "openflow"},
	{"one request without an answer, and no name of the client: tshark goes by the port", "arkime/tests/pcap/kafka.pcap", "?", "kafka"},
	{"version 4, which is not told from other bytes", "tcpdump/tests/afs", "?", "kerberos"},
	{"version 5 of TDS is not told from other bytes", "tds5", "?", "tds"},
	{"a stray byte in front: tshark looks at each packet anew", "ossfuzz_seed", "?", "tls"},
	{"HTTP 0.9, which has no version to tell it by", "mixed-vlan-mpls", "?", "http"},
	{"the server asks, the client answers: that is no SOCKS session", "socks5-reverse", "?", "http"},
	{"protocols that are not known here", "", "?", "rx lwapp ldp dnp3 jxta mpls-echo tsp rpkirtr lisp babel udpencap olsr db-lsp-disc"},
	{"a protocol on another port than usual: tshark goes by the port", "", "smtp dns irc socks openvpn vxlan tls tns", "-"},
	{"HTTP over SOCKS: tshark missed the beginning, or the port is that of HTTP", "arkime/tests/pcap", "socks irc", "http"},
	{"a bind on port 445: tshark goes by the port", "dcerpc_synthetic", "dcerpc", "nbss"},
	{"HTTP/2, which tshark hands over from HTTP: it is named by what it is", "", "http2", "http"},
	{"tshark knows it on its port only, or not at all", "testdata/framings", "grpc magic-length-crc32", "-"},
}

const identified = "testdata/identified.txt"

// writeIdentified asks tshark about every capture.
func writeIdentified(t *testing.T, root string, names []string) {
	var out bytes.Buffer
	for _, name := range names {
		rows := map[string][]string{}
		for _, v := range asked(pathOf(root, name)) {
			k := v.transport + "\t" + v.names
			rows[k] = append(rows[k], strconv.FormatInt(v.packet, 10))
		}
		keys := make([]string, 0, len(rows))
		for k := range rows {
			keys = append(keys, k)
		}
		slices.Sort(keys)
		for _, k := range keys {
			fmt.Fprintf(&out, "%s\t%s\t%s\n", name, k, strings.Join(rows[k], ","))
		}
	}
	if err := os.WriteFile(identified, out.Bytes(), 0o644); err != nil {
		t.Fatal(err)
	}
}

// readIdentified returns what tshark said of each capture.
func readIdentified(t *testing.T) map[string][]verdict {
	b, err := os.ReadFile(identified)
	if err != nil {
		t.Fatal(err)
	}
	out := map[string][]verdict{}
	for line := range strings.Lines(string(b)) {
		f := strings.Split(strings.TrimSuffix(line, "\n"), "\t")
		if len(f) != 4 {
			t.Fatalf("%s: %q", identified, line)
		}
		for p := range strings.SplitSeq(f[3], ",") {
			n, _ := strconv.ParseInt(p, 10, 64)
			out[f[0]] = append(out[f[0]], verdict{f[1], f[2], n})
		}
	}
	return out
}

// names is an Encoder that notes which packet belongs to which flow, and what the
// flows are.
type names struct {
	flow   map[int64]int64 // by packet
	name   map[int64]string
	packet map[int64]string // the protocol of those that belong to no flow
}

func (n *names) Encode(dst []byte, r record.Record) []byte {
	h := r.Shared()
	if p, ok := r.(*record.Packet); ok && (h.Conn == nil || p.Problem != "") {
		n.packet[h.First] = p.Protocol
		if p.Problem != "" {
			n.packet[h.First] = p.Problem
		}
	}
	if h.Conn == nil {
		return dst
	}
	switch r := r.(type) {
	case *record.Packet:
		n.flow[h.First] = h.Conn.ID
	case *record.ConnEnd:
		n.name[h.Conn.ID] = r.Protocol
	}
	return dst
}

func namesOf(t *testing.T, path string) *names {
	n := &names{map[int64]int64{}, map[int64]string{}, map[int64]string{}}
	packets, _ := capturetest.ReadAll(path)
	feed(t, packets, flow.Config{
		Want: record.Of(record.TypeConn, record.TypePacket), Workers: -1, Lasting: true,
		Encoder: func() flow.Encoder { return n },
		Output:  func(*flow.Item) error { return nil },
	})
	return n
}

// agrees reports whether a name is one of those that tshark found.
func agrees(name, theirs string) bool {
	if name == "" {
		return theirs == "-"
	}
	all := strings.Split(theirs, "+")
	if slices.Contains(all, name) {
		return true
	}
	for _, n := range ours[name] {
		if slices.Contains(all, n) {
			return true
		}
	}
	return false
}

// captures returns the captures beside the repository, but for those of MPTCP: most
// show one subflow of several; and those of framings in it, whose names begin with
// testdata. The others in it are among the first.
func captures(t *testing.T) (root string, names []string) {
	root = "../../../shared/corpora"
	if _, err := os.Stat(root); err != nil {
		t.Skipf("%s is missing", root)
	}
	err := filepath.WalkDir(root, func(path string, d os.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		switch filepath.Ext(strings.TrimSuffix(path, ".gz")) {
		case ".pcap", ".pcapng", ".cap":
			if rel, _ := filepath.Rel(root, path); !strings.Contains(filepath.ToSlash(rel), "/mptcp/") {
				names = append(names, filepath.ToSlash(rel))
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	own, err := filepath.Glob("../../testdata/framings/*.pcap")
	if err != nil || len(own) == 0 {
		t.Fatalf("no captures of framings: %v", err)
	}
	for _, path := range own {
		names = append(names, "testdata/framings/"+filepath.Base(path))
	}
	return root, names
}

// pathOf returns the path of a capture.
func pathOf(root, name string) string {
	if strings.HasPrefix(name, "testdata/") {
		return filepath.Join("../..", name)
	}
	return filepath.Join(root, name)
}

// Every flow of the captures has the name that tshark gives it, or there is a reason
// why not.
func TestIdentifyOracle(t *testing.T) {
	root, files := captures(t)
	if *update {
		writeIdentified(t, root, files)
	}
	theirs := readIdentified(t)
	used := make([]int, len(accepted))
	same, named, elsewhere := 0, 0, 0
	for _, file := range files {
		if len(theirs[file]) == 0 {
			continue
		}
		n := namesOf(t, pathOf(root, file))
	flows:
		for _, v := range theirs[file] {
			if why, ok := n.packet[v.packet]; ok && why != v.transport {
				elsewhere++ // tshark goes on in malformed packets; of a tunnel, what is inside counts
				continue
			}
			name := n.name[n.flow[v.packet]]
			if agrees(name, v.names) {
				same++
				if name != "" {
					named++
				}
				continue
			}
			for i, a := range accepted {
				if strings.Contains(file, a.file) && matches(a.ours, name) && matches(a.tshark, v.names) {
					used[i]++
					continue flows
				}
			}
			t.Errorf("%s, packet %d: %s %q, tshark says %q", file, v.packet, v.transport, name, v.names)
		}
	}
	t.Logf("%d flows have the same name as with tshark, %d of which have one; %d begin with packets that are no TCP or UDP here", same, named, elsewhere)
	for i, a := range accepted {
		t.Logf("%4d differ: %s", used[i], a.reason)
		if used[i] == 0 {
			t.Errorf("accepted, but does not happen: %+v", a)
		}
	}
}

// matches reports whether a name is one of those that a pattern lists, or of any
// kind.
func matches(pattern, name string) bool {
	if pattern == "" {
		return true
	}
	if name == "" {
		name = "?"
	}
	return slices.Contains(strings.Fields(pattern), name)
}

// What is written down is what tshark says.
func TestIdentifyAsked(t *testing.T) {
	if _, err := exec.LookPath("tshark"); err != nil {
		t.Skip("tshark is not installed")
	}
	if testing.Short() {
		t.Skip("tshark takes seconds")
	}
	root, _ := captures(t)
	want := readIdentified(t)
	for _, file := range []string{
		"arkime/tests/pcap/ntlm_synthetic.pcap", "nDPI/tests/cfgs/default/pcap/quic-v2.pcapng", "tcpdump/tests/eapon1.pcap",
		"arkime/tests/pcap/bt-udp.pcap", "zeek/testing/btest/Traces/tls/dtls13-cid.pcap", "recorded/ws/h31_plain_to_tls_go.pcap",
	} {
		got := asked(pathOf(root, file))
		if len(got) == 0 || len(got) != len(want[file]) {
			t.Errorf("%s: %d flows, %d are written down", file, len(got), len(want[file]))
		}
		for _, v := range got {
			if !slices.Contains(want[file], v) {
				t.Errorf("%s: %+v is not written down", file, v)
			}
		}
	}
}
