package dump

import (
	"bytes"
	"math/rand/v2"
	"strings"
	"testing"

	"framescope/decode"
)

func TestAnnotator(t *testing.T) {
	var out bytes.Buffer
	a := Annotator{W: &out}
	a.Title(0, 0, "frame 1  evil\x1b[31m")
	a.Field(0, 0, []byte{0x81}, decode.Field{Name: "fin", Bits: 1, Len: 1, Value: "1"})
	a.Field(0, 0, []byte{0x81}, decode.Field{Name: "opcode", Bit: 4, Bits: 4, Len: 1, Value: "1 text"})
	a.Field(1, 0, []byte{0x12, 0x34}, decode.Field{Name: "twelve", Bit: 4, Bits: 12, Len: 2, Value: "564"})
	a.Field(3, 1, []byte{0x80, 0, 0, 1}, decode.Field{Name: "stream", Bit: 1, Bits: 31, Len: 4, Value: "1"})
	a.Field(7, 1, []byte("a long value"), decode.Field{Name: "name", Len: 12, Value: "a long value that takes\u202e more than\xff one line"})
	a.Begin(19, 0, "payload")
	a.Data([]byte("hello "), nil)
	a.Data(bytes.Repeat([]byte{'x'}, 100), nil)
	a.Lost(7)
	a.Data([]byte("end"), []byte("END"))
	a.End("a note")
	if err := a.Flush(); err != nil {
		t.Fatal(err)
	}
	want := `00000000  frame 1  evil\x1b[31m
00000000  81                       1.......  fin               1
                                   ....0001  opcode            1 text
00000001  12                       ....0010  twelve            564
00000002  34                       00110100
00000003  80 00 00 01              .0000000    stream          1
00000007  61 20 6c 6f 6e 67 20 76              name            a long value that
0000000f  61 6c 75 65                                          takes\u202e more
`
	if got := out.String(); !strings.HasPrefix(got, want[:strings.Index(want, "0000000f")-1]) {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
	for _, part := range []string{"takes\\u202e", "\\xff", "00000013  68 65 6c 6c 6f 20 78 78            payload           |hello xx|\n",
		"... 72 bytes\n0000007b  78 78                                                |xx|\n", "... 7 bytes are missing\n00000084  65 6e 64                                             |END|\n", "a note"} {
		if !strings.Contains(out.String(), part) {
			t.Errorf("no %q in\n%s", part, out.String())
		}
	}
}

// The rows of a long field do not depend on the pieces it came in, and the bytes
// that are shown and those left out are all of them.
func TestRunPieces(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 9))
	for range 300 {
		b := make([]byte, r.IntN(200))
		for i := range b {
			b[i] = byte(r.Uint32())
		}
		show := func(piece int) string {
			var out bytes.Buffer
			a := Annotator{W: &out, Rows: []int{0, 1, -1}[len(b)%3], Columns: 1 + len(b)%20}
			a.Begin(5, 0, "payload")
			for rest := b; len(rest) > 0; {
				n := min(piece, len(rest))
				a.Data(rest[:n], nil)
				rest = rest[n:]
			}
			a.End("")
			if err := a.Flush(); err != nil {
				t.Fatal(err)
			}
			return out.String()
		}
		whole := show(1000)
		for _, piece := range []int{1, 3, 8, 17, 64} {
			if got := show(piece); got != whole {
				t.Fatalf("%d bytes, in pieces of %d:\n%s\nwhole:\n%s", len(b), piece, got, whole)
			}
		}
	}
}

// Colours only surround what is there without them.
func TestColor(t *testing.T) {
	show := func(color bool) string {
		var out bytes.Buffer
		a := Annotator{W: &out, Color: color}
		a.Title(0, 0, "title")
		a.Field(0, 0, []byte{0x81}, decode.Field{Name: "fin", Bits: 1, Value: "1"})
		a.Begin(1, 0, "payload")
		a.Data([]byte("hello"), nil)
		a.End("note")
		a.Break("wrong", []byte("hello"), 0, 1, 2)
		a.Flush()
		return out.String()
	}
	plain := show(true)
	if !strings.Contains(plain, "\x1b[") {
		t.Error("no colours")
	}
	for {
		i := strings.IndexByte(plain, 0x1b)
		if i < 0 {
			break
		}
		plain = plain[:i] + plain[i+strings.IndexByte(plain[i:], 'm')+1:]
	}
	if plain != show(false) {
		t.Errorf("with colours taken out:\n%s\nwithout:\n%s", plain, show(false))
	}
}

func TestMark(t *testing.T) {
	b := []byte("0123456789abcdefghijklmnopqrstuvwxyz")
	got := string(AppendMark(nil, b, 3, 20, 22))
	want := `00000000           30 31 32 33 34  35 36 37 38 39 61 62 63  |   0123456789abc|
00000010  64 65 66 67 68 69 6a 6b  6c 6d 6e 6f 70 71 72 73  |defghijklmnopqrs|
                      ^^ ^^
00000020  74 75 76 77 78 79 7a                              |tuvwxyz|
`
	if got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
	for from := int64(-5); from < 60; from++ {
		for n := int64(-1); n < 40; n += 7 {
			for _, off := range []int64{0, 5, 16, 1000} {
				if s := AppendMark(nil, b, off, from, from+n); bytes.Count(s, []byte("^^")) < 1 || len(s) > 2000 {
					t.Fatalf("off %d, %d to %d:\n%s", off, from, from+n, s)
				}
			}
		}
	}
	AppendMark(nil, nil, 0, 0, 1)
}

// Between edits the inputs are equal, and the edits cover the rest.
func checkEdits(t *testing.T, a, b []byte) []Edit {
	t.Helper()
	edits := Compare(a, b)
	i, j := 0, 0
	for _, e := range edits {
		n := e.A - i
		if n < 0 || e.B-j != n || !bytes.Equal(a[i:e.A], b[j:e.B]) || e.ALen == 0 && e.BLen == 0 {
			t.Fatalf("%q %q: %+v", a, b, edits)
		}
		i, j = e.A+e.ALen, e.B+e.BLen
	}
	if !bytes.Equal(a[i:], b[j:]) {
		t.Fatalf("%q %q: %+v", a, b, edits)
	}
	return edits
}

func TestCompare(t *testing.T) {
	r := rand.New(rand.NewPCG(3, 3))
	base := make([]byte, 5000)
	for i := range base {
		base[i] = byte(r.Uint32())
	}
	if e := checkEdits(t, base, base); len(e) != 0 {
		t.Error(e)
	}
	changed := bytes.Clone(base)
	changed[100] ^= 1
	if e := checkEdits(t, base, changed); len(e) != 1 || e[0] != (Edit{100, 1, 100, 1}) {
		t.Error(e)
	}
	inserted := append(append(bytes.Clone(base[:200]), "new bytes"...), base[200:]...)
	if e := checkEdits(t, base, inserted); len(e) != 1 || e[0].BLen-e[0].ALen != 9 || e[0].ALen > 1 {
		t.Error(e)
	}
	if e := checkEdits(t, inserted, base); len(e) != 1 || e[0].ALen-e[0].BLen != 9 {
		t.Error(e)
	}
	if e := checkEdits(t, base, base[:4990]); len(e) != 1 || e[0] != (Edit{4990, 10, 4990, 0}) {
		t.Error(e)
	}
	checkEdits(t, nil, base)
	checkEdits(t, make([]byte, 20000), bytes.Repeat([]byte{1}, 20000))
}

func FuzzCompare(f *testing.F) {
	f.Add([]byte("hello world, hello"), []byte("hello there, world"))
	f.Fuzz(func(t *testing.T, a, b []byte) {
		checkEdits(t, a, b)
		if same, err := (&Diff{W: &fullWriter{room: 1 << 30}}).Write(a, b); err != nil || same != !bytes.Equal(a, b) {
			t.Fatal(same, err)
		}
	})
}

func TestDiff(t *testing.T) {
	var out bytes.Buffer
	d := Diff{W: &out}
	differs, err := d.Write([]byte("0123456789abcdefXYZ"), []byte("0123456789ABcdefXYZ"))
	want := `@ 0000000a 2 bytes  >  0000000a 2 bytes
-00000000  30 31 32 33 34 35 36 37  38 39 61 62 63 64 65 66  |0123456789abcdef|
                                          ^^ ^^
+00000000  30 31 32 33 34 35 36 37  38 39 41 42 63 64 65 66  |0123456789ABcdef|
                                          ^^ ^^
`
	if !differs || err != nil || out.String() != want {
		t.Errorf("%v %v\n%s\nwant\n%s", differs, err, out.String(), want)
	}
}
