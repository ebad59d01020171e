package framing

import (
	"os"
	"strings"
	"testing"
)

// The declarations in docs/framings.md are right, and it names all that the
// language has.
func TestDocs(t *testing.T) {
	b, err := os.ReadFile("../../docs/framings.md")
	if err != nil {
		t.Fatal(err)
	}
	text := string(b)
	blocks := strings.Split(text, "```yaml\n")
	if len(blocks) < 4 {
		t.Fatalf("%d declarations", len(blocks)-1)
	}
	for _, block := range blocks[1:] {
		src, _, _ := strings.Cut(block, "```")
		if _, err := Parse([]byte(src), Options{}); err != nil {
			t.Errorf("%v\n%s", err, src)
		}
	}
	words := append([]string{}, fieldKeys...)
	words = append(words, Names()...)
	for name := range kindNames {
		words = append(words, name)
	}
	for _, a := range algorithms() {
		words = append(words, a.name)
	}
	for _, w := range words {
		if !strings.Contains(text, "`"+w) && !strings.Contains(text, w+": ") && !strings.Contains(text, "type: "+w) {
			t.Errorf("docs/framings.md does not say %q", w)
		}
	}
}
