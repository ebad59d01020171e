package sockets

import (
	"bufio"
	"io"
	"iter"
	"strings"
)

// lines walks over the lines of a file of the system, such as /etc/passwd. One that
// is longer than 64 KiB is left out.
func lines(r io.Reader) iter.Seq[string] {
	return func(yield func(string) bool) {
		b := bufio.NewReaderSize(r, 64<<10)
		for long := false; ; {
			line, err := b.ReadSlice('\n')
			if err == bufio.ErrBufferFull {
				long = true
				continue
			}
			if !long && len(line) > 0 && !yield(strings.TrimSuffix(string(line), "\n")) || err != nil {
				return
			}
			long = false
		}
	}
}
