package main

import (
	"testing"

	"framescope/probes/sockets"
)

// A process cannot choose a name that reads as other processes, or as none.
func TestProcessName(t *testing.T) {
	for name, want := range map[string]string{
		"sshd":           "sshd",
		"init 1/3, sshd": `"init 1/3, sshd"`,
		"":               `""`,
		"  ":             `"  "`,
		"a,b":            `"a,b"`,
		"a/b":            `"a/b"`,
		`a"b\`:           `"a\"b\\"`,
		"a\x1b[31m":      `a\x1b[31m`,
		"a\u00a0b":       "\"a\u00a0b\"",
	} {
		if got := string(appendOwners(nil, &sockets.Row{Owners: []sockets.Owner{{PID: 7, FD: 3, Name: name}}})); got != want+" 7/3" {
			t.Errorf("%q: %s, want %s", name, got, want)
		}
	}
	if got, want := quotedName(`a"b,c\'`), `a\"b,c\\'`; got != want {
		t.Errorf("%s, want %s", got, want)
	}
}
