package main

import (
	"errors"
	"os"
	"strings"
	"syscall"

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
		ways := rawRights(os.Args[min(1, len(os.Args)):]...)
		return hinted{err, "capturing needs CAP_NET_RAW; any of these gives it:\n    " + strings.Join(ways, "\n    ")}
	case errors.Is(err, syscall.ENOMEM) && strings.Contains(err.Error(), "optmem_max"):
		return hinted{err, "sudo sysctl -w net.core.optmem_max=4194304, or a shorter filter"}
	case errors.Is(err, ring.ErrNotSupported):
		return hinted{err, "what works here: framescope decode FILE; and live: tcpdump -U -w - | framescope decode -"}
	}
	return err
}

// rawRights are ways to get CAP_NET_RAW.
//
// args are those of the command to run again.
func rawRights(args ...string) []string {
	exe, err := os.Executable()
	if err != nil {
		exe = "framescope"
	}
	words := []string{"sudo", shellQuote(exe)}
	for _, a := range args {
		words = append(words, shellQuote(a))
	}
	once := "sudo setcap cap_net_raw+ep " + shellQuote(exe) + "     once, for whoever may run it"
	if strings.HasPrefix(exe, os.TempDir()) || strings.Contains(exe, "go-build") {
		once = "go build ./cmd/framescope && sudo setcap cap_net_raw+ep framescope     once, for whoever may run it"
	}
	return []string{
		strings.Join(words, " "), once,
		"in a container, its runtime has to give it: --cap-add NET_RAW",
		"without any of these: framescope demo makes a namespace of its own",
	}
}
