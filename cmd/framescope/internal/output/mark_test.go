package output

import (
	"strings"
	"testing"
)

func TestMark(t *testing.T) {
	for _, tt := range []struct {
		s      string
		off, n int
		want   string
	}{
		{"tcp prot 80", 4, 4, "  tcp prot 80\n      ^^^^"},
		{"not", 3, 0, "  not\n     ^"},
		{"", 0, 0, "  \n  ^"},
		{"a", 7, 9, "  a\n   ^"},
		{"a\tb == 1", 2, 1, "  a\\tb == 1\n     ^"},
		{"\x1b[31m = \u202e", 8, 3, "  \\x1b[31m = \\u202e\n             ^^^^^^"},
		{"名前 = x", 9, 1, "  名前 = x\n         ^"},
		{strings.Repeat("type == conn or ", 20) + "opcode == 1" + strings.Repeat(" or type == conn", 20), 320, 6,
			"  ...type == conn or type == conn or type == conn or opcode == 1 or type == conn or type == conn or type ==...\n" +
				"                                                     ^^^^^^"},
	} {
		if got := Mark(tt.s, tt.off, tt.n); got != tt.want {
			t.Errorf("Mark(%q, %d, %d):\n%s\nwant\n%s", tt.s, tt.off, tt.n, got, tt.want)
		}
	}
}

func TestWrap(t *testing.T) {
	for _, tt := range []struct{ s, want string }{
		{"", "seen  "},
		{"a word or two that go on", "seen  a word or\n      two that go\n      on"},
		{"error: x   y", "seen  error: x   y"},
		{"a /sys/class/net/eth0/operstate b", "seen  a\n      /sys/class/net/eth0/operstate\n      b"},
		{"a\x1b[2J", "seen  a\\x1b[2J"},
	} {
		if got := string(Wrap([]byte("seen  "), tt.s, 6, 6, 18)); got != tt.want {
			t.Errorf("Wrap(%q):\n%s\nwant\n%s", tt.s, got, tt.want)
		}
	}
}
