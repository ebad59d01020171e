//go:build !linux || !(amd64 || arm64 || loong64 || ppc64le || riscv64)

package taskfile

import "iter"

// An Iterator is the program in the kernel.
type Iterator struct{}

// Open returns ErrNotSupported.
func Open() (*Iterator, error) { return nil, ErrNotSupported }

// Close does nothing.
func (*Iterator) Close() error { return nil }

// Sockets returns ErrNotSupported.
func (*Iterator) Sockets() iter.Seq2[*Socket, error] {
	return func(yield func(*Socket, error) bool) { yield(nil, ErrNotSupported) }
}
