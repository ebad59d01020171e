package packet

import (
	"bytes"
	"fmt"
	"testing"
)

func TestOptions(t *testing.T) {
	tests := []struct {
		name, options, want string
		malformed           bool
	}{
		{"none", "", "", false},
		{"a SYN of Linux", "0204 05b4 0402 080a 0000000a 00000000 01 030307", "mss 1460; 4 []; ts 10 0; scale 7; ", false},
		{"SACK", "0101 0512 00000001 00000002 00000005 00000009", "sack 1-2 5-9; ", false},
		{"MPTCP", "1e0c 0081 0102030405060708 0101", "30 [0 129 1 2 3 4 5 6 7 8]; ", false},
		{"fast open", "2202 01 220a 0102030405060708", "34 []; 34 [1 2 3 4 5 6 7 8]; ", false},
		{"end, then rubbish", "0402 00 ff", "4 []; ", false},
		{"unknown", "fe04 f989", "254 [249 137]; ", false},
		{"window scale above 14", "0303ff", "scale 14; ", false},
		{"wrong lengths", "0203 05 0302 0809 00000000000000 0507 0000000000 0502", "2 [5]; 3 []; 8 [0 0 0 0 0 0 0]; 5 [0 0 0 0 0]; 5 []; ", false},
		{"length zero", "0402 0800 0101", "4 []; ", true},
		{"length one", "0801", "", true},
		{"no length", "0402 01 08", "4 []; ", true},
		{"longer than the header", "0402 080a 0000", "4 []; ", true},
	}
	for _, tt := range tests {
		var got string
		o := OptionsOf(unhex(t, tt.options))
		for o.Next() {
			if v, ok := o.MSS(); ok {
				got += fmt.Sprintf("mss %d; ", v)
			} else if v, ok := o.WindowScale(); ok {
				got += fmt.Sprintf("scale %d; ", v)
			} else if v, e, ok := o.Timestamps(); ok {
				got += fmt.Sprintf("ts %d %d; ", v, e)
			} else if _, _, ok := o.SACK(0); ok {
				got += "sack"
				for i := 0; ; i++ {
					l, r, ok := o.SACK(i)
					if !ok {
						break
					}
					got += fmt.Sprintf(" %d-%d", l, r)
				}
				got += "; "
			} else {
				got += fmt.Sprintf("%d %v; ", o.Kind, o.Data)
			}
		}
		if got != tt.want || o.Malformed != tt.malformed {
			t.Errorf("%s: got %q, malformed %v; want %q, %v", tt.name, got, o.Malformed, tt.want, tt.malformed)
		}
		if o.Next() {
			t.Errorf("%s: there is an option after the end", tt.name)
		}
	}
	// The typed readers answer for their own kind only.
	o := OptionsOf(unhex(t, "fd04 05b4"))
	if _, ok := o.MSS(); ok || !o.Next() {
		t.Error("an option before Next, or none after")
	}
	if _, ok := o.MSS(); ok {
		t.Error("kind 253 taken for an MSS")
	}
	if _, _, ok := o.SACK(-1); ok {
		t.Error("there is a SACK block -1")
	}
}

func FuzzOptions(f *testing.F) {
	f.Add(unhex(f, "0204 05b4 0402 080a 0000000a 00000000 01 030307"))
	f.Add(unhex(f, "0101 0512 00000001 00000002 00000005 00000009"))
	f.Fuzz(func(t *testing.T, b []byte) {
		n := 0
		o := OptionsOf(b)
		for o.Next() {
			if o.Kind <= OptNop || cap(o.Data) != len(o.Data) || !bytes.Contains(b, o.Data) {
				t.Fatalf("bad option %d %v", o.Kind, o.Data)
			}
			n += 2 + len(o.Data)
			o.MSS()
			o.WindowScale()
			o.Timestamps()
			o.SACK(0)
		}
		if n > len(b) {
			t.Fatalf("%d bytes of options in %d", n, len(b))
		}
	})
}
