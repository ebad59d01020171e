//go:build !linux

package ring

import (
	"time"

	"framescope/capture/pcapfile"
)

type block struct{}

// A Source captures packets. There is none on this system.
type Source struct{}

// Open returns an error: see ErrNotSupported.
func Open(*Config) (*Source, error) { return nil, &Error{Err: ErrNotSupported} }

// Interfaces returns nothing.
func (s *Source) Interfaces() []pcapfile.Interface { return nil }

// Buffer returns 0.
func (s *Source) Buffer() int64 { return 0 }

// Read returns an error: see ErrNotSupported.
func (s *Source) Read(*Batch, time.Duration) error { return &Error{Err: ErrNotSupported} }

// Stats returns nothing.
func (s *Source) Stats() []Stats { return nil }

// Wake does nothing.
func (s *Source) Wake() {}

// Close does nothing.
func (s *Source) Close() error { return nil }

// Release does nothing.
func (b *Batch) Release() {}
