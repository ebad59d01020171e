//go:build !unix

package pcapfile

import (
	"errors"
	"runtime"
	"syscall"
)

// Of Windows: ERROR_HANDLE_DISK_FULL, ERROR_DISK_FULL, ERROR_FILE_TOO_LARGE
// and ERROR_DISK_QUOTA_EXCEEDED.
var full = [...]syscall.Errno{39, 112, 223, 1295}

func isFull(err error) bool {
	if runtime.GOOS != "windows" {
		return false
	}
	for _, e := range full {
		if errors.Is(err, e) {
			return true
		}
	}
	return false
}
