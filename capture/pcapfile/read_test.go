package pcapfile_test

import (
	"bytes"
	"errors"
	"fmt"
	"reflect"
	"slices"
	"strings"
	"testing"

	"framescope/capture/pcapfile"
)

// A capture and what is in it: its packets as "number off time wire link
// interface data", and the error at its end.
type capture struct {
	name string
	b    []byte
	want []string
	err  string
	is   error
}

const (
	micro    = 0xa1b2c3d4
	nano     = 0xa1b23c4d
	modified = 0xa1b2cd34
)

func describe(p pcapfile.Packet) string {
	return fmt.Sprintf("%d %d %d.%09d %d %d %d %s", p.Number, p.Off, p.Time/1e9, p.Time%1e9, p.Wire, p.Link, p.Interface, p.Data)
}

func pcapCaptures() []capture {
	var cs []capture
	for _, o := range []order{little, big} {
		name := " " + o.String()
		two := [][]byte{o.record(1600000000, 123456, "first"), o.record(1600000001, 7, "second!")}
		cs = append(cs,
			capture{"micro" + name, o.pcap(micro, 65535, 1, two...),
				[]string{"1 24 1600000000.123456000 5 1 0 first", "2 45 1600000001.000007000 7 1 0 second!"}, "", nil},
			capture{"nano" + name, o.pcap(nano, 0, 276, two...),
				[]string{"1 24 1600000000.000123456 5 276 0 first", "2 45 1600000001.000000007 7 276 0 second!"}, "", nil},
			capture{"modified" + name, o.pcap(modified, 96, 1,
				o.u32(1, 2, 3, 60), o.u32(2), o.u16(0x800), []byte{4, 0}, []byte("abc"),
				o.u32(3, 4, 0, 0), o.u32(2), o.u16(0x800), []byte{4, 0}),
				[]string{"1 24 1.000002000 60 1 0 abc", "2 51 3.000004000 0 1 0 "}, "", nil},
			capture{"captured more than snaplen and wire" + name, o.pcap(micro, 2, 1, o.u32(1, 0, 4, 3), []byte("abcd")),
				[]string{"1 24 1.000000000 3 1 0 abcd"}, "", nil},
			capture{"version 2.2 has the lengths interchanged" + name,
				cat(o.u32(micro), o.u16(2, 2), o.u32(0, 0, 96, 1), o.u32(1, 2, 60, 3), []byte("abc")),
				[]string{"1 24 1.000002000 60 1 0 abc"}, "", nil},
			capture{"version 2.3 has them so or so" + name,
				cat(o.u32(micro), o.u16(2, 3), o.u32(0, 0, 96, 1), o.u32(1, 2, 60, 3), []byte("abc"), o.u32(1, 2, 4, 61), []byte("defg")),
				[]string{"1 24 1.000002000 60 1 0 abc", "2 43 1.000002000 61 1 0 defg"}, "", nil},
			capture{"version 543.0 of DG/UX" + name,
				cat(o.u32(micro), o.u16(543, 0), o.u32(0, 0, 96, 1), o.u32(1, 2, 60, 3), []byte("abc")),
				[]string{"1 24 1.000002000 60 1 0 abc"}, "", nil},
			capture{"version 3.0" + name, cat(o.u32(micro), o.u16(3, 0), o.u32(0, 0, 96, 1)),
				nil, "x: version: 3.0 is not known, only 2.0 to 2.4 are", pcapfile.ErrFormat},
			capture{"no packets" + name, o.pcap(micro, 65535, 1), nil, "", nil},
			capture{"two files, one behind the other" + name,
				cat(o.pcap(micro, 65535, 1, two...), o.pcap(nano, 65535, 113, two...), o.pcap(micro, 65535, 1)),
				[]string{"1 24 1600000000.123456000 5 1 0 first", "2 45 1600000001.000007000 7 1 0 second!",
					"3 92 1600000000.000123456 5 113 1 first", "4 113 1600000001.000000007 7 113 1 second!"}, "", nil},
			capture{"the last time of the format" + name, o.pcap(nano, 1, 1, o.record(1<<32-1, 1<<32-1, "x")),
				[]string{"1 24 4294967299.294967295 1 1 0 x"}, "", nil},
			capture{"fraction beyond a second" + name, o.pcap(micro, 1, 1, o.record(10, 1500000, "x")),
				[]string{"1 24 11.500000000 1 1 0 x"}, "", nil},
			capture{"zeros at the end are empty packets" + name, o.pcap(micro, 1, 1, o.record(1, 2, "x"), make([]byte, 32)),
				[]string{"1 24 1.000002000 1 1 0 x", "2 41 0.000000000 0 1 0 ", "3 57 0.000000000 0 1 0 "}, "", nil},
			capture{"length of 3e9" + name, o.pcap(micro, 65535, 1, two[0], o.u32(1, 2, 3000000000, 60), []byte("rest")),
				[]string{"1 24 1600000000.123456000 5 1 0 first"},
				"x: packet 2: offset 45: captured length: 3000000000 exceeds the limit of 16777216", pcapfile.ErrCorrupt},
			capture{"length of 2^32-1" + name, o.pcap(micro, 65535, 1, o.u32(1, 2, 1<<32-1, 60)),
				nil, "x: packet 1: offset 24: captured length: 4294967295 exceeds the limit of 16777216", pcapfile.ErrCorrupt},
			capture{"length one above the limit" + name, o.pcap(micro, 65535, 1, o.u32(1, 2, 16777217, 60)),
				nil, "x: packet 1: offset 24: captured length: 16777217 exceeds the limit of 16777216", pcapfile.ErrCorrupt},
			capture{"length of the limit, cut" + name, o.pcap(micro, 65535, 1, o.u32(1, 2, 16777216, 60), []byte("abc")),
				nil, "x: packet 1: offset 24: record: file ends inside it, 19 of 16777232 bytes are there", pcapfile.ErrTruncated},
			capture{"cut in a record header" + name, cat(o.pcap(micro, 65535, 1, two...), o.u32(1, 2)),
				[]string{"1 24 1600000000.123456000 5 1 0 first", "2 45 1600000001.000007000 7 1 0 second!"},
				"x: packet 3: offset 68: record header: file ends inside it, 8 of 16 bytes are there", pcapfile.ErrTruncated},
			capture{"cut in the file header" + name, o.pcap(micro, 65535, 1)[:23],
				nil, "x: file header: file ends inside it, 23 of 24 bytes are there", pcapfile.ErrTruncated},
			capture{"cut where another file begins" + name, cat(o.pcap(micro, 1, 1, two[0]), o.pcap(micro, 1, 1)[:20]),
				[]string{"1 24 1600000000.123456000 5 1 0 first", "2 45 " + map[order]string{little: "2712847316.262146000", big: "2712847316.131076000"}[o] + " 0 1 0 "},
				"x: packet 3: offset 61: record header: file ends inside it, 4 of 16 bytes are there", pcapfile.ErrTruncated},
			capture{"another file of unknown version" + name, cat(o.pcap(micro, 1, 1, two[0]), cat(o.u32(micro), o.u16(2, 9), o.u32(0, 0, 96, 1))),
				[]string{"1 24 1600000000.123456000 5 1 0 first", "2 45 " + map[order]string{little: "2712847316.589826000", big: "2712847316.131081000"}[o] + " 0 1 0 "},
				"x: packet 3: offset 61: record header: file ends inside it, 8 of 16 bytes are there", pcapfile.ErrTruncated},
		)
	}
	return cs
}

func ngCaptures() []capture {
	var cs []capture
	for i, o := range []order{little, big} {
		other := []order{big, little}[i]
		const t0 = 1600000000_123456
		name := " " + o.String()
		start := cat(o.section(), o.iface(1, 0))
		good := o.packet(0, t0, "good")
		first := "1 48 1600000000.123456000 4 1 0 good"
		bad := func(name string, b []byte, err string, is error) {
			cs = append(cs, capture{name + " " + o.String(), cat(start, good, b), []string{first}, "x: packet 2: offset 84: " + err, is})
		}
		fine := func(name string, b []byte, want ...string) {
			cs = append(cs, capture{name + " " + o.String(), cat(start, b), want, "", nil})
		}
		fine("one packet", good, first)
		fine("two packets with options", cat(
			o.packet(0, t0, "abcde", o.option(2, "\x01\x00\x00\x00"), o.option(1, "hello"), o.option(0, "")),
			o.packet(0, t0+1, "", o.option(1, "the end is not marked"))),
			"1 48 1600000000.123456000 5 1 0 abcde", "2 112 1600000000.123457000 0 1 0 ")
		fine("captured more than wire", o.block(6, o.u32(0, t0>>32, t0&(1<<32-1), 4, 2), []byte("good")),
			"1 48 1600000000.123456000 2 1 0 good")
		fine("simple packets", cat(o.simple(4, "abcd"), o.simple(3, "abc")), "1 48 0.000000000 4 1 0 abcd", "2 68 0.000000000 3 1 0 abc")
		fine("obsolete packets", cat(o.obsolete(0, 0, t0, "abc"), o.obsolete(0, 65535, t0, "abcd", o.option(1, "x"))),
			"1 48 1600000000.123456000 3 1 0 abc", "2 84 1600000000.123456000 4 1 0 abcd")
		fine("unknown and custom blocks", cat(o.block(0x12345678, []byte("x")), o.block(0xbad, o.u32(7), []byte("y")), o.block(0x40000bad, o.u32(7)),
			o.block(9, []byte("journal")), o.block(0), good), "1 132 1600000000.123456000 4 1 0 good")
		fine("length without the padding", cat(o.u32(6, 35), o.u32(0, t0>>32, t0&(1<<32-1), 3, 3), []byte("abc\x00"), o.u32(35), o.packet(0, t0, "good")),
			"1 48 1600000000.123456000 3 1 0 abc", "2 84 1600000000.123456000 4 1 0 good")
		fine("options of a packet that are longer than the block", cat(o.packet(0, t0, "abcd", o.u16(1, 5000), []byte("abcd")), good),
			"1 48 1600000000.123456000 4 1 0 abcd", "2 92 1600000000.123456000 4 1 0 good")
		fine("metadata that cannot be read", cat(
			o.block(4, o.u16(1, 5000), []byte("abcd")), o.block(4, []byte("a")), o.block(5), o.block(5, o.u32(9, 0, 0)),
			o.block(10, o.u32(1, 5000), []byte("abcd")), o.block(10), good), "1 156 1600000000.123456000 4 1 0 good")
		fine("sections of both byte orders", cat(good, other.section(), other.iface(113, 0), other.packet(0, 5, "theirs"),
			o.section(), o.block(0x80000001, []byte("a process")), o.iface(101, 0), o.packet(0, 6, "ours")),
			first, "2 132 0.000005000 6 113 1 theirs", "3 244 0.000006000 4 101 2 ours")
		fine("no end of options, nothing behind the section", cat(good, o.section()), first)
		cs = append(cs,
			capture{"section length given" + name, cat(o.block(0x0a0d0d0a, o.u32(0x1a2b3c4d), o.u16(1, 0), o.u64(20+36)), o.iface(1, 0), good, o.section()),
				[]string{first}, "", nil},
			capture{"section length wrong" + name, cat(o.block(0x0a0d0d0a, o.u32(0x1a2b3c4d), o.u16(1, 2), o.u64(3)), o.iface(1, 0), good),
				[]string{first}, "", nil},
			capture{"snapshot length of simple packets" + name, cat(o.section(), o.iface(1, 3), o.simple(60, "abc"), o.simple(2, "ab"), o.simple(3, "abcdefgh")),
				[]string{"1 48 0.000000000 60 1 0 abc", "2 68 0.000000000 2 1 0 ab", "3 88 0.000000000 3 1 0 abc"}, "", nil},
			capture{"interfaces of their own" + name, cat(o.section(),
				o.iface(1, 10),
				o.iface(276, 0, o.option(9, "\x09"), o.option(0, "")),
				o.iface(228, 0, o.option(9, "\x8a"), o.option(14, string(o.u64(1000)))), // 2^-10 s, +1000 s
				o.iface(229, 0, o.option(9, "\x00"), o.option(14, string(o.u64(1<<64-1000)))),
				o.packet(0, 1_000001, "a"), o.packet(1, 1_000000001, "b"), o.packet(2, 1024+512, "c"), o.packet(3, 5000, "d"), o.packet(1, 5, "e")),
				[]string{"1 160 1.000001000 1 1 0 a", "2 196 1.000000001 1 276 1 b", "3 232 1001.500000000 1 228 2 c",
					"4 268 4000.000000000 1 229 3 d", "5 304 0.000000005 1 276 1 e"}, "", nil},
			capture{"if_tsresol of the wrong size is left out" + name, cat(o.section(), o.iface(1, 0, o.option(9, "\x09\x09")), o.packet(0, 1, "a")),
				[]string{"1 56 0.000001000 1 1 0 a"}, "", nil},
			capture{"the first if_tsresol counts" + name, cat(o.section(), o.iface(1, 0, o.option(9, "\x09"), o.option(9, "\x03")), o.packet(0, 1, "a")),
				[]string{"1 64 0.000000001 1 1 0 a"}, "", nil},
			capture{"packet before any interface" + name, cat(o.section(), o.packet(0, t0, "a")), nil,
				"x: packet 1: offset 28: interface: packet before any interface description of the section", pcapfile.ErrCorrupt},
			capture{"simple packet before any interface" + name, cat(o.section(), o.simple(1, "a")), nil,
				"x: packet 1: offset 28: interface: packet before any interface description of the section", pcapfile.ErrCorrupt},
			capture{"interface of the section before" + name, cat(start, good, o.section(), good), []string{first},
				"x: packet 2: offset 112: interface: packet before any interface description of the section", pcapfile.ErrCorrupt},
			capture{"wrong byte-order magic" + name, o.block(0x0a0d0d0a, o.u32(0x1a2b3c4e), o.u32(0, 0, 0)), nil,
				map[order]string{
					little: "x: packet 1: offset 0: byte-order magic: 0x4e3c2b1a is neither 0x1a2b3c4d nor 0x4d3c2b1a",
					big:    "x: packet 1: offset 0: byte-order magic: 0x1a2b3c4e is neither 0x1a2b3c4d nor 0x4d3c2b1a"}[o], pcapfile.ErrCorrupt},
			capture{"cut in the first section header" + name, o.section()[:27], nil,
				"x: packet 1: offset 0: block: file ends inside it, 27 of 28 bytes are there", pcapfile.ErrTruncated},
			capture{"cut in the first byte-order magic" + name, o.section()[:11], nil,
				"x: packet 1: offset 0: block header: file ends inside it, 11 of 12 bytes are there", pcapfile.ErrTruncated},
			capture{"version 1.1" + name, o.block(0x0a0d0d0a, o.u32(0x1a2b3c4d), o.u16(1, 1), o.u64(0)), nil,
				"x: packet 1: offset 0: section version: 1.1 is not known, only 1.0 and 1.2 are", pcapfile.ErrFormat},
			capture{"interface options longer than the block" + name, cat(o.section(), o.iface(1, 0, o.u16(2, 500), []byte("eth0")), o.packet(0, 1, "a")), nil,
				"x: packet 1: offset 28: interface options: an option is longer than the block", pcapfile.ErrCorrupt},
		)
		bad("interface that is not described", o.packet(1, t0, "a"),
			"interface: 1 is not described, the section describes 1", pcapfile.ErrCorrupt)
		bad("interface 2^32-1", o.packet(1<<32-1, t0, "a"),
			"interface: 4294967295 is not described, the section describes 1", pcapfile.ErrCorrupt)
		bad("obsolete packet of interface 9", o.obsolete(9, 0, t0, "a"),
			"interface: 9 is not described, the section describes 1", pcapfile.ErrCorrupt)
		bad("trailing length differs", cat(o.u32(6, 36, 0, 0, 0, 4, 4), []byte("good"), o.u32(40)),
			"block total length: 36 in front of the block, but 40 behind it", pcapfile.ErrCorrupt)
		bad("trailing length of an interface differs", cat(o.u32(1, 20, 1, 0, 24)),
			"block total length: 20 in front of the block, but 24 behind it", pcapfile.ErrCorrupt)
		bad("trailing length of an unknown block differs", cat(o.u32(77, 20, 1, 0, 24)),
			"block total length: 20 in front of the block, but 24 behind it", pcapfile.ErrCorrupt)
		bad("captured length above the block", o.block(6, o.u32(0, 0, 0, 5, 5), []byte("good")),
			"captured length: 5 exceeds the block, which has room for 4", pcapfile.ErrCorrupt)
		bad("captured length 2^32-1", o.block(6, o.u32(0, 0, 0, 1<<32-1, 5), []byte("good")),
			"captured length: 4294967295 exceeds the limit of 16777216", pcapfile.ErrCorrupt)
		bad("simple packet above the block", o.simple(60, "good"),
			"captured length: 60 exceeds the block, which has room for 4", pcapfile.ErrCorrupt)
		for _, typ := range []uint32{5, 6, 77} {
			for _, n := range []uint32{0, 1, 11} {
				least, name := 12, "interface statistics"
				if typ == 6 {
					least, name = 32, "enhanced packet"
				} else if typ == 77 {
					name = "0x4d"
				}
				bad(fmt.Sprintf("block of type %d with a length of %d", typ, n), cat(o.u32(typ, n), make([]byte, 40)),
					fmt.Sprintf("block total length: %d is less than %d, the least for a block of type %s", n, least, name), pcapfile.ErrCorrupt)
			}
		}
		bad("enhanced packet of 12", o.block(6), "block total length: 12 is less than 32, the least for a block of type enhanced packet", pcapfile.ErrCorrupt)
		bad("section of 12", cat(o.u32(0x0a0d0d0a, 12), o.u32(0x1a2b3c4d), o.u32(12)),
			"block total length: 12 is less than 28, the least for a block of type section header", pcapfile.ErrCorrupt)
		bad("packet block of 2^32-4", cat(o.u32(6, 1<<32-4), make([]byte, 40)),
			"block total length: 4294967292 exceeds the limit of 17825792", pcapfile.ErrCorrupt)
		bad("packet block of 2^32-1", cat(o.u32(6, 1<<32-1), make([]byte, 40)),
			"block total length: 4294967295 exceeds the limit of 17825792", pcapfile.ErrCorrupt)
		bad("interface block of 2^32-1", cat(o.u32(1, 1<<32-1), make([]byte, 40)),
			"block total length: 4294967295 exceeds the limit of 17825792", pcapfile.ErrCorrupt)
		bad("unknown block of 2^32-1", cat(o.u32(77, 1<<32-1), make([]byte, 40)),
			"block total length: file ends inside the block, 48 of 4294967296 bytes are there", pcapfile.ErrTruncated)
		bad("secrets block of 2^32-4", cat(o.u32(10, 1<<32-4), make([]byte, 40)),
			"block total length: file ends inside the block, 48 of 4294967292 bytes are there", pcapfile.ErrTruncated)
		bad("names block, cut", o.block(4, make([]byte, 40))[:51],
			"block: file ends inside it, 51 of 52 bytes are there", pcapfile.ErrTruncated)
		bad("packet block, cut", o.packet(0, t0, "good")[:35],
			"block: file ends inside it, 35 of 36 bytes are there", pcapfile.ErrTruncated)
		bad("packet block of 16 MiB, cut", cat(o.u32(6, 1<<24+32), make([]byte, 40)),
			"block: file ends inside it, 48 of 16777248 bytes are there", pcapfile.ErrTruncated)
		bad("block header, cut", o.u16(6, 0, 0), "block header: file ends inside it, 6 of 8 bytes are there", pcapfile.ErrTruncated)
		bad("section of version 2", o.block(0x0a0d0d0a, o.u32(0x1a2b3c4d), o.u16(2, 0), o.u64(0)),
			"section version: 2.0 is not known, only 1.0 and 1.2 are", pcapfile.ErrFormat)
	}
	return cs
}

func captures() []capture { return append(pcapCaptures(), ngCaptures()...) }

// Every capture is read as it should be, and in the same way however its bytes
// arrive.
func TestRead(t *testing.T) {
	for _, c := range captures() {
		t.Run(c.name, func(t *testing.T) {
			var first result
			for i, w := range ways(1) {
				r, err := w.open(t, c.b, pcapfile.Config{})
				got := drain(t, r, err)
				var ps []string
				for _, p := range got.packets {
					ps = append(ps, describe(p))
				}
				if !slices.Equal(ps, c.want) {
					t.Errorf("%s:\n%s\nwant\n%s", w.name, strings.Join(ps, "\n"), strings.Join(c.want, "\n"))
				}
				if text(got.err) != c.err {
					t.Errorf("%s: error\n%s\nwant\n%s", w.name, text(got.err), c.err)
				}
				for _, kind := range []error{pcapfile.ErrFormat, pcapfile.ErrTruncated, pcapfile.ErrCorrupt} {
					if errors.Is(got.err, kind) != (kind == c.is) {
						t.Errorf("%s: error %v is %v", w.name, got.err, kind)
					}
				}
				if i == 0 {
					first = got
				} else if d := difference(first, got); d != "" {
					t.Errorf("%s: %s", w.name, d)
				}
			}
		})
	}
}

// difference says where two results of the same capture differ.
func difference(a, b result) string {
	same := func(p, q pcapfile.Packet) bool {
		data := bytes.Equal(p.Data, q.Data)
		p.Data, q.Data = nil, nil
		return data && reflect.DeepEqual(p, q)
	}
	if !slices.EqualFunc(a.packets, b.packets, same) {
		return fmt.Sprintf("%d packets, and %d that are not the same", len(a.packets), len(b.packets))
	}
	if text(a.err) != text(b.err) {
		return fmt.Sprintf("error %q, not %q", text(b.err), text(a.err))
	}
	a.packets, b.packets, a.err, b.err = nil, nil, nil, nil
	if !reflect.DeepEqual(a, b) {
		return fmt.Sprintf("besides packets\n%+v\nnot\n%+v", b, a)
	}
	return ""
}

// A capture that is cut off anywhere gives the packets that are there whole,
// and then says so, unless it is cut between two records.
func TestCut(t *testing.T) {
	for _, c := range []struct {
		b    []byte
		ends []int // of the records with packets
	}{
		{little.pcap(micro, 0, 1, little.record(1, 2, "first"), little.record(3, 4, ""), little.record(5, 6, "third")),
			[]int{45, 61, 82}},
		{cat(big.section(), big.iface(1, 0, big.option(2, "eth0")), big.packet(0, 1, "first"), big.block(99, []byte("what?")),
			big.packet(0, 2, "second", big.option(1, "a comment")), big.block(10, big.u32(pcapfile.SecretTLS, 4), []byte("key\n")), big.simple(3, "abc")),
			[]int{96, 172, 216}},
	} {
		between := 0
		for n := 4; n <= len(c.b); n++ {
			r, err := pcapfile.NewReader(bytes.NewReader(c.b[:n]), "x", nil)
			got := drain(t, r, err)
			if got.err == nil {
				between++
			} else if !errors.Is(got.err, pcapfile.ErrTruncated) {
				t.Errorf("cut to %d bytes: %v", n, got.err)
			}
			whole := 0
			for _, end := range c.ends {
				if end <= n {
					whole++
				}
			}
			if len(got.packets) != whole {
				t.Errorf("cut to %d bytes: %d packets, want %d", n, len(got.packets), whole)
			}
			if slices.Contains(c.ends, n) && got.err != nil {
				t.Errorf("cut to %d bytes, between two records: %v", n, got.err)
			}
		}
		if between < len(c.ends) || between > 7 {
			t.Errorf("cut at %d places without a word", between)
		}
	}
}

// The limit of the captured length can be set, and holds for every kind of
// record.
func TestMaxPacket(t *testing.T) {
	const ten, eleven = "0123456789", "0123456789a"
	start := cat(big.section(), big.iface(1, 0))
	for _, c := range []struct {
		name string
		b    []byte
	}{
		{"pcap", big.pcap(micro, 0, 1, big.record(1, 2, ten), big.record(1, 2, eleven))},
		{"enhanced", cat(start, big.packet(0, 1, ten), big.packet(0, 1, eleven))},
		{"simple", cat(start, big.simple(10, ten), big.simple(11, eleven))},
		{"obsolete", cat(start, big.obsolete(0, 0, 1, ten), big.obsolete(0, 0, 1, eleven))},
	} {
		for _, w := range ways(0) {
			r, err := w.open(t, c.b, pcapfile.Config{MaxPacket: 10})
			got := drain(t, r, err)
			if len(got.packets) != 1 || !strings.HasSuffix(text(got.err), ": captured length: 11 exceeds the limit of 10") {
				t.Errorf("%s, %s: %d packets, %v", c.name, w.name, len(got.packets), got.err)
			}
		}
	}
}

// Bytes of a batch stay as they are until it is given back, whatever is read
// meanwhile; drain relies on it for three batches, here it is all of them.
func TestBatchesKeepTheirBytes(t *testing.T) {
	var b []byte
	for i := range 20000 {
		b = append(b, little.record(uint32(i), 0, fmt.Sprint("packet ", i))...)
	}
	b = cat(little.pcap(micro, 0, 1), b)
	for _, w := range ways(0) {
		r, err := w.open(t, b, pcapfile.Config{})
		if err != nil {
			t.Fatal(err)
		}
		var bs []*pcapfile.Batch
		for {
			b := new(pcapfile.Batch)
			if err := r.Read(b); err != nil {
				break
			}
			bs = append(bs, b)
		}
		n := 0
		for _, b := range bs {
			for _, p := range b.Packets {
				if want := fmt.Sprint("packet ", n); string(p.Data) != want || p.Number != int64(n+1) {
					t.Fatalf("%s: packet %d is %q, want %q", w.name, p.Number, p.Data, want)
				}
				n++
			}
		}
		if n != 20000 {
			t.Errorf("%s: %d packets", w.name, n)
		}
		// given back in another order than they were filled
		for i := range bs {
			if err := r.Read(bs[(i*7)%len(bs)]); err == nil {
				t.Fatal("packets behind the end")
			}
		}
		r.Close()
	}
}

// A batch may go from one Reader to the next.
func TestBatchOfAnotherReader(t *testing.T) {
	var b pcapfile.Batch
	c := little.pcap(micro, 0, 1, little.record(1, 2, "x"), little.record(1, 2, "y"))
	for range 3 {
		for _, w := range ways(0) {
			r, err := w.open(t, c, pcapfile.Config{})
			if err != nil {
				t.Fatal(err)
			}
			defer r.Close()
			if err := r.Read(&b); err != nil || string(b.Packets[0].Data) != "x" {
				t.Errorf("%s: %v", w.name, err)
			}
		}
	}
}
