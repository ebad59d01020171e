package mptcpctl

import (
	"fmt"
	"os"
	"runtime"

	"golang.org/x/sys/unix"
)

// Features asks the kernel what it can do. Flags are found out in a new network
// namespace that is thrown away, so that nothing changes where connections are.
func (c *Conn) Features() (f Features, err error) {
	for _, op := range c.sock.family.Ops {
		switch op.ID {
		case cmdAnnounce:
			f.UserspacePM = true
		case cmdSetFlags:
			f.SetFlags = true
		}
	}
	for _, g := range c.sock.family.Groups {
		f.Events = f.Events || g.Name == eventGroup
	}
	all, err := c.Sysctls()
	if err != nil {
		return f, err
	}
	for _, s := range all {
		f.Sysctls = append(f.Sysctls, s.Name)
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		f.Flags, f.FlagsErr = probeFlags()
	}()
	<-done
	return f, nil
}

// probeFlags has to run in a goroutine of its own.
func probeFlags() (kept Flags, err error) {
	runtime.LockOSThread()
	here, err := os.Open("/proc/thread-self/ns/net")
	if err != nil {
		runtime.UnlockOSThread()
		return 0, err
	}
	defer here.Close()
	if err := unix.Unshare(unix.CLONE_NEWNET); err != nil {
		runtime.UnlockOSThread()
		return 0, fmt.Errorf("a network namespace to try flags in cannot be made: %w", err)
	}
	defer func() {
		// A thread that cannot go back ends with its goroutine.
		if unix.Setns(int(here.Fd()), unix.CLONE_NEWNET) == nil {
			runtime.UnlockOSThread()
		}
	}()
	c, err := Open(nil)
	if err != nil {
		return 0, err
	}
	defer c.Close()
	return c.tryFlags()
}
