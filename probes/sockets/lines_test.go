package sockets

import (
	"slices"
	"strings"
	"testing"
)

// A line that is too long does not hide those behind it.
func TestLines(t *testing.T) {
	long := strings.Repeat("x", 200<<10)
	for in, want := range map[string][]string{
		"":                                    nil,
		"a\nb":                                {"a", "b"},
		"a\n" + long + "\nb\n":                {"a", "b"},
		long + "\n\n" + long + "\nc\n" + long: {"", "c"},
	} {
		if got := slices.Collect(lines(strings.NewReader(in))); !slices.Equal(got, want) {
			t.Errorf("%.20q: %.200q, want %q", in, got, want)
		}
	}
}
