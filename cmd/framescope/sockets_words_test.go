package main

import (
	"strings"
	"testing"
)

// An event in words is one line that a terminal may show, whatever is in the file
// that it comes from, and however many processes hold the socket.
func TestInWords(t *testing.T) {
	const evil = "\x1b[2J\nclosed tcp\u202e"
	r := &socketRecord{
		Network: socketNetwork{Transport: evil}, Local: &socketEnd{IP: evil}, Peer: &socketEnd{Path: evil}, Socket: socketFields{State: evil},
		Process: []socketProcess{{PID: 7, Name: evil}, {PID: 8}, {PID: 9}, {PID: 10}, {PID: 11}, {PID: 12}},
	}
	s := inWords("closed", "a"+evil, r)
	if strings.ContainsAny(s, "\x1b\n\u202e") || strings.Count(s, `\x1b`) != 6 || !strings.HasSuffix(s, " 7 8 9 10 and 2 more") {
		t.Errorf("%q", s)
	}
	r = &socketRecord{
		Network: socketNetwork{Transport: "tcp"}, Local: &socketEnd{IP: "::1", Port: 80}, Peer: &socketEnd{IP: "10.0.0.1", Port: 5}, Socket: socketFields{State: "CLOSE_WAIT"},
		Process: []socketProcess{{PID: 7, Name: "nginx"}},
	}
	if s := inWords("changed", "ESTABLISHED", r); s != "changed tcp [::1]:80 > 10.0.0.1:5 CLOSE_WAIT, was ESTABLISHED  nginx 7" {
		t.Errorf("%q", s)
	}
}
