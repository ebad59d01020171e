//go:build !linux

package lab

import "context"

// A Lab exists on Linux only.
type Lab struct{}

// Up returns ErrNotSupported.
func Up(context.Context, *Config) (*Lab, error) { return nil, ErrNotSupported }

// Close does nothing.
func (*Lab) Close() error { return nil }
