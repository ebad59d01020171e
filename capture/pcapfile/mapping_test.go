package pcapfile

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// The mapping is given back up to the oldest batch that is in use, in whatever
// order batches come back.
func TestRelease(t *testing.T) {
	m := mapping{data: make([]byte, 100<<20)}
	const mib = 1 << 20
	step := func(what string, pos, want int) {
		t.Helper()
		m.release(pos * mib)
		if m.released != want*mib {
			t.Errorf("%s: released to %d, want %d MiB", what, m.released/mib, want)
		}
	}
	a, b, c := m.hold(0), m.hold(10*mib), m.hold(21*mib)
	step("all in use", 30, 0)
	m.give(b)
	step("the oldest is still in use", 30, 0)
	m.give(a)
	step("the oldest came back", 30, 20)
	d := m.hold(30 * mib)
	m.give(c)
	step("all but the newest came back", 40, 30)
	m.move(d, 41*mib)
	step("the newest moved on", 50, 40)
	m.give(d)
	step("none in use", 51, 50)
	step("less than a stride", 51, 50)
	for i := range 1000 {
		n := m.hold(51 * mib)
		if k := m.hold(52 * mib); i%2 == 0 {
			m.give(k)
			m.give(n)
		} else {
			m.give(n)
			m.give(k)
		}
	}
	if cap(m.spans) > 16 || len(m.spans) != 0 {
		t.Errorf("%d spans, room for %d", len(m.spans), cap(m.spans))
	}
}

// resident returns how many bytes of files the process has in memory.
func resident(t *testing.T) int {
	var size, all, shared int
	b, err := os.ReadFile("/proc/self/statm")
	if err == nil {
		_, err = fmt.Sscan(string(b), &size, &all, &shared)
	}
	if err != nil {
		t.Skip("needs /proc/self/statm: ", err)
	}
	return shared * os.Getpagesize()
}

// A large file does not fill the memory, whether it has packets or not.
func TestResidentMemory(t *testing.T) {
	const size = 96 << 20
	le := func(vs ...uint32) (b []byte) {
		for _, v := range vs {
			b = append(b, byte(v), byte(v>>8), byte(v>>16), byte(v>>24))
		}
		return b
	}
	record := string(le(1, 2, 1000, 1000)) + strings.Repeat("x", 1000)
	packet := string(le(6, 1032, 0, 0, 0, 1000, 1000)) + strings.Repeat("x", 1000) + string(le(1032))
	other := string(le(77, 60012)) + strings.Repeat("x", 60000) + string(le(60012))
	section := string(le(0x0a0d0d0a, 28, 0x1a2b3c4d, 1, 0, 0, 28, 1, 20, 1, 0, 20))
	path := filepath.Join(t.TempDir(), "x")
	for _, c := range []struct {
		name, head, body string
		packets          int
	}{
		{"pcap", string(le(magicMicro, 2|4<<16, 0, 0, 0, 1)), record, size / 1016},
		{"pcapng", section, packet, size / 1032},
		{"no packets", section, other, 0},
	} {
		body := []byte(c.head + strings.Repeat(c.body, size/len(c.body)))
		if err := os.WriteFile(path, body, 0o600); err != nil {
			t.Fatal(err)
		}
		before := resident(t)
		r, err := Open(path, nil)
		if err != nil {
			t.Fatal(err)
		}
		if !r.Mapped() {
			t.Skip("files are not mapped here")
		}
		var bs [5]Batch
		n, peak := 0, 0
		for i := 0; err == nil; i++ {
			b := &bs[i%len(bs)]
			err = r.Read(b)
			n += len(b.Packets)
			if i%7 == 0 || err != nil {
				peak = max(peak, resident(t)-before)
			}
		}
		if n != c.packets {
			t.Errorf("%s: %d packets, want %d: %v", c.name, n, c.packets, err)
		}
		if peak > 16<<20 {
			t.Errorf("%s: %d MiB of the file in memory", c.name, peak>>20)
		}
		r.Close()
	}
}
