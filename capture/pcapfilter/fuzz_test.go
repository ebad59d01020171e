package pcapfilter

import (
	"errors"
	"testing"
)

// Whatever the text is: no panic, an error that marks a place in it, or a
// program that the kernel takes and that optimizing did not change.
func FuzzCompile(f *testing.F) {
	for i, expr := range expressions(f) {
		f.Add(expr, uint16(1), uint8(i%2))
	}
	m := newMaker(3)
	for range 100 {
		f.Add(closed(m.expression(3)), uint16(m.IntN(300)), uint8(m.IntN(3)))
	}
	packets := map[uint16][][]byte{}
	f.Fuzz(func(t *testing.T, expr string, link uint16, live uint8) {
		c := Config{Link: link % 300, Live: Live(live % 4)}
		if c.Live == LiveCooked {
			c.Link = 276
		}
		p, err := Compile(expr, c)
		if err != nil {
			var e *Error
			if !errors.As(err, &e) {
				t.Fatalf("%T", err)
			}
			if e.Off < 0 || e.Len < 0 || e.Off+e.Len > len(expr) || e.Msg == "" || e.Expr != expr {
				t.Fatalf("%+v", e)
			}
			_ = e.Error()
			return
		}
		if err := check(p.code); err != nil {
			t.Fatalf("%v\n%s", err, p)
		}
		if packets[c.Link] == nil {
			m := newMaker(uint64(c.Link))
			for range 40 {
				data, _ := m.packet(c.Link)
				packets[c.Link] = append(packets[c.Link], data)
			}
		}
		plain, err := build(expr, c, false)
		if err != nil {
			return // longer without optimizing
		}
		for _, data := range packets[c.Link] {
			same(t, p, plain, data, uint32(len(data)))
		}
	})
}

// same checks that a program says of a packet what it said before optimizing.
func same(t *testing.T, p, plain *Program, data []byte, wire uint32) {
	known := &outside{protocol: 0x0800, tagged: wire & 1, tag: 5}
	got, want := p.run(data, wire, known), plain.run(data, wire, known)
	if want != failed && (got == accepted) != (want == accepted) {
		t.Fatalf("%v before optimizing, %v after: %x\n%s\n%s", want, got, data, plain, p)
	}
}

// Whatever the packet is: no panic, and the same verdict as before optimizing.
func FuzzMatch(f *testing.F) {
	list := expressions(f)
	m := newMaker(4)
	for i := range 200 {
		link := []uint16{1, 113, 276, 101, 127, 105, 10}[i%7]
		data, wire := m.packet(link)
		f.Add(uint16(i), link, data, wire)
	}
	type key struct {
		which int
		link  uint16
	}
	type pair struct{ p, plain *Program }
	programs := map[key]pair{}
	f.Fuzz(func(t *testing.T, which, link uint16, data []byte, wire uint32) {
		k := key{int(which) % len(list), link % 300}
		if _, ok := programs[k]; !ok {
			var made pair
			made.p, _ = Compile(list[k.which], Config{Link: k.link})
			made.plain, _ = build(list[k.which], Config{Link: k.link}, false)
			programs[k] = made
		}
		if made := programs[k]; made.p != nil {
			same(t, made.p, made.plain, data, wire)
		}
	})
}
