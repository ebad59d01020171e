package framing

import (
	"slices"
	"testing"
)

func TestFieldNames(t *testing.T) {
	for _, row := range []struct {
		source string
		want   []string
		open   bool
	}{
		{"name: a\nalign: 4\nfields:\n  - {name: flags, size: 1, bits: [{name: fin, bits: 1}, {name: rest, bits: 7}]}\n  - {name: topic, type: string, prefix: 2}\n" +
			"payload:\n  fields:\n    - {name: code, size: 2}\ntrailer:\n  - {name: sum, size: 4, checksum: crc32}\n",
			[]string{"fin", "rest", "flags", "topic length", "topic", "code", "sum", "padding"}, false},
		{"name: b\nvariants:\n  - name: x\n    fields:\n      - {name: a, size: 1, equals: 1}\n  - name: y\n    fields:\n      - {name: a, size: 1}\n      - {name: b, size: 1}\n",
			[]string{"a", "b"}, false},
		{"name: c\nfields:\n  - {name: header, type: headers, path: Content-Length, counts: payload}\n", nil, true},
	} {
		f, err := Parse([]byte(row.source), Options{})
		if err != nil {
			t.Fatal(err)
		}
		if got, open := f.FieldNames(); !slices.Equal(got, row.want) || open != row.open {
			t.Errorf("%s: %q, %v, want %q, %v", f.Name(), got, open, row.want, row.open)
		}
	}
	f, err := Builtin("http1", Options{})
	if err != nil {
		t.Fatal(err)
	}
	if _, open := f.FieldNames(); !open {
		t.Error("http1 has any field")
	}
}

func TestMaxPayload(t *testing.T) {
	for _, row := range []struct {
		fields string
		want   int64
	}{
		{"[{name: n, size: 2, counts: payload}]", 65535},
		{"[{name: n, size: 2, counts: payload, max: 4K}]", 4096},
		{"[{name: n, size: 4, counts: payload}]", 1 << 20},
		{"[{name: n, size: 8, counts: payload}]", 1 << 20},
		{"[{name: n, size: 2, counts: payload, max: 10, times: 4, plus: -8}]", 32},
		{"[{name: a, size: 1}, {name: n, size: 1, counts: whole}, {name: b, size: 3}]", 250},
		{"[{name: a, size: 1}, {name: n, size: 1, counts: rest}, {name: b, size: 3}]", 252},
		{"[{name: n, size: 1, max: 4, counts: whole}, {name: b, size: 8}]", 0},
		{"[{name: a, size: 1}]", 0},
	} {
		f, err := Parse([]byte("name: a\nlimits: {payload: 1M}\nfields: "+row.fields+"\n"), Options{})
		if err != nil {
			t.Fatal(row.fields, err)
		}
		if got := f.MaxPayload(); got != row.want {
			t.Errorf("%s: %d, want %d", row.fields, got, row.want)
		}
	}
}
