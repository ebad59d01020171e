//go:build unix

package pcapfile

import (
	"os"

	"golang.org/x/sys/unix"
)

// openStdout returns standard output under another number: a write to number 1
// whose reader has gone would kill the process.
func openStdout() (output, error) {
	fd, err := unix.FcntlInt(os.Stdout.Fd(), unix.F_DUPFD_CLOEXEC, 3)
	if err != nil {
		return output{name: stdout}, &WriteError{File: stdout, Op: "create", Err: err}
	}
	return newOutput(os.NewFile(uintptr(fd), stdout), stdout)
}
