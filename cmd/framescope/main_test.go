package main

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"
)

func TestMain(m *testing.M) {
	testscript.Main(m, map[string]func(){"framescope": main})
}

// The scripts in testdata/script run the real command. $CAPTURES is the
// repository's testdata.
func TestScripts(t *testing.T) {
	captures, err := filepath.Abs("../../testdata")
	if err != nil {
		t.Fatal(err)
	}
	testscript.Run(t, testscript.Params{
		Dir:           "testdata/script",
		UpdateScripts: os.Getenv("UPDATE") != "",
		Setup: func(e *testscript.Env) error {
			e.Setenv("CAPTURES", captures)
			e.Setenv("COLUMNS", "80")
			return nil
		},
	})
}

// What a file is called cannot do anything to a terminal.
func TestComplain(t *testing.T) {
	var b strings.Builder
	complain(&b, hinted{errors.New("open a\x1b[31m\u202eb\xff: no\nsecond line"), "cat \x07"})
	if got, want := b.String(), "framescope: open a\\x1b[31m\\u202eb\\xff: no\nsecond line\n  cat \\x07\n"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
	for name, want := range map[string]string{"a/b-1.pcap": "a/b-1.pcap", "a b": "'a b'", "it's;rm": `'it'\''s;rm'`} {
		if got := shellQuote(name); got != want {
			t.Errorf("%q: %s, want %s", name, got, want)
		}
	}
}

// What demo shows where it cannot capture is the recording of testdata.
func TestRecorded(t *testing.T) {
	want, err := os.ReadFile("../../testdata/demo/session.pcapng")
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(recorded, want) {
		t.Error("demo.pcapng is not testdata/demo/session.pcapng: copy it")
	}
}

// Nothing that was to be filled in is left in what people read.
func TestDocs(t *testing.T) {
	for _, pattern := range []string{"../../*.md", "../../docs/*.md", "../../testdata/*.md"} {
		names, _ := filepath.Glob(pattern)
		if len(names) == 0 {
			t.Errorf("%s: no file", pattern)
		}
		for _, name := range names {
			b, err := os.ReadFile(name)
			if err != nil {
				t.Fatal(err)
			}
			if bytes.Contains(b, []byte("@@")) {
				t.Errorf("%s has @@ in it", name)
			}
		}
	}
}
