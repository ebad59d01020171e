//go:build !linux

package capability

// Effective returns false.
func Effective(Cap) bool { return false }

// Drop returns ErrNotSupported.
func Drop(...Cap) error { return ErrNotSupported }
