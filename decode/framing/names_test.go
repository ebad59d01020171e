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
			[]string{"fin", "rest", "topic length", "topic", "code", "sum", "padding"}, false},
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
