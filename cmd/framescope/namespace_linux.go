package main

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"syscall"

	"github.com/spf13/cobra"
	"golang.org/x/sys/unix"

	"framescope/capture/ring"
)

// inNamespace returns framescope itself, to be run in user and network
// namespaces of its own, where it has all rights.
func inNamespace(args ...string) *exec.Cmd {
	exe, err := os.Executable()
	if err != nil {
		exe = os.Args[0]
	}
	c := exec.Command(exe, args...)
	c.SysProcAttr = &syscall.SysProcAttr{
		Cloneflags:  syscall.CLONE_NEWUSER | syscall.CLONE_NEWNET,
		UidMappings: []syscall.SysProcIDMap{{HostID: os.Getuid(), Size: 1}},
		GidMappings: []syscall.SysProcIDMap{{HostID: os.Getgid(), Size: 1}},
		Pdeathsig:   syscall.SIGKILL,
	}
	return c
}

// loopbackUp sets the loopback interface of the namespace up.
func loopbackUp() error {
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return err
	}
	defer unix.Close(fd)
	r, err := unix.NewIfreq("lo")
	if err == nil {
		if err = unix.IoctlIfreq(fd, unix.SIOCGIFFLAGS, r); err == nil && r.Uint16()&unix.IFF_UP == 0 {
			r.SetUint16(r.Uint16() | unix.IFF_UP)
			err = unix.IoctlIfreq(fd, unix.SIOCSIFFLAGS, r)
		}
	}
	if err != nil {
		return fmt.Errorf("lo: %w", err)
	}
	return nil
}

// noNamespace says what an error of clone(2) means here.
func noNamespace(err error) string {
	if errors.Is(err, unix.ENOSPC) || errors.Is(err, unix.EUSERS) {
		return "no more user namespaces are allowed"
	}
	var sys *os.PathError
	if errors.As(err, &sys) {
		err = sys.Err
	}
	return err.Error()
}

// newDoctorNamespace is what doctor runs in a namespace of its own: there it is
// tried what demo needs.
func newDoctorNamespace() *cobra.Command {
	return &cobra.Command{
		Use: doctorNamespace, Hidden: true, Args: cobra.NoArgs,
		RunE: func(*cobra.Command, []string) error {
			if err := loopbackUp(); err != nil {
				return err
			}
			s, err := ring.Open(&ring.Config{Interfaces: []string{"lo"}, Buffer: ring.MinBuffer})
			if err != nil {
				return err
			}
			return s.Close()
		},
	}
}

// denied reports whether an error of a command in a namespace says that there
// can be no such namespace, or no rights in it.
func denied(err error) bool {
	var exit *exec.ExitError
	if errors.As(err, &exit) {
		return exit.ExitCode() == exitRefused
	}
	return err != nil
}
