//go:build unix

package main

import (
	"io/fs"
	"os"
	"syscall"
)

const (
	hangup     = syscall.SIGHUP
	brokenPipe = syscall.SIGPIPE
)

// owns reports whether a file belongs to the user.
func owns(st fs.FileInfo) bool {
	sys, ok := st.Sys().(*syscall.Stat_t)
	return ok && int(sys.Uid) == os.Geteuid()
}
