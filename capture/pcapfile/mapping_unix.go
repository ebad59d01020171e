//go:build unix

package pcapfile

import (
	"errors"
	"math"
	"os"

	"golang.org/x/sys/unix"
)

func mapFile(f *os.File, size int64) ([]byte, error) {
	// In a small address space the garbage collector could come to manage
	// memory that forgotten packets of a closed mapping still point to.
	if math.MaxInt == math.MaxInt32 {
		return nil, errors.ErrUnsupported
	}
	data, err := unix.Mmap(int(f.Fd()), 0, int(size), unix.PROT_READ, unix.MAP_SHARED)
	if err != nil {
		return nil, os.NewSyscallError("mmap", err)
	}
	// advice only: reads further ahead when the file is not in memory yet
	_ = unix.Madvise(data, unix.MADV_SEQUENTIAL)
	return data, nil
}

func unmap(data []byte) { _ = unix.Munmap(data) }

// forget gives the memory of whole pages back. They can be touched again.
func forget(data []byte) { _ = unix.Madvise(data, unix.MADV_DONTNEED) }
