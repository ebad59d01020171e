package output

import (
	"strings"
	"testing"

	"framescope/decode/framing"
	"framescope/decode/record"
)

// Where there is little room, a text is worth more than flags and later fields.
func TestDeclaredRoom(t *testing.T) {
	f, err := framing.Parse([]byte(`name: acme
fields:
  - {name: flags, size: 1, bits: [{name: compressed, bits: 1}, {name: class, bits: 7}]}
  - {name: seq, size: 4}
  - {name: shard, size: 4}
  - {name: payload length, size: 2, counts: payload}
`), framing.Options{})
	if err != nil {
		t.Fatal(err)
	}
	d := framing.Decoder{Framing: f}
	for c, err := range d.Decode([]byte("\x80\x00\x00\x00\x07\x00\x00\x00\x02\x00\x15{\"cpu\": 1, \"mem\": 20}")) {
		if err != nil {
			t.Fatal(err)
		}
		for width, want := range map[int]string{80: `  seq 7  {"cpu": 1, "m...`, 120: `  compressed  seq 7  shard 2  {"cpu": 1, "mem": 20}`} {
			r := &record.Declared{Framing: "acme", Size: c.Header.Size, Length: 21, Captured: 21, Header: c.Header, Payload: c.Data, Text: true}
			r.Conn, r.First, r.Last = &record.Conn{ID: 1}, 4, 4
			var out strings.Builder
			p, err := New(&out, "table", Options{Width: width})
			if err != nil {
				t.Fatal(err)
			}
			line := p.Encoder().Encode(nil, r)
			if !strings.Contains(string(line), want) {
				t.Errorf("%d columns: %q, want %q", width, line, want)
			}
		}
		break
	}
}
