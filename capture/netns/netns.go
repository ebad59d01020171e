// Package netns opens network namespaces and runs functions in them, so that a
// socket can be opened where a container has its interfaces.
//
// A socket stays in the namespace in which it was opened, whichever thread uses
// it afterwards.
package netns

import (
	"errors"
	"fmt"
)

// ErrNotSupported is the cause of every error on systems other than Linux.
var ErrNotSupported = errors.New("network namespaces exist on linux only")

// Dir is where ip-netns(8) keeps named namespaces.
const Dir = "/run/netns"

// An Error says which namespace could not be opened or entered, and why. It
// wraps the error of the system: os.ErrNotExist, os.ErrPermission or another.
type Error struct {
	// Op is "open" or "enter".
	Op string
	// Name is the namespace as it was named.
	Name string
	Err  error
}

// Error returns "network namespace name: op: cause".
func (e *Error) Error() string {
	return fmt.Sprintf("network namespace %s: %s: %v", e.Name, e.Op, e.Err)
}

// Unwrap returns e.Err.
func (e *Error) Unwrap() error { return e.Err }
