package filter

import (
	"testing"

	"framescope/decode/framing"
	"framescope/decode/record"
)

// A field of a declared framing has a number, the name of the number, a text, or
// what is shown of them.
func TestDeclaredFields(t *testing.T) {
	f, err := framing.Parse([]byte(`name: acme
fields:
  - {name: type, size: 1, names: {1: HELLO, 2: DATA}}
  - {name: flags, size: 1, show: hex}
  - {name: topic-name, type: string, prefix: 1}
  - {name: id, type: string, size: 4}
  - {name: large, size: 8}
  - {name: payload length, size: 2, counts: payload}
`), framing.Options{})
	if err != nil {
		t.Fatal(err)
	}
	var r *record.Declared
	d := framing.Decoder{Framing: f}
	for c, err := range d.Decode([]byte("\x02\x90\x04temp0042\xff\xff\xff\xff\xff\xff\xff\xff\x00\x1aabcdefghijklmnopqrstuvwxyz")) {
		if err != nil {
			t.Fatal(err)
		}
		if c.First {
			r = &record.Declared{Header: c.Header, Size: c.Header.Size, Length: c.Header.Length}
			r.Fields()
		}
	}
	for expr, want := range map[string]bool{
		"frame.field.payload_length > 25":           true,
		"frame.field.payload_length > 26":           false,
		"frame.field.payload_length >= 0x1a":        true,
		"frame.field.payload_length != 26":          false,
		"frame.field.payload_length in {1..5, 26}":  true,
		"frame.field.payload_length not in {1..25}": true,
		"frame.field.Payload-Length == 26":          true,
		"frame.field.type == DATA":                  true,
		"frame.field.type == 2":                     true,
		`frame.field.type == "2 DATA"`:              true,
		`frame.field.type == "2"`:                   false,
		"frame.field.type == HELLO":                 false,
		"frame.field.type != DATA":                  false,
		"frame.field.type != HELLO":                 true,
		"frame.field.type != 2":                     false,
		"frame.field.type in {HELLO DATA}":          true,
		"frame.field.type in {1, 3..4}":             false,
		"frame.field.type > 1":                      true,
		"frame.field.type matches '^DA'":            true,
		"frame.field.flags == 0x90":                 true,
		"frame.field.flags == 144":                  true,
		"frame.field.topic_name == temp":            true,
		"frame.field.topic_name contains em":        true,
		"frame.field.topic_name == 4":               false,
		"frame.field.topic_name > 1":                false,
		"frame.field.topic_name_length == 4":        true,
		"frame.field.id == 42":                      true,
		"frame.field.id == 0042":                    true,
		"frame.field.id < 43":                       true,
		"frame.field.large > 5":                     true,
		"frame.field.nothing != 5":                  false,
	} {
		m, err := Compile(expr)
		if err != nil {
			t.Errorf("%s: %v", expr, err)
			continue
		}
		if got := m.Match(r); got != want {
			t.Errorf("%s: %v, want %v", expr, got, want)
		}
	}
	m, err := Compile("frame.field.payload_length > 25 and frame.field.type in {HELLO, 2} and frame.field.topic_name == temp")
	if err != nil {
		t.Fatal(err)
	}
	if n := testing.AllocsPerRun(100, func() { m.Match(r) }); n != 0 {
		t.Errorf("%v allocations per match", n)
	}
	for expr, want := range map[string]string{
		"frame.field.type > DATA":   "offset 19: expected a whole number such as 443, 0x1bb, 4k (4000) or 4Ki (4096)",
		"frame.field.type in {9..}": "offset 24: expected a value",
	} {
		if _, err := Compile(expr); err == nil || err.Error() != want {
			t.Errorf("%s: %v, want %s", expr, err, want)
		}
	}
}
