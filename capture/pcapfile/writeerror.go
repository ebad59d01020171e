package pcapfile

import (
	"errors"
	"fmt"
	"io/fs"
	"strconv"
)

// ErrFull is about a disk, a quota or the largest size of a file, for
// errors.Is with a *WriteError.
var ErrFull = errors.New("no room for the capture")

// A WriteError says what of a capture could not be written, and why. It wraps
// the error of the system; and is ErrFull when there was no room for it.
type WriteError struct {
	// File is the name of the file, "" for a Writer that was not told it.
	File string
	// Op is what failed: "create", "write", "close", or "remove" for an old
	// file of a rotation.
	Op string
	// Packets is how many packets are in the file, and can be read.
	Packets int64
	// Off is how many bytes these and everything before them take. The file is
	// cut there, unless it is a pipe.
	Off int64
	Err error
}

// Error returns "file: op: cause", and what is in the file nevertheless.
func (e *WriteError) Error() string {
	s := e.Op + ": " + e.Err.Error()
	if e.File != "" {
		s = e.File + ": " + s
	}
	switch {
	case e.Op != "write" && e.Op != "close":
	case e.Packets == 1:
		s += "; 1 packet is in it"
	default:
		s += "; " + strconv.FormatInt(e.Packets, 10) + " packets are in it"
	}
	return s
}

// Unwrap returns e.Err.
func (e *WriteError) Unwrap() error { return e.Err }

// Is reports whether target is ErrFull and there was no room.
func (e *WriteError) Is(target error) bool { return target == ErrFull && isFull(e.Err) }

// bare returns what the system said, without the operation and the path that a
// *WriteError names itself.
func bare(err error) error {
	if p, ok := errors.AsType[*fs.PathError](err); ok {
		return p.Err
	}
	return err
}

// both adds to err that the file could not be cut.
func both(err, cut error) error {
	return fmt.Errorf("%w; the incomplete block at its end cannot be cut off: %w", err, bare(cut))
}
