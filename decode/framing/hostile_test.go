package framing

import (
	"bytes"
	"fmt"
	"strings"
	"testing"
)

// Bytes that are made to be looked at again and again are not: each of these would
// take minutes.
func TestHostile(t *testing.T) {
	var rare strings.Builder
	rare.WriteString("name: rare\nvariants:\n")
	for i := range 31 {
		fmt.Fprintf(&rare, "  - {name: v%d, fields: [{name: magic, size: 4, magic: 0xfeed00%02x}, {name: n, size: 2, counts: payload}]}\n", i, i)
	}
	rare.WriteString("  - {name: common, fields: [{name: magic, size: 2, magic: 0xabcd}, {name: n, size: 2, counts: payload, max: 5}]}\n")
	noise := bytes.Repeat([]byte("\xab\xcd\xff\xff"), 1<<20)

	// A header of two parts, the second of which comes byte by byte.
	json := `{"a":[` + strings.Repeat(`{"b":1},`, 4000) + `0]}`
	two := fmt.Sprintf("\x80\x00%s%s\x60\x00%s", json, strings.Repeat(" ", 1<<15-len(json)), strings.Repeat("x", 0x6000))
	lines := strings.Repeat("n: 0\r\n", 6000) + "\r\n" + strings.Repeat("x", 20000) + "\n"
	for _, row := range []struct {
		name, src string
		stream    []byte
		cut       int
		frames    int
	}{
		{"magics that do not come", rare.String(), noise, 64 << 10, 0},
		{"the same in small pieces", rare.String(), noise[:1<<20], 3, 0},
		{"JSON before a text", "name: a\nlimits: {header: 64K}\nfields: [{name: n, size: 2}, {name: h, type: json, size: n}, {name: s, type: string, prefix: 2}]",
			[]byte(strings.Repeat(two, 16)), 1, 16},
		{"lines before a text", "name: a\nlimits: {header: 64K}\nfields: [{name: h, type: headers, path: n, counts: payload}, {name: s, until: \"\\n\"}]",
			[]byte(strings.Repeat(lines, 16)), 1, 16},
		{"a text without an end", "name: a\nlimits: {header: 64K}\nfields: [{name: m, size: 1, magic: 0x78}, {name: s, until: \"\\n\"}]", bytes.Repeat([]byte("x"), 4<<20), 100, 0},
		{"an object without an end", "name: a\nlimits: {header: 64K}\nfields: [{name: m, type: bytes, magic: \"\\xff\"}, {name: n, size: 2}, {name: h, type: json, size: n, path: n, counts: payload}]",
			bytes.Repeat([]byte("\xff\xff\xf0{\"a\":"), 1<<19), 1000, 0},
	} {
		t.Run(row.name, func(t *testing.T) {
			d := Decoder{Framing: spec(t, row.src), Resync: true}
			frames := 0
			for b := row.stream; len(b) > 0; {
				n := min(len(b), row.cut)
				for c, err := range d.Decode(b[:n]) {
					if err == nil && c.Last {
						frames++
					}
				}
				b = b[n:]
			}
			if frames != row.frames {
				t.Errorf("%d frames, want %d", frames, row.frames)
			}
			if n := d.Memory(); n > 1<<20 {
				t.Errorf("%d bytes are held", n)
			}
		})
	}
}

// A line of a chunk's size that does not end is refused when it is longer than
// any that is meant, and what was read of it is not read again.
func TestEndlessChunkLine(t *testing.T) {
	for _, row := range []struct {
		name, line string
		wrong      int // the byte that is too many, 0: none is
	}{
		{"zeros", strings.Repeat("0", 60000), 17},
		{"digits behind zeros", "000000000000000a1", 17},
		{"blanks", "1a" + strings.Repeat(" ", 60000), 2 + 65},
		{"an extension", "1a ;" + strings.Repeat("x", 60000), 3 + maxChunkLine},
		{"a size of many digits", "000000000000000a\r\n0123456789\r\n", 0},
		{"blanks and an extension", "a" + strings.Repeat(" \t", 32) + ";" + strings.Repeat("x", 4000) + "\r\n0123456789\r\n", 0},
		{"the end, with an extension", "0;" + strings.Repeat("x", 4000) + "\r\n" + strings.Repeat("n: v\r\n", 9000) + "\r\n", 0},
	} {
		t.Run(row.name, func(t *testing.T) {
			f, err := Builtin("http1", Options{})
			if err != nil {
				t.Fatal(err)
			}
			d := Decoder{Framing: f}
			wrong := 0
			for i := range len(row.line) {
				for _, err := range d.Decode([]byte{row.line[i]}) {
					if err != nil && wrong == 0 {
						wrong = i + 1
					}
				}
			}
			if wrong != row.wrong {
				t.Errorf("wrong at byte %d, want %d", wrong, row.wrong)
			}
			if err := d.Close(); (err != nil) != (row.wrong > 0) {
				t.Error(err)
			}
		})
	}
}

// Fields of a payload that are cut are no errors: no words are made for them.
func TestCutPayloadFields(t *testing.T) {
	h := header(t, "name: a\nfields: [{name: n, size: 1, counts: payload}]\npayload: {fields: [{name: v, type: leb128, size: 2}]}", "\x03\xff\xff\xff")
	var fields []Field
	if n := testing.AllocsPerRun(50, func() { fields = h.AppendPayloadFields(fields[:0], []byte("\xff\xff\xff")) }); n > 3 || len(fields) > 0 {
		t.Errorf("%g allocations, %d fields", n, len(fields))
	}
}

// header returns the header of the frame that stream begins with.
func header(t *testing.T, src, stream string) Header {
	t.Helper()
	d := Decoder{Framing: spec(t, src)}
	for c, err := range d.Decode([]byte(stream)) {
		if err != nil {
			t.Fatal(err)
		}
		return *c.Header
	}
	t.Fatal("no frame")
	return Header{}
}
