package pcapfile_test

import (
	"bytes"
	"fmt"
	"net/netip"
	"reflect"
	"strings"
	"testing"

	"framescope/capture/pcapfile"
)

// What a pcapng file says besides packets.
func TestMetadata(t *testing.T) {
	for _, o := range []order{little, big} {
		b := cat(
			o.section(o.option(2, "a machine"), o.option(3, "an OS"), o.option(4, "a program\x00"), o.option(1, "about the section"), o.option(0, "")),
			o.iface(1, 96, o.option(2, "eth0"), o.option(3, "the wire"), o.option(8, string(o.u64(1e9))), o.option(9, "\x09"),
				o.option(11, "\x00tcp port 80"), o.option(12, "Linux"), o.option(13, "\x20"), o.option(14, string(o.u64(3600))),
				o.option(15, "a card"), o.option(1, "about the interface")),
			o.iface(276, 0, o.option(2, "any"), o.option(13, "\x04"), o.option(11, "\x01bytecode")),
			o.block(10, o.u32(pcapfile.SecretTLS, 9), []byte("CLIENT_R\n")),
			o.packet(1, 1, "x", o.option(2, "\x00\x00\x00\x00"), o.option(1, "first"), o.option(1, "and second")),
			o.block(4, o.u16(1, 4+6), []byte{10, 0, 0, 1}, []byte("a\x00b.c\x00\x00\x00"),
				o.u16(2, 16+2), netip.MustParseAddr("2001:db8::1").AsSlice(), []byte("d\x00\x00\x00"),
				o.u16(3, 8), make([]byte, 8), o.u16(0, 0), o.option(1, "about names")),
			o.block(10, o.u32(0x12345678, 3), []byte("abc")),
			o.block(5, o.u32(0, 0, 0), o.option(4, string(o.u64(100))), o.option(5, string(o.u64(3))), o.option(7, string(o.u64(1<<64-1)))),
			o.block(0xbad, o.u32(1), []byte("what")),
			o.block(0xbad, o.u32(1)),
			o.block(9),
			o.section(),
			o.iface(101, 0),
			o.obsolete(0, 0, 1, "y", o.option(1, "about an old packet")),
			o.block(5, o.u32(0, 0, 0), o.option(5, string(o.u64(7))), o.option(1, "about statistics")),
		)
		want := result{
			interfaces: []pcapfile.Interface{
				{Name: "eth0", Description: "the wire", Hardware: "a card", OS: "Linux", Filter: "tcp port 80", Link: 1, SnapLen: 96,
					Resolution: 9, Offset: 3600, FCS: 4, Speed: 1e9, Received: 100, Dropped: 3, SystemDropped: 1<<63 - 1},
				{Name: "any", Link: 276, Resolution: 6, FCS: 4, Received: -1, Dropped: -1, SystemDropped: -1},
				{Link: 101, Resolution: 6, FCS: -1, Received: -1, Dropped: 7, SystemDropped: -1},
			},
			sections: []pcapfile.Section{
				{Hardware: "a machine", OS: "an OS", Application: "a program", BigEndian: o == big},
				{BigEndian: o == big, Interface: 2},
			},
			secrets: []pcapfile.Secret{{Type: pcapfile.SecretTLS, Data: []byte("CLIENT_R\n")}, {Type: 0x12345678, Data: []byte("abc")}},
			names: []pcapfile.Name{
				{Addr: netip.MustParseAddr("10.0.0.1"), Name: "a"}, {Addr: netip.MustParseAddr("10.0.0.1"), Name: "b.c"},
				{Addr: netip.MustParseAddr("2001:db8::1"), Name: "d"},
			},
			comments: []pcapfile.Comment{
				{Text: "about the section"}, {Text: "about the interface"}, {Packet: 1, Text: "first"}, {Packet: 1, Text: "and second"},
				{Text: "about names"}, {Packet: 2, Text: "about an old packet"}, {Text: "about statistics"},
			},
			blocks: []pcapfile.BlockCount{
				{Type: 9, Name: "systemd journal entry", Blocks: 1, Bytes: 12}, {Type: 0xbad, Name: "custom", Blocks: 2, Bytes: 36},
			},
		}
		for _, w := range ways(1) {
			r, err := w.open(t, b, pcapfile.Config{})
			got := drain(t, r, err)
			if len(got.packets) != 2 || got.err != nil {
				t.Fatalf("%s: %d packets, %v", w.name, len(got.packets), got.err)
			}
			got.packets = nil
			if !reflect.DeepEqual(got, want) {
				t.Errorf("%s:\n%+v\nwant\n%+v", w.name, got, want)
			}
		}
	}
}

// The interface of a pcap file is the file.
func TestInterfaceOfPcap(t *testing.T) {
	for _, c := range []struct {
		b    []byte
		want pcapfile.Interface
	}{
		{little.pcap(micro, 65535, 1), pcapfile.Interface{Link: 1, SnapLen: 65535, Resolution: 6, FCS: -1, Received: -1, Dropped: -1, SystemDropped: -1}},
		{big.pcap(nano, 0, 2<<28|1<<26|276), pcapfile.Interface{Link: 276, Resolution: 9, FCS: 4, Received: -1, Dropped: -1, SystemDropped: -1}},
		{big.pcap(micro, 0, 3<<28|276), pcapfile.Interface{Link: 276, Resolution: 6, FCS: -1, Received: -1, Dropped: -1, SystemDropped: -1}},
	} {
		r, err := pcapfile.NewReader(bytes.NewReader(c.b), "x", nil)
		if err != nil {
			t.Fatal(err)
		}
		if got := r.Interfaces(); len(got) != 1 || got[0] != c.want {
			t.Errorf("%+v, want %+v", got, c.want)
		}
	}
}

// Secrets are there when the packets behind them are handed out.
func TestSecretsComeBeforePackets(t *testing.T) {
	b := cat(little.section(), little.iface(1, 0), little.block(10, little.u32(pcapfile.SecretTLS, 2), []byte("a\n")), little.packet(0, 0, "x"))
	for _, w := range ways(1) {
		r, err := w.open(t, b, pcapfile.Config{})
		if err != nil {
			t.Fatal(err)
		}
		var batch pcapfile.Batch
		if err := r.Read(&batch); err != nil || len(r.Secrets()) != 1 {
			t.Errorf("%s: %v, %d secrets", w.name, err, len(r.Secrets()))
		}
		r.Close()
	}
}

// Everything that is kept is bounded, and what is not kept is counted.
func TestBounds(t *testing.T) {
	long := strings.Repeat("long ", 100)
	b := cat(little.section(little.option(4, long)), little.iface(1, 0, little.option(2, long)))
	for i := range 300 {
		b = append(b, little.packet(0, 0, "x", little.option(1, long))...)
		b = append(b, little.block(10, little.u32(pcapfile.SecretTLS, 11), []byte("0123\n56789\n"))...)
		b = append(b, little.block(4, little.u16(1, 6), []byte("\x0a\x00\x00\x01n\x00"))...)
		b = append(b, little.block(uint32(1000+i))...)
	}
	r, err := pcapfile.NewReader(bytes.NewReader(b), "x", &pcapfile.Config{MaxText: 10_000, MaxSecrets: 13*75 + 64 + 6})
	got := drain(t, r, err)
	if got.err != nil || len(got.packets) != 300 {
		t.Fatalf("%d packets, %v", len(got.packets), got.err)
	}
	kept := 0
	for _, c := range got.comments {
		kept += len(c.Text)
	}
	if kept < 5000 || kept > 10_000 || got.stats.LostText < 200 {
		t.Errorf("%d bytes of comments, %+v", kept, got.stats)
	}
	last := got.secrets[len(got.secrets)-1]
	if n := len(got.secrets); n != 14 || !last.Cut || string(last.Data) != "0123\n" || got.stats.LostSecrets != 287 {
		t.Errorf("%d secrets, the last %q, %+v", n, last.Data, got.stats)
	}
	if n := len(got.blocks); n != 257 || got.blocks[256] != (pcapfile.BlockCount{Type: 1<<32 - 1, Name: "others", Blocks: 44, Bytes: 44 * 12}) {
		t.Errorf("%d types of blocks, the last %+v", n, got.blocks[n-1])
	}

	r, err = pcapfile.NewReader(bytes.NewReader(b), "x", &pcapfile.Config{MaxText: -1, MaxSecrets: -1})
	got = drain(t, r, err)
	if len(got.packets) != 300 || len(got.comments)+len(got.secrets)+len(got.names)+len(got.sections) != 0 || got.interfaces[0].Name != "" {
		t.Errorf("nothing is to be kept: %+v", got)
	}
}

// There is no more than one number for each interface, over all sections.
func TestTooManyInterfaces(t *testing.T) {
	b := cat(little.section(), bytes.Repeat(little.iface(1, 0), 40000), little.packet(39999, 1, "x"),
		little.section(), bytes.Repeat(little.iface(113, 0), 25536), little.packet(25535, 1, "y"), little.iface(1, 0))
	r, err := pcapfile.NewReader(bytes.NewReader(b), "x", nil)
	got := drain(t, r, err)
	if len(got.packets) != 2 || got.packets[0].Interface != 39999 || got.packets[1].Interface != 65535 || got.packets[1].Link != 113 {
		t.Errorf("%d packets", len(got.packets))
	}
	want := fmt.Sprintf("x: packet 3: offset %d: interface: the file describes more than 65536", len(b)-20)
	if text(got.err) != want {
		t.Errorf("%v, want %s", got.err, want)
	}
}

// The same holds for pcap files behind each other.
func TestTooManyFiles(t *testing.T) {
	b := cat(bytes.Repeat(little.pcap(micro, 0, 1), 65536), little.record(1, 2, "x"), little.pcap(micro, 0, 1))
	r, err := pcapfile.NewReader(bytes.NewReader(b), "x", nil)
	got := drain(t, r, err)
	want := fmt.Sprintf("x: packet 2: offset %d: interface: the file describes more than 65536", len(b)-24)
	if len(got.packets) != 1 || got.packets[0].Interface != 65535 || text(got.err) != want {
		t.Errorf("%d packets, %v, want %s", len(got.packets), got.err, want)
	}
}

// What is strange but does no harm is counted.
func TestStats(t *testing.T) {
	start := cat(little.section(), little.iface(1, 0))
	long := cat(little.u16(2, 5000), []byte("abcd"))
	for _, c := range []struct {
		name string
		b    []byte
		want pcapfile.Stats
		at   int64
	}{
		{"options of a packet", cat(start, little.packet(0, 1, "x", long)), pcapfile.Stats{BadOptions: 1}, 1000},
		{"options of an obsolete packet", cat(start, little.obsolete(0, 0, 1, "x", long)), pcapfile.Stats{BadOptions: 1}, 1000},
		{"options of a section", cat(little.section(long), little.iface(1, 0), little.packet(0, 1, "x")), pcapfile.Stats{BadOptions: 1}, 1000},
		{"options of statistics", cat(start, little.block(5, little.u32(0, 0, 0), long), little.packet(0, 1, "x")), pcapfile.Stats{BadOptions: 1}, 1000},
		{"options of secrets", cat(start, little.block(10, little.u32(1, 1), []byte("a\x00\x00\x00"), long), little.packet(0, 1, "x")), pcapfile.Stats{BadOptions: 1}, 1000},
		{"secrets longer than the block", cat(start, little.block(10, little.u32(1, 9), []byte("abcd")), little.packet(0, 1, "x")), pcapfile.Stats{BadBlocks: 1}, 1000},
		{"statistics of no interface", cat(start, little.block(5, little.u32(1, 0, 0)), little.packet(0, 1, "x")), pcapfile.Stats{BadBlocks: 1}, 1000},
		{"if_tsresol of two bytes", cat(little.section(), little.iface(1, 0, little.option(9, "ab")), little.packet(0, 1, "x")), pcapfile.Stats{BadOptions: 1}, 1000},
		{"if_tsoffset beyond all times", cat(little.section(), little.iface(1, 0, little.option(14, string(little.u64(1<<62)))), little.packet(0, 0, "x")),
			pcapfile.Stats{BadOptions: 1}, 9223372036_000000000},
		{"time beyond 2262", cat(start, little.packet(0, 1<<63, "x")), pcapfile.Stats{BadTimes: 1}, 1<<63 - 1},
		{"secrets larger than a block may be", cat(start, little.block(10, make([]byte, 2<<20)), little.packet(0, 1, "x")), pcapfile.Stats{LostSecrets: 1}, 1000},
		{"names larger than a block may be", cat(start, little.block(4, make([]byte, 2<<20)), little.packet(0, 1, "x")), pcapfile.Stats{LostText: 1}, 1000},
	} {
		for _, w := range ways(0) {
			r, err := w.open(t, c.b, pcapfile.Config{MaxPacket: 1000})
			got := drain(t, r, err)
			if got.err != nil || len(got.packets) != 1 || got.packets[0].Time != c.at || got.stats != c.want {
				t.Errorf("%s, %s: %v, %+v, %+v", c.name, w.name, got.packets, got.err, got.stats)
			}
		}
	}
}

// A flood of options, of blocks or of interfaces costs no more than the bytes
// that it takes.
func TestFloods(t *testing.T) {
	const n = 1 << 20
	flood := func(block ...[]byte) []byte { return cat(little.section(), little.iface(1, 0), cat(block...)) }
	for _, c := range []struct {
		name    string
		b       []byte
		packets int
	}{
		{"empty comments in a packet", flood(little.block(6, little.u32(0, 0, 0, 0, 0), bytes.Repeat(little.option(1, ""), n/4-8))), 1},
		{"options in a packet", flood(little.block(6, little.u32(0, 0, 0, 0, 0), bytes.Repeat(little.option(2, ""), n/4-8))), 1},
		{"options in an interface", flood(little.iface(1, 0, bytes.Repeat(little.option(2, "x"), n/8)), little.packet(0, 0, "x")), 1},
		{"names", flood(little.block(4, bytes.Repeat(cat(little.u16(1, 6), []byte("\x0a\x00\x00\x01n\x00\x00\x00")), n/12)), little.packet(0, 0, "x")), 1},
		{"sections", cat(bytes.Repeat(little.section(), n/28), little.iface(1, 0), little.packet(0, 0, "x")), 1},
		{"unknown blocks", flood(bytes.Repeat(little.block(77), n/12), little.packet(0, 0, "x")), 1},
		{"empty packets", flood(bytes.Repeat(little.simple(0, ""), n/16)), n / 16},
	} {
		for _, w := range ways(0)[:5] {
			r, err := w.open(t, c.b, pcapfile.Config{})
			if got := drain(t, r, err); len(got.packets) != c.packets || got.err != nil {
				t.Errorf("%s, %s: %d packets, %v", c.name, w.name, len(got.packets), got.err)
			}
		}
	}
}
