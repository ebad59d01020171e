package capability

import (
	"bufio"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// TestMain lets a child give its capabilities up: that cannot be undone.
func TestMain(m *testing.M) {
	if os.Getenv("FRAMESCOPE_TEST_DROP") == "" {
		os.Exit(m.Run())
	}
	if err := Drop(DACOverride); err != nil {
		println(err.Error())
		os.Exit(1)
	}
	// What each thread has, as the kernel sees it.
	all, _ := filepath.Glob("/proc/self/task/*/status")
	for _, name := range all {
		f, err := os.Open(name)
		if err != nil {
			continue
		}
		for s := bufio.NewScanner(f); s.Scan(); {
			if l := s.Text(); strings.HasPrefix(l, "Cap") || strings.HasPrefix(l, "NoNewPrivs") {
				println(strings.ReplaceAll(l, "\t", " "))
			}
		}
		f.Close()
	}
	if Effective(NetRaw) || Effective(SysAdmin) {
		println("still there")
	}
	os.Exit(0)
}

func TestDrop(t *testing.T) {
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), "FRAMESCOPE_TEST_DROP=1")
	out, err := cmd.CombinedOutput()
	if strings.Contains(string(out), ErrNotSupported.Error()) {
		t.Skip("built with cgo: threads cannot be reached")
	}
	if err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	lines := strings.Split(strings.TrimSpace(string(out)), "\n")
	threads := 0
	for _, l := range lines {
		name, value, _ := strings.Cut(l, ": ")
		switch name {
		case "CapEff", "CapPrm":
			// CAP_DAC_OVERRIDE is bit 1; a plain user has none.
			if value != "0000000000000002" && value != "0000000000000000" || os.Getuid() == 0 && value[15] != '2' {
				t.Errorf("%s", l)
			}
			threads++
		case "CapInh", "CapAmb":
			if strings.Trim(value, "0") != "" {
				t.Errorf("%s", l)
			}
		case "NoNewPrivs":
			if value != "1" {
				t.Errorf("%s", l)
			}
		case "CapBnd":
		default:
			t.Errorf("%q", l)
		}
	}
	if threads < 4 {
		t.Errorf("%d lines of capabilities, expected those of several threads:\n%s", threads, out)
	}
}

func TestEffective(t *testing.T) {
	status, err := os.ReadFile("/proc/thread-self/status")
	if err != nil {
		t.Fatal(err)
	}
	_, rest, _ := strings.Cut(string(status), "CapEff:\t")
	raw := rest[12] // bits 12 to 15
	if got, want := Effective(NetRaw), strings.ContainsRune("2367abef", rune(raw)); got != want {
		t.Errorf("Effective(NetRaw) = %v, the kernel says %s", got, rest[:16])
	}
}
