//go:build !linux

package netns

import "os"

// Open returns an error: see ErrNotSupported.
func Open(name string) (*os.File, error) { return nil, &Error{"open", name, ErrNotSupported} }

// Do runs f if ns is nil, and otherwise returns an error: see ErrNotSupported.
func Do(ns *os.File, f func() error) error {
	if ns == nil {
		return f()
	}
	return &Error{"enter", ns.Name(), ErrNotSupported}
}
