package output

import (
	"bytes"
	"fmt"
	"strings"
	"testing"
)

// A table prints what it has before it knows all, and is aligned nevertheless.
func TestAligner(t *testing.T) {
	var b bytes.Buffer
	a := NewAligner(&b, []string{"name", "n", "text"}, []bool{false, true, false})
	for i := range 3 * sampledRows {
		a.Buf = fmt.Appendf(a.Buf, "r%d", i%10)
		a.Next()
		a.Buf = fmt.Appendf(a.Buf, "%d", i)
		a.Next()
		if i%2 == 0 {
			a.Buf = append(a.Buf, "even"...)
		}
		a.Next()
		s := a.Row()
		if s != nil {
			t.Fatal(s)
		}
		if i == 1 || i == 2*sampledRows {
			s = a.Below([]byte("  below"))
		}
		if s != nil {
			t.Fatal(s)
		}
		if len(a.ends) > 3*sampledRows {
			t.Fatalf("%d cells are held", len(a.ends))
		}
	}
	if err := a.Close(); err != nil {
		t.Fatal(err)
	}
	got := strings.Split(b.String(), "\n")
	for i, want := range map[int]string{0: "name    n  text", 1: "r0      0  even", 2: "r1      1", 3: "  below", 4: "r2      2  even", 1002: "r0    1000  even", 2003: "  below"} {
		if i < 1002 && got[i] != want || i == 2003 && got[i] != want {
			t.Errorf("line %d: %q, want %q", i, got[i], want)
		}
	}
	if len(got) != 3*sampledRows+2+1+1 {
		t.Errorf("%d lines", len(got))
	}
}
