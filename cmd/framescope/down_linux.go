package main

import (
	"errors"
	"syscall"

	"framescope/capture/ring"
)

// isDown reports whether an error says that an interface is down: it may come
// up again.
func isDown(err error) bool {
	return errors.Is(err, syscall.ENETDOWN) && !errors.Is(err, ring.ErrNoInterface)
}
