package framing

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/adler32"
	"hash/crc32"
	"math/rand/v2"
	"strings"
	"testing"
)

// The errors of a declaration say where it is wrong, and what was expected.
func TestSpecErrors(t *testing.T) {
	for _, row := range []struct{ src, want string }{
		{"", "line 1, column 1: found nothing, expected a framing"},
		{"name: [", "line 1, column 7: sequence end token ']' not found"},
		{"hello", `line 1, column 1: found "hello", expected a framing: a map with`},
		{"title: x", "line 1, column 1: there is no name"},
		{"name: A B\nfields: []", `line 1, column 7: found "A B", expected a name of small letters`},
		{"name: a", "line 1, column 1: there are no fields"},
		{"name: a\nfields: []", "line 2, column 9: found a list, expected a list of fields"},
		{"name: a\nfeilds: []", `line 2, column 1: found "feilds", expected one of: about, align, fields,`},
		{"name: a\nname: b", "line 2, column 1: "},
		{"name: a\nfields:\n  - {name: x, sise: 4}", `line 3, column 15: found "sise", expected one of: bits, checksum,`},
		{"name: a\nfields:\n  - {name: x, size: 9}", `line 3, column 21: found "9", expected the size in bytes: a number from 1 to 8`},
		{"name: a\nfields:\n  - {name: x, size: 2, counts: all}", `line 3, column 32: found "all", expected what the length counts: one of payload, rest, whole`},
		{"name: a\nfields:\n  - {name: x, size: 2}\n  - {name: x, size: 2}", `line 4, column 12: there is a field "x" in line 3 already`},
		{"name: a\nfields:\n  - {name: x, size: 2, bits: [{name: p, bits: 3}]}", "line 3, column 30: the bit fields have 3 bits, the field has 16"},
		{"name: a\nfields:\n  - {name: x, size: 2}\n  - {name: m, size: 1, magic: 3}", "line 4, column 31: a magic is the first field of a header; expected equals here"},
		{"name: a\nfields:\n  - {name: x, size: 1, magic: 300}", `line 3, column 31: found "300", expected the constant: a number from 0 to 255`},
		{"name: a\nfields:\n  - {name: x, size: 1, when: y == 3}", `line 3, column 30: there is no number "y" before this field`},
		{"name: a\nfields:\n  - {name: x, type: json, size: n}", `line 3, column 33: there is no number "n" before this field`},
		{"name: a\nfields:\n  - {name: x, size: 2, checksum: md5}", `line 3, column 34: found "md5", expected a checksum: one of crc32, crc32c, crc16-arc`},
		{"name: a\nfields:\n  - {name: x, size: 2}\ntrailer:\n  - {name: c, size: 2, checksum: crc32}", "line 5, column 34: crc32 has 32 bits, the field has 16"},
		{"name: a\nfields:\n  - {name: x, size: 2}\ntrailer:\n  - {name: c, size: 4, checksum: crc32, over: y}", `covers "y": there is no such field`},
		{"name: a\nfields:\n  - {name: x, size: 2}\ntrailer:\n  - {name: c, size: 4, checksum: crc32, over: [payload, x]}", "out of its order"},
		{"name: a\nfields: [{name: x, size: 4}]\npayload: {until: close}\ntrailer: [{name: t, size: 1}]", "nothing can follow it"},
		{"name: a\nfields:\n  - {name: x, until: \"\\u0100\"}", "is no byte"},
		{"name: a\nfields: [{name: x, size: 4, names: {a: b}}]", `found "a", expected a value`},
		{"name: a\nfields: [{name: x, type: decimal}]", `"x" has no until: the bytes that end it`},
		{"name: a\nfields: [{name: x, type: decimal, until: 5x}]", "a digit cannot end a number"},
		{"name: a\nfields: [{name: x, type: decimal, until: x, size: 3}]", "a field of type decimal has no size"},
		{"name: a\nvariants:\n  - {name: v, before: 1, fields: [{name: x, size: 1}]}", "found before without from: client or server"},
		{"name: a\nlimits: {header: 2}\nfields: [{name: x, size: 4}]", "the header has 4 bytes, limits say at most 2"},
		{"name: &a b\nfields: [{name: x, size: 4}]", "found anchor, expected a plain value"},
		{"name: a\nfields: *x", "line 2, column 9: "},
		{strings.Repeat("[", 300), "nested deeper"},
		{strings.Repeat("- ", 300), "nested deeper"},
	} {
		_, err := Parse([]byte(row.src), Options{})
		var e *SpecError
		if !errors.As(err, &e) || e.Line < 1 || e.Column < 1 || !strings.Contains(err.Error(), row.want) {
			t.Errorf("%s\n got %v\nwant %s", row.src, err, row.want)
		}
	}
	if _, err := Parse(bytes.Repeat([]byte("#"), maxSpec+1), Options{}); err == nil {
		t.Error("no error for a declaration that is too long")
	}
}

// decodeAll returns the frames of a stream: kind, fields, payload, checks.
func decodeAll(t *testing.T, f *Framing, b []byte) (lines []string) {
	t.Helper()
	whole := cutUp(t, f, Either, b, nil, 0, 0)
	for _, cuts := range [][]byte{{0}, {1, 4}, {12}} {
		if cut := cutUp(t, f, Either, b, cuts, 0, 0); cut != whole {
			t.Fatalf("cut by %d:\n%s\nwhole:\n%s", cuts, cut, whole)
		}
	}
	d := Decoder{Framing: f, Resync: true}
	payload := ""
	for c, err := range d.Decode(b) {
		if err != nil {
			lines = append(lines, err.Error())
			continue
		}
		if c.First {
			payload = ""
			line := c.Header.Kind()
			for _, f := range c.Header.AppendFields(nil) {
				line += fmt.Sprintf(" %s=%s", f.Name, f.Value)
			}
			lines = append(lines, line)
		}
		payload += string(c.Data)
		if c.Last {
			n := len(lines) - 1
			for _, f := range c.Header.AppendPayloadFields(nil, []byte(payload)) {
				lines[n] += fmt.Sprintf(" (%s=%s)", f.Name, f.Value)
			}
			lines[n] += fmt.Sprintf(" %q", payload)
			for _, f := range c.Header.AppendTrailerFields(nil, c.Trailer) {
				lines[n] += fmt.Sprintf(" %s=%s", f.Name, f.Value)
			}
			for _, k := range c.Checks {
				lines[n] += fmt.Sprintf(" %v", k.OK())
			}
		}
	}
	if err := d.Close(); err != nil {
		lines = append(lines, err.Error())
	}
	return lines
}

// What the language can say.
func TestLanguage(t *testing.T) {
	for _, row := range []struct {
		name, src, stream string
		want              []string
	}{
		{"little-endian, counts the rest", `
name: a
order: little
fields:
  - {name: n, size: 3, counts: rest}
  - {name: id, size: 1}`, "\x04\x00\x00\x07abc", []string{` n=4 id=7 "abc"`}},
		{"counts the whole, in words, from an offset", `
name: a
fields:
  - {name: id, size: 2}
  - {name: n, size: 1, counts: whole, times: 4, plus: -1}`, "\x00\x01\x02abcd", []string{` id=1 n=2 "abcd"`}},
		{"whole that is too small", `
name: a
fields: [{name: n, size: 2, counts: whole}, {name: id, size: 2}]`, "\x00\x03\x00\x00", []string{"a: offset 0: n: 3 is less than the 4 bytes of header and trailer that it counts", "a: offset 0: n: 3 is less than the 4 bytes of header and trailer that it counts"}},
		{"varints", `
name: a
fields:
  - {name: x, type: leb128}
  - {name: y, type: quic}
  - {name: n, type: leb128, size: 2, counts: payload}`, "\xe5\x8e\x26\x7b\xbd\x02hi", []string{` x=624485 y=15293 n=2 "hi"`}},
		{"strings", `
name: a
fields:
  - {name: p, type: string, prefix: 1}
  - {name: q, type: string, prefix: leb128}
  - {name: line, until: "\r\n"}
  - {name: fixed, type: string, size: 3}`, "\x02hi\x03abcGET x\r\nxyz", []string{` p length=2 p="hi" q length=3 q="abc" line="GET x" fixed="xyz" ""`}},
		{"netstrings", `
name: netstring
fields: [{name: length, type: decimal, until: ":", counts: payload, max: 99}]
trailer: [{name: end, type: string, equals: ","}]`, "5:hello,0:,012:hello world!,", []string{` length=5 "hello" end=","`, ` length=0 "" end=","`, ` length=12 "hello world!" end=","`}},
		{"a decimal that is too large", `
name: netstring
fields: [{name: length, type: decimal, until: ":", counts: payload, max: 99}]`, "100:", []string{"netstring: offset 0: length: 100 exceeds max 99", "netstring: offset 0: length: 100 exceeds max 99"}},
		{"a decimal that has no digits", `
name: a
fields: [{name: n, type: decimal, until: "\r\n", counts: payload}]`, "\r\n", []string{`a: offset 0: n: found "\r", expected a number and "\r\n"`, `a: offset 0: n: found "\r", expected a number and "\r\n"`}},
		{"a decimal with something behind it", `
name: a
fields: [{name: n, type: decimal, until: "\r\n", counts: payload}]`, "12\rx", []string{`a: offset 0: n: found "12\rx", expected a number and "\r\n"`, `a: offset 0: n: found "12\rx", expected a number and "\r\n"`}},
		{"a decimal of many digits", `
name: a
fields: [{name: n, type: decimal, until: ":"}]`, "0000000000000000001:", []string{"a: offset 0: n: has more than 18 digits", "a: offset 0: n: has more than 18 digits"}},
		{"characters as values", `
name: a
kind: type
fields: [{name: type, size: 1, show: text, names: {0x51: Query}}]`, "QZ\x00", []string{`Query type=Q Query ""`, `90 type=Z (unknown) ""`, `0 type=0 (unknown) ""`}},
		{"text headers", `
name: lsp
fields:
  - {name: header, type: headers, path: Content-Length, counts: payload}`, "Content-Length: 2\r\nX: y\r\n\r\n{}content-length:0\n\n", []string{
			` Content-Length=2 X=y end of header= "{}"`, ` content-length=0 end of header= ""`}},
		{"text headers without a length", `
name: lsp
fields: [{name: header, type: headers, path: Content-Length, counts: payload}]`, "X: y\r\n\r\n", []string{`lsp: offset 0: header: there is no "Content-Length"`, `lsp: offset 0: header: there is no "Content-Length"`}},
		{"an optional length", `
name: a
fields: [{name: header, type: headers, path: Content-Length, counts: payload, optional: true}]`, "X: y\r\n\r\n", []string{` X=y end of header= ""`}},
		{"JSON with a path", `
name: a
fields:
  - {name: n, size: 1}
  - {name: h, type: json, size: n, path: meta.size, counts: payload}`, "\x1c{\"x\":[{}],\"meta\":{\"size\":2}}hi"[:1] + "{\"x\":[{}],\"meta\":{\"size\":2}}hi", []string{` n=28 h={"x":[{}],"meta":{"size":2}} "hi"`}},
		{"constants and conditions", `
name: a
kind: type
fields:
  - {name: type, size: 1, names: {1: SMALL, 2: BIG}, strict: true}
  - {name: n, size: 1, counts: payload, when: type == SMALL}
  - {name: n, size: 4, counts: payload, when: type == BIG}
  - {name: z, size: 1, equals: 0}`, "\x01\x01\x00x\x02\x00\x00\x00\x02\x00hi\x03", []string{`SMALL type=1 SMALL n=1 z=0 "x"`, `BIG type=2 BIG n=2 z=0 "hi"`,
			"a: offset 12: type: found 3, expected 1 or 2", "a: offset 12: type: found 3, expected 1 or 2"}},
		{"bits of two bytes, little-endian", `
name: a
order: little
fields:
  - {name: w, size: 2, bits: [{name: hi, bits: 4}, {name: lo, bits: 12, show: hex}]}`, "\x34\x12", []string{` w=0x1234 hi=1 lo=0x0234 ""`}},
		{"padding", `
name: a
align: 4
fields: [{name: n, size: 1, counts: payload}]
trailer: [{name: end, size: 1, equals: 0xce}]`, "\x01x\xce\x00\x02xy\xce", []string{` n=1 "x" end=0xce padding=1 bytes`, ` n=2 "xy" end=0xce`}},
		{"a trailer that is not there", `
name: a
fields: [{name: n, size: 1, counts: payload}]
trailer: [{name: end, size: 1, equals: 0xce}]`, "\x01x\xcf", []string{` n=1`, "a: offset 2: end: found cf, expected ce", "a: offset 2: end: found cf, expected ce"}},
		{"a length with a maximum", `
name: proto
fields:
  - {name: magic, type: bytes, magic: "\x89P\n"}
  - {name: payload length, size: 4, counts: payload, max: 65536}`, "\x89P\n\x00\x01\x11\x70", []string{"proto: offset 3: payload length: 70000 exceeds max 65536", "proto: offset 3: payload length: 70000 exceeds max 65536"}},
		{"a payload to the end", `
name: a
fields: [{name: magic, size: 2, magic: 0x1f8b}]
payload: {until: close, name: rest}`, "\x1f\x8ball of it", []string{` magic=0x1f8b`}},
		{"fields of the payload", `
name: a
fields: [{name: t, size: 1}, {name: n, size: 1, counts: payload}]
payload:
  fields:
    - {name: addr, type: bytes, size: 4, show: ip, when: t == 1}
    - {name: s, type: string, prefix: 1}`, "\x01\x07\x7f\x00\x00\x01\x02hi", []string{` t=1 n=7 (addr=127.0.0.1) (s length=2) (s="hi") "\x7f\x00\x00\x01\x02hi"`}},
	} {
		t.Run(row.name, func(t *testing.T) {
			got := decodeAll(t, spec(t, row.src), []byte(row.stream))
			if strings.Join(got, "\n") != strings.Join(row.want, "\n") {
				t.Errorf("got\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(row.want, "\n"))
			}
		})
	}
}

// The check values of the catalogue of CRCs: each algorithm over "123456789".
func TestChecksums(t *testing.T) {
	in := []byte("123456789")
	want := map[string]uint64{
		"crc32": 0xcbf43926, "crc32c": 0xe3069283, "crc16-arc": 0xbb3d, "crc16-modbus": 0x4b37, "crc16-usb": 0xb4c8,
		"crc16-ccitt": 0x29b1, "crc16-xmodem": 0x31c3, "crc16-kermit": 0x2189, "crc16-x25": 0x906e,
		"adler32": 0x091e01de, "sum8": 0xdd, "sum16": 0x01dd, "xor8": 0x31, "inet16": 0xf62a,
	}
	for _, a := range algorithms() {
		for cut := range len(in) + 1 {
			got := a.end(a.update(a.update(a.start, in[:cut]), in[cut:]))
			if w, ok := want[a.name]; !ok || got != w {
				t.Errorf("%s, cut at %d: %x, want %x", a.name, cut, got, w)
			}
		}
	}
	long := make([]byte, 100_000)
	for i := range long {
		long[i] = 0xff - byte(i/7)
	}
	if got := adler(adler(1, long[:33]), long[33:]); got != uint64(adler32.Checksum(long)) {
		t.Errorf("adler32 of many bytes: %x", got)
	}
}

// Where a checksum stands, and what it covers.
func TestChecksumPlaces(t *testing.T) {
	ieee := func(s string) []byte { return binary.BigEndian.AppendUint32(nil, crc32.ChecksumIEEE([]byte(s))) }
	for _, row := range []struct {
		name, src string
		stream    []byte
	}{
		{"in the header, over the payload", "fields: [{name: n, size: 1, counts: payload}, {name: c, size: 4, checksum: crc32}]",
			[]byte("\x02" + string(ieee("hi")) + "hi")},
		{"in the header, over all of it as zeros", "fields: [{name: n, size: 1, counts: payload}, {name: c, size: 4, checksum: crc32, over: frame}, {name: x, size: 1}]",
			[]byte("\x02" + string(ieee("\x02\x00\x00\x00\x00xhi")) + "xhi")},
		{"in the trailer, over the frame", "fields: [{name: n, size: 1, counts: payload}]\ntrailer: [{name: t, size: 1}, {name: c, size: 4, checksum: crc32, over: frame}]",
			[]byte("\x02hi!" + string(ieee("\x02hi!")))},
		{"over fields", "fields: [{name: n, size: 1, counts: payload}, {name: x, size: 2}, {name: y, size: 2}]\ntrailer: [{name: c, size: 4, checksum: crc32, over: [n, y, payload]}]",
			[]byte("\x02xxyyhi" + string(ieee("\x02yyhi")))},
		{"over fields of variable length", "fields: [{name: n, size: 1, counts: payload}, {name: x, type: string, prefix: 1}, {name: y, size: 2}]\ntrailer: [{name: c, size: 4, checksum: crc32, over: [x, y]}]",
			[]byte("\x02\x01xyyhi" + string(ieee("\x01xyy")))},
	} {
		f := spec(t, "name: a\n"+row.src)
		for i := range row.stream {
			for _, flip := range []byte{0, 1} {
				b := bytes.Clone(row.stream)
				b[i] ^= flip
				r := newTranscript(t, f, Either)
				r.feed(b[:i])
				r.feed(b[i:])
				if flip == 0 && (len(r.checks) != 1 || !r.checks[0].OK() || r.close() == "") {
					t.Fatalf("%s: %+v\n%s", row.name, r.checks, r.text.String())
				}
			}
		}
		last := bytes.Clone(row.stream)
		last[len(last)-1] ^= 1
		r := newTranscript(t, f, Either)
		r.feed(last)
		if len(r.checks) != 1 || r.checks[0].OK() {
			t.Errorf("%s: a bit was flipped: %+v", row.name, r.checks)
		}
	}
}

func TestOptions(t *testing.T) {
	f := builtin(t, "magic-length-crc32", Options{Order: "little", Magic: 0xdeadbeef, HasMagic: true, Max: 10})
	if !bytes.Equal(f.Magics()[0], []byte{0xef, 0xbe, 0xad, 0xde}) {
		t.Errorf("% x", f.Magics())
	}
	if got := decodeAll(t, f, []byte("\xef\xbe\xad\xde\x0b\x00\x00\x00")); got[0] != "magic-length-crc32: offset 4: payload length: 11 exceeds max 10" {
		t.Error(got)
	}
	for name, o := range map[string]Options{"length32": {HasMagic: true}, "websocket": {Order: "big"}} {
		if _, err := Builtin(name, o); err == nil {
			t.Errorf("%s takes %+v", name, o)
		}
	}
}

// A random declaration, made of what random numbers pick.
func randomSpec(r *rand.Rand) string {
	var b strings.Builder
	b.WriteString("name: random\nlimits: {header: 512, payload: 5000}\n")
	if r.IntN(3) == 0 {
		b.WriteString("order: little\n")
	}
	if r.IntN(4) == 0 {
		fmt.Fprintf(&b, "align: %d\n", 1<<r.IntN(4))
	}
	fields := func(indent string, n int, variantMagic int) {
		counted := false
		var nums []string
		for i := range n {
			fmt.Fprintf(&b, "%s- {name: f%d", indent, i)
			if i == 0 && variantMagic >= 0 {
				fmt.Fprintf(&b, ", size: 2, %s: %d}\n", []string{"magic", "equals"}[r.IntN(2)], variantMagic)
				continue
			}
			numeric := true
			switch r.IntN(13) {
			case 12:
				fmt.Fprintf(&b, ", type: decimal, until: %q", []string{":", "\r\n", " n"}[r.IntN(3)])
			case 0:
				fmt.Fprintf(&b, ", type: leb128, size: %d", 1+r.IntN(10))
			case 1:
				b.WriteString(", type: quic")
			case 2:
				fmt.Fprintf(&b, ", type: string, prefix: %d, max: 60", 1+r.IntN(3))
				numeric = false
			case 3:
				b.WriteString(`, until: "\n", max: 40`)
				numeric = false
			case 4:
				fmt.Fprintf(&b, ", type: bytes, size: %d", 1+r.IntN(9))
				numeric = false
			case 5:
				if len(nums) > 0 {
					fmt.Fprintf(&b, ", type: bytes, size: %s, max: 100", nums[r.IntN(len(nums))])
					numeric = false
					break
				}
				fallthrough
			case 6:
				fmt.Fprintf(&b, ", size: 1, bits: [{name: b%d, bits: 3, names: {0: a, 1: b}}, {name: c%d, bits: 5}]}\n", i, i)
				nums = append(nums, fmt.Sprintf("b%d", i))
				continue
			case 7:
				if len(nums) > 0 && !counted {
					fmt.Fprintf(&b, ", type: json, size: %s, path: n, counts: payload, max: 200", nums[r.IntN(len(nums))])
					counted, numeric = true, false
					break
				}
				fallthrough
			case 8:
				b.WriteString(", type: headers, max: 100")
				if !counted && r.IntN(2) == 0 {
					b.WriteString(", path: n, counts: payload, optional: true")
					b.WriteString("}\n")
					counted = true
					continue
				}
				numeric = false
			default:
				fmt.Fprintf(&b, ", size: %d", 1+r.IntN(3))
			}
			if numeric && !counted && r.IntN(2) == 0 {
				fmt.Fprintf(&b, ", counts: %s, plus: %d, times: %d", []string{"payload", "rest", "whole"}[r.IntN(3)], r.IntN(9)-4, 1+r.IntN(3))
				counted = true
			} else if numeric && r.IntN(6) == 0 {
				b.WriteString(", max: 200")
			}
			if len(nums) > 0 && r.IntN(4) == 0 {
				fmt.Fprintf(&b, ", when: %s %s %d", nums[r.IntN(len(nums))], []string{"==", "!=", "<", ">=", "&"}[r.IntN(5)], r.IntN(4))
			}
			b.WriteString("}\n")
			if numeric {
				nums = append(nums, fmt.Sprintf("f%d", i))
			}
		}
	}
	trailer := func(indent string) {
		switch r.IntN(4) {
		case 0:
			fmt.Fprintf(&b, "%strailer: [{name: t, size: 1, equals: 0}]\n", indent)
		case 1:
			fmt.Fprintf(&b, "%strailer: [{name: t, size: 2}, {name: c, size: 4, checksum: %s, over: frame}]\n", indent, algorithms()[r.IntN(len(algorithms()))].name)
		}
	}
	if r.IntN(2) == 0 {
		b.WriteString("fields:\n")
		magic := -1
		if r.IntN(2) == 0 {
			magic = r.IntN(1024)
		}
		fields("  ", 1+r.IntN(5), magic)
		trailer("")
		return b.String()
	}
	b.WriteString("variants:\n")
	for i := range 1 + r.IntN(3) {
		fmt.Fprintf(&b, "  - name: v%d\n", i)
		if r.IntN(3) == 0 {
			fmt.Fprintf(&b, "    from: %s\n", []string{"client", "server"}[r.IntN(2)])
			if r.IntN(2) == 0 {
				fmt.Fprintf(&b, "    before: %d\n", 1+r.IntN(20))
			}
		}
		b.WriteString("    fields:\n")
		fields("      ", 1+r.IntN(4), 256+i)
		trailer("    ")
	}
	return b.String()
}

// slow takes all short cuts from f. It reports whether there are any.
func slow(f *Framing) bool {
	any := f.starts != nil
	f.starts, f.muted.starts = nil, nil
	for i := range f.variants {
		any = any || f.variants[i].fast != nil
		f.variants[i].fast = nil
	}
	return any
}

// FuzzSpec: for any declaration the result does not depend on where the input
// was cut, and no more is held than its limits say.
func FuzzSpec(f *testing.F) {
	for i := range 40 {
		f.Add(uint64(i), []byte("\x01\x00\x05hello\nn: 3\n\nabc\x00\x02{\"n\":1}x"), []byte{0, 2})
	}
	f.Fuzz(func(t *testing.T, seed uint64, b, cuts []byte) {
		src := randomSpec(rand.New(rand.NewPCG(seed, 1)))
		fr, err := Parse([]byte(src), Options{})
		if err != nil {
			var e *SpecError
			if !errors.As(err, &e) {
				t.Fatal(err)
			}
			return
		}
		from := Direction(seed % 3)
		whole := cutUp(t, fr, from, b, nil, 0, 0)
		slow(fr)
		if cut := cutUp(t, fr, from, b, cuts, 0, 0); whole != cut {
			t.Errorf("%s\nwhole:\n%s\ncut by %d:\n%s", src, whole, cuts, cut)
		}
	})
}

// Most random declarations are right: FuzzSpec tests something.
func TestRandomSpecs(t *testing.T) {
	good, fast := 0, 0
	rnd := rand.New(rand.NewPCG(7, 7))
	stream := make([]byte, 3000)
	for i := range 400 {
		src := randomSpec(rand.New(rand.NewPCG(uint64(i), 1)))
		f, err := Parse([]byte(src), Options{})
		if err != nil {
			continue
		}
		good++
		for j := range stream {
			stream[j] = byte(rnd.Uint32())
			if rnd.IntN(2) == 0 {
				stream[j] = "\x00\x01\x02\n:n3{}\""[rnd.IntN(10)]
			}
		}
		for k := range f.variants {
			if eq := f.variants[k].fields[0].equals; eq != nil {
				for at := 0; at+50 < len(stream); at += 40 + rnd.IntN(60) {
					copy(stream[at:], eq)
				}
			}
		}
		whole := cutUp(t, f, Either, stream, nil, 0, 0)
		if cut := cutUp(t, f, Either, stream, []byte{0, 5, 30}, 0, 0); cut != whole {
			t.Fatalf("%s\nwhole:\n%.2000s\ncut:\n%.2000s", src, whole, cut)
		}
		if slow(f) {
			fast++
			if slow := cutUp(t, f, Either, stream, nil, 0, 0); slow != whole {
				t.Fatalf("%s\nfast:\n%.2000s\nslow:\n%.2000s", src, whole, slow)
			}
		}
	}
	if good < 300 || fast < 30 {
		t.Errorf("%d of 400 declarations are right, %d have a fast way", good, fast)
	}
}

// FuzzParse: any text is a declaration or an error with a place.
func FuzzParse(f *testing.F) {
	for _, name := range Names() {
		if fr := builtin(f, name, Options{}); fr.Source() != "" {
			f.Add([]byte(fr.Source()))
		}
	}
	f.Fuzz(func(t *testing.T, src []byte) {
		fr, err := Parse(src, Options{})
		if err != nil {
			var e *SpecError
			if !errors.As(err, &e) || e.Line < 1 || e.Column < 1 {
				t.Fatal(err)
			}
			return
		}
		if fr.MaxHeader() < 1 || fr.MaxHeader() > limitHeader {
			t.Fatalf("headers of %d bytes", fr.MaxHeader())
		}
		cutUp(t, fr, Either, src, []byte{7}, 0, 0)
	})
}

// Which variants a side has, and those that only begin a stream.
func TestSides(t *testing.T) {
	f := spec(t, `
name: a
variants:
  - {name: hello, from: server, before: 2, fields: [{name: x, type: string, equals: N}]}
  - {name: order, from: client, fields: [{name: type, size: 1}, {name: n, size: 1, counts: payload}]}
  - {name: report, fields: [{name: type, size: 1}, {name: n, size: 1, counts: payload}]}`)
	for from, want := range map[Direction]string{Either: "report report", Client: "order order", Server: "hello hello report"} {
		for cut := range 5 {
			r := newTranscript(t, f, from)
			in := []byte("N\x01xN\x00")
			if from == Server {
				in = []byte("NNN\x01x")
			}
			r.feed(in[:cut])
			r.feed(in[cut:])
			if got := strings.Join(r.kinds, " "); got != want || len(r.errs) > 0 || r.d.Close() != nil {
				t.Errorf("%s, cut at %d: %s, want %s; %v", from, cut, got, want, r.errs)
			}
		}
	}
}
