package capability

import (
	"errors"
	"fmt"
	"syscall"
	"unsafe"

	"golang.org/x/sys/unix"
)

// Effective reports whether the process may use c now.
func Effective(c Cap) bool {
	data, err := get()
	return err == nil && c < 64 && data[c/32].Effective&(1<<(c%32)) != 0
}

func get() (data [2]unix.CapUserData, err error) {
	h := unix.CapUserHeader{Version: unix.LINUX_CAPABILITY_VERSION_3}
	err = unix.Capget(&h, &data[0])
	return data, err
}

// Drop gives up all capabilities but those in keep, for good and on all threads
// of the process; nor can a program that it starts have more. The error wraps
// ErrNotSupported in builds with cgo.
func Drop(keep ...Cap) error {
	data, err := get()
	if err != nil {
		return fmt.Errorf("capget: %w", err)
	}
	var mask [2]uint32
	for _, c := range keep {
		mask[c/32] |= 1 << (c % 32)
	}
	for i := range data {
		data[i].Effective &= mask[i]
		data[i].Permitted &= mask[i]
		data[i].Inheritable = 0
	}
	h := unix.CapUserHeader{Version: unix.LINUX_CAPABILITY_VERSION_3}
	// Threads have their capabilities for themselves, and a Go program has
	// several.
	_, _, e := syscall.AllThreadsSyscall(unix.SYS_CAPSET, uintptr(unsafe.Pointer(&h)), uintptr(unsafe.Pointer(&data[0])), 0)
	if e == 0 {
		_, _, e = syscall.AllThreadsSyscall6(unix.SYS_PRCTL, unix.PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0, 0)
	}
	if errors.Is(e, syscall.ENOTSUP) {
		return ErrNotSupported
	}
	if e != 0 {
		return fmt.Errorf("capset: %w", e)
	}
	return nil
}
