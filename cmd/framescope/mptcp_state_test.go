package main

import (
	"strings"
	"testing"

	"framescope/mptcpctl"
)

// A file that is made to take memory or time is refused.
func TestStateHostile(t *testing.T) {
	bomb := "a0: &a0 [x,x,x,x,x,x,x,x,x]\n"
	for i := 1; i < 12; i++ {
		n := string(rune('a' + i))
		bomb += n + ": &" + n + " [" + strings.Repeat("*a0,", 8) + "*a0]\n"
	}
	for in, want := range map[string]string{
		"":                             "it is empty",
		bomb:                           "unknown field",
		"limits: {}\n---\n" + bomb:     "there is more than one document",
		strings.Repeat("[", 30000):     "lists in lists",
		strings.Repeat("- ", 30000):    "lists in lists",
		"endpoints: [{address: nope}]": `ParseAddr("nope")`,
		"limits: {subflows: -1}":       "line 1, column",
		"limits: {subflows: 1":         "line 1, column",
		"sysctls: [1]":                 "line 1, column",
	} {
		var s mptcpctl.State
		if err := decodeYAML([]byte(in), &s); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%.40q: %v, want %s", in, err, want)
		}
	}
	var s mptcpctl.State
	if err := decodeYAML([]byte("endpoints:\n  - {address: 'fd00::1', flags: [subflow, backup], id: 3}\nsysctls: {enabled: 1}\n"), &s); err != nil ||
		len(s.Endpoints) != 1 || s.Endpoints[0].Flags != mptcpctl.Subflow|mptcpctl.Backup || s.Sysctls["enabled"] != "1" || s.Limits != nil {
		t.Errorf("%+v, %v", s, err)
	}
}

func FuzzStateYAML(f *testing.F) {
	f.Add([]byte("endpoints:\n  - {address: 10.0.0.1, flags: [subflow]}\nlimits: {subflows: 4}\nsysctls: {enabled: 1}\n"))
	f.Add([]byte("? a\n: - &x b\n  - *x\n"))
	f.Fuzz(func(_ *testing.T, b []byte) {
		if len(b) > 4096 {
			return
		}
		var s mptcpctl.State
		if decodeYAML(b, &s) == nil {
			_, _ = mptcpctl.Diff(mptcpctl.State{}, s)
		}
	})
}

func TestStateJSONKeys(t *testing.T) {
	for text, want := range map[string]string{
		`{"sysctls":{"enabled":1,"scheduler":"default"},"endpoints":[]}`: "",
		`{"Endpoints":[]}`: "unknown field \"Endpoints\"",
		`{"endpoints":[{"address":"10.0.0.1","ID":3}]}`:     "unknown field \"ID\"",
		`{"limits":{"subflows":1},"limits":{"subflows":2}}`: "\"limits\" is there twice",
		`{"sysctls":{"enabled":1,"enabled":"0"}}`:           "\"enabled\" is there twice",
		`{"sysctls":{"enabled":true}}`:                      "expected a text or a number",
		`{"sysctls":{"enabled":null}}`:                      "expected a text or a number",
	} {
		var s mptcpctl.State
		err := decodeJSON([]byte(text), &s)
		if want == "" {
			if err != nil || s.Sysctls["enabled"] != "1" || s.Sysctls["scheduler"] != "default" || s.Endpoints == nil {
				t.Errorf("%s: %v %+v", text, err, s)
			}
		} else if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, expected %s", text, err, want)
		}
	}
}
