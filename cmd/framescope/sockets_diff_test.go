package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// A file whose first line is too long is refused before it is read.
func TestReadSaved(t *testing.T) {
	name := filepath.Join(t.TempDir(), "saved")
	for in, want := range map[string]string{
		`{"schema":"1.0","type":"sockets"}` + "\n": "",
		`{"schema":"1.7","type":"sockets"}`:        "",
		`{"schema":"2.0","type":"sockets"}`:        "not 1",
		"":                                         "EOF",
		`{"type":"sockets","ts":"` + strings.Repeat("x", 2<<20) + "\"}\n": "longer than 1 MiB",
	} {
		if err := os.WriteFile(name, []byte(in), 0o600); err != nil {
			t.Fatal(err)
		}
		if _, _, err := readSaved(name); (err == nil) != (want == "") || err != nil && !strings.Contains(err.Error(), want) {
			t.Errorf("%.30q: %v, want %q", in, err, want)
		}
	}
}
