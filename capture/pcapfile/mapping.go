package pcapfile

import (
	"os"
	"unsafe"
)

// A mapping is a file in memory. What lies before the batches that are in use
// is given back to the system as the walk goes on, so that a large file does
// not fill the memory.
type mapping struct {
	data     []byte
	file     *os.File
	released int // data[:released] has been given back

	// spans holds where the batches begin that were filled from the mapping, in
	// the order in which they were filled. It begins with the oldest batch
	// still in use, whose number is first.
	spans []span
	first int64
	gone  int // spans[:gone] are not used any more
}

type span struct {
	pos  int
	done bool
}

// releaseStride is how many bytes are given back at a time.
const releaseStride = 2 << 20

// open maps size bytes of f.
func (m *mapping) open(f *os.File, size int64) error {
	data, err := mapFile(f, size)
	if err != nil {
		return err
	}
	m.data, m.file = data, f
	return nil
}

func (m *mapping) close() {
	if m.data != nil {
		unmap(m.data)
		m.data = nil
	}
}

// holds reports whether addr lies in the mapping.
func (m *mapping) holds(addr uintptr) bool {
	begin := uintptr(unsafe.Pointer(unsafe.SliceData(m.data)))
	return addr >= begin && addr-begin < uintptr(len(m.data))+pageSize
}

// hold notes that a batch uses the mapping from pos on, and returns the number
// of its span.
func (m *mapping) hold(pos int) int64 {
	m.spans = append(m.spans, span{pos: pos})
	return m.first + int64(len(m.spans)-m.gone) - 1
}

// move notes that a batch uses the mapping from pos on only.
func (m *mapping) move(n int64, pos int) { m.spans[m.gone+int(n-m.first)].pos = pos }

// give notes that a batch does not use the mapping any more.
func (m *mapping) give(n int64) {
	m.spans[m.gone+int(n-m.first)].done = true
	for m.gone < len(m.spans) && m.spans[m.gone].done {
		m.gone++
		m.first++
	}
	if 2*m.gone >= len(m.spans) {
		m.spans = m.spans[:copy(m.spans, m.spans[m.gone:])]
		m.gone = 0
	}
}

// release gives back what no batch uses and the walk, now at pos, has passed.
func (m *mapping) release(pos int) {
	if m.gone < len(m.spans) {
		pos = min(pos, m.spans[m.gone].pos)
	}
	if pos-m.released < releaseStride {
		return
	}
	pos -= pos % releaseStride
	forget(m.data[m.released:pos])
	m.released = pos
}
