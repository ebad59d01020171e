package nlmsg_test

import (
	"bytes"
	"fmt"
	"slices"
	"syscall"
	"testing"

	"framescope/probes/nlmsg"
)

// num is a number of the host.
func num(v uint32) []byte { return nlmsg.AppendUint32(nil, 0, v)[nlmsg.AttrLen:] }

// message is a message of which the kernel could be the sender.
func message(typ, flags uint16, seq uint32, body ...byte) []byte {
	b := append(nlmsg.AppendHeader(nil, typ, flags, seq), body...)
	nlmsg.End(b, 0)
	return b
}

func TestMessages(t *testing.T) {
	one := message(20, nlmsg.FlagMulti, 7, 1, 2, 3, 4, 5)
	two := message(nlmsg.TypeDone, 0, 8)
	padded := append(one, 0, 0, 0)
	for name, tt := range map[string]struct {
		b     []byte
		want  string
		wrong uint32 // Len of the message that cannot be cut
	}{
		"none":          {nil, "", 0},
		"one":           {one, "20/2/7 0102030405;", 0},
		"no padding":    {one[:21], "20/2/7 0102030405;", 0},
		"two":           {slices.Concat(padded, two), "20/2/7 0102030405;3/0/8 ;", 0},
		"half a header": {slices.Concat(padded, two[:15]), "20/2/7 0102030405;", 21},
		"half a body":   {one[:20], "", 21},
		"length 15":     {append(num(15), make([]byte, 20)...), "", 15},
		"length 0":      {make([]byte, 16), "", 0},
		"length 2^32-1": {append(num(1<<32-1), make([]byte, 20)...), "", 1<<32 - 1},
		"length 2^31":   {append(num(1<<31), make([]byte, 20)...), "", 1 << 31},
	} {
		var m nlmsg.Message
		got := ""
		for b := tt.b; len(b) > 0; {
			rest, ok := m.Cut(b)
			if !ok {
				if rest != nil || m.Len != tt.wrong {
					t.Errorf("%s: %d bytes follow, length %d", name, len(rest), m.Len)
				}
				break
			}
			b = rest
			got += fmt.Sprintf("%d/%d/%d %x;", m.Type, m.Flags, m.Seq, m.Body)
		}
		if got != tt.want {
			t.Errorf("%s: %s, want %s", name, got, tt.want)
		}
	}
}

func TestAttributes(t *testing.T) {
	inner := nlmsg.AppendUint16(nlmsg.AppendAttr(nil, 1, 9), 2, 0x0101)
	b := nlmsg.AppendUint32(nil, 3, 0x02020202)
	b = nlmsg.AppendNest(b, 4, inner, nil, nlmsg.AppendAttr(nil, 5))
	b = nlmsg.AppendAttr(b, 6, []byte("text\x00")...)
	if len(b)%4 != 0 {
		t.Fatalf("%d bytes", len(b))
	}
	list := func(b []byte) (s string) {
		for typ, v := range nlmsg.Attrs(b) {
			s += fmt.Sprintf("%d %x;", typ, v)
		}
		return s
	}
	nested := fmt.Sprintf("%x", nlmsg.Find(b, 4))
	for name, tt := range map[string]struct{ got, want string }{
		"all":    {list(b), "3 02020202;4 " + nested + ";6 7465787400;"},
		"nested": {list(nlmsg.Find(b, 4)), "1 09;2 0101;5 ;"},
		"cut":    {list(b[:len(b)-4]), "3 02020202;4 " + nested + ";"},
		"header": {list(b[:11]), "3 02020202;"},
		"none":   {list(nil), ""},
		"text":   {string(nlmsg.String(nlmsg.Find(b, 6))), "text"},
		"words":  {string(nlmsg.String([]byte("text"))), "text"},
		"behind": {list(append(b, nlmsg.AppendAttr(nil, nlmsg.Nested|0x4000|7)...)), "3 02020202;4 " + nested + ";6 7465787400;7 ;"},
	} {
		if tt.got != tt.want {
			t.Errorf("%s: %s, want %s", name, tt.got, tt.want)
		}
	}
	if v := nlmsg.Find(nlmsg.Find(b, 4), 5); v == nil || len(v) != 0 {
		t.Errorf("an empty attribute: %v", v)
	}
	if v := nlmsg.Find(b, 5); v != nil {
		t.Errorf("no attribute: %v", v)
	}
	if bytes.Count(b, num(4<<8)) != 0 {
		t.Error("the flag is in the value")
	}
	// A value cannot be written over into what follows it.
	_ = append(nlmsg.Find(b, 3), 1, 2, 3, 4)
	if got := list(b); got != "3 02020202;4 "+nested+";6 7465787400;" {
		t.Errorf("after an append: %s", got)
	}
	for name, tt := range map[string]struct {
		b      []byte
		off    int
		typ    uint16
		length int
	}{
		"first":          {b, 0, 3, 8},
		"second":         {b, 8, 4, 24},
		"half a header":  {b[:11], 8, 0, 0},
		"behind the end": {b, len(b) + 1, 0, 0},
		"half a value":   {b[:20], 8, 4, -24},
		"length 3":       {append(nlmsg.AppendUint16(nil, 0, 3)[4:6], 2, 2, 0, 0), 0, 0x0202, -3},
		"length 0":       {make([]byte, 8), 0, 0, 0},
	} {
		if typ, n := nlmsg.AttrAt(tt.b, tt.off); typ != tt.typ || n != tt.length {
			t.Errorf("%s: type %d, length %d", name, typ, n)
		}
	}
}

// The longest value is read as it was written.
func TestMaxValue(t *testing.T) {
	v := bytes.Repeat([]byte{7}, nlmsg.MaxValue)
	b := nlmsg.AppendUint32(nlmsg.AppendAttr(nil, 1, v...), 2, 9)
	if !bytes.Equal(nlmsg.Find(b, 1), v) || !bytes.Equal(nlmsg.Find(b, 2), num(9)) {
		t.Error("it is not read as it was written")
	}
}

func TestErrno(t *testing.T) {
	errno := func(n int32, rest ...[]byte) []byte { return append(num(uint32(-n)), slices.Concat(rest...)...) }
	request := message(20, nlmsg.FlagRequest, 1, 1, 2, 3, 4, 5) // not a multiple of four
	header := request[:nlmsg.HeaderLen:nlmsg.HeaderLen]
	text := nlmsg.AppendAttr(nlmsg.AppendUint32(nil, 2, 7), 1, []byte("no such thing.\n\x00")...)
	const failed, done = nlmsg.TypeError, nlmsg.TypeDone
	for name, tt := range map[string]struct {
		typ, flags uint16
		body       []byte
		errno      syscall.Errno
		text       string
		bad        bool
	}{
		"done, empty":        {typ: done},
		"done":               {typ: done, body: num(0)},
		"done, error":        {typ: done, body: errno(2), errno: 2},
		"done, words":        {done, nlmsg.FlagAckTLVs, errno(2, text), 2, "no such thing.", false},
		"done, a length":     {typ: done, body: num(100)},
		"acknowledgement":    {typ: failed, body: errno(0, request)},
		"error":              {typ: failed, body: errno(22, request), errno: 22},
		"error, words":       {failed, nlmsg.FlagAckTLVs, errno(22, request, make([]byte, 3), text), 22, "no such thing.", false},
		"error, capped":      {failed, nlmsg.FlagAckTLVs | nlmsg.FlagCapped, errno(22, header, text), 22, "no such thing.", false},
		"error, other words": {failed, nlmsg.FlagAckTLVs, errno(22, request, make([]byte, 3), nlmsg.AppendUint32(nil, 2, 7)), 22, "", false},
		"words are cut":      {failed, nlmsg.FlagAckTLVs | nlmsg.FlagCapped, errno(22, header, text[:12]), 22, "", false},
		"request is cut":     {failed, nlmsg.FlagAckTLVs, errno(22, request[:10]), 22, "", false},
		"request is long":    {failed, nlmsg.FlagAckTLVs, errno(22, num(1<<32-1), request[4:], text), 22, "", false},
		"request is short":   {failed, nlmsg.FlagAckTLVs, errno(22, num(0), header[4:], text), 22, "no such thing.", false},
		"error, empty":       {typ: failed, bad: true},
		"error, cut":         {typ: failed, body: []byte{1, 2, 3}, bad: true},
		"no errno":           {typ: failed, body: errno(4096)},
	} {
		m := nlmsg.Message{Type: tt.typ, Flags: tt.flags, Body: tt.body}
		if got, text, ok := m.Errno(); got != tt.errno || text != tt.text || ok == tt.bad {
			t.Errorf("%s: %d, %q, %t", name, int(got), text, ok)
		}
	}
}

// Whatever comes: no panic, no hang, nothing beyond the end, and what was cut is
// what is appended.
func FuzzWalk(f *testing.F) {
	attrs := nlmsg.AppendNest(nlmsg.AppendAttr(nil, 1, 1, 2, 3), 2, nlmsg.AppendUint32(nil, 3, 4))
	f.Add(slices.Concat(message(20, 2, 1, attrs...), message(nlmsg.TypeDone, 0, 1, 0, 0, 0, 0)))
	f.Add(message(nlmsg.TypeError, nlmsg.FlagAckTLVs, 1, slices.Concat(num(1<<32-22), message(20, 1, 1), nlmsg.AppendAttr(nil, 1, 'x', 0))...))
	f.Add(attrs)
	f.Add([]byte{5, 0, 0, 0, 1})
	f.Fuzz(func(t *testing.T, b []byte) {
		var m nlmsg.Message
		for rest := b; len(rest) > 0; {
			next, ok := m.Cut(rest)
			if !ok {
				break
			}
			again := append(nlmsg.AppendHeader(nil, m.Type, m.Flags, m.Seq), m.Body...)
			nlmsg.End(again, 0)
			copy(again[12:16], rest[12:16]) // the address
			if !bytes.Equal(again, rest[:m.Len]) || len(rest)-len(next) != min(nlmsg.Align(int(m.Len)), len(rest)) {
				t.Fatalf("%x is %+v with %d bytes behind it", rest, m, len(next))
			}
			if _, text, ok := m.Errno(); len(text) > len(m.Body) || !ok && len(m.Body) >= 4 {
				t.Fatalf("%+v: %q, %t", m, text, ok)
			}
			walk(t, m.Body, 3)
			rest = next
		}
		walk(t, b, 3)
	})
}

func walk(t *testing.T, b []byte, depth int) {
	at := 0
	for typ, v := range nlmsg.Attrs(b) {
		again := nlmsg.AppendAttr(nil, typ|nlmsg.Nested, v...)
		end := min(at+nlmsg.AttrLen+len(v), len(b))
		if again[3] |= b[at+3]; !bytes.Equal(again[:2], b[at:at+2]) || !bytes.Equal(v, b[at+nlmsg.AttrLen:end]) || len(again) != nlmsg.Align(len(v))+nlmsg.AttrLen {
			t.Fatalf("%x at %d is %d %x", b, at, typ, v)
		}
		if depth > 0 {
			walk(t, v, depth-1)
		}
		at += len(again)
	}
	if typ, n := nlmsg.AttrAt(b, at); n > 0 {
		t.Fatalf("%x ends before an attribute %d of %d bytes", b, typ, n)
	}
}

// To read and to write costs no memory.
func TestAllocs(t *testing.T) {
	attrs := nlmsg.AppendNest(nlmsg.AppendUint32(nil, 1, 1), 2, nlmsg.AppendUint32(nil, 3, 4))
	in := bytes.Repeat(message(20, 2, 1, attrs...), 10)
	out := make([]byte, 0, 1024)
	seen := 0
	if allocs := testing.AllocsPerRun(100, func() {
		var m nlmsg.Message
		for b, ok := m.Cut(in); ok; b, ok = m.Cut(b) {
			for range nlmsg.Attrs(m.Body) {
				seen++
			}
			if nlmsg.Find(nlmsg.Find(m.Body, 2), 3) == nil {
				t.Fatal("it is not found")
			}
		}
		out = nlmsg.AppendHeader(out[:0], 20, nlmsg.FlagRequest, 1)
		out = nlmsg.AppendAttr(nlmsg.AppendUint16(out, 1, 1), 2, 1, 2, 3)
		out = nlmsg.AppendNest(out, 3, attrs)
		nlmsg.End(out, 0)
	}); allocs != 0 || seen == 0 {
		t.Errorf("%v allocations, %d attributes", allocs, seen)
	}
}
