package framing

import "testing"

// Each framing that is built in compiles and says what it is.
func TestBuiltin(t *testing.T) {
	for _, name := range Names() {
		f, err := Builtin(name, Options{})
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		if f.Name() != name || f.Title() == "" || f.MaxHeader() < 2 || f.MaxPayload() < 1 {
			t.Errorf("%s: %q %q %d %d", name, f.Name(), f.Title(), f.MaxHeader(), f.MaxPayload())
		}
	}
	if _, err := Builtin("nonsense", Options{}); err == nil {
		t.Error("no error for a name that no framing has")
	}
	if _, err := Builtin("../builtin/tls", Options{}); err == nil {
		t.Error("no error for a path")
	}
}
