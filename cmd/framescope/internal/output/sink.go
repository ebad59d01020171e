package output

import (
	"bufio"
	"io"
)

// A sink is a buffered Writer that is asked for its error once, not at every
// write: after the first error it takes what comes and drops it.
type sink struct{ w *bufio.Writer }

func newSink(w io.Writer) sink { return sink{bufio.NewWriterSize(w, 1<<16)} }

func (s sink) bytes(b []byte) { _, _ = s.w.Write(b) }

func (s sink) text(t string) { _, _ = s.w.WriteString(t) }

func (s sink) flush() error { return s.w.Flush() }

// err returns the first error, which the bufio.Writer keeps.
func (s sink) err() error {
	_, err := s.w.Write(nil)
	return err
}
