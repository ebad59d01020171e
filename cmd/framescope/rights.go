package main

import (
	"errors"
	"os"
	"strings"

	"framescope/capture/netns"
	"framescope/capture/ring"
)

// explainCapture says what to do about a capture that cannot begin.
func explainCapture(f *captureFlags, err error) error {
	var ns *netns.Error
	switch {
	case errors.As(err, &ns) && errors.Is(err, os.ErrPermission):
		return hinted{err, "entering a namespace needs CAP_SYS_ADMIN there; try: sudo framescope capture --netns " + shellQuote(f.netns)}
	case errors.As(err, &ns) && errors.Is(err, os.ErrNotExist):
		return hinted{err, "ip netns shows the names; the id of a process that runs in it does, too"}
	case errors.Is(err, os.ErrPermission):
		ways := rawRights("-i " + shellQuote(strings.Join(f.interfaces, ",")))
		return hinted{err, "capturing needs CAP_NET_RAW; any of these gives it:\n    " + strings.Join(ways, "\n    ")}
	case errors.Is(err, ring.ErrNotSupported):
		return hinted{err, "what works here: framescope decode FILE; and live: tcpdump -U -w - | framescope decode -"}
	}
	return err
}

// rawRights are ways to get CAP_NET_RAW.
func rawRights(on string) []string {
	exe, err := os.Executable()
	if err != nil {
		exe = "framescope"
	}
	return []string{
		"sudo framescope capture " + on,
		"sudo setcap cap_net_raw+ep " + shellQuote(exe) + "     once, for whoever may run it",
		"unshare -rn framescope capture -i lo     in a namespace of its own, to try things out",
		"in a container, its runtime has to give it: --cap-add NET_RAW",
	}
}
