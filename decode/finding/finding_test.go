package finding

import (
	"flag"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

var update = flag.Bool("update", false, "rewrite the golden files")

// Ids are an interface: scripts, filters and checks name them. New ones may
// come, none may go.
func TestNames(t *testing.T) {
	golden := filepath.Join("testdata", "ids.golden")
	var got []string
	for id := range All() {
		got = append(got, id.String())
	}
	slices.Sort(got)
	if *update {
		if err := os.WriteFile(golden, []byte(strings.Join(got, "\n")+"\n"), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	b, err := os.ReadFile(golden)
	if err != nil {
		t.Fatal(err)
	}
	want := strings.Fields(string(b))
	for _, name := range want {
		if _, ok := Parse(name); !ok {
			t.Errorf("%s was released and is gone", name)
		}
	}
	for _, name := range got {
		if !slices.Contains(want, name) {
			t.Errorf("%s is new: run with -update", name)
		}
	}
}

func TestNamesRoundTrip(t *testing.T) {
	shape := regexp.MustCompile(`^[a-z0-9]+(-[a-z0-9]+)+$`)
	seen := map[string]bool{}
	ids := slices.Collect(All())
	for code := uint16(3000); code < 5000; code += 7 {
		ids = append(ids, Close(code))
	}
	for _, id := range ids {
		name := id.String()
		if !shape.MatchString(name) {
			t.Errorf("id %d is written %q", id, name)
		}
		if seen[name] && id < firstAppCode {
			t.Errorf("%s: twice", name)
		}
		seen[name] = true
		if back, ok := Parse(name); !ok || back != id {
			t.Errorf("Parse(%q) = %d, %v; want %d", name, back, ok, id)
		}
	}
	for _, s := range []string{"", "close-", "close-2999", "close-5000", "close-03001", "close-+300", "no-such-id"} {
		if id, ok := Parse(s); ok {
			t.Errorf("Parse(%q) = %d", s, id)
		}
	}
	for _, id := range []ID{None, count, 2999, 5000, 65535} {
		if s := id.String(); s != "" {
			t.Errorf("ID(%d) is written %q", id, s)
		}
		if id.Info() != (Info{}) {
			t.Errorf("ID(%d) has an entry", id)
		}
	}
}

// Tables, JUnit reports and annotations print these texts: each part has to be
// there, be short, and be safe to print.
func TestCatalogueIsWhole(t *testing.T) {
	ids := append(slices.Collect(All()), 3008, 4000, 4403, 4429)
	layers := []string{LayerCapture, LayerDNS, LayerTCP, LayerTLS, LayerHTTP, LayerProxy, LayerProtocol, LayerApp}
	rfc := regexp.MustCompile(`^RFC [0-9]{4} section [0-9]+(\.[0-9]+)*$`)
	titles := map[string]ID{}
	for _, id := range ids {
		in := id.Info()
		if in.ID != id {
			t.Errorf("%s: Info.ID is %d", id, in.ID)
		}
		if !slices.Contains(layers, in.Layer) {
			t.Errorf("%s: layer %q", id, in.Layer)
		}
		if in.Severity != id.Severity() {
			t.Errorf("%s: severities differ", id)
		}
		if other, ok := titles[in.Title]; ok {
			t.Errorf("%s: same title as %s", id, other)
		}
		titles[in.Title] = id
		declared := strings.HasPrefix(id.String(), "framing-") // a declaration is the measure
		if in.RFC == "" && in.Layer != LayerCapture && !declared || in.RFC != "" && !rfc.MatchString(in.RFC) {
			t.Errorf("%s: RFC %q", id, in.RFC)
		}
		for part, text := range map[string]string{"title": in.Title, "cause": in.Cause, "fix": in.Fix} {
			if len(text) < 8 || strings.TrimSpace(text) != text {
				t.Errorf("%s: %s is %q", id, part, text)
			}
			for _, r := range text {
				if (r < ' ' || r > '~') && !(part == "fix" && r == '\n') {
					t.Errorf("%s: %s has %q", id, part, r)
				}
			}
		}
		if len(in.Title) > 76 || strings.HasSuffix(in.Title, ".") {
			t.Errorf("%s: title %q (%d)", id, in.Title, len(in.Title))
		}
		if !strings.HasSuffix(in.Cause, ".") || len(in.Cause) > 200 {
			t.Errorf("%s: cause %q (%d)", id, in.Cause, len(in.Cause))
		}
		for line := range strings.SplitSeq(in.Fix, "\n") {
			if line == "" || len(line) > 160 {
				t.Errorf("%s: fix line %q (%d)", id, line, len(line))
			}
		}
	}
}

func TestClose(t *testing.T) {
	for _, tt := range []struct {
		code uint16
		want string
	}{
		{0, ""}, {999, ""}, {1000, ""}, {1001, ""}, {1002, "close-1002"}, {1003, "close-1003"}, {1004, ""},
		{1005, ""}, {1006, ""}, {1007, "close-1007"}, {1011, "close-1011"}, {1014, "close-1014"}, {1015, ""},
		{2999, ""}, {3000, "close-3000"}, {4401, "close-4401"}, {4999, "close-4999"}, {5000, ""}, {65535, ""},
	} {
		if got := Close(tt.code).String(); got != tt.want {
			t.Errorf("Close(%d) = %q, want %q", tt.code, got, tt.want)
		}
	}
	if got := Close(4429).Info(); got.Severity != Warning || !strings.Contains(got.Cause, "429") {
		t.Errorf("close-4429: %+v", got)
	}
}

func TestSet(t *testing.T) {
	var s, u Set
	if !s.Empty() || s.Len() != 0 || s.At(0) != None {
		t.Error("the zero Set is not empty")
	}
	s.Add(None)
	s.Add(count)
	if !s.Empty() {
		t.Error("None or an ID out of range was added")
	}
	want := []ID{AbnormalFIN, CaptureGap, VersionUnsupported, 4401, 3000}
	for _, id := range want {
		s.Add(id)
		s.Add(id)
	}
	if got := slices.Collect(s.All()); !slices.Equal(got, want) {
		t.Errorf("All: %v, want %v", got, want)
	}
	for i, id := range want {
		if got := s.At(i); got != id {
			t.Errorf("At(%d) = %s, want %s", i, got, id)
		}
		if !s.Has(id) {
			t.Errorf("Has(%s) = false", id)
		}
	}
	if s.Len() != len(want) || s.At(len(want)) != None || s.At(-1) != None || s.Has(None) || s.Has(AcceptMissing) || s.Has(4000) {
		t.Error("the set holds what was not added")
	}
	u.Add(Midstream)
	u.Union(s)
	if u.Len() != len(want)+1 || !u.Has(Midstream) || !u.Has(4401) {
		t.Errorf("Union: %v", slices.Collect(u.All()))
	}
	var notes Set
	notes.Add(Midstream)
	if w, ok := notes.Worst(); w != Note || !ok {
		t.Errorf("Worst of a note: %v, %v", w, ok)
	}
	if w, ok := u.Worst(); w != Error || !ok {
		t.Errorf("Worst: %v, %v", w, ok)
	}
	if _, ok := (Set{}).Worst(); ok {
		t.Error("Worst of nothing")
	}
}
