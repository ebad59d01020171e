//go:build !unix

package main

import (
	"io/fs"
	"syscall"
)

const (
	hangup     = syscall.SIGHUP
	brokenPipe = syscall.SIGPIPE
)

func owns(fs.FileInfo) bool { return true }
