package dump

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"math"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// input is random bytes of the kind that dumps are made of: runs, repeats, text.
func input(r *rand.Rand) []byte {
	var b []byte
	for range r.IntN(12) {
		n := r.IntN(70)
		switch r.IntN(4) {
		case 0:
			b = append(b, bytes.Repeat([]byte{byte(r.Uint32())}, n)...)
		case 1:
			b = append(b, make([]byte, 16*(n/4))...)
		case 2:
			for range n {
				b = append(b, byte(' '+r.IntN(95)))
			}
		default:
			for range n {
				b = append(b, byte(r.Uint32()))
			}
		}
	}
	return b
}

func write(t testing.TB, w Writer, b []byte, r *rand.Rand) string {
	t.Helper()
	var out bytes.Buffer
	w.W = &out
	for rest := b; len(rest) > 0; {
		n := len(rest)
		if r != nil {
			n = min(1+r.IntN(40), n)
		}
		if k, err := w.Write(rest[:n]); k != n || err != nil {
			t.Fatal(k, err)
		}
		rest = rest[n:]
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return out.String()
}

func tool(t *testing.T, in []byte, name string, args ...string) string {
	t.Helper()
	cmd := exec.Command(name, args...)
	cmd.Stdin = bytes.NewReader(in)
	cmd.Env = append(os.Environ(), "LC_ALL=C")
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("%s %v: %v", name, args, err)
	}
	return string(out)
}

// canonicalFormat is what hexdump(1) needs for rows of any number of groups of
// eight.
func canonicalFormat(groups int) []string {
	row := `"%08.8_ax"` + strings.Repeat(` "  " 8/1 "%02x "`, groups)
	return []string{"-e", `"%08.8_Ax\n"`, "-e", row, "-e", fmt.Sprintf(`"  |" %d/1 "%%_p" "|\n"`, 8*groups)}
}

// Byte for byte what hexdump -C of util-linux writes.
func TestAgainstHexdump(t *testing.T) {
	if _, err := exec.LookPath("hexdump"); err != nil {
		t.Skip("hexdump is not in PATH (Debian: bsdextrautils)")
	}
	r := rand.New(rand.NewPCG(1, 2))
	file := filepath.Join(t.TempDir(), "in")
	for i := range 150 {
		b := input(r)
		if err := os.WriteFile(file, b, 0o666); err != nil {
			t.Fatal(err)
		}
		for _, all := range []bool{false, true} {
			args := []string{"-C", file}
			if all {
				args = []string{"-v", "-C", file}
			}
			if got, want := write(t, Writer{All: all}, b, r), tool(t, nil, "hexdump", args...); got != want {
				t.Fatalf("%d: got\n%s\nwant\n%s", i, got, want)
			}
		}
		skip := r.IntN(len(b) + 1)
		n := r.IntN(len(b) + 2)
		part := b[skip:min(skip+n, len(b))]
		if n == 0 {
			continue
		}
		if got, want := write(t, Writer{Off: int64(skip)}, part, r), tool(t, nil, "hexdump", "-C", "-s", fmt.Sprint(skip), "-n", fmt.Sprint(n), file); got != want {
			t.Fatalf("%d: -s %d -n %d: got\n%s\nwant\n%s", i, skip, n, got, want)
		}
	}
}

// And in rows that hexdump -C does not have, but for the last one: hexdump does
// not pad rows of its own formats in the same way.
func TestAgainstHexdumpColumns(t *testing.T) {
	if _, err := exec.LookPath("hexdump"); err != nil {
		t.Skip("hexdump is not in PATH (Debian: bsdextrautils)")
	}
	r := rand.New(rand.NewPCG(5, 2))
	for _, groups := range []int{1, 3, 4, 8} {
		for range 10 {
			b := input(r)
			b = b[:len(b)-len(b)%(8*groups)]
			if got, want := write(t, Writer{Columns: 8 * groups}, b, r), tool(t, b, "hexdump", canonicalFormat(groups)...); got != want {
				t.Fatalf("%d groups: got\n%s\nwant\n%s", groups, got, want)
			}
		}
	}
}

// Byte for byte what xxd writes.
func TestAgainstXXD(t *testing.T) {
	if _, err := exec.LookPath("xxd"); err != nil {
		t.Skip("xxd is not in PATH (Debian: xxd)")
	}
	r := rand.New(rand.NewPCG(3, 4))
	for i := range 100 {
		b := input(r)
		for _, cols := range []int{16, 1 + r.IntN(60), 256} {
			if got, want := write(t, Writer{Layout: XXD, Columns: cols}, b, r), tool(t, b, "xxd", "-c", fmt.Sprint(cols)); got != want {
				t.Fatalf("%d, %d columns: got\n%s\nwant\n%s", i, cols, got, want)
			}
		}
	}
	for range 100 {
		b, cols := input(r), 1+r.IntN(60)
		for _, c := range []int{0, cols} {
			args := []string{"-p"}
			if c > 0 {
				args = append(args, "-c", fmt.Sprint(c))
			}
			if got, want := write(t, Writer{Layout: Plain, Columns: c}, b, r), tool(t, b, "xxd", args...); got != want {
				t.Fatalf("plain, %d columns: got\n%s\nwant\n%s", c, got, want)
			}
		}
	}
	big := Writer{Layout: XXD, Off: 5<<30 + 7}
	if got := write(t, big, []byte("abc"), nil); !strings.HasPrefix(got, "140000007: 6162 63 ") {
		t.Errorf("%s", got)
	}
}

func text(t *testing.T, s string) (string, error) {
	t.Helper()
	var out bytes.Buffer
	x := Text{W: &out}
	_, err := x.ReadFrom(strings.NewReader(s))
	return out.String(), err
}

// What od writes is read, whatever its offsets and groups are.
func TestAgainstOD(t *testing.T) {
	r := rand.New(rand.NewPCG(7, 8))
	for range 60 {
		b := input(r)
		if len(b) == 0 {
			continue
		}
		for _, args := range []string{"-t x1", "-t x1z", "-A d -t x1 -v", "-A x -t x1 -v", "-x", "-A d -t x1", "-A x -t x1z", "-t x4", "-t x8", "-A d -v -t x2"} {
			if strings.HasPrefix(args, "-A x") && len(b) < 16 {
				continue // plain digits may look like that
			}
			dumped := tool(t, b, "od", strings.Fields(args)...)
			if lines := strings.Split(dumped, "\n"); lines[1] == "*" && (args == "-x" || args == "-A d -t x1") {
				continue // what tells the base of offsets may come too late
			}
			if got, err := text(t, dumped); err != nil || got != string(b) {
				t.Fatalf("od %s: %v\n%s", args, err, dumped)
			}
		}
	}
}

// What was dumped is read back.
func TestRoundTrip(t *testing.T) {
	r := rand.New(rand.NewPCG(5, 6))
	have := func(name string) bool {
		_, err := exec.LookPath(name)
		return err == nil
	}
	for i := range 400 {
		b := input(r)
		if len(b) == 0 {
			continue
		}
		for _, w := range []Writer{{}, {All: true}, {Columns: 1 + r.IntN(40)}, {Layout: XXD}, {Layout: XXD, Columns: 1 + r.IntN(256)}, {Off: int64(r.IntN(1 << 20))}} {
			dumped := write(t, w, b, nil)
			if got, err := text(t, dumped); err != nil || got != string(b) {
				t.Fatalf("%d, %+v: %v\n%s\n%x\n%x", i, w, err, dumped, got, b)
			}
		}
		if i > 40 {
			continue
		}
		if have("xxd") {
			dumped := write(t, Writer{Layout: XXD}, b, nil)
			if got := tool(t, []byte(dumped), "xxd", "-r"); got != string(b) {
				t.Fatal("xxd -r disagrees")
			}
			if got, err := text(t, tool(t, b, "xxd", "-p")); err != nil || got != string(b) {
				t.Fatalf("xxd -p: %v", err)
			}
			if got, err := text(t, tool(t, b, "xxd", "-g", "1")); err != nil || got != string(b) {
				t.Fatalf("xxd -g 1: %v", err)
			}
			if got, err := text(t, tool(t, b, "xxd", "-i")); err != nil && got == "" {
				t.Logf("xxd -i: %v", err)
			}
		}
	}
}

// Hex text as people paste it.
func TestText(t *testing.T) {
	hello := "\x81\x05Hello"
	for _, row := range []struct{ name, in, want string }{
		{"plain", "810548656c6c6f", hello},
		{"pairs", "81 05 48 65\n6c 6c 6f\n", hello},
		{"colons", "81:05:48:65:6c:6c:6f", hello},
		{"0x", "0x81, 0x05, 0x48, 0x65, 0x6c, 0x6c, 0x6f", hello},
		{"RFC 6455", "0x81 0x05 0x48 0x65 0x6c 0x6c 0x6f (contains \"Hello\")"[:34], hello},
		{"a comment", "81 05 # header\n48 65 6c 6c 6f // Hello", hello},
		{"C", "{0x81, 0x5, 0x48, 0x65, 0x6c, 0x6c, 0x6f}", hello},
		{"shell", `\x81\x05\x48\x65\x6c\x6c\x6f`, hello},
		{"Python", `b'\x81\x05Hello'`, hello},
		{"Python, double quotes", `b"\x81\x05He'llo"`, "\x81\x05He'llo"},
		{"Python, assigned", `data = b'\x81\x05Hel' b'lo'  # two`, hello},
		{"Python, in parentheses", "(b'\\x81\\x05'\n b'Hello')", hello},
		{"Python, octal and others", `b'\201\5\t\n\\\'\q'`, "\x81\x05\t\n\\'\\q"},
		{"Python, raw", `rb'\x81'`, `\x81`},
		{"Python, three quotes", "b'''a\nb'''", "a\nb"},
		{"hex in quotes", `"81054865 6c6c6f"`, hello},
		{"hexdump -C", "00000000  81 05 48 65 6c 6c 6f                              |..Hello|\n00000007\n", hello},
		{"xxd", "00000000: 8105 4865 6c6c 6f                        ..Hello\n", hello},
		{"tcpdump -x", "16:04:11.204 IP 127.0.0.1.1 > 127.0.0.1.2: Flags [P.], length 7\n\t0x0000:  8105 4865 6c6c 6f\n", hello},
		{"tcpdump -X", "\t0x0000:  4500 003c 1c46 4000 4006 0000 ac10 0a63  E..<.F@.@......c\n\t0x0010:  ac10 0a0c                                ....\n",
			"\x45\x00\x00\x3c\x1c\x46\x40\x00\x40\x06\x00\x00\xac\x10\x0a\x63\xac\x10\x0a\x0c"},
		{"Wireshark", "0000   81 05 48 65 6c 6c 6f                              ..Hello\n", hello},
		{"Wireshark, text like bytes", "0000   61 62 20 63 64 20 65 66 61 62 20 63 64 20 65 66   ab cd efab cd ef\n0010   61 62   ab\n", "ab cd efab cd efab"},
		{"older Wireshark", "0000  61 62 20 63 64 20 65 66  61 62 20 63 64 20 65 66   ab cd ef ab cd ef\n", "ab cd efab cd ef"},
		{"text like bytes, cut by the next offset", "00000000  61 62 20 63 64 20 65 66  61 62\n00000008  61\n", "ab cd efa"},
		{"repeated rows", "00000000  41 41 41 41 41 41 41 41  41 41 41 41 41 41 41 41  |AAAAAAAAAAAAAAAA|\n*\n00000032\n", strings.Repeat("A", 50)},
		{"two packets", "0x0000:  8105\nanother\n0x0000:  4865\n", "\x81\x05He"},
		{"Windows line ends", "81 05\r\n48\r\n", "\x81\x05H"},
		{"quoted", "> 00000000  81 05 48 65 6c 6c 6f                              |..Hello|\n> 00000007\n", hello},
		{"quoted twice", "> > 81 05 48\n>> 65 6c 6c 6f\n", hello},
		{"C, one line", "unsigned char x[] = {0x81, 0x05, 0x48, 0x65, 0x6c, 0x6c, 0x6f};", hello},
		{"C, with a size", "static const uint8_t x[0x10] = { 0x81, 0x5, 0x48, 0x65, 0x6c, 0x6c, 0x6f };", hello},
		{"xxd -i", "unsigned char hello_bin[] = {\n  0x81, 0x05, 0x48, 0x65,\n  0x6c, 0x6c, 0x6f\n};\nunsigned int hello_bin_len = 7;\n", hello},
		{"C, a list of two", "x[2][2] = {{0x81, 0x05},\n {0x48, 0x65}};\n", "\x81\x05He"},
		{"Go, one line", "[]byte{0x81, 0x05, 0x48, 0x65, 0x6c, 0x6c, 0x6f}", hello},
		{"Go, lines", "var x = []byte{\n\t0x81, 0x05, // (header)\n\t0x48, 0x65, 0x6c, 0x6c, 0x6f,\n}\n", hello},
		{"Python, a list", "data = bytes([0x81, 0x05, 0x48, 0x65, 0x6c, 0x6c, 0x6f])", hello},
		{"JavaScript", "new Uint8Array([0x81, 0x05, 0x48, 0x65, 0x6c, 0x6c, 0x6f]);", hello},
		{"behind words", "payload: 810548656c6c6f", hello},
		{"behind words, pairs", "the payload was: 81 05 48 65 6c 6c 6f\n", hello},
		{"od -t x1", "0000000 81 05 48 65 6c 6c 6f\n0000007\n", hello},
		{"od -t x1, macOS", "0000000    81  05  48  65  6c  6c  6f\n0000007\n", hello},
		{"od -t x1, rows that repeat", "0000000 41 41 41 41 41 41 41 41 41 41 41 41 41 41 41 41\n*\n0000060 42\n0000061\n", strings.Repeat("A", 48) + "B"},
		{"od -t x1z", "0000000 41 41 41 41 41 41 41 41 41 41 41 41 41 41 41 41  >AAAAAAAAAAAAAAAA<\n0000020 42 20 42  >B B<\n0000023\n", strings.Repeat("A", 16) + "B B"},
		{"od -A d -t x1", "0000000 41 41 41 41 41 41 41 41 41 41 41 41 41 41 41 41\n0000016 42\n0000017\n", strings.Repeat("A", 16) + "B"},
		{"od -A x -t x1", "000000 41 41 41 41 41 41 41 41 41 41 41 41 41 41 41 41\n000010 42\n000011\n", strings.Repeat("A", 16) + "B"},
		{"od -x", "0000000 0581 6548 6c6c 216f 0581 6548 6c6c 216f\n0000020 0042\n0000021\n", hello + "!" + hello + "!B"},
		{"od -t x4", "0000000 65480581 006f6c6c\n0000007\n", hello},
		{"hexdump", "0000000 0581 6548 6c6c 006f                    \n0000007\n", hello},
		{"hexdump, rows that repeat", "0000000 4141 4141 4141 4141 4141 4141 4141 4141\n*\n0000030 0042\n0000031\n", strings.Repeat("A", 48) + "B"},
		{"digits in fours with zeros", "000000 81", "\x00\x00\x00\x81"},
		{"digits in fours", "8105 4865 6c6c 6f", hello},
	} {
		if got, err := text(t, row.in); err != nil || got != row.want {
			t.Errorf("%s: %q, %v, want %q", row.name, got, err, row.want)
		}
	}
	for _, row := range []struct{ in, want string }{
		{"", "line 0, column 1: no hex digits were found"},
		{"nothing but words\nat all", "line 1, column 1: this was taken for words, and no hex digits follow"},
		{"length: 26\nxyz", "line 1, column 1: this was taken for words, and no hex digits follow"},
		{"x[] = {0x81, y}", "line 1, column 14: found 'y', expected hex digits"},
		{"0000000 81 05\n0000007\n", "line 2, column 1: offset 7, expected 2"},
		{"81 0", "line 1, column 4: a single hex digit '0', expected two to a byte"},
		{"81 05\nhe", "line 2, column 1: found 'h', expected hex digits"},
		{"00000000: 8105\n00000004: 8105\n", "line 2, column 1: offset 4, expected 2"},
		{`b'\x8'`, `line 1, column 3: expected two hex digits behind \x`},
		{`b'abc`, "line 1, column 6: the string has no end, expected '"},
		{"b'''abc", "line 1, column 1: the string has no end"},
		{"00000000: 8105\n00000007: 8105", "line 2, column 1: offset 7, expected 2"},
	} {
		_, err := text(t, row.in)
		var e *TextError
		if !errors.As(err, &e) || err.Error() != row.want {
			t.Errorf("%q: %v, want %s", row.in, err, row.want)
		}
	}
}

// A repeat that stands for more than anybody wants costs no memory, and ends
// when the writer does.
func TestEndlessRepeat(t *testing.T) {
	w := &fullWriter{room: 1 << 20}
	x := Text{W: w}
	_, err := x.ReadFrom(strings.NewReader("00000000: 41\n*\n7fffffffffffff0: 41\n"))
	var e *TextError
	if !errors.As(err, &e) || e.Line != 3 {
		t.Error(err, w.room)
	}
	x = Text{W: w}
	_, err = x.ReadFrom(strings.NewReader("00000000: 41\n*\n3fffffff: 41\n"))
	if err != errFull || w.room >= 0 {
		t.Error(err, w.room)
	}
	// Many short repeats are as one that is long.
	w.room = math.MaxInt
	x = Text{W: w}
	_, err = x.ReadFrom(strings.NewReader(strings.Repeat("00000000: 4142\n*\n1ffffff1: 41\n1ffffff2:\n", 4)))
	if !errors.As(err, &e) || e.Line != 11 || math.MaxInt-w.room > maxRepeated+100 {
		t.Error(err, math.MaxInt-w.room)
	}
	var d = Writer{W: &fullWriter{}}
	if _, err := d.Write(make([]byte, 100)); err != nil {
		t.Fatal(err)
	}
	if err := d.Close(); err != errFull {
		t.Error(err)
	}
}

var errFull = errors.New("full")

type fullWriter struct{ room int }

func (f *fullWriter) Write(p []byte) (int, error) {
	if f.room -= len(p); f.room < 0 {
		return 0, errFull
	}
	return len(p), nil
}

func TestFit(t *testing.T) {
	for _, width := range []int{0, 40, 80, 120, 146, 160, 200, 400, 4096} {
		for _, l := range []Layout{Canonical, XXD} {
			cols := Fit(l, width)
			widest := func(n int) int {
				row := write(t, Writer{Layout: l, Columns: n}, make([]byte, n), nil)
				return strings.IndexByte(row, '\n')
			}
			if cols > 16 && widest(cols) > width || cols < MaxColumns && widest(cols+16) <= width {
				t.Errorf("layout %d, width %d: %d columns of %d characters", l, width, cols, widest(cols))
			}
		}
	}
}

// FuzzText: any text is bytes or an error with a place, however it comes.
func FuzzText(f *testing.F) {
	f.Add([]byte("00000000  81 05  |..|\n*\n00000040\n"))
	f.Add([]byte(`x = (b'\x81' "\05"`))
	f.Add([]byte("\t0x0000:  8105 4865  ..He"))
	f.Add([]byte("81:05 0x5 # x"))
	f.Fuzz(func(t *testing.T, b []byte) {
		w := &fullWriter{room: 1 << 22}
		x := Text{W: w}
		n, err := x.ReadFrom(bytes.NewReader(b))
		var e *TextError
		if err != nil && !errors.As(err, &e) && err != errFull || err == nil && n != int64(len(b)) {
			t.Fatal(n, err)
		}
	})
}

// FuzzRoundTrip: what was dumped is read back.
func FuzzRoundTrip(f *testing.F) {
	f.Add([]byte("ab cd ef ab cd ef 01 02 03 04"), uint8(16), false)
	f.Add(bytes.Repeat([]byte("  "), 40), uint8(7), true)
	f.Fuzz(func(t *testing.T, b []byte, cols uint8, xxd bool) {
		if len(b) == 0 {
			return
		}
		w := Writer{Columns: int(cols)}
		if xxd {
			w.Layout = XXD
		}
		var out bytes.Buffer
		x := Text{W: &out}
		dumped := write(t, w, b, nil)
		if _, err := x.ReadFrom(strings.NewReader(dumped)); err != nil || !bytes.Equal(out.Bytes(), b) {
			t.Fatalf("%v\n%s\n%x\n%x", err, dumped, out.Bytes(), b)
		}
	})
}

func BenchmarkCanonical(b *testing.B) {
	in := make([]byte, 1<<16)
	for i := range in {
		in[i] = byte(i * i >> 3)
	}
	b.SetBytes(int64(len(in)))
	b.ReportAllocs()
	w := Writer{W: io.Discard}
	for b.Loop() {
		if _, err := w.Write(in); err != nil {
			b.Fatal(err)
		}
	}
}
