//go:build !linux

package main

import "framescope/capture/ring"

func release(s string) string { return s }

func diagnose() []diagnosis {
	fix := []string{"files can be decoded everywhere; for the rest use linux"}
	all := []diagnosis{{Name: "decode", State: "yes", Found: "captures from files and pipes"}}
	for _, name := range []string{"capture", "namespace", "netns", "mptcp", "endpoints", "owners"} {
		d := diagnosis{Name: name, State: "no", Found: "works on linux only"}
		if name == "capture" {
			d.Found, d.Fix = ring.ErrNotSupported.Error(), fix
		}
		all = append(all, d)
	}
	return all
}
